/* SIP-date, RFC 3261 section 25.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sip/date.h"

static void dates(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: none */
	} rows[] = {
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Sat, 13 Nov 2010 23:29:00 GMT", 1289690940 },
		{ "Tue, 29 Feb 2000 12:00:00 GMT", 951825600 },
		{ "Thu, 31 Dec 2026 23:59:59 GMT", 1798761599 },
		{ "thu, 31 dec 2026 23:59:59 gmt", 1798761599 },
		{ "Fri, 29 Feb 2100 12:00:00 GMT", -1 },
		{ "Sat, 13 Nov 2010 23:29:00 CET", -1 },
		{ "Sat, 13 Nov 2010 24:00:00 GMT", -1 },
		{ "Sat, 00 Nov 2010 23:00:00 GMT", -1 },
		{ "Sat, 31 Nov 2010 23:00:00 GMT", -1 },
		{ "Sat, 13 Nox 2010 23:00:00 GMT", -1 },
		{ "Xat, 13 Nov 2010 23:00:00 GMT", -1 },
		{ "Sat, 1x Nov 2010 23:00:00 GMT", -1 },
		{ "Sat, 13 Nov 1969 23:00:00 GMT", -1 },
		{ "Sat, 13 Nov 2010 23:29:00 GMT ", -1 },
		{ "", -1 },
	};
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		int64_t seconds = -1;
		int rc = sip_date_parse(xfed_span_str(rows[i].text), &seconds);
		if (seconds != rows[i].seconds || rc != (seconds < 0 ? XFED_ERR_INVALID : XFED_OK)) {
			fail_msg("\"%s\": %d, %lld", rows[i].text, rc, (long long)seconds);
		}
		char back[SIP_DATE_SIZE];
		bool is_same = rc != XFED_OK ||
			       (sip_date_print(seconds, back) == XFED_OK && xfed_span_eq_nocase(xfed_span_str(back), xfed_span_str(rows[i].text)));
		if (!is_same) {
			fail_msg("\"%s\" is printed as \"%s\"", rows[i].text, back);
		}
	}
	char back[SIP_DATE_SIZE];
	for (int64_t day = 0; day < 150 * 366; day++) { /* every day of 150 years comes back */
		int64_t seconds;
		assert_int_equal(sip_date_print(day * 86400 + 86399, back), XFED_OK);
		assert_int_equal(sip_date_parse(xfed_span_str(back), &seconds), XFED_OK);
		assert_true(seconds == day * 86400 + 86399);
	}
	assert_int_equal(sip_date_print(-1, back), XFED_ERR_INVALID);
	assert_int_equal(sip_date_print(253402300800, back), XFED_ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(dates) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
