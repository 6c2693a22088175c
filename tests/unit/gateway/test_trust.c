/* Who may send us SIP as one of our domains, and which server we believe to be the next hop: [C5-01], [C5-02], RFC 5922. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"
#include "trunk/trust.h"

#define GOOD	XFED_REASON_NONE
#define EXPIRED XFED_REASON_TLS_CERT_EXPIRED
#define MISSING XFED_REASON_TLS_CERT_MISSING

#define DOMAINS	 1024 /* most of gateway.yaml */
#define NETWORKS 16

static const char *const peers[] = { "sip.corp.example", "corp.example" };
static struct rt_network networks[2];
static struct xfed_arena arena;

static int begin(void **state)
{
	(void)state;
	xfed_arena_init(&arena, 16 * 1024 * 1024);
	return 0;
}

static int end(void **state)
{
	(void)state;
	xfed_arena_deinit(&arena);
	return 0;
}

static struct config indexed(struct config_domain *list, size_t count)
{
	struct config c = { .domains = { list, count } };
	assert_int_equal(config_index(&c, &arena), XFED_OK);
	return c;
}

static struct trust_peer peer_at(enum sip_transport t, const char *ip)
{
	struct trust_peer p = { .transport = t, .chain_reason = MISSING };
	assert_int_equal(rt_addr_parse_host(&p.address, xfed_span_str(ip), 5060), XFED_OK);
	return p;
}

static struct config_domain domain(bool has_peers, bool has_networks, bool udp_trusted)
{
	networks[0] = (struct rt_network){ .bytes = { 10, 2, 0, 0 }, .bits = 24 };
	networks[1] = (struct rt_network){ .bytes = { 0x20, 0x01, 0x0d, 0xb8 }, .bits = 32, .is_ipv6 = true };
	return (struct config_domain){
		.domain = "corp.example",
		.peers = { (const char **)(uintptr_t)peers, has_peers ? 2 : 0 },
		.networks = { networks, has_networks ? 2 : 0 },
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
		bool federated, is_outside;
	} rows[] = {
		{ "tls: named", SIP_TLS, "192.0.2.1", "sip", GOOD, true, false, false, true },
		{ "tls: URI sip: of the domain", SIP_TLS, "192.0.2.1", "sip-uri", GOOD, true, false, false, true },
		{ "tls: named in capitals", SIP_TLS, "192.0.2.1", "sip-upper", GOOD, true, false, false, true },
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
		{ "neighbour: name and address", SIP_TLS, "10.2.0.9", "sip", GOOD, true, true, false, true, true, true },
		{ "neighbour: the name from elsewhere", SIP_TLS, "10.3.0.9", "sip", GOOD, true, true, false, false, true, true },
		{ "neighbour: the address of another", SIP_TLS, "10.2.0.9", "fe", GOOD, true, true, false, false, true, true },
		{ "neighbour: at the other listener", SIP_TLS, "10.2.0.9", "sip", GOOD, true, true, false, false, true, false },
		{ "neighbour: its address over tcp", SIP_TCP, "10.2.0.9", NULL, MISSING, true, true, false, false, true, false },
		{ "neighbour: its address over udp", SIP_UDP, "10.2.0.9", NULL, MISSING, true, true, true, false, true, false },
		{ "a server of ours at the listener of neighbours", SIP_TLS, "10.2.0.9", "sip", GOOD, true, true, false, false, false, true },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct config_domain d = domain(rows[i].has_peers, rows[i].has_networks, rows[i].udp_trusted);
		d.federated = rows[i].federated;
		struct xfed_cert *cert = rows[i].cert ? test_cert(rows[i].cert) : NULL;
		struct config c = indexed(&d, 1);
		struct trust_peer p = peer_at(rows[i].transport, rows[i].ip);
		p.cert = cert;
		p.chain_reason = rows[i].chain;
		p.is_outside = rows[i].is_outside;
		const struct config_senders *all = rows[i].federated ? &c.neighbours : &c.senders;
		if (trust_may_send(&d.senders, &p) != rows[i].may || trust_may_send(all, &p) != rows[i].may) {
			fail_msg("%s: %s", rows[i].name, rows[i].may ? "refused" : "let in");
		}
		xfed_cert_free(cert);
	}
}

