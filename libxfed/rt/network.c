#include "xfed/rt/network.h"

#include <arpa/inet.h>

/* ---- text ---- */

static bool bits_beyond(const uint8_t *bytes, size_t len, unsigned bits)
{
	for (unsigned i = bits; i < len * 8; i++) {
		if (bytes[i / 8] & (0x80u >> (i % 8))) {
			return true;
		}
	}
	return false;
}

/* "24" of "10.2.0.0/24": at most three digits. */
static int parse_bits(struct xfed_span s, unsigned *bits)
{
	*bits = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9') {
			return XFED_ERR_INVALID;
		}
		*bits = *bits * 10 + (unsigned)(s.data[i] - '0');
	}
	return s.len > 0 && s.len <= 3 ? XFED_OK : XFED_ERR_INVALID;
}

int rt_network_parse(struct xfed_span s, struct rt_network *out)
{
	char text[64];
	*out = (struct rt_network){ 0 };
	const char *slash = s.len > 0 ? memchr(s.data, '/', s.len) : NULL;
	size_t address_len = slash ? (size_t)(slash - s.data) : s.len;
	if (address_len == 0 || address_len >= sizeof(text)) {
		return XFED_ERR_INVALID;
	}
	memcpy(text, s.data, address_len);
	text[address_len] = '\0';
	out->is_ipv6 = strchr(text, ':') != NULL;
	if (strlen(text) != address_len || inet_pton(out->is_ipv6 ? AF_INET6 : AF_INET, text, out->bytes) != 1) {
		return XFED_ERR_INVALID;
	}
	size_t len = out->is_ipv6 ? 16 : 4;
	unsigned bits = (unsigned)len * 8;
	if (slash && parse_bits(xfed_span_make(slash + 1, s.len - address_len - 1), &bits) != XFED_OK) {
		return XFED_ERR_INVALID;
	}
	if (bits > len * 8 || bits_beyond(out->bytes, len, bits)) {
		return XFED_ERR_INVALID;
	}
	out->bits = (uint8_t)bits;
	return XFED_OK;
}

/* ---- matching ---- */

static bool begins_with(const uint8_t *bytes, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);
	return memcmp(bytes, prefix, whole) == 0 && (rest == 0 || ((bytes[whole] ^ prefix[whole]) & mask) == 0);
}

static const uint8_t *bytes_of(const struct rt_addr *a)
{
	return a->in6.sin6_addr.s6_addr;
}

bool rt_network_holds(const struct rt_network *n, const struct rt_addr *a)
{
	struct in_addr v4;
	if (rt_addr_v4(a, &v4)) {
		return !n->is_ipv6 && begins_with((const uint8_t *)&v4, n->bytes, n->bits);
	}
	return a->sa.sa_family == AF_INET6 && n->is_ipv6 && begins_with(bytes_of(a), n->bytes, n->bits);
}

/* ---- kinds ---- */

/* Prefixes of IPv6 addresses that contain an IPv4 address, and its offset. */
static const struct {
	uint8_t prefix[16];
	unsigned bits, at;
} embeddings[] = {
	{ { [10] = 0xff, 0xff }, 96, 12 },		    /* mapped, RFC 4291 2.5.5.2 */
	{ { 0 }, 96, 12 },				    /* compatible, RFC 4291 2.5.5.1; :: and ::1 are checked before */
	{ { 0x20, 0x02 }, 16, 2 },			    /* 6to4, RFC 3056 */
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, 12 },		    /* NAT64, RFC 6052 */
	{ { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, 12 }, /* NAT64 of a site, RFC 8215, as a /96 */
};

bool rt_addr_embedded(const struct rt_addr *a, struct rt_addr *out)
{
	for (size_t i = 0; a->sa.sa_family == AF_INET6 && i < XFED_ARRAY_LEN(embeddings); i++) {
		const uint8_t *bytes = bytes_of(a);
		if (begins_with(bytes, embeddings[i].prefix, embeddings[i].bits)) {
			*out = (struct rt_addr){ .in = { .sin_family = AF_INET } };
			memcpy(&out->in.sin_addr, bytes + embeddings[i].at, 4);
			return true;
		}
	}
	return false;
}

static const struct {
	struct rt_network network;
	enum rt_addr_kind kind;
} kinds[] = {
	{ { .bytes = { 127 }, .bits = 8 }, RT_ADDR_LOOPBACK },
	{ { .bytes = { [15] = 1 }, .bits = 128, .is_ipv6 = true }, RT_ADDR_LOOPBACK },
	{ { .bytes = { 169, 254 }, .bits = 16 }, RT_ADDR_LINK_LOCAL },
	{ { .bytes = { 0xfe, 0x80 }, .bits = 10, .is_ipv6 = true }, RT_ADDR_LINK_LOCAL },
	{ { .bytes = { 0 }, .bits = 8 }, RT_ADDR_UNSPECIFIED },
	{ { .bytes = { 0 }, .bits = 128, .is_ipv6 = true }, RT_ADDR_UNSPECIFIED },
	{ { .bytes = { 224 }, .bits = 4 }, RT_ADDR_MULTICAST },
	{ { .bytes = { 0xff }, .bits = 8, .is_ipv6 = true }, RT_ADDR_MULTICAST },
	{ { .bytes = { 255, 255, 255, 255 }, .bits = 32 }, RT_ADDR_BROADCAST },
};

enum rt_addr_kind rt_addr_kind(const struct rt_addr *a)
{
	struct rt_addr v4;
	for (size_t i = 0; i < XFED_ARRAY_LEN(kinds); i++) {
		if (rt_network_holds(&kinds[i].network, a)) {
			return kinds[i].kind;
		}
	}
	return rt_addr_embedded(a, &v4) ? rt_addr_kind(&v4) : RT_ADDR_USUAL;
}

const char *rt_addr_kind_word(enum rt_addr_kind k)
{
	switch (k) {
	case RT_ADDR_USUAL:
		break;
	case RT_ADDR_LOOPBACK:
		return "a loopback address";
	case RT_ADDR_LINK_LOCAL:
		return "a link-local address";
	case RT_ADDR_UNSPECIFIED:
		return "an unspecified address";
	case RT_ADDR_MULTICAST:
		return "a multicast address";
	case RT_ADDR_BROADCAST:
		return "the broadcast address";
	}
	return "an address like others";
}
