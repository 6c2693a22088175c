#include "panel/web_impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/list.h"
#include "xfed/mem.h"

#define IDLE_S 15 /* a client that says nothing */
#define NICE   19
#define SPARE  16 /* beyond ours: at its own limit the library would leave all who come unanswered, whoever they are */

static const enum xfed_reason reasons[WEB_WHYS] = {
	[WEB_CONNECTIONS] = XFED_REASON_PANEL_CONNECTIONS_EXCEEDED,
	[WEB_SLOW] = XFED_REASON_PANEL_REQUEST_SLOW,
	[WEB_BUSY] = XFED_REASON_PANEL_BUSY,
	[WEB_HOST] = XFED_REASON_PANEL_HOST_UNKNOWN,
	[WEB_REQUEST] = XFED_REASON_PANEL_REQUEST_INVALID,
};

static uint64_t clock_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t); /* as the loop's */
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void web_refuse(struct web *w, enum web_why why, const struct rt_addr *from)
{
	pthread_mutex_lock(&w->lock);
	w->refused[why].reason = reasons[why];
	w->refused[why].count++;
	w->refused[why].from = *from;
	pthread_mutex_unlock(&w->lock);
}

/* ---- connections ---- */

/* Before anything is read or computed for it. */
static enum MHD_Result may_connect(void *user, const struct sockaddr *sa, socklen_t len)
{
	static _Thread_local bool is_low;
	struct web *w = user;
	struct rt_addr from;
	if (!is_low) {
		is_low = true;
		atomic_store(&w->is_denied, setpriority(PRIO_PROCESS, 0, NICE) != 0); /* of this thread alone */
	}
	rt_addr_make(&from, sa);
	rt_sources_give_back(&w->arriving); /* of one that libmicrohttpd could not take after all */
	if (rt_sources_take(&w->sources, &from, &w->arriving) == RT_SOURCE_OK) {
		return MHD_YES;
	}
	web_refuse(w, WEB_CONNECTIONS, &from);
	return MHD_NO;
}

static void connected(struct web *w, struct MHD_Connection *mhd, void **context)
{
	const union MHD_ConnectionInfo *sa = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *c = xfed_calloc(1, sizeof(*c));
	*context = c;
	if (!c || !sa || !fd) {
		xfed_free(c);
		*context = NULL; /* its first request is not answered */
		return;
	}
	rt_addr_make(&c->from, sa->client_addr);
	c->fd = fd->connect_fd;
	c->hold = w->arriving;
	w->arriving = (struct rt_source_hold){ 0 };
	c->until_ms = clock_ms() + XFED_PANEL_REQUEST_MS;
	pthread_mutex_lock(&w->lock);
	DL_APPEND(w->connections, c);
	w->connection_count++;
	pthread_mutex_unlock(&w->lock);
}

static void on_connection(void *user, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode what)
{
	struct web *w = user;
	struct connection *c = *context;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		connected(w, mhd, context);
	} else if (c) {
		pthread_mutex_lock(&w->lock);
		DL_DELETE(w->connections, c);
		w->connection_count--;
		pthread_mutex_unlock(&w->lock);
		rt_sources_give_back(&c->hold);
		xfed_free(c);
		*context = NULL;
	}
}

struct connection *web_connection(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info ? info->socket_context : NULL;
}

void web_deadline(struct connection *c, struct web *w, uint64_t ms)
{
	pthread_mutex_lock(&w->lock);
	c->until_ms = ms ? clock_ms() + ms : 0;
	pthread_mutex_unlock(&w->lock);
}

bool web_tells_denied(struct web *w)
{
	return atomic_exchange(&w->is_denied, false);
}

size_t web_connections(struct web *w)
{
	pthread_mutex_lock(&w->lock);
	size_t count = w->connection_count;
	pthread_mutex_unlock(&w->lock);
	return count;
}

/*
 * The library's own time-out starts again with every byte, so that one who sends a byte now and then would stay for good. A descriptor in the
 * list is open: it is closed only behind the notification that takes it out.
 */
