#include "policy/broken.h"

#include <stdio.h>

#include "policy/policy_dir.h"
#include "xfed/jid.h"

#define TEXT_BYTES  (2 * RT_CONF_FILE_BYTES) /* an escape is never shorter than what it stands for */
#define ARENA_BYTES (256 * 1024)

void policy_broken_init(struct policy_broken *b)
{
	*b = (struct policy_broken){ 0 };
	xfed_arena_init(&b->arena, ARENA_BYTES);
}

void policy_broken_deinit(struct policy_broken *b)
{
	xfed_arena_deinit(&b->arena);
	*b = (struct policy_broken){ 0 };
}

/* ---- what is told ---- */

static const struct rt_conf_problem *first_error(const struct rt_conf_errors *errors, size_t before)
{
	for (size_t i = before; i < errors->count; i++) {
		if (!errors->items[i].is_warning) {
			return &errors->items[i];
		}
	}
	return NULL; /* more were found than are kept */
}

int policy_broken_add(
	struct policy_broken *b, enum xfed_reason reason, const char *file, const struct rt_conf_errors *errors, size_t before, const char *refused)
{
	const struct rt_conf_problem *p = first_error(errors, before);
	struct xfed_buf said;
	if (b->count++ >= POLICY_BROKEN_TOLD) {
		return XFED_OK;
	}
	xfed_buf_init(&said, 16384);
	int rc = p ? rt_conf_problem_print(p, &said) : xfed_buf_printf(&said, "%s cannot be loaded", file);
	struct policy_broken_file *f = xfed_arena_alloc(&b->arena, sizeof(*f));
	struct xfed_span s = xfed_utf8_cut(xfed_buf_span(&said), 500);
	const char *text = xfed_arena_printf(&b->arena, "%.*s. Refused until it is mended and reloaded: %s.", (int)s.len, s.data, refused).data;
	xfed_buf_deinit(&said);
	if (rc != XFED_OK || !f || !text) {
		return XFED_ERR_NOMEM;
	}
	*f = (struct policy_broken_file){ .reason = reason, .text = text };
	*(b->last ? &b->last->next : &b->first) = f;
	b->last = f;
	return XFED_OK;
}

/* ---- text that is no YAML ---- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : xfed_lower(c) >= 'a' && xfed_lower(c) <= 'f' ? xfed_lower(c) - 'a' + 10 : -1;
}

/* The character of "\uXXXX" or "\xXX" at the beginning of `s`, and how long that is; false: it is none. */
static bool read_escape(struct xfed_span s, unsigned *c, size_t *len)
{
	*len = s.len > 1 && s.data[1] == 'u' ? 6 : s.len > 1 && s.data[1] == 'x' ? 4 : 0;
	*c = 0;
	for (size_t i = 2; i < *len; i++) {
		int digit = i < s.len ? hex_digit(s.data[i]) : -1;
		if (digit < 0) {
			return false;
		}
		*c = *c * 16 + (unsigned)digit;
	}
	return *len > 0 && *c > 0;
}

static int append_character(struct xfed_buf *out, unsigned c)
{
	char utf8[3] = { (char)c };
	size_t n = 1;
	if (c >= 0x800) {
		utf8[0] = (char)(0xe0 | c >> 12);
		utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		utf8[n++] = (char)(0x80 | (c & 0x3f));
	} else if (c >= 0x80) {
		utf8[0] = (char)(0xc0 | c >> 6);
		utf8[n++] = (char)(0x80 | (c & 0x3f));
	}
	return xfed_buf_append(out, xfed_span_make(utf8, n));
}

/* What stands in front of a character of its line, zero bytes apart. */
struct before {
	char last; /* '\0': nothing */
	bool has_quotes;
};

/* Where quotes stand in front of a # it may be part of a value. */
static bool begins_comment(char c, const struct before *b)
{
	return c == '#' && !b->has_quotes && (b->last == '\0' || b->last == ' ' || b->last == '\t');
}

