/*
 * Out of service (RFC 6665 section 4.4.1). Those who watch are told that their subscription is over and when to ask again, as a process
 * that is started later knows nothing of it; they keep what they were told last. What we have asked SIP servers for is left: it is
 * asked for anew after the next start, a NOTIFY that comes before gets 481, and an end told to each server now would be a storm.
 */
#include "presence/rights.h"
#include "presence/stale.h"

#define AGAIN_S	 5 /* and up to twice as much more */
#define QUIET_MS 2000

void pair_leave(struct pair *pair)
{
	const struct xfed_env *env = &pair->presence->core->d.env;
	uint8_t spread;
	env->random(env->user, &spread, sizeof(spread));
	watches_end(pair, SIP_END_PROBATION, AGAIN_S + spread % (2 * AGAIN_S + 1));
}

void presence_drain(struct presence *p)
{
	p->left_ms = presence_now(p);
	presence_walk(p, WALK_LEAVE);
}

bool presence_is_quiet(const struct presence *p)
{
	return p->watch_count == 0 || presence_now(p) - p->left_ms >= QUIET_MS;
}
