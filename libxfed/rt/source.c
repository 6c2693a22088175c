#include "xfed/rt/source.h"

#include <stdio.h>
#include <utlist.h>

#include "util/table.h"
#include "xfed/limits.h"
#include "xfed/rt/log.h"

enum level { LEVEL_ADDRESS, LEVEL_NETWORK };

/* Compared and hashed as bytes, so without padding. */
struct key {
	uint8_t prefix[8];
	uint32_t family, level; /* family 0: a peer whose address is not known any more; all of these are one source */
};

struct rt_source {
	UT_hash_handle hh;
	struct rt_source *prev, *next; /* links of `remembered`, the one unused for longest first */
	struct key key;
	size_t held;
	uint64_t full_us; /* when the budget is full again */
	uint64_t last_ms; /* when it was last used */
	uint64_t told_ms, untold;
	bool is_told, is_remembered;
};

/* ---- addresses ---- */

static void make_key(const struct rt_addr *a, enum level level, struct key *out)
{
	struct in_addr v4;
	*out = (struct key){ .level = level };
	if (rt_addr_v4(a, &v4)) {
		out->family = AF_INET;
		memcpy(out->prefix, &v4, level == LEVEL_ADDRESS ? 4 : 3);
	} else if (a->sa.sa_family == AF_INET6) {
		out->family = AF_INET6;
		memcpy(out->prefix, &a->in6.sin6_addr, level == LEVEL_ADDRESS ? 8 : 6);
	}
}

bool rt_source_is_same(const struct rt_addr *a, const struct rt_addr *b, enum rt_source_verdict v)
{
	struct key x, y;
	make_key(a, v == RT_SOURCE_NETWORK ? LEVEL_NETWORK : LEVEL_ADDRESS, &x);
	make_key(b, v == RT_SOURCE_NETWORK ? LEVEL_NETWORK : LEVEL_ADDRESS, &y);
	return v == RT_SOURCE_TOTAL || memcmp(&x, &y, sizeof(x)) == 0;
}

const char *rt_source_text(const struct rt_addr *from, enum rt_source_verdict v, char out[RT_SOURCE_TEXT])
{
	struct key key;
	struct rt_addr a = { .sa.sa_family = AF_UNSPEC };
	char text[RT_ADDR_TEXT];
	make_key(from, v == RT_SOURCE_NETWORK ? LEVEL_NETWORK : LEVEL_ADDRESS, &key);
	out[0] = '\0';
	if (v == RT_SOURCE_TOTAL || key.family == 0) {
		return out;
	}
	a.sa.sa_family = (sa_family_t)key.family;
	if (key.family == AF_INET) {
		memcpy(&a.in.sin_addr, key.prefix, 4);
		snprintf(out, RT_SOURCE_TEXT, "%s%s", rt_addr_host_text(&a, text), v == RT_SOURCE_NETWORK ? "/24" : "");
	} else {
		memcpy(&a.in6.sin6_addr, key.prefix, sizeof(key.prefix));
		snprintf(out, RT_SOURCE_TEXT, "%s%s", rt_addr_host_text(&a, text), v == RT_SOURCE_NETWORK ? "/48" : "/64");
	}
	return out;
}

size_t rt_source_share(size_t total, unsigned percent)
{
	size_t share = (total * percent + 99) / 100;
	return share > 0 ? share : 1;
}

struct rt_source_limits rt_source_slots(size_t total, unsigned address_percent, unsigned network_percent)
{
	return (struct rt_source_limits){
		.slots = total, .slots_address = rt_source_share(total, address_percent), .slots_network = rt_source_share(total, network_percent)
	};
}

/* ---- entries ---- */

static struct rt_source *find(const struct rt_sources *t, const struct rt_addr *a, enum level level)
{
	struct key key;
	struct rt_source *s = NULL;
	make_key(a, level, &key);
	HASH_FIND(hh, t->table, &key, sizeof(key), s);
	return s;
}

static struct rt_source *find_or_add(struct rt_sources *t, const struct rt_addr *a, enum level level)
{
	struct rt_source *s = find(t, a, level);
	if (s) {
		return s;
	}
	s = xfed_calloc(1, sizeof(*s));
	if (!s) {
		return NULL;
	}
	make_key(a, level, &s->key);
	HASH_ADD(hh, t->table, key, sizeof(s->key), s);
	if (!XFED_TABLE_ADDED(s)) {
		xfed_free(s);
		return NULL;
	}
	return s;
}

