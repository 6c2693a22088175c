#include "s2s/s2s_impl.h"

#include "xfed/mem.h"

#define LINGER_MS 3000

static const struct rt_stream_handlers in_handlers, out_handlers;
static void drive(struct s2s_conn *c, struct xfed_s2s_event *ev);
static void on_go_on(void *arg);

static struct s2s_conn *conn_new(struct s2s *s, enum xfed_s2s_direction direction)
{
	struct s2s_conn *c = xfed_calloc(1, sizeof(*c));
	if (!c) {
		return NULL;
	}
	c->s2s = s;
	c->id = ++s->next_conn;
	c->direction = direction;
	xfed_buf_init(&c->say, 16 * 1024);
	HASH_ADD(hh, s->conns, id, sizeof(c->id), c);
	if (!c->hh.tbl) {
		xfed_free(c);
		return NULL;
	}
	rt_post_init(&c->go_on, s->core->d.loop, on_go_on, c);
	c->charged_work = XFED_S2S_WORK_LOGIN;
	c->charged_job = XFED_S2S_WORK_TLS;
	s->conn_count++;
	s->incoming += direction == XFED_S2S_IN;
	return c;
}

struct s2s_conn *s2s_conn_find(struct s2s *s, uint64_t id)
{
	struct s2s_conn *c = NULL;
	HASH_FIND(hh, s->conns, &id, sizeof(id), c);
	return c;
}

/* Frees what a closed connection still holds; one whose job runs is freed when it comes back. */
static void conn_release(struct s2s_conn *c)
{
	if (c->machine && xfed_s2s_has_job(c->machine)) {
		return;
	}
	struct s2s *s = c->s2s;
	HASH_DELETE(hh, s->conns, c);
	xfed_s2s_free(c->machine);
	s->freed++;
	s2s_steps_free(&c->steps);
	xfed_buf_deinit(&c->say);
	rt_timer_close(&c->timer);
	rt_post_cancel(&c->go_on);
	xfed_free(c);
	s->user->ended(s->user_data);
}

static void leave_books(struct s2s_conn *c)
{
	c->s2s->conn_count--;
	c->s2s->incoming -= c->direction == XFED_S2S_IN;
	c->s2s->asking -= c->is_question;
	s2s_tally_drop(c);
	s2s_newest_drop(c);
}

/* The last action of the conductor: say what is left to say, tell everyone, go. */
static void on_closed(struct s2s_conn *c, const struct xfed_s2s_action *act)
{
	c->is_closed = true;
	s2s_report_closed(c, act);
	leave_books(c);
	if (act->is_abrupt) {
		rt_stream_close(c->stream);
	} else {
		rt_stream_kick(c->stream);
		rt_stream_linger(c->stream, LINGER_MS);
	}
	c->stream = NULL;
	rt_timer_set(&c->timer, 0);
	struct s2s_pair *p = c->pair;
	c->pair = NULL;
	if (p) {
		struct xfed_s2s_info info;
		xfed_s2s_info(c->machine, &info);
		struct pair_event ev = { .type = PAIR_LOST, .reason = act->reason, .side = act->side, .tried_external = info.tried_external };
		p->conn = NULL;
		p->ending = c;
		const char *suspicion = s2s_failure_suspicion(c->s2s, &info, act->reason);
		snprintf(p->text, sizeof(p->text), "%s", suspicion ? suspicion : act->text);
		s2s_steps_of_stream(&p->steps, core_now(c->s2s->core), &info, act->reason, act->text);
		s2s_pair_event(p, &ev);
		p->ending = NULL;
	}
}

static void run_job(void *arg)
{
	struct s2s_conn *c = arg;
	uint64_t before = rt_job_cpu_us();
	c->job_result = xfed_tls_handshake_step(c->job_tls);
	c->job_cpu_us += rt_job_cpu_us() - before;
}

static void run_nothing(void *arg)
{
	(void)arg;
}

