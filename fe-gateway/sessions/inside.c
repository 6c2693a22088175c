/* Requests of ours in a call besides MESSAGE and BYE, sent at the end of the turn: who is typing (INFO), and what was lost (NOTIFY). */
#include "sessions/sessions_impl.h"

#include <utlist.h>

#include "interwork/address.h"
#include "interwork/imdn.h"

#define TYPING_EVERY_MS 5000  /* a client takes it back after 6 s unless it is told again */
#define TYPING_LEAST_MS 1000  /* between two beginnings: either side may flood us, and not the other one */
#define TYPING_MOST_MS	60000 /* of a contact who says it once and never takes it back */

/* ---- sending ---- */

struct session_note {
	uint64_t call;
	const char *method, *type;
	struct session_note *prev, *next;
	struct xfed_buf body;
};

static struct call *current_call(const struct session *s)
{
	struct call *c = s && s->machine.current != SIP_SESSION_NO_CALL ? s->calls[s->machine.current] : NULL;
	return c && c->is_up ? c : NULL;
}

/* NULL: no memory. What is in its body then is sent. */
static struct session_note *add_note(struct call *c, const char *method, const char *type)
{
	struct sessions *ss = c->room;
	struct session_note *n = xfed_calloc(1, sizeof(*n));
	if (n) {
		n->call = c->id;
		n->method = method;
		n->type = type;
		xfed_buf_init(&n->body, IW_IMDN_BYTES);
		DL_APPEND(ss->notes, n);
		core_flush_soon(ss->below.core);
	}
	return n;
}

/* Its answer is not looked at: it would not be sent again, and if the peer does not know the dialog any more the next MESSAGE shows that (481). */
static void send_note(struct sessions *ss, const struct session_note *n)
{
	struct call *c = call_find(ss, n->call);
	const struct config_domain *d = c && c->session ? session_domain(c->session) : NULL;
	char contact[TRUNK_CONTACT_BYTES];
	uint64_t txn;
	if (!d || c->dialog == 0 || xfed_buf_len(&n->body) == 0) {
		return;
	}
	struct sip_layer_request rq = {
		.max_request = d->max_request_bytes,
		.dialog = c->dialog,
		.request = {
			.method = xfed_span_str(n->method),
			.contact = xfed_span_str(trunk_contact(ss->below.trunk, c->transport, contact)),
			.user_agent = XFED_SPAN(SIP_USER_AGENT),
			.content_type = xfed_span_str(n->type),
			.body = xfed_buf_span(&n->body),
		},
	};
	int rc = trunk_send_inside(&c->send, d, &rq, &txn);
	if (rc != XFED_OK) {
		rt_log(RT_LOG_DEBUG, "session.unsent", RT_KV_U64("call", n->call), RT_KV_STR("method", n->method),
			RT_KV_REASON(trunk_unsent(rc).reason), RT_END);
	}
}

static void note_free(struct sessions *ss, struct session_note *n)
{
	DL_DELETE(ss->notes, n);
	xfed_buf_deinit(&n->body);
	xfed_free(n);
}

void session_notes_flush(struct sessions *ss)
{
	while (ss->notes) {
		send_note(ss, ss->notes);
		note_free(ss, ss->notes);
	}
}

void session_notes_free(struct sessions *ss)
{
	while (ss->notes) {
		note_free(ss, ss->notes);
	}
}

/* ---- a message that was lost after its answer ---- */

bool sessions_tell_lost(struct sessions *ss, struct xfed_span local, struct xfed_span remote, struct xfed_span message_id, int status)
{
	struct call *c = current_call(session_find(ss, local, remote));
	struct session_note *n = c ? add_note(c, "NOTIFY", IW_IMDN_TYPE) : NULL;
	struct xfed_arena a;
	struct xfed_jid contact;
	struct xfed_span uri;
	xfed_arena_init(&a, 16 * 1024);
	int rc = n ? xfed_jid_parse(&a, remote, &contact) : XFED_ERR_NOT_FOUND;
	rc = rc == XFED_OK ? iw_jid_to_sip(&a, &contact, NULL, &uri) : rc;
	rc = rc == XFED_OK ? iw_imdn_write(&n->body, message_id, uri, status) : rc;
	xfed_arena_deinit(&a);
	return rc == XFED_OK;
}

/* ---- the contact types ---- */

static void say_typing(struct session *s, enum iw_chat_state state)
{
	struct call *c = current_call(s);
	struct session_note *n = c ? add_note(c, "INFO", iw_typing_type(IW_TYPING_KEYBOARD)) : NULL;
	if (n && iw_typing_write(&n->body, IW_TYPING_KEYBOARD, state) != XFED_OK) {
		xfed_buf_clear(&n->body); /* which is not sent */
	}
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
	bool is_open = current_call(s) != NULL;
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
		bool is_over = now >= s->typing.until_ms || !current_call(s);
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
