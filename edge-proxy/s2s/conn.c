#include "edge.h"

#include "xfed/mem.h"

#define LINGER_MS 3000

static const struct rt_stream_handlers in_handlers, out_handlers;
static void drive(struct edge_conn *c, struct xfed_s2s_event *ev);
static void on_go_on(void *arg);

static struct edge_conn *conn_new(struct edge *e, enum xfed_s2s_direction direction)
{
	struct edge_conn *c = xfed_calloc(1, sizeof(*c));
	if (!c) {
		return NULL;
	}
	c->edge = e;
	c->id = ++e->next_conn;
	c->direction = direction;
	xfed_buf_init(&c->say, 16 * 1024);
	HASH_ADD(hh, e->conns, id, sizeof(c->id), c);
	if (!c->hh.tbl) {
		xfed_free(c);
		return NULL;
	}
	rt_post_init(&c->go_on, e->core.d.loop, on_go_on, c);
	c->charged_work = XFED_S2S_WORK_LOGIN;
	c->charged_job = XFED_S2S_WORK_TLS;
	e->conn_count++;
	e->incoming += direction == XFED_S2S_IN;
	return c;
}

struct edge_conn *edge_conn_find(struct edge *e, uint64_t id)
{
	struct edge_conn *c = NULL;
	HASH_FIND(hh, e->conns, &id, sizeof(id), c);
	return c;
}

/* Frees what a closed connection still holds; one whose job runs is freed when it comes back. */
static void conn_release(struct edge_conn *c)
{
	if (c->s2s && xfed_s2s_has_job(c->s2s)) {
		return;
	}
	struct edge *e = c->edge;
	HASH_DELETE(hh, e->conns, c);
	xfed_s2s_free(c->s2s);
	e->freed++;
	edge_steps_free(&c->steps);
	xfed_buf_deinit(&c->say);
	rt_timer_close(&c->timer);
	rt_post_cancel(&c->go_on);
	xfed_free(c);
	edge_service_conn_gone(e);
}

static void leave_books(struct edge_conn *c)
{
	c->edge->conn_count--;
	c->edge->incoming -= c->direction == XFED_S2S_IN;
	c->edge->asking -= c->is_question;
	edge_tally_drop(c);
	edge_newest_drop(c);
}

/* The last action of the conductor: say what is left to say, tell everyone, go. */
static void on_closed(struct edge_conn *c, const struct xfed_s2s_action *act)
{
	c->is_closed = true;
	edge_report_closed(c, act);
	leave_books(c);
	if (act->is_abrupt) {
		rt_stream_close(c->stream);
	} else {
		rt_stream_kick(c->stream);
		rt_stream_linger(c->stream, LINGER_MS);
	}
	c->stream = NULL;
	rt_timer_set(&c->timer, 0);
	struct edge_pair *p = c->pair;
	c->pair = NULL;
	if (p) {
		struct xfed_s2s_info info;
		xfed_s2s_info(c->s2s, &info);
		p->tried_external = info.tried_external;
		p->ending = c;
		const char *suspicion = edge_failure_suspicion(c->edge, &info, act->reason);
		snprintf(p->text, sizeof(p->text), "%s", suspicion ? suspicion : act->text);
		edge_steps_of_stream(&p->steps, rt_loop_now_ms(c->edge->core.d.loop), &info, act->reason, act->text);
		edge_pair_lost(p, act->reason, act->side);
		p->ending = NULL;
	}
}

static void run_job(void *arg)
{
	struct edge_conn *c = arg;
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
	struct edge_conn *c = arg;
	struct xfed_s2s_event ev = { .type = XFED_S2S_JOB_DONE, .tls_result = c->job_result };
	c->job_tls = NULL;
	edge_work_job(c);
	if (c->job_result == XFED_TLS_DONE) {
		double seconds = (double)(rt_loop_now_ms(c->edge->core.d.loop) - c->job_started_ms) / 1000.0;
		rt_metric_observe(c->edge->core.d.metrics, RT_M_HANDSHAKE, seconds, RT_NO_LABELS);
		c->job_started_ms = 0;
	}
	drive(c, &ev);
}

static void start_job(struct edge_conn *c, struct xfed_tls *tls)
{
	bool is_first = c->job_started_ms == 0;
	c->job_tls = tls;
	if (is_first) {
		c->job_started_ms = rt_loop_now_ms(c->edge->core.d.loop);
	}
	c->job_result = XFED_TLS_WANT_INPUT;
	bool may_run = !is_first || edge_work_handshake(c); /* where not, the conductor is closed next, and lets go of what it gave out */
	rt_job_start(&c->job, c->edge->core.d.loop, may_run ? run_job : run_nothing, job_done, c);
}

static void mark_established(struct edge_conn *c)
{
	if (!c->is_established) {
		c->is_established = true;
		rt_sources_give_back(rt_stream_place(c->stream));
		edge_steps_free(&c->steps);
	}
}

