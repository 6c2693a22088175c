/* Content-Transfer-Encoding (RFC 2045 section 6), which encodes a body as lines of text. Internal to interwork. */
#ifndef GATEWAY_INTERWORK_TRANSFER_CODING_H
#define GATEWAY_INTERWORK_TRANSFER_CODING_H

#include "xfed/arena.h"
#include "xfed/base.h"

enum iw_transfer_coding {
	IW_TRANSFER_IDENTITY, /* 7bit, 8bit, binary, or no such header field */
	IW_TRANSFER_BASE64,
	IW_TRANSFER_QUOTED_PRINTABLE,
	IW_TRANSFER_OTHER,
};

/* Names are compared without case. Absent (data NULL) is IDENTITY, empty is not. */
enum iw_transfer_coding iw_transfer_coding_of(struct xfed_span value);

/*
 * Decodes: the span itself, or fewer bytes in the arena. Lenient where nothing is ambiguous (line ends, blanks, missing padding, soft
 * breaks with a lone LF, bytes above 126 in quoted-printable). OK, NOMEM, or INVALID.
 */
int iw_transfer_decode(struct xfed_arena *a, enum iw_transfer_coding coding, struct xfed_span in, struct xfed_span *out);

#endif
