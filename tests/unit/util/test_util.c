/* arena, buf, hash, mem, table, spans and the reason table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "util/heap.h"
#include "util/table.h"
#include "xfed/arena.h"
#include "xfed/buf.h"
#include "xfed/hash.h"
#include "xfed/mem.h"
#include "xfed/reason.h"
#include "xfed/text.h"

/* ---- an allocator that counts, and fails when told ---- */

static size_t live, calls, countdown;

static void *hook_malloc(size_t size)
{
	calls++;
	if (countdown > 0 && --countdown == 0) {
		return NULL;
	}
	live++;
	return malloc(size);
}

static void *hook_realloc(void *p, size_t size)
{
	return p ? realloc(p, size) : hook_malloc(size);
}

static void hook_free(void *p)
{
	live--;
	free(p);
}

static int use_hooks(void **state)
{
	(void)state;
	static const struct xfed_mem_hooks hooks = { hook_malloc, hook_realloc, hook_free };
	live = calls = countdown = 0;
	xfed_mem_set_hooks(&hooks);
	return 0;
}

static int check_hooks(void **state)
{
	(void)state;
	xfed_mem_set_hooks(NULL);
	return live != 0;
}

/* ---- spans ---- */

/* "a|b": what is cut off, and the rest. */
static void cutting(void **state)
{
	static const struct {
		const char *text, *before, *rest;
	} rows[] = { { "a:b", "a", "b" }, { "a:b:c", "a", "b:c" }, { "a:", "a", "" }, { ":b", "", "b" }, { ":", "", "" }, { "ab", "ab", "" },
		{ "", "", "" } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_span rest = xfed_span_str(rows[i].text), before = xfed_span_cut(&rest, ':');
		if (!xfed_span_is(before, rows[i].before) || !xfed_span_is(rest, rows[i].rest)) {
			fail_msg("%s: %.*s and %.*s", rows[i].text, (int)before.len, before.data, (int)rest.len, rest.data);
		}
	}
	struct xfed_span none = { NULL, 0 };
	assert_int_equal(xfed_span_cut(&none, ':').len, 0);
	assert_null(none.data);
	assert_true(xfed_span_is(xfed_span_trim(XFED_SPAN("\t a b \t")), "a b"));
	assert_int_equal(xfed_span_trim(XFED_SPAN(" \t")).len, 0);
	assert_int_equal(xfed_span_trim(none).len, 0);
	assert_int_equal(xfed_lower('Z'), 'z');
	assert_int_equal(xfed_lower('['), '[');
}

static void spans_compare(void **state)
{
	(void)state;
	assert_true(xfed_span_eq(XFED_SPAN(""), xfed_span_make(NULL, 0)));
	assert_true(xfed_span_is(XFED_SPAN("ab"), "ab"));
	assert_false(xfed_span_is(XFED_SPAN("ab"), "abc"));
	assert_false(xfed_span_is(XFED_SPAN("ab"), "aB"));
	assert_null(xfed_span_str(NULL).data);
	assert_true(xfed_span_eq_nocase(XFED_SPAN("aZ\xc3\x84"), XFED_SPAN("Az\xc3\x84")));
	assert_false(xfed_span_eq_nocase(XFED_SPAN("\xc3\x84"), XFED_SPAN("\xc3\xa4")));
	assert_false(xfed_span_eq_nocase(XFED_SPAN("@["), XFED_SPAN("`{")));
	assert_true(xfed_span_eq_secret(XFED_SPAN("key"), XFED_SPAN("key")));
	assert_false(xfed_span_eq_secret(XFED_SPAN("key"), XFED_SPAN("kez")));
	assert_false(xfed_span_eq_secret(XFED_SPAN("key"), XFED_SPAN("keys")));
	char secret[] = "secret";
	xfed_wipe(secret, sizeof(secret));
	static const char zero[sizeof(secret)];
	assert_memory_equal(secret, zero, sizeof(secret));
	xfed_wipe(NULL, 0);
}

/* ---- mem ---- */

