/*
 * Socket addresses as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "xfed/rt/addr.h"

struct row {
	const char *in;
	const char *out; /* NULL: refused */
	bool is_loopback;
};

static const struct row rows[] = {
	{ "127.0.0.1:53", "127.0.0.1:53", true },
	{ "127.9.9.9", "127.9.9.9:99", true },
	{ "0.0.0.0:5269", "0.0.0.0:5269", false },
	{ "128.0.0.1:65535", "128.0.0.1:65535", false },
	{ "[::]:5269", "[::]:5269", false },
	{ "[::1]:53", "[::1]:53", true },
	{ "[::1]", "[::1]:99", true },
	{ "::1", "[::1]:99", true },
	{ "2001:db8::1", "[2001:db8::1]:99", false },
	{ "[2001:DB8:0:0:0:0:0:1]:1", "[2001:db8::1]:1", false },
	{ "192.0.2.1:65536", NULL, false },
	{ "192.0.2.1:-1", NULL, false },
	{ "192.0.2.1:", NULL, false },
	{ "192.0.2.1:12x", NULL, false },
	{ "192.0.2.256", NULL, false },
	{ "192.0.2", NULL, false },
	{ "[192.0.2.1]:5", NULL, false },
	{ "2001:db8::1:99999", NULL, false },
	{ "[::1]5", NULL, false },
	{ "[::1", NULL, false },
	{ "localhost:53", NULL, false },
	{ "example.com", NULL, false },
	{ "", NULL, false },
	{ ":53", NULL, false },
	{ "[]:53", NULL, false },
};

static void parses(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct rt_addr a;
		char text[RT_ADDR_TEXT];
		int rc = rt_addr_parse(&a, xfed_span_str(rows[i].in), 99);
		bool is_right = rows[i].out ? rc == XFED_OK && strcmp(rt_addr_text(&a, text), rows[i].out) == 0 &&
						      rt_addr_is_loopback(&a) == rows[i].is_loopback
					    : rc == XFED_ERR_INVALID;
		if (!is_right) {
			fail_msg("row \"%s\": %d %s", rows[i].in, rc, rc == XFED_OK ? rt_addr_text(&a, text) : "");
		}
	}
}

static void longest_text_fits(void **state)
{
	struct rt_addr a;
	char text[RT_ADDR_TEXT];
	(void)state;
	const char *longest = "[1111:2222:3333:4444:5555:6666:7777:8888]:65535";
	assert_int_equal(rt_addr_parse(&a, xfed_span_str(longest), 0), XFED_OK);
	assert_string_equal(rt_addr_text(&a, text), longest);
	assert_string_equal(rt_addr_host_text(&a, text), "1111:2222:3333:4444:5555:6666:7777:8888");
	memset(&a, 0, sizeof(a));
	assert_string_equal(rt_addr_text(&a, text), "");
}

static void compares(void **state)
{
	struct rt_addr a, b;
	(void)state;
	assert_int_equal(rt_addr_parse(&a, XFED_SPAN("[::1]:5"), 0), XFED_OK);
	assert_int_equal(rt_addr_parse(&b, XFED_SPAN("[0:0::1]:5"), 0), XFED_OK);
	assert_true(rt_addr_eq(&a, &b));
	assert_int_equal(rt_addr_parse(&b, XFED_SPAN("[::1]:6"), 0), XFED_OK);
	assert_false(rt_addr_eq(&a, &b));
	assert_int_equal(rt_addr_parse(&b, XFED_SPAN("127.0.0.1:5"), 0), XFED_OK);
	assert_false(rt_addr_eq(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(longest_text_fits),
		cmocka_unit_test(compares),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
