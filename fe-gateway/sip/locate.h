/*
 * Where a SIP request goes: RFC 3263 section 4 as a machine ([C4-04] to [C4-07]). It says what to ask the DNS, takes the answers in any
 * order, and ends with the places to try, in order, or with the reason why there are none. It has no timers: the caller answers every
 * question, or reports its failure.
 *
 *   transport written                         that one, and no other
 *   address or port written, no transport     UDP (sip), TLS (sips)
 *   neither                                   NAPTR: the lowest order that offers a transport we
 *                                             support; without, SRV of each transport we support
 *   port written                              A and AAAA only
 *   no port                                   SRV; "." is dns.srv.refused; without SRV records A
 *                                             and AAAA of the host itself at the default port
 *
 * Where the RFC leaves a choice: of several transports with SRV records only the first one in `transports` is used, and NAPTR records of a
 * higher order are ignored, so that a server which offers TLS is not reached over UDP because its TLS port does not answer. For the same
 * reason a question that failed (time-out, SERVFAIL) does not count as an empty answer: if it was about a transport preferred to the one
 * found, the look-up fails. Only NAPTR records with flag "s" and no regular expression are used, whatever domain they point to.
 *
 * Driver: new; then sip_locate_next() until false; after each sip_locate_answer() the same. An answer before all actions are taken fails
 * XFED_REQUIRE. The machine is one allocation: only sip_locate_new() can run out of memory.
 */
#ifndef GATEWAY_SIP_LOCATE_H
#define GATEWAY_SIP_LOCATE_H

#include "sip/layer.h"
#include "xfed/dns.h"
#include "xfed/limits.h"
#include "xfed/reason.h"

/* RFC 6724 needs the local addresses, which the caller knows ([C4-07]). Addresses that are written out are used as they are. */
enum sip_families {
	SIP_IPV4_FIRST,
	SIP_IPV6_FIRST,
	SIP_IPV4_ONLY,
	SIP_IPV6_ONLY,
};

struct sip_locate_query {
	struct xfed_span host; /* the URI's maddr, else its host: a name in A-labels, or an address
				  with or without brackets */
	uint16_t port;	       /* 0: not written */
	bool has_transport;    /* a transport is written */
	enum sip_transport transport;
	bool is_sips; /* TLS on every hop: the other transports are not supported */
	/* `host` is a domain, and its federated neighbour is looked for: SRV _sipfederationtls._tcp alone, with TLS written. */
	bool is_federated;
	/* Transports we support, preferred ones first; without UDP for a request above 1300 bytes ([C3-02]). */
	enum sip_transport transports[SIP_TRANSPORT_COUNT];
	size_t transport_count;
	enum sip_families families;
	struct xfed_span tls_name; /* absent: `host`, whatever the SRV records say ([C4-06]) */
};

struct sip_location {
	enum sip_transport transport;
	bool is_ipv6;
	uint8_t address[16]; /* IPv4: the first 4 */
	uint16_t port;
	const char *tls_name; /* "" for UDP and TCP; for a host that is an address its text, which no acceptable certificate has */
};

struct sip_locations {
	enum xfed_reason reason;       /* NONE: there is at least one place; else dns.*, or the failure that was reported */
	char text[SIP_NAME_SIZE + 64]; /* with a reason: the question it is about, for the log */
	const struct sip_location *list;
	size_t count;
	uint32_t ttl_s; /* how long the result may be used, by the TTLs seen */
};

enum sip_locate_action_kind {
	SIP_LOCATE_ASK,	 /* question (from 1), name, type */
	SIP_LOCATE_DONE, /* sip_locate_result(); comes once, last */
};

struct sip_locate_action {
	enum sip_locate_action_kind kind;
	unsigned question;
	struct xfed_span name; /* valid as long as the machine */
	enum xfed_dns_type type;
};

struct sip_locate;

/*
 * Copies the query; `env` (random numbers for the order of SRV records) is borrowed as long as the machine exists. OK; INVALID: the host is
 * neither name nor address, or no requested transport is supported; NOMEM.
 */
int sip_locate_new(const struct sip_locate_query *q, const struct xfed_env *env, struct sip_locate **out);
void sip_locate_free(struct sip_locate *l); /* NULL is fine; open questions may be cancelled */

bool sip_locate_next(struct sip_locate *l, struct sip_locate_action *act);

/* `answer` is borrowed for the call; NULL: there is none, and `failure` says why (dns.timeout). OK; NOT_FOUND: no such question is open. */
int sip_locate_answer(struct sip_locate *l, unsigned question, const struct xfed_dns_answer *answer, enum xfed_reason failure);

/* After DONE; valid until the machine is freed. NULL before. */
const struct sip_locations *sip_locate_result(const struct sip_locate *l);

/* The place as a target of the transaction layer, without a flow. */
void sip_location_target(const struct sip_location *where, struct sip_target *out);

#endif
