/*
 * Stream management (XEP-0198, urn:xmpp:sm:3) between servers: acknowledgements without resumption [A9-06].
 *
 * We send <r/> only after <enabled/>, so that a partner that refuses gets no element it does not know. If an answer leaves stanzas open, we
 * ask again after 5 s or with the next stanza, not at once: two sides that answer at once would ask each other without end. If our own
 * answer leaves some open, one <a/> follows when all that was asked for is covered. A partner that never asks would take all it has sent
 * for lost when its stream ends, so it gets <a/> without asking, at the latest after 20 stanzas or 5 s.
 */
#include "internal.h"

#include <stdio.h>

#define WORD_BITS	  64
#define ASK		  "<r xmlns='" XFED_NS_SM "'/>"
#define JOINED_KEEP_BYTES 4096 /* a larger buffer is freed */

_Static_assert(XFED_S2S_SM_SPAN % WORD_BITS == 0, "the window is whole words");

void s2s_sm_init(struct xfed_s2s *s, uint32_t start)
{
	s->sm.start = s->sm.received = s->sm.covered = s->sm.told = s->sm.sent = s->sm.acked = start;
	xfed_buf_init(&s->sm.joined, XFED_S2S_OUTPUT_BYTES);
}

void s2s_sm_deinit(struct xfed_s2s *s)
{
	xfed_free(s->sm.window);
	xfed_buf_deinit(&s->sm.joined);
}

bool s2s_sm_is_on(const struct xfed_s2s *s)
{
	return s->sm.is_on;
}

/* ---- the peer's stanzas ---- */

static void refuse(struct xfed_s2s *s, const char *condition)
{
	char text[160];
	snprintf(text, sizeof(text), "<failed xmlns='" XFED_NS_SM "'><%s xmlns='" XFED_NS_STANZA_ERR "'/></failed>", condition);
	s2s_send_str(s, text);
}

void s2s_sm_enable(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (s->state != XFED_S2S_READY) {
		refuse(s, "unexpected-request");
		return;
	}
	if (s->sm.is_on) {
		s2s_close(s, XFED_REASON_STREAM_STANZA_UNSUPPORTED, "a second <enable/>"); /* section 3 */
		return;
	}
	s->sm.window = xfed_calloc(XFED_S2S_SM_SPAN / WORD_BITS, sizeof(*s->sm.window));
	if (!s->sm.window) {
		s2s_fault(s, "stream management");
		return;
	}
	s->sm.is_on = true;
	s2s_send_str(s, "<enabled xmlns='" XFED_NS_SM "'/>");
}

/* Nothing is kept after the end of a stream, so there is nothing to resume; <enable/> may still follow. */
void s2s_sm_resume(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	refuse(s, s->state == XFED_S2S_READY && !s->sm.is_on ? "item-not-found" : "unexpected-request");
}

bool s2s_sm_number(struct xfed_s2s *s, uint64_t *number)
{
	*number = 0;
	if (!s->sm.is_on) {
		return true;
	}
	if (s->sm.received - s->sm.covered >= XFED_S2S_SM_SPAN) {
		s->condition = "resource-constraint";
		s2s_close(s, XFED_REASON_DELIVERY_QUEUE_FULL, "too many stanzas behind one that is not acknowledged yet");
		return false;
	}
	*number = ++s->sm.received;
	return true;
}

static bool window_take(struct s2s_sm *sm, uint64_t number)
{
	uint64_t *word = &sm->window[number % XFED_S2S_SM_SPAN / WORD_BITS], bit = (uint64_t)1 << number % WORD_BITS;
	bool is_set = *word & bit;
	*word &= ~bit;
	return is_set;
}

static void answer(struct xfed_s2s *s)
{
	char text[64];
	snprintf(text, sizeof(text), "<a xmlns='" XFED_NS_SM "' h='%u'/>", (unsigned)(uint32_t)s->sm.covered);
	s->sm.owes_ack = false;
	s->sm.told = s->sm.covered;
	s->sm.tell_ms = 0;
	s2s_send_str(s, text);
}

bool xfed_s2s_cover(struct xfed_s2s *s, uint64_t number, uint64_t now_ms)
{
	struct s2s_sm *sm = &s->sm;
	if (!sm->window || number <= sm->covered || number > sm->received) {
		return false;
	}
	sm->window[number % XFED_S2S_SM_SPAN / WORD_BITS] |= (uint64_t)1 << number % WORD_BITS;
	while (sm->covered < sm->received && window_take(sm, sm->covered + 1)) {
		sm->covered++;
	}
	if (s->state != XFED_S2S_READY || sm->covered == sm->told) {
		return false;
	}
	if ((sm->owes_ack && sm->covered >= sm->owed) || sm->covered - sm->told >= XFED_S2S_SM_TELL_COUNT) {
		s->now_ms = now_ms;
		answer(s);
		return true;
	}
	bool is_first = sm->tell_ms == 0;
	sm->tell_ms = is_first ? now_ms + XFED_S2S_SM_TELL_MS / s->divisor : sm->tell_ms;
	return is_first;
}

/* Answered at once with the present state (section 4); what is missing then follows when it is covered, without another <r/>. */
void s2s_sm_asked(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	answer(s);
	s->sm.owed = s->sm.received;
	s->sm.owes_ack = s->sm.covered < s->sm.owed;
}

void s2s_sm_farewell(struct xfed_s2s *s)
{
	if (s->sm.is_on && s->direction == XFED_S2S_IN) {
		answer(s);
	}
}

/* ---- our stanzas ---- */

static void waits(struct xfed_s2s *s)
{
	s->sm.is_waiting = true;
	s->sm.asked_ms = s->now_ms;
	s->sm.asked_sent = s->sm.sent;
}

