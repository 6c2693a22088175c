/* A request becomes a stanza: who may send it, where it goes, what it becomes. */
#include "gateway.h"

#include <stdio.h>
#include <utlist.h>

#include "interwork/address.h"
#include "interwork/im.h"
#include "sip/date.h"
#include "xfed/hash.h"

#define SCRATCH_BYTES (2 * 1024 * 1024) /* a body of 64 KiB, its tree, and the copies translation makes */
#define SETTLE_MS     5000		/* for the edge's word after a withdrawal */
#define RETRY_AFTER_S 10
#define BRIEFLY_MS    5000 /* a link that is gone for longer counts as down */

struct taken {
	struct gateway *g;
	uint64_t txn;
	const struct sip_message *m;
	struct xfed_arena a;
	struct xfed_jid from, to;
	const struct gateway_domain *domain;
	struct gateway_incoming *in;
	struct contact *known; /* of the pair */
};

/* ---- who and where ---- */

static enum xfed_reason parse_address(struct taken *t, struct xfed_span uri, struct xfed_jid *out)
{
	enum xfed_reason why = XFED_REASON_SIP_ADDRESS_UNMAPPABLE;
	int rc = iw_sip_to_jid(&t->a, uri, out, &why);
	return rc == XFED_OK ? XFED_REASON_NONE : rc == XFED_ERR_NOMEM ? XFED_REASON_STREAM_INTERNAL : why;
}

/* Nothing is said about anything else before the sender is known to be one of ours. */
static enum xfed_reason check_sender(struct taken *t, const struct sip_flow_info *flow)
{
	enum xfed_reason reason = parse_address(t, t->m->from.uri, &t->from);
	if (reason != XFED_REASON_NONE) {
		return reason;
	}
	t->domain = gateway_config_inside(policy_config(t->g->policy), t->from.domain);
	if (!t->domain || !trunk_may_send(t->g->trunk, t->domain, flow)) {
		return XFED_REASON_SIP_SENDER_UNTRUSTED;
	}
	t->from.domain = xfed_span_str(t->domain->domain);
	t->from.resource = xfed_span_make(NULL, 0); /* no GRUU in this version */
	return XFED_REASON_NONE;
}

static bool is_sips(struct xfed_span uri)
{
	return uri.len >= 5 && xfed_span_eq_nocase(xfed_span_make(uri.data, 5), XFED_SPAN("sips:"));
}

/* The reason of the first gate that is closed. Both addresses have been read from SIP, so they can be said in XMPP. */
static enum xfed_reason judge(struct taken *t)
{
	struct policy_ends ends = policy_ends(t->g->policy, true, t->from.domain, t->to.domain);
	struct policy_facts f = {
		.from_is_good = true, .to_is_good = true, .from_is_ours = ends.from, .to_is_ours = ends.to, .from_maps = true, .to_maps = true
	};
	struct policy_verdict verdicts[POLICY_GATE_COUNT];
	const char *rule;
	policy_pair_facts(t->g->policy, &t->from, t->to.domain, &f, &rule);
	enum policy_gate closed = policy_gates(&f, POLICY_MESSAGE, true, verdicts);
	return closed == POLICY_GATE_COUNT ? XFED_REASON_NONE : verdicts[closed].reason;
}

static enum xfed_reason check_target(struct taken *t)
{
	enum xfed_reason reason = parse_address(t, t->m->request_uri, &t->to);
	if (reason == XFED_REASON_NONE && t->m->max_forwards == 0) {
		reason = XFED_REASON_SIP_HOPS_EXCEEDED; /* [B1-06]: the way on would be one hop more */
	}
	if (reason == XFED_REASON_NONE && is_sips(t->m->to.uri)) {
		reason = XFED_REASON_SIP_SIPS_REFUSED;
	}
	if (reason != XFED_REASON_NONE) {
		return reason;
	}
	return judge(t);
}

/* ---- the object that waits for the outcome ---- */

