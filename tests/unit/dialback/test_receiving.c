/* The receiving role on the stream the keys come in on: [A8-01], [A8-04], [A8-10] to [A8-12],
 * [A8-14], [A8-18], [A8-19]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support.h"

#define STANZAS		      "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"
#define RESULT(from, to, key) "<db:result from='" from "' to='" to "'>" key "</db:result>"
#define ANSWER(to, type)      "<db:result from='b.example' to='" to "' type='" type "'/>"
#define ERROR(to, type, word)                                                                                                                        \
	"<db:result from='b.example' to='" to "' type='error'><error type='" type "'><" word " " STANZAS "/></error></db:result>"

/* What a row feeds: an element with a decision (flags), a verdict, or the time. */
struct row {
	uint64_t at;
	const char *xml; /* NULL: verdict or tick */
	unsigned flags;
	uint64_t token; /* 0: tick */
	enum xfed_dialback_verdict verdict;
	const char *sender, *target, *id;
	const char *expect;
};

enum flags { FOREIGN = 1, CERT = 2, NO_TLS = 4, UNLISTED = 8, NEEDS_SASL = 16 };

#define REQ(at, flags, xml, expect)                                                                                                                  \
	{                                                                                                                                            \
		at, xml, flags, 0, 0, NULL, NULL, NULL, expect                                                                                       \
	}
#define VERDICT(at, token, sender, verdict, expect)                                                                                                  \
	{                                                                                                                                            \
		at, NULL, 0, token, XFED_DIALBACK_VERDICT_##verdict, sender, "b.example", "id-1", expect                                             \
	}
#define VERDICT_OF(at, token, sender, target, id, verdict, expect)                                                                                   \
	{                                                                                                                                            \
		at, NULL, 0, token, XFED_DIALBACK_VERDICT_##verdict, sender, target, id, expect                                                      \
	}
#define TICK(at, expect)                                                                                                                             \
	{                                                                                                                                            \
		at, NULL, 0, 0, 0, NULL, NULL, NULL, expect                                                                                          \
	}
#define END                                                                                                                                          \
	{                                                                                                                                            \
		0, NULL, 0, 0, 0, NULL, NULL, NULL, NULL                                                                                             \
	}

struct scenario {
	const char *name;
	bool is_authenticated;
	struct row rows[10];
};

static struct xfed_dialback_decision decision(unsigned flags)
{
	return (struct xfed_dialback_decision){
		.is_local = !(flags & FOREIGN),
		.refuse = flags & NO_TLS       ? XFED_REASON_TLS_REQUIRED_MISSING
			  : flags & UNLISTED   ? XFED_REASON_POLICY_PARTNER_UNLISTED
			  : flags & NEEDS_SASL ? XFED_REASON_SASL_REQUIRED_MISSING
					       : XFED_REASON_NONE,
		.is_proved_by_certificate = flags & CERT,
	};
}

static void drain(struct xfed_dbrecv *m, char *text, size_t size)
{
	struct xfed_dialback_action a;
	while (xfed_dbrecv_next(m, &a)) {
		note_action(text, size, &a);
	}
}

static int feed_xml(struct xfed_dbrecv *m, const char *xml, unsigned flags, uint64_t now, char *text, size_t size)
{
	struct parsed p;
	assert_true(parse(&p, xml));
	struct xfed_dbrecv_event ev = { .type = XFED_DBRECV_REQUEST, .elem = &p.elem, .decision = decision(flags) };
	int rc = xfed_dbrecv_step(m, &ev, now);
	drain(m, text, size);
	parsed_free(&p);
	return rc;
}

static int feed_row(struct xfed_dbrecv *m, const struct row *r, char *text, size_t size)
{
	if (r->xml) {
		return feed_xml(m, r->xml, r->flags, r->at, text, size);
	}
	struct xfed_dbrecv_event ev = {
		.type = r->token ? XFED_DBRECV_VERDICT : XFED_DBRECV_TICK,
		.token = r->token,
		.sender = xfed_span_str(r->sender),
		.target = xfed_span_str(r->target),
		.stream_id = xfed_span_str(r->id),
		.verdict = r->verdict,
	};
	int rc = xfed_dbrecv_step(m, &ev, r->at);
	drain(m, text, size);
	return rc;
}

