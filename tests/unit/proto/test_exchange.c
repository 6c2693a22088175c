/*
 * The delivery engine: transcripts of two that are joined, an edge's and a gateway's. Each row is what is done and what both are
 * told of it (proto/channel.md sections 5 and 6; proto/delivery.md).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "joined.h"

static struct joined joined;
static char transcript[4096];
static struct proto_from last; /* what came last */

/* ---- what the engines tell ---- */

static void note(const struct end *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(const struct end *e, const char *format, ...)
{
	char words[256];
	va_list args;
	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	size_t len = strlen(transcript);
	snprintf(transcript + len, sizeof(transcript) - len, "%s%s %s", len > 0 ? ", " : "", e->role == PROTO_EDGE ? "edge" : "gw", words);
}

static void on_wake(void *user)
{
	((struct end *)user)->is_awake = true;
}

static void on_deliver(void *user, struct proto_from from, int peer, const Xfed__Deliver *d)
{
	struct end *e = user;
	assert_true(peer >= 0);
	last = from;
	if (d->kind == XFED__KIND__KIND_ERROR) {
		char stanza[1024];
		snprintf(stanza, sizeof(stanza), "%.*s", (int)d->stanza.len, (const char *)d->stanza.data);
		note(e, "gets error for %s%s%s", d->to, strstr(stanza, "<item-not-found") ? ": item-not-found" : "",
			strstr(stanza, "<remote-server-timeout") ? ": remote-server-timeout" : "");
	} else {
		note(e, "gets %llu", (unsigned long long)from.seq);
	}
	proto_exchange_mark(e->x, from, 1000 + from.seq);
}

static void on_acked(void *user, struct proto_from from, uint64_t cookie)
{
	assert_int_equal(cookie, 1000 + from.seq);
	note(user, "may %llu", (unsigned long long)from.seq);
}

static void on_refused(void *user, struct proto_from from, uint64_t cookie)
{
	struct end *e = user;
	assert_int_equal(cookie, 1000 + from.seq);
	note(e, "must not %llu", (unsigned long long)from.seq);
	proto_exchange_forget(e->x, from);
}

static void on_withdrawn(void *user, struct proto_from from, uint64_t cookie)
{
	assert_int_equal(cookie, 1000 + from.seq);
	note(user, "gives back %llu", (unsigned long long)from.seq);
}

static void on_run_ended(void *user, uint64_t run, const char *peer, bool may_take_over)
{
	(void)run;
	note(user, "run of %s ended%s", peer, may_take_over ? ", takes over" : "");
}

static void on_orphan_told(void *user, struct proto_from from, const char *peer, enum xfed_reason reason, int rc)
{
	assert_int_equal(rc, XFED_OK);
	note(user, "orphan %llu of %s: %s", (unsigned long long)from.seq, peer, xfed_reason_code(reason));
}

static void on_sent(void *user, const struct proto_delivery *d)
{
	note(user, "sent %llu", (unsigned long long)d->seq);
}

static void on_taken(void *user, uint64_t cookie, uint64_t number)
{
	(void)cookie;
	if (number > 0) {
		note(user, "taken #%llu", (unsigned long long)number);
	}
}

static void on_outcome(void *user, const struct proto_delivery *d, const struct proto_result *r)
{
	static const char *const fates[] = { "none", "delivered", "refused", "dropped", "uncertain", "withdrawn" };
	note(user, "%llu %s%s%s", (unsigned long long)d->seq, fates[r->fate], r->told ? "" : " untold",
		r->told && r->told->sip_status == 202 ? " 202" : "");
}

static const struct proto_exchange_user joined_user = {
	.wake = on_wake,
	.deliver = on_deliver,
	.acked = on_acked,
	.refused = on_refused,
	.withdrawn = on_withdrawn,
	.run_ended = on_run_ended,
	.orphan_told = on_orphan_told,
	.sent = on_sent,
	.taken = on_taken,
	.outcome = on_outcome,
};

/* ---- the script ---- */

static int setup(void **state)
{
	static const struct proto_exchange_config gw = { .tell_good_ms = 5 }, edge = { .tell_good_ms = 0 };
	transcript[0] = '\0';
	joined_init(&joined, &gw, &edge);
	joined_link(&joined);
	joined_run(&joined);
	assert_non_null(joined.gw.link);
	assert_non_null(joined.edge.link);
	return 0;
}

static int teardown(void **state)
{
	joined_free(&joined);
	return 0;
}

static void expect(const char *what)
{
	if (strcmp(transcript, what) != 0) {
		fail_msg("expected \"%s\", was \"%s\"", what, transcript);
	}
	transcript[0] = '\0';
}

/* ... until nothing moves. */
static void then(const char *what)
{
	joined_run(&joined);
	expect(what);
}

static uint64_t add(struct end *e, enum proto_replay replay)
{
	struct proto_delivery_new n = {
		.kind = XFED__KIND__KIND_MESSAGE,
		.replay = replay,
		.id = XFED_SPAN("m1"),
		.from = e->role == PROTO_EDGE ? XFED_SPAN("juliet@partner.example/b") : XFED_SPAN("romeo@example.com"),
		.to = e->role == PROTO_EDGE ? XFED_SPAN("romeo@example.com") : XFED_SPAN("juliet@partner.example"),
		.stanza = XFED_SPAN("<message/>"),
		.deadline_ms = joined.now + 60000,
		.withdraw_ms = e->role == PROTO_EDGE ? 0 : joined.now + 10000,
		.peer = PROTO_OUTBOX_NO_PEER,
		.cookie = 5,
		.number = e->role == PROTO_EDGE ? 77 : 0,
	};
	uint64_t seq;
	e->is_awake = false;
	assert_int_equal(proto_exchange_add(e->x, &n, joined.now, &seq), XFED_OK);
	assert_true(e->is_awake);
	return seq;
}

static uint64_t to_sip(void)
{
	return add(&joined.edge, PROTO_REPLAY_UNATTEMPTED);
}

static uint64_t to_xmpp(void)
{
	return add(&joined.gw, PROTO_REPLAY_SAME_RUN);
}

static void settle(struct end *e, struct proto_from from, Xfed__Fate fate)
{
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	struct proto_inbox_words w = { .kind = XFED__KIND__KIND_MESSAGE,
		.id = XFED_SPAN("m1"),
		.from = XFED_SPAN("juliet@partner.example/b"),
		.to = XFED_SPAN("romeo@example.com") };
	oc.fate = fate;
	oc.condition = (char *)(uintptr_t)(fate == XFED__FATE__FATE_REFUSED ? "item-not-found" : "");
	oc.reason = (char *)(uintptr_t)(fate == XFED__FATE__FATE_REFUSED ? "sip.user.unknown" : "");
	proto_exchange_settle(e->x, from, &oc, &w, joined.now);
}

static void pass(uint64_t ms)
{
	joined.now += ms;
	proto_exchange_tick(joined.gw.x, joined.now);
	proto_exchange_tick(joined.edge.x, joined.now);
}

static void ask(void)
{
	assert_int_equal(proto_exchange_ask(joined.gw.x, last), XFED_OK);
}

/* Up to where it may be begun. */
static void cross(uint64_t seq)
{
	char words[64];
	joined_run(&joined);
	ask();
	joined_run(&joined);
	snprintf(words, sizeof(words), "may %llu", (unsigned long long)seq);
	assert_non_null(strstr(transcript, words));
	transcript[0] = '\0';
}

static void restart(struct end *e)
{
	static const struct proto_exchange_config cfg = { .tell_good_ms = 0 };
	joined_cut(&joined);
	proto_exchange_free(e->x);
	e->nonce++;
	joined_make(e, &cfg);
	joined_link(&joined);
}

/* ---- in peace ---- */

static void a_message_crosses(void **state)
{
	to_sip();
	then("edge sent 1, gw gets 1, edge taken #77");
	ask();
	then("gw may 1");
	settle(&joined.gw, last, XFED__FATE__FATE_REFUSED);
	then("edge 1 refused, edge taken #77");
	assert_int_equal(proto_outbox_count(proto_exchange_outbox(joined.edge.x)), 0);
}

static void good_news_waits_for_company(void **state)
{
	to_sip();
	cross(1);
	settle(&joined.gw, last, XFED__FATE__FATE_DELIVERED);
	then("");
	assert_int_equal(joined.gw.pump_at, joined.now + 5);
	joined.now += 5;
	then("edge 1 delivered, edge taken #77");
	/* ... which may be anything that goes out. */
	to_sip();
	cross(2);
	settle(&joined.gw, last, XFED__FATE__FATE_DELIVERED);
	to_xmpp();
	then("gw sent 1, edge gets 1, edge 2 delivered, edge taken #77");
	/* On the way out nothing waits. */
	to_sip();
	cross(3);
	proto_exchange_hurry(joined.gw.x);
	settle(&joined.gw, last, XFED__FATE__FATE_DELIVERED);
	then("edge 3 delivered, edge taken #77");
}

static void a_closed_link_gets_nothing_until_it_opens(void **state)
{
	proto_exchange_open(joined.edge.link, false);
	to_sip();
	then("");
	proto_exchange_open(joined.edge.link, true);
	then("edge sent 1, gw gets 1, edge taken #77");
}

static void what_has_one_fate_gets_no_other(void **state)
{
	to_sip();
	cross(1);
	settle(&joined.gw, last, XFED__FATE__FATE_REFUSED);
	settle(&joined.gw, last, XFED__FATE__FATE_UNCERTAIN);
	then("edge 1 refused, edge taken #77");
	settle(&joined.gw, last, XFED__FATE__FATE_DELIVERED);
	assert_int_equal(proto_exchange_ask(joined.gw.x, last), XFED_ERR_STATE);
	then("");
}

/* ---- taking back ---- */

static void a_message_is_withdrawn(void **state)
{
	to_xmpp();
	then("gw sent 1, edge gets 1");
	pass(10000);
	then("edge gives back 1");
	settle(&joined.edge, last, XFED__FATE__FATE_WITHDRAWN);
	then("gw 1 withdrawn");
	/* One that has its fate answers with it. */
	to_xmpp();
	then("gw sent 2, edge gets 2");
	pass(10000);
	settle(&joined.edge, last, XFED__FATE__FATE_DELIVERED);
	then("gw 2 delivered");
}

static void what_never_came_is_withdrawn_by_a_word(void **state)
{
	to_xmpp();
	joined_turn(&joined.gw);
	expect("gw sent 1");
	joined_cut(&joined); /* it was on its way */
	pass(10000);
	joined_link(&joined);
	then("gw 1 withdrawn"); /* and is not sent again */
}

static void what_nobody_was_sent_comes_back_at_once(void **state)
{
	to_sip();
	then("edge sent 1, gw gets 1, edge taken #77");
	joined_cut(&joined);
	to_sip();
	proto_exchange_withdraw(joined.edge.x, false);
	expect("edge 2 withdrawn untold, edge taken #77"); /* the other one is at the gateway */
	proto_exchange_give_up(joined.edge.x);
	expect("edge 1 refused untold, edge taken #77"); /* it was not begun, and will not be: nobody has said yes */
}

/* ---- links that go and come ---- */

static void what_was_lost_with_a_link_is_said_again(void **state)
{
	to_sip();
	then("edge sent 1, gw gets 1, edge taken #77");
	ask();
	joined_turn(&joined.gw); /* into the link, and lost with it */
	joined_cut(&joined);
	joined_link(&joined);
	then("gw may 1"); /* sent again and asked again, but not told to the gateway twice */
	settle(&joined.gw, last, XFED__FATE__FATE_REFUSED);
	joined_turn(&joined.gw);
	joined_cut(&joined);
	joined_link(&joined);
	then("edge 1 refused, edge taken #77");
}

static void a_fate_without_a_link_is_told_by_the_next(void **state)
{
	to_sip();
	cross(1);
	joined_cut(&joined);
	settle(&joined.gw, last, XFED__FATE__FATE_DELIVERED);
	pass(3000);
	joined_link(&joined);
	then("edge 1 delivered, edge taken #77");
}

static void another_run_of_the_receiver_gets_what_was_not_begun(void **state)
{
	to_sip();
	then("edge sent 1, gw gets 1, edge taken #77");
	to_sip();
	cross(2);
	restart(&joined.gw);
	joined_run(&joined);
	assert_non_null(strstr(transcript, "edge 2 uncertain untold"));
	assert_non_null(strstr(transcript, "gw gets 1"));
	assert_null(strstr(transcript, "gw gets 2"));
	transcript[0] = '\0';
}

static void an_ask_for_what_went_elsewhere_is_refused(void **state)
{
	to_sip();
	then("edge sent 1, gw gets 1, edge taken #77");
	proto_exchange_give_up(joined.edge.x);
	expect("edge 1 refused untold, edge taken #77");
	ask();
	then("gw must not 1");
	assert_int_equal(proto_exchange_ask(joined.gw.x, last), XFED_ERR_NOT_FOUND); /* forgotten */
}

static void a_run_may_leave(void **state)
{
	struct proto_run r;
	to_sip();
	then("edge sent 1, gw gets 1, edge taken #77");
	assert_true(proto_exchange_run(joined.gw.x, last.run, joined.now, &r));
	assert_string_equal(r.name, "edge1");
	assert_int_equal(r.nonce, 0xe0);
	assert_false(r.is_leaving || r.has_ended || r.gone_ms > 0);
	proto_exchange_no_more_after(joined.gw.link, joined.now + 100);
	assert_true(proto_exchange_run(joined.gw.x, last.run, joined.now + 99, &r) && !r.is_leaving);
	assert_true(proto_exchange_run(joined.gw.x, last.run, joined.now + 100, &r) && r.is_leaving);
	joined_cut(&joined);
	joined.now += 10001;
	assert_true(proto_exchange_run(joined.gw.x, last.run, joined.now, &r) && !r.is_leaving && r.gone_ms == 10001);
	assert_false(proto_exchange_run(joined.gw.x, last.run + PROTO_INBOX_RUNS_MAX, joined.now, &r)); /* another one of its slot */
	assert_false(proto_exchange_run(joined.gw.x, 0, joined.now, &r));
}

/* ---- runs that end ---- */

static void a_new_run_of_the_sender_ends_the_old_one(void **state)
{
	to_sip();
	cross(1);
	struct proto_from first = last;
	settle(&joined.gw, first, XFED__FATE__FATE_REFUSED);
	joined_cut(&joined); /* nobody has heard of it */
	to_sip();
	restart(&joined.edge);
	then("gw orphan 1 of edge1: sip.user.unknown, gw run of edge1 ended, takes over, gw sent 1, "
	     "edge gets error for juliet@partner.example/b: item-not-found");
	struct proto_run r;
	assert_true(proto_exchange_run(joined.gw.x, first.run, joined.now, &r) && r.has_ended);
}

static void after_ten_seconds_nobody_knows(void **state)
{
	to_sip();
	cross(1);
	joined_cut(&joined);
	pass(10001);
	restart(&joined.edge);
	then("gw run of edge1 ended");
	settle(&joined.gw, last, XFED__FATE__FATE_REFUSED); /* refused by SIP, but others may have got it since */
	then("gw orphan 1 of edge1: sip.user.unknown, gw sent 1, edge gets error for juliet@partner.example/b: remote-server-timeout");
}

static void a_run_without_a_link_ends_by_the_clock(void **state)
{
	to_sip();
	cross(1);
	joined_cut(&joined);
	pass(89999);
	expect("edge 1 uncertain untold, edge taken #77");
	pass(1);
	expect("gw run of edge1 ended, edge run of gw1 ended");
	settle(&joined.gw, last, XFED__FATE__FATE_DELIVERED); /* good news is nobody's any more */
	expect("");
}

/* ---- more than one link ---- */

static void an_older_link_takes_nothing_with_it(void **state)
{
	struct end *e = &joined.edge;
	struct proto_session *old = e->session;
	struct proto_exchange_link *old_link = e->link;
	int peer = proto_exchange_peer(e->x, xfed_span_str(proto_session_peer(old)->name));
	struct proto_session *gw_old = joined.gw.session;
	struct proto_exchange_link *gw_link = joined.gw.link;
	e->session = joined.gw.session = NULL;
	e->link = joined.gw.link = NULL;
	joined_link(&joined);
	joined_run(&joined);
	assert_true(proto_exchange_is_up(e->x, peer));
	proto_exchange_down(e->x, old_link, joined.now);
	proto_exchange_down(joined.gw.x, gw_link, joined.now);
	proto_session_free(old);
	proto_session_free(gw_old);
	assert_true(proto_exchange_is_up(e->x, peer));
	to_sip();
	then("edge sent 1, gw gets 1, edge taken #77");
	joined_cut(&joined);
	assert_false(proto_exchange_is_up(e->x, peer));
}

/* ---- room ---- */

static void a_full_memory_keeps_credit_back_until_there_is_room(void **state)
{
	static const struct proto_exchange_config small = { .inbox_max = 2 }, edge = { .tell_good_ms = 0 };
	joined_free(&joined);
	joined_init(&joined, &small, &edge);
	joined_link(&joined);
	joined_run(&joined);
	struct proto_from from[4];
	for (int i = 0; i < 4; i++) {
		to_sip();
	}
	then("edge sent 1, edge sent 2, gw gets 1, gw gets 2, edge taken #77, edge taken #77");
	from[0] = (struct proto_from){ last.run, 1 };
	settle(&joined.gw, from[0], XFED__FATE__FATE_REFUSED);
	joined_run(&joined);
	joined.now += 5000;
	proto_session_step(joined.edge.session, &(struct proto_event){ .type = PROTO_EV_TICK }, joined.now); /* says what it has heard */
	joined_run(&joined);
	assert_non_null(strstr(transcript, "edge 1 refused"));
	assert_non_null(strstr(transcript, "gw gets 3"));
	assert_null(strstr(transcript, "gw gets 4"));
	transcript[0] = '\0';
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_message_crosses),
		T(good_news_waits_for_company),
		T(a_closed_link_gets_nothing_until_it_opens),
		T(what_has_one_fate_gets_no_other),
		T(a_message_is_withdrawn),
		T(what_never_came_is_withdrawn_by_a_word),
		T(what_nobody_was_sent_comes_back_at_once),
		T(what_was_lost_with_a_link_is_said_again),
		T(a_fate_without_a_link_is_told_by_the_next),
		T(another_run_of_the_receiver_gets_what_was_not_begun),
		T(an_ask_for_what_went_elsewhere_is_refused),
		T(a_run_may_leave),
		T(a_new_run_of_the_sender_ends_the_old_one),
		T(after_ten_seconds_nobody_knows),
		T(a_run_without_a_link_ends_by_the_clock),
		T(an_older_link_takes_nothing_with_it),
		T(a_full_memory_keeps_credit_back_until_there_is_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
