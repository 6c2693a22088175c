/*
 * One operation of one layer in a fixed loop, to be counted under callgrind: the difference of two runs with different
 * counts is what the operation costs, without start-up (floor.py does that). By hand:
 *
 *   bench_micro CERTIFICATES NAME COUNT       without NAME: the names
 *   valgrind --tool=callgrind bench_micro CERTIFICATES xml-reader 1000
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "interwork/address.h"
#include "interwork/im.h"
#include "proto/frame.h"
#include "proto/inbox.h"
#include "proto/outbox.h"
#include "sip/layer.h"
#include "sip/message.h"
#include "sip/print.h"
#include "xfed/limits.h"
#include "xfed/s2s.h"
#include "xfed/tls.h"

#define HEADER                                                                                                                                       \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' "                                               \
	"xmlns:stream='http://etherx.jabber.org/streams' from='partner.example' to='corp.example' version='1.0'>"
#define STANZA                                                                                                                                       \
	"<message from='u17@partner.example/balcony-3f2a' to='l17@corp.example' type='chat' id='b0000000017' xml:lang='en'>"                         \
	"<body>#0000000017# Art thou not Romeo? 0123456789 &amp; more</body><thread>e0ffe42b28561960c6b1</thread>"                                   \
	"<active xmlns='http://jabber.org/protocol/chatstates'/></message>"
#define CANONICAL                                                                                                                                    \
	"<message xmlns=\"jabber:server\" from=\"u17@partner.example/balcony-3f2a\" to=\"l17@corp.example\" type=\"chat\" "                          \
	"id=\"b0000000017\" xml:lang=\"en\"><body>#0000000017# Art thou not Romeo? 0123456789 &amp; more</body><thread>"                             \
	"e0ffe42b28561960c6b1</thread><active xmlns=\"http://jabber.org/protocol/chatstates\"/></message>"
#define BODY "#0000000017# Art thou not Romeo? 0123456789 & more"
#define REQUEST                                                                                                                                      \
	"MESSAGE sip:u17@partner.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKb0000000017\r\n"                                   \
	"Max-Forwards: 70\r\nFrom: <sip:l17@corp.example>;tag=4a6f17\r\nTo: <sip:u17@partner.example>\r\n"                                           \
	"Call-ID: b0000000017@bench\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 50\r\n\r\n" BODY
/* As clients of the Lync family write it: quoted names, parameters, lists. */
#define QUOTED_REQUEST                                                                                                                               \
	"MESSAGE sip:u17@partner.example SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:5070;branch=z9hG4bKb0000000017\r\n"                                   \
	"Max-Forwards: 70\r\nFrom: \"User 17, Corp\" <sip:l17@corp.example>;tag=4a6f17;epid=0a1b2c3d4e\r\n"                                          \
	"To: \"\" <sip:u17@partner.example>\r\nCall-ID: b0000000017\r\nCSeq: 1 MESSAGE\r\n"                                                          \
	"Contact: <sip:l17@corp.example;opaque=user:epid:kd1Jb6;gruu>;text;audio\r\n"                                                                \
	"User-Agent: UCCAPI/15.0.4420.1017 OC/15.0.4420.1017 (Microsoft Lync)\r\nContent-Type: text/plain; charset=UTF-8\r\n"                        \
	"Content-Length: 50\r\n\r\n" BODY
#define RESPONSE                                                                                                                                     \
	"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP fe.corp.example:5060;branch=z9hG4bK0123456789abcdef0123456789abcdef.0;rport\r\n"                         \
	"From: <sip:u17@partner.example>;tag=0123456789abcdef\r\nTo: <sip:l17@corp.example>;tag=x\r\n"                                               \
	"Call-ID: 0123456789abcdef0123456789abcdef@fe.corp.example\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"

static const char *certs;
static uint32_t random_state = 1;

static void require(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench_micro: %s\n", what);
		exit(1);
	}
}

static void fill_random(void *user, void *out, size_t len)
{
	unsigned char *at = out;
	for (size_t i = 0; i < len; i++) {
		random_state = random_state * 1664525 + 1013904223;
		at[i] = (unsigned char)(random_state >> 24);
	}
}

static int64_t wall_s(void *user)
{
	return time(NULL);
}

static const struct xfed_env env = { NULL, fill_random, wall_s, NULL };
static const struct xfed_xml_limits limits = { XFED_STANZA_BYTES_DEFAULT, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };

