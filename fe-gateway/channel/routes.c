#include "channel/routes.h"

#include "util/table.h"
#include "xfed/limits.h"

struct route {
	int edge;
	size_t in_flight, key_len;
	UT_hash_handle hh;
	char key[]; /* local domain, NUL, remote domain */
};

struct routes {
	struct route *table;
};

int routes_new(struct routes **out)
{
	*out = xfed_calloc(1, sizeof(**out));
	return *out ? XFED_OK : XFED_ERR_NOMEM;
}

static void forget(struct routes *r, struct route *t)
{
	HASH_DELETE(hh, r->table, t);
	xfed_free(t);
}

void routes_free(struct routes *r)
{
	if (!r) {
		return;
	}
	while (r->table) {
		forget(r, r->table);
	}
	xfed_free(r);
}

struct key {
	size_t len;
	char bytes[2 * XFED_JID_PART_BYTES + 1];
};

/* False: a name is too long or missing. */
static bool make_key(struct xfed_span local, struct xfed_span remote, struct key *k)
{
	k->len = local.len + 1 + remote.len;
	if (k->len > sizeof(k->bytes)) {
		return false;
	}
	memcpy(k->bytes, local.data, local.len);
	k->bytes[local.len] = '\0';
	memcpy(k->bytes + local.len + 1, remote.data, remote.len);
	return true;
}

static struct route *find(const struct routes *r, const struct key *k)
{
	struct route *t = NULL;
	HASH_FIND(hh, r->table, k->bytes, k->len, t);
	return t;
}

static struct route *make(struct routes *r, const struct key *k, int edge)
{
	struct route *t = xfed_malloc(sizeof(*t) + k->len);
	if (!t) {
		return NULL;
	}
	memset(t, 0, sizeof(*t));
	memcpy(t->key, k->bytes, k->len);
	t->key_len = k->len;
	t->edge = edge;
	HASH_ADD_KEYPTR(hh, r->table, t->key, t->key_len, t);
	if (!XFED_TABLE_ADDED(t)) {
		xfed_free(t);
		return NULL;
	}
	return t;
}

/* FNV-1a: gives the same value in every process, unlike the hash of tables, which has a random key. */
static uint64_t mix(uint64_t h, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		h = (h ^ (uint8_t)data[i]) * 0x100000001b3u;
	}
	return h;
}

/* Rendezvous hashing: the edge with the highest score. When an edge comes or goes only pairs routed to it move. */
static int choose(const struct key *k, const struct routes_edge *edges, size_t count)
{
	int best = ROUTES_NO_EDGE;
	uint64_t best_score = 0;
	for (size_t i = 0; i < count; i++) {
		uint64_t score = mix(mix(0xcbf29ce484222325u, k->bytes, k->len), edges[i].name, strlen(edges[i].name));
		score ^= score >> 29;
		if (edges[i].is_usable && (best == ROUTES_NO_EDGE || score > best_score)) {
			best = edges[i].number;
			best_score = score;
		}
	}
	return best;
}

static bool is_usable(const struct routes_edge *edges, size_t count, int number)
{
	for (size_t i = 0; i < count; i++) {
		if (edges[i].number == number) {
			return edges[i].is_usable;
		}
	}
	return false;
}

int routes_take(struct routes *r, struct xfed_span local, struct xfed_span remote, const struct routes_edge *edges, size_t count, int *edge)
{
	XFED_UNSET struct key k;
	if (!make_key(local, remote, &k)) {
		return XFED_ERR_NOT_FOUND;
	}
	struct route *t = find(r, &k);
	*edge = t ? t->edge : choose(&k, edges, count);
	if (*edge == ROUTES_NO_EDGE || !is_usable(edges, count, *edge)) {
		return XFED_ERR_NOT_FOUND;
	}
	t = t ? t : make(r, &k, *edge);
	if (!t) {
		return XFED_ERR_NOMEM;
	}
	t->in_flight++;
	return XFED_OK;
}

void routes_give_back(struct routes *r, struct xfed_span local, struct xfed_span remote)
{
	XFED_UNSET struct key k;
	struct route *t = make_key(local, remote, &k) ? find(r, &k) : NULL;
	if (t && --t->in_flight == 0) {
		forget(r, t);
	}
}

size_t routes_count(const struct routes *r)
{
	return HASH_COUNT(r->table);
}
