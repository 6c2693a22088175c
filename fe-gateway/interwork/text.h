/* Text that crosses: what XML 1.0 may hold, and what one header line may hold. Internal to interwork. */
#ifndef GATEWAY_INTERWORK_TEXT_H
#define GATEWAY_INTERWORK_TEXT_H

#include "xfed/arena.h"
#include "xfed/base.h"

/*
 * Characters that turn round or break the line they stand in, in valid UTF-8 (embeddings, overrides and isolates of bidirectional text, U+2028,
 * U+2029), taken away: for words of others that stand among ours. The span itself where there are none. OK or NOMEM.
 */
int iw_text_without_turns(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out);

/*
 * One line of at most `max` bytes, cut between characters: a run of control characters becomes a space, none at the ends, no U+FFFE
 * and U+FFFF. Data NULL where nothing is left, or it is no UTF-8. OK, NOMEM.
 */
int iw_text_line(struct xfed_arena *a, struct xfed_span s, size_t max, struct xfed_span *out);

/* At most `max` bytes of valid UTF-8, cut between characters. */
struct xfed_span iw_text_cut(struct xfed_span s, size_t max);
/* Without the white space of XML (section 2.3) at its ends. */
struct xfed_span iw_text_trim(struct xfed_span s);

/* Valid UTF-8 without the characters XML 1.0 section 2.2 forbids; the span itself where there are none. OK or NOMEM. */
int iw_text_for_xml(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out);

/* A language tag of RFC 5646: subtags of one to eight letters and digits, at most 35 octets (RFC 5646 section 4.4.1). */
bool iw_text_is_language(struct xfed_span s);

#endif
