#include "xfed/tls.h"

#include <errno.h>

#include "xfed/mem.h"

#include "tls/cert_priv.h"
#include "tls/tls_priv.h"

/* A record of 16 KiB (RFC 8446 5.1) has at most header, explicit nonce, type and tag in addition. */
#define RECORD_OVERHEAD 64
/* The smallest record_size_limit (RFC 8449) that GnuTLS obeys is 511 bytes of payload. */
#define RECORD_LEAST 500

static void keep_last(struct xfed_tls *t, const void *data, size_t len)
{
	const size_t all = sizeof(t->last), n = len < all ? len : all;
	memmove(t->last, t->last + n, all - n);
	memcpy(t->last + all - n, (const char *)data + len - n, n);
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *out, size_t size)
{
	struct xfed_tls *t = ptr;
	struct xfed_span in = xfed_buf_span(&t->in);
	if (in.len == 0) {
		/* Never 0: the driver says when the peer has closed. */
		gnutls_transport_set_errno(t->gnutls, EAGAIN);
		return -1;
	}
	size_t n = in.len < size ? in.len : size;
	/*
	 * GnuTLS 3.7 collects a handshake message of any announced length, up to 16 MB, during and after the handshake; the maximum set by
	 * gnutls_handshake_set_max_packet_length() is checked too late.
	 */
	if (n > XFED_TLS_SILENT_BYTES - t->silent_bytes) {
		t->is_flooded = true;
		gnutls_transport_set_errno(t->gnutls, EIO);
		return -1;
	}
	t->silent_bytes += n;
	memcpy(out, in.data, n);
	keep_last(t, in.data, n);
	xfed_buf_consume(&t->in, n);
	return (ssize_t)n;
}

static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
	const struct xfed_tls *t = ptr;
	return xfed_buf_len(&t->in) > 0;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const void *data, size_t size)
{
	struct xfed_tls *t = ptr;
	if (xfed_buf_append(&t->out, xfed_span_make(data, size)) != XFED_OK) {
		t->out_of_memory = true;
		gnutls_transport_set_errno(t->gnutls, ENOMEM);
		return -1;
	}
	return (ssize_t)size;
}

bool xfed_tls_is_broken(const struct xfed_tls *t)
{
	return t->out_of_memory || t->is_flooded;
}

/* GnuTLS would write secrets to the file that SSLKEYLOGFILE names: this replaces the function that does. */
static int no_keylog(gnutls_session_t session, const char *label, const gnutls_datum_t *secret)
{
	return 0;
}

static int set_alpn(gnutls_session_t s, struct xfed_span alpn, enum xfed_tls_role role)
{
	gnutls_datum_t d = { (unsigned char *)(uintptr_t)alpn.data, (unsigned)alpn.len };
	/* A client that offers protocols without ours wants another service (RFC 7301 3.2); one without ALPN is accepted. */
	return alpn.len == 0 ? 0 : gnutls_alpn_set_protocols(s, &d, 1, role == XFED_TLS_SERVER ? GNUTLS_ALPN_MANDATORY : 0);
}

static int configure(struct xfed_tls *t, const struct xfed_tls_params *p)
{
	gnutls_session_t s = t->gnutls;
	int ret = gnutls_priority_set(s, xfed_tls_priority(p->oldest, p->takes_cbc));
	if (ret >= 0) {
		ret = gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, xfed_tls_creds_gnutls(t->creds));
	}
	if (ret >= 0) {
		ret = set_alpn(s, p->alpn, p->role);
	}
	/* RFC 6066 3: no literal addresses. */
	if (ret >= 0 && p->role == XFED_TLS_CLIENT && p->name.len > 0 && !xfed_cert_is_address(p->name)) {
		ret = gnutls_server_name_set(s, GNUTLS_NAME_DNS, p->name.data, p->name.len);
	}
	if (p->role == XFED_TLS_SERVER) {
		gnutls_certificate_server_set_request(s, p->require_peer_cert ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
		/* Peers that select a certificate by our list of CAs would present none, and dialback accepts any certificate. */
		gnutls_certificate_send_x509_rdn_sequence(s, 1);
	}
	gnutls_handshake_set_max_packet_length(s, 64 * 1024);
	gnutls_session_set_ptr(s, t);
	gnutls_handshake_set_hook_function(s, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_PRE, xfed_tls_message);
	gnutls_session_set_keylog_function(s, no_keylog);
	gnutls_transport_set_ptr(s, t);
	gnutls_transport_set_push_function(s, push);
	gnutls_transport_set_pull_function(s, pull);
	gnutls_transport_set_pull_timeout_function(s, pull_timeout);
	return ret;
}

