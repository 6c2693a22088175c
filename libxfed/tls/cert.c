#include "xfed/cert.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>

#include "xfed/buf.h"
#include "xfed/jid.h"
#include "xfed/mem.h"

#include "tls/cert_priv.h"
#include "util/hex.h"

#define DER_BYTES_MAX	 (64 * 1024)
#define SERIAL_BYTES_MAX 256
#define NAMES_MAX	 1024
#define TEXT_BYTES_MAX	 (1024 * 1024) /* limit for all strings of one certificate, escaped */
#define OID_SRV		 "1.3.6.1.5.5.7.8.7"
#define OID_XMPPADDR	 "1.3.6.1.5.5.7.8.5"
#define OID_EKU_SIP	 "1.3.6.1.5.5.7.3.20"
#define OID_SAN		 "2.5.29.17"
#define OID_EKU		 "2.5.29.37"
#define TAG_UTF8STRING	 0x0c
#define TAG_IA5STRING	 0x16

/* Strings are collected one after the other, each with a NUL: subject, issuer, serial, hashes, then the names. */
struct collector {
	struct xfed_buf text;
	size_t name_count;
};

/*
 * Appends `s` and a NUL. Characters that could confuse a log or a terminal, and the backslash, become \xNN; no domain contains a backslash,
 * so an escaped name matches nothing.
 */
static int append_clean(struct xfed_buf *b, const char *prefix, struct xfed_span s, bool is_utf8)
{
	int rc = xfed_buf_append_str(b, prefix);
	size_t plain_from = 0;
	for (size_t i = 0; rc == XFED_OK && i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];
		bool plain = c >= 0x80 ? is_utf8 : c >= 0x20 && c != 0x7f && c != '\\';
		/*
		 * C1 controls are U+0080 to U+009f: c2 80 to c2 9f; valid UTF-8 has a second byte.
		 */
		if (plain && !(c == 0xc2 && (unsigned char)s.data[i + 1] < 0xa0)) {
			continue;
		}
		size_t len = c == 0xc2 && is_utf8 ? 2 : 1;
		rc = xfed_buf_append(b, xfed_span_make(s.data + plain_from, i - plain_from));
		for (size_t k = 0; rc == XFED_OK && k < len; k++) {
			rc = xfed_buf_printf(b, "\\x%02x", (unsigned char)s.data[i + k]);
		}
		i += len - 1;
		plain_from = i + 1;
	}
	rc = rc == XFED_OK ? xfed_buf_append(b, xfed_span_make(s.data + plain_from, s.len - plain_from)) : rc;
	return rc == XFED_OK ? xfed_buf_append(b, xfed_span_make("", 1)) : rc;
}

static int append_hex(struct xfed_buf *b, const unsigned char *p, size_t len)
{
	char hex[2 * SERIAL_BYTES_MAX + 1];
	xfed_hex(hex, p, len);
	return xfed_buf_append(b, xfed_span_make(hex, 2 * len + 1));
}

static int append_dn(struct xfed_buf *b, gnutls_x509_crt_t crt, bool of_issuer)
{
	gnutls_datum_t dn = { NULL, 0 };
	int ret = of_issuer ? gnutls_x509_crt_get_issuer_dn3(crt, &dn, 0) : gnutls_x509_crt_get_dn3(crt, &dn, 0);
	if (ret == GNUTLS_E_MEMORY_ERROR) {
		return XFED_ERR_NOMEM;
	}
	/* No subject, or one that GnuTLS cannot print: it is only shown to people, the identity never comes from it. */
	struct xfed_span s = ret < 0 ? XFED_SPAN("") : xfed_span_make(dn.data, dn.size);
	int rc = append_clean(b, "", s, xfed_utf8_is_valid(s));
	gnutls_free(dn.data);
	return rc;
}

static int append_ids(struct xfed_buf *b, gnutls_x509_crt_t crt, struct xfed_span der)
{
	unsigned char serial[SERIAL_BYTES_MAX], digest[32];
	size_t size = sizeof(serial);
	int ret = gnutls_x509_crt_get_serial(crt, serial, &size);
	int rc = append_hex(b, serial, ret < 0 ? 0 : size);
	if (rc != XFED_OK) {
		return rc;
	}
	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.len, digest) < 0) {
		return XFED_ERR_INVALID;
	}
	rc = append_hex(b, digest, sizeof(digest));
	if (rc != XFED_OK) {
		return rc;
	}
	/* A key of an algorithm GnuTLS does not know has no pin. */
	size = sizeof(digest);
	ret = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, digest, &size);
	return append_hex(b, digest, ret < 0 ? 0 : size);
}

