/*
 * Which edge a pair of domains uses: it stays on one as long as anything of the pair is in flight there, so that the
 * order of its messages holds; else the choice follows from the names, so that it is the same each time. Pure.
 */
#ifndef GATEWAY_CHANNEL_ROUTES_H
#define GATEWAY_CHANNEL_ROUTES_H

#include "xfed/base.h"

#define ROUTES_NO_EDGE (-1)

struct routes;

struct routes_edge {
	int number; /* any, not negative; the same for one edge each time */
	const char *name;
	bool is_usable;
};

int routes_new(struct routes **out); /* OK, NOMEM */
void routes_free(struct routes *r);

/*
 * The edge for a message of the pair, and one more in flight there. NOT_FOUND: no edge is usable (one that the pair is bound
 * to and that has gone is left only when nothing is in flight any more). NOMEM.
 */
int routes_take(struct routes *r, struct xfed_span local, struct xfed_span remote, const struct routes_edge *edges, size_t count, int *edge);
/* One that was taken has its fate. */
void routes_give_back(struct routes *r, struct xfed_span local, struct xfed_span remote);
size_t routes_count(const struct routes *r); /* pairs with something in flight */

#endif
