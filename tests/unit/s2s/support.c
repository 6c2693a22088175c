#include "support.h"

#include <stdio.h>

static void fixed_random(void *user, void *out, size_t len)
{
	memset(out, 0x5a, len);
}

static int64_t fixed_wall(void *user)
{
	return 1800000000;
}

/* ---- the model ---- */

static void pair_text(char *out, size_t size, struct xfed_span from, struct xfed_span to)
{
	snprintf(out, size, "[%.*s %.*s]", (int)from.len, from.data ? from.data : "", (int)to.len, to.data ? to.data : "");
}

static void add_text(char *list, size_t size, const char *text)
{
	size_t used = strlen(list);
	if (strstr(list, text)) {
		return;
	}
	XFED_REQUIRE(used + strlen(text) < size);
	memcpy(list + used, text, strlen(text) + 1);
}

static bool certificate_proves(struct xfed_span domain)
{
	return stub_peer.is_presented && stub_peer.purpose_ok && stub_peer.chain_reason == XFED_REASON_NONE && stub_peer.proves &&
	       xfed_span_is(domain, stub_peer.proves);
}

/* Nothing of ours in the middle of a handshake, nor behind our closing tag. */
static bool is_silent(const char *state)
{
	return strcmp(state, "handshaking") == 0 || strcmp(state, "closing") == 0 || strcmp(state, "done") == 0;
}

/* A stream that begins anew has proved nothing; TLS voids the login too. */
static void on_state(void *user, const char *machine, const char *state)
{
	struct rig *r = user;
	struct rig_model *m = &r->model;
	if (strcmp(machine, "s2s") != 0) {
		return;
	}
	bool is_tls = strcmp(state, "handshaking") == 0, is_restart = strcmp(state, "wait-header") == 0;
	if (is_tls || is_restart) {
		m->pairs[0] = m->proofs[0] = '\0';
		m->ask_count = 0;
	}
	m->allowed = is_tls ? 0 : m->allowed;
	bool was_tls = m->state && (strcmp(m->state, "handshaking") == 0 || strcmp(m->state, "new") == 0);
	struct xfed_span out = xfed_buf_span(&r->out);
	bool is_out = m->state && strcmp(m->state, "wait-sasl") == 0;
	bool said_success = out.data && memmem(out.data, out.len, "<success xmlns=", 15) != NULL;
	m->has_login = !is_tls && (m->has_login || (is_restart && !was_tls && (is_out || said_success)));
	if (!m->closing_step && (strcmp(state, "closing") == 0 || strcmp(state, "done") == 0)) {
		m->closing_step = m->step;
	}
	m->may_speak |= !is_silent(state);
	m->state = state;
}

static bool is_behind_the_end(const struct rig *r)
{
	return r->model.closing_step && r->model.closing_step < r->model.step;
}

static const struct rig_ask *find_ask(const struct rig_model *m, const struct xfed_s2s_question *q)
{
	for (size_t i = 0; i < m->ask_count && i < RIG_ASKS; i++) {
		const struct rig_ask *a = &m->asks[i];
		if (a->token == q->token && xfed_span_is(q->pair.sender, a->sender) && xfed_span_is(q->pair.target, a->target) &&
			xfed_span_is(q->stream_id, a->stream_id)) {
			return a;
		}
	}
	return NULL;
}

