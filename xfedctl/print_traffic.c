/* What was carried in the last hour, ten seconds a line. */
#include "ctl.h"

static void add_ms(struct ctl_table *t, const json_t *s, const char *key)
{
	const json_t *ms = json_object_get(s, key);
	if (ms) {
		ctl_table_addf(t, "%.1f", json_number_value(ms));
	} else {
		ctl_table_add(t, "");
	}
}

enum ctl_exit ctl_print_traffic_list(const json_t *result, FILE *out)
{
	static const char *const names[] = { "UNTIL", "TO SIP", "TO XMPP", "PRESENCE TO SIP", "TO XMPP", "REFUSED", "STREAMS IN", "OUT", "P50 MS",
		"P99 MS" };
	static const char *const keys[] = { "to_sip", "to_xmpp", "presence_to_sip", "presence_to_xmpp", "refused", "streams_in", "streams_out" };
	struct ctl_table t;
	size_t i;
	json_t *s;
	if (json_array_size(json_object_get(result, "samples")) == 0) {
		fprintf(out, "the service has just started: say it again in %lld seconds\n", (long long)ctl_int(result, "every_s"));
		return CTL_FINE;
	}
	ctl_table_init(&t, XFED_ARRAY_LEN(names));
	ctl_table_header(&t, names);
	json_array_foreach(json_object_get(result, "samples"), i, s) {
		char at[32];
		ctl_table_add(&t, ctl_time(ctl_int(s, "at"), at));
		for (size_t k = 0; k < XFED_ARRAY_LEN(keys); k++) {
			ctl_table_addf(&t, "%lld", (long long)ctl_int(s, keys[k]));
		}
		add_ms(&t, s, "p50_ms");
		add_ms(&t, s, "p99_ms");
	}
	ctl_table_print(&t, "", out);
	return CTL_FINE;
}
