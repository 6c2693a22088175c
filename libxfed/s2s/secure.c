#include "internal.h"

#include <stdio.h>

#define PLAIN_BYTES 16384

void s2s_tls_flush(struct xfed_s2s *s)
{
	struct xfed_buf *from = xfed_tls_output(s->tls);
	if (xfed_buf_len(from) == 0) {
		return;
	}
	int rc = xfed_buf_append(s->out, xfed_buf_span(from));
	xfed_buf_consume(from, xfed_buf_len(from));
	if (rc == XFED_ERR_LIMIT) {
		s2s_drop(s, XFED_REASON_STREAM_OUTPUT_FULL, "output buffer full");
	} else if (rc != XFED_OK) {
		s2s_fault(s, "output");
	}
}

static void queue_job(struct xfed_s2s *s)
{
	s->job_running = true;
	s2s_push(s, XFED_S2S_JOB)->tls = s->tls;
}

/* TLS uses names as A-labels. */
static int ascii_name(struct xfed_arena *a, const char *domain, struct xfed_span *out)
{
	*out = (struct xfed_span){ NULL, 0 };
	return domain ? xfed_jid_domain_ascii(a, xfed_span_str(domain), out) : XFED_OK;
}

void s2s_tls_start(struct xfed_s2s *s)
{
	struct xfed_arena a;
	xfed_arena_init(&a, 16384);
	struct xfed_span local, remote;
	int rc = ascii_name(&a, s->local, &local);
	if (rc == XFED_OK) {
		rc = ascii_name(&a, s->remote, &remote);
	}
	if (rc == XFED_OK) {
		bool is_client = s->direction == XFED_S2S_OUT;
		struct xfed_tls_params params = {
			.role = is_client ? XFED_TLS_CLIENT : XFED_TLS_SERVER,
			.name = is_client ? remote : local,
			.local_name = local,
		};
		rc = xfed_tls_new(s->env, s->creds, &params, &s->tls);
	}
	xfed_arena_deinit(&a);
	if (rc != XFED_OK) {
		s2s_fault(s, "TLS session");
		return;
	}
	s2s_forget(s);
	if (s2s_enter(s, XFED_S2S_HANDSHAKING) && s->direction == XFED_S2S_OUT) {
		queue_job(s); /* the client sends first; a server waits for the ClientHello */
	}
}

/* Takes ciphertext from the socket. While a job is running nothing is taken: the driver offers the bytes again. */
void s2s_tls_take(struct xfed_s2s *s, struct xfed_s2s_event *ev)
{
	if (s->job_running) {
		return;
	}
	size_t room = xfed_tls_input_room(s->tls);
	size_t take = ev->bytes.len < room ? ev->bytes.len : room;
	if (take == 0) {
		return;
	}
	if (xfed_tls_input(s->tls, xfed_span_make(ev->bytes.data, take)) != XFED_OK) {
		s2s_fault(s, "TLS input");
		return;
	}
	ev->consumed = take;
	s->tls_starved = false;
	if (!s->is_secure) {
		queue_job(s);
	}
}

/* Why the peer's certificate is not valid for `domain`; NONE: it is. The purpose is judged by our own rule. */
enum xfed_reason s2s_judge_certificate(const struct xfed_s2s *s, struct xfed_span domain)
{
	struct xfed_tls_facts f;
	xfed_tls_facts(s->tls, &f);
	if (f.chain_reason != XFED_REASON_NONE) {
		return f.chain_reason; /* for a leaf that cannot be read, without facts */
	}
	if (!f.peer) {
		return XFED_REASON_TLS_CERT_MISSING;
	}
	if (!xfed_cert_purpose_ok(f.peer)) {
		return XFED_REASON_TLS_CERT_PURPOSE;
	}
	if (!xfed_cert_proves_xmpp(f.peer, domain)) {
		return XFED_REASON_TLS_CERT_NAME_MISMATCH;
	}
	return XFED_REASON_NONE;
}

