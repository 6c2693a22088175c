/* Loading gateway.yaml: the checks across keys, and the values derived from others. */
#include "config/config.h"

#include <stdio.h>

#include "config/config_impl.h"
#include "xfed/mem.h"

#define VALUE XFED_REASON_CONFIG_VALUE_INVALID

/* Derives the certificate name from a host, where none is configured. OK, also where an error was added; NOMEM. */
static int derive_tls_name(struct rt_conf_doc *doc, const void *object, const struct rt_conf_address *address, const char **tls_name)
{
	struct xfed_span name;
	const char *accepted;
	int rc = address->is_ip ? XFED_ERR_INVALID : rt_conf_convert_host(&doc->arena, xfed_span_str(address->host), &name, &accepted);
	if (rc == XFED_OK) {
		*tls_name = name.data;
	} else if (rc == XFED_ERR_INVALID) {
		rt_conf_fail(doc, object, "tls_name", VALUE, "missing, accepted: the name in the certificate of %.253s (which is no name itself)",
			address->host);
	}
	return rc == XFED_ERR_INVALID ? XFED_OK : rc;
}

static int check_edges(struct rt_conf_doc *doc, struct config *c)
{
	int rc = XFED_OK;
	for (size_t i = 0; i < c->edges.count; i++) {
		struct config_edge *e = &c->edges.items[i];
		for (size_t j = 0; j < i; j++) {
			if (strcmp(e->name, c->edges.items[j].name) == 0) {
				rt_conf_fail(doc, e, "name", VALUE, "found \"%s\" a second time, accepted: a name of its own for each edge", e->name);
			}
		}
		if (rc == XFED_OK && !e->tls_name) {
			rc = derive_tls_name(doc, e, &e->address, &e->tls_name);
		}
	}
	return rc;
}

static int fill_networks(struct rt_conf_doc *doc, struct config_domain *d)
{
	d->networks.count = d->peer_addresses.count;
	return rt_conf_networks(doc, &d->peer_addresses, &d->networks.networks);
}

static bool listens_on(const struct config *c, enum rt_conf_transport t)
{
	for (size_t i = 0; i < c->sip.listen.count; i++) {
		if (c->sip.listen.items[i].transport == t) {
			return true;
		}
	}
	return false;
}

static int parse_hop(struct rt_conf_doc *doc, struct config_domain *d)
{
	struct xfed_span host;
	const char *accepted;
	if (d->next_hop) {
		return config_parse_next_hop(&doc->arena, xfed_span_str(d->next_hop), &d->hop);
	}
	int rc = rt_conf_convert_host(&doc->arena, xfed_span_str(d->sip_domain ? d->sip_domain : d->domain), &host, &accepted);
	if (rc == XFED_OK) {
		d->hop = (struct rt_conf_address){ .host = host.data };
	} else if (rc == XFED_ERR_INVALID) {
		rt_conf_fail(doc, d, "next_hop", VALUE, "missing, accepted: the SIP server of %.253s (which is no name in the DNS)", d->domain);
	}
	return rc;
}

/* The first transport of RFC 3263 section 4.1 that sip.listen has, for where the DNS is not asked. */
static enum rt_conf_transport usual_transport(const struct config *c)
{
	return listens_on(c, RT_TRANSPORT_UDP) ? RT_TRANSPORT_UDP : listens_on(c, RT_TRANSPORT_TCP) ? RT_TRANSPORT_TCP : RT_TRANSPORT_TLS;
}

/* Where the neighbour is found by its SRV record, its certificate has to have a name that the configuration knows: that of the peer. */
static int fill_neighbour(struct rt_conf_doc *doc, struct config_domain *d)
{
	if (d->hop.transport != RT_TRANSPORT_NONE && d->hop.transport != RT_TRANSPORT_TLS) {
		rt_conf_fail(doc, d, "next_hop", VALUE, "found transport=%s, accepted: tls (federated)", rt_conf_transport_name(d->hop.transport));
	}
	d->hop.transport = RT_TRANSPORT_TLS;
	if (d->tls_name) {
		return XFED_OK;
	}
	if (d->next_hop) {
		return derive_tls_name(doc, d, &d->hop, &d->tls_name);
	}
	if (d->peers.count == 1) {
		d->tls_name = d->peers.items[0];
	} else {
		rt_conf_fail(doc, d, "tls_name", VALUE,
			"missing, accepted: the name in the certificate of the Edge (there is neither a next_hop nor a single peer)");
	}
	return XFED_OK;
}

