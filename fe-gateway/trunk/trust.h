/*
 * Who may send us SIP as one of our domains: a connection whose certificate carries a name of domains[].peers, or an address
 * of peer_addresses (tcp; udp only where the operator has said that it can be trusted). What a request says of itself
 * proves nothing. Pure.
 */
#ifndef GATEWAY_TRUNK_TRUST_H
#define GATEWAY_TRUNK_TRUST_H

#include "config/config.h"
#include "sip/layer.h"
#include "xfed/cert.h"

struct trust_peer {
	enum sip_transport transport;
	struct rt_addr address;
	const struct xfed_cert *cert;  /* NULL: none presented */
	enum xfed_reason chain_reason; /* NONE: the chain is good */
};

/* `s`: of the domain; of the whole configuration, whether as any of our domains: else a stranger. */
bool trust_may_send(const struct config_senders *s, const struct trust_peer *peer);

/* Whether the certificate of a SIP server proves `name` (RFC 5922, or a plain host name). NONE, or why it does not. */
enum xfed_reason trust_server(const struct trust_peer *server, struct xfed_span name);

#endif