/* ---- XML and stanzas ---- */

static void xml_reader(long count)
{
	struct xfed_xml_reader *r;
	size_t used;
	require(xfed_xml_reader_new(&limits, &r) == XFED_OK && xfed_xml_reader_feed(r, XFED_SPAN(HEADER), &used) == XFED_XML_HEADER, "header");
	for (long i = 0; i < count; i++) {
		require(xfed_xml_reader_feed(r, XFED_SPAN(STANZA), &used) == XFED_XML_ELEMENT, "stanza");
	}
	xfed_xml_reader_free(r);
}

static struct xfed_xml_reader *fragment(const char *text)
{
	struct xfed_xml_reader *r;
	require(xfed_xml_reader_new_fragment(&limits, &r) == XFED_OK, "reader");
	require(xfed_xml_reader_fragment(r, xfed_span_str(text)) == XFED_XML_ELEMENT, "fragment");
	return r;
}

static void xml_fragment(long count)
{
	struct xfed_xml_reader *r = fragment(CANONICAL);
	for (long i = 0; i < count; i++) {
		require(xfed_xml_reader_fragment(r, XFED_SPAN(CANONICAL)) == XFED_XML_ELEMENT, "fragment");
	}
	xfed_xml_reader_free(r);
}

static void xml_write(long count)
{
	struct xfed_xml_reader *r = fragment(CANONICAL);
	struct xfed_buf out;
	xfed_buf_init(&out, XFED_STANZA_BYTES_MAX);
	for (long i = 0; i < count; i++) {
		xfed_buf_clear(&out);
		require(xfed_xml_write(&out, xfed_xml_reader_elem(r), XFED_SPAN("")) == XFED_OK, "write");
	}
	xfed_buf_deinit(&out);
	xfed_xml_reader_free(r);
}

static void stanza_view(long count)
{
	struct xfed_xml_reader *r = fragment(CANONICAL);
	struct xfed_arena a;
	struct xfed_stanza s;
	xfed_arena_init(&a, 65536);
	for (long i = 0; i < count; i++) {
		xfed_arena_reset(&a);
		require(xfed_stanza_view(&a, xfed_xml_reader_elem(r), &s) == XFED_STANZA_OK, "view");
	}
	xfed_arena_deinit(&a);
	xfed_xml_reader_free(r);
}

/* ---- TLS ---- */

static struct xfed_span read_file(const char *name)
{
	static char memory[8][65536];
	static size_t used;
	char path[512];
	require(used < 8, "files");
	snprintf(path, sizeof(path), "%s/%s", certs, name);
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, memory[used], sizeof(memory[used]));
	require(n > 0, path);
	close(fd);
	return xfed_span_make(memory[used++], (size_t)n);
}

static struct xfed_tls_creds *creds_of(const char *chain, const char *key)
{
	struct xfed_tls_keypair pair = { read_file(chain), read_file(key) };
	struct xfed_tls_creds_config config = { .pairs = &pair, .pair_count = 1, .ca_pem = read_file("ca.pem") };
	struct xfed_tls_creds *creds;
	char error[256];
	require(xfed_tls_creds_new(&config, &creds, error, sizeof(error)) == XFED_OK, error);
	return creds;
}

static void move_bytes(struct xfed_tls *from, struct xfed_tls *to)
{
	struct xfed_buf *out = xfed_tls_output(from);
	require(xfed_tls_input(to, xfed_buf_span(out)) == XFED_OK, "input");
	xfed_buf_consume(out, xfed_buf_len(out));
}

static void shake(struct xfed_tls *t)
{
	if (!xfed_tls_is_established(t)) {
		xfed_tls_handshake_step(t);
	}
}

static void join(struct xfed_tls **client, struct xfed_tls **server)
{
	struct xfed_tls_creds *c = creds_of("partner.chain.pem", "partner.key"), *s = creds_of("corp.chain.pem", "corp.key");
	struct xfed_tls_params cp = { .role = XFED_TLS_CLIENT, .name = XFED_SPAN("corp.example") }, sp = { .role = XFED_TLS_SERVER };
	require(xfed_tls_global_init(&env) == XFED_OK, "GnuTLS");
	require(xfed_tls_new(&env, c, &cp, client) == XFED_OK && xfed_tls_new(&env, s, &sp, server) == XFED_OK, "sessions");
	for (int i = 0; i < 8; i++) {
		shake(*client);
		move_bytes(*client, *server);
		shake(*server);
		move_bytes(*server, *client);
	}
	char rest[64];
	size_t len;
	xfed_tls_read(*client, rest, sizeof(rest), &len); /* tickets */
	require(xfed_tls_is_established(*client) && xfed_tls_is_established(*server), "handshake");
}

