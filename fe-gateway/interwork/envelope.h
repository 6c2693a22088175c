/* Common parts of the stanzas made here. Internal to interwork. */
#ifndef GATEWAY_INTERWORK_ENVELOPE_H
#define GATEWAY_INTERWORK_ENVELOPE_H

#include "interwork/im.h"

/* Adds the attributes from, to, id, type and xml:lang, as far as they have data; `from` replaces that of the envelope. OK, NOMEM. */
int iw_envelope_attrs(struct xfed_arena *a, struct xfed_xml_elem *m, const struct iw_xmpp_envelope *env, const struct xfed_jid *from,
	struct xfed_span type, struct xfed_span lang);

/* Adds <NAME xmlns='jabber:server' xml:lang='LANG'>TEXT</NAME>; nothing if `text` has no data. OK, NOMEM. */
int iw_envelope_text(struct xfed_arena *a, struct xfed_xml_elem *m, const char *name, struct xfed_span text, struct xfed_span lang);

/* Adds <delay/> (XEP-0203) from our domain, on whose side the message was stored; nothing if sent_s is 0 or no time. OK, NOMEM. */
int iw_envelope_delay(struct xfed_arena *a, struct xfed_xml_elem *m, const struct iw_xmpp_envelope *env);

#endif
