/* Connections and transactions as they are now, for operators. Included by trunk.h. */
#ifndef GATEWAY_TRUNK_FACTS_H
#define GATEWAY_TRUNK_FACTS_H

#include "sip/facts.h"
#include "xfed/cert.h"

struct trunk;

/* A connection over TCP or TLS; borrowed until the loop runs on. */
struct trunk_conn_facts {
	uint64_t id;
	enum sip_transport transport;
	const char *ip;
	uint16_t port;
	bool is_ours;	 /* we have opened it */
	bool is_open;	 /* else it is being set up */
	bool is_outside; /* of sip.federation */
	bool may_send;	 /* as one of our domains, or it is ours */
	uint64_t idle_ms;
	const struct xfed_cert_facts *cert; /* NULL: none was presented */
};
/* The one with the lowest number above `after`; in the order of numbers, from 0. False: there are no more. */
bool trunk_conn_next(const struct trunk *t, uint64_t after, struct trunk_conn_facts *out);
bool trunk_trans_next(const struct trunk *t, uint64_t after, struct sip_trans_facts *out); /* as sip_trans_next() */

struct trunk_load {
	size_t connections, transactions;
};
struct trunk_load trunk_load(const struct trunk *t);

#endif
