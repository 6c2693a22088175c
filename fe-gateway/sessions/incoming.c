/* Requests of peers: INVITE, and what comes in its dialog. */
#include "sessions/sessions_impl.h"

#include <stdio.h>
#include <utlist.h>

#include "interwork/address.h"
#include "interwork/imdn.h"
#include "interwork/lync_status.h"
#include "interwork/sdp.h"
#include "interwork/typing.h"
#include "interwork/warning.h"
#include "sip/lex.h"
#include "xfed/jid.h"
#include "xfed/limits.h"
#include "xfed/text.h"

#define ARENA_BYTES (256 * 1024)

/* A request, and what is known of it. */
struct asked {
	struct sessions *ss;
	const struct sip_incoming *rq;
	const struct sip_message *m;
	struct xfed_arena *a;
};

/* ---- responses ---- */

void sessions_reply(struct sessions *ss, uint64_t txn, int status, const char *phrase, const char *lines)
{
	struct session_reply *r = xfed_malloc(sizeof(*r));
	if (r) { /* else it is like a lost packet: the peer repeats the request, or times out */
		*r = (struct session_reply){ .txn = txn, .status = status, .phrase = phrase };
		snprintf(r->lines, sizeof(r->lines), "%s", lines);
		DL_APPEND(ss->replies, r);
		core_flush_soon(ss->below.core);
	}
}

static void fill_lines(const struct asked *q, const struct iw_sip_error *e, int warning, char out[SESSION_LINES_SIZE])
{
	size_t len = 0;
	out[0] = '\0';
	if (e->needs_allow) {
		len = (size_t)snprintf(out, SESSION_LINES_SIZE, "%s", trunk_allow(q->ss->below.trunk));
	} else if (e->needs_accept) {
		bool is_info = xfed_span_is(q->m->method, "INFO");
		len = (size_t)snprintf(out, SESSION_LINES_SIZE, "Accept: %s\r\n", is_info ? IW_TYPING_ACCEPT ", " IW_IMDN_TYPE : IW_SDP_TYPE);
	} else if (e->retry_after_s > 0) {
		len = (size_t)snprintf(out, SESSION_LINES_SIZE, "Retry-After: %u\r\n", e->retry_after_s);
	}
	if (len < SESSION_LINES_SIZE && iw_warning_is_told(e->reason, !q->rq->flow->is_known)) {
		struct xfed_span agent = config_our_name(sessions_config(q->ss), q->rq->flow->is_outside);
		iw_warning_as(out + len, SESSION_LINES_SIZE - len, warning, agent, e->reason, e->detail);
	}
}

static void refuse(const struct asked *q, const struct deliver_request *who, enum xfed_reason reason, struct xfed_span detail)
{
	char lines[SESSION_LINES_SIZE], peer[TRUNK_PEER_WORDS];
	struct iw_sip_error e;
	int warning = IW_WARNING_CODE;
	enum xfed_side side = xfed_reason_info(reason)->side;
	if (reason == XFED_REASON_SERVICE_LEAVING) {
		e = iw_leaving_to_sip();
	} else if (who->domain && who->domain->dialect == CONFIG_DIALECT_LYNC) {
		unsigned where = (q->rq->id != 0 ? IW_LYNC_IN_SESSION : 0) | (q->rq->flow->is_outside ? IW_LYNC_OF_NEIGHBOUR : 0);
		bool is_blocked = iw_lync_status(reason, detail, where, &e) == IW_LYNC_BLOCKED;
		warning = is_blocked ? IW_LYNC_WARNING_BLOCKED : warning;
	} else if (iw_reason_to_sip(reason, &e) != XFED_OK) {
		e = (struct iw_sip_error){ .status = 500, .reason = reason };
	}
	e.detail = detail;
	if (reason == XFED_REASON_SIP_SENDER_UNTRUSTED) {
		detail = xfed_span_str(trunk_peer_words(q->ss->below.trunk, q->rq->flow, peer));
	}
	struct xfed_span local = who->from.domain.len > 0 ? who->from.domain : xfed_span_make(NULL, 0);
	struct xfed_span remote = who->to.domain.len > 0 ? who->to.domain : xfed_span_make(NULL, 0);
	core_count_refusal(q->ss->below.core, reason, side);
	rt_log(RT_LOG_INFO, "session.refused", RT_KV("local", local), RT_KV("partner", remote), RT_KV_REASON(reason), RT_KV("method", q->m->method),
		RT_KV("call_id", q->m->call_id), RT_KV_I64("sip_status", e.status), RT_KV("text", detail), RT_END);
	if (local.data && remote.data) {
		journal_add_message(q->ss->below.journal, &(struct journal_message){ .is_temporary = e.status == 480 || e.status >= 500,
								  .local = local,
								  .remote = remote,
								  .from = xfed_jid_bare(q->a, &who->from),
								  .to = xfed_jid_bare(q->a, &who->to),
								  .reason = reason,
								  .side = side,
								  .sip_status = e.status,
								  .said = detail });
	}
	fill_lines(q, &e, warning, lines);
	sessions_reply(q->ss, q->rq->txn, e.status, e.phrase, lines);
}

