#include "rt/dns_cache.h"

#include <utlist.h>

#include "xfed/mem.h"

#define SPANS_MAX 4

struct dns_cache_entry {
	UT_hash_handle hh;
	struct dns_cache_entry *prev, *next;
	struct dns_key key;
	uint64_t expires_ms;
	struct xfed_dns_answer *answer;
};

int dns_key_make(struct dns_key *key, struct xfed_span name, enum xfed_dns_type type)
{
	memset(key, 0, sizeof(*key));
	if (name.len > 0 && name.data[name.len - 1] == '.') {
		name.len--;
	}
	if (name.len == 0 || name.len > DNS_KEY_BYTES - 2) {
		return XFED_ERR_INVALID;
	}
	key->bytes[0] = (uint8_t)((unsigned)type >> 8);
	key->bytes[1] = (uint8_t)type;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];
		key->bytes[2 + i] = (uint8_t)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	key->len = 2 + name.len;
	return XFED_OK;
}

/* The spans in a record, so that a copy can own them. */
static size_t spans_of(struct xfed_dns_record *r, struct xfed_span *out[SPANS_MAX])
{
	switch (r->type) {
	case XFED_DNS_A:
	case XFED_DNS_AAAA:
		return 0;
	case XFED_DNS_SRV:
		out[0] = &r->srv.target;
		return 1;
	case XFED_DNS_NAPTR:
		out[0] = &r->naptr.flags;
		out[1] = &r->naptr.services;
		out[2] = &r->naptr.regexp;
		out[3] = &r->naptr.replacement;
		return 4;
	case XFED_DNS_TLSA:
		out[0] = &r->tlsa.data;
		return 1;
	}
	return 0;
}

struct xfed_dns_answer *dns_answer_dup(const struct xfed_dns_answer *a)
{
	struct xfed_span *spans[SPANS_MAX];
	size_t size = sizeof(*a) + a->count * sizeof(*a->records);
	for (size_t i = 0; i < a->count; i++) {
		for (size_t n = spans_of(&a->records[i], spans); n > 0; n--) {
			size += spans[n - 1]->len;
		}
	}
	struct xfed_dns_answer *copy = xfed_malloc(size);
	if (!copy) {
		return NULL;
	}
	*copy = *a;
	copy->records = (struct xfed_dns_record *)(copy + 1);
	char *bytes = (char *)(copy->records + a->count);
	for (size_t i = 0; i < a->count; i++) {
		copy->records[i] = a->records[i];
		for (size_t n = spans_of(&copy->records[i], spans); n > 0; n--) {
			struct xfed_span *s = spans[n - 1];
			if (s->len > 0) {
				memcpy(bytes, s->data, s->len);
			}
			s->data = bytes;
			bytes += s->len;
		}
	}
	return copy;
}

void dns_cache_init(struct dns_cache *c, size_t max_entries)
{
	*c = (struct dns_cache){ .max_entries = max_entries };
}

static void drop(struct dns_cache *c, struct dns_cache_entry *e)
{
	HASH_DEL(c->table, e);
	DL_DELETE(c->by_use, e);
	c->count--;
	xfed_free(e->answer);
	xfed_free(e);
}

void dns_cache_flush(struct dns_cache *c)
{
	while (c->by_use) {
		drop(c, c->by_use);
	}
}

static struct dns_cache_entry *find(struct dns_cache *c, const struct dns_key *key)
{
	struct dns_cache_entry *e = NULL;
	HASH_FIND(hh, c->table, key->bytes, key->len, e);
	return e;
}

const struct xfed_dns_answer *dns_cache_find(struct dns_cache *c, const struct dns_key *key, uint64_t now_ms)
{
	struct dns_cache_entry *e = find(c, key);
	if (!e) {
		return NULL;
	}
	if (now_ms >= e->expires_ms) {
		drop(c, e);
		return NULL;
	}
	DL_DELETE(c->by_use, e);
	DL_APPEND(c->by_use, e);
	e->answer->ttl_s = (uint32_t)((e->expires_ms - now_ms + 999) / 1000);
	return e->answer;
}

static void insert(struct dns_cache *c, struct dns_cache_entry *e)
{
	HASH_ADD_KEYPTR(hh, c->table, e->key.bytes, e->key.len, e);
	if (!XFED_TABLE_ADDED(e)) {
		xfed_free(e->answer);
		xfed_free(e);
		return;
	}
	DL_APPEND(c->by_use, e);
	c->count++;
}

void dns_cache_put(struct dns_cache *c, const struct dns_key *key, const struct xfed_dns_answer *answer, uint64_t now_ms)
{
	struct dns_cache_entry *old = find(c, key);
	if (old) {
		drop(c, old);
	}
	while (c->by_use && c->count >= c->max_entries) {
		drop(c, c->by_use);
	}
	struct dns_cache_entry *e = xfed_calloc(1, sizeof(*e));
	if (!e) {
		return;
	}
	e->key = *key;
	e->expires_ms = now_ms + (uint64_t)answer->ttl_s * 1000;
	e->answer = dns_answer_dup(answer);
	if (!e->answer) {
		xfed_free(e);
		return;
	}
	insert(c, e);
}