static int fill_hop(struct rt_conf_doc *doc, const struct config *c, struct config_domain *d)
{
	int rc = parse_hop(doc, d);
	if (rc != XFED_OK) {
		return rc == XFED_ERR_INVALID ? XFED_OK : rc; /* the error has been added */
	}
	if (d->federated) {
		return fill_neighbour(doc, d);
	}
	enum rt_conf_transport t = d->hop.transport != RT_TRANSPORT_NONE ? d->hop.transport : usual_transport(c);
	bool is_found_out = d->hop.transport == RT_TRANSPORT_NONE && d->hop.port == 0 && !d->hop.is_ip;
	if (t != RT_TRANSPORT_TLS && !(is_found_out && listens_on(c, RT_TRANSPORT_TLS))) {
		if (d->tls_name) {
			rt_conf_warn(doc, d, "tls_name", VALUE, "not used: next_hop is reached over %s", rt_conf_transport_name(t));
		}
		d->tls_name = NULL;
	} else if (!d->tls_name) {
		rc = derive_tls_name(doc, d, &d->hop, &d->tls_name);
	}
	return rc;
}

/* Two domains with a common name, inside or outside, could not be told apart. */
static void check_unique(struct rt_conf_doc *doc, struct config *c, size_t i)
{
	struct config_domain *d = &c->domains.items[i];
	for (size_t j = 0; j < i; j++) {
		const struct config_domain *o = &c->domains.items[j];
		if (strcmp(d->domain, o->domain) == 0) {
			rt_conf_fail(doc, d, "domain", VALUE, "found \"%s\" a second time, accepted: each domain once", d->domain);
		} else if (strcmp(d->sip_domain ? d->sip_domain : d->domain, o->sip_domain ? o->sip_domain : o->domain) == 0) {
			rt_conf_fail(doc, d, d->sip_domain ? "sip_domain" : "domain", VALUE,
				"found \"%s\", which stands inside for \"%s\" already, accepted: another domain",
				d->sip_domain ? d->sip_domain : d->domain, o->domain);
		}
	}
}

static void check_senders(struct rt_conf_doc *doc, const struct config *c, const struct config_domain *d)
{
	if (d->peers.count == 0 && d->peer_addresses.count == 0) {
		rt_conf_warn(doc, d, "peers", VALUE, "neither peers nor peer_addresses: nobody may send us SIP as %s", d->domain);
	}
	if (d->udp_trusted && d->peer_addresses.count == 0) {
		rt_conf_fail(doc, d, "udp_trusted", VALUE, "found true without peer_addresses, accepted: false, or a list of addresses");
	}
	if (d->next_hop && d->hop.transport == RT_TRANSPORT_UDP && !listens_on(c, RT_TRANSPORT_UDP)) {
		rt_conf_fail(doc, d, "next_hop", VALUE, "needs udp, and sip.listen has no udp address to send from");
	}
}

static void check_auth(struct rt_conf_doc *doc, const struct config_domain *d)
{
	if (!d->auth.username != !d->auth.password_file) {
		rt_conf_fail(doc, d, "auth", VALUE, "found %s alone, accepted: both username and password_file",
			d->auth.username ? "username" : "password_file");
	}
}

static void check_test_user(struct rt_conf_doc *doc, const struct config_domain *d)
{
	const char *at = d->test_user ? strchr(d->test_user, '@') : NULL;
	if (at && strcmp(at + 1, d->domain) != 0) {
		rt_conf_fail(doc, d, "test_user", VALUE, "found \"%s\", accepted: a user of %s", d->test_user, d->domain);
	}
}

/* Sessions are those of dialect lync, which has no other messages; those of others (MSRP) are not built. */
static void fill_im(struct rt_conf_doc *doc, struct config_domain *d)
{
	if (d->dialect == CONFIG_DIALECT_LYNC && d->im == CONFIG_IM_PAGE && rt_conf_is_set(doc, d, "im")) {
		rt_conf_fail(doc, d, "im", VALUE, "found \"page\", accepted: session (dialect lync has no other messages)");
	} else if (d->dialect == CONFIG_DIALECT_STANDARD && d->im == CONFIG_IM_SESSION) {
		rt_conf_fail(doc, d, "im", VALUE,
			"found \"session\", accepted: page, or dialect lync beside it (sessions with MSRP are not built in this version)");
	}
	d->im = d->dialect == CONFIG_DIALECT_LYNC ? CONFIG_IM_SESSION : CONFIG_IM_PAGE;
}

