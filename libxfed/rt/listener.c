#include "xfed/rt/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rt/stream_internal.h"
#include "xfed/mem.h"
#include "xfed/rt/timer.h"

#define BACKLOG		    511
#define ACCEPTS_PER_TURN    64
#define DRAIN_ROUNDS	    16
#define OUT_OF_RESOURCES_MS 100

/*
 * Connections are accepted here on a polled socket: libuv's own listener has no SO_REUSEPORT, drops connections when descriptors run out,
 * and cannot be emptied before it closes.
 */
struct rt_listener {
	uv_poll_t poll;
	struct rt_loop *loop;
	struct rt_resource resource;
	struct rt_timer retry;
	struct rt_addr addr;
	int fd;
	rt_accept_fn on_accept;
	void *user;
	bool is_draining, is_closing;
};

static void on_closed(uv_handle_t *h)
{
	xfed_free(h->data);
}

static void close_resource(struct rt_resource *r)
{
	rt_listener_close((struct rt_listener *)((char *)r - offsetof(struct rt_listener, resource)));
}

/* Accepts up to `max` connections; XFED_ERR_AGAIN: there are no more, NOMEM: none can be accepted now. */
static int accept_some(struct rt_listener *l, unsigned max)
{
	for (unsigned n = 0; n < max; n++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			return XFED_ERR_AGAIN;
		}
		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
			return XFED_ERR_NOMEM;
		}
		if (fd < 0) {
			continue; /* an error of that connection, which accept(2) returns: go on with the next */
		}
		struct rt_stream *s = rt_stream_adopt(l->loop, fd);
		if (!s) {
			return XFED_ERR_NOMEM;
		}
		l->on_accept(l->user, l, s);
		if (l->is_closing) {
			break;
		}
	}
	return XFED_OK;
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	struct rt_listener *l = h->data;
	(void)status;
	(void)events;
	if (accept_some(l, ACCEPTS_PER_TURN) == XFED_ERR_NOMEM && !l->is_closing) {
		/* The connections wait in the kernel; polling on would only loop. */
		uv_poll_stop(&l->poll);
		rt_timer_set(&l->retry, rt_loop_now_ms(l->loop) + OUT_OF_RESOURCES_MS);
	}
}

static void on_retry(void *user)
{
	struct rt_listener *l = user;
	uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

static int set_option(int fd, int level, int name)
{
	int on = 1;
	return setsockopt(fd, level, name, &on, sizeof(on)) == 0 ? 0 : errno;
}

/* 0 with a listening socket in `*out`, or an errno. */
static int open_socket(const struct rt_addr *a, bool is_exclusive, int *out)
{
	bool is_v6 = a->sa.sa_family == AF_INET6;
	int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return errno;
	}
	int err = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
	if (err == 0 && !is_exclusive) {
		err = set_option(fd, SOL_SOCKET, SO_REUSEPORT);
	}
	if (err == 0 && is_v6) {
		err = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	}
	if (err == 0 && bind(fd, &a->sa, is_v6 ? sizeof(a->in6) : sizeof(a->in)) != 0) {
		err = errno;
	}
	if (err == 0 && listen(fd, BACKLOG) != 0) {
		err = errno;
	}
	if (err != 0) {
		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

static int refuse(const struct rt_addr *address, int err, char *error, size_t error_size)
{
	char text[RT_ADDR_TEXT];
	snprintf(error, error_size, "cannot listen on %s: %s", rt_addr_text(address, text), uv_strerror(uv_translate_sys_error(err)));
	return XFED_ERR_LIBRARY;
}

int rt_listener_new(struct rt_loop *loop, const struct rt_addr *address, bool is_exclusive, rt_accept_fn on_accept, void *user,
	struct rt_listener **out, char *error, size_t error_size)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int rc = XFED_ERR_NOMEM;
	*out = NULL;
	struct rt_listener *l = xfed_calloc(1, sizeof(*l));
	if (!l) {
		return rc;
	}
	l->loop = loop;
	l->on_accept = on_accept;
	l->user = user;
	int err = open_socket(address, is_exclusive, &l->fd);
	if (err != 0) {
		rc = refuse(address, err, error, error_size);
		goto free_listener;
	}
	rt_addr_make(&l->addr, getsockname(l->fd, (struct sockaddr *)&ss, &len) == 0 ? (struct sockaddr *)&ss : &address->sa);
	if (rt_timer_init(&l->retry, loop, on_retry, l) != XFED_OK) {
		goto close_socket;
	}
	err = uv_poll_init_socket(rt_loop_uv(loop), &l->poll, l->fd);
	if (err != 0) {
		rc = refuse(address, -err, error, error_size);
		goto close_timer;
	}
	l->poll.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_readable);
	rt_loop_own(loop, &l->resource, close_resource);
	*out = l;
	return XFED_OK;

close_timer:
	rt_timer_close(&l->retry);
close_socket:
	close(l->fd);
free_listener:
	xfed_free(l);
	return rc;
}

const struct rt_addr *rt_listener_addr(const struct rt_listener *l)
{
	return &l->addr;
}

void rt_listener_close(struct rt_listener *l)
{
	if (!l || l->is_draining) {
		return; /* on_accept may have closed it meanwhile */
	}
	l->is_draining = true;
	/*
	 * Closing a listening socket resets the connections in its queue (net.ipv4.tcp_migrate_req is 0). In a limited number of rounds, because
	 * clients may keep connecting.
	 */
	for (unsigned n = 0; n < DRAIN_ROUNDS && accept_some(l, ACCEPTS_PER_TURN) == XFED_OK; n++) {
	}
	l->is_closing = true;
	rt_timer_close(&l->retry);
	rt_loop_disown(l->loop, &l->resource);
	uv_close((uv_handle_t *)&l->poll, on_closed);
	close(l->fd);
}
