/*
 * A delivery and its stanza (proto/channel.md section 6): its kind, whether the fields of the frame match the stanza, and the reason for
 * the sender where an outbox does not take it. Pure.
 */
#ifndef PROTO_DELIVER_H
#define PROTO_DELIVER_H

#include "xfed/reason.h"
#include "xfed/stanza.h"

#include "proto/channel.pb-c.h"

Xfed__Kind proto_kind_of(const struct xfed_stanza *s); /* for a message or presence, not for an IQ */
const char *proto_kind_word(Xfed__Kind kind);	       /* for metrics: an error counts as a message */

/*
 * Parses the stanza in a frame again: neither service trusts what the other has parsed. NONE: it is one whole message or presence, and the
 * fields of the frame (`kind`, `type`, `id`, `from`, `to`, `lang`) match it, because outcomes, late errors and what is remembered of a
 * contact are made from these. The reader is created where there is none, and belongs to the caller; `out` borrows from it until the next
 * call. Otherwise the reason to refuse the delivery; `out` may be filled in or not, so its type is valid only if it was zeroed before.
 */
enum xfed_reason proto_deliver_read(struct xfed_xml_reader **fragments, const Xfed__Deliver *d, struct xfed_stanza *out);

/* The reason for an error of proto_outbox_add(); `invalid` is the one for a text that breaks the limits, which depends on the side. */
enum xfed_reason proto_outbox_refusal(int rc, enum xfed_reason invalid);

#endif
