#include "proto/told.h"

#include "xfed/mem.h"

#define FIRST_SIZE 64

void proto_told_deinit(struct proto_told *t)
{
	xfed_free(t->seqs);
}

/* Entries not confirmed yet keep their count; false: no memory, and the size stays. */
static bool grow(struct proto_told *t)
{
	size_t size = t->size ? 2 * t->size : FIRST_SIZE;
	uint64_t *seqs = size <= PROTO_TOLD_MAX ? xfed_malloc(size * sizeof(*seqs)) : NULL;
	if (!seqs) {
		return false;
	}
	for (uint64_t i = t->kept_from; i < t->told; i++) {
		seqs[i & (size - 1)] = t->seqs[i & (t->size - 1)];
	}
	xfed_free(t->seqs);
	t->seqs = seqs;
	t->size = size;
	return true;
}

void proto_told_add(struct proto_told *t, uint64_t seq)
{
	bool has_room = t->told - t->kept_from < t->size || grow(t);
	if (!has_room) {
		t->kept_from++; /* the oldest is dropped */
	}
	if (t->size > 0) {
		t->seqs[t->told & (t->size - 1)] = seq;
	}
	t->told++;
}

bool proto_told_hear(struct proto_told *t, uint64_t heard)
{
	if (heard > t->told || heard < t->heard) {
		return false;
	}
	t->heard = heard;
	return true;
}

bool proto_told_next(struct proto_told *t, uint64_t *seq)
{
	t->taken = t->taken > t->kept_from ? t->taken : t->kept_from;
	if (t->taken >= t->heard) {
		return false;
	}
	*seq = t->seqs[t->taken++ & (t->size - 1)];
	t->kept_from = t->taken;
	return true;
}
