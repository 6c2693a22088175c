#include "log_limit.h"

#include <stdio.h>

#include "xfed/hash.h"

#define PROBES 8

/* Separate tables, so that events under many partners' names cannot displace the windows that limit all. */
static struct log_limit_slot slots[LOG_LIMIT_SLOTS], partner_slots[LOG_LIMIT_SLOTS];

static bool has_ended(const struct log_limit_slot *s, int64_t now_ms)
{
	/* also if the wall clock was set back */
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

static struct xfed_span cut(struct xfed_span s, size_t size)
{
	return s.len < size ? s : xfed_span_make(s.data, size - 1);
}

static bool is_slot_of(const struct log_limit_slot *s, const char *event, struct xfed_span reason, struct xfed_span partner)
{
	return strncmp(s->event, event, sizeof(s->event) - 1) == 0 && xfed_span_is(cut(reason, sizeof(s->reason)), s->reason) &&
	       xfed_span_is(cut(partner, sizeof(s->partner)), s->partner);
}

static uint64_t hash_of(struct xfed_span s)
{
	return xfed_hash_bytes(s.data ? s.data : "", s.len);
}

/* The slot for this event, reason and partner; or, of those that may be used, the one that began first, emptied for it. */
static struct log_limit_slot *slot_of(const char *event, struct xfed_span reason, struct xfed_span partner, log_limit_summary *summary, void *user)
{
	uint64_t hash = (hash_of(xfed_span_str(event)) * 31 + hash_of(reason)) * 31 + hash_of(partner);
	struct log_limit_slot *oldest = NULL;
	for (size_t i = 0; i < PROBES; i++) {
		struct log_limit_slot *s = &(partner.len > 0 ? partner_slots : slots)[(hash + i) % LOG_LIMIT_SLOTS];
		if (s->event[0] && is_slot_of(s, event, reason, partner)) {
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
	snprintf(oldest->partner, sizeof(oldest->partner), "%.*s", (int)(partner.len < 64 ? partner.len : 64), partner.data ? partner.data : "");
	return oldest;
}

static struct log_limit_slot *open_slot(
	const char *event, struct xfed_span reason, struct xfed_span partner, int64_t now_ms, log_limit_summary *summary, void *user)
{
	struct log_limit_slot *s = slot_of(event, reason, partner, summary, user);
	if (s->count == 0 || has_ended(s, now_ms)) {
		end_window(s, summary, user);
		s->extra = 0;
		s->start_ms = now_ms;
	}
	s->count++;
	return s;
}

bool log_limit_allows(const char *event, struct xfed_span reason, struct xfed_span partner, int64_t now_ms, log_limit_summary *summary, void *user)
{
	struct xfed_span nobody = { NULL, 0 };
	if (reason.len > 0 && partner.len > 0) {
		struct log_limit_slot *own = open_slot(event, reason, partner, now_ms, summary, user);
		uint64_t lines = own->count;
		struct log_limit_slot *all = open_slot(event, reason, nobody, now_ms, summary, user);
		if (all->count <= RT_LOG_BURST) {
			return true;
		}
		if (lines <= LOG_LIMIT_PARTNER_LINES && all->extra < LOG_LIMIT_PARTNERS_LINES) {
			all->extra++;
			return true;
		}
		all->suppressed++;
		return false;
	}
	struct log_limit_slot *s = open_slot(event, reason, nobody, now_ms, summary, user);
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
	memset(partner_slots, 0, sizeof(partner_slots));
}
