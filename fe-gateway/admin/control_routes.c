/* partner routes: what the SIP side has to be told of this gateway, filled with what is in force. */
#include <stdio.h>

#include "admin/admin.h"
#include "admin/product.h"
#include "xfed/jid.h"

struct asked {
	struct xfed_arena arena;
	const struct config *config;
	struct product_facts facts;
	json_t *problems;
};

static void problem(struct asked *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void problem(struct asked *k, const char *fmt, ...)
{
	char text[800];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(k->problems, json_string(text));
}

/* ---- the place ---- */

/* How good a listener is for who shall send there: over tls nobody may where no domain has names of certificates. */
static int rank(const struct rt_conf_address *a, bool has_names)
{
	return a->transport == RT_TRANSPORT_TLS && !has_names ? 0 : (int)a->transport;
}

/* The first listener, tls before tcp before udp. */
static const struct rt_conf_address *listener(const struct config *c)
{
	const struct rt_conf_address *best = &c->sip.listen.items[0];
	bool has_names = false;
	for (size_t i = 0; i < c->domains.count; i++) {
		has_names = has_names || (!c->domains.items[i].federated && c->domains.items[i].peers.count > 0);
	}
	for (size_t i = 1; i < c->sip.listen.count; i++) {
		const struct rt_conf_address *a = &c->sip.listen.items[i];
		best = rank(a, has_names) > rank(best, has_names) ? a : best;
	}
	return best;
}

static void check_name(struct asked *k, const struct xfed_tls_creds *creds, const char *host, const char *side)
{
	const struct xfed_cert *cert = creds ? xfed_tls_creds_cert(creds, 0) : NULL;
	if (cert && !xfed_cert_names_host(cert, xfed_span_str(host))) {
		problem(k, "%s.certificate does not name %.253s (%s.advertise): SIP servers that verify it refuse it", side, host, side);
	}
}

static void fill_inside(struct asked *k, bool is_of_lync, const struct xfed_tls_creds *creds)
{
	const struct rt_conf_address *a = listener(k->config);
	k->facts.inside = (struct product_place){ k->config->sip.advertise, rt_conf_transport_name(a->transport), a->port };
	check_name(k, creds, k->facts.inside.host, "sip");
	if (is_of_lync && a->transport != RT_TRANSPORT_TLS) {
		problem(k, "sip.listen has no tls, and Lync speaks nothing else to the gateway");
	}
}

static void fill_outside(struct asked *k, const struct xfed_tls_creds *creds)
{
	k->facts.outside = (struct product_place){ k->config->sip.federation.advertise, "tls", k->config->sip.federation.listen.items[0].port };
	check_name(k, creds, k->facts.outside.host, "sip.federation");
	if (k->facts.outside.port != 5061) {
		problem(k, "sip.federation.listen has port %u, and an Edge calls a neighbour at 5061", k->facts.outside.port);
	}
}

/*
 * For Lync, the ways that its domains are configured for; before any domain has that dialect, those of all. A proxy always has the one
 * inside.
 */
static void fill_places(struct asked *k, bool is_of_lync, const struct policy *p)
{
	const struct config *c = k->config;
	bool is_inside = !is_of_lync, is_outside = false;
	if (is_of_lync && !c->has_lync) {
		problem(k, "no domain has dialect: lync in gateway.yaml, and clients of Lync take no message without it");
	}
	for (size_t i = 0; is_of_lync && i < c->domains.count; i++) {
		const struct config_domain *d = &c->domains.items[i];
		if (c->has_lync && d->dialect != CONFIG_DIALECT_LYNC) {
			continue;
		}
		is_inside |= !d->federated;
		is_outside |= d->federated;
		if (!k->facts.server && d->next_hop && !d->federated) {
			k->facts.server = d->tls_name ? d->tls_name : d->hop.host;
		}
	}
	if (is_inside) {
		fill_inside(k, is_of_lync, policy_sip_creds(p));
	}
	if (is_outside) {
		fill_outside(k, policy_outside_creds(p));
	}
}

static json_t *certificate(const struct xfed_tls_creds *creds)
{
	const struct xfed_cert *cert = creds ? xfed_tls_creds_cert(creds, 0) : NULL;
	const struct xfed_cert_facts *f = cert ? xfed_cert_facts(cert) : NULL;
	json_t *names = json_array();
	for (size_t i = 0; f && i < f->name_count; i++) {
		json_array_append_new(names, json_string(f->names[i]));
	}
	json_t *j = f ? json_pack("{s:s, s:s, s:I, s:O}", "subject", f->subject, "issuer", f->issuer, "not_after", (json_int_t)f->not_after_s,
				"names", names)
		      : json_null();
	json_decref(names);
	return j;
}

/* ---- the domains ---- */

/* In A-labels; a wildcard stays one. NULL: out of memory. */
static const char *ascii(struct asked *k, const char *domain)
{
	struct xfed_span out;
	bool is_wildcard = domain[0] == '*';
	if (xfed_jid_domain_ascii(&k->arena, xfed_span_str(is_wildcard ? domain + 2 : domain), &out) != XFED_OK) {
		return NULL;
	}
	return xfed_arena_printf(&k->arena, "%s%.*s", is_wildcard ? "*." : "", (int)out.len, out.data).data;
}

static bool fill_ours(struct asked *k)
{
	size_t n = k->config->domains.count;
	const char **list = xfed_arena_alloc(&k->arena, n * sizeof(*list));
	for (size_t i = 0; list && i < n; i++) {
		const struct config_domain *d = &k->config->domains.items[i];
		list[i] = ascii(k, d->sip_domain ? d->sip_domain : d->domain);
		list = list[i] ? list : NULL;
	}
	k->facts.ours = list;
	k->facts.our_count = n;
	return list != NULL;
}

static bool add_partner(struct asked *k, const char **list, const struct xfed_partner *p)
{
	bool is_fine = true;
	for (size_t i = 0; xfed_partner_is_served(p) && is_fine && i <= p->additional_count; i++) {
		const char *name = ascii(k, i == 0 ? p->domain : p->additional[i - 1]);
		is_fine = name != NULL;
		list[k->facts.partner_count++] = name;
	}
	return is_fine;
}

/* `only` NULL: all. */
static bool fill_partners(struct asked *k, const struct xfed_policy *all, const struct xfed_partner *only)
{
	size_t count = only ? 1 : xfed_policy_partner_count(all), most = 0;
	bool is_fine = true;
	for (size_t i = 0; i < count; i++) {
		most += 1 + (only ? only : xfed_policy_partner_at(all, i))->additional_count;
	}
	const char **list = xfed_arena_alloc(&k->arena, (most + 1) * sizeof(*list));
	for (size_t i = 0; list && is_fine && i < count; i++) {
		is_fine = add_partner(k, list, only ? only : xfed_policy_partner_at(all, i));
	}
	k->facts.partners = list;
	return list && is_fine;
}

/* ---- the command ---- */

static json_t *strings(const char *const *list, size_t count)
{
	json_t *j = json_array();
	for (size_t i = 0; i < count; i++) {
		json_array_append_new(j, json_string(list[i]));
	}
	return j;
}

static json_t *result(struct asked *k, enum product p, json_t *cert)
{
	const struct product_facts *f = &k->facts;
	const struct product_place *at = f->inside.host ? &f->inside : &f->outside;
	return json_pack("{s:s, s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:O}", "for", product_word(p), "host", at->host, "transport", at->transport,
		"port", (int)at->port, "certificate", cert, "domains", strings(f->ours, f->our_count), "partners",
		strings(f->partners, f->partner_count), "sections", product_sections(p, f), "problems", k->problems);
}

static void answer(struct admin *ad, struct rt_reply reply, enum product p, const struct xfed_partner *only)
{
	struct asked k = { .config = policy_config(ad->policy), .problems = json_array() };
	xfed_arena_init(&k.arena, 16 * 1024 * 1024);
	if (!fill_ours(&k) || !fill_partners(&k, policy_partners(ad->policy), only)) {
		rt_reply_fail(reply, "failed", "out of memory");
	} else if (k.facts.partner_count == 0) {
		rt_reply_fail(reply, "not-found", "no partner is listed: partner add DOMAIN, first");
	} else {
		fill_places(&k, p == PRODUCT_LYNC || p == PRODUCT_SKYPE, ad->policy);
		rt_reply_ok(reply, result(&k, p, certificate(k.facts.inside.host ? policy_sip_creds(ad->policy) : policy_outside_creds(ad->policy))));
	}
	json_decref(k.problems);
	xfed_arena_deinit(&k.arena);
}

void command_partner_routes(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	const char *word = json_string_value(json_object_get(args, "for")), *domain = json_string_value(json_object_get(args, "domain"));
	const struct xfed_partner *only = NULL;
	struct xfed_span normal = { NULL, 0 };
	enum product p;
	struct xfed_arena a;
	xfed_arena_init(&a, 4096);
	if (domain && xfed_jid_domain(&a, xfed_span_str(domain), &normal) == XFED_OK) {
		only = policy_partner(ad->policy, normal);
	}
	if (!word || !product_by_word(word, &p)) {
		rt_reply_fail(reply, "bad-request", "say for which product: --for " RT_WORDS(RT_PRODUCT_WORDS));
	} else if (domain && !only) {
		rt_reply_fail(reply, "not-found", "%.200s is no partner that is listed", domain);
	} else {
		answer(ad, reply, p, only);
	}
	xfed_arena_deinit(&a);
}
