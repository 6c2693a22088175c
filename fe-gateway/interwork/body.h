/* The text of a SIP message's body, decoded from its charset and encoding. Internal to interwork. */
#ifndef GATEWAY_INTERWORK_BODY_H
#define GATEWAY_INTERWORK_BODY_H

#include "interwork/im.h"

struct iw_body_fault {
	enum xfed_reason reason;
	struct xfed_span detail; /* the header field and its value, printable ASCII without quotes; in the arena, or a literal */
};

/*
 * The text in UTF-8, without characters XML forbids; the body itself if it is that already. OK, NOMEM, or INVALID with `*fault`: it cannot
 * be read.
 */
int iw_body_read(struct xfed_arena *a, const struct iw_sip_message *m, struct xfed_span *text, struct iw_body_fault *fault);

#endif
