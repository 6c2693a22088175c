/*
 * The sender's table of deliveries: transcripts for each sentence of proto/delivery.md (Fates, Identity, Attempts and
 * replays, Order; proto/channel.md section 6).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "proto/outbox.h"
#include "xfed/mem.h"

#define DEADLINE 60000

struct box {
	struct proto_outbox *o;
	int a, b; /* two peers */
	uint64_t now;
};

static struct box box_new(void)
{
	struct box x = { .now = 1000 };
	assert_int_equal(proto_outbox_new(NULL, &x.o), XFED_OK);
	x.a = proto_outbox_peer(x.o, XFED_SPAN("gw1"));
	x.b = proto_outbox_peer(x.o, XFED_SPAN("gw2"));
	assert_int_equal(proto_outbox_peer(x.o, XFED_SPAN("gw1")), x.a);
	return x;
}

static uint64_t add_with(struct box *x, uint64_t pair, enum proto_replay replay, int peer, uint64_t withdraw_ms)
{
	struct proto_delivery_new n = {
		.kind = XFED__KIND__KIND_MESSAGE,
		.replay = replay,
		.type = XFED_SPAN("chat"),
		.id = XFED_SPAN("m1"),
		.from = XFED_SPAN("a@a.example"),
		.to = XFED_SPAN("b@b.example"),
		.stanza = XFED_SPAN("<message/>"),
		.pair_key = pair,
		.deadline_ms = x->now + DEADLINE,
		.withdraw_ms = withdraw_ms ? x->now + withdraw_ms : 0,
		.peer = peer,
	};
	uint64_t seq = 0;
	assert_int_equal(proto_outbox_add(x->o, &n, x->now, &seq), XFED_OK);
	return seq;
}

static uint64_t add(struct box *x, uint64_t pair)
{
	return add_with(x, pair, PROTO_REPLAY_UNATTEMPTED, PROTO_OUTBOX_NO_PEER, 0);
}

/* Sends everything that may go to `peer`; "1 2r" names the numbers, r for a replay. */
static const char *send_all(struct box *x, int peer)
{
	static char sent[4096];
	sent[0] = '\0';
	for (const struct proto_delivery *d; (d = proto_outbox_next(x->o, peer));) {
		Xfed__Deliver m;
		Xfed__SipKey sip;
		size_t used = strlen(sent);
		proto_outbox_message(x->o, d, x->now, &m, &sip);
		snprintf(sent + used, sizeof(sent) - used, "%s%llu%s", used ? " " : "", (unsigned long long)m.seq, m.replay ? "r" : "");
		proto_outbox_sent(x->o, d, peer);
	}
	return sent;
}

/* What ended by itself: "1:uncertain 2:refused". */
static const char *ended(struct box *x)
{
	static const char *const fates[] = { "none", "delivered", "refused", "dropped", "uncertain", "withdrawn" };
	static char all[4096];
	all[0] = '\0';
	for (struct proto_delivery *d; (d = proto_outbox_ended(x->o));) {
		size_t used = strlen(all);
		snprintf(all + used, sizeof(all) - used, "%s%llu:%s", used ? " " : "", (unsigned long long)d->seq, fates[d->fate]);
		proto_outbox_done(x->o, d);
	}
	return all;
}

static bool settle(struct box *x, int peer, uint64_t seq, Xfed__Fate fate)
{
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	oc.seq = seq;
	oc.fate = fate;
	struct proto_delivery *d = proto_outbox_settled(x->o, peer, &oc);
	if (d) {
		assert_int_equal(d->seq, seq);
		proto_outbox_done(x->o, d);
	}
	return d != NULL;
}

static void tick(struct box *x, uint64_t now)
{
	x->now = now;
	proto_outbox_tick(x->o, now);
}

static enum proto_delivery_state state_of(struct box *x, uint64_t seq)
{
	const struct proto_delivery *d = proto_outbox_find(x->o, seq);
	return d ? d->state : PROTO_DELIVERY_DONE;
}

static void box_free(struct box *x)
{
	proto_outbox_free(x->o);
}

/* ---- the plain way ---- */

static void a_delivery_is_sent_attempted_settled(void **state)
{
	struct box x = box_new();
	uint64_t seq = add(&x, 7);
	assert_int_equal(seq, 1);
	assert_string_equal(send_all(&x, x.a), ""); /* no link */
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	assert_string_equal(send_all(&x, x.a), "1");
	assert_string_equal(send_all(&x, x.a), "");
	assert_true(proto_outbox_attempted(x.o, x.a, 1));
	assert_int_equal(state_of(&x, 1), PROTO_DELIVERY_ATTEMPTED);
	assert_true(proto_outbox_attempted(x.o, x.a, 1)); /* its answer was lost: the same again */
	assert_true(settle(&x, x.a, 1, XFED__FATE__FATE_DELIVERED));
	assert_false(settle(&x, x.a, 1, XFED__FATE__FATE_REFUSED)); /* one fate */
	assert_int_equal(proto_outbox_count(x.o), 0);
	assert_int_equal(proto_outbox_bytes(x.o), 0);
	box_free(&x);
}