static void memory_is_ours(void **state)
{
	(void)state;
	char *p = xfed_calloc(3, 5);
	assert_non_null(p);
	for (int i = 0; i < 15; i++) {
		assert_int_equal(p[i], 0);
	}
	memcpy(p, "0123456789", 10);
	p = xfed_realloc(p, 4000);
	assert_non_null(p);
	assert_memory_equal(p, "0123456789", 10);
	assert_null(xfed_realloc(p, 0));
	assert_int_equal(live, 0);
	assert_null(xfed_calloc(SIZE_MAX / 2, 3));
	xfed_free(NULL);
	p = xfed_malloc(0);
	assert_non_null(p);
	xfed_free(p);
	p = xfed_strndup(xfed_span_make("abc", 2));
	assert_string_equal(p, "ab");
	xfed_free(p);
	p = xfed_strndup(xfed_span_make(NULL, 0));
	assert_string_equal(p, "");
	xfed_free(p);
	assert_null(xfed_strdup(NULL));
	p = xfed_strdup("xyz");
	assert_string_equal(p, "xyz");
	xfed_free(p);
	countdown = 1;
	assert_null(xfed_strdup("xyz"));
	countdown = 1;
	assert_null(xfed_calloc(1, 1));
}

/* ---- arena ---- */

static void arena_gives_zeroed_aligned_memory(void **state)
{
	(void)state;
	struct xfed_arena a;
	xfed_arena_init(&a, 1 << 20);
	for (int round = 0; round < 3; round++) {
		for (size_t size = 0; size < 700; size += 7) {
			unsigned char *p = xfed_arena_alloc(&a, size);
			assert_non_null(p);
			assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
			for (size_t i = 0; i < size; i++) {
				assert_int_equal(p[i], 0);
			}
			memset(p, 0xa5, size);
		}
		xfed_arena_reset(&a);
	}
	xfed_arena_deinit(&a);
	xfed_arena_deinit(&a);
	struct xfed_arena zeroed = { 0 };
	xfed_arena_reset(&zeroed);
	assert_null(xfed_arena_alloc(&zeroed, 1));
	xfed_arena_deinit(&zeroed);
}

static void arena_is_bounded(void **state)
{
	(void)state;
	for (size_t cap = 0; cap < 20000; cap += 777) {
		struct xfed_arena a;
		xfed_arena_init(&a, cap);
		size_t total = 0;
		while (xfed_arena_alloc(&a, 100)) {
			total += 100;
			assert_true(a.taken_bytes <= cap);
		}
		assert_true(total <= cap);
		assert_true(cap < 4096 || total > cap / 2);
		assert_null(xfed_arena_alloc(&a, cap));
		assert_null(xfed_arena_alloc(&a, SIZE_MAX));
		assert_null(xfed_arena_alloc(&a, SIZE_MAX - 8));
		xfed_arena_deinit(&a);
		assert_int_equal(live, 0);
	}
}

static void arena_reset_keeps_one_small_block(void **state)
{
	(void)state;
	struct xfed_arena a;
	xfed_arena_init(&a, 1 << 20);
	assert_non_null(xfed_arena_alloc(&a, 100));
	assert_non_null(xfed_arena_alloc(&a, 100000));
	xfed_arena_reset(&a);
	assert_int_equal(live, 1);
	assert_true(a.taken_bytes <= XFED_ARENA_KEEP);
	size_t before = calls;
	for (int i = 0; i < 100; i++) {
		assert_non_null(xfed_arena_alloc(&a, 2000));
		xfed_arena_reset(&a);
	}
	assert_int_equal(calls, before);
	xfed_arena_deinit(&a);
}

