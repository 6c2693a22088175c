/* The receiver's memory of deliveries (proto/delivery.md, Identity; proto/channel.md section 6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/inbox.h"
#include "xfed/mem.h"

static const char *const verdicts[] = { "first", "pending", "settled", "forgotten" };

/* One reservation and one Deliver; the verdict's name. */
static const char *receive(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq, uint64_t now)
{
	enum proto_inbox_verdict v;
	struct proto_inbox_entry *e;
	if (proto_inbox_reserve(in, run, 1) != 1) {
		return "no room";
	}
	assert_int_equal(proto_inbox_receive(in, run, seq, &v, &e), XFED_OK);
	assert_int_equal(e == NULL, v == PROTO_INBOX_FORGOTTEN);
	return verdicts[v];
}

static int settle(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq, const char *text, uint64_t now)
{
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	char copy[64];
	snprintf(copy, sizeof(copy), "%s", text);
	oc.seq = seq;
	oc.fate = XFED__FATE__FATE_REFUSED;
	oc.sip_status = 404;
	oc.text = copy;
	oc.reason = (char *)(uintptr_t) "sip.user.unknown";
	int rc = proto_inbox_settle(in, run, &oc, NULL, now);
	memset(copy, 'x', sizeof(copy) - 1); /* the caller's memory is not kept */
	return rc;
}

static struct proto_inbox *inbox(size_t max)
{
	struct proto_inbox *in;
	assert_int_equal(proto_inbox_new(max, &in), XFED_OK);
	return in;
}

/* "keyed by all three" */
static void nothing_is_done_twice(void **state)
{
	struct proto_inbox *in = inbox(0);
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	struct proto_inbox_run *other_nonce = proto_inbox_link_up(in, XFED_SPAN("edge1"), 6, 1, 0);
	struct proto_inbox_run *other_name = proto_inbox_link_up(in, XFED_SPAN("edge2"), 5, 1, 0);
	assert_string_equal(receive(in, run, 7, 0), "first");
	assert_string_equal(receive(in, run, 7, 0), "pending");
	assert_int_equal(settle(in, run, 7, "No such user", 10), XFED_OK);
	assert_string_equal(receive(in, run, 7, 0), "settled");
	assert_string_equal(receive(in, other_nonce, 7, 0), "first");
	assert_string_equal(receive(in, other_name, 7, 0), "first");
	const struct proto_inbox_entry *e = proto_inbox_find(in, run, 7);
	assert_int_equal(e->outcome->seq, 7);
	assert_int_equal(e->outcome->fate, XFED__FATE__FATE_REFUSED);
	assert_int_equal(e->outcome->sip_status, 404);
	assert_string_equal(e->outcome->text, "No such user");
	assert_string_equal(e->outcome->reason, "sip.user.unknown");
	assert_string_equal(e->outcome->rule, "");
	assert_int_equal(settle(in, run, 7, "another", 20), XFED_ERR_STATE); /* the first stands */
	assert_int_equal(settle(in, run, 8, "unknown", 20), XFED_ERR_NOT_FOUND);
	proto_inbox_free(in);
}

/* "and forgets below that mark" */
static void what_the_sender_has_done_with_is_forgotten(void **state)
{
	struct proto_inbox *in = inbox(0);
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	for (uint64_t seq = 1; seq <= 4; seq++) {
		receive(in, run, seq, 0);
	}
	settle(in, run, 1, "", 0);
	settle(in, run, 3, "", 0);
	proto_inbox_lowest(in, run, 3);
	assert_null(proto_inbox_find(in, run, 1));
	assert_non_null(proto_inbox_find(in, run, 2)); /* has no fate yet here: stays */
	assert_non_null(proto_inbox_find(in, run, 3));
	assert_string_equal(receive(in, run, 1, 0), "forgotten");
	assert_string_equal(receive(in, run, 2, 0), "pending");
	proto_inbox_lowest(in, run, 2); /* a mark never goes back */
	assert_string_equal(receive(in, run, 1, 0), "forgotten");
	settle(in, run, 2, "", 0);
	proto_inbox_lowest(in, run, 4);
	assert_int_equal(proto_inbox_count(in), 1);
	proto_inbox_free(in);
}

