/* The SIP servers requests go to, and whether they answer. */
#include "gateway.h"

#include <stdio.h>

static enum sip_transport transport_of(enum rt_conf_transport t)
{
	switch (t) {
	case RT_TRANSPORT_TCP:
		return SIP_TCP;
	case RT_TRANSPORT_TLS:
		return SIP_TLS;
	case RT_TRANSPORT_NONE:
	case RT_TRANSPORT_UDP:
		break;
	}
	return SIP_UDP;
}

static void hop_free(struct gateway_hop *h)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(h->places); i++) {
		gateway_places_free(&h->places[i]);
	}
	xfed_free(h->host);
	xfed_free(h->tls_name);
	xfed_free(h->label);
	xfed_free(h);
}

static struct gateway_hop *hop_new(struct gateway *g, const struct gateway_domain *d, const char *label)
{
	struct gateway_hop *h = xfed_calloc(1, sizeof(*h));
	if (!h) {
		return NULL;
	}
	h->gw = g;
	h->has_transport = d->hop.transport != RT_TRANSPORT_NONE;
	h->transport = transport_of(d->hop.transport);
	h->port = d->hop.port;
	h->is_ip = d->hop.is_ip;
	for (size_t i = 0; i < XFED_ARRAY_LEN(h->places); i++) {
		h->places[i].hop = h;
		h->places[i].is_large = i == 1;
	}
	h->host = xfed_strdup(d->hop.host);
	h->tls_name = xfed_strdup(d->tls_name ? d->tls_name : "");
	h->label = xfed_strdup(label);
	h->since_s = gateway_wall_s(g);
	if (!h->host || !h->tls_name || !h->label) {
		hop_free(h);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, g->hops, h->label, strlen(h->label), h);
	if (!XFED_TABLE_ADDED(h)) {
		hop_free(h);
		return NULL;
	}
	return h;
}

/* As it is written, without what is not: the same whatever the DNS says. */
static void write_label(const struct gateway_domain *d, char *out, size_t size)
{
	const struct rt_conf_address *a = &d->hop;
	bool is_v6 = strchr(a->host, ':') != NULL;
	bool own_name = d->tls_name && strcmp(d->tls_name, a->host) != 0;
	char port[8] = "";
	if (a->port) {
		snprintf(port, sizeof(port), ":%u", a->port);
	}
	snprintf(out, size, "%s%s%s%s%s%s%s%s", rt_conf_transport_name(a->transport), a->transport != RT_TRANSPORT_NONE ? ":" : "", is_v6 ? "[" : "",
		a->host, is_v6 ? "]" : "", port, own_name ? "/" : "", own_name ? d->tls_name : "");
}

/* A hop stays until the process ends: their number is bounded by what operators write into the configuration. */
struct gateway_hop *gateway_hop_of(struct gateway *g, const struct gateway_domain *d)
{
	char label[700];
	struct gateway_hop *h = NULL;
	write_label(d, label, sizeof(label));
	HASH_FIND_STR(g->hops, label, h);
	return h ? h : hop_new(g, d, label);
}

/* Over what we listen on: who only listens over TLS is not led to another transport by the DNS. */
static bool is_used(const struct gateway *g, enum sip_transport t)
{
	return sip_io_port(g->io, t) != 0 && (t != SIP_TLS || policy_sip_creds(g->policy));
}

size_t gateway_hop_transports(const struct gateway_hop *h, bool is_large, enum sip_transport out[SIP_TRANSPORT_COUNT])
{
	static const enum sip_transport order[] = { SIP_TLS, SIP_TCP, SIP_UDP };
	size_t n = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(order); i++) {
		enum sip_transport t = order[i];
		/* Where an address or a port stands for UDP, TCP may stand in for it ([C3-02]), TLS listens elsewhere. */
		bool is_wrong = is_large && (t == SIP_UDP || (t == SIP_TLS && !h->has_transport && (h->port || h->is_ip)));
		if (!is_wrong && (h->has_transport ? t == h->transport : is_used(h->gw, t))) {
			out[n++] = t;
		}
	}
	return n;
}

void gateway_hop_want(struct gateway_hop *h, struct gateway_outgoing *o)
{
	gateway_places_want(&h->places[o->is_large ? 1 : 0], o);
}

void gateway_hop_is(struct gateway_hop *h, bool is_up, enum xfed_reason reason, const char *text)
{
	rt_metric_set(h->gw->core.d.metrics, RT_M_SIP_NEXT_HOP_UP, is_up, RT_LABELS(xfed_span_str(h->label)));
	if (h->is_known && h->is_up == is_up) {
		return;
	}
	h->is_known = true;
	h->is_up = is_up;
	h->since_s = gateway_wall_s(h->gw);
	rt_log(is_up ? RT_LOG_INFO : RT_LOG_WARNING, is_up ? "sip.hop-up" : "sip.hop-down", RT_KV_STR("next_hop", h->label), RT_KV_REASON(reason),
		RT_KV_STR("text", text && *text ? text : NULL), RT_END);
}

void gateway_hops_forget(struct gateway *g)
{
	for (struct gateway_hop *h = g->hops; h; h = h->hh.next) {
		for (size_t i = 0; i < XFED_ARRAY_LEN(h->places); i++) {
			h->places[i].fresh_until_ms = 0;
		}
		h->failed.count = 0;
	}
}

void gateway_hops_free(struct gateway *g)
{
	struct gateway_hop *h, *next;
	HASH_ITER(hh, g->hops, h, next) {
		HASH_DELETE(hh, g->hops, h);
		hop_free(h);
	}
}
