/*
 * The keep-alive of a connection that we opened (RFC 5626 section 4.4.1): a double CRLF now and then, which a server that knows it
 * answers with one. Many do not know it: who has never answered is not held to it. Who has, and once does not, has lost the
 * connection; anything else that comes shows life as well. No clock, no I/O.
 *
 *   QUIET -time-> WAITING (a ping is out) -pong, anything-> QUIET      WAITING -time-> LOST, where a pong has ever come; else QUIET
 */
#ifndef GATEWAY_SIP_KEEPALIVE_H
#define GATEWAY_SIP_KEEPALIVE_H

#include "xfed/env.h"

#define SIP_KEEPALIVE_PONG_MS 10000 /* who answers keep-alives does so within it */

struct sip_keepalive {
	const struct xfed_env *env;
	uint64_t every_ms;
	uint64_t at_ms; /* of the next ping, or by when its pong is awaited; UINT64_MAX: never */
	bool is_waiting, has_answered;
};

/* `every_ms` 0: none are sent. */
void sip_keepalive_init(struct sip_keepalive *k, const struct xfed_env *env, uint64_t every_ms, uint64_t now_ms);
/* Something has come. */
void sip_keepalive_heard(struct sip_keepalive *k, bool is_pong, uint64_t now_ms);

enum sip_keepalive_verdict { SIP_KEEPALIVE_NOTHING, SIP_KEEPALIVE_PING, SIP_KEEPALIVE_LOST };
enum sip_keepalive_verdict sip_keepalive_tick(struct sip_keepalive *k, uint64_t now_ms);
static inline uint64_t sip_keepalive_deadline(const struct sip_keepalive *k)
{
	return k->at_ms;
}

#endif
