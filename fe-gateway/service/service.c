#include "service/service.h"

#define GIVE_UP_MS 1500 /* of the stop timeout: at this point what is left is settled, so that the edges still hear of it */
#define CLOSE_MS   500	/* for the last frames and responses to be sent */

const char *service_word(const struct service *m)
{
	return m->state == SERVICE_OUT ? "out-of-service" : m->state == SERVICE_IN ? "in-service" : "draining";
}

static enum service_action enter(struct service *m, enum service_state state, uint64_t deadline_ms, enum service_action action)
{
	m->state = state;
	m->deadline_ms = deadline_ms;
	return action;
}

static enum service_action judge(struct service *m, const struct service_facts *f)
{
	enum service_state wanted = f->has_edge ? SERVICE_IN : SERVICE_OUT;
	return service_is_draining(m) || m->state == wanted ? SERVICE_NOTHING : enter(m, wanted, 0, SERVICE_TELL);
}

static enum service_action drain(struct service *m, const struct service_facts *f)
{
	uint64_t within_ms = f->stop_timeout_ms, settle_ms = within_ms > 2 * GIVE_UP_MS ? within_ms - GIVE_UP_MS : within_ms / 2;
	return service_is_draining(m) ? SERVICE_NOTHING : enter(m, SERVICE_SETTLING, f->now_ms + settle_ms, SERVICE_DRAIN_PARTS);
}

static enum service_action tick(struct service *m, const struct service_facts *f)
{
	if (m->deadline_ms == 0 || f->now_ms < m->deadline_ms) {
		return SERVICE_NOTHING;
	}
	return m->state == SERVICE_SETTLING ? enter(m, SERVICE_GIVEN_UP, f->now_ms + CLOSE_MS, SERVICE_GIVE_UP)
					    : enter(m, SERVICE_STOPPED, 0, SERVICE_STOP);
}

enum service_action service_step(struct service *m, enum service_event ev, const struct service_facts *f)
{
	switch (ev) {
	case SERVICE_JUDGE:
		return judge(m, f);
	case SERVICE_LEFT:
		return m->state == SERVICE_SETTLING && f->is_quiet ? enter(m, SERVICE_CLOSING, f->now_ms + CLOSE_MS, SERVICE_CLOSE_ALL)
								   : SERVICE_NOTHING;
	case SERVICE_TICK:
		return tick(m, f);
	case SERVICE_DRAIN:
		return drain(m, f);
	}
	return SERVICE_NOTHING;
}
