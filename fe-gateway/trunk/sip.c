/* Drives the SIP transaction layer: events in, actions out, the timer. Sockets are sip_io.c's. */
#include "gateway.h"

#include <stdio.h>

/* One drain gives at most 64 actions, each at most one event. */
#define EVENTS_MAX 128

struct gateway_sip {
	struct sip_layer *layer;
	struct rt_timer timer;
	bool is_driving;
	struct sip_layer_event events[EVENTS_MAX]; /* what sending has led to, fed back afterwards */
	size_t first, count;
};

static void push_event(struct gateway_sip *s, const struct sip_layer_event *ev)
{
	XFED_REQUIRE(s->count < EVENTS_MAX);
	s->events[(s->first + s->count++) % EVENTS_MAX] = *ev;
}

static void send_message(struct gateway *g, const struct sip_layer_action *act)
{
	uint64_t flow = 0;
	switch (sip_io_send(g->io, &act->target, act->bytes, act->txn, &flow)) {
	case SIP_IO_WAITS:
		break;
	case SIP_IO_SENT:
		if (act->txn != 0 && act->target.transport != SIP_UDP) {
			push_event(g->sip, &(struct sip_layer_event){ .kind = SIP_LAYER_SENT, .txn = act->txn, .flow_id = flow });
		}
		break;
	case SIP_IO_FAILED:
		if (act->txn != 0) {
			push_event(g->sip, &(struct sip_layer_event){ .kind = SIP_LAYER_SEND_FAILED, .txn = act->txn });
		}
		break;
	}
}

static void bad_message(struct gateway *g, const struct sip_layer_action *act)
{
	const struct sip_error *err = act->error;
	core_count_refusal(&g->core, XFED_REASON_SIP_REQUEST_MALFORMED, XFED_SIDE_SIP);
	rt_log(RT_LOG_WARNING, "sip.malformed", RT_KV_REASON(XFED_REASON_SIP_REQUEST_MALFORMED), RT_KV_STR("peer", act->flow->peer_ip),
		RT_KV_U64("port", act->flow->peer_port), RT_KV_U64("flow", act->flow->id),
		RT_KV_STR("what", err->is_response ? "response" : "request"), RT_KV_STR("header", err->header),
		RT_KV_STR("call_id", err->call_id[0] ? err->call_id : NULL), RT_KV_I64("sip_status", err->status), RT_KV_STR("text", err->phrase),
		RT_END);
}

static void perform(struct gateway *g, const struct sip_layer_action *act)
{
	switch (act->kind) {
	case SIP_ACT_SEND:
		send_message(g, act);
		break;
	case SIP_ACT_REQUEST:
		gateway_take_request(g, act->txn, act->message, act->flow);
		break;
	case SIP_ACT_RESPONSE:
		gateway_out_response(g, act->cookie, act->message);
		break;
	case SIP_ACT_TIMEOUT:
		gateway_out_timeout(g, act->cookie, act->was_written);
		break;
	case SIP_ACT_TRANSPORT_ERROR:
		gateway_out_broken(g, act->cookie, act->was_written);
		break;
	case SIP_ACT_BAD_MESSAGE:
		bad_message(g, act);
		break;
	case SIP_ACT_CLOSE_FLOW:
		sip_io_close_flow(g->io, act->flow_id);
		break;
	}
}

/* Nothing that is performed calls the layer: answers and new requests wait for the end of the turn. */
static void drain(struct gateway *g)
{
	struct gateway_sip *s = g->sip;
	struct sip_layer_action act;
	s->is_driving = true;
	for (;;) {
		while (sip_layer_next(s->layer, &act)) {
			perform(g, &act);
		}
		if (s->count == 0) {
			break;
		}
		struct sip_layer_event ev = s->events[s->first];
		s->first = (s->first + 1) % EVENTS_MAX;
		s->count--;
		sip_layer_step(s->layer, &ev, gateway_now(g));
	}
	s->is_driving = false;
	uint64_t at = sip_layer_deadline(s->layer), now = gateway_now(g);
	rt_timer_set(&s->timer, at > now ? at : now + 1);
}

void gateway_sip_event(struct gateway *g, const struct sip_layer_event *ev)
{
	if (g->sip->is_driving) {
		push_event(g->sip, ev);
		return;
	}
	sip_layer_step(g->sip->layer, ev, gateway_now(g)); /* NOMEM: the event is lost as a packet may be */
	drain(g);
}

void gateway_sip_receive(struct gateway *g, const struct sip_flow_info *flow, struct xfed_span bytes)
{
	gateway_sip_event(g, &(struct sip_layer_event){ .kind = SIP_LAYER_RECV, .flow = flow, .bytes = bytes });
}

int gateway_sip_request(struct gateway *g, const struct sip_layer_request *rq, uint64_t *txn)
{
	int rc = sip_layer_request(g->sip->layer, rq, gateway_now(g), txn);
	drain(g);
	return rc;
}

int gateway_sip_request_size(const struct gateway *g, const struct sip_layer_request *rq, size_t *size)
{
	return sip_layer_request_size(g->sip->layer, rq, size);
}

int gateway_sip_respond(struct gateway *g, const struct gateway_answer *a)
{
	const char *phrase = a->phrase[0] ? a->phrase : NULL;
	int rc = sip_layer_respond(g->sip->layer, a->txn, a->status, phrase, xfed_span_str(a->extra), gateway_now(g));
	drain(g);
	if (rc == XFED_ERR_INVALID) { /* words that cannot be printed are no reason for silence */
		rc = sip_layer_respond(g->sip->layer, a->txn, a->status, NULL, XFED_SPAN(""), gateway_now(g));
		drain(g);
	}
	return rc;
}

static void on_timer(void *user)
{
	gateway_sip_event(user, &(struct sip_layer_event){ .kind = SIP_LAYER_TICK });
}

int gateway_sip_start(struct gateway *g, char error[256])
{
	const struct gateway_config *c = policy_config(g->policy);
	struct sip_layer_config cfg = { .transactions_max = c->limits.transactions };
	int rc = sip_io_new(g, &g->io, error);
	if (rc != XFED_OK) {
		return rc;
	}
	struct xfed_span host = xfed_span_str(c->sip.advertise);
	for (int i = 0; i < SIP_TRANSPORT_COUNT; i++) {
		enum sip_transport t = (enum sip_transport)i;
		cfg.sent_by[i].port = sip_io_port(g->io, t);
		/* Over a connection answers come back on it, so a request needs no listener; over UDP it does. */
		cfg.sent_by[i].host = t == SIP_UDP && cfg.sent_by[i].port == 0 ? XFED_SPAN("") : host;
	}
	snprintf(error, 256, "out of memory");
	g->sip = xfed_calloc(1, sizeof(*g->sip));
	rc = g->sip ? rt_timer_init(&g->sip->timer, g->core.d.loop, on_timer, g) : XFED_ERR_NOMEM;
	return rc == XFED_OK ? sip_layer_new(&cfg, &g->core.d.env, &g->sip->layer) : rc;
}

void gateway_sip_free(struct gateway *g)
{
	sip_io_free(g->io);
	g->io = NULL;
	if (g->sip) {
		rt_timer_close(&g->sip->timer);
		sip_layer_free(g->sip->layer);
		xfed_free(g->sip);
		g->sip = NULL;
	}
}
