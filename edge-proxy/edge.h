/*
 * xfed-edge: what its parts share. One struct edge per process; everything in it belongs to the loop's thread. Objects
 * refer to each other by pointers only where one owns the other; else by number through a table.
 *
 *   listener.c   5269: accepting            conn.c     one s2s connection: conductor, stream, timer
 *   inbound.c    who may talk to whom       outbound.c pairs: resolve, connect, park, write, bounce
 *   turns.c      questions of dialback that wait
 *   tally.c      streams per partner        successor.c a newer stream of a pair
 *   rate.c       stanzas per partner
 *   admission.c  places for those who have proved nothing
 *   router.c     stanzas to gateways, outcomes to senders
 *   forward.c    deliveries from gateways, their fates
 *   work.c       what strangers have us do
 *   verify.c     dialback: questions to authoritative servers, and our answers as one
 *   iq.c         queries answered here      link.c     the channel's listening side
 *   failure.c    steps of attempts, for the journal
 *   policy.c     snapshots from the gateway service.c  in and out of service, drain
 *   report.c     log, metrics, events       control.c, control_stream.c  what xfedctl and gateways ask
 *   check.c      partner check: asks        probe.c    a stream opened to see how far it gets
 *   reach.c      where partners' DNS may lead us certs.c    certificates of live streams and links, judged again
 */
#ifndef EDGE_EDGE_H
#define EDGE_EDGE_H

#include "config.h"
#include "core/core.h"
#include "proto/deliver.h"
#include "proto/fold.h"
#include "proto/inbox.h"
#include "proto/outbox.h"
#include "proto/outcome.h"
#include "proto/pump.h"
#include "proto/report.h"
#include "proto/session.h"
#include "proto/sipmemory.h"
#include "proto/transfer.h"
#include "util/table.h"
#include "xfed/policy.h"
#include "xfed/rt/job.h"
#include "xfed/rt/listener.h"
#include "xfed/rt/log.h"
#include "xfed/rt/reach.h"
#include "xfed/rt/source.h"
#include "xfed/rt/stream.h"
#include "xfed/rt/tidy.h"
#include "xfed/s2s.h"

struct edge;
struct edge_pair;
struct edge_tally;
struct edge_rate;

struct edge_steps;
struct edge_newest;
struct edge_turn;

/* ---- s2s connections ---- */

struct edge_conn {
	struct edge *edge;
	uint64_t id;
	enum xfed_s2s_direction direction;
	struct rt_stream *stream; /* NULL once handed to linger */
	struct xfed_s2s *s2s;	  /* NULL while an outgoing connection is not there yet */
	struct rt_timer timer;
	struct edge_pair *pair; /* out: whose stream this is */
	struct xfed_tls *job_tls;
	enum xfed_tls_result job_result;
	uint64_t job_started_ms;
	bool is_question; /* out: for questions of dialback */
	bool has_decision, has_pair_decision, is_closed, is_established, has_refused;
	bool is_paused;	  /* as much is parked as may be: not read until some of it is sent */
	bool is_yielding; /* has had its part of this turn; goes on by itself */
	unsigned turn_elements;
	uint64_t charged_work;		  /* in: of the budget of its address */
	uint64_t job_cpu_us, charged_job; /* in: what its handshake took; units of that which its address has paid */
	struct rt_post go_on;
	bool pair_is_local; /* of the pair decision */
	bool is_saying;
	struct xfed_buf say;	       /* what is to be said next: an answer as authoritative server */
	bool has_served;	       /* in: a db:verify was answered */
	bool is_driving;	       /* inside the conductor's actions: a close waits */
	enum xfed_reason close_reason; /* asked for meanwhile; NONE: nothing */
	const char *close_text;
	struct xfed_s2s_decision decision;
	struct edge_steps *steps;		/* in: until it is authenticated */
	struct edge_newest *newest;		/* in: set while this is the newest stream of its pair */
	uint64_t succeeded_ms, succeeded_bytes; /* a newer one came then, and so many bytes had come in here */
	struct edge_tally *tally;		/* in: the partner's count this stream is in; NULL: it has proved nothing yet */
	size_t parked_bytes, parked_count;	/* in: of stanzas that no gateway has been sent yet */
	uint64_t patience_ms;			/* in: paused for their number; read on at this time. 0: not */
	bool is_impatient;			/* in: it has come, and nothing has been sent since */
	uint64_t stanzas_in, stanzas_out;
	char address[RT_ADDR_TEXT];
	UT_hash_handle hh; /* edge->conns by id */
};

