/* What the files of the channel share; included by this room only. */
#ifndef GATEWAY_CHANNEL_CHANNEL_IMPL_H
#define GATEWAY_CHANNEL_CHANNEL_IMPL_H

#include "channel/channel.h"
#include "channel/routes.h"
#include "proto/rt/link.h"
#include "proto/transfer.h"
#include "xfed/mem.h"

struct channel_request;

struct edge {
	struct channel *channel;
	size_t number; /* index in channel.edges */
	char *name, *host, *tls_name;
	uint16_t port;
	struct rt_lookup *lookup;
	struct rt_addr *addresses;
	size_t address_count, address_next;
	struct proto_link *link; /* NULL: the address is being looked up, or a pause runs */
	struct rt_timer redial;
	uint64_t backoff_ms;
	int peer; /* the edge, as the engine numbers it */
	bool is_up, is_draining, is_stopped;
	uint64_t lost_ms; /* when its link went down unexpectedly; 0: never */
	int64_t since_s;
	enum xfed_reason reason; /* why the link is down */
	char down_text[512];	 /* the same for administrators */
	char wrong_name[224];	 /* text for the case that the edge has another name than edges[].name */
	struct channel_replaced replaced;
	char address[RT_ADDR_TEXT];

	struct proto_transfer_out transfer;
	bool transfer_open;
	enum xfed_reason policy_problem; /* the edge refused the snapshot */
	char policy_text[160];
	bool is_importing;  /* the metrics of an edge come in several frames */
	size_t free_labels; /* in this set: samples with a label value that only the edge can know */
};

struct channel {
	struct core *core;
	const struct channel_user *user;
	void *user_data;
	struct policy *policy;
	struct journal *journal;
	struct proto_exchange *exchange;
	struct proto_links *links;
	struct routes *routes;
	struct edge *edges;
	size_t edge_count, edges_up;
	bool has_linked;
	bool is_draining;
	uint32_t grace_ms; /* while draining: what edges are told */
	struct channel_request *requests;
	uint64_t last_request, counters_due_ms;
	int64_t certs_due_s;
	char shown[RT_CERT_HASH]; /* the certificate that edges are shown */
};

static inline uint64_t channel_now(const struct channel *c)
{
	return core_now(c->core);
}

/* edges.c */
extern const struct proto_link_user channel_link_user;
int channel_edges_new(struct channel *c);
void channel_edges_free(struct channel *c);
void channel_edge_close(struct edge *e, enum xfed_reason reason, const char *text);

/* snapshot.c */
void channel_snapshot_greet(struct edge *e); /* sends the snapshot, unless the edge has that policy in force */
void channel_snapshot_start(struct edge *e);
void channel_snapshot_pump(struct edge *e);
void channel_snapshot_result(struct edge *e, const Xfed__PolicyResult *m);

/* requests.c */
void channel_take_reply(struct edge *e, const Xfed__Reply *m);
void channel_requests_tick(struct channel *c);
void channel_requests_lost(struct channel *c, const struct edge *e); /* those of this edge; NULL: all */

/* reports.c */
void channel_take_counters(struct edge *e, const Xfed__Counters *m);
void channel_take_stream_event(struct edge *e, const Xfed__StreamEvent *m);
void channel_take_failure(struct edge *e, const Xfed__FailureEvent *m);

#endif
