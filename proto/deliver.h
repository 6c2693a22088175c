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
 * Outcomes, late errors and what is remembered of a contact are written from the frame's words, so each of them must be the
 * stanza's: `kind`, `type`, `id`, `from`, `to`, `lang`.
 */
bool proto_deliver_agrees(const Xfed__Deliver *d, const struct xfed_stanza *s);

struct xfed_span proto_domain_of(struct xfed_span jid); /* of a normalised address */

/* For a result of proto_outbox_add() that is not OK; `invalid` is what broken words are to this side. */
enum xfed_reason proto_outbox_refusal(int rc, enum xfed_reason invalid);

#endif
