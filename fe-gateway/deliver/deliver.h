/*
 * deliver: what edges deliver. The gateway does not trust the edge: each stanza is read again by the restricted reader and judged by
 * policy before the room that answers for its kind hears of it. Each has exactly one fate, which is counted, logged and told to its
 * edge here. A request of SIP is judged here too, whichever room takes it.
 *
 *   delivery   one stanza that has just come, for as long as it is looked at
 *   origin     where it came from, for its fate and the log; what is kept of it where it is not ended at once
 *   fate       delivered, refused, dropped by a rule, or uncertain
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

/* ---- where it came from ---- */

struct deliver_origin {
	struct proto_from from; /* run 0: made by this gateway, no edge waits for its fate */
	uint64_t added_ms;
	bool is_public;			 /* of a public partner: errors do not tell of users */
	struct xfed_span partner, local; /* domains */
	struct xfed_span correlation;
	struct proto_inbox_words words; /* of the stanza; addresses are full */
};
size_t deliver_origin_bytes(const struct deliver_origin *o); /* of its strings */
/* A copy whose strings are written to `*at`, which is moved behind them. */
void deliver_origin_copy(struct deliver_origin *out, const struct deliver_origin *from, char **at);

/* ---- what comes up ---- */

struct delivery {
	struct deliver_origin origin;
	const struct xfed_stanza *stanza;
	struct xfed_arena *arena;	    /* for as long as the call lasts */
	const struct config_domain *domain; /* of the local user */
	struct xfed_span local, remote;	    /* the user and the contact, bare */
	struct contact *known;		    /* contacts_find() of the two */
	bool is_replay;			    /* its edge has sent it before */
	uint32_t remaining_ms;		    /* 0: nothing was said */
};

enum deliver_kind { DELIVER_MESSAGE, DELIVER_PRESENCE /* of type error too */, DELIVER_ERROR /* of a message */, DELIVER_KIND_COUNT };
/* Ends it, now or, with a copy of its origin, later. */
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
void deliver_use(struct deliver *d, enum deliver_kind kind, deliver_fn *fn, void *user); /* all kinds, before the first delivery */

void deliver_take(struct deliver *d, struct proto_from from, const Xfed__Deliver *frame); /* as channel_user has it */

/* ---- how it ends ---- */

struct deliver_end {
	Xfed__Fate fate;
	struct iw_xmpp_error error; /* REFUSED */
	enum xfed_reason reason;    /* UNCERTAIN */
	const char *rule;	    /* DROPPED */
	int sip_status;		    /* 0: there was no response */
	struct xfed_span text;	    /* what the other side said; data NULL: nothing */
	struct xfed_span pointed;   /* REFUSED by a 3xx: its Contact, for the log alone; data NULL: none */
	struct xfed_span address;   /* REFUSED with gone or redirect: an xmpp: URI; data NULL: none */
};
void deliver_end(const struct deliver *d, const struct deliver_origin *o, const struct deliver_end *e);
void deliver_refuse(const struct deliver *d, const struct deliver_origin *o, enum xfed_reason reason, const char *text); /* NULL: no words */
void deliver_drop(const struct deliver *d, const struct deliver_origin *o, const char *rule);
void deliver_done(const struct deliver *d, const struct deliver_origin *o); /* delivered, without a response of SIP */

/* Whose order holds between a local user and a contact, on the way to XMPP. Never 0. */
uint64_t deliver_pair_key(struct xfed_span local, struct xfed_span remote);

/* ---- what comes from SIP ---- */

struct deliver_request {
	struct xfed_jid from, to;	    /* from: bare, with the domain it has outside */
	const struct config_domain *domain; /* of the sender */
};
/* Whether policy lets it through, whoever brought it: NONE, or the reason of the first gate that is closed. */
enum xfed_reason deliver_judge_pair(const struct deliver *d, const struct deliver_request *rq, enum policy_kind kind);
/*
 * Who sends it, to whom, and whether policy lets it through: NONE, or the first that is wrong. Nothing is said of anything else before
 * the sender is known to be one of ours. `*out`, zeroed before, is filled in as far as that was looked at; it borrows from message and arena.
 */
enum xfed_reason deliver_judge_request(const struct deliver *d, struct xfed_arena *a, const struct sip_message *m, const struct sip_flow_info *flow,
	enum policy_kind kind, struct deliver_request *out);

#endif
