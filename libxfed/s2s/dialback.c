/* Server dialback on a stream: feeds the machines of xfed/dialback.h with what the stream and the driver say. */
#include "internal.h"

static struct xfed_span stream_id(const struct xfed_s2s *s)
{
	return xfed_span_str(s->stream_id ? s->stream_id : "");
}

static enum xfed_method method_here(const struct xfed_s2s *s)
{
	return s->is_secure ? XFED_METHOD_DIALBACK_TLS : XFED_METHOD_DIALBACK_PLAIN;
}

void s2s_dialback_reset(struct xfed_s2s *s)
{
	xfed_dbrecv_free(s->dbrecv);
	xfed_dbinit_free(s->dbinit);
	xfed_dbverify_free(s->dbverify);
	s->dbrecv = NULL;
	s->dbinit = NULL;
	s->dbverify = NULL;
	s->wants_pair = false;
}

bool s2s_dialback_is_proved(const struct xfed_s2s *s, struct xfed_span remote, struct xfed_span local)
{
	return s->dbrecv && xfed_dbrecv_is_proved(s->dbrecv, remote, local);
}

/* ---- actions of the machines ---- */

static void proved(struct xfed_s2s *s, const struct xfed_dialback_pair *pair)
{
	bool is_first = s->state != XFED_S2S_READY;
	if (is_first && (s2s_set_name(&s->remote, pair->sender) != XFED_OK || s2s_set_name(&s->local, pair->target) != XFED_OK)) {
		s2s_fault(s, "names of the pair");
		return;
	}
	s2s_established(s, method_here(s), pair->sender, pair->target);
}

static void push_question(struct xfed_s2s *s, enum xfed_s2s_action_type type, const struct xfed_dialback_action *a)
{
	struct xfed_s2s_action *act = s2s_push(s, type);
	act->question = (struct xfed_s2s_question){ .pair = a->pair,
		.key = a->key,
		.stream_id = a->stream_id,
		.token = a->token,
		.origin = type == XFED_S2S_VERIFIED ? a->origin : s->connection };
	act->verdict = a->verdict;
}

/* A request of the peer has failed. If the key was wrong the stream is closed next, which is reported instead. */
static void pair_refused(struct xfed_s2s *s, const struct xfed_dialback_action *a)
{
	if (strcmp(a->condition, "invalid") == 0) {
		return;
	}
	struct xfed_s2s_action *act = s2s_push(s, XFED_S2S_PAIR_REFUSED);
	act->from = a->pair.sender;
	act->to = a->pair.target;
	act->is_secure = s->is_secure;
	act->reason = a->reason;
	act->side = a->side;
	act->text = a->condition;
}

static void perform(struct xfed_s2s *s, const struct xfed_dialback_action *a)
{
	switch (a->type) {
	case XFED_DIALBACK_DO_SEND:
		s2s_send_bytes(s, a->bytes);
		break;
	case XFED_DIALBACK_DO_ASK:
		push_question(s, XFED_S2S_ASK_VERIFY, a);
		break;
	case XFED_DIALBACK_DO_PROVED:
		proved(s, &a->pair);
		break;
	case XFED_DIALBACK_DO_CLOSE:
		s2s_close(s, a->reason, "");
		break;
	case XFED_DIALBACK_DO_READY:
		s2s_established(s, method_here(s), xfed_span_str(s->remote), xfed_span_str(s->local));
		s2s_sm_start(s);
		break;
	case XFED_DIALBACK_DO_FAILED:
		if (s->direction == XFED_S2S_OUT) {
			s2s_close_side(s, a->reason, a->side, a->condition); /* this stream is for this pair only */
		} else {
			pair_refused(s, a);
		}
		break;
	case XFED_DIALBACK_DO_VERDICT:
		push_question(s, XFED_S2S_VERIFIED, a);
		break;
	}
}

static bool next(struct xfed_s2s *s, struct xfed_dialback_action *a)
{
	return (s->dbrecv && xfed_dbrecv_next(s->dbrecv, a)) || (s->dbinit && xfed_dbinit_next(s->dbinit, a)) ||
	       (s->dbverify && xfed_dbverify_next(s->dbverify, a));
}

/* As many as the queue has room for; xfed_s2s_next() calls this again for the rest. */
void s2s_dialback_drain(struct xfed_s2s *s)
{
	struct xfed_dialback_action a;
	while (s->action_head + s->action_count + 2 < XFED_S2S_ACTIONS_MAX && next(s, &a)) {
		perform(s, &a);
	}
}

/* After a step of one of them. */
static void go_on(struct xfed_s2s *s, int rc)
{
	if (rc != XFED_OK) {
		s2s_fault(s, "dialback");
	} else {
		s2s_dialback_drain(s);
	}
}

/* ---- receiving ---- */

