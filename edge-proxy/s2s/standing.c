/*
 * How our streams to partners fare: for each pair of domains how the last attempt ended and when one last worked. It outlives the pair,
 * which is forgotten when nothing waits for it. Strangers cannot add entries, because these are streams we open. But a user of ours can
 * write to any number of names below a wildcard, and a wildcard's partner may answer under as many: these kinds have limits of their own.
 */
#include "s2s/s2s_impl.h"

#include <utlist.h>

#include "xfed/mem.h"

#define STANDINGS_MAX 4096 /* of each kind: the least recently used one is dropped */

struct s2s_standing_entry {
	struct s2s_standing is;
	enum s2s_standing_kind kind;
	struct s2s_standing_entry *prev, *next; /* links of s2s->standings_of its kind */
	UT_hash_handle hh;			/* s2s->standings by "local\0remote", the strings of `is` */
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

static void leave_kind(struct s2s *s, struct s2s_standing_entry *e)
{
	DL_DELETE(s->standings_of[e->kind], e);
	s->standing_count[e->kind]--;
}

static void forget(struct s2s *s, struct s2s_standing_entry *e)
{
	leave_kind(s, e);
	HASH_DELETE(hh, s->standings, e);
	xfed_free(e);
}

static enum s2s_standing_kind kind_of(const struct s2s *s, const struct s2s_standing *st)
{
	if (s->policy && xfed_policy_names(s->policy, xfed_span_str(st->remote))) {
		return S2S_STANDING_LISTED;
	}
	return st->worked_s > 0 ? S2S_STANDING_REACHED : S2S_STANDING_MADE_UP;
}

/* Adds it to its kind, as the one used last. */
static void enter_kind(struct s2s *s, struct s2s_standing_entry *e, enum s2s_standing_kind kind)
{
	e->kind = kind;
	e->is.is_made_up = kind == S2S_STANDING_MADE_UP;
	DL_APPEND(s->standings_of[kind], e);
	s->standing_count[kind]++;
}

static void trim(struct s2s *s, enum s2s_standing_kind kind)
{
	while (s->standing_count[kind] > STANDINGS_MAX) {
		forget(s, s->standings_of[kind]);
	}
}

static struct s2s_standing_entry *add(struct s2s *s, const char *local, const char *remote)
{
	size_t local_len = strlen(local) + 1, len = local_len + strlen(remote);
	struct s2s_standing_entry *e = xfed_calloc(1, sizeof(*e) + len + 1);
	if (!e) {
		return NULL;
	}
	memcpy(e->key, local, local_len);
	memcpy(e->key + local_len, remote, len + 1 - local_len);
	e->is.local = e->key;
	e->is.remote = e->key + local_len;
	HASH_ADD(hh, s->standings, key[0], len, e);
	if (!XFED_TABLE_ADDED(e)) {
		xfed_free(e);
		return NULL;
	}
	return e;
}

/* The standing of the pair, whose attempt has just worked or failed. NULL: no memory, and the result is in the log alone. */
static struct s2s_standing *used(const struct s2s_pair *p, bool has_worked)
{
	struct s2s *s = p->s2s;
	struct s2s_standing_entry *e = find(s, p->local, p->remote);
	if (e) {
		leave_kind(s, e);
	} else {
		e = add(s, p->local, p->remote);
	}
	if (!e) {
		return NULL;
	}
	e->is.worked_s = has_worked ? core_wall_s(s->core) : e->is.worked_s;
	enter_kind(s, e, kind_of(s, &e->is));
	trim(s, e->kind);
	return &e->is;
}

void s2s_standing_failed(const struct s2s_pair *p, enum xfed_reason reason)
{
	struct s2s_standing *st = used(p, false);
	if (st) {
		st->failed_s = core_wall_s(p->s2s->core);
		st->fails_since_s = st->reason != reason ? st->failed_s : st->fails_since_s;
		st->reason = reason;
		st->why_not_external = XFED_REASON_NONE;
		proto_text_clean(st->text, sizeof(st->text), p->text);
		size_t len = strlen(st->text);
		/* GnuTLS ends its texts with a full stop; this one stands inside a sentence */
		st->text[len > 0 && st->text[len - 1] == '.' ? len - 1 : len] = '\0';
	}
}

void s2s_standing_worked(const struct s2s_pair *p, enum xfed_reason why_not_external)
{
	struct s2s_standing *st = used(p, true);
	if (st) {
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
	for (size_t kind = 0; kind < S2S_STANDING_KINDS; kind++) {
		for (const struct s2s_standing_entry *e = s->standings_of[kind]; e; e = e->next) {
			fn(user, &e->is);
		}
	}
}

void s2s_standings_judge(struct s2s *s)
{
	struct s2s_standing_entry *e, *next;
	HASH_ITER(hh, s->standings, e, next) {
		if (!s2s_partner(s, xfed_span_str(e->is.remote)) || !s2s_is_local(s, xfed_span_str(e->is.local))) {
			forget(s, e);
		} else if (kind_of(s, &e->is) != e->kind) {
			leave_kind(s, e);
			enter_kind(s, e, kind_of(s, &e->is));
		}
	}
	for (size_t kind = 0; kind < S2S_STANDING_KINDS; kind++) {
		trim(s, kind);
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
