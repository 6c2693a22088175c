/* The session of two users: transcripts of events and the actions expected, from either end, and in all that goes wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sip/session.h"
#include "xfed/limits.h"

#define IDLE_MS 600000

struct row {
	uint64_t at_s;
	enum sip_session_event_kind kind;
	unsigned call;
	int n; /* status; of WANT: until, in seconds from `at_s` */
	const char *want;
};

static void drain(struct sip_session *s, char *said, size_t size)
{
	static const char *const words[] = { "invite", "accept", "cancel", "decline", "bye", "forget", "open", "failed" };
	struct sip_session_action a;
	size_t n = 0;
	said[0] = '\0';
	while (sip_session_next(s, &a) && n < size) {
		int what = a.kind == SIP_SESSION_FAILED ? a.status : (int)a.call;
		n += (size_t)snprintf(said + n, size - n, "%s%s %d", n > 0 ? ", " : "", words[a.kind], what);
	}
}

static void play(const char *name, const struct row *rows, size_t count)
{
	struct sip_session s;
	sip_session_init(&s);
	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];
		char said[256];
		uint64_t now = r->at_s * 1000;
		struct sip_session_event ev = { .kind = r->kind, .call = r->call, .status = r->n, .until_ms = now + (uint64_t)r->n * 1000 };
		sip_session_step(&s, &ev, IDLE_MS, now);
		drain(&s, said, sizeof(said));
		if (strcmp(said, r->want) != 0) {
			fail_msg("%s, row %zu: \"%s\", wanted \"%s\"", name, i, said, r->want);
		}
		if (r->kind == SIP_SESSION_TICK && sip_session_deadline(&s, IDLE_MS) <= now) {
			fail_msg("%s, row %zu: the deadline has not moved", name, i);
		}
	}
	if (!sip_session_is_empty(&s)) {
		fail_msg("%s: something is left", name);
	}
}

#define W	SIP_SESSION_WANT
#define ACC	SIP_SESSION_ACCEPTED
#define REF	SIP_SESSION_REFUSED
#define INV	SIP_SESSION_INVITED
#define DRAWN	SIP_SESSION_WITHDRAWN
#define END	SIP_SESSION_ENDED
#define SENT	SIP_SESSION_SENT
#define ANS	SIP_SESSION_ANSWERED
#define TAKEN	SIP_SESSION_TAKEN
#define SETTLED SIP_SESSION_SETTLED
#define ACTIVE	SIP_SESSION_ACTIVE
#define LEAVE	SIP_SESSION_LEAVE
#define TICK	SIP_SESSION_TICK

