/* Content headers of a SIP message (RFC 3261 sections 20.11 to 20.15). Internal to interwork. */
#ifndef GATEWAY_INTERWORK_CONTENT_H
#define GATEWAY_INTERWORK_CONTENT_H

#include "xfed/base.h"

struct iw_content_type {
	struct xfed_span type, subtype;
	struct xfed_span params; /* from the first ";" */
};

/* False where the value is no media type. */
bool iw_content_type_parse(struct xfed_span value, struct iw_content_type *out);

/* A parameter's value, without the quotes of a quoted string; data NULL where absent. Name without case. */
struct xfed_span iw_content_param(struct xfed_span params, const char *name);

/* Every coding of the list is "identity", or the header is absent. */
bool iw_content_is_identity(struct xfed_span content_encoding);

/* The first tag of a Content-Language list that is one; data NULL where there is none. */
struct xfed_span iw_content_language(struct xfed_span value);

#endif
