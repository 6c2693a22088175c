/* NOTIFYs that are too large for UDP are tried by TCP (RFC 3261 section 18.1.1). */
#include "presence/stale.h"

/*
 * TCP was our choice, not the watcher's: that it does not get there by it does not end the subscription, and is found out once. Who is
 * without TCP is told as much as UDP holds.
 */
bool watch_falls_back(struct watch *w)
{
	bool was_large = w->party.send.is_large;
	if (was_large) {
		w->party.send.is_large = false;
		w->is_udp_only = true;
		w->has_notify = true;
		party_queue(&w->party);
	}
	return was_large;
}
