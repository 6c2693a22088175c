/*
 * Two transaction layers against each other: sessions and subscriptions from both ends, over a wire that loses, doubles and
 * turns messages round. Each end has a user that does what a feature would; what it was told is compared at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "failing.h"
#include "sip/layer.h"
#include "xfed/limits.h"

#define WIRE_MAX 512
#define LOG_SIZE 4096

enum { A, B, ENDS };
static const char *const ips[ENDS] = { "192.0.2.1", "192.0.2.2" };

struct packet {
	int to;
	uint64_t at_ms, order;
	size_t len;
	char *bytes;
};

struct end {
	int number;
	struct sip_layer *layer;
	struct sip_user user;
	char log[LOG_SIZE]; /* what the user was told */
	uint64_t txn;	    /* of the last request */
	uint64_t invite;    /* of the last INVITE not answered */
	uint64_t dialog;
	uint64_t call; /* client transaction */
	char extra[512];
	int sent_acks, sent_byes;
};

static struct end ends[ENDS];
static struct packet *wire[WIRE_MAX];
static size_t wire_count;
static uint64_t now, order;
static unsigned seed;
static int loss, doubles, delay; /* percent, percent, most ms */
/* Sees every message before it goes; false: it is lost. */
static bool (*filter)(int from, const char *text);
static enum sip_transport transport;

static unsigned dice(void)
{
	seed = seed * 1103515245 + 12345;
	return seed / 65536 % 32768;
}

static void pair_random(void *user, void *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		((uint8_t *)out)[i] = (uint8_t)dice();
	}
}
static const struct xfed_env pair_env = { .random = pair_random };

/* ---- the wire ---- */

static void put(int to, const struct sip_layer_action *act)
{
	struct packet *p = malloc(sizeof(*p));
	assert_non_null(p);
	assert_true(wire_count < WIRE_MAX);
	*p = (struct packet){ .to = to, .at_ms = now + (delay ? dice() % (unsigned)delay : 0), .order = ++order, .len = act->bytes.len };
	p->bytes = malloc(p->len + 1);
	assert_non_null(p->bytes);
	memcpy(p->bytes, act->bytes.data, p->len);
	p->bytes[p->len] = '\0';
	wire[wire_count++] = p;
}

static void send_on(struct end *e, const struct sip_layer_action *act)
{
	char text[2048];
	/* Nobody sends anywhere but to the other end, whatever Contact and Record-Route say. */
	assert_string_equal(act->target.ip, ips[!e->number]);
	snprintf(text, sizeof(text), "%.*s", (int)act->bytes.len, act->bytes.data);
	e->sent_acks += strncmp(text, "ACK ", 4) == 0;
	e->sent_byes += strncmp(text, "BYE ", 4) == 0;
	if ((filter && !filter(e->number, text)) || (int)(dice() % 100) < loss) {
		return;
	}
	put(!e->number, act);
	if ((int)(dice() % 100) < doubles) {
		put(!e->number, act);
	}
}

static void drain(struct end *e)
{
	struct sip_layer_action act;
	while (sip_layer_next(e->layer, &act)) {
		if (act.kind == SIP_ACT_SEND) {
			send_on(e, &act);
		} else if (act.kind != SIP_ACT_REFUSED) { /* for a log alone */
			assert_true(sip_layer_tell(&act));
		}
	}
}

static struct sip_flow_info flow_at(int end)
{
	struct sip_flow_info f = { .id = 1, .transport = transport, .peer_port = 5060, .local_port = 5060, .is_known = true };
	snprintf(f.peer_ip, sizeof(f.peer_ip), "%s", ips[!end]);
	snprintf(f.local_ip, sizeof(f.local_ip), "%s", ips[end]);
	return f;
}

static void receive(int to, const char *bytes, size_t len)
{
	struct sip_flow_info f = flow_at(to);
	struct sip_layer_event ev = { .kind = SIP_LAYER_RECV, .flow = &f, .bytes = xfed_span_make(bytes, len) };
	(void)sip_layer_step(ends[to].layer, &ev, now);
	drain(&ends[to]);
}

static void tick(struct end *e)
{
	(void)sip_layer_step(e->layer, &(struct sip_layer_event){ .kind = SIP_LAYER_TICK }, now);
	drain(e);
}

static struct packet *take_first(uint64_t until_ms)
{
	size_t best = SIZE_MAX;
	for (size_t i = 0; i < wire_count; i++) {
		bool is_first = best == SIZE_MAX || wire[i]->at_ms < wire[best]->at_ms ||
				(wire[i]->at_ms == wire[best]->at_ms && wire[i]->order < wire[best]->order);
		best = wire[i]->at_ms <= until_ms && is_first ? i : best;
	}
	if (best == SIZE_MAX) {
		return NULL;
	}
	struct packet *p = wire[best];
	wire[best] = wire[--wire_count];
	return p;
}

/* Everything that happens up to that time, in order. */
static void run_until(uint64_t until_ms)
{
	for (;;) {
		uint64_t a = sip_layer_deadline(ends[A].layer), b = sip_layer_deadline(ends[B].layer), due = a < b ? a : b;
		struct packet *p = take_first(until_ms < due ? until_ms : due);
		if (p) {
			now = p->at_ms > now ? p->at_ms : now;
			receive(p->to, p->bytes, p->len);
			free(p->bytes);
			free(p);
		} else if (due <= until_ms) {
			now = due > now ? due : now;
			tick(&ends[a <= b ? A : B]);
		} else {
			break;
		}
	}
	now = until_ms;
}

