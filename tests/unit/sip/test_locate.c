/*
 * Where SIP requests go: RFC 3263 as [C4-04] to [C4-07] put it. A row has a query, a zone, the
 * questions that must be asked (stages divided by "/") and the places found, in order.
 *
 * Zone lines: "NAPTR name order preference flags service replacement [regexp]", "SRV name priority
 * weight port target", "A name address", "AAAA name address", "TIMEOUT type name", "SERVFAIL type
 * name". What is not there is an empty answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "failing.h"
#include "sip/failover.h"
#include "sip/locate.h"

struct row {
	const char *rule;
	struct sip_locate_query query;
	const char *zone, *asked, *want;
};

/* ---- the zone ---- */

#define RECORDS_MAX 100

struct zone_answer {
	struct xfed_dns_answer answer;
	struct xfed_dns_record records[RECORDS_MAX];
	char text[RECORDS_MAX][2][300];
	bool is_timeout;
};

static const char *type_name(enum xfed_dns_type type)
{
	static const struct {
		enum xfed_dns_type type;
		const char *name;
	} names[] = { { XFED_DNS_A, "A" }, { XFED_DNS_AAAA, "AAAA" }, { XFED_DNS_SRV, "SRV" }, { XFED_DNS_NAPTR, "NAPTR" } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		if (names[i].type == type) {
			return names[i].name;
		}
	}
	fail_msg("type %d asked for", (int)type);
	return "";
}

static void read_naptr(const char *data, struct zone_answer *z, struct xfed_dns_record *r)
{
	char(*text)[300] = z->text[z->answer.count];
	static char flags[RECORDS_MAX][8], services[RECORDS_MAX][32];
	unsigned order, preference;
	size_t n = z->answer.count;
	text[1][0] = '\0';
	assert_true(sscanf(data, "%u %u %7s %31s %299s %299s", &order, &preference, flags[n], services[n], text[0], text[1]) >= 5);
	r->naptr.order = (uint16_t)order;
	r->naptr.preference = (uint16_t)preference;
	r->naptr.flags = xfed_span_str(flags[n]);
	r->naptr.services = xfed_span_str(services[n]);
	r->naptr.replacement = xfed_span_str(text[0]);
	r->naptr.regexp = xfed_span_str(text[1]);
}

static void read_record(enum xfed_dns_type type, const char *data, struct zone_answer *z)
{
	struct xfed_dns_record *r = &z->records[z->answer.count];
	unsigned priority, weight, port;
	assert_true(z->answer.count < RECORDS_MAX);
	r->type = type;
	if (type == XFED_DNS_NAPTR) {
		read_naptr(data, z, r);
	} else if (type == XFED_DNS_SRV) {
		char *target = z->text[z->answer.count][0];
		assert_int_equal(sscanf(data, "%u %u %u %299s", &priority, &weight, &port, target), 4);
		r->srv.priority = (uint16_t)priority;
		r->srv.weight = (uint16_t)weight;
		r->srv.port = (uint16_t)port;
		r->srv.target = xfed_span_str(target);
	} else {
		char address[64];
		assert_int_equal(sscanf(data, "%63s", address), 1);
		int family = type == XFED_DNS_A ? AF_INET : AF_INET6;
		assert_int_equal(inet_pton(family, address, type == XFED_DNS_A ? r->a : r->aaaa), 1);
	}
	z->answer.count++;
}

static void look_up(const char *zone, enum xfed_dns_type type, const char *name, struct zone_answer *z)
{
	memset(z, 0, sizeof(*z));
	z->answer.ttl_s = 300;
	z->answer.records = z->records;
	for (const char *p = zone; *p;) {
		char line[400], word[16], second[300];
		size_t len = strcspn(p, "\n");
		int at = 0;
		assert_true(len < sizeof(line));
		memcpy(line, p, len);
		line[len] = '\0';
		p += len + (p[len] == '\n');
		assert_int_equal(sscanf(line, "%15s %299s %n", word, second, &at), 2);
		bool is_failure = strcmp(second, type_name(type)) == 0 && strcmp(line + at, name) == 0;
		if (is_failure && strcmp(word, "TIMEOUT") == 0) {
			z->is_timeout = true;
		} else if (is_failure && strcmp(word, "SERVFAIL") == 0) {
			z->answer.status = XFED_DNS_SERVFAIL;
			return;
		} else if (strcmp(word, type_name(type)) == 0 && strcmp(second, name) == 0) {
			read_record(type, line + at, z);
		}
	}
	z->answer.status = z->answer.count > 0 ? XFED_DNS_OK : XFED_DNS_NO_DATA;
	z->answer.ttl_s = z->answer.count > 0 ? 300 : 60;
}

/* ---- running ---- */

static void fixed_random(void *user, void *out, size_t len)
{
	(void)user;
	memset(out, 0, len);
}

static const struct xfed_env env = { .random = fixed_random };

struct asked {
	unsigned question;
	enum xfed_dns_type type;
	char name[300];
};

struct run {
	char asked[8192], got[4096];
	size_t questions, results;
	uint32_t ttl_s;
};

__attribute__((format(printf, 3, 4))) static void add_text(char *out, size_t size, const char *fmt, ...)
{
	size_t len = strlen(out);
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(out + len, size - len, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < size - len);
}

