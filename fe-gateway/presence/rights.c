/* Rights of a pair, their renewal and their end. */
#include "presence/rights.h"
#include "presence/stale.h"

#include "xfed/rt/log.h"

void pair_used(struct pair *pair, bool is_by_user)
{
	contacts_used(pair->presence->contacts, pair->contact, is_by_user, core_wall_s(pair->presence->core));
}

bool pair_may_see(const struct pair *pair, bool is_contact)
{
	const struct presence *p = pair->presence;
	struct xfed_arena a;
	struct xfed_jid user, contact;
	struct contact_facts known;
	contact_facts(pair->contact, presence_now(p), &known);
	struct policy_facts f = { .from_is_good = true,
		.to_is_good = true,
		.from_is_ours = !is_contact,
		.to_is_ours = is_contact,
		.from_maps = true,
		.to_maps = true,
		.is_added = known.is_added };
	struct policy_verdict verdicts[POLICY_GATE_COUNT];
	const struct access_rule *rule;
	xfed_arena_init(&a, 16384);
	bool may = xfed_jid_parse(&a, contact_local(pair->contact), &user) == XFED_OK &&
		   xfed_jid_parse(&a, contact_remote(pair->contact), &contact) == XFED_OK && config_domain(policy_config(p->policy), user.domain);
	if (may) {
		policy_pair_facts(p->policy, &user, contact.domain, &f, &rule);
		may = policy_gates(&f, POLICY_PRESENCE, true, verdicts) == POLICY_GATE_COUNT;
	}
	xfed_arena_deinit(&a);
	return may;
}

bool pair_has_rights(const struct pair *pair)
{
	const struct xfed_partner *partner = policy_partner(pair->presence->policy, pair_remote_domain(pair));
	struct contact_facts f;
	contact_facts(pair->contact, presence_now(pair->presence), &f);
	return (partner && partner->type != XFED_PARTNER_PUBLIC_UNVERIFIED) || f.is_added;
}

bool pair_is_unasked(const struct pair *pair)
{
	enum iw_relation_state state = contact_relation(pair->contact).state;
	bool is_wanted = iw_relation_is_from(state) || iw_relation_is_pending_in(state);
	bool is_asked = pair->follow && !pair->follow->machine.is_unwanted && !follow_is_asleep(pair->follow);
	return is_wanted && !is_asked && pair_may_see(pair, true);
}

void pair_ask_again(struct pair *pair)
{
	if (pair_is_unasked(pair) && follow_begin(pair, PRESENCE_DOUBT_ANEW) != XFED_OK) {
		presence_resume(pair->presence, PRESENCE_DOUBT_ANEW); /* as soon as there is room for it */
	}
}

/* Unavailable from each device, then unsubscribed ([A11-03]). */
void pair_end_rights(struct pair *pair)
{
	bool was_seen = iw_relation_is_from(contact_relation(pair->contact).state);
	bool is_nothing_told = !pair->follow || pair->follow->told.count == 0;
	follow_end(pair);
	if (was_seen && is_nothing_told) {
		pair_say(pair, XFED_TYPE_UNAVAILABLE, NULL);
	}
	if (pair_relate(pair, IW_RELATION_OUT_UNSUBSCRIBED).is_changed) {
		pair_say(pair, XFED_TYPE_UNSUBSCRIBED, NULL);
	}
}

void pair_end(struct pair *pair)
{
	if (pair_relate(pair, IW_RELATION_OUT_UNSUBSCRIBE).is_changed) {
		pair_say(pair, XFED_TYPE_UNSUBSCRIBE, NULL);
	}
	contacts_approve(pair->presence->contacts, pair->contact, false);
	pair_end_rights(pair);
	known_remove(&pair->known, xfed_span_make(NULL, 0));
	watches_end(pair, SIP_END_REJECTED, -1);
}
