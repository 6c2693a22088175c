#include "trust.h"

static bool is_named(const struct xfed_cert *cert, struct xfed_span name)
{
	return xfed_cert_names_host(cert, name) || xfed_cert_proves_sip(cert, name);
}

static bool has_good_certificate(const struct trust_peer *p)
{
	return p->cert && p->chain_reason == XFED_REASON_NONE && xfed_cert_purpose_sip_ok(p->cert);
}

bool trust_may_send(const struct gateway_domain *d, const struct trust_peer *peer)
{
	switch (peer->transport) {
	case SIP_TLS:
		for (size_t i = 0; i < d->peers.count && has_good_certificate(peer); i++) {
			if (is_named(peer->cert, xfed_span_str(d->peers.items[i]))) {
				return true;
			}
		}
		return false;
	case SIP_TCP:
		return gateway_domain_has_address(d, peer->ip);
	case SIP_UDP:
		return d->udp_trusted && gateway_domain_has_address(d, peer->ip);
	}
	return false;
}

bool trust_is_known(const struct gateway_config *c, const struct trust_peer *peer)
{
	for (size_t i = 0; i < c->domains.count; i++) {
		if (trust_may_send(&c->domains.items[i], peer)) {
			return true;
		}
	}
	return false;
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
