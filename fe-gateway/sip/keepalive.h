/*
 * The keep-alive of a connection that we opened (RFC 5626 section 4.4.1): from time to time a double CRLF, which a server that supports it
 * answers with one CRLF. Many do not; a server that has never answered is not expected to. For one that has answered before, a missing
 * answer means that the connection is lost; anything else it sends counts as a sign of life. No clock, no I/O.
 *
 *   QUIET -time-> WAITING (a ping was sent) -pong, anything-> QUIET      WAITING -time-> LOST, where a pong has ever come; else QUIET
 */
#ifndef GATEWAY_SIP_KEEPALIVE_H
#define GATEWAY_SIP_KEEPALIVE_H

#include "xfed/env.h"

#define SIP_KEEPALIVE_PONG_MS 10000 /* how long to wait for the answer */

struct sip_keepalive {
	const struct xfed_env *env;
	uint64_t every_ms;
	uint64_t at_ms; /* of the next ping, or the deadline of its answer; UINT64_MAX: never */
	bool is_waiting, has_answered;
};

/* `every_ms` 0: no keep-alives. */
void sip_keepalive_init(struct sip_keepalive *k, const struct xfed_env *env, uint64_t every_ms, uint64_t now_ms);
/* Something has been received. */
void sip_keepalive_heard(struct sip_keepalive *k, bool is_pong, uint64_t now_ms);

enum sip_keepalive_verdict { SIP_KEEPALIVE_NOTHING, SIP_KEEPALIVE_PING, SIP_KEEPALIVE_LOST };
enum sip_keepalive_verdict sip_keepalive_tick(struct sip_keepalive *k, uint64_t now_ms);
static inline uint64_t sip_keepalive_deadline(const struct sip_keepalive *k)
{
	return k->at_ms;
}

#endif
