/* The subscriber of a subscription (RFC 6665 sections 4.1, 4.4). */
#include "sip/event.h"
#include "xfed/limits.h"

#define NEVER UINT64_MAX

enum again { NOW, LATER, NOT };
#define AGAIN_NOW   NOW
#define AGAIN_LATER LATER
#define AGAIN_NEVER NOT

static const enum again again_after[] = {
#define X(id, word, again) AGAIN_##again,
	SIP_END_REASONS(X)
#undef X
};

/* A random number from 0 to `most`, so that subscriptions begun together are not repeated together. */
static uint64_t spread(const struct sip_subscriber *s, uint64_t most)
{
	uint32_t r = 0;
	s->env->random(s->env->user, &r, sizeof(r));
	return most * (r % 1024) / 1024;
}

/* A step leads to one of each kind at most. */
static void send(struct sip_subscriber *s, bool is_end)
{
	s->must_send = true;
	s->must_send_end = is_end;
	s->number++;
	s->is_in_flight = true;
	s->refresh_ms = NEVER;
}

/* Its answer is followed by a NOTIFY (section 4.2.1.2): a 2xx alone does not show that those of the peer still get here. */
static void refresh(struct sip_subscriber *s, uint64_t now_ms)
{
	s->notify_by_ms = now_ms + XFED_SIP_TIMER_N_MS;
	send(s, false);
}

static void enter(struct sip_subscriber *s, enum sip_sub_state state, enum sip_end_reason reason, int status)
{
	if (s->state == state && state != SIP_SUB_TERMINATED) {
		return;
	}
	s->state = state;
	if (state != SIP_SUB_NOTIFY_WAIT) {
		s->must_tell = true;
		s->told_state = state;
		s->told_reason = reason;
		s->told_status = status;
	}
}

/* Starts a new subscription; nothing is kept of the previous one. */
static void begin(struct sip_subscriber *s, uint64_t now_ms)
{
	s->has_dialog = s->is_asked_back = s->is_ending = s->is_missed = false;
	s->expires_ms = s->retry_ms = NEVER;
	s->notify_by_ms = now_ms + XFED_SIP_TIMER_N_MS; /* section 4.1.2.4 */
	enter(s, SIP_SUB_NOTIFY_WAIT, SIP_END_NONE, 0);
	send(s, false);
}

/*
 * Doubled with each failure in a row but the first, and reduced at random by up to a quarter. Behind a cut the first is the cut's, and the
 * second that the peer goes on writing into a connection that it takes for open.
 */
static uint64_t patience_ms(const struct sip_subscriber *s)
{
	uint64_t ms = XFED_SIP_RESUBSCRIBE_MIN_MS;
	for (unsigned i = 2; i < s->failures && ms < XFED_SIP_RESUBSCRIBE_MAX_MS; i++) {
		ms *= 2;
	}
	ms = ms < XFED_SIP_RESUBSCRIBE_MAX_MS ? ms : XFED_SIP_RESUBSCRIBE_MAX_MS;
	return ms - spread(s, ms / 4);
}

/* Retry-After is heeded, but never less than a second, which doubles with each failure in a row, nor for longer than an hour. */
static uint64_t wait_ms(const struct sip_subscriber *s, int64_t retry_after_s)
{
	uint64_t least = XFED_SIP_RETRY_AFTER_MIN_MS;
	if (retry_after_s < 0) {
		return patience_ms(s);
	}
	for (unsigned i = 1; i < s->failures && least < XFED_SIP_RESUBSCRIBE_MIN_MS; i++) {
		least *= 2;
	}
	uint64_t ms = retry_after_s < XFED_SIP_RETRY_AFTER_MAX_S ? (uint64_t)retry_after_s * 1000 : XFED_SIP_RETRY_AFTER_MAX_S * 1000ULL;
	return ms > least ? ms : least;
}

/* It has ended; the reason says whether and when to subscribe again. One that ends twice without a NOTIFY in between has to wait too. */
static void end(struct sip_subscriber *s, enum sip_end_reason reason, enum again again, int64_t retry_after_s, int status, uint64_t now_ms)
{
	bool was_up = s->state == SIP_SUB_ACTIVE || s->state == SIP_SUB_PENDING;
	uint64_t begun_ms = s->notify_by_ms != NEVER ? s->notify_by_ms - XFED_SIP_TIMER_N_MS : now_ms;
	s->has_dialog = s->is_in_flight = false;
	s->expires_ms = s->refresh_ms = s->notify_by_ms = s->retry_ms = NEVER;
	enter(s, SIP_SUB_TERMINATED, reason, status);
	if (s->is_ending && !s->is_unwanted) {
		begin(s, now_ms); /* UNSUBSCRIBE was followed by SUBSCRIBE meanwhile */
		return;
	}
	if (s->is_unwanted || again == NOT) {
		return;
	}
	if (again == NOW && was_up && retry_after_s < 0) {
		begin(s, now_ms);
		return;
	}
	s->failures++;
	s->retry_ms = (retry_after_s < 0 ? begun_ms : now_ms) + wait_ms(s, retry_after_s); /* in vain it has waited already */
	s->retry_ms = s->retry_ms > now_ms ? s->retry_ms : now_ms;
}

