/*
 * Domain names in uncompressed wire form (RFC 1035 section 3.1) and as text. Only host characters and the underscore of service names are
 * accepted: we ask for, and connect to, no other names.
 */
#ifndef XFED_DNS_NAME_H
#define XFED_DNS_NAME_H

#include <ldns/ldns.h>

#include "xfed/arena.h"
#include "xfed/base.h"

#define DNS_NAME_TEXT_MAX 253
#define DNS_LABEL_MAX	  63

/* Letters, digits, '-' and '_' in labels of 1 to 63 bytes, at most 253 in all; no trailing dot. */
bool dns_name_is_valid(struct xfed_span name);

/* OK with lower-case text without the last dot ("." for the root); INVALID; NOMEM. */
int dns_name_text(struct xfed_arena *a, const ldns_rdf *dname, struct xfed_span *out);

bool dns_name_eq(const ldns_rdf *a, const ldns_rdf *b);

#endif
