/*
 * Capulet (initiating, authoritative) and Montague (receiving) joined in memory, by bytes: [A8-01],
 * with every allocation failing in turn. A step that answers NOMEM has changed nothing: taken
 * again, it goes on as if nothing had happened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support.h"

#define OLD_HASH "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

enum course {
	STRAIGHT,  /* the key is good */
	PREVIOUS,  /* the authority has a newer secret and remembers this one */
	FORGED,	   /* the authority has another secret */
	UNHOSTED,  /* the server found for the sender does not host it */
	BROKEN,	   /* the stream to the authority breaks */
	CERTIFIED, /* the certificate is enough */
	SILENT,	   /* the authority says nothing */
};

struct world {
	enum course course;
	struct xfed_dbinit *init;
	struct xfed_dbrecv *recv;
	struct xfed_dbverify *verify;
	struct xfed_buf to_montague, to_capulet; /* the stream Capulet opened */
	struct xfed_buf to_authority, to_asker;	 /* the stream Montague opened */
	struct xfed_dialback_action asked;	 /* spans into the receiving machine's pair: it stays while it waits */
	bool has_asked, is_ready;
	uint64_t now_ms;
	char log[8192];
};

static bool is_capulet(const struct world *w, struct xfed_span domain)
{
	return w->course != UNHOSTED && xfed_span_is(domain, "capulet.example");
}

/* ---- whatever may lack memory is done again ---- */

static void append(struct xfed_buf *to, struct xfed_span bytes)
{
	int rc = xfed_buf_append(to, bytes);
	if (rc == XFED_ERR_NOMEM) {
		rc = xfed_buf_append(to, bytes);
	}
	assert_int_equal(rc, XFED_OK);
}

static void take(struct parsed *p, struct xfed_buf *from)
{
	if (!parse_behind(p, STREAM_HEADER, xfed_buf_span(from))) {
		parsed_free(p);
		assert_true(parse_behind(p, STREAM_HEADER, xfed_buf_span(from)));
	}
	xfed_buf_clear(from);
}

static void drain_init(struct world *w)
{
	struct xfed_dialback_action a;
	while (xfed_dbinit_next(w->init, &a)) {
		note_action(w->log, sizeof(w->log), &a);
		if (a.type == XFED_DIALBACK_DO_SEND) {
			append(&w->to_montague, a.bytes);
		}
		w->is_ready |= a.type == XFED_DIALBACK_DO_READY;
	}
}

static void step_recv(struct world *w, const struct xfed_dbrecv_event *ev)
{
	struct xfed_dialback_action a;
	int rc = xfed_dbrecv_step(w->recv, ev, w->now_ms);
	if (rc == XFED_ERR_NOMEM) {
		assert_false(xfed_dbrecv_next(w->recv, &a));
		rc = xfed_dbrecv_step(w->recv, ev, w->now_ms);
	}
	assert_int_equal(rc, XFED_OK);
	while (xfed_dbrecv_next(w->recv, &a)) {
		note_action(w->log, sizeof(w->log), &a);
		if (a.type == XFED_DIALBACK_DO_SEND) {
			append(&w->to_capulet, a.bytes);
		}
		if (a.type == XFED_DIALBACK_DO_ASK) {
			w->asked = a;
			w->has_asked = true;
		}
	}
}

static void step_verify(struct world *w, const struct xfed_dbverify_event *ev)
{
	struct xfed_dialback_action a;
	int rc = xfed_dbverify_step(w->verify, ev, w->now_ms);
	if (rc == XFED_ERR_NOMEM) {
		assert_false(xfed_dbverify_next(w->verify, &a));
		rc = xfed_dbverify_step(w->verify, ev, w->now_ms);
	}
	assert_int_equal(rc, XFED_OK);
	while (xfed_dbverify_next(w->verify, &a)) {
		note_action(w->log, sizeof(w->log), &a);
		if (a.type == XFED_DIALBACK_DO_SEND) {
			append(&w->to_authority, a.bytes);
		}
		if (a.type == XFED_DIALBACK_DO_VERDICT) {
			struct xfed_dbrecv_event verdict = {
				.type = XFED_DBRECV_VERDICT,
				.token = a.token,
				.sender = a.pair.sender,
				.target = a.pair.target,
				.stream_id = a.stream_id,
				.verdict = a.verdict,
			};
			step_recv(w, &verdict);
		}
	}
}

/* ---- the servers ---- */

static void up(struct world *w, enum course course)
{
	struct xfed_dbrecv_config recv = { .stream_id = XFED_SPAN(CAPULET_ID) };
	struct xfed_dbverify_config verify = { .connection = 2 };
	*w = (struct world){ .course = course };
	xfed_buf_init(&w->to_montague, 65536);
	xfed_buf_init(&w->to_capulet, 65536);
	xfed_buf_init(&w->to_authority, 65536);
	xfed_buf_init(&w->to_asker, 65536);
	assert_true(xfed_dbrecv_new(&recv, &w->recv) == XFED_OK || xfed_dbrecv_new(&recv, &w->recv) == XFED_OK);
	assert_true(xfed_dbverify_new(&verify, &w->verify) == XFED_OK || xfed_dbverify_new(&verify, &w->verify) == XFED_OK);
}

