/* Our INVITE from its next hop to its answer, and what ends a call or accepts it at the end of a turn. */
#include "sessions/sessions_impl.h"

#include <stdio.h>

#include "interwork/address.h"
#include "interwork/sdp.h"
#include "xfed/jid.h"

#define ARENA_BYTES (64 * 1024)
#define TAG_LEN	    16
#define LINES_BYTES 640

/* ---- the session description ---- */

/* Nobody connects to the address it names: messages take the way of the INVITE. */
static struct xfed_span our_address(const struct config *c)
{
	static const struct {
		struct xfed_span any[3];
	} wild = { { { "0.0.0.0", 7 }, { "::", 2 }, { "[::]", 4 } } };
	struct xfed_span host = xfed_span_str(c->sip.listen.items[0].host);
	for (size_t i = 0; i < XFED_ARRAY_LEN(wild.any); i++) {
		if (xfed_span_eq(host, wild.any[i])) {
			return XFED_SPAN("127.0.0.1"); /* 0.0.0.0 would mean that the session is on hold (RFC 3264 section 8.4) */
		}
	}
	return host;
}

int call_describe(const struct sessions *ss, bool is_outside, const struct iw_sdp *offer, struct xfed_buf *out)
{
	const struct config *c = sessions_config(ss);
	bool has_name = is_outside && c->sip.federation.listen.count > 0;
	struct xfed_span host = has_name ? config_our_name(c, true) : our_address(c);
	uint16_t port = has_name ? c->sip.federation.listen.items[0].port : c->sip.listen.items[0].port;
	return iw_sdp_write(out, offer, IW_SDP_MESSAGE, host, port, IW_SDP_ACCEPT_OURS);
}

/* ---- INVITE ---- */

/* Ms-Conversation-ID: the same for all calls of a session, and another one for the next session (a client refuses one it has). */
static void choose_conversation(struct session *s)
{
	uint32_t r = 0;
	if (!s->conversation[0]) {
		const struct xfed_env *env = &s->room->below.core->d.env;
		env->random(env->user, &r, sizeof(r));
		snprintf(s->conversation, sizeof(s->conversation), "%u", r);
	}
}

static int map_ends(const struct session *s, const struct config_domain *d, struct xfed_arena *a, struct iw_ends *out)
{
	struct xfed_jid user = xfed_jid_of_normalised(s->local), contact = xfed_jid_of_normalised(s->remote);
	return iw_ends_to_sip(a, &user, config_domain_inside(d), &contact, out);
}

static int send_invite(struct call *c, struct xfed_arena *a, struct xfed_buf *sdp)
{
	struct sessions *ss = c->room;
	const struct config_domain *d = session_domain(c->session);
	char contact[TRUNK_CONTACT_BYTES], lines[LINES_BYTES];
	struct core_id call_id, tag;
	struct iw_ends ends;
	int rc = d ? map_ends(c->session, d, a, &ends) : XFED_ERR_NOT_FOUND;
	rc = rc == XFED_OK ? call_describe(ss, d->federated, NULL, sdp) : rc;
	if (rc != XFED_OK) {
		return rc;
	}
	core_id(ss->below.core, CORE_ID_REQUEST, XFED_SPAN("session"), ss->below.core->d.boot_nonce, c->id, &call_id);
	core_id(ss->below.core, CORE_ID_STANZA, XFED_SPAN("session"), ss->below.core->d.boot_nonce, c->id, &tag);
	choose_conversation(c->session);
	snprintf(lines, sizeof(lines), "%sMs-Conversation-ID: %s\r\n", trunk_allow(ss->below.trunk), c->session->conversation);
	struct sip_layer_request rq = {
		.max_request = d->max_request_bytes,
		.user = &ss->trunk_user.sip,
		.id = c->id,
		.request = {
			.method = XFED_SPAN("INVITE"),
			.uri = ends.user,
			.to_uri = ends.user,
			.from_uri = ends.contact,
			.from_tag = xfed_span_make(tag.text, TAG_LEN),
			.call_id = xfed_span_make(call_id.text, CORE_ID_LEN),
			.cseq = 1,
			.user_agent = XFED_SPAN(SIP_USER_AGENT),
			.extra = xfed_span_str(lines),
			.content_type = XFED_SPAN(IW_SDP_TYPE),
			.body = xfed_buf_span(sdp),
		},
	};
	sip_location_target(sip_failover_place(c->send.places), &rq.target);
	c->transport = rq.target.transport;
	rq.request.contact = xfed_span_str(trunk_contact(ss->below.trunk, c->transport, contact));
	return trunk_send_request(&c->send, &rq, &c->txn);
}

/* The INVITE has failed for good. */
static void failed(struct call *c, enum xfed_reason reason, const struct sip_message *m)
{
	if (c->session) {
		c->session->why.reason = reason;
		c->session->why.status = m ? m->status : 0;
		c->session->why.response = m;
		call_step(c, SIP_SESSION_REFUSED, m ? m->status : 0);
	}
}