static struct xfed_dbrecv *machine(bool is_authenticated)
{
	struct xfed_dbrecv *m;
	struct xfed_dbrecv_config cfg = { .stream_id = XFED_SPAN("id-1"), .is_authenticated = is_authenticated };
	assert_int_equal(xfed_dbrecv_new(&cfg, &m), XFED_OK);
	return m;
}

#define ASKED			     "ask#1 a.example>b.example id-1 k"
#define PROVED			     "proved a.example>b.example | " ANSWER("a.example", "valid")
#define FAILED(sender, reason, word) "failed " sender ">b.example " reason " " word

static const struct scenario scenarios[] = {
	{ "A8-01: the four steps", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", " k\n"), ASKED), VERDICT(10, 1, "a.example", VALID, PROVED), END } },
	{ "A8-04: keys are of the spelling, answers echo it", false,
		{ REQ(0, 0, RESULT("A.Example", "B.EXAMPLE", "k"), "ask#1 A.Example>B.EXAMPLE id-1 k"),
			VERDICT(10, 1, "a.example", VALID,
				"proved A.Example>B.EXAMPLE | <db:result from='B.EXAMPLE' "
				"to='A.Example' type='valid'/>"),
			END } },
	{ "A8-10: an unknown target is an error and the stream stays", false,
		{ REQ(0, FOREIGN, RESULT("a.example", "b.example", "k"),
			  ERROR("a.example", "cancel", "item-not-found") " | " FAILED("a.example", "stream.to.unknown", "item-not-found")),
			REQ(1, 0, RESULT("a.example", "b.example", "k"), ASKED), END } },
	{ "A8-10: also one that is no domain", false,
		{ REQ(0, 0, "<db:result from='a.example' to='&lt;'>k</db:result>",
			  "<db:result from='&lt;' to='a.example' type='error'><error "
			  "type='cancel'><item-not-found " STANZAS "/></error></db:result> | failed a.example>< stream.to.unknown "
			  "item-not-found"),
			END } },
	{ "A8-11: invalid, nothing else proved: answer and close", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED),
			VERDICT(10, 1, "a.example", INVALID,
				ANSWER("a.example", "invalid") " | " FAILED("a.example", "dialback.invalid", "invalid") " | close dialback.invalid"),
			REQ(11, 0, RESULT("a.example", "b.example", "k"), ""), TICK(90000, ""), END } },
	{ "A8-11: a pair that only waits does not save the stream", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED),
			REQ(1, 0, RESULT("c.example", "b.example", "k"), "ask#2 c.example>b.example id-1 k"),
			VERDICT(10, 1, "a.example", INVALID,
				ANSWER("a.example", "invalid") " | " FAILED("a.example", "dialback.invalid", "invalid") " | close dialback.invalid"),
			VERDICT(11, 2, "c.example", VALID, ""), END } },
	{ "A8-11: invalid beside a valid pair: forbidden, the stream stays", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED), VERDICT(10, 1, "a.example", VALID, PROVED),
			REQ(11, 0, RESULT("c.example", "b.example", "k"), "ask#2 c.example>b.example id-1 k"),
			VERDICT(12, 2, "c.example", INVALID,
				ERROR("c.example", "auth", "forbidden") " | " FAILED("c.example", "dialback.invalid", "forbidden")),
			REQ(13, 0, RESULT("c.example", "b.example", "k2"), "ask#3 c.example>b.example id-1 k2"), END } },
	{ "A8-11: a pair proved by SASL counts as valid", true,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED),
			VERDICT(10, 1, "a.example", INVALID,
				ERROR("a.example", "auth", "forbidden") " | " FAILED("a.example", "dialback.invalid", "forbidden")),
			END } },
	{ "A8-12: answers on an inbound stream are bogus", false,
		{ REQ(0, CERT, "<db:result from='a.example' to='b.example' type='valid'/>", ""),
			REQ(1, CERT, "<db:result from='b.example' to='a.example' type='invalid'/>", ""),
			REQ(2, CERT, "<db:result from='a.example' to='b.example' type='error'/>", ""),
			REQ(3, CERT, "<db:result from='a.example' to='b.example' type='x'>k</db:result>", ""), END } },
	{ "A8-12: a verdict nobody waits for", false,
		{ VERDICT(0, 1, "a.example", VALID, ""), REQ(1, 0, RESULT("a.example", "b.example", "k"), ASKED),
			VERDICT(2, 2, "a.example", VALID, ""), VERDICT(2, 1, "c.example", VALID, ""),
			VERDICT_OF(3, 1, "a.example", "c.example", "id-1", VALID, ""), VERDICT_OF(4, 1, "a.example", "b.example", "id-2", VALID, ""),
			VERDICT_OF(5, 1, "b.example", "a.example", "id-1", VALID, ""), VERDICT(6, 1, "a.example", VALID, PROVED),
			VERDICT(7, 1, "a.example", INVALID, ""), END } },
	{ "A8-14: no verdict in time", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED), TICK(29999, ""),
			TICK(30000, ERROR("a.example", "wait", "remote-server-timeout") " | " FAILED(
					    "a.example", "dialback.timeout", "remote-server-timeout")),
			VERDICT(30001, 1, "a.example", VALID, ""),
			REQ(30002, 0, RESULT("a.example", "b.example", "k"), "ask#2 a.example>b.example id-1 k"),
			VERDICT(30003, 1, "a.example", VALID, ""), VERDICT(30004, 2, "a.example", VALID, PROVED), END } },
	{ "A8-14: item-not-found or host-unknown at the authority", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED),
			VERDICT(1, 1, "a.example", UNKNOWN_DOMAIN,
				ERROR("a.example", "cancel", "remote-server-not-found") " | " FAILED(
					"a.example", "dialback.authority.unknown", "remote-server-not-found")),
			END } },
	{ "A8-15: any other error of step 3", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED),
			VERDICT(1, 1, "a.example", REFUSED,
				ERROR("a.example", "cancel", "remote-server-not-found") " | " FAILED(
					"a.example", "dialback.authority.refused", "remote-server-not-found")),
			END } },
	{ "A8-14: no connection to the authority", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED),
			VERDICT(1, 1, "a.example", UNREACHABLE,
				ERROR("a.example", "cancel", "remote-connection-failed") " | " FAILED(
					"a.example", "dialback.authority.unreachable", "remote-connection-failed")),
			END } },
	{ "A8-14: the connection to the authority broke", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED),
			VERDICT(1, 1, "a.example", LOST,
				ERROR("a.example", "wait", "remote-server-timeout") " | " FAILED(
					"a.example", "dialback.timeout", "remote-server-timeout")),
			END } },
	{ "A8-14, A8-20: policy wants TLS first", false,
		{ REQ(0, NO_TLS, RESULT("a.example", "b.example", "k"),
			  ERROR("a.example", "modify", "policy-violation") " | " FAILED("a.example", "tls.required.missing", "policy-violation")),
			END } },
	{ "A8-14: policy wants a certificate", false,
		{ REQ(0, NEEDS_SASL, RESULT("a.example", "b.example", "k"),
			  ERROR("a.example", "auth", "not-authorized") " | " FAILED("a.example", "sasl.required.missing", "not-authorized")),
			END } },
	{ "blocked domains are not called back", false,
		{ REQ(0, UNLISTED | CERT, RESULT("a.example", "b.example", "k"),
			  ERROR("a.example", "modify", "policy-violation") " | " FAILED("a.example", "policy.partner.unlisted", "policy-violation")),
			END } },
	{ "A8-10: no certificate makes a foreign target ours", false,
		{ REQ(0, FOREIGN | CERT, RESULT("a.example", "b.example", "k"),
			  ERROR("a.example", "cancel", "item-not-found") " | " FAILED("a.example", "stream.to.unknown", "item-not-found")),
			END } },
	{ "A8-14: an identity that cannot be established", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", " "),
			  ERROR("a.example", "modify", "not-acceptable") " | " FAILED("a.example", "dialback.identity.refused", "not-acceptable")),
			REQ(1, CERT, RESULT("a@b", "b.example", "k"),
				ERROR("a@b", "modify", "not-acceptable") " | " FAILED("a@b", "dialback.identity.refused", "not-acceptable")),
			END } },
	{ "A8-18: the certificate proves the sender, no key is needed", false,
		{ REQ(0, CERT, RESULT("a.example", "b.example", ""), "certified a.example>b.example | " ANSWER("a.example", "valid")),
			REQ(1, CERT, RESULT("a.example", "b.example", "k"), ANSWER("a.example", "valid")), END } },
	{ "A8-18: judged at every request, not once for the stream", false,
		{ REQ(0, CERT, RESULT("a.example", "b.example", "k"), "certified a.example>b.example | " ANSWER("a.example", "valid")),
			REQ(1, 0, RESULT("c.example", "b.example", "k"), "ask#1 c.example>b.example id-1 k"), END } },
	{ "A8-18: a certificate that comes to count while a key is verified", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED),
			REQ(1, CERT, RESULT("a.example", "b.example", "k"), "certified a.example>b.example | " ANSWER("a.example", "valid")),
			VERDICT(2, 1, "a.example", INVALID, ""), TICK(40000, ""), END } },
	{ "a repeated request waits for the one verdict", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED), REQ(1, 0, RESULT("a.example", "b.example", "k"), ""),
			VERDICT(2, 1, "a.example", VALID, PROVED), END } },
	{ "two keys for one pair prove nothing", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED),
			REQ(1, 0, RESULT("a.example", "b.example", "K"),
				ERROR("a.example", "modify", "not-acceptable") " | " FAILED(
					"a.example", "dialback.identity.refused", "not-acceptable")),
			VERDICT(2, 1, "a.example", VALID, ""), END } },
	{ "a pair that waits is refused with its second request", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED),
			REQ(1, NO_TLS, RESULT("a.example", "b.example", "k"),
				ERROR("a.example", "modify", "policy-violation") " | " FAILED(
					"a.example", "tls.required.missing", "policy-violation")),
			VERDICT(2, 1, "a.example", VALID, ""), END } },
	{ "a proved pair stays as it was proved", false,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED), VERDICT(1, 1, "a.example", VALID, PROVED),
			REQ(2, 0, RESULT("a.example", "b.example", "k"), ANSWER("a.example", "valid")),
			REQ(3, 0, RESULT("a.example", "b.example", "K"),
				ERROR("a.example", "modify", "not-acceptable") " | " FAILED(
					"a.example", "dialback.identity.refused", "not-acceptable")),
			REQ(4, 0, RESULT("a.example", "b.example", "k"), ANSWER("a.example", "valid")), END } },
	{ "A8-19: requests are taken on an established stream", true,
		{ REQ(0, 0, RESULT("a.example", "b.example", "k"), ASKED), VERDICT(1, 1, "a.example", VALID, PROVED), END } },
	{ "no addresses: nothing can be answered", false,
		{ REQ(0, 0, "<db:result to='b.example'>k</db:result>", "close stream.address.improper"),
			REQ(1, 0, RESULT("a.example", "b.example", "k"), ""), END } },
	{ "no addressee either", true, { REQ(0, CERT, "<db:result from='a.example'>k</db:result>", "close stream.address.improper"), END } },
};