#define ROWS 12
static const struct {
	const char *name;
	struct row rows[ROWS];
} scenarios[] = {
	{ "caller, idle end",
		{ { 0, W, 0, 27, "invite 0" }, { 1, ACC, 0, 0, "open 0" }, { 1, SENT, 0, 0, "" }, { 2, ANS, 0, 200, "" }, { 3, W, 0, 27, "open 0" },
			{ 3, SENT, 0, 0, "" }, { 4, ANS, 0, 202, "" }, { 603, TICK, 0, 0, "" }, { 604, TICK, 0, 0, "bye 0" } } },
	{ "callee, the peer hangs up", { { 0, INV, 0, 0, "accept 0" }, { 1, TAKEN, 0, 0, "" }, { 2, SETTLED, 0, 0, "" }, { 3, W, 0, 27, "open 0" },
					       { 3, SENT, 0, 0, "" }, { 4, ANS, 0, 200, "" }, { 5, END, 0, 0, "forget 0" } } },
	{ "an INVITE that fails refuses what waits", { { 0, W, 0, 27, "invite 0" }, { 1, REF, 0, 486, "forget 0, failed 486" } } },
	{ "and the next message tries again", { { 0, W, 0, 27, "invite 0" }, { 1, REF, 0, 503, "forget 0, failed 503" }, { 2, W, 0, 27, "invite 0" },
						      { 3, ACC, 0, 0, "open 0" }, { 3, END, 0, 0, "forget 0" } } },
	{ "no way to send it", { { 0, W, 0, 27, "invite 0" }, { 1, REF, 0, 0, "forget 0, failed 0" } } },
	{ "no answer: cancelled, and what waits is refused",
		{ { 0, W, 0, 27, "invite 0" }, { 26, TICK, 0, 0, "" }, { 27, TICK, 0, 0, "cancel 0, failed 480" }, { 28, ACC, 0, 0, "" },
			{ 29, REF, 0, 487, "" } } },
	{ "a later message may wait longer", { { 0, W, 0, 27, "invite 0" }, { 5, W, 0, 27, "" }, { 27, TICK, 0, 0, "" }, { 28, ACC, 0, 0, "open 0" },
						     { 29, END, 0, 0, "forget 0" } } },
	{ "an answer after 10 s, and a MESSAGE before it",
		{ { 0, W, 0, 27, "invite 0" }, { 2, TAKEN, 0, 0, "" }, { 3, SETTLED, 0, 0, "" }, { 10, ACC, 0, 0, "open 0" }, { 609, TICK, 0, 0, "" },
			{ 610, TICK, 0, 0, "bye 0" } } },
	{ "481: the dialog is gone, and a new one is opened at once",
		{ { 0, W, 0, 27, "invite 0" }, { 1, ACC, 0, 0, "open 0" }, { 1, SENT, 0, 0, "" }, { 2, ANS, 0, 481, "forget 0" },
			{ 2, W, 0, 20, "invite 0" }, { 3, ACC, 0, 0, "open 0" }, { 3, SENT, 0, 0, "" }, { 4, ANS, 0, 200, "" },
			{ 5, END, 0, 0, "forget 0" } } },
	{ "408 to a MESSAGE ends the session; what is behind goes in a new one",
		{ { 0, INV, 0, 0, "accept 0" }, { 1, SENT, 0, 0, "" }, { 2, ANS, 0, 408, "bye 0" }, { 2, W, 0, 27, "invite 0" },
			{ 3, ACC, 0, 0, "open 0" }, { 4, END, 0, 0, "forget 0" } } },
	{ "no answer to a MESSAGE does too", { { 0, INV, 0, 0, "accept 0" }, { 1, SENT, 0, 0, "" }, { 33, ANS, 0, 0, "bye 0" } } },
	{ "any other refusal is about the message alone",
		{ { 0, INV, 0, 0, "accept 0" }, { 1, SENT, 0, 0, "" }, { 2, ANS, 0, 480, "" }, { 2, SENT, 0, 0, "" }, { 3, ANS, 0, 415, "" },
			{ 3, SENT, 0, 0, "" }, { 4, ANS, 0, 503, "" }, { 5, W, 0, 27, "open 0" }, { 5, END, 0, 0, "forget 0" } } },
	{ "no BYE overtakes a message of ours", { { 0, INV, 0, 0, "accept 0" }, { 1, SENT, 0, 0, "" }, { 700, TICK, 0, 0, "" },
							{ 701, LEAVE, 0, 0, "" }, { 702, ANS, 0, 200, "bye 0" } } },
	{ "nor one of the peer", { { 0, INV, 0, 0, "accept 0" }, { 1, TAKEN, 0, 0, "" }, { 1, TAKEN, 0, 0, "" }, { 2, LEAVE, 0, 0, "" },
					 { 3, SETTLED, 0, 0, "" }, { 4, SETTLED, 0, 0, "bye 0" } } },
	{ "BYE of the peer while a message is under way", { { 0, INV, 0, 0, "accept 0" }, { 1, SENT, 0, 0, "" }, { 1, TAKEN, 0, 0, "" },
								  { 2, END, 0, 0, "forget 0" }, { 3, ANS, 0, 481, "" }, { 3, SETTLED, 0, 0, "" } } },
	{ "typing keeps it open", { { 0, INV, 0, 0, "accept 0" }, { 500, ACTIVE, 0, 0, "" }, { 600, TICK, 0, 0, "" }, { 1099, TICK, 0, 0, "" },
					  { 1100, TICK, 0, 0, "bye 0" } } },
	{ "a second INVITE of the peer replaces the first",
		{ { 0, INV, 0, 0, "accept 0" }, { 1, INV, 1, 0, "bye 0, accept 1" }, { 2, W, 0, 27, "open 1" }, { 3, END, 1, 0, "forget 1" } } },
	{ "... when what is under way has ended", { { 0, INV, 0, 0, "accept 0" }, { 1, SENT, 0, 0, "" }, { 2, INV, 1, 0, "accept 1" },
							  { 2, W, 0, 27, "open 1" }, { 3, ANS, 0, 200, "bye 0" }, { 4, END, 1, 0, "forget 1" } } },
	{ "... over and over",
		{ { 0, INV, 0, 0, "accept 0" }, { 0, TAKEN, 0, 0, "" }, { 0, INV, 1, 0, "accept 1" }, { 0, TAKEN, 1, 0, "" },
			{ 0, INV, 2, 0, "accept 2" }, { 0, TAKEN, 2, 0, "" }, { 0, INV, 3, 0, "accept 3" }, { 0, INV, SIP_SESSION_NO_CALL, 0, "" },
			{ 1, END, 0, 0, "forget 0" }, { 1, END, 1, 0, "forget 1" }, { 1, SETTLED, 2, 0, "bye 2" }, { 1, END, 3, 0, "forget 3" } } },
	{ "both at once: ours is accepted, and the peer gives up its own",
		{ { 0, W, 0, 27, "invite 0" }, { 0, INV, 1, 0, "" }, { 0, DRAWN, 1, 0, "forget 1" }, { 1, ACC, 0, 0, "open 0" },
			{ 2, END, 0, 0, "forget 0" } } },
	{ "both at once: both are accepted, and ours is used",
		{ { 0, W, 0, 27, "invite 0" }, { 0, INV, 1, 0, "" }, { 1, ACC, 0, 0, "open 0" }, { 3, TICK, 0, 0, "accept 1" },
			{ 4, TAKEN, 1, 0, "" }, { 4, SETTLED, 1, 0, "" }, { 5, END, 0, 0, "forget 0" }, { 6, W, 0, 27, "open 1" },
			{ 7, END, 1, 0, "forget 1" } } },
	{ "both at once: ours is accepted, then lost, and the peer's is used",
		{ { 0, W, 0, 27, "invite 0" }, { 0, INV, 1, 0, "" }, { 1, ACC, 0, 0, "open 0" }, { 1, SENT, 0, 0, "" },
			{ 2, ANS, 0, 481, "forget 0" }, { 2, W, 0, 27, "accept 1, open 1" }, { 5, END, 1, 0, "forget 1" } } },
	{ "both at once: ours is refused, and the peer's is used",
		{ { 0, W, 0, 27, "invite 0" }, { 0, INV, 1, 0, "" }, { 1, REF, 0, 486, "forget 0, accept 1, open 1" },
			{ 2, END, 1, 0, "forget 1" } } },
	{ "both at once: the peer waits for us, as we do",
		{ { 0, W, 0, 27, "invite 0" }, { 0, INV, 1, 0, "" }, { 2, TICK, 0, 0, "" }, { 3, TICK, 0, 0, "cancel 0, accept 1, open 1" },
			{ 4, ACC, 0, 0, "" }, { 5, END, 1, 0, "forget 1" } } },
	{ "both at once: a further INVITE takes the place of the one that is held",
		{ { 0, W, 0, 27, "invite 0" }, { 0, INV, 1, 0, "" }, { 1, INV, 2, 0, "decline 1" }, { 3, TICK, 0, 0, "cancel 0, accept 2, open 2" },
			{ 4, END, 2, 0, "forget 2" } } },
	{ "both at once: the answer to ours has overtaken the peer's INVITE",
		{ { 10, W, 0, 27, "invite 0" }, { 11, ACC, 0, 0, "open 0" }, { 13, INV, 1, 0, "" }, { 13, W, 0, 27, "open 0" },
			{ 16, TICK, 0, 0, "accept 1" }, { 17, INV, 2, 0, "bye 0, bye 1, accept 2" }, { 17, W, 0, 27, "open 2" },
			{ 18, END, 2, 0, "forget 2" } } },
	{ "... and is followed by another one", { { 10, W, 0, 27, "invite 0" }, { 11, ACC, 0, 0, "open 0" }, { 13, INV, 1, 0, "" },
							{ 14, INV, 2, 0, "bye 0, decline 1, accept 2" }, { 15, END, 2, 0, "forget 2" } } },
	{ "both at once: withdrawn, and ours goes on alone", { { 0, W, 0, 27, "invite 0" }, { 0, INV, 1, 0, "" }, { 1, DRAWN, 1, 0, "forget 1" },
								     { 3, TICK, 0, 0, "" }, { 27, TICK, 0, 0, "cancel 0, failed 480" } } },
	{ "out of service while an INVITE waits",
		{ { 0, W, 0, 27, "invite 0" }, { 0, INV, 1, 0, "" }, { 1, LEAVE, 0, 0, "cancel 0, decline 1, failed 503" },
			{ 2, W, 0, 27, "failed 503" }, { 2, INV, 0, 0, "decline 0" } } },
	{ "all calls are ending", { { 0, INV, 0, 0, "accept 0" }, { 0, TAKEN, 0, 0, "" }, { 0, INV, 1, 0, "accept 1" }, { 0, TAKEN, 1, 0, "" },
					  { 0, INV, 2, 0, "accept 2" }, { 0, TAKEN, 2, 0, "" }, { 0, INV, 3, 0, "accept 3" }, { 0, SENT, 3, 0, "" },
					  { 0, TAKEN, 3, 0, "" }, { 0, ANS, 3, 408, "" }, { 0, W, 0, 27, "failed 503" }, { 1, LEAVE, 0, 0, "" } } },
};

