/*
 * The control of tests/tsan: two jobs that run at once and write the same word without a lock. A run that is worth anything
 * reports it and ends with the status of TSAN_OPTIONS. Without a second worker thread the jobs would wait for each
 * other for good, so the alarm ends the process.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "xfed/rt/job.h"

#define PATIENCE_S 20

static pthread_barrier_t both;
static int shared, ended;

static void write_it(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&both);
	shared++;
}

static void end_it(void *arg)
{
	if (++ended == 2) {
		rt_loop_stop(arg);
	}
}

int main(void)
{
	struct rt_loop *loop;
	struct rt_job jobs[2] = { 0 };
	alarm(PATIENCE_S);
	if (pthread_barrier_init(&both, NULL, 2) != 0 || rt_loop_new(&loop) != XFED_OK) {
		return 1;
	}
	for (int i = 0; i < 2; i++) {
		rt_job_start(&jobs[i], loop, write_it, end_it, loop);
	}
	rt_loop_run(loop);
	rt_loop_free(loop);
	pthread_barrier_destroy(&both);
	printf("%u workers wrote %d times\n", rt_job_workers(), shared);
	return 0;
}