static void run_for(uint64_t ms)
{
	run_until(now + ms);
}

/* ---- the users ---- */

static void note(struct end *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct end *e, const char *format, ...)
{
	size_t n = strlen(e->log);
	va_list ap;
	if (n > 0 && n + 2 < LOG_SIZE) {
		strcpy(e->log + n, ", ");
		n += 2;
	}
	va_start(ap, format);
	vsnprintf(e->log + n, LOG_SIZE - n, format, ap);
	va_end(ap);
}

static void on_request(void *data, const struct sip_incoming *rq)
{
	struct end *e = data;
	note(e, "%.*s", (int)rq->message->method.len, rq->message->method.data);
	e->txn = rq->txn ? rq->txn : e->txn;
	e->dialog = rq->dialog ? rq->dialog : e->dialog;
	if (xfed_span_is(rq->message->method, "INVITE")) {
		e->invite = rq->txn;
	}
}

static void on_response(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog)
{
	struct end *e = data;
	note(e, "%d", m->status);
	e->dialog = dialog ? dialog : e->dialog;
}

static void on_timeout(void *data, uint64_t id, bool was_written)
{
	note(data, "timeout");
}

static void on_broken(void *data, uint64_t id, bool was_written)
{
	note(data, "broken");
}

static void on_cancelled(void *data, uint64_t txn)
{
	note(data, "cancelled");
}

static void on_ended(void *data, uint64_t id)
{
	note(data, "ended");
}

static void on_doubted(void *data, uint64_t id)
{
	note(data, "doubted");
}

static void begin_over(enum sip_transport t)
{
	transport = t;
	now = 1000;
	seed = 1;
	order = 0;
	loss = doubles = delay = 0;
	filter = NULL;
	for (int i = A; i < ENDS; i++) {
		struct end *e = &ends[i];
		struct sip_layer_config c = { 0 };
		*e = (struct end){ .number = i };
		for (int k = 0; k < SIP_TRANSPORT_COUNT; k++) {
			c.sent_by[k].host = xfed_span_str(ips[i]);
			c.sent_by[k].port = 5060;
		}
		e->user = (struct sip_user){
			.data = e,
			.methods = SIP_METHOD_BIT(INVITE) | SIP_METHOD_BIT(SUBSCRIBE),
			.inside = SIP_METHOD_BIT(BYE) | SIP_METHOD_BIT(NOTIFY) | SIP_METHOD_BIT(UPDATE) | SIP_METHOD_BIT(INFO),
			.accept = "application/sdp",
			.events = "presence",
			.request = on_request,
			.response = on_response,
			.timeout = on_timeout,
			.broken = on_broken,
			.cancelled = on_cancelled,
			.ended = on_ended,
			.doubted = on_doubted,
		};
		assert_int_equal(sip_layer_new(&c, &pair_env, &e->layer), XFED_OK);
		assert_int_equal(sip_layer_use(e->layer, &e->user), XFED_OK);
	}
}

static void begin(void)
{
	begin_over(SIP_UDP);
}

static struct sip_layer_stats stats(int end)
{
	return sip_layer_stats(ends[end].layer);
}

/* All time passes: nothing stays but dialogs that nobody has ended. */
static void finish(size_t dialogs_a, size_t dialogs_b)
{
	loss = 0;
	run_for(400000);
	assert_int_equal(stats(A).clients + stats(A).servers + stats(B).clients + stats(B).servers, 0);
	assert_int_equal(stats(A).dialogs, dialogs_a);
	assert_int_equal(stats(B).dialogs, dialogs_b);
	assert_int_equal(wire_count, 0);
	sip_layer_free(ends[A].layer);
	sip_layer_free(ends[B].layer);
}

static struct sip_layer_request request_of(int end, const char *method)
{
	static char from[ENDS][64], contact[ENDS][64];
	struct sip_layer_request rq = {
		.target = { .transport = transport, .port = 5060 },
		.request = {
			.method = xfed_span_str(method),
			.uri = XFED_SPAN("sip:peer@example.net"),
			.from_tag = XFED_SPAN("tag-of-mine"),
			.to_uri = XFED_SPAN("sip:peer@example.net"),
			.call_id = XFED_SPAN("call@pair"),
			.cseq = 1,
		},
		.user = &ends[end].user,
		.id = 7,
	};
	snprintf(rq.target.ip, sizeof(rq.target.ip), "%s", ips[!end]);
	snprintf(from[end], sizeof(from[end]), "sip:me-%c@example.net", 'a' + end);
	snprintf(contact[end], sizeof(contact[end]), "<sip:me@contact-%c.example.net>", 'a' + end);
	rq.request.from_uri = xfed_span_str(from[end]);
	rq.request.contact = xfed_span_str(contact[end]);
	rq.request.extra = xfed_span_str(ends[end].extra);
	return rq;
}

static int ask(int end, const char *method)
{
	struct sip_layer_request rq = request_of(end, method);
	int rc = sip_layer_request(ends[end].layer, &rq, now, &ends[end].call);
	drain(&ends[end]);
	return rc;
}

static int ask_inside(int end, const char *method)
{
	struct sip_layer_request rq = request_of(end, method);
	uint64_t txn;
	rq.target = (struct sip_target){ .transport = transport };
	rq.dialog = ends[end].dialog;
	if (rq.dialog == 0) {
		return XFED_ERR_NOT_FOUND;
	}
	int rc = sip_layer_request(ends[end].layer, &rq, now, &txn);
	drain(&ends[end]);
	return rc;
}

