#include "xfed/rt/control.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_internal.h"
#include "xfed/mem.h"
#include "xfed/rt/log.h"

#define SWEEP_MS   10000
#define GROUPS_MAX 256

/* ---- one client ---- */

static void handle_closed(struct rt_control *control)
{
	control->handles--;
	if (control->handles == 0) {
		xfed_free(control);
	}
}

static void on_client_closed(uv_handle_t *h)
{
	struct control_client *c = h->data;
	struct rt_control *control = c->control;
	xfed_buf_wipe(&c->in);
	free(c->out);
	xfed_free(c);
	handle_closed(control);
}

static void close_client(struct control_client *c)
{
	if (c->is_closing) {
		return;
	}
	c->is_closing = true;
	control_call_abandon(c);
	for (struct control_client **p = &c->control->clients; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	c->control->client_count--;
	c->control->reader_count -= c->role == RT_CONTROL_READER;
	uv_close((uv_handle_t *)&c->pipe, on_client_closed);
}

/* Takes the next whole line, unless a request is being answered. */
static void next_request(struct control_client *c)
{
	while (!c->is_closing && !c->call && !c->out) {
		struct xfed_span in = xfed_buf_span(&c->in);
		const char *end = in.len > 0 ? memchr(in.data, '\n', in.len) : NULL;
		if (!end) {
			if (c->is_eof) {
				close_client(c);
			}
			return;
		}
		size_t len = (size_t)(end - in.data);
		char *line = xfed_strndup(xfed_span_make(in.data, len));
		if (!line) {
			close_client(c);
			return;
		}
		xfed_buf_consume(&c->in, len + 1);
		control_call_start(c, xfed_span_make(line, len));
		xfed_wipe(line, len);
		xfed_free(line);
	}
}

static void on_written(uv_write_t *w, int status)
{
	struct control_client *c = w->data;
	free(c->out);
	c->out = NULL;
	if (status < 0) {
		close_client(c);
		return;
	}
	c->last_ms = uv_now(c->pipe.loop);
	next_request(c);
}

void control_client_answer(struct control_client *c, char *text)
{
	static char newline[] = "\n";
	if (c->is_closing || !text) {
		free(text);
		close_client(c);
		return;
	}
	uv_buf_t bufs[2] = { uv_buf_init(text, (unsigned)strlen(text)), uv_buf_init(newline, 1) };
	c->out = text;
	c->write.data = c;
	if (uv_write(&c->write, (uv_stream_t *)&c->pipe, bufs, 2, on_written) != 0) {
		close_client(c);
	}
}

struct part_write {
	uv_write_t write; /* first */
	char *text;
};

static void on_part_written(uv_write_t *w, int status)
{
	struct part_write *p = (struct part_write *)w;
	free(p->text);
	xfed_free(p);
}

/* One that cannot be written is in the answer all the same. */
void control_client_part(struct control_client *c, char *text)
{
	static char newline[] = "\n";
	struct part_write *p = text && !c->is_closing ? xfed_malloc(sizeof(*p)) : NULL;
	if (!p) {
		free(text);
		return;
	}
	uv_buf_t bufs[2] = { uv_buf_init(text, (unsigned)strlen(text)), uv_buf_init(newline, 1) };
	p->text = text;
	if (uv_write(&p->write, (uv_stream_t *)&c->pipe, bufs, 2, on_part_written) != 0) {
		on_part_written(&p->write, 0);
	}
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct control_client *c = h->data;
	*buf = uv_buf_init(c->control->read_mem, sizeof(c->control->read_mem));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct control_client *c = s->data;
	if (n < 0) {
		/* a client may close its writing side and still wait for the answer */
		c->is_eof = true;
		uv_read_stop(s);
		if (n != UV_EOF) {
			close_client(c);
		}
	} else if (xfed_buf_append(&c->in, xfed_span_make(buf->base, (size_t)n)) != XFED_OK) {
		rt_log(RT_LOG_WARNING, "control.closed", RT_KV_U64("uid", c->peer.uid), RT_KV_STR("why", "request too large"), RT_END);
		close_client(c);
	}
	c->last_ms = uv_now(c->pipe.loop);
	next_request(c);
}

/* ---- rights of a client ---- */

static enum rt_control_role role_of(const struct rt_control *control, int fd, struct control_peer *peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	gid_t groups[GROUPS_MAX + 1];
	socklen_t groups_len = GROUPS_MAX * sizeof(groups[0]);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
		return RT_CONTROL_NOBODY;
	}
	/* The groups at the time of connecting; if the kernel cannot tell, or there are too many, only the primary one. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_len) != 0) {
		groups_len = 0;
	}
	size_t count = groups_len / sizeof(groups[0]);
	groups[count] = cred.gid;
	*peer = (struct control_peer){ .uid = cred.uid, .gid = cred.gid, .pid = cred.pid };
	return rt_control_role_of(cred.uid, groups, count + 1, geteuid(), control->admin_group, control->read_group);
}

static const char *why_refused(const struct rt_control *control, const struct control_client *c, enum rt_control_role role)
{
	if (role == RT_CONTROL_NOBODY) {
		return "not root, xfed-admin or xfed-read";
	}
	if (role == RT_CONTROL_READER && control->reader_count >= XFED_CONTROL_READERS) {
		return "too many clients that may only look";
	}
	return control->client_count > XFED_CONTROL_CLIENTS ? "too many clients" : NULL;
}

/* Makes room: closes the client with the right to look only that has been idle for longest, unless it was active a moment ago. */
static void make_room(struct rt_control *control, uint64_t now_ms)
{
	struct control_client *oldest = NULL;
	for (struct control_client *c = control->clients; c; c = c->next) {
		bool can_go = c->role == RT_CONTROL_READER && !c->call && !c->out && now_ms - c->last_ms >= XFED_CONTROL_READER_IDLE_MS;
		if (can_go && (!oldest || c->last_ms < oldest->last_ms)) {
			oldest = c;
		}
	}
	if (oldest) {
		close_client(oldest);
	}
}

/* Writes what fits into the socket, which is empty after connecting. */
static void say_no_place(struct control_client *c, const char *why)
{
	char line[160];
	int len = snprintf(line, sizeof(line), "{\"ok\":false,\"error\":{\"code\":\"busy\",\"text\":\"%s: try again in %d s\"}}\n", why,
		XFED_CONTROL_READER_IDLE_MS / 1000);
	uv_buf_t buf = uv_buf_init(line, (unsigned)len);
	(void)uv_try_write((uv_stream_t *)&c->pipe, &buf, 1); /* the refusal is also in the log */
}

static void accept_client(struct rt_control *control, struct control_client *c)
{
	uv_os_fd_t fd;
	enum rt_control_role role = RT_CONTROL_NOBODY;
	if (uv_accept((uv_stream_t *)&control->listener, (uv_stream_t *)&c->pipe) != 0) {
		close_client(c);
		return;
	}
	if (uv_fileno((uv_handle_t *)&c->pipe, &fd) == 0) {
		role = role_of(control, fd, &c->peer);
	}
	if (role == RT_CONTROL_READER && control->reader_count >= XFED_CONTROL_READERS) {
		make_room(control, uv_now(c->pipe.loop));
	}
	const char *why = why_refused(control, c, role);
	if (!why) {
		c->role = role;
		control->reader_count += role == RT_CONTROL_READER;
	}
	if (why) {
		if (role != RT_CONTROL_NOBODY) { /* clients with some right are told why; others get no answer */
			say_no_place(c, why);
		}
		rt_log(RT_LOG_WARNING, "control.refused", RT_KV_U64("uid", c->peer.uid), RT_KV_I64("pid", c->peer.pid), RT_KV_STR("why", why),
			RT_END);
		close_client(c);
	} else if (uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0) {
		close_client(c);
	}
}

static void on_connection(uv_stream_t *s, int status)
{
	struct rt_control *control = s->data;
	struct control_client *c = status == 0 ? xfed_calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		return;
	}
	c->control = control;
	c->last_ms = uv_now(s->loop);
	xfed_buf_init(&c->in, XFED_CONTROL_REQUEST_BYTES);
	uv_pipe_init(s->loop, &c->pipe, 0);
	c->pipe.data = c;
	c->next = control->clients;
	control->clients = c;
	control->client_count++;
	control->handles++;
	accept_client(control, c);
}

