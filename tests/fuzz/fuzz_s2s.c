/*
 * The conductor on stub TLS. Input: one byte of circumstances, then pieces (two bytes of length, little endian, and the
 * bytes) that arrive one after the other; a length with the top bit set is a span of time instead, one with the next bit set
 * something the driver does: a number is covered, or stanzas are sent.
 *
 * The partner's limit of a stanza is low, so that it is broken often.
 *
 * Properties: a stanza that is refused, for its size, its shape or an address, has a number like any other and the stream goes
 * on; an <a/> of ours never covers a number the driver did not cover; ACKED never counts more than was sent; no stanza is given without ESTABLISHED and a fitting pair (tests/unit/s2s/support.c checks it at each
 * one); nothing is established when the certificate does not prove the partner; CLOSED is the last action.
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

/* ---- stream management ---- */

#define NUMBERS 65536
#define LIMIT	400 /* bytes of a stanza */

static bool is_covered[NUMBERS];
static uint64_t sent;

static void drive(struct rig *r, uint8_t what)
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

static void play(struct rig *r, const uint8_t *data, size_t size)
{
	while (size >= 2 && !r->is_over) {
		size_t len = (size_t)data[0] | ((size_t)data[1] & 0x3f) << 8;
		bool is_time = data[1] & 0x80;
		if (!is_time && (data[1] & 0x40)) {
			drive(r, data[0]);
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
	memset(is_covered, 0, sizeof(is_covered));
	sent = 0;
	struct rig r = { .chunk = data[0] & 64 ? 1 : 0, .stanza_bytes = LIMIT };
	if (rig_up(&r, data[0] & 1 ? XFED_S2S_OUT : XFED_S2S_IN)) {
		play(&r, data + 1, size - 1);
		bool proves = stub_peer.is_presented && stub_peer.purpose_ok && stub_peer.chain_reason == XFED_REASON_NONE && !(data[0] & 8);
		if (r.was_established && !proves) {
			abort();
		}
	}
	rig_down(&r);
	return 0;
}
