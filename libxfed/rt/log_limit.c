#include "log_limit.h"

#include <stdio.h>

#include "xfed/hash.h"

#define PROBES 8

static struct log_limit_slot slots[LOG_LIMIT_SLOTS];

static bool has_ended(const struct log_limit_slot *s, int64_t now_ms)
{
	/* A wall clock that was set back ends windows too. */
	return now_ms < s->start_ms || now_ms - s->start_ms >= RT_LOG_WINDOW_MS;
}

static void end_window(struct log_limit_slot *s, log_limit_summary *summary, void *user)
{
	if (s->suppressed > 0) {
		summary(user, s);
	}
	s->count = 0;
	s->suppressed = 0;
}

static bool is_slot_of(const struct log_limit_slot *s, const char *event, struct xfed_span reason)
{
	struct xfed_span r = reason.len < sizeof(s->reason) ? reason : xfed_span_make(reason.data, sizeof(s->reason) - 1);
	return strncmp(s->event, event, sizeof(s->event) - 1) == 0 && xfed_span_is(r, s->reason);
}

/* The slot of this event and reason, or the one that began first of those it may use, emptied for it. */
static struct log_limit_slot *slot_of(const char *event, struct xfed_span reason, log_limit_summary *summary, void *user)
{
	uint64_t hash = xfed_hash_bytes(event, strlen(event)) * 31 + xfed_hash_bytes(reason.data ? reason.data : "", reason.len);
	struct log_limit_slot *oldest = NULL;
	for (size_t i = 0; i < PROBES; i++) {
		struct log_limit_slot *s = &slots[(hash + i) % LOG_LIMIT_SLOTS];
		if (s->event[0] && is_slot_of(s, event, reason)) {
			return s;
		}
		if (!oldest || !s->event[0] || (oldest->event[0] && s->start_ms < oldest->start_ms)) {
			oldest = s;
		}
	}
	end_window(oldest, summary, user);
	*oldest = (struct log_limit_slot){ 0 };
	snprintf(oldest->event, sizeof(oldest->event), "%s", event);
	snprintf(oldest->reason, sizeof(oldest->reason), "%.*s", (int)(reason.len < 64 ? reason.len : 64), reason.data ? reason.data : "");
	return oldest;
}

bool log_limit_allows(const char *event, struct xfed_span reason, int64_t now_ms, log_limit_summary *summary, void *user)
{
	struct log_limit_slot *s = slot_of(event, reason, summary, user);
	if (s->count == 0 || has_ended(s, now_ms)) {
		end_window(s, summary, user);
		s->start_ms = now_ms;
	}
	s->count++;
	if (s->count > (reason.len > 0 ? RT_LOG_BURST : RT_LOG_BURST_PLAIN)) {
		s->suppressed++;
		return false;
	}
	return true;
}

void log_limit_flush(int64_t now_ms, bool all, log_limit_summary *summary, void *user)
{
	for (size_t i = 0; i < LOG_LIMIT_SLOTS; i++) {
		if (slots[i].suppressed > 0 && (all || has_ended(&slots[i], now_ms))) {
			end_window(&slots[i], summary, user);
		}
	}
}

void log_limit_reset(void)
{
	memset(slots, 0, sizeof(slots));
}
