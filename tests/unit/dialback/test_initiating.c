/* The initiating role: [A8-04], [A8-08], [A8-09], [A8-12], [A8-14], [A8-15], [A8-17]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support.h"

#define STANZAS	 "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"
#define CAPULET	 "capulet.example"
#define MONTAGUE "montague.example"

enum what { REQUEST, ANSWER, TICK, LOST };
enum flags { SAME_SERVER = 1 };

struct row {
	uint64_t at;
	enum what what;
	const char *sender, *target; /* REQUEST */
	unsigned flags;
	const char *xml; /* ANSWER */
	int rc;
	const char *expect;
};

#define REQ(at, sender, target, flags, rc, expect)                                                                                                   \
	{                                                                                                                                            \
		at, REQUEST, sender, target, flags, NULL, rc, expect                                                                                 \
	}
#define ANS(at, xml, expect)                                                                                                                         \
	{                                                                                                                                            \
		at, ANSWER, NULL, NULL, 0, xml, XFED_OK, expect                                                                                      \
	}
#define TIME(at, expect)                                                                                                                             \
	{                                                                                                                                            \
		at, TICK, NULL, NULL, 0, NULL, XFED_OK, expect                                                                                       \
	}
#define GONE(at, expect)                                                                                                                             \
	{                                                                                                                                            \
		at, LOST, NULL, NULL, 0, NULL, XFED_OK, expect                                                                                       \
	}
#define END                                                                                                                                          \
	{                                                                                                                                            \
		0, TICK, NULL, NULL, 0, NULL, 0, NULL                                                                                                \
	}

#define TYPED(from, to, type) "<db:result from='" from "' to='" to "' type='" type "'/>"
#define ERROR(from, to, word) "<db:result from='" from "' to='" to "' type='error'><error type='cancel'><" word " " STANZAS "/></error></db:result>"
#define SENT		      "<db:result from='" CAPULET "' to='" MONTAGUE "'>" CAPULET_KEY "</db:result>"
#define START		      REQ(0, CAPULET, MONTAGUE, 0, XFED_OK, SENT)
/* Keys of other pairs of the same stream and secret, computed with another implementation (Python's
 * hmac). */
#define ROOMS_KEY			    "8acfc019f4065de59e88f08d4532376c61c8becf61ce78a25156e42fdbd0b69c"
#define CHAT_KEY			    "74d66f15f64fb4d23e2e914a6db561f1f73e2d3e9af6021726b8585756bf98a3"
#define ROOMS_SENT			    "<db:result from='rooms.capulet.example' to='" MONTAGUE "'>" ROOMS_KEY "</db:result>"
#define CHAT_SENT			    "<db:result from='" CAPULET "' to='chat.montague.example'>" CHAT_KEY "</db:result>"
#define READY				    "ready " CAPULET ">" MONTAGUE
#define FAILED(reason, word, side, stanzas) "failed " CAPULET ">" MONTAGUE " " reason " " word " " side " stanzas:" stanzas
#define TIMED_OUT			    FAILED("dialback.timeout", "-", "partner", "remote-server-timeout")

struct scenario {
	const char *name;
	bool offers_errors;
	struct row rows[8];
};

