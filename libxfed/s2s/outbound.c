#include "internal.h"

#include <stdio.h>

/* The stream stays in the clear: what may still be done here. */
static void go_on_clear(struct xfed_s2s *s)
{
	if (s->is_verify) {
		s2s_dialback_open_verify(s);
	} else if (s->methods & XFED_METHOD_DIALBACK_PLAIN) {
		s2s_dialback_start(s);
	} else {
		s2s_close(s, XFED_REASON_TLS_REQUIRED_MISSING, "STARTTLS is not offered");
	}
}

void s2s_out_header(struct xfed_s2s *s, const struct xfed_xml_elem *root)
{
	switch (s2s_set_stream_id(s, xfed_xml_attr_get(root, "id"))) {
	case XFED_OK:
		break;
	case XFED_ERR_LIMIT:
		s2s_close(s, XFED_REASON_STREAM_XML_TOO_BIG, "stream id");
		return;
	default:
		s2s_fault(s, "stream id");
		return;
	}
	s2s_enter(s, XFED_S2S_WAIT_FEATURES);
	if (s->peer_has_version) {
		return;
	}
	/* No version, no features: only dialback in the clear is left [A2-08]. */
	if (s->is_secure || s->needs_tls || (!s->is_verify && !(s->methods & XFED_METHOD_DIALBACK_PLAIN))) {
		s2s_close(s, XFED_REASON_STREAM_VERSION_OLD, "no version in the stream header");
	} else {
		go_on_clear(s);
	}
}

static bool may_features(const struct xfed_s2s *s)
{
	return s->state == XFED_S2S_WAIT_FEATURES;
}

static bool offers_external(const struct xfed_xml_elem *features)
{
	const struct xfed_xml_elem *list = xfed_xml_child(features, XFED_NS_SASL, "mechanisms");
	const struct xfed_xml_elem *m = list ? xfed_xml_child(list, XFED_NS_SASL, "mechanism") : NULL;
	for (; m; m = xfed_xml_next(m, XFED_NS_SASL, "mechanism")) {
		const struct xfed_xml_node *t = m->children;
		if (t && !t->elem && xfed_span_is(t->text, "EXTERNAL")) {
			return true;
		}
	}
	return false;
}

static void ask_tls(struct xfed_s2s *s, const struct xfed_xml_elem *features)
{
	const struct xfed_xml_elem *offer = xfed_xml_child(features, XFED_NS_TLS, "starttls");
	if ((!s->creds || !offer) && !s->needs_tls) {
		go_on_clear(s);
		return;
	}
	if (!s->creds) {
		s2s_close_side(s, XFED_REASON_TLS_REQUIRED_MISSING, XFED_SIDE_US, "no certificate for this domain");
		return;
	}
	if (!offer) {
		s2s_close(s, XFED_REASON_TLS_REQUIRED_MISSING, "STARTTLS is not offered"); /* [A4-09] */
		return;
	}
	s2s_send_str(s, "<starttls xmlns='" XFED_NS_TLS "'/>");
	if (!s2s_is_over(s)) {
		s2s_enter(s, XFED_S2S_WAIT_PROCEED);
	}
}

/* Inside TLS: the best method both sides can, or the reason why the best one cannot. */
static void ask_identity(struct xfed_s2s *s, const struct xfed_xml_elem *features)
{
	bool external = (s->methods & XFED_METHOD_EXTERNAL) && s->cert_reason == XFED_REASON_NONE && offers_external(features);
	if (external) {
		s->tried_external = s->leans_on_certificate = true; /* theirs is what <success/> will be believed by */
		struct xfed_arena *a = xfed_xml_reader_arena(s->reader);
		s2s_send_elem(s, xfed_sasl_client_auth(a, xfed_span_str(s->local)));
		if (!s2s_is_over(s)) {
			s2s_enter(s, XFED_S2S_WAIT_SASL);
		}
	} else if (s->methods & XFED_METHOD_DIALBACK_TLS) {
		s2s_dialback_start(s);
	} else if (s->cert_reason != XFED_REASON_NONE) {
		s2s_close(s, s->cert_reason, "certificate of the server we called");
	} else {
		s2s_close(s, s->methods & XFED_METHOD_EXTERNAL ? XFED_REASON_SASL_EXTERNAL_NOT_OFFERED : XFED_REASON_DIALBACK_NOT_ALLOWED, "");
	}
}

/* A whole number without sign; 0: it is none, or beyond all that could matter. */
static uint64_t read_number(struct xfed_span s)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9' || i >= 15) {
			return 0;
		}
		n = n * 10 + (uint64_t)(s.data[i] - '0');
	}
	return n;
}

/*
 * XEP-0478. Less than RFC 6120 lets anybody demand [A10-11] is no limit, as is what cannot be read. idle-seconds is not obeyed: a
 * stream that was closed for idleness is opened again.
 */
static size_t most_bytes_of(const struct xfed_xml_elem *features)
{
	const struct xfed_xml_elem *limits = xfed_xml_child(features, XFED_NS_LIMITS, "limits");
	const struct xfed_xml_elem *e = limits ? xfed_xml_child(limits, XFED_NS_LIMITS, "max-bytes") : NULL;
	const struct xfed_xml_node *t = e ? e->children : NULL;
	uint64_t n = t && !t->elem && !t->next ? read_number(t->text) : 0;
	return n >= XFED_STANZA_BYTES_MIN && n <= XFED_STANZA_BYTES_MAX ? (size_t)n : 0;
}

