/*
 * The resolver's memory of answers beside a model of it: a few names in several spellings, every type, put, found, found too late,
 * pushed out, flushed.
 *
 * Properties: what is found is what was put last under that name and type, whatever has become of the original since, and never after
 * its time to live; what was put is found until then unless others pushed it out, the one unused for longest first; there are
 * never more than the bound.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rt/dns_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())
#define NAMES	   8
#define MAX	   6

struct entry {
	unsigned name, type;
	uint64_t expires_ms;
	uint8_t mark;
	size_t count;
};

struct world {
	const uint8_t *at, *end;
	uint64_t now;
	struct dns_cache c;
	struct entry model[MAX]; /* unused for longest first */
	size_t count, max;
};

static const enum xfed_dns_type types[] = { XFED_DNS_A, XFED_DNS_AAAA, XFED_DNS_SRV, XFED_DNS_NAPTR, XFED_DNS_TLSA };

static uint8_t byte(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

/* Capitals and a last dot are the same name. */
static struct dns_key key_of(unsigned name, unsigned type, uint8_t spelling)
{
	struct dns_key k;
	char text[32];
	snprintf(text, sizeof(text), "%c%u.exa%cple%s", spelling & 1 ? 'N' : 'n', name, spelling & 2 ? 'M' : 'm', spelling & 4 ? "." : "");
	MUST(dns_key_make(&k, xfed_span_str(text), types[type]) == XFED_OK);
	return k;
}

static struct entry *find(struct world *w, unsigned name, unsigned type)
{
	for (size_t i = 0; i < w->count; i++) {
		if (w->model[i].name == name && w->model[i].type == type) {
			return &w->model[i];
		}
	}
	return NULL;
}

static void drop(struct world *w, struct entry *e)
{
	size_t i = (size_t)(e - w->model);
	memmove(e, e + 1, (w->count - i - 1) * sizeof(*e));
	w->count--;
}

/* ---- answers ---- */

static void fill(struct xfed_dns_record *r, enum xfed_dns_type type, char *text, uint8_t mark)
{
	struct xfed_span s = xfed_span_make(text, mark % 8);
	memset(r, 0, sizeof(*r));
	r->type = type;
	if (type == XFED_DNS_SRV) {
		r->srv.port = mark;
		r->srv.target = s;
	} else if (type == XFED_DNS_NAPTR) {
		r->naptr.order = mark;
		r->naptr.flags = r->naptr.regexp = s;
		r->naptr.services = r->naptr.replacement = s;
	} else if (type == XFED_DNS_TLSA) {
		r->tlsa.usage = mark;
		r->tlsa.data = s;
	} else {
		memset(r->aaaa, mark, type == XFED_DNS_A ? 4 : 16);
	}
}

static bool is_text(struct xfed_span s, uint8_t mark)
{
	for (size_t i = 0; i < s.len; i++) {
		MUST((uint8_t)s.data[i] == mark);
	}
	return s.len == mark % 8;
}

static void check(const struct xfed_dns_answer *a, const struct entry *e)
{
	MUST(a->count == e->count);
	for (size_t i = 0; i < a->count; i++) {
		const struct xfed_dns_record *r = &a->records[i];
		MUST(r->type == types[e->type]);
		if (r->type == XFED_DNS_SRV) {
			MUST(r->srv.port == e->mark && is_text(r->srv.target, e->mark));
		} else if (r->type == XFED_DNS_NAPTR) {
			MUST(r->naptr.order == e->mark && is_text(r->naptr.flags, e->mark) && is_text(r->naptr.services, e->mark));
			MUST(is_text(r->naptr.regexp, e->mark) && is_text(r->naptr.replacement, e->mark));
		} else if (r->type == XFED_DNS_TLSA) {
			MUST(r->tlsa.usage == e->mark && is_text(r->tlsa.data, e->mark));
		} else {
			MUST(r->a[0] == e->mark && r->a[3] == e->mark);
		}
	}
}

/* ---- calls ---- */

static void put(struct world *w, uint8_t which, uint8_t how)
{
	unsigned name = which % NAMES, type = which / NAMES % 5;
	struct dns_key k = key_of(name, type, which / 32);
	struct xfed_dns_record records[4];
	char text[8];
	struct xfed_dns_answer a = { .status = how % 4 ? XFED_DNS_OK : XFED_DNS_NO_DATA, .records = records, .count = how % 4, .ttl_s = 1 + how / 4 };
	memset(text, how, sizeof(text));
	for (size_t i = 0; i < a.count; i++) {
		fill(&records[i], types[type], text, how);
	}
	dns_cache_put(&w->c, &k, &a, w->now);
	memset(text, '?', sizeof(text)); /* the original is gone */
	memset(records, 0xee, sizeof(records));
	struct entry *old = find(w, name, type);
	if (old) {
		drop(w, old);
	} else if (w->count == w->max) {
		drop(w, &w->model[0]);
	}
	w->model[w->count++] = (struct entry){ name, type, w->now + 1000 * (uint64_t)a.ttl_s, how, a.count };
}

static void get(struct world *w, uint8_t which)
{
	unsigned name = which % NAMES, type = which / NAMES % 5;
	struct dns_key k = key_of(name, type, which / 32);
	struct entry *e = find(w, name, type), used;
	const struct xfed_dns_answer *a = dns_cache_find(&w->c, &k, w->now);
	if (e && w->now >= e->expires_ms) {
		drop(w, e);
		e = NULL;
	}
	MUST((a != NULL) == (e != NULL));
	if (!e) {
		return;
	}
	used = *e;
	check(a, &used);
	MUST(a->ttl_s == (used.expires_ms - w->now + 999) / 1000);
	drop(w, e);
	w->model[w->count++] = used;
}

static void odd_key(struct world *w, uint8_t len)
{
	struct dns_key k;
	char text[300];
	size_t n = len + (byte(w) & 1 ? 20 : 0);
	memset(text, 'a', sizeof(text));
	text[n > 0 ? n - 1 : 0] = '.';
	bool is_name = n > 1 && n <= 254;
	MUST((dns_key_make(&k, xfed_span_make(text, n), XFED_DNS_A) == XFED_OK) == is_name);
	MUST(!is_name || k.len == 2 + n - 1);
}

static void run_one(struct world *w)
{
	uint8_t what = byte(w), which = byte(w);
	switch (what % 8) {
	case 0:
	case 1:
	case 2:
		put(w, which, byte(w));
		break;
	case 3:
	case 4:
	case 5:
		get(w, which);
		break;
	case 6:
		w->now += which < 200 ? 50 * (uint64_t)which : 10000 * (uint64_t)(which - 199);
		break;
	case 7:
		if (which == 255) {
			dns_cache_flush(&w->c);
			w->count = 0;
		} else {
			odd_key(w, which);
		}
		break;
	}
	MUST(w->c.count == w->count && w->c.count <= w->max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .at = data, .end = data + size, .now = 1000 };
	w.max = 1 + byte(&w) % MAX;
	dns_cache_init(&w.c, w.max);
	while (w.at < w.end) {
		run_one(&w);
	}
	dns_cache_flush(&w.c);
	MUST(w.c.count == 0 && !w.c.table);
	return 0;
}
