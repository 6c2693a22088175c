/* The edge's memory of SIP requests (proto/delivery.md, Identity: 64 s, across gateways). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/check.h"
#include "proto/sipmemory.h"
#include "xfed/mem.h"

static Xfed__SipKey key(const char *call_id, const char *tag, uint32_t cseq, const char *uri)
{
	Xfed__SipKey k = XFED__SIP_KEY__INIT;
	k.call_id = (char *)(uintptr_t)call_id;
	k.from_tag = (char *)(uintptr_t)tag;
	k.cseq = cseq;
	k.request_uri = (char *)(uintptr_t)uri;
	return k;
}

static const char *claim(struct proto_sipmemory *m, Xfed__SipKey k, uint64_t nonce, uint64_t seq, uint64_t now)
{
	static const char *const names[] = { "first", "wait", "settled", "busy" };
	struct proto_waiter who = { nonce, seq };
	enum proto_sip_verdict v;
	struct proto_sip_fate *f;
	int rc = proto_sipmemory_claim(m, &k, &who, now, &v, &f);
	return rc == XFED_OK ? names[v] : rc == XFED_ERR_LIMIT ? "full" : "no memory";
}

static const Xfed__Outcome some = XFED__OUTCOME__INIT;
static const struct proto_result written = { .fate = XFED__FATE__FATE_DELIVERED, .sip_status = 202, .told = &some };
static const struct proto_result refused = { .fate = XFED__FATE__FATE_REFUSED, .sip_status = 404 };

static struct proto_sipmemory *memory(size_t max)
{
	struct proto_sipmemory *m;
	assert_int_equal(proto_sipmemory_new(max, &m), XFED_OK);
	return m;
}

static void a_retransmission_gets_the_same_answer(void **state)
{
	struct proto_sipmemory *m = memory(0);
	Xfed__SipKey k = key("c", "t", 1, "sip:a");
	assert_string_equal(claim(m, k, 1, 10, 0), "first");
	assert_string_equal(claim(m, k, 1, 10, 0), "wait"); /* itself again */
	assert_string_equal(claim(m, k, 2, 77, 5), "wait"); /* by way of a second gateway */
	struct proto_sip_fate *f = proto_sipmemory_find(m, &k);
	assert_int_equal(f->waiter_count, 2);
	assert_int_equal(f->waiters[1].run, 2);
	assert_int_equal(f->waiters[1].seq, 77);
	assert_int_equal(proto_sipmemory_settle(m, &k, &written, 1000), XFED_OK);
	assert_int_equal(proto_sipmemory_settle(m, &k, &refused, 1000), XFED_ERR_STATE);
	assert_string_equal(claim(m, k, 3, 1, 64999), "settled");
	f = proto_sipmemory_find(m, &k);
	assert_int_equal(f->result.fate, XFED__FATE__FATE_DELIVERED);
	assert_int_equal(f->result.sip_status, 202);
	assert_null(f->result.told);				/* it lives no longer than the call */
	assert_string_equal(claim(m, k, 3, 2, 65000), "first"); /* 64 s are over */
	proto_sipmemory_free(m);
}

/* All four parts count, and none runs into its neighbour. */
static void every_part_of_the_identity_counts(void **state)
{
	struct proto_sipmemory *m = memory(0);
	assert_string_equal(claim(m, key("ab", "c", 1, "sip:a"), 1, 1, 0), "first");
	assert_string_equal(claim(m, key("a", "bc", 1, "sip:a"), 1, 2, 0), "first");
	assert_string_equal(claim(m, key("ab", "d", 1, "sip:a"), 1, 3, 0), "first");
	assert_string_equal(claim(m, key("ab", "c", 2, "sip:a"), 1, 4, 0), "first");
	assert_string_equal(claim(m, key("ab", "c", 1, "sip:b"), 1, 5, 0), "first");
	assert_string_equal(claim(m, key("ab", "c", 1, "sip:a"), 1, 6, 0), "wait");
	assert_int_equal(proto_sipmemory_count(m), 5);
	proto_sipmemory_free(m);
}

static void bounds(void **state)
{
	struct proto_sipmemory *m = memory(2);
	char long_text[PROTO_URI_BYTES + 3000];
	memset(long_text, 'a', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	Xfed__SipKey k = key("c", "t", 1, "sip:a"), k2 = key("c", "t", 2, "sip:a");
	for (uint64_t i = 0; i < PROTO_SIPMEMORY_WAITERS; i++) {
		assert_string_equal(claim(m, k, 1, i, 0), i == 0 ? "first" : "wait");
	}
	assert_string_equal(claim(m, k, 1, 99, 0), "busy");
	assert_string_equal(claim(m, k2, 1, 1, 0), "first");
	assert_string_equal(claim(m, key("c", "t", 3, "sip:a"), 1, 1, 0), "full"); /* and nothing is evicted */
	assert_string_equal(claim(m, key(long_text, "t", 3, "sip:a"), 1, 1, 0), "full");
	proto_sipmemory_free(m);
}

static long fail_at, allocations;

static void *failing_malloc(size_t size)
{
	return allocations++ == fail_at ? NULL : malloc(size);
}
static void *failing_realloc(void *p, size_t size)
{
	return allocations++ == fail_at ? NULL : realloc(p, size);
}

static void one_pass(void)
{
	struct proto_sipmemory *m;
	if (proto_sipmemory_new(0, &m) != XFED_OK) {
		return;
	}
	for (uint32_t i = 0; i < 50; i++) {
		Xfed__SipKey k = key("c", "t", i, "sip:a");
		const char *verdict = claim(m, k, 1, i, i);
		if (strcmp(verdict, "first") != 0) {
			assert_string_equal(verdict, "no memory");
			assert_null(proto_sipmemory_find(m, &k));
			assert_string_equal(claim(m, k, 1, i, i), "first");
		}
		assert_int_equal(proto_sipmemory_settle(m, &k, &written, i), XFED_OK);
	}
	proto_sipmemory_tick(m, 64000 + 24);
	assert_int_equal(proto_sipmemory_count(m), 25);
	proto_sipmemory_free(m);
}

static void every_allocation_may_fail(void **state)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	xfed_mem_set_hooks(&hooks);
	fail_at = -1;
	do {
		fail_at++;
		allocations = 0;
		one_pass();
	} while (fail_at < allocations);
	xfed_mem_set_hooks(NULL);
	assert_true(fail_at > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_retransmission_gets_the_same_answer),
		cmocka_unit_test(every_part_of_the_identity_counts),
		cmocka_unit_test(bounds),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
