#include <unistr.h>

#include "xfed/jid.h"

bool xfed_utf8_is_valid(struct xfed_span s)
{
	const uint8_t *p = (const uint8_t *)s.data;
	size_t i = 0;
	/* Most text is ASCII: eight bytes at a time until the first that is not. */
	while (s.len - i >= sizeof(uint64_t)) {
		uint64_t word;
		memcpy(&word, p + i, sizeof(word));
		if (word & UINT64_C(0x8080808080808080)) {
			break;
		}
		i += sizeof(word);
	}
	while (i < s.len && p[i] < 0x80) {
		i++;
	}
	return i == s.len || u8_check(p + i, s.len - i) == NULL;
}

struct xfed_span xfed_utf8_cut(struct xfed_span s, size_t max)
{
	while (max > 0 && max < s.len && ((uint8_t)s.data[max] & 0xc0) == 0x80) {
		max--;
	}
	return xfed_span_make(s.data, max < s.len ? max : s.len);
}

void xfed_utf8_mend(char *s, size_t len)
{
	uint8_t *at = (uint8_t *)s, *end = at + len, *bad;
	while ((bad = (uint8_t *)(uintptr_t)u8_check(at, (size_t)(end - at)))) {
		*bad = '?';
		at = bad + 1;
	}
}
