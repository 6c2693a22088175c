#include "xfed/rt/timer.h"

#include "xfed/mem.h"

/* libuv uses a handle until one turn after its close, so it cannot be in the owner's memory. */
struct rt_timer_handle {
	uv_timer_t uv;
	struct rt_loop *loop;
	struct rt_resource resource;
	struct rt_timer *owner;
	uint64_t deadline_ms; /* UINT64_MAX: not set */
	void (*fn)(void *user);
	void *user;
};

static void on_closed(uv_handle_t *h)
{
	xfed_free(h->data);
}

static void close_resource(struct rt_resource *r)
{
	struct rt_timer_handle *h = (struct rt_timer_handle *)((char *)r - offsetof(struct rt_timer_handle, resource));
	rt_timer_close(h->owner);
}

int rt_timer_init(struct rt_timer *t, struct rt_loop *l, void (*fn)(void *user), void *user)
{
	struct rt_timer_handle *h = xfed_calloc(1, sizeof(*h));
	t->handle = h;
	if (!h) {
		return XFED_ERR_NOMEM;
	}
	uv_timer_init(rt_loop_uv(l), &h->uv);
	h->uv.data = h;
	h->loop = l;
	h->owner = t;
	h->deadline_ms = UINT64_MAX;
	h->fn = fn;
	h->user = user;
	rt_loop_own(l, &h->resource, close_resource);
	return XFED_OK;
}

static void on_timer(uv_timer_t *uv)
{
	struct rt_timer_handle *h = uv->data;
	h->deadline_ms = UINT64_MAX;
	h->fn(h->user);
}

void rt_timer_set(struct rt_timer *t, uint64_t deadline_ms)
{
	struct rt_timer_handle *h = t->handle;
	deadline_ms = deadline_ms == 0 ? UINT64_MAX : deadline_ms;
	if (h->deadline_ms == deadline_ms) {
		return;
	}
	h->deadline_ms = deadline_ms;
	if (deadline_ms == UINT64_MAX) {
		uv_timer_stop(&h->uv);
		return;
	}
	/* Never 0: libuv 1.44 would run a timer that is set to the past again and again within one turn. */
	uint64_t now = rt_loop_now_ms(h->loop);
	uv_timer_start(&h->uv, on_timer, deadline_ms > now ? deadline_ms - now : 1, 0);
}

void rt_timer_close(struct rt_timer *t)
{
	struct rt_timer_handle *h = t->handle;
	if (h) {
		t->handle = NULL;
		rt_loop_disown(h->loop, &h->resource);
		uv_close((uv_handle_t *)&h->uv, on_closed);
	}
}
