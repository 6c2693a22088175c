/*
 * Characters and small productions of RFC 3261 section 25.1 that several header fields share. Values are unfolded (sip/scan.h), so they
 * contain no line ends.
 */
#ifndef GATEWAY_SIP_LEX_H
#define GATEWAY_SIP_LEX_H

#include "xfed/base.h"

bool sip_is_token_char(unsigned char c);
bool sip_is_token(struct xfed_span s);	   /* one or more token characters */
bool sip_is_printable(struct xfed_span s); /* no byte below 0x20 but TAB, no 0x7f: may be printed in a header field */
bool sip_is_call_id(struct xfed_span s);   /* word ["@" word] */
bool sip_is_utf8(struct xfed_span s);

/* Removes blanks and tabs at both ends. */
struct xfed_span sip_trim(struct xfed_span s);

/* Decimal digits only, at most `max`; leading zeros are fine. */
bool sip_number(struct xfed_span s, uint64_t max, uint64_t *out);

/* Index of the first `c` outside quoted strings and <>; s.len: there is none; SIZE_MAX: a quoted string or "<" is not closed. */
size_t sip_find_outside(struct xfed_span s, char c);

/*
 * Takes the next element of a comma-separated list from `rest`; false at the end. Empty elements are skipped. `*bad` is set where quoting
 * is broken, which ends the list.
 */
bool sip_list_next(struct xfed_span *rest, struct xfed_span *element, bool *bad);

/*
 * Takes the next ";name[=value]" from `rest`, which begins with ";" or is empty; false at the end. A quoted value keeps its quotes. `*bad`
 * is set where the syntax is broken. A parameter without value has value.data NULL.
 */
bool sip_param_next(struct xfed_span *rest, struct xfed_span *name, struct xfed_span *value, bool *bad);

#endif
