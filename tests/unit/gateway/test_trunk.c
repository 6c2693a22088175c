/*
 * Two trunks joined in memory: what one would write to a socket the other receives. On each stands a small user in the place of an
 * upper room, which calls, answers, is asked who it is, cancels and hangs up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "trunk/trunk_impl.h"

#define FLOW	  7 /* the connection between them */
#define WIRE_MAX  32
#define PEER	  "192.0.2.2"
#define OTHER	  "192.0.2.3" /* another peer of A's domain */
#define STRANGER  "198.51.100.9"
#define CHALLENGE "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n"

enum { A, B, SIDES };
static const char *const ips[SIDES] = { "192.0.2.1", PEER };

struct side {
	struct core core;
	struct config config;
	struct config_domain domain;
	struct trunk *trunk;
	struct trunk_user user;
	struct trunk_send send;
	char log[512], last[4096]; /* what the user was told; the last message that came */
	uint64_t txn, dialog;
	struct sip_target sent_to; /* the last request */
	bool is_connected, is_dialled, is_asked_again;
	unsigned calls;
	char call_id[16];
};

struct sip_io {
	struct trunk *trunk;
};

static struct side sides[SIDES];
static struct xfed_arena arena;
static struct {
	int to;
	size_t len;
	char bytes[4096];
} wire[WIRE_MAX];
static size_t wire_count;

/* ---- in the place of the sockets ---- */

static struct side *side_of(const struct sip_io *io)
{
	return io->trunk == sides[A].trunk ? &sides[A] : &sides[B];
}

int sip_io_new(struct trunk *t, struct sip_io **out, char error[256])
{
	*out = xfed_calloc(1, sizeof(**out));
	(*out)->trunk = t;
	return XFED_OK;
}

void sip_io_free(struct sip_io *io)
{
	xfed_free(io);
}

enum sip_io_sent sip_io_send(struct sip_io *io, const struct sip_target *t, struct xfed_span bytes, uint64_t txn, uint64_t *flow)
{
	struct side *s = side_of(io);
	assert_true(wire_count < WIRE_MAX && bytes.len < sizeof(wire[0].bytes));
	if (memcmp(bytes.data, "SIP/2.0", 7) != 0) {
		s->sent_to = *t;
	}
	wire[wire_count].to = s == &sides[A] ? B : A;
	wire[wire_count].len = bytes.len;
	memcpy(wire[wire_count++].bytes, bytes.data, bytes.len);
	*flow = FLOW;
	return SIP_IO_SENT;
}

void sip_io_close_flow(struct sip_io *io, uint64_t flow)
{
	fail_msg("closed: what cannot be framed");
}

void sip_io_unanswered(struct sip_io *io, uint64_t flow)
{
}

void sip_io_stop_listening(struct sip_io *io)
{
}

static struct trust_peer peer_of(const struct side *s)
{
	struct trust_peer p = { .transport = SIP_TCP, .chain_reason = XFED_REASON_TLS_CERT_MISSING };
	assert_int_equal(rt_addr_parse_host(&p.address, xfed_span_str(ips[s == &sides[A] ? B : A]), 5060), XFED_OK);
	return p;
}

bool sip_io_peer(const struct sip_io *io, const struct sip_flow_info *flow, struct trust_peer *out)
{
	*out = peer_of(side_of(io));
	return true;
}

bool sip_io_behind(const struct sip_io *io, uint64_t flow, struct trust_peer *out, bool *is_dialled)
{
	const struct side *s = side_of(io);
	*out = peer_of(s);
	*is_dialled = s->is_dialled;
	return flow == FLOW && s->is_connected;
}

uint16_t sip_io_port(const struct sip_io *io, enum sip_transport t)
{
	return t == SIP_TLS ? 0 : 5060;
}

uint16_t sip_io_outside_port(const struct sip_io *io)
{
	return 0;
}

void sip_io_judge_certs(struct sip_io *io)
{
}

