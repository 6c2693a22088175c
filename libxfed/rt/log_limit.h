/*
 * Limits lines that repeat within a window: the same event and reason. After the burst every partner still gets a few lines of its own, so
 * that one who causes many does not hide the others; these are limited in total. Event, reason and partner are words of ours (log.c takes
 * care of that), so a peer cannot make up new keys.
 */
#ifndef XFED_RT_LOG_LIMIT_H
#define XFED_RT_LOG_LIMIT_H

#include "xfed/rt/log.h"

#define LOG_LIMIT_SLOTS		 256
#define LOG_LIMIT_PARTNER_LINES	 5
#define LOG_LIMIT_PARTNERS_LINES (9 * RT_LOG_BURST)

struct log_limit_slot {
	char event[48], reason[48], partner[64]; /* partner "": the slot for all lines */
	int64_t start_ms;
	uint64_t count, suppressed, extra; /* extra: lines of single partners after the burst */
};

typedef void log_limit_summary(void *user, const struct log_limit_slot *s);

/*
 * Whether a line may be written now. Ends the window of its slot, or of one that has to make room, with a summary of the lines that were
 * suppressed.
 */
bool log_limit_allows(const char *event, struct xfed_span reason, struct xfed_span partner, int64_t now_ms, log_limit_summary *summary, void *user);
void log_limit_flush(int64_t now_ms, bool all, log_limit_summary *summary, void *user);
void log_limit_reset(void);

#endif
