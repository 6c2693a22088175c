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

void ctl_print_lines(const json_t *list, const char *name, FILE *out)
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

void ctl_print_remedies(const json_t *steps, FILE *out)
{
	size_t i;
	json_t *step;
	json_array_foreach(steps, i, step) {
		if (strcmp(ctl_str(step, "state"), "problem") == 0 && ctl_str(step, "reason")[0]) {
			fprintf(out, "%s: ", ctl_str(step, "step"));
			print_remedy(step, out);
		}
	}
}

static const json_t *closed_gate(const json_t *judged)
{
	size_t i;
	json_t *gate;
	json_array_foreach(json_object_get(judged, "gates"), i, gate) {
		if (strcmp(ctl_str(gate, "gate"), ctl_str(judged, "closed")) == 0) {
			return gate;
		}
	}
	return NULL;
}

/* In small letters, as it is not what was asked for. Who has not been let see is refused by no setting: that is said in other words. */
static void print_other(const json_t *judged, FILE *out)
{
	const json_t *gate = closed_gate(judged);
	const char *kind = ctl_str(judged, "kind");
	bool is_unapproved = gate && strcmp(ctl_str(gate, "gate"), "approval") == 0;
	fprintf(out, "%s: ", kind);
	if (!gate) {
		fprintf(out, "open\n");
		return;
	}
	if (is_unapproved) {
		fprintf(out, "not shown: ");
	} else {
		fprintf(out, "closed at %s: ", ctl_str(gate, "gate"));
	}
	ctl_text(out, ctl_str(gate, "text"));
	fprintf(out, " (explain FROM TO kind=%s)\n", kind);
}

enum ctl_exit ctl_print_explain(const json_t *result, FILE *out)
{
	size_t i;
	json_t *other;
	const json_t *gate = closed_gate(result);
	bool is_fine = json_is_true(json_object_get(result, "ok"));
	ctl_print_lines(json_object_get(result, "gates"), "gate", out);
	if (is_fine) {
		fprintf(out, "\nno gate is closed\n");
	} else if (gate) {
		fprintf(out, "\nthe gate that is closed: %s\n", ctl_str(gate, "gate"));
		print_remedy(gate, out);
	}
	json_array_foreach(json_object_get(result, "others"), i, other) {
		print_other(other, out);
	}
	return is_fine ? CTL_FINE : CTL_PROBLEM;
}

enum ctl_exit ctl_print_partner_check(const json_t *result, FILE *out)
{
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
	ctl_print_lines(steps, "step", out);
	bool is_fine = json_is_true(json_object_get(result, "ok"));
	fprintf(out, is_fine ? "\nno problem was found\n" : "\n");
	ctl_print_remedies(steps, out);
	return is_fine ? CTL_FINE : CTL_PROBLEM;
}
