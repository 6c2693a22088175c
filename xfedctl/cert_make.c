#include "cert_make.h"

#include <gnutls/crypto.h>
#include <gnutls/x509-ext.h>
#include <stdio.h>

#define OID_SRVNAME  "1.3.6.1.5.5.7.8.7"
#define OID_XMPPADDR "1.3.6.1.5.5.7.8.5"
#define TAG_UTF8     0x0c
#define TAG_IA5	     0x16
#define NAME_BYTES   1100 /* a domain with what stands before it */
#define SERIAL_BYTES 16

static int outcome(int ret)
{
	return ret >= 0 ? XFED_OK : ret == GNUTLS_E_MEMORY_ERROR ? XFED_ERR_NOMEM : XFED_ERR_LIBRARY;
}

/* ---- keys ---- */

int cert_make_key(enum cert_key_kind kind, gnutls_x509_privkey_t *out)
{
	static const struct {
		gnutls_pk_algorithm_t algorithm;
		unsigned bits;
	} kinds[] = {
		[CERT_KEY_P256] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1) },
		[CERT_KEY_P384] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1) },
		[CERT_KEY_RSA2048] = { GNUTLS_PK_RSA, 2048 },
		[CERT_KEY_RSA3072] = { GNUTLS_PK_RSA, 3072 },
		[CERT_KEY_RSA4096] = { GNUTLS_PK_RSA, 4096 },
	};
	int ret = gnutls_x509_privkey_init(out);
	if (ret < 0) {
		*out = NULL;
		return outcome(ret);
	}
	ret = gnutls_x509_privkey_generate(*out, kinds[kind].algorithm, kinds[kind].bits, 0);
	if (ret < 0) {
		gnutls_x509_privkey_deinit(*out);
		*out = NULL;
	}
	return outcome(ret);
}

int cert_pem_of_key(gnutls_x509_privkey_t key, struct xfed_buf *pem)
{
	gnutls_datum_t text = { NULL, 0 };
	int ret = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &text);
	if (ret < 0) {
		return outcome(ret);
	}
	int rc = xfed_buf_append(pem, xfed_span_make(text.data, text.size));
	xfed_wipe(text.data, text.size);
	gnutls_free(text.data);
	return rc;
}

int cert_pem_of(gnutls_x509_crt_t crt, struct xfed_buf *pem)
{
	gnutls_datum_t text = { NULL, 0 };
	int ret = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &text);
	int rc = ret < 0 ? outcome(ret) : xfed_buf_append(pem, xfed_span_make(text.data, text.size));
	gnutls_free(text.data);
	return rc;
}

int cert_id_of_key(gnutls_x509_privkey_t key, struct cert_id *out)
{
	size_t size = sizeof(out->bytes);
	return outcome(gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, out->bytes, &size));
}

int cert_id_of(gnutls_x509_crt_t crt, struct cert_id *out)
{
	size_t size = sizeof(out->bytes);
	return outcome(gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, out->bytes, &size));
}

