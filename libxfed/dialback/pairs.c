#include "dialback/internal.h"

#include "xfed/mem.h"
#include "xfed/text.h"

struct db_pair *db_pair_new(const struct xfed_dialback_pair *names, struct xfed_span key, struct xfed_span stream_id)
{
	size_t len = names->sender.len + names->target.len + names->sender_raw.len + names->target_raw.len + key.len + stream_id.len;
	struct db_pair *p = xfed_calloc(1, sizeof(*p) + len + 6);
	if (!p) {
		return NULL;
	}
	char *at = p->text;
	p->names.sender = xfed_span_put(&at, names->sender);
	p->names.target = xfed_span_put(&at, names->target);
	p->names.sender_raw = xfed_span_put(&at, names->sender_raw);
	p->names.target_raw = xfed_span_put(&at, names->target_raw);
	p->stream_id = xfed_span_put(&at, stream_id);
	p->key = xfed_span_put(&at, key);
	return p;
}

void db_pair_free(struct db_pair *p)
{
	if (p && p->key.data) {
		xfed_wipe(p->text + (p->key.data - p->text), p->key.len);
	}
	xfed_free(p);
}

bool db_pairs_has_room(const struct db_pairs *set)
{
	return set->count < XFED_DIALBACK_PAIRS_MAX;
}

void db_pairs_add(struct db_pairs *set, struct db_pair *p)
{
	XFED_REQUIRE(db_pairs_has_room(set));
	set->all[set->count++] = p;
}

struct db_pair *db_pairs_find(const struct db_pairs *set, struct xfed_span sender, struct xfed_span target, struct xfed_span stream_id)
{
	for (size_t i = 0; i < set->count; i++) {
		struct db_pair *p = set->all[i];
		if (!p->is_gone && xfed_span_eq(p->names.sender, sender) && xfed_span_eq(p->names.target, target) &&
			(!stream_id.data || xfed_span_eq(p->stream_id, stream_id))) {
			return p;
		}
	}
	return NULL;
}

size_t db_pairs_in_state(const struct db_pairs *set, int state)
{
	size_t n = 0;
	for (size_t i = 0; i < set->count; i++) {
		n += !set->all[i]->is_gone && set->all[i]->state == state;
	}
	return n;
}

struct db_pair *db_pairs_oldest(const struct db_pairs *set, int last_waiting)
{
	struct db_pair *oldest = NULL;
	for (size_t i = 0; i < set->count; i++) {
		struct db_pair *p = set->all[i];
		if (!p->is_gone && p->state <= last_waiting && (!oldest || p->since_ms < oldest->since_ms)) {
			oldest = p;
		}
	}
	return oldest;
}

uint64_t db_pairs_deadline(const struct db_pairs *set, int last_waiting, uint64_t wait_ms)
{
	const struct db_pair *p = db_pairs_oldest(set, last_waiting);
	return p ? p->since_ms + wait_ms : UINT64_MAX;
}

void db_pairs_sweep(struct db_pairs *set)
{
	size_t kept = 0;
	for (size_t i = 0; i < set->count; i++) {
		if (set->all[i]->is_gone) {
			db_pair_free(set->all[i]);
		} else {
			set->all[kept++] = set->all[i];
		}
	}
	set->count = kept;
}

void db_pairs_free(struct db_pairs *set)
{
	for (size_t i = 0; i < set->count; i++) {
		db_pair_free(set->all[i]);
	}
	set->count = 0;
}
