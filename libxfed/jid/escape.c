#include "jid/internal.h"

/* XEP-0106 section 3: characters a localpart cannot contain, with the two digits for each. */
struct escape {
	char plain;
	char hex[2];
};

static const struct escape escapes[] = {
	{ ' ', "20" },
	{ '"', "22" },
	{ '&', "26" },
	{ '\'', "27" },
	{ '/', "2f" },
	{ ':', "3a" },
	{ '<', "3c" },
	{ '>', "3e" },
	{ '@', "40" },
	{ '\\', "5c" },
};

static const struct escape *escape_of(char c)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(escapes); i++) {
		if (escapes[i].plain == c) {
			return &escapes[i];
		}
	}
	return NULL;
}

/* The escape that begins with the backslash at `at`, or NULL. */
static const struct escape *sequence_at(struct xfed_span s, size_t at, bool any_case)
{
	if (s.len - at < 3 || s.data[at] != '\\') {
		return NULL;
	}
	char x = s.data[at + 1], y = any_case ? xfed_lower(s.data[at + 2]) : s.data[at + 2];
	for (size_t i = 0; i < XFED_ARRAY_LEN(escapes); i++) {
		if (escapes[i].hex[0] == x && escapes[i].hex[1] == y) {
			return &escapes[i];
		}
	}
	return NULL;
}

/*
 * A backslash is only escaped if it would begin an escape sequence with what follows (section 4.2). "\5C" counts too, because the localpart
 * is lower-cased afterwards.
 */
static const struct escape *escape_needed(struct xfed_span s, size_t at)
{
	if (s.data[at] == '\\' && !sequence_at(s, at, true)) {
		return NULL;
	}
	return escape_of(s.data[at]);
}

int xfed_jid_escape(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out)
{
	if (s.len > 0 && (s.data[0] == ' ' || s.data[s.len - 1] == ' ')) {
		return XFED_ERR_INVALID; /* section 3.2: \20 is never first or last */
	}
	if (s.len > JID_RAW_PART_BYTES) {
		return XFED_ERR_INVALID;
	}
	char *p = xfed_arena_alloc(a, 3 * s.len + 1);
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	size_t len = 0;
	for (size_t i = 0; i < s.len; i++) {
		const struct escape *e = escape_needed(s, i);
		if (e) {
			p[len++] = '\\';
			p[len++] = e->hex[0];
			p[len++] = e->hex[1];
		} else {
			p[len++] = s.data[i];
		}
	}
	*out = xfed_span_make(p, len);
	return XFED_OK;
}

int xfed_jid_unescape(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out)
{
	char *p = xfed_arena_alloc(a, s.len + 1);
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	size_t len = 0;
	for (size_t i = 0; i < s.len; i++) {
		const struct escape *e = sequence_at(s, i, false);
		if (e) {
			p[len++] = e->plain;
			i += 2;
		} else {
			p[len++] = s.data[i];
		}
	}
	*out = xfed_span_make(p, len);
	return XFED_OK;
}
