/*
 * panel writer: changes files as the panel of a gateway asks. The gateway may not write what it is ruled by; this service may, and does
 * nothing else. One request a connection, in a process of its own, from the gateway's user alone, of a few commands, which are carried out
 * by the same code as when they are typed.
 *
 * Request: {"noun", "verb", "args", "login", "from", "dry-run"?, "expect"?}, one line, as of change carry (xfed/rt/command.h). Answer: as on
 * the control socket.
 */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl.h"
#include "fe-gateway/config/config.h"
#include "xfed/rt/control.h"
#include "xfed/rt/log.h"

#define CONFIG	   "/etc/xfed/gateway.yaml"
#define USER	   "xfed-gateway"
#define WHO_BYTES  64 /* of a login, and of an address */
#define HASH_BYTES 64

struct writer {
	const struct ctl_options *options;
	const char *config_path;
	char control[CONFIG_WRITER_PATH_MAX], path[CONFIG_WRITER_PATH_MAX]; /* the gateway's socket, and ours */
	uid_t gateway;							    /* -1: there is no such user */
	int fd;
	unsigned children;
};

/* ---- what may be asked ---- */

typedef enum ctl_exit act_fn(const json_t *args, const struct ctl_options *options);

static act_fn *const allowed[] = {
	ctl_do_partner_add,
	ctl_do_partner_set,
	ctl_do_partner_remove,
	ctl_do_access_add,
	ctl_do_access_set,
	ctl_do_access_remove,
	ctl_do_access_grant,
	ctl_do_access_revoke,
	ctl_do_config_set,
};

static bool is_allowed(const struct rt_command *c)
{
	bool is_one = false;
	for (size_t i = 0; i < XFED_ARRAY_LEN(allowed); i++) {
		is_one = is_one || ctl_ways[c - rt_commands].act == allowed[i];
	}
	return is_one;
}

static const struct rt_command *find(const char *noun, const char *verb)
{
	for (const struct rt_command *c = rt_commands; c < rt_commands + RT_COMMAND_COUNT; c++) {
		if (strcmp(c->noun, noun) == 0 && strcmp(c->verb, verb) == 0 && is_allowed(c)) {
			return c;
		}
	}
	return NULL;
}

struct errand {
	const struct rt_command *command;
	json_t *args; /* a new reference */
	struct ctl_errand who;
};

static bool is_word(const char *s, size_t max)
{
	bool is_one = s && s[0] != '\0' && strlen(s) <= max;
	for (; is_one && *s; s++) {
		is_one = (unsigned char)*s >= ' ' && *s != 0x7f;
	}
	return is_one;
}

/* "" or the error's code. The strings are the request's. */
static const char *read_errand(json_t *request, struct errand *e, char error[160])
{
	const char *noun = NULL, *verb = NULL, *expect = NULL;
	json_t *args = NULL;
	int is_dry_run = 0;
	snprintf(error, 160, "a request is {noun, verb, args, login, from, dry-run?, expect?}");
	*e = (struct errand){ 0 };
	if (json_unpack(request, "{s:s, s:s, s:o, s:s, s:s, s?b, s?s !}", "noun", &noun, "verb", &verb, "args", &args, "login", &e->who.login, "from",
		    &e->who.from, "dry-run", &is_dry_run, "expect", &expect) != 0 ||
		!json_is_object(args) || !is_word(e->who.login, WHO_BYTES) || !is_word(e->who.from, WHO_BYTES) ||
		(expect && !is_word(expect, HASH_BYTES))) {
		return "bad-request";
	}
	e->who.expect = expect;
	e->command = find(noun, verb);
	if (!e->command) {
		snprintf(error, 160, "the panel changes partners, access rules and numbers of gateway.yaml, and nothing else");
		return "not-authorised";
	}
	if (!rt_command_check(e->command, args, error)) {
		return "bad-request";
	}
	e->args = json_copy(args);
	if (is_dry_run) {
		json_object_set_new(e->args, "dry-run", json_true());
	}
	return "";
}

/* ---- carrying one out ---- */

static json_t *refusal(const char *code, const char *text)
{
	return json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", code, "text", text);
}

