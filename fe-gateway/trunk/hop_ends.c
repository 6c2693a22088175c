/* How attempts at a next hop ended, and what that changes in its state. */
#include "trunk/trunk_impl.h"

#include <stdio.h>

#include "interwork/diagnostics.h"
#include "interwork/errors.h"
#include "xfed/text.h"

/* ---- the state, the log, the metric ---- */

static void put_in_doubt(struct trunk_hop *h)
{
	h->doubts++;
	h->trunk->doubts++;
}

static void tell(struct trunk_hop *h, bool is_new)
{
	const struct hop_state *s = &h->state;
	bool is_fine = s->reason == XFED_REASON_NONE;
	char status[12] = "";
	rt_metric_set(h->trunk->core->d.metrics, RT_M_SIP_NEXT_HOP_UP, s->is_up, RT_LABELS(xfed_span_str(h->label)));
	if (s->is_up && h->is_lost) {
		h->is_lost = false;
		put_in_doubt(h); /* it may know nothing of what was before */
	}
	if (!is_new) {
		return;
	}
	if (s->is_up && !is_fine) {
		snprintf(status, sizeof(status), "%d", s->status);
	}
	rt_log(is_fine ? RT_LOG_INFO : RT_LOG_WARNING,
		is_fine			   ? "sip.hop-up"
		: hop_state_wants_proof(s) ? "sip.auth-failed"
		: s->is_up		   ? "sip.hop-refuses"
					   : "sip.hop-down",
		RT_KV_STR("next_hop", h->label), RT_KV_REASON(s->reason), RT_KV_STR("sip_status", status[0] ? status : NULL),
		RT_KV_STR("text", s->text[0] ? s->text : NULL), RT_END);
}

void trunk_hop_lost(struct trunk_hop *h)
{
	if (!h->is_lost) {
		h->is_lost = true;
		put_in_doubt(h);
	}
}

void trunk_hop_carries(struct trunk_hop *h, bool is_more)
{
	h->udp_dialogs += is_more ? 1 : -(size_t)1;
}

uint64_t trunk_hop_doubts(const struct trunk_hop *h)
{
	return h->doubts;
}

bool trunk_hop_is_lost(const struct trunk_hop *h)
{
	return h->is_lost;
}

uint64_t trunk_doubts(const struct trunk *t)
{
	return t->doubts;
}

static int64_t wall_s(const struct trunk_hop *h)
{
	return core_wall_s(h->trunk->core);
}

void trunk_hop_down(struct trunk_hop *h, enum xfed_reason reason, const char *text)
{
	tell(h, hop_state_down(&h->state, reason, text, wall_s(h)));
}

void trunk_hop_answers(struct trunk_hop *h)
{
	tell(h, hop_state_answers(&h->state, wall_s(h)));
}

void trunk_hop_refuses(struct trunk_hop *h, const struct hop_refusal *r)
{
	tell(h, hop_state_refuses(&h->state, r, wall_s(h)));
}

void trunk_hop_age(struct trunk_hop *h)
{
	if (hop_state_age(&h->state, wall_s(h))) {
		tell(h, true);
	}
}

/* ---- endings ---- */

/* Requests inside a dialog go to its other end by a route of their own, so their outcome says nothing about the hop. */
static bool is_inside(const struct trunk_send *s)
{
	return !s->places;
}

static void refused(struct trunk_send *s, const struct sip_message *m)
{
	struct iw_xmpp_error e;
	struct xfed_arena a;
	struct xfed_span words;
	bool is_listed = iw_sip_status_to_error(m->status, false, &e) == XFED_OK;
	xfed_arena_init(&a, 16384);
	bool has_words = iw_diagnostics_words(&a, m, &words) == XFED_OK && words.data;
	trunk_hop_refuses(s->hop, &(struct hop_refusal){ .status = m->status,
					  .reason = is_listed ? e.reason : XFED_REASON_SIP_SERVER_ERROR,
					  .text = has_words ? words.data : NULL,
					  .recipient = s->recipient });
	xfed_arena_deinit(&a);
}

/*
 * Only a MESSAGE shows whether the hop accepts messages, or an INVITE where messages go in sessions: refusing another method (presence) is no
 * sign against it, accepting one no sign for it.
 */
