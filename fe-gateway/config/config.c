#include "config/config.h"

#include <stdio.h>

#include <arpa/inet.h>

#include "config/config_impl.h"
#include "xfed/limits.h"

/* clang-format off */
#define RELOADABLE RT_CONF_RELOADABLE
#define REQUIRED   RT_CONF_REQUIRED
#define KEPT	   RT_CONF_KEPT
#define TABLE(ident, name, type, help) RT_CONF_TABLE(static const, ident, name, ident##_rows, type, help)
#define GATEWAY(member) .offset = offsetof(struct config, member)
#define IN(object, member) RT_CONF_IN(struct config, object, member)
#define OBJECT_OF(object)  RT_CONF_TYPE_OF(struct config, object)
#define DOMAIN(member)	   .offset = offsetof(struct config_domain, member)

static const struct rt_conf_word dialect_words[] = {
	{ "standard", CONFIG_DIALECT_STANDARD, NULL },
	{ "lync", CONFIG_DIALECT_LYNC, NULL },
	{ NULL, 0, NULL },
};
static const struct rt_conf_word im_words[] = {
	{ "page", CONFIG_IM_PAGE, NULL },
	{ "session", CONFIG_IM_SESSION, NULL },
	{ NULL, 0, NULL },
};

static const struct rt_conf_word tls_words[] = {
	{ "1.0", XFED_TLS_1_0, NULL },
	{ "1.1", XFED_TLS_1_1, NULL },
	{ "1.2", XFED_TLS_1_2, NULL },
	{ "1.3", XFED_TLS_1_3, NULL },
	{ NULL, 0, NULL },
};

static const struct rt_conf_row edges_rows[] = {
	{ .name = "name", .type = RT_CONF_STRING, .offset = offsetof(struct config_edge, name), .flags = REQUIRED,
		.convert = rt_conf_convert_name, .help = "The edge's own name, as in its edge.yaml: of a-z 0-9 . _ -." },
	{ .name = "address", .type = RT_CONF_ADDRESS, .offset = offsetof(struct config_edge, address), .flags = REQUIRED,
		.help = "Where its channel listens. The gateway dials; an edge never connects inwards. A name is looked up in the DNS alone, not in /etc/hosts." },
	{ .name = "tls_name", .type = RT_CONF_STRING, .offset = offsetof(struct config_edge, tls_name), .convert = rt_conf_convert_host,
		.help = "The name its certificate has to carry; the host of address unless set. Needed where that is an IP address." },
};
TABLE(edges, "edges", struct config_edge, "The edges to link to.");

static const struct rt_conf_row channel_rows[] = {
	{ .name = "certificate", .type = RT_CONF_PATH, IN(channel, certificate), .flags = REQUIRED | RELOADABLE,
		.help = "PEM file with the certificate edges see, and its chain; its name stands in their channel.allow." },
	{ .name = "key", .type = RT_CONF_PATH, IN(channel, key), .flags = REQUIRED | RELOADABLE | KEPT, .help = "PEM file with its private key." },
	{ .name = "ca", .type = RT_CONF_PATH, IN(channel, ca), .flags = REQUIRED | RELOADABLE,
		.help = "PEM file with the authorities that sign the edges' certificates." },
};
TABLE(channel, "channel", OBJECT_OF(channel), "The links to the edges.");

static const struct rt_conf_row auth_rows[] = {
	{ .name = "username", .type = RT_CONF_STRING, .offset = offsetof(struct config_domain, auth.username) - offsetof(struct config_domain, auth),
		.flags = RELOADABLE, .convert = config_convert_username, .help = "The name we have there." },
	{ .name = "password_file", .type = RT_CONF_PATH,
		.offset = offsetof(struct config_domain, auth.password_file) - offsetof(struct config_domain, auth), .flags = RELOADABLE | KEPT,
		.help = "File with the password, its first line." },
};
TABLE(auth, "auth", __typeof__(((struct config_domain *)0)->auth), "Who we are to a next hop that asks (digest, with SHA-256 or MD5).");

