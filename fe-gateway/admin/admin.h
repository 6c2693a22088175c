/*
 * admin: commands of operators, which come in from xfedctl by the control socket. It reads from every other room; what only the edges know
 * is asked of them, with a time limit.
 *
 *   gather   one reply is made of the answers of all edges
 *   relay    the answer of one edge is the reply
 *   test     a real message or request that is sent in the name of a user of ours, and what comes of it
 *   gate     one of the conditions between two addresses that `explain` judges (explain.h)
 *
 * May call every other room.
 */
#ifndef GATEWAY_ADMIN_ADMIN_H
#define GATEWAY_ADMIN_ADMIN_H

#include "admin/traffic.h"
#include "channel/channel.h"
#include "contacts/contacts.h"
#include "im/im.h"
#include "journal/journal.h"
#include "policy/policy.h"
#include "presence/presence.h"
#include "store/store.h"
#include "trunk/trunk.h"
#include "xfed/rt/control.h"

/* The rooms it reads from, filled in by gateway.c; the `user` of the commands. */
struct admin {
	struct core *core;
	struct store *store;
	bool is_copying; /* a copy of the store is being made (control_store.c) */
	struct policy *policy;
	struct journal *journal;
	struct channel *channel;
	struct trunk *trunk;
	struct contacts *contacts;
	struct im *im;
	struct sessions *sessions;
	struct presence *presence;
	struct traffic traffic;	    /* of the last hour */
	struct writer_ask *errands; /* changes that the writer of files was asked for (writer.h); NULL: none */
	struct test *tests;	    /* those in progress (control_test.c); NULL: none */
	/* Functions of the whole service: its state in a word, whether it is going out of service, and how many deliveries have no outcome yet. */
	const char *(*service)(void *user);
	bool (*is_leaving)(void *user);
	size_t (*in_flight)(void *user);
	void (*problems)(void *user, json_t *list); /* those of rooms above */
	void *service_user;
};

extern const struct rt_command_table admin_commands;

void admin_tick(struct admin *ad);
void admin_flush(struct admin *ad); /* at the end of each turn */
void admin_drain(struct admin *ad); /* ends the tests, which leave nothing behind */
void admin_stop(struct admin *ad);  /* the same, before the rooms below are stopped */

/*
 * Whether the edge has our policy in force. `theirs` is what it says of its policy; the content decides, by its hash, not the number. Edges
 * of older versions send no hash.
 */
bool admin_is_our_policy(const struct admin *ad, const json_t *theirs);

/* The edge called `name`; where that is NULL the first that is linked. False: there is none, or no link to it, which has been replied. */
bool admin_edge_for(struct admin *ad, struct rt_reply reply, const char *name, struct channel_edge *out);

/* Tries the change of a file that `args` name (change check, change begin); `look` NULL: it is begun, and held where all is fine. */
void admin_try(struct admin *ad, struct rt_reply reply, const json_t *args, const struct policy_look *look);

#define ADMIN_HOPS_MS 4000 /* for next hops that are asked before the answer to a command; then it is said that they have not answered yet */

/* A hidden file beside `file`, or beside what that is a link to. Nothing else is read for whoever asks. */
bool admin_is_beside(const char *with, const char *file);

#endif
