/*
 * The limits of each message beyond its syntax (proto/channel.md section 4): lengths, counts, known values, and who may send it. Both sides
 * check, so that a mistake of the sender is found before it reaches the wire.
 */
#ifndef PROTO_CHECK_H
#define PROTO_CHECK_H

#include "xfed/base.h"

#include "proto/channel.pb-c.h"

#define PROTO_NAME_BYTES       255
#define PROTO_CAPABILITIES_MAX 32
#define PROTO_WORD_BYTES       64   /* for a capability, reason code, rule, condition, verb or cipher */
#define PROTO_TEXT_BYTES       1024 /* for a text that people read */
#define PROTO_ADDRESS_BYTES    3071 /* for an address: RFC 7622 3.1 */
#define PROTO_ID_BYTES	       1024 /* for a stanza id, Call-ID or tag */
#define PROTO_URI_BYTES	       4096
#define PROTO_SEQS_MAX	       1024 /* in one Attempted or AttemptedAck list */
#define PROTO_OUTCOMES_MAX     256  /* in one Settled */
#define PROTO_METRICS_MAX      512  /* of labels, arguments or facts in one message */
#define PROTO_FIELDS_MAX       64   /* labels, arguments, facts of one message */
#define PROTO_VALUE_BYTES      4096
#define PROTO_PAIRS_MAX	       64
#define PROTO_STEPS_MAX	       64
#define PROTO_CHAIN_MAX	       10
#define PROTO_CERT_NAMES_MAX   100
#define PROTO_JSON_BYTES       (128 * 1024)
#define PROTO_HASH_BYTES       32
#define PROTO_WALL_MS_MAX      253402300799999 /* the end of the year 9999 */

/* NULL: within the limits. Else what is wrong, a constant string. */
const char *proto_check(const Xfed__Frame *f);

/* Whether a peer of this role may send this body. */
bool proto_check_sender(Xfed__Role role, Xfed__Frame__BodyCase body);

/*
 * Makes a text from elsewhere (library messages, names in certificates) fit for a field: at most `size` - 1 bytes, cut between characters;
 * bytes that are not UTF-8, and control characters, become '?'. Returns `out`.
 */
const char *proto_text_clean(char *out, size_t size, const char *in);

/* "deliver", "policy-begin", ...; "none" for no body. */
const char *proto_body_name(Xfed__Frame__BodyCase body);

#endif
