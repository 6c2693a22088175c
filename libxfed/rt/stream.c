#include "xfed/rt/stream.h"

#include <stdio.h>
#include <unistd.h>

#include "rt/stream_internal.h"
#include "xfed/mem.h"

/* ---- life ---- */

static void close_resource(struct rt_resource *r)
{
	rt_stream_close((struct rt_stream *)((char *)r - offsetof(struct rt_stream, resource)));
}

static void on_resume(void *arg);

static struct rt_stream *make_stream(struct rt_loop *l)
{
	struct rt_stream *s = xfed_calloc(1, sizeof(*s));
	if (!s) {
		return NULL;
	}
	uv_tcp_init(rt_loop_uv(l), &s->tcp); /* creates no socket yet and cannot fail */
	s->tcp.data = s;
	s->loop = l;
	rt_post_init(&s->flush, l, rt_stream_flush, s);
	rt_post_init(&s->resume, l, on_resume, s);
	xfed_buf_init(&s->left, RT_READ_BYTES);
	rt_loop_own(l, &s->resource, close_resource);
	return s;
}

static void attach(struct rt_stream *s, const struct rt_stream_handlers *handlers, void *user, size_t out_bytes)
{
	s->handlers = handlers;
	s->user = user;
	s->out_bytes = out_bytes;
	s->low_water = out_bytes / 4;
	xfed_buf_init(&s->out, out_bytes);
}

static void on_closed(uv_handle_t *h)
{
	struct rt_stream *s = h->data;
	xfed_buf_deinit(&s->out);
	xfed_buf_deinit(&s->writing);
	xfed_buf_deinit(&s->left);
	rt_sources_give_back(&s->place);
	xfed_free(s);
}

void rt_stream_close(struct rt_stream *s)
{
	if (!s || s->is_closing) {
		return;
	}
	s->is_closing = true;
	rt_post_cancel(&s->flush);
	rt_post_cancel(&s->resume);
	rt_stream_unwatch(s);
	rt_timer_close(&s->timer);
	rt_loop_disown(s->loop, &s->resource);
	uv_close((uv_handle_t *)&s->tcp, on_closed);
}

void rt_stream_fail(struct rt_stream *s, int uv_error)
{
	rt_stream_fail_because(s, XFED_REASON_NET_STREAM_LOST, uv_strerror(uv_error));
}

void rt_stream_fail_because(struct rt_stream *s, enum xfed_reason reason, const char *text)
{
	if (s->is_failed || s->is_closing) {
		return;
	}
	s->is_failed = true;
	uv_read_stop((uv_stream_t *)&s->tcp);
	rt_post_cancel(&s->flush);
	rt_post_cancel(&s->resume);
	snprintf(s->error, sizeof(s->error), "%s", text);
	if (s->is_lingering) {
		rt_stream_close(s);
		return;
	}
	if (s->handlers && s->handlers->on_error) { /* there are none before rt_stream_start() */
		s->handlers->on_error(s->user, reason);
	}
}

/* ---- reading ---- */

static bool may_read(const struct rt_stream *s)
{
	return s->is_connected && !s->is_paused && !s->has_eof && !s->is_failed && !s->is_closing && xfed_buf_len(&s->left) == 0 && !s->resume.queue;
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct rt_stream *s = h->data;
	(void)suggested;
	*buf = rt_loop_read_buf(s->loop);
}

/* Keeps the rest of a read. Without memory bytes of the stream are lost, so the stream fails. */
static void keep_rest(struct rt_stream *s, struct xfed_span rest)
{
	if (rest.len > 0 && xfed_buf_append(&s->left, rest) != XFED_OK) {
		rt_stream_fail(s, UV_ENOMEM);
	}
}

/* Stops reading if the owner is not ready; a resume() inside on_bytes counts. */
static void settle_reading(struct rt_stream *s)
{
	if (xfed_buf_len(&s->left) > 0 && !s->resume.queue) {
		s->is_paused = true;
	}
	if (!may_read(s)) {
		uv_read_stop((uv_stream_t *)&s->tcp);
	}
}

static void on_end_of_file(struct rt_stream *s)
{
	s->has_eof = true;
	uv_read_stop((uv_stream_t *)&s->tcp);
	if (s->is_lingering) {
		rt_stream_check_linger(s);
	} else if (s->handlers->on_eof) {
		s->handlers->on_eof(s->user);
	}
}

