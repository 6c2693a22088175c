/*
 * xfed-gateway: what its parts share. One struct gateway per process; everything in it belongs to the loop's thread.
 * Objects refer to each other by pointers only where one owns the other or is known to live longer.
 *
 *   to_sip.c     a stanza becomes a request               to_sip_send.c its way through queue, attempt, response
 *   to_xmpp.c    a request becomes a stanza               to_xmpp_answer.c its outcome becomes the response
 *   error_in.c   errors of partners
 *   policy/      what files say, its revision, reload     channel/    the links to the edges
 *   service.c    in and out of service, drain             report.c    log, metrics
 *   control.c, control_ops.c, control_explain.c  what xfedctl asks
 *   journal/     failed attempts                          explain.c   the gates between two addresses
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "channel/channel.h"
#include "config/config.h"
#include "contacts/contacts.h"
#include "core/core.h"
#include "im/hold.h"
#include "interwork/errors.h"
#include "policy/policy.h"
#include "proto/deliver.h"
#include "im/attempts.h"
#include "journal/journal.h"
#include "store/store.h"
#include "trunk/trunk.h"
#include "util/table.h"
#include "xfed/rt/job.h"
#include "xfed/rt/listener.h"
#include "xfed/rt/log.h"
#include "xfed/rt/source.h"
#include "xfed/rt/stream.h"
#include "xfed/rt/udp.h"
#include "xfed/stanza.h"

struct gateway;

/* ---- to_sip.c, to_sip_send.c ---- */

/* Whose delivery it is, for its outcome and the log. */
struct gateway_tag {
	struct proto_from from; /* run 0: made by this gateway (a late error) */
	uint64_t added_ms;
	bool is_public;			 /* of a public partner: errors do not tell of users */
	struct xfed_span partner, local; /* domains */
	struct xfed_span correlation;
	struct proto_inbox_words words; /* of the stanza; addresses are full */
};

/* How a delivery ends, beside its fate. */
struct gateway_end {
	Xfed__Fate fate;
	struct iw_xmpp_error error; /* REFUSED */
	enum xfed_reason reason;    /* UNCERTAIN */
	const char *rule;	    /* DROPPED */
	int sip_status;		    /* 0: there was no response */
	struct xfed_span text;	    /* what the other side said; data NULL: nothing */
	struct xfed_span address;   /* REFUSED with gone or redirect: an xmpp: URI; data NULL: none */
};

/* A message on its way to SIP. Strings live in its own block. */
struct gateway_outgoing {
	struct attempt attempt; /* first */
	struct gateway *gw;
	struct gateway_tag tag;
	struct trunk_send send;
	struct contact *contact; /* held; NULL: a message of our own, or no memory */
	size_t max_request;
	struct xfed_span uri, from_uri, body, subject, language;
	struct xfed_span thread; /* of the stanza, kept for the pair where it is delivered; data NULL: none */
};

/* ---- to_xmpp.c, to_xmpp_answer.c ---- */

struct gateway_answer {
	uint64_t txn;
	int status;
	char phrase[IW_PHRASE_BYTES + 1]; /* empty: the usual one */
	char extra[512];		  /* header lines */
	struct gateway_incoming *owner;	  /* freed with it; NULL: it stands alone */
	struct gateway_answer *prev, *next;
};

/* A message on its way to XMPP: freed when it has been answered. */
struct gateway_incoming {
	struct gateway *gw;
	struct gateway_answer answer; /* txn is set from the beginning */
	uint64_t added_ms;
	bool is_full;	      /* addressed to a full JID */
	bool has_early_error; /* its contact's server was quicker than the edge's word: the answer is filled in */
	enum xfed_reason early_reason;
	struct contact *contact;	      /* held; NULL: not handed over, or no memory */
	bool is_unacked;		      /* written, and the time was up before the partner acknowledged it */
	struct gateway_incoming *prev, *next; /* gateway.incoming */
	struct xfed_span local, remote;	      /* bare JIDs */
	struct xfed_span local_domain, remote_domain, stanza_id, call_id, correlation;
	UT_hash_handle hh; /* gateway.incoming_by_id */
};

enum gateway_service { GATEWAY_OUT_OF_SERVICE, GATEWAY_IN_SERVICE, GATEWAY_DRAINING };

struct gateway {
	struct core core;
	struct store *store;
	struct policy *policy;

	struct channel *channel;
	struct xfed_xml_reader *fragments;
	struct xfed_buf scratch;

	struct attempts *attempts; /* towards SIP */
	struct contacts *contacts;
	struct holds *holds;
	struct gateway_incoming *incoming, *incoming_by_id; /* a list; by stanza id */
	size_t incoming_count;
	struct gateway_answer *answers; /* at the end of the turn */

