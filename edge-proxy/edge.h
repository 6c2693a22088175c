/* xfed-edge: puts the rooms together. edge.c and service.c see all rooms; no room includes this header. One struct edge per process. */
#ifndef EDGE_EDGE_H
#define EDGE_EDGE_H

#include "admin/admin.h"
#include "channel/channel.h"
#include "config.h"
#include "core/core.h"
#include "relay/relay.h"
#include "s2s/s2s.h"
#include "service/service.h"
#include "xfed/rt/listener.h"
#include "xfed/rt/log.h"

struct edge {
	char *config_path;
	struct edge_config *config;
	struct core core;
	struct s2s *s2s;
	struct channel *channel;
	struct relay *relay;
	struct admin admin;

	struct rt_listener **listeners, **channel_listeners;
	size_t listener_count, channel_listener_count;
	struct service service;
	struct rt_timer service_timer;
	int exit_code;
};

/* edge.c */
int edge_new(const char *config_path, struct edge_config *config, struct edge **out, char error[256]);
void edge_free(struct edge *e);
void edge_drain(struct edge *e);	  /* begin nothing new */
bool edge_is_quiet(const struct edge *e); /* every delivery is settled */
void edge_give_up(struct edge *e);	  /* settles what is left, as refused or uncertain */

/* service.c */
int edge_service_start(struct edge *e, char error[256]);
void edge_service_judge(struct edge *e); /* to be called after each change of the policy or the links */
void edge_service_drain(struct edge *e);
void edge_service_left(struct edge *e); /* to be called when a stream or a delivery has ended */
void edge_service_stop(struct edge *e);

#endif
