/*
 * Both ends of a delivery at work: an edge's outbox and two gateways' inboxes over real sessions, with links cut between
 * any two frames, gateways that restart and answers that get lost. The oracle stands outside: how often "SIP" has seen
 * each message, and which fate the edge told its sender (proto/delivery.md: Fates; Attempts and replays 1 to 4; Order).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ends.h"
#include "proto/inbox.h"
#include "proto/outbox.h"

#define MESSAGES 400
#define PAIRS	 6
#define GATEWAYS 2
#define DEADLINE 60000

struct gateway {
	struct proto_inbox *in;
	struct proto_inbox_run *run;
	uint64_t nonce;
	int peer; /* its number in the edge's outbox */
	bool is_linked;
	struct ends link;
	uint64_t answers[MESSAGES + 1]; /* when SIP answers what this run sent; 0: not sent */
};

struct lab {
	struct proto_outbox *out;
	struct gateway gw[GATEWAYS];
	uint64_t now, last;
	uint32_t seed;
	unsigned seen_by_sip[MESSAGES + 1];
	uint64_t pair_of[MESSAGES + 1], newest_of_pair[PAIRS];
	Xfed__Fate fate[MESSAGES + 1];
};

static uint32_t rnd(struct lab *l, uint32_t below)
{
	l->seed = l->seed * 1664525 + 1013904223;
	return (l->seed >> 8) % below;
}

static void told(struct lab *l, struct proto_delivery *d)
{
	assert_int_equal(l->fate[d->seq], XFED__FATE__FATE_NONE);
	l->fate[d->seq] = d->fate;
	proto_outbox_done(l->out, d);
}

static void take_ended(struct lab *l)
{
	for (struct proto_delivery *d; (d = proto_outbox_ended(l->out));) {
		told(l, d);
	}
}

/* ---- the gateway ---- */

static void ask(struct gateway *g, uint64_t seq)
{
	if (proto_inbox_asked(g->in, g->run, seq) == XFED_OK) {
		assert_int_equal(proto_session_attempted(g->link.gw, &seq, 1), XFED_OK);
	}
}

static void gateway_takes(struct lab *l, struct gateway *g, const Xfed__Frame *f, size_t bytes)
{
	enum proto_inbox_verdict v;
	struct proto_inbox_entry *e;
	if (f->body_case == XFED__FRAME__BODY_DELIVER) {
		assert_int_equal(proto_inbox_receive(g->in, g->run, f->deliver->seq, &v, &e), XFED_OK);
		if (v == PROTO_INBOX_FIRST) {
			ask(g, f->deliver->seq);
		} else if (v == PROTO_INBOX_DUPLICATE_SETTLED) {
			const Xfed__Outcome *list[] = { e->outcome };
			assert_int_equal(proto_session_settled(g->link.gw, list, 1), XFED_OK);
		}
		proto_inbox_lowest(g->in, g->run, f->deliver->lowest_unsettled);
		proto_session_grant(g->link.gw, proto_inbox_reserve(g->in, g->run, 1), bytes);
	} else if (f->body_case == XFED__FRAME__BODY_ATTEMPTED_ACK) {
		for (size_t i = 0; i < f->attempted_ack->n_seqs; i++) {
			uint64_t seq = f->attempted_ack->seqs[i];
			if (proto_inbox_acked(g->in, g->run, seq) == XFED_OK) {
				uint64_t pair = l->pair_of[seq];
				l->seen_by_sip[seq]++;
				/* Order: SIP sees the messages of a pair in the order they were accepted. */
				assert_true(seq > l->newest_of_pair[pair]);
				l->newest_of_pair[pair] = seq;
				g->answers[seq] = l->now + 1 + rnd(l, 3000);
			}
		}
		for (size_t i = 0; i < f->attempted_ack->n_refused; i++) {
			proto_inbox_forget(g->in, g->run, f->attempted_ack->refused[i]);
		}
	}
}

static void sip_answers(struct lab *l, struct gateway *g)
{
	for (uint64_t seq = 1; seq <= l->last; seq++) {
		Xfed__Outcome oc = XFED__OUTCOME__INIT;
		const Xfed__Outcome *list[] = { &oc };
		oc.seq = seq;
		oc.fate = seq % 3 ? XFED__FATE__FATE_DELIVERED : XFED__FATE__FATE_REFUSED;
		if (g->answers[seq] && g->answers[seq] <= l->now) {
			g->answers[seq] = UINT64_MAX; /* answered */
			assert_int_equal(proto_inbox_settle(g->in, g->run, &oc, NULL, l->now), XFED_OK);
			if (g->is_linked) {
				assert_int_equal(proto_session_settled(g->link.gw, list, 1), XFED_OK);
			}
		}
	}
}

/* A link has come back: everything that may have got lost is told or asked again. */
static void gateway_resumes(struct gateway *g)
{
	for (struct proto_inbox_entry *e = NULL; (e = proto_inbox_iterate(g->run, e));) {
		const Xfed__Outcome *list[] = { e->outcome };
		if (e->state == PROTO_INBOX_SETTLED) {
			assert_int_equal(proto_session_settled(g->link.gw, list, 1), XFED_OK);
		} else if (e->state == PROTO_INBOX_ASKED) {
			assert_int_equal(proto_session_attempted(g->link.gw, &e->seq, 1), XFED_OK);
		}
	}
}

