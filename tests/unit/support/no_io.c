#include "no_io.h"

#include <stdio.h>
#include <stdlib.h>

#include <seccomp.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

#ifndef WITH_COVERAGE
#define WITH_COVERAGE 0 /* from the build: the compiler does not tell */
#endif

/* A build on a machine without valgrind has no run under it either. */
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

/* clang-format off */
static const int deadly[] = {
	/* files */
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(open_by_handle_at), SCMP_SYS(creat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat),
	SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(memfd_create),
	/* sockets, also those somebody else has opened */
	SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4),
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg),
	SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(io_uring_setup),
	/* waiting, and programs that might do it for us */
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1),
	SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(execve), SCMP_SYS(execveat),
};
/* clang-format on */

bool no_io_is_possible(void)
{
	return !IS_SANITIZED && !WITH_COVERAGE && !RUNNING_ON_VALGRIND;
}

static void require(int rc, const char *what)
{
	if (rc < 0) {
		fprintf(stderr, "no_io: %s: error %d\n", what, -rc);
		abort();
	}
}

void no_io_enter(void)
{
	if (!no_io_is_possible()) {
		return;
	}
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	require(filter ? 0 : -1, "seccomp_init");
	require(seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1), "TSYNC");
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
		require(seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0), "seccomp_rule_add");
	}
	require(seccomp_load(filter), "seccomp_load");
	seccomp_release(filter);
}
