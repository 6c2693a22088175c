/*
 * The stream driver over loopback sockets: consumption in parts, pause and resume, bounded output, both ends of a close.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"
#include "xfed/rt/listener.h"
#include "xfed/rt/source.h"
#include "xfed/rt/stream.h"

/* ---- a pair of connected streams, each end with a record of what happened to it ---- */

struct end {
	struct rt_stream *s;
	struct xfed_buf got;
	size_t take;	  /* at most so much of each offer; 0: all */
	char stop_behind; /* take up to and with this byte, then pause */
	bool resumes;	  /* posts a resume after every short take */
	bool closes;	  /* closes itself at the first byte */
	unsigned offers, eofs, errors, drains, connects;
	enum xfed_reason reason;
};

struct pair {
	struct rt_loop *loop;
	struct rt_listener *listener;
	struct end client, server;
};

#define OUT_BYTES (64 * 1024)
#define GOT_BYTES (16 * 1024 * 1024)

static void on_connect(void *user, enum xfed_reason reason)
{
	struct end *e = user;
	e->connects++;
	e->reason = reason;
}

static size_t on_bytes(void *user, struct xfed_span in)
{
	struct end *e = user;
	size_t n = e->take > 0 && e->take < in.len ? e->take : in.len;
	e->offers++;
	if (e->stop_behind) {
		const char *at = memchr(in.data, e->stop_behind, n);
		n = at ? (size_t)(at - in.data) + 1 : n;
	}
	assert_int_equal(xfed_buf_append(&e->got, xfed_span_make(in.data, n)), XFED_OK);
	if (e->closes) {
		rt_stream_close(e->s);
		e->s = NULL;
	} else if (e->stop_behind && n < in.len) {
		rt_stream_pause(e->s);
	} else if (e->resumes && n < in.len) {
		rt_stream_resume(e->s);
	}
	return n;
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

static void on_drained(void *user)
{
	((struct end *)user)->drains++;
}

static const struct rt_stream_handlers handlers = { on_connect, on_bytes, on_eof, on_error, on_drained };

static void on_accept(void *user, struct rt_listener *l, struct rt_stream *s)
{
	struct pair *p = user;
	(void)l;
	assert_null(p->server.s);
	p->server.s = s;
	rt_stream_start(s, &handlers, &p->server, OUT_BYTES);
}

static void open_pair(struct pair *p, const char *listen, const struct rt_addr *source)
{
	char error[128];
	struct rt_addr a = addr(listen);
	memset(p, 0, sizeof(*p));
	p->loop = new_loop();
	xfed_buf_init(&p->client.got, GOT_BYTES);
	xfed_buf_init(&p->server.got, GOT_BYTES);
	assert_int_equal(rt_listener_new(p->loop, &a, false, on_accept, p, &p->listener, error, sizeof(error)), XFED_OK);
	assert_int_equal(
		rt_stream_connect(p->loop, rt_listener_addr(p->listener), source, 5000, &handlers, &p->client, OUT_BYTES, &p->client.s), XFED_OK);
	assert_int_equal(p->client.connects, 0); /* never inside the call */
	UNTIL(p->loop, p->client.connects > 0 && p->server.s);
	assert_int_equal(p->client.reason, XFED_REASON_NONE);
}

static void close_pair(struct pair *p)
{
	rt_stream_close(p->client.s);
	rt_stream_close(p->server.s);
	rt_listener_close(p->listener);
	rt_loop_free(p->loop);
	xfed_buf_deinit(&p->client.got);
	xfed_buf_deinit(&p->server.got);
}

static void say(struct rt_stream *s, const char *text)
{
	assert_int_equal(xfed_buf_append_str(rt_stream_out(s), text), XFED_OK);
	rt_stream_kick(s);
}

static bool has(const struct end *e, const char *text)
{
	return xfed_span_is(xfed_buf_span(&e->got), text);
}

/* Byte i of a stream that never repeats within a buffer's length. */
static char pattern(size_t i)
{
	return (char)((i * 2654435761u) >> 13);
}

static size_t append_pattern(struct rt_stream *s, size_t from, size_t to)
{
	for (; from < to; from++) {
		char c = pattern(from);
		if (xfed_buf_append(rt_stream_out(s), xfed_span_make(&c, 1)) != XFED_OK) {
			break;
		}
	}
	rt_stream_kick(s);
	return from;
}

static void assert_pattern(const struct xfed_buf *b, size_t len)
{
	struct xfed_span s = xfed_buf_span(b);
	assert_int_equal(s.len, len);
	for (size_t i = 0; i < len; i++) {
		if (s.data[i] != pattern(i)) {
			fail_msg("byte %zu of %zu differs", i, len);
		}
	}
}

/* ---- reading ---- */

static void bytes_go_both_ways(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, "127.0.0.1:0", NULL);
	say(p.client.s, "hello");
	UNTIL(p.loop, has(&p.server, "hello"));
	say(p.server.s, "and back");
	UNTIL(p.loop, has(&p.client, "and back"));
	assert_int_equal(rt_stream_bytes_out(p.client.s), 5);
	assert_int_equal(rt_stream_bytes_in(p.client.s), 8);
	assert_true(rt_addr_eq(rt_stream_peer(p.client.s), rt_stream_local(p.server.s)));
	assert_true(rt_addr_eq(rt_stream_local(p.client.s), rt_stream_peer(p.server.s)));
	close_pair(&p);
}

