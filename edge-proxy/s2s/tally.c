#include "edge.h"

#include "xfed/mem.h"

/*
 * Streams a partner has opened and proved, and streams of ours to it, found by its primary domain; an entry lives while it counts
 * something. Naming a partner is not enough, or strangers would use up what is the partner's. The two counts are apart: a stream of
 * ours is not the partner's, though its names and its questions may have caused it.
 */
struct edge_tally {
	size_t streams, dialled;
	UT_hash_handle hh;
	char domain[];
};

static struct edge_tally *find(const struct edge *e, const char *domain)
{
	struct edge_tally *t = NULL;
	HASH_FIND(hh, e->tallies, domain, strlen(domain), t);
	return t;
}

size_t edge_tally_streams(const struct edge *e, const char *domain)
{
	const struct edge_tally *t = find(e, domain);
	return t ? t->streams : 0;
}

static struct edge_tally *find_or_add(struct edge *e, const char *domain)
{
	struct edge_tally *t = find(e, domain);
	if (t) {
		return t;
	}
	size_t len = strlen(domain);
	t = xfed_calloc(1, sizeof(*t) + len + 1);
	if (!t) {
		return NULL;
	}
	memcpy(t->domain, domain, len + 1);
	HASH_ADD(hh, e->tallies, domain[0], len, t);
	if (!XFED_TABLE_ADDED(t)) {
		xfed_free(t);
		return NULL;
	}
	return t;
}

static void drop_if_idle(struct edge *e, struct edge_tally *t)
{
	if (t->streams == 0 && t->dialled == 0) {
		HASH_DELETE(hh, e->tallies, t);
		xfed_free(t);
	}
}

void edge_tally_add(struct edge_conn *c, const char *domain)
{
	if (c->tally) {
		return; /* counted with the first pair it proved */
	}
	c->tally = find_or_add(c->edge, domain);
	if (c->tally) { /* else: one stream too many is better than one too few */
		c->tally->streams++;
	}
}

void edge_tally_drop(struct edge_conn *c)
{
	struct edge_tally *t = c->tally;
	c->tally = NULL;
	if (t) {
		t->streams--;
		drop_if_idle(c->edge, t);
	}
}

size_t edge_tally_dialled(const struct edge *e, const char *domain)
{
	const struct edge_tally *t = find(e, domain);
	return t ? t->dialled : 0;
}

struct edge_tally *edge_tally_dial(struct edge *e, const char *domain)
{
	struct edge_tally *t = find_or_add(e, domain);
	if (t) {
		t->dialled++;
	}
	return t;
}

void edge_tally_hang_up(struct edge *e, struct edge_tally *t)
{
	if (t) {
		t->dialled--;
		drop_if_idle(e, t);
	}
}
