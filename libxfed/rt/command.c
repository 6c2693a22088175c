#include "xfed/rt/command.h"

#include <stdarg.h>
#include <stdio.h>

#include "xfed/jid.h"

/* ---- the list ---- */

static const struct rt_arg_info infos[] = {
#define RT_ARG_INFO(kind, type, what) [RT_ARG_##kind] = { #kind, JSON_##type, what },
	RT_ARG_KINDS(RT_ARG_INFO)
};

const struct rt_arg_info *rt_arg_info(enum rt_arg_kind kind)
{
	return &infos[kind];
}

#define WORD(id, word, ...) word,
static const char *const levels[] = { RT_LEVEL_WORDS(WORD, WORD) NULL };
static const char *const kinds[] = { RT_KIND_WORDS(WORD, WORD) NULL };
static const char *const sips[] = { RT_SIP_WORDS(WORD, WORD) NULL };
static const char *const products[] = { RT_PRODUCT_WORDS(WORD, WORD) NULL };
static const char *const forms[] = { RT_FORM_WORDS(WORD, WORD) NULL };
static const char *const relations[] = { RT_RELATION_WORDS(WORD, WORD) NULL };
static const char *const roles[] = { RT_ROLE_WORDS(WORD, WORD) NULL };
static const char *const panel_acts[] = { RT_PANEL_ACT_WORDS(WORD, WORD) NULL };
static const char *const panel_roles[] = { RT_PANEL_ROLE_WORDS(WORD, WORD) NULL };
static const char *const key_kinds[] = { RT_KEY_KIND_WORDS(WORD, WORD) NULL };

static const char *const *words_of(enum rt_arg_kind kind)
{
	return kind == RT_ARG_LEVEL	   ? levels
	       : kind == RT_ARG_KIND	   ? kinds
	       : kind == RT_ARG_SIP	   ? sips
	       : kind == RT_ARG_PRODUCT	   ? products
	       : kind == RT_ARG_SIP	   ? sips
	       : kind == RT_ARG_FORM	   ? forms
	       : kind == RT_ARG_RELATION   ? relations
	       : kind == RT_ARG_ROLE	   ? roles
	       : kind == RT_ARG_PANEL_ACT  ? panel_acts
	       : kind == RT_ARG_PANEL_ROLE ? panel_roles
	       : kind == RT_ARG_KEY_KIND   ? key_kinds
					   : NULL;
}

int rt_arg_word_number(enum rt_arg_kind kind, const char *word)
{
	const char *const *words = words_of(kind);
	for (int i = 0; words && words[i]; i++) {
		if (strcmp(words[i], word) == 0) {
			return i;
		}
	}
	return -1;
}

bool rt_arg_has_word(enum rt_arg_kind kind, const char *word)
{
	return !words_of(kind) || rt_arg_word_number(kind, word) >= 0;
}

#define NEEDED(key, word, kind)	  { key, word, RT_ARG_##kind, RT_ARG_NEEDED },
#define OPTIONAL(key, word, kind) { key, word, RT_ARG_##kind, RT_ARG_OPTIONAL },
#define NAMED(key, word, kind)	  { key, word, RT_ARG_##kind, RT_ARG_NAMED },
#define OR(key, word, kind)	  { key, word, RT_ARG_##kind, RT_ARG_OR },
#define SOME(key, word, kind)	  { key, word, RT_ARG_##kind, RT_ARG_SOME },
#define ANY(key, word, kind)	  { key, word, RT_ARG_##kind, RT_ARG_ANY },
#define FLAGGED(key)		  { key, "--" key, RT_ARG_FLAG, RT_ARG_FLAGGED },
#define CHANGES_LOOK		  false
#define CHANGES_CHANGE		  true

const struct rt_command rt_commands[RT_COMMAND_COUNT] = {
#define COMMAND(id, noun, verb, served, who, help, more, args) { noun, verb, RT_COMMAND_OF_##served, CHANGES_##who, help, more, { args{ 0 } } },
#include "xfed/rt/commands.def"
};

const char *rt_command_words(const struct rt_command *c, char out[RT_COMMAND_WORDS])
{
	static const struct {
		const char *before, *between, *behind;
	} marks[] = {
		[RT_ARG_NEEDED] = { " ", "", "" },
		[RT_ARG_OPTIONAL] = { " [", "", "]" },
		[RT_ARG_NAMED] = { " [", "=", "]" },
		[RT_ARG_OR] = { "|", "", "" },
		[RT_ARG_SOME] = { " ", "", "..." },
		[RT_ARG_ANY] = { " [", "", "...]" },
		[RT_ARG_FLAGGED] = { " [", "", "]" },
	};
	int len = snprintf(out, RT_COMMAND_WORDS, "%s%s%s", c->noun, c->verb[0] ? " " : "", c->verb);
	for (const struct rt_command_arg *a = c->args; a->key && len < RT_COMMAND_WORDS; a++) {
		len += snprintf(out + len, (size_t)(RT_COMMAND_WORDS - len), "%s%s%s%s%s", marks[a->place].before,
			a->place == RT_ARG_NAMED ? a->key : "", marks[a->place].between, a->word, marks[a->place].behind);
	}
	return out;
}

