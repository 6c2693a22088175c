/* From a request to a stanza. */
#include "im/im_impl.h"

#include <stdio.h>
#include <utlist.h>

#include "interwork/address.h"
#include "interwork/im.h"
#include "interwork/when.h"
#include "proto/deliver.h"
#include "sip/date.h"
#include "xfed/text.h"

#define SCRATCH_BYTES (2 * 1024 * 1024) /* for a body of 64 KiB, its tree, and the copies made in the translation */
#define SETTLE_MS     5000		/* how long to wait for the edge's answer to a withdrawal */

struct taken {
	struct im *im;
	uint64_t txn;
	const struct sip_message *m;
	struct xfed_arena a;
	struct deliver_request rq;
	struct incoming *in;
	struct contact *known; /* the two users; may be NULL */
	uint64_t call;	       /* of a message in a session; 0: it came outside of one */
};

/* ---- the message that waits for its outcome ---- */

static struct incoming *incoming_new(struct taken *t)
{
	struct im *im = t->im;
	struct core_id id;
	char correlation[64];
	struct xfed_span local = t->rq.from.domain.data ? xfed_jid_bare(&t->a, &t->rq.from) : XFED_SPAN("");
	struct xfed_span remote = t->rq.to.domain.data ? xfed_jid_bare(&t->a, &t->rq.to) : XFED_SPAN("");
	uint64_t number = ++im->core->last_id;
	core_id(im->core, CORE_ID_STANZA, xfed_span_str(im_config(im)->base.name), im->core->d.boot_nonce, number, &id);
	snprintf(correlation, sizeof(correlation), "%.40s-%llx", im_config(im)->base.name, (unsigned long long)number);
	struct xfed_span call_id = t->m->call_id;
	size_t texts = 2 * local.len + 2 * remote.len + call_id.len + CORE_ID_LEN + strlen(correlation) + 7;
	struct incoming *in = local.data && remote.data ? xfed_malloc(sizeof(*in) + texts) : NULL;
	if (!in) {
		return NULL;
	}
	memset(in, 0, sizeof(*in));
	char *at = (char *)(in + 1);
	in->im = im;
	in->answer.txn = t->txn;
	in->answer.owner = in;
	in->is_lync = t->rq.domain && t->rq.domain->dialect == CONFIG_DIALECT_LYNC;
	in->call = t->call;
	in->added_ms = im_now(im);
	in->is_full = t->rq.to.resource.data != NULL;
	in->local = xfed_span_put(&at, local);
	in->remote = xfed_span_put(&at, remote);
	in->local_domain = xfed_span_put(&at, t->rq.from.domain);
	in->remote_domain = xfed_span_put(&at, t->rq.to.domain);
	in->call_id = xfed_span_put(&at, call_id);
	in->stanza_id = xfed_span_put(&at, xfed_span_make(id.text, CORE_ID_LEN));
	in->correlation = xfed_span_put(&at, xfed_span_str(correlation));
	HASH_ADD_KEYPTR(hh, im->incoming_by_id, in->stanza_id.data, in->stanza_id.len, in);
	if (!XFED_TABLE_ADDED(in)) {
		xfed_free(in);
		return NULL;
	}
	DL_APPEND(im->incoming, in);
	return in;
}

static void refuse(struct taken *t, const struct sip_flow_info *flow, enum xfed_reason reason)
{
	char who[TRUNK_PEER_WORDS] = "";
	struct iw_sip_error e;
	if (iw_reason_to_sip(reason, &e) != XFED_OK) {
		e = (struct iw_sip_error){ .status = 500, .phrase = NULL, .reason = reason };
	}
	if (reason == XFED_REASON_SIP_SENDER_UNTRUSTED) {
		trunk_peer_words(t->im->trunk, flow, who);
	}
	im_in_refuse(t->in, &e, who);
}

/* ---- the stanza ---- */

static struct iw_sip_message content_of(const struct taken *t)
{
	const struct sip_message *m = t->m;
	return (struct iw_sip_message){
		.content_type = m->content_type,
		.content_encoding = m->content_encoding,
		.content_language = m->content_language,
		.content_disposition = m->content_disposition,
		.transfer_encoding = m->content_transfer_encoding,
		.subject = m->subject,
		.body = m->body,
		.is_rich = t->in->is_lync,
	};
}

