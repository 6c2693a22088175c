#include "interwork/imdn.h"

#include "interwork/diagnostics.h"
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
	bool has_recipient;
};

static enum iw_pidf_result read_root(void *user, struct xfed_arena *scratch, const struct xfed_xml_elem *e)
{
	(void)user;
	(void)scratch;
	return xfed_span_is(e->name, "imdn") ? IW_PIDF_OK : IW_PIDF_FOREIGN;
}

static struct xfed_span text_of(struct xfed_arena *scratch, const struct xfed_xml_elem *parent, const char *name)
{
	const struct xfed_xml_elem *e = xfed_xml_child(parent, NULL, name);
	struct xfed_span text = e ? xfed_xml_text(scratch, e) : XFED_SPAN("");
	return text.data ? iw_text_trim(text) : text;
}

static enum iw_pidf_result read_id(struct reading *x, struct xfed_span id)
{
	if (x->out->id.data || id.len == 0) {
		return IW_PIDF_OK;
	}
	if (id.len > IW_IMDN_ID_BYTES) {
		return IW_PIDF_TOO_LARGE;
	}
	x->out->id = xfed_arena_copy(x->arena, id);
	return x->out->id.data ? IW_PIDF_OK : IW_PIDF_NO_MEMORY;
}

/* Entries are pairs of a key and a value, of which ms-diagnostics is for administrators. */
static enum iw_pidf_result read_entries(struct reading *x, struct xfed_arena *scratch, const struct xfed_xml_elem *recipient)
{
	int rc = XFED_OK;
	x->out->diagnostics = xfed_span_make(NULL, 0);
	for (const struct xfed_xml_elem *e = xfed_xml_child(recipient, NULL, "entry"); e && rc != XFED_ERR_NOMEM;
		e = xfed_xml_next(e, NULL, "entry")) {
		struct xfed_span key = text_of(scratch, e, "key"), value = text_of(scratch, e, "value");
		if (!key.data || !value.data) {
			rc = XFED_ERR_NOMEM;
		} else if (xfed_span_eq_nocase(key, XFED_SPAN("ms-diagnostics"))) {
			struct xfed_span line; /* long ones are wrapped */
			rc = iw_text_line(scratch, value, IW_DIAGNOSTICS_BYTES, &line);
			rc = rc == XFED_OK && line.data ? iw_diagnostics_text(x->arena, "ms-diagnostics", line, &x->out->diagnostics) : rc;
		}
	}
	return rc == XFED_ERR_NOMEM ? IW_PIDF_NO_MEMORY : IW_PIDF_OK;
}

static enum iw_pidf_result read_recipient(struct reading *x, struct xfed_arena *scratch, const struct xfed_xml_elem *e)
{
	uint64_t status;
	struct xfed_span text = text_of(scratch, e, "status");
	x->has_recipient = true;
	if (!text.data) {
		return IW_PIDF_NO_MEMORY;
	}
	if (!sip_number(text, 699, &status) || status < 100 || (int)status <= x->out->status) {
		return IW_PIDF_OK;
	}
	x->out->status = (int)status;
	return read_entries(x, scratch, e);
}

static enum iw_pidf_result read_element(void *user, struct xfed_arena *scratch, const struct xfed_xml_elem *e)
{
	struct reading *x = user;
	if (xfed_span_is(e->name, "message-id")) {
		struct xfed_span text = xfed_xml_text(scratch, e);
		return text.data ? read_id(x, iw_text_trim(text)) : IW_PIDF_NO_MEMORY;
	}
	return xfed_span_is(e->name, "recipient") ? read_recipient(x, scratch, e) : IW_PIDF_OK;
}

int iw_imdn_read(struct xfed_arena *a, struct xfed_span body, struct iw_imdn *out)
{
	static const struct xfed_xml_limits limits = { IW_IMDN_BYTES, 8, 256 };
	static const struct iw_document_steps steps = { read_root, read_element };
	struct reading x = { .arena = a, .out = out };
	*out = (struct iw_imdn){ 0 };
	enum iw_pidf_result r = iw_document_read(body, &limits, &steps, &x);
	out->status = x.has_recipient ? out->status : 200;
	if (r == IW_PIDF_OK && out->id.data && out->status > 0) {
		return XFED_OK;
	}
	*out = (struct iw_imdn){ 0 };
	bool is_limit = r == IW_PIDF_TOO_LARGE || r == IW_PIDF_TOO_DEEP;
	return r == IW_PIDF_NO_MEMORY ? XFED_ERR_NOMEM : is_limit ? XFED_ERR_LIMIT : XFED_ERR_INVALID;
}