static void drop_if_idle(struct rt_sources *t, struct rt_source *s)
{
	if (s && s->held == 0 && !s->is_remembered) {
		HASH_DELETE(hh, t->table, s);
		xfed_free(s);
	}
}

static void forget(struct rt_sources *t, struct rt_source *s)
{
	DL_DELETE(t->remembered, s);
	t->remembered_count--;
	s->is_remembered = false;
	drop_if_idle(t, s);
}

static void remember(struct rt_sources *t, struct rt_source *s, uint64_t now_ms)
{
	if (s->is_remembered) {
		DL_DELETE(t->remembered, s);
	} else {
		s->is_remembered = true;
		t->remembered_count++;
	}
	DL_APPEND(t->remembered, s);
	s->last_ms = now_ms;
}

/* Called when no entry is in use any more: drops the oldest ones. */
static void trim(struct rt_sources *t)
{
	while (t->remembered_count > XFED_SOURCES_REMEMBERED) {
		forget(t, t->remembered);
	}
}

void rt_sources_tick(struct rt_sources *t, uint64_t now_ms)
{
	uint64_t keep_ms = t->limits.refill_ms > RT_SOURCE_TELL_MS ? t->limits.refill_ms : RT_SOURCE_TELL_MS;
	while (t->remembered && now_ms - t->remembered->last_ms >= keep_ms) {
		forget(t, t->remembered);
	}
}

void rt_sources_init(struct rt_sources *t, const struct rt_source_limits *limits)
{
	*t = (struct rt_sources){ .limits = *limits };
}

void rt_sources_limit(struct rt_sources *t, const struct rt_source_limits *limits)
{
	t->limits = *limits;
}

void rt_sources_deinit(struct rt_sources *t)
{
	while (t->remembered) {
		forget(t, t->remembered);
	}
	XFED_REQUIRE(t->held == 0);
}

/* ---- slots ---- */

static enum rt_source_verdict judge_slot(const struct rt_sources *t, const struct rt_source *address, const struct rt_source *network)
{
	if (address && address->held >= t->limits.slots_address) {
		return RT_SOURCE_ADDRESS;
	}
	if (network && network->held >= t->limits.slots_network) {
		return RT_SOURCE_NETWORK;
	}
	return t->held >= t->limits.slots ? RT_SOURCE_TOTAL : RT_SOURCE_OK;
}

enum rt_source_verdict rt_sources_take(struct rt_sources *t, const struct rt_addr *from, struct rt_source_hold *hold)
{
	struct rt_source *address = find(t, from, LEVEL_ADDRESS), *network = find(t, from, LEVEL_NETWORK);
	enum rt_source_verdict v = judge_slot(t, address, network);
	if (v != RT_SOURCE_OK) {
		return v;
	}
	address = address ? address : find_or_add(t, from, LEVEL_ADDRESS);
	network = network ? network : find_or_add(t, from, LEVEL_NETWORK);
	if (!address || !network) {
		drop_if_idle(t, address);
		drop_if_idle(t, network);
		return RT_SOURCE_TOTAL;
	}
	address->held++;
	network->held++;
	t->held++;
	*hold = (struct rt_source_hold){ t, address, network };
	return RT_SOURCE_OK;
}

void rt_sources_give_back(struct rt_source_hold *hold)
{
	struct rt_sources *t = hold->sources;
	if (!t) {
		return;
	}
	hold->address->held--;
	hold->network->held--;
	t->held--;
	drop_if_idle(t, hold->address);
	drop_if_idle(t, hold->network);
	*hold = (struct rt_source_hold){ NULL, NULL, NULL };
}

/* ---- budgets ---- */

/* The time in which `cost` is refilled. */
static uint64_t cost_us(const struct rt_sources *t, uint32_t cost, uint32_t budget)
{
	return ((uint64_t)cost * t->limits.refill_ms * 1000 + budget - 1) / budget;
}

static bool can_spend(const struct rt_sources *t, const struct rt_source *s, uint64_t us, uint64_t now_us)
{
	uint64_t owed = s && s->full_us > now_us ? s->full_us - now_us : 0;
	return owed + us <= (uint64_t)t->limits.refill_ms * 1000;
}

