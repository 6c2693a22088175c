/*
 * What peers that have proved nothing leave behind: the last failure of each network under each listed name it claims, how many
 * there were since when, and which other names were claimed. Whoever floods this pushes out himself.
 */
#include <stdio.h>
#include <utlist.h>

#include "journal_impl.h"

/* ---- edges ---- */

struct journal_edge *journal_edge_of(struct journal *j, struct xfed_span name)
{
	struct journal_edge *e = NULL;
	HASH_FIND(hh, j->edges, name.data ? name.data : "", name.len, e);
	if (e || HASH_COUNT(j->edges) >= JOURNAL_EDGES_MAX) {
		return e ? e : j->edges;
	}
	e = xfed_calloc(1, sizeof(*e) + name.len + 1);
	if (!e) {
		return NULL;
	}
	memcpy(e->name, name.len > 0 ? name.data : "", name.len);
	e->name_len = name.len;
	HASH_ADD_KEYPTR(hh, j->edges, e->name, e->name_len, e);
	if (!XFED_TABLE_ADDED(e)) {
		xfed_free(e);
		return NULL;
	}
	return e;
}

/* As many as fit into the time since then, and JOURNAL_EDGE_ROWS at once. */
bool journal_edge_may(struct journal_edge *e, uint64_t now_ms)
{
	const uint64_t most = (uint64_t)JOURNAL_EDGE_ROWS * JOURNAL_EDGE_MS;
	uint64_t from = e->spent_ms > now_ms ? e->spent_ms : now_ms;
	if (from + JOURNAL_EDGE_MS > now_ms + most) {
		return false;
	}
	e->spent_ms = from + JOURNAL_EDGE_MS;
	return true;
}

/* ---- networks ---- */

static void stranger_free(struct journal *j, struct journal_stranger *s)
{
	if (!s) {
		return;
	}
	HASH_DELETE(hh, j->strangers, s);
	for (size_t i = 0; i < JOURNAL_CLAIMS; i++) {
		xfed_free(s->claims[i]);
	}
	xfed_free(s->copy);
	xfed_free(s);
}

static void network_free(struct journal *j, struct journal_edge *e, struct journal_network *n)
{
	HASH_DELETE(hh, e->table, n);
	DL_DELETE(e->order, n);
	e->networks--;
	for (size_t i = 0; i < XFED_ARRAY_LEN(n->of); i++) {
		stranger_free(j, n->of[i]);
		xfed_free(n->names[i]);
	}
	xfed_free(n);
}

void journal_strangers_free(struct journal *j)
{
	struct journal_edge *e, *next;
	HASH_ITER(hh, j->edges, e, next)
	{
		while (e->order) {
			network_free(j, e, e->order);
		}
		HASH_DELETE(hh, j->edges, e);
		xfed_free(e);
	}
}

/* The network, now the one heard of last. NULL: NOMEM. */
static struct journal_network *network_of(
	struct journal *j, struct journal_edge *e, struct xfed_span network)
{
	struct journal_network *n = NULL;
	HASH_FIND(hh, e->table, network.data ? network.data : "", network.len, n);
	if (n) {
		DL_DELETE(e->order, n);
		DL_APPEND(e->order, n);
		return n;
	}
	n = xfed_calloc(1, sizeof(*n) + network.len + 1);
	if (!n) {
		return NULL;
	}
	memcpy(n->key, network.len > 0 ? network.data : "", network.len);
	n->key_len = network.len;
	while (e->networks >= JOURNAL_NETWORKS) {
		network_free(j, e, e->order);
	}
	HASH_ADD_KEYPTR(hh, e->table, n->key, n->key_len, n);
	if (!XFED_TABLE_ADDED(n)) {
		xfed_free(n);
		return NULL;
	}
	DL_APPEND(e->order, n);
	e->networks++;
	return n;
}

