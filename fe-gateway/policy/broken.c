#include "policy/broken.h"

#include <stdio.h>

#include "policy/policy_dir.h"
#include "xfed/jid.h"
#include "xfed/limits.h"

#define TEXT_BYTES  (3 * RT_CONF_FILE_BYTES) /* the text both as UTF-16 and as it is; an escape is never shorter than what it stands for */
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

/* ---- what is reported ---- */

static const struct rt_conf_problem *first_error(const struct rt_conf_errors *errors, size_t before)
{
	for (size_t i = before; i < errors->count; i++) {
		if (!errors->items[i].is_warning) {
			return &errors->items[i];
		}
	}
	return NULL; /* more errors were found than are kept */
}

/* "PROBLEM. MORE"; OK, NOMEM. */
static int tell(struct policy_broken *b, enum xfed_reason reason, struct xfed_span problem, const char *more)
{
	struct policy_broken_file *f = xfed_arena_alloc(&b->arena, sizeof(*f));
	problem = xfed_utf8_cut(problem, 500);
	const char *text = xfed_arena_printf(&b->arena, "%.*s. %s", (int)problem.len, problem.data, more).data;
	if (!f || !text) {
		return XFED_ERR_NOMEM;
	}
	*f = (struct policy_broken_file){ .reason = reason, .text = text };
	*(b->last ? &b->last->next : &b->first) = f;
	b->last = f;
	return XFED_OK;
}

int policy_broken_add(
	struct policy_broken *b, enum xfed_reason reason, const char *file, const struct rt_conf_errors *errors, size_t before, const char *refused)
{
	const struct rt_conf_problem *p = first_error(errors, before);
	char more[640];
	struct xfed_buf said;
	if (b->count++ >= POLICY_BROKEN_TOLD) {
		return XFED_OK;
	}
	xfed_buf_init(&said, 16384);
	int rc = p ? rt_conf_problem_print(p, &said) : xfed_buf_printf(&said, "%s cannot be loaded", file);
	snprintf(more, sizeof(more), "Refused until it is corrected and reloaded: %s.", refused);
	rc = rc == XFED_OK ? tell(b, reason, xfed_buf_span(&said), more) : XFED_ERR_NOMEM;
	xfed_buf_deinit(&said);
	return rc;
}

int policy_broken_add_ignored(struct policy_broken *b, const struct rt_conf_errors *errors)
{
	int rc = XFED_OK;
	for (size_t i = 0; i < errors->count && rc == XFED_OK; i++) {
		const struct rt_conf_problem *p = &errors->items[i];
		struct xfed_buf said;
		if (p->reason != XFED_REASON_CONFIG_FILE_IGNORED || b->count++ >= POLICY_BROKEN_TOLD) {
			continue;
		}
		xfed_buf_init(&said, 16384);
		rc = xfed_buf_printf(&said, "%s: %s", p->file, p->text);
		rc = rc == XFED_OK ? tell(b, p->reason, xfed_buf_span(&said), xfed_reason_info(p->reason)->remedy) : XFED_ERR_NOMEM;
		xfed_buf_deinit(&said);
	}
	return rc;
}

/* ---- reading text that is no valid YAML ---- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : xfed_lower(c) >= 'a' && xfed_lower(c) <= 'f' ? xfed_lower(c) - 'a' + 10 : -1;
}

/* The character of "\xXX", "\uXXXX" or "\UXXXXXXXX" at the beginning of `s`, and its length; false: there is none. */
static bool read_escape(struct xfed_span s, unsigned *c, size_t *len)
{
	char kind = s.len > 1 ? s.data[1] : '\0';
	*len = kind == 'U' ? 10 : kind == 'u' ? 6 : kind == 'x' ? 4 : 0;
	*c = 0;
	for (size_t i = 2; i < *len; i++) {
		int digit = i < s.len ? hex_digit(s.data[i]) : -1;
		if (digit < 0) {
			return false;
		}
		*c = *c * 16 + (unsigned)digit;
	}
	return *len > 0 && *c > 0 && *c < 0x110000;
}