static void run(void)
{
	while (wire_count > 0) {
		int to = wire[0].to;
		struct sip_flow_info f = { .id = FLOW, .transport = SIP_TCP, .peer_port = 5060, .local_port = 5060, .is_known = true };
		static char bytes[sizeof(wire[0].bytes)];
		size_t len = wire[0].len;
		memcpy(bytes, wire[0].bytes, len);
		memmove(wire, wire + 1, --wire_count * sizeof(wire[0]));
		snprintf(f.peer_ip, sizeof(f.peer_ip), "%s", ips[!to]);
		snprintf(f.local_ip, sizeof(f.local_ip), "%s", ips[to]);
		snprintf(sides[to].last, sizeof(sides[to].last), "%.*s", (int)len, bytes);
		trunk_receive(sides[to].trunk, &f, xfed_span_make(bytes, len));
	}
}

/* ---- the users ---- */

static void note(struct side *s, struct xfed_span what)
{
	size_t n = strlen(s->log);
	snprintf(s->log + n, sizeof(s->log) - n, "%s%.*s", n > 0 ? ", " : "", (int)what.len, what.data);
}

static void on_request(void *data, const struct sip_incoming *rq)
{
	struct side *s = data;
	note(s, rq->message->method);
	s->txn = rq->txn;
	s->dialog = rq->dialog ? rq->dialog : s->dialog;
}

static void on_response(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog)
{
	struct side *s = data;
	char status[8];
	snprintf(status, sizeof(status), "%d", m->status);
	note(s, xfed_span_str(status));
	s->dialog = dialog;
	s->is_asked_again = trunk_send_challenged(&s->send, m);
}

static void on_end(void *data, uint64_t id, bool was_written)
{
	note(data, XFED_SPAN("end"));
}

static void on_cancelled(void *data, uint64_t txn)
{
	note(data, XFED_SPAN("cancelled"));
}

static void on_ended(void *data, uint64_t id)
{
	note(data, XFED_SPAN("ended"));
}

static void on_ready(void *data, struct trunk_send *s)
{
	note(data, XFED_SPAN("ready"));
}

static void on_failed(void *data, struct trunk_send *s, enum xfed_reason reason)
{
	note(data, XFED_SPAN("failed"));
}

static const struct rt_daemon_user no_daemon;

static void start(struct side *s)
{
	static struct rt_network peers[] = { { .bytes = { 192, 0, 2, 0 }, .bits = 30 } };
	static char password[] = "secret";
	char error[256];
	int other = s == &sides[A] ? B : A;
	assert_int_equal(rt_daemon_init(&s->core.d, &no_daemon, NULL), XFED_OK);
	s->domain = (struct config_domain){
		.domain = "corp.example",
		.hop = { .transport = RT_TRANSPORT_TCP, .host = (char *)(uintptr_t)ips[other], .port = 5060, .is_ip = true },
		.networks = { peers, 1 },
		.max_request_bytes = 8000,
		.auth = { .username = "xfed", .password = password },
	};
	s->config = (struct config){ .domains = { &s->domain, 1 }, .sip = { .advertise = ips[!other] } };
	assert_int_equal(config_index(&s->config, &arena), XFED_OK);
	assert_int_equal(trunk_new(&s->core, &(struct trunk_files){ .config = &s->config }, &s->trunk, error), XFED_OK);
	s->user = (struct trunk_user){
		.sip = { .data = s,
			.methods = SIP_METHOD_BIT(INVITE),
			.inside = SIP_METHOD_BIT(BYE) | SIP_METHOD_BIT(INFO),
			.accept = "application/sdp",
			.supported = "timer",
			.request = on_request,
			.response = on_response,
			.timeout = on_end,
			.broken = on_end,
			.cancelled = on_cancelled,
			.ended = on_ended },
		.hop_ready = on_ready,
		.hop_failed = on_failed,
	};
	assert_int_equal(trunk_use(s->trunk, &s->user), XFED_OK);
	s->send = (struct trunk_send){ .user = &s->user, .hop = trunk_hop_of(s->trunk, &s->domain) };
	assert_non_null(s->send.hop);
	s->is_connected = true;
}