static void transcripts(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(scenarios); i++) {
		struct xfed_dbrecv *m = machine(scenarios[i].is_authenticated);
		for (size_t k = 0; scenarios[i].rows[k].expect; k++) {
			const struct row *r = &scenarios[i].rows[k];
			char text[2048] = "";
			assert_int_equal(feed_row(m, r, text, sizeof(text)), XFED_OK);
			if (strcmp(text, r->expect) != 0) {
				fail_msg("%s, row %zu at %u:\n%s, expected\n%s", scenarios[i].name, k, (unsigned)r->at, text, r->expect);
			}
		}
		xfed_dbrecv_free(m);
	}
}

static void proved_is_remembered(void **state)
{
	struct xfed_dbrecv *m = machine(false);
	struct row rows[] = { REQ(0, 0, RESULT("a.example", "b.example", "k"), ""), VERDICT(1, 1, "a.example", VALID, ""),
		REQ(2, 0, RESULT("c.example", "b.example", "k"), ""), REQ(3, 0, RESULT("c.example", "b.example", "k"), ""),
		VERDICT(4, 9, "c.example", VALID, "") };
	char text[2048] = "";
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		assert_int_equal(feed_row(m, &rows[i], text, sizeof(text)), XFED_OK);
	}
	assert_true(xfed_dbrecv_is_proved(m, XFED_SPAN("a.example"), XFED_SPAN("b.example")));
	assert_false(xfed_dbrecv_is_proved(m, XFED_SPAN("c.example"), XFED_SPAN("b.example")));
	assert_false(xfed_dbrecv_is_proved(m, XFED_SPAN("b.example"), XFED_SPAN("a.example")));
	assert_int_equal(xfed_dbrecv_deadline(m), 30002);
	xfed_dbrecv_free(m);
}

