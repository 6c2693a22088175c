#include "s2s/s2s_impl.h"

#include "xfed/mem.h"

#define FULL_MS 1000 /* an empty bucket is full again after so long */

/*
 * A bucket of one second's worth of stanzas, found by the partner's primary domain. It outlives the partner's streams, or
 * who closes and opens again would begin with a full one; when it is full it is the same as none.
 */
struct s2s_rate {
	double tokens;
	uint64_t at_ms;
	UT_hash_handle hh;
	char domain[];
};

static struct s2s_rate *find_or_make(struct s2s *s, const char *domain, double most, uint64_t now_ms)
{
	struct s2s_rate *r = NULL;
	size_t len = strlen(domain);
	HASH_FIND(hh, s->rates, domain, len, r);
	if (r) {
		return r;
	}
	r = xfed_calloc(1, sizeof(*r) + len + 1);
	if (!r) {
		return NULL;
	}
	r->tokens = most;
	r->at_ms = now_ms;
	memcpy(r->domain, domain, len + 1);
	HASH_ADD(hh, s->rates, domain[0], len, r);
	if (!XFED_TABLE_ADDED(r)) {
		xfed_free(r);
		return NULL;
	}
	return r;
}

bool s2s_rate_take(struct s2s *s, const struct xfed_partner *partner)
{
	uint64_t now = core_now(s->core);
	double most = partner->stanzas_per_second;
	struct s2s_rate *r = find_or_make(s, partner->domain, most, now);
	if (!r) {
		return true; /* one stanza too many is better than one too few */
	}
	r->tokens += (double)(now - r->at_ms) * most / FULL_MS;
	r->tokens = r->tokens > most ? most : r->tokens;
	r->at_ms = now;
	if (r->tokens < 1.0) {
		return false;
	}
	r->tokens -= 1.0;
	return true;
}

static void release(struct s2s *s, struct s2s_rate *r)
{
	HASH_DELETE(hh, s->rates, r);
	xfed_free(r);
}

void s2s_rates_tick(struct s2s *s, uint64_t now_ms)
{
	struct s2s_rate *r, *next;
	HASH_ITER(hh, s->rates, r, next) {
		if (now_ms - r->at_ms >= FULL_MS) {
			release(s, r);
		}
	}
}

void s2s_rates_free(struct s2s *s)
{
	struct s2s_rate *r, *next;
	HASH_ITER(hh, s->rates, r, next) {
		release(s, r);
	}
}
