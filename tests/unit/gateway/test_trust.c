/* Who may send us SIP as one of our domains, and which server we believe to be the next hop: [C5-01], [C5-02], RFC 5922. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support.h"
#include "trust.h"

#define GOOD	XFED_REASON_NONE
#define EXPIRED XFED_REASON_TLS_CERT_EXPIRED
#define MISSING XFED_REASON_TLS_CERT_MISSING

static const char *const peers[] = { "sip.corp.example", "corp.example" };
static struct gateway_network networks[2];

static struct gateway_domain domain(bool has_peers, bool has_networks, bool udp_trusted)
{
	networks[0] = (struct gateway_network){ .bytes = { 10, 2, 0, 0 }, .bits = 24 };
	networks[1] = (struct gateway_network){ .bytes = { 0x20, 0x01, 0x0d, 0xb8 }, .bits = 32, .is_ipv6 = true };
	return (struct gateway_domain){
		.domain = "corp.example",
		.peers = { (const char **)(uintptr_t)peers, has_peers ? 2 : 0 },
		.networks = networks,
		.network_count = has_networks ? 2 : 0,
		.udp_trusted = udp_trusted,
	};
}

static void senders(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum sip_transport transport;
		const char *ip, *cert; /* cert NULL: none */
		enum xfed_reason chain;
		bool has_peers, has_networks, udp_trusted, may;
	} rows[] = {
		{ "tls: named", SIP_TLS, "192.0.2.1", "sip", GOOD, true, false, false, true },
		{ "tls: URI sip: of the domain", SIP_TLS, "192.0.2.1", "sip-uri", GOOD, true, false, false, true },
		{ "tls: another's certificate", SIP_TLS, "192.0.2.1", "fe", GOOD, true, false, false, false },
		{ "tls: no certificate", SIP_TLS, "192.0.2.1", NULL, MISSING, true, false, false, false },
		{ "tls: a bad chain", SIP_TLS, "192.0.2.1", "sip", EXPIRED, true, false, false, false },
		{ "tls: no peers listed", SIP_TLS, "192.0.2.1", "sip", GOOD, false, false, false, false },
		{ "tls: an address proves nothing there", SIP_TLS, "10.2.0.9", NULL, MISSING, true, true, true, false },
		{ "tcp: listed", SIP_TCP, "10.2.0.9", NULL, MISSING, false, true, false, true },
		{ "tcp: listed, IPv6", SIP_TCP, "2001:db8::9", NULL, MISSING, false, true, false, true },
		{ "tcp: one beside the network", SIP_TCP, "10.2.1.0", NULL, MISSING, false, true, false, false },
		{ "tcp: nothing listed", SIP_TCP, "10.2.0.9", NULL, MISSING, true, false, false, false },
		{ "udp: an address can be forged", SIP_UDP, "10.2.0.9", NULL, MISSING, false, true, false, false },
		{ "udp: the operator says it cannot", SIP_UDP, "10.2.0.9", NULL, MISSING, false, true, true, true },
		{ "udp: another address", SIP_UDP, "10.3.0.9", NULL, MISSING, false, true, true, false },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct gateway_domain d = domain(rows[i].has_peers, rows[i].has_networks, rows[i].udp_trusted);
		struct xfed_cert *cert = rows[i].cert ? test_cert(rows[i].cert) : NULL;
		struct trust_peer p = { rows[i].transport, rows[i].ip, cert, rows[i].chain };
		if (trust_may_send(&d, &p) != rows[i].may) {
			fail_msg("%s: %s", rows[i].name, rows[i].may ? "refused" : "let in");
		}
		xfed_cert_free(cert);
	}
}

/* A stranger is who may send as no domain at all. */
static void strangers(void **state)
{
	(void)state;
	struct gateway_domain list[] = { domain(false, false, false), domain(false, true, true) };
	struct gateway_config c = { .domains = { list, 2 } };
	struct trust_peer peer = { SIP_UDP, "10.2.0.9", NULL, MISSING };
	assert_true(trust_is_known(&c, &peer));
	peer.ip = "10.3.0.9";
	assert_false(trust_is_known(&c, &peer));
	peer.ip = "10.2.0.9";
	c.domains.count = 1;
	assert_false(trust_is_known(&c, &peer));
	c.domains.count = 0;
	assert_false(trust_is_known(&c, &peer));
}

static void servers(void **state)
{
	(void)state;
	static const struct {
		const char *name, *cert, *wanted;
		enum xfed_reason chain, expected;
	} rows[] = {
		{ "its host", "sip", "sip.corp.example", GOOD, GOOD },
		{ "the domain in a URI", "sip", "corp.example", GOOD, GOOD },
		{ "another host", "sip", "sip2.corp.example", GOOD, XFED_REASON_TLS_CERT_NAME_MISMATCH },
		{ "no certificate", NULL, "sip.corp.example", GOOD, MISSING },
		{ "a bad chain", "sip", "sip.corp.example", EXPIRED, EXPIRED },
		{ "purpose: sipDomain", "sip-eku", "corp.example", GOOD, GOOD },
		{ "purpose: clientAuth alone", "partner-clientauth", "partner.example", GOOD, XFED_REASON_TLS_CERT_PURPOSE },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_cert *cert = rows[i].cert ? test_cert(rows[i].cert) : NULL;
		struct trust_peer p = { SIP_TLS, "192.0.2.1", cert, rows[i].chain };
		enum xfed_reason got = trust_server(&p, xfed_span_str(rows[i].wanted));
		if (got != rows[i].expected) {
			fail_msg("%s: %s instead of %s", rows[i].name, xfed_reason_code(got), xfed_reason_code(rows[i].expected));
		}
		xfed_cert_free(cert);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(senders),
		cmocka_unit_test(strangers),
		cmocka_unit_test(servers),
	};
	assert_int_equal(argc, 2);
	assert_int_equal(xfed_tls_global_init(test_env()), XFED_OK);
	test_certs_dir(argv[1]);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	xfed_tls_global_deinit();
	return failed;
}
