#include "ctl.h"

static const char *state_word(const char *state)
{
	if (strcmp(state, "closed") == 0) {
		return "CLOSED";
	}
	if (strcmp(state, "problem") == 0) {
		return "PROBLEM";
	}
	return strcmp(state, "skipped") == 0 ? "-" : state;
}

static void print_remedy(const json_t *item, FILE *out)
{
	const char *reason = ctl_str(item, "reason");
	fprintf(out, "%s: ", reason);
	ctl_text(out, ctl_str(item, "remedy"));
	fprintf(out, "\n");
}

/* Lines of state, name and text; `name` is the key of the name. */
static void print_lines(const json_t *list, const char *name, FILE *out)
{
	struct ctl_table t;
	size_t i;
	json_t *item;
	ctl_table_init(&t, 3);
	json_array_foreach(list, i, item) {
		ctl_table_add(&t, state_word(ctl_str(item, "state")));
		ctl_table_add(&t, ctl_str(item, name));
		ctl_table_add(&t, ctl_str(item, "text"));
	}
	ctl_table_print(&t, "", out);
}

enum ctl_exit ctl_print_explain(const json_t *result, FILE *out)
{
	size_t i;
	json_t *gate;
	const json_t *gates = json_object_get(result, "gates");
	const char *closed = ctl_str(result, "closed");
	print_lines(gates, "gate", out);
	if (json_is_true(json_object_get(result, "ok"))) {
		fprintf(out, "\nno gate is closed\n");
		return CTL_FINE;
	}
	json_array_foreach(gates, i, gate) {
		if (strcmp(ctl_str(gate, "gate"), closed) == 0) {
			fprintf(out, "\nthe gate that is closed: %s\n", closed);
			print_remedy(gate, out);
		}
	}
	return CTL_PROBLEM;
}

enum ctl_exit ctl_print_partner_check(const json_t *result, FILE *out)
{
	size_t i;
	json_t *step;
	const json_t *steps = json_object_get(result, "steps");
	const char *edge = ctl_str(result, "edge");
	ctl_text(out, ctl_str(result, "domain"));
	if (*edge) {
		fprintf(out, ", seen from ");
		ctl_text(out, edge);
		fprintf(out, " for ");
		ctl_text(out, ctl_str(result, "local"));
	}
	fprintf(out, "\n");
	print_lines(steps, "step", out);
	bool is_fine = json_is_true(json_object_get(result, "ok"));
	fprintf(out, is_fine ? "\nno problem was found\n" : "\n");
	json_array_foreach(steps, i, step) {
		if (strcmp(ctl_str(step, "state"), "problem") == 0) {
			fprintf(out, "%s: ", ctl_str(step, "step"));
			print_remedy(step, out);
		}
	}
	return is_fine ? CTL_FINE : CTL_PROBLEM;
}
