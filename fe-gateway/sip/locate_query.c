#include "sip/locate_impl.h"

#include <arpa/inet.h>

#include "sip/uri.h"

/* RFC 6761 section 6.3: the DNS is not asked for it. */
static bool is_localhost(const char *name)
{
	static const char word[] = "localhost";
	size_t len = strlen(name), n = sizeof(word) - 1;
	return len >= n && strcmp(name + len - n, word) == 0 && (len == n || name[len - n - 1] == '.');
}

static bool read_literal(struct xfed_span host, struct host *out)
{
	char text[INET6_ADDRSTRLEN];
	host = sip_host_bare(host);
	if (host.len == 0 || host.len >= sizeof(text) || memchr(host.data, 0, host.len)) {
		return false;
	}
	memcpy(text, host.data, host.len);
	text[host.len] = '\0';
	for (size_t i = 0; i < 2; i++) {
		if (inet_pton(i == 0 ? AF_INET : AF_INET6, text, out->legs[i].addresses[0]) == 1) {
			out->legs[i].count = 1;
			return true;
		}
	}
	return false;
}

static void fill_localhost(struct sip_locate *l, struct host *h)
{
	static const uint8_t v4[16] = { 127, 0, 0, 1 }, v6[16] = { [15] = 1 };
	memcpy(h->legs[0].addresses[0], v4, sizeof(v4));
	memcpy(h->legs[1].addresses[0], v6, sizeof(v6));
	h->legs[0].count = l->families == SIP_IPV6_ONLY ? 0 : 1;
	h->legs[1].count = l->families == SIP_IPV4_ONLY ? 0 : 1;
}

static bool read_host(struct sip_locate *l, struct xfed_span host)
{
	struct host *h = &l->hosts[0];
	if (read_literal(host, h)) {
		host = sip_host_bare(host);
		memcpy(l->host, host.data, host.len);
		l->is_literal = true;
	} else if (!sip_locate_name(l->host, host)) {
		return false;
	} else if (is_localhost(l->host)) {
		fill_localhost(l, h);
		l->is_literal = true;
	}
	return true;
}

static void read_transports(struct sip_locate *l, const struct sip_locate_query *q)
{
	for (size_t i = 0; i < q->transport_count && i < SIP_TRANSPORT_COUNT; i++) {
		if ((!q->is_sips || q->transports[i] == SIP_TLS) && !sip_locate_supports(l, q->transports[i])) {
			l->transports[l->transport_count++] = q->transports[i];
		}
	}
	l->has_transport = q->has_transport;
	l->transport = q->transport;
	/* sips with transport=tcp means TLS over TCP (RFC 3261 section 26.2.2). */
	if (q->is_sips && q->transport == SIP_TCP) {
		l->transport = SIP_TLS;
	}
}

bool sip_locate_read_query(struct sip_locate *l, const struct sip_locate_query *q)
{
	l->port = q->port;
	l->is_federated = q->is_federated;
	l->families = q->families;
	l->result.ttl_s = XFED_DNS_TTL_MAX_S;
	read_transports(l, q);
	if (!read_host(l, q->host) || l->transport_count == 0 || (l->has_transport && !sip_locate_supports(l, l->transport))) {
		return false;
	}
	struct xfed_span name = q->tls_name.data ? q->tls_name : xfed_span_str(l->host);
	if (name.len == 0 || name.len >= sizeof(l->tls_name) || memchr(name.data, 0, name.len)) {
		return false;
	}
	memcpy(l->tls_name, name.data, name.len);
	return true;
}
