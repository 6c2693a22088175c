#include "rt/stream_internal.h"

#include "xfed/mem.h"

struct xfed_buf *rt_stream_out(struct rt_stream *s)
{
	return &s->out;
}

size_t rt_stream_out_len(const struct rt_stream *s)
{
	return xfed_buf_len(&s->out) + xfed_buf_len(&s->writing);
}

void rt_stream_set_low_water(struct rt_stream *s, size_t bytes)
{
	s->low_water = bytes;
}

void rt_stream_kick(struct rt_stream *s)
{
	if (s->is_connected && !s->is_closing && !s->is_failed) {
		rt_post_at_turn_end(&s->flush);
	}
}

void rt_stream_shutdown_after_flush(struct rt_stream *s)
{
	s->wants_shutdown = true;
	rt_stream_kick(s);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct rt_stream *s = req->data;
	if (s->is_closing) {
		return;
	}
	s->is_shut = true;
	if (status < 0 && status != UV_ENOTCONN) {
		rt_stream_fail(s, status);
		return;
	}
	rt_stream_check_linger(s);
}

static void start_shutdown(struct rt_stream *s)
{
	s->is_shutting = true;
	s->req.shutdown.data = s;
	int rc = uv_shutdown(&s->req.shutdown, (uv_stream_t *)&s->tcp, on_shutdown);
	if (rc != 0) {
		rt_stream_fail(s, rc);
	}
}

/* Callbacks come last, because the owner may close the stream in them. */
static void after_output(struct rt_stream *s)
{
	size_t len = rt_stream_out_len(s);
	if (len == 0 && s->wants_shutdown && !s->is_shutting) {
		start_shutdown(s);
	}
	if (s->was_high && len <= s->low_water && !s->is_closing && !s->is_failed) {
		s->was_high = false;
		if (s->handlers->on_drained) {
			s->handlers->on_drained(s->user);
		}
	}
}

static void on_written(uv_write_t *req, int status)
{
	struct rt_stream *s = req->data;
	if (s->is_closing || s->is_failed) {
		return;
	}
	if (status < 0) {
		rt_stream_fail(s, status);
		return;
	}
	s->bytes_out += xfed_buf_len(&s->writing);
	xfed_buf_deinit(&s->writing);
	s->out.cap_bytes = s->out_bytes;
	if (xfed_buf_len(&s->out) > 0) {
		rt_stream_kick(s);
	}
	after_output(s);
}

/*
 * Gives the rest to libuv as it is, and leaves the owner an empty buffer. The limit counts both, so that a peer that does not read holds no
 * more memory than the owner allowed.
 */
static void write_rest(struct rt_stream *s)
{
	s->writing = s->out;
	xfed_buf_init(&s->out, s->out_bytes - xfed_buf_len(&s->writing));
	struct xfed_span rest = xfed_buf_span(&s->writing);
	uv_buf_t buf = uv_buf_init((char *)rest.data, (unsigned)rest.len);
	s->req.write.data = s;
	int rc = uv_write(&s->req.write, (uv_stream_t *)&s->tcp, &buf, 1, on_written);
	if (rc != 0) {
		rt_stream_fail(s, rc);
	}
}

void rt_stream_flush(void *arg)
{
	struct rt_stream *s = arg;
	struct xfed_span out = xfed_buf_span(&s->out);
	if (!s->is_connected || s->is_failed) {
		return;
	}
	s->was_high = s->was_high || rt_stream_out_len(s) > s->low_water;
	if (xfed_buf_len(&s->writing) > 0) {
		return; /* on_written() calls this again */
	}
	if (out.len > 0) {
		uv_buf_t buf = uv_buf_init((char *)out.data, (unsigned)out.len);
		int n = uv_try_write((uv_stream_t *)&s->tcp, &buf, 1);
		if (n < 0 && n != UV_EAGAIN) {
			rt_stream_fail(s, n);
			return;
		}
		size_t written = n > 0 ? (size_t)n : 0;
		s->bytes_out += written;
		rt_stream_watch(s);
		xfed_buf_consume(&s->out, written);
		if (written < out.len) {
			write_rest(s);
		} else {
			xfed_buf_trim(&s->out); /* an idle stream has no buffer */
		}
	}
	after_output(s);
}
