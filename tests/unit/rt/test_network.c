/*
 * Networks, kinds of addresses, and where somebody else's DNS may lead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "xfed/rt/reach.h"

static struct rt_addr address(const char *text)
{
	struct rt_addr a;
	if (rt_addr_parse_host(&a, xfed_span_str(text), 5269) != XFED_OK) {
		fail_msg("\"%s\" is no address", text);
	}
	return a;
}

static void a_network_is_text_with_no_bits_behind_its_prefix(void **state)
{
	/* clang-format off */
	static const struct {
		const char *text;
		bool is_good;
	} rows[] = {
		{ "10.2.0.0/24", true }, { "0.0.0.0/0", true }, { "192.0.2.7", true }, { "192.0.2.7/32", true }, { "10.2.0.0/15", true },
		{ "2001:db8::/33", true }, { "::/0", true }, { "::1", true }, { "fe80::/10", true }, { "10.2.0.1/24", false }, { "10.2.0.0/33", false },
		{ "10.2.0.0/", false }, { "10.2.0.0/-1", false }, { "10.2.0.0/0024", false }, { "10.2.0.0/2 4", false }, { "2001:db8::1/64", false },
		{ "::/129", false }, { "[::1]", false }, { "10.2.0", false }, { "localhost", false }, { "", false }, { "/8", false },
		{ "fe80::1%eth0", false },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct rt_network n;
		if ((rt_network_parse(xfed_span_str(rows[i].text), &n) == XFED_OK) != rows[i].is_good) {
			fail_msg("row \"%s\"", rows[i].text);
		}
	}
	struct rt_network n;
	assert_int_equal(rt_network_parse(xfed_span_make("10.0.0.0\0/8", 11), &n), XFED_ERR_INVALID);
}

static void a_network_holds_what_begins_as_it_does(void **state)
{
	/* clang-format off */
	static const struct {
		const char *network, *address;
		bool holds;
	} rows[] = {
		{ "10.2.0.0/15", "10.3.255.255", true },
		{ "10.2.0.0/15", "10.4.0.0", false },
		{ "0.0.0.0/0", "192.0.2.1", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "::ffff:192.0.2.1", false }, /* an IPv4 peer of a dual-stack socket */
		{ "192.0.2.0/24", "::ffff:192.0.2.1", true },
		{ "::ffff:0:0/96", "::ffff:192.0.2.1", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "127.0.0.1", "127.0.0.2", false },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct rt_network n;
		struct rt_addr a = address(rows[i].address);
		assert_int_equal(rt_network_parse(xfed_span_str(rows[i].network), &n), XFED_OK);
		if (rt_network_holds(&n, &a) != rows[i].holds) {
			fail_msg("%s in %s", rows[i].address, rows[i].network);
		}
	}
}

/* clang-format off */
static const struct {
	const char *text;
	enum rt_addr_kind kind;
} kinds[] = {
	{ "127.0.0.1", RT_ADDR_LOOPBACK }, { "127.255.255.255", RT_ADDR_LOOPBACK }, { "128.0.0.0", RT_ADDR_USUAL }, { "126.255.255.255", RT_ADDR_USUAL },
	{ "::1", RT_ADDR_LOOPBACK }, { "::ffff:127.0.0.1", RT_ADDR_LOOPBACK }, { "::127.0.0.1", RT_ADDR_LOOPBACK },
	{ "2002:7f00:1::1", RT_ADDR_LOOPBACK }, { "64:ff9b::127.0.0.1", RT_ADDR_LOOPBACK }, { "64:ff9b:1::127.0.0.1", RT_ADDR_LOOPBACK },
	{ "169.254.0.0", RT_ADDR_LINK_LOCAL }, { "169.254.169.254", RT_ADDR_LINK_LOCAL }, { "169.255.0.0", RT_ADDR_USUAL },
	{ "fe80::1", RT_ADDR_LINK_LOCAL }, { "febf::1", RT_ADDR_LINK_LOCAL }, { "fec0::1", RT_ADDR_USUAL }, { "::ffff:169.254.169.254", RT_ADDR_LINK_LOCAL },
	{ "64:ff9b::169.254.169.254", RT_ADDR_LINK_LOCAL }, { "0.0.0.0", RT_ADDR_UNSPECIFIED }, { "0.1.2.3", RT_ADDR_UNSPECIFIED },
	{ "1.0.0.0", RT_ADDR_USUAL }, { "::", RT_ADDR_UNSPECIFIED }, { "::2", RT_ADDR_UNSPECIFIED }, { "::ffff:0.0.0.0", RT_ADDR_UNSPECIFIED },
	{ "2002::1", RT_ADDR_UNSPECIFIED }, { "224.0.0.1", RT_ADDR_MULTICAST }, { "239.255.255.255", RT_ADDR_MULTICAST }, { "240.0.0.1", RT_ADDR_USUAL },
	{ "223.255.255.255", RT_ADDR_USUAL }, { "ff02::1", RT_ADDR_MULTICAST }, { "255.255.255.255", RT_ADDR_BROADCAST },
	{ "255.255.255.254", RT_ADDR_USUAL }, { "10.0.0.1", RT_ADDR_USUAL }, { "172.16.0.1", RT_ADDR_USUAL }, { "192.168.0.1", RT_ADDR_USUAL },
	{ "100.64.0.1", RT_ADDR_USUAL }, { "fd00::1", RT_ADDR_USUAL }, { "2001:db8::1", RT_ADDR_USUAL }, { "2002:c000:201::1", RT_ADDR_USUAL },
	{ "64:ff9b::192.0.2.1", RT_ADDR_USUAL }, { "64:ff9c::127.0.0.1", RT_ADDR_USUAL },
};
/* clang-format on */

