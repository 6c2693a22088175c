/* The room, and the driver of the SIP transaction layer: events, actions, timer. sip_io.c has the sockets. */
#include "trunk/trunk_impl.h"

#include <stdio.h>

static void push_event(struct trunk *t, const struct sip_layer_event *ev)
{
	XFED_REQUIRE(t->event_count < TRUNK_EVENTS_MAX);
	t->events[(t->event_first + t->event_count++) % TRUNK_EVENTS_MAX] = *ev;
}

static void send_message(struct trunk *t, const struct sip_layer_action *act)
{
	uint64_t flow = 0;
	switch (sip_io_send(t->io, &act->target, act->bytes, act->txn, &flow)) {
	case SIP_IO_WAITS:
		break;
	case SIP_IO_SENT:
		if (act->txn != 0 && act->target.transport != SIP_UDP) {
			push_event(t, &(struct sip_layer_event){ .kind = SIP_LAYER_SENT, .txn = act->txn, .flow_id = flow });
		}
		break;
	case SIP_IO_FAILED:
		if (act->txn != 0) {
			push_event(t, &(struct sip_layer_event){ .kind = SIP_LAYER_SEND_FAILED, .txn = act->txn });
		}
		break;
	}
}

/* Log lines about strangers have a rate limit of their own, so that they use up no peer's (xfed/rt/log.h). */
static void bad_message(struct trunk *t, const struct sip_layer_action *act)
{
	const struct sip_error *err = act->error;
	core_count_refusal(t->core, XFED_REASON_SIP_REQUEST_MALFORMED, XFED_SIDE_SIP);
	rt_log(RT_LOG_WARNING, act->flow->is_known ? "sip.malformed" : "sip.stranger-malformed", RT_KV_REASON(XFED_REASON_SIP_REQUEST_MALFORMED),
		RT_KV_STR("peer", act->flow->peer_ip), RT_KV_U64("port", act->flow->peer_port), RT_KV_U64("flow", act->flow->id),
		RT_KV_STR("what", err->is_response ? "response" : "request"), RT_KV_STR("header", err->header),
		RT_KV_STR("call_id", err->call_id[0] ? err->call_id : NULL), RT_KV_I64("sip_status", err->status), RT_KV_STR("text", err->phrase),
		RT_END);
}

static enum xfed_reason reason_of_refusal(int status)
{
	return status == 481   ? XFED_REASON_SIP_DIALOG_UNKNOWN
	       : status == 489 ? XFED_REASON_SIP_EVENT_UNSUPPORTED
			       : XFED_REASON_SIP_METHOD_UNSUPPORTED;
}

/* Logs a request that no room takes, most often presence or a session that a SIP server sends to us. */
static void refused(struct trunk *t, const struct sip_layer_action *act)
{
	enum xfed_reason reason = reason_of_refusal(act->status);
	char peer[TRUNK_PEER_WORDS];
	core_count_refusal(t->core, reason, XFED_SIDE_SIP);
	rt_log(RT_LOG_INFO, act->flow->is_known ? "sip.refused" : "sip.stranger-refused", RT_KV_REASON_SIDE(reason, XFED_SIDE_SIP),
		RT_KV_STR("peer", trunk_peer_words(t, act->flow, peer)), RT_KV("method", act->message->method),
		RT_KV("call_id", act->message->call_id), RT_KV_I64("sip_status", act->status), RT_END);
}

static void perform(struct trunk *t, const struct sip_layer_action *act)
{
	switch (act->kind) {
	case SIP_ACT_SEND:
		send_message(t, act);
		break;
	case SIP_ACT_BAD_MESSAGE:
		bad_message(t, act);
		break;
	case SIP_ACT_REFUSED:
		refused(t, act);
		break;
	case SIP_ACT_CLOSE_FLOW:
		sip_io_close_flow(t->io, act->flow_id);
		break;
	case SIP_ACT_TIMEOUT:
		sip_layer_tell(act);
		sip_io_unanswered(t->io, act->flow_id);
		break;
	case SIP_ACT_REQUEST:
	case SIP_ACT_RESPONSE:
	case SIP_ACT_TRANSPORT_ERROR:
	case SIP_ACT_CANCELLED:
	case SIP_ACT_ENDED:
	case SIP_ACT_DOUBTED:
		sip_layer_tell(act);
		break;
	}
}

