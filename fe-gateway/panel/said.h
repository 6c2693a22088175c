/*
 * Sentences that commands answer, in German. Commands know no languages: what they say is looked up here (words_said.def) by what it is in
 * English, with its names and numbers as slots; remedies come from libxfed/reasons_de.def. Pure; what is not known stays English.
 */
#ifndef GATEWAY_PANEL_SAID_H
#define GATEWAY_PANEL_SAID_H

#include "xfed/buf.h"

/*
 * Appends the German of `english`. XFED_ERR_NOT_FOUND: there is none, and nothing was appended; LIMIT, NOMEM: as of the buffer, which may have
 * a part of it. What was in a slot is not escaped: the caller writes text of strangers.
 */
int said_in_german(struct xfed_span english, struct xfed_buf *out);

struct said_row {
	const char *english, *german;
};
extern const struct said_row said_rows[];
extern const size_t said_row_count;

#endif
