#include "panel/assets.h"

#include "panel_assets.inc" /* made by embed.py: a row for each enum panel_asset_id */

const struct panel_asset *panel_asset_find(struct xfed_span path)
{
	for (size_t i = 0; i < PANEL_ASSET_COUNT; i++) {
		if (xfed_span_is(path, assets[i].path)) {
			return &assets[i];
		}
	}
	return NULL;
}

const char *panel_asset_path(enum panel_asset_id id)
{
	return assets[id].path;
}