/* A stranger is who may send as no domain at all. */
static void strangers(void **state)
{
	(void)state;
	struct config_domain list[] = { domain(false, false, false), domain(false, true, true) };
	struct trust_peer near = peer_at(SIP_UDP, "10.2.0.9"), far = peer_at(SIP_UDP, "10.3.0.9");
	for (size_t count = 0; count <= 2; count++) {
		struct config c = indexed(list, count);
		assert_true(trust_may_send(&c.senders, &near) == (count == 2));
		assert_false(trust_may_send(&c.senders, &far));
	}
}

/* ---- the index says what the lists say ---- */

static uint32_t rnd(uint32_t below)
{
	static uint32_t s = 1;
	s = s * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(s >> 8) * below >> 24);
}

/* Near each other, so that they hold each other and are hit; IPv4 mapped into IPv6 among them. */
static void random_bytes(uint8_t bytes[16], bool is_ipv6)
{
	static const uint8_t heads[3][12] = { { 0x20, 0x01, 0x0d, 0xb8 }, { [10] = 0xff, 0xff }, { 0xfd } };
	memset(bytes, 0, 16);
	if (is_ipv6) {
		memcpy(bytes, heads[rnd(3)], 12);
		bytes[12] = (uint8_t)(10 + rnd(2));
		bytes[13] = (uint8_t)rnd(256);
		bytes[14] = (uint8_t)rnd(256);
		bytes[15] = (uint8_t)rnd(256);
	} else {
		bytes[0] = (uint8_t)(10 + rnd(2));
		bytes[1] = (uint8_t)rnd(256);
		bytes[2] = (uint8_t)rnd(256);
		bytes[3] = (uint8_t)rnd(256);
	}
}

static struct rt_network random_network(void)
{
	struct rt_network n = { .is_ipv6 = rnd(2) };
	unsigned len = n.is_ipv6 ? 128 : 32;
	random_bytes(n.bytes, n.is_ipv6);
	n.bits = (uint8_t)(rnd(200) == 0 ? 9 : len - rnd(15));
	for (unsigned i = n.bits; i < len; i++) {
		n.bytes[i / 8] &= (uint8_t) ~(0x80u >> (i % 8));
	}
	return n;
}

static struct rt_addr random_address(void)
{
	struct rt_addr a = { .sa.sa_family = rnd(2) ? AF_INET6 : AF_INET };
	uint8_t bytes[16];
	random_bytes(bytes, a.sa.sa_family == AF_INET6);
	memcpy(a.sa.sa_family == AF_INET6 ? (void *)&a.in6.sin6_addr : (void *)&a.in.sin_addr, bytes, a.sa.sa_family == AF_INET6 ? 16 : 4);
	return a;
}

static struct config_domain many[DOMAINS];
static struct rt_network listed[DOMAINS][NETWORKS], sealed[DOMAINS][NETWORKS];
static char names[DOMAINS][2][32], outside[DOMAINS][32], inside[DOMAINS][32];
static const char *name_lists[DOMAINS][2];

static void make_many(void)
{
	for (size_t i = 0; i < DOMAINS; i++) {
		size_t count = rnd(NETWORKS + 1);
		for (size_t k = 0; k < count; k++) {
			listed[i][k] = sealed[i][k] = random_network();
		}
		snprintf(outside[i], sizeof(outside[i]), "d%u.example", (unsigned)(i * 7919 % DOMAINS));
		snprintf(inside[i], sizeof(inside[i]), "i%u.example", (unsigned)i);
		for (size_t k = 0; k < 2; k++) {
			snprintf(names[i][k], sizeof(names[i][k]), "sip%u.%s", (unsigned)rnd(3000), i % 50 == 0 ? "corp.example" : "other.example");
			name_lists[i][k] = i % 200 == 0 ? peers[k] : names[i][k];
		}
		many[i] = (struct config_domain){ .domain = outside[i],
			.sip_domain = i % 3 == 0 ? inside[i] : NULL,
			.udp_trusted = i % 5 == 0,
			.peers = { name_lists[i], rnd(3) },
			.networks = { sealed[i], count } };
	}
}

