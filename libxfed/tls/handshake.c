#include "xfed/tls.h"

#include <gnutls/x509.h>

#include "xfed/mem.h"

#include "tls/cert_priv.h"
#include "tls/tls_priv.h"

#define SNI_BYTES 256

/* Called within the handshake, so on the thread of the job: may use this session and read-only credentials only. */
int xfed_tls_retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **certs, unsigned *certs_len,
	gnutls_ocsp_data_st **ocsp, unsigned *ocsp_len, gnutls_privkey_t *key, unsigned *flags)
{
	struct xfed_tls *t = gnutls_session_get_ptr(session);
	struct xfed_span name = xfed_span_str(t->name);
	char sni[SNI_BYTES];
	size_t len = sizeof(sni);
	unsigned type = 0;
	/* SNI first, then the name the stream header asked for: [A4-05]. Uses data of this session only. */
	if (t->role == XFED_TLS_SERVER && gnutls_server_name_get(session, sni, &len, &type, 0) >= 0 && type == GNUTLS_NAME_DNS && len > 0) {
		name = xfed_span_make(sni, strnlen(sni, len));
	}
	const struct xfed_tls_pair *p = xfed_tls_creds_choose(t->creds, name, info->pk_algos, (size_t)info->pk_algos_length);
	*ocsp = NULL;
	*ocsp_len = 0;
	*flags = 0;
	*certs = p ? p->chain : NULL;
	*certs_len = p ? p->chain_len : 0;
	*key = p ? p->key : NULL;
	return 0;
}

/* The peer chooses what checking a signature costs: by the length of its key, and for RSA by the exponent. */
static bool is_costly(gnutls_x509_crt_t crt, bool is_leaf)
{
	gnutls_datum_t modulus = { NULL, 0 }, exponent = { NULL, 0 };
	unsigned bits = 0;
	int algorithm = gnutls_x509_crt_get_pk_algorithm(crt, &bits);
	bool is_too_much = algorithm >= 0 && bits > (is_leaf ? XFED_TLS_KEY_BITS_MAX : XFED_TLS_ISSUER_KEY_BITS_MAX);
	if (gnutls_x509_crt_get_pk_rsa_raw(crt, &modulus, &exponent) >= 0) {
		size_t zeros = 0;
		while (zeros < exponent.size && exponent.data[zeros] == 0) {
			zeros++;
		}
		is_too_much |= exponent.size - zeros > XFED_TLS_EXPONENT_BYTES_MAX;
		gnutls_free(modulus.data);
		gnutls_free(exponent.data);
	}
	return is_too_much;
}

/*
 * Everything that is needed of certificate `i` of the chain, so that it is imported once. A malformed one has no expiry, and as the leaf
 * leaves `peer` NULL. NOMEM; LIMIT: a costly key.
 */
static int read_peer_cert(struct xfed_tls *t, unsigned i, struct xfed_span der)
{
	gnutls_x509_crt_t crt;
	int rc = xfed_cert_import(der, &crt);
	if (rc != XFED_OK) {
		return rc == XFED_ERR_INVALID ? XFED_OK : rc;
	}
	rc = is_costly(crt, i == 0) ? XFED_ERR_LIMIT : XFED_OK;
	t->ends_s[i] = gnutls_x509_crt_get_expiration_time(crt);
	if (rc == XFED_OK && i == 0) {
		rc = xfed_cert_new_crt(crt, der, &t->peer);
		rc = rc == XFED_ERR_INVALID ? XFED_OK : rc;
	}
	gnutls_x509_crt_deinit(crt);
	return rc;
}

/*
 * Called before a handshake message is processed. Signatures by the peer's key follow the certificate: the chain is known then, and no
 * signature has been checked.
 */
