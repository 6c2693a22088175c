/*
 * Who takes up what those share who have proved nothing: slots (connections, handshakes) and a budget of work, counted by address
 * and by network. An address is an IPv4 address or the /64 of an IPv6 one, a network a /24 or a /48; an IPv4 address mapped into
 * IPv6 counts as IPv4. Many honest peers may stand behind one address (a hosting service, address translation): they count only until
 * they have proved who they are, a second or so. Where everybody comes through one proxy, limits.address_share and network_share are 100.
 * One table per thing that is shared. Nothing here reads a clock; every step is O(1).
 *
 * An entry lives while it holds a slot; behind that, until it has done nothing for as long as an empty budget takes to be full again,
 * and for RT_SOURCE_TELL_MS at least (its refusals are counted for their line). Never are there more than XFED_SOURCES_REMEMBERED of
 * that kind: the one that did nothing for longest is forgotten for a new one. A source that holds and has spent nothing costs nothing,
 * so a refusal for the total leaves nothing behind.
 */
#ifndef XFED_RT_SOURCE_H
#define XFED_RT_SOURCE_H

#include "xfed/reason.h"
#include "xfed/rt/addr.h"

#define RT_SOURCE_TELL_MS 60000 /* a source that is being refused is news so often */
#define RT_SOURCE_TEXT	  (RT_ADDR_TEXT + 4)

struct rt_source;

/* 0: the table has no slots, or no budget. */
struct rt_source_limits {
	size_t slots, slots_address, slots_network; /* at a time: in all, of one address, of one network */
	uint32_t budget_address, budget_network;    /* units of cost that may be spent at once */
	uint32_t refill_ms;			    /* an empty budget is full again, whole; at most an hour */
};

struct rt_sources { /* members are source.c's own, but for `held` */
	struct rt_source_limits limits;
	size_t held; /* slots, now */
	struct rt_source *table, *remembered;
	size_t remembered_count;
	uint64_t told_ms, untold; /* of the total */
	bool is_told;
};

/* A slot that is held. Zeroed: none. It belongs to what holds it, and goes back before the table is freed. */
struct rt_source_hold {
	struct rt_sources *sources;
	struct rt_source *address, *network;
};

enum rt_source_verdict {
	RT_SOURCE_OK,
	RT_SOURCE_ADDRESS, /* the address has its share */
	RT_SOURCE_NETWORK, /* its network has */
	RT_SOURCE_TOTAL,   /* nothing is left for anybody, or no memory */
};

void rt_sources_init(struct rt_sources *t, const struct rt_source_limits *limits);
void rt_sources_deinit(struct rt_sources *t);					    /* zeroed is fine; no slot may be held */
void rt_sources_limit(struct rt_sources *t, const struct rt_source_limits *limits); /* anew; what is held stays held */

/* Takes a slot for `from` into `hold`, which holds none. Anything but OK takes nothing. */
enum rt_source_verdict rt_sources_take(struct rt_sources *t, const struct rt_addr *from, struct rt_source_hold *hold);
void rt_sources_give_back(struct rt_source_hold *hold); /* holding none is fine */

/*
 * Spends `cost` units of the budgets of `from`. Anything but OK spends nothing: the work is not to be done. A cost above a whole
 * budget is never granted.
 */
enum rt_source_verdict rt_sources_spend(struct rt_sources *t, const struct rt_addr *from, uint32_t cost, uint64_t now_ms);

/*
 * Whether a refusal with this verdict is worth a line in the log: the first of a source, then one in RT_SOURCE_TELL_MS. `*count`
 * is how many there were since the last line, this one included.
 */
bool rt_sources_is_news(struct rt_sources *t, const struct rt_addr *from, enum rt_source_verdict v, uint64_t now_ms, uint64_t *count);

/* One refusal, for the log: what was refused, and which limit it was of; `address` is the peer's, with its port. */
struct rt_source_refusal {
	const char *event, *limit;
	const struct rt_addr *address;
	enum rt_source_verdict verdict;
	enum xfed_reason reason;
};
/* Its line (event, source, share, limit, reason, count), where it is news. */
void rt_sources_log(struct rt_sources *t, const struct rt_source_refusal *r, uint64_t now_ms);

/* Forgets what needs no more to be remembered; about once a second. */
void rt_sources_tick(struct rt_sources *t, uint64_t now_ms);

/* Whether two peers share what a verdict is about: the address, the network; the total everybody shares. */
bool rt_source_is_same(const struct rt_addr *a, const struct rt_addr *b, enum rt_source_verdict v);

/* What a verdict is about: "192.0.2.7", "192.0.2.0/24", "2001:db8::/64", "2001:db8::/48"; "" for the total. Returns `out`. */
const char *rt_source_text(const struct rt_addr *from, enum rt_source_verdict v, char out[RT_SOURCE_TEXT]);

/* Limits of slots alone: `total`, and the shares of it in percent. */
struct rt_source_limits rt_source_slots(size_t total, unsigned address_percent, unsigned network_percent);

/* `percent` of `total`, rounded up and at least one: no share is ever nothing. */
size_t rt_source_share(size_t total, unsigned percent);

#endif