static void failed_unsent(struct call *c, const struct trunk_unsent *why)
{
	if (c->session) {
		c->session->why.text = why->text;
		failed(c, why->reason, NULL);
	}
}

static void not_sent(struct call *c, int rc)
{
	struct trunk_unsent why = trunk_unsent(rc);
	if (rc == XFED_ERR_LIMIT) {
		why.text = "the INVITE of its session is larger than the SIP server takes";
	}
	if (rc == XFED_ERR_LIMIT && trunk_send_enlarge(&c->send)) {
		call_queue(c, CALL_INVITE);
	} else {
		failed_unsent(c, &why);
	}
}

static void invite(struct call *c)
{
	struct xfed_arena a;
	struct xfed_buf sdp;
	uint64_t id = c->id;
	struct sessions *ss = c->room;
	if (!c->send.places) {
		trunk_want(&c->send);
		return;
	}
	xfed_arena_init(&a, ARENA_BYTES);
	xfed_buf_init(&sdp, IW_SDP_BYTES);
	int rc = send_invite(c, &a, &sdp);
	xfed_buf_deinit(&sdp);
	xfed_arena_deinit(&a);
	c = call_find(ss, id); /* what is sent may fail during the call, and end it */
	if (rc != XFED_OK && c) {
		not_sent(c, rc);
	}
}

static struct call *of_send(struct trunk_send *s)
{
	return (struct call *)(void *)((char *)s - offsetof(struct call, send));
}

void call_hop_ready(void *data, struct trunk_send *send)
{
	call_queue(of_send(send), CALL_INVITE);
}

void call_hop_failed(void *data, struct trunk_send *send, enum xfed_reason reason)
{
	struct trunk_unsent why = trunk_unlocated(reason);
	failed_unsent(of_send(send), &why);
}

/* ---- its answer ---- */

/* A description without a line for messages, or that refuses it; none, or one that cannot be read, is no refusal. */
static bool is_refusal(const struct sip_message *m)
{
	struct iw_sdp sdp;
	return m->body.len > 0 && iw_sdp_read(m->body, &sdp) == XFED_OK && sdp.count > 0 && !sdp.has_im;
}

static void accepted(struct call *c, const struct sip_message *m, uint64_t dialog)
{
	c->dialog = dialog;
	trunk_send_end(&c->send); /* from here on requests take the way of the dialog */
	if (dialog == 0) {	  /* no usable Contact: the layer has acknowledged it, and there is no dialog */
		failed(c, XFED_REASON_SIP_REQUEST_MALFORMED, NULL);
	} else if (is_refusal(m)) {
		c->is_unwanted = true;
		failed(c, XFED_REASON_SIP_SESSION_MEDIA, NULL);
	} else {
		c->is_up = true;
		call_log(c, "session.open");
		call_step(c, SIP_SESSION_ACCEPTED, m->status);
	}
}

static bool try_next(struct call *c, enum sip_attempt_end how, int status, bool was_written)
{
	bool is_next = c->session && c->send.places && sip_failover_next(c->send.places, how, status, was_written);
	if (is_next) {
		c->txn = 0;
		call_queue(c, CALL_INVITE);
	}
	return is_next;
}

static struct call *inviting(struct sessions *ss, uint64_t id)
{
	struct call *c = call_find(ss, id);
	return c && c->is_ours && !c->is_up && c->txn != 0 && c->session ? c : NULL;
}

/* ---- the end of a turn ---- */

static void answer_invite(struct call *c)
{
	struct sessions *ss = c->room;
	struct session *s = c->session;
	char contact[TRUNK_CONTACT_BYTES];
	struct xfed_span lines = xfed_span_str(c->answer), sdp = xfed_span_str(c->answer + lines.len + 1);
	struct sip_response r = { .status = 200,
		.contact = xfed_span_str(trunk_contact(ss->below.trunk, c->transport, contact)),
		.content_type = XFED_SPAN(IW_SDP_TYPE),
		.extra = lines,
		.body = sdp };
	call_waits_no_more(c);
	int rc = trunk_answer(ss->below.trunk, c->txn, &r, c->id);
	xfed_free(c->answer);
	c->answer = NULL;
	if (rc != XFED_OK) { /* the peer has given up, or there is no room for it */
		core_count_refusal(ss->below.core, XFED_REASON_STREAM_INTERNAL, XFED_SIDE_US);
		rt_log(RT_LOG_INFO, "session.unanswered", RT_KV_REASON(XFED_REASON_STREAM_INTERNAL), RT_KV_U64("call", c->id), RT_END);
		sessions_reply(ss, c->txn, 500, NULL, "");
	}
	if (c->is_up) {
		return; /* a refresh */
	}
	if (rc != XFED_OK) { /* what waits for this call wants another */
		s->must_want_again |= s->opens_later;
		s->opens_later = false;
		call_step(c, SIP_SESSION_ENDED, 0);
		return;
	}
	c->is_up = true;
	call_log(c, "session.open");
	if (s->opens_later) {
		s->opens_later = false;
		ss->user->opened(ss->user->data, s->waiter, c->id);
	}
}

