/*
 * Digest authentication towards a server that asks for it (RFC 7616, RFC 8760, RFC 3261 section 22): MD5 and SHA-256, qop auth
 * or none. A client: what was asked is remembered, and later requests carry the answer without being asked again.
 *
 *   challenge   what the 401 or 407 says: realm, nonce, algorithm, qop
 *   nonce count how many requests have used the nonce, this one included; a server refuses a number it has seen
 */
#ifndef GATEWAY_SIP_DIGEST_H
#define GATEWAY_SIP_DIGEST_H

#include "sip/message.h"
#include "xfed/env.h"

struct sip_digest;

/* `username` and `password` are copied, the password is wiped when freed. OK or NOMEM. */
int sip_digest_new(const struct xfed_env *env, struct xfed_span username, struct xfed_span password, struct sip_digest **out);
void sip_digest_free(struct sip_digest *d);

/*
 * Takes the challenges of a 401 or 407; of several the strongest algorithm that is known here counts (RFC 8760 section 2.4).
 * OK: the request may be sent again, with the lines of sip_digest_print(). REFUSED: the same was asked again although this nonce
 * had been answered and is not stale: the credentials are wrong. NOT_FOUND: nothing that is known here is asked for. NOMEM.
 */
enum sip_digest_verdict { SIP_DIGEST_OK, SIP_DIGEST_REFUSED, SIP_DIGEST_UNKNOWN, SIP_DIGEST_NO_MEMORY };
enum sip_digest_verdict sip_digest_take(struct sip_digest *d, const struct sip_message *response, bool was_answered);

/* Whether there is something to put into requests. */
bool sip_digest_is_ready(const struct sip_digest *d);

#define SIP_DIGEST_LINES_SIZE 2048
/*
 * The header lines for one request, each ending in CRLF: Authorization, Proxy-Authorization, or both. Counts the nonce up.
 * `*len` 0 where nothing was asked for yet. OK, or INVALID: method or URI cannot stand there.
 */
int sip_digest_print(struct sip_digest *d, struct xfed_span method, struct xfed_span uri, char out[SIP_DIGEST_LINES_SIZE], size_t *len);

#endif
