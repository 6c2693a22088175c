/*
 * Pairs in doubt after the loss of a stream, a link or the process: the contact is probed and sent the user's state again, a bounded number
 * of pairs a tick. Resources that the contact's server does not announce again within 10 s of its first answer are removed; without any
 * answer within a minute all are, and the contact is probed again at growing intervals.
 */
#include "presence/keep.h"
#include "presence/rights.h"
#include "presence/stale.h"

#include <utlist.h>

#include "xfed/rt/log.h"

#define PER_TICK       100 /* pairs; or a hundredth of all subscriptions, whichever is more */
#define LOOKS	       20  /* pairs looked at for each that may be asked: partners over their rate are passed by */
#define SWEEP_MS       10000
#define AGAIN_MS       30000
#define PAUSE_FIRST_MS 15000
#define PAUSE_MOST_MS  300000

static void set_why(struct pair *pair, enum presence_doubt why)
{
	doubt_uncount(pair);
	pair->why = why;
	doubt_count(pair);
}

static void unlist(struct pair *pair)
{
	if (pair->is_listed) {
		pair->is_listed = false;
		DL_DELETE2(pair->presence->stale, pair, stale_prev, stale_next);
	}
}

/* Puts it at the end of the queue of those to be asked. */
static void list(struct pair *pair)
{
	xfed_heap_remove(&pair->presence->asked, &pair->due);
	pair->is_asked = pair->is_heard = false;
	if (!pair->is_listed) {
		pair->is_listed = true;
		DL_APPEND2(pair->presence->stale, pair, stale_prev, stale_next);
	}
}

/* Sees to it again at that time; without memory for the timer, in the next tick. */
static void wait(struct pair *pair, uint64_t until_ms)
{
	struct presence *p = pair->presence;
	if (xfed_heap_reserve(&p->asked, p->asked.count + 1) == XFED_OK) {
		unlist(pair);
		xfed_heap_set(&p->asked, &pair->due, until_ms, 0);
	} else {
		list(pair);
	}
}

static uint64_t next_pause_ms(struct pair *pair)
{
	uint32_t ms = pair->pause_ms == 0 ? PAUSE_FIRST_MS : pair->pause_ms + pair->pause_ms / 2;
	return pair->pause_ms = ms < PAUSE_MOST_MS ? ms : PAUSE_MOST_MS;
}

static bool is_waiting(const struct pair *pair)
{
	return pair->due.place != 0;
}

void pair_doubt(struct pair *pair, enum presence_doubt why)
{
	bool is_new = pair->why == PRESENCE_SURE, is_put_off = why == PRESENCE_DOUBT_PUT_OFF;
	pair->must_tell |= !is_put_off; /* one that is put off has heard what it was told */
	pair->is_put_off |= is_put_off;
	if (why != PRESENCE_DOUBT_UNSENT && !is_put_off) {
		pair->is_second = false;
		pair->known.doubtful = UINT32_MAX;
		set_why(pair, why);
		list(pair);
	} else if (is_new) { /* not at once: it would fail again */
		set_why(pair, why);
		pair->is_asked = pair->is_heard = false;
		wait(pair, presence_now(pair->presence) + next_pause_ms(pair));
	}
}

void pair_is_fresh(struct pair *pair)
{
	set_why(pair, PRESENCE_SURE);
	unlist(pair);
	xfed_heap_remove(&pair->presence->asked, &pair->due);
	pair->is_asked = pair->is_heard = pair->must_tell = pair->is_second = pair->is_put_off = false;
}

/* ---- streams and links ---- */

void pair_ask_soon(struct pair *pair)
{
	if (pair->why != PRESENCE_SURE && !pair->is_asked && !pair->is_second && is_waiting(pair)) {
		list(pair);
	}
}

/* Presence is not replayed: what was told and heard over a link that is gone is lost. With the last one the minute begins, too. */
void presence_links(struct presence *p, size_t usable)
{
	if (usable < p->links || (usable > 0 && p->links == 0)) {
		presence_walk(p, WALK_LINK);
	}
	p->links = usable;
}

/* ---- it is asked for ---- */

static size_t bucket_of(const struct pair *pair)
{
	return (size_t)(pair->bucket - pair->presence->by_partner);
}

static uint64_t domain_hash(const struct pair *pair)
{
	struct xfed_span domain = pair_remote_domain(pair);
	return xfed_hash_bytes(domain.data, domain.len);
}

uint64_t pair_partner_heard_ms(const struct pair *pair)
{
	size_t i = bucket_of(pair);
	return pair->presence->heard_domain[i] == domain_hash(pair) ? pair->presence->heard_ms[i] : 0;
}

void pair_was_heard(struct pair *pair)
{
	uint64_t now = presence_now(pair->presence);
	pair->presence->heard_domain[bucket_of(pair)] = domain_hash(pair);
	pair->presence->heard_ms[bucket_of(pair)] = now;
	pair->pause_ms = 0;
	if (pair->is_asked && !pair->is_heard) {
		pair->is_heard = true;
		wait(pair, now + SWEEP_MS);
	} else {
		pair_ask_soon(pair);
	}
}