/* What an event proves, and what it says of the end. */
static void model_event(struct rig *r, const struct xfed_s2s_event *ev)
{
	struct rig_model *m = &r->model;
	struct xfed_s2s_info info;
	char pair[600];
	xfed_s2s_info(r->s2s, &info);
	m->step++;
	if (ev->type == XFED_S2S_DECISION || ev->type == XFED_S2S_PAIR_DECISION) {
		m->allowed |= ev->decision.methods;
	}
	if (ev->type == XFED_S2S_VERDICT && ev->verdict == XFED_DIALBACK_VERDICT_VALID && find_ask(m, &ev->question)) {
		pair_text(pair, sizeof(pair), ev->question.pair.sender, ev->question.pair.target);
		add_text(m->proofs, sizeof(m->proofs), pair);
	}
	bool may_count = ev->type == XFED_S2S_PAIR_DECISION && info.is_secure && (ev->decision.methods & XFED_METHOD_EXTERNAL);
	if (may_count && certificate_proves(xfed_span_str(m->requested_from))) {
		add_text(m->proofs, sizeof(m->proofs), m->requested);
	}
	if (!m->closing_step) {
		bool is_told = ev->type == XFED_S2S_CLOSE &&
			       (ev->reason == XFED_REASON_STREAM_CLOSED_IDLE || ev->reason == XFED_REASON_STREAM_CLOSED_DRAIN ||
				       ev->reason == XFED_REASON_CHANNEL_DOWN);
		m->is_friendly = is_told || ev->type == XFED_S2S_TICK;
	}
}

static void model_action(const struct rig *r, const struct xfed_s2s_action *act)
{
	bool is_late = act->type == XFED_S2S_ACKED || act->type == XFED_S2S_VERIFIED || act->type == XFED_S2S_CLOSED;
	bool is_last = (act->type == XFED_S2S_STANZA || act->type == XFED_S2S_STANZA_REFUSED) && r->model.is_friendly;
	XFED_REQUIRE(!is_behind_the_end(r) || is_late || is_last);
}

static void model_established(struct rig *r, const struct xfed_s2s_action *act)
{
	struct rig_model *m = &r->model;
	struct xfed_s2s_info info;
	char pair[600];
	xfed_s2s_info(r->s2s, &info);
	pair_text(pair, sizeof(pair), act->from, act->to);
	XFED_REQUIRE(act->method & (info.direction == XFED_S2S_IN ? m->allowed : r->decision.methods));
	if (act->method == XFED_METHOD_EXTERNAL) {
		XFED_REQUIRE(m->has_login && info.is_secure && act->is_secure && certificate_proves(act->from));
	} else {
		XFED_REQUIRE(act->method == (info.is_secure ? XFED_METHOD_DIALBACK_TLS : XFED_METHOD_DIALBACK_PLAIN));
		XFED_REQUIRE(info.direction == XFED_S2S_OUT || strstr(m->proofs, pair) != NULL);
	}
	add_text(m->pairs, sizeof(m->pairs), pair);
}

static void model_stanza(const struct rig *r, const struct xfed_s2s_action *act)
{
	char pair[600];
	struct xfed_s2s_info info;
	xfed_s2s_info(r->s2s, &info);
	pair_text(pair, sizeof(pair), act->stanza.from.domain, act->stanza.to.domain);
	XFED_REQUIRE(info.is_authenticated && strstr(r->model.pairs, pair) != NULL);
	XFED_REQUIRE(act->method != XFED_METHOD_EXTERNAL || r->model.has_login);
}

/* ---- actions as text ---- */

static void note(struct rig *r, const char *text)
{
	size_t used = strlen(r->actions);
	snprintf(r->actions + used, sizeof(r->actions) - used, "%s%s", used ? " " : "", text);
}

static void note_header(struct rig *r, const struct xfed_s2s_action *act)
{
	char text[256];
	snprintf(text, sizeof(text), "header(%.*s,%.*s,%s)", (int)act->from.len, act->from.data ? act->from.data : "", (int)act->to.len,
		act->to.data ? act->to.data : "", act->is_secure ? "secure" : "clear");
	note(r, text);
}

