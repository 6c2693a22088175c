/*
 * admin: commands of operators, which come in by the control socket or, through a gateway, over the channel.
 *
 *   verb    a command that a gateway may pass on
 *   check   `partner check`: the partner's DNS records, TCP to each address, a stream by each login method, and our own DNS records
 *
 * May call channel, s2s, core and the configuration. What only the whole process can do comes in through struct admin.
 */
#ifndef EDGE_ADMIN_ADMIN_H
#define EDGE_ADMIN_ADMIN_H

#include "channel/channel.h"
#include "s2s/s2s.h"
#include "xfed/rt/control.h"

struct check;
struct dns_question;

/* Filled in by edge.c; the `user` of the commands. */
struct admin {
	struct core *core;
	const struct edge_config *config;
	struct s2s *s2s;
	struct channel *channel;
	struct check *checks;		/* checks that are running; used by admin alone */
	struct dns_question *questions; /* the same of dns.c */
	/* Functions of the whole process. */
	const char *(*service_word)(void *user);
	void (*gauges)(void *user); /* updates the metrics that are computed only when somebody reads them */
	/* reloads, or with `is_check` only says what a reload would find; returns the command's answer */
	json_t *(*read_files)(void *user, bool is_check);
	void *user;
};

extern const struct rt_command_table admin_commands;

/* As in struct channel_user. */
void admin_request(struct admin *a, struct channel_link *l, const Xfed__Request *r);
void admin_link_down(
	struct admin *a, const struct channel_link *l); /* ends the checks and questions that `l` asked for, without an answer; NULL: all checks */

#endif