static int begin(void **state)
{
	memset(sides, 0, sizeof(sides));
	wire_count = 0;
	xfed_arena_init(&arena, 1024 * 1024);
	start(&sides[A]);
	start(&sides[B]);
	sides[A].is_dialled = true;
	return 0;
}

static int end(void **state)
{
	for (int i = A; i < SIDES; i++) {
		assert_int_equal(sip_layer_stats(sides[i].trunk->layer).dialogs, 0);
		trunk_send_end(&sides[i].send);
		trunk_stop(sides[i].trunk);
		rt_daemon_close(&sides[i].core.d);
		trunk_free(sides[i].trunk);
		rt_daemon_deinit(&sides[i].core.d);
	}
	xfed_arena_deinit(&arena);
	return 0;
}

/* ---- what an upper room does ---- */

static struct sip_layer_request request_of(const struct side *s, const char *method, const char *contact)
{
	struct sip_layer_request rq = {
		.target = { .transport = SIP_TCP, .port = 5060 },
		.request = { .method = xfed_span_str(method),
			.uri = XFED_SPAN("sip:you@corp.example"),
			.from_uri = XFED_SPAN("sip:me@corp.example"),
			.from_tag = XFED_SPAN("tag"),
			.to_uri = XFED_SPAN("sip:you@corp.example"),
			.call_id = xfed_span_str(s->call_id),
			.cseq = 1,
			.extra = XFED_SPAN("X-More: 1\r\n"),
			.contact = xfed_span_str(contact) },
		.user = &s->user.sip,
		.id = 5,
	};
	snprintf(rq.target.ip, sizeof(rq.target.ip), "%s", ips[s == &sides[A] ? B : A]);
	return rq;
}

static uint64_t call(struct side *s, const char *contact)
{
	snprintf(s->call_id, sizeof(s->call_id), "%u@%c", ++s->calls, s == &sides[A] ? 'a' : 'b');
	struct sip_layer_request rq = request_of(s, "INVITE", contact);
	uint64_t txn;
	trunk_want(&s->send);
	assert_non_null(s->send.places);
	assert_int_equal(trunk_send_request(&s->send, &rq, &txn), XFED_OK);
	run();
	return txn;
}

static int say(struct side *s, const char *method)
{
	struct sip_layer_request rq = request_of(s, method, NULL);
	uint64_t txn;
	rq.dialog = s->dialog;
	rq.target = (struct sip_target){ .transport = SIP_TCP };
	int rc = trunk_send_inside(&s->send, &s->domain, &rq, &txn);
	run();
	return rc;
}

static void answer(struct side *s, int status, const char *contact, const char *extra)
{
	struct sip_response r = { .status = status,
		.contact = contact ? xfed_span_str(contact) : (struct xfed_span){ NULL, 0 },
		.extra = xfed_span_str(extra),
		.content_type = status == 200 ? XFED_SPAN("application/sdp") : (struct xfed_span){ NULL, 0 },
		.body = status == 200 ? XFED_SPAN("v=0\r\n") : XFED_SPAN("") };
	assert_int_equal(trunk_answer(s->trunk, s->txn, &r, 6), XFED_OK);
	run();
}

static void hang_up(struct side *s, struct side *other)
{
	assert_int_equal(say(s, "BYE"), XFED_OK);
	answer(other, 200, NULL, "");
	trunk_dialog_end(s->trunk, s->dialog);
	trunk_dialog_end(other->trunk, other->dialog);
	assert_null(trunk_dialog(s->trunk, s->dialog));
}

#define CONTACT_A "<sip:a@192.0.2.1:5060;transport=tcp>"
#define CONTACT_B "<sip:b@192.0.2.2:5060;transport=tcp>"

static void a_session(void **state)
{
	struct side *a = &sides[A], *b = &sides[B];
	call(a, CONTACT_A);
	answer(b, 180, CONTACT_B, "X-Note: ringing\r\n");
	assert_non_null(strstr(a->last, "\r\nX-Note: ringing\r\n"));
	answer(b, 200, CONTACT_B, "");
	assert_non_null(strstr(a->last, "\r\nContent-Type: application/sdp\r\n"));
	assert_string_equal(a->log, "ready, 180, 200");
	assert_string_equal(b->log, "INVITE, ACK");
	hang_up(b, a);
	assert_string_equal(a->log, "ready, 180, 200, BYE");
}

