/*
 * Domains of addresses (RFC 7622 section 3.2): internal to libxfed/jid. The fuzz target calls the full path directly to
 * compare it with the ASCII one.
 */
#ifndef XFED_JID_DOMAIN_H
#define XFED_JID_DOMAIN_H

#include "xfed/arena.h"
#include "xfed/base.h"

enum jid_ascii_result {
	JID_ASCII_OK,
	JID_ASCII_BAD,
	JID_ASCII_NO, /* needs the full path: not ASCII, an A-label in it, or an IPv6 address */
};

/*
 * Checks a domain that is ASCII and lower-cases it in place; `*len` loses a final dot. Takes names of LDH labels and
 * IPv4 addresses. The last label is not all digits unless the whole is an IPv4 address (RFC 1123 section 2.1), so a
 * name never turns into an address somewhere else.
 */
enum jid_ascii_result jid_domain_fold_ascii(char *p, size_t *len);

/*
 * One ASCII label in lower case: OK (letters, digits and inner hyphens, 1 to XFED_LABEL_POINTS), BAD, or NO where it
 * begins like an A-label.
 */
enum jid_ascii_result jid_label_check_ascii(const char *p, size_t len);

/* The last label of this domain is all digits and the whole is no IPv4 address. */
bool jid_domain_is_false_address(const char *p, size_t len);

/*
 * The full procedure: an IPv6 address in brackets becomes its canonical spelling, a name goes through IDNA2008, A-labels
 * become U-labels. OK, INVALID, NOMEM.
 */
int jid_domain_full(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out);

/* One U-label to its A-label, by the rules for registration; `out` has room for XFED_LABEL_POINTS + 1. OK, INVALID, NOMEM. */
int jid_label_to_ascii(struct xfed_span label, char *out);

#endif
