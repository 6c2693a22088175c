#include "cert_read.h"

#include <gnutls/pkcs12.h>
#include <gnutls/pkcs7.h>
#include <stdio.h>

/* One file being read. */
struct reading {
	struct cert_pile *pile;
	const char *pass; /* NULL: none is known */
	char *error;	  /* CERT_ERROR bytes */
};

static gnutls_datum_t datum(struct xfed_span s)
{
	/* GnuTLS takes a non-const pointer and does not write to it. */
	return (gnutls_datum_t){ (unsigned char *)(uintptr_t)s.data, (unsigned)s.len };
}

static int fail(const struct reading *r, const char *text)
{
	snprintf(r->error, CERT_ERROR, "%s", text);
	return XFED_ERR_INVALID;
}

static int failed(const struct reading *r, int ret, const char *what)
{
	if (ret == GNUTLS_E_MEMORY_ERROR) {
		return XFED_ERR_NOMEM;
	}
	snprintf(r->error, CERT_ERROR, "%s: %s", what, gnutls_strerror(ret));
	return XFED_ERR_INVALID;
}

static int wrong_pass(const struct reading *r)
{
	return r->pass ? XFED_ERR_STATE : XFED_ERR_AGAIN;
}

/* ---- one certificate, one key ---- */

static int take_crt(struct reading *r, gnutls_x509_crt_t crt)
{
	struct cert_pile *p = r->pile;
	for (size_t i = 0; i < p->crt_count; i++) {
		if (gnutls_x509_crt_equals(p->crts[i], crt)) { /* the leaf stands in both files of a pair, most often */
			gnutls_x509_crt_deinit(crt);
			return XFED_OK;
		}
	}
	if (p->crt_count == CERT_PILE_CRTS) {
		gnutls_x509_crt_deinit(crt);
		return fail(r, "has more certificates than a chain can have");
	}
	p->crts[p->crt_count++] = crt;
	return XFED_OK;
}

static int add_crt(struct reading *r, const gnutls_datum_t *d, gnutls_x509_crt_fmt_t format)
{
	gnutls_x509_crt_t crt;
	int ret = gnutls_x509_crt_init(&crt);
	if (ret < 0) {
		return XFED_ERR_NOMEM;
	}
	ret = gnutls_x509_crt_import(crt, d, format);
	if (ret < 0) {
		gnutls_x509_crt_deinit(crt);
		return failed(r, ret, "a certificate in it cannot be read");
	}
	return take_crt(r, crt);
}

static int take_key(struct reading *r, gnutls_x509_privkey_t key)
{
	struct cert_pile *p = r->pile;
	if (p->key_count == CERT_PILE_KEYS) {
		gnutls_x509_privkey_deinit(key);
		return fail(r, "has more keys than there can be certificates for");
	}
	p->keys[p->key_count++] = key;
	return XFED_OK;
}

/* Rounds are the sender's choice: a file can ask for hours. */
static int check_rounds(const struct reading *r, unsigned rounds)
{
	return rounds <= CERT_PASS_ROUNDS ? XFED_OK : fail(r, "asks for more rounds of its pass phrase than are sensible; write it anew with fewer");
}

static int check_key_rounds(const struct reading *r, const gnutls_datum_t *d, gnutls_x509_crt_fmt_t format)
{
	unsigned schema, cipher, rounds = 0, salt_size = 0;
	char *oid = NULL;
	int ret = gnutls_pkcs8_info(d, format, &schema, &cipher, NULL, &salt_size, &rounds, &oid);
	gnutls_free(oid);
	(void)ret; /* of a plain key, or an unknown scheme: importing says so */
	return check_rounds(r, rounds);
}

static int add_key(struct reading *r, const gnutls_datum_t *d, gnutls_x509_crt_fmt_t format, bool is_locked)
{
	gnutls_x509_privkey_t key;
	if (is_locked && !r->pass) {
		return XFED_ERR_AGAIN;
	}
	int rc = is_locked ? check_key_rounds(r, d, format) : XFED_OK;
	if (rc != XFED_OK) {
		return rc;
	}
	if (gnutls_x509_privkey_init(&key) < 0) {
		return XFED_ERR_NOMEM;
	}
	int ret = gnutls_x509_privkey_import2(key, d, format, is_locked ? r->pass : NULL, is_locked ? 0 : GNUTLS_PKCS_PLAIN);
	if (ret < 0) {
		gnutls_x509_privkey_deinit(key);
		return ret == GNUTLS_E_DECRYPTION_FAILED && is_locked ? XFED_ERR_STATE : failed(r, ret, "the key in it cannot be read");
	}
	return take_key(r, key);
}

