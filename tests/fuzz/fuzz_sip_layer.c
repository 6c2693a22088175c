/*
 * The transaction layer. The input is a list of records: a byte for what happens, a byte of
 * argument, then for a received message a length (two bytes) and its bytes. Properties: an ACK or a
 * response is never answered; a client transaction ends once, with exactly one outcome; a server
 * transaction takes one final response; an answer goes back to where its request came from;
 * everything ends when time passes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "sip/layer.h"

#define MUST(cond) ((cond) ? (void)0 : abort())
#define MAX_CALLS  64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct state {
	struct sip_layer *layer;
	uint64_t now_ms;
	bool outcome[MAX_CALLS]; /* by cookie */
	bool is_invite[MAX_CALLS];
	unsigned calls;
	uint64_t requests[MAX_CALLS], last_send;
	bool is_strangers[MAX_CALLS]; /* of requests */
	unsigned request_count;
	char last_bytes[2000]; /* of a request, as it was sent last */
	size_t last_len;
	const struct sip_flow_info *flow; /* of the message just received, else NULL */
	bool may_answer;
};

static void fake_random(void *user, void *out, size_t len)
{
	memset(out, 0x5a, len);
}

static const struct xfed_env env = { .random = fake_random };

static const struct sip_user user = { .methods = SIP_METHOD_BIT(MESSAGE) };

static void on_send(struct state *s, const struct sip_layer_action *act)
{
	bool is_response = act->bytes.len > 8 && memcmp(act->bytes.data, "SIP/2.0 ", 8) == 0;
	MUST(act->bytes.len > 20 && act->bytes.len <= 200000);
	MUST(is_response == (act->txn == 0));
	if (act->txn != 0) {
		s->last_send = act->txn;
		s->last_len = act->bytes.len < sizeof(s->last_bytes) ? act->bytes.len : sizeof(s->last_bytes);
		memcpy(s->last_bytes, act->bytes.data, s->last_len);
	}
	/* Whatever a message says, nothing goes to another address than the peers'. */
	MUST(strcmp(act->target.ip, "192.0.2.9") == 0);
	if (is_response && s->flow) {
		MUST(s->may_answer);
		MUST(act->target.transport == s->flow->transport);
		MUST(act->target.flow == s->flow->id || act->target.flow == 0 || act->target.transport == SIP_UDP);
	}
}

static void on_outcome(struct state *s, const struct sip_layer_action *act)
{
	MUST(act->id < s->calls);
	if (act->kind == SIP_ACT_RESPONSE && act->status < 200) {
		MUST(act->status > 100 && !s->outcome[act->id]);
		return;
	}
	/* RFC 6026: only a 2xx to an INVITE may come again. */
	bool again = s->is_invite[act->id] && act->kind == SIP_ACT_RESPONSE && act->status < 300;
	MUST(!s->outcome[act->id] || again);
	s->outcome[act->id] = true;
}

static void drain(struct state *s)
{
	struct sip_layer_action act;
	while (sip_layer_next(s->layer, &act)) {
		switch (act.kind) {
		case SIP_ACT_SEND:
			on_send(s, &act);
			break;
		case SIP_ACT_REQUEST:
			MUST(act.message->is_request && act.message->uri.is_sip && act.flow->id == s->flow->id);
			s->is_strangers[s->request_count % MAX_CALLS] = !s->flow->is_known;
			s->requests[s->request_count++ % MAX_CALLS] = act.txn;
			break;
		case SIP_ACT_RESPONSE:
		case SIP_ACT_TIMEOUT:
		case SIP_ACT_TRANSPORT_ERROR:
			on_outcome(s, &act);
			break;
		case SIP_ACT_BAD_MESSAGE:
			MUST(act.error->phrase && act.error->status >= 400 && act.flow);
			break;
		case SIP_ACT_REFUSED:
			MUST(act.message->is_request && act.status >= 400 && act.flow);
			break;
		case SIP_ACT_CLOSE_FLOW:
			MUST(s->flow->transport != SIP_UDP);
			break;
		case SIP_ACT_CANCELLED:
		case SIP_ACT_DOUBTED:
		case SIP_ACT_ENDED:
			MUST(false); /* of INVITE, which nobody takes here */
			break;
		}
	}
}

static bool starts_with(const uint8_t *data, size_t len, const char *what)
{
	size_t n = strlen(what), skip = 0;
	while (len - skip >= 2 && data[skip] == '\r' && data[skip + 1] == '\n') {
		skip += 2;
	}
	return len - skip >= n && memcmp(data + skip, what, n) == 0;
}

static void receive(struct state *s, uint8_t arg, const uint8_t *data, size_t len)
{
	struct sip_flow_info flow = {
		.id = 1 + arg % 4, .transport = (enum sip_transport)(arg % 3), .peer_ip = "192.0.2.9", .peer_port = 4000, .is_known = arg & 64
	};
	struct sip_layer_event ev = { .kind = SIP_LAYER_RECV, .flow = &flow, .bytes = xfed_span_make(data, len) };
	s->flow = &flow;
	s->may_answer = !starts_with(data, len, "ACK ") && !starts_with(data, len, "SIP/");
	size_t servers = sip_layer_stats(s->layer).servers;
	unsigned requests = s->request_count;
	MUST(sip_layer_step(s->layer, &ev, s->now_ms) == XFED_OK);
	drain(s);
	/* A stranger holds what is being judged, and nothing else. */
	MUST(flow.is_known || sip_layer_stats(s->layer).servers == servers + (s->request_count - requests));
	s->flow = NULL;
}

