/*
 * Watches what the peer's kernel acknowledges. A firewall that has forgotten a connection drops its packets silently, and TCP itself would
 * go on for a quarter of an hour. Streams with bytes in flight are in a list of the loop, which is checked every few seconds; idle ones
 * cost nothing.
 */
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <utlist.h>

#include "rt/loop_internal.h"
#include "rt/stream_internal.h"

bool rt_ack_is_silent(struct rt_ack *a, const struct rt_ack_facts *f, uint64_t now_ms)
{
	a->is_empty = f->bytes == 0;
	/* With a window of zero and answered probes the peer does not read, and the next probe may be minutes away. */
	if (f->segments == 0 && f->probes == 0) {
		a->quiet_since_ms = 0;
		return false;
	}
	uint64_t last_ack_ms = now_ms > f->since_ack_ms ? now_ms - f->since_ack_ms : 0;
	if (a->quiet_since_ms == 0) {
		a->quiet_since_ms = now_ms; /* the last acknowledgement may be hours old, because nothing was sent since */
	}
	if (last_ack_ms > a->quiet_since_ms) {
		a->quiet_since_ms = last_ack_ms;
	}
	return now_ms - a->quiet_since_ms >= RT_STREAM_SILENT_MS;
}

static int stream_fd(const struct rt_stream *s)
{
	uv_os_fd_t fd = -1;
	return uv_fileno((const uv_handle_t *)&s->tcp, &fd) == 0 ? fd : -1;
}

/* Bytes given to the kernel that the peer's has not acknowledged, sent or not; -1: the socket does not say. */
static int bytes_under_way(const struct rt_stream *s)
{
	int bytes = 0;
	return ioctl(stream_fd(s), SIOCOUTQ, &bytes) == 0 ? bytes : -1;
}

static bool read_facts(const struct rt_stream *s, struct rt_ack_facts *f)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int bytes = bytes_under_way(s);
	if (bytes < 0 || getsockopt(stream_fd(s), IPPROTO_TCP, TCP_INFO, &info, &len) != 0) {
		return false;
	}
	*f = (struct rt_ack_facts){ (uint32_t)bytes, info.tcpi_unacked, info.tcpi_probes, info.tcpi_last_ack_recv };
	return true;
}

static void enlist(struct rt_stream *s, struct rt_stream **list)
{
	DL_APPEND2(*list, s, ack.prev, ack.next);
	s->ack.list = list;
}

/* Checks each stream once, however many are silent. */
static void look(struct rt_loop *l)
{
	struct rt_stream *s, *next;
	DL_FOREACH_SAFE2(l->unacked, s, next, ack.next) {
		struct rt_ack_facts f;
		if (!read_facts(s, &f)) {
			rt_stream_unwatch(s); /* the socket has failed, which libuv reports */
		} else if (rt_ack_is_silent(&s->ack, &f, uv_now(&l->uv))) {
			rt_stream_unwatch(s);
			enlist(s, &l->silent);
		} else if (s->ack.is_empty) {
			rt_stream_unwatch(s);
		}
	}
}

static void on_look(uv_timer_t *t)
{
	struct rt_loop *l = t->data;
	struct rt_stream *s;
	look(l);
	while ((s = l->silent) != NULL) { /* the owner of one may close others */
		/* Closing sends a reset, so that the peer learns of it when the path works again. */
		struct linger now = { .l_onoff = 1 };
		setsockopt(stream_fd(s), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		rt_stream_unwatch(s);
		rt_stream_fail_because(s, XFED_REASON_NET_STREAM_SILENT, "the other side has acknowledged nothing for 30 s");
	}
	if (!l->unacked) {
		uv_timer_stop(t);
	}
}

void rt_stream_watch(struct rt_stream *s)
{
	struct rt_loop *l = s->loop;
	if (s->ack.list) {
		return;
	}
	s->ack = (struct rt_ack){ 0 };
	enlist(s, &l->unacked);
	if (!uv_is_active((uv_handle_t *)&l->ack_timer)) {
		uv_timer_start(&l->ack_timer, on_look, RT_ACK_LOOK_MS, RT_ACK_LOOK_MS);
	}
}

void rt_stream_unwatch(struct rt_stream *s)
{
	if (s->ack.list) {
		DL_DELETE2(*s->ack.list, s, ack.prev, ack.next);
		s->ack.list = NULL;
	}
}

uint64_t rt_stream_bytes_acked(const struct rt_stream *s)
{
	int under_way = bytes_under_way(s);
	/* A write in progress is not counted in bytes_out, though the kernel may have taken a part of it. */
	uint64_t given = s->bytes_out + xfed_buf_len(&s->writing) - uv_stream_get_write_queue_size((const uv_stream_t *)&s->tcp);
	return under_way >= 0 && given > (uint64_t)under_way ? given - (uint64_t)under_way : 0;
}