static void spend(struct rt_sources *t, struct rt_source *s, uint64_t us, uint64_t now_ms)
{
	uint64_t now_us = now_ms * 1000;
	s->full_us = (s->full_us > now_us ? s->full_us : now_us) + us;
	remember(t, s, now_ms);
}

enum rt_source_verdict rt_sources_spend(struct rt_sources *t, const struct rt_addr *from, uint32_t cost, uint64_t now_ms)
{
	struct rt_source *address = find(t, from, LEVEL_ADDRESS), *network = find(t, from, LEVEL_NETWORK);
	if (t->limits.budget_address == 0 || t->limits.budget_network == 0) {
		return RT_SOURCE_TOTAL;
	}
	uint64_t address_us = cost_us(t, cost, t->limits.budget_address), network_us = cost_us(t, cost, t->limits.budget_network);
	if (!can_spend(t, address, address_us, now_ms * 1000)) {
		return RT_SOURCE_ADDRESS;
	}
	if (!can_spend(t, network, network_us, now_ms * 1000)) {
		return RT_SOURCE_NETWORK;
	}
	address = address ? address : find_or_add(t, from, LEVEL_ADDRESS);
	network = network ? network : find_or_add(t, from, LEVEL_NETWORK);
	if (!address || !network) {
		drop_if_idle(t, address);
		drop_if_idle(t, network);
		return RT_SOURCE_TOTAL;
	}
	spend(t, network, network_us, now_ms);
	spend(t, address, address_us, now_ms);
	trim(t);
	return RT_SOURCE_OK;
}

static void refund(struct rt_source *s, uint64_t us)
{
	if (s) {
		s->full_us -= s->full_us > us ? us : s->full_us;
	}
}

void rt_sources_refund(struct rt_sources *t, const struct rt_addr *from, uint32_t cost)
{
	if (t->limits.budget_address != 0 && t->limits.budget_network != 0) {
		refund(find(t, from, LEVEL_ADDRESS), cost_us(t, cost, t->limits.budget_address));
		refund(find(t, from, LEVEL_NETWORK), cost_us(t, cost, t->limits.budget_network));
	}
}

/* ---- log lines ---- */

static bool is_news(bool *is_told, uint64_t *told_ms, uint64_t *untold, uint64_t now_ms, uint64_t *count)
{
	++*untold;
	if (*is_told && now_ms - *told_ms < RT_SOURCE_TELL_MS) {
		return false;
	}
	*is_told = true;
	*told_ms = now_ms;
	*count = *untold;
	*untold = 0;
	return true;
}

bool rt_sources_is_news(struct rt_sources *t, const struct rt_addr *from, enum rt_source_verdict v, uint64_t now_ms, uint64_t *count)
{
	struct rt_source *s = NULL;
	if (v == RT_SOURCE_ADDRESS || v == RT_SOURCE_NETWORK) {
		s = find(t, from, v == RT_SOURCE_NETWORK ? LEVEL_NETWORK : LEVEL_ADDRESS);
	}
	if (!s) { /* only a source that has held or spent something is refused for its own share */
		return is_news(&t->is_told, &t->told_ms, &t->untold, now_ms, count);
	}
	bool is = is_news(&s->is_told, &s->told_ms, &s->untold, now_ms, count);
	remember(t, s, now_ms);
	trim(t);
	return is;
}

void rt_sources_log(struct rt_sources *t, const struct rt_source_refusal *r, uint64_t now_ms)
{
	static const char *const shares[] = { "", "address", "network", "total" };
	char source[RT_SOURCE_TEXT], address[RT_ADDR_TEXT];
	uint64_t count = 0;
	if (!rt_sources_is_news(t, r->address, r->verdict, now_ms, &count)) {
		return;
	}
	rt_source_text(r->address, r->verdict, source);
	rt_log(RT_LOG_WARNING, r->event, RT_KV_STR("address", rt_addr_text(r->address, address)), RT_KV_STR("source", source[0] ? source : NULL),
		RT_KV_STR("share", shares[r->verdict]), RT_KV_STR("limit", r->limit), RT_KV_REASON(r->reason), RT_KV_U64("count", count), RT_END);
}
