/*
 * Arbitrary bytes into a server and a client session, cut into pieces by the input itself. Security
 * sentence: bytes that somebody without our peer's keys made up never complete a handshake, never
 * come out as plaintext, and never make a session hold more than its caps.
 */
#include <stdint.h>
#include <stdlib.h>

#include "xfed/limits.h"
#include "xfed/tls.h"

#include "tls_pair.h" /* a certificate and its key for this target alone */

static int64_t wall(void *user)
{
	return 1700000000;
}

static const struct xfed_env env = { .wall_s = wall };
static struct xfed_tls_creds *creds;

static void start(void)
{
	struct xfed_tls_keypair pair = { XFED_SPAN(FUZZ_CERTIFICATE), XFED_SPAN(FUZZ_KEY) };
	struct xfed_tls_creds_config cfg = { .pairs = &pair, .pair_count = 1 };
	char error[200];
	if (xfed_tls_global_init(&env) != XFED_OK ||
		xfed_tls_creds_new(&cfg, &creds, error, sizeof(error)) != XFED_OK) {
		abort();
	}
}

static void feed(enum xfed_tls_role role, const uint8_t *data, size_t size, size_t piece)
{
	struct xfed_tls_params params = { .role = role,
		.name = XFED_SPAN("partner.example"),
		.local_name = XFED_SPAN("partner.example") };
	struct xfed_tls *t;
	if (xfed_tls_new(&env, creds, &params, &t) != XFED_OK) {
		abort();
	}
	enum xfed_tls_result r =
		role == XFED_TLS_CLIENT ? xfed_tls_handshake_step(t) : XFED_TLS_WANT_INPUT;
	while (r == XFED_TLS_WANT_INPUT && size > 0) {
		size_t n = size < piece ? size : piece;
		if (xfed_tls_input(t, xfed_span_make(data, n)) != XFED_OK) {
			abort(); /* what was queued has been taken by the step before */
		}
		data += n;
		size -= n;
		r = xfed_tls_handshake_step(t);
		if (xfed_buf_len(xfed_tls_output(t)) > XFED_TLS_OUTPUT_BYTES) {
			abort();
		}
	}
	if (r == XFED_TLS_DONE || xfed_tls_is_established(t)) {
		abort();
	}
	struct xfed_tls_facts f;
	xfed_tls_facts(t, &f);
	if (f.chain_reason == XFED_REASON_NONE ||
		(r == XFED_TLS_FAILED && xfed_tls_reason(t) == XFED_REASON_NONE)) {
		abort();
	}
	xfed_tls_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!creds) {
		start();
	}
	if (size < 1) {
		return 0;
	}
	size_t piece = data[0] == 0 ? 4096 : data[0];
	feed(XFED_TLS_SERVER, data + 1, size - 1, piece);
	feed(XFED_TLS_CLIENT, data + 1, size - 1, piece);
	return 0;
}