/* A verification is no request for a pair. */
static void verify_is_not_for_this_machine(void **state)
{
	struct xfed_dbrecv *m = machine(false);
	char text[64] = "";
	assert_int_equal(feed_xml(m, "<db:verify from='a.example' to='b.example' id='1'>k</db:verify>", 0, 0, text, sizeof(text)), XFED_ERR_INVALID);
	assert_string_equal(text, "");
	xfed_dbrecv_free(m);
}

/* ---- limits ---- */

static const char *request_of(unsigned n, char *xml, size_t size)
{
	snprintf(xml, size, RESULT("d%u.example", "b.example", "k"), n);
	return xml;
}

/* XFED_DIALBACK_WAITING_MAX: what waits is bounded, [A8-14] resource-constraint tells the peer. */
static void waiting_is_bounded(void **state)
{
	struct xfed_dbrecv *m = machine(false);
	char xml[128], text[1024];
	for (unsigned i = 0; i < XFED_DIALBACK_WAITING_MAX; i++) {
		text[0] = '\0';
		assert_int_equal(feed_xml(m, request_of(i, xml, sizeof(xml)), 0, i, text, sizeof(text)), XFED_OK);
		assert_memory_equal(text, "ask#", 4);
	}
	text[0] = '\0';
	assert_int_equal(feed_xml(m, request_of(99, xml, sizeof(xml)), 0, 50, text, sizeof(text)), XFED_OK);
	assert_string_equal(text,
		ERROR("d99.example", "wait", "resource-constraint") " | " FAILED("d99.example", "dialback.pairs.exceeded", "resource-constraint"));
	struct row verdict = VERDICT(51, 1, "d0.example", VALID, "");
	assert_int_equal(feed_row(m, &verdict, text, sizeof(text)), XFED_OK);
	text[0] = '\0';
	assert_int_equal(feed_xml(m, request_of(99, xml, sizeof(xml)), 0, 52, text, sizeof(text)), XFED_OK);
	assert_memory_equal(text, "ask#", 4);
	/* All time out; as many per tick as there is room for, and the deadline stays due until the
	 * last is done. */
	unsigned answered = 0, ticks = 0;
	while (xfed_dbrecv_deadline(m) <= 60000) {
		struct row tick = TICK(60000, "");
		char *at = text;
		text[0] = '\0';
		assert_int_equal(feed_row(m, &tick, text, sizeof(text)), XFED_OK);
		for (; (at = strstr(at, "failed ")); at++) {
			answered++;
		}
		assert_true(++ticks < 100);
	}
	assert_int_equal(answered, XFED_DIALBACK_WAITING_MAX);
	xfed_dbrecv_free(m);
}

