/* Who is typing, both ways (INFO). */
#include "sessions/sessions_impl.h"

#define TYPING_EVERY_MS 5000  /* a client takes it back after 6 s unless it is told again */
#define TYPING_LEAST_MS 1000  /* between two beginnings: either side may flood us, and not the other one */
#define TYPING_MOST_MS	60000 /* of a contact who says it once and never takes it back */

/* ---- the contact types ---- */

static void say_typing(struct session *s, enum iw_chat_state state)
{
	struct call *c = session_current(s);
	struct xfed_buf body;
	xfed_buf_init(&body, IW_TYPING_BYTES);
	if (c && iw_typing_write(&body, IW_TYPING_KEYBOARD, state) == XFED_OK) {
		session_note(c, "INFO", iw_typing_type(IW_TYPING_KEYBOARD), xfed_buf_span(&body), NULL);
	}
	xfed_buf_deinit(&body);
}

static void say_paused(struct session *s)
{
	if (s->typing.is_told) {
		s->typing.is_told = false;
		say_typing(s, IW_CHAT_PAUSED);
	}
}

bool sessions_typing(struct sessions *ss, struct xfed_span local, struct xfed_span remote, enum iw_chat_state state)
{
	struct session *s = session_find(ss, local, remote);
	uint64_t now = sessions_now(ss);
	if (!s) {
		return false; /* nothing is said of typing before there is a session */
	}
	s->typing.is_known = true;
	bool is_open = session_current(s) != NULL;
	bool was_typing = s->typing.again_ms != 0;
	if (state == IW_CHAT_COMPOSING) {
		s->typing.until_ms = now + TYPING_MOST_MS;
	}
	if (state == IW_CHAT_COMPOSING && !was_typing && is_open) {
		bool is_soon = s->typing.said_ms != 0 && now < s->typing.said_ms + TYPING_LEAST_MS;
		s->typing.again_ms = is_soon ? s->typing.said_ms + TYPING_LEAST_MS : now; /* said by the tick */
		session_typing_tick(s);
	} else if (state != IW_CHAT_COMPOSING && was_typing) {
		s->typing.again_ms = 0;
		say_paused(s);
	}
	session_settle(s);
	return is_open;
}

/* ---- the user types ---- */

static void tell_contact(const struct session *s, enum iw_chat_state state)
{
	const struct sessions_user *u = s->room->user;
	if (s->typing.is_known) { /* XEP-0085 section 5.1: whoever says nothing of it himself is told nothing */
		u->typing(u->data, s->local, s->remote, state);
	} else {
		core_count_dropped(s->room->below.core, "chat-state");
	}
}

static void user_stops(struct session *s, bool is_said)
{
	bool was_told = s->typing.is_contact_told;
	s->typing.heard_ms = s->typing.tell_ms = 0;
	s->typing.is_contact_told = false;
	if (was_told && is_said) {
		tell_contact(s, IW_CHAT_PAUSED);
	}
}

static void user_tick(struct session *s, uint64_t now)
{
	if (s->typing.tell_ms != 0 && now >= s->typing.tell_ms) {
		s->typing.tell_ms = 0;
		s->typing.told_ms = now;
		s->typing.is_contact_told = true;
		tell_contact(s, IW_CHAT_COMPOSING);
	}
	if (s->typing.heard_ms != 0 && now >= s->typing.heard_ms) {
		user_stops(s, true);
	}
}

void session_user_types(struct session *s, const struct iw_typing *t)
{
	uint64_t now = sessions_now(s->room);
	bool was_typing = s->typing.heard_ms != 0;
	if (t->state != IW_CHAT_COMPOSING) {
		user_stops(s, true);
		return;
	}
	s->typing.heard_ms = now + (uint64_t)t->lapse_s * 1000;
	if (!was_typing) {
		bool is_soon = s->typing.told_ms != 0 && now < s->typing.told_ms + TYPING_LEAST_MS;
		s->typing.tell_ms = is_soon ? s->typing.told_ms + TYPING_LEAST_MS : now; /* told by the tick */
		user_tick(s, now);
	}
}

/* ---- time ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return b != 0 && b < a ? b : a;
}

uint64_t session_typing_deadline(const struct session *s)
{
	return sooner(sooner(sooner(UINT64_MAX, s->typing.again_ms), s->typing.heard_ms), s->typing.tell_ms);
}

void session_typing_tick(struct session *s)
{
	uint64_t now = sessions_now(s->room);
	if (s->typing.again_ms != 0 && now >= s->typing.again_ms) {
		bool is_over = now >= s->typing.until_ms || !session_current(s);
		s->typing.again_ms = is_over ? 0 : now + TYPING_EVERY_MS;
		if (is_over) {
			say_paused(s);
		} else {
			s->typing.said_ms = now;
			s->typing.is_told = true;
			say_typing(s, IW_CHAT_COMPOSING);
		}
	}
	user_tick(s, now);
}

/* A text ends it, on either side, without a word. */
void session_typing_over(struct session *s, bool is_users)
{
	if (is_users) {
		user_stops(s, false);
	} else {
		s->typing.again_ms = 0;
		s->typing.is_told = false;
	}
}
