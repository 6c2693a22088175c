/*
 * Questions and replies: RFC 1035, 0x20, CNAME chains, what a hostile or broken server may send ([A1-01], [A1-02]).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "build.h"
#include "xfed/dns.h"
#include "xfed/limits.h"

static uint64_t seed = 0x9e3779b97f4a7c15ULL;

static void test_random(void *user, void *out, size_t len)
{
	uint8_t *p = out;
	(void)user;
	for (size_t i = 0; i < len; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		p[i] = (uint8_t)(seed >> 24);
	}
}

static const struct xfed_env env = { .random = test_random };

static size_t ask(const char *name, enum xfed_dns_type type, uint8_t out[512])
{
	size_t len = 0;
	assert_int_equal(xfed_dns_query(&env, xfed_span_str(name), type, 0x1234, out, 512, &len), XFED_OK);
	return len;
}

/* ---- questions ---- */

static void query_is_well_formed(void **state)
{
	uint8_t q[512];
	char name[256];
	(void)state;
	size_t len = ask("_xmpp-server._tcp.Partner.Example.", XFED_DNS_SRV, q);
	assert_int_equal(dns_question(q, len, name), 33);
	assert_string_equal(name, "_xmpp-server._tcp.partner.example");
	assert_int_equal(q[0] << 8 | q[1], 0x1234);
	assert_int_equal(q[2] << 8 | q[3], 0x0120); /* RD and AD, nothing else */
	assert_int_equal(q[5], 1);
	assert_int_equal(q[11], 1); /* one OPT */
	const uint8_t *opt = q + len - 11;
	assert_int_equal(opt[0], 0);
	assert_int_equal(opt[1] << 8 | opt[2], 41);
	assert_int_equal(opt[3] << 8 | opt[4], XFED_DNS_EDNS_BYTES);
}

static void query_case_varies(void **state)
{
	uint8_t a[512], b[512];
	unsigned upper = 0, lower = 0;
	(void)state;
	size_t len = ask("abcdefghijklmnopqrstuvwxyz.example", XFED_DNS_A, a);
	assert_int_equal(ask("abcdefghijklmnopqrstuvwxyz.example", XFED_DNS_A, b), len);
	assert_memory_not_equal(a, b, len);
	for (size_t i = 13; i < 13 + 26; i++) {
		upper += a[i] >= 'A' && a[i] <= 'Z';
		lower += a[i] >= 'a' && a[i] <= 'z';
	}
	assert_int_equal(upper + lower, 26);
	assert_true(upper >= 3 && lower >= 3);
}

static void query_refuses_what_is_no_name(void **state)
{
	static const struct {
		const char *row, *name;
	} rows[] = {
		{ "empty", "" },
		{ "root", "." },
		{ "empty label", "a..b" },
		{ "leading dot", ".a" },
		{ "two dots at the end", "a.." },
		{ "blank", "a b.example" },
		{ "escape", "a\\.b.example" },
		{ "zero by escape", "a\\000.example" },
		{ "not ASCII", "b\xc3\xbc"
			       "cher.example" },
		{ "at sign", "a@example" },
		{ "label of 64", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example" },
	};
	uint8_t q[512];
	size_t len;
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (xfed_dns_query(&env, xfed_span_str(rows[i].name), XFED_DNS_A, 1, q, sizeof(q), &len) != XFED_ERR_INVALID) {
			fail_msg("row \"%s\" was accepted", rows[i].row);
		}
	}
	char longest[255];
	memset(longest, 'a', 254);
	longest[63] = longest[127] = longest[191] = '.';
	longest[254] = '\0';
	assert_int_equal(xfed_dns_query(&env, xfed_span_str(longest), XFED_DNS_A, 1, q, sizeof(q), &len), XFED_ERR_INVALID);
	assert_int_equal(xfed_dns_query(&env, xfed_span_make(longest, 253), XFED_DNS_A, 1, q, sizeof(q), &len), XFED_OK);
	assert_int_equal(xfed_dns_query(&env, XFED_SPAN("a.example"), XFED_DNS_A, 1, q, 20, &len), XFED_ERR_LIMIT);
}

/* ---- replies ---- */