int xfed_tls_new(const struct xfed_env *env, struct xfed_tls_creds *creds, const struct xfed_tls_params *params, struct xfed_tls **out)
{
	XFED_REQUIRE(xfed_tls_priority(XFED_TLS_1_2, false) != NULL);
	*out = NULL;
	struct xfed_tls *t = xfed_calloc(1, sizeof(*t));
	if (!t) {
		return XFED_ERR_NOMEM;
	}
	t->role = params->role;
	t->chain_reason = XFED_REASON_TLS_CERT_MISSING; /* until a chain has been verified */
	t->creds = xfed_tls_creds_ref(creds);
	xfed_buf_init(&t->in, XFED_TLS_INPUT_BYTES);
	xfed_buf_init(&t->out, XFED_TLS_OUTPUT_BYTES);
	struct xfed_span name = params->role == XFED_TLS_SERVER ? params->name : params->local_name;
	t->name = xfed_strndup(name);
	if (!t->name) {
		goto no_memory;
	}
	unsigned flags = params->role == XFED_TLS_SERVER ? GNUTLS_SERVER : GNUTLS_CLIENT;
	if (gnutls_init(&t->gnutls, flags | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS) < 0) {
		t->gnutls = NULL;
		goto no_memory;
	}
	int ret = configure(t, params);
	if (ret < 0) {
		xfed_tls_free(t);
		return ret == GNUTLS_E_MEMORY_ERROR ? XFED_ERR_NOMEM : XFED_ERR_LIBRARY;
	}
	*out = t;
	return XFED_OK;
no_memory:
	xfed_tls_free(t);
	return XFED_ERR_NOMEM;
}

void xfed_tls_free(struct xfed_tls *t)
{
	if (!t) {
		return;
	}
	if (t->gnutls) {
		gnutls_deinit(t->gnutls);
	}
	xfed_buf_deinit(&t->in);
	xfed_buf_deinit(&t->out);
	xfed_cert_free(t->peer);
	xfed_free(t->name);
	xfed_free(t->sni);
	xfed_tls_creds_unref(t->creds);
	xfed_free(t);
}

int xfed_tls_input(struct xfed_tls *t, struct xfed_span in)
{
	int rc = xfed_buf_append(&t->in, in);
	for (size_t i = 0; rc == XFED_OK && i < in.len && t->first_len < sizeof(t->first); i++) {
		t->first[t->first_len++] = (unsigned char)in.data[i];
	}
	return rc;
}

size_t xfed_tls_input_room(const struct xfed_tls *t)
{
	return XFED_TLS_INPUT_BYTES - xfed_buf_len(&t->in);
}

struct xfed_buf *xfed_tls_output(struct xfed_tls *t)
{
	return &t->out;
}

bool xfed_tls_is_established(const struct xfed_tls *t)
{
	return t->is_established;
}

/*
 * The alert that ended the session, or -1. A TLS 1.3 client with OpenSSL that refuses our certificate sends the alert unencrypted, because
 * it encrypts only from its own Certificate on; GnuTLS sees that as a record that cannot be decrypted.
 */