static const struct scenario scenarios[] = {
	{ "A8-01, A8-04: the example of XEP-0220 2.1.1", true, { START, ANS(10, TYPED(MONTAGUE, CAPULET, "valid"), READY), END } },
	{ "A8-04: whatever the spelling of the answer", true,
		{ START,
			ANS(10,
				"<x:result xmlns:x='jabber:server:dialback' "
				"from='Montague.Example' to='CAPULET.example.' type='valid'/>",
				READY),
			END } },
	{ "A8-08: one key per pair, asked for once", true,
		{ START, REQ(1, CAPULET, MONTAGUE, 0, XFED_OK, ""), ANS(10, TYPED(MONTAGUE, CAPULET, "valid"), READY),
			REQ(11, CAPULET, MONTAGUE, 0, XFED_OK, READY), END } },
	{ "A8-09: invalid spoils the stream", true,
		{ START,
			ANS(10, TYPED(MONTAGUE, CAPULET, "invalid"),
				FAILED("dialback.invalid", "invalid", "us", "internal-server-error") " | spoiled dialback.invalid"),
			REQ(11, "rooms.capulet.example", MONTAGUE, 0, XFED_ERR_STATE, ""), REQ(12, CAPULET, MONTAGUE, 0, XFED_ERR_STATE, ""), END } },
	{ "A8-09: pairs that wait on a spoiled stream fail with it", true,
		{ START, REQ(1, "rooms.capulet.example", MONTAGUE, 0, XFED_OK, ROOMS_SENT),
			ANS(10, TYPED(MONTAGUE, CAPULET, "invalid"),
				FAILED("dialback.invalid", "invalid", "us", "internal-server-error") " | spoiled dialback.invalid"),
			GONE(11, "failed rooms.capulet.example>" MONTAGUE " net.stream.lost - network stanzas:remote-server-timeout"), END } },
	{ "A8-09: nothing becomes ready on a spoiled stream", true,
		{ START, REQ(1, "rooms.capulet.example", MONTAGUE, 0, XFED_OK, ROOMS_SENT),
			ANS(10, TYPED(MONTAGUE, CAPULET, "invalid"),
				FAILED("dialback.invalid", "invalid", "us", "internal-server-error") " | spoiled dialback.invalid"),
			ANS(11, TYPED(MONTAGUE, "rooms.capulet.example", "valid"),
				"failed rooms.capulet.example>" MONTAGUE " dialback.invalid - us stanzas:remote-server-timeout "
				"elsewhere"),
			ANS(12, TYPED(MONTAGUE, "rooms.capulet.example", "valid"), ""), END } },
	{ "A8-09: the stream closes while waiting", true,
		{ START, GONE(10, FAILED("net.stream.lost", "-", "network", "remote-server-timeout")), ANS(11, TYPED(MONTAGUE, CAPULET, "valid"), ""),
			REQ(12, CAPULET, MONTAGUE, 0, XFED_ERR_STATE, ""), GONE(13, ""), END } },
	{ "A8-09: no answer in time", true,
		{ START, TIME(29999, ""), TIME(30000, TIMED_OUT), ANS(30001, TYPED(MONTAGUE, CAPULET, "valid"), ""),
			REQ(30002, CAPULET, MONTAGUE, 0, XFED_OK, SENT), ANS(30003, TYPED(MONTAGUE, CAPULET, "valid"), READY), END } },
	{ "a timeout is told with whatever event comes next", true, { START, ANS(30000, TYPED(MONTAGUE, "x.example", "valid"), TIMED_OUT), END } },
	{ "A8-12: answers nobody asked for", true,
		{ ANS(0, TYPED(MONTAGUE, CAPULET, "valid"), ""), REQ(1, CAPULET, MONTAGUE, 0, XFED_OK, SENT),
			ANS(2, TYPED(CAPULET, MONTAGUE, "valid"), ""), ANS(3, TYPED("evil.example", CAPULET, "valid"), ""),
			ANS(4, TYPED(MONTAGUE, "rooms.capulet.example", "valid"), ""), ANS(5, "<db:result type='valid'/>", ""),
			ANS(6, TYPED(MONTAGUE, CAPULET, "valid"), READY), END } },
	{ "A8-12: requests and nonsense on a stream of ours", true,
		{ START, ANS(1, "<db:result from='" MONTAGUE "' to='" CAPULET "'>k</db:result>", ""), ANS(2, TYPED(MONTAGUE, CAPULET, "maybe"), ""),
			ANS(3, TYPED(MONTAGUE, CAPULET, ""), ""), END } },
	{ "A8-12: one answer only", true,
		{ START, ANS(1, TYPED(MONTAGUE, CAPULET, "valid"), READY), ANS(2, TYPED(MONTAGUE, CAPULET, "invalid"), ""),
			ANS(3, ERROR(MONTAGUE, CAPULET, "forbidden"), ""), REQ(4, CAPULET, MONTAGUE, 0, XFED_OK, READY), END } },
	{ "A8-17: another sender needs no leave", false,
		{ START, REQ(1, "rooms.capulet.example", MONTAGUE, 0, XFED_OK, ROOMS_SENT),
			ANS(2, TYPED(MONTAGUE, "rooms.capulet.example", "valid"), "ready rooms.capulet.example>" MONTAGUE),
			ANS(3, TYPED(MONTAGUE, CAPULET, "valid"), READY), END } },
	{ "A8-17: another target needs errors", false, { START, REQ(1, CAPULET, "chat.montague.example", SAME_SERVER, XFED_ERR_STATE, ""), END } },
	{ "A8-17: and the same server", true, { START, REQ(1, CAPULET, "chat.montague.example", 0, XFED_ERR_STATE, ""), END } },
	{ "A8-17: another target", true,
		{ START, REQ(1, CAPULET, "chat.montague.example", SAME_SERVER, XFED_OK, CHAT_SENT),
			ANS(2, TYPED("chat.montague.example", CAPULET, "valid"), "ready " CAPULET ">chat.montague.example"), END } },
	{ "A8-09: an error leaves the stream to others", true,
		{ START,
			ANS(1, ERROR(MONTAGUE, CAPULET, "item-not-found"),
				FAILED("dialback.target.unknown", "item-not-found", "partner", "remote-server-timeout")),
			REQ(2, "rooms.capulet.example", MONTAGUE, 0, XFED_OK, ROOMS_SENT), REQ(3, CAPULET, MONTAGUE, 0, XFED_OK, SENT), END } },
};

