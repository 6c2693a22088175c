/* The policy on its way to an edge. */
#include "gateway.h"

static bool start(struct gateway_link *l)
{
	const struct policy *p = l->gw->policy;
	return proto_transfer_start(&l->transfer, policy_revision(p), policy_snapshot(p)) == XFED_OK;
}

void gateway_policy_greet(struct gateway_link *l)
{
	const struct proto_revision *ours = policy_revision(l->gw->policy);
	const Xfed__Revision *theirs = proto_session_peer(gateway_link_session(l))->hello->policy;
	bool same = theirs && theirs->epoch == ours->epoch && theirs->counter == ours->counter && theirs->hash.len == sizeof(ours->hash) &&
		    memcmp(theirs->hash.data, ours->hash, theirs->hash.len) == 0;
	l->policy_problem = XFED_REASON_NONE;
	l->edge_has_policy = theirs && theirs->hash.len > 0;
	l->transfer_open = !same && start(l);
}

void gateway_policy_swapped(struct gateway *g, bool is_new)
{
	for (size_t i = 0; i < g->link_count; i++) {
		struct gateway_link *l = &g->links[i];
		if (l->is_up && (is_new || l->transfer_open)) {
			l->transfer_open = start(l);
		}
	}
	gateway_flush_soon(g);
}

static void give_up_transfer(struct gateway_link *l)
{
	l->transfer_open = false;
	l->policy_problem = XFED_REASON_STREAM_INTERNAL;
	snprintf(l->policy_text, sizeof(l->policy_text), "%s", "the policy could not be sent");
	core_count_refusal(&l->gw->core, l->policy_problem, XFED_SIDE_US);
	rt_log(RT_LOG_ERROR, "policy.refused", RT_KV_STR("peer", l->name), RT_KV_U64("revision", policy_revision(l->gw->policy)->counter),
		RT_KV_REASON(l->policy_problem), RT_KV_STR("text", l->policy_text), RT_END);
}

/* One or two frames a turn, so that parts travel between messages. */
void gateway_policy_pump(struct gateway_link *l)
{
	for (int i = 0; i < 2 && l->transfer_open; i++) {
		bool done = false;
		int rc = proto_transfer_pump(&l->transfer, gateway_link_session(l), &done);
		if (rc == XFED_ERR_INVALID || rc == XFED_ERR_TOO_LARGE) {
			give_up_transfer(l); /* would stand there for good, and nobody would know */
			return;
		}
		if (rc != XFED_OK) {
			return; /* no room now: when the output has drained, the link comes back here */
		}
		l->transfer_open = !done;
	}
	if (l->transfer_open) {
		gateway_flush_soon(l->gw);
	}
}

void gateway_policy_result(struct gateway_link *l, const Xfed__PolicyResult *m)
{
	enum xfed_reason reason = xfed_reason_of_peer(xfed_span_str(m->reason));
	uint64_t counter = m->revision ? m->revision->counter : 0;
	if (m->ok) {
		l->policy_problem = XFED_REASON_NONE;
		l->edge_has_policy = true;
		gateway_flush_soon(l->gw); /* what waited for it may go */
		rt_log(RT_LOG_INFO, "policy.accepted", RT_KV_STR("peer", l->name), RT_KV_U64("revision", counter), RT_END);
		return;
	}
	l->policy_problem = reason != XFED_REASON_NONE ? reason : XFED_REASON_CHANNEL_POLICY_DRIFT;
	proto_text_clean(l->policy_text, sizeof(l->policy_text), m->text);
	core_count_refusal(&l->gw->core, l->policy_problem, xfed_reason_info(l->policy_problem)->side);
	rt_log(RT_LOG_ERROR, "policy.refused", RT_KV_STR("peer", l->name), RT_KV_U64("revision", counter), RT_KV_REASON(l->policy_problem),
		RT_KV_STR("text", m->text), RT_END);
}
