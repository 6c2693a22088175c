/* What is kept of a pair of addresses for a day: [B4-01], [B4-07], and who a public partner's contact may write to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "contacts/contacts.h"
#include "sweep.h"

#define DAVE  XFED_SPAN("dave@corp.example")
#define ERIN  XFED_SPAN("erin@corp.example")
#define ALICE XFED_SPAN("alice@partner.example")
#define NONE  ((struct xfed_span){ NULL, 0 })

static struct contact_facts facts(const struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t now_ms)
{
	struct contact_facts f;
	contact_facts(contacts_find(c, local, remote), now_ms, &f);
	return f;
}

static int contacts_wrote(struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t now_ms)
{
	struct contact *k = contacts_hold(c, NULL, local, remote);
	if (k) {
		contact_wrote(k, now_ms);
	}
	contacts_give_back(c, k, now_ms);
	return k ? XFED_OK : XFED_ERR_NOMEM;
}

static int contacts_heard(struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t now_ms)
{
	struct contact *k = contacts_hold(c, contacts_find(c, local, remote), local, remote);
	if (k) {
		contact_heard(k, now_ms);
	}
	contacts_give_back(c, k, now_ms);
	return k ? XFED_OK : XFED_ERR_NOMEM;
}

static int contacts_trying(struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t id, struct xfed_span type,
	struct xfed_span thread, uint64_t now_ms)
{
	struct contact *k = contacts_hold(c, NULL, local, remote);
	int rc = k ? contact_trying(k, id, type, thread) : XFED_ERR_NOMEM;
	contacts_give_back(c, k, now_ms);
	return rc;
}

static void contacts_tried(struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t id, bool is_delivered, uint64_t now_ms)
{
	struct contact *k = contacts_find(c, local, remote);
	if (k) {
		contact_tried(k, id, is_delivered, now_ms);
	}
}

static void writing_authorises_for_a_day_and_nobody_else(void **state)
{
	(void)state;
	struct contacts *c;
	assert_int_equal(contacts_new(0, &c), XFED_OK);
	assert_false(facts(c, DAVE, ALICE, 0).is_written_to);
	assert_int_equal(contacts_wrote(c, DAVE, ALICE, 1000), XFED_OK);
	assert_true(facts(c, DAVE, ALICE, 1000).is_written_to);
	assert_false(facts(c, ERIN, ALICE, 1000).is_written_to);
	assert_false(facts(c, DAVE, XFED_SPAN("mallory@partner.example"), 1000).is_written_to);
	assert_true(facts(c, DAVE, ALICE, 1000 + CONTACT_KEEP_MS - 1).is_written_to);
	assert_false(facts(c, DAVE, ALICE, 1000 + CONTACT_KEEP_MS).is_written_to);
	contacts_free(c);
}

/* What a contact sends says that it is there, and authorises nothing. */
static void being_heard_is_no_authorisation(void **state)
{
	(void)state;
	struct contacts *c;
	assert_int_equal(contacts_new(0, &c), XFED_OK);
	assert_int_equal(contacts_heard(c, DAVE, ALICE, 0), XFED_OK);
	assert_false(facts(c, DAVE, ALICE, 1).is_written_to);
	assert_true(facts(c, DAVE, ALICE, CONTACT_KEEP_MS - 1).is_alive);
	assert_false(facts(c, DAVE, ALICE, CONTACT_KEEP_MS).is_alive);
	contacts_free(c);
}

static int contacts_delivered(
	struct contacts *c, struct xfed_span local, struct xfed_span remote, struct xfed_span type, struct xfed_span thread, uint64_t now_ms)
{
	static uint64_t id;
	int rc = contacts_trying(c, local, remote, ++id, type, thread, now_ms);
	contacts_tried(c, local, remote, id, true, now_ms);
	return rc;
}