/* ---- the session description ---- */

static bool is_sdp(const struct sip_message *m)
{
	return m->media_type.data && xfed_span_eq_nocase(m->media_type, XFED_SPAN(IW_SDP_TYPE));
}

/* EndPoints lists who is in the conversation. Where they are more than two, their messages would be one user's to the contact. */
static bool is_of_several(const struct sip_message *m)
{
	const struct sip_header *h = sip_message_header_named(m, "EndPoints", NULL);
	struct xfed_span rest = h ? h->value : xfed_span_make(NULL, 0), element;
	unsigned count = 0;
	bool bad = false;
	while (count <= 2 && sip_list_next(&rest, &element, &bad)) {
		count++;
	}
	return count > 2;
}

/* NONE, or why it is no offer of messages; `*detail`: what it is instead. */
static enum xfed_reason read_offer(const struct sip_message *m, struct iw_sdp *out, struct xfed_span *detail)
{
	if (m->body.len > 0 && !is_sdp(m)) { /* an invitation to a conference, among others */
		*detail = m->media_type.data ? m->media_type : XFED_SPAN("no Content-Type");
		return XFED_REASON_SIP_SESSION_CONTENT;
	}
	if (m->body.len == 0 || iw_sdp_read(m->body, out) != XFED_OK) {
		*detail = m->body.len == 0 ? XFED_SPAN("there is none") : XFED_SPAN("it cannot be read");
		return XFED_REASON_SIP_SESSION_DESCRIPTION;
	}
	if (is_of_several(m)) {
		*detail = XFED_SPAN("a conversation of more than two (EndPoints)");
		return XFED_REASON_SIP_SESSION_CONTENT;
	}
	*detail = out->other.data ? out->other : XFED_SPAN("no media line");
	return out->has_im ? XFED_REASON_NONE : XFED_REASON_SIP_SESSION_MEDIA;
}

static bool supports_timer(const struct sip_message *m)
{
	const struct sip_header *h = NULL;
	bool bad = false, is_listed = false;
	while (!is_listed && (h = sip_message_header(m, SIP_HEADER_SUPPORTED, h))) {
		struct xfed_span rest = h->value, element;
		while (!is_listed && sip_list_next(&rest, &element, &bad)) {
			is_listed = xfed_span_eq_nocase(element, XFED_SPAN("timer"));
		}
	}
	return is_listed;
}

