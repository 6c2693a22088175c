/*
 * Subscriptions: the header values, each machine alone, and both joined as over a network that loses nothing, where time is an
 * event (RFC 6665).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sip/event.h"
#include "xfed/limits.h"

/* ---- values ---- */

static void values(void **state)
{
	static const struct {
		const char *text;
		int rc;
		struct sip_sub_value want;
		const char *printed;
	} rows[] = {
		{ "active;expires=600", XFED_OK, { SIP_SUB_ACTIVE, 600, SIP_END_NONE, -1 }, "active;expires=600" },
		{ "Pending ; Expires = 0", XFED_OK, { SIP_SUB_PENDING, 0, SIP_END_NONE, -1 }, "pending;expires=0" },
		{ "terminated;reason=Probation;retry-after=5;x=\"y;z\"", XFED_OK, { SIP_SUB_TERMINATED, -1, SIP_END_PROBATION, 5 },
			"terminated;reason=probation;retry-after=5" },
		{ "terminated;reason=odd", XFED_OK, { SIP_SUB_TERMINATED, -1, SIP_END_NONE, -1 }, "terminated" },
		{ "waiting", XFED_OK, { SIP_SUB_ACTIVE, -1, SIP_END_NONE, -1 }, "active" },
		{ "active;expires=soon", XFED_ERR_INVALID, { SIP_SUB_IDLE, 0, SIP_END_NONE, 0 }, NULL },
		{ "active;;", XFED_ERR_INVALID, { SIP_SUB_IDLE, 0, SIP_END_NONE, 0 }, NULL },
		{ "", XFED_ERR_INVALID, { SIP_SUB_IDLE, 0, SIP_END_NONE, 0 }, NULL },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct sip_sub_value v;
		char out[SIP_SUB_VALUE_SIZE];
		assert_int_equal(sip_sub_value_parse(xfed_span_str(rows[i].text), &v), rows[i].rc);
		if (rows[i].rc == XFED_OK) {
			const struct sip_sub_value *w = &rows[i].want;
			bool same =
				v.state == w->state && v.expires_s == w->expires_s && v.reason == w->reason && v.retry_after_s == w->retry_after_s;
			size_t n = sip_sub_value_print(&v, out);
			if (!same || n != strlen(rows[i].printed) || strcmp(out, rows[i].printed) != 0) {
				fail_msg("%s: state %d, expires %lld, reason %d, retry %lld, printed %s", rows[i].text, v.state,
					(long long)v.expires_s, v.reason, (long long)v.retry_after_s, out);
			}
		}
	}
	struct xfed_span package, id;
	assert_int_equal(sip_event_parse(XFED_SPAN("presence ; id = 7"), &package, &id), XFED_OK);
	assert_true(xfed_span_is(package, "presence") && xfed_span_is(id, "7"));
	assert_int_equal(sip_event_parse(XFED_SPAN("presence.winfo"), &package, &id), XFED_OK);
	assert_true(xfed_span_is(package, "presence.winfo") && !id.data);
	assert_int_equal(sip_event_parse(XFED_SPAN(";"), &package, &id), XFED_ERR_INVALID);
}

/* ---- transcripts ---- */

static uint32_t random_value;

static void fill_random(void *user, void *out, size_t len)
{
	memset(out, 0, len);
	memcpy(out, &random_value, len < sizeof(random_value) ? len : sizeof(random_value));
}

static const struct xfed_env env = { .random = fill_random };

struct row {
	uint64_t at_s;
	int kind;
	const char *value; /* NOTIFY: the Subscription-State */
	int status;
	int64_t a, b, c; /* expires, min_expires, retry_after */
	const char *want;
	unsigned late; /* an answer to the SUBSCRIBE so many before the last */
};

static char said[512];

static void say(const char *fmt, ...)
{
	va_list ap;
	size_t n = strlen(said);
	va_start(ap, fmt);
	n += (size_t)snprintf(said + n, sizeof(said) - n, "%s", n > 0 ? ", " : "");
	vsnprintf(said + n, sizeof(said) - n, fmt, ap);
	va_end(ap);
}

