/* Certificate facts and identities: [A6-03] to [A6-08], [C5-01], [C5-02], and the purpose rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "support.h"
#include "xfed/mem.h"

struct row {
	const char *requirement, *file, *name;
	bool expected;
};

static void check_rows(const struct row *rows, size_t count, bool (*proves)(const struct xfed_cert *, struct xfed_span))
{
	for (size_t i = 0; i < count; i++) {
		struct xfed_cert *c = test_cert(rows[i].file);
		assert_non_null(c);
		if (proves(c, xfed_span_str(rows[i].name)) != rows[i].expected) {
			fail_msg("%s: %s %s '%s'", rows[i].requirement, rows[i].file, rows[i].expected ? "does not prove" : "proves", rows[i].name);
		}
		xfed_cert_free(c);
	}
}

static void xmpp_identities(void **state)
{
	static const struct row rows[] = {
		{ "A6-03 dNSName", "partner-dnsonly", "partner.example", true },
		{ "A6-03 SRVName", "partner-srvonly", "partner.example", true },
		{ "A6-03 XmppAddr", "partner-xmppaddr", "partner.example", true },
		{ "A6-03 another name", "partner-dnsonly", "other.example", false },
		{ "A6-03 a subdomain is another name", "partner-dnsonly", "a.partner.example", false },
		{ "A6-03 so is the parent", "partner-dnsonly", "example", false },
		{ "A6-03 wrong name", "partner-wrongname", "partner.example", false },
		{ "A6-03 second name", "partner", "conference.partner.example", true },
		{ "A6-04 _xmpp-client", "partner-srvclient", "partner.example", false },
		{ "A6-05 U-label against A-label", "partner-idn",
			"b\xc3\xbc"
			"cher.example",
			true },
		{ "A6-05 another U-label", "partner-idn", "bucher.example", false },
		{ "A6-06 wildcard, one label", "partner-wildcard", "partner.example", true },
		{ "A6-06 wildcard, not two labels", "partner-wildcard", "a.partner.example", false },
		{ "A6-06 wildcard, not itself", "partner-wildcard", "example", false },
		{ "A6-06 below the domain", "partner-subwild", "a.partner.example", true },
		{ "A6-06 not the domain", "partner-subwild", "partner.example", false },
		{ "A6-06 not two below", "partner-subwild", "b.a.partner.example", false },
		{ "A6-06 no label in front", "partner-subwild", ".partner.example", false },
		{ "A6-06 partial wildcard", "partner-partialwild", "partner.example", false },
		{ "A6-06 wildcard alone, one label", "partner-barewild", "example", false },
		{ "A6-06 wildcard alone, two labels", "partner-barewild", "partner.example", false },
		{ "A6-07 common name", "partner-cnonly", "partner.example", false },
		{ "A6-07 common name without SAN", "partner-nosan", "partner.example", false },
		{ "A6-08 iPAddress", "partner-ip", "192.0.2.1", false },
		{ "A6-08 IPv6", "partner-ip", "[2001:db8::1]", false },
		{ "no name", "partner", "", false },
		{ "purpose is another question", "partner-clientauth", "partner.example", true },
	};
	check_rows(rows, XFED_ARRAY_LEN(rows), xfed_cert_proves_xmpp);
}

static void sip_identities(void **state)
{
	static const struct row rows[] = {
		{ "C5-01 URI", "sip-uri", "corp.example", true },
		{ "C5-01 URI of another", "sip-uri", "other.example", false },
		{ "C5-01 dNSName without URI", "partner-dnsonly", "partner.example", true },
		{ "C5-01 a URI hides the dNSNames", "sip-foreign-uri", "corp.example", false },
		{ "C5-01 and counts itself", "sip-foreign-uri", "other.example", true },
		{ "C5-01 a user's URI is no identity", "sip-user", "corp.example", true },
		{ "C5-01 sips is not accepted", "sip-sips", "corp.example", false },
		{ "C5-01 common name", "partner-nosan", "partner.example", false },
		{ "C5-02 no wildcard", "partner-wildcard", "partner.example", false },
		{ "C5-02 no suffix", "sip-uri", "example", false },
		{ "C5-02 case", "sip-uri", "CORP.example", true },
		{ "SRVName is not for SIP", "partner-srvonly", "partner.example", false },
	};
	check_rows(rows, XFED_ARRAY_LEN(rows), xfed_cert_proves_sip);
}

static void host_names(void **state)
{
	static const struct row rows[] = {
		{ "exact", "edge-int", "edge-int.corp.example", true },
		{ "case", "edge-int", "EDGE-INT.corp.example", true },
		{ "another", "edge-int", "corp.example", false },
		{ "no wildcard", "partner-wildcard", "partner.example", false },
		{ "no SRVName", "partner-srvonly", "partner.example", false },
		{ "no address", "partner-ip", "192.0.2.1", false },
		{ "nothing", "edge-int", "", false },
	};
	check_rows(rows, XFED_ARRAY_LEN(rows), xfed_cert_names_host);
}

static void purposes(void **state)
{
	static const struct {
		const char *file;
		unsigned eku;
		bool xmpp, sip;
	} rows[] = {
		{ "partner", XFED_EKU_SERVER | XFED_EKU_CLIENT, true, true },
		{ "partner-serverauth", XFED_EKU_SERVER, true, true },
		{ "partner-anyeku", XFED_EKU_ANY, true, true },
		{ "partner-noeku", 0, true, true },
		{ "partner-clientauth", XFED_EKU_CLIENT, false, false },
		{ "sip-eku", XFED_EKU_SIP, false, true },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_cert *c = test_cert(rows[i].file);
		assert_non_null(c);
		print_message("%s\n", rows[i].file);
		assert_int_equal(xfed_cert_facts(c)->eku, rows[i].eku);
		assert_int_equal(xfed_cert_purpose_ok(c), rows[i].xmpp);
		assert_int_equal(xfed_cert_purpose_sip_ok(c), rows[i].sip);
		xfed_cert_free(c);
	}
}

static bool has_name(const struct xfed_cert_facts *f, const char *name)
{
	for (size_t i = 0; i < f->name_count; i++) {
		if (strcmp(f->names[i], name) == 0) {
			return true;
		}
	}
	return false;
}

static void facts(void **state)
{
	struct xfed_cert *c = test_cert("partner");
	assert_non_null(c);
	const struct xfed_cert_facts *f = xfed_cert_facts(c);
	assert_string_equal(f->subject, "CN=partner.example");
	assert_string_equal(f->issuer, "CN=Test Root CA");
	assert_int_equal(strlen(f->sha256_hex), 64);
	assert_int_equal(strlen(f->spki_sha256_hex), 64);
	assert_string_not_equal(f->sha256_hex, f->spki_sha256_hex);
	assert_true(strlen(f->serial_hex) > 0);
	assert_true(f->not_before_s <= test_wall_s && f->not_after_s > test_wall_s);
	assert_true(has_name(f, "dns:partner.example"));
	assert_true(has_name(f, "dns:xmpp.partner.example"));
	assert_true(has_name(f, "srv:_xmpp-server.partner.example"));
	xfed_cert_free(c);
	c = test_cert("sip-uri");
	assert_non_null(c);
	assert_true(has_name(xfed_cert_facts(c), "uri:sip:corp.example"));
	xfed_cert_free(c);
	c = test_cert("partner-xmppaddr");
	assert_non_null(c);
	assert_true(has_name(xfed_cert_facts(c), "xmpp:partner.example"));
	xfed_cert_free(c);
}

/* The hash of the public key as openssl computes it: what an operator pins. */
static void pin_is_what_openssl_says(void **state)
{
	struct xfed_span expected = test_file("partner-rsa.spki-sha256");
	struct xfed_cert *c = test_cert("partner-rsa");
	assert_non_null(c);
	assert_true(expected.len >= 64);
	assert_memory_equal(xfed_cert_facts(c)->spki_sha256_hex, expected.data, 64);
	xfed_cert_free(c);
	free((void *)(uintptr_t)expected.data);
}

