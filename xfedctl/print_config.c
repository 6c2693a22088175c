#include "ctl.h"

enum ctl_exit ctl_print_config_show(const json_t *result, FILE *out)
{
	const char *text = ctl_str(result, "text");
	while (*text) {
		const char *end = strchr(text, '\n');
		int len = end ? (int)(end - text) : (int)strlen(text);
		char line[2048];
		snprintf(line, sizeof(line), "%.*s", len, text);
		ctl_text(out, line);
		fputc('\n', out);
		text += (size_t)len + (end ? 1 : 0);
	}
	return CTL_FINE;
}

static void print_lines(const json_t *list, const char *indent, FILE *out)
{
	size_t i;
	json_t *s;
	json_array_foreach(list, i, s) {
		fputs(indent, out);
		ctl_text(out, json_string_value(s) ? json_string_value(s) : "");
		fputc('\n', out);
	}
}

enum ctl_exit ctl_print_config_check(const json_t *result, FILE *out)
{
	bool is_fine = json_is_true(json_object_get(result, "ok"));
	const json_t *warnings = json_object_get(result, "warnings"), *revision = json_object_get(result, "revision");
	const json_t *waiting = json_object_get(result, "needs_restart");
	print_lines(json_object_get(result, "errors"), "", out);
	print_lines(warnings, "", out);
	size_t errors = json_array_size(json_object_get(result, "errors")), warned = json_array_size(warnings);
	if (!is_fine) {
		fprintf(out, "%zu error%s, nothing takes effect\n", errors, errors == 1 ? "" : "s");
		return CTL_PROBLEM;
	}
	fprintf(out, "fine");
	if (warned > 0) {
		fprintf(out, ", %zu warning%s", warned, warned == 1 ? "" : "s");
	}
	if (revision) {
		fprintf(out, ", revision %lld", (long long)json_integer_value(revision));
	}
	fprintf(out, "\n");
	if (json_array_size(waiting) > 0) {
		fprintf(out, "these keys take effect with a restart:\n");
		print_lines(waiting, "  ", out);
	}
	return CTL_FINE;
}

enum ctl_exit ctl_print_reload(const json_t *result, FILE *out)
{
	return ctl_print_config_check(result, out);
}

enum ctl_exit ctl_print_log_level(const json_t *result, FILE *out)
{
	const char *domain = ctl_str(result, "domain");
	if (!*domain) {
		fprintf(out, "level %s\n", ctl_str(result, "level"));
		return CTL_FINE;
	}
	ctl_text(out, domain);
	fprintf(out, strcmp(ctl_str(result, "level"), "debug") == 0 ? ": level debug, for it alone\n" : ": as all others\n");
	return CTL_FINE;
}