bool cert_id_eq(const struct cert_id *a, const struct cert_id *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* ---- requests ---- */

static int set_word(gnutls_x509_crq_t crq, const char *oid, const char *word)
{
	return word ? gnutls_x509_crq_set_dn_by_oid(crq, oid, 0, word, (unsigned)strlen(word)) : 0;
}

/* A DER string: its tag, its length, and its bytes. Returns how many there are. */
static size_t der_string(unsigned char out[NAME_BYTES + 4], unsigned char tag, const char *text)
{
	size_t len = strlen(text), at = 0;
	out[at++] = tag;
	if (len >= 256) {
		out[at++] = 0x82;
		out[at++] = (unsigned char)(len >> 8);
	} else if (len >= 128) {
		out[at++] = 0x81;
	}
	out[at++] = (unsigned char)len;
	memcpy(out + at, text, len);
	return at + len;
}

static int add_san(gnutls_subject_alt_names_t names, unsigned type, const char *oid, const void *data, size_t len)
{
	/* GnuTLS takes a non-const pointer and does not write to it. */
	const gnutls_datum_t d = { (unsigned char *)(uintptr_t)data, (unsigned)len };
	return gnutls_subject_alt_names_set(names, type, &d, oid);
}

static int add_other(gnutls_subject_alt_names_t names, const char *oid, unsigned char tag, const char *text)
{
	unsigned char der[NAME_BYTES + 4];
	size_t len = der_string(der, tag, text);
	return add_san(names, GNUTLS_SAN_OTHERNAME, oid, der, len);
}

/* RFC 4985 (SRVName), RFC 6120 section 13.7.1.4 (XmppAddr), RFC 5922 section 7.1 (a SIP domain). */
static int add_name(gnutls_subject_alt_names_t names, const struct cert_names *n, size_t i)
{
	char text[NAME_BYTES];
	int ret = add_san(names, GNUTLS_SAN_DNSNAME, NULL, n->ascii[i], strlen(n->ascii[i]));
	if (ret >= 0 && n->srvname) {
		snprintf(text, sizeof(text), "_xmpp-server.%s", n->ascii[i]);
		ret = add_other(names, OID_SRVNAME, TAG_IA5, text);
	}
	if (ret >= 0 && n->xmppaddr) {
		snprintf(text, sizeof(text), "%s", n->domains[i]);
		ret = add_other(names, OID_XMPPADDR, TAG_UTF8, text);
	}
	if (ret >= 0 && n->sip_name) {
		snprintf(text, sizeof(text), "sip:%s", n->ascii[i]);
		ret = add_san(names, GNUTLS_SAN_URI, NULL, text, strlen(text));
	}
	return ret;
}

/* Not critical: GnuTLS has no way but this for an extension of a request that is not. */
static int set_names(gnutls_x509_crq_t crq, const struct cert_names *n)
{
	gnutls_subject_alt_names_t names = NULL;
	gnutls_datum_t ext = { NULL, 0 };
	int ret = gnutls_subject_alt_names_init(&names);
	for (size_t i = 0; ret >= 0 && i < n->count; i++) {
		ret = add_name(names, n, i);
	}
	ret = ret < 0 ? ret : gnutls_x509_ext_export_subject_alt_names(names, &ext);
	ret = ret < 0 ? ret : gnutls_x509_crq_set_extension_by_oid(crq, GNUTLS_X509EXT_OID_SAN, ext.data, ext.size, 0);
	gnutls_free(ext.data);
	if (names) {
		gnutls_subject_alt_names_deinit(names);
	}
	return ret;
}

/* For clients too: by that partners may let us log in with it (EXTERNAL); public authorities leave it out. */
static int set_purposes(gnutls_x509_crq_t crq)
{
	gnutls_x509_key_purposes_t purposes = NULL;
	gnutls_datum_t ext = { NULL, 0 };
	int ret = gnutls_x509_key_purpose_init(&purposes);
	ret = ret < 0 ? ret : gnutls_x509_key_purpose_set(purposes, GNUTLS_KP_TLS_WWW_SERVER);
	ret = ret < 0 ? ret : gnutls_x509_key_purpose_set(purposes, GNUTLS_KP_TLS_WWW_CLIENT);
	ret = ret < 0 ? ret : gnutls_x509_ext_export_key_purposes(purposes, &ext);
	ret = ret < 0 ? ret : gnutls_x509_crq_set_extension_by_oid(crq, GNUTLS_X509EXT_OID_EXTENDED_KEY_USAGE, ext.data, ext.size, 0);
	gnutls_free(ext.data);
	if (purposes) {
		gnutls_x509_key_purpose_deinit(purposes);
	}
	return ret;
}

static int fill_request(gnutls_x509_crq_t crq, gnutls_x509_privkey_t key, const struct cert_names *names, const struct cert_subject *s)
{
	const char *common = names->count > 0 && strlen(names->ascii[0]) <= CERT_COMMON_MAX ? names->ascii[0] : NULL;
	bool is_rsa = gnutls_x509_privkey_get_pk_algorithm(key) == GNUTLS_PK_RSA;
	int ret = gnutls_x509_crq_set_version(crq, 1);
	ret = ret < 0 ? ret : set_word(crq, GNUTLS_OID_X520_COUNTRY_NAME, s->country);
	ret = ret < 0 ? ret : set_word(crq, GNUTLS_OID_X520_LOCALITY_NAME, s->place);
	ret = ret < 0 ? ret : set_word(crq, GNUTLS_OID_X520_ORGANIZATION_NAME, s->organisation);
	ret = ret < 0 ? ret : set_word(crq, GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, s->unit);
	ret = ret < 0 ? ret : set_word(crq, GNUTLS_OID_X520_COMMON_NAME, common);
	ret = ret < 0 ? ret : gnutls_x509_crq_set_key(crq, key);
	ret = ret < 0 ? ret : gnutls_x509_crq_set_key_usage(crq, GNUTLS_KEY_DIGITAL_SIGNATURE | (is_rsa ? GNUTLS_KEY_KEY_ENCIPHERMENT : 0));
	ret = ret < 0 ? ret : set_purposes(crq);
	ret = ret < 0 ? ret : set_names(crq, names);
	return ret < 0 ? ret : gnutls_x509_crq_sign2(crq, key, GNUTLS_DIG_SHA256, 0);
}

int cert_make_request(gnutls_x509_privkey_t key, const struct cert_names *names, const struct cert_subject *subject, struct xfed_buf *pem)
{
	gnutls_x509_crq_t crq;
	gnutls_datum_t text = { NULL, 0 };
	int ret = gnutls_x509_crq_init(&crq);
	if (ret < 0) {
		return outcome(ret);
	}
	ret = fill_request(crq, key, names, subject);
	ret = ret < 0 ? ret : gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_PEM, &text);
	int rc = ret < 0 ? outcome(ret) : xfed_buf_append(pem, xfed_span_make(text.data, text.size));
	gnutls_free(text.data);
	gnutls_x509_crq_deinit(crq);
	return rc;
}