/* [A8-14], every row: what the operator reads, whose fault it is from here; senders always get the
 * same ([A8-09]). */
static const struct {
	const char *word, *reason, *side;
	bool elsewhere;
} errors[] = {
	{ "item-not-found", "dialback.target.unknown", "partner", false },
	{ "remote-connection-failed", "dialback.authority.unreachable", "us", false },
	{ "remote-server-not-found", "dialback.authority.unknown", "us", false },
	{ "remote-server-timeout", "dialback.timeout", "partner", false },
	{ "policy-violation", "dialback.policy.refused", "us", false },
	{ "not-authorized", "dialback.certificate.required", "us", false },
	{ "forbidden", "dialback.invalid", "us", false },
	{ "not-acceptable", "dialback.identity.refused", "partner", false },
	{ "resource-constraint", "dialback.pairs.exceeded", "partner", true },
	{ "internal-server-error", "dialback.error.received", "partner", false },
	{ "gone", "dialback.error.received", "partner", false },
};

static struct xfed_dbinit *machine(bool offers_errors)
{
	struct xfed_dbinit *m;
	struct xfed_dbinit_config cfg = { .stream_id = XFED_SPAN(CAPULET_ID), .target = XFED_SPAN(MONTAGUE), .peer_offers_errors = offers_errors };
	assert_int_equal(xfed_dbinit_new(&cfg, &m), XFED_OK);
	return m;
}

static int step(struct xfed_dbinit *m, const struct xfed_dbinit_event *ev, uint64_t at, char *text, size_t size)
{
	struct xfed_dialback_action a;
	int rc = xfed_dbinit_step(m, ev, at);
	while (xfed_dbinit_next(m, &a)) {
		note_action(text, size, &a);
	}
	return rc;
}

