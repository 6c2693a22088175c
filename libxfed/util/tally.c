#include "util/tally.h"

#include "util/table.h"

struct tally {
	uint64_t key;
	size_t count;
	UT_hash_handle hh;
};

int tally_take(struct tally **table, uint64_t key, size_t most)
{
	struct tally *t = NULL;
	HASH_FIND(hh, *table, &key, sizeof(key), t);
	if (t && t->count >= most) {
		return XFED_ERR_LIMIT;
	}
	if (!t) {
		t = xfed_calloc(1, sizeof(*t));
		if (!t) {
			return XFED_ERR_NOMEM;
		}
		t->key = key;
		HASH_ADD(hh, *table, key, sizeof(t->key), t);
		if (!XFED_TABLE_ADDED(t)) {
			xfed_free(t);
			return XFED_ERR_NOMEM;
		}
	}
	t->count++;
	return XFED_OK;
}

void tally_give(struct tally **table, uint64_t key)
{
	struct tally *t = NULL;
	HASH_FIND(hh, *table, &key, sizeof(key), t);
	if (t && --t->count == 0) {
		HASH_DELETE(hh, *table, t);
		xfed_free(t);
	}
}

void tally_clear(struct tally **table)
{
	struct tally *t, *next;
	HASH_ITER(hh, *table, t, next) {
		HASH_DELETE(hh, *table, t);
		xfed_free(t);
	}
}
