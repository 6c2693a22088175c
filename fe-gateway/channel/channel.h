/*
 * channel: the links to the edges, and what travels over them. The gateway connects to the edges, never the other way, and tries again
 * after growing pauses. Deliveries go both ways by the engine of proto/exchange.h; edges get the policy, answer questions, and report.
 *
 *   edge      one of edges[], known by its index there, which stays the same for the life of the process
 *   usable    the link is up, and the edge is not shutting down
 *   route     the edge used by a pair of domains, as long as anything of that pair is in flight there
 *   snapshot  the policy as bytes, which an edge puts in force as a whole
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

/* Functions the upper rooms hand to the channel; every member is set. */
struct channel_user {
	/* For deliveries from edges, as in struct proto_exchange_user. */
	void (*deliver)(void *user, struct proto_from from, const Xfed__Deliver *d);
	void (*acked)(void *user, struct proto_from from, uint64_t cookie);
	void (*refused)(void *user, struct proto_from from, uint64_t cookie);
	void (*run_ended)(void *user, uint64_t run, bool may_take_over);
	/* The outcome of a delivery that channel_send() accepted. */
	void (*outcome)(void *user, struct xfed_span stanza_id, const struct proto_result *r);
	/* A stream has ended, and not because it was idle; `is_ours`: the edge had opened it. */
	void (*stream_lost)(void *user, struct xfed_span local, struct xfed_span remote, bool is_ours);
	void (*stream_open)(void *user, struct xfed_span local, struct xfed_span remote); /* in either direction */
	void (*link_changed)(void *user);						  /* an edge has become usable, or no longer is */
};

/* OK, NOMEM. Connects when the loop runs. */
int channel_new(
	struct core *core, struct policy *policy, struct journal *journal, const struct channel_user *user, void *user_data, struct channel **out);
void channel_free(struct channel *c); /* ends open questions without an answer; to be called before rt_daemon_close() */
void channel_done(struct channel *c); /* and this after it. NULL is fine for both */

/* To be called when other files are in force: sends the snapshot to the edges where it is new, and judges their certificates again. */
void channel_policy_swapped(struct channel *c, bool is_new);

/* ---- turns and time ---- */
void channel_flush(struct channel *c); /* at the end of each turn */
void channel_tick(struct channel *c, uint64_t now_ms);
uint64_t channel_deadline(const struct channel *c);

/* ---- deliveries ---- */
/* The engine, for asking, settling and all else that concerns deliveries from edges. */
struct proto_exchange *channel_exchange(const struct channel *c);
/*
 * Sends a stanza of the pair by its route; fills in `n->peer`. Returns what proto_outbox_add() does, or NOT_FOUND: no edge can take it.
 * After OK an outcome follows.
 */
int channel_send(struct channel *c, struct xfed_span local, struct xfed_span remote, struct proto_delivery_new *n);
size_t channel_waiting(const struct channel *c);	       /* our deliveries that have no outcome yet */
size_t channel_late(const struct channel *c, uint64_t now_ms); /* those of them that are past their deadline */

/* ---- edges ---- */
/* Another gateway has taken the link over with a certificate of the same name: how often, with no more than CHANNEL_REPLACED_S between two times. */
#define CHANNEL_REPLACED_S 600
/* A link that has been up for this long is not contested any more: the other gateway would have tried at least three times. */
#define CHANNEL_CONTEST_S (3 * XFED_CHANNEL_REDIAL_MAX_MS / 1000)
struct channel_replaced {
	unsigned count; /* 0: never */
	int64_t first_s, last_s;
};
struct channel_edge {
	size_t number;
	const char *name, *host;
	bool is_up, is_draining;
	enum xfed_reason reason;	 /* why the link is down */
	const char *down_text;		 /* the same as a sentence that says what to do; "" while nothing has been tried */
	int64_t since_s;		 /* since when it has been up or down */
	bool is_policy_pending;		 /* a snapshot is being sent */
	enum xfed_reason policy_problem; /* the edge refused the last snapshot */
	const char *policy_text;
	struct channel_replaced replaced;
	uint64_t rtt_us; /* round trip of the last ping */
	struct proto_clock clock;
};
size_t channel_edge_count(const struct channel *c);
void channel_edge(const struct channel *c, size_t number, struct channel_edge *out);
void channel_gauges(const struct channel *c); /* updates the metrics that are computed only when somebody reads them */
bool channel_edge_named(const struct channel *c, struct xfed_span name, struct channel_edge *out); /* false: no edge has this name */
size_t channel_usable_count(const struct channel *c);
bool channel_is_usable(const struct channel *c); /* any edge is */
/* a link to any edge has been up since the process started */
bool channel_has_linked(const struct channel *c);

/* ---- questions to edges ---- */
struct channel_arg {
	const char *name, *value;
};
/*
 * `ok` false: there was no answer in time, or the link broke; then `json` is NULL. Or the edge refused; then `json` is {"text"}. `ok` true:
 * its JSON (borrowed), NULL where it sent none.
 */
typedef void channel_reply_fn(void *user, const struct channel_edge *edge, bool ok, json_t *json);
#define CHANNEL_ANSWER_MS 2000 /* for questions that an edge can answer at once */
/* `fn` is called once, later. False: nothing was asked, and `fn` is not called. */
bool channel_ask(struct channel *c, size_t edge, const char *verb, const struct channel_arg *args, size_t count, uint32_t within_ms,
	channel_reply_fn *fn, void *user);

/* ---- going out of service ---- */
void channel_drain(struct channel *c, uint32_t grace_ms); /* tells the edges that we are leaving, also those that link later */
void channel_give_up(struct channel *c);		  /* takes back what was not sent, and asks the edges to give back the rest */
void channel_close(struct channel *c);			  /* says goodbye to the edges, and does not dial any more */

#endif
