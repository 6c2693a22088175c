/*
 * panel: the control panel, web pages for people who run the gateway. The commands are those of `admin`; here is who may ask them, and how it looks.
 *
 *   web       the server, on a thread of its own and of low priority: TLS, HTTP, forms, and making pages (web.h)
 *   call      a request on its way to the loop and back: the loop knows who is signed in, and runs the commands (call.h)
 *   session   somebody who is signed in (session.h)
 *   page      a pure function of the answers of commands (page.h, route.h)
 *
 * May call every other room; nobody calls it but gateway.c.
 */
#ifndef GATEWAY_PANEL_PANEL_H
#define GATEWAY_PANEL_PANEL_H

#include "core/core.h"
#include "policy/policy.h"

struct panel;

struct panel_rooms {
	struct core *core;
	struct policy *policy;
	const struct rt_command_table *commands;
	void *commands_user;
};

/* Listens, if panel.listen is set; `*out` is there in any case. XFED_OK, or an error with one sentence in `error`. */
int panel_new(const struct panel_rooms *rooms, struct panel **out, char error[256]);
void panel_tick(struct panel *p);
void panel_reloaded(struct panel *p); /* other files are in force */
void panel_gauges(const struct panel *p);
void panel_problems(const struct panel *p, json_t *list); /* of `status`; NULL is fine */
void panel_stop(struct panel *p);			  /* while the loop runs; answers of commands may come until panel_free(). NULL is fine */
void panel_free(struct panel *p);			  /* behind all jobs and answers. NULL is fine */

#endif
