/*
 * admin: what operators ask through xfedctl. It looks into every other room; what only the edges know is asked of them, for a
 * bounded time.
 *
 *   gather   the answers of all edges make one reply
 *   relay    one edge's answer is the reply
 *   test     something real that is sent in the name of a user of ours, to see what comes of it
 *   gate     one of the steps between two addresses that `explain` judges (explain.h)
 *
 * Calls every other room.
 */
#ifndef GATEWAY_ADMIN_ADMIN_H
#define GATEWAY_ADMIN_ADMIN_H

#include "channel/channel.h"
#include "contacts/contacts.h"
#include "im/im.h"
#include "journal/journal.h"
#include "policy/policy.h"
#include "presence/presence.h"
#include "store/store.h"
#include "trunk/trunk.h"
#include "xfed/rt/control.h"

/* The rooms it looks into, filled in by who has made them; the user of the commands. */
struct admin {
	struct core *core;
	const struct store *store;
	struct policy *policy;
	struct journal *journal;
	struct channel *channel;
	struct trunk *trunk;
	struct contacts *contacts;
	struct im *im;
	struct presence *presence;
	struct test *tests; /* those under way: control_test.c; NULL */
	/* The service as a whole: its state in a word, whether it goes out of service, and how much has no fate yet. */
	const char *(*service)(void *user);
	bool (*is_leaving)(void *user);
	size_t (*in_flight)(void *user);
	void *service_user;
};

extern const struct rt_command_table admin_commands;

void admin_flush(struct admin *ad); /* the end of a turn */
void admin_drain(struct admin *ad); /* tests end, and leave nothing behind */
void admin_stop(struct admin *ad);  /* the same, while the rooms below are there */

/* `theirs` is what an edge says of its policy: the same content is the same policy, whatever its number. Older edges tell no hash. */
bool admin_is_our_policy(const struct admin *ad, const json_t *theirs);

#endif
