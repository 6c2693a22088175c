/* The stream to the authoritative server: [A8-04], [A8-12] to [A8-15]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support.h"

#define STANZAS	   "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"
#define CONNECTION 7

enum what { ASK, OPEN, ANSWER, TICK, LOST };
enum flags { OWN = 1, HOST_UNKNOWN = 2 };

struct row {
	uint64_t at;
	enum what what;
	unsigned flags;
	const char *sender, *id, *key; /* ASK */
	const char *xml;	       /* ANSWER */
	int rc;
	const char *expect;
};

#define QUESTION(at, sender, id, key, flags, rc, expect)                                                                                             \
	{                                                                                                                                            \
		at, ASK, flags, sender, id, key, NULL, rc, expect                                                                                    \
	}
#define OPENS(at, expect)                                                                                                                            \
	{                                                                                                                                            \
		at, OPEN, 0, NULL, NULL, NULL, NULL, XFED_OK, expect                                                                                 \
	}
#define ANS(at, xml, expect)                                                                                                                         \
	{                                                                                                                                            \
		at, ANSWER, 0, NULL, NULL, NULL, xml, XFED_OK, expect                                                                                \
	}
#define TIME(at, expect)                                                                                                                             \
	{                                                                                                                                            \
		at, TICK, 0, NULL, NULL, NULL, NULL, XFED_OK, expect                                                                                 \
	}
#define GONE(at, flags, expect)                                                                                                                      \
	{                                                                                                                                            \
		at, LOST, flags, NULL, NULL, NULL, NULL, XFED_OK, expect                                                                             \
	}
#define END                                                                                                                                          \
	{                                                                                                                                            \
		0, TICK, 0, NULL, NULL, NULL, NULL, 0, NULL                                                                                          \
	}

#define ASKED(sender, id, key)	  "<db:verify from='b.example' to='" sender "' id='" id "'>" key "</db:verify>"
#define TYPED(from, to, id, type) "<db:verify from='" from "' to='" to "' id='" id "' type='" type "'/>"
#define ERROR(word)                                                                                                                                  \
	"<db:verify from='a.example' to='b.example' id='i1' type='error'><error "                                                                    \
	"type='cancel'><" word " " STANZAS "/></error></db:verify>"
#define VERDICT(sender, id, token, words) "verdict 1#" token " " sender ">b.example " id " " words
#define ONE				  VERDICT("a.example", "i1", "1", "")
#define START				  OPENS(0, ""), QUESTION(0, "a.example", "i1", "k", 0, XFED_OK, ASKED("a.example", "i1", "k"))

