#include "sip/session.h"

#include "xfed/limits.h"

#define NEVER UINT64_MAX

/* ---- calls ---- */

/* Each call that is live when the loop begins. */
#define FOR_LIVE(s, i)                                                                                                                               \
	for (unsigned i = 0, live_calls = (s)->live; live_calls >> i != 0; i++)                                                                      \
		if (live_calls >> i & 1)

static struct sip_call *find_in(struct sip_session *s, enum sip_call_state state)
{
	FOR_LIVE(s, i)
	{
		if (s->calls[i].state == state) {
			return &s->calls[i];
		}
	}
	return NULL;
}

static struct sip_call *find_free(struct sip_session *s)
{
	unsigned i = sip_session_free_call(s);
	return i != SIP_SESSION_NO_CALL ? &s->calls[i] : NULL;
}

static unsigned number_of(const struct sip_session *s, const struct sip_call *c)
{
	return (unsigned)(c - s->calls);
}

static void begin(struct sip_session *s, struct sip_call *c, enum sip_call_state state, uint64_t now_ms)
{
	*c = (struct sip_call){ .state = state, .used_ms = now_ms };
	s->live |= 1U << number_of(s, c);
}

static void act(struct sip_session *s, struct sip_call *c, enum sip_session_action_kind kind)
{
	c->todo = kind + 1u;
	s->live |= 1U << number_of(s, c);
}

/* Another open call becomes current, if there is one. */
static void elect(struct sip_session *s)
{
	const struct sip_call *open = find_in(s, SIP_CALL_OPEN);
	s->current = open ? number_of(s, open) : SIP_SESSION_NO_CALL;
}

/* The call is over with that action. */
static void end(struct sip_session *s, struct sip_call *c, enum sip_session_action_kind how)
{
	c->state = SIP_CALL_NONE;
	act(s, c, how);
	if (s->current == number_of(s, c)) {
		elect(s);
	}
}

/* Ends an open call as soon as nothing is under way in it. */
static void finish(struct sip_session *s, struct sip_call *c)
{
	if (c->sent + c->taken == 0) {
		end(s, c, SIP_SESSION_BYE);
	} else if (c->state != SIP_CALL_ENDING) {
		c->state = SIP_CALL_ENDING;
		if (s->current == number_of(s, c)) {
			elect(s);
		}
	}
}

/* ---- what waits ---- */

static void opened(struct sip_session *s)
{
	s->must_tell_open |= s->wanted_ms != NEVER;
	s->wanted_ms = NEVER;
}

static void failed(struct sip_session *s, int status)
{
	if (s->wanted_ms != NEVER) {
		s->must_tell_failed = true;
		s->status = status;
		s->wanted_ms = NEVER;
	}
}

/* Accepts the call that is held, if there is one. It becomes current where no other call is. */
static void accept_held(struct sip_session *s, uint64_t now_ms)
{
	struct sip_call *held = find_in(s, SIP_CALL_HELD);
	s->hold_ms = NEVER;
	if (held) {
		held->state = SIP_CALL_OPEN;
		held->used_ms = now_ms;
		act(s, held, SIP_SESSION_ACCEPT);
		s->current = s->current == SIP_SESSION_NO_CALL ? number_of(s, held) : s->current;
	}
}

static void want(struct sip_session *s, uint64_t until_ms, uint64_t now_ms)
{
	bool is_first = s->wanted_ms == NEVER;
	s->wanted_ms = is_first || s->wanted_ms < until_ms ? until_ms : s->wanted_ms;
	if (s->current == SIP_SESSION_NO_CALL && !find_in(s, SIP_CALL_INVITING)) {
		accept_held(s, now_ms);
	}
	if (s->current != SIP_SESSION_NO_CALL) {
		opened(s);
		return;
	}
	struct sip_call *c = find_in(s, SIP_CALL_INVITING) ? NULL : find_free(s);
	if (s->is_leaving || (!c && !find_in(s, SIP_CALL_INVITING))) {
		failed(s, 503);
	} else if (c) {
		begin(s, c, SIP_CALL_INVITING, now_ms);
		act(s, c, SIP_SESSION_INVITE);
	}
}

/* ---- INVITE ---- */

static void accepted(struct sip_session *s, struct sip_call *c, uint64_t now_ms)
{
	c->state = SIP_CALL_OPEN;
	c->used_ms = c->ours_ms = now_ms;
	s->current = number_of(s, c);
	opened(s);
}

