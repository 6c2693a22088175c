/* What may stand behind `failures list`, `failures show` and `failures retry`. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "ctl.h"

/* "name=" in front of `word`: what stands behind it, else NULL. */
static const char *value_of(const char *word, const char *name)
{
	size_t len = strlen(name);
	return strncmp(word, name, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

static bool read_number(const char *text, json_int_t max, json_int_t *out, const char **end)
{
	char *stop;
	errno = 0;
	long long n = strtoll(text, &stop, 10);
	*out = n;
	*end = stop;
	return stop != text && text[0] >= '0' && text[0] <= '9' && errno == 0 && n <= max;
}

/* "90s", "30m", "2h", "7d": how long ago that is, as seconds since 1970. */
static bool read_since(const char *text, json_int_t *out)
{
	static const struct {
		char unit;
		int seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	const char *unit;
	json_int_t n;
	if (!read_number(text, 1000000000, &n, &unit)) {
		return false;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(units); i++) {
		if (unit[0] == units[i].unit && unit[1] == '\0') {
			json_int_t since = (json_int_t)time(NULL) - n * units[i].seconds;
			*out = since > 0 ? since : 0;
			return true;
		}
	}
	return false;
}

/* One word into the request's args; false: not one of the words there are. */
static bool read_word(const char *word, json_t *args)
{
	static const char *const numbers[] = { "limit", "before" };
	const char *text = value_of(word, "since"), *end;
	json_int_t n;
	if (text) {
		return read_since(text, &n) && json_object_set_new(args, "since", json_integer(n)) == 0;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(numbers); i++) {
		text = value_of(word, numbers[i]);
		if (text) {
			return read_number(text, INT64_MAX, &n, &end) && *end == '\0' && n > 0 &&
			       json_object_set_new(args, numbers[i], json_integer(n)) == 0;
		}
	}
	return word[0] != '-' && !strchr(word, '=') && !json_object_get(args, "partner") &&
	       json_object_set_new(args, "partner", json_string(word)) == 0;
}

/* NULL where a word is wrong, then `*bad` names it; or out of memory. */
static json_t *read_words(char **words, size_t count, const char **bad)
{
	json_t *args = json_object();
	*bad = NULL;
	for (size_t i = 0; i < count && args; i++) {
		char joined[512];
		const char *word = words[i], *given = word;
		if (strncmp(word, "--", 2) == 0 && i + 1 < count) {
			/* "--limit 5" is "limit=5", "--partner D" is "D" */
			bool is_partner = strcmp(word, "--partner") == 0;
			snprintf(joined, sizeof(joined), "%s%s%s", is_partner ? "" : word + 2, is_partner ? "" : "=", words[++i]);
			word = joined;
		}
		if (!read_word(word, args)) {
			*bad = given;
			json_decref(args);
			return NULL;
		}
	}
	return args;
}

json_t *ctl_failures_args(char **args, size_t count)
{
	const char *bad;
	return read_words(args, count, &bad);
}

int ctl_failures_check(char **args, size_t count, const struct ctl_options *options)
{
	const char *bad;
	json_t *j = read_words(args, count, &bad);
	(void)options;
	json_decref(j);
	if (bad) {
		fprintf(stderr, "xfedctl: \"");
		ctl_text(stderr, bad);
		fprintf(stderr, "\" is none of DOMAIN, since=30m (s, m, h, d), limit=N, before=ID\n");
		return CTL_USAGE;
	}
	return CTL_ASK;
}

json_t *ctl_failure_args(char **args, size_t count)
{
	const char *end;
	json_int_t id = 0;
	(void)count;
	return read_number(args[0], INT64_MAX, &id, &end) && *end == '\0' ? json_pack("{s:I}", "id", id) : NULL;
}

int ctl_failure_check(char **args, size_t count, const struct ctl_options *options)
{
	json_t *j = ctl_failure_args(args, count);
	(void)options;
	if (!j) {
		fprintf(stderr, "xfedctl: a failure is named by its number, as failures list shows it\n");
		return CTL_USAGE;
	}
	json_decref(j);
	return CTL_ASK;
}

/* The number of a failure, or a domain. */
json_t *ctl_retry_args(char **args, size_t count)
{
	json_t *j = ctl_failure_args(args, count);
	return j ? j : json_pack("{s:s}", "domain", args[0]);
}
