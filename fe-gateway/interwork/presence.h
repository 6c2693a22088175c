/* Presence from XMPP until it is translated: the section "Until the rest is built" of proto/delivery.md. */
#ifndef GATEWAY_INTERWORK_PRESENCE_H
#define GATEWAY_INTERWORK_PRESENCE_H

#include "interwork/im.h"

/* IW_REFUSE with `*refusal` (type subscribe: service-unavailable), or IW_DROP by `*rule` "presence". Never another fate. */
enum iw_fate iw_presence_to_sip(const struct xfed_stanza *s, const char **rule, struct iw_xmpp_error *refusal);

#endif