static void drain_subscriber(struct sip_subscriber *s)
{
	struct sip_subscriber_action a;
	said[0] = '\0';
	while (sip_subscriber_next(s, &a)) {
		if (a.kind == SIP_SUBSCRIBER_SEND) {
			say("%s %lld", a.is_new ? "SUBSCRIBE" : "refresh", (long long)a.expires_s);
		} else {
			say("%s%s%s", sip_sub_state_word(a.state), *sip_end_reason_word(a.reason) ? " " : "", sip_end_reason_word(a.reason));
		}
	}
}

static void run_subscriber(const char *name, const struct row *rows, size_t count)
{
	struct sip_subscriber s;
	sip_subscriber_init(&s, &env);
	random_value = 0;
	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];
		struct sip_subscriber_event ev = { .kind = (enum sip_subscriber_event_kind)r->kind,
			.status = r->status,
			.expires_s = r->a,
			.min_expires_s = r->b,
			.retry_after_s = r->c,
			.number = s.number - r->late };
		if (r->value) {
			assert_int_equal(sip_sub_value_parse(xfed_span_str(r->value), &ev.value), XFED_OK);
		}
		if (r->kind == SIP_SUBSCRIBER_TICK && *r->want) {
			assert_int_equal(sip_subscriber_deadline(&s), r->at_s * 1000); /* not a moment before */
		}
		sip_subscriber_step(&s, &ev, r->at_s * 1000);
		drain_subscriber(&s);
		if (strcmp(said, r->want) != 0) {
			fail_msg("%s row %zu: \"%s\", want \"%s\"", name, i, said, r->want);
		}
	}
}

#define SUBSCRIBE(t, s, w)                                                                                                                           \
	{                                                                                                                                            \
		t, SIP_SUBSCRIBER_SUBSCRIBE, NULL, 0, s, -1, -1, w                                                                                   \
	}
#define STOP(t, w)                                                                                                                                   \
	{                                                                                                                                            \
		t, SIP_SUBSCRIBER_UNSUBSCRIBE, NULL, 0, -1, -1, -1, w                                                                                \
	}
#define OK(t, s, w)                                                                                                                                  \
	{                                                                                                                                            \
		t, SIP_SUBSCRIBER_ANSWER, NULL, 200, s, -1, -1, w                                                                                    \
	}
#define FAIL(t, st, w)                                                                                                                               \
	{                                                                                                                                            \
		t, SIP_SUBSCRIBER_ANSWER, NULL, st, -1, -1, -1, w                                                                                    \
	}
#define FAIL_MORE(t, st, m, ra, w)                                                                                                                   \
	{                                                                                                                                            \
		t, SIP_SUBSCRIBER_ANSWER, NULL, st, -1, m, ra, w                                                                                     \
	}
#define SILENCE(t, w)                                                                                                                                \
	{                                                                                                                                            \
		t, SIP_SUBSCRIBER_NO_ANSWER, NULL, 0, -1, -1, -1, w                                                                                  \
	}
#define NOTIFY(t, v, w)                                                                                                                              \
	{                                                                                                                                            \
		t, SIP_SUBSCRIBER_NOTIFY, v, 0, -1, -1, -1, w                                                                                        \
	}
#define DOUBT(t, w)                                                                                                                                  \
	{                                                                                                                                            \
		t, SIP_SUBSCRIBER_DOUBT, NULL, 0, -1, -1, -1, w                                                                                      \
	}
#define TICK(t, w)                                                                                                                                   \
	{                                                                                                                                            \
		t, SIP_SUBSCRIBER_TICK, NULL, 0, -1, -1, -1, w                                                                                       \
	}
#define LATE(t, st, w)                                                                                                                               \
	{                                                                                                                                            \
		t, SIP_SUBSCRIBER_ANSWER, NULL, st, 800, -1, -1, w, 1                                                                                \
	}
#define RUN_S(name, ...)                                                                                                                             \
	do {                                                                                                                                         \
		static const struct row rows_[] = { __VA_ARGS__ };                                                                                   \
		run_subscriber(name, rows_, XFED_ARRAY_LEN(rows_));                                                                                  \
	} while (0)

