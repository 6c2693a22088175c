/* The last changes and failed logins. */
#include "ctl.h"

enum ctl_exit ctl_print_audit_list(const json_t *result, FILE *out)
{
	static const char *const names[] = { "AT", "WHO", "FROM", "WHAT", "RESULT" };
	struct ctl_table t;
	size_t i;
	json_t *e;
	if (json_array_size(json_object_get(result, "audit")) == 0) {
		fprintf(out, "nothing since the service started; the log has what was before: journalctl -g audit\n");
		return CTL_FINE;
	}
	ctl_table_init(&t, XFED_ARRAY_LEN(names));
	ctl_table_header(&t, names);
	json_array_foreach(json_object_get(result, "audit"), i, e) {
		char at[32];
		ctl_table_add(&t, ctl_time(ctl_int(e, "at"), at));
		ctl_table_add(&t, ctl_str(e, "who"));
		ctl_table_add(&t, ctl_str(e, "from"));
		ctl_table_add(&t, ctl_str(e, "what"));
		ctl_table_add(&t, ctl_str(e, "result"));
	}
	ctl_table_print(&t, "", out);
	ctl_print_next(result, "audit", out);
	return CTL_FINE;
}
