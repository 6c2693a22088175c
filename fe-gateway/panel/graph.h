/* Lines of figures over the last hour, as the command `traffic list` tells them: in a page as SVG with a table beside it, and for its script as points. */
#ifndef GATEWAY_PANEL_GRAPH_H
#define GATEWAY_PANEL_GRAPH_H

#include "panel/layout.h"

void graph_all(struct html *h, const json_t *traffic);
/* {"to_sip": "0,100 5,80 ...", ...}: the points of each line by its name. NULL: no memory. */
json_t *graph_points(const json_t *traffic);
/* {"messages": "12", ...}: the last figures as texts by their name. NULL: no memory. */
json_t *graph_figures(const json_t *traffic);

#endif
