/* Dialback questions that wait for a verify stream, or for a place on it; the networks they come from take turns. */
#include "s2s/s2s_impl.h"

#include <utlist.h>

#include "xfed/mem.h"

/* A network that has questions waiting. */
struct s2s_turn {
	struct s2s_turn *prev, *next; /* links of `order` */
	UT_hash_handle hh;
	struct s2s_question *questions;
	char network[RT_SOURCE_TEXT];
};

static struct s2s_turn *find_or_add(struct s2s_turns *t, const char *network)
{
	struct s2s_turn *n = NULL;
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

static struct s2s_question *take(struct s2s_turns *t, struct s2s_turn *n)
{
	struct s2s_question *q = n->questions;
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

bool s2s_turns_add(struct s2s_turns *t, const struct rt_addr *from, struct s2s_question *q)
{
	char network[RT_SOURCE_TEXT];
	rt_source_text(from, RT_SOURCE_NETWORK, network);
	struct s2s_turn *n = find_or_add(t, network);
	if (n) {
		DL_APPEND(n->questions, q);
		t->count++;
	}
	return n != NULL;
}

struct s2s_question *s2s_turns_take(struct s2s_turns *t)
{
	return t->order ? take(t, t->order) : NULL;
}

struct s2s_question *s2s_turns_overdue(struct s2s_turns *t, uint64_t now_ms)
{
	struct s2s_turn *n;
	DL_FOREACH(t->order, n) {
		if (n->questions->deadline_ms <= now_ms) { /* a network's questions are in the order in which they came */
			return take(t, n);
		}
	}
	return NULL;
}
