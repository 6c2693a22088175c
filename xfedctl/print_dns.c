#include "ctl.h"

#define TTL 3600

static void print_problems(const json_t *problems, const char *mark, FILE *out)
{
	size_t i;
	json_t *text;
	json_array_foreach(problems, i, text) {
		fprintf(out, "%s PROBLEM: ", mark);
		ctl_text(out, json_string_value(text));
		fprintf(out, "\n");
	}
}

/* A zone file: what is no record is a comment. */
enum ctl_exit ctl_print_dns_print(const json_t *result, FILE *out)
{
	size_t i;
	json_t *record;
	const char *why = "";
	const json_t *problems = json_object_get(result, "problems");
	print_problems(problems, ";", out);
	json_array_foreach(json_object_get(result, "records"), i, record) {
		if (strcmp(why, ctl_str(record, "why")) != 0) {
			why = ctl_str(record, "why");
			fprintf(out, "; ");
			ctl_text(out, why);
			fprintf(out, "\n");
		}
		ctl_text(out, ctl_str(record, "name"));
		fprintf(out, " %d IN ", TTL);
		ctl_text(out, ctl_str(record, "type"));
		fprintf(out, " ");
		ctl_text(out, ctl_str(record, "data"));
		fprintf(out, "\n");
	}
	return json_array_size(problems) > 0 ? CTL_PROBLEM : CTL_FINE;
}

enum ctl_exit ctl_print_dns_check(const json_t *result, FILE *out)
{
	const json_t *steps = json_object_get(result, "steps");
	bool is_fine = json_is_true(json_object_get(result, "ok"));
	fprintf(out, "asked by ");
	ctl_text(out, ctl_str(result, "edge"));
	if (ctl_str(result, "server")[0]) {
		fprintf(out, " of the server ");
		ctl_text(out, ctl_str(result, "server"));
	}
	fprintf(out, "\n");
	ctl_print_lines(steps, "step", out);
	fprintf(out, is_fine ? "\nno problem was found\n" : "\nxfedctl dns print has the records that are needed\n");
	ctl_print_remedies(steps, out);
	return is_fine ? CTL_FINE : CTL_PROBLEM;
}
