#include <math.h>
#include <stdio.h>

#include "metrics_internal.h"

#include "xfed/jid.h"

static void free_set(struct metric_set *s)
{
	if (s) {
		for (int id = 0; id < RT_METRIC_COUNT; id++) {
			HASH_CLEAR(hh, s->table[id]);
		}
		xfed_arena_deinit(&s->arena);
		xfed_free(s);
	}
}

static void free_peer(struct rt_metrics *m, struct metric_peer *p)
{
	HASH_DEL(m->peers, p);
	free_set(p->current);
	free_set(p->pending);
	xfed_free(p->edge);
	xfed_free(p);
}

void metrics_import_free(struct rt_metrics *m)
{
	struct metric_peer *p, *next;
	HASH_ITER(hh, m->peers, p, next) {
		free_peer(m, p);
	}
}

static struct metric_peer *find_peer(const struct rt_metrics *m, struct xfed_span edge)
{
	struct metric_peer *p = NULL;
	HASH_FIND(hh, m->peers, edge.data, edge.len, p);
	return p;
}

static struct metric_peer *add_peer(struct rt_metrics *m, struct xfed_span edge)
{
	struct metric_peer *p = xfed_calloc(1, sizeof(*p));
	if (!p || !(p->edge = xfed_strndup(edge))) {
		xfed_free(p);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, m->peers, p->edge, edge.len, p);
	if (!XFED_TABLE_ADDED(p)) {
		xfed_free(p->edge);
		xfed_free(p);
		return NULL;
	}
	return p;
}

int rt_metrics_import_begin(struct rt_metrics *m, struct xfed_span edge)
{
	struct metric_peer *p = find_peer(m, edge);
	if (!p && HASH_COUNT(m->peers) >= RT_METRIC_PEERS_MAX) {
		return XFED_ERR_LIMIT;
	}
	p = p ? p : add_peer(m, edge);
	struct metric_set *set = p ? xfed_calloc(1, sizeof(*set)) : NULL;
	if (!set) {
		return XFED_ERR_NOMEM;
	}
	xfed_arena_init(&set->arena, RT_METRIC_IMPORT_BYTES);
	free_set(p->pending);
	p->pending = set;
	return XFED_OK;
}

/* Whether `name` is a sample of this family. */
static bool is_name_of(const struct metric_info *info, struct xfed_span name, enum metric_part *part)
{
	size_t len = strlen(info->name);
	if (name.len < len || memcmp(name.data, info->name, len) != 0) {
		return false;
	}
	struct xfed_span suffix = xfed_span_make(name.data + len, name.len - len);
	if (info->type != RT_METRIC_HISTOGRAM) {
		*part = METRIC_VALUE;
		return suffix.len == 0;
	}
	for (enum metric_part p = METRIC_BUCKET; p <= METRIC_COUNT; p++) {
		if (xfed_span_is(suffix, metric_part_suffix(p))) {
			*part = p;
			return true;
		}
	}
	return false;
}

static bool is_bound(struct xfed_span s)
{
	for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
		if (xfed_span_is(s, metric_bound_texts[i])) {
			return true;
		}
	}
	return false;
}

static bool are_labels_of(const struct metric_info *info, enum metric_part part, const struct rt_metric_sample *s)
{
	size_t want = info->label_count + (part == METRIC_BUCKET ? 1 : 0);
	if (s->label_count != want) {
		return false;
	}
	for (size_t i = 0; i < want; i++) {
		const struct rt_metric_label *l = &s->labels[i];
		bool is_le = i == info->label_count;
		if (!xfed_span_is(l->name, is_le ? "le" : info->labels[i]) || l->value.len >= RT_METRIC_VALUE_BYTES ||
			(is_le && !is_bound(l->value))) {
			return false;
		}
		if (l->value.len > 0 && (memchr(l->value.data, '\0', l->value.len) || !xfed_utf8_is_valid(l->value))) {
			return false;
		}
	}
	return true;
}

static size_t key_bytes(const struct rt_metric_sample *s)
{
	size_t len = 1;
	for (size_t n = 0; n < s->label_count; n++) {
		len += s->labels[n].value.len + 1;
	}
	return len;
}

static void fill_sample(struct metric_import *i, enum metric_part part, const struct rt_metric_sample *s)
{
	*i = (struct metric_import){ .part = part, .value = s->value, .key_len = 1 };
	i->key[0] = (char)part;
	for (size_t n = 0; n < s->label_count; n++) {
		struct xfed_span v = s->labels[n].value;
		char *at = i->key + i->key_len;
		memcpy(at, v.len > 0 ? v.data : "", v.len);
		at[v.len] = '\0';
		i->values[n] = xfed_span_make(at, v.len);
		i->key_len += v.len + 1;
	}
}

static int add_sample(struct metric_set *set, int id, enum metric_part part, const struct rt_metric_sample *s)
{
	struct metric_import *i = xfed_arena_alloc(&set->arena, sizeof(*i) + key_bytes(s)), *same = NULL;
	if (!i) {
		return XFED_ERR_LIMIT;
	}
	fill_sample(i, part, s);
	HASH_FIND(hh, set->table[id], i->key, i->key_len, same);
	if (same) {
		same->value = s->value;
		set->count++; /* its room is counted already */
		return XFED_OK;
	}
	HASH_ADD_KEYPTR(hh, set->table[id], i->key, i->key_len, i);
	if (!XFED_TABLE_ADDED(i)) {
		return XFED_ERR_NOMEM;
	}
	if (set->last[id]) {
		set->last[id]->next = i;
	} else {
		set->first[id] = i;
	}
	set->last[id] = i;
	set->count++;
	return XFED_OK;
}

int rt_metrics_import_add(struct rt_metrics *m, struct xfed_span edge, const struct rt_metric_sample *s)
{
	struct metric_peer *p = find_peer(m, edge);
	enum metric_part part;
	if (!p || !p->pending) {
		return XFED_ERR_STATE;
	}
	if (p->pending->count >= RT_METRIC_IMPORT_MAX) {
		return XFED_ERR_LIMIT;
	}
	/* An edge tells family after family, so the search goes on where the sample before was. */
	for (int n = 0, id = p->pending->last_id; n < RT_METRIC_COUNT; n++, id = id + 1 < RT_METRIC_COUNT ? id + 1 : 0) {
		const struct metric_info *info = &m->families[id].info;
		if (is_name_of(info, s->name, &part)) {
			p->pending->last_id = id;
			bool is_fine = isfinite(s->value) && are_labels_of(info, part, s);
			return is_fine ? add_sample(p->pending, id, part, s) : XFED_ERR_INVALID;
		}
	}
	return XFED_ERR_INVALID;
}

void rt_metrics_import_commit(struct rt_metrics *m, struct xfed_span edge)
{
	struct metric_peer *p = find_peer(m, edge);
	if (p && p->pending) {
		free_set(p->current);
		p->current = p->pending;
		p->pending = NULL;
	}
}

void rt_metrics_import_drop(struct rt_metrics *m, struct xfed_span edge)
{
	struct metric_peer *p = find_peer(m, edge);
	if (p) {
		free_peer(m, p);
	}
}
