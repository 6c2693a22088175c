/* Frames and the limits in front of them (proto/channel.md sections 2 and 4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/check.h"
#include "proto/frame.h"
#include "xfed/mem.h"

#include "samples.h"

/* ---- bytes by hand ---- */

struct bytes {
	uint8_t *data;
	size_t len, size;
};

static void put(struct bytes *b, const void *data, size_t len)
{
	if (b->size - b->len < len) {
		b->size = 2 * b->size + len;
		b->data = realloc(b->data, b->size);
	}
	if (len > 0) {
		memcpy(b->data + b->len, data, len);
	}
	b->len += len;
}

static void put_varint(struct bytes *b, uint64_t v)
{
	for (; v > 0x7f; v >>= 7) {
		put(b, &(uint8_t){ (uint8_t)(v | 0x80) }, 1);
	}
	put(b, &(uint8_t){ (uint8_t)v }, 1);
}

static void put_len(struct bytes *b, unsigned field, const void *data, size_t len)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, len);
	put(b, data, len);
}

static void put_number(struct bytes *b, unsigned field, uint64_t v)
{
	put_varint(b, field << 3);
	put_varint(b, v);
}

/* Wraps `inner` as the message `field` of a Frame. */
static struct bytes frame_of(unsigned field, struct bytes *inner)
{
	struct bytes b = { 0 };
	put_len(&b, field, inner->data, inner->len);
	free(inner->data);
	return b;
}

static enum proto_frame_result read_bytes(struct bytes *body, const char **problem, size_t *taken)
{
	struct proto_frame_reader r;
	const Xfed__Frame *f;
	bool nomem;
	uint8_t head[4] = { (uint8_t)(body->len >> 24), (uint8_t)(body->len >> 16), (uint8_t)(body->len >> 8), (uint8_t)body->len };
	proto_frame_reader_init(&r);
	proto_frame_feed(&r, xfed_span_make(head, 4), &nomem);
	proto_frame_feed(&r, xfed_span_make(body->data, body->len), &nomem);
	enum proto_frame_result result = proto_frame_next(&r, &f);
	*problem = r.problem ? r.problem : "";
	*taken = r.arena.taken_bytes;
	assert_true(r.arena.taken_bytes <= XFED_FRAME_ARENA_BYTES);
	proto_frame_reader_deinit(&r);
	free(body->data);
	*body = (struct bytes){ 0 };
	return result;
}

/* ---- refusals: each with the sentence the log will show ---- */

static struct bytes two_messages(void)
{
	struct bytes b = { 0 };
	put_len(&b, 2, "", 0);
	put_len(&b, 3, "", 0);
	return b;
}

static struct bytes one_twice(void)
{
	struct bytes b = { 0 };
	put_len(&b, 2, "", 0);
	put_len(&b, 2, "", 0);
	return b;
}

static struct bytes field_twice(void)
{
	struct bytes b = { 0 };
	put_number(&b, 1, 1);
	put_number(&b, 1, 2);
	return frame_of(2, &b);
}

static struct bytes group(void)
{
	struct bytes b = { 0 };
	put_varint(&b, 1 << 3 | 3);
	return frame_of(2, &b);
}

static struct bytes field_zero(void)
{
	struct bytes b = { 0 };
	put_number(&b, 0, 1);
	return frame_of(2, &b);
}

static struct bytes long_varint(void)
{
	struct bytes b = { 0 };
	put(&b, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11);
	return frame_of(2, &b);
}

static struct bytes cut_varint(void)
{
	struct bytes b = { 0 };
	put(&b, "\x08\xff", 2);
	return frame_of(2, &b);
}

static struct bytes long_length(void)
{
	struct bytes b = { 0 };
	put(&b, "\x22\xff\xff\xff\xff\x0f", 6);
	return frame_of(1, &b);
}

static struct bytes wrong_wire_type(void)
{
	struct bytes b = { 0 };
	put_len(&b, 1, "abc", 3);
	return frame_of(2, &b);
}

