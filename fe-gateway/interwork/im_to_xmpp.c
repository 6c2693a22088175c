#include "interwork/content.h"
#include "interwork/im.h"
#include "interwork/text.h"

static bool is_ascii(struct xfed_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] & 0x80) {
			return false;
		}
	}
	return true;
}

/* The body in UTF-8. OK, NOMEM, or INVALID: bytes the charset does not have, or a charset we do not have. */
static int decode(struct xfed_arena *a, enum iw_charset charset, struct xfed_span in, struct xfed_span *out)
{
	*out = in;
	switch (charset) {
	case IW_CHARSET_UTF8:
		return xfed_utf8_is_valid(in) ? XFED_OK : XFED_ERR_INVALID;
	case IW_CHARSET_ASCII:
		return is_ascii(in) ? XFED_OK : XFED_ERR_INVALID;
	case IW_CHARSET_LATIN1:
		return iw_text_from_latin1(a, in, out);
	case IW_CHARSET_OTHER:
		break;
	}
	return XFED_ERR_INVALID;
}

/* [C1-09]: a disposition we do not know matters only where its handling is required in so many words. */
static bool is_disposition_fine(struct xfed_span value)
{
	struct xfed_span params = value, type = xfed_span_trim(xfed_span_cut(&params, ';'));
	return !xfed_span_eq_nocase(iw_content_param(params, "handling"), XFED_SPAN("required")) || xfed_span_eq_nocase(type, XFED_SPAN("render")) ||
	       xfed_span_eq_nocase(type, XFED_SPAN("inline"));
}

/* OK, NOMEM, or INVALID: 415. */
static int read_body(struct xfed_arena *a, const struct iw_sip_message *m, struct xfed_span *out)
{
	struct iw_content_type type;
	bool is_text = iw_content_type_parse(m->content_type, &type) && xfed_span_eq_nocase(type.type, XFED_SPAN("text")) &&
		       xfed_span_eq_nocase(type.subtype, XFED_SPAN("plain"));
	if (!is_text || !iw_content_is_identity(m->content_encoding) || !is_disposition_fine(m->content_disposition)) {
		return XFED_ERR_INVALID;
	}
	struct xfed_span text;
	int rc = decode(a, iw_content_charset(iw_content_param(type.params, "charset")), m->body, &text);
	return rc == XFED_OK ? iw_text_for_xml(a, text, out) : rc;
}

static int set(struct xfed_arena *a, struct xfed_xml_elem *e, const char *name, struct xfed_span value)
{
	return value.data ? xfed_xml_set_attr(a, e, xfed_span_make("", 0), xfed_span_str(name), value) : XFED_OK;
}

static int add_text_child(struct xfed_arena *a, struct xfed_xml_elem *parent, const char *name, struct xfed_span text)
{
	if (!text.data) {
		return XFED_OK;
	}
	struct xfed_xml_elem *e = xfed_xml_add_elem(a, parent, XFED_SPAN(XFED_NS_SERVER), xfed_span_str(name));
	return e ? xfed_xml_add_text(a, e, text) : XFED_ERR_NOMEM;
}

static int add_attributes(struct xfed_arena *a, struct xfed_xml_elem *m, const struct iw_xmpp_envelope *env, struct xfed_span lang)
{
	struct xfed_span from = xfed_jid_full(a, env->from), to = xfed_jid_full(a, env->to);
	if (!from.data || !to.data) {
		return XFED_ERR_NOMEM;
	}
	int rc = set(a, m, "from", from);
	rc = rc == XFED_OK ? set(a, m, "to", to) : rc;
	rc = rc == XFED_OK ? set(a, m, "id", env->id) : rc;
	rc = rc == XFED_OK ? set(a, m, "type", env->type) : rc;
	if (rc == XFED_OK && lang.data) {
		rc = xfed_xml_set_attr(a, m, XFED_SPAN(XFED_NS_XML), XFED_SPAN("lang"), lang);
	}
	return rc;
}

/* RFC 7572 table 2. NULL on NOMEM. */
static struct xfed_xml_elem *build(struct xfed_arena *a, const struct iw_sip_message *in, const struct iw_xmpp_envelope *env, struct xfed_span body)
{
	struct xfed_xml_elem *m = xfed_xml_elem_new(a, XFED_SPAN(XFED_NS_SERVER), XFED_SPAN("message"));
	struct xfed_span subject;
	int rc = m ? add_attributes(a, m, env, iw_content_language(in->content_language)) : XFED_ERR_NOMEM;
	/* One that is broken is left out: no reason to lose the message. */
	rc = rc == XFED_OK ? iw_text_line(a, in->subject, IW_SUBJECT_BYTES, &subject) : rc;
	rc = rc == XFED_OK ? add_text_child(a, m, "subject", subject) : rc;
	rc = rc == XFED_OK ? add_text_child(a, m, "body", body) : rc;
	rc = rc == XFED_OK ? add_text_child(a, m, "thread", env->thread) : rc;
	return rc == XFED_OK ? m : NULL;
}

enum iw_fate iw_im_to_xmpp(struct xfed_arena *a, const struct iw_sip_message *m, const struct iw_xmpp_envelope *e, struct iw_xmpp_im *out)
{
	struct xfed_span body;
	*out = (struct iw_xmpp_im){ 0 };
	int rc = read_body(a, m, &body);
	if (rc == XFED_ERR_NOMEM) {
		return IW_NO_MEMORY;
	}
	if (rc != XFED_OK) {
		XFED_REQUIRE(iw_reason_to_sip(XFED_REASON_SIP_CONTENT_UNSUPPORTED, &out->refusal) == XFED_OK);
		return IW_REFUSE;
	}
	if (body.len == 0) {
		/* Nothing a contact could read is refused with 400: to say 200 for it would be to drop it silently. */
		out->refusal = (struct iw_sip_error){ .status = 400, .phrase = "Empty Message", .reason = XFED_REASON_SIP_CONTENT_UNSUPPORTED };
		return IW_REFUSE;
	}
	out->elem = build(a, m, e, body);
	return out->elem ? IW_DELIVER : IW_NO_MEMORY;
}