/* Half of a UTF-16 surrogate pair is appended as bytes that are not UTF-8. */
static int append_character(struct xfed_buf *out, unsigned c)
{
	size_t more = c >= 0x10000 ? 3 : c >= 0x800 ? 2 : c >= 0x80 ? 1 : 0;
	static const unsigned first[] = { 0, 0xc0, 0xe0, 0xf0 };
	char utf8[4] = { (char)(first[more] | c >> 6 * more) };
	for (size_t i = 1; i <= more; i++) {
		utf8[i] = (char)(0x80 | (c >> 6 * (more - i) & 0x3f));
	}
	return xfed_buf_append(out, xfed_span_make(utf8, more + 1));
}

/* What precedes a character in its line; zero bytes are skipped. */
struct before {
	char last; /* '\0': the beginning of the line */
	bool has_quotes;
};

/* Behind a quotation mark a # may be part of a value. */
static bool begins_comment(char c, const struct before *b)
{
	return c == '#' && !b->has_quotes && (b->last == '\0' || b->last == ' ' || b->last == '\t');
}

/* A backslash at the end of a line within quotes: the next line continues it from its first character that is no blank. */
static bool is_folded(struct xfed_span rest)
{
	return xfed_span_is(rest, "\\") || xfed_span_is(rest, "\\\r");
}

/* Looks at each byte once: the file may be a megabyte of whatever a power failure has left. */
static int append_line(struct xfed_buf *out, struct xfed_span line, bool *folds)
{
	struct before b = { 0 };
	int rc = XFED_OK;
	*folds = false;
	while (line.len > 0 && rc == XFED_OK && !*folds && !begins_comment(line.data[0], &b)) {
		unsigned c;
		size_t len = 1;
		if (line.data[0] == '\\' && read_escape(line, &c, &len)) {
			rc = append_character(out, c);
		} else if (is_folded(line)) {
			*folds = true;
		} else {
			len = 1;
			rc = line.data[0] != '\0' ? xfed_buf_append(out, xfed_span_make(line.data, 1)) : XFED_OK;
		}
		b.has_quotes = b.has_quotes || line.data[0] == '"' || line.data[0] == '\'';
		b.last = line.data[len - 1] != '\0' ? line.data[len - 1] : b.last;
		line = xfed_span_make(line.data + len, line.len - len);
	}
	return rc == XFED_OK && !*folds ? xfed_buf_append(out, XFED_SPAN("\n")) : rc;
}

static int append_lines(struct xfed_buf *out, struct xfed_span text)
{
	int rc = XFED_OK;
	for (bool folds = false; text.len > 0 && rc == XFED_OK;) {
		struct xfed_span line = xfed_span_cut(&text, '\n');
		while (folds && line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t')) {
			line = xfed_span_make(line.data + 1, line.len - 1);
		}
		rc = append_line(out, line, &folds);
	}
	return rc;
}

static int append_utf16(struct xfed_buf *out, struct xfed_span text, size_t high)
{
	struct xfed_buf utf8;
	int rc = XFED_OK;
	xfed_buf_init(&utf8, TEXT_BYTES);
	for (size_t i = 0; i + 1 < text.len && rc == XFED_OK; i += 2) {
		rc = append_character(&utf8, (unsigned)(uint8_t)text.data[i + high] << 8 | (uint8_t)text.data[i + 1 - high]);
	}
	rc = rc == XFED_OK ? append_lines(out, xfed_buf_span(&utf8)) : rc;
	xfed_buf_deinit(&utf8);
	return rc;
}

/* Whether there are as many zero bytes as in mostly ASCII text in UTF-16. */
static bool has_zeros(struct xfed_span text)
{
	size_t zeros = 0;
	for (size_t i = 0; i < text.len; i++) {
		zeros += text.data[i] == '\0';
	}
	return zeros >= text.len / 4;
}

/* Text that begins like UTF-16 without being it for certain is read both ways. */
int policy_broken_text(struct xfed_span text, struct xfed_buf *out)
{
	bool has_two = text.len > 1;
	bool is_little = has_two && memcmp(text.data, "\xff\xfe", 2) == 0, is_big = has_two && memcmp(text.data, "\xfe\xff", 2) == 0;
	bool is_likely = has_two && (text.data[0] == '\0') != (text.data[1] == '\0');
	bool is_sure = (is_little || is_big) && has_zeros(text);
	xfed_buf_init(out, TEXT_BYTES);
	int rc = is_little || is_big || is_likely ? append_utf16(out, text, is_little || (is_likely && text.data[1] == '\0') ? 1 : 0) : XFED_OK;
	return rc == XFED_OK && !is_sure ? append_lines(out, text) : rc;
}