/* The time in its Date; 0: no readable Date. */
static int64_t sent_s(const struct taken *t)
{
	int64_t s;
	return t->m->date.data && sip_date_parse(t->m->date, &s) == XFED_OK ? s : 0;
}

/* When it was sent, if the reader has to be told: a server that stores messages leaves the Date unchanged (RFC 3428 section 4). */
static int64_t late_s(const struct taken *t)
{
	int64_t s = sent_s(t);
	return iw_when_is_late(s, core_wall_s(t->im->core)) ? s : 0;
}

static enum iw_fate translate(struct taken *t, struct iw_xmpp_im *out)
{
	struct contact_facts facts;
	struct iw_sip_message content = content_of(t);
	t->known = contacts_find(t->im->contacts, t->in->local, t->in->remote);
	contact_facts(t->known, im_now(t->im), &facts);
	struct iw_xmpp_envelope envelope = {
		.from = &t->rq.from, .to = &t->rq.to, .id = t->in->stanza_id, .type = facts.type, .thread = facts.thread, .sent_s = late_s(t)
	};
	enum iw_fate fate = iw_im_to_xmpp(&t->a, &content, &envelope, out);
	const char *word = fate == IW_DELIVER ? "translated" : fate == IW_REFUSE ? "refused" : "failed";
	rt_metric_add(t->im->core->d.metrics, RT_M_TRANSLATE, 1, RT_LABELS(XFED_SPAN("message"), xfed_span_str(word)));
	return fate;
}

/*
 * For how long the message may still be delivered (RFC 3428 section 4: Expires counts from Date, without one from now; 0 only says that it
 * is not to be stored). False: it has expired.
 */
static bool within_expires(const struct taken *t, uint32_t *within_ms)
{
	if (t->m->expires <= 0) {
		return true;
	}
	int64_t left_s = iw_when_left_s(t->m->expires, sent_s(t), core_wall_s(t->im->core));
	if (left_s > 0 && left_s < *within_ms / 1000) {
		*within_ms = (uint32_t)left_s * 1000;
	}
	return left_s > 0;
}

static int hand_over(struct taken *t, const struct xfed_xml_elem *elem, uint32_t within)
{
	struct im *im = t->im;
	uint64_t now = im_now(im);
	struct xfed_span to = xfed_jid_full(&t->a, &t->rq.to);
	struct proto_delivery_new n = {
		.kind = XFED__KIND__KIND_MESSAGE,
		.replay = PROTO_REPLAY_SAME_RUN,
		.type = xfed_xml_attr_get(elem, "type"),
		.id = t->in->stanza_id,
		.from = t->in->local,
		.to = to,
		.lang = xfed_xml_attr_get_ns(elem, XFED_NS_XML, "lang"),
		.stanza = xfed_buf_span(&im->scratch),
		.correlation = t->in->correlation,
		.pair_key = deliver_pair_key(t->in->local, t->in->remote),
		.share_key = policy_partner_share(im->policy, t->rq.to.domain),
		.deadline_ms = now + within + SETTLE_MS,
		.withdraw_ms = now + within,
		.has_sip = true,
		.call_id = t->m->call_id,
		.from_tag = t->m->from.tag,
		/* In a session the URI is ours, the same for all; the dialog's alone is our tag. Clients may share the rest. */
		.request_uri = t->m->to.tag.data ? t->m->to.tag : t->m->request_uri,
		.cseq = t->m->cseq,
		.answer_within_ms = within,
	};
	return to.data ? channel_send(im->channel, t->in->local_domain, t->in->remote_domain, &n) : XFED_ERR_NOMEM;
}

static enum xfed_reason send_on(struct taken *t, const struct xfed_xml_elem *elem)
{
	struct im *im = t->im;
	uint32_t within = im_config(im)->sip.answer_within_ms;
	if (!within_expires(t, &within)) {
		return XFED_REASON_DELIVERY_DEADLINE;
	}
	xfed_buf_clear(&im->scratch);
	int rc = xfed_xml_write(&im->scratch, elem, XFED_SPAN(""));
	if (rc != XFED_OK) {
		return proto_outbox_refusal(rc == XFED_ERR_LIMIT ? XFED_ERR_TOO_LARGE : rc, XFED_REASON_SIP_REQUEST_MALFORMED);
	}
	rc = hand_over(t, elem, within);
	if (rc != XFED_OK) {
		return rc == XFED_ERR_NOT_FOUND ? XFED_REASON_CHANNEL_DOWN : proto_outbox_refusal(rc, XFED_REASON_SIP_REQUEST_MALFORMED);
	}
	/* the user's writing authorises the contact to answer; without memory the user only has to write again */
	t->in->contact = contacts_hold(im->contacts, t->known, t->in->local, t->in->remote);
	if (t->in->contact) {
		contact_wrote(t->in->contact, im_now(im));
	}
	core_flush_soon(im->core);
	return XFED_REASON_NONE;
}