static bool make_dbrecv(struct xfed_s2s *s)
{
	struct xfed_dbrecv_config cfg = { .env = s->env, .stream_id = stream_id(s), .is_authenticated = s->has_external, .time_divisor = s->divisor };
	return s->dbrecv || xfed_dbrecv_new(&cfg, &s->dbrecv) == XFED_OK;
}

static void feed_request(struct xfed_s2s *s, const struct xfed_dialback_decision *d)
{
	struct xfed_dbrecv_event ev = { .type = XFED_DBRECV_REQUEST, .elem = &s->request, .decision = *d };
	go_on(s, make_dbrecv(s) ? xfed_dbrecv_step(s->dbrecv, &ev, s->now_ms) : XFED_ERR_NOMEM);
}

static bool read_element(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	switch (xfed_dialback_read(xfed_xml_reader_arena(s->reader), e, &s->request)) {
	case XFED_OK:
		return true;
	case XFED_ERR_NOMEM:
		s2s_fault(s, "dialback");
		return false;
	default:
		s2s_close(s, XFED_REASON_STREAM_STANZA_UNSUPPORTED, "an unknown dialback element");
		return false;
	}
}

void s2s_dialback_result_in(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (!read_element(s, e)) {
		return;
	}
	if (s->request.type != XFED_DIALBACK_KEY || !s->request.from.data || !s->request.to.data) {
		struct xfed_dialback_decision none = { .refuse = XFED_REASON_NONE };
		feed_request(s, &none); /* it is ignored, or the stream closed, without asking policy */
		return;
	}
	s->wants_pair = true;
	struct xfed_s2s_action *act = s2s_push(s, XFED_S2S_PAIR);
	act->from = s->request.from;
	act->to = s->request.to;
	act->is_secure = s->is_secure;
}

void s2s_dialback_pair_decided(struct xfed_s2s *s, const struct xfed_s2s_event *ev)
{
	s->wants_pair = false;
	const struct xfed_s2s_decision *d = &ev->decision;
	struct xfed_dialback_decision out = { .is_local = ev->is_local, .refuse = d->refuse };
	if (out.refuse == XFED_REASON_NONE && !(d->methods & method_here(s))) {
		/* "TLS first" if that would help, else a certificate is needed: policy-violation, not-authorized */
		bool tls_helps = !s->is_secure && (d->needs_tls || (d->methods & XFED_METHOD_DIALBACK_TLS));
		out.refuse = tls_helps ? XFED_REASON_TLS_REQUIRED_MISSING : XFED_REASON_DIALBACK_NOT_ALLOWED;
	}
	bool may_shortcut = s->is_secure && (d->methods & XFED_METHOD_EXTERNAL);
	out.is_proved_by_certificate = may_shortcut && s2s_judge_certificate(s, s->request.from) == XFED_REASON_NONE; /* [A8-18] */
	if (out.is_proved_by_certificate && out.is_local && out.refuse == XFED_REASON_NONE) {
		s->leans_on_certificate = true;
	}
	if (s->state != XFED_S2S_READY) {
		s->stanza_bytes = d->stanza_bytes;
	}
	feed_request(s, &out);
}

void s2s_dialback_verdict(struct xfed_s2s *s, const struct xfed_s2s_event *ev)
{
	struct xfed_dbrecv_event in = { .type = XFED_DBRECV_VERDICT,
		.token = ev->question.token,
		.sender = ev->question.pair.sender,
		.target = ev->question.pair.target,
		.stream_id = ev->question.stream_id,
		.verdict = ev->verdict };
	if (s->dbrecv) { /* else the stream has been restarted meanwhile */
		go_on(s, xfed_dbrecv_step(s->dbrecv, &in, s->now_ms));
	}
}

/* ---- authoritative ---- */

void s2s_dialback_verify_in(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (!read_element(s, e) || s->request.type != XFED_DIALBACK_KEY) {
		return; /* an answer to a question that was not asked here [A8-12] */
	}
	s2s_push(s, XFED_S2S_AUTHORITY)->dialback = &s->request;
}

/* ---- initiating ---- */

void s2s_dialback_start(struct xfed_s2s *s)
{
	struct xfed_dbinit_config cfg = { .env = s->env,
		.stream_id = stream_id(s),
		.sender = xfed_span_str(s->local),
		.target = xfed_span_str(s->remote),
		.hash_hex = xfed_span_str(s->dialback_hash),
		.time_divisor = s->divisor };
	if (cfg.hash_hex.len == 0) {
		s2s_close_side(s, XFED_REASON_DIALBACK_UNAVAILABLE, XFED_SIDE_US, "no dialback secret");
	} else if (cfg.stream_id.len == 0) {
		s2s_close_side(s, XFED_REASON_DIALBACK_UNAVAILABLE, XFED_SIDE_PARTNER, "no id in the stream header");
	} else if (s2s_enter(s, XFED_S2S_WAIT_DIALBACK)) {
		go_on(s, xfed_dbinit_new(&cfg, s->now_ms, &s->dbinit));
	}
}