static void subscriber(void **state)
{
	RUN_S("refreshed before its end", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active;expires=800", "active"),
		TICK(701, "refresh 800"), OK(702, 400, ""), NOTIFY(702, "active;expires=400", ""), TICK(1052, "refresh 800"));
	RUN_S("NOTIFY before the answer", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), NOTIFY(1, "pending;expires=800", "pending"), OK(2, 800, ""),
		NOTIFY(3, "active;expires=800", "active"));
	RUN_S("no NOTIFY comes", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), TICK(32, "terminated"), TICK(32, "SUBSCRIBE 800"),
		SILENCE(64, "terminated"), TICK(64, "SUBSCRIBE 800"), SILENCE(96, "terminated"), TICK(124, "SUBSCRIBE 800"));
	RUN_S("longer is asked for", SUBSCRIBE(0, 60, "SUBSCRIBE 60"), FAIL_MORE(1, 423, 600, -1, "SUBSCRIBE 600"),
		FAIL_MORE(2, 423, 900, -1, "terminated"));
	RUN_S("final answers", SUBSCRIBE(0, 60, "SUBSCRIBE 60"), FAIL(1, 403, "terminated"), TICK(9999, ""));
	RUN_S("not now", SUBSCRIBE(0, 60, "SUBSCRIBE 60"), FAIL_MORE(1, 503, -1, 20, "terminated"), TICK(21, "SUBSCRIBE 60"));
	RUN_S("at once, says a server that refuses: not in a loop", SUBSCRIBE(0, 60, "SUBSCRIBE 60"), FAIL_MORE(1, 503, -1, 0, "terminated"),
		TICK(2, "SUBSCRIBE 60"), FAIL_MORE(2, 503, -1, 0, "terminated"), TICK(4, "SUBSCRIBE 60"), FAIL_MORE(4, 503, -1, 1, "terminated"),
		TICK(8, "SUBSCRIBE 60"), FAIL_MORE(8, 503, -1, 20, "terminated"), TICK(28, "SUBSCRIBE 60"));
	RUN_S("never again, says another", SUBSCRIBE(0, 60, "SUBSCRIBE 60"), FAIL_MORE(1, 503, -1, 4294967295, "terminated"),
		TICK(3601, "SUBSCRIBE 60"));
	RUN_S("a refresh that fails at once", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active", "active"),
		TICK(701, "refresh 800"), FAIL_MORE(702, 500, -1, 0, ""), TICK(703, "refresh 800"), FAIL_MORE(703, 500, -1, 0, ""),
		TICK(705, "refresh 800"));
	RUN_S("the peer forgot it", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active", "active"), TICK(701, "refresh 800"),
		FAIL(702, 481, "terminated, SUBSCRIBE 800"));
	RUN_S("a refresh fails, the rest is left", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active", "active"),
		TICK(701, "refresh 800"), FAIL(702, 500, ""), TICK(732, "refresh 800"), FAIL(733, 500, ""), TICK(763, "refresh 800"),
		FAIL(764, 500, ""), TICK(801, "terminated timeout, SUBSCRIBE 800"));
	RUN_S("408 of a refresh ends it", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active", "active"), TICK(701, "refresh 800"),
		SILENCE(733, "terminated"), TICK(733, "SUBSCRIBE 800"));
	RUN_S("no NOTIFY follows a refresh", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active", "active"),
		DOUBT(5, "refresh 800"), OK(6, 800, ""), TICK(37, ""), TICK(37, "refresh 800"), OK(38, 800, ""), TICK(69, ""),
		TICK(69, "refresh 800"), OK(70, 800, ""), TICK(101, ""), TICK(129, "refresh 800"), OK(130, 800, ""), NOTIFY(130, "active", ""),
		TICK(830, "refresh 800"));
	RUN_S("... nor an answer in time", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active", "active"), DOUBT(5, "refresh 800"),
		TICK(37, ""), SILENCE(38, "terminated"), TICK(38, "SUBSCRIBE 800"));
	RUN_S("its end is asked for", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active", "active"), STOP(5, "refresh 0"),
		OK(6, 0, ""), NOTIFY(6, "terminated;reason=timeout", "terminated timeout"), TICK(9999, ""));
	RUN_S("... before the answer", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), STOP(1, ""), OK(2, 800, "refresh 0"), TICK(34, "terminated"));
	RUN_S("... and wanted again", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active", "active"), STOP(5, "refresh 0"),
		SUBSCRIBE(5, 700, ""), OK(6, 0, ""), NOTIFY(6, "terminated", "terminated, SUBSCRIBE 700"));
	RUN_S("... and wanted again before the answer: what came meanwhile was not taken", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""),
		NOTIFY(1, "active", "active"), DOUBT(5, "refresh 800"), STOP(6, ""), NOTIFY(6, "active", ""), SUBSCRIBE(7, 800, ""),
		OK(8, 800, "refresh 800"), OK(9, 800, ""), NOTIFY(9, "active", ""));
	RUN_S("ended before it was answered", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), NOTIFY(1, "active", "active"),
		NOTIFY(2, "terminated;reason=deactivated", "terminated deactivated, SUBSCRIBE 800"), LATE(3, 481, ""), LATE(3, 200, ""),
		FAIL(4, 403, "terminated"));
	RUN_S("not longer than it is wanted", SUBSCRIBE(0, 60, "SUBSCRIBE 60"), STOP(1, ""), FAIL_MORE(2, 423, 600, -1, "terminated"));
	RUN_S("in doubt: asked at once, and the peer knows it", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active", "active"),
		DOUBT(5, "refresh 800"), DOUBT(5, ""), OK(6, 800, ""), DOUBT(7, "refresh 800"));
	RUN_S("... or has forgotten it", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active", "active"), DOUBT(5, "refresh 800"),
		FAIL(6, 481, "terminated, SUBSCRIBE 800"), OK(7, 800, ""), NOTIFY(7, "active", "active"));
	RUN_S("... or is not there, and comes back", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active", "active"),
		DOUBT(5, "refresh 800"), SILENCE(37, "terminated"), DOUBT(40, "SUBSCRIBE 800"));
	RUN_S("... and what failed before says nothing of the way there is now", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), FAIL(1, 500, "terminated"),
		TICK(30, "SUBSCRIBE 800"), FAIL(31, 500, "terminated"), DOUBT(40, "SUBSCRIBE 800"), FAIL(41, 500, "terminated"),
		TICK(70, "SUBSCRIBE 800"));
	RUN_S("... which changes nothing where it is not wanted, or refused for good", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), FAIL(1, 403, "terminated"),
		DOUBT(2, ""), SUBSCRIBE(3, 800, "SUBSCRIBE 800"), STOP(3, ""), DOUBT(3, ""), FAIL(4, 500, "terminated"), DOUBT(5, ""));
	RUN_S("a NOTIFY shortens it, and never lengthens it", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 400, ""),
		NOTIFY(1, "active;expires=4294967295", "active"), TICK(351, "refresh 800"), OK(352, 800, ""), NOTIFY(353, "active;expires=80", ""),
		TICK(423, "refresh 800"), SILENCE(424, "terminated"));
	RUN_S("... nor before the answer", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), NOTIFY(1, "active;expires=9000", "active"),
		TICK(801, "terminated timeout, SUBSCRIBE 800"));
	RUN_S("wanted once more before it is to be tried again", SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active", "active"),
		NOTIFY(2, "terminated;reason=probation;retry-after=600", "terminated probation"), SUBSCRIBE(3, 800, ""), TICK(601, ""),
		TICK(602, "SUBSCRIBE 800"), FAIL(603, 500, "terminated"), SUBSCRIBE(604, 800, ""), TICK(631, ""), TICK(632, "SUBSCRIBE 800"));
	RUN_S("behind its end", SUBSCRIBE(0, 60, "SUBSCRIBE 60"), FAIL(1, 404, "terminated"), NOTIFY(2, "active", ""), OK(3, 60, ""), STOP(4, ""));
}

