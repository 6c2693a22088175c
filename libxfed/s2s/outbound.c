#include "internal.h"

#include <stdio.h>

void s2s_out_header(struct xfed_s2s *s, const struct xfed_xml_elem *root)
{
	struct xfed_span id = xfed_xml_attr_get(root, "id");
	snprintf(s->stream_id, sizeof(s->stream_id), "%.*s", (int)(id.len > 32 ? 32 : id.len), id.data ? id.data : "");
	if (!s->peer_has_version) {
		s2s_close(s, XFED_REASON_STREAM_VERSION_OLD, "no version in the stream header");
		return;
	}
	s2s_enter(s, XFED_S2S_WAIT_FEATURES);
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
	if (!s->creds) {
		s2s_close_side(s, XFED_REASON_TLS_REQUIRED_MISSING, XFED_SIDE_US, "no certificate for this domain");
		return;
	}
	if (!xfed_xml_child(features, XFED_NS_TLS, "starttls")) {
		s2s_close(s, XFED_REASON_TLS_REQUIRED_MISSING, "STARTTLS is not offered"); /* [A4-09] */
		return;
	}
	s2s_send_str(s, "<starttls xmlns='" XFED_NS_TLS "'/>");
	if (!s2s_is_over(s)) {
		s2s_enter(s, XFED_S2S_WAIT_PROCEED);
	}
}

static void ask_external(struct xfed_s2s *s, const struct xfed_xml_elem *features)
{
	if (!(s->methods & XFED_METHOD_EXTERNAL)) {
		s2s_close_side(s, XFED_REASON_DIALBACK_UNAVAILABLE, XFED_SIDE_US, "");
		return;
	}
	if (s->cert_reason != XFED_REASON_NONE) {
		s2s_close(s, s->cert_reason, "certificate of the server we called");
		return;
	}
	if (!offers_external(features)) {
		s2s_close(s, XFED_REASON_SASL_EXTERNAL_NOT_OFFERED, "");
		return;
	}
	struct xfed_arena *a = xfed_xml_reader_arena(s->reader);
	s2s_send_elem(s, xfed_sasl_client_auth(a, xfed_span_str(s->local)));
	if (!s2s_is_over(s)) {
		s2s_enter(s, XFED_S2S_WAIT_SASL);
	}
}

static void do_features(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (!s->is_secure) {
		ask_tls(s, e);
	} else if (!s->is_authenticated) {
		ask_external(s, e);
	} else {
		s2s_established(s, XFED_METHOD_EXTERNAL);
	}
}

static bool may_proceed(const struct xfed_s2s *s)
{
	return s->state == XFED_S2S_WAIT_PROCEED;
}

static void do_proceed(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (s->leftover) {
		s2s_drop(s, XFED_REASON_STARTTLS_INJECTION, "bytes behind <proceed/>"); /* [A2-13]: without a word */
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
	s->is_authenticated = true;
	s2s_restart(s);
	if (!s2s_is_over(s)) {
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
	s2s_close(s, XFED_REASON_SASL_EXTERNAL_REFUSED, text);
}

const struct s2s_row s2s_out_rows[] = {
	{ XFED_NS_STREAM, "features", may_features, do_features },
	{ XFED_NS_TLS, "proceed", may_proceed, do_proceed },
	{ XFED_NS_TLS, "failure", may_proceed, do_tls_failure },
	{ XFED_NS_SASL, "success", may_sasl, do_success },
	{ XFED_NS_SASL, "challenge", may_sasl, do_challenge },
	{ XFED_NS_SASL, "failure", may_sasl, do_sasl_failure },
	{ XFED_NS_STREAM, "error", s2s_always, s2s_received_error },
	{ NULL, NULL, NULL, NULL },
};
