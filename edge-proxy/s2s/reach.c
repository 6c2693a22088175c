/*
 * Which addresses a partner's DNS may lead us to. Addresses of listeners need no check of their own: an address at which this host can be
 * reached is one of its interfaces'. Addresses that a router in front of the host translates to ours are unknown here.
 */
#include "s2s/s2s_impl.h"

#include "xfed/mem.h"

static void read_own(struct s2s *s)
{
	uint64_t now = core_now(s->core);
	bool is_due = s->reach.read_at_ms == 0 || now - s->reach.read_at_ms >= RT_REACH_REFRESH_MS;
	if (is_due && rt_reach_read(&s->reach, now) != XFED_OK) {
		rt_log(RT_LOG_WARNING, "addresses.unreadable", RT_KV_U64("known", s->reach.own_count),
			RT_KV_STR("text", "the addresses of this host cannot be read: partners' DNS may lead to one that is new"), RT_END);
	}
}

const char *s2s_reach_refuses(struct s2s *s, const struct rt_addr *a)
{
	const struct edge_config *c = s->config;
	read_own(s);
	return rt_reach_refuses(&s->reach, c->external.networks, c->external.allow_networks.count, a);
}

static bool is_wildcard(const struct rt_addr *a)
{
	static const struct in6_addr any = IN6ADDR_ANY_INIT;
	return a->sa.sa_family == AF_INET ? a->in.sin_addr.s_addr == INADDR_ANY : memcmp(&a->in6.sin6_addr, &any, sizeof(any)) == 0;
}

static bool same_host(const struct rt_addr *a, const struct rt_addr *b)
{
	char x[RT_ADDR_TEXT], y[RT_ADDR_TEXT];
	return a->sa.sa_family == b->sa.sa_family && strcmp(rt_addr_host_text(a, x), rt_addr_host_text(b, y)) == 0;
}

bool s2s_leads_here(struct s2s *s, const struct rt_addr *a)
{
	const struct rt_conf_addresses *listen = &s->config->external.listen;
	for (size_t i = 0; i < listen->count; i++) {
		struct rt_addr own;
		if (listen->items[i].port != rt_addr_port(a) || rt_addr_parse_host(&own, xfed_span_str(listen->items[i].host), 0) != XFED_OK) {
			continue;
		}
		read_own(s);
		if (is_wildcard(&own) && own.sa.sa_family == a->sa.sa_family ? rt_reach_is_own(&s->reach, a) : same_host(&own, a)) {
			return true;
		}
	}
	return false;
}

const struct rt_addr *s2s_source_for(const struct s2s *s, const struct rt_addr *to, struct rt_addr *storage)
{
	const char *from = s->config->external.source;
	bool has_source = from && rt_addr_parse_host(storage, xfed_span_str(from), 0) == XFED_OK;
	return has_source && storage->sa.sa_family == to->sa.sa_family ? storage : NULL;
}

/* Logged once for all refused addresses, and also where another address works: the record points into our own network. */
static void note_refused(struct s2s_pair *p, const struct rt_addr *first, enum xfed_reason reason, const char *what, size_t count)
{
	char text[RT_ADDR_TEXT];
	snprintf(p->text, sizeof(p->text), "%s is %s", rt_addr_text(first, text), what);
	s2s_steps_add(&p->steps, core_now(p->s2s->core), "dns", false, "%s: %s", xfed_reason_code(reason), p->text);
	rt_log(RT_LOG_WARNING, "s2s.address-refused", RT_KV_STR("partner", p->remote), RT_KV_STR("local", p->local), RT_KV_REASON(reason),
		RT_KV_STR("text", p->text), RT_KV_U64("addresses", count), RT_END);
}

const char *s2s_lookup_words(const struct rt_endpoints *r)
{
	switch (r->reason) {
	case XFED_REASON_DNS_NAME_MISSING:
		return r->is_from_srv ? "the target of the SRV record has no address" : "neither an SRV record nor an address";
	case XFED_REASON_DNS_SRV_REFUSED:
		return "the SRV record is '.', not offered";
	case XFED_REASON_DNS_BOGUS:
		return "the resolver answers with a failure";
	case XFED_REASON_DNS_TIMEOUT:
		return "the resolver does not answer";
	default:
		return "no address to connect to";
	}
}

enum xfed_reason s2s_reach_take(struct s2s_pair *p, const struct rt_endpoints *r, size_t *count)
{
	xfed_free(p->addresses);
	p->addresses = NULL;
	*count = 0;
	if (r->reason != XFED_REASON_NONE) {
		return r->reason;
	}
	p->addresses = xfed_calloc(r->count, sizeof(*p->addresses));
	if (!p->addresses) {
		return XFED_REASON_STREAM_INTERNAL;
	}
	const char *what = NULL;
	const struct rt_addr *first = NULL;
	enum xfed_reason reason = XFED_REASON_NONE;
	for (size_t i = 0; i < r->count; i++) {
		bool is_ours = s2s_leads_here(p->s2s, &r->list[i].addr);
		const char *refused = is_ours		 ? "a listener of this edge itself"
				      : p->is_connect_to ? NULL
							 : s2s_reach_refuses(p->s2s, &r->list[i].addr);
		if (!refused) {
			p->addresses[(*count)++] = r->list[i].addr;
		} else if (!first) {
			first = &r->list[i].addr;
			what = refused;
			reason = is_ours ? XFED_REASON_DNS_ADDRESS_OURS : XFED_REASON_DNS_ADDRESS_REFUSED;
		}
	}
	if (first) {
		note_refused(p, first, reason, what, r->count - *count);
	}
	return *count > 0 ? XFED_REASON_NONE : reason;
}