static void put(char **at, struct xfed_span s, struct xfed_span *out)
{
	if (s.len > 0) {
		memcpy(*at, s.data, s.len);
	}
	(*at)[s.len] = '\0';
	*out = xfed_span_make(*at, s.len);
	*at += s.len + 1;
}

static struct gateway_incoming *incoming_new(struct taken *t)
{
	struct gateway *g = t->g;
	struct core_id id;
	char correlation[64];
	struct xfed_span local = t->from.domain.data ? xfed_jid_bare(&t->a, &t->from) : XFED_SPAN("");
	struct xfed_span remote = t->to.domain.data ? xfed_jid_bare(&t->a, &t->to) : XFED_SPAN("");
	uint64_t number = ++g->core.last_id;
	core_id(&g->core, CORE_ID_STANZA, xfed_span_str(policy_config(g->policy)->name), g->core.d.boot_nonce, number, &id);
	snprintf(correlation, sizeof(correlation), "%.40s-%llx", policy_config(g->policy)->name, (unsigned long long)number);
	struct xfed_span call_id = t->m->call_id;
	size_t texts = 2 * local.len + 2 * remote.len + call_id.len + CORE_ID_LEN + strlen(correlation) + 7;
	struct gateway_incoming *in = local.data && remote.data ? xfed_malloc(sizeof(*in) + texts) : NULL;
	if (!in) {
		return NULL;
	}
	memset(in, 0, sizeof(*in));
	char *at = (char *)(in + 1);
	in->gw = g;
	in->answer.txn = t->txn;
	in->answer.owner = in;
	in->added_ms = gateway_now(g);
	in->is_full = t->to.resource.data != NULL;
	put(&at, local, &in->local);
	put(&at, remote, &in->remote);
	put(&at, t->from.domain, &in->local_domain);
	put(&at, t->to.domain, &in->remote_domain);
	put(&at, call_id, &in->call_id);
	put(&at, xfed_span_make(id.text, CORE_ID_LEN), &in->stanza_id);
	put(&at, xfed_span_str(correlation), &in->correlation);
	HASH_ADD_KEYPTR(hh, g->incoming_by_id, in->stanza_id.data, in->stanza_id.len, in);
	if (!XFED_TABLE_ADDED(in)) {
		xfed_free(in);
		return NULL;
	}
	DL_APPEND(g->incoming, in);
	g->incoming_count++;
	return in;
}

static void refuse(struct taken *t, enum xfed_reason reason)
{
	struct iw_sip_error e;
	if (iw_reason_to_sip(reason, &e) != XFED_OK) {
		e = (struct iw_sip_error){ .status = 500, .phrase = NULL, .reason = reason };
	}
	gateway_refuse_request(t->in, &e);
}

/* ---- the stanza ---- */

static struct iw_sip_message content_of(const struct sip_message *m)
{
	return (struct iw_sip_message){
		.content_type = m->content_type,
		.content_encoding = m->content_encoding,
		.content_language = m->content_language,
		.content_disposition = m->content_disposition,
		.subject = m->subject,
		.body = m->body,
	};
}

static enum iw_fate translate(struct taken *t, struct iw_xmpp_im *out)
{
	struct contact_facts facts;
	struct iw_sip_message content = content_of(t->m);
	t->known = contacts_find(t->g->contacts, t->in->local, t->in->remote);
	contact_facts(t->known, gateway_now(t->g), &facts);
	struct iw_xmpp_envelope envelope = { .from = &t->from, .to = &t->to, .id = t->in->stanza_id, .type = facts.type, .thread = facts.thread };
	enum iw_fate fate = iw_im_to_xmpp(&t->a, &content, &envelope, out);
	const char *word = fate == IW_DELIVER ? "translated" : fate == IW_REFUSE ? "refused" : "failed";
	rt_metric_add(t->g->core.d.metrics, RT_M_TRANSLATE, 1, RT_LABELS(XFED_SPAN("message"), xfed_span_str(word)));
	return fate;
}

