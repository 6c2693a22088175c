/*
 * Interworking. The first byte chooses what the rest is. An address that maps comes back the same, a URI made here is one
 * word of printable ASCII; what is made for SIP holds no line end, what is made for XML no character XML forbids.
 */
#include <stdlib.h>

#include "interwork/address.h"
#include "interwork/im.h"
#include "xfed/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                                                   \
	do {                                                                                                                                         \
		if (!(cond)) {                                                                                                                       \
			abort();                                                                                                                     \
		}                                                                                                                                    \
	} while (0)

static void uri_is_sound(struct xfed_span uri)
{
	MUST(uri.len > 4 && memcmp(uri.data, "sip:", 4) == 0);
	for (size_t i = 0; i < uri.len; i++) {
		MUST(uri.data[i] > 0x20 && uri.data[i] < 0x7F && uri.data[i] != '<' && uri.data[i] != '>' && uri.data[i] != '"');
	}
}

static void line_is_sound(struct xfed_span s)
{
	MUST(xfed_utf8_is_valid(s));
	for (size_t i = 0; i < s.len; i++) {
		MUST((uint8_t)s.data[i] >= 0x20 && s.data[i] != 0x7F);
	}
}

/* XML 1.0 section 2.2, on the characters a parser would see. */
static void xml_is_sound(struct xfed_span s)
{
	MUST(xfed_utf8_is_valid(s));
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.data[i];
		MUST(c >= 0x20 || c == '\t' || c == '\n');
		MUST(c != 0xEF || (uint8_t)s.data[i + 1] != 0xBF || (uint8_t)s.data[i + 2] < 0xBE);
	}
}

static bool is_same(const struct xfed_jid *x, const struct xfed_jid *y)
{
	return xfed_jid_equal_bare(x, y) && xfed_span_eq(x->resource, y->resource);
}

/* True where the JID has a SIP address. */
static bool goes_round(struct xfed_arena *a, const struct xfed_jid *j)
{
	static const struct iw_address_options with_gr = { .with_gr = true };
	static const struct iw_address_options im = { .scheme = IW_SCHEME_IM };
	struct xfed_span uri;
	struct xfed_jid back;
	enum xfed_reason why;
	if (iw_jid_to_sip(a, j, &with_gr, &uri) != XFED_OK) {
		return false;
	}
	uri_is_sound(uri);
	MUST(iw_sip_to_jid(a, uri, &back, &why) == XFED_OK && why == XFED_REASON_NONE && is_same(j, &back));
	if (!j->local.data) {
		MUST(iw_jid_to_sip(a, j, &im, &uri) == XFED_ERR_INVALID);
		return true;
	}
	MUST(iw_jid_to_sip(a, j, &im, &uri) == XFED_OK);
	MUST(iw_sip_to_jid(a, uri, &back, &why) == XFED_OK && xfed_jid_equal_bare(j, &back) && !back.resource.data);
	return true;
}

static void addresses(struct xfed_arena *a, struct xfed_span in)
{
	struct xfed_jid j;
	struct xfed_span ascii;
	enum xfed_reason why;
	int rc = iw_sip_to_jid(a, in, &j, &why);
	MUST(rc == XFED_OK || rc == XFED_ERR_INVALID);
	MUST((rc == XFED_OK) == (why == XFED_REASON_NONE));
	if (rc == XFED_OK) {
		MUST(goes_round(a, &j) || xfed_jid_domain_ascii(a, j.domain, &ascii) == XFED_ERR_INVALID);
	}
	if (xfed_jid_parse(a, in, &j) == XFED_OK) {
		goes_round(a, &j);
	}
}

/* The input's lines in turn; data NULL where none is left. */
static struct xfed_span next_line(struct xfed_span *in)
{
	if (in->len == 0) {
		return xfed_span_make(NULL, 0);
	}
	const char *end = memchr(in->data, '\n', in->len);
	size_t len = end ? (size_t)(end - in->data) : in->len;
	struct xfed_span line = xfed_span_make(in->data, len);
	len += end != NULL;
	*in = xfed_span_make(in->data + len, in->len - len);
	return line;
}

