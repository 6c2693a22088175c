#include <ldns/ldns.h>

#include "dns/name.h"
#include "xfed/dns.h"
#include "xfed/limits.h"

#define HEADER_BYTES 12
/* checked in the header before ldns makes an object of each record; a full EDNS datagram holds fewer than 100 */
#define WIRE_RECORDS_MAX 512

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Length of the question after the header; 0: it is not exactly one uncompressed question. */
static size_t question_len(const uint8_t *m, size_t len)
{
	if (len < HEADER_BYTES || get16(m + 4) != 1) {
		return 0;
	}
	size_t at = HEADER_BYTES;
	while (at < len && m[at] != 0) {
		if (m[at] > DNS_LABEL_MAX) {
			return 0;
		}
		at += 1u + m[at];
	}
	at += 1 + 4;
	return at <= len ? at - HEADER_BYTES : 0;
}

/* True: it is a reply, with our id and our question, case included (RFC 5452 section 9.1). */
static bool is_echo(struct xfed_span query, struct xfed_span reply)
{
	const uint8_t *q = (const uint8_t *)query.data, *r = (const uint8_t *)reply.data;
	size_t len = question_len(q, query.len);
	return len > 0 && len == question_len(r, reply.len) && get16(q) == get16(r) && LDNS_QR_WIRE(r) && LDNS_OPCODE_WIRE(r) == LDNS_PACKET_QUERY &&
	       memcmp(q + HEADER_BYTES, r + HEADER_BYTES, len) == 0;
}

static uint32_t clamp_ttl(uint32_t ttl)
{
	if (ttl > INT32_MAX) {
		ttl = 0; /* RFC 2181 section 8 */
	}
	return ttl < XFED_DNS_TTL_MIN_S ? XFED_DNS_TTL_MIN_S : ttl > XFED_DNS_TTL_MAX_S ? XFED_DNS_TTL_MAX_S : ttl;
}

/* A <character-string>: a length byte and as many bytes. */
static int copy_string(struct xfed_arena *a, const ldns_rdf *rdf, struct xfed_span *out)
{
	const uint8_t *d = ldns_rdf_data(rdf);
	size_t size = ldns_rdf_size(rdf);
	if (size == 0 || d[0] != size - 1) {
		return XFED_ERR_INVALID;
	}
	*out = xfed_arena_copy(a, xfed_span_make(d + 1, size - 1));
	return out->data ? XFED_OK : XFED_ERR_NOMEM;
}

static int fill_srv(struct xfed_arena *a, const ldns_rr *rr, struct xfed_dns_record *out)
{
	out->srv.priority = ldns_rdf2native_int16(ldns_rr_rdf(rr, 0));
	out->srv.weight = ldns_rdf2native_int16(ldns_rr_rdf(rr, 1));
	out->srv.port = ldns_rdf2native_int16(ldns_rr_rdf(rr, 2));
	return dns_name_text(a, ldns_rr_rdf(rr, 3), &out->srv.target);
}

static int fill_naptr(struct xfed_arena *a, const ldns_rr *rr, struct xfed_dns_record *out)
{
	out->naptr.order = ldns_rdf2native_int16(ldns_rr_rdf(rr, 0));
	out->naptr.preference = ldns_rdf2native_int16(ldns_rr_rdf(rr, 1));
	struct xfed_span *strings[] = { &out->naptr.flags, &out->naptr.services, &out->naptr.regexp };
	for (size_t i = 0; i < XFED_ARRAY_LEN(strings); i++) {
		int rc = copy_string(a, ldns_rr_rdf(rr, 2 + i), strings[i]);
		if (rc != XFED_OK) {
			return rc;
		}
	}
	return dns_name_text(a, ldns_rr_rdf(rr, 5), &out->naptr.replacement);
}