static void embedded_nul_is_invalid(void **state)
{
	assert_null(test_cert("partner-nul"));
}

/* Every truncation and every flipped bit of a certificate: refused or understood, never more. */
static void damaged_certificates(void **state)
{
	struct xfed_span der = test_der("partner");
	char *copy = malloc(der.len);
	struct xfed_cert *c;
	for (size_t len = 0; len < der.len; len++) {
		char *exact = malloc(len > 0 ? len : 1);
		memcpy(exact, der.data, len);
		assert_int_equal(xfed_cert_new_der(xfed_span_make(exact, len), &c), XFED_ERR_INVALID);
		assert_null(c);
		free(exact);
	}
	for (size_t bit = 0; bit < 8 * der.len; bit++) {
		memcpy(copy, der.data, der.len);
		copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << (bit % 8)));
		if (xfed_cert_new_der(xfed_span_make(copy, der.len), &c) == XFED_OK) {
			assert_false(xfed_cert_proves_xmpp(c, XFED_SPAN("other.example")));
		}
		xfed_cert_free(c);
	}
	free(copy);
	free((void *)(uintptr_t)der.data);
}

static size_t allocations_left;

static bool may_allocate(void)
{
	allocations_left -= allocations_left > 0;
	return allocations_left > 0;
}
static void *failing_malloc(size_t size)
{
	return may_allocate() ? malloc(size) : NULL;
}
static void *failing_realloc(void *p, size_t size)
{
	return may_allocate() ? realloc(p, size) : NULL;
}

static void failing_allocations(void **state)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	struct xfed_span der = test_der("partner");
	struct xfed_cert *c = NULL;
	int rc = XFED_ERR_NOMEM;
	size_t n = 0;
	for (; rc != XFED_OK && n < 100; n++) {
		allocations_left = n;
		xfed_mem_set_hooks(&hooks);
		rc = xfed_cert_new_der(der, &c);
		xfed_mem_set_hooks(NULL);
		assert_true(rc == XFED_OK ? c != NULL : rc == XFED_ERR_NOMEM && c == NULL);
	}
	assert_true(n > 2 && n < 100);
	/* Without memory nothing is proved that needs some. */
	struct xfed_cert *idn = test_cert("partner-idn");
	allocations_left = 0;
	xfed_mem_set_hooks(&hooks);
	bool proved = xfed_cert_proves_xmpp(idn, XFED_SPAN("b\xc3\xbc"
							   "cher.example"));
	xfed_mem_set_hooks(NULL);
	assert_false(proved);
	xfed_cert_free(idn);
	xfed_cert_free(c);
	free((void *)(uintptr_t)der.data);
}

int main(int argc, char **argv)
{
	test_certs_dir(argc > 1 ? argv[1] : "tests/certs");
	test_wall_s = time(NULL);
	if (xfed_tls_global_init(test_env()) != XFED_OK) {
		return 1;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xmpp_identities),
		cmocka_unit_test(sip_identities),
		cmocka_unit_test(host_names),
		cmocka_unit_test(purposes),
		cmocka_unit_test(facts),
		cmocka_unit_test(pin_is_what_openssl_says),
		cmocka_unit_test(embedded_nul_is_invalid),
		cmocka_unit_test(damaged_certificates),
		cmocka_unit_test(failing_allocations),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	xfed_tls_global_deinit();
	return rc;
}
