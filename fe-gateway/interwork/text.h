/* Text between the networks: what XML 1.0 allows, and what one header line allows. Internal to interwork. */
#ifndef GATEWAY_INTERWORK_TEXT_H
#define GATEWAY_INTERWORK_TEXT_H

#include "xfed/arena.h"
#include "xfed/base.h"

/*
 * Removes characters that reverse or break the line around them (embeddings, overrides and isolates of bidirectional text, U+2028, U+2029)
 * from valid UTF-8, where text of others is shown within ours. The span itself if there are none. OK or NOMEM.
 */
int iw_text_without_turns(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out);

/*
 * One line of at most `max` bytes, cut between characters: a run of control characters becomes one space, or nothing at the ends; U+FFFE
 * and U+FFFF are removed. Data NULL: nothing is left, or it is no UTF-8. OK, NOMEM.
 */
int iw_text_line(struct xfed_arena *a, struct xfed_span s, size_t max, struct xfed_span *out);

/* At most `max` bytes of valid UTF-8, cut between characters. */
struct xfed_span iw_text_cut(struct xfed_span s, size_t max);
/* Trimmed of XML white space (section 2.3). */
struct xfed_span iw_text_trim(struct xfed_span s);

/* A line without its end, CRLF or LF; `rest` moves behind it. */
struct xfed_span iw_text_next_line(struct xfed_span *rest);

/* Removes the characters that XML 1.0 section 2.2 forbids from valid UTF-8; the span itself if there are none. OK or NOMEM. */
int iw_text_for_xml(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out);

/* Whether it is a language tag of RFC 5646: subtags of one to eight letters and digits, at most 35 octets (section 4.4.1). */
bool iw_text_is_language(struct xfed_span s);

#endif
