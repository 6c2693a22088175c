/* The control socket: who may, what a request is, limits, answers that come later, and clients that go away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <uv.h>

#include "rt/control_internal.h"
#include "xfed/rt/control.h"
#include "xfed/rt/log.h"

static uv_loop_t loop;
static struct rt_control *control;
static char dir[64], path[100];
static struct rt_reply waiting;
static int changed;
static char instance[] = "gw1";
static char last_log[4096];

static void on_status(struct rt_reply reply, const json_t *args, void *user)
{
	const char *name = user;
	rt_reply_ok(reply, json_pack("{s:s}", "name", name));
}

static void on_later(struct rt_reply reply, const json_t *args, void *user)
{
	assert_null(waiting.done);
	waiting = reply;
}

static void on_reload(struct rt_reply reply, const json_t *args, void *user)
{
	changed++;
	rt_reply_ok(reply, json_pack("{s:b}", "ok", !json_object_get(args, "limit")));
}

static void on_refuse(struct rt_reply reply, const json_t *args, void *user)
{
	rt_reply_fail(reply, "not-found", "no partner is called %s", "x.example");
}

static void on_nothing(struct rt_reply reply, const json_t *args, void *user)
{
	rt_reply_ok(reply, NULL);
}

static void on_large(struct rt_reply reply, const json_t *args, void *user)
{
	size_t len = RT_CONTROL_REPLY_BYTES;
	char *text = malloc(len);
	assert_non_null(text);
	memset(text, 'a', len);
	rt_reply_ok(reply, json_pack("{s:s%}", "text", text, len - (json_object_get(args, "domain") ? 100 : 0)));
	free(text);
}

#define ANY(key, kind)                                                                                                                               \
	{                                                                                                                                            \
		key, key, RT_ARG_##kind, RT_ARG_OPTIONAL                                                                                             \
	}

static const struct rt_command list[] = {
	{ "status", "", RT_COMMAND_OF_BOTH, false, "", "", { ANY("domain", TEXT) } },
	{ "wait", "", RT_COMMAND_OF_BOTH, false, "", "", { { 0 } } },
	{ "reload", "", RT_COMMAND_OF_BOTH, true, "", "", { ANY("domain", TEXT), ANY("limit", COUNT) } },
	{ "partner", "show", RT_COMMAND_OF_BOTH, false, "", "", { { 0 } } },
	{ "nothing", "", RT_COMMAND_OF_BOTH, false, "", "", { { 0 } } },
	{ "large", "", RT_COMMAND_OF_BOTH, false, "", "", { ANY("domain", TEXT) } },
	{ "log", "level", RT_COMMAND_OF_BOTH, true, "", "", { { "level", "LEVEL", RT_ARG_LEVEL, RT_ARG_NEEDED }, ANY("domain", DOMAIN) } },
	{ "partner", "list", RT_COMMAND_OF_BOTH, false, "", "", { { 0 } } },
};
static rt_command_handler *const handlers[] = { on_status, on_later, on_reload, on_refuse, on_nothing, on_large, command_log_level, NULL };
static const struct rt_command_table commands = { list, handlers, XFED_ARRAY_LEN(list) };

static void sink(void *user, enum rt_log_level level, struct xfed_span line)
{
	snprintf(last_log, sizeof(last_log), "%.*s", (int)line.len, line.data);
}

static int setup(void **state)
{
	char error[256];
	uv_loop_init(&loop);
	signal(SIGPIPE, SIG_IGN); /* as rt_loop_new() does for a daemon */
	rt_log_set_sink(sink, NULL);
	snprintf(dir, sizeof(dir), "/tmp/xfed-test-control-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/x.sock", dir);
	waiting = (struct rt_reply){ 0 };
	changed = 0;
	last_log[0] = '\0';
	int rc = rt_control_new(&loop, path, &commands, instance, &control, error);
	if (rc != XFED_OK) {
		print_error("%s\n", error);
	}
	return rc;
}