static void type_is_the_last_and_thread_the_last_there_was(void **state)
{
	(void)state;
	static const struct {
		const char *name, *type, *thread, *type_after, *thread_after;
	} rows[] = {
		{ "first", "chat", "t1", "chat", "t1" },
		{ "another thread", "chat", "thread two é", "chat", "thread two é" },
		{ "no thread keeps it", "chat", NULL, "chat", "thread two é" },
		{ "no type", NULL, NULL, NULL, "thread two é" },
		{ "an empty thread", "normal", "", "normal", "" },
		{ "a type that is none", "a-type-that-is-far-too-long", NULL, NULL, "" },
		{ "chat again", "chat", NULL, "chat", "" },
		{ "headline", "headline", NULL, NULL, "" },
		{ "normal", "normal", NULL, "normal", "" },
		{ "groupchat", "groupchat", NULL, NULL, "" },
		{ "error", "error", NULL, NULL, "" },
		{ "only the word itself", "chats", NULL, NULL, "" },
		{ "an empty one", "", NULL, NULL, "" },
	};
	struct contacts *c;
	assert_int_equal(contacts_new(0, &c), XFED_OK);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		assert_int_equal(contacts_delivered(c, DAVE, ALICE, xfed_span_str(rows[i].type), xfed_span_str(rows[i].thread), i), XFED_OK);
		struct contact_facts f = facts(c, DAVE, ALICE, i);
		struct xfed_span type = xfed_span_str(rows[i].type_after), thread = xfed_span_str(rows[i].thread_after);
		if (!xfed_span_eq(f.type, type) || (f.type.data == NULL) != (type.data == NULL) || !xfed_span_eq(f.thread, thread)) {
			fail_msg("%s", rows[i].name);
		}
	}
	assert_int_equal(contacts_delivered(c, DAVE, ALICE, XFED_SPAN("chat"), NONE, 20), XFED_OK);
	assert_int_equal(contacts_heard(c, DAVE, ALICE, CONTACT_KEEP_MS), XFED_OK); /* which keeps neither */
	assert_non_null(facts(c, DAVE, ALICE, CONTACT_KEEP_MS + 19).type.data);
	assert_null(facts(c, DAVE, ALICE, CONTACT_KEEP_MS + 20).type.data);
	assert_null(facts(c, DAVE, ALICE, CONTACT_KEEP_MS + 20).thread.data);
	contacts_free(c);
}

/* What did not reach the user (refused, dropped, no answer) leaves what was kept as it is. */
static void what_was_only_heard_keeps_nothing(void **state)
{
	(void)state;
	struct contacts *c;
	assert_int_equal(contacts_new(0, &c), XFED_OK);
	assert_int_equal(contacts_heard(c, DAVE, ALICE, 0), XFED_OK);
	assert_null(facts(c, DAVE, ALICE, 0).type.data);
	assert_null(facts(c, DAVE, ALICE, 0).thread.data);
	assert_int_equal(contacts_delivered(c, DAVE, ALICE, XFED_SPAN("chat"), XFED_SPAN("t1"), 1), XFED_OK);
	assert_int_equal(contacts_heard(c, DAVE, ALICE, 2), XFED_OK);
	assert_true(xfed_span_is(facts(c, DAVE, ALICE, 2).type, "chat"));
	assert_true(xfed_span_is(facts(c, DAVE, ALICE, 2).thread, "t1"));
	contacts_free(c);
}

static void expect(const char *step, struct contacts *c, const char *type, const char *thread)
{
	struct contact_facts f = facts(c, DAVE, ALICE, 9);
	if (!xfed_span_eq(f.type, xfed_span_str(type)) || !xfed_span_eq(f.thread, xfed_span_str(thread))) {
		fail_msg("%s: %.*s, %.*s", step, (int)f.type.len, f.type.data, (int)f.thread.len, f.thread.data);
	}
}

/* The user may answer before his server has said that he has it; if it then says that he has not, what was before counts again. */
static void what_is_on_its_way_counts_until_it_fails(void **state)
{
	struct contacts *c;
	(void)state;
	assert_int_equal(contacts_new(0, &c), XFED_OK);
	assert_int_equal(contacts_trying(c, DAVE, ALICE, 1, XFED_SPAN("normal"), XFED_SPAN("t1"), 0), XFED_OK);
	expect("on its way", c, "normal", "t1");
	contacts_tried(c, DAVE, ALICE, 1, false, 1);
	expect("refused", c, NULL, NULL);
	contacts_tried(c, DAVE, ALICE, 1, true, 1);
	expect("it has its end already", c, NULL, NULL);
	assert_int_equal(contacts_trying(c, DAVE, ALICE, 2, XFED_SPAN("chat"), XFED_SPAN("t2"), 2), XFED_OK);
	contacts_tried(c, DAVE, ALICE, 2, true, 3);
	assert_int_equal(contacts_trying(c, DAVE, ALICE, 3, XFED_SPAN("headline"), NONE, 4), XFED_OK);
	expect("one without a thread on its way", c, NULL, "t2");
	assert_int_equal(contacts_trying(c, DAVE, ALICE, 4, XFED_SPAN("normal"), XFED_SPAN("t4"), 5), XFED_OK);
	contacts_tried(c, DAVE, ALICE, 3, true, 6);
	expect("the later one counts", c, "normal", "t4");
	contacts_tried(c, DAVE, ALICE, 4, false, 7);
	expect("the last that was delivered", c, "chat", "t2");
	contacts_tried(c, ERIN, ALICE, 4, true, 8);
	assert_int_equal(contacts_count(c), 1);
	contacts_free(c);
}

/* "a" + "b@c" and "a@b" + "c" are different pairs whatever is put together. */
static void pairs_do_not_run_into_each_other(void **state)
{
	(void)state;
	struct contacts *c;
	assert_int_equal(contacts_new(0, &c), XFED_OK);
	assert_int_equal(contacts_wrote(c, XFED_SPAN("ab"), XFED_SPAN("c"), 0), XFED_OK);
	assert_false(facts(c, XFED_SPAN("a"), XFED_SPAN("bc"), 0).is_written_to);
	assert_false(facts(c, XFED_SPAN("c"), XFED_SPAN("ab"), 0).is_written_to);
	contacts_free(c);
}

