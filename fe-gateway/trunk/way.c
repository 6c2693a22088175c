#include "trunk/way.h"

#include <stdio.h>

#include "sip/uri.h"

static bool find_transport(const struct sip_uri *uri, bool is_large, enum sip_transport *out)
{
	if (uri->is_secure) {
		*out = SIP_TLS;
		return true;
	}
	if (!uri->transport.data) {
		*out = is_large ? SIP_TCP : SIP_UDP; /* RFC 3263 section 4.1: for an IP address without a transport */
		return true;
	}
	for (int t = SIP_UDP; t < SIP_TRANSPORT_COUNT; t++) {
		if (xfed_span_eq_nocase(uri->transport, xfed_span_str(sip_transport_name((enum sip_transport)t)))) {
			*out = (enum sip_transport)t;
			return true;
		}
	}
	return false;
}

/*
 * The next hop that the dialog names, as an address that is a peer. Not for TLS: whether its certificate has a peer's name is known only
 * after connecting.
 */
static bool is_named_peer(const struct config_senders *peers, const struct way_facts *f, struct sip_target *out)
{
	struct trust_peer peer = { .chain_reason = XFED_REASON_TLS_CERT_MISSING };
	struct sip_uri uri;
	if (sip_uri_parse(sip_dialog_next_hop(f->dialog), &uri) != XFED_OK || !uri.is_sip || uri.maddr.data || !sip_host_is_address(uri.host) ||
		!find_transport(&uri, f->is_large, &peer.transport) || peer.transport == SIP_TLS) {
		return false;
	}
	uint16_t port = uri.port != 0 ? uri.port : 5060;
	if (rt_addr_parse_host(&peer.address, uri.host, port) != XFED_OK || !trust_may_send(peers, &peer)) {
		return false;
	}
	char text[RT_ADDR_TEXT];
	*out = (struct sip_target){ .transport = peer.transport, .port = port };
	snprintf(out->ip, sizeof(out->ip), "%s", rt_addr_host_text(&peer.address, text));
	return true;
}

static bool is_own_usable(const struct config_senders *peers, const struct way_facts *f)
{
	struct trust_peer peer = { .transport = f->own.transport, .chain_reason = XFED_REASON_TLS_CERT_MISSING };
	if (f->behind) {
		return f->is_dialled || trust_may_send(peers, f->behind);
	}
	if (f->is_ours) {
		return true;
	}
	if (f->own.port == 0) {
		return false;
	}
	if (f->own.transport == SIP_TLS) { /* a new connection has to prove that name, or is not used */
		return f->own.tls_name[0] && config_senders_have_name(peers, xfed_span_str(f->own.tls_name));
	}
	return rt_addr_parse_host(&peer.address, xfed_span_str(f->own.ip), f->own.port) == XFED_OK && trust_may_send(peers, &peer);
}

bool way_inside(const struct config_senders *peers, const struct way_facts *f, struct sip_target *out)
{
	struct sip_target named;
	bool is_named = is_named_peer(peers, f, &named);
	/* No second connection to a peer with which the dialog already has one. */
	bool is_same = is_named && named.transport == f->own.transport && sip_host_eq(xfed_span_str(named.ip), xfed_span_str(f->own.ip)) &&
		       (f->behind || named.port == f->own.port);
	if (is_named && !is_same) {
		*out = named;
		return true;
	}
	*out = f->own;
	return is_own_usable(peers, f);
}
