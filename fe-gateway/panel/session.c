#include "panel/session.h"

#include <stdio.h>

#include "util/hex.h"
#include "util/list.h"

static uint64_t proof_of(const struct panel_user *u)
{
	return u->hash ? xfed_hash_bytes(u->hash, strlen(u->hash)) : 0;
}

static void token(const struct xfed_env *env, char out[PANEL_TOKEN_HEX + 1])
{
	uint8_t bytes[PANEL_TOKEN_HEX / 2];
	env->random(env->user, bytes, sizeof(bytes));
	xfed_hex(out, bytes, sizeof(bytes));
	xfed_wipe(bytes, sizeof(bytes));
}

void panel_session_end(struct panel_sessions *k, struct panel_session *s)
{
	HASH_DEL(k->table, s);
	DL_DELETE(k->list, s);
	k->count--;
	xfed_wipe(s, sizeof(*s));
	xfed_free(s);
}

/* Signing in is rare, and the table small: a walk. */
static void make_room(struct panel_sessions *k, const struct panel_user *user)
{
	struct panel_session *oldest = NULL, *s;
	size_t count = 0;
	DL_FOREACH(k->list, s) {
		bool is_same = s->is_certificate == !user->hash && strcmp(s->name, user->name) == 0;
		oldest = is_same && !oldest ? s : oldest;
		count += is_same;
	}
	if (count >= XFED_PANEL_SESSIONS_NAME) {
		panel_session_end(k, oldest);
	} else if (k->count >= XFED_PANEL_SESSIONS) {
		panel_session_end(k, k->list);
	}
}

struct panel_session *panel_session_begin(
	struct panel_sessions *k, const struct xfed_env *env, const struct panel_user *user, const char *from, struct panel_session_time now)
{
	struct panel_session *s = xfed_calloc(1, sizeof(*s));
	if (!s) {
		return NULL;
	}
	make_room(k, user);
	token(env, s->token);
	token(env, s->csrf);
	s->id = ++k->last_id;
	snprintf(s->name, sizeof(s->name), "%s", user->name);
	snprintf(s->from, sizeof(s->from), "%s", from);
	s->is_certificate = !user->hash;
	s->is_admin = user->is_admin;
	s->proof = proof_of(user);
	s->since_s = s->used_s = now.wall_s;
	s->since_ms = s->used_ms = now.now_ms;
	HASH_ADD(hh, k->table, token, PANEL_TOKEN_HEX, s);
	if (!XFED_TABLE_ADDED(s)) {
		xfed_free(s);
		return NULL;
	}
	DL_APPEND(k->list, s);
	k->count++;
	return s;
}

static bool is_over(const struct panel_sessions *k, const struct panel_session *s, uint64_t now_ms)
{
	return now_ms - s->used_ms >= k->idle_ms || now_ms - s->since_ms >= k->life_ms;
}

struct panel_session *panel_session_find(struct panel_sessions *k, const char *token, bool is_use, struct panel_session_time now)
{
	struct panel_session *s = NULL;
	if (strlen(token) == PANEL_TOKEN_HEX) {
		HASH_FIND(hh, k->table, token, PANEL_TOKEN_HEX, s);
	}
	if (!s || is_over(k, s, now.now_ms)) {
		return NULL; /* the tick ends it, and says so */
	}
	if (is_use) {
		s->used_s = now.wall_s;
		s->used_ms = now.now_ms;
		DL_DELETE(k->list, s);
		DL_APPEND(k->list, s);
	}
	return s;
}

struct panel_session *panel_session_by_id(const struct panel_sessions *k, uint64_t id)
{
	struct panel_session *s;
	DL_FOREACH(k->list, s) {
		if (s->id == id) {
			return s;
		}
	}
	return NULL;
}

void panel_session_tick(struct panel_sessions *k, struct panel_session_time now, void (*ended)(void *user, const struct panel_session *s), void *user)
{
	struct panel_session *s, *next;
	DL_FOREACH_SAFE(k->list, s, next) {
		if (is_over(k, s, now.now_ms)) {
			ended(user, s);
			panel_session_end(k, s);
		}
	}
}

void panel_session_keep(
	struct panel_sessions *k, const struct panel_users *users, void (*ended)(void *user, const struct panel_session *s), void *user)
{
	struct panel_session *s, *next;
	DL_FOREACH_SAFE(k->list, s, next) {
		const struct panel_user *u = panel_users_find(users, s->is_certificate, xfed_span_str(s->name));
		if (!u || u->is_admin != s->is_admin || proof_of(u) != s->proof) {
			ended(user, s);
			panel_session_end(k, s);
		}
	}
}

void panel_session_free_all(struct panel_sessions *k)
{
	while (k->list) {
		panel_session_end(k, k->list);
	}
}
