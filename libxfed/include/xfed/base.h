/*
 * Basic types of all parts of xfed: return codes, spans, assertions.
 *
 * Return codes: 0 (XFED_OK) or a small negative XFED_ERR_*. They mean that *we* failed (memory, misuse); what a peer did wrong is a result
 * with a reason (xfed/reason.h), never one of these.
 */
#ifndef XFED_BASE_H
#define XFED_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum xfed_err {
	XFED_OK = 0,
	XFED_ERR_NOMEM = -1,   /* memory, or a documented limit of it, is used up; the object is unchanged or closed, as its header says */
	XFED_ERR_INVALID = -2, /* an argument or input that does not parse */
	XFED_ERR_LIMIT = -3,   /* a limit of xfed/limits.h is exceeded */
	XFED_ERR_NOT_FOUND = -4,
	XFED_ERR_STATE = -5,   /* not allowed in this state */
	XFED_ERR_LIBRARY = -6, /* a library failed, not because of the peer */
	XFED_ERR_AGAIN = -7,
	XFED_ERR_TOO_LARGE = -8, /* larger than what is to carry it, so trying again does not help */
};

/* Borrowed bytes without NUL; valid for the call they are passed to, unless a header says more. */
struct xfed_span {
	const char *data;
	size_t len;
};

/* Initialiser for a span over a string literal. */
#define XFED_SPAN(lit) ((struct xfed_span){ "" lit, sizeof(lit) - 1 })

static inline struct xfed_span xfed_span_make(const void *data, size_t len)
{
	return (struct xfed_span){ (const char *)data, len };
}

/* NULL gives an empty span with data NULL, which means "absent". */
static inline struct xfed_span xfed_span_str(const char *s)
{
	return (struct xfed_span){ s, s ? strlen(s) : 0 };
}

static inline bool xfed_span_eq(struct xfed_span a, struct xfed_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool xfed_span_is(struct xfed_span a, const char *s)
{
	return xfed_span_eq(a, xfed_span_str(s));
}

static inline char xfed_lower(char c) /* ASCII only */
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* ASCII case-insensitive comparison; bytes above 0x7f compare as they are. */
bool xfed_span_eq_nocase(struct xfed_span a, struct xfed_span b);

/* Returns what is before the first `end`, and moves `rest` behind it; without `end` returns everything, and `rest` is empty. */
struct xfed_span xfed_span_cut(struct xfed_span *rest, char end);
struct xfed_span xfed_span_trim(struct xfed_span s); /* without blanks and tabs at the ends */

/* Takes a time that depends on the lengths only; for keys and other secrets. */
bool xfed_span_eq_secret(struct xfed_span a, struct xfed_span b);

/* Overwrites memory in a way the compiler does not remove. */
void xfed_wipe(void *p, size_t len);

/* Aborts with file and line. For mistakes inside the program only: nothing from the network may cause it. */
#define XFED_REQUIRE(cond) ((cond) ? (void)0 : xfed_require_failed(#cond, __FILE__, __LINE__))
__attribute__((noreturn, cold)) void xfed_require_failed(const char *cond, const char *file, int line);

/*
 * For a large local array in the path of a message: it is not zeroed, as all other variables are (-ftrivial-auto-var-init), because it is
 * written before it is read, and zeroing it would cost more than the rest of the function.
 */
#define XFED_UNSET __attribute__((uninitialized))

#define XFED_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