static int teardown(void **state)
{
	rt_control_free(control);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rmdir(dir), 0);
	return uv_loop_close(&loop);
}

static int dial(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void turns(int n)
{
	for (int i = 0; i < n; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
	}
}

static void put(int fd, const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, s, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN) {
			return;
		}
		s += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		turns(1);
	}
}

/* One line; "" when the other side has closed. */
static char *line_of(int fd)
{
	size_t size = RT_CONTROL_REPLY_BYTES + 8192, len = 0;
	char *text = malloc(size);
	assert_non_null(text);
	for (;;) {
		turns(1);
		ssize_t n = recv(fd, text + len, size - 1 - len, MSG_DONTWAIT);
		if (n > 0) {
			len += (size_t)n;
		}
		if (n == 0 || (n < 0 && errno != EAGAIN) || (len > 0 && text[len - 1] == '\n')) {
			break;
		}
	}
	len -= len > 0 && text[len - 1] == '\n' ? 1 : 0;
	text[len] = '\0';
	return text;
}

static void expect(int fd, const char *expected)
{
	char *text = line_of(fd);
	if (strcmp(text, expected) != 0) {
		fail_msg("got %.200s, not %s", text, expected);
	}
	free(text);
}

static void exchange(const char *request, const char *expected)
{
	int fd = dial();
	put(fd, request, strlen(request));
	expect(fd, expected);
	close(fd);
	turns(2);
}

static void requests_and_answers(void **state)
{
	static const char bad[] = "{\"ok\":false,\"error\":{\"code\":\"bad-request\",\"text\":\"";
	static const struct {
		const char *request, *answer;
	} rows[] = {
		{ "{\"noun\":\"status\"}\n", "{\"ok\":true,\"result\":{\"name\":\"gw1\"}}" },
		{ "{\"noun\":\"status\",\"verb\":\"\",\"args\":{}}\n", "{\"ok\":true,\"result\":{\"name\":\"gw1\"}}" },
		{ "{\"noun\":\"partner\",\"verb\":\"show\"}\n",
			"{\"ok\":false,\"error\":{\"code\":\"not-found\",\"text\":\"no partner is called x.example\"}}" },
		{ "{\"noun\":\"nothing\"}\n", "{\"ok\":false,\"error\":{\"code\":\"failed\",\"text\":\"out of memory\"}}" },
		{ "{\"noun\":\"status\",\"verb\":\"now\"}\n",
			"{\"ok\":false,\"error\":{\"code\":\"unknown-command\",\"text\":\"this service has no such command\"}}" },
		{ "\n", "not JSON (at byte 0)\"}}" },
		{ "status\n", NULL },
		{ "[]\n", "a request is one JSON object\"}}" },
		{ "{}\n", "noun has to be a string\"}}" },
		{ "{\"noun\":1}\n", "noun has to be a string\"}}" },
		{ "{\"noun\":\"status\",\"verb\":null}\n", "verb has to be a string\"}}" },
		{ "{\"noun\":\"status\",\"args\":[]}\n", "args has to be an object\"}}" },
		{ "{\"noun\":\"status\",\"user\":\"root\"}\n", "a request has noun, verb and args, nothing else\"}}" },
		{ "{\"noun\":\"status\",\"noun\":\"reload\"}\n", NULL },
		{ "{\"noun\":\"status\",\"args\":{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}}\n",
			"the request is larger or nested more deeply than is taken\"}}" },
		{ "{\"noun\":\"status\",\"args\":{\"id\":1}}\n", "status has no argument id\"}}" },
		{ "{\"noun\":\"status\",\"args\":{\"domain\":1}}\n", "domain is a string: a text\"}}" },
		{ "{\"noun\":\"status\",\"args\":{\"domain\":\"\"}}\n", "domain is a string: a text\"}}" },
		{ "{\"noun\":\"reload\",\"args\":{\"limit\":\"1\"}}\n", "limit is a number: a number from 1\"}}" },
		{ "{\"noun\":\"reload\",\"args\":{\"limit\":0}}\n", "limit is a number: a number from 1\"}}" },
		{ "{\"noun\":\"log\",\"verb\":\"level\"}\n", "log level needs level, error, warning, info, debug\"}}" },
		{ "{\"noun\":\"partner\",\"verb\":\"list\"}\n", /* no handler: of another service */
			"{\"ok\":false,\"error\":{\"code\":\"unknown-command\",\"text\":\"this service has no such command\"}}" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		char expected[512];
		bool is_whole = rows[i].answer && rows[i].answer[0] == '{';
		int fd = dial();
		put(fd, rows[i].request, strlen(rows[i].request));
		char *text = line_of(fd);
		snprintf(expected, sizeof(expected), "%s%s", is_whole ? "" : bad, rows[i].answer ? rows[i].answer : "not JSON (at byte");
		if (rows[i].answer ? strcmp(text, expected) != 0 : strncmp(text, expected, strlen(expected)) != 0) {
			fail_msg("%s gave %s, not %s", rows[i].request, text, expected);
		}
		free(text);
		close(fd);
		turns(2);
	}
}

static void one_connection_several_requests(void **state)
{
	static const char two[] = "{\"noun\":\"status\"}\n{\"noun\":\"partner\",\"verb\":\"show\"}\n{\"noun\":\"sta";
	int fd = dial();
	put(fd, two, sizeof(two) - 1);
	turns(20);
	char text[512];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "{\"ok\":true,\"result\":{\"name\":\"gw1\"}}\n"
				  "{\"ok\":false,\"error\":{\"code\":\"not-found\",\"text\":\"no partner is called x.example\"}}\n");
	put(fd, "tus\"}\n", 6);
	expect(fd, "{\"ok\":true,\"result\":{\"name\":\"gw1\"}}");
	close(fd);
	turns(2);
}