/* Closes a client that has sent nothing, or not read, for RT_CONTROL_IDLE_MS. */
static void on_sweep(uv_timer_t *t)
{
	struct rt_control *control = t->data;
	struct control_client *next;
	for (struct control_client *c = control->clients; c; c = next) {
		next = c->next;
		if (!c->call && uv_now(t->loop) - c->last_ms > RT_CONTROL_IDLE_MS) {
			close_client(c);
		}
	}
}

/* ---- the socket ---- */

int rt_control_clear(const char *path, char error[256])
{
	struct stat st;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(addr.sun_path)) {
		snprintf(error, 256, "the path of the socket is longer than %zu bytes", sizeof(addr.sun_path) - 1);
		return XFED_ERR_INVALID;
	}
	if (lstat(path, &st) != 0) {
		return XFED_OK;
	}
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(error, 256, "%s exists and is not a socket", path);
		return XFED_ERR_INVALID;
	}
	memcpy(addr.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is_alive = fd >= 0 && (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EAGAIN);
	if (fd >= 0) {
		close(fd);
	}
	if (is_alive) {
		snprintf(error, 256, "another instance answers on %s", path);
		return XFED_ERR_INVALID;
	}
	unlink(path);
	return XFED_OK;
}

static gid_t group_id(const char *name)
{
	const struct group *g = getgrnam(name);
	return g ? g->gr_gid : (gid_t)-1;
}

