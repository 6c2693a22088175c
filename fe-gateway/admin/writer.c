#include "admin/writer.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/rt/control.h"

#define START "xfedctl changes files as well; or start it: systemctl start xfed-panel-writer"

struct writer_ask {
	struct writer_ask *next, **list;
	struct rt_reply reply;
	uv_pipe_t pipe;
	uv_timer_t timer;
	uv_connect_t connect;
	uv_write_t write;
	char *text; /* the request, with its end of line */
	struct xfed_buf in;
	char chunk[16384];
	bool is_over; /* answered; its handles close */
	unsigned handles;
};

static void on_closed(uv_handle_t *h)
{
	struct writer_ask *a = h->data;
	if (--a->handles == 0) {
		xfed_buf_deinit(&a->in);
		free(a->text);
		xfed_free(a);
	}
}

/* No answer is given behind it. */
static void end(struct writer_ask *a)
{
	a->is_over = true;
	for (struct writer_ask **p = a->list; *p; p = &(*p)->next) {
		if (*p == a) {
			*p = a->next;
			break;
		}
	}
	uv_close((uv_handle_t *)&a->pipe, on_closed);
	uv_close((uv_handle_t *)&a->timer, on_closed);
}

static void fail(struct writer_ask *a, const char *code, const char *text)
{
	if (!a->is_over) {
		struct rt_reply reply = a->reply;
		end(a);
		rt_reply_fail(reply, code, "%s", text);
	}
}

static void on_late(uv_timer_t *t)
{
	fail(t->data, "failed", "the writer of files has not answered in time: whether the file is changed has to be looked at");
}

static void answer(struct writer_ask *a, struct xfed_span line)
{
	json_error_t where;
	json_t *j = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES, &where), *result = json_object_get(j, "result");
	const json_t *e = json_object_get(j, "error");
	const char *code = json_string_value(json_object_get(e, "code")), *text = json_string_value(json_object_get(e, "text"));
	if (json_is_object(result)) {
		struct rt_reply reply = a->reply;
		end(a);
		rt_reply_ok(reply, json_incref(result));
	} else {
		fail(a, code ? code : "failed", text ? text : "the writer of files has answered something that is no answer");
	}
	json_decref(j);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct writer_ask *a = h->data;
	(void)suggested;
	*buf = uv_buf_init(a->chunk, sizeof(a->chunk));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct writer_ask *a = s->data;
	if (a->is_over) {
		return;
	}
	if (n < 0) {
		fail(a, "no-writer", "the writer of files has closed without an answer: its log says why (journalctl -u xfed-panel-writer)");
	} else if (xfed_buf_append(&a->in, xfed_span_make(buf->base, (size_t)n)) != XFED_OK) {
		fail(a, "failed", "the answer of the writer of files is too large");
	} else {
		struct xfed_span all = xfed_buf_span(&a->in);
		const char *line_end = memchr(all.data, '\n', all.len);
		if (line_end) {
			answer(a, xfed_span_make(all.data, (size_t)(line_end - all.data)));
		}
	}
}

static void on_written(uv_write_t *w, int status)
{
	struct writer_ask *a = w->data;
	if (status < 0) {
		fail(a, "no-writer", "the writer of files has closed without an answer: its log says why (journalctl -u xfed-panel-writer)");
	}
}

/* The directory of the sockets is one that other services write to. */
static bool is_writer(struct writer_ask *a)
{
	uv_os_fd_t fd;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	return uv_fileno((uv_handle_t *)&a->pipe, &fd) == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void on_connected(uv_connect_t *c, int status)
{
	struct writer_ask *a = c->data;
	uv_buf_t buf = uv_buf_init(a->text, (unsigned)strlen(a->text));
	if (a->is_over) {
		return;
	}
	a->write.data = a;
	if (status < 0) {
		fail(a, "no-writer",
			status == UV_ENOENT || status == UV_ECONNREFUSED
				? "the writer of files does not run, so that the panel cannot change any: " START
				: "the writer of files cannot be reached, so that the panel cannot change any: " START);
	} else if (!is_writer(a)) {
		fail(a, "no-writer", "who listens in the place of the writer of files is neither root nor this gateway's user: nothing was asked");
	} else if (uv_read_start((uv_stream_t *)&a->pipe, on_alloc, on_read) != 0 ||
		   uv_write(&a->write, (uv_stream_t *)&a->pipe, &buf, 1, on_written) != 0) {
		fail(a, "failed", "the writer of files could not be asked");
	}
}

static char *text_of(const json_t *request)
{
	size_t len = json_dumpb(request, NULL, 0, JSON_COMPACT | JSON_ENSURE_ASCII);
	char *text = len > 0 && len < XFED_CONTROL_REQUEST_BYTES ? malloc(len + 2) : NULL;
	if (text) {
		json_dumpb(request, text, len, JSON_COMPACT | JSON_ENSURE_ASCII);
		memcpy(text + len, "\n", 2);
	}
	return text;
}

static bool is_full(const struct writer_ask *list)
{
	unsigned count = 0;
	for (; list; list = list->next) {
		count++;
	}
	return count >= XFED_WRITER_CHILDREN;
}

void writer_ask(struct writer_ask **list, struct uv_loop_s *uv, const char *path, json_t *request, struct rt_reply reply)
{
	char *text = request ? text_of(request) : NULL;
	struct writer_ask *a = text && !is_full(*list) ? xfed_calloc(1, sizeof(*a)) : NULL;
	json_decref(request);
	if (!a) {
		free(text);
		rt_reply_fail(reply, text && is_full(*list) ? "busy" : "failed",
			text && is_full(*list) ? "others are changing files: say it again" : "out of memory, or a request that is too large");
		return;
	}
	*a = (struct writer_ask){ .next = *list, .list = list, .reply = reply, .text = text, .handles = 2 };
	*list = a;
	xfed_buf_init(&a->in, RT_CONTROL_REPLY_BYTES);
	uv_pipe_init(uv, &a->pipe, 0);
	uv_timer_init(uv, &a->timer);
	a->pipe.data = a->timer.data = a->connect.data = a;
	uv_timer_start(&a->timer, on_late, XFED_WRITER_WAIT_MS, 0);
	uv_pipe_connect(&a->connect, &a->pipe, path, on_connected);
}

void writer_stop(struct writer_ask **list)
{
	while (*list) {
		fail(*list, "failed", "the gateway stops: whether the file is changed has to be looked at");
	}
}
