#include "panel/route.h"

#include "panel/pages.h"
#include "xfed/jid.h"

#define GET(path, role, name)                                                                                                                        \
	{                                                                                                                                            \
		PANEL_GET, path, PANEL_##role, asks_##name, page_##name                                                                              \
	}
#define POST(path, role, name)                                                                                                                       \
	{                                                                                                                                            \
		PANEL_POST, path, PANEL_##role, asks_##name, page_##name                                                                             \
	}

/* Those with a name come before those with a star in the same place: the first that fits counts. */
const struct panel_route panel_routes[] = {
	GET("/", READER, overview),
	GET("/live", READER, live),
	GET("/partners", READER, partners),
	GET("/partners/new", ADMIN, partner_new),
	POST("/partners/new", ADMIN, partner_new),
	GET("/partners/*", READER, partner),
	GET("/partners/*/check", READER, partner_check),
	GET("/partners/*/edit", ADMIN, partner_edit),
	POST("/partners/*/edit", ADMIN, partner_edit),
	POST("/partners/*/enabled", ADMIN, partner_enabled),
	POST("/partners/*/remove", ADMIN, partner_remove),
	GET("/access", READER, access),
	GET("/access/new", ADMIN, rule_new),
	POST("/access/new", ADMIN, rule_new),
	GET("/access/*", READER, rule),
	GET("/access/*/edit", ADMIN, rule_edit),
	POST("/access/*/edit", ADMIN, rule_edit),
	POST("/access/*/grant", ADMIN, rule_grant),
	POST("/access/*/revoke", ADMIN, rule_revoke),
	POST("/access/*/remove", ADMIN, rule_remove),
	GET("/contacts", READER, contacts),
	GET("/contacts/pair", READER, contact),
	POST("/contacts/approve", ADMIN, contact_approve),
	POST("/contacts/remove", ADMIN, contact_remove),
	GET("/subscriptions", READER, subscriptions),
	POST("/subscriptions/remove", ADMIN, subscription_remove),
	GET("/failures", READER, failures),
	GET("/failures/*", READER, failure),
	POST("/failures/*/retry", ADMIN, failure_retry),
	GET("/streams", READER, streams),
	GET("/streams/show", READER, stream),
	POST("/streams/close", ADMIN, stream_close),
	GET("/certificates", READER, certificates),
	GET("/explain", READER, explain),
	GET("/audit", READER, audit),
	GET("/configuration", READER, configuration),
	POST("/configuration/reload", ADMIN, reload),
};
const size_t panel_route_count = XFED_ARRAY_LEN(panel_routes);

/* ---- paths ---- */

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int decode(struct xfed_span in, char *out, struct xfed_span *part)
{
	size_t n = 0;
	for (size_t i = 0; i < in.len; i++) {
		char c = in.data[i];
		if (c == '%') {
			int high = i + 2 < in.len ? hex(in.data[i + 1]) : -1, low = i + 2 < in.len ? hex(in.data[i + 2]) : -1;
			if (high < 0 || low < 0) {
				return XFED_ERR_INVALID;
			}
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0') {
			return XFED_ERR_INVALID;
		}
		out[n++] = c;
	}
	*part = xfed_span_make(out, n);
	return xfed_utf8_is_valid(*part) ? XFED_OK : XFED_ERR_INVALID;
}

int panel_route_split(struct panel_request *r, char *memory)
{
	struct xfed_span rest = r->path;
	r->part_count = 0;
	if (rest.len == 0 || rest.data[0] != '/') {
		return XFED_ERR_INVALID;
	}
	xfed_span_cut(&rest, '/');
	while (rest.len > 0) {
		struct xfed_span part = xfed_span_cut(&rest, '/');
		if (r->part_count == PANEL_PARTS_MAX || decode(part, memory, &r->parts[r->part_count]) != XFED_OK) {
			return XFED_ERR_INVALID;
		}
		memory += r->parts[r->part_count++].len;
	}
	return XFED_OK;
}

static bool fits(const struct panel_route *route, const struct panel_request *r)
{
	struct xfed_span pattern = xfed_span_str(route->path + 1);
	size_t i = 0;
	while (pattern.len > 0) {
		struct xfed_span part = xfed_span_cut(&pattern, '/');
		bool is_fine = i < r->part_count && r->parts[i].len > 0 && (xfed_span_is(part, "*") || xfed_span_eq(part, r->parts[i]));
		if (!is_fine) {
			return false;
		}
		i++;
	}
	return i == r->part_count;
}

const struct panel_route *panel_route_find(const struct panel_request *r)
{
	for (size_t i = 0; i < panel_route_count; i++) {
		if (panel_routes[i].method == r->method && fits(&panel_routes[i], r)) {
			return &panel_routes[i];
		}
	}
	return NULL;
}