/* ---- PKCS#7 ---- */

static int add_pkcs7(struct reading *r, const gnutls_datum_t *d, gnutls_x509_crt_fmt_t format, bool *is_one)
{
	gnutls_pkcs7_t p7;
	if (gnutls_pkcs7_init(&p7) < 0) {
		return XFED_ERR_NOMEM;
	}
	int ret = gnutls_pkcs7_import(p7, d, format), rc = XFED_OK;
	*is_one = ret >= 0;
	for (unsigned i = 0; *is_one && rc == XFED_OK; i++) {
		gnutls_datum_t der = { NULL, 0 };
		ret = gnutls_pkcs7_get_crt_raw2(p7, i, &der);
		if (ret < 0) {
			break;
		}
		rc = add_crt(r, &der, GNUTLS_X509_FMT_DER);
		gnutls_free(der.data);
	}
	gnutls_pkcs7_deinit(p7);
	return rc;
}

/* ---- PKCS#12 ---- */

static int add_locked_key(struct reading *r, const gnutls_datum_t *d)
{
	gnutls_x509_privkey_t key;
	int rc = check_key_rounds(r, d, GNUTLS_X509_FMT_DER);
	if (rc != XFED_OK) {
		return rc;
	}
	if (gnutls_x509_privkey_init(&key) < 0) {
		return XFED_ERR_NOMEM;
	}
	int ret = gnutls_x509_privkey_import_pkcs8(key, d, GNUTLS_X509_FMT_DER, r->pass, r->pass[0] ? 0 : GNUTLS_PKCS_NULL_PASSWORD);
	ret = ret < 0 && !r->pass[0] ? gnutls_x509_privkey_import_pkcs8(key, d, GNUTLS_X509_FMT_DER, "", 0) : ret;
	if (ret < 0) {
		gnutls_x509_privkey_deinit(key);
		return ret == GNUTLS_E_DECRYPTION_FAILED ? XFED_ERR_STATE : failed(r, ret, "the key in it cannot be read");
	}
	return take_key(r, key);
}

static int add_bag_item(struct reading *r, gnutls_pkcs12_bag_t bag, unsigned i)
{
	gnutls_datum_t d = { NULL, 0 };
	int type = gnutls_pkcs12_bag_get_type(bag, i);
	if (type < 0 || gnutls_pkcs12_bag_get_data(bag, i, &d) < 0) {
		return fail(r, "a part of it cannot be read");
	}
	switch (type) {
	case GNUTLS_BAG_CERTIFICATE:
		return add_crt(r, &d, GNUTLS_X509_FMT_DER);
	case GNUTLS_BAG_PKCS8_KEY:
		return add_key(r, &d, GNUTLS_X509_FMT_DER, false);
	case GNUTLS_BAG_PKCS8_ENCRYPTED_KEY:
		return add_locked_key(r, &d);
	default:
		return XFED_OK; /* revocation lists and the like */
	}
}

static int open_bag(struct reading *r, gnutls_pkcs12_bag_t bag)
{
	unsigned schema, cipher, rounds = 0, salt_size = 0;
	char *oid = NULL;
	if (gnutls_pkcs12_bag_get_type(bag, 0) != GNUTLS_BAG_ENCRYPTED) {
		return XFED_OK;
	}
	(void)gnutls_pkcs12_bag_enc_info(bag, &schema, &cipher, NULL, &salt_size, &rounds, &oid);
	gnutls_free(oid);
	int rc = check_rounds(r, rounds);
	if (rc != XFED_OK) {
		return rc;
	}
	int ret = gnutls_pkcs12_bag_decrypt(bag, r->pass);
	return ret >= 0 ? XFED_OK : ret == GNUTLS_E_DECRYPTION_FAILED ? XFED_ERR_STATE : failed(r, ret, "a part of it cannot be opened");
}

static int add_bag(struct reading *r, gnutls_pkcs12_t p12, int number, bool *is_there)
{
	gnutls_pkcs12_bag_t bag;
	if (gnutls_pkcs12_bag_init(&bag) < 0) {
		return XFED_ERR_NOMEM;
	}
	int ret = gnutls_pkcs12_get_bag(p12, number, bag), rc = XFED_OK;
	*is_there = ret >= 0;
	if (ret < 0 && ret != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
		rc = failed(r, ret, "a part of it cannot be read");
	}
	rc = *is_there ? open_bag(r, bag) : rc;
	int count = *is_there && rc == XFED_OK ? gnutls_pkcs12_bag_get_count(bag) : 0;
	for (int i = 0; rc == XFED_OK && i < count; i++) {
		rc = add_bag_item(r, bag, (unsigned)i);
	}
	gnutls_pkcs12_bag_deinit(bag);
	return rc;
}

