/* Sets of ASCII characters as two 64-bit words: a test costs one shift. Bytes above 0x7f are in none. */
#ifndef GATEWAY_SIP_CHARS_H
#define GATEWAY_SIP_CHARS_H

#include <stdbool.h>
#include <stdint.h>

struct sip_set {
	uint64_t low, high; /* characters 0 to 63, 64 to 127 */
};

#define SIP_BIT(c)	  ((uint64_t)1 << ((c)&63))
#define SIP_DIGITS	  ((uint64_t)0x3ff << '0')
#define SIP_LETTERS	  ((uint64_t)0x07fffffe07fffffe)
#define SIP_PRINTABLE_LOW (~(uint64_t)0 << 32)

static inline bool sip_set_has(struct sip_set s, unsigned char c)
{
	return c < 128 && ((c < 64 ? s.low : s.high) >> (c & 63) & 1);
}

/* token of RFC 3261 section 25.1 */
#define SIP_TOKEN                                                                                                                                    \
	((struct sip_set){ SIP_DIGITS | SIP_BIT('-') | SIP_BIT('.') | SIP_BIT('!') | SIP_BIT('%') | SIP_BIT('*') | SIP_BIT('+') | SIP_BIT('\''),     \
		SIP_LETTERS | SIP_BIT('_') | SIP_BIT('`') | SIP_BIT('~') })

/* word of the same: token and some separators */
#define SIP_WORD                                                                                                                                     \
	((struct sip_set){ SIP_TOKEN.low | SIP_BIT('(') | SIP_BIT(')') | SIP_BIT('<') | SIP_BIT('>') | SIP_BIT(':') | SIP_BIT('"') | SIP_BIT('/') |  \
				   SIP_BIT('?'),                                                                                                     \
		SIP_TOKEN.high | SIP_BIT('\\') | SIP_BIT('[') | SIP_BIT(']') | SIP_BIT('{') | SIP_BIT('}') })

/* Eight characters at once. */
#define SIP_BYTES(c) (UINT64_C(0x0101010101010101) * (c))

static inline bool sip_bytes_have(uint64_t v, unsigned char c)
{
	v ^= SIP_BYTES(c);
	return ((v - SIP_BYTES(1)) & ~v & SIP_BYTES(0x80)) != 0;
}

/* Below 0x20, or 0x7f. */
static inline bool sip_bytes_have_control(uint64_t v)
{
	return ((v - SIP_BYTES(0x20)) & ~v & SIP_BYTES(0x80)) != 0 || sip_bytes_have(v, 0x7f);
}

#endif