/* ---- dialback ---- */

/* A key that came in on connection `origin` and is to be verified; one block with its strings. */
struct edge_question {
	struct edge_question *prev, *next;
	struct xfed_s2s_question q;
	struct rt_source_hold place;	    /* of a stranger, until the verdict; who began the stream has the pair's */
	uint64_t deadline_ms;		    /* not asked by then: it has no place */
	enum xfed_dialback_verdict verdict; /* once it is known */
};

/* turns.c */
struct edge_turns {
	struct edge_turn *by_network, *order;
	size_t count;
};

/* ---- what waits for a partner ---- */

/* Where a stanza for a partner comes from; run NULL: from the edge itself (an error, an IQ answer). */
struct edge_origin {
	struct proto_inbox_run *run;
	uint64_t seq;
	bool has_sip;
	Xfed__SipKey sip;	    /* strings in the item's own block, as all here */
	int peer;		    /* the gateway, in the outbox */
	const char *id, *from, *to; /* of the stanza: for an error that comes after the answer */
};

struct edge_item {
	struct edge_item *prev, *next;
	struct edge_origin origin;
	uint64_t added_ms, deadline_ms;
	const char *rule; /* dropped by this rule where it cannot be sent and no error is due; origin.run NULL only */
	Xfed__Kind kind;
	const char *remote;	/* whose partner it is for, for the metrics */
	struct edge_pair *pair; /* where it is parked or waits to be acknowledged; NULL: nowhere */
	bool is_written;	/* ... the latter */
	bool is_settled;	/* told as written, or as uncertain, before the acknowledgement came */
	bool owes_error;	/* told as written: if it is lost after all, that is told too */
	struct xfed_span stanza;
	size_t bytes;
};

enum edge_pair_state { EDGE_PAIR_IDLE, EDGE_PAIR_RESOLVING, EDGE_PAIR_CONNECTING, EDGE_PAIR_NEGOTIATING, EDGE_PAIR_READY };

/* Our way to a partner's domain: for stanzas of one pair, or, as a verify pair, for questions to its server. */
struct edge_pair {
	struct edge *edge;
	char *local, *remote; /* normalised; `remote` follows `local` in the key */
	size_t key_len;
	bool is_verify;
	struct edge_steps *steps;	 /* of the attempt under way */
	const struct edge_conn *ending;	 /* while edge_pair_lost() runs: the stream that has ended */
	char text[192];			 /* what it said last */
	bool avoid_external, avoid_tls;	 /* failed in this attempt, and policy allows the next best */
	struct edge_turns waiting;	 /* verify: not asked yet */
	struct edge_question *questions; /* verify: asked, without a verdict */
	size_t asked, unanswered;	 /* verify: how many those are; how many more keep a place on the stream, as an answer may still come */
	char stranger[RT_ADDR_TEXT];	 /* verify: the address of who first asked and has proved nothing; else empty */
	struct rt_source_hold asker;	 /* verify: while there is an attempt or a stream, the place of who first asked */
	struct rt_post ask;
	bool tried_external; /* the last stream got as far as <auth/> */
	enum edge_pair_state state;
	struct rt_lookup *lookup;
	bool is_connect_to; /* ... of the name the operator has given */
	struct rt_addr *endpoints;
	size_t endpoint_count, endpoint_next;
	struct edge_conn *conn;
	struct edge_item *queue;
	size_t queue_bytes, queue_count;
	struct edge_item *unacked; /* written, in this order; stream management runs */
	size_t unacked_count;
	struct edge_tally *dialled; /* the partner's count of our streams, while this is in it */
	bool has_place;		    /* ... and in the edge's */
	bool is_for_users;	    /* not for answers alone, since the stream was begun */
	uint64_t answered_ms;	    /* an answer was last sent then */
	uint64_t backoff_ms, retry_at_ms, started_ms;
	enum xfed_reason last_reason;
	UT_hash_handle hh; /* edge->pairs by key */
};