/* Our INVITE has failed, or is given up: what waits goes through the peer's call, or fails. */
static void gave_up(struct sip_session *s, struct sip_call *c, enum sip_session_action_kind how, int status, uint64_t now_ms)
{
	end(s, c, how);
	accept_held(s, now_ms);
	if (s->current != SIP_SESSION_NO_CALL) {
		opened(s);
	} else {
		failed(s, status);
	}
}

static bool has_crossed(struct sip_session *s, uint64_t now_ms)
{
	bool is_crossed = find_in(s, SIP_CALL_INVITING) != NULL;
	FOR_LIVE(s, i)
	{
		const struct sip_call *c = &s->calls[i];
		is_crossed |= c->state == SIP_CALL_OPEN && c->ours_ms != 0 && now_ms < c->ours_ms + XFED_SIP_SESSION_HOLD_MS;
	}
	return is_crossed;
}

static void invited(struct sip_session *s, struct sip_call *c, uint64_t now_ms)
{
	struct sip_call *held = find_in(s, SIP_CALL_HELD);
	if (s->is_leaving) {
		end(s, c, SIP_SESSION_DECLINE);
		return;
	}
	if (has_crossed(s, now_ms)) {
		if (held) {
			end(s, held, SIP_SESSION_DECLINE);
		}
		begin(s, c, SIP_CALL_HELD, now_ms);
		s->hold_ms = held ? s->hold_ms : now_ms + XFED_SIP_SESSION_HOLD_MS;
		return;
	}
	if (held) {
		end(s, held, SIP_SESSION_DECLINE);
		s->hold_ms = NEVER;
	}
	for (struct sip_call *open; (open = find_in(s, SIP_CALL_OPEN));) {
		finish(s, open);
	}
	begin(s, c, SIP_CALL_OPEN, now_ms);
	act(s, c, SIP_SESSION_ACCEPT);
	s->current = number_of(s, c);
}

/* ---- MESSAGE ---- */

/*
 * 481: the peer has no such dialog, so no BYE is due. 408 and no answer end the dialog too (RFC 5057 section 5.1; the client itself hangs up
 * after its own), any other refusal is about the message alone.
 */
static void answered(struct sip_session *s, struct sip_call *c, int status, uint64_t now_ms)
{
	c->sent -= c->sent > 0;
	c->used_ms = now_ms;
	if (status == 481) {
		end(s, c, SIP_SESSION_FORGET);
	} else if (status == 0 || status == 408 || c->state == SIP_CALL_ENDING) {
		finish(s, c);
	}
}

static void settled(struct sip_session *s, struct sip_call *c, uint64_t now_ms)
{
	c->taken -= c->taken > 0;
	c->used_ms = now_ms;
	if (c->state == SIP_CALL_ENDING) {
		finish(s, c);
	}
}

/* ---- time, and the end ---- */

static void tick(struct sip_session *s, uint64_t idle_ms, uint64_t now_ms)
{
	struct sip_call *ours = find_in(s, SIP_CALL_INVITING);
	if (ours && now_ms >= (s->wanted_ms < s->hold_ms ? s->wanted_ms : s->hold_ms)) {
		gave_up(s, ours, SIP_SESSION_CANCEL, 480, now_ms);
	} else if (now_ms >= s->hold_ms) {
		accept_held(s, now_ms);
	}
	FOR_LIVE(s, i)
	{
		struct sip_call *c = &s->calls[i];
		if (c->state == SIP_CALL_OPEN && c->sent + c->taken == 0 && c->todo == 0 && now_ms >= c->used_ms + idle_ms) {
			finish(s, c);
		}
	}
}

static void leave(struct sip_session *s)
{
	s->is_leaving = true;
	s->hold_ms = NEVER;
	FOR_LIVE(s, i)
	{
		struct sip_call *c = &s->calls[i];
		switch (c->state) {
		case SIP_CALL_INVITING:
			end(s, c, SIP_SESSION_CANCEL);
			break;
		case SIP_CALL_HELD:
			end(s, c, SIP_SESSION_DECLINE);
			break;
		case SIP_CALL_OPEN:
			finish(s, c);
			break;
		case SIP_CALL_NONE:
		case SIP_CALL_ENDING:
			break;
		}
	}
	failed(s, 503);
}

/* ---- the machine ---- */

void sip_session_init(struct sip_session *s)
{
	*s = (struct sip_session){ .wanted_ms = NEVER, .hold_ms = NEVER, .current = SIP_SESSION_NO_CALL };
}

