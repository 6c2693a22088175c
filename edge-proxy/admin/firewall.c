/* firewall print of an edge. */
#include "xfed/rt/firewall.h"

#include "admin/admin.h"

static void add_listeners(json_t *rows, const struct rt_conf_addresses *listen, const char *peer, json_t *networks, const char *why)
{
	for (size_t i = 0; i < listen->count; i++) {
		rt_firewall_add(rows, &(struct rt_firewall_row){ .protocol = "tcp",
					      .own = listen->items[i].host,
					      .networks = json_incref(networks),
					      .peer = peer,
					      .port = listen->items[i].port,
					      .why = why });
	}
	json_decref(networks);
}

static void add_gateway(void *networks, const struct channel_facts *f)
{
	struct rt_addr a;
	char text[RT_ADDR_TEXT];
	struct in_addr v4;
	if (rt_addr_parse(&a, xfed_span_str(f->from), 0) != XFED_OK) {
		return;
	}
	if (rt_addr_v4(&a, &v4)) { /* of a listener that takes both families */
		a.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = v4 };
	}
	json_array_append_new(networks, json_string(rt_addr_host_text(&a, text)));
}

/* 5269, and the ports that partners' files name besides. */
static void add_partners(json_t *rows, const struct admin *a)
{
	const struct xfed_policy *p = s2s_policy(a->s2s);
	json_t *seen = json_object();
	const struct rt_firewall_row usual = { .is_out = true,
		.protocol = "tcp",
		.peer = "partners",
		.port = 5269,
		.why = "streams to partners; another port where a partner's SRV record has it" };
	rt_firewall_add(rows, &usual);
	for (size_t i = 0; p && i < xfed_policy_partner_count(p); i++) {
		const struct xfed_partner *partner = xfed_policy_partner_at(p, i);
		char port[8];
		snprintf(port, sizeof(port), "%u", partner->connect_port);
		if (partner->connect_host && partner->connect_port != usual.port && !json_object_get(seen, port)) {
			json_object_set_new(seen, port, json_true());
			rt_firewall_add(rows, &(struct rt_firewall_row){ .is_out = true,
						      .protocol = "tcp",
						      .peer = partner->domain,
						      .port = partner->connect_port,
						      .why = "connect_to of this partner" });
		}
	}
	json_decref(seen);
}

void command_firewall_print(struct rt_reply reply, const json_t *args, void *user)
{
	const struct admin *a = user;
	json_t *rows = json_array(), *gateways = json_array();
	channel_each(a->channel, add_gateway, gateways);
	add_listeners(rows, &a->config->external.listen, "partners", json_array(), "streams of partners (XMPP)");
	bool are_linked = json_array_size(gateways) > 0;
	add_listeners(rows, &a->config->channel.listen,
		are_linked ? "gateways that are linked now" : "gateways; none is linked now: put in their addresses", gateways,
		"the channel; nothing is connected to from here inwards");
	add_partners(rows, a);
	rt_firewall_add_base(rows, &a->config->base, a->core->d.resolver);
	rt_reply_ok(reply, rt_firewall_answer(&a->config->base, "edge", args, rows));
}
