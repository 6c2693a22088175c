/*
 * The outside world as protocol code may use it without an event: random bytes, the wall clock, a trace hook. Monotonic time comes as
 * `now_ms` with every step. The daemon fills it in once; tests provide their own.
 */
#ifndef XFED_ENV_H
#define XFED_ENV_H

#include "xfed/base.h"

struct xfed_env {
	void *user;
	void (*random)(void *user, void *out, size_t len);		  /* never fails */
	int64_t (*wall_s)(void *user);					  /* seconds since 1970 UTC */
	void (*trace)(void *user, const char *machine, const char *text); /* may be NULL; gets no bodies or secrets */
};

#endif