static void transcripts(void **state)
{
	for (size_t i = 0; i + 1 < XFED_ARRAY_LEN(scenarios); i++) {
		size_t n = 0;
		while (n < ROWS && scenarios[i].rows[n].want) {
			n++;
		}
		play(scenarios[i].name, scenarios[i].rows, n);
	}
}

/* What is left of the last one ends with its last answer. */
static void calls_that_are_ending_end(void **state)
{
	struct sip_session s;
	char said[256];
	size_t last = XFED_ARRAY_LEN(scenarios) - 1;
	sip_session_init(&s);
	for (size_t i = 0; i < ROWS; i++) {
		const struct row *r = &scenarios[last].rows[i];
		sip_session_step(&s, &(struct sip_session_event){ .kind = r->kind, .call = r->call, .status = r->n, .until_ms = 27000 }, IDLE_MS, 0);
		drain(&s, said, sizeof(said));
		assert_string_equal(said, r->want);
	}
	for (unsigned i = 0; i < SIP_SESSION_CALLS; i++) {
		char want[8];
		snprintf(want, sizeof(want), "bye %u", i);
		assert_false(sip_session_is_empty(&s));
		sip_session_step(&s, &(struct sip_session_event){ .kind = SIP_SESSION_SETTLED, .call = i }, IDLE_MS, 0);
		drain(&s, said, sizeof(said));
		assert_string_equal(said, want);
	}
	assert_true(sip_session_is_empty(&s));
}

static void a_call_is_free_or_none_is(void **state)
{
	struct sip_session s;
	char said[64];
	sip_session_init(&s);
	for (unsigned i = 0; i < SIP_SESSION_CALLS; i++) {
		assert_int_equal(sip_session_free_call(&s), i);
		sip_session_step(&s, &(struct sip_session_event){ .kind = SIP_SESSION_INVITED, .call = i }, IDLE_MS, 0);
		sip_session_next(&s, &(struct sip_session_action){ 0 });
		drain(&s, said, sizeof(said));
		sip_session_step(&s, &(struct sip_session_event){ .kind = SIP_SESSION_TAKEN, .call = i }, IDLE_MS, 0);
	}
	assert_int_equal(sip_session_free_call(&s), SIP_SESSION_NO_CALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transcripts),
		cmocka_unit_test(calls_that_are_ending_end),
		cmocka_unit_test(a_call_is_free_or_none_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