/* RFC 3261 section 22.2: inside a dialog too; its own Request-URI, the next CSeq, and what the request carries else. */
static void asked_inside(void **state)
{
	struct side *a = &sides[A], *b = &sides[B];
	call(a, CONTACT_A);
	answer(b, 200, CONTACT_B, "");
	assert_int_equal(say(a, "INFO"), XFED_OK);
	assert_non_null(strstr(b->last, "\r\nCSeq: 2 INFO\r\n"));
	assert_null(strstr(b->last, "Authorization"));
	answer(b, 407, NULL, CHALLENGE);
	assert_true(a->is_asked_again);
	assert_int_equal(say(a, "INFO"), XFED_OK);
	assert_non_null(strstr(b->last, "\r\nCSeq: 3 INFO\r\n"));
	assert_non_null(strstr(b->last, "\r\nX-More: 1\r\n"));
	assert_non_null(strstr(b->last, "\r\nProxy-Authorization: Digest username=\"xfed\", realm=\"r\", nonce=\"n\", "
					"uri=\"sip:b@192.0.2.2:5060;transport=tcp\""));
	answer(b, 200, NULL, "");
	assert_false(a->is_asked_again);
	hang_up(a, b); /* without being asked again */
	assert_string_equal(a->log, "ready, 200, 407, 200, 200");
}

static void cancelled(void **state)
{
	struct side *a = &sides[A], *b = &sides[B];
	uint64_t txn = call(a, CONTACT_A);
	answer(b, 180, CONTACT_B, "");
	assert_int_equal(trunk_cancel(a->trunk, txn), XFED_OK);
	run();
	assert_string_equal(b->log, "INVITE, cancelled");
	assert_string_equal(a->log, "ready, 180, 487");
	assert_int_equal(trunk_cancel(a->trunk, txn), XFED_ERR_NOT_FOUND);
}

/* What an upper room registers is what is said of methods, media types and extensions. */
static void what_is_taken(void **state)
{
	static const struct trunk_user im = { .sip = { .methods = SIP_METHOD_BIT(MESSAGE), .accept = "text/plain" } };
	struct side *a = &sides[A], *b = &sides[B];
	strcpy(a->call_id, "options");
	assert_string_equal(trunk_allow(b->trunk), "Allow: INVITE, ACK, CANCEL, BYE, INFO, OPTIONS\r\n");
	assert_int_equal(trunk_use(b->trunk, &im), XFED_OK);
	assert_int_equal(trunk_use(b->trunk, &im), XFED_ERR_STATE);
	struct sip_layer_request rq = request_of(a, "OPTIONS", CONTACT_A);
	uint64_t txn;
	assert_int_equal(trunk_send_request(&a->send, &rq, &txn), XFED_OK);
	run();
	assert_string_equal(a->log, "200");
	assert_non_null(strstr(a->last, "\r\nAllow: INVITE, ACK, CANCEL, BYE, INFO, MESSAGE, OPTIONS\r\n"
					"Accept: application/sdp, text/plain\r\nSupported: timer\r\n"));
}

