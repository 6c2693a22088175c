/* What a SIP server in front of the users has to be told so that partners' domains go to this gateway, in that product's own words. Pure. */
#ifndef GATEWAY_ADMIN_PRODUCT_H
#define GATEWAY_ADMIN_PRODUCT_H

#include <jansson.h>

#include "xfed/rt/command.h"

enum product {
#define PRODUCT(id, word, ...) PRODUCT_##id,
	RT_PRODUCT_WORDS(PRODUCT, PRODUCT)
#undef PRODUCT
		PRODUCT_COUNT
};

/* "lync", "skype", "kamailio", "opensips", "asterisk". False: none of them. */
bool product_by_word(const char *word, enum product *out);
const char *product_word(enum product p);

struct product_place {
	const char *host, *transport; /* in its certificate, NULL: no domain is reached this way; "tls", "tcp" or "udp" */
	uint16_t port;
};

struct product_facts {
	struct product_place inside;		   /* for servers that users register with; a proxy always has this one */
	struct product_place outside;		   /* for an Edge that has us as a federated neighbour */
	const char *server;			   /* the next hop of our domains, a host; NULL: it is looked up */
	const char *const *ours, *const *partners; /* domains in A-labels; partners' may be "*.domain" */
	size_t our_count, partner_count;	   /* at least one each */
};

/* [{"title", "lines": [TEXT]}]: comments begin with # (of Asterisk with ;), so that all of it can be pasted. NULL: out of memory. */
json_t *product_sections(enum product p, const struct product_facts *f);

#endif