static void call(struct state *s, uint8_t arg)
{
	char branch[16];
	uint64_t txn;
	if (s->calls == MAX_CALLS) {
		return;
	}
	int n = snprintf(branch, sizeof(branch), "%u", arg / 8U);
	bool is_invite = arg & 4;
	struct sip_layer_request r = {
		.target = { .transport = (enum sip_transport)(arg % 3), .ip = "192.0.2.9", .port = 5060 },
		.request = { .method = is_invite ? XFED_SPAN("INVITE") : XFED_SPAN("MESSAGE"),
			.uri = XFED_SPAN("sip:a@b"),
			.from_uri = XFED_SPAN("sip:c@d"),
			.from_tag = XFED_SPAN("f"),
			.to_uri = XFED_SPAN("sip:a@b"),
			.call_id = XFED_SPAN("i"),
			.cseq = 1 },
		.branch = xfed_span_make(branch, (size_t)n),
		.id = s->calls,
	};
	s->is_invite[s->calls] = is_invite;
	if (sip_layer_request(s->layer, &r, s->now_ms, &txn) == XFED_OK) {
		s->calls++;
	}
	drain(s);
}

/* The last request as a datagram that did not arrive, cut off somewhere. */
static void come_back(struct state *s, size_t len)
{
	struct sip_flow_info to = { .id = 1, .transport = SIP_UDP, .peer_ip = "192.0.2.9", .peer_port = 5060 };
	struct sip_layer_event ev = { .kind = SIP_LAYER_RETURNED, .flow = &to };
	ev.bytes = xfed_span_make(s->last_bytes, len > 0 && len < s->last_len ? len : s->last_len);
	MUST(sip_layer_step(s->layer, &ev, s->now_ms) == XFED_OK);
}

static void other(struct state *s, uint8_t what, uint8_t arg)
{
	struct sip_layer_event ev = { .kind = SIP_LAYER_TICK, .txn = s->last_send, .flow_id = 1 + arg % 4, .was_written = arg & 8 };
	uint64_t txn = s->requests[arg % MAX_CALLS];
	size_t servers;
	switch (what) {
	case 2:
		servers = sip_layer_stats(s->layer).servers;
		if (sip_layer_respond(s->layer, txn, 200 + arg, NULL, XFED_SPAN("Allow: MESSAGE\r\n"), s->now_ms) == XFED_OK) {
			drain(s);
			MUST(!s->is_strangers[arg % MAX_CALLS] || sip_layer_stats(s->layer).servers == servers - 1);
			MUST(sip_layer_respond(s->layer, txn, 200, NULL, XFED_SPAN(""), s->now_ms) == XFED_ERR_NOT_FOUND);
		}
		break;
	case 3:
		(void)sip_layer_cancel(s->layer, s->last_send, s->now_ms);
		break;
	case 4:
		ev.kind = SIP_LAYER_SENT;
		(void)sip_layer_step(s->layer, &ev, s->now_ms);
		break;
	case 5:
		if (arg & 128) {
			come_back(s, 4U * (arg & 127));
			break;
		}
		ev.kind = SIP_LAYER_SEND_FAILED;
		(void)sip_layer_step(s->layer, &ev, s->now_ms);
		break;
	case 6:
		ev.kind = SIP_LAYER_FLOW_CLOSED;
		(void)sip_layer_step(s->layer, &ev, s->now_ms);
		break;
	default:
		s->now_ms += 100U * arg;
		(void)sip_layer_step(s->layer, &ev, s->now_ms);
		break;
	}
	drain(s);
}

/* Time passes until nothing is left: every call has had its outcome, every transaction is gone. */
static void run_out(struct state *s)
{
	for (int i = 0; sip_layer_deadline(s->layer) != UINT64_MAX; i++) {
		struct sip_layer_event ev = { .kind = SIP_LAYER_TICK };
		uint64_t deadline = sip_layer_deadline(s->layer);
		MUST(i < 100000);
		s->now_ms = deadline > s->now_ms ? deadline : s->now_ms;
		(void)sip_layer_step(s->layer, &ev, s->now_ms);
		drain(s);
	}
	for (unsigned i = 0; i < s->calls; i++) {
		MUST(s->outcome[i]);
	}
	struct sip_layer_stats stats = sip_layer_stats(s->layer);
	MUST(stats.clients == 0 && stats.servers == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state s = { 0 };
	struct sip_layer_config config = { .transactions_max = 16 };
	for (int i = 0; i < SIP_TRANSPORT_COUNT; i++) {
		config.sent_by[i].host = XFED_SPAN("gw.example.net");
	}
	MUST(sip_layer_new(&config, &env, &s.layer) == XFED_OK && sip_layer_use(s.layer, &user) == XFED_OK);
	for (size_t i = 0; i + 2 <= size;) {
		uint8_t what = data[i] % 8, arg = data[i + 1];
		i += 2;
		if (what == 0 && size - i >= 2) {
			size_t len = (size_t)data[i] * 256 + data[i + 1];
			i += 2;
			len = len < size - i ? len : size - i;
			receive(&s, arg, data + i, len);
			i += len;
		} else if (what == 1) {
			call(&s, arg);
		} else {
			other(&s, what, arg);
		}
	}
	run_out(&s);
	sip_layer_free(s.layer);
	return 0;
}