static void the_message_says_it_all(void **state)
{
	struct box x = box_new();
	struct proto_delivery_new n = { .kind = XFED__KIND__KIND_MESSAGE,
		.replay = PROTO_REPLAY_SAME_RUN,
		.id = XFED_SPAN("d-7"),
		.from = XFED_SPAN("a@a"),
		.to = XFED_SPAN("b@b"),
		.lang = XFED_SPAN("de"),
		.stanza = XFED_SPAN("<message/>"),
		.owner = XFED_SPAN("gw1"),
		.owner_epoch = 4,
		.deadline_ms = 4000,
		.peer = PROTO_OUTBOX_NO_PEER,
		.has_sip = true,
		.call_id = XFED_SPAN("c"),
		.from_tag = XFED_SPAN("t"),
		.cseq = 5,
		.request_uri = XFED_SPAN("sip:b"),
		.answer_within_ms = 10000,
		.correlation = XFED_SPAN("x1"),
		.cookie = 99 };
	uint64_t seq;
	Xfed__Deliver m;
	Xfed__SipKey sip;
	assert_int_equal(proto_outbox_add(x.o, &n, x.now, &seq), XFED_OK);
	assert_int_equal(proto_outbox_find(x.o, seq)->cookie, 99);
	proto_outbox_message(x.o, proto_outbox_find(x.o, seq), 1500, &m, &sip);
	assert_int_equal(m.remaining_ms, 2500);
	assert_int_equal(m.lowest_unsettled, 1);
	assert_string_equal(m.id, "d-7");
	assert_string_equal(m.lang, "de");
	assert_string_equal(m.type, "");
	assert_string_equal(m.owner, "gw1");
	assert_string_equal(m.correlation, "x1");
	assert_int_equal(m.owner_epoch, 4);
	assert_int_equal(m.stanza.len, 10);
	assert_memory_equal(m.stanza.data, "<message/>", 10);
	assert_ptr_equal(m.sip, &sip);
	assert_string_equal(sip.call_id, "c");
	assert_string_equal(sip.from_tag, "t");
	assert_string_equal(sip.request_uri, "sip:b");
	assert_int_equal(sip.cseq, 5);
	proto_outbox_message(x.o, proto_outbox_find(x.o, seq), 9999, &m, &sip);
	assert_int_equal(m.remaining_ms, 0);
	box_free(&x);
}

static void lowest_unsettled_follows_the_oldest(void **state)
{
	struct box x = box_new();
	assert_int_equal(proto_outbox_lowest_unsettled(x.o), 1);
	for (int i = 0; i < 4; i++) {
		add(&x, 0);
	}
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	send_all(&x, x.a);
	settle(&x, x.a, 2, XFED__FATE__FATE_DELIVERED);
	assert_int_equal(proto_outbox_lowest_unsettled(x.o), 1);
	settle(&x, x.a, 1, XFED__FATE__FATE_DELIVERED);
	assert_int_equal(proto_outbox_lowest_unsettled(x.o), 3);
	settle(&x, x.a, 3, XFED__FATE__FATE_DELIVERED);
	settle(&x, x.a, 4, XFED__FATE__FATE_DELIVERED);
	assert_int_equal(proto_outbox_lowest_unsettled(x.o), 5);
	box_free(&x);
}

/* ---- Attempts and replays ---- */

/* 2. "A delivery not attempted may be replayed: to the same gateway run when the link resumes" */
static void same_run_resumes_unattempted_are_sent_again(void **state)
{
	struct box x = box_new();
	add(&x, 7);
	add(&x, 8);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	send_all(&x, x.a);
	assert_true(proto_outbox_attempted(x.o, x.a, 2));
	proto_outbox_peer_lost(x.o, x.a, x.now);
	add(&x, 9);
	proto_outbox_peer_up(x.o, x.b, 0xb1, x.now);
	assert_string_equal(send_all(&x, x.b), "3"); /* the others wait for gw1 */
	tick(&x, x.now + 14999);
	assert_string_equal(send_all(&x, x.b), "");
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	assert_string_equal(send_all(&x, x.b), "");
	assert_string_equal(send_all(&x, x.a), "1r"); /* 2 is attempted: never by itself */
	assert_true(settle(&x, x.a, 2, XFED__FATE__FATE_DELIVERED));
	assert_true(settle(&x, x.a, 1, XFED__FATE__FATE_DELIVERED));
	assert_string_equal(ended(&x), "");
	box_free(&x);
}

/* "(window 15 s), after that to another gateway" */
static void after_the_window_another_peer_gets_it(void **state)
{
	struct box x = box_new();
	add(&x, 7);
	add(&x, 8);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	send_all(&x, x.a);
	proto_outbox_attempted(x.o, x.a, 2);
	proto_outbox_peer_up(x.o, x.b, 0xb1, x.now);
	proto_outbox_peer_lost(x.o, x.a, x.now);
	assert_int_equal(proto_outbox_deadline(x.o), x.now + 15000);
	tick(&x, x.now + 15000);
	assert_string_equal(send_all(&x, x.b), "1r");
	/* The first one comes back and would begin: "one whose replay has begun elsewhere is not acknowledged". */
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	assert_false(proto_outbox_attempted(x.o, x.a, 1));
	assert_false(settle(&x, x.a, 1, XFED__FATE__FATE_DELIVERED));
	assert_true(proto_outbox_attempted(x.o, x.b, 1));
	assert_true(settle(&x, x.b, 1, XFED__FATE__FATE_DELIVERED));
	/* 2 had been attempted there: "it keeps outcomes so a resumed link can fetch them". */
	assert_true(settle(&x, x.a, 2, XFED__FATE__FATE_DELIVERED));
	box_free(&x);
}

/* Released, but nobody else has it yet: the first one may still say that it attempts it. */
static void released_but_still_ours_to_give(void **state)
{
	struct box x = box_new();
	add(&x, 7);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	send_all(&x, x.a);
	proto_outbox_peer_lost(x.o, x.a, x.now);
	tick(&x, x.now + 15000);
	assert_int_equal(state_of(&x, 1), PROTO_DELIVERY_QUEUED);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	assert_true(proto_outbox_attempted(x.o, x.a, 1));
	assert_string_equal(send_all(&x, x.a), "");
	proto_outbox_peer_up(x.o, x.b, 0xb1, x.now);
	assert_string_equal(send_all(&x, x.b), "");
	box_free(&x);
}