/*
 * Over UDP a request may be the retransmission of one that the previous run of this gateway has handed on. Until an edge has linked, which
 * would know, it cannot be told.
 */
static bool may_be_a_repetition(const struct taken *t, const struct sip_flow_info *flow)
{
	const struct im *im = t->im;
	return flow && flow->transport == SIP_UDP && !channel_has_linked(im->channel) && im_now(im) - im->core->d.started_ms < XFED_SIP_TIMER_F_MS;
}

/* `reason` is what policy says. `flow` NULL: the message does not come from SIP, but from an operator. */
static void pass_on(struct taken *t, const struct sip_flow_info *flow, enum xfed_reason reason)
{
	struct iw_xmpp_im im;
	if (reason == XFED_REASON_NONE && t->im->is_leaving) {
		struct iw_sip_error leaving = iw_leaving_to_sip();
		im_in_refuse(t->in, &leaving, "");
		return;
	}
	if (reason == XFED_REASON_NONE) {
		switch (translate(t, &im)) {
		case IW_DELIVER:
			reason = send_on(t, im.elem);
			break;
		case IW_REFUSE:
			im_in_refuse(t->in, &im.refusal, "");
			return;
		case IW_DROP:
		case IW_NO_MEMORY:
			reason = XFED_REASON_STREAM_INTERNAL;
			break;
		}
	}
	if (reason == XFED_REASON_CHANNEL_DOWN && may_be_a_repetition(t, flow)) {
		im_in_outcome(t->in, &(struct proto_result){ .fate = XFED__FATE__FATE_UNCERTAIN });
	} else if (reason != XFED_REASON_NONE) {
		refuse(t, flow, reason);
	}
}

static void take_message(struct taken *t, const struct sip_flow_info *flow, enum xfed_reason reason)
{
	t->in = incoming_new(t);
	if (t->in) { /* else it is like a lost packet: the sender repeats the request, or times out */
		t->in->answer.is_for_stranger = !flow->is_known;
		t->in->is_outside = flow->is_outside;
		pass_on(t, flow, reason);
	}
}

void im_in_request(void *data, const struct sip_incoming *rq)
{
	XFED_UNSET struct xfed_arena_room room;
	struct taken t = { .im = data, .txn = rq->txn, .m = rq->message };
	xfed_arena_init_in(&t.a, SCRATCH_BYTES, &room);
	take_message(&t, rq->flow, deliver_judge_request(t.im->deliver, &t.a, t.m, rq->flow, POLICY_MESSAGE, &t.rq));
	xfed_arena_deinit(&t.a);
}

void im_in_session(void *data, const struct sip_incoming *rq, const struct session_message *m)
{
	XFED_UNSET struct xfed_arena_room room;
	struct taken t = { .im = data, .txn = rq->txn, .m = rq->message, .rq = m->who, .call = m->call };
	xfed_arena_init_in(&t.a, SCRATCH_BYTES, &room);
	take_message(&t, rq->flow, m->reason);
	if (t.in) {
		sessions_taken(t.im->sessions, m->call);
	}
	xfed_arena_deinit(&t.a);
}

/* ---- typing ---- */

#define TYPING_MS 5000 /* what is older tells nobody anything */

