/*
 * Datagrams: bound, gathered, connected.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "support.h"
#include "xfed/rt/udp.h"

struct box {
	struct rt_udp *u;
	char text[256];
	struct rt_addr from;
	unsigned count, errors;
	int uv_error;
	bool closes;
};

static void on_datagram(void *user, struct xfed_span in, const struct rt_addr *from)
{
	struct box *b = user;
	snprintf(b->text, sizeof(b->text), "%.*s", (int)in.len, in.data);
	b->from = *from;
	b->count++;
	if (b->closes) {
		rt_udp_close(b->u);
		b->u = NULL;
	}
}

static void on_error(void *user, int uv_error)
{
	(void)uv_error;
	((struct box *)user)->errors++;
}

static const struct rt_udp_handlers handlers = { on_datagram, on_error };

static void bind_box(struct rt_loop *l, struct box *b, const char *where)
{
	char error[128];
	struct rt_addr a = addr(where);
	if (rt_udp_bind(l, &a, &handlers, b, &b->u, error, sizeof(error)) != XFED_OK) {
		fail_msg("%s", error);
	}
}

static int send_text(struct rt_udp *u, const struct rt_addr *to, const char *text)
{
	struct xfed_span part = xfed_span_str(text);
	return rt_udp_send(u, to, &part, 1);
}

static void parts_make_one_datagram(void **state)
{
	struct rt_loop *l = new_loop();
	struct box a = { 0 }, b = { 0 };
	const struct xfed_span parts[] = { XFED_SPAN("MESSAGE "), XFED_SPAN("sip:bob"), XFED_SPAN("@example.com") };
	(void)state;
	bind_box(l, &a, "127.0.0.1:0");
	bind_box(l, &b, "127.0.0.1:0");
	assert_int_equal(rt_udp_send(a.u, rt_udp_addr(b.u), parts, 3), XFED_OK);
	UNTIL(l, b.count == 1);
	assert_string_equal(b.text, "MESSAGE sip:bob@example.com");
	assert_true(rt_addr_eq(&b.from, rt_udp_addr(a.u)));
	assert_int_equal(send_text(b.u, &b.from, ""), XFED_OK); /* empty datagrams exist */
	UNTIL(l, a.count == 1);
	rt_udp_close(a.u);
	rt_loop_free(l);
}

static void an_occupied_port_is_one_sentence(void **state)
{
	struct rt_loop *l = new_loop();
	struct box a = { 0 };
	struct rt_udp *second = NULL;
	char error[128], expected[128], text[RT_ADDR_TEXT];
	(void)state;
	bind_box(l, &a, "127.0.0.1:0");
	assert_int_equal(rt_udp_bind(l, rt_udp_addr(a.u), &handlers, &a, &second, error, sizeof(error)), XFED_ERR_LIBRARY);
	snprintf(expected, sizeof(expected), "cannot listen on udp %s: address already in use", rt_addr_text(rt_udp_addr(a.u), text));
	assert_string_equal(error, expected);
	rt_loop_free(l);
}

static void too_large_for_a_datagram(void **state)
{
	static char big[70000];
	struct rt_loop *l = new_loop();
	struct box a = { 0 };
	(void)state;
	bind_box(l, &a, "127.0.0.1:0");
	struct xfed_span part = xfed_span_make(big, sizeof(big));
	assert_int_equal(rt_udp_send(a.u, rt_udp_addr(a.u), &part, 1), XFED_ERR_LIMIT);
	assert_string_equal(rt_udp_error_text(a.u), "message too long");
	rt_loop_free(l);
}

static void a_connected_socket_hears_its_peer_only(void **state)
{
	struct rt_loop *l = new_loop();
	struct box server = { 0 }, stranger = { 0 }, client = { 0 };
	(void)state;
	bind_box(l, &server, "127.0.0.1:0");
	bind_box(l, &stranger, "127.0.0.1:0");
	assert_int_equal(rt_udp_connect(l, rt_udp_addr(server.u), &handlers, &client, &client.u), XFED_OK);
	assert_int_equal(send_text(client.u, NULL, "query"), XFED_OK);
	UNTIL(l, server.count == 1);
	assert_int_equal(send_text(stranger.u, &server.from, "forged"), XFED_OK);
	assert_int_equal(send_text(server.u, &server.from, "answer"), XFED_OK);
	UNTIL(l, client.count == 1);
	assert_string_equal(client.text, "answer");
	rt_loop_free(l);
}

static void nobody_there(void **state)
{
	struct rt_loop *l = new_loop();
	struct box gone = { 0 }, client = { 0 };
	(void)state;
	bind_box(l, &gone, "127.0.0.1:0");
	struct rt_addr a = *rt_udp_addr(gone.u);
	rt_udp_close(gone.u);
	rt_loop_turn(l, false);
	assert_int_equal(rt_udp_connect(l, &a, &handlers, &client, &client.u), XFED_OK);
	assert_int_equal(send_text(client.u, NULL, "hello?"), XFED_OK);
	UNTIL(l, client.errors == 1);
	assert_string_equal(rt_udp_error_text(client.u), "connection refused");
	rt_loop_free(l);
}

/* ---- what does not arrive ---- */

static void on_returned(void *user, struct xfed_span quoted, const struct rt_addr *to, int uv_error)
{
	struct box *b = user;
	snprintf(b->text, sizeof(b->text), "%.*s", (int)quoted.len, quoted.data);
	b->from = *to;
	b->uv_error = uv_error;
	b->errors++;
	if (b->closes) {
		rt_udp_close(b->u);
		b->u = NULL;
	}
}