/* RFC 4028 section 9: whoever called refreshes, since clients of this family hang up on a re-INVITE. `timer` is never in our Supported. */
static void fill_timer(const struct sip_message *m, char out[SESSION_LINES_SIZE])
{
	const struct sip_header *h = sip_message_header(m, SIP_HEADER_SESSION_EXPIRES, NULL);
	size_t digits = 0;
	out[0] = '\0';
	while (h && digits < h->value.len && digits < 9 && h->value.data[digits] >= '0' && h->value.data[digits] <= '9') {
		digits++;
	}
	if (digits > 0 && supports_timer(m)) {
		snprintf(out, SESSION_LINES_SIZE, "Require: timer\r\nSession-Expires: %.*s;refresher=uac\r\n", (int)digits, h->value.data);
	}
}

/* Header fields and description of the 200, one behind the other; NULL: no memory. */
static char *make_answer(const struct asked *q, const struct iw_sdp *offer)
{
	char lines[SESSION_LINES_SIZE];
	struct xfed_buf sdp;
	fill_timer(q->m, lines);
	xfed_buf_init(&sdp, IW_SDP_BYTES);
	int rc = call_describe(q->ss, q->rq->flow->is_outside, offer, &sdp);
	struct xfed_span text = xfed_buf_span(&sdp);
	size_t len = strlen(lines);
	char *out = rc == XFED_OK ? xfed_malloc(len + text.len + 2) : NULL;
	if (out) {
		memcpy(out, lines, len + 1);
		memcpy(out + len + 1, text.data, text.len);
		out[len + 1 + text.len] = '\0';
	}
	xfed_buf_deinit(&sdp);
	return out;
}

/* ---- INVITE ---- */

static uint64_t hash_of_invite(const struct sip_message *m)
{
	uint64_t parts[2] = { xfed_hash_bytes(m->call_id.data, m->call_id.len), xfed_hash_bytes(m->from.tag.data, m->from.tag.len) };
	return xfed_hash_bytes(parts, sizeof(parts));
}

/* The peer's Ms-Conversation-ID is that of our calls of the same session too. */
static void keep_conversation(struct session *s, const struct sip_message *m)
{
	const struct sip_header *h = sip_message_header_named(m, "Ms-Conversation-ID", NULL);
	if (h && h->value.len > 0 && h->value.len < sizeof(s->conversation) && sip_is_token(h->value)) {
		memcpy(s->conversation, h->value.data, h->value.len);
		s->conversation[h->value.len] = '\0';
	}
}

/* Takes over the answer. NONE, or why there is no room for the call. */
static enum xfed_reason take_call(const struct asked *q, const struct deliver_request *who, char *answer)
{
	struct session *s;
	struct xfed_span local = xfed_jid_bare(q->a, &who->from), remote = xfed_jid_bare(q->a, &who->to);
	int rc = local.data && remote.data ? session_of(q->ss, local, remote, &s) : XFED_ERR_NOMEM;
	if (rc != XFED_OK) {
		xfed_free(answer);
		return rc == XFED_ERR_LIMIT ? XFED_REASON_SIP_SESSION_LIMIT : XFED_REASON_STREAM_INTERNAL;
	}
	if (s->given_up == hash_of_invite(q->m) && sessions_now(q->ss) < s->given_up_ms + XFED_SIP_SESSION_HOLD_MS) {
		rt_log(RT_LOG_INFO, "session.withdrawn", RT_KV_ADDRESS("local", local), RT_KV_ADDRESS("partner", remote),
			RT_KV("call_id", q->m->call_id), RT_END);
		trunk_dialog_end(q->ss->below.trunk, q->rq->dialog); /* no answer, as in give_up() */
		xfed_free(answer);
		session_settle(s);
		return XFED_REASON_NONE;
	}
	unsigned number = sip_session_free_call(&s->machine);
	struct call *c = number != SIP_SESSION_NO_CALL ? call_new(s, number, false) : NULL;
	if (!c) {
		xfed_free(answer);
		session_settle(s);
		return number == SIP_SESSION_NO_CALL ? XFED_REASON_SIP_SESSION_LIMIT : XFED_REASON_STREAM_INTERNAL;
	}
	c->answer = answer;
	c->dialog = q->rq->dialog;
	c->transport = q->rq->flow->transport;
	c->invite = hash_of_invite(q->m);
	call_wait(c, q->rq->txn);
	keep_conversation(s, q->m);
	session_step(s, &(struct sip_session_event){ .kind = SIP_SESSION_INVITED, .call = number });
	return XFED_REASON_NONE;
}

