#include "internal.h"

#include <stdio.h>

/* [A9-06]: offered where stanzas may come next; beside dialback even before anything is proved, because no other features follow. */
#define SM_FEATURE	 "<sm xmlns='" XFED_NS_SM "'/>"
#define EXTERNAL_FEATURE "<mechanisms xmlns='" XFED_NS_SASL "'><mechanism>EXTERNAL</mechanism></mechanisms>"

/*
 * The last features before stanzas say their size limit (XEP-0478, [A9-05]): that of the partner the header names. Not beside a required
 * STARTTLS, after which features are sent again.
 */
static void send_features(struct xfed_s2s *s, const char *offers)
{
	char text[768];
	snprintf(text, sizeof(text),
		"<stream:features>%s<limits xmlns='" XFED_NS_LIMITS
		"'><max-bytes>%zu</max-bytes><idle-seconds>%llu</idle-seconds></limits></stream:features>",
		offers, s->stanza_bytes, (unsigned long long)(s->inactivity_ms / 1000));
	s2s_send_str(s, text);
}

/* [A2-09], [A2-10]: the addresses of the header the peer opened with. */
void s2s_in_header(struct xfed_s2s *s, const struct xfed_xml_elem *root)
{
	struct xfed_arena *a = xfed_xml_reader_arena(s->reader);
	struct xfed_span from = xfed_xml_attr_get(root, "from"), to = xfed_xml_attr_get(root, "to");
	struct xfed_span remote = { NULL, 0 }, local = { NULL, 0 };
	int to_rc = to.data ? xfed_jid_domain(a, to, &local) : XFED_ERR_INVALID;
	int from_rc = from.data ? xfed_jid_domain(a, from, &remote) : XFED_OK;
	if (to_rc == XFED_ERR_NOMEM || from_rc == XFED_ERR_NOMEM) {
		s2s_fault(s, "stream header");
		return;
	}
	if (s->has_external) {
		bool same = (!remote.data || xfed_span_is(remote, s->remote)) && (!local.data || xfed_span_is(local, s->local));
		if (!same || from_rc != XFED_OK) {
			s2s_close(s, XFED_REASON_STREAM_FROM_UNPROVED, "the header behind SASL names another pair"); /* [A5-09] */
			return;
		}
		s2s_send_header(s);
		send_features(s, s->methods & XFED_METHOD_DIALBACK_TLS ? XFED_DIALBACK_FEATURE SM_FEATURE : SM_FEATURE);
		if (!s2s_is_over(s)) {
			s2s_established(s, XFED_METHOD_EXTERNAL, xfed_span_str(s->remote), xfed_span_str(s->local));
		}
		return;
	}
	if (s2s_set_name(&s->remote, from_rc == XFED_OK ? remote : (struct xfed_span){ NULL, 0 }) != XFED_OK ||
		s2s_set_name(&s->local, to_rc == XFED_OK ? local : (struct xfed_span){ NULL, 0 }) != XFED_OK) {
		s2s_fault(s, "stream header");
		return;
	}
	if (to_rc != XFED_OK) {
		s2s_close(s, XFED_REASON_STREAM_TO_UNKNOWN, to.data ? "'to' is not a domain" : "no 'to' in the header");
		return;
	}
	if (from_rc != XFED_OK) {
		s2s_close(s, XFED_REASON_STREAM_FROM_UNPROVED, "'from' is not a domain");
		return;
	}
	s2s_enter(s, XFED_S2S_WAIT_DECISION);
	struct xfed_s2s_action *act = s2s_push(s, XFED_S2S_HEADER);
	act->from = xfed_span_str(s->remote);
	act->to = xfed_span_str(s->local);
	act->is_secure = s->is_secure;
}

