/*
 * Addresses of RFC 7622. A parsed JID is normalised: localpart UsernameCaseMapped (RFC 8265 3.3) without the excluded
 * characters, domain as U-labels in lower case without trailing dot, resource OpaqueString. Parts that are pure ASCII
 * take a path without library calls. Comparison of normalised JIDs is comparison of bytes.
 */
#ifndef XFED_JID_H
#define XFED_JID_H

#include "xfed/arena.h"
#include "xfed/base.h"

struct xfed_jid {
	struct xfed_span local; /* data NULL: none */
	struct xfed_span domain;
	struct xfed_span resource; /* data NULL: none */
};

/*
 * Parses and normalises `s` into memory of the arena. OK, XFED_ERR_INVALID (no JID: jid-malformed) or XFED_ERR_NOMEM. [A10-20] to [A10-24];
 * a leading or trailing space in a resource is accepted.
 */
int xfed_jid_parse(struct xfed_arena *a, struct xfed_span s, struct xfed_jid *out);

/*
 * The same for a domain alone: INVALID with a local part or a resource. `*out` is the normalised form with U-labels. A name longer than the
 * DNS allows (XFED_DOMAIN_POINTS, XFED_LABEL_POINTS) is refused before costly work.
 */
int xfed_jid_domain(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out);

/*
 * The domain of an address whose other parts may be invalid: what is between the last "@" before the first "/" and that "/". No domain
 * contains an "@", so any server that routes the address uses this domain. OK, INVALID, NOMEM.
 */
int xfed_jid_domain_of(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out);

/* The parts of a normalised JID, and its domain alone, as parts of that text: nothing is copied or checked. */
struct xfed_jid xfed_jid_of_normalised(struct xfed_span jid);
struct xfed_span xfed_jid_domain_part(struct xfed_span jid);

/* A-label form of a normalised domain, for DNS, TLS and SIP. IPv4 and [IPv6] are unchanged. OK, INVALID, NOMEM. */
int xfed_jid_domain_ascii(struct xfed_arena *a, struct xfed_span domain, struct xfed_span *out);

/* local@domain or domain; local@domain/resource. data NULL on NOMEM. */
struct xfed_span xfed_jid_bare(struct xfed_arena *a, const struct xfed_jid *j);
struct xfed_span xfed_jid_full(struct xfed_arena *a, const struct xfed_jid *j);
bool xfed_jid_is_full(const struct xfed_jid *j, struct xfed_span full); /* the same text as xfed_jid_full() makes */
bool xfed_jid_equal_bare(const struct xfed_jid *x, const struct xfed_jid *y);

/* XEP-0106. Escape turns UTF-8 text into a candidate for a localpart ([B2-01], [B2-02]); unescape is its inverse. */
int xfed_jid_escape(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out); /* INVALID: leading or trailing space */
int xfed_jid_unescape(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out);

/*
 * The normalised localpart, escaped by XEP-0106, for a text of another system; xfed_jid_unescape() returns that text in lower case and NFC.
 * OK, NOMEM, or INVALID: no localpart stands for exactly this (empty, a leading or trailing space, control characters, no UTF-8, what
 * PRECIS does not allow, a combining mark after an escape).
 */
int xfed_jid_local_from_text(struct xfed_arena *a, struct xfed_span text, struct xfed_span *out);

/* Valid UTF-8 (no overlong forms, surrogates, above U+10FFFF). */
bool xfed_utf8_is_valid(struct xfed_span s);
/* The longest beginning of at most `max` bytes that ends with a whole character. */
struct xfed_span xfed_utf8_cut(struct xfed_span s, size_t max);
/* Replaces each byte that is not UTF-8 by a question mark. */
void xfed_utf8_mend(char *s, size_t len);

#endif