static void of_call(struct sip_session *s, struct sip_call *c, const struct sip_session_event *ev, uint64_t now_ms)
{
	bool is_up = c->state == SIP_CALL_OPEN || c->state == SIP_CALL_ENDING, is_inviting = c->state == SIP_CALL_INVITING;
	if (ev->kind == SIP_SESSION_ACCEPTED && is_inviting) {
		accepted(s, c, now_ms);
	} else if (ev->kind == SIP_SESSION_REFUSED && is_inviting) {
		gave_up(s, c, SIP_SESSION_FORGET, ev->status, now_ms);
	} else if (ev->kind == SIP_SESSION_INVITED && c->state == SIP_CALL_NONE) {
		invited(s, c, now_ms);
	} else if (ev->kind == SIP_SESSION_WITHDRAWN && c->state == SIP_CALL_HELD) {
		s->hold_ms = NEVER;
		end(s, c, SIP_SESSION_FORGET);
	} else if (ev->kind == SIP_SESSION_ENDED && is_up) {
		end(s, c, SIP_SESSION_FORGET);
	} else if (ev->kind == SIP_SESSION_SENT && is_up) {
		c->sent++;
	} else if (ev->kind == SIP_SESSION_ANSWERED && is_up) {
		answered(s, c, ev->status, now_ms);
	} else if (ev->kind == SIP_SESSION_TAKEN && (is_up || is_inviting)) { /* a client may write before it accepts */
		c->taken++;
	} else if (ev->kind == SIP_SESSION_SETTLED && (is_up || is_inviting)) {
		settled(s, c, now_ms);
	} else if (ev->kind == SIP_SESSION_ACTIVE) {
		c->used_ms = now_ms;
	}
}

void sip_session_step(struct sip_session *s, const struct sip_session_event *ev, uint64_t idle_ms, uint64_t now_ms)
{
	FOR_LIVE(s, i)
	{
		XFED_REQUIRE(s->calls[i].todo == 0);
	}
	XFED_REQUIRE(!s->must_tell_open && !s->must_tell_failed);
	switch (ev->kind) {
	case SIP_SESSION_WANT:
		want(s, ev->until_ms, now_ms);
		break;
	case SIP_SESSION_LEAVE:
		leave(s);
		break;
	case SIP_SESSION_TICK:
		tick(s, idle_ms, now_ms);
		break;
	case SIP_SESSION_ACCEPTED:
	case SIP_SESSION_REFUSED:
	case SIP_SESSION_INVITED:
	case SIP_SESSION_WITHDRAWN:
	case SIP_SESSION_ENDED:
	case SIP_SESSION_SENT:
	case SIP_SESSION_ANSWERED:
	case SIP_SESSION_TAKEN:
	case SIP_SESSION_SETTLED:
	case SIP_SESSION_ACTIVE:
		if (ev->call < SIP_SESSION_CALLS) {
			of_call(s, &s->calls[ev->call], ev, now_ms);
		}
		break;
	}
}

bool sip_session_next(struct sip_session *s, struct sip_session_action *out)
{
	FOR_LIVE(s, i)
	{
		struct sip_call *c = &s->calls[i];
		if (c->todo != 0) {
			*out = (struct sip_session_action){ .kind = (enum sip_session_action_kind)(c->todo - 1u), .call = i };
			c->todo = 0;
			s->live &= c->state == SIP_CALL_NONE ? ~(1U << i) : ~0U;
			return true;
		}
	}
	if (s->must_tell_open || s->must_tell_failed) {
		*out = (struct sip_session_action){ .kind = s->must_tell_open ? SIP_SESSION_OPENED : SIP_SESSION_FAILED,
			.call = s->current,
			.status = s->must_tell_open ? 0 : s->status };
		s->must_tell_open = s->must_tell_failed = false;
		return true;
	}
	return false;
}

uint64_t sip_session_deadline(const struct sip_session *s, uint64_t idle_ms)
{
	uint64_t at = s->wanted_ms < s->hold_ms ? s->wanted_ms : s->hold_ms;
	FOR_LIVE(s, i)
	{
		const struct sip_call *c = &s->calls[i];
		uint64_t idle = c->state == SIP_CALL_OPEN && c->sent + c->taken == 0 ? c->used_ms + idle_ms : NEVER;
		at = idle < at ? idle : at;
	}
	return at;
}

unsigned sip_session_free_call(const struct sip_session *s)
{
	unsigned i = 0;
	while (s->live >> i & 1) {
		i++;
	}
	return i;
}

bool sip_session_is_empty(const struct sip_session *s)
{
	return s->wanted_ms == NEVER && s->live == 0;
}