/* Where nobody sees that the peer was started anew it is asked now and then, however long it has granted. */
static void refreshed_often(void **state)
{
	struct sip_subscriber s;
	struct sip_subscriber_event ev = { .kind = SIP_SUBSCRIBER_SUBSCRIBE, .expires_s = 28800 };
	for (random_value = 0; random_value < 1024; random_value += 1023) {
		sip_subscriber_init(&s, &env);
		s.refresh_most_s = XFED_SIP_UDP_REFRESH_S;
		sip_subscriber_step(&s, &ev, 0);
		drain_subscriber(&s);
		sip_subscriber_step(
			&s, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_ANSWER, .number = 1, .status = 200, .expires_s = 28800 }, 0);
		drain_subscriber(&s);
		sip_subscriber_step(&s,
			&(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_NOTIFY, .value = { .state = SIP_SUB_ACTIVE, .expires_s = 28800 } }, 0);
		drain_subscriber(&s);
		assert_in_range(sip_subscriber_deadline(&s), random_value ? 500000 : 600000, random_value ? 520000 : 600000);
	}
	random_value = 0;
}

/* Section 4.1.3: what each word asks for. */
static void ends(void **state)
{
	static const struct {
		const char *value, *want;
		uint64_t again_s; /* 0: with `want` */
	} rows[] = {
		{ "terminated;reason=deactivated", "terminated deactivated, SUBSCRIBE 800", 0 },
		{ "terminated;reason=timeout", "terminated timeout, SUBSCRIBE 800", 0 },
		{ "terminated;reason=probation;retry-after=7", "terminated probation", 17 },
		{ "terminated;reason=probation", "terminated probation", 40 },
		{ "terminated;reason=giveup;retry-after=7", "terminated giveup", 17 },
		{ "terminated;reason=giveup", "terminated giveup", 40 },
		{ "terminated;reason=rejected", "terminated rejected", UINT64_MAX },
		{ "terminated;reason=noresource;retry-after=7", "terminated noresource", UINT64_MAX },
		{ "terminated;reason=invariant", "terminated invariant", UINT64_MAX },
		{ "terminated", "terminated", 40 },
		{ "terminated;reason=something", "terminated", 40 },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		const struct row steps[] = { SUBSCRIBE(0, 800, "SUBSCRIBE 800"), OK(1, 800, ""), NOTIFY(1, "active", "active"),
			NOTIFY(10, rows[i].value, rows[i].want) };
		const struct row again[] = { steps[0], steps[1], steps[2], steps[3], TICK(rows[i].again_s, "SUBSCRIBE 800") };
		const struct row never[] = { steps[0], steps[1], steps[2], steps[3], TICK(999999, "") };
		bool is_later = rows[i].again_s != 0 && rows[i].again_s != UINT64_MAX;
		run_subscriber(rows[i].value, rows[i].again_s == UINT64_MAX ? never : again, is_later || rows[i].again_s ? 5 : 4);
	}
}