static int access_of_directory(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');
	if (!slash || slash == path) {
		return 0;
	}
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	return access(dir, F_OK) == 0 ? 0 : errno;
}

static int listen_on(struct rt_control *control, const char *path, char error[256])
{
	int rc = uv_pipe_bind(&control->listener, path);
	if (rc == 0) {
		/* Anyone may connect: rights depend on the credentials. */
		rc = chmod(path, 0666) == 0 ? uv_listen((uv_stream_t *)&control->listener, 16, on_connection) : uv_translate_sys_error(errno);
	}
	if (rc != 0) {
		/* libuv reports "permission denied" for a directory that does not exist. */
		const char *said = rc == UV_EACCES && access_of_directory(path) == ENOENT ? "its directory does not exist" : uv_strerror(rc);
		snprintf(error, 256, "cannot listen on %.120s: %s", path, said);
		return XFED_ERR_INVALID;
	}
	return XFED_OK;
}

static void on_own_closed(uv_handle_t *h)
{
	handle_closed(h->data);
}

int rt_control_new(
	struct uv_loop_s *uv, const char *path, const struct rt_command_table *commands, void *user, struct rt_control **out, char error[256])
{
	*out = NULL;
	int rc = rt_control_clear(path, error);
	if (rc != XFED_OK) {
		return rc;
	}
	struct rt_control *control = xfed_calloc(1, sizeof(*control));
	if (!control) {
		snprintf(error, 256, "out of memory");
		return XFED_ERR_NOMEM;
	}
	control->commands = commands;
	control->user = user;
	control->admin_group = group_id("xfed-admin");
	control->read_group = group_id("xfed-read");
	uv_pipe_init(uv, &control->listener, 0);
	uv_timer_init(uv, &control->sweep);
	control->listener.data = control->sweep.data = control;
	control->handles = 2;
	rc = listen_on(control, path, error);
	if (rc != XFED_OK) {
		rt_control_free(control);
		return rc;
	}
	uv_timer_start(&control->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	uv_unref((uv_handle_t *)&control->sweep);
	*out = control;
	return XFED_OK;
}

void rt_control_free(struct rt_control *control)
{
	if (!control) {
		return;
	}
	while (control->clients) {
		close_client(control->clients);
	}
	uv_close((uv_handle_t *)&control->listener, on_own_closed);
	uv_close((uv_handle_t *)&control->sweep, on_own_closed);
}
