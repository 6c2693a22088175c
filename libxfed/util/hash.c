#include "xfed/hash.h"

/* SipHash (Aumasson, Bernstein 2012): 2-4 for identifiers that leave the process, 1-3 for its tables. */

static uint8_t process_key[16];

void xfed_hash_set_key(const uint8_t key[16])
{
	memcpy(process_key, key, sizeof(process_key));
}

static uint64_t rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

/* Inlined with constant rounds, so that the loops unroll. */
static inline uint64_t sip_hash(const uint8_t key[16], const void *data, size_t len, int rounds, int final_rounds)
{
	const uint8_t *p = data;
	uint64_t k0 = load64(key), k1 = load64(key + 8);
	uint64_t v[4] = { k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL, k0 ^ 0x6c7967656e657261ULL, k1 ^ 0x7465646279746573ULL };
	size_t left = len;
	for (; left >= 8; left -= 8, p += 8) {
		uint64_t m = load64(p);
		v[3] ^= m;
		for (int i = 0; i < rounds; i++) {
			sip_round(v);
		}
		v[0] ^= m;
	}
	uint64_t m = (uint64_t)len << 56;
	for (size_t i = 0; i < left; i++) {
		m |= (uint64_t)p[i] << (8 * i);
	}
	v[3] ^= m;
	for (int i = 0; i < rounds; i++) {
		sip_round(v);
	}
	v[0] ^= m;
	v[2] ^= 0xff;
	for (int i = 0; i < final_rounds; i++) {
		sip_round(v);
	}
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t xfed_siphash(const uint8_t key[16], const void *data, size_t len)
{
	return sip_hash(key, data, len, 2, 4);
}

uint64_t xfed_hash_bytes(const void *data, size_t len)
{
	return sip_hash(process_key, data, len, 1, 3);
}

unsigned xfed_hash_number(uint64_t n)
{
	uint64_t h = (n ^ load64(process_key)) * (load64(process_key + 8) | 1);
	h ^= h >> 32;
	return (unsigned)((h * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}