/* The content of a DER string that fills `der` exactly; data NULL: it is not one of type `tag`. */
static struct xfed_span der_string(const gnutls_datum_t *der, unsigned char tag)
{
	const unsigned char *p = der->data;
	size_t left = der->size, len, header = 2;
	struct xfed_span none = { NULL, 0 };
	if (left < 2 || p[0] != tag) {
		return none;
	}
	len = p[1];
	if (len == 0x81 && left >= 3) {
		len = p[2];
		header = 3;
	} else if (len == 0x82 && left >= 4) {
		len = (size_t)p[2] << 8 | p[3];
		header = 4;
	} else if (len >= 0x80) {
		return none;
	}
	return left - header == len ? xfed_span_make(p + header, len) : none;
}

/* A NUL in a name is meant to be read differently by different programs: [A6-08]. */
static int add_name(struct collector *c, const char *prefix, struct xfed_span name)
{
	if (!name.data || memchr(name.data, '\0', name.len) || c->name_count == NAMES_MAX) {
		return XFED_ERR_INVALID;
	}
	int rc = append_clean(&c->text, prefix, name, xfed_utf8_is_valid(name));
	c->name_count += rc == XFED_OK;
	return rc;
}

static int add_other_name(struct collector *c, const gnutls_datum_t *oid, const gnutls_datum_t *value)
{
	struct xfed_span o = xfed_span_make(oid->data, oid->data ? strlen((const char *)oid->data) : 0);
	if (xfed_span_is(o, OID_SRV)) {
		return add_name(c, "srv:", der_string(value, TAG_IA5STRING));
	}
	if (xfed_span_is(o, OID_XMPPADDR)) {
		return add_name(c, "xmpp:", der_string(value, TAG_UTF8STRING));
	}
	return XFED_OK;
}

static int add_alt_name(struct collector *c, unsigned type, const gnutls_datum_t *value, const gnutls_datum_t *oid)
{
	struct xfed_span s = xfed_span_make(value->data ? value->data : (const unsigned char *)"", value->size);
	if (type == GNUTLS_SAN_DNSNAME) {
		return add_name(c, "dns:", s);
	}
	if (type == GNUTLS_SAN_URI) {
		return add_name(c, "uri:", s);
	}
	if (type == GNUTLS_SAN_OTHERNAME) {
		return add_other_name(c, oid, value);
	}
	return XFED_OK;
}

/* Decodes all names of the extension at once: GnuTLS decodes the whole extension for each name it is asked for. */
static int add_alt_names(struct collector *c, gnutls_x509_crt_t crt)
{
	gnutls_datum_t ext = { NULL, 0 };
	int ret = gnutls_x509_crt_get_extension_by_oid2(crt, OID_SAN, 0, &ext, NULL);
	if (ret == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
		return XFED_OK;
	}
	if (ret < 0) {
		return ret == GNUTLS_E_MEMORY_ERROR ? XFED_ERR_NOMEM : XFED_ERR_INVALID;
	}
	gnutls_subject_alt_names_t names = NULL;
	int rc = XFED_ERR_NOMEM;
	if (gnutls_subject_alt_names_init(&names) < 0) {
		goto out_ext;
	}
	ret = gnutls_x509_ext_import_subject_alt_names(&ext, names, 0);
	rc = ret == GNUTLS_E_MEMORY_ERROR ? XFED_ERR_NOMEM : ret < 0 ? XFED_ERR_INVALID : XFED_OK;
	for (unsigned i = 0; rc == XFED_OK; i++) {
		unsigned type = 0;
		gnutls_datum_t value = { NULL, 0 }, oid = { NULL, 0 };
		if (gnutls_subject_alt_names_get(names, i, &type, &value, &oid) < 0) {
			break;
		}
		rc = add_alt_name(c, type, &value, &oid);
	}
	gnutls_subject_alt_names_deinit(names);
out_ext:
	gnutls_free(ext.data);
	return rc;
}

static unsigned eku_bit(const char *oid)
{
	static const struct {
		const char *oid;
		enum xfed_cert_eku bit;
	} known[] = {
		{ GNUTLS_KP_TLS_WWW_SERVER, XFED_EKU_SERVER },
		{ GNUTLS_KP_TLS_WWW_CLIENT, XFED_EKU_CLIENT },
		{ GNUTLS_KP_ANY, XFED_EKU_ANY },
		{ OID_EKU_SIP, XFED_EKU_SIP },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(known); i++) {
		if (strcmp(oid, known[i].oid) == 0) {
			return known[i].bit;
		}
	}
	return XFED_EKU_OTHER;
}

