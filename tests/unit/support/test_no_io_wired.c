/* A program that depends on cmocka_no_io and says nothing itself is inside the filter, behind its group setup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "no_io.h"

static int opened_in_setup = -1;

static int setup(void **state)
{
	opened_in_setup = open("/dev/null", O_RDONLY);
	return opened_in_setup >= 0 ? 0 : -1;
}

static void a_test_cannot_open(void **state)
{
	assert_true(opened_in_setup >= 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit no_core = { 0, 0 };
		setrlimit(RLIMIT_CORE, &no_core);
		close(open("/dev/null", O_RDONLY));
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

int main(void)
{
	if (!no_io_is_possible()) {
		puts("a sanitizer, coverage or valgrind: the filter is not possible");
		return 77;
	}
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_test_cannot_open) };
	return cmocka_run_group_tests(tests, setup, NULL);
}
