/*
 * Who may send us SIP as one of our domains: a connection whose certificate has a name of domains[].peers, or an address in peer_addresses
 * (for tcp; for udp only where udp_trusted is set). Of a federated domain: a connection of sip.federation, with both. What a request says about its sender does not count. Pure.
 */
#ifndef GATEWAY_TRUNK_TRUST_H
#define GATEWAY_TRUNK_TRUST_H

#include "config/config.h"
#include "sip/layer.h"
#include "xfed/cert.h"

struct trust_peer {
	enum sip_transport transport;
	bool is_outside; /* the connection is one of sip.federation */
	struct rt_addr address;
	const struct xfed_cert *cert;  /* NULL: none was presented */
	enum xfed_reason chain_reason; /* NONE: the chain is valid */
};

/* `s` of a domain: whether the peer may send as that domain. `s` of the configuration: as any of our domains; else it is a stranger. */
bool trust_may_send(const struct config_senders *s, const struct trust_peer *peer);
/* As a domain of the Lync dialect. */
bool trust_may_send_lync(const struct config *c, const struct trust_peer *peer);
/* By which name of its certificate it may; false: by none. Lives as long as the certificate. */
bool trust_name(const struct config_senders *s, const struct trust_peer *peer, struct xfed_span *name);

/* Whether the certificate of a SIP server is valid for `name` (RFC 5922, or a plain host name). NONE, or why not. */
enum xfed_reason trust_server(const struct trust_peer *server, struct xfed_span name);

#endif