/* ---- the channel ---- */

/* Delivers whose `taken` may still come: what credit leaves under way, twice over. What is older, settling covers. */
#define EDGE_LINK_SENT (2 * XFED_CHANNEL_CREDIT_MSGS)

/* A Deliver that was sent on a link, as the partner's stream it came from knows it. */
struct edge_sent {
	uint64_t conn, number; /* number 0: not counted there */
};

struct edge_link {
	struct edge_link *prev, *next;
	struct edge *edge;
	struct rt_stream *stream;
	struct proto_session *session;
	struct rt_timer timer;
	struct proto_transfer_in transfer;
	struct proto_inbox_run *run;
	int peer; /* in the outbox */
	bool is_up, is_closed, job_running, is_draining;
	uint64_t accepted_ms;
	struct edge_sent sent[EDGE_LINK_SENT]; /* by how many were sent before, modulo its size */
	uint64_t sent_count, taken_count;
	struct proto_owed owed; /* credit */
	int64_t since_s;
	char address[RT_ADDR_TEXT];
};

enum edge_service { EDGE_OUT_OF_SERVICE, EDGE_IN_SERVICE, EDGE_LEAVING, EDGE_DRAINING };

struct edge {
	char *config_path;
	struct edge_config *config;
	struct core core;
	struct rt_reach reach;
	struct xfed_tls_creds *creds, *channel_creds;

	uint64_t next_conn;
	struct edge_conn *conns;
	size_t conn_count;
	struct rt_sources callers, questioners, linkers; /* places of those who have proved nothing: streams, questions, links */
	int64_t certs_due_s;				 /* the first of the live streams' and links' certificates is to be judged again */
	struct edge_pair *pairs;
	struct edge_tally *tallies;
	struct edge_rate *rates;
	struct edge_newest *newest;
	struct rt_sources work, handshakes; /* what strangers have had us do; the TLS of it */
	struct edge_question *verdicts;	    /* to be told to the streams they came from */
	struct rt_post tell_verdicts;
	struct edge_probe *probes;
	struct edge_check *checks;
	struct proto_fold *strangers; /* failures of those who have proved nothing */

	struct xfed_policy *policy; /* NULL: none yet */
	struct proto_revision revision;

	struct edge_link *links;
	size_t links_up;
	enum xfed_reason link_reason; /* why there is none */
	int64_t link_since_s;
	struct proto_outbox *outbox;
	struct proto_inbox *inbox;
	struct proto_sipmemory *sips;
	struct xfed_xml_reader *fragments; /* reads what gateways send */
	struct xfed_buf scratch;

	struct rt_listener **listeners, **channel_listeners;
	size_t listener_count, channel_listener_count;
	enum edge_service service;
	struct rt_tidy tidy;
	uint64_t freed; /* streams that have ended or fallen asleep */
	struct rt_timer grace, leave;
	bool has_given_up;	   /* draining: what had no fate by then has been given one */
	size_t incoming, asking;   /* streams of partners; of ours, those for questions of dialback */
	size_t dialled, answering; /* of ours, those for stanzas and attempts at one; of these, for answers to partners alone */
	bool is_closing;	   /* going out of service: the partners' streams have been told */
	bool is_all_closing;	   /* ... and ours, which carried the last errors */
	int exit_code;
};

