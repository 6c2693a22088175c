/* What the files of relay share; included by this room only. */
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

/* Where a delivery came from; strings are borrowed from the frame, or belong to the item. */
struct origin {
	struct proto_from from;
	bool has_sip;
	Xfed__SipKey sip;
	int peer;			/* the gateway, as the engine numbers it */
	const char *id, *from_jid, *to; /* of the stanza, for an error that is found after the outcome was reported */
};

/* What is needed to report the outcome of a stanza; the owner's memory of an s2s_item. */
struct item {
	uint64_t id; /* key in relay->items, where it stays until its outcome has been reported; 0: reported */
	struct s2s_item *item;
	UT_hash_handle hh;
	struct origin origin; /* strings in the item's own block */
	Xfed__Kind kind;
	const char *remote;	 /* the domain of the partner it is for */
	const char *correlation; /* the gateway's correlation id, for the log */
};

struct relay {
	struct core *core;
	const struct edge_config *config;
	struct s2s *s2s;
	struct channel *channel;
	struct proto_fold *strangers; /* failures of peers that have not authenticated */
	struct proto_sipmemory *sips;
	struct item *items; /* stanzas for partners, by id */
	uint64_t last_item;
	struct xfed_xml_reader *fragments; /* reads what gateways send */
	struct xfed_buf scratch;
};

void relay_events_tick(struct relay *r, uint64_t now_ms); /* events.c: reports failures that were folded */

#endif
