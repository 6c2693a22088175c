/* Content headers of a SIP message (RFC 3261 sections 20.11 to 20.15). Internal to interwork. */
#ifndef GATEWAY_INTERWORK_CONTENT_H
#define GATEWAY_INTERWORK_CONTENT_H

#include "xfed/base.h"

struct iw_content_type {
	struct xfed_span type, subtype;
	struct xfed_span params; /* from the first ";" */
};

/* False: the value is no media type. */
bool iw_content_type_parse(struct xfed_span value, struct iw_content_type *out);

/* A parameter's value, without the quotes of a quoted string; data NULL: absent. Names are compared without case. */
struct xfed_span iw_content_param(struct xfed_span params, const char *name);

/* True: every coding in the list is "identity", or the header field is absent. */
bool iw_content_is_identity(struct xfed_span content_encoding);

/* The first valid tag of a Content-Language list; data NULL: there is none. */
struct xfed_span iw_content_language(struct xfed_span value);

#endif