static void tls_out(long count)
{
	struct xfed_tls *client, *server;
	join(&client, &server);
	for (long i = 0; i < count; i++) {
		require(xfed_tls_write(client, XFED_SPAN(STANZA)) == XFED_OK, "write");
		xfed_buf_clear(xfed_tls_output(client));
	}
	xfed_tls_free(client);
	xfed_tls_free(server);
}

static void tls_both(long count)
{
	struct xfed_tls *client, *server;
	char text[4096];
	size_t len;
	join(&client, &server);
	for (long i = 0; i < count; i++) {
		require(xfed_tls_write(client, XFED_SPAN(STANZA)) == XFED_OK, "write");
		move_bytes(client, server);
		require(xfed_tls_read(server, text, sizeof(text), &len) == XFED_TLS_DONE && len == sizeof(STANZA) - 1, "read");
		require(xfed_tls_read(server, text, sizeof(text), &len) == XFED_TLS_WANT_INPUT, "read all");
	}
	xfed_tls_free(client);
	xfed_tls_free(server);
}

/* ---- the conductor, in the clear: a stanza of a pair proved by dialback ---- */

static bool s2s_answer(const struct xfed_s2s_action *act, struct xfed_s2s_event *ev)
{
	struct xfed_s2s_decision may = { .methods = XFED_METHOD_DIALBACK_PLAIN, .stanza_bytes = XFED_STANZA_BYTES_DEFAULT };
	switch (act->type) {
	case XFED_S2S_HEADER:
		*ev = (struct xfed_s2s_event){ .type = XFED_S2S_DECISION, .decision = may };
		return true;
	case XFED_S2S_PAIR:
		*ev = (struct xfed_s2s_event){ .type = XFED_S2S_PAIR_DECISION, .decision = may, .is_local = true };
		return true;
	case XFED_S2S_ASK_VERIFY:
		*ev = (struct xfed_s2s_event){ .type = XFED_S2S_VERDICT, .question = act->question, .verdict = XFED_DIALBACK_VERDICT_VALID };
		return true;
	default:
		return false;
	}
}

/* How many stanzas came out. */
static long s2s_feed(struct xfed_s2s *s, struct xfed_s2s_event ev)
{
	struct xfed_s2s_action act;
	long stanzas = 0;
	bool again;
	do {
		struct xfed_s2s_event answer;
		require(xfed_s2s_step(s, &ev, 1000) == XFED_OK, "step");
		again = false;
		while (xfed_s2s_next(s, &act)) {
			stanzas += act.type == XFED_S2S_STANZA;
			require(act.type != XFED_S2S_CLOSED, act.text ? act.text : "closed");
			again = s2s_answer(&act, &answer) || again;
		}
		if (again) {
			ev = answer;
		} else if (ev.type == XFED_S2S_BYTES && ev.consumed < ev.bytes.len) {
			ev.bytes = xfed_span_make(ev.bytes.data + ev.consumed, ev.bytes.len - ev.consumed);
			again = true;
		} else if (xfed_s2s_has_pending(s)) {
			ev = (struct xfed_s2s_event){ .type = XFED_S2S_PUMP };
			again = true;
		}
	} while (again);
	return stanzas;
}

static void s2s_in(long count)
{
	struct xfed_buf out;
	struct xfed_s2s_config config = { .env = &env, .direction = XFED_S2S_IN, .out = &out };
	struct xfed_s2s *s;
	xfed_buf_init(&out, XFED_S2S_OUTPUT_BYTES);
	require(xfed_s2s_new(&config, &s) == XFED_OK, "machine");
	s2s_feed(s, (struct xfed_s2s_event){ .type = XFED_S2S_START });
	s2s_feed(s, (struct xfed_s2s_event){ .type = XFED_S2S_BYTES, .bytes = XFED_SPAN(HEADER) });
	s2s_feed(s, (struct xfed_s2s_event){ .type = XFED_S2S_BYTES,
			    .bytes = XFED_SPAN("<db:result from='partner.example' to='corp.example'>0123456789abcdef</db:result>") });
	for (long i = 0; i < count; i++) {
		require(s2s_feed(s, (struct xfed_s2s_event){ .type = XFED_S2S_BYTES, .bytes = XFED_SPAN(STANZA) }) == 1, "no stanza");
	}
	xfed_s2s_free(s);
	xfed_buf_deinit(&out);
}

