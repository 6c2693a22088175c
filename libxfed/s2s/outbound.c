#include "internal.h"

#include <stdio.h>

/* The stream stays without TLS: does what is still allowed. */
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
	/* Without a version there are no features: only dialback without TLS is possible [A2-08]. */
	if (s->is_secure || s->needs_tls || (!s->is_verify && !(s->methods & XFED_METHOD_DIALBACK_PLAIN))) {
		s2s_close(s, XFED_REASON_STREAM_VERSION_OLD, "no version in the stream header");
	} else {
		go_on_clear(s);
	}
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

/* Inside TLS: uses the best method both sides have, or fails with the reason why the best one cannot be used. */
static void ask_identity(struct xfed_s2s *s, const struct xfed_xml_elem *features)
{
	bool external = (s->methods & XFED_METHOD_EXTERNAL) && s->cert_reason == XFED_REASON_NONE && offers_external(features);
	if (external) {
		s->tried_external = s->leans_on_certificate = true; /* <success/> is believed only from a peer with a valid certificate */
		struct xfed_arena *a = xfed_xml_reader_arena(s->reader);
		s2s_send_elem(s, xfed_sasl_client_auth(a, xfed_span_str(s->local)));
		if (!s2s_is_over(s)) {
			s2s_enter(s, XFED_S2S_WAIT_SASL);
		}
	} else if (s->methods & XFED_METHOD_DIALBACK_TLS) {
		if (s->methods & XFED_METHOD_EXTERNAL) {
			s->why_not_external = s->cert_reason != XFED_REASON_NONE ? s->cert_reason : XFED_REASON_SASL_EXTERNAL_NOT_OFFERED;
		}
		s2s_dialback_start(s);
	} else if (s->cert_reason != XFED_REASON_NONE) {
		s2s_refuse_certificate(s);
	} else {
		s2s_close(s, s->methods & XFED_METHOD_EXTERNAL ? XFED_REASON_SASL_EXTERNAL_NOT_OFFERED : XFED_REASON_DIALBACK_NOT_ALLOWED, "");
	}
}

/*
 * XEP-0478. A value below what RFC 6120 allows [A10-11], or an unreadable one, counts as no limit. idle-seconds is ignored: a stream closed
 * as idle is opened again.
 */
static size_t most_bytes_of(const struct xfed_xml_elem *features)
{
	const struct xfed_xml_elem *limits = xfed_xml_child(features, XFED_NS_LIMITS, "limits");
	const struct xfed_xml_elem *e = limits ? xfed_xml_child(limits, XFED_NS_LIMITS, "max-bytes") : NULL;
	const struct xfed_xml_node *t = e ? e->children : NULL;
	uint64_t n;
	bool is_number = t && !t->elem && !t->next && s2s_read_number(t->text, 15, &n);
	return is_number && n >= XFED_STANZA_BYTES_MIN && n <= XFED_STANZA_BYTES_MAX ? (size_t)n : 0;
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

static void do_proceed(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (s->leftover) {
		s2s_drop(s, XFED_REASON_STARTTLS_INJECTION, "bytes behind <proceed/>"); /* [A2-13]: the peer is not told */
		return;
	}
	s2s_tls_start(s);
}

static void do_tls_failure(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	s->peer_closed = true; /* [A4-02]: the peer closes next */
	s2s_close(s, XFED_REASON_TLS_REQUIRED_MISSING, "the partner answered <failure/> to STARTTLS");
}

static void do_success(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	s->has_external = true;
	s->method = XFED_METHOD_EXTERNAL; /* xfed_s2s_info() before the next header shows both */
	if (s2s_restart(s)) {
		s2s_send_header(s);
	}
}

/* An empty challenge although we sent an initial response: answered once, with an empty response (RFC 6120 6.4.3). */
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
		s->why_not_external = XFED_REASON_SASL_EXTERNAL_REFUSED;
		s2s_dialback_start(s); /* [A5-08]: on the same stream; if the peer closes it, the pair dials again without EXTERNAL */
		return;
	}
	s2s_close(s, XFED_REASON_SASL_EXTERNAL_REFUSED, text);
}

#define ASKED (S2S_BIT(WAIT_DIALBACK) | S2S_BIT(VERIFYING) | S2S_BIT(READY))

const struct s2s_row s2s_out_rows[] = {
	{ XFED_NS_STREAM, "features", S2S_BIT(WAIT_FEATURES), NULL, do_features },
	{ XFED_NS_TLS, "proceed", S2S_BIT(WAIT_PROCEED), NULL, do_proceed },
	{ XFED_NS_TLS, "failure", S2S_BIT(WAIT_PROCEED), NULL, do_tls_failure },
	{ XFED_NS_SASL, "success", S2S_BIT(WAIT_SASL), NULL, do_success },
	{ XFED_NS_SASL, "challenge", S2S_BIT(WAIT_SASL), NULL, do_challenge },
	{ XFED_NS_SASL, "failure", S2S_BIT(WAIT_SASL), NULL, do_sasl_failure },
	{ XFED_NS_DIALBACK, "result", ASKED, NULL, s2s_dialback_answer },
	{ XFED_NS_DIALBACK, "verify", ASKED, NULL, s2s_dialback_answer },
	{ XFED_NS_SM, "enabled", 0, s2s_sm_may_answer, s2s_sm_enabled },
	{ XFED_NS_SM, "failed", 0, s2s_sm_may_answer, s2s_sm_failed },
	{ XFED_NS_SM, "r", 0, s2s_sm_is_on, s2s_sm_asked },
	{ XFED_NS_SM, "a", 0, s2s_sm_is_on, s2s_sm_acked },
	{ XFED_NS_STREAM, "error", 0, NULL, s2s_received_error },
	{ NULL, NULL, 0, NULL, NULL },
};
