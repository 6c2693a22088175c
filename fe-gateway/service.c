#include "service.h"

#define GIVE_UP_MS 1500 /* before the end: what has no fate then gets one, and the edges still hear of it */
#define CLOSE_MS   500	/* for the last frames and responses to leave */

const char *service_name(enum service_state s)
{
	return s == SERVICE_OUT ? "out-of-service" : s == SERVICE_IN ? "in-service" : "draining";
}

static enum service_action edges(struct service *s, enum service_state wanted)
{
	if (service_is_leaving(s) || s->state == wanted) {
		return SERVICE_NOTHING;
	}
	s->state = wanted;
	return SERVICE_SAY;
}

static enum service_action go_on(struct service *s, enum service_state state, uint64_t deadline_ms, enum service_action action)
{
	s->state = state;
	s->deadline_ms = deadline_ms;
	return action;
}

static enum service_action leave(struct service *s, uint32_t within_ms, uint64_t now_ms)
{
	uint64_t most = within_ms > 2 * GIVE_UP_MS ? within_ms - GIVE_UP_MS : within_ms / 2;
	return service_is_leaving(s) ? SERVICE_NOTHING : go_on(s, SERVICE_DRAINING, now_ms + most, SERVICE_DRAIN);
}

static enum service_action tick(struct service *s, uint64_t now_ms)
{
	if (s->deadline_ms == 0 || now_ms < s->deadline_ms) {
		return SERVICE_NOTHING;
	}
	if (s->state == SERVICE_DRAINING) {
		return go_on(s, SERVICE_GIVING_UP, now_ms + CLOSE_MS, SERVICE_GIVE_UP);
	}
	return go_on(s, SERVICE_OVER, 0, SERVICE_END);
}

enum service_action service_step(struct service *s, enum service_event ev, uint32_t within_ms, uint64_t now_ms)
{
	switch (ev) {
	case SERVICE_EDGES_USABLE:
		return edges(s, SERVICE_IN);
	case SERVICE_EDGES_GONE:
		return edges(s, SERVICE_OUT);
	case SERVICE_LEAVE:
		return leave(s, within_ms, now_ms);
	case SERVICE_TURN_QUIET:
		return s->state == SERVICE_DRAINING ? go_on(s, SERVICE_CLOSING, now_ms + CLOSE_MS, SERVICE_CLOSE) : SERVICE_NOTHING;
	case SERVICE_TICK:
		return tick(s, now_ms);
	}
	return SERVICE_NOTHING;
}