/* ---- the channel ---- */

static void fill_deliver(Xfed__Deliver *d)
{
	*d = (Xfed__Deliver)XFED__DELIVER__INIT;
	d->seq = 17;
	d->kind = XFED__KIND__KIND_MESSAGE;
	d->type = (char *)(uintptr_t) "chat";
	d->id = (char *)(uintptr_t) "b0000000017";
	d->from = (char *)(uintptr_t) "u17@partner.example/balcony-3f2a";
	d->to = (char *)(uintptr_t) "l17@corp.example";
	d->lang = (char *)(uintptr_t) "en";
	d->remaining_ms = 60000;
	d->stanza = (ProtobufCBinaryData){ sizeof(CANONICAL) - 1, (uint8_t *)(uintptr_t)CANONICAL };
	d->lowest_unsettled = 1;
}

static void frame_pack(long count)
{
	Xfed__Deliver d;
	Xfed__Frame f = XFED__FRAME__INIT;
	struct xfed_buf out;
	fill_deliver(&d);
	f.body_case = XFED__FRAME__BODY_DELIVER;
	f.deliver = &d;
	xfed_buf_init(&out, XFED_FRAME_BYTES_MAX);
	for (long i = 0; i < count; i++) {
		xfed_buf_clear(&out);
		require(proto_frame_write(&out, &f) == XFED_OK, "pack");
	}
	xfed_buf_deinit(&out);
}

static void frame_unpack(long count)
{
	Xfed__Deliver d;
	Xfed__Frame f = XFED__FRAME__INIT;
	const Xfed__Frame *got;
	struct xfed_buf out;
	struct proto_frame_reader r;
	bool nomem;
	fill_deliver(&d);
	f.body_case = XFED__FRAME__BODY_DELIVER;
	f.deliver = &d;
	xfed_buf_init(&out, XFED_FRAME_BYTES_MAX);
	require(proto_frame_write(&out, &f) == XFED_OK, "pack");
	proto_frame_reader_init(&r);
	for (long i = 0; i < count; i++) {
		require(proto_frame_feed(&r, xfed_buf_span(&out), &nomem) == xfed_buf_len(&out), "feed");
		require(proto_frame_next(&r, &got) == PROTO_FRAME_MESSAGE, "unpack");
	}
	proto_frame_reader_deinit(&r);
	xfed_buf_deinit(&out);
}

/* All that the tables of both ends do for one message to SIP. */
static void delivery(long count)
{
	struct proto_outbox *out;
	struct proto_inbox *in;
	struct proto_delivery_new n = {
		.kind = XFED__KIND__KIND_MESSAGE,
		.replay = PROTO_REPLAY_UNATTEMPTED,
		.type = XFED_SPAN("chat"),
		.id = XFED_SPAN("b0000000017"),
		.from = XFED_SPAN("u17@partner.example/balcony-3f2a"),
		.to = XFED_SPAN("l17@corp.example"),
		.lang = XFED_SPAN("en"),
		.stanza = XFED_SPAN(CANONICAL),
		.correlation = XFED_SPAN("e1-17"),
		.deadline_ms = 61000,
		.peer = PROTO_OUTBOX_NO_PEER,
	};
	require(proto_outbox_new(NULL, &out) == XFED_OK, "outbox");
	require(proto_inbox_new(0, &in) == XFED_OK, "inbox");
	int peer = proto_outbox_peer(out, XFED_SPAN("gw1"));
	proto_outbox_peer_up(out, peer, 7, 1000);
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 9, 1, 1000);
	for (long i = 0; i < count; i++) {
		uint64_t seq;
		Xfed__Deliver d;
		Xfed__SipKey sip;
		enum proto_inbox_verdict v;
		struct proto_inbox_entry *e;
		n.pair_key = 1 + (uint64_t)i % 2000;
		require(proto_outbox_add(out, &n, 1000, &seq) == XFED_OK, "add");
		const struct proto_delivery *next = proto_outbox_next(out, peer);
		require(next != NULL, "next");
		proto_outbox_message(out, next, 1000, &d, &sip);
		proto_outbox_sent(out, next, peer);
		require(proto_inbox_reserve(in, run, 1) == 1 && proto_inbox_receive(in, run, seq, &v, &e) == XFED_OK, "receive");
		require(proto_inbox_asked(in, run, seq) == XFED_OK && proto_outbox_attempted(out, peer, seq), "attempted");
		require(proto_inbox_acked(in, run, seq) == XFED_OK, "acked");
		Xfed__Outcome oc = XFED__OUTCOME__INIT;
		oc.seq = seq;
		oc.fate = XFED__FATE__FATE_DELIVERED;
		require(proto_inbox_settle(in, run, &oc, NULL, 1000) == XFED_OK, "settle");
		struct proto_delivery *done = proto_outbox_settled(out, peer, &oc);
		require(done != NULL, "settled");
		proto_outbox_done(out, done);
		proto_inbox_lowest(in, run, proto_outbox_lowest_unsettled(out));
	}
	proto_outbox_free(out);
	proto_inbox_free(in);
}