/* The MAC is what a wrong pass phrase is known by; reading the parts does not look at it. Some files have none. */
static int check_mac(struct reading *r, gnutls_pkcs12_t p12)
{
	unsigned mac, salt_size = 0, rounds = 0;
	char *oid = NULL;
	(void)gnutls_pkcs12_mac_info(p12, &mac, NULL, &salt_size, &rounds, &oid);
	gnutls_free(oid);
	int rc = check_rounds(r, rounds);
	if (rc != XFED_OK) {
		return rc;
	}
	int ret = gnutls_pkcs12_verify_mac(p12, r->pass);
	bool has_none = ret == GNUTLS_E_ASN1_ELEMENT_NOT_FOUND;
	return ret >= 0 || has_none ? XFED_OK : ret == GNUTLS_E_MAC_VERIFY_FAILED ? XFED_ERR_STATE : failed(r, ret, "its MAC cannot be checked");
}

static int add_open_pkcs12(struct reading *r, gnutls_pkcs12_t p12)
{
	bool is_there = true;
	int rc = check_mac(r, p12);
	for (int i = 0; rc == XFED_OK && is_there; i++) {
		rc = add_bag(r, p12, i, &is_there);
	}
	return rc;
}

static void cut_back(struct cert_pile *p, size_t crts, size_t keys)
{
	while (p->crt_count > crts) {
		gnutls_x509_crt_deinit(p->crts[--p->crt_count]);
	}
	while (p->key_count > keys) {
		gnutls_x509_privkey_deinit(p->keys[--p->key_count]);
	}
}

static int add_pkcs12(struct reading *r, const gnutls_datum_t *d, bool *is_one)
{
	gnutls_pkcs12_t p12;
	const size_t crts = r->pile->crt_count, keys = r->pile->key_count;
	if (gnutls_pkcs12_init(&p12) < 0) {
		return XFED_ERR_NOMEM;
	}
	*is_one = gnutls_pkcs12_import(p12, d, GNUTLS_X509_FMT_DER, 0) >= 0;
	int rc = XFED_OK;
	if (*is_one) {
		/* Without one an empty pass phrase is tried, for there are files that have it. */
		struct reading with = { r->pile, r->pass ? r->pass : "", r->error };
		rc = add_open_pkcs12(&with, p12);
		rc = rc == XFED_ERR_STATE ? wrong_pass(r) : rc;
		if (rc != XFED_OK) {
			cut_back(r->pile, crts, keys);
		}
	}
	gnutls_pkcs12_deinit(p12);
	return rc;
}

/* ---- DER ---- */

static bool is_crt(const gnutls_datum_t *d)
{
	gnutls_x509_crt_t crt;
	bool is_one = gnutls_x509_crt_init(&crt) >= 0;
	if (is_one) {
		is_one = gnutls_x509_crt_import(crt, d, GNUTLS_X509_FMT_DER) >= 0;
		gnutls_x509_crt_deinit(crt);
	}
	return is_one;
}

/* Whether it is a key behind a pass phrase (RFC 5958 section 3). */
static bool is_locked_key(const gnutls_datum_t *d)
{
	unsigned schema, cipher, rounds, salt_size = 0;
	char *oid = NULL;
	int ret = gnutls_pkcs8_info(d, GNUTLS_X509_FMT_DER, &schema, &cipher, NULL, &salt_size, &rounds, &oid);
	bool has_scheme = oid != NULL;
	gnutls_free(oid);
	return ret >= 0 || (has_scheme && ret == GNUTLS_E_UNKNOWN_CIPHER_TYPE);
}

static int add_der(struct reading *r, struct xfed_span bytes)
{
	gnutls_datum_t d = datum(bytes);
	bool is_one = false;
	if (is_crt(&d)) {
		return add_crt(r, &d, GNUTLS_X509_FMT_DER);
	}
	int rc = add_pkcs12(r, &d, &is_one);
	if (rc != XFED_OK || is_one) {
		return rc;
	}
	rc = add_pkcs7(r, &d, GNUTLS_X509_FMT_DER, &is_one);
	if (rc != XFED_OK || is_one) {
		return rc;
	}
	rc = add_key(r, &d, GNUTLS_X509_FMT_DER, is_locked_key(&d));
	return rc == XFED_ERR_INVALID ? fail(r, "is none of what is accepted: certificates or a key as PEM or DER, PKCS#7, PKCS#12") : rc;
}