static struct dns_msg msg;

struct reply_row {
	const char *row;
	const char *name;
	enum xfed_dns_type type;
	void (*build)(struct dns_msg *m);
	enum xfed_dns_status status;
	size_t count;
	bool nxdomain;
	uint32_t ttl_s;
};

static void nothing(struct dns_msg *m)
{
	(void)m;
}
static void one_a(struct dns_msg *m)
{
	dns_a(m, "host.example", 300, "192.0.2.1");
}
static void owner_in_other_case(struct dns_msg *m)
{
	dns_a(m, "HOST.Example", 300, "192.0.2.1");
}
static void ttl_too_low(struct dns_msg *m)
{
	dns_a(m, "host.example", 0, "192.0.2.1");
}
static void ttl_too_high(struct dns_msg *m)
{
	dns_a(m, "host.example", 604800, "192.0.2.1");
}
static void ttl_negative(struct dns_msg *m)
{
	dns_a(m, "host.example", 0x80000001u, "192.0.2.1");
}
static void off_chain(struct dns_msg *m)
{
	dns_a(m, "other.example", 300, "192.0.2.66");
	dns_a(m, "host.example", 300, "192.0.2.1");
	dns_add(m, DNS_ADDITIONAL, "host.example", 1, 300, "\xc0\x00\x02\x42", 4);
}
static void only_off_chain(struct dns_msg *m)
{
	dns_a(m, "other.example", 300, "192.0.2.66");
}
static void wrong_type(struct dns_msg *m)
{
	dns_aaaa(m, "host.example", 300, "2001:db8::1");
}
static void wrong_class(struct dns_msg *m)
{
	one_a(m);
	m->b[m->len - 11] = 3; /* CHAOS */
}
static void cname_chain(struct dns_msg *m)
{
	dns_a(m, "c.example", 200, "192.0.2.1");
	dns_cname(m, "b.example", 100, "c.example");
	dns_cname(m, "host.example", 300, "B.EXAMPLE");
}
static void cname_without_end(struct dns_msg *m)
{
	dns_cname(m, "host.example", 300, "b.example");
	dns_soa(m, "example", 600, 60);
}
static void cname_loop(struct dns_msg *m)
{
	dns_cname(m, "host.example", 300, "b.example");
	dns_cname(m, "b.example", 300, "host.example");
}
static void cname_to_itself(struct dns_msg *m)
{
	dns_cname(m, "host.example", 300, "host.example");
	one_a(m);
}
static void cnames(struct dns_msg *m, unsigned n)
{
	char from[32] = "host.example", to[32];
	for (unsigned i = 0; i < n; i++) {
		snprintf(to, sizeof(to), "n%u.example", i);
		dns_cname(m, from, 300, to);
		memcpy(from, to, sizeof(from));
	}
	dns_a(m, from, 300, "192.0.2.1");
}
static void cnames_at_limit(struct dns_msg *m)
{
	cnames(m, XFED_DNS_CNAMES_MAX);
}
static void cnames_above_limit(struct dns_msg *m)
{
	cnames(m, XFED_DNS_CNAMES_MAX + 1);
}
static void negative(struct dns_msg *m)
{
	dns_soa(m, "example", 600, 60);
}
static void nxdomain(struct dns_msg *m)
{
	m->b[3] = (uint8_t)(m->b[3] | 3);
	dns_soa(m, "example", 30, 900);
}
static void servfail(struct dns_msg *m)
{
	m->b[3] = (uint8_t)(m->b[3] | 2);
}
static void refused(struct dns_msg *m)
{
	m->b[3] = (uint8_t)(m->b[3] | 5);
	one_a(m);
}
static void truncated(struct dns_msg *m)
{
	one_a(m);
	dns_flags(m, DNS_FLAG_TC);
}
static void many(struct dns_msg *m)
{
	for (unsigned i = 0; i < XFED_DNS_RECORDS_MAX + 5; i++) {
		one_a(m);
	}
}
static void too_many(struct dns_msg *m)
{
	for (unsigned i = 0; i < 600; i++) {
		one_a(m);
	}
}
static void count_lies(struct dns_msg *m)
{
	one_a(m);
	m->b[7] = 2;
}
static void cut_off(struct dns_msg *m)
{
	one_a(m);
	m->len -= 2;
}
static void wrong_id(struct dns_msg *m)
{
	one_a(m);
	m->b[0] ^= 1;
}
static void wrong_case(struct dns_msg *m)
{
	one_a(m);
	m->b[13] ^= 0x20;
}
static void wrong_name(struct dns_msg *m)
{
	one_a(m);
	m->b[13] = 'x';
}
static void wrong_question_type(struct dns_msg *m)
{
	one_a(m);
	m->b[12 + 14 + 1] = 28;
}
static void no_question(struct dns_msg *m)
{
	m->b[5] = 0;
}
static void two_questions(struct dns_msg *m)
{
	m->b[5] = 2;
}
static void not_a_reply(struct dns_msg *m)
{
	one_a(m);
	m->b[2] &= 0x7f;
}
static void an_update(struct dns_msg *m)
{
	one_a(m);
	m->b[2] |= 0x28;
}
static void compressed_question(struct dns_msg *m)
{
	one_a(m);
	m->b[12] = 0xc0;
}
static void header_only(struct dns_msg *m)
{
	m->len = 12;
}
static void empty(struct dns_msg *m)
{
	m->len = 0;
}
static void srv_pair(struct dns_msg *m)
{
	dns_srv(m, "_s._tcp.example", 300, 10, 20, 5269, "XMPP.Example");
	dns_srv(m, "_s._tcp.example", 300, 20, 0, 5270, ".");
}
static void srv_bad_target(struct dns_msg *m)
{
	dns_srv(m, "_s._tcp.example", 300, 10, 20, 5269, "x y.example");
}
static void srv_short(struct dns_msg *m)
{
	dns_add(m, DNS_ANSWER, "_s._tcp.example", 33, 300, "\0\1\0\1\0", 5);
}
static void srv_one_bad(struct dns_msg *m)
{
	srv_bad_target(m);
	dns_srv(m, "_s._tcp.example", 300, 20, 20, 5269, "good.example");
}

