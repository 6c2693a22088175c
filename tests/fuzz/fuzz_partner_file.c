/*
 * Arbitrary bytes as a partner file. The first line is the name of the file.
 *
 * Security sentence: a partner that is accepted has a way to authenticate, and none that its file rules out; it stays
 * within the hard limits, and carries the name of its file; TLS "required" never leaves a method without TLS. What can be read in
 * one that is not accepted is refused.
 */
#include <stdint.h>
#include <stdlib.h>

#include "fe-gateway/policy/partner_file.h"
#include "xfed/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void check(const struct xfed_partner *p)
{
	unsigned methods = xfed_matrix_row(p->tls, p->sasl, p->dialback)->methods;
	require(methods != 0);
	require(p->sasl != XFED_NOT_SUPPORTED || !(methods & XFED_METHOD_EXTERNAL));
	require(p->tls != XFED_REQUIRED || !(methods & XFED_METHOD_DIALBACK_PLAIN));
	require(p->sasl != XFED_REQUIRED || methods == XFED_METHOD_EXTERNAL);
	require(p->dialback || methods == XFED_METHOD_EXTERNAL);
	require(p->stanza_bytes >= XFED_STANZA_BYTES_MIN && p->stanza_bytes <= XFED_STANZA_BYTES_MAX);
	require(p->max_connections > 0 && p->stanzas_per_second > 0);
	require(p->kinds != 0 && (p->kinds & ~(unsigned)(XFED_KIND_MESSAGE | XFED_KIND_PRESENCE | XFED_KIND_IQ)) == 0);
	require(p->domain[0] != '\0' && !strchr(p->domain, '@') && !strchr(p->domain, '*'));
	require(!p->connect_host || p->connect_port > 0);
	/* Not built: accepting it and ignoring it would trust more than the file says. */
	require(p->pin_count == 0 && !p->trust_ca_pem && p->dane == XFED_DANE_OFF);
}

/* What a start refuses for a file that cannot be loaded: each name in the form that look-ups take, and none is found afterwards. */
static void check_refused(const char *name, struct xfed_span text)
{
	struct xfed_policy *policy = NULL;
	struct xfed_buf names;
	xfed_buf_init(&names, 1 << 20);
	require(xfed_policy_new(&policy) == XFED_OK && policy_broken_names(name, text, &names) == XFED_OK);
	struct xfed_span all = xfed_buf_span(&names);
	for (const char *n = all.data; n < all.data + all.len; n += strlen(n) + 1) {
		int rc = xfed_policy_refuse(policy, n, NULL);
		require(rc == XFED_OK || (rc == XFED_ERR_INVALID && strncmp(n, "*.", 2) == 0)); /* too long for a name below it */
		require(!xfed_policy_partner(policy, xfed_span_str(n)));
		require(rc != XFED_OK || strchr(n, '*') || xfed_policy_why_not(policy, xfed_span_str(n)) == XFED_REASON_POLICY_PARTNER_BROKEN);
	}
	xfed_buf_deinit(&names);
	xfed_policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rt_conf_errors errors;
	struct partner_file f;
	char name[128];
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t len = end ? (size_t)(end - data) : 0;
	if (!end || len >= sizeof(name) || memchr(data, '\0', len)) {
		return 0;
	}
	memcpy(name, data, len);
	name[len] = '\0';
	rt_conf_errors_init(&errors);
	int rc = partner_file_parse(name, xfed_span_make(end + 1, size - len - 1), &errors, &f);
	require((rc == XFED_OK) == (errors.error_count == 0));
	if (rc == XFED_OK) {
		struct xfed_policy_error why;
		struct xfed_policy *policy = NULL;
		check(&f.partner);
		/* Whatever the file says alone, the policy takes or refuses it with a sentence. */
		require(xfed_policy_new(&policy) == XFED_OK);
		rc = xfed_policy_add_partner(policy, &f.partner, &why);
		require(rc == XFED_OK || (rc == XFED_ERR_INVALID && why.text[0] != '\0'));
		xfed_policy_free(policy);
	} else {
		check_refused(name, xfed_span_make(end + 1, size - len - 1));
	}
	partner_file_deinit(&f);
	rt_conf_errors_deinit(&errors);
	return 0;
}
