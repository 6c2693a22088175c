/* What a message stanza without a text holds: something its sender wants read, or only signals between clients. Internal to interwork. */
#ifndef GATEWAY_INTERWORK_PAYLOAD_H
#define GATEWAY_INTERWORK_PAYLOAD_H

#include "xfed/stanza.h"

#define IW_PAYLOAD_ENCRYPTED "it is encrypted end to end; send it without encryption"

/*
 * For a stanza without a usable <body/>. NULL: nothing that a person wrote (chat states, receipts, markers, keys without a message,
 * hints ...): it may be dropped. Otherwise what its sender has to be told, a literal that goes on from "The message has no text that
 * the user could read: ".
 */
const char *iw_payload_untold(const struct xfed_stanza *s);

/* The text is a message of OTR (its protocol, version 3, "High Level Overview"): nobody but the two clients reads it. */
bool iw_payload_is_otr(struct xfed_span body);

#endif