static void end_slow(struct web *w, uint64_t now_ms)
{
	struct connection *c;
	DL_FOREACH(w->connections, c) {
		if (c->until_ms != 0 && c->until_ms <= now_ms) {
			shutdown(c->fd, SHUT_RDWR);
			c->until_ms = 0;
			w->refused[WEB_SLOW].reason = reasons[WEB_SLOW];
			w->refused[WEB_SLOW].count++;
			w->refused[WEB_SLOW].from = c->from;
		}
	}
}

void web_tick(struct web *w, uint64_t now_ms, void (*refused)(void *user, const struct web_refusal *r), void *user)
{
	struct web_refusal told[WEB_WHYS];
	pthread_mutex_lock(&w->lock);
	end_slow(w, now_ms);
	memcpy(told, w->refused, sizeof(told));
	memset(w->refused, 0, sizeof(w->refused));
	pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < WEB_WHYS; i++) {
		if (told[i].count > 0) {
			refused(user, &told[i]);
		}
	}
}

/* ---- the queue ---- */

void panel_call_free(struct panel_call *c)
{
	if (!c) {
		return;
	}
	for (size_t i = 0; i < PANEL_ASKS_MAX; i++) {
		json_decref(c->asks[i].args);
		json_decref(c->results[i]);
	}
	json_decref(c->sessions);
	if (c->memory) {
		xfed_wipe(c->memory, c->memory_bytes);
	}
	xfed_free(c->memory);
	xfed_wipe(c, sizeof(*c));
	xfed_free(c);
}

bool web_ask(struct exchange *x)
{
	struct web *w = x->web;
	pthread_mutex_lock(&w->lock);
	bool is_fine = !w->is_stopping && w->waiting_count < XFED_PANEL_CALLS;
	if (is_fine) {
		MHD_suspend_connection(x->mhd);
		x->state = EXCHANGE_WAITING;
		x->connection->until_ms = 0;
		x->call->exchange = x;
		DL_APPEND(w->waiting, x);
		w->waiting_count++;
		*w->queue_end = x->call;
		w->queue_end = &x->call->next;
		x->asked = x->call;
		x->call = NULL;
		w->posted(w->arg); /* under the lock: never once it is stopping */
	}
	pthread_mutex_unlock(&w->lock);
	return is_fine;
}

struct panel_call *web_take(struct web *w)
{
	pthread_mutex_lock(&w->lock);
	struct panel_call *c = w->queue;
	if (c) {
		w->queue = c->next;
		w->queue_end = w->queue ? w->queue_end : &w->queue;
		c->next = NULL;
	}
	pthread_mutex_unlock(&w->lock);
	return c;
}

/* Under the lock. */
static void resume(struct web *w, struct exchange *x, struct panel_call *c)
{
	DL_DELETE(w->waiting, x);
	w->waiting_count--;
	x->call = c;
	x->asked = NULL;
	x->state = c ? EXCHANGE_ANSWERED : EXCHANGE_DONE;
	MHD_resume_connection(x->mhd);
}

void web_answer(struct panel_call *c)
{
	struct exchange *x = c->exchange;
	if (!x) {
		panel_call_free(c);
		return;
	}
	struct web *w = x->web;
	pthread_mutex_lock(&w->lock);
	c->exchange = NULL;
	resume(w, x, c);
	pthread_mutex_unlock(&w->lock);
}

/* ---- its beginning and its end ---- */

static void ignore_log(void *user, const char *fmt, va_list ap)
{
	/* What the library says of single requests is nothing to be logged. */
}

/* Addresses in the path are taken apart and decoded by the pages. */
static size_t leave_escaped(void *user, struct MHD_Connection *mhd, char *text)
{
	return strlen(text);
}

static int start(struct web *w, const struct web_options *o, int fd)
{
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (w->has_tls ? MHD_USE_TLS : 0);
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)o->certificate },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)o->key },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
		{ o->client_ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, (void *)(uintptr_t)o->client_ca },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
	w->daemon = MHD_start_daemon(flags, 0, may_connect, w, exchange_step, w, MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)XFED_PANEL_CONNECTIONS + SPARE, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)XFED_PANEL_HEADER_BYTES, MHD_OPTION_NOTIFY_CONNECTION, on_connection, w,
		MHD_OPTION_NOTIFY_COMPLETED, exchange_end, w, MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, w, MHD_OPTION_UNESCAPE_CALLBACK,
		leave_escaped, NULL, MHD_OPTION_ARRAY, w->has_tls ? tls : none, MHD_OPTION_END);
	return w->daemon ? XFED_OK : XFED_ERR_LIBRARY;
}

