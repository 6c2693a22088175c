#include "proto/session_impl.h"

#include <stdio.h>

static bool server_names_peer(struct proto_session *s, const struct xfed_cert *cert)
{
	for (size_t i = 0; i < s->allow_count; i++) {
		if (xfed_cert_names_host(cert, xfed_span_str(s->allow[i]))) {
			s->peer.cert_name = s->allow[i];
			return true;
		}
	}
	return false;
}

static const char *wrong_name(struct proto_session *s, const char *problem)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(s->facts.peer);
	size_t size = sizeof(s->wrong_name), len = (size_t)snprintf(s->wrong_name, size, "%s: it has", problem);
	for (size_t i = 0; i < f->name_count && len < size; i++) {
		len += (size_t)snprintf(s->wrong_name + len, size - len, "%s %.80s", i > 0 ? "," : "", f->names[i]);
	}
	if (f->name_count == 0) {
		snprintf(s->wrong_name + len, size - len, " no names");
	}
	return s->wrong_name;
}

/* What to do about the certificate of either service; the reasons' own remedies are about partners. */
static const char *bad_chain(struct proto_session *s, enum xfed_reason reason)
{
	const char *judge = s->role == PROTO_EDGE ? "edge" : "gateway", *judged = s->role == PROTO_EDGE ? "gateway" : "edge";
	const char *what = "does not hold: look at it, and at channel.ca of the other host";
	switch (reason) {
	case XFED_REASON_TLS_CERT_EXPIRED:
		what = "has expired: renew it there, and reload; or that host's or this one's clock is wrong";
		break;
	case XFED_REASON_TLS_CERT_NOT_YET_VALID:
		what = "is not valid yet: set the clocks of both hosts (timedatectl)";
		break;
	case XFED_REASON_TLS_CERT_UNTRUSTED:
		snprintf(s->wrong_name, sizeof(s->wrong_name),
			"the %s's certificate is not signed by an authority in channel.ca of the %s: give both hosts certificates of one CA, and "
			"that "
			"CA's file (%s)",
			judged, judge, xfed_reason_code(reason));
		return s->wrong_name;
	case XFED_REASON_TLS_CERT_PURPOSE:
		what = "is for clients alone: it needs serverAuth among its extended key usages";
		break;
	default:
		break;
	}
	snprintf(s->wrong_name, sizeof(s->wrong_name), "the %s's certificate %s (%s)", judged, what, xfed_reason_code(reason));
	return s->wrong_name;
}

/* The chain has to be valid and the name the expected one. The certificate of the edge also has to be one for servers. */
static const char *identity_problem(struct proto_session *s)
{
	xfed_tls_facts(s->tls, &s->facts);
	if (!s->facts.peer) {
		return "the peer presented no certificate";
	}
	if (s->facts.chain_reason != XFED_REASON_NONE) {
		return bad_chain(s, s->facts.chain_reason);
	}
	if (s->role == PROTO_EDGE) {
		return server_names_peer(s, s->facts.peer) ? NULL : wrong_name(s, "the gateway's certificate carries no name of channel.allow");
	}
	if (!xfed_cert_purpose_ok(s->facts.peer)) {
		return bad_chain(s, XFED_REASON_TLS_CERT_PURPOSE);
	}
	s->peer.cert_name = s->host.data;
	return xfed_cert_names_host(s->facts.peer, s->host) ? NULL : wrong_name(s, "the edge's certificate does not carry its host or tls_name");
}

const char *proto_session_judge_again(
	struct proto_session *s, struct xfed_tls_creds *creds, const char *const *allow, size_t allow_count, int64_t now_s, int64_t *due_s)
{
	bool is_named = s->role != PROTO_EDGE;
	*due_s = INT64_MAX;
	if (!s->tls || !s->facts.peer) {
		return NULL; /* without TLS, in tests */
	}
	s->facts.chain_reason = xfed_tls_judge_again(s->tls, creds, now_s);
	*due_s = xfed_tls_judge_due_s(s->tls);
	if (s->facts.chain_reason != XFED_REASON_NONE) {
		return bad_chain(s, s->facts.chain_reason);
	}
	for (size_t i = 0; i < allow_count && !is_named; i++) {
		is_named = xfed_cert_names_host(s->facts.peer, xfed_span_str(allow[i]));
	}
	return is_named ? NULL : wrong_name(s, "the gateway's certificate carries no name of channel.allow");
}

const struct xfed_cert *proto_session_certificate(const struct proto_session *s)
{
	return s->tls ? s->facts.peer : NULL;
}

static void handshake_done(struct proto_session *s)
{
	const char *problem = identity_problem(s);
	if (problem) {
		proto_session_enter(s, PROTO_WAIT_HELLO); /* so that the peer can be told why */
		proto_session_go_down(s, XFED_REASON_CHANNEL_PEER_UNTRUSTED, problem);
		return;
	}
	s->peer.tls_version = s->facts.version;
	s->peer.cipher = s->facts.cipher;
	proto_session_start_hello(s);
}

/* Feeds ciphertext that waited to TLS. True: any was taken. */
bool proto_session_feed_tls(struct proto_session *s)
{
	struct xfed_span in = xfed_buf_span(&s->raw);
	size_t room = xfed_tls_input_room(s->tls);
	in.len = in.len < room ? in.len : room;
	if (in.len == 0) {
		return false;
	}
	if (xfed_tls_input(s->tls, in) != XFED_OK) {
		proto_session_go_nomem(s);
		return false;
	}
	xfed_buf_consume(&s->raw, in.len);
	xfed_buf_trim(&s->raw);
	return true;
}

void proto_session_handshake_waits(struct proto_session *s)
{
	if (proto_session_feed_tls(s)) {
		s->pending |= PENDING_JOB;
	} else if (s->is_eof) {
		proto_session_go_down(s, XFED_REASON_CHANNEL_DOWN, "closed during the TLS handshake");
	}
}

void proto_session_job_done(struct proto_session *s)
{
	XFED_REQUIRE(s->job_running);
	s->job_running = false;
	if (s->is_closing) {
		char text[sizeof(s->text)];
		memcpy(text, s->text, sizeof(text));
		proto_session_go_down(s, s->reason, text);
		return;
	}
	switch (s->job_result) {
	case XFED_TLS_DONE:
		handshake_done(s);
		return;
	case XFED_TLS_WANT_INPUT:
		proto_session_handshake_waits(s);
		return;
	case XFED_TLS_CLOSED:
		proto_session_go_down(s, XFED_REASON_CHANNEL_DOWN, "closed during the TLS handshake");
		return;
	case XFED_TLS_FAILED:
		proto_session_go_down(s, xfed_tls_reason(s->tls), xfed_tls_error_text(s->tls));
		return;
	}
}

void proto_session_job_run(struct proto_session *s)
{
	s->job_result = xfed_tls_handshake_step(s->tls);
}

bool proto_session_job_running(const struct proto_session *s)
{
	return s->job_running;
}
