/*
 * The log: one line per event, `2026-01-31T12:00:00.123Z info event=s2s.authenticated partner=a.example conn=7`. Values with anything but
 * plain visible characters are quoted and escaped, so that no peer can forge a line or a field. Text or JSON, to standard error, or with
 * fields to the journal if systemd has connected standard error to it.
 *
 * Levels by meaning: error = an operator must act, warning = degraded, or a hostile peer, info = what happened to streams, links and
 * services, debug = transitions. Debug can be switched on for single domains: then debug lines with partner= or local= of that domain are
 * written. Callers must not log bodies or secrets at any level.
 *
 * One log per process, used from the loop's thread only (a job reports to its owner). Nothing is allocated per line; a line is cut at
 * RT_LOG_LINE_BYTES. Lines with the same event and reason are limited (RT_LOG_BURST in RT_LOG_WINDOW_MS), and the rest is summed up in a
 * line `event=log.suppressed of=EVENT of_reason=CODE count=N`; lines whose event begins with "audit." are not limited. The keys of this
 * limit cannot be chosen by peers: the event, a code of the reason table ("other" for any other word), and a name that
 * rt_log_set_partner_names() knows.
 */
#ifndef XFED_RT_LOG_H
#define XFED_RT_LOG_H

#include "xfed/base.h"
#include "xfed/reason.h"

#define RT_LOG_LINE_BYTES  4096
#define RT_LOG_VALUE_BYTES 1024 /* of one value, before escaping */
#define RT_LOG_FIELDS_MAX  32
#define RT_LOG_WINDOW_MS   10000
#define RT_LOG_BURST	   100	/* lines of one event and reason in a window */
#define RT_LOG_BURST_PLAIN 5000 /* lines of one event without a reason */
#define RT_LOG_DOMAINS_MAX 32	/* domains with debug switched on */

enum rt_log_level { RT_LOG_ERROR, RT_LOG_WARNING, RT_LOG_INFO, RT_LOG_DEBUG };
const char *rt_log_level_name(enum rt_log_level level); /* "error", "warning", "info", "debug" */

enum rt_log_format { RT_LOG_TEXT, RT_LOG_JSON };

enum rt_log_kind { RT_LOG_KIND_END, RT_LOG_KIND_SPAN, RT_LOG_KIND_ADDRESS, RT_LOG_KIND_U64, RT_LOG_KIND_I64, RT_LOG_KIND_BOOL, RT_LOG_KIND_HEX };
struct rt_log_field {
	const char *key; /* [a-z0-9_]+ */
	enum rt_log_kind kind;
	struct xfed_span span; /* data NULL: the field is omitted */
	uint64_t u64;
	int64_t i64;
};

/* Fields of a line. Absent spans and NULL strings omit the field. */
#define RT_KV(k, s)                                                                                                                                  \
	{                                                                                                                                            \
		.key = (k), .kind = RT_LOG_KIND_SPAN, .span = (s)                                                                                    \
	}
#define RT_KV_STR(k, s)                                                                                                                              \
	{                                                                                                                                            \
		.key = (k), .kind = RT_LOG_KIND_SPAN, .span = xfed_span_str(s)                                                                       \
	}
#define RT_KV_U64(k, n)                                                                                                                              \
	{                                                                                                                                            \
		.key = (k), .kind = RT_LOG_KIND_U64, .u64 = (n)                                                                                      \
	}
#define RT_KV_I64(k, n)                                                                                                                              \
	{                                                                                                                                            \
		.key = (k), .kind = RT_LOG_KIND_I64, .i64 = (n)                                                                                      \
	}
#define RT_KV_BOOL(k, b)                                                                                                                             \
	{                                                                                                                                            \
		.key = (k), .kind = RT_LOG_KIND_BOOL, .u64 = (b) ? 1 : 0                                                                             \
	}
#define RT_KV_HEX(k, n)                                                                                                                              \
	{                                                                                                                                            \
		.key = (k), .kind = RT_LOG_KIND_HEX, .u64 = (n)                                                                                      \
	} /* 16 digits */
/* A user's address (JID or SIP URI): its local part is masked when log.mask_addresses is set. */
#define RT_KV_ADDRESS(k, s)                                                                                                                          \
	{                                                                                                                                            \
		.key = (k), .kind = RT_LOG_KIND_ADDRESS, .span = (s)                                                                                 \
	}
/* reason= and the side to blame by default; XFED_REASON_NONE omits both. */
#define RT_KV_REASON(r) RT_KV_STR("reason", rt_log_reason_word(r)), RT_KV_STR("side", rt_log_reason_side(r))
/* The same where the side is known. */
#define RT_KV_REASON_SIDE(r, s) RT_KV_STR("reason", rt_log_reason_word(r)), RT_KV_STR("side", xfed_side_name(s))
#define RT_END                                                                                                                                       \
	{                                                                                                                                            \
		.key = NULL, .kind = RT_LOG_KIND_END                                                                                                 \
	}

const char *rt_log_reason_word(enum xfed_reason r); /* NULL for XFED_REASON_NONE */
const char *rt_log_reason_side(enum xfed_reason r);

/* rt_log(RT_LOG_INFO, "s2s.authenticated", RT_KV("partner", p), RT_KV_U64("conn", id), RT_END); */
#define rt_log(level, event, ...)                                                                                                                    \
	do {                                                                                                                                         \
		if (rt_log_is_on(level)) {                                                                                                           \
			rt_log_write(level, event, (const struct rt_log_field[]){ __VA_ARGS__ });                                                    \
		}                                                                                                                                    \
	} while (0)

extern enum rt_log_level rt_log_threshold; /* read through rt_log_is_on() */
static inline bool rt_log_is_on(enum rt_log_level level)
{
	return level <= rt_log_threshold;
}

/*
 * `event` is a stable word: [a-z0-9.-]+. `fields` ends with RT_END. What leads to a line is rare beside messages: the compiler puts it
 * apart, so that it is not among what a message has the processor read.
 */
__attribute__((cold)) void rt_log_write(enum rt_log_level level, const char *event, const struct rt_log_field *fields);

/*
 * Decides where lines go: the journal when JOURNAL_STREAM names standard error, else standard error. `ident` (copied) is
 * the instance's name. Before this call lines go to standard error as text at level info.
 */
void rt_log_init(const char *ident);
/* A user's address as the log writes it: masked where log.mask_addresses is set. Returns `out`; what does not fit is cut. */
const char *rt_log_address(struct xfed_span address, char *out, size_t size);
void rt_log_configure(enum rt_log_level level, enum rt_log_format format, bool mask_addresses);
enum rt_log_level rt_log_level_now(void);
void rt_log_set_level(enum rt_log_level level);

/* Debug for one domain (normalised). LIMIT beyond RT_LOG_DOMAINS_MAX. */
int rt_log_debug_domain(struct xfed_span domain, bool on);

/*
 * Sets the function that returns the partner a `domain` belongs to, as a name of ours, or NULL for none. After the burst of an event and
 * reason each such name has a few lines of its own; without this function none has.
 */
void rt_log_set_partner_names(const char *(*name_of)(void *user, struct xfed_span domain), void *user);

/* Writes the summaries of windows that have ended; to be called about once a second, and with `all` before exit. */
void rt_log_flush(bool all);

/* For tests: where finished lines go (without newline) and which clock counts. NULL restores. */
void rt_log_set_sink(void (*sink)(void *user, enum rt_log_level level, struct xfed_span line), void *user);
void rt_log_set_clock(int64_t (*wall_ms)(void *user), void *user);

#endif
