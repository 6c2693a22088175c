/* What stanzas made here have in common. Internal to interwork. */
#ifndef GATEWAY_INTERWORK_ENVELOPE_H
#define GATEWAY_INTERWORK_ENVELOPE_H

#include "interwork/im.h"

/* Attributes from, to, id, type and xml:lang; those without data stay out. `from` instead of the envelope's own. OK, NOMEM. */
int iw_envelope_attrs(struct xfed_arena *a, struct xfed_xml_elem *m, const struct iw_xmpp_envelope *env, const struct xfed_jid *from,
	struct xfed_span type, struct xfed_span lang);

/* <NAME xmlns='jabber:server' xml:lang='LANG'>TEXT</NAME>; nothing where `text` has no data. OK, NOMEM. */
int iw_envelope_text(struct xfed_arena *a, struct xfed_xml_elem *m, const char *name, struct xfed_span text, struct xfed_span lang);

/* <delay/> (XEP-0203) by our domain, on whose side it was kept; nothing where sent_s is 0 or no time. OK, NOMEM. */
int iw_envelope_delay(struct xfed_arena *a, struct xfed_xml_elem *m, const struct iw_xmpp_envelope *env);

#endif