/* edge.c */
int edge_new(const char *config_path, struct edge_config *config, struct edge **out, char error[256]);
void edge_free(struct edge *e);
static inline int64_t edge_wall_s(const struct edge *e)
{
	return core_wall_s(&e->core);
}
static inline void edge_flush_soon(struct edge *e) /* links and deadlines are looked at once at the end of this turn */
{
	core_flush_soon(&e->core);
}
/* Reloads certificates, log settings and what else may change. Problems go to `errors`. */
bool edge_reload(struct edge *e, struct rt_conf_errors *errors);
int edge_load_creds(const struct edge_config *c, struct xfed_tls_creds **partners, struct xfed_tls_creds **channel, char error[256]);

/* conn.c */
int edge_conn_accept(struct edge *e, struct rt_stream *s);
/* Connects to the pair's next endpoint. OK or an error; then nothing was begun. */
int edge_conn_dial(struct edge_pair *p, const struct rt_addr *to);
void edge_conn_event(struct edge_conn *c, struct xfed_s2s_event *ev); /* VERDICT, ASK: never inside its own actions */
void edge_conn_close(struct edge_conn *c, enum xfed_reason reason, const char *text);
/* Writes a whole stanza to a stream that is READY; what xfed_s2s_send() returns. `c` may be gone unless it is OK, TOO_LARGE or AGAIN. */
int edge_conn_write(struct edge_conn *c, struct xfed_span stanza);
/* The partner's stanza with this number of stream `id` needs it no more; the stream may be gone, 0 does nothing. */
void edge_conn_cover(struct edge *e, uint64_t id, uint64_t number);
void edge_conn_resume(struct edge_conn *c);
struct edge_conn *edge_conn_find(struct edge *e, uint64_t id);
void edge_conns_free(struct edge *e);

/* inbound.c */
void edge_inbound_decide(struct edge_conn *c, const struct xfed_s2s_action *act, struct xfed_s2s_decision *out);
void edge_decision_for(const struct edge *e, const struct xfed_partner *partner, struct xfed_s2s_decision *out);
void edge_inbound_pair(struct edge_conn *c, const struct xfed_s2s_action *act);
/* The stream has proved a pair: counted as the partner's. False: that has all it may have, and the stream closes. */
bool edge_inbound_proved(struct edge_conn *c, const struct xfed_s2s_action *act);
/* True: it was answered here, refused or dropped by rule. False: a gateway is to get it, or the stream closes over it. */
bool edge_inbound_stanza(struct edge_conn *c, const struct xfed_s2s_action *act);

/*
 * admission.c. A refusal leaves nothing behind. That of a partner's stream is logged and counted in here; that of a question is logged,
 * and that of a stream of ours neither: it ends what was to go over it, which is told where that ends.
 */
void edge_admission_configure(struct edge *e);
void edge_admission_tick(struct edge *e, uint64_t now_ms);
void edge_admission_free(struct edge *e);
bool edge_admit_partner(struct edge *e, struct rt_stream *s); /* the stream has its place until its socket is closed, or it has proved something */
bool edge_admit_question(struct edge *e, const struct edge_conn *asker, struct rt_source_hold *hold);
/* A place for a stream of ours for stanzas, until edge_dial_over(). False: there is none, `side` and the pair's text say why. */
bool edge_admit_dial(struct edge_pair *p, const struct xfed_partner *partner, enum xfed_side *side);
void edge_dial_for_users(struct edge_pair *p); /* something of a user's goes its way: it is no stream for answers alone any more */
void edge_dial_over(struct edge_pair *p);      /* holding none is fine */

/* work.c: what strangers may have us do */
void edge_work_configure(struct edge *e);
void edge_work_tick(struct edge *e, uint64_t now_ms);
void edge_work_free(struct edge *e);
bool edge_work_handshake(struct edge_conn *c); /* one begins. False: it may not, and the stream closes */
void edge_work_job(struct edge_conn *c);       /* what it took in fact */
/* False: the budget of this address, or its network, is used up, which has been logged. */
bool edge_work_spend(struct edge *e, const struct rt_addr *from, uint32_t cost);
void edge_work_charge(struct edge_conn *c); /* for what its peer has had us do since; closes it where that was too much */

