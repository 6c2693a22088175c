#include "s2s/driver.h"

#include "s2s/s2s_impl.h"

#define LINGER_MS 3000

static const struct rt_stream_handlers handlers;
static void drive(struct driver *d, struct xfed_s2s_event *ev);

static uint64_t now_ms(const struct driver *d)
{
	return core_now(d->s2s->core);
}

/* Where a handshake job is running, the driver is released when the job has ended. */
static void release(struct driver *d)
{
	if (d->machine && xfed_s2s_has_job(d->machine)) {
		return;
	}
	xfed_s2s_free(d->machine);
	rt_timer_close(&d->timer);
	rt_post_cancel(&d->go_on);
	d->s2s->freed++;
	d->user->gone(d);
}

/* ---- handshakes ---- */

static void run_job(void *arg)
{
	struct driver *d = arg;
	uint64_t before = rt_job_cpu_us();
	d->job_result = xfed_tls_handshake_step(d->job_tls);
	d->job_cpu_us += rt_job_cpu_us() - before;
}

static void run_nothing(void *arg)
{
}

static void job_done(void *arg)
{
	struct driver *d = arg;
	struct xfed_s2s_event ev = { .type = XFED_S2S_JOB_DONE, .tls_result = d->job_result };
	d->job_tls = NULL;
	if (d->user->shook_hands) {
		d->user->shook_hands(d);
	}
	if (d->job_result == XFED_TLS_DONE) {
		d->job_started_ms = 0;
	}
	drive(d, &ev);
}

static void start_job(struct driver *d, struct xfed_tls *tls)
{
	bool is_first = d->job_started_ms == 0;
	d->job_tls = tls;
	if (is_first) {
		d->job_started_ms = now_ms(d);
	}
	d->job_result = XFED_TLS_WANT_INPUT;
	/* A handshake that was refused runs nothing: the machine is closed next, and the job's return releases the TLS session. */
	bool may_run = !is_first || !d->user->may_shake_hands || d->user->may_shake_hands(d);
	rt_job_start(&d->job, d->s2s->core->d.loop, may_run ? run_job : run_nothing, job_done, d);
}

/* ---- steps ---- */

/* Sends what the machine has still written, and closes the socket. */
static void on_closed(struct driver *d, const struct xfed_s2s_action *act)
{
	d->is_closed = true;
	d->bytes_received = rt_stream_bytes_acked(d->stream);
	if (act->is_abrupt) {
		rt_stream_close(d->stream);
	} else {
		rt_stream_kick(d->stream);
		rt_stream_linger(d->stream, LINGER_MS);
	}
	d->stream = NULL;
	rt_timer_set(&d->timer, 0);
	d->user->closed(d, act);
}

static void drain(struct driver *d)
{
	struct xfed_s2s_action act;
	while (xfed_s2s_next(d->machine, &act)) {
		if (act.type == XFED_S2S_JOB) {
			start_job(d, act.tls);
		} else if (act.type == XFED_S2S_CLOSED) {
			on_closed(d, &act);
		} else {
			d->user->perform(d, &act);
		}
	}
}

static bool next_answer(struct driver *d, struct xfed_s2s_event *ev)
{
	if (d->is_closed) {
		return false;
	}
	if (d->close_reason != XFED_REASON_NONE) {
		*ev = (struct xfed_s2s_event){ .type = XFED_S2S_CLOSE, .reason = d->close_reason, .text = d->close_text };
		d->close_reason = XFED_REASON_NONE;
		return true;
	}
	return d->user->answer && d->user->answer(d, ev);
}

static void one_step(struct driver *d, struct xfed_s2s_event *ev)
{
	d->is_driving = true;
	xfed_s2s_step(d->machine, ev, now_ms(d));
	d->turn_elements += ev->took_element;
	d->is_yielding = d->turn_elements >= XFED_S2S_TURN_ELEMENTS;
	drain(d);
	if (d->user->stepped) {
		d->user->stepped(d);
	}
	struct xfed_s2s_event answer;
	while (next_answer(d, &answer)) {
		xfed_s2s_step(d->machine, &answer, now_ms(d));
		drain(d);
	}
	d->is_driving = false;
}

