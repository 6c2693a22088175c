/* What a stream that is lost or opened means for the pairs of its two domains is looked at in turns, however many they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <utlist.h>

#include "presence/stale.h"

#define LOCAL  XFED_SPAN("corp.example")
#define REMOTE XFED_SPAN("partner.example")
#define COUNT  1200
#define TURN   500

static struct core core;
static const struct rt_daemon_user no_daemon;
static struct presence *room;
static struct pair *pairs[COUNT], *other;
static struct watch watch; /* that there is one is all that counts */

static struct pair *make(const char *local, const char *remote)
{
	struct contact *k = contacts_hold(room->contacts, NULL, xfed_span_str(local), xfed_span_str(remote));
	struct pair *pair = pair_of(room, k);
	assert_non_null(pair);
	contacts_give_back(room->contacts, k, 0);
	pair->watches = &watch;
	return pair;
}

static int begin(void **state)
{
	char name[40];
	assert_non_null(room = calloc(1, sizeof(*room)));
	assert_int_equal(rt_daemon_init(&core.d, &no_daemon, NULL), XFED_OK);
	assert_int_equal(contacts_new(0, &room->contacts), XFED_OK);
	room->core = &core;
	for (size_t i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "contact%zu@partner.example", i);
		pairs[i] = make("user@corp.example", name);
	}
	other = make("user@corp2.example", "contact@partner.example"); /* by another stream */
	return 0;
}

static int end(void **state)
{
	presence_walk_stop(room);
	for (struct pair *pair = room->pairs, *next; pair; pair = next) {
		next = pair->next;
		pair->watches = NULL;
		pair_release(pair);
	}
	xfed_heap_deinit(&room->asked);
	contacts_free(room->contacts);
	free(room);
	rt_daemon_close(&core.d);
	rt_daemon_deinit(&core.d);
	return 0;
}

/* Number of pairs of the stream that are to be asked at once. */
static size_t listed(void)
{
	size_t n = 0;
	for (size_t i = 0; i < COUNT; i++) {
		n += pairs[i] && pairs[i]->is_listed;
	}
	return n;
}

static void a_lost_stream_takes_turns(void **state)
{
	presence_stream_lost(room, LOCAL, REMOTE, false);
	assert_true(listed() <= TURN);
	presence_walk_on(room);
	assert_true(listed() > 0 && listed() <= TURN);
	presence_walk_on(room);
	assert_true(listed() > TURN && listed() <= 2 * TURN);
	for (int i = 0; i < 3; i++) {
		presence_walk_on(room);
	}
	assert_int_equal(listed(), COUNT);
	assert_int_equal(room->doubts[PRESENCE_DOUBT_STREAM], COUNT);
	assert_false(other->is_listed);
	assert_null(room->streams);
}

static void who_is_put_off_is_asked_when_the_stream_is_back(void **state)
{
	for (size_t i = 0; i < COUNT; i++) {
		pair_doubt(pairs[i], PRESENCE_DOUBT_UNSENT);
	}
	pair_doubt(other, PRESENCE_DOUBT_UNSENT);
	assert_int_equal(listed(), 0);
	presence_stream_open(room, LOCAL, REMOTE);
	presence_walk_on(room);
	assert_true(listed() > 0 && listed() <= TURN);
	for (int i = 0; i < 4; i++) {
		presence_walk_on(room);
	}
	assert_int_equal(listed(), COUNT);
	assert_false(other->is_listed);
}

/* It is another loss: those that were looked at already have lost something again. */
static void what_is_lost_meanwhile_counts_again(void **state)
{
	presence_stream_lost(room, LOCAL, REMOTE, false);
	presence_walk_on(room);
	pair_is_fresh(pairs[0]);
	presence_stream_lost(room, LOCAL, REMOTE, false);
	for (int i = 0; i < 8; i++) {
		presence_walk_on(room);
	}
	assert_int_equal(listed(), COUNT);
	assert_null(room->streams);
}

static void a_pair_that_goes_is_passed_by(void **state)
{
	presence_stream_lost(room, LOCAL, REMOTE, false);
	presence_walk_on(room);
	size_t first = listed();
	for (size_t i = first - 2; i < first + 2; i++) { /* around the next one */
		pairs[i]->watches = NULL;
		pair_release(pairs[i]);
		pairs[i] = NULL;
	}
	for (int i = 0; i < 4; i++) {
		presence_walk_on(room);
	}
	assert_int_equal(listed(), COUNT - 4);
}

/* One by one, behind each other; of a partner nobody knows nothing is kept. */
static void streams_of_several_domains(void **state)
{
	presence_stream_lost(room, LOCAL, XFED_SPAN("unknown.example"), false);
	assert_null(room->streams);
	presence_stream_lost(room, LOCAL, REMOTE, false);
	presence_stream_lost(room, XFED_SPAN("corp2.example"), REMOTE, false);
	presence_walk_on(room);
	assert_false(other->is_listed);
	for (int i = 0; i < 8; i++) {
		presence_walk_on(room);
	}
	assert_int_equal(listed(), COUNT);
	assert_true(other->is_listed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(a_lost_stream_takes_turns), TEST(who_is_put_off_is_asked_when_the_stream_is_back),
		TEST(what_is_lost_meanwhile_counts_again), TEST(a_pair_that_goes_is_passed_by), TEST(streams_of_several_domains) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
