/* What the files of the daemon share; see xfed/rt/daemon.h. */
#ifndef XFED_RT_DAEMON_INTERNAL_H
#define XFED_RT_DAEMON_INTERNAL_H

#include <inttypes.h>

#include "xfed/rt/daemon.h"

/* daemon_sandbox.c: the metric of each layer; what was denied since the last time; the problems of `status`. */
void daemon_sandbox_open(struct rt_daemon *d);
void daemon_sandbox_tick(struct rt_daemon *d);
void daemon_sandbox_problems(const struct rt_daemon *d, json_t *problems);

#endif
