#include "proto/outbox.h"

#include "proto/check.h"
#include "proto/frame.h"
#include "proto/outbox_impl.h"
#include "xfed/text.h"

int proto_outbox_new(const struct proto_outbox_config *cfg, struct proto_outbox **out)
{
	struct proto_outbox *o = xfed_calloc(1, sizeof(*o));
	*out = o;
	if (!o) {
		return XFED_ERR_NOMEM;
	}
	o->max_deliveries = cfg && cfg->max_deliveries ? cfg->max_deliveries : XFED_DELIVERY_TABLE_MAX;
	o->max_bytes = cfg && cfg->max_bytes ? cfg->max_bytes : XFED_DELIVERY_TABLE_BYTES;
	o->replay_ms = cfg && cfg->replay_ms ? cfg->replay_ms : XFED_DELIVERY_REPLAY_MS;
	o->next_seq = 1;
	return XFED_OK;
}

static void leave_pair(struct proto_outbox *o, struct outbox_node *n)
{
	n->pair->count--;
	n->pair->share->count--;
	outbox_pair_put(o, n->pair);
	n->pair = NULL;
}

static void free_list(struct outbox_list *l)
{
	while (l->head) {
		struct outbox_node *n = l->head;
		outbox_list_remove(l, n);
		xfed_free(n);
	}
}

void proto_outbox_free(struct proto_outbox *o)
{
	if (!o) {
		return;
	}
	HASH_CLEAR(hh, o->table);
	while (o->first) {
		struct outbox_node *n = o->first;
		o->first = n->all_next;
		leave_pair(o, n);
		xfed_free(n);
	}
	free_list(&o->ended);
	free_list(&o->taken);
	xfed_heap_deinit(&o->deadlines);
	xfed_heap_deinit(&o->paced);
	xfed_free(o);
}

/* ---- adding ---- */

/* The texts, in the order of storage; the stanza follows them. */
static void copy_texts(struct proto_delivery *d, const struct proto_delivery_new *n, char *at)
{
	d->type = xfed_text_put(&at, n->type);
	d->id = xfed_text_put(&at, n->id);
	d->from = xfed_text_put(&at, n->from);
	d->to = xfed_text_put(&at, n->to);
	d->lang = xfed_text_put(&at, n->lang);
	d->owner = xfed_text_put(&at, n->owner);
	d->correlation = xfed_text_put(&at, n->correlation);
	d->call_id = xfed_text_put(&at, n->call_id);
	d->from_tag = xfed_text_put(&at, n->from_tag);
	d->request_uri = xfed_text_put(&at, n->request_uri);
	d->stanza.len = n->stanza.len;
	d->stanza.data = xfed_text_put(&at, n->stanza);
}

static struct outbox_node *make_node(const struct proto_delivery_new *n, size_t bytes, uint64_t now_ms)
{
	struct outbox_node *node = xfed_malloc(bytes);
	if (!node) {
		return NULL;
	}
	memset(node, 0, sizeof(*node));
	struct proto_delivery *d = &node->d;
	copy_texts(d, n, (char *)(node + 1));
	d->state = PROTO_DELIVERY_QUEUED;
	d->kind = n->kind;
	d->replay = n->replay;
	d->owner_epoch = n->owner_epoch;
	d->pair_key = n->pair_key;
	d->added_ms = now_ms;
	d->deadline_ms = n->deadline_ms;
	d->not_before_ms = n->not_before_ms;
	d->withdraw_ms = n->withdraw_ms;
	d->cookie = n->cookie;
	d->number = n->number;
	d->has_sip = n->has_sip;
	d->cseq = n->cseq;
	d->answer_within_ms = n->answer_within_ms;
	d->prefers = n->peer;
	d->pinned = n->pinned && n->peer != PROTO_OUTBOX_NO_PEER;
	d->peer = PROTO_OUTBOX_NO_PEER;
	d->bytes = bytes;
	return node;
}

