#include "interwork/imdn.h"

#include "interwork/document.h"
#include "interwork/text.h"
#include "sip/lex.h"

int iw_imdn_write(struct xfed_buf *out, struct xfed_span id, struct xfed_span recipient, int status)
{
	size_t before = xfed_buf_len(out);
	int rc = xfed_buf_append_str(out, "<?xml version=\"1.0\"?><imdn xmlns=\"urn:ietf:params:xml:ns:imdn\"><message-id>");
	rc = rc == XFED_OK ? xfed_xml_escape(out, id) : rc;
	rc = rc == XFED_OK ? xfed_buf_append_str(out, "</message-id><recipient uri=\"") : rc;
	rc = rc == XFED_OK ? xfed_xml_escape(out, recipient) : rc;
	rc = rc == XFED_OK ? xfed_buf_printf(out, "\"><status>%d</status></recipient></imdn>", status) : rc;
	if (rc != XFED_OK) {
		out->end = out->start + before;
	}
	return rc;
}

struct reading {
	struct xfed_arena *arena;
	struct iw_imdn *out;
};

static enum iw_pidf_result read_root(void *user, struct xfed_arena *scratch, const struct xfed_xml_elem *e)
{
	(void)user;
	(void)scratch;
	return xfed_span_is(e->name, "imdn") ? IW_PIDF_OK : IW_PIDF_FOREIGN;
}

static enum iw_pidf_result read_element(void *user, struct xfed_arena *scratch, const struct xfed_xml_elem *e)
{
	struct reading *x = user;
	uint64_t status;
	bool is_id = xfed_span_is(e->name, "message-id");
	const struct xfed_xml_elem *of = is_id ? e : xfed_span_is(e->name, "recipient") ? xfed_xml_child(e, NULL, "status") : NULL;
	struct xfed_span text = of ? xfed_xml_text(scratch, of) : XFED_SPAN("");
	if (!text.data) {
		return IW_PIDF_NO_MEMORY;
	}
	text = iw_text_trim(text);
	if (is_id && !x->out->id.data && text.len > 0) {
		x->out->id = text.len <= IW_IMDN_ID_BYTES ? xfed_arena_copy(x->arena, text) : x->out->id;
		return text.len > IW_IMDN_ID_BYTES ? IW_PIDF_TOO_LARGE : x->out->id.data ? IW_PIDF_OK : IW_PIDF_NO_MEMORY;
	}
	if (!is_id && sip_number(text, 699, &status) && status >= 100 && (int)status > x->out->status) {
		x->out->status = (int)status;
	}
	return IW_PIDF_OK;
}

int iw_imdn_read(struct xfed_arena *a, struct xfed_span body, struct iw_imdn *out)
{
	static const struct xfed_xml_limits limits = { IW_IMDN_BYTES, 8, 256 };
	static const struct iw_document_steps steps = { read_root, read_element };
	struct reading x = { a, out };
	*out = (struct iw_imdn){ 0 };
	enum iw_pidf_result r = iw_document_read(body, &limits, &steps, &x);
	if (r == IW_PIDF_OK && out->id.data && out->status > 0) {
		return XFED_OK;
	}
	*out = (struct iw_imdn){ 0 };
	bool is_limit = r == IW_PIDF_TOO_LARGE || r == IW_PIDF_TOO_DEEP;
	return r == IW_PIDF_NO_MEMORY ? XFED_ERR_NOMEM : is_limit ? XFED_ERR_LIMIT : XFED_ERR_INVALID;
}