static bool may_read_on(const struct driver *d)
{
	return !d->is_closed && !d->is_paused && !d->is_yielding;
}

static void pump(struct driver *d)
{
	struct xfed_s2s_event ev = { .type = XFED_S2S_PUMP };
	while (may_read_on(d) && xfed_s2s_has_pending(d->machine)) {
		one_step(d, &ev);
	}
}

static void settle_down(struct driver *d)
{
	if (d->is_closed) {
		release(d);
		return;
	}
	rt_stream_kick(d->stream);
	if (d->is_paused || d->is_yielding) {
		rt_stream_pause(d->stream);
	}
	if (d->is_yielding) {
		rt_post_schedule(&d->go_on);
	}
	uint64_t when = xfed_s2s_deadline(d->machine);
	rt_timer_set(&d->timer, d->wake_ms && d->wake_ms < when ? d->wake_ms : when);
}

/* Feeds one event, performs what follows from it, and sets the timer. `d` may no longer exist afterwards. */
static void drive(struct driver *d, struct xfed_s2s_event *ev)
{
	bool was_job = ev->type == XFED_S2S_JOB_DONE;
	one_step(d, ev);
	pump(d);
	if (was_job && !d->is_closed) {
		rt_stream_resume(d->stream);
	}
	settle_down(d);
}

/* ---- callbacks of the loop ---- */

static size_t on_bytes(void *user, struct xfed_span in)
{
	struct driver *d = user;
	size_t taken = 0;
	while (taken < in.len && may_read_on(d) && !xfed_s2s_has_job(d->machine)) {
		struct xfed_s2s_event ev = { .type = XFED_S2S_BYTES, .bytes = xfed_span_make(in.data + taken, in.len - taken) };
		one_step(d, &ev);
		pump(d);
		taken += ev.consumed;
		if (ev.consumed == 0) {
			break;
		}
	}
	settle_down(d);
	return taken;
}

static void on_error(void *user, enum xfed_reason reason)
{
	struct xfed_s2s_event ev = { .type = XFED_S2S_END, .reason = reason };
	drive(user, &ev);
}

static void on_eof(void *user)
{
	on_error(user, XFED_REASON_NONE);
}

static void on_timer(void *user)
{
	struct driver *d = user;
	if (d->is_closed || !d->machine) {
		return;
	}
	if (d->wake_ms && now_ms(d) >= d->wake_ms) {
		d->user->woke(d);
		return;
	}
	if (d->is_paused) {
		xfed_s2s_unread(d->machine, now_ms(d));
	}
	struct xfed_s2s_event ev = { .type = XFED_S2S_TICK };
	bool was_asleep = xfed_s2s_is_asleep(d->machine);
	one_step(d, &ev);
	d->s2s->freed += !was_asleep && xfed_s2s_is_asleep(d->machine);
	pump(d);
	settle_down(d);
}

static void on_connect(void *user, enum xfed_reason reason)
{
	struct driver *d = user;
	d->user->connected(d, reason);
}

static const struct rt_stream_handlers handlers = { .on_connect = on_connect, .on_bytes = on_bytes, .on_eof = on_eof, .on_error = on_error };

/* Reads on: first what the machine still holds, whether or not there is new input, then the socket. */
static void read_on(struct driver *d)
{
	if (may_read_on(d)) {
		rt_stream_resume(d->stream);
		pump(d);
		settle_down(d);
	}
}

/* Called after the other streams have had their part of the loop's turn. */
static void on_go_on(void *arg)
{
	struct driver *d = arg;
	d->is_yielding = false;
	d->turn_elements = 0;
	read_on(d);
}

/* ---- start ---- */

int driver_init(struct driver *d, struct s2s *s, const struct driver_user *user)
{
	d->s2s = s;
	d->user = user;
	rt_post_init(&d->go_on, s->core->d.loop, on_go_on, d);
	return rt_timer_init(&d->timer, s->core->d.loop, on_timer, d);
}

