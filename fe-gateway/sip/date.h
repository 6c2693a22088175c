/*
 * SIP-date (RFC 3261 section 25.1: rfc1123-date, always GMT). No clock.
 */
#ifndef GATEWAY_SIP_DATE_H
#define GATEWAY_SIP_DATE_H

#include "xfed/base.h"

/* "Sat, 13 Nov 2010 23:29:00 GMT" to seconds since 1970, without leap seconds. OK; INVALID: no such date. */
int sip_date_parse(struct xfed_span text, int64_t *seconds);

#define SIP_DATE_SIZE 30
/* The reverse. OK; INVALID: before 1970 or after 9999. */
int sip_date_print(int64_t seconds, char out[SIP_DATE_SIZE]);

#endif
