/*
 * Failures of peers that have not authenticated. For each edge, each listed name that is claimed, and each network that claims it, the last
 * failure is kept; for all other names together, the last one of each network. With it are counted how many there were since when, and
 * which names were claimed. The networks of one name are limited in number: a flood under one name displaces only entries of that name, a
 * flood under unlisted names only entries of unlisted names. So what a listed partner leaves here (its certificate has expired, say) can be
 * displaced only by somebody who claims its name.
 */
#include <stdlib.h>
#include <utlist.h>

#include "journal/journal_impl.h"
#include "xfed/limits.h"

/* ---- edges ---- */

static struct ring_edge *find_edge(const struct ring *j, struct xfed_span name)
{
	struct ring_edge *e = NULL;
	HASH_FIND(hh, j->edges, name.data ? name.data : "", name.len, e);
	return e;
}

struct ring_edge *ring_edge_of(struct ring *j, struct xfed_span name)
{
	struct ring_edge *e = find_edge(j, name);
	if (!e && HASH_COUNT(j->edges) >= XFED_JOURNAL_EDGES - 1) {
		name = XFED_SPAN("*"); /* edges beyond the limit share this record */
		e = find_edge(j, name);
	}
	if (e) {
		return e;
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

/* A rate limit: what fits into the time since the last failures, and `burst` at once. */
bool ring_edge_may(struct ring_edge *e, size_t burst, uint64_t now_ms)
{
	const uint64_t most = (uint64_t)burst * XFED_JOURNAL_EDGE_MS;
	uint64_t from = e->spent_ms > now_ms ? e->spent_ms : now_ms;
	if (from + XFED_JOURNAL_EDGE_MS > now_ms + most) {
		return false;
	}
	e->spent_ms = from + XFED_JOURNAL_EDGE_MS;
	return true;
}

/* ---- names, and networks under them ---- */

static void stranger_free(struct ring *j, struct ring_group *g, struct ring_stranger *s)
{
	HASH_DELETE(hh, j->strangers, s);
	HASH_DELETE(of_name, g->table, s);
	DL_DELETE(g->order, s);
	g->count--;
	for (size_t i = 0; i < XFED_JOURNAL_CLAIMS; i++) {
		xfed_free(s->claims[i]);
	}
	xfed_free(s->last);
	xfed_free(s);
}

static void group_free(struct ring *j, struct ring_edge *e, struct ring_group *g)
{
	while (g->order) {
		stranger_free(j, g, g->order);
	}
	HASH_DELETE(hh, e->groups, g);
	if (g->name_len > 0) {
		DL_DELETE(e->listed, g);
		e->listed_count--;
	}
	xfed_free(g);
}

void ring_strangers_free(struct ring *j)
{
	struct ring_edge *e, *next;
	HASH_ITER(hh, j->edges, e, next) {
		while (e->groups) {
			group_free(j, e, e->groups);
		}
		HASH_DELETE(hh, j->edges, e);
		xfed_free(e);
	}
}

static struct ring_group *group_new(struct ring *j, struct ring_edge *e, struct xfed_span name)
{
	struct ring_group *g = xfed_calloc(1, sizeof(*g) + name.len + 1);
	if (!g) {
		return NULL;
	}
	memcpy(g->name, name.len > 0 ? name.data : "", name.len);
	g->name_len = name.len;
	while (name.len > 0 && e->listed_count >= XFED_JOURNAL_NAMES) {
		group_free(j, e, e->listed);
	}
	HASH_ADD_KEYPTR(hh, e->groups, g->name, g->name_len, g);
	if (!XFED_TABLE_ADDED(g)) {
		xfed_free(g);
		return NULL;
	}
	if (name.len > 0) {
		DL_APPEND(e->listed, g);
		e->listed_count++;
	}
	return g;
}

/* The group of the listed name, which becomes the one heard of last, or with an empty name that of all others. NULL: no memory. */
static struct ring_group *group_of(struct ring *j, struct ring_edge *e, struct xfed_span name)
{
	struct ring_group *g = NULL;
	HASH_FIND(hh, e->groups, name.len > 0 ? name.data : "", name.len, g);
	if (g && name.len > 0) {
		DL_DELETE(e->listed, g);
		DL_APPEND(e->listed, g);
	}
	return g ? g : group_new(j, e, name);
}

static struct ring_stranger *find_in(const struct ring_group *g, struct xfed_span network)
{
	struct ring_stranger *s = NULL;
	HASH_FIND(of_name, g->table, network.len > 0 ? network.data : "", network.len, s);
	return s;
}

/* Takes the row over, unless it fails. */
static struct ring_stranger *stranger_new(struct ring *j, struct ring_group *g, struct xfed_span network, struct ring_row *row)
{
	struct ring_stranger *s = xfed_calloc(1, sizeof(*s) + network.len + 1);
	if (!s) {
		return NULL;
	}
	s->last = row;
	s->id = row->r.id;
	memcpy(s->network, network.len > 0 ? network.data : "", network.len);
	s->network_len = network.len;
	while (g->count >= (g->name_len > 0 ? XFED_JOURNAL_NAME_NETWORKS : XFED_JOURNAL_NETWORKS)) {
		stranger_free(j, g, g->order);
	}
	HASH_ADD_KEYPTR(of_name, g->table, s->network, s->network_len, s);
	if (!s->of_name.tbl) {
		xfed_free(s);
		return NULL;
	}
	HASH_ADD(hh, j->strangers, id, sizeof(s->id), s);
	if (!XFED_TABLE_ADDED(s)) {
		HASH_DELETE(of_name, g->table, s);
		xfed_free(s);
		return NULL;
	}
	DL_APPEND(g->order, s);
	g->count++;
	return s;
}

/* Keeps the last names claimed; without memory one is missing. */
static void claim(struct ring_stranger *s, struct xfed_span name)
{
	for (size_t i = 0; i < XFED_JOURNAL_CLAIMS; i++) {
		if (s->claims[i] && xfed_span_is(name, s->claims[i])) {
			return;
		}
	}
	char **place = &s->claims[s->claim_next++ % XFED_JOURNAL_CLAIMS];
	xfed_free(*place);
	*place = xfed_strndup(xfed_span_make(name.data, name.len < 255 ? name.len : 255));
}

/* The new failure replaces the last one and takes its id; counts and times are merged. */
static void replace(struct ring_stranger *s, struct ring_row *row)
{
	const struct store_failure *old = &s->last->r;
	row->r.id = s->id;
	row->r.first_s = old->first_s < row->r.first_s ? old->first_s : row->r.first_s;
	row->r.last_s = old->last_s > row->r.last_s ? old->last_s : row->r.last_s;
	row->r.count += old->count;
	xfed_free(s->last);
	s->last = row;
	s->is_past = false;
}

int ring_add_stranger(
	struct ring *j, struct xfed_span edge, struct xfed_span network, struct xfed_span name, const Xfed__FailureEvent *m, int64_t now_s)
{
	struct ring_texts t;
	struct store_failure r;
	struct ring_edge *e = ring_edge_of(j, edge);
	struct ring_group *g = e ? group_of(j, e, name) : NULL;
	if (!g) {
		return XFED_ERR_NOMEM;
	}
	ring_describe(edge, m, now_s, &t, &r);
	r.id = JOURNAL_STRANGER_ID + j->last_stranger + 1;
	int rc = ring_pack_detail(m, JOURNAL_STRANGER_DETAIL_BYTES, &r.detail);
	if (rc != XFED_OK) {
		return rc;
	}
	struct ring_row *row = ring_row_new(&r);
	xfed_free((void *)(uintptr_t)r.detail.data);
	if (!row) {
		return XFED_ERR_NOMEM;
	}
	struct ring_stranger *s = find_in(g, network);
	if (s) {
		replace(s, row);
		DL_DELETE(g->order, s);
		DL_APPEND(g->order, s);
	} else if ((s = stranger_new(j, g, network, row))) {
		j->last_stranger++;
	} else {
		xfed_free(row);
		return XFED_ERR_NOMEM;
	}
	claim(s, r.remote);
	return XFED_OK;
}

void ring_strangers_past(struct ring *j, struct xfed_span name, struct xfed_span local, struct xfed_span remote)
{
	for (struct ring_edge *e = j->edges; e; e = e->hh.next) {
		struct ring_group *g = NULL;
		HASH_FIND(hh, e->groups, name.data, name.len, g);
		for (struct ring_stranger *s = g ? g->order : NULL; s; s = s->next) {
			const struct store_failure *r = &s->last->r;
			s->is_past = s->is_past || (xfed_span_eq(r->local, local) && xfed_span_eq(r->remote, remote));
		}
	}
}

/* ---- questions ---- */

static json_t *stranger_json(const struct ring_stranger *s, bool with_detail)
{
	json_t *j = failure_json(&s->last->r, with_detail), *names = json_array();
	for (size_t i = 0; i < XFED_JOURNAL_CLAIMS; i++) {
		/* the last one first */
		const char *name = s->claims[(s->claim_next + XFED_JOURNAL_CLAIMS - 1 - i) % XFED_JOURNAL_CLAIMS];
		if (name) {
			json_array_append_new(names, json_string(name));
		}
	}
	if (j && (json_object_set_new(j, "proved", json_false()) != 0 || json_object_set_new(j, "network", json_string(s->network)) != 0)) {
		json_decref(j);
		j = NULL;
	}
	if (!j || json_object_set_new(j, "names", names) != 0) {
		json_decref(j);
		return NULL;
	}
	if (s->is_past && json_object_set_new(j, "past", json_true()) != 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}

int ring_stranger_show(const struct ring *j, uint64_t id, json_t **out)
{
	struct ring_stranger *s = NULL;
	HASH_FIND(hh, j->strangers, &id, sizeof(id), s);
	if (!s) {
		return XFED_ERR_NOT_FOUND;
	}
	*out = stranger_json(s, true);
	return *out ? XFED_OK : XFED_ERR_NOMEM;
}

#define FOUND_MAX (JOURNAL_LIST_MAX / 4 + 1)

static bool is_wanted(const struct journal_question *q, const struct ring_stranger *s, int64_t oldest_s)
{
	bool is_claimed = false;
	struct journal_question any = *q;
	for (size_t i = 0; q->partner[0] && i < XFED_JOURNAL_CLAIMS; i++) {
		is_claimed |= s->claims[i] && strcmp(s->claims[i], q->partner) == 0;
	}
	any.partner[0] = is_claimed ? '\0' : any.partner[0];
	return ring_wants(&any, &s->last->r, oldest_s);
}

static int newest_first(const void *a, const void *b)
{
	const struct ring_stranger *const *x = a, *const *y = b;
	int64_t left = (*x)->last->r.last_s, right = (*y)->last->r.last_s;
	return left == right ? 0 : left > right ? -1 : 1;
}

/* Strangers that claim a listed name, or those that do not; newest first. */
static size_t find_all(
	const struct ring *j, const struct journal_question *q, int64_t oldest_s, bool is_listed, size_t max, const struct ring_stranger *list[])
{
	size_t count = 0;
	for (const struct ring_edge *e = j->edges; e; e = e->hh.next) {
		for (const struct ring_group *g = e->groups; g; g = g->hh.next) {
			for (const struct ring_stranger *s = (g->name_len > 0) == is_listed ? g->order : NULL; s; s = s->next) {
				if (!is_wanted(q, s, oldest_s)) {
					continue;
				}
				size_t at = count < max ? count : max - 1;
				if (count == max && list[at]->last->r.last_s > s->last->r.last_s) {
					continue;
				}
				count = count < max ? count + 1 : max;
				for (; at > 0 && list[at - 1]->last->r.last_s <= s->last->r.last_s; at--) {
					list[at] = list[at - 1];
				}
				list[at] = s;
			}
		}
	}
	return count;
}

/* Those for a page, newest first. Each kind has half of the places, and those the other does not need. */
static size_t choose(const struct ring *j, const struct journal_question *q, int64_t oldest_s, size_t max, const struct ring_stranger *list[])
{
	const struct ring_stranger *others[FOUND_MAX];
	size_t count = find_all(j, q, oldest_s, true, max, list), other_count = find_all(j, q, oldest_s, false, max, others);
	size_t half = (max + 1) / 2, left = max - (count < half ? count : half);
	other_count = other_count < left ? other_count : left;
	count = count < max - other_count ? count : max - other_count;
	memcpy(list + count, others, other_count * sizeof(others[0]));
	qsort(list, count + other_count, sizeof(list[0]), newest_first);
	return count + other_count;
}

void ring_strangers_list(const struct ring *j, const struct journal_question *q, int64_t oldest_s, json_t *answer)
{
	const struct ring_stranger *list[FOUND_MAX];
	json_t *failures = json_object_get(answer, "failures");
	if (q->before > 0) {
		return; /* they are on the first page only */
	}
	size_t max = q->limit / 4 + 1, at = 0, count = choose(j, q, oldest_s, max < FOUND_MAX ? max : FOUND_MAX, list);
	for (size_t i = 0; i < count; i++) {
		json_int_t last = (json_int_t)list[i]->last->r.last_s;
		while (at < json_array_size(failures) && json_integer_value(json_object_get(json_array_get(failures, at), "last")) > last) {
			at++;
		}
		json_array_insert_new(failures, at++, stranger_json(list[i], false));
	}
}
