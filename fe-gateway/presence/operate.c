/* xfedctl contact and subscription. */
#include "presence/rights.h"

#include "xfed/rt/log.h"

/* ---- contacts ---- */

int presence_approve(struct presence *p, struct xfed_span local, struct xfed_span remote)
{
	const struct xfed_partner *partner = policy_partner(p->policy, xfed_jid_domain_part(remote));
	if (!partner || !config_domain(policy_config(p->policy), xfed_jid_domain_part(local))) {
		return XFED_ERR_NOT_FOUND;
	}
	if (partner->type != XFED_PARTNER_PUBLIC_UNVERIFIED) {
		return XFED_ERR_STATE;
	}
	struct contact *k = contacts_hold(p->contacts, NULL, local, remote);
	if (!k) {
		return XFED_ERR_NOMEM;
	}
	contacts_approve(p->contacts, k, true);
	contacts_used(p->contacts, k, true, core_wall_s(p->core));
	struct pair *pair = pair_of(p, k);
	if (pair) { /* who saw the user before the partner's type changed sees it again */
		pair_ask_again(pair);
		pair_release(pair);
	} else {
		presence_resume(p, PRESENCE_DOUBT_ANEW);
	}
	contacts_give_back(p->contacts, k, presence_now(p));
	rt_log(RT_LOG_INFO, "presence.approved", RT_KV_ADDRESS("local", local), RT_KV_ADDRESS("partner", remote), RT_END);
	return XFED_OK;
}

int presence_remove(struct presence *p, struct xfed_span local, struct xfed_span remote)
{
	struct contact *k = contacts_find(p->contacts, local, remote);
	if (!k || !contact_is_related(k)) {
		return XFED_ERR_NOT_FOUND;
	}
	contacts_hold(p->contacts, k, local, remote);
	struct pair *pair = pair_of(p, k);
	if (pair) {
		pair_end(pair);
		pair_release(pair);
	}
	contacts_give_back(p->contacts, k, presence_now(p));
	return pair ? XFED_OK : XFED_ERR_NOMEM;
}

/* ---- subscriptions ---- */

static struct presence_subscription of_watch(const struct watch *w)
{
	const struct pair *pair = w->party.pair;
	return (struct presence_subscription){ .id = w->party.id,
		.is_of_user = true,
		.contact = pair->contact,
		.state = sip_sub_state_word(w->machine.state),
		.expires_ms = w->machine.expires_ms,
		.devices = pair->known.count,
		.is_stale = pair->why != PRESENCE_SURE };
}

static struct presence_subscription of_follow(const struct follow *f)
{
	const struct pair *pair = f->party.pair;
	return (struct presence_subscription){ .id = f->party.id,
		.contact = pair->contact,
		.state = f->machine.is_unwanted ? "ending" : sip_sub_state_word(f->machine.state),
		.expires_ms = f->machine.expires_ms,
		.devices = f->told.count,
		.is_stale = f->why != PRESENCE_SURE };
}

size_t presence_subscriptions(const struct presence *p, const struct contact *k, struct presence_subscription *out, size_t room)
{
	const struct pair *pair = contact_live(k);
	size_t n = 0;
	for (const struct watch *w = pair ? pair->watches : NULL; w; w = w->next, n++) {
		if (n < room) {
			out[n] = of_watch(w);
		}
	}
	if (pair && pair->follow) {
		if (n < room) {
			out[n] = of_follow(pair->follow);
		}
		n++;
	}
	return n;
}

bool presence_subscription(const struct presence *p, uint64_t id, struct presence_subscription *out)
{
	const struct party *t = party_find(p, id);
	if (t) {
		*out = t->kind == PARTY_WATCH ? of_watch((const struct watch *)t) : of_follow((const struct follow *)t);
	}
	return t;
}

bool presence_subscription_end(struct presence *p, uint64_t id)
{
	struct party *t = party_find(p, id);
	if (t && t->kind == PARTY_WATCH) {
		watch_end((struct watch *)t, SIP_END_DEACTIVATED);
	} else if (t) {
		enum iw_relation_state state = contact_relation(t->pair->contact).state;
		t->pair->is_ended = iw_relation_is_from(state) || iw_relation_is_pending_in(state); /* else nobody would ask anyway */
		follow_end(t->pair);
	}
	return t;
}