static const struct rt_udp_handlers asking = { .on_datagram = on_datagram, .on_error = on_error, .on_returned = on_returned };

/* In the place of the C library's, for libuv too: that many times the kernel has no memory for a datagram. */
static int without_memory;

__attribute__((visibility("default"))) ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	if (without_memory > 0 && (flags & MSG_ERRQUEUE) == 0) {
		without_memory--;
		errno = ENOMEM;
		return -1;
	}
	return syscall(SYS_recvmsg, fd, m, flags);
}

/* A socket that asks, one that listens, and a port where nobody does. */
static struct rt_addr asker(struct rt_loop *l, struct box *a, struct box *b, const char *where)
{
	struct box gone = { 0 };
	char error[128];
	struct rt_addr at = addr(where);
	bind_box(l, &gone, where);
	struct rt_addr closed = *rt_udp_addr(gone.u);
	bind_box(l, b, where);
	assert_int_equal(rt_udp_bind(l, &at, &asking, a, &a->u, error, sizeof(error)), XFED_OK);
	rt_udp_close(gone.u);
	rt_loop_turn(l, false);
	return closed;
}

static void returned_from(const char *where)
{
	struct rt_loop *l = new_loop();
	struct box a = { 0 }, b = { 0 };
	struct rt_addr closed = asker(l, &a, &b, where);
	assert_int_equal(send_text(a.u, &closed, "MESSAGE sip:nobody"), XFED_OK);
	UNTIL(l, a.errors == 1);
	assert_string_equal(a.text, "MESSAGE sip:nobody");
	assert_true(rt_addr_eq(&a.from, &closed));
	assert_int_equal(a.uv_error, UV_ECONNREFUSED);
	rt_loop_free(l);
}

static void a_closed_port_returns_what_was_sent(void **state)
{
	(void)state;
	returned_from("127.0.0.1:0");
	returned_from("[::1]:0");
}

/* The kernel tells it to the next one who sends, and sends nothing for him. */
static void one_that_returns_costs_no_other(void **state)
{
	struct rt_loop *l = new_loop();
	struct box a = { 0 }, b = { 0 };
	(void)state;
	struct rt_addr closed = asker(l, &a, &b, "127.0.0.1:0");
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(send_text(a.u, &closed, "x"), XFED_OK);
		assert_int_equal(send_text(a.u, rt_udp_addr(b.u), "y"), XFED_OK);
	}
	UNTIL(l, b.count == 20 && a.errors == 20);
	rt_loop_free(l);
}

/* What keeps us from receiving is no datagram of ours that has come back. */
static void an_error_that_is_none_of_those(void **state)
{
	struct rt_loop *l = new_loop();
	struct box a = { 0 }, b = { 0 };
	(void)state;
	asker(l, &a, &b, "127.0.0.1:0");
	without_memory = 1;
	assert_int_equal(send_text(b.u, rt_udp_addr(a.u), "late"), XFED_OK);
	UNTIL(l, a.count == 1);
	assert_int_equal(a.errors, 1);
	assert_int_equal(a.uv_error, 0); /* on_error() */
	assert_string_equal(rt_udp_error_text(a.u), "not enough memory");
	rt_loop_free(l);
}

/* More than are read in a turn: datagrams are read between them, and in the end the loop rests. */
static void many_returns_keep_nobody_from_reading(void **state)
{
	struct rt_loop *l = new_loop();
	struct box a = { 0 }, b = { 0 };
	(void)state;
	struct rt_addr closed = asker(l, &a, &b, "127.0.0.1:0");
	for (unsigned i = 0; i < 150; i++) {
		assert_int_equal(send_text(a.u, &closed, "x"), XFED_OK);
	}
	assert_int_equal(send_text(b.u, rt_udp_addr(a.u), "answer"), XFED_OK);
	UNTIL(l, a.count == 1);
	assert_true(a.errors < 150);
	UNTIL(l, a.errors == 150);
	rt_loop_free(l);
}

static void close_inside_a_return(void **state)
{
	struct rt_loop *l = new_loop();
	struct box a = { .closes = true }, b = { 0 };
	(void)state;
	struct rt_addr closed = asker(l, &a, &b, "127.0.0.1:0");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(send_text(a.u, &closed, "x"), XFED_OK);
	}
	UNTIL(l, a.errors == 1);
	rt_loop_turn(l, false);
	assert_int_equal(a.errors, 1);
	rt_loop_free(l);
}

static void close_inside_a_callback(void **state)
{
	struct rt_loop *l = new_loop();
	struct box a = { 0 }, b = { .closes = true };
	(void)state;
	bind_box(l, &a, "127.0.0.1:0");
	bind_box(l, &b, "127.0.0.1:0");
	struct rt_addr to = *rt_udp_addr(b.u);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(send_text(a.u, &to, "x"), XFED_OK);
	}
	UNTIL(l, b.count == 1);
	rt_loop_turn(l, false);
	assert_int_equal(b.count, 1);
	rt_loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_make_one_datagram),
		cmocka_unit_test(an_occupied_port_is_one_sentence),
		cmocka_unit_test(too_large_for_a_datagram),
		cmocka_unit_test(a_connected_socket_hears_its_peer_only),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(a_closed_port_returns_what_was_sent),
		cmocka_unit_test(one_that_returns_costs_no_other),
		cmocka_unit_test(an_error_that_is_none_of_those),
		cmocka_unit_test(many_returns_keep_nobody_from_reading),
		cmocka_unit_test(close_inside_a_return),
		cmocka_unit_test(close_inside_a_callback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
