/* What the files of the RFC 3263 machine share: locate.c asks and decides, locate_records.c reads DNS answers, locate_query.c the caller's query. */
#ifndef GATEWAY_SIP_LOCATE_IMPL_H
#define GATEWAY_SIP_LOCATE_IMPL_H

#include "dns/name.h"
#include "sip/locate.h"

#define NAME_SIZE     (DNS_NAME_TEXT_MAX + 1)
#define TARGETS_MAX   XFED_SIP_LOCATE_TARGETS
#define HOSTS_MAX     XFED_SIP_LOCATE_TARGETS
#define SETS_MAX      XFED_SIP_LOCATE_NAPTRS
#define QUESTIONS_MAX (1 + SETS_MAX + 2 * HOSTS_MAX)

enum outcome {
	OUTCOME_OPEN, /* no answer yet */
	OUTCOME_FOUND,
	OUTCOME_NONE,	 /* there is no such record */
	OUTCOME_REFUSED, /* SRV: target "." */
	OUTCOME_FAILED,	 /* no answer, or SERVFAIL */
};

/* The SRV records at one name. */
struct srv_set {
	char name[NAME_SIZE];
	enum sip_transport transport;
	enum outcome outcome;
	enum xfed_reason reason; /* for FAILED */
	struct {
		char name[NAME_SIZE];
		uint16_t port;
	} targets[TARGETS_MAX]; /* in the order to try */
	size_t count;
};

/* The addresses of one name, asked for once even if several targets have it. */
struct leg {
	enum outcome outcome;
	enum xfed_reason reason; /* for FAILED */
	uint8_t addresses[XFED_SIP_LOCATE_ADDRESSES][16];
	size_t count;
};

struct host {
	char name[NAME_SIZE];
	struct leg legs[2]; /* IPv4, IPv6 */
};

struct target {
	enum sip_transport transport;
	size_t host;
	uint16_t port;
};

enum about {
	ABOUT_NAPTR,
	ABOUT_SRV,     /* index: of the set */
	ABOUT_ADDRESS, /* index: of the host */
};

struct question {
	enum about about;
	size_t index;
	enum xfed_dns_type type;
	const char *name; /* in the machine */
	bool is_answered;
};

struct sip_locate {
	const struct xfed_env *env;
	char host[NAME_SIZE];
	uint16_t port;
	bool has_transport, is_literal, is_naptr, is_federated;
	enum sip_transport transport; /* valid with has_transport */
	enum sip_transport transports[SIP_TRANSPORT_COUNT];
	size_t transport_count;
	enum sip_families families;
	char tls_name[SIP_NAME_SIZE];

	struct question questions[QUESTIONS_MAX];
	size_t question_count, question_told, question_open;
	struct srv_set sets[SETS_MAX];
	size_t set_count;
	struct target targets[TARGETS_MAX];
	size_t target_count;
	struct host hosts[HOSTS_MAX];
	size_t host_count;

	bool is_done, is_told;
	struct sip_locations result;
	struct sip_location list[XFED_SIP_LOCATE_RESULTS];
};

/* ---- locate_records.c ---- */

/* To lower case, terminated, without a final dot; false: the name cannot be asked for. */
bool sip_locate_name(char out[NAME_SIZE], struct xfed_span name);
bool sip_locate_supports(const struct sip_locate *l, enum sip_transport t);
/* Reads the sets that usable NAPTR records point to; set_count stays 0 where there are none. */
void sip_locate_read_naptr(struct sip_locate *l, const struct xfed_dns_answer *answer);
void sip_locate_read_srv(const struct sip_locate *l, const struct xfed_dns_answer *answer, struct srv_set *s);
void sip_locate_read_addresses(const struct xfed_dns_answer *answer, enum xfed_dns_type type, struct leg *leg);
void sip_locate_add_set(struct sip_locate *l, enum sip_transport t, const char *name);

/* ---- locate_query.c ---- */

/* False: INVALID. A host that needs no question gets its addresses at once. */
bool sip_locate_read_query(struct sip_locate *l, const struct sip_locate_query *q);

#endif