static void write_result(const struct sip_locations *found, struct run *run)
{
	run->results = found->count;
	run->ttl_s = found->ttl_s;
	if (found->reason != XFED_REASON_NONE) {
		assert_int_equal(found->count, 0);
		add_text(run->got, sizeof(run->got), "%s: %s", xfed_reason_code(found->reason), found->text);
		return;
	}
	for (size_t i = 0; i < found->count; i++) {
		struct sip_target t;
		sip_location_target(&found->list[i], &t);
		bool has_name = t.tls_name[0] != '\0';
		add_text(run->got, sizeof(run->got), "%s%s %s %u%s%s", i > 0 ? ", " : "", sip_transport_name(t.transport), t.ip, t.port,
			has_name ? " " : "", t.tls_name);
	}
}

/* The questions of a stage; 0 when the machine is done. */
static size_t drain(struct sip_locate *l, struct asked *open, struct run *run)
{
	struct sip_locate_action act;
	size_t count = 0;
	bool is_done = false;
	while (sip_locate_next(l, &act)) {
		assert_false(is_done);
		if (act.kind == SIP_LOCATE_DONE) {
			is_done = true;
			continue;
		}
		assert_null(sip_locate_result(l));
		open[count].question = act.question;
		open[count].type = act.type;
		snprintf(open[count].name, sizeof(open[count].name), "%.*s", (int)act.name.len, act.name.data);
		const char *gap = count > 0 ? ", " : run->questions > 0 ? " / " : "";
		add_text(run->asked, sizeof(run->asked), "%s%s %s", gap, type_name(act.type), open[count].name);
		count++;
		run->questions++;
	}
	assert_true(is_done == (count == 0));
	return count;
}

static void answer(struct sip_locate *l, const char *zone, const struct asked *q)
{
	static struct zone_answer z;
	look_up(zone, q->type, q->name, &z);
	int rc = sip_locate_answer(l, q->question, z.is_timeout ? NULL : &z.answer, z.is_timeout ? XFED_REASON_DNS_TIMEOUT : XFED_REASON_NONE);
	assert_int_equal(rc, XFED_OK);
	/* A second answer to the same question is nothing. */
	struct sip_locate_action act;
	if (!sip_locate_next(l, &act)) {
		assert_int_equal(sip_locate_answer(l, q->question, &z.answer, XFED_REASON_NONE), XFED_ERR_NOT_FOUND);
		return;
	}
	fail_msg("an answer in the middle of a stage asked on");
}

static void locate(const struct sip_locate_query *q, const char *zone, bool backwards, struct run *run)
{
	struct sip_locate *l;
	struct asked open[64];
	static struct zone_answer z;
	memset(run, 0, sizeof(*run));
	int rc = sip_locate_new(q, &env, &l);
	if (rc != XFED_OK) {
		assert_null(l);
		add_text(run->got, sizeof(run->got), "refused %d", rc);
		return;
	}
	for (size_t count; (count = drain(l, open, run)) > 0;) {
		/* All but the last ask nothing; the last may. */
		for (size_t i = 0; i + 1 < count; i++) {
			answer(l, zone, &open[backwards ? count - 1 - i : i]);
		}
		const struct asked *last = &open[backwards ? 0 : count - 1];
		look_up(zone, last->type, last->name, &z);
		rc = sip_locate_answer(l, last->question, z.is_timeout ? NULL : &z.answer, XFED_REASON_NONE);
		assert_int_equal(rc, XFED_OK);
	}
	write_result(sip_locate_result(l), run);
	sip_locate_free(l);
}

/* ---- the rules ---- */

#define HOST(h)	 .host = { "" h, sizeof(h) - 1 }
#define TO(t)	 .has_transport = true, .transport = t
#define ALL	 .transports = { SIP_TLS, SIP_TCP, SIP_UDP }, .transport_count = 3
#define UDP_TCP	 .transports = { SIP_UDP, SIP_TCP }, .transport_count = 2
#define TCP_TLS	 .transports = { SIP_TCP, SIP_TLS }, .transport_count = 2
#define NO_UDP	 .transports = { SIP_TLS, SIP_TCP }, .transport_count = 2
#define ONLY(t)	 .transports = { t }, .transport_count = 1
#define LATIN_A	 "A a.example 192.0.2.1\nAAAA a.example 2001:db8::1\n"
#define FE_A	 "A fe.example.com 192.0.2.7\n"
#define ASK_SRVS "SRV _sips._tcp.example.com, SRV _sip._tcp.example.com, SRV _sip._udp.example.com"
#define NAPTR_3                                                                                                                                      \
	"NAPTR example.com 50 50 s SIPS+D2T _sips._tcp.example.com\n"                                                                                \
	"NAPTR example.com 90 50 s SIP+D2T _sip._tcp.example.com\n"                                                                                  \
	"NAPTR example.com 100 50 s SIP+D2U _sip._udp.example.com\n"