static void set_expiry(struct sip_subscriber *s, uint64_t life, uint64_t now_ms)
{
	s->expires_ms = now_ms + life;
	if (!s->is_in_flight && !s->is_unwanted) {
		uint64_t most = s->refresh_most_s > 0 ? (uint64_t)s->refresh_most_s * 1000 : NEVER;
		uint64_t wait = life - life / 8 < most ? life - life / 8 : most;
		s->refresh_ms = now_ms + wait - spread(s, wait / 7);
	}
}

static void refresh_later(struct sip_subscriber *s, uint64_t since_ms, int64_t retry_after_s, uint64_t now_ms)
{
	s->failures++;
	uint64_t again = since_ms + wait_ms(s, retry_after_s);
	again = again > now_ms ? again : now_ms;
	s->notify_by_ms = NEVER;
	s->refresh_ms = again < s->expires_ms && !s->is_unwanted ? again : NEVER;
}

static void take_failure(struct sip_subscriber *s, const struct sip_subscriber_event *ev, uint64_t now_ms)
{
	if (ev->status == 423 && !s->is_unwanted && !s->is_ending && ev->min_expires_s > s->wanted_s &&
		ev->min_expires_s <= XFED_SIP_SUBSCRIPTION_MAX_S && !s->is_asked_back) {
		s->is_asked_back = true;
		s->wanted_s = ev->min_expires_s;
		send(s, false);
	} else if (ev->status == 481 && s->has_dialog) {
		end(s, SIP_END_NONE, NOW, -1, ev->status, now_ms); /* the peer does not know it (any more): subscribe again at once */
	} else if (!s->has_dialog || sip_status_ends_subscription(ev->status)) {
		enum again again = sip_status_refuses_subscription(ev->status) ? NOT : LATER;
		end(s, SIP_END_NONE, again, ev->retry_after_s, ev->status, now_ms);
	} else {
		/* section 4.1.2.2: after another failure of a refresh the subscription lasts until it expires */
		refresh_later(s, now_ms, ev->retry_after_s, now_ms);
	}
}

/* Sends SUBSCRIBE with Expires 0, and waits for the last NOTIFY (section 4.1.2.3). */
static void send_end(struct sip_subscriber *s, uint64_t now_ms)
{
	s->is_ending = true;
	s->expires_ms = NEVER;
	s->notify_by_ms = now_ms + XFED_SIP_TIMER_N_MS;
	send(s, true);
}

static void take_answer(struct sip_subscriber *s, const struct sip_subscriber_event *ev, uint64_t now_ms)
{
	/* A response to a SUBSCRIBE of an earlier subscription is ignored. */
	if (!s->is_in_flight || ev->number != s->number || ev->status < 200) {
		return;
	}
	s->is_in_flight = false;
	if (ev->status >= 300) {
		take_failure(s, ev, now_ms);
		return;
	}
	s->has_dialog = true;
	if (s->is_unwanted) {
		if (!s->is_ending) { /* it was sent when the subscription was still wanted */
			send_end(s, now_ms);
		}
		return;
	}
	int64_t granted = ev->expires_s >= 0 && ev->expires_s < s->wanted_s ? ev->expires_s : s->wanted_s;
	set_expiry(s, (uint64_t)granted * 1000, now_ms);
	if (s->is_missed) {
		s->is_missed = false;
		refresh(s, now_ms);
	}
}

/* A NOTIFY may shorten what was granted, and never lengthen it (section 4.1.3); before the answer that is what was asked for. */
static uint64_t life_of(const struct sip_subscriber *s, int64_t expires_s, uint64_t now_ms)
{
	uint64_t most = s->expires_ms == NEVER ? (uint64_t)s->wanted_s * 1000 : s->expires_ms > now_ms ? s->expires_ms - now_ms : 0;
	uint64_t life = (uint64_t)expires_s * 1000;
	return life < most ? life : most;
}

static void take_notify(struct sip_subscriber *s, const struct sip_sub_value *v, uint64_t now_ms)
{
	if (s->state == SIP_SUB_IDLE || s->state == SIP_SUB_TERMINATED) {
		return; /* the caller has answered with 481 */
	}
	if (v->state == SIP_SUB_TERMINATED) {
		end(s, v->reason, again_after[v->reason], v->retry_after_s, 0, now_ms);
		return;
	}
	s->has_dialog = true; /* may come before the response to SUBSCRIBE */
	s->failures = 0;
	if (!s->is_unwanted && !s->is_ending) {
		s->notify_by_ms = NEVER;
		if (v->expires_s >= 0) {
			set_expiry(s, life_of(s, v->expires_s, now_ms), now_ms);
		}
		enter(s, v->state, SIP_END_NONE, 0);
	}
}