/* Features without TLS: STARTTLS if we can, and dialback only if policy allows it without TLS. */
static void offer_clear(struct xfed_s2s *s)
{
	bool plain = !s->needs_tls && (s->methods & XFED_METHOD_DIALBACK_PLAIN);
	if (!s->creds && !plain) {
		s2s_close_side(s, XFED_REASON_TLS_REQUIRED_MISSING, XFED_SIDE_US, "no certificate for this domain");
		return;
	}
	s2s_send_header(s);
	if (s->creds && !plain) {
		/* [A4-01]: if TLS is required it is the only feature; what follows is offered inside. */
		s2s_send_str(s, "<stream:features><starttls xmlns='" XFED_NS_TLS "'><required/></starttls></stream:features>");
	} else if (s->creds) {
		send_features(s, "<starttls xmlns='" XFED_NS_TLS "'/>" XFED_DIALBACK_FEATURE);
	} else {
		send_features(s, XFED_DIALBACK_FEATURE);
	}
	if (!s2s_is_over(s)) {
		s2s_enter(s, XFED_S2S_WAIT_NEGOTIATION);
	}
}

/*
 * [A5-01]: EXTERNAL only if it can succeed; dialback if policy allows it inside TLS. If neither is left, the stream is closed with the
 * certificate's own reason: with an empty list of features the peer would only time out, and its operator would learn nothing.
 */
static void offer_secure(struct xfed_s2s *s)
{
	s->cert_reason = s->remote ? s2s_judge_certificate(s, xfed_span_str(s->remote)) : XFED_REASON_TLS_CERT_NAME_MISMATCH;
	s->external_offered = (s->methods & XFED_METHOD_EXTERNAL) && s->cert_reason == XFED_REASON_NONE;
	bool dialback = s->methods & XFED_METHOD_DIALBACK_TLS;
	if (!s->external_offered && !dialback) {
		if (!s->remote || !(s->methods & XFED_METHOD_EXTERNAL)) {
			s2s_close(s, s->methods & XFED_METHOD_EXTERNAL ? s->cert_reason : XFED_REASON_DIALBACK_NOT_ALLOWED,
				s->remote ? "client certificate" : "no 'from' in the header inside TLS");
		} else {
			s2s_refuse_certificate(s);
		}
		return;
	}
	s2s_send_header(s);
	if (s->external_offered) {
		send_features(s, dialback ? EXTERNAL_FEATURE XFED_DIALBACK_FEATURE SM_FEATURE : EXTERNAL_FEATURE);
	} else {
		send_features(s, XFED_DIALBACK_FEATURE SM_FEATURE);
	}
	if (!s2s_is_over(s)) {
		s2s_enter(s, XFED_S2S_WAIT_NEGOTIATION);
	}
}

/* Without a version there are no features, so neither TLS nor SASL: only dialback without TLS is possible [A2-08]. */
static void take_old_version(struct xfed_s2s *s)
{
	if (s->needs_tls || !(s->methods & XFED_METHOD_DIALBACK_PLAIN)) {
		s2s_close(s, XFED_REASON_STREAM_VERSION_OLD, "no version in the stream header");
		return;
	}
	s2s_send_header(s);
	if (!s2s_is_over(s)) {
		s2s_enter(s, XFED_S2S_WAIT_NEGOTIATION);
	}
}

void s2s_in_decision(struct xfed_s2s *s, const struct xfed_s2s_decision *d)
{
	if (d->refuse != XFED_REASON_NONE) {
		s2s_close(s, d->refuse, "");
		return;
	}
	s->needs_tls = d->needs_tls;
	s->methods = d->methods;
	s->stanza_bytes = d->stanza_bytes;
	if (!s->creds && d->creds) {
		s->creds = xfed_tls_creds_ref(d->creds);
	}
	if (s->is_secure) {
		offer_secure(s);
	} else if (!s->peer_has_version) {
		take_old_version(s);
	} else {
		offer_clear(s);
	}
}

/* ---- what the peer may send ---- */

static bool may_starttls(const struct xfed_s2s *s)
{
	return !s->is_secure && s->creds;
}

static void do_starttls(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (s->leftover) {
		/* Bytes after <starttls/> without TLS would be read as if they had come inside TLS [A2-13]. */
		s2s_close(s, XFED_REASON_STARTTLS_INJECTION, "bytes behind <starttls/>");
		return;
	}
	s2s_send_str(s, "<proceed xmlns='" XFED_NS_TLS "'/>");
	if (!s2s_is_over(s)) {
		s2s_tls_start(s);
	}
}

