/*
 * The table of who takes up what is shared, beside a model of it: a few networks with a few addresses in each, of both families and of
 * none; slots taken, given back in any order, budgets spent, refusals told, limits made others, time passing.
 *
 * Properties: an address, a network and all together never hold more than their share of the moment, and a slot is refused only
 * where one of them has it; everything given back is there again; nobody spends more than his budget and what has come back of it,
 * and no refusal spends anything; a refusal is news once in its time, and no refusal is left out of the counts; the table remembers a
 * bounded number, and nothing once all is given back and old.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xfed/limits.h"
#include "xfed/rt/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())
#define NETWORKS   8
#define ADDRESSES  4 /* of one network */
#define HOLDS	   256

/* One account of the model: an address or a network. */
struct account {
	size_t held;
	double owed; /* share of the budget that is not back yet, 0 to 1 */
	uint64_t at_ms;
	uint64_t told_ms, untold;
	bool is_exact; /* of what was told: the table has had it since the last news */
};

struct world {
	const uint8_t *at, *end;
	uint64_t now;
	struct rt_sources t;
	struct rt_source_limits limits;
	struct rt_source_hold holds[HOLDS];
	uint8_t owners[HOLDS];
	size_t held;
	struct account networks[NETWORKS], addresses[NETWORKS * ADDRESSES];
};

static uint8_t byte(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

/* The first two networks are IPv4, the last one of nobody whose address is known; the rest IPv6. The last bit is another spelling. */
static struct rt_addr address_of(uint8_t who)
{
	struct rt_addr a = { .sa.sa_family = AF_UNSPEC };
	unsigned network = who / ADDRESSES % NETWORKS, number = who % ADDRESSES;
	if (network == NETWORKS - 1) {
		return a;
	}
	if (network >= 2) {
		const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, 0, (uint8_t)network, 0, (uint8_t)number, [15] = who / 32 };
		a.sa.sa_family = AF_INET6;
		memcpy(&a.in6.sin6_addr, v6, sizeof(v6));
	} else if (who & 128) {
		const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, [12] = 192, [14] = (uint8_t)network, [15] = (uint8_t)number };
		a.sa.sa_family = AF_INET6;
		memcpy(&a.in6.sin6_addr, mapped, sizeof(mapped));
	} else {
		const uint8_t v4[4] = { 192, 0, (uint8_t)network, (uint8_t)number };
		a.sa.sa_family = AF_INET;
		memcpy(&a.in.sin_addr, v4, sizeof(v4));
	}
	return a;
}

static struct account *network_of(struct world *w, uint8_t who)
{
	return &w->networks[who / ADDRESSES % NETWORKS];
}

/* Of those whose address is not known there is one. */
static struct account *account_of(struct world *w, uint8_t who)
{
	unsigned network = who / ADDRESSES % NETWORKS;
	return &w->addresses[network == NETWORKS - 1 ? network * ADDRESSES : network * ADDRESSES + who % ADDRESSES];
}

static void take(struct world *w, uint8_t who)
{
	struct account *address = account_of(w, who), *network = network_of(w, who);
	struct rt_addr a = address_of(who);
	if (w->held == HOLDS) {
		return;
	}
	enum rt_source_verdict v = rt_sources_take(&w->t, &a, &w->holds[w->held]);
	if (v == RT_SOURCE_OK) {
		MUST(address->held < w->limits.slots_address && network->held < w->limits.slots_network && w->held < w->limits.slots);
		w->owners[w->held++] = who;
		address->held++;
		network->held++;
	} else {
		MUST(!w->holds[w->held].sources);
		MUST(v != RT_SOURCE_ADDRESS || address->held >= w->limits.slots_address);
		MUST(v != RT_SOURCE_NETWORK || network->held >= w->limits.slots_network);
		MUST(v != RT_SOURCE_TOTAL || w->held >= w->limits.slots);
	}
	MUST(w->t.held == w->held);
}

static void let_go(struct account *a)
{
	a->held--;
	a->is_exact = a->is_exact && a->held > 0;
}

static void give_back(struct world *w, size_t i)
{
	if (w->held == 0) {
		return;
	}
	i %= w->held;
	let_go(account_of(w, w->owners[i]));
	let_go(network_of(w, w->owners[i]));
	rt_sources_give_back(&w->holds[i]);
	rt_sources_give_back(&w->holds[i]); /* holding none is fine */
	w->held--;
	w->holds[i] = w->holds[w->held];
	w->owners[i] = w->owners[w->held];
	memset(&w->holds[w->held], 0, sizeof(w->holds[0]));
	MUST(w->t.held == w->held);
}

/* ---- budgets ---- */

static double owed(const struct world *w, const struct account *a)
{
	double back = w->limits.refill_ms ? (double)(w->now - a->at_ms) / w->limits.refill_ms : 1;
	return a->owed > back ? a->owed - back : 0;
}

static void charge(const struct world *w, struct account *a, double share)
{
	a->owed = owed(w, a) + share;
	a->at_ms = w->now;
}