static void invited(const struct asked *q)
{
	struct deliver_request who = { 0 };
	struct iw_sdp offer;
	struct xfed_span detail = { NULL, 0 };
	enum xfed_reason reason = deliver_judge_request(q->ss->below.deliver, q->a, q->m, q->rq->flow, POLICY_MESSAGE, &who);
	if (reason == XFED_REASON_NONE && who.domain->im != CONFIG_IM_SESSION) {
		reason = XFED_REASON_SIP_METHOD_UNSUPPORTED;
	}
	if (reason == XFED_REASON_NONE && q->ss->is_draining) {
		reason = XFED_REASON_SERVICE_LEAVING;
	}
	reason = reason == XFED_REASON_NONE ? read_offer(q->m, &offer, &detail) : reason;
	if (reason == XFED_REASON_NONE) {
		char *answer = make_answer(q, &offer);
		reason = answer ? take_call(q, &who, answer) : XFED_REASON_STREAM_INTERNAL;
		detail = xfed_span_make(NULL, 0);
	}
	if (reason != XFED_REASON_NONE) {
		refuse(q, &who, reason, detail);
	}
}

/* ---- inside a call ---- */

/* The two users of a call. */
static struct deliver_request who_of(const struct session *s)
{
	return (struct deliver_request){
		.from = xfed_jid_of_normalised(s->local), .to = xfed_jid_of_normalised(s->remote), .domain = session_domain(s)
	};
}

static void refuse_inside(const struct asked *q, const struct call *c, enum xfed_reason reason, struct xfed_span detail)
{
	struct deliver_request who = { 0 };
	if (c && c->session) {
		who = who_of(c->session);
	}
	refuse(q, &who, reason, detail);
}

/* A refresh; whoever changes the description gets the same one from us. */
static void invited_again(const struct asked *q, struct call *c)
{
	struct iw_sdp offer;
	struct xfed_span detail = { NULL, 0 };
	enum xfed_reason reason = q->m->body.len > 0 ? read_offer(q->m, &offer, &detail) : XFED_REASON_NONE;
	if (reason == XFED_REASON_NONE && !c->answer) {
		c->answer = make_answer(q, q->m->body.len > 0 ? &offer : NULL);
		reason = c->answer ? XFED_REASON_NONE : XFED_REASON_STREAM_INTERNAL;
		detail = xfed_span_make(NULL, 0);
	}
	if (reason != XFED_REASON_NONE) {
		refuse_inside(q, c, reason, detail);
		return;
	}
	c->txn = q->rq->txn;
	call_queue(c, CALL_ACCEPT);
	call_step(c, SIP_SESSION_ACTIVE, 0);
}

static void updated(const struct asked *q, struct call *c)
{
	char lines[SESSION_LINES_SIZE];
	if (q->m->body.len > 0) { /* there is nothing about a session of messages that could be changed (RFC 3311 section 5.2) */
		refuse_inside(q, c, XFED_REASON_SIP_SESSION_DESCRIPTION, XFED_SPAN("an UPDATE would change it"));
		return;
	}
	fill_timer(q->m, lines);
	sessions_reply(q->ss, q->rq->txn, 200, NULL, lines);
	call_step(c, SIP_SESSION_ACTIVE, 0);
}

static bool is_imdn(const struct asked *q)
{
	return q->m->media_type.data && xfed_span_eq_nocase(q->m->media_type, XFED_SPAN(IW_IMDN_TYPE));
}

