#include "ctl.h"

static void header(struct ctl_table *t, const char *const *names)
{
	for (size_t i = 0; i < t->columns; i++) {
		ctl_table_add(t, names[i]);
	}
}

enum ctl_exit ctl_print_streams(const json_t *result, FILE *out)
{
	static const char *const names[] = { "ID", "LOCAL", "", "REMOTE", "STATE", "METHOD", "TLS", "CIPHER", "ADDRESS", "AGE", "IDLE", "QUEUED" };
	struct ctl_table t;
	size_t i;
	json_t *s;
	const json_t *list = json_object_get(result, "streams");
	if (json_array_size(list) == 0) {
		fprintf(out, "no streams\n");
		return CTL_FINE;
	}
	ctl_table_init(&t, XFED_ARRAY_LEN(names));
	header(&t, names);
	json_array_foreach(list, i, s)
	{
		char age[32], idle[32];
		const char *edge = ctl_str(s, "edge");
		ctl_table_addf(&t, "%s%s%lld", edge, *edge ? "/" : "", (long long)ctl_int(s, "id"));
		ctl_table_add(&t, ctl_str(s, "local"));
		ctl_table_add(&t, strcmp(ctl_str(s, "direction"), "in") == 0 ? "<-" : "->");
		ctl_table_add(&t, ctl_str(s, "remote"));
		ctl_table_add(&t, ctl_str(s, "state"));
		ctl_table_add(&t, ctl_str(s, "method"));
		ctl_table_add(&t, ctl_str(s, "tls"));
		ctl_table_add(&t, ctl_str(s, "cipher"));
		ctl_table_add(&t, ctl_str(s, "peer_address"));
		ctl_table_add(&t, ctl_duration(ctl_int(s, "age_s"), age));
		ctl_table_add(&t, ctl_duration(ctl_int(s, "idle_s"), idle));
		ctl_table_addf(&t, "%lld", (long long)ctl_int(s, "queued"));
	}
	ctl_table_print(&t, "", out);
	return CTL_FINE;
}
