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
	/* The security sentence of xfed/s2s.h. */
	struct xfed_s2s_info info;
	xfed_s2s_info(r->s2s, &info);
	XFED_REQUIRE(r->was_established && info.is_authenticated && info.state != XFED_S2S_DONE);
	char pair[256];
	snprintf(pair, sizeof(pair), "[%.*s %.*s]", (int)act->stanza.from.domain.len, act->stanza.from.domain.data, (int)act->stanza.to.domain.len,
		act->stanza.to.domain.data);
	XFED_REQUIRE(strstr(r->pairs, pair) != NULL);
}

static void note_words(struct rig *r, const char *word, struct xfed_span a, struct xfed_span b)
{
	char text[256];
	snprintf(text, sizeof(text), "%s(%.*s,%.*s)", word, (int)a.len, a.data ? a.data : "", (int)b.len, b.data ? b.data : "");
	note(r, text);
}

static void note_established(struct rig *r, const struct xfed_s2s_action *act)
{
	size_t used = strlen(r->pairs);
	snprintf(r->pairs + used, sizeof(r->pairs) - used, "[%.*s %.*s]", (int)act->from.len, act->from.data, (int)act->to.len, act->to.data);
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
	note_words(r, "ask", q->pair.sender, q->key);
}

static bool is_ours(void *user, struct xfed_span domain)
{
	return xfed_span_is(domain, "corp.example");
}

static bool answer_authority(struct rig *r, const struct xfed_dialback_elem *e, struct xfed_s2s_event *answer)
{
	struct xfed_dialback_authority authority = { .is_local = is_ours, .current = xfed_span_str(r->hash) };
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
	switch (act->type) {
	case XFED_S2S_JOB:
		*answer = (struct xfed_s2s_event){ .type = XFED_S2S_JOB_DONE, .tls_result = xfed_tls_handshake_step(act->tls) };
		return true;
	case XFED_S2S_HEADER:
		note_header(r, act);
		*answer = (struct xfed_s2s_event){ .type = XFED_S2S_DECISION, .decision = r->decision };
		return true;
	case XFED_S2S_PAIR:
		note_words(r, "pair", act->from, act->to);
		*answer = (struct xfed_s2s_event){ .type = XFED_S2S_PAIR_DECISION, .decision = r->decision, .is_local = is_ours(NULL, act->to) };
		return true;
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
		snprintf(text, sizeof(text), "closed(%s)", xfed_reason_code(act->reason));
		note(r, text);
		break;
	}
	return false;
}

static void step(struct rig *r, struct xfed_s2s_event *ev)
{
	struct xfed_s2s_event now = *ev, next;
	bool more = true;
	for (int turns = 0; more; turns++) {
		XFED_REQUIRE(turns < 100);
		xfed_s2s_step(r->s2s, &now, r->now_ms);
		if (turns == 0) {
			ev->consumed = now.consumed;
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
	while (!r->is_over && xfed_s2s_has_pending(r->s2s)) {
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
			XFED_REQUIRE(ev.consumed > 0 || ++stalls < 10);
		}
	}
}

bool rig_up(struct rig *r, enum xfed_s2s_direction direction)
{
	*r = (struct rig){ .chunk = r->chunk, .now_ms = 1000, .methods = r->methods, .tls_optional = r->tls_optional, .is_verify = r->is_verify,
		.sm_start = r->sm_start, .last_number = r->sm_start, .stanza_bytes = r->stanza_bytes ? r->stanza_bytes : XFED_STANZA_BYTES_DEFAULT };
	xfed_buf_init(&r->say, 4096);
	if (xfed_dialback_hash(XFED_SPAN("s3cr3tf0rd14lb4ck"), r->hash) != XFED_OK) {
		return false;
	}
	r->env = (struct xfed_env){ .random = fixed_random, .wall_s = fixed_wall };
	xfed_buf_init(&r->out, XFED_S2S_OUTPUT_BYTES);
	struct xfed_tls_creds_config none = { 0 };
	char error[64];
	if (xfed_tls_creds_new(&none, &r->creds, error, sizeof(error)) != XFED_OK) {
		return false;
	}
	r->decision = (struct xfed_s2s_decision){
		.needs_tls = !r->tls_optional, .methods = r->methods ? r->methods : XFED_METHOD_EXTERNAL, .stanza_bytes = r->stanza_bytes,
		.creds = r->creds, .dialback_hash = xfed_span_str(r->hash)
	};
	struct xfed_s2s_config cfg = { .env = &r->env, .direction = direction, .out = &r->out, .is_verify = r->is_verify, .connection = 7,
		.sm_start = r->sm_start };
	if (direction == XFED_S2S_OUT) {
		cfg.local = XFED_SPAN("corp.example");
		cfg.remote = XFED_SPAN("partner.example");
		cfg.decision = r->decision;
	}
	if (xfed_s2s_new(&cfg, &r->s2s) != XFED_OK) {
		return false;
	}
	struct xfed_s2s_event ev = { .type = XFED_S2S_START };
	rig_event(r, &ev);
	return true;
}

void rig_down(struct rig *r)
{
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
