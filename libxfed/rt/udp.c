#include "xfed/rt/udp.h"

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdalign.h>
#include <stdio.h>
#include <sys/socket.h>

#include "xfed/mem.h"

#define PARTS_MAX	8
#define KERNEL_IN_BYTES (1024 * 1024)
#define RETURNED_BYTES	1500 /* more is never quoted */
#define RETURNED_MAX	64   /* read at once; then datagrams are read */

struct rt_udp {
	uv_udp_t uv;
	struct rt_loop *loop;
	struct rt_resource resource;
	const struct rt_udp_handlers *handlers;
	void *user;
	struct rt_addr addr;
	int last_error;
	bool has_returned; /* the error that announces it has already been read */
	bool is_closing;
};

static void on_closed(uv_handle_t *h)
{
	xfed_free(h->data);
}

static void close_resource(struct rt_resource *r)
{
	rt_udp_close((struct rt_udp *)((char *)r - offsetof(struct rt_udp, resource)));
}

void rt_udp_close(struct rt_udp *u)
{
	if (u && !u->is_closing) {
		u->is_closing = true;
		rt_loop_disown(u->loop, &u->resource);
		uv_close((uv_handle_t *)&u->uv, on_closed);
	}
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct rt_udp *u = h->data;
	(void)suggested;
	*buf = rt_loop_read_buf(u->loop);
}

/* ---- datagrams that did not arrive ---- */

/* Whether ICMP says that the destination cannot be reached. Not if the datagram was too large for the path: the kernel fragments the next one. */
static bool is_unreachable(const struct sock_extended_err *e)
{
	return (e->ee_origin == SO_EE_ORIGIN_ICMP && e->ee_type == ICMP_DEST_UNREACH && e->ee_code != ICMP_FRAG_NEEDED) ||
	       (e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type == ICMP6_DST_UNREACH);
}

static const struct sock_extended_err *error_of(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) || (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
			return (const struct sock_extended_err *)CMSG_DATA(c);
		}
	}
	return NULL;
}

/* False: there is none. */
static bool read_returned(struct rt_udp *u, int fd)
{
	char bytes[RETURNED_BYTES];
	alignas(struct cmsghdr) char control[512];
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr m = { .msg_name = &ss, .msg_namelen = sizeof(ss), .msg_iov = &iov, .msg_iovlen = 1 };
	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	ssize_t n = recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);
	if (n < 0) {
		return false;
	}
	const struct sock_extended_err *e = error_of(&m);
	if (e && is_unreachable(e) && ss.ss_family != AF_UNSPEC) {
		struct rt_addr to;
		rt_addr_make(&to, (struct sockaddr *)&ss);
		u->handlers->on_returned(u->user, xfed_span_make(bytes, (size_t)n), &to, uv_translate_sys_error((int)e->ee_errno));
	}
	return true;
}

/*
 * False: there was none. The kernel wakes us as long as there are any; reading is limited, so that many forged ones do not keep us from
 * reading datagrams.
 */
static bool read_all_returned(struct rt_udp *u)
{
	uv_os_fd_t fd;
	int error;
	socklen_t len = sizeof(error);
	if (uv_fileno((uv_handle_t *)&u->uv, &fd) != 0) {
		return false;
	}
	u->has_returned = false;
	for (int i = 0; i < RETURNED_MAX; i++) {
		if (u->is_closing || !read_returned(u, fd)) {
			return i > 0;
		}
	}
	u->has_returned = !u->is_closing && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0; /* else the error is reported before it */
	return true;
}

static int ask_for_returned(struct rt_udp *u, int family)
{
	uv_os_fd_t fd;
	int on = 1, rc = uv_fileno((uv_handle_t *)&u->uv, &fd);
	bool is_v6 = family == AF_INET6;
	if (rc == 0 && setsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof(on)) != 0) {
		rc = uv_translate_sys_error(errno);
	}
	return rc;
}

/* ---- in and out ---- */

static void on_recv(uv_udp_t *uv, ssize_t nread, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
	struct rt_udp *u = uv->data;
	if (u->is_closing || (flags & UV_UDP_PARTIAL) != 0) {
		return;
	}
	bool may_have_returned = u->handlers->on_returned && (nread < 0 || (nread == 0 && !from && u->has_returned));
	if (may_have_returned && (read_all_returned(u) || u->is_closing)) {
		return;
	}
	if (nread == 0 && !from) {
		return;
	}
	if (nread < 0) {
		u->last_error = (int)nread;
		if (u->handlers->on_error) {
			u->handlers->on_error(u->user, (int)nread);
		}
		return;
	}
	struct rt_addr a;
	rt_addr_make(&a, from);
	u->handlers->on_datagram(u->user, xfed_span_make(buf->base, (size_t)nread), &a);
}

