/*
 * The transaction layer under every event in every state: the input is a program whose requests and responses are well-formed, so
 * that each byte is an event of the transactions there are and none is lost to the parser (fuzz_sip_layer has those). A few
 * branches, CSeqs and tags meet again and again; requests of every method, retransmitted, changed, cancelled (sessions have a target
 * of their own, fuzz_sip_pair);
 * responses to our calls from every class, late, twice, to other branches; connections that are written to, fail and close;
 * time in steps around the timers. Behind a call that fails stands its list of places (sip/failover.h).
 *
 * Properties: no answer to an ACK or a response; each server transaction of a peer that is known gives at most one final status on the
 * wire, whatever the user, strangers with its branch, and the timers do; what has no transaction (a stranger's request, a refusal of
 * the layer's own) gets the same answer whenever the same request comes again (RFC 3261 section 8.2.7); a client transaction ends once
 * for the user, and says nothing after that but a 2xx again; the next place is tried only after 503 or where nothing was written, no
 * place twice; the table keeps its bound; when time passes nothing is left.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sip/failover.h"
#include "sip/layer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())
#define CALLS	   64
#define SERVERS	   256
#define TABLE_MAX  12
#define PLACES	   4

struct call {
	uint64_t txn;
	char branch[16];
	bool is_invite, is_over, is_known; /* known: the number of its transaction */
	unsigned tried;
	struct sip_failover *places;
};

struct world {
	const uint8_t *at, *end;
	uint64_t now;
	struct sip_layer *l;
	struct call calls[CALLS];
	unsigned call_count;
	struct {
		uint64_t txn;
		bool is_known;
	} servers[SERVERS];
	unsigned server_count;
	struct final {
		int status; /* the final one that went out */
		uint64_t until_ms;
	} finals[16][8];	  /* of transactions of known peers over UDP, by branch and method */
	uint16_t own[16][8][256]; /* without a transaction: by branch, method and what else there is in the request */
	uint8_t which, how;	  /* the request that is being received */
	bool may_answer, is_receiving, is_known;
	bool is_users; /* the final response that goes out is the user's */
	struct sip_failed_places failed;
};

static const char *const methods[] = { "MESSAGE", "INVITE", "OPTIONS", "CANCEL", "ACK", "BYE", "SUBSCRIBE", "FOO" };

