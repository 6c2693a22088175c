/*
 * The edge's side of a policy transfer beside a model of it: Begin, Part and Commit in any order, of any revision and size, with the hash
 * of what was sent or another one, again after they were refused or the policy was whole. What proto/check.h guarantees of
 * these messages is kept; that the session asks for it is fuzz_channel's.
 *
 * Properties: a policy is whole only where a Begin, parts without gap or overlap up to its total and a Commit came in that order, and
 * the bytes have the hash both of them name; then it is what was sent, byte by byte; a right one is never refused, and what is
 * refused changes nothing; memory is never more than twice what has come, whatever Begin announces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())
#define SENT_MAX   (4 * 1024 * 1024)

struct world {
	const uint8_t *at, *end;
	struct proto_transfer_in t;
	/* The model. */
	bool is_open;
	size_t total, have;
	uint8_t hash[32];
};

static uint8_t sent[SENT_MAX];

static uint8_t byte(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

/* Byte `i` of content `which`, of which there are four. */
static uint8_t content(uint8_t which, size_t i)
{
	return (uint8_t)(i * 31 + i / 251 + 77 * (which & 3U));
}

static size_t size_of(uint8_t how)
{
	static const size_t sizes[] = { 0, 1, 2, 31, 1000, 65535, 65536, 65537, 131072, 140000, XFED_POLICY_BYTES_MAX };
	return sizes[how % XFED_ARRAY_LEN(sizes)];
}

/* SHA-256 of one of the contents, kept: it is asked for again and again. */
static const uint8_t *hash_of(uint8_t which, uint8_t how)
{
	static uint8_t hashes[4][16][32];
	static bool is_made[4][16];
	static uint8_t bytes[140000];
	uint8_t(*h)[32] = &hashes[which & 3][how % 11];
	size_t len = size_of(how) < sizeof(bytes) ? size_of(how) : sizeof(bytes);
	if (!is_made[which & 3][how % 11]) {
		for (size_t i = 0; i < len; i++) {
			bytes[i] = content(which, i);
		}
		MUST(proto_transfer_hash(xfed_span_make(bytes, len), *h) == XFED_OK);
		is_made[which & 3][how % 11] = true;
	}
	return *h;
}

static enum proto_transfer_result take(struct world *w, const Xfed__Frame *f)
{
	struct proto_transfer_in before = w->t;
	MUST(!proto_check(f));
	enum proto_transfer_result r = proto_transfer_take(&w->t, f);
	MUST(r != PROTO_TRANSFER_NOMEM);
	if (r == PROTO_TRANSFER_BAD) {
		MUST(memcmp(&before, &w->t, sizeof(before)) == 0);
	}
	return r;
}

static void begin(struct world *w)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__PolicyBegin b = XFED__POLICY_BEGIN__INIT;
	Xfed__Revision r = XFED__REVISION__INIT;
	uint8_t which = byte(w), how = byte(w);
	memcpy(w->hash, hash_of(which, how), sizeof(w->hash));
	w->hash[0] ^= which & 128; /* of nothing there is */
	w->total = size_of(which & 64 ? (uint8_t)(how + 1) : how);
	w->is_open = true;
	w->have = 0;
	r.epoch = which;
	r.counter = how;
	r.hash.data = w->hash;
	r.hash.len = sizeof(w->hash);
	b.revision = &r;
	b.total_bytes = (uint32_t)w->total;
	f.body_case = XFED__FRAME__BODY_POLICY_BEGIN;
	f.policy_begin = &b;
	MUST(take(w, &f) == PROTO_TRANSFER_MORE);
	MUST(w->t.revision.epoch == which && w->t.revision.counter == how && w->t.size == 0);
}

