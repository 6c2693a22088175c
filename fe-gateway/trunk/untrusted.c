/* The last peers whose requests were refused because they may not send as the domain in their From; in a fixed amount of memory. */
#include "trunk/trunk_impl.h"

#include <stdio.h>

/* All requests of a peer that claim domains which are not ours count as one entry. */
static bool is_same(const struct trunk_untrusted *u, const struct sip_flow_info *flow, struct xfed_span domain, bool is_ours)
{
	return u->count > 0 && u->is_ours == is_ours && u->transport == flow->transport && strcmp(u->ip, flow->peer_ip) == 0 &&
	       (!is_ours || xfed_span_is(domain, u->domain));
}

/* Which entry to replace first: an empty one, then one for a domain that is not ours, then the one not heard of for longest. */
static bool goes_first(const struct trunk_untrusted *a, const struct trunk_untrusted *b)
{
	bool is_free = a->count == 0, is_other_free = b->count == 0;
	return is_free != is_other_free ? is_free : a->is_ours != b->is_ours ? !a->is_ours : a->number < b->number;
}

static struct trunk_untrusted *place_for(struct trunk *t, const struct sip_flow_info *flow, struct xfed_span domain, bool is_ours)
{
	struct trunk_untrusted *victim = &t->untrusted[0];
	for (size_t i = 0; i < TRUNK_UNTRUSTED_MAX; i++) {
		struct trunk_untrusted *u = &t->untrusted[i];
		if (is_same(u, flow, domain, is_ours)) {
			return u;
		}
		victim = goes_first(u, victim) ? u : victim;
	}
	*victim = (struct trunk_untrusted){ .transport = flow->transport, .is_ours = is_ours };
	snprintf(victim->ip, sizeof(victim->ip), "%s", flow->peer_ip);
	return victim;
}

static void write_tls_remedy(const struct trunk_untrusted *u, const struct trust_peer *p, char *out, size_t size)
{
	if (!p->cert) {
		snprintf(out, size, "have it present a certificate with a name that domains[].peers of %s has", u->domain);
	} else if (p->chain_reason != XFED_REASON_NONE) {
		snprintf(out, size, "its certificate is not good (%s): have it renewed, or signed by a CA of sip.ca, with its chain",
			xfed_reason_code(p->chain_reason));
	} else if (!xfed_cert_purpose_sip_ok(p->cert)) {
		snprintf(out, size, "its certificate is for other purposes (extended key usage): it needs serverAuth, or none of them");
	} else {
		snprintf(out, size, "if it may, add one of its names to domains[].peers of %s", u->domain);
	}
}

/* What belongs to the other side of sip.federation, or comes from elsewhere than the Edge. False: it is something else. */
static bool write_neighbour_remedy(const struct config_domain *d, const struct sip_flow_info *flow, struct trunk_untrusted *u)
{
	struct rt_addr from;
	if (d->federated != flow->is_outside) {
		snprintf(u->remedy, sizeof(u->remedy), "%s is %sfederated: it may be sent as by %s alone", u->domain, d->federated ? "" : "not ",
			d->federated ? "sip.federation" : "sip.listen");
		return true;
	}
	if (d->federated && rt_addr_parse_host(&from, xfed_span_str(flow->peer_ip), flow->peer_port) == XFED_OK &&
		!rt_network_set_holds(&d->senders.addresses, &from)) {
		snprintf(u->remedy, sizeof(u->remedy), "if it may, add %s to domains[].peer_addresses of %s", flow->peer_ip, u->domain);
		return true;
	}
	return false;
}

static void write_remedy(const struct trunk *t, const struct sip_flow_info *flow, struct trunk_untrusted *u)
{
	struct trust_peer p;
	const struct config_domain *d = u->is_ours ? config_inside(t->files.config, xfed_span_str(u->domain)) : NULL;
	if (!u->is_ours) {
		snprintf(u->remedy, sizeof(u->remedy), "the domain of its From is none of domains[], nor a sip_domain of them");
	} else if (d && write_neighbour_remedy(d, flow, u)) {
		return;
	} else if (flow->transport == SIP_TLS && sip_io_peer(t->io, flow, &p)) {
		write_tls_remedy(u, &p, u->remedy, sizeof(u->remedy));
	} else {
		snprintf(u->remedy, sizeof(u->remedy), "if it may, add %s to domains[].peer_addresses of %s%s", flow->peer_ip, u->domain,
			flow->transport == SIP_UDP ? ", and set udp_trusted there" : "");
	}
}

void trunk_note_sender(struct trunk *t, const struct sip_flow_info *flow, struct xfed_span domain, bool is_ours, bool may_send)
{
	if (!may_send) {
		int64_t now_s = core_wall_s(t->core);
		struct trunk_untrusted *u = place_for(t, flow, domain, is_ours);
		u->first_s = u->count == 0 ? now_s : u->first_s;
		u->last_s = now_s;
		u->number = ++t->untrusted_count;
		u->count++;
		snprintf(u->domain, sizeof(u->domain), "%.*s", (int)domain.len, domain.data ? domain.data : "");
		trunk_peer_words(t, flow, u->peer);
		write_remedy(t, flow, u);
		return;
	}
	for (size_t i = 0; i < TRUNK_UNTRUSTED_MAX; i++) {
		struct trunk_untrusted *u = &t->untrusted[i];
		if (is_same(u, flow, domain, is_ours)) {
			*u = (struct trunk_untrusted){ .count = 0 };
		} else if (u->count > 0 && !u->has_others && xfed_span_is(domain, u->domain)) {
			u->has_others = true;
		}
	}
}

const struct trunk_untrusted *trunk_untrusted(const struct trunk *t, size_t i)
{
	return t->untrusted[i].count > 0 ? &t->untrusted[i] : NULL;
}
