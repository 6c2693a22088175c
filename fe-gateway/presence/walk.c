/* Walks through all pairs, or those of a stream's two domains: at most 500 pairs a turn of the loop, so that nobody else waits. */
#include "presence/rights.h"
#include "presence/stale.h"

#include <utlist.h>

#include "xfed/limits.h"

#define PER_TURN 500

/* A stream between two domains that was lost, or is up again. */
enum { STREAM_LOST_OURS = 1, STREAM_LOST_THEIRS = 2, STREAM_OPEN = 4 };
struct stream_walk {
	struct pair *at;     /* the next one of its bucket; NULL: before the first round, or behind one */
	unsigned what, next; /* of this round, and of the one behind it */
	struct xfed_span local, remote;
	UT_hash_handle hh;
	char key[]; /* local, NUL, remote */
};

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
	if (p->streams && p->streams->at == pair) { /* the others of its table have not begun */
		p->streams->at = pair->bucket_next;
	}
}

/* ---- streams ---- */

static bool is_of(const struct pair *pair, const struct stream_walk *s)
{
	return xfed_span_eq(pair_remote_domain(pair), s->remote) && xfed_span_eq(pair_local_domain(pair), s->local);
}

static void visit_of_stream(struct pair *pair, unsigned what)
{
	if (what & STREAM_LOST_OURS && pair->follow) {
		pair->follow->is_remembered = true; /* the last stanzas on it may be lost */
		pair_doubt(pair, PRESENCE_DOUBT_STREAM);
	}
	if (what & STREAM_LOST_THEIRS && pair->watches) {
		pair_doubt(pair, PRESENCE_DOUBT_STREAM);
	}
	if (what & STREAM_OPEN) {
		pair_ask_soon(pair);
	}
}

static struct stream_walk *stream_walk(struct presence *p, struct xfed_span local, struct xfed_span remote)
{
	XFED_UNSET char key[2 * XFED_JID_PART_BYTES + 1];
	struct stream_walk *s = NULL;
	if (local.len + remote.len + 1 > sizeof(key)) {
		return NULL;
	}
	size_t len = local.len + 1 + remote.len;
	memcpy(key, local.data, local.len);
	key[local.len] = '\0';
	memcpy(key + local.len + 1, remote.data, remote.len);
	HASH_FIND(hh, p->streams, key, len, s);
	if (s || !(s = xfed_malloc(sizeof(*s) + len))) {
		return s;
	}
	memset(s, 0, sizeof(*s));
	memcpy(s->key, key, len);
	s->local = xfed_span_make(s->key, local.len);
	s->remote = xfed_span_make(s->key + local.len + 1, remote.len);
	HASH_ADD_KEYPTR(hh, p->streams, s->key, len, s);
	if (!XFED_TABLE_ADDED(s)) {
		xfed_free(s);
		return NULL;
	}
	return s;
}

static void note_stream(struct presence *p, struct xfed_span local, struct xfed_span remote, unsigned what)
{
	if (!*pairs_of(p, remote)) {
		return;
	}
	struct stream_walk *s = stream_walk(p, local, remote);
	if (s) {
		s->next |= what;
		core_flush_soon(p->core);
	} else { /* no memory: all are in doubt, rather than that one is missed */
		presence_walk(p, WALK_LINK);
	}
}

void presence_stream_lost(struct presence *p, struct xfed_span local, struct xfed_span remote, bool is_ours)
{
	note_stream(p, local, remote, is_ours ? STREAM_LOST_OURS : STREAM_LOST_THEIRS);
}

void presence_stream_open(struct presence *p, struct xfed_span local, struct xfed_span remote)
{
	note_stream(p, local, remote, STREAM_OPEN);
}

static void end_stream_walk(struct presence *p, struct stream_walk *s)
{
	HASH_DELETE(hh, p->streams, s);
	xfed_free(s);
}

/* One after the other, in the order in which they came; what comes for one that has begun is another round. Returns what is left of `most`. */
static size_t walk_streams(struct presence *p, size_t most)
{
	struct stream_walk *s;
	while (most > 0 && (s = p->streams)) {
		if (!s->at && s->next == 0) {
			end_stream_walk(p, s);
			continue;
		}
		if (!s->at) {
			s->at = *pairs_of(p, s->remote);
			s->what = s->next;
			s->next = 0;
			most--;
		}
		for (; most > 0 && s->at; most--) {
			struct pair *pair = s->at;
			s->at = pair->bucket_next;
			if (is_of(pair, s)) {
				visit_of_stream(pair, s->what);
			}
		}
	}
	return most;
}

void presence_walk_stop(struct presence *p)
{
	struct stream_walk *s, *next;
	HASH_ITER(hh, p->streams, s, next) {
		end_stream_walk(p, s);
	}
}

/* ---- all pairs ---- */

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

bool pair_is_forbidden(const struct pair *pair, bool is_contact)
{
	const struct presence *p = pair->presence;
	return p->walk_at && (p->walk_what | p->walk_next) & WALK_POLICY && !pair_may_see(pair, is_contact);
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
	for (size_t most = walk_streams(p, PER_TURN); most > 0 && p->walk_at; most--) {
		struct pair *pair = p->walk_at;
		p->walk_at = pair->next;
		visit(pair, p->walk_what);
	}
	if (!p->walk_at && p->walk_next) {
		unsigned next = p->walk_next;
		p->walk_next = 0;
		presence_walk(p, next);
	} else if (p->walk_at || p->streams) {
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
