#include "xfed/policy.h"

#include <stdio.h>
#include <stdlib.h>

#include "xfed/buf.h"
#include "xfed/mem.h"

#include "policy/policy_priv.h"
#include "util/table.h"

#define ARENA_BYTES (4ul * XFED_POLICY_BYTES_MAX)

/* A name that somebody has: exact, the part after "*.", or local. */
struct claim {
	const char *name;	    /* key */
	struct xfed_partner *owner; /* NULL: local */
	UT_hash_handle hh;
};

/* Claims sorted by name: those of partners' own domains, or those of local domains. */
struct list {
	const struct claim **items;
	size_t count, room;
};

struct xfed_policy {
	struct xfed_arena arena; /* memory of partners, names and claims */
	struct claim *exact, *wild, *local;
	size_t wild_longest; /* length of the longest name after "*." */
	struct list partners, locals;
	char current[POLICY_HASH_HEX + 1], previous[POLICY_HASH_HEX + 1]; /* empty: none */
};

int xfed_policy_new(struct xfed_policy **out)
{
	*out = xfed_calloc(1, sizeof(**out));
	if (!*out) {
		return XFED_ERR_NOMEM;
	}
	xfed_arena_init(&(*out)->arena, ARENA_BYTES);
	return XFED_OK;
}

void xfed_policy_free(struct xfed_policy *p)
{
	if (!p) {
		return;
	}
	HASH_CLEAR(hh, p->exact);
	HASH_CLEAR(hh, p->wild);
	HASH_CLEAR(hh, p->local);
	xfed_free(p->partners.items);
	xfed_free(p->locals.items);
	xfed_arena_deinit(&p->arena);
	xfed_wipe(p, sizeof(*p));
	xfed_free(p);
}

/* ---- sorted lists ---- */

static int list_make_room(struct list *l)
{
	if (l->count < l->room) {
		return XFED_OK;
	}
	size_t room = l->room > 0 ? l->room * 2 : 16;
	const struct claim **items = xfed_realloc(l->items, room * sizeof(*items));
	if (!items) {
		return XFED_ERR_NOMEM;
	}
	l->items = items;
	l->room = room;
	return XFED_OK;
}

/* There has to be room, and the name is not in the list: the tables of claims are checked first. */
static void list_insert(struct list *l, const struct claim *c)
{
	size_t low = 0, high = l->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(l->items[middle]->name, c->name) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	memmove(&l->items[low + 1], &l->items[low], (l->count++ - low) * sizeof(struct claim *));
	l->items[low] = c;
}

/* ---- claims ---- */

static struct claim *find_claim(struct claim *table, struct xfed_span name)
{
	struct claim *found = NULL;
	HASH_FIND(hh, table, name.data, name.len, found);
	return found;
}

static struct claim *new_claim(struct xfed_policy *p, const char *name, struct xfed_partner *owner)
{
	struct claim *c = xfed_arena_alloc(&p->arena, sizeof(*c));
	if (c) {
		c->name = name;
		c->owner = owner;
	}
	return c;
}

static int add_claim(struct claim **table, struct claim *c)
{
	if (!c) {
		return XFED_ERR_NOMEM;
	}
	HASH_ADD_KEYPTR(hh, *table, c->name, strlen(c->name), c);
	return XFED_TABLE_ADDED(c) ? XFED_OK : XFED_ERR_NOMEM;
}

static int refuse_claim(const struct claim *first, const struct xfed_partner *second, const char *name, struct xfed_policy_error *err)
{
	if (first->owner == second) {
		return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "%.80s lists %.80s twice", second->domain, name);
	}
	return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "%.70s and %.70s both claim %.70s: take it out of one file", first->owner->domain,
		second->domain, name);
}

/* The table of claims that `name`, as written in a partner's file, belongs to, and its key there. */
static struct claim **table_of(struct xfed_policy *p, const char *name, const char **key)
{
	bool is_wild = strncmp(name, "*.", 2) == 0;
	*key = is_wild ? name + 2 : name;
	return is_wild ? &p->wild : &p->exact;
}

static int claim_name(struct xfed_policy *p, struct xfed_partner *owner, const char *name, struct xfed_policy_error *err)
{
	const char *key;
	struct claim **table = table_of(p, name, &key);
	bool is_wild = table == &p->wild;
	const struct claim *other = find_claim(*table, xfed_span_str(key));
	if (other) {
		return refuse_claim(other, owner, name, err);
	}
	if (!is_wild && find_claim(p->local, xfed_span_str(name))) {
		return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "%.100s claims %.100s, which is a local domain", owner->domain, name);
	}
	int rc = add_claim(table, new_claim(p, key, owner));
	if (rc == XFED_OK && is_wild && strlen(key) > p->wild_longest) {
		p->wild_longest = strlen(key);
	}
	return rc;
}

