/*
 * The watchdog of presence: a difference between what a watcher was told and what is known is made here by hand, as nothing makes one
 * by itself; it is counted and mended, and nothing is where there is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <utlist.h>

#include "presence/keep.h"
#include "presence/rights.h"
#include "presence/stale.h"

static struct core core;
static struct presence room;
static struct pair pairs[200];
static struct watch watch;
static struct follow follow;
static struct contacts *contacts;
static struct iw_device device = { .name = { "desk", 4 }, .is_open = true };
static unsigned told_again, asked_again, approved, asked_anew, looked_at;
static bool is_unasked;
static const struct config config = { .contact_memory_ms = UINT32_MAX };

/* In the place of the other files of the room. */
void watch_doubt(struct watch *w)
{
	told_again++;
	w->told = pair_digest(w->party.pair);
}

void watches_approved(struct pair *pair)
{
	approved++;
}

void party_doubt(struct party *t, enum presence_doubt why)
{
	asked_again++;
	((struct follow *)t)->heard = known_digest(&((struct follow *)t)->told);
}

bool pair_is_unasked(const struct pair *pair)
{
	return is_unasked && pair == &pairs[150];
}

void pair_ask_again(struct pair *pair)
{
	asked_anew++;
	is_unasked = false;
}

/* The round through all contacts (upkeep.c) meets each as the pair it had, or has just got. */
struct pair *pair_of(struct presence *p, struct contact *k)
{
	looked_at++;
	return &pairs[150];
}

void pair_release(struct pair *pair)
{
}

void pair_end(struct pair *pair)
{
}

void pair_end_rights(struct pair *pair)
{
}

bool pair_may_see(const struct pair *pair, bool is_contact)
{
	return true;
}

bool pair_say(struct pair *pair, enum xfed_stanza_type type, const struct iw_device *d)
{
	return true;
}

int follow_begin(struct pair *pair, enum presence_doubt why)
{
	return XFED_OK;
}

struct xfed_span pair_remote_domain(const struct pair *pair)
{
	return XFED_SPAN("partner.example");
}

void presence_resync(struct presence *p)
{
}

void keep_tick(struct presence *p, size_t most)
{
}

const struct xfed_partner *policy_partner(const struct policy *p, struct xfed_span domain)
{
	return NULL;
}

uint64_t policy_partner_share(const struct policy *p, struct xfed_span domain)
{
	return 1;
}

const struct config *policy_config(const struct policy *p)
{
	return &config;
}

static const struct rt_daemon_user no_daemon;

static double drift(void)
{
	return rt_metric_value(core.d.metrics, RT_M_PRESENCE_DRIFT, RT_NO_LABELS);
}

static void relate(struct pair *pair, enum iw_relation_state s)
{
	contacts_relate(contacts, pair->contact, (struct iw_relation){ .state = s }, 0);
}

static int begin(void **state)
{
	bool is_new;
	memset(&room, 0, sizeof(room));
	memset(pairs, 0, sizeof(pairs));
	memset(&watch, 0, sizeof(watch));
	memset(&follow, 0, sizeof(follow));
	told_again = asked_again = approved = asked_anew = looked_at = 0;
	is_unasked = false;
	assert_int_equal(rt_daemon_init(&core.d, &no_daemon, NULL), XFED_OK);
	assert_int_equal(contacts_new(0, &contacts), XFED_OK);
	room.core = &core;
	room.contacts = contacts;
	for (size_t i = 0; i < XFED_ARRAY_LEN(pairs); i++) {
		pairs[i].presence = &room;
		DL_APPEND(room.pairs, &pairs[i]);
		room.pair_count++;
	}
	struct pair *pair = &pairs[150]; /* somewhere among many */
	pair->contact = contacts_hold(contacts, NULL, XFED_SPAN("user@corp.example"), XFED_SPAN("contact@partner.example"));
	assert_non_null(pair->contact);
	relate(pair, IW_RELATION_BOTH);
	for (size_t i = 0; i < XFED_ARRAY_LEN(pairs); i++) {
		pairs[i].contact = pair->contact;
	}
	assert_int_equal(known_set(&pair->known, &device, &is_new), XFED_OK);
	watch.party.pair = follow.party.pair = pair;
	watch.machine.state = follow.machine.state = SIP_SUB_ACTIVE;
	watch.told = pair_digest(pair);
	DL_APPEND(pair->watches, &watch);
	pair->follow = &follow;
	assert_int_equal(known_set(&follow.told, &device, &is_new), XFED_OK);
	follow.heard = known_digest(&follow.told);
	return 0;
}