static void arena_uses_the_callers_memory_first(void **state)
{
	(void)state;
	XFED_UNSET struct xfed_arena_room room;
	struct xfed_arena a;
	memset(&room, 0xa5, sizeof(room));
	xfed_arena_init_in(&a, 20000, &room);
	for (int round = 0; round < 3; round++) {
		size_t before = calls;
		for (int i = 0; i < 9; i++) {
			const char *p = xfed_arena_alloc(&a, 400);
			assert_true(p >= room.mem && p + 400 <= room.mem + sizeof(room));
			assert_true(p[0] == 0 && p[399] == 0);
			memset((char *)(uintptr_t)p, 0xa5, 400);
		}
		assert_true(calls == before && a.taken_bytes == 0);
		assert_non_null(xfed_arena_alloc(&a, 2 * sizeof(room)));
		assert_true(live == 1 && a.taken_bytes > 2 * sizeof(room));
		assert_null(xfed_arena_alloc(&a, 20000));
		xfed_arena_reset(&a); /* what was lent is kept, and no other block */
		assert_true(live == 0 && a.taken_bytes == 0);
	}
	xfed_arena_deinit(&a);
	assert_int_equal(live, 0);
}

static void arena_copies_and_prints(void **state)
{
	(void)state;
	struct xfed_arena a;
	xfed_arena_init(&a, 1 << 20);
	struct xfed_span s = xfed_arena_copy(&a, xfed_span_make("abc", 2));
	assert_int_equal(s.len, 2);
	assert_string_equal(s.data, "ab");
	s = xfed_arena_copy(&a, xfed_span_make(NULL, 0));
	assert_non_null(s.data);
	assert_int_equal(s.len, 0);
	s = xfed_arena_printf(&a, "%s-%d", "x", 42);
	assert_string_equal(s.data, "x-42");
	assert_int_equal(s.len, 4);
	xfed_arena_deinit(&a);
	countdown = 1;
	assert_null(xfed_arena_copy(&a, XFED_SPAN("x")).data);
	countdown = 1;
	assert_null(xfed_arena_printf(&a, "x").data);
	xfed_arena_deinit(&a);
}

/* ---- buf ---- */

static void buf_is_a_queue(void **state)
{
	(void)state;
	struct xfed_buf b;
	xfed_buf_init(&b, 10000);
	unsigned in = 0, out = 0;
	/* More is appended than consumed, so the bytes wander through the memory and it grows. */
	for (int round = 0; round < 300; round++) {
		for (int i = 0; i < 7 + round % 90; i++) {
			char c = (char)(in++ % 251);
			assert_int_equal(xfed_buf_append(&b, xfed_span_make(&c, 1)), XFED_OK);
		}
		size_t take = xfed_buf_len(&b) < 40 ? xfed_buf_len(&b) : 40;
		for (size_t i = 0; i < take; i++) {
			assert_int_equal((unsigned char)xfed_buf_span(&b).data[i], out++ % 251);
		}
		xfed_buf_consume(&b, take);
	}
	while (xfed_buf_len(&b) > 0) {
		assert_int_equal((unsigned char)xfed_buf_span(&b).data[0], out++ % 251);
		xfed_buf_consume(&b, 1);
	}
	assert_int_equal(in, out);
	xfed_buf_trim(&b);
	assert_int_equal(live, 0);
	assert_int_equal(b.cap_bytes, 10000);
	xfed_buf_deinit(&b);
}