static bool holds(enum xfed_stanza_type type, enum iw_relation_state s)
{
	return (type == XFED_TYPE_SUBSCRIBED && iw_relation_is_from(s)) || (type == XFED_TYPE_UNSUBSCRIBED && !iw_relation_is_from(s)) ||
	       (type == XFED_TYPE_SUBSCRIBE && iw_relation_is_pending_out(s)) ||
	       (type == XFED_TYPE_UNSUBSCRIBE && !iw_relation_is_to(s) && !iw_relation_is_pending_out(s));
}

/* Repeats an undelivered subscription stanza, unless the relation has changed since. */
static void say_again(struct pair *pair)
{
	enum iw_relation_state s = contact_relation(pair->contact).state;
	const enum xfed_stanza_type types[] = { (enum xfed_stanza_type)pair->unsaid[0], (enum xfed_stanza_type)pair->unsaid[1] };
	pair_all_said(pair);
	for (size_t i = 0; i < XFED_ARRAY_LEN(types); i++) {
		if (holds(types[i], s)) {
			pair_say(pair, types[i], NULL);
		}
	}
}

static void ask(struct pair *pair)
{
	uint64_t now = presence_now(pair->presence);
	bool must_tell = pair->must_tell;
	unlist(pair);
	pair->must_tell = pair->is_put_off = false;
	say_again(pair);
	if (pair->follow && must_tell) {
		follow_tell_again(pair->follow);
	}
	pair->asked_ms = now;
	pair->known.doubtful = pair->is_second ? UINT32_MAX : pair->known.doubtful;
	if (pair->watches && iw_relation_is_to(contact_relation(pair->contact).state)) {
		pair->is_asked = pair_say(pair, XFED_TYPE_PROBE, NULL);
		wait(pair, now + (pair->is_asked ? STALE_ANSWER_MS : next_pause_ms(pair)));
	} else if (pair->must_tell && (pair->follow || pair->watches || pair->pause_ms < PAUSE_MOST_MS)) {
		wait(pair, now + next_pause_ms(pair));
	} else { /* done; or undeliverable after the longest pause, to a contact without any subscription */
		pair_all_said(pair);
		pair_is_fresh(pair);
		pair_release(pair);
	}
}

/* Without an edge nobody can be asked. A minute later nothing is known any more, and it is asked as soon as there is a way. */
static void await_link(struct pair *pair)
{
	unlist(pair);
	wait(pair, presence_now(pair->presence) + STALE_ANSWER_MS);
}

static void forget_doubtful(struct pair *pair)
{
	if (known_forget_doubtful(&pair->known)) {
		watches_changed(pair, pair->known.count == 0);
	}
	watches_tell_untold(pair);
}

/*
 * The partner is reachable if other contacts of it were heard since the probe: then this one is offline, and no longer in doubt, unless its
 * server has said that it cannot answer now.
 */
static void not_answered(struct pair *pair, uint64_t now)
{
	if (pair->known.count > 0) {
		rt_log(RT_LOG_INFO, "presence.unanswered-probe", RT_KV_ADDRESS("local", contact_local(pair->contact)),
			RT_KV_ADDRESS("partner", contact_remote(pair->contact)), RT_KV_STR("why", presence_doubt_word(pair->why)), RT_END);
	}
	forget_doubtful(pair);
	if (pair_partner_heard_ms(pair) > pair->asked_ms && !pair->must_tell && !pair->is_put_off) {
		pair_is_fresh(pair);
	} else {
		pair->is_asked = false;
		wait(pair, now + next_pause_ms(pair));
	}
}

/* Older presence may have been delayed past the answer, and newer been refused by a full edge: a second probe 30 s later settles it. */
static void heard_once(struct pair *pair, uint64_t now)
{
	if (pair->is_second) {
		pair_is_fresh(pair);
		return;
	}
	pair->is_second = true;
	pair->is_asked = pair->is_heard = false;
	wait(pair, now + AGAIN_MS);
}

static void go_on(struct pair *pair, uint64_t now)
{
	if (!pair->is_asked || (pair->is_heard && pair->must_tell)) {
		forget_doubtful(pair);
		list(pair);
	} else if (pair->is_heard) {
		forget_doubtful(pair);
		heard_once(pair, now);
	} else {
		not_answered(pair, now);
	}
}

static void see_to_doubts(struct presence *p)
{
	size_t most = (p->watch_count + p->follow_count) / 100;
	const struct xfed_heap_item *first;
	uint64_t now = presence_now(p);
	most = most > PER_TICK ? most : PER_TICK;
	for (size_t i = 0; i < 10 * most && (first = xfed_heap_first(&p->asked)) && first->at <= now; i++) {
		struct pair *pair = (struct pair *)((char *)(uintptr_t)first - offsetof(struct pair, due));
		xfed_heap_remove(&p->asked, &pair->due);
		go_on(pair, now);
	}
	for (size_t looks = LOOKS * most; looks > 0 && most > 0 && p->stale; looks--) {
		struct pair *pair = p->stale;
		if (p->links == 0) {
			await_link(pair);
		} else if (presence_pace(p, pair_remote_domain(pair))) {
			ask(pair);
			most--;
		} else { /* the next second */
			unlist(pair);
			list(pair);
		}
	}
}

void presence_resync(struct presence *p)
{
	presence_watch_hops(p);
	presence_check(p);
	see_to_doubts(p);
}
