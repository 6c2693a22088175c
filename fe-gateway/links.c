/* What comes from the edges, for the rooms it concerns. */
#include "parts.h"

static void on_deliver(void *user, struct proto_from from, const Xfed__Deliver *d)
{
	deliver_take(((struct gateway *)user)->deliver, from, d);
}

static void on_acked(void *user, struct proto_from from, uint64_t cookie)
{
	im_acked(((struct gateway *)user)->im, cookie);
}

static void on_refused(void *user, struct proto_from from, uint64_t cookie)
{
	im_refused(((struct gateway *)user)->im, cookie);
}

static void on_run_ended(void *user, uint64_t run, bool may_take_over)
{
	im_run_ended(((struct gateway *)user)->im, run, may_take_over);
}

static void on_outcome(void *user, struct xfed_span stanza_id, const struct proto_result *r)
{
	im_outcome(((struct gateway *)user)->im, stanza_id, r);
	presence_outcome(((struct gateway *)user)->presence, stanza_id, r);
}

static void on_stream_lost(void *user, struct xfed_span local, struct xfed_span remote, bool is_ours)
{
	presence_stream_lost(((struct gateway *)user)->presence, local, remote, is_ours);
}

static void on_stream_open(void *user, struct xfed_span local, struct xfed_span remote)
{
	presence_stream_open(((struct gateway *)user)->presence, local, remote);
}

static void on_link_changed(void *user)
{
	struct gateway *g = user;
	presence_links(g->presence, channel_usable_count(g->channel));
	gateway_step(user, SERVICE_JUDGE);
}

const struct channel_user gateway_links = {
	.deliver = on_deliver,
	.acked = on_acked,
	.refused = on_refused,
	.run_ended = on_run_ended,
	.outcome = on_outcome,
	.stream_lost = on_stream_lost,
	.stream_open = on_stream_open,
	.link_changed = on_link_changed,
};
