/* The timers of a stream: establishment, inactivity, keep-alive, the wait for a closing tag, hibernation. */
#include "internal.h"

static uint64_t after(const struct xfed_s2s *s, uint64_t since_ms, uint64_t wait_ms)
{
	return since_ms + wait_ms / s->divisor;
}

static bool may_hibernate(const struct xfed_s2s *s)
{
	return !xfed_xml_reader_is_hibernating(s->reader) && !xfed_xml_reader_mid_element(s->reader);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

bool s2s_is_in_use(const struct xfed_s2s *s)
{
	return s->state == XFED_S2S_READY || s->state == XFED_S2S_VERIFYING;
}

/* White space, so that firewalls do not forget the connection: RFC 6120 section 4.6.1. */
static uint64_t ping_deadline(const struct xfed_s2s *s)
{
	bool does = s->direction == XFED_S2S_OUT && !s->is_quiet;
	return does ? after(s, later(s->sent_ms, s->established_ms), XFED_S2S_PING_MS) : UINT64_MAX;
}

static uint64_t own_deadline(const struct xfed_s2s *s)
{
	if (s->state == XFED_S2S_CLOSING) {
		return after(s, s->closing_ms, XFED_S2S_CLOSE_WAIT_MS);
	}
	if (!s2s_is_in_use(s)) {
		return after(s, s->opened_ms, s->establish_ms);
	}
	uint64_t when = after(s, s->stanza_ms, s->inactivity_ms);
	uint64_t ping = ping_deadline(s);
	when = ping < when ? ping : when;
	uint64_t sm = s2s_sm_deadline(s);
	when = sm < when ? sm : when;
	if (may_hibernate(s)) {
		uint64_t sleep = after(s, s->traffic_ms, XFED_XML_IDLE_HIBERNATE_MS);
		when = sleep < when ? sleep : when;
	}
	return when;
}

uint64_t xfed_s2s_deadline(const struct xfed_s2s *s)
{
	if (s->state == XFED_S2S_DONE) {
		return UINT64_MAX;
	}
	uint64_t own = own_deadline(s), dialback = s2s_dialback_deadline(s);
	return own < dialback ? own : dialback;
}

void xfed_s2s_unread(struct xfed_s2s *s, uint64_t now_ms)
{
	s->stanza_ms = now_ms;
	s->sm.asked_ms = now_ms;
}

void s2s_take_tick(struct xfed_s2s *s)
{
	uint64_t now = s->now_ms;
	if (s->state == XFED_S2S_DONE) {
		return;
	}
	if (s->state == XFED_S2S_CLOSING) {
		if (now >= after(s, s->closing_ms, XFED_S2S_CLOSE_WAIT_MS)) {
			s2s_finish(s, false);
		}
		return;
	}
	s2s_dialback_tick(s);
	if (s2s_is_over(s) || s->state == XFED_S2S_CLOSING) {
		return;
	}
	if (!s2s_is_in_use(s)) {
		if (now >= after(s, s->opened_ms, s->establish_ms)) {
			bool has_key_out = s->state == XFED_S2S_WAIT_DIALBACK;
			s2s_close(s, has_key_out ? XFED_REASON_DIALBACK_TIMEOUT : XFED_REASON_STREAM_ESTABLISH_TIMEOUT,
				xfed_s2s_words(s2s_state_name(s)));
		}
		return;
	}
	if (now >= after(s, s->stanza_ms, s->inactivity_ms)) {
		s2s_close(s, XFED_REASON_STREAM_CLOSED_IDLE, "");
		return;
	}
	s2s_sm_tick(s);
	if (!s2s_is_in_use(s)) {
		return;
	}
	if (now >= ping_deadline(s)) {
		s2s_send_str(s, " ");
	}
	if (now >= after(s, s->traffic_ms, XFED_XML_IDLE_HIBERNATE_MS) && may_hibernate(s)) {
		s2s_fall_asleep(s);
	}
}
