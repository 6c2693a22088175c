/* What a browser sends, read: forms, cookies, languages, names of hosts, addresses to go on to. Pure functions; nothing is taken for granted. */
#ifndef GATEWAY_PANEL_REQUEST_H
#define GATEWAY_PANEL_REQUEST_H

#include "panel/page.h"
#include "xfed/rt/conf.h"

#define PANEL_FIELDS_MAX 256
#define PANEL_TOKEN_HEX	 64 /* of a session, and of its forms */

/*
 * The fields of "a=1&b=2" (application/x-www-form-urlencoded), from `text` into `memory`, which is as long and outlives them. Adds to
 * `*count`. INVALID: a "%" without two digits, what is no UTF-8, or has a NUL; LIMIT: more than PANEL_FIELDS_MAX.
 */
int request_fields(struct xfed_span text, char *memory, struct panel_field fields[PANEL_FIELDS_MAX], size_t *count);
/* The first field of that name; data NULL: there is none. */
struct xfed_span request_field(const struct panel_request *r, const char *name);

/* Of a Cookie header. False: there is none of that name, or it is no token. */
bool request_cookie(struct xfed_span header, const char *name, char out[PANEL_TOKEN_HEX + 1]);

enum panel_language request_language(struct xfed_span accept); /* of an Accept-Language header (RFC 9110 section 12.5.4) */

/* The names under which the panel may be asked for. */
struct request_hosts {
	const char *listen;    /* an IP address */
	const char *host_name; /* of this host; NULL: not known */
	const struct rt_conf_strings *names;
};
/*
 * Whether a Host header names us, with any port. Where listen is a wildcard every IP address does: a name could be led here by foreign DNS
 * (rebinding), an address not.
 */
bool request_host_is_ours(struct xfed_span host, const struct request_hosts *ours);
/* Whether a form may come from there: an Origin header is absent, or names the host the request is for. */
bool request_origin_is_ours(struct xfed_span origin, struct xfed_span host);

/* Whether a browser may be sent on to there: a path of ours, and nothing that leads to another host. */
bool request_next_is_fine(struct xfed_span next);

#endif