static int fill_tlsa(struct xfed_arena *a, const ldns_rr *rr, struct xfed_dns_record *out)
{
	out->tlsa.usage = ldns_rdf2native_int8(ldns_rr_rdf(rr, 0));
	out->tlsa.selector = ldns_rdf2native_int8(ldns_rr_rdf(rr, 1));
	out->tlsa.matching = ldns_rdf2native_int8(ldns_rr_rdf(rr, 2));
	const ldns_rdf *data = ldns_rr_rdf(rr, 3);
	out->tlsa.data = xfed_arena_copy(a, xfed_span_make(ldns_rdf_data(data), ldns_rdf_size(data)));
	return out->tlsa.data.data ? XFED_OK : XFED_ERR_NOMEM;
}

static int fill_address(const ldns_rr *rr, uint8_t *out, size_t size)
{
	if (ldns_rdf_size(ldns_rr_rdf(rr, 0)) != size) {
		return XFED_ERR_INVALID;
	}
	memcpy(out, ldns_rdf_data(ldns_rr_rdf(rr, 0)), size);
	return XFED_OK;
}

static int fill(struct xfed_arena *a, const ldns_rr *rr, enum xfed_dns_type type, struct xfed_dns_record *out)
{
	size_t fields = ldns_rr_rd_count(rr);
	out->type = type;
	switch (type) {
	case XFED_DNS_A:
		return fields == 1 ? fill_address(rr, out->a, sizeof(out->a)) : XFED_ERR_INVALID;
	case XFED_DNS_AAAA:
		return fields == 1 ? fill_address(rr, out->aaaa, sizeof(out->aaaa)) : XFED_ERR_INVALID;
	case XFED_DNS_SRV:
		return fields == 4 ? fill_srv(a, rr, out) : XFED_ERR_INVALID;
	case XFED_DNS_NAPTR:
		return fields == 6 ? fill_naptr(a, rr, out) : XFED_ERR_INVALID;
	case XFED_DNS_TLSA:
		return fields == 4 ? fill_tlsa(a, rr, out) : XFED_ERR_INVALID;
	}
	return XFED_ERR_INVALID;
}

struct chain {
	const ldns_rr_list *answer;
	const ldns_rdf *owner; /* owner name of the records we accept: the question, or the end of its CNAME chain */
	uint32_t ttl;	       /* the lowest seen */
	bool is_broken;	       /* a loop, or more than XFED_DNS_CNAMES_MAX */
};

static const ldns_rr *find_cname(const struct chain *c)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(c->answer); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(c->answer, i);
		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_CNAME && ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN && ldns_rr_rd_count(rr) == 1 &&
			dns_name_eq(ldns_rr_owner(rr), c->owner)) {
			return rr;
		}
	}
	return NULL;
}

static void follow_cnames(struct chain *c)
{
	for (unsigned n = 0;; n++) {
		const ldns_rr *rr = find_cname(c);
		if (!rr) {
			return;
		}
		if (n == XFED_DNS_CNAMES_MAX) {
			c->is_broken = true;
			return;
		}
		c->owner = ldns_rr_rdf(rr, 0);
		c->ttl = ldns_rr_ttl(rr) < c->ttl ? ldns_rr_ttl(rr) : c->ttl;
	}
}

/* Takes records of the requested type at the end of the chain, and no others. `*unusable` counts those whose content does not parse. */
static int take_records(struct xfed_arena *a, struct chain *c, enum xfed_dns_type type, struct xfed_dns_answer *out, size_t *unusable)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(c->answer); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(c->answer, i);
		if (ldns_rr_get_type(rr) != (ldns_rr_type)type || ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN ||
			!dns_name_eq(ldns_rr_owner(rr), c->owner)) {
			continue;
		}
		if (out->count == XFED_DNS_RECORDS_MAX) {
			break;
		}
		int rc = fill(a, rr, type, &out->records[out->count]);
		if (rc == XFED_ERR_NOMEM) {
			return rc;
		}
		if (rc != XFED_OK) {
			(*unusable)++;
			continue;
		}
		out->count++;
		c->ttl = ldns_rr_ttl(rr) < c->ttl ? ldns_rr_ttl(rr) : c->ttl;
	}
	return XFED_OK;
}

