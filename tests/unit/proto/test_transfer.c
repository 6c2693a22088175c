/* A policy in parts (proto/channel.md section 7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ends.h"
#include "proto/transfer.h"

struct receiver {
	struct proto_transfer_in in;
	enum proto_transfer_result last;
	size_t results[4];
};

static void take(struct ends *e, struct proto_session *s, const Xfed__Frame *f, size_t frame_bytes)
{
	struct receiver *r = e->user;
	if (s == e->edge && f->body_case != XFED__FRAME__BODY_WITHDRAW) {
		r->last = proto_transfer_take(&r->in, f);
		r->results[r->last]++;
	}
}

static void a_policy_crosses_between_other_messages(void **state)
{
	static const size_t sizes[] = { 0, 1, XFED_POLICY_PART_BYTES, XFED_POLICY_PART_BYTES + 1, 3 * 1024 * 1024 };
	for (size_t i = 0; i < XFED_ARRAY_LEN(sizes); i++) {
		struct receiver r = { 0 };
		struct ends e = { .on_message = take, .user = &r };
		struct proto_transfer_out out = { 0 };
		struct proto_revision rev = { .epoch = 1, .counter = 2 };
		char *bytes = calloc(1, sizes[i] + 1);
		bool done = false;
		for (size_t k = 0; k < sizes[i]; k++) {
			bytes[k] = (char)(k * 7 + k / 253);
		}
		assert_int_equal(proto_transfer_hash(xfed_span_make(bytes, sizes[i]), rev.hash), XFED_OK);
		assert_int_equal(proto_transfer_start(&out, &rev, xfed_span_make(bytes, sizes[i])), XFED_OK);
		ends_up(&e);
		while (!done) {
			assert_int_equal(proto_transfer_pump(&out, e.gw, &done), XFED_OK);
			assert_int_equal(proto_session_withdraw(e.gw, 1), XFED_OK);
			ends_run(&e);
		}
		assert_int_equal(r.last, PROTO_TRANSFER_COMPLETE);
		assert_int_equal(r.results[PROTO_TRANSFER_BAD], 0);
		assert_int_equal(r.in.total, sizes[i]);
		assert_int_equal(r.in.revision.counter, 2);
		if (sizes[i] > 0) {
			assert_memory_equal(r.in.bytes, bytes, sizes[i]);
		}
		proto_transfer_in_deinit(&r.in);
		free(bytes);
		ends_free(&e);
	}
}

/* ---- what an edge does not accept ---- */

static struct proto_transfer_in in;

static enum proto_transfer_result begin(uint32_t total, const char *of)
{
	Xfed__Revision rev = XFED__REVISION__INIT;
	Xfed__PolicyBegin b = XFED__POLICY_BEGIN__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	uint8_t hash[32];
	assert_int_equal(proto_transfer_hash(xfed_span_str(of), hash), XFED_OK);
	rev.hash.data = hash;
	rev.hash.len = sizeof(hash);
	b.revision = &rev;
	b.total_bytes = total;
	f.body_case = XFED__FRAME__BODY_POLICY_BEGIN;
	f.policy_begin = &b;
	return proto_transfer_take(&in, &f);
}

static enum proto_transfer_result part(uint32_t offset, const char *text)
{
	Xfed__PolicyPart p = XFED__POLICY_PART__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	p.offset = offset;
	p.data.data = (uint8_t *)(uintptr_t)text;
	p.data.len = strlen(text);
	f.body_case = XFED__FRAME__BODY_POLICY_PART;
	f.policy_part = &p;
	return proto_transfer_take(&in, &f);
}

static enum proto_transfer_result commit(const char *of)
{
	Xfed__PolicyCommit c = XFED__POLICY_COMMIT__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	uint8_t hash[32];
	assert_int_equal(proto_transfer_hash(xfed_span_str(of), hash), XFED_OK);
	c.hash.data = hash;
	c.hash.len = sizeof(hash);
	f.body_case = XFED__FRAME__BODY_POLICY_COMMIT;
	f.policy_commit = &c;
	return proto_transfer_take(&in, &f);
}

static void what_does_not_add_up_is_refused(void **state)
{
	assert_int_equal(part(0, "abc"), PROTO_TRANSFER_BAD); /* no Begin */
	assert_int_equal(commit("abc"), PROTO_TRANSFER_BAD);
	begin(3, "abc");
	assert_int_equal(part(1, "bc"), PROTO_TRANSFER_BAD);   /* a gap */
	assert_int_equal(part(0, "abcd"), PROTO_TRANSFER_BAD); /* more than announced */
	assert_int_equal(part(0, "ab"), PROTO_TRANSFER_MORE);
	assert_int_equal(commit("abc"), PROTO_TRANSFER_BAD); /* less than announced */
	assert_int_equal(part(2, "d"), PROTO_TRANSFER_MORE);
	assert_int_equal(commit("abc"), PROTO_TRANSFER_BAD); /* other bytes than the hash says */
	begin(3, "abc");
	assert_int_equal(part(0, "abc"), PROTO_TRANSFER_MORE);
	assert_int_equal(commit("abd"), PROTO_TRANSFER_BAD); /* another hash than Begin's */
	begin(3, "abc");				     /* a second Begin begins anew */
	assert_int_equal(part(0, "abc"), PROTO_TRANSFER_MORE);
	assert_int_equal(commit("abc"), PROTO_TRANSFER_COMPLETE);
	assert_int_equal(commit("abc"), PROTO_TRANSFER_BAD); /* once */
	proto_transfer_in_deinit(&in);
}

/* Memory grows with what has come, not by what is announced. */
static void an_announcement_takes_no_memory(void **state)
{
	begin(XFED_POLICY_BYTES_MAX, "abc");
	assert_int_equal(in.size, 0);
	assert_int_equal(part(0, "abc"), PROTO_TRANSFER_MORE);
	assert_true(in.size < 1000);
	proto_transfer_in_deinit(&in);
}

static void revisions_are_ordered(void **state)
{
	struct proto_revision a = { 1, 5, { 0 } }, b = { 2, 1, { 0 } }, c = { 2, 1, { 9 } };
	assert_true(proto_revision_compare(&a, &b) < 0);
	assert_true(proto_revision_compare(&b, &a) > 0);
	assert_int_equal(proto_revision_compare(&b, &c), 0); /* the caller compares the hashes: drift */
	a.epoch = 2;
	assert_true(proto_revision_compare(&a, &b) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_crosses_between_other_messages),
		cmocka_unit_test(what_does_not_add_up_is_refused),
		cmocka_unit_test(an_announcement_takes_no_memory),
		cmocka_unit_test(revisions_are_ordered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
