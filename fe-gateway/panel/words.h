/* The panel's own words, in English and German (words.def); what commands say is in said.h. A unit test finds one that is missing. */
#ifndef GATEWAY_PANEL_WORDS_H
#define GATEWAY_PANEL_WORDS_H

#include "panel/page.h"

enum panel_word {
#define WORD(id, english, german) W_##id,
#include "panel/words.def"
#undef WORD
	PANEL_WORD_COUNT
};

const char *panel_word(enum panel_word w, enum panel_language language);

#endif
