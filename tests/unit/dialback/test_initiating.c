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

enum what { ANSWER, TICK };

struct row {
	uint64_t at;
	enum what what;
	const char *xml; /* ANSWER */
	const char *expect;
};

#define ANS(at, xml, expect)                                                                                                                         \
	{                                                                                                                                            \
		at, ANSWER, xml, expect                                                                                                              \
	}
#define TIME(at, expect)                                                                                                                             \
	{                                                                                                                                            \
		at, TICK, NULL, expect                                                                                                               \
	}
#define END                                                                                                                                          \
	{                                                                                                                                            \
		0, TICK, NULL, NULL                                                                                                                  \
	}

#define TYPED(from, to, type) "<db:result from='" from "' to='" to "' type='" type "'/>"
#define ERROR(from, to, word) "<db:result from='" from "' to='" to "' type='error'><error type='cancel'><" word " " STANZAS "/></error></db:result>"
#define SENT		      "<db:result from='" CAPULET "' to='" MONTAGUE "'>" CAPULET_KEY "</db:result>"
#define READY		      "ready " CAPULET ">" MONTAGUE
#define FAILED(reason, word)  "failed " CAPULET ">" MONTAGUE " " reason " " word
#define TIMED_OUT	      FAILED("dialback.timeout", "-")

static const struct {
	const char *name;
	struct row rows[8];
} scenarios[] = {
	{ "A8-01, A8-04: the example of XEP-0220 2.1.1", { ANS(10, TYPED(MONTAGUE, CAPULET, "valid"), READY), END } },
	{ "A8-04: whatever the spelling of the answer", { ANS(10,
								  "<x:result xmlns:x='jabber:server:dialback' "
								  "from='Montague.Example' to='CAPULET.example.' type='valid'/>",
								  READY),
								END } },
	{ "A8-09: invalid: the peer thinks us a forger", { ANS(10, TYPED(MONTAGUE, CAPULET, "invalid"), FAILED("dialback.invalid", "invalid us")),
								 ANS(11, TYPED(MONTAGUE, CAPULET, "valid"), ""), END } },
	{ "A8-09: no answer in time",
		{ TIME(29999, ""), TIME(30000, TIMED_OUT), ANS(30001, TYPED(MONTAGUE, CAPULET, "valid"), ""), TIME(90000, ""), END } },
	{ "an answer is an answer, as late as it is", { ANS(30000, TYPED(MONTAGUE, CAPULET, "valid"), READY), END } },
	{ "a timeout is told with whatever element comes next", { ANS(30000, TYPED(MONTAGUE, "x.example", "valid"), TIMED_OUT), END } },
	{ "A8-12: answers nobody asked for",
		{ ANS(2, TYPED(CAPULET, MONTAGUE, "valid"), ""), ANS(3, TYPED("evil.example", CAPULET, "valid"), ""),
			ANS(4, TYPED(MONTAGUE, "rooms.capulet.example", "valid"), ""), ANS(5, "<db:result type='valid'/>", ""),
			ANS(6, TYPED(MONTAGUE, CAPULET, "valid"), READY), END } },
	{ "A8-12: requests and nonsense on a stream of ours",
		{ ANS(1, "<db:result from='" MONTAGUE "' to='" CAPULET "'>k</db:result>", ""), ANS(2, TYPED(MONTAGUE, CAPULET, "maybe"), ""),
			ANS(3, TYPED(MONTAGUE, CAPULET, ""), ""), END } },
	{ "A8-12: one answer only", { ANS(1, TYPED(MONTAGUE, CAPULET, "valid"), READY), ANS(2, TYPED(MONTAGUE, CAPULET, "invalid"), ""),
					    ANS(3, ERROR(MONTAGUE, CAPULET, "forbidden"), ""), ANS(4, TYPED(MONTAGUE, CAPULET, "valid"), ""), END } },
};

/* [A8-14], every row: what the operator reads, and whose fault it is from here. */
static const struct {
	const char *word, *reason;
	enum xfed_side side;
} errors[] = {
	{ "item-not-found", "dialback.target.unknown", XFED_SIDE_PARTNER },
	{ "remote-connection-failed", "dialback.authority.unreachable", XFED_SIDE_US },
	{ "remote-server-not-found", "dialback.authority.unknown", XFED_SIDE_US },
	{ "remote-server-timeout", "dialback.timeout", XFED_SIDE_PARTNER },
	{ "policy-violation", "dialback.policy.refused", XFED_SIDE_US },
	{ "not-authorized", "dialback.certificate.required", XFED_SIDE_US },
	{ "forbidden", "dialback.invalid", XFED_SIDE_US },
	{ "not-acceptable", "dialback.identity.refused", XFED_SIDE_PARTNER },
	{ "resource-constraint", "dialback.pairs.exceeded", XFED_SIDE_PARTNER },
	{ "internal-server-error", "dialback.error.received", XFED_SIDE_PARTNER },
	{ "gone", "dialback.error.received", XFED_SIDE_PARTNER },
};

