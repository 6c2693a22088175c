/*
 * How we stand with partners: of each pair of domains, how our last attempt at a stream ended and when one worked last. It outlives
 * the pair, which is forgotten when nothing waits for it. Nothing of a stranger comes in here: these are streams we opened.
 */
#include "s2s/s2s_impl.h"

#include "xfed/mem.h"

#define STANDINGS_MAX 4096 /* the oldest goes: names below a wildcard are without end */

struct s2s_standing_entry {
	struct s2s_standing is;
	size_t key_len;
	UT_hash_handle hh; /* s2s->standings by "local\0remote", which are the strings of `is` */
	char key[];
};

static struct s2s_standing_entry *find(const struct s2s *s, const char *local, const char *remote)
{
	char key[2 * XFED_JID_PART_BYTES + 2];
	int len = snprintf(key, sizeof(key), "%s%c%s", local, '\0', remote);
	struct s2s_standing_entry *e = NULL;
	if (len > 0 && (size_t)len < sizeof(key)) {
		HASH_FIND(hh, s->standings, key, (size_t)len, e);
	}
	return e;
}

static void forget(struct s2s *s, struct s2s_standing_entry *e)
{
	HASH_DELETE(hh, s->standings, e);
	xfed_free(e);
}

/* NULL: no memory, and what happened is in the log alone. */
static struct s2s_standing *standing(struct s2s *s, const char *local, const char *remote)
{
	struct s2s_standing_entry *e = find(s, local, remote);
	if (e) {
		return &e->is;
	}
	size_t local_len = strlen(local) + 1, len = local_len + strlen(remote);
	e = xfed_calloc(1, sizeof(*e) + len + 1);
	if (!e) {
		return NULL;
	}
	memcpy(e->key, local, local_len);
	memcpy(e->key + local_len, remote, len + 1 - local_len);
	e->key_len = len;
	e->is.local = e->key;
	e->is.remote = e->key + local_len;
	HASH_ADD(hh, s->standings, key[0], len, e);
	if (!XFED_TABLE_ADDED(e)) {
		xfed_free(e);
		return NULL;
	}
	if (HASH_COUNT(s->standings) > STANDINGS_MAX) {
		forget(s, s->standings);
	}
	return &e->is;
}

void s2s_standing_failed(const struct s2s_pair *p, enum xfed_reason reason, enum xfed_side side)
{
	struct s2s_standing *st = standing(p->s2s, p->local, p->remote);
	if (st) {
		st->failed_s = core_wall_s(p->s2s->core);
		st->fails_since_s = st->reason == XFED_REASON_NONE ? st->failed_s : st->fails_since_s;
		st->reason = reason;
		st->side = side;
		st->why_not_external = XFED_REASON_NONE;
		proto_text_clean(st->text, sizeof(st->text), p->text);
	}
}

void s2s_standing_worked(const struct s2s_pair *p, enum xfed_reason why_not_external)
{
	struct s2s_standing *st = standing(p->s2s, p->local, p->remote);
	if (st) {
		st->worked_s = core_wall_s(p->s2s->core);
		st->reason = XFED_REASON_NONE;
		st->text[0] = '\0';
		st->without_since_s = st->why_not_external == XFED_REASON_NONE ? st->worked_s : st->without_since_s;
		st->why_not_external = why_not_external;
	}
}

const struct s2s_standing *s2s_standing_of(const struct s2s *s, const char *local, const char *remote)
{
	const struct s2s_standing_entry *e = find(s, local, remote);
	return e ? &e->is : NULL;
}

void s2s_each_standing(const struct s2s *s, void (*fn)(void *user, const struct s2s_standing *st), void *user)
{
	for (const struct s2s_standing_entry *e = s->standings; e; e = e->hh.next) {
		fn(user, &e->is);
	}
}

void s2s_standings_judge(struct s2s *s)
{
	struct s2s_standing_entry *e, *next;
	HASH_ITER(hh, s->standings, e, next) {
		if (!s2s_partner(s, xfed_span_str(e->is.remote)) || !s2s_is_local(s, xfed_span_str(e->is.local))) {
			forget(s, e);
		}
	}
}

void s2s_standings_free(struct s2s *s)
{
	struct s2s_standing_entry *e, *next;
	HASH_ITER(hh, s->standings, e, next) {
		forget(s, e);
	}
}

/* ---- trust.ca ---- */

void s2s_trust_loaded(struct s2s *s)
{
	s->trust_since_s = core_wall_s(s->core);
	s->has_trusted = false;
}

void s2s_trust_note(struct s2s *s, const struct xfed_s2s_info *info)
{
	enum xfed_reason r = info->tls.chain_reason;
	s->has_trusted =
		s->has_trusted || (info->is_secure && info->tls.peer && r != XFED_REASON_TLS_CERT_UNTRUSTED && r != XFED_REASON_TLS_CERT_MISSING);
}

size_t s2s_untrusted(const struct s2s *s, int64_t *since_s)
{
	size_t n = 0;
	*since_s = s->trust_since_s;
	for (const struct s2s_standing_entry *e = s->standings; e && !s->has_trusted; e = e->hh.next) {
		bool has_failed = e->is.reason == XFED_REASON_TLS_CERT_UNTRUSTED && e->is.failed_s >= s->trust_since_s;
		bool has_done_without = e->is.why_not_external == XFED_REASON_TLS_CERT_UNTRUSTED && e->is.worked_s >= s->trust_since_s;
		n += has_failed || has_done_without;
	}
	return n;
}