int xfed_tls_message(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *msg)
{
	struct xfed_tls *t = gnutls_session_get_ptr(session);
	bool is_signed = type == GNUTLS_HANDSHAKE_CERTIFICATE_VERIFY || type == GNUTLS_HANDSHAKE_SERVER_KEY_EXCHANGE;
	if (!incoming || !is_signed || t->peer) {
		return 0;
	}
	for (unsigned i = 0; i < XFED_TLS_CHAIN_MAX; i++) {
		struct xfed_span der = xfed_tls_peer_der(t, i);
		int rc = der.data ? read_peer_cert(t, i, der) : XFED_OK;
		if (rc != XFED_OK) {
			t->is_key_costly = rc == XFED_ERR_LIMIT;
			t->out_of_memory = rc == XFED_ERR_NOMEM;
			return GNUTLS_E_UNSUPPORTED_CERTIFICATE_TYPE;
		}
	}
	return 0;
}

static const struct {
	unsigned bit;
	enum xfed_reason reason;
	const char *text;
} findings[] = {
	/* Most serious first: what renewing would not cure comes before what it would. */
	{ GNUTLS_CERT_REVOKED, XFED_REASON_TLS_CERT_REVOKED, "a certificate of the chain is revoked" },
	{ GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED, XFED_REASON_TLS_CRL_OUTDATED, "our revocation list is out of date" },
	{ GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE, XFED_REASON_TLS_CRL_OUTDATED, "our revocation list is from the future" },
	{ GNUTLS_CERT_SIGNER_NOT_FOUND, XFED_REASON_TLS_CERT_UNTRUSTED, "no trusted issuer" },
	{ GNUTLS_CERT_SIGNER_NOT_CA, XFED_REASON_TLS_CERT_UNTRUSTED, "an issuer is not a CA" },
	{ GNUTLS_CERT_SIGNATURE_FAILURE, XFED_REASON_TLS_CERT_UNTRUSTED, "a signature of the chain is wrong" },
	{ GNUTLS_CERT_INSECURE_ALGORITHM, XFED_REASON_TLS_CERT_WEAK, "the chain uses a weak key or algorithm" },
	{ GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE, XFED_REASON_TLS_CERT_UNTRUSTED, "an issuer's constraints are violated" },
	{ GNUTLS_CERT_UNKNOWN_CRIT_EXTENSIONS, XFED_REASON_TLS_CERT_UNTRUSTED, "a critical extension is unknown" },
	{ GNUTLS_CERT_EXPIRED, XFED_REASON_TLS_CERT_EXPIRED, "a certificate of the chain has expired" },
	{ GNUTLS_CERT_NOT_ACTIVATED, XFED_REASON_TLS_CERT_NOT_YET_VALID, "a certificate of the chain is not valid yet" },
};

static void find(struct xfed_tls *t, enum xfed_reason reason, const char *text)
{
	t->chain_reason = reason;
	t->text = text;
}

static void judge_status(struct xfed_tls *t, unsigned status)
{
	if (status == 0) {
		find(t, XFED_REASON_NONE, NULL);
		return;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(findings); i++) {
		if (status & findings[i].bit) {
			find(t, findings[i].reason, findings[i].text);
			return;
		}
	}
	find(t, XFED_REASON_TLS_CERT_UNTRUSTED, "the chain does not verify");
}

static void verify_chain(struct xfed_tls *t)
{
	unsigned status = 0;
	/* Host name and purpose are not checked here: our own rules judge them (identity.c), and dialback needs neither. */
	int ret = gnutls_certificate_verify_peers(t->gnutls, NULL, 0, &status);
	if (ret < 0) {
		find(t, XFED_REASON_TLS_CERT_UNTRUSTED, gnutls_strerror(ret));
		return;
	}
	judge_status(t, status);
	/* RFC 6120 13.7.1.1: the certificate of an end entity is none of a CA. */
	if (t->chain_reason == XFED_REASON_NONE && t->peer->is_ca) {
		find(t, XFED_REASON_TLS_CERT_UNTRUSTED, "the certificate is one of a CA");
	}
}

/* Judges the chain that xfed_tls_message() has read. */
static void judge_peer(struct xfed_tls *t)
{
	(void)gnutls_certificate_get_peers(t->gnutls, &t->chain_len);
	if (t->chain_len == 0) {
		find(t, XFED_REASON_TLS_CERT_MISSING, "no certificate was presented");
	} else if (!t->peer) {
		find(t, XFED_REASON_TLS_CERT_UNTRUSTED, "the certificate is malformed");
	} else if (t->chain_len > XFED_TLS_CHAIN_MAX) {
		find(t, XFED_REASON_TLS_CERT_UNTRUSTED, "the chain is too long");
	} else {
		verify_chain(t);
	}
}

