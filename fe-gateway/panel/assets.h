/* The files that pages refer to. They are in the program (embed.py), under names with their hash, so that a browser may keep them for good. */
#ifndef GATEWAY_PANEL_ASSETS_H
#define GATEWAY_PANEL_ASSETS_H

#include "xfed/base.h"

enum panel_asset_id { PANEL_ASSET_CSS, PANEL_ASSET_JS, PANEL_ASSET_ICON, PANEL_ASSET_COUNT };

struct panel_asset {
	const char *path; /* "/assets/panel.0123456789abcdef.css" */
	const char *type; /* of its content */
	struct xfed_span data;
};

const struct panel_asset *panel_asset_find(struct xfed_span path); /* NULL: there is none */
const char *panel_asset_path(enum panel_asset_id id);

#endif
