/* Rows of events and what has to come of each; a row that fails prints itself. */
#ifndef TESTS_UNIT_S2S_TRANSCRIPT_H
#define TESTS_UNIT_S2S_TRANSCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

enum row_event { RX, AT, COVER, VERDICT, ASK, DECIDE_REFUSE, PEER_CERT, HANDSHAKE_FAILS, CLOSE_WITH, SOCKET_GONE, SEND, JUDGE };

struct row {
	enum row_event event;
	const char *bytes; /* RX, SEND; PEER_CERT: the domain it proves */
	uint64_t at_ms;	   /* AT: time since the start; a TICK is given */
	uint64_t number;   /* COVER: counted from sm_start */
	enum xfed_reason reason;
	enum xfed_dialback_verdict verdict;
	const char *actions; /* exactly these */
	const char *output;  /* all of these, in order, separated by | ; NULL: nothing at all was written */
};

#define IGNORE_OUTPUT ""

static bool contains_in_order(const char *text, const char *wanted)
{
	char copy[1024];
	snprintf(copy, sizeof(copy), "%s", wanted);
	for (char *save, *part = strtok_r(copy, "|", &save); part; part = strtok_r(NULL, "|", &save)) {
		const char *hit = strstr(text, part);
		if (!hit) {
			return false;
		}
		text = hit + strlen(part);
	}
	return true;
}

/* The chain is what the row says now. */
static void judge(struct rig *r, const struct row *row)
{
	int64_t due_s = 0;
	stub_peer.chain_reason = row->reason;
	stub_peer.due_s = 1234;
	enum xfed_reason reason = xfed_s2s_judge_again(r->s2s, r->creds, 1000, &due_s);
	size_t len = strlen(r->actions);
	snprintf(r->actions + len, sizeof(r->actions) - len, "judged(%s,%s)", xfed_reason_code(reason),
		due_s == INT64_MAX ? "never"
		: due_s == 1234	   ? "due"
				   : "?");
}

static void do_row(struct rig *r, const struct row *row)
{
	struct xfed_s2s_event ev = { 0 };
	switch (row->event) {
	case RX:
		rig_receive(r, xfed_span_str(row->bytes));
		return;
	case AT:
		r->now_ms = 1000 + row->at_ms;
		ev.type = XFED_S2S_TICK;
		rig_event(r, &ev);
		return;
	case COVER:
		xfed_s2s_cover(r->s2s, r->sm_start + row->number, r->now_ms);
		return;
	case VERDICT:
		ev = rig_verdict(r, row->verdict);
		rig_event(r, &ev);
		return;
	case ASK:
		ev = (struct xfed_s2s_event){ .type = XFED_S2S_ASK };
		ev.question = (struct xfed_s2s_question){ .token = 1,
			.origin = 3,
			.stream_id = XFED_SPAN("D60000229F"),
			.key = xfed_span_str(row->bytes),
			.pair = { .sender = XFED_SPAN("partner.example"),
				.target = XFED_SPAN("corp.example"),
				.sender_raw = XFED_SPAN("partner.example"),
				.target_raw = XFED_SPAN("corp.example") } };
		rig_event(r, &ev);
		return;
	case DECIDE_REFUSE:
		r->decision.refuse = row->reason;
		return;
	case PEER_CERT:
		stub_peer.proves = row->bytes;
		stub_peer.is_presented = row->bytes != NULL;
		stub_peer.chain_reason = row->reason;
		return;
	case HANDSHAKE_FAILS:
		stub_handshake_fails = row->reason;
		return;
	case CLOSE_WITH:
		ev = (struct xfed_s2s_event){ .type = XFED_S2S_CLOSE, .reason = row->reason, .text = "test" };
		rig_event(r, &ev);
		return;
	case SOCKET_GONE:
		ev = (struct xfed_s2s_event){ .type = XFED_S2S_END, .reason = row->reason };
		rig_event(r, &ev);
		return;
	case JUDGE:
		judge(r, row);
		return;
	case SEND:
		assert_int_equal(xfed_s2s_send(r->s2s, xfed_span_str(row->bytes), r->now_ms), XFED_OK);
		return;
	}
}

static void check_row(struct rig *r, const struct row *row, size_t i, const char *name)
{
	char actions[8192], *output = xfed_strndup(xfed_buf_span(&r->out));
	assert_non_null(output);
	rig_take_actions(r, actions, sizeof(actions));
	bool ok = strcmp(actions, row->actions) == 0 && (row->output ? contains_in_order(output, row->output) : output[0] == '\0');
	if (!ok) {
		print_message("%s, row %zu (%s):\n  actions wanted %s\n  actions are    %s\n  output wanted  %s\n  output is      %s\n", name, i,
			row->bytes ? row->bytes : "", row->actions, actions, row->output ? row->output : "(nothing)", output);
	}
	xfed_free(output);
	xfed_buf_clear(&r->out);
	assert_true(ok);
}

/* Circumstances of the next scenario; run_rows() takes them. */
static struct rig as = { 0 };