static int alert_of(const struct xfed_tls *t, int ret)
{
	bool is_clear = t->last[0] == 21 && t->last[1] == 3 && t->last[3] == 0 && t->last[4] == 2 && t->last[5] == GNUTLS_AL_FATAL;
	if (ret == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		return (int)gnutls_alert_get(t->gnutls);
	}
	return ret == GNUTLS_E_DECRYPTION_FAILED && !t->is_established && is_clear ? t->last[6] : -1;
}

/* Whether the alert means that the peer refuses our certificate. */
static bool is_of_certificate(int alert)
{
	switch (alert) {
	case GNUTLS_A_BAD_CERTIFICATE:
	case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
	case GNUTLS_A_CERTIFICATE_REVOKED:
	case GNUTLS_A_CERTIFICATE_EXPIRED:
	case GNUTLS_A_CERTIFICATE_UNKNOWN:
	case GNUTLS_A_UNKNOWN_CA:
	case GNUTLS_A_CERTIFICATE_REQUIRED:
		return true;
	default:
		return false;
	}
}

static enum xfed_reason reason_of(const struct xfed_tls *t, int ret)
{
	/* Alerts and handshakes are records of type 21 and 22, version 3.x; anything else is not TLS. */
	bool is_tls = t->first_len == 2 && (t->first[0] == 22 || t->first[0] == 21) && t->first[1] == 3;
	if (t->out_of_memory || ret == GNUTLS_E_MEMORY_ERROR) {
		return XFED_REASON_STREAM_INTERNAL;
	}
	if (t->is_key_costly) {
		return XFED_REASON_TLS_CERT_UNTRUSTED;
	}
	if (is_of_certificate(alert_of(t, ret))) {
		return XFED_REASON_TLS_CERT_REFUSED;
	}
	if (ret == GNUTLS_E_NO_CERTIFICATE_FOUND || ret == GNUTLS_E_CERTIFICATE_REQUIRED) {
		return t->role == XFED_TLS_SERVER ? XFED_REASON_TLS_CERT_MISSING : XFED_REASON_TLS_HANDSHAKE_FAILED;
	}
	bool is_version = (ret == GNUTLS_E_UNSUPPORTED_VERSION_PACKET && is_tls) || alert_of(t, ret) == GNUTLS_A_PROTOCOL_VERSION;
	if (is_version && !t->is_established) {
		return XFED_REASON_TLS_VERSION_OLD;
	}
	return XFED_REASON_TLS_HANDSHAKE_FAILED;
}

enum xfed_tls_result xfed_tls_fail(struct xfed_tls *t, int ret)
{
	t->is_failed = true;
	t->reason = reason_of(t, ret);
	t->text = gnutls_strerror(ret);
	if (t->out_of_memory) {
		t->text = "out of memory";
	} else if (t->is_key_costly) {
		t->text = "a key of the chain is too long, or its exponent is";
		(void)gnutls_alert_send(t->gnutls, GNUTLS_AL_FATAL, GNUTLS_A_UNSUPPORTED_CERTIFICATE);
	} else if (t->is_flooded) {
		t->text = "too many bytes without a finished handshake or plaintext";
	} else if (alert_of(t, ret) >= 0) {
		const char *alert = gnutls_alert_get_name((gnutls_alert_description_t)alert_of(t, ret));
		t->text = alert ? alert : "unknown alert received";
	} else if (ret == GNUTLS_E_REHANDSHAKE) {
		t->text = "the peer asked for renegotiation";
	} else {
		/* If the alert cannot be queued, the peer does not get it; the connection is closed in any case. */
		(void)gnutls_alert_send_appropriate(t->gnutls, ret);
	}
	return XFED_TLS_FAILED;
}

