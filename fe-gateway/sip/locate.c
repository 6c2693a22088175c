#include "sip/locate.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "sip/locate_impl.h"
#include "xfed/mem.h"

/* ---- results ---- */

static void fail(struct sip_locate *l, enum xfed_reason reason, const char *type, const char *name)
{
	l->is_done = true;
	l->result.reason = reason;
	if (reason != XFED_REASON_DNS_NAME_MISSING && reason != XFED_REASON_DNS_SRV_REFUSED) {
		l->result.ttl_s = XFED_DNS_TTL_MIN_S;
	}
	snprintf(l->result.text, sizeof(l->result.text), "%s %.*s", type, DNS_NAME_TEXT_MAX, name);
}

static bool is_listed(const struct sip_locate *l, const struct sip_location *w)
{
	for (size_t i = 0; i < l->result.count; i++) {
		const struct sip_location *o = &l->list[i];
		if (o->transport == w->transport && o->is_ipv6 == w->is_ipv6 && o->port == w->port &&
			memcmp(o->address, w->address, sizeof(o->address)) == 0) {
			return true;
		}
	}
	return false;
}

static void list_leg(struct sip_locate *l, const struct target *t, size_t family)
{
	const struct leg *leg = &l->hosts[t->host].legs[family];
	for (size_t i = 0; i < leg->count && l->result.count < XFED_SIP_LOCATE_RESULTS; i++) {
		struct sip_location w = {
			.transport = t->transport, .is_ipv6 = family == 1, .port = t->port, .tls_name = t->transport == SIP_TLS ? l->tls_name : ""
		};
		memcpy(w.address, leg->addresses[i], sizeof(w.address));
		if (!is_listed(l, &w)) {
			l->list[l->result.count++] = w;
		}
	}
}

/* Chooses the failure to report: a time-out before a server's error, that before an empty answer. */
static void fail_without_address(struct sip_locate *l)
{
	enum xfed_reason reason = XFED_REASON_DNS_NAME_MISSING;
	const char *name = l->hosts[0].name;
	for (size_t i = 0; i < 2 * l->host_count; i++) {
		const struct leg *leg = &l->hosts[i / 2].legs[i % 2];
		if (leg->outcome == OUTCOME_FAILED && reason != XFED_REASON_DNS_TIMEOUT) {
			reason = leg->reason;
			name = l->hosts[i / 2].name;
		}
	}
	fail(l, reason, "A, AAAA", name);
}

/* All addresses of one target before the next target (RFC 2782); the order of families depends on what the caller can reach. */
static void finish(struct sip_locate *l)
{
	bool v6_first = l->families == SIP_IPV6_FIRST || l->families == SIP_IPV6_ONLY;
	for (size_t i = 0; i < l->target_count; i++) {
		list_leg(l, &l->targets[i], v6_first ? 1 : 0);
		list_leg(l, &l->targets[i], v6_first ? 0 : 1);
	}
	l->is_done = true;
	l->result.list = l->list;
	if (l->result.count == 0) {
		fail_without_address(l);
	}
}

/* ---- questions ---- */

static void ask(struct sip_locate *l, enum about about, size_t index, enum xfed_dns_type type, const char *name)
{
	XFED_REQUIRE(l->question_count < QUESTIONS_MAX);
	l->questions[l->question_count++] = (struct question){ .about = about, .index = index, .type = type, .name = name };
	l->question_open++;
}

static void add_target(struct sip_locate *l, enum sip_transport transport, const char *name, uint16_t port)
{
	size_t host = 0;
	if (l->target_count == TARGETS_MAX) {
		return;
	}
	while (host < l->host_count && strcmp(l->hosts[host].name, name) != 0) {
		host++;
	}
	if (host == l->host_count) {
		memcpy(l->hosts[host].name, name, strlen(name) + 1);
		l->host_count++;
	}
	l->targets[l->target_count++] = (struct target){ .transport = transport, .host = host, .port = port };
}

static void ask_addresses(struct sip_locate *l)
{
	for (size_t i = 0; i < l->host_count; i++) {
		if (l->families != SIP_IPV6_ONLY) {
			ask(l, ABOUT_ADDRESS, i, XFED_DNS_A, l->hosts[i].name);
		}
		if (l->families != SIP_IPV4_ONLY) {
			ask(l, ABOUT_ADDRESS, i, XFED_DNS_AAAA, l->hosts[i].name);
		}
	}
}