static void buf_is_bounded(void **state)
{
	(void)state;
	struct xfed_buf b;
	xfed_buf_init(&b, 8);
	assert_int_equal(xfed_buf_append_str(&b, "12345"), XFED_OK);
	assert_int_equal(xfed_buf_append_str(&b, "6789"), XFED_ERR_LIMIT);
	assert_true(xfed_span_is(xfed_buf_span(&b), "12345"));
	assert_int_equal(xfed_buf_printf(&b, "%s", "678"), XFED_OK);
	assert_int_equal(xfed_buf_printf(&b, "%s", "9"), XFED_ERR_LIMIT);
	assert_int_equal(xfed_buf_append(&b, XFED_SPAN("")), XFED_OK);
	assert_true(xfed_span_is(xfed_buf_span(&b), "12345678"));
	/* The cap is on unread bytes. */
	xfed_buf_consume(&b, 3);
	assert_int_equal(xfed_buf_append_str(&b, "9ab"), XFED_OK);
	assert_null(xfed_buf_reserve(&b, 1));
	assert_int_equal(xfed_buf_append(&b, xfed_span_make("x", SIZE_MAX)), XFED_ERR_LIMIT);
	assert_true(xfed_span_is(xfed_buf_span(&b), "456789ab"));
	assert_int_equal(b.cap_bytes, 8);
	xfed_buf_clear(&b);
	assert_int_equal(xfed_buf_len(&b), 0);
	char *room = xfed_buf_reserve(&b, 8);
	assert_non_null(room);
	memcpy(room, "abcdefgh", 8);
	xfed_buf_commit(&b, 3);
	assert_true(xfed_span_is(xfed_buf_span(&b), "abc"));
	xfed_buf_trim(&b);
	assert_int_equal(xfed_buf_len(&b), 3);
	xfed_buf_wipe(&b);
	assert_int_equal(live, 0);
	assert_non_null(xfed_buf_span(&b).data);
}

static void buf_survives_no_memory(void **state)
{
	(void)state;
	struct xfed_buf b;
	xfed_buf_init(&b, 100000);
	countdown = 1;
	assert_int_equal(xfed_buf_append_str(&b, "x"), XFED_ERR_NOMEM);
	assert_int_equal(xfed_buf_append_str(&b, "kept"), XFED_OK);
	char more[2000];
	memset(more, 'm', sizeof(more));
	countdown = 1;
	assert_int_equal(xfed_buf_append(&b, xfed_span_make(more, sizeof(more))), XFED_ERR_NOMEM);
	countdown = 1;
	assert_int_equal(xfed_buf_printf(&b, "%2000d", 1), XFED_ERR_NOMEM);
	countdown = 1;
	assert_null(xfed_buf_reserve(&b, 2000));
	assert_true(xfed_span_is(xfed_buf_span(&b), "kept"));
	xfed_buf_deinit(&b);
}

/* ---- hash ---- */

/* The reference vectors of SipHash-2-4: key 00..0f, input the bytes 00..n-1. */
static void siphash_matches_its_vectors(void **state)
{
	(void)state;
	static const uint8_t vectors[][8] = {
		{ 0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72 },
		{ 0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74 },
		{ 0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d },
		{ 0x2d, 0x7e, 0xfb, 0xd7, 0x96, 0x66, 0x67, 0x85 },
		{ 0xb7, 0x87, 0x71, 0x27, 0xe0, 0x94, 0x27, 0xcf },
		{ 0x8d, 0xa6, 0x99, 0xcd, 0x64, 0x55, 0x76, 0x18 },
		{ 0xce, 0xe3, 0xfe, 0x58, 0x6e, 0x46, 0xc9, 0xcb },
		{ 0x37, 0xd1, 0x01, 0x8b, 0xf5, 0x00, 0x02, 0xab },
		{ 0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93 },
		{ 0xb0, 0xe4, 0xa9, 0x0b, 0xdf, 0x82, 0x00, 0x9e },
		{ 0xf3, 0xb9, 0xdd, 0x94, 0xc5, 0xbb, 0x5d, 0x7a },
		{ 0xa7, 0xad, 0x6b, 0x22, 0x46, 0x2f, 0xb3, 0xf4 },
		{ 0xfb, 0xe5, 0x0e, 0x86, 0xbc, 0x8f, 0x1e, 0x75 },
		{ 0x90, 0x3d, 0x84, 0xc0, 0x27, 0x56, 0xea, 0x14 },
		{ 0xee, 0xf2, 0x7a, 0x8e, 0x90, 0xca, 0x23, 0xf7 },
		{ 0xe5, 0x45, 0xbe, 0x49, 0x61, 0xca, 0x29, 0xa1 },
	};
	uint8_t key[16], data[16];
	for (uint8_t i = 0; i < 16; i++) {
		key[i] = data[i] = i;
	}
	for (size_t n = 0; n < XFED_ARRAY_LEN(vectors); n++) {
		uint64_t expected = 0;
		for (int i = 7; i >= 0; i--) {
			expected = expected << 8 | vectors[n][i];
		}
		if (xfed_siphash(key, data, n) != expected) {
			fail_msg("input of %zu bytes", n);
		}
	}
	uint64_t unkeyed = xfed_hash_bytes("x", 1);
	xfed_hash_set_key(key);
	/* The first two vectors of SipHash-1-3 under the same key: no bytes, and one. */
	assert_int_equal(xfed_hash_bytes(data, 0), 0xabac0158050fc4dcULL);
	assert_int_equal(xfed_hash_bytes(data, 1), 0xc9f49bf37d57ca93ULL);
	assert_true(xfed_hash_bytes("x", 1) != unkeyed);
}

