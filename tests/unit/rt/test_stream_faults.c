/*
 * Connections that fail, break, or run out of memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "rt/stream_internal.h"
#include "support.h"
#include "xfed/mem.h"
#include "xfed/rt/listener.h"
#include "xfed/rt/stream.h"

struct end {
	struct rt_stream *s;
	unsigned connects, errors, eofs, bytes;
	enum xfed_reason reason;
	bool closes_in_on_connect;
};

static void on_connect(void *user, enum xfed_reason reason)
{
	struct end *e = user;
	e->connects++;
	e->reason = reason;
	if (e->closes_in_on_connect) {
		rt_stream_close(e->s);
		e->s = NULL;
	}
}

static size_t on_bytes(void *user, struct xfed_span in)
{
	((struct end *)user)->bytes += (unsigned)in.len;
	return in.len;
}

static void on_eof(void *user)
{
	((struct end *)user)->eofs++;
}

static void on_error(void *user, enum xfed_reason reason)
{
	struct end *e = user;
	e->errors++;
	e->reason = reason;
}

static const struct rt_stream_handlers handlers = { on_connect, on_bytes, on_eof, on_error, NULL };

/* A bound socket that listens only with `backlog` >= 0. */
static int raw_bind(struct rt_addr *a, int backlog)
{
	socklen_t len = sizeof(*a);
	*a = addr("127.0.0.1:0");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, &a->sa, sizeof(a->in)), 0);
	assert_int_equal(getsockname(fd, &a->sa, &len), 0);
	if (backlog >= 0) {
		assert_int_equal(listen(fd, backlog), 0);
	}
	return fd;
}

static void refused(void **state)
{
	struct rt_loop *l = new_loop();
	struct rt_addr a;
	struct end e = { 0 };
	int fd = raw_bind(&a, -1);
	(void)state;
	assert_int_equal(rt_stream_connect(l, &a, NULL, 5000, &handlers, &e, 1000, &e.s), XFED_OK);
	assert_int_equal(e.connects, 0);
	UNTIL(l, e.connects == 1);
	assert_int_equal(e.reason, XFED_REASON_NET_CONNECT_REFUSED);
	assert_string_equal(rt_stream_error_text(e.s), "connection refused");
	/* A dead stream takes calls without harm. */
	assert_int_equal(xfed_buf_append_str(rt_stream_out(e.s), "x"), XFED_OK);
	rt_stream_kick(e.s);
	rt_stream_resume(e.s);
	rt_stream_shutdown_after_flush(e.s);
	rt_loop_turn(l, false);
	rt_stream_linger(e.s, 1000);
	close(fd);
	rt_loop_free(l);
}

static void silence(void **state)
{
	struct rt_loop *l = new_loop();
	struct rt_addr a;
	struct end e = { 0 };
	int fd = raw_bind(&a, 0);
	int full = raw_connect(&a); /* the queue of one is full: the kernel drops what else comes */
	(void)state;
	assert_int_equal(rt_stream_connect(l, &a, NULL, 30, &handlers, &e, 1000, &e.s), XFED_OK);
	UNTIL(l, e.connects == 1);
	assert_int_equal(e.reason, XFED_REASON_NET_CONNECT_TIMEOUT);
	assert_string_equal(rt_stream_error_text(e.s), "no answer within 30 ms");
	rt_stream_close(e.s);

	/* Closing while it connects: no callback. */
	struct end f = { 0 };
	assert_int_equal(rt_stream_connect(l, &a, NULL, 30, &handlers, &f, 1000, &f.s), XFED_OK);
	rt_stream_close(f.s);
	rt_loop_turn(l, false);
	assert_int_equal(f.connects, 0);
	close(full);
	close(fd);
	rt_loop_free(l);
}

static struct end accepted;

static void on_accept(void *user, struct rt_listener *l, struct rt_stream *s)
{
	(void)user;
	(void)l;
	accepted.s = s;
	rt_stream_start(s, &handlers, &accepted, 1000);
}

static struct rt_listener *start_listener(struct rt_loop *l)
{
	char error[128];
	struct rt_addr any = addr("127.0.0.1:0");
	struct rt_listener *out = NULL;
	memset(&accepted, 0, sizeof(accepted));
	assert_int_equal(rt_listener_new(l, &any, false, on_accept, NULL, &out, error, sizeof(error)), XFED_OK);
	return out;
}

