/* xfedctl test presence: an operator subscribes to a contact in a user's name. */
#include <stdio.h>
#include <utlist.h>

#include "presence/rights.h"
#include "xfed/rt/log.h"

static enum xfed_reason judge(const struct presence *p, struct xfed_arena *a, const struct presence_trial *t)
{
	struct deliver_request rq = { 0 };
	int rc = xfed_jid_parse(a, t->local, &rq.from);
	rc = rc == XFED_OK ? xfed_jid_parse(a, t->remote, &rq.to) : rc;
	return rc == XFED_OK ? deliver_judge_pair(p->deliver, &rq, POLICY_PRESENCE) : XFED_REASON_SIP_ADDRESS_UNMAPPABLE;
}

static void log_refused(struct presence *p, const struct presence_trial *t, enum xfed_reason reason)
{
	core_count_refusal(p->core, reason, xfed_reason_info(reason)->side);
	rt_log(RT_LOG_INFO, "presence.refused", RT_KV_ADDRESS("local", t->local), RT_KV_ADDRESS("partner", t->remote), RT_KV_REASON(reason), RT_END);
}

/* True: what the trial asked for is taken back. False: it was there before, or a device watches now. */
static bool take_back(struct presence_trial *t)
{
	struct pair *pair = t->pair;
	bool is_ours = !t->may_see && !t->is_asked && !pair->watches;
	if (is_ours && pair_relate(pair, IW_RELATION_OUT_UNSUBSCRIBE).is_changed && !t->is_lost) {
		pair_say(pair, XFED_TYPE_UNSUBSCRIBE, NULL);
	}
	return is_ours;
}

static void let_go(struct presence *p, struct presence_trial *t)
{
	t->pair->trials--;
	pair_release(t->pair);
	contacts_give_back(p->contacts, t->contact, presence_now(p));
}

static enum xfed_reason ask(struct presence *p, struct presence_trial *t)
{
	enum iw_relation_state before = contact_relation(t->contact).state;
	t->may_see = iw_relation_is_to(before);
	t->is_asked = iw_relation_is_pending_out(before);
	if (!t->may_see && !t->is_asked) {
		pair_used(t->pair, true); /* else it would lapse while it is looked at; what there was is not renewed by an operator */
	}
	if (!t->may_see) {
		pair_relate(t->pair, IW_RELATION_OUT_SUBSCRIBE);
	}
	enum xfed_reason reason = pair_send(t->pair, t->may_see ? XFED_TYPE_PROBE : XFED_TYPE_SUBSCRIBE, NULL, t->id);
	if (reason != XFED_REASON_NONE && !t->may_see && !t->is_asked) {
		pair_relate(t->pair, IW_RELATION_OUT_UNSUBSCRIBE); /* nobody has heard of it */
	}
	return reason;
}

static enum xfed_reason begin(struct presence *p, struct presence_trial *t)
{
	t->contact = contacts_hold(p->contacts, NULL, t->local, t->remote);
	t->pair = t->contact ? pair_of(p, t->contact) : NULL;
	if (!t->pair) {
		contacts_give_back(p->contacts, t->contact, presence_now(p));
		return XFED_REASON_STREAM_INTERNAL;
	}
	t->pair->trials++;
	enum xfed_reason reason = ask(p, t);
	if (reason != XFED_REASON_NONE) {
		let_go(p, t);
		return reason;
	}
	DL_APPEND(p->trials, t);
	return XFED_REASON_NONE;
}

enum xfed_reason presence_try(struct presence *p, struct presence_trial *t)
{
	struct xfed_arena a;
	xfed_arena_init(&a, 16384);
	enum xfed_reason reason = judge(p, &a, t);
	xfed_arena_deinit(&a);
	reason = reason == XFED_REASON_NONE ? begin(p, t) : reason;
	if (reason != XFED_REASON_NONE) {
		log_refused(p, t, reason);
	}
	return reason;
}

bool presence_leave(struct presence *p, struct presence_trial *t)
{
	bool is_taken_back = take_back(t);
	DL_DELETE(p->trials, t);
	let_go(p, t);
	return is_taken_back;
}

/* ---- what comes of it ---- */

void presence_trials_outcome(struct presence *p, struct xfed_span stanza_id, const struct proto_result *r)
{
	struct presence_trial *t, *next;
	DL_FOREACH_SAFE(p->trials, t, next) {
		if (!xfed_span_is(stanza_id, t->id)) {
			continue;
		}
		if (r->fate == XFED__FATE__FATE_DELIVERED) {
			t->taken(t);
		} else {
			t->is_lost = r->fate != XFED__FATE__FATE_UNCERTAIN;
			t->failed(t, r->reason == XFED_REASON_NONE ? XFED_REASON_DELIVERY_DEADLINE : r->reason, "");
		}
	}
}

static void hear_error(struct presence_trial *t, const struct delivery *d)
{
	struct iw_sip_error e;
	struct xfed_span text, condition = xfed_stanza_error_condition(d->stanza->elem, d->arena, &text);
	char words[128];
	iw_condition_to_sip(condition, false, false, &e);
	snprintf(words, sizeof(words), "%.*s", (int)(condition.len < 100 ? condition.len : 100), condition.data ? condition.data : "");
	t->failed(t, e.reason, words);
}

static void hear(struct presence_trial *t, const struct delivery *d)
{
	switch (d->stanza->type) {
	case XFED_TYPE_SUBSCRIBED:
		t->heard(t, PRESENCE_HEARD_APPROVED);
		break;
	case XFED_TYPE_UNSUBSCRIBED:
		t->heard(t, PRESENCE_HEARD_REFUSED);
		break;
	case XFED_TYPE_NONE:
		t->heard(t, PRESENCE_HEARD_ONLINE);
		break;
	case XFED_TYPE_UNAVAILABLE:
		t->heard(t, PRESENCE_HEARD_OFFLINE);
		break;
	case XFED_TYPE_ERROR:
		hear_error(t, d);
		break;
	default:
		break;
	}
}

void presence_trials_hear(struct presence *p, const struct delivery *d)
{
	struct presence_trial *t, *next;
	DL_FOREACH_SAFE(p->trials, t, next) {
		if (xfed_span_eq(t->local, d->local) && xfed_span_eq(t->remote, d->remote)) {
			hear(t, d);
		}
	}
}
