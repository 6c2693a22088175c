/* The control of no_io: what it forbids kills, and kills because of it; what the protocol code does goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "no_io.h"

static int spare_socket; /* opened before anything is forbidden */

static void call_open(void)
{
	close(open("/dev/null", O_RDONLY));
}
static void call_fopen(void)
{
	FILE *f = fopen("/etc/passwd", "r");
	if (f) {
		fclose(f);
	}
}
static void call_openat(void)
{
	close(openat(AT_FDCWD, "/dev/null", O_WRONLY));
}
static void call_socket(void)
{
	close(socket(AF_INET, SOCK_DGRAM, 0));
}
static void call_unix_socket(void)
{
	close(socket(AF_UNIX, SOCK_STREAM, 0));
}
static void call_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	connect(spare_socket, (const struct sockaddr *)&to, sizeof(to));
}
static void call_sendto(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	sendto(spare_socket, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to));
}
static void call_pipe(void)
{
	int ends[2];
	if (pipe(ends) == 0) {
		close(ends[0]);
	}
}
static void call_sleep(void)
{
	usleep(1);
}
static void *open_it(void *arg)
{
	call_open();
	return arg;
}
static void call_open_from_a_thread(void)
{
	pthread_t t;
	if (pthread_create(&t, NULL, open_it, NULL) == 0) {
		pthread_join(t, NULL);
	}
}
static void *compute(void *arg)
{
	return malloc(100000);
}
static void call_what_is_fine(void)
{
	char random[16];
	void *memory = NULL;
	pthread_t t;
	if (getrandom(random, sizeof(random), 0) != sizeof(random) || pthread_create(&t, NULL, compute, NULL) != 0) {
		_exit(1);
	}
	pthread_join(t, &memory);
	free(memory);
	if (write(STDERR_FILENO, "", 0) != 0) {
		_exit(1);
	}
}

static const struct {
	const char *name;
	void (*call)(void);
	bool is_deadly;
} rows[] = {
	{ "open", call_open, true },
	{ "fopen", call_fopen, true },
	{ "openat", call_openat, true },
	{ "socket, IPv4", call_socket, true },
	{ "socket, local", call_unix_socket, true },
	{ "connect of an older socket", call_connect, true },
	{ "sendto of an older socket", call_sendto, true },
	{ "pipe", call_pipe, true },
	{ "sleep", call_sleep, true },
	{ "open from a thread", call_open_from_a_thread, true },
	{ "memory, random bytes, threads, writing to standard error", call_what_is_fine, false },
};

/* What becomes of a child that makes the call: 0, or the signal it died of. */
static int signal_of(void (*call)(void), bool enters)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit no_core = { 0, 0 };
		setrlimit(RLIMIT_CORE, &no_core);
		if (enters) {
			no_io_enter();
		}
		call();
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		return WTERMSIG(status);
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return 0;
}

static void forbidden_calls_kill(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int before = signal_of(rows[i].call, false), after = signal_of(rows[i].call, true);
		if (before != 0 || after != (rows[i].is_deadly ? SIGSYS : 0)) {
			fail_msg("%s: signal %d without, %d with the filter", rows[i].name, before, after);
		}
	}
}

int main(void)
{
	if (!no_io_is_possible()) {
		puts("a sanitizer, coverage or valgrind: the filter is not possible");
		return 77;
	}
	spare_socket = socket(AF_INET, SOCK_DGRAM, 0);
	if (spare_socket < 0) {
		return 1;
	}
	const struct CMUnitTest tests[] = { cmocka_unit_test(forbidden_calls_kill) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
