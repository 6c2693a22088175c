/* What `test im` and `test presence` have done, step by step, and what is proved by it. */
#include "ctl.h"

static size_t printed; /* steps, as they became known */

static void print_step(const json_t *s, FILE *out)
{
	const char *state = ctl_str(s, "state");
	json_int_t at_ms = ctl_int(s, "at_ms");
	fprintf(out, "%4lld.%03lld s  %-7s  %-10s  ", (long long)(at_ms / 1000), (long long)(at_ms % 1000),
		strcmp(state, "problem") == 0 ? "PROBLEM" : state, ctl_str(s, "step"));
	ctl_text(out, ctl_str(s, "text"));
	fprintf(out, "\n");
	if (ctl_str(s, "reason")[0]) {
		fprintf(out, "          %s: ", ctl_str(s, "reason"));
		ctl_text(out, ctl_str(s, "remedy"));
		fprintf(out, "\n");
	}
}

void ctl_print_part(const json_t *part)
{
	json_t *copy = json_deep_copy(part);
	ctl_harmless(copy, "");
	print_step(copy, stdout);
	json_decref(copy);
	fflush(stdout);
	printed++;
}

static const char *way_out(const json_t *r)
{
	if (!json_is_true(json_object_get(r, "accepted"))) {
		return "the partner's server has not got it";
	}
	if (json_is_true(json_object_get(r, "answered"))) {
		return "proved by the answer";
	}
	return json_is_true(json_object_get(r, "no_error")) ? "the partner's server has it, and no error came within 10 s"
							    : "the partner's server has it, but nothing is proved";
}

static enum ctl_exit print_test(const json_t *r, FILE *out)
{
	size_t i;
	json_t *s;
	const char *gate = ctl_str(r, "gate");
	json_array_foreach(json_object_get(r, "steps"), i, s) {
		if (i >= printed) {
			print_step(s, out);
		}
	}
	fprintf(out, "\nway out: %s\n", way_out(r));
	fprintf(out, "way back: %s\n",
		strcmp(ctl_str(r, "inbound"), "proved") == 0 ? "proved by what came from the partner" : "not tested, as no answer came");
	if (*gate) {
		fprintf(out, "the gate that is closed: %s\n", gate);
	}
	return json_is_true(json_object_get(r, "ok")) ? CTL_FINE : CTL_PROBLEM;
}

enum ctl_exit ctl_print_test_im(const json_t *result, FILE *out)
{
	return print_test(result, out);
}

enum ctl_exit ctl_print_test_presence(const json_t *result, FILE *out)
{
	return print_test(result, out);
}