/* XFED_DIALBACK_PAIRS_MAX, with certificates that prove them all. */
static void pairs_are_bounded(void **state)
{
	struct xfed_dbrecv *m = machine(false);
	char xml[128], text[1024];
	for (unsigned i = 0; i <= XFED_DIALBACK_PAIRS_MAX; i++) {
		text[0] = '\0';
		assert_int_equal(feed_xml(m, request_of(i, xml, sizeof(xml)), CERT, i, text, sizeof(text)), XFED_OK);
		assert_int_equal(strstr(text, "certified ") != NULL, i < XFED_DIALBACK_PAIRS_MAX);
		assert_int_equal(strstr(text, "resource-constraint") != NULL, i == XFED_DIALBACK_PAIRS_MAX);
	}
	xfed_dbrecv_free(m);
}

/* XFED_DIALBACK_REFUSALS_MAX: a stream that proves nothing is not kept for ever; one that has
 * proved a pair is. */
static void refusals_are_bounded(void **state)
{
	for (int proved = 0; proved < 2; proved++) {
		struct xfed_dbrecv *m = machine(proved);
		char xml[128], text[1024];
		for (unsigned i = 1; i <= XFED_DIALBACK_REFUSALS_MAX; i++) {
			text[0] = '\0';
			assert_int_equal(feed_xml(m, request_of(i, xml, sizeof(xml)), FOREIGN, i, text, sizeof(text)), XFED_OK);
			bool is_last = i == XFED_DIALBACK_REFUSALS_MAX && !proved;
			assert_int_equal(strstr(text, "close dialback.not-allowed") != NULL, is_last);
		}
		xfed_dbrecv_free(m);
	}
}

