/* Turns the words after a command into the arguments of a request, as commands.def describes them. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "ctl.h"

/* ---- one word ---- */

static bool read_number(const char *text, json_int_t max, json_int_t *out, const char **end)
{
	char *stop;
	errno = 0;
	long long n = strtoll(text, &stop, 10);
	*out = n;
	*end = stop;
	return stop != text && text[0] >= '0' && text[0] <= '9' && errno == 0 && n <= max;
}

/* "90s", "30m", "2h", "7d": a time so long ago, as seconds since 1970. */
static json_t *since(const char *text)
{
	static const struct {
		char unit;
		int seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	const char *unit;
	json_int_t n;
	if (!read_number(text, 1000000000, &n, &unit)) {
		return NULL;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(units); i++) {
		if (unit[0] == units[i].unit && unit[1] == '\0') {
			json_int_t at = (json_int_t)time(NULL) - n * units[i].seconds;
			return json_integer(at > 0 ? at : 0);
		}
	}
	return NULL;
}

static json_t *number(const char *text)
{
	const char *end;
	json_int_t n;
	return read_number(text, INT64_MAX, &n, &end) && *end == '\0' && n > 0 ? json_integer(n) : NULL;
}

static bool is_stream(const char *text)
{
	const char *slash = strrchr(text, '/'), *digits = slash ? slash + 1 : text;
	return slash != text && digits[0] != '\0' && digits[strspn(digits, "0123456789")] == '\0';
}

/* NULL: the word is not of that kind. */
static json_t *value_of(enum rt_arg_kind kind, const char *text)
{
	bool is_fine = text[0] != '\0';
	switch (kind) {
	case RT_ARG_AGO:
		return since(text);
	case RT_ARG_SUBSCRIPTION:
	case RT_ARG_SECONDS:
	case RT_ARG_COUNT:
	case RT_ARG_FAILURE:
		return number(text);
	case RT_ARG_STREAM:
		is_fine = is_stream(text);
		break;
	case RT_ARG_LEVEL:
	case RT_ARG_KIND:
	case RT_ARG_SIP:
	case RT_ARG_PRODUCT:
	case RT_ARG_RELATION:
	case RT_ARG_FORM:
	case RT_ARG_ROLE:
	case RT_ARG_KEY_KIND:
	case RT_ARG_PANEL_ACT:
	case RT_ARG_PANEL_ROLE:
		is_fine = rt_arg_has_word(kind, text);
		break;
	case RT_ARG_DOMAIN:
	case RT_ARG_DOMAINS:
	case RT_ARG_EDGE:
	case RT_ARG_SERVER:
		is_fine = is_fine && text[0] != '-' && !strchr(text, '=');
		break;
	case RT_ARG_VALUE:
		is_fine = true;
		break;
	case RT_ARG_SETTING: {
		const char *equals = strchr(text, '=');
		is_fine = equals && equals > text && text[0] != '-';
		break;
	}
	case RT_ARG_FILES:
	case RT_ARG_RULE:
	case RT_ARG_USER:
	case RT_ARG_KEY:
		is_fine = is_fine && text[0] != '-';
		break;
	case RT_ARG_FLAG:
		return json_true();
	case RT_ARG_REQUEST: /* nobody types it */
		return NULL;
	case RT_ARG_TEXT:
	case RT_ARG_CURSOR:
	case RT_ARG_ADDRESS:
	case RT_ARG_CODE:
	case RT_ARG_FILE:
	case RT_ARG_NOUN:
		break;
	}
	return is_fine ? json_string(text) : NULL;
}

/* ---- which argument a word is for ---- */

struct reading {
	const struct rt_command *command;
	json_t *args;
	const struct rt_command_arg *next; /* next positional argument */
	struct ctl_mistake *mistake;
};

static void skip_named(struct reading *r)
{
	while (r->next->key && (r->next->place == RT_ARG_NAMED || r->next->place == RT_ARG_FLAGGED)) {
		r->next++;
	}
}

static bool set(struct reading *r, const struct rt_command_arg *a, const char *text)
{
	r->mistake->arg = a;
	r->mistake->is_twice = json_object_get(r->args, a->key) != NULL;
	json_t *value = r->mistake->is_twice ? NULL : value_of(a->kind, text);
	return value && json_object_set_new(r->args, a->key, value) == 0;
}

static bool is_several(const struct rt_command_arg *a)
{
	return a->place == RT_ARG_SOME || a->place == RT_ARG_ANY;
}

/* One more of them. */
static bool append(struct reading *r, const struct rt_command_arg *a, const char *text)
{
	json_t *value = value_of(a->kind, text), *list = json_object_get(r->args, a->key);
	r->mistake->arg = a;
	if (value && !list) {
		list = json_array();
		json_object_set_new(r->args, a->key, list);
	}
	return value && json_array_append_new(list, value) == 0;
}

/* Takes the word as the next positional argument, in this reading of the command or one that follows it. */
static bool set_by_place(struct reading *r, const char *word)
{
	skip_named(r);
	const struct rt_command_arg *a = r->next;
	if (!a->key) {
		r->mistake->arg = NULL;
		return false;
	}
	if (is_several(a)) {
		return append(r, a, word);
	}
	bool is_set = set(r, a, word);
	for (a++; a->key && a->place == RT_ARG_OR; a++) {
		is_set = is_set || set(r, a, word);
	}
	r->next = a;
	return is_set;
}

static const struct rt_command_arg *by_key(const struct rt_command *c, const char *key, size_t len)
{
	for (const struct rt_command_arg *a = c->args; a->key; a++) {
		if (strlen(a->key) == len && strncmp(a->key, key, len) == 0) {
			return a;
		}
	}
	return NULL;
}

/* Reads one word, or two: "limit=5" may be written "--limit 5", and so may a positional argument. */
static bool read_word(struct reading *r, char **words, size_t count, size_t *used)
{
	const char *word = words[0], *equals = strchr(word, '=');
	const struct rt_command_arg *a = equals ? by_key(r->command, word, (size_t)(equals - word)) : NULL;
	*used = 1;
	if (a && a->place == RT_ARG_NAMED) {
		return set(r, a, equals + 1);
	}
	a = strncmp(word, "--", 2) == 0 ? by_key(r->command, word + 2, strlen(word + 2)) : NULL;
	if (a && a->place == RT_ARG_FLAGGED) {
		return set(r, a, "");
	}
	if (a && count > 1 && !is_several(a)) {
		*used = 2;
		if (a == r->next) {
			r->next++;
		}
		return set(r, a, words[1]);
	}
	return set_by_place(r, word);
}

json_t *ctl_read_args(const struct rt_command *c, char **words, size_t count, struct ctl_mistake *mistake)
{
	struct reading r = { c, json_object(), c->args, mistake };
	*mistake = (struct ctl_mistake){ 0 };
	for (size_t i = 0, used; i < count; i += used) {
		if (!read_word(&r, words + i, count - i, &used)) {
			mistake->word = words[i];
			mistake->at = i;
			json_decref(r.args);
			return NULL;
		}
	}
	const struct rt_command_arg *missing = rt_command_missing(c, r.args);
	if (missing) {
		*mistake = (struct ctl_mistake){ .arg = missing, .at = count };
		json_decref(r.args);
		return NULL;
	}
	return r.args;
}