/* Where a name has its place: one of its own if it is listed and there is one left. */
static size_t place_of(struct journal_network *n, struct xfed_span name)
{
	for (size_t i = 1; name.len > 0 && i < XFED_ARRAY_LEN(n->of); i++) {
		if (!n->names[i]) {
			n->names[i] = xfed_strndup(name);
			return n->names[i] ? i : 0;
		}
		if (xfed_span_is(name, n->names[i])) {
			return i;
		}
	}
	return 0;
}

static struct journal_stranger *stranger_new(struct journal *j, struct journal_copy *c)
{
	struct journal_stranger *s = xfed_calloc(1, sizeof(*s));
	if (!s) {
		return NULL;
	}
	s->copy = c;
	HASH_ADD_KEYPTR(hh, j->strangers, &s->copy->r.id, sizeof(s->copy->r.id), s);
	if (!XFED_TABLE_ADDED(s)) {
		xfed_free(s);
		return NULL;
	}
	return s;
}

/* The last ones; without memory one is not shown. */
static void claim(struct journal_stranger *s, struct xfed_span name)
{
	for (size_t i = 0; i < JOURNAL_CLAIMS; i++) {
		if (s->claims[i] && xfed_span_is(name, s->claims[i])) {
			return;
		}
	}
	char **place = &s->claims[s->claim_next++ % JOURNAL_CLAIMS];
	xfed_free(*place);
	*place = xfed_strndup(xfed_span_make(name.data, name.len < 255 ? name.len : 255));
}

/* The last one takes the place of the one before, and its number. */
static void replace(struct journal *j, struct journal_stranger *s, struct journal_copy *c)
{
	const struct journal_record *old = &s->copy->r;
	c->r.id = old->id;
	c->r.first_s = old->first_s < c->r.first_s ? old->first_s : c->r.first_s;
	c->r.last_s = old->last_s > c->r.last_s ? old->last_s : c->r.last_s;
	c->r.count += old->count;
	HASH_DELETE(hh, j->strangers, s);
	xfed_free(s->copy);
	s->copy = c;
	HASH_ADD_KEYPTR(hh, j->strangers, &s->copy->r.id, sizeof(s->copy->r.id), s);
}

int journal_add_stranger(struct journal *j, struct xfed_span edge, struct xfed_span network,
	struct xfed_span name, const Xfed__FailureEvent *m, int64_t now_s)
{
	struct journal_texts t;
	struct journal_record r;
	struct journal_edge *e = journal_edge_of(j, edge);
	struct journal_network *n = e ? network_of(j, e, network) : NULL;
	if (!n) {
		return XFED_ERR_NOMEM;
	}
	journal_describe(edge, m, now_s, &t, &r);
	r.id = JOURNAL_STRANGER_ID + j->last_stranger + 1;
	int rc = journal_pack_detail(m, JOURNAL_STRANGER_DETAIL_BYTES, &r.detail);
	if (rc != XFED_OK) {
		return rc;
	}
	struct journal_copy *c = journal_copy_new(&r);
	xfed_free((void *)(uintptr_t)r.detail.data);
	struct journal_stranger **s = &n->of[place_of(n, name)];
	if (!c) {
		return XFED_ERR_NOMEM;
	}
	if (*s) {
		replace(j, *s, c);
	} else if ((*s = stranger_new(j, c))) {
		j->last_stranger++;
	} else {
		xfed_free(c);
		return XFED_ERR_NOMEM;
	}
	claim(*s, r.remote);
	return XFED_OK;
}

/* ---- questions ---- */

