#include "edge.h"

#include "xfed/mem.h"

/*
 * Streams a partner has opened and proved, found by its primary domain; an entry lives while it counts something. Naming a partner
 * is not enough, or strangers would use up what is the partner's; and streams of ours are not the partner's doing.
 */
struct edge_tally {
	size_t streams;
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

void edge_tally_add(struct edge_conn *c, const char *domain)
{
	struct edge *e = c->edge;
	if (c->tally) {
		return; /* counted with the first pair it proved */
	}
	struct edge_tally *t = find(e, domain);
	if (!t) {
		size_t len = strlen(domain);
		t = xfed_calloc(1, sizeof(*t) + len + 1);
		if (!t) {
			return; /* one stream too many is better than one too few */
		}
		memcpy(t->domain, domain, len + 1);
		HASH_ADD(hh, e->tallies, domain[0], len, t);
		if (!XFED_TABLE_ADDED(t)) {
			xfed_free(t);
			return;
		}
	}
	t->streams++;
	c->tally = t;
}

void edge_tally_drop(struct edge_conn *c)
{
	struct edge_tally *t = c->tally;
	c->tally = NULL;
	if (t && --t->streams == 0) {
		HASH_DELETE(hh, c->edge->tallies, t);
		xfed_free(t);
	}
}
