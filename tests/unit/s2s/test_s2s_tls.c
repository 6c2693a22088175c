/*
 * Two conductors joined in memory over real TLS with real certificates: what the transcripts show on stub facts holds on
 * GnuTLS. The initiating end is partner.example, the receiving end corp.example.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "../tls/support.h"
#include "xfed/limits.h"
#include "xfed/s2s.h"
#include "xfed/sasl.h"

struct end {
	struct xfed_s2s *s2s;
	struct xfed_buf out;
	struct xfed_s2s_decision decision;
	bool is_established, is_over;
	enum xfed_reason reason;
	char last_id[64];
	unsigned stanzas;
};

struct pair {
	struct end initiating, receiving;
	struct xfed_tls_creds *initiating_creds, *receiving_creds;
};

static bool perform(struct end *e, const struct xfed_s2s_action *act, struct xfed_s2s_event *answer)
{
	switch (act->type) {
	case XFED_S2S_JOB:
		*answer = (struct xfed_s2s_event){ .type = XFED_S2S_JOB_DONE, .tls_result = xfed_tls_handshake_step(act->tls) };
		return true;
	case XFED_S2S_HEADER:
		*answer = (struct xfed_s2s_event){ .type = XFED_S2S_DECISION, .decision = e->decision };
		return true;
	case XFED_S2S_PAIR:
	case XFED_S2S_ASK_VERIFY:
	case XFED_S2S_AUTHORITY:
	case XFED_S2S_VERIFY_OPEN:
	case XFED_S2S_PAIR_REFUSED:
	case XFED_S2S_VERIFIED:
		fail_msg("dialback where only EXTERNAL is allowed");
		break;
	case XFED_S2S_ESTABLISHED:
		e->is_established = true;
		break;
	case XFED_S2S_ACKED:
		break;
	case XFED_S2S_STANZA_REFUSED:
		fail_msg("a stanza is refused that is fine");
		break;
	case XFED_S2S_STANZA:
		e->stanzas++;
		snprintf(e->last_id, sizeof(e->last_id), "%.*s", (int)act->stanza.id.len, act->stanza.id.data);
		break;
	case XFED_S2S_CLOSED:
		e->is_over = true;
		e->reason = act->reason;
		break;
	}
	return false;
}

static void step(struct end *e, struct xfed_s2s_event *ev)
{
	struct xfed_s2s_event now = *ev, next;
	for (bool more = true, first = true; more; first = false) {
		struct xfed_s2s_action act;
		more = false;
		xfed_s2s_step(e->s2s, &now, 1000);
		ev->consumed = first ? now.consumed : ev->consumed;
		while (xfed_s2s_next(e->s2s, &act)) {
			more |= perform(e, &act, &next);
		}
		now = next;
	}
}

static void settle(struct end *e)
{
	struct xfed_s2s_event pump = { .type = XFED_S2S_PUMP };
	while (!e->is_over && xfed_s2s_has_pending(e->s2s)) {
		step(e, &pump);
	}
}

/* Carries what `from` has written; false when there was nothing. */
static bool carry(struct end *from, struct end *to, size_t chunk)
{
	size_t len = xfed_buf_len(&from->out);
	if (len == 0 || to->is_over) {
		xfed_buf_clear(&from->out);
		return false;
	}
	struct xfed_s2s_event ev = { .type = XFED_S2S_BYTES, .bytes = xfed_buf_span(&from->out) };
	if (chunk && ev.bytes.len > chunk) {
		ev.bytes.len = chunk;
	}
	step(to, &ev);
	settle(to);
	xfed_buf_consume(&from->out, ev.consumed);
	return true;
}

static void run(struct pair *p, size_t chunk)
{
	bool moved = true;
	for (int turns = 0; moved; turns++) {
		moved = carry(&p->initiating, &p->receiving, chunk);
		moved = carry(&p->receiving, &p->initiating, chunk) || moved;
		assert_true(turns < 100000);
	}
}

static void make(struct pair *p, const char *initiating_cert, const char *receiving_cert, const char *receiving_crl)
{
	*p = (struct pair){ 0 };
	const char *theirs[] = { initiating_cert, NULL }, *ours[] = { receiving_cert, NULL };
	p->initiating_creds = test_creds(initiating_cert ? theirs : theirs + 1, "ca.pem", NULL);
	p->receiving_creds = test_creds(ours, "ca.pem", receiving_crl);
	struct xfed_s2s_decision d = { .needs_tls = true, .methods = XFED_METHOD_EXTERNAL, .stanza_bytes = 65536 };
	xfed_buf_init(&p->initiating.out, XFED_S2S_OUTPUT_BYTES);
	xfed_buf_init(&p->receiving.out, XFED_S2S_OUTPUT_BYTES);
	d.creds = p->receiving_creds;
	p->receiving.decision = d;
	struct xfed_s2s_config in = { .env = test_env(), .direction = XFED_S2S_IN, .out = &p->receiving.out };
	assert_int_equal(xfed_s2s_new(&in, &p->receiving.s2s), XFED_OK);
	d.creds = p->initiating_creds;
	struct xfed_s2s_config out = { .env = test_env(),
		.direction = XFED_S2S_OUT,
		.out = &p->initiating.out,
		.local = XFED_SPAN("partner.example"),
		.remote = XFED_SPAN("corp.example"),
		.decision = d };
	assert_int_equal(xfed_s2s_new(&out, &p->initiating.s2s), XFED_OK);
	struct xfed_s2s_event start = { .type = XFED_S2S_START };
	step(&p->receiving, &start);
	step(&p->initiating, &start);
}