static void waits_no_more(struct xfed_s2s *s)
{
	s->sm.is_waiting = false;
	s->sm.answered_ms = s->now_ms;
}

static void ask(struct xfed_s2s *s)
{
	waits(s);
	s2s_send_str(s, ASK);
}

/* Sent before the first stanza, without waiting for the answer: what is sent meanwhile is counted. */
void s2s_sm_start(struct xfed_s2s *s)
{
	if (!s->sm.is_offered || s->state != XFED_S2S_READY) {
		return;
	}
	s->sm.is_on = true;
	waits(s);
	s2s_send_str(s, "<enable xmlns='" XFED_NS_SM "'/>");
}

bool s2s_sm_may_answer(const struct xfed_s2s *s)
{
	return s->sm.is_on && !s->sm.is_confirmed;
}

void s2s_sm_enabled(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	s->sm.is_confirmed = true;
	waits_no_more(s);
	if (s->sm.acked < s->sm.sent && s->state == XFED_S2S_READY) {
		ask(s);
	}
}

static void took(struct xfed_s2s *s, uint64_t count)
{
	s->sm.acked += count;
	if (count > 0) {
		s2s_push(s, XFED_S2S_ACKED)->count = (size_t)count;
	}
}

/* The partner refuses stream management: the stream goes on without it, and what was written counts as acknowledged. */
void s2s_sm_failed(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	s->sm.is_on = false;
	waits_no_more(s);
	took(s, s->sm.sent - s->sm.acked);
}

bool xfed_s2s_is_counting(const struct xfed_s2s *s)
{
	return s->sm.is_on && s->direction == XFED_S2S_OUT;
}

bool s2s_sm_is_full(const struct xfed_s2s *s)
{
	return s->sm.is_on && s->sm.sent - s->sm.acked >= XFED_S2S_SM_UNACKED_MAX;
}

/* In one write, so that <r/> needs no record and no packet of its own. */
static void send_and_ask(struct xfed_s2s *s, struct xfed_span stanza)
{
	struct xfed_buf *b = &s->sm.joined;
	xfed_buf_clear(b);
	if (xfed_buf_append(b, stanza) == XFED_OK && xfed_buf_append_str(b, ASK) == XFED_OK) {
		waits(s);
		s2s_send_bytes(s, xfed_buf_span(b));
	} else {
		s2s_send_bytes(s, stanza);
		ask(s);
	}
	if (b->size > JOINED_KEEP_BYTES) {
		xfed_buf_deinit(b);
	}
}

void s2s_sm_send(struct xfed_s2s *s, struct xfed_span stanza)
{
	s->sm.sent += s->sm.is_on;
	if (s->sm.is_confirmed && s->sm.is_on && !s->sm.is_waiting) {
		send_and_ask(s, stanza);
	} else {
		s2s_send_bytes(s, stanza);
	}
}

/*
 * For stanzas sent after the last <r/> another one is sent at once. Not for those the answer left open: a peer that is behind would be
 * asked as fast as it answers. It acknowledges them by itself, or is asked again a little later.
 */
void s2s_sm_acked(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	uint64_t said;
	if (!s2s_read_number(xfed_xml_attr_get(e, "h"), 10, &said) || said > UINT32_MAX) { /* h is an xs:unsignedInt */
		s2s_close(s, XFED_REASON_STREAM_SM_COUNT_WRONG, "no number in 'h'");
		return;
	}
	uint32_t h = (uint32_t)said, newly = h - (uint32_t)s->sm.acked;
	if (newly > s->sm.sent - s->sm.acked) {
		s->sm.wrong_h = h;
		s2s_close(s, XFED_REASON_STREAM_SM_COUNT_WRONG, "");
		return;
	}
	took(s, newly);
	if (!s->sm.is_confirmed) {
		return; /* an incoming stream, or too early: <enabled/> is still awaited */
	}
	waits_no_more(s);
	if (s->sm.acked < s->sm.sent && s->sm.asked_sent < s->sm.sent && s->state == XFED_S2S_READY) {
		ask(s);
	}
}

void s2s_sm_take_last(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (!s->sm.is_on || !xfed_span_is(e->ns, XFED_NS_SM)) {
		return;
	}
	if (xfed_span_is(e->name, "a")) {
		s2s_sm_acked(s, e);
	} else if (xfed_span_is(e->name, "failed") && s2s_sm_may_answer(s)) {
		s2s_sm_failed(s, e);
	}
}

/* ---- time ---- */

static uint64_t answer_due(const struct xfed_s2s *s)
{
	return s->sm.asked_ms + XFED_S2S_SM_ACK_MS / s->divisor;
}

static uint64_t ask_again_at(const struct xfed_s2s *s)
{
	return s->sm.answered_ms + XFED_S2S_SM_AGAIN_MS / s->divisor;
}

uint64_t s2s_sm_deadline(const struct xfed_s2s *s)
{
	if (s->sm.is_waiting) {
		return answer_due(s);
	}
	if (s->sm.tell_ms) {
		return s->sm.tell_ms;
	}
	return s->sm.is_on && s->sm.acked < s->sm.sent ? ask_again_at(s) : UINT64_MAX;
}

void s2s_sm_tick(struct xfed_s2s *s)
{
	if (s->now_ms < s2s_sm_deadline(s)) {
		return;
	}
	if (s->sm.is_waiting) {
		s2s_close(s, XFED_REASON_STREAM_SM_UNANSWERED, s->sm.is_confirmed ? "no answer to <r/>" : "no answer to <enable/>");
	} else if (s->sm.tell_ms) {
		answer(s);
	} else {
		ask(s);
	}
}
