/*
 * Which edge a pair of domains uses. As long as anything of the pair is in flight at an edge it stays there, so that messages keep their
 * order; otherwise the names decide, so that the choice is the same each time. Pure.
 */
#ifndef GATEWAY_CHANNEL_ROUTES_H
#define GATEWAY_CHANNEL_ROUTES_H

#include "xfed/base.h"

#define ROUTES_NO_EDGE (-1)

struct routes;

struct routes_edge {
	int number; /* any number that is not negative; always the same for one edge */
	const char *name;
	bool is_usable;
};

int routes_new(struct routes **out); /* OK, NOMEM */
void routes_free(struct routes *r);

/*
 * Chooses the edge for a delivery of the pair, and counts it as in flight. NOT_FOUND: no edge is usable, or the one the pair is bound to is
 * not and still has something of the pair. NOMEM.
 */
int routes_take(struct routes *r, struct xfed_span local, struct xfed_span remote, const struct routes_edge *edges, size_t count, int *edge);
/* A delivery that was counted has ended. */
void routes_give_back(struct routes *r, struct xfed_span local, struct xfed_span remote);
size_t routes_count(const struct routes *r); /* pairs with something in flight */

#endif