bool rt_command_is_typed(const struct rt_command *c)
{
	return c->server != RT_COMMAND_OF_INTERNAL && c->server != RT_COMMAND_OF_PANEL;
}

/* ---- as it is typed ---- */

/* A word of a shell: in quotes where it is anything else than letters, digits and what no shell knows. */
static int type_word(struct xfed_buf *out, const char *before, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+,-";
	bool is_plain = text[0] != '\0' && text[strspn(text, plain)] == '\0';
	int rc = xfed_buf_append_str(out, before);
	if (is_plain) {
		return rc == XFED_OK ? xfed_buf_append_str(out, text) : rc;
	}
	rc = rc == XFED_OK ? xfed_buf_append_str(out, "'") : rc;
	for (struct xfed_span rest = xfed_span_str(text); rc == XFED_OK && rest.len > 0;) {
		const char *quote = memchr(rest.data, '\'', rest.len);
		size_t len = quote ? (size_t)(quote - rest.data) : rest.len;
		rc = xfed_buf_append(out, xfed_span_make(rest.data, len));
		rc = rc == XFED_OK && quote ? xfed_buf_append_str(out, "'\\''") : rc;
		len += quote != NULL;
		rest = xfed_span_make(rest.data + len, rest.len - len);
	}
	return rc == XFED_OK ? xfed_buf_append_str(out, "'") : rc;
}

/* "KEY=" stays outside of the quotes, so that it can be read. */
static int type_setting(struct xfed_buf *out, const char *text)
{
	const char *equals = strchr(text, '=');
	int rc = equals ? xfed_buf_printf(out, " %.*s", (int)(equals + 1 - text), text) : XFED_OK;
	return rc != XFED_OK ? rc : !equals ? type_word(out, " ", text) : equals[1] != '\0' ? type_word(out, "", equals + 1) : XFED_OK;
}

static int type_arg(const struct rt_command_arg *a, const json_t *value, struct xfed_buf *out)
{
	char text[32];
	size_t i;
	json_t *word;
	int rc = XFED_OK;
	if (json_is_array(value)) {
		json_array_foreach(value, i, word) {
			const char *s = json_string_value(word);
			rc = rc != XFED_OK ? rc : a->kind == RT_ARG_SETTING ? type_setting(out, s) : type_word(out, " ", s);
		}
	} else if (a->place == RT_ARG_FLAGGED) {
		rc = xfed_buf_printf(out, " --%s", a->key);
	} else {
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
		rc = a->place == RT_ARG_NAMED ? xfed_buf_printf(out, " %s=", a->key) : XFED_OK;
		rc = rc == XFED_OK ? type_word(out, a->place == RT_ARG_NAMED ? "" : " ", json_is_string(value) ? json_string_value(value) : text)
				   : rc;
	}
	return rc;
}

int rt_command_typed(const struct rt_command *c, const json_t *args, struct xfed_buf *out)
{
	int rc = xfed_buf_printf(out, "xfedctl %s%s%s", c->noun, c->verb[0] ? " " : "", c->verb);
	for (const struct rt_command_arg *a = c->args; rc == XFED_OK && a->key; a++) {
		const json_t *value = json_object_get(args, a->key);
		rc = value ? type_arg(a, value, out) : XFED_OK;
	}
	return rc;
}

const struct rt_command_arg *rt_command_missing(const struct rt_command *c, const json_t *args)
{
	for (const struct rt_command_arg *a = c->args; a->key; a++) {
		bool is_there = (a->place != RT_ARG_NEEDED && a->place != RT_ARG_SOME) || json_object_get(args, a->key);
		for (const struct rt_command_arg *b = a + 1; b->key && b->place == RT_ARG_OR; b++) {
			is_there = is_there || json_object_get(args, b->key);
		}
		if (!is_there) {
			return a;
		}
	}
	return NULL;
}

const char *rt_command_state_words(const char *state)
{
	if (strcmp(state, "in-service") == 0) {
		return "in service";
	}
	return strcmp(state, "out-of-service") == 0 ? "OUT OF SERVICE" : state;
}

/* ---- replies ---- */

void rt_reply_ok(struct rt_reply r, json_t *result)
{
	if (!r.done) {
		json_decref(result);
	} else if (result) {
		r.done(r.user, result, NULL, NULL);
	} else {
		r.done(r.user, NULL, "failed", "out of memory");
	}
}

void rt_reply_part(struct rt_reply r, json_t *part)
{
	if (part && r.part) {
		r.part(r.user, part);
	}
	json_decref(part);
}