/* tally.c: streams a partner has proved and streams of ours to it, by its primary domain */
size_t edge_tally_streams(const struct edge *e, const char *domain);
void edge_tally_add(struct edge_conn *c, const char *domain); /* once per stream, later calls do nothing */
void edge_tally_drop(struct edge_conn *c);
size_t edge_tally_dialled(const struct edge *e, const char *domain);	/* streams of ours to it, and attempts at one */
struct edge_tally *edge_tally_dial(struct edge *e, const char *domain); /* counts one until it is hung up; NULL: no memory */
void edge_tally_hang_up(struct edge *e, struct edge_tally *t);		/* NULL is fine */

/* rate.c: stanzas of a partner, over all its streams, against limits.stanzas_per_second. Only what is proved is counted. */
bool edge_rate_take(struct edge *e, const struct xfed_partner *partner); /* false: over it */
void edge_rates_tick(struct edge *e, uint64_t now_ms);
void edge_rates_free(struct edge *e);

/* successor.c: a newer stream of a pair, and what becomes of the older */
void edge_newest_set(struct edge_conn *c, struct xfed_span local, struct xfed_span remote);
void edge_newest_drop(struct edge_conn *c);
void edge_newest_tick(struct edge *e, uint64_t now_ms);

/* outbound.c */
/*
 * Sends a stanza from our domain to a partner's, now or when the stream is there. Takes ownership of the item in every
 * case; its fate is settled through edge_item_settle().
 */
void edge_pair_send(struct edge *e, struct xfed_span local, struct xfed_span remote, struct edge_item *item);
struct edge_item *edge_item_new(struct xfed_span stanza, struct xfed_span remote, Xfed__Kind kind, const struct edge_origin *origin);
bool edge_item_is_answer(const struct edge_item *it); /* ... to the partner, of the edge's own */
void edge_pair_ready(struct edge_pair *p);
void edge_pair_acked(struct edge_pair *p, size_t count); /* the partner has taken the oldest `count` of what was written */
void edge_pair_release(struct edge_pair *p);		 /* its stream has done its work and closes */
/* The connection of the pair has ended, or never came. */
void edge_pair_lost(struct edge_pair *p, enum xfed_reason reason, enum xfed_side side);
void edge_pair_connect_failed(struct edge_pair *p, enum xfed_reason reason);
/*
 * Takes a stanza back. A parked one ends as withdrawn, with the reason of the step it waited on; a written one that is not
 * acknowledged yet as delivered, with 202, and an error follows if it is lost after all.
 */
void edge_pair_withdraw(struct edge *e, struct edge_item *item);
size_t edge_pairs_waiting(const struct edge *e); /* stanzas parked for partners, or not acknowledged by them */
void edge_pairs_refuse(struct edge *e, bool (*which)(const struct edge_pair *p), enum xfed_reason reason);
void edge_pairs_forget_backoff(struct edge *e);
void edge_pairs_tick(struct edge *e, uint64_t now_ms);
void edge_pairs_free(struct edge *e);

/* Asks the server of `q`'s sender, for the stream `asker` its key came in on. */
void edge_pair_ask(const struct edge_conn *asker, struct edge_question *q);
void edge_pair_answered(struct edge_pair *p, const struct xfed_s2s_question *asked, enum xfed_dialback_verdict verdict);

/* turns.c: questions that wait, taken by network in turns */
bool edge_turns_add(struct edge_turns *t, const struct rt_addr *from, struct edge_question *q); /* false: no memory */
struct edge_question *edge_turns_take(struct edge_turns *t);					/* NULL: none */
struct edge_question *edge_turns_overdue(struct edge_turns *t, uint64_t now_ms);		/* one, taken out; NULL: none */

