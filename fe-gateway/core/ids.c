#include "core/core.h"

#include "util/hex.h"
#include "xfed/hash.h"
#include "proto/check.h"

#define INPUT_BYTES (1 + 8 + 8 + PROTO_NAME_BYTES)

/* `what` keeps different uses, and different parts of one id, apart. */
static uint64_t hash(const struct core *c, uint8_t what, struct xfed_span name, uint64_t nonce, uint64_t seq)
{
	uint8_t input[INPUT_BYTES];
	size_t len = name.len < PROTO_NAME_BYTES ? name.len : PROTO_NAME_BYTES;
	input[0] = what;
	for (int i = 0; i < 8; i++) { /* byte by byte: independent of the byte order of the machine */
		input[1 + i] = (uint8_t)(nonce >> (8 * i));
		input[9 + i] = (uint8_t)(seq >> (8 * i));
	}
	if (len > 0) {
		memcpy(input + 17, name.data, len);
	}
	return xfed_siphash(c->id_key, input, 17 + len);
}

void core_id(const struct core *c, enum core_id_use use, struct xfed_span name, uint64_t nonce, uint64_t seq, struct core_id *out)
{
	uint64_t a = hash(c, (uint8_t)(2 * use), name, nonce, seq), b = hash(c, (uint8_t)(2 * use + 1), name, nonce, seq);
	xfed_hex64(out->text, a);
	xfed_hex64(out->text + 16, b);
	out->text[32] = '\0';
	out->number = a ^ b;
}