/* 3. "A delivery attempted and unsettled is not replayed. ... it ends uncertain": another run of the gateway. */
static void another_run_ends_the_attempted(void **state)
{
	struct box x = box_new();
	add(&x, 7);
	add(&x, 8);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	send_all(&x, x.a);
	proto_outbox_attempted(x.o, x.a, 1);
	proto_outbox_peer_lost(x.o, x.a, x.now);
	proto_outbox_peer_up(x.o, x.a, 0xa2, x.now);
	assert_string_equal(ended(&x), "1:uncertain");
	assert_string_equal(send_all(&x, x.a), "2r");
	box_free(&x);
}

static void attempted_without_an_answer_is_uncertain_at_the_deadline(void **state)
{
	struct box x = box_new();
	add(&x, 7); /* attempted */
	add(&x, 8); /* sent */
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	send_all(&x, x.a);
	proto_outbox_attempted(x.o, x.a, 1);
	proto_outbox_peer_lost(x.o, x.a, x.now);
	add(&x, 9); /* never sent */
	assert_int_equal(proto_outbox_unaccounted(x.o, 1000 + DEADLINE + 1), 3);
	tick(&x, 1000 + DEADLINE);
	assert_string_equal(ended(&x), "1:uncertain 2:refused 3:refused");
	assert_int_equal(proto_outbox_unaccounted(x.o, 1000 + DEADLINE + 1), 0);
	/* Late answers find nothing, and a late attempt is refused. */
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	assert_false(settle(&x, x.a, 1, XFED__FATE__FATE_DELIVERED));
	assert_false(proto_outbox_attempted(x.o, x.a, 2));
	box_free(&x);
}

/* A link that comes up while the old one is not known to be lost (newest wins). */
static void a_newer_link_replaces_an_older_one(void **state)
{
	struct box x = box_new();
	add(&x, 7);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	send_all(&x, x.a);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	assert_string_equal(send_all(&x, x.a), "1r");
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	proto_outbox_peer_lost(x.o, x.a, x.now); /* before it was sent again */
	assert_int_equal(state_of(&x, 1), PROTO_DELIVERY_SENT);
	proto_outbox_peer_up(x.o, x.b, 0xb1, x.now);
	assert_string_equal(send_all(&x, x.b), "");
	box_free(&x);
}

/* Per kind: "message, SIP to XMPP: fate asked again by id" */
static void to_xmpp_the_fate_is_asked_again(void **state)
{
	struct box x = box_new();
	add_with(&x, 7, PROTO_REPLAY_SAME_RUN, x.a, 0);
	add_with(&x, 8, PROTO_REPLAY_SAME_RUN, x.a, 0);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	send_all(&x, x.a);
	proto_outbox_peer_lost(x.o, x.a, x.now);
	proto_outbox_peer_up(x.o, x.b, 0xb1, x.now);
	tick(&x, x.now + 20000); /* never elsewhere: it may be written */
	assert_string_equal(send_all(&x, x.b), "");
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	/* The peer's own memory is told first; what it does not tell is asked again. */
	assert_true(settle(&x, x.a, 1, XFED__FATE__FATE_DELIVERED));
	assert_string_equal(send_all(&x, x.a), "2r");
	proto_outbox_peer_lost(x.o, x.a, x.now);
	proto_outbox_peer_up(x.o, x.a, 0xa2, x.now); /* that edge has forgotten */
	assert_string_equal(ended(&x), "2:uncertain");
	box_free(&x);
}

/* Per kind: "subscribe ...: replayed (idempotent)"; "available, unavailable presence: never replayed" */
static void subscriptions_and_presence(void **state)
{
	struct box x = box_new();
	add_with(&x, 7, PROTO_REPLAY_ANY, PROTO_OUTBOX_NO_PEER, 0);
	add_with(&x, 8, PROTO_REPLAY_NEVER, PROTO_OUTBOX_NO_PEER, 0);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	send_all(&x, x.a);
	proto_outbox_peer_lost(x.o, x.a, x.now);
	struct proto_delivery *d = proto_outbox_ended(x.o);
	assert_int_equal(d->seq, 2);
	assert_int_equal(d->fate, XFED__FATE__FATE_DROPPED);
	assert_string_equal(d->rule, "presence-resync");
	proto_outbox_done(x.o, d);
	proto_outbox_peer_up(x.o, x.a, 0xa2, x.now);
	assert_string_equal(send_all(&x, x.a), "1r");
	box_free(&x);
}

/* ---- Time: Withdraw ---- */

static void withdrawal(void **state)
{
	struct box x = box_new();
	uint64_t seq;
	add_with(&x, 7, PROTO_REPLAY_SAME_RUN, x.a, 10000); /* sent */
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	send_all(&x, x.a);
	proto_outbox_peer_lost(x.o, x.a, x.now);
	add_with(&x, 8, PROTO_REPLAY_SAME_RUN, x.a, 10000); /* not sent */
	assert_int_equal(proto_outbox_deadline(x.o), 11000);
	tick(&x, 11000);
	assert_string_equal(ended(&x), "2:withdrawn");		  /* it never left: known at once */
	assert_false(proto_outbox_next_withdraw(x.o, x.a, &seq)); /* no link to ask on */
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	assert_string_equal(send_all(&x, x.a), ""); /* and never sent again */
	assert_true(proto_outbox_next_withdraw(x.o, x.a, &seq));
	assert_int_equal(seq, 1);
	assert_false(proto_outbox_next_withdraw(x.o, x.a, &seq)); /* once a link */
	proto_outbox_peer_lost(x.o, x.a, x.now);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	assert_true(proto_outbox_next_withdraw(x.o, x.a, &seq));
	assert_true(settle(&x, x.a, 1, XFED__FATE__FATE_WITHDRAWN));
	box_free(&x);
}

