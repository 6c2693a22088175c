/* Admission of connections that have not authenticated yet, and each link from its hello to its end. */
#include <utlist.h>

#include "channel/channel_impl.h"
#include "xfed/mem.h"
#include "xfed/rt/log.h"

static const char *const capabilities[] = { "im", "iq-local" };

static void changed(struct channel *c)
{
	c->user->changed(c->user_data);
	core_flush_soon(c->core);
}

/* ---- certificates ---- */

static void due(struct channel *c, int64_t when_s)
{
	c->certs_due_s = when_s < c->certs_due_s ? when_s : c->certs_due_s;
}

void channel_judge_certs(struct channel *c)
{
	const char *const *allow = (const char *const *)c->config->channel.allow.items;
	struct channel_link *l, *next;
	c->certs_due_s = INT64_MAX;
	DL_FOREACH_SAFE(c->list, l, next) {
		if (l->is_up) {
			due(c, proto_link_judge_again(l->link, c->creds, allow, c->config->channel.allow.count));
		}
	}
}

/* A link keeps the certificates it was made with: the other end would go on judging the old one. Gateways dial again at once. */
void channel_close_links(struct channel *c, enum xfed_reason reason, const char *text)
{
	struct channel_link *l, *next;
	DL_FOREACH_SAFE(c->list, l, next) {
		if (l->is_up) {
			proto_link_close(l->link, reason, text);
		}
	}
}

/* ---- up and down ---- */

static void on_configure(void *owner, struct proto_session_config *cfg)
{
	const struct channel_link *l = owner;
	const struct channel *c = l->channel;
	cfg->role = PROTO_EDGE;
	cfg->creds = c->creds;
	cfg->allow = (const char *const *)c->config->channel.allow.items;
	cfg->allow_count = c->config->channel.allow.count;
	cfg->hello = (struct proto_hello){
		.name = xfed_span_str(c->config->base.name),
		.capabilities = capabilities,
		.capability_count = XFED_ARRAY_LEN(capabilities),
		.software = XFED_SPAN("xfed-edge " XFED_VERSION),
		.policy_epoch = c->revision.epoch,
		.policy_counter = c->revision.counter,
		.policy_hash = xfed_span_make(c->revision.hash, s2s_policy(c->s2s) ? sizeof(c->revision.hash) : 0),
	};
}

/* Trust may have been reloaded since the handshake of this link. */
static const char *on_judge(void *owner, const struct proto_peer *peer)
{
	struct channel_link *l = owner;
	struct channel *c = l->channel;
	int64_t due_s;
	(void)peer;
	const char *problem = proto_session_judge_again(proto_link_session(l->link), c->creds, (const char *const *)c->config->channel.allow.items,
		c->config->channel.allow.count, core_wall_s(c->core), &due_s);
	due(c, due_s);
	return problem;
}

/* Of two links with one certificate name the newer one counts: it has just shown that it is alive. */
static void replace_older(struct channel_link *l, const char *cert_name)
{
	struct channel_link *old, *next;
	DL_FOREACH_SAFE(l->channel->list, old, next) {
		if (old != l && old->is_up && strcmp(proto_session_peer(proto_link_session(old->link))->cert_name, cert_name) == 0) {
			proto_link_close(old->link, XFED_REASON_CHANNEL_REPLACED, "a newer link with that certificate");
		}
	}
}

/* True where the peer presented a certificate. A handshake that fails before that is a port scanner's or a monitor's: every gateway has one. */
static bool is_refusal(enum xfed_reason reason)
{
	return reason == XFED_REASON_CHANNEL_PEER_UNTRUSTED || reason == XFED_REASON_CHANNEL_FRAME_BAD || reason == XFED_REASON_CHANNEL_VERSION;
}

static void note_refused(struct channel_link *l, bool has_proved, enum xfed_reason reason, const char *text)
{
	struct channel_refused *r = &l->channel->refused[has_proved ? 1 : 0];
	r->at_s = core_wall_s(l->channel->core);
	r->reason = reason;
	r->from = l->from;
	snprintf(r->text, sizeof(r->text), "%s", text);
}

