/* When memory goes back to the system: at the end of a wave, or once a minute in one that does not end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "xfed/rt/tidy.h"

static void a_wave_ends(void **state)
{
	static const struct {
		uint64_t now, freed;
		bool is_tidied;
	} rows[] = {
		{ 1000, 0, false },
		{ 2000, 31, false },
		{ 60000, 31, false }, /* too few */
		{ 61000, 40, true },  /* for a minute and more */
		{ 62000, 500, false },
		{ 63000, 900, false },
		{ 64000, 900, false },
		{ 64500, 900, true },
		{ 70000, 900, false },
		{ 71000, 901, false },
		{ 90000, 901, false },
	};
	struct rt_tidy t = { 0 };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (rt_tidy(&t, rows[i].freed, rows[i].now) != rows[i].is_tidied) {
			fail_msg("row %zu, at %llu", i, (unsigned long long)rows[i].now);
		}
	}
}

static void a_wave_without_end(void **state)
{
	struct rt_tidy t = { 0 };
	unsigned count = 0;
	for (uint64_t now = 1000; now <= 300000; now += 1000) {
		count += rt_tidy(&t, now, now);
	}
	assert_int_equal(count, 300000 / RT_TIDY_LATEST_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_wave_ends), cmocka_unit_test(a_wave_without_end) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