static void run_rows(const char *name, enum xfed_s2s_direction direction, const struct row *rows, size_t count, size_t chunk)
{
	struct rig r = { .chunk = chunk,
		.methods = as.methods,
		.tls_optional = as.tls_optional,
		.is_verify = as.is_verify,
		.is_quiet = as.is_quiet,
		.sm_start = as.sm_start };
	stub_peer = (struct stub_certificate){ true, true, "partner.example", XFED_REASON_NONE, 0 };
	stub_handshake_fails = XFED_REASON_NONE;
	assert_true(rig_up(&r, direction));
	if (direction == XFED_S2S_OUT) {
		assert_true(contains_in_order(xfed_buf_span(&r.out).data, "<stream:stream |from='corp.example' to='partner.example' version='1.0'>"));
	}
	xfed_buf_clear(&r.out);
	for (size_t i = 0; i < count; i++) {
		do_row(&r, &rows[i]);
		check_row(&r, &rows[i], i, name);
	}
	rig_down(&r);
}

#define RUN_IN(...)                                                                                                                                  \
	do {                                                                                                                                         \
		const struct row rows_[] = { __VA_ARGS__ };                                                                                          \
		run_rows(__func__, XFED_S2S_IN, rows_, XFED_ARRAY_LEN(rows_), 0);                                                                    \
		run_rows(__func__, XFED_S2S_IN, rows_, XFED_ARRAY_LEN(rows_), 1);                                                                    \
	} while (0)
#define RUN_IN_WHOLE(...)                                                                                                                            \
	do {                                                                                                                                         \
		const struct row rows_[] = { __VA_ARGS__ };                                                                                          \
		run_rows(__func__, XFED_S2S_IN, rows_, XFED_ARRAY_LEN(rows_), 0);                                                                    \
	} while (0)
#define RUN_OUT(...)                                                                                                                                 \
	do {                                                                                                                                         \
		const struct row rows_[] = { __VA_ARGS__ };                                                                                          \
		run_rows(__func__, XFED_S2S_OUT, rows_, XFED_ARRAY_LEN(rows_), 0);                                                                   \
		run_rows(__func__, XFED_S2S_OUT, rows_, XFED_ARRAY_LEN(rows_), 1);                                                                   \
	} while (0)
#define RUN_OUT_WHOLE(...)                                                                                                                           \
	do {                                                                                                                                         \
		const struct row rows_[] = { __VA_ARGS__ };                                                                                          \
		run_rows(__func__, XFED_S2S_OUT, rows_, XFED_ARRAY_LEN(rows_), 0);                                                                   \
	} while (0)

/* Rows many scenarios begin with. */
#define IN_CLEAR                                                                                                                                     \
	{                                                                                                                                            \
		RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,clear)",                                                    \
					 .output = "from='corp.example' to='partner.example' id='|<starttls|<required/>"                             \
	}
#define IN_TLS                                                                                                                                       \
	{ RX, STARTTLS, .actions = "", .output = "<proceed " },                                                                                      \
	{                                                                                                                                            \
		RX, STUB_CLIENT_HELLO, .actions = "", .output = STUB_SERVER_HELLO                                                                    \
	}
#define IN_EXTERNAL                                                                                                                                  \
	{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)",                                                         \
		.output = "<stream:stream |<mechanism>EXTERNAL</mechanism>" },                                                                       \
		{ RX, AUTH, .actions = "", .output = "<success " },                                                                                  \
	{                                                                                                                                            \
		RX, HEADER_FROM_PARTNER, .actions = "established",                                                                                   \
					 .output = "<stream:stream |<stream:features><sm xmlns='urn:xmpp:sm:3'/><limits |</stream:features>"         \
	}
#define IN_READY IN_CLEAR, IN_TLS, IN_EXTERNAL

#define OUT_CLEAR                                                                                                                                    \
	{ RX, HEADER_ANSWER, .actions = "", .output = NULL },                                                                                        \
	{                                                                                                                                            \
		RX, FEATURES_TLS, .actions = "", .output = "<starttls "                                                                              \
	}
#define OUT_TLS                                                                                                                                      \
	{ RX, PROCEED, .actions = "", .output = STUB_CLIENT_HELLO },                                                                                 \
	{                                                                                                                                            \
		RX, STUB_SERVER_HELLO, .actions = "", .output = "<stream:stream "                                                                    \
	}
#define OUT_EXTERNAL                                                                                                                                 \
	{ RX, HEADER_ANSWER, .actions = "", .output = NULL }, { RX, FEATURES_EXTERNAL, .actions = "", .output = "<auth |EXTERNAL" },                 \
		{ RX, SASL_SUCCESS, .actions = "", .output = "<stream:stream " }, { RX, HEADER_ANSWER, .actions = "", .output = NULL },              \
	{                                                                                                                                            \
		RX, "<stream:features/>", .actions = "established", .output = NULL                                                                   \
	}
#define OUT_READY OUT_CLEAR, OUT_TLS, OUT_EXTERNAL

#endif
