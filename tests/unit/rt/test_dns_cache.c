/*
 * The cache of answers, and resolv.conf.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rt/dns_cache.h"
#include "rt/resolv_conf.h"
#include "support.h"
#include "xfed/mem.h"

static struct dns_key key(const char *name, enum xfed_dns_type type)
{
	struct dns_key k;
	assert_int_equal(dns_key_make(&k, xfed_span_str(name), type), XFED_OK);
	return k;
}

static void put_a(struct dns_cache *c, const char *name, uint8_t last, uint32_t ttl_s, uint64_t now_ms)
{
	struct xfed_dns_record r = { .type = XFED_DNS_A, .a = { 192, 0, 2, last } };
	struct xfed_dns_answer a = { .status = XFED_DNS_OK, .records = &r, .count = 1, .ttl_s = ttl_s };
	struct dns_key k = key(name, XFED_DNS_A);
	dns_cache_put(c, &k, &a, now_ms);
}

static int find_a(struct dns_cache *c, const char *name, uint64_t now_ms)
{
	struct dns_key k = key(name, XFED_DNS_A);
	const struct xfed_dns_answer *a = dns_cache_find(c, &k, now_ms);
	return a ? a->records[0].a[3] : -1;
}

static void answers_live_for_their_time(void **state)
{
	struct dns_cache c;
	struct dns_key k = key("Host.Example.", XFED_DNS_A), other = key("host.example", XFED_DNS_AAAA);
	(void)state;
	dns_cache_init(&c, 10);
	put_a(&c, "host.example", 1, 60, 1000);
	assert_int_equal(dns_cache_find(&c, &k, 1000)->ttl_s, 60);
	assert_int_equal(dns_cache_find(&c, &k, 31500)->ttl_s, 30);
	assert_null(dns_cache_find(&c, &other, 1000));
	assert_non_null(dns_cache_find(&c, &k, 60999));
	assert_null(dns_cache_find(&c, &k, 61000));
	assert_int_equal(c.count, 0);
	put_a(&c, "host.example", 2, 60, 70000);
	put_a(&c, "host.example", 3, 60, 70000); /* replaces */
	assert_int_equal(c.count, 1);
	assert_int_equal(find_a(&c, "host.example", 70000), 3);
	dns_cache_flush(&c);
	assert_int_equal(find_a(&c, "host.example", 70000), -1);
}

static void the_longest_unused_goes_first(void **state)
{
	struct dns_cache c;
	char name[32];
	(void)state;
	dns_cache_init(&c, 4);
	for (uint8_t i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "h%u.example", i);
		put_a(&c, name, i, 60, 0);
	}
	assert_int_equal(find_a(&c, "h0.example", 1), 0); /* used: h1 is the oldest now */
	put_a(&c, "h4.example", 4, 60, 2);
	assert_int_equal(c.count, 4);
	assert_int_equal(find_a(&c, "h1.example", 3), -1);
	assert_int_equal(find_a(&c, "h0.example", 3), 0);
	for (unsigned i = 5; i < 1000; i++) {
		snprintf(name, sizeof(name), "h%u.example", i);
		put_a(&c, name, 9, 60, 4);
		assert_true(c.count <= 4);
	}
	dns_cache_flush(&c);
}

static void copies_own_their_bytes(void **state)
{
	char flags[] = "s", services[] = "SIPS+D2T", target[] = "xmpp.example", digest[] = "digest";
	struct xfed_dns_record r[] = {
		{ .type = XFED_DNS_SRV, .srv = { 1, 2, 3, xfed_span_str(target) } },
		{ .type = XFED_DNS_NAPTR, .naptr = { 1, 2, xfed_span_str(flags), xfed_span_str(services), XFED_SPAN(""), xfed_span_str(target) } },
		{ .type = XFED_DNS_TLSA, .tlsa = { 3, 1, 1, xfed_span_str(digest) } },
		{ .type = XFED_DNS_AAAA, .aaaa = { [15] = 1 } },
	};
	struct xfed_dns_answer a = { .status = XFED_DNS_OK, .records = r, .count = 4, .ttl_s = 60, .ad = true };
	(void)state;
	struct xfed_dns_answer *copy = dns_answer_dup(&a);
	assert_non_null(copy);
	memset(flags, 0, 1);
	memset(services, 0, 8);
	memset(target, 0, 12);
	memset(digest, 0, 6);
	memset(r, 0, sizeof(r));
	assert_true(copy->ad);
	assert_int_equal(copy->records[0].srv.port, 3);
	assert_true(xfed_span_is(copy->records[0].srv.target, "xmpp.example"));
	assert_true(xfed_span_is(copy->records[1].naptr.flags, "s"));
	assert_true(xfed_span_is(copy->records[1].naptr.services, "SIPS+D2T"));
	assert_true(xfed_span_is(copy->records[1].naptr.regexp, ""));
	assert_true(xfed_span_is(copy->records[1].naptr.replacement, "xmpp.example"));
	assert_true(xfed_span_is(copy->records[2].tlsa.data, "digest"));
	assert_int_equal(copy->records[3].aaaa[15], 1);
	xfed_free(copy);
}