void rt_reply_fail(struct rt_reply r, const char *code, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r.done) {
		r.done(r.user, NULL, code, text);
	}
}

/* ---- running one ---- */

const struct rt_command *rt_command_find(const struct rt_command_table *t, const char *noun, const char *verb)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->handlers[i] && strcmp(t->commands[i].noun, noun) == 0 && strcmp(t->commands[i].verb, verb) == 0) {
			return &t->commands[i];
		}
	}
	return NULL;
}

static const char *name_of(const struct rt_command *c, char out[32])
{
	snprintf(out, 32, "%s%s%s", c->noun, c->verb[0] ? " " : "", c->verb);
	return out;
}

static const struct rt_command_arg *arg_of(const struct rt_command *c, const char *key)
{
	for (const struct rt_command_arg *a = c->args; a->key; a++) {
		if (strcmp(a->key, key) == 0) {
			return a;
		}
	}
	return NULL;
}

#define STRINGS_MAX 1000

/* Words of a list, each as it could have been typed. */
static bool is_list(enum rt_arg_kind kind, const json_t *value)
{
	size_t i;
	json_t *word;
	bool is_fine = json_is_array(value) && json_array_size(value) <= STRINGS_MAX;
	json_array_foreach(value, i, word) {
		const char *text = json_string_value(word), *equals = text ? strchr(text, '=') : NULL;
		is_fine = is_fine && text && text[0] != '\0' && (kind != RT_ARG_SETTING || (equals && equals > text));
	}
	return is_fine;
}

static bool is_of_type(enum rt_arg_kind kind, const json_t *value)
{
	switch (infos[kind].type) {
	case JSON_STRING:
		return json_is_string(value) && (json_string_length(value) > 0 || kind == RT_ARG_VALUE);
	case JSON_TRUE:
		return json_is_true(value);
	case JSON_ARRAY:
		return is_list(kind, value);
	case JSON_OBJECT:
		return json_is_object(value);
	default:
		return json_is_integer(value) && json_integer_value(value) >= (kind == RT_ARG_AGO ? 0 : 1);
	}
}

static const char *type_words(json_type type)
{
	return type == JSON_STRING   ? "string"
	       : type == JSON_TRUE   ? "switch"
	       : type == JSON_ARRAY  ? "list"
	       : type == JSON_OBJECT ? "object"
				     : "number";
}

/* A filter by what is no domain would find nothing, and a mistyped one look like an empty list. */
static bool is_domain(const char *text)
{
	struct xfed_arena a;
	struct xfed_span name;
	xfed_arena_init(&a, 16384);
	bool is = xfed_jid_domain(&a, xfed_span_str(text), &name) != XFED_ERR_INVALID;
	xfed_arena_deinit(&a);
	return is;
}

/* Whether every key is an argument of the command, with the right type. */
static bool check_given(const struct rt_command *c, const json_t *args, char error[160])
{
	char name[32];
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)args, key, value) {
		const struct rt_command_arg *a = arg_of(c, key);
		if (!a) {
			snprintf(error, 160, "%s has no argument %.60s", name_of(c, name), key);
			return false;
		}
		const struct rt_arg_info *info = &infos[a->kind];
		if (!is_of_type(a->kind, value)) {
			snprintf(error, 160, "%s is a %s: %s", key, type_words(info->type), info->what);
			return false;
		}
		if (info->type == JSON_STRING && !rt_arg_has_word(a->kind, json_string_value(value))) {
			snprintf(error, 160, "%s is one of %s", key, info->what);
			return false;
		}
		if (a->kind == RT_ARG_DOMAIN && !is_domain(json_string_value(value))) {
			snprintf(error, 160, "%.120s is no domain", json_string_value(value));
			return false;
		}
	}
	return true;
}

bool rt_command_check(const struct rt_command *c, const json_t *args, char error[160])
{
	char name[32];
	const struct rt_command_arg *missing = rt_command_missing(c, args);
	bool is_fine = check_given(c, args, error);
	if (is_fine && missing) {
		snprintf(error, 160, "%s needs %s, %s", name_of(c, name), missing->key, infos[missing->kind].what);
	}
	return is_fine && !missing;
}

void rt_command_run(
	const struct rt_command_table *t, const struct rt_command *c, bool may_change, const json_t *args, struct rt_reply reply, void *user)
{
	char error[160];
	json_t *none = args ? NULL : json_object();
	args = args ? args : none;
	if (c->changes && !may_change) {
		rt_reply_fail(reply, "not-authorised", "only root and members of xfed-admin may change something");
	} else if (!args) {
		rt_reply_fail(reply, "failed", "out of memory");
	} else if (!rt_command_check(c, args, error)) {
		rt_reply_fail(reply, "bad-request", "%s", error);
	} else {
		t->handlers[c - t->commands](reply, args, user);
	}
	json_decref(none);
}
