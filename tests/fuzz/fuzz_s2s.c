/*
 * The conductor on stub TLS: every event in every state. Input: one byte of circumstances (with its top bit a second one), then
 * pieces (two bytes of length, little endian, and the bytes) that arrive one after the other; a length with the top bit set is
 * a span of time instead, one with the next bit set something the driver does, which the lower six bits of that byte name: any
 * event, at any moment, whether it was asked for or not.
 *
 * The partner's limit of a stanza is low, so that it is broken often.
 *
 * Properties: those of the model in tests/unit/s2s/support.c, checked at each action (a stanza only for a pair that was
 * established on this stream, by a verdict or certificate that was given on it; EXTERNAL only behind a login inside TLS; nothing
 * but CLOSED and what was under way behind our closing tag; not a word of ours in the middle of a handshake); an <a/> of ours
 * never covers a number the driver did not cover; ACKED never counts more than was sent; CLOSED is the last action, whatever
 * is fed behind it; a stanza that is refused, for its size, its shape or an address, has a number like any other and the stream
 * goes on; and the machine finds itself at fault only where an event was given that no driver gives.
 */
#include <stdlib.h>

#include "../unit/s2s/stub_tls.c"
#include "../unit/s2s/support.c"
#include "xfed/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void circumstances(uint8_t bits)
{
	stub_peer = (struct stub_certificate){ !(bits & 2), !(bits & 4), bits & 8 ? "other.example" : "partner.example",
		bits & 16 ? XFED_REASON_TLS_CERT_EXPIRED : XFED_REASON_NONE };
	stub_handshake_fails = bits & 32 ? XFED_REASON_TLS_HANDSHAKE_FAILED : XFED_REASON_NONE;
}

static void policy(struct rig *r, uint8_t bits)
{
	r->methods = bits & (XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS | XFED_METHOD_DIALBACK_PLAIN);
	r->is_verify = bits & 8;
	r->tls_optional = bits & 16;
	r->defers = bits & 32;
}

/* ---- stream management ---- */

#define NUMBERS 65536
#define LIMIT	400 /* bytes of a stanza */

static bool is_covered[NUMBERS];
static uint64_t sent;
static bool has_erred; /* an event was given that is a fault of the driver */

static void cover_and_send(struct rig *r, uint8_t what)
{
	if (r->last_number >= what) {
		uint64_t number = r->last_number - what;
		is_covered[number % NUMBERS] = true;
		xfed_s2s_cover(r->s2s, number, r->now_ms);
	}
	for (int i = 0; i < what % 4; i++) {
		sent += xfed_s2s_send(r->s2s, XFED_SPAN("<message from='d@corp.example' to='a@partner.example'/>"), r->now_ms) == XFED_OK;
	}
}

static void check_answers(struct rig *r)
{
	static const char word[] = "<a xmlns='urn:xmpp:sm:3' h='";
	char *out = xfed_strndup(xfed_buf_span(&r->out));
	for (const char *at = out; at && (at = strstr(at, word)); at += sizeof(word) - 1) {
		unsigned long h = strtoul(at + sizeof(word) - 1, NULL, 10);
		for (unsigned long i = 1; i <= h && r->last_number < NUMBERS; i++) {
			if (!is_covered[i]) {
				abort();
			}
		}
	}
	xfed_free(out);
	if (r->acked > sent) {
		abort();
	}
}

/* ---- any event at any moment ---- */

enum { COVER_AND_SEND, VERDICT, DECISION, PAIR_DECISION, ASK, SAY, CLOSE, END, START, PUMP, JOB_DONE, DEFER, POLICY, REFUSE };

static struct xfed_s2s_event verdict(const struct rig *r, uint8_t what)
{
	struct xfed_s2s_event ev = rig_verdict(r, (enum xfed_dialback_verdict)(what % (XFED_DIALBACK_VERDICT_TIMEOUT + 1)));
	if (what & 0x40) {
		ev.question.token++;
	}
	if (what & 0x80) {
		ev.question.pair.sender = XFED_SPAN("other.example");
	}
	return ev;
}