/* One delivery that takes long keeps the mark, not the outcomes of all that came after it. */
static void what_was_heard_is_forgotten_above_the_mark(void **state)
{
	struct proto_inbox *in = inbox(0);
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	for (uint64_t seq = 1; seq <= 4; seq++) {
		receive(in, run, seq, 0);
	}
	settle(in, run, 2, "", 0);
	settle(in, run, 3, "", 0);
	proto_inbox_heard(in, run, 2);
	proto_inbox_heard(in, run, 4); /* has no outcome: stays */
	proto_inbox_heard(in, run, 99);
	assert_null(proto_inbox_find(in, run, 2));
	assert_non_null(proto_inbox_find(in, run, 3)); /* told, perhaps, and not heard */
	assert_int_equal(proto_inbox_count(in), 3);
	proto_inbox_lowest(in, run, 4); /* 1 was given up by its sender */
	settle(in, run, 1, "", 0);
	proto_inbox_heard(in, run, 1); /* goes with the mark */
	proto_inbox_lowest(in, run, 4);
	assert_int_equal(proto_inbox_count(in), 1);
	proto_inbox_free(in);
}

/* "or 120 s after the sender's run has ended"; "keeps outcomes for 120 s so a resumed link can fetch them" */
static void a_lost_run_is_remembered_for_two_minutes(void **state)
{
	struct proto_inbox *in = inbox(0);
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	receive(in, run, 1, 0);
	settle(in, run, 1, "kept", 0);
	proto_inbox_tick(in, 1000000); /* while it lives, time forgets nothing */
	assert_int_equal(proto_inbox_count(in), 1);
	proto_inbox_link_lost(in, run, 1000000);
	assert_int_equal(proto_inbox_link_gone_ms(run, 1010000), 10000);
	proto_inbox_tick(in, 1119999);
	assert_ptr_equal(proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 1119999), run);
	assert_int_equal(proto_inbox_link_gone_ms(run, 1119999), 0);
	assert_string_equal(proto_inbox_iterate(run, NULL)->outcome->text, "kept");
	proto_inbox_link_lost(in, run, 1120000);
	proto_inbox_tick(in, 1240000);
	assert_null(proto_inbox_find_run(in, XFED_SPAN("edge1"), 5));
	assert_int_equal(proto_inbox_count(in), 0);
	proto_inbox_free(in);
}

static void what_has_no_fate_keeps_its_run(void **state)
{
	struct proto_inbox *in = inbox(0);
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	receive(in, run, 1, 0);
	proto_inbox_link_lost(in, run, 0);
	proto_inbox_tick(in, 500000);
	assert_int_equal(settle(in, run, 1, "late", 500000), XFED_OK);
	proto_inbox_tick(in, 501000);
	assert_int_equal(proto_inbox_count(in), 0);
	proto_inbox_free(in);
}