static int check_domains(struct rt_conf_doc *doc, struct config *c)
{
	int rc = XFED_OK;
	for (size_t i = 0; i < c->domains.count && rc == XFED_OK; i++) {
		struct config_domain *d = &c->domains.items[i];
		check_unique(doc, c, i);
		fill_im(doc, d);
		c->has_lync |= d->dialect == CONFIG_DIALECT_LYNC;
		iw_presence_map_init(&d->map);
		iw_presence_map_choose(&d->map, &c->presence.choice);
		iw_presence_map_choose(&d->map, &d->presence);
		rc = fill_networks(doc, d);
		if (rc == XFED_OK) {
			rc = fill_hop(doc, c, d);
		}
		if (rc == XFED_OK) {
			check_senders(doc, c, d);
			check_auth(doc, d);
			check_test_user(doc, d);
		}
	}
	return rc;
}

static void check_sip_tls(struct rt_conf_doc *doc, const struct config *c)
{
	bool is_used = listens_on(c, RT_TRANSPORT_TLS);
	for (size_t i = 0; i < c->domains.count; i++) {
		is_used = is_used || (c->domains.items[i].hop.transport == RT_TRANSPORT_TLS && !c->domains.items[i].federated);
	}
	const char *const keys[] = { "sip.certificate", "sip.key", "sip.ca" };
	const char *const values[] = { c->sip.certificate, c->sip.key, c->sip.ca };
	for (size_t i = 0; is_used && i < XFED_ARRAY_LEN(keys); i++) {
		if (!values[i]) {
			rt_conf_fail(doc, c, keys[i], VALUE, "missing, accepted: an absolute path (tls is used)");
		}
	}
}

/* ---- federated neighbours ---- */

static void check_neighbour(struct rt_conf_doc *doc, const struct config *c, const struct config_domain *d)
{
	if (c->sip.federation.listen.count == 0) {
		rt_conf_fail(doc, d, "federated", VALUE,
			"found true without sip.federation, accepted: false, or listen, advertise and a certificate there");
	}
	if (d->peers.count == 0 || d->peer_addresses.count == 0) {
		rt_conf_fail(doc, d, "federated", VALUE, "found true without %s, accepted: both peers and peer_addresses of the Edge",
			d->peers.count == 0 ? "peers" : "peer_addresses");
	}
	if (d->udp_trusted) {
		rt_conf_fail(doc, d, "udp_trusted", VALUE, "found true, accepted: false (federated: over tls alone)");
	}
}

static void check_federation(struct rt_conf_doc *doc, const struct config *c)
{
	const char *const keys[] = { "sip.federation.advertise", "sip.federation.certificate", "sip.federation.key", "sip.federation.ca" };
	const char *const values[] = { c->sip.federation.advertise, c->sip.federation.certificate, c->sip.federation.key, c->sip.federation.ca };
	for (size_t i = 0; c->sip.federation.listen.count > 0 && i < XFED_ARRAY_LEN(keys); i++) {
		if (!values[i]) {
			rt_conf_fail(doc, c, keys[i], VALUE, "missing, accepted: %s (sip.federation.listen is set)",
				i == 0 ? "a host" : "an absolute path");
		}
	}
	for (size_t i = 0; i < c->domains.count; i++) {
		if (c->domains.items[i].federated) {
			check_neighbour(doc, c, &c->domains.items[i]);
		}
	}
}

/* ---- servers of several domains ---- */

static const char *version_words(enum xfed_tls_version v)
{
	static const char *const words[] = { "1.0", "1.1", "1.2", "1.3" };
	return words[v - XFED_TLS_1_0];
}

static void warn_old(struct rt_conf_doc *doc, const void *object, const char *key, enum xfed_tls_version v)
{
	if (v < XFED_TLS_1_2) {
		rt_conf_warn(doc, object, key, XFED_REASON_TLS_OLD_ALLOWED,
			"TLS %s can be attacked: take it out as soon as the SIP servers know TLS 1.2", version_words(v));
	}
}