static bool is_up(const struct gateway_link *l)
{
	return l->is_up && !l->is_draining;
}

/* Lost a moment ago and dialled again: what comes now is likely to be in time with it, and else is answered as the link is down. */
static bool is_briefly_gone(const struct gateway_link *l)
{
	return !l->is_up && l->lost_ms > 0 && gateway_now(l->gw) - l->lost_ms < BRIEFLY_MS;
}

static int take_route_of(struct taken *t, bool (*is_usable)(const struct gateway_link *l), int *peer)
{
	struct gateway *g = t->g;
	struct routes_edge edges[64];
	size_t n = 0;
	for (; n < g->link_count && n < XFED_ARRAY_LEN(edges); n++) {
		const struct gateway_link *l = &g->links[n];
		edges[n] = (struct routes_edge){ .number = l->number, .name = l->name, .is_usable = is_usable(l) };
	}
	int edge, rc = routes_take(g->routes, t->in->local_domain, t->in->remote_domain, edges, n, &edge);
	*peer = rc == XFED_OK ? g->links[edge].peer : PROTO_OUTBOX_NO_PEER;
	return rc;
}

static int take_route(struct taken *t, int *peer)
{
	int rc = take_route_of(t, is_up, peer);
	return rc == XFED_ERR_NOT_FOUND ? take_route_of(t, is_briefly_gone, peer) : rc;
}

static uint64_t pair_key(const struct gateway_incoming *in)
{
	uint64_t parts[2] = { xfed_hash_bytes(in->local.data, in->local.len), xfed_hash_bytes(in->remote.data, in->remote.len) };
	uint64_t key = xfed_hash_bytes(parts, sizeof(parts));
	return key ? key : 1;
}

/*
 * For how long the message may still be delivered (RFC 3428 section 4: Expires counts from Date, where there is none from
 * now; 0 says only that it is not to be stored). False: it has expired.
 */
static bool within_expires(const struct taken *t, uint32_t *within_ms)
{
	int64_t sent_s, now_s = gateway_wall_s(t->g), left_s = t->m->expires;
	if (t->m->expires <= 0) {
		return true;
	}
	if (sip_date_parse(t->m->date, &sent_s) == XFED_OK && sent_s < now_s) {
		left_s -= now_s - sent_s;
	}
	if (left_s > 0 && left_s < *within_ms / 1000) {
		*within_ms = (uint32_t)left_s * 1000;
	}
	return left_s > 0;
}

static int hand_over(struct taken *t, int peer, const struct xfed_xml_elem *elem, uint32_t within)
{
	struct gateway *g = t->g;
	uint64_t seq, now = gateway_now(g);
	struct xfed_span to = xfed_jid_full(&t->a, &t->to);
	struct proto_delivery_new n = {
		.kind = XFED__KIND__KIND_MESSAGE,
		.replay = PROTO_REPLAY_SAME_RUN,
		.type = xfed_xml_attr_get(elem, "type"),
		.id = t->in->stanza_id,
		.from = t->in->local,
		.to = to,
		.lang = xfed_xml_attr_get_ns(elem, XFED_NS_XML, "lang"),
		.stanza = xfed_buf_span(&g->scratch),
		.correlation = t->in->correlation,
		.pair_key = pair_key(t->in),
		.share_key = policy_partner_share(g->policy, t->to.domain),
		.deadline_ms = now + within + SETTLE_MS,
		.withdraw_ms = now + within,
		.peer = peer,
		.pinned = true,
		.has_sip = true,
		.call_id = t->m->call_id,
		.from_tag = t->m->from.tag,
		.request_uri = t->m->request_uri,
		.cseq = t->m->cseq,
		.answer_within_ms = within,
		.cookie = (uint64_t)(uintptr_t)t->in,
	};
	return to.data ? proto_outbox_add(g->outbox, &n, now, &seq) : XFED_ERR_NOMEM;
}

