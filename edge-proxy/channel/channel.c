#include "channel/channel_impl.h"

#include <utlist.h>

#include "xfed/mem.h"
#include "xfed/rt/process.h"

#define REFUSED_FRESH_S 120

/* ---- what the engine calls ---- */

static void wake(void *user)
{
	struct channel *c = user;
	core_flush_soon(c->core);
}

static void deliver(void *user, struct proto_from from, int peer, const Xfed__Deliver *d)
{
	struct channel *c = user;
	c->user->deliver(c->user_data, from, peer, d);
}

static void withdrawn(void *user, struct proto_from from, uint64_t cookie)
{
	struct channel *c = user;
	c->user->withdrawn(c->user_data, from, cookie);
}

static void sent(void *user, const struct proto_delivery *d)
{
	struct channel *c = user;
	c->user->sent(c->user_data, d);
}

static void taken(void *user, uint64_t cookie, uint64_t number)
{
	struct channel *c = user;
	c->user->taken(c->user_data, cookie, number);
}

static void outcome(void *user, const struct proto_delivery *d, const struct proto_result *r)
{
	struct channel *c = user;
	c->user->outcome(c->user_data, d, r);
}

/* `acked`, `refused` and `run_ended` are not set: a gateway's deliveries may be begun without asking, and end only with the gateway's memory. */
static const struct proto_exchange_user exchange_user = {
	.wake = wake, .deliver = deliver, .withdrawn = withdrawn, .sent = sent, .taken = taken, .outcome = outcome
};

/* ---- making ---- */

int channel_new(struct core *core, const struct edge_config *config, struct xfed_tls_creds *creds, struct s2s *s2s, const struct channel_user *user,
	void *user_data, struct channel **out)
{
	struct channel *c = xfed_calloc(1, sizeof(*c));
	*out = c;
	if (!c) {
		xfed_tls_creds_unref(creds);
		return XFED_ERR_NOMEM;
	}
	*c = (struct channel){
		.core = core,
		.config = config,
		.creds = creds,
		.s2s = s2s,
		.user = user,
		.user_data = user_data,
		.down_reason = XFED_REASON_CHANNEL_DOWN,
		.down_since_s = core_wall_s(core),
		.certs_due_s = INT64_MAX,
	};
	(void)rt_cert_is_replaced(c->shown, creds);
	/* Gateways often share one network, so a network may have all the places. */
	struct rt_source_limits places = rt_source_slots(XFED_CHANNEL_UNAUTH_MAX, XFED_SHARE_ADDRESS_PERCENT, 100);
	rt_sources_limit(&c->strangers, &places);
	int rc = proto_exchange_new(&(struct proto_exchange_config){ 0 }, &exchange_user, c, &c->exchange);
	return rc == XFED_OK ? proto_links_new(&core->d, c->exchange, &channel_link_user, &c->links) : rc;
}

void channel_stop(struct channel *c)
{
	if (!c) {
		return;
	}
	proto_links_free(c->links);
	c->links = NULL;
	while (c->list) {
		struct channel_link *l = c->list;
		DL_DELETE(c->list, l);
		proto_transfer_in_deinit(&l->transfer);
		xfed_free(l);
	}
	c->links_up = 0;
}

void channel_free(struct channel *c)
{
	if (c) {
		proto_exchange_free(c->exchange);
		rt_sources_deinit(&c->strangers);
		xfed_tls_creds_unref(c->creds);
		xfed_free(c);
	}
}

void channel_configure(struct channel *c, const struct edge_config *config, struct xfed_tls_creds *creds)
{
	xfed_tls_creds_unref(c->creds);
	c->creds = creds;
	c->config = config;
	channel_judge_certs(c);
	if (rt_cert_is_replaced(c->shown, creds)) {
		channel_close_links(c, XFED_REASON_CHANNEL_RENEWED, "the edge has a new certificate");
	}
}

/* ---- turns and time ---- */

void channel_pump(struct channel *c)
{
	proto_links_pump(c->links);
}

