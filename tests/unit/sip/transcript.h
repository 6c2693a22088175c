/*
 * Transcripts of the transaction layer: rows of (time, event, actions expected). The actions of a
 * row are written as words: "send 200", "send MESSAGE", "request MESSAGE", "response 200",
 * "timeout", "error" / "error written", "bad 400", "close", joined by ", "; a call that is refused
 * gives "refused <code>".
 */
#ifndef TESTS_UNIT_SIP_TRANSCRIPT_H
#define TESTS_UNIT_SIP_TRANSCRIPT_H

#include <stdio.h>
#include <strings.h>

#include "sip/layer.h"

#define GATEWAY "gw.example.net"
#define PEER_IP "192.0.2.9"

enum what {
	REQUEST,  /* a peer's request: method, branch */
	RESPONSE, /* a peer's response to ours: method, branch, n = status */
	RAW,	  /* text as it comes */
	CALL,	  /* sip_layer_request(): method, branch */
	RESPOND,  /* sip_layer_respond() to the last REQUEST action: n = status */
	CANCEL,	  /* sip_layer_cancel() of the last CALL */
	SENT,	  /* of the last SEND with a transaction, on flow n */
	FAILED,	  /* likewise, n = was_written */
	CLOSED,	  /* flow n */
	RETURNED, /* the last SEND, or method: that text, as what did not arrive; n: cut to so many bytes; more: it went there */
	TICK,	  /* when the deadline says so */
	IDLE,	  /* a TICK at a time when nothing is due */
	LATE,	  /* a TICK after the deadline, of a process that stood still */
};

struct row {
	uint64_t at_ms;
	enum what what;
	const char *method, *branch;
	int n;
	const char *want;
	const char *more; /* REQUEST: further header lines */
};

struct scenario {
	const char *name;
	enum sip_transport transport;
	const struct sip_user *user;
	const struct row *rows;
	size_t count;
};

struct play {
	struct sip_layer *layer;
	enum sip_transport transport;
	uint64_t server_txn, client_txn, sent_txn;
	struct sip_target last_target;
	char last_bytes[70000];
	size_t last_len;
	char got[4096];
};

static void no_random(void *user, void *out, size_t len)
{
	/* Counts, so that branches differ. */
	static uint8_t n;
	for (size_t i = 0; i < len; i++) {
		((uint8_t *)out)[i] = n++;
	}
}

static const struct xfed_env play_env = { .random = no_random };

/* Takes what most scenarios are about. */
static const struct sip_user play_user = { .methods = SIP_METHOD_BIT(MESSAGE), .accept = "text/plain" };

/* Takes sessions instead. */
static const struct sip_user play_sessions = { .methods = SIP_METHOD_BIT(INVITE) };

static inline int play_new(const struct sip_layer_config *c, const struct sip_user *user, struct sip_layer **out)
{
	int rc = sip_layer_new(c, &play_env, out);
	return rc == XFED_OK ? sip_layer_use(*out, user) : rc;
}

static struct sip_layer_config play_config(void)
{
	struct sip_layer_config c = { 0 };
	for (int i = 0; i < SIP_TRANSPORT_COUNT; i++) {
		c.sent_by[i].host = XFED_SPAN(GATEWAY);
		c.sent_by[i].port = i == SIP_TLS ? 5061 : 5060;
	}
	return c;
}

/* Of the peer that requests come from. */
static bool play_is_stranger;

static struct sip_flow_info play_flow(enum sip_transport transport)
{
	struct sip_flow_info f = { .id = 1, .transport = transport, .peer_port = 40000, .local_port = 5060, .is_known = !play_is_stranger };
	snprintf(f.peer_ip, sizeof(f.peer_ip), PEER_IP);
	snprintf(f.local_ip, sizeof(f.local_ip), "192.0.2.1");
	return f;
}

static void say(struct play *p, const char *word, const char *detail)
{
	size_t n = strlen(p->got);
	snprintf(p->got + n, sizeof(p->got) - n, "%s%s%s%s", n > 0 ? ", " : "", word, detail[0] ? " " : "", detail);
}

static void say_number(struct play *p, const char *word, int n)
{
	char text[16];
	snprintf(text, sizeof(text), "%d", n);
	say(p, word, text);
}

static void say_send(struct play *p, const struct sip_layer_action *act)
{
	char word[32] = "";
	bool is_response = act->bytes.len > 12 && memcmp(act->bytes.data, "SIP/2.0 ", 8) == 0;
	const char *from = act->bytes.data + (is_response ? 8 : 0);
	size_t n = strcspn(from, " ");
	snprintf(word, sizeof(word), "%.*s", (int)(n < 31 ? n : 31), from);
	say(p, "send", word);
	if (act->txn != 0) {
		p->sent_txn = act->txn;
	}
	p->last_target = act->target;
	p->last_len = act->bytes.len < sizeof(p->last_bytes) ? act->bytes.len : sizeof(p->last_bytes) - 1;
	memcpy(p->last_bytes, act->bytes.data, p->last_len);
	p->last_bytes[p->last_len] = '\0';
}

static void drain(struct play *p)
{
	struct sip_layer_action act;
	char method[32];
	while (sip_layer_next(p->layer, &act)) {
		switch (act.kind) {
		case SIP_ACT_SEND:
			say_send(p, &act);
			break;
		case SIP_ACT_REQUEST:
			p->server_txn = act.txn;
			snprintf(method, sizeof(method), "%.*s", (int)act.message->method.len, act.message->method.data);
			say(p, "request", method);
			break;
		case SIP_ACT_RESPONSE:
			say_number(p, "response", act.status);
			break;
		case SIP_ACT_TIMEOUT:
			say(p, "timeout", "");
			break;
		case SIP_ACT_TRANSPORT_ERROR:
			say(p, "error", act.was_written ? "written" : "");
			break;
		case SIP_ACT_BAD_MESSAGE:
			say_number(p, "bad", act.error->status);
			break;
		case SIP_ACT_REFUSED: /* what is sent says the same */
			break;
		case SIP_ACT_CLOSE_FLOW:
			say(p, "close", "");
			break;
		case SIP_ACT_CANCELLED:
			say(p, "cancelled", "");
			break;
		case SIP_ACT_DOUBTED:
			say(p, "doubted", "");
			break;
		case SIP_ACT_ENDED:
			say(p, "ended", "");
			break;
		}
	}
}