static json_t *stranger_json(const struct journal_network *n, const struct journal_stranger *s, bool with_detail)
{
	json_t *j = journal_record_json(&s->copy->r, with_detail), *names = json_array();
	for (size_t i = 0; i < JOURNAL_CLAIMS; i++) {
		/* The last one first. */
		const char *name = s->claims[(s->claim_next + JOURNAL_CLAIMS - 1 - i) % JOURNAL_CLAIMS];
		if (name) {
			json_array_append_new(names, json_string(name));
		}
	}
	if (j && (json_object_set_new(j, "proved", json_false()) != 0 || json_object_set_new(j, "network", json_string(n->key)) != 0)) {
		json_decref(j);
		j = NULL;
	}
	if (!j || json_object_set_new(j, "names", names) != 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}

/* The network it is of; few, and asked for by people. */
static const struct journal_network *find_network(const struct journal *j, const struct journal_stranger *s)
{
	for (const struct journal_edge *e = j->edges; e; e = e->hh.next) {
		for (const struct journal_network *n = e->order; n; n = n->next) {
			for (size_t i = 0; i < XFED_ARRAY_LEN(n->of); i++) {
				if (n->of[i] == s) {
					return n;
				}
			}
		}
	}
	return NULL;
}

int journal_stranger_show(const struct journal *j, uint64_t id, json_t **out)
{
	struct journal_stranger *s = NULL;
	HASH_FIND(hh, j->strangers, &id, sizeof(id), s);
	const struct journal_network *n = s ? find_network(j, s) : NULL;
	if (!n) {
		return XFED_ERR_NOT_FOUND;
	}
	*out = stranger_json(n, s, true);
	return *out ? XFED_OK : XFED_ERR_NOMEM;
}

struct found {
	const struct journal_network *network;
	const struct journal_stranger *stranger;
};

#define FOUND_MAX (JOURNAL_LIST_MAX / 4 + 1)

static bool is_wanted(const struct journal_question *q, const struct journal_stranger *s, int64_t oldest_s)
{
	bool is_claimed = false;
	struct journal_question any = *q;
	for (size_t i = 0; q->partner[0] && i < JOURNAL_CLAIMS; i++) {
		is_claimed |= s->claims[i] && strcmp(s->claims[i], q->partner) == 0;
	}
	any.partner[0] = is_claimed ? '\0' : any.partner[0];
	return journal_wants(&any, &s->copy->r, oldest_s);
}

/* Newest first; where there are more than `max` the oldest are left out. */
static size_t find_all(const struct journal *j, const struct journal_question *q, int64_t oldest_s, size_t max, struct found list[FOUND_MAX])
{
	size_t count = 0;
	for (const struct journal_edge *e = j->edges; e; e = e->hh.next) {
		for (const struct journal_network *n = e->order; n; n = n->next) {
			for (size_t k = 0; k < XFED_ARRAY_LEN(n->of); k++) {
				const struct journal_stranger *s = n->of[k];
				if (!s || !is_wanted(q, s, oldest_s)) {
					continue;
				}
				size_t at = count < max ? count : max - 1;
				if (count == max && list[at].stranger->copy->r.last_s > s->copy->r.last_s) {
					continue;
				}
				count = count < max ? count + 1 : max;
				for (; at > 0 && list[at - 1].stranger->copy->r.last_s <= s->copy->r.last_s; at--) {
					list[at] = list[at - 1];
				}
				list[at] = (struct found){ n, s };
			}
		}
	}
	return count;
}

void journal_strangers_list(const struct journal *j, const struct journal_question *q, int64_t oldest_s, json_t *answer)
{
	struct found list[FOUND_MAX];
	json_t *failures = json_object_get(answer, "failures");
	if (q->before > 0) {
		return; /* they are on the first page */
	}
	size_t max = q->limit / 4 + 1, at = 0, count = find_all(j, q, oldest_s, max < FOUND_MAX ? max : FOUND_MAX, list);
	for (size_t i = 0; i < count; i++) {
		json_int_t last = (json_int_t)list[i].stranger->copy->r.last_s;
		while (at < json_array_size(failures) && json_integer_value(json_object_get(json_array_get(failures, at), "last")) > last) {
			at++;
		}
		json_array_insert_new(failures, at++, stranger_json(list[i].network, list[i].stranger, false));
	}
}