static const struct xfed_dbinit_config config = {
	.stream_id = { CAPULET_ID, sizeof(CAPULET_ID) - 1 },
	.sender = { CAPULET, sizeof(CAPULET) - 1 },
	.target = { MONTAGUE, sizeof(MONTAGUE) - 1 },
	.hash_hex = { CAPULET_HASH, sizeof(CAPULET_HASH) - 1 },
};

/* At time 0; what it asks with stands in its first action. */
static struct xfed_dbinit *machine(void)
{
	struct xfed_dbinit *m;
	struct xfed_dialback_action a;
	char text[512] = "";
	assert_int_equal(xfed_dbinit_new(&config, 0, &m), XFED_OK);
	while (xfed_dbinit_next(m, &a)) {
		note_action(text, sizeof(text), &a);
	}
	assert_string_equal(text, SENT);
	assert_int_equal(xfed_dbinit_deadline(m), XFED_DIALBACK_MS);
	return m;
}

static int feed(struct xfed_dbinit *m, const struct row *r, struct xfed_dialback_action *last, char *text, size_t size)
{
	struct parsed p = { .reader = NULL };
	assert_true(r->what == TICK || parse(&p, r->xml));
	int rc = xfed_dbinit_step(m, r->what == ANSWER ? &p.elem : NULL, r->at);
	while (xfed_dbinit_next(m, last)) {
		note_action(text, size, last);
	}
	parsed_free(&p);
	return rc;
}

static void transcripts(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(scenarios); i++) {
		struct xfed_dbinit *m = machine();
		bool is_over = false;
		for (size_t k = 0; scenarios[i].rows[k].expect; k++) {
			const struct row *r = &scenarios[i].rows[k];
			struct xfed_dialback_action a;
			char text[512] = "";
			assert_int_equal(feed(m, r, &a, text, sizeof(text)), XFED_OK);
			if (strcmp(text, r->expect) != 0) {
				fail_msg("%s, row %zu at %u:\n%s, expected\n%s", scenarios[i].name, k, (unsigned)r->at, text, r->expect);
			}
			is_over |= text[0] != '\0';
			assert_int_equal(xfed_dbinit_deadline(m), is_over ? UINT64_MAX : XFED_DIALBACK_MS);
		}
		xfed_dbinit_free(m);
	}
}

static void every_error_has_its_reason(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(errors); i++) {
		struct xfed_dbinit *m = machine();
		struct xfed_dialback_action a;
		char xml[512], text[512] = "";
		const char *known = strcmp(errors[i].word, "gone") == 0 ? "undefined-condition" : errors[i].word;
		snprintf(xml, sizeof(xml), ERROR(MONTAGUE, CAPULET, "%s"), errors[i].word);
		struct row row = ANS(1, xml, "");
		assert_int_equal(feed(m, &row, &a, text, sizeof(text)), XFED_OK);
		assert_int_equal(a.type, XFED_DIALBACK_DO_FAILED);
		assert_string_equal(xfed_reason_code(a.reason), errors[i].reason);
		assert_string_equal(a.condition, known);
		assert_int_equal(a.side, errors[i].side);
		/* Towards SIP 504, whatever the error: [A8-09], reasons. */
		assert_int_equal(xfed_reason_info(a.reason)->sip_status, 504);
		xfed_dbinit_free(m);
	}
}

static void wrong_uses(void **state)
{
	struct xfed_dbinit *m = machine();
	struct xfed_dialback_action a;
	char text[256] = "";
	struct row verify = ANS(0, "<db:verify from='" MONTAGUE "' to='" CAPULET "' id='1' type='valid'/>", "");
	assert_int_equal(feed(m, &verify, &a, text, sizeof(text)), XFED_ERR_INVALID);
	assert_string_equal(text, "");
	xfed_dbinit_free(m);
	struct xfed_dbinit_config cfg = config;
	cfg.hash_hex = XFED_SPAN("no hash");
	assert_int_equal(xfed_dbinit_new(&cfg, 0, &m), XFED_ERR_INVALID);
	assert_null(m);
	cfg = config;
	cfg.stream_id = XFED_SPAN("");
	assert_int_equal(xfed_dbinit_new(&cfg, 0, &m), XFED_ERR_LIMIT); /* a header without id: no key can be made */
	assert_null(m);
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
		cmocka_unit_test(wrong_uses),
	};
	return cmocka_run_group_tests(tests, libraries_up, NULL);
}
