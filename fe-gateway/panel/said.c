#include "panel/said.h"

#include "xfed/reason.h"

#define SLOTS	   10 /* %1 to %9 */
#define DEPTH	   3  /* of sentences in slots of sentences */
#define TEXT_BYTES 4096

const struct said_row said_rows[] = {
#define SAID(english, german) { english, german },
#include "panel/words_said.def"
#undef SAID
};
const size_t said_row_count = XFED_ARRAY_LEN(said_rows);

struct match {
	const struct said_row *row;
	struct xfed_span slots[SLOTS];
	size_t known; /* bytes that are said in German, or are the same in it */
};

static bool is_slot(const char *p)
{
	return (*p == '%' || *p == '$') && p[1] >= '1' && p[1] <= '9';
}

static size_t letters_to_slot(const char *p)
{
	size_t n = 0;
	while (p[n] && !is_slot(p + n)) {
		n++;
	}
	return n;
}

/* Cuts what is in the slot off the beginning of `text`: up to the letters behind the slot, or to the end where the row ends with these. */
static bool cut_slot(const char *row, struct xfed_span *text, struct xfed_span *slot)
{
	size_t n = letters_to_slot(row + 2), at = text->len;
	if (!row[2 + n]) {
		at = text->len > n && memcmp(text->data + text->len - n, row + 2, n) == 0 ? text->len - n : 0;
	} else {
		const char *found = n > 0 && text->len > 1 ? memmem(text->data + 1, text->len - 1, row + 2, n) : NULL;
		at = found ? (size_t)(found - text->data) : 0;
	}
	*slot = xfed_span_make(text->data, at);
	*text = xfed_span_make(text->data + at, text->len - at);
	return at > 0 && (*row == '$' || !memchr(slot->data, ' ', slot->len));
}

static bool fits(const char *row, struct xfed_span text, struct match *m)
{
	while (*row) {
		size_t n = letters_to_slot(row);
		if (n == 0) {
			if (!cut_slot(row, &text, &m->slots[row[1] - '0'])) {
				return false;
			}
			m->known += *row == '%' ? m->slots[row[1] - '0'].len : 0;
			row += 2;
		} else if (text.len >= n && memcmp(text.data, row, n) == 0) {
			text = xfed_span_make(text.data + n, text.len - n);
			m->known += n;
			row += n;
		} else {
			return false;
		}
	}
	return text.len == 0;
}

static const char *german_remedy(struct xfed_span text)
{
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		if (xfed_span_is(text, xfed_reason_info((enum xfed_reason)r)->remedy)) {
			return xfed_reason_remedy_in((enum xfed_reason)r, XFED_GERMAN);
		}
	}
	return NULL;
}

static bool find(struct xfed_span text, unsigned depth, struct match *best);

/* How much of the text is known: all of a remedy, of a sentence what its row says and what is known of its slots. */
static size_t known_bytes(struct xfed_span text, unsigned depth)
{
	struct match m;
	return german_remedy(text) ? text.len : find(text, depth, &m) ? m.known : 0;
}

/* The row that leaves least in English. */
static bool find(struct xfed_span text, unsigned depth, struct match *best)
{
	*best = (struct match){ 0 };
	for (size_t i = 0; i < said_row_count && depth > 0; i++) {
		struct match m = { .row = &said_rows[i] };
		if (!fits(said_rows[i].english, text, &m)) {
			continue;
		}
		for (const char *p = said_rows[i].english; *p; p++) {
			m.known += *p == '$' && is_slot(p) ? known_bytes(m.slots[p[1] - '0'], depth - 1) : 0;
		}
		if (!best->row || m.known > best->known) {
			*best = m;
		}
	}
	return best->row != NULL;
}

/* A sentence that no row knows, with a remedy behind it: what is to be done is told in German at least. */
static int say_remedy_behind(struct xfed_span text, struct xfed_buf *out)
{
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		struct xfed_span remedy = xfed_span_str(xfed_reason_info((enum xfed_reason)r)->remedy);
		size_t before = text.len > remedy.len ? text.len - remedy.len : 0;
		if (before > 0 && remedy.len > 0 && text.data[before - 1] == ' ' &&
			xfed_span_eq(xfed_span_make(text.data + before, remedy.len), remedy)) {
			int rc = xfed_buf_append(out, xfed_span_make(text.data, before));
			return rc == XFED_OK ? xfed_buf_append_str(out, xfed_reason_remedy_in((enum xfed_reason)r, XFED_GERMAN)) : rc;
		}
	}
	return XFED_ERR_NOT_FOUND;
}

static int say(struct xfed_span text, unsigned depth, struct xfed_buf *out)
{
	struct match m;
	const char *remedy = german_remedy(text);
	if (remedy) {
		return xfed_buf_append_str(out, remedy);
	}
	if (!find(text, depth, &m)) {
		return say_remedy_behind(text, out);
	}
	int rc = XFED_OK;
	for (const char *p = m.row->german; *p && rc == XFED_OK;) {
		size_t n = letters_to_slot(p);
		struct xfed_span part = n > 0 ? xfed_span_make(p, n) : m.slots[p[1] - '0'];
		rc = n == 0 && *p == '$' ? say(part, depth - 1, out) : XFED_ERR_NOT_FOUND;
		rc = rc == XFED_ERR_NOT_FOUND ? xfed_buf_append(out, part) : rc;
		p += n > 0 ? n : 2;
	}
	return rc;
}

int said_in_german(struct xfed_span english, struct xfed_buf *out)
{
	return english.len > 0 && english.len <= TEXT_BYTES ? say(english, DEPTH, out) : XFED_ERR_NOT_FOUND;
}