/* RFC 3263 section 4.1: UDP for sip, TLS for sips; else a transport that we have. */
static enum sip_transport guess(const struct sip_locate *l)
{
	static const enum sip_transport order[] = { SIP_UDP, SIP_TCP, SIP_TLS };
	for (size_t i = 0; i < XFED_ARRAY_LEN(order) && !l->has_transport; i++) {
		if (sip_locate_supports(l, order[i])) {
			return order[i];
		}
	}
	return l->transport;
}

static uint16_t default_port(enum sip_transport t)
{
	return t == SIP_TLS ? 5061 : 5060;
}

static void use_host_itself(struct sip_locate *l, enum sip_transport t)
{
	add_target(l, t, l->host, l->port ? l->port : default_port(t));
	ask_addresses(l);
}

/* ---- SRV ---- */

static void choose_targets(struct sip_locate *l);

static void ask_sets(struct sip_locate *l)
{
	for (size_t i = 0; i < l->set_count; i++) {
		ask(l, ABOUT_SRV, i, XFED_DNS_SRV, l->sets[i].name);
	}
	if (l->set_count == 0) {
		choose_targets(l);
	}
}

static void ask_srv_of(struct sip_locate *l, enum sip_transport t)
{
	static const char *const prefixes[SIP_TRANSPORT_COUNT] = { [SIP_UDP] = "_sip._udp.", [SIP_TCP] = "_sip._tcp.", [SIP_TLS] = "_sips._tcp." };
	char name[NAME_SIZE];
	int len = snprintf(name, sizeof(name), "%s%s", l->is_federated ? "_sipfederationtls._tcp." : prefixes[t], l->host);
	/* With a longer name the record cannot exist. */
	if (len > 0 && (size_t)len < sizeof(name)) {
		sip_locate_add_set(l, t, name);
	}
}

/* Takes the targets of the preferred set: with NAPTR all sets of one order, else the first set that has records. */
static void take_sets(struct sip_locate *l)
{
	for (size_t i = 0; i < l->set_count; i++) {
		const struct srv_set *s = &l->sets[i];
		if (s->outcome == OUTCOME_FAILED || (l->target_count > 0 && !l->is_naptr)) {
			return;
		}
		for (size_t k = 0; k < s->count; k++) {
			add_target(l, s->transport, s->targets[k].name, s->targets[k].port);
		}
	}
}

static const struct srv_set *find_set(const struct sip_locate *l, enum outcome outcome)
{
	for (size_t i = 0; i < l->set_count; i++) {
		if (l->sets[i].outcome == outcome) {
			return &l->sets[i];
		}
	}
	return NULL;
}

/* All SRV questions are answered (RFC 3263 section 4.2). */
static void choose_targets(struct sip_locate *l)
{
	const struct srv_set *failed = find_set(l, OUTCOME_FAILED);
	const struct srv_set *refused = find_set(l, OUTCOME_REFUSED);
	take_sets(l);
	if (l->target_count > 0) {
		ask_addresses(l);
	} else if (failed) {
		fail(l, failed->reason, "SRV", failed->name);
	} else if (refused) {
		fail(l, XFED_REASON_DNS_SRV_REFUSED, "SRV", refused->name);
	} else if (l->is_federated) {
		fail(l, XFED_REASON_DNS_NAME_MISSING, "SRV", l->set_count > 0 ? l->sets[0].name : l->host);
	} else {
		use_host_itself(l, l->is_naptr ? l->sets[0].transport : guess(l));
	}
}

/* ---- answers ---- */

static void read_naptr(struct sip_locate *l, const struct xfed_dns_answer *answer)
{
	sip_locate_read_naptr(l, answer);
	for (size_t i = 0; i < l->transport_count && !l->is_naptr; i++) {
		ask_srv_of(l, l->transports[i]);
	}
	ask_sets(l);
}

static void read_answer(struct sip_locate *l, const struct question *q, const struct xfed_dns_answer *answer)
{
	if (answer->ttl_s < l->result.ttl_s) {
		l->result.ttl_s = answer->ttl_s;
	}
	switch (q->about) {
	case ABOUT_NAPTR:
		read_naptr(l, answer);
		break;
	case ABOUT_SRV:
		sip_locate_read_srv(l, answer, &l->sets[q->index]);
		break;
	case ABOUT_ADDRESS:
		sip_locate_read_addresses(answer, q->type, &l->hosts[q->index].legs[q->type == XFED_DNS_A ? 0 : 1]);
		break;
	}
}