static struct bytes not_utf8(void)
{
	struct bytes b = { 0 };
	put_len(&b, 1, "\xc3\x28", 2);
	return frame_of(20, &b);
}

static struct bytes nul_in_text(void)
{
	struct bytes b = { 0 };
	put_len(&b, 1, "a\0b", 3);
	return frame_of(20, &b);
}

static struct bytes surrogate_in_text(void)
{
	struct bytes b = { 0 };
	put_len(&b, 1, "\xed\xa0\x80", 3);
	return frame_of(20, &b);
}

static struct bytes many_unknown(void)
{
	struct bytes b = { 0 };
	for (unsigned i = 0; i < PROTO_FRAME_UNKNOWN_MAX + 1; i++) {
		put_number(&b, 100 + i, 1);
	}
	return frame_of(2, &b);
}

/* libraries.md: 1 MiB of empty messages became 29 MB; here 2 bytes each, as many as a frame holds. */
static struct bytes empty_messages(void)
{
	struct bytes b = { 0 };
	for (unsigned i = 0; i < 130000; i++) {
		put_len(&b, 1, "", 0);
	}
	return frame_of(8, &b);
}

static struct bytes many_numbers(void)
{
	struct bytes list = { 0 }, b = { 0 };
	for (unsigned i = 0; i < 200000; i++) {
		put_varint(&list, 1);
	}
	put_len(&b, 1, list.data, list.len);
	free(list.data);
	return frame_of(6, &b);
}

static struct bytes numbers_over_limit(void)
{
	struct bytes list = { 0 }, b = { 0 };
	for (unsigned i = 0; i < PROTO_SEQS_MAX + 1; i++) {
		put_varint(&list, 1);
	}
	put_len(&b, 1, list.data, list.len);
	free(list.data);
	return frame_of(6, &b);
}

static struct bytes broken_list(void)
{
	struct bytes b = { 0 };
	put_len(&b, 1, "\x01\xff", 2);
	return frame_of(6, &b);
}

/* As many certificates as the field count allows: within the scan's bounds, above the arena's. */
static struct bytes much_memory(void)
{
	struct bytes b = { 0 };
	for (unsigned i = 0; i < 8000; i++) {
		put_len(&b, 10, "", 0);
	}
	return frame_of(18, &b);
}

static struct bytes deliver_with(unsigned skip, uint64_t seq, uint64_t kind, size_t stanza_len)
{
	struct bytes b = { 0 };
	char *stanza = calloc(1, stanza_len + 1);
	if (skip != 1) {
		put_number(&b, 1, seq);
	}
	if (skip != 2) {
		put_number(&b, 2, kind);
	}
	if (skip != 12) {
		put_len(&b, 12, stanza, stanza_len);
	}
	free(stanza);
	return frame_of(5, &b);
}

static struct bytes no_seq(void)
{
	return deliver_with(1, 0, 1, 1);
}
static struct bytes no_kind(void)
{
	return deliver_with(2, 1, 0, 1);
}
static struct bytes strange_kind(void)
{
	return deliver_with(0, 1, 77, 1);
}
static struct bytes negative_kind(void)
{
	return deliver_with(0, 1, UINT64_MAX, 1);
}
static struct bytes no_stanza(void)
{
	return deliver_with(12, 1, 1, 0);
}
static struct bytes big_stanza(void)
{
	return deliver_with(0, 1, 1, XFED_STANZA_BYTES_MAX + 1);
}

static struct bytes part_too_big(void)
{
	struct bytes b = { 0 };
	char *data = calloc(1, XFED_POLICY_PART_BYTES + 1);
	put_len(&b, 2, data, XFED_POLICY_PART_BYTES + 1);
	free(data);
	return frame_of(14, &b);
}

static struct bytes short_hash(void)
{
	struct bytes b = { 0 };
	put_len(&b, 1, "short", 5);
	return frame_of(15, &b);
}

