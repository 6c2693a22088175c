/* The remedies in German. A file of its own: a program that does not ask for them does not get them linked in. */
#include "xfed/reason.h"

static const char *const german[XFED_REASON_COUNT] = {
	[XFED_REASON_NONE] = "",
#define XFED_REASON_DE(id, remedy) [XFED_REASON_##id] = remedy,
#include "../reasons_de.def"
#undef XFED_REASON_DE
};

const char *xfed_reason_remedy_in(enum xfed_reason r, enum xfed_language language)
{
	if (language == XFED_GERMAN) {
		return (unsigned)r < XFED_REASON_COUNT ? german[r] : german[XFED_REASON_NONE];
	}
	return xfed_reason_info(r)->remedy;
}