/* reach.c */
/* NULL: a partner's DNS may lead there; else why not, as words behind "is". What connect_to names is not asked about. */
const char *edge_reach_refuses(struct edge *e, const struct rt_addr *a);
/* The addresses of a lookup become the pair's endpoints, but for those. NONE, or why there are none. */
enum xfed_reason edge_reach_take(struct edge_pair *p, const struct rt_endpoints *r);
void edge_reach_forget(struct edge *e); /* the host's own addresses are read again (reload) */

/* certs.c */
bool edge_certs_hold(struct edge_conn *c);		  /* once it is authenticated; false: they do not, and it is closed */
const char *edge_certs_link_problem(struct edge_link *l); /* why it may not be a link now; NULL: it may */
void edge_certs_judge(struct edge *e);			  /* all of them: trust, revocation lists or channel.allow may have changed */
void edge_certs_tick(struct edge *e);

/* verify.c */
void edge_verify_ask(struct edge_conn *c, const struct xfed_s2s_question *q);
void edge_verify_answer(struct edge_conn *c, const struct xfed_dialback_elem *verify);
/* Takes ownership; the stream the key came from is told soon. */
void edge_verify_settle(struct edge *e, struct edge_question *q, enum xfed_dialback_verdict verdict);
struct edge_question *edge_question_new(const struct xfed_s2s_question *q);
void edge_question_free(struct edge_question *q);
void edge_verify_tell(void *edge);
void edge_verify_free(struct edge *e);

/* router.c */
struct xfed_span edge_domain_of(struct xfed_span jid);				    /* of a normalised address */
bool edge_route_to_gateway(struct edge_conn *c, const struct xfed_s2s_action *act); /* false: refused */
void edge_route_taken(struct edge_link *l); /* the gateway may have taken more: their senders' streams are told */
void edge_route_pump(struct edge *e);	    /* outbox to links */
void edge_route_outcome(struct edge *e, struct proto_delivery *d, const Xfed__Outcome *oc);
void edge_route_ended(struct edge *e);
/* Answers a stanza of a partner with an error where one may be sent. */
void edge_bounce(struct edge *e, struct xfed_arena *a, const struct xfed_stanza *s, const struct xfed_stanza_error *err);
void edge_refuse_stanza(struct edge_conn *c, const struct xfed_s2s_action *act, enum xfed_reason reason);
/* A STANZA_REFUSED: its sender hears the reason and the limit, unless it is one that gets no answer. */
void edge_refuse_users(struct edge_conn *c, const struct xfed_s2s_action *act);
void edge_send_elem(struct edge *e, struct xfed_span local, struct xfed_span remote, const struct xfed_xml_elem *elem, const char *rule);

/* forward.c */
void edge_forward_heard(struct edge_link *l, uint64_t lowest_unsettled); /* what the gateway needs no more is forgotten */
void edge_forward_take(struct edge_link *l, const Xfed__Deliver *d, size_t frame_bytes);
void edge_forward_withdraw(struct edge_link *l, uint64_t seq);
/* The fate of a stanza from a gateway: tells whoever asked, once. */
void edge_item_settle(struct edge *e, struct edge_item *item, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side);
/* Written, and asked for before it was acknowledged: told as delivered, with 202. */
void edge_item_settle_written(struct edge *e, struct edge_item *item);
/* ... and lost after all: an error goes to the gateway that has answered with 202. */
void edge_item_tell_late(struct edge *e, const struct edge_item *item);

/* iq.c */
void edge_iq(struct edge_conn *c, const struct xfed_s2s_action *act);

/* link.c */
int edge_link_accept(struct edge *e, struct rt_stream *s);
struct edge_link *edge_link_of(struct edge *e, const struct proto_inbox_run *run);
struct edge_link *edge_link_of_peer(struct edge *e, int peer);
void edge_links_flush(struct edge *e);
void edge_link_pay(struct edge_link *l); /* what credit is owed, as far as there is room */
/* What nobody waits for; a link without room misses it, which is counted. */
void edge_link_send(struct edge_link *l, const Xfed__Frame *f);
void edge_links_send(struct edge *e, const Xfed__Frame *f); /* to every link that is up */
void edge_links_drain(struct edge *e, uint32_t grace_ms);
void edge_links_free(struct edge *e);