static int answer_to(int end, uint64_t txn, int status)
{
	struct sip_response r = { .status = status,
		.contact = end == A ? XFED_SPAN("<sip:me@contact-a.example.net>") : XFED_SPAN("<sip:me@contact-b.example.net>") };
	if (status >= 200 && status < 300) {
		r.content_type = XFED_SPAN("application/sdp");
		r.body = XFED_SPAN("v=0\r\n");
	}
	int rc = sip_layer_answer(ends[end].layer, txn, &r, 8, now);
	drain(&ends[end]);
	return rc;
}

static int answer(int end, int status)
{
	return answer_to(end, ends[end].txn, status);
}

static void hang_up(int end)
{
	assert_int_equal(ask_inside(end, "BYE"), XFED_OK);
	run_for(100);
	assert_int_equal(answer(!end, 200), XFED_OK);
	run_for(100);
	sip_layer_dialog_end(ends[A].layer, ends[A].dialog);
	sip_layer_dialog_end(ends[B].layer, ends[B].dialog);
}

static void set_up(void)
{
	assert_int_equal(ask(A, "INVITE"), XFED_OK);
	run_for(100);
	assert_int_equal(answer(B, 180), XFED_OK);
	run_for(100);
	assert_int_equal(answer(B, 200), XFED_OK);
	run_for(100);
	assert_string_equal(ends[A].log, "180, 200");
	assert_string_equal(ends[B].log, "INVITE, ACK");
	ends[A].log[0] = ends[B].log[0] = '\0';
}

/* ---- sessions ---- */

static void a_session(void **state)
{
	begin();
	strcpy(ends[A].extra, "Session-Expires: 1800\r\n");
	set_up();
	hang_up(B);
	assert_string_equal(ends[A].log, "BYE");
	assert_string_equal(ends[B].log, "200");
	assert_int_equal(ends[A].sent_acks, 1);
	finish(0, 0);
}

/* Everything again: the users hear each thing once, whatever the wire does. */
static void a_session_over_a_bad_wire(void **state)
{
	int complete = 0;
	for (unsigned s = 1; s <= 200; s++) {
		begin();
		seed = s;
		loss = (int)(s % 40);
		doubles = (int)(s % 50);
		delay = (int)(s * 7 % 900);
		assert_int_equal(ask(A, "INVITE"), XFED_OK);
		for (int i = 0; i < 60 && !ends[B].log[0]; i++) {
			run_for(500);
		}
		if (!ends[B].log[0]) { /* lost for good: the caller has been told */
			run_for(5000);
			assert_string_equal(ends[A].log, "timeout");
			finish(0, 0);
			continue;
		}
		assert_string_equal(ends[B].log, "INVITE");
		assert_int_equal(answer(B, 200), XFED_OK);
		run_for(40000);
		if (strcmp(ends[B].log, "INVITE, ended") == 0) { /* none of its ACKs has arrived */
			assert_true(ends[B].sent_byes > 0);
		} else {
			assert_string_equal(ends[B].log, "INVITE, ACK");
			assert_string_equal(ends[A].log, "200");
			assert_true(ends[A].sent_acks > 0);
			complete++;
		}
		sip_layer_dialog_end(ends[A].layer, ends[A].dialog);
		sip_layer_dialog_end(ends[B].layer, ends[B].dialog);
		finish(0, 0);
	}
	assert_true(complete > 150);
}

static bool no_ack(int from, const char *text)
{
	return strncmp(text, "ACK ", 4) != 0;
}

/* Section 13.3.1.4, over a stream too: 2xx at T1, doubled up to T2, for 64*T1; then BYE. */
static void a_2xx_without_ack_is_given_up_with_bye(void **state)
{
	for (int t = SIP_UDP; t <= SIP_TCP; t++) {
		begin_over((enum sip_transport)t);
		filter = no_ack;
		assert_int_equal(ask(A, "INVITE"), XFED_OK);
		run_for(10);
		assert_int_equal(answer(B, 200), XFED_OK);
		run_for(31990);
		assert_string_equal(ends[B].log, "INVITE");
		assert_int_equal(ends[A].sent_acks, 11); /* 0 0.5 1.5 3.5 7.5 11.5 ... 31.5 s */
		run_for(100);
		assert_string_equal(ends[B].log, "INVITE, ended");
		assert_string_equal(ends[A].log, "200, BYE");
		assert_int_equal(ends[B].sent_byes, 1);
		assert_int_equal(answer(A, 200), XFED_OK);
		sip_layer_dialog_end(ends[A].layer, ends[A].dialog);
		finish(0, 0);
	}
}