static void note_stanza(struct rig *r, const struct xfed_s2s_action *act)
{
	char text[256];
	struct xfed_span lang = xfed_xml_attr_get_ns(act->stanza.elem, XFED_NS_XML, "lang"), id = act->stanza.id;
	XFED_REQUIRE(xfed_span_eq(lang, act->stanza.lang));
	if (act->type == XFED_S2S_STANZA_REFUSED) {
		snprintf(text, sizeof(text), "refused(%.*s %s)", (int)id.len, id.data ? id.data : "", xfed_reason_code(act->reason));
		snprintf(r->refusal, sizeof(r->refusal), "%s", act->text);
		r->refused++;
	} else {
		snprintf(text, sizeof(text), "stanza(%.*s%s%.*s)", (int)id.len, id.data ? id.data : "", lang.len ? " " : "", (int)lang.len,
			lang.data ? lang.data : "");
		XFED_REQUIRE(act->reason == XFED_REASON_NONE && !act->stanza.is_from_malformed && !act->stanza.is_to_malformed);
	}
	note(r, text);
	r->stanzas++;
	XFED_REQUIRE(act->sm_number == 0 || act->sm_number == r->last_number + 1);
	r->last_number = act->sm_number ? act->sm_number : r->last_number;
	model_stanza(r, act);
}

static void note_words(struct rig *r, const char *word, struct xfed_span a, struct xfed_span b)
{
	char text[256];
	snprintf(text, sizeof(text), "%s(%.*s,%.*s)", word, (int)a.len, a.data ? a.data : "", (int)b.len, b.data ? b.data : "");
	note(r, text);
}

static void note_established(struct rig *r, const struct xfed_s2s_action *act)
{
	model_established(r, act);
	r->was_established = true;
	if (act->method == XFED_METHOD_EXTERNAL) {
		note(r, "established");
	} else {
		note_words(r, xfed_method_name(act->method), act->from, act->to);
	}
}

static void keep_question(struct rig *r, const struct xfed_s2s_question *q)
{
	r->asked.token = q->token;
	snprintf(r->asked.sender, sizeof(r->asked.sender), "%.*s", (int)q->pair.sender.len, q->pair.sender.data);
	snprintf(r->asked.target, sizeof(r->asked.target), "%.*s", (int)q->pair.target.len, q->pair.target.data);
	snprintf(r->asked.stream_id, sizeof(r->asked.stream_id), "%.*s", (int)q->stream_id.len, q->stream_id.data);
	r->model.asks[r->model.ask_count++ % RIG_ASKS] = r->asked;
	note_words(r, "ask", q->pair.sender, q->key);
}

static void keep_pair(struct rig *r, const struct xfed_s2s_action *act)
{
	pair_text(r->model.requested, sizeof(r->model.requested), act->from, act->to);
	snprintf(r->model.requested_from, sizeof(r->model.requested_from), "%.*s", (int)act->from.len, act->from.data);
	note_words(r, "pair", act->from, act->to);
}

static bool is_ours(struct xfed_span domain)
{
	return xfed_span_is(domain, "corp.example");
}

static bool answer_authority(struct rig *r, const struct xfed_dialback_elem *e, struct xfed_s2s_event *answer)
{
	struct xfed_dialback_authority authority = { .is_local = is_ours(e->to), .current = xfed_span_str(r->hash) };
	struct xfed_dialback_elem out;
	note_words(r, "authority", e->from, e->id);
	xfed_buf_clear(&r->say);
	if (xfed_dialback_authoritative(e, &authority, &out) != XFED_DIALBACK_ANSWER || xfed_dialback_print(&r->say, &out) != XFED_OK) {
		return false;
	}
	*answer = (struct xfed_s2s_event){ .type = XFED_S2S_SAY, .bytes = xfed_buf_span(&r->say) };
	return true;
}

