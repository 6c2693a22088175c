/* When certificates end. */
#include "ctl.h"

static void add(struct ctl_table *t, const json_t *c)
{
	char until[32];
	ctl_table_add(t, ctl_str(c, "state"));
	ctl_table_addf(t, "%lld", (long long)ctl_int(c, "days"));
	ctl_table_add(t, ctl_time(ctl_int(c, "not_after"), until));
	ctl_table_add(t, ctl_str(c, "owner"));
	ctl_table_add(t, ctl_str(c, "name"));
	ctl_table_add(t, ctl_str(c, "edge"));
}

enum ctl_exit ctl_print_cert_list(const json_t *result, FILE *out)
{
	static const char *const names[] = { "STATE", "DAYS", "ENDS", "WHOSE", "NAME", "AT EDGE" };
	struct ctl_table t;
	enum ctl_exit rc = CTL_FINE;
	size_t i;
	json_t *c;
	ctl_table_init(&t, XFED_ARRAY_LEN(names));
	ctl_table_header(&t, names);
	json_array_foreach(json_object_get(result, "certificates"), i, c) {
		bool is_late = strcmp(ctl_str(c, "state"), "ok") != 0 && strcmp(ctl_str(c, "owner"), "partner") != 0;
		add(&t, c);
		rc = is_late ? CTL_PROBLEM : rc;
	}
	ctl_table_print(&t, "", out);
	json_array_foreach(json_object_get(result, "silent"), i, c) {
		fprintf(out, "the edge ");
		ctl_text(out, json_string_value(c));
		fprintf(out, " has not answered: its certificates are not in the list\n");
	}
	if (ctl_int(result, "more") > 0) {
		fprintf(out, "%lld more end later\n", (long long)ctl_int(result, "more"));
	}
	return rc;
}
