/*
 * Transports, flows and targets. A flow is a UDP socket or a TCP or TLS connection; its number is never 0 and never used again. A target is
 * where to send: an address, or a flow and the address behind it.
 */
#ifndef GATEWAY_SIP_FLOW_H
#define GATEWAY_SIP_FLOW_H

#include "xfed/base.h"

enum sip_transport {
	SIP_UDP,
	SIP_TCP,
	SIP_TLS,
};
#define SIP_TRANSPORT_COUNT 3

const char *sip_transport_name(enum sip_transport t); /* "UDP", "TCP", "TLS" */

#define SIP_IP_SIZE   46  /* text of an address, IPv6 without brackets, with its terminator */
#define SIP_NAME_SIZE 254 /* a DNS name with its terminator */

struct sip_flow_info {
	uint64_t id;
	enum sip_transport transport;
	char peer_ip[SIP_IP_SIZE]; /* without a zone ("%eth0") */
	uint16_t peer_port;
	char local_ip[SIP_IP_SIZE];
	uint16_t local_port;
	bool is_outside; /* a federated neighbour's; see sip_target */
	bool is_lync;	 /* it may send as a domain of that dialect, whose clients read statuses in a way of their own */
	bool is_known;	 /* the peer may send as one of our domains, or we connected to it; else it is a stranger */
};

struct sip_target {
	uint64_t flow; /* not 0: use this connection, or this UDP socket (then ip and port say where to) */
	enum sip_transport transport;
	char ip[SIP_IP_SIZE];
	uint16_t port;
	bool is_outside;	      /* a federated neighbour, over TLS: we have another name there (sip/outside.h) */
	char tls_name[SIP_NAME_SIZE]; /* name the certificate must carry; empty on UDP and TCP */
};

/* Whichever connection leads there. */
static inline bool sip_target_is_same_place(const struct sip_target *a, const struct sip_target *b)
{
	return a->transport == b->transport && a->port == b->port && strcmp(a->ip, b->ip) == 0 && strcmp(a->tls_name, b->tls_name) == 0;
}

#endif