/* "A full table stops granting credit; it never evicts." */
static void a_full_table_grants_nothing(void **state)
{
	struct proto_inbox *in = inbox(10);
	struct proto_inbox_run *a = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	struct proto_inbox_run *b = proto_inbox_link_up(in, XFED_SPAN("edge2"), 6, 1, 0);
	enum proto_inbox_verdict v;
	struct proto_inbox_entry *e;
	assert_int_equal(proto_inbox_reserve(in, a, 7), 7);
	assert_int_equal(proto_inbox_reserve(in, b, 7), 3);
	assert_int_equal(proto_inbox_reserve(in, b, 1), 0);
	for (uint64_t seq = 1; seq <= 3; seq++) {
		assert_int_equal(proto_inbox_receive(in, b, seq, &v, &e), XFED_OK);
	}
	assert_int_equal(proto_inbox_receive(in, b, 4, &v, &e), XFED_ERR_LIMIT);
	/* A duplicate gives its room back. */
	assert_int_equal(proto_inbox_receive(in, a, 1, &v, &e), XFED_OK);
	assert_int_equal(proto_inbox_receive(in, a, 1, &v, &e), XFED_OK);
	assert_int_equal(v, PROTO_INBOX_DUPLICATE_PENDING);
	assert_int_equal(proto_inbox_reserved(in), 5);
	assert_int_equal(proto_inbox_reserve(in, b, 9), 1);
	/* So does a link that is lost, with what it had not used. */
	proto_inbox_link_lost(in, a, 0);
	assert_int_equal(proto_inbox_reserve(in, a, 1), 0);
	assert_int_equal(proto_inbox_reserve(in, b, 9), 5);
	/* And an entry that is forgotten. */
	settle(in, b, 1, "", 0);
	assert_int_equal(proto_inbox_reserve(in, b, 9), 0);
	proto_inbox_lowest(in, b, 2);
	assert_int_equal(proto_inbox_reserve(in, b, 9), 1);
	assert_int_equal(proto_inbox_count(in) + proto_inbox_reserved(in), 10);
	proto_inbox_free(in);
}

/* "sends the requests when the edge has answered AttemptedAck" */
static void asked_and_acknowledged(void **state)
{
	struct proto_inbox *in = inbox(0);
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	receive(in, run, 1, 0);
	receive(in, run, 2, 0);
	assert_int_equal(proto_inbox_acked(in, run, 1), XFED_ERR_STATE); /* not asked */
	assert_int_equal(proto_inbox_asked(in, run, 1), XFED_OK);
	assert_int_equal(proto_inbox_asked(in, run, 1), XFED_ERR_STATE);
	assert_int_equal(proto_inbox_acked(in, run, 1), XFED_OK);
	assert_int_equal(proto_inbox_acked(in, run, 1), XFED_ERR_STATE); /* answered twice: the request goes once */
	assert_int_equal(proto_inbox_acked(in, run, 9), XFED_ERR_NOT_FOUND);
	assert_int_equal(proto_inbox_asked(in, run, 2), XFED_OK);
	assert_int_equal(proto_inbox_forget(in, run, 2), XFED_OK); /* refused */
	assert_int_equal(proto_inbox_forget(in, run, 2), XFED_ERR_NOT_FOUND);
	settle(in, run, 1, "", 0);
	assert_int_equal(proto_inbox_asked(in, run, 1), XFED_ERR_STATE);
	proto_inbox_free(in);
}

/* A run whose link was gone for longer than outcomes are kept: what was settled is not done again, what waits still waits. */
static void a_late_run_does_nothing_twice(void **state)
{
	struct proto_inbox *in = inbox(0);
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	receive(in, run, 5, 0);
	receive(in, run, 6, 0);
	settle(in, run, 6, "", 0);
	proto_inbox_link_lost(in, run, 0);
	proto_inbox_tick(in, XFED_DELIVERY_OUTCOME_MS);
	run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, XFED_DELIVERY_OUTCOME_MS);
	assert_string_equal(receive(in, run, 6, XFED_DELIVERY_OUTCOME_MS), "forgotten");
	assert_string_equal(receive(in, run, 5, XFED_DELIVERY_OUTCOME_MS), "pending");
	assert_string_equal(receive(in, run, 7, XFED_DELIVERY_OUTCOME_MS), "first");
	proto_inbox_free(in);
}

static void a_resumed_link_walks_through_what_is_known(void **state)
{
	struct proto_inbox *in = inbox(0);
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	char seen[64] = "";
	for (uint64_t seq = 1; seq <= 4; seq++) {
		receive(in, run, seq, 0);
	}
	settle(in, run, 2, "", 0);
	proto_inbox_asked(in, run, 3);
	proto_inbox_asked(in, run, 4);
	proto_inbox_acked(in, run, 4);
	proto_inbox_link_lost(in, run, 0);
	run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 1000);
	static const char *const states[] = { "pending", "asked", "attempted", "settled" };
	for (struct proto_inbox_entry *e = NULL; (e = proto_inbox_iterate(run, e));) {
		size_t used = strlen(seen);
		snprintf(seen + used, sizeof(seen) - used, "%llu:%s ", (unsigned long long)e->seq, states[e->state]);
	}
	assert_string_equal(seen, "1:pending 2:settled 3:asked 4:attempted ");
	proto_inbox_free(in);
}