#define FIELDS_BYTES 160 /* memory of all fields of a Deliver, without their contents */
_Static_assert(sizeof(struct outbox_node) > FIELDS_BYTES, "a delivery's memory is no bound on its frame");

/*
 * Checks that what is taken can be sent: the message is made as for sending, with the longest numbers possible, and checked as the session
 * does, so the result for one content is always the same. A delivery takes more memory than its frame has bytes, so only a large one has to
 * be measured.
 */
static int judge(const struct proto_outbox *o, const struct proto_delivery *d, uint64_t now_ms)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__Deliver m;
	Xfed__SipKey sip;
	size_t bytes;
	proto_outbox_message(o, d, now_ms, &m, &sip);
	m.seq = m.lowest_unsettled = m.outcomes_heard = UINT64_MAX;
	m.remaining_ms = UINT32_MAX;
	m.replay = true;
	f.body_case = XFED__FRAME__BODY_DELIVER;
	f.deliver = &m;
	if (proto_check(&f)) {
		return XFED_ERR_INVALID;
	}
	return d->bytes <= XFED_FRAME_BYTES_MAX ? XFED_OK : proto_frame_measure(&f, &bytes);
}

static size_t node_bytes(const struct proto_delivery_new *n)
{
	return sizeof(struct outbox_node) + 11 + n->type.len + n->id.len + n->from.len + n->to.len + n->lang.len + n->owner.len + n->correlation.len +
	       n->call_id.len + n->from_tag.len + n->request_uri.len + n->stanza.len;
}

static void link_all(struct proto_outbox *o, struct outbox_node *n)
{
	n->all_prev = o->last;
	if (o->last) {
		o->last->all_next = n;
	} else {
		o->first = n;
	}
	o->last = n;
}

/* Whether its class would hold room that the others need. Class 0 is not limited. */
static bool is_greedy(const struct proto_outbox *o, const struct outbox_share *s)
{
	return s->key != 0 && s->count > 0 && s->count >= o->max_deliveries * XFED_SHARE_TABLE_PERCENT / 100;
}

int proto_outbox_add(struct proto_outbox *o, const struct proto_delivery_new *n, uint64_t now_ms, uint64_t *seq)
{
	XFED_REQUIRE(n->peer >= PROTO_OUTBOX_NO_PEER && n->peer < o->peer_count);
	size_t bytes = node_bytes(n);
	if (n->stanza.len > XFED_STANZA_BYTES_MAX || bytes > o->max_bytes) {
		return XFED_ERR_TOO_LARGE;
	}
	if (o->count >= o->max_deliveries || o->bytes > o->max_bytes - bytes) {
		return XFED_ERR_LIMIT;
	}
	o->now_ms = now_ms;
	bool has_places = xfed_heap_reserve(&o->deadlines, o->count + 1) == XFED_OK &&
			  (n->not_before_ms <= now_ms || xfed_heap_reserve(&o->paced, o->count + 1) == XFED_OK);
	struct outbox_node *node = has_places ? make_node(n, bytes, now_ms) : NULL;
	if (!node) {
		return XFED_ERR_NOMEM;
	}
	int rc = judge(o, &node->d, now_ms);
	if (rc != XFED_OK) {
		goto free_node;
	}
	rc = XFED_ERR_NOMEM;
	node->pair = outbox_pair_get(o, n->pair_key, n->share_key);
	if (!node->pair) {
		goto free_node;
	}
	if (is_greedy(o, node->pair->share)) {
		rc = XFED_ERR_LIMIT;
		goto put_pair;
	}
	node->d.seq = o->next_seq;
	HASH_ADD(hh, o->table, d.seq, sizeof(node->d.seq), node);
	if (!XFED_TABLE_ADDED(node)) {
		goto put_pair;
	}
	node->pair->count++;
	node->pair->share->count++;
	link_all(o, node);
	outbox_set_due(o, node);
	o->count++;
	outbox_queue_append(o, node);
	o->bytes += bytes;
	*seq = o->next_seq++;
	return XFED_OK;

put_pair:
	outbox_pair_put(o, node->pair);
free_node:
	xfed_free(node);
	return rc;
}

