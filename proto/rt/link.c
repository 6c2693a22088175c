#include "proto/rt/link.h"

#include <time.h>

#include <stdio.h>
#include <utlist.h>

#include "xfed/mem.h"
#include "xfed/rt/job.h"
#include "xfed/rt/log.h"

#define LINK_BUFFER_BYTES (PROTO_OUTPUT_BYTES + 1024 * 1024)
#define LINGER_MS	  2000

struct proto_links {
	struct rt_daemon *d;
	struct proto_exchange *exchange;
	const struct proto_link_user *user;
	struct rt_timer pump;
	struct proto_link *list;
};

struct proto_link {
	struct proto_link *prev, *next;
	struct proto_links *links; /* NULL: they were freed, and this link is freed when its job has ended */
	void *owner;
	struct rt_stream *stream;      /* NULL: closed */
	struct proto_session *session; /* NULL: TCP is being connected */
	struct proto_exchange_link *x; /* while it is up */
	struct rt_timer timer;
	struct rt_post release;
	bool is_driving; /* actions of the session are being performed */
	struct rt_job job;
};

static void drain(struct proto_link *l);

static uint64_t now_ms(const struct proto_links *ls)
{
	return rt_daemon_now_ms(ls->d);
}

/* ---- the end ---- */

static void link_free(struct proto_link *l)
{
	proto_session_free(l->session);
	xfed_free(l);
}

/* Runs later, when no function of the link is on the stack any more. */
static void on_release(void *arg)
{
	struct proto_link *l = arg;
	DL_DELETE(l->links->list, l);
	link_free(l); /* no job is running: a session goes down only when its job has ended */
}

/* Moves the session's output to the stream, which writes at the end of the turn. */
static void move_output(struct proto_link *l)
{
	struct xfed_buf *from = proto_session_output(l->session), *to = rt_stream_out(l->stream);
	size_t len = xfed_buf_len(from), queued = rt_stream_out_len(l->stream);
	size_t room = to->cap_bytes > queued ? to->cap_bytes - queued : 0;
	len = len < room ? len : room;
	if (len > 0 && xfed_buf_append(to, xfed_span_make(xfed_buf_span(from).data, len)) == XFED_OK) {
		xfed_buf_consume(from, len);
		rt_stream_kick(l->stream);
	}
}

static void over(struct proto_link *l, bool was_up, enum xfed_reason reason, const char *text)
{
	struct proto_links *ls = l->links;
	rt_timer_close(&l->timer);
	rt_post_schedule(&l->release);
	ls->user->down(l->owner, was_up, reason, text);
	rt_daemon_flush_soon(ls->d);
}

static void go_down(struct proto_link *l, enum xfed_reason reason, const char *text)
{
	struct proto_links *ls = l->links;
	struct proto_exchange_link *x = l->x;
	move_output(l);
	rt_stream_linger(l->stream, LINGER_MS);
	l->stream = NULL;
	l->x = NULL;
	if (x) {
		proto_exchange_down(ls->exchange, x, now_ms(ls));
	}
	over(l, x != NULL, reason, text);
}

/* ---- the session's driver ---- */

static void step(struct proto_link *l, struct proto_event *ev)
{
	proto_session_step(l->session, ev, now_ms(l->links));
	rt_daemon_flush_soon(l->links->d); /* for a Pong, our Hello, and other frames of the session's own */
}

static void close_session(struct proto_link *l, enum xfed_reason reason, const char *text)
{
	step(l, &(struct proto_event){ .type = PROTO_EV_CLOSE, .reason = reason, .text = text });
}

static void go_up(struct proto_link *l)
{
	struct proto_links *ls = l->links;
	const char *problem = ls->user->judge(l->owner, proto_session_peer(l->session));
	if (problem) {
		close_session(l, XFED_REASON_CHANNEL_PEER_UNTRUSTED, problem);
		return;
	}
	int rc = proto_exchange_up(ls->exchange, l->session, now_ms(ls), &l->x);
	if (rc == XFED_OK) {
		ls->user->up(l->owner);
	} else if (rc == XFED_ERR_LIMIT) {
		close_session(l, XFED_REASON_CHANNEL_PEERS_EXCEEDED, "too many peers");
	} else {
		close_session(l, XFED_REASON_STREAM_INTERNAL, "out of memory");
	}
}

static void take_message(struct proto_link *l, const Xfed__Frame *f, size_t frame_bytes)
{
	if (l->x && !proto_exchange_take(l->links->exchange, l->x, f, frame_bytes, now_ms(l->links))) {
		l->links->user->message(l->owner, f);
	}
}

static void run_job(void *arg)
{
	proto_session_job_run(((struct proto_link *)arg)->session);
}

static void job_done(void *arg)
{
	struct proto_link *l = arg;
	if (!l->links) {
		proto_session_step(l->session, &(struct proto_event){ .type = PROTO_EV_JOB_DONE }, 0);
		link_free(l);
		return;
	}
	step(l, &(struct proto_event){ .type = PROTO_EV_JOB_DONE });
	if (l->stream) {
		rt_stream_resume(l->stream);
	}
	drain(l);
}