static void works_over_ipv6(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, "[::1]:0", NULL);
	say(p.client.s, "six");
	UNTIL(p.loop, has(&p.server, "six"));
	close_pair(&p);
}

/* Whatever part of an offer is taken, each byte comes once and in order. */
static void any_consumption_gives_the_same_bytes(void **state)
{
	static const size_t takes[] = { 0, 1, 7, 1000, 65535, 65536 };
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(takes); i++) {
		struct pair p;
		size_t len = takes[i] == 1 ? 5000 : 300000, sent = 0;
		open_pair(&p, "127.0.0.1:0", NULL);
		p.server.take = takes[i];
		p.server.resumes = true;
		while (sent < len) {
			sent = append_pattern(p.client.s, sent, len);
			rt_loop_turn(p.loop, true);
		}
		UNTIL(p.loop, xfed_buf_len(&p.server.got) == len);
		assert_pattern(&p.server.got, len);
		close_pair(&p);
	}
}

/* Pause at every message; each resume yields the next one although the network brings nothing new. */
static void pause_at_every_message(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, "127.0.0.1:0", NULL);
	p.server.stop_behind = '\n';
	say(p.client.s, "one\ntwo\nthree\nrest");
	UNTIL(p.loop, has(&p.server, "one\n"));
	for (int n = 0; n < 3; n++) {
		rt_loop_turn(p.loop, false);
	}
	assert_true(has(&p.server, "one\n")); /* nothing without a resume */
	assert_true(rt_stream_is_paused(p.server.s));
	assert_int_equal(p.server.offers, 1);
	rt_stream_resume(p.server.s);
	assert_true(has(&p.server, "one\n")); /* not inside the call */
	UNTIL(p.loop, has(&p.server, "one\ntwo\n"));
	rt_stream_resume(p.server.s);
	UNTIL(p.loop, has(&p.server, "one\ntwo\nthree\n"));
	say(p.client.s, " of it\n");
	rt_stream_resume(p.server.s);
	UNTIL(p.loop, has(&p.server, "one\ntwo\nthree\nrest of it\n"));
	close_pair(&p);
}

static void end_of_file_waits_for_leftovers(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, "127.0.0.1:0", NULL);
	p.server.take = 3;
	say(p.client.s, "abcdef");
	rt_stream_shutdown_after_flush(p.client.s);
	UNTIL(p.loop, has(&p.server, "abc"));
	for (int n = 0; n < 3; n++) {
		rt_loop_turn(p.loop, false);
	}
	assert_int_equal(p.server.eofs, 0);
	rt_stream_resume(p.server.s);
	UNTIL(p.loop, p.server.eofs == 1);
	assert_true(has(&p.server, "abcdef"));
	close_pair(&p);
}

/* A sender who never stops gets one read a turn, not all of it. */
static void one_read_a_turn(void **state)
{
	struct pair p;
	size_t most = 0, before = 0;
	(void)state;
	open_pair(&p, "127.0.0.1:0", NULL);
	rt_stream_pause(p.server.s);
	for (size_t sent = 0, turns = 0; turns < 40; turns++) {
		sent = append_pattern(p.client.s, sent, sent + OUT_BYTES);
		rt_loop_turn(p.loop, false);
	}
	assert_int_equal(p.server.offers, 0);
	rt_stream_resume(p.server.s);
	for (int n = 0; n < 40; n++) {
		rt_loop_turn(p.loop, false);
		size_t now = xfed_buf_len(&p.server.got);
		most = now - before > most ? now - before : most;
		before = now;
	}
	assert_true(before > 4 * RT_READ_BYTES);
	assert_true(most <= RT_READ_BYTES);
	close_pair(&p);
}