static void judge(struct trunk_send *s, bool is_message, const struct sip_message *m)
{
	int status = m->status;
	struct trunk_hop *h = s->hop;
	bool is_challenge = status == 401 || status == 407; /* trunk_send_challenged() finds out what these two mean */
	bool is_copy = status == 482 && s->is_repeat;	    /* the first copy is being processed, or was */
	bool is_taken = is_copy ? trunk_send_may_have_been_taken(s) : !hop_state_is_refusal(status);
	if (is_taken && (is_message || hop_state_wants_proof(&h->state))) {
		tell(h, hop_state_works(&h->state, wall_s(h)));
	} else if (is_taken || is_copy || is_challenge || !is_message) {
		trunk_hop_answers(h);
	} else {
		refused(s, m);
	}
}

void trunk_send_answered(struct trunk_send *s, struct xfed_span method, const struct sip_message *m)
{
	struct trunk_hop *h = s->hop;
	char code[XFED_NUMBER_BYTES];
	xfed_text_number(code, (uint64_t)m->status);
	rt_metric_add(h->trunk->core->d.metrics, RT_M_SIP_RESPONSES, 1, RT_LABELS(xfed_span_str(h->label), method, xfed_span_str(code)));
	s->unproved = XFED_REASON_NONE;
	if (!is_inside(s)) {
		sip_failed_remove(&h->failed, sip_failover_place(s->places));
		if (sip_failover_place(s->places)->transport == SIP_TCP) {
			h->no_tcp = (struct hop_no_tcp){ 0 };
		}
		judge(s, xfed_span_is(method, "MESSAGE") || xfed_span_is(method, "INVITE"), m);
	}
}

void trunk_send_timed_out(struct trunk_send *s)
{
	if (!is_inside(s)) {
		trunk_hop_down(s->hop, XFED_REASON_SIP_SERVER_TIMEOUT, "no final response");
	}
}

void trunk_send_broken(struct trunk_send *s, bool was_written)
{
	if (!is_inside(s) && !was_written) {
		sip_failed_add(&s->hop->failed, sip_failover_place(s->places), trunk_now(s->hop->trunk));
	}
}

void trunk_note_unread(struct trunk *t, const struct sip_target *to, enum xfed_reason reason, const char *text)
{
	t->unread = (struct trunk_unread){ .to = *to, .reason = reason, .at_ms = trunk_now(t) };
	snprintf(t->unread.why, sizeof(t->unread.why), "%s", text);
}

#define UNREAD_MS 5000 /* messages written on the connection may end some turns of the loop after it */

static bool was_unread(const struct trunk_send *s)
{
	const struct trunk_unread *u = &s->hop->trunk->unread;
	struct sip_target at;
	sip_location_target(sip_failover_place(s->places), &at);
	return u->reason != XFED_REASON_NONE && trunk_now(s->hop->trunk) - u->at_ms < UNREAD_MS && sip_target_is_same_place(&at, &u->to);
}

enum xfed_reason trunk_send_unreached(struct trunk_send *s)
{
	const struct trunk *t = s->hop->trunk;
	if (is_inside(s)) {
		return XFED_REASON_SIP_SERVER_UNREACHABLE;
	}
	if (s->is_large && trunk_hop_tcp_stands_in(s->hop)) {
		hop_no_tcp_refused(&s->hop->no_tcp, trunk_now(t), wall_s(s->hop));
		return XFED_REASON_SIP_REQUEST_TOO_LARGE; /* says nothing about the hop; and the request must not go by UDP (RFC 3428 section 8) */
	}
	char text[TRUNK_WHY_BYTES + 64] = "no connection";
	bool is_unread = t->failing == XFED_REASON_NONE && was_unread(s);
	enum xfed_reason failing = is_unread ? t->unread.reason : t->failing;
	const char *why = is_unread ? t->unread.why : t->failing_why;
	if (failing != XFED_REASON_NONE) { /* certificate reasons are worded for partners, but their finding applies to SIP servers too */
		bool is_code = failing != XFED_REASON_SIP_SERVER_UNREACHABLE;
		snprintf(text, sizeof(text), "no connection: %s%s%s", is_code ? xfed_reason_code(failing) : "", is_code && why[0] ? ": " : "", why);
	}
	/* A refusal of our own certificate keeps its reason, whose remedy fits. */
	enum xfed_reason reason = failing == XFED_REASON_TLS_CERT_REFUSED ? failing : XFED_REASON_SIP_SERVER_UNREACHABLE;
	trunk_hop_down(s->hop, reason, text);
	trunk_hop_lost(s->hop);
	return reason;
}
