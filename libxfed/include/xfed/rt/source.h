/*
 * Limits for peers that have not authenticated: slots (connections, handshakes) and a budget of work, counted by address and by network. An
 * address is an IPv4 address or the /64 of an IPv6 one, a network a /24 or a /48; an IPv4 address mapped into IPv6 counts as IPv4. Many
 * honest peers may share one address (a hosting service, address translation); they count only until they have authenticated, a second or
 * so. Where everybody comes through one proxy, limits.address_share and network_share are 100. One table per shared resource. Reads no
 * clock; every step is O(1).
 *
 * An entry exists while it holds a slot; after that until it has been unused for as long as an empty budget takes to be full again, and for
 * at least RT_SOURCE_TELL_MS (its refusals are counted for the log line). There are at most XFED_SOURCES_REMEMBERED such entries: the one
 * unused for longest is dropped for a new one. A source that has held and spent nothing needs no entry, so a refusal because of the total
 * leaves none.
 */
#ifndef XFED_RT_SOURCE_H
#define XFED_RT_SOURCE_H

#include "xfed/reason.h"
#include "xfed/rt/addr.h"

#define RT_SOURCE_TELL_MS 60000 /* interval of log lines about one source that is being refused */
#define RT_SOURCE_TEXT	  (RT_ADDR_TEXT + 4)

struct rt_source;

/* 0: the table has no slots, or no budget. */
struct rt_source_limits {
	size_t slots, slots_address, slots_network; /* at a time: in all, for one address, for one network */
	uint32_t budget_address, budget_network;    /* units that may be spent at once */
	uint32_t refill_ms;			    /* time in which an empty budget becomes full; at most an hour */
};

struct rt_sources { /* members are private, except `held` */
	struct rt_source_limits limits;
	size_t held; /* slots held at present */
	struct rt_source *table, *remembered;
	size_t remembered_count;
	uint64_t told_ms, untold; /* about refusals because of the total */
	bool is_told;
};

/* A slot that is held. Zeroed: none. A member of what holds it, to be given back before the table is freed. */
struct rt_source_hold {
	struct rt_sources *sources;
	struct rt_source *address, *network;
};

enum rt_source_verdict {
	RT_SOURCE_OK,
	RT_SOURCE_ADDRESS, /* the address has used up its share */
	RT_SOURCE_NETWORK, /* its network has */
	RT_SOURCE_TOTAL,   /* nothing is left for anybody, or no memory */
};

void rt_sources_init(struct rt_sources *t, const struct rt_source_limits *limits);
void rt_sources_deinit(struct rt_sources *t);					    /* zeroed is fine; no slot may be held */
void rt_sources_limit(struct rt_sources *t, const struct rt_source_limits *limits); /* sets the limits again; slots that are held stay so */

/* Takes a slot for `from` into `hold`, which holds none. Unless OK nothing is taken. */
enum rt_source_verdict rt_sources_take(struct rt_sources *t, const struct rt_addr *from, struct rt_source_hold *hold);
void rt_sources_give_back(struct rt_source_hold *hold); /* holding none is fine */

/*
 * Spends `cost` units of the budgets of `from`. Unless OK nothing is spent, and the work is not to be done. A cost above the whole budget
 * is never granted.
 */
enum rt_source_verdict rt_sources_spend(struct rt_sources *t, const struct rt_addr *from, uint32_t cost, uint64_t now_ms);

/* Gives back what was spent on work that turned out to be honest. */
void rt_sources_refund(struct rt_sources *t, const struct rt_addr *from, uint32_t cost);

/*
 * Whether a refusal with this verdict should be logged: the first of a source, then one per RT_SOURCE_TELL_MS. `*count`: how many there
 * were since the last line, with this one.
 */
bool rt_sources_is_news(struct rt_sources *t, const struct rt_addr *from, enum rt_source_verdict v, uint64_t now_ms, uint64_t *count);

/* A refusal, for the log: what was refused, and by which limit; `address` is the peer's, with its port. */
struct rt_source_refusal {
	const char *event, *limit;
	const struct rt_addr *address;
	enum rt_source_verdict verdict;
	enum xfed_reason reason;
};
/* Writes its log line (event, source, share, limit, reason, count), unless there was one lately. */
void rt_sources_log(struct rt_sources *t, const struct rt_source_refusal *r, uint64_t now_ms);

/* Drops entries that are not needed any more; to be called about once a second. */
void rt_sources_tick(struct rt_sources *t, uint64_t now_ms);

/* Whether two peers share what the verdict is about: the address or the network; everybody shares the total. */
bool rt_source_is_same(const struct rt_addr *a, const struct rt_addr *b, enum rt_source_verdict v);

/* What the verdict is about: "192.0.2.7", "192.0.2.0/24", "2001:db8::/64", "2001:db8::/48"; "" for the total. Returns `out`. */
const char *rt_source_text(const struct rt_addr *from, enum rt_source_verdict v, char out[RT_SOURCE_TEXT]);

/* Limits on slots alone: `total`, and the shares of it in percent. */
struct rt_source_limits rt_source_slots(size_t total, unsigned address_percent, unsigned network_percent);

/* `percent` of `total`, rounded up, at least 1. */
size_t rt_source_share(size_t total, unsigned percent);

#endif
