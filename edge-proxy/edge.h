/*
 * xfed-edge: what the rooms that are not closed yet share: relay, admin and the top. One struct edge per process; everything
 * in it belongs to the loop's thread.
 */
#ifndef EDGE_EDGE_H
#define EDGE_EDGE_H

#include "channel/channel.h"
#include "config.h"
#include "core/core.h"
#include "proto/deliver.h"
#include "proto/fold.h"
#include "proto/outcome.h"
#include "proto/sipmemory.h"
#include "s2s/s2s.h"
#include "service/service.h"
#include "util/table.h"
#include "xfed/rt/job.h"
#include "xfed/rt/listener.h"
#include "xfed/rt/log.h"
#include "xfed/rt/source.h"

struct edge;

/* Where a delivery of a gateway comes from; strings are its owner's. */
struct edge_origin {
	struct proto_from from;
	bool has_sip;
	Xfed__SipKey sip;
	int peer;			/* the gateway, in the engine */
	const char *id, *from_jid, *to; /* of the stanza: for an error that comes after the answer */
};

/* What is to be known of a delivery when its stanza has its fate. */
struct edge_item {
	uint64_t id; /* of edge.items, where it is until its outcome has been told; 0: it has been */
	struct s2s_item *item;
	UT_hash_handle hh;
	struct edge_origin origin; /* strings in the item's own block */
	Xfed__Kind kind;
	const char *remote; /* whose partner it is for */
};

struct edge {
	char *config_path;
	struct edge_config *config;
	struct core core;
	struct s2s *s2s;
	struct channel *channel;
	struct edge_check *checks;
	struct proto_fold *strangers; /* failures of those who have proved nothing */

	struct proto_sipmemory *sips;
	struct edge_item *items; /* stanzas for partners, by id */
	uint64_t last_item;
	struct xfed_xml_reader *fragments; /* reads what gateways send */
	struct xfed_buf scratch;

	struct rt_listener **listeners, **channel_listeners;
	size_t listener_count, channel_listener_count;
	struct service service;
	struct rt_timer service_timer;
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
const char *edge_service_word(const struct edge *e);
void edge_drain(struct edge *e);	  /* nothing new is to begin */
bool edge_is_quiet(const struct edge *e); /* no part has anything left to settle */
void edge_give_up(struct edge *e);	  /* what has no fate is given one */
int edge_load_creds(const struct edge_config *c, struct xfed_tls_creds **partners, struct xfed_tls_creds **channel, char error[256]);

/* router.c */
bool edge_route_to_gateway(struct edge *e, const struct s2s_incoming *in); /* false: refused */
/* As struct channel_user has them. */
void edge_route_sent(void *edge, const struct proto_delivery *d);
void edge_route_taken(void *edge, uint64_t cookie, uint64_t number);
void edge_route_outcome(void *edge, const struct proto_delivery *d, const struct proto_result *r);

/* forward.c */
/* As struct channel_user has them. */
void edge_forward_take(void *edge, struct proto_from from, int peer, const Xfed__Deliver *d);
void edge_forward_withdraw(void *edge, struct proto_from from, uint64_t cookie);
/* As struct s2s_user has it, of what s2s_item_owner() gave. */
void edge_item_settle(void *edge, void *owner, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side);
void edge_item_written(void *edge, void *owner);
void edge_item_lost(void *edge, void *owner);

/* events.c; the first three as struct s2s_user has them */
void edge_event_opened(void *edge, const struct s2s_stream *st);
void edge_event_closed(void *edge, const struct s2s_stream *st, enum xfed_reason reason, enum xfed_side side, const char *text);
void edge_event_failed(void *edge, const struct proto_failure *f, bool is_stranger);
void edge_events_snapshot(struct edge *e, struct channel_link *l); /* all live streams to a new link */
void edge_events_tick(struct edge *e, uint64_t now_ms);		   /* failures that were folded are told */

/* service.c */
int edge_service_start(struct edge *e, char error[256]);
void edge_service_judge(struct edge *e); /* after each change of policy or links */
void edge_service_drain(struct edge *e);
void edge_service_left(struct edge *e); /* something has ended */
void edge_service_stop(struct edge *e);

/* control.c */
extern const struct rt_command_table edge_commands;
json_t *edge_control_status(struct edge *e);
json_t *edge_control_streams(struct edge *e, struct xfed_span domain);
void edge_control_request(struct edge *e, struct channel_link *l, const Xfed__Request *r);
void edge_control_checked(struct channel_link *l, uint64_t request, json_t *result); /* the end of a check; takes `result` */

/* control_stream.c: one stream or pair. NULL: not there; the answer is a new reference. `id`: "7", or "EDGE/7" */
json_t *edge_control_stream_json(struct edge *e, const struct s2s_stream *st);
json_t *edge_control_stream_show(struct edge *e, struct xfed_span id);
json_t *edge_control_stream_close(struct edge *e, struct xfed_span id);
json_t *edge_control_pair(struct edge *e, struct xfed_span local, struct xfed_span remote);
/* Forgets the waiting time of the pairs with `remote` (of `local` alone, where one is given) and dials. NOMEM: NULL */
json_t *edge_control_retry(struct edge *e, struct xfed_span local, struct xfed_span remote);

/* check.c: checks a link has asked for end without a word; NULL: all */
void edge_checks_drop(struct edge *e, const struct channel_link *l);

#endif