/* policy.c */
/* Whether a partner (NULL: not listed) may have proved itself, or be shown who we are, by this method: NONE, or why not. */
enum xfed_reason edge_policy_judge(const struct xfed_partner *partner, enum xfed_method method);
/* The same for a pair of a domain of ours and one of a partner's. */
enum xfed_reason edge_policy_judge_pair(const struct edge *e, struct xfed_span local, struct xfed_span remote, enum xfed_method method);
void edge_policy_take(struct edge_link *l, const Xfed__Frame *f);
const char *edge_partner_label(const struct edge *e, struct xfed_span remote); /* for metrics: "other" where unlisted */

/* service.c */
int edge_service_start(struct edge *e, char error[256]);
void edge_service_judge(struct edge *e); /* after each change of policy or links */
void edge_service_drain(struct edge *e);
void edge_service_conn_gone(struct edge *e);
void edge_service_stop_listening(struct edge *e);
const char *edge_service_name(enum edge_service s);

/* failure.c */
struct edge_failure {
	enum xfed_s2s_direction direction;
	const char *local, *remote; /* normalised, "" where unknown */
	enum xfed_reason reason;
	enum xfed_side side;
	const char *text, *address; /* address: of the peer, or NULL */
	const struct edge_steps *steps;
	const struct xfed_cert *cert; /* the peer's, or NULL */
};
void edge_steps_add(struct edge_steps **s, uint64_t now_ms, const char *step, bool ok, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void edge_steps_free(struct edge_steps **s);
void edge_steps_of_stream(struct edge_steps **s, uint64_t now_ms, const struct xfed_s2s_info *info, enum xfed_reason reason, const char *text);
/* What may be behind an end that says nothing of itself, or NULL. */
const char *edge_failure_suspicion(const struct edge *e, const struct xfed_s2s_info *info, enum xfed_reason reason);
void edge_failure_send(struct edge *e, const struct edge_failure *f);
void edge_failures_tick(struct edge *e, uint64_t now_ms); /* what was folded is told */

/* report.c */
void edge_report_established(struct edge_conn *c, const struct xfed_s2s_action *act);
void edge_report_closed(struct edge_conn *c, const struct xfed_s2s_action *act);
void edge_report_pair_refused(struct edge_conn *c, const struct xfed_s2s_action *act);
void edge_report_snapshot(struct edge_link *l); /* all live streams to a new link */
void edge_report_counters(struct edge_link *l);
void edge_report_gauges(struct edge *e);

/* control.c */
extern const struct rt_command_table edge_commands;
json_t *edge_control_status(struct edge *e);
json_t *edge_control_streams(struct edge *e, struct xfed_span domain);
void edge_control_request(struct edge_link *l, const Xfed__Request *r);
void edge_control_checked(struct edge_link *l, uint64_t request, json_t *result); /* the end of a check; takes `result` */

/* control_stream.c: one stream or pair. NULL: not there; the answer is a new reference. `id`: "7", or "EDGE/7" */
json_t *edge_control_stream_json(const struct edge_conn *c, const struct xfed_s2s_info *info);
struct edge_conn *edge_control_stream_of(struct edge *e, struct xfed_span id);
json_t *edge_control_stream_show(struct edge *e, struct xfed_span id);
json_t *edge_control_stream_close(struct edge *e, struct xfed_span id);
json_t *edge_control_pair(struct edge *e, struct xfed_span local, struct xfed_span remote);
/* Forgets the waiting time of the pairs with `remote` (of `local` alone, where one is given) and dials. NOMEM: NULL */
json_t *edge_control_retry(struct edge *e, struct xfed_span local, struct xfed_span remote);

/* check.c: checks a link has asked for end without a word; NULL: all */
void edge_checks_drop(struct edge *e, const struct edge_link *l);
void edge_probes_free(struct edge *e);

#endif