void channel_flush(struct channel *c)
{
	proto_links_pump(c->links);
	proto_links_flush(c->links);
}

void channel_tick(struct channel *c, uint64_t now_ms)
{
	proto_exchange_tick(c->exchange, now_ms);
	if (core_wall_s(c->core) >= c->certs_due_s) {
		channel_judge_certs(c);
	}
	rt_sources_tick(&c->strangers, now_ms);
}

uint64_t channel_deadline(const struct channel *c)
{
	return proto_exchange_deadline(c->exchange);
}

struct proto_exchange *channel_exchange(const struct channel *c)
{
	return c->exchange;
}

/* ---- sending ---- */

void channel_send(struct channel_link *l, const Xfed__Frame *f)
{
	struct core *core = l->channel->core;
	if (!l->is_up || proto_link_send(l->link, f) != XFED_OK) {
		rt_metric_add(core->d.metrics, RT_M_CHANNEL_UNSENT, 1, RT_LABELS(xfed_span_str(proto_body_name(f->body_case))));
	}
	core_flush_soon(core);
}

void channel_send_all(struct channel *c, const Xfed__Frame *f)
{
	for (struct channel_link *l = c->list; l; l = l->next) {
		if (l->is_up) {
			channel_send(l, f);
		}
	}
}

void channel_drain(struct channel *c, uint32_t grace_ms)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__Drain d = XFED__DRAIN__INIT;
	d.grace_ms = grace_ms;
	f.body_case = XFED__FRAME__BODY_DRAIN;
	f.drain = &d;
	channel_send_all(c, &f);
}

/* ---- state ---- */

size_t channel_links_up(const struct channel *c)
{
	return c->links_up;
}

bool channel_is_usable(const struct channel *c)
{
	for (const struct channel_link *l = c->list; l; l = l->next) {
		if (l->is_up && !l->is_draining) {
			return true;
		}
	}
	return false;
}

void channel_each(const struct channel *c, void (*fn)(void *user, const struct channel_facts *f), void *user)
{
	for (const struct channel_link *l = c->list; l; l = l->next) {
		if (l->is_up) {
			const struct proto_session *s = proto_link_session(l->link);
			fn(user, &(struct channel_facts){
					 channel_link_peer(l), l->address, l->since_s, proto_session_rtt_us(s), proto_session_clock(s) });
		}
	}
}

static void gauge_one(void *user, const struct channel_facts *f)
{
	struct channel *c = user;
	rt_metric_set(c->core->d.metrics, RT_M_CHANNEL_RTT, (double)f->rtt_us / 1e6, RT_LABELS(xfed_span_str(f->peer)));
	if (f->clock.is_known) {
		rt_metric_set(c->core->d.metrics, RT_M_CHANNEL_CLOCK, (double)f->clock.ahead_ms / 1e3, RT_LABELS(xfed_span_str(f->peer)));
	}
}

const struct xfed_tls_creds *channel_creds(const struct channel *c)
{
	return c->creds;
}

void channel_gauges(struct channel *c)
{
	channel_each(c, gauge_one, c);
}

const char *channel_link_peer(const struct channel_link *l)
{
	return proto_session_peer(proto_link_session(l->link))->name;
}

enum xfed_reason channel_down_reason(const struct channel *c, int64_t *since_s)
{
	*since_s = c->down_since_s;
	return c->down_reason;
}

bool channel_refused(const struct channel *c, bool has_proved, struct channel_refusal *out)
{
	const struct channel_refused *r = &c->refused[has_proved ? 1 : 0];
	if (r->at_s == 0 || core_wall_s(c->core) - r->at_s > REFUSED_FRESH_S) {
		return false;
	}
	*out = (struct channel_refusal){ .at_s = r->at_s, .reason = r->reason, .text = r->text };
	rt_addr_text(&r->from, out->from);
	return true;
}

const struct proto_revision *channel_revision(const struct channel *c)
{
	return &c->revision;
}
