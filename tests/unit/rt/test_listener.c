/*
 * Listening sockets: shared and occupied ports, and a close that resets nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support.h"
#include "xfed/rt/listener.h"

static unsigned accepted;

static void accept_and_close(void *user, struct rt_listener *l, struct rt_stream *s)
{
	(void)user;
	(void)l;
	accepted++;
	rt_stream_close(s);
}

static void accept_and_greet(void *user, struct rt_listener *l, struct rt_stream *s)
{
	static const struct rt_stream_handlers none = { 0 };
	(void)user;
	(void)l;
	accepted++;
	rt_stream_start(s, &none, NULL, 100);
	assert_int_equal(xfed_buf_append_str(rt_stream_out(s), "hi"), XFED_OK);
	rt_stream_linger(s, 1000);
}

static struct rt_listener *self;

static void accept_and_stop(void *user, struct rt_listener *l, struct rt_stream *s)
{
	(void)user;
	accepted++;
	rt_stream_close(s);
	if (l == self) {
		self = NULL;
		rt_listener_close(l);
	}
}

static struct rt_listener *listen_on(struct rt_loop *l, const struct rt_addr *a, rt_accept_fn fn)
{
	char error[128] = "";
	struct rt_listener *out = NULL;
	accepted = 0;
	if (rt_listener_new(l, a, false, fn, NULL, &out, error, sizeof(error)) != XFED_OK) {
		fail_msg("%s", error);
	}
	return out;
}

static void an_occupied_port_is_one_sentence(void **state)
{
	struct rt_loop *l = new_loop();
	struct rt_addr any = addr("127.0.0.1:0");
	struct rt_listener *first = NULL, *second = NULL;
	char error[128], expected[128], text[RT_ADDR_TEXT];
	(void)state;
	assert_int_equal(rt_listener_new(l, &any, true, accept_and_close, NULL, &first, error, sizeof(error)), XFED_OK);
	struct rt_addr taken = *rt_listener_addr(first);
	assert_int_not_equal(rt_addr_port(&taken), 0);
	for (int is_exclusive = 0; is_exclusive < 2; is_exclusive++) {
		assert_int_equal(rt_listener_new(l, &taken, is_exclusive, accept_and_close, NULL, &second, error, sizeof(error)), XFED_ERR_LIBRARY);
		assert_null(second);
		snprintf(expected, sizeof(expected), "cannot listen on %s: address already in use", rt_addr_text(&taken, text));
		assert_string_equal(error, expected);
	}
	struct rt_addr foreign = addr("192.0.2.1:5269");
	assert_int_equal(rt_listener_new(l, &foreign, false, accept_and_close, NULL, &second, error, sizeof(error)), XFED_ERR_LIBRARY);
	assert_string_equal(error, "cannot listen on 192.0.2.1:5269: address not available");
	rt_loop_free(l);
}

static void instances_share_a_port(void **state)
{
	struct rt_loop *l = new_loop();
	struct rt_addr any = addr("127.0.0.1:0");
	(void)state;
	struct rt_listener *first = listen_on(l, &any, accept_and_close);
	struct rt_addr shared = *rt_listener_addr(first);
	listen_on(l, &shared, accept_and_close);
	int fd = raw_connect(&shared);
	UNTIL(l, accepted == 1);
	close(fd);
	rt_loop_free(l);
}

static void ipv6_leaves_ipv4_alone(void **state)
{
	struct rt_loop *l = new_loop();
	struct rt_addr six = addr("[::]:0"), four = addr("0.0.0.0:0");
	(void)state;
	struct rt_listener *second = NULL;
	char error[128];
	/* A port that was free for IPv6 may be in use for IPv4 by another program: several are tried. */
	for (int i = 0; !second && i < 20; i++) {
		four.in.sin_port = rt_listener_addr(listen_on(l, &six, accept_and_close))->in6.sin6_port;
		rt_listener_new(l, &four, false, accept_and_close, NULL, &second, error, sizeof(error));
	}
	assert_non_null(second);
	struct rt_addr local = addr("127.0.0.1:0");
	local.in.sin_port = four.in.sin_port;
	int fd = raw_connect(&local);
	UNTIL(l, accepted == 1);
	close(fd);
	rt_loop_free(l);
}

/* Connections the kernel holds when we stop listening are served, not reset. */
static void closing_serves_who_came_in_time(void **state)
{
	enum { CLIENTS = 80 }; /* more than are accepted in one go */
	struct rt_loop *l = new_loop();
	struct rt_addr any = addr("127.0.0.1:0");
	int fd[CLIENTS];
	char greeting[4];
	(void)state;
	struct rt_listener *listener = listen_on(l, &any, accept_and_greet);
	struct rt_addr a = *rt_listener_addr(listener);
	for (int i = 0; i < CLIENTS; i++) {
		fd[i] = raw_connect(&a);
	}
	rt_listener_close(listener);
	assert_int_equal(accepted, CLIENTS);
	rt_loop_turn(l, false);
	rt_loop_turn(l, false);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(read(fd[i], greeting, sizeof(greeting)), 2);
		assert_int_equal(read(fd[i], greeting, sizeof(greeting)), 0);
		close(fd[i]);
	}
	int late = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(late, &a.sa, sizeof(a.in)), -1); /* and nobody comes after it */
	close(late);
	rt_loop_free(l);
}

static void close_inside_accept(void **state)
{
	struct rt_loop *l = new_loop();
	struct rt_addr any = addr("127.0.0.1:0");
	int fd[3];
	(void)state;
	self = listen_on(l, &any, accept_and_stop);
	struct rt_addr a = *rt_listener_addr(self);
	for (int i = 0; i < 3; i++) {
		fd[i] = raw_connect(&a);
	}
	UNTIL(l, accepted == 3);
	for (int i = 0; i < 3; i++) {
		close(fd[i]);
	}
	rt_loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_occupied_port_is_one_sentence),
		cmocka_unit_test(instances_share_a_port),
		cmocka_unit_test(ipv6_leaves_ipv4_alone),
		cmocka_unit_test(closing_serves_who_came_in_time),
		cmocka_unit_test(close_inside_accept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