static const struct row rows[] = {
	/* Federated neighbours: one record, and no guess. */
	{ "a neighbour", { HOST("example.com"), TO(SIP_TLS), ALL, .is_federated = true },
		"SRV _sipfederationtls._tcp.example.com 0 0 5061 fe.example.com\n" FE_A,
		"SRV _sipfederationtls._tcp.example.com / A fe.example.com, AAAA fe.example.com", "TLS 192.0.2.7 5061 example.com" },
	{ "a neighbour that publishes nothing", { HOST("example.com"), TO(SIP_TLS), ALL, .is_federated = true },
		"SRV _sips._tcp.example.com 0 0 5061 fe.example.com\nA example.com 192.0.2.1\n" FE_A, "SRV _sipfederationtls._tcp.example.com",
		"dns.name.missing: SRV _sipfederationtls._tcp.example.com" },
	/* Numeric addresses: nothing is asked. */
	{ "[C4-04] numeric IPv4, nothing written: UDP 5060", { HOST("192.0.2.9"), ALL }, "", "", "UDP 192.0.2.9 5060" },
	{ "[C4-04] numeric IPv6 in brackets", { HOST("[2001:DB8::9]"), ALL }, "", "", "UDP 2001:db8::9 5060" },
	{ "[C4-04] numeric, transport wins", { HOST("192.0.2.9"), TO(SIP_TCP), ALL }, "", "", "TCP 192.0.2.9 5060" },
	{ "[C4-04] numeric, port kept", { HOST("192.0.2.9"), .port = 5080, ALL }, "", "", "UDP 192.0.2.9 5080" },
	{ "[C4-06] numeric over TLS: 5061, and a name that no certificate has", { HOST("192.0.2.9"), TO(SIP_TLS), ALL }, "", "",
		"TLS 192.0.2.9 5061 192.0.2.9" },
	{ "[C4-06] numeric over TLS with the name to check", { HOST("192.0.2.9"), TO(SIP_TLS), ALL, .tls_name = { "fe.example.com", 14 } }, "", "",
		"TLS 192.0.2.9 5061 fe.example.com" },
	{ "[C4-04] numeric, UDP not supported: TCP", { HOST("192.0.2.9"), NO_UDP }, "", "", "TCP 192.0.2.9 5060" },
	{ "[C4-04] numeric, sips: TLS", { HOST("192.0.2.9"), .is_sips = true, ALL }, "", "", "TLS 192.0.2.9 5061 192.0.2.9" },
	{ "RFC 6761 6.3 localhost is not asked for", { HOST("localhost"), .port = 5080, ALL }, "", "", "UDP 127.0.0.1 5080, UDP ::1 5080" },
	{ "RFC 6761 6.3 names below localhost", { HOST("a.LOCALHOST."), ALL, .families = SIP_IPV6_ONLY }, "", "", "UDP ::1 5060" },

	/* A port is written: addresses only. */
	{ "[C4-04] explicit port: A and AAAA only, UDP", { HOST("a.example"), .port = 5070, ALL },
		LATIN_A "SRV _sip._udp.a.example 0 0 5060 b.example\n", "A a.example, AAAA a.example", "UDP 192.0.2.1 5070, UDP 2001:db8::1 5070" },
	{ "[C4-04] explicit port and transport", { HOST("a.example"), .port = 5071, TO(SIP_TLS), ALL }, LATIN_A, "A a.example, AAAA a.example",
		"TLS 192.0.2.1 5071 a.example, TLS 2001:db8::1 5071 a.example" },
	{ "[C4-04] explicit port, sips: TLS", { HOST("a.example"), .port = 5071, .is_sips = true, ALL }, LATIN_A, "A a.example, AAAA a.example",
		"TLS 192.0.2.1 5071 a.example, TLS 2001:db8::1 5071 a.example" },

	/* The transport is written: its SRV. */
	{ "[C4-04] explicit transport: SRV of that one, no NAPTR", { HOST("example.com"), TO(SIP_TCP), ALL },
		NAPTR_3 "SRV _sip._tcp.example.com 0 0 5099 a.example\n" LATIN_A, "SRV _sip._tcp.example.com / A a.example, AAAA a.example",
		"TCP 192.0.2.1 5099, TCP 2001:db8::1 5099" },
	{ "[C4-04] explicit TLS: _sips._tcp", { HOST("example.com"), TO(SIP_TLS), ALL }, "SRV _sips._tcp.example.com 0 0 5061 fe.example.com\n" FE_A,
		"SRV _sips._tcp.example.com / A fe.example.com, AAAA fe.example.com", "TLS 192.0.2.7 5061 example.com" },
	{ "[C4-04] sips with transport=tcp is TLS", { HOST("example.com"), TO(SIP_TCP), .is_sips = true, ALL },
		"SRV _sips._tcp.example.com 0 0 5061 fe.example.com\n" FE_A, "SRV _sips._tcp.example.com / A fe.example.com, AAAA fe.example.com",
		"TLS 192.0.2.7 5061 example.com" },
	{ "[C4-04] explicit transport, no SRV: addresses, its default port", { HOST("example.com"), TO(SIP_TLS), ALL }, "A example.com 192.0.2.3\n",
		"SRV _sips._tcp.example.com / A example.com, AAAA example.com", "TLS 192.0.2.3 5061 example.com" },
	{ "[C4-04] explicit transport not supported", { HOST("example.com"), TO(SIP_TLS), UDP_TCP }, "", "", "refused -2" },
	{ "[C4-04] sips without TLS", { HOST("example.com"), .is_sips = true, UDP_TCP }, "", "", "refused -2" },
	{ "[C4-04] sips with transport=udp", { HOST("example.com"), TO(SIP_UDP), .is_sips = true, ALL }, "", "", "refused -2" },

	/* NAPTR. */
	{ "[C4-04] NAPTR: the lowest order wins", { HOST("example.com"), ALL }, NAPTR_3 "SRV _sips._tcp.example.com 0 0 5061 fe.example.com\n" FE_A,
		"NAPTR example.com / SRV _sips._tcp.example.com / A fe.example.com, AAAA "
		"fe.example.com",
		"TLS 192.0.2.7 5061 example.com" },
	{ "[C4-04] NAPTR: transports we lack are left out", { HOST("example.com"), UDP_TCP },
		NAPTR_3 "SRV _sip._tcp.example.com 0 0 5060 fe.example.com\n" FE_A,
		"NAPTR example.com / SRV _sip._tcp.example.com / A fe.example.com, AAAA "
		"fe.example.com",
		"TCP 192.0.2.7 5060" },
	{ "[C4-04] NAPTR: only UDP supported", { HOST("example.com"), ONLY(SIP_UDP) },
		NAPTR_3 "SRV _sip._udp.example.com 0 0 5060 fe.example.com\n" FE_A,
		"NAPTR example.com / SRV _sip._udp.example.com / A fe.example.com, AAAA "
		"fe.example.com",
		"UDP 192.0.2.7 5060" },
	{ "[C4-04] NAPTR: sips keeps the SIPS ones", { HOST("example.com"), .is_sips = true, ALL },
		"NAPTR example.com 10 50 s SIP+D2T _sip._tcp.example.com\n"
		"NAPTR example.com 20 50 s SIPS+D2T _sips._tcp.example.com\n"
		"SRV _sips._tcp.example.com 0 0 5061 fe.example.com\n" FE_A,
		"NAPTR example.com / SRV _sips._tcp.example.com / A fe.example.com, AAAA "
		"fe.example.com",
		"TLS 192.0.2.7 5061 example.com" },
	{ "[C4-04] NAPTR: preference inside one order, all of that order", { HOST("example.com"), ALL },
		"NAPTR example.com 10 20 s SIP+D2U _sip._udp.example.com\n"
		"NAPTR example.com 10 10 s SIP+D2T _sip._tcp.example.com\n"
		"NAPTR example.com 11 1 s SIPS+D2T _sips._tcp.example.com\n"
		"SRV _sip._udp.example.com 0 0 5060 fe.example.com\n"
		"SRV _sip._tcp.example.com 0 0 5060 fe.example.com\n" FE_A,
		"NAPTR example.com / SRV _sip._tcp.example.com, SRV _sip._udp.example.com / A "
		"fe.example.com, "
		"AAAA fe.example.com",
		"TCP 192.0.2.7 5060, UDP 192.0.2.7 5060" },
	{ "[C4-04] NAPTR: case of flag and service does not matter", { HOST("Example.COM"), ALL },
		"NAPTR example.com 10 20 S sip+d2t _SIP._tcp.Other.Example.\n"
		"SRV _sip._tcp.other.example 0 0 5062 FE.Example.com\n" FE_A,
		"NAPTR example.com / SRV _sip._tcp.other.example / A fe.example.com, AAAA "
		"fe.example.com",
		"TCP 192.0.2.7 5062" },
	{ "[C4-04] NAPTR: other services, flags and regular expressions are nothing", { HOST("example.com"), ALL },
		"NAPTR example.com 1 1 u E2U+sip . !^.*$!sip:x@evil.example!\n"
		"NAPTR example.com 2 1 s SIP+D2S _sip._sctp.example.com\n"
		"NAPTR example.com 3 1 a SIP+D2U evil.example\n"
		"NAPTR example.com 4 1 s SIP+D2U evil.example !^.*$!x!\n"
		"NAPTR example.com 5 1 s SIP+D2U .\n"
		"NAPTR example.com 9 1 s SIP+D2U _sip._udp.example.com\n"
		"SRV _sip._udp.example.com 0 0 5060 fe.example.com\n" FE_A,
		"NAPTR example.com / SRV _sip._udp.example.com / A fe.example.com, AAAA "
		"fe.example.com",
		"UDP 192.0.2.7 5060" },
	{ "[C4-04] NAPTR of no use counts as none", { HOST("example.com"), ONLY(SIP_TCP) },
		"NAPTR example.com 1 1 s SIP+D2U _sip._udp.example.com\n"
		"SRV _sip._tcp.example.com 0 0 5060 fe.example.com\n" FE_A,
		"NAPTR example.com / SRV _sip._tcp.example.com / A fe.example.com, AAAA "
		"fe.example.com",
		"TCP 192.0.2.7 5060" },
	{ "[C4-04] NAPTR without its SRV: addresses of the host with that transport", { HOST("example.com"), ALL },
		"NAPTR example.com 1 1 s SIP+D2T _sip._tcp.example.com\nA example.com 192.0.2.3\n",
		"NAPTR example.com / SRV _sip._tcp.example.com / A example.com, AAAA example.com", "TCP 192.0.2.3 5060" },
	{ "[C4-06] NAPTR and SRV lead elsewhere: the name checked stays", { HOST("example.com"), ALL },
		"NAPTR example.com 1 1 s SIPS+D2T _sips._tcp.hoster.example\n"
		"SRV _sips._tcp.hoster.example 0 0 5061 a.example\n" LATIN_A,
		"NAPTR example.com / SRV _sips._tcp.hoster.example / A a.example, AAAA a.example",
		"TLS 192.0.2.1 5061 example.com, TLS 2001:db8::1 5061 example.com" },
	{ "a NAPTR question that fails is not an empty answer: SERVFAIL", { HOST("example.com"), ALL },
		"SERVFAIL NAPTR example.com\nA example.com 192.0.2.3\n", "NAPTR example.com", "dns.bogus: NAPTR example.com" },
	{ "a NAPTR question that fails is not an empty answer: silence", { HOST("example.com"), ALL },
		"TIMEOUT NAPTR example.com\nA example.com 192.0.2.3\n", "NAPTR example.com", "dns.timeout: NAPTR example.com" },

	/* No NAPTR: SRV for each transport. */
	{ "[C4-04] no NAPTR: SRV of each, the one we like best, no other", { HOST("example.com"), ALL },
		"SRV _sips._tcp.example.com 0 0 5061 fe.example.com\n"
		"SRV _sip._udp.example.com 0 0 5060 a.example\n" FE_A LATIN_A,
		"NAPTR example.com / " ASK_SRVS " / A fe.example.com, AAAA fe.example.com", "TLS 192.0.2.7 5061 example.com" },
	{ "[C4-04] no NAPTR: the order is the caller's", { HOST("example.com"), TCP_TLS },
		"SRV _sips._tcp.example.com 0 0 5061 fe.example.com\n"
		"SRV _sip._tcp.example.com 0 0 5060 fe.example.com\n" FE_A,
		"NAPTR example.com / SRV _sip._tcp.example.com, SRV _sips._tcp.example.com / A "
		"fe.example.com, "
		"AAAA fe.example.com",
		"TCP 192.0.2.7 5060" },
	{ "[C4-04] no NAPTR, sips: _sips._tcp alone", { HOST("example.com"), .is_sips = true, ALL },
		"SRV _sips._tcp.example.com 0 0 5061 fe.example.com\n" FE_A,
		"NAPTR example.com / SRV _sips._tcp.example.com / A fe.example.com, AAAA "
		"fe.example.com",
		"TLS 192.0.2.7 5061 example.com" },
	{ "[C4-04] no NAPTR, no SRV: addresses, UDP 5060", { HOST("example.com"), ALL }, "A example.com 192.0.2.3\n",
		"NAPTR example.com / " ASK_SRVS " / A example.com, AAAA example.com", "UDP 192.0.2.3 5060" },
	{ "[C4-04] no NAPTR, no SRV, sips: TLS 5061", { HOST("example.com"), .is_sips = true, ALL }, "A example.com 192.0.2.3\n",
		"NAPTR example.com / SRV _sips._tcp.example.com / A example.com, AAAA example.com", "TLS 192.0.2.3 5061 example.com" },
	{ "[C4-04] no NAPTR, no SRV, no UDP: TCP 5060", { HOST("example.com"), NO_UDP }, "A example.com 192.0.2.3\n",
		"NAPTR example.com / SRV _sips._tcp.example.com, SRV _sip._tcp.example.com / A "
		"example.com, "
		"AAAA example.com",
		"TCP 192.0.2.3 5060" },
	{ "a failed question about a better transport is not passed over", { HOST("example.com"), ALL },
		"TIMEOUT SRV _sips._tcp.example.com\nSRV _sip._udp.example.com 0 0 5060 "
		"fe.example.com\n" FE_A,
		"NAPTR example.com / " ASK_SRVS, "dns.timeout: SRV _sips._tcp.example.com" },
	{ "a failed question about a worse transport does not matter", { HOST("example.com"), ALL },
		"SERVFAIL SRV _sip._udp.example.com\nSRV _sip._tcp.example.com 0 0 5060 "
		"fe.example.com\n" FE_A,
		"NAPTR example.com / " ASK_SRVS " / A fe.example.com, AAAA fe.example.com", "TCP 192.0.2.7 5060" },
	{ "a failed SRV question is not an empty answer", { HOST("example.com"), TO(SIP_UDP), ALL },
		"SERVFAIL SRV _sip._udp.example.com\nA example.com 192.0.2.3\n", "SRV _sip._udp.example.com",
		"dns.bogus: SRV _sip._udp.example.com" },

	/* SRV. */
	{ "RFC 2782 target '.': no addresses of the host instead", { HOST("example.com"), TO(SIP_TCP), ALL },
		"SRV _sip._tcp.example.com 0 0 0 .\nA example.com 192.0.2.3\n", "SRV _sip._tcp.example.com",
		"dns.srv.refused: SRV _sip._tcp.example.com" },
	{ "RFC 2782 target '.' of one transport leaves the others", { HOST("example.com"), ALL },
		"SRV _sips._tcp.example.com 0 0 0 .\nSRV _sip._tcp.example.com 0 0 5060 "
		"fe.example.com\n" FE_A,
		"NAPTR example.com / " ASK_SRVS " / A fe.example.com, AAAA fe.example.com", "TCP 192.0.2.7 5060" },
	{ "RFC 2782 target '.' and nothing else: not UDP by guess", { HOST("example.com"), ALL },
		"SRV _sip._udp.example.com 0 0 0 .\nA example.com 192.0.2.3\n", "NAPTR example.com / " ASK_SRVS,
		"dns.srv.refused: SRV _sip._udp.example.com" },
	{ "RFC 2782 priorities, all addresses of a target first", { HOST("example.com"), TO(SIP_TCP), ALL },
		"SRV _sip._tcp.example.com 20 0 5062 fe.example.com\n"
		"SRV _sip._tcp.example.com 10 0 5061 a.example\n" FE_A LATIN_A,
		"SRV _sip._tcp.example.com / A a.example, AAAA a.example, A fe.example.com, AAAA "
		"fe.example.com",
		"TCP 192.0.2.1 5061, TCP 2001:db8::1 5061, TCP 192.0.2.7 5062" },
	{ "two ports of one host: asked once", { HOST("example.com"), TO(SIP_TCP), ALL },
		"SRV _sip._tcp.example.com 10 0 5061 fe.example.com\n"
		"SRV _sip._tcp.example.com 20 0 5062 fe.example.com.\n" FE_A,
		"SRV _sip._tcp.example.com / A fe.example.com, AAAA fe.example.com", "TCP 192.0.2.7 5061, TCP 192.0.2.7 5062" },
	{ "two names of one place: tried once", { HOST("example.com"), TO(SIP_TCP), ALL },
		"SRV _sip._tcp.example.com 10 0 5060 fe.example.com\n"
		"SRV _sip._tcp.example.com 20 0 5060 b.example\n" FE_A "A b.example 192.0.2.7\n",
		"SRV _sip._tcp.example.com / A fe.example.com, AAAA fe.example.com, A b.example, "
		"AAAA b.example",
		"TCP 192.0.2.7 5060" },
	{ "a target without address is passed over", { HOST("example.com"), TO(SIP_TCP), ALL },
		"SRV _sip._tcp.example.com 10 0 5060 gone.example\n"
		"SRV _sip._tcp.example.com 20 0 5060 fe.example.com\n" FE_A,
		"SRV _sip._tcp.example.com / A gone.example, AAAA gone.example, A fe.example.com, "
		"AAAA "
		"fe.example.com",
		"TCP 192.0.2.7 5060" },
	{ "port 0 and names that are none are no targets", { HOST("example.com"), TO(SIP_TCP), ALL },
		"SRV _sip._tcp.example.com 10 0 0 fe.example.com\n"
		"SRV _sip._tcp.example.com 10 0 5060 a..b\n"
		"SRV _sip._tcp.example.com 20 0 5060 fe.example.com\n" FE_A,
		"SRV _sip._tcp.example.com / A fe.example.com, AAAA fe.example.com", "TCP 192.0.2.7 5060" },
	{ "SRV answered: never the host's own address instead", { HOST("example.com"), TO(SIP_TCP), ALL },
		"SRV _sip._tcp.example.com 10 0 5060 gone.example\nA example.com 192.0.2.3\n",
		"SRV _sip._tcp.example.com / A gone.example, AAAA gone.example", "dns.name.missing: A, AAAA gone.example" },

	/* Addresses. */
	{ "[C4-07] both families, IPv6 first", { HOST("a.example"), .port = 5060, ALL, .families = SIP_IPV6_FIRST }, LATIN_A,
		"A a.example, AAAA a.example", "UDP 2001:db8::1 5060, UDP 192.0.2.1 5060" },
	{ "[C4-07] IPv4 only", { HOST("a.example"), .port = 5060, ALL, .families = SIP_IPV4_ONLY }, LATIN_A, "A a.example", "UDP 192.0.2.1 5060" },
	{ "[C4-07] IPv6 only", { HOST("a.example"), .port = 5060, ALL, .families = SIP_IPV6_ONLY }, LATIN_A, "AAAA a.example",
		"UDP 2001:db8::1 5060" },
	{ "one family fails, the other answers", { HOST("fe.example.com"), .port = 5060, ALL }, FE_A "SERVFAIL AAAA fe.example.com\n",
		"A fe.example.com, AAAA fe.example.com", "UDP 192.0.2.7 5060" },
	{ "no address at all", { HOST("nobody.example"), .port = 5060, ALL }, "", "A nobody.example, AAAA nobody.example",
		"dns.name.missing: A, AAAA nobody.example" },
	{ "SERVFAIL and nothing", { HOST("nobody.example"), .port = 5060, ALL }, "SERVFAIL A nobody.example\n",
		"A nobody.example, AAAA nobody.example", "dns.bogus: A, AAAA nobody.example" },
	{ "silence says more than SERVFAIL", { HOST("nobody.example"), .port = 5060, ALL },
		"SERVFAIL A nobody.example\nTIMEOUT AAAA nobody.example\n", "A nobody.example, AAAA nobody.example",
		"dns.timeout: A, AAAA nobody.example" },

	/* Queries that are none. */
	{ "no host", { HOST(""), ALL }, "", "", "refused -2" },
	{ "not a name", { HOST("a b.example"), ALL }, "", "", "refused -2" },
	{ "a NUL byte", { HOST("a.example\0.evil"), ALL }, "", "", "refused -2" },
	{ "no transport supported", { HOST("a.example") }, "", "", "refused -2" },
};

