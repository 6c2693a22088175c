/*
 * SASL EXTERNAL between servers, in both roles (RFC 6120 section 6, XEP-0178 section 3), over libsasl2. The caller decides about the
 * identity, from the certificate; this machine does the exchange, base64 and the rules for authzid [A5-03] to [A5-06].
 */
#ifndef XFED_SASL_H
#define XFED_SASL_H

#include "xfed/base.h"
#include "xfed/xml.h"

/*
 * Once per process, in main, before any sandbox: libsasl2 reads /etc/localtime and opens sockets while it initialises. After that nothing
 * here does I/O. OK or LIBRARY.
 */
int xfed_sasl_global_init(void);
void xfed_sasl_global_deinit(void);

/* Client: the <auth/> element for `local_domain` (authzid included, [A5-05]). NULL on NOMEM or library failure. */
struct xfed_xml_elem *xfed_sasl_client_auth(struct xfed_arena *a, struct xfed_span local_domain);

struct xfed_sasl_server;

enum xfed_sasl_step {
	XFED_SASL_CHALLENGE, /* send an empty <challenge/> */
	XFED_SASL_SUCCESS,   /* authorised as `peer_domain` */
	XFED_SASL_FAILURE,   /* condition in xfed_sasl_server_condition() */
	XFED_SASL_NO_MEMORY,
};

/*
 * `peer_domain`: the normalised `from` of the stream, which the certificate has proved. Feed every element of the SASL namespace. After
 * success the object may be freed; it succeeds only once.
 */
int xfed_sasl_server_new(struct xfed_span peer_domain, struct xfed_sasl_server **out);
void xfed_sasl_server_free(struct xfed_sasl_server *s);
enum xfed_sasl_step xfed_sasl_server_feed(struct xfed_sasl_server *s, const struct xfed_xml_elem *e);
/*
 * After FAILURE, [A5-07]: aborted, incorrect-encoding, invalid-authzid, invalid-mechanism, malformed-request, not-authorized or
 * temporary-auth-failure. The exchange has ended; a new <auth/> starts another, and the caller limits how often.
 */
const char *xfed_sasl_server_condition(const struct xfed_sasl_server *s);

#endif