/*
 * Also if dialback was faster: a peer may have sent both before it had an answer to either. Not if it counts stanzas already: the stream
 * after SASL is a new one, and the numbers go on.
 */
static bool may_auth(const struct xfed_s2s *s)
{
	return s->state != XFED_S2S_READY || (s->method != XFED_METHOD_EXTERNAL && !s->sm.is_on);
}

/* EXTERNAL was offered for the domain of the header; dialback may have proved another one first. */
static bool is_external_allowed(const struct xfed_s2s *s)
{
	return s->external_offered && s2s_judge_certificate(s, xfed_span_str(s->remote)) == XFED_REASON_NONE;
}

static void refuse_auth(struct xfed_s2s *s, const char *condition)
{
	struct xfed_buf b;
	xfed_buf_init(&b, 512);
	if (xfed_buf_printf(&b, "<failure xmlns='" XFED_NS_SASL "'><%s/></failure>", condition) == XFED_OK) {
		s2s_send_bytes(s, xfed_buf_span(&b));
	}
	xfed_buf_deinit(&b);
	xfed_sasl_server_free(s->sasl);
	s->sasl = NULL;
	if (++s->auth_tries >= XFED_S2S_AUTH_TRIES) {
		s2s_close(s, XFED_REASON_SASL_TRIES_EXCEEDED, "too many tries"); /* [A5-08] */
	}
}

static void do_sasl(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (!s->is_secure) {
		refuse_auth(s, "encryption-required");
		return;
	}
	if (!is_external_allowed(s)) {
		refuse_auth(s, "not-authorized");
		return;
	}
	if (!s->sasl && xfed_sasl_server_new(xfed_span_str(s->remote), &s->sasl) != XFED_OK) {
		s2s_fault(s, "SASL");
		return;
	}
	switch (xfed_sasl_server_feed(s->sasl, e)) {
	case XFED_SASL_CHALLENGE:
		s2s_send_str(s, "<challenge xmlns='" XFED_NS_SASL "'/>"); /* [A5-04] */
		break;
	case XFED_SASL_SUCCESS:
		s->has_external = true;
		s->method = XFED_METHOD_EXTERNAL; /* xfed_s2s_info() before the next header shows both */
		s->leans_on_certificate = true;
		s2s_send_str(s, "<success xmlns='" XFED_NS_SASL "'/>");
		if (!s2s_is_over(s)) {
			s2s_restart(s);
		}
		break;
	case XFED_SASL_FAILURE:
		refuse_auth(s, xfed_sasl_server_condition(s->sasl));
		break;
	case XFED_SASL_NO_MEMORY:
		s2s_fault(s, "SASL");
		break;
	}
}

/* After our header dialback is allowed at any time [A8-19]; <enable/> that comes too early is answered, not illegal (XEP-0198 section 3). */
#define HEADER_OUT (S2S_BIT(WAIT_NEGOTIATION) | S2S_BIT(READY))

const struct s2s_row s2s_in_rows[] = {
	{ XFED_NS_TLS, "starttls", S2S_BIT(WAIT_NEGOTIATION), may_starttls, do_starttls },
	{ XFED_NS_SASL, NULL, HEADER_OUT, may_auth, do_sasl },
	{ XFED_NS_DIALBACK, "result", HEADER_OUT, NULL, s2s_dialback_result_in },
	{ XFED_NS_DIALBACK, "verify", HEADER_OUT, NULL, s2s_dialback_verify_in },
	{ XFED_NS_SM, "enable", HEADER_OUT, NULL, s2s_sm_enable },
	{ XFED_NS_SM, "resume", HEADER_OUT, NULL, s2s_sm_resume },
	{ XFED_NS_SM, "r", 0, s2s_sm_is_on, s2s_sm_asked },
	{ XFED_NS_SM, "a", 0, s2s_sm_is_on, s2s_sm_acked },
	{ XFED_NS_STREAM, "error", 0, NULL, s2s_received_error },
	{ NULL, NULL, 0, NULL, NULL },
};
