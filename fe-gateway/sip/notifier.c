/* The notifier of a subscription (RFC 6665 section 4.2). */
#include "sip/event.h"
#include "xfed/limits.h"

#define NEVER UINT64_MAX

/* A step leads to each kind once at most, and they are taken in their order. */
static void push(struct sip_notifier *n, enum sip_notifier_action_kind kind)
{
	n->todo |= 1u << kind;
}

static void gone(struct sip_notifier *n)
{
	if (!n->is_gone) {
		n->is_gone = true;
		n->state = SIP_SUB_TERMINATED;
		n->expires_ms = n->token_ms = NEVER;
		push(n, SIP_NOTIFIER_GONE);
	}
}

/* Rate limit: a bucket that gains one token per interval. */
static void refill(struct sip_notifier *n, uint64_t now_ms)
{
	while (n->tokens < XFED_SIP_NOTIFY_BURST && now_ms >= n->token_ms) {
		n->tokens++;
		n->token_ms += XFED_SIP_NOTIFY_EVERY_MS;
	}
	if (n->tokens == XFED_SIP_NOTIFY_BURST) {
		n->token_ms = NEVER;
	}
}

static void spend(struct sip_notifier *n, uint64_t now_ms)
{
	if (n->token_ms == NEVER) {
		n->token_ms = now_ms + XFED_SIP_NOTIFY_EVERY_MS;
	}
	n->tokens -= n->tokens > 0;
}

/* Sends NOTIFY if one is due; one at a time, so that several changes meanwhile become one NOTIFY with the last state. */
static void tell_if_due(struct sip_notifier *n, uint64_t now_ms)
{
	refill(n, now_ms);
	bool must_wait = n->tokens == 0 || now_ms < n->hold_ms;
	if (!n->is_due || n->is_in_flight || n->is_gone || (must_wait && !n->is_urgent)) {
		return;
	}
	push(n, SIP_NOTIFIER_NOTIFY);
	n->left_s = n->state == SIP_SUB_TERMINATED ? -1 : (int64_t)((n->expires_ms - now_ms + 999) / 1000);
	spend(n, now_ms);
	n->is_due = n->is_urgent = false;
	n->is_in_flight = true;
}

static void due(struct sip_notifier *n, bool is_urgent)
{
	n->is_due = true;
	n->is_urgent |= is_urgent;
}

static void end(struct sip_notifier *n, enum sip_end_reason reason, int64_t retry_after_s)
{
	if (n->state != SIP_SUB_TERMINATED) {
		n->state = SIP_SUB_TERMINATED;
		n->reason = reason;
		n->retry_after_s = retry_after_s;
		n->expires_ms = NEVER;
		due(n, true);
	}
}

static void subscribe(struct sip_notifier *n, int64_t wanted_s, uint64_t now_ms)
{
	push(n, SIP_NOTIFIER_RESPOND);
	if (n->state == SIP_SUB_TERMINATED) {
		n->status = 481;
		return;
	}
	if (wanted_s > 0 && wanted_s < n->config.expires_min_s) {
		n->status = 423;
		if (n->state == SIP_SUB_IDLE) {
			gone(n);
		}
		return;
	}
	int64_t granted = wanted_s < 0 ? n->config.expires_default_s : wanted_s < n->config.expires_max_s ? wanted_s : n->config.expires_max_s;
	n->status = 200;
	n->granted_s = granted;
	if (n->state == SIP_SUB_IDLE) {
		n->state = n->config.is_pending ? SIP_SUB_PENDING : SIP_SUB_ACTIVE;
	}
	n->expires_ms = now_ms + (uint64_t)granted * 1000;
	due(n, true); /* section 4.2.2: every SUBSCRIBE is answered by a NOTIFY at once */
	n->is_first = true;
	if (granted == 0) {
		end(n, SIP_END_TIMEOUT, -1);
	}
}

/* Doubled with each failure in a row. */
static uint64_t patience_ms(const struct sip_notifier *n)
{
	uint64_t ms = XFED_SIP_NOTIFY_EVERY_MS;
	for (unsigned i = 1; i < n->failures && ms < XFED_SIP_NOTIFY_PATIENCE_MS; i++) {
		ms *= 2;
	}
	return ms < XFED_SIP_NOTIFY_PATIENCE_MS ? ms : XFED_SIP_NOTIFY_PATIENCE_MS;
}

