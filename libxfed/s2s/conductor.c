#include "internal.h"

#include <stdio.h>

static const char *const event_names[] = {
#define X(id, name) name,
	XFED_S2S_EVENTS(X)
#undef X
};

int xfed_s2s_new(const struct xfed_s2s_config *cfg, struct xfed_s2s **out)
{
	*out = NULL;
	struct xfed_s2s *s = xfed_calloc(1, sizeof(*s));
	if (!s) {
		return XFED_ERR_NOMEM;
	}
	s->env = cfg->env;
	s->direction = cfg->direction;
	s->divisor = cfg->time_divisor ? cfg->time_divisor : 1;
	s->establish_ms = cfg->establish_ms ? cfg->establish_ms : XFED_S2S_ESTABLISH_MS;
	s->inactivity_ms = cfg->inactivity_ms ? cfg->inactivity_ms : XFED_S2S_INACTIVITY_MS;
	s->out = cfg->out;
	s->connection = cfg->connection;
	s->stanza_bytes = XFED_STANZA_BYTES_DEFAULT;
	xfed_buf_init(&s->plain, 65536);
	s2s_sm_init(s, cfg->sm_start);
	struct xfed_xml_limits limits = { XFED_UNAUTH_STANZA_BYTES, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
	if (xfed_xml_reader_new(&limits, &s->reader) != XFED_OK) {
		goto fail;
	}
	if (cfg->direction == XFED_S2S_OUT) {
		if (s2s_set_name(&s->local, cfg->local) != XFED_OK || s2s_set_name(&s->remote, cfg->remote) != XFED_OK) {
			goto fail;
		}
		s->needs_tls = cfg->decision.needs_tls;
		s->methods = cfg->decision.methods;
		s->stanza_bytes = cfg->decision.stanza_bytes;
		s->is_quiet = cfg->decision.is_quiet;
		s->is_verify = cfg->is_verify;
		if (cfg->decision.dialback_hash.len == XFED_DIALBACK_HEX) {
			memcpy(s->dialback_hash, cfg->decision.dialback_hash.data, XFED_DIALBACK_HEX);
		}
		s->creds = cfg->decision.creds ? xfed_tls_creds_ref(cfg->decision.creds) : NULL;
	}
	*out = s;
	return XFED_OK;
fail:
	xfed_s2s_free(s);
	return XFED_ERR_NOMEM;
}

void xfed_s2s_free(struct xfed_s2s *s)
{
	if (!s) {
		return;
	}
	XFED_REQUIRE(!s->job_running);
	s2s_dialback_reset(s);
	s2s_sm_deinit(s);
	xfed_wipe(s->dialback_hash, sizeof(s->dialback_hash));
	xfed_free(s->stream_id);
	xfed_sasl_server_free(s->sasl);
	xfed_tls_free(s->tls);
	xfed_tls_creds_unref(s->creds);
	xfed_xml_reader_free(s->reader);
	xfed_buf_deinit(&s->plain);
	xfed_free(s->actions);
	xfed_free(s->local);
	xfed_free(s->remote);
	xfed_free(s);
}

int s2s_set_name(char **slot, struct xfed_span name)
{
	char *copy = NULL;
	if (name.data) {
		copy = xfed_strndup(name);
		if (!copy) {
			return XFED_ERR_NOMEM;
		}
	}
	xfed_free(*slot);
	*slot = copy;
	return XFED_OK;
}

const char *s2s_state_name(const struct xfed_s2s *s)
{
	return s2s_state_names[s->state];
}

bool s2s_enter(struct xfed_s2s *s, enum xfed_s2s_state state)
{
	if (!s2s_may_follow(s, state)) {
		char text[64];
		snprintf(text, sizeof(text), "%s behind %s", s2s_state_names[state], s2s_state_names[s->state]);
		s2s_fault(s, text);
		return false;
	}
	if (s->env->trace) {
		s->env->trace(s->env->user, "s2s", s2s_state_names[state]);
	}
	s->state = state;
	return true;
}

struct xfed_s2s_action *s2s_push(struct xfed_s2s *s, enum xfed_s2s_action_type type)
{
	XFED_REQUIRE(s->actions && s->action_head + s->action_count < XFED_S2S_ACTIONS_MAX);
	struct xfed_s2s_action *a = &s->actions[s->action_head + s->action_count++];
	*a = (struct xfed_s2s_action){ .type = type, .text = "" };
	return a;
}

bool s2s_is_over(const struct xfed_s2s *s)
{
	return s->state == XFED_S2S_DONE;
}

/* ---- ways in which a stream ends ---- */

static void remember(struct xfed_s2s *s, enum xfed_reason reason, enum xfed_side side, const char *text)
{
	if (s->reason != XFED_REASON_NONE) {
		return; /* the first reason counts */
	}
	s->reason = reason;
	s->side = side;
	snprintf(s->text, sizeof(s->text), "%s", text ? text : "");
}

void s2s_finish(struct xfed_s2s *s, bool is_abrupt)
{
	if (s2s_is_over(s)) {
		return;
	}
	s2s_enter(s, XFED_S2S_DONE);
	s->has_closed = true;
	s->is_abrupt = is_abrupt;
	s2s_dialback_end(s);
}

void s2s_bye(struct xfed_s2s *s)
{
	if (s->is_secure) {
		xfed_tls_bye(s->tls);
		s2s_tls_flush(s);
	}
	s2s_finish(s, false);
}

int s2s_set_stream_id(struct xfed_s2s *s, struct xfed_span id)
{
	return id.len > XFED_DIALBACK_ID_BYTES ? XFED_ERR_LIMIT : s2s_set_name(&s->stream_id, id);
}

void s2s_drop(struct xfed_s2s *s, enum xfed_reason reason, const char *text)
{
	remember(s, reason, xfed_reason_info(reason)->side, text);
	s2s_finish(s, reason == XFED_REASON_STREAM_OUTPUT_FULL);
}

void s2s_fault(struct xfed_s2s *s, const char *what)
{
	remember(s, XFED_REASON_STREAM_INTERNAL, XFED_SIDE_US, what);
	s2s_finish(s, true);
}

void s2s_close_side(struct xfed_s2s *s, enum xfed_reason reason, enum xfed_side side, const char *text)
{
	if (s2s_is_over(s) || s->state == XFED_S2S_CLOSING) {
		return;
	}
	remember(s, reason, side, text);
	if (s->state == XFED_S2S_HANDSHAKING) {
		s2s_finish(s, false); /* nothing can be sent now */
		return;
	}
	if (!s->header_sent) {
		s2s_send_header(s); /* [A3-02]: open, error, close */
	}
	s2s_sm_farewell(s);
	const char *condition = s->condition ? s->condition : xfed_reason_info(reason)->stream_error;
	bool has_error = condition && !s->peer_closed;
	if (has_error) {
		s2s_send_error(s, condition, reason, text);
	} else {
		s2s_send_str(s, "</stream:stream>");
	}
	if (has_error && !s2s_takes_last(s)) {
		s2s_bye(s);
		return;
	}
	if (s->peer_closed || s2s_is_over(s)) {
		s2s_finish(s, false);
		return;
	}
	s->closing_ms = s->now_ms;
	s->wants_pair = false; /* an answer that comes now is ignored; reading goes on for the closing tag */
	s2s_enter(s, XFED_S2S_CLOSING);
}

void s2s_close(struct xfed_s2s *s, enum xfed_reason reason, const char *text)
{
	s2s_close_side(s, reason, xfed_reason_info(reason)->side, text);
}

/* ---- life ---- */

bool s2s_restart(struct xfed_s2s *s)
{
	xfed_xml_reader_restart(s->reader);
	s2s_dialback_reset(s);
	s->header_sent = s->is_established = false;
	return s2s_enter(s, XFED_S2S_WAIT_HEADER);
}

/*
 * RFC 6120 5.4.3.3: what was said or proved without TLS is void when TLS begins. The addresses are kept for the log as what the peer
 * claims, until the header inside TLS names them again; authentication attempts go on counting.
 */
void s2s_forget(struct xfed_s2s *s)
{
	s2s_dialback_reset(s);
	xfed_sasl_server_free(s->sasl);
	s->sasl = NULL;
	xfed_free(s->stream_id);
	s->stream_id = NULL;
	s->lang[0] = '\0';
	s->has_external = s->is_established = s->external_offered = false;
	s->peer_has_version = s->sm.is_offered = false;
	s->has_features = s->offers_tls = s->offers_external = s->offers_dialback = false; /* [A4-06] */
	s->method = 0;
	if (s->direction == XFED_S2S_IN) {
		s->methods = 0; /* until the decision about the header inside TLS */
		s->needs_tls = true;
	}
}

static bool first_pair(struct xfed_s2s *s, enum xfed_method method)
{
	if (!s2s_enter(s, XFED_S2S_READY)) {
		return false;
	}
	s->is_established = true;
	s->method = method;
	s->established_ms = s->stanza_ms = s->now_ms;
	struct xfed_xml_limits limits = { s->stanza_bytes, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
	limits.most_bytes = s->direction == XFED_S2S_IN ? XFED_STANZA_BYTES_MAX : 0; /* only incoming streams carry users' stanzas */
	xfed_xml_reader_set_limits(s->reader, &limits);
	xfed_sasl_server_free(s->sasl);
	s->sasl = NULL;
	return true;
}

/* A pair is proved: the first one makes the stream READY, dialback may add more. */
void s2s_established(struct xfed_s2s *s, enum xfed_method method, struct xfed_span remote, struct xfed_span local)
{
	if (method == XFED_METHOD_EXTERNAL && !(s->is_secure && s->has_external)) {
		s2s_fault(s, "EXTERNAL without a login");
		return;
	}
	if (s->state != XFED_S2S_READY && !first_pair(s, method)) {
		return;
	}
	struct xfed_s2s_action *act = s2s_push(s, XFED_S2S_ESTABLISHED);
	act->from = remote;
	act->to = local;
	act->method = method;
	act->is_secure = s->is_secure;
}

static bool may_go_on(const struct xfed_s2s *s)
{
	return s->action_count == 0 && !s->took_element && !s->job_running && !s->wants_pair && s->state != XFED_S2S_DONE &&
	       s->state != XFED_S2S_WAIT_DECISION && s->state != XFED_S2S_HANDSHAKING;
}

static void pump_secure(struct xfed_s2s *s)
{
	while (s->is_secure && may_go_on(s)) {
		if (xfed_buf_len(&s->plain) == 0 && !s2s_tls_read(s)) {
			break;
		}
		size_t n = s2s_read_xml(s, xfed_buf_span(&s->plain));
		xfed_buf_consume(&s->plain, n);
	}
	if (xfed_buf_len(&s->plain) == 0) {
		xfed_buf_trim(&s->plain);
	}
}

static void take_bytes(struct xfed_s2s *s, struct xfed_s2s_event *ev)
{
	ev->consumed = 0;
	if (ev->bytes.len > 0) {
		s->traffic_ms = s->now_ms;
	}
	if (s->tls) {
		if (!s->wants_pair) {
			s2s_tls_take(s, ev);
			pump_secure(s);
		}
		return;
	}
	while (ev->consumed < ev->bytes.len && may_go_on(s) && !s->tls) {
		ev->consumed += s2s_read_xml(s, xfed_span_make(ev->bytes.data + ev->consumed, ev->bytes.len - ev->consumed));
	}
}

static void take_end(struct xfed_s2s *s, enum xfed_reason reason)
{
	if (s->job_running) {
		/* The handshake job may find more in the last bytes than that they were the last: mostly an alert. */
		s->end_waits = true;
		s->end_reason = reason;
		return;
	}
	if (s->state == XFED_S2S_CLOSING || s->peer_closed) {
		s2s_finish(s, true);
		return;
	}
	remember(s, reason != XFED_REASON_NONE ? reason : XFED_REASON_NET_STREAM_LOST, xfed_reason_info(XFED_REASON_NET_STREAM_LOST)->side,
		xfed_s2s_words(s2s_state_names[s->state]));
	s2s_finish(s, true);
}

/* ---- the machine ---- */

static void start(struct xfed_s2s *s)
{
	s->opened_ms = s->traffic_ms = s->now_ms;
	if (s2s_enter(s, XFED_S2S_WAIT_HEADER) && s->direction == XFED_S2S_OUT) {
		s2s_send_header(s);
	}
}

/* An idle stream has no queue, as it has no parser. */
static bool wake_up(struct xfed_s2s *s)
{
	if (!s->actions) {
		s->actions = xfed_malloc(XFED_S2S_ACTIONS_MAX * sizeof(*s->actions));
	}
	return s->actions != NULL;
}

void s2s_fall_asleep(struct xfed_s2s *s)
{
	xfed_xml_reader_hibernate(s->reader);
	if (!s->dbrecv && !s->dbinit && !s->dbverify) { /* these may have actions of their own at any time */
		xfed_free(s->actions);
		s->actions = NULL;
	}
}

bool xfed_s2s_is_asleep(const struct xfed_s2s *s)
{
	return xfed_xml_reader_is_hibernating(s->reader);
}

static void take(struct xfed_s2s *s, struct xfed_s2s_event *ev)
{
	switch (ev->type) {
	case XFED_S2S_START:
		start(s);
		break;
	case XFED_S2S_BYTES:
		take_bytes(s, ev);
		break;
	case XFED_S2S_PUMP:
		pump_secure(s);
		break;
	case XFED_S2S_JOB_DONE:
		s2s_tls_job_done(s, ev->tls_result);
		if (s->end_waits && !s2s_is_over(s)) {
			take_end(s, s->end_reason);
		}
		break;
	case XFED_S2S_DECISION:
		s2s_in_decision(s, &ev->decision);
		break;
	case XFED_S2S_PAIR_DECISION:
		s2s_dialback_pair_decided(s, ev);
		break;
	case XFED_S2S_ASK:
		s2s_dialback_ask(s, ev);
		break;
	case XFED_S2S_VERDICT:
		s2s_dialback_verdict(s, ev);
		break;
	case XFED_S2S_SAY:
		s2s_send_bytes(s, ev->bytes);
		break;
	case XFED_S2S_TICK:
		s2s_take_tick(s);
		break;
	case XFED_S2S_END:
		take_end(s, ev->reason);
		break;
	case XFED_S2S_CLOSE:
		s2s_close(s, ev->reason, ev->text);
		break;
	}
}

/* An event that the table does not allow in this state. */
static void turn_away(struct xfed_s2s *s, const struct xfed_s2s_event *ev, enum s2s_outcome outcome)
{
	char text[64];
	if (s->env->trace) {
		s->env->trace(s->env->user, "s2s.turned-away", event_names[ev->type]);
	}
	if (outcome == S2S_REFUSE) {
		s2s_dialback_refuse(s, &ev->question, XFED_DIALBACK_VERDICT_LOST);
	} else if (outcome == S2S_FAULT) {
		snprintf(text, sizeof(text), "%s in %s", event_names[ev->type], s2s_state_names[s->state]);
		s2s_fault(s, text);
	}
}

int xfed_s2s_step(struct xfed_s2s *s, struct xfed_s2s_event *ev, uint64_t now_ms)
{
	XFED_REQUIRE(s->action_count == 0 && !s->has_closed);
	s->action_head = 0;
	s->now_ms = now_ms;
	s->took_element = ev->took_element = false;
	ev->consumed = 0;
	if (!wake_up(s)) {
		s2s_fault(s, "actions");
		return XFED_ERR_NOMEM;
	}
	enum s2s_outcome outcome = s2s_outcome_of(s, ev->type);
	if (outcome == S2S_TAKE) {
		take(s, ev);
	} else {
		turn_away(s, ev, outcome);
	}
	ev->took_element = s->took_element;
	bool is_nomem = s->state == XFED_S2S_DONE && s->reason == XFED_REASON_STREAM_INTERNAL;
	return is_nomem ? XFED_ERR_NOMEM : XFED_OK;
}

bool xfed_s2s_next(struct xfed_s2s *s, struct xfed_s2s_action *act)
{
	if (s->action_count == 0) {
		s->action_head = 0;
		s2s_dialback_drain(s);
	}
	if (s->action_count > 0) {
		*act = s->actions[s->action_head++];
		s->action_count--;
		return true;
	}
	if (!s->has_closed) {
		return false;
	}
	s->has_closed = false;
	*act = (struct xfed_s2s_action){ .type = XFED_S2S_CLOSED, .reason = s->reason, .side = s->side, .text = s->text, .is_abrupt = s->is_abrupt };
	return true;
}

bool xfed_s2s_has_pending(const struct xfed_s2s *s)
{
	bool can = s->is_secure && !s->job_running && !s->wants_pair && s->state != XFED_S2S_DONE && s->state != XFED_S2S_WAIT_DECISION;
	return can && (xfed_buf_len(&s->plain) > 0 || !s->tls_starved);
}

bool xfed_s2s_has_job(const struct xfed_s2s *s)
{
	return s->job_running;
}

void xfed_s2s_info(const struct xfed_s2s *s, struct xfed_s2s_info *out)
{
	*out = (struct xfed_s2s_info){
		.direction = s->direction,
		.state = s->state,
		.state_name = s2s_state_names[s->state],
		.local = xfed_span_str(s->local),
		.remote = xfed_span_str(s->remote),
		.is_secure = s->is_secure,
		.is_authenticated = s->has_external || s->is_established,
		.tried_external = s->tried_external,
		.has_features = s->has_features,
		.offers_tls = s->offers_tls,
		.offers_external = s->offers_external,
		.offers_dialback = s->offers_dialback,
		.method = s->method,
		.cert_reason = s->cert_reason,
		.why_not_external = s->why_not_external,
		.peer_bytes = s->peer_bytes,
		.opened_ms = s->opened_ms,
		.established_ms = s->established_ms,
		.last_traffic_ms = s->traffic_ms > s->sent_ms ? s->traffic_ms : s->sent_ms,
		.has_sm = s->sm.is_on,
		.sm_sent = s->sm.sent - s->sm.start,
		.sm_acked = s->sm.acked - s->sm.start,
		.sm_received = s->sm.received - s->sm.start,
		.sm_covered = s->sm.covered - s->sm.start,
		.stream_id = xfed_span_str(s->stream_id),
	};
	if (s->is_secure) {
		xfed_tls_facts(s->tls, &out->tls);
	}
}
