#include "config.h"

#include "xfed/limits.h"

#define RELOADABLE RT_CONF_RELOADABLE
#define REQUIRED   RT_CONF_REQUIRED
#define KEPT	   RT_CONF_KEPT
/* clang-format off */
#define TABLE(ident, name, type, help) RT_CONF_TABLE(static const, ident, name, ident##_rows, type, help)
#define EDGE(member) .offset = offsetof(struct edge_config, member)
#define IN(object, member) RT_CONF_IN(struct edge_config, object, member)
#define OBJECT_OF(object)  RT_CONF_TYPE_OF(struct edge_config, object)

static const struct rt_conf_row external_rows[] = {
	{ .name = "listen", .type = RT_CONF_LISTENS, IN(external, listen), .min = 1, .max = 64, .fallback = "0.0.0.0:5269 [::]:5269",
		.help = "Addresses for streams of partners, which upgrade with STARTTLS." },
	{ .name = "listen_tls", .type = RT_CONF_LISTENS, IN(external, listen_tls), .max = 64,
		.help = "Addresses for streams that begin with TLS (XEP-0368).", .not_built = "direct TLS (XEP-0368) is not built in this version" },
	{ .name = "source", .type = RT_CONF_IP, IN(external, source), .flags = RELOADABLE,
		.help = "The address outgoing streams leave from; without it the system chooses." },
	{ .name = "allow_networks", .type = RT_CONF_STRINGS, IN(external, allow_networks), .flags = RELOADABLE, .max = 256,
		.convert = rt_conf_convert_network,
		.help = "Networks or addresses a partner's DNS may lead to although they are loopback, link-local, unspecified, multicast, broadcast or "
			"this host's own, which are refused otherwise (dns.address.refused). Private networks such as 10.0.0.0/8 are not refused. "
			"What connect_to in a partner's file names needs no entry here." },
	{ .name = "public_name", .type = RT_CONF_STRING, IN(external, public_name), .flags = RELOADABLE, .convert = rt_conf_convert_host,
		.help = "The name of this host in the public DNS, for xfedctl dns. Any name will do, as partners check the certificate for the domain; unless "
			"set, NAME.DOMAIN is proposed, of this instance and the first domain." },
	{ .name = "public_addresses", .type = RT_CONF_STRINGS, IN(external, public_addresses), .flags = RELOADABLE, .max = 16,
		.convert = rt_conf_convert_ip,
		.help = "The addresses that partners reach this edge at, for xfedctl dns. Needed where a router in front of it translates them; unless set, those "
			"of listen, or of the host's interfaces, that are not private." },
	{ .name = "srv_priority", .type = RT_CONF_INT, IN(external, srv_priority), .flags = RELOADABLE, .min = 1, .max = 65535, .fallback = "10",
		.help = "Of this edge's SRV records, for xfedctl dns: partners try the edge with the lowest number first, and the others when it does not answer." },
	{ .name = "srv_weight", .type = RT_CONF_INT, IN(external, srv_weight), .flags = RELOADABLE, .min = 1, .max = 65535, .fallback = "10",
		.help = "The same among edges of one priority: how often each is tried first, in proportion." },
};
TABLE(external, "external", OBJECT_OF(external), "The side of the partners.");

