#include "xfed/rt/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "rt/sandbox_internal.h"

/*
 * A build for tests under a sanitizer or with counters of coverage has none: what these do at the end of a process (a second process that
 * traces the first, files in the build folder) is what a sandbox forbids.
 */
#ifndef SANDBOX_LEFT_OUT
#define SANDBOX_LEFT_OUT false
#endif

static struct {
	bool is_missing[RT_SANDBOX_LAYERS];
	char why[RT_SANDBOX_LAYERS][128];
	int abi;
} state = { .is_missing = { true, true }, .why = { "it was not entered", "it was not entered" } };

const char *rt_sandbox_layer_name(enum rt_sandbox_layer l)
{
	return l == RT_SANDBOX_LANDLOCK ? "landlock" : "seccomp";
}

const char *rt_sandbox_missing(enum rt_sandbox_layer l)
{
	return state.is_missing[l] ? state.why[l] : NULL;
}

bool rt_sandbox_is_left_out(void)
{
	return SANDBOX_LEFT_OUT;
}

int rt_sandbox_abi(void)
{
	return state.abi;
}

/* Code that glibc loads when it is first asked for a user, a group or the time. No code can be loaded afterwards. */
static void load_all(void)
{
	/* No such name: so every place where there may be names is asked. */
	(void)getpwnam(".");
	(void)getgrnam(".");
	tzset();
}

/* A thread that runs already would stay outside. Without /proc the kernel is asked by a call that changes nothing, and fails beside a thread. */
static bool is_alone(void)
{
	struct stat st;
	return stat("/proc/self/task", &st) == 0 ? st.st_nlink == 3 : unshare(CLONE_THREAD) == 0;
}

static int enter_layer(enum rt_sandbox_layer l, int abi, char error[256])
{
	int rc = l == RT_SANDBOX_LANDLOCK ? sandbox_files_enter(abi, &state.abi, state.why[l]) : sandbox_calls_enter(state.why[l]);
	state.is_missing[l] = rc != XFED_OK;
	if (rc == XFED_ERR_LIBRARY) {
		snprintf(error, 256, "the sandbox cannot be entered (%s): %.127s", rt_sandbox_layer_name(l), state.why[l]);
	}
	return rc == XFED_ERR_NOT_FOUND ? XFED_OK : rc;
}

int rt_sandbox_enter(int abi, char error[256])
{
	int rc = sandbox_names.rc;
	if (SANDBOX_LEFT_OUT) {
		for (int l = 0; l < RT_SANDBOX_LAYERS; l++) {
			snprintf(state.why[l], sizeof(state.why[l]), "this build is for tests and leaves it out");
		}
		return XFED_OK;
	}
	if (rc != XFED_OK) {
		snprintf(error, 256, "the sandbox cannot be entered: %s", rc == XFED_ERR_NOMEM ? "out of memory" : "too many ports");
		return rc;
	}
	if (!is_alone() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		snprintf(error, 256, "the sandbox cannot be entered: %s", is_alone() ? strerror(errno) : "a thread runs already");
		return XFED_ERR_LIBRARY;
	}
	load_all();
	for (int l = 0; l < RT_SANDBOX_LAYERS && rc == XFED_OK; l++) {
		rc = enter_layer((enum rt_sandbox_layer)l, abi, error);
	}
	return rc;
}
