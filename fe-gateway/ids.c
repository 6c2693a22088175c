#include "gateway.h"

#include <stdio.h>

#include "xfed/hash.h"

static uint64_t hash(const struct gateway *g, const char *what, int part, struct xfed_span name, uint64_t nonce, uint64_t seq)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "%s %d %.*s %llx %llx", what, part, (int)name.len, name.data, (unsigned long long)nonce,
		(unsigned long long)seq);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	return xfed_siphash(g->id_key, text, len);
}

void gateway_id(const struct gateway *g, const char *what, struct xfed_span name, uint64_t nonce, uint64_t seq, char out[GATEWAY_ID_SIZE])
{
	snprintf(out, GATEWAY_ID_SIZE, "%016llx%016llx", (unsigned long long)hash(g, what, 1, name, nonce, seq),
		(unsigned long long)hash(g, what, 2, name, nonce, seq));
}

uint64_t gateway_id_number(const struct gateway *g, const char *what, struct xfed_span name, uint64_t nonce, uint64_t seq)
{
	return hash(g, what, 0, name, nonce, seq);
}
