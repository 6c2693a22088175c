#include "s2s/s2s_impl.h"

#include "xfed/mem.h"

/*
 * Streams a partner has opened and proved, and streams of ours to it, found by its primary domain; an entry lives while it counts
 * something. Naming a partner is not enough, or strangers would use up what is the partner's. The two counts are apart: a stream of
 * ours is not the partner's, though its names and its questions may have caused it.
 */
struct s2s_tally {
	size_t streams, dialled;
	UT_hash_handle hh;
	char domain[];
};

static struct s2s_tally *find(const struct s2s *s, const char *domain)
{
	struct s2s_tally *t = NULL;
	HASH_FIND(hh, s->tallies, domain, strlen(domain), t);
	return t;
}

size_t s2s_tally_streams(const struct s2s *s, const char *domain)
{
	const struct s2s_tally *t = find(s, domain);
	return t ? t->streams : 0;
}

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

static void drop_if_idle(struct s2s *s, struct s2s_tally *t)
{
	if (t->streams == 0 && t->dialled == 0) {
		HASH_DELETE(hh, s->tallies, t);
		xfed_free(t);
	}
}

void s2s_tally_add(struct s2s_conn *c, const char *domain)
{
	if (c->tally) {
		return; /* counted with the first pair it proved */
	}
	c->tally = find_or_add(c->s2s, domain);
	if (c->tally) { /* else: one stream too many is better than one too few */
		c->tally->streams++;
	}
}

void s2s_tally_drop(struct s2s_conn *c)
{
	struct s2s_tally *t = c->tally;
	c->tally = NULL;
	if (t) {
		t->streams--;
		drop_if_idle(c->s2s, t);
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

void s2s_tally_hang_up(struct s2s *s, struct s2s_tally *t)
{
	if (t) {
		t->dialled--;
		drop_if_idle(s, t);
	}
}