static void a_withdrawal_nobody_answers_is_uncertain(void **state)
{
	struct box x = box_new();
	uint64_t seq;
	add_with(&x, 7, PROTO_REPLAY_SAME_RUN, x.a, 0);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	send_all(&x, x.a);
	assert_int_equal(proto_outbox_withdraw(x.o, 1), XFED_OK);
	assert_int_equal(proto_outbox_withdraw(x.o, 1), XFED_OK);
	assert_int_equal(proto_outbox_withdraw(x.o, 5), XFED_ERR_NOT_FOUND);
	assert_true(proto_outbox_next_withdraw(x.o, x.a, &seq));
	tick(&x, 1000 + DEADLINE);
	assert_string_equal(ended(&x), "1:uncertain");
	box_free(&x);
}

/* ---- Order ---- */

/* "Stanzas from one sender to one recipient keep their order, also across replays" */
static void a_pair_stays_together(void **state)
{
	struct box x = box_new();
	add(&x, 7);
	add(&x, 7);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	assert_string_equal(send_all(&x, x.a), "1 2");
	proto_outbox_attempted(x.o, x.a, 1);
	proto_outbox_peer_up(x.o, x.b, 0xb1, x.now);
	add(&x, 7);
	assert_string_equal(send_all(&x, x.b), ""); /* its elders are at gw1 */
	proto_outbox_peer_lost(x.o, x.a, x.now);
	tick(&x, x.now + 15000);
	/* 2 may move, but 1 is in flight there: both wait. */
	assert_string_equal(send_all(&x, x.b), "");
	proto_outbox_peer_up(x.o, x.a, 0xa2, x.now);
	assert_string_equal(ended(&x), "1:uncertain");
	assert_string_equal(send_all(&x, x.b), "2r 3"); /* replays first */
	assert_string_equal(send_all(&x, x.a), "");
	settle(&x, x.b, 2, XFED__FATE__FATE_DELIVERED);
	settle(&x, x.b, 3, XFED__FATE__FATE_DELIVERED);
	add(&x, 7);
	assert_string_equal(send_all(&x, x.a), "4"); /* nothing in flight: free to move */
	box_free(&x);
}

/* Passed over while its elder was elsewhere, free when that one is settled. */
static void a_younger_one_is_found_again(void **state)
{
	struct box x = box_new();
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	proto_outbox_peer_up(x.o, x.b, 0xb1, x.now);
	add(&x, 7);
	assert_string_equal(send_all(&x, x.a), "1");
	add(&x, 7);
	add(&x, 8);
	assert_string_equal(send_all(&x, x.b), "3");
	settle(&x, x.a, 1, XFED__FATE__FATE_DELIVERED);
	assert_string_equal(send_all(&x, x.b), "2");
	box_free(&x);
}

static void one_pair_does_not_hold_up_another(void **state)
{
	struct box x = box_new();
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	add(&x, 7);
	send_all(&x, x.a);
	proto_outbox_peer_lost(x.o, x.a, x.now);
	proto_outbox_peer_up(x.o, x.b, 0xb1, x.now);
	add(&x, 7);
	add(&x, 8);
	add(&x, 7);
	add(&x, 0);
	assert_string_equal(send_all(&x, x.b), "3 5");
	tick(&x, x.now + 15000);
	assert_string_equal(send_all(&x, x.b), "1r 2 4");
	box_free(&x);
}

static uint64_t add_paced(struct box *x, uint64_t pair, uint64_t wait_ms)
{
	struct proto_delivery_new n = { .kind = XFED__KIND__KIND_MESSAGE,
		.stanza = XFED_SPAN("<message/>"),
		.pair_key = pair,
		.deadline_ms = x->now + DEADLINE,
		.not_before_ms = x->now + wait_ms,
		.peer = PROTO_OUTBOX_NO_PEER };
	uint64_t seq = 0;
	assert_int_equal(proto_outbox_add(x->o, &n, x->now, &seq), XFED_OK);
	return seq;
}

/* What came too fast waits for its time and holds up its own pair alone; the clock says when to look. */
static void a_pace_is_kept(void **state)
{
	struct box x = box_new();
	uint64_t began = x.now;
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	add_paced(&x, 7, 100);
	add(&x, 7);
	add_paced(&x, 8, 50);
	add(&x, 9);
	add_paced(&x, 9, 70);
	assert_string_equal(send_all(&x, x.a), "4");
	assert_int_equal(proto_outbox_deadline(x.o), began + 50);
	tick(&x, began + 49);
	assert_string_equal(send_all(&x, x.a), "");
	tick(&x, began + 50);
	assert_string_equal(send_all(&x, x.a), "3");
	assert_int_equal(proto_outbox_deadline(x.o), began + 70);
	tick(&x, began + 100);
	assert_string_equal(send_all(&x, x.a), "5 1 2");
	/* Sent again it does not wait once more; a new link, a withdrawal and the end find it wherever it is. */
	add_paced(&x, 10, 1000);
	add_paced(&x, 10, 2000);
	assert_int_equal(proto_outbox_withdraw(x.o, 6), XFED_OK);
	assert_string_equal(ended(&x), "6:withdrawn");
	tick(&x, began + 1100);
	assert_string_equal(send_all(&x, x.a), "");
	proto_outbox_peer_lost(x.o, x.a, x.now);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	assert_string_equal(send_all(&x, x.a), "1r 3r 4r 2r 5r");
	tick(&x, began + 2100);
	assert_string_equal(send_all(&x, x.a), "7");
	add_paced(&x, 11, 2 * DEADLINE);
	tick(&x, x.now + DEADLINE);
	assert_true(strstr(ended(&x), "8:refused") != NULL);
	assert_int_equal(proto_outbox_count(x.o), 0);
	box_free(&x);
}