static void job_done(void *arg)
{
	struct s2s_conn *c = arg;
	struct xfed_s2s_event ev = { .type = XFED_S2S_JOB_DONE, .tls_result = c->job_result };
	c->job_tls = NULL;
	s2s_work_job(c);
	if (c->job_result == XFED_TLS_DONE) {
		double seconds = (double)(core_now(c->s2s->core) - c->job_started_ms) / 1000.0;
		rt_metric_observe(c->s2s->core->d.metrics, RT_M_HANDSHAKE, seconds, RT_NO_LABELS);
		c->job_started_ms = 0;
	}
	drive(c, &ev);
}

static void start_job(struct s2s_conn *c, struct xfed_tls *tls)
{
	bool is_first = c->job_started_ms == 0;
	c->job_tls = tls;
	if (is_first) {
		c->job_started_ms = core_now(c->s2s->core);
	}
	c->job_result = XFED_TLS_WANT_INPUT;
	bool may_run = !is_first || s2s_work_handshake(c); /* where not, the conductor is closed next, and lets go of what it gave out */
	rt_job_start(&c->job, c->s2s->core->d.loop, may_run ? run_job : run_nothing, job_done, c);
}

static void mark_established(struct s2s_conn *c)
{
	if (!c->is_established) {
		c->is_established = true;
		rt_sources_give_back(rt_stream_place(c->stream));
		s2s_steps_free(&c->steps);
	}
}

/* A reload during the negotiation, or while a key was verified elsewhere, may have taken the method or the pair away. */
static bool is_taken_away(struct s2s_conn *c, const struct xfed_s2s_action *act)
{
	enum xfed_reason reason = s2s_policy_judge_pair(c->s2s, act->to, act->from, act->method);
	if (reason != XFED_REASON_NONE) {
		s2s_conn_close(c, reason, "no longer allowed");
	}
	return reason != XFED_REASON_NONE;
}

static void pair_open(struct s2s_pair *p)
{
	s2s_steps_free(&p->steps);
	if (p->way.is_for_questions) {
		rt_post_schedule(&p->ask);
	}
	s2s_pair_simple(p, PAIR_OPEN);
}

static void perform(struct s2s_conn *c, struct xfed_s2s_action *act)
{
	switch (act->type) {
	case XFED_S2S_JOB:
		start_job(c, act->tls);
		break;
	case XFED_S2S_HEADER:
		s2s_steps_add(&c->steps, core_now(c->s2s->core), "header", true, "from %.*s to %.*s, %s",
			(int)(act->from.len > 60 ? 60 : act->from.len), act->from.data ? act->from.data : "",
			(int)(act->to.len > 60 ? 60 : act->to.len), act->to.data ? act->to.data : "", act->is_secure ? "inside TLS" : "in the clear");
		s2s_inbound_decide(c, act, &c->decision);
		c->has_decision = true;
		break;
	case XFED_S2S_PAIR:
		s2s_inbound_pair(c, act);
		c->has_pair_decision = true;
		break;
	case XFED_S2S_PAIR_REFUSED:
		s2s_report_pair_refused(c, act);
		break;
	case XFED_S2S_ASK_VERIFY:
		s2s_verify_ask(c, &act->question);
		break;
	case XFED_S2S_AUTHORITY:
		s2s_verify_answer(c, act->dialback);
		break;
	case XFED_S2S_VERIFY_OPEN:
		mark_established(c);
		pair_open(c->pair);
		break;
	case XFED_S2S_VERIFIED:
		s2s_questions_answered(c->pair, &act->question, act->verdict);
		break;
	case XFED_S2S_ESTABLISHED:
		if (is_taken_away(c, act) || !s2s_certs_hold(c) || (!c->pair && !s2s_inbound_proved(c, act))) {
			break;
		}
		mark_established(c);
		s2s_report_established(c, act);
		if (c->direction == XFED_S2S_IN) {
			s2s_newest_set(c, act->to, act->from);
		}
		if (c->pair) {
			pair_open(c->pair);
		}
		break;
	case XFED_S2S_STANZA:
	case XFED_S2S_STANZA_REFUSED:
		c->stanzas_in++;
		if (s2s_inbound_stanza(c, act)) {
			xfed_s2s_cover(c->machine, act->sm_number, core_now(c->s2s->core));
		}
		break;
	case XFED_S2S_ACKED:
		if (c->pair) {
			struct pair_event ev = { .type = PAIR_ACKED, .count = act->count };
			s2s_pair_event(c->pair, &ev);
		}
		break;
	case XFED_S2S_CLOSED:
		on_closed(c, act);
		break;
	}
}

