/*
 * Fair shares. Each peer has a round of the classes that may have something for it. The first class sends until its balance is used up,
 * gets its next quantum, and goes to the end. A class whose delivery exceeded its balance stays negative, and skips turns until that is
 * made up for. So deliveries over a link keep their order within a pair of addresses only.
 */
#include "proto/outbox_impl.h"

static struct outbox_lane *lane_of(struct outbox_share *s, int peer)
{
	return &s->lanes[peer + 1];
}

/* ---- classes ---- */

static struct outbox_lane *lanes_new(int peers)
{
	return xfed_calloc((size_t)peers + 1, sizeof(struct outbox_lane));
}

struct outbox_share *outbox_share_get(struct proto_outbox *o, uint64_t key)
{
	struct outbox_share *s = NULL;
	HASH_FIND(hh, o->shares, &key, sizeof(key), s);
	if (s) {
		return s;
	}
	s = xfed_calloc(1, sizeof(*s));
	if (!s) {
		return NULL;
	}
	s->key = key;
	s->lanes = lanes_new(o->peer_count);
	if (!s->lanes) {
		goto free_share;
	}
	HASH_ADD(hh, o->shares, key, sizeof(s->key), s);
	if (!XFED_TABLE_ADDED(s)) {
		goto free_share;
	}
	return s;

free_share:
	xfed_free(s->lanes);
	xfed_free(s);
	return NULL;
}

int outbox_share_room(struct proto_outbox *o)
{
	size_t now = (size_t)o->peer_count + 1;
	for (struct outbox_share *s = o->shares; s; s = s->hh.next) {
		struct outbox_lane *lanes = xfed_realloc(s->lanes, (now + 1) * sizeof(*lanes));
		if (!lanes) {
			return XFED_ERR_NOMEM;
		}
		memset(&lanes[now], 0, sizeof(*lanes));
		s->lanes = lanes;
	}
	return XFED_OK;
}

/* ---- rounds ---- */

static void join_round(struct proto_outbox *o, struct outbox_share *s, int peer)
{
	struct outbox_peer *p = &o->peers[peer];
	struct outbox_lane *l = lane_of(s, peer);
	if (l->is_in_round) {
		return;
	}
	l->is_in_round = true;
	l->balance = l->balance < 0 ? l->balance : XFED_SHARE_QUANTUM_BYTES; /* a class that comes back keeps its debt */
	l->round_prev = p->round_last;
	l->round_next = NULL;
	if (p->round_last) {
		lane_of(p->round_last, peer)->round_next = s;
	} else {
		p->round_first = s;
	}
	p->round_last = s;
}

static void leave_round(struct proto_outbox *o, struct outbox_share *s, int peer)
{
	struct outbox_peer *p = &o->peers[peer];
	struct outbox_lane *l = lane_of(s, peer);
	if (!l->is_in_round) {
		return;
	}
	if (l->round_prev) {
		lane_of(l->round_prev, peer)->round_next = l->round_next;
	} else {
		p->round_first = l->round_next;
	}
	if (l->round_next) {
		lane_of(l->round_next, peer)->round_prev = l->round_prev;
	} else {
		p->round_last = l->round_prev;
	}
	l->is_in_round = false;
}

static void next_turn(struct proto_outbox *o, struct outbox_share *s, int peer)
{
	struct outbox_lane *l = lane_of(s, peer);
	leave_round(o, s, peer);
	l->balance += XFED_SHARE_QUANTUM_BYTES;
	int64_t balance = l->balance;
	join_round(o, s, peer);
	l->balance = balance;
}

void outbox_share_put(struct proto_outbox *o, struct outbox_share *s)
{
	if (s->count > 0) {
		return;
	}
	for (int i = 0; i < o->peer_count; i++) {
		leave_round(o, s, i);
	}
	HASH_DEL(o->shares, s);
	xfed_free(s->lanes);
	xfed_free(s);
}

/* ---- pairs that may send ---- */

static void pairs_append(struct outbox_pairs *l, struct proto_pair *p)
{
	p->ready_prev = l->last;
	p->ready_next = NULL;
	if (l->last) {
		l->last->ready_next = p;
	} else {
		l->first = p;
	}
	l->last = p;
}

static void pairs_remove(struct outbox_pairs *l, struct proto_pair *p)
{
	if (p->ready_prev) {
		p->ready_prev->ready_next = p->ready_next;
	} else {
		l->first = p->ready_next;
	}
	if (p->ready_next) {
		p->ready_next->ready_prev = p->ready_prev;
	} else {
		l->last = p->ready_prev;
	}
	p->ready_prev = p->ready_next = NULL;
}

static struct outbox_pairs *list_of(struct proto_outbox *o, const struct proto_pair *p)
{
	if (p->is_replay) {
		return p->lane == OUTBOX_ANY ? &o->replays : &o->peers[p->lane].replays;
	}
	return &lane_of(p->share, p->lane)->ready;
}

void outbox_ready_add(struct proto_outbox *o, struct proto_pair *p)
{
	p->ready_since = ++o->ready_clock;
	pairs_append(list_of(o, p), p);
	if (p->is_replay) {
		return;
	}
	for (int i = p->lane == OUTBOX_ANY ? 0 : p->lane; i < (p->lane == OUTBOX_ANY ? o->peer_count : p->lane + 1); i++) {
		join_round(o, p->share, i);
	}
}

/* Its class leaves the rounds when it has its turn and nothing to send. */
void outbox_ready_remove(struct proto_outbox *o, struct proto_pair *p)
{
	pairs_remove(list_of(o, p), p);
}

void outbox_ready_reset(struct proto_outbox *o)
{
	o->replays = (struct outbox_pairs){ NULL, NULL };
	for (int i = 0; i < o->peer_count; i++) {
		o->peers[i].replays = (struct outbox_pairs){ NULL, NULL };
		o->peers[i].round_first = o->peers[i].round_last = NULL;
	}
	for (struct outbox_share *s = o->shares; s; s = s->hh.next) {
		for (int i = OUTBOX_ANY; i < o->peer_count; i++) {
			lane_of(s, i)->ready = (struct outbox_pairs){ NULL, NULL };
			lane_of(s, i)->is_in_round = false;
		}
	}
}

/* ---- choosing ---- */

/* The one of two that has waited longer, so that two lists work as one queue. */
static struct proto_pair *older(struct proto_pair *a, struct proto_pair *b)
{
	if (!a || !b) {
		return a ? a : b;
	}
	return a->ready_since < b->ready_since ? a : b;
}

struct proto_pair *outbox_ready_next(struct proto_outbox *o, int peer)
{
	struct outbox_peer *p = &o->peers[peer];
	struct proto_pair *pair = older(p->replays.first, o->replays.first);
	while (!pair && p->round_first) {
		struct outbox_share *s = p->round_first;
		pair = older(lane_of(s, peer)->ready.first, lane_of(s, OUTBOX_ANY)->ready.first);
		if (!pair) {
			leave_round(o, s, peer);
		} else if (lane_of(s, peer)->balance <= 0) {
			next_turn(o, s, peer);
			pair = NULL;
		}
	}
	return pair;
}

void outbox_ready_charge(struct outbox_share *s, int peer, size_t bytes)
{
	lane_of(s, peer)->balance -= (int64_t)bytes;
}