static struct rt_udp *make_udp(struct rt_loop *loop, const struct rt_udp_handlers *handlers, void *user)
{
	struct rt_udp *u = xfed_calloc(1, sizeof(*u));
	if (u) {
		uv_udp_init(rt_loop_uv(loop), &u->uv); /* creates no socket yet and cannot fail */
		u->uv.data = u;
		u->loop = loop;
		u->handlers = handlers;
		u->user = user;
		rt_loop_own(loop, &u->resource, close_resource);
	}
	return u;
}

static int start(struct rt_udp *u)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss);
	int rc = uv_udp_recv_start(&u->uv, on_alloc, on_recv);
	if (rc == 0) {
		rc = uv_udp_getsockname(&u->uv, (struct sockaddr *)&ss, &len);
	}
	rt_addr_make(&u->addr, rc == 0 ? (struct sockaddr *)&ss : NULL);
	return rc;
}

int rt_udp_bind(struct rt_loop *loop, const struct rt_addr *address, const struct rt_udp_handlers *handlers, void *user, struct rt_udp **out,
	char *error, size_t error_size)
{
	char text[RT_ADDR_TEXT];
	int size = KERNEL_IN_BYTES;
	*out = NULL;
	struct rt_udp *u = make_udp(loop, handlers, user);
	if (!u) {
		return XFED_ERR_NOMEM;
	}
	int rc = uv_udp_bind(&u->uv, &address->sa, address->sa.sa_family == AF_INET6 ? UV_UDP_IPV6ONLY : 0);
	if (rc == 0 && handlers->on_returned) {
		rc = ask_for_returned(u, address->sa.sa_family);
	}
	if (rc == 0) {
		rc = start(u);
	}
	if (rc != 0) {
		snprintf(error, error_size, "cannot listen on udp %s: %s", rt_addr_text(address, text), uv_strerror(rc));
		rt_udp_close(u);
		return XFED_ERR_LIBRARY;
	}
	uv_recv_buffer_size((uv_handle_t *)&u->uv, &size); /* as much as net.core.rmem_max allows */
	*out = u;
	return XFED_OK;
}

int rt_udp_connect(struct rt_loop *loop, const struct rt_addr *to, const struct rt_udp_handlers *handlers, void *user, struct rt_udp **out)
{
	*out = NULL;
	struct rt_udp *u = make_udp(loop, handlers, user);
	if (!u) {
		return XFED_ERR_NOMEM;
	}
	/* libuv binds port 0 first, and the kernel chooses a random port of its ephemeral range */
	int rc = uv_udp_connect(&u->uv, &to->sa);
	if (rc == 0) {
		rc = start(u);
	}
	if (rc != 0) {
		rt_udp_close(u);
		return XFED_ERR_LIBRARY;
	}
	*out = u;
	return XFED_OK;
}

int rt_udp_send(struct rt_udp *u, const struct rt_addr *to, const struct xfed_span *parts, size_t count)
{
	uv_buf_t bufs[PARTS_MAX];
	XFED_REQUIRE(count <= PARTS_MAX);
	for (size_t i = 0; i < count; i++) {
		bufs[i] = uv_buf_init((char *)parts[i].data, (unsigned)parts[i].len);
	}
	int n = uv_udp_try_send(&u->uv, bufs, (unsigned)count, to ? &to->sa : NULL);
	/* A socket reports a returned datagram when the next one is sent to any address, and does not send that one. */
	for (int i = 0; i < 2 && n < 0 && n != UV_EAGAIN && u->handlers->on_returned; i++) {
		u->has_returned = true;
		n = uv_udp_try_send(&u->uv, bufs, (unsigned)count, to ? &to->sa : NULL);
	}
	if (n >= 0) {
		return XFED_OK;
	}
	u->last_error = n;
	if (n == UV_EAGAIN || n == UV_ENOBUFS) {
		return XFED_ERR_AGAIN;
	}
	return n == UV_EMSGSIZE ? XFED_ERR_LIMIT : XFED_ERR_LIBRARY;
}

const struct rt_addr *rt_udp_addr(const struct rt_udp *u)
{
	return &u->addr;
}

const char *rt_udp_error_text(const struct rt_udp *u)
{
	return u->last_error != 0 ? uv_strerror(u->last_error) : "";
}
