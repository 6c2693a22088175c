#include "interwork/body.h"

#include "interwork/charset.h"
#include "interwork/content.h"
#include "interwork/multipart.h"
#include "interwork/text.h"
#include "interwork/transfer_coding.h"
#include "xfed/html.h"

#define DETAIL_VALUE_BYTES 40

/* [C1-09]: an unknown disposition matters only with "handling=required". */
static bool is_disposition_fine(struct xfed_span value)
{
	const char *semicolon = value.len > 0 ? memchr(value.data, ';', value.len) : NULL;
	if (!semicolon) {
		return true;
	}
	size_t n = (size_t)(semicolon - value.data);
	struct xfed_span handling = iw_content_param(xfed_span_make(semicolon, value.len - n), "handling");
	struct xfed_span type = xfed_span_make(value.data, n);
	while (type.len > 0 && type.data[type.len - 1] == ' ') {
		type.len--;
	}
	return !xfed_span_eq_nocase(handling, XFED_SPAN("required")) || xfed_span_eq_nocase(type, XFED_SPAN("render")) ||
	       xfed_span_eq_nocase(type, XFED_SPAN("inline"));
}

/* "NAME VALUE", made fit for a quoted string in a header field and for the log, because the value comes from a peer. */
static int refuse(struct xfed_arena *a, enum xfed_reason reason, const char *name, struct xfed_span value, struct iw_body_fault *fault)
{
	char shown[DETAIL_VALUE_BYTES + 1];
	size_t len = value.len < DETAIL_VALUE_BYTES ? value.len : DETAIL_VALUE_BYTES;
	for (size_t i = 0; i < len; i++) {
		char c = value.data[i];
		shown[i] = (char)(c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' : c);
	}
	shown[len] = '\0';
	fault->reason = reason;
	fault->detail = xfed_arena_printf(a, "%s %s", name, len > 0 ? shown : "(empty)");
	return fault->detail.data ? XFED_ERR_INVALID : XFED_ERR_NOMEM;
}

static bool is_type(const struct iw_content_type *t, const char *type, const char *subtype)
{
	return xfed_span_eq_nocase(t->type, xfed_span_str(type)) && xfed_span_eq_nocase(t->subtype, xfed_span_str(subtype));
}

/* Whether it is a text we read; of several parts `*m` becomes the one to read. */
static bool choose(struct iw_sip_message *m, struct iw_content_type *type)
{
	bool is_type_sound = iw_content_type_parse(m->content_type, type);
	if (is_type_sound && m->is_rich && is_type(type, "multipart", "alternative")) {
		is_type_sound = iw_multipart_choose(type->params, m->body, m) && iw_content_type_parse(m->content_type, type);
	}
	return is_type_sound && (is_type(type, "text", "plain") || (m->is_rich && is_type(type, "text", "html")));
}

/* Checks the header fields in the order in which they are undone. */
static int check(struct xfed_arena *a, const struct iw_sip_message *m, struct iw_body_fault *fault)
{
	if (!is_disposition_fine(m->content_disposition)) {
		return refuse(a, XFED_REASON_SIP_CONTENT_UNSUPPORTED, "Content-Disposition", m->content_disposition, fault);
	}
	if (iw_transfer_coding_of(m->transfer_encoding) == IW_TRANSFER_OTHER) {
		return refuse(a, XFED_REASON_SIP_CODING_UNSUPPORTED, "Content-Transfer-Encoding", m->transfer_encoding, fault);
	}
	if (!iw_content_is_identity(m->content_encoding)) {
		return refuse(a, XFED_REASON_SIP_CODING_UNSUPPORTED, "Content-Encoding", m->content_encoding, fault);
	}
	return XFED_OK;
}

/* HTML in UTF-8 to its text. */
static int text_of_html(struct xfed_arena *a, struct xfed_span *text)
{
	struct xfed_buf out;
	xfed_buf_init(&out, text->len + 1);
	int rc = xfed_html_text(&out, *text);
	*text = rc == XFED_OK ? xfed_arena_copy(a, xfed_buf_span(&out)) : xfed_span_make(NULL, 0);
	xfed_buf_deinit(&out);
	return text->data ? XFED_OK : XFED_ERR_NOMEM;
}

/* The bytes do not match what the header fields say. */
static int garbled(int rc, const char *what, struct iw_body_fault *fault)
{
	fault->reason = XFED_REASON_SIP_CONTENT_GARBLED;
	fault->detail = xfed_span_str(what);
	return rc;
}

int iw_body_read(struct xfed_arena *a, const struct iw_sip_message *m, struct xfed_span *text, struct iw_body_fault *fault)
{
	struct iw_content_type type;
	struct iw_sip_message chosen = *m;
	struct xfed_span bytes;
	if (!choose(&chosen, &type)) {
		return refuse(a, XFED_REASON_SIP_CONTENT_UNSUPPORTED, "Content-Type", m->content_type, fault);
	}
	int rc = check(a, &chosen, fault);
	if (rc != XFED_OK) {
		return rc;
	}
	struct xfed_span name = iw_content_param(type.params, "charset");
	enum iw_charset charset = iw_charset_of(name);
	if (charset == IW_CHARSET_OTHER) {
		return refuse(a, XFED_REASON_SIP_CHARSET_UNSUPPORTED, "charset", name, fault);
	}
	enum iw_transfer_coding coding = iw_transfer_coding_of(chosen.transfer_encoding);
	rc = iw_transfer_decode(a, coding, chosen.body, &bytes);
	if (rc != XFED_OK) {
		return garbled(rc, coding == IW_TRANSFER_BASE64 ? "it is no base64" : "it is no quoted-printable", fault);
	}
	rc = iw_charset_decode(a, charset, bytes, text);
	if (rc != XFED_OK) {
		return garbled(rc, "it has bytes that are none of its charset", fault);
	}
	rc = is_type(&type, "text", "html") ? text_of_html(a, text) : XFED_OK;
	return rc == XFED_OK ? iw_text_for_xml(a, *text, text) : rc;
}
