/* Transcripts of stream management on the conductor: XEP-0198 sections 3, 4 and 6 [A9-06]. */
#include "transcript.h"
#include "xfed/sasl.h"

#define SM	       "xmlns='urn:xmpp:sm:3'"
#define ENABLE	       "<enable " SM "/>"
#define ENABLED	       "<enabled " SM "/>"
#define R	       "<r " SM "/>"
#define A(h)	       "<a " SM " h='" #h "'/>"
#define FAILED	       "<failed " SM "><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
#define FEATURES_SM    "<stream:features><sm xmlns='urn:xmpp:sm:2'/><sm " SM "/></stream:features>"
#define OURS(id)       "<message from='d@corp.example' to='a@partner.example' id='" id "'/>"
#define DB_VALID       "<db:result from='partner.example' to='corp.example' type='valid'/>"
#define DB_RESULT      "<db:result from='partner.example' to='corp.example'>key</db:result>"
#define FEATURES_DB_SM "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/><sm " SM "/></stream:features>"

#define IN_ENABLED                                                                                                                                   \
	IN_READY,                                                                                                                                    \
	{                                                                                                                                            \
		RX, ENABLE, .actions = "", .output = ENABLED                                                                                         \
	}
#define OUT_OFFERED                                                                                                                                  \
	OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },                                                                    \
		{ RX, FEATURES_EXTERNAL, .actions = "", .output = "<auth |EXTERNAL" },                                                               \
		{ RX, SASL_SUCCESS, .actions = "", .output = "<stream:stream " }, { RX, HEADER_ANSWER, .actions = "", .output = NULL },              \
	{                                                                                                                                            \
		RX, FEATURES_SM, .actions = "established", .output = ENABLE                                                                          \
	}
#define OUT_ENABLED                                                                                                                                  \
	OUT_OFFERED,                                                                                                                                 \
	{                                                                                                                                            \
		RX, ENABLED, .actions = "", .output = NULL                                                                                           \
	}
#define CLOSE_TAG "</stream:stream>"

static void set(unsigned methods, uint32_t sm_start)
{
	as = (struct rig){ .methods = methods, .sm_start = sm_start };
}

static int external(void **state)
{
	set(XFED_METHOD_EXTERNAL, 0);
	return 0;
}

/* ---- the peer sends ---- */

static void in_answers_at_once(void **state)
{
	RUN_IN(IN_ENABLED, { RX, R, .actions = "", .output = A(0) },
		{ RX, MESSAGE("1") MESSAGE("2"), .actions = "stanza(1) stanza(2)", .output = NULL },
		{ COVER, .number = 1, .actions = "", .output = NULL }, { COVER, .number = 2, .actions = "", .output = NULL },
		{ RX, R, .actions = "", .output = A(2) });
}

/* h is an unbroken run, whatever is covered behind a gap. */
static void in_covers_out_of_order(void **state)
{
	RUN_IN(IN_ENABLED, { RX, MESSAGE("1") MESSAGE("2") MESSAGE("3"), .actions = "stanza(1) stanza(2) stanza(3)", .output = NULL },
		{ COVER, .number = 3, .actions = "", .output = NULL }, { COVER, .number = 2, .actions = "", .output = NULL },
		{ RX, R, .actions = "", .output = A(0) }, { COVER, .number = 4, .actions = "", .output = NULL },
		{ COVER, .number = 0, .actions = "", .output = NULL }, { COVER, .number = 1, .actions = "", .output = A(3) },
		{ COVER, .number = 1, .actions = "", .output = NULL }, { RX, R, .actions = "", .output = A(3) });
}

/* One <a/> of our own, when everything that was there at the <r/> is covered; not one for each. */
static void in_tells_once_when_caught_up(void **state)
{
	RUN_IN(IN_ENABLED, { RX, MESSAGE("1") MESSAGE("2") R, .actions = "stanza(1) stanza(2)", .output = A(0) },
		{ RX, MESSAGE("3"), .actions = "stanza(3)", .output = NULL }, { COVER, .number = 1, .actions = "", .output = NULL },
		{ COVER, .number = 2, .actions = "", .output = A(2) }, { COVER, .number = 3, .actions = "", .output = NULL });
}

