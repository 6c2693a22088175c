/* Look-ups that happen for every datagram, request or stanza: binary searches in sorted arrays. */
#include "config/config.h"

#include <stdlib.h>

/* ---- senders ---- */

/* For items that begin with a name in lower case. */
static int compare_items(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static void add_networks(struct rt_network_set *to, const struct rt_network_set *from)
{
	for (size_t i = 0; i < from->count; i++) {
		to->networks[to->count++] = from->networks[i];
	}
}

static void add_senders(struct config_senders *s, const struct config_domain *d)
{
	add_networks(&s->addresses, &d->networks);
	if (d->udp_trusted) {
		add_networks(&s->udp_addresses, &d->networks);
	}
	for (size_t i = 0; i < d->peers.count; i++) {
		s->names[s->name_count++] = d->peers.items[i];
	}
}

static void seal_senders(struct config_senders *s)
{
	size_t kept = 0;
	rt_network_set_seal(&s->addresses);
	rt_network_set_seal(&s->udp_addresses);
	if (s->name_count > 0) {
		qsort(s->names, s->name_count, sizeof(*s->names), compare_items);
	}
	for (size_t i = 0; i < s->name_count; i++) {
		if (kept == 0 || strcmp(s->names[kept - 1], s->names[i]) != 0) {
			s->names[kept++] = s->names[i];
		}
	}
	s->name_count = kept;
}

/* Joins the senders of all domains that are federated, or are not. OK, NOMEM. */
static int make_senders(struct xfed_arena *a, const struct config_domain *domains, size_t count, bool are_neighbours, struct config_senders *out)
{
	size_t addresses = 0, names = 0;
	for (size_t i = 0; i < count; i++) {
		addresses += domains[i].networks.count;
		names += domains[i].peers.count;
	}
	*out = (struct config_senders){
		.addresses.networks = xfed_arena_alloc(a, addresses * sizeof(*out->addresses.networks)),
		.udp_addresses.networks = xfed_arena_alloc(a, addresses * sizeof(*out->udp_addresses.networks)),
		.names = xfed_arena_alloc(a, names * sizeof(*out->names)),
		.are_neighbours = are_neighbours,
	};
	if (!out->addresses.networks || !out->udp_addresses.networks || !out->names) {
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		if (domains[i].federated == are_neighbours) {
			add_senders(out, &domains[i]);
		}
	}
	seal_senders(out);
	return XFED_OK;
}

static int index_senders(struct config *c, struct xfed_arena *a)
{
	int rc = make_senders(a, c->domains.items, c->domains.count, false, &c->senders);
	rc = rc == XFED_OK ? make_senders(a, c->domains.items, c->domains.count, true, &c->neighbours) : rc;
	for (size_t i = 0; i < c->domains.count && rc == XFED_OK; i++) {
		struct config_domain *d = &c->domains.items[i];
		rc = make_senders(a, d, 1, d->federated, &d->senders);
	}
	return rc;
}

/* Compares a name in any case with that of an item. */
static int compare_name(const void *key, const void *item)
{
	const struct xfed_span *name = key;
	const char *listed = *(const char *const *)item;
	for (size_t i = 0; i < name->len; i++) {
		int difference = (uint8_t)xfed_lower(name->data[i]) - (uint8_t)listed[i];
		if (difference != 0 || listed[i] == '\0') {
			return difference != 0 ? difference : 1;
		}
	}
	return listed[name->len] ? -1 : 0;
}

bool config_senders_have_name(const struct config_senders *s, struct xfed_span name)
{
	return s->name_count > 0 && bsearch(&name, s->names, s->name_count, sizeof(*s->names), compare_name);
}

/* ---- domains ---- */

static int index_domains(struct config *c, struct xfed_arena *a)
{
	size_t n = c->domains.count;
	c->by_domain = xfed_arena_alloc(a, n * sizeof(*c->by_domain));
	c->by_inside = xfed_arena_alloc(a, n * sizeof(*c->by_inside));
	if (!c->by_domain || !c->by_inside) {
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		const struct config_domain *d = &c->domains.items[i];
		c->by_domain[i] = (struct config_name){ d->domain, d };
		c->by_inside[i] = (struct config_name){ d->sip_domain ? d->sip_domain : d->domain, d };
	}
	if (n > 0) {
		qsort(c->by_domain, n, sizeof(*c->by_domain), compare_items);
		qsort(c->by_inside, n, sizeof(*c->by_inside), compare_items);
	}
	return XFED_OK;
}

static void add_servers(struct config *c, const struct config_domain *d)
{
	if (d->tls_name) {
		c->by_server[c->server_count++] = (struct config_name){ d->tls_name, d };
	}
	for (size_t i = 0; i < d->peers.count; i++) {
		c->by_server[c->server_count++] = (struct config_name){ d->peers.items[i], d };
	}
}

static int index_servers(struct config *c, struct xfed_arena *a)
{
	size_t n = 0;
	for (size_t i = 0; i < c->domains.count; i++) {
		n += c->domains.items[i].peers.count + 1;
	}
	c->by_server = xfed_arena_alloc(a, n * sizeof(*c->by_server));
	if (!c->by_server) {
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < c->domains.count; i++) {
		add_servers(c, &c->domains.items[i]);
	}
	if (c->server_count > 0) {
		qsort(c->by_server, c->server_count, sizeof(*c->by_server), compare_items);
	}
	return XFED_OK;
}

int config_index(struct config *c, struct xfed_arena *a)
{
	int rc = index_senders(c, a);
	rc = rc == XFED_OK ? index_domains(c, a) : rc;
	return rc == XFED_OK ? index_servers(c, a) : rc;
}

static const struct config_domain *find_name(const struct config_name *list, size_t count, struct xfed_span name)
{
	const struct config_name *found = list && count > 0 ? bsearch(&name, list, count, sizeof(*list), compare_name) : NULL;
	return found ? found->domain : NULL;
}

static const struct config_domain *find(const struct config *c, const struct config_name *list, struct xfed_span domain)
{
	return find_name(list, c->domains.count, domain);
}

enum xfed_tls_version config_tls_min(const struct config *c, struct xfed_span tls_name)
{
	const struct config_domain *d = find_name(c->by_server, c->server_count, tls_name);
	return d ? d->tls_min : XFED_TLS_1_2;
}

const struct config_domain *config_domain(const struct config *c, struct xfed_span domain)
{
	return find(c, c->by_domain, domain);
}

const struct config_domain *config_inside(const struct config *c, struct xfed_span domain)
{
	const struct config_domain *d = find(c, c->by_inside, domain);
	return d ? d : config_domain(c, domain);
}
