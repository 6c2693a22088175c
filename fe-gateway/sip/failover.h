/*
 * The places of one transaction in turn (RFC 3263 section 4.3). The list is resolved once and kept
 * ([C4-05]): retransmissions, CANCEL and the ACK of a failure go where the request went. The next
 * place is tried only where it is certain that nobody has the request: after 503, where no
 * connection came about, and where its datagrams have come back. A time-out, and a connection lost after something was written, end
 * the attempts, because the message may have arrived ([C2-06] as proto/delivery.md restricts
 * it, "Attempts and replays").
 */
#ifndef GATEWAY_SIP_FAILOVER_H
#define GATEWAY_SIP_FAILOVER_H

#include "sip/locate.h"

struct sip_failover;

/*
 * The places of one next hop that could not be connected to lately, or whose UDP port was closed. Zeroed: none. They are tried last for
 * XFED_SIP_FAILED_MS; after that one request begins with the place again, and it alone: for the others the time begins
 * anew, so that nobody but the first waits for a server that does not answer.
 */
struct sip_failed_places {
	struct {
		enum sip_transport transport;
		bool is_ipv6;
		uint8_t address[16];
		uint16_t port;
		uint64_t until_ms;
	} list[XFED_SIP_LOCATE_RESULTS];
	size_t count;
};

/* Nothing got there, or the place has answered. When there are too many the oldest is forgotten. */
void sip_failed_add(struct sip_failed_places *f, const struct sip_location *where, uint64_t now_ms);
void sip_failed_remove(struct sip_failed_places *f, const struct sip_location *where);

/*
 * Copies the list, which is not empty: those in `failed` behind the others, else in their order. With all of them in
 * there it is their order again. OK, NOMEM.
 */
int sip_failover_new(const struct sip_locations *found, struct sip_failed_places *failed, uint64_t now_ms, struct sip_failover **out);
void sip_failover_free(struct sip_failover *f); /* NULL is fine */

/* Where the request goes now. */
const struct sip_location *sip_failover_place(const struct sip_failover *f);

/*
 * The number of that place in the list that was found, from 0: it goes into the branch, so that
 * each place gets a branch of its own and a repeat to the same place has the same one.
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
bool sip_failover_next(struct sip_failover *f, enum sip_attempt_end end, int status, bool was_written);

#endif
