/*
 * Subscriptions (RFC 6665): each byte of the input is an event with its numbers for one of the two machines, in any state and
 * order. Properties: at most one SUBSCRIBE, and one NOTIFY, is unanswered; after UNSUBSCRIBE no new subscription begins; a
 * machine that is over says nothing more; the rate of NOTIFYs holds for all but what may not wait; a deadline leads to a step
 * that moves it, so that no driver turns in circles. What is parsed as a header value is printed and parsed to the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sip/event.h"
#include "xfed/limits.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at, *end;
};

static unsigned byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static void fill_random(void *user, void *out, size_t len)
{
	memset(out, (int)byte(user), len);
}

static int64_t seconds(struct input *in)
{
	static const int64_t some[] = { -1, 0, 1, 5, 60, 61, 600, 3600, 86400, 99999999 };
	return some[byte(in) % XFED_ARRAY_LEN(some)];
}

static int status(struct input *in)
{
	static const int some[] = { 100, 200, 202, 302, 403, 404, 408, 423, 481, 489, 500, 503, 603 };
	return some[byte(in) % XFED_ARRAY_LEN(some)];
}

static void run_subscriber(struct input *in)
{
	struct xfed_env env = { .user = in, .random = fill_random };
	struct sip_subscriber s;
	struct sip_subscriber_action a;
	uint64_t now = 1000;
	uint32_t number = 0;
	bool in_flight = false, is_unwanted = false;
	sip_subscriber_init(&s, &env);
	while (in->at < in->end) {
		struct sip_subscriber_event ev = { .kind = (enum sip_subscriber_event_kind)(byte(in) % (SIP_SUBSCRIBER_TICK + 1)) };
		enum sip_sub_state before = s.state;
		uint64_t deadline = sip_subscriber_deadline(&s);
		ev.number = s.number - byte(in) % 2;
		ev.status = status(in);
		ev.expires_s = seconds(in);
		ev.min_expires_s = seconds(in);
		ev.retry_after_s = seconds(in);
		ev.value = (struct sip_sub_value){ .state = (enum sip_sub_state)(SIP_SUB_PENDING + byte(in) % 3),
			.expires_s = seconds(in),
			.reason = (enum sip_end_reason)(byte(in) % (SIP_END_INVARIANT + 1)),
			.retry_after_s = seconds(in) };
		if (ev.kind == SIP_SUBSCRIBER_SUBSCRIBE) {
			ev.expires_s = ev.expires_s < 0 ? 600 : ev.expires_s;
			is_unwanted = false;
		}
		is_unwanted |= ev.kind == SIP_SUBSCRIBER_UNSUBSCRIBE;
		if (ev.kind == SIP_SUBSCRIBER_TICK && deadline != UINT64_MAX && deadline > now) {
			now = deadline;
		}
		bool answers = (ev.kind == SIP_SUBSCRIBER_ANSWER && ev.status >= 200) || ev.kind == SIP_SUBSCRIBER_NO_ANSWER;
		bool is_late = answers && ev.number != number;
		sip_subscriber_step(&s, &ev, now);
		MUST(!is_late || !sip_subscriber_next(&s, &a));
		in_flight &= !answers || is_late;
		while (sip_subscriber_next(&s, &a)) {
			if (a.kind == SIP_SUBSCRIBER_SEND) {
				MUST((!in_flight || a.is_new) && a.expires_s >= 0 && a.number == number + 1);
				number = a.number;
				MUST(!is_unwanted || (!a.is_new && a.expires_s == 0));
				in_flight = true;
			} else {
				in_flight &= a.state != SIP_SUB_TERMINATED; /* nobody waits for its answer */
				MUST(a.state != before || a.state == SIP_SUB_TERMINATED);
			}
		}
		MUST(in_flight == s.is_in_flight);
		MUST(ev.kind != SIP_SUBSCRIBER_TICK || sip_subscriber_deadline(&s) > now);
	}
}

static void run_notifier(struct input *in)
{
	struct sip_notifier_config config = { .expires_default_s = 3600, .expires_min_s = 60, .expires_max_s = 7200, .is_pending = byte(in) & 1 };
	struct sip_notifier n;
	struct sip_notifier_action a;
	uint64_t now = 1000, told = 0;
	bool in_flight = false, is_gone = false;
	sip_notifier_init(&n, &config);
	while (in->at < in->end) {
		struct sip_notifier_event ev = { .kind = (enum sip_notifier_event_kind)(byte(in) % (SIP_NOTIFIER_TICK + 1)) };
		uint64_t deadline = sip_notifier_deadline(&n);
		ev.status = status(in);
		ev.expires_s = seconds(in);
		ev.retry_after_s = seconds(in);
		ev.is_urgent = byte(in) & 1;
		ev.reason = (enum sip_end_reason)(byte(in) % (SIP_END_INVARIANT + 1));
		now += byte(in);
		if (ev.kind == SIP_NOTIFIER_TICK && deadline != UINT64_MAX && deadline > now) {
			now = deadline;
		}
		bool may_hurry = (ev.kind == SIP_NOTIFIER_STATE && ev.is_urgent) || n.is_urgent || ev.kind == SIP_NOTIFIER_SUBSCRIBE ||
				 ev.kind == SIP_NOTIFIER_ACTIVATE || ev.kind == SIP_NOTIFIER_END || ev.kind == SIP_NOTIFIER_TICK;
		if ((ev.kind == SIP_NOTIFIER_ANSWER && ev.status >= 200) || ev.kind == SIP_NOTIFIER_UNSENT) {
			in_flight = false;
		}
		sip_notifier_step(&n, &ev, now);
		while (sip_notifier_next(&n, &a)) {
			MUST(!is_gone || (a.kind == SIP_NOTIFIER_RESPOND && a.status == 481));
			if (a.kind == SIP_NOTIFIER_NOTIFY) {
				MUST(!in_flight && a.value.expires_s >= -1);
				in_flight = true;
				told += !may_hurry;
			}
			is_gone |= a.kind == SIP_NOTIFIER_GONE;
		}
		MUST(told <= XFED_SIP_NOTIFY_BURST + (now - 1000) / XFED_SIP_NOTIFY_EVERY_MS);
		MUST(ev.kind != SIP_NOTIFIER_TICK || sip_notifier_deadline(&n) > now);
	}
}

static void check_value(struct xfed_span text)
{
	struct sip_sub_value v, again;
	struct xfed_span package, id;
	char out[SIP_SUB_VALUE_SIZE];
	if (sip_sub_value_parse(text, &v) == XFED_OK) {
		size_t n = sip_sub_value_print(&v, out);
		MUST(n < sizeof(out) && sip_sub_value_parse(xfed_span_make(out, n), &again) == XFED_OK && again.state == v.state);
		MUST(v.state == SIP_SUB_TERMINATED ? again.reason == v.reason && again.retry_after_s == v.retry_after_s
						   : again.expires_s == v.expires_s);
	}
	if (sip_event_parse(text, &package, &id) == XFED_OK) {
		MUST(package.len > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	switch (byte(&in) % 3) {
	case 0:
		run_subscriber(&in);
		break;
	case 1:
		run_notifier(&in);
		break;
	default:
		check_value(xfed_span_make((const char *)in.at, (size_t)(in.end - in.at)));
		break;
	}
	return 0;
}
