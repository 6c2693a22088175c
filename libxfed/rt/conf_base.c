#include "xfed/rt/conf_base.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/un.h>

#define VALUE XFED_REASON_CONFIG_VALUE_INVALID

/* clang-format off */
#define RELOADABLE	   RT_CONF_RELOADABLE
#define IN(object, member) RT_CONF_IN(struct rt_conf_base, object, member)

static const struct rt_conf_word level_words[] = {
	{ "error", RT_LOG_ERROR, NULL }, { "warning", RT_LOG_WARNING, NULL }, { "info", RT_LOG_INFO, NULL },
	{ "debug", RT_LOG_DEBUG, NULL }, { NULL, 0, NULL },
};
static const struct rt_conf_word format_words[] = { { "text", RT_LOG_TEXT, NULL }, { "json", RT_LOG_JSON, NULL }, { NULL, 0, NULL } };
static const struct rt_conf_word dnssec_words[] = {
	{ "off", RT_DNSSEC_OFF, NULL }, { "trust-ad", RT_DNSSEC_TRUST_AD, NULL }, { NULL, 0, NULL },
};

const struct rt_conf_word rt_conf_sandbox_words[] = {
	{ "on", RT_SANDBOX_ON, NULL }, { "required", RT_SANDBOX_REQUIRED, NULL }, { NULL, 0, NULL },
};

static const struct rt_conf_row dns_rows[] = {
	{ .name = "servers", .type = RT_CONF_LISTENS, IN(dns, servers), .flags = RELOADABLE, .max = 8,
		.help = "Resolvers to ask, each with its port, such as 127.0.0.1:53. Unless set those of /etc/resolv.conf." },
	{ .name = "dnssec", .type = RT_CONF_ENUM, IN(dns, dnssec), .flags = RELOADABLE, .fallback = "off", .words = dnssec_words,
		.help = "trust-ad: believe the AD bit of resolvers on the loopback." },
};
RT_CONF_TABLE(const, rt_conf_dns, "dns", dns_rows, RT_CONF_TYPE_OF(struct rt_conf_base, dns), "Name resolution.");

static const struct rt_conf_row http_rows[] = {
	{ .name = "listen", .type = RT_CONF_LISTEN, IN(http, listen),
		.help = "Address for /metrics (a gateway's has those of its edges too), /healthz and /readyz; off unless set. It asks for no "
			"password: keep it on the loopback." },
};
RT_CONF_TABLE(const, rt_conf_http, "http", http_rows, RT_CONF_TYPE_OF(struct rt_conf_base, http),
	"Metrics and health over HTTP: 32 connections at a time, 8 of them from one address; one that says nothing for 5 s is closed.");

static const struct rt_conf_row log_rows[] = {
	{ .name = "level", .type = RT_CONF_ENUM, IN(log, level), .flags = RELOADABLE, .fallback = "info", .words = level_words,
		.help = "error: an operator has to act; warning: degraded, or a hostile peer; info: life events; debug: transitions." },
	{ .name = "format", .type = RT_CONF_ENUM, IN(log, format), .flags = RELOADABLE, .fallback = "text", .words = format_words,
		.help = "To the journal where systemd connected it, else to standard error." },
	{ .name = "mask_addresses", .type = RT_CONF_BOOL, IN(log, mask_addresses), .flags = RELOADABLE, .fallback = "false",
		.help = "Leave users' names out of log lines." },
};
RT_CONF_TABLE(const, rt_conf_log, "log", log_rows, RT_CONF_TYPE_OF(struct rt_conf_base, log), "The log.");
/* clang-format on */

static int check_control_socket(struct rt_conf_doc *doc, const char *name, const char **control_socket)
{
	const size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	if (!*control_socket) {
		*control_socket = xfed_arena_printf(&doc->arena, "/run/xfed/%s.sock", name).data;
		if (!*control_socket) {
			return XFED_ERR_NOMEM;
		}
	}
	if (strlen(*control_socket) > max) {
		rt_conf_fail(
			doc, doc->object, "control_socket", VALUE, "found a path of %zu bytes, accepted: at most %zu", strlen(*control_socket), max);
	}
	return XFED_OK;
}

static bool is_loopback(const struct rt_conf_address *a)
{
	struct in_addr v4;
	struct in6_addr v6;
	if (inet_pton(AF_INET, a->host, &v4) == 1) {
		return (ntohl(v4.s_addr) >> 24) == 127;
	}
	return inet_pton(AF_INET6, a->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* Warns if the AD bit is to be trusted from a resolver that is not on loopback. */
static void check_trust_ad(struct rt_conf_doc *doc, const struct rt_conf_addresses *servers)
{
	for (size_t i = 0; i < servers->count; i++) {
		if (!is_loopback(&servers->items[i])) {
			rt_conf_warn(doc, doc->object, "dns.dnssec", VALUE,
				"the AD bit is trusted from resolvers on the loopback only, and %s is not: its answers count as unsigned",
				servers->items[i].host);
		}
	}
}

int rt_conf_open(const struct rt_conf_table *table, const char *file, const struct xfed_span *text, int (*check)(struct rt_conf_doc *doc),
	struct rt_conf_errors *errors, struct rt_conf_base **out)
{
	struct rt_conf_doc doc;
	*out = NULL;
	int rc = text ? rt_conf_load(&doc, table, file, *text, errors) : rt_conf_load_file(&doc, table, file, errors);
	size_t errors_before = errors->error_count;
	struct rt_conf_base *base = doc.object;
	if (rc == XFED_OK && base->dns.dnssec == RT_DNSSEC_TRUST_AD) {
		check_trust_ad(&doc, &base->dns.servers);
	}
	rc = rc == XFED_OK ? check_control_socket(&doc, base->name, &base->control_socket) : rc;
	rc = rc == XFED_OK ? check(&doc) : rc;
	if (rc == XFED_OK && errors->error_count > errors_before) {
		rc = XFED_ERR_INVALID;
	}
	if (rc != XFED_OK) {
		rt_conf_doc_deinit(&doc);
		return rc;
	}
	base->doc = doc;
	*out = base;
	return XFED_OK;
}

const char *rt_conf_instance(const char *file, const char *role, char out[RT_CONF_INSTANCE])
{
	const char *name = strrchr(file, '/');
	size_t len = name ? strlen(++name) : 0, dir = strlen(role);
	bool is_there = len > 5 && strcmp(name + len - 5, ".yaml") == 0 && (size_t)(name - file) >= dir + 1 &&
			strncmp(name - 1 - dir, role, dir) == 0 && ((size_t)(name - file) == dir + 1 || name[-2 - (ptrdiff_t)dir] == '/');
	if (!is_there || len - 5 >= RT_CONF_INSTANCE) {
		return NULL;
	}
	snprintf(out, RT_CONF_INSTANCE, "%.*s", (int)(len - 5), name);
	return out;
}

void rt_conf_close(struct rt_conf_base *base)
{
	if (base) {
		/* `base` is in the arena of its own document. */
		struct rt_conf_doc doc = base->doc;
		rt_conf_doc_deinit(&doc);
	}
}