/* Performing an action never calls the layer: responses and new requests wait for the end of the turn. */
static void drain(struct trunk *t)
{
	struct sip_layer_action act;
	t->is_driving = true;
	for (;;) {
		while (sip_layer_next(t->layer, &act)) {
			perform(t, &act);
		}
		if (t->event_count == 0) {
			break;
		}
		struct sip_layer_event ev = t->events[t->event_first];
		t->event_first = (t->event_first + 1) % TRUNK_EVENTS_MAX;
		t->event_count--;
		sip_layer_step(t->layer, &ev, trunk_now(t));
	}
	t->is_driving = false;
	uint64_t at = sip_layer_deadline(t->layer), now = trunk_now(t);
	rt_timer_set(&t->timer, at > now ? at : now + 1);
}

void trunk_event(struct trunk *t, const struct sip_layer_event *ev)
{
	if (t->is_driving) {
		push_event(t, ev);
		return;
	}
	sip_layer_step(t->layer, ev, trunk_now(t)); /* without memory the event is lost, as a packet may be */
	drain(t);
}

void trunk_receive(struct trunk *t, const struct sip_flow_info *flow, struct xfed_span bytes)
{
	trunk_event(t, &(struct sip_layer_event){ .kind = SIP_LAYER_RECV, .flow = flow, .bytes = bytes });
}

int trunk_request(struct trunk *t, const struct sip_layer_request *rq, uint64_t *txn)
{
	int rc = sip_layer_request(t->layer, rq, trunk_now(t), txn);
	drain(t);
	return rc;
}

int trunk_request_size(const struct trunk *t, const struct sip_layer_request *rq, size_t *size)
{
	return sip_layer_request_size(t->layer, rq, size);
}

int trunk_cancel(struct trunk *t, uint64_t txn)
{
	int rc = sip_layer_cancel(t->layer, txn, trunk_now(t));
	drain(t);
	return rc;
}

int trunk_answer(struct trunk *t, uint64_t txn, const struct sip_response *r, uint64_t id)
{
	int rc = sip_layer_answer(t->layer, txn, r, id, trunk_now(t));
	drain(t);
	return rc;
}

int trunk_respond(struct trunk *t, uint64_t txn, int status, const char *phrase, struct xfed_span extra)
{
	struct sip_response r = { .status = status, .phrase = xfed_span_str(phrase), .extra = extra };
	int rc = trunk_answer(t, txn, &r, 0);
	if (rc == XFED_ERR_INVALID) { /* where the words cannot be printed, respond without them */
		rc = trunk_answer(t, txn, &(struct sip_response){ .status = status }, 0);
	}
	return rc;
}

const struct sip_dialog *trunk_dialog(const struct trunk *t, uint64_t dialog)
{
	return sip_layer_dialog(t->layer, dialog);
}

uint64_t trunk_dialog_resume(struct trunk_send *s, uint64_t id, struct xfed_span text, enum sip_transport *transport)
{
	struct sip_target target;
	struct sip_dialog *d;
	if (sip_dialog_read(text, &d) != XFED_OK) {
		return 0;
	}
	sip_location_target(sip_failover_place(s->places), &target);
	target.is_outside = s->hop->is_outside;
	uint64_t number = sip_layer_dialog_resume(s->hop->trunk->layer, &s->user->sip, id, d, &target);
	if (number == 0) {
		sip_dialog_free(d);
	}
	*transport = target.transport;
	return number;
}

void trunk_dialog_end(struct trunk *t, uint64_t dialog)
{
	sip_layer_dialog_end(t->layer, dialog);
}

const char *trunk_contact(const struct trunk *t, enum sip_transport transport, char out[TRUNK_CONTACT_BYTES])
{
	static const char *const params[] = { [SIP_UDP] = "", [SIP_TCP] = ";transport=tcp", [SIP_TLS] = ";transport=tls" };
	const char *host = t->files.config->sip.advertise;
	uint16_t port = sip_io_port(t->io, transport);
	char number[8] = "";
	if (port != 0) {
		snprintf(number, sizeof(number), ":%u", port);
	}
	snprintf(out, TRUNK_CONTACT_BYTES, "<sip:%s%s%s>", host, number, params[transport]);
	return out;
}

const char *trunk_allow(const struct trunk *t)
{
	return sip_layer_allow(t->layer);
}

size_t trunk_cert_names(const struct xfed_cert_facts *f, char *out, size_t size)
{
	size_t len = 0;
	out[0] = '\0';
	for (size_t i = 0; f && i < f->name_count && len < size; i++) {
		len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? "," : "", f->names[i]);
	}
	return len;
}