static void read_failure(struct sip_locate *l, const struct question *q, enum xfed_reason reason)
{
	switch (q->about) {
	case ABOUT_NAPTR:
		fail(l, reason, "NAPTR", q->name);
		break;
	case ABOUT_SRV:
		l->sets[q->index].outcome = OUTCOME_FAILED;
		l->sets[q->index].reason = reason;
		break;
	case ABOUT_ADDRESS: {
		struct leg *leg = &l->hosts[q->index].legs[q->type == XFED_DNS_A ? 0 : 1];
		leg->outcome = OUTCOME_FAILED;
		leg->reason = reason;
		break;
	}
	}
}

/* The last open question of a stage is answered. */
static void advance(struct sip_locate *l, enum about stage)
{
	if (l->is_done) {
		return;
	}
	switch (stage) {
	case ABOUT_NAPTR: /* this answer has asked further questions itself */
		break;
	case ABOUT_SRV:
		choose_targets(l);
		break;
	case ABOUT_ADDRESS:
		finish(l);
		break;
	}
}

int sip_locate_answer(struct sip_locate *l, unsigned question, const struct xfed_dns_answer *answer, enum xfed_reason failure)
{
	XFED_REQUIRE(l->question_told == l->question_count && (!l->is_done || l->is_told));
	if (question == 0 || question > l->question_count || l->questions[question - 1].is_answered) {
		return XFED_ERR_NOT_FOUND;
	}
	/* A copy, because reading the answer may add questions. */
	struct question q = l->questions[question - 1];
	l->questions[question - 1].is_answered = true;
	l->question_open--;
	if (!answer) {
		read_failure(l, &q, failure != XFED_REASON_NONE ? failure : XFED_REASON_DNS_TIMEOUT);
	} else if (answer->status == XFED_DNS_OK || answer->status == XFED_DNS_NO_DATA) {
		read_answer(l, &q, answer);
	} else {
		read_failure(l, &q, XFED_REASON_DNS_BOGUS);
	}
	if (l->question_open == 0) {
		advance(l, q.about);
	}
	return XFED_OK;
}

bool sip_locate_next(struct sip_locate *l, struct sip_locate_action *act)
{
	if (l->question_told < l->question_count) {
		const struct question *q = &l->questions[l->question_told++];
		*act = (struct sip_locate_action){
			.kind = SIP_LOCATE_ASK, .question = (unsigned)l->question_told, .name = xfed_span_str(q->name), .type = q->type
		};
		return true;
	}
	if (l->is_done && !l->is_told) {
		l->is_told = true;
		*act = (struct sip_locate_action){ .kind = SIP_LOCATE_DONE };
		return true;
	}
	return false;
}

const struct sip_locations *sip_locate_result(const struct sip_locate *l)
{
	return l->is_told ? &l->result : NULL;
}

/* ---- start ---- */

static void start(struct sip_locate *l)
{
	if (l->is_literal) {
		enum sip_transport t = guess(l);
		memcpy(l->hosts[0].name, l->host, sizeof(l->host));
		l->host_count = 1;
		add_target(l, t, l->host, l->port ? l->port : default_port(t));
		finish(l);
	} else if (l->port) {
		use_host_itself(l, guess(l));
	} else if (l->has_transport) {
		ask_srv_of(l, l->transport);
		ask_sets(l);
	} else {
		ask(l, ABOUT_NAPTR, 0, XFED_DNS_NAPTR, l->host);
	}
}

int sip_locate_new(const struct sip_locate_query *q, const struct xfed_env *env, struct sip_locate **out)
{
	*out = NULL;
	struct sip_locate *l = xfed_calloc(1, sizeof(*l));
	if (!l) {
		return XFED_ERR_NOMEM;
	}
	l->env = env;
	if (!sip_locate_read_query(l, q)) {
		xfed_free(l);
		return XFED_ERR_INVALID;
	}
	start(l);
	*out = l;
	return XFED_OK;
}

void sip_locate_free(struct sip_locate *l)
{
	xfed_free(l);
}

void sip_location_target(const struct sip_location *where, struct sip_target *out)
{
	*out = (struct sip_target){ .transport = where->transport, .port = where->port };
	inet_ntop(where->is_ipv6 ? AF_INET6 : AF_INET, where->address, out->ip, sizeof(out->ip));
	size_t len = strnlen(where->tls_name, sizeof(out->tls_name) - 1);
	memcpy(out->tls_name, where->tls_name, len);
}