static void audit(const struct errand *e, const struct ucred *peer, const json_t *answer)
{
	const char *code = ctl_str(json_object_get(answer, "error"), "code");
	const json_t *result = json_object_get(answer, "result");
	bool is_fine = json_is_true(json_object_get(result, "ok"));
	char *args = json_dumps(e->args, JSON_COMPACT | JSON_ENSURE_ASCII);
	rt_log(RT_LOG_INFO, "audit.change", RT_KV_STR("login", e->who.login), RT_KV_STR("from", e->who.from), RT_KV_STR("noun", e->command->noun),
		RT_KV_STR("verb", e->command->verb), RT_KV_STR("args", args), RT_KV_I64("pid", peer->pid),
		RT_KV_STR("saved", json_is_true(json_object_get(result, "saved")) ? "yes" : "no"),
		RT_KV_STR("result", code[0]   ? code
				    : is_fine ? "ok"
					      : "failed"),
		RT_END);
	free(args);
}

static json_t *carry_out(const struct writer *w, json_t *request, const struct ucred *peer)
{
	struct errand e;
	char error[160];
	const char *code = read_errand(request, &e, error);
	if (code[0]) {
		rt_log(RT_LOG_WARNING, "audit.refused", RT_KV_STR("login", e.who.login), RT_KV_STR("from", e.who.from), RT_KV_I64("pid", peer->pid),
			RT_KV_STR("why", error), RT_END);
		return refusal(code, error);
	}
	struct ctl_options o = { .socket = w->control, .is_json = true, .errand = &e.who };
	e.who.config = w->config_path;
	(void)ctl_ways[e.command - rt_commands].act(e.args, &o); /* the answer says how it went */
	json_t *failed = json_object_get(e.who.answer, "error");
	json_t *answer = !e.who.answer ? refusal("failed", "out of memory")
			 : failed      ? json_pack("{s:b, s:O}", "ok", 0, "error", failed)
				       : json_pack("{s:b, s:O}", "ok", 1, "result", e.who.answer);
	audit(&e, peer, answer);
	json_decref(e.who.answer);
	json_decref(e.args);
	return answer;
}

/* ---- a connection ---- */

/* One line, within its time and size. */
static int read_line(int fd, struct xfed_buf *in)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t end_ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000 + XFED_WRITER_READ_MS;
	for (;;) {
		char chunk[4096];
		struct pollfd p = { .fd = fd, .events = POLLIN };
		clock_gettime(CLOCK_MONOTONIC, &now);
		int64_t left_ms = end_ms - (now.tv_sec * 1000LL + now.tv_nsec / 1000000);
		if (left_ms <= 0 || poll(&p, 1, (int)left_ms) <= 0) {
			return XFED_ERR_INVALID;
		}
		ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
		if (n <= 0 || xfed_buf_append(in, xfed_span_make(chunk, (size_t)n)) != XFED_OK) {
			return XFED_ERR_INVALID;
		}
		if (memchr(chunk, '\n', (size_t)n)) {
			return XFED_OK;
		}
	}
}

static void send_answer(int fd, const json_t *answer)
{
	char *text = answer ? json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	struct xfed_span rest = xfed_span_str(text ? text : "");
	struct timeval timeout = { .tv_sec = XFED_WRITER_READ_MS / 1000 };
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	while (rest.len > 0) {
		ssize_t n = send(fd, rest.data, rest.len, MSG_NOSIGNAL);
		if (n <= 0) {
			rt_log(RT_LOG_WARNING, "writer.unheard", RT_KV_STR("why", strerror(errno)), RT_END);
			break;
		}
		rest = xfed_span_make(rest.data + n, rest.len - (size_t)n);
	}
	if (rest.len == 0) {
		(void)send(fd, "\n", 1, MSG_NOSIGNAL);
	}
	free(text);
}

static void serve(const struct writer *w, int fd, const struct ucred *peer)
{
	struct xfed_buf in;
	json_error_t where;
	xfed_buf_init(&in, XFED_CONTROL_REQUEST_BYTES);
	json_t *answer, *request = NULL;
	if (read_line(fd, &in) == XFED_OK) {
		struct xfed_span all = xfed_buf_span(&in);
		size_t len = (size_t)((const char *)memchr(all.data, '\n', all.len) - all.data);
		request = json_loadb(all.data, len, JSON_REJECT_DUPLICATES, &where);
		answer = request ? carry_out(w, request, peer) : refusal("bad-request", "a request is one line of JSON");
	} else {
		answer = refusal("bad-request", "no request came, or one that is too large");
	}
	send_answer(fd, answer);
	json_decref(answer);
	json_decref(request);
	xfed_buf_deinit(&in);
}

/* ---- the service ---- */

