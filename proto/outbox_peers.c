#include "proto/outbox_impl.h"

int proto_outbox_peer(struct proto_outbox *o, struct xfed_span name)
{
	for (int i = 0; i < o->peer_count; i++) {
		if (xfed_span_is(name, o->peers[i].name)) {
			return i;
		}
	}
	bool has_room = o->peer_count < PROTO_OUTBOX_PEERS_MAX && name.len < sizeof(o->peers[0].name);
	if (!has_room || outbox_share_room(o) != XFED_OK) {
		return PROTO_OUTBOX_NO_PEER;
	}
	struct outbox_peer *p = &o->peers[o->peer_count];
	memset(p, 0, sizeof(*p));
	memcpy(p->name, name.data, name.len);
	p->is_released = true;
	o->peer_count++;
	outbox_queue_rebuild(o); /* deliveries for any peer may go to this one now */
	return o->peer_count - 1;
}

/* Sent to the present run of this peer, and to no other since. */
bool outbox_is_at(const struct proto_outbox *o, const struct outbox_node *n, int peer)
{
	return n->d.peer == peer && n->d.sends > 0 && n->d.peer_nonce == o->peers[peer].nonce;
}

/* Puts it back into the queue; the caller then calls outbox_queue_rebuild(). */
static void requeue(struct proto_outbox *o, struct outbox_node *n, bool is_bound)
{
	outbox_not_in_flight(o, n);
	n->d.state = PROTO_DELIVERY_QUEUED;
	n->is_bound = is_bound;
	outbox_set_due(o, n);
}

/* The run it was sent to has ended and will not answer. */
static void run_over(struct proto_outbox *o, struct outbox_node *n)
{
	switch (n->d.replay) {
	case PROTO_REPLAY_UNATTEMPTED:
		if (n->d.state != PROTO_DELIVERY_SENT) {
			outbox_end(o, n, XFED__FATE__FATE_UNCERTAIN, XFED_REASON_DELIVERY_UNCERTAIN, NULL);
			return;
		}
		break;
	case PROTO_REPLAY_SAME_RUN:
		outbox_end(o, n, XFED__FATE__FATE_UNCERTAIN, XFED_REASON_DELIVERY_UNCERTAIN, NULL);
		return;
	case PROTO_REPLAY_ANY:
		if (n->d.state == PROTO_DELIVERY_WITHDRAWING) {
			outbox_end(o, n, XFED__FATE__FATE_UNCERTAIN, XFED_REASON_DELIVERY_UNCERTAIN, NULL);
			return;
		}
		break;
	case PROTO_REPLAY_NEVER:
		outbox_end(o, n, XFED__FATE__FATE_DROPPED, XFED_REASON_CHANNEL_DOWN, "presence-resync");
		return;
	}
	requeue(o, n, false);
}

/* The run goes on: what it may have already is sent again, and recognised by its number. */
static void run_resumed(struct proto_outbox *o, struct outbox_node *n)
{
	if (n->d.state == PROTO_DELIVERY_SENT) {
		requeue(o, n, true);
	} else if (n->d.state == PROTO_DELIVERY_WITHDRAWING && n->d.withdraw_sent) {
		n->d.withdraw_sent = false;
		outbox_list_append(&o->peers[n->d.peer].withdrawing, n);
	}
}

void proto_outbox_peer_up(struct proto_outbox *o, int peer, uint64_t nonce, uint64_t now_ms)
{
	struct outbox_peer *p = &o->peers[peer];
	XFED_REQUIRE(peer >= 0 && peer < o->peer_count);
	if (p->is_live) {
		proto_outbox_peer_lost(o, peer, now_ms); /* a newer link replaces an older one */
	}
	for (struct outbox_node *n = o->first, *next; n; n = next) {
		next = n->all_next;
		if (n->d.peer != peer || n->d.sends == 0) {
			continue;
		}
		if (n->d.peer_nonce == nonce && outbox_is_in_flight(n)) {
			run_resumed(o, n);
		} else if (n->d.peer_nonce != nonce && outbox_is_in_flight(n)) {
			run_over(o, n);
		}
	}
	p->nonce = nonce;
	p->is_live = true;
	p->is_released = false;
	outbox_queue_rebuild(o);
}

/* A delivery that was to be sent again to the lost peer may be there already: it waits for the link like those in flight. */
static void back_in_flight(struct proto_outbox *o, struct outbox_node *n, int peer)
{
	outbox_queue_remove(o, n);
	n->is_bound = false;
	n->d.state = PROTO_DELIVERY_SENT;
	outbox_in_flight(o, n, peer);
	outbox_set_due(o, n);
}

void proto_outbox_peer_lost(struct proto_outbox *o, int peer, uint64_t now_ms)
{
	struct outbox_peer *p = &o->peers[peer];
	XFED_REQUIRE(peer >= 0 && peer < o->peer_count);
	if (!p->is_live) {
		return;
	}
	p->is_live = false;
	p->lost_ms = now_ms;
	for (struct outbox_node *n = o->first, *next; n; n = next) {
		next = n->all_next;
		if (n->d.peer != peer || n->d.sends == 0) {
			continue;
		}
		if (n->d.replay == PROTO_REPLAY_NEVER && outbox_is_in_flight(n)) {
			outbox_end(o, n, XFED__FATE__FATE_DROPPED, XFED_REASON_CHANNEL_DOWN, "presence-resync");
		} else if (n->is_bound) {
			back_in_flight(o, n, peer);
		}
	}
	outbox_queue_rebuild(o);
}

/* The time in which the lost run may resume is over: deliveries not attempted may go to any peer. */
static void release(struct proto_outbox *o, int peer)
{
	for (struct outbox_node *n = o->first; n; n = n->all_next) {
		bool may_move = n->d.replay == PROTO_REPLAY_UNATTEMPTED || n->d.replay == PROTO_REPLAY_ANY;
		if (n->d.peer == peer && n->d.state == PROTO_DELIVERY_SENT && may_move) {
			requeue(o, n, false);
		}
	}
	o->peers[peer].is_released = true;
	outbox_queue_rebuild(o);
}

void outbox_release_lost(struct proto_outbox *o, uint64_t now_ms)
{
	for (int i = 0; i < o->peer_count; i++) {
		struct outbox_peer *p = &o->peers[i];
		if (!p->is_live && !p->is_released && now_ms >= p->lost_ms + o->replay_ms) {
			release(o, i);
		}
	}
}

uint64_t outbox_release_at(const struct proto_outbox *o)
{
	uint64_t at = UINT64_MAX;
	for (int i = 0; i < o->peer_count; i++) {
		const struct outbox_peer *p = &o->peers[i];
		if (!p->is_live && !p->is_released && p->lost_ms + o->replay_ms < at) {
			at = p->lost_ms + o->replay_ms;
		}
	}
	return at;
}
