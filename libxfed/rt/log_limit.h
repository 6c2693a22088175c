/* Limits lines that repeat: the same event and reason, within a window. */
#ifndef RT_LOG_LIMIT_H
#define RT_LOG_LIMIT_H

#include "xfed/rt/log.h"

#define LOG_LIMIT_SLOTS 256

struct log_limit_slot {
	char event[48], reason[48];
	int64_t start_ms;
	uint64_t count, suppressed;
};

typedef void log_limit_summary(void *user, const struct log_limit_slot *s);

/* Whether a line may be written now. Ends the window of its slot, or of one that has to make room, with a summary where lines were held back. */
bool log_limit_allows(const char *event, struct xfed_span reason, int64_t now_ms, log_limit_summary *summary, void *user);
void log_limit_flush(int64_t now_ms, bool all, log_limit_summary *summary, void *user);
void log_limit_reset(void);

#endif
