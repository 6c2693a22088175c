#include "jid/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "xfed/mem.h"

#define ROUNDS_MAX 4 /* the first round and three more (RFC 8264 section 7) */

/* A part being processed: two buffers of code points, outside the arena, which gets results only. */
struct work {
	uint32_t *now, *next;
	size_t room; /* of each buffer */
	size_t n;    /* in `now` */
};

typedef int (*rules_fn)(struct work *w);

/* Replaces fullwidth and halfwidth code points by their decompositions. */
static uint32_t width_of(uint32_t c)
{
	/* All of them are in the block of halfwidth and fullwidth forms, except the ideographic space. */
	if (c != 0x3000 && (c < 0xFF00 || c > 0xFFEF)) {
		return c;
	}
	int tag = 0;
	ucs4_t to[UC_DECOMPOSITION_MAX_LENGTH];
	int n = uc_decomposition(c, &tag, to);
	return n == 1 && (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW) ? to[0] : c;
}

/*
 * Lower case of one code point, at most two written to `out`; returns how many. The context of a final sigma is ignored: the mapping has to
 * be stable, and the example of RFC 7622 section 3.5 distinguishes sigma from final sigma.
 */
static size_t lower_of(uint32_t c, uint32_t out[2])
{
	if (c == 0x0130) { /* the one unconditional lower case of two code points (SpecialCasing) */
		out[0] = 'i';
		out[1] = 0x0307;
		return 2;
	}
	out[0] = uc_tolower(c);
	return 1;
}

static void swap(struct work *w, size_t n)
{
	uint32_t *was = w->now;
	w->now = w->next;
	w->next = was;
	w->n = n;
}

static int normalise(struct work *w)
{
	size_t n = w->room;
	uint32_t *p = u32_normalize(UNINORM_NFC, w->now, w->n, w->next, &n);
	if (!p) {
		return errno == ENOMEM ? XFED_ERR_NOMEM : XFED_ERR_INVALID;
	}
	if (p != w->next) {
		if (n <= w->room) {
			memcpy(w->next, p, n * sizeof(*p));
		}
		free(p); /* the library's own memory */
	}
	if (n > w->room) {
		return XFED_ERR_INVALID; /* more code points than octets allowed */
	}
	swap(w, n);
	return XFED_OK;
}

static int map_lower(struct work *w)
{
	size_t n = 0;
	for (size_t i = 0; i < w->n; i++) {
		uint32_t low[2];
		size_t count = lower_of(w->now[i], low);
		if (count > w->room - n) {
			return XFED_ERR_INVALID;
		}
		memcpy(w->next + n, low, count * sizeof(low[0]));
		n += count;
	}
	swap(w, n);
	return XFED_OK;
}

static void map_width(struct work *w)
{
	for (size_t i = 0; i < w->n; i++) {
		w->now[i] = width_of(w->now[i]);
	}
}

static int map_only_rules(struct work *w)
{
	map_width(w);
	int rc = map_lower(w);
	return rc == XFED_OK ? normalise(w) : rc;
}

/* RFC 5895; and Cherokee folds to its capitals, because IDNA2008 disallows the small letters of this script. */
static int domain_rules(struct work *w)
{
	map_width(w);
	int rc = map_lower(w);
	for (size_t i = 0; i < w->n; i++) {
		uint32_t c = w->now[i];
		if (c >= 0xAB70 && c <= 0xABBF) {
			w->now[i] = c - 0xAB70 + 0x13A0;
		} else if (c >= 0x13F8 && c <= 0x13FD) {
			w->now[i] = c - 8;
		}
	}
	return rc == XFED_OK ? normalise(w) : rc;
}

/* RFC 8265 section 3.3. */
static int username_rules(struct work *w)
{
	map_width(w);
	if (!jid_precis_is_allowed(w->now, w->n, JID_PRECIS_IDENTIFIER)) {
		return XFED_ERR_INVALID;
	}
	int rc = map_lower(w);
	if (rc == XFED_OK) {
		rc = normalise(w);
	}
	if (rc == XFED_OK && jid_bidi_has_rtl(w->now, w->n) && !jid_bidi_is_sound(w->now, w->n)) {
		rc = XFED_ERR_INVALID;
	}
	return rc;
}

/* RFC 8265 section 4.2. */
static int opaque_rules(struct work *w)
{
	if (!jid_precis_is_allowed(w->now, w->n, JID_PRECIS_FREEFORM)) {
		return XFED_ERR_INVALID;
	}
	for (size_t i = 0; i < w->n; i++) {
		if (uc_is_general_category_withtable(w->now[i], UC_CATEGORY_MASK_Zs)) {
			w->now[i] = ' ';
		}
	}
	return normalise(w);
}

static int decode(struct work *w, struct xfed_span in)
{
	if (in.len > JID_RAW_PART_BYTES || !xfed_utf8_is_valid(in)) {
		return XFED_ERR_INVALID;
	}
	/* Lower case may double a code point, so the room is twice the octets: one allocation for both buffers. */
	w->room = 2 * in.len + 1;
	w->now = xfed_calloc(2 * w->room, sizeof(uint32_t));
	if (!w->now) {
		return XFED_ERR_NOMEM;
	}
	w->next = w->now + w->room;
	w->n = w->room;
	XFED_REQUIRE(u8_to_u32((const uint8_t *)in.data, in.len, w->now, &w->n) == w->now);
	return XFED_OK;
}

static int encode(struct xfed_arena *a, const struct work *w, struct xfed_span *out)
{
	size_t len = 0;
	uint8_t one[6];
	for (size_t i = 0; i < w->n; i++) {
		len += (size_t)u8_uctomb(one, w->now[i], sizeof(one));
	}
	if (len == 0 || len > XFED_JID_PART_BYTES) {
		return XFED_ERR_INVALID;
	}
	uint8_t *p = xfed_arena_alloc(a, len + 1);
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	XFED_REQUIRE(u32_to_u8(w->now, w->n, p, &len) == p);
	*out = xfed_span_make(p, len);
	return XFED_OK;
}

/* Applies the rules until nothing changes any more. */
static int stabilise(struct work *w, rules_fn rules, uint32_t *before)
{
	for (int round = 0; round < ROUNDS_MAX; round++) {
		size_t n = w->n;
		memcpy(before, w->now, n * sizeof(*before));
		int rc = rules(w);
		if (rc != XFED_OK) {
			return rc;
		}
		if (w->n == n && memcmp(before, w->now, n * sizeof(*before)) == 0) {
			return XFED_OK;
		}
	}
	return XFED_ERR_INVALID;
}

static int run(struct xfed_arena *a, struct xfed_span in, rules_fn rules, struct xfed_span *out)
{
	struct work w = { 0 };
	uint32_t *before = NULL;
	uint32_t *mem = NULL;
	int rc = decode(&w, in);
	if (rc != XFED_OK) {
		goto done;
	}
	mem = w.now;
	before = xfed_calloc(w.room, sizeof(*before));
	if (!before) {
		rc = XFED_ERR_NOMEM;
		goto done;
	}
	rc = stabilise(&w, rules, before);
	if (rc == XFED_OK) {
		rc = encode(a, &w, out);
	}
done:
	xfed_free(before);
	xfed_free(mem);
	return rc;
}

int jid_precis_username(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out)
{
	return run(a, in, username_rules, out);
}

int jid_precis_opaque(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out)
{
	return run(a, in, opaque_rules, out);
}

int jid_precis_map(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out)
{
	return run(a, in, map_only_rules, out);
}

int jid_precis_map_domain(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out)
{
	return run(a, in, domain_rules, out);
}