/* A reload during the negotiation, or while a key was verified elsewhere, may have taken the method or the pair away. */
static bool is_taken_away(struct edge_conn *c, const struct xfed_s2s_action *act)
{
	enum xfed_reason reason = edge_policy_judge_pair(c->edge, act->to, act->from, act->method);
	if (reason != XFED_REASON_NONE) {
		edge_conn_close(c, reason, "no longer allowed");
	}
	return reason != XFED_REASON_NONE;
}

static void perform(struct edge_conn *c, struct xfed_s2s_action *act)
{
	switch (act->type) {
	case XFED_S2S_JOB:
		start_job(c, act->tls);
		break;
	case XFED_S2S_HEADER:
		edge_steps_add(&c->steps, rt_loop_now_ms(c->edge->core.d.loop), "header", true, "from %.*s to %.*s, %s",
			(int)(act->from.len > 60 ? 60 : act->from.len), act->from.data ? act->from.data : "",
			(int)(act->to.len > 60 ? 60 : act->to.len), act->to.data ? act->to.data : "", act->is_secure ? "inside TLS" : "in the clear");
		edge_inbound_decide(c, act, &c->decision);
		c->has_decision = true;
		break;
	case XFED_S2S_PAIR:
		edge_inbound_pair(c, act);
		c->has_pair_decision = true;
		break;
	case XFED_S2S_PAIR_REFUSED:
		edge_report_pair_refused(c, act);
		break;
	case XFED_S2S_ASK_VERIFY:
		edge_verify_ask(c, &act->question);
		break;
	case XFED_S2S_AUTHORITY:
		edge_verify_answer(c, act->dialback);
		break;
	case XFED_S2S_VERIFY_OPEN:
		mark_established(c);
		edge_pair_ready(c->pair);
		break;
	case XFED_S2S_VERIFIED:
		edge_pair_answered(c->pair, &act->question, act->verdict);
		break;
	case XFED_S2S_ESTABLISHED:
		if (is_taken_away(c, act) || !edge_certs_hold(c) || (!c->pair && !edge_inbound_proved(c, act))) {
			break;
		}
		mark_established(c);
		edge_report_established(c, act);
		if (c->direction == XFED_S2S_IN) {
			edge_newest_set(c, act->to, act->from);
		}
		if (c->pair) {
			edge_pair_ready(c->pair);
		}
		break;
	case XFED_S2S_STANZA:
	case XFED_S2S_STANZA_REFUSED:
		c->stanzas_in++;
		if (edge_inbound_stanza(c, act)) {
			xfed_s2s_cover(c->s2s, act->sm_number, rt_loop_now_ms(c->edge->core.d.loop));
		}
		break;
	case XFED_S2S_ACKED:
		if (c->pair) {
			edge_pair_acked(c->pair, act->count);
		}
		break;
	case XFED_S2S_CLOSED:
		on_closed(c, act);
		break;
	}
}

static void drain(struct edge_conn *c)
{
	struct xfed_s2s_action act;
	while (xfed_s2s_next(c->s2s, &act)) {
		perform(c, &act);
	}
}

/* What was decided while actions were performed is fed back as later events. */
static bool next_answer(struct edge_conn *c, struct xfed_s2s_event *ev)
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

static void one_step(struct edge_conn *c, struct xfed_s2s_event *ev)
{
	c->is_driving = true;
	xfed_s2s_step(c->s2s, ev, rt_loop_now_ms(c->edge->core.d.loop));
	c->turn_elements += ev->took_element;
	c->is_yielding = c->turn_elements >= XFED_S2S_TURN_ELEMENTS;
	drain(c);
	edge_work_charge(c);
	struct xfed_s2s_event answer;
	while (next_answer(c, &answer)) {
		xfed_s2s_step(c->s2s, &answer, rt_loop_now_ms(c->edge->core.d.loop));
		if (c->is_saying) {
			xfed_buf_deinit(&c->say);
			c->is_saying = false;
		}
		drain(c);
	}
	c->is_driving = false;
}

static bool may_read_on(const struct edge_conn *c)
{
	return !c->is_closed && !c->is_paused && !c->is_yielding;
}

static void pump(struct edge_conn *c)
{
	struct xfed_s2s_event ev = { .type = XFED_S2S_PUMP };
	while (may_read_on(c) && xfed_s2s_has_pending(c->s2s)) {
		one_step(c, &ev);
	}
}

static void settle_down(struct edge_conn *c)
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
	uint64_t when = xfed_s2s_deadline(c->s2s);
	rt_timer_set(&c->timer, c->patience_ms && c->patience_ms < when ? c->patience_ms : when);
}