static void rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		for (int backwards = 0; backwards < 2; backwards++) {
			struct run run;
			locate(&rows[i].query, rows[i].zone, backwards, &run);
			if (strcmp(run.asked, rows[i].asked) != 0) {
				fail_msg("row \"%s\"%s: asked\n  %s\nnot\n  %s", rows[i].rule, backwards ? ", answered backwards" : "", run.asked,
					rows[i].asked);
			}
			if (strcmp(run.got, rows[i].want) != 0) {
				fail_msg("row \"%s\"%s: found\n  %s\nnot\n  %s", rows[i].rule, backwards ? ", answered backwards" : "", run.got,
					rows[i].want);
			}
		}
	}
}

/* How long a result may be used: the lowest TTL; a failure is not kept. */
static void time_to_live(void **state)
{
	struct run run;
	struct sip_locate_query q = { HOST("a.example"), .port = 5060, ALL };
	(void)state;
	locate(&q, LATIN_A, false, &run);
	assert_int_equal(run.ttl_s, 300);
	locate(&q, "A a.example 192.0.2.1\n", false, &run);
	assert_int_equal(run.ttl_s, 60);
	locate(&q, "", false, &run);
	assert_int_equal(run.ttl_s, 60);
	locate(&q, "TIMEOUT A a.example\n", false, &run);
	assert_int_equal(run.ttl_s, XFED_DNS_TTL_MIN_S);
}

