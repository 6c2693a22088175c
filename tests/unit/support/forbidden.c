/*
 * Preloaded by tests/loopback/test_93_sandbox.py and tests/packaging/test_sandbox.py: a daemon then tries what its sandbox forbids, in its loop when it listens and on a
 * worker when it first shakes hands, says on standard error how that went, and goes on. FORBIDDEN=exec has it run a program instead.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct gnutls_session_int;
int listen(int fd, int backlog);
int gnutls_handshake(struct gnutls_session_int *session);

static int outcome(int rc)
{
	return rc < 0 ? errno : 0;
}

static void try_all(const char *where)
{
	if (strncmp(program_invocation_short_name, "xfed-", 5) != 0) {
		return; /* on a host that has it preloaded everywhere */
	}
	const char *what = getenv("FORBIDDEN");
	char line[128];
	if (what && strcmp(what, "exec") == 0) {
		execl("/bin/true", "true", (char *)NULL);
	}
	int folder = outcome(mkdir("/tmp/xfed-forbidden", 0700)), file = outcome(open("/usr/bin/env", O_RDONLY | O_CLOEXEC));
	int made = outcome(open("/tmp/xfed-forbidden.txt", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	int len = snprintf(line, sizeof(line), "forbidden: %s, %s: mkdir %d, read %d, make %d\n", where, gettid() == getpid() ? "loop" : "worker",
		folder, file, made);
	(void)!write(STDERR_FILENO, line, (size_t)len);
}

__attribute__((visibility("default"))) int listen(int fd, int backlog)
{
	static int is_tried;
	int (*real)(int fd, int backlog) = (int (*)(int, int))dlsym(RTLD_NEXT, "listen");
	if (!__atomic_exchange_n(&is_tried, 1, __ATOMIC_SEQ_CST)) {
		try_all("listen");
	}
	return real(fd, backlog);
}

__attribute__((visibility("default"))) int gnutls_handshake(struct gnutls_session_int *session)
{
	static int is_tried;
	int (*real)(struct gnutls_session_int * session) = (int (*)(struct gnutls_session_int *))dlsym(RTLD_NEXT, "gnutls_handshake");
	if (gettid() != getpid() && !__atomic_exchange_n(&is_tried, 1, __ATOMIC_SEQ_CST)) {
		try_all("handshake");
	}
	return real(session);
}