static void the_one_not_used_for_longest_goes_first(void **state)
{
	(void)state;
	struct contacts *c;
	assert_int_equal(contacts_new(2, &c), XFED_OK);
	contacts_wrote(c, DAVE, ALICE, 1);
	contacts_wrote(c, ERIN, ALICE, 2);
	contacts_heard(c, DAVE, ALICE, 3);
	contacts_wrote(c, DAVE, XFED_SPAN("bob@partner.example"), 4);
	assert_int_equal(contacts_count(c), 2);
	assert_true(facts(c, DAVE, ALICE, 5).is_written_to);
	assert_false(facts(c, ERIN, ALICE, 5).is_written_to);
	contacts_tick(c, CONTACT_KEEP_MS + 3);
	assert_int_equal(contacts_count(c), 1);
	contacts_tick(c, CONTACT_KEEP_MS + 4);
	assert_int_equal(contacts_count(c), 0);
	contacts_free(c);
}

/* However many addresses write to however many users, whom our user has written to is still known. */
static void strangers_push_out_strangers_only(void **state)
{
	(void)state;
	struct contacts *c;
	char local[32], remote[32];
	assert_int_equal(contacts_new(4, &c), XFED_OK);
	assert_int_equal(contacts_heard(c, ERIN, ALICE, 0), XFED_OK); /* she answers a stranger: no stranger any more */
	assert_int_equal(contacts_wrote(c, ERIN, ALICE, 1), XFED_OK);
	assert_int_equal(contacts_wrote(c, DAVE, ALICE, 2), XFED_OK);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(local, sizeof(local), "user%u@corp.example", i);
		snprintf(remote, sizeof(remote), "mallory%u@partner.example", i);
		assert_int_equal(contacts_heard(c, xfed_span_str(local), xfed_span_str(remote), 3 + i), XFED_OK);
		assert_int_equal(contacts_delivered(c, DAVE, xfed_span_str(remote), XFED_SPAN("chat"), NONE, 3 + i), XFED_OK);
		assert_int_equal(contacts_count(c), 4);
	}
	assert_true(facts(c, DAVE, ALICE, 103).is_written_to);
	assert_true(facts(c, ERIN, ALICE, 103).is_written_to);
	/* Users' own pairs push out each other, the one not used for longest first. */
	for (unsigned i = 0; i < 3; i++) {
		snprintf(remote, sizeof(remote), "bob%u@partner.example", i);
		assert_int_equal(contacts_wrote(c, DAVE, xfed_span_str(remote), 200 + i), XFED_OK);
	}
	assert_false(facts(c, ERIN, ALICE, 203).is_written_to);
	assert_true(facts(c, DAVE, ALICE, 203).is_written_to);
	contacts_free(c);
}

/* What was written a day ago authorises nothing, and takes no place from what is newer, however often the contact writes. */
static void a_pair_written_in_long_ago_is_one_of_a_stranger(void **state)
{
	(void)state;
	struct contacts *c;
	assert_int_equal(contacts_new(2, &c), XFED_OK);
	assert_int_equal(contacts_wrote(c, DAVE, ALICE, 0), XFED_OK);
	assert_int_equal(contacts_heard(c, DAVE, ALICE, CONTACT_KEEP_MS - 1), XFED_OK);
	assert_int_equal(contacts_wrote(c, ERIN, ALICE, CONTACT_KEEP_MS), XFED_OK);
	assert_int_equal(contacts_heard(c, DAVE, ALICE, CONTACT_KEEP_MS + 1), XFED_OK);
	assert_int_equal(contacts_wrote(c, ERIN, XFED_SPAN("bob@partner.example"), CONTACT_KEEP_MS + 2), XFED_OK);
	assert_false(facts(c, DAVE, ALICE, CONTACT_KEEP_MS + 3).is_alive);
	assert_true(facts(c, ERIN, ALICE, CONTACT_KEEP_MS + 3).is_written_to);
	/* Both orders grow old. */
	assert_int_equal(contacts_heard(c, DAVE, ALICE, CONTACT_KEEP_MS + 4), XFED_OK);
	contacts_tick(c, 2 * CONTACT_KEEP_MS + 3);
	assert_int_equal(contacts_count(c), 1);
	contacts_tick(c, 2 * CONTACT_KEEP_MS + 4);
	assert_int_equal(contacts_count(c), 0);
	contacts_free(c);
}

