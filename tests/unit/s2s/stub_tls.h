/*
 * TLS without cryptography: the handshake is one line each way, afterwards bytes pass as they are. So transcripts can be
 * read and chunked, and the certificate says what the test wants. It replaces xfed_tls_* and xfed_cert_* at link time.
 */
#ifndef TESTS_UNIT_S2S_STUB_TLS_H
#define TESTS_UNIT_S2S_STUB_TLS_H

#include "xfed/limits.h"
#include "xfed/tls.h"

struct stub_certificate {
	bool is_presented;
	bool purpose_ok;
	const char *proves; /* the one domain, or NULL */
	enum xfed_reason chain_reason;
	int64_t due_s; /* when to judge it again */
};

extern struct stub_certificate stub_peer;     /* what the other side presents */
extern enum xfed_reason stub_handshake_fails; /* NONE: it works */

#define STUB_CLIENT_HELLO "CLIENT-HELLO\n"
#define STUB_SERVER_HELLO "SERVER-HELLO\n"

#endif
