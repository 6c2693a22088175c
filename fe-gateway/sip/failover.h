/*
 * The places of one request, tried one after the other (RFC 3263 section 4.3). The list is made once and kept ([C4-05]): retransmissions,
 * CANCEL, and the ACK for a failure go where the request went. The next place is tried only where it is certain that no server has the
 * request: after 503, where no connection was established, and where all its datagrams came back. A time-out, and a connection lost after
 * something was written, end the attempts, because the message may have arrived ([C2-06] as restricted by proto/delivery.md, "Attempts and
 * replays").
 */
#ifndef GATEWAY_SIP_FAILOVER_H
#define GATEWAY_SIP_FAILOVER_H

#include "sip/locate.h"

struct sip_failover;

/*
 * The places of one next hop that could not be connected to lately, or whose UDP port was closed. Zeroed: none. They are tried last for
 * XFED_SIP_FAILED_MS. After that a single request tries the place first again, while for the others the time starts anew, so that only one
 * request waits for a server that may not answer.
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

/* To be called when nothing got to the place, or when it has answered. Where there are too many the oldest is forgotten. */
void sip_failed_add(struct sip_failed_places *f, const struct sip_location *where, uint64_t now_ms);
void sip_failed_remove(struct sip_failed_places *f, const struct sip_location *where);

/* Copies the list, which must not be empty: places in `failed` come last, the others keep their order; so do all where all have failed. OK, NOMEM. */
int sip_failover_new(const struct sip_locations *found, struct sip_failed_places *failed, uint64_t now_ms, struct sip_failover **out);
void sip_failover_free(struct sip_failover *f); /* NULL is fine */

/* The place the request goes to now. */
const struct sip_location *sip_failover_place(const struct sip_failover *f);

/*
 * The index of that place in the original list. It goes into the branch, so that each place gets a branch of its own, and a repetition to
 * the same place the same one.
 */
unsigned sip_failover_number(const struct sip_failover *f);

enum sip_attempt_end {
	SIP_ATTEMPT_RESPONSE, /* status: a final response */
	SIP_ATTEMPT_ERROR,    /* was_written: as in SIP_ACT_TRANSPORT_ERROR */
	SIP_ATTEMPT_TIMEOUT,  /* Timer B or F */
};

/*
 * How the attempt at the present place ended. True: sip_failover_place() and _number() return the next place. False: it was the last
 * attempt, and the request ends the same way.
 */
bool sip_failover_next(struct sip_failover *f, enum sip_attempt_end end, int status, bool was_written);

#endif