/* A dialog that B has begun: where A's requests inside it go. */
static void ways(void **state)
{
	static const struct {
		const char *contact;
		bool is_connected, is_own_peer;
		const char *ip; /* NULL: nowhere */
		int port;
		uint64_t flow;
	} rows[] = {
		{ CONTACT_B, true, true, PEER, 5060, FLOW },
		{ "<sip:b@" STRANGER ";transport=tcp>", true, true, PEER, 5060, FLOW },
		{ "<sip:b@" STRANGER ">", true, true, PEER, 5060, FLOW },
		{ "<sip:b@sip.elsewhere.example;transport=tcp>", true, true, PEER, 5060, FLOW },
		{ "<sip:b@" OTHER ":5070;transport=tcp>", true, true, OTHER, 5070, 0 },
		{ "<sip:b@" OTHER ";transport=tcp>", false, true, OTHER, 5060, 0 },
		{ "<sip:b@" OTHER ":5070>", true, true, PEER, 5060, FLOW },  /* over UDP it is none */
		{ "<sips:b@" OTHER ":5070>", true, true, PEER, 5060, FLOW }, /* an address proves nothing over TLS */
		{ "<sip:b@" OTHER ";maddr=" STRANGER ";transport=tcp>", true, true, PEER, 5060, FLOW },
		{ "<sip:b@" STRANGER ";transport=tcp>", false, true, PEER, 5060, 0 }, /* called back */
		{ "<sip:b@" STRANGER ";transport=tcp>", true, false, NULL, 0, 0 },    /* of another domain, or no longer listed */
		{ "<sip:b@" STRANGER ";transport=tcp>", false, false, NULL, 0, 0 },
	};
	struct side *a = &sides[A], *b = &sides[B];
	a->is_dialled = false;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct config_domain nobodys = a->domain;
		call(b, rows[i].contact);
		answer(a, 200, CONTACT_A, "");
		a->is_connected = rows[i].is_connected;
		if (!rows[i].is_connected) {
			trunk_event(a->trunk, &(struct sip_layer_event){ .kind = SIP_LAYER_FLOW_CLOSED, .flow_id = FLOW });
		}
		if (!rows[i].is_own_peer) {
			nobodys.senders = (struct config_senders){ .name_count = 0 };
		}
		struct sip_layer_request rq = request_of(a, "INFO", NULL);
		uint64_t txn;
		rq.dialog = a->dialog;
		a->sent_to = (struct sip_target){ .port = 1 };
		int rc = trunk_send_inside(&a->send, &nobodys, &rq, &txn);
		run();
		bool fine = rows[i].ip ? rc == XFED_OK && strcmp(a->sent_to.ip, rows[i].ip) == 0 && a->sent_to.port == rows[i].port &&
						 a->sent_to.flow == rows[i].flow && a->sent_to.transport == SIP_TCP
				       : rc == XFED_ERR_NOT_FOUND && a->sent_to.port == 1;
		if (!fine) {
			fail_msg("row %zu: %d, to %s:%u flow %llu", i, rc, a->sent_to.ip, a->sent_to.port, (unsigned long long)a->sent_to.flow);
		}
		if (rc == XFED_OK) {
			answer(b, 200, NULL, "");
		}
		trunk_send_end(&b->send);
		trunk_dialog_end(a->trunk, a->dialog);
		trunk_dialog_end(b->trunk, b->dialog);
	}
}

/* The way of a dialog is judged once; and once more after a reload, and when anything of the way has changed. */
static void a_way_is_judged_again(void **state)
{
	struct side *a = &sides[A], *b = &sides[B];
	struct config_senders own = a->domain.senders;
	enum { RELOADED, CLOSED, CHANGES };
	a->is_dialled = false;
	for (int change = RELOADED; change < CHANGES; change++) {
		call(b, CONTACT_B);
		answer(a, 200, CONTACT_A, "");
		for (int i = 0; i < 2; i++) {
			assert_int_equal(say(a, "INFO"), XFED_OK);
			answer(b, 200, NULL, "");
		}
		a->domain.senders = (struct config_senders){ .name_count = 0 };
		if (change == RELOADED) {
			trunk_reloaded(a->trunk, &(struct trunk_files){ .config = &a->config });
		} else {
			a->is_connected = false;
			trunk_event(a->trunk, &(struct sip_layer_event){ .kind = SIP_LAYER_FLOW_CLOSED, .flow_id = FLOW });
		}
		assert_int_equal(say(a, "INFO"), XFED_ERR_NOT_FOUND);
		a->domain.senders = own;
		a->is_connected = true;
		assert_int_equal(say(a, "INFO"), XFED_OK);
		answer(b, 200, NULL, "");
		trunk_send_end(&b->send);
		trunk_dialog_end(a->trunk, a->dialog);
		trunk_dialog_end(b->trunk, b->dialog);
	}
}

