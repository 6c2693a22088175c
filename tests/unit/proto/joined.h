/*
 * Two engines joined in memory by a session without TLS: what one sends the other takes. For test_exchange.c and
 * fuzz_exchange.c; a program defines joined_user, the functions both engines call, and gets the end as their argument.
 */
#ifndef TESTS_UNIT_PROTO_JOINED_H
#define TESTS_UNIT_PROTO_JOINED_H

#include <stdlib.h>
#include <string.h>

#include "proto/exchange.h"

#define JOINED_MUST(cond) ((cond) ? (void)0 : abort())

static const struct proto_exchange_user joined_user;

struct joined;
struct end {
	struct joined *joined;
	const char *name;
	enum proto_role role;
	uint64_t nonce;
	struct proto_exchange *x;
	struct proto_session *session; /* NULL: no link */
	struct proto_exchange_link *link;
	bool is_down;
	bool is_awake;
	uint64_t pump_at; /* what the last pump said */
};

struct joined {
	struct end gw, edge;
	uint64_t now;
	size_t chunk; /* most bytes carried at once; 0: all there are */
};

static void joined_random(void *user, void *out, size_t len)
{
	memset(out, 7, len);
}

static int64_t joined_wall(void *user)
{
	return 1780000000;
}

static void joined_make(struct end *e, const struct proto_exchange_config *cfg)
{
	JOINED_MUST(proto_exchange_new(cfg, &joined_user, e, &e->x) == XFED_OK);
}

static void joined_init(struct joined *j, const struct proto_exchange_config *gw, const struct proto_exchange_config *edge)
{
	j->now = 1000;
	j->gw = (struct end){ .joined = j, .name = "gw1", .role = PROTO_GATEWAY, .nonce = 0x90 };
	j->edge = (struct end){ .joined = j, .name = "edge1", .role = PROTO_EDGE, .nonce = 0xe0 };
	joined_make(&j->gw, gw);
	joined_make(&j->edge, edge);
}

static void joined_drain(struct end *e)
{
	struct proto_action act;
	while (!e->is_down && proto_session_next(e->session, &act)) {
		switch (act.type) {
		case PROTO_ACT_UP:
			JOINED_MUST(proto_exchange_up(e->x, e->session, e->joined->now, &e->link) == XFED_OK);
			break;
		case PROTO_ACT_MESSAGE:
			if (e->link) {
				proto_exchange_take(e->x, e->link, act.frame, act.frame_bytes, e->joined->now);
			}
			break;
		case PROTO_ACT_CREDIT:
			proto_exchange_credit(e->x, e->link);
			break;
		case PROTO_ACT_DOWN:
			e->is_down = true;
			break;
		case PROTO_ACT_JOB:
			abort(); /* there is no TLS */
		}
	}
}

static struct proto_session *joined_session(struct end *e)
{
	static const struct xfed_env env = { NULL, joined_random, joined_wall, NULL };
	static const char *const allow[] = { "gw1.int.example" };
	struct proto_session_config cfg = {
		.env = &env,
		.role = e->role,
		.host = e->role == PROTO_GATEWAY ? XFED_SPAN("edge1.int.example") : (struct xfed_span){ NULL, 0 },
		.allow = e->role == PROTO_EDGE ? allow : NULL,
		.allow_count = e->role == PROTO_EDGE ? 1 : 0,
		.plaintext_for_tests = true,
		.hello = {
			.name = xfed_span_str(e->name),
			.boot_nonce = e->nonce,
			.lowest_unsettled = proto_outbox_lowest_unsettled(proto_exchange_outbox(e->x)),
			.software = XFED_SPAN("xfed test"),
		},
	};
	struct proto_session *s;
	JOINED_MUST(proto_session_new(&cfg, e->joined->now, &s) == XFED_OK);
	return s;
}

static void joined_let_go(struct end *e)
{
	if (e->link) {
		struct proto_exchange_link *l = e->link;
		e->link = NULL;
		proto_exchange_down(e->x, l, e->joined->now);
	}
	proto_session_free(e->session);
	e->session = NULL;
	e->is_down = false;
}

static void joined_cut(struct joined *j)
{
	if (j->gw.session) {
		joined_let_go(&j->gw);
		joined_let_go(&j->edge);
	}
}

/* The end of a loop turn. */
static void joined_turn(struct end *e)
{
	e->is_awake = false;
	e->pump_at = proto_exchange_pump(e->x, e->joined->now);
	if (e->session) {
		proto_session_set_lowest(e->session, proto_outbox_lowest_unsettled(proto_exchange_outbox(e->x)));
		proto_session_flush(e->session, e->joined->now);
		joined_drain(e);
	}
}

static bool joined_carry(struct end *from, struct end *to)
{
	if (!from->session) {
		return false;
	}
	struct xfed_buf *out = proto_session_output(from->session);
	struct xfed_span bytes = xfed_buf_span(out);
	size_t chunk = from->joined->chunk;
	bytes.len = chunk && bytes.len > chunk ? chunk : bytes.len;
	if (bytes.len == 0) {
		return false;
	}
	struct proto_event ev = { .type = PROTO_EV_BYTES, .bytes = bytes };
	proto_session_step(to->session, &ev, to->joined->now);
	xfed_buf_consume(out, ev.consumed);
	joined_drain(to);
	return true;
}

/* One turn of each, and what they have to say, in both directions. False: nothing moved. */
static bool joined_step(struct joined *j)
{
	joined_turn(&j->gw);
	joined_turn(&j->edge);
	bool moved = joined_carry(&j->gw, &j->edge);
	moved = joined_carry(&j->edge, &j->gw) || moved;
	if (j->gw.is_down || j->edge.is_down) {
		joined_cut(j); /* the other end finds its socket closed */
	}
	return moved;
}

static void joined_run(struct joined *j)
{
	while (joined_step(j)) {
	}
}

static void joined_link(struct joined *j)
{
	joined_cut(j);
	j->gw.session = joined_session(&j->gw);
	j->edge.session = joined_session(&j->edge);
}

static void joined_free(struct joined *j)
{
	joined_cut(j);
	proto_exchange_free(j->gw.x);
	proto_exchange_free(j->edge.x);
}

#endif
