/*
 * What lies between the panel's server and its pages. The server has read a request and knows who asks; the route names what is to be asked
 * of the gateway; the page makes of the answers what the browser is sent. A page is a pure function: it knows no socket, session or clock.
 */
#ifndef GATEWAY_PANEL_PAGE_H
#define GATEWAY_PANEL_PAGE_H

#include <jansson.h>

#include "xfed/base.h"
#include "xfed/buf.h"

#define PANEL_ASKS_MAX	   4
#define PANEL_PARTS_MAX	   4
#define PANEL_LOCATION_MAX 2048

enum panel_method { PANEL_GET, PANEL_POST };
enum panel_language { PANEL_EN, PANEL_DE };
enum panel_role { PANEL_NOBODY, PANEL_READER, PANEL_ADMIN };

struct panel_field { /* of query or form: decoded, valid UTF-8 */
	struct xfed_span name, value;
};

struct panel_request {
	enum panel_method method;
	struct xfed_span path;			 /* as it was asked for, without the query */
	struct xfed_span parts[PANEL_PARTS_MAX]; /* between its slashes, decoded, valid UTF-8, without NUL */
	size_t part_count;
	const struct panel_field *fields;
	size_t field_count;
	enum panel_language language;
};

struct panel_viewer {
	const char *name;
	enum panel_role role;
	const char *csrf; /* in each form; "" before there is a session */
};

/* One command that a page needs the answer of. */
struct panel_ask {
	const char *noun, *verb;
	json_t *args; /* NULL: none; whoever asks releases it */
};

struct panel_view {
	const struct panel_request *request;
	const struct panel_viewer *viewer;
	const char *gateway;	/* its name */
	int64_t now_s;		/* since 1970 */
	json_t *const *results; /* {"ok", "result" | "error": {"code", "text"}} as on the control socket, one for each ask; anything is fine */
	size_t result_count;
};

struct panel_page {
	int status;			   /* of HTTP; 200 unless the page says otherwise */
	const char *type;		   /* of the content */
	char location[PANEL_LOCATION_MAX]; /* not empty: 303 to there, and nothing else */
	struct xfed_buf *out;
};

#endif