/* A 2xx that another fork sends: acknowledged, and ended; so is each copy, with one BYE. */
static void another_fork_is_acknowledged_and_ended(void **state)
{
	char text[1024];
	begin();
	set_up();
	int acks = ends[A].sent_acks;
	snprintf(text, sizeof(text),
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK%s\r\nFrom: <sip:me-a@example.net>;tag=tag-of-mine\r\n"
		"To: <sip:peer@example.net>;tag=other\r\nCall-ID: call@pair\r\nCSeq: 1 INVITE\r\nContact: <sip:me@198.51.100.9>\r\n"
		"Record-Route: <sip:198.51.100.10;lr>\r\nContent-Length: 0\r\n\r\n",
		"fork");
	/* The branch of the INVITE is random: this one is nobody's. */
	receive(A, text, strlen(text));
	assert_int_equal(ends[A].sent_acks, acks);
	sip_layer_dialog_end(ends[A].layer, ends[A].dialog);
	sip_layer_dialog_end(ends[B].layer, ends[B].dialog);
	finish(0, 0);

	begin();
	struct sip_layer_request rq = request_of(A, "INVITE");
	rq.branch = XFED_SPAN("fork");
	assert_int_equal(sip_layer_request(ends[A].layer, &rq, now, &ends[A].call), XFED_OK);
	drain(&ends[A]);
	run_for(10);
	assert_int_equal(answer(B, 200), XFED_OK);
	run_for(10);
	assert_int_equal(ends[A].sent_acks, 1);
	for (int i = 1; i <= 3; i++) {
		receive(A, text, strlen(text));
		assert_int_equal(ends[A].sent_acks, 1 + i);
		assert_int_equal(ends[A].sent_byes, 1);
	}
	assert_string_equal(ends[A].log, "200"); /* the user hears of its own fork only */
	sip_layer_dialog_end(ends[A].layer, ends[A].dialog);
	sip_layer_dialog_end(ends[B].layer, ends[B].dialog);
	finish(0, 0);
}

/* Each 2xx may name another device: neither the table of transactions nor memory is for that. */
static void forks_without_end(void **state)
{
	char text[1024];
	begin();
	struct sip_layer_request rq = request_of(A, "INVITE");
	rq.branch = XFED_SPAN("fork");
	assert_int_equal(sip_layer_request(ends[A].layer, &rq, now, &ends[A].call), XFED_OK);
	drain(&ends[A]);
	run_for(10);
	assert_int_equal(answer(B, 200), XFED_OK);
	run_for(10);
	for (int i = 1; i <= 1000; i++) {
		snprintf(text, sizeof(text),
			"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKfork\r\nFrom: <sip:me-a@example.net>;tag=tag-of-mine\r\n"
			"To: <sip:peer@example.net>;tag=other%d\r\nCall-ID: call@pair\r\nCSeq: 1 INVITE\r\nContact: <sip:me@198.51.100.9>\r\n"
			"Content-Length: 0\r\n\r\n",
			i);
		receive(A, text, strlen(text));
		assert_int_equal(ends[A].sent_acks, 1 + i);
		run_for(1);
	}
	assert_true(stats(A).clients <= 1 + XFED_SIP_FORKS_MAX);
	assert_string_equal(ends[A].log, "200");
	sip_layer_dialog_end(ends[A].layer, ends[A].dialog);
	sip_layer_dialog_end(ends[B].layer, ends[B].dialog);
	finish(0, 0);
}

/* A 2xx that makes no dialog, as it names no Contact: each copy is acknowledged, the user hears of it once. */
static void a_2xx_without_contact(void **state)
{
	static const char text[] = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKbare\r\n"
				   "From: <sip:me-a@example.net>;tag=tag-of-mine\r\nTo: <sip:peer@example.net>;tag=other\r\n"
				   "Call-ID: call@pair\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
	begin();
	struct sip_layer_request rq = request_of(A, "INVITE");
	rq.branch = XFED_SPAN("bare");
	assert_int_equal(sip_layer_request(ends[A].layer, &rq, now, &ends[A].call), XFED_OK);
	drain(&ends[A]);
	for (int i = 1; i <= 3; i++) {
		receive(A, text, strlen(text));
		assert_int_equal(ends[A].sent_acks, i);
	}
	assert_string_equal(ends[A].log, "200");
	assert_int_equal(ends[A].dialog, 0);
	run_for(10); /* B has the INVITE, and gives up */
	assert_int_equal(answer(B, 486), XFED_OK);
	finish(0, 0);
}

