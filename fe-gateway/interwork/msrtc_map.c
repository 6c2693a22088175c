#include "interwork/msrtc.h"

static const struct {
	unsigned from, number;
	enum iw_show show;
	enum iw_activity activity;
	unsigned old;
	const char *token, *words;
} states[IW_MSRTC_STATES_COUNT] = {
#define IW_ACTIVITY_COUNT					 IW_ACTIVITIES_COUNT
#define ROW(id, from, number, show, activity, old, token, words) { from, number, IW_SHOW_##show, IW_ACTIVITY_##activity, old, token, words },
	IW_MSRTC_STATES(ROW)
#undef ROW
};

static const struct iw_msrtc_token tokens[] = {
#define ROW(activity, token, state, old, words) { IW_ACTIVITY_##activity, token, IW_MSRTC_##state, old, words },
	IW_MSRTC_TOKENS(ROW)
#undef ROW
};

enum iw_msrtc_state iw_msrtc_state_of(uint64_t availability)
{
	enum iw_msrtc_state s = IW_MSRTC_UNKNOWN;
	while (s + 1 < IW_MSRTC_STATES_COUNT && availability >= states[s + 1].from) {
		s++;
	}
	return s;
}

/* In hundreds, of which 7 is what a client takes for away, and more for available. */
enum iw_msrtc_state iw_msrtc_state_of_old(uint64_t activity)
{
	static const enum iw_msrtc_state of[] = { IW_MSRTC_AWAY, IW_MSRTC_AWAY, IW_MSRTC_IDLE, IW_MSRTC_BE_RIGHT_BACK, IW_MSRTC_AVAILABLE,
		IW_MSRTC_BUSY, IW_MSRTC_BUSY, IW_MSRTC_AWAY };
	return activity / 100 < XFED_ARRAY_LEN(of) ? of[activity / 100] : IW_MSRTC_AVAILABLE;
}

unsigned iw_msrtc_number(enum iw_msrtc_state s)
{
	return states[s].number;
}

unsigned iw_msrtc_old(enum iw_msrtc_state s)
{
	return states[s].old;
}

bool iw_msrtc_is_open(enum iw_msrtc_state s)
{
	return s != IW_MSRTC_UNKNOWN && s != IW_MSRTC_OFFLINE;
}

const char *iw_msrtc_word(enum iw_msrtc_state s)
{
	return states[s].token;
}

const char *iw_msrtc_words(enum iw_msrtc_state s)
{
	return states[s].words;
}

void iw_msrtc_apply(enum iw_msrtc_state s, struct iw_device *d)
{
	d->is_open = iw_msrtc_is_open(s);
	d->show = states[s].show;
	d->activities = states[s].activity < IW_ACTIVITIES_COUNT ? 1u << states[s].activity : 0;
}

const struct iw_msrtc_token *iw_msrtc_token_of_word(struct xfed_span token)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(tokens); i++) {
		if (tokens[i].token && xfed_span_is(token, tokens[i].token)) {
			return &tokens[i];
		}
	}
	return NULL;
}

const struct iw_msrtc_token *iw_msrtc_token_of_old(uint64_t activity)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(tokens); i++) {
		if (tokens[i].old > 0 && tokens[i].old == activity) {
			return &tokens[i];
		}
	}
	return NULL;
}

const struct iw_msrtc_token *iw_msrtc_token_of(iw_activity_set activities)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(tokens); i++) {
		if (tokens[i].activity < IW_ACTIVITIES_COUNT && activities & 1u << tokens[i].activity) {
			return &tokens[i];
		}
	}
	return NULL;
}

/* What a device is to be shown as. BUSY beside "dnd" is only how RPID says that (interwork/presence_map.h). */
enum iw_msrtc_state iw_msrtc_state_of_device(const struct iw_device *d, iw_activity_set activities)
{
	const struct iw_msrtc_token *token = iw_msrtc_token_of(activities);
	if (!d->is_open) {
		return IW_MSRTC_OFFLINE;
	}
	if (token) {
		return token->state;
	}
	switch (d->show) {
	case IW_SHOW_DND:
		return IW_MSRTC_DO_NOT_DISTURB;
	case IW_SHOW_AWAY:
	case IW_SHOW_XA:
		return IW_MSRTC_AWAY;
	case IW_SHOW_NONE:
	case IW_SHOW_CHAT:
	case IW_SHOWS_COUNT:
		break;
	}
	if (activities & 1u << IW_ACTIVITY_BUSY) {
		return IW_MSRTC_BUSY;
	}
	if (activities & (1u << IW_ACTIVITY_AWAY | 1u << IW_ACTIVITY_SLEEPING | 1u << IW_ACTIVITY_PERMANENT_ABSENCE)) {
		return IW_MSRTC_AWAY;
	}
	return d->idle_since_s > 0 ? IW_MSRTC_IDLE : IW_MSRTC_AVAILABLE;
}