/* ---- PEM ---- */

static const char *find(struct xfed_span s, const char *words)
{
	return memmem(s.data, s.len, words, strlen(words));
}

static bool begins(struct xfed_span s, const char *words)
{
	size_t len = strlen(words);
	return s.len >= len && memcmp(s.data, words, len) == 0;
}

static int add_block(struct reading *r, struct xfed_span label, struct xfed_span block)
{
	gnutls_datum_t d = datum(block);
	bool is_one;
	if (xfed_span_is(label, "CERTIFICATE") || xfed_span_is(label, "X509 CERTIFICATE")) {
		return add_crt(r, &d, GNUTLS_X509_FMT_PEM);
	}
	if (xfed_span_is(label, "PKCS7") || xfed_span_is(label, "CMS")) {
		int rc = add_pkcs7(r, &d, GNUTLS_X509_FMT_PEM, &is_one);
		return rc == XFED_OK && !is_one ? fail(r, "the PKCS#7 in it cannot be read") : rc;
	}
	if (xfed_span_is(label, "ENCRYPTED PRIVATE KEY")) {
		return add_key(r, &d, GNUTLS_X509_FMT_PEM, true);
	}
	if (label.len >= 11 && begins(xfed_span_make(label.data + label.len - 11, 11), "PRIVATE KEY")) {
		return add_key(r, &d, GNUTLS_X509_FMT_PEM, find(block, "Proc-Type: 4,ENCRYPTED") != NULL);
	}
	if (find(label, "CERTIFICATE REQUEST")) {
		return fail(r, "is a request for a certificate; what is wanted is the certificate that the authority made of it");
	}
	return XFED_OK; /* parameters of a curve and the like stand before some keys */
}

/* The next block in `s`, which is cut behind it. False: there is none. OK in `*rc`, or INVALID where it does not end. */
static bool next_block(const struct reading *r, struct xfed_span *s, struct xfed_span *label, struct xfed_span *block, int *rc)
{
	static const char dashes[] = "-----", begin[] = "-----BEGIN ";
	const char *from = find(*s, begin), *end = s->data + s->len;
	*rc = XFED_OK;
	if (!from) {
		return false;
	}
	const char *name = from + strlen(begin), *behind = find(xfed_span_make(name, (size_t)(end - name)), dashes);
	*rc = fail(r, "a block of it has no end: it was cut off");
	if (!behind || behind - name > 60) {
		return false;
	}
	char tail[96];
	int len = snprintf(tail, sizeof(tail), "-----END %.*s-----", (int)(behind - name), name);
	const char *to = find(xfed_span_make(behind, (size_t)(end - behind)), tail);
	if (!to) {
		return false;
	}
	*rc = XFED_OK;
	*label = xfed_span_make(name, (size_t)(behind - name));
	*block = xfed_span_make(from, (size_t)(to + len - from));
	*s = xfed_span_make(to + len, (size_t)(end - to - len));
	return true;
}

static int add_pem(struct reading *r, struct xfed_span bytes)
{
	struct xfed_span label, block;
	int rc = XFED_OK, added;
	const size_t before = r->pile->crt_count + r->pile->key_count;
	bool is_any = false;
	for (added = XFED_OK; added == XFED_OK && next_block(r, &bytes, &label, &block, &rc);) {
		added = add_block(r, label, block);
		is_any = is_any || find(label, "CERTIFICATE");
	}
	rc = added != XFED_OK ? added : rc;
	bool is_empty = !is_any && r->pile->crt_count + r->pile->key_count == before;
	return rc == XFED_OK && is_empty ? fail(r, "has neither a certificate nor a key") : rc;
}

/* ---- a file ---- */

int cert_pile_add(struct cert_pile *p, struct xfed_span bytes, const char *pass, char error[CERT_ERROR])
{
	struct reading r = { p, pass, error };
	const size_t crts = p->crt_count, keys = p->key_count;
	error[0] = '\0';
	if (bytes.len == 0 || bytes.len > CERT_FILE_BYTES) {
		return fail(&r, bytes.len == 0 ? "is empty" : "is larger than any certificate is");
	}
	int rc = find(bytes, "-----BEGIN ") ? add_pem(&r, bytes) : add_der(&r, bytes);
	if (rc != XFED_OK) {
		cut_back(p, crts, keys);
	}
	return rc;
}

void cert_pile_deinit(struct cert_pile *p)
{
	cut_back(p, 0, 0);
}