static bool may_ask(const struct writer *w, int fd, struct ucred *peer)
{
	socklen_t len = sizeof(*peer);
	bool is_known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &len) == 0;
	if (is_known && (peer->uid == 0 || peer->uid == geteuid() || peer->uid == w->gateway)) {
		return true;
	}
	rt_log(RT_LOG_WARNING, "writer.refused", RT_KV_U64("uid", is_known ? peer->uid : 0), RT_KV_I64("pid", is_known ? peer->pid : 0),
		RT_KV_STR("why", "not the gateway's user"), RT_END);
	return false;
}

static void reap(struct writer *w)
{
	while (w->children > 0 && waitpid(-1, NULL, w->children >= XFED_WRITER_CHILDREN ? 0 : WNOHANG) > 0) {
		w->children--;
	}
}

/* A process for each: what a request leaves behind, or breaks, is over with it. */
static void take(struct writer *w, int fd)
{
	struct ucred peer;
	if (!may_ask(w, fd, &peer)) {
		return;
	}
	rt_log_flush(true);
	pid_t child = fork();
	if (child == 0) {
		close(w->fd);
		serve(w, fd, &peer);
		rt_log_flush(true);
		_exit(CTL_FINE);
	}
	if (child < 0) {
		send_answer(fd, refusal("failed", strerror(errno)));
	}
	w->children += child > 0;
}

static enum ctl_exit run(struct writer *w)
{
	rt_log(RT_LOG_INFO, "writer.ready", RT_KV_STR("config", w->config_path), RT_KV_STR("socket", w->path), RT_END);
	for (;;) {
		rt_log_flush(true);
		reap(w);
		int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && errno != EINTR && errno != ECONNABORTED) {
			return ctl_refuse(w->options, strerror(errno));
		}
		if (fd >= 0) {
			take(w, fd);
			close(fd);
		}
	}
}

/* For the gateway's user alone; whoever connects all the same is judged by his credentials. */
static enum ctl_exit open_socket(struct writer *w)
{
	char error[256];
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	if (rt_control_clear(w->path, error) != XFED_OK) {
		return ctl_refuse(w->options, error);
	}
	memcpy(addr.sun_path, w->path, strlen(w->path) + 1);
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t old = umask(0177);
	bool is_open = w->fd >= 0 && bind(w->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
	umask(old);
	is_open = is_open && (geteuid() != 0 || w->gateway == (uid_t)-1 || chown(w->path, w->gateway, (gid_t)-1) == 0);
	if (!is_open || listen(w->fd, 16) != 0) {
		snprintf(error, sizeof(error), "cannot listen on %.110s: %.100s", w->path, strerror(errno));
		return ctl_refuse(w->options, error);
	}
	return CTL_FINE;
}

static enum ctl_exit read_paths(struct writer *w)
{
	char text[512] = "out of memory";
	struct config *config = NULL;
	struct rt_conf_errors *errors = calloc(1, sizeof(*errors));
	if (!errors) {
		return ctl_refuse(w->options, text);
	}
	rt_conf_errors_init(errors);
	int rc = config_load(w->config_path, errors, &config);
	if (rc != XFED_OK) {
		snprintf(text, sizeof(text), "%.200s:%u: %.250s", w->config_path, errors->items[0].line,
			errors->count > 0 ? errors->items[0].text : "cannot be loaded");
	} else if (config_writer_path(config, w->path) != XFED_OK) {
		snprintf(text, sizeof(text), "control_socket of %.200s is too long for a writer's socket beside it", w->config_path);
		rc = XFED_ERR_INVALID;
	} else {
		snprintf(w->control, sizeof(w->control), "%s", config->base.control_socket);
	}
	if (config) {
		config->base.doc.errors = NULL;
	}
	config_free(config);
	rt_conf_errors_deinit(errors);
	free(errors);
	return rc == XFED_OK ? CTL_FINE : ctl_refuse(w->options, text);
}

enum ctl_exit ctl_do_panel_writer(const json_t *args, const struct ctl_options *options)
{
	const char *config = json_string_value(json_object_get(args, "config")), *user = json_string_value(json_object_get(args, "user"));
	const struct passwd *p = getpwnam(user ? user : USER);
	struct writer w = { .options = options, .config_path = config ? config : CONFIG, .gateway = p ? p->pw_uid : (uid_t)-1, .fd = -1 };
	if (user && !p) {
		return ctl_refuse(options, "there is no such user");
	}
	rt_log_init("xfed-panel-writer");
	signal(SIGPIPE, SIG_IGN);
	enum ctl_exit rc = read_paths(&w);
	rc = rc == CTL_FINE ? open_socket(&w) : rc;
	rc = rc == CTL_FINE ? run(&w) : rc;
	if (w.fd >= 0) {
		close(w.fd);
	}
	return rc;
}