/* A place of the next hop was chosen by us: it is gone back to, whether or not it may send. */
static void where_we_have_called(void **state)
{
	struct side *a = &sides[A], *b = &sides[B];
	struct config_domain nobodys = a->domain;
	nobodys.senders = (struct config_senders){ .name_count = 0 };
	call(a, CONTACT_A);
	answer(b, 200, "<sip:b@" STRANGER ">", "");
	a->is_connected = false;
	trunk_event(a->trunk, &(struct sip_layer_event){ .kind = SIP_LAYER_FLOW_CLOSED, .flow_id = FLOW });
	struct sip_layer_request rq = request_of(a, "BYE", NULL);
	uint64_t txn;
	rq.dialog = a->dialog;
	assert_int_equal(trunk_send_inside(&a->send, &nobodys, &rq, &txn), XFED_OK);
	run();
	assert_string_equal(a->sent_to.ip, PEER);
	answer(b, 200, NULL, "");
	trunk_dialog_end(a->trunk, a->dialog);
	trunk_dialog_end(b->trunk, b->dialog);
}

static void answered(struct trunk_send *s, struct xfed_span method, int status)
{
	trunk_send_answered(s, method, &(struct sip_message){ .status = status });
}

/* What a server of the Lync family says to administrators is that of the last refusal. */
static void what_a_refusal_says_is_kept(void **state)
{
	static struct sip_header said = { .name = { "ms-diagnostics", 14 },
		.value = { "1018;reason=\"Gateway\tdown\";source=\"fe.corp.example\"", 51 } };
	struct trunk_send *s = &sides[A].send;
	struct hop_state *hop = &s->hop->state;
	trunk_want(s);
	*hop = (struct hop_state){ .is_known = true, .is_up = true };
	s->recipient = 1;
	trunk_send_answered(s, XFED_SPAN("INVITE"), &(struct sip_message){ .status = 504, .headers = &said, .header_count = 1 });
	assert_string_equal(hop->refusals.text, "ms-diagnostics 1018 of fe.corp.example: Gateway down");
	assert_string_equal(hop->text, ""); /* it may be of one user's phone */
	s->recipient = 0;
	trunk_send_answered(s, XFED_SPAN("INVITE"), &(struct sip_message){ .status = 504, .headers = &said, .header_count = 1 });
	assert_string_equal(hop->text, hop->refusals.text);
	answered(s, XFED_SPAN("INVITE"), 504);
	assert_string_equal(hop->refusals.text, "");
}