static void give_up_claims(struct claim **table, const struct xfed_partner *owner)
{
	struct claim *c, *next;
	HASH_ITER(hh, *table, c, next) {
		if (c->owner == owner) {
			HASH_DEL(*table, c);
		}
	}
}

static int claim_names(struct xfed_policy *p, struct xfed_partner *partner, struct xfed_policy_error *err)
{
	int rc = claim_name(p, partner, partner->domain, err);
	for (size_t i = 0; rc == XFED_OK && i < partner->additional_count; i++) {
		rc = claim_name(p, partner, partner->additional[i], err);
		if (rc == XFED_ERR_INVALID && err) {
			err->key = "additional_domains";
		}
	}
	if (rc != XFED_OK) {
		give_up_claims(&p->exact, partner);
		give_up_claims(&p->wild, partner);
	}
	return rc;
}

/* ---- partners ---- */

static const char *copy_string(struct xfed_arena *a, const char *s, bool *ok)
{
	const char *copy = s ? xfed_arena_copy(a, xfed_span_str(s)).data : NULL;
	*ok = *ok && (!s || copy);
	return copy;
}

static int by_text(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static const char *const *copy_strings(struct xfed_arena *a, const char *const *from, size_t count, bool *ok)
{
	const char **copies = xfed_arena_alloc(a, count * sizeof(*copies));
	*ok = *ok && copies;
	for (size_t i = 0; *ok && i < count; i++) {
		copies[i] = copy_string(a, from[i], ok);
	}
	/* Their order has no meaning, and must not change the encoding. */
	if (*ok && count > 0) {
		qsort(copies, count, sizeof(*copies), by_text);
	}
	return copies;
}

static struct xfed_partner *copy_partner(struct xfed_arena *a, const struct xfed_partner *from)
{
	struct xfed_partner *p = xfed_arena_alloc(a, sizeof(*p));
	bool ok = p != NULL;
	if (ok) {
		*p = *from;
		p->domain = copy_string(a, from->domain, &ok);
		p->description = copy_string(a, from->description, &ok);
		p->connect_host = copy_string(a, from->connect_host, &ok);
		p->trust_ca_pem = copy_string(a, from->trust_ca_pem, &ok);
		p->additional = copy_strings(a, from->additional, from->additional_count, &ok);
		p->pins = copy_strings(a, from->pins, from->pin_count, &ok);
	}
	return ok ? p : NULL;
}

static bool has_duplicate(const char *const *sorted, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (strcmp(sorted[i - 1], sorted[i]) == 0) {
			return true;
		}
	}
	return false;
}

int xfed_policy_add_partner(struct xfed_policy *p, const struct xfed_partner *partner, struct xfed_policy_error *err)
{
	int rc = policy_check_partner(partner, err);
	if (rc != XFED_OK) {
		return rc;
	}
	if (p->partners.count == POLICY_PARTNERS_MAX) {
		return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "more than %d partners", POLICY_PARTNERS_MAX);
	}
	if (HASH_COUNT(p->exact) + HASH_COUNT(p->wild) + partner->additional_count >= POLICY_NAMES_MAX) {
		return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "more than %d domains of partners", POLICY_NAMES_MAX);
	}
	/* Arena memory of a partner that is refused is freed with the builder. */
	struct xfed_partner *copy = copy_partner(&p->arena, partner);
	if (!copy || list_make_room(&p->partners) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	if (has_duplicate(copy->pins, copy->pin_count)) {
		return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "%.100s lists a pin twice", copy->domain);
	}
	rc = claim_names(p, copy, err);
	if (rc == XFED_OK) {
		list_insert(&p->partners, find_claim(p->exact, xfed_span_str(copy->domain)));
	}
	return rc;
}

/* ---- names that are refused ---- */

/* A refused partner, also for edges of older versions that do not know what no kinds means: one way to authenticate, and nothing allowed. */
static void set_refused(struct xfed_partner *p)
{
	p->tls = p->sasl = XFED_REQUIRED;
	p->dialback = false;
	p->kinds = 0;
	p->is_disabled = false;
}

