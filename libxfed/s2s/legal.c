/*
 * Which events each state takes, and which states may follow it. Used in two places only: xfed_s2s_step() and s2s_enter().
 *
 *  in:   NEW -> WAIT_HEADER -> WAIT_DECISION -> WAIT_NEGOTIATION -> HANDSHAKING -> WAIT_HEADER -> WAIT_DECISION
 *        -> WAIT_NEGOTIATION (<auth/>) -> WAIT_HEADER -> READY -> CLOSING -> DONE
 *        instead of <auth/> there may be db:result, with or without TLS: WAIT_NEGOTIATION -> READY; <auth/> may also follow
 *        dialback inside TLS: READY -> WAIT_HEADER
 *  out:  NEW -> WAIT_HEADER -> WAIT_FEATURES -> WAIT_PROCEED -> HANDSHAKING -> WAIT_HEADER -> WAIT_FEATURES
 *        -> WAIT_SASL -> WAIT_HEADER -> WAIT_FEATURES -> READY -> CLOSING -> DONE
 *        by dialback: WAIT_FEATURES or WAIT_SASL -> WAIT_DIALBACK -> READY; a verify stream: -> VERIFYING
 *  Every state goes to CLOSING or DONE after an error, the peer's close or the deadline; HANDSHAKING only to DONE, because
 *  nothing can be sent then. In CLOSING nothing is proved any more, whatever comes.
 */
#include "internal.h"

/*
 * T taken I ignored: it came too late, or answers nothing that was asked; bytes are not consumed and have to be offered again Q a question
 * that cannot be asked here: it gets its verdict at once P taken if an answer to PAIR is awaited, else ignored J taken if a handshake job
 * is running F no driver may do this: an internal error, which ends the stream
 */
enum outcome { F = S2S_FAULT, T = S2S_TAKE, I = S2S_IGNORE, Q = S2S_REFUSE, P, J };

#define EVENT_COUNT (XFED_S2S_CLOSE + 1)
#define STATE_COUNT (XFED_S2S_DONE + 1)

/* clang-format off */
static const unsigned char events[2][STATE_COUNT][EVENT_COUNT] = {
	[XFED_S2S_IN] = {
		/*                               START  PUMP  DECISION  END           ASK      SAY          */
		/*                                 BYTES JOB_DONE  TICK    PAIR_DECISION  VERDICT  CLOSE    */
		[XFED_S2S_NEW] =               { T, F, I, F, I, I, T, I, Q, I, I, T },
		[XFED_S2S_WAIT_HEADER] =       { F, T, T, F, I, T, T, I, Q, I, I, T },
		[XFED_S2S_WAIT_DECISION] =     { F, I, I, F, T, T, T, I, Q, I, I, T },
		[XFED_S2S_WAIT_NEGOTIATION] =  { F, T, T, F, I, T, T, P, Q, T, T, T },
		[XFED_S2S_HANDSHAKING] =       { F, T, I, J, I, T, T, I, Q, I, I, T },
		[XFED_S2S_READY] =             { F, T, T, F, I, T, T, P, Q, T, T, T },
		[XFED_S2S_CLOSING] =           { F, T, T, F, I, T, T, I, Q, I, I, I },
		[XFED_S2S_DONE] =              { I, I, I, J, I, I, I, I, I, I, I, I },
	},
	[XFED_S2S_OUT] = {
		[XFED_S2S_NEW] =               { T, F, I, F, I, I, T, I, Q, I, I, T },
		[XFED_S2S_WAIT_HEADER] =       { F, T, T, F, I, T, T, I, Q, I, I, T },
		[XFED_S2S_WAIT_FEATURES] =     { F, T, T, F, I, T, T, I, Q, I, I, T },
		[XFED_S2S_WAIT_PROCEED] =      { F, T, T, F, I, T, T, I, Q, I, I, T },
		[XFED_S2S_HANDSHAKING] =       { F, T, I, J, I, T, T, I, Q, I, I, T },
		[XFED_S2S_WAIT_SASL] =         { F, T, T, F, I, T, T, I, Q, I, I, T },
		[XFED_S2S_WAIT_DIALBACK] =     { F, T, T, F, I, T, T, I, Q, I, I, T },
		[XFED_S2S_VERIFYING] =         { F, T, T, F, I, T, T, I, T, I, I, T },
		[XFED_S2S_READY] =             { F, T, T, F, I, T, T, I, Q, I, I, T },
		[XFED_S2S_CLOSING] =           { F, T, T, F, I, T, T, I, Q, I, I, I },
		[XFED_S2S_DONE] =              { I, I, I, J, I, I, I, I, I, I, I, I },
	},
};
/* clang-format on */

/* DONE may follow every state. */
#define TO(state) S2S_BIT(state)

static const unsigned short ways[2][STATE_COUNT] = {
	[XFED_S2S_IN] = {
		[XFED_S2S_NEW] = TO(WAIT_HEADER) | TO(CLOSING),
		[XFED_S2S_WAIT_HEADER] = TO(WAIT_DECISION) | TO(READY) | TO(CLOSING),
		[XFED_S2S_WAIT_DECISION] = TO(WAIT_NEGOTIATION) | TO(CLOSING),
		[XFED_S2S_WAIT_NEGOTIATION] = TO(HANDSHAKING) | TO(WAIT_HEADER) | TO(READY) | TO(CLOSING),
		[XFED_S2S_HANDSHAKING] = TO(WAIT_HEADER),
		[XFED_S2S_READY] = TO(WAIT_HEADER) | TO(CLOSING),
	},
	[XFED_S2S_OUT] = {
		[XFED_S2S_NEW] = TO(WAIT_HEADER) | TO(CLOSING),
		[XFED_S2S_WAIT_HEADER] = TO(WAIT_FEATURES) | TO(CLOSING),
		[XFED_S2S_WAIT_FEATURES] = TO(WAIT_PROCEED) | TO(WAIT_SASL) | TO(WAIT_DIALBACK) | TO(VERIFYING) | TO(READY) | TO(CLOSING),
		[XFED_S2S_WAIT_PROCEED] = TO(HANDSHAKING) | TO(CLOSING),
		[XFED_S2S_HANDSHAKING] = TO(WAIT_HEADER),
		[XFED_S2S_WAIT_SASL] = TO(WAIT_HEADER) | TO(WAIT_DIALBACK) | TO(CLOSING),
		[XFED_S2S_WAIT_DIALBACK] = TO(READY) | TO(CLOSING),
		[XFED_S2S_VERIFYING] = TO(CLOSING),
		[XFED_S2S_READY] = TO(CLOSING),
	},
};

enum s2s_outcome s2s_outcome_of(const struct xfed_s2s *s, enum xfed_s2s_event_type event)
{
	unsigned char o = events[s->direction][s->state][event];
	if (o == P) {
		return s->wants_pair ? S2S_TAKE : S2S_IGNORE;
	}
	if (o == J) {
		enum s2s_outcome otherwise = s->state == XFED_S2S_DONE ? S2S_IGNORE : S2S_FAULT;
		return s->job_running ? S2S_TAKE : otherwise;
	}
	return (enum s2s_outcome)o;
}

bool s2s_may_follow(const struct xfed_s2s *s, enum xfed_s2s_state next)
{
	if (next == XFED_S2S_DONE) {
		return s->state != XFED_S2S_DONE;
	}
	return ways[s->direction][s->state] >> next & 1;
}