/* Who never asks is told all the same: 5 s behind the first that is covered, or when there are many. */
static void in_tells_who_never_asks(void **state)
{
	RUN_IN(IN_ENABLED, { AT, .at_ms = 1000, .actions = "", .output = NULL },
		{ RX, MESSAGE("1") MESSAGE("2"), .actions = "stanza(1) stanza(2)", .output = NULL },
		{ COVER, .number = 2, .actions = "", .output = NULL }, { AT, .at_ms = 4000, .actions = "", .output = NULL },
		{ COVER, .number = 1, .actions = "", .output = NULL }, { AT, .at_ms = 3999 + XFED_S2S_SM_TELL_MS, .actions = "", .output = NULL },
		{ AT, .at_ms = 4000 + XFED_S2S_SM_TELL_MS, .actions = "", .output = A(2) },
		{ AT, .at_ms = 5000 + 2 * XFED_S2S_SM_TELL_MS, .actions = "", .output = NULL },
		{ RX, MESSAGE("3"), .actions = "stanza(3)", .output = NULL }, { COVER, .number = 3, .actions = "", .output = NULL },
		{ RX, R, .actions = "", .output = A(3) }, { AT, .at_ms = 6000 + 3 * XFED_S2S_SM_TELL_MS, .actions = "", .output = NULL });
}

/* What came before <enable/> is not counted. */
static void in_counts_from_enable(void **state)
{
	RUN_IN(IN_READY, { RX, MESSAGE("1") ENABLE, .actions = "stanza(1)", .output = ENABLED },
		{ RX, MESSAGE("2"), .actions = "stanza(2)", .output = NULL }, { COVER, .number = 1, .actions = "", .output = NULL },
		{ RX, R, .actions = "", .output = A(1) });
}

static void in_wraps(void **state)
{
	set(XFED_METHOD_EXTERNAL, UINT32_MAX - 1);
	RUN_IN(IN_ENABLED, { RX, R, .actions = "", .output = "h='4294967294'" },
		{ RX, MESSAGE("1") MESSAGE("2") MESSAGE("3"), .actions = "stanza(1) stanza(2) stanza(3)", .output = NULL },
		{ COVER, .number = 1, .actions = "", .output = NULL }, { RX, R, .actions = "", .output = "h='4294967295'" },
		{ COVER, .number = 2, .actions = "", .output = NULL }, { COVER, .number = 3, .actions = "", .output = "h='1'" });
	set(XFED_METHOD_EXTERNAL, UINT32_MAX);
	RUN_IN(IN_ENABLED, { RX, MESSAGE("1"), .actions = "stanza(1)", .output = NULL }, { COVER, .number = 1, .actions = "", .output = NULL },
		{ RX, R, .actions = "", .output = A(0) });
}

static void in_too_early(void **state)
{
	RUN_IN(IN_CLEAR, { RX, ENABLE, .actions = "", .output = FAILED }, IN_TLS,
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "EXTERNAL" },
		{ RX, "<resume " SM " previd='x' h='1'/>", .actions = "", .output = FAILED }, { RX, ENABLE, .actions = "", .output = FAILED },
		{ RX, AUTH, .actions = "", .output = "<success " },
		{ RX, HEADER_FROM_PARTNER, .actions = "established", .output = "<stream:features><sm " SM "/>|</stream:features>" },
		{ RX, ENABLE, .actions = "", .output = ENABLED });
	RUN_IN(IN_CLEAR, { RX, R, .actions = "closed(stream.stanza.unsupported)", .output = "<unsupported-stanza-type " });
	RUN_IN(IN_READY, { RX, R, .actions = "closed(stream.stanza.unsupported)", .output = "<unsupported-stanza-type " });
	RUN_IN(IN_READY, { RX, A(0), .actions = "closed(stream.stanza.unsupported)", .output = "<unsupported-stanza-type " });
}

static void in_enable_twice(void **state)
{
	RUN_IN(IN_ENABLED, { RX, ENABLE, .actions = "closed(stream.stanza.unsupported)", .output = A(0) "|<unsupported-stanza-type |a second " });
}

