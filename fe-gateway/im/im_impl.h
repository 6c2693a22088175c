/* What the files of im share. Inside the room only. */
#ifndef GATEWAY_IM_IM_IMPL_H
#define GATEWAY_IM_IM_IMPL_H

#include "im/attempts.h"
#include "im/hold.h"
#include "im/im.h"
#include "interwork/warning.h"
#include "proto/rt/kv.h"
#include "sip/date.h"
#include "xfed/stanza.h"

/* ---- towards SIP ---- */

/* A message on its way to SIP. Strings live in its own block. */
struct outgoing {
	struct attempt attempt; /* first; its id is that of the transaction too */
	struct im *im;
	struct deliver_origin origin;
	struct trunk_send send;
	struct contact *contact; /* held; NULL: a message of our own, or no memory */
	size_t max_request;
	struct xfed_span uri, from_uri, body, subject, language;
	char date[SIP_DATE_SIZE]; /* empty: sent just now */
	struct xfed_span thread;  /* of the stanza, kept for the pair where it is delivered; data NULL: none */
};

/* ---- towards XMPP ---- */

struct answer {
	uint64_t txn;
	int status;
	char phrase[IW_PHRASE_BYTES + 1]; /* empty: the usual one */
	char extra[512];		  /* header lines */
	enum xfed_reason reason;	  /* for a Warning; NONE: there is nothing to say */
	char detail[IW_DETAIL_BYTES + 1]; /* what it was about; may be empty */
	bool is_for_stranger;		  /* to a peer that may send as none of our domains */
	struct incoming *owner;		  /* freed with it */
	struct answer *prev, *next;
};

/* A message on its way to XMPP: freed when it has been answered. */
struct incoming {
	struct im *im;
	struct answer answer; /* txn is set from the beginning */
	uint64_t added_ms;
	bool is_full;			/* addressed to a full JID */
	bool has_early_error;		/* its contact's server was quicker than the edge's word: the answer is filled in */
	struct proto_result early;	/* its */
	bool is_unacked;		/* written, and the time was up before the partner acknowledged it */
	struct contact *contact;	/* held; NULL: not handed over, or no memory */
	struct im_trial *trial;		/* who is told in the place of a SIP client; NULL: nobody (any more) */
	bool is_trial;			/* no transaction waits for the answer */
	struct incoming *prev, *next;	/* im.incoming */
	struct xfed_span local, remote; /* bare JIDs */
	struct xfed_span local_domain, remote_domain, stanza_id, call_id, correlation;
	UT_hash_handle hh; /* im.incoming_by_id */
};

/* ---- the room ---- */

struct im {
	struct core *core;
	const struct policy *policy;
	struct contacts *contacts;
	struct trunk *trunk;
	struct trunk_user trunk_user;
	struct channel *channel;
	struct deliver *deliver;
	struct journal *journal;
	struct attempts *attempts;
	struct holds *holds;
	struct rt_timer hold;			    /* of the next one */
	struct incoming *incoming, *incoming_by_id; /* a list; by stanza id */
	struct answer *answers;			    /* at the end of the turn */
	struct im_trial *trials;		    /* a handful */
	struct xfed_buf scratch;		    /* a stanza being written */
	uint64_t sweep_due_ms;
	bool is_leaving;
	bool is_over; /* no outcome is taken any more */
};

static inline uint64_t im_now(const struct im *im)
{
	return core_now(im->core);
}
static inline const struct config *im_config(const struct im *im)
{
	return policy_config(im->policy);
}

/* to_sip.c */
deliver_fn im_take_message;
/* A message from a contact to a local user made here; where it cannot be sent that is logged. */
void im_tell_user(struct im *im, struct xfed_span local_bare, struct xfed_span remote_bare, struct xfed_span text);

/* to_sip_send.c */
struct request_ids {
	char call_id[CORE_ID_LEN + 1 + SIP_NAME_SIZE], branch[CORE_ID_LEN + 16]; /* the From tag is the beginning of the branch */
};
/* The request as it would go to its present target; borrows from `o` and `ids`. */
void im_out_prepare(const struct outgoing *o, const struct sip_target *t, struct request_ids *ids, struct sip_layer_request *out);
/* How large the request is and what is allowed, for one that is too large. */
#define IM_SIZE_WORDS IW_PHRASE_BYTES
void im_out_size_words(const struct outgoing *o, char out[IM_SIZE_WORDS]);
attempt_origin_fn im_out_origin;
int im_out_add(struct outgoing *o); /* into its recipient's queue: OK, LIMIT, NOMEM */
void im_out_flush(struct im *im);
void im_out_tick(struct im *im);
void im_out_free_all(struct im *im);
/* As trunk_user has them; `data` is the room. */
void im_out_hop_ready(void *data, struct trunk_send *s);
void im_out_hop_failed(void *data, struct trunk_send *s, enum xfed_reason reason);
void im_out_response(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog);
void im_out_timeout(void *data, uint64_t id, bool was_written);
void im_out_broken(void *data, uint64_t id, bool was_written);

/* to_xmpp.c */
void im_in_request(void *data, const struct sip_incoming *rq); /* as trunk_user has it */

void im_trials_hear(struct im *im, struct xfed_span local, struct xfed_span remote); /* the contact has written to the user */

/* to_xmpp_answer.c */
void im_in_outcome(struct incoming *in, const struct proto_result *r);
/* A refusal at the end of the turn: metric, log line, response. */
void im_in_refuse(struct incoming *in, const struct iw_sip_error *e, const char *text); /* text: for the log alone; "": none */
/* An error stanza: of a message that is held or under way, or of none. */
deliver_fn im_in_error;
void im_in_holds(struct im *im); /* answers what has been held long enough, and sets the timer */
void im_in_flush(struct im *im);
void im_in_free_all(struct im *im);

#endif