/* ---- writing ---- */

static void output_leaves_once_a_turn(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, "127.0.0.1:0", NULL);
	for (int i = 0; i < 10; i++) {
		say(p.client.s, "0123456789");
	}
	assert_int_equal(rt_stream_out_len(p.client.s), 100);
	assert_int_equal(rt_stream_bytes_out(p.client.s), 0);
	rt_loop_turn(p.loop, false);
	assert_int_equal(rt_stream_out_len(p.client.s), 0);
	assert_null(rt_stream_out(p.client.s)->mem); /* an idle stream holds no memory */
	UNTIL(p.loop, xfed_buf_len(&p.server.got) == 100);
	assert_int_equal(p.server.offers, 1);
	close_pair(&p);
}

static void a_peer_that_does_not_read_costs_the_cap(void **state)
{
	struct pair p;
	size_t sent = 0, before = 1;
	(void)state;
	open_pair(&p, "127.0.0.1:0", NULL);
	rt_stream_pause(p.server.s);
	while (sent != before) {
		before = sent;
		for (int n = 0; n < 5; n++) {
			sent = append_pattern(p.client.s, sent, GOT_BYTES);
			assert_true(rt_stream_out_len(p.client.s) <= OUT_BYTES);
			rt_loop_turn(p.loop, false);
		}
	}
	assert_int_equal(rt_stream_out_len(p.client.s), OUT_BYTES);
	unsigned drains = p.client.drains; /* the kernel took some while we filled it */
	rt_stream_resume(p.server.s);
	UNTIL(p.loop, xfed_buf_len(&p.server.got) == sent);
	assert_pattern(&p.server.got, sent);
	assert_true(p.client.drains > drains);
	assert_int_equal(rt_stream_out_len(p.client.s), 0);
	close_pair(&p);
}

static void drained_below_the_mark_even_when_written_at_once(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, "127.0.0.1:0", NULL);
	rt_stream_set_low_water(p.client.s, 4);
	say(p.client.s, "1234");
	rt_loop_turn(p.loop, false);
	assert_int_equal(p.client.drains, 0); /* never was above it */
	say(p.client.s, "12345");
	rt_loop_turn(p.loop, false);
	assert_int_equal(p.client.drains, 1);
	close_pair(&p);
}

/* ---- the end ---- */

static void half_close(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, "127.0.0.1:0", NULL);
	say(p.client.s, "question");
	rt_stream_shutdown_after_flush(p.client.s);
	UNTIL(p.loop, p.server.eofs == 1);
	assert_true(has(&p.server, "question"));
	say(p.server.s, "answer");
	UNTIL(p.loop, has(&p.client, "answer"));
	rt_stream_shutdown_after_flush(p.server.s);
	UNTIL(p.loop, p.client.eofs == 1);
	assert_int_equal(p.client.errors + p.server.errors, 0);
	close_pair(&p);
}

static void close_inside_a_callback(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, "127.0.0.1:0", NULL);
	p.server.closes = true;
	say(p.client.s, "bye");
	UNTIL(p.loop, p.client.eofs + p.client.errors > 0);
	assert_int_equal(p.server.offers, 1);
	close_pair(&p);
}

/* Closing with unread input sends a reset, which can destroy what we sent last. Lingering does not. */
static void linger_loses_nothing(void **state)
{
	struct pair p;
	size_t len = OUT_BYTES;
	(void)state;
	open_pair(&p, "127.0.0.1:0", NULL);
	rt_stream_pause(p.server.s);
	say(p.client.s, "nobody reads this");
	rt_loop_turn(p.loop, false);
	rt_stream_pause(p.client.s);
	assert_int_equal(append_pattern(p.server.s, 0, len), len);
	rt_stream_linger(p.server.s, 5000);
	p.server.s = NULL;
	for (int n = 0; n < 5; n++) {
		say(p.client.s, "nor this");
		rt_loop_turn(p.loop, false);
	}
	rt_stream_resume(p.client.s);
	UNTIL(p.loop, p.client.eofs + p.client.errors > 0);
	assert_int_equal(p.client.errors, 0);
	assert_pattern(&p.client.got, len);
	assert_int_equal(p.server.offers, 0);
	close_pair(&p);
}