/* A state that does not get there is not told again, and nobody waits for its outcome. */
static int send_typing(struct im *im, struct xfed_arena *a, const struct xfed_jid *local, const struct xfed_jid *remote, enum iw_chat_state state)
{
	struct core_id id;
	struct xfed_xml_elem *elem;
	uint64_t now = im_now(im);
	core_id(im->core, CORE_ID_STANZA, XFED_SPAN("typing"), im->core->d.boot_nonce, ++im->core->last_id, &id);
	struct iw_xmpp_envelope envelope = { .from = local, .to = remote, .id = xfed_span_make(id.text, CORE_ID_LEN) };
	int rc = iw_chat_state_write(a, state, &envelope, &elem);
	xfed_buf_clear(&im->scratch);
	rc = rc == XFED_OK ? xfed_xml_write(&im->scratch, elem, XFED_SPAN("")) : rc;
	struct proto_delivery_new n = {
		.kind = XFED__KIND__KIND_MESSAGE,
		.replay = PROTO_REPLAY_SAME_RUN,
		.type = XFED_SPAN("chat"),
		.id = envelope.id,
		.from = xfed_jid_bare(a, local),
		.to = xfed_jid_bare(a, remote),
		.stanza = xfed_buf_span(&im->scratch),
		.correlation = envelope.id,
		.share_key = policy_partner_share(im->policy, remote->domain),
		.deadline_ms = now + TYPING_MS + SETTLE_MS,
		.withdraw_ms = now + TYPING_MS,
	};
	n.pair_key = n.from.data && n.to.data ? deliver_pair_key(n.from, n.to) : 0;
	return rc == XFED_OK && n.pair_key ? channel_send(im->channel, local->domain, remote->domain, &n) : XFED_ERR_NOMEM;
}

void im_tell_typing(void *data, struct xfed_span local, struct xfed_span remote, enum iw_chat_state state)
{
	struct im *im = data;
	struct xfed_arena a;
	struct xfed_jid from = xfed_jid_of_normalised(local), to = xfed_jid_of_normalised(remote);
	xfed_arena_init(&a, 64 * 1024);
	if (send_typing(im, &a, &from, &to, state) == XFED_OK) {
		rt_metric_add(im->core->d.metrics, RT_M_TRANSLATE, 1, RT_LABELS(XFED_SPAN("typing"), XFED_SPAN("translated")));
		core_flush_soon(im->core);
	} else {
		core_count_dropped(im->core, "chat-state");
	}
	xfed_arena_deinit(&a);
}

/* ---- messages of operators ---- */

/* As it would have come: the edge knows a request by these. */
static int make_request(struct taken *t, struct sip_message *m, struct core_id *id)
{
	struct core *core = t->im->core;
	core_id(core, CORE_ID_REQUEST, XFED_SPAN("test"), core->d.boot_nonce, ++core->last_id, id);
	m->call_id = m->from.tag = xfed_span_make(id->text, CORE_ID_LEN);
	return iw_jid_to_sip(&t->a, &t->rq.to, NULL, &m->request_uri);
}

static int read_ends(struct taken *t, const struct im_trial *trial)
{
	int rc = xfed_jid_parse(&t->a, trial->local, &t->rq.from);
	rc = rc == XFED_OK ? xfed_jid_parse(&t->a, trial->remote, &t->rq.to) : rc;
	t->rq.domain = rc == XFED_OK ? config_domain(im_config(t->im), t->rq.from.domain) : NULL;
	return rc;
}

int im_try(struct im *im, struct im_trial *trial, struct xfed_span text)
{
	struct sip_message m = { .is_request = true,
		.method = XFED_SPAN("MESSAGE"),
		.cseq = 1,
		.content_type = XFED_SPAN("text/plain;charset=UTF-8"),
		.expires = -1,
		.body = text };
	struct taken t = { .im = im, .m = &m };
	struct core_id id;
	xfed_arena_init(&t.a, SCRATCH_BYTES);
	int rc = read_ends(&t, trial);
	rc = rc == XFED_OK ? make_request(&t, &m, &id) : rc;
	t.in = rc == XFED_OK ? incoming_new(&t) : NULL;
	if (t.in) {
		t.in->trial = trial;
		t.in->is_trial = true;
		trial->incoming = t.in;
		DL_APPEND(im->trials, trial);
		pass_on(&t, NULL, deliver_judge_pair(im->deliver, &t.rq, POLICY_MESSAGE));
	} else if (rc == XFED_OK) {
		rc = XFED_ERR_NOMEM;
	}
	xfed_arena_deinit(&t.a);
	return rc;
}

void im_leave(struct im *im, struct im_trial *t)
{
	if (t->incoming) {
		t->incoming->trial = NULL;
	}
	DL_DELETE(im->trials, t);
}

void im_trials_hear(struct im *im, struct xfed_span local, struct xfed_span remote)
{
	struct im_trial *t, *next;
	DL_FOREACH_SAFE(im->trials, t, next) {
		if (xfed_span_eq(t->local, local) && xfed_span_eq(t->remote, remote)) {
			t->heard(t);
		}
	}
}