static const struct rt_conf_row domains_rows[] = {
	{ .name = "domain", .type = RT_CONF_STRING, DOMAIN(domain), .flags = REQUIRED | RELOADABLE, .convert = rt_conf_convert_domain,
		.help = "A domain of ours that partners may reach." },
	{ .name = "next_hop", .type = RT_CONF_STRING, DOMAIN(next_hop), .flags = RELOADABLE, .convert = config_convert_next_hop,
		.help = "The SIP server for requests to this domain, such as sip:fe.example.com:5061;transport=tls. Without a port its SRV "
			"records are asked for, without a transport its NAPTR records too (RFC 3263); unless set, those of the domain itself. Names "
			"are looked up in the DNS alone (dns.servers), never in /etc/hosts; where there is no record, write the address and "
			"tls_name." },
	{ .name = "tls_name", .type = RT_CONF_STRING, DOMAIN(tls_name), .flags = RELOADABLE, .convert = rt_conf_convert_host,
		.help = "The name the certificate of the next hop has to carry; its host unless set, whatever SRV records say. Needed where "
			"that is an IP address." },
	{ .name = "tls_min", .type = RT_CONF_ENUM, DOMAIN(tls_min), .flags = RELOADABLE, .fallback = "1.2", .words = tls_words,
		.help = "The oldest TLS that is spoken with the next hop, and with peers that we connect to. Below 1.2 only for a server that knows nothing "
			"newer, such as Lync 2013 before its late updates: it can be attacked. The same for all domains that share the server." },
	{ .name = "peers", .type = RT_CONF_STRINGS, DOMAIN(peers), .flags = RELOADABLE, .max = 256, .convert = rt_conf_convert_host,
		.help = "Which SIP servers may send us requests of this domain's users, over tls: each has to show a certificate with one of these names." },
	{ .name = "peer_addresses", .type = RT_CONF_STRINGS, DOMAIN(peer_addresses), .flags = RELOADABLE, .max = 256,
		.convert = rt_conf_convert_network, .help = "The same over tcp, and over udp if udp_trusted is set: the addresses or networks of these servers. Over tls they count where the domain "
			"is federated alone." },
	{ .name = "udp_trusted", .type = RT_CONF_BOOL, DOMAIN(udp_trusted), .flags = RELOADABLE, .fallback = "false",
		.help = "Let peer_addresses count for udp too, where a sender's address can be forged." },
	{ .name = "federated", .type = RT_CONF_BOOL, DOMAIN(federated), .flags = RELOADABLE, .fallback = "false",
		.help = "The domain's own SIP servers are reached through their Edge, which treats us like another company (SIP federation), not like a "
			"server inside. next_hop is the Edge; without it the SRV record _sipfederationtls._tcp of the domain names it. Everything goes over tls by the "
			"listener, name and certificate of sip.federation. The Edge has to show a certificate with a name of peers and to come from an address "
			"of peer_addresses, both. The Contact in our requests is the XMPP user's own address, by which the Edge finds its way back to us." },
	{ .name = "dialect", .type = RT_CONF_ENUM, DOMAIN(dialect), .flags = RELOADABLE, .fallback = "standard", .words = dialect_words,
		.help = "What the SIP side speaks: lync is for Lync and Skype for Business servers, and clients of that family. Where a domain has it, SIP over "
			"TLS 1.2 takes AES in CBC mode too, as the last choice: Windows Server 2012 R2 has nothing better." },
	{ .name = "im", .type = RT_CONF_ENUM, DOMAIN(im), .flags = RELOADABLE, .fallback = "page", .words = im_words,
		.help = "How messages to and from users go: page, each as a MESSAGE request of its own; session, an INVITE opens a session of the two users, "
			"and each message is a MESSAGE in its dialog. With dialect lync it is always session, with dialect standard always page." },
	{ .name = "max_request", .type = RT_CONF_SIZE, DOMAIN(max_request_bytes), .flags = RELOADABLE, .min = 1300, .max = 65536,
		.standard = XFED_SIP_MAX_REQUEST, .help = "Largest whole request over tcp and tls; over udp it is never more than 1300 bytes." },
	{ .name = "pipeline", .type = RT_CONF_BOOL, DOMAIN(pipeline), .flags = RELOADABLE, .fallback = "false",
		.help = "Send the next MESSAGE to a recipient before the last one is answered.", .not_built = "pipelining is not built in this version" },
	{ .name = "gruu", .type = RT_CONF_BOOL, DOMAIN(gruu), .flags = RELOADABLE, .fallback = "false",
		.help = "Carry XMPP resources as GRUUs.", .not_built = "GRUU is not built in this version" },
	{ .name = "thread_as_call_id", .type = RT_CONF_BOOL, DOMAIN(thread_as_call_id), .flags = RELOADABLE, .fallback = "false",
		.help = "Make the Call-ID from the XMPP thread.", .not_built = "threads as Call-ID are not built in this version" },
	{ .name = "sip_domain", .type = RT_CONF_STRING, DOMAIN(sip_domain), .flags = RELOADABLE, .convert = rt_conf_convert_domain,
		.help = "The domain users have inside, where it is another one." },
	{ .name = "test_user", .type = RT_CONF_STRING, DOMAIN(test_user), .flags = RELOADABLE, .convert = config_convert_user,
		.help = "Who sends what xfedctl test does, unless it is told another: a user of this domain, such as probe@example.com. What a partner "
			"answers goes to that user's SIP server, as any answer does." },
	{ .name = "presence", .type = RT_CONF_OBJECT, DOMAIN(presence), .flags = RELOADABLE, .table = &config_choice_table,
		.help = "What show and activities mean to each other for users of this domain, where it is something else than in presence." },
	{ .name = "auth", .type = RT_CONF_OBJECT, DOMAIN(auth), .flags = RELOADABLE, .table = &auth_table,
		.help = "Who we are to a next hop that asks (digest, with SHA-256 or MD5)." },
};
TABLE(domains, "domains", struct config_domain, "Our domains.");