/* ---- table ---- */

struct entry {
	UT_hash_handle hh;
	int key;
};

static void table_reports_no_memory(void **state)
{
	(void)state;
	struct entry *head = NULL, entries[200] = { 0 }, *found;
	for (int i = 0; i < 200; i++) {
		entries[i].key = i;
		HASH_ADD_INT(head, key, &entries[i]);
		assert_true(XFED_TABLE_ADDED(&entries[i]));
	}
	for (int i = 0; i < 200; i++) {
		HASH_FIND_INT(head, &i, found);
		assert_ptr_equal(found, &entries[i]);
	}
	HASH_CLEAR(hh, head);
	assert_int_equal(live, 0);
	for (size_t n = 1; n <= 2; n++) {
		struct entry e = { .key = 7 };
		countdown = n;
		HASH_ADD_INT(head, key, &e);
		countdown = 0;
		assert_false(XFED_TABLE_ADDED(&e));
		assert_null(head);
		assert_int_equal(live, 0);
	}
}

/* ---- reasons ---- */

static bool is_code(const char *code)
{
	/* area.object.finding: two or three parts of lower-case words */
	size_t parts = 1;
	if (*code < 'a' || *code > 'z') {
		return false;
	}
	for (const char *p = code; *p; p++) {
		bool is_word = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-';
		if (*p == '.') {
			parts++;
		} else if (!is_word) {
			return false;
		}
	}
	return parts == 2 || parts == 3;
}

/* RFC 6120 4.9.3 */
static bool is_stream_condition(const char *s)
{
	static const char *const all[] = { "bad-format", "bad-namespace-prefix", "conflict", "connection-timeout", "host-gone", "host-unknown",
		"improper-addressing", "internal-server-error", "invalid-from", "invalid-namespace", "invalid-xml", "not-authorized",
		"not-well-formed", "policy-violation", "remote-connection-failed", "reset", "resource-constraint", "restricted-xml", "see-other-host",
		"system-shutdown", "undefined-condition", "unsupported-encoding", "unsupported-feature", "unsupported-stanza-type",
		"unsupported-version" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(all); i++) {
		if (strcmp(all[i], s) == 0) {
			return true;
		}
	}
	return false;
}

