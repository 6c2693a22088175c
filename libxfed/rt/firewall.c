#include "xfed/rt/firewall.h"

#include <unistd.h>

/* Listeners of both families for any address make one row. */
static void add_once(json_t *rows, json_t *row)
{
	size_t i;
	json_t *other;
	json_array_foreach(rows, i, other) {
		if (json_equal(other, row)) {
			json_decref(row);
			return;
		}
	}
	json_array_append_new(rows, row);
}

void rt_firewall_add(json_t *rows, const struct rt_firewall_row *row)
{
	struct rt_addr own;
	bool is_any = !row->own || rt_addr_parse_host(&own, xfed_span_str(row->own), 0) != XFED_OK || rt_addr_kind(&own) == RT_ADDR_UNSPECIFIED;
	json_t *networks = row->networks ? row->networks : json_array();
	add_once(rows, json_pack("{s:s, s:s, s:s*, s:o, s:s, s:i, s:s}", "direction", row->is_out ? "out" : "in", "protocol", row->protocol, "own",
			       is_any ? NULL : row->own, "networks", networks, "peer", row->peer, "port", (int)row->port, "why", row->why));
}

static void add_resolver(json_t *rows, const struct rt_addr *server)
{
	static const char *const protocols[] = { "udp", "tcp" };
	char text[RT_ADDR_TEXT];
	for (size_t i = 0; i < XFED_ARRAY_LEN(protocols) && !rt_addr_is_loopback(server); i++) {
		rt_firewall_add(rows, &(struct rt_firewall_row){ .is_out = true,
					      .protocol = protocols[i],
					      .networks = json_pack("[s]", rt_addr_host_text(server, text)),
					      .peer = "DNS resolver",
					      .port = rt_addr_port(server),
					      .why = "names of partners and servers" });
	}
}

void rt_firewall_add_base(json_t *rows, const struct rt_conf_base *c, const struct rt_resolver *resolver)
{
	struct rt_addr servers[RT_RESOLVER_SERVERS_MAX], http;
	size_t count = rt_resolver_servers(resolver, servers);
	for (size_t i = 0; i < count; i++) {
		add_resolver(rows, &servers[i]);
	}
	if (c->http.listen.host && rt_addr_parse_host(&http, xfed_span_str(c->http.listen.host), 0) == XFED_OK && !rt_addr_is_loopback(&http)) {
		rt_firewall_add(rows, &(struct rt_firewall_row){ .protocol = "tcp",
					      .own = c->http.listen.host,
					      .peer = "monitoring",
					      .port = c->http.listen.port,
					      .why = "metrics and health, which ask for no password: only for who reads them" });
	}
}

json_t *rt_firewall_answer(const struct rt_conf_base *c, const char *role, const json_t *args, json_t *rows)
{
	const char *form = json_string_value(json_object_get(args, "for"));
	char instance[RT_CONF_INSTANCE];
	return json_pack("{s:s, s:s, s:s*, s:I, s:b, s:o}", "name", c->name, "role", role, "for", form, "user", (json_int_t)geteuid(), "instance",
		rt_conf_instance(c->doc.file, role, instance), "rows", rows);
}