#define H "host.example"
#define S "_s._tcp.example"
#define A XFED_DNS_A
static const struct reply_row reply_rows[] = {
	{ "one address", H, A, one_a, XFED_DNS_OK, 1, false, 300 },
	{ "owner in other case", H, A, owner_in_other_case, XFED_DNS_OK, 1, false, 300 },
	{ "ttl 0", H, A, ttl_too_low, XFED_DNS_OK, 1, false, XFED_DNS_TTL_MIN_S },
	{ "ttl of a week", H, A, ttl_too_high, XFED_DNS_OK, 1, false, XFED_DNS_TTL_MAX_S },
	{ "ttl above 2^31, RFC 2181 section 8", H, A, ttl_negative, XFED_DNS_OK, 1, false, XFED_DNS_TTL_MIN_S },
	{ "records of another name beside ours", H, A, off_chain, XFED_DNS_OK, 1, false, 300 },
	{ "only records of another name", H, A, only_off_chain, XFED_DNS_NO_DATA, 0, false, XFED_DNS_TTL_MIN_S },
	{ "another type", H, A, wrong_type, XFED_DNS_NO_DATA, 0, false, XFED_DNS_TTL_MIN_S },
	{ "another class", H, A, wrong_class, XFED_DNS_NO_DATA, 0, false, XFED_DNS_TTL_MIN_S },
	{ "CNAME chain out of order", H, A, cname_chain, XFED_DNS_OK, 1, false, 100 },
	{ "CNAME to nothing", H, A, cname_without_end, XFED_DNS_NO_DATA, 0, false, 60 },
	{ "CNAME loop", H, A, cname_loop, XFED_DNS_SERVFAIL, 0, false, XFED_DNS_TTL_MIN_S },
	{ "CNAME to itself", H, A, cname_to_itself, XFED_DNS_SERVFAIL, 0, false, XFED_DNS_TTL_MIN_S },
	{ "CNAMEs at the limit", H, A, cnames_at_limit, XFED_DNS_OK, 1, false, 300 },
	{ "CNAMEs above the limit", H, A, cnames_above_limit, XFED_DNS_SERVFAIL, 0, false, XFED_DNS_TTL_MIN_S },
	{ "no data, RFC 2308: lower of ttl and minimum", H, A, negative, XFED_DNS_NO_DATA, 0, false, 60 },
	{ "no data without SOA", H, A, nothing, XFED_DNS_NO_DATA, 0, false, XFED_DNS_TTL_MIN_S },
	{ "nxdomain", H, A, nxdomain, XFED_DNS_NO_DATA, 0, true, 30 },
	{ "servfail", H, A, servfail, XFED_DNS_SERVFAIL, 0, false, XFED_DNS_TTL_MIN_S },
	{ "refused, with a record", H, A, refused, XFED_DNS_SERVFAIL, 0, false, XFED_DNS_TTL_MIN_S },
	{ "truncated", H, A, truncated, XFED_DNS_TRUNCATED, 0, false, XFED_DNS_TTL_MIN_S },
	{ "more records than we keep", H, A, many, XFED_DNS_OK, XFED_DNS_RECORDS_MAX, false, 300 },
	{ "more records than we look at", H, A, too_many, XFED_DNS_SERVFAIL, 0, false, XFED_DNS_TTL_MIN_S },
	{ "fewer records than counted", H, A, count_lies, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "cut off in a record", H, A, cut_off, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "wrong id", H, A, wrong_id, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "wrong case in the echo", H, A, wrong_case, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "another name in the echo", H, A, wrong_name, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "another type in the echo", H, A, wrong_question_type, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "no question", H, A, no_question, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "two questions", H, A, two_questions, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "a query", H, A, not_a_reply, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "another opcode", H, A, an_update, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "pointer in the question", H, A, compressed_question, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "header only", H, A, header_only, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "empty datagram", H, A, empty, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "two SRV", S, XFED_DNS_SRV, srv_pair, XFED_DNS_OK, 2, false, 300 },
	{ "SRV whose target is no host name", S, XFED_DNS_SRV, srv_bad_target, XFED_DNS_SERVFAIL, 0, false, XFED_DNS_TTL_MIN_S },
	{ "SRV cut short", S, XFED_DNS_SRV, srv_short, XFED_DNS_BOGUS_REPLY, 0, false, XFED_DNS_TTL_MIN_S },
	{ "one SRV of two is usable", S, XFED_DNS_SRV, srv_one_bad, XFED_DNS_OK, 1, false, 300 },
};
#undef A

