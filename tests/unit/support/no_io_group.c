/* Between cmocka and the group setup of a test program: meson.build has the linker put this in the way (--wrap). */
#include "no_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int __real__cmocka_run_group_tests(
	const char *name, const struct CMUnitTest *tests, size_t count, CMFixtureFunction setup, CMFixtureFunction teardown);
int __wrap__cmocka_run_group_tests(
	const char *name, const struct CMUnitTest *tests, size_t count, CMFixtureFunction setup, CMFixtureFunction teardown);

static CMFixtureFunction own_setup;

static int setup_then_enter(void **state)
{
	int rc = own_setup ? own_setup(state) : 0;
	if (rc == 0) {
		no_io_enter();
	}
	return rc;
}

int __wrap__cmocka_run_group_tests(
	const char *name, const struct CMUnitTest *tests, size_t count, CMFixtureFunction setup, CMFixtureFunction teardown)
{
	own_setup = setup;
	return __real__cmocka_run_group_tests(name, tests, count, setup_then_enter, teardown);
}
