/*
 * xfed-edge: what the rooms that are not closed yet share: channel, relay, admin and the top. One struct edge per process; everything
 * in it belongs to the loop's thread.
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
#include "s2s/s2s.h"
#include "util/table.h"
#include "xfed/rt/job.h"
#include "xfed/rt/listener.h"
#include "xfed/rt/log.h"
#include "xfed/rt/source.h"

struct edge;

/* Where a delivery of a gateway comes from; strings are its owner's. */
struct edge_origin {
	struct proto_inbox_run *run;
	uint64_t seq;
	bool has_sip;
	Xfed__SipKey sip;
	int peer;		    /* the gateway, in the outbox */
	const char *id, *from, *to; /* of the stanza: for an error that comes after the answer */
};

/* What is to be known of a delivery when its stanza has its fate. */
struct edge_item {
	struct edge_origin origin; /* strings in the item's own block */
	Xfed__Kind kind;
	const char *remote; /* whose partner it is for */
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
	struct rt_job job;
	bool is_up, is_closed, is_draining;
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
	struct s2s *s2s;
	struct xfed_tls_creds *channel_creds;
	struct rt_sources linkers; /* places of links that have proved nothing */
	int64_t certs_due_s;	   /* the first of the live links' certificates is to be judged again */
	struct edge_check *checks;
	struct proto_fold *strangers; /* failures of those who have proved nothing */

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
	struct rt_timer grace, leave;
	bool has_given_up;   /* draining: what had no fate by then has been given one */
	bool is_closing;     /* going out of service: the partners' streams have been told */
	bool is_all_closing; /* ... and ours, which carried the last errors */
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
void edge_gauges(struct edge *e);
int edge_load_creds(const struct edge_config *c, struct xfed_tls_creds **partners, struct xfed_tls_creds **channel, char error[256]);

/* router.c */
struct xfed_span edge_domain_of(struct xfed_span jid);			   /* of a normalised address */
bool edge_route_to_gateway(struct edge *e, const struct s2s_incoming *in); /* false: refused */
void edge_route_taken(struct edge_link *l);				   /* the gateway may have taken more: their senders' streams are told */
void edge_route_pump(struct edge *e);					   /* outbox to links */
void edge_route_outcome(struct edge *e, struct proto_delivery *d, const Xfed__Outcome *oc);
void edge_route_ended(struct edge *e);

/* forward.c */
void edge_forward_heard(struct edge_link *l, uint64_t lowest_unsettled); /* what the gateway needs no more is forgotten */
void edge_forward_take(struct edge_link *l, const Xfed__Deliver *d, size_t frame_bytes);
void edge_forward_withdraw(struct edge_link *l, uint64_t seq);
/* As struct s2s_user has it, of what s2s_item_owner() gave. */
void edge_item_settle(void *edge, void *owner, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side);
void edge_item_written(void *edge, void *owner);
void edge_item_lost(void *edge, void *owner);

/* events.c; the first three as struct s2s_user has them */
void edge_event_opened(void *edge, const struct s2s_stream *st);
void edge_event_closed(void *edge, const struct s2s_stream *st, enum xfed_reason reason, enum xfed_side side, const char *text);
void edge_event_failed(void *edge, const struct proto_failure *f, bool is_stranger);
void edge_events_snapshot(struct edge_link *l);		/* all live streams to a new link */
void edge_events_tick(struct edge *e, uint64_t now_ms); /* failures that were folded are told */

/* channel/certs.c */
const char *edge_link_problem(struct edge_link *l); /* why it may not be a link now; NULL: it may */
void edge_links_judge(struct edge *e);
void edge_links_tick(struct edge *e);

/* counters.c */
void edge_link_counters(struct edge_link *l);

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
void edge_policy_take(struct edge_link *l, const Xfed__Frame *f);

/* service.c */
int edge_service_start(struct edge *e, char error[256]);
void edge_service_judge(struct edge *e); /* after each change of policy or links */
void edge_service_drain(struct edge *e);
void edge_service_conn_gone(struct edge *e);
void edge_service_stop_listening(struct edge *e);
const char *edge_service_name(enum edge_service s);

/* control.c */
extern const struct rt_command_table edge_commands;
json_t *edge_control_status(struct edge *e);
json_t *edge_control_streams(struct edge *e, struct xfed_span domain);
void edge_control_request(struct edge_link *l, const Xfed__Request *r);
void edge_control_checked(struct edge_link *l, uint64_t request, json_t *result); /* the end of a check; takes `result` */

/* control_stream.c: one stream or pair. NULL: not there; the answer is a new reference. `id`: "7", or "EDGE/7" */
json_t *edge_control_stream_json(struct edge *e, const struct s2s_stream *st);
json_t *edge_control_stream_show(struct edge *e, struct xfed_span id);
json_t *edge_control_stream_close(struct edge *e, struct xfed_span id);
json_t *edge_control_pair(struct edge *e, struct xfed_span local, struct xfed_span remote);
/* Forgets the waiting time of the pairs with `remote` (of `local` alone, where one is given) and dials. NOMEM: NULL */
json_t *edge_control_retry(struct edge *e, struct xfed_span local, struct xfed_span remote);

/* check.c: checks a link has asked for end without a word; NULL: all */
void edge_checks_drop(struct edge *e, const struct edge_link *l);

#endif