/* Each byte is looked at once: the file may be a megabyte of whatever a power cut has left. */
static int append_line(struct xfed_buf *out, struct xfed_span line)
{
	struct before b = { 0 };
	int rc = XFED_OK;
	while (line.len > 0 && rc == XFED_OK && !begins_comment(line.data[0], &b)) {
		unsigned c;
		size_t len = 1;
		if (line.data[0] == '\\' && read_escape(line, &c, &len)) {
			rc = append_character(out, c);
		} else {
			len = 1;
			rc = line.data[0] != '\0' ? xfed_buf_append(out, xfed_span_make(line.data, 1)) : XFED_OK;
		}
		b.has_quotes = b.has_quotes || line.data[0] == '"' || line.data[0] == '\'';
		b.last = line.data[len - 1] != '\0' ? line.data[len - 1] : b.last;
		line = xfed_span_make(line.data + len, line.len - len);
	}
	return rc == XFED_OK ? xfed_buf_append(out, XFED_SPAN("\n")) : rc;
}

int policy_broken_text(struct xfed_span text, struct xfed_buf *out)
{
	int rc = XFED_OK;
	xfed_buf_init(out, TEXT_BYTES);
	while (text.len > 0 && rc == XFED_OK) {
		rc = append_line(out, xfed_span_cut(&text, '\n'));
	}
	return rc;
}

bool policy_broken_word(struct xfed_span *rest, const char *more, struct xfed_span *word)
{
	static const char ends[] = " \t\r\n\f\v\"'`[]{}(),;:<>=|\\";
	while (rest->len > 0 && (strchr(ends, rest->data[0]) || strchr(more, rest->data[0]))) {
		*rest = xfed_span_make(rest->data + 1, rest->len - 1);
	}
	size_t n = 0;
	while (n < rest->len && !strchr(ends, rest->data[n]) && !strchr(more, rest->data[n])) {
		n++;
	}
	*word = xfed_span_make(rest->data, n);
	*rest = xfed_span_make(rest->data + n, rest->len - n);
	return n > 0;
}

/* ---- names of partners ---- */

static int add_name(struct xfed_buf *names, struct xfed_span name)
{
	struct xfed_arena a;
	struct xfed_span domain;
	const char *accepted;
	bool is_wildcard = name.len > 2 && memcmp(name.data, "*.", 2) == 0;
	xfed_arena_init(&a, 65536);
	int rc = rt_conf_convert_domain(&a, is_wildcard ? xfed_span_make(name.data + 2, name.len - 2) : name, &domain, &accepted);
	if (rc == XFED_OK) {
		rc = xfed_buf_append_str(names, is_wildcard ? "*." : "");
		rc = rc == XFED_OK ? xfed_buf_append(names, xfed_span_make(domain.data, domain.len + 1)) : rc;
	}
	xfed_arena_deinit(&a);
	return rc;
}

static struct xfed_span trim(struct xfed_span s)
{
	while (s.len > 0 && strchr("-._", s.data[0])) {
		s = xfed_span_make(s.data + 1, s.len - 1);
	}
	while (s.len > 0 && strchr("-._", s.data[s.len - 1])) {
		s.len--;
	}
	return s;
}

static bool is_plain(char c)
{
	return (xfed_lower(c) >= 'a' && xfed_lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* A word that is no name may still have one in it: between quotation marks of a word processor, say. */
static int add_parts(struct xfed_buf *names, struct xfed_span word)
{
	int rc = XFED_OK;
	while (word.len > 0 && rc == XFED_OK) {
		size_t n = 0;
		while (n < word.len && is_plain(word.data[n])) {
			n++;
		}
		struct xfed_span part = trim(xfed_span_make(word.data, n));
		rc = part.len > 0 ? add_name(names, part) : XFED_OK;
		rc = rc == XFED_ERR_INVALID ? XFED_OK : rc;
		n += n < word.len;
		word = xfed_span_make(word.data + n, word.len - n);
	}
	return rc;
}

static int add_word(struct xfed_buf *names, struct xfed_span word)
{
	word = trim(word);
	int rc = word.len > 0 ? add_name(names, word) : XFED_OK;
	return rc == XFED_ERR_INVALID ? add_parts(names, word) : rc;
}

int policy_broken_names(const char *file, struct xfed_span text, struct xfed_buf *names)
{
	struct xfed_buf plain;
	struct xfed_span word;
	int rc = add_name(names, policy_dir_name(file));
	rc = rc == XFED_ERR_INVALID ? XFED_OK : rc;
	if (rc != XFED_OK) {
		return rc;
	}
	rc = policy_broken_text(text, &plain);
	for (struct xfed_span rest = xfed_buf_span(&plain); rc == XFED_OK && policy_broken_word(&rest, "@/!?&%$+~^#", &word);) {
		rc = add_word(names, word);
	}
	xfed_buf_deinit(&plain);
	return rc;
}
