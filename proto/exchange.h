/*
 * The delivery engine of a service: its outbox (deliveries it has given to others), its inbox (deliveries it got from others) and the links
 * to them (proto/channel.md sections 5 and 6). Both daemons use it; they decide what to do with a delivery that comes in, and with the
 * outcome of one of their own. No I/O, no clock.
 *
 *   link     a session that is up, with one run of one peer
 *   run      a process of a peer, from its start to its end; has a number here that is never used again
 *   ask      send Attempted: may this delivery be begun? The answer is acked() or refused()
 *   fate     the outcome of a delivery: delivered, refused, dropped, withdrawn or uncertain
 *   settle   set the fate of a delivery, once
 *   tell     send Settled: report that fate to the peer, and again when a link resumes
 *   orphan   a delivery whose run has ended: its fate can only be told to its sender, by an error stanza over any link
 *
 * The caller feeds it by proto_exchange_up(), _take() for each message, _credit(), _down(), _tick(). What is to be sent is collected, and
 * sent by proto_exchange_pump() at the end of a turn of the loop; wake() asks for that. The engine calls proto_session_*() only to send,
 * and to close a session whose peer breaks the rules; the caller handles the DOWN that follows. Functions of the user may call everything
 * here but proto_exchange_free().
 */
#ifndef PROTO_EXCHANGE_H
#define PROTO_EXCHANGE_H

#include "proto/inbox.h"
#include "proto/outbox.h"
#include "proto/outcome.h"
#include "proto/session.h"

#define PROTO_LINK_GONE_MS 10000 /* after so long without a link the sender may give deliveries that were not begun to another receiver */
#define PROTO_RUN_ENDED_MS 90000 /* and a living sender has ended its deliveries, by their deadline */

struct proto_exchange;
struct proto_exchange_link;

/* Identifies a delivery that came in. `run` 0: none, the service made it itself. */
struct proto_from {
	uint64_t run, seq;
};

struct proto_exchange_user {
	/* Asks for proto_exchange_pump() at the end of this turn. */
	void (*wake)(void *user);

	/* ---- deliveries that come in; all are NULL in a service that gets none ---- */
	/* A new delivery. It ends with proto_exchange_settle(), now or later. `d` is valid during the call; `peer` is the sender. */
	void (*deliver)(void *user, struct proto_from from, int peer, const Xfed__Deliver *d);
	/*
	 * After proto_exchange_ask(): it may be begun, or must not be (proto_exchange_forget() follows if it has not). `cookie`: of
	 * proto_exchange_mark().
	 */
	void (*acked)(void *user, struct proto_from from, uint64_t cookie);
	void (*refused)(void *user, struct proto_from from, uint64_t cookie);
	/* Its sender wants it back, and it has no fate yet. */
	void (*withdrawn)(void *user, struct proto_from from, uint64_t cookie);
	/*
	 * The run has ended. Its deliveries that were not begun belong to this service alone and go on without asking; or, if others may have them
	 * (`may_take_over` false), they are uncertain. NULL: the service does not care about the end of runs.
	 */
	void (*run_ended)(void *user, uint64_t run, const char *peer, bool may_take_over);
	/* The fate of an orphan has been sent to its sender (OK), or could not be. Not called where the sender need not know. */
	void (*orphan_told)(void *user, struct proto_from from, const char *peer, enum xfed_reason reason, int rc);

	/* ---- own deliveries ---- */
	/* It was sent for the first time. May be NULL, like taken(). */
	void (*sent)(void *user, const struct proto_delivery *d);
	/* The peer has taken over the delivery that was added with these (struct proto_delivery_new); called before it is settled at the latest. */
	void (*taken)(void *user, uint64_t cookie, uint64_t number);
	/* It has its fate, and does not exist any more when this returns. */
	void (*outcome)(void *user, const struct proto_delivery *d, const struct proto_result *r);
};

struct proto_exchange_config {
	struct proto_outbox_config outbox;
	size_t inbox_max;      /* 0: XFED_DELIVERY_TABLE_MAX */
	uint32_t tell_good_ms; /* how long a report of "delivered" may wait for something else to be sent; 0: not at all */
};

/* OK, NOMEM. `user` and its functions have to outlive it. */
int proto_exchange_new(const struct proto_exchange_config *cfg, const struct proto_exchange_user *user, void *user_data, struct proto_exchange **out);
void proto_exchange_free(struct proto_exchange *x); /* calls no function of the user; its sessions may have been freed before */

