#include "jid/internal.h"

#include <unictype.h>

#define BIT(class) (UINT32_C(1) << (class))

static uint32_t bit_of(uint32_t c)
{
	return BIT(uc_bidi_class(c));
}

#define RTL	 (BIT(UC_BIDI_R) | BIT(UC_BIDI_AL))
#define NEUTRALS (BIT(UC_BIDI_EN) | BIT(UC_BIDI_ES) | BIT(UC_BIDI_CS) | BIT(UC_BIDI_ET) | BIT(UC_BIDI_ON) | BIT(UC_BIDI_BN) | BIT(UC_BIDI_NSM))

bool jid_bidi_has_rtl(const uint32_t *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bit_of(s[i]) & (RTL | BIT(UC_BIDI_AN))) {
			return true;
		}
	}
	return false;
}

bool jid_bidi_is_sound(const uint32_t *s, size_t n)
{
	if (n == 0) {
		return false;
	}
	uint32_t first = bit_of(s[0]);
	bool is_rtl = first & RTL;
	if (!is_rtl && first != BIT(UC_BIDI_L)) {
		return false; /* condition 1 */
	}
	uint32_t seen = 0, last = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t b = bit_of(s[i]);
		seen |= b;
		if (b != BIT(UC_BIDI_NSM)) {
			last = b;
		}
	}
	if (is_rtl) {
		bool mixes_digits = (seen & BIT(UC_BIDI_EN)) && (seen & BIT(UC_BIDI_AN));
		return !(seen & ~(RTL | BIT(UC_BIDI_AN) | NEUTRALS)) &&			    /* 2 */
		       (last & (RTL | BIT(UC_BIDI_EN) | BIT(UC_BIDI_AN))) && !mixes_digits; /* 3, 4 */
	}
	return !(seen & ~(BIT(UC_BIDI_L) | NEUTRALS)) && (last & (BIT(UC_BIDI_L) | BIT(UC_BIDI_EN))); /* 5, 6 */
}
