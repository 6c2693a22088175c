/* What gateways ask for xfedctl dns: what is true of this edge, and what the DNS says, as this edge's resolver hears it. */
#include "admin/dns.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <utlist.h>

#include "admin/check.h"
#include "util/hex.h"
#include "xfed/mem.h"
#include "xfed/rt/control.h"
#include "xfed/rt/reach.h"

/* ---- this edge ---- */

/* Networks that nobody outside can reach: RFC 1918, RFC 6598, RFC 4193. */
static bool is_private(const struct rt_addr *a)
{
	static const char *const networks[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7" };
	struct rt_network n;
	for (size_t i = 0; i < XFED_ARRAY_LEN(networks); i++) {
		if (rt_network_parse(xfed_span_str(networks[i]), &n) == XFED_OK && rt_network_holds(&n, a)) {
			return true;
		}
	}
	return false;
}

static void add_address(json_t *list, const struct rt_addr *a)
{
	char text[RT_ADDR_TEXT];
	if (rt_addr_kind(a) == RT_ADDR_USUAL && !is_private(a)) {
		json_array_append_new(list, json_string(rt_addr_host_text(a, text)));
	}
}

/* Of a listener: its address, or those of the host's interfaces where it takes any. */
static void add_listener(json_t *list, const char *host, const struct rt_reach *own)
{
	struct rt_addr a;
	if (rt_addr_parse_host(&a, xfed_span_str(host), 0) != XFED_OK) {
		return;
	}
	if (rt_addr_kind(&a) != RT_ADDR_UNSPECIFIED) {
		add_address(list, &a);
		return;
	}
	for (size_t i = 0; i < own->own_count; i++) {
		if (own->own[i].sa.sa_family == a.sa.sa_family) {
			add_address(list, &own->own[i]);
		}
	}
}

static json_t *addresses(const struct admin *a)
{
	const struct edge_config *c = a->config;
	json_t *list = json_array();
	struct rt_reach own = { 0 };
	for (size_t i = 0; i < c->external.public_addresses.count; i++) {
		json_array_append_new(list, json_string(c->external.public_addresses.items[i]));
	}
	if (c->external.public_addresses.count == 0 && rt_reach_read(&own, core_now(a->core)) == XFED_OK) {
		for (size_t i = 0; i < c->external.listen.count; i++) {
			add_listener(list, c->external.listen.items[i].host, &own);
		}
	}
	rt_reach_deinit(&own);
	return list;
}

/* SHA-256 of the public keys that partners are shown, each once. */
static json_t *keys(const struct admin *a)
{
	json_t *list = json_array();
	const struct xfed_tls_creds *creds = s2s_creds(a->s2s);
	const struct xfed_cert *cert;
	for (size_t i = 0; creds && (cert = xfed_tls_creds_cert(creds, i)); i++) {
		const char *key = xfed_cert_facts(cert)->spki_sha256_hex;
		if (key[0] && !rt_control_has_text(list, key)) {
			json_array_append_new(list, json_string(key));
		}
	}
	return list;
}

json_t *dns_facts(const struct admin *a)
{
	const struct edge_config *c = a->config;
	return json_pack("{s:s, s:s*, s:i, s:i, s:i, s:o, s:o}", "name", c->base.name, "host", c->external.public_name, "port",
		(int)c->external.listen.items[0].port, "priority", (int)c->external.srv_priority, "weight", (int)c->external.srv_weight, "addresses",
		addresses(a), "keys", keys(a));
}

/* ---- one question ---- */

struct dns_question {
	struct dns_question *prev, *next; /* links of admin->questions */
	struct admin *admin;
	struct channel_link *link;
	uint64_t request;
	struct rt_resolve_at *resolve;
};

static void question_free(struct dns_question *q)
{
	rt_resolve_at_cancel(q->resolve);
	DL_DELETE(q->admin->questions, q);
	xfed_free(q);
}

/* As in a zone file. */
static json_t *record_text(const struct xfed_dns_record *r)
{
	char text[RT_ADDR_TEXT];
	switch (r->type) {
	case XFED_DNS_A:
		return json_string(inet_ntop(AF_INET, r->a, text, sizeof(text)));
	case XFED_DNS_AAAA:
		return json_string(inet_ntop(AF_INET6, r->aaaa, text, sizeof(text)));
	case XFED_DNS_SRV: {
		bool is_root = xfed_span_is(r->srv.target, ".");
		return json_sprintf("%u %u %u %.*s%s", r->srv.priority, r->srv.weight, r->srv.port, (int)r->srv.target.len, r->srv.target.data,
			is_root ? "" : ".");
	}
	case XFED_DNS_TLSA: {
		char hex[2 * 64 + 1] = "";
		if (r->tlsa.data.len <= 64) {
			xfed_hex(hex, (const uint8_t *)r->tlsa.data.data, r->tlsa.data.len);
		}
		return json_sprintf("%u %u %u %s", r->tlsa.usage, r->tlsa.selector, r->tlsa.matching, hex[0] ? hex : "(long)");
	}
	case XFED_DNS_NAPTR:
		break;
	}
	return NULL;
}

static const char *status_word(const struct xfed_dns_answer *answer)
{
	if (!answer) {
		return "silent";
	}
	return answer->status == XFED_DNS_OK ? "ok" : answer->status == XFED_DNS_NO_DATA ? "none" : "failed";
}

static void on_answer(void *user, const struct xfed_dns_answer *answer, enum xfed_reason reason)
{
	struct dns_question *q = user;
	json_t *records = json_array();
	(void)reason; /* that the servers are silent; what is wrong in us looks the same from outside */
	for (size_t i = 0; answer && answer->status == XFED_DNS_OK && i < answer->count; i++) {
		json_array_append_new(records, record_text(&answer->records[i]));
	}
	admin_answer(q->link, q->request, json_pack("{s:s, s:o}", "status", status_word(answer), "records", records));
	question_free(q);
}

static enum xfed_dns_type type_by_word(struct xfed_span word)
{
	static const struct {
		const char *word;
		enum xfed_dns_type type;
	} types[] = { { "A", XFED_DNS_A }, { "AAAA", XFED_DNS_AAAA }, { "SRV", XFED_DNS_SRV }, { "TLSA", XFED_DNS_TLSA } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(types); i++) {
		if (xfed_span_is(word, types[i].word)) {
			return types[i].type;
		}
	}
	return 0;
}

static size_t questions_open(const struct admin *a)
{
	size_t n = 0;
	for (const struct dns_question *q = a->questions; q; q = q->next) {
		n++;
	}
	return n;
}

int dns_ask(struct admin *a, struct channel_link *l, uint64_t request, const struct dns_asked *asked)
{
	struct rt_addr server;
	enum xfed_dns_type type = type_by_word(asked->type);
	if (type == 0 || (asked->server.len > 0 && rt_addr_parse(&server, asked->server, 53) != XFED_OK)) {
		return XFED_ERR_INVALID;
	}
	if (questions_open(a) >= DNS_QUESTIONS_MAX) {
		return XFED_ERR_LIMIT;
	}
	struct dns_question *q = xfed_calloc(1, sizeof(*q));
	if (!q) {
		return XFED_ERR_NOMEM;
	}
	*q = (struct dns_question){ .admin = a, .link = l, .request = request };
	DL_APPEND(a->questions, q);
	int rc = rt_resolve_at(a->core->d.resolver, asked->server.len > 0 ? &server : NULL, asked->name, type, on_answer, q, &q->resolve);
	if (rc != XFED_OK) {
		question_free(q);
	}
	return rc;
}

void dns_link_down(struct admin *a, const struct channel_link *l)
{
	struct dns_question *q, *next;
	DL_FOREACH_SAFE(a->questions, q, next) {
		if (!l || q->link == l) {
			question_free(q);
		}
	}
}
