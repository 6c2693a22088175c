/* What the files of im share; included by this room only. */
#ifndef GATEWAY_IM_IM_IMPL_H
#define GATEWAY_IM_IM_IMPL_H

#include "im/accepted.h"
#include "im/attempts.h"
#include "im/hold.h"
#include "im/im.h"
#include "interwork/im.h"
#include "interwork/lync_status.h"
#include "interwork/warning.h"
#include "proto/rt/kv.h"
#include "sip/date.h"
#include "xfed/stanza.h"

/* ---- towards SIP ---- */

/* A message on its way to SIP, in one block with its strings. */
struct outgoing {
	struct attempt attempt; /* first member; its id is also that of the transaction */
	struct im *im;
	struct deliver_origin origin;
	struct trunk_send send;
	struct contact *contact; /* held until the end; NULL: a message made here, or no memory */
	size_t max_request;
	struct xfed_span uri, from_uri, body, subject, language;
	char date[SIP_DATE_SIZE];	/* empty: the message was sent just now */
	struct xfed_span thread;	/* of the stanza; remembered for the pair when it is delivered; data NULL: none */
	struct xfed_span local, remote; /* in a session: bare JIDs */
	uint64_t call;			/* in which it is to be sent; 0: none yet, or not in a session */
	bool is_in_call;		/* it is under way there */
	bool is_outside;		/* it goes to a federated neighbour */
	bool says_typing;
};

/* ---- towards XMPP ---- */

struct answer {
	uint64_t txn;
	int status;
	char phrase[IW_PHRASE_BYTES + 1]; /* empty: the standard one */
	char extra[512];		  /* further header fields */
	enum xfed_reason reason;	  /* for a Warning header field; NONE: without */
	char detail[IW_DETAIL_BYTES + 1]; /* detail for the Warning; may be empty */
	int warning;			  /* its code; 0: that of reasons */
	bool is_for_stranger;		  /* the response goes to a peer that may send for none of our domains */
	struct incoming *owner;		  /* freed together with the answer */
	struct answer *prev, *next;
};

/* A message on its way to XMPP; freed when it has been answered. */
struct incoming {
	struct im *im;
	struct answer answer; /* txn is set from the start */
	uint64_t added_ms;
	bool is_full;			/* addressed to a full JID */
	bool has_early_error;		/* the error of the contact's server came before the edge's report: the answer is filled in already */
	struct proto_result early;	/* the outcome that goes with it */
	bool is_unacked;		/* written, but not acknowledged by the partner in time */
	struct contact *contact;	/* held until the end; NULL: not sent on, or no memory */
	struct im_trial *trial;		/* told the outcome instead of a SIP client; NULL: nobody is (any more) */
	bool is_trial;			/* no transaction waits for the answer */
	bool is_lync;			/* its client wants to be told of a failure after the answer by the Message-Id in it */
	bool is_outside;		/* it came from a federated neighbour */
	uint64_t call;			/* of its session; 0: it came outside of one */
	struct incoming *prev, *next;	/* links of im.incoming */
	struct xfed_span local, remote; /* bare JIDs */
	struct xfed_span local_domain, remote_domain, stanza_id, call_id, correlation;
	UT_hash_handle hh; /* key in im.incoming_by_id */
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
	struct sessions *sessions;
	struct sessions_user sessions_user;
	struct journal *journal;
	struct attempts *attempts;
	struct holds *holds;
	struct accepted *accepted;
	struct rt_timer hold;			    /* timer of the next held response */
	struct incoming *incoming, *incoming_by_id; /* all of them; by stanza id */
	struct answer *answers;			    /* sent at the end of the turn */
	struct im_trial *trials;		    /* a few at most */
	struct xfed_buf scratch;		    /* for writing a stanza */
	uint64_t sweep_due_ms;
	bool is_leaving;
	bool is_over; /* outcomes are ignored from here on */
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
/* Sends a message from a contact to a local user that is made here; a failure is logged. */
void im_tell_user(struct im *im, struct xfed_span local_bare, struct xfed_span remote_bare, struct xfed_span text);

/* to_sip_send.c */
struct request_ids {
	char call_id[CORE_ID_LEN + 1 + SIP_NAME_SIZE], branch[CORE_ID_LEN + 24]; /* the From tag is the beginning of the branch */
};
/* Fills in the request as it would go to the target; borrows from `o` and `ids`. */
void im_out_prepare(const struct outgoing *o, const struct sip_target *t, struct request_ids *ids, struct sip_layer_request *out);
/* Says how large the request is and what is allowed, for one that is too large. */
#define IM_SIZE_WORDS IW_PHRASE_BYTES
void im_out_size_words(const struct outgoing *o, char out[IM_SIZE_WORDS]);
attempt_origin_fn im_out_origin;
int im_out_add(struct outgoing *o); /* adds it to its recipient's queue: OK, LIMIT, NOMEM */
void im_out_flush(struct im *im);
void im_out_tick(struct im *im);
void im_out_free_all(struct im *im);
/* As in struct trunk_user; `data` is the room. */
void im_out_hop_ready(void *data, struct trunk_send *s);
void im_out_hop_failed(void *data, struct trunk_send *s, enum xfed_reason reason);
void im_out_response(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog);
void im_out_timeout(void *data, uint64_t id, bool was_written);
void im_out_broken(void *data, uint64_t id, bool was_written);
/* As in struct sessions_user; `data` is the room. */
void im_out_opened(void *data, uint64_t id, uint64_t call);
void im_out_not_opened(void *data, uint64_t id, const struct session_failure *why);
void im_out_told(void *data, struct xfed_span local, struct xfed_span remote, const struct iw_imdn *what);

/* to_xmpp.c */
void im_in_request(void *data, const struct sip_incoming *rq);					/* as in struct trunk_user */
void im_in_session(void *data, const struct sip_incoming *rq, const struct session_message *m); /* as in struct sessions_user */

void im_in_untold(void *data, struct xfed_span local, struct xfed_span remote, struct xfed_span words);	    /* likewise */
void im_tell_typing(void *data, struct xfed_span local, struct xfed_span remote, enum iw_chat_state state); /* likewise */

void im_trials_hear(struct im *im, struct xfed_span local, struct xfed_span remote); /* the contact has written to the user */

/* to_xmpp_answer.c */
void im_in_outcome(struct incoming *in, const struct proto_result *r);
/* Refuses at the end of the turn, with metric, log line and response. */
void im_in_refuse(struct incoming *in, const struct iw_sip_error *e, const char *text); /* `text` is for the log alone; "": none */
/* Takes an error stanza, which may belong to a message that is held or in flight, or to none. */
deliver_fn im_in_error;
void im_in_holds(struct im *im); /* sends the responses that have been held long enough, and sets the timer */
void im_in_flush(struct im *im);
void im_in_free_all(struct im *im);

#endif