static void stop(struct sip_subscriber *s, uint64_t now_ms)
{
	s->is_unwanted = true;
	s->retry_ms = s->refresh_ms = NEVER;
	if (!s->is_ending && s->has_dialog && !s->is_in_flight && s->state != SIP_SUB_TERMINATED) {
		send_end(s, now_ms);
	}
}

static void doubt(struct sip_subscriber *s, uint64_t now_ms)
{
	bool is_up = s->state == SIP_SUB_ACTIVE || s->state == SIP_SUB_PENDING;
	if (s->is_unwanted || s->is_ending || s->is_in_flight) {
		return;
	}
	if (is_up && s->has_dialog) {
		refresh(s, now_ms);
	} else if (s->state == SIP_SUB_TERMINATED && s->retry_ms != NEVER) {
		s->failures = 0; /* they say nothing of the way there is now */
		begin(s, now_ms);
	}
}

static void tick(struct sip_subscriber *s, uint64_t now_ms)
{
	bool is_up = s->state == SIP_SUB_ACTIVE || s->state == SIP_SUB_PENDING;
	if (now_ms >= s->notify_by_ms && (!is_up || s->is_ending)) {
		/* No NOTIFY has come, so there is no subscription, whatever the response was (section 4.1.2.4). */
		end(s, SIP_END_NONE, LATER, -1, 0, now_ms);
	} else if (now_ms >= s->notify_by_ms && s->is_in_flight) {
		s->notify_by_ms = now_ms + 1000; /* Timer F, which runs as long, says what becomes of it */
	} else if (now_ms >= s->notify_by_ms) {
		refresh_later(s, s->notify_by_ms - XFED_SIP_TIMER_N_MS, -1, now_ms);
	} else if (now_ms >= s->expires_ms) {
		end(s, SIP_END_TIMEOUT, NOW, -1, 0, now_ms);
	} else if (now_ms >= s->refresh_ms) {
		refresh(s, now_ms);
	} else if (now_ms >= s->retry_ms) {
		begin(s, now_ms);
	}
}

void sip_subscriber_init(struct sip_subscriber *s, const struct xfed_env *env)
{
	*s = (struct sip_subscriber){ .env = env, .expires_ms = NEVER, .refresh_ms = NEVER, .notify_by_ms = NEVER, .retry_ms = NEVER };
}

void sip_subscriber_step(struct sip_subscriber *s, const struct sip_subscriber_event *ev, uint64_t now_ms)
{
	XFED_REQUIRE(!s->must_tell && !s->must_send);
	switch (ev->kind) {
	case SIP_SUBSCRIBER_SUBSCRIBE:
		s->wanted_s = ev->expires_s;
		s->is_missed = s->is_missed || (s->is_unwanted && s->is_in_flight && !s->is_ending);
		s->is_unwanted = false;
		if (s->state == SIP_SUB_IDLE || (s->state == SIP_SUB_TERMINATED && s->retry_ms == NEVER)) { /* else it is begun when that is due */
			s->failures = 0;
			begin(s, now_ms);
		}
		break;
	case SIP_SUBSCRIBER_UNSUBSCRIBE:
		stop(s, now_ms);
		break;
	case SIP_SUBSCRIBER_ANSWER:
		take_answer(s, ev, now_ms);
		break;
	case SIP_SUBSCRIBER_NO_ANSWER:
		if (s->is_in_flight && ev->number == s->number) {
			s->is_in_flight = false;
			take_failure(s, &(struct sip_subscriber_event){ .status = 408, .retry_after_s = -1 }, now_ms);
		}
		break;
	case SIP_SUBSCRIBER_NOTIFY:
		take_notify(s, &ev->value, now_ms);
		break;
	case SIP_SUBSCRIBER_DOUBT:
		doubt(s, now_ms);
		break;
	case SIP_SUBSCRIBER_TICK:
		tick(s, now_ms);
		break;
	}
}

bool sip_subscriber_next(struct sip_subscriber *s, struct sip_subscriber_action *act)
{
	if (s->must_tell) {
		s->must_tell = false;
		*act = (struct sip_subscriber_action){
			.kind = SIP_SUBSCRIBER_CHANGED, .state = s->told_state, .reason = s->told_reason, .status = s->told_status
		};
		return true;
	}
	if (s->must_send) {
		s->must_send = false;
		*act = (struct sip_subscriber_action){
			.kind = SIP_SUBSCRIBER_SEND, .number = s->number, .expires_s = s->must_send_end ? 0 : s->wanted_s, .is_new = !s->has_dialog
		};
		return true;
	}
	return false;
}

uint64_t sip_subscriber_deadline(const struct sip_subscriber *s)
{
	const uint64_t times[] = { s->expires_ms, s->refresh_ms, s->notify_by_ms, s->retry_ms };
	uint64_t first = NEVER;
	for (size_t i = 0; i < XFED_ARRAY_LEN(times); i++) {
		first = times[i] < first ? times[i] : first;
	}
	return first;
}
