/*
 * Where a SIP request goes: RFC 3263 section 4 as a machine ([C4-04] to [C4-07]). It says what to
 * ask the DNS, takes the answers in any order, and ends with the places to try, in order, or with
 * the reason why there are none. It has no timers: every question is answered or failed by
 * the caller.
 *
 *   transport written                         that one, and no other
 *   address or port written, no transport     UDP (sip), TLS (sips)
 *   neither                                   NAPTR: the lowest order that offers a transport we
 *                                             support; without, SRV of each transport we support
 *   port written                              A and AAAA only
 *   no port                                   SRV; "." is dns.srv.refused; without SRV records A
 *                                             and AAAA of the host itself at the default port
 *
 * Where the RFC leaves a choice: of several transports with SRV records the one that stands first
 * in `transports` is taken and no other, and NAPTR records of a higher order are not looked at, so
 * that a server which offers TLS is not reached over UDP because its TLS port does not answer. For
 * the same reason a question that failed (time-out, SERVFAIL) is not taken for an empty answer:
 * when it was about a transport preferred to the one found, the lookup fails. Only NAPTR records
 * with flag "s" and no regular expression are used, whatever domain they point to.
 *
 * Driver: new; then sip_locate_next() until false; after each sip_locate_answer() the same. An
 * answer while actions are undrained is XFED_REQUIRE. The machine is one allocation: nothing but
 * sip_locate_new() can run out of memory.
 */
#ifndef GATEWAY_SIP_LOCATE_H
#define GATEWAY_SIP_LOCATE_H

#include "sip/layer.h"
#include "xfed/dns.h"
#include "xfed/limits.h"
#include "xfed/reason.h"

/* RFC 6724 needs the local addresses, which the caller knows ([C4-07]). Written addresses are used
 * as they are. */
enum sip_families {
	SIP_IPV4_FIRST,
	SIP_IPV6_FIRST,
	SIP_IPV4_ONLY,
	SIP_IPV6_ONLY,
};

struct sip_locate_query {
	struct xfed_span host; /* the URI's maddr, else its host: a name in A-labels, or an address
				  with or without brackets */
	uint16_t port;	       /* 0: none is written */
	bool has_transport;    /* one is written */
	enum sip_transport transport;
	bool is_sips; /* TLS on every hop: the other transports are not supported */
	/* What we support, the one we like best first; UDP is left out for a request above 1300
	 * bytes ([C3-02]). */
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
	const char *tls_name; /* "" on UDP and TCP; of a host that is an address its text, which no
				 certificate we accept carries */
};

struct sip_locations {
	enum xfed_reason reason;       /* NONE: there is at least one; else dns.*, or what a failure was
			      given as */
	char text[SIP_NAME_SIZE + 64]; /* with a reason: the question it is about, for the log */
	const struct sip_location *list;
	size_t count;
	uint32_t ttl_s; /* how long this may be used again, by the answers seen */
};

enum sip_locate_action_kind {
	SIP_LOCATE_ASK,	 /* question (from 1), name, type */
	SIP_LOCATE_DONE, /* sip_locate_result(); comes once, last */
};

struct sip_locate_action {
	enum sip_locate_action_kind kind;
	unsigned question;
	struct xfed_span name; /* lives as long as the machine */
	enum xfed_dns_type type;
};

struct sip_locate;

/*
 * Copies the query; `env` (random numbers for the order of SRV records) is borrowed for the life
 * of the machine. OK; INVALID: the host is neither name nor address, or no transport that was
 * asked for is supported; NOMEM.
 */
int sip_locate_new(const struct sip_locate_query *q, const struct xfed_env *env, struct sip_locate **out);
void sip_locate_free(struct sip_locate *l); /* NULL is fine; what is still asked may be cancelled */

bool sip_locate_next(struct sip_locate *l, struct sip_locate_action *act);

/*
 * `answer` is borrowed for the call; NULL where there is none, then `failure` says why
 * (dns.timeout). OK; NOT_FOUND: no such question is open, nothing happens.
 */
int sip_locate_answer(struct sip_locate *l, unsigned question, const struct xfed_dns_answer *answer, enum xfed_reason failure);

/* After DONE; valid until the machine is freed. NULL before. */
const struct sip_locations *sip_locate_result(const struct sip_locate *l);

/* The same place as the transaction layer's target (not bound to a flow). */
void sip_location_target(const struct sip_location *where, struct sip_target *out);

#endif
