/* What the files of presence share. Inside the room only. */
#ifndef GATEWAY_PRESENCE_PRESENCE_IMPL_H
#define GATEWAY_PRESENCE_PRESENCE_IMPL_H

#include "presence/known.h"
#include "presence/presence.h"
#include "sip/event.h"
#include "util/heap.h"
#include "util/table.h"

/*
 * Beyond these new requests are refused, what there is stays. Follows are used up by partners' users who ask, each partner's own share;
 * watches by SIP users of ours. Requests that wait have a limit of their own (limits.pending_requests).
 */
#define PRESENCE_FOLLOWS_MAX	   200000
#define PRESENCE_FOLLOWS_SHARE_MAX 100000 /* of one partner */
#define PRESENCE_BUCKETS	   1024
#define PRESENCE_UNSAID_MAX	   10000 /* contacts that are told again of a subscription when there is a way */
#define PRESENCE_WATCHES_MAX	   200000

struct promise;

/* ---- the two kinds of dialogs ---- */

enum party_kind { PARTY_WATCH, PARTY_FOLLOW };

/* What both have; found by its id, by the SIP layer's words and by its deadline. */
struct party {
	uint64_t id;
	struct pair *pair;
	uint64_t dialog; /* 0: there is none yet */
	enum party_kind kind : 8;
	enum sip_transport transport : 8; /* of our Contact in it */
	enum presence_phase counted : 8;  /* in presence.counts */
	bool is_queued : 1;		  /* in presence.queue: has something to be done at the end of the turn */
	struct xfed_heap_item due;
	struct trunk_send send;
	struct trunk_hop *carrier;     /* carries the dialog over UDP; NULL: it is none, or another transport's */
	uint64_t hop_doubts, again_ms; /* of its hop, when it was last seen to; in doubt, and asked then (0: not) */
	struct party *prev, *next;
	UT_hash_handle hh;
};

struct watch {
	struct party party;	   /* first */
	struct watch *prev, *next; /* of the pair */
	struct sip_notifier machine;
	struct sip_sub_value value; /* of the NOTIFY to be sent: */
	bool has_notify, is_gone;
	bool is_untold;	      /* one of the process before, which this one has told nothing */
	bool is_fetch, shows; /* shows: its NOTIFYs may say what is known; a fetch waits until then for what its probe brings: */
	uint64_t wait_ms;
	struct kept *kept;   /* of the process before, until its way is found (keep.c) */
	uint64_t told, sent; /* digests of what the last NOTIFY had that was taken, and of the one under way (drift.c) */
};

struct follow {
	struct party party; /* first */
	struct sip_subscriber machine;
	uint64_t share;		       /* in presence.shares */
	struct known told;	       /* what the contact has been told, by tuple */
	uint64_t heard;		       /* digest of the last NOTIFY's tuples, as far as they are told; 0: none */
	uint64_t gone_ms, notified_ms; /* what was told is over then (UINT64_MAX: not); NOTIFYs have used up what they may until then */
	enum presence_doubt why : 8;   /* what is known of the user may be old (doubt.c) */
	bool is_remembered : 1;	       /* the contact has been told before this process knew, and of what nobody knows */
	bool is_locating : 1;	       /* waits for the places of its next hop */
	bool has_subscribe : 1;	       /* to be sent, with: */
	bool is_new : 1;
	uint32_t number, cseq;
	int64_t expires_s;
	char call_id[CORE_ID_LEN + 1], tag[CORE_ID_LEN + 1]; /* of the one outside a dialog */
};

/* ---- a pair ---- */

struct pair {
	struct presence *presence;
	struct contact *contact; /* held; the addresses are its */
	struct known known;	 /* of the contact's resources */
	struct watch *watches;
	struct follow *follow;
	unsigned trials, under_way;  /* under_way: stanzas to the contact whose outcome is awaited */
	enum presence_doubt why : 8; /* something may have been missed (resync.c) */
	/* To be asked: in presence.stale; asked; answered; once more; and told. */
	bool is_listed : 1, is_asked : 1, is_heard : 1, is_second : 1, must_tell : 1;
	bool is_tallied : 1;		  /* in presence.pending, under `pending_key` */
	enum xfed_stanza_type unsaid : 8; /* the last of a subscription that did not get there; NONE: none */
	uint64_t pending_key;
	uint64_t asked_ms, pause_ms, probed_ms;
	struct xfed_heap_item due; /* the answer, or the rest of it, or asking again */
	struct pair *stale_prev, *stale_next;
	struct pair **bucket, *bucket_prev, *bucket_next; /* those of the same partner, and a few of others */
	struct pair *prev, *next;			  /* all of them */
};