static bool perform(struct rig *r, const struct xfed_s2s_action *act, struct xfed_s2s_event *answer)
{
	char text[256];
	XFED_REQUIRE(!r->is_over); /* CLOSED was the last one */
	model_action(r, act);
	switch (act->type) {
	case XFED_S2S_JOB:
		r->job = act->tls;
		if (r->defers) {
			note(r, "job");
			break;
		}
		*answer = (struct xfed_s2s_event){ .type = XFED_S2S_JOB_DONE, .tls_result = xfed_tls_handshake_step(act->tls) };
		return true;
	case XFED_S2S_HEADER:
		note_header(r, act);
		*answer = (struct xfed_s2s_event){ .type = XFED_S2S_DECISION, .decision = r->decision };
		return !r->defers;
	case XFED_S2S_PAIR:
		keep_pair(r, act);
		*answer = (struct xfed_s2s_event){ .type = XFED_S2S_PAIR_DECISION, .decision = r->decision, .is_local = is_ours(act->to) };
		return !r->defers;
	case XFED_S2S_ASK_VERIFY:
		keep_question(r, &act->question);
		break;
	case XFED_S2S_AUTHORITY:
		return answer_authority(r, act->dialback, answer);
	case XFED_S2S_VERIFY_OPEN:
		note(r, "verify-open");
		break;
	case XFED_S2S_PAIR_REFUSED:
		note_words(r, "pair-refused", xfed_span_str(xfed_reason_code(act->reason)), xfed_span_str(act->text));
		break;
	case XFED_S2S_VERIFIED:
		note_words(r, "verified", act->question.pair.sender, xfed_span_str(xfed_dialback_verdict_word(act->verdict)));
		break;
	case XFED_S2S_ESTABLISHED:
		note_established(r, act);
		break;
	case XFED_S2S_STANZA:
	case XFED_S2S_STANZA_REFUSED:
		note_stanza(r, act);
		break;
	case XFED_S2S_ACKED:
		XFED_REQUIRE(act->count > 0);
		r->acked += act->count;
		snprintf(text, sizeof(text), "acked(%zu)", act->count);
		note(r, text);
		break;
	case XFED_S2S_CLOSED:
		r->is_over = true;
		r->closed = act->reason;
		snprintf(text, sizeof(text), "closed(%s)", xfed_reason_code(act->reason));
		note(r, text);
		break;
	}
	return false;
}

/* Behind our closing tag an answer to what is asked no more changes nothing. */
static bool is_late_answer(const struct rig *r, enum xfed_s2s_event_type type)
{
	bool is_answer = type == XFED_S2S_VERDICT || type == XFED_S2S_DECISION || type == XFED_S2S_PAIR_DECISION || type == XFED_S2S_SAY ||
			 type == XFED_S2S_ASK;
	return is_answer && strcmp(r->model.state, "closing") == 0;
}

static void one_step(struct rig *r, struct xfed_s2s_event *ev)
{
	bool is_late = is_late_answer(r, ev->type);
	r->model.may_speak = !is_silent(r->model.state);
	size_t written = xfed_buf_len(&r->out);
	model_event(r, ev);
	xfed_s2s_step(r->s2s, ev, r->now_ms);
	struct xfed_span out = xfed_buf_span(&r->out);
	XFED_REQUIRE(!is_late || strcmp(r->model.state, "closing") == 0);
	XFED_REQUIRE(r->model.may_speak || out.len == written || !memchr(out.data + written, '<', out.len - written));
}

static void step(struct rig *r, struct xfed_s2s_event *ev)
{
	struct xfed_s2s_event now = *ev, next;
	bool more = true;
	for (int turns = 0; more; turns++) {
		XFED_REQUIRE(turns < 100);
		one_step(r, &now);
		if (turns == 0) {
			ev->consumed = now.consumed;
			ev->took_element = now.took_element;
		}
		more = false;
		struct xfed_s2s_action act;
		while (xfed_s2s_next(r->s2s, &act)) {
			more |= perform(r, &act, &next);
		}
		now = next;
	}
}

/* xfed/s2s.h: a method where authenticated. A reload looks at this at any moment. */
static void check_info(const struct rig *r)
{
	struct xfed_s2s_info info;
	xfed_s2s_info(r->s2s, &info);
	XFED_REQUIRE(!info.is_authenticated || info.method != 0);
}

void rig_event(struct rig *r, struct xfed_s2s_event *ev)
{
	step(r, ev);
	check_info(r);
	while (!r->is_over && !r->defers && xfed_s2s_has_pending(r->s2s)) {
		struct xfed_s2s_event pump = { .type = XFED_S2S_PUMP };
		step(r, &pump);
	}
}

