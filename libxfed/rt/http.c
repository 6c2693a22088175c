#include "xfed/rt/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "xfed/mem.h"
#include "xfed/rt/listener.h"

#define RUN_MS	1000
#define BACKLOG 511 /* clients that wait there while all connections are in use are served later */

struct rt_http {
	struct MHD_Daemon *daemon;
	struct rt_http_pages pages;
	uv_poll_t poll;	  /* polls the daemon's epoll descriptor */
	uv_timer_t timer; /* for the time-outs of the daemon */
	unsigned handles; /* number not closed yet */
	uint16_t port;
};

/* ---- pages ---- */

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const char *type, struct xfed_span body)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.data, MHD_RESPMEM_MUST_COPY);
	if (!r) {
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET");
	}
	enum MHD_Result rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

#define PLAIN "text/plain; charset=utf-8"

static enum MHD_Result answer_page(struct rt_http *h, struct MHD_Connection *c, const char *url)
{
	struct xfed_buf body;
	unsigned status = MHD_HTTP_NOT_FOUND;
	const char *type = PLAIN;
	xfed_buf_init(&body, RT_HTTP_BODY_BYTES);
	if (strcmp(url, "/metrics") == 0) {
		bool is_fine = h->pages.metrics(h->pages.user, &body) == XFED_OK;
		status = is_fine ? MHD_HTTP_OK : MHD_HTTP_INTERNAL_SERVER_ERROR;
		type = is_fine ? "text/plain; version=0.0.4; charset=utf-8" : PLAIN;
		if (!is_fine) {
			xfed_buf_clear(&body);
		}
	} else if (strcmp(url, "/healthz") == 0) {
		status = h->pages.is_healthy(h->pages.user, &body) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
	} else if (strcmp(url, "/readyz") == 0) {
		status = h->pages.is_ready(h->pages.user, &body) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	enum MHD_Result rc = answer(c, status, type, xfed_buf_span(&body));
	xfed_buf_deinit(&body);
	return rc;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *c, const char *url, const char *method, const char *version, const char *upload,
	size_t *upload_size, void **state)
{
	static char seen;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0) {
		return answer(c, MHD_HTTP_METHOD_NOT_ALLOWED, PLAIN, XFED_SPAN("GET only\n"));
	}
	/* the first call announces the request; its body (which we do not accept) would follow */
	if (!*state) {
		*state = &seen;
		return MHD_YES;
	}
	if (*upload_size > 0) {
		return MHD_NO;
	}
	return answer_page(user, c, url);
}

static void ignore_log(void *user, const char *fmt, va_list ap)
{
	/* Messages of the library about single requests are not logged. */
}

/* ---- driving it ---- */

static void on_timer(uv_timer_t *t);

/*
 * At its limit of connections the library stops listening, and starts again only in a later MHD_run(), which its descriptor does not ask
 * for; so it is called about once a second in any case.
 */
static void run(struct rt_http *h)
{
	MHD_UNSIGNED_LONG_LONG timeout = RUN_MS;
	MHD_run(h->daemon);
	if (MHD_get_timeout(h->daemon, &timeout) != MHD_YES || timeout > RUN_MS) {
		timeout = RUN_MS;
	}
	uv_timer_start(&h->timer, on_timer, timeout, 0);
}

static void on_timer(uv_timer_t *t)
{
	run(t->data);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	run(p->data);
}

static int to_sockaddr(const struct rt_conf_address *a, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	if (inet_pton(AF_INET, a->host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(a->port);
		return XFED_OK;
	}
	if (inet_pton(AF_INET6, a->host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(a->port);
		return XFED_OK;
	}
	return XFED_ERR_INVALID;
}

/* Our own socket, so that a failure is reported in a sentence, and SO_REUSEADDR is set. */
int rt_http_listen(const struct rt_conf_address *a, const char *key, char error[256])
{
	struct sockaddr_storage addr;
	char text[320];
	rt_conf_address_text(a, text);
	if (to_sockaddr(a, &addr) != XFED_OK) {
		snprintf(error, 256, "%.40s %.100s is no IP address", key, text);
		return -1;
	}
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;
	bool is_up = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
	if (is_up && addr.ss_family == AF_INET6) {
		is_up = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0;
	}
	socklen_t len = addr.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	is_up = is_up && bind(fd, (struct sockaddr *)&addr, len) == 0 && listen(fd, BACKLOG) == 0;
	if (!is_up) {
		char said[160];
		snprintf(said, sizeof(said), "cannot listen on %.100s: %s", text, strerror(errno));
		snprintf(error, 256, RT_LISTEN_FAILED, key, said);
		if (fd >= 0) {
			close(fd);
		}
		return -1;
	}
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	if (getsockname(fd, (struct sockaddr *)&addr, &len) != 0) {
		return 0;
	}
	return ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port : ((struct sockaddr_in *)&addr)->sin_port);
}

static int start_daemon(struct rt_http *h, int fd)
{
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_LISTEN_SOCKET, fd, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, XFED_HTTP_CONNECTIONS, NULL },
		{ MHD_OPTION_PER_IP_CONNECTION_LIMIT, XFED_HTTP_CONNECTIONS_ADDRESS, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, RT_HTTP_TIMEOUT_S, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};
	/* The memory limit of a connection is that of its request line and headers: beyond it the answer is 414 or 431. */
	h->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)RT_HTTP_HEADER_BYTES, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	return h->daemon ? XFED_OK : XFED_ERR_LIBRARY;
}

static int start_handles(struct rt_http *h, struct uv_loop_s *uv)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info || uv_poll_init(uv, &h->poll, info->epoll_fd) != 0) {
		return XFED_ERR_LIBRARY;
	}
	uv_timer_init(uv, &h->timer);
	h->poll.data = h->timer.data = h;
	h->handles = 2;
	uv_poll_start(&h->poll, UV_READABLE, on_poll);
	uv_timer_start(&h->timer, on_timer, RUN_MS, 0);
	return XFED_OK;
}

int rt_http_new(struct uv_loop_s *uv, const struct rt_conf_address *listen, const struct rt_http_pages *pages, struct rt_http **out, char error[256])
{
	*out = NULL;
	snprintf(error, 256, "out of memory");
	struct rt_http *h = xfed_calloc(1, sizeof(*h));
	if (!h) {
		return XFED_ERR_NOMEM;
	}
	h->pages = *pages;
	int fd = rt_http_listen(listen, "http.listen", error);
	if (fd < 0) {
		xfed_free(h);
		return XFED_ERR_INVALID;
	}
	h->port = port_of(fd);
	int rc = start_daemon(h, fd);
	if (rc != XFED_OK) {
		close(fd);
	} else {
		rc = start_handles(h, uv);
	}
	if (rc != XFED_OK) {
		snprintf(error, 256, "libmicrohttpd cannot be started for http.listen");
		if (h->daemon) {
			MHD_stop_daemon(h->daemon);
		}
		xfed_free(h);
		return rc;
	}
	*out = h;
	return XFED_OK;
}

static void on_closed(uv_handle_t *handle)
{
	struct rt_http *h = handle->data;
	h->handles--;
	if (h->handles == 0) {
		/* At the end: libuv must not poll a descriptor that is closed. */
		MHD_stop_daemon(h->daemon);
		xfed_free(h);
	}
}

void rt_http_free(struct rt_http *h)
{
	if (h) {
		uv_close((uv_handle_t *)&h->poll, on_closed);
		uv_close((uv_handle_t *)&h->timer, on_closed);
	}
}

uint16_t rt_http_port(const struct rt_http *h)
{
	return h->port;
}