static void spend(struct world *w, uint8_t who, uint8_t cost)
{
	const double grain = 0.001; /* of rounding */
	struct account *address = account_of(w, who), *network = network_of(w, who);
	struct rt_addr a = address_of(who);
	enum rt_source_verdict v = rt_sources_spend(&w->t, &a, cost, w->now);
	if (w->limits.budget_address == 0 || w->limits.budget_network == 0) {
		MUST(v == RT_SOURCE_TOTAL);
		return;
	}
	double of_address = (double)cost / w->limits.budget_address, of_network = (double)cost / w->limits.budget_network;
	if (v == RT_SOURCE_OK) {
		charge(w, address, of_address);
		charge(w, network, of_network);
		MUST(address->owed <= 1 + grain && network->owed <= 1 + grain);
	} else {
		MUST(v == RT_SOURCE_ADDRESS || v == RT_SOURCE_NETWORK);
		MUST(v != RT_SOURCE_ADDRESS || owed(w, address) + of_address > 1 - grain);
		MUST(v != RT_SOURCE_NETWORK || owed(w, network) + of_network > 1 - grain);
	}
}

/* ---- news ---- */

static void refuse(struct world *w, uint8_t who, enum rt_source_verdict v)
{
	struct rt_addr a = address_of(who);
	struct account *account = v == RT_SOURCE_NETWORK ? network_of(w, who) : account_of(w, who);
	uint64_t count = 0;
	bool is_news = rt_sources_is_news(&w->t, &a, v, w->now, &count);
	MUST(!is_news || count > 0);
	/* Who holds nothing may have been forgotten, or be counted with all. */
	if (account->held == 0 || v == RT_SOURCE_TOTAL) {
		account->is_exact = account->is_exact && v == RT_SOURCE_TOTAL;
		return;
	}
	account->untold++;
	if (account->is_exact) {
		MUST(is_news == (w->now - account->told_ms >= RT_SOURCE_TELL_MS));
		MUST(!is_news || count == account->untold);
	}
	if (is_news) {
		account->untold = 0;
		account->is_exact = true;
		account->told_ms = w->now;
	}
}

/* ---- the whole ---- */

static void limit(struct world *w)
{
	static const uint32_t refills[] = { 1, 1000, 60000, 3600000 };
	uint8_t b = byte(w);
	w->limits = (struct rt_source_limits){ .slots = b,
		.slots_address = 1 + b % 5,
		.slots_network = 1 + b % 11,
		.budget_address = byte(w),
		.budget_network = 2 * (uint32_t)byte(w),
		.refill_ms = w->limits.refill_ms };
	if (w->limits.refill_ms == 0) {
		w->limits.refill_ms = refills[b % XFED_ARRAY_LEN(refills)];
	}
	rt_sources_limit(&w->t, &w->limits);
}

static void run_one(struct world *w)
{
	uint8_t what = byte(w), who = byte(w);
	switch (what % 8) {
	case 0:
	case 1:
		take(w, who);
		break;
	case 2:
		give_back(w, who);
		break;
	case 3:
		spend(w, who, byte(w));
		break;
	case 4:
		w->now += who < 128 ? who : 500 * (uint64_t)(who - 127);
		break;
	case 5:
		rt_sources_tick(&w->t, w->now);
		break;
	case 6:
		if (what & 64) {
			limit(w);
		} else {
			refuse(w, who, (enum rt_source_verdict)(1 + what / 8 % 3));
		}
		break;
	case 7: {
		struct rt_addr a = address_of(who), b = address_of(byte(w));
		char text[RT_SOURCE_TEXT];
		enum rt_source_verdict v = (enum rt_source_verdict)(1 + what / 8 % 3);
		MUST(rt_source_is_same(&a, &a, v) && rt_source_is_same(&a, &b, v) == rt_source_is_same(&b, &a, v));
		MUST(strlen(rt_source_text(&a, v, text)) < sizeof(text));
		break;
	}
	}
	MUST(w->t.remembered_count <= XFED_SOURCES_REMEMBERED);
}

/* Very many addresses, each of which spends once. */
static void flood(struct world *w, unsigned count)
{
	struct rt_addr a = { .sa.sa_family = AF_INET6 };
	for (unsigned i = 0; i < count; i++) {
		const uint8_t v6[16] = { 0x20, 0x02, (uint8_t)(i >> 8), (uint8_t)i, 0, 9 };
		memcpy(&a.in6.sin6_addr, v6, sizeof(v6));
		(void)rt_sources_spend(&w->t, &a, 1, w->now);
		MUST(w->t.remembered_count <= XFED_SOURCES_REMEMBERED);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	memset(&w, 0, sizeof(w));
	w.at = data;
	w.end = data + size;
	w.now = 1000000;
	static const uint8_t flood_mark[] = { 255, 0, 'f', 'l', 'o', 'o', 'd' }; /* it costs what a hundred others do */
	bool is_flood = size > sizeof(flood_mark) && memcmp(data, flood_mark, sizeof(flood_mark)) == 0;
	rt_sources_init(&w.t, &w.limits);
	limit(&w);
	while (w.at < w.end) {
		run_one(&w);
	}
	if (is_flood) {
		flood(&w, 3000);
	}
	while (w.held > 0) {
		give_back(&w, 0);
	}
	w.now += 2 * 3600 * 1000;
	rt_sources_tick(&w.t, w.now);
	MUST(w.t.remembered_count == 0 && !w.t.table && w.t.held == 0);
	rt_sources_deinit(&w.t);
	return 0;
}
