#include "jid/internal.h"

#include <stdlib.h>
#include <unictype.h>
#include <uninorm.h>

enum property { PVALID, FREE_PVAL, CONTEXTJ, CONTEXTO, DISALLOWED };

struct exception {
	uint32_t first, last;
	enum property property;
};

/* RFC 8264 section 9.6 (RFC 5892 section 2.6). */
static const struct exception exceptions[] = {
	{ 0x00B7, 0x00B7, CONTEXTO },
	{ 0x00DF, 0x00DF, PVALID },
	{ 0x0375, 0x0375, CONTEXTO },
	{ 0x03C2, 0x03C2, PVALID },
	{ 0x05F3, 0x05F4, CONTEXTO },
	{ 0x0640, 0x0640, DISALLOWED },
	{ 0x0660, 0x0669, CONTEXTO },
	{ 0x06F0, 0x06F9, CONTEXTO },
	{ 0x06FD, 0x06FE, PVALID },
	{ 0x07FA, 0x07FA, DISALLOWED },
	{ 0x0F0B, 0x0F0B, PVALID },
	{ 0x3007, 0x3007, PVALID },
	{ 0x302E, 0x302F, DISALLOWED },
	{ 0x3031, 0x3035, DISALLOWED },
	{ 0x303B, 0x303B, DISALLOWED },
	{ 0x30FB, 0x30FB, CONTEXTO },
};

/* Hangul_Syllable_Type L, V or T (section 9.9). */
static bool is_old_hangul_jamo(uint32_t c)
{
	return (c >= 0x1100 && c <= 0x11FF) || (c >= 0xA960 && c <= 0xA97C) || (c >= 0xD7B0 && c <= 0xD7C6) || (c >= 0xD7CB && c <= 0xD7FB);
}

/* toNFKC(cp) != cp (section 9.17). */
static bool has_compat(uint32_t c)
{
	uint32_t out[32];
	size_t n = XFED_ARRAY_LEN(out);
	uint32_t *p = u32_normalize(UNINORM_NFKC, &c, 1, out, &n);
	bool is_same = p == out && n == 1 && out[0] == c;
	if (p != out) {
		/* longer than any compatibility mapping in present Unicode, or out of memory: counts as different */
		free(p);
	}
	return !is_same;
}

/* The order of section 8 matters: the first category that fits counts. */
static enum property derived_property(uint32_t c)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(exceptions); i++) {
		if (c >= exceptions[i].first && c <= exceptions[i].last) {
			return exceptions[i].property;
		}
	}
	if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cn)) {
		return DISALLOWED; /* unassigned, or a noncharacter */
	}
	if (c >= 0x21 && c <= 0x7E) {
		return PVALID;
	}
	if (uc_is_property_join_control(c)) {
		return CONTEXTJ;
	}
	if (is_old_hangul_jamo(c) || uc_is_property_default_ignorable_code_point(c) || uc_is_property_not_a_character(c) ||
		uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cc)) {
		return DISALLOWED;
	}
	if (has_compat(c)) {
		return FREE_PVAL;
	}
	if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Ll | UC_CATEGORY_MASK_Lu | UC_CATEGORY_MASK_Lo | UC_CATEGORY_MASK_Nd |
							UC_CATEGORY_MASK_Lm | UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Mc)) {
		return PVALID;
	}
	if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Lt | UC_CATEGORY_MASK_Nl | UC_CATEGORY_MASK_No | UC_CATEGORY_MASK_Me |
							UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_S | UC_CATEGORY_MASK_P)) {
		return FREE_PVAL;
	}
	return DISALLOWED;
}

static bool is_virama(uint32_t c)
{
	return uc_combining_class(c) == UC_CCC_VR;
}

/* RFC 5892 appendix A.1: the joining types before and after a ZERO WIDTH NON-JOINER, skipping transparent ones. */
static bool joins_both_ways(const uint32_t *s, size_t n, size_t at)
{
	size_t before = at;
	while (before > 0 && uc_joining_type(s[before - 1]) == UC_JOINING_TYPE_T) {
		before--;
	}
	size_t behind = at + 1;
	while (behind < n && uc_joining_type(s[behind]) == UC_JOINING_TYPE_T) {
		behind++;
	}
	if (before == 0 || behind == n) {
		return false;
	}
	int left = uc_joining_type(s[before - 1]);
	int right = uc_joining_type(s[behind]);
	return (left == UC_JOINING_TYPE_L || left == UC_JOINING_TYPE_D) && (right == UC_JOINING_TYPE_R || right == UC_JOINING_TYPE_D);
}

static bool is_script(uint32_t c, const char *name)
{
	const uc_script_t *script = uc_script(c);
	return script && strcmp(script->name, name) == 0;
}

/* Facts about the whole string that several rules need, found out once. */
struct whole {
	bool is_known;
	bool has_kana_or_han;
	bool has_arabic_indic, has_extended_arabic_indic; /* digits */
};

static const struct whole *look_at_whole(struct whole *w, const uint32_t *s, size_t n)
{
	if (w->is_known) {
		return w;
	}
	w->is_known = true;
	for (size_t i = 0; i < n; i++) {
		w->has_arabic_indic |= s[i] >= 0x0660 && s[i] <= 0x0669;
		w->has_extended_arabic_indic |= s[i] >= 0x06F0 && s[i] <= 0x06F9;
		w->has_kana_or_han |= is_script(s[i], "Hiragana") || is_script(s[i], "Katakana") || is_script(s[i], "Han");
	}
	return w;
}

/* RFC 5892 appendix A, all nine rules. */
static bool context_is_met(const uint32_t *s, size_t n, size_t at, struct whole *w)
{
	uint32_t c = s[at];
	if (c == 0x200C || c == 0x200D) {
		if (at > 0 && is_virama(s[at - 1])) {
			return true;
		}
		return c == 0x200C && joins_both_ways(s, n, at);
	}
	if (c == 0x00B7) {
		return at > 0 && at + 1 < n && s[at - 1] == 'l' && s[at + 1] == 'l';
	}
	if (c == 0x0375) {
		return at + 1 < n && is_script(s[at + 1], "Greek");
	}
	if (c == 0x05F3 || c == 0x05F4) {
		return at > 0 && is_script(s[at - 1], "Hebrew");
	}
	if (c == 0x30FB) {
		return look_at_whole(w, s, n)->has_kana_or_han;
	}
	if (c >= 0x0660 && c <= 0x0669) {
		return !look_at_whole(w, s, n)->has_extended_arabic_indic;
	}
	if (c >= 0x06F0 && c <= 0x06F9) {
		return !look_at_whole(w, s, n)->has_arabic_indic;
	}
	return false;
}

bool jid_precis_is_allowed(const uint32_t *s, size_t n, enum jid_precis_class class)
{
	struct whole whole = { 0 };
	for (size_t i = 0; i < n; i++) {
		switch (derived_property(s[i])) {
		case PVALID:
			break;
		case FREE_PVAL:
			if (class != JID_PRECIS_FREEFORM) {
				return false;
			}
			break;
		case CONTEXTJ:
		case CONTEXTO:
			if (!context_is_met(s, n, i, &whole)) {
				return false;
			}
			break;
		case DISALLOWED:
			return false;
		}
	}
	return true;
}