/* "an edge without a link to the owner hands the stanza to any gateway"; a pinned pair waits. */
static void the_owner_gets_it_while_it_is_there(void **state)
{
	struct box x = box_new();
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	proto_outbox_peer_up(x.o, x.b, 0xb1, x.now);
	add_with(&x, 7, PROTO_REPLAY_UNATTEMPTED, x.b, 0);
	assert_string_equal(send_all(&x, x.a), "");
	assert_string_equal(send_all(&x, x.b), "1");
	proto_outbox_peer_lost(x.o, x.b, x.now);
	add_with(&x, 8, PROTO_REPLAY_UNATTEMPTED, x.b, 0);
	assert_string_equal(send_all(&x, x.a), "2");
	struct proto_delivery_new n = { .kind = XFED__KIND__KIND_MESSAGE,
		.replay = PROTO_REPLAY_SAME_RUN,
		.stanza = XFED_SPAN("<m/>"),
		.deadline_ms = 9000,
		.peer = x.b,
		.pinned = true };
	uint64_t seq;
	assert_int_equal(proto_outbox_add(x.o, &n, x.now, &seq), XFED_OK);
	assert_string_equal(send_all(&x, x.a), "");
	proto_outbox_peer_up(x.o, x.b, 0xb1, x.now);
	assert_string_equal(send_all(&x, x.b), "1r 3");
	box_free(&x);
}

/* ---- Flow control: fair share ---- */

static uint64_t add_share(struct box *x, uint64_t share, uint64_t pair, size_t bytes)
{
	static char body[70000];
	struct proto_delivery_new n = { .kind = XFED__KIND__KIND_MESSAGE,
		.stanza = xfed_span_make(body, bytes),
		.pair_key = pair,
		.share_key = share,
		.deadline_ms = x->now + DEADLINE,
		.peer = PROTO_OUTBOX_NO_PEER,
		.cookie = share };
	uint64_t seq = 0;
	assert_int_equal(proto_outbox_add(x->o, &n, x->now, &seq), XFED_OK);
	return seq;
}

/* How many go before the first of class `share` does. */
static size_t sent_before(struct box *x, int peer, uint64_t share)
{
	size_t n = 0;
	for (const struct proto_delivery *d; (d = proto_outbox_next(x->o, peer)); n++) {
		proto_outbox_sent(x->o, d, peer);
		if (d->cookie == share) {
			return n;
		}
	}
	fail_msg("nothing of class %d comes", (int)share);
	return 0;
}

static void a_flood_does_not_hold_up_the_others(void **state)
{
	struct box x = box_new();
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	for (uint64_t i = 0; i < 5000; i++) {
		add_share(&x, 1, 100 + i % 7, 300);
	}
	for (uint64_t i = 0; i < 50; i++) {
		add_share(&x, 2, 200, 300);
		assert_in_range(sent_before(&x, x.a, 2), 0, XFED_SHARE_QUANTUM_BYTES / 300);
	}
	box_free(&x);
}

/* Classes that always have something get the same number of bytes, whatever their messages are like. */
static void shares_are_equal_in_bytes(void **state)
{
	static const size_t sizes[] = { 200, 1500, 20000, 60000 };
	size_t sent[4] = { 0 }, total = 0;
	struct box x = box_new();
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	for (size_t c = 0; c < 4; c++) {
		for (size_t i = 0; i < 2000000 / sizes[c]; i++) {
			add_share(&x, c + 1, 10 * c + i % 3, sizes[c]);
		}
	}
	while (total < 4000000) {
		const struct proto_delivery *d = proto_outbox_next(x.o, x.a);
		sent[d->cookie - 1] += d->bytes;
		total += d->bytes;
		proto_outbox_sent(x.o, d, x.a);
	}
	for (size_t c = 0; c < 4; c++) {
		size_t slack = XFED_SHARE_QUANTUM_BYTES + sizes[3] + 1000;
		assert_in_range(sent[c], total / 4 - slack, total / 4 + slack);
	}
	box_free(&x);
}

static void pairs_of_a_class_take_turns(void **state)
{
	struct box x = box_new();
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	add_share(&x, 1, 7, 20);
	add_share(&x, 1, 7, 20);
	add_share(&x, 1, 7, 20);
	add_share(&x, 1, 8, 20);
	add_share(&x, 1, 0, 20);
	assert_string_equal(send_all(&x, x.a), "1 4 5 2 3");
	box_free(&x);
}

static void replays_go_before_all_shares(void **state)
{
	struct box x = box_new();
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	add_share(&x, 1, 7, 20);
	add_share(&x, 2, 8, 20);
	send_all(&x, x.a);
	add_share(&x, 3, 9, 20);
	proto_outbox_peer_lost(x.o, x.a, x.now);
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	assert_string_equal(send_all(&x, x.a), "1r 2r 3");
	box_free(&x);
}

static void nobody_fills_the_table(void **state)
{
	struct proto_outbox_config cfg = { .max_deliveries = 100 };
	struct box x = { .now = 1 };
	uint64_t seq;
	assert_int_equal(proto_outbox_new(&cfg, &x.o), XFED_OK);
	for (int i = 0; i < XFED_SHARE_TABLE_PERCENT; i++) {
		add_share(&x, 1, 7, 20);
	}
	struct proto_delivery_new n = {
		.kind = XFED__KIND__KIND_MESSAGE, .stanza = XFED_SPAN("<m/>"), .share_key = 1, .deadline_ms = 9000, .peer = PROTO_OUTBOX_NO_PEER
	};
	assert_int_equal(proto_outbox_add(x.o, &n, 1, &seq), XFED_ERR_LIMIT);
	add_share(&x, 2, 8, 20);
	assert_int_equal(proto_outbox_withdraw(x.o, 1), XFED_OK);
	assert_string_equal(ended(&x), "1:withdrawn");
	assert_int_equal(proto_outbox_add(x.o, &n, 1, &seq), XFED_OK);
	box_free(&x);
}

