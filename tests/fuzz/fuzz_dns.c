/*
 * Replies from the network: the first bytes choose the question, the rest is the reply, once as it comes and once with
 * the id and question of our query pasted over its front so that the records behind are reached.
 *
 * Security sentence: an answer is only ever taken from a reply that carries our id and our question to the letter, and
 * holds nothing but 1 to XFED_DNS_RECORDS_MAX records of the type asked for, with a TTL inside its clamp and names of
 * host characters only.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xfed/dns.h"
#include "xfed/limits.h"

#define REQUIRE(c) ((c) ? (void)0 : abort())

static void fixed_random(void *user, void *out, size_t len)
{
	uint8_t *p = out, *next = user;
	for (size_t i = 0; i < len; i++) {
		p[i] = (*next)++ * 167;
	}
}

static void check_name(struct xfed_span name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
	REQUIRE(name.len >= 1 && name.len <= 253);
	for (size_t i = 0; i < name.len; i++) {
		REQUIRE(name.data[i] != '\0' && strchr(allowed, name.data[i]));
	}
}

static void check_records(const struct xfed_env *env, enum xfed_dns_type type, struct xfed_dns_answer *answer)
{
	REQUIRE(answer->count >= 1 && answer->count <= XFED_DNS_RECORDS_MAX);
	for (size_t i = 0; i < answer->count; i++) {
		REQUIRE(answer->records[i].type == type);
		if (type == XFED_DNS_SRV) {
			check_name(answer->records[i].srv.target);
		} else if (type == XFED_DNS_NAPTR) {
			check_name(answer->records[i].naptr.replacement);
		}
	}
	if (type == XFED_DNS_SRV) {
		xfed_dns_srv_order(env, answer->records, answer->count);
		for (size_t i = 1; i < answer->count; i++) {
			REQUIRE(answer->records[i - 1].srv.priority <= answer->records[i].srv.priority);
		}
	}
}

static void parse(const struct xfed_env *env, enum xfed_dns_type type, const uint8_t *query, size_t query_len, const uint8_t *reply, size_t len)
{
	struct xfed_dns_answer answer;
	struct xfed_arena arena;
	xfed_arena_init(&arena, 256 * 1024);
	int rc = xfed_dns_parse(&arena, xfed_span_make(query, query_len), xfed_span_make(reply, len), &answer);
	REQUIRE(rc == XFED_OK);
	REQUIRE(answer.ttl_s >= XFED_DNS_TTL_MIN_S && answer.ttl_s <= XFED_DNS_TTL_MAX_S);
	if (answer.status != XFED_DNS_BOGUS_REPLY) {
		size_t question = query_len - 12 - 11; /* our OPT record has 11 bytes */
		REQUIRE(len >= 12 + question && memcmp(query, reply, 2) == 0 && (reply[2] & 0x80) != 0);
		REQUIRE(memcmp(query + 12, reply + 12, question) == 0);
	}
	if (answer.status == XFED_DNS_OK) {
		check_records(env, type, &answer);
	} else {
		REQUIRE(answer.count == 0);
	}
	xfed_arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum xfed_dns_type types[] = { XFED_DNS_A, XFED_DNS_AAAA, XFED_DNS_SRV, XFED_DNS_NAPTR, XFED_DNS_TLSA };
	uint8_t counter = 0, query[512];
	size_t query_len = 0;
	struct xfed_env env = { .user = &counter, .random = fixed_random };
	if (size < 1 || size > 65535) {
		return 0;
	}
	enum xfed_dns_type type = types[data[0] % XFED_ARRAY_LEN(types)];
	data++;
	size--;
	REQUIRE(xfed_dns_query(&env, XFED_SPAN("_s._tcp.example"), type, 0x1234, query, sizeof(query), &query_len) == XFED_OK);
	parse(&env, type, query, query_len, data, size);

	/* Bytes: flags (2), the three counts (6), records. */
	size_t question = query_len - 12 - 11;
	if (size >= 8) {
		size_t len = 12 + question + size - 8;
		uint8_t *reply = malloc(len);
		REQUIRE(reply != NULL);
		memcpy(reply, query, 2);
		memcpy(reply + 2, data, 2);
		reply[2] |= 0x80;
		memcpy(reply + 4, "\0\1", 2);
		memcpy(reply + 6, data + 2, 6);
		memcpy(reply + 12, query + 12, question);
		memcpy(reply + 12 + question, data + 8, size - 8);
		parse(&env, type, query, query_len, reply, len);
		free(reply);
	}
	return 0;
}
