/* What the files of presence share. Inside the room only. */
#ifndef GATEWAY_PRESENCE_PRESENCE_IMPL_H
#define GATEWAY_PRESENCE_PRESENCE_IMPL_H

#include "presence/known.h"
#include "presence/presence.h"
#include "sip/event.h"
#include "util/heap.h"
#include "util/table.h"

/*
 * At these limits new subscriptions are refused; existing ones stay. Follows are bounded in all and per partner, as partners' users cause
 * them; watches in all, as our own SIP users cause them. Pending requests have a limit of their own (limits.pending_requests).
 */
#define PRESENCE_FOLLOWS_MAX	   200000
#define PRESENCE_FOLLOWS_SHARE_MAX 100000 /* of one partner */
#define PRESENCE_BUCKETS	   1024
#define PRESENCE_UNSAID_MAX	   10000 /* pairs that remember an undelivered subscription stanza; beyond that it is not sent again */
#define PRESENCE_WATCHES_MAX	   200000
#define PRESENCE_WATCHES_PAIR_MAX  32
#define PRESENCE_WATCHES_USER_MAX  5000

struct promise;

/* ---- the two kinds of dialogs ---- */

enum party_kind { PARTY_WATCH, PARTY_FOLLOW };

/* What watch and follow have in common: found by id (which the SIP layer gives back with its events), and by deadline. */
struct party {
	uint64_t id;
	struct pair *pair;
	uint64_t dialog; /* number in the SIP layer; 0: none yet */
	enum party_kind kind : 8;
	enum sip_transport transport : 8; /* of our Contact in it */
	enum presence_phase counted : 8;  /* in presence.counts */
	bool is_queued : 1;		  /* in presence.queue: watch_flush() or follow_flush() is due */
	struct xfed_heap_item due;
	struct trunk_send send;
	struct trunk_hop *carrier;     /* the next hop that counts this dialog as one over UDP; NULL: no dialog, or TCP or TLS */
	uint64_t hop_doubts, again_ms; /* trunk_hop_doubts() when last compared; when a refresh for doubt is due (0: none) */
	struct party *prev, *next;
	UT_hash_handle hh;
};

struct watch {
	struct party party;	   /* first */
	struct watch *prev, *next; /* of the pair */
	struct sip_notifier machine;
	struct sip_sub_value value; /* state of the NOTIFY to be sent */
	int32_t last_retry_s;	    /* with which, and why, it ends when it has been told offline */
	enum sip_end_reason last_reason : 8;
	uint8_t format; /* enum iw_msrtc_format: of its NOTIFYs (format.c) */
	bool has_notify : 1, is_gone : 1, is_leaving : 1, is_leave_sent : 1, is_udp_only : 1, is_fetch : 1;
	bool is_untold : 1, shows : 1; /* shows: NOTIFYs may have a body. Untold: the contact was not heard yet: none is claimed, or, as of a */
	uint64_t wait_ms;	       /* fetch, until then; 0 of one that was resumed from the store: resync.c knows when */
	struct kept *kept;	       /* its stored row, until its next hop is resolved (keep.c) */
	uint64_t told, sent;	       /* digests of the state in the last accepted NOTIFY, and in the one under way (drift.c) */
};

struct follow {
	struct party party; /* first */
	struct sip_subscriber machine;
	uint64_t share;			    /* its key in presence.shares */
	struct known told;		    /* devices the contact was last sent, by tuple id */
	uint64_t heard;			    /* digest of the open tuples of the last NOTIFY (at most 16 devices); 0: none */
	uint64_t gone_ms, notified_ms;	    /* unavailable is sent then (UINT64_MAX: not); rate limit of NOTIFYs: used up until then */
	enum presence_doubt why : 8;	    /* why the user's state may be out of date (doubt.c) */
	bool is_remembered : 1;		    /* the contact may have been sent devices that this process does not know of */
	bool is_locating : 1;		    /* waits until its next hop is resolved (RFC 3263) */
	bool has_subscribe : 1, is_new : 1; /* a SUBSCRIBE is to be sent, with what follows; outside a dialog */
	uint32_t number, cseq;
	int64_t expires_s;
	char call_id[CORE_ID_LEN + 1], tag[CORE_ID_LEN + 1]; /* Call-ID and From tag of the SUBSCRIBE outside a dialog */
};

/* ---- a pair ---- */

struct pair {
	struct presence *presence;
	struct contact *contact; /* held; owns the two addresses */
	struct known known;	 /* available resources of the contact */
	struct watch *watches;
	struct follow *follow;
	uint32_t under_way, pause_ms; /* stanzas to the contact without a fate yet; the last pause before it was asked again */
	uint16_t trials;
	enum presence_doubt why : 8;					/* why the contact's state may be out of date (resync.c) */
	bool is_listed : 1, is_asked : 1, is_heard : 1, is_put_off : 1; /* in presence.stale; probed; answered, or answered: not now */
	bool is_second : 1, must_tell : 1, is_ended : 1;		/* second probe; to be told again; an operator has ended the follow */
	bool is_saving : 1, is_tallied : 1; /* to be told that it may see the user when that is in the store; in presence.pending, under: */
	uint8_t unsaid[2];		    /* enum xfed_stanza_type: of each direction the last word that did not get there; NONE: none */
	uint64_t pending_key, asked_ms, probed_ms;
	uint64_t question;	   /* the number in the id of the last subscribe or probe to the contact; 0: none of this process's */
	struct xfed_heap_item due; /* time-out of the probe, sweep after its answer, or the next probe */
	struct pair **bucket, *bucket_prev, *bucket_next;   /* list of one hash bucket of partners' domains */
	struct pair *stale_prev, *stale_next, *prev, *next; /* in presence.stale; in presence.pairs */
};

