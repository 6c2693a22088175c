/* Related pairs by user and by the partner's domain, so that nobody walks all to find a few. */
#include <utlist.h>

#include "contacts/contacts_impl.h"
#include "xfed/jid.h"

static struct xfed_span domain_of(const struct contact *k)
{
	return xfed_jid_domain_part(contact_remote(k));
}

static struct contact_group *find(struct contact_group *table, struct xfed_span key)
{
	struct contact_group *g = NULL;
	HASH_FIND(hh, table, key.data, key.len, g);
	return g;
}

static struct contact_group *join(struct contact_group **table, struct xfed_span key)
{
	struct contact_group *g = find(*table, key);
	if (!g) {
		g = xfed_malloc(sizeof(*g) + key.len);
		if (!g) {
			return NULL;
		}
		memset(g, 0, sizeof(*g));
		g->len = key.len;
		memcpy(g->key, key.data, key.len);
		HASH_ADD_KEYPTR(hh, *table, g->key, g->len, g);
		if (!XFED_TABLE_ADDED(g)) {
			xfed_free(g);
			return NULL;
		}
	}
	g->members++;
	return g;
}

static void leave(struct contact_group **table, struct contact_group *g)
{
	if (g && --g->members == 0) {
		HASH_DELETE(hh, *table, g);
		xfed_free(g);
	}
}

int contacts_group(struct contacts *c, struct contact *k)
{
	k->of_user.group = join(&c->users, contact_local(k));
	k->of_domain.group = k->of_user.group ? join(&c->partners, domain_of(k)) : NULL;
	if (!k->of_domain.group) {
		leave(&c->users, k->of_user.group);
		return XFED_ERR_NOMEM;
	}
	return XFED_OK;
}

void contacts_ungroup(struct contacts *c, struct contact *k)
{
	if (k->is_related) {
		contacts_unlist(c, k);
	}
	leave(&c->users, k->of_user.group);
	leave(&c->partners, k->of_domain.group);
}

void contacts_list(struct contacts *c, struct contact *k)
{
	struct contact_group *user = k->of_user.group, *domain = k->of_domain.group;
	if (!domain->first) {
		DL_APPEND(c->domains, domain);
	}
	DL_APPEND2(user->first, k, of_user.prev, of_user.next);
	DL_APPEND2(domain->first, k, of_domain.prev, of_domain.next);
}

void contacts_unlist(struct contacts *c, struct contact *k)
{
	struct contact_group *user = k->of_user.group, *domain = k->of_domain.group;
	DL_DELETE2(user->first, k, of_user.prev, of_user.next);
	DL_DELETE2(domain->first, k, of_domain.prev, of_domain.next);
	if (!domain->first) {
		DL_DELETE(c->domains, domain);
	}
}

/* ---- one after the other ---- */

static struct contact *next_of_user(const struct contacts *c, const struct contacts_filter *f, const struct contact *after)
{
	struct contact_group *g = after ? NULL : find(c->users, f->local);
	struct contact *k = after ? after->of_user.next : g ? g->first : NULL;
	while (k && f->remote_domain.data && !xfed_span_eq(domain_of(k), f->remote_domain)) {
		k = k->of_user.next;
	}
	return k;
}

static struct contact *next_of_domain(const struct contacts *c, const struct contacts_filter *f, const struct contact *after)
{
	struct contact_group *g = after ? NULL : find(c->partners, f->remote_domain);
	return after ? after->of_domain.next : g ? g->first : NULL;
}

static struct contact *next_of_all(const struct contacts *c, const struct contact *after)
{
	if (after && after->of_domain.next) {
		return after->of_domain.next;
	}
	const struct contact_group *g = after ? after->of_domain.group->next : c->domains;
	return g ? g->first : NULL;
}

struct contact *contacts_next(const struct contacts *c, const struct contacts_filter *f, const struct contact *after)
{
	if (f->local.data) {
		return next_of_user(c, f, after);
	}
	return f->remote_domain.data ? next_of_domain(c, f, after) : next_of_all(c, after);
}
