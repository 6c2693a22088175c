/*
 * The body of a SIP message. The first byte chooses charset and transfer encoding, the rest is the body: what comes out is valid
 * UTF-8 without characters XML forbids, no more than three times the body; what is refused has a reason and one printable line. The same
 * of the body as HTML and as parts, and of what is chosen by is_rich.
 */
#include <stdlib.h>

#include "interwork/body.h"
#include "xfed/jid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                                                   \
	do {                                                                                                                                         \
		if (!(cond)) {                                                                                                                       \
			abort();                                                                                                                     \
		}                                                                                                                                    \
	} while (0)

static void text_is_sound(struct xfed_span s)
{
	MUST(xfed_utf8_is_valid(s));
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.data[i];
		MUST(c >= 0x20 || c == '\t' || c == '\n' || c == '\r');
		MUST(c != 0xEF || (uint8_t)s.data[i + 1] != 0xBF || (uint8_t)s.data[i + 2] < 0xBE);
	}
}

static void detail_is_sound(struct xfed_span s)
{
	MUST(s.len > 0 && s.len <= 80);
	for (size_t i = 0; i < s.len; i++) {
		MUST(s.data[i] >= ' ' && s.data[i] <= '~' && s.data[i] != '"' && s.data[i] != '\\');
	}
}

static void reads(const struct iw_sip_message *m)
{
	struct xfed_arena a;
	struct xfed_span text;
	struct iw_body_fault fault = { XFED_REASON_NONE, { NULL, 0 } };
	xfed_arena_init(&a, 1024 * 1024);
	int rc = iw_body_read(&a, m, &text, &fault);
	MUST(rc == XFED_OK || rc == XFED_ERR_INVALID);
	if (rc == XFED_OK) {
		text_is_sound(text);
		MUST(text.len <= 3 * m->body.len + 1);
	} else {
		MUST(fault.reason != XFED_REASON_NONE);
		detail_is_sound(fault.detail);
	}
	xfed_arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { "text/plain", "text/plain;charset=us-ascii", "text/plain;charset=iso-8859-1",
		"text/plain;charset=iso-8859-15", "text/plain;charset=windows-1252", "text/plain;charset=utf-16", "text/plain;charset=utf-16le",
		"text/plain;charset=utf-16be" };
	static const char *const codings[] = { NULL, "base64", "quoted-printable", "binary" };
	if (size == 0 || size > 64 * 1024) {
		return 0;
	}
	const struct iw_sip_message m = { .content_type = xfed_span_str(types[data[0] % XFED_ARRAY_LEN(types)]),
		.transfer_encoding = xfed_span_str(codings[data[0] / XFED_ARRAY_LEN(types) % XFED_ARRAY_LEN(codings)]),
		.body = xfed_span_make(data + 1, size - 1) };
	/* From byte 128 on the body is a Content-Type too. */
	struct iw_sip_message of_peer = m;
	of_peer.content_type = data[0] >= 128 ? m.body : m.content_type;
	reads(&of_peer);
	of_peer.is_rich = true;
	reads(&of_peer);
	of_peer.content_type = XFED_SPAN("text/html");
	reads(&of_peer);
	of_peer.content_type = XFED_SPAN("multipart/alternative;boundary=bb");
	reads(&of_peer);
	return 0;
}
