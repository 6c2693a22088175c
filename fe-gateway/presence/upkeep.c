/*
 * All contacts in turn: after a start whom they watch is asked for anew, a few a second, and from then on each of them is looked at once
 * an hour whether anybody wants it any more.
 */
#include "presence/keep.h"
#include "presence/rights.h"
#include "presence/stale.h"
#include "xfed/rt/log.h"

#define RESUME_PER_S  50 /* or a hundredth of all, whichever is more */
#define LOOKS	      20 /* at contacts for each that may be resumed */
#define ROUND_S	      3600
#define PENDING_S     ((int64_t)30 * 24 * 3600)
#define PACE_UNLISTED 1

bool presence_pace(struct presence *p, struct xfed_span remote_domain)
{
	const struct xfed_partner *partner = policy_partner(p->policy, remote_domain);
	size_t most = partner && partner->stanzas_per_second > 2 * PACE_UNLISTED ? partner->stanzas_per_second / 2 : PACE_UNLISTED;
	return tally_take(&p->pace, policy_partner_share(p->policy, remote_domain), most) == XFED_OK;
}

/* ---- what is over ---- */

/*
 * What rests on the user's adding is kept up by the user alone. Of a partner that has become public-unverified those who were never added
 * are not: policy shows them nothing, and they are there again when its file is mended.
 */
static bool is_lapsed(const struct pair *pair, int64_t now_s)
{
	const struct policy *policy = pair->presence->policy;
	const struct xfed_partner *partner = policy_partner(policy, pair_remote_domain(pair));
	const struct contact *k = pair->contact;
	struct contact_facts f;
	contact_facts(k, presence_now(pair->presence), &f);
	bool is_users = partner && partner->type == XFED_PARTNER_PUBLIC_UNVERIFIED && f.is_added;
	int64_t last_s = is_users ? contact_wanted_s(k) : contact_used_s(k);
	bool is_request = !is_users && contact_relation(k).state == IW_RELATION_NONE_IN; /* that has a time of its own */
	return !is_request && now_s - last_s >= (int64_t)(policy_config(policy)->contact_memory_ms / 1000);
}

static void tell(const struct pair *pair, const char *event)
{
	rt_log(RT_LOG_INFO, event, RT_KV_ADDRESS("local", contact_local(pair->contact)), RT_KV_ADDRESS("partner", contact_remote(pair->contact)),
		RT_END);
}

static void end_what_is_over(struct pair *pair)
{
	int64_t now_s = core_wall_s(pair->presence->core), asked_s = contact_asked_s(pair->contact);
	if (is_lapsed(pair, now_s)) {
		tell(pair, "presence.lapsed");
		pair_end(pair);
	} else if (asked_s > 0 && now_s - asked_s >= PENDING_S) {
		tell(pair, "presence.unanswered");
		pair_end_rights(pair);
	}
}

/* ---- after a start ---- */

enum look { LOOKED, BEGUN, POSTPONED };

static enum look resume(struct pair *pair)
{
	if (!pair_is_unasked(pair)) {
		return LOOKED;
	}
	return presence_pace(pair->presence, pair_remote_domain(pair)) && follow_begin(pair) == XFED_OK ? BEGUN : POSTPONED;
}

static enum look look_at_next(struct presence *p, bool is_start)
{
	struct contact *k = contacts_rotate(p->contacts);
	contacts_hold(p->contacts, k, contact_local(k), contact_remote(k));
	struct pair *pair = pair_of(p, k);
	enum look did = pair ? LOOKED : POSTPONED;
	if (pair) {
		end_what_is_over(pair);
		did = is_start ? resume(pair) : LOOKED;
		pair_release(pair);
	}
	contacts_give_back(p->contacts, k, presence_now(p));
	return did;
}

void presence_resume(struct presence *p)
{
	p->resume.left = contacts_related_count(p->contacts);
	p->resume.begun_ms = presence_now(p);
}

static void go_on(struct presence *p, size_t most)
{
	for (size_t looks = most * LOOKS; looks > 0 && most > 0 && p->resume.left > 0; looks--) {
		enum look did = contacts_related_count(p->contacts) > 0 ? look_at_next(p, true) : LOOKED;
		p->resume.left--;
		p->resume.postponed += did == POSTPONED;
		most -= did == BEGUN;
	}
	if (p->resume.left == 0 && p->resume.postponed > 0) {
		p->resume.left = contacts_related_count(p->contacts);
		p->resume.postponed = 0;
	} else if (p->resume.left == 0) {
		rt_log(RT_LOG_INFO, "presence.resumed", RT_KV_U64("contacts", contacts_related_count(p->contacts)),
			RT_KV_U64("subscriptions", p->follow_count), RT_KV_U64("ms", presence_now(p) - p->resume.begun_ms), RT_END);
	}
}

void presence_tick(struct presence *p)
{
	size_t all = contacts_related_count(p->contacts);
	tally_clear(&p->pace);
	presence_resync(p);
	keep_tick(p, all / 100 > RESUME_PER_S ? all / 100 : RESUME_PER_S);
	if (p->resume.left > 0) {
		go_on(p, all / 100 > RESUME_PER_S ? all / 100 : RESUME_PER_S);
		return;
	}
	for (size_t i = 0; i < 1 + all / ROUND_S && contacts_related_count(p->contacts) > 0; i++) {
		look_at_next(p, false);
	}
}