/* ---- the edge ---- */

static void edge_takes(struct lab *l, struct gateway *g, const Xfed__Frame *f)
{
	if (f->body_case == XFED__FRAME__BODY_ATTEMPTED) {
		for (size_t i = 0; i < f->attempted->n_seqs; i++) {
			uint64_t seq = f->attempted->seqs[i];
			bool yes = proto_outbox_attempted(l->out, g->peer, seq);
			proto_session_attempted_ack(g->link.edge, yes ? &seq : NULL, yes, yes ? NULL : &seq, !yes);
		}
	} else if (f->body_case == XFED__FRAME__BODY_SETTLED) {
		for (size_t i = 0; i < f->settled->n_outcomes; i++) {
			struct proto_delivery *d = proto_outbox_settled(l->out, g->peer, f->settled->outcomes[i]);
			if (d) {
				told(l, d);
			}
		}
	}
}

static void edge_sends(struct lab *l, struct gateway *g)
{
	for (const struct proto_delivery *d; g->is_linked && (d = proto_outbox_next(l->out, g->peer));) {
		Xfed__Deliver m;
		Xfed__SipKey sip;
		proto_outbox_message(l->out, d, l->now, &m, &sip);
		if (proto_session_deliver(g->link.edge, &m) != XFED_OK) {
			return;
		}
		proto_outbox_sent(l->out, d, g->peer);
	}
}

static struct lab *current;

static void on_message(struct ends *e, struct proto_session *s, const Xfed__Frame *f, size_t bytes)
{
	struct gateway *g = e->user;
	if (s == e->gw) {
		gateway_takes(current, g, f, bytes);
	} else {
		edge_takes(current, g, f);
	}
}

/* ---- links ---- */

static void link_cut(struct lab *l, struct gateway *g)
{
	if (g->is_linked) {
		g->is_linked = false;
		ends_free(&g->link);
		proto_inbox_link_lost(g->in, g->run, l->now);
		proto_outbox_peer_lost(l->out, g->peer, l->now);
	}
}

static void link_up(struct lab *l, struct gateway *g)
{
	struct proto_session_config gw = ends_config(PROTO_GATEWAY), edge = ends_config(PROTO_EDGE);
	char name[8];
	link_cut(l, g);
	snprintf(name, sizeof(name), "gw%d", (int)(g - l->gw));
	gw.hello.name = xfed_span_str(name);
	gw.hello.boot_nonce = g->nonce;
	edge.hello.lowest_unsettled = proto_outbox_lowest_unsettled(l->out);
	g->link = (struct ends){ .now = l->now, .user = g };
	assert_int_equal(ends_new(&g->link, &gw, &edge), XFED_OK);
	ends_run(&g->link);
	assert_true(proto_session_is_up(g->link.gw) && proto_session_is_up(g->link.edge));
	g->link.on_message = on_message;
	const struct proto_peer *of_gw = proto_session_peer(g->link.gw), *of_edge = proto_session_peer(g->link.edge);
	g->run = proto_inbox_link_up(g->in, xfed_span_str(of_gw->name), of_gw->boot_nonce, of_gw->hello->lowest_unsettled, l->now);
	proto_session_grant(g->link.gw, proto_inbox_reserve(g->in, g->run, 10), 10000);
	g->is_linked = true;
	gateway_resumes(g);
	proto_outbox_peer_up(l->out, g->peer, of_edge->boot_nonce, l->now);
	take_ended(l);
}

/* A process ends: what it knew is gone, and what SIP answers to it nobody hears. */
static void gateway_dies(struct lab *l, struct gateway *g)
{
	link_cut(l, g);
	proto_inbox_free(g->in);
	assert_int_equal(proto_inbox_new(0, &g->in), XFED_OK);
	memset(g->answers, 0, sizeof(g->answers));
	g->nonce++;
}

/* Carries at most a few bytes, so that a cut finds frames under way. */
static void carry_some(struct lab *l, struct gateway *g)
{
	if (g->is_linked) {
		g->link.now = l->now;
		g->link.chunk = 1 + rnd(l, 300);
		for (uint32_t i = rnd(l, 4); i > 0; i--) {
			ends_step(&g->link);
		}
	}
}

static void add_one(struct lab *l)
{
	struct proto_delivery_new n = { .kind = XFED__KIND__KIND_MESSAGE,
		.replay = PROTO_REPLAY_UNATTEMPTED,
		.stanza = XFED_SPAN("<message/>"),
		.deadline_ms = l->now + DEADLINE,
		.peer = PROTO_OUTBOX_NO_PEER };
	if (l->last < MESSAGES) {
		uint64_t pair = rnd(l, PAIRS);
		n.pair_key = 1 + pair;
		assert_int_equal(proto_outbox_add(l->out, &n, l->now, &l->last), XFED_OK);
		l->pair_of[l->last] = pair;
	}
}