static void in_other_version(void **state)
{
	RUN_IN(IN_READY,
		{ RX, "<enable xmlns='urn:xmpp:sm:2'/>", .actions = "closed(stream.stanza.unsupported)", .output = "<unsupported-stanza-type " });
}

static void in_resume(void **state)
{
	RUN_IN(IN_READY, { RX, "<resume " SM " previd='x' h='1'/>", .actions = "", .output = "<failed " SM "><item-not-found " },
		{ RX, "<enable " SM " resume='true' max='60'/>", .actions = "", .output = ENABLED },
		{ RX, "<resume " SM " previd='x' h='1'/>", .actions = "", .output = FAILED });
}

/* We send no stanzas there: nothing can be acknowledged but nothing. Prosody says so as it closes. */
static void in_peer_acknowledges(void **state)
{
	RUN_IN(IN_ENABLED, { RX, A(0), .actions = "", .output = NULL },
		{ RX, A(1), .actions = "closed(stream.sm.count-wrong)",
			.output = "<undefined-condition |</text><handled-count-too-high " SM " h='1' send-count='0'/></stream:error>" });
}

/* The last <a/> goes out before the closing tag and before the error, whoever begins. */
static void in_farewell(void **state)
{
	RUN_IN(IN_ENABLED, { RX, MESSAGE("1") MESSAGE("2"), .actions = "stanza(1) stanza(2)", .output = NULL },
		{ COVER, .number = 1, .actions = "", .output = NULL },
		{ RX, CLOSE_TAG, .actions = "closed(stream.closed.peer)", .output = A(1) CLOSE_TAG });
	RUN_IN(IN_ENABLED, { RX, MESSAGE("1"), .actions = "stanza(1)", .output = NULL }, { COVER, .number = 1, .actions = "", .output = NULL },
		{ CLOSE_WITH, .reason = XFED_REASON_STREAM_CLOSED_DRAIN, .actions = "closed(stream.closed.drain)",
			.output = A(1) "<stream:error><system-shutdown " });
	RUN_IN(IN_ENABLED, { RX, MESSAGE("1"), .actions = "stanza(1)", .output = NULL },
		{ CLOSE_WITH, .reason = XFED_REASON_STREAM_CLOSED_IDLE, .actions = "", .output = A(0) CLOSE_TAG },
		{ COVER, .number = 1, .actions = "", .output = NULL }, { RX, R, .actions = "", .output = NULL },
		{ RX, A(5), .actions = "", .output = NULL }, { RX, CLOSE_TAG, .actions = "closed(stream.closed.idle)", .output = NULL });
}

static void in_dialback(void **state)
{
	set(XFED_METHOD_DIALBACK_TLS, 0);
	RUN_IN(IN_CLEAR, IN_TLS,
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)",
			.output = "<dialback |<sm " SM "/>|</stream:features>" },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) ask(partner.example,key)", .output = NULL },
		{ RX, ENABLE, .actions = "", .output = FAILED },
		{ VERDICT, .verdict = XFED_DIALBACK_VERDICT_VALID, .actions = "dialback-tls(partner.example,corp.example)",
			.output = "type='valid'" },
		{ RX, ENABLE MESSAGE("1") R, .actions = "stanza(1)", .output = ENABLED A(0) }, { COVER, .number = 1, .actions = "", .output = A(1) });
}

/* SASL begins a new stream; the numbers the driver has are of the old one. */
static void in_sasl_behind_enable(void **state)
{
	set(XFED_METHOD_DIALBACK_TLS | XFED_METHOD_EXTERNAL, 0);
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "<sm " },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) dialback-tls(partner.example,corp.example)",
			.output = "type='valid'" },
		{ RX, ENABLE, .actions = "", .output = ENABLED },
		{ RX, AUTH, .actions = "closed(stream.stanza.unsupported)", .output = "<unsupported-stanza-type " });
}