/* Details besides the reason: the names the certificate has, or what the chain lacks. */
static void certificate_finding(const struct xfed_s2s *s, char *out, size_t size)
{
	struct xfed_tls_facts f;
	xfed_tls_facts(s->tls, &f);
	if (s->cert_reason != XFED_REASON_TLS_CERT_NAME_MISMATCH || !f.peer) {
		snprintf(out, size, "%s", s->cert_reason == XFED_REASON_TLS_CERT_PURPOSE ? "it is not for servers" : xfed_tls_error_text(s->tls));
		return;
	}
	const struct xfed_cert_facts *names = xfed_cert_facts(f.peer);
	size_t len = (size_t)snprintf(out, size, "it names %s", names->name_count > 0 ? "" : "no domain");
	for (size_t i = 0; i < names->name_count && len < size; i++) {
		len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? ", " : "", names->names[i]);
	}
}

void s2s_refuse_certificate(struct xfed_s2s *s)
{
	char text[sizeof(s->text)], finding[128];
	certificate_finding(s, finding, sizeof(finding));
	snprintf(text, sizeof(text), "%s%s%s", s->direction == XFED_S2S_OUT ? "certificate of the server we called" : "client certificate",
		finding[0] ? ": " : "", finding);
	s2s_close(s, s->cert_reason, text);
}

enum xfed_reason xfed_s2s_judge_again(struct xfed_s2s *s, struct xfed_tls_creds *creds, int64_t now_s, int64_t *due_s)
{
	*due_s = INT64_MAX;
	if (!s->is_secure || s2s_is_over(s)) {
		return XFED_REASON_NONE;
	}
	enum xfed_reason reason = xfed_tls_judge_again(s->tls, creds, now_s);
	*due_s = xfed_tls_judge_due_s(s->tls);
	if (s->remote) {
		s->cert_reason = s2s_judge_certificate(s, xfed_span_str(s->remote));
	}
	return s->leans_on_certificate ? reason : XFED_REASON_NONE;
}

static void handshake_complete(struct xfed_s2s *s)
{
	s->is_secure = true;
	if (s->direction == XFED_S2S_IN) {
		s2s_restart(s); /* judged when the header inside TLS says which domain the peer claims [A4-06] */
		return;
	}
	s->cert_reason = s2s_judge_certificate(s, xfed_span_str(s->remote));
	if (!s2s_restart(s)) {
		return;
	}
	if (s->cert_reason != XFED_REASON_NONE && !(s->methods & XFED_METHOD_DIALBACK_TLS) && !s->is_verify) {
		s2s_refuse_certificate(s);
		return;
	}
	s2s_send_header(s);
}

void s2s_tls_job_done(struct xfed_s2s *s, enum xfed_tls_result result)
{
	s->job_running = false;
	if (s->state == XFED_S2S_DONE) {
		return; /* closed meanwhile */
	}
	s2s_tls_flush(s);
	if (s2s_is_over(s)) {
		return;
	}
	switch (result) {
	case XFED_TLS_DONE:
		handshake_complete(s);
		break;
	case XFED_TLS_WANT_INPUT:
		s->tls_starved = true;
		break;
	case XFED_TLS_CLOSED:
		s2s_drop(s, XFED_REASON_TLS_HANDSHAKE_FAILED, "closed during the handshake");
		break;
	case XFED_TLS_FAILED:
		/* No closing tag, only the alert that is in the output [A4-02]. */
		s2s_drop(s, xfed_tls_reason(s->tls), xfed_tls_error_text(s->tls));
		break;
	}
}

bool s2s_tls_read(struct xfed_s2s *s)
{
	if (!s->is_secure || s->tls_starved) {
		return false;
	}
	char *room = xfed_buf_reserve(&s->plain, PLAIN_BYTES);
	if (!room) {
		s2s_fault(s, "plaintext");
		return false;
	}
	size_t len = 0;
	enum xfed_tls_result r = xfed_tls_read(s->tls, room, PLAIN_BYTES, &len);
	s2s_tls_flush(s); /* alerts and key updates */
	switch (r) {
	case XFED_TLS_DONE:
		xfed_buf_commit(&s->plain, len);
		return true;
	case XFED_TLS_WANT_INPUT:
		s->tls_starved = true;
		break;
	case XFED_TLS_CLOSED:
		s->tls_starved = true;
		s2s_drop(s, s->peer_closed ? XFED_REASON_STREAM_CLOSED_PEER : XFED_REASON_NET_STREAM_LOST, "TLS close_notify without a closing tag");
		break;
	case XFED_TLS_FAILED:
		s2s_drop(s, xfed_tls_reason(s->tls), xfed_tls_error_text(s->tls));
		break;
	}
	return false;
}
