#include "xfed/tls.h"

#include <stdatomic.h>
#include <stdio.h>

#include <gnutls/x509.h>

#include "xfed/mem.h"

#include "tls/cert_priv.h"
#include "tls/tls_priv.h"

/* The reference count is atomic, because the last session may end on another thread than the one that reloads. */
struct xfed_tls_creds {
	atomic_uint refs;
	gnutls_certificate_credentials_t gnutls;
	size_t pair_count;
	struct xfed_tls_pair pairs[];
};

static gnutls_datum_t datum(struct xfed_span s)
{
	/* GnuTLS takes a non-const pointer and does not write to it. */
	return (gnutls_datum_t){ (unsigned char *)(uintptr_t)s.data, (unsigned)s.len };
}

static int load_chain(struct xfed_tls_pair *p, struct xfed_span pem)
{
	gnutls_x509_crt_t *crts = NULL;
	unsigned count = 0;
	gnutls_datum_t d = datum(pem), der = { NULL, 0 };
	int ret = gnutls_x509_crt_list_import2(&crts, &count, &d, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
	if (ret < 0) {
		return ret;
	}
	p->chain = xfed_calloc(count, sizeof(*p->chain));
	ret = GNUTLS_E_MEMORY_ERROR;
	if (p->chain) {
		p->chain_len = count;
		ret = gnutls_pcert_import_x509_list(p->chain, crts, &p->chain_len, 0);
		if (ret < 0) {
			p->chain_len = 0;
		}
	}
	if (ret >= 0) {
		ret = gnutls_x509_crt_export2(crts[0], GNUTLS_X509_FMT_DER, &der);
	}
	if (ret >= 0) {
		int rc = xfed_cert_new_der(xfed_span_make(der.data, der.size), &p->leaf);
		ret = rc == XFED_OK ? 0 : rc == XFED_ERR_NOMEM ? GNUTLS_E_MEMORY_ERROR : GNUTLS_E_CERTIFICATE_ERROR;
		gnutls_free(der.data);
	}
	for (unsigned i = 0; i < count; i++) {
		gnutls_x509_crt_deinit(crts[i]);
	}
	gnutls_free(crts);
	return ret;
}

static int load_key(struct xfed_tls_pair *p, struct xfed_span pem)
{
	gnutls_datum_t d = datum(pem);
	int ret = gnutls_privkey_init(&p->key);
	if (ret < 0) {
		p->key = NULL;
		return ret;
	}
	return gnutls_privkey_import_x509_raw(p->key, &d, GNUTLS_X509_FMT_PEM, NULL, 0);
}

static int key_fits(const struct xfed_tls_pair *p)
{
	unsigned char of_cert[32], of_key[32];
	size_t cert_len = sizeof(of_cert), key_len = sizeof(of_key);
	gnutls_pubkey_t pub;
	int ret = gnutls_pubkey_init(&pub);
	if (ret < 0) {
		return ret;
	}
	ret = gnutls_pubkey_import_privkey(pub, p->key, 0, 0);
	if (ret >= 0) {
		ret = gnutls_pubkey_get_key_id(pub, GNUTLS_KEYID_USE_SHA256, of_key, &key_len);
	}
	if (ret >= 0) {
		ret = gnutls_pubkey_get_key_id(p->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, of_cert, &cert_len);
	}
	gnutls_pubkey_deinit(pub);
	if (ret >= 0 && (cert_len != key_len || memcmp(of_cert, of_key, key_len) != 0)) {
		ret = GNUTLS_E_CERTIFICATE_KEY_MISMATCH;
	}
	return ret;
}

static bool has(struct xfed_span s, const char *words)
{
	return memmem(s.data, s.len, words, strlen(words));
}

/* Recognises a file that has certificates or keys in an unusable form, and says what to do; NULL: unknown. */
static const char *recognise(struct xfed_span s)
{
	const unsigned char *b = (const unsigned char *)s.data;
	size_t header = s.len > 4 && b[0] == 0x30 ? (b[1] < 0x80 ? 2 : 2 + (b[1] & 0x7fu)) : 0;
	if (header > 0 && s.len > header + 3) {
		/* A PFX begins with its version, 3 (RFC 7292 section 4); a key with 0 or 1, a certificate with another sequence. */
		bool is_pfx = b[header] == 0x02 && b[header + 1] == 0x01 && b[header + 2] == 0x03;
		return is_pfx ? "is PKCS#12 (.pfx, .p12), accepted: PEM; openssl pkcs12 -in FILE -nodes writes certificates and key as such"
			      : "is DER, accepted: PEM; openssl x509 (or pkey) -inform DER -in FILE writes it as such";
	}
	if (has(s, "BEGIN ENCRYPTED PRIVATE KEY") || has(s, "Proc-Type: 4,ENCRYPTED")) {
		return "has a pass phrase, accepted: a key without one; openssl pkey -in FILE writes it as such";
	}
	if (has(s, "BEGIN PKCS7") || has(s, "BEGIN CMS")) {
		return "is PKCS#7 (.p7b), accepted: PEM certificates; openssl pkcs7 -print_certs -in FILE writes them as such";
	}
	if (has(s, "BEGIN CERTIFICATE REQUEST") || has(s, "BEGIN NEW CERTIFICATE REQUEST")) {
		return "is a request for a certificate, accepted: the certificate that the authority made of it";
	}
	return NULL;
}

/* `text`: the input that was read. */
static int outcome(int ret, char *error, size_t error_size, const char *name, const char *what, size_t index, struct xfed_span text)
{
	if (ret >= 0) {
		return XFED_OK;
	}
	if (ret == GNUTLS_E_MEMORY_ERROR) {
		return XFED_ERR_NOMEM;
	}
	const char *found = recognise(text);
	found = found ? found : gnutls_strerror(ret);
	if (name) {
		snprintf(error, error_size, "%s: %s: %s", name, what, found);
	} else if (index > 0) {
		snprintf(error, error_size, "%s of pair %zu: %s", what, index, found);
	} else {
		snprintf(error, error_size, "%s: %s", what, found);
	}
	return XFED_ERR_INVALID;
}

static int load_pair(struct xfed_tls_pair *p, const struct xfed_tls_keypair *from, size_t index, char *error, size_t error_size)
{
	int rc =
		outcome(load_chain(p, from->certificate_pem), error, error_size, from->certificate_name, "certificate", index, from->certificate_pem);
	if (rc == XFED_OK) {
		rc = outcome(load_key(p, from->key_pem), error, error_size, from->key_name, "key", index, from->key_pem);
	}
	if (rc == XFED_OK) {
		rc = outcome(key_fits(p), error, error_size, from->key_name, "key", index, XFED_SPAN(""));
	}
	return rc;
}

/* GnuTLS returns how many it read from PEM text, and success for none at all. */
static int some(int count)
{
	return count == 0 ? GNUTLS_E_NO_CERTIFICATE_FOUND : count;
}

static int load_trust(struct xfed_tls_creds *c, const struct xfed_tls_creds_config *cfg, char *error, size_t error_size)
{
	int rc = XFED_OK;
	if (cfg->ca_pem.len > 0) {
		gnutls_datum_t d = datum(cfg->ca_pem);
		rc = outcome(some(gnutls_certificate_set_x509_trust_mem(c->gnutls, &d, GNUTLS_X509_FMT_PEM)), error, error_size, cfg->ca_name,
			"trusted certificates", 0, cfg->ca_pem);
	}
	if (rc == XFED_OK && cfg->crl_pem.len > 0) {
		gnutls_datum_t d = datum(cfg->crl_pem);
		rc = outcome(some(gnutls_certificate_set_x509_crl_mem(c->gnutls, &d, GNUTLS_X509_FMT_PEM)), error, error_size, NULL,
			"revocation lists", 0, cfg->crl_pem);
	}
	return rc;
}

static void creds_free(struct xfed_tls_creds *c)
{
	for (size_t i = 0; i < c->pair_count; i++) {
		struct xfed_tls_pair *p = &c->pairs[i];
		for (unsigned k = 0; k < p->chain_len; k++) {
			gnutls_pcert_deinit(&p->chain[k]);
		}
		xfed_free(p->chain);
		if (p->key) {
			gnutls_privkey_deinit(p->key);
		}
		xfed_cert_free(p->leaf);
	}
	if (c->gnutls) {
		gnutls_certificate_free_credentials(c->gnutls);
	}
	xfed_free(c);
}

int xfed_tls_creds_new(const struct xfed_tls_creds_config *cfg, struct xfed_tls_creds **out, char *error, size_t error_size)
{
	*out = NULL;
	struct xfed_tls_creds *c = xfed_calloc(1, sizeof(*c) + cfg->pair_count * sizeof(c->pairs[0]));
	if (!c) {
		return XFED_ERR_NOMEM;
	}
	atomic_init(&c->refs, 1);
	c->pair_count = cfg->pair_count;
	int rc = XFED_ERR_NOMEM;
	if (gnutls_certificate_allocate_credentials(&c->gnutls) < 0) {
		c->gnutls = NULL;
		goto fail;
	}
	gnutls_certificate_set_retrieve_function3(c->gnutls, xfed_tls_retrieve);
	gnutls_certificate_set_verify_limits(c->gnutls, 16384, XFED_TLS_CHAIN_MAX);
	rc = load_trust(c, cfg, error, error_size);
	for (size_t i = 0; rc == XFED_OK && i < cfg->pair_count; i++) {
		rc = load_pair(&c->pairs[i], &cfg->pairs[i], i + 1, error, error_size);
	}
	if (rc != XFED_OK) {
		goto fail;
	}
	*out = c;
	return XFED_OK;
fail:
	creds_free(c);
	return rc;
}

struct xfed_tls_creds *xfed_tls_creds_ref(struct xfed_tls_creds *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void xfed_tls_creds_unref(struct xfed_tls_creds *c)
{
	if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
		creds_free(c);
	}
}

const struct xfed_cert *xfed_tls_creds_cert(const struct xfed_tls_creds *c, size_t i)
{
	return i < c->pair_count ? c->pairs[i].leaf : NULL;
}

const struct xfed_cert *xfed_tls_creds_proof(const struct xfed_tls_creds *c, struct xfed_span domain)
{
	for (size_t i = 0; i < c->pair_count; i++) {
		if (xfed_cert_proves_xmpp(c->pairs[i].leaf, domain)) {
			return c->pairs[i].leaf;
		}
	}
	return NULL;
}

gnutls_certificate_credentials_t xfed_tls_creds_gnutls(const struct xfed_tls_creds *c)
{
	return c->gnutls;
}

static bool usable(const struct xfed_tls_pair *p, const gnutls_pk_algorithm_t *algos, size_t algo_count)
{
	gnutls_pk_algorithm_t pk = (gnutls_pk_algorithm_t)gnutls_pubkey_get_pk_algorithm(p->chain[0].pubkey, NULL);
	for (size_t i = 0; i < algo_count; i++) {
		if (algos[i] == pk) {
			return true;
		}
	}
	return algo_count == 0;
}

const struct xfed_tls_pair *xfed_tls_creds_choose(
	const struct xfed_tls_creds *c, struct xfed_span name, const gnutls_pk_algorithm_t *algos, size_t algo_count)
{
	const struct xfed_tls_pair *covering = NULL;
	for (size_t i = 0; name.len > 0 && i < c->pair_count; i++) {
		const struct xfed_tls_pair *p = &c->pairs[i];
		if (!xfed_cert_covers_ascii(p->leaf, name) && !xfed_cert_proves_xmpp(p->leaf, name)) {
			continue;
		}
		if (usable(p, algos, algo_count)) {
			return p;
		}
		covering = covering ? covering : p;
	}
	return covering ? covering : c->pair_count > 0 ? &c->pairs[0] : NULL;
}