static int read_eku(gnutls_x509_crt_t crt, unsigned *bits)
{
	gnutls_datum_t ext = { NULL, 0 };
	int ret = gnutls_x509_crt_get_extension_by_oid2(crt, OID_EKU, 0, &ext, NULL);
	if (ret < 0) {
		return ret == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE ? XFED_OK : XFED_ERR_INVALID;
	}
	gnutls_x509_key_purposes_t purposes = NULL;
	int rc = XFED_ERR_NOMEM;
	if (gnutls_x509_key_purpose_init(&purposes) < 0) {
		goto out_ext;
	}
	/* The extension exists: if it is empty the certificate is for no purpose at all, and not for all. */
	*bits = XFED_EKU_OTHER;
	ret = gnutls_x509_ext_import_key_purposes(&ext, purposes, 0);
	rc = ret == GNUTLS_E_MEMORY_ERROR ? XFED_ERR_NOMEM : ret < 0 ? XFED_ERR_INVALID : XFED_OK;
	for (unsigned i = 0; rc == XFED_OK; i++) {
		gnutls_datum_t oid = { NULL, 0 };
		if (gnutls_x509_key_purpose_get(purposes, i, &oid) < 0) {
			break;
		}
		*bits = (i == 0 ? 0 : *bits) | eku_bit((const char *)oid.data);
	}
	gnutls_x509_key_purpose_deinit(purposes);
out_ext:
	gnutls_free(ext.data);
	return rc;
}

/* Makes the certificate of the collected strings, in one block. */
static struct xfed_cert *assemble(const struct collector *c)
{
	struct xfed_span text = xfed_buf_span(&c->text);
	size_t names_bytes = c->name_count * sizeof(char *);
	struct xfed_cert *cert = xfed_malloc(sizeof(*cert) + names_bytes + text.len);
	if (!cert) {
		return NULL;
	}
	memset(cert, 0, sizeof(*cert));
	char *p = (char *)cert + sizeof(*cert) + names_bytes;
	memcpy(p, text.data, text.len);
	const char **fixed[] = { &cert->facts.subject, &cert->facts.issuer, &cert->facts.serial_hex, &cert->facts.sha256_hex,
		&cert->facts.spki_sha256_hex };
	for (size_t i = 0; i < XFED_ARRAY_LEN(fixed); i++) {
		*fixed[i] = p;
		p += strlen(p) + 1;
	}
	for (size_t i = 0; i < c->name_count; i++) {
		cert->strings[i] = p;
		p += strlen(p) + 1;
	}
	cert->facts.names = cert->strings;
	cert->facts.name_count = c->name_count;
	return cert;
}

int xfed_cert_new_crt(gnutls_x509_crt_t crt, struct xfed_span der, struct xfed_cert **out)
{
	struct collector c = { .name_count = 0 };
	unsigned eku = 0;
	xfed_buf_init(&c.text, TEXT_BYTES_MAX);
	int rc = append_dn(&c.text, crt, false);
	rc = rc == XFED_OK ? append_dn(&c.text, crt, true) : rc;
	rc = rc == XFED_OK ? append_ids(&c.text, crt, der) : rc;
	rc = rc == XFED_OK ? add_alt_names(&c, crt) : rc;
	rc = rc == XFED_OK ? read_eku(crt, &eku) : rc;
	if (rc == XFED_OK) {
		*out = assemble(&c);
		rc = *out ? XFED_OK : XFED_ERR_NOMEM;
	}
	xfed_buf_deinit(&c.text);
	if (rc != XFED_OK) {
		return rc == XFED_ERR_LIMIT ? XFED_ERR_INVALID : rc;
	}
	unsigned critical, ca = 0;
	(*out)->is_ca = gnutls_x509_crt_get_basic_constraints(crt, &critical, &ca, NULL) >= 0 && ca;
	(*out)->facts.eku = eku;
	(*out)->facts.not_before_s = gnutls_x509_crt_get_activation_time(crt);
	(*out)->facts.not_after_s = gnutls_x509_crt_get_expiration_time(crt);
	return XFED_OK;
}

int xfed_cert_import(struct xfed_span der, gnutls_x509_crt_t *crt)
{
	if (der.len == 0 || der.len > DER_BYTES_MAX) {
		return XFED_ERR_INVALID;
	}
	if (gnutls_x509_crt_init(crt) < 0) {
		return XFED_ERR_NOMEM;
	}
	/* GnuTLS takes a non-const pointer and does not write to it. */
	gnutls_datum_t d = { (unsigned char *)(uintptr_t)der.data, (unsigned)der.len };
	int ret = gnutls_x509_crt_import(*crt, &d, GNUTLS_X509_FMT_DER);
	if (ret < 0) {
		gnutls_x509_crt_deinit(*crt);
		return ret == GNUTLS_E_MEMORY_ERROR ? XFED_ERR_NOMEM : XFED_ERR_INVALID;
	}
	return XFED_OK;
}

int xfed_cert_new_der(struct xfed_span der, struct xfed_cert **out)
{
	*out = NULL;
	gnutls_x509_crt_t crt;
	int rc = xfed_cert_import(der, &crt);
	if (rc == XFED_OK) {
		rc = xfed_cert_new_crt(crt, der, out);
		gnutls_x509_crt_deinit(crt);
	}
	return rc;
}

void xfed_cert_free(struct xfed_cert *c)
{
	xfed_free(c);
}

const struct xfed_cert_facts *xfed_cert_facts(const struct xfed_cert *c)
{
	return &c->facts;
}
