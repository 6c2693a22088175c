/* What gateways ask for xfedctl dns: facts of this edge, and questions to the DNS that its resolver carries. */
#ifndef EDGE_ADMIN_DNS_H
#define EDGE_ADMIN_DNS_H

#include <jansson.h>

#include "admin/admin.h"

#define DNS_QUESTIONS_MAX 32 /* open ones of all gateways together; a gateway has 8 at a time */

struct dns_asked {
	struct xfed_span name, type; /* A-labels; "A", "AAAA", "SRV", "TLSA" */
	struct xfed_span server;     /* "ADDRESS[:PORT]"; empty: those of dns.servers */
};

/*
 * {"name", "host"?, "port", "priority", "weight", "addresses": public ones, as configured or as they are, "keys": hashes}. NULL: no memory.
 */
json_t *dns_facts(const struct admin *a);
/*
 * Answers later: {"status": "ok"|"none"|"failed"|"silent", "records": [TEXT as in a zone file]}. INVALID: the name, type or server is
 * none; LIMIT; NOMEM.
 */
int dns_ask(struct admin *a, struct channel_link *l, uint64_t request, const struct dns_asked *asked);
void dns_link_down(struct admin *a, const struct channel_link *l); /* ends its questions without an answer; NULL: all */

#endif
