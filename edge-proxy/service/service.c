#include "service/service.h"

static void act(struct service *m, enum service_action a)
{
	XFED_REQUIRE(m->count < SERVICE_ACTIONS_MAX);
	m->actions[m->count++] = a;
}

static void enter(struct service *m, enum service_state state, uint64_t deadline_ms)
{
	m->state = state;
	m->deadline_ms = m->latest_ms = deadline_ms;
}

/* While draining: the part of the stop timeout that is kept for sending errors to the senders. */
static uint64_t return_ms(const struct service_facts *f)
{
	uint64_t third = f->stop_timeout_ms / 3;
	return third < SERVICE_RETURN_MS ? third : SERVICE_RETURN_MS;
}

static uint64_t settle_ms(const struct service_facts *f)
{
	uint64_t most = f->stop_timeout_ms > 2 * SERVICE_CLOSE_MS ? f->stop_timeout_ms - SERVICE_CLOSE_MS : SERVICE_CLOSE_MS;
	return most > return_ms(f) ? most - return_ms(f) : 0;
}

/* Whether the present step has nothing left to wait for. */
static bool is_done(const struct service *m, const struct service_facts *f)
{
	switch (m->state) {
	case SERVICE_RETURNING:
		return f->waiting == 0;
	case SERVICE_SETTLING:
	case SERVICE_GIVEN_UP:
		return f->is_quiet;
	case SERVICE_SAYING:
	case SERVICE_LAST_IN:
		return f->waiting == 0 && f->streams_incoming == 0;
	case SERVICE_LAST_OUT:
		return f->streams == 0;
	default:
		return false;
	}
}

static void close_incoming(struct service *m, enum service_state state, const struct service_facts *f)
{
	enter(m, state, f->now_ms + SERVICE_SAY_MS);
	act(m, SERVICE_CLOSE_INCOMING);
}

/* Leaves the present step: its deadline has come, or nothing is left to wait for. */
static void go_on(struct service *m, const struct service_facts *f)
{
	switch (m->state) {
	case SERVICE_GRACE:
		enter(m, SERVICE_RETURNING, f->now_ms + SERVICE_RETURN_MS);
		act(m, SERVICE_TELL);
		act(m, SERVICE_HAND_BACK);
		break;
	case SERVICE_RETURNING:
		close_incoming(m, SERVICE_SAYING, f);
		break;
	case SERVICE_SAYING:
		enter(m, SERVICE_OUT, 0);
		act(m, SERVICE_CLOSE_ALL);
		act(m, SERVICE_LISTEN_NO_MORE);
		act(m, SERVICE_TELL);
		break;
	case SERVICE_SETTLING:
		if (!is_done(m, f)) {
			enter(m, SERVICE_GIVEN_UP, f->now_ms + return_ms(f));
			act(m, SERVICE_GIVE_UP);
			break;
		}
		close_incoming(m, SERVICE_LAST_IN, f);
		break;
	case SERVICE_GIVEN_UP:
		close_incoming(m, SERVICE_LAST_IN, f);
		break;
	case SERVICE_LAST_IN:
		enter(m, SERVICE_LAST_OUT, f->now_ms + SERVICE_CLOSE_MS - SERVICE_SAY_MS);
		act(m, SERVICE_CLOSE_ALL);
		break;
	case SERVICE_LAST_OUT:
		enter(m, SERVICE_STOPPED, 0);
		act(m, SERVICE_STOP);
		break;
	case SERVICE_OUT:
	case SERVICE_IN:
	case SERVICE_STOPPED:
		break;
	}
}

static void judge(struct service *m, const struct service_facts *f)
{
	if (service_is_draining(m)) {
		return;
	}
	if (f->has_gateway && m->state != SERVICE_IN) {
		bool is_news = m->state != SERVICE_GRACE;
		enter(m, SERVICE_IN, 0);
		if (is_news) {
			act(m, SERVICE_TELL);
			act(m, SERVICE_LISTEN);
		}
	} else if (!f->has_gateway && m->state == SERVICE_IN) {
		enter(m, SERVICE_GRACE, f->now_ms + f->grace_ms);
	}
}

static void drain(struct service *m, const struct service_facts *f)
{
	if (!service_is_draining(m)) {
		enter(m, SERVICE_SETTLING, f->now_ms + settle_ms(f));
		act(m, SERVICE_TELL);
		act(m, SERVICE_LISTEN_NO_MORE);
		act(m, SERVICE_DRAIN_PARTS);
	}
}

void service_step(struct service *m, enum service_event ev, const struct service_facts *f)
{
	switch (ev) {
	case SERVICE_JUDGE:
		judge(m, f);
		break;
	case SERVICE_LEFT:
		if (is_done(m, f)) {
			m->deadline_ms = f->now_ms; /* as a TICK of its own: this call may come from inside the stream that is ending */
		}
		break;
	case SERVICE_TICK:
		if (m->deadline_ms && f->now_ms >= m->deadline_ms && (f->now_ms >= m->latest_ms || is_done(m, f))) {
			go_on(m, f);
		} else {
			m->deadline_ms = m->latest_ms; /* it was done when the TICK was set, and is not any more */
		}
		break;
	case SERVICE_DRAIN:
		drain(m, f);
		break;
	}
}

bool service_next(struct service *m, enum service_action *out)
{
	if (m->next == m->count) {
		m->next = m->count = 0;
		return false;
	}
	*out = m->actions[m->next++];
	return true;
}

/* ---- state ---- */

const char *service_word(const struct service *m)
{
	return service_is_in(m) ? "in-service" : service_is_draining(m) ? "draining" : "out-of-service";
}

bool service_is_in(const struct service *m)
{
	return m->state == SERVICE_IN || m->state == SERVICE_GRACE;
}

bool service_is_leaving(const struct service *m)
{
	return m->state == SERVICE_RETURNING || m->state == SERVICE_SAYING || service_is_draining(m);
}

bool service_is_draining(const struct service *m)
{
	return m->state >= SERVICE_SETTLING;
}

bool service_takes(const struct service *m)
{
	return service_is_in(m) || m->state == SERVICE_SETTLING || m->state == SERVICE_GIVEN_UP;
}
