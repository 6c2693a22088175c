/*
 * One stream opened to see what a partner's server does with it: negotiated as far as the login, then closed. It belongs to
 * no pair, carries no stanza and leaves no trace in metrics, back-off or the journal.
 */
#ifndef EDGE_PROBE_H
#define EDGE_PROBE_H

#include "edge.h"

struct edge_probe;

struct edge_probe_result {
	enum xfed_reason reason; /* NONE: logged in by `method` */
	enum xfed_side side;
	const char *text; /* never NULL */
	enum xfed_method method;
	const struct xfed_s2s_info *info; /* how far it got; NULL: TCP did not come about */
};

/* Runs once, in a later turn, never inside edge_probe_new(); what it is given is borrowed. The probe is gone afterwards. */
typedef void edge_probe_fn(void *user, const struct edge_probe_result *r);

struct edge_probe_config {
	const char *local, *remote; /* normalised, copied */
	struct xfed_s2s_decision decision;
	const struct rt_addr *to;
	uint32_t timeout_ms; /* for the negotiation; connecting has the edge's own bound */
	edge_probe_fn *fn;
	void *user;
};

/* OK, NOMEM, LIBRARY (no socket). */
int edge_probe_new(struct edge *e, const struct edge_probe_config *cfg, struct edge_probe **out);
void edge_probe_cancel(struct edge_probe *p); /* NULL is fine; `fn` does not run any more */

/* The address streams leave from, where one is configured and of that family; else NULL. */
const struct rt_addr *edge_source_for(const struct edge *e, const struct rt_addr *to, struct rt_addr *storage);

#endif