static void take_imdn(const struct asked *q, const struct call *c)
{
	struct iw_imdn what;
	if (iw_imdn_read(q->a, q->m->body, &what) == XFED_OK) {
		q->ss->user->told(q->ss->user->data, c->session->local, c->session->remote, &what);
	} else {
		core_count_dropped(q->ss->below.core, "imdn-unread");
	}
}

/* Whether it says that somebody types, or what became of a message of ours. If so it has been taken and answered. */
static bool is_aside(const struct asked *q, struct call *c)
{
	struct iw_typing t;
	bool is_typing = q->m->media_type.data && iw_typing_is_type(q->m->media_type) && iw_typing_read(q->m->body, &t) == XFED_OK;
	if (!is_typing && !is_imdn(q)) {
		return false;
	}
	sessions_reply(q->ss, q->rq->txn, 200, NULL, "");
	if (is_typing) {
		session_user_types(c->session, &t);
	} else {
		take_imdn(q, c);
	}
	call_step(c, SIP_SESSION_ACTIVE, 0);
	return true;
}

/* The gates are asked again for whatever the user says: access may have been taken back, or the partner removed, since the INVITE. */
static enum xfed_reason judge_inside(const struct asked *q, const struct call *c, struct deliver_request *who)
{
	*who = who_of(c->session);
	return deliver_judge_pair(q->ss->below.deliver, who, POLICY_MESSAGE);
}

static void take_message(const struct asked *q, struct call *c)
{
	struct session_message message = { .call = c->id };
	message.reason = judge_inside(q, c, &message.who);
	if (message.reason != XFED_REASON_NONE || !is_aside(q, c)) {
		q->ss->user->message(q->ss->user->data, q->rq, &message);
	}
}

/* INFO or NOTIFY. Documents of another kind are about conferences (INFO), or change nothing here (NOTIFY). */
static void informed(const struct asked *q, enum sip_method method, struct call *c)
{
	struct deliver_request who = { 0 };
	enum xfed_reason reason = judge_inside(q, c, &who);
	if (reason != XFED_REASON_NONE) {
		refuse_inside(q, c, reason, xfed_span_make(NULL, 0));
	} else if (is_aside(q, c)) {
		return;
	} else if (method == SIP_METHOD_NOTIFY) {
		sessions_reply(q->ss, q->rq->txn, 200, NULL, "");
	} else {
		refuse_inside(q, c, XFED_REASON_SIP_CONTENT_UNSUPPORTED, q->m->media_type);
	}
}

/* ---- BYE ---- */

/* The session of the two whom a request outside of a dialog is of and for. NULL: there is none, or its sender may not send. */
static struct session *session_of_peer(const struct asked *q)
{
	struct xfed_jid from, to;
	enum xfed_reason why;
	bool is_read = iw_sip_to_jid(q->a, q->m->from.uri, &from, &why) == XFED_OK && iw_sip_to_jid(q->a, q->m->request_uri, &to, &why) == XFED_OK;
	const struct config_domain *d = is_read ? config_inside(sessions_config(q->ss), from.domain) : NULL;
	if (!d || !trunk_may_send(q->ss->below.trunk, d, q->rq->flow)) {
		return NULL;
	}
	from.domain = xfed_span_str(d->domain);
	from.resource = to.resource = xfed_span_make(NULL, 0);
	struct xfed_span local = xfed_jid_bare(q->a, &from), remote = xfed_jid_bare(q->a, &to);
	return local.data && remote.data ? session_find(q->ss, local, remote) : NULL;
}

/* The call of an INVITE with the same Call-ID and From tag. NULL: there is none. */
static struct call *call_of_peer(const struct asked *q, const struct session *s)
{
	for (unsigned i = 0; s && i < SIP_SESSION_CALLS; i++) {
		struct call *c = s->calls[i];
		if (c && !c->is_ours && c->invite == hash_of_invite(q->m)) {
			return c;
		}
	}
	return NULL;
}

