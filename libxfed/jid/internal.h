/*
 * What the files of jid/ share: the fast path for ASCII of each part of an address, PRECIS (RFC 8264) with the two profiles of XMPP
 * addresses (RFC 8265), and domains. The fuzz target and the unit test call both paths directly to compare them.
 */
#ifndef XFED_JID_INTERNAL_H
#define XFED_JID_INTERNAL_H

#include "xfed/jid.h"
#include "xfed/limits.h"

/* Length of a part before mapping: fullwidth forms shrink from three octets to one. */
#define JID_RAW_PART_BYTES (3 * XFED_JID_PART_BYTES)

static inline bool jid_is_ascii(struct xfed_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] & 0x80) {
			return false;
		}
	}
	return true;
}

/* ---- the ASCII path ---- */

enum jid_ascii_result {
	JID_ASCII_OK,
	JID_ASCII_BAD,
	JID_ASCII_NO, /* needs the full path: not ASCII, an A-label in a domain, or an IPv6 address */
};

/* Checks a localpart that is ASCII and lower-cases it in place. */
enum jid_ascii_result jid_local_fold_ascii(char *p, size_t len);
/* Checks a resource that is ASCII; it is never changed. */
enum jid_ascii_result jid_resource_check_ascii(const char *p, size_t len);
/*
 * Checks a domain that is ASCII and lower-cases it in place; `*len` loses a final dot. Accepts names of LDH labels and IPv4 addresses. The
 * last label is not all digits unless the whole is an IPv4 address (RFC 1123 section 2.1), so that a name is never read as an address
 * elsewhere.
 */
enum jid_ascii_result jid_domain_fold_ascii(char *p, size_t *len);
/* One ASCII label in lower case: letters, digits and inner hyphens, 1 to XFED_LABEL_POINTS; NO if it begins like an A-label. */
enum jid_ascii_result jid_label_check_ascii(const char *p, size_t len);
/* True: the last label is all digits, and the domain is no IPv4 address. */
bool jid_domain_is_false_address(const char *p, size_t len);

/* ---- the full path: OK, INVALID, NOMEM ---- */

/* PRECIS, then the characters RFC 7622 section 3.3.1 excludes. */
int jid_local_full(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out);
/* An IPv6 address in brackets gets its canonical spelling, a name is processed by IDNA2008, and A-labels become U-labels. */
int jid_domain_full(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out);

/*
 * The whole procedure of UsernameCaseMapped and OpaqueString, repeated until stable (RFC 8264 section 7). The result has 1 to
 * XFED_JID_PART_BYTES octets and is in the arena.
 */
int jid_precis_username(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out);
int jid_precis_opaque(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out);
/* Width mapping, lower case and NFC alone, without checking what is allowed. */
int jid_precis_map(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out);
int jid_precis_map_domain(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out); /* RFC 5895 */

enum jid_precis_class { JID_PRECIS_IDENTIFIER, JID_PRECIS_FREEFORM };

/* Every code point is PVALID in the class, or its contextual rule is met (RFC 8264 sections 4 and 8). */
bool jid_precis_is_allowed(const uint32_t *s, size_t n, enum jid_precis_class c);
/* Bidi class R, AL or AN occurs. */
bool jid_bidi_has_rtl(const uint32_t *s, size_t n);
/* The six conditions of RFC 5893 section 2. */
bool jid_bidi_is_sound(const uint32_t *s, size_t n);

#endif
