/*
 * xfed-gateway: what its parts share. One struct gateway per process; everything in it belongs to the loop's thread.
 * Objects refer to each other by pointers only where one owns the other or is known to live longer.
 *
 *   link.c       the channel to one edge: dial, redial    route.c     outbox and inbox: what goes over which link
 *   orphans.c    deliveries whose edge's run has ended
 *   to_sip.c     a stanza becomes a request               to_sip_send.c its way through queue, attempt, response
 *   to_xmpp.c    a request becomes a stanza               to_xmpp_answer.c its outcome becomes the response
 *   policy/      what files say, its revision, reload     snapshot.c  the policy on its way to the edges
 *   service.c    in and out of service, drain             requests.c  questions to edges
 *   report.c     log, metrics                             control.c, control_ops.c, control_explain.c  what xfedctl asks
 *   journal/     failed attempts                           explain.c   the gates between two addresses
 *   certs.c      certificates of live links, judged again
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "config/config.h"
#include "contacts/contacts.h"
#include "core/core.h"
#include "im/hold.h"
#include "interwork/errors.h"
#include "policy/policy.h"
#include "proto/deliver.h"
#include "proto/inbox.h"
#include "proto/outbox.h"
#include "proto/outcome.h"
#include "proto/pump.h"
#include "proto/report.h"
#include "proto/session.h"
#include "proto/transfer.h"
#include "im/attempts.h"
#include "channel/routes.h"
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

/* ---- link.c ---- */

enum gateway_link_state { GATEWAY_LINK_IDLE, GATEWAY_LINK_RESOLVING, GATEWAY_LINK_CONNECTING, GATEWAY_LINK_SESSION };

/* One run of a session: it outlives its link while a job of it runs. */
struct gateway_session {
	struct gateway *gw;
	struct gateway_link *link; /* NULL: the link has let go */
	struct proto_session *session;
	struct rt_job job;
};

struct gateway_link {
	struct gateway *gw;
	int number; /* index in gateway.links */
	char *name, *host, *tls_name;
	uint16_t port;
	enum gateway_link_state state;
	struct rt_lookup *lookup;
	struct rt_addr *addresses;
	size_t address_count, address_next;
	struct rt_stream *stream;
	struct gateway_session *run; /* SESSION */
	struct rt_timer timer, redial;
	uint64_t backoff_ms;
	bool is_up, is_draining, is_stopped;
	uint64_t lost_ms;		   /* when it went down without having said so; 0: never */
	struct proto_owed owed;		   /* credit */
	struct gateway_outgoing *to_ask;   /* at the end of the turn */
	uint64_t attempts_end_ms;	   /* draining: nothing is attempted for it after this */
	struct proto_inbox_run *inbox_run; /* while it is up */
	int peer;			   /* in the outbox */
	int64_t since_s;
	enum xfed_reason reason; /* why it is down */
	char address[RT_ADDR_TEXT];

	struct proto_transfer_out transfer;
	bool transfer_open;
	bool edge_has_policy;		 /* ours or another: before, it knows no domains and would refuse whatever we send */
	enum xfed_reason policy_problem; /* the edge refused the snapshot */
	char policy_text[160];
	bool is_importing;  /* counters come in several frames */
	size_t free_labels; /* of that set: samples with a label that only the edge knows */
};

/* ---- to_sip.c, to_sip_send.c ---- */

/* Whose delivery it is, for its outcome and the log. */
struct gateway_tag {
	struct proto_inbox_run *run; /* NULL: made by this gateway (a late error) */
	uint64_t seq, added_ms;
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
	struct gateway_outgoing *prev, *next; /* of link.to_ask */
	struct gateway_outgoing **list;	      /* which; NULL: none */
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

/* ---- requests.c ---- */

struct gateway_arg {
	const char *name, *value;
};
/*
 * `ok` false: none came in time or the link broke, then `json` is NULL; or the edge refused, then it is {"text"}. Else its
 * JSON (borrowed), NULL where it had none.
 */
typedef void gateway_reply_fn(void *user, struct gateway_link *l, bool ok, json_t *json);

enum gateway_service { GATEWAY_OUT_OF_SERVICE, GATEWAY_IN_SERVICE, GATEWAY_DRAINING };

struct gateway {
	struct core core;
	struct store *store;
	struct policy *policy;

