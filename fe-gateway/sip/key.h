/*
 * Keys of transactions: 128-bit keyed hashes of what RFC 3261 compares (sections 17.1.3, 17.2.3, 8.2.2.2). The hash key is random per
 * layer, so that nobody can construct collisions, and tables need no long strings.
 */
#ifndef GATEWAY_SIP_KEY_H
#define GATEWAY_SIP_KEY_H

#include "sip/message.h"

struct sip_secret {
	uint8_t bytes[32];
};

struct sip_key {
	uint64_t a, b;
};

/* For a client transaction: the branch without its cookie, and the method. */
struct sip_key sip_key_client(const struct sip_secret *s, struct xfed_span branch, struct xfed_span method);

/*
 * For a server transaction: branch, sent-by and method, or without a cookie the fields of RFC 2543; and the transport, which no
 * retransmission changes. `method` is that of the request; INVITE for an ACK.
 */
struct sip_key sip_key_server(const struct sip_secret *s, const struct sip_message *m, int transport, struct xfed_span method);

/*
 * For merged requests: From tag, Call-ID and CSeq, and the sender's address, which is the same in each copy: clients of two users may make the
 * same tag and the same Call-ID, where they begin in the same second.
 */
struct sip_key sip_key_merged(const struct sip_secret *s, const struct sip_message *m);

#define SIP_TO_TAG_LEN 16

/* Our To tag for a request: the same for each copy of it. */
void sip_to_tag(const struct sip_secret *s, const struct sip_message *m, char out[SIP_TO_TAG_LEN]);

#endif