/* ---- links ---- */
/*
 * To be called when a session is up; it has to stay until proto_exchange_down(). Makes its peer known, grants credit, and sends again what
 * may have been lost with an older link. After LIMIT (too many peers or runs) and NOMEM the caller closes the session, without _down().
 */
int proto_exchange_up(struct proto_exchange *x, struct proto_session *s, uint64_t now_ms, struct proto_exchange_link **out);
void proto_exchange_down(struct proto_exchange *x, struct proto_exchange_link *l, uint64_t now_ms);
/* Whether the link may be given deliveries, as a new one may. Settling, asking and withdrawing go on in any case. */
void proto_exchange_open(struct proto_exchange_link *l, bool is_open);
/* The peer is shutting down: after this time nothing of its run is begun any more. */
void proto_exchange_no_more_after(struct proto_exchange_link *l, uint64_t when_ms);
/* For PROTO_ACT_MESSAGE. False: the message is not about deliveries, and is the caller's. */
bool proto_exchange_take(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__Frame *f, size_t frame_bytes, uint64_t now_ms);
void proto_exchange_credit(struct proto_exchange *x, struct proto_exchange_link *l); /* for PROTO_ACT_CREDIT */

/* ---- deliveries that came in ---- */
/* Asks whether it may be begun. The answer comes later, perhaps over another link. OK; STATE (asked before, or settled); NOT_FOUND. */
int proto_exchange_ask(struct proto_exchange *x, struct proto_from from);
/*
 * Sets its fate. `oc` is copied, and for a bad fate also the fields of its stanza (NULL: nobody will need them). The first fate counts. An
 * unknown number is ignored.
 */
void proto_exchange_settle(
	struct proto_exchange *x, struct proto_from from, Xfed__Outcome *outcome, const struct proto_inbox_words *words, uint64_t now_ms);
/*
 * Sends an error stanza to the sender of a delivery that has had its fate before, over any link; `w`: the fields of its stanza. OK; INVALID:
 * no error may be sent for it; or as proto_outbox_add().
 */
int proto_exchange_error(struct proto_exchange *x, const struct proto_inbox_words *w, const struct xfed_stanza_error *err, uint64_t now_ms);
/* to be called after refused(), if it was not begun: as if it had never come in */
void proto_exchange_forget(struct proto_exchange *x, struct proto_from from);
void proto_exchange_mark(struct proto_exchange *x, struct proto_from from, uint64_t cookie); /* the cookie that acked() and the like receive */
struct proto_run {
	const char *name; /* of the peer; valid as long as the run is remembered */
	uint64_t nonce;
	bool has_ended;	  /* nobody can be asked any more */
	bool is_leaving;  /* the time given by proto_exchange_no_more_after() has come */
	uint64_t gone_ms; /* how long it has had no link; 0: it has one */
};
bool proto_exchange_run(const struct proto_exchange *x, uint64_t run, uint64_t now_ms, struct proto_run *out); /* false: the run is not remembered */

/* ---- own deliveries ---- */
/* As proto_outbox_add(). */
int proto_exchange_add(struct proto_exchange *x, const struct proto_delivery_new *n, uint64_t now_ms, uint64_t *seq);
/* Withdraws what has not been sent to anybody; with `all` also asks peers to give back the rest, where they can be asked. */
void proto_exchange_withdraw(struct proto_exchange *x, bool all);
void proto_exchange_give_up(struct proto_exchange *x);				  /* ends all deliveries as if their deadlines had come */
int proto_exchange_peer(struct proto_exchange *x, struct xfed_span name);	  /* as proto_outbox_peer() */
bool proto_exchange_is_up(const struct proto_exchange *x, int peer);		  /* has a link */
const struct proto_outbox *proto_exchange_outbox(const struct proto_exchange *x); /* for reading */

/* ---- time ---- */
/*
 * Sends what was collected, as far as credit and room allow. Returns when to call it again at the latest: `now_ms` if there is more to send
 * at once, UINT64_MAX: when wake() asks for it.
 */
uint64_t proto_exchange_pump(struct proto_exchange *x, uint64_t now_ms);
void proto_exchange_hurry(struct proto_exchange *x); /* the service stops: reports of "delivered" do not wait any more */
void proto_exchange_tick(struct proto_exchange *x, uint64_t now_ms);
uint64_t proto_exchange_deadline(const struct proto_exchange *x); /* time of the next tick */

#endif