bool policy_broken_word(struct xfed_span *rest, const char *ends, struct xfed_span *word)
{
	while (rest->len > 0 && strchr(ends, rest->data[0])) {
		*rest = xfed_span_make(rest->data + 1, rest->len - 1);
	}
	size_t n = 0;
	while (n < rest->len && !strchr(ends, rest->data[n])) {
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

static bool is_foreign(char c)
{
	return (uint8_t)c >= 0x80;
}

/* The bytes of a typographic quotation mark (U+2018 to U+201F) at the beginning; 0: there is none. */
static size_t quote_at(struct xfed_span s)
{
	bool is_one = s.len > 2 && memcmp(s.data, "\xe2\x80", 2) == 0 && (uint8_t)s.data[2] >= 0x98 && (uint8_t)s.data[2] <= 0x9f;
	return is_one ? 3 : 0;
}

/* The beginning of the first label is unreadable, so any name that ends like this may be meant: a wildcard for what is above it. */
static int add_all_below(struct xfed_buf *names, struct xfed_span part)
{
	char wildcard[XFED_JID_PART_BYTES + 3];
	const char *dot = part.len > 0 && part.len < XFED_JID_PART_BYTES ? memchr(part.data, '.', part.len) : NULL;
	struct xfed_span above = dot ? trim(xfed_span_make(dot, part.len - (size_t)(dot - part.data))) : xfed_span_make(NULL, 0);
	if (above.len == 0) {
		return XFED_OK;
	}
	int n = snprintf(wildcard, sizeof(wildcard), "*.%.*s", (int)above.len, above.data);
	int rc = add_name(names, xfed_span_make(wildcard, (size_t)n));
	return rc == XFED_ERR_INVALID ? XFED_OK : rc;
}

/* A word that is no domain may contain one. `is_cut`: what precedes it may not be a separator. */
static int add_parts(struct xfed_buf *names, struct xfed_span word, bool is_cut)
{
	int rc = XFED_OK;
	while (word.len > 0 && rc == XFED_OK) {
		size_t n = 0;
		while (n < word.len && is_plain(word.data[n])) {
			n++;
		}
		struct xfed_span all = xfed_span_make(word.data, n), part = trim(all);
		rc = is_cut ? add_all_below(names, all) : XFED_OK;
		if (rc == XFED_OK && part.len > 0) {
			rc = add_name(names, part);
			rc = rc == XFED_ERR_INVALID ? XFED_OK : rc;
		}
		is_cut = is_cut || (n < word.len && is_foreign(word.data[n]));
		n += n < word.len;
		word = xfed_span_make(word.data + n, word.len - n);
	}
	return rc;
}

static int add_piece(struct xfed_buf *names, struct xfed_span piece)
{
	struct xfed_span name = trim(piece);
	int rc = name.len > 0 ? add_name(names, name) : XFED_OK;
	return rc == XFED_ERR_INVALID ? add_parts(names, piece, false) : rc;
}

/* In an unknown character set a separator behind a byte of that set may be the second half of a letter. */
static int add_word(struct xfed_buf *names, struct xfed_span text, struct xfed_span word)
{
	bool is_cut = word.data - text.data > 1 && is_foreign(word.data[-2]) && !strchr(POLICY_BLANKS, word.data[-1]);
	if (is_cut || !xfed_utf8_is_valid(word)) {
		return add_parts(names, word, is_cut);
	}
	int rc = XFED_OK;
	while (word.len > 0 && rc == XFED_OK) {
		size_t n = 0, quote = 0;
		while (n < word.len && (quote = quote_at(xfed_span_make(word.data + n, word.len - n))) == 0) {
			n++;
		}
		rc = add_piece(names, xfed_span_make(word.data, n));
		word = xfed_span_make(word.data + n + quote, word.len - n - quote);
	}
	return rc;
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
	for (struct xfed_span rest = xfed_buf_span(&plain); rc == XFED_OK && policy_broken_word(&rest, POLICY_WORD_ENDS "@/!?&%$+~^#", &word);) {
		rc = add_word(names, xfed_buf_span(&plain), word);
	}
	xfed_buf_deinit(&plain);
	return rc;
}
