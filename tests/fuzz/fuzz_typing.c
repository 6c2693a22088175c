/*
 * That somebody is typing: bytes as a document, and as a message stanza. Whatever comes in:
 * - a document says composing or paused, for a time within the limits, or it is refused;
 * - what was read, written in its form and read again is the same;
 * - a chat state in a stanza is one of XEP-0085, and becomes a document that says whether it is composing.
 */
#include <stdlib.h>

#include "interwork/typing.h"
#include "xfed/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                                                   \
	do {                                                                                                                                         \
		if (!(cond)) {                                                                                                                       \
			abort();                                                                                                                     \
		}                                                                                                                                    \
	} while (0)

static const struct xfed_xml_limits limits = { XFED_STANZA_BYTES_MAX, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };

static void goes_round(enum iw_typing_form form, enum iw_chat_state state)
{
	struct xfed_buf b;
	struct iw_typing t;
	xfed_buf_init(&b, IW_TYPING_BYTES);
	MUST(iw_typing_write(&b, form, state) == XFED_OK && iw_typing_read(xfed_buf_span(&b), &t) == XFED_OK);
	MUST(t.form == form && t.state == (state == IW_CHAT_COMPOSING ? IW_CHAT_COMPOSING : IW_CHAT_PAUSED));
	xfed_buf_deinit(&b);
}

static void document(struct xfed_span in)
{
	struct iw_typing t;
	int rc = iw_typing_read(in, &t);
	MUST(rc == XFED_OK || rc == XFED_ERR_INVALID || rc == XFED_ERR_LIMIT || rc == XFED_ERR_NOT_FOUND);
	if (rc == XFED_OK) {
		MUST(in.len <= IW_TYPING_BYTES && (t.state == IW_CHAT_COMPOSING || t.state == IW_CHAT_PAUSED));
		MUST(t.lapse_s > 0 && t.lapse_s <= IW_TYPING_COMPOSING_MAX);
		goes_round(t.form, t.state);
	}
}

static void stanza(struct xfed_xml_reader *r, struct xfed_span in)
{
	struct xfed_arena a;
	struct xfed_stanza s;
	enum iw_chat_state state;
	xfed_arena_init(&a, 1024 * 1024);
	if (xfed_xml_reader_fragment(r, in) == XFED_XML_ELEMENT && xfed_stanza_view(&a, xfed_xml_reader_elem(r), &s) == XFED_STANZA_OK &&
		iw_chat_state_of(&s, &state)) {
		MUST((unsigned)state < IW_CHAT_STATES_COUNT && s.type != XFED_TYPE_ERROR);
		goes_round(IW_TYPING_KEYBOARD, state);
		goes_round(IW_TYPING_COMPOSING, state);
	}
	xfed_arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct xfed_xml_reader *reader;
	if (!reader) {
		MUST(xfed_xml_global_init() == XFED_OK && xfed_xml_reader_new_fragment(&limits, &reader) == XFED_OK);
	}
	document(xfed_span_make(data, size));
	stanza(reader, xfed_span_make(data, size));
	return 0;
}