/* Of messages, and of INVITE in their place, the hop's state hears all; of other methods, that it answers and whether our credentials do. */
static void what_an_answer_says_of_the_hop(void **state)
{
	static const struct {
		const char *method;
		int status;
		bool is_repeat, is_proved, lacks_proof; /* the last: before */
		bool has_worked;
		unsigned refusals;
		enum xfed_reason reason;
	} rows[] = {
		{ "MESSAGE", 200, false, true, false, true, 0, XFED_REASON_NONE },
		{ "MESSAGE", 404, false, true, false, true, 0, XFED_REASON_NONE },
		{ "MESSAGE", 403, false, true, false, false, 1, XFED_REASON_NONE },
		{ "MESSAGE", 503, false, true, false, false, 1, XFED_REASON_NONE },
		{ "MESSAGE", 482, false, true, false, false, 1, XFED_REASON_NONE },
		{ "MESSAGE", 482, true, true, false, true, 0, XFED_REASON_NONE },    /* the first copy was taken */
		{ "MESSAGE", 482, true, false, false, false, 0, XFED_REASON_NONE },  /* perhaps */
		{ "MESSAGE", 407, false, false, false, false, 0, XFED_REASON_NONE }, /* trunk_send_challenged() goes on */
		{ "INVITE", 200, false, true, false, true, 0, XFED_REASON_NONE },
		{ "INVITE", 486, false, true, false, true, 0, XFED_REASON_NONE },
		{ "INVITE", 405, false, true, false, false, 1, XFED_REASON_NONE },
		{ "SUBSCRIBE", 200, false, true, false, false, 0, XFED_REASON_NONE },
		{ "SUBSCRIBE", 403, false, true, false, false, 0, XFED_REASON_NONE },
		{ "SUBSCRIBE", 404, false, true, false, false, 0, XFED_REASON_NONE },
		{ "SUBSCRIBE", 405, false, true, false, false, 0, XFED_REASON_NONE },
		{ "SUBSCRIBE", 489, false, true, false, false, 0, XFED_REASON_NONE },
		{ "NOTIFY", 503, false, true, false, false, 0, XFED_REASON_NONE },
		{ "SUBSCRIBE", 200, false, true, true, true, 0, XFED_REASON_NONE },
		{ "SUBSCRIBE", 403, false, true, true, false, 0, XFED_REASON_SIP_AUTH_REFUSED },
		{ "MESSAGE", 200, false, true, true, true, 0, XFED_REASON_NONE },
	};
	struct trunk_send *s = &sides[A].send;
	struct hop_state *hop = &s->hop->state;
	trunk_want(s);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		*hop = (struct hop_state){ .is_known = true, .is_up = true };
		hop->reason = rows[i].lacks_proof ? XFED_REASON_SIP_AUTH_REFUSED : XFED_REASON_NONE;
		s->is_repeat = rows[i].is_repeat;
		s->round = rows[i].is_proved;
		s->recipient = 1;
		answered(s, xfed_span_str(rows[i].method), rows[i].status);
		if (!hop->is_up || (hop->worked_s > 0) != rows[i].has_worked || hop->row.count != rows[i].refusals || hop->reason != rows[i].reason) {
			fail_msg("row %zu: up %d, worked %lld, %u refusals, %s", i, hop->is_up, (long long)hop->worked_s, hop->row.count,
				xfed_reason_code(hop->reason));
		}
	}
}

/* A hop that nobody writes to any more. */
static void what_is_old_is_forgotten(void **state)
{
	struct side *a = &sides[A];
	struct hop_state *hop = &a->send.hop->state;
	int64_t now_s = core_wall_s(&a->core);
	const struct hop_refusal no = { .status = 403, .reason = XFED_REASON_SIP_REQUEST_REFUSED };
	hop_state_refuses(hop, &no, now_s - HOP_STATE_OLD_S + 3600);
	trunk_tick(a->trunk, 0);
	assert_int_equal(hop->reason, XFED_REASON_SIP_REQUEST_REFUSED);
	hop->refusals.last_s = now_s - HOP_STATE_OLD_S;
	trunk_tick(a->trunk, 0);
	assert_int_equal(hop->reason, XFED_REASON_NONE);
}

/* An answer by TCP, whatever it says, ends what was known against it. */
static void who_answers_by_tcp_takes_it(void **state)
{
	struct trunk_send *s = &sides[A].send;
	struct trunk_hop *h = s->hop;
	enum sip_transport out[SIP_TRANSPORT_COUNT];
	trunk_want(s);
	assert_int_equal(sip_failover_place(s->places)->transport, SIP_TCP);
	h->has_transport = true;
	h->transport = SIP_UDP;
	s->is_large = true;
	assert_int_equal(trunk_hop_transports(h, true, out), 1);
	assert_int_equal(trunk_send_unreached(s), XFED_REASON_SIP_REQUEST_TOO_LARGE);
	assert_int_equal(trunk_hop_transports(h, true, out), 0);
	assert_true(trunk_hop_facts(h).no_tcp_s > 0 && trunk_hop_facts(h).no_tcp_s <= 30);
	h->no_tcp.until_ms = 0;
	assert_int_equal(trunk_hop_transports(h, true, out), 1);
	answered(s, XFED_SPAN("MESSAGE"), 404);
	assert_int_equal(h->no_tcp.wait_ms, 0);
	assert_int_equal(trunk_send_unreached(s), XFED_REASON_SIP_REQUEST_TOO_LARGE);
	trunk_hops_forget(s->hop->trunk);
	assert_int_equal(trunk_hop_transports(h, true, out), 1);
	assert_int_equal(trunk_hop_facts(h).no_tcp_s, 0);
}

