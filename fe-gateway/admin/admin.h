/*
 * admin: what operators ask through xfedctl. It looks into every other room; what only the edges know is asked of them, for a
 * bounded time.
 *
 *   gather   the answers of all edges make one reply
 *   relay    one edge's answer is the reply
 *   gate     one of the steps between two addresses that `explain` judges (explain.h)
 *
 * Calls every other room.
 */
#ifndef GATEWAY_ADMIN_ADMIN_H
#define GATEWAY_ADMIN_ADMIN_H

#include "im/im.h"
#include "journal/journal.h"
#include "store/store.h"
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
	/* The service as a whole: its state in a word, and whether it goes out of service. */
	const char *(*service)(void *user);
	bool (*is_leaving)(void *user);
	void *service_user;
};

extern const struct rt_command_table admin_commands;

#endif