static void a_name_as_long_as_can_be(void **state)
{
	char host[300] = "", zone[400];
	struct run run;
	(void)state;
	for (int i = 0; i < 50; i++) {
		strcat(host, "aaaa.");
	}
	strcat(host, "com");
	snprintf(zone, sizeof(zone), "A %s 192.0.2.3\n", host);
	struct sip_locate_query q = { .host = { host, 253 }, TO(SIP_TLS), ALL };
	locate(&q, zone, false, &run);
	/* No room for _sips._tcp: there cannot be an SRV record. */
	assert_null(strstr(run.asked, "SRV"));
	assert_int_equal(run.results, 1);
	strcat(host, "x");
	q.host.len = 254;
	locate(&q, zone, false, &run);
	assert_string_equal(run.got, "refused -2");
}

/* A peer's zone decides how much there is, and limits.h how much of it is used. */
static void bounds(void **state)
{
	static char zone[64 * 1024];
	struct run run;
	(void)state;
	for (int i = 0; i < 20; i++) {
		add_text(zone, sizeof(zone), "NAPTR example.com 10 %d s SIP+D2T _sip._tcp.n%d.example\n", i, i);
	}
	for (int n = 0; n < XFED_SIP_LOCATE_NAPTRS; n++) {
		for (int i = 0; i < XFED_DNS_RECORDS_MAX; i++) {
			add_text(zone, sizeof(zone), "SRV _sip._tcp.n%d.example %d 0 5060 h%d.example\n", n, i, i % 30);
		}
	}
	for (int i = 0; i < 20; i++) {
		for (int k = 0; k < 20; k++) {
			add_text(zone, sizeof(zone), "A h%d.example 10.0.%d.%d\n", i, i, k);
		}
	}
	struct sip_locate_query q = { HOST("example.com"), ALL };
	locate(&q, zone, false, &run);
	assert_int_equal(run.questions, 1 + XFED_SIP_LOCATE_NAPTRS + 2 * XFED_SIP_LOCATE_TARGETS);
	assert_int_equal(run.results, XFED_SIP_LOCATE_RESULTS);
	/* Of each target so few that others have their turn. */
	assert_non_null(strstr(run.got, "10.0.3.7 5060"));
	assert_null(strstr(run.got, "10.0.0.8 5060"));
}

