#include "xfed/rt/job.h"

#include <time.h>

#include "rt/loop_internal.h"

/* One core is left to the loop. The size of the pool is the limit: libuv queues further jobs. */
unsigned rt_job_workers(void)
{
	unsigned cores = uv_available_parallelism();
	return cores > 1 ? cores - 1 : 1;
}

uint64_t rt_job_cpu_us(void)
{
	struct timespec t = { 0, 0 };
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* cannot fail on Linux */
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void on_work(uv_work_t *work)
{
	struct rt_job *j = work->data;
	j->run(j->arg);
}

static void on_after_work(uv_work_t *work, int status)
{
	struct rt_job *j = work->data;
	(void)status; /* an error only for cancelled jobs, and none is cancelled */
	j->loop->jobs--;
	j->loop = NULL;
	j->done(j->arg);
}

void rt_job_start(struct rt_job *j, struct rt_loop *l, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
	XFED_REQUIRE(!j->loop);
	*j = (struct rt_job){ .work.data = j, .loop = l, .run = run, .done = done, .arg = arg };
	uv_queue_work(&l->uv, &j->work, on_work, on_after_work); /* fails only without a callback */
	l->jobs++;
}

bool rt_job_is_running(const struct rt_job *j)
{
	return j->loop != NULL;
}