/* ---- ending ---- */

bool outbox_is_in_flight(const struct outbox_node *n)
{
	return n->d.state == PROTO_DELIVERY_SENT || n->d.state == PROTO_DELIVERY_ATTEMPTED || n->d.state == PROTO_DELIVERY_WITHDRAWING;
}

static void unlink_all(struct proto_outbox *o, struct outbox_node *n)
{
	if (n->all_prev) {
		n->all_prev->all_next = n->all_next;
	} else {
		o->first = n->all_next;
	}
	if (n->all_next) {
		n->all_next->all_prev = n->all_prev;
	} else {
		o->last = n->all_prev;
	}
}

/* Takes it out of all lists and tables, but not out of memory. */
static void retire(struct proto_outbox *o, struct outbox_node *n)
{
	if (n->d.state == PROTO_DELIVERY_QUEUED) {
		outbox_queue_remove(o, n);
	} else if (n->d.state == PROTO_DELIVERY_WITHDRAWING && !n->d.withdraw_sent) {
		outbox_list_remove(&o->peers[n->d.peer].withdrawing, n);
	}
	if (outbox_is_in_flight(n)) {
		outbox_not_in_flight(o, n);
	}
	leave_pair(o, n);
	HASH_DEL(o->table, n);
	unlink_all(o, n);
	xfed_heap_remove(&o->deadlines, &n->due);
	o->count--;
	n->d.state = PROTO_DELIVERY_DONE;
}

void outbox_end(struct proto_outbox *o, struct outbox_node *n, Xfed__Fate fate, enum xfed_reason reason, const char *rule)
{
	retire(o, n);
	n->d.fate = fate;
	n->d.reason = reason;
	n->d.rule = rule;
	outbox_list_append(&o->ended, n);
}

struct proto_delivery *proto_outbox_ended(struct proto_outbox *o)
{
	struct outbox_node *n = o->ended.head;
	if (!n) {
		return NULL;
	}
	outbox_list_remove(&o->ended, n);
	outbox_list_append(&o->taken, n);
	return &n->d;
}

void proto_outbox_done(struct proto_outbox *o, struct proto_delivery *d)
{
	struct outbox_node *n = (struct outbox_node *)d;
	XFED_REQUIRE(d->state == PROTO_DELIVERY_DONE);
	outbox_list_remove(&o->taken, n);
	o->bytes -= d->bytes;
	xfed_free(n);
}

/* ---- answers ---- */

static struct outbox_node *find(const struct proto_outbox *o, uint64_t seq)
{
	struct outbox_node *n = NULL;
	HASH_FIND(hh, o->table, &seq, sizeof(seq), n);
	return n;
}

bool proto_outbox_attempted(struct proto_outbox *o, int peer, uint64_t seq)
{
	struct outbox_node *n = find(o, seq);
	if (!n || !outbox_is_at(o, n, peer)) {
		return false;
	}
	switch (n->d.state) {
	case PROTO_DELIVERY_QUEUED:
		outbox_queue_remove(o, n);
		n->is_bound = false;
		outbox_in_flight(o, n, peer);
		n->d.state = PROTO_DELIVERY_ATTEMPTED;
		break;
	case PROTO_DELIVERY_SENT:
		n->d.state = PROTO_DELIVERY_ATTEMPTED;
		break;
	case PROTO_DELIVERY_ATTEMPTED:
		return true;
	case PROTO_DELIVERY_WITHDRAWING:
	case PROTO_DELIVERY_DONE:
		return false;
	}
	outbox_set_due(o, n);
	return true;
}

