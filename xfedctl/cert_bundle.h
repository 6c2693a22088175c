/*
 * What a host joins the channel with: one text, copied once. Lines of words, then PEM: its certificate, its key, and the authorities it
 * trusts (two during a change).
 *
 *	xfed channel bundle
 *	for: edge edge1                           or gateway gw2
 *	gateway: gw1 gw1.int.example.com          one line for each gateway: the names of its certificate
 *	domain: example.com                       one for each domain that partners reach us by
 */
#ifndef XFEDCTL_CERT_BUNDLE_H
#define XFEDCTL_CERT_BUNDLE_H

#include "cert_make.h"
#include "cert_read.h"

#define CERT_BUNDLE_MARK  "xfed channel bundle" /* its first line */
#define CERT_BUNDLE_WORDS 1024			/* gateways, and domains, at most */
#define CERT_BUNDLE_NAMES 4			/* of one certificate of the channel */

struct cert_member {
	bool is_edge;
	char names[CERT_BUNDLE_NAMES][256]; /* of its certificate; the first is the one it is called by */
	size_t name_count;
};

struct cert_bundle {
	struct cert_member member; /* whom it is for: its name alone */
	struct cert_member *gateways;
	size_t gateway_count;
	char (*domains)[256];
	size_t domain_count;
	struct cert_pile pile; /* the leaf, its key, the authorities */
	size_t leaf;	       /* which certificate is that of the key */
};

/* OK; INVALID with one sentence; NOMEM. Has to be closed in any case. */
int cert_bundle_parse(struct xfed_span text, struct cert_bundle *out, char error[CERT_ERROR]);
void cert_bundle_close(struct cert_bundle *b); /* zeroed is fine */

bool cert_bundle_is(struct xfed_span text); /* by its first line */

/* "edge edge1 edge1.int.example.com": a line of the file that lists the members, and what stands behind "for:" and "gateway:". */
int cert_member_parse(struct xfed_span line, bool has_kind, struct cert_member *out); /* OK, INVALID */
int cert_member_print(const struct cert_member *m, bool has_kind, struct xfed_buf *out);

#endif