static void linger_ends_in_time(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, "127.0.0.1:0", NULL);
	say(p.server.s, "last words");
	rt_stream_linger(p.server.s, 20);
	p.server.s = NULL;
	UNTIL(p.loop, p.client.eofs == 1);
	/* The client does not close. The server's side ends all the same, and writing to it fails then. */
	UNTIL(p.loop, (xfed_buf_append_str(rt_stream_out(p.client.s), "?"), rt_stream_kick(p.client.s), p.client.errors > 0));
	assert_int_equal(p.client.reason, XFED_REASON_NET_STREAM_LOST);
	close_pair(&p);
}

/* A place is held as long as the socket: who is closed keeps it while what was said to him is on its way. */
static void a_place_is_held_until_the_socket_is_closed(void **state)
{
	static const struct rt_source_limits one = { .slots = 1, .slots_address = 1, .slots_network = 1 };
	struct rt_sources places;
	struct pair p;
	(void)state;
	rt_sources_init(&places, &one);
	open_pair(&p, "127.0.0.1:0", NULL);
	assert_int_equal(rt_sources_take(&places, rt_stream_peer(p.server.s), rt_stream_place(p.server.s)), RT_SOURCE_OK);
	say(p.server.s, "last words");
	rt_stream_linger(p.server.s, 60000);
	p.server.s = NULL;
	UNTIL(p.loop, p.client.eofs == 1);
	assert_int_equal(places.held, 1);
	rt_stream_close(p.client.s);
	p.client.s = NULL;
	UNTIL(p.loop, places.held == 0);
	close_pair(&p);
	open_pair(&p, "127.0.0.1:0", NULL);
	assert_int_equal(rt_sources_take(&places, rt_stream_peer(p.server.s), rt_stream_place(p.server.s)), RT_SOURCE_OK);
	rt_sources_give_back(rt_stream_place(p.server.s)); /* it has proved something */
	assert_int_equal(places.held, 0);
	close_pair(&p);
	rt_sources_deinit(&places);
}

static void linger_inside_on_bytes(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, "127.0.0.1:0", NULL);
	p.server.take = 2;
	say(p.client.s, "abcdef");
	UNTIL(p.loop, has(&p.server, "ab"));
	say(p.server.s, "enough");
	rt_stream_linger(p.server.s, 5000); /* with leftovers */
	p.server.s = NULL;
	UNTIL(p.loop, p.client.eofs == 1);
	assert_true(has(&p.client, "enough"));
	assert_true(has(&p.server, "ab"));
	close_pair(&p);
}

static void the_loop_closes_what_is_left(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, "127.0.0.1:0", NULL);
	rt_stream_pause(p.server.s);
	for (size_t n = 0, sent = 0; n < 100; n++) { /* a write is under way when the loop ends */
		sent = append_pattern(p.client.s, sent, GOT_BYTES);
		rt_loop_turn(p.loop, false);
	}
	assert_true(rt_stream_out_len(p.client.s) > 0);
	rt_loop_free(p.loop);
	assert_int_equal(p.client.errors, 0);
	xfed_buf_deinit(&p.client.got);
	xfed_buf_deinit(&p.server.got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(works_over_ipv6),
		cmocka_unit_test(any_consumption_gives_the_same_bytes),
		cmocka_unit_test(pause_at_every_message),
		cmocka_unit_test(end_of_file_waits_for_leftovers),
		cmocka_unit_test(one_read_a_turn),
		cmocka_unit_test(output_leaves_once_a_turn),
		cmocka_unit_test(a_peer_that_does_not_read_costs_the_cap),
		cmocka_unit_test(drained_below_the_mark_even_when_written_at_once),
		cmocka_unit_test(half_close),
		cmocka_unit_test(close_inside_a_callback),
		cmocka_unit_test(linger_loses_nothing),
		cmocka_unit_test(linger_ends_in_time),
		cmocka_unit_test(a_place_is_held_until_the_socket_is_closed),
		cmocka_unit_test(linger_inside_on_bytes),
		cmocka_unit_test(the_loop_closes_what_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
