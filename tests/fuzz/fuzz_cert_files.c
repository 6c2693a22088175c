/*
 * Arbitrary bytes as what an authority hands over: PEM, DER, PKCS#7, PKCS#12, and a bundle of the channel. The first byte says how: with
 * which pass phrase, or as a bundle. Security sentences: a chain begins with its leaf, holds nothing twice, and leads to an authority
 * that is trusted or stands in the bytes; what is refused leaves nothing behind; a bundle's key is that of its certificate.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cert_bundle.h"
#include "cert_judge.h"
#include "xfed/mem.h"

#define NOW_S INT64_C(1800000000)

static void require(bool is_so)
{
	if (!is_so) {
		abort();
	}
}

static void check_chain(const struct cert_pile *p, size_t leaf, const struct cert_trust *nobody)
{
	struct cert_chain c;
	char error[CERT_ERROR] = "";
	int rc = cert_chain_find(p, leaf, nobody, NOW_S, &c, error);
	if (rc != XFED_OK) {
		require(rc != XFED_ERR_INVALID || error[0] != '\0');
		return;
	}
	require(c.count >= 1 && c.count <= CERT_CHAIN_MAX && c.crts[0] == p->crts[leaf] && !c.is_trusted);
	for (size_t i = 0; i < c.count; i++) {
		/* In the order in which TLS sends them, each signed by the next, all valid now. */
		require(i + 1 == c.count || gnutls_x509_crt_check_issuer(c.crts[i], c.crts[i + 1]));
		require(gnutls_x509_crt_get_expiration_time(c.crts[i]) >= NOW_S);
		for (size_t k = 0; k < i; k++) {
			require(c.crts[k] != c.crts[i]);
		}
	}
	struct xfed_buf pem;
	xfed_buf_init(&pem, CERT_PEM_BYTES);
	require(cert_chain_print(&c, &pem) != XFED_ERR_INVALID);
	xfed_buf_deinit(&pem);
}

static void as_files(struct xfed_span bytes, const char *pass)
{
	struct cert_pile p = { .crt_count = 0 };
	struct cert_trust nobody;
	char error[CERT_ERROR];
	int rc = cert_pile_add(&p, bytes, pass, error);
	require(rc == XFED_OK || (p.crt_count == 0 && p.key_count == 0));
	require(rc != XFED_ERR_AGAIN || !pass);
	require(rc != XFED_ERR_STATE || pass);
	require(rc != XFED_ERR_INVALID || error[0] != '\0');
	if (rc == XFED_OK && cert_trust_init(&nobody) == XFED_OK) {
		for (size_t i = 0; i < p.crt_count && i < 4; i++) {
			check_chain(&p, i, &nobody);
		}
		cert_trust_deinit(&nobody);
	}
	/* Once more: what is there already is not there twice. */
	size_t before = p.crt_count;
	if (rc == XFED_OK && p.key_count <= CERT_PILE_KEYS / 2 && cert_pile_add(&p, bytes, pass, error) == XFED_OK) {
		require(p.crt_count == before);
	}
	cert_pile_deinit(&p);
}

static void as_bundle(struct xfed_span bytes)
{
	struct cert_bundle b;
	struct cert_id key, crt;
	char error[CERT_ERROR] = "";
	int rc = cert_bundle_parse(bytes, &b, error);
	if (rc == XFED_OK) {
		require(b.member.name_count > 0 && b.pile.key_count == 1 && b.leaf < b.pile.crt_count);
		require(cert_id_of_key(b.pile.keys[0], &key) == XFED_OK && cert_id_of(b.pile.crts[b.leaf], &crt) == XFED_OK &&
			cert_id_eq(&key, &crt));
		for (size_t i = 0; i < b.gateway_count; i++) {
			for (size_t k = 0; k < b.gateways[i].name_count; k++) {
				require(b.gateways[i].names[k][0] != '\0' && !strpbrk(b.gateways[i].names[k], " \n\t"));
			}
		}
	} else {
		require(rc != XFED_ERR_INVALID || error[0] != '\0');
	}
	cert_bundle_close(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const passes[] = { NULL, "", "x" };
	if (size == 0) {
		return 0;
	}
	struct xfed_span bytes = xfed_span_make(data + 1, size - 1);
	if (data[0] % 4 == 3) {
		as_bundle(bytes);
	} else {
		as_files(bytes, passes[data[0] % 4]);
	}
	return 0;
}
