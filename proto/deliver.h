/*
 * A delivery and its stanza (proto/channel.md section 6): the kind it goes by, whether the frame says of it what it says itself,
 * and what it is to the sender that an outbox does not take it. Pure.
 */
#ifndef PROTO_DELIVER_H
#define PROTO_DELIVER_H

#include "xfed/reason.h"
#include "xfed/stanza.h"

#include "proto/channel.pb-c.h"

Xfed__Kind proto_kind_of(const struct xfed_stanza *s); /* not of an IQ */
const char *proto_kind_word(Xfed__Kind kind);	       /* for metrics: an error counts as a message */

/*
 * What a frame carries, read again: neither service trusts what the other one has read. NONE: one whole message or presence, and the
 * words of the frame (`kind`, `type`, `id`, `from`, `to`, `lang`) are the stanza's, as outcomes, late errors and what is remembered of
 * a contact are written from them. The reader is made where there is none yet, and is the caller's; `out` borrows from it until the
 * next call. Else why the delivery is refused, and `out` may be filled in or not: its type is to be looked at, where it is 0 before.
 */
enum xfed_reason proto_deliver_read(struct xfed_xml_reader **fragments, const Xfed__Deliver *d, struct xfed_stanza *out);

struct xfed_span proto_domain_of(struct xfed_span jid); /* of a normalised address */

/* For a result of proto_outbox_add() that is not OK; `invalid` is what broken words are to this side. */
enum xfed_reason proto_outbox_refusal(int rc, enum xfed_reason invalid);

#endif
