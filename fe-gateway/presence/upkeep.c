/*
 * Rounds through all contacts. After a start or reload: missing follows are made, max(50, 1 %) a second. Otherwise: every contact is looked
 * at once in ten minutes, whether its relation has lapsed, its request has expired, or it sees nothing of a user that it may see (drift.c).
 */
#include "presence/keep.h"
#include "presence/rights.h"
#include "presence/stale.h"
#include "xfed/hash.h"
#include "xfed/rt/log.h"

#define RESUME_PER_S  50 /* or a hundredth of all, whichever is more */
#define LOOKS	      20 /* contacts looked at for each follow that may be made */
#define ROUND_S	      600
#define PENDING_S     ((int64_t)30 * 24 * 3600)
#define PACE_UNLISTED 1

bool presence_pace(struct presence *p, struct xfed_span remote_domain)
{
	const struct xfed_partner *partner = policy_partner(p->policy, remote_domain);
	size_t most = partner && partner->stanzas_per_second > 2 * PACE_UNLISTED ? partner->stanzas_per_second / 2 : PACE_UNLISTED;
	return tally_take(&p->pace, policy_partner_share(p->policy, remote_domain), most) == XFED_OK;
}

/* ---- lapse and expiry ---- */

/*
 * Rights that rest on the user's adding (public-unverified) are renewed by the user alone. Contacts of such a partner that were never added
 * do not lapse by that rule: the partner's type may be a mistake in its file, and policy shows them nothing meanwhile.
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

/*
 * What the contact was told before this process it may still show, and policy lets it see nothing any more: it is told that there is
 * nobody, once. A reload does so itself, by what it ends.
 */
static enum look tell_gone(struct pair *pair)
{
	struct presence *p = pair->presence;
	struct tally **told = &p->resume.told;
	struct xfed_span local = contact_local(pair->contact), remote = contact_remote(pair->contact);
	uint64_t parts[2] = { xfed_hash_bytes(local.data, local.len), xfed_hash_bytes(remote.data, remote.len) };
	uint64_t key = xfed_hash_bytes(parts, sizeof(parts));
	int rc = p->links > 0 ? tally_take(told, key, 1) : XFED_ERR_AGAIN;
	if (rc != XFED_OK) {
		return rc == XFED_ERR_LIMIT ? LOOKED : POSTPONED;
	}
	if (!presence_pace(p, pair_remote_domain(pair)) || !pair_say(pair, XFED_TYPE_UNAVAILABLE, NULL)) {
		tally_give(told, key);
		return POSTPONED;
	}
	return BEGUN;
}

static enum look resume(struct pair *pair)
{
	struct presence *p = pair->presence;
	if (pair_is_unasked(pair)) {
		return presence_pace(p, pair_remote_domain(pair)) && follow_begin(pair, p->resume.why) == XFED_OK ? BEGUN : POSTPONED;
	}
	bool was_seen = p->resume.is_start && !pair->follow && iw_relation_is_from(contact_relation(pair->contact).state);
	return was_seen && !pair_may_see(pair, true) ? tell_gone(pair) : LOOKED;
}

static enum look look_at_next(struct presence *p, bool is_start)
{
	struct contact *k = contacts_rotate(p->contacts);
	contacts_hold(p->contacts, k, contact_local(k), contact_remote(k));
	struct pair *pair = pair_of(p, k);
	enum look did = pair ? LOOKED : POSTPONED;
	if (pair) {
		end_what_is_over(pair);
		if (is_start) {
			did = resume(pair);
		} else {
			pair_check_asked(pair);
		}
		pair_release(pair);
	}
	contacts_give_back(p->contacts, k, presence_now(p));
	return did;
}

void presence_resume(struct presence *p, enum presence_doubt why)
{
	p->resume.why = p->resume.left > 0 && p->resume.why == PRESENCE_DOUBT_START ? PRESENCE_DOUBT_START : why;
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
		p->resume.is_start = false;
		tally_clear(&p->resume.told);
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
