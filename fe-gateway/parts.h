/* The parts of a gateway, for the files that put them together: gateway.c, and links.c for what comes from the edges. */
#ifndef GATEWAY_PARTS_H
#define GATEWAY_PARTS_H

#include "admin/admin.h"
#include "deliver/deliver.h"
#include "gateway.h"
#include "im/im.h"
#include "journal/journal.h"
#include "panel/panel.h"
#include "presence/presence.h"
#include "service/service.h"
#include "sessions/sessions.h"

struct gateway {
	const char *config_path;
	struct policy_files *files; /* owned until policy_new() has taken them over */
	struct core core;
	struct store *store;
	struct policy *policy;
	struct journal *journal;
	struct channel *channel;
	struct trunk *trunk;
	struct contacts *contacts;
	struct deliver *deliver;
	struct sessions *sessions;
	struct im *im;
	struct presence *presence;
	struct admin admin;
	struct panel *panel;
	struct service service;
	struct rt_timer leave; /* the time of the next SERVICE_TICK */
};

void gateway_step(struct gateway *g, enum service_event ev); /* of its service */
extern const struct channel_user gateway_links;

#endif