static void perform(struct proto_link *l, const struct proto_action *act)
{
	switch (act->type) {
	case PROTO_ACT_JOB:
		rt_job_start(&l->job, l->links->d->loop, run_job, job_done, l);
		break;
	case PROTO_ACT_UP:
		go_up(l);
		break;
	case PROTO_ACT_MESSAGE:
		take_message(l, act->frame, act->frame_bytes);
		break;
	case PROTO_ACT_CREDIT:
		if (l->x) {
			proto_exchange_credit(l->links->exchange, l->x);
		}
		break;
	case PROTO_ACT_DOWN:
		go_down(l, act->reason, act->text);
		break;
	}
}

static void drain(struct proto_link *l)
{
	struct proto_action act;
	if (l->is_driving) {
		return; /* an outer call is already driving it, and goes on */
	}
	l->is_driving = true;
	while (l->stream && proto_session_next(l->session, &act)) {
		perform(l, &act);
	}
	l->is_driving = false;
	if (l->stream) {
		move_output(l);
		rt_timer_set(&l->timer, proto_session_deadline(l->session));
	}
}

static size_t on_bytes(void *user, struct xfed_span in)
{
	struct proto_link *l = user;
	struct proto_event ev = { .type = PROTO_EV_BYTES, .bytes = in };
	step(l, &ev);
	size_t consumed = ev.consumed;
	if (consumed < in.len && !rt_job_is_running(&l->job)) {
		rt_stream_resume(l->stream);
	}
	drain(l);
	return consumed;
}

static void on_gone(void *user)
{
	struct proto_link *l = user;
	step(l, &(struct proto_event){ .type = PROTO_EV_EOF });
	drain(l);
}

static void on_error(void *user, enum xfed_reason reason)
{
	(void)reason; /* the session has its own reason for that */
	on_gone(user);
}

static void on_drained(void *user)
{
	struct proto_link *l = user;
	move_output(l);
	rt_daemon_flush_soon(l->links->d);
}

static void on_timer(void *user)
{
	struct proto_link *l = user;
	step(l, &(struct proto_event){ .type = PROTO_EV_TICK });
	drain(l);
}

/* ---- the beginning ---- */

static uint64_t wall_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail on Linux */
	return t.tv_sec > 0 ? (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 : 0;
}

static int make_session(struct proto_link *l)
{
	struct proto_links *ls = l->links;
	struct proto_session_config cfg = { .env = &ls->d->env, .wall_ms = wall_ms };
	ls->user->configure(l->owner, &cfg);
	cfg.hello.boot_nonce = ls->d->boot_nonce;
	cfg.hello.lowest_unsettled = proto_outbox_lowest_unsettled(proto_exchange_outbox(ls->exchange));
	return proto_session_new(&cfg, now_ms(ls), &l->session);
}

static void on_connect(void *user, enum xfed_reason reason)
{
	struct proto_link *l = user;
	if (reason == XFED_REASON_NONE && make_session(l) != XFED_OK) {
		reason = XFED_REASON_STREAM_INTERNAL;
	}
	if (reason == XFED_REASON_NONE) {
		rt_stream_keepalive(l->stream, 60);
		drain(l);
		return;
	}
	char text[128];
	snprintf(text, sizeof(text), "%s", rt_stream_error_text(l->stream));
	rt_stream_close(l->stream);
	l->stream = NULL;
	over(l, false, reason, text);
}

static const struct rt_stream_handlers handlers = {
	.on_connect = on_connect, .on_bytes = on_bytes, .on_eof = on_gone, .on_error = on_error, .on_drained = on_drained
};

static struct proto_link *link_new(struct proto_links *ls, void *owner)
{
	struct proto_link *l = xfed_calloc(1, sizeof(*l));
	if (!l || rt_timer_init(&l->timer, ls->d->loop, on_timer, l) != XFED_OK) {
		xfed_free(l);
		return NULL;
	}
	l->links = ls;
	l->owner = owner;
	rt_post_init(&l->release, ls->d->loop, on_release, l);
	return l;
}

int proto_link_dial(struct proto_links *ls, const struct rt_addr *to, void *owner, struct proto_link **out)
{
	struct proto_link *l = link_new(ls, owner);
	*out = NULL;
	if (!l) {
		return XFED_ERR_NOMEM;
	}
	int rc = rt_stream_connect(ls->d->loop, to, NULL, XFED_CONNECT_TIMEOUT_MS, &handlers, l, LINK_BUFFER_BYTES, &l->stream);
	if (rc != XFED_OK) {
		rt_timer_close(&l->timer);
		xfed_free(l);
		return rc;
	}
	DL_APPEND(ls->list, l);
	*out = l;
	return XFED_OK;
}