/* One event, everything that follows from it, then the timer. `c` may be gone afterwards. */
static void drive(struct edge_conn *c, struct xfed_s2s_event *ev)
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
	struct edge_conn *c = user;
	size_t taken = 0;
	while (taken < in.len && may_read_on(c) && !xfed_s2s_has_job(c->s2s)) {
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

static void on_end(struct edge_conn *c, enum xfed_reason reason)
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
	struct edge_conn *c = user;
	if (c->is_closed || !c->s2s) {
		return;
	}
	if (c->patience_ms && rt_loop_now_ms(c->edge->core.d.loop) >= c->patience_ms) {
		c->is_impatient = true;
		edge_conn_resume(c);
		return;
	}
	struct xfed_s2s_event ev = { .type = XFED_S2S_TICK };
	bool was_asleep = xfed_s2s_is_asleep(c->s2s);
	one_step(c, &ev);
	c->edge->freed += !was_asleep && xfed_s2s_is_asleep(c->s2s);
	pump(c);
	settle_down(c);
}

static void start(struct edge_conn *c)
{
	rt_addr_text(rt_stream_peer(c->stream), c->address);
	if (!c->pair) {
		edge_steps_add(&c->steps, rt_loop_now_ms(c->edge->core.d.loop), "tcp", true, "from %s", c->address);
	}
	rt_stream_keepalive(c->stream, 120);
	struct xfed_s2s_event ev = { .type = XFED_S2S_START };
	drive(c, &ev);
}

/* Undoes conn_new() before the conductor began. */
static void conn_abandon(struct edge_conn *c)
{
	leave_books(c);
	rt_stream_close(c->stream);
	conn_release(c);
}

/* What failed in this attempt is left out of the next try; without a secret there are no keys to send. */
static void narrow(const struct edge_pair *p, struct xfed_s2s_decision *d)
{
	d->dialback_hash = xfed_policy_dialback_current(p->edge->policy);
	if (d->dialback_hash.len == 0) {
		d->methods &= XFED_METHOD_EXTERNAL;
	}
	if (p->avoid_external) {
		d->methods &= ~(unsigned)XFED_METHOD_EXTERNAL;
	}
	if (p->avoid_tls) {
		d->creds = NULL;
		d->methods &= XFED_METHOD_DIALBACK_PLAIN;
	}
}

/*
 * Made when TCP is there, not when it was begun: a reload between the two replaces policy and credentials, which the decision
 * borrows from.
 */
static enum xfed_reason decide_out(struct edge_conn *c)
{
	const struct edge *e = c->edge;
	const struct xfed_partner *partner = e->policy ? xfed_policy_partner(e->policy, xfed_span_str(c->pair->remote)) : NULL;
	if (!partner) {
		return XFED_REASON_POLICY_PARTNER_UNLISTED;
	}
	edge_decision_for(e, partner, &c->decision);
	narrow(c->pair, &c->decision);
	return XFED_REASON_NONE;
}

static int make_conductor(struct edge_conn *c)
{
	struct xfed_s2s_config cfg = {
		.env = &c->edge->core.d.env,
		.direction = c->direction,
		.out = rt_stream_out(c->stream),
		.connection = c->id,
		.establish_ms = c->edge->config->limits.establish_timeout_ms,
		.inactivity_ms = c->edge->config->limits.inactivity_ms,
	};
	if (c->pair) {
		cfg.is_verify = c->pair->is_verify;
		cfg.local = xfed_span_str(c->pair->local);
		cfg.remote = xfed_span_str(c->pair->remote);
		cfg.decision = c->decision;
	}
	return xfed_s2s_new(&cfg, &c->s2s);
}

int edge_conn_accept(struct edge *e, struct rt_stream *s)
{
	struct edge_conn *c = conn_new(e, XFED_S2S_IN);
	if (!c) {
		rt_stream_close(s);
		return XFED_ERR_NOMEM;
	}
	c->stream = s;
	if (rt_timer_init(&c->timer, e->core.d.loop, on_timer, c) != XFED_OK) {
		conn_abandon(c);
		return XFED_ERR_NOMEM;
	}
	rt_stream_start(s, &in_handlers, c, XFED_S2S_OUTPUT_BYTES);
	if (make_conductor(c) != XFED_OK) {
		conn_abandon(c);
		return XFED_ERR_NOMEM;
	}
	start(c);
	return XFED_OK;
}