static const struct rt_conf_row federation_rows[] = {
	{ .name = "listen", .type = RT_CONF_LISTENS, IN(sip.federation, listen), .max = 4,
		.help = "Addresses for TLS with federated neighbours alone. An Edge connects to port 5061." },
	{ .name = "advertise", .type = RT_CONF_STRING, IN(sip.federation, advertise), .convert = rt_conf_convert_host,
		.help = "The name we have there, which is in that certificate." },
	{ .name = "certificate", .type = RT_CONF_PATH, IN(sip.federation, certificate), .flags = RELOADABLE,
		.help = "PEM file with the certificate that neighbours see, and its chain." },
	{ .name = "key", .type = RT_CONF_PATH, IN(sip.federation, key), .flags = RELOADABLE | KEPT, .help = "PEM file with its private key." },
	{ .name = "ca", .type = RT_CONF_PATH, IN(sip.federation, ca), .flags = RELOADABLE,
		.help = "PEM file with the authorities that sign the certificates of neighbours." },
};
TABLE(federation, "federation", __typeof__(((struct config *)0)->sip.federation),
	"The side of federated neighbours, such as the Edge of Lync: a name, listeners and a certificate of their own. Connections from elsewhere than "
	"peer_addresses of a federated domain are closed.");

static const struct rt_conf_row sip_rows[] = {
	{ .name = "listen", .type = RT_CONF_SIP_LISTENS, IN(sip, listen), .flags = REQUIRED, .min = 1, .max = 16,
		.help = "Addresses for SIP, each with its transport." },
	{ .name = "advertise", .type = RT_CONF_STRING, IN(sip, advertise), .flags = REQUIRED, .convert = rt_conf_convert_host,
		.help = "The host in our Via and Contact: a name in our certificate, or an address." },
	{ .name = "certificate", .type = RT_CONF_PATH, IN(sip, certificate), .flags = RELOADABLE,
		.help = "PEM file with our certificate for SIP over TLS, and its chain; needed where tls is used." },
	{ .name = "key", .type = RT_CONF_PATH, IN(sip, key), .flags = RELOADABLE | KEPT, .help = "PEM file with its private key." },
	{ .name = "ca", .type = RT_CONF_PATH, IN(sip, ca), .flags = RELOADABLE,
		.help = "PEM file with the authorities that sign the certificates of SIP servers." },
	{ .name = "tls_min", .type = RT_CONF_ENUM, IN(sip, tls_min), .flags = RELOADABLE, .fallback = "1.2", .words = tls_words,
		.help = "The oldest TLS that a peer may connect to us with. Below 1.2 only for servers that know nothing newer: it can be attacked." },
	{ .name = "answer_within", .type = RT_CONF_DURATION, IN(sip, answer_within_ms), .flags = RELOADABLE, .min = 1000, .max = 30000,
		.standard = XFED_SIP_ANSWER_WITHIN_MS, .help = "When a SIP request gets its final response at the latest." },
	{ .name = "error_hold", .type = RT_CONF_DURATION, IN(sip, error_hold_ms), .flags = RELOADABLE, .min = 0, .max = 10000, .standard = XFED_SIP_ERROR_HOLD_MS,
		.help = "How long a 200 waits for an error of the partner after a message was written to it." },
	{ .name = "federation", .type = RT_CONF_OBJECT, IN(sip, federation), .table = &federation_table,
		.help = "The side of federated neighbours; needed where a domain is federated." },
	{ .name = "keepalive", .type = RT_CONF_DURATION, IN(sip, keepalive_ms), .flags = RELOADABLE, .min = 0, .max = 900000, .fallback = "2m",
		.help = "How often a connection that we opened to a SIP server carries a keep-alive (RFC 5626); 0: none. For those opened from then on." },
};
TABLE(sip, "sip", OBJECT_OF(sip), "The side of the SIP servers.");

