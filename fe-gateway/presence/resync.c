/*
 * Never stuck: where something may have been missed, as a stream, a link or this process was lost, it is asked for and told anew, a few
 * pairs a tick. What a contact's server does not say again is gone 10 s after its first answer; who is not answered for in a minute is
 * offline.
 */
#include "presence/presence_impl.h"

#include <utlist.h>

#define PER_TICK   100
#define SWEEP_MS   10000
#define ANSWER_MS  60000
#define NOT_YET_MS UINT64_MAX

/* ---- what was lost ---- */

static void doubt(struct pair *pair)
{
	struct presence *p = pair->presence;
	pair->known.doubtful = UINT32_MAX;
	pair->is_told_again = false;
	pair->asked_ms = pair->answered_ms = NOT_YET_MS;
	if (!pair->is_stale) {
		pair->is_stale = true;
		DL_APPEND2(p->stale, pair, stale_prev, stale_next);
		p->stale_count++;
	}
}

void pair_is_fresh(struct pair *pair)
{
	struct presence *p = pair->presence;
	if (pair->is_stale) {
		pair->is_stale = false;
		DL_DELETE2(p->stale, pair, stale_prev, stale_next);
		p->stale_count--;
	}
}

void presence_stream_lost(struct presence *p, struct xfed_span local, struct xfed_span remote)
{
	struct pair *pair, **list = pairs_of(p, remote);
	DL_FOREACH2(*list, pair, bucket_next)
	{
		if (pair->watches && xfed_span_eq(pair_remote_domain(pair), remote) && xfed_span_eq(pair_local_domain(pair), local)) {
			doubt(pair);
		}
	}
}

void presence_links(struct presence *p, bool is_usable)
{
	struct pair *pair;
	if (is_usable && !p->is_linked) { /* presence is not replayed: what was told and heard meanwhile is lost */
		DL_FOREACH(p->pairs, pair) {
			doubt(pair);
		}
	}
	p->is_linked = is_usable;
}

/* ---- it is asked for ---- */

void pair_was_heard(struct pair *pair)
{
	if (pair->is_stale && pair->answered_ms == NOT_YET_MS) {
		pair->answered_ms = presence_now(pair->presence);
	}
}

static void ask(struct pair *pair)
{
	pair->asked_ms = presence_now(pair->presence);
	if (pair->follow && !pair->is_told_again) {
		pair->is_told_again = true;
		follow_tell_again(pair->follow);
	}
	if (pair->watches) {
		pair_say(pair, XFED_TYPE_PROBE, NULL);
	} else {
		pair_is_fresh(pair);
	}
}

static void forget_doubtful(struct pair *pair)
{
	bool is_changed = known_forget_doubtful(&pair->known);
	pair_is_fresh(pair);
	if (is_changed) {
		watches_changed(pair, pair->known.count == 0);
	}
}

/* False: it waits for its answer. */
static bool resync_one(struct pair *pair, uint64_t now)
{
	if (pair->asked_ms == NOT_YET_MS) {
		ask(pair);
	} else if (pair->answered_ms != NOT_YET_MS && now - pair->answered_ms >= SWEEP_MS) {
		forget_doubtful(pair);
	} else if (pair->answered_ms == NOT_YET_MS && now - pair->asked_ms >= ANSWER_MS) {
		forget_doubtful(pair); /* nobody says that it is there */
	} else {
		return false;
	}
	return true;
}

/* Those at the head have been asked first. */
void presence_resync(struct presence *p)
{
	uint64_t now = presence_now(p);
	struct pair *pair, *next;
	size_t left = PER_TICK;
	if (!p->is_linked) {
		return; /* nobody could be asked */
	}
	DL_FOREACH_SAFE2(p->stale, pair, next, stale_next) {
		if (left == 0) {
			return;
		}
		left -= resync_one(pair, now);
	}
}