static void questions_that_are_none(void **state)
{
	struct sip_locate_query q = { HOST("a.example"), .port = 5060, ALL };
	struct sip_locate_action act;
	struct sip_locate *l;
	(void)state;
	assert_int_equal(sip_locate_new(&q, &env, &l), XFED_OK);
	while (sip_locate_next(l, &act)) {
	}
	assert_int_equal(sip_locate_answer(l, 0, NULL, XFED_REASON_DNS_TIMEOUT), XFED_ERR_NOT_FOUND);
	assert_int_equal(sip_locate_answer(l, 3, NULL, XFED_REASON_DNS_TIMEOUT), XFED_ERR_NOT_FOUND);
	assert_null(sip_locate_result(l));
	sip_locate_free(l);
	sip_locate_free(NULL);
}

/* ---- the places in turn ---- */

struct attempt {
	enum sip_attempt_end end;
	int status;
	bool was_written, goes_on;
};

static const struct {
	const char *rule;
	struct attempt attempts[4];
	size_t count;
	unsigned last; /* number of the place at the end */
} turns[] = {
	{ "[C4-05] 503: the next", { { SIP_ATTEMPT_RESPONSE, 503, true, true } }, 1, 1 },
	{ "[C4-05] no connection: the next", { { SIP_ATTEMPT_ERROR, 0, false, true } }, 1, 1 },
	{ "[C2-06] a connection lost with the request written ends it", { { SIP_ATTEMPT_ERROR, 0, true, false } }, 1, 0 },
	{ "[C2-06] Timer F ends it", { { SIP_ATTEMPT_TIMEOUT, 0, true, false } }, 1, 0 },
	{ "[C2-06] Timer F ends it, even where nothing was written", { { SIP_ATTEMPT_TIMEOUT, 0, false, false } }, 1, 0 },
	{ "200 ends it", { { SIP_ATTEMPT_RESPONSE, 200, true, false } }, 1, 0 },
	{ "500 ends it", { { SIP_ATTEMPT_RESPONSE, 500, true, false } }, 1, 0 },
	{ "504 ends it", { { SIP_ATTEMPT_RESPONSE, 504, true, false } }, 1, 0 },
	{ "the places run out",
		{ { SIP_ATTEMPT_RESPONSE, 503, true, true }, { SIP_ATTEMPT_ERROR, 0, false, true }, { SIP_ATTEMPT_RESPONSE, 503, true, false },
			{ SIP_ATTEMPT_ERROR, 0, false, false } },
		4, 2 },
};

