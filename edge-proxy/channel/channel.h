/*
 * channel: the links of gateways, which dial us, and what travels over them. Deliveries go both ways by the engine of
 * proto/exchange.h; gateways bring the policy, ask questions, and are told of streams and failures.
 *
 *   link      of one gateway; the newest of one certificate counts
 *   usable    up, and its gateway does not leave
 *   stranger  who has a connection to the channel and has proved nothing yet
 *
 * May call core, the configuration and s2s (whose policy it brings), and the libraries.
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

/* What comes up from it; all set. */
struct channel_user {
	/* Of deliveries, as in struct proto_exchange_user. */
	void (*deliver)(void *user, struct proto_from from, int peer, const Xfed__Deliver *d);
	void (*withdrawn)(void *user, struct proto_from from, uint64_t cookie);
	void (*sent)(void *user, const struct proto_delivery *d);
	void (*taken)(void *user, uint64_t cookie, uint64_t number);
	void (*outcome)(void *user, const struct proto_delivery *d, const struct proto_result *r);
	void (*link_up)(void *user, struct channel_link *l);
	void (*link_down)(void *user, struct channel_link *l); /* it was up, and is gone when this returns */
	void (*request)(void *user, struct channel_link *l, const Xfed__Request *r);
	void (*changed)(void *user); /* which links are usable, or the policy */
};

int channel_load_creds(const struct edge_config *c, struct xfed_tls_creds **out, char error[256]); /* or one sentence in `error` */
/* OK, NOMEM. Takes the credentials over. */
int channel_new(struct core *core, const struct edge_config *config, struct xfed_tls_creds *creds, struct s2s *s2s, const struct channel_user *user,
	void *user_data, struct channel **out);
void channel_stop(struct channel *c); /* every link at once, while the loop is there */
void channel_free(struct channel *c); /* behind its end. NULL is fine to both */

/* After a reload; takes the credentials over. Links that live are judged again. */
void channel_configure(struct channel *c, const struct edge_config *config, struct xfed_tls_creds *creds);
void channel_accept(struct channel *c, struct rt_stream *s); /* of a listener; taken over, or closed */
void channel_flush(struct channel *c);			     /* at the end of each turn */
void channel_tick(struct channel *c, uint64_t now_ms);
uint64_t channel_deadline(const struct channel *c);
void channel_gauges(struct channel *c);
const struct xfed_tls_creds *channel_creds(const struct channel *c);
void channel_drain(struct channel *c, uint32_t grace_ms); /* the gateways are told */

struct proto_exchange *channel_exchange(const struct channel *c); /* for what concerns deliveries */
void channel_pump(struct channel *c);				  /* what is queued goes out now, not at the end of the turn */

/* What nobody waits for; a link without room misses it, which is counted. */
void channel_send(struct channel_link *l, const Xfed__Frame *f);
void channel_send_all(struct channel *c, const Xfed__Frame *f);
void channel_send_counters(struct channel_link *l); /* our metrics */

/* ---- looking ---- */

size_t channel_links_up(const struct channel *c);
bool channel_is_usable(const struct channel *c); /* any link */
struct channel_facts {
	const char *peer;
	int64_t since_s;
	uint64_t rtt_us;
	struct proto_clock clock;
};
/* Of each link that is up. */
void channel_each(const struct channel *c, void (*fn)(void *user, const struct channel_facts *f), void *user);
const char *channel_link_peer(const struct channel_link *l);
enum xfed_reason channel_down_reason(const struct channel *c, int64_t *since_s); /* why there is none, or was none last */
struct channel_refusal {
	int64_t at_s;
	enum xfed_reason reason;
	const char *text; /* never NULL */
	char from[RT_ADDR_TEXT];
};
/*
 * The last link of a gateway (`has_proved`), or of a stranger who showed a certificate as a gateway does, that was refused, or refused us,
 * within the last two minutes and has not come up since; a gateway tries again sooner. Who showed none is no gateway. False: none.
 */
bool channel_refused(const struct channel *c, bool has_proved, struct channel_refusal *out);
const struct proto_revision *channel_revision(const struct channel *c); /* of the policy in force */

#endif