static void drop_additional(struct xfed_partner *p, const char *name)
{
	const char **list = (const char **)(uintptr_t)p->additional; /* our own copy */
	size_t kept = 0;
	for (size_t i = 0; i < p->additional_count; i++) {
		if (strcmp(list[i], name) != 0) {
			list[kept++] = list[i];
		}
	}
	p->additional_count = kept;
}

/* True: the name is refused now. False: no partner has it, or has it any longer. */
static bool take_away(struct xfed_policy *p, const char *name)
{
	const char *key;
	struct claim **table = table_of(p, name, &key);
	struct claim *c = find_claim(*table, xfed_span_str(key));
	if (!c) {
		return false;
	}
	if (strcmp(c->owner->domain, name) == 0) {
		set_refused(c->owner);
	}
	if (c->owner->kinds == 0) {
		return true;
	}
	drop_additional(c->owner, name);
	HASH_DEL(*table, c);
	return false;
}

#define BELOW_BYTES (XFED_JID_PART_BYTES + sizeof("refused."))

/* A name below `domain` that no partner has. If even the shortest label makes it too long, the result is no domain. */
static void find_below(const struct xfed_policy *p, const char *domain, char out[BELOW_BYTES])
{
	bool is_short = strlen(domain) + strlen("refused.") <= XFED_DOMAIN_POINTS;
	snprintf(out, BELOW_BYTES, "%s.%s", is_short ? "refused" : "0", domain);
	for (size_t n = 1; find_claim(p->exact, xfed_span_str(out)) || xfed_policy_is_local(p, xfed_span_str(out)); n++) {
		snprintf(out, BELOW_BYTES, "%zx.%s", n, domain);
	}
}

/* A name that cannot be refused by itself must not be let through by a wildcard either. A refused wildcard that covers it is enough. */
static void close_wildcards(struct xfed_policy *p, const char *name)
{
	char wildcard[XFED_JID_PART_BYTES + sizeof("*")];
	const char *dot = strchr(name, '.');
	for (bool is_refused = false; dot && !is_refused; dot = strchr(dot + 1, '.')) {
		snprintf(wildcard, sizeof(wildcard), "*%s", dot);
		is_refused = take_away(p, wildcard);
	}
}

int xfed_policy_refuse(struct xfed_policy *p, const char *name, struct xfed_policy_error *err)
{
	struct xfed_partner x = { .domain = name,
		.type = XFED_PARTNER_PUBLIC_UNVERIFIED,
		.max_connections = 1,
		.stanzas_per_second = 1,
		.stanza_bytes = XFED_STANZA_BYTES_MIN };
	char below[BELOW_BYTES];
	if (xfed_policy_is_local(p, xfed_span_str(name)) || take_away(p, name)) {
		return XFED_OK;
	}
	if (strncmp(name, "*.", 2) == 0) {
		/* A refused wildcard needs a partner with a name that it covers, because the domain itself may be another's or ours. */
		find_below(p, name + 2, below);
		x.domain = below;
		x.additional = &name;
		x.additional_count = 1;
	}
	set_refused(&x);
	int rc = xfed_policy_add_partner(p, &x, err);
	if (rc == XFED_ERR_INVALID) {
		close_wildcards(p, name);
	}
	return rc;
}

void xfed_policy_refuse_all(struct xfed_policy *p)
{
	for (size_t i = 0; i < p->partners.count; i++) {
		set_refused(p->partners.items[i]->owner);
	}
}

int xfed_policy_add_local(struct xfed_policy *p, struct xfed_span domain, struct xfed_policy_error *err)
{
	struct xfed_arena scratch;
	xfed_arena_init(&scratch, 64 * 1024);
	int rc = policy_check_domain(&scratch, domain);
	xfed_arena_deinit(&scratch);
	int shown = domain.len < 100 ? (int)domain.len : 100;
	if (rc != XFED_OK) {
		(void)policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "'%.*s' is not a domain in lower case", shown, domain.data);
		return rc;
	}
	if (find_claim(p->local, domain) || p->locals.count == POLICY_LOCALS_MAX) {
		return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "local domain %.*s is listed twice, or one too many", shown, domain.data);
	}
	const struct claim *other = find_claim(p->exact, domain);
	if (other) {
		return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "%.100s claims %.*s, which is a local domain", other->owner->domain,
			shown, domain.data);
	}
	const char *name = xfed_arena_copy(&p->arena, domain).data;
	if (!name || list_make_room(&p->locals) != XFED_OK || add_claim(&p->local, new_claim(p, name, NULL)) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	list_insert(&p->locals, find_claim(p->local, domain));
	return XFED_OK;
}