/* ---- interworking and SIP ---- */

static void im_to_sip(long count)
{
	struct xfed_xml_reader *r = fragment(CANONICAL);
	struct xfed_arena a, mine;
	struct xfed_stanza s;
	struct iw_sip_im im;
	struct xfed_span uri;
	xfed_arena_init(&a, 65536);
	xfed_arena_init(&mine, 65536);
	require(xfed_stanza_view(&mine, xfed_xml_reader_elem(r), &s) == XFED_STANZA_OK, "view");
	for (long i = 0; i < count; i++) {
		xfed_arena_reset(&a);
		require(iw_im_to_sip(&a, &s, &im) == IW_DELIVER, "translation");
		require(iw_jid_to_sip(&a, &s.from, NULL, &uri) == XFED_OK && iw_jid_to_sip(&a, &s.to, NULL, &uri) == XFED_OK, "addresses");
	}
	xfed_arena_deinit(&a);
	xfed_arena_deinit(&mine);
	xfed_xml_reader_free(r);
}

static void im_to_xmpp(long count)
{
	struct xfed_arena a;
	struct xfed_jid from, to;
	enum xfed_reason why;
	struct iw_sip_message m = { .content_type = XFED_SPAN("text/plain"), .body = XFED_SPAN(BODY) };
	struct iw_xmpp_im im;
	struct xfed_buf out;
	xfed_buf_init(&out, XFED_STANZA_BYTES_MAX);
	xfed_arena_init(&a, 65536);
	for (long i = 0; i < count; i++) {
		xfed_arena_reset(&a);
		xfed_buf_clear(&out);
		require(iw_sip_to_jid(&a, XFED_SPAN("<sip:l17@corp.example>;tag=1"), &from, &why) == XFED_OK, "from");
		require(iw_sip_to_jid(&a, XFED_SPAN("sip:u17@partner.example"), &to, &why) == XFED_OK, "to");
		struct iw_xmpp_envelope e = { .from = &from, .to = &to, .id = XFED_SPAN("0123456789abcdef0123456789abcdef") };
		require(iw_im_to_xmpp(&a, &m, &e, &im) == IW_DELIVER, "translation");
		require(xfed_xml_write(&out, im.elem, XFED_SPAN("")) == XFED_OK, "write");
	}
	xfed_arena_deinit(&a);
	xfed_buf_deinit(&out);
}

static void parse(struct xfed_span text, long count)
{
	struct sip_message *m;
	struct sip_error err;
	for (long i = 0; i < count; i++) {
		require(sip_message_parse(text, SIP_PARSE_DATAGRAM, &m, &err) == XFED_OK, err.phrase ? err.phrase : "parse");
		sip_message_free(m);
	}
}

static void sip_parse_request(long count)
{
	parse(XFED_SPAN(REQUEST), count);
}

static void sip_parse_quoted(long count)
{
	parse(XFED_SPAN(QUOTED_REQUEST), count);
}

static void sip_parse_response(long count)
{
	parse(XFED_SPAN(RESPONSE), count);
}

static struct sip_request request(void)
{
	return (struct sip_request){
		.method = XFED_SPAN("MESSAGE"),
		.uri = XFED_SPAN("sip:l17@corp.example"),
		.from_uri = XFED_SPAN("sip:u17@partner.example"),
		.from_tag = XFED_SPAN("0123456789abcdef"),
		.to_uri = XFED_SPAN("sip:l17@corp.example"),
		.call_id = XFED_SPAN("0123456789abcdef0123456789abcdef@fe.corp.example"),
		.cseq = 17,
		.user_agent = XFED_SPAN("xfed"),
		.content_type = XFED_SPAN("text/plain;charset=UTF-8"),
		.content_language = XFED_SPAN("en"),
		.body = XFED_SPAN(BODY),
	};
}

