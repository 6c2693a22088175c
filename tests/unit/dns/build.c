#include "build.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static size_t question_end(const uint8_t *q, size_t len)
{
	size_t at = 12;
	while (at < len && q[at] != 0) {
		at += 1u + q[at];
	}
	return at + 5;
}

void dns_reply(struct dns_msg *m, const uint8_t *query, size_t len, unsigned rcode)
{
	size_t end = question_end(query, len);
	if (end > len) {
		abort();
	}
	memset(m->b, 0, 12);
	memcpy(m->b, query, 2);
	put16(m->b + 2, DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA | rcode);
	put16(m->b + 4, 1);
	memcpy(m->b + 12, query + 12, end - 12);
	m->len = end;
}

void dns_flags(struct dns_msg *m, uint16_t set)
{
	put16(m->b + 2, (unsigned)(m->b[2] << 8 | m->b[3]) | set);
}

size_t dns_name(uint8_t *out, const char *name)
{
	size_t n = 0;
	while (*name && strcmp(name, ".") != 0) {
		size_t label = strcspn(name, ".");
		out[n++] = (uint8_t)label;
		memcpy(out + n, name, label);
		n += label;
		name += label;
		name += *name == '.' ? 1 : 0;
	}
	out[n++] = 0;
	return n;
}

void dns_add(struct dns_msg *m, enum dns_section s, const char *owner, uint16_t type, uint32_t ttl, const void *rdata, size_t len)
{
	uint8_t *count = m->b + 6 + 2 * s;
	if (m->len + 256 + 10 + len > sizeof(m->b)) {
		abort();
	}
	m->len += dns_name(m->b + m->len, owner);
	uint8_t *p = m->b + m->len;
	put16(p, type);
	put16(p + 2, 1);
	put32(p + 4, ttl);
	put16(p + 8, (unsigned)len);
	memcpy(p + 10, rdata, len);
	m->len += 10 + len;
	put16(count, (unsigned)(count[0] << 8 | count[1]) + 1);
}

void dns_a(struct dns_msg *m, const char *owner, uint32_t ttl, const char *address)
{
	uint8_t a[4];
	if (inet_pton(AF_INET, address, a) != 1) {
		abort();
	}
	dns_add(m, DNS_ANSWER, owner, 1, ttl, a, sizeof(a));
}

void dns_aaaa(struct dns_msg *m, const char *owner, uint32_t ttl, const char *address)
{
	uint8_t a[16];
	if (inet_pton(AF_INET6, address, a) != 1) {
		abort();
	}
	dns_add(m, DNS_ANSWER, owner, 28, ttl, a, sizeof(a));
}

void dns_cname(struct dns_msg *m, const char *owner, uint32_t ttl, const char *target)
{
	uint8_t rdata[256];
	dns_add(m, DNS_ANSWER, owner, 5, ttl, rdata, dns_name(rdata, target));
}

void dns_srv(struct dns_msg *m, const char *owner, uint32_t ttl, unsigned priority, unsigned weight, unsigned port, const char *target)
{
	uint8_t rdata[6 + 256];
	put16(rdata, priority);
	put16(rdata + 2, weight);
	put16(rdata + 4, port);
	dns_add(m, DNS_ANSWER, owner, 33, ttl, rdata, 6 + dns_name(rdata + 6, target));
}

void dns_soa(struct dns_msg *m, const char *owner, uint32_t ttl, uint32_t minimum)
{
	uint8_t rdata[600];
	size_t n = dns_name(rdata, "ns.example");
	n += dns_name(rdata + n, "hostmaster.example");
	memset(rdata + n, 0, 16);
	put32(rdata + n + 16, minimum);
	dns_add(m, DNS_AUTHORITY, owner, 6, ttl, rdata, n + 20);
}

uint16_t dns_question(const uint8_t *query, size_t len, char name[256])
{
	size_t at = 12, n = 0;
	while (at < len && query[at] != 0 && n + query[at] + 1 < 255) {
		for (size_t i = 0; i < query[at]; i++) {
			uint8_t c = query[at + 1 + i];
			name[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
		}
		name[n++] = '.';
		at += 1u + query[at];
	}
	name[n > 0 ? n - 1 : 0] = '\0';
	return (uint16_t)(query[at + 1] << 8 | query[at + 2]);
}
