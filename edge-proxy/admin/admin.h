/*
 * admin: what operators ask, through the control socket or, by way of a gateway, over the channel.
 *
 *   verb    what a gateway may ask for
 *   check   `partner check`: the partner's records, TCP to each address, a stream by each method, and our own records
 *
 * May call: channel, s2s, core, the configuration. What only the process as a whole can do comes in with struct admin.
 */
#ifndef EDGE_ADMIN_ADMIN_H
#define EDGE_ADMIN_ADMIN_H

#include "channel/channel.h"
#include "s2s/s2s.h"
#include "xfed/rt/control.h"

struct check;

/* Filled in by who has made the rooms; the user of the commands. */
struct admin {
	struct core *core;
	const struct edge_config *config;
	struct s2s *s2s;
	struct channel *channel;
	struct check *checks; /* under way: admin's own */
	/* The process as a whole. */
	const char *(*service_word)(void *user);
	void (*gauges)(void *user);			  /* brings the metrics that are only looked up when somebody reads them up to date */
	json_t *(*read_files)(void *user, bool is_check); /* a reload, or what one would find; the answer to the command */
	void *user;
};

extern const struct rt_command_table admin_commands;

/* As struct channel_user has them. */
void admin_request(struct admin *a, struct channel_link *l, const Xfed__Request *r);
void admin_link_down(struct admin *a, const struct channel_link *l); /* its checks end, and nobody is told. NULL: all of them */

#endif
