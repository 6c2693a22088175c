/*
 * Messages on their way to SIP, outside of dialogs and in sessions: every event in every state, chosen by the input, beside what may be known of each from outside.
 * Messages of two edges' runs and of our own for a few recipients; links go, come and end; answers, times and the end of
 * the process come when they like.
 *
 * Properties: each message has exactly one end, and it is the last that is heard of it; nothing is sent that its edge has not
 * acknowledged, unless no edge has a say; nothing is sent with too little time, behind 10 s without a link, for an edge that leaves, or
 * beside another one of the same recipient or before an older one of its sender; what was written to an answer that is none is never called refused; the next
 * place gets it only where the last one said 503 or got nothing, and none gets it twice, unless it has asked for credentials or the
 * places were looked for anew. In a session there is one more try, where the dialog was gone or nothing was written; the edge is asked
 * when the session is open, and what waits for one that does not open is refused.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "im/attempts.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())
#define COUNT	   24
#define RUNS	   2
#define NAMES	   4
#define PLACES	   3

struct run {
	bool has_ended, is_leaving;
	uint64_t lost_ms; /* 0: it has a link */
};

struct message {
	struct attempt attempt; /* first */
	struct run *run;
	struct sip_failover *its_places;
	uint8_t name;
	bool is_asked, is_acked, is_located, is_in_flight;
	unsigned places; /* a bit for each that got it */
	bool may_go_on;	 /* the last place got nothing, or said 503; in a session: 481 */
	bool is_opened;
	unsigned tries;
	bool is_unknown; /* it was written, and there was no final response */
};

struct world {
	const uint8_t *at, *end;
	uint64_t now;
	struct attempts *attempts;
	struct run runs[RUNS];
	struct message *of[COUNT + 1];
	uint64_t last_id;
	size_t in_flight[2 * NAMES];
	bool is_over; /* given up: no attempt begins any more */
	struct sip_failed_places failed;
	struct sip_location list[PLACES];
	struct sip_locations where;
};

