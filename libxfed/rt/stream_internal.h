/* The interface between stream.c (life, reading), stream_out.c (writing) and stream_ack.c. */
#ifndef XFED_RT_STREAM_INTERNAL_H
#define XFED_RT_STREAM_INTERNAL_H

#include "xfed/rt/source.h"
#include "xfed/rt/stream.h"
#include "xfed/rt/timer.h"

#define RT_STREAM_SILENT_MS 30000
#define RT_ACK_LOOK_MS	    2000

/*
 * Facts from the kernel about the output of a connection: bytes not acknowledged, segments of these in flight, unanswered probes of a
 * closed window.
 */
struct rt_ack_facts {
	uint32_t bytes, segments, probes;
	uint32_t since_ack_ms; /* since the last acknowledgement */
};

struct rt_ack {
	struct rt_stream *prev, *next, **list; /* the list of the loop that it is in; NULL: none */
	uint64_t quiet_since_ms;	       /* 0: nothing is in flight */
	bool is_empty;
};

struct rt_stream {
	uv_tcp_t tcp;
	union { /* one at a time: connecting, then writes, then the shutdown after the last write */
		uv_connect_t connect;
		uv_write_t write;
		uv_shutdown_t shutdown;
	} req;
	struct rt_loop *loop;
	struct rt_resource resource;
	const struct rt_stream_handlers *handlers;
	void *user;
	struct rt_post flush, resume;
	struct rt_timer timer;	 /* while connecting or lingering */
	struct xfed_buf out;	 /* the owner appends to it */
	struct xfed_buf writing; /* given to libuv, which reads from it */
	struct xfed_buf left;	 /* read, and not consumed by the owner */
	size_t out_bytes, low_water;
	uint64_t bytes_in, bytes_out, timeout_ms;
	struct rt_addr peer, local;
	struct rt_source_hold place;
	char error[64];
	struct rt_ack ack;
	int connect_error; /* found inside rt_stream_connect(), reported later */
	bool is_connected, is_paused, has_eof, is_failed, is_closing, is_lingering;
	bool wants_shutdown, is_shutting, is_shut;
	bool was_high;
};

/* Makes a stream of an accepted socket and owns it; NULL: no memory, and `fd` is closed. */
struct rt_stream *rt_stream_adopt(struct rt_loop *l, int fd);

/* stream.c: the connection has failed. Tells the owner once; closes a lingering stream. */
void rt_stream_fail(struct rt_stream *s, int uv_error);
void rt_stream_fail_because(struct rt_stream *s, enum xfed_reason reason, const char *text);
/* stream.c: closes a lingering stream when both directions have ended. */
void rt_stream_check_linger(struct rt_stream *s);
/* stream_out.c: runs at the end of the turn after rt_stream_kick(). */
void rt_stream_flush(void *arg);

/* stream_ack.c: to be called when bytes were given to the kernel. Costs nothing if the stream is already watched. */
void rt_stream_watch(struct rt_stream *s);
void rt_stream_unwatch(struct rt_stream *s);
/* True: the peer has acknowledged nothing for RT_STREAM_SILENT_MS although it should have; `a` keeps since when. Pure. */
bool rt_ack_is_silent(struct rt_ack *a, const struct rt_ack_facts *f, uint64_t now_ms);

#endif