static struct bytes strange_fate(void)
{
	struct bytes o = { 0 }, b = { 0 };
	put_number(&o, 1, 5);
	put_number(&o, 2, 6);
	put_len(&b, 1, o.data, o.len);
	free(o.data);
	return frame_of(8, &b);
}

static struct bytes empty_credit(void)
{
	struct bytes b = { 0 };
	return frame_of(4, &b);
}

static const struct refusal {
	const char *name;
	struct bytes (*make)(void);
	const char *problem;
} refusals[] = {
	{ "two messages", two_messages, "a frame with two messages" },
	{ "one message twice", one_twice, "a field stands twice" },
	{ "field twice", field_twice, "a field stands twice" },
	{ "group", group, "a field is broken" },
	{ "field zero", field_zero, "a field is broken" },
	{ "long varint", long_varint, "a field is broken" },
	{ "cut varint", cut_varint, "a field is broken" },
	{ "length beyond the frame", long_length, "a field is broken" },
	{ "wrong wire type", wrong_wire_type, "a field has the wrong wire type" },
	{ "not UTF-8", not_utf8, "a text is not UTF-8, or holds NUL" },
	{ "NUL", nul_in_text, "a text is not UTF-8, or holds NUL" },
	{ "surrogate", surrogate_in_text, "a text is not UTF-8, or holds NUL" },
	{ "unknown fields", many_unknown, "too many unknown fields" },
	{ "empty messages", empty_messages, "too many fields" },
	{ "numbers", many_numbers, "too many fields" },
	{ "numbers over the limit", numbers_over_limit, "too many numbers in a list" },
	{ "broken list", broken_list, "a list of numbers is broken" },
	{ "memory", much_memory, "a message needs more memory than a frame may" },
	{ "deliver without number", no_seq, "deliver: no number" },
	{ "deliver without kind", no_kind, "deliver: unknown kind" },
	{ "deliver of unknown kind", strange_kind, "deliver: unknown kind" },
	{ "deliver of negative kind", negative_kind, "deliver: unknown kind" },
	{ "deliver without stanza", no_stanza, "deliver: no stanza, or one above the maximum" },
	{ "deliver too large", big_stanza, "deliver: no stanza, or one above the maximum" },
	{ "policy part too large", part_too_big, "policy: an empty part, or one above the maximum" },
	{ "short hash", short_hash, "a hash is not 32 bytes" },
	{ "strange fate", strange_fate, "settled: no number, or an unknown fate" },
	{ "empty credit", empty_credit, "credit: nothing granted, nothing taken" },
};

static void refusals_name_what_is_wrong(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(refusals); i++) {
		struct bytes b = refusals[i].make();
		const char *problem;
		size_t taken;
		enum proto_frame_result result = read_bytes(&b, &problem, &taken);
		if (result != PROTO_FRAME_BAD || strcmp(problem, refusals[i].problem) != 0) {
			fail_msg("%s: result %d, \"%s\"", refusals[i].name, result, problem);
		}
	}
}

/* Section 3: what a newer version says is skipped, or read without its news. */
static void newer_versions_are_understood(void **state)
{
	struct bytes b = { 0 };
	const char *problem;
	size_t taken;
	put_len(&b, 90, "news", 4);
	assert_int_equal(read_bytes(&b, &problem, &taken), PROTO_FRAME_UNKNOWN);

	put_number(&b, 1, 5);
	put_len(&b, 80, "news", 4);
	b = frame_of(2, &b);
	assert_int_equal(read_bytes(&b, &problem, &taken), PROTO_FRAME_MESSAGE);

	struct bytes unpacked = { 0 };
	put_number(&unpacked, 1, 5);
	put_number(&unpacked, 1, 6);
	b = frame_of(6, &unpacked);
	assert_int_equal(read_bytes(&b, &problem, &taken), PROTO_FRAME_MESSAGE);
}

