#include <ldns/ldns.h>

#include "dns/name.h"
#include "xfed/dns.h"
#include "xfed/limits.h"

/* 0x20: somebody who forges a reply has to guess the case of each letter too (draft-vixie-dnsext-dns0x20). */
static void mix_case(const struct xfed_env *env, char *name, size_t len)
{
	uint8_t bits[(DNS_NAME_TEXT_MAX + 7) / 8];
	env->random(env->user, bits, sizeof(bits));
	for (size_t i = 0; i < len; i++) {
		bool is_letter = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z');
		if (is_letter && ((bits[i / 8] >> (i % 8)) & 1) != 0) {
			name[i] = (char)(name[i] ^ 0x20);
		}
	}
}

static ldns_pkt *make_packet(const char *name, enum xfed_dns_type type, uint16_t id)
{
	ldns_rdf *dname = ldns_dname_new_frm_str(name);
	if (!dname) {
		return NULL;
	}
	ldns_pkt *pkt = ldns_pkt_query_new(dname, (ldns_rr_type)type, LDNS_RR_CLASS_IN, LDNS_RD);
	if (!pkt) {
		ldns_rdf_deep_free(dname);
		return NULL;
	}
	ldns_pkt_set_id(pkt, id);
	/* AD in a query asks for AD in the answer (RFC 6840 section 5.7). */
	ldns_pkt_set_ad(pkt, true);
	ldns_pkt_set_edns_udp_size(pkt, XFED_DNS_EDNS_BYTES);
	return pkt;
}

int xfed_dns_query(const struct xfed_env *env, struct xfed_span name, enum xfed_dns_type type, uint16_t id, uint8_t *out, size_t size, size_t *len)
{
	char text[DNS_NAME_TEXT_MAX + 1];
	if (name.len > 0 && name.data[name.len - 1] == '.') {
		name.len--;
	}
	if (!dns_name_is_valid(name)) {
		return XFED_ERR_INVALID;
	}
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	mix_case(env, text, name.len);

	int rc = XFED_ERR_NOMEM;
	uint8_t *wire = NULL;
	size_t wire_len = 0;
	ldns_pkt *pkt = make_packet(text, type, id);
	if (!pkt) {
		return rc;
	}
	if (ldns_pkt2wire(&wire, pkt, &wire_len) != LDNS_STATUS_OK) {
		goto free_packet;
	}
	rc = XFED_ERR_LIMIT;
	if (wire_len <= size) {
		memcpy(out, wire, wire_len);
		*len = wire_len;
		rc = XFED_OK;
	}
	LDNS_FREE(wire);
free_packet:
	ldns_pkt_free(pkt);
	return rc;
}
