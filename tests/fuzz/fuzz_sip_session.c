/*
 * The session of two users: every event in every state, chosen by the input, beside what may be known of each call from outside.
 *
 * Properties: each call that begins ends exactly once, and nothing is said of it afterwards; one INVITE of ours is under way at most;
 * whatever waits is told once, that a call is open (and it is) or that it is refused, within its time; no BYE overtakes a message that has no
 * answer; in nothing but an open call is anything sent; out of service nothing begins; a deadline leads to a step that moves it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "sip/session.h"
#include "xfed/limits.h"

#define MUST(cond) ((cond) ? (void)0 : abort())
#define IDLE_MS	   60000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	const uint8_t *at, *end;
	struct sip_session s;
	struct {
		enum { NOTHING, INVITING, WAITING, OPEN } is;
		unsigned under_way;
	} calls[SIP_SESSION_CALLS];
	uint64_t now, wanted_ms;
	bool waits, is_leaving;
};

static unsigned byte(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

static void over(struct world *w, unsigned call)
{
	MUST(w->calls[call].is != NOTHING);
	w->calls[call].is = NOTHING;
	w->calls[call].under_way = 0;
}

static void perform(struct world *w)
{
	struct sip_session_action a;
	while (sip_session_next(&w->s, &a)) {
		MUST(a.call < SIP_SESSION_CALLS || a.kind == SIP_SESSION_FAILED);
		switch (a.kind) {
		case SIP_SESSION_INVITE:
			MUST(w->calls[a.call].is == NOTHING && !w->is_leaving && w->waits);
			for (unsigned i = 0; i < SIP_SESSION_CALLS; i++) {
				MUST(w->calls[i].is != INVITING && w->calls[i].is != WAITING);
			}
			w->calls[a.call].is = INVITING;
			break;
		case SIP_SESSION_ACCEPT:
			MUST(w->calls[a.call].is == WAITING && !w->is_leaving);
			w->calls[a.call].is = OPEN;
			break;
		case SIP_SESSION_CANCEL:
			MUST(w->calls[a.call].is == INVITING);
			over(w, a.call);
			break;
		case SIP_SESSION_DECLINE:
			MUST(w->calls[a.call].is == WAITING);
			over(w, a.call);
			break;
		case SIP_SESSION_BYE:
			MUST(w->calls[a.call].is == OPEN && w->calls[a.call].under_way == 0);
			over(w, a.call);
			break;
		case SIP_SESSION_FORGET:
			over(w, a.call);
			break;
		case SIP_SESSION_OPENED:
			MUST(w->waits && w->calls[a.call].is == OPEN && w->s.current == a.call);
			w->waits = false;
			break;
		case SIP_SESSION_FAILED:
			MUST(w->waits);
			w->waits = false;
			break;
		}
	}
}

static void event(struct world *w)
{
	static const int statuses[] = { 0, 200, 202, 302, 404, 408, 415, 480, 481, 486, 503, 603 };
	struct sip_session_event ev = { .kind = (enum sip_session_event_kind)(byte(w) % (SIP_SESSION_TICK + 1)),
		.call = byte(w) % (SIP_SESSION_CALLS + 1) };
	ev.status = statuses[byte(w) % XFED_ARRAY_LEN(statuses)];
	w->now += byte(w) * 16;
	bool is_real = ev.call < SIP_SESSION_CALLS;
	if (ev.kind == SIP_SESSION_WANT) {
		ev.until_ms = w->now + byte(w) * 256;
		w->wanted_ms = w->waits && w->wanted_ms > ev.until_ms ? w->wanted_ms : ev.until_ms;
		w->waits = true;
	} else if (ev.kind == SIP_SESSION_INVITED) {
		ev.call = sip_session_free_call(&w->s);
		if (ev.call == SIP_SESSION_NO_CALL) {
			return;
		}
		MUST(w->calls[ev.call].is == NOTHING);
		w->calls[ev.call].is = WAITING;
	} else if (ev.kind == SIP_SESSION_LEAVE) {
		w->is_leaving = true;
	} else if (is_real && ev.kind == SIP_SESSION_ACCEPTED && w->calls[ev.call].is == INVITING) {
		w->calls[ev.call].is = OPEN;
	} else if (is_real && ev.kind == SIP_SESSION_SENT) {
		ev.call = w->s.current;
		MUST(ev.call == SIP_SESSION_NO_CALL || w->calls[ev.call].is == OPEN);
	}
	if (ev.call < SIP_SESSION_CALLS && (ev.kind == SIP_SESSION_SENT || ev.kind == SIP_SESSION_TAKEN)) {
		w->calls[ev.call].under_way += w->calls[ev.call].is == OPEN || (w->calls[ev.call].is == INVITING && ev.kind == SIP_SESSION_TAKEN);
	}
	if (is_real && (ev.kind == SIP_SESSION_ANSWERED || ev.kind == SIP_SESSION_SETTLED)) {
		const struct sip_call *c = &w->s.calls[ev.call];
		unsigned of_kind = ev.kind == SIP_SESSION_ANSWERED ? c->sent : c->taken;
		bool counts = w->calls[ev.call].is == OPEN || (w->calls[ev.call].is == INVITING && ev.kind == SIP_SESSION_SETTLED);
		w->calls[ev.call].under_way -= counts && of_kind > 0;
	}
	sip_session_step(&w->s, &ev, IDLE_MS, w->now);
	perform(w);
	MUST(ev.kind != SIP_SESSION_TICK || sip_session_deadline(&w->s, IDLE_MS) > w->now);
	MUST(!w->waits || sip_session_deadline(&w->s, IDLE_MS) <= w->wanted_ms);
}

static void check(const struct world *w)
{
	unsigned open = 0, all = 0;
	for (unsigned i = 0; i < SIP_SESSION_CALLS; i++) {
		open += w->s.calls[i].state == SIP_CALL_OPEN;
		all += w->calls[i].is != NOTHING;
		MUST((w->calls[i].is != NOTHING) == (w->s.calls[i].state != SIP_CALL_NONE));
		MUST(w->calls[i].is == NOTHING || w->calls[i].under_way == (unsigned)w->s.calls[i].sent + w->s.calls[i].taken);
	}
	MUST((open > 0) == (w->s.current != SIP_SESSION_NO_CALL));
	MUST(sip_session_is_empty(&w->s) == (all == 0 && !w->waits));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .at = data, .end = data + size, .now = 1000 };
	sip_session_init(&w.s);
	while (w.at < w.end) {
		event(&w);
		check(&w);
	}
	return 0;
}