static const struct rt_conf_row dialback_rows[] = {
	{ .name = "secret_file", .type = RT_CONF_PATH, IN(dialback, secret_file), .flags = RELOADABLE | KEPT,
		.help = "File with the secret of dialback keys: first line the current one, second line the previous one." },
};
TABLE(dialback, "dialback", OBJECT_OF(dialback), "Server dialback.");

static const struct rt_conf_row store_rows[] = {
	{ .name = "sqlite", .type = RT_CONF_PATH, IN(store, sqlite), .flags = KEPT | RT_CONF_WRITTEN, .fallback = "/var/lib/xfed/gateway.db", .help = "The database file. Of an instance "
			"(/etc/xfed/gateway/NAME.yaml) it is /var/lib/xfed/NAME.db unless set." },
	{ .name = "postgresql", .type = RT_CONF_STRING, IN(store, postgresql), .flags = RT_CONF_SECRET,
		.help = "A connection string of libpq, needed for several gateways.", .not_built = "PostgreSQL is not built in this version" },
};
TABLE(store, "store", OBJECT_OF(store), "Where state is kept.");

static const struct rt_conf_row delivery_rows[] = {
	{ .name = "deadline", .type = RT_CONF_DURATION, IN(delivery, deadline_ms), .flags = RELOADABLE, .min = 34000, .max = 600000,
		.standard = XFED_DELIVERY_DEADLINE_MS, .help = "Time in all for a message from XMPP to SIP. Less than the 32 s of a SIP transaction cannot work." },
};
TABLE(delivery, "delivery", OBJECT_OF(delivery), "Delivery of messages.");

static const struct rt_conf_row im_rows[] = {
	{ .name = "session_idle", .type = RT_CONF_DURATION, IN(im, session_idle_ms), .flags = RELOADABLE, .min = 5000, .max = 86400000, .fallback = "10m",
		.help = "When a session in which nobody has written or typed anything is ended. The next message opens another one." },
};
TABLE(im, "im", OBJECT_OF(im), "Messages in sessions.");

static const struct rt_conf_row limits_rows[] = {
	{ .name = "connections", .type = RT_CONF_INT, IN(limits, connections), .flags = RELOADABLE, .min = 1, .max = 100000, .unit = "connections",
		.standard = XFED_SIP_CONNECTIONS_MAX, .help = "SIP connections over tcp and tls; a tenth is kept for each direction." },
	{ .name = "unauthenticated", .type = RT_CONF_INT, IN(limits, unauthenticated), .flags = RELOADABLE, .min = 1, .max = 100000,
		.unit = "connections", .fallback = "200", .help = "Of these, incoming ones of peers that are not in peer_addresses and have shown no certificate of peers; never more than half. They are closed after 30 s." },
	{ .name = "address_share", .type = RT_CONF_INT, IN(limits, address_share), .flags = RELOADABLE, .min = 1, .max = 100, .unit = "%",
		.standard = XFED_SHARE_ADDRESS_PERCENT, .help = "Of unauthenticated: what one address may have (of IPv6, one /64)." },
	{ .name = "network_share", .type = RT_CONF_INT, IN(limits, network_share), .flags = RELOADABLE, .min = 1, .max = 100, .unit = "%",
		.standard = XFED_SHARE_NETWORK_PERCENT, .help = "The same for one network: an IPv4 /24, an IPv6 /48." },
	{ .name = "transactions", .type = RT_CONF_INT, IN(limits, transactions), .min = 64, .max = 1000000,
		.unit = "transactions", .standard = XFED_SIP_TRANSACTIONS_MAX, .help = "SIP transactions at a time, both directions." },
	{ .name = "queue_messages", .type = RT_CONF_INT, IN(limits, queue_messages), .flags = RELOADABLE, .min = 1, .max = 4096,
		.unit = "messages", .standard = XFED_DELIVERY_QUEUE_MSGS, .help = "Messages that wait for one recipient. Partners share them; a quarter more is kept for those who find the queue filled by others." },
	{ .name = "queue_size", .type = RT_CONF_SIZE, IN(limits, queue_bytes), .flags = RELOADABLE, .min = 65536, .max = 16777216,
		.standard = XFED_DELIVERY_QUEUE_BYTES, .help = "Their size together, likewise." },
	{ .name = "waiting_messages", .type = RT_CONF_INT, IN(limits, waiting_messages), .flags = RELOADABLE, .min = 10, .max = XFED_SIP_QUEUE_MSGS,
		.unit = "messages", .fallback = "65536",
		.help = "Messages that wait for SIP or are being sent, in all; one next hop may have 30 % of them." },
	{ .name = "waiting_size", .type = RT_CONF_SIZE, IN(limits, waiting_bytes), .flags = RELOADABLE, .min = 1048576, .max = 1073741824,
		.fallback = "256MiB", .help = "Their size together, likewise." },
	{ .name = "pending_requests", .type = RT_CONF_INT, IN(limits, pending_requests), .flags = RELOADABLE, .min = 1, .max = 10000, .unit = "requests",
		.fallback = "100", .help = "Requests of one partner's users to see the presence of one user of ours, that wait for an answer. A request that has had none for 30 days is refused." },
};
TABLE(limits, "limits", OBJECT_OF(limits), "Limits of this gateway.");