static int feed(struct xfed_dbinit *m, const struct row *r, char *text, size_t size)
{
	struct xfed_dbinit_event ev = { .type = XFED_DBINIT_TICK };
	struct parsed p = { .reader = NULL };
	switch (r->what) {
	case REQUEST:
		ev = (struct xfed_dbinit_event){
			.type = XFED_DBINIT_REQUEST,
			.sender = xfed_span_str(r->sender),
			.target = xfed_span_str(r->target),
			.hash_hex = XFED_SPAN(CAPULET_HASH),
			.is_same_server = r->flags & SAME_SERVER,
		};
		break;
	case ANSWER:
		assert_true(parse(&p, r->xml));
		ev = (struct xfed_dbinit_event){ .type = XFED_DBINIT_ANSWER, .elem = &p.elem };
		break;
	case TICK:
		break;
	case LOST:
		ev.type = XFED_DBINIT_END;
		break;
	}
	int rc = step(m, &ev, r->at, text, size);
	parsed_free(&p);
	return rc;
}

static void transcripts(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(scenarios); i++) {
		struct xfed_dbinit *m = machine(scenarios[i].offers_errors);
		for (size_t k = 0; scenarios[i].rows[k].expect; k++) {
			const struct row *r = &scenarios[i].rows[k];
			char text[2048] = "";
			int rc = feed(m, r, text, sizeof(text));
			if (rc != r->rc || strcmp(text, r->expect) != 0) {
				fail_msg("%s, row %zu at %u: %d\n%s, expected %d\n%s", scenarios[i].name, k, (unsigned)r->at, rc, text, r->rc,
					r->expect);
			}
		}
		xfed_dbinit_free(m);
	}
}

static void every_error_has_its_reason(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(errors); i++) {
		struct xfed_dbinit *m = machine(true);
		char xml[512], text[512] = "", expected[512];
		const char *known = strcmp(errors[i].word, "gone") == 0 ? "undefined-condition" : errors[i].word;
		snprintf(xml, sizeof(xml), ERROR(MONTAGUE, CAPULET, "%s"), errors[i].word);
		snprintf(expected, sizeof(expected), SENT " | " FAILED("%s", "%s", "%s", "remote-server-timeout") "%s", errors[i].reason, known,
			errors[i].side, errors[i].elsewhere ? " elsewhere" : "");
		struct row rows[] = { START, ANS(1, xml, "") };
		for (size_t k = 0; k < 2; k++) {
			assert_int_equal(feed(m, &rows[k], text, sizeof(text)), XFED_OK);
		}
		if (strcmp(text, expected) != 0) {
			fail_msg("A8-14 %s:\n%s, expected\n%s", errors[i].word, text, expected);
		}
		/* Towards SIP 504, whatever the error: [A8-09], reasons. */
		assert_int_equal(xfed_reason_info(xfed_reason_by_code(xfed_span_str(errors[i].reason)))->sip_status, 504);
		xfed_dbinit_free(m);
	}
}

/* [A8-08], [A8-09]: when stanzas may go. */
static void may_send(void **state)
{
	struct xfed_dbinit *m = machine(true);
	struct xfed_span c = XFED_SPAN(CAPULET), t = XFED_SPAN(MONTAGUE), rooms = XFED_SPAN("rooms.capulet.example");
	char text[2048] = "";
	const struct row rows[] = { START, ANS(1, TYPED(MONTAGUE, CAPULET, "valid"), ""), REQ(2, "rooms.capulet.example", MONTAGUE, 0, XFED_OK, ""),
		ANS(3, TYPED(MONTAGUE, "rooms.capulet.example", "invalid"), "") };
	assert_false(xfed_dbinit_may_send(m, c, t));
	assert_int_equal(feed(m, &rows[0], text, sizeof(text)), XFED_OK);
	assert_false(xfed_dbinit_may_send(m, c, t));
	assert_int_equal(xfed_dbinit_deadline(m), XFED_DIALBACK_MS);
	assert_int_equal(feed(m, &rows[1], text, sizeof(text)), XFED_OK);
	assert_true(xfed_dbinit_may_send(m, c, t));
	assert_false(xfed_dbinit_may_send(m, t, c));
	assert_int_equal(xfed_dbinit_deadline(m), UINT64_MAX);
	assert_int_equal(feed(m, &rows[2], text, sizeof(text)), XFED_OK);
	assert_true(xfed_dbinit_may_send(m, c, t)); /* other pairs go on while one waits */
	assert_false(xfed_dbinit_may_send(m, rooms, t));
	assert_int_equal(feed(m, &rows[3], text, sizeof(text)), XFED_OK);
	assert_false(xfed_dbinit_may_send(m, c, t));
	xfed_dbinit_free(m);
}

