#include "gateway.h"

#include "xfed/hash.h"
#include "util/hex.h"

#define INPUT_BYTES (1 + 8 + 8 + PROTO_NAME_BYTES)

/* `what` tells uses and their parts apart. */
static uint64_t hash(const struct gateway *g, uint8_t what, struct xfed_span name, uint64_t nonce, uint64_t seq)
{
	uint8_t input[INPUT_BYTES];
	size_t len = name.len < PROTO_NAME_BYTES ? name.len : PROTO_NAME_BYTES;
	input[0] = what;
	for (int i = 0; i < 8; i++) { /* the same on every machine */
		input[1 + i] = (uint8_t)(nonce >> (8 * i));
		input[9 + i] = (uint8_t)(seq >> (8 * i));
	}
	if (len > 0) {
		memcpy(input + 17, name.data, len);
	}
	return xfed_siphash(g->id_key, input, 17 + len);
}

void gateway_id(const struct gateway *g, enum gateway_id_use use, struct xfed_span name, uint64_t nonce, uint64_t seq, struct gateway_id *out)
{
	uint64_t a = hash(g, (uint8_t)(2 * use), name, nonce, seq), b = hash(g, (uint8_t)(2 * use + 1), name, nonce, seq);
	xfed_hex64(out->text, a);
	xfed_hex64(out->text + 16, b);
	out->text[32] = '\0';
	out->number = a ^ b;
}
