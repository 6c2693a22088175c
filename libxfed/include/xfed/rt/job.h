/*
 * Work that takes long (a TLS handshake step) on worker threads, at most cores - 1 (at least 1) at once. `run` touches
 * only what `arg` owns; `done` runs on the loop, in a later turn. There is no cancel: whoever frees the owner waits for
 * `done`. Nothing bounds how many wait for a worker: that is what bounds the owners.
 *
 * Landlock and seccomp come before the first job: a worker started earlier stays unrestricted.
 */
#ifndef XFED_RT_JOB_H
#define XFED_RT_JOB_H

#include "xfed/rt/loop.h"

/* Lives in its owner and needs no memory, so that it cannot fail to start. All zeros: not running. */
struct rt_job {
	uv_work_t work;
	struct rt_loop *loop; /* NULL: not running */
	void (*run)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

/* `j` must not be running; in `done` it is not any more: it may start again there, or go with its owner. */
void rt_job_start(struct rt_job *j, struct rt_loop *l, void (*run)(void *arg), void (*done)(void *arg), void *arg);
bool rt_job_is_running(const struct rt_job *j); /* from rt_job_start() until `done` */
unsigned rt_job_workers(void);
uint64_t rt_job_cpu_us(void); /* CPU time of the calling thread: the difference between two is what came between */

#endif