static int copy_names(struct web *w, const struct rt_conf_strings *names)
{
	w->names.items = xfed_calloc(names->count + 1, sizeof(*w->names.items));
	for (size_t i = 0; w->names.items && i < names->count; i++) {
		w->names.items[i] = xfed_strdup(names->items[i]);
		if (!w->names.items[i]) {
			return XFED_ERR_NOMEM;
		}
		w->names.count++;
	}
	return w->names.items ? XFED_OK : XFED_ERR_NOMEM;
}

static void destroy(struct web *w)
{
	for (size_t i = 0; i < w->names.count; i++) {
		xfed_free((void *)(uintptr_t)w->names.items[i]);
	}
	xfed_free(w->names.items);
	rt_sources_give_back(&w->arriving);
	rt_sources_deinit(&w->sources);
	pthread_mutex_destroy(&w->lock);
	xfed_free(w);
}

int web_new(const struct web_options *o, void (*posted)(void *arg), void *arg, struct web **out, char error[256])
{
	struct web *w = *out = xfed_calloc(1, sizeof(*w));
	snprintf(error, 256, "out of memory");
	if (!w) {
		return XFED_ERR_NOMEM;
	}
	struct rt_source_limits limits = rt_source_slots(XFED_PANEL_CONNECTIONS, XFED_PANEL_ADDRESS_PERCENT, XFED_PANEL_NETWORK_PERCENT);
	w->posted = posted;
	w->arg = arg;
	w->queue_end = &w->queue;
	w->has_tls = o->certificate != NULL;
	w->has_client_ca = o->client_ca != NULL;
	snprintf(w->listen, sizeof(w->listen), "%s", o->listen);
	snprintf(w->gateway, sizeof(w->gateway), "%s", o->gateway);
	w->host_name[0] = '\0';
	gethostname(w->host_name, sizeof(w->host_name) - 1);
	w->hosts = (struct request_hosts){ w->listen, w->host_name[0] ? w->host_name : NULL, &w->names };
	pthread_mutex_init(&w->lock, NULL);
	rt_sources_init(&w->sources, &limits);
	int rc = copy_names(w, o->hosts);
	int fd = rc == XFED_OK ? fcntl(o->fd, F_DUPFD_CLOEXEC, 3) : -1;
	if (fd >= 0) {
		snprintf(error, 256, "libmicrohttpd cannot be started for panel.listen%s", w->has_tls ? " with panel.certificate and panel.key" : "");
		rc = start(w, o, fd);
	} else if (rc == XFED_OK) {
		snprintf(error, 256, "panel.listen: no descriptor is free");
		rc = XFED_ERR_LIBRARY;
	}
	if (rc != XFED_OK) {
		if (fd >= 0) {
			close(fd);
		}
		destroy(w);
		*out = NULL;
	}
	return rc;
}

static void stop(void *arg)
{
	struct web *w = arg;
	MHD_stop_daemon(w->daemon);
}

static void stopped(void *arg)
{
	destroy(arg);
}

void web_free(struct web *w, struct rt_loop *loop)
{
	if (!w) {
		return;
	}
	int fd = MHD_quiesce_daemon(w->daemon);
	if (fd >= 0) {
		close(fd);
	}
	pthread_mutex_lock(&w->lock);
	w->is_stopping = true;
	struct panel_call *queued = w->queue;
	w->queue = NULL;
	w->queue_end = &w->queue;
	while (w->waiting) {
		w->waiting->asked->exchange = NULL;
		resume(w, w->waiting, NULL);
	}
	pthread_mutex_unlock(&w->lock);
	while (queued) {
		struct panel_call *next = queued->next;
		panel_call_free(queued);
		queued = next;
	}
	rt_job_start(&w->job, loop, stop, stopped, w);
}
