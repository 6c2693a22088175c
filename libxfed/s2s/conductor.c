#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const state_names[] = {
#define X(id, name) name,
	XFED_S2S_STATES(X)
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
	xfed_wipe(s->dialback_hash, sizeof(s->dialback_hash));
	xfed_free(s->stream_id);
	xfed_sasl_server_free(s->sasl);
	xfed_tls_free(s->tls);
	xfed_tls_creds_unref(s->creds);
	xfed_xml_reader_free(s->reader);
	xfed_buf_deinit(&s->plain);
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

void s2s_enter(struct xfed_s2s *s, enum xfed_s2s_state state)
{
	if (s->env->trace) {
		s->env->trace(s->env->user, "s2s", state_names[state]);
	}
	s->state = state;
}

struct xfed_s2s_action *s2s_push(struct xfed_s2s *s, enum xfed_s2s_action_type type)
{
	XFED_REQUIRE(s->action_head + s->action_count < XFED_S2S_ACTIONS_MAX);
	struct xfed_s2s_action *a = &s->actions[s->action_head + s->action_count++];
	*a = (struct xfed_s2s_action){ .type = type, .text = "" };
	return a;
}

bool s2s_is_over(const struct xfed_s2s *s)
{
	return s->state == XFED_S2S_DONE;
}

/* ---- the ways a stream ends ---- */

static void remember(struct xfed_s2s *s, enum xfed_reason reason, enum xfed_side side, const char *text)
{
	if (s->reason != XFED_REASON_NONE) {
		return; /* the first reason is the true one */
	}
	s->reason = reason;
	s->side = side;
	snprintf(s->text, sizeof(s->text), "%s", text ? text : "");
}

static void finish(struct xfed_s2s *s, bool is_abrupt)
{
	if (s2s_is_over(s)) {
		return;
	}
	s2s_enter(s, XFED_S2S_DONE);
	s->has_closed = true;
	s->is_abrupt = is_abrupt;
	s2s_dialback_end(s, s->reason);
}

int s2s_set_stream_id(struct xfed_s2s *s, struct xfed_span id)
{
	return id.len > XFED_DIALBACK_ID_BYTES ? XFED_ERR_LIMIT : s2s_set_name(&s->stream_id, id);
}

void s2s_drop(struct xfed_s2s *s, enum xfed_reason reason, const char *text)
{
	remember(s, reason, xfed_reason_info(reason)->side, text);
	finish(s, reason == XFED_REASON_STREAM_OUTPUT_FULL);
}

void s2s_fault(struct xfed_s2s *s, const char *what)
{
	remember(s, XFED_REASON_STREAM_INTERNAL, XFED_SIDE_US, what);
	finish(s, true);
}

void s2s_close_side(struct xfed_s2s *s, enum xfed_reason reason, enum xfed_side side, const char *text)
{
	if (s2s_is_over(s) || s->state == XFED_S2S_CLOSING) {
		return;
	}
	remember(s, reason, side, text);
	if (s->state == XFED_S2S_HANDSHAKING) {
		finish(s, false); /* nothing can be said now */
		return;
	}
	if (!s->header_sent) {
		s2s_send_header(s); /* [A3-02]: open, error, close */
	}
	const char *condition = s->condition ? s->condition : xfed_reason_info(reason)->stream_error;
	if (condition && !s->peer_closed) {
		s2s_send_error(s, condition, reason, text);
		if (s->is_secure) {
			xfed_tls_bye(s->tls);
			s2s_tls_flush(s);
		}
		finish(s, false);
		return;
	}
	s2s_send_str(s, "</stream:stream>");
	if (s->peer_closed || s2s_is_over(s)) {
		finish(s, false);
		return;
	}
	s->closing_ms = s->now_ms;
	s2s_enter(s, XFED_S2S_CLOSING);
}

void s2s_close(struct xfed_s2s *s, enum xfed_reason reason, const char *text)
{
	s2s_close_side(s, reason, xfed_reason_info(reason)->side, text);
}

/* ---- life ---- */

void s2s_restart(struct xfed_s2s *s)
{
	if (xfed_xml_reader_restart(s->reader) != XFED_OK) {
		s2s_fault(s, "XML reader");
		return;
	}
	s2s_dialback_reset(s);
	s->header_sent = false;
	s2s_enter(s, XFED_S2S_WAIT_HEADER);
}

