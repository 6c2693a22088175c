/* /metrics, /healthz, /readyz over a real socket of the loopback, driven by the loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include <uv.h>

#include "xfed/rt/http.h"
#include "xfed/rt/listener.h"

static uv_loop_t loop;
static struct rt_http *http;
static bool healthy, ready;
static int metrics_result;

static int metrics(void *user, struct xfed_buf *out)
{
	int rc = xfed_buf_append_str(out, "xfed_up 1\n");
	return metrics_result != XFED_OK ? metrics_result : rc;
}

static bool is_healthy(void *user, struct xfed_buf *out)
{
	xfed_buf_append_str(out, healthy ? "ok\n" : "loop is late\n");
	return healthy;
}

static bool is_ready(void *user, struct xfed_buf *out)
{
	xfed_buf_append_str(out, ready ? "in service\n" : "out of service\n");
	return ready;
}

static const struct rt_http_pages pages = { NULL, metrics, is_healthy, is_ready };

static int setup(void **state)
{
	struct rt_conf_address a = { .host = "127.0.0.1", .port = 0, .is_ip = true };
	char error[256];
	uv_loop_init(&loop);
	healthy = ready = true;
	metrics_result = XFED_OK;
	return rt_http_new(&loop, &a, &pages, &http, error);
}

static int teardown(void **state)
{
	rt_http_free(http);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

/* From 127.0.0.`from`. */
static int dial_from(unsigned from)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(rt_http_port(http)) }, source = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	source.sin_addr.s_addr = htonl((INADDR_LOOPBACK & 0xffffff00) | from);
	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&source, sizeof(source)) == 0);
	assert_true(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	return fd;
}

static int dial(void)
{
	return dial_from(1);
}

static void turn_loop(int turns)
{
	while (turns-- > 0) {
		uv_run(&loop, UV_RUN_NOWAIT);
	}
}

struct reply {
	char text[65536];
	size_t len;
	bool is_closed;
};

#define WAIT_MS 30000

/* Runs the loop until the other side closes. */
static void receive(int fd, struct reply *r)
{
	uint64_t end_ms = uv_hrtime() / 1000000 + WAIT_MS;
	r->len = 0;
	r->is_closed = false;
	while (!r->is_closed) {
		if (uv_hrtime() / 1000000 >= end_ms) {
			fail_msg("deaf");
		}
		uv_run(&loop, UV_RUN_NOWAIT);
		ssize_t n = recv(fd, r->text + r->len, sizeof(r->text) - 1 - r->len, MSG_DONTWAIT);
		r->len += n > 0 ? (size_t)n : 0;
		r->is_closed = n == 0 || (n < 0 && errno != EAGAIN);
	}
	r->text[r->len] = '\0';
	close(fd);
}