static void drain(struct s2s_conn *c)
{
	struct xfed_s2s_action act;
	while (xfed_s2s_next(c->machine, &act)) {
		perform(c, &act);
	}
}

/* What was decided while actions were performed is fed back as later events. */
static bool next_answer(struct s2s_conn *c, struct xfed_s2s_event *ev)
{
	if (c->is_closed) {
		return false;
	}
	if (c->close_reason != XFED_REASON_NONE) {
		*ev = (struct xfed_s2s_event){ .type = XFED_S2S_CLOSE, .reason = c->close_reason, .text = c->close_text };
		c->close_reason = XFED_REASON_NONE;
		return true;
	}
	if (c->has_pair_decision) {
		c->has_pair_decision = false;
		*ev = (struct xfed_s2s_event){ .type = XFED_S2S_PAIR_DECISION, .decision = c->decision, .is_local = c->pair_is_local };
		return true;
	}
	if (xfed_buf_len(&c->say) > 0 && !c->is_saying) {
		c->is_saying = true; /* the buffer is emptied when the event has been taken */
		*ev = (struct xfed_s2s_event){ .type = XFED_S2S_SAY, .bytes = xfed_buf_span(&c->say) };
		return true;
	}
	if (c->has_decision) {
		c->has_decision = false;
		*ev = (struct xfed_s2s_event){ .type = XFED_S2S_DECISION, .decision = c->decision };
		return true;
	}
	return false;
}

static void one_step(struct s2s_conn *c, struct xfed_s2s_event *ev)
{
	c->is_driving = true;
	xfed_s2s_step(c->machine, ev, core_now(c->s2s->core));
	c->turn_elements += ev->took_element;
	c->is_yielding = c->turn_elements >= XFED_S2S_TURN_ELEMENTS;
	drain(c);
	s2s_work_charge(c);
	struct xfed_s2s_event answer;
	while (next_answer(c, &answer)) {
		xfed_s2s_step(c->machine, &answer, core_now(c->s2s->core));
		if (c->is_saying) {
			xfed_buf_deinit(&c->say);
			c->is_saying = false;
		}
		drain(c);
	}
	c->is_driving = false;
}

static bool may_read_on(const struct s2s_conn *c)
{
	return !c->is_closed && !c->is_paused && !c->is_yielding;
}

static void pump(struct s2s_conn *c)
{
	struct xfed_s2s_event ev = { .type = XFED_S2S_PUMP };
	while (may_read_on(c) && xfed_s2s_has_pending(c->machine)) {
		one_step(c, &ev);
	}
}

static void settle_down(struct s2s_conn *c)
{
	if (c->is_closed) {
		conn_release(c);
		return;
	}
	rt_stream_kick(c->stream);
	if (c->is_paused || c->is_yielding) {
		rt_stream_pause(c->stream);
	}
	if (c->is_yielding) {
		rt_post_schedule(&c->go_on);
	}
	uint64_t when = xfed_s2s_deadline(c->machine);
	rt_timer_set(&c->timer, c->patience_ms && c->patience_ms < when ? c->patience_ms : when);
}

/* One event, everything that follows from it, then the timer. `c` may be gone afterwards. */
static void drive(struct s2s_conn *c, struct xfed_s2s_event *ev)
{
	bool was_job = ev->type == XFED_S2S_JOB_DONE;
	one_step(c, ev);
	pump(c);
	if (was_job && !c->is_closed) {
		rt_stream_resume(c->stream);
	}
	settle_down(c);
}