static bool bring_up(struct rig *r, enum xfed_s2s_direction direction, const char *const *inputs, size_t count)
{
	stub_peer = (struct stub_certificate){ true, true, "partner.example", XFED_REASON_NONE };
	stub_handshake_fails = XFED_REASON_NONE;
	if (!rig_up(r, direction)) {
		return false;
	}
	for (size_t i = 0; i < count && !r->is_over; i++) {
		rig_receive(r, xfed_span_str(inputs[i]));
	}
	return !r->is_over;
}

static const char *const in_inputs[] = { HEADER_FROM_PARTNER, STARTTLS, STUB_CLIENT_HELLO, HEADER_FROM_PARTNER, AUTH, HEADER_FROM_PARTNER, ENABLE };
static const char *const out_inputs[] = { HEADER_ANSWER, FEATURES_TLS, PROCEED, STUB_SERVER_HELLO, HEADER_ANSWER, FEATURES_EXTERNAL, SASL_SUCCESS,
	HEADER_ANSWER, FEATURES_SM, ENABLED };

static void in_tells_after_many(void **state)
{
	struct rig r = { 0 };
	char actions[8192];
	assert_true(bring_up(&r, XFED_S2S_IN, in_inputs, XFED_ARRAY_LEN(in_inputs)));
	xfed_buf_clear(&r.out);
	for (unsigned i = 1; i <= XFED_S2S_SM_TELL_COUNT; i++) {
		assert_int_equal(xfed_buf_len(&r.out), 0);
		rig_receive(&r, XFED_SPAN(MESSAGE("m")));
		rig_take_actions(&r, actions, sizeof(actions));
		assert_int_equal(xfed_s2s_cover(r.s2s, i, r.now_ms), i == 1 || i == XFED_S2S_SM_TELL_COUNT);
	}
	assert_true(contains_in_order(xfed_buf_span(&r.out).data, A(20)));
	rig_down(&r);
}

/* One stanza that never gets its fate holds a bounded number behind it. */
static void in_span_is_bounded(void **state)
{
	struct rig r = { 0 };
	char actions[8192];
	assert_true(bring_up(&r, XFED_S2S_IN, in_inputs, XFED_ARRAY_LEN(in_inputs)));
	for (unsigned i = 1; i <= XFED_S2S_SM_SPAN; i++) {
		rig_receive(&r, XFED_SPAN(MESSAGE("m")));
		rig_take_actions(&r, actions, sizeof(actions));
		xfed_s2s_cover(r.s2s, i > 1 ? i : 0, r.now_ms);
	}
	struct xfed_s2s_info info;
	xfed_s2s_info(r.s2s, &info);
	assert_int_equal(info.sm_received, XFED_S2S_SM_SPAN);
	assert_int_equal(info.sm_covered, 0);
	xfed_buf_clear(&r.out);
	rig_receive(&r, XFED_SPAN(MESSAGE("m")));
	assert_string_equal(rig_take_actions(&r, actions, sizeof(actions)), "closed(delivery.queue.full)");
	assert_true(contains_in_order(xfed_buf_span(&r.out).data, A(0) "<stream:error><resource-constraint "));
	rig_down(&r);
}

/* A stream that we do not read for a while is not idle, however little comes. */
static void in_what_is_not_read_is_no_silence(void **state)
{
	struct rig r = { 0 };
	struct xfed_s2s_event tick = { .type = XFED_S2S_TICK };
	assert_true(bring_up(&r, XFED_S2S_IN, in_inputs, XFED_ARRAY_LEN(in_inputs)));
	xfed_buf_clear(&r.out);
	for (int i = 0; i < 3; i++) {
		r.now_ms = xfed_s2s_deadline(r.s2s) + XFED_S2S_INACTIVITY_MS;
		xfed_s2s_unread(r.s2s, r.now_ms);
		rig_event(&r, &tick);
		assert_int_equal(xfed_buf_len(&r.out), 0);
	}
	r.now_ms += XFED_S2S_INACTIVITY_MS;
	rig_event(&r, &tick);
	assert_true(contains_in_order(xfed_buf_span(&r.out).data, "</stream:stream>"));
	rig_down(&r);
}