static const struct rt_conf_row gateway_rows[] = {
	RT_CONF_NAME_ROW("The name of this instance."),
	{ .name = "edges", .type = RT_CONF_OBJECTS, GATEWAY(edges), .flags = REQUIRED, .min = 1, .max = 64, .table = &edges_table,
		.help = "The edges to link to." },
	{ .name = "channel", .type = RT_CONF_OBJECT, GATEWAY(channel), .table = &channel_table, .help = "The links to the edges." },
	{ .name = "domains", .type = RT_CONF_OBJECTS, GATEWAY(domains), .flags = REQUIRED | RELOADABLE, .min = 1, .max = 1024,
		.table = &domains_table, .help = "Our domains that partners may reach." },
	{ .name = "sip", .type = RT_CONF_OBJECT, GATEWAY(sip), .table = &sip_table, .help = "The side of the SIP servers." },
	{ .name = "dialback", .type = RT_CONF_OBJECT, GATEWAY(dialback), .table = &dialback_table, .help = "Server dialback." },
	{ .name = "partners_dir", .type = RT_CONF_PATH, GATEWAY(partners_dir), .flags = RELOADABLE, .fallback = "/etc/xfed/partners.d",
		.help = "Directory of the partner files." },
	{ .name = "access_dir", .type = RT_CONF_PATH, GATEWAY(access_dir), .flags = RELOADABLE, .fallback = "/etc/xfed/access.d",
		.help = "Directory of the access files." },
	{ .name = "store", .type = RT_CONF_OBJECT, GATEWAY(store), .table = &store_table, .help = "Where state is kept." },
	RT_CONF_BASE_ROWS,
	{ .name = "delivery", .type = RT_CONF_OBJECT, GATEWAY(delivery), .table = &delivery_table, .help = "Delivery of messages." },
	{ .name = "im", .type = RT_CONF_OBJECT, GATEWAY(im), .table = &im_table, .help = "Messages in sessions." },
	{ .name = "presence", .type = RT_CONF_OBJECT, GATEWAY(presence), .table = &config_presence_table,
		.help = "How long subscriptions last, and what show and activities mean to each other." },
	{ .name = "contact_memory", .type = RT_CONF_DURATION, GATEWAY(contact_memory_ms), .flags = RELOADABLE, .min = 86400000, .max = (uint64_t)49 * 86400000,
		.fallback = "30d", .help = "When a user and a contact are contacts no longer, as neither has asked for, shown or written anything to the other for so long; both are "
			"told. For users of a public-unverified partner it counts what the local user does alone." },
	{ .name = "panel", .type = RT_CONF_OBJECT, GATEWAY(panel), .table = &config_panel_table, .help = "The control panel." },
	{ .name = "limits", .type = RT_CONF_OBJECT, GATEWAY(limits), .table = &limits_table, .help = "Limits of this gateway." },
};
RT_CONF_TABLE(const, config, "gateway.yaml", gateway_rows, struct config,
	"The configuration of xfed-gateway, a YAML file. Dots stand for objects inside objects, [] for each item of a list.");
/* clang-format on */

int config_writer_path(const struct config *c, char out[CONFIG_WRITER_PATH_MAX])
{
	const char *path = c->base.control_socket;
	size_t len = strlen(path);
	len -= len > 5 && strcmp(path + len - 5, ".sock") == 0 ? 5 : 0;
	int n = snprintf(out, CONFIG_WRITER_PATH_MAX, "%.*s.writer", (int)len, path);
	return n < CONFIG_WRITER_PATH_MAX ? XFED_OK : XFED_ERR_INVALID;
}