/* An answer to a request, sent at the end of the turn. */
struct reply {
	uint64_t txn, party; /* party: whose dialog it makes or is in; 0: none */
	int status;
	enum sip_transport transport;
	int64_t expires_s, min_expires_s;
	enum xfed_reason reason;
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
	struct pair *pairs, *stale;
	struct pair *by_partner[PRESENCE_BUCKETS]; /* by the hash of the contact's domain */
	struct xfed_heap asked;			   /* pairs, by due */
	size_t counts[2][PRESENCE_PHASES], links;  /* of parties by kind; edges that can be reached */
	size_t doubts[PRESENCE_DOUBT_COUNT];	   /* pairs and follows by why they are stale */
	uint64_t heard_ms[PRESENCE_BUCKETS];	   /* from a domain with that hash */
	uint64_t turn_us;			   /* when the next subscription in doubt is asked */
	uint64_t hop_doubts;			   /* of all hops, when they were last looked at */
	struct pair *walk_at, *checked; /* the next one of a walk (walk.c), NULL: none is under way; whose watchers are looked at (drift.c) */
	unsigned walk_what, walk_next;
	struct said *said;
	struct reply *replies;
	struct promise *promises; /* of what is on its way to the store (from_xmpp.c) */
	struct xfed_heap due;	  /* of parties */
	struct rt_timer timer;
	struct xfed_buf scratch;
	size_t watch_count, follow_count, pair_count, unsaid_count;
	uint64_t left_ms;	       /* when it went out of service; 0: it is in it */
	struct presence_trial *trials; /* a handful */
	struct keep *keep;
	struct tally *shares, *pending, *pace; /* follows by partner; requests that wait by user and partner; what partners were given this second */
	struct {
		size_t left, postponed; /* of a round through all contacts after a start; left 0: there is none any more */
		uint64_t begun_ms;
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
bool pair_may_ask(const struct pair *pair); /* for a request of the contact: not too many of that partner wait for the user */
void pair_release(struct pair *pair);	    /* frees it where nothing of it is left */
int party_init(struct party *t, enum party_kind kind, struct pair *pair); /* OK, NOMEM */
void party_deinit(struct party *t);
void party_queue(struct party *t);
void party_arm(struct party *t, uint64_t deadline_ms);
void presence_reply(struct presence *p, const struct reply *r);
struct party *party_find(const struct presence *p, uint64_t id); /* NULL: there is none */
/* The pair's relation changes by one event of RFC 6121; what follows from that is the caller's. */
struct iw_relation_step pair_relate(struct pair *pair, enum iw_relation_event ev);

/* to_xmpp.c: to the contact, from the user. `d`: of one device; NULL: of none in particular. False: not sent; what is to be, is later. */
bool pair_say(struct pair *pair, enum xfed_stanza_type type, const struct iw_device *d);

/* from_xmpp.c */
deliver_fn presence_take;
void presence_break_promises(struct presence *p); /* the process ends: what is not in the store yet is told to nobody, and comes again */

/* watch.c */
void watch_request(struct presence *p, const struct sip_incoming *rq, struct xfed_arena *a);
void watch_due(struct watch *w);				   /* its deadline has come */
void watch_flush(struct watch *w);				   /* what is queued goes out */
void watch_answered(struct watch *w, const struct sip_message *m); /* NULL: no answer came */
void watch_unsent(struct watch *w);
void watch_doubt(struct watch *w); /* whoever watches may have missed something, or be gone */
void watches_changed(struct pair *pair, bool is_urgent);
void watches_approved(struct pair *pair);
void watch_end(struct watch *w, enum sip_end_reason reason);
void watches_end(struct pair *pair, enum sip_end_reason reason, int64_t retry_after_s);
void watch_free(struct watch *w);

/* follow.c */
int follow_begin(struct pair *pair); /* OK, NOMEM, LIMIT; where there is one it is woken */
void follow_end(struct pair *pair);  /* nothing more is to come */
void follow_notify(struct follow *f, const struct sip_incoming *rq, struct xfed_arena *a);
void follow_due(struct follow *f);
void follow_flush(struct follow *f);
void follow_answered(struct follow *f, const struct sip_message *m, uint64_t dialog);
void follow_failed(struct follow *f, bool was_written); /* no answer came, or no connection */
void follow_located(struct follow *f, bool is_found);
void follow_free(struct follow *f);
void follow_tell_all(struct follow *f);	  /* all that is known of the user, told to the contact again */
void follow_tell_again(struct follow *f); /* the same where something was told before, and nothing where nothing was */

#endif
