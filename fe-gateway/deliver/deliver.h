/*
 * deliver: stanzas that edges deliver. The gateway does not trust the edge: each stanza is parsed again by the restricted reader and judged
 * by policy before the room for its kind gets it. Each ends exactly once, which is counted, logged and reported to its edge here. SIP
 * requests are judged here too, for every room that takes them.
 *
 *   delivery   a stanza that has just come in, for the time of one call
 *   origin     where it came from, for its outcome and the log; copied by whoever ends it later
 *   fate       the outcome: delivered, refused, dropped by a rule, or uncertain
 *
 * May call contacts, channel, trunk, journal, policy, config and core, and the libraries.
 */
#ifndef GATEWAY_DELIVER_DELIVER_H
#define GATEWAY_DELIVER_DELIVER_H

#include "channel/channel.h"
#include "contacts/contacts.h"
#include "core/core.h"
#include "interwork/errors.h"
#include "journal/journal.h"
#include "policy/policy.h"
#include "trunk/trunk.h"
#include "xfed/arena.h"
#include "xfed/stanza.h"

struct deliver;

/* ---- origin ---- */

struct deliver_origin {
	struct proto_from from; /* run 0: made by this gateway, and no edge waits for its outcome */
	uint64_t added_ms;
	bool is_public;			 /* the partner is public: errors reveal nothing about users */
	struct xfed_span partner, local; /* domains */
	struct xfed_span correlation;
	struct proto_inbox_words words; /* words for the log; addresses are full JIDs */
};
size_t deliver_origin_bytes(const struct deliver_origin *o); /* for its strings */
/* Copies the origin; strings are written to `*at`, which is moved behind them. */
void deliver_origin_copy(struct deliver_origin *out, const struct deliver_origin *from, char **at);

/* ---- deliveries ---- */

struct delivery {
	struct deliver_origin origin;
	const struct xfed_stanza *stanza;
	struct xfed_arena *arena;	    /* valid during the call */
	const struct config_domain *domain; /* the local user's domain */
	struct xfed_span local, remote;	    /* the local user and the contact, as bare JIDs */
	struct contact *known;		    /* contacts_find() of the two; may be NULL */
	bool is_replay;			    /* the edge has sent it before */
	uint32_t remaining_ms;		    /* 0: the edge named no deadline */
};

enum deliver_kind {
	DELIVER_MESSAGE,
	DELIVER_PRESENCE, /* also of type error */
	DELIVER_ERROR,	  /* a message of type error */
	DELIVER_KIND_COUNT
};
/* Ends the delivery, at once or, with a copy of its origin, later. */
typedef void deliver_fn(void *user, const struct delivery *d);

struct deliver_rooms {
	struct core *core;
	const struct policy *policy;
	struct journal *journal;
	struct channel *channel;
	struct trunk *trunk;
	struct contacts *contacts;
};
int deliver_new(const struct deliver_rooms *below, struct deliver **out);		 /* OK, NOMEM */
void deliver_free(struct deliver *d);							 /* NULL is fine */
void deliver_use(struct deliver *d, enum deliver_kind kind, deliver_fn *fn, void *user); /* for every kind, before the first delivery */

void deliver_take(struct deliver *d, struct proto_from from, const Xfed__Deliver *frame); /* as in struct channel_user */

/* ---- outcomes ---- */

struct deliver_end {
	Xfed__Fate fate;
	struct iw_xmpp_error error; /* for REFUSED */
	enum xfed_reason reason;    /* for UNCERTAIN */
	const char *rule;	    /* for DROPPED */
	int sip_status;		    /* 0: there was no response */
	struct xfed_span text;	    /* text of the other side; data NULL: none */
	struct xfed_span said;	    /* what it says to administrators alone: for the log and the failures; data NULL: none */
	struct xfed_span pointed;   /* REFUSED by a 3xx: its Contact, only for the log; data NULL: none */
	struct xfed_span address;   /* REFUSED with gone or redirect: an xmpp: URI for the error; data NULL: none */
};
void deliver_end(const struct deliver *d, const struct deliver_origin *o, const struct deliver_end *e);
void deliver_refuse(const struct deliver *d, const struct deliver_origin *o, enum xfed_reason reason, const char *text); /* words NULL: none */
void deliver_drop(const struct deliver *d, const struct deliver_origin *o, const char *rule);
void deliver_done(const struct deliver *d, const struct deliver_origin *o); /* delivered, without a SIP response */

/* REFUSED, which has turned out after its outcome (DELIVERED): its sender is told by an error stanza, where one is due. */
void deliver_late(const struct deliver *d, const struct deliver_origin *o, const struct deliver_end *e);

/* Key of the pair whose stanzas towards XMPP keep their order. Never 0. */
uint64_t deliver_pair_key(struct xfed_span local, struct xfed_span remote);

/* ---- requests from SIP ---- */

struct deliver_request {
	struct xfed_jid from, to;	    /* bare; `from` with the domain it has outside */
	const struct config_domain *domain; /* the sender's domain */
};
/* Whether policy lets it through, whoever brought it: NONE, or the reason of the first gate that is closed. */
enum xfed_reason deliver_judge_pair(const struct deliver *d, const struct deliver_request *rq, enum policy_kind kind);
/*
 * Who sends the request, to whom, and whether policy lets it pass: NONE, or the first reason against. Until the sender is known to be one
 * of ours nothing else is looked at, so that the answer reveals nothing. `*out` is zeroed and filled in as far as judged; it borrows from
 * the message and the arena.
 */
enum xfed_reason deliver_judge_request(const struct deliver *d, struct xfed_arena *a, const struct sip_message *m, const struct sip_flow_info *flow,
	enum policy_kind kind, struct deliver_request *out);

#endif