	struct trunk *trunk;
	struct trunk_user trunk_user; /* what it calls */

	struct journal *journal;

	enum gateway_service service;
	int64_t service_since_s;
	struct rt_timer hold, leave;
	uint64_t sweep_due_ms;
	bool is_closing; /* leaving, and the links have been told */
	bool is_over;	 /* the last turn */
};

/* gateway.c */
int gateway_new(const char *config_path, struct policy_files *files, struct gateway **out, char error[256]); /* takes `files` */
void gateway_free(struct gateway *g);
static inline uint64_t gateway_now(const struct gateway *g)
{
	return core_now(&g->core);
}
static inline int64_t gateway_wall_s(const struct gateway *g)
{
	return core_wall_s(&g->core);
}
static inline void gateway_flush_soon(struct gateway *g) /* everything that gathers is looked at once at the end of this turn */
{
	core_flush_soon(&g->core);
}

/* to_sip.c */
void gateway_take_stanza(struct gateway *g, struct proto_from from, const Xfed__Deliver *d);
/* A message from a contact to a local user made here; where it cannot be sent that is logged. */
void gateway_tell_user(struct gateway *g, struct xfed_span local_bare, struct xfed_span remote_bare, struct xfed_span text);

/* to_sip_end.c: one place for fates towards XMPP senders: metric, log line, outcome */
void gateway_end_delivery(struct gateway *g, const struct gateway_tag *t, const struct gateway_end *end);
void gateway_refuse_delivery(struct gateway *g, const struct gateway_tag *t, enum xfed_reason reason, const char *text);
void gateway_drop_delivery(struct gateway *g, const struct gateway_tag *t, const char *rule);

/* to_sip_send.c */
struct gateway_out_ids {
	char call_id[CORE_ID_LEN + 1 + SIP_NAME_SIZE], branch[CORE_ID_LEN + 16]; /* the From tag is the beginning of the branch */
};
/* The request as it would go to its present target; borrows from `o` and `ids`. */
void gateway_out_prepare(const struct gateway_outgoing *o, const struct sip_target *t, struct gateway_out_ids *ids, struct sip_layer_request *out);
attempt_origin_fn gateway_out_origin;
int gateway_out_add(struct gateway_outgoing *o); /* into its recipient's queue: OK, LIMIT, NOMEM */
void gateway_out_pump(struct gateway *g);
void gateway_out_acked(struct gateway *g, uint64_t id);
/* The edge's run has ended: what was not attempted is ours alone, or, where others may have it, uncertain. */
void gateway_out_run_ended(struct gateway *g, uint64_t run, bool may_take_over);
void gateway_out_not_ours(struct gateway *g, uint64_t id); /* the edge has refused it */
/* As trunk_user has them; `data` is the gateway. */
void gateway_out_hop_ready(void *data, struct trunk_send *s);
void gateway_out_hop_failed(void *data, struct trunk_send *s, enum xfed_reason reason);
void gateway_out_response(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog);
void gateway_out_timeout(void *data, uint64_t id, bool was_written);
void gateway_out_broken(void *data, uint64_t id, bool was_written);
void gateway_out_tick(struct gateway *g);
void gateway_out_give_up(struct gateway *g); /* leaving: what was not attempted is refused, the rest is uncertain */
void gateway_out_free_all(struct gateway *g);

/* to_xmpp.c */
void gateway_take_request(void *data, const struct sip_incoming *rq);

/* to_xmpp_answer.c */
/* What came of a stanza that was handed to an edge. */
void gateway_in_came_of(struct gateway *g, struct xfed_span stanza_id, Xfed__Fate fate, uint32_t sip_status, enum xfed_reason reason);
void gateway_in_outcome(struct gateway_incoming *in, Xfed__Fate fate, uint32_t sip_status, enum xfed_reason reason);
/* A refusal at the end of the turn: metric, log line, response. */
void gateway_refuse_request(struct gateway_incoming *in, const struct iw_sip_error *e);
void gateway_in_error(struct gateway *g, const struct gateway_tag *t, const struct xfed_stanza *s);
void gateway_in_holds(struct gateway *g); /* answers what has been held long enough, and sets the timer */
void gateway_in_release_holds(struct gateway *g);
void gateway_in_give_up(struct gateway *g);
void gateway_answer_pump(struct gateway *g);
void gateway_in_free_all(struct gateway *g);

/* service.c */
void gateway_service_judge(struct gateway *g);
void gateway_service_drain(struct gateway *g);
void gateway_service_check(struct gateway *g); /* draining: whether all is settled */
void gateway_service_leave(void *user);	       /* the timer's */
const char *gateway_service_name(enum gateway_service s);

/* report.c */
void gateway_report_gauges(struct gateway *g);

/* control.c */
extern const struct rt_command_table gateway_commands;

#endif