static uint8_t byte(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

static uint64_t number_of(const struct world *w, const struct run *r)
{
	return 1 + (uint64_t)(r - w->runs);
}

static uint64_t gone_ms(const struct world *w, const struct run *r)
{
	return r->lost_ms ? w->now - r->lost_ms : 0;
}

static void origin(void *user, uint64_t run, uint64_t now_ms, struct attempt_origin *out)
{
	const struct world *w = user;
	const struct run *r = &w->runs[run - 1];
	MUST(now_ms == w->now);
	*out = (struct attempt_origin){ .has_ended = r->has_ended, .is_leaving = r->is_leaving, .gone_ms = gone_ms(w, r) };
}

/* ---- actions ---- */

static void land(struct world *w, struct message *m)
{
	if (m->is_in_flight) {
		m->is_in_flight = false;
		w->in_flight[m->name]--;
	}
}

static void end(struct world *w, struct message *m, const struct attempt_end *e)
{
	uint64_t id = m->attempt.id;
	MUST(m->attempt.state == ATTEMPT_ENDED && !attempts_find(w->attempts, id));
	switch (e->fate) {
	case ATTEMPT_DELIVERED:
		MUST(m->is_in_flight && e->status >= 200 && (e->status < 300 || (e->status == 482 && m->attempt.is_repeat)));
		break;
	case ATTEMPT_REFUSED:
		MUST(!m->is_unknown);
		MUST(e->reason != XFED_REASON_NONE || (m->is_in_flight && e->status >= 300) || (m->attempt.is_in_session && e->status >= 300));
		break;
	case ATTEMPT_UNCERTAIN:
		MUST(e->reason != XFED_REASON_NONE);
		MUST(m->is_in_flight || (m->run && !m->is_acked));
		break;
	case ATTEMPT_LET_GO:
		MUST(m->is_asked && !m->is_acked && m->run);
		break;
	}
	land(w, m);
	w->of[id] = NULL;
	sip_failover_free(m->its_places);
	xfed_free(m);
}

static void perform(struct world *w)
{
	struct attempt_action act;
	while (attempts_next(w->attempts, &act)) {
		struct message *m = (struct message *)act.attempt;
		MUST(w->of[m->attempt.id] == m);
		switch (act.kind) {
		case ATTEMPT_ASK:
			MUST(m->run && !m->run->has_ended && !m->is_asked && m->is_opened == m->attempt.is_in_session);
			m->is_asked = true;
			break;
		case ATTEMPT_LOCATE:
			if (m->attempt.state == ATTEMPT_OPENING) {
				MUST(m->attempt.is_in_session && !m->is_opened && !m->is_asked);
				break;
			}
			MUST(m->is_acked || !m->run || m->run->has_ended);
			m->is_acked = true;
			if (m->is_in_flight) {
				MUST(m->attempt.is_in_session && m->may_go_on);
				m->is_located = false;
				land(w, m);
			}
			break;
		case ATTEMPT_NEXT_PLACE:
			MUST(m->is_in_flight && m->may_go_on);
			land(w, m);
			break;
		case ATTEMPT_END:
			end(w, m, &act.end);
			break;
		}
	}
}

/* Of the same sender to the same recipient, and without an end. */
static bool has_older(const struct world *w, const struct message *m)
{
	for (uint64_t id = 1; id < m->attempt.id; id++) {
		const struct message *o = w->of[id];
		if (o && o->name == m->name && m->attempt.item.sender != 0 && o->attempt.item.sender == m->attempt.item.sender) {
			return true;
		}
	}
	return false;
}

static void sent(struct world *w, struct message *m)
{
	unsigned place = m->attempt.is_in_session ? m->tries : sip_failover_number(m->attempt.places);
	MUST(!w->is_over && m->is_acked && m->is_located && !m->is_in_flight);
	MUST(m->attempt.item.deadline_ms >= w->now + XFED_DELIVERY_SIP_LEFT_MS);
	MUST(!m->run || m->run->has_ended || (!m->run->is_leaving && gone_ms(w, m->run) <= ATTEMPT_LINK_GONE_MS));
	MUST(w->in_flight[m->name]++ == 0);
	MUST(m->places != 0 || !has_older(w, m));
	MUST(m->places == 0 || m->may_go_on);
	MUST(place < (m->attempt.is_in_session ? 2 : PLACES) && !(m->places & (1U << place)));
	m->tries++;
	m->places |= 1U << place;
	m->is_in_flight = true;
	m->may_go_on = false;
}

static void turn(struct world *w)
{
	struct attempt *t;
	attempts_turn(w->attempts, w->now);
	perform(w);
	while ((t = attempts_next_send(w->attempts, w->now))) {
		sent(w, (struct message *)t);
	}
	perform(w);
}

/* ---- events ---- */

static void take(struct world *w)
{
	uint8_t what = byte(w), left = byte(w);
	struct message *m = w->last_id < COUNT && !w->is_over ? xfed_calloc(1, sizeof(*m)) : NULL;
	if (!m) {
		return;
	}
	char name[] = "sip:a@corp.example";
	m->attempt.is_in_session = what & 0x20;
	m->name = (uint8_t)(what % NAMES + (m->attempt.is_in_session ? NAMES : 0));
	name[4] = (char)('a' + m->name);
	m->run = what & 0x40 ? NULL : &w->runs[(what >> 4) % RUNS];
	m->attempt.id = ++w->last_id;
	m->attempt.item.run = m->run ? number_of(w, m->run) : 0;
	m->attempt.item.sender = (what >> 2) & 3;
	m->attempt.is_repeat = what & 0x80;
	m->attempt.item.bytes = 100 + what;
	m->attempt.item.share = what & 3;
	m->attempt.item.deadline_ms = w->now + (uint64_t)left * 256;
	if (attempts_add(w->attempts, &m->attempt, xfed_span_str(name)) == XFED_OK) {
		w->of[m->attempt.id] = m;
	} else {
		xfed_free(m);
	}
}

static void link_event(struct world *w, uint8_t what)
{
	struct run *r = &w->runs[what % RUNS];
	switch (what / RUNS % 4) {
	case 0:
		r->lost_ms = r->lost_ms ? r->lost_ms : w->now;
		break;
	case 1:
		r->lost_ms = r->has_ended ? r->lost_ms : 0;
		break;
	case 2:
		r->is_leaving = !r->is_leaving;
		break;
	case 3:
		if (r->lost_ms && !r->has_ended) {
			r->has_ended = true;
			attempts_run_ended(w->attempts, number_of(w, r), gone_ms(w, r) <= ATTEMPT_LINK_GONE_MS);
		}
		break;
	}
}

static void respond(struct world *w, struct message *m, uint64_t id, int status)
{
	if (m && m->is_in_flight) {
		m->may_go_on = status == (m->attempt.is_in_session ? 481 : 503);
	}
	attempts_response(w->attempts, id, status, w->now);
}

static void broken(struct world *w, struct message *m, uint64_t id, bool was_written)
{
	if (m && m->is_in_flight) {
		m->may_go_on = !was_written;
		m->is_unknown = was_written;
		if (!was_written && !m->attempt.is_in_session) {
			sip_failed_add(&w->failed, sip_failover_place(m->attempt.places), w->now);
		}
	}
	attempts_broken(w->attempts, id, was_written, w->now);
}

static void timeout(struct world *w, struct message *m, uint64_t id, bool was_written)
{
	if (m && m->is_in_flight) {
		m->is_unknown = was_written;
	}
	attempts_timeout(w->attempts, id, was_written);
}

/* The place asks for credentials; or nothing was sent, as it takes no request of that size. */
static void once_more(struct world *w, struct message *m, uint64_t id, bool is_too_large)
{
	unsigned place = m->attempt.is_in_session ? m->tries - 1 : sip_failover_number(m->attempt.places);
	if (is_too_large && !m->attempt.is_in_session) {
		attempts_too_large(w->attempts, id);
		m->places = 0;
		m->is_located = false;
		sip_failover_free(m->its_places);
		m->its_places = NULL;
		land(w, m);
	} else if (attempts_challenged(w->attempts, id, w->now)) {
		m->places &= ~(1U << place);
		m->tries--;
		m->may_go_on = true;
		land(w, m);
	}
}

static void event(struct world *w)
{
	static const int statuses[] = { 100, 180, 200, 202, 302, 404, 408, 481, 482, 486, 500, 503, 603 };
	uint8_t what = byte(w);
	uint64_t id = byte(w) % (COUNT + 1);
	struct message *m = w->of[id];
	bool is_asked = m && m->attempt.state == ATTEMPT_ASKED, is_locating = m && m->attempt.state == ATTEMPT_LOCATING;
	switch (what % 16) {
	case 0:
	case 1:
		take(w);
		break;
	case 2:
	case 3:
		turn(w);
		break;
	case 4:
		if (is_asked) {
			m->is_acked = true;
		}
		attempts_acked(w->attempts, id);
		break;
	case 5:
		attempts_not_ours(w->attempts, id);
		break;
	case 6:
		link_event(w, byte(w));
		break;
	case 7:
	case 8:
		if (m && m->attempt.state == ATTEMPT_OPENING) {
			m->is_opened = true;
		} else if (is_locating && m->attempt.is_in_session) {
			m->is_located = true;
		} else if (is_locating) {
			m->is_located = true;
			MUST(!m->its_places && sip_failover_new(&w->where, &w->failed, w->now, &m->its_places) == XFED_OK);
		}
		attempts_located(w->attempts, id, m ? m->its_places : NULL, w->now);
		break;
	case 9:
		if (what & 16) {
			attempts_not_opened(w->attempts, id,
				&(struct attempt_end){ .fate = ATTEMPT_REFUSED,
					.reason = what & 32 ? XFED_REASON_NONE : XFED_REASON_SIP_SESSION_UNANSWERED,
					.status = 480 });
			break;
		}
		attempts_not_located(w->attempts, id, XFED_REASON_SIP_SERVER_UNREACHABLE, "dns.name.missing");
		break;
	case 10:
		attempts_unsent(w->attempts, id, XFED_REASON_STREAM_INTERNAL, NULL);
		break;
	case 11:
		respond(w, m, id, statuses[byte(w) % XFED_ARRAY_LEN(statuses)]);
		break;
	case 12:
		broken(w, m, id, what & 16);
		break;
	case 13:
		timeout(w, m, id, what & 16);
		break;
	case 14:
		w->now += (uint64_t)byte(w) * 64;
		attempts_tick(w->attempts, w->now);
		break;
	case 15:
		if (what == 0xff) {
			w->is_over = true;
			attempts_give_up(w->attempts);
		} else if (m && m->is_in_flight) {
			once_more(w, m, id, what & 16);
		}
		break;
	}
	perform(w);
}

static void check(const struct world *w)
{
	size_t n = 0;
	for (uint64_t id = 1; id <= COUNT; id++) {
		n += w->of[id] != NULL;
		MUST((attempts_find(w->attempts, id) != NULL) == (w->of[id] != NULL));
	}
	MUST(attempts_count(w->attempts) == n && attempts_late(w->attempts, w->now) <= n);
}

/* Whatever has happened: when time has passed and what is in flight is over, nothing is left. */
static void let_all_end(struct world *w)
{
	w->now += 10 * XFED_DELIVERY_SIP_LEFT_MS;
	for (uint64_t id = 1; id <= COUNT; id++) {
		timeout(w, w->of[id], id, true);
		perform(w);
		attempts_not_located(w->attempts, id, XFED_REASON_SIP_SERVER_UNREACHABLE, "dns.name.missing");
		perform(w);
		attempts_not_opened(w->attempts, id, &(struct attempt_end){ .fate = ATTEMPT_REFUSED, .reason = XFED_REASON_SIP_SESSION_UNANSWERED });
		perform(w);
	}
	turn(w);
	attempts_tick(w->attempts, w->now);
	perform(w);
	MUST(attempts_count(w->attempts) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .at = data, .end = data + size, .now = 1000000 };
	for (size_t i = 0; i < PLACES; i++) {
		w.list[i] = (struct sip_location){ .transport = SIP_TCP, .address = { 192, 0, 2, (uint8_t)(1 + i) }, .port = 5060, .tls_name = "" };
	}
	w.where = (struct sip_locations){ .reason = XFED_REASON_NONE, .list = w.list, .count = PLACES };
	MUST(attempts_new(&(struct recipients_limits){ 6, 4096 }, origin, &w, &w.attempts) == XFED_OK);
	while (w.at < w.end) {
		event(&w);
		check(&w);
	}
	if (byte(&w) == 0) {
		let_all_end(&w);
	}
	for (struct attempt *t; (t = attempts_drop(w.attempts));) {
		MUST(w.of[t->id] == (struct message *)t);
		w.of[t->id] = NULL;
		sip_failover_free(((struct message *)t)->its_places);
		xfed_free(t);
	}
	check(&w);
	attempts_free(w.attempts);
	return 0;
}