static const struct {
	const char *name;
	struct row rows[9];
} scenarios[] = {
	{ "A8-01: question and answer", { START, ANS(5, TYPED("a.example", "b.example", "i1", "valid"), ONE "valid"), END } },
	{ "invalid", { START, ANS(5, TYPED("a.example", "b.example", "i1", "invalid"), ONE "invalid"), END } },
	{ "A8-14: item-not-found", { START, ANS(5, ERROR("item-not-found"), ONE "unknown-domain"), END } },
	{ "A8-15: policy-violation of the authority", { START, ANS(5, ERROR("policy-violation"), ONE "refused"), END } },
	{ "A8-15: not-authorized is accepted in step 3", { START, ANS(5, ERROR("not-authorized"), ONE "refused"), END } },
	{ "A8-15: an error the table does not have", { START, ANS(5, ERROR("gone"), ONE "refused"), END } },
	{ "questions wait for the stream and go in one go",
		{ QUESTION(0, "a.example", "i1", "k", 0, XFED_OK, ""), QUESTION(1, "a.example", "i2", "<", 0, XFED_OK, ""),
			OPENS(5, ASKED("a.example", "i1", "k") ASKED("a.example", "i2", "&lt;")), OPENS(6, ""),
			ANS(7, TYPED("a.example", "b.example", "i2", "valid"), VERDICT("a.example", "i2", "2", "valid")),
			ANS(8, TYPED("a.example", "b.example", "i1", "invalid"), ONE "invalid"), END } },
	{ "A8-12: an answer before the question went out",
		{ QUESTION(0, "a.example", "i1", "k", 0, XFED_OK, ""), ANS(1, TYPED("a.example", "b.example", "i1", "valid"), ""),
			OPENS(2, ASKED("a.example", "i1", "k")), END } },
	{ "A8-12: answers that match in part",
		{ START, ANS(1, TYPED("a.example", "b.example", "i2", "valid"), ""), ANS(2, TYPED("b.example", "a.example", "i1", "valid"), ""),
			ANS(3, TYPED("c.example", "b.example", "i1", "valid"), ""),
			ANS(4, "<db:verify from='a.example' to='b.example' type='valid'/>", ""),
			ANS(5, TYPED("a.example", "b.example", "i1", "VALID"), ""),
			ANS(6, "<db:verify from='a.example' to='b.example' id='i1'>k</db:verify>", ""), END } },
	{ "A8-12: the same answer twice", { START, ANS(5, TYPED("a.example", "b.example", "i1", "invalid"), ONE "invalid"),
						  ANS(6, TYPED("a.example", "b.example", "i1", "valid"), ""), END } },
	{ "A8-13: never on the connection the key came in on", { OPENS(0, ""), QUESTION(1, "a.example", "i1", "k", OWN, XFED_ERR_STATE, ""),
								       ANS(2, TYPED("a.example", "b.example", "i1", "valid"), ""), END } },
	{ "the same question again is for another connection",
		{ START, QUESTION(1, "a.example", "i1", "K", 0, XFED_ERR_STATE, ""),
			ANS(2, TYPED("a.example", "b.example", "i1", "valid"), ONE "valid"),
			QUESTION(3, "a.example", "i1", "K", 0, XFED_OK, ASKED("a.example", "i1", "K")), END } },
	{ "no answer in time; a late one is for nobody",
		{ START, TIME(29999, ""), TIME(30000, ONE "timeout"), QUESTION(30001, "a.example", "i1", "K", 0, XFED_ERR_STATE, ""),
			ANS(30002, TYPED("a.example", "b.example", "i1", "valid"), ""),
			QUESTION(30003, "a.example", "i1", "K", 0, XFED_OK, ASKED("a.example", "i1", "K")), END } },
	{ "no stream in time", { QUESTION(0, "a.example", "i1", "k", 0, XFED_OK, ""), TIME(30000, ONE "timeout"), OPENS(30001, ""), END } },
	{ "A8-14: the stream is lost", { START, GONE(5, 0, ONE "lost"), GONE(6, 0, ""), QUESTION(7, "c.example", "i1", "k", 0, XFED_ERR_STATE, ""),
					       ANS(8, TYPED("a.example", "b.example", "i1", "valid"), ""), END } },
	{ "A8-14: no name or no connection", { QUESTION(0, "a.example", "i1", "k", 0, XFED_OK, ""), GONE(5, 0, ONE "unreachable"), END } },
	{ "A8-14: host-unknown before the stream is open",
		{ QUESTION(0, "a.example", "i1", "k", 0, XFED_OK, ""), GONE(5, HOST_UNKNOWN, ONE "unknown-domain"), END } },
	{ "A8-14: host-unknown later", { START, GONE(5, HOST_UNKNOWN, ONE "unknown-domain"), END } },
};

static struct xfed_dbverify *machine(void)
{
	struct xfed_dbverify *m;
	struct xfed_dbverify_config cfg = { .connection = CONNECTION };
	assert_int_equal(xfed_dbverify_new(&cfg, &m), XFED_OK);
	return m;
}

static int step(struct xfed_dbverify *m, const struct xfed_dbverify_event *ev, uint64_t at, char *text, size_t size)
{
	struct xfed_dialback_action a;
	int rc = xfed_dbverify_step(m, ev, at);
	while (xfed_dbverify_next(m, &a)) {
		note_action(text, size, &a);
	}
	return rc;
}

static struct xfed_dbverify_event ask(const char *sender, const char *id, const char *key, uint64_t token, uint64_t origin)
{
	struct xfed_span s = xfed_span_str(sender), t = XFED_SPAN("b.example");
	return (struct xfed_dbverify_event){
		.type = XFED_DBVERIFY_ASK,
		.pair = { s, t, s, t },
		.key = xfed_span_str(key),
		.stream_id = xfed_span_str(id),
		.token = token,
		.origin = origin,
	};
}

static int feed(struct xfed_dbverify *m, const struct row *r, uint64_t *token, char *text, size_t size)
{
	struct parsed p = { .reader = NULL };
	struct xfed_dbverify_event ev = { .type = XFED_DBVERIFY_TICK };
	switch (r->what) {
	case ASK:
		ev = ask(r->sender, r->id, r->key, ++*token, r->flags & OWN ? CONNECTION : 1);
		break;
	case OPEN:
		ev.type = XFED_DBVERIFY_OPEN;
		break;
	case ANSWER:
		assert_true(parse(&p, r->xml));
		ev.type = XFED_DBVERIFY_ANSWER;
		ev.elem = &p.elem;
		break;
	case TICK:
		break;
	case LOST:
		ev.type = XFED_DBVERIFY_END;
		ev.is_host_unknown = r->flags & HOST_UNKNOWN;
		break;
	}
	int rc = step(m, &ev, r->at, text, size);
	parsed_free(&p);
	return rc;
}