static void lengths_are_checked_before_the_bytes_come(void **state)
{
	static const struct {
		uint8_t head[4];
		enum proto_frame_result result;
	} rows[] = {
		{ { 0, 0, 0, 0 }, PROTO_FRAME_BAD },
		{ { 0, 4, 0x10, 0 }, PROTO_FRAME_MORE }, /* 260 KiB */
		{ { 0, 4, 0x10, 1 }, PROTO_FRAME_BAD },
		{ { 0xff, 0xff, 0xff, 0xff }, PROTO_FRAME_BAD },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct proto_frame_reader r;
		const Xfed__Frame *f;
		bool nomem;
		proto_frame_reader_init(&r);
		proto_frame_feed(&r, xfed_span_make(rows[i].head, 4), &nomem);
		if (proto_frame_next(&r, &f) != rows[i].result) {
			fail_msg("row %zu", i);
		}
		assert_true(r.in.size <= 4096);
		proto_frame_reader_deinit(&r);
	}
}

/* All samples in one run of bytes, in chunks of every size up to 64: the same messages come out. */
static void any_chunking_gives_the_same(void **state)
{
	struct xfed_buf all;
	xfed_buf_init(&all, 1 << 20);
	for (size_t i = 0; i < sample_count; i++) {
		assert_int_equal(proto_frame_write(&all, samples[i].frame), XFED_OK);
	}
	struct xfed_span bytes = xfed_buf_span(&all);
	for (size_t chunk = 1; chunk <= 64; chunk++) {
		struct proto_frame_reader r;
		const Xfed__Frame *f;
		size_t seen = 0;
		proto_frame_reader_init(&r);
		for (size_t at = 0; at < bytes.len; at += chunk) {
			bool nomem;
			size_t len = bytes.len - at < chunk ? bytes.len - at : chunk;
			assert_int_equal(proto_frame_feed(&r, xfed_span_make(bytes.data + at, len), &nomem), len);
			while (proto_frame_next(&r, &f) == PROTO_FRAME_MESSAGE) {
				assert_int_equal(f->body_case, samples[seen].frame->body_case);
				seen++;
			}
			assert_null(r.problem);
		}
		assert_int_equal(seen, sample_count);
		proto_frame_reader_deinit(&r);
	}
	xfed_buf_deinit(&all);
}

static void the_largest_stanza_fits(void **state)
{
	Xfed__Deliver d = XFED__DELIVER__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	struct xfed_buf out;
	struct proto_frame_reader r;
	const Xfed__Frame *back;
	bool nomem;
	uint8_t *stanza = malloc(XFED_STANZA_BYTES_MAX);
	memset(stanza, 'x', XFED_STANZA_BYTES_MAX);
	d.seq = UINT64_MAX;
	d.kind = XFED__KIND__KIND_MESSAGE;
	d.stanza.data = stanza;
	d.stanza.len = XFED_STANZA_BYTES_MAX;
	f.body_case = XFED__FRAME__BODY_DELIVER;
	f.deliver = &d;
	xfed_buf_init(&out, 1 << 20);
	assert_int_equal(proto_frame_write(&out, &f), XFED_OK);
	proto_frame_reader_init(&r);
	assert_int_equal(proto_frame_feed(&r, xfed_buf_span(&out), &nomem), xfed_buf_len(&out));
	assert_int_equal(proto_frame_next(&r, &back), PROTO_FRAME_MESSAGE);
	assert_int_equal(back->deliver->stanza.len, XFED_STANZA_BYTES_MAX);
	assert_memory_equal(back->deliver->stanza.data, stanza, XFED_STANZA_BYTES_MAX);
	/* An idle channel holds nothing of it. */
	assert_int_equal(proto_frame_next(&r, &back), PROTO_FRAME_MORE);
	assert_int_equal(r.in.size, 0);
	assert_true(r.arena.taken_bytes <= XFED_ARENA_KEEP);
	proto_frame_reader_deinit(&r);
	xfed_buf_deinit(&out);
	free(stanza);
}