static enum xfed_reason send_on(struct taken *t, const struct xfed_xml_elem *elem)
{
	struct gateway *g = t->g;
	int peer;
	uint32_t within = policy_config(g->policy)->sip.answer_within_ms;
	if (!within_expires(t, &within)) {
		return XFED_REASON_DELIVERY_DEADLINE;
	}
	xfed_buf_clear(&g->scratch);
	int rc = xfed_xml_write(&g->scratch, elem, XFED_SPAN(""));
	if (rc != XFED_OK) {
		return proto_outbox_refusal(rc == XFED_ERR_LIMIT ? XFED_ERR_TOO_LARGE : rc, XFED_REASON_SIP_REQUEST_MALFORMED);
	}
	rc = take_route(t, &peer);
	if (rc != XFED_OK) {
		return rc == XFED_ERR_NOT_FOUND ? XFED_REASON_CHANNEL_DOWN : XFED_REASON_STREAM_INTERNAL;
	}
	rc = hand_over(t, peer, elem, within);
	if (rc != XFED_OK) {
		routes_give_back(g->routes, t->in->local_domain, t->in->remote_domain);
		return proto_outbox_refusal(rc, XFED_REASON_SIP_REQUEST_MALFORMED);
	}
	/* Writing to somebody is what authorises an answer; without memory the contact only has to be written to again. */
	t->in->contact = contacts_hold(g->contacts, t->known, t->in->local, t->in->remote);
	if (t->in->contact) {
		contact_wrote(t->in->contact, gateway_now(g));
	}
	gateway_flush_soon(g);
	return XFED_REASON_NONE;
}

/*
 * Over UDP a request may be the repetition of one that the run before this one has handed over: nobody here knows, and no edge,
 * which would, could be asked so far.
 */
static bool may_be_a_repetition(const struct taken *t, const struct sip_flow_info *flow)
{
	const struct gateway *g = t->g;
	return flow->transport == SIP_UDP && !g->has_linked && gateway_now(g) - g->core.d.started_ms < XFED_SIP_TIMER_F_MS;
}

static void take_message(struct taken *t, const struct sip_flow_info *flow)
{
	struct iw_xmpp_im im;
	enum xfed_reason reason = check_sender(t, flow);
	if (reason == XFED_REASON_NONE) {
		reason = check_target(t);
	}
	t->in = incoming_new(t);
	if (!t->in) {
		return; /* as a lost packet is: the sender repeats it, or gets its own timeout */
	}
	if (reason == XFED_REASON_NONE && t->g->service == GATEWAY_DRAINING) {
		/* Now everything is refused, which is what 503 says: the next gateway may do better. */
		gateway_refuse_request(
			t->in, &(struct iw_sip_error){ .status = 503, .retry_after_s = RETRY_AFTER_S, .reason = XFED_REASON_CHANNEL_DOWN });
		return;
	}
	if (reason == XFED_REASON_NONE) {
		switch (translate(t, &im)) {
		case IW_DELIVER:
			reason = send_on(t, im.elem);
			break;
		case IW_REFUSE:
			gateway_refuse_request(t->in, &im.refusal);
			return;
		case IW_DROP:
		case IW_NO_MEMORY:
			reason = XFED_REASON_STREAM_INTERNAL;
			break;
		}
	}
	if (reason == XFED_REASON_CHANNEL_DOWN && may_be_a_repetition(t, flow)) {
		gateway_in_outcome(t->in, XFED__FATE__FATE_UNCERTAIN, 0, reason);
	} else if (reason != XFED_REASON_NONE) {
		refuse(t, reason);
	}
}

void gateway_take_request(void *data, const struct sip_incoming *rq)
{
	struct taken t = { .g = data, .txn = rq->txn, .m = rq->message };
	xfed_arena_init(&t.a, SCRATCH_BYTES);
	take_message(&t, rq->flow);
	xfed_arena_deinit(&t.a);
}