/* ---- the channel's own authority ---- */

/* Serial, dates, key, and the identifiers by which a chain is found (RFC 5280 sections 4.2.1.1 and 4.2.1.2). */
static int fill_common(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, gnutls_x509_privkey_t ca_key, int64_t now_s, int64_t until_s)
{
	unsigned char serial[SERIAL_BYTES], id[CERT_ID_BYTES];
	size_t size = sizeof(id);
	int ret = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
	serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40); /* positive, and of one length */
	ret = ret < 0 ? ret : gnutls_x509_crt_set_version(crt, 3);
	ret = ret < 0 ? ret : gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	ret = ret < 0 ? ret : gnutls_x509_crt_set_activation_time(crt, (time_t)(now_s - CERT_BEFORE_S));
	ret = ret < 0 ? ret : gnutls_x509_crt_set_expiration_time(crt, (time_t)until_s);
	ret = ret < 0 ? ret : gnutls_x509_crt_set_key(crt, key);
	ret = ret < 0 ? ret : gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA1, id, &size);
	ret = ret < 0 ? ret : gnutls_x509_crt_set_subject_key_id(crt, id, size);
	size = sizeof(id);
	ret = ret < 0 ? ret : gnutls_x509_privkey_get_key_id(ca_key, GNUTLS_KEYID_USE_SHA1, id, &size);
	return ret < 0 ? ret : gnutls_x509_crt_set_authority_key_id(crt, id, size);
}

static int fill_ca(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, int64_t now_s)
{
	char name[CERT_COMMON_MAX];
	struct cert_id id;
	/* Two authorities are trusted during a change: each has a name of its own. */
	if (cert_id_of_key(key, &id) != XFED_OK) {
		return GNUTLS_E_INTERNAL_ERROR;
	}
	int len = snprintf(name, sizeof(name), "xfed channel CA %02x%02x%02x%02x", id.bytes[0], id.bytes[1], id.bytes[2], id.bytes[3]);
	int ret = fill_common(crt, key, key, now_s, now_s + (int64_t)CERT_CA_DAYS * 86400);
	ret = ret < 0 ? ret : gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)len);
	ret = ret < 0 ? ret : gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
	ret = ret < 0 ? ret : gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
	return ret < 0 ? ret : gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
}

static int new_crt(int ret, gnutls_x509_crt_t *out)
{
	ret = ret < 0 ? ret : gnutls_x509_crt_init(out);
	if (ret < 0) {
		*out = NULL;
	}
	return ret;
}

static int end_crt(int ret, gnutls_x509_crt_t *out)
{
	if (ret < 0 && *out) {
		gnutls_x509_crt_deinit(*out);
		*out = NULL;
	}
	return outcome(ret);
}

int cert_make_ca(gnutls_x509_privkey_t key, int64_t now_s, gnutls_x509_crt_t *out)
{
	int ret = new_crt(0, out);
	return end_crt(ret < 0 ? ret : fill_ca(*out, key, now_s), out);
}

static int fill_leaf(gnutls_x509_crt_t crt, gnutls_x509_crt_t ca, gnutls_x509_privkey_t ca_key, gnutls_x509_privkey_t key, const char *const *names,
	size_t count, int64_t now_s)
{
	int64_t until_s = now_s + (int64_t)CERT_LEAF_DAYS * 86400, ca_ends_s = gnutls_x509_crt_get_expiration_time(ca);
	int ret = fill_common(crt, key, ca_key, now_s, until_s < ca_ends_s ? until_s : ca_ends_s);
	const char *common = names[count - 1]; /* the host's, where there are several */
	size_t len = strlen(common);
	len = len < CERT_COMMON_MAX ? len : CERT_COMMON_MAX;
	ret = ret < 0 ? ret : gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, common, (unsigned)len);
	ret = ret < 0 ? ret : gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	ret = ret < 0 ? ret : gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	ret = ret < 0 ? ret : gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
	ret = ret < 0 ? ret : gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
	for (size_t i = 0; ret >= 0 && i < count; i++) {
		ret = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, names[i], (unsigned)strlen(names[i]), GNUTLS_FSAN_APPEND);
	}
	return ret < 0 ? ret : gnutls_x509_crt_sign2(crt, ca, ca_key, GNUTLS_DIG_SHA256, 0);
}

int cert_make_leaf(gnutls_x509_crt_t ca, gnutls_x509_privkey_t ca_key, gnutls_x509_privkey_t key, const char *const *names, size_t count,
	int64_t now_s, gnutls_x509_crt_t *out)
{
	int ret = new_crt(0, out);
	return end_crt(ret < 0 ? ret : fill_leaf(*out, ca, ca_key, key, names, count, now_s), out);
}