static size_t on_bytes(void *user, struct xfed_span in)
{
	struct s2s_conn *c = user;
	size_t taken = 0;
	while (taken < in.len && may_read_on(c) && !xfed_s2s_has_job(c->machine)) {
		struct xfed_s2s_event ev = { .type = XFED_S2S_BYTES, .bytes = xfed_span_make(in.data + taken, in.len - taken) };
		one_step(c, &ev);
		pump(c);
		taken += ev.consumed;
		if (ev.consumed == 0) {
			break;
		}
	}
	settle_down(c);
	return taken;
}

static void on_end(struct s2s_conn *c, enum xfed_reason reason)
{
	struct xfed_s2s_event ev = { .type = XFED_S2S_END, .reason = reason };
	drive(c, &ev);
}

static void on_eof(void *user)
{
	on_end(user, XFED_REASON_NONE);
}

static void on_error(void *user, enum xfed_reason reason)
{
	on_end(user, reason);
}

static void on_timer(void *user)
{
	struct s2s_conn *c = user;
	if (c->is_closed || !c->machine) {
		return;
	}
	if (c->patience_ms && core_now(c->s2s->core) >= c->patience_ms) {
		c->is_impatient = true;
		s2s_conn_resume(c);
		return;
	}
	struct xfed_s2s_event ev = { .type = XFED_S2S_TICK };
	bool was_asleep = xfed_s2s_is_asleep(c->machine);
	one_step(c, &ev);
	c->s2s->freed += !was_asleep && xfed_s2s_is_asleep(c->machine);
	pump(c);
	settle_down(c);
}

static void start(struct s2s_conn *c)
{
	rt_addr_text(rt_stream_peer(c->stream), c->address);
	if (!c->pair) {
		s2s_steps_add(&c->steps, core_now(c->s2s->core), "tcp", true, "from %s", c->address);
	}
	rt_stream_keepalive(c->stream, 120);
	struct xfed_s2s_event ev = { .type = XFED_S2S_START };
	drive(c, &ev);
}

/* Undoes conn_new() before the conductor began. */
static void conn_abandon(struct s2s_conn *c)
{
	leave_books(c);
	rt_stream_close(c->stream);
	conn_release(c);
}

/* What failed in this attempt is left out of the next try; without a secret there are no keys to send. */
static void narrow(const struct s2s_pair *p, struct xfed_s2s_decision *d)
{
	d->dialback_hash = xfed_policy_dialback_current(p->s2s->policy);
	if (d->dialback_hash.len == 0) {
		d->methods &= XFED_METHOD_EXTERNAL;
	}
	if (p->way.avoid_external) {
		d->methods &= ~(unsigned)XFED_METHOD_EXTERNAL;
	}
	if (p->way.avoid_tls) {
		d->creds = NULL;
		d->methods &= XFED_METHOD_DIALBACK_PLAIN;
	}
}

/*
 * Made when TCP is there, not when it was begun: a reload between the two replaces policy and credentials, which the decision
 * borrows from.
 */
static enum xfed_reason decide_out(struct s2s_conn *c)
{
	const struct s2s *s = c->s2s;
	const struct xfed_partner *partner = s2s_partner(s, xfed_span_str(c->pair->remote));
	if (!partner) {
		return XFED_REASON_POLICY_PARTNER_UNLISTED;
	}
	s2s_decision_for(s, partner, &c->decision);
	narrow(c->pair, &c->decision);
	return XFED_REASON_NONE;
}

