#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "xfed/mem.h"

static void on_wake(uv_timer_t *t)
{
	(void)t;
}

static void on_timer_closed(uv_handle_t *h)
{
	free(h);
}

void until_begin(struct until *u, struct rt_loop *l)
{
	uv_update_time(rt_loop_uv(l));
	u->loop = l;
	u->end_ms = rt_loop_now_ms(l) + WAIT_MS;
	u->timer = malloc(sizeof(*u->timer));
	assert_non_null(u->timer);
	uv_timer_init(rt_loop_uv(l), u->timer);
	uv_timer_start(u->timer, on_wake, WAIT_MS, 0);
}

void until_turn(struct until *u, const char *cond, const char *file, int line)
{
	if (rt_loop_now_ms(u->loop) >= u->end_ms) {
		print_error("%s:%d: waited in vain for %s\n", file, line, cond);
		abort();
	}
	rt_loop_turn(u->loop, true);
}

void until_end(struct until *u)
{
	uv_close((uv_handle_t *)u->timer, on_timer_closed);
}

struct rt_loop *new_loop(void)
{
	struct rt_loop *l = NULL;
	assert_int_equal(rt_loop_new(&l), XFED_OK);
	return l;
}

struct rt_addr addr(const char *text)
{
	struct rt_addr a;
	assert_int_equal(rt_addr_parse(&a, xfed_span_str(text), 0), XFED_OK);
	return a;
}

int raw_connect(const struct rt_addr *to)
{
	int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &to->sa, to->sa.sa_family == AF_INET6 ? sizeof(to->in6) : sizeof(to->in)), 0);
	return fd;
}

long allocations;
static long failing = -1;

static bool fails(void)
{
	return allocations++ == failing;
}

static void *failing_malloc(size_t size)
{
	return fails() ? NULL : malloc(size);
}

static void *failing_realloc(void *p, size_t size)
{
	return size > 0 && fails() ? NULL : realloc(p, size);
}

void fail_allocation(long n)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	allocations = 0;
	failing = n;
	xfed_mem_set_hooks(&hooks);
}
