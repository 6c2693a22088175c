/*
 * Converts a text from SIP to UTF-8, with tables of our own: the C library's iconv reads files and loads code, which a name sent by a peer
 * must not cause. Internal to interwork.
 */
#ifndef GATEWAY_INTERWORK_CHARSET_H
#define GATEWAY_INTERWORK_CHARSET_H

#include "xfed/arena.h"
#include "xfed/base.h"

enum iw_charset {
	IW_CHARSET_UTF8,
	IW_CHARSET_ASCII,
	IW_CHARSET_LATIN1,  /* ISO-8859-1 */
	IW_CHARSET_LATIN9,  /* ISO-8859-15 */
	IW_CHARSET_CP1252,  /* windows-1252 */
	IW_CHARSET_UTF16,   /* big-endian unless a byte order mark says otherwise (RFC 2781 section 4.3) */
	IW_CHARSET_UTF16LE, /* these two have no byte order mark: U+FEFF is text (section 3.3) */
	IW_CHARSET_UTF16BE,
	IW_CHARSET_OTHER,
};

/* By IANA names and aliases, without case. Absent (data NULL): UTF-8 (RFC 3261 section 7.4.1). */
enum iw_charset iw_charset_of(struct xfed_span name);

/*
 * The text in UTF-8: the span itself if it is UTF-8, else at most three times its bytes in the arena. OK, NOMEM, or INVALID: bytes that are
 * not valid in this charset (unassigned, half a character, a lone surrogate), or OTHER.
 */
int iw_charset_decode(struct xfed_arena *a, enum iw_charset charset, struct xfed_span in, struct xfed_span *out);

#endif