/* However many others come: what a message on its way refers to stays, and has its place again afterwards. */
static void what_is_held_is_not_forgotten(void **state)
{
	(void)state;
	struct contacts *c;
	assert_int_equal(contacts_new(2, &c), XFED_OK);
	struct contact *dave = contacts_hold(c, NULL, DAVE, ALICE), *erin = contacts_hold(c, NULL, ERIN, ALICE);
	assert_ptr_equal(contacts_hold(c, dave, DAVE, ALICE), dave); /* by two messages */
	contact_heard(dave, 1);
	contact_heard(erin, 1);
	struct contact *third = contacts_hold(c, NULL, DAVE, XFED_SPAN("bob@partner.example"));
	assert_int_equal(contacts_count(c), 3);
	contacts_give_back(c, third, 2);
	contacts_give_back(c, dave, 2);
	contacts_tick(c, 3 * CONTACT_KEEP_MS);
	assert_int_equal(contacts_count(c), 2);
	assert_ptr_equal(contacts_find(c, DAVE, ALICE), dave);
	assert_ptr_equal(contacts_find(c, ERIN, ALICE), erin);
	contact_wrote(dave, 3 * CONTACT_KEEP_MS);
	contacts_give_back(c, dave, 3 * CONTACT_KEEP_MS);
	contacts_give_back(c, erin, 3 * CONTACT_KEEP_MS);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(contacts_heard(c, ERIN, XFED_SPAN("mallory@partner.example"), 3 * CONTACT_KEEP_MS + i), XFED_OK);
		assert_int_equal(contacts_count(c), 2);
	}
	assert_true(facts(c, DAVE, ALICE, 3 * CONTACT_KEEP_MS).is_written_to);
	assert_null(contacts_find(c, ERIN, ALICE));
	contacts_hold(c, dave, DAVE, ALICE);
	contacts_free(c); /* those that are held too */
}

/* ---- what outlives a restart ---- */

struct life {
	struct core core;
	struct store *store;
	struct contacts *c;
	uint64_t now;
};

static char store_path[] = "/tmp/xfed-contacts-XXXXXX";
static int64_t wall_s = 1700000000;

static int64_t wall(void *user)
{
	(void)user;
	return wall_s;
}

static void begin(struct life *l)
{
	char error[256];
	*l = (struct life){ 0 };
	assert_int_equal(rt_loop_new(&l->core.d.loop), XFED_OK);
	rt_env(&l->core.d.env);
	l->core.d.env.wall_s = wall;
	l->now = core_now(&l->core);
	assert_int_equal(store_open(store_path, &l->core.d.env, &l->store, error), XFED_OK);
	assert_int_equal(contacts_new(0, &l->c), XFED_OK);
	assert_int_equal(contacts_load(l->c, &l->core, l->store, error), XFED_OK);
}

static void finish(struct life *l)
{
	contacts_stop(l->c);
	store_stop(l->store);
	contacts_free(l->c);
	store_close(l->store);
	rt_loop_free(l->core.d.loop);
}

static void took(struct life *l, struct xfed_span local, struct xfed_span remote, bool fails)
{
	struct contact *k = contacts_hold(l->c, NULL, local, remote);
	if (fails) {
		contact_failed(k);
	} else {
		contact_took(k, l->now);
	}
	contacts_give_back(l->c, k, l->now);
}

static void authorisations_and_who_is_there_outlive_a_restart(void **state)
{
	(void)state;
	struct life l;
	int fd = mkstemp(store_path);
	assert_true(fd >= 0);
	close(fd);
	begin(&l);
	contacts_wrote(l.c, DAVE, ALICE, l.now);
	contacts_wrote(l.c, ERIN, ALICE, l.now);
	took(&l, ERIN, ALICE, false);
	contacts_heard(l.c, DAVE, XFED_SPAN("stranger@partner.example"), l.now); /* costs the disk nothing */
	finish(&l);

	wall_s += 3600;
	begin(&l);
	assert_int_equal(contacts_count(l.c), 2);
	assert_true(facts(l.c, DAVE, ALICE, l.now).is_written_to);
	assert_false(facts(l.c, DAVE, ALICE, l.now).is_alive);
	assert_true(facts(l.c, ERIN, ALICE, l.now).is_alive);
	/* The age counts, not the restart. */
	assert_true(facts(l.c, DAVE, ALICE, l.now + CONTACT_KEEP_MS - 3601 * 1000).is_written_to);
	assert_false(facts(l.c, DAVE, ALICE, l.now + CONTACT_KEEP_MS - 3600 * 1000).is_written_to);
	took(&l, ERIN, ALICE, true);
	finish(&l);

	begin(&l);
	assert_false(facts(l.c, ERIN, ALICE, l.now).is_alive); /* its error is remembered too */
	assert_true(facts(l.c, ERIN, ALICE, l.now).is_written_to);
	finish(&l);

	wall_s += 23 * 3600;
	begin(&l);
	assert_int_equal(contacts_count(l.c), 0);
	finish(&l);

	wall_s -= 24 * 3600; /* a clock that went back */
	begin(&l);
	assert_true(facts(l.c, DAVE, ALICE, l.now).is_written_to);
	finish(&l);
	unlink(store_path);
}

static void on_strange_written(struct store_batch *b)
{
	assert_int_equal(b->written, XFED_OK);
}