enum xfed_tls_result xfed_tls_read(struct xfed_tls *t, char *out, size_t size, size_t *len)
{
	*len = 0;
	XFED_REQUIRE(t->is_established && size > 0);
	if (t->is_failed || t->is_closed) {
		return t->is_failed ? XFED_TLS_FAILED : XFED_TLS_CLOSED;
	}
	for (;;) {
		size_t before = xfed_buf_len(&t->in);
		ssize_t n = gnutls_record_recv(t->gnutls, out, size);
		if (n > 0) {
			*len = (size_t)n;
			t->silent_bytes = 0;
			return XFED_TLS_DONE;
		}
		if (n == 0) {
			t->is_closed = true;
			return XFED_TLS_CLOSED;
		}
		/* Renegotiation is not fatal for GnuTLS; for us it is: [A4-07]. */
		if (gnutls_error_is_fatal((int)n) || n == GNUTLS_E_REHANDSHAKE || xfed_tls_is_broken(t)) {
			return xfed_tls_fail(t, (int)n);
		}
		size_t left = xfed_buf_len(&t->in);
		if (left == 0 || left == before) {
			xfed_buf_trim(&t->in);
			return XFED_TLS_WANT_INPUT;
		}
	}
}

bool xfed_tls_has_pending(const struct xfed_tls *t)
{
	return xfed_buf_len(&t->in) > 0 || gnutls_record_check_pending(t->gnutls) > 0;
}

int xfed_tls_write(struct xfed_tls *t, struct xfed_span in)
{
	if (!t->is_established || t->is_failed || t->has_said_bye) {
		return XFED_ERR_STATE;
	}
	/* Checks the room for everything before the first record is made: a stanza that is half written could not be withdrawn. */
	size_t most = in.len + (in.len / RECORD_LEAST + 1) * RECORD_OVERHEAD;
	if (in.len > XFED_TLS_OUTPUT_BYTES || most > XFED_TLS_OUTPUT_BYTES - xfed_buf_len(&t->out)) {
		return XFED_ERR_LIMIT;
	}
	if (in.len > 0 && !xfed_buf_reserve(&t->out, most)) {
		return XFED_ERR_NOMEM;
	}
	while (in.len > 0) {
		ssize_t n = gnutls_record_send(t->gnutls, in.data, in.len);
		if (n <= 0) {
			(void)xfed_tls_fail(t, n < 0 ? (int)n : GNUTLS_E_INTERNAL_ERROR);
			return XFED_ERR_LIBRARY;
		}
		in = xfed_span_make(in.data + n, in.len - (size_t)n);
	}
	return XFED_OK;
}

void xfed_tls_bye(struct xfed_tls *t)
{
	if (t->is_established && !t->is_failed && !t->has_said_bye) {
		t->has_said_bye = true;
		/* The alert goes to the output; GNUTLS_SHUT_WR does not wait for the peer's. */
		(void)gnutls_bye(t->gnutls, GNUTLS_SHUT_WR);
	}
}

enum xfed_reason xfed_tls_reason(const struct xfed_tls *t)
{
	return t->reason;
}

const char *xfed_tls_error_text(const struct xfed_tls *t)
{
	return t->text ? t->text : "";
}

void xfed_tls_facts(const struct xfed_tls *t, struct xfed_tls_facts *out)
{
	gnutls_protocol_t protocol = gnutls_protocol_get_version(t->gnutls);
	const char *version = gnutls_protocol_get_name(protocol);
	const char *cipher = gnutls_cipher_get_name(gnutls_cipher_get(t->gnutls));
	*out = (struct xfed_tls_facts){
		.version = version ? version : "",
		.number = (enum xfed_tls_version)((int)protocol - GNUTLS_TLS1_2),
		.cipher = cipher ? cipher : "",
		.sni = xfed_span_str(t->sni),
		.peer = t->peer,
		.chain_len = t->chain_len,
		.chain_reason = t->chain_reason,
	};
}

struct xfed_span xfed_tls_peer_der(const struct xfed_tls *t, size_t i)
{
	unsigned count = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(t->gnutls, &count);
	return chain && i < count ? xfed_span_make(chain[i].data, chain[i].size) : (struct xfed_span){ NULL, 0 };
}
