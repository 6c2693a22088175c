#include "xfed/dialback.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "util/hex.h"

#define HASH_BYTES 32

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
	if (!xfed_is_hex(hash_hex, XFED_DIALBACK_HEX)) {
		return XFED_ERR_INVALID;
	}
	/* The HMAC key is the 64 characters, not the 32 bytes they stand for (XEP-0185 section 2, note 4). */
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