void rig_receive(struct rig *r, struct xfed_span bytes)
{
	size_t at = 0;
	while (at < bytes.len && !r->is_over) {
		size_t len = bytes.len - at;
		if (r->chunk && len > r->chunk) {
			len = r->chunk;
		}
		size_t end = at + len;
		for (int stalls = 0; at < end && !r->is_over;) {
			struct xfed_s2s_event ev = { .type = XFED_S2S_BYTES, .bytes = xfed_span_make(bytes.data + at, end - at) };
			rig_event(r, &ev);
			at += ev.consumed;
			if (ev.consumed == 0 && r->defers) {
				return; /* nothing is taken until there is an answer */
			}
			XFED_REQUIRE(ev.consumed > 0 || ++stalls < 10);
		}
	}
}

bool rig_up(struct rig *r, enum xfed_s2s_direction direction)
{
	*r = (struct rig){ .chunk = r->chunk,
		.now_ms = 1000,
		.methods = r->methods,
		.tls_optional = r->tls_optional,
		.is_verify = r->is_verify,
		.is_quiet = r->is_quiet,
		.sm_start = r->sm_start,
		.last_number = r->sm_start,
		.stanza_bytes = r->stanza_bytes ? r->stanza_bytes : XFED_STANZA_BYTES_DEFAULT,
		.is_new = r->is_new,
		.defers = r->defers,
		.model = { .state = "new" } };
	xfed_buf_init(&r->say, 4096);
	if (xfed_dialback_hash(XFED_SPAN("s3cr3tf0rd14lb4ck"), r->hash) != XFED_OK) {
		return false;
	}
	r->env = (struct xfed_env){ .user = r, .random = fixed_random, .wall_s = fixed_wall, .trace = on_state };
	xfed_buf_init(&r->out, XFED_S2S_OUTPUT_BYTES);
	struct xfed_tls_creds_config none = { 0 };
	char error[64];
	if (xfed_tls_creds_new(&none, &r->creds, error, sizeof(error)) != XFED_OK) {
		return false;
	}
	r->decision = (struct xfed_s2s_decision){ .needs_tls = !r->tls_optional,
		.methods = r->methods ? r->methods : XFED_METHOD_EXTERNAL,
		.stanza_bytes = r->stanza_bytes,
		.is_quiet = r->is_quiet,
		.creds = r->creds,
		.dialback_hash = xfed_span_str(r->hash) };
	struct xfed_s2s_config cfg = {
		.env = &r->env, .direction = direction, .out = &r->out, .is_verify = r->is_verify, .connection = 7, .sm_start = r->sm_start
	};
	if (direction == XFED_S2S_OUT) {
		cfg.local = XFED_SPAN("corp.example");
		cfg.remote = XFED_SPAN("partner.example");
		cfg.decision = r->decision;
	}
	if (xfed_s2s_new(&cfg, &r->s2s) != XFED_OK) {
		return false;
	}
	struct xfed_s2s_event ev = { .type = XFED_S2S_START };
	if (!r->is_new) {
		rig_event(r, &ev);
	}
	return true;
}

struct xfed_s2s_event rig_verdict(const struct rig *r, enum xfed_dialback_verdict verdict)
{
	return (struct xfed_s2s_event){ .type = XFED_S2S_VERDICT,
		.verdict = verdict,
		.question = { .token = r->asked.token,
			.stream_id = xfed_span_str(r->asked.stream_id),
			.pair = { .sender = xfed_span_str(r->asked.sender), .target = xfed_span_str(r->asked.target) } } };
}

void rig_down(struct rig *r)
{
	if (r->s2s && xfed_s2s_has_job(r->s2s)) {
		struct xfed_s2s_event done = { .type = XFED_S2S_JOB_DONE, .tls_result = xfed_tls_handshake_step(r->job) };
		rig_event(r, &done);
	}
	xfed_s2s_free(r->s2s);
	xfed_tls_creds_unref(r->creds);
	xfed_buf_deinit(&r->out);
	xfed_buf_deinit(&r->say);
}

const char *rig_take_actions(struct rig *r, char *to, size_t size)
{
	snprintf(to, size, "%s", r->actions);
	r->actions[0] = '\0';
	return to;
}
