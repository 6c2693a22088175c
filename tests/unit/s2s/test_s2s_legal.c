/*
 * The table of libxfed/s2s/legal.c, walked: every event in every state, each state reached by a transcript; and every way
 * from one state to another. What is expected is spelled out here a second time, as what comes out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "s2s/internal.h"
#include "support.h"
#include "xfed/sasl.h"

#define EVENTS		  (XFED_S2S_CLOSE + 1)
#define DB_RESULT	  "<db:result from='partner.example' to='corp.example'>key</db:result>"
#define FEATURES_DIALBACK "<stream:features><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>"

/*
 * A state and what each event does there: the actions, then what else can be seen: "held" no byte was taken, "wrote" something
 * was said, "> state" entered. "" is nothing at all.
 */
struct place {
	const char *name, *state;
	enum xfed_s2s_direction direction;
	unsigned methods;
	bool is_new, defers, is_verify;
	enum xfed_reason close; /* last of all, CLOSE for this */
	const char *rx[10];	/* how to get there */
	const char *expected[EVENTS];
};

#define FAULT "closed(stream.internal) > done"
#define LOST  "verified(partner.example,lost)"

#define IN_SECURE HEADER_FROM_PARTNER, STARTTLS, STUB_CLIENT_HELLO
#define ALL	  (XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS | XFED_METHOD_DIALBACK_PLAIN)
#define KEYS	  (XFED_METHOD_DIALBACK_TLS | XFED_METHOD_DIALBACK_PLAIN)