static void without_memory_nothing_is_kept(void **state)
{
	(void)state;
	for (long n = 0;; n++) {
		struct dns_cache c;
		dns_cache_init(&c, 4);
		fail_allocation(n);
		put_a(&c, "host.example", 7, 60, 0);
		bool all_given = allocations <= n;
		int got = find_a(&c, "host.example", 1);
		dns_cache_flush(&c);
		xfed_mem_set_hooks(NULL);
		assert_int_equal(got, all_given ? 7 : -1);
		if (all_given) {
			assert_true(n >= 3);
			return;
		}
	}
}

static void keys_have_a_length(void **state)
{
	struct dns_key k;
	char long_name[300];
	(void)state;
	memset(long_name, 'a', sizeof(long_name));
	assert_int_equal(dns_key_make(&k, xfed_span_make(long_name, 253), XFED_DNS_A), XFED_OK);
	assert_int_equal(dns_key_make(&k, xfed_span_make(long_name, 254), XFED_DNS_A), XFED_ERR_INVALID);
	assert_int_equal(dns_key_make(&k, XFED_SPAN("."), XFED_DNS_A), XFED_ERR_INVALID);
	assert_int_equal(dns_key_make(&k, XFED_SPAN(""), XFED_DNS_A), XFED_ERR_INVALID);
}

static void name_servers_of_resolv_conf(void **state)
{
	static const struct {
		const char *row, *text;
		size_t count;
		const char *first;
	} rows[] = {
		{ "two", "nameserver 192.0.2.1\nnameserver ::1\n", 2, "192.0.2.1:53" },
		{ "no end of line", "nameserver 192.0.2.1", 1, "192.0.2.1:53" },
		{ "others around it", "# nameserver 192.0.2.9\nsearch a b\n;x\noptions trust-ad\n\tnameserver\t192.0.2.1  # our own\r\n", 1,
			"192.0.2.1:53" },
		{ "what does not parse is passed over", "nameserver\nnameserver dns.example\nnameserver 192.0.2.1:53\nnameserver [::1]\n", 1,
			"[::1]:53" },
		{ "another word", "nameservers 192.0.2.1\n", 0, NULL },
		{ "empty", "", 0, NULL },
		{ "more than we use", "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n", 3, "192.0.2.1:53" },
	};
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct rt_addr a[3];
		char text[RT_ADDR_TEXT];
		size_t count = resolv_conf_parse(xfed_span_str(rows[i].text), a, 3);
		if (count != rows[i].count || (count > 0 && strcmp(rt_addr_text(&a[0], text), rows[i].first) != 0)) {
			fail_msg("row \"%s\": %zu servers", rows[i].row, count);
		}
	}
	struct rt_addr a[3];
	char text[RT_ADDR_TEXT];
	assert_int_equal(resolv_conf_load("/nonexistent/resolv.conf", a, 3), 1);
	assert_string_equal(rt_addr_text(&a[0], text), "127.0.0.1:53");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_live_for_their_time),
		cmocka_unit_test(the_longest_unused_goes_first),
		cmocka_unit_test(copies_own_their_bytes),
		cmocka_unit_test(without_memory_nothing_is_kept),
		cmocka_unit_test(keys_have_a_length),
		cmocka_unit_test(name_servers_of_resolv_conf),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