struct proto_delivery *proto_outbox_settled(struct proto_outbox *o, int peer, const Xfed__Outcome *oc)
{
	struct outbox_node *n = find(o, oc->seq);
	if (!n || !outbox_is_at(o, n, peer)) {
		return NULL;
	}
	retire(o, n);
	n->d.fate = oc->fate;
	outbox_list_append(&o->taken, n);
	return &n->d;
}

/* ---- withdrawing ---- */

/* Whether it can be withdrawn here: it was not sent, or the peer cannot begin it before we have allowed Attempted. */
static bool can_take_back(const struct outbox_node *n)
{
	return n->d.state == PROTO_DELIVERY_QUEUED && (n->d.sends == 0 || n->d.replay == PROTO_REPLAY_UNATTEMPTED);
}

static void withdraw(struct proto_outbox *o, struct outbox_node *n)
{
	if (n->d.state == PROTO_DELIVERY_WITHDRAWING) {
		return;
	}
	if (can_take_back(n)) {
		outbox_end(o, n, XFED__FATE__FATE_WITHDRAWN, XFED_REASON_DELIVERY_DEADLINE, NULL);
		return;
	}
	if (n->d.state == PROTO_DELIVERY_QUEUED) {
		outbox_queue_remove(o, n);
		n->is_bound = false;
		outbox_in_flight(o, n, n->d.peer);
	}
	n->d.state = PROTO_DELIVERY_WITHDRAWING;
	n->d.withdraw_sent = false;
	outbox_list_append(&o->peers[n->d.peer].withdrawing, n);
	outbox_set_due(o, n);
}

int proto_outbox_withdraw(struct proto_outbox *o, uint64_t seq)
{
	struct outbox_node *n = find(o, seq);
	if (!n) {
		return XFED_ERR_NOT_FOUND;
	}
	withdraw(o, n);
	return XFED_OK;
}

bool proto_outbox_next_withdraw(struct proto_outbox *o, int peer, uint64_t *seq)
{
	XFED_REQUIRE(peer >= 0 && peer < o->peer_count);
	struct outbox_list *l = &o->peers[peer].withdrawing;
	for (struct outbox_node *n; o->peers[peer].is_live && (n = l->head);) {
		outbox_list_remove(l, n);
		n->d.withdraw_sent = true;
		if (outbox_is_at(o, n, peer)) {
			*seq = n->d.seq;
			return true;
		}
	}
	return false;
}

/* ---- deliveries that cannot be delivered any more ---- */

/* Whether the other side may have delivered it. */
static bool may_have_happened(const struct outbox_node *n)
{
	switch (n->d.replay) {
	case PROTO_REPLAY_UNATTEMPTED:
		return n->d.state == PROTO_DELIVERY_ATTEMPTED || n->d.state == PROTO_DELIVERY_WITHDRAWING;
	case PROTO_REPLAY_SAME_RUN:
	case PROTO_REPLAY_ANY:
	case PROTO_REPLAY_NEVER:
		break;
	}
	return n->d.sends > 0;
}

static void expire(struct proto_outbox *o, struct outbox_node *n)
{
	if (n->d.replay == PROTO_REPLAY_NEVER) {
		outbox_end(o, n, XFED__FATE__FATE_DROPPED, XFED_REASON_DELIVERY_DEADLINE, "presence-resync");
	} else if (may_have_happened(n)) {
		outbox_end(o, n, XFED__FATE__FATE_UNCERTAIN, XFED_REASON_DELIVERY_UNCERTAIN, NULL);
	} else {
		outbox_end(o, n, XFED__FATE__FATE_REFUSED, XFED_REASON_DELIVERY_DEADLINE, NULL);
	}
}

void proto_outbox_unsendable(struct proto_outbox *o, const struct proto_delivery *d, enum xfed_reason reason)
{
	struct outbox_node *n = (struct outbox_node *)(uintptr_t)d;
	XFED_REQUIRE(n->d.state == PROTO_DELIVERY_QUEUED);
	if (may_have_happened(n)) {
		outbox_end(o, n, XFED__FATE__FATE_UNCERTAIN, XFED_REASON_DELIVERY_UNCERTAIN, NULL);
	} else {
		outbox_end(o, n, XFED__FATE__FATE_REFUSED, reason, NULL);
	}
}