/* What becomes of a request inside a dialog, or who asks for credentials there, says nothing of the hop. */
static void a_dialog_says_nothing_of_the_hop(void **state)
{
	struct trunk_send *s = &sides[A].send;
	const struct sip_message challenge = { .status = 407 };
	const struct hop_state before = s->hop->state;
	assert_null(s->places);
	answered(s, XFED_SPAN("NOTIFY"), 200);
	answered(s, XFED_SPAN("NOTIFY"), 503);
	answered(s, XFED_SPAN("NOTIFY"), 407);
	assert_false(trunk_send_challenged(s, &challenge));
	assert_int_equal(s->unproved, XFED_REASON_SIP_AUTH_UNSUPPORTED); /* it asks for nothing */
	trunk_send_timed_out(s);
	trunk_send_broken(s, false);
	assert_int_equal(trunk_send_unreached(s), XFED_REASON_SIP_SERVER_UNREACHABLE);
	assert_memory_equal(&s->hop->state, &before, sizeof(before));
}

static size_t asked(struct side *s, uint64_t now_ms)
{
	size_t before = wire_count;
	trunk_tick(s->trunk, now_ms);	  /* looks for the places */
	trunk_tick(s->trunk, now_ms + 1); /* and asks the first */
	return wire_count - before;
}

/* Over UDP nobody sees that the other end was started anew: it is asked every 30 s while dialogs rest on it, and a failure puts them in doubt. */
static void dialogs_over_udp_are_looked_after(void **state)
{
	struct side *a = &sides[A];
	struct trunk_hop *h = a->send.hop;
	assert_int_equal(asked(a, 1000) + asked(a, 100000), 0);
	trunk_hop_carries(h, true);
	assert_int_equal(asked(a, 200000) + asked(a, 229990), 0);
	assert_int_equal(asked(a, 230000), 1);
	run();
	assert_true(trunk_hop_facts(h).state->is_up);
	assert_int_equal(trunk_hop_doubts(h), 0);
	assert_int_equal(asked(a, 259990), 0);
	assert_int_equal(asked(a, 260000), 1);
	wire_count = 0; /* lost */
	a->trunk->probe_user.sip.timeout(a->trunk, (uint64_t)(uintptr_t)h, true);
	assert_true(trunk_hop_is_lost(h));
	assert_int_equal(trunk_hop_doubts(h), 1);
	trunk_hop_answers(h);
	assert_false(trunk_hop_is_lost(h));
	assert_int_equal(trunk_hop_doubts(h), 2);
	assert_int_equal(trunk_doubts(a->trunk), 2);
	trunk_hop_carries(h, false);
	assert_int_equal(asked(a, 400000) + asked(a, 500000), 0);
}

/* That a phone behind it gave no answer does not mean that the hop is another. */
static void a_silent_phone_puts_nothing_in_doubt(void **state)
{
	struct trunk_send *s = &sides[A].send;
	trunk_want(s);
	trunk_send_timed_out(s);
	trunk_hop_answers(s->hop);
	assert_int_equal(trunk_hop_doubts(s->hop), 0);
	trunk_send_unreached(s);
	assert_int_equal(trunk_hop_doubts(s->hop), 1);
	trunk_send_unreached(s);
	assert_int_equal(trunk_hop_doubts(s->hop), 1);
	answered(s, XFED_SPAN("MESSAGE"), 200);
	assert_int_equal(trunk_hop_doubts(s->hop), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(a_session), TEST(asked_inside), TEST(cancelled), TEST(what_is_taken), TEST(ways),
		TEST(a_way_is_judged_again), TEST(where_we_have_called), TEST(what_a_refusal_says_is_kept), TEST(what_an_answer_says_of_the_hop),
		TEST(what_is_old_is_forgotten), TEST(dialogs_over_udp_are_looked_after), TEST(a_silent_phone_puts_nothing_in_doubt),
		TEST(a_dialog_says_nothing_of_the_hop), TEST(who_answers_by_tcp_takes_it) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