/* Adding, sending, settling and withdrawing with `depth` others that wait for a lost peer. Seconds of the processor. */
static double cost_behind(size_t depth)
{
	struct box x = box_new();
	uint64_t seq;
	proto_outbox_peer_up(x.o, x.b, 0xb1, x.now);
	for (uint64_t i = 0; i < 4; i++) {
		add_share(&x, 1, 7 + i, 20);
	}
	send_all(&x, x.b);
	proto_outbox_peer_lost(x.o, x.b, x.now);
	for (size_t i = 0; i < depth; i++) {
		add_share(&x, 1, 7 + i % 4, 20);
	}
	proto_outbox_peer_up(x.o, x.a, 0xa1, x.now);
	clock_t began = clock();
	for (int i = 0; i < 4000; i++) {
		uint64_t mine = add_share(&x, 2, 100 + (uint64_t)i % 4, 20), other = add_share(&x, 1, 7, 20);
		const struct proto_delivery *d = proto_outbox_next(x.o, x.a);
		assert_int_equal(d->seq, mine);
		proto_outbox_sent(x.o, d, x.a);
		assert_null(proto_outbox_next(x.o, x.a));
		proto_outbox_withdraw(x.o, other);
		proto_outbox_done(x.o, proto_outbox_ended(x.o));
		if (i % 2) {
			assert_true(settle(&x, x.a, mine, XFED__FATE__FATE_DELIVERED));
		} else {
			proto_outbox_attempted(x.o, x.a, mine);
			proto_outbox_withdraw(x.o, mine);
			assert_true(proto_outbox_next_withdraw(x.o, x.a, &seq));
			assert_int_equal(seq, mine);
		}
	}
	double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
	box_free(&x);
	return seconds;
}

/* What waits must not make the rest slow: 20 times as many, and far less than 20 times the time. */
static void the_cost_is_flat(void **state)
{
	double best = 1e9;
	for (int i = 0; i < 3; i++) {
		double few = cost_behind(1000), many = cost_behind(20000);
		double ratio = many / (few > 1e-4 ? few : 1e-4);
		best = ratio < best ? ratio : best;
	}
	if (best > 4) {
		fail_msg("20,000 waiting instead of 1,000 make it %.1f times as slow", best);
	}
}

/* ---- bounds ---- */

static void the_table_is_bounded(void **state)
{
	struct proto_outbox_config cfg = { .max_deliveries = 3, .max_bytes = 10000 };
	struct proto_delivery_new n = {
		.kind = XFED__KIND__KIND_MESSAGE, .stanza = XFED_SPAN("<m/>"), .deadline_ms = 9000, .peer = PROTO_OUTBOX_NO_PEER
	};
	struct proto_outbox *o;
	uint64_t seq;
	char big[9000] = "";
	assert_int_equal(proto_outbox_new(&cfg, &o), XFED_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(proto_outbox_add(o, &n, 1, &seq), XFED_OK);
	}
	assert_int_equal(proto_outbox_add(o, &n, 1, &seq), XFED_ERR_LIMIT);
	proto_outbox_free(o);

	assert_int_equal(proto_outbox_new(&cfg, &o), XFED_OK);
	n.stanza = xfed_span_make(big, sizeof(big));
	assert_int_equal(proto_outbox_add(o, &n, 1, &seq), XFED_OK);
	assert_int_equal(proto_outbox_add(o, &n, 1, &seq), XFED_ERR_LIMIT);
	n.stanza = xfed_span_make(big, 0);
	assert_int_equal(proto_outbox_add(o, &n, 1, &seq), XFED_ERR_INVALID);
	proto_outbox_free(o);
}

static void peers_are_bounded(void **state)
{
	struct proto_outbox *o;
	char name[300] = "";
	assert_int_equal(proto_outbox_new(NULL, &o), XFED_OK);
	for (int i = 0; i < PROTO_OUTBOX_PEERS_MAX; i++) {
		snprintf(name, sizeof(name), "gw%d", i);
		assert_int_equal(proto_outbox_peer(o, xfed_span_str(name)), i);
	}
	assert_int_equal(proto_outbox_peer(o, XFED_SPAN("one more")), PROTO_OUTBOX_NO_PEER);
	memset(name, 'n', 256);
	assert_int_equal(proto_outbox_peer(o, xfed_span_str(name)), PROTO_OUTBOX_NO_PEER);
	proto_outbox_free(o);
}

/* ---- many, at random, against a model: each ends exactly once ---- */

