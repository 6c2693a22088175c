/* Questions of dialback that wait for a verify stream, or for a place on it: the networks they come from take turns. */
#include "edge.h"

#include <utlist.h>

#include "xfed/mem.h"

/* A network that has something waiting. */
struct edge_turn {
	struct edge_turn *prev, *next; /* in the order of turns */
	UT_hash_handle hh;
	struct edge_question *questions;
	char network[RT_SOURCE_TEXT];
};

static struct edge_turn *find_or_add(struct edge_turns *t, const char *network)
{
	struct edge_turn *n = NULL;
	HASH_FIND_STR(t->by_network, network, n);
	if (n) {
		return n;
	}
	n = xfed_calloc(1, sizeof(*n));
	if (!n) {
		return NULL;
	}
	snprintf(n->network, sizeof(n->network), "%s", network);
	HASH_ADD_STR(t->by_network, network, n);
	if (!XFED_TABLE_ADDED(n)) {
		xfed_free(n);
		return NULL;
	}
	DL_APPEND(t->order, n);
	return n;
}

static struct edge_question *take(struct edge_turns *t, struct edge_turn *n)
{
	struct edge_question *q = n->questions;
	DL_DELETE(n->questions, q);
	t->count--;
	DL_DELETE(t->order, n);
	if (n->questions) {
		DL_APPEND(t->order, n);
	} else {
		HASH_DELETE(hh, t->by_network, n);
		xfed_free(n);
	}
	return q;
}

bool edge_turns_add(struct edge_turns *t, const struct rt_addr *from, struct edge_question *q)
{
	char network[RT_SOURCE_TEXT];
	rt_source_text(from, RT_SOURCE_NETWORK, network);
	struct edge_turn *n = find_or_add(t, network);
	if (n) {
		DL_APPEND(n->questions, q);
		t->count++;
	}
	return n != NULL;
}

struct edge_question *edge_turns_take(struct edge_turns *t)
{
	return t->order ? take(t, t->order) : NULL;
}

struct edge_question *edge_turns_overdue(struct edge_turns *t, uint64_t now_ms)
{
	struct edge_turn *n;
	DL_FOREACH(t->order, n) {
		if (n->questions->deadline_ms <= now_ms) { /* they came in this order */
			return take(t, n);
		}
	}
	return NULL;
}