static void first_pair(struct xfed_s2s *s, enum xfed_method method)
{
	s->method = method;
	s->established_ms = s->stanza_ms = s->now_ms;
	struct xfed_xml_limits limits = { s->stanza_bytes, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
	xfed_xml_reader_set_limits(s->reader, &limits);
	xfed_sasl_server_free(s->sasl);
	s->sasl = NULL;
	s2s_enter(s, XFED_S2S_READY);
}

/* A pair is proved: the first makes the stream READY, dialback may add more. */
void s2s_established(struct xfed_s2s *s, enum xfed_method method, struct xfed_span remote, struct xfed_span local)
{
	if (s->state != XFED_S2S_READY) {
		first_pair(s, method);
	}
	struct xfed_s2s_action *act = s2s_push(s, XFED_S2S_ESTABLISHED);
	act->from = remote;
	act->to = local;
	act->method = method;
	act->is_secure = s->is_secure;
}

unsigned s2s_version(struct xfed_span version)
{
	unsigned major = 0;
	size_t i = 0;
	for (; i < version.len && i < 4 && version.data[i] >= '0' && version.data[i] <= '9'; i++) {
		major = major * 10 + (unsigned)(version.data[i] - '0');
	}
	return i < version.len && version.data[i] == '.' ? major : 0;
}

bool s2s_always(const struct xfed_s2s *s)
{
	return true;
}

/*
 * A peer that ends a stream it has opened before it has proved anything did not want, or was not able, to do what we
 * demanded: that is the reason, whatever it says itself.
 */
static enum xfed_reason demanded(const struct xfed_s2s *s, enum xfed_reason otherwise)
{
	if (s->direction == XFED_S2S_OUT || s->state != XFED_S2S_WAIT_NEGOTIATION) {
		return otherwise;
	}
	if (!s->is_secure) {
		return s->needs_tls || !(s->methods & XFED_METHOD_DIALBACK_PLAIN) ? XFED_REASON_TLS_REQUIRED_MISSING : otherwise;
	}
	return s->methods & XFED_METHOD_DIALBACK_TLS ? otherwise : XFED_REASON_SASL_REQUIRED_MISSING;
}

/* The peer says why it gives up. Its words go into the log line, never further. */
void s2s_received_error(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	struct xfed_arena *a = xfed_xml_reader_arena(s->reader);
	const char *condition = "undefined-condition";
	size_t len = strlen(condition);
	for (const struct xfed_xml_node *n = e->children; n; n = n->next) {
		if (n->elem && xfed_span_is(n->elem->ns, XFED_NS_STREAM_ERR) && !xfed_span_is(n->elem->name, "text")) {
			condition = n->elem->name.data;
			len = n->elem->name.len;
			break;
		}
	}
	s->is_host_unknown = len == strlen("host-unknown") && memcmp(condition, "host-unknown", len) == 0;
	const struct xfed_xml_elem *t = xfed_xml_child(e, XFED_NS_STREAM_ERR, "text");
	struct xfed_span said = t ? xfed_xml_text(a, t) : (struct xfed_span){ NULL, 0 };
	char text[sizeof(s->text)];
	snprintf(text, sizeof(text), "%.*s%s%.*s", (int)len, condition, said.len ? ": " : "", (int)(said.len > 100 ? 100 : said.len),
		said.data ? said.data : "");
	s->peer_closed = true; /* it closes next: we do not wait for it */
	/* Inside TLS its own words say more: our certificate may be what it does not like. */
	s2s_close(s, s->is_secure ? XFED_REASON_STREAM_ERROR_RECEIVED : demanded(s, XFED_REASON_STREAM_ERROR_RECEIVED), text);
}

/* ---- elements ---- */

static bool is_stanza(const struct xfed_xml_elem *e)
{
	return (xfed_span_is(e->ns, XFED_NS_SERVER) || xfed_span_is(e->ns, XFED_NS_CLIENT)) &&
	       (xfed_span_is(e->name, "message") || xfed_span_is(e->name, "presence") || xfed_span_is(e->name, "iq"));
}

/* [A10-10]: a stanza without xml:lang has the language of its stream, which ends here: it is written down. */
static int add_language(struct xfed_s2s *s, struct xfed_arena *a, struct xfed_xml_elem *e, struct xfed_stanza *stanza)
{
	if (stanza->lang.data || s->lang[0] == '\0') {
		return XFED_OK;
	}
	stanza->lang = xfed_span_str(s->lang);
	return xfed_xml_set_attr(a, e, XFED_SPAN(XFED_NS_XML), XFED_SPAN("lang"), stanza->lang);
}

/* [A10-02]: a pair proved by SASL, or one of those proved by dialback. */
static enum xfed_reason check_pair(const struct xfed_s2s *s, const struct xfed_stanza *stanza)
{
	bool is_from = xfed_span_is(stanza->from.domain, s->remote), is_to = xfed_span_is(stanza->to.domain, s->local);
	if ((is_from && is_to) || s2s_dialback_is_proved(s, stanza->from.domain, stanza->to.domain)) {
		return XFED_REASON_NONE;
	}
	return is_from ? XFED_REASON_STREAM_RELAY_ATTEMPT : XFED_REASON_STREAM_FROM_UNPROVED;
}

/* [A10-01], [A10-02]: the addresses of a stanza against the pairs this stream has proved. */
static void take_stanza(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (s->state != XFED_S2S_READY || s->direction != XFED_S2S_IN) {
		s2s_close(s, XFED_REASON_STREAM_UNAUTHENTICATED, "a stanza where none is allowed");
		return;
	}
	if (!xfed_span_is(e->ns, XFED_NS_SERVER)) {
		s2s_close(s, XFED_REASON_STREAM_XML_NAMESPACE, "a stanza in a foreign content namespace");
		return;
	}
	if (e->has_prefix) {
		s2s_close(s, XFED_REASON_STREAM_XML_PREFIX, "a stanza written with a prefix");
		return;
	}
	struct xfed_arena *a = xfed_xml_reader_arena(s->reader);
	struct xfed_stanza stanza;
	switch (xfed_stanza_view(a, e, &stanza)) {
	case XFED_STANZA_OK:
		break;
	case XFED_STANZA_NOT:
	case XFED_STANZA_IMPROPER:
		s2s_close(s, XFED_REASON_STREAM_ADDRESS_IMPROPER, "from or to");
		return;
	case XFED_STANZA_NO_MEMORY:
		s2s_fault(s, "stanza");
		return;
	}
	enum xfed_reason wrong = check_pair(s, &stanza);
	if (wrong != XFED_REASON_NONE) {
		s2s_close(s, wrong, "");
		return;
	}
	if (add_language(s, a, e, &stanza) != XFED_OK) {
		s2s_fault(s, "stanza");
		return;
	}
	s->stanza_ms = s->now_ms;
	struct xfed_s2s_action *act = s2s_push(s, XFED_S2S_STANZA);
	act->stanza = stanza;
	act->arena = a;
	act->stanza_bytes = xfed_xml_reader_stanza_bytes(s->reader);
}

static void take_element(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (s->state == XFED_S2S_CLOSING) {
		return; /* what arrives behind our closing tag is not processed; the peer gets its stanzas back as unsent */
	}
	if (is_stanza(e)) {
		take_stanza(s, e);
		return;
	}
	const struct s2s_row *row = s->direction == XFED_S2S_IN ? s2s_in_rows : s2s_out_rows;
	for (; row->ns; row++) {
		if (xfed_span_is(e->ns, row->ns) && (!row->name || xfed_span_is(e->name, row->name))) {
			if (!row->is_legal(s)) {
				break;
			}
			row->proceed(s, e);
			return;
		}
	}
	s2s_close(s, XFED_REASON_STREAM_STANZA_UNSUPPORTED, "an element that is not expected here");
}

static void take_header(struct xfed_s2s *s, struct xfed_xml_elem *root)
{
	if (s->state != XFED_S2S_WAIT_HEADER) {
		s2s_close(s, XFED_REASON_STREAM_XML_MALFORMED, "a stream header where none is due");
		return;
	}
	/* [A2-01]; the prefix-free form leaves no content namespace to check [A2-02]. */
	struct xfed_span content = xfed_xml_reader_content_ns(s->reader);
	bool content_ok = !content.data || xfed_span_is(content, XFED_NS_SERVER) || xfed_span_is(content, XFED_NS_STREAM);
	if (!xfed_span_is(root->ns, XFED_NS_STREAM) || !content_ok || !xfed_span_is(root->name, "stream")) {
		s2s_close(s, XFED_REASON_STREAM_XML_NAMESPACE, "not a jabber:server stream");
		return;
	}
	struct xfed_span lang = xfed_xml_attr_get_ns(root, XFED_NS_XML, "lang");
	snprintf(s->lang, sizeof(s->lang), "%.*s", lang.len < sizeof(s->lang) ? (int)lang.len : 0, lang.data ? lang.data : "");
	s->peer_has_version = s2s_version(xfed_xml_attr_get(root, "version")) >= 1;
	if (s->direction == XFED_S2S_IN) {
		s2s_in_header(s, root);
	} else {
		s2s_out_header(s, root);
	}
}

static void take_close(struct xfed_s2s *s)
{
	s->peer_closed = true;
	if (s->state == XFED_S2S_CLOSING) {
		if (s->is_secure) {
			xfed_tls_bye(s->tls);
			s2s_tls_flush(s);
		}
		finish(s, false);
		return;
	}
	s2s_close(s, demanded(s, XFED_REASON_STREAM_CLOSED_PEER), "");
}

static void take_bad_xml(struct xfed_s2s *s)
{
	enum xfed_reason reason = xfed_xml_reader_reason(s->reader);
	if (reason == XFED_REASON_STREAM_XML_TOO_BIG && s->state == XFED_S2S_READY && s->stanza_bytes < XFED_STANZA_BYTES_MAX) {
		reason = XFED_REASON_POLICY_SIZE_EXCEEDED;
	}
	if (s->state == XFED_S2S_CLOSING) {
		finish(s, false);
		return;
	}
	s->condition = xfed_xml_reader_stream_error(s->reader); /* finer than the reason: bad-format is malformed too */
	s2s_close(s, reason, "");
}

/* Feeds the reader up to its next stop. Returns the bytes it took. */
static size_t read_xml(struct xfed_s2s *s, struct xfed_span in)
{
	size_t consumed = 0;
	enum xfed_xml_result r = xfed_xml_reader_feed(s->reader, in, &consumed);
	s->leftover = consumed < in.len;
	switch (r) {
	case XFED_XML_MORE:
		break;
	case XFED_XML_HEADER:
		take_header(s, xfed_xml_reader_elem(s->reader));
		break;
	case XFED_XML_ELEMENT:
		take_element(s, xfed_xml_reader_elem(s->reader));
		break;
	case XFED_XML_CLOSE:
		take_close(s);
		break;
	case XFED_XML_BAD:
		take_bad_xml(s);
		break;
	case XFED_XML_NOMEM:
		s2s_fault(s, "XML reader");
		break;
	}
	return consumed;
}

static bool may_go_on(const struct xfed_s2s *s)
{
	return s->action_count == 0 && !s->job_running && !s->wants_pair && s->state != XFED_S2S_DONE &&
	       s->state != XFED_S2S_WAIT_DECISION && s->state != XFED_S2S_HANDSHAKING;
}

static void pump_secure(struct xfed_s2s *s)
{
	while (s->is_secure && may_go_on(s)) {
		if (xfed_buf_len(&s->plain) == 0 && !s2s_tls_read(s)) {
			break;
		}
		size_t n = read_xml(s, xfed_buf_span(&s->plain));
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
		if (s->state != XFED_S2S_DONE && s->state != XFED_S2S_WAIT_DECISION && !s->wants_pair) {
			s2s_tls_take(s, ev);
			pump_secure(s);
		}
		return;
	}
	while (ev->consumed < ev->bytes.len && may_go_on(s) && !s->tls) {
		ev->consumed += read_xml(s, xfed_span_make(ev->bytes.data + ev->consumed, ev->bytes.len - ev->consumed));
	}
}

static void take_end(struct xfed_s2s *s, enum xfed_reason reason)
{
	if (s->state == XFED_S2S_CLOSING || s->peer_closed) {
		finish(s, true);
		return;
	}
	remember(s, reason != XFED_REASON_NONE ? reason : XFED_REASON_NET_STREAM_LOST,
		xfed_reason_info(XFED_REASON_NET_STREAM_LOST)->side, state_names[s->state]);
	finish(s, true);
}

/* ---- time ---- */

static uint64_t after(const struct xfed_s2s *s, uint64_t since_ms, uint64_t wait_ms)
{
	return since_ms + wait_ms / s->divisor;
}

static bool may_hibernate(const struct xfed_s2s *s)
{
	return !xfed_xml_reader_is_hibernating(s->reader) && !xfed_xml_reader_mid_element(s->reader);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool is_settled(const struct xfed_s2s *s)
{
	return s->state == XFED_S2S_READY || s->state == XFED_S2S_VERIFYING;
}

static uint64_t own_deadline(const struct xfed_s2s *s)
{
	if (s->state == XFED_S2S_CLOSING) {
		return after(s, s->closing_ms, XFED_S2S_CLOSE_WAIT_MS);
	}
	if (!is_settled(s)) {
		return after(s, s->opened_ms, s->establish_ms);
	}
	uint64_t when = after(s, s->stanza_ms, s->inactivity_ms);
	uint64_t ping = after(s, later(s->sent_ms, s->established_ms), XFED_S2S_PING_MS);
	when = s->direction == XFED_S2S_OUT && ping < when ? ping : when;
	if (may_hibernate(s)) {
		uint64_t sleep = after(s, s->traffic_ms, XFED_XML_IDLE_HIBERNATE_MS);
		when = sleep < when ? sleep : when;
	}
	return when;
}

uint64_t xfed_s2s_deadline(const struct xfed_s2s *s)
{
	if (s->state == XFED_S2S_DONE) {
		return UINT64_MAX;
	}
	uint64_t own = own_deadline(s), dialback = s2s_dialback_deadline(s);
	return own < dialback ? own : dialback;
}

static void take_tick(struct xfed_s2s *s)
{
	uint64_t now = s->now_ms;
	if (s->state == XFED_S2S_DONE) {
		return;
	}
	if (s->state == XFED_S2S_CLOSING) {
		if (now >= after(s, s->closing_ms, XFED_S2S_CLOSE_WAIT_MS)) {
			finish(s, false);
		}
		return;
	}
	s2s_dialback_tick(s);
	if (s2s_is_over(s) || s->state == XFED_S2S_CLOSING) {
		return;
	}
	if (!is_settled(s)) {
		if (now >= after(s, s->opened_ms, s->establish_ms)) {
			s2s_close(s, XFED_REASON_STREAM_ESTABLISH_TIMEOUT, state_names[s->state]);
		}
		return;
	}
	if (now >= after(s, s->stanza_ms, s->inactivity_ms)) {
		s2s_close(s, XFED_REASON_STREAM_CLOSED_IDLE, "");
		return;
	}
	if (s->direction == XFED_S2S_OUT && now >= after(s, later(s->sent_ms, s->established_ms), XFED_S2S_PING_MS)) {
		s2s_send_str(s, " "); /* white space keeps firewalls from forgetting us, RFC 6120 4.6.1 */
	}
	if (now >= after(s, s->traffic_ms, XFED_XML_IDLE_HIBERNATE_MS) && may_hibernate(s)) {
		xfed_xml_reader_hibernate(s->reader);
	}
}

/* ---- the machine ---- */

static void start(struct xfed_s2s *s)
{
	s->opened_ms = s->traffic_ms = s->now_ms;
	if (s->direction == XFED_S2S_OUT) {
		s2s_send_header(s);
	}
}

int xfed_s2s_step(struct xfed_s2s *s, struct xfed_s2s_event *ev, uint64_t now_ms)
{
	XFED_REQUIRE(s->action_count == 0 && !s->has_closed);
	s->action_head = 0;
	s->now_ms = now_ms;
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
		break;
	case XFED_S2S_DECISION:
		if (s->state == XFED_S2S_WAIT_DECISION) {
			s2s_in_decision(s, &ev->decision);
		}
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
		if (s->header_sent && s->state != XFED_S2S_CLOSING && s->state != XFED_S2S_HANDSHAKING) {
			s2s_send_bytes(s, ev->bytes);
		}
		break;
	case XFED_S2S_TICK:
		take_tick(s);
		break;
	case XFED_S2S_END:
		take_end(s, ev->reason);
		break;
	case XFED_S2S_CLOSE:
		s2s_close(s, ev->reason, ev->text);
		break;
	}
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
	*act = (struct xfed_s2s_action){
		.type = XFED_S2S_CLOSED, .reason = s->reason, .side = s->side, .text = s->text, .is_abrupt = s->is_abrupt
	};
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
		.state_name = state_names[s->state],
		.local = xfed_span_str(s->local),
		.remote = xfed_span_str(s->remote),
		.is_secure = s->is_secure,
		.is_authenticated = s->is_authenticated,
		.tried_external = s->tried_external,
		.has_features = s->has_features,
		.offers_tls = s->offers_tls,
		.offers_external = s->offers_external,
		.offers_dialback = s->offers_dialback,
		.method = s->method,
		.cert_reason = s->cert_reason,
		.opened_ms = s->opened_ms,
		.established_ms = s->established_ms,
		.last_traffic_ms = later(s->traffic_ms, s->sent_ms),
		.stream_id = xfed_span_str(s->stream_id),
	};
	if (s->is_secure) {
		xfed_tls_facts(s->tls, &out->tls);
	}
}
