/* The policy on its way to an edge, and the edge's answer. */
#include <stdio.h>

#include "channel/channel_impl.h"
#include "proto/check.h"
#include "xfed/rt/log.h"

void channel_snapshot_start(struct edge *e)
{
	const struct policy *p = e->channel->policy;
	e->transfer_open = proto_transfer_start(&e->transfer, policy_revision(p), policy_snapshot(p)) == XFED_OK;
}

/*
 * Compares the revision an edge has in force with ours; 0: the same. An edge with a higher one would refuse what the next reload makes (our
 * store comes from a backup, or another gateway sends policies too), so the next revision is to be above it.
 */
static int compare_revision(struct edge *e, const Xfed__Revision *theirs)
{
	int order = proto_revision_compare(
		&(struct proto_revision){ .epoch = theirs->epoch, .counter = theirs->counter }, policy_revision(e->channel->policy));
	if (order > 0) {
		policy_outbid(e->channel->policy, theirs->epoch, theirs->counter);
	}
	return order;
}

/* The edge has the content of our policy, perhaps from another gateway with the same files. */
static bool is_ours(const struct edge *e, const Xfed__Revision *theirs)
{
	const struct proto_revision *ours = policy_revision(e->channel->policy);
	return theirs && theirs->hash.len == sizeof(ours->hash) && memcmp(theirs->hash.data, ours->hash, theirs->hash.len) == 0;
}

void channel_snapshot_greet(struct edge *e)
{
	const Xfed__Revision *theirs = proto_session_peer(proto_link_session(e->link))->hello->policy;
	/* the same content under a lower number is sent all the same, so that the edge has our number */
	bool same = theirs && theirs->hash.len > 0 && compare_revision(e, theirs) >= 0 && is_ours(e, theirs);
	e->policy_problem = XFED_REASON_NONE;
	/* an edge without a policy knows no domains, and would refuse every delivery */
	proto_exchange_open(proto_link_exchange(e->link), theirs && theirs->hash.len > 0);
	if (!same) {
		channel_snapshot_start(e);
	}
}

static void give_up_transfer(struct edge *e)
{
	e->transfer_open = false;
	e->policy_problem = XFED_REASON_STREAM_INTERNAL;
	snprintf(e->policy_text, sizeof(e->policy_text), "%s", "the policy could not be sent");
	core_count_refusal(e->channel->core, e->policy_problem, XFED_SIDE_US);
	rt_log(RT_LOG_ERROR, "policy.refused", RT_KV_STR("peer", e->name), RT_KV_U64("revision", policy_revision(e->channel->policy)->counter),
		RT_KV_REASON(e->policy_problem), RT_KV_STR("text", e->policy_text), RT_END);
}

/* One or two frames a turn, so that messages travel in between. */
void channel_snapshot_pump(struct edge *e)
{
	for (int i = 0; i < 2 && e->transfer_open; i++) {
		bool done = false;
		int rc = proto_transfer_pump(&e->transfer, proto_link_session(e->link), &done);
		if (rc == XFED_ERR_INVALID || rc == XFED_ERR_TOO_LARGE) {
			give_up_transfer(e); /* would wait for ever, unnoticed */
			return;
		}
		if (rc != XFED_OK) {
			return; /* no room now: this is called again when the link has sent what it has */
		}
		e->transfer_open = !done;
	}
	if (e->transfer_open) {
		core_flush_soon(e->channel->core);
	}
}

void channel_snapshot_result(struct edge *e, const Xfed__PolicyResult *m)
{
	enum xfed_reason reason = xfed_reason_of_peer(xfed_span_str(m->reason));
	uint64_t counter = m->revision ? m->revision->counter : 0;
	if (m->ok || (reason == XFED_REASON_CHANNEL_POLICY_DRIFT && is_ours(e, m->revision))) {
		if (m->revision) {
			compare_revision(e, m->revision);
		}
		e->policy_problem = XFED_REASON_NONE;
		proto_exchange_open(proto_link_exchange(e->link), true);
		core_flush_soon(e->channel->core); /* deliveries that waited for the policy may go */
		rt_log(RT_LOG_INFO, "policy.accepted", RT_KV_STR("peer", e->name), RT_KV_U64("revision", counter), RT_END);
		return;
	}
	e->policy_problem = reason != XFED_REASON_NONE ? reason : XFED_REASON_CHANNEL_POLICY_DRIFT;
	if (e->policy_problem == XFED_REASON_CHANNEL_POLICY_DRIFT && m->revision) {
		policy_outbid(e->channel->policy, m->revision->epoch, m->revision->counter);
	}
	proto_text_clean(e->policy_text, sizeof(e->policy_text), m->text);
	core_count_refusal(e->channel->core, e->policy_problem, xfed_reason_info(e->policy_problem)->side);
	rt_log(RT_LOG_ERROR, "policy.refused", RT_KV_STR("peer", e->name), RT_KV_U64("revision", counter), RT_KV_REASON(e->policy_problem),
		RT_KV_STR("text", m->text), RT_END);
}