static const char *ask(const char *request)
{
	static struct reply r;
	int fd = dial();
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	receive(fd, &r);
	return r.text;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void expect(const char *request, const char *status, const char *body)
{
	const char *text = ask(request);
	const char *end = strstr(text, "\r\n\r\n");
	if (strncmp(text, status, strlen(status)) != 0 || (body && (!end || strcmp(end + 4, body) != 0))) {
		fail_msg("%s gave: %s", request, text);
	}
}

static void three_pages(void **state)
{
	expect(GET("/metrics"), "HTTP/1.1 200 ", "xfed_up 1\n");
	assert_non_null(strstr(ask(GET("/metrics")), "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	expect(GET("/healthz"), "HTTP/1.1 200 ", "ok\n");
	expect(GET("/readyz"), "HTTP/1.1 200 ", "in service\n");
	healthy = ready = false;
	metrics_result = XFED_ERR_NOMEM;
	expect(GET("/metrics"), "HTTP/1.1 500 ", "");
	expect(GET("/healthz"), "HTTP/1.1 503 ", "loop is late\n");
	expect(GET("/readyz"), "HTTP/1.1 503 ", "out of service\n");
}

static void nothing_else(void **state)
{
	expect(GET("/"), "HTTP/1.1 404 ", "");
	expect(GET("/metrics/"), "HTTP/1.1 404 ", "");
	expect(GET("/../etc/passwd"), "HTTP/1.1 404 ", "");
	expect("POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405 ", NULL);
	expect("DELETE /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 405 ", NULL);
}

static void headers_are_bounded(void **state)
{
	char request[3 * RT_HTTP_HEADER_BYTES];
	int n = snprintf(request, sizeof(request), "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ");
	memset(request + n, 'a', sizeof(request) - (size_t)n);
	int fd = dial();
	(void)!send(fd, request, sizeof(request), MSG_NOSIGNAL);
	static struct reply r;
	receive(fd, &r);
	if (r.len > 0 && strncmp(r.text, "HTTP/1.1 431 ", 13) != 0 && strncmp(r.text, "HTTP/1.1 413 ", 13) != 0) {
		fail_msg("%.100s", r.text);
	}
	expect(GET("/healthz"), "HTTP/1.1 200 ", "ok\n");
}

/* Every place, with requests that never end. */
static void hold_all(int fds[XFED_HTTP_CONNECTIONS])
{
	for (int i = 0; i < XFED_HTTP_CONNECTIONS; i++) {
		fds[i] = dial_from(10 + (unsigned)i / XFED_HTTP_CONNECTIONS_ADDRESS);
		assert_int_equal(send(fds[i], "GET /healthz HTTP/1.1\r\n", 23, MSG_NOSIGNAL), 23);
		turn_loop(10);
	}
}

/* At the limit the library stops listening: it must begin again, however many came and went. */
static void it_listens_again(void **state)
{
	static const int counts[] = { XFED_HTTP_CONNECTIONS / 2, XFED_HTTP_CONNECTIONS - 1, XFED_HTTP_CONNECTIONS, XFED_HTTP_CONNECTIONS + 1, 200 };
	int fds[200];
	for (size_t n = 0; n < XFED_ARRAY_LEN(counts); n++) {
		for (int i = 0; i < counts[n]; i++) {
			fds[i] = dial_from(10 + (unsigned)i % 50);
			turn_loop(2);
		}
		for (int i = 0; i < counts[n]; i++) {
			close(fds[i]);
		}
		uint64_t start_ns = uv_hrtime();
		expect(GET("/healthz"), "HTTP/1.1 200 ", "ok\n");
		assert_true(uv_hrtime() - start_ns < 10000000000u); /* about a second; never only when they time out */
	}
}

/* One address that holds what it may: another one is served at once. */
static void one_address_has_its_share(void **state)
{
	int fds[XFED_HTTP_CONNECTIONS_ADDRESS];
	static struct reply r;
	for (int i = 0; i < XFED_HTTP_CONNECTIONS_ADDRESS; i++) {
		fds[i] = dial_from(10);
		turn_loop(10);
	}
	receive(dial_from(10), &r);
	assert_int_equal(r.len, 0);
	expect(GET("/healthz"), "HTTP/1.1 200 ", "ok\n");
	for (int i = 0; i < XFED_HTTP_CONNECTIONS_ADDRESS; i++) {
		char c;
		assert_true(recv(fds[i], &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN); /* still held */
		close(fds[i]);
	}
}

/* Whoever holds them all without a word loses them. */
static void silent_ones_go(void **state)
{
	int fds[XFED_HTTP_CONNECTIONS];
	hold_all(fds);
	expect(GET("/healthz"), "HTTP/1.1 200 ", "ok\n");
	for (int i = 0; i < XFED_HTTP_CONNECTIONS; i++) {
		close(fds[i]);
	}
}

/* More connections than there is room for: those beyond are closed, and those within are answered. */
static void connections_are_bounded(void **state)
{
	int fds[XFED_HTTP_CONNECTIONS];
	hold_all(fds);
	static struct reply r;
	int beyond = dial();
	(void)!send(beyond, GET("/healthz"), sizeof(GET("/healthz")) - 1, MSG_NOSIGNAL);
	turn_loop(50);
	ssize_t n = recv(beyond, r.text, sizeof(r.text), MSG_DONTWAIT);
	assert_true(n <= 0);
	close(beyond);
	assert_true(send(fds[0], "Host: x\r\nConnection: close\r\n\r\n", 30, MSG_NOSIGNAL) == 30);
	receive(fds[0], &r);
	assert_int_equal(strncmp(r.text, "HTTP/1.1 200 ", 13), 0);
	for (int i = 1; i < XFED_HTTP_CONNECTIONS; i++) {
		close(fds[i]);
	}
	turn_loop(50);
	expect(GET("/healthz"), "HTTP/1.1 200 ", "ok\n");
}

static void an_occupied_port_is_one_sentence(void **state)
{
	struct rt_conf_address a = { .host = "127.0.0.1", .port = rt_http_port(http), .is_ip = true };
	struct rt_http *second;
	char error[256], expected[256];
	assert_int_equal(rt_http_new(&loop, &a, &pages, &second, error), XFED_ERR_INVALID);
	assert_null(second);
	char said[80];
	snprintf(said, sizeof(said), "cannot listen on 127.0.0.1:%u: Address already in use", a.port);
	snprintf(expected, sizeof(expected), RT_LISTEN_FAILED, "http.listen", said);
	assert_string_equal(error, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(three_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(headers_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(connections_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(it_listens_again, setup, teardown),
		cmocka_unit_test_setup_teardown(one_address_has_its_share, setup, teardown),
		cmocka_unit_test_setup_teardown(silent_ones_go, setup, teardown),
		cmocka_unit_test_setup_teardown(an_occupied_port_is_one_sentence, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