/* ---- the notifier ---- */

static void drain_notifier(struct sip_notifier *n)
{
	struct sip_notifier_action a;
	char value[SIP_SUB_VALUE_SIZE];
	said[0] = '\0';
	while (sip_notifier_next(n, &a)) {
		switch (a.kind) {
		case SIP_NOTIFIER_RESPOND:
			say("%d %lld", a.status, (long long)(a.status == 423 ? a.min_expires_s : a.expires_s));
			break;
		case SIP_NOTIFIER_NOTIFY:
			sip_sub_value_print(&a.value, value);
			say("NOTIFY %s", value);
			break;
		case SIP_NOTIFIER_GONE:
			say("gone");
			break;
		}
	}
}

static const struct sip_notifier_config config = { .expires_default_s = 3600, .expires_min_s = 60, .expires_max_s = 7200 };

static void run_notifier(const char *name, bool is_pending, const struct row *rows, size_t count)
{
	struct sip_notifier n;
	struct sip_notifier_config c = config;
	c.is_pending = is_pending;
	sip_notifier_init(&n, &c);
	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];
		struct sip_notifier_event ev = { .kind = (enum sip_notifier_event_kind)r->kind,
			.status = r->status,
			.expires_s = r->a,
			.is_urgent = r->b == 1,
			.retry_after_s = r->c,
			.reason = r->kind == SIP_NOTIFIER_END ? (enum sip_end_reason)r->status : SIP_END_NONE };
		if (r->kind == SIP_NOTIFIER_TICK && *r->want) {
			assert_int_equal(sip_notifier_deadline(&n), r->at_s * 1000);
		}
		sip_notifier_step(&n, &ev, r->at_s * 1000);
		drain_notifier(&n);
		if (strcmp(said, r->want) != 0) {
			fail_msg("%s row %zu: \"%s\", want \"%s\"", name, i, said, r->want);
		}
	}
}