static const struct place places[] = {
	{ "in: new", "new", XFED_S2S_IN, ALL, .is_new = true,
		.expected = {
			[XFED_S2S_START] = "> wait-header", [XFED_S2S_BYTES] = "closed(stream.internal) held > done", [XFED_S2S_PUMP] = "",
			[XFED_S2S_JOB_DONE] = FAULT, [XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: the header is awaited", "wait-header", XFED_S2S_IN, ALL,
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: the decision is awaited", "wait-decision", XFED_S2S_IN, ALL, .defers = true,
		.rx = { HEADER_FROM_PARTNER },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "held", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "wrote > wait-negotiation", [XFED_S2S_TICK] = "closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: features are out", "wait-negotiation", XFED_S2S_IN, ALL,
		.rx = { HEADER_FROM_PARTNER },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "wrote", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: a pair is judged", "wait-negotiation", XFED_S2S_IN, KEYS, .defers = true,
		.rx = { HEADER_FROM_PARTNER, DB_RESULT },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "held", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "ask(partner.example,key)",
			[XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "wrote", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: a key is verified, in the clear", "wait-negotiation", XFED_S2S_IN, KEYS,
		.rx = { HEADER_FROM_PARTNER, DB_RESULT },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "",
			[XFED_S2S_TICK] = "pair-refused(dialback.timeout,remote-server-timeout) closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "dialback-plain(partner.example,corp.example) wrote > ready", [XFED_S2S_SAY] = "wrote",
			[XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: TLS is awaited", "handshaking", XFED_S2S_IN, ALL,
		.rx = { HEADER_FROM_PARTNER, STARTTLS },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "job", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "closed(stream.closed.operator) > done",
		} },
	{ "in: TLS begins while a key is verified", "handshaking", XFED_S2S_IN, KEYS,
		.rx = { HEADER_FROM_PARTNER, DB_RESULT, STARTTLS },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "job", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "closed(stream.closed.operator) > done",
		} },
	{ "in: a handshake job runs", "handshaking", XFED_S2S_IN, ALL, .defers = true,
		.rx = { HEADER_FROM_PARTNER, STARTTLS, STUB_CLIENT_HELLO },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "held", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = "",
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) > done", [XFED_S2S_END] = "",
			[XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "",
			[XFED_S2S_CLOSE] = "closed(stream.closed.operator) > done",
		} },
	{ "in: the header inside TLS is awaited, a key was verified before", "wait-header", XFED_S2S_IN, KEYS,
		.rx = { HEADER_FROM_PARTNER, DB_RESULT, STARTTLS, STUB_CLIENT_HELLO },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: the decision inside TLS is awaited", "wait-decision", XFED_S2S_IN, ALL, .defers = true,
		.rx = { IN_SECURE, HEADER_FROM_PARTNER },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "held", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "wrote > wait-negotiation", [XFED_S2S_TICK] = "closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: features inside TLS are out", "wait-negotiation", XFED_S2S_IN, ALL,
		.rx = { IN_SECURE, HEADER_FROM_PARTNER },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "wrote", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: a key is verified inside TLS", "wait-negotiation", XFED_S2S_IN, KEYS,
		.rx = { IN_SECURE, HEADER_FROM_PARTNER, DB_RESULT },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "",
			[XFED_S2S_TICK] = "pair-refused(dialback.timeout,remote-server-timeout) closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "dialback-tls(partner.example,corp.example) wrote > ready", [XFED_S2S_SAY] = "wrote",
			[XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: the header behind SASL is awaited", "wait-header", XFED_S2S_IN, ALL,
		.rx = { IN_SECURE, HEADER_FROM_PARTNER, AUTH },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: ready by SASL", "ready", XFED_S2S_IN, ALL,
		.rx = { IN_SECURE, HEADER_FROM_PARTNER, AUTH, HEADER_FROM_PARTNER },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "wrote > closing", [XFED_S2S_END] = "closed(net.stream.lost) > done",
			[XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "wrote",
			[XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: ready, another pair is judged", "ready", XFED_S2S_IN, ALL, .defers = true,
		.rx = { IN_SECURE, HEADER_FROM_PARTNER, AUTH, HEADER_FROM_PARTNER, "<db:result from='other.example' to='corp.example'>key</db:result>" },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "held", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "wrote > closing", [XFED_S2S_END] = "closed(net.stream.lost) > done",
			[XFED_S2S_PAIR_DECISION] = "ask(other.example,key)", [XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "",
			[XFED_S2S_SAY] = "wrote", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: ready, another key is verified", "ready", XFED_S2S_IN, ALL,
		.rx = { IN_SECURE, HEADER_FROM_PARTNER, AUTH, HEADER_FROM_PARTNER, "<db:result from='other.example' to='corp.example'>key</db:result>" },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "pair-refused(dialback.timeout,remote-server-timeout) wrote > closing",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "dialback-tls(other.example,corp.example) wrote", [XFED_S2S_SAY] = "wrote",
			[XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "in: closing", "closing", XFED_S2S_IN, ALL, .close = XFED_REASON_STREAM_CLOSED_OPERATOR,
		.rx = { IN_SECURE, HEADER_FROM_PARTNER, AUTH, HEADER_FROM_PARTNER },
		.expected = {
			[XFED_S2S_START] = "closed(stream.closed.operator) > done", [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "",
			[XFED_S2S_JOB_DONE] = "closed(stream.closed.operator) > done", [XFED_S2S_DECISION] = "",
			[XFED_S2S_TICK] = "closed(stream.closed.operator) > done", [XFED_S2S_END] = "closed(stream.closed.operator) > done",
			[XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "",
			[XFED_S2S_CLOSE] = "",
		} },
	{ "in: closing while a key is verified", "closing", XFED_S2S_IN, KEYS, .close = XFED_REASON_STREAM_CLOSED_OPERATOR,
		.rx = { IN_SECURE, HEADER_FROM_PARTNER, DB_RESULT },
		.expected = {
			[XFED_S2S_START] = "closed(stream.closed.operator) > done", [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "",
			[XFED_S2S_JOB_DONE] = "closed(stream.closed.operator) > done", [XFED_S2S_DECISION] = "",
			[XFED_S2S_TICK] = "closed(stream.closed.operator) > done", [XFED_S2S_END] = "closed(stream.closed.operator) > done",
			[XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "",
			[XFED_S2S_CLOSE] = "",
		} },
	{ "in: closing while a pair is judged", "closing", XFED_S2S_IN, ALL, .defers = true, .close = XFED_REASON_STREAM_CLOSED_OPERATOR,
		.rx = { IN_SECURE, HEADER_FROM_PARTNER, DB_RESULT },
		.expected = {
			[XFED_S2S_START] = "closed(stream.closed.operator) > done", [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "",
			[XFED_S2S_JOB_DONE] = "closed(stream.closed.operator) > done", [XFED_S2S_DECISION] = "",
			[XFED_S2S_TICK] = "closed(stream.closed.operator) > done", [XFED_S2S_END] = "closed(stream.closed.operator) > done",
			[XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "",
			[XFED_S2S_CLOSE] = "",
		} },
	{ "in: closing while a decision is made", "closing", XFED_S2S_IN, ALL, .defers = true, .close = XFED_REASON_STREAM_CLOSED_OPERATOR,
		.rx = { HEADER_FROM_PARTNER },
		.expected = {
			[XFED_S2S_START] = "closed(stream.closed.operator) > done", [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "",
			[XFED_S2S_JOB_DONE] = "closed(stream.closed.operator) > done", [XFED_S2S_DECISION] = "",
			[XFED_S2S_TICK] = "closed(stream.closed.operator) > done", [XFED_S2S_END] = "closed(stream.closed.operator) > done",
			[XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "",
			[XFED_S2S_CLOSE] = "",
		} },
	{ "in: closing behind SASL", "closing", XFED_S2S_IN, ALL, .close = XFED_REASON_STREAM_CLOSED_IDLE,
		.rx = { IN_SECURE, HEADER_FROM_PARTNER, AUTH },
		.expected = {
			[XFED_S2S_START] = "closed(stream.closed.idle) > done", [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "",
			[XFED_S2S_JOB_DONE] = "closed(stream.closed.idle) > done", [XFED_S2S_DECISION] = "",
			[XFED_S2S_TICK] = "closed(stream.closed.idle) > done", [XFED_S2S_END] = "closed(stream.closed.idle) > done",
			[XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "",
			[XFED_S2S_CLOSE] = "",
		} },
	{ "in: done", "done", XFED_S2S_IN, ALL,
		.rx = { IN_SECURE, HEADER_FROM_PARTNER, "<x/>" },
		.expected = {
			[XFED_S2S_START] = "", [XFED_S2S_BYTES] = "held", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = "",
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "", [XFED_S2S_END] = "", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = "",
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "",
		} },
	{ "in: done while a job runs", "done", XFED_S2S_IN, ALL, .defers = true, .close = XFED_REASON_STREAM_CLOSED_OPERATOR,
		.rx = { HEADER_FROM_PARTNER, STARTTLS, STUB_CLIENT_HELLO },
		.expected = {
			[XFED_S2S_START] = "", [XFED_S2S_BYTES] = "held", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = "",
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "", [XFED_S2S_END] = "", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = "",
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "",
		} },
	{ "out: new", "new", XFED_S2S_OUT, ALL, .is_new = true,
		.expected = {
			[XFED_S2S_START] = "wrote > wait-header", [XFED_S2S_BYTES] = "closed(stream.internal) held > done", [XFED_S2S_PUMP] = "",
			[XFED_S2S_JOB_DONE] = FAULT, [XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "out: the header is awaited", "wait-header", XFED_S2S_OUT, ALL,
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "out: features are awaited", "wait-features", XFED_S2S_OUT, ALL,
		.rx = { HEADER_ANSWER },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "out: <proceed/> is awaited", "wait-proceed", XFED_S2S_OUT, ALL,
		.rx = { HEADER_ANSWER, FEATURES_TLS },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "out: TLS", "handshaking", XFED_S2S_OUT, ALL,
		.rx = { HEADER_ANSWER, FEATURES_TLS, PROCEED },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "job", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "closed(stream.closed.operator) > done",
		} },
	{ "out: a handshake job runs", "handshaking", XFED_S2S_OUT, ALL, .defers = true,
		.rx = { HEADER_ANSWER, FEATURES_TLS, PROCEED },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "held", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = "",
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) > done", [XFED_S2S_END] = "",
			[XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "",
			[XFED_S2S_CLOSE] = "closed(stream.closed.operator) > done",
		} },
	{ "out: the header inside TLS is awaited", "wait-header", XFED_S2S_OUT, ALL,
		.rx = { HEADER_ANSWER, FEATURES_TLS, PROCEED, STUB_SERVER_HELLO },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "out: SASL", "wait-sasl", XFED_S2S_OUT, ALL,
		.rx = { HEADER_ANSWER, FEATURES_TLS, PROCEED, STUB_SERVER_HELLO, HEADER_ANSWER, FEATURES_EXTERNAL },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "closed(stream.establish.timeout) wrote > done",
			[XFED_S2S_END] = "closed(net.stream.lost) > done", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST,
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "out: a key is judged", "wait-dialback", XFED_S2S_OUT, KEYS,
		.rx = { HEADER_ANSWER, FEATURES_TLS, PROCEED, STUB_SERVER_HELLO, HEADER_ANSWER, FEATURES_DIALBACK },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "wrote > closing", [XFED_S2S_END] = "closed(net.stream.lost) > done",
			[XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "",
			[XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "out: verify stream", "verifying", XFED_S2S_OUT, KEYS, .is_verify = true,
		.rx = { HEADER_ANSWER, FEATURES_TLS, PROCEED, STUB_SERVER_HELLO, HEADER_ANSWER, FEATURES_DIALBACK },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "wrote > closing", [XFED_S2S_END] = "closed(net.stream.lost) > done",
			[XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = "wrote", [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "",
			[XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "out: ready by SASL", "ready", XFED_S2S_OUT, ALL,
		.rx = { HEADER_ANSWER, FEATURES_TLS, PROCEED, STUB_SERVER_HELLO, HEADER_ANSWER, FEATURES_EXTERNAL, SASL_SUCCESS, HEADER_ANSWER, "<stream:features/>" },
		.expected = {
			[XFED_S2S_START] = FAULT, [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = FAULT,
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "wrote > closing", [XFED_S2S_END] = "closed(net.stream.lost) > done",
			[XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "",
			[XFED_S2S_CLOSE] = "wrote > closing",
		} },
	{ "out: closing", "closing", XFED_S2S_OUT, ALL, .close = XFED_REASON_STREAM_CLOSED_OPERATOR,
		.rx = { HEADER_ANSWER, FEATURES_TLS, PROCEED, STUB_SERVER_HELLO, HEADER_ANSWER, FEATURES_EXTERNAL },
		.expected = {
			[XFED_S2S_START] = "closed(stream.closed.operator) > done", [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "",
			[XFED_S2S_JOB_DONE] = "closed(stream.closed.operator) > done", [XFED_S2S_DECISION] = "",
			[XFED_S2S_TICK] = "closed(stream.closed.operator) > done", [XFED_S2S_END] = "closed(stream.closed.operator) > done",
			[XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "",
			[XFED_S2S_CLOSE] = "",
		} },
	{ "out: closing, a verify stream", "closing", XFED_S2S_OUT, KEYS, .is_verify = true, .close = XFED_REASON_STREAM_CLOSED_IDLE,
		.rx = { HEADER_ANSWER, FEATURES_TLS, PROCEED, STUB_SERVER_HELLO, HEADER_ANSWER, FEATURES_DIALBACK },
		.expected = {
			[XFED_S2S_START] = "closed(stream.closed.idle) > done", [XFED_S2S_BYTES] = "", [XFED_S2S_PUMP] = "",
			[XFED_S2S_JOB_DONE] = "closed(stream.closed.idle) > done", [XFED_S2S_DECISION] = "",
			[XFED_S2S_TICK] = "closed(stream.closed.idle) > done", [XFED_S2S_END] = "closed(stream.closed.idle) > done",
			[XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = LOST, [XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "",
			[XFED_S2S_CLOSE] = "",
		} },
	{ "out: done", "done", XFED_S2S_OUT, ALL,
		.rx = { "</stream:stream>" },
		.expected = {
			[XFED_S2S_START] = "", [XFED_S2S_BYTES] = "held", [XFED_S2S_PUMP] = "", [XFED_S2S_JOB_DONE] = "",
			[XFED_S2S_DECISION] = "", [XFED_S2S_TICK] = "", [XFED_S2S_END] = "", [XFED_S2S_PAIR_DECISION] = "", [XFED_S2S_ASK] = "",
			[XFED_S2S_VERDICT] = "", [XFED_S2S_SAY] = "", [XFED_S2S_CLOSE] = "",
		} },
};

static void get_there(struct rig *r, const struct place *p)
{
	stub_peer = (struct stub_certificate){ true, true, "partner.example", XFED_REASON_NONE };
	stub_handshake_fails = XFED_REASON_NONE;
	*r = (struct rig){
		.methods = p->methods, .tls_optional = p->methods & XFED_METHOD_DIALBACK_PLAIN, .is_new = p->is_new, .is_verify = p->is_verify
	};
	assert_true(rig_up(r, p->direction));
	for (size_t i = 0; i < XFED_ARRAY_LEN(p->rx) && p->rx[i]; i++) {
		r->defers = p->defers && (i + 1 == XFED_ARRAY_LEN(p->rx) || !p->rx[i + 1]);
		rig_receive(r, xfed_span_str(p->rx[i]));
	}
	if (p->close) {
		struct xfed_s2s_event ev = { .type = XFED_S2S_CLOSE, .reason = p->close, .text = "" };
		rig_event(r, &ev);
	}
	r->defers = true;
	r->actions[0] = '\0';
	xfed_buf_clear(&r->out);
}

static struct xfed_s2s_event event_of(const struct rig *r, enum xfed_s2s_event_type type)
{
	struct xfed_s2s_event ev = { .type = type };
	switch (type) {
	case XFED_S2S_BYTES:
		ev.bytes = XFED_SPAN(" ");
		break;
	case XFED_S2S_JOB_DONE:
		ev.tls_result = XFED_TLS_WANT_INPUT;
		break;
	case XFED_S2S_DECISION:
	case XFED_S2S_PAIR_DECISION:
		ev.decision = r->decision;
		ev.decision.methods = ALL;
		ev.is_local = true;
		break;
	case XFED_S2S_ASK:
		ev.question = (struct xfed_s2s_question){ .token = 1,
			.origin = 3,
			.stream_id = XFED_SPAN("id"),
			.key = XFED_SPAN("key"),
			.pair = { .sender = XFED_SPAN("partner.example"),
				.target = XFED_SPAN("corp.example"),
				.sender_raw = XFED_SPAN("partner.example"),
				.target_raw = XFED_SPAN("corp.example") } };
		break;
	case XFED_S2S_VERDICT:
		ev = rig_verdict(r, XFED_DIALBACK_VERDICT_VALID);
		break;
	case XFED_S2S_SAY:
		ev.bytes = XFED_SPAN("<said/>");
		break;
	case XFED_S2S_CLOSE:
		ev.reason = XFED_REASON_STREAM_CLOSED_OPERATOR;
		ev.text = "";
		break;
	case XFED_S2S_START:
	case XFED_S2S_PUMP:
	case XFED_S2S_TICK:
	case XFED_S2S_END:
		break;
	}
	return ev;
}

static const char *state_of(const struct rig *r)
{
	struct xfed_s2s_info info;
	xfed_s2s_info(r->s2s, &info);
	return info.state_name;
}

static void add(char *text, size_t size, const char *word)
{
	size_t used = strlen(text);
	snprintf(text + used, size - used, "%s%s", used ? " " : "", word);
}

static void what_comes(struct rig *r, enum xfed_s2s_event_type type, char *text, size_t size)
{
	const char *before = state_of(r);
	struct xfed_s2s_event ev = event_of(r, type);
	r->now_ms += type == XFED_S2S_TICK ? 3600 * 1000 : 1;
	rig_event(r, &ev);
	rig_take_actions(r, text, size);
	if (type == XFED_S2S_BYTES && ev.consumed == 0) {
		add(text, size, "held");
	}
	if (xfed_buf_len(&r->out) > 0) {
		add(text, size, "wrote");
	}
	if (strcmp(before, state_of(r)) != 0) {
		add(text, size, "> ");
		snprintf(text + strlen(text), size - strlen(text), "%s", state_of(r));
	}
}

static const char *const event_names[] = {
#define X(id, name) name,
	XFED_S2S_EVENTS(X)
#undef X
};

static void every_event_in_every_state(void **state)
{
	unsigned wrong = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(places); i++) {
		const struct place *p = &places[i];
		for (unsigned e = 0; e < EVENTS; e++) {
			struct rig r;
			char text[512];
			get_there(&r, p);
			assert_string_equal(state_of(&r), p->state);
			what_comes(&r, (enum xfed_s2s_event_type)e, text, sizeof(text));
			if (!p->expected[e] || strcmp(text, p->expected[e]) != 0) {
				print_message("%s, %s: wanted '%s', came '%s'\n", p->name, event_names[e], p->expected[e] ? p->expected[e] : "(none)",
					text);
				wrong++;
			}
			rig_down(&r);
		}
	}
	assert_int_equal(wrong, 0);
}

/* ---- from one state to another ---- */

static const char *const state_names[] = {
#define X(id, name) name,
	XFED_S2S_STATES(X)
#undef X
};

static const struct {
	enum xfed_s2s_direction direction;
	const char *from, *to; /* words, each with a space before and behind */
} ways[] = {
	{ XFED_S2S_IN, "new", " wait-header closing done " },
	{ XFED_S2S_IN, "wait-header", " wait-decision ready closing done " },
	{ XFED_S2S_IN, "wait-decision", " wait-negotiation closing done " },
	{ XFED_S2S_IN, "wait-negotiation", " handshaking wait-header ready closing done " },
	{ XFED_S2S_IN, "handshaking", " wait-header done " },
	{ XFED_S2S_IN, "ready", " wait-header closing done " },
	{ XFED_S2S_IN, "closing", " done " },
	{ XFED_S2S_OUT, "new", " wait-header closing done " },
	{ XFED_S2S_OUT, "wait-header", " wait-features closing done " },
	{ XFED_S2S_OUT, "wait-features", " wait-proceed wait-sasl wait-dialback verifying ready closing done " },
	{ XFED_S2S_OUT, "wait-proceed", " handshaking closing done " },
	{ XFED_S2S_OUT, "handshaking", " wait-header done " },
	{ XFED_S2S_OUT, "wait-sasl", " wait-header wait-dialback closing done " },
	{ XFED_S2S_OUT, "wait-dialback", " ready closing done " },
	{ XFED_S2S_OUT, "verifying", " closing done " },
	{ XFED_S2S_OUT, "ready", " closing done " },
	{ XFED_S2S_OUT, "closing", " done " },
};

static bool is_expected(enum xfed_s2s_direction direction, const char *from, const char *to)
{
	char word[64];
	snprintf(word, sizeof(word), " %s ", to);
	for (size_t i = 0; i < XFED_ARRAY_LEN(ways); i++) {
		if (ways[i].direction == direction && strcmp(ways[i].from, from) == 0) {
			return strstr(ways[i].to, word) != NULL;
		}
	}
	return strcmp(to, "done") == 0 && strcmp(from, "done") != 0; /* a state of the other direction */
}

/* One that is not in the table is our own fault: it ends this stream, and nothing else. */
static void every_way_between_states(void **state)
{
	for (unsigned d = 0; d < 2; d++) {
		for (unsigned from = 0; from <= XFED_S2S_DONE; from++) {
			for (unsigned to = 0; to <= XFED_S2S_DONE; to++) {
				struct rig r = { 0 };
				struct xfed_s2s_action act;
				enum xfed_s2s_direction direction = d ? XFED_S2S_OUT : XFED_S2S_IN;
				assert_true(rig_up(&r, direction));
				r.s2s->state = (enum xfed_s2s_state)from;
				bool legal = s2s_enter(r.s2s, (enum xfed_s2s_state)to);
				if (legal != is_expected(direction, state_names[from], state_names[to])) {
					fail_msg("%s: from %s to %s", d ? "out" : "in", state_names[from], state_names[to]);
				}
				if (!legal && from != XFED_S2S_DONE) {
					assert_string_equal(state_of(&r), "done");
					assert_true(xfed_s2s_next(r.s2s, &act));
					assert_true(act.type == XFED_S2S_CLOSED && act.reason == XFED_REASON_STREAM_INTERNAL && act.is_abrupt);
				}
				rig_down(&r);
			}
		}
	}
}

int main(void)
{
	if (xfed_xml_global_init() != XFED_OK || xfed_sasl_global_init() != XFED_OK) {
		return 1;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_in_every_state),
		cmocka_unit_test(every_way_between_states),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