static void in_span_moves_on(void **state)
{
	struct rig r = { 0 };
	char actions[8192];
	assert_true(bring_up(&r, XFED_S2S_IN, in_inputs, XFED_ARRAY_LEN(in_inputs)));
	for (unsigned i = 1; i <= 3 * XFED_S2S_SM_SPAN; i++) {
		rig_receive(&r, XFED_SPAN(MESSAGE("m")));
		rig_take_actions(&r, actions, sizeof(actions));
		if (i % 2 == 0) {
			xfed_s2s_cover(r.s2s, i, r.now_ms);
			xfed_s2s_cover(r.s2s, i - 1, r.now_ms);
		}
	}
	xfed_buf_clear(&r.out);
	rig_receive(&r, XFED_SPAN(R));
	assert_true(contains_in_order(xfed_buf_span(&r.out).data, "h='49152'"));
	rig_down(&r);
}

/* ---- we send ---- */

/* Enabled before the first stanza, without waiting for the answer; the question travels behind a stanza. */
static void out_asks_behind_a_stanza(void **state)
{
	RUN_OUT(OUT_OFFERED, { SEND, OURS("1"), .actions = "", .output = OURS("1") }, { RX, ENABLED, .actions = "", .output = R },
		{ SEND, OURS("2"), .actions = "", .output = OURS("2") }, { RX, A(1), .actions = "acked(1)", .output = R },
		{ RX, A(2), .actions = "acked(1)", .output = NULL }, { SEND, OURS("3"), .actions = "", .output = OURS("3") R },
		{ SEND, OURS("4"), .actions = "", .output = OURS("4") }, { RX, A(4), .actions = "acked(2)", .output = NULL },
		{ RX, A(4), .actions = "", .output = NULL });
}

/* A peer that is behind is not asked as fast as it answers. */
static void out_is_patient(void **state)
{
	RUN_OUT(OUT_ENABLED, { SEND, OURS("1"), .actions = "", .output = OURS("1") R }, { RX, A(0), .actions = "", .output = NULL },
		{ AT, .at_ms = XFED_S2S_SM_AGAIN_MS - 1, .actions = "", .output = NULL },
		{ AT, .at_ms = XFED_S2S_SM_AGAIN_MS, .actions = "", .output = R }, { RX, A(0), .actions = "", .output = NULL },
		{ RX, A(1), .actions = "acked(1)", .output = NULL } /* by itself */,
		{ AT, .at_ms = 2 * XFED_S2S_SM_AGAIN_MS, .actions = "", .output = NULL });
}

static void out_not_offered(void **state)
{
	RUN_OUT(OUT_READY, { SEND, OURS("1"), .actions = "", .output = OURS("1") },
		{ AT, .at_ms = XFED_S2S_SM_ACK_MS, .actions = "", .output = NULL },
		{ RX, A(1), .actions = "closed(stream.stanza.unsupported)", .output = "<unsupported-stanza-type " });
	RUN_OUT(OUT_READY, { RX, ENABLED, .actions = "closed(stream.stanza.unsupported)", .output = "<unsupported-stanza-type " });
}

static void out_refused(void **state)
{
	RUN_OUT(OUT_OFFERED, { SEND, OURS("1"), .actions = "", .output = OURS("1") }, { SEND, OURS("2"), .actions = "", .output = OURS("2") },
		{ RX, FAILED, .actions = "acked(2)", .output = NULL }, { SEND, OURS("3"), .actions = "", .output = OURS("3") },
		{ AT, .at_ms = XFED_S2S_SM_ACK_MS, .actions = "", .output = NULL });
	RUN_OUT(OUT_OFFERED, { RX, FAILED, .actions = "", .output = NULL });
	RUN_OUT(OUT_ENABLED, { RX, ENABLED, .actions = "closed(stream.stanza.unsupported)", .output = "<unsupported-stanza-type " });
}

