/*
 * Work that takes long (a TLS handshake step) on worker threads, at most cores - 1 (at least 1) at once. `run` touches
 * only what `arg` owns; `done` runs on the loop afterwards. There is no cancel: whoever frees `arg` early waits for
 * `done`. The queue has no bound of its own: callers look at rt_job_count().
 *
 * Landlock and seccomp come before the first job: a worker started earlier stays unrestricted.
 */
#ifndef XFED_RT_JOB_H
#define XFED_RT_JOB_H

#include "xfed/rt/loop.h"

int rt_job_submit(struct rt_loop *l, void (*run)(void *arg), void (*done)(void *arg), void *arg); /* OK, NOMEM */
size_t rt_job_count(const struct rt_loop *l);							  /* waiting or running */
unsigned rt_job_workers(void);
uint64_t rt_job_cpu_us(void); /* CPU time of the calling thread: the difference between two is what came between */

#endif