static void leaves_from_the_chosen_address(void **state)
{
	struct rt_loop *l = new_loop();
	struct rt_addr source = addr("127.0.0.9:0"), any = addr("0.0.0.0:0"), six = addr("[::1]:0"), foreign = addr("192.0.2.1:0");
	struct rt_listener *listener = start_listener(l);
	struct end e = { 0 };
	char text[RT_ADDR_TEXT];
	(void)state;
	assert_int_equal(rt_stream_connect(l, rt_listener_addr(listener), &source, 5000, &handlers, &e, 1000, &e.s), XFED_OK);
	UNTIL(l, e.connects == 1 && accepted.s);
	assert_string_equal(rt_addr_host_text(rt_stream_peer(accepted.s), text), "127.0.0.9");
	assert_string_equal(rt_addr_host_text(rt_stream_local(e.s), text), "127.0.0.9");

	struct end unchosen = { 0 };
	assert_int_equal(rt_stream_connect(l, rt_listener_addr(listener), &any, 5000, &handlers, &unchosen, 1000, &unchosen.s), XFED_OK);
	UNTIL(l, unchosen.connects == 1);
	assert_int_equal(unchosen.reason, XFED_REASON_NONE);

	const struct rt_addr *bad[] = { &six, &foreign };
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad); i++) {
		struct end b = { 0 };
		assert_int_equal(rt_stream_connect(l, rt_listener_addr(listener), bad[i], 5000, &handlers, &b, 1000, &b.s), XFED_OK);
		UNTIL(l, b.connects == 1);
		assert_int_equal(b.reason, XFED_REASON_NET_CONNECT_UNREACHABLE);
		assert_true(strlen(rt_stream_error_text(b.s)) > 0);
		rt_stream_close(b.s);
	}
	rt_loop_free(l);
}

static void close_inside_on_connect(void **state)
{
	struct rt_loop *l = new_loop();
	struct rt_listener *listener = start_listener(l);
	struct end e = { .closes_in_on_connect = true }, f = { .closes_in_on_connect = true };
	(void)state;
	assert_int_equal(rt_stream_connect(l, rt_listener_addr(listener), NULL, 5000, &handlers, &e, 1000, &e.s), XFED_OK);
	UNTIL(l, e.connects == 1 && accepted.s && accepted.eofs == 1);
	struct rt_addr gone = *rt_listener_addr(listener);
	rt_listener_close(listener);
	assert_int_equal(rt_stream_connect(l, &gone, NULL, 5000, &handlers, &f, 1000, &f.s), XFED_OK);
	UNTIL(l, f.connects == 1);
	assert_int_equal(f.reason, XFED_REASON_NET_CONNECT_REFUSED);
	rt_loop_free(l);
}

static void a_reset_is_a_lost_stream(void **state)
{
	struct rt_loop *l = new_loop();
	struct rt_listener *listener = start_listener(l);
	struct linger hard = { .l_onoff = 1 };
	(void)state;
	int fd = raw_connect(rt_listener_addr(listener));
	assert_int_equal(write(fd, "abc", 3), 3);
	UNTIL(l, accepted.bytes == 3);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	close(fd);
	UNTIL(l, accepted.errors == 1);
	assert_int_equal(accepted.reason, XFED_REASON_NET_STREAM_LOST);
	assert_string_equal(rt_stream_error_text(accepted.s), "connection reset by peer");
	assert_int_equal(accepted.eofs, 0);
	rt_stream_close(accepted.s);
	rt_loop_free(l);
}

/* What the kernel of Linux says, as it was read off a connection whose packets were dropped, and of a peer that did not read. */
static void silence_is_told_from_patience(void **state)
{
	static const struct {
		const char *what;
		struct {
			uint64_t at_ms;
			struct rt_ack_facts facts;
		} looks[4];
		bool is_silent, is_empty;
	} rows[] = {
		{ "all acknowledged", { { 100000, { 0, 0, 0, 99000 } }, { 140000, { 0, 0, 0, 139000 } } }, false, true },
		{ "silent for hours, and bytes since a moment", { { 100000, { 10, 1, 0, 99000 } }, { 129999, { 10, 1, 0, 128999 } } }, false, false },
		{ "silent for hours, and bytes since 30 s", { { 100000, { 10, 1, 0, 99000 } }, { 130000, { 10, 1, 0, 129000 } } }, true, false },
		{ "an acknowledgement in between", { { 100000, { 10, 1, 0, 99000 } }, { 130000, { 10, 1, 0, 15000 } } }, false, false },
		{ "and 30 s of silence behind it",
			{ { 100000, { 10, 1, 0, 99000 } }, { 130000, { 10, 1, 0, 15000 } }, { 145000, { 10, 1, 0, 30000 } } }, true, false },
		{ "all acknowledged in between",
			{ { 100000, { 10, 1, 0, 99000 } }, { 120000, { 0, 0, 0, 5000 } }, { 140000, { 10, 1, 0, 25000 } },
				{ 160000, { 10, 1, 0, 45000 } } },
			false, false },
		{ "window of zero, probes answered, the next one far away",
			{ { 100000, { 42944, 0, 0, 99000 } }, { 150000, { 42944, 0, 0, 36744 } }, { 190000, { 42944, 0, 0, 76000 } } }, false,
			false },
		{ "window of zero, probes not answered", { { 100000, { 42944, 0, 1, 1000 } }, { 131000, { 42944, 0, 6, 32000 } } }, true, false },
		{ "clock shorter than the kernel's memory", { { 5, { 10, 1, 0, 4000000000u } }, { 1000, { 10, 1, 0, 4000000000u } } }, false, false },
	};
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct rt_ack a = { 0 };
		bool is_silent = false;
		for (size_t k = 0; k < XFED_ARRAY_LEN(rows[i].looks) && rows[i].looks[k].at_ms; k++) {
			is_silent = rt_ack_is_silent(&a, &rows[i].looks[k].facts, rows[i].looks[k].at_ms);
		}
		if (is_silent != rows[i].is_silent || a.is_empty != rows[i].is_empty) {
			fail_msg("%s: silent %d, empty %d", rows[i].what, is_silent, a.is_empty);
		}
	}
}