static void on_read(uv_stream_t *tcp, ssize_t nread, const uv_buf_t *buf)
{
	struct rt_stream *s = tcp->data;
	if (nread == 0) {
		return;
	}
	if (nread == UV_EOF) {
		on_end_of_file(s);
		return;
	}
	if (nread < 0) {
		rt_stream_fail(s, (int)nread);
		return;
	}
	size_t len = (size_t)nread;
	s->bytes_in += len;
	size_t consumed = s->handlers->on_bytes(s->user, xfed_span_make(buf->base, len));
	if (s->is_closing || s->is_failed) {
		return;
	}
	XFED_REQUIRE(consumed <= len);
	keep_rest(s, xfed_span_make(buf->base + consumed, len - consumed));
	if (len == RT_READ_BYTES && !s->is_closing && !s->is_failed && xfed_buf_len(&s->left) == 0 && !s->is_paused) {
		rt_post_schedule(&s->resume); /* libuv would read up to 32 times more before it turns to others */
	}
	if (!s->is_closing && !s->is_failed) {
		settle_reading(s);
	}
}

static void start_reading(struct rt_stream *s)
{
	int rc = may_read(s) ? uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read) : 0;
	if (rc != 0 && rc != UV_EALREADY) {
		rt_stream_fail(s, rc);
	}
}

static void offer_leftovers(struct rt_stream *s)
{
	struct xfed_span in = xfed_buf_span(&s->left);
	size_t consumed = s->handlers->on_bytes(s->user, in);
	if (s->is_closing || s->is_failed) {
		return;
	}
	XFED_REQUIRE(consumed <= in.len);
	xfed_buf_consume(&s->left, consumed);
	xfed_buf_trim(&s->left);
	settle_reading(s);
}

static void finish_connect(struct rt_stream *s, int status);

static void on_resume(void *arg)
{
	struct rt_stream *s = arg;
	if (!s->is_connected) {
		if (s->connect_error != 0) {
			finish_connect(s, s->connect_error);
		}
		return;
	}
	if (s->is_paused || s->is_failed) {
		return;
	}
	if (xfed_buf_len(&s->left) > 0) {
		offer_leftovers(s);
	}
	if (!s->is_closing && !s->is_failed) {
		start_reading(s);
	}
}

void rt_stream_pause(struct rt_stream *s)
{
	s->is_paused = true;
	if (s->is_connected) {
		rt_post_cancel(&s->resume);
		uv_read_stop((uv_stream_t *)&s->tcp);
	}
}

void rt_stream_resume(struct rt_stream *s)
{
	s->is_paused = false;
	if (s->is_connected && !s->is_failed && !s->is_closing) {
		rt_post_schedule(&s->resume);
	}
}

bool rt_stream_is_paused(const struct rt_stream *s)
{
	return s->is_paused;
}

/* ---- beginning ---- */

static void become_connected(struct rt_stream *s)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss);
	s->is_connected = true;
	rt_addr_make(&s->local, uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&ss, &len) == 0 ? (struct sockaddr *)&ss : NULL);
	uv_tcp_nodelay(&s->tcp, 1); /* output is collected before it is written, and failing costs only time */
}

static enum xfed_reason connect_reason(int status)
{
	switch (status) {
	case UV_ECONNREFUSED:
	case UV_ECONNRESET:
		return XFED_REASON_NET_CONNECT_REFUSED;
	case UV_ENETUNREACH:
	case UV_EHOSTUNREACH:
	case UV_ENETDOWN:
	case UV_EADDRNOTAVAIL: /* the source address is not this host's, or of the other family */
	case UV_EAFNOSUPPORT:
		return XFED_REASON_NET_CONNECT_UNREACHABLE;
	default:
		return XFED_REASON_NET_CONNECT_TIMEOUT;
	}
}

static void finish_connect(struct rt_stream *s, int status)
{
	enum xfed_reason reason = XFED_REASON_NONE;
	rt_timer_close(&s->timer);
	if (status == 0) {
		become_connected(s);
	} else {
		s->is_failed = true;
		reason = connect_reason(status);
		snprintf(s->error, sizeof(s->error), "%s", uv_strerror(status));
	}
	s->handlers->on_connect(s->user, reason);
	if (s->is_connected && !s->is_closing) {
		rt_stream_kick(s); /* writes what was appended while connecting */
		start_reading(s);
	}
}

static void on_connected(uv_connect_t *req, int status)
{
	struct rt_stream *s = req->data;
	if (!s->is_closing && !s->is_failed) {
		finish_connect(s, status);
	}
}

static void on_connect_timeout(void *user)
{
	struct rt_stream *s = user;
	rt_timer_close(&s->timer);
	s->is_failed = true;
	snprintf(s->error, sizeof(s->error), "no answer within %llu ms", (unsigned long long)s->timeout_ms);
	s->handlers->on_connect(s->user, XFED_REASON_NET_CONNECT_TIMEOUT);
}