int driver_connect(struct driver *d, const struct rt_addr *to)
{
	const struct s2s *s = d->s2s;
	struct rt_addr source;
	return rt_stream_connect(s->core->d.loop, to, s2s_source_for(s, to, &source), s->config->limits.connect_timeout_ms, &handlers, d,
		XFED_S2S_OUTPUT_BYTES, &d->stream);
}

void driver_adopt(struct driver *d, struct rt_stream *stream)
{
	d->stream = stream;
	rt_stream_start(stream, &handlers, d, XFED_S2S_OUTPUT_BYTES);
}

int driver_make(struct driver *d, struct xfed_s2s_config *cfg)
{
	cfg->env = &d->s2s->core->d.env;
	cfg->out = rt_stream_out(d->stream);
	return xfed_s2s_new(cfg, &d->machine);
}

void driver_start(struct driver *d)
{
	struct xfed_s2s_event ev = { .type = XFED_S2S_START };
	rt_stream_keepalive(d->stream, 120);
	drive(d, &ev);
}

/* ---- calls of the owner ---- */

void driver_event(struct driver *d, struct xfed_s2s_event *ev)
{
	if (!d->is_closed && d->machine) {
		XFED_REQUIRE(!d->is_driving);
		drive(d, ev);
	}
}

void driver_close(struct driver *d, enum xfed_reason reason, const char *text)
{
	if (d->is_driving) {
		d->close_reason = reason;
		d->close_text = text;
		return;
	}
	struct xfed_s2s_event ev = { .type = XFED_S2S_CLOSE, .reason = reason, .text = text };
	driver_event(d, &ev);
}

/* Writing outside of a step may have found a fault, which ends the stream. */
static void after_write(struct driver *d)
{
	if (!d->is_driving) {
		drain(d);
		settle_down(d);
	}
}

int driver_write(struct driver *d, struct xfed_span stanza)
{
	if (d->is_closed || !d->machine) {
		return XFED_ERR_STATE;
	}
	int rc = xfed_s2s_send(d->machine, stanza, now_ms(d));
	after_write(d);
	return rc;
}

void driver_cover(struct driver *d, uint64_t number)
{
	if (!d->is_closed && d->machine && xfed_s2s_cover(d->machine, number, now_ms(d))) {
		after_write(d);
	}
}

void driver_resume(struct driver *d)
{
	if (!d->is_paused || d->is_closed) {
		return;
	}
	d->is_paused = false;
	d->wake_ms = 0;
	xfed_s2s_unread(d->machine, now_ms(d));
	if (!d->is_driving) {
		read_on(d);
	} else if (!d->is_yielding) {
		rt_stream_resume(d->stream);
	}
}

uint64_t driver_bytes_out(const struct driver *d)
{
	return d->stream ? rt_stream_bytes_out(d->stream) + rt_stream_out_len(d->stream) : 0;
}

uint64_t driver_bytes_received(const struct driver *d)
{
	return d->stream ? rt_stream_bytes_acked(d->stream) : d->bytes_received;
}

/* ---- end ---- */

void driver_abandon(struct driver *d)
{
	d->is_closed = true;
	rt_stream_close(d->stream);
	d->stream = NULL;
	release(d);
}

/* A handshake job may return after the socket has gone, and its output buffer with it: the machine must write nothing then. */
static void end_machine(struct driver *d)
{
	struct xfed_s2s_event ev = { .type = XFED_S2S_CLOSE, .reason = XFED_REASON_STREAM_CLOSED_DRAIN };
	struct xfed_s2s_action act;
	if (d->machine && xfed_s2s_has_job(d->machine)) {
		xfed_s2s_step(d->machine, &ev, now_ms(d));
		while (xfed_s2s_next(d->machine, &act)) {
		}
	}
}

void driver_stop(struct driver *d)
{
	if (!d->is_closed) {
		end_machine(d);
	}
	rt_timer_close(&d->timer);
	driver_abandon(d);
}
