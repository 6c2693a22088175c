/*
 * relay: stanzas between partners and gateways, in both directions, with the outcome of each; and reports to gateways about streams and
 * failures.
 *
 *   origin    the gateway a delivery came from, and where its outcome is reported
 *   snapshot  all live streams, reported to a link that has just come up
 *   fold      of failures that strangers cause a few are reported and the rest are counted
 *
 * May call core, the configuration, s2s, channel and the libraries. The lower rooms reach it through struct s2s_user and struct
 * channel_user, which edge.c fills in and which say what each function is for.
 */
#ifndef EDGE_RELAY_RELAY_H
#define EDGE_RELAY_RELAY_H

#include "channel/channel.h"
#include "s2s/s2s.h"

struct relay;

int relay_new(struct core *core, const struct edge_config *config, struct s2s *s2s, struct channel *channel, struct relay **out); /* OK, NOMEM */
void relay_stop(struct relay *r); /* to be called before the streams stop, which releases the items */
void relay_free(struct relay *r); /* NULL is fine for both */
void relay_configure(struct relay *r, const struct edge_config *config);
void relay_tick(struct relay *r, uint64_t now_ms);

/* ---- called by s2s ---- */
bool relay_stanza(struct relay *r, const struct s2s_incoming *in);
void relay_fate(struct relay *r, void *owner, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side);
void relay_written(struct relay *r, void *owner);
void relay_lost(struct relay *r, void *owner);
void relay_opened(struct relay *r, const struct s2s_stream *st);
void relay_closed(struct relay *r, const struct s2s_stream *st, enum xfed_reason reason, enum xfed_side side, const char *text);
void relay_failed(struct relay *r, const struct proto_failure *f, bool is_stranger);

/* ---- called by the channel ---- */
void relay_deliver(struct relay *r, struct proto_from from, int peer, const Xfed__Deliver *d);
void relay_withdrawn(struct relay *r, struct proto_from from, uint64_t cookie);
void relay_sent(struct relay *r, const struct proto_delivery *d);
void relay_taken(struct relay *r, uint64_t cookie, uint64_t number);
void relay_outcome(struct relay *r, const struct proto_delivery *d, const struct proto_result *result);
void relay_snapshot(struct relay *r, struct channel_link *l);

#endif