/* Forgets the refusal of a peer that has linked since. */
static void forget_refused(struct channel_link *l)
{
	char now[RT_ADDR_TEXT], then[RT_ADDR_TEXT];
	struct channel *c = l->channel;
	rt_addr_host_text(&l->from, now);
	for (size_t i = 0; i < XFED_ARRAY_LEN(c->refused); i++) {
		if (strcmp(now, rt_addr_host_text(&c->refused[i].from, then)) == 0) {
			c->refused[i].at_s = 0;
		}
	}
}

static void on_up(void *owner)
{
	struct channel_link *l = owner;
	struct channel *c = l->channel;
	const struct proto_peer *peer = proto_session_peer(proto_link_session(l->link));
	l->is_up = true;
	rt_sources_give_back(proto_link_place(l->link));
	l->since_s = core_wall_s(c->core);
	c->links_up++;
	replace_older(l, peer->cert_name);
	forget_refused(l);
	rt_metric_set(c->core->d.metrics, RT_M_CHANNEL_UP, 1, RT_LABELS(xfed_span_str(peer->name)));
	const struct xfed_cert *cert = proto_session_certificate(proto_link_session(l->link));
	if (cert) {
		rt_certs_seen(c->core->d.certs, RT_CERT_CHANNEL, xfed_span_str(peer->name), cert, core_wall_s(c->core));
	}
	rt_log(RT_LOG_INFO, "channel.up", RT_KV_STR("peer", peer->name), RT_KV_STR("certificate", peer->cert_name), RT_KV_STR("address", l->address),
		RT_KV_STR("tls", peer->tls_version), RT_KV_STR("cipher", peer->cipher), RT_KV_HEX("boot", peer->boot_nonce), RT_END);
	c->user->link_up(c->user_data, l);
	changed(c);
}

static void take_back(struct channel_link *l, const struct proto_peer *peer, enum xfed_reason reason)
{
	struct channel *c = l->channel;
	l->is_up = false;
	c->links_up--;
	if (!proto_exchange_is_up(c->exchange, proto_exchange_peer(c->exchange, xfed_span_str(peer->name)))) {
		rt_metric_set(c->core->d.metrics, RT_M_CHANNEL_UP, 0, RT_LABELS(xfed_span_str(peer->name)));
		rt_certs_forget(c->core->d.certs, RT_CERT_CHANNEL, xfed_span_str(peer->name));
	}
	/* A gateway that shuts down closes with "drain"; what is reported is that no gateway is there. */
	c->down_reason = reason == XFED_REASON_STREAM_CLOSED_DRAIN ? XFED_REASON_CHANNEL_DOWN : reason;
	c->down_since_s = core_wall_s(c->core);
	c->user->link_down(c->user_data, l);
}

static void on_down(void *owner, bool was_up, enum xfed_reason reason, const char *text)
{
	struct channel_link *l = owner;
	struct channel *c = l->channel;
	const struct proto_session *session = proto_link_session(l->link);
	const struct proto_peer *peer = proto_session_peer(session);
	bool has_proved = proto_session_proved(session) != NULL;
	/* Lines that strangers cause have a rate limit of their own, so that they never suppress a gateway's. */
	rt_log(was_up ? RT_LOG_WARNING : RT_LOG_INFO, has_proved ? "channel.down" : "channel.stranger", RT_KV_STR("peer", peer ? peer->name : NULL),
		RT_KV_STR("address", l->address), RT_KV_REASON(reason), RT_KV_STR("text", text), RT_END);
	DL_DELETE(c->list, l);
	if (was_up) {
		take_back(l, peer, reason);
	}
	if (is_refusal(reason)) {
		note_refused(l, has_proved, reason, text ? text : "");
	}
	proto_transfer_in_deinit(&l->transfer);
	xfed_free(l);
	changed(c);
}

