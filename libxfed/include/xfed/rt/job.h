/*
 * Work that takes long (a TLS handshake step), on worker threads; at most cores - 1 (at least 1) run at once. `run` may use only what `arg`
 * owns; `done` runs on the loop in a later turn. Jobs cannot be cancelled: the owner has to live until `done`. There is no limit here on
 * jobs that wait; it follows from the limit on their owners.
 *
 * Landlock and seccomp have to be set up before the first job: a worker thread started earlier would be unrestricted.
 */
#ifndef XFED_RT_JOB_H
#define XFED_RT_JOB_H

#include "xfed/rt/loop.h"

/* A member of its owner, without memory of its own, so that starting it cannot fail. All zeros: not running. */
struct rt_job {
	uv_work_t work;
	struct rt_loop *loop; /* NULL: not running */
	void (*run)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

/* `j` must not be running. In `done` it is not running any more, so it may be started again, or freed with its owner. */
void rt_job_start(struct rt_job *j, struct rt_loop *l, void (*run)(void *arg), void (*done)(void *arg), void *arg);
bool rt_job_is_running(const struct rt_job *j); /* from rt_job_start() until `done` */
unsigned rt_job_workers(void);
uint64_t rt_job_cpu_us(void); /* CPU time of the calling thread, for differences */

#endif
