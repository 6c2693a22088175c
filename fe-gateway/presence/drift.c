/*
 * The watchdog: compares what each watcher was told last with the known state, a sixtieth of the pairs a second. A difference is a bug of
 * this room: it is counted (xfed_presence_drift), logged, and repaired by telling again. So is a contact that may see the user while nobody
 * asks the user's server; where the contact has no pair the round through all contacts finds it (upkeep.c).
 */
#include "presence/rights.h"
#include "presence/stale.h"

#include <utlist.h>

#include "xfed/rt/log.h"

#define ROUND_S 60 /* in which every pair is looked at once */

static void found(struct pair *pair, const char *who)
{
	struct core *core = pair->presence->core;
	rt_metric_add(core->d.metrics, RT_M_PRESENCE_DRIFT, 1, RT_NO_LABELS);
	rt_log(RT_LOG_ERROR, "presence.drift", RT_KV_ADDRESS("local", contact_local(pair->contact)),
		RT_KV_ADDRESS("partner", contact_remote(pair->contact)), RT_KV_STR("watcher", who), RT_END);
}

/* No NOTIFY is due or under way: what it was told can be compared. */
static bool is_settled(const struct watch *w)
{
	return w->machine.state == SIP_SUB_ACTIVE && !w->is_untold && !w->machine.is_due && !w->machine.is_in_flight && !w->has_notify;
}

static void check_watches(struct pair *pair)
{
	bool may_see = iw_relation_is_to(contact_relation(pair->contact).state);
	struct watch *w;
	DL_FOREACH(pair->watches, w) {
		if (is_settled(w) && w->told != pair_digest(pair)) {
			found(pair, "user");
			watch_doubt(w);
		} else if (w->machine.state == SIP_SUB_PENDING && may_see) {
			found(pair, "user");
			watches_approved(pair);
		}
	}
}

static void check_follow(struct pair *pair)
{
	struct follow *f = pair->follow;
	bool is_told = f->machine.state == SIP_SUB_ACTIVE && iw_relation_is_from(contact_relation(pair->contact).state);
	if (is_told && f->why == PRESENCE_SURE && known_digest(&f->told) != f->heard) {
		found(pair, "contact");
		party_doubt(&f->party, PRESENCE_DOUBT_UNSENT); /* the NOTIFY after the refresh has the full state */
	}
}

bool follow_is_asleep(const struct follow *f)
{
	bool is_down = f->machine.state == SIP_SUB_IDLE || f->machine.state == SIP_SUB_TERMINATED;
	bool is_final = f->machine.state == SIP_SUB_TERMINATED && f->machine.told_reason == SIP_END_INVARIANT;
	return is_down && !is_final && !f->has_subscribe && f->party.again_ms == 0 && sip_subscriber_deadline(&f->machine) == UINT64_MAX;
}

/* Not while the round after a start or reload goes on, which asks; where an operator has ended it; or while one tries something. */
void pair_check_asked(struct pair *pair)
{
	bool is_due = pair->presence->resume.left == 0 && !pair->is_ended && pair->trials == 0;
	if (is_due && pair_is_unasked(pair)) {
		found(pair, "contact");
		pair_ask_again(pair);
	}
}

uint64_t pair_digest(const struct pair *pair)
{
	return known_digest(&pair->known);
}

void presence_check(struct presence *p)
{
	for (size_t i = 0; i < 1 + p->pair_count / ROUND_S && p->pairs; i++) {
		struct pair *pair = p->checked ? p->checked : p->pairs;
		p->checked = pair->next;
		check_watches(pair);
		pair_check_asked(pair);
		if (pair->follow) {
			check_follow(pair);
		}
	}
}
