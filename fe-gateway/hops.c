/* The SIP servers requests go to: their addresses, and whether they answer. */
#include "gateway.h"

#include <stdio.h>
#include <utlist.h>

#define FRESH_MIN_MS 5000
#define FRESH_MAX_MS 60000 /* the resolver caches too; this only spares a look-up a message */

static enum sip_transport transport_of(const struct gateway_domain *d)
{
	switch (d->hop.transport) {
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
	rt_lookup_cancel(h->lookup);
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
	h->transport = transport_of(d);
	h->port = d->hop.port;
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

/* A hop stays until the process ends: their number is bounded by what operators write into the configuration. */
struct gateway_hop *gateway_hop_of(struct gateway *g, const struct gateway_domain *d)
{
	char label[700], address[320];
	struct gateway_hop *h = NULL;
	rt_conf_address_text(&d->hop, address);
	bool own_name = d->tls_name && strcmp(d->tls_name, d->hop.host) != 0;
	snprintf(label, sizeof(label), "%s%s%s", address, own_name ? "/" : "", own_name ? d->tls_name : "");
	HASH_FIND_STR(g->hops, label, h);
	return h ? h : hop_new(g, d, label);
}

static void fill_target(const struct gateway_hop *h, const struct rt_addr *a, struct sip_target *out)
{
	char text[RT_ADDR_TEXT];
	*out = (struct sip_target){ .transport = h->transport, .port = rt_addr_port(a) };
	snprintf(out->ip, sizeof(out->ip), "%s", rt_addr_host_text(a, text));
	snprintf(out->tls_name, sizeof(out->tls_name), "%s", h->tls_name);
}

static struct gateway_outgoing *pop_waiting(struct gateway_hop *h)
{
	struct gateway_outgoing *o = h->waiting;
	if (o) {
		DL_DELETE(h->waiting, o);
		o->list = NULL;
	}
	return o;
}

static void on_lookup(void *user, const struct rt_endpoints *found)
{
	struct gateway_hop *h = user;
	struct gateway_outgoing *o;
	h->lookup = NULL;
	if (found->reason != XFED_REASON_NONE) {
		gateway_hop_is(h, false, found->reason, "the name of the next hop");
		while ((o = pop_waiting(h))) {
			gateway_out_hop_failed(o, found->reason);
		}
		return;
	}
	h->target_count = 0;
	for (size_t i = 0; i < found->count && h->target_count < XFED_ARRAY_LEN(h->targets); i++) {
		fill_target(h, &found->list[i].addr, &h->targets[h->target_count++]);
	}
	uint64_t fresh_ms = (uint64_t)found->ttl_s * 1000;
	fresh_ms = fresh_ms < FRESH_MIN_MS ? FRESH_MIN_MS : fresh_ms > FRESH_MAX_MS ? FRESH_MAX_MS : fresh_ms;
	h->fresh_until_ms = gateway_now(h->gw) + fresh_ms;
	while ((o = pop_waiting(h))) {
		gateway_out_hop_ready(o);
	}
}

void gateway_hop_want(struct gateway_hop *h, struct gateway_outgoing *o)
{
	if (!h->lookup && h->target_count > 0 && gateway_now(h->gw) < h->fresh_until_ms) {
		gateway_out_hop_ready(o);
		return;
	}
	if (!h->lookup && rt_resolve_host(h->gw->resolver, xfed_span_str(h->host), h->port, on_lookup, h, &h->lookup) != XFED_OK) {
		h->lookup = NULL;
		gateway_out_hop_failed(o, XFED_REASON_STREAM_INTERNAL);
		return;
	}
	DL_APPEND(h->waiting, o);
	o->list = &h->waiting;
}

void gateway_hop_is(struct gateway_hop *h, bool is_up, enum xfed_reason reason, const char *text)
{
	rt_metric_set(h->gw->metrics, RT_M_SIP_NEXT_HOP_UP, is_up, RT_LABELS(xfed_span_str(h->label)));
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
		h->fresh_until_ms = 0;
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