/* RFC 2308 section 5: the lower of the SOA's own TTL and its MINIMUM field. */
static uint32_t negative_ttl(const ldns_pkt *pkt, uint32_t chain_ttl)
{
	const ldns_rr_list *authority = ldns_pkt_authority(pkt);
	for (size_t i = 0; i < ldns_rr_list_rr_count(authority); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(authority, i);
		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA && ldns_rr_rd_count(rr) == 7) {
			uint32_t minimum = ldns_rdf2native_int32(ldns_rr_rdf(rr, 6));
			uint32_t ttl = ldns_rr_ttl(rr) < minimum ? ldns_rr_ttl(rr) : minimum;
			return ttl < chain_ttl ? ttl : chain_ttl;
		}
	}
	return 0;
}

static int read_answer(struct xfed_arena *a, const ldns_pkt *pkt, struct xfed_dns_answer *out)
{
	const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
	if (!question) {
		out->status = XFED_DNS_BOGUS_REPLY;
		return XFED_OK;
	}
	enum xfed_dns_type type = (enum xfed_dns_type)ldns_rr_get_type(question);
	struct chain chain = { .answer = ldns_pkt_answer(pkt), .owner = ldns_rr_owner(question), .ttl = UINT32_MAX };
	follow_cnames(&chain);
	if (chain.is_broken) {
		out->status = XFED_DNS_SERVFAIL;
		return XFED_OK;
	}
	size_t room = ldns_rr_list_rr_count(chain.answer), unusable = 0;
	room = room < XFED_DNS_RECORDS_MAX ? room : XFED_DNS_RECORDS_MAX;
	out->records = xfed_arena_alloc(a, room * sizeof(*out->records));
	if (!out->records) {
		return XFED_ERR_NOMEM;
	}
	int rc = take_records(a, &chain, type, out, &unusable);
	if (rc != XFED_OK) {
		return rc;
	}
	if (out->count > 0) {
		out->status = XFED_DNS_OK;
		out->ttl_s = clamp_ttl(chain.ttl);
	} else if (unusable > 0) {
		/* There are records, but none is usable: this must not count as "no such record" ([A1-03]). */
		out->status = XFED_DNS_SERVFAIL;
	} else {
		out->ttl_s = clamp_ttl(negative_ttl(pkt, chain.ttl));
	}
	return XFED_OK;
}

int xfed_dns_parse(struct xfed_arena *a, struct xfed_span query, struct xfed_span reply, struct xfed_dns_answer *out)
{
	const uint8_t *wire = (const uint8_t *)reply.data;
	*out = (struct xfed_dns_answer){ .status = XFED_DNS_BOGUS_REPLY, .ttl_s = XFED_DNS_TTL_MIN_S };
	if (!is_echo(query, reply)) {
		return XFED_OK;
	}
	if (LDNS_TC_WIRE(wire)) {
		out->status = XFED_DNS_TRUNCATED;
		return XFED_OK;
	}
	unsigned rcode = LDNS_RCODE_WIRE(wire);
	if ((rcode != LDNS_RCODE_NOERROR && rcode != LDNS_RCODE_NXDOMAIN) ||
		get16(wire + 6) + get16(wire + 8) + get16(wire + 10) > WIRE_RECORDS_MAX) {
		out->status = XFED_DNS_SERVFAIL;
		return XFED_OK;
	}
	ldns_pkt *pkt = NULL;
	ldns_status status = ldns_wire2pkt(&pkt, wire, reply.len);
	if (status != LDNS_STATUS_OK) {
		return status == LDNS_STATUS_MEM_ERR ? XFED_ERR_NOMEM : XFED_OK;
	}
	out->status = XFED_DNS_NO_DATA;
	out->nxdomain = rcode == LDNS_RCODE_NXDOMAIN;
	out->ad = ldns_pkt_ad(pkt);
	int rc = read_answer(a, pkt, out);
	ldns_pkt_free(pkt);
	if (rc != XFED_OK || out->status == XFED_DNS_BOGUS_REPLY) {
		*out = (struct xfed_dns_answer){ .status = XFED_DNS_BOGUS_REPLY, .ttl_s = XFED_DNS_TTL_MIN_S };
	}
	return rc;
}
