/* Subscriptions in doubt: refreshed one after the other at a bounded rate; unanswered for a minute, the contact is told unavailable. */
#include "presence/stale.h"

#include "xfed/rt/log.h"

#define ASKED_PER_S	50 /* or a hundredth of all, whichever is more */
#define NOTIFY_BURST	20 /* NOTIFYs of one subscription at once, and one more per NOTIFY_EVERY_MS */
#define NOTIFY_EVERY_MS 500
#define FLOOD_MS	5000

const char *presence_doubt_word(enum presence_doubt d)
{
	static const char *const words[] = { "",
#define WORD(id, word, text) word,
		PRESENCE_DOUBTS(WORD)
#undef WORD
	};
	return words[d];
}

const char *presence_doubt_text(enum presence_doubt d)
{
	static const char *const texts[] = { "",
#define TEXT(id, word, text) text,
		PRESENCE_DOUBTS(TEXT)
#undef TEXT
	};
	return texts[d];
}

/* ---- turns ---- */

static uint64_t turn_ms(struct presence *p)
{
	size_t a_second = (p->watch_count + p->follow_count) / 100;
	uint64_t now_us = presence_now(p) * 1000, at = p->turn_us > now_us ? p->turn_us : now_us;
	p->turn_us = at + 1000000 / (a_second > ASKED_PER_S ? a_second : ASKED_PER_S);
	return at / 1000;
}

void party_rearm(struct party *t)
{
	const struct follow *f = t->kind == PARTY_FOLLOW ? (const struct follow *)t : NULL;
	uint64_t at = f ? sip_subscriber_deadline(&f->machine) : sip_notifier_deadline(&((const struct watch *)t)->machine);
	at = f && f->gone_ms < at ? f->gone_ms : at;
	uint64_t wait_ms = f ? 0 : ((const struct watch *)t)->wait_ms;
	at = wait_ms != 0 && wait_ms < at ? wait_ms : at;
	party_arm(t, t->again_ms != 0 && t->again_ms < at ? t->again_ms : at);
}

void party_doubt(struct party *t, enum presence_doubt why)
{
	if (t->kind == PARTY_FOLLOW) {
		follow_mark((struct follow *)t, why);
	}
	if (t->again_ms == 0) {
		t->again_ms = turn_ms(t->pair->presence);
		party_rearm(t);
	}
}

bool party_is_turn(struct party *t)
{
	bool is_turn = t->again_ms != 0 && presence_now(t->pair->presence) >= t->again_ms;
	t->again_ms = is_turn ? 0 : t->again_ms;
	return is_turn;
}

/* ---- what is known of a user may be old ---- */

static size_t *count_of(const struct pair *pair)
{
	enum presence_doubt why = pair->why == PRESENCE_SURE && pair->follow ? pair->follow->why : pair->why;
	return why != PRESENCE_SURE ? &pair->presence->doubts[why] : NULL;
}

void doubt_uncount(const struct pair *pair)
{
	size_t *count = count_of(pair);
	if (count) {
		--*count;
	}
}

void doubt_count(const struct pair *pair)
{
	size_t *count = count_of(pair);
	if (count) {
		++*count;
	}
}

void follow_mark(struct follow *f, enum presence_doubt why)
{
	if (f->why == PRESENCE_SURE && !f->machine.is_unwanted) {
		doubt_uncount(f->party.pair);
		f->why = why;
		doubt_count(f->party.pair);
		rt_log(RT_LOG_DEBUG, "presence.doubt", RT_KV_ADDRESS("local", contact_local(f->party.pair->contact)),
			RT_KV_ADDRESS("partner", contact_remote(f->party.pair->contact)), RT_KV_STR("why", presence_doubt_word(why)), RT_END);
	}
}

void follow_is_fresh(struct follow *f)
{
	if (f->why != PRESENCE_SURE) {
		doubt_uncount(f->party.pair);
		f->why = PRESENCE_SURE;
		doubt_count(f->party.pair);
	}
	f->gone_ms = STALE_NEVER;
}

void follow_await(struct follow *f)
{
	if (f->why != PRESENCE_SURE && f->gone_ms == STALE_NEVER) {
		f->gone_ms = presence_now(f->party.pair->presence) + STALE_ANSWER_MS;
	}
}

bool follow_is_given_up(struct follow *f)
{
	bool is_late = presence_now(f->party.pair->presence) >= f->gone_ms;
	f->gone_ms = is_late ? STALE_NEVER : f->gone_ms;
	return is_late;
}

/* ---- a server that tells too much ---- */

bool follow_may_notify(struct follow *f)
{
	uint64_t now = presence_now(f->party.pair->presence), at = f->notified_ms > now ? f->notified_ms : now;
	if (at - now >= (uint64_t)NOTIFY_BURST * NOTIFY_EVERY_MS) {
		follow_mark(f, PRESENCE_DOUBT_FLOOD);
		f->party.again_ms = f->party.again_ms != 0 ? f->party.again_ms : now + FLOOD_MS; /* a refresh then gets the last state */
		party_rearm(&f->party);
		return false;
	}
	f->notified_ms = at + NOTIFY_EVERY_MS;
	return true;
}
