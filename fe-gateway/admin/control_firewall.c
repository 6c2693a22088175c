/* firewall print of a gateway. */
#include <stdio.h>

#include "admin/admin.h"
#include "xfed/rt/control.h"
#include "xfed/rt/firewall.h"

/* Adds those that are not there yet: domains often share their servers. */
static void add_networks(json_t *list, const struct rt_conf_strings *texts)
{
	for (size_t i = 0; i < texts->count; i++) {
		if (!rt_control_has_text(list, texts->items[i])) {
			json_array_append_new(list, json_string(texts->items[i]));
		}
	}
}

/* Who may send to a listener: the addresses of all domains; over tls names of certificates decide, wherever they come from. */
static json_t *senders(const struct config *c, enum rt_conf_transport transport)
{
	json_t *list = json_array();
	for (size_t i = 0; i < c->domains.count; i++) {
		const struct config_domain *d = &c->domains.items[i];
		if (!d->federated && transport != RT_TRANSPORT_TLS && (transport != RT_TRANSPORT_UDP || d->udp_trusted)) {
			add_networks(list, &d->peer_addresses);
		}
	}
	return list;
}

static void add_sip(json_t *rows, const struct config *c)
{
	for (size_t i = 0; i < c->sip.listen.count; i++) {
		const struct rt_conf_address *a = &c->sip.listen.items[i];
		json_t *networks = senders(c, a->transport);
		if (a->transport != RT_TRANSPORT_TLS && json_array_size(networks) == 0) {
			json_decref(networks); /* nobody may send there: a row without networks would let everybody in */
			continue;
		}
		rt_firewall_add(rows, &(struct rt_firewall_row){ .protocol = a->transport == RT_TRANSPORT_UDP ? "udp" : "tcp",
					      .own = a->host,
					      .networks = networks,
					      .peer = a->transport == RT_TRANSPORT_TLS ? "SIP servers, by their certificates" : "SIP servers",
					      .port = a->port,
					      .why = "SIP requests of our users" });
	}
}

static void add_federation(json_t *rows, const struct config *c)
{
	json_t *edges = json_array();
	for (size_t i = 0; i < c->domains.count; i++) {
		if (c->domains.items[i].federated) {
			add_networks(edges, &c->domains.items[i].peer_addresses);
		}
	}
	for (size_t i = 0; i < c->sip.federation.listen.count && json_array_size(edges) > 0; i++) {
		rt_firewall_add(rows, &(struct rt_firewall_row){ .protocol = "tcp",
					      .own = c->sip.federation.listen.items[i].host,
					      .networks = json_incref(edges),
					      .peer = "federated neighbours",
					      .port = c->sip.federation.listen.items[i].port,
					      .why = "sip.federation" });
	}
	json_decref(edges);
}

static void add_out(json_t *rows, const struct rt_conf_address *to, const char *protocol, uint16_t port, const char *why)
{
	char peer[300];
	snprintf(peer, sizeof(peer), "%.253s", to->host);
	rt_firewall_add(rows, &(struct rt_firewall_row){ .is_out = true,
				      .protocol = protocol,
				      .networks = to->is_ip ? json_pack("[s]", to->host) : NULL,
				      .peer = peer,
				      .port = port,
				      .why = why });
}

/* Where the port is not written, SRV records have it; these are the usual ones. Domains often share a next hop, which is told once. */
static void add_hop(json_t *rows, json_t *seen, const struct rt_conf_address *hop)
{
	static const struct {
		enum rt_conf_transport transport;
		const char *protocol;
		uint16_t port;
	} usual[] = { { RT_TRANSPORT_TLS, "tcp", 5061 }, { RT_TRANSPORT_TCP, "tcp", 5060 }, { RT_TRANSPORT_UDP, "udp", 5060 } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(usual); i++) {
		uint16_t port = hop->port ? hop->port : usual[i].port;
		char key[320];
		snprintf(key, sizeof(key), "%.253s %s %u", hop->host, usual[i].protocol, port);
		bool is_used = hop->transport == RT_TRANSPORT_NONE || hop->transport == usual[i].transport;
		if (is_used && !json_object_get(seen, key)) {
			json_object_set_new(seen, key, json_true());
			add_out(rows, hop, usual[i].protocol, port,
				hop->port ? "SIP requests to our users" : "SIP requests to our users; another port where its SRV records have it");
		}
	}
}

static void add_panel(json_t *rows, const struct config *c)
{
	struct rt_addr a;
	bool is_open = c->panel.listen.host && rt_addr_parse_host(&a, xfed_span_str(c->panel.listen.host), 0) == XFED_OK && !rt_addr_is_loopback(&a);
	if (is_open) {
		rt_firewall_add(rows, &(struct rt_firewall_row){ .protocol = "tcp",
					      .own = c->panel.listen.host,
					      .peer = "browsers of those who run the gateway",
					      .port = c->panel.listen.port,
					      .why = "the control panel: only for networks they work in" });
	}
}

void command_firewall_print(struct rt_reply reply, const json_t *args, void *user)
{
	const struct admin *ad = user;
	const struct config *c = policy_config(ad->policy);
	json_t *rows = json_array(), *seen = json_object();
	add_sip(rows, c);
	add_federation(rows, c);
	add_panel(rows, c);
	for (size_t i = 0; i < c->edges.count; i++) {
		add_out(rows, &c->edges.items[i].address, "tcp", c->edges.items[i].address.port, "the channel to this edge");
	}
	for (size_t i = 0; i < c->domains.count; i++) {
		add_hop(rows, seen, &c->domains.items[i].hop);
	}
	json_decref(seen);
	rt_firewall_add_base(rows, &c->base, ad->core->d.resolver);
	rt_reply_ok(reply, rt_firewall_answer(&c->base, "gateway", args, rows));
}