int proto_link_accept(struct proto_links *ls, struct rt_stream *s, void *owner, struct proto_link **out)
{
	struct proto_link *l = link_new(ls, owner);
	int rc = l ? make_session(l) : XFED_ERR_NOMEM;
	*out = NULL;
	if (rc != XFED_OK) {
		rt_stream_close(s);
		if (l) {
			rt_timer_close(&l->timer);
			xfed_free(l);
		}
		return rc;
	}
	DL_APPEND(ls->list, l);
	l->stream = s;
	*out = l;
	rt_stream_start(s, &handlers, l, LINK_BUFFER_BYTES);
	rt_timer_set(&l->timer, proto_session_deadline(l->session));
	return XFED_OK;
}

void proto_link_close(struct proto_link *l, enum xfed_reason reason, const char *text)
{
	if (l->session) {
		close_session(l, reason, text);
		drain(l);
	}
}

/* ---- all links ---- */

static void on_pump(void *user)
{
	rt_daemon_flush_soon(((struct proto_links *)user)->d);
}

int proto_links_new(struct rt_daemon *d, struct proto_exchange *x, const struct proto_link_user *user, struct proto_links **out)
{
	struct proto_links *ls = xfed_calloc(1, sizeof(*ls));
	*out = ls;
	if (!ls) {
		return XFED_ERR_NOMEM;
	}
	*ls = (struct proto_links){ .d = d, .exchange = x, .user = user };
	return rt_timer_init(&ls->pump, d->loop, on_pump, ls);
}

void proto_links_free(struct proto_links *ls)
{
	struct proto_link *l, *next;
	if (!ls) {
		return;
	}
	DL_FOREACH_SAFE(ls->list, l, next) {
		rt_stream_close(l->stream);
		l->stream = NULL;
		rt_timer_close(&l->timer);
		rt_post_cancel(&l->release);
		l->links = NULL;
		if (!rt_job_is_running(&l->job)) {
			link_free(l);
		}
	}
	rt_timer_close(&ls->pump);
	xfed_free(ls);
}

void proto_links_pump(struct proto_links *ls)
{
	if (!ls) {
		return; /* the process is ending */
	}
	uint64_t now = now_ms(ls), again = proto_exchange_pump(ls->exchange, now);
	if (again <= now) {
		rt_daemon_flush_soon(ls->d);
	}
	rt_timer_set(&ls->pump, again > now ? again : UINT64_MAX);
}

/* Messages of ours that broke the limits: a mistake of ours, which is logged whoever made it. */
static void report_refused(struct proto_link *l)
{
	const struct proto_peer *peer = proto_session_peer(l->session);
	struct proto_refused r = proto_session_refused(l->session);
	if (r.count > 0) {
		rt_log(RT_LOG_ERROR, "channel.message-invalid", RT_KV_STR("peer", peer ? peer->name : NULL),
			RT_KV_REASON(XFED_REASON_STREAM_INTERNAL), RT_KV_STR("message", proto_body_name(r.body)), RT_KV_STR("text", r.problem),
			RT_KV_U64("count", r.count), RT_END);
		rt_daemon_count_refusal(l->links->d, XFED_REASON_STREAM_INTERNAL, XFED_SIDE_US);
	}
}

void proto_links_flush(struct proto_links *ls)
{
	if (!ls) {
		return;
	}
	uint64_t lowest = proto_outbox_lowest_unsettled(proto_exchange_outbox(ls->exchange));
	struct proto_link *l;
	DL_FOREACH(ls->list, l) {
		if (!l->stream || !l->session || rt_job_is_running(&l->job)) {
			continue;
		}
		proto_session_set_lowest(l->session, lowest);
		proto_session_flush(l->session, now_ms(ls));
		report_refused(l);
		drain(l);
	}
}

/* ---- state ---- */

int proto_link_send(struct proto_link *l, const Xfed__Frame *f)
{
	return proto_session_send(l->session, f);
}

struct proto_session *proto_link_session(const struct proto_link *l)
{
	return l->session;
}

struct proto_exchange_link *proto_link_exchange(const struct proto_link *l)
{
	return l->x;
}

const struct rt_addr *proto_link_from(const struct proto_link *l)
{
	return rt_stream_peer(l->stream);
}

struct rt_source_hold *proto_link_place(struct proto_link *l)
{
	return rt_stream_place(l->stream);
}

bool proto_link_is_busy(const struct proto_link *l)
{
	return rt_job_is_running(&l->job);
}

int64_t proto_link_judge_again(struct proto_link *l, struct xfed_tls_creds *creds, const char *const *allow, size_t allow_count)
{
	int64_t due_s;
	const char *problem = proto_session_judge_again(l->session, creds, allow, allow_count, rt_daemon_wall_s(l->links->d), &due_s);
	if (problem) {
		proto_link_close(l, XFED_REASON_CHANNEL_PEER_UNTRUSTED, problem);
	}
	return due_s;
}