static int end(void **state)
{
	known_deinit(&pairs[150].known);
	known_deinit(&follow.told);
	contacts_give_back(contacts, pairs[150].contact, 0);
	contacts_free(contacts);
	rt_daemon_close(&core.d);
	rt_daemon_deinit(&core.d);
	return 0;
}

/* So that each pair has been looked at. */
static void a_round(void)
{
	for (int i = 0; i < 60; i++) {
		presence_check(&room);
	}
}

static void nothing_is_found_where_nothing_is(void **state)
{
	a_round();
	assert_true(drift() == 0);
	assert_int_equal(told_again + asked_again + approved, 0);
}

static void a_watcher_that_was_told_something_else(void **state)
{
	bool is_new;
	struct iw_device away = device;
	away.show = IW_SHOW_AWAY;
	assert_int_equal(known_set(&pairs[150].known, &away, &is_new), XFED_OK); /* and nobody was told */
	watch.machine.is_in_flight = true;
	a_round();
	assert_true(drift() == 0); /* it may be on its way */
	watch.machine.is_in_flight = false;
	a_round();
	assert_true(drift() == 1);
	assert_int_equal(told_again, 1);
	a_round();
	assert_true(drift() == 1);
}

static void a_contact_that_was_told_something_else(void **state)
{
	known_remove(&follow.told, device.name);
	follow.why = PRESENCE_DOUBT_HOP;
	a_round();
	assert_true(drift() == 0); /* it is being asked for */
	follow.why = PRESENCE_SURE;
	a_round();
	assert_true(drift() == 1);
	assert_int_equal(asked_again, 1);
	follow.heard = 1;
	relate(&pairs[150], IW_RELATION_TO); /* the contact may not see the user */
	a_round();
	assert_true(drift() == 1);
}

static void a_watcher_that_was_not_told_of_the_approval(void **state)
{
	watch.machine.state = SIP_SUB_PENDING;
	presence_check(&room);
	a_round();
	assert_true(drift() >= 1);
	assert_true(approved >= 1);
}

/* With a watch of the user's there is a pair; in a relation that only lets the contact see there may be none. */
static void a_contact_that_may_see_and_nobody_asks(void **state)
{
	pairs[150].follow = NULL;
	is_unasked = true;
	room.resume.left = 1;
	a_round();
	assert_true(drift() == 0); /* it is being asked for */
	room.resume.left = 0;
	pairs[150].is_ended = true;
	a_round();
	assert_true(drift() == 0); /* an operator wants it so */
	pairs[150].is_ended = false;
	a_round();
	assert_true(drift() == 1);
	assert_int_equal(asked_anew, 1);
	is_unasked = true;
	room.pairs = NULL;
	for (int i = 0; i < 600; i++) {
		presence_tick(&room);
	}
	assert_true(looked_at > 0);
	assert_true(drift() == 2);
	assert_int_equal(asked_anew, 2);
}

static void a_follow_that_has_gone_to_sleep(void **state)
{
	sip_subscriber_init(&follow.machine, &core.d.env);
	assert_true(follow_is_asleep(&follow));
	sip_subscriber_step(&follow.machine, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_SUBSCRIBE, .expires_s = 600 }, 0);
	assert_false(follow_is_asleep(&follow));
	follow.machine.state = SIP_SUB_TERMINATED;
	follow.machine.expires_ms = follow.machine.refresh_ms = follow.machine.notify_by_ms = follow.machine.retry_ms = UINT64_MAX;
	assert_true(follow_is_asleep(&follow));
	follow.machine.told_reason = SIP_END_INVARIANT; /* the last state holds */
	assert_false(follow_is_asleep(&follow));
	follow.machine.told_reason = SIP_END_NONE;
	follow.machine.retry_ms = 1000; /* it is tried then */
	assert_false(follow_is_asleep(&follow));
}

/* However many there are, a tick looks at a sixtieth. */
static void a_tick_looks_at_a_few(void **state)
{
	presence_check(&room);
	assert_ptr_equal(room.checked, &pairs[4]);
	presence_check(&room);
	assert_ptr_equal(room.checked, &pairs[8]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(nothing_is_found_where_nothing_is), TEST(a_watcher_that_was_told_something_else),
		TEST(a_contact_that_was_told_something_else), TEST(a_watcher_that_was_not_told_of_the_approval),
		TEST(a_contact_that_may_see_and_nobody_asks), TEST(a_follow_that_has_gone_to_sleep), TEST(a_tick_looks_at_a_few) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