/* ---- messages ---- */

static void on_message(void *owner, const Xfed__Frame *f)
{
	struct channel_link *l = owner;
	struct channel *c = l->channel;
	switch (f->body_case) {
	case XFED__FRAME__BODY_REQUEST:
		c->user->request(c->user_data, l, f->request);
		break;
	case XFED__FRAME__BODY_POLICY_BEGIN:
	case XFED__FRAME__BODY_POLICY_PART:
	case XFED__FRAME__BODY_POLICY_COMMIT:
		channel_take_policy(l, f);
		break;
	case XFED__FRAME__BODY_DRAIN:
		l->is_draining = true; /* nothing new goes to this gateway; deliveries it already has are settled */
		proto_exchange_open(proto_link_exchange(l->link), false);
		changed(c);
		break;
	default:
		break; /* the session lets no other frame of a gateway through */
	}
}

const struct proto_link_user channel_link_user = {
	.configure = on_configure, .judge = on_judge, .up = on_up, .message = on_message, .down = on_down
};

/* ---- accepting ---- */

/*
 * A stranger that makes no progress loses its place to a newcomer, the oldest that shares address or network with the newcomer first: a
 * gateway authenticates within a moment, and one that has restarted must find a place however many strangers are connected.
 */
static bool make_room(struct channel *c, const struct rt_addr *from, enum rt_source_verdict v)
{
	for (struct channel_link *l = c->list; l; l = l->next) {
		bool can_go = !l->is_up && !proto_link_is_busy(l->link) && core_now(c->core) - l->accepted_ms >= XFED_CHANNEL_ROOM_AFTER_MS;
		if (can_go && rt_source_is_same(proto_link_from(l->link), from, v)) {
			rt_sources_give_back(proto_link_place(l->link)); /* returned now, though the socket stays open a moment longer */
			proto_link_close(l->link, XFED_REASON_POLICY_UNPROVED_EXCEEDED, "made room for a newer link");
			return true;
		}
	}
	return false;
}

/* False: `s` was refused, which has been logged; nothing is kept of it. */
static bool admit(struct channel *c, struct rt_stream *s)
{
	struct rt_source_refusal r = { .event = "channel.refused", .address = rt_stream_peer(s) };
	enum xfed_side side = XFED_SIDE_OPERATOR;
	if (c->links_up >= XFED_CHANNEL_LINKS_MAX) { /* counts gateways that have authenticated, not strangers */
		r.limit = "links";
		r.reason = XFED_REASON_POLICY_CONNECTIONS_EXCEEDED;
		r.verdict = RT_SOURCE_TOTAL;
	} else {
		r.limit = "handshakes";
		r.reason = XFED_REASON_POLICY_UNPROVED_EXCEEDED;
		r.verdict = rt_sources_take(&c->strangers, r.address, rt_stream_place(s));
		if (r.verdict != RT_SOURCE_OK && make_room(c, r.address, r.verdict)) {
			r.verdict = rt_sources_take(&c->strangers, r.address, rt_stream_place(s));
		}
		side = xfed_reason_info(r.reason)->side;
	}
	if (r.verdict == RT_SOURCE_OK) {
		return true;
	}
	rt_sources_log(&c->strangers, &r, core_now(c->core));
	core_count_refusal(c->core, r.reason, side);
	return false;
}

void channel_accept(struct channel *c, struct rt_stream *s)
{
	struct channel_link *l = admit(c, s) ? xfed_calloc(1, sizeof(*l)) : NULL;
	if (!l) {
		rt_stream_close(s);
		return;
	}
	l->channel = c;
	l->accepted_ms = core_now(c->core);
	l->from = *rt_stream_peer(s);
	rt_addr_text(&l->from, l->address);
	if (proto_link_accept(c->links, s, l, &l->link) != XFED_OK) {
		xfed_free(l);
		return;
	}
	DL_APPEND(c->list, l);
}
