/*
 * Builds DNS replies byte by byte, right and wrong ones alike, without the library under test.
 */
#ifndef TESTS_UNIT_DNS_BUILD_H
#define TESTS_UNIT_DNS_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dns_msg {
	uint8_t b[65535];
	size_t len;
};

enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL };

#define DNS_FLAG_QR 0x8000
#define DNS_FLAG_TC 0x0200
#define DNS_FLAG_RD 0x0100
#define DNS_FLAG_RA 0x0080
#define DNS_FLAG_AD 0x0020

/* The header and question of `query`, marked as a reply with `rcode`. */
void dns_reply(struct dns_msg *m, const uint8_t *query, size_t len, unsigned rcode);
void dns_flags(struct dns_msg *m, uint16_t set);
void dns_add(struct dns_msg *m, enum dns_section s, const char *owner, uint16_t type, uint32_t ttl, const void *rdata, size_t len);
void dns_a(struct dns_msg *m, const char *owner, uint32_t ttl, const char *address);
void dns_aaaa(struct dns_msg *m, const char *owner, uint32_t ttl, const char *address);
void dns_cname(struct dns_msg *m, const char *owner, uint32_t ttl, const char *target);
void dns_srv(struct dns_msg *m, const char *owner, uint32_t ttl, unsigned priority, unsigned weight, unsigned port, const char *target);
void dns_soa(struct dns_msg *m, const char *owner, uint32_t ttl, uint32_t minimum);

/* Uncompressed wire form of "a.b" or "."; returns its length. */
size_t dns_name(uint8_t *out, const char *name);
/* The question's name in lower case without last dot, and its type. */
uint16_t dns_question(const uint8_t *query, size_t len, char name[256]);

#endif
