/*
 * Datagrams: bound, gathered, connected.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"
#include "xfed/rt/udp.h"

struct box {
	struct rt_udp *u;
	char text[256];
	struct rt_addr from;
	unsigned count, errors;
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
		cmocka_unit_test(close_inside_a_callback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
