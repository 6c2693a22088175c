#include "s2s/s2s_impl.h"

#include "xfed/mem.h"

#define FULL_MS 1000 /* an empty bucket is full again after so long */

/*
 * What a partner has of ours, found by its primary domain: streams it has opened and proved, streams of ours to it, and a bucket of
 * one second's worth of stanzas. Naming a partner is not enough, or strangers would use up what is the partner's. The two counts are
 * apart: a stream of ours is not the partner's, though its names and its questions may have caused it. The bucket outlives the streams,
 * or who closes and opens again would begin with a full one; when it is full it is the same as none.
 */
struct s2s_tally {
	size_t streams, dialled;
	double tokens; /* at `at_ms`; zeroed it is full by now */
	uint64_t at_ms;
	UT_hash_handle hh;
	char domain[];
};

static struct s2s_tally *find(const struct s2s *s, const char *domain)
{
	struct s2s_tally *t = NULL;
	HASH_FIND(hh, s->tallies, domain, strlen(domain), t);
	return t;
}

/* NULL: no memory; then one too many is better than one too few. */
static struct s2s_tally *find_or_add(struct s2s *s, const char *domain)
{
	struct s2s_tally *t = find(s, domain);
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

size_t s2s_tally_streams(const struct s2s *s, const char *domain)
{
	const struct s2s_tally *t = find(s, domain);
	return t ? t->streams : 0;
}

void s2s_tally_add(struct s2s_conn *c, const char *domain)
{
	if (c->tally) {
		return; /* counted with the first pair it proved */
	}
	c->tally = find_or_add(c->s2s, domain);
	if (c->tally) {
		c->tally->streams++;
	}
}

void s2s_tally_drop(struct s2s_conn *c)
{
	if (c->tally) {
		c->tally->streams--;
		c->tally = NULL;
	}
}

size_t s2s_tally_dialled(const struct s2s *s, const char *domain)
{
	const struct s2s_tally *t = find(s, domain);
	return t ? t->dialled : 0;
}

struct s2s_tally *s2s_tally_dial(struct s2s *s, const char *domain)
{
	struct s2s_tally *t = find_or_add(s, domain);
	if (t) {
		t->dialled++;
	}
	return t;
}

void s2s_tally_hang_up(struct s2s_tally *t)
{
	if (t) {
		t->dialled--;
	}
}

bool s2s_tally_stanza(struct s2s *s, const struct xfed_partner *partner)
{
	uint64_t now = core_now(s->core);
	double most = partner->stanzas_per_second;
	struct s2s_tally *t = find_or_add(s, partner->domain);
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