/* Rows that somebody has written, or a clock that was wrong. What lies ahead may be right, as our own clock may be behind. */
static void times_that_cannot_be(void **state)
{
	const int64_t soon = wall_s + 365 * 86400, strange[] = { INT64_MAX, INT64_MIN, -1, 1700000000LL * 1000, soon };
	struct life l;
	struct store_batch batch;
	char name[40];
	unlink(store_path);
	begin(&l);
	store_batch_init(&batch, on_strange_written);
	for (size_t i = 0; i < XFED_ARRAY_LEN(strange); i++) {
		snprintf(name, sizeof(name), "strange%zu@partner.example", i);
		struct store_contact row = { .local = DAVE,
			.remote = xfed_span_str(name),
			.wrote_s = strange[i],
			.alive_s = strange[i],
			.relation = XFED_SPAN("to+pending-in"),
			.asked_s = strange[i],
			.used_s = strange[i],
			.wanted_s = strange[i] };
		assert_int_equal(store_put_contact(&batch, &row), XFED_OK);
	}
	store_submit(l.store, &batch);
	finish(&l);
	store_batch_deinit(&batch);
	begin(&l);
	for (size_t i = 0; i < XFED_ARRAY_LEN(strange); i++) {
		snprintf(name, sizeof(name), "strange%zu@partner.example", i);
		struct contact *k = contacts_find(l.c, DAVE, xfed_span_str(name));
		int64_t then_s = strange[i] == soon ? soon : strange[i] > 0 ? wall_s : 0;
		assert_non_null(k);
		assert_int_equal(contact_used_s(k), then_s);
		assert_int_equal(contact_wanted_s(k), then_s);
		assert_int_equal(contact_asked_s(k), strange[i] == soon ? soon : wall_s); /* without a time it waits from now on */
		struct contact_facts f = facts(l.c, DAVE, xfed_span_str(name), l.now);
		assert_int_equal(f.is_written_to, strange[i] > 0);
		assert_int_equal(f.is_alive, strange[i] > 0);
		f = facts(l.c, DAVE, xfed_span_str(name), l.now + CONTACT_KEEP_MS + 1000);
		assert_false(f.is_written_to || f.is_alive);
	}
	finish(&l);
	unlink(store_path);
}

/* A user who writes all day costs a row an hour. */
static void the_store_is_written_to_once_an_hour(void **state)
{
	(void)state;
	struct life l;
	unlink(store_path);
	begin(&l);
	contacts_wrote(l.c, DAVE, ALICE, l.now);
	contacts_save(l.c);
	contacts_wrote(l.c, DAVE, ALICE, l.now + CONTACT_SAVE_MS - 1);
	contacts_save(l.c);
	finish(&l);
	begin(&l);
	assert_true(facts(l.c, DAVE, ALICE, l.now + CONTACT_KEEP_MS - 1000).is_written_to);
	assert_false(facts(l.c, DAVE, ALICE, l.now + CONTACT_KEEP_MS).is_written_to);
	contacts_wrote(l.c, DAVE, ALICE, l.now + CONTACT_SAVE_MS);
	wall_s += CONTACT_SAVE_MS / 1000;
	finish(&l);
	begin(&l);
	assert_true(facts(l.c, DAVE, ALICE, l.now + CONTACT_KEEP_MS - CONTACT_SAVE_MS + 1).is_written_to);
	finish(&l);
	unlink(store_path);
}

struct waiter {
	struct contacts_wait wait;
	int calls, rc;
};

static void note_saved(struct contacts_wait *w, int rc)
{
	struct waiter *mine = (struct waiter *)w;
	mine->calls++;
	mine->rc = rc;
}

static void relate(struct life *l, struct xfed_span remote, enum iw_relation_state state, bool is_preapproved)
{
	struct contact *k = contacts_hold(l->c, NULL, DAVE, remote);
	contacts_relate(l->c, k, (struct iw_relation){ state, is_preapproved }, iw_relation_is_pending_in(state) ? wall_s : 0);
	contacts_used(l->c, k, true, wall_s);
	contacts_give_back(l->c, k, l->now);
}