static void an_answer_may_come_later(void **state)
{
	int fd = dial();
	put(fd, "{\"noun\":\"wait\"}\n{\"noun\":\"status\"}\n", 34);
	turns(20);
	assert_non_null(waiting.done);
	char byte;
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	/* The client has said all it wants to say: the answer still comes. */
	shutdown(fd, SHUT_WR);
	turns(5);
	rt_reply_ok(waiting, json_pack("{s:i}", "n", 1));
	turns(20);
	char text[512];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "{\"ok\":true,\"result\":{\"n\":1}}\n{\"ok\":true,\"result\":{\"name\":\"gw1\"}}\n");
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 0);
	close(fd);
	turns(2);
}

static void a_client_that_goes_away_is_no_harm(void **state)
{
	int fd = dial();
	put(fd, "{\"noun\":\"wait\"}\n", 16);
	turns(10);
	assert_non_null(waiting.done);
	struct linger hard = { .l_onoff = 1 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
	turns(10);
	rt_reply_ok(waiting, json_pack("{s:i}", "n", 1));
	turns(10);
	exchange("{\"noun\":\"status\"}\n", "{\"ok\":true,\"result\":{\"name\":\"gw1\"}}");
}

/* In their order, before the answer, which the next request waits for. */
static void parts_come_before_the_answer(void **state)
{
	int fd = dial();
	put(fd, "{\"noun\":\"wait\"}\n{\"noun\":\"status\"}\n", 35);
	turns(10);
	rt_reply_part(waiting, json_pack("{s:i}", "n", 1));
	rt_reply_part(waiting, NULL);
	expect(fd, "{\"part\":{\"n\":1}}");
	rt_reply_part(waiting, json_pack("{s:i}", "n", 2));
	rt_reply_ok(waiting, json_pack("{s:i}", "n", 3));
	turns(10);
	char text[512] = "";
	assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_string_equal(text, "{\"part\":{\"n\":2}}\n{\"ok\":true,\"result\":{\"n\":3}}\n{\"ok\":true,\"result\":{\"name\":\"gw1\"}}\n");
	waiting = (struct rt_reply){ 0 };
	put(fd, "{\"noun\":\"wait\"}\n", 16);
	turns(10);
	close(fd);
	turns(10);
	rt_reply_part(waiting, json_pack("{s:i}", "n", 4)); /* nobody is there any more */
	rt_reply_ok(waiting, json_object());
	turns(2);
}

static void an_answer_may_outlive_the_socket(void **state)
{
	int fd = dial();
	put(fd, "{\"noun\":\"wait\"}\n", 16);
	turns(10);
	assert_non_null(waiting.done);
	rt_control_free(control);
	uv_run(&loop, UV_RUN_DEFAULT);
	control = NULL;
	rt_reply_fail(waiting, "failed", "too late");
	char *text = line_of(fd);
	assert_string_equal(text, "");
	free(text);
	close(fd);
}

static void changes_leave_an_audit_line(void **state)
{
	exchange("{\"noun\":\"reload\",\"args\":{\"domain\":\"a b\"}}\n", "{\"ok\":true,\"result\":{\"ok\":true}}");
	char expected[256];
	snprintf(expected, sizeof(expected),
		" info event=audit.command uid=%u gid=%u pid=%d noun=reload args=\"{\\\"domain\\\":\\\"a b\\\"}\" result=ok", (unsigned)getuid(),
		(unsigned)getgid(), (int)getpid());
	if (!strstr(last_log, expected)) {
		fail_msg("%s\nis not %s", last_log, expected);
	}
	exchange("{\"noun\":\"reload\",\"args\":{\"limit\":1}}\n", "{\"ok\":true,\"result\":{\"ok\":false}}");
	assert_non_null(strstr(last_log, "result=failed"));
	last_log[0] = '\0';
	exchange("{\"noun\":\"status\"}\n", "{\"ok\":true,\"result\":{\"name\":\"gw1\"}}");
	assert_string_equal(last_log, "");
	assert_int_equal(changed, 2);
}

static bool is_closed(int fd)
{
	char c;
	turns(3);
	return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

static void clients_are_bounded(void **state)
{
	int fds[XFED_CONTROL_CLIENTS];
	for (int i = 0; i < XFED_CONTROL_CLIENTS; i++) {
		fds[i] = dial();
		turns(3);
	}
	int ninth = dial();
	expect(ninth, "{\"ok\":false,\"error\":{\"code\":\"busy\",\"text\":\"too many clients: try again in 10 s\"}}");
	assert_true(is_closed(ninth));
	close(ninth);
	assert_non_null(strstr(last_log, "event=control.refused"));
	assert_non_null(strstr(last_log, "too many clients"));
	put(fds[7], "{\"noun\":\"status\"}\n", 18);
	expect(fds[7], "{\"ok\":true,\"result\":{\"name\":\"gw1\"}}");
	for (int i = 0; i < XFED_CONTROL_CLIENTS; i++) {
		close(fds[i]);
	}
	turns(5);
	exchange("{\"noun\":\"status\"}\n", "{\"ok\":true,\"result\":{\"name\":\"gw1\"}}");
}

#define READ_GROUP 65533
#define SOMEBODY   65534

/* As somebody of the group that may look; only root can be somebody else. */
static int dial_as_reader(void)
{
	assert_int_equal(setegid(READ_GROUP), 0);
	assert_int_equal(seteuid(SOMEBODY), 0);
	int fd = dial();
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	turns(3);
	return fd;
}

/* Who may only look has a part of the places; one that is not used goes to another reader, and never one of who may change. */
static void readers_hold_a_part(void **state)
{
	int fds[XFED_CONTROL_READERS], admins[XFED_CONTROL_CLIENTS - XFED_CONTROL_READERS];
	if (geteuid() != 0) {
		skip();
	}
	control->read_group = READ_GROUP;
	for (int i = 0; i < XFED_CONTROL_READERS; i++) {
		fds[i] = dial_as_reader();
	}
	int beyond = dial_as_reader();
	expect(beyond, "{\"ok\":false,\"error\":{\"code\":\"busy\",\"text\":\"too many clients that may only look: try again in 10 s\"}}");
	assert_true(is_closed(beyond));
	close(beyond);
	assert_non_null(strstr(last_log, "too many clients that may only look"));
	for (size_t i = 0; i < XFED_ARRAY_LEN(admins); i++) {
		admins[i] = dial();
		put(admins[i], "{\"noun\":\"status\"}\n", 18);
		expect(admins[i], "{\"ok\":true,\"result\":{\"name\":\"gw1\"}}");
	}
	/* The first of them was silent for a while, and then the second said something. */
	put(fds[1], "{\"noun\":\"status\"}\n", 18);
	expect(fds[1], "{\"ok\":true,\"result\":{\"name\":\"gw1\"}}");
	for (struct control_client *c = control->clients; c; c = c->next) {
		c->last_ms -= c->role == RT_CONTROL_READER ? XFED_CONTROL_READER_IDLE_MS : 0;
	}
	control->clients->last_ms -= XFED_CONTROL_READER_IDLE_MS; /* one of who may change, the newest */
	close(admins[0]);
	turns(3);
	int next = dial_as_reader();
	assert_false(is_closed(next));
	int gone = 0;
	for (int i = 0; i < XFED_CONTROL_READERS; i++) {
		gone += is_closed(fds[i]);
		close(fds[i]);
	}
	assert_int_equal(gone, 1);
	for (size_t i = 1; i < XFED_ARRAY_LEN(admins); i++) {
		assert_false(is_closed(admins[i]));
		close(admins[i]);
	}
	close(next);
	turns(5);
}

/* Who may only look changes nothing, and the log says who tried. */
static void readers_change_nothing(void **state)
{
	if (geteuid() != 0) {
		skip();
	}
	control->read_group = READ_GROUP;
	int fd = dial_as_reader();
	put(fd, "{\"noun\":\"reload\"}\n", 18);
	expect(fd, "{\"ok\":false,\"error\":{\"code\":\"not-authorised\",\"text\":\"only root and members of xfed-admin may change something\"}}");
	assert_non_null(strstr(last_log, "warning event=audit.refused uid=65534"));
	assert_non_null(strstr(last_log, "noun=reload"));
	assert_int_equal(changed, 0);
	put(fd, "{\"noun\":\"status\"}\n", 18);
	expect(fd, "{\"ok\":true,\"result\":{\"name\":\"gw1\"}}");
	close(fd);
	turns(2);
}

/* One byte less than the limit is a request, one more closes the client. */
static void requests_are_bounded(void **state)
{
	static const char head[] = "{\"noun\":\"status\",\"args\":{\"domain\":\"";
	for (int over = 0; over < 2; over++) {
		size_t len = XFED_CONTROL_REQUEST_BYTES + (size_t)over;
		char *text = malloc(len);
		assert_non_null(text);
		memset(text, 'a', len);
		memcpy(text, head, sizeof(head) - 1);
		memcpy(text + len - 4, "\"}}\n", 4);
		int fd = dial();
		put(fd, text, len);
		/* Without the line end in the same breath a request of 64 KiB and one byte cannot be told from an endless one. */
		expect(fd, over ? "" : "{\"ok\":true,\"result\":{\"name\":\"gw1\"}}");
		close(fd);
		free(text);
		turns(5);
	}
	assert_non_null(strstr(last_log, "request too large"));
}

static void answers_are_bounded(void **state)
{
	exchange("{\"noun\":\"large\"}\n", "{\"ok\":false,\"error\":{\"code\":\"failed\",\"text\":\"the answer is too large\"}}");
	int fd = dial();
	put(fd, "{\"noun\":\"large\",\"args\":{\"domain\":\"a\"}}\n", 39);
	char *text = line_of(fd);
	assert_true(strlen(text) > RT_CONTROL_REPLY_BYTES - 200);
	free(text);
	close(fd);
	turns(2);
}

static void roles(void **state)
{
	const gid_t none[] = { 100 }, readers[] = { 100, 61 }, admins[] = { 60, 61 }, gone[] = { (gid_t)-1 };
	assert_int_equal(rt_control_role_of(0, none, 1, 500, 60, 61), RT_CONTROL_ADMIN);
	assert_int_equal(rt_control_role_of(500, none, 1, 500, 60, 61), RT_CONTROL_ADMIN);
	assert_int_equal(rt_control_role_of(1000, none, 1, 500, 60, 61), RT_CONTROL_NOBODY);
	assert_int_equal(rt_control_role_of(1000, readers, 2, 500, 60, 61), RT_CONTROL_READER);
	assert_int_equal(rt_control_role_of(1000, admins, 2, 500, 60, 61), RT_CONTROL_ADMIN);
	/* Groups that do not exist on this host match nobody. */
	assert_int_equal(rt_control_role_of(1000, gone, 1, 500, (gid_t)-1, (gid_t)-1), RT_CONTROL_NOBODY);
}

/* A process of another user is closed at once, without an answer. */
static void strangers_are_closed(void **state)
{
	if (getuid() != 0) {
		skip();
	}
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char byte;
		if (setgid(65534) != 0 || setuid(65534) != 0) {
			_exit(3);
		}
		int fd = dial();
		if (fd < 0) {
			_exit(4);
		}
		(void)!send(fd, "{\"noun\":\"status\"}\n", 18, MSG_NOSIGNAL);
		ssize_t n = recv(fd, &byte, 1, 0);
		_exit(n <= 0 ? 0 : 5);
	}
	int status = -1;
	while (waitpid(child, &status, WNOHANG) == 0) {
		turns(1);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_non_null(strstr(last_log, "event=control.refused uid=65534"));
}

static void a_left_over_socket_is_replaced_a_live_one_is_not(void **state)
{
	struct rt_control *second;
	char error[256], expected[256], other[80];
	struct stat st;
	assert_int_equal(rt_control_new(&loop, path, &commands, NULL, &second, error), XFED_ERR_INVALID);
	snprintf(expected, sizeof(expected), "another instance answers on %s", path);
	assert_string_equal(error, expected);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	/* A socket nobody listens on any more. */
	snprintf(other, sizeof(other), "%.60s/y.sock", dir);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", other);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	assert_int_equal(rt_control_new(&loop, other, &commands, NULL, &second, error), XFED_OK);
	rt_control_free(second);
	turns(3);
	/* A file that is no socket stays. */
	FILE *f = fopen(other, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(rt_control_new(&loop, other, &commands, NULL, &second, error), XFED_ERR_INVALID);
	snprintf(expected, sizeof(expected), "%s exists and is not a socket", other);
	assert_string_equal(error, expected);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(rt_control_new(&loop, "/nonexistent/x.sock", &commands, NULL, &second, error), XFED_ERR_INVALID);
	assert_string_equal(error, "cannot listen on /nonexistent/x.sock: its directory does not exist");
}

static void log_level(void **state)
{
	exchange("{\"noun\":\"log\",\"verb\":\"level\",\"args\":{\"level\":\"debug\"}}\n", "{\"ok\":true,\"result\":{\"level\":\"debug\"}}");
	assert_int_equal(rt_log_level_now(), RT_LOG_DEBUG);
	exchange("{\"noun\":\"log\",\"verb\":\"level\",\"args\":{\"level\":\"loud\"}}\n",
		"{\"ok\":false,\"error\":{\"code\":\"bad-request\",\"text\":\"level is one of error, warning, info, debug\"}}");
	exchange("{\"noun\":\"log\",\"verb\":\"level\",\"args\":{\"level\":\"info\"}}\n", "{\"ok\":true,\"result\":{\"level\":\"info\"}}");
	exchange("{\"noun\":\"log\",\"verb\":\"level\",\"args\":{\"level\":\"debug\",\"domain\":\"a.example\"}}\n",
		"{\"ok\":true,\"result\":{\"level\":\"debug\",\"domain\":\"a.example\"}}");
	assert_true(rt_log_is_on(RT_LOG_DEBUG));
	exchange("{\"noun\":\"log\",\"verb\":\"level\",\"args\":{\"level\":\"info\",\"domain\":\"a.example\"}}\n",
		"{\"ok\":true,\"result\":{\"level\":\"info\",\"domain\":\"a.example\"}}");
	assert_false(rt_log_is_on(RT_LOG_DEBUG));
}

static void a_partner_as_json(void **state)
{
	static const char *const more[] = { "*.it.fabrikam.example" };
	struct xfed_partner p = { .domain = "fabrikam.example",
		.additional = more,
		.additional_count = 1,
		.type = XFED_PARTNER_FEDERATED,
		.tls = XFED_REQUIRED,
		.sasl = XFED_OPTIONAL,
		.dialback = true,
		.connect_host = "::1",
		.connect_port = 5269,
		.max_connections = 20,
		.stanzas_per_second = 200,
		.stanza_bytes = 65536,
		.kinds = XFED_KIND_MESSAGE | XFED_KIND_IQ };
	json_t *j = rt_control_partner(&p);
	assert_non_null(j);
	char *text = json_dumps(j, JSON_COMPACT);
	assert_string_equal(text,
		"{\"domain\":\"fabrikam.example\",\"enabled\":true,\"additional_domains\":[\"*.it.fabrikam.example\"],\"partner_type\":\"federated\","
		"\"tls\":"
		"\"required\","
		"\"sasl\":\"optional\",\"dialback\":true,\"connect_to\":\"[::1]:5269\",\"keepalive\":false,\"limits\":{\"connections\":20,"
		"\"stanzas_per_second\":200,\"stanza_size\":65536},\"kinds\":[\"message\",\"iq\"],\"dane\":\"off\",\"trust\":{\"ca\":false,\"pins\":["
		"]},"
		"\"matrix\":{\"row\":7,\"methods\":[\"external\",\"dialback-tls\"]}}");
	free(text);
	json_decref(j);
}

/* A text that was cut inside a character, or is a stranger's, is told all the same. */
static void no_problem_is_lost(void **state)
{
	char long_name[1001];
	json_t *problems = json_array();
	(void)state;
	for (size_t i = 0; i < sizeof(long_name); i++) {
		long_name[i] = "\xC3\xBC"[i % 2];
	}
	long_name[sizeof(long_name) - 1] = '\0';
	rt_control_add_problem(
		problems, XFED_REASON_CONFIG_VALUE_INVALID, 7, "%.3s: %s%s%s%s%s.", long_name, long_name, long_name, long_name, long_name, long_name);
	rt_control_add_step(problems, "policy", "problem", XFED_REASON_NONE, "\xC3");
	assert_int_equal(json_array_size(problems), 2);
	const char *problem = json_string_value(json_object_get(json_array_get(problems, 0), "text"));
	assert_non_null(problem);
	assert_memory_equal(problem, "\xC3\xBC?: \xC3\xBC", 7);
	assert_string_equal(json_string_value(json_object_get(json_array_get(problems, 1), "text")), "?");
	json_decref(problems);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_problem_is_lost),
		cmocka_unit_test_setup_teardown(requests_and_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(one_connection_several_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(an_answer_may_come_later, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_that_goes_away_is_no_harm, setup, teardown),
		cmocka_unit_test_setup_teardown(parts_come_before_the_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(an_answer_may_outlive_the_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_leave_an_audit_line, setup, teardown),
		cmocka_unit_test_setup_teardown(clients_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(readers_hold_a_part, setup, teardown),
		cmocka_unit_test_setup_teardown(readers_change_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(requests_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(strangers_are_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_left_over_socket_is_replaced_a_live_one_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(log_level, setup, teardown),
		cmocka_unit_test(roles),
		cmocka_unit_test(a_partner_as_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