static struct xfed_s2s_event event_of(struct rig *r, uint8_t op, uint8_t what)
{
	static const enum xfed_reason reasons[] = { XFED_REASON_STREAM_CLOSED_OPERATOR, XFED_REASON_STREAM_CLOSED_IDLE,
		XFED_REASON_STREAM_CLOSED_DRAIN, XFED_REASON_POLICY_PARTNER_UNLISTED };
	bool has_job = xfed_s2s_has_job(r->s2s);
	switch (op) {
	case VERDICT:
		return verdict(r, what);
	case DECISION:
		return (struct xfed_s2s_event){ .type = XFED_S2S_DECISION, .decision = r->decision };
	case PAIR_DECISION:
		return (struct xfed_s2s_event){ .type = XFED_S2S_PAIR_DECISION, .decision = r->decision, .is_local = what & 1 };
	case ASK:
		return (struct xfed_s2s_event){ .type = XFED_S2S_ASK,
			.question = { .token = what,
				.origin = what & 7,
				.stream_id = XFED_SPAN("id"),
				.key = XFED_SPAN("key"),
				.pair = { .sender = XFED_SPAN("partner.example"),
					.target = XFED_SPAN("corp.example"),
					.sender_raw = XFED_SPAN("partner.example"),
					.target_raw = XFED_SPAN("corp.example") } } };
	case SAY:
		return (struct xfed_s2s_event){ .type = XFED_S2S_SAY, .bytes = XFED_SPAN("<said/>") };
	case CLOSE:
		return (struct xfed_s2s_event){ .type = XFED_S2S_CLOSE, .reason = reasons[what % XFED_ARRAY_LEN(reasons)], .text = "" };
	case END:
		return (struct xfed_s2s_event){ .type = XFED_S2S_END, .reason = what & 1 ? XFED_REASON_NET_STREAM_LOST : XFED_REASON_NONE };
	case START:
		return (struct xfed_s2s_event){ .type = XFED_S2S_START };
	case JOB_DONE:
		return (struct xfed_s2s_event){ .type = XFED_S2S_JOB_DONE,
			.tls_result = has_job ? xfed_tls_handshake_step(r->job) : (enum xfed_tls_result)(what % 4) };
	default:
		return (struct xfed_s2s_event){ .type = XFED_S2S_PUMP };
	}
}

static void drive(struct rig *r, uint8_t op, uint8_t what)
{
	switch (op) {
	case COVER_AND_SEND:
		cover_and_send(r, what);
		return;
	case DEFER:
		r->defers = what & 1;
		return;
	case POLICY:
		r->decision.methods = what & 7;
		r->decision.needs_tls = what & 8;
		return;
	case REFUSE:
		r->decision.refuse = what & 1 ? XFED_REASON_POLICY_PARTNER_UNLISTED : XFED_REASON_NONE;
		return;
	default:
		break;
	}
	has_erred |= op == START || (op == JOB_DONE && !xfed_s2s_has_job(r->s2s));
	struct xfed_s2s_event ev = event_of(r, op, what);
	rig_event(r, &ev);
}

/* The stream is over: nothing comes of anything any more. */
static void flog(struct rig *r)
{
	for (uint8_t op = VERDICT; r->is_over && op <= JOB_DONE; op++) {
		drive(r, op, 0);
	}
}

static void play(struct rig *r, const uint8_t *data, size_t size)
{
	while (size >= 2 && !r->is_over) {
		size_t len = (size_t)data[0] | ((size_t)data[1] & 0x3f) << 8;
		bool is_time = data[1] & 0x80;
		if (!is_time && (data[1] & 0x40)) {
			drive(r, data[1] & 0x3f, data[0]);
			r->actions[0] = '\0';
			check_answers(r);
			data += 2;
			size -= 2;
			continue;
		}
		data += 2;
		size -= 2;
		if (is_time) {
			struct xfed_s2s_event tick = { .type = XFED_S2S_TICK };
			r->now_ms += len * 100;
			rig_event(r, &tick);
			continue;
		}
		len = len < size ? len : size;
		rig_receive(r, xfed_span_make(data, len));
		data += len;
		size -= len;
		r->actions[0] = '\0';
		check_answers(r);
		xfed_buf_clear(&r->out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_ready;
	if (!is_ready) {
		is_ready = xfed_xml_global_init() == XFED_OK && xfed_sasl_global_init() == XFED_OK;
	}
	if (size < 1) {
		return 0;
	}
	circumstances(data[0]);
	size_t at = data[0] & 0x80 && size > 1 ? 2 : 1;
	memset(is_covered, 0, sizeof(is_covered));
	sent = 0;
	has_erred = false;
	struct rig r = { .chunk = data[0] & 64 ? 1 : 0, .stanza_bytes = LIMIT };
	policy(&r, at == 2 ? data[1] : 0);
	if (rig_up(&r, data[0] & 1 ? XFED_S2S_OUT : XFED_S2S_IN)) {
		play(&r, data + at, size - at);
		if (r.closed == XFED_REASON_STREAM_INTERNAL && !has_erred) {
			abort();
		}
		flog(&r);
	}
	rig_down(&r);
	return 0;
}
