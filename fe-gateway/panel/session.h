/* Who is signed in. For the loop's thread; reads no clock. Bounded: XFED_PANEL_SESSIONS in all, of one name XFED_PANEL_SESSIONS_NAME. */
#ifndef GATEWAY_PANEL_SESSION_H
#define GATEWAY_PANEL_SESSION_H

#include "config/config.h"
#include "panel/request.h"
#include "xfed/env.h"
#include "xfed/limits.h"
#include "util/table.h"

#define PANEL_FROM 56 /* an address in words */

struct panel_session {
	char token[PANEL_TOKEN_HEX + 1]; /* in the cookie */
	char csrf[PANEL_TOKEN_HEX + 1];	 /* in each form */
	uint64_t id;			 /* by which it can be ended; from 1 */
	char name[PANEL_USER_NAME], from[PANEL_FROM];
	bool is_certificate, is_admin;
	uint64_t proof; /* of the line in the file that let it in: another hash is another password */
	int64_t since_s, used_s;
	uint64_t since_ms, used_ms;
	struct panel_session *prev, *next; /* by last use, the longest unused first */
	UT_hash_handle hh;
};

struct panel_sessions {
	struct panel_session *table, *list;
	size_t count;
	uint64_t last_id;
	uint32_t idle_ms, life_ms;
};

struct panel_session_time {
	uint64_t now_ms;
	int64_t wall_s;
};

/* Where there is no room the same name's, else the one unused for longest ends. NULL: no memory. */
struct panel_session *panel_session_begin(
	struct panel_sessions *k, const struct xfed_env *env, const struct panel_user *user, const char *from, struct panel_session_time now);
/* NULL: there is none, or its time is over (then it has ended). `is_use`: counts as a use. */
struct panel_session *panel_session_find(struct panel_sessions *k, const char *token, bool is_use, struct panel_session_time now);
struct panel_session *panel_session_by_id(const struct panel_sessions *k, uint64_t id);
void panel_session_end(struct panel_sessions *k, struct panel_session *s);
/* Ends those whose time is over; tells of each. About once a second. */
void panel_session_tick(
	struct panel_sessions *k, struct panel_session_time now, void (*ended)(void *user, const struct panel_session *s), void *user);
/* Other users are in force: ends those who may not any more, or may something else, or have another password. */
void panel_session_keep(
	struct panel_sessions *k, const struct panel_users *users, void (*ended)(void *user, const struct panel_session *s), void *user);
void panel_session_free_all(struct panel_sessions *k);

#endif