static void what_the_peer_has_acknowledged(void **state)
{
	struct rt_loop *l = new_loop();
	struct rt_addr a;
	struct end e = { 0 };
	static char much[1 << 22];
	int one = 4096;
	(void)state;
	int listening = raw_bind(&a, 1);
	assert_int_equal(setsockopt(listening, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one)), 0);
	assert_int_equal(rt_stream_connect(l, &a, NULL, 5000, &handlers, &e, sizeof(much), &e.s), XFED_OK);
	UNTIL(l, e.connects == 1);
	assert_int_equal(rt_stream_bytes_acked(e.s), 0);
	assert_int_equal(xfed_buf_append(rt_stream_out(e.s), xfed_span_make(much, 100)), XFED_OK);
	rt_stream_kick(e.s);
	UNTIL(l, rt_stream_bytes_acked(e.s) == 100);
	/* Nobody reads: a part is acknowledged, a part is in our kernel, the rest is with libuv. */
	assert_int_equal(xfed_buf_append(rt_stream_out(e.s), xfed_span_make(much, sizeof(much) - 100)), XFED_OK);
	rt_stream_kick(e.s);
	UNTIL(l, rt_stream_bytes_acked(e.s) > 100);
	assert_true(rt_stream_bytes_acked(e.s) < sizeof(much));
	assert_int_equal(e.errors, 0);
	int fd = accept(listening, NULL, NULL);
	for (size_t got = 0; got < sizeof(much);) {
		ssize_t n = recv(fd, much, sizeof(much), MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
		rt_loop_turn(l, false);
	}
	UNTIL(l, rt_stream_bytes_acked(e.s) == sizeof(much));
	close(fd);
	close(listening);
	rt_stream_close(e.s);
	rt_loop_free(l);
}

/* ---- each allocation fails in turn ---- */

struct world {
	struct rt_listener *listener;
	struct end client;
	unsigned rejected;
};

static size_t echo(void *user, struct xfed_span in)
{
	struct end *e = user;
	size_t n = in.len > 3 ? in.len - 3 : in.len; /* leaves something, so that leftovers are kept */
	e->bytes += (unsigned)n;
	if (xfed_buf_append(rt_stream_out(e->s), xfed_span_make(in.data, n)) == XFED_OK) {
		rt_stream_kick(e->s);
	} else {
		e->errors++;
	}
	rt_stream_resume(e->s);
	return n;
}

static const struct rt_stream_handlers echo_handlers = { NULL, echo, on_eof, on_error, NULL };

static void accept_echo(void *user, struct rt_listener *l, struct rt_stream *s)
{
	(void)user;
	(void)l;
	if (accepted.s) {
		rt_stream_close(s);
		return;
	}
	accepted.s = s;
	rt_stream_start(s, &echo_handlers, &accepted, 1000);
}

/* True where the whole conversation worked; false where something said so. Never hangs, crashes or leaks. */
static bool converse(struct rt_loop *l, struct world *w)
{
	char error[128];
	struct rt_addr any = addr("127.0.0.1:0");
	memset(&accepted, 0, sizeof(accepted));
	if (rt_listener_new(l, &any, false, accept_echo, w, &w->listener, error, sizeof(error)) != XFED_OK ||
		rt_stream_connect(l, rt_listener_addr(w->listener), NULL, 5000, &handlers, &w->client, 1000, &w->client.s) != XFED_OK ||
		xfed_buf_append_str(rt_stream_out(w->client.s), "hello world") != XFED_OK) {
		return false;
	}
	UNTIL(l, w->client.bytes == 11 || w->client.errors > 0 || w->client.eofs > 0 || accepted.errors > 0);
	return w->client.bytes == 11;
}

static void every_allocation_fails_once(void **state)
{
	(void)state;
	for (long n = 0;; n++) {
		struct rt_loop *l = NULL;
		struct world w = { 0 };
		fail_allocation(n);
		bool worked = rt_loop_new(&l) == XFED_OK && converse(l, &w);
		if (worked) {
			rt_stream_linger(w.client.s, 1000);
			rt_stream_linger(accepted.s, 1000);
			rt_loop_turn(l, false);
		}
		rt_loop_free(l);
		bool all_given = allocations <= n;
		xfed_mem_set_hooks(NULL);
		if (all_given) {
			assert_true(worked);
			assert_true(n >= 8);
			return;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),
		cmocka_unit_test(silence),
		cmocka_unit_test(leaves_from_the_chosen_address),
		cmocka_unit_test(close_inside_on_connect),
		cmocka_unit_test(a_reset_is_a_lost_stream),
		cmocka_unit_test(silence_is_told_from_patience),
		cmocka_unit_test(what_the_peer_has_acknowledged),
		cmocka_unit_test(every_allocation_fails_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