static void on_connect(void *user, enum xfed_reason reason)
{
	struct edge_conn *c = user;
	struct edge_pair *p = c->pair;
	edge_steps_add(&p->steps, rt_loop_now_ms(c->edge->core.d.loop), "tcp", reason == XFED_REASON_NONE, "%s%s%s", c->address,
		reason == XFED_REASON_NONE ? "" : ": ", reason == XFED_REASON_NONE ? "" : rt_stream_error_text(c->stream));
	if (reason == XFED_REASON_NONE) {
		reason = decide_out(c);
	}
	if (reason == XFED_REASON_NONE && make_conductor(c) == XFED_OK) {
		p->state = EDGE_PAIR_NEGOTIATING;
		start(c);
		return;
	}
	rt_log(RT_LOG_INFO, "s2s.connect-failed", RT_KV_STR("partner", p->remote), RT_KV_STR("local", p->local), RT_KV_STR("address", c->address),
		RT_KV_U64("conn", c->id), RT_KV_REASON(reason), RT_KV_STR("text", rt_stream_error_text(c->stream)), RT_END);
	c->pair = NULL;
	p->conn = NULL;
	c->is_closed = true;
	conn_abandon(c);
	edge_pair_connect_failed(p, reason != XFED_REASON_NONE ? reason : XFED_REASON_STREAM_INTERNAL);
}

int edge_conn_dial(struct edge_pair *p, const struct rt_addr *to)
{
	struct edge *e = p->edge;
	struct edge_conn *c = conn_new(e, XFED_S2S_OUT);
	if (!c) {
		return XFED_ERR_NOMEM;
	}
	struct rt_addr source;
	const char *from = e->config->external.source;
	bool has_source = from && rt_addr_parse_host(&source, xfed_span_str(from), 0) == XFED_OK;
	has_source = has_source && source.sa.sa_family == to->sa.sa_family;
	int rc = rt_timer_init(&c->timer, e->core.d.loop, on_timer, c);
	if (rc == XFED_OK) {
		rc = rt_stream_connect(e->core.d.loop, to, has_source ? &source : NULL, e->config->limits.connect_timeout_ms, &out_handlers, c,
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
	c->is_question = p->is_verify;
	e->asking += p->is_verify;
	return XFED_OK;
}

static const struct rt_stream_handlers in_handlers = { .on_bytes = on_bytes, .on_eof = on_eof, .on_error = on_error };
static const struct rt_stream_handlers out_handlers = { .on_connect = on_connect, .on_bytes = on_bytes, .on_eof = on_eof, .on_error = on_error };

void edge_conn_event(struct edge_conn *c, struct xfed_s2s_event *ev)
{
	if (!c->is_closed && c->s2s) {
		XFED_REQUIRE(!c->is_driving);
		drive(c, ev);
	}
}

void edge_conn_close(struct edge_conn *c, enum xfed_reason reason, const char *text)
{
	if (c->is_closed) {
		return;
	}
	if (!c->s2s) { /* still connecting */
		struct edge_pair *p = c->pair;
		c->pair = NULL;
		c->is_closed = true;
		conn_abandon(c);
		if (p) {
			p->conn = NULL;
			edge_pair_lost(p, reason, xfed_reason_info(reason)->side);
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

int edge_conn_write(struct edge_conn *c, struct xfed_span stanza)
{
	if (c->is_closed || !c->s2s) {
		return XFED_ERR_STATE;
	}
	int rc = xfed_s2s_send(c->s2s, stanza, rt_loop_now_ms(c->edge->core.d.loop));
	if (rc == XFED_OK) {
		c->stanzas_out++;
	}
	if (!c->is_driving) {
		drain(c); /* a fault ends the stream at once */
		settle_down(c);
	}
	return rc;
}

void edge_conn_cover(struct edge *e, uint64_t id, uint64_t number)
{
	struct edge_conn *c = number ? edge_conn_find(e, id) : NULL;
	if (c && !c->is_closed && xfed_s2s_cover(c->s2s, number, rt_loop_now_ms(e->core.d.loop)) && !c->is_driving) {
		drain(c); /* a fault ends the stream at once */
		settle_down(c);
	}
}

/* What the conductor still holds comes first, with or without new input; then the socket. `c` may be gone afterwards. */
static void read_on(struct edge_conn *c)
{
	if (may_read_on(c)) {
		rt_stream_resume(c->stream);
		pump(c);
		settle_down(c);
	}
}

void edge_conn_resume(struct edge_conn *c)
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
	struct edge_conn *c = arg;
	c->is_yielding = false;
	c->turn_elements = 0;
	read_on(c);
}

/* A handshake job that comes back later must find a conductor that writes nothing: its buffer goes with the stream. */
static void end_conductor(struct edge_conn *c)
{
	struct xfed_s2s_event ev = { .type = XFED_S2S_CLOSE, .reason = XFED_REASON_STREAM_CLOSED_DRAIN };
	struct xfed_s2s_action act;
	if (c->s2s && xfed_s2s_has_job(c->s2s)) {
		xfed_s2s_step(c->s2s, &ev, rt_loop_now_ms(c->edge->core.d.loop));
		while (xfed_s2s_next(c->s2s, &act)) {
		}
	}
}

void edge_conns_free(struct edge *e)
{
	struct edge_conn *c, *next;
	HASH_ITER(hh, e->conns, c, next) {
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