static uint32_t rnd(uint32_t *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

static void every_delivery_ends_once(void **state)
{
	enum { N = 4000 };
	static uint8_t fates[N + 1], attempts[N + 1];
	for (uint32_t seed = 1; seed <= 20; seed++) {
		uint32_t s = seed;
		struct box x = box_new();
		uint64_t nonce[2] = { 10, 20 };
		bool live[2] = { false, false };
		uint64_t last = 0;
		memset(fates, 0, sizeof(fates));
		memset(attempts, 0, sizeof(attempts));
		for (int i = 0; i < 20000; i++) {
			int peer = (int)(rnd(&s) & 1);
			uint64_t seq = last ? 1 + rnd(&s) % last : 1;
			switch (rnd(&s) % 9) {
			case 0:
			case 1:
				if (last < N) {
					last = add_with(&x, rnd(&s) % 5, PROTO_REPLAY_UNATTEMPTED, PROTO_OUTBOX_NO_PEER, 0);
				}
				break;
			case 2:
				nonce[peer] += rnd(&s) % 3 == 0;
				proto_outbox_peer_up(x.o, peer, nonce[peer], x.now);
				live[peer] = true;
				break;
			case 3:
				proto_outbox_peer_lost(x.o, peer, x.now);
				live[peer] = false;
				break;
			case 4:
				send_all(&x, peer);
				break;
			case 5: /* no number is attempted for two different runs */
				if (live[peer] && last && proto_outbox_attempted(x.o, peer, seq)) {
					assert_int_equal(fates[seq], 0);
					assert_true(attempts[seq] == 0 || attempts[seq] == (uint8_t)nonce[peer]);
					attempts[seq] = (uint8_t)nonce[peer];
				}
				break;
			case 6:
				fates[seq] = (uint8_t)(fates[seq] + (last && live[peer] && settle(&x, peer, seq, XFED__FATE__FATE_DELIVERED)));
				break;
			case 7:
				tick(&x, x.now + rnd(&s) % 2000);
				break;
			case 8:
				if (last && rnd(&s) % 8 == 0) {
					proto_outbox_withdraw(x.o, seq);
				}
				break;
			}
			for (struct proto_delivery *d; (d = proto_outbox_ended(x.o));) {
				fates[d->seq]++;
				if (attempts[d->seq] && d->fate != XFED__FATE__FATE_UNCERTAIN) {
					fail_msg("seed %u: %llu was attempted and ends with %d", seed, (unsigned long long)d->seq, d->fate);
				}
				proto_outbox_done(x.o, d);
			}
		}
		tick(&x, x.now + DEADLINE + 1);
		for (struct proto_delivery *d; (d = proto_outbox_ended(x.o));) {
			fates[d->seq]++;
			proto_outbox_done(x.o, d);
		}
		for (uint64_t i = 1; i <= last; i++) {
			if (fates[i] != 1) {
				fail_msg("seed %u: delivery %llu has %u fates", seed, (unsigned long long)i, fates[i]);
			}
		}
		assert_int_equal(proto_outbox_count(x.o), 0);
		assert_int_equal(proto_outbox_bytes(x.o), 0);
		assert_int_equal(proto_outbox_deadline(x.o) == UINT64_MAX || proto_outbox_deadline(x.o) > 0, 1);
		box_free(&x);
	}
}

static long fail_at, allocations;

/* ---- at random against the slow way: every delivery looked at, by the sentences of the contract ---- */

enum { MODEL_N = 600, MODEL_PEERS = 3 };

struct model {
	struct box x;
	uint64_t pair[MODEL_N + 1], last;
	bool bound[MODEL_N + 1]; /* to be sent again to its peer and to nobody else */
	uint64_t nonce[MODEL_PEERS];
	bool live[MODEL_PEERS];
};

static bool model_in_flight(const struct proto_delivery *d)
{
	return d->state == PROTO_DELIVERY_SENT || d->state == PROTO_DELIVERY_ATTEMPTED || d->state == PROTO_DELIVERY_WITHDRAWING;
}

static bool model_may_go(const struct model *m, const struct proto_delivery *d, int peer)
{
	bool is_bound = m->bound[d->seq];
	if (d->state != PROTO_DELIVERY_QUEUED || !m->live[peer] || (is_bound && d->peer != peer)) {
		return false;
	}
	if (!is_bound && d->prefers != PROTO_OUTBOX_NO_PEER && d->prefers != peer && (d->pinned || m->live[d->prefers])) {
		return false;
	}
	for (const struct proto_delivery *o = NULL; m->pair[d->seq] && (o = proto_outbox_iterate(m->x.o, o));) {
		bool is_elder = o->state == PROTO_DELIVERY_QUEUED && o->seq < d->seq;
		if (m->pair[o->seq] == m->pair[d->seq] && (is_elder || (model_in_flight(o) && o->peer != peer))) {
			return false;
		}
	}
	return true;
}

static void model_check_next(struct model *m, int peer)
{
	const struct proto_delivery *d = proto_outbox_next(m->x.o, peer);
	bool has_any = false, has_replay = false;
	for (const struct proto_delivery *o = NULL; (o = proto_outbox_iterate(m->x.o, o));) {
		bool may = model_may_go(m, o, peer);
		has_any = has_any || may;
		has_replay = has_replay || (may && o->sends > 0);
	}
	assert_int_equal(d != NULL, has_any);
	if (d) {
		assert_true(model_may_go(m, d, peer));
		assert_int_equal(d->sends > 0, has_replay);
		proto_outbox_sent(m->x.o, d, peer);
		m->bound[d->seq] = false;
	}
}

static void model_lost(struct model *m, int peer)
{
	proto_outbox_peer_lost(m->x.o, peer, m->x.now);
	m->live[peer] = false;
	for (const struct proto_delivery *d = NULL; (d = proto_outbox_iterate(m->x.o, d));) {
		m->bound[d->seq] = m->bound[d->seq] && d->peer != peer;
	}
}

static void model_up(struct model *m, int peer, bool is_new)
{
	bool sent[MODEL_N + 1] = { false };
	model_lost(m, peer);
	for (const struct proto_delivery *d = NULL; (d = proto_outbox_iterate(m->x.o, d));) {
		sent[d->seq] = d->state == PROTO_DELIVERY_SENT && d->peer == peer;
	}
	m->nonce[peer] += is_new;
	m->live[peer] = true;
	proto_outbox_peer_up(m->x.o, peer, m->nonce[peer], m->x.now);
	for (const struct proto_delivery *d = NULL; (d = proto_outbox_iterate(m->x.o, d));) {
		m->bound[d->seq] = m->bound[d->seq] || (sent[d->seq] && d->peer_nonce == m->nonce[peer]);
	}
}

static void model_add(struct model *m, uint32_t *s)
{
	static const enum proto_replay replays[] = { PROTO_REPLAY_UNATTEMPTED, PROTO_REPLAY_SAME_RUN, PROTO_REPLAY_ANY, PROTO_REPLAY_NEVER };
	struct proto_delivery_new n = { .kind = XFED__KIND__KIND_MESSAGE,
		.replay = replays[rnd(s) % 4],
		.stanza = XFED_SPAN("<m/>"),
		.pair_key = rnd(s) % 6,
		.share_key = rnd(s) % 3,
		.deadline_ms = m->x.now + 20000 + rnd(s) % DEADLINE,
		.peer = (int)(rnd(s) % (MODEL_PEERS + 1)) - 1,
		.pinned = rnd(s) % 4 == 0 };
	assert_int_equal(proto_outbox_add(m->x.o, &n, m->x.now, &m->last), XFED_OK);
	m->pair[m->last] = n.pair_key;
}

static void model_step(struct model *m, uint32_t *s)
{
	int peer = (int)(rnd(s) % MODEL_PEERS);
	uint64_t seq = m->last ? 1 + rnd(s) % m->last : 1, asked;
	switch (rnd(s) % 10) {
	case 0:
	case 1:
		if (m->last < MODEL_N) {
			model_add(m, s);
		}
		break;
	case 2:
		model_up(m, peer, rnd(s) % 3 == 0);
		break;
	case 3:
		model_lost(m, peer);
		break;
	case 4:
	case 5:
	case 6:
		model_check_next(m, peer);
		break;
	case 7:
		if (rnd(s) % 2) {
			m->bound[seq] = m->bound[seq] && !(m->live[peer] && proto_outbox_attempted(m->x.o, peer, seq));
		} else if (m->live[peer]) {
			settle(&m->x, peer, seq, XFED__FATE__FATE_DELIVERED);
		}
		break;
	case 8:
		tick(&m->x, m->x.now + rnd(s) % 1500);
		break;
	case 9:
		if (rnd(s) % 3 == 0 && proto_outbox_withdraw(m->x.o, seq) == XFED_OK) {
			m->bound[seq] = false;
		}
		proto_outbox_next_withdraw(m->x.o, peer, &asked);
		break;
	}
	ended(&m->x);
}

static void what_is_sent_is_what_may_be_sent(void **state)
{
	for (uint32_t seed = 1; seed <= 60; seed++) {
		struct model m = { .x = box_new() };
		uint32_t s = seed * 7919;
		proto_outbox_peer(m.x.o, XFED_SPAN("gw3"));
		for (int i = 0; i < MODEL_PEERS; i++) {
			m.nonce[i] = 10 * (uint64_t)(i + 1);
		}
		for (int i = 0; i < 3000; i++) {
			model_step(&m, &s);
		}
		box_free(&m.x);
	}
}

static void *failing_malloc(size_t size)
{
	return allocations++ == fail_at ? NULL : malloc(size);
}
static void *failing_realloc(void *p, size_t size)
{
	return allocations++ == fail_at ? NULL : realloc(p, size);
}

static void every_allocation_may_fail(void **state)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	xfed_mem_set_hooks(&hooks);
	for (fail_at = 0;; fail_at++) {
		struct proto_outbox *o;
		allocations = 0;
		if (proto_outbox_new(NULL, &o) == XFED_OK) {
			int a = proto_outbox_peer(o, XFED_SPAN("gw1"));
			size_t added = 0;
			proto_outbox_peer_up(o, a, 1, 1);
			for (uint64_t i = 0; i < 100; i++) {
				struct proto_delivery_new n = { .kind = XFED__KIND__KIND_MESSAGE,
					.stanza = XFED_SPAN("<m/>"),
					.pair_key = i % 40,
					.share_key = i % 5,
					.deadline_ms = 9000,
					.peer = a };
				uint64_t seq;
				int rc = proto_outbox_add(o, &n, 1, &seq);
				assert_true(rc == XFED_OK || rc == XFED_ERR_NOMEM);
				added += rc == XFED_OK;
			}
			assert_int_equal(proto_outbox_count(o), added);
			assert_true(added >= 99);
			for (const struct proto_delivery *d; (d = proto_outbox_next(o, a));) {
				proto_outbox_sent(o, d, a);
				added--;
			}
			assert_int_equal(added, 0);
		}
		proto_outbox_free(o);
		if (allocations <= fail_at) {
			break;
		}
	}
	xfed_mem_set_hooks(NULL);
	assert_true(fail_at > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_delivery_is_sent_attempted_settled),
		cmocka_unit_test(the_message_says_it_all),
		cmocka_unit_test(lowest_unsettled_follows_the_oldest),
		cmocka_unit_test(same_run_resumes_unattempted_are_sent_again),
		cmocka_unit_test(after_the_window_another_peer_gets_it),
		cmocka_unit_test(released_but_still_ours_to_give),
		cmocka_unit_test(another_run_ends_the_attempted),
		cmocka_unit_test(attempted_without_an_answer_is_uncertain_at_the_deadline),
		cmocka_unit_test(a_newer_link_replaces_an_older_one),
		cmocka_unit_test(to_xmpp_the_fate_is_asked_again),
		cmocka_unit_test(subscriptions_and_presence),
		cmocka_unit_test(withdrawal),
		cmocka_unit_test(a_withdrawal_nobody_answers_is_uncertain),
		cmocka_unit_test(a_pair_stays_together),
		cmocka_unit_test(a_younger_one_is_found_again),
		cmocka_unit_test(one_pair_does_not_hold_up_another),
		cmocka_unit_test(a_pace_is_kept),
		cmocka_unit_test(the_owner_gets_it_while_it_is_there),
		cmocka_unit_test(a_flood_does_not_hold_up_the_others),
		cmocka_unit_test(shares_are_equal_in_bytes),
		cmocka_unit_test(pairs_of_a_class_take_turns),
		cmocka_unit_test(replays_go_before_all_shares),
		cmocka_unit_test(nobody_fills_the_table),
		cmocka_unit_test(the_cost_is_flat),
		cmocka_unit_test(the_table_is_bounded),
		cmocka_unit_test(peers_are_bounded),
		cmocka_unit_test(every_delivery_ends_once),
		cmocka_unit_test(what_is_sent_is_what_may_be_sent),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