#define N_SUB(t, s, w)                                                                                                                               \
	{                                                                                                                                            \
		t, SIP_NOTIFIER_SUBSCRIBE, NULL, 0, s, -1, -1, w                                                                                     \
	}
#define N_STATE(t, u, w)                                                                                                                             \
	{                                                                                                                                            \
		t, SIP_NOTIFIER_STATE, NULL, 0, -1, u, -1, w                                                                                         \
	}
#define N_OK(t, w)                                                                                                                                   \
	{                                                                                                                                            \
		t, SIP_NOTIFIER_ANSWER, NULL, 200, -1, -1, -1, w                                                                                     \
	}
#define N_FAIL(t, st, w)                                                                                                                             \
	{                                                                                                                                            \
		t, SIP_NOTIFIER_ANSWER, NULL, st, -1, -1, -1, w                                                                                      \
	}
#define N_FAIL_MORE(t, st, ra, w)                                                                                                                    \
	{                                                                                                                                            \
		t, SIP_NOTIFIER_ANSWER, NULL, st, -1, -1, ra, w                                                                                      \
	}
#define N_UNSENT(t, w)                                                                                                                               \
	{                                                                                                                                            \
		t, SIP_NOTIFIER_UNSENT, NULL, 0, -1, -1, -1, w                                                                                       \
	}
#define N_DOUBT(t, w)                                                                                                                                \
	{                                                                                                                                            \
		t, SIP_NOTIFIER_DOUBT, NULL, 0, -1, -1, -1, w                                                                                        \
	}
#define N_ACTIVATE(t, w)                                                                                                                             \
	{                                                                                                                                            \
		t, SIP_NOTIFIER_ACTIVATE, NULL, 0, -1, -1, -1, w                                                                                     \
	}
#define N_END(t, r, ra, w)                                                                                                                           \
	{                                                                                                                                            \
		t, SIP_NOTIFIER_END, NULL, r, -1, -1, ra, w                                                                                          \
	}
#define N_TICK(t, w)                                                                                                                                 \
	{                                                                                                                                            \
		t, SIP_NOTIFIER_TICK, NULL, 0, -1, -1, -1, w                                                                                         \
	}
#define RUN_N(name, pending, ...)                                                                                                                    \
	do {                                                                                                                                         \
		static const struct row rows_[] = { __VA_ARGS__ };                                                                                   \
		run_notifier(name, pending, rows_, XFED_ARRAY_LEN(rows_));                                                                           \
	} while (0)

