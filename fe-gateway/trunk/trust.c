#include "trunk/trust.h"

static bool is_named(const struct xfed_cert *cert, struct xfed_span name)
{
	return xfed_cert_names_host(cert, name) || xfed_cert_proves_sip(cert, name);
}

static bool has_good_certificate(const struct trust_peer *p)
{
	return p->cert && p->chain_reason == XFED_REASON_NONE && xfed_cert_purpose_sip_ok(p->cert);
}

static bool is_listed(const struct config_senders *s, const struct xfed_cert *cert, struct xfed_span *name)
{
	for (size_t i = 0; i < xfed_cert_facts(cert)->name_count; i++) {
		if (xfed_cert_sip_name(cert, i, name) && config_senders_have_name(s, *name)) {
			return true;
		}
	}
	return false;
}

bool trust_name(const struct config_senders *s, const struct trust_peer *peer, struct xfed_span *name)
{
	bool is_right_side = peer->is_outside == s->are_neighbours && (!peer->is_outside || rt_network_set_holds(&s->addresses, &peer->address));
	return is_right_side && has_good_certificate(peer) && is_listed(s, peer->cert, name);
}

bool trust_may_send(const struct config_senders *s, const struct trust_peer *peer)
{
	struct xfed_span name;
	switch (peer->transport) {
	case SIP_TLS:
		return trust_name(s, peer, &name);
	case SIP_TCP:
		return !s->are_neighbours && rt_network_set_holds(&s->addresses, &peer->address);
	case SIP_UDP:
		return !s->are_neighbours && rt_network_set_holds(&s->udp_addresses, &peer->address);
	}
	return false;
}

bool trust_may_send_lync(const struct config *c, const struct trust_peer *peer)
{
	bool may = false;
	for (size_t i = 0; c->has_lync && !may && i < c->domains.count; i++) {
		const struct config_domain *d = &c->domains.items[i];
		may = d->dialect == CONFIG_DIALECT_LYNC && trust_may_send(&d->senders, peer);
	}
	return may;
}

enum xfed_reason trust_server(const struct trust_peer *server, struct xfed_span name)
{
	if (server->chain_reason != XFED_REASON_NONE) {
		return server->chain_reason;
	}
	if (!server->cert) {
		return XFED_REASON_TLS_CERT_MISSING;
	}
	if (!xfed_cert_purpose_sip_ok(server->cert)) {
		return XFED_REASON_TLS_CERT_PURPOSE;
	}
	return is_named(server->cert, name) ? XFED_REASON_NONE : XFED_REASON_TLS_CERT_NAME_MISMATCH;
}
