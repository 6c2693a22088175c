#include "dialback/internal.h"

#include "xfed/jid.h"
#include "xml/chars.h"

static const char *const type_words[] = {
#define X(id, word) word,
	XFED_DIALBACK_TYPES(X)
#undef X
};

static enum xfed_dialback_type type_of(struct xfed_span word)
{
	if (!word.data) {
		return XFED_DIALBACK_KEY;
	}
	for (size_t i = XFED_DIALBACK_VALID; i <= XFED_DIALBACK_ERROR; i++) {
		if (xfed_span_is(word, type_words[i])) {
			return (enum xfed_dialback_type)i;
		}
	}
	return XFED_DIALBACK_UNKNOWN;
}

/* The examples of XEP-0220 indent the key, and so do servers ([A8-07]). */
static struct xfed_span stripped(struct xfed_span s)
{
	s = xml_behind(s, xml_space_len(s));
	while (s.len > 0 && xml_is_space((unsigned char)s.data[s.len - 1])) {
		s.len--;
	}
	return s;
}

/* <error/> in any namespace: peers write it without one, or in jabber:server (XEP-0220 2.5). */
static void read_condition(const struct xfed_xml_elem *e, struct xfed_dialback_elem *out)
{
	out->condition = XFED_DIALBACK_NOT_IN_TABLE;
	const struct xfed_xml_elem *error = xfed_xml_child(e, NULL, "error");
	const struct xfed_xml_elem *c = error ? xfed_xml_child(error, XFED_NS_STANZA_ERR, NULL) : NULL;
	while (c && xfed_span_is(c->name, "text")) {
		c = xfed_xml_next(c, XFED_NS_STANZA_ERR, NULL);
	}
	if (c) {
		out->condition_word = c->name;
		out->condition = xfed_dialback_condition_by_word(c->name);
	}
}

/* An address that is no domain counts as absent; the roles decide what that means. OK or NOMEM. */
static int read_address(struct xfed_arena *a, struct xfed_span raw, struct xfed_span *out)
{
	int rc = raw.data ? xfed_jid_domain(a, raw, out) : XFED_ERR_INVALID;
	if (rc != XFED_OK) {
		*out = (struct xfed_span){ NULL, 0 };
	}
	return rc == XFED_ERR_NOMEM ? rc : XFED_OK;
}

int xfed_dialback_read(struct xfed_arena *a, const struct xfed_xml_elem *e, struct xfed_dialback_elem *out)
{
	*out = (struct xfed_dialback_elem){ .kind = XFED_DIALBACK_RESULT };
	if (xfed_xml_is(e, XFED_NS_DIALBACK, "verify")) {
		out->kind = XFED_DIALBACK_VERIFY;
		out->id = xfed_xml_attr_get(e, "id");
	} else if (!xfed_xml_is(e, XFED_NS_DIALBACK, "result")) {
		return XFED_ERR_INVALID;
	}
	out->type = type_of(xfed_xml_attr_get(e, "type"));
	out->from_raw = xfed_xml_attr_get(e, "from");
	out->to_raw = xfed_xml_attr_get(e, "to");
	if (read_address(a, out->from_raw, &out->from) != XFED_OK || read_address(a, out->to_raw, &out->to) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	if (out->type == XFED_DIALBACK_KEY) {
		struct xfed_span text = xfed_xml_text(a, e);
		if (!text.data) {
			return XFED_ERR_NOMEM;
		}
		out->key = stripped(text);
	}
	if (out->type == XFED_DIALBACK_ERROR) {
		read_condition(e, out);
	}
	return XFED_OK;
}

static int put_attr(struct xfed_buf *out, const char *name, struct xfed_span value)
{
	if (!value.data) {
		return XFED_OK;
	}
	int rc = xfed_buf_printf(out, " %s='", name);
	rc = rc == XFED_OK ? xfed_xml_escape(out, value) : rc;
	return rc == XFED_OK ? xfed_buf_append_str(out, "'") : rc;
}

static int put_content(struct xfed_buf *out, const struct xfed_dialback_elem *e, const char *name)
{
	if (e->type == XFED_DIALBACK_VALID || e->type == XFED_DIALBACK_INVALID) {
		return xfed_buf_append_str(out, "/>");
	}
	int rc = xfed_buf_append_str(out, ">");
	if (rc == XFED_OK && e->type == XFED_DIALBACK_KEY) {
		rc = xfed_xml_escape(out, e->key);
	} else if (rc == XFED_OK) {
		/* In the content namespace, jabber:server on every stream of ours [A8-16]. */
		rc = xfed_buf_printf(out, "<error type='%s'><%s xmlns='" XFED_NS_STANZA_ERR "'/></error>", db_condition_type(e->condition),
			xfed_dialback_condition_word(e->condition));
	}
	return rc == XFED_OK ? xfed_buf_printf(out, "</db:%s>", name) : rc;
}

int xfed_dialback_print(struct xfed_buf *out, const struct xfed_dialback_elem *e)
{
	if (e->type == XFED_DIALBACK_UNKNOWN) {
		return XFED_ERR_INVALID;
	}
	size_t before = xfed_buf_len(out);
	const char *name = e->kind == XFED_DIALBACK_RESULT ? "result" : "verify";
	int rc = xfed_buf_printf(out, "<db:%s", name);
	rc = rc == XFED_OK ? put_attr(out, "from", e->from_raw) : rc;
	rc = rc == XFED_OK ? put_attr(out, "to", e->to_raw) : rc;
	if (rc == XFED_OK && e->kind == XFED_DIALBACK_VERIFY) {
		rc = put_attr(out, "id", e->id);
	}
	if (rc == XFED_OK && e->type != XFED_DIALBACK_KEY) {
		rc = xfed_buf_printf(out, " type='%s'", type_words[e->type]);
	}
	rc = rc == XFED_OK ? put_content(out, e, name) : rc;
	if (rc != XFED_OK) {
		out->end = out->start + before;
	}
	return rc;
}

void xfed_dialback_answer_to(const struct xfed_dialback_elem *request, enum xfed_dialback_type type, enum xfed_dialback_condition condition,
	struct xfed_dialback_elem *out)
{
	*out = (struct xfed_dialback_elem){
		.kind = request->kind,
		.type = type,
		.from = request->to,
		.to = request->from,
		.from_raw = request->to_raw,
		.to_raw = request->from_raw,
		.id = request->id,
		.condition = condition,
	};
}
