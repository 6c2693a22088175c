#include "trunk/hop_state.h"

#include "xfed/text.h"

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
	case 513: /* about one message only */
		return false;
	default:
		return status >= 500 && status < 600;
	}
}

bool hop_state_wants_proof(const struct hop_state *s)
{
	return s->reason == XFED_REASON_SIP_AUTH_NEEDED || s->reason == XFED_REASON_SIP_AUTH_UNSUPPORTED || s->reason == XFED_REASON_SIP_AUTH_REFUSED;
}

/* Whether to log the state, so that the last line in the log says how the hop is now; refusals that come and go are logged at most now and then. */
static bool is_news(struct hop_state *s, int64_t now_s)
{
	bool is_refusal = s->is_up && s->reason != XFED_REASON_NONE;
	bool is_said = s->logged.is_known && s->logged.is_up == s->is_up && s->logged.reason == s->reason;
	bool is_soon = s->logged.refusal_s != 0 && now_s - s->logged.refusal_s < HOP_STATE_QUIET_S;
	if (is_said || (is_refusal && is_soon && s->logged.is_up)) {
		return false;
	}
	s->logged.is_known = true;
	s->logged.is_up = s->is_up;
	s->logged.reason = s->reason;
	s->logged.refusal_s = is_refusal ? now_s : s->logged.refusal_s;
	return true;
}

static bool set(struct hop_state *s, bool is_up, enum xfed_reason reason, const char *text, int64_t now_s)
{
	xfed_text_cut(s->text, sizeof(s->text), xfed_span_str(text));
	if (!s->is_known || s->is_up != is_up || s->reason != reason) {
		s->is_known = true;
		s->is_up = is_up;
		s->reason = reason;
		s->since_s = now_s;
	}
	return is_news(s, now_s);
}

bool hop_state_down(struct hop_state *s, enum xfed_reason reason, const char *text, int64_t now_s)
{
	s->tried_s = now_s;
	return set(s, false, reason, text, now_s);
}

bool hop_state_answers(struct hop_state *s, int64_t now_s)
{
	s->tried_s = now_s;
	return s->is_known && s->is_up ? false : set(s, true, XFED_REASON_NONE, NULL, now_s);
}

bool hop_state_works(struct hop_state *s, int64_t now_s)
{
	s->tried_s = s->worked_s = now_s;
	s->row.count = 0;
	s->row.recipients = 0;
	return set(s, true, XFED_REASON_NONE, NULL, now_s);
}

/* Ages refusals alone: a hop that is down is probed all the time. */
bool hop_state_age(struct hop_state *s, int64_t now_s)
{
	bool is_old = s->is_up && s->reason != XFED_REASON_NONE && now_s - s->refusals.last_s >= HOP_STATE_OLD_S;
	return is_old && set(s, true, XFED_REASON_NONE, NULL, now_s);
}

static void count(struct hop_state *s, const struct hop_refusal *r, int64_t now_s)
{
	if (s->refusals.status != r->status || now_s - s->refusals.last_s >= HOP_STATE_WINDOW_S) {
		s->refusals.status = r->status;
		s->refusals.count = 0;
		s->refusals.first_s = now_s;
	}
	s->refusals.count++;
	s->refusals.last_s = now_s;
	xfed_text_cut(s->refusals.text, sizeof(s->refusals.text), xfed_span_str(r->text));
}

static void note_recipient(struct hop_state *s, uint64_t recipient)
{
	for (size_t i = 0; i < s->row.recipients; i++) {
		if (s->row.recipient[i] == recipient) {
			return;
		}
	}
	if (s->row.recipients < HOP_STATE_RECIPIENTS) {
		s->row.recipient[s->row.recipients++] = recipient;
	}
}

/* Adds a refusal. True: the refusals of late cannot be due to the recipients alone. */
static bool is_of_server(struct hop_state *s, uint64_t recipient, int64_t now_s)
{
	if (s->row.count == 0 || now_s - s->row.last_s >= HOP_STATE_WINDOW_S) {
		s->row.count = 0;
		s->row.recipients = 0;
		s->row.first_s = now_s;
	}
	s->row.count++;
	s->row.last_s = now_s;
	note_recipient(s, recipient);
	return s->row.recipients == HOP_STATE_RECIPIENTS || (s->row.count >= HOP_STATE_ROW && now_s - s->row.first_s >= HOP_STATE_ROW_S);
}

bool hop_state_refuses(struct hop_state *s, const struct hop_refusal *r, int64_t now_s)
{
	count(s, r, now_s);
	if (r->recipient != 0 && !is_of_server(s, r->recipient, now_s)) {
		return hop_state_answers(s, now_s);
	}
	s->tried_s = now_s;
	s->status = r->status;
	return set(s, true, r->reason, r->text, now_s);
}

#define NO_TCP_FIRST_MS (30 * 1000)
#define NO_TCP_MOST_MS	(10 * 60 * 1000)

void hop_no_tcp_refused(struct hop_no_tcp *n, uint64_t now_ms, int64_t now_s)
{
	if (now_ms < n->until_ms) {
		return; /* it was sent before the refusal that counts */
	}
	n->since_s = n->wait_ms == 0 ? now_s : n->since_s;
	n->wait_ms = n->wait_ms == 0 ? NO_TCP_FIRST_MS : n->wait_ms < NO_TCP_MOST_MS / 2 ? 2 * n->wait_ms : NO_TCP_MOST_MS;
	n->until_ms = now_ms + n->wait_ms;
}