static void out_wrong_counts(void **state)
{
	static const struct {
		const char *bytes, *output;
	} cases[] = {
		{ A(3), "<undefined-condition |<handled-count-too-high " SM " h='3' send-count='2'/>" },
		{ A(0), "<handled-count-too-high " SM " h='0' send-count='2'/>" },
		{ A(4294967295), "<handled-count-too-high " },
		{ A(4294967297), "<undefined-condition " },
		{ A(99999999999999999999), "<undefined-condition " },
		{ A(-1), "<undefined-condition " },
		{ "<a " SM " h=' 2'/>", "<undefined-condition " },
		{ "<a " SM "/>", "<undefined-condition " },
		{ "<a " SM " h=''/>", "<undefined-condition " },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(cases); i++) {
		RUN_OUT(OUT_ENABLED, { SEND, OURS("1"), .actions = "", .output = R }, { SEND, OURS("2"), .actions = "", .output = OURS("2") },
			{ RX, A(1), .actions = "acked(1)", .output = R },
			{ RX, cases[i].bytes, .actions = "closed(stream.sm.count-wrong)", .output = cases[i].output });
	}
}

static void out_wraps(void **state)
{
	set(XFED_METHOD_EXTERNAL, UINT32_MAX - 1);
	RUN_OUT(OUT_ENABLED, { SEND, OURS("1"), .actions = "", .output = R }, { RX, A(4294967295), .actions = "acked(1)", .output = NULL },
		{ SEND, OURS("2"), .actions = "", .output = R }, { SEND, OURS("3"), .actions = "", .output = OURS("3") },
		{ RX, A(0), .actions = "acked(1)", .output = R }, { RX, A(1), .actions = "acked(1)", .output = NULL },
		{ RX, A(2), .actions = "closed(stream.sm.count-wrong)", .output = "h='2' send-count='1'" });
}

static void out_unanswered(void **state)
{
	RUN_OUT(OUT_ENABLED, { SEND, OURS("1"), .actions = "", .output = R }, { AT, .at_ms = XFED_S2S_SM_ACK_MS - 1, .actions = "", .output = NULL },
		{ AT, .at_ms = XFED_S2S_SM_ACK_MS, .actions = "closed(stream.sm.unanswered)",
			.output = "<connection-timeout |no answer to |" CLOSE_TAG });
	RUN_OUT(OUT_OFFERED, { AT, .at_ms = XFED_S2S_SM_ACK_MS, .actions = "closed(stream.sm.unanswered)", .output = "<connection-timeout " });
}

/* Acknowledgements count until the peer has closed, too. */
static void out_acks_while_closing(void **state)
{
	RUN_OUT(OUT_ENABLED, { SEND, OURS("1"), .actions = "", .output = R },
		{ CLOSE_WITH, .reason = XFED_REASON_STREAM_CLOSED_IDLE, .actions = "", .output = CLOSE_TAG },
		{ RX, A(7), .actions = "", .output = NULL }, { RX, A(1), .actions = "acked(1)", .output = NULL },
		{ RX, CLOSE_TAG, .actions = "closed(stream.closed.idle)", .output = NULL });
	RUN_OUT(OUT_OFFERED, { SEND, OURS("1"), .actions = "", .output = OURS("1") },
		{ CLOSE_WITH, .reason = XFED_REASON_STREAM_CLOSED_IDLE, .actions = "", .output = CLOSE_TAG },
		{ RX, FAILED, .actions = "acked(1)", .output = NULL }, { RX, A(1), .actions = "", .output = NULL });
}

/* Prosody asks on a stream it only receives on, when it has been silent for long. */
static void out_peer_asks(void **state)
{
	RUN_OUT(OUT_ENABLED, { SEND, OURS("1"), .actions = "", .output = R }, { RX, R, .actions = "", .output = A(0) });
}

/* By dialback: from the features seen inside TLS; in the clear never. */
static void out_dialback(void **state)
{
	set(XFED_METHOD_DIALBACK_TLS, 0);
	RUN_OUT(OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, FEATURES_DB_SM, .actions = "", .output = "<db:result " },
		{ RX, DB_VALID, .actions = "dialback-tls(partner.example,corp.example)", .output = ENABLE },
		{ RX, ENABLED, .actions = "", .output = NULL }, { SEND, OURS("1"), .actions = "", .output = OURS("1") R });
	as = (struct rig){ .methods = XFED_METHOD_DIALBACK_PLAIN, .tls_optional = true };
	RUN_OUT({ RX, HEADER_ANSWER, .actions = "", .output = NULL }, { RX, FEATURES_DB_SM, .actions = "", .output = "<db:result " },
		{ RX, DB_VALID, .actions = "dialback-plain(partner.example,corp.example)", .output = NULL });
}