/* The newest of two links wins; the older one's end does not take the run down. */
static void two_links_of_one_run(void **state)
{
	struct proto_inbox *in = inbox(0);
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	proto_inbox_reserve(in, run, 100);
	assert_ptr_equal(proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0), run);
	assert_int_equal(proto_inbox_reserved(in), 0); /* a link begins without credit */
	proto_inbox_reserve(in, run, 50);
	proto_inbox_link_lost(in, run, 10);
	assert_int_equal(proto_inbox_reserved(in), 50);
	assert_int_equal(proto_inbox_link_gone_ms(run, 1000), 0);
	proto_inbox_link_lost(in, run, 20);
	assert_int_equal(proto_inbox_link_gone_ms(run, 1020), 1000);
	proto_inbox_free(in);
}

/* "If that edge's run has ended, the outcome travels as a Deliver of the whole error stanza": its words are there. */
static void words_stay_with_an_outcome(void **state)
{
	struct proto_inbox *in = inbox(0);
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	char from[] = "alice@partner.example/desk", text[] = "words";
	struct proto_inbox_words words = {
		.kind = XFED__KIND__KIND_MESSAGE, .id = XFED_SPAN("m1"), .from = xfed_span_str(from), .to = XFED_SPAN("dave@corp.example")
	};
	receive(in, run, 1, 0);
	receive(in, run, 2, 0);
	oc.seq = 1;
	oc.fate = XFED__FATE__FATE_REFUSED;
	oc.text = text;
	assert_int_equal(proto_inbox_settle(in, run, &oc, &words, 0), XFED_OK);
	memset(from, 'x', sizeof(from) - 1); /* the caller's memory is not kept */
	memset(text, 'x', sizeof(text) - 1);
	const struct proto_inbox_entry *e = proto_inbox_find(in, run, 1);
	assert_string_equal(e->outcome->text, "words");
	assert_int_equal(e->words->kind, XFED__KIND__KIND_MESSAGE);
	assert_true(xfed_span_is(e->words->from, "alice@partner.example/desk"));
	assert_true(xfed_span_is(e->words->to, "dave@corp.example"));
	assert_true(xfed_span_is(e->words->id, "m1"));
	assert_int_equal(e->words->type.len, 0);
	oc.seq = 2;
	oc.fate = XFED__FATE__FATE_DELIVERED;
	oc.text = (char *)(uintptr_t) "";
	assert_int_equal(proto_inbox_settle(in, run, &oc, NULL, 0), XFED_OK);
	assert_null(proto_inbox_find(in, run, 2)->words);
	proto_inbox_free(in);
}

static void runs_that_have_gone_are_found_and_ended(void **state)
{
	struct proto_inbox *in = inbox(0);
	struct proto_inbox_run *old = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	struct proto_inbox_run *other = proto_inbox_link_up(in, XFED_SPAN("edge2"), 6, 1, 0);
	assert_null(proto_inbox_next_gone(in, XFED_SPAN(""), 0, 0)); /* both live */
	proto_inbox_link_lost(in, old, 1000);
	proto_inbox_link_lost(in, other, 2000);
	proto_inbox_link_up(in, XFED_SPAN("edge1"), 7, 1, 3000);
	assert_ptr_equal(proto_inbox_next_gone(in, XFED_SPAN("edge1"), 0, 3000), old); /* not the new run, which lives */
	assert_int_equal(proto_inbox_run_lost_ms(old), 1000);
	assert_null(proto_inbox_next_gone(in, XFED_SPAN(""), 2001, 3000));
	assert_ptr_equal(proto_inbox_next_gone(in, XFED_SPAN(""), 2000, 3000), old);
	proto_inbox_end_run(old);
	assert_true(proto_inbox_run_has_ended(old));
	assert_ptr_equal(proto_inbox_next_gone(in, XFED_SPAN(""), 1000, 3000), other);
	proto_inbox_end_run(other);
	assert_null(proto_inbox_next_gone(in, XFED_SPAN(""), 0, 3000));
	proto_inbox_link_up(in, XFED_SPAN("edge2"), 6, 1, 4000); /* it was only away for long */
	assert_false(proto_inbox_run_has_ended(other));
	proto_inbox_free(in);
}

