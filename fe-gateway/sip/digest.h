/*
 * Digest authentication towards a server that asks for it (RFC 7616, RFC 8760, RFC 3261 section 22): MD5 and SHA-256, qop auth or none. A
 * client: it keeps challenges, so that later requests carry credentials without being challenged.
 *
 *   challenge   the content of a 401 or 407: realm, nonce, algorithm, qop
 *   asked       the challenges that one request got itself and has to answer, whatever others got since (a nonce may be valid only once)
 *   nonce count how many requests have used the nonce, including this one; a server refuses a count it has seen
 */
#ifndef GATEWAY_SIP_DIGEST_H
#define GATEWAY_SIP_DIGEST_H

#include "sip/message.h"
#include "xfed/env.h"

struct sip_digest;

/* Copies `username` and `password`; the password is wiped when freed. OK or NOMEM. */
int sip_digest_new(const struct xfed_env *env, struct xfed_span username, struct xfed_span password, struct sip_digest **out);
void sip_digest_free(struct sip_digest *d);
bool sip_digest_is_of(const struct sip_digest *d, struct xfed_span username, struct xfed_span password);

/* The challenges of one request; NULL: none yet. The sender of the request frees it, even after the `struct sip_digest`. */
struct sip_digest_asked;
void sip_digest_asked_free(struct sip_digest_asked *a);

/*
 * Takes the challenges of a 401 or 407; of several, that with the strongest algorithm we support (RFC 8760 section 2.4). OK: the request
 * may be sent again with the lines of sip_digest_print(). REFUSED: it had answered such a challenge, which was not stale, and no other
 * request had used that nonce, so the credentials are wrong; this is not concluded from the first refusal, because a previous run of this
 * process may have used the nonce. UNKNOWN: no challenge that we support.
 */
enum sip_digest_verdict { SIP_DIGEST_OK, SIP_DIGEST_REFUSED, SIP_DIGEST_UNKNOWN, SIP_DIGEST_NO_MEMORY };
enum sip_digest_verdict sip_digest_take(struct sip_digest *d, struct sip_digest_asked **asked, const struct sip_message *response);

#define SIP_DIGEST_LINES_SIZE 4096
/*
 * The header fields for one request, each with CRLF: Authorization, Proxy-Authorization, or both; for its own challenges, else for the last
 * ones of any request. Increments the nonce count. `*len` 0: there was no challenge yet. OK, or INVALID: method or URI cannot be printed,
 * or are too long.
 */
int sip_digest_print(struct sip_digest *d, struct sip_digest_asked *asked, struct xfed_span method, struct xfed_span uri,
	char out[SIP_DIGEST_LINES_SIZE], size_t *len);
/* How many bytes that would be; changes nothing. */
size_t sip_digest_bytes(const struct sip_digest *d, const struct sip_digest_asked *asked, struct xfed_span uri);

#endif
