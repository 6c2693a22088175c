#include "trunk/hop_state.h"

#include <stdio.h>

bool hop_state_is_refusal(int status)
{
	switch (status) {
	case 401:
	case 403:
	case 405:
	case 407:
	case 420:
	case 421:
	case 482:
	case 483:
		return true;
	case 513: /* of one message */
		return false;
	default:
		return status >= 500 && status < 600;
	}
}

bool hop_state_wants_proof(const struct hop_state *s)
{
	return s->reason == XFED_REASON_SIP_AUTH_NEEDED || s->reason == XFED_REASON_SIP_AUTH_UNSUPPORTED || s->reason == XFED_REASON_SIP_AUTH_REFUSED;
}

static bool set(struct hop_state *s, bool is_up, enum xfed_reason reason, const char *text, int64_t now_s)
{
	bool is_new = !s->is_known || s->is_up != is_up || s->reason != reason;
	snprintf(s->text, sizeof(s->text), "%s", text ? text : "");
	s->tried_s = now_s;
	if (is_new) {
		s->is_known = true;
		s->is_up = is_up;
		s->reason = reason;
		s->since_s = now_s;
	}
	return is_new;
}

bool hop_state_down(struct hop_state *s, enum xfed_reason reason, const char *text, int64_t now_s)
{
	return set(s, false, reason, text, now_s);
}

static bool be_fine(struct hop_state *s, int64_t now_s)
{
	bool was_untold = s->is_known && s->is_up && s->reason != XFED_REASON_NONE && !s->is_told;
	return set(s, true, XFED_REASON_NONE, NULL, now_s) && !was_untold;
}

bool hop_state_answers(struct hop_state *s, int64_t now_s)
{
	s->tried_s = now_s;
	return s->is_known && s->is_up ? false : be_fine(s, now_s);
}

bool hop_state_works(struct hop_state *s, int64_t now_s)
{
	s->worked_s = now_s;
	return be_fine(s, now_s);
}

bool hop_state_refuses(struct hop_state *s, int status, enum xfed_reason reason, const char *text, int64_t now_s)
{
	if (s->refusals.status != status || now_s - s->refusals.last_s >= HOP_STATE_WINDOW_S) {
		s->refusals.status = status;
		s->refusals.count = 0;
		s->refusals.first_s = now_s;
	}
	s->refusals.count++;
	s->refusals.last_s = now_s;
	if (!set(s, true, reason, text, now_s)) {
		return false;
	}
	s->is_told = s->refusals.count == 1 || now_s - s->logged_s >= HOP_STATE_QUIET_S;
	s->logged_s = s->is_told ? now_s : s->logged_s;
	return s->is_told;
}
