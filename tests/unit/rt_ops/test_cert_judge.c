/* What cert import says of a chain that GnuTLS could not judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "cert_judge.h"
#include "cert_make.h"

#define NOW_S 1800000000

static int fails_with; /* 0: GnuTLS itself is asked not at all, and says that all is well */

/* In the place of GnuTLS's: nothing else makes it fail without a status. */
int gnutls_x509_trust_list_verify_crt2(gnutls_x509_trust_list_t list, gnutls_x509_crt_t *chain, unsigned count, gnutls_typed_vdata_st *data,
	unsigned elements, unsigned flags, unsigned *status, gnutls_verify_output_function *func)
{
	*status = 0;
	return fails_with;
}

static void no_judgement(void **state)
{
	struct cert_pile p = { .crt_count = 1, .key_count = 1 };
	struct cert_trust trust;
	struct cert_chain chain;
	char error[CERT_ERROR] = "";
	assert_int_equal(cert_make_key(CERT_KEY_P256, &p.keys[0]), XFED_OK);
	assert_int_equal(cert_make_ca(p.keys[0], NOW_S, &p.crts[0]), XFED_OK);
	assert_int_equal(cert_trust_init(&trust), XFED_OK);
	fails_with = 0;
	assert_int_equal(cert_chain_find(&p, 0, &trust, NOW_S, &chain, error), XFED_OK);
	fails_with = GNUTLS_E_INTERNAL_ERROR;
	assert_int_equal(cert_chain_find(&p, 0, &trust, NOW_S, &chain, error), XFED_ERR_INVALID);
	assert_non_null(strstr(error, gnutls_strerror(GNUTLS_E_INTERNAL_ERROR)));
	assert_null(strstr(error, "trusted"));
	fails_with = GNUTLS_E_MEMORY_ERROR;
	assert_int_equal(cert_chain_find(&p, 0, &trust, NOW_S, &chain, error), XFED_ERR_NOMEM);
	cert_trust_deinit(&trust);
	cert_pile_deinit(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(no_judgement) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