static void every_address_has_its_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(kinds); i++) {
		struct rt_addr a = address(kinds[i].text);
		if (rt_addr_kind(&a) != kinds[i].kind) {
			fail_msg("%s is %s", kinds[i].text, rt_addr_kind_word(rt_addr_kind(&a)));
		}
	}
}

/* The security sentence: without a network that holds it, nothing but a usual address that is not ours is gone to. */
static void nothing_inside_is_reached_unless_it_is_listed(void **state)
{
	struct rt_network all[2];
	struct rt_reach r = { 0 };
	(void)state;
	assert_int_equal(rt_network_parse(XFED_SPAN("0.0.0.0/0"), &all[0]), XFED_OK);
	assert_int_equal(rt_network_parse(XFED_SPAN("::/0"), &all[1]), XFED_OK);
	for (size_t i = 0; i < XFED_ARRAY_LEN(kinds); i++) {
		struct rt_addr a = address(kinds[i].text);
		const char *refused = rt_reach_refuses(&r, NULL, 0, &a);
		if ((refused == NULL) != (kinds[i].kind == RT_ADDR_USUAL) || rt_reach_refuses(&r, all, 2, &a)) {
			fail_msg("%s: %s", kinds[i].text, refused ? refused : "reached");
		}
	}
	struct rt_network one;
	struct rt_addr listed = address("127.0.0.2"), beside = address("127.0.0.3");
	assert_int_equal(rt_network_parse(XFED_SPAN("127.0.0.2"), &one), XFED_OK);
	assert_null(rt_reach_refuses(&r, &one, 1, &listed));
	assert_string_equal(rt_reach_refuses(&r, &one, 1, &beside), "a loopback address");
}

static void our_own_addresses_in_any_form(void **state)
{
	struct rt_addr own[] = { address("10.1.0.2"), address("192.0.2.10"), address("2001:db8::10") }; /* sorted; the port does not count */
	struct rt_reach r = { .own = own, .own_count = XFED_ARRAY_LEN(own) };
	/* clang-format off */
	static const struct {
		const char *text;
		bool is_own;
	} rows[] = {
		{ "192.0.2.10", true }, { "10.1.0.2", true }, { "2001:db8::10", true }, { "::ffff:192.0.2.10", true }, { "64:ff9b::192.0.2.10", true },
		{ "2002:c000:20a::5", true }, { "192.0.2.11", false }, { "10.1.0.1", false }, { "2001:db8::11", false }, { "::ffff:192.0.2.11", false },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct rt_addr a = address(rows[i].text);
		const char *refused = rt_reach_refuses(&r, NULL, 0, &a);
		if ((refused != NULL) != rows[i].is_own) {
			fail_msg("%s: %s", rows[i].text, refused ? refused : "reached");
		}
	}
	struct rt_network net;
	struct rt_addr a = address("192.0.2.10");
	assert_int_equal(rt_network_parse(XFED_SPAN("192.0.2.0/24"), &net), XFED_OK);
	assert_null(rt_reach_refuses(&r, &net, 1, &a));
}