static int request(struct xfed_dbinit *m, unsigned n, uint64_t at, char *text, size_t size)
{
	char sender[64];
	snprintf(sender, sizeof(sender), "d%u.example", n);
	struct row r = REQ(at, sender, MONTAGUE, 0, 0, "");
	text[0] = '\0';
	return feed(m, &r, text, size);
}

/* XFED_DIALBACK_PAIRS_MAX, where those that failed make room; and the end of a stream with all of
 * them. */
static void pairs_are_bounded(void **state)
{
	struct xfed_dbinit *m = machine(true);
	static char text[65536];
	for (unsigned i = 0; i < XFED_DIALBACK_PAIRS_MAX; i++) {
		assert_int_equal(request(m, i, i, text, sizeof(text)), XFED_OK);
	}
	assert_int_equal(request(m, 999, 100, text, sizeof(text)), XFED_ERR_LIMIT);
	assert_string_equal(text, "");
	struct row error = ANS(101, ERROR(MONTAGUE, "d5.example", "forbidden"), "");
	assert_int_equal(feed(m, &error, text, sizeof(text)), XFED_OK);
	assert_int_equal(request(m, 999, 102, text, sizeof(text)), XFED_OK);
	struct row gone = GONE(103, "");
	unsigned failed = 0;
	text[0] = '\0';
	assert_int_equal(feed(m, &gone, text, sizeof(text)), XFED_OK);
	for (const char *at = text; (at = strstr(at, "failed ")); at++) {
		failed++;
	}
	assert_int_equal(failed, XFED_DIALBACK_PAIRS_MAX);
	struct xfed_dialback_counts c;
	xfed_dbinit_counts(m, &c);
	assert_int_equal(c.failed, XFED_DIALBACK_PAIRS_MAX + 1);
	assert_int_equal(c.waiting, 0);
	xfed_dbinit_free(m);
}

static void wrong_uses(void **state)
{
	struct xfed_dbinit *m = machine(true);
	char text[256] = "";
	struct row verify = ANS(0, "<db:verify from='" MONTAGUE "' to='" CAPULET "' id='1' type='valid'/>", "");
	assert_int_equal(feed(m, &verify, text, sizeof(text)), XFED_ERR_INVALID);
	struct xfed_dbinit_event ev = {
		.type = XFED_DBINIT_REQUEST, .sender = XFED_SPAN(CAPULET), .target = XFED_SPAN(MONTAGUE), .hash_hex = XFED_SPAN("no hash")
	};
	assert_int_equal(step(m, &ev, 0, text, sizeof(text)), XFED_ERR_INVALID);
	assert_string_equal(text, "");
	assert_int_equal(xfed_dbinit_deadline(m), UINT64_MAX); /* nothing waits */
	xfed_dbinit_free(m);
	struct xfed_dbinit_config cfg = { .stream_id = { "", 0 }, .target = XFED_SPAN(MONTAGUE) };
	assert_int_equal(xfed_dbinit_new(&cfg, &m), XFED_ERR_LIMIT); /* a header without id: no key can be made */
}

static int libraries_up(void **state)
{
	return xfed_xml_global_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transcripts),
		cmocka_unit_test(every_error_has_its_reason),
		cmocka_unit_test(may_send),
		cmocka_unit_test(pairs_are_bounded),
		cmocka_unit_test(wrong_uses),
	};
	return cmocka_run_group_tests(tests, libraries_up, NULL);
}