/* Whoever is told that it is so is told when it is in the store; months do not end it, nor do others; ending it does. */
static void relations_outlive_a_restart_and_everybody_else(void **state)
{
	(void)state;
	struct life l;
	struct waiter w = { .wait = { .done = note_saved } };
	const struct xfed_span bob = XFED_SPAN("bob@partner.example"), carol = XFED_SPAN("carol@partner.example");
	begin(&l);
	relate(&l, ALICE, IW_RELATION_BOTH, false);
	relate(&l, bob, IW_RELATION_NONE_IN, false);
	relate(&l, carol, IW_RELATION_NONE, true);
	contacts_when_saved(l.c, contacts_find(l.c, DAVE, ALICE), &w.wait);
	assert_int_equal(w.calls, 0);
	contacts_flush(l.c);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.rc, XFED_OK);
	contacts_tick(l.c, l.now + 30 * CONTACT_KEEP_MS);
	assert_int_equal(contacts_related_count(l.c), 3);
	finish(&l);
	wall_s += 90 * 24 * 3600;
	begin(&l);
	assert_int_equal(contacts_related_count(l.c), 3);
	struct contact *alice = contacts_find(l.c, DAVE, ALICE), *asks = contacts_find(l.c, DAVE, bob);
	assert_int_equal(contact_relation(alice).state, IW_RELATION_BOTH);
	assert_true(facts(l.c, DAVE, ALICE, l.now).is_added && facts(l.c, DAVE, ALICE, l.now).is_watching);
	assert_false(facts(l.c, DAVE, ALICE, l.now).is_written_to);
	assert_int_equal(contact_relation(asks).state, IW_RELATION_NONE_IN);
	assert_int_equal(contact_asked_s(asks), wall_s - 90 * 24 * 3600);
	assert_true(contact_relation(contacts_find(l.c, DAVE, carol)).is_preapproved);
	relate(&l, ALICE, IW_RELATION_NONE, false);
	finish(&l);
	begin(&l);
	assert_null(contacts_find(l.c, DAVE, ALICE));
	assert_int_equal(contacts_related_count(l.c), 2);
	struct contact *k = contacts_hold(l.c, NULL, DAVE, bob);
	contacts_when_saved(l.c, k, &w.wait); /* nothing of this one waits */
	assert_int_equal(w.calls, 2);
	contacts_relate(l.c, k, (struct iw_relation){ .state = IW_RELATION_FROM }, 0);
	contacts_when_saved(l.c, k, &w.wait); /* and nobody flushes: the end tells it */
	contacts_give_back(l.c, k, l.now);
	assert_int_equal(w.calls, 2);
	finish(&l);
	assert_int_equal(w.calls, 3);
}

static struct contact *lose(struct life *l)
{
	struct contact *k = contacts_hold(l->c, NULL, DAVE, ALICE);
	contacts_owe(k);
	contacts_relate(l->c, k, (struct iw_relation){ .state = IW_RELATION_NONE }, 0);
	return k;
}

static void start_again(struct life *l)
{
	contacts_give_back(l->c, contacts_find(l->c, DAVE, ALICE), l->now);
	finish(l);
	begin(l);
}

/* Who sees the user no more and has not been told stays in the store, until it has been, or somebody is promised otherwise. */
static void who_is_still_to_be_told_is_kept(void **state)
{
	(void)state;
	struct life l;
	struct waiter w = { .wait = { .done = note_saved } };
	unlink(store_path);
	begin(&l);
	relate(&l, ALICE, IW_RELATION_FROM, false);
	lose(&l); /* the store knows of nothing yet */
	start_again(&l);
	assert_null(contacts_find(l.c, DAVE, ALICE));
	relate(&l, ALICE, IW_RELATION_FROM, false);
	contacts_save(l.c);
	lose(&l);
	start_again(&l);
	assert_int_equal(contact_relation(contacts_find(l.c, DAVE, ALICE)).state, IW_RELATION_FROM);
	contacts_told(l.c, lose(&l));
	start_again(&l);
	assert_null(contacts_find(l.c, DAVE, ALICE));
	relate(&l, ALICE, IW_RELATION_FROM, false);
	contacts_save(l.c);
	contacts_when_saved(l.c, lose(&l), &w.wait);
	contacts_flush(l.c);
	assert_int_equal(w.calls, 1);
	start_again(&l);
	assert_null(contacts_find(l.c, DAVE, ALICE));
	finish(&l);
	unlink(store_path);
}

/* What changes later, however much and however often, holds up nobody. */
static void who_waits_is_told_though_more_changes_all_the_time(void **state)
{
	(void)state;
	struct life l;
	struct waiter first = { .wait = { .done = note_saved } }, last = first, all = first;
	char name[32];
	unlink(store_path);
	begin(&l);
	for (int i = 0; i < 1500; i++) { /* three batches of them */
		snprintf(name, sizeof(name), "c%d@partner.example", i);
		relate(&l, xfed_span_str(name), IW_RELATION_BOTH, false);
		if (i == 0) {
			contacts_when_saved(l.c, contacts_find(l.c, DAVE, xfed_span_str(name)), &first.wait);
		}
	}
	contacts_when_saved(l.c, contacts_find(l.c, DAVE, xfed_span_str(name)), &last.wait);
	contacts_when_saved(l.c, NULL, &all.wait);
	for (int batch = 1; batch <= 3; batch++) {
		assert_int_equal(last.calls + all.calls, 0);
		contacts_flush(l.c);
		assert_int_equal(first.calls, 1);
		for (int i = 0; i < 600; i++) { /* more than a batch takes */
			snprintf(name, sizeof(name), "c%d@partner.example", batch * 10000 + i);
			relate(&l, xfed_span_str(name), IW_RELATION_BOTH, false);
		}
	}
	assert_int_equal(last.calls, 1);
	assert_int_equal(all.calls, 1);
	assert_int_equal(last.rc, XFED_OK);
	finish(&l);
	unlink(store_path);
}