/* What was in it is told again, as it is then: whoever watches is not left with what was before. */
static void tell_later(struct sip_notifier *n, int64_t retry_after_s, uint64_t now_ms)
{
	int64_t asked_s = retry_after_s < XFED_SIP_RETRY_AFTER_MAX_S ? retry_after_s : XFED_SIP_RETRY_AFTER_MAX_S;
	n->failures++;
	n->hold_ms = now_ms + (asked_s >= 0 ? (uint64_t)asked_s * 1000 : patience_ms(n));
	due(n, false);
}

static void answered(struct sip_notifier *n, const struct sip_notifier_event *ev, uint64_t now_ms)
{
	bool is_unsent = ev->kind == SIP_NOTIFIER_UNSENT;
	if (!n->is_in_flight || (!is_unsent && ev->status < 200)) {
		return;
	}
	n->is_in_flight = false;
	bool was_last = n->state == SIP_SUB_TERMINATED && !n->is_due;
	if (was_last || (!is_unsent && sip_status_ends_subscription(ev->status))) {
		gone(n);
	} else if (is_unsent || ev->status >= 300) {
		tell_later(n, is_unsent ? -1 : ev->retry_after_s, now_ms);
	} else {
		n->failures = 0;
		n->hold_ms = 0;
	}
}

void sip_notifier_init(struct sip_notifier *n, const struct sip_notifier_config *config)
{
	*n = (struct sip_notifier){ .config = *config, .tokens = XFED_SIP_NOTIFY_BURST, .token_ms = NEVER, .expires_ms = NEVER, .retry_after_s = -1 };
}

void sip_notifier_step(struct sip_notifier *n, const struct sip_notifier_event *ev, uint64_t now_ms)
{
	XFED_REQUIRE(n->todo == 0);
	bool is_up = n->state == SIP_SUB_PENDING || n->state == SIP_SUB_ACTIVE;
	switch (ev->kind) {
	case SIP_NOTIFIER_SUBSCRIBE:
		subscribe(n, ev->expires_s, now_ms);
		break;
	case SIP_NOTIFIER_ACTIVATE:
		if (n->state == SIP_SUB_PENDING) {
			n->state = SIP_SUB_ACTIVE;
			due(n, true);
			n->is_first = true;
		}
		break;
	case SIP_NOTIFIER_STATE:
		if (n->state == SIP_SUB_ACTIVE) { /* a pending subscription reveals nothing of the watched state (RFC 3856 section 6.6.2) */
			due(n, ev->is_urgent || n->is_first);
			n->is_first = false;
		}
		break;
	case SIP_NOTIFIER_DOUBT:
		if (is_up) {
			due(n, false);
		}
		break;
	case SIP_NOTIFIER_END:
		if (is_up) {
			end(n, ev->reason, ev->retry_after_s);
		}
		break;
	case SIP_NOTIFIER_ANSWER:
	case SIP_NOTIFIER_UNSENT:
		answered(n, ev, now_ms);
		break;
	case SIP_NOTIFIER_TICK:
		if (is_up && now_ms >= n->expires_ms) {
			end(n, SIP_END_TIMEOUT, -1);
		}
		break;
	}
	tell_if_due(n, now_ms);
}

bool sip_notifier_next(struct sip_notifier *n, struct sip_notifier_action *act)
{
	bool is_over = n->state == SIP_SUB_TERMINATED;
	*act = (struct sip_notifier_action){ .kind = SIP_NOTIFIER_RESPOND };
	if (n->todo == 0) {
		return false;
	}
	while (!(n->todo & 1u << act->kind)) {
		act->kind++;
	}
	n->todo &= ~(1u << act->kind);
	if (act->kind == SIP_NOTIFIER_RESPOND) {
		act->status = n->status;
		act->expires_s = n->status == 200 ? n->granted_s : 0;
		act->min_expires_s = n->status == 423 ? n->config.expires_min_s : 0;
	} else if (act->kind == SIP_NOTIFIER_NOTIFY) {
		act->value = (struct sip_sub_value){
			.state = n->state, .expires_s = n->left_s, .reason = n->reason, .retry_after_s = is_over ? n->retry_after_s : -1
		};
	}
	return true;
}

uint64_t sip_notifier_deadline(const struct sip_notifier *n)
{
	uint64_t rate = n->tokens == 0 ? n->token_ms : 0, tell = rate > n->hold_ms ? rate : n->hold_ms;
	tell = n->is_due && !n->is_in_flight && !n->is_gone ? tell : NEVER;
	return n->expires_ms < tell ? n->expires_ms : tell;
}