static const struct rt_conf_row channel_rows[] = {
	{ .name = "listen", .type = RT_CONF_LISTENS, IN(channel, listen), .flags = REQUIRED, .min = 1, .max = 16,
		.help = "Addresses for the links of the gateways; only the inside needs to reach them." },
	{ .name = "certificate", .type = RT_CONF_PATH, IN(channel, certificate), .flags = REQUIRED | RELOADABLE,
		.help = "PEM file with the certificate gateways see, and its chain. It has to name the host the gateways dial." },
	{ .name = "key", .type = RT_CONF_PATH, IN(channel, key), .flags = REQUIRED | RELOADABLE | KEPT, .help = "PEM file with its private key." },
	{ .name = "ca", .type = RT_CONF_PATH, IN(channel, ca), .flags = REQUIRED | RELOADABLE,
		.help = "PEM file with the authorities that sign the gateways' certificates." },
	{ .name = "allow", .type = RT_CONF_STRINGS, IN(channel, allow), .flags = REQUIRED | RELOADABLE, .min = 1, .max = 64,
		.convert = rt_conf_convert_host, .help = "Names of certificates that may link." },
	{ .name = "grace", .type = RT_CONF_DURATION, IN(channel, grace_ms), .flags = RELOADABLE, .min = 0, .max = 3600000, .standard = XFED_EDGE_GRACE_MS,
		.help = "How long the edge stays in service without a gateway." },
};
TABLE(channel, "channel", OBJECT_OF(channel), "The side of the gateways.");

static const struct rt_conf_row certificate_rows[] = {
	{ .name = "certificate", .type = RT_CONF_PATH, .offset = offsetof(struct edge_certificate, certificate), .flags = REQUIRED | RELOADABLE,
		.help = "PEM file with the certificate and its chain." },
	{ .name = "key", .type = RT_CONF_PATH, .offset = offsetof(struct edge_certificate, key), .flags = REQUIRED | RELOADABLE | KEPT,
		.help = "PEM file with its private key." },
};
TABLE(certificate, "certificates", struct edge_certificate, "What partners see.");

static const struct rt_conf_row trust_rows[] = {
	{ .name = "ca", .type = RT_CONF_STRING, IN(trust, ca), .flags = RELOADABLE | RT_CONF_FILE, .fallback = "system",
		.help = "Authorities that may sign partners' certificates: system, or a PEM file." },
	{ .name = "crl", .type = RT_CONF_PATHS, IN(trust, crl), .flags = RELOADABLE, .max = 64, .help = "PEM files with revocation lists." },
};
TABLE(trust, "trust", OBJECT_OF(trust), "Whom partners' certificates may be signed by.");

static const struct rt_conf_row limits_rows[] = {
	{ .name = "connections", .type = RT_CONF_INT, IN(limits, connections), .flags = RELOADABLE, .min = 1, .max = 100000, .unit = "connections",
		.standard = XFED_CONNECTIONS_MAX, .help = "Streams with partners, both directions; a tenth is kept for each direction." },
	{ .name = "unauthenticated", .type = RT_CONF_INT, IN(limits, unauthenticated), .flags = RELOADABLE, .min = 1, .max = 100000,
		.unit = "connections", .fallback = "200", .help = "Of these, incoming ones that have not authenticated yet." },
	{ .name = "address_share", .type = RT_CONF_INT, IN(limits, address_share), .flags = RELOADABLE, .min = 1, .max = 100, .unit = "%",
		.standard = XFED_SHARE_ADDRESS_PERCENT, .help = "Of unauthenticated: what one address may have (of IPv6, one /64). Streams that have authenticated do not count. What strangers may have the edge do (elements, keys, TLS handshakes) is shared likewise. 100, and network_share too, where all partners come through one proxy or address translation: then nothing is shared by address." },
	{ .name = "network_share", .type = RT_CONF_INT, IN(limits, network_share), .flags = RELOADABLE, .min = 1, .max = 100, .unit = "%",
		.standard = XFED_SHARE_NETWORK_PERCENT, .help = "The same for one network: an IPv4 /24, an IPv6 /48. The questions of dialback are shared likewise." },
	{ .name = "connect_timeout", .type = RT_CONF_DURATION, IN(limits, connect_timeout_ms), .flags = RELOADABLE, .min = 100, .max = 60000,
		.standard = XFED_CONNECT_TIMEOUT_MS, .help = "For one address of a partner." },
	{ .name = "establish_timeout", .type = RT_CONF_DURATION, IN(limits, establish_timeout_ms), .flags = RELOADABLE, .min = 1000,
		.max = 600000, .standard = XFED_S2S_ESTABLISH_MS, .help = "From connection to authenticated stream; and how long an older stream of a pair of domains may stay silent when a newer one has come." },
	{ .name = "inactivity", .type = RT_CONF_DURATION, IN(limits, inactivity_ms), .flags = RELOADABLE, .min = 10000, .max = 86400000,
		.standard = XFED_S2S_INACTIVITY_MS, .help = "After which a stream without traffic is closed." },
	{ .name = "park", .type = RT_CONF_SIZE, IN(limits, park_bytes), .flags = RELOADABLE, .min = 16384, .max = 4194304, .standard = XFED_DELIVERY_PARK_BYTES,
		.help = "Stanzas of one stream that wait for credit of a gateway; beyond it the stream is not read. Also what waits for one stream of ours." },
};
TABLE(limits, "limits", OBJECT_OF(limits), "Limits of this edge.");