static void keys_and_ids_are_bounded(void **state)
{
	struct xfed_dbrecv *m = machine(false);
	char xml[1024], text[2048], key[XFED_DIALBACK_KEY_BYTES + 2];
	memset(key, 'k', sizeof(key));
	key[XFED_DIALBACK_KEY_BYTES + 1] = '\0';
	snprintf(xml, sizeof(xml), RESULT("a.example", "b.example", "%s"), key);
	text[0] = '\0';
	assert_int_equal(feed_xml(m, xml, 0, 0, text, sizeof(text)), XFED_OK);
	assert_non_null(strstr(text, "dialback.identity.refused"));
	key[XFED_DIALBACK_KEY_BYTES] = '\0';
	snprintf(xml, sizeof(xml), RESULT("a.example", "b.example", "%s"), key);
	text[0] = '\0';
	assert_int_equal(feed_xml(m, xml, 0, 0, text, sizeof(text)), XFED_OK);
	assert_memory_equal(text, "ask#", 4);
	xfed_dbrecv_free(m);
	char id[XFED_DIALBACK_ID_BYTES + 1];
	memset(id, 'i', sizeof(id));
	struct xfed_dbrecv_config cfg = { .stream_id = xfed_span_make(id, sizeof(id)) };
	assert_int_equal(xfed_dbrecv_new(&cfg, &m), XFED_ERR_LIMIT);
	cfg.stream_id.len = 0;
	assert_int_equal(xfed_dbrecv_new(&cfg, &m), XFED_ERR_LIMIT);
}

/* Tests divide every timer; zero means as it is. */
static void timers_are_divided(void **state)
{
	struct xfed_dbrecv *m;
	struct xfed_dbrecv_config cfg = { .stream_id = XFED_SPAN("id-1"), .time_divisor = 100 };
	char text[512] = "";
	assert_int_equal(xfed_dbrecv_new(&cfg, &m), XFED_OK);
	assert_int_equal(xfed_dbrecv_deadline(m), UINT64_MAX);
	assert_int_equal(feed_xml(m, RESULT("a.example", "b.example", "k"), 0, 1000, text, sizeof(text)), XFED_OK);
	assert_int_equal(xfed_dbrecv_deadline(m), 1300);
	xfed_dbrecv_free(m);
}

static int libraries_up(void **state)
{
	return xfed_xml_global_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transcripts),
		cmocka_unit_test(proved_is_remembered),
		cmocka_unit_test(verify_is_not_for_this_machine),
		cmocka_unit_test(waiting_is_bounded),
		cmocka_unit_test(pairs_are_bounded),
		cmocka_unit_test(refusals_are_bounded),
		cmocka_unit_test(keys_and_ids_are_bounded),
		cmocka_unit_test(timers_are_divided),
	};
	return cmocka_run_group_tests(tests, libraries_up, NULL);
}