/* 0, or the libuv error that on_connect will report. */
static int begin_connect(struct rt_stream *s, const struct rt_addr *source)
{
	if (source && source->sa.sa_family != s->peer.sa.sa_family) {
		return UV_EAFNOSUPPORT; /* the configured source address cannot reach this one */
	}
	if (source) {
		int rc = uv_tcp_bind(&s->tcp, &source->sa, 0);
		if (rc != 0) {
			return rc;
		}
	}
	s->req.connect.data = s;
	return uv_tcp_connect(&s->req.connect, &s->tcp, &s->peer.sa, on_connected);
}

/* 0.0.0.0 and [::] with port 0: no source was chosen. */
static bool is_any(const struct rt_addr *a)
{
	if (rt_addr_port(a) != 0) {
		return false;
	}
	return a->sa.sa_family == AF_UNSPEC || (a->sa.sa_family == AF_INET && a->in.sin_addr.s_addr == INADDR_ANY) ||
	       (a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr));
}

int rt_stream_connect(struct rt_loop *l, const struct rt_addr *to, const struct rt_addr *source, uint64_t timeout_ms,
	const struct rt_stream_handlers *handlers, void *user, size_t out_bytes, struct rt_stream **out)
{
	*out = NULL;
	struct rt_stream *s = make_stream(l);
	if (!s) {
		return XFED_ERR_NOMEM;
	}
	attach(s, handlers, user, out_bytes);
	s->peer = *to;
	s->timeout_ms = timeout_ms;
	if (rt_timer_init(&s->timer, l, on_connect_timeout, s) != XFED_OK) {
		rt_stream_close(s);
		return XFED_ERR_NOMEM;
	}
	s->connect_error = begin_connect(s, source && !is_any(source) ? source : NULL);
	if (s->connect_error != 0) {
		rt_post_schedule(&s->resume);
	} else {
		rt_timer_set(&s->timer, rt_loop_now_ms(l) + timeout_ms);
	}
	*out = s;
	return XFED_OK;
}

struct rt_stream *rt_stream_adopt(struct rt_loop *l, int fd)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss);
	struct rt_stream *s = make_stream(l);
	if (!s) {
		close(fd);
		return NULL;
	}
	if (uv_tcp_open(&s->tcp, fd) != 0) {
		close(fd);
		rt_stream_close(s);
		return NULL;
	}
	rt_addr_make(&s->peer, uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&ss, &len) == 0 ? (struct sockaddr *)&ss : NULL);
	become_connected(s);
	return s;
}

void rt_stream_start(struct rt_stream *s, const struct rt_stream_handlers *handlers, void *user, size_t out_bytes)
{
	XFED_REQUIRE(s->is_connected && !s->handlers);
	attach(s, handlers, user, out_bytes);
	rt_post_schedule(&s->resume);
}

/* ---- lingering ---- */

static size_t discard(void *user, struct xfed_span in)
{
	(void)user;
	return in.len;
}

static const struct rt_stream_handlers linger_handlers = { .on_bytes = discard };

static void on_linger_timeout(void *user)
{
	rt_stream_close(user);
}

void rt_stream_check_linger(struct rt_stream *s)
{
	if (s->is_lingering && s->is_shut && s->has_eof) {
		rt_stream_close(s);
	}
}

void rt_stream_linger(struct rt_stream *s, uint64_t timeout_ms)
{
	if (!s || s->is_closing) {
		return;
	}
	if (!s->is_connected || s->is_failed || rt_timer_init(&s->timer, s->loop, on_linger_timeout, s) != XFED_OK) {
		rt_stream_close(s);
		return;
	}
	rt_timer_set(&s->timer, rt_loop_now_ms(s->loop) + timeout_ms);
	s->is_lingering = true;
	s->handlers = &linger_handlers;
	s->user = s;
	rt_stream_shutdown_after_flush(s);
	rt_stream_resume(s);
	rt_stream_check_linger(s);
}

/* ---- state ---- */

void rt_stream_keepalive(struct rt_stream *s, unsigned delay_s)
{
	uv_tcp_keepalive(&s->tcp, delay_s > 0, delay_s);
}

const struct rt_addr *rt_stream_peer(const struct rt_stream *s)
{
	return &s->peer;
}

struct rt_source_hold *rt_stream_place(struct rt_stream *s)
{
	return &s->place;
}

const struct rt_addr *rt_stream_local(const struct rt_stream *s)
{
	return &s->local;
}

const char *rt_stream_error_text(const struct rt_stream *s)
{
	return s->error;
}

uint64_t rt_stream_bytes_in(const struct rt_stream *s)
{
	return s->bytes_in;
}

uint64_t rt_stream_bytes_out(const struct rt_stream *s)
{
	return s->bytes_out;
}
