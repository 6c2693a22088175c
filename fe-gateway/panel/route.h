/* Which page is where, who may see it, and what it asks. */
#ifndef GATEWAY_PANEL_ROUTE_H
#define GATEWAY_PANEL_ROUTE_H

#include "panel/page.h"

struct panel_route {
	enum panel_method method;
	const char *path;     /* "/partners/" "*" "/edit": a star is one part, whatever it is */
	enum panel_role role; /* the least that may */
	/* What is to be asked; sets `*count` (0 before) also where it fails. The caller releases the args in every case. OK, NOMEM. */
	int (*asks)(const struct panel_request *r, struct panel_ask out[PANEL_ASKS_MAX], size_t *count);
	/* Fills in `page`, whose status is 200, type text/html and location empty before. OK, LIMIT, NOMEM. */
	int (*render)(const struct panel_view *v, struct panel_page *page);
};

/* NULL: there is none. A page that can only be posted to is none for PANEL_GET. */
const struct panel_route *panel_route_find(const struct panel_request *r);

/*
 * Fills in `parts` of a request from its path: percent-encoding is taken away, an empty last part is left out. INVALID: more parts than
 * there is room for, or one that is no UTF-8 without NUL. The parts are in `memory`, as long as the path.
 */
int panel_route_split(struct panel_request *r, char *memory);

extern const struct panel_route panel_routes[];
extern const size_t panel_route_count;

#endif