static void a_frame_that_does_not_fit_is_not_begun(void **state)
{
	struct xfed_buf out;
	xfed_buf_init(&out, 20);
	assert_int_equal(proto_frame_write(&out, samples[0].frame), XFED_ERR_LIMIT);
	assert_int_equal(xfed_buf_len(&out), 0);
	xfed_buf_deinit(&out);
}

static void texts_for_people_are_made_fit(void **state)
{
	static const struct {
		const char *in;
		size_t size;
		const char *out;
	} rows[] = {
		{ "plain", 16, "plain" },
		{ NULL, 16, "" },
		{ "a\x01"
		  "b\n\x7f",
			16, "a?b??" },
		{ "caf\xe9!", 16, "caf?!" },
		{ "\xc3\xa4\xc3\xb6\xc3\xbc", 6, "\xc3\xa4\xc3\xb6" },
		{ "\xef\xbf\xbd", 16, "\xef\xbf\xbd" },
		{ "cut\xc3", 16, "cut?" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		char out[16];
		assert_string_equal(proto_text_clean(out, rows[i].size, rows[i].in), rows[i].out);
	}
}

/* Section 4, who sends what. */
static void senders(void **state)
{
	assert_true(proto_check_sender(XFED__ROLE__ROLE_EDGE, XFED__FRAME__BODY_STREAM_EVENT));
	assert_false(proto_check_sender(XFED__ROLE__ROLE_GATEWAY, XFED__FRAME__BODY_STREAM_EVENT));
	assert_true(proto_check_sender(XFED__ROLE__ROLE_GATEWAY, XFED__FRAME__BODY_POLICY_BEGIN));
	assert_false(proto_check_sender(XFED__ROLE__ROLE_EDGE, XFED__FRAME__BODY_POLICY_BEGIN));
	assert_false(proto_check_sender(XFED__ROLE__ROLE_NONE, XFED__FRAME__BODY_HELLO));
	assert_false(proto_check_sender(XFED__ROLE__ROLE_EDGE, (Xfed__Frame__BodyCase)77));
}

/* ---- failing allocations ---- */

static long fail_at, allocations;

static void *failing_malloc(size_t size)
{
	return allocations++ == fail_at ? NULL : malloc(size);
}
static void *failing_realloc(void *p, size_t size)
{
	return allocations++ == fail_at ? NULL : realloc(p, size);
}

static void every_allocation_may_fail(void **state)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	bool failed = true;
	xfed_mem_set_hooks(&hooks);
	for (fail_at = 0; failed; fail_at++) {
		struct xfed_buf out;
		struct proto_frame_reader r;
		const Xfed__Frame *f;
		failed = false;
		allocations = 0;
		xfed_buf_init(&out, 1 << 20);
		proto_frame_reader_init(&r);
		for (size_t i = 0; i < sample_count && !failed; i++) {
			bool nomem = false;
			failed = proto_frame_write(&out, samples[i].frame) != XFED_OK;
			if (!failed) {
				proto_frame_feed(&r, xfed_buf_span(&out), &nomem);
				xfed_buf_clear(&out);
				failed = nomem || proto_frame_next(&r, &f) == PROTO_FRAME_NOMEM;
				assert_null(r.problem);
			}
			if (failed && !nomem && xfed_buf_len(&r.in) > 0) {
				/* Nothing was consumed: it comes when there is memory again. */
				assert_int_equal(proto_frame_next(&r, &f), PROTO_FRAME_MESSAGE);
			}
		}
		proto_frame_reader_deinit(&r);
		xfed_buf_deinit(&out);
	}
	xfed_mem_set_hooks(NULL);
	assert_true(fail_at > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_name_what_is_wrong),
		cmocka_unit_test(newer_versions_are_understood),
		cmocka_unit_test(lengths_are_checked_before_the_bytes_come),
		cmocka_unit_test(any_chunking_gives_the_same),
		cmocka_unit_test(the_largest_stanza_fits),
		cmocka_unit_test(a_frame_that_does_not_fit_is_not_begun),
		cmocka_unit_test(texts_for_people_are_made_fit),
		cmocka_unit_test(senders),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