/* The first expiry that is still to come, so that an expired certificate that is not needed does not have the chain judged all the time. */
static int64_t next_expiry_s(const struct xfed_tls *t, int64_t now_s)
{
	int64_t next = INT64_MAX;
	for (size_t i = 0; i < XFED_TLS_CHAIN_MAX; i++) {
		int64_t end = t->ends_s[i];
		next = end >= now_s && end < next ? end : next;
	}
	return next;
}

static void set_due(struct xfed_tls *t, int64_t now_s)
{
	int64_t expiry_s = next_expiry_s(t, now_s);
	/* a certificate is still valid in its last second */
	t->judge_due_s = expiry_s < now_s + XFED_TLS_JUDGE_S ? expiry_s + 1 : now_s + XFED_TLS_JUDGE_S;
}

enum xfed_reason xfed_tls_judge_again(struct xfed_tls *t, struct xfed_tls_creds *creds, int64_t now_s)
{
	XFED_REQUIRE(t->is_established);
	bool is_other = creds && creds != t->creds;
	if (t->chain_len == 0) {
		t->judge_due_s = INT64_MAX;
		return t->chain_reason;
	}
	if (is_other) {
		/* Our certificate is not needed any more: these credentials only judge the chain. */
		if (gnutls_credentials_set(t->gnutls, GNUTLS_CRD_CERTIFICATE, xfed_tls_creds_gnutls(creds)) < 0) {
			find(t, XFED_REASON_TLS_CERT_UNTRUSTED, "the chain cannot be judged again");
			return t->chain_reason;
		}
		xfed_tls_creds_ref(creds);
		xfed_tls_creds_unref(t->creds);
		t->creds = creds;
	}
	bool is_due = t->judge_due_s != 0 && now_s >= t->judge_due_s;
	if ((is_other || is_due) && t->peer && t->chain_len <= XFED_TLS_CHAIN_MAX) {
		verify_chain(t);
	}
	if (is_other || is_due || t->judge_due_s == 0) {
		set_due(t, now_s);
	}
	return t->chain_reason;
}

int64_t xfed_tls_judge_due_s(const struct xfed_tls *t)
{
	return t->judge_due_s;
}

static bool keep_sni(struct xfed_tls *t)
{
	char sni[SNI_BYTES];
	size_t len = sizeof(sni);
	unsigned type = 0;
	if (t->role != XFED_TLS_SERVER || gnutls_server_name_get(t->gnutls, sni, &len, &type, 0) < 0 || type != GNUTLS_NAME_DNS) {
		return true;
	}
	t->sni = xfed_strndup(xfed_span_make(sni, strnlen(sni, len)));
	return t->sni != NULL;
}

static enum xfed_tls_result finish(struct xfed_tls *t)
{
	if (!keep_sni(t)) {
		t->out_of_memory = true;
		return xfed_tls_fail(t, GNUTLS_E_MEMORY_ERROR);
	}
	judge_peer(t);
	xfed_free(t->name);
	t->name = NULL;
	t->is_established = true;
	t->silent_bytes = 0;
	xfed_buf_trim(&t->in);
	return XFED_TLS_DONE;
}

enum xfed_tls_result xfed_tls_handshake_step(struct xfed_tls *t)
{
	XFED_REQUIRE(!t->is_established);
	if (t->is_failed) {
		return XFED_TLS_FAILED;
	}
	for (;;) {
		size_t before = xfed_buf_len(&t->in);
		int ret = gnutls_handshake(t->gnutls);
		if (xfed_tls_is_broken(t)) {
			return xfed_tls_fail(t, GNUTLS_E_INTERNAL_ERROR);
		}
		if (ret >= 0) {
			return finish(t);
		}
		if (gnutls_error_is_fatal(ret)) {
			return xfed_tls_fail(t, ret);
		}
		/* a warning alert, or more queued input to process */
		size_t left = xfed_buf_len(&t->in);
		if (left == 0 || left == before) {
			xfed_buf_trim(&t->in);
			return XFED_TLS_WANT_INPUT;
		}
	}
}