static void transcripts(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(scenarios); i++) {
		struct xfed_dbverify *m = machine();
		uint64_t token = 0;
		for (size_t k = 0; scenarios[i].rows[k].expect; k++) {
			const struct row *r = &scenarios[i].rows[k];
			char text[2048] = "";
			int rc = feed(m, r, &token, text, sizeof(text));
			if (rc != r->rc || strcmp(text, r->expect) != 0) {
				fail_msg("%s, row %zu at %u: %d\n%s, expected %d\n%s", scenarios[i].name, k, (unsigned)r->at, rc, text, r->rc,
					r->expect);
			}
		}
		xfed_dbverify_free(m);
	}
}

/* XEP-0220 2.1.2: the addresses go as the peer wrote them in step 1; its key was made for that
 * spelling. */
static void spelling_is_kept(void **state)
{
	struct xfed_dbverify *m = machine();
	char text[512] = "";
	struct xfed_dbverify_event ev = ask("a.example", "i1", "k", 1, 1), open = { .type = XFED_DBVERIFY_OPEN };
	ev.pair.sender_raw = XFED_SPAN("A.Example");
	ev.pair.target_raw = XFED_SPAN("B.example.");
	assert_int_equal(step(m, &open, 0, text, sizeof(text)), XFED_OK);
	assert_int_equal(step(m, &ev, 0, text, sizeof(text)), XFED_OK);
	assert_string_equal(text, "<db:verify from='B.example.' to='A.Example' id='i1'>k</db:verify>");
	struct row answer = ANS(1, TYPED("a.example", "B.Example", "i1", "valid"), "");
	uint64_t token = 1;
	text[0] = '\0';
	assert_int_equal(feed(m, &answer, &token, text, sizeof(text)), XFED_OK);
	assert_string_equal(text, "verdict 1#1 A.Example>B.example. i1 valid");
	xfed_dbverify_free(m);
}

/* XFED_DIALBACK_PAIRS_MAX questions, all of which the end of the stream settles; nothing waits
 * then. */
static void questions_are_bounded(void **state)
{
	struct xfed_dbverify *m = machine();
	static char text[65536];
	char id[16];
	for (unsigned i = 0; i <= XFED_DIALBACK_PAIRS_MAX; i++) {
		snprintf(id, sizeof(id), "i%u", i);
		struct xfed_dbverify_event ev = ask("a.example", id, "k", i, 1);
		assert_int_equal(step(m, &ev, i, text, sizeof(text)), i < XFED_DIALBACK_PAIRS_MAX ? XFED_OK : XFED_ERR_LIMIT);
	}
	assert_int_equal(xfed_dbverify_deadline(m), XFED_DIALBACK_MS);
	struct xfed_dbverify_event open = { .type = XFED_DBVERIFY_OPEN }, end = { .type = XFED_DBVERIFY_END };
	assert_int_equal(step(m, &open, 100, text, sizeof(text)), XFED_OK);
	text[0] = '\0';
	unsigned settled = 0;
	assert_int_equal(step(m, &end, 101, text, sizeof(text)), XFED_OK);
	for (const char *at = text; (at = strstr(at, " lost")); at++) {
		settled++;
	}
	assert_int_equal(settled, XFED_DIALBACK_PAIRS_MAX);
	assert_int_equal(xfed_dbverify_deadline(m), UINT64_MAX);
	xfed_dbverify_free(m);
}

static void result_is_not_for_this_machine(void **state)
{
	struct xfed_dbverify *m = machine();
	char text[64] = "";
	uint64_t token = 0;
	struct row r = ANS(0, "<db:result from='a.example' to='b.example' type='valid'/>", "");
	assert_int_equal(feed(m, &r, &token, text, sizeof(text)), XFED_ERR_INVALID);
	xfed_dbverify_free(m);
}

static int libraries_up(void **state)
{
	return xfed_xml_global_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transcripts),
		cmocka_unit_test(spelling_is_kept),
		cmocka_unit_test(questions_are_bounded),
		cmocka_unit_test(result_is_not_for_this_machine),
	};
	return cmocka_run_group_tests(tests, libraries_up, NULL);
}
