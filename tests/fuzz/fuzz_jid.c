/*
 * Addresses. Accepted means: each part has 1 to 1023 octets of valid UTF-8, no control character, normalising again
 * changes nothing, the ASCII fast path agrees with the full one, and the domain has an A-label form that fits into DNS. An
 * escaped text comes back unescaped. The domain found in an address that need not be sound is the one of a sound one, and any
 * that is found is normalised.
 */
#include <stdlib.h>

#include "jid/internal.h"
#include "xfed/jid.h"
#include "xfed/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                                                   \
	do {                                                                                                                                         \
		if (!(cond)) {                                                                                                                       \
			abort();                                                                                                                     \
		}                                                                                                                                    \
	} while (0)

static void part_is_sound(struct xfed_span s)
{
	if (!s.data) {
		return;
	}
	MUST(s.len >= 1 && s.len <= XFED_JID_PART_BYTES);
	MUST(xfed_utf8_is_valid(s));
	for (size_t i = 0; i < s.len; i++) {
		MUST((uint8_t)s.data[i] >= 0x20 && s.data[i] != 0x7F);
	}
}

static void is_idempotent(struct xfed_arena *a, const struct xfed_jid *j)
{
	struct xfed_jid again;
	struct xfed_span full = xfed_jid_full(a, j);
	MUST(full.data && xfed_jid_parse(a, full, &again) == XFED_OK);
	MUST(xfed_span_eq(j->local, again.local) && xfed_span_eq(j->domain, again.domain) && xfed_span_eq(j->resource, again.resource));
	MUST(!j->local.data == !again.local.data && !j->resource.data == !again.resource.data);
}

/* The A-label form leads back to the domain. */
static void domain_goes_both_ways(struct xfed_arena *a, struct xfed_span domain)
{
	struct xfed_span ascii, back;
	MUST(xfed_jid_domain_ascii(a, domain, &ascii) == XFED_OK && ascii.len <= XFED_DOMAIN_POINTS);
	for (size_t i = 0; i < ascii.len; i++) {
		MUST(ascii.data[i] > 0x20 && ascii.data[i] < 0x7F);
	}
	MUST(xfed_jid_domain(a, ascii, &back) == XFED_OK && xfed_span_eq(domain, back));
}

static void domain_is_the_same(struct xfed_arena *a, struct xfed_span in, const struct xfed_jid *j)
{
	struct xfed_span found, again;
	int rc = xfed_jid_domain_of(a, in, &found);
	MUST(!j || (rc == XFED_OK && xfed_span_eq(found, j->domain)));
	if (rc == XFED_OK) {
		part_is_sound(found);
		MUST(xfed_jid_domain(a, found, &again) == XFED_OK && xfed_span_eq(found, again));
	}
}

static void fast_is_full(struct xfed_arena *a, struct xfed_span in)
{
	struct xfed_span full, copy = xfed_arena_copy(a, in);
	MUST(copy.data);
	enum jid_ascii_result fast = jid_resource_check_ascii(copy.data, copy.len);
	MUST(fast == JID_ASCII_NO || (fast == JID_ASCII_OK) == (jid_precis_opaque(a, in, &full) == XFED_OK));
	MUST(fast != JID_ASCII_OK || xfed_span_eq(full, copy));

	fast = jid_local_fold_ascii((char *)copy.data, copy.len);
	MUST(fast == JID_ASCII_NO || (fast == JID_ASCII_OK) == (jid_local_full(a, in, &full) == XFED_OK));
	MUST(fast != JID_ASCII_OK || xfed_span_eq(full, copy));

	copy = xfed_arena_copy(a, in);
	MUST(copy.data);
	fast = jid_domain_fold_ascii((char *)copy.data, &copy.len);
	MUST(fast == JID_ASCII_NO || (fast == JID_ASCII_OK) == (jid_domain_full(a, in, &full) == XFED_OK));
	MUST(fast != JID_ASCII_OK || xfed_span_eq(full, copy));
}

static void escape_comes_back(struct xfed_arena *a, struct xfed_span in)
{
	struct xfed_span escaped, local, back, again;
	if (xfed_jid_escape(a, in, &escaped) == XFED_OK) {
		MUST(xfed_jid_unescape(a, escaped, &back) == XFED_OK && xfed_span_eq(back, in));
	}
	if (xfed_jid_local_from_text(a, in, &local) == XFED_OK) {
		part_is_sound(local);
		MUST(xfed_jid_unescape(a, local, &back) == XFED_OK);
		MUST(xfed_jid_local_from_text(a, back, &again) == XFED_OK && xfed_span_eq(local, again));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xfed_arena a;
	struct xfed_jid j;
	struct xfed_span domain, in = xfed_span_make(data, size);
	xfed_arena_init(&a, 4 * 1024 * 1024);
	bool is_sound = xfed_jid_parse(&a, in, &j) == XFED_OK;
	domain_is_the_same(&a, in, is_sound ? &j : NULL);
	if (is_sound) {
		part_is_sound(j.local);
		part_is_sound(j.domain);
		part_is_sound(j.resource);
		is_idempotent(&a, &j);
		domain_goes_both_ways(&a, j.domain);
	}
	if (xfed_jid_domain(&a, in, &domain) == XFED_OK) {
		part_is_sound(domain);
	}
	if (size <= JID_RAW_PART_BYTES) {
		fast_is_full(&a, in);
		escape_comes_back(&a, in);
	}
	xfed_arena_deinit(&a);
	return 0;
}