static int make_conductor(struct s2s_conn *c)
{
	struct xfed_s2s_config cfg = {
		.env = &c->s2s->core->d.env,
		.direction = c->direction,
		.out = rt_stream_out(c->stream),
		.connection = c->id,
		.establish_ms = c->s2s->config->limits.establish_timeout_ms,
		.inactivity_ms = c->s2s->config->limits.inactivity_ms,
	};
	if (c->pair) {
		cfg.is_verify = c->pair->way.is_for_questions;
		cfg.local = xfed_span_str(c->pair->local);
		cfg.remote = xfed_span_str(c->pair->remote);
		cfg.decision = c->decision;
	}
	return xfed_s2s_new(&cfg, &c->machine);
}

int s2s_conn_accept(struct s2s *s, struct rt_stream *stream)
{
	struct s2s_conn *c = conn_new(s, XFED_S2S_IN);
	if (!c) {
		rt_stream_close(stream);
		return XFED_ERR_NOMEM;
	}
	c->stream = stream;
	if (rt_timer_init(&c->timer, s->core->d.loop, on_timer, c) != XFED_OK) {
		conn_abandon(c);
		return XFED_ERR_NOMEM;
	}
	rt_stream_start(stream, &in_handlers, c, XFED_S2S_OUTPUT_BYTES);
	if (make_conductor(c) != XFED_OK) {
		conn_abandon(c);
		return XFED_ERR_NOMEM;
	}
	start(c);
	return XFED_OK;
}

static void on_connect(void *user, enum xfed_reason reason)
{
	struct s2s_conn *c = user;
	struct s2s_pair *p = c->pair;
	s2s_steps_add(&p->steps, core_now(c->s2s->core), "tcp", reason == XFED_REASON_NONE, "%s%s%s", c->address,
		reason == XFED_REASON_NONE ? "" : ": ", reason == XFED_REASON_NONE ? "" : rt_stream_error_text(c->stream));
	if (reason == XFED_REASON_NONE) {
		reason = decide_out(c);
	}
	if (reason == XFED_REASON_NONE && make_conductor(c) == XFED_OK) {
		s2s_pair_simple(p, PAIR_CONNECTED);
		start(c);
		return;
	}
	rt_log(RT_LOG_INFO, "s2s.connect-failed", RT_KV_STR("partner", p->remote), RT_KV_STR("local", p->local), RT_KV_STR("address", c->address),
		RT_KV_U64("conn", c->id), RT_KV_REASON(reason), RT_KV_STR("text", rt_stream_error_text(c->stream)), RT_END);
	c->pair = NULL;
	p->conn = NULL;
	c->is_closed = true;
	conn_abandon(c);
	struct pair_event ev = { .type = PAIR_CONNECT_FAILED, .reason = reason != XFED_REASON_NONE ? reason : XFED_REASON_STREAM_INTERNAL };
	ev.side = xfed_reason_info(ev.reason)->side;
	s2s_pair_event(p, &ev);
}

int s2s_conn_dial(struct s2s_pair *p, const struct rt_addr *to)
{
	struct s2s *s = p->s2s;
	struct s2s_conn *c = conn_new(s, XFED_S2S_OUT);
	if (!c) {
		return XFED_ERR_NOMEM;
	}
	struct rt_addr source;
	int rc = rt_timer_init(&c->timer, s->core->d.loop, on_timer, c);
	if (rc == XFED_OK) {
		rc = rt_stream_connect(s->core->d.loop, to, s2s_source_for(s, to, &source), s->config->limits.connect_timeout_ms, &out_handlers, c,
			XFED_S2S_OUTPUT_BYTES, &c->stream);
	}
	if (rc != XFED_OK) {
		c->is_closed = true;
		conn_abandon(c);
		return rc;
	}
	rt_addr_text(to, c->address);
	c->pair = p;
	p->conn = c;
	c->is_question = p->way.is_for_questions;
	s->asking += p->way.is_for_questions;
	return XFED_OK;
}

static const struct rt_stream_handlers in_handlers = { .on_bytes = on_bytes, .on_eof = on_eof, .on_error = on_error };
static const struct rt_stream_handlers out_handlers = { .on_connect = on_connect, .on_bytes = on_bytes, .on_eof = on_eof, .on_error = on_error };

