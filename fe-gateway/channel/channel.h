/*
 * channel: the links to the edges, and what travels over them. We dial (the inside dials out) and dial again with a growing pause;
 * deliveries go both ways by the engine of proto/exchange.h; edges get the policy, are asked questions, and report.
 *
 *   edge      one of edges[], by its number there; configured for the life of the process
 *   usable    up, and not about to leave
 *   route     the edge that a pair of domains uses as long as anything of the pair is in flight there
 *   snapshot  the policy as bytes, which an edge puts in force whole
 *
 * May call core, config, policy and journal, and the libraries.
 */
#ifndef GATEWAY_CHANNEL_CHANNEL_H
#define GATEWAY_CHANNEL_CHANNEL_H

#include <jansson.h>

#include "core/core.h"
#include "journal/journal.h"
#include "policy/policy.h"
#include "proto/exchange.h"
#include "xfed/limits.h"

struct channel;

/* What comes up from it; all set. */
struct channel_user {
	/* Of deliveries from edges, as in struct proto_exchange_user. */
	void (*deliver)(void *user, struct proto_from from, const Xfed__Deliver *d);
	void (*acked)(void *user, struct proto_from from, uint64_t cookie);
	void (*refused)(void *user, struct proto_from from, uint64_t cookie);
	void (*run_ended)(void *user, uint64_t run, bool may_take_over);
	/* What came of one that channel_send() took. */
	void (*outcome)(void *user, struct xfed_span stanza_id, const struct proto_result *r);
	/* A stream has ended otherwise than for being idle; `is_ours`: one that the edge had opened. */
	void (*stream_lost)(void *user, struct xfed_span local, struct xfed_span remote, bool is_ours);
	void (*stream_open)(void *user, struct xfed_span local, struct xfed_span remote); /* either way */
	void (*link_changed)(void *user);						  /* an edge has become usable, or is not any more */
};

/* OK, NOMEM. It dials when the loop runs. */
int channel_new(
	struct core *core, struct policy *policy, struct journal *journal, const struct channel_user *user, void *user_data, struct channel **out);
void channel_free(struct channel *c); /* questions are answered with nothing; before rt_daemon_close() */
void channel_done(struct channel *c); /* ... and this behind it. NULL is fine to both */

/* Other files are in force: edges get the snapshot where it is new, and their certificates are judged again. */
void channel_policy_swapped(struct channel *c, bool is_new);

/* ---- turns and time ---- */
void channel_flush(struct channel *c); /* at the end of each turn */
void channel_tick(struct channel *c, uint64_t now_ms);
uint64_t channel_deadline(const struct channel *c);

/* ---- deliveries ---- */
/* For asking, settling and what else concerns deliveries that came. */
struct proto_exchange *channel_exchange(const struct channel *c);
/*
 * Sends a stanza of the pair by its route; `n->peer` is filled in. What proto_outbox_add() says, or NOT_FOUND: no edge can take it.
 * An outcome follows where it is OK.
 */
int channel_send(struct channel *c, struct xfed_span local, struct xfed_span remote, struct proto_delivery_new *n);
size_t channel_waiting(const struct channel *c);	       /* of ours, without a fate */
size_t channel_late(const struct channel *c, uint64_t now_ms); /* ... and past their deadline */

/* ---- edges ---- */
/* Another has taken the link over with a certificate of our name: how often, no more than CHANNEL_REPLACED_S between. */
#define CHANNEL_REPLACED_S 600
/* One that has been up for this long is contested no more: who has lost it dials again at least three times in it. */
#define CHANNEL_CONTEST_S (3 * XFED_CHANNEL_REDIAL_MAX_MS / 1000)
struct channel_replaced {
	unsigned count; /* 0: never */
	int64_t first_s, last_s;
};
struct channel_edge {
	size_t number;
	const char *name, *host;
	bool is_up, is_draining;
	enum xfed_reason reason;	 /* why it is down */
	const char *down_text;		 /* the same in a sentence that says what to do; "" while nothing has been tried */
	int64_t since_s;		 /* up or down */
	bool is_policy_pending;		 /* a snapshot is on its way */
	enum xfed_reason policy_problem; /* it refused the last one */
	const char *policy_text;
	struct channel_replaced replaced;
	uint64_t rtt_us; /* of the last ping */
	struct proto_clock clock;
};
size_t channel_edge_count(const struct channel *c);
void channel_edge(const struct channel *c, size_t number, struct channel_edge *out);
void channel_gauges(const struct channel *c); /* metrics that are only looked up when somebody reads them */
bool channel_edge_named(const struct channel *c, struct xfed_span name, struct channel_edge *out); /* false: none */
bool channel_is_usable(const struct channel *c);						   /* any edge */
size_t channel_usable_count(const struct channel *c);
bool channel_has_linked(const struct channel *c); /* to any edge, in this run */

/* ---- questions to edges ---- */
struct channel_arg {
	const char *name, *value;
};
/*
 * `ok` false: none came in time or the link broke, then `json` is NULL; or the edge refused, then it is {"text"}. Else its
 * JSON (borrowed), NULL where it had none.
 */
typedef void channel_reply_fn(void *user, const struct channel_edge *edge, bool ok, json_t *json);
#define CHANNEL_ANSWER_MS 2000 /* what an edge knows it says at once */
/* `fn` runs once, later. False: nothing was asked. */
bool channel_ask(struct channel *c, size_t edge, const char *verb, const struct channel_arg *args, size_t count, uint32_t within_ms,
	channel_reply_fn *fn, void *user);

/* ---- the way out ---- */
void channel_drain(struct channel *c, uint32_t grace_ms); /* the edges are told, also those that link later */
void channel_give_up(struct channel *c);		  /* what was not sent comes back at once, for the rest the edges are asked */
void channel_close(struct channel *c);			  /* tells the edges; nothing is dialled any more */

#endif