static void out_unacked_is_bounded(void **state)
{
	struct rig r = { 0 };
	char actions[8192];
	assert_true(bring_up(&r, XFED_S2S_OUT, out_inputs, XFED_ARRAY_LEN(out_inputs)));
	for (int i = 0; i < XFED_S2S_SM_UNACKED_MAX; i++) {
		assert_int_equal(xfed_s2s_send(r.s2s, XFED_SPAN(OURS("m")), r.now_ms), XFED_OK);
	}
	size_t used = xfed_buf_len(&r.out);
	assert_int_equal(xfed_s2s_send(r.s2s, XFED_SPAN(OURS("m")), r.now_ms), XFED_ERR_AGAIN);
	assert_int_equal(xfed_buf_len(&r.out), used);
	rig_take_actions(&r, actions, sizeof(actions));
	rig_receive(&r, XFED_SPAN(A(1)));
	assert_string_equal(rig_take_actions(&r, actions, sizeof(actions)), "acked(1)");
	assert_int_equal(xfed_s2s_send(r.s2s, XFED_SPAN(OURS("m")), r.now_ms), XFED_OK);
	assert_int_equal(xfed_s2s_send(r.s2s, XFED_SPAN(OURS("m")), r.now_ms), XFED_ERR_AGAIN);
	rig_down(&r);
}

/* ---- both ends ---- */

static void carry(struct rig *from, struct rig *to)
{
	struct xfed_span out = xfed_buf_span(&from->out);
	char *copy = xfed_strndup(out);
	assert_non_null(copy);
	xfed_buf_clear(&from->out);
	rig_receive(to, xfed_span_make(copy, out.len));
	xfed_free(copy);
}

/* Two of ours, beginning just below 2^32, with coverage in blocks and out of order; everything sent comes back as acknowledged. */
static void joined(void **state)
{
	struct rig in = { .sm_start = UINT32_MAX - 20 }, out = { .sm_start = UINT32_MAX - 20 };
	uint64_t sent = 0, covered = 0;
	assert_true(bring_up(&in, XFED_S2S_IN, in_inputs, XFED_ARRAY_LEN(in_inputs)));
	assert_true(bring_up(&out, XFED_S2S_OUT, out_inputs, XFED_ARRAY_LEN(out_inputs)));
	xfed_buf_clear(&in.out);
	xfed_buf_clear(&out.out);
	for (unsigned turn = 0; turn < 200; turn++) {
		for (unsigned i = 0; i < turn % 4; i++, sent++) {
			assert_int_equal(
				xfed_s2s_send(out.s2s, XFED_SPAN("<message from='a@partner.example' to='d@corp.example'/>"), out.now_ms), XFED_OK);
		}
		carry(&out, &in);
		for (uint64_t n = sent; turn % 3 == 2 && n > covered; n--) {
			xfed_s2s_cover(in.s2s, in.sm_start + n, in.now_ms);
		}
		covered = turn % 3 == 2 ? sent : covered;
		carry(&in, &out);
		assert_true(out.acked <= covered);
		in.actions[0] = out.actions[0] = '\0';
	}
	for (unsigned turn = 0; turn < 4; turn++) {
		for (uint64_t n = covered + 1; n <= sent; n++) {
			xfed_s2s_cover(in.s2s, in.sm_start + n, in.now_ms);
		}
		carry(&out, &in);
		carry(&in, &out);
	}
	assert_int_equal(in.stanzas, sent);
	assert_int_equal(out.acked, sent);
	assert_false(in.is_over || out.is_over);
	rig_down(&in);
	rig_down(&out);
}

/* ---- sweeps ---- */

static unsigned fail_at, allocations;

static void *failing_malloc(size_t size)
{
	return ++allocations == fail_at ? NULL : malloc(size);
}
static void *failing_realloc(void *p, size_t size)
{
	return ++allocations == fail_at ? NULL : realloc(p, size);
}