static void sip_print(long count)
{
	char out[2048];
	size_t len;
	struct sip_request rq = request();
	struct sip_via_out via = { "UDP", XFED_SPAN("fe.corp.example"), 5060, XFED_SPAN("0123456789abcdef0123456789abcdef.0"), true };
	for (long i = 0; i < count; i++) {
		require(sip_print_request(&rq, &via, out, sizeof(out), &len) == XFED_OK, "print");
	}
}

/* A MESSAGE of ours and its 200: the transaction layer with printing and parsing. */
static void sip_transaction(long count)
{
	struct sip_layer_config config = { .sent_by[SIP_TCP] = { XFED_SPAN("fe.corp.example"), 5060 } };
	struct sip_layer_request rq = { .target = { .transport = SIP_TCP, .ip = "127.0.0.1", .port = 5070 }, .request = request() };
	struct sip_flow_info flow = {
		.id = 1, .transport = SIP_TCP, .peer_ip = "127.0.0.1", .peer_port = 5070, .local_ip = "127.0.0.1", .local_port = 5071
	};
	struct sip_layer *l;
	require(sip_layer_new(&config, &env, &l) == XFED_OK, "layer");
	for (long i = 0; i < count; i++) {
		struct sip_layer_action act;
		char text[1024], branch[64];
		uint64_t txn;
		bool is_over = false;
		snprintf(branch, sizeof(branch), "0123456789abcdef0123456789%ld.0", 100000 + i);
		rq.branch = xfed_span_str(branch);
		require(sip_layer_request(l, &rq, 1000, &txn) == XFED_OK, "request");
		while (sip_layer_next(l, &act)) {
		}
		struct sip_layer_event sent = { .kind = SIP_LAYER_SENT, .txn = txn, .flow_id = 1 };
		sip_layer_step(l, &sent, 1000);
		while (sip_layer_next(l, &act)) {
		}
		snprintf(text, sizeof(text),
			"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP fe.corp.example:5060;branch=z9hG4bK%s\r\n"
			"From: <sip:u17@partner.example>;tag=0123456789abcdef\r\nTo: <sip:l17@corp.example>;tag=x\r\n"
			"Call-ID: 0123456789abcdef0123456789abcdef@fe.corp.example\r\nCSeq: 17 MESSAGE\r\nContent-Length: 0\r\n\r\n",
			branch);
		struct sip_layer_event ev = { .kind = SIP_LAYER_RECV, .flow = &flow, .bytes = xfed_span_str(text) };
		sip_layer_step(l, &ev, 1000);
		while (sip_layer_next(l, &act)) {
			is_over = is_over || act.kind == SIP_ACT_RESPONSE;
		}
		require(is_over, "no response");
	}
	sip_layer_free(l);
}

static const struct {
	const char *name;
	void (*run)(long count);
} benches[] = {
	{ "xml-reader", xml_reader },
	{ "xml-fragment", xml_fragment },
	{ "xml-write", xml_write },
	{ "stanza-view", stanza_view },
	{ "tls-record-out", tls_out },
	{ "tls-record-out-and-in", tls_both },
	{ "s2s-stanza-in", s2s_in },
	{ "frame-pack", frame_pack },
	{ "frame-unpack", frame_unpack },
	{ "delivery-cycle", delivery },
	{ "im-to-sip", im_to_sip },
	{ "im-to-xmpp-and-write", im_to_xmpp },
	{ "sip-parse-request", sip_parse_request },
	{ "sip-parse-quoted", sip_parse_quoted },
	{ "sip-parse-response", sip_parse_response },
	{ "sip-print-request", sip_print },
	{ "sip-transaction", sip_transaction },
};

int main(int argc, char **argv)
{
	certs = argc > 1 ? argv[1] : "";
	require(xfed_xml_global_init() == XFED_OK, "libxml2");
	for (size_t i = 0; i < XFED_ARRAY_LEN(benches); i++) {
		if (argc < 4) {
			printf("%s\n", benches[i].name);
		} else if (strcmp(argv[2], benches[i].name) == 0) {
			benches[i].run(atol(argv[3]));
			return 0;
		}
	}
	return argc < 4 ? 0 : 2;
}
