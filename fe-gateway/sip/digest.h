/*
 * Digest authentication towards a server that asks for it (RFC 7616, RFC 8760, RFC 3261 section 22): MD5 and SHA-256, qop auth
 * or none. A client: what was asked is remembered, and later requests carry the answer without being asked again.
 *
 *   challenge   what the 401 or 407 says: realm, nonce, algorithm, qop
 *   asked       what one request was asked itself: that it answers, whatever others have been asked meanwhile (a nonce may be good once)
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
bool sip_digest_is_of(const struct sip_digest *d, struct xfed_span username, struct xfed_span password);

/* What one request was asked; NULL: nothing yet. Freed by whoever sends the request; it does not need its `struct sip_digest` for that. */
struct sip_digest_asked;
void sip_digest_asked_free(struct sip_digest_asked *a);

/*
 * Takes the challenges of a 401 or 407 to a request; of several the strongest algorithm that is known here counts (RFC 8760 section
 * 2.4). OK: the request may be sent again, with the lines of sip_digest_print(). REFUSED: it has answered such a challenge, nobody
 * else had used that nonce, and it is not stale: the credentials are wrong; not at the first time, for a run before this one may have
 * used it. UNKNOWN: nothing that is known here is asked for.
 */
enum sip_digest_verdict { SIP_DIGEST_OK, SIP_DIGEST_REFUSED, SIP_DIGEST_UNKNOWN, SIP_DIGEST_NO_MEMORY };
enum sip_digest_verdict sip_digest_take(struct sip_digest *d, struct sip_digest_asked **asked, const struct sip_message *response);

#define SIP_DIGEST_LINES_SIZE 4096
/*
 * The header lines for one request, each ending in CRLF: Authorization, Proxy-Authorization, or both: for what it was asked itself, else
 * for what was asked last. Counts the nonce up. `*len` 0 where nothing was asked for yet. OK, or INVALID: method or URI cannot
 * stand there, or they are too long.
 */
int sip_digest_print(struct sip_digest *d, struct sip_digest_asked *asked, struct xfed_span method, struct xfed_span uri,
	char out[SIP_DIGEST_LINES_SIZE], size_t *len);
/* How many bytes that would be; counts nothing. */
size_t sip_digest_bytes(const struct sip_digest *d, const struct sip_digest_asked *asked, struct xfed_span uri);

#endif
