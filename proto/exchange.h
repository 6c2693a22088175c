/*
 * The delivery engine of a service: its outbox (what it has given to others), its inbox (what others have given to it) and the
 * links to them, joined (proto/channel.md sections 5 and 6). Both daemons have one; they supply what to do first with a delivery
 * that has come, and what to do with the fate of one of theirs. No I/O, no clock.
 *
 *   link     one session that is up; it concerns one peer (a name) and one run of it
 *   run      a process of a peer, from its start to its end; has a number here, which is never given again
 *   ask      Attempted: may this delivery be begun? The answer is acked() or refused()
 *   settle   give a delivery its fate, once
 *   tell     Settled: send that fate to the peer, and again when a link resumes
 *   orphan   a delivery whose run has ended: its fate can only be told to its sender, by an error stanza over any link
 *
 * The caller feeds it: proto_exchange_up(), _take() for each message, _credit(), _down(), _tick(). What follows is gathered
 * and leaves by proto_exchange_pump() at the end of a loop turn; wake() asks for one. It calls proto_session_*() only to send,
 * and to close a session whose peer breaks the rules: the DOWN that follows is the caller's. Functions of the user may call
 * everything here but proto_exchange_free().
 */
#ifndef PROTO_EXCHANGE_H
#define PROTO_EXCHANGE_H

#include "proto/inbox.h"
#include "proto/outbox.h"
#include "proto/outcome.h"
#include "proto/session.h"

#define PROTO_LINK_GONE_MS 10000 /* no link for so long: the sender may give what was not begun to somebody else */
#define PROTO_RUN_ENDED_MS 90000 /* ... and a sender that lives has ended its deliveries by their deadline */

struct proto_exchange;
struct proto_exchange_link;

/* A delivery that has come. `run` 0: none, the service made it itself. */
struct proto_from {
	uint64_t run, seq;
};

struct proto_exchange_user {
	/* proto_exchange_pump() is to be called at the end of this turn. */
	void (*wake)(void *user);

	/* ---- deliveries that come; all NULL where none do ---- */
	/* A new one: it ends in proto_exchange_settle(), now or later. `d` lives until this returns; `peer` is the sender, for an answer. */
	void (*deliver)(void *user, struct proto_from from, int peer, const Xfed__Deliver *d);
	/* An asked one may be begun, or must not (proto_exchange_forget() where it has not been). `cookie`: proto_exchange_mark(). */
	void (*acked)(void *user, struct proto_from from, uint64_t cookie);
	void (*refused)(void *user, struct proto_from from, uint64_t cookie);
	/* Its sender wants it back, and it has no fate yet. */
	void (*withdrawn)(void *user, struct proto_from from, uint64_t cookie);
	/*
	 * The run has ended. What was not begun of its deliveries is this service's alone and goes on without asking, or, where others
	 * may have it (`may_take_over` false), is uncertain. NULL: runs do not end, only their memory does.
	 */
	void (*run_ended)(void *user, uint64_t run, const char *peer, bool may_take_over);
	/* The fate of an orphan is on its way to its sender (OK), or could not be told. Not for those whose sender need not know. */
	void (*orphan_told)(void *user, struct proto_from from, const char *peer, enum xfed_reason reason, int rc);

	/* ---- ours ---- */
	/* It went out for the first time. NULL: nobody wants to know, as with taken(). */
	void (*sent)(void *user, const struct proto_delivery *d);
	/* The peer has taken one that was sent with these (proto_delivery_new); at the latest when it is settled. */
	void (*taken)(void *user, uint64_t cookie, uint64_t number);
	/* It has its fate, and is gone when this returns. */
	void (*outcome)(void *user, const struct proto_delivery *d, const struct proto_result *r);
};

struct proto_exchange_config {
	struct proto_outbox_config outbox;
	size_t inbox_max;      /* 0: XFED_DELIVERY_TABLE_MAX */
	uint32_t tell_good_ms; /* so long "delivered" may wait for something else to go out; 0: it goes at once */
};

