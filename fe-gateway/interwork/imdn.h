/*
 * application/ms-imdn+xml: whether a message, which was answered 202 with a Message-Id, has been delivered after all. It is told by a NOTIFY
 * in the session; a client takes it in no other request. [MS-CONFIM] section 2.2.2.
 */
#ifndef GATEWAY_INTERWORK_IMDN_H
#define GATEWAY_INTERWORK_IMDN_H

#include "interwork/errors.h"
#include "xfed/buf.h"

#define IW_IMDN_TYPE	 "application/ms-imdn+xml"
#define IW_IMDN_BYTES	 16384 /* of one document */
#define IW_IMDN_ID_BYTES 256

struct iw_imdn {
	struct xfed_span id; /* of Message-Id, not empty */
	int status;	     /* the worst of its recipients: 100 to 699; 200 where it names none, since only those are named who did not get it */
	struct xfed_span diagnostics; /* of that recipient, in the words of iw_diagnostics_words(); data NULL: none */
};

/* Appends a document. `recipient`: the URI of whom the message was for. XFED_OK; XFED_ERR_LIMIT, XFED_ERR_NOMEM: the buffer is unchanged. */
int iw_imdn_write(struct xfed_buf *out, struct xfed_span id, struct xfed_span recipient, int status);

/*
 * Reads one, with its texts in the arena. XFED_OK; XFED_ERR_NOMEM; XFED_ERR_LIMIT: too large; XFED_ERR_INVALID: no such document, or one without
 * id, or with recipients and without status. Unless OK `*out` is zeroed.
 */
int iw_imdn_read(struct xfed_arena *a, struct xfed_span body, struct iw_imdn *out);

#endif