static void down(struct world *w)
{
	xfed_dbinit_free(w->init);
	xfed_dbrecv_free(w->recv);
	xfed_dbverify_free(w->verify);
	xfed_buf_deinit(&w->to_montague);
	xfed_buf_deinit(&w->to_capulet);
	xfed_buf_deinit(&w->to_authority);
	xfed_buf_deinit(&w->to_asker);
}

static void capulet_asks(struct world *w)
{
	struct xfed_dbinit_config cfg = {
		.stream_id = XFED_SPAN(CAPULET_ID),
		.sender = XFED_SPAN("capulet.example"),
		.target = XFED_SPAN("montague.example"),
		.hash_hex = XFED_SPAN(CAPULET_HASH),
	};
	assert_true(xfed_dbinit_new(&cfg, 0, &w->init) == XFED_OK || xfed_dbinit_new(&cfg, 0, &w->init) == XFED_OK);
	drain_init(w);
}

static void montague_receives(struct world *w)
{
	struct parsed p;
	take(&p, &w->to_montague);
	struct xfed_dbrecv_event ev = { .type = XFED_DBRECV_REQUEST, .elem = &p.elem };
	ev.decision.is_local = xfed_span_is(p.elem.to, "montague.example");
	ev.decision.is_proved_by_certificate = w->course == CERTIFIED;
	step_recv(w, &ev);
	parsed_free(&p);
}

static void montague_calls_back(struct world *w)
{
	struct xfed_dbverify_event ask = {
		.type = XFED_DBVERIFY_ASK,
		.pair = w->asked.pair,
		.key = w->asked.key,
		.stream_id = w->asked.stream_id,
		.token = w->asked.token,
		.origin = 1,
	};
	struct xfed_dbverify_event open = { .type = XFED_DBVERIFY_OPEN };
	step_verify(w, &ask);
	step_verify(w, &open);
}

static void capulet_judges(struct world *w)
{
	struct parsed p;
	struct xfed_dialback_elem answer;
	bool knows = w->course == STRAIGHT;
	struct xfed_dialback_authority authority = {
		.current = knows ? XFED_SPAN(CAPULET_HASH) : XFED_SPAN(OLD_HASH),
		.previous = w->course == PREVIOUS ? XFED_SPAN(CAPULET_HASH) : (struct xfed_span){ NULL, 0 },
	};
	take(&p, &w->to_authority);
	authority.is_local = is_capulet(w, p.elem.to);
	assert_int_equal(xfed_dialback_authoritative(&p.elem, &authority, &answer), XFED_DIALBACK_ANSWER);
	int rc = xfed_dialback_print(&w->to_asker, &answer);
	if (rc == XFED_ERR_NOMEM) {
		rc = xfed_dialback_print(&w->to_asker, &answer);
	}
	assert_int_equal(rc, XFED_OK);
	parsed_free(&p);
}

static void montague_learns(struct world *w)
{
	struct parsed p;
	take(&p, &w->to_asker);
	struct xfed_dbverify_event ev = { .type = XFED_DBVERIFY_ANSWER, .elem = &p.elem };
	step_verify(w, &ev);
	parsed_free(&p);
}

static void time_passes(struct world *w)
{
	struct xfed_dbrecv_event recv = { .type = XFED_DBRECV_TICK };
	w->now_ms = xfed_dbrecv_deadline(w->recv);
	step_recv(w, &recv);
}

static void capulet_learns(struct world *w)
{
	struct parsed p;
	take(&p, &w->to_capulet);
	assert_int_equal(xfed_dbinit_step(w->init, &p.elem, w->now_ms), XFED_OK);
	drain_init(w);
	parsed_free(&p);
}

static void run(struct world *w, enum course course)
{
	up(w, course);
	capulet_asks(w);
	montague_receives(w);
	if (w->has_asked) {
		montague_calls_back(w);
		if (course == BROKEN) {
			struct xfed_dbverify_event end = { .type = XFED_DBVERIFY_END };
			step_verify(w, &end);
		} else if (course == SILENT) {
			w->now_ms = 1;
			time_passes(w);
		} else {
			capulet_judges(w);
			montague_learns(w);
		}
	}
	/* Both sides agree on what is proved. */
	struct xfed_span s = XFED_SPAN("capulet.example"), t = XFED_SPAN("montague.example");
	bool is_proved = xfed_dbrecv_is_proved(w->recv, s, t);
	assert_false(w->is_ready);
	w->now_ms = 0;
	capulet_learns(w);
	assert_int_equal(w->is_ready, is_proved);
	assert_int_equal(is_proved, course == STRAIGHT || course == PREVIOUS || course == CERTIFIED);
}