static void reasons_are_sound(void **state)
{
	(void)state;
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		const struct xfed_reason_info *info = xfed_reason_info((enum xfed_reason)r);
		assert_non_null(info->code);
		if (!is_code(info->code)) {
			fail_msg("'%s' is no code", info->code);
		}
		/* Found by its own code: no two rows share one. */
		if (xfed_reason_by_code(xfed_span_str(info->code)) != (enum xfed_reason)r) {
			fail_msg("%s stands twice", info->code);
		}
		if (info->sip_status != 0 && (info->sip_status < 400 || info->sip_status > 699)) {
			fail_msg("%s: SIP status %d", info->code, info->sip_status);
		}
		if (info->stream_error && !is_stream_condition(info->stream_error)) {
			fail_msg("%s: stream error %s", info->code, info->stream_error);
		}
		size_t len = strlen(info->remedy);
		if (len < 20 || info->remedy[len - 1] != '.') {
			fail_msg("%s: the remedy is no sentence: %s", info->code, info->remedy);
		}
		/* What files of ours alone decide nobody else can change. */
		static const char *const ours[] = { "policy.partner.", "policy.access.", "policy.kind." };
		for (size_t i = 0; i < XFED_ARRAY_LEN(ours); i++) {
			if (strncmp(info->code, ours[i], strlen(ours[i])) == 0 && info->side != XFED_SIDE_OPERATOR) {
				fail_msg("%s: at fault is %s", info->code, xfed_side_name(info->side));
			}
		}
	}
	assert_string_equal(xfed_reason_code(XFED_REASON_NONE), "none");
	assert_string_equal(xfed_reason_code((enum xfed_reason)XFED_REASON_COUNT), "none");
	assert_string_equal(xfed_reason_code((enum xfed_reason) - 1), "none");
	assert_int_equal(xfed_reason_by_code(XFED_SPAN("no.such")), XFED_REASON_NONE);
	assert_int_equal(xfed_reason_by_code(XFED_SPAN("none")), XFED_REASON_NONE);
}

static void users_read_sentences(void **state)
{
	(void)state;
	char words[256];
	for (int r = XFED_REASON_NONE; r < XFED_REASON_COUNT; r++) {
		const char *sentence = xfed_reason_sentence((enum xfed_reason)r);
		size_t len = strlen(sentence);
		bool is_sentence = len >= 20 && len < 128 && sentence[0] >= 'A' && sentence[0] <= 'Z' && sentence[len - 1] == '.';
		if (!is_sentence || strstr(sentence, "xfed") || strchr(sentence, '_')) {
			fail_msg("%s: %s", xfed_reason_code((enum xfed_reason)r), sentence);
		}
	}
	/* Those that end messages of partners' users speak for themselves. */
	for (int r = XFED_REASON_SIP_USER_UNKNOWN; r <= XFED_REASON_DELIVERY_SIZE_EXCEEDED; r++) {
		bool is_general = strcmp(xfed_reason_sentence((enum xfed_reason)r), xfed_reason_sentence(XFED_REASON_NONE)) == 0;
		if (is_general && xfed_reason_info((enum xfed_reason)r)->condition && xfed_reason_info((enum xfed_reason)r)->sip_status != 415) {
			fail_msg("%s has no sentence of its own", xfed_reason_code((enum xfed_reason)r));
		}
	}
	assert_non_null(xfed_reason_sentence((enum xfed_reason) - 1));
	xfed_reason_words(words, sizeof(words), XFED_REASON_SIP_USER_UNKNOWN, XFED_SPAN("Not Found"));
	assert_string_equal(words, "There is no user of this address: Not Found (sip.user.unknown)");
	xfed_reason_words(words, sizeof(words), XFED_REASON_SIP_USER_UNKNOWN, xfed_span_make(NULL, 0));
	assert_string_equal(words, "There is no user of this address (sip.user.unknown)");
	xfed_reason_words(words, 10, XFED_REASON_SIP_USER_UNKNOWN, xfed_span_make(NULL, 0));
	assert_string_equal(words, "There is ");
}

static void sides_have_names(void **state)
{
	(void)state;
	static const char *const names[] = { "us", "partner", "network", "local-user", "remote-user", "sip", "operator" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		assert_string_equal(xfed_side_name((enum xfed_side)i), names[i]);
	}
}

#define COUNTED(f) cmocka_unit_test_setup_teardown(f, use_hooks, check_hooks)

/* ---- the heap ---- */

