/* The gateway's question to the writer of files: what may come back, what may not, and how long it waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <uv.h>

#include "admin/writer.h"
#include "xfed/limits.h"

static uv_loop_t loop;
static char dir[64], path[100];
static struct writer_ask *list;

/* ---- the other end ---- */

static uv_pipe_t server, *client;
static const char *says; /* NULL: nothing; "": it closes */
static char heard[512];

static void on_client_closed(uv_handle_t *h)
{
	free(h);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	*buf = uv_buf_init(heard, sizeof(heard) - 1);
}

static void on_heard(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	if (n > 0) {
		heard[n] = '\0';
	}
	if (n > 0 && says && says[0]) {
		uv_buf_t out = uv_buf_init((char *)(uintptr_t)says, (unsigned)strlen(says));
		uv_try_write(s, &out, 1);
	}
	if (n < 0 || (says && !says[0])) {
		client = NULL;
		uv_close((uv_handle_t *)s, on_client_closed);
	}
}

static void on_connection(uv_stream_t *s, int status)
{
	uv_pipe_t *c = malloc(sizeof(*c));
	assert_int_equal(status, 0);
	uv_pipe_init(&loop, c, 0);
	assert_int_equal(uv_accept(s, (uv_stream_t *)c), 0);
	uv_read_start((uv_stream_t *)c, on_alloc, on_heard);
	client = c;
}

static int listens(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/xfed-writer-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/gw1.writer", dir);
	uv_loop_init(&loop);
	uv_pipe_init(&loop, &server, 0);
	assert_int_equal(uv_pipe_bind(&server, path), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&server, 8, on_connection), 0);
	uv_unref((uv_handle_t *)&server);
	return 0;
}

static int ends(void **state)
{
	if (!uv_is_closing((uv_handle_t *)&server)) {
		uv_close((uv_handle_t *)&server, NULL);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	unlink(path);
	rmdir(dir);
	assert_null(list);
	return 0;
}

/* ---- what comes of it ---- */

static char told[256];
static unsigned answers;

static void on_reply(void *user, json_t *result, const char *code, const char *text)
{
	const char *file = json_string_value(json_object_get(result, "file"));
	snprintf(told, sizeof(told), "%s", result ? (file ? file : "ok") : code);
	answers++;
	json_decref(result);
}

static const struct rt_reply reply = { on_reply, NULL, NULL };

static void ask(const char *answer)
{
	told[0] = heard[0] = '\0';
	answers = 0;
	says = answer;
	writer_ask(&list, &loop, path, json_pack("{s:s}", "noun", "partner"), reply);
}

static void becomes(const char *answer, const char *expected)
{
	ask(answer);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_string_equal(told, expected);
	assert_int_equal(answers, 1);
}

static void answers_are_passed_on(void **state)
{
	becomes("{\"ok\":true,\"result\":{\"file\":\"a.yaml\"}}\n", "a.yaml");
	assert_string_equal(heard, "{\"noun\":\"partner\"}\n");
	becomes("{\"ok\":false,\"error\":{\"code\":\"changed\",\"text\":\"x\"}}\n", "changed");
	becomes("{\"ok\":true,\"result\":{}}\n{\"ok\":true,\"result\":{\"file\":\"another\"}}\n", "ok");
}

static void what_is_no_answer_fails(void **state)
{
	becomes("\n", "failed");
	becomes("[]\n", "failed");
	becomes("{\"ok\":true}\n", "failed");
	becomes("{\"ok\":true,\"result\":7}\n", "failed");
	becomes("", "no-writer");
}

static void who_does_not_run_is_told(void **state)
{
	uv_close((uv_handle_t *)&server, NULL);
	unlink(path);
	becomes(NULL, "no-writer");
}

static void at_most_a_few_at_once(void **state)
{
	for (unsigned i = 0; i < XFED_WRITER_CHILDREN; i++) {
		ask(NULL);
		assert_string_equal(told, "");
	}
	ask(NULL);
	assert_string_equal(told, "busy");
	answers = 0;
	writer_stop(&list);
	assert_int_equal(answers, XFED_WRITER_CHILDREN);
	assert_string_equal(told, "failed");
}

/* A request above what the control socket takes is not begun. */
static void what_is_too_large_is_not_asked(void **state)
{
	char *text = calloc(1, XFED_CONTROL_REQUEST_BYTES + 1);
	memset(text, 'x', XFED_CONTROL_REQUEST_BYTES);
	answers = 0;
	writer_ask(&list, &loop, path, json_pack("{s:s}", "noun", text), reply);
	assert_string_equal(told, "failed");
	assert_int_equal(answers, 1);
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, listens, ends)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_are_passed_on),
		TEST(what_is_no_answer_fails),
		TEST(who_does_not_run_is_told),
		TEST(at_most_a_few_at_once),
		TEST(what_is_too_large_is_not_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