/* Section 12.2.1.1: what both ends have counted in the early dialog goes on in the confirmed one. */
static void an_early_dialog_goes_on(void **state)
{
	begin();
	assert_int_equal(ask(A, "INVITE"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(B, 183), XFED_OK);
	uint64_t invite = ends[B].txn;
	run_for(10);
	assert_int_equal(ask_inside(A, "UPDATE"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(B, 200), XFED_OK);
	assert_int_equal(ask_inside(B, "INFO"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(A, 200), XFED_OK);
	assert_int_equal(answer_to(B, invite, 200), XFED_OK);
	run_for(10);
	assert_string_equal(ends[A].log, "183, 200, INFO, 200");
	const struct sip_dialog *d = sip_layer_dialog(ends[A].layer, ends[A].dialog);
	assert_true(d->local_cseq == 2 && d->has_remote_cseq && d->remote_cseq == 1);
	hang_up(A);
	finish(0, 0);
}

static void cancel_and_its_race_with_200(void **state)
{
	begin();
	assert_int_equal(ask(A, "INVITE"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(B, 180), XFED_OK);
	run_for(10);
	assert_int_equal(sip_layer_cancel(ends[A].layer, ends[A].call, now), XFED_OK);
	drain(&ends[A]);
	run_for(10);
	assert_string_equal(ends[B].log, "INVITE, cancelled");
	assert_string_equal(ends[A].log, "180, 487");
	assert_int_equal(answer(B, 200), XFED_ERR_NOT_FOUND);
	finish(0, 0);

	begin();
	assert_int_equal(ask(A, "INVITE"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(B, 180), XFED_OK);
	run_for(10);
	assert_int_equal(answer(B, 200), XFED_OK); /* on its way when A gives up */
	assert_int_equal(sip_layer_cancel(ends[A].layer, ends[A].call, now), XFED_OK);
	ends[A].dialog = 0;
	drain(&ends[A]);
	run_for(10);
	assert_string_equal(ends[A].log, "180, 200");
	assert_int_equal(ends[A].dialog, 0); /* accepted, acknowledged, ended */
	assert_int_equal(ends[A].sent_acks, 1);
	assert_int_equal(ends[A].sent_byes, 1);
	assert_string_equal(ends[B].log, "INVITE, ACK, BYE");
	assert_int_equal(answer(B, 200), XFED_OK);
	sip_layer_dialog_end(ends[B].layer, ends[B].dialog);
	finish(0, 0);
}

/* Nobody answers: the callee's layer does, before the caller's timer C would. */
static void an_invite_that_nobody_answers(void **state)
{
	begin();
	assert_int_equal(ask(A, "INVITE"), XFED_OK);
	run_for(170000);
	assert_string_equal(ends[A].log, "");
	run_for(1000);
	assert_string_equal(ends[B].log, "INVITE, cancelled");
	assert_string_equal(ends[A].log, "408");
	finish(0, 0);
}

static void a_refused_session_leaves_no_dialog(void **state)
{
	begin();
	assert_int_equal(ask(A, "INVITE"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(B, 183), XFED_OK);
	run_for(10);
	assert_int_equal(stats(A).dialogs + stats(B).dialogs, 2);
	assert_int_equal(answer(B, 486), XFED_OK);
	run_for(10);
	assert_string_equal(ends[A].log, "183, 486");
	assert_int_equal(stats(A).dialogs + stats(B).dialogs, 0);
	finish(0, 0);
}

/* Section 14: one offer at a time, both ends at once get 491; Contacts of 2xx and re-INVITE become the target. */
static void glare_and_target_refresh(void **state)
{
	begin();
	set_up();
	delay = 2;
	assert_int_equal(ask_inside(A, "INVITE"), XFED_OK);
	assert_int_equal(ask_inside(A, "INVITE"), XFED_ERR_STATE);
	assert_int_equal(ask_inside(B, "INVITE"), XFED_OK);
	run_for(100);
	assert_string_equal(ends[A].log, "491");
	assert_string_equal(ends[B].log, "491");
	assert_in_range(sip_layer_glare_ms(ends[A].layer, ends[A].dialog), 2100, 4000);
	assert_in_range(sip_layer_glare_ms(ends[B].layer, ends[B].dialog), 0, 2000);
	ends[A].log[0] = ends[B].log[0] = '\0';

	struct sip_layer_request rq = request_of(B, "INVITE");
	uint64_t txn;
	rq.target = (struct sip_target){ .transport = transport };
	rq.dialog = ends[B].dialog;
	rq.request.contact = XFED_SPAN("<sip:moved@contact-b.example.net>");
	assert_int_equal(sip_layer_request(ends[B].layer, &rq, now, &txn), XFED_OK);
	drain(&ends[B]);
	run_for(100);
	assert_int_equal(answer(A, 200), XFED_OK);
	run_for(100);
	assert_string_equal(ends[A].log, "INVITE, ACK");
	const struct sip_dialog *d = sip_layer_dialog(ends[A].layer, ends[A].dialog);
	assert_true(xfed_span_is(sip_dialog_text(d, SIP_DIALOG_TARGET), "sip:moved@contact-b.example.net"));
	delay = 0;
	assert_int_equal(ask_inside(A, "UPDATE"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(B, 200), XFED_OK);
	run_for(10);

	ends[B].log[0] = '\0';
	assert_int_equal(ask_inside(A, "INVITE"), XFED_OK); /* refused by one that has no id for it; the next one runs alone again */
	run_for(10);
	assert_int_equal(sip_layer_respond(ends[B].layer, ends[B].txn, 488, NULL, XFED_SPAN(""), now), XFED_OK);
	drain(&ends[B]);
	run_for(10);
	assert_int_equal(ask_inside(A, "INVITE"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(B, 200), XFED_OK);
	run_for(10);
	assert_string_equal(ends[B].log, "INVITE, INVITE, ACK");
	hang_up(A);
	finish(0, 0);
}

static bool last_of_b(const char *want)
{
	return strstr(ends[B].log, want) != NULL;
}

/* 420 for what is required and not supported; a method the user does not take; a CSeq that goes back. */
static void refusals_inside_and_outside(void **state)
{
	begin();
	strcpy(ends[A].extra, "Require: 100rel\r\n");
	assert_int_equal(ask(A, "INVITE"), XFED_OK);
	run_for(10);
	assert_string_equal(ends[A].log, "420");
	assert_string_equal(ends[B].log, "");
	ends[A].extra[0] = ends[A].log[0] = '\0';
	run_for(40000);
	set_up();
	assert_int_equal(ask_inside(A, "REFER"), XFED_OK);
	run_for(10);
	assert_string_equal(ends[A].log, "405");
	static const char old[] = "BYE sip:x@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKold\r\nMax-Forwards: 70\r\n"
				  "From: <sip:me-a@example.net>;tag=tag-of-mine\r\nTo: <sip:peer@example.net>;tag=%.*s\r\n"
				  "Call-ID: call@pair\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n";
	char text[1024];
	struct xfed_span tag = sip_dialog_text(sip_layer_dialog(ends[A].layer, ends[A].dialog), SIP_DIALOG_REMOTE_TAG);
	snprintf(text, sizeof(text), old, (int)tag.len, tag.data);
	receive(B, text, strlen(text));
	assert_false(last_of_b("BYE"));
	hang_up(A);
	assert_true(last_of_b("BYE"));
	finish(0, 0);
}

/* ---- subscriptions ---- */

static int subscribe(int end)
{
	strcpy(ends[end].extra, "Event: presence\r\nExpires: 3600\r\n");
	return ask(end, "SUBSCRIBE");
}

static int notify(int end, const char *subscription_state)
{
	snprintf(ends[end].extra, sizeof(ends[end].extra), "Event: presence\r\nSubscription-State: %s\r\n", subscription_state);
	return ask_inside(end, "NOTIFY");
}

static bool no_final(int from, const char *text)
{
	return strncmp(text, "SIP/2.0 200", 11) != 0;
}

static void a_subscription(void **state)
{
	begin();
	assert_int_equal(subscribe(A), XFED_OK);
	run_for(10);
	assert_int_equal(answer(B, 200), XFED_OK);
	run_for(10);
	assert_int_equal(notify(B, "active;expires=3600"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(A, 200), XFED_OK);
	run_for(10);
	assert_string_equal(ends[A].log, "200, NOTIFY");
	assert_string_equal(ends[B].log, "SUBSCRIBE, 200");
	strcpy(ends[A].extra, "Event: presence\r\nExpires: 0\r\n");
	assert_int_equal(ask_inside(A, "SUBSCRIBE"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(B, 200), XFED_OK);
	run_for(10);
	assert_int_equal(notify(B, "terminated;reason=timeout"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(A, 200), XFED_OK);
	run_for(10);
	sip_layer_dialog_end(ends[A].layer, ends[A].dialog);
	sip_layer_dialog_end(ends[B].layer, ends[B].dialog);
	assert_int_equal(notify(B, "active"), XFED_ERR_NOT_FOUND);
	finish(0, 0);
}

static void close_flow(int end, uint64_t flow)
{
	struct sip_layer_event ev = { .kind = SIP_LAYER_FLOW_CLOSED, .flow_id = flow };
	assert_int_equal(sip_layer_step(ends[end].layer, &ev, now), XFED_OK);
	drain(&ends[end]);
	run_for(10);
}

static void subscribed_over_tcp(void)
{
	begin_over(SIP_TCP);
	assert_int_equal(subscribe(A), XFED_OK);
	run_for(10);
	assert_int_equal(answer(B, 200), XFED_OK);
	run_for(10);
	assert_int_equal(notify(B, "active;expires=3600"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(A, 200), XFED_OK);
	run_for(10);
	ends[A].log[0] = ends[B].log[0] = '\0';
}

/* Whoever comes back at the other end of a connection may know nothing of the dialogs that used it: both ends hear that, once for each. */
static void a_connection_closes_under_dialogs(void **state)
{
	subscribed_over_tcp();
	close_flow(A, 2);
	assert_string_equal(ends[A].log, "");
	close_flow(A, 1);
	close_flow(B, 1);
	assert_string_equal(ends[A].log, "doubted");
	assert_string_equal(ends[B].log, "doubted");
	close_flow(A, 1); /* it uses none now */
	assert_string_equal(ends[A].log, "doubted");
	assert_int_equal(notify(B, "active;expires=3000"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(A, 200), XFED_OK);
	close_flow(A, 1);
	assert_string_equal(ends[A].log, "doubted, NOTIFY, doubted");
	finish(1, 1);
}

/* A place that A has chosen, whose server sends its NOTIFY over a connection of its own: what it says in Via of itself is not the place. */
static void the_chosen_place_outlives_the_connection_of_the_server(void **state)
{
	struct sip_target way;
	bool is_ours = false;
	begin_over(SIP_TLS);
	strcpy(ends[A].extra, "Event: presence\r\nExpires: 3600\r\n");
	struct sip_layer_request rq = request_of(A, "SUBSCRIBE");
	rq.target.port = 5099;
	strcpy(rq.target.tls_name, "sip.example.net");
	assert_int_equal(sip_layer_request(ends[A].layer, &rq, now, &ends[A].call), XFED_OK);
	drain(&ends[A]);
	run_for(10);
	assert_int_equal(answer(B, 200), XFED_OK);
	run_for(10);
	assert_int_equal(notify(B, "active;expires=3600"), XFED_OK);
	run_for(10);
	assert_int_equal(answer(A, 200), XFED_OK);
	run_for(10);
	for (int closed = 0; closed < 2; closed++) {
		assert_true(sip_layer_dialog_way(ends[A].layer, ends[A].dialog, &way, &is_ours));
		assert_true(is_ours);
		assert_string_equal(way.ip, ips[B]);
		assert_string_equal(way.tls_name, "sip.example.net");
		assert_int_equal(way.port, 5099);
		assert_int_equal(way.flow, closed ? 0 : 1);
		close_flow(A, 1);
	}
	finish(1, 1);
}

/* The connection over which a refresh was answered is the one that counts from then on. */
static void a_connection_closes_behind_a_refresh(void **state)
{
	struct sip_layer_event sent = { .kind = SIP_LAYER_SENT, .flow_id = 5 };
	subscribed_over_tcp();
	close_flow(A, 1);
	struct sip_layer_request rq = request_of(A, "SUBSCRIBE");
	rq.target = (struct sip_target){ .transport = transport };
	rq.dialog = ends[A].dialog;
	assert_int_equal(sip_layer_request(ends[A].layer, &rq, now, &sent.txn), XFED_OK);
	drain(&ends[A]);
	assert_int_equal(sip_layer_step(ends[A].layer, &sent, now), XFED_OK);
	run_for(10);
	assert_int_equal(answer(B, 200), XFED_OK);
	run_for(10);
	close_flow(A, 5);
	assert_string_equal(ends[A].log, "doubted, 200, doubted");
	finish(1, 1);
}

static void what_has_ended_is_not_in_doubt(void **state)
{
	struct sip_layer_event ev = { .kind = SIP_LAYER_FLOW_CLOSED, .flow_id = 1 };
	subscribed_over_tcp();
	assert_int_equal(sip_layer_step(ends[A].layer, &ev, now), XFED_OK);
	drain(&ends[A]);
	sip_layer_dialog_end(ends[A].layer, ends[A].dialog);
	run_for(10);
	assert_string_equal(ends[A].log, "");
	finish(0, 1);
}

/* RFC 6665 section 4.1.2.4: the dialog is there with the NOTIFY, and the 2xx that follows is of the same. */
static void notify_before_the_2xx(void **state)
{
	begin();
	filter = no_final;
	assert_int_equal(subscribe(A), XFED_OK);
	run_for(10);
	assert_int_equal(answer(B, 200), XFED_OK); /* lost */
	assert_int_equal(notify(B, "active;expires=3600"), XFED_OK);
	run_for(10);
	assert_string_equal(ends[A].log, "NOTIFY");
	uint64_t dialog = ends[A].dialog;
	filter = NULL;
	assert_int_equal(answer(A, 200), XFED_OK);
	run_for(1000); /* the SUBSCRIBE is repeated, its answer comes */
	assert_string_equal(ends[A].log, "NOTIFY, 200");
	assert_true(ends[A].dialog == dialog && dialog != 0);
	assert_int_equal(stats(A).dialogs, 1);
	finish(1, 1);
}

#define EARLY_INFO(tag, cseq)                                                                                                                        \
	"INFO sip:me@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK" tag "\r\nMax-Forwards: 70\r\n"                           \
	"From: <sip:peer@example.net>;tag=" tag "\r\nTo: <sip:me-a@example.net>;tag=tag-of-mine\r\n"                                                 \
	"Call-ID: call@pair\r\nCSeq: " cseq " INFO\r\nContent-Length: 0\r\n\r\n"

/* A user writes on one device while the others may still accept: the request is of the dialog that its 2xx confirms, or another's replaces. */
static void a_request_before_the_2xx_of_an_invite(void **state)
{
	for (int is_other = 0; is_other < 2; is_other++) {
		begin();
		assert_int_equal(ask(A, "INVITE"), XFED_OK);
		run_for(10);
		receive(A, EARLY_INFO("early", "1"), strlen(EARLY_INFO("early", "1")));
		assert_string_equal(ends[A].log, "INFO");
		uint64_t dialog = ends[A].dialog;
		assert_true(dialog != 0 && sip_layer_dialog(ends[A].layer, dialog)->is_early);
		receive(A, EARLY_INFO("early", "1"), strlen(EARLY_INFO("early", "1")));
		receive(A, EARLY_INFO("more", "1"), strlen(EARLY_INFO("more", "1"))); /* 481 */
		assert_int_equal(answer(A, 200), XFED_OK);
		assert_string_equal(ends[A].log, "INFO");
		assert_int_equal(answer(B, is_other ? 200 : 486), XFED_OK);
		run_for(10);
		assert_string_equal(ends[A].log, is_other ? "INFO, 200" : "INFO, 486");
		assert_true(is_other ? !sip_layer_dialog(ends[A].layer, dialog)->is_early : !sip_layer_dialog(ends[A].layer, dialog));
		finish((size_t)is_other, (size_t)is_other);
	}
}

#define EARLY_INVITE(tag, cseq)                                                                                                                      \
	"INVITE sip:me@contact-a.example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKinvite" cseq "\r\n"                            \
	"Max-Forwards: 70\r\nFrom: <sip:peer@example.net>;tag=" tag "\r\nTo: <sip:me-a@example.net>;tag=tag-of-mine\r\n"                             \
	"Call-ID: call@pair\r\nCSeq: " cseq " INVITE\r\nContact: <sip:peer@192.0.2.2>\r\nContent-Length: 0\r\n\r\n"

/* RFC 3261 section 14.2: whoever has not accepted an INVITE refreshes nothing. The user would take it for one in a session that there is not. */
static void an_invite_before_the_2xx_of_an_invite(void **state)
{
	for (int is_early = 0; is_early < 2; is_early++) {
		begin();
		assert_int_equal(ask(A, "INVITE"), XFED_OK);
		run_for(10);
		if (is_early) {
			assert_int_equal(answer(B, 183), XFED_OK);
			run_for(10);
			assert_true(ends[A].dialog != 0);
		}
		char text[1024], tag[64] = "early";
		if (is_early) {
			struct xfed_span of_b = sip_dialog_text(sip_layer_dialog(ends[A].layer, ends[A].dialog), SIP_DIALOG_REMOTE_TAG);
			snprintf(tag, sizeof(tag), "%.*s", (int)of_b.len, of_b.data);
		}
		snprintf(text, sizeof(text), EARLY_INVITE("%s", "1"), tag);
		receive(A, text, strlen(text));
		assert_null(strstr(ends[A].log, "INVITE"));
		assert_int_equal(answer_to(B, ends[B].invite, 200), XFED_OK);
		run_for(10);
		assert_non_null(strstr(ends[A].log, "200"));
		hang_up(A);
		finish(0, 0);
	}
}

/* RFC 6665 section 8.2.1: a NOTIFY without Subscription-State makes no dialog. */
static void a_notify_without_its_state(void **state)
{
	static const char text[] = "NOTIFY sip:me@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKn\r\nMax-Forwards: 70\r\n"
				   "From: <sip:peer@example.net>;tag=other\r\nTo: <sip:me-a@example.net>;tag=tag-of-mine\r\n"
				   "Call-ID: call@pair\r\nCSeq: 1 NOTIFY\r\nContact: <sip:192.0.2.2>\r\nEvent: presence\r\nContent-Length: 0\r\n\r\n";
	begin();
	assert_int_equal(subscribe(A), XFED_OK);
	receive(A, text, strlen(text));
	assert_string_equal(ends[A].log, "");
	run_for(10);
	assert_int_equal(answer(B, 480), XFED_OK);
	run_for(10);
	assert_string_equal(ends[A].log, "480");
	finish(0, 0);
}

static void packages_nobody_takes(void **state)
{
	begin();
	strcpy(ends[A].extra, "Event: dialog\r\n");
	assert_int_equal(ask(A, "SUBSCRIBE"), XFED_OK);
	run_for(10);
	assert_string_equal(ends[A].log, "489");
	assert_string_equal(ends[B].log, "");
	finish(0, 0);
}

/* Each end loses, doubles and turns round; both stay with one dialog, or with none. */
static void a_subscription_over_a_bad_wire(void **state)
{
	int complete = 0;
	for (unsigned s = 1; s <= 200; s++) {
		begin();
		seed = s;
		loss = (int)(s % 40);
		doubles = (int)(s % 50);
		delay = (int)(s * 11 % 900);
		assert_int_equal(subscribe(A), XFED_OK);
		for (int i = 0; i < 60 && !ends[B].log[0]; i++) {
			run_for(500);
		}
		if (ends[B].log[0]) {
			assert_string_equal(ends[B].log, "SUBSCRIBE");
			assert_int_equal(answer(B, 200), XFED_OK);
			assert_int_equal(notify(B, "active"), XFED_OK);
			for (int i = 0; i < 80 && !strstr(ends[A].log, "NOTIFY"); i++) {
				run_for(500);
			}
			if (strstr(ends[A].log, "NOTIFY")) {
				(void)answer(A, 200); /* or its time is over */
			}
			run_for(70000);
			assert_true(stats(A).dialogs <= 1 && stats(B).dialogs == 1);
			complete += stats(A).dialogs == 1;
			char *first = strstr(ends[A].log, "NOTIFY");
			assert_true(!first || !strstr(first + 1, "NOTIFY")); /* once */
			sip_layer_dialog_end(ends[A].layer, ends[A].dialog);
			sip_layer_dialog_end(ends[B].layer, ends[B].dialog);
		}
		finish(0, 0);
	}
	assert_true(complete > 150);
}

/* Each allocation fails once in a session and a subscription: no crash, no leak. */
static void failing_allocations(void **state)
{
	for (long n = 0;; n++) {
		long held = failing_held;
		begin();
		failing_arm(n);
		(void)ask(A, "INVITE");
		run_for(600);
		(void)answer(B, 183);
		run_for(10);
		(void)answer(B, 200);
		run_for(600);
		(void)ask_inside(A, "BYE");
		run_for(600);
		(void)answer(B, 200);
		run_for(600);
		(void)subscribe(B);
		run_for(600);
		(void)answer(A, 200);
		(void)notify(A, "active");
		run_for(600);
		(void)answer(B, 200);
		run_for(600);
		bool hit = failing_hit;
		failing_arm(-1);
		run_for(400000);
		assert_int_equal(stats(A).clients + stats(A).servers + stats(B).clients + stats(B).servers, 0);
		sip_layer_free(ends[A].layer);
		sip_layer_free(ends[B].layer);
		assert_int_equal(failing_held, held);
		if (!hit) {
			break;
		}
	}
}

int main(void)
{
	xfed_mem_set_hooks(&failing_hooks);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session),
		cmocka_unit_test(a_session_over_a_bad_wire),
		cmocka_unit_test(a_2xx_without_ack_is_given_up_with_bye),
		cmocka_unit_test(another_fork_is_acknowledged_and_ended),
		cmocka_unit_test(forks_without_end),
		cmocka_unit_test(a_2xx_without_contact),
		cmocka_unit_test(an_early_dialog_goes_on),
		cmocka_unit_test(cancel_and_its_race_with_200),
		cmocka_unit_test(an_invite_that_nobody_answers),
		cmocka_unit_test(a_refused_session_leaves_no_dialog),
		cmocka_unit_test(glare_and_target_refresh),
		cmocka_unit_test(refusals_inside_and_outside),
		cmocka_unit_test(a_subscription),
		cmocka_unit_test(a_connection_closes_under_dialogs),
		cmocka_unit_test(the_chosen_place_outlives_the_connection_of_the_server),
		cmocka_unit_test(a_connection_closes_behind_a_refresh),
		cmocka_unit_test(what_has_ended_is_not_in_doubt),
		cmocka_unit_test(notify_before_the_2xx),
		cmocka_unit_test(a_request_before_the_2xx_of_an_invite),
		cmocka_unit_test(an_invite_before_the_2xx_of_an_invite),
		cmocka_unit_test(a_notify_without_its_state),
		cmocka_unit_test(packages_nobody_takes),
		cmocka_unit_test(a_subscription_over_a_bad_wire),
		cmocka_unit_test(failing_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