static void pass_time(struct lab *l, uint64_t ms)
{
	l->now += ms;
	proto_outbox_tick(l->out, l->now);
	take_ended(l);
	for (int i = 0; i < GATEWAYS; i++) {
		proto_inbox_tick(l->gw[i].in, l->now);
		sip_answers(l, &l->gw[i]);
	}
}

static void one_turn(struct lab *l, uint32_t trouble)
{
	struct gateway *g = &l->gw[rnd(l, GATEWAYS)];
	uint32_t what = rnd(l, 1000);
	if (what < trouble) {
		link_cut(l, g);
	} else if (what < trouble + trouble / 4) {
		gateway_dies(l, g);
	} else if (what < 100 && !g->is_linked) {
		link_up(l, g);
	} else if (what < 300) {
		add_one(l);
	}
	pass_time(l, rnd(l, 10) ? rnd(l, 100) : rnd(l, 4000));
	for (int i = 0; i < GATEWAYS; i++) {
		edge_sends(l, &l->gw[i]);
		carry_some(l, &l->gw[i]);
	}
}

static void check(const struct lab *l, uint32_t seed, unsigned counts[6])
{
	for (uint64_t seq = 1; seq <= l->last; seq++) {
		bool by_sip = l->fate[seq] == XFED__FATE__FATE_DELIVERED || (l->fate[seq] == XFED__FATE__FATE_REFUSED && seq % 3 == 0);
		counts[l->fate[seq]]++;
		if (l->fate[seq] == XFED__FATE__FATE_NONE) {
			fail_msg("seed %u: %llu has no fate", seed, (unsigned long long)seq);
		}
		if (l->seen_by_sip[seq] > 1) {
			fail_msg("seed %u: %llu reached SIP %u times", seed, (unsigned long long)seq, l->seen_by_sip[seq]);
		}
		if (l->fate[seq] == XFED__FATE__FATE_DELIVERED && l->seen_by_sip[seq] != 1) {
			fail_msg("seed %u: %llu is called delivered and never was", seed, (unsigned long long)seq);
		}
		if (l->seen_by_sip[seq] == 1 && !by_sip && l->fate[seq] != XFED__FATE__FATE_UNCERTAIN) {
			fail_msg("seed %u: %llu reached SIP and is called %d", seed, (unsigned long long)seq, l->fate[seq]);
		}
	}
}

static void run_lab(uint32_t seed, uint32_t trouble, unsigned counts[6])
{
	struct lab *l = calloc(1, sizeof(*l));
	current = l;
	l->seed = seed;
	l->now = 1000;
	assert_int_equal(proto_outbox_new(NULL, &l->out), XFED_OK);
	for (int i = 0; i < GATEWAYS; i++) {
		char name[8];
		snprintf(name, sizeof(name), "gw%d", i);
		l->gw[i].peer = proto_outbox_peer(l->out, xfed_span_str(name));
		l->gw[i].nonce = 1000 * (uint64_t)(i + 1);
		assert_int_equal(proto_inbox_new(0, &l->gw[i].in), XFED_OK);
		link_up(l, &l->gw[i]);
	}
	for (int i = 0; i < 4000; i++) {
		one_turn(l, trouble);
	}
	pass_time(l, DEADLINE);
	assert_int_equal(proto_outbox_unaccounted(l->out, l->now), 0);
	check(l, seed, counts);
	for (int i = 0; i < GATEWAYS; i++) {
		link_cut(l, &l->gw[i]);
		proto_inbox_free(l->gw[i].in);
	}
	proto_outbox_free(l->out);
	free(l);
}

/* Without trouble nothing is lost, doubted or refused but by SIP. */
static void in_peace_everything_arrives(void **state)
{
	unsigned counts[6] = { 0 };
	for (uint32_t seed = 1; seed <= 5; seed++) {
		run_lab(seed, 0, counts);
	}
	assert_int_equal(counts[XFED__FATE__FATE_UNCERTAIN], 0);
	assert_int_equal(counts[XFED__FATE__FATE_DELIVERED] + counts[XFED__FATE__FATE_REFUSED], 5 * MESSAGES);
	assert_int_equal(counts[XFED__FATE__FATE_REFUSED], 5 * (MESSAGES / 3));
}

static void in_trouble_each_has_one_fate_and_sip_sees_it_once(void **state)
{
	unsigned counts[6] = { 0 };
	for (uint32_t seed = 100; seed <= 140; seed++) {
		run_lab(seed, 5 + seed % 4 * 10, counts);
	}
	print_message("delivered %u, refused %u, uncertain %u\n", counts[XFED__FATE__FATE_DELIVERED], counts[XFED__FATE__FATE_REFUSED],
		counts[XFED__FATE__FATE_UNCERTAIN]);
	/* The trouble was real, and did not swallow everything. */
	assert_true(counts[XFED__FATE__FATE_UNCERTAIN] > 50);
	assert_true(counts[XFED__FATE__FATE_DELIVERED] > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_peace_everything_arrives),
		cmocka_unit_test(in_trouble_each_has_one_fate_and_sip_sees_it_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
