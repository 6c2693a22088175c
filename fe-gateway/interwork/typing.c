#include "interwork/typing.h"

#include "interwork/content.h"
#include "interwork/document.h"
#include "interwork/envelope.h"
#include "interwork/text.h"
#include "sip/lex.h"

#define NS_COMPOSING "urn:ietf:params:xml:ns:im-iscomposing"

static const char *const words[IW_CHAT_STATES_COUNT] = {
#define IW_CHAT_STATE_WORD(id, word) word,
	IW_CHAT_STATES(IW_CHAT_STATE_WORD)
#undef IW_CHAT_STATE_WORD
};

const char *iw_chat_state_word(enum iw_chat_state state)
{
	return words[state];
}

const char *iw_typing_type(enum iw_typing_form form)
{
	return form == IW_TYPING_KEYBOARD ? "application/xml" : "application/im-iscomposing+xml";
}

bool iw_typing_is_type(struct xfed_span content_type)
{
	static const struct {
		const char *type, *subtype;
	} rows[] = { { "application", "xml" }, { "text", "xml" }, { "application", "im-iscomposing+xml" } };
	struct iw_content_type t;
	bool is_one = false, is_type = iw_content_type_parse(content_type, &t);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows) && is_type && !is_one; i++) {
		is_one = xfed_span_eq_nocase(t.type, xfed_span_str(rows[i].type)) && xfed_span_eq_nocase(t.subtype, xfed_span_str(rows[i].subtype));
	}
	return is_one;
}

/* ---- documents ---- */

struct reading {
	struct iw_typing *out;
	bool has_state;
};

static enum iw_pidf_result read_root(void *user, struct xfed_arena *scratch, const struct xfed_xml_elem *e)
{
	struct reading *x = user;
	(void)scratch;
	bool is_keyboard = xfed_span_is(e->name, "KeyboardActivity");
	x->out->form = is_keyboard ? IW_TYPING_KEYBOARD : IW_TYPING_COMPOSING;
	x->out->lapse_s = is_keyboard ? IW_TYPING_KEYBOARD_S : IW_TYPING_COMPOSING_S;
	return is_keyboard || xfed_span_is(e->name, "isComposing") ? IW_PIDF_OK : IW_PIDF_FOREIGN;
}

/* The first one counts. */
static enum iw_pidf_result take_state(struct reading *x, struct xfed_span word, const char *composing)
{
	bool is_composing = xfed_span_is(word, composing);
	if (!is_composing && !xfed_span_is(word, "idle")) {
		return IW_PIDF_MALFORMED;
	}
	if (!x->has_state) {
		x->out->state = is_composing ? IW_CHAT_COMPOSING : IW_CHAT_PAUSED;
		x->has_state = true;
	}
	return IW_PIDF_OK;
}

static void take_refresh(struct iw_typing *t, struct xfed_span text)
{
	uint64_t seconds;
	if (sip_number(text, UINT32_MAX, &seconds) && seconds > 0) {
		t->lapse_s = seconds < IW_TYPING_COMPOSING_MAX ? (uint32_t)seconds : IW_TYPING_COMPOSING_MAX;
	}
}

static enum iw_pidf_result read_element(void *user, struct xfed_arena *scratch, const struct xfed_xml_elem *e)
{
	struct reading *x = user;
	if (x->out->form == IW_TYPING_KEYBOARD) {
		return xfed_span_is(e->name, "status") ? take_state(x, xfed_xml_attr_get(e, "status"), "type") : IW_PIDF_OK;
	}
	struct xfed_span text = xfed_xml_text(scratch, e);
	if (!text.data) {
		return IW_PIDF_NO_MEMORY;
	}
	if (xfed_span_is(e->name, "state")) {
		return take_state(x, iw_text_trim(text), "active");
	}
	if (xfed_span_is(e->name, "refresh")) {
		take_refresh(x->out, iw_text_trim(text));
	}
	return IW_PIDF_OK;
}

static int error_of(enum iw_pidf_result r)
{
	switch (r) {
	case IW_PIDF_OK:
		return XFED_OK;
	case IW_PIDF_NO_MEMORY:
		return XFED_ERR_NOMEM;
	case IW_PIDF_FOREIGN:
		return XFED_ERR_NOT_FOUND;
	case IW_PIDF_TOO_LARGE:
	case IW_PIDF_TOO_DEEP:
		return XFED_ERR_LIMIT;
	case IW_PIDF_RESTRICTED:
	case IW_PIDF_ENCODING:
	case IW_PIDF_MALFORMED:
		break;
	}
	return XFED_ERR_INVALID;
}

int iw_typing_read(struct xfed_span body, struct iw_typing *out)
{
	static const struct xfed_xml_limits limits = { IW_TYPING_BYTES, 4, 32 };
	static const struct iw_document_steps steps = { read_root, read_element };
	struct reading x = { .out = out };
	*out = (struct iw_typing){ 0 };
	int rc = error_of(iw_document_read(body, &limits, &steps, &x));
	return rc == XFED_OK && !x.has_state ? XFED_ERR_INVALID : rc;
}

int iw_typing_write(struct xfed_buf *out, enum iw_typing_form form, enum iw_chat_state state)
{
	bool is_composing = state == IW_CHAT_COMPOSING;
	if (form == IW_TYPING_KEYBOARD) {
		return xfed_buf_printf(
			out, "<?xml version=\"1.0\"?><KeyboardActivity><status status=\"%s\"/></KeyboardActivity>", is_composing ? "type" : "idle");
	}
	return xfed_buf_printf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><isComposing xmlns=\"" NS_COMPOSING "\"><state>%s</state></isComposing>",
		is_composing ? "active" : "idle");
}

/* ---- chat states ---- */

bool iw_chat_state_of(const struct xfed_stanza *s, enum iw_chat_state *out)
{
	if (s->type == XFED_TYPE_ERROR || s->type == XFED_TYPE_GROUPCHAT || s->type == XFED_TYPE_HEADLINE) {
		return false;
	}
	for (const struct xfed_xml_elem *e = xfed_xml_child(s->elem, IW_NS_CHAT_STATES, NULL); e; e = xfed_xml_next(e, IW_NS_CHAT_STATES, NULL)) {
		for (unsigned i = 0; i < IW_CHAT_STATES_COUNT; i++) {
			if (xfed_span_is(e->name, words[i])) {
				*out = (enum iw_chat_state)i;
				return true;
			}
		}
	}
	return false;
}

int iw_chat_state_write(struct xfed_arena *a, enum iw_chat_state state, const struct iw_xmpp_envelope *e, struct xfed_xml_elem **out)
{
	const struct xfed_span none = { NULL, 0 };
	*out = xfed_xml_elem_new(a, XFED_SPAN(XFED_NS_SERVER), XFED_SPAN("message"));
	int rc = *out ? iw_envelope_attrs(a, *out, e, e->from, XFED_SPAN("chat"), none) : XFED_ERR_NOMEM;
	if (rc == XFED_OK && !xfed_xml_add_elem(a, *out, XFED_SPAN(IW_NS_CHAT_STATES), xfed_span_str(words[state]))) {
		rc = XFED_ERR_NOMEM;
	}
	return rc == XFED_OK ? iw_envelope_text(a, *out, "thread", e->thread, none) : rc;
}
