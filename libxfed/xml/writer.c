#include "xfed/xml.h"

#include "xml/chars.h"

static const char replacement[] = "\xef\xbf\xbd";

/* The escape of an ASCII byte; NULL: none. */
typedef const char *escape_fn(unsigned char c);

static const char *text_escape(unsigned char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '\r':
		/* the next parser would turn a CR into LF (XML 1.0 section 2.11) */
		return "&#xD;";
	default:
		return xml_is_char(c) ? NULL : replacement;
	}
}

static const char *attr_escape(unsigned char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '"':
		return "&quot;";
	case '\t':
		/* the next parser would turn it into a space (XML 1.0 section 3.3.3) */
		return "&#x9;";
	case '\n':
		return "&#xA;";
	case '\r':
		return "&#xD;";
	default:
		return xml_is_char(c) ? NULL : replacement;
	}
}

static const char *any_escape(unsigned char c)
{
	if (c == '\'') {
		return "&apos;";
	}
	return c == '>' ? "&gt;" : attr_escape(c);
}

/* Length of the legal character above U+007F at `p`; 0: there is none. */
static size_t character_len(const char *p, size_t len)
{
	struct xml_utf8 u;
	if (!xml_utf8_begin(&u, (unsigned char)p[0])) {
		return 0;
	}
	size_t n = 1;
	while (u.left > 0) {
		if (n == len || !xml_utf8_next(&u, (unsigned char)p[n])) {
			return 0;
		}
		n++;
	}
	return xml_is_char(u.code) ? n : 0;
}

static int escape(struct xfed_buf *out, struct xfed_span text, escape_fn *escape_of)
{
	size_t done = 0, i = 0;
	int rc = XFED_OK;
	while (i < text.len && rc == XFED_OK) {
		unsigned char c = (unsigned char)text.data[i];
		const char *instead = NULL;
		size_t step = 1;
		if (c >= 0x80) {
			step = character_len(text.data + i, text.len - i);
			instead = step == 0 ? replacement : NULL;
			step = step == 0 ? 1 : step;
		} else {
			instead = escape_of(c);
		}
		if (instead) {
			rc = xfed_buf_append(out, xfed_span_make(text.data + done, i - done));
			if (rc == XFED_OK) {
				rc = xfed_buf_append_str(out, instead);
			}
			done = i + step;
		}
		i += step;
	}
	return rc == XFED_OK ? xfed_buf_append(out, xfed_span_make(text.data + done, text.len - done)) : rc;
}

int xfed_xml_escape(struct xfed_buf *out, struct xfed_span text)
{
	size_t before = xfed_buf_len(out);
	int rc = escape(out, text, any_escape);
	if (rc != XFED_OK) {
		out->end = out->start + before;
	}
	return rc;
}

static int put_quoted(struct xfed_buf *out, struct xfed_span value)
{
	int rc = xfed_buf_append_str(out, "=\"");
	rc = rc == XFED_OK ? escape(out, value, attr_escape) : rc;
	return rc == XFED_OK ? xfed_buf_append_str(out, "\"") : rc;
}

static bool is_xml_ns(struct xfed_span ns)
{
	return xfed_span_is(ns, XFED_NS_XML);
}

/* Number of the generated prefix for the attribute's namespace: the position of the first attribute with this namespace. */
static unsigned prefix_number(const struct xfed_xml_elem *e, struct xfed_span ns)
{
	unsigned n = 1;
	for (const struct xfed_xml_attr *at = e->attrs; at && !xfed_span_eq(at->ns, ns); at = at->next) {
		n++;
	}
	return n;
}

static bool is_first_bearer(const struct xfed_xml_elem *e, const struct xfed_xml_attr *attr)
{
	for (const struct xfed_xml_attr *at = e->attrs; at != attr; at = at->next) {
		if (xfed_span_eq(at->ns, attr->ns)) {
			return false;
		}
	}
	return true;
}

static int put_attr(struct xfed_buf *out, const struct xfed_xml_elem *e, const struct xfed_xml_attr *at)
{
	int rc = xfed_buf_append_str(out, " ");
	if (rc == XFED_OK && is_xml_ns(at->ns)) {
		rc = xfed_buf_append_str(out, "xml:");
	} else if (rc == XFED_OK && at->ns.len > 0) {
		unsigned n = prefix_number(e, at->ns);
		if (is_first_bearer(e, at)) {
			rc = xfed_buf_printf(out, "xmlns:n%u", n);
			rc = rc == XFED_OK ? put_quoted(out, at->ns) : rc;
			rc = rc == XFED_OK ? xfed_buf_append_str(out, " ") : rc;
		}
		rc = rc == XFED_OK ? xfed_buf_printf(out, "n%u:", n) : rc;
	}
	rc = rc == XFED_OK ? xfed_buf_append(out, at->name) : rc;
	return rc == XFED_OK ? put_quoted(out, at->value) : rc;
}

static int put_name(struct xfed_buf *out, const char *before, const struct xfed_xml_elem *e)
{
	/* xml: cannot be the default namespace (Namespaces in XML section 3). */
	int rc = xfed_buf_append_str(out, before);
	rc = rc == XFED_OK && is_xml_ns(e->ns) ? xfed_buf_append_str(out, "xml:") : rc;
	return rc == XFED_OK ? xfed_buf_append(out, e->name) : rc;
}

static int put_elem(struct xfed_buf *out, const struct xfed_xml_elem *e, struct xfed_span context_ns);

static int put_children(struct xfed_buf *out, const struct xfed_xml_elem *e, struct xfed_span context_ns)
{
	int rc = XFED_OK;
	for (const struct xfed_xml_node *n = e->children; n && rc == XFED_OK; n = n->next) {
		rc = n->elem ? put_elem(out, n->elem, context_ns) : escape(out, n->text, text_escape);
	}
	return rc;
}

/* The recursion is bounded by the depth the reader allows, and what a builder adds. */
static int put_elem(struct xfed_buf *out, const struct xfed_xml_elem *e, struct xfed_span context_ns)
{
	int rc = put_name(out, "<", e);
	if (rc == XFED_OK && !xfed_span_eq(e->ns, context_ns) && !is_xml_ns(e->ns)) {
		rc = xfed_buf_append_str(out, " xmlns");
		rc = rc == XFED_OK ? put_quoted(out, e->ns) : rc;
		context_ns = e->ns;
	}
	for (const struct xfed_xml_attr *at = e->attrs; at && rc == XFED_OK; at = at->next) {
		rc = put_attr(out, e, at);
	}
	if (rc == XFED_OK && !e->children) {
		return xfed_buf_append_str(out, "/>");
	}
	rc = rc == XFED_OK ? xfed_buf_append_str(out, ">") : rc;
	rc = rc == XFED_OK ? put_children(out, e, context_ns) : rc;
	rc = rc == XFED_OK ? put_name(out, "</", e) : rc;
	return rc == XFED_OK ? xfed_buf_append_str(out, ">") : rc;
}

int xfed_xml_write(struct xfed_buf *out, const struct xfed_xml_elem *e, struct xfed_span context_ns)
{
	size_t before = xfed_buf_len(out);
	int rc = put_elem(out, e, context_ns);
	if (rc != XFED_OK) {
		out->end = out->start + before;
	}
	return rc;
}