static int play_receive(struct play *p, struct xfed_span bytes, uint64_t now_ms)
{
	struct sip_flow_info flow = play_flow(p->transport);
	struct sip_layer_event ev = { .kind = SIP_LAYER_RECV, .flow = &flow, .bytes = bytes };
	return sip_layer_step(p->layer, &ev, now_ms);
}

static int receive_request(struct play *p, const struct row *r)
{
	char text[16384];
	bool old = strncasecmp(r->branch, "z9hG4bK", 7) != 0;
	snprintf(text, sizeof(text),
		"%s sip:juliet@example.com SIP/2.0\r\nVia: SIP/2.0/%s "
		"sip.example.org;branch=%s\r\n%s"
		"From: <sip:dave@example.org>;tag=from\r\nTo: "
		"<sip:juliet@example.com>%s\r\nCall-ID: c1@example.org\r\nCSeq: %d %s\r\n%s"
		"Content-Length: 0\r\n\r\n",
		r->method, sip_transport_name(p->transport), r->branch, old ? "" : "Max-Forwards: 70\r\n",
		strcmp(r->method, "ACK") == 0 ? ";tag=ours" : "", r->n > 0 ? r->n : 1, r->method, r->more ? r->more : "");
	return play_receive(p, xfed_span_str(text), r->at_ms);
}

static int receive_response(struct play *p, const struct row *r)
{
	char text[2048];
	snprintf(text, sizeof(text),
		"SIP/2.0 %d x\r\nVia: SIP/2.0/%s " GATEWAY ";branch=z9hG4bK%s\r\nFrom: <sip:juliet@example.com>;tag=f\r\n"
		"To: <sip:dave@example.org>;tag=t\r\nCall-ID: call@gw\r\nCSeq: 1 "
		"%s\r\nContent-Length: 0\r\n\r\n",
		r->n, sip_transport_name(p->transport), r->branch, r->method);
	return play_receive(p, xfed_span_str(text), r->at_ms);
}

static struct sip_layer_request play_request(enum sip_transport transport, const char *method, const char *branch)
{
	struct sip_layer_request r = {
		.target = { .transport = transport, .ip = PEER_IP, .port = 5060 },
		.request = {
			.method = xfed_span_str(method),
			.uri = XFED_SPAN("sip:dave@example.org"),
			.from_uri = XFED_SPAN("sip:juliet@example.com"),
			.from_tag = XFED_SPAN("f"),
			.to_uri = XFED_SPAN("sip:dave@example.org"),
			.call_id = XFED_SPAN("call@gw"),
			.cseq = 1,
			.content_type = XFED_SPAN("text/plain;charset=UTF-8"),
			.body = XFED_SPAN("hello"),
		},
		.branch = xfed_span_str(branch),
		.id = 7,
	};
	return r;
}

static int come_back(struct play *p, const struct row *r)
{
	struct sip_flow_info to = play_flow(SIP_UDP);
	struct sip_layer_event ev = { .kind = SIP_LAYER_RETURNED, .flow = &to };
	snprintf(to.peer_ip, sizeof(to.peer_ip), "%s", r->more ? r->more : PEER_IP);
	to.peer_port = 5060;
	ev.bytes = xfed_span_str(r->method ? r->method : p->last_bytes);
	ev.bytes.len = r->n > 0 ? (size_t)r->n : ev.bytes.len;
	return sip_layer_step(p->layer, &ev, r->at_ms);
}

static int play_event(struct play *p, const struct row *r)
{
	struct sip_layer_event ev = { .kind = SIP_LAYER_TICK, .txn = p->sent_txn, .flow_id = (uint64_t)r->n, .was_written = r->n != 0 };
	struct sip_layer_request request;
	switch (r->what) {
	case REQUEST:
		return receive_request(p, r);
	case RESPONSE:
		return receive_response(p, r);
	case RAW:
		return play_receive(p, xfed_span_str(r->method), r->at_ms);
	case CALL:
		request = play_request(p->transport, r->method, r->branch);
		return sip_layer_request(p->layer, &request, r->at_ms, &p->client_txn);
	case RESPOND:
		return sip_layer_respond(p->layer, p->server_txn, r->n, NULL, xfed_span_str(r->more ? r->more : ""), r->at_ms);
	case CANCEL:
		return sip_layer_cancel(p->layer, p->client_txn, r->at_ms);
	case SENT:
		ev.kind = SIP_LAYER_SENT;
		break;
	case FAILED:
		ev.kind = SIP_LAYER_SEND_FAILED;
		break;
	case CLOSED:
		ev.kind = SIP_LAYER_FLOW_CLOSED;
		break;
	case RETURNED:
		return come_back(p, r);
	case TICK:
	case IDLE:
	case LATE:
		break;
	}
	return sip_layer_step(p->layer, &ev, r->at_ms);
}

/* One row; what came out stands in p->got. */
static inline int play_row(struct play *p, const struct row *r)
{
	p->got[0] = '\0';
	int rc = play_event(p, r);
	if (rc != XFED_OK) {
		say_number(p, "refused", rc);
	}
	drain(p);
	return rc;
}

#endif
