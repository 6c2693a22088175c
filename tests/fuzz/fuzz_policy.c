/*
 * Arbitrary bytes as a policy an edge received. Security sentences: what decodes has exactly these
 * bytes as its encoding; every partner stands in a valid row of the matrix; no partner is found
 * under a local domain, and each is found under its own names, but for the refused, which are not found at all.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xfed/buf.h"
#include "xfed/limits.h"
#include "xfed/policy.h"

static void check_partner(const struct xfed_policy *p, const struct xfed_partner *x)
{
	unsigned methods = xfed_partner_methods(x);
	if (methods == 0 || (x->tls == XFED_REQUIRED && (methods & XFED_METHOD_DIALBACK_PLAIN)) ||
		(x->sasl == XFED_REQUIRED && methods != XFED_METHOD_EXTERNAL) || (!x->dialback && (methods & ~(unsigned)XFED_METHOD_EXTERNAL))) {
		abort();
	}
	const struct xfed_partner *found = x->kinds != 0 ? x : NULL;
	if (xfed_policy_partner(p, xfed_span_str(x->domain)) != found) {
		abort();
	}
	for (size_t i = 0; i < x->additional_count; i++) {
		const char *name = x->additional[i];
		if (strncmp(name, "*.", 2) != 0 && xfed_policy_partner(p, xfed_span_str(name)) != found) {
			abort();
		}
	}
	if (x->stanza_bytes > XFED_STANZA_BYTES_MAX || x->max_connections == 0) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xfed_policy *p = NULL;
	struct xfed_policy_error err;
	struct xfed_span in = xfed_span_make(data, size);
	int rc = xfed_policy_decode(in, &p, &err);
	if (rc != XFED_OK) {
		if (p || (rc == XFED_ERR_INVALID && err.text[0] == '\0')) {
			abort();
		}
		return 0;
	}
	struct xfed_buf out;
	xfed_buf_init(&out, XFED_POLICY_BYTES_MAX);
	rc = xfed_policy_encode(p, &out);
	if (rc != XFED_OK || !xfed_span_eq(xfed_buf_span(&out), in)) {
		abort();
	}
	for (size_t i = 0; i < xfed_policy_partner_count(p); i++) {
		check_partner(p, xfed_policy_partner_at(p, i));
	}
	for (size_t i = 0; i < xfed_policy_local_count(p); i++) {
		struct xfed_span local = xfed_span_str(xfed_policy_local_at(p, i));
		if (xfed_policy_partner(p, local) || !xfed_policy_is_local(p, local)) {
			abort();
		}
	}
	xfed_buf_wipe(&out);
	xfed_policy_free(p);
	return 0;
}
