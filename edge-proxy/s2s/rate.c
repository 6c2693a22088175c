#include "s2s/s2s_impl.h"

#include "xfed/mem.h"

#define SECOND_US 1000000

/*
 * When the next stanza of a partner is due at its rate; it may come a second's worth early (GCRA). What the edge answers itself has a
 * budget of its own of the same size. Found by the partner's primary domain. It outlives the partner's streams, or who closes and opens
 * again would begin anew; what lies in the past is the same as none.
 */
struct s2s_rate {
	uint64_t due_us, answered_due_us;
	UT_hash_handle hh;
	char domain[];
};

static struct s2s_rate *find_or_make(struct s2s *s, const char *domain)
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
	memcpy(r->domain, domain, len + 1);
	HASH_ADD(hh, s->rates, domain[0], len, r);
	if (!XFED_TABLE_ADDED(r)) {
		xfed_free(r);
		return NULL;
	}
	return r;
}

/* How early it would be, after what is due before it; it is counted unless that is more than `most_us`, false. */
static bool count(uint64_t *due_us, uint64_t now_us, uint32_t per_second, uint64_t most_us, uint64_t *early_us)
{
	uint64_t due = *due_us > now_us ? *due_us : now_us;
	*early_us = due - now_us;
	if (*early_us > most_us) {
		return false;
	}
	*due_us = due + SECOND_US / per_second;
	return true;
}

bool s2s_rate_take(struct s2s *s, const struct xfed_partner *partner, uint64_t *not_before_ms)
{
	uint64_t now_us = core_now(s->core) * 1000, early_us;
	struct s2s_rate *r = find_or_make(s, partner->domain);
	*not_before_ms = 0;
	if (!r) {
		return true; /* one stanza too many is better than one too few */
	}
	if (!count(&r->due_us, now_us, partner->stanzas_per_second, SECOND_US + (uint64_t)XFED_DELIVERY_RATE_WAIT_MS * 1000, &early_us)) {
		return false;
	}
	*not_before_ms = early_us > SECOND_US ? (now_us + early_us - SECOND_US) / 1000 : 0;
	return true;
}

bool s2s_rate_take_answered(struct s2s *s, const struct xfed_partner *partner)
{
	uint64_t early_us;
	struct s2s_rate *r = find_or_make(s, partner->domain);
	return !r || count(&r->answered_due_us, core_now(s->core) * 1000, partner->stanzas_per_second, SECOND_US, &early_us);
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
		if (r->due_us <= now_ms * 1000 && r->answered_due_us <= now_ms * 1000) {
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
