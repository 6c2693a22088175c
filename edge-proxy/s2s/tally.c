#include "s2s/s2s_impl.h"

#include "xfed/mem.h"

#define FULL_MS 1000 /* an empty bucket is full again after so long */

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

bool s2s_tally_stanza(struct s2s *s, const struct xfed_partner *partner)
{
	uint64_t now = core_now(s->core);
	double most = partner->stanzas_per_second;
	struct s2s_tally *t = s2s_tally_of(s, partner->domain);
	if (!t) {
		return true;
	}
	t->tokens += (double)(now - t->at_ms) * most / FULL_MS;
	t->tokens = t->tokens > most ? most : t->tokens;
	t->at_ms = now;
	if (t->tokens < 1.0) {
		return false;
	}
	t->tokens -= 1.0;
	return true;
}

void s2s_tallies_tick(struct s2s *s, uint64_t now_ms)
{
	struct s2s_tally *t, *next;
	HASH_ITER(hh, s->tallies, t, next) {
		if (t->streams == 0 && t->dialled == 0 && now_ms - t->at_ms >= FULL_MS) {
			HASH_DELETE(hh, s->tallies, t);
			xfed_free(t);
		}
	}
}
