/* Whether a message stanza without text has content its sender wants to be read, or only signals between clients. Internal to interwork. */
#ifndef GATEWAY_INTERWORK_PAYLOAD_H
#define GATEWAY_INTERWORK_PAYLOAD_H

#include "xfed/stanza.h"

#define IW_PAYLOAD_ENCRYPTED "it is encrypted end to end; send it without encryption"

/*
 * For a stanza without a usable <body/>. NULL: nothing that a person wrote (chat states, receipts, markers, keys without a message, hints
 * ...), so it may be dropped. Else the text for its sender, a literal that continues "The message has no text that the user could read: ".
 */
const char *iw_payload_untold(const struct xfed_stanza *s);

/* True: the text is an OTR message (OTR protocol version 3, "High Level Overview"), which only the two clients can read. */
bool iw_payload_is_otr(struct xfed_span body);

#endif
