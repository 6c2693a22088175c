/*
 * channel: the links with gateways, which connect to us, and what travels over them. Deliveries go both ways by the engine of
 * proto/exchange.h; gateways send the policy and requests, and receive reports of streams and failures.
 *
 *   link      a connection with one gateway; of two with one certificate name the newer counts
 *   usable    the link is up, and its gateway is not shutting down
 *   stranger  whoever has a connection to the channel's port and has not authenticated yet
 *
 * May call core, the configuration, s2s (to which it hands the policy) and the libraries.
 */
#ifndef EDGE_CHANNEL_CHANNEL_H
#define EDGE_CHANNEL_CHANNEL_H

#include "config.h"
#include "core/core.h"
#include "proto/exchange.h"
#include "proto/transfer.h"
#include "s2s/s2s.h"

struct channel;
struct channel_link;

/* Functions the upper rooms hand to the channel; every member is set. */
struct channel_user {
	/* For deliveries, as in struct proto_exchange_user. */
	void (*deliver)(void *user, struct proto_from from, int peer, const Xfed__Deliver *d);
	void (*withdrawn)(void *user, struct proto_from from, uint64_t cookie);
	void (*sent)(void *user, const struct proto_delivery *d);
	void (*taken)(void *user, uint64_t cookie, uint64_t number);
	void (*outcome)(void *user, const struct proto_delivery *d, const struct proto_result *r);
	void (*link_up)(void *user, struct channel_link *l);
	void (*link_down)(void *user, struct channel_link *l); /* the link was up; it no longer exists when this returns */
	void (*request)(void *user, struct channel_link *l, const Xfed__Request *r);
	void (*changed)(void *user); /* the set of usable links, or the policy, has changed */
};

/* OK, NOMEM. Takes over the credentials. */
int channel_new(struct core *core, const struct edge_config *config, struct xfed_tls_creds *creds, struct s2s *s2s, const struct channel_user *user,
	void *user_data, struct channel **out);
void channel_stop(struct channel *c); /* closes every link at once; while the loop still runs */
void channel_free(struct channel *c); /* after the loop has ended. NULL is fine for both */

/* After a reload; takes over the credentials. The certificates of live links are judged again. */
void channel_configure(struct channel *c, const struct edge_config *config, struct xfed_tls_creds *creds);
void channel_accept(struct channel *c, struct rt_stream *s); /* a connection from a listener; the channel owns it from here, and may close it */
void channel_flush(struct channel *c);			     /* at the end of each turn */
void channel_tick(struct channel *c, uint64_t now_ms);
uint64_t channel_deadline(const struct channel *c);
void channel_gauges(struct channel *c);
const struct xfed_tls_creds *channel_creds(const struct channel *c);
void channel_drain(struct channel *c, uint32_t grace_ms); /* tells the gateways that the edge is shutting down */

struct proto_exchange *channel_exchange(const struct channel *c); /* the engine, for everything about deliveries */
void channel_pump(struct channel *c);				  /* sends what is queued now, not at the end of the turn */

/* For frames whose loss does no harm: where the link has no room the frame is dropped and counted. */
void channel_send(struct channel_link *l, const Xfed__Frame *f);
void channel_send_all(struct channel *c, const Xfed__Frame *f);
void channel_send_counters(struct channel_link *l); /* the metrics of this edge */

/* ---- state ---- */

size_t channel_links_up(const struct channel *c);
bool channel_is_usable(const struct channel *c); /* any link is */
struct channel_facts {
	const char *peer, *from; /* "ADDRESS:PORT" */
	int64_t since_s;
	uint64_t rtt_us;
	struct proto_clock clock;
};
/* For each link that is up. */
void channel_each(const struct channel *c, void (*fn)(void *user, const struct channel_facts *f), void *user);
const char *channel_link_peer(const struct channel_link *l);
enum xfed_reason channel_down_reason(const struct channel *c, int64_t *since_s); /* why there is no link now, or why the last one ended */
struct channel_refusal {
	int64_t at_s;
	enum xfed_reason reason;
	const char *text; /* never NULL */
	char from[RT_ADDR_TEXT];
};
/*
 * The last connection that was refused, or refused us, within the last two minutes and has not come up since: of a gateway that had
 * authenticated (`has_proved`), or of a stranger who presented a certificate, as gateways do. (A gateway tries again sooner than that.)
 * False: none.
 */
bool channel_refused(const struct channel *c, bool has_proved, struct channel_refusal *out);
const struct proto_revision *channel_revision(const struct channel *c); /* of the policy in force */

#endif