static void notifier(void **state)
{
	RUN_N("begins, changes, expires", false, N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_OK(0, ""),
		N_STATE(10, 0, "NOTIFY active;expires=590"), N_OK(10, ""), N_TICK(600, "NOTIFY terminated;reason=timeout"), N_OK(601, "gone"));
	RUN_N("approved later", true, N_SUB(0, -1, "200 3600, NOTIFY pending;expires=3600"), N_OK(0, ""), N_STATE(5, 1, ""),
		N_ACTIVATE(9, "NOTIFY active;expires=3591"), N_OK(9, ""));
	RUN_N("too short, then at most", false, N_SUB(0, 5, "423 60, gone"));
	RUN_N("at most", false, N_SUB(0, 99999, "200 7200, NOTIFY active;expires=7200"));
	RUN_N("a fetch", false, N_SUB(0, 0, "200 0, NOTIFY terminated;reason=timeout"), N_OK(1, "gone"));
	RUN_N("one at a time, the last state wins", false, N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_STATE(1, 0, ""), N_STATE(2, 0, ""),
		N_OK(3, "NOTIFY active;expires=597"), N_OK(4, ""));
	RUN_N("no faster than the bucket", false, N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_OK(0, ""),
		N_STATE(0, 0, "NOTIFY active;expires=600"), N_OK(0, ""), N_STATE(0, 0, "NOTIFY active;expires=600"), N_OK(0, ""), N_STATE(1, 0, ""),
		N_STATE(2, 0, ""), N_TICK(5, "NOTIFY active;expires=595"), N_OK(5, ""), N_STATE(6, 0, ""), N_STATE(7, 1, "NOTIFY active;expires=593"),
		N_OK(7, ""));
	RUN_N("the end does not wait", false, N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_OK(0, ""),
		N_STATE(0, 0, "NOTIFY active;expires=600"), N_OK(0, ""), N_STATE(0, 0, "NOTIFY active;expires=600"), N_OK(0, ""),
		N_END(1, SIP_END_PROBATION, 30, "NOTIFY terminated;reason=probation;retry-after=30"), N_SUB(1, 600, "481 0"), N_OK(2, "gone"));
	RUN_N("refreshed", false, N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_OK(0, ""),
		N_SUB(500, 600, "200 600, NOTIFY active;expires=600"), N_OK(500, ""), N_TICK(600, ""),
		N_TICK(1100, "NOTIFY terminated;reason=timeout"));
	RUN_N("nobody there", false, N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_FAIL(1, 481, "gone"), N_STATE(2, 1, ""), N_OK(3, ""));
	RUN_N("silence", false, N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_FAIL(32, 408, "gone"));
	RUN_N("a passing failure: it is told later", false, N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_OK(0, ""),
		N_STATE(1, 0, "NOTIFY active;expires=599"), N_FAIL(2, 500, ""), N_STATE(3, 0, ""), N_TICK(7, "NOTIFY active;expires=593"),
		N_FAIL(7, 503, ""), N_TICK(17, "NOTIFY active;expires=583"), N_OK(17, ""), N_TICK(100, ""));
	RUN_N("... when it said", false, N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_FAIL_MORE(1, 503, 20, ""),
		N_TICK(21, "NOTIFY active;expires=579"));
	RUN_N("... but within an hour", false, N_SUB(0, 7200, "200 7200, NOTIFY active;expires=7200"), N_FAIL_MORE(1, 503, 4294967295, ""),
		N_TICK(3601, "NOTIFY active;expires=3599"));
	RUN_N("... or at once where it cannot wait", false, N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_FAIL(1, 500, ""),
		N_STATE(2, 1, "NOTIFY active;expires=598"));
	RUN_N("no way there", false, N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_UNSENT(0, ""), N_TICK(5, "NOTIFY active;expires=595"),
		N_UNSENT(5, ""), N_TICK(15, "NOTIFY active;expires=585"), N_UNSENT(15, ""), N_TICK(35, "NOTIFY active;expires=565"), N_UNSENT(35, ""),
		N_TICK(75, "NOTIFY active;expires=525"), N_UNSENT(75, ""), N_TICK(135, "NOTIFY active;expires=465"), N_OK(135, ""));
	RUN_N("no way there at its end", false, N_SUB(0, 0, "200 0, NOTIFY terminated;reason=timeout"), N_UNSENT(0, "gone"));
	RUN_N("in doubt", false, N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_DOUBT(0, ""), N_OK(1, "NOTIFY active;expires=599"),
		N_FAIL(2, 481, "gone"), N_DOUBT(3, ""));
	RUN_N("the first state after a SUBSCRIBE does not wait", false, N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_OK(0, ""),
		N_STATE(0, 0, "NOTIFY active;expires=600"), N_OK(0, ""), N_STATE(0, 0, "NOTIFY active;expires=600"), N_OK(0, ""),
		N_SUB(0, 600, "200 600, NOTIFY active;expires=600"), N_OK(0, ""), N_STATE(1, 0, "NOTIFY active;expires=599"), N_OK(1, ""),
		N_STATE(1, 0, ""), N_TICK(5, "NOTIFY active;expires=595"));
}

/* ---- both ends ---- */

struct wire {
	struct sip_subscriber s;
	struct sip_notifier n;
	char log[2048];
};

static void note(struct wire *w, const char *text)
{
	size_t n = strlen(w->log);
	snprintf(w->log + n, sizeof(w->log) - n, "%s%s", n > 0 ? " | " : "", text);
}

