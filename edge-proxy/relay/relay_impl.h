/* relay, as its own files see it. */
#ifndef EDGE_RELAY_RELAY_IMPL_H
#define EDGE_RELAY_RELAY_IMPL_H

#include "proto/deliver.h"
#include "proto/fold.h"
#include "proto/outcome.h"
#include "proto/rt/kv.h"
#include "proto/sipmemory.h"
#include "relay/relay.h"
#include "util/table.h"
#include "xfed/rt/log.h"

/* Where a delivery of a gateway comes from; strings are its owner's. */
struct origin {
	struct proto_from from;
	bool has_sip;
	Xfed__SipKey sip;
	int peer;			/* the gateway, in the engine */
	const char *id, *from_jid, *to; /* of the stanza: for an error that comes after the answer */
};

/* What is to be known of a delivery when its stanza has its fate. */
struct item {
	uint64_t id; /* of relay->items, where it is until its outcome has been told; 0: it has been */
	struct s2s_item *item;
	UT_hash_handle hh;
	struct origin origin; /* strings in the item's own block */
	Xfed__Kind kind;
	const char *remote;	 /* whose partner it is for */
	const char *correlation; /* the gateway's word for it */
};

struct relay {
	struct core *core;
	const struct edge_config *config;
	struct s2s *s2s;
	struct channel *channel;
	struct proto_fold *strangers; /* failures of those who have proved nothing */
	struct proto_sipmemory *sips;
	struct item *items; /* stanzas for partners, by id */
	uint64_t last_item;
	struct xfed_xml_reader *fragments; /* reads what gateways send */
	struct xfed_buf scratch;
};

void relay_events_tick(struct relay *r, uint64_t now_ms); /* events.c: failures that were folded are told */

#endif
