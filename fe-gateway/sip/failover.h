/*
 * The places of one transaction in turn (RFC 3263 section 4.3). The list is resolved once and kept
 * ([C4-05]): retransmissions, CANCEL and the ACK of a failure go where the request went. The next
 * place is tried only where it is certain that nobody has the request: after 503, and where no
 * connection came about. A time-out, and a connection lost after something was written, end
 * the attempts, because the message may have arrived ([C2-06] as the delivery contract restricts
 * it, "Attempts and replays").
 */
#ifndef SIP_FAILOVER_H
#define SIP_FAILOVER_H

#include "sip/locate.h"

struct sip_failover;

/* Copies the list, which is not empty. OK, NOMEM. */
int sip_failover_new(const struct sip_locations *found, struct sip_failover **out);
void sip_failover_free(struct sip_failover *f); /* NULL is fine */

/* Where the request goes now. */
const struct sip_location *sip_failover_place(const struct sip_failover *f);

/*
 * The number of that place in the list, from 0: it goes into the branch, so that each place gets
 * a branch of its own and a repeat to the same place has the same one.
 */
unsigned sip_failover_number(const struct sip_failover *f);

enum sip_attempt_end {
	SIP_ATTEMPT_RESPONSE, /* status: a final response */
	SIP_ATTEMPT_ERROR,    /* was_written: as in SIP_ACT_TRANSPORT_ERROR */
	SIP_ATTEMPT_TIMEOUT,  /* Timer B or F */
};

/*
 * How the attempt at the present place ended. True: there is another place, and
 * sip_failover_place() and _number() now give it. False: it was the last attempt, its end is
 * that of the request.
 */
bool sip_failover_next(
	struct sip_failover *f, enum sip_attempt_end end, int status, bool was_written);

#endif