static struct sip_failed_places nothing_failed;

static void places_in_turn(void **state)
{
	static const struct sip_location list[] = {
		{ SIP_TLS, false, { 192, 0, 2, 1 }, 5061, "example.com" },
		{ SIP_TLS, false, { 192, 0, 2, 2 }, 5061, "example.com" },
		{ SIP_TCP, false, { 192, 0, 2, 3 }, 5060, "" },
	};
	static const struct sip_locations found = { .list = list, .count = XFED_ARRAY_LEN(list) };
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(turns); i++) {
		struct sip_failover *f;
		assert_int_equal(sip_failover_new(&found, &nothing_failed, 0, &f), XFED_OK);
		assert_int_equal(sip_failover_number(f), 0);
		for (size_t k = 0; k < turns[i].count; k++) {
			const struct attempt *a = &turns[i].attempts[k];
			if (sip_failover_next(f, a->end, a->status, a->was_written) != a->goes_on) {
				fail_msg("row \"%s\", attempt %zu: %s", turns[i].rule, k, a->goes_on ? "ends" : "goes on");
			}
		}
		if (sip_failover_number(f) != turns[i].last) {
			fail_msg("row \"%s\": at place %u", turns[i].rule, sip_failover_number(f));
		}
		const struct sip_location *w = sip_failover_place(f);
		assert_memory_equal(w->address, list[turns[i].last].address, 16);
		assert_int_equal(w->transport, list[turns[i].last].transport);
		assert_string_equal(w->tls_name, list[turns[i].last].tls_name);
		sip_failover_free(f);
	}
	sip_failover_free(NULL);
}