/* Failing each allocation of ours in turn never crashes, leaks or acknowledges what was not covered or sent. */
static void sweep(enum xfed_s2s_direction direction, const char *const *inputs, size_t count)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	bool reached_end = false;
	for (fail_at = 1; !reached_end; fail_at++) {
		assert_true(fail_at < 5000);
		struct rig r = { 0 };
		unsigned sent = 0;
		allocations = 0;
		xfed_mem_set_hooks(&hooks);
		if (bring_up(&r, direction, inputs, count)) {
			sent += xfed_s2s_send(r.s2s, XFED_SPAN(OURS("1")), r.now_ms) == XFED_OK;
			sent += xfed_s2s_send(r.s2s, XFED_SPAN(OURS("2")), r.now_ms) == XFED_OK;
			rig_receive(&r, XFED_SPAN(R));
			if (!r.is_over && direction == XFED_S2S_IN) {
				rig_receive(&r, XFED_SPAN(MESSAGE("m")));
				xfed_s2s_cover(r.s2s, 1, r.now_ms);
			} else if (!r.is_over) {
				rig_receive(&r, XFED_SPAN(A(2)));
			}
			reached_end = !r.is_over && allocations < fail_at;
		}
		assert_true(r.acked <= sent);
		rig_down(&r);
		xfed_mem_set_hooks(NULL);
	}
	assert_true(fail_at > 10);
}

static void allocations_fail_inbound(void **state)
{
	sweep(XFED_S2S_IN, in_inputs, XFED_ARRAY_LEN(in_inputs));
}

static void allocations_fail_outbound(void **state)
{
	sweep(XFED_S2S_OUT, out_inputs, XFED_ARRAY_LEN(out_inputs));
}

static int set_up(void **state)
{
	return xfed_xml_global_init() | xfed_sasl_global_init();
}

static int tear_down(void **state)
{
	xfed_sasl_global_deinit();
	xfed_xml_global_deinit();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(in_answers_at_once, external),
		cmocka_unit_test_setup(in_covers_out_of_order, external),
		cmocka_unit_test_setup(in_tells_once_when_caught_up, external),
		cmocka_unit_test_setup(in_tells_who_never_asks, external),
		cmocka_unit_test_setup(in_tells_after_many, external),
		cmocka_unit_test_setup(in_counts_from_enable, external),
		cmocka_unit_test_setup(in_wraps, external),
		cmocka_unit_test_setup(in_too_early, external),
		cmocka_unit_test_setup(in_enable_twice, external),
		cmocka_unit_test_setup(in_other_version, external),
		cmocka_unit_test_setup(in_resume, external),
		cmocka_unit_test_setup(in_peer_acknowledges, external),
		cmocka_unit_test_setup(in_farewell, external),
		cmocka_unit_test_setup(in_dialback, external),
		cmocka_unit_test_setup(in_sasl_behind_enable, external),
		cmocka_unit_test_setup(in_span_is_bounded, external),
		cmocka_unit_test_setup(in_what_is_not_read_is_no_silence, external),
		cmocka_unit_test_setup(in_span_moves_on, external),
		cmocka_unit_test_setup(out_asks_behind_a_stanza, external),
		cmocka_unit_test_setup(out_is_patient, external),
		cmocka_unit_test_setup(out_not_offered, external),
		cmocka_unit_test_setup(out_refused, external),
		cmocka_unit_test_setup(out_wrong_counts, external),
		cmocka_unit_test_setup(out_wraps, external),
		cmocka_unit_test_setup(out_unanswered, external),
		cmocka_unit_test_setup(out_acks_while_closing, external),
		cmocka_unit_test_setup(out_peer_asks, external),
		cmocka_unit_test_setup(out_dialback, external),
		cmocka_unit_test_setup(out_unacked_is_bounded, external),
		cmocka_unit_test_setup(joined, external),
		cmocka_unit_test_setup(allocations_fail_inbound, external),
		cmocka_unit_test_setup(allocations_fail_outbound, external),
	};
	return cmocka_run_group_tests_name("s2s-sm", tests, set_up, tear_down);
}
