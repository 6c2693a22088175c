/*
 * Where partners' DNS may lead us. Listeners need no look of their own: an address this host can be reached at is one of an
 * interface. What a router in front of us translates to our address is not known here.
 */
#include "s2s/s2s_impl.h"

#include "xfed/mem.h"

const char *s2s_reach_refuses(struct s2s *s, const struct rt_addr *a)
{
	const struct edge_config *c = s->config;
	uint64_t now = core_now(s->core);
	bool is_due = s->reach.read_at_ms == 0 || now - s->reach.read_at_ms >= RT_REACH_REFRESH_MS;
	if (is_due && rt_reach_read(&s->reach, now) != XFED_OK) {
		rt_log(RT_LOG_WARNING, "addresses.unreadable", RT_KV_U64("known", s->reach.own_count),
			RT_KV_STR("text", "the addresses of this host cannot be read: partners' DNS may lead to one that is new"), RT_END);
	}
	return rt_reach_refuses(&s->reach, c->external.networks, c->external.allow_networks.count, a);
}

const struct rt_addr *s2s_source_for(const struct s2s *s, const struct rt_addr *to, struct rt_addr *storage)
{
	const char *from = s->config->external.source;
	bool has_source = from && rt_addr_parse_host(storage, xfed_span_str(from), 0) == XFED_OK;
	return has_source && storage->sa.sa_family == to->sa.sa_family ? storage : NULL;
}

/* Said once for all of them, and also where another address works: somebody points at our inside. */
static void note_refused(struct s2s_pair *p, const struct rt_addr *first, const char *what, size_t count)
{
	char text[RT_ADDR_TEXT];
	snprintf(p->text, sizeof(p->text), "%s is %s", rt_addr_text(first, text), what);
	s2s_steps_add(&p->steps, core_now(p->s2s->core), "dns", false, "%s: %s", xfed_reason_code(XFED_REASON_DNS_ADDRESS_REFUSED), p->text);
	rt_log(RT_LOG_WARNING, "s2s.address-refused", RT_KV_STR("partner", p->remote), RT_KV_STR("local", p->local),
		RT_KV_REASON(XFED_REASON_DNS_ADDRESS_REFUSED), RT_KV_STR("text", p->text), RT_KV_U64("addresses", count), RT_END);
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
	for (size_t i = 0; i < r->count; i++) {
		const char *refused = p->is_connect_to ? NULL : s2s_reach_refuses(p->s2s, &r->list[i].addr);
		if (!refused) {
			p->addresses[(*count)++] = r->list[i].addr;
		} else if (!first) {
			first = &r->list[i].addr;
			what = refused;
		}
	}
	if (first) {
		note_refused(p, first, what, r->count - *count);
	}
	return *count > 0 ? XFED_REASON_NONE : XFED_REASON_DNS_ADDRESS_REFUSED;
}