/* ---- time ---- */

void proto_outbox_tick(struct proto_outbox *o, uint64_t now_ms)
{
	o->now_ms = now_ms;
	outbox_release_lost(o, now_ms);
	outbox_queue_release(o);
	struct outbox_node *n;
	while ((n = outbox_first_due(o, now_ms))) {
		if (now_ms < n->d.deadline_ms) {
			withdraw(o, n);
		} else {
			expire(o, n);
		}
	}
}

void proto_outbox_give_up(struct proto_outbox *o)
{
	while (o->first) {
		expire(o, o->first);
	}
}

uint64_t proto_outbox_deadline(const struct proto_outbox *o)
{
	uint64_t release = outbox_release_at(o);
	const struct xfed_heap_item *firsts[] = { xfed_heap_first(&o->deadlines), xfed_heap_first(&o->paced) };
	for (size_t i = 0; i < XFED_ARRAY_LEN(firsts); i++) {
		release = firsts[i] && firsts[i]->at < release ? firsts[i]->at : release;
	}
	return release;
}

/* ---- sending and state ---- */

void proto_outbox_message(const struct proto_outbox *o, const struct proto_delivery *d, uint64_t now_ms, Xfed__Deliver *out, Xfed__SipKey *sip)
{
	uint64_t left = d->deadline_ms > now_ms ? d->deadline_ms - now_ms : 0;
	xfed__deliver__init(out);
	out->seq = d->seq;
	out->kind = d->kind;
	out->type = (char *)(uintptr_t)d->type;
	out->id = (char *)(uintptr_t)d->id;
	out->from = (char *)(uintptr_t)d->from;
	out->to = (char *)(uintptr_t)d->to;
	out->lang = (char *)(uintptr_t)d->lang;
	out->remaining_ms = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
	out->owner_epoch = d->owner_epoch;
	out->owner = (char *)(uintptr_t)d->owner;
	out->replay = d->sends > 0;
	out->stanza.data = (uint8_t *)(uintptr_t)d->stanza.data;
	out->stanza.len = d->stanza.len;
	out->lowest_unsettled = proto_outbox_lowest_unsettled(o);
	out->answer_within_ms = d->answer_within_ms;
	out->correlation = (char *)(uintptr_t)d->correlation;
	if (d->has_sip) {
		xfed__sip_key__init(sip);
		sip->call_id = (char *)(uintptr_t)d->call_id;
		sip->from_tag = (char *)(uintptr_t)d->from_tag;
		sip->cseq = d->cseq;
		sip->request_uri = (char *)(uintptr_t)d->request_uri;
		out->sip = sip;
	}
}

uint64_t proto_outbox_lowest_unsettled(const struct proto_outbox *o)
{
	return o->first ? o->first->d.seq : o->next_seq;
}

size_t proto_outbox_count(const struct proto_outbox *o)
{
	return o->count;
}

size_t proto_outbox_bytes(const struct proto_outbox *o)
{
	return o->bytes;
}

size_t proto_outbox_unaccounted(const struct proto_outbox *o, uint64_t now_ms)
{
	size_t late = 0;
	for (const struct outbox_node *n = outbox_first_due(o, now_ms) ? o->first : NULL; n; n = n->all_next) {
		late += n->d.deadline_ms < now_ms;
	}
	return late;
}

const struct proto_delivery *proto_outbox_find(const struct proto_outbox *o, uint64_t seq)
{
	const struct outbox_node *n = find(o, seq);
	return n ? &n->d : NULL;
}

const struct proto_delivery *proto_outbox_iterate(const struct proto_outbox *o, const struct proto_delivery *after)
{
	const struct outbox_node *n = after ? ((const struct outbox_node *)after)->all_next : o->first;
	return n ? &n->d : NULL;
}
