#include <stdio.h>

#include "proto/session_impl.h"

static void go_bad(struct proto_session *s, const char *problem)
{
	proto_session_go_down(s, XFED_REASON_CHANNEL_FRAME_BAD, problem);
}

static void *peer_alloc(void *arena, size_t size)
{
	return xfed_arena_alloc(arena, size);
}

static void peer_free(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

/* Copies the peer's Hello, because its frame ends. */
static Xfed__Hello *keep_hello(struct proto_session *s, const Xfed__Hello *h)
{
	ProtobufCAllocator allocator = { peer_alloc, peer_free, &s->peer_memory };
	size_t len = xfed__hello__get_packed_size(h);
	uint8_t *packed = xfed_arena_alloc(&s->peer_memory, len);
	if (!packed) {
		return NULL;
	}
	xfed__hello__pack(h, packed);
	return xfed__hello__unpack(&allocator, len, packed);
}

static void take_hello(struct proto_session *s, const Xfed__Hello *h)
{
	Xfed__Role wanted = s->role == PROTO_EDGE ? XFED__ROLE__ROLE_GATEWAY : XFED__ROLE__ROLE_EDGE;
	uint32_t low = h->version_min > s->hello->version_min ? h->version_min : s->hello->version_min;
	uint32_t high = h->version_max < s->hello->version_max ? h->version_max : s->hello->version_max;
	if (h->role != wanted) {
		go_bad(s, "hello: both ends have one role");
		return;
	}
	if (low > high) {
		char text[128];
		snprintf(text, sizeof(text), "we speak %u to %u, the peer %u to %u", s->hello->version_min, s->hello->version_max, h->version_min,
			h->version_max);
		proto_session_go_down(s, XFED_REASON_CHANNEL_VERSION, text);
		return;
	}
	Xfed__Hello *kept = keep_hello(s, h);
	if (!kept) {
		proto_session_go_nomem(s);
		return;
	}
	s->peer.hello = kept;
	s->peer.name = kept->name;
	s->peer.boot_nonce = kept->boot_nonce;
	s->peer.version = high;
	s->peer.cert_name = s->peer.cert_name ? s->peer.cert_name : "";
	s->peer.tls_version = s->peer.tls_version ? s->peer.tls_version : "";
	s->peer.cipher = s->peer.cipher ? s->peer.cipher : "";
	s->ping_due_ms = s->now_ms + XFED_CHANNEL_PING_MS;
	s->pending |= PENDING_UP;
	proto_session_enter(s, PROTO_READY);
}

static void take_close(struct proto_session *s, const Xfed__Close *c)
{
	enum xfed_reason reason = xfed_reason_of_peer(xfed_span_str(c->reason));
	char text[sizeof(s->text)];
	snprintf(text, sizeof(text), "the peer closed: %.180s", c->text);
	s->peer_said_close = true;
	proto_session_go_down(s, reason != XFED_REASON_NONE ? reason : XFED_REASON_CHANNEL_DOWN, text);
}

/* The time was under way for one of the two ways of the round trip. */
static void take_clock(struct proto_session *s, uint64_t wall_ms)
{
	proto_clock_take(&s->clock, wall_ms, proto_session_wall_ms(s), s->rtt_us / 2000);
}

static void take_pong(struct proto_session *s, const Xfed__Pong *p)
{
	if (s->ping_outstanding && p->id == s->ping_id) {
		s->ping_outstanding = false;
		s->rtt_us = (s->now_ms - s->ping_sent_ms) * 1000;
		take_clock(s, p->wall_ms);
	}
}

static void take_credit(struct proto_session *s, const Xfed__Credit *c)
{
	if (!proto_credit_add(&s->credit.out, c->messages, c->bytes)) {
		go_bad(s, "credit: more than the protocol allows");
		return;
	}
	if (c->taken < s->taken || c->taken > s->delivered) {
		go_bad(s, "credit: a count of what was taken that cannot be");
		return;
	}
	s->taken = c->taken;
	proto_pace_credit(&s->pace, c->messages, c->bytes, s->now_ms);
	s->pending |= PENDING_CREDIT;
}

/* Whether it is allowed now, from this peer, and covered by credit; NULL: it is. */
static const char *legal_problem(struct proto_session *s, const Xfed__Frame *f, size_t bytes)
{
	bool is_hello = f->body_case == XFED__FRAME__BODY_HELLO;
	Xfed__Role theirs = s->role == PROTO_EDGE ? XFED__ROLE__ROLE_GATEWAY : XFED__ROLE__ROLE_EDGE;
	if (s->state == PROTO_WAIT_HELLO) {
		return is_hello || f->body_case == XFED__FRAME__BODY_CLOSE ? NULL : "a message before hello";
	}
	if (is_hello) {
		return "a second hello";
	}
	if (!proto_check_sender(theirs, f->body_case)) {
		return "a message that is not the peer's to send";
	}
	if (f->body_case == XFED__FRAME__BODY_DELIVER && !proto_credit_take(&s->credit.in, bytes)) {
		return "a deliver beyond the credit";
	}
	return NULL;
}

static void count_outcomes(struct proto_session *s, const Xfed__Frame *f)
{
	if (f->body_case == XFED__FRAME__BODY_SETTLED) {
		s->outcomes_in += f->settled->n_outcomes;
	}
}

/* False: the link is closed for it. */
static bool take_heard(struct proto_session *s, uint64_t heard)
{
	if (heard > 0 && !proto_told_hear(&s->told, heard)) { /* 0: the peer does not say */
		go_bad(s, "a count of outcomes that cannot be");
		return false;
	}
	return true;
}

/* True: the message is passed to the driver. */
static bool take_frame(struct proto_session *s, const Xfed__Frame *f)
{
	const char *problem = legal_problem(s, f, s->reader.frame_bytes);
	if (problem) {
		go_bad(s, problem);
		return false;
	}
	switch (f->body_case) {
	case XFED__FRAME__BODY_HELLO:
		take_hello(s, f->hello);
		return false;
	case XFED__FRAME__BODY_PING:
		proto_session_send_number(s, XFED__FRAME__BODY_PONG, f->ping->id);
		take_clock(s, f->ping->wall_ms);
		return take_heard(s, f->ping->outcomes_heard) && s->state == PROTO_READY;
	case XFED__FRAME__BODY_DELIVER:
		return take_heard(s, f->deliver->outcomes_heard);
	case XFED__FRAME__BODY_PONG:
		take_pong(s, f->pong);
		return false;
	case XFED__FRAME__BODY_CREDIT:
		take_credit(s, f->credit);
		return false;
	case XFED__FRAME__BODY_CLOSE:
		take_close(s, f->close);
		return false;
	default: /* all others are the driver's; illegal ones were refused before */
		count_outcomes(s, f);
		return true;
	}
}

/* Decrypts more for the reader. False: nothing now. */
static bool decrypt_more(struct proto_session *s)
{
	if (s->is_plaintext) {
		return false;
	}
	proto_session_feed_tls(s);
	size_t room = s->reader.in.cap_bytes - xfed_buf_len(&s->reader.in), len = 0;
	char *to = s->state == PROTO_CLOSED ? NULL : xfed_buf_reserve(&s->reader.in, room < 16384 ? room : 16384);
	if (!to) {
		proto_session_go_nomem(s);
		return false;
	}
	switch (xfed_tls_read(s->tls, to, room < 16384 ? room : 16384, &len)) {
	case XFED_TLS_DONE:
		xfed_buf_commit(&s->reader.in, len);
		return true;
	case XFED_TLS_WANT_INPUT:
		/* There is room again, and more may be waiting. */
		return xfed_buf_len(&s->raw) > 0 && xfed_tls_input_room(s->tls) > 0;
	case XFED_TLS_CLOSED:
		s->is_eof = true;
		return false;
	case XFED_TLS_FAILED:
		proto_session_go_down(s, XFED_REASON_CHANNEL_FRAME_BAD, xfed_tls_error_text(s->tls));
		return false;
	}
	return false;
}

/* Reads until there is a message. True: *act is one. */
bool proto_session_pump(struct proto_session *s, struct proto_action *act)
{
	const Xfed__Frame *f;
	while (s->state == PROTO_WAIT_HELLO || s->state == PROTO_READY) {
		switch (proto_frame_next(&s->reader, &f)) {
		case PROTO_FRAME_MESSAGE:
			if (take_frame(s, f)) {
				*act = (struct proto_action){ PROTO_ACT_MESSAGE, f, s->reader.frame_bytes, XFED_REASON_NONE, "" };
				return true;
			}
			if (s->pending) {
				return false;
			}
			break;
		case PROTO_FRAME_UNKNOWN:
			break;
		case PROTO_FRAME_BAD:
			go_bad(s, s->reader.problem);
			return false;
		case PROTO_FRAME_NOMEM:
			proto_session_go_nomem(s);
			return false;
		case PROTO_FRAME_MORE:
			if (decrypt_more(s)) {
				break;
			}
			if (s->is_eof) {
				proto_session_go_down(s, XFED_REASON_CHANNEL_DOWN, "the connection was closed");
			}
			return false;
		}
	}
	return false;
}
