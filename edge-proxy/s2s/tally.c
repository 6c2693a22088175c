#include "s2s/s2s_impl.h"

#include "xfed/mem.h"

#define SECOND_US 1000000

struct s2s_tally *s2s_tally_find(const struct s2s *s, const char *domain)
{
	struct s2s_tally *t = NULL;
	HASH_FIND(hh, s->tallies, domain, strlen(domain), t);
	return t;
}

struct s2s_tally *s2s_tally_of(struct s2s *s, const char *domain)
{
	struct s2s_tally *t = s2s_tally_find(s, domain);
	if (t) {
		return t;
	}
	size_t len = strlen(domain);
	t = xfed_calloc(1, sizeof(*t) + len + 1);
	if (!t) {
		return NULL;
	}
	memcpy(t->domain, domain, len + 1);
	HASH_ADD(hh, s->tallies, domain[0], len, t);
	if (!XFED_TABLE_ADDED(t)) {
		xfed_free(t);
		return NULL;
	}
	return t;
}

/* How early the stanza would be at that rate (GCRA). It is counted, unless that is more than `most_us`: then false. */
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

bool s2s_tally_stanza(struct s2s *s, const struct xfed_partner *partner, uint64_t *not_before_ms)
{
	uint64_t now_us = core_now(s->core) * 1000, early_us;
	struct s2s_tally *t = s2s_tally_of(s, partner->domain);
	*not_before_ms = 0;
	if (!t) {
		return true;
	}
	if (!count(&t->due_us, now_us, partner->stanzas_per_second, SECOND_US + (uint64_t)XFED_DELIVERY_RATE_WAIT_MS * 1000, &early_us)) {
		return false;
	}
	*not_before_ms = early_us > SECOND_US ? (now_us + early_us - SECOND_US) / 1000 : 0;
	return true;
}

bool s2s_tally_answered(struct s2s *s, const struct xfed_partner *partner)
{
	uint64_t early_us;
	struct s2s_tally *t = s2s_tally_of(s, partner->domain);
	return !t || count(&t->answered_due_us, core_now(s->core) * 1000, partner->stanzas_per_second, SECOND_US, &early_us);
}

void s2s_tallies_tick(struct s2s *s, uint64_t now_ms)
{
	struct s2s_tally *t, *next;
	HASH_ITER(hh, s->tallies, t, next) {
		if (t->streams == 0 && t->dialled == 0 && t->due_us / 1000 <= now_ms && t->answered_due_us / 1000 <= now_ms) {
			HASH_DELETE(hh, s->tallies, t);
			xfed_free(t);
		}
	}
}