/* Nobody pushes out a relation by writing from many addresses, and relations take no place from those who write. */
static void related_ones_count_apart(void **state)
{
	(void)state;
	struct contacts *c;
	assert_int_equal(contacts_new(2, &c), XFED_OK);
	struct contact *k = contacts_hold(c, NULL, DAVE, ALICE);
	contacts_relate(c, k, (struct iw_relation){ .state = IW_RELATION_FROM }, 0);
	contacts_give_back(c, k, 1);
	for (unsigned i = 0; i < 5; i++) {
		char remote[64];
		snprintf(remote, sizeof(remote), "mallory%u@partner.example", i);
		assert_int_equal(contacts_heard(c, DAVE, xfed_span_str(remote), 2 + i), XFED_OK);
	}
	assert_int_equal(contacts_count(c), 3);
	assert_ptr_equal(contacts_next(c, &(struct contacts_filter){ 0 }, NULL), k);
	assert_null(contacts_next(c, &(struct contacts_filter){ 0 }, k));
	contacts_free(c);
}

static void expect_listed(const struct contacts *c, const struct contacts_filter *f, const char *const *remotes)
{
	struct contact *k = NULL;
	for (; *remotes; remotes++) {
		k = contacts_next(c, f, k);
		assert_non_null(k);
		assert_true(xfed_span_is(contact_remote(k), *remotes));
	}
	assert_null(contacts_next(c, f, k));
}

/* Of one user, of one domain, of both, or all of them, the domains one after the other; who has no relation is not among them. */
static void related_ones_are_listed_by_user_and_domain(void **state)
{
	(void)state;
	const struct {
		struct xfed_span local;
		const char *remote;
	} pairs[] = { { DAVE, "a@one.example" }, { ERIN, "b@one.example" }, { DAVE, "c@two.example" }, { DAVE, "d@one.example" } };
	const struct xfed_span one = XFED_SPAN("one.example"), two = XFED_SPAN("two.example"), none = XFED_SPAN("three.example");
	struct contacts *c;
	assert_int_equal(contacts_new(0, &c), XFED_OK);
	assert_int_equal(contacts_wrote(c, DAVE, XFED_SPAN("stranger@one.example"), 1), XFED_OK);
	for (size_t i = 0; i < XFED_ARRAY_LEN(pairs); i++) {
		struct contact *k = contacts_hold(c, NULL, pairs[i].local, xfed_span_str(pairs[i].remote));
		contacts_relate(c, k, (struct iw_relation){ .state = IW_RELATION_FROM }, 0);
		contacts_give_back(c, k, 1);
	}
	expect_listed(
		c, &(struct contacts_filter){ 0 }, (const char *const[]){ "a@one.example", "b@one.example", "d@one.example", "c@two.example", NULL });
	expect_listed(
		c, &(struct contacts_filter){ .local = DAVE }, (const char *const[]){ "a@one.example", "c@two.example", "d@one.example", NULL });
	expect_listed(c, &(struct contacts_filter){ .remote_domain = one },
		(const char *const[]){ "a@one.example", "b@one.example", "d@one.example", NULL });
	expect_listed(c, &(struct contacts_filter){ ERIN, two }, (const char *const[]){ NULL });
	expect_listed(c, &(struct contacts_filter){ DAVE, two }, (const char *const[]){ "c@two.example", NULL });
	expect_listed(c, &(struct contacts_filter){ .remote_domain = none }, (const char *const[]){ NULL });
	for (size_t i = 0; i < XFED_ARRAY_LEN(pairs); i += 2) {
		struct contact *k = contacts_hold(c, NULL, pairs[i].local, xfed_span_str(pairs[i].remote));
		contacts_relate(c, k, (struct iw_relation){ 0 }, 0);
		contacts_give_back(c, k, 2);
	}
	expect_listed(c, &(struct contacts_filter){ 0 }, (const char *const[]){ "b@one.example", "d@one.example", NULL });
	expect_listed(c, &(struct contacts_filter){ .local = DAVE }, (const char *const[]){ "d@one.example", NULL });
	contacts_free(c);
}

/* Each comes once before one comes again. */
static void each_is_looked_at_in_its_turn(void **state)
{
	(void)state;
	struct contacts *c;
	assert_int_equal(contacts_new(0, &c), XFED_OK);
	assert_null(contacts_rotate(c));
	struct contact *list[3];
	for (unsigned i = 0; i < 3; i++) {
		char remote[64];
		snprintf(remote, sizeof(remote), "c%u@partner.example", i);
		list[i] = contacts_hold(c, NULL, DAVE, xfed_span_str(remote));
		contacts_relate(c, list[i], (struct iw_relation){ .state = IW_RELATION_TO }, 0);
		if (i != 1) {
			contacts_give_back(c, list[i], 1); /* whether it is held or not */
		}
	}
	for (unsigned i = 0; i < 6; i++) {
		assert_ptr_equal(contacts_rotate(c), list[i % 3]);
	}
	contacts_give_back(c, list[1], 1);
	contacts_free(c);
}