static void set_hash(char to[POLICY_HASH_HEX + 1], struct xfed_span hash)
{
	xfed_wipe(to, POLICY_HASH_HEX + 1);
	if (hash.len > 0) {
		memcpy(to, hash.data, hash.len);
	}
}

int xfed_policy_set_dialback(struct xfed_policy *p, struct xfed_span current, struct xfed_span previous)
{
	if ((current.len > 0 && !xfed_is_hex(current, POLICY_HASH_HEX)) || (previous.len > 0 && !xfed_is_hex(previous, POLICY_HASH_HEX))) {
		return XFED_ERR_INVALID;
	}
	set_hash(p->current, current);
	set_hash(p->previous, previous);
	return XFED_OK;
}

/* ---- look-ups ---- */

/* The partner that has the name, refused or not. */
static const struct xfed_partner *owner_of(const struct xfed_policy *p, struct xfed_span domain)
{
	const struct claim *c = find_claim(p->exact, domain);
	/* A local domain belongs to no partner, even if a wildcard covers it. */
	if (c || xfed_policy_is_local(p, domain)) {
		return c ? c->owner : NULL;
	}
	/* The longest suffix first; any depth below it, not the domain itself. */
	const char *end = domain.data + domain.len;
	const char *dot = domain.len > 0 ? memchr(domain.data, '.', domain.len) : NULL;
	for (; dot; dot = memchr(dot + 1, '.', (size_t)(end - dot - 1))) {
		struct xfed_span suffix = xfed_span_make(dot + 1, (size_t)(end - dot - 1));
		if (dot == domain.data || suffix.len > p->wild_longest) {
			continue;
		}
		c = find_claim(p->wild, suffix);
		if (c) {
			return c->owner;
		}
	}
	return NULL;
}

const struct xfed_partner *xfed_policy_partner(const struct xfed_policy *p, struct xfed_span domain)
{
	const struct xfed_partner *owner = owner_of(p, domain);
	return owner && xfed_partner_is_served(owner) ? owner : NULL;
}

const struct xfed_partner *xfed_policy_owner(const struct xfed_policy *p, struct xfed_span domain)
{
	return owner_of(p, domain);
}

bool xfed_policy_names(const struct xfed_policy *p, struct xfed_span domain)
{
	return xfed_policy_partner(p, domain) && find_claim(p->exact, domain);
}

enum xfed_reason xfed_policy_why_not(const struct xfed_policy *p, struct xfed_span domain)
{
	const struct xfed_partner *owner = owner_of(p, domain);
	if (owner && owner->is_disabled) {
		return XFED_REASON_POLICY_PARTNER_DISABLED;
	}
	return owner ? XFED_REASON_POLICY_PARTNER_BROKEN : XFED_REASON_POLICY_PARTNER_UNLISTED;
}

enum xfed_reason xfed_policy_judge(const struct xfed_policy *p, struct xfed_span remote, struct xfed_span local, unsigned method)
{
	if (!xfed_policy_is_local(p, local)) {
		return XFED_REASON_STREAM_TO_UNKNOWN;
	}
	const struct xfed_partner *partner = xfed_policy_partner(p, remote);
	return partner ? xfed_partner_judge(partner, method) : xfed_policy_why_not(p, remote);
}

bool xfed_policy_is_local(const struct xfed_policy *p, struct xfed_span domain)
{
	return find_claim(p->local, domain) != NULL;
}

size_t xfed_policy_partner_count(const struct xfed_policy *p)
{
	return p->partners.count;
}

size_t xfed_policy_good_count(const struct xfed_policy *p)
{
	size_t n = 0;
	for (size_t i = 0; i < p->partners.count; i++) {
		n += xfed_partner_is_served(p->partners.items[i]->owner);
	}
	return n;
}

const struct xfed_partner *xfed_policy_partner_at(const struct xfed_policy *p, size_t i)
{
	return i < p->partners.count ? p->partners.items[i]->owner : NULL;
}

size_t xfed_policy_local_count(const struct xfed_policy *p)
{
	return p->locals.count;
}

const char *xfed_policy_local_at(const struct xfed_policy *p, size_t i)
{
	return i < p->locals.count ? p->locals.items[i]->name : NULL;
}

struct xfed_span xfed_policy_dialback_current(const struct xfed_policy *p)
{
	return xfed_span_str(p->current);
}

struct xfed_span xfed_policy_dialback_previous(const struct xfed_policy *p)
{
	return xfed_span_str(p->previous);
}
