#include "sip/locate_impl.h"

bool sip_locate_name(char out[NAME_SIZE], struct xfed_span name)
{
	if (name.len > 1 && name.data[name.len - 1] == '.') {
		name.len--;
	}
	if (!dns_name_is_valid(name)) {
		return false;
	}
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];
		out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	out[name.len] = '\0';
	return true;
}

bool sip_locate_supports(const struct sip_locate *l, enum sip_transport t)
{
	for (size_t i = 0; i < l->transport_count; i++) {
		if (l->transports[i] == t) {
			return true;
		}
	}
	return false;
}

void sip_locate_add_set(struct sip_locate *l, enum sip_transport t, const char *name)
{
	struct srv_set *s = &l->sets[l->set_count++];
	s->transport = t;
	memcpy(s->name, name, strlen(name) + 1);
}

/* ---- NAPTR ---- */

/* The transport a record is about; false: not usable for us (RFC 3263 section 4.1). */
static bool naptr_transport(const struct sip_locate *l, const struct xfed_dns_record *r, enum sip_transport *out)
{
	static const struct {
		const char *service;
		enum sip_transport transport;
	} services[] = { { "SIP+D2U", SIP_UDP }, { "SIP+D2T", SIP_TCP }, { "SIPS+D2T", SIP_TLS } };
	if (r->type != XFED_DNS_NAPTR || r->naptr.regexp.len > 0 || !xfed_span_eq_nocase(r->naptr.flags, XFED_SPAN("s"))) {
		return false;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(services); i++) {
		if (xfed_span_eq_nocase(r->naptr.services, xfed_span_str(services[i].service))) {
			*out = services[i].transport;
			return sip_locate_supports(l, *out);
		}
	}
	return false;
}

static bool is_before(const struct xfed_dns_record *a, const struct xfed_dns_record *b)
{
	return a->naptr.order != b->naptr.order ? a->naptr.order < b->naptr.order : a->naptr.preference < b->naptr.preference;
}

/* The best usable record that comes after `last`; NULL: the best of all. */
static const struct xfed_dns_record *best_naptr(const struct sip_locate *l, const struct xfed_dns_answer *answer, const struct xfed_dns_record *last)
{
	const struct xfed_dns_record *best = NULL;
	char name[NAME_SIZE];
	for (size_t i = 0; i < answer->count; i++) {
		const struct xfed_dns_record *r = &answer->records[i];
		enum sip_transport t;
		/* Equal records keep their order. */
		bool is_behind = !last || is_before(last, r) || (!is_before(r, last) && r > last);
		if (is_behind && (!best || is_before(r, best)) && naptr_transport(l, r, &t) && sip_locate_name(name, r->naptr.replacement)) {
			best = r;
		}
	}
	return best;
}

void sip_locate_read_naptr(struct sip_locate *l, const struct xfed_dns_answer *answer)
{
	const struct xfed_dns_record *first = best_naptr(l, answer, NULL);
	/* RFC 3403 section 4.1: after a match records of a higher order are not considered. */
	for (const struct xfed_dns_record *r = first; r && r->naptr.order == first->naptr.order && l->set_count < SETS_MAX;
		r = best_naptr(l, answer, r)) {
		char name[NAME_SIZE];
		enum sip_transport t;
		if (naptr_transport(l, r, &t) && sip_locate_name(name, r->naptr.replacement)) {
			sip_locate_add_set(l, t, name);
		}
	}
	l->is_naptr = l->set_count > 0;
}

/* ---- SRV, A, AAAA ---- */

void sip_locate_read_srv(const struct sip_locate *l, const struct xfed_dns_answer *answer, struct srv_set *s)
{
	struct xfed_dns_record r[XFED_DNS_RECORDS_MAX];
	size_t count = 0;
	for (size_t i = 0; i < answer->count && count < XFED_ARRAY_LEN(r); i++) {
		if (answer->records[i].type == XFED_DNS_SRV) {
			r[count++] = answer->records[i];
		}
	}
	xfed_dns_srv_order(l->env, r, count);
	for (size_t i = 0; i < count && s->count < TARGETS_MAX; i++) {
		if (r[i].srv.port != 0 && sip_locate_name(s->targets[s->count].name, r[i].srv.target)) {
			s->targets[s->count++].port = r[i].srv.port;
		}
	}
	/* RFC 2782: "." says that the service is not offered; so does port 0. */
	if (s->count > 0) {
		s->outcome = OUTCOME_FOUND;
	} else {
		s->outcome = count > 0 ? OUTCOME_REFUSED : OUTCOME_NONE;
	}
}

void sip_locate_read_addresses(const struct xfed_dns_answer *answer, enum xfed_dns_type type, struct leg *leg)
{
	leg->outcome = OUTCOME_NONE;
	for (size_t i = 0; i < answer->count && leg->count < XFED_SIP_LOCATE_ADDRESSES; i++) {
		const struct xfed_dns_record *r = &answer->records[i];
		if (r->type != type) {
			continue;
		}
		if (type == XFED_DNS_A) {
			memcpy(leg->addresses[leg->count++], r->a, sizeof(r->a));
		} else {
			memcpy(leg->addresses[leg->count++], r->aaaa, sizeof(r->aaaa));
		}
		leg->outcome = OUTCOME_FOUND;
	}
}
