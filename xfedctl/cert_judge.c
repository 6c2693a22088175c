#include "cert_judge.h"

#include <stdio.h>
#include <time.h>

/* ---- authorities ---- */

int cert_trust_init(struct cert_trust *t)
{
	if (gnutls_x509_trust_list_init(&t->list, 0) < 0) {
		t->list = NULL;
		return XFED_ERR_NOMEM;
	}
	return XFED_OK;
}

int cert_trust_add(struct cert_trust *t, struct xfed_span pem)
{
	gnutls_datum_t d = { (unsigned char *)(uintptr_t)pem.data, (unsigned)pem.len };
	int ret = gnutls_x509_trust_list_add_trust_mem(t->list, &d, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
	return ret > 0 ? XFED_OK : ret == GNUTLS_E_MEMORY_ERROR ? XFED_ERR_NOMEM : XFED_ERR_INVALID;
}

void cert_trust_deinit(struct cert_trust *t)
{
	if (t->list) {
		gnutls_x509_trust_list_deinit(t->list, 1);
	}
	t->list = NULL;
}

/* ---- names ---- */

static void name_of(gnutls_x509_crt_t crt, bool of_issuer, char out[256])
{
	gnutls_datum_t dn = { NULL, 0 };
	int ret = of_issuer ? gnutls_x509_crt_get_issuer_dn3(crt, &dn, 0) : gnutls_x509_crt_get_dn3(crt, &dn, 0);
	snprintf(out, 256, "%.*s", ret < 0 ? 0 : (int)(dn.size < 250 ? dn.size : 250), ret < 0 ? "" : (const char *)dn.data);
	gnutls_free(dn.data);
}

int cert_facts_of(gnutls_x509_crt_t crt, struct xfed_cert **out)
{
	gnutls_datum_t der = { NULL, 0 };
	*out = NULL;
	int ret = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der);
	if (ret < 0) {
		return ret == GNUTLS_E_MEMORY_ERROR ? XFED_ERR_NOMEM : XFED_ERR_INVALID;
	}
	int rc = xfed_cert_new_der(xfed_span_make(der.data, der.size), out);
	gnutls_free(der.data);
	return rc;
}

/* ---- the chain ---- */

static bool is_signed_by(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer)
{
	unsigned status = 0;
	/* Dates and strength are judged at the end, so that these are what is told. */
	const unsigned flags = GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS | GNUTLS_VERIFY_ALLOW_BROKEN;
	return gnutls_x509_crt_check_issuer(crt, issuer) && gnutls_x509_crt_verify(crt, &issuer, 1, flags, &status) >= 0 && status == 0;
}

static gnutls_x509_crt_t issuer_in(const struct cert_pile *p, gnutls_x509_crt_t crt, const struct cert_chain *so_far)
{
	for (size_t i = 0; i < p->crt_count; i++) {
		bool is_new = true;
		for (size_t k = 0; k < so_far->count; k++) {
			is_new = is_new && so_far->crts[k] != p->crts[i];
		}
		if (is_new && is_signed_by(crt, p->crts[i])) {
			return p->crts[i];
		}
	}
	return NULL;
}

static bool is_root(gnutls_x509_crt_t crt)
{
	return gnutls_x509_crt_check_issuer(crt, crt);
}

static gnutls_x509_crt_t last_of(const struct cert_chain *c)
{
	return c->crts[c->count - 1];
}

/* An authority of `trust` that signed it; the caller releases it. */
static gnutls_x509_crt_t trusted_issuer(const struct cert_trust *trust, gnutls_x509_crt_t crt)
{
	gnutls_x509_crt_t issuer = NULL;
	int ret = gnutls_x509_trust_list_get_issuer(trust->list, crt, &issuer, GNUTLS_TL_GET_COPY);
	return ret >= 0 ? issuer : NULL;
}

/* Climbs as far as the files and the trusted authorities lead. `*root` is what it ended at: to be released where `*is_copy`. */
static void climb(const struct cert_pile *p, const struct cert_trust *trust, struct cert_chain *c, gnutls_x509_crt_t *root, bool *is_copy)
{
	*is_copy = false;
	*root = NULL;
	while (!*root) {
		gnutls_x509_crt_t last = last_of(c), issuer = trusted_issuer(trust, last);
		if (issuer) {
			*root = issuer;
			*is_copy = c->is_trusted = true;
			return;
		}
		if (is_root(last)) {
			*root = last;
			c->count -= c->count > 1; /* nobody needs to be sent a root */
			return;
		}
		issuer = c->count < CERT_CHAIN_MAX ? issuer_in(p, last, c) : NULL;
		if (!issuer) {
			return;
		}
		c->crts[c->count++] = issuer;
	}
}

static int incomplete(const struct cert_chain *c, char error[CERT_ERROR])
{
	char name[256], issuer[256];
	name_of(c->crts[0], false, name);
	name_of(last_of(c), true, issuer);
	snprintf(error, CERT_ERROR,
		"the chain of %s is not whole: the certificate of \"%s\" is neither in the files nor trusted here; the authority offers it as chain, "
		"bundle or intermediate certificate: give that file too (the root as well, where the authority is your own)",
		name[0] ? name : "the certificate", issuer);
	return XFED_ERR_INVALID;
}