static void runs_are_bounded(void **state)
{
	struct proto_inbox *in = inbox(0);
	/* One that starts again and again has its own share, and the others theirs. */
	for (uint64_t i = 1; i <= PROTO_INBOX_NAME_RUNS_MAX; i++) {
		assert_non_null(proto_inbox_link_up(in, XFED_SPAN("edge1"), i, 1, 0));
	}
	assert_null(proto_inbox_link_up(in, XFED_SPAN("edge1"), PROTO_INBOX_NAME_RUNS_MAX + 1, 1, 0));
	assert_non_null(proto_inbox_link_up(in, XFED_SPAN("edge1"), 1, 1, 0)); /* a run that is known */
	for (uint64_t i = PROTO_INBOX_NAME_RUNS_MAX; i < PROTO_INBOX_RUNS_MAX; i++) {
		char name[32];
		snprintf(name, sizeof(name), "other%llu", (unsigned long long)i);
		assert_non_null(proto_inbox_link_up(in, xfed_span_str(name), i, 1, 0));
	}
	assert_null(proto_inbox_link_up(in, XFED_SPAN("one more"), 1, 1, 0));
	proto_inbox_free(in);
}

static long fail_at, allocations;

/* Fair share: numbers of several classes come mixed, and the mark passes them all the same. */
static void numbers_come_in_any_order(void **state)
{
	struct proto_inbox *in = inbox(0);
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	static const uint64_t order[] = { 9, 3, 1, 8, 2, 7 };
	for (size_t i = 0; i < XFED_ARRAY_LEN(order); i++) {
		assert_string_equal(receive(in, run, order[i], 0), "first");
		if (order[i] != 2) {
			assert_int_equal(settle(in, run, order[i], "no", 1), XFED_OK);
		}
	}
	proto_inbox_lowest(in, run, 8); /* 2 has its fate there and is in hand here */
	assert_int_equal(proto_inbox_count(in), 3);
	assert_null(proto_inbox_find(in, run, 7));
	assert_non_null(proto_inbox_find(in, run, 8));
	assert_int_equal(settle(in, run, 2, "late", 2), XFED_OK);
	assert_non_null(proto_inbox_find(in, run, 2)); /* until the sender is heard of again */
	assert_int_equal(proto_inbox_forget(in, run, 2), XFED_ERR_NOT_FOUND);
	proto_inbox_lowest(in, run, 8);
	assert_null(proto_inbox_find(in, run, 2));
	assert_string_equal(receive(in, run, 2, 0), "forgotten");
	proto_inbox_lowest(in, run, (uint64_t)1 << 60);
	assert_int_equal(proto_inbox_count(in), 0);
	proto_inbox_free(in);
}

static void *failing_malloc(size_t size)
{
	return allocations++ == fail_at ? NULL : malloc(size);
}
static void *failing_realloc(void *p, size_t size)
{
	return allocations++ == fail_at ? NULL : realloc(p, size);
}