/* Another call has taken its place, or we leave service. */
static void decline(struct call *c)
{
	enum xfed_reason reason = c->room->is_leaving ? XFED_REASON_SERVICE_LEAVING : XFED_REASON_SIP_SESSION_REPLACED;
	call_waits_no_more(c);
	core_count_refusal(c->room->below.core, reason, xfed_reason_info(reason)->side);
	rt_log(RT_LOG_INFO, "session.refused", RT_KV_REASON(reason), RT_KV_U64("call", c->id), RT_END);
	trunk_respond(c->room->below.trunk, c->txn, c->room->is_leaving ? 503 : 487, NULL, XFED_SPAN(""));
	call_free(c);
}

static void bye_lost(const struct call *c, enum xfed_reason reason)
{
	rt_log(RT_LOG_INFO, "session.bye-lost", RT_KV_U64("call", c->id), RT_KV_REASON(reason), RT_END);
}

/* Where the next hop may ask for credentials the call waits for the answer; else nobody does. */
static void hang_up(struct call *c)
{
	struct sessions *ss = c->room;
	const struct config_domain *d = config_domain(sessions_config(ss), xfed_span_str(c->domain));
	uint64_t txn, id = c->id;
	c->is_hanging_up = trunk_hop_proof_bytes(c->send.hop, XFED_SPAN("")) > 0;
	struct sip_layer_request rq = {
		.max_request = d ? d->max_request_bytes : 0,
		.dialog = c->dialog,
		.user = c->is_hanging_up ? &ss->trunk_user.sip : NULL,
		.id = id,
		.request = { .method = XFED_SPAN("BYE"), .user_agent = XFED_SPAN(SIP_USER_AGENT) },
	};
	int rc = d && c->dialog != 0 ? trunk_send_inside(&c->send, d, &rq, &txn) : XFED_ERR_NOT_FOUND;
	c = call_find(ss, id); /* what is sent may fail during the call */
	if (c && rc != XFED_OK) {
		bye_lost(c, trunk_unsent(rc).reason);
		call_free(c);
	} else if (c && !c->is_hanging_up) {
		call_free(c);
	}
}

static void bye_answered(struct call *c, const struct sip_message *m)
{
	trunk_send_answered(&c->send, XFED_SPAN("BYE"), m);
	if (trunk_send_challenged(&c->send, m)) {
		call_queue(c, CALL_BYE);
	} else {
		call_free(c);
	}
}

static struct call *hanging_up(struct sessions *ss, uint64_t id)
{
	struct call *c = call_find(ss, id);
	return c && c->is_hanging_up ? c : NULL;
}

/* The end of a BYE or of another request inside a call. True: `id` was one of these. */
static bool has_failed_inside(struct sessions *ss, uint64_t id)
{
	struct call *c = hanging_up(ss, id);
	if (!c) {
		return session_note_failed(ss, id);
	}
	bye_lost(c, XFED_REASON_SIP_SERVER_TIMEOUT);
	call_free(c);
	return true;
}

void call_flush(struct call *c)
{
	enum call_todo todo = c->todo;
	call_queue(c, CALL_REST);
	switch (todo) {
	case CALL_REST:
		break;
	case CALL_INVITE:
		invite(c);
		break;
	case CALL_ACCEPT:
		answer_invite(c);
		break;
	case CALL_DECLINE:
		decline(c);
		break;
	case CALL_CANCEL:
		trunk_cancel(c->room->below.trunk, c->txn); /* NOT_FOUND: it has its response, and is over */
		call_free(c);
		break;
	case CALL_BYE:
		hang_up(c);
		break;
	}
}

/* ---- answers ---- */

void call_response(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog)
{
	struct call *c = inviting(data, id), *ending = hanging_up(data, id);
	if (m->status < 200 || session_note_answered(data, id, m)) {
		return;
	}
	if (ending) {
		bye_answered(ending, m);
	}
	if (!c) {
		return;
	}
	trunk_send_answered(&c->send, XFED_SPAN("INVITE"), m);
	if (m->status < 300) {
		accepted(c, m, dialog);
	} else if (trunk_send_challenged(&c->send, m)) {
		c->txn = 0;
		call_queue(c, CALL_INVITE);
	} else if (!try_next(c, SIP_ATTEMPT_RESPONSE, m->status, true)) {
		failed(c, c->send.unproved, m);
	}
}

void call_timeout(void *data, uint64_t id, bool was_written)
{
	struct call *c = has_failed_inside(data, id) ? NULL : inviting(data, id);
	if (c) {
		trunk_send_timed_out(&c->send);
		failed(c, XFED_REASON_SIP_SERVER_TIMEOUT, NULL);
	}
}

void call_broken(void *data, uint64_t id, bool was_written)
{
	struct call *c = has_failed_inside(data, id) ? NULL : inviting(data, id);
	if (!c) {
		return;
	}
	trunk_send_broken(&c->send, was_written);
	if (!try_next(c, SIP_ATTEMPT_ERROR, 0, was_written)) {
		failed(c, was_written ? XFED_REASON_SIP_SERVER_UNREACHABLE : trunk_send_unreached(&c->send), NULL);
	}
}