/* Against a plain search: adding, moving, removing. */
static void the_heap_has_the_first_on_top(void **state)
{
	enum { N = 200 };
	static struct xfed_heap_item item[N];
	struct xfed_heap heap = { 0 };
	unsigned seed = 1;
	(void)state;
	memset(item, 0, sizeof(item));
	assert_null(xfed_heap_first(&heap));
	assert_int_equal(xfed_heap_reserve(&heap, N), XFED_OK);
	for (int round = 0; round < 20000; round++) {
		seed = seed * 1103515245 + 12345;
		struct xfed_heap_item *i = &item[seed / 65536 % N];
		seed = seed * 1103515245 + 12345;
		if (seed / 65536 % 4 == 0) {
			xfed_heap_remove(&heap, i);
		} else {
			xfed_heap_set(&heap, i, seed / 65536 % 50, (uint64_t)(i - item));
		}
		const struct xfed_heap_item *least = NULL;
		for (size_t k = 0; k < N; k++) {
			bool is_less = item[k].place && (!least || item[k].at < least->at); /* of equal ones the lower order comes first here */
			least = is_less ? &item[k] : least;
		}
		assert_ptr_equal(xfed_heap_first(&heap), least);
	}
	xfed_heap_deinit(&heap);
}

static void what_comes_out_in_time_stays_in_the_heap(void **state)
{
	struct xfed_heap heap = { 0 };
	struct xfed_heap_item a = { 0 };
	static const struct {
		uint64_t by, at;
	} rows[] = { { 30, 30 }, { 40, 30 }, { 30, 30 }, { 20, 20 }, { 25, 20 } };
	(void)state;
	assert_int_equal(xfed_heap_reserve(&heap, 1), XFED_OK);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		xfed_heap_set_by(&heap, &a, rows[i].by);
		assert_int_equal(xfed_heap_first(&heap)->at, rows[i].at);
	}
	xfed_heap_remove(&heap, &a);
	xfed_heap_set_by(&heap, &a, 50);
	assert_int_equal(xfed_heap_first(&heap)->at, 50);
	xfed_heap_deinit(&heap);
}

static void the_heap_without_memory(void **state)
{
	struct xfed_heap heap = { 0 };
	struct xfed_heap_item a = { 0 };
	(void)state;
	countdown = 1;
	assert_int_equal(xfed_heap_reserve(&heap, 1), XFED_ERR_NOMEM);
	assert_int_equal(xfed_heap_reserve(&heap, 1), XFED_OK);
	xfed_heap_set(&heap, &a, 5, 0);
	xfed_heap_remove(&heap, &a);
	xfed_heap_remove(&heap, &a);
	assert_null(xfed_heap_first(&heap));
	xfed_heap_deinit(&heap);
}

static void texts_stand_behind_their_struct(void **state)
{
	(void)state;
	char room[16], *at = room;
	memset(room, 'x', sizeof(room));
	struct xfed_span a = xfed_span_put(&at, XFED_SPAN("ab")), none = xfed_span_put(&at, xfed_span_str(NULL));
	const char *empty = xfed_text_put(&at, xfed_span_str(NULL)), *b = xfed_text_put(&at, xfed_span_make("cde", 2));
	assert_memory_equal(room, "ab\0\0\0cd\0x", 9);
	assert_ptr_equal(a.data, room);
	assert_int_equal(a.len, 2);
	assert_null(none.data);
	assert_string_equal(empty, "");
	assert_string_equal(b, "cd");
	assert_ptr_equal(at, room + 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cutting),
		cmocka_unit_test(spans_compare),
		COUNTED(memory_is_ours),
		COUNTED(arena_gives_zeroed_aligned_memory),
		COUNTED(arena_is_bounded),
		COUNTED(arena_reset_keeps_one_small_block),
		COUNTED(arena_uses_the_callers_memory_first),
		COUNTED(arena_copies_and_prints),
		COUNTED(buf_is_a_queue),
		COUNTED(buf_is_bounded),
		COUNTED(buf_survives_no_memory),
		cmocka_unit_test(the_heap_has_the_first_on_top),
		cmocka_unit_test(what_comes_out_in_time_stays_in_the_heap),
		COUNTED(the_heap_without_memory),
		cmocka_unit_test(siphash_matches_its_vectors),
		COUNTED(table_reports_no_memory),
		cmocka_unit_test(reasons_are_sound),
		cmocka_unit_test(users_read_sentences),
		cmocka_unit_test(sides_have_names),
		cmocka_unit_test(texts_stand_behind_their_struct),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
