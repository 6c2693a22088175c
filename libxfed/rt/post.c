#include <utlist.h>

#include "rt/loop_internal.h"
#include "xfed/mem.h"

void rt_post_init(struct rt_post *p, struct rt_loop *l, void (*fn)(void *arg), void *arg)
{
	*p = (struct rt_post){ .loop = l, .fn = fn, .arg = arg };
}

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* while an idle handle is active the poll does not block */
}

static void keep_awake(struct rt_loop *l)
{
	if (l->is_closing) {
		return;
	}
	if (l->posts || l->turn_end) {
		uv_idle_start(&l->idle, on_idle);
	} else {
		uv_idle_stop(&l->idle);
	}
}

static void enqueue(struct rt_post *p, struct rt_post **queue)
{
	if (!p->queue) {
		p->queue = queue;
		DL_APPEND(*queue, p);
		keep_awake(p->loop);
	}
}

void rt_post_schedule(struct rt_post *p)
{
	enqueue(p, &p->loop->posts);
}

void rt_post_at_turn_end(struct rt_post *p)
{
	enqueue(p, &p->loop->turn_end);
}

void rt_post_cancel(struct rt_post *p)
{
	if (p->queue) {
		DL_DELETE(*p->queue, p);
		p->queue = NULL;
	}
}

/* Runs up to a marker behind the last one, so that posts made by posts wait for the next turn. */
static void run_queue(struct rt_post **queue)
{
	struct rt_post marker = { .queue = queue };
	if (!*queue) {
		return;
	}
	DL_APPEND(*queue, &marker);
	while (*queue != &marker) {
		struct rt_post *p = *queue;
		rt_post_cancel(p);
		p->fn(p->arg);
	}
	rt_post_cancel(&marker);
}

void rt_loop_run_posts(struct rt_loop *l)
{
	run_queue(&l->posts);
	run_queue(&l->turn_end);
	keep_awake(l);
}