void s2s_dialback_answer(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (!read_element(s, e)) {
		return;
	}
	if (s->request.type == XFED_DIALBACK_KEY) {
		s2s_close(s, XFED_REASON_STREAM_STANZA_UNSUPPORTED, "a dialback request on a stream we opened");
	} else if (s->request.kind == XFED_DIALBACK_RESULT && s->dbinit) {
		go_on(s, xfed_dbinit_step(s->dbinit, &s->request, s->now_ms));
	} else if (s->request.kind == XFED_DIALBACK_VERIFY && s->dbverify) {
		struct xfed_dbverify_event ev = { .type = XFED_DBVERIFY_ANSWER, .elem = &s->request };
		go_on(s, xfed_dbverify_step(s->dbverify, &ev, s->now_ms));
	}
}

/* ---- verify streams ---- */

static bool make_dbverify(struct xfed_s2s *s)
{
	struct xfed_dbverify_config cfg = { .env = s->env, .connection = s->connection, .time_divisor = s->divisor };
	return s->dbverify || xfed_dbverify_new(&cfg, &s->dbverify) == XFED_OK;
}

void s2s_dialback_open_verify(struct xfed_s2s *s)
{
	struct xfed_dbverify_event ev = { .type = XFED_DBVERIFY_OPEN };
	if (!make_dbverify(s) || xfed_dbverify_step(s->dbverify, &ev, s->now_ms) != XFED_OK) {
		s2s_fault(s, "dialback");
		return;
	}
	s->established_ms = s->stanza_ms = s->now_ms;
	if (s2s_enter(s, XFED_S2S_VERIFYING)) {
		s2s_push(s, XFED_S2S_VERIFY_OPEN);
		s2s_dialback_drain(s);
	}
}

/* Gives a verdict at once for a question that cannot be asked here. */
void s2s_dialback_refuse(struct xfed_s2s *s, const struct xfed_s2s_question *q, enum xfed_dialback_verdict verdict)
{
	struct xfed_s2s_action *act = s2s_push(s, XFED_S2S_VERIFIED);
	act->question = *q;
	act->verdict = verdict;
}

void s2s_dialback_ask(struct xfed_s2s *s, const struct xfed_s2s_event *ev)
{
	const struct xfed_s2s_question *q = &ev->question;
	struct xfed_dbverify_event in = {
		.type = XFED_DBVERIFY_ASK, .pair = q->pair, .key = q->key, .stream_id = q->stream_id, .token = q->token, .origin = q->origin
	};
	int rc = s->dbverify ? xfed_dbverify_step(s->dbverify, &in, s->now_ms) : XFED_ERR_STATE;
	if (rc != XFED_OK) {
		/* No room for a question is no failure of the authority: the sender is told to try again. */
		s2s_dialback_refuse(s, q, rc == XFED_ERR_LIMIT || rc == XFED_ERR_NOMEM ? XFED_DIALBACK_VERDICT_BUSY : XFED_DIALBACK_VERDICT_LOST);
		return;
	}
	s->stanza_ms = s->now_ms;
	s2s_meter_question(s, &q->pair);
	s2s_dialback_drain(s);
}

/* ---- time and end ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t s2s_dialback_deadline(const struct xfed_s2s *s)
{
	uint64_t when = UINT64_MAX;
	when = s->dbrecv ? earlier(when, xfed_dbrecv_deadline(s->dbrecv)) : when;
	when = s->dbinit ? earlier(when, xfed_dbinit_deadline(s->dbinit)) : when;
	return s->dbverify ? earlier(when, xfed_dbverify_deadline(s->dbverify)) : when;
}

void s2s_dialback_tick(struct xfed_s2s *s)
{
	struct xfed_dbrecv_event recv = { .type = XFED_DBRECV_TICK };
	struct xfed_dbverify_event verify = { .type = XFED_DBVERIFY_TICK };
	int rc = XFED_OK;
	if (s->now_ms < s2s_dialback_deadline(s)) {
		return;
	}
	rc |= s->dbrecv ? xfed_dbrecv_step(s->dbrecv, &recv, s->now_ms) : 0;
	rc |= s->dbinit ? xfed_dbinit_step(s->dbinit, NULL, s->now_ms) : 0;
	rc |= s->dbverify ? xfed_dbverify_step(s->dbverify, &verify, s->now_ms) : 0;
	go_on(s, rc);
}

/* The stream has ended: questions on a verify stream get their verdicts before CLOSED. */
void s2s_dialback_end(struct xfed_s2s *s)
{
	struct xfed_dbverify_event ev = { .type = XFED_DBVERIFY_END, .is_host_unknown = s->is_host_unknown };
	if (s->dbverify) {
		xfed_dbverify_step(s->dbverify, &ev, s->now_ms);
	}
}