static void parse_row(const struct reply_row *row, struct xfed_arena *a, struct xfed_dns_answer *out)
{
	uint8_t q[512];
	size_t len = ask(row->name, row->type, q);
	dns_reply(&msg, q, len, 0);
	row->build(&msg);
	assert_int_equal(xfed_dns_parse(a, xfed_span_make(q, len), xfed_span_make(msg.b, msg.len), out), XFED_OK);
}

static void replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(reply_rows); i++) {
		const struct reply_row *row = &reply_rows[i];
		struct xfed_dns_answer got;
		struct xfed_arena a;
		xfed_arena_init(&a, 64 * 1024);
		parse_row(row, &a, &got);
		if (got.status != row->status || got.count != row->count || got.nxdomain != row->nxdomain || got.ttl_s != row->ttl_s) {
			fail_msg("row \"%s\": status %d, %zu records, nxdomain %d, ttl %u", row->row, got.status, got.count, got.nxdomain, got.ttl_s);
		}
		xfed_arena_deinit(&a);
	}
}

static void parse_srv_content(void **state)
{
	static const struct reply_row row = { "srv", S, XFED_DNS_SRV, srv_pair, 0, 0, 0, 0 };
	struct xfed_dns_answer got;
	struct xfed_arena a;
	(void)state;
	xfed_arena_init(&a, 64 * 1024);
	parse_row(&row, &a, &got);
	assert_int_equal(got.records[0].srv.priority, 10);
	assert_int_equal(got.records[0].srv.weight, 20);
	assert_int_equal(got.records[0].srv.port, 5269);
	assert_true(xfed_span_is(got.records[0].srv.target, "xmpp.example"));
	assert_true(xfed_span_is(got.records[1].srv.target, ".")); /* [A1-02] */
	assert_false(got.ad);
	xfed_arena_deinit(&a);
}