/*
 * A BYE without a To tag belongs to no dialog. When the INVITE of a Lync client crosses ours, the client withdraws its own by such a BYE, and not by
 * CANCEL (RFC 2543 allowed that). If we have accepted the INVITE already, its call ends. If it still waits for our answer, it gets none for
 * now (the layer below sends 408 when its time is over): the client would take whatever it hears about that INVITE as an answer in our session,
 * tell its user that the text was lost, and forget our dialog. Without an answer it sends the text in our dialog.
 * The BYE may overtake its INVITE on the way through a proxy; then the INVITE is remembered as given up.
 */
static void give_up(const struct asked *q)
{
	struct session *s = session_of_peer(q);
	struct call *c = call_of_peer(q, s);
	if (!c) {
		if (s) {
			s->given_up = hash_of_invite(q->m);
			s->given_up_ms = sessions_now(q->ss);
		}
		refuse_inside(q, NULL, XFED_REASON_SIP_DIALOG_UNKNOWN, xfed_span_make(NULL, 0));
		return;
	}
	sessions_reply(q->ss, q->rq->txn, 200, NULL, "");
	if (c->is_in_txns) {
		call_withdrawn(c);
	} else {
		call_step(c, SIP_SESSION_ENDED, 0);
	}
}

/* ---- requests ---- */

/* Whether the peer may speak for the user of this call, by what is configured now: it may be another one than that of the INVITE. */
static bool may_speak(const struct asked *q, const struct call *c)
{
	const struct config_domain *d = session_domain(c->session);
	bool may = d && trunk_may_send(q->ss->below.trunk, d, q->rq->flow);
	if (d && !may) {
		trunk_note_sender(q->ss->below.trunk, q->rq->flow, xfed_span_str(d->domain), true, false);
	}
	return may;
}

static void inside(const struct asked *q, enum sip_method method, struct call *c)
{
	if (!may_speak(q, c)) {
		refuse_inside(q, c, XFED_REASON_SIP_SENDER_UNTRUSTED, xfed_span_make(NULL, 0));
		return;
	}
	switch (method) {
	case SIP_METHOD_INVITE:
		invited_again(q, c);
		break;
	case SIP_METHOD_BYE:
		sessions_reply(q->ss, q->rq->txn, 200, NULL, "");
		c->session->why.response = q->m; /* its ms-diagnostics belong into the log */
		call_step(c, SIP_SESSION_ENDED, 0);
		break;
	case SIP_METHOD_MESSAGE:
		take_message(q, c);
		break;
	case SIP_METHOD_INFO:
	case SIP_METHOD_NOTIFY:
		informed(q, method, c);
		break;
	case SIP_METHOD_UPDATE:
		updated(q, c);
		break;
	default: /* the layer hands out no others */
		break;
	}
}

static void take(const struct asked *q)
{
	enum sip_method method = sip_method_parse(q->m->method);
	struct call *c = q->rq->id != 0 ? call_find(q->ss, q->rq->id) : NULL;
	if (q->rq->txn == 0) { /* an ACK: the layer has seen to it */
		return;
	}
	if (q->rq->id == 0) {
		if (method == SIP_METHOD_INVITE) {
			invited(q);
		} else {
			give_up(q);
		}
	} else if (c && c->session) {
		inside(q, method, c);
	} else if (method == SIP_METHOD_BYE) { /* ours is on its way */
		sessions_reply(q->ss, q->rq->txn, 200, NULL, "");
	} else {
		refuse_inside(q, NULL, XFED_REASON_SIP_DIALOG_UNKNOWN, xfed_span_make(NULL, 0));
	}
}

void sessions_request(void *data, const struct sip_incoming *rq)
{
	XFED_UNSET struct xfed_arena_room room;
	struct xfed_arena a;
	struct asked q = { .ss = data, .rq = rq, .m = rq->message, .a = &a };
	xfed_arena_init_in(&a, ARENA_BYTES, &room);
	take(&q);
	xfed_arena_deinit(&a);
}