/* Everything that follows from what lies there now, NOTIFY first where both are to go: as often seen. */
static void carry(struct wire *w, uint64_t now_ms)
{
	struct sip_subscriber_action a;
	struct sip_notifier_action b;
	char text[128], value[SIP_SUB_VALUE_SIZE];
	for (int rounds = 0; rounds < 20; rounds++) {
		struct sip_notifier_action answer = { 0 }, notify = { 0 };
		bool has_answer = false, has_notify = false, idle = true;
		while (sip_subscriber_next(&w->s, &a)) {
			if (a.kind == SIP_SUBSCRIBER_CHANGED) {
				snprintf(text, sizeof(text), "%s", sip_sub_state_word(a.state));
				note(w, text);
				continue;
			}
			if (a.is_new) {
				sip_notifier_init(&w->n, &config);
			}
			struct sip_notifier_event ev = { .kind = SIP_NOTIFIER_SUBSCRIBE, .expires_s = a.expires_s };
			sip_notifier_step(&w->n, &ev, now_ms);
			idle = false;
		}
		while (sip_notifier_next(&w->n, &b)) {
			has_answer |= b.kind == SIP_NOTIFIER_RESPOND;
			has_notify |= b.kind == SIP_NOTIFIER_NOTIFY;
			answer = b.kind == SIP_NOTIFIER_RESPOND ? b : answer;
			notify = b.kind == SIP_NOTIFIER_NOTIFY ? b : notify;
		}
		if (has_notify) {
			struct sip_subscriber_event ev = { .kind = SIP_SUBSCRIBER_NOTIFY };
			sip_sub_value_print(&notify.value, value);
			assert_int_equal(sip_sub_value_parse(xfed_span_str(value), &ev.value), XFED_OK);
			sip_subscriber_step(&w->s, &ev, now_ms);
			struct sip_notifier_event taken = { .kind = SIP_NOTIFIER_ANSWER, .status = 200 };
			while (sip_subscriber_next(&w->s, &a)) {
				assert_int_equal(a.kind, SIP_SUBSCRIBER_CHANGED);
				note(w, sip_sub_state_word(a.state));
			}
			sip_notifier_step(&w->n, &taken, now_ms);
			idle = false;
		}
		if (has_answer) {
			struct sip_subscriber_event ev = { .kind = SIP_SUBSCRIBER_ANSWER,
				.status = answer.status,
				.expires_s = answer.expires_s,
				.min_expires_s = answer.status == 423 ? answer.min_expires_s : -1,
				.retry_after_s = -1,
				.number = w->s.number };
			sip_subscriber_step(&w->s, &ev, now_ms);
			idle = false;
		}
		if (idle) {
			return;
		}
	}
	fail_msg("they never come to rest");
}

static void joined(void **state)
{
	static struct wire w;
	uint64_t now = 0;
	unsigned refreshes = 0;
	sip_subscriber_init(&w.s, &env);
	sip_subscriber_step(&w.s, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_SUBSCRIBE, .expires_s = 10 }, now);
	carry(&w, now); /* 10 s are too short: 423, and 60 it is */
	assert_string_equal(w.log, "active");
	for (int i = 0; i < 100; i++) {
		uint64_t s = sip_subscriber_deadline(&w.s), n = sip_notifier_deadline(&w.n);
		assert_true(s < n); /* the refresh comes before the end */
		now = s;
		random_value = (uint32_t)i * 97;
		sip_subscriber_step(&w.s, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_TICK }, now);
		carry(&w, now);
		refreshes++;
	}
	assert_string_equal(w.log, "active");
	assert_int_equal(refreshes, 100);
	sip_subscriber_step(&w.s, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_UNSUBSCRIBE }, now);
	carry(&w, now);
	assert_string_equal(w.log, "active | terminated");
	assert_true(w.n.is_gone && sip_subscriber_deadline(&w.s) == UINT64_MAX && sip_notifier_deadline(&w.n) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(subscriber),
		cmocka_unit_test(ends),
		cmocka_unit_test(refreshed_often),
		cmocka_unit_test(notifier),
		cmocka_unit_test(joined),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
