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
	return i == s.len || u8_check(p + i, s.len - i) == NULL;
}
