/* Walks through all pairs, at most 500 a turn of the loop, so that nobody else waits. */
#include "presence/rights.h"
#include "presence/stale.h"

#include <utlist.h>

#define PER_TURN 500

void presence_walk(struct presence *p, unsigned what)
{
	if (p->walk_at) {
		p->walk_next |= what;
	} else {
		p->walk_at = p->pairs;
		p->walk_what = what;
	}
	core_flush_soon(p->core);
}

void presence_walk_past(const struct pair *pair)
{
	struct presence *p = pair->presence;
	p->walk_at = p->walk_at == pair ? pair->next : p->walk_at;
	p->checked = p->checked == pair ? pair->next : p->checked;
}

/* A watch waits until its hop answers again: a NOTIFY without an answer would end it. */
static void see_to_hop(struct party *t, bool may_wait)
{
	uint64_t doubts = trunk_hop_doubts(t->send.hop);
	if (t->hop_doubts != doubts && !(may_wait && trunk_hop_is_lost(t->send.hop))) {
		t->hop_doubts = doubts;
		party_doubt(t, PRESENCE_DOUBT_HOP);
	}
}

static void see_to_hops(struct pair *pair)
{
	struct watch *w;
	DL_FOREACH(pair->watches, w) {
		see_to_hop(&w->party, true);
	}
	if (pair->follow) {
		see_to_hop(&pair->follow->party, pair->follow->machine.state == SIP_SUB_TERMINATED);
	}
}

/* Subscriptions that policy does not allow any more end; relations are kept. */
static void judge(struct pair *pair)
{
	if (pair->follow && !pair_may_see(pair, true)) {
		follow_end(pair);
	} else if (pair->follow) {
		follow_rejudge(pair->follow);
	}
	if (pair->watches && !pair_may_see(pair, false)) {
		known_remove(&pair->known, xfed_span_make(NULL, 0));
		watches_end(pair, SIP_END_REJECTED, -1);
	}
}

/* Follows that policy allows again are made as after a start. */
void presence_reloaded(struct presence *p)
{
	presence_walk(p, WALK_POLICY);
	presence_resume(p, PRESENCE_DOUBT_ANEW);
}

static void visit(struct pair *pair, unsigned what)
{
	if (what & WALK_POLICY) {
		judge(pair);
	}
	if (what & WALK_LINK && (pair->watches || pair->follow || pair->why != PRESENCE_SURE)) { /* some have only something to say still */
		if (pair->follow) {
			pair->follow->is_remembered = true; /* the last words over it may not have been read */
		}
		pair_doubt(pair, PRESENCE_DOUBT_LINK);
	}
	if (what & WALK_HOPS) {
		see_to_hops(pair);
	}
}

void presence_walk_on(struct presence *p)
{
	for (size_t i = 0; i < PER_TURN && p->walk_at; i++) {
		struct pair *pair = p->walk_at;
		p->walk_at = pair->next;
		visit(pair, p->walk_what);
	}
	if (!p->walk_at && p->walk_next) {
		unsigned next = p->walk_next;
		p->walk_next = 0;
		presence_walk(p, next);
	} else if (p->walk_at) {
		core_flush_soon(p->core);
	}
}

void presence_watch_hops(struct presence *p)
{
	uint64_t doubts = trunk_doubts(p->trunk);
	if (doubts != p->hop_doubts) {
		p->hop_doubts = doubts;
		presence_walk(p, WALK_HOPS);
	}
}
