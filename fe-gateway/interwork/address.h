/*
 * Addresses between XMPP and SIP (RFC 7247 section 6, XEP-0106, RFC 5627): [B2-01] to [B2-15]. An address that maps one way maps back to
 * the same address; one that would not is refused, so that no two JIDs have the same SIP address.
 */
#ifndef GATEWAY_INTERWORK_ADDRESS_H
#define GATEWAY_INTERWORK_ADDRESS_H

#include "xfed/jid.h"
#include "xfed/reason.h"

enum iw_scheme { IW_SCHEME_SIP, IW_SCHEME_IM, IW_SCHEME_PRES };

struct iw_address_options {
	enum iw_scheme scheme; /* [B2-14]: sip unless the domain publishes another */
	bool with_gr;	       /* the resource becomes ;gr= ([B2-15]); with sip only, otherwise it is dropped */
};

/*
 * A normalised JID to a URI without <>, in ASCII: user part unescaped and percent-encoded, domain as A-labels. `o` NULL: sip without gr.
 * The result is in the arena. XFED_OK, XFED_ERR_NOMEM, or XFED_ERR_INVALID: the JID is a domain alone and the scheme not sip, or its
 * localpart is no canonical XEP-0106 form (such as "\5cfoo" or "\20foo", which would share the SIP address of another JID), or its domain
 * is too long for DNS; the reason for it is XFED_REASON_SIP_ADDRESS_UNMAPPABLE.
 */
int iw_jid_to_sip(struct xfed_arena *a, const struct xfed_jid *j, const struct iw_address_options *o, struct xfed_span *uri);

/*
 * The two ends of a request of ours: the user, in the domain it has inside (`inside`), and the contact, both as bare addresses (GRUUs are not
 * built). As iw_jid_to_sip().
 */
struct iw_ends {
	struct xfed_span user, contact;
};
int iw_ends_to_sip(struct xfed_arena *a, const struct xfed_jid *user, struct xfed_span inside, const struct xfed_jid *contact, struct iw_ends *out);

/*
 * A URI, or a name-addr with display name and parameters, to a normalised JID in the arena; `gr` is taken from the URI, else from behind
 * the <> ([B2-09]). Password, port, other parameters and headers are dropped ([B2-07], [B2-08]). XFED_OK, XFED_ERR_NOMEM, or
 * XFED_ERR_INVALID with `*why`: SIP_SIPS_REFUSED ([B1-05]), SIP_SCHEME_UNSUPPORTED (tel, xmpp, any but sip, im, pres),
 * SIP_ADDRESS_UNMAPPABLE (no user and the scheme not sip, an empty user, control characters, no UTF-8, no valid host ...).
 */
int iw_sip_to_jid(struct xfed_arena *a, struct xfed_span uri, struct xfed_jid *out, enum xfed_reason *why);

/*
 * The address inside <gone/> and <redirect/> (RFC 5122): a bare JID with a localpart, to and from "xmpp:romeo@example.net". What follows
 * "?", "#" or "/" is dropped. XFED_OK, XFED_ERR_NOMEM, or XFED_ERR_INVALID: no such URI, or no localpart.
 */
int iw_jid_to_xmpp_uri(struct xfed_arena *a, const struct xfed_jid *j, struct xfed_span *uri);
int iw_xmpp_uri_to_jid(struct xfed_arena *a, struct xfed_span uri, struct xfed_jid *out);

#endif