static void part(struct world *w)
{
	static uint8_t bytes[XFED_POLICY_PART_BYTES];
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__PolicyPart p = XFED__POLICY_PART__INIT;
	uint8_t which = byte(w), how = byte(w);
	size_t left = w->total - w->have, offset = which & 64 && how & 1 ? (size_t)how : w->have;
	size_t len = how < 128 ? 1U + how : how < 200 ? XFED_POLICY_PART_BYTES : left;
	len = len == 0 ? 1 : len < sizeof(bytes) ? len : sizeof(bytes);
	for (size_t i = 0; i < len; i++) {
		bytes[i] = content(which, offset + i);
	}
	bytes[len / 2] ^= which & 32;
	p.offset = (uint32_t)offset;
	p.data.data = bytes;
	p.data.len = len;
	f.body_case = XFED__FRAME__BODY_POLICY_PART;
	f.policy_part = &p;
	if (w->have + len > SENT_MAX) {
		return;
	}
	bool is_next = w->is_open && offset == w->have && len <= left;
	MUST(take(w, &f) == (is_next ? PROTO_TRANSFER_MORE : PROTO_TRANSFER_BAD));
	if (is_next) {
		memcpy(sent + w->have, bytes, len);
		w->have += len;
	}
}

static void commit(struct world *w)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__PolicyCommit c = XFED__POLICY_COMMIT__INIT;
	uint8_t how = byte(w), hash[32], right[32];
	memcpy(hash, w->hash, sizeof(hash));
	hash[how % 32] ^= how & 64;
	c.hash.data = hash;
	c.hash.len = sizeof(hash);
	f.body_case = XFED__FRAME__BODY_POLICY_COMMIT;
	f.policy_commit = &c;
	MUST(proto_transfer_hash(xfed_span_make(sent, w->have), right) == XFED_OK);
	bool is_whole = w->is_open && w->have == w->total && memcmp(hash, w->hash, 32) == 0 && memcmp(hash, right, 32) == 0;
	MUST(take(w, &f) == (is_whole ? PROTO_TRANSFER_COMPLETE : PROTO_TRANSFER_BAD));
	if (is_whole) {
		MUST(w->t.total == w->have && (w->have == 0 || memcmp(w->t.bytes, sent, w->have) == 0));
		w->is_open = false;
	}
}

static void other(struct world *w)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__Drain d = XFED__DRAIN__INIT;
	f.body_case = XFED__FRAME__BODY_DRAIN;
	f.drain = &d;
	MUST(take(w, &f) == PROTO_TRANSFER_BAD);
}

static void compare(struct world *w)
{
	struct proto_revision r[3];
	memset(r, 0, sizeof(r));
	for (size_t i = 0; i < 3; i++) {
		uint8_t b = byte(w);
		r[i].epoch = b % 3 == 2 ? UINT64_MAX : b % 3;
		r[i].counter = b / 3 % 3 == 2 ? UINT64_MAX : b / 3 % 3;
		r[i].hash[0] = b;
	}
	int ab = proto_revision_compare(&r[0], &r[1]), bc = proto_revision_compare(&r[1], &r[2]), ac = proto_revision_compare(&r[0], &r[2]);
	MUST(ab == -proto_revision_compare(&r[1], &r[0]) && (ab < 0 || bc < 0 || ac >= 0) && (ab > 0 || bc > 0 || ac <= 0));
	MUST((ab == 0) == (r[0].epoch == r[1].epoch && r[0].counter == r[1].counter));
}

static void run_one(struct world *w)
{
	switch (byte(w) % 8) {
	case 0:
	case 1:
		begin(w);
		break;
	case 2:
	case 3:
	case 4:
		part(w);
		break;
	case 5:
		commit(w);
		break;
	case 6:
		other(w);
		compare(w);
		break;
	case 7: /* what the edge does once it has it, or the link is gone */
		proto_transfer_in_deinit(&w->t);
		w->is_open = false;
		w->total = w->have = 0;
		break;
	}
	MUST(w->t.is_open == w->is_open && w->t.have == w->have && w->t.size <= 2 * w->have && w->t.size >= w->have);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .at = data, .end = data + (size < 300 ? size : 300) };
	while (w.at < w.end) {
		run_one(&w);
	}
	proto_transfer_in_deinit(&w.t);
	return 0;
}