static void unmake(struct pair *p)
{
	xfed_s2s_free(p->initiating.s2s);
	xfed_s2s_free(p->receiving.s2s);
	xfed_buf_deinit(&p->initiating.out);
	xfed_buf_deinit(&p->receiving.out);
	xfed_tls_creds_unref(p->initiating_creds);
	xfed_tls_creds_unref(p->receiving_creds);
}

static void external_both_ways(void **state)
{
	static const size_t chunks[] = { 0, 1, 7, 1000 };
	for (size_t i = 0; i < XFED_ARRAY_LEN(chunks); i++) {
		struct pair p;
		make(&p, "partner", "corp", NULL);
		run(&p, chunks[i]);
		assert_true(p.initiating.is_established && p.receiving.is_established);
		struct xfed_s2s_info info;
		xfed_s2s_info(p.receiving.s2s, &info);
		assert_true(xfed_span_is(info.remote, "partner.example") && xfed_span_is(info.local, "corp.example"));
		assert_int_equal(info.method, XFED_METHOD_EXTERNAL);
		assert_string_equal(info.tls.version, "TLS1.3");
		for (int n = 0; n < 20; n++) {
			char text[256];
			snprintf(text, sizeof(text), "<message from='a@partner.example' to='d@corp.example' id='m%d'><body>hi</body></message>", n);
			assert_int_equal(xfed_s2s_send(p.initiating.s2s, xfed_span_str(text), 1000), XFED_OK);
		}
		run(&p, chunks[i]);
		assert_int_equal(p.receiving.stanzas, 20);
		assert_string_equal(p.receiving.last_id, "m19");
		struct xfed_s2s_event close = { .type = XFED_S2S_CLOSE, .reason = XFED_REASON_STREAM_CLOSED_IDLE };
		step(&p.initiating, &close);
		run(&p, chunks[i]);
		assert_true(p.initiating.is_over && p.receiving.is_over);
		assert_int_equal(p.initiating.reason, XFED_REASON_STREAM_CLOSED_IDLE);
		assert_int_equal(p.receiving.reason, XFED_REASON_STREAM_CLOSED_PEER);
		unmake(&p);
	}
}

/* A rule per certificate: the reason is the receiving end's for the initiating end's certificate, and the other way round. */
static void certificates(void **state)
{
	static const struct {
		const char *initiating, *receiving;
		enum xfed_reason at_initiating, at_receiving;
	} rows[] = {
		{ "partner-expired", "corp", XFED_REASON_STREAM_ERROR_RECEIVED, XFED_REASON_TLS_CERT_EXPIRED },
		{ "partner-future", "corp", XFED_REASON_STREAM_ERROR_RECEIVED, XFED_REASON_TLS_CERT_NOT_YET_VALID },
		{ "partner-foreign", "corp", XFED_REASON_STREAM_ERROR_RECEIVED, XFED_REASON_TLS_CERT_UNTRUSTED },
		{ "partner-selfsigned", "corp", XFED_REASON_STREAM_ERROR_RECEIVED, XFED_REASON_TLS_CERT_UNTRUSTED },
		{ "partner-wrongname", "corp", XFED_REASON_STREAM_ERROR_RECEIVED, XFED_REASON_TLS_CERT_NAME_MISMATCH },
		{ "partner-cnonly", "corp", XFED_REASON_STREAM_ERROR_RECEIVED, XFED_REASON_TLS_CERT_NAME_MISMATCH },
		{ "partner-revoked", "corp", XFED_REASON_STREAM_ERROR_RECEIVED, XFED_REASON_TLS_CERT_REVOKED },
		{ "partner-clientauth", "corp", XFED_REASON_STREAM_ERROR_RECEIVED, XFED_REASON_TLS_CERT_PURPOSE },
		{ NULL, "corp", XFED_REASON_STREAM_ERROR_RECEIVED, XFED_REASON_TLS_CERT_MISSING },
		{ "partner", "partner", XFED_REASON_TLS_CERT_NAME_MISMATCH, XFED_REASON_STREAM_ERROR_RECEIVED },
		{ "partner-serverauth", "corp", XFED_REASON_NONE, XFED_REASON_NONE },
		{ "partner-rsa", "corp", XFED_REASON_NONE, XFED_REASON_NONE },
		{ "partner-inter", "corp", XFED_REASON_NONE, XFED_REASON_NONE },
		{ "partner-wildcard", "corp", XFED_REASON_NONE, XFED_REASON_NONE },
		{ "partner-srvonly", "corp", XFED_REASON_NONE, XFED_REASON_NONE },
		{ "partner-xmppaddr", "corp", XFED_REASON_NONE, XFED_REASON_NONE },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct pair p;
		make(&p, rows[i].initiating, rows[i].receiving, "root.crl.pem");
		run(&p, 0);
		bool wanted = rows[i].at_receiving == XFED_REASON_NONE;
		if (p.receiving.reason != rows[i].at_receiving || p.initiating.reason != rows[i].at_initiating ||
			p.receiving.is_established != wanted) {
			print_message("row %zu (%s): initiating %s, receiving %s\n", i, rows[i].initiating ? rows[i].initiating : "none",
				xfed_reason_code(p.initiating.reason), xfed_reason_code(p.receiving.reason));
			fail();
		}
		unmake(&p);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(external_both_ways),
		cmocka_unit_test(certificates),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: test_s2s_tls CERTIFICATES\n");
		return 2;
	}
	test_certs_dir(argv[1]);
	test_wall_s = (int64_t)time(NULL);
	if (xfed_xml_global_init() | xfed_sasl_global_init() | xfed_tls_global_init(test_env())) {
		return 2;
	}
	int failed = cmocka_run_group_tests_name("s2s over TLS", tests, NULL, NULL);
	xfed_tls_global_deinit();
	xfed_sasl_global_deinit();
	xfed_xml_global_deinit();
	return failed;
}
