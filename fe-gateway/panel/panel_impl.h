/* What the files of the loop's side share: panel.c decides about requests, login.c lets people in. */
#ifndef GATEWAY_PANEL_PANEL_IMPL_H
#define GATEWAY_PANEL_PANEL_IMPL_H

#include <uv.h>

#include "panel/panel.h"
#include "panel/session.h"
#include "panel/web.h"
#include "xfed/rt/job.h"
#include "xfed/rt/log.h"
#include "xfed/rt/password.h"
#include "xfed/rt/source.h"

#define PANEL_TRIES 1024 /* names share one each, by their hash */

/* Somebody's password while it is checked; wiped at the end. */
struct login {
	struct login *next;
	struct panel_call *call;
	char name[PANEL_USER_NAME], password[RT_PASSWORD_BYTES + 1];
	char hash[RT_PASSWORD_HASH], like[RT_PASSWORD_HASH]; /* "": nobody has that name; "": there is nobody */
	bool is_right;
};

struct logins {
	struct login *first, *running; /* the queue, with the one whose hash is computed */
	size_t count;
	struct rt_job job;
	struct rt_sources sources;
	struct login_tries {
		double left;
		uint64_t at_ms;
		struct rt_addr good; /* where somebody signed in by it last */
	} tries[PANEL_TRIES];
};

struct panel {
	struct panel_rooms rooms;
	int fd;		  /* -1: off */
	uint64_t options; /* hash of what the server was started with */
	struct web *web;
	uv_async_t *async; /* NULL: closed */
	struct rt_post finish;
	struct panel_call *finished;
	struct panel_sessions sessions;
	struct logins logins;
	char problem[256]; /* why there is no server; "": there is */
	int64_t problem_s;
	bool is_stopped;
};

static inline struct panel_session_time panel_time(const struct panel *p)
{
	return (struct panel_session_time){ core_now(p->rooms.core), core_wall_s(p->rooms.core) };
}

/* ---- panel.c: how a call is answered; each gives it away ---- */

void panel_finish(struct panel *p, struct panel_call *c);
void panel_say_error(struct panel *p, struct panel_call *c, int status, enum panel_word word);
void panel_say_login(struct panel *p, struct panel_call *c, int status, enum panel_word word);
void panel_go(struct panel *p, struct panel_call *c, struct xfed_span where);
/* Counts a refusal, and logs it with `event`; `name` NULL: of nobody. */
void panel_refuse(struct panel *p, const struct panel_call *c, const char *event, enum xfed_reason reason, const char *name);
/* The same of somebody who is not let in, for audit list too. */
void panel_refuse_login(struct panel *p, const struct panel_call *c, enum xfed_reason reason, const char *name);
void panel_audit(const char *event, const struct panel_session *s, const char *from);

/* ---- login.c ---- */

void login_init(struct panel *p);
void login_begin(struct panel *p, struct panel_call *c); /* a form with name and password */
/* Whose certificate the connection has, as a new session, whose cookie the answer sets; NULL: nobody's. */
struct panel_session *login_by_certificate(struct panel *p, struct panel_call *c);
void login_tick(struct panel *p);
void login_stop(struct panel *p); /* nobody is let in any more; a job that runs is waited for by the loop */
void login_free(struct panel *p);

#endif
