#include "im/hold.h"

#include <utlist.h>

#include "util/table.h"
#include "xfed/jid.h"
#include "xfed/text.h"

#define FORGET_PER_TICK 256

struct node {
	struct hold hold; /* first member, which the caller sees */
	struct node *prev, *next;
	uint64_t until_ms; /* held: when to answer; answered: when to forget */
	UT_hash_handle hh; /* key: id */
	char texts[];
};

struct holds {
	struct node *table;
	struct node *held, *answered; /* both in the order of time */
	size_t max, count, held_count;
	struct node *last; /* returned to the caller; freed by the next call */
};

int holds_new(size_t max, struct holds **out)
{
	struct holds *h = xfed_calloc(1, sizeof(*h));
	*out = h;
	if (!h) {
		return XFED_ERR_NOMEM;
	}
	h->max = max ? max : HOLDS_MAX;
	return XFED_OK;
}

static void unlink_node(struct holds *h, struct node *n)
{
	if (n->hold.is_answered) {
		DL_DELETE(h->answered, n);
	} else {
		DL_DELETE(h->held, n);
		h->held_count--;
	}
}

static void forget(struct holds *h, struct node *n)
{
	unlink_node(h, n);
	HASH_DELETE(hh, h->table, n);
	h->count--;
	xfed_free(n);
}

static void drop_last(struct holds *h)
{
	xfed_free(h->last);
	h->last = NULL;
}

void holds_free(struct holds *h)
{
	if (!h) {
		return;
	}
	drop_last(h);
	while (h->held) {
		forget(h, h->held);
	}
	while (h->answered) {
		forget(h, h->answered);
	}
	xfed_free(h);
}

/* Searches from the end: behind it are only messages of tests, which are held longer, and those from before a reload shortened error_hold. */
static void insert_held(struct holds *h, struct node *n)
{
	struct node *before = h->held ? h->held->prev : NULL; /* the last one */
	while (before && before->until_ms > n->until_ms) {
		before = before == h->held ? NULL : before->prev;
	}
	if (before) {
		DL_APPEND_ELEM(h->held, before, n);
	} else {
		DL_PREPEND(h->held, n);
	}
	h->held_count++;
}

static void mark_answered(struct holds *h, struct node *n, uint64_t now_ms)
{
	n->hold.is_answered = true;
	n->until_ms = now_ms + HOLD_LATE_MS;
	DL_APPEND(h->answered, n);
}

int holds_add(struct holds *h, const struct hold *what, uint64_t until_ms, uint64_t now_ms)
{
	drop_last(h);
	if (what->id.len == 0 || what->id.len >= HOLD_ID_SIZE) {
		return XFED_ERR_INVALID;
	}
	if (h->count >= h->max && !h->answered) {
		return XFED_ERR_LIMIT;
	}
	if (h->count >= h->max) {
		forget(h, h->answered);
	}
	struct node *n = xfed_malloc(sizeof(*n) + what->id.len + what->local.len + what->remote.len + 3);
	if (!n) {
		return XFED_ERR_NOMEM;
	}
	memset(n, 0, sizeof(*n));
	char *at = n->texts;
	n->hold = *what;
	n->hold.id = xfed_span_put(&at, what->id);
	n->hold.local = xfed_span_put(&at, what->local);
	n->hold.remote = xfed_span_put(&at, what->remote);
	n->until_ms = until_ms;
	HASH_ADD_KEYPTR(hh, h->table, n->hold.id.data, n->hold.id.len, n);
	if (!XFED_TABLE_ADDED(n)) {
		xfed_free(n);
		return XFED_ERR_NOMEM;
	}
	h->count++;
	if (what->is_answered) {
		mark_answered(h, n, now_ms);
	} else {
		insert_held(h, n);
	}
	return XFED_OK;
}

/* Whether the error is from the contact, or from its server on its behalf. */
static bool is_from(const struct hold *w, struct xfed_span bare, struct xfed_span domain)
{
	return xfed_span_eq(bare, w->remote) || (xfed_span_eq(bare, domain) && xfed_span_eq(domain, xfed_jid_domain_part(w->remote)));
}

const struct hold *holds_match(
	struct holds *h, struct xfed_span id, struct xfed_span from_bare, struct xfed_span from_domain, struct xfed_span to_bare)
{
	struct node *n = NULL;
	drop_last(h);
	if (id.len > 0) {
		HASH_FIND(hh, h->table, id.data, id.len, n);
	}
	if (!n || !is_from(&n->hold, from_bare, from_domain) || !xfed_span_eq(to_bare, n->hold.local)) {
		return NULL;
	}
	unlink_node(h, n);
	HASH_DELETE(hh, h->table, n);
	h->count--;
	h->last = n;
	return &n->hold;
}

static const struct hold *release_first(struct holds *h, uint64_t now_ms)
{
	struct node *n = h->held;
	DL_DELETE(h->held, n);
	h->held_count--;
	mark_answered(h, n, now_ms);
	return &n->hold;
}

const struct hold *holds_due(struct holds *h, uint64_t now_ms)
{
	drop_last(h);
	return h->held && h->held->until_ms <= now_ms ? release_first(h, now_ms) : NULL;
}

const struct hold *holds_release(struct holds *h, uint64_t now_ms)
{
	drop_last(h);
	return h->held ? release_first(h, now_ms) : NULL;
}

uint64_t holds_deadline(const struct holds *h)
{
	return h->held ? h->held->until_ms : UINT64_MAX;
}

void holds_tick(struct holds *h, uint64_t now_ms)
{
	drop_last(h);
	for (int i = 0; i < FORGET_PER_TICK && h->answered && h->answered->until_ms <= now_ms; i++) {
		forget(h, h->answered);
	}
}

size_t holds_waiting(const struct holds *h)
{
	return h->held_count;
}