static bool loop_may_send(size_t i, const struct trust_peer *p)
{
	for (size_t k = 0; k < NETWORKS && listed[i][k].bits > 0 && p->transport != SIP_TLS; k++) {
		if (rt_network_holds(&listed[i][k], &p->address)) {
			return p->transport == SIP_TCP || many[i].udp_trusted;
		}
	}
	for (size_t k = 0; k < many[i].peers.count && p->cert; k++) {
		struct xfed_span name = xfed_span_str(many[i].peers.items[k]);
		if (xfed_cert_names_host(p->cert, name) || xfed_cert_proves_sip(p->cert, name)) {
			return true;
		}
	}
	return false;
}

/* True where any domain lets it in. */
static bool compare_with_loop(const struct config *c, const struct trust_peer *p)
{
	bool is_any = false;
	for (size_t i = 0; i < DOMAINS; i++) {
		bool may = loop_may_send(i, p);
		is_any = is_any || may;
		assert_true(trust_may_send(&many[i].senders, p) == may);
	}
	assert_true(trust_may_send(&c->senders, p) == is_any);
	return is_any;
}

static void the_index_of_many_domains_says_what_their_lists_say(void **state)
{
	(void)state;
	static const char *const certs[] = { "sip", "sip-uri", "sip-eku", "sip-upper", "sip-user", "sip-foreign-uri", "fe", "partner-clientauth" };
	size_t in = 0, out = 0;
	make_many();
	struct config c = indexed(many, DOMAINS);
	for (size_t i = 0; i < 400; i++) {
		struct trust_peer p = { .transport = rnd(2) ? SIP_TCP : SIP_UDP, .address = random_address(), .chain_reason = MISSING };
		*(compare_with_loop(&c, &p) ? &in : &out) += 1;
	}
	assert_true(in > 50 && out > 50);
	for (size_t i = 0; i < XFED_ARRAY_LEN(certs); i++) {
		struct xfed_cert *cert = test_cert(certs[i]);
		struct trust_peer p = { .transport = SIP_TLS, .cert = cert };
		if (xfed_cert_purpose_sip_ok(cert)) {
			assert_true(compare_with_loop(&c, &p) == (i <= 5));
		} else {
			assert_false(trust_may_send(&c.senders, &p));
		}
		xfed_cert_free(cert);
	}
}

static void a_domain_is_found_by_either_name(void **state)
{
	(void)state;
	make_many();
	/* A name inside may be another domain's outside: inside it is whose it is there. */
	many[0].sip_domain = "d5.example";
	for (size_t i = 0; i < DOMAINS; i++) {
		if (strcmp(many[i].domain, "d5.example") == 0) {
			many[i].sip_domain = "elsewhere.example";
		}
	}
	struct config c = indexed(many, DOMAINS);
	for (size_t i = 0; i < DOMAINS; i++) {
		const struct config_domain *d = &many[i];
		assert_ptr_equal(config_domain(&c, xfed_span_str(d->domain)), d);
		assert_ptr_equal(config_inside(&c, xfed_span_str(d->sip_domain ? d->sip_domain : d->domain)), d);
		assert_ptr_equal(config_inside(&c, xfed_span_str(d->domain)), strcmp(d->domain, "d5.example") == 0 ? &many[0] : d);
	}
	assert_null(config_domain(&c, XFED_SPAN("d1.exampl")));
	assert_null(config_domain(&c, XFED_SPAN("d1.example.org")));
	assert_null(config_domain(&c, XFED_SPAN("d1.example\0")));
	assert_null(config_domain(&c, XFED_SPAN("")));
	assert_null(config_domain(&c, xfed_span_make(NULL, 0)));
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
		struct trust_peer p = { .transport = SIP_TLS, .cert = cert, .chain_reason = rows[i].chain };
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
		cmocka_unit_test_setup_teardown(senders, begin, end),
		cmocka_unit_test_setup_teardown(strangers, begin, end),
		cmocka_unit_test_setup_teardown(the_index_of_many_domains_says_what_their_lists_say, begin, end),
		cmocka_unit_test_setup_teardown(a_domain_is_found_by_either_name, begin, end),
		cmocka_unit_test(servers),
	};
	assert_int_equal(argc, 2);
	assert_int_equal(xfed_tls_global_init(test_env()), XFED_OK);
	test_certs_dir(argv[1]);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	xfed_tls_global_deinit();
	return failed;
}