/* Connections are shared by all domains whose next hop has the same name, so it cannot be one thing for one and another for the other. */
static void check_servers(struct rt_conf_doc *doc, const struct config *c)
{
	for (size_t i = 1; i < c->server_count; i++) {
		const struct config_name *a = &c->by_server[i - 1], *b = &c->by_server[i];
		if (strcmp(a->name, b->name) == 0 && a->domain->tls_min != b->domain->tls_min) {
			const struct config_domain *first = a->domain < b->domain ? a->domain : b->domain;
			const struct config_domain *last = first == a->domain ? b->domain : a->domain;
			rt_conf_fail(doc, last, "tls_min", VALUE, "found \"%s\", accepted: %s, as for %s, which has the same SIP server (%s)",
				version_words(last->tls_min), version_words(first->tls_min), first->domain, a->name);
		}
		if (strcmp(a->name, b->name) == 0 && a->domain->federated != b->domain->federated) {
			rt_conf_fail(doc, a->domain->federated ? a->domain : b->domain, "federated", VALUE,
				"found true, and %s, with the same SIP server (%s), is not: accepted: the same for both",
				(a->domain->federated ? b->domain : a->domain)->domain, a->name);
		}
	}
}

static void check_versions(struct rt_conf_doc *doc, const struct config *c)
{
	warn_old(doc, c, "sip.tls_min", c->sip.tls_min);
	for (size_t i = 0; i < c->domains.count; i++) {
		warn_old(doc, &c->domains.items[i], "tls_min", c->domains.items[i].tls_min);
	}
	check_servers(doc, c);
}

/* Instances of one host do not share a store. */
static int place_store(struct rt_conf_doc *doc, struct config *c)
{
	char name[RT_CONF_INSTANCE];
	if (!rt_conf_is_set(doc, c, "store.sqlite") && rt_conf_instance(doc->file, "gateway", name)) {
		c->store.sqlite = xfed_arena_printf(&doc->arena, "/var/lib/xfed/%s.db", name).data;
	}
	return c->store.sqlite ? XFED_OK : XFED_ERR_NOMEM;
}

static int check(struct rt_conf_doc *doc)
{
	struct config *c = doc->object;
	int rc = check_edges(doc, c);
	rc = rc == XFED_OK ? place_store(doc, c) : rc;
	rc = rc == XFED_OK ? check_domains(doc, c) : rc;
	if (rc == XFED_OK) {
		check_sip_tls(doc, c);
		check_federation(doc, c);
		config_check_panel(doc, c);
		rc = config_index(c, &doc->arena);
	}
	if (rc == XFED_OK) {
		check_versions(doc, c);
	}
	return rc;
}

int config_load(const char *path, struct rt_conf_errors *errors, struct config **out)
{
	struct rt_conf_base *base;
	int rc = rt_conf_open(&config_table, path, NULL, check, errors, &base);
	*out = (struct config *)base;
	return rc;
}

int config_parse(const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct config **out)
{
	struct rt_conf_base *base;
	int rc = rt_conf_open(&config_table, file, &text, check, errors, &base);
	*out = (struct config *)base;
	return rc;
}

/* ---- passwords ---- */

#define PASSWORD_FILE_BYTES 4096

static int take_password(struct config_domain *d, struct xfed_span text)
{
	struct xfed_span line = xfed_span_cut(&text, '\n');
	line.len -= line.len > 0 && line.data[line.len - 1] == '\r';
	if (line.len == 0 || memchr(line.data, '\0', line.len)) {
		return XFED_ERR_INVALID;
	}
	d->auth.password = xfed_strndup(line);
	return d->auth.password ? XFED_OK : XFED_ERR_NOMEM;
}

int config_read_secrets(struct config *c)
{
	int worst = XFED_OK;
	for (size_t i = 0; i < c->domains.count; i++) {
		struct config_domain *d = &c->domains.items[i];
		struct xfed_buf text;
		char error[256];
		if (!d->auth.password_file) {
			continue;
		}
		int rc = rt_file_read(d->auth.password_file, PASSWORD_FILE_BYTES, &text, error);
		if (rc == XFED_OK) {
			rc = take_password(d, xfed_buf_span(&text));
			snprintf(error, sizeof(error), "%.200s: %s", d->auth.password_file,
				rc == XFED_ERR_NOMEM ? "out of memory" : "no password in its first line");
			xfed_buf_wipe(&text);
		}
		if (rc != XFED_OK) {
			rt_conf_fail(&c->base.doc, d, "auth.password_file", rt_file_reason(d->auth.password_file, VALUE), "%s", error);
			worst = worst == XFED_OK ? rc : worst;
		}
	}
	return worst;
}

void config_free(struct config *c)
{
	for (size_t i = 0; c && i < c->domains.count; i++) {
		char *password = c->domains.items[i].auth.password;
		if (password) {
			xfed_wipe(password, strlen(password));
			xfed_free(password);
		}
	}
	rt_conf_close(c ? &c->base : NULL);
}