/* Consent is a contact without a relation: it is kept, counts as adding, and lasts until it is taken back. */
static void consent_outlives_a_restart(void **state)
{
	(void)state;
	struct life l;
	begin(&l);
	struct contact *k = contacts_hold(l.c, NULL, DAVE, ALICE);
	assert_false(facts(l.c, DAVE, ALICE, l.now).is_added);
	contacts_approve(l.c, k, true);
	contacts_used(l.c, k, true, wall_s);
	contacts_give_back(l.c, k, l.now);
	finish(&l);
	begin(&l);
	k = contacts_find(l.c, DAVE, ALICE);
	assert_true(k && contact_is_approved(k) && contact_is_related(k) && facts(l.c, DAVE, ALICE, l.now).is_added);
	assert_int_equal(contact_wanted_s(k), wall_s);
	contacts_approve(l.c, contacts_hold(l.c, k, DAVE, ALICE), false);
	contacts_give_back(l.c, k, l.now);
	finish(&l);
	begin(&l);
	assert_null(contacts_find(l.c, DAVE, ALICE));
	finish(&l);
}

/* A message uses the relation, whoever writes it; only what the user writes is the user's doing. It is written once a day. */
static void messages_are_a_use_of_the_relation(void **state)
{
	(void)state;
	struct life l;
	int64_t begun_s = wall_s;
	begin(&l);
	relate(&l, ALICE, IW_RELATION_TO, false);
	finish(&l);
	begin(&l);
	wall_s += 2 * CONTACT_USED_S;
	assert_int_equal(contacts_heard(l.c, DAVE, ALICE, l.now), XFED_OK);
	struct contact *k = contacts_find(l.c, DAVE, ALICE);
	assert_int_equal(contact_used_s(k), wall_s);
	assert_int_equal(contact_wanted_s(k), begun_s);
	finish(&l);
	begin(&l);
	k = contacts_find(l.c, DAVE, ALICE);
	assert_int_equal(contact_used_s(k), wall_s);
	assert_int_equal(contact_wanted_s(k), begun_s);
	wall_s += CONTACT_USED_S - 1;
	assert_int_equal(contacts_heard(l.c, DAVE, ALICE, l.now), XFED_OK);
	finish(&l);
	begin(&l);
	assert_int_equal(contact_used_s(contacts_find(l.c, DAVE, ALICE)), wall_s - CONTACT_USED_S + 1); /* not worth a write */
	assert_int_equal(contacts_wrote(l.c, DAVE, ALICE, l.now), XFED_OK);
	assert_int_equal(contact_wanted_s(contacts_find(l.c, DAVE, ALICE)), wall_s);
	finish(&l);
}

static void scenario(void)
{
	struct contacts *c;
	if (contacts_new(2, &c) != XFED_OK) {
		return;
	}
	bool wrote = contacts_wrote(c, DAVE, ALICE, 0) == XFED_OK;
	assert_true(facts(c, DAVE, ALICE, 0).is_written_to == wrote);
	contacts_delivered(c, DAVE, ALICE, XFED_SPAN("chat"), XFED_SPAN("thread"), 1);
	contacts_heard(c, ERIN, ALICE, 2);
	contacts_delivered(c, ERIN, ALICE, XFED_SPAN("chat"), XFED_SPAN("thread"), 3);
	contacts_free(c);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	assert_true(sweep(scenario) > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writing_authorises_for_a_day_and_nobody_else),
		cmocka_unit_test(being_heard_is_no_authorisation),
		cmocka_unit_test(type_is_the_last_and_thread_the_last_there_was),
		cmocka_unit_test(what_was_only_heard_keeps_nothing),
		cmocka_unit_test(what_is_on_its_way_counts_until_it_fails),
		cmocka_unit_test(pairs_do_not_run_into_each_other),
		cmocka_unit_test(the_one_not_used_for_longest_goes_first),
		cmocka_unit_test(strangers_push_out_strangers_only),
		cmocka_unit_test(a_pair_written_in_long_ago_is_one_of_a_stranger),
		cmocka_unit_test(what_is_held_is_not_forgotten),
		cmocka_unit_test(authorisations_and_who_is_there_outlive_a_restart),
		cmocka_unit_test(times_that_cannot_be),
		cmocka_unit_test(the_store_is_written_to_once_an_hour),
		cmocka_unit_test(relations_outlive_a_restart_and_everybody_else),
		cmocka_unit_test(who_is_still_to_be_told_is_kept),
		cmocka_unit_test(who_waits_is_told_though_more_changes_all_the_time),
		cmocka_unit_test(related_ones_count_apart),
		cmocka_unit_test(related_ones_are_listed_by_user_and_domain),
		cmocka_unit_test(each_is_looked_at_in_its_turn),
		cmocka_unit_test(consent_outlives_a_restart),
		cmocka_unit_test(messages_are_a_use_of_the_relation),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
