/*
 * What an outcome is to the sender of a stanza: the error it gets, whichever service writes it (proto/channel.md section 6).
 * Pure.
 */
#ifndef PROTO_OUTCOME_H
#define PROTO_OUTCOME_H

#include "xfed/reason.h"
#include "xfed/stanza.h"

#include "proto/channel.pb-c.h"

#define PROTO_TEXT_UNCERTAIN "The message may have been delivered: the answer was lost (delivery.uncertain)"

/* True where the sender has to be told: refused, uncertain, withdrawn. */
bool proto_outcome_is_bad(const Xfed__Outcome *oc);
/* The error for an outcome that is bad; `reason` speaks where the outcome has no words. Borrows from `oc`. */
void proto_outcome_error(const Xfed__Outcome *oc, enum xfed_reason reason, struct xfed_stanza_error *out);

/* A rule of FATE_DROPPED as a word of ours: "other" where it is none of those a gateway drops by. */
const char *proto_outcome_rule(const Xfed__Outcome *oc);

#endif