void s2s_conn_event(struct s2s_conn *c, struct xfed_s2s_event *ev)
{
	if (!c->is_closed && c->machine) {
		XFED_REQUIRE(!c->is_driving);
		drive(c, ev);
	}
}

void s2s_conn_close(struct s2s_conn *c, enum xfed_reason reason, const char *text)
{
	if (c->is_closed) {
		return;
	}
	if (!c->machine) { /* still connecting */
		struct s2s_pair *p = c->pair;
		c->pair = NULL;
		c->is_closed = true;
		conn_abandon(c);
		if (p) {
			p->conn = NULL;
			struct pair_event ev = { .type = PAIR_LOST, .reason = reason, .side = xfed_reason_info(reason)->side };
			s2s_pair_event(p, &ev);
		}
		return;
	}
	if (c->is_driving) {
		c->close_reason = reason;
		c->close_text = text;
		return;
	}
	struct xfed_s2s_event ev = { .type = XFED_S2S_CLOSE, .reason = reason, .text = text };
	drive(c, &ev);
}

bool s2s_conn_is_counting(const struct s2s_conn *c)
{
	return xfed_s2s_is_counting(c->machine);
}

int s2s_conn_write(struct s2s_conn *c, struct xfed_span stanza)
{
	if (c->is_closed || !c->machine) {
		return XFED_ERR_STATE;
	}
	int rc = xfed_s2s_send(c->machine, stanza, core_now(c->s2s->core));
	if (rc == XFED_OK) {
		c->stanzas_out++;
	}
	if (!c->is_driving) {
		drain(c); /* a fault ends the stream at once */
		settle_down(c);
	}
	return rc;
}

void s2s_cover(struct s2s *s, uint64_t id, uint64_t number)
{
	struct s2s_conn *c = number ? s2s_conn_find(s, id) : NULL;
	if (c && !c->is_closed && xfed_s2s_cover(c->machine, number, core_now(s->core)) && !c->is_driving) {
		drain(c); /* a fault ends the stream at once */
		settle_down(c);
	}
}

/* What the conductor still holds comes first, with or without new input; then the socket. `c` may be gone afterwards. */
static void read_on(struct s2s_conn *c)
{
	if (may_read_on(c)) {
		rt_stream_resume(c->stream);
		pump(c);
		settle_down(c);
	}
}

void s2s_conn_resume(struct s2s_conn *c)
{
	if (!c->is_paused || c->is_closed) {
		return;
	}
	c->is_paused = false;
	c->patience_ms = 0;
	if (!c->is_driving) {
		read_on(c);
	} else if (!c->is_yielding) {
		rt_stream_resume(c->stream);
	}
}

/* The others have had their part. */
static void on_go_on(void *arg)
{
	struct s2s_conn *c = arg;
	c->is_yielding = false;
	c->turn_elements = 0;
	read_on(c);
}

/* A handshake job that comes back later must find a conductor that writes nothing: its buffer goes with the stream. */
static void end_conductor(struct s2s_conn *c)
{
	struct xfed_s2s_event ev = { .type = XFED_S2S_CLOSE, .reason = XFED_REASON_STREAM_CLOSED_DRAIN };
	struct xfed_s2s_action act;
	if (c->machine && xfed_s2s_has_job(c->machine)) {
		xfed_s2s_step(c->machine, &ev, core_now(c->s2s->core));
		while (xfed_s2s_next(c->machine, &act)) {
		}
	}
}

void s2s_conns_close(struct s2s *s)
{
	struct s2s_conn *c, *next;
	HASH_ITER(hh, s->conns, c, next) {
		if (!c->is_closed) {
			leave_books(c);
			end_conductor(c);
			rt_stream_close(c->stream);
			c->stream = NULL;
			c->is_closed = true;
		}
		if (c->pair) {
			c->pair->conn = NULL;
			c->pair = NULL;
		}
		rt_timer_close(&c->timer);
		conn_release(c);
	}
}
