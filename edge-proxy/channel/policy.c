/* Takes a policy from a gateway and puts it into force. */
#include "channel/channel_impl.h"
#include "xfed/rt/log.h"

static void answer(struct channel_link *l, const struct proto_revision *r, bool ok, enum xfed_reason reason, const char *text)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__PolicyResult m = XFED__POLICY_RESULT__INIT;
	Xfed__Revision rev = XFED__REVISION__INIT;
	rev.epoch = r->epoch;
	rev.counter = r->counter;
	rev.hash.data = (uint8_t *)r->hash;
	rev.hash.len = sizeof(r->hash);
	m.revision = &rev;
	m.ok = ok;
	m.reason = (char *)(reason != XFED_REASON_NONE ? xfed_reason_code(reason) : "");
	m.text = (char *)(text ? text : "");
	f.body_case = XFED__FRAME__BODY_POLICY_RESULT;
	f.policy_result = &m;
	channel_send(l, &f);
}

/* A refusal carries the revision in force, so that the gateway can number its next one above it. */
static bool accept_revision(struct channel_link *l, const struct proto_revision *r)
{
	struct channel *c = l->channel;
	if (!s2s_policy(c->s2s)) {
		return true;
	}
	int order = proto_revision_compare(r, &c->revision);
	if (order > 0) {
		return true;
	}
	if (memcmp(r->hash, c->revision.hash, sizeof(r->hash)) == 0) {
		answer(l, &c->revision, true, XFED_REASON_NONE, "in force already");
		return false;
	}
	/* Two gateways have different files, or a store was restored from a backup: an operator has to say which policy is right. */
	rt_log(RT_LOG_ERROR, "policy.drift", RT_KV_REASON(XFED_REASON_CHANNEL_POLICY_DRIFT), RT_KV_U64("epoch", r->epoch),
		RT_KV_U64("revision", r->counter), RT_END);
	answer(l, &c->revision, false, XFED_REASON_CHANNEL_POLICY_DRIFT,
		order < 0 ? "it is older than the one in force" : "another policy has its revision");
	return false;
}

/* One gateway's policy has replaced another's: the other gateways are told now, since their files may differ, and not at their next reload. */
static void tell_others(const struct channel_link *l)
{
	const struct channel *c = l->channel;
	for (struct channel_link *o = c->list; o; o = o->next) {
		if (o != l && o->is_up) {
			answer(o, &c->revision, false, XFED_REASON_CHANNEL_POLICY_DRIFT, "another gateway's has come into force");
		}
	}
}

static void swap_policy(struct channel_link *l, struct proto_transfer_in *t)
{
	struct channel *c = l->channel;
	struct xfed_policy *fresh = NULL;
	struct xfed_policy_error err = { .text = "" };
	if (!accept_revision(l, &t->revision)) {
		return;
	}
	if (xfed_policy_decode(xfed_span_make(t->bytes, t->total), &fresh, &err) != XFED_OK) {
		rt_log(RT_LOG_ERROR, "policy.refused", RT_KV_STR("text", err.text), RT_END);
		answer(l, &t->revision, false, XFED_REASON_CHANNEL_FRAME_BAD, err.text);
		return;
	}
	bool is_other = memcmp(t->revision.hash, c->revision.hash, sizeof(c->revision.hash)) != 0;
	c->revision = t->revision;
	rt_metric_set(c->core->d.metrics, RT_M_POLICY_REVISION, (double)c->revision.counter, RT_NO_LABELS);
	rt_log(RT_LOG_INFO, "policy.applied", RT_KV_U64("epoch", c->revision.epoch), RT_KV_U64("revision", c->revision.counter),
		RT_KV_U64("partners", xfed_policy_good_count(fresh)), RT_KV_U64("domains", xfed_policy_local_count(fresh)), RT_END);
	s2s_use_policy(c->s2s, fresh); /* the policy is new: every live stream is judged by it again */
	answer(l, &c->revision, true, XFED_REASON_NONE, "");
	if (is_other) {
		tell_others(l);
	}
	c->user->changed(c->user_data);
}

void channel_take_policy(struct channel_link *l, const Xfed__Frame *f)
{
	switch (proto_transfer_take(&l->transfer, f)) {
	case PROTO_TRANSFER_MORE:
		break;
	case PROTO_TRANSFER_COMPLETE:
		swap_policy(l, &l->transfer);
		proto_transfer_in_deinit(&l->transfer);
		break;
	case PROTO_TRANSFER_BAD:
	case PROTO_TRANSFER_NOMEM:
		proto_transfer_in_deinit(&l->transfer);
		proto_link_close(l->link, XFED_REASON_CHANNEL_FRAME_BAD, "policy transfer");
		break;
	}
}