/* OK, NOMEM. `user` and its functions live as long. */
int proto_exchange_new(const struct proto_exchange_config *cfg, const struct proto_exchange_user *user, void *user_data, struct proto_exchange **out);
void proto_exchange_free(struct proto_exchange *x); /* calls nobody; its sessions may be gone already */

/* ---- links ---- */
/*
 * The session is up, and stays until proto_exchange_down(). Its peer is known from now on, credit is granted, what may have been
 * lost with an older link is said again. OK; LIMIT (too many peers or runs), NOMEM: it is to be closed, and _down() is not called.
 */
int proto_exchange_up(struct proto_exchange *x, struct proto_session *s, uint64_t now_ms, struct proto_exchange_link **out);
void proto_exchange_down(struct proto_exchange *x, struct proto_exchange_link *l, uint64_t now_ms);
/* Whether it may be given deliveries; a new one may. Settling, asking and withdrawing go on. */
void proto_exchange_open(struct proto_exchange_link *l, bool is_open);
/* The peer leaves: after this nothing of its run is begun any more. */
void proto_exchange_no_more_after(struct proto_exchange_link *l, uint64_t when_ms);
/* PROTO_ACT_MESSAGE. False: it is not about deliveries, and the caller's. */
bool proto_exchange_take(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__Frame *f, size_t frame_bytes, uint64_t now_ms);
void proto_exchange_credit(struct proto_exchange *x, struct proto_exchange_link *l); /* PROTO_ACT_CREDIT */

/* ---- deliveries that came ---- */
/* May it be begun? The answer comes later, perhaps over another link. OK; STATE (asked before, settled); NOT_FOUND. */
int proto_exchange_ask(struct proto_exchange *x, struct proto_from from);
/*
 * Its fate; copied, as are the words of its stanza (NULL: nobody will want them), where the fate is bad. The first one stands.
 * A number that is not known any more is ignored.
 */
void proto_exchange_settle(
	struct proto_exchange *x, struct proto_from from, Xfed__Outcome *outcome, const struct proto_inbox_words *words, uint64_t now_ms);
void proto_exchange_forget(struct proto_exchange *x, struct proto_from from);		     /* refused(), and not begun: as if it had never come */
void proto_exchange_mark(struct proto_exchange *x, struct proto_from from, uint64_t cookie); /* comes back with acked() and the like */
struct proto_run {
	const char *name; /* the peer's; lives as long as the run is remembered */
	uint64_t nonce;
	bool has_ended;	  /* nobody is to be asked any more */
	bool is_leaving;  /* the time of proto_exchange_no_more_after() has come */
	uint64_t gone_ms; /* without a link for so long; 0: it has one */
};
bool proto_exchange_run(const struct proto_exchange *x, uint64_t run, uint64_t now_ms, struct proto_run *out); /* false: not remembered */

/* ---- ours ---- */
/* As proto_outbox_add(). */
int proto_exchange_add(struct proto_exchange *x, const struct proto_delivery_new *n, uint64_t now_ms, uint64_t *seq);
/* Takes back what nobody has been sent; with `all` asks for the rest as well, where the peer can be asked. */
void proto_exchange_withdraw(struct proto_exchange *x, bool all);
void proto_exchange_give_up(struct proto_exchange *x);				  /* ends all as their deadlines would */
int proto_exchange_peer(struct proto_exchange *x, struct xfed_span name);	  /* as proto_outbox_peer() */
bool proto_exchange_is_up(const struct proto_exchange *x, int peer);		  /* it has a link */
const struct proto_outbox *proto_exchange_outbox(const struct proto_exchange *x); /* to look at */

/* ---- time ---- */
/*
 * Sends what was gathered, as far as credit and room allow. Returns when to call it again at the latest: `now_ms` where there is
 * more to send at once, UINT64_MAX: when it is asked for.
 */
uint64_t proto_exchange_pump(struct proto_exchange *x, uint64_t now_ms);
void proto_exchange_hurry(struct proto_exchange *x); /* the service stops: "delivered" is not held back any more */
void proto_exchange_tick(struct proto_exchange *x, uint64_t now_ms);
uint64_t proto_exchange_deadline(const struct proto_exchange *x); /* of the next tick */

#endif
