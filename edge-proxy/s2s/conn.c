/* A stream with a partner, of either direction: performs the actions of its machine (xfed/s2s.h) and keeps what is known of the stream. */
#include "s2s/s2s_impl.h"

#include "xfed/mem.h"

static const struct driver_user driver_user;

static struct s2s_conn *conn_of(struct driver *d)
{
	return (struct s2s_conn *)d;
}

static struct s2s_conn *conn_new(struct s2s *s, enum xfed_s2s_direction direction)
{
	struct s2s_conn *c = xfed_calloc(1, sizeof(*c));
	if (!c) {
		return NULL;
	}
	c->s2s = s;
	c->id = ++s->next_conn;
	c->direction = direction;
	HASH_ADD(hh, s->conns, id, sizeof(c->id), c);
	if (!c->hh.tbl) {
		xfed_free(c);
		return NULL;
	}
	xfed_buf_init(&c->say, 16 * 1024);
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

static void leave_books(struct s2s_conn *c)
{
	c->s2s->conn_count--;
	c->s2s->incoming -= c->direction == XFED_S2S_IN;
	c->s2s->asking -= c->is_question;
	if (c->tally) {
		c->tally->streams--;
		c->tally = NULL;
	}
	s2s_newest_drop(c);
}

static void on_gone(struct driver *d)
{
	struct s2s_conn *c = conn_of(d);
	struct s2s *s = c->s2s;
	HASH_DELETE(hh, s->conns, c);
	s2s_steps_free(&c->steps);
	xfed_buf_deinit(&c->say);
	xfed_free(c);
	s->user->ended(s->user_data);
}

/* ---- actions of the machine ---- */

/* We closed the stream in good order: the kernel still sends what is under way, even what the partner's closing tag does not acknowledge. */
static bool is_peaceful(enum xfed_reason r)
{
	return r == XFED_REASON_STREAM_CLOSED_OPERATOR || r == XFED_REASON_STREAM_CLOSED_IDLE || r == XFED_REASON_STREAM_CLOSED_DRAIN;
}

static void on_closed(struct driver *d, const struct xfed_s2s_action *closed)
{
	struct s2s_conn *c = conn_of(d);
	struct s2s_pair *p = c->pair;
	struct xfed_s2s_info info;
	xfed_s2s_info(d->machine, &info);
	struct xfed_s2s_action act = *closed;
	act.side = s2s_certs_side(c->s2s, &info, closed);
	s2s_trust_note(c->s2s, &info);
	s2s_report_closed(c, &act);
	leave_books(c);
	c->pair = NULL;
	if (p) {
		struct pair_event ev = { .type = PAIR_LOST, .reason = act.reason, .side = act.side, .tried_external = info.tried_external };
		ev.bytes = is_peaceful(act.reason) ? UINT64_MAX : driver_bytes_received(d);
		p->conn = NULL;
		p->ending = c;
		const char *suspicion = s2s_failure_suspicion(c->s2s, &info, act.reason);
		snprintf(p->text, sizeof(p->text), "%s", suspicion ? suspicion : act.text);
		s2s_steps_of_stream(&p->steps, core_now(c->s2s->core), &info, act.reason, act.text);
		s2s_pair_event(p, &ev);
		p->ending = NULL;
	}
}

static bool may_shake_hands(struct driver *d)
{
	return s2s_work_handshake(conn_of(d));
}

static void shook_hands(struct driver *d)
{
	s2s_work_job(conn_of(d));
	if (d->job_result == XFED_TLS_DONE) {
		double seconds = (double)(core_now(d->s2s->core) - d->job_started_ms) / 1000.0;
		rt_metric_observe(d->s2s->core->d.metrics, RT_M_HANDSHAKE, seconds, RT_NO_LABELS);
	}
}

static void mark_established(struct s2s_conn *c)
{
	if (!c->is_established) {
		c->is_established = true;
		rt_sources_give_back(rt_stream_place(c->d.stream));
		s2s_steps_free(&c->steps);
	}
}

/* True: policy has changed during the negotiation, or while a key was being verified, and no longer allows method and pair; the stream closes. */
static bool is_taken_away(struct s2s_conn *c, const struct xfed_s2s_action *act)
{
	enum xfed_reason reason = s2s_policy_judge(c->s2s, s2s_partner(c->s2s, act->from), act->from, act->to, act->method);
	if (reason != XFED_REASON_NONE) {
		s2s_conn_close(c, reason, "no longer allowed");
	}
	return reason != XFED_REASON_NONE;
}

static void pair_open(struct s2s_pair *p, const struct s2s_conn *c)
{
	struct xfed_s2s_info info;
	xfed_s2s_info(c->d.machine, &info);
	s2s_trust_note(p->s2s, &info);
	if (p->way.is_for_questions) {
		rt_post_schedule(&p->ask);
	} else {
		s2s_fallback_opened(p, &info);
	}
	s2s_steps_free(&p->steps);
	s2s_pair_simple(p, PAIR_OPEN);
}

static void perform(struct driver *d, struct xfed_s2s_action *act)
{
	struct s2s_conn *c = conn_of(d);
	switch (act->type) {
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
		s2s_questions_ask(c, &act->question);
		break;
	case XFED_S2S_AUTHORITY:
		s2s_questions_reply(c, act->dialback);
		break;
	case XFED_S2S_VERIFY_OPEN:
		mark_established(c);
		pair_open(c->pair, c);
		break;
	case XFED_S2S_VERIFIED:
		s2s_questions_answered(c->pair, &act->question, act->verdict);
		break;
	case XFED_S2S_ESTABLISHED:
		if (is_taken_away(c, act) || !s2s_certs_hold(c, NULL) || (!c->pair && !s2s_inbound_proved(c, act))) {
			break;
		}
		mark_established(c);
		s2s_report_established(c, act);
		if (c->direction == XFED_S2S_IN) {
			s2s_newest_set(c, act->to, act->from);
		}
		if (c->pair) {
			pair_open(c->pair, c);
		}
		break;
	case XFED_S2S_STANZA:
	case XFED_S2S_STANZA_REFUSED:
		c->stanzas_in++;
		if (s2s_inbound_stanza(c, act)) {
			xfed_s2s_cover(c->d.machine, act->sm_number, core_now(c->s2s->core));
		}
		break;
	case XFED_S2S_ACKED:
		if (c->pair) {
			struct pair_event ev = { .type = PAIR_ACKED, .count = act->count };
			s2s_pair_event(c->pair, &ev);
		}
		break;
	case XFED_S2S_JOB:
	case XFED_S2S_CLOSED:
		break; /* handled by the driver */
	}
}

static bool answer(struct driver *d, struct xfed_s2s_event *ev)
{
	struct s2s_conn *c = conn_of(d);
	if (c->is_saying) { /* the machine has sent it */
		xfed_buf_deinit(&c->say);
		c->is_saying = false;
	}
	if (c->has_pair_decision) {
		c->has_pair_decision = false;
		*ev = (struct xfed_s2s_event){ .type = XFED_S2S_PAIR_DECISION, .decision = c->decision, .is_local = c->pair_is_local };
		return true;
	}
	if (xfed_buf_len(&c->say) > 0) {
		c->is_saying = true;
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

static void stepped(struct driver *d)
{
	s2s_work_charge(conn_of(d));
}

static void woke(struct driver *d)
{
	conn_of(d)->is_impatient = true;
	driver_resume(d);
}

/* ---- start ---- */

/* Leaves out of the next attempt what failed in this one; without the secret no dialback keys can be made. */
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

/* Called when TCP is connected and not before: the decision borrows from policy and credentials, which a reload may replace meanwhile. */
static enum xfed_reason decide_out(struct s2s_conn *c)
{
	const struct s2s *s = c->s2s;
	const struct xfed_partner *partner = s2s_partner(s, xfed_span_str(c->pair->remote));
	if (!partner) {
		return s2s_why_not(s, xfed_span_str(c->pair->remote));
	}
	s2s_decision_for(s, partner, &c->decision);
	narrow(c->pair, &c->decision);
	return XFED_REASON_NONE;
}

static int make_machine(struct s2s_conn *c)
{
	struct xfed_s2s_config cfg = {
		.direction = c->direction,
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
	return driver_make(&c->d, &cfg);
}

int s2s_conn_accept(struct s2s *s, struct rt_stream *stream)
{
	struct s2s_conn *c = conn_new(s, XFED_S2S_IN);
	if (!c) {
		rt_stream_close(stream);
		return XFED_ERR_NOMEM;
	}
	int rc = driver_init(&c->d, s, &driver_user);
	driver_adopt(&c->d, stream);
	if (rc != XFED_OK || make_machine(c) != XFED_OK) {
		leave_books(c);
		driver_abandon(&c->d);
		return XFED_ERR_NOMEM;
	}
	rt_addr_text(rt_stream_peer(stream), c->address);
	s2s_steps_add(&c->steps, core_now(s->core), "tcp", true, "from %s", c->address);
	driver_start(&c->d);
	return XFED_OK;
}

/* For a connection attempt that did not get as far as a stream. */
static void give_up(struct s2s_conn *c)
{
	c->pair->conn = NULL;
	c->pair = NULL;
	leave_books(c);
	driver_abandon(&c->d);
}

static void on_connect(struct driver *d, enum xfed_reason reason)
{
	struct s2s_conn *c = conn_of(d);
	struct s2s_pair *p = c->pair;
	const char *why = rt_stream_error_text(d->stream);
	bool is_there = reason == XFED_REASON_NONE;
	s2s_steps_add(&p->steps, core_now(c->s2s->core), "tcp", is_there, "%s%s%s", c->address, is_there ? "" : ": ", is_there ? "" : why);
	if (!is_there) {
		snprintf(p->text, sizeof(p->text), "%s: %s", c->address, why);
	}
	reason = is_there ? decide_out(c) : reason;
	if (reason == XFED_REASON_NONE && make_machine(c) == XFED_OK) {
		s2s_pair_simple(p, PAIR_CONNECTED);
		driver_start(d);
		return;
	}
	rt_log(RT_LOG_INFO, "s2s.connect-failed", RT_KV_STR("partner", p->remote), RT_KV_STR("local", p->local), RT_KV_STR("address", c->address),
		RT_KV_U64("conn", c->id), RT_KV_REASON(reason), RT_KV_STR("text", why), RT_END);
	struct pair_event ev = { .type = PAIR_CONNECT_FAILED, .reason = reason != XFED_REASON_NONE ? reason : XFED_REASON_STREAM_INTERNAL };
	ev.side = xfed_reason_info(ev.reason)->side;
	give_up(c);
	s2s_pair_event(p, &ev);
}

int s2s_conn_dial(struct s2s_pair *p, const struct rt_addr *to)
{
	struct s2s *s = p->s2s;
	struct s2s_conn *c = conn_new(s, XFED_S2S_OUT);
	if (!c) {
		return XFED_ERR_NOMEM;
	}
	int rc = driver_init(&c->d, s, &driver_user);
	rc = rc == XFED_OK ? driver_connect(&c->d, to) : rc;
	if (rc != XFED_OK) {
		leave_books(c);
		driver_abandon(&c->d);
		return rc;
	}
	rt_addr_text(to, c->address);
	c->pair = p;
	p->conn = c;
	c->is_question = p->way.is_for_questions;
	s->asking += c->is_question;
	return XFED_OK;
}

static const struct driver_user driver_user = { .connected = on_connect,
	.perform = perform,
	.answer = answer,
	.stepped = stepped,
	.may_shake_hands = may_shake_hands,
	.shook_hands = shook_hands,
	.woke = woke,
	.closed = on_closed,
	.gone = on_gone };

/* ---- calls of the room ---- */

void s2s_conn_close(struct s2s_conn *c, enum xfed_reason reason, const char *text)
{
	struct s2s_pair *p = c->pair;
	if (c->d.is_closed || c->d.machine) {
		driver_close(&c->d, reason, text);
		return;
	}
	struct pair_event ev = { .type = PAIR_LOST, .reason = reason, .side = xfed_reason_info(reason)->side };
	give_up(c);
	s2s_pair_event(p, &ev);
}

int s2s_conn_write(struct s2s_conn *c, struct xfed_span stanza)
{
	int rc = driver_write(&c->d, stanza);
	if (rc == XFED_OK) {
		c->stanzas_out++;
	}
	return rc;
}

void s2s_cover(struct s2s *s, uint64_t stream, uint64_t number)
{
	struct s2s_conn *c = number ? s2s_conn_find(s, stream) : NULL;
	if (c) {
		driver_cover(&c->d, number);
	}
}

void s2s_conns_stop(struct s2s *s)
{
	struct s2s_conn *c, *next;
	HASH_ITER(hh, s->conns, c, next) {
		if (!c->d.is_closed) {
			leave_books(c);
		}
		if (c->pair) {
			c->pair->conn = NULL;
			c->pair = NULL;
		}
		driver_stop(&c->d);
	}
}
