#include "config.h"

#define RELOADABLE RT_CONF_RELOADABLE
#define REQUIRED   RT_CONF_REQUIRED
#define KEPT	   RT_CONF_KEPT
/* clang-format off */
#define TABLE(ident, name_, type, help_)                                                                             \
	static const struct rt_conf_table ident##_table = { .name = (name_), .help = (help_), .rows = ident##_rows, \
		.row_count = XFED_ARRAY_LEN(ident##_rows), .struct_size = sizeof(type) }
#define EDGE(member) .offset = offsetof(struct edge_config, member)
/* Rows of an object inside struct edge_config count from the beginning of that object. */
#define IN(object, member) .offset = offsetof(struct edge_config, object.member) - offsetof(struct edge_config, object)
#define OBJECT_OF(object)  __typeof__(((struct edge_config *)0)->object)

static const struct rt_conf_word level_words[] = {
	{ "error", RT_LOG_ERROR, NULL }, { "warning", RT_LOG_WARNING, NULL }, { "info", RT_LOG_INFO, NULL },
	{ "debug", RT_LOG_DEBUG, NULL }, { NULL, 0, NULL },
};
static const struct rt_conf_word format_words[] = { { "text", RT_LOG_TEXT, NULL }, { "json", RT_LOG_JSON, NULL }, { NULL, 0, NULL } };
static const struct rt_conf_word dnssec_words[] = {
	{ "off", EDGE_DNSSEC_OFF, NULL }, { "trust-ad", EDGE_DNSSEC_TRUST_AD, NULL }, { NULL, 0, NULL },
};

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
	{ .name = "grace", .type = RT_CONF_DURATION, IN(channel, grace_ms), .flags = RELOADABLE, .min = 0, .max = 3600000, .fallback = "30s",
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

static const struct rt_conf_row dns_rows[] = {
	{ .name = "servers", .type = RT_CONF_LISTENS, IN(dns, servers), .max = 8,
		.help = "Resolvers to ask; without any those of /etc/resolv.conf." },
	{ .name = "dnssec", .type = RT_CONF_ENUM, IN(dns, dnssec), .fallback = "off", .words = dnssec_words,
		.help = "trust-ad: believe the AD bit of resolvers on the loopback." },
};
TABLE(dns, "dns", OBJECT_OF(dns), "Name resolution.");

static const struct rt_conf_row http_rows[] = {
	{ .name = "listen", .type = RT_CONF_LISTEN, IN(http, listen),
		.help = "Address for /metrics, /healthz and /readyz; off unless set. It asks for no password: keep it on the loopback." },
};
TABLE(http, "http", OBJECT_OF(http), "Metrics and health over HTTP: 32 connections at a time, 8 of them from one address; one that says nothing for 5 s is closed.");

static const struct rt_conf_row log_rows[] = {
	{ .name = "level", .type = RT_CONF_ENUM, IN(log, level), .flags = RELOADABLE, .fallback = "info", .words = level_words,
		.help = "error: an operator has to act; warning: degraded, or a hostile peer; info: life events; debug: transitions." },
	{ .name = "format", .type = RT_CONF_ENUM, IN(log, format), .flags = RELOADABLE, .fallback = "text", .words = format_words,
		.help = "To the journal where systemd connected it, else to standard error." },
	{ .name = "mask_addresses", .type = RT_CONF_BOOL, IN(log, mask_addresses), .flags = RELOADABLE, .fallback = "false",
		.help = "Leave users' names out of log lines." },
};
TABLE(log, "log", OBJECT_OF(log), "The log.");

static const struct rt_conf_row limits_rows[] = {
	{ .name = "connections", .type = RT_CONF_INT, IN(limits, connections), .flags = RELOADABLE, .min = 1, .max = 100000, .unit = "connections",
		.fallback = "1000", .help = "Streams with partners, both directions; a tenth is kept for each direction." },
	{ .name = "unauthenticated", .type = RT_CONF_INT, IN(limits, unauthenticated), .flags = RELOADABLE, .min = 1, .max = 100000,
		.unit = "connections", .fallback = "200", .help = "Of these, incoming ones that have not authenticated yet." },
	{ .name = "address_share", .type = RT_CONF_INT, IN(limits, address_share), .flags = RELOADABLE, .min = 1, .max = 100, .unit = "%",
		.fallback = "25", .help = "Of unauthenticated: what one address may have (of IPv6, one /64). Streams that have authenticated do not count. What strangers may have the edge do (elements, keys, TLS handshakes) is shared likewise. 100, and network_share too, where all partners come through one proxy or address translation: then nothing is shared by address." },
	{ .name = "network_share", .type = RT_CONF_INT, IN(limits, network_share), .flags = RELOADABLE, .min = 1, .max = 100, .unit = "%",
		.fallback = "50", .help = "The same for one network: an IPv4 /24, an IPv6 /48. The questions of dialback are shared likewise." },
	{ .name = "connect_timeout", .type = RT_CONF_DURATION, IN(limits, connect_timeout_ms), .flags = RELOADABLE, .min = 100, .max = 60000,
		.fallback = "10s", .help = "For one address of a partner." },
	{ .name = "establish_timeout", .type = RT_CONF_DURATION, IN(limits, establish_timeout_ms), .flags = RELOADABLE, .min = 1000,
		.max = 600000, .fallback = "60s", .help = "From connection to authenticated stream; and how long an older stream of a pair of domains may stay silent when a newer one has come." },
	{ .name = "inactivity", .type = RT_CONF_DURATION, IN(limits, inactivity_ms), .flags = RELOADABLE, .min = 10000, .max = 86400000,
		.fallback = "10m", .help = "After which a stream without traffic is closed." },
	{ .name = "park", .type = RT_CONF_SIZE, IN(limits, park_bytes), .flags = RELOADABLE, .min = 16384, .max = 4194304, .fallback = "256KiB",
		.help = "Stanzas of one stream that wait for credit of a gateway; beyond it the stream is not read. Also what waits for one stream of ours." },
};
TABLE(limits, "limits", OBJECT_OF(limits), "Limits of this edge.");

static const struct rt_conf_row edge_rows[] = {
	{ .name = "name", .type = RT_CONF_STRING, EDGE(name), .flags = REQUIRED, .convert = rt_conf_convert_name,
		.help = "The name of this instance, as in the gateway's edges[].name." },
	{ .name = "external", .type = RT_CONF_OBJECT, EDGE(external), .table = &external_table, .help = "The side of the partners." },
	{ .name = "channel", .type = RT_CONF_OBJECT, EDGE(channel), .table = &channel_table, .help = "The side of the gateways." },
	{ .name = "certificates", .type = RT_CONF_OBJECTS, EDGE(certificates), .flags = REQUIRED | RELOADABLE, .min = 1, .max = 1024,
		.table = &certificate_table, .help = "What partners see; chosen by the name they ask for." },
	{ .name = "trust", .type = RT_CONF_OBJECT, EDGE(trust), .table = &trust_table, .help = "Whom partners' certificates may be signed by." },
	{ .name = "dns", .type = RT_CONF_OBJECT, EDGE(dns), .table = &dns_table, .help = "Name resolution." },
	{ .name = "control_socket", .type = RT_CONF_PATH, EDGE(control_socket),
		.help = "Where xfedctl connects; /run/xfed/NAME.sock unless set." },
	{ .name = "http", .type = RT_CONF_OBJECT, EDGE(http), .table = &http_table, .help = "Metrics and health over HTTP." },
	{ .name = "log", .type = RT_CONF_OBJECT, EDGE(log), .table = &log_table, .help = "The log." },
	{ .name = "limits", .type = RT_CONF_OBJECT, EDGE(limits), .table = &limits_table, .help = "Limits of this edge." },
	{ .name = "stop_timeout", .type = RT_CONF_DURATION, EDGE(stop_timeout_ms), .flags = RELOADABLE, .min = 1000, .max = 600000,
		.fallback = "30s", .help = "How long stopping may take: what is in flight is settled, then streams are closed." },
};
/* clang-format on */
const struct rt_conf_table edge_config_table = { .name = "edge.yaml",
	.help = "The configuration of xfed-edge, a YAML file. Dots stand for objects inside objects, [] for each item of a list.",
	.rows = edge_rows,
	.row_count = XFED_ARRAY_LEN(edge_rows),
	.struct_size = sizeof(struct edge_config) };

static int check(struct rt_conf_doc *doc, struct edge_config *c)
{
	size_t errors_before = doc->errors->error_count;
	if (strcmp(c->trust.ca, "system") != 0 && c->trust.ca[0] != '/') {
		rt_conf_fail(
			doc, c, "trust.ca", XFED_REASON_CONFIG_VALUE_INVALID, "found \"%.60s\", accepted: system, or an absolute path", c->trust.ca);
	}
	if (c->limits.unauthenticated > c->limits.connections) {
		rt_conf_fail(doc, c, "limits.unauthenticated", XFED_REASON_CONFIG_VALUE_INVALID,
			"found %u, accepted: at most limits.connections, which is %u", c->limits.unauthenticated, c->limits.connections);
	}
	if (c->dns.dnssec == EDGE_DNSSEC_TRUST_AD) {
		rt_conf_check_trust_ad(doc, &c->dns.servers);
	}
	int rc = rt_conf_control_socket(doc, c->name, &c->control_socket);
	if (rc == XFED_OK) {
		rc = rt_conf_networks(doc, &c->external.allow_networks, &c->external.networks);
	}
	return rc == XFED_OK && doc->errors->error_count > errors_before ? XFED_ERR_INVALID : rc;
}

/* Takes over the document. */
static int finish(int rc, struct rt_conf_doc *doc, struct edge_config **out)
{
	struct edge_config *c = doc->object;
	if (rc == XFED_OK) {
		rc = check(doc, c);
	}
	if (rc != XFED_OK) {
		rt_conf_doc_deinit(doc);
		return rc;
	}
	c->doc = *doc;
	*out = c;
	return XFED_OK;
}

int edge_config_load(const char *path, struct rt_conf_errors *errors, struct edge_config **out)
{
	struct rt_conf_doc doc;
	*out = NULL;
	int rc = finish(rt_conf_load_file(&doc, &edge_config_table, path, errors), &doc, out);
	if (rc == XFED_OK) {
		rt_conf_check_files(&(*out)->doc);
	}
	return rc;
}

int edge_config_parse(const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct edge_config **out)
{
	struct rt_conf_doc doc;
	*out = NULL;
	return finish(rt_conf_load(&doc, &edge_config_table, file, text, errors), &doc, out);
}

void edge_config_free(struct edge_config *c)
{
	if (c) {
		/* The struct lies in its own document's arena. */
		struct rt_conf_doc doc = c->doc;
		rt_conf_doc_deinit(&doc);
	}
}