static void sip_message(struct xfed_arena *a, struct xfed_span in)
{
	static const struct xfed_jid from = { { "a", 1 }, { "b", 1 }, { NULL, 0 } };
	struct iw_sip_message m = { { NULL, 0 } };
	struct iw_xmpp_im out;
	const struct iw_xmpp_envelope e = { .from = &from, .to = &from, .id = XFED_SPAN("i") };
	m.content_type = next_line(&in);
	m.content_encoding = next_line(&in);
	m.content_language = next_line(&in);
	m.content_disposition = next_line(&in);
	m.subject = next_line(&in);
	m.body = in;
	enum iw_fate fate = iw_im_to_xmpp(a, &m, &e, &out);
	MUST(fate == IW_DELIVER || fate == IW_REFUSE);
	if (fate == IW_REFUSE) {
		MUST(out.refusal.status == 415 || out.refusal.status == 400);
		return;
	}
	struct xfed_buf buf;
	xfed_buf_init(&buf, 16 * 1024 * 1024);
	MUST(xfed_xml_write(&buf, out.elem, XFED_SPAN(XFED_NS_SERVER)) == XFED_OK);
	xml_is_sound(xfed_buf_span(&buf));
	xfed_buf_deinit(&buf);
}

static void stanza(struct xfed_arena *a, struct xfed_span in)
{
	static const struct xfed_xml_limits limits = { XFED_STANZA_BYTES_MAX, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
	static bool is_ready;
	struct xfed_xml_reader *r;
	struct xfed_stanza s;
	struct iw_sip_im im;
	size_t consumed;
	if (!is_ready) {
		MUST(xfed_xml_global_init() == XFED_OK);
		is_ready = true;
	}
	MUST(xfed_xml_reader_new_fragment(&limits, &r) == XFED_OK);
	if (xfed_xml_reader_feed(r, in, &consumed) == XFED_XML_ELEMENT && xfed_stanza_view(a, xfed_xml_reader_elem(r), &s) == XFED_STANZA_OK &&
		s.kind == XFED_STANZA_MESSAGE) {
		enum iw_fate fate = iw_im_to_sip(a, &s, &im);
		MUST((fate == IW_DROP) == (im.rule != NULL));
		MUST((fate == IW_REFUSE) == (im.refusal.condition != NULL));
		MUST(!im.untold || (fate == IW_REFUSE && im.refusal.reason == XFED_REASON_XMPP_CONTENT_UNREADABLE));
		MUST(im.sent_s >= 0);
		MUST(fate != IW_DELIVER || (im.body.len > 0 && s.type != XFED_TYPE_ERROR && s.type != XFED_TYPE_GROUPCHAT));
		line_is_sound(im.subject);
		line_is_sound(im.language);
		MUST(im.subject.len <= IW_SUBJECT_BYTES && im.thread.len <= IW_THREAD_BYTES);
	}
	xfed_xml_reader_free(r);
}

static void texts(struct xfed_arena *a, struct xfed_span in)
{
	struct xfed_span out;
	struct iw_sip_error e;
	MUST(iw_phrase_from_text(a, in, "Error", &out) == XFED_OK && out.len > 0 && out.len <= IW_PHRASE_BYTES);
	line_is_sound(out);
	MUST(iw_text_from_phrase(a, in, &out) == XFED_OK);
	line_is_sound(out);
	xml_is_sound(out);
	iw_condition_to_sip(in, in.len & 1, in.len & 2, &e);
	MUST(e.status >= 301 && e.status < 600 && e.status != 401 && e.status != 407 && e.status != 408 && e.status != 503);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(struct xfed_arena *, struct xfed_span) = { addresses, sip_message, stanza, texts };
	if (size == 0 || size > 64 * 1024) {
		return 0;
	}
	struct xfed_arena a;
	xfed_arena_init(&a, 16 * 1024 * 1024);
	targets[data[0] % XFED_ARRAY_LEN(targets)](&a, xfed_span_make(data + 1, size - 1));
	xfed_arena_deinit(&a);
	return 0;
}