static void parse_other_types(void **state)
{
	uint8_t q[512];
	struct xfed_dns_answer got;
	struct xfed_arena a;
	(void)state;
	xfed_arena_init(&a, 64 * 1024);

	size_t len = ask("host.example", XFED_DNS_AAAA, q);
	dns_reply(&msg, q, len, 0);
	dns_aaaa(&msg, "host.example", 60, "2001:db8::7");
	dns_flags(&msg, DNS_FLAG_AD);
	assert_int_equal(xfed_dns_parse(&a, xfed_span_make(q, len), xfed_span_make(msg.b, msg.len), &got), XFED_OK);
	assert_int_equal(got.count, 1);
	assert_memory_equal(got.records[0].aaaa, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07", 16);
	assert_true(got.ad);

	len = ask("_5269._tcp.host.example", XFED_DNS_TLSA, q);
	dns_reply(&msg, q, len, 0);
	dns_add(&msg, DNS_ANSWER, "_5269._tcp.host.example", 52, 60, "\3\1\1digest", 9);
	assert_int_equal(xfed_dns_parse(&a, xfed_span_make(q, len), xfed_span_make(msg.b, msg.len), &got), XFED_OK);
	assert_int_equal(got.count, 1);
	assert_int_equal(got.records[0].tlsa.usage, 3);
	assert_int_equal(got.records[0].tlsa.selector, 1);
	assert_int_equal(got.records[0].tlsa.matching, 1);
	assert_true(xfed_span_is(got.records[0].tlsa.data, "digest"));

	static const char naptr[] = "\0\12\0\24\1s\10SIPS+D2T\0\5_sips\4_tcp\7example";
	len = ask("example", XFED_DNS_NAPTR, q);
	dns_reply(&msg, q, len, 0);
	dns_add(&msg, DNS_ANSWER, "example", 35, 60, naptr, sizeof(naptr));
	assert_int_equal(xfed_dns_parse(&a, xfed_span_make(q, len), xfed_span_make(msg.b, msg.len), &got), XFED_OK);
	assert_int_equal(got.count, 1);
	assert_int_equal(got.records[0].naptr.order, 10);
	assert_int_equal(got.records[0].naptr.preference, 20);
	assert_true(xfed_span_is(got.records[0].naptr.flags, "s"));
	assert_true(xfed_span_is(got.records[0].naptr.services, "SIPS+D2T"));
	assert_true(xfed_span_is(got.records[0].naptr.regexp, ""));
	assert_true(xfed_span_is(got.records[0].naptr.replacement, "_sips._tcp.example"));
	xfed_arena_deinit(&a);
}

/* A cap of the arena at every size: NOMEM or the whole answer, never half of one. */
static void parse_without_memory(void **state)
{
	static const struct reply_row row = { "srv", S, XFED_DNS_SRV, srv_pair, 0, 0, 0, 0 };
	uint8_t q[512];
	bool worked = false;
	(void)state;
	size_t len = ask(row.name, row.type, q);
	dns_reply(&msg, q, len, 0);
	row.build(&msg);
	for (size_t cap = 0; cap < 1024; cap += 16) {
		struct xfed_dns_answer got;
		struct xfed_arena a;
		xfed_arena_init(&a, cap);
		int rc = xfed_dns_parse(&a, xfed_span_make(q, len), xfed_span_make(msg.b, msg.len), &got);
		assert_true(rc == XFED_OK || rc == XFED_ERR_NOMEM);
		assert_int_equal(got.count, rc == XFED_OK ? 2 : 0);
		worked = worked || rc == XFED_OK;
		assert_true(rc == XFED_OK || !worked);
		xfed_arena_deinit(&a);
	}
	assert_true(worked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_is_well_formed),
		cmocka_unit_test(query_case_varies),
		cmocka_unit_test(query_refuses_what_is_no_name),
		cmocka_unit_test(replies),
		cmocka_unit_test(parse_srv_content),
		cmocka_unit_test(parse_other_types),
		cmocka_unit_test(parse_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