static void note_offers(struct xfed_s2s *s, const struct xfed_xml_elem *features)
{
	if (s->has_external) {
		return;
	}
	s->has_features = true;
	s->offers_tls = xfed_xml_child(features, XFED_NS_TLS, "starttls") != NULL;
	s->offers_external = offers_external(features);
	s->offers_dialback = xfed_xml_child(features, XFED_NS_F_DIALBACK, "dialback") != NULL;
}

static void do_features(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	note_offers(s, e);
	s->peer_bytes = most_bytes_of(e);
	s->sm.is_offered = s->is_secure && xfed_xml_child(e, XFED_NS_SM, "sm") != NULL;
	if (!s->is_secure) {
		ask_tls(s, e);
	} else if (s->is_verify) {
		s2s_dialback_open_verify(s);
	} else if (!s->has_external) {
		ask_identity(s, e);
	} else {
		s2s_established(s, XFED_METHOD_EXTERNAL, xfed_span_str(s->remote), xfed_span_str(s->local));
		s2s_sm_start(s);
	}
}

static bool may_proceed(const struct xfed_s2s *s)
{
	return s->state == XFED_S2S_WAIT_PROCEED;
}

static void do_proceed(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (s->leftover) {
		s2s_drop(s, XFED_REASON_STARTTLS_INJECTION, "bytes behind <proceed/>"); /* [A2-13]: nothing is said to the peer */
		return;
	}
	s2s_tls_start(s);
}

static void do_tls_failure(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	s->peer_closed = true; /* [A4-02]: it closes next */
	s2s_close(s, XFED_REASON_TLS_REQUIRED_MISSING, "the partner answered <failure/> to STARTTLS");
}

static bool may_sasl(const struct xfed_s2s *s)
{
	return s->state == XFED_S2S_WAIT_SASL;
}

static void do_success(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	s->has_external = true;
	s->method = XFED_METHOD_EXTERNAL; /* who looks before the next header sees both */
	if (s2s_restart(s)) {
		s2s_send_header(s);
	}
}

/* An empty challenge to an initial response we did send: answer with the same, empty, once (RFC 6120 6.4.3). */
static void do_challenge(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (++s->auth_tries > XFED_S2S_AUTH_TRIES) {
		s2s_close(s, XFED_REASON_SASL_EXTERNAL_REFUSED, "challenges without end");
		return;
	}
	s2s_send_str(s, "<response xmlns='" XFED_NS_SASL "'/>");
}

static void do_sasl_failure(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	char text[120];
	const struct xfed_xml_elem *c = xfed_xml_child(e, XFED_NS_SASL, NULL);
	const struct xfed_xml_elem *t = xfed_xml_child(e, XFED_NS_SASL, "text");
	struct xfed_span said = t ? xfed_xml_text(xfed_xml_reader_arena(s->reader), t) : (struct xfed_span){ NULL, 0 };
	snprintf(text, sizeof(text), "%.*s%s%.*s", c ? (int)c->name.len : 0, c ? c->name.data : "", said.len ? ": " : "",
		(int)(said.len > 80 ? 80 : said.len), said.data ? said.data : "");
	s->leans_on_certificate = false;
	if (s->methods & XFED_METHOD_DIALBACK_TLS) {
		s2s_dialback_start(s); /* [A5-08]: on the same stream; a peer that closes it is called again without EXTERNAL */
		return;
	}
	s2s_close(s, XFED_REASON_SASL_EXTERNAL_REFUSED, text);
}

static bool may_answer(const struct xfed_s2s *s)
{
	return s->state == XFED_S2S_WAIT_DIALBACK || s->state == XFED_S2S_VERIFYING || s->state == XFED_S2S_READY;
}

const struct s2s_row s2s_out_rows[] = {
	{ XFED_NS_STREAM, "features", may_features, do_features },
	{ XFED_NS_TLS, "proceed", may_proceed, do_proceed },
	{ XFED_NS_TLS, "failure", may_proceed, do_tls_failure },
	{ XFED_NS_SASL, "success", may_sasl, do_success },
	{ XFED_NS_SASL, "challenge", may_sasl, do_challenge },
	{ XFED_NS_SASL, "failure", may_sasl, do_sasl_failure },
	{ XFED_NS_DIALBACK, "result", may_answer, s2s_dialback_answer },
	{ XFED_NS_DIALBACK, "verify", may_answer, s2s_dialback_answer },
	{ XFED_NS_SM, "enabled", s2s_sm_may_answer, s2s_sm_enabled },
	{ XFED_NS_SM, "failed", s2s_sm_may_answer, s2s_sm_failed },
	{ XFED_NS_SM, "r", s2s_sm_is_on, s2s_sm_asked },
	{ XFED_NS_SM, "a", s2s_sm_is_on, s2s_sm_acked },
	{ XFED_NS_STREAM, "error", s2s_always, s2s_received_error },
	{ NULL, NULL, NULL, NULL },
};