#define PAIR	 "capulet.example>montague.example"
#define KEY_SENT "<db:result from='capulet.example' to='montague.example'>" CAPULET_KEY "</db:result>"
#define ASKED                                                                                                                                        \
	KEY_SENT " | ask#1 " PAIR " " CAPULET_ID " " CAPULET_KEY " | <db:verify from='montague.example' to='capulet.example' id='" CAPULET_ID        \
		 "'>" CAPULET_KEY "</db:verify>"
#define VERDICT(words)	  " | verdict 1#1 " PAIR " " CAPULET_ID " " words
#define ANSWER(rest)	  " | <db:result from='montague.example' to='capulet.example' type=" rest
#define ERROR(type, word) ANSWER("'error'><error type='" type "'><" word " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>")
#define FAILED		  " | failed " PAIR " "

static const struct {
	enum course course;
	const char *name, *log;
} courses[] = {
	{ STRAIGHT, "a good key", ASKED VERDICT("valid") " | proved " PAIR ANSWER("'valid'/>") " | ready " PAIR },
	{ PREVIOUS, "a key of the previous secret", ASKED VERDICT("valid") " | proved " PAIR ANSWER("'valid'/>") " | ready " PAIR },
	{ FORGED, "a forged key",
		ASKED VERDICT("invalid") ANSWER("'invalid'/>") FAILED "dialback.invalid invalid | close dialback.invalid" FAILED
								      "dialback.invalid invalid us" },
	{ UNHOSTED, "a sender its server does not know",
		ASKED VERDICT("unknown-domain") ERROR("cancel", "remote-server-not-found") FAILED
		"dialback.authority.unknown remote-server-not-found" FAILED "dialback.authority.unknown remote-server-not-found us" },
	{ BROKEN, "a lost stream to the authority",
		ASKED VERDICT("lost") ERROR("wait", "remote-server-timeout") FAILED "dialback.timeout remote-server-timeout" FAILED
										    "dialback.timeout remote-server-timeout" },
	{ CERTIFIED, "a certificate", KEY_SENT " | certified " PAIR ANSWER("'valid'/>") " | ready " PAIR },
	{ SILENT, "an authority that says nothing",
		ASKED ERROR("wait", "remote-server-timeout") FAILED "dialback.timeout remote-server-timeout" FAILED
								    "dialback.timeout remote-server-timeout" },
};

static void both_ends(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(courses); i++) {
		struct world w;
		run(&w, courses[i].course);
		if (strcmp(w.log, courses[i].log) != 0) {
			fail_msg("%s:\n%s, expected\n%s", courses[i].name, w.log, courses[i].log);
		}
		down(&w);
	}
}

/* Room for the least that a course takes, so that a sweep that reaches nothing is noticed. */
#define LEAST_ALLOCATIONS 10

static void every_allocation_fails_once(void **state)
{
	failing_install();
	for (size_t i = 0; i < XFED_ARRAY_LEN(courses); i++) {
		size_t n = 1;
		for (bool hit = true; hit; n++) {
			struct world w;
			failing_arm(n);
			run(&w, courses[i].course);
			hit = failing_hit();
			if (strcmp(w.log, courses[i].log) != 0) {
				fail_msg("%s, allocation %zu:\n%s", courses[i].name, n, w.log);
			}
			failing_arm(0);
			down(&w);
			assert_int_equal(failing_live(), 0);
		}
		assert_true(n > LEAST_ALLOCATIONS);
	}
	failing_remove();
}

/* The answer to a timeout needs memory too: without it the deadline stays due, and the pair is not
 * forgotten. */
static void a_timeout_without_memory_comes_again(void **state)
{
	struct world w;
	struct xfed_dialback_action a;
	struct xfed_dbrecv_event tick = { .type = XFED_DBRECV_TICK };
	failing_install();
	up(&w, SILENT);
	capulet_asks(&w);
	montague_receives(&w);
	uint64_t when = xfed_dbrecv_deadline(w.recv);
	failing_arm(1);
	assert_int_equal(xfed_dbrecv_step(w.recv, &tick, when), XFED_ERR_NOMEM);
	assert_false(xfed_dbrecv_next(w.recv, &a));
	assert_int_equal(xfed_dbrecv_deadline(w.recv), when);
	assert_int_equal(xfed_dbrecv_step(w.recv, &tick, when), XFED_OK);
	assert_true(xfed_dbrecv_next(w.recv, &a));
	assert_int_equal(a.type, XFED_DIALBACK_DO_SEND);
	down(&w);
	assert_int_equal(failing_live(), 0);
	failing_remove();
}

static int libraries_up(void **state)
{
	return xfed_xml_global_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends),
		cmocka_unit_test(every_allocation_fails_once),
		cmocka_unit_test(a_timeout_without_memory_comes_again),
	};
	return cmocka_run_group_tests(tests, libraries_up, NULL);
}