static const struct rt_conf_row edge_rows[] = {
	RT_CONF_NAME_ROW("The name of this instance, as in the gateway's edges[].name."),
	{ .name = "external", .type = RT_CONF_OBJECT, EDGE(external), .table = &external_table, .help = "The side of the partners." },
	{ .name = "channel", .type = RT_CONF_OBJECT, EDGE(channel), .table = &channel_table, .help = "The side of the gateways." },
	{ .name = "certificates", .type = RT_CONF_OBJECTS, EDGE(certificates), .flags = REQUIRED | RELOADABLE, .min = 1, .max = 1024,
		.table = &certificate_table, .help = "What partners see; chosen by the name they ask for." },
	{ .name = "trust", .type = RT_CONF_OBJECT, EDGE(trust), .table = &trust_table, .help = "Whom partners' certificates may be signed by." },
	RT_CONF_BASE_ROWS,
	{ .name = "limits", .type = RT_CONF_OBJECT, EDGE(limits), .table = &limits_table, .help = "Limits of this edge." },
};
RT_CONF_TABLE(const, edge_config, "edge.yaml", edge_rows, struct edge_config,
	"The configuration of xfed-edge, a YAML file. Dots stand for objects inside objects, [] for each item of a list.");
/* clang-format on */

static int check(struct rt_conf_doc *doc)
{
	struct edge_config *c = doc->object;
	if (strcmp(c->trust.ca, "system") != 0 && c->trust.ca[0] != '/') {
		rt_conf_fail(
			doc, c, "trust.ca", XFED_REASON_CONFIG_VALUE_INVALID, "found \"%.60s\", accepted: system, or an absolute path", c->trust.ca);
	}
	if (c->limits.unauthenticated > c->limits.connections) {
		bool is_set = rt_conf_is_set(doc, c, "limits.unauthenticated");
		rt_conf_fail(doc, c, is_set ? "limits.unauthenticated" : "limits.connections", XFED_REASON_CONFIG_VALUE_INVALID,
			"limits.unauthenticated is %u, accepted: at most limits.connections, which is %u", c->limits.unauthenticated,
			c->limits.connections);
	}
	return rt_conf_networks(doc, &c->external.allow_networks, &c->external.networks);
}

static int open(const char *file, const struct xfed_span *text, struct rt_conf_errors *errors, struct edge_config **out)
{
	struct rt_conf_base *base;
	int rc = rt_conf_open(&edge_config_table, file, text, check, errors, &base);
	*out = (struct edge_config *)base;
	return rc;
}

int edge_config_load(const char *path, struct rt_conf_errors *errors, struct edge_config **out)
{
	int rc = open(path, NULL, errors, out);
	if (rc == XFED_OK) {
		rt_conf_check_files(&(*out)->base.doc);
	}
	return rc;
}

int edge_config_parse(const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct edge_config **out)
{
	return open(file, &text, errors, out);
}

void edge_config_free(struct edge_config *c)
{
	rt_conf_close(c ? &c->base : NULL);
}
