#include "dialback/key.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "util/hex.h"

#define HASH_BYTES 32

static bool is_hash(struct xfed_span s)
{
	if (s.len != XFED_DIALBACK_HEX) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		bool is_digit = (s.data[i] >= '0' && s.data[i] <= '9') || (s.data[i] >= 'a' && s.data[i] <= 'f');
		if (!is_digit) {
			return false;
		}
	}
	return true;
}

int xfed_dialback_hash(struct xfed_span secret, char out[XFED_DIALBACK_HEX + 1])
{
	uint8_t hash[HASH_BYTES];
	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, secret.len > 0 ? secret.data : "", secret.len, hash) < 0) {
		return XFED_ERR_LIBRARY;
	}
	xfed_hex(out, hash, HASH_BYTES);
	xfed_wipe(hash, sizeof(hash));
	return XFED_OK;
}

int xfed_dialback_key_hashed(struct xfed_span hash_hex, struct xfed_span receiving, struct xfed_span originating, struct xfed_span stream_id,
	char out[XFED_DIALBACK_HEX + 1])
{
	if (!is_hash(hash_hex)) {
		return XFED_ERR_INVALID;
	}
	/* The 64 characters are the HMAC key, not the 32 bytes they stand for (XEP-0185 section 2,
	 * note 4). */
	gnutls_hmac_hd_t hmac;
	if (gnutls_hmac_init(&hmac, GNUTLS_MAC_SHA256, hash_hex.data, hash_hex.len) < 0) {
		return XFED_ERR_LIBRARY;
	}
	const struct xfed_span text[] = { receiving, XFED_SPAN(" "), originating, XFED_SPAN(" "), stream_id };
	bool failed = false;
	for (size_t i = 0; i < XFED_ARRAY_LEN(text); i++) {
		failed |= text[i].len > 0 && gnutls_hmac(hmac, text[i].data, text[i].len) < 0;
	}
	uint8_t mac[HASH_BYTES];
	gnutls_hmac_deinit(hmac, mac);
	if (failed) {
		return XFED_ERR_LIBRARY;
	}
	xfed_hex(out, mac, HASH_BYTES);
	return XFED_OK;
}

int xfed_dialback_key(struct xfed_span secret, struct xfed_span receiving, struct xfed_span originating, struct xfed_span stream_id,
	char out[XFED_DIALBACK_HEX + 1])
{
	char hash[XFED_DIALBACK_HEX + 1];
	int rc = xfed_dialback_hash(secret, hash);
	if (rc == XFED_OK) {
		rc = xfed_dialback_key_hashed(xfed_span_make(hash, XFED_DIALBACK_HEX), receiving, originating, stream_id, out);
	}
	xfed_wipe(hash, sizeof(hash));
	return rc;
}

int db_key_matches(struct xfed_span received, struct xfed_span hash_hex, struct xfed_span receiving, struct xfed_span originating,
	struct xfed_span stream_id, bool *matches)
{
	char key[XFED_DIALBACK_HEX + 1];
	*matches = false;
	int rc = xfed_dialback_key_hashed(hash_hex, receiving, originating, stream_id, key);
	if (rc == XFED_ERR_INVALID) {
		return XFED_OK;
	}
	if (rc == XFED_OK) {
		*matches = xfed_span_eq_secret(received, xfed_span_make(key, XFED_DIALBACK_HEX));
	}
	xfed_wipe(key, sizeof(key));
	return rc;
}
