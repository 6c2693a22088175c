#include "panel/words.h"

static const char *const words[PANEL_WORD_COUNT][2] = {
#define WORD(id, english, german) [W_##id] = { english, german },
#include "panel/words.def"
#undef WORD
};

const char *panel_word(enum panel_word w, enum panel_language language)
{
	XFED_REQUIRE((unsigned)w < PANEL_WORD_COUNT);
	return words[w][language == PANEL_DE];
}