/* An answer to a request, sent at the end of the turn. */
struct reply {
	uint64_t txn, party;	   /* party: that has, or gets, the dialog; 0: none */
	int status, retry_after_s; /* 0: without Retry-After */
	enum sip_transport transport;
	int64_t expires_s, min_expires_s;
	enum xfed_reason reason;
	bool is_outside; /* with `reason`: it goes to a federated neighbour */
	const char *lines;
	struct reply *prev, *next;
};

struct presence {
	struct core *core;
	const struct policy *policy;
	struct channel *channel;
	struct trunk *trunk;
	struct contacts *contacts;
	struct deliver *deliver;
	struct trunk_user trunk_user;
	struct party *by_id, *queue;
	struct pair *pairs, *stale, *by_partner[PRESENCE_BUCKETS];	     /* by_partner: by the hash of the contact's domain */
	struct xfed_heap asked, due;					     /* pairs, and parties, by due */
	size_t counts[2][PRESENCE_PHASES], links;			     /* of parties by kind; edges that can be reached */
	size_t doubts[PRESENCE_DOUBT_COUNT];				     /* pairs by why they are stale, or their follows */
	uint64_t heard_ms[PRESENCE_BUCKETS], heard_domain[PRESENCE_BUCKETS]; /* when the last of a bucket was heard, and the hash of its domain */
	uint64_t turn_us, hop_doubts, left_ms; /* when the next one in doubt is asked; hops, when last looked at; left service then (0: not) */
	struct pair *walk_at, *checked;	       /* the next pair of a walk (walk.c; NULL: none runs), and of the watchdog (drift.c) */
	unsigned walk_what, walk_next;
	struct stream_walk *streams; /* lost or opened, whose pairs are still to be looked at (walk.c) */
	struct said *said;
	struct reply *replies;
	struct promise *promises; /* deliveries that are settled when they are in the store (from_xmpp.c) */
	struct rt_timer timer;
	struct xfed_buf scratch;
	size_t watch_count, follow_count, pair_count, unsaid_count;
	struct presence_trial *trials;
	struct keep *keep;
	struct tally *watched, *shares, *pending, *pace; /* watches by user; follows by partner; requests that wait; this second of partners */
	struct {
		enum presence_doubt why;
		size_t left, postponed; /* of the round through all contacts after a start or reload; left 0: it is over */
		uint64_t begun_ms;
		bool is_start;	    /* no round has come to its end yet */
		struct tally *told; /* until then: contacts that policy lets see nothing any more, and have been told so */
	} resume;
};

static inline uint64_t presence_now(const struct presence *p)
{
	return core_now(p->core);
}
/* presence.c */
/* The pair of a contact that is held for the call; made where there is none yet. NULL: NOMEM. */
struct pair *pair_of(struct presence *p, struct contact *k);
struct xfed_span pair_remote_domain(const struct pair *pair);
struct xfed_span pair_local_domain(const struct pair *pair);
struct pair **pairs_of(struct presence *p, struct xfed_span remote_domain); /* the list that those of this partner are in */
void pair_release(struct pair *pair);					    /* frees the pair when nothing uses it any more */
int party_init(struct party *t, enum party_kind kind, struct pair *pair);   /* OK, NOMEM */
void party_deinit(struct party *t);
void party_queue(struct party *t);
void party_arm(struct party *t, uint64_t deadline_ms);
void presence_reply(struct presence *p, const struct reply *r);
struct party *party_find(const struct presence *p, uint64_t id); /* NULL: there is none */
/* Applies one event of RFC 6121 to the relation. What has to be sent is up to the caller. */
struct iw_relation_step pair_relate(struct pair *pair, enum iw_relation_event ev);

/* to_xmpp.c: sends a stanza from the user (its device `d`; NULL: bare JID) to the contact. False: not sent; resync.c sees to it later. */
bool pair_say(struct pair *pair, enum xfed_stanza_type type, const struct iw_device *d);
/* from_xmpp.c */
deliver_fn presence_take;
void presence_break_promises(struct presence *p); /* at the end of the process: unsaved subscriptions stay unsettled, and the edge sends them again */

/* watch.c */
void watch_request(struct presence *p, const struct sip_incoming *rq, struct xfed_arena *a);
void watch_due(struct watch *w);				   /* its deadline has come */
void watch_flush(struct watch *w);				   /* sends the NOTIFY that is due; frees it when it has ended */
void watch_answered(struct watch *w, const struct sip_message *m); /* NULL: no answer came */
void watch_unsent(struct watch *w);
void watch_doubt(struct watch *w); /* the device may have missed a NOTIFY, or be gone: it is notified again */
void watches_changed(struct pair *pair, bool is_urgent);
void watches_approved(struct pair *pair);
void watch_end(struct watch *w, enum sip_end_reason reason);
void watches_end(struct pair *pair, enum sip_end_reason reason, int64_t retry_after_s);
void watch_free(struct watch *w);

/* follow.c */
/* `why`: what was told before may be old from now on. OK, NOMEM, LIMIT; where there is one it is woken. */
int follow_begin(struct pair *pair, enum presence_doubt why);
void follow_end(struct pair *pair); /* unsubscribes; the contact is sent unavailable */
void follow_notify(struct follow *f, const struct sip_incoming *rq, struct xfed_arena *a);
void follow_due(struct follow *f);
void follow_flush(struct follow *f);
void follow_answered(struct follow *f, const struct sip_message *m, uint64_t dialog);
void follow_failed(struct follow *f, bool was_written); /* no answer came, or no connection */
void follow_located(struct follow *f, bool is_found);
void follow_free(struct follow *f);
void follow_tell_all(struct follow *f); /* sends the contact all known devices again; unavailable where there are none */

#endif