static uint8_t byte(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

static void env_random(void *user, void *out, size_t len)
{
	(void)user;
	memset(out, 0x5a, len);
}
static const struct xfed_env env = { .random = env_random };

/* ---- what comes out ---- */

/* "z9hG4bKx" and the number of ours; -1: another one. */
static int branch_of(struct xfed_span bytes)
{
	static const char mark[] = "branch=z9hG4bKx";
	const char *at = memmem(bytes.data, bytes.len, mark, sizeof(mark) - 1);
	return at && at + sizeof(mark) < bytes.data + bytes.len ? (at[sizeof(mark) - 1] - 'a') & 15 : -1;
}

static int method_of(struct xfed_span bytes)
{
	const char *at = memmem(bytes.data, bytes.len, "CSeq: ", 6);
	for (size_t i = 0; at && i < XFED_ARRAY_LEN(methods); i++) {
		const char *end = bytes.data + bytes.len, *word = memchr(at + 6, ' ', (size_t)(end - at - 6));
		size_t n = strlen(methods[i]);
		if (word && (size_t)(end - word - 1) > n && memcmp(word + 1, methods[i], n) == 0 && word[1 + n] == '\r') {
			return (int)i;
		}
	}
	return -1;
}

/* A transaction that lives has one final response. */
static void of_transaction(struct world *w, struct final *f, int status)
{
	if (w->now < f->until_ms) {
		MUST(f->status == status);
		return;
	}
	*f = (struct final){ status, w->now + XFED_SIP_TIMER_F_MS };
}

/*
 * A refusal of the layer's own goes by the request alone, so it is the same for the same one, and may be another for another one whose
 * sender uses the branch again (another tag, another Require): without a transaction there is nothing that section 17.2.3
 * could match it to. So is the answer to OPTIONS. What goes by the transactions there are: 482, and the CANCEL.
 */
static void without_transaction(struct world *w, int branch, int method, int status)
{
	bool is_users = strcmp(methods[method], "MESSAGE") == 0, is_options = strcmp(methods[method], "OPTIONS") == 0;
	uint16_t *own = &w->own[branch][method][w->how];
	if (strcmp(methods[method], "CANCEL") == 0) {
		MUST(status == 200 || status == 481);
	} else if (status == 482) {
		MUST(!w->is_known || (is_users && !(w->how & 4)));
	} else {
		MUST((status >= 400 || is_options) && (*own == 0 || *own == status));
		*own = (uint16_t)status;
	}
}

/*
 * Over UDP, where a transaction lives for 32 s from its final response; then the branch may come anew. On a stream it is gone at once. 503 is what the table says when it is full, without remembering it.
 */
static void on_response_out(struct world *w, const struct sip_layer_action *act)
{
	int status = atoi(act->bytes.data + 8), branch = branch_of(act->bytes), method = method_of(act->bytes);
	MUST(method >= 0 && branch >= 0 && strcmp(methods[method], "ACK") != 0);
	if (status < 200 || status == 503 || act->target.transport != SIP_UDP) {
		return;
	}
	struct final *f = &w->finals[branch][method];
	MUST(w->is_users || w->is_receiving); /* nothing is repeated by itself */
	if (w->is_users) {
		/* A stranger's is forgotten once it is answered. */
		if (w->is_known) {
			MUST(w->now >= f->until_ms);
			of_transaction(w, f, status);
		}
	} else if (w->is_known && w->now < f->until_ms) {
		of_transaction(w, f, status);
	} else if (w->now < f->until_ms) {
		MUST(status == 482); /* a stranger repeats a known peer's request */
	} else {
		without_transaction(w, branch, method, status);
	}
}

static void on_send(struct world *w, const struct sip_layer_action *act)
{
	if (act->bytes.len > 8 && memcmp(act->bytes.data, "SIP/2.0 ", 8) == 0) {
		MUST(act->txn == 0 && (w->may_answer || act->bytes.data[8] != '1'));
		on_response_out(w, act);
	} else {
		MUST(act->txn != 0 && act->bytes.len <= XFED_SIP_MAX_REQUEST);
	}
}

static struct call *call_of(struct world *w, const struct sip_layer_action *act)
{
	MUST(act->id < w->call_count);
	struct call *c = &w->calls[act->id];
	MUST(!c->is_known || c->txn == act->txn);
	return c;
}

static void try_next(struct world *w, struct call *c, enum sip_attempt_end how, int status, bool was_written)
{
	bool is_certain = (how == SIP_ATTEMPT_RESPONSE && status == 503) || (how == SIP_ATTEMPT_ERROR && !was_written);
	if (how == SIP_ATTEMPT_ERROR && !was_written) {
		sip_failed_add(&w->failed, sip_failover_place(c->places), w->now);
	} else if (how == SIP_ATTEMPT_RESPONSE) {
		sip_failed_remove(&w->failed, sip_failover_place(c->places));
	}
	MUST(w->failed.count <= XFED_ARRAY_LEN(w->failed.list));
	if (sip_failover_next(c->places, how, status, was_written)) {
		unsigned number = sip_failover_number(c->places);
		MUST(is_certain && number < PLACES && !(c->tried & 1u << number));
		c->tried |= 1u << number;
	} else {
		MUST(!is_certain || c->tried == (1u << PLACES) - 1);
	}
}

static void on_end(struct world *w, const struct sip_layer_action *act)
{
	struct call *c = call_of(w, act);
	bool is_response = act->kind == SIP_ACT_RESPONSE;
	if (is_response && act->status < 200) {
		MUST(act->status > 100 && !c->is_over);
		return;
	}
	/* RFC 6026: only a 2xx to an INVITE may come again. */
	MUST(!c->is_over || (c->is_invite && is_response && act->status < 300));
	if (!c->is_over) {
		try_next(w, c,
			is_response		       ? SIP_ATTEMPT_RESPONSE
			: act->kind == SIP_ACT_TIMEOUT ? SIP_ATTEMPT_TIMEOUT
						       : SIP_ATTEMPT_ERROR,
			act->status, act->was_written);
	}
	c->is_over = true;
}

/* What has been answered does not come to the user again. */
static void on_request(struct world *w, const struct sip_layer_action *act)
{
	bool is_copy = w->now < w->finals[w->which / 8 % 16][w->which % 8].until_ms;
	MUST(!is_copy || !act->flow->is_known || act->flow->transport != SIP_UDP);
}

static const struct sip_user user = { .methods = SIP_METHOD_BIT(MESSAGE) };

static void drain(struct world *w)
{
	struct sip_layer_action act;
	while (sip_layer_next(w->l, &act)) {
		switch (act.kind) {
		case SIP_ACT_SEND:
			on_send(w, &act);
			break;
		case SIP_ACT_REQUEST:
			on_request(w, &act);
			w->servers[w->server_count % SERVERS].is_known = act.flow->is_known;
			w->servers[w->server_count++ % SERVERS].txn = act.txn;
			break;
		case SIP_ACT_RESPONSE:
		case SIP_ACT_TIMEOUT:
		case SIP_ACT_TRANSPORT_ERROR:
			on_end(w, &act);
			break;
		case SIP_ACT_BAD_MESSAGE:
		case SIP_ACT_REFUSED:
		case SIP_ACT_CLOSE_FLOW:
			break;
		case SIP_ACT_CANCELLED:
		case SIP_ACT_DOUBTED:
		case SIP_ACT_ENDED:
			MUST(false); /* of INVITE, which nobody takes here */
			break;
		}
	}
	struct sip_layer_stats s = sip_layer_stats(w->l);
	MUST(s.clients + s.servers <= TABLE_MAX + 2); /* a CANCEL of ours, and one of theirs */
}

/* ---- events ---- */

static void receive(struct world *w, const char *text, int len, uint8_t arg, bool may_answer)
{
	struct sip_flow_info flow = {
		.id = 1 + arg % 4, .transport = (enum sip_transport)(arg % 3), .peer_ip = "192.0.2.9", .peer_port = 4000, .is_known = w->is_known
	};
	struct sip_layer_event ev = { .kind = SIP_LAYER_RECV, .flow = &flow, .bytes = xfed_span_make(text, (size_t)len) };
	w->may_answer = may_answer;
	w->is_receiving = true;
	MUST(sip_layer_step(w->l, &ev, w->now) == XFED_OK);
	drain(w);
	w->may_answer = w->is_receiving = false;
}

static void receive_request(struct world *w)
{
	static const char *const transports[] = { "UDP", "TCP", "TLS" };
	char text[1024];
	uint8_t which = byte(w), how = byte(w);
	const char *method = methods[which % 8];
	bool has_tag = how & 4;
	int n = snprintf(text, sizeof(text),
		"%s sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/%s 192.0.2.9:4000;branch=z9hG4bKx%c%s\r\nMax-Forwards: 70\r\n"
		"From: <sip:alice@example.org>;tag=f%d\r\nTo: <sip:bob@example.net>%s\r\nCall-ID: c%d\r\nCSeq: 1 %s\r\n%sContent-Length: 0\r\n\r\n",
		method, transports[how % 3], 'a' + which / 8 % 16, how & 8 ? ";rport" : "", how / 64, has_tag ? ";tag=t" : "", which / 8 % 16, method,
		how & 16 ? "Require: x\r\n" : "");
	w->which = which;
	w->how = how;
	w->is_known = how & 32;
	receive(w, text, n, how, strcmp(method, "ACK") != 0);
}

static void receive_response(struct world *w)
{
	static const int statuses[] = { 100, 180, 183, 200, 202, 302, 401, 404, 408, 482, 486, 500, 503, 600, 699, 199 };
	char text[1024];
	uint8_t which = byte(w), how = byte(w);
	if (w->call_count == 0) {
		return;
	}
	const struct call *c = &w->calls[which % w->call_count];
	const char *method = how & 128 ? "CANCEL" : how & 64 ? "OPTIONS" : c->is_invite ? "INVITE" : "MESSAGE";
	static const char *const transports[] = { "UDP", "TCP", "TLS" };
	int n = snprintf(text, sizeof(text),
		"SIP/2.0 %d Words\r\nVia: SIP/2.0/%s gw.example.net;branch=z9hG4bK%s\r\nFrom: <sip:c@d>;tag=f\r\nTo: <sip:a@b>;tag=%d\r\nCall-ID: "
		"i\r\n"
		"CSeq: 1 %s\r\nContent-Length: 0\r\n\r\n",
		statuses[how % 16], transports[which / 64 % 3], c->branch, how / 16 % 4, method);
	receive(w, text, n, which, false);
}

static void start_call(struct world *w)
{
	static struct sip_location where[PLACES];
	struct sip_locations found = { .reason = XFED_REASON_NONE, .list = where, .count = PLACES };
	uint8_t how = byte(w);
	if (w->call_count == CALLS) {
		return;
	}
	for (size_t i = 0; i < PLACES; i++) {
		where[i] = (struct sip_location){ .transport = SIP_TCP, .address = { 192, 0, 2, (uint8_t)i }, .port = 5060, .tls_name = "" };
	}
	struct call *c = &w->calls[w->call_count];
	snprintf(c->branch, sizeof(c->branch), "b%u", how / 16U + 16U * (how & 8 ? w->call_count : 0));
	c->is_invite = how & 4;
	struct sip_layer_request r = {
		.target = { .transport = (enum sip_transport)(how % 3), .ip = "192.0.2.9", .port = 5060 },
		.request = { .method = c->is_invite ? XFED_SPAN("INVITE") : XFED_SPAN("MESSAGE"),
			.uri = XFED_SPAN("sip:a@b"),
			.from_uri = XFED_SPAN("sip:c@d"),
			.from_tag = XFED_SPAN("f"),
			.to_uri = XFED_SPAN("sip:a@b"),
			.call_id = XFED_SPAN("i"),
			.cseq = 1 },
		.branch = xfed_span_str(c->branch),
		.id = w->call_count,
	};
	MUST(sip_failover_new(&found, &w->failed, w->now, &c->places) == XFED_OK);
	c->tried = 1u << sip_failover_number(c->places);
	w->call_count++; /* its end may come at once */
	if (sip_layer_request(w->l, &r, w->now, &c->txn) == XFED_OK) {
		c->is_known = true;
		drain(w);
	} else {
		sip_failover_free(c->places);
		memset(c, 0, sizeof(*c));
		w->call_count--;
	}
}

static void respond(struct world *w)
{
	static const int statuses[] = { 200, 202, 400, 403, 404, 480, 486, 487, 488, 500, 503, 504, 600, 603, 699, 302 };
	uint8_t which = byte(w), how = byte(w);
	unsigned server = w->server_count ? which % w->server_count % SERVERS : 0;
	uint64_t txn = w->server_count ? w->servers[server].txn : which;
	if (sip_layer_respond(w->l, txn, statuses[how % 16], how & 16 ? "Other words" : NULL, XFED_SPAN(""), w->now) == XFED_OK) {
		w->may_answer = w->is_users = true;
		w->is_known = w->servers[server].is_known;
		drain(w);
		w->may_answer = w->is_users = false;
		MUST(sip_layer_respond(w->l, txn, 200, NULL, XFED_SPAN(""), w->now) == XFED_ERR_NOT_FOUND);
	}
}

static void of_io(struct world *w, enum sip_layer_event_kind kind)
{
	uint8_t which = byte(w), how = byte(w);
	struct sip_layer_event ev = {
		.kind = kind, .txn = w->call_count ? w->calls[which % w->call_count].txn : which, .flow_id = 1 + how % 4, .was_written = how & 8
	};
	(void)sip_layer_step(w->l, &ev, w->now);
	drain(w);
}

static void tick(struct world *w)
{
	struct sip_layer_event ev = { .kind = SIP_LAYER_TICK };
	(void)sip_layer_step(w->l, &ev, w->now);
	w->may_answer = true; /* 100, 408 and retransmissions of their own time */
	drain(w);
	w->may_answer = false;
}

/* In small steps and over whole lives. */
static void pass(struct world *w)
{
	static const uint64_t steps[] = { 0, 1, 100, 499, 500, 1000, 3500, 4000, 5000, 10000, 31999, 32000, 32001, 64000 };
	uint64_t ms = steps[byte(w) % XFED_ARRAY_LEN(steps)];
	w->now += ms;
	for (int i = 0; i < 1000 && sip_layer_deadline(w->l) <= w->now; i++) {
		tick(w);
	}
}

static void run_one(struct world *w)
{
	switch (byte(w) % 11) {
	case 0:
	case 1:
		receive_request(w);
		break;
	case 2:
	case 3:
		receive_response(w);
		break;
	case 4:
		start_call(w);
		break;
	case 5:
		respond(w);
		break;
	case 6:
		of_io(w, SIP_LAYER_SENT);
		break;
	case 7:
		of_io(w, SIP_LAYER_SEND_FAILED);
		break;
	case 8:
		of_io(w, SIP_LAYER_FLOW_CLOSED);
		break;
	case 9:
		if (w->call_count) {
			(void)sip_layer_cancel(w->l, w->calls[byte(w) % w->call_count].txn, w->now);
			drain(w);
		}
		break;
	case 10:
		pass(w);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct sip_layer_config config = { .transactions_max = TABLE_MAX };
	memset(&w, 0, sizeof(w));
	w.at = data;
	w.end = data + size;
	w.now = 1000;
	for (int i = 0; i < SIP_TRANSPORT_COUNT; i++) {
		config.sent_by[i].host = XFED_SPAN("gw.example.net");
	}
	MUST(sip_layer_new(&config, &env, &w.l) == XFED_OK && sip_layer_use(w.l, &user) == XFED_OK);
	while (w.at < w.end) {
		run_one(&w);
	}
	for (int i = 0; sip_layer_deadline(w.l) != UINT64_MAX; i++) {
		uint64_t deadline = sip_layer_deadline(w.l);
		MUST(i < 100000);
		w.now = deadline > w.now ? deadline : w.now;
		tick(&w);
	}
	struct sip_layer_stats s = sip_layer_stats(w.l);
	MUST(s.clients == 0 && s.servers == 0);
	for (unsigned i = 0; i < w.call_count; i++) {
		MUST(w.calls[i].is_over);
		sip_failover_free(w.calls[i].places);
	}
	sip_layer_free(w.l);
	return 0;
}