const char *trunk_peer_words(const struct trunk *t, const struct sip_flow_info *flow, char out[TRUNK_PEER_WORDS])
{
	struct trust_peer peer;
	const struct xfed_cert_facts *f = sip_io_peer(t->io, flow, &peer) && peer.cert ? xfed_cert_facts(peer.cert) : NULL;
	size_t len = (size_t)snprintf(out, TRUNK_PEER_WORDS, "%s:%u over %s%s", flow->peer_ip, flow->peer_port, sip_transport_name(flow->transport),
		flow->transport != SIP_TLS ? ""
		: f			   ? ", certificate of "
					   : ", no certificate");
	len += trunk_cert_names(f, out + len, TRUNK_PEER_WORDS - len);
	if (f && peer.chain_reason != XFED_REASON_NONE && len < TRUNK_PEER_WORDS) {
		snprintf(out + len, TRUNK_PEER_WORDS - len, " (%s)", xfed_reason_code(peer.chain_reason));
	}
	return out;
}

bool trunk_may_send(const struct trunk *t, const struct config_domain *d, const struct sip_flow_info *flow)
{
	struct trust_peer peer;
	return sip_io_peer(t->io, flow, &peer) && trust_may_send(&d->senders, &peer);
}

#define TICKS_MAX 16 /* per turn; what is due beyond that waits for the next one */

static void on_timer(void *user)
{
	struct trunk *t = user;
	for (int i = 0; i < TICKS_MAX && sip_layer_deadline(t->layer) <= trunk_now(t); i++) {
		trunk_event(t, &(struct sip_layer_event){ .kind = SIP_LAYER_TICK });
	}
}

/* ---- the room ---- */

static int start_layer(struct trunk *t)
{
	const struct config *c = t->files.config;
	struct sip_layer_config cfg = { .transactions_max = c->limits.transactions };
	struct xfed_span host = xfed_span_str(c->sip.advertise);
	for (int i = 0; i < SIP_TRANSPORT_COUNT; i++) {
		enum sip_transport transport = (enum sip_transport)i;
		cfg.sent_by[i].port = sip_io_port(t->io, transport);
		/* Over a connection responses come back on it, so that requests need no listener; over UDP they do. */
		cfg.sent_by[i].host = transport == SIP_UDP && cfg.sent_by[i].port == 0 ? XFED_SPAN("") : host;
	}
	uint16_t outside = sip_io_outside_port(t->io);
	cfg.outside.port = outside;
	cfg.outside.host = outside != 0 ? xfed_span_str(c->sip.federation.advertise) : XFED_SPAN("");
	return sip_layer_new(&cfg, &t->core->d.env, &t->layer);
}

int trunk_new(struct core *core, const struct trunk_files *files, struct trunk **out, char error[256])
{
	struct trunk *t = xfed_calloc(1, sizeof(*t));
	*out = t;
	snprintf(error, 256, "out of memory");
	if (!t) {
		return XFED_ERR_NOMEM;
	}
	t->core = core;
	t->files = *files;
	t->certs_due_s = INT64_MAX;
	t->judgement = 1;
	trunk_probe_init(t);
	int rc = rt_timer_init(&t->timer, core->d.loop, on_timer, t);
	rc = rc == XFED_OK ? sip_io_new(t, &t->io, error) : rc;
	return rc == XFED_OK ? start_layer(t) : rc;
}

int trunk_use(struct trunk *t, const struct trunk_user *user)
{
	return sip_layer_use(t->layer, &user->sip);
}

void trunk_stop(struct trunk *t)
{
	if (!t) {
		return;
	}
	trunk_probe_stop(t);
	sip_io_free(t->io);
	t->io = NULL;
	rt_timer_close(&t->timer);
	sip_layer_free(t->layer);
	t->layer = NULL;
	trunk_hops_free(t);
}

void trunk_free(struct trunk *t)
{
	if (t) {
		rt_sources_deinit(&t->strangers);
		xfed_free(t);
	}
}

static void judge_certs(struct trunk *t)
{
	t->certs_due_s = INT64_MAX;
	t->judgement += t->judgement == UINT32_MAX ? 2 : 1;
	sip_io_judge_certs(t->io);
}

void trunk_tick(struct trunk *t, uint64_t now_ms)
{
	rt_sources_tick(&t->strangers, now_ms);
	trunk_probe_tick(t, now_ms);
	if (core_wall_s(t->core) >= t->certs_due_s) {
		judge_certs(t);
	}
}

void trunk_drain(struct trunk *t)
{
	sip_io_stop_listening(t->io);
}

void trunk_reloaded(struct trunk *t, const struct trunk_files *files)
{
	t->files = *files;
	memset(t->untrusted, 0, sizeof(t->untrusted)); /* after a reload other peers may send */
	trunk_hops_forget(t);
	judge_certs(t);
}