static void one_pass(void)
{
	struct proto_inbox *in;
	if (proto_inbox_new(0, &in) != XFED_OK) {
		return;
	}
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	for (uint64_t seq = 1; run && seq <= 50; seq++) {
		enum proto_inbox_verdict v;
		struct proto_inbox_entry *e;
		assert_int_equal(proto_inbox_reserve(in, run, 1), 1);
		int rc = proto_inbox_receive(in, run, seq, &v, &e);
		if (rc == XFED_ERR_NOMEM) {
			rc = proto_inbox_receive(in, run, seq, &v, &e); /* nothing had changed */
		}
		assert_int_equal(rc, XFED_OK);
		assert_int_equal(v, PROTO_INBOX_FIRST);
		/* Without memory for the text the fate, the status and the reason stand all the same. */
		rc = settle(in, run, seq, "text", 0);
		assert_true(rc == XFED_OK || rc == XFED_ERR_NOMEM);
		assert_int_equal(proto_inbox_find(in, run, seq)->outcome->sip_status, 404);
		assert_string_equal(proto_inbox_find(in, run, seq)->outcome->reason, "sip.user.unknown");
		assert_string_equal(proto_inbox_find(in, run, seq)->outcome->text, rc == XFED_OK ? "text" : "");
	}
	proto_inbox_free(in);
}

static void every_allocation_may_fail(void **state)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	xfed_mem_set_hooks(&hooks);
	fail_at = -1;
	do {
		fail_at++;
		allocations = 0;
		one_pass();
	} while (fail_at < allocations);
	xfed_mem_set_hooks(NULL);
	assert_true(fail_at > 100);
}

/* A question that has been said is open until it is answered, or said again over another link. */
static void a_question_is_open_until_it_is_answered(void **state)
{
	(void)state;
	struct proto_inbox *in = inbox(0);
	struct proto_inbox_run *run = proto_inbox_link_up(in, XFED_SPAN("edge1"), 5, 1, 0);
	for (uint64_t seq = 1; seq <= 3; seq++) {
		receive(in, run, seq, 0);
		assert_int_equal(proto_inbox_asked(in, run, seq), XFED_OK);
	}
	assert_int_equal(proto_inbox_unanswered_ms(run, 5000), 0); /* nobody has said one yet */
	for (uint64_t seq = 1; seq <= 3; seq++) {
		assert_int_equal(proto_inbox_next_ask(run, 1000 * seq)->seq, seq);
	}
	assert_null(proto_inbox_next_ask(run, 4000));
	assert_int_equal(proto_inbox_unanswered_ms(run, 5000), 4000);
	assert_int_equal(proto_inbox_acked(in, run, 1), XFED_OK);
	assert_int_equal(proto_inbox_unanswered_ms(run, 5000), 3000);
	assert_int_equal(proto_inbox_forget(in, run, 2), XFED_OK);
	assert_int_equal(proto_inbox_unanswered_ms(run, 5000), 2000);
	proto_inbox_say_again(run); /* a link has come */
	assert_int_equal(proto_inbox_unanswered_ms(run, 5000), 0);
	assert_int_equal(proto_inbox_next_ask(run, 6000)->seq, 3);
	assert_int_equal(proto_inbox_unanswered_ms(run, 7000), 1000);
	settle(in, run, 3, "", 7000);
	assert_int_equal(proto_inbox_unanswered_ms(run, 9000), 0);
	proto_inbox_free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_done_twice),
		cmocka_unit_test(what_the_sender_has_done_with_is_forgotten),
		cmocka_unit_test(what_was_heard_is_forgotten_above_the_mark),
		cmocka_unit_test(a_lost_run_is_remembered_for_two_minutes),
		cmocka_unit_test(what_has_no_fate_keeps_its_run),
		cmocka_unit_test(a_full_table_grants_nothing),
		cmocka_unit_test(asked_and_acknowledged),
		cmocka_unit_test(a_late_run_does_nothing_twice),
		cmocka_unit_test(a_resumed_link_walks_through_what_is_known),
		cmocka_unit_test(two_links_of_one_run),
		cmocka_unit_test(words_stay_with_an_outcome),
		cmocka_unit_test(runs_that_have_gone_are_found_and_ended),
		cmocka_unit_test(runs_are_bounded),
		cmocka_unit_test(numbers_come_in_any_order),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(a_question_is_open_until_it_is_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
