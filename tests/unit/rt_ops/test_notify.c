/* What systemd is told, read from a notification socket of our own (sd_notify(3)). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include <uv.h>

#include "xfed/rt/notify.h"

static uv_loop_t loop;
static int systemd = -1;

static int setup(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	/* An abstract name: nothing is left behind. */
	int len = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "xfed-test-notify-%d", (int)getpid());
	char name[128];
	snprintf(name, sizeof(name), "@%s", a.sun_path + 1);
	systemd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(systemd >= 0);
	assert_int_equal(bind(systemd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return uv_loop_init(&loop);
}

static int teardown(void **state)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	close(systemd);
	return uv_loop_close(&loop);
}

static const char *told(void)
{
	static char text[512];
	ssize_t n = recv(systemd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void each_state(void **state)
{
	struct rt_notify *n;
	assert_int_equal(rt_notify_new(&loop, &n), XFED_OK);
	rt_notify_ready(n, "in service,\nREADY=0");
	/* A line end would begin another assignment. */
	assert_string_equal(told(), "READY=1\nSTATUS=in service, READY=0");
	rt_notify_ready(n, NULL);
	assert_string_equal(told(), "READY=1");
	rt_notify_reloading(n);
	assert_int_equal(strncmp(told(), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	rt_notify_status(n, "2 edges");
	assert_string_equal(told(), "STATUS=2 edges");
	rt_notify_extend_timeout(n, 1500);
	assert_string_equal(told(), "EXTEND_TIMEOUT_USEC=1500000");
	rt_notify_stopping(n, NULL);
	assert_string_equal(told(), "STOPPING=1");
	/* No watchdog was asked for, so the loop has nothing to run for. */
	assert_int_equal(uv_run(&loop, UV_RUN_NOWAIT), 0);
	assert_string_equal(told(), "");
	rt_notify_free(n);
}

static void never(uv_timer_t *t)
{
	fail();
}

static void the_watchdog_is_fed_from_the_loop(void **state)
{
	struct rt_notify *n;
	static uv_timer_t keep; /* closed when the teardown runs the loop */
	setenv("WATCHDOG_USEC", "20000", 1);
	assert_int_equal(rt_notify_new(&loop, &n), XFED_OK);
	/* The watchdog alone does not keep the loop alive; a handle of the test does, until the first feeding has come. */
	uv_timer_init(&loop, &keep);
	uv_timer_start(&keep, never, 1000000, 0);
	char text[512] = "";
	while (!text[0]) {
		uv_run(&loop, UV_RUN_ONCE);
		snprintf(text, sizeof(text), "%s", told());
	}
	assert_string_equal(text, "WATCHDOG=1");
	uv_close((uv_handle_t *)&keep, NULL);
	rt_notify_free(n);
}

static void nobody_listens(void **state)
{
	struct rt_notify *n;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(rt_notify_new(&loop, &n), XFED_OK);
	rt_notify_ready(n, "x");
	rt_notify_stopping(n, "x");
	rt_notify_free(n);
	rt_notify_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_state, setup, teardown),
		cmocka_unit_test_setup_teardown(the_watchdog_is_fed_from_the_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_listens, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
