/*
 * The watchdog: compares what each watcher was told last with the known state, a sixtieth of the pairs a second. A difference is a bug of
 * this room: it is counted (xfed_presence_drift), logged, and repaired by telling again.
 */
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
		if (pair->follow) {
			check_follow(pair);
		}
	}
}
