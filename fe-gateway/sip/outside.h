/*
 * What we are called at a federated neighbour (sip_target.is_outside), such as the Edge of a Lync installation. It knows nothing of our host,
 * and routes by domain: requests inside a dialog come back as the first one came only if our Contact is the user at his own domain (with
 * `gr`, RFC 5627: a name of one device). Pure. Included by the layer only.
 */
#ifndef GATEWAY_SIP_OUTSIDE_H
#define GATEWAY_SIP_OUTSIDE_H

#include "xfed/base.h"

#define SIP_OUTSIDE_CONTACT 4096

/* The Contact of that user, "<sip:bob@fabrikam.example;gr=xfed>". `contact`, where it is absent or the URI is none of a user: as it is. */
struct xfed_span sip_outside_contact(struct xfed_span contact, struct xfed_span uri, char out[SIP_OUTSIDE_CONTACT]);
/* The same for a response, whose user is in the To of `head` (sip_print_response_head()). */
struct xfed_span sip_outside_answer(struct xfed_span contact, struct xfed_span head, char out[SIP_OUTSIDE_CONTACT]);

#endif