	struct gateway_link *links;
	size_t link_count, links_up;
	bool has_linked; /* to any edge, in this run */
	struct proto_outbox *outbox;
	struct proto_inbox *inbox;
	struct routes *routes;
	struct xfed_xml_reader *fragments;
	struct xfed_buf scratch;
	struct settled_note *settled; /* outcomes to be told at the end of the turn */
	size_t settled_count, settled_size;
	uint64_t tell_by_ms; /* then at the latest */
	struct rt_timer tell;

	struct attempts *attempts; /* towards SIP */
	struct contacts *contacts;
	struct holds *holds;
	struct gateway_incoming *incoming, *incoming_by_id; /* a list; by stanza id */
	size_t incoming_count;
	struct gateway_answer *answers; /* at the end of the turn */

	struct trunk *trunk;
	struct trunk_user trunk_user; /* what it calls */
	int64_t certs_due_s;	      /* the first certificate of a live link is to be judged again */

	struct gateway_request *requests;
	uint64_t last_request;
	struct journal *journal;

	enum gateway_service service;
	int64_t service_since_s;
	struct rt_timer hold, leave;
	uint64_t counters_due_ms, sweep_due_ms;
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

/* link.c */
int gateway_links_start(struct gateway *g);
void gateway_links_flush(struct gateway *g);
void gateway_link_pay(struct gateway_link *l); /* what credit is owed, as far as there is room */
void gateway_links_drain(struct gateway *g, uint32_t grace_ms);
void gateway_links_close(struct gateway *g); /* tells the edges, no redial */
void gateway_links_free(struct gateway *g);
struct gateway_link *gateway_link_of_run(struct gateway *g, const struct proto_inbox_run *run);
struct gateway_link *gateway_link_of_peer(struct gateway *g, int peer);
void gateway_link_fail(struct gateway_link *l, enum xfed_reason reason, const char *text);
static inline struct proto_session *gateway_link_session(const struct gateway_link *l)
{
	return l->run ? l->run->session : NULL;
}

/* route.c */
void gateway_route_resumed(struct gateway_link *l);			     /* outcomes and attempts are told again */
void gateway_route_heard(struct gateway_link *l, uint64_t lowest_unsettled); /* what the edge needs no more is forgotten */
void gateway_route_deliver(struct gateway_link *l, const Xfed__Deliver *d, size_t frame_bytes);
void gateway_route_settled(struct gateway_link *l, const Xfed__Settled *m);
void gateway_route_acked(struct gateway_link *l, const Xfed__AttemptedAck *m);
void gateway_route_pump(struct gateway *g);
void gateway_route_ended(struct gateway *g);
void gateway_route_give_up(struct gateway *g);
void gateway_route_free(struct gateway *g);
/* Writes the outcome of an edge's delivery down and tells the edge. Texts are copied, words only where the outcome is bad. */
void gateway_settle(struct gateway *g, struct proto_inbox_run *run, const Xfed__Outcome *oc, const struct proto_inbox_words *words);

/* orphans.c */
void gateway_orphans_of(struct gateway *g, const char *edge); /* another run of that edge has linked */
void gateway_orphans_tick(struct gateway *g);
/* An outcome of a run that has ended: an error stanza, by way of any edge, where one is due. */
void gateway_orphan_tell(struct gateway *g, const struct proto_inbox_run *run, const struct proto_inbox_entry *entry);

/* to_sip.c */
void gateway_take_stanza(struct gateway_link *l, const Xfed__Deliver *d);
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
void gateway_out_acked(struct gateway *g, struct proto_inbox_run *run, uint64_t seq);
/* The edge's run has ended: what was not attempted is ours alone, or, where others may have it, uncertain. */
void gateway_out_run_ended(struct gateway *g, const struct proto_inbox_run *run, bool may_take_over);
void gateway_out_not_ours(struct gateway *g, struct proto_inbox_run *run, uint64_t seq); /* AttemptedAck.refused */
/* As trunk_user has them; `data` is the gateway. */
void gateway_out_hop_ready(void *data, struct trunk_send *s);
void gateway_out_hop_failed(void *data, struct trunk_send *s, enum xfed_reason reason);
void gateway_out_response(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog);
void gateway_out_timeout(void *data, uint64_t id, bool was_written);
void gateway_out_broken(void *data, uint64_t id, bool was_written);
void gateway_out_link_lost(struct gateway_link *l); /* what was to be asked is asked when it resumes */
void gateway_out_tick(struct gateway *g);
void gateway_out_give_up(struct gateway *g); /* leaving: what was not attempted is refused, the rest is uncertain */
void gateway_out_free_all(struct gateway *g);

/* to_xmpp.c */
void gateway_take_request(void *data, const struct sip_incoming *rq);

/* to_xmpp_answer.c */
void gateway_in_outcome(struct gateway_incoming *in, Xfed__Fate fate, uint32_t sip_status, enum xfed_reason reason);
/* A refusal at the end of the turn: metric, log line, response. */
void gateway_refuse_request(struct gateway_incoming *in, const struct iw_sip_error *e);
void gateway_in_error(struct gateway *g, const struct gateway_tag *t, const struct xfed_stanza *s);
void gateway_in_holds(struct gateway *g); /* answers what has been held long enough, and sets the timer */
void gateway_in_release_holds(struct gateway *g);
void gateway_in_give_up(struct gateway *g);
void gateway_answer_pump(struct gateway *g);
void gateway_in_free_all(struct gateway *g);

/* certs.c: after a reload and when one expires; what does not hold any more is closed */
const char *gateway_certs_link_problem(struct gateway_link *l); /* why it may not be a link now; NULL: it may */
void gateway_certs_due(struct gateway *g, int64_t when_s);
void gateway_certs_judge(struct gateway *g);
void gateway_certs_tick(struct gateway *g);

/* snapshot.c: the policy on its way to the edges */
void gateway_policy_greet(struct gateway_link *l); /* sends the snapshot where the edge has another */
void gateway_policy_swapped(struct gateway *g, bool is_new);
void gateway_policy_pump(struct gateway_link *l);
void gateway_policy_result(struct gateway_link *l, const Xfed__PolicyResult *m);

/* service.c */
void gateway_service_judge(struct gateway *g);
void gateway_service_drain(struct gateway *g);
void gateway_service_check(struct gateway *g); /* draining: whether all is settled */
void gateway_service_leave(void *user);	       /* the timer's */
const char *gateway_service_name(enum gateway_service s);

/* requests.c */
/* `fn` runs once, later. False: nothing was asked. */
bool gateway_ask(struct gateway_link *l, const char *verb, const char *name, const char *value, gateway_reply_fn *fn, void *user);
#define GATEWAY_ANSWER_MS 2000 /* what an edge knows it says at once */
bool gateway_ask_for(
	struct gateway_link *l, const char *verb, const struct gateway_arg *args, size_t count, uint32_t within_ms, gateway_reply_fn *fn, void *user);
void gateway_take_reply(struct gateway_link *l, const Xfed__Reply *m);
void gateway_requests_tick(struct gateway *g);
void gateway_requests_lost(struct gateway_link *l);
void gateway_requests_free(struct gateway *g);

/* report.c */
void gateway_report_gauges(struct gateway *g);
void gateway_take_counters(struct gateway_link *l, const Xfed__Counters *m);
void gateway_take_stream_event(struct gateway_link *l, const Xfed__StreamEvent *m);
void gateway_take_failure(struct gateway_link *l, const Xfed__FailureEvent *m);

/* control.c */
extern const struct rt_command_table gateway_commands;

#endif