/* What a host always has: the loopback address of its loopback interface. */
static void the_hosts_addresses_are_read(void **state)
{
	struct rt_reach r = { 0 };
	struct rt_addr a = address("127.0.0.1");
	(void)state;
	assert_false(rt_reach_is_own(&r, &a));
	assert_int_equal(rt_reach_read(&r, 77), XFED_OK);
	assert_int_equal(r.read_at_ms, 77);
	assert_true(rt_reach_is_own(&r, &a));
	for (size_t i = 0; i < r.own_count; i++) {
		assert_true(rt_reach_is_own(&r, &r.own[i]));
	}
	a = address("192.0.2.1"); /* of documentation: nobody's */
	assert_false(rt_reach_is_own(&r, &a));
	rt_reach_deinit(&r);
}

/* A set says what its networks say, whatever holds whatever. */
static void a_set_says_what_its_networks_say(void **state)
{
	static const char *const texts[] = { "10.2.0.0/15", "10.2.7.0/24", "10.2.7.9", "10.2.7.9/32", "192.0.2.7", "10.4.0.0/16", "2001:db8::/33",
		"2001:db8:1::/48", "::ffff:0:0/96", "fd00::/8", "::1", "172.16.0.0/12" };
	static const char *const asked[] = { "10.1.255.255", "10.2.0.0", "10.3.255.255", "10.4.0.0", "10.4.255.255", "10.5.0.0", "10.2.7.9",
		"192.0.2.6", "192.0.2.7", "192.0.2.8", "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", "2001:db8:8000::", "::ffff:10.2.7.9",
		"::ffff:10.5.0.0", "fcff::", "fd00::", "fe00::", "::", "::1", "::2", "0.0.0.1", "172.31.255.255", "172.32.0.0", "255.255.255.255" };
	struct rt_network all[XFED_ARRAY_LEN(texts)], sealed[XFED_ARRAY_LEN(texts)];
	(void)state;
	for (size_t from = 0; from < XFED_ARRAY_LEN(texts); from++) {
		struct rt_network_set s = { sealed, XFED_ARRAY_LEN(texts) - from };
		for (size_t i = from; i < XFED_ARRAY_LEN(texts); i++) {
			assert_int_equal(rt_network_parse(xfed_span_str(texts[i]), &all[i]), XFED_OK);
			sealed[i - from] = all[i];
		}
		rt_network_set_seal(&s);
		for (size_t k = 0; k < XFED_ARRAY_LEN(asked); k++) {
			struct rt_addr a = address(asked[k]);
			bool holds = false;
			for (size_t i = from; i < XFED_ARRAY_LEN(texts); i++) {
				holds = holds || rt_network_holds(&all[i], &a);
			}
			if (rt_network_set_holds(&s, &a) != holds) {
				fail_msg("%s, networks from %s on", asked[k], texts[from]);
			}
		}
	}
	struct rt_network whole[2] = { { .bits = 0 }, { .bits = 0, .is_ipv6 = true } };
	struct rt_network_set one = { whole, 1 }, none = { NULL, 0 };
	struct rt_addr v4 = address("192.0.2.7"), v6 = address("2001:db8::1"), other = { .sa.sa_family = AF_UNSPEC };
	rt_network_set_seal(&one);
	rt_network_set_seal(&none);
	assert_true(rt_network_set_holds(&one, &v4));
	assert_false(rt_network_set_holds(&one, &v6));
	assert_false(rt_network_set_holds(&one, &other));
	assert_false(rt_network_set_holds(&none, &v4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_set_says_what_its_networks_say),
		cmocka_unit_test(a_network_is_text_with_no_bits_behind_its_prefix),
		cmocka_unit_test(a_network_holds_what_begins_as_it_does),
		cmocka_unit_test(every_address_has_its_kind),
		cmocka_unit_test(nothing_inside_is_reached_unless_it_is_listed),
		cmocka_unit_test(our_own_addresses_in_any_form),
		cmocka_unit_test(the_hosts_addresses_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