/* [C4-05] The list outlives what it was made from. */
static void places_are_kept(void **state)
{
	struct sip_locate_query q = { HOST("192.0.2.9"), TO(SIP_TLS), ALL, .tls_name = { "fe.example.com", 14 } };
	struct sip_locate *l;
	struct sip_locate_action act;
	struct sip_failover *f;
	(void)state;
	assert_int_equal(sip_locate_new(&q, &env, &l), XFED_OK);
	assert_true(sip_locate_next(l, &act));
	assert_int_equal(sip_failover_new(sip_locate_result(l), &nothing_failed, 0, &f), XFED_OK);
	sip_locate_free(l);
	assert_string_equal(sip_failover_place(f)->tls_name, "fe.example.com");
	assert_false(sip_failover_next(f, SIP_ATTEMPT_RESPONSE, 503, true));
	sip_failover_free(f);
}

/* The order in which one request at `now_ms` would try them: the last digits of the addresses, with their numbers. */
static const char *order_at(const struct sip_locations *found, struct sip_failed_places *failed, uint64_t now_ms)
{
	static char out[64];
	struct sip_failover *f;
	size_t used = 0;
	assert_int_equal(sip_failover_new(found, failed, now_ms, &f), XFED_OK);
	do {
		used += (size_t)snprintf(
			out + used, sizeof(out) - used, "%s%u/%u", used ? " " : "", sip_failover_place(f)->address[3], sip_failover_number(f));
	} while (sip_failover_next(f, SIP_ATTEMPT_ERROR, 0, false));
	sip_failover_free(f);
	return out;
}

/* A place that could not be connected to is not what the next request begins with. */
static void failed_places_come_last(void **state)
{
	static const struct sip_location list[] = {
		{ SIP_TLS, false, { 192, 0, 2, 1 }, 5061, "example.com" },
		{ SIP_TLS, false, { 192, 0, 2, 2 }, 5061, "example.com" },
		{ SIP_TLS, false, { 192, 0, 2, 3 }, 5061, "example.com" },
	};
	static const struct sip_locations found = { .list = list, .count = XFED_ARRAY_LEN(list) };
	static const struct sip_location other = { SIP_TLS, false, { 192, 0, 2, 2 }, 5062, "" };
	struct sip_failed_places failed = { .count = 0 };
	(void)state;
	sip_failed_add(&failed, &other, 1000); /* another port: another place */
	sip_failed_add(&failed, &list[0], 1000);
	assert_string_equal(order_at(&found, &failed, 2000), "2/1 3/2 1/0");
	sip_failed_add(&failed, &list[1], 2000);
	assert_string_equal(order_at(&found, &failed, 2000), "3/2 1/0 2/1");
	sip_failed_add(&failed, &list[2], 2000); /* all of them: in order again */
	assert_string_equal(order_at(&found, &failed, 3000), "1/0 2/1 3/2");
	sip_failed_remove(&failed, &list[2]); /* it has answered */
	assert_string_equal(order_at(&found, &failed, 3000), "3/2 1/0 2/1");
	/* Its time has passed: one request tries it, those behind do not wait for that. */
	assert_string_equal(order_at(&found, &failed, 1000 + XFED_SIP_FAILED_MS - 1), "3/2 1/0 2/1");
	assert_string_equal(order_at(&found, &failed, 1000 + XFED_SIP_FAILED_MS), "1/0 3/2 2/1");
	assert_string_equal(order_at(&found, &failed, 1000 + XFED_SIP_FAILED_MS), "3/2 1/0 2/1");
	sip_failed_remove(&failed, &list[0]);
	sip_failed_remove(&failed, &list[1]);
	assert_string_equal(order_at(&found, &failed, 40000), "1/0 2/1 3/2");
}

static void failed_places_are_bounded(void **state)
{
	struct sip_failed_places failed = { .count = 0 };
	struct sip_location where = { SIP_TCP, false, { 192, 0, 2, 0 }, 5060, "" };
	struct sip_locations found = { .list = &where, .count = 1 };
	(void)state;
	for (unsigned i = 0; i < 2 * XFED_SIP_LOCATE_RESULTS; i++) {
		where.address[3] = (uint8_t)i;
		sip_failed_add(&failed, &where, i);
	}
	assert_int_equal(failed.count, XFED_SIP_LOCATE_RESULTS);
	for (unsigned i = 0; i < failed.count; i++) {
		assert_true(failed.list[i].until_ms >= XFED_SIP_LOCATE_RESULTS + XFED_SIP_FAILED_MS);
	}
	assert_string_equal(order_at(&found, &failed, 0), "63/0");
}

static void no_memory(void **state)
{
	struct sip_locate_query q = { HOST("192.0.2.9"), ALL };
	struct sip_location place = { .tls_name = "" };
	struct sip_locations found = { .list = &place, .count = 1 };
	struct sip_locate *l;
	struct sip_failover *f;
	(void)state;
	xfed_mem_set_hooks(&failing_hooks);
	failing_held = 0;
	failing_arm(0);
	assert_int_equal(sip_locate_new(&q, &env, &l), XFED_ERR_NOMEM);
	assert_null(l);
	failing_arm(0);
	assert_int_equal(sip_failover_new(&found, &nothing_failed, 0, &f), XFED_ERR_NOMEM);
	assert_null(f);
	failing_arm(-1);
	assert_int_equal(failing_held, 0);
	xfed_mem_set_hooks(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules),
		cmocka_unit_test(time_to_live),
		cmocka_unit_test(a_name_as_long_as_can_be),
		cmocka_unit_test(bounds),
		cmocka_unit_test(questions_that_are_none),
		cmocka_unit_test(places_in_turn),
		cmocka_unit_test(places_are_kept),
		cmocka_unit_test(failed_places_come_last),
		cmocka_unit_test(failed_places_are_bounded),
		cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