static int told(int ret, unsigned status, gnutls_x509_crt_t leaf, char error[CERT_ERROR])
{
	gnutls_datum_t text = { NULL, 0 };
	char name[256];
	name_of(leaf, false, name);
	(void)gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
	size_t len = text.data ? strlen((const char *)text.data) : 0;
	while (len > 0 && text.data[len - 1] == ' ') {
		len--;
	}
	/* Without a status it could not be judged at all: the text of none would be that all is well. */
	bool is_judged = status != 0;
	const char *words = is_judged && text.data ? (const char *)text.data : gnutls_strerror(ret);
	snprintf(error, CERT_ERROR, "%s, or its chain, is not good: %.*s", name, is_judged && text.data ? (int)len : (int)strlen(words), words);
	gnutls_free(text.data);
	return XFED_ERR_INVALID;
}

static const char *day(int64_t s, char out[16])
{
	time_t t = (time_t)s;
	struct tm tm;
	if (!gmtime_r(&t, &tm) || strftime(out, 16, "%Y-%m-%d", &tm) == 0) {
		out[0] = '\0';
	}
	return out;
}

/* Said in our own words, for it is what goes wrong most often. */
static int check_dates(const struct cert_chain *c, int64_t now_s, char error[CERT_ERROR])
{
	for (size_t i = 0; i < c->count; i++) {
		int64_t from_s = gnutls_x509_crt_get_activation_time(c->crts[i]), until_s = gnutls_x509_crt_get_expiration_time(c->crts[i]);
		char name[256], when[16], now[16];
		bool is_over = until_s < now_s;
		if (is_over || from_s > now_s) {
			name_of(c->crts[i], false, name);
			snprintf(error, CERT_ERROR, "%s %s (%s; it is %s by this host's clock)", name, is_over ? "has expired" : "is not valid yet",
				day(is_over ? until_s : from_s, when), day(now_s, now));
			return XFED_ERR_INVALID;
		}
	}
	return XFED_OK;
}

/* Signatures, strength and constraints of the whole, with the root as what is trusted. */
static int verify(const struct cert_chain *c, gnutls_x509_crt_t root, char error[CERT_ERROR])
{
	struct cert_trust one;
	gnutls_x509_crt_t copy = NULL, chain[CERT_CHAIN_MAX];
	gnutls_datum_t der = { NULL, 0 };
	unsigned status = 0;
	int rc = cert_trust_init(&one);
	if (rc != XFED_OK) {
		return rc;
	}
	int ret = gnutls_x509_crt_export2(root, GNUTLS_X509_FMT_DER, &der);
	ret = ret < 0 ? ret : gnutls_x509_crt_init(&copy);
	ret = ret < 0 ? ret : gnutls_x509_crt_import(copy, &der, GNUTLS_X509_FMT_DER);
	ret = ret < 0 ? ret : gnutls_x509_trust_list_add_cas(one.list, &copy, 1, 0);
	if (ret > 0) {
		copy = NULL; /* the list has it now */
	}
	memcpy(chain, c->crts, c->count * sizeof(chain[0]));
	const unsigned flags = GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM) | GNUTLS_VERIFY_DISABLE_TIME_CHECKS;
	ret = ret < 0 ? ret : gnutls_x509_trust_list_verify_crt2(one.list, chain, (unsigned)c->count, NULL, 0, flags, &status, NULL);
	gnutls_free(der.data);
	if (copy) {
		gnutls_x509_crt_deinit(copy);
	}
	cert_trust_deinit(&one);
	return ret == GNUTLS_E_MEMORY_ERROR ? XFED_ERR_NOMEM : ret < 0 || status != 0 ? told(ret, status, c->crts[0], error) : XFED_OK;
}

int cert_chain_find(
	const struct cert_pile *p, size_t leaf, const struct cert_trust *trust, int64_t now_s, struct cert_chain *out, char error[CERT_ERROR])
{
	gnutls_x509_crt_t root;
	bool is_copy;
	*out = (struct cert_chain){ .crts = { p->crts[leaf] }, .count = 1, .is_self_signed = is_root(p->crts[leaf]) };
	climb(p, trust, out, &root, &is_copy);
	int rc = root ? check_dates(out, now_s, error) : incomplete(out, error);
	rc = rc == XFED_OK ? verify(out, root, error) : rc;
	if (root) {
		name_of(root, false, out->root);
	}
	if (is_copy) {
		gnutls_x509_crt_deinit(root);
	}
	return rc;
}

int cert_chain_print(const struct cert_chain *c, struct xfed_buf *pem)
{
	int rc = XFED_OK;
	for (size_t i = 0; rc == XFED_OK && i < c->count; i++) {
		rc = cert_pem_of(c->crts[i], pem);
	}
	return rc;
}
