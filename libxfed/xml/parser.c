#include "xml/reader.h"

#include <libxml/dict.h>
#include <libxml/parserInternals.h>

#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xml/tree.h"

static struct xfed_span span_of(const xmlChar *s)
{
	return s ? xfed_span_str((const char *)s) : XFED_SPAN("");
}

void xml_reader_die(struct xfed_xml_reader *r, enum xfed_reason reason, const char *stream_error)
{
	if (!r->is_dead) {
		r->is_dead = true;
		r->reason = reason;
		r->stream_error = stream_error ? stream_error : xfed_reason_info(reason)->stream_error;
	}
}

void xml_reader_nomem(struct xfed_xml_reader *r)
{
	xml_reader_die(r, XFED_REASON_STREAM_INTERNAL, NULL);
	r->is_nomem = true;
}

/* ---- trees ---- */

/*
 * Without entity substitution the parser passes '&' in attribute values, also in namespaces, as "&#38;", and nothing else of this kind. A
 * value without it is copied as it is.
 */
static struct xfed_span copy_value(struct xfed_arena *a, const char *p, size_t len)
{
	static const char escaped[] = "&#38;";
	if (len == 0) {
		return XFED_SPAN("");
	}
	struct xfed_span v = xfed_arena_copy(a, xfed_span_make(p, len));
	char *out = v.data ? memchr(v.data, '&', len) : NULL;
	if (!out) {
		return v;
	}
	const char *in = out, *end = v.data + len;
	while (in < end) {
		if ((size_t)(end - in) >= sizeof(escaped) - 1 && memcmp(in, escaped, sizeof(escaped) - 1) == 0) {
			in += sizeof(escaped) - 2;
			*out++ = '&';
			in++;
		} else {
			*out++ = *in++;
		}
	}
	return xfed_span_make(v.data, (size_t)(out - v.data));
}

/* Names are in the parser's dictionary, which outlives the tree; but a namespace with '&' has to be copied. */
static struct xfed_span namespace_of(struct xfed_arena *a, const xmlChar *ns)
{
	struct xfed_span s = span_of(ns);
	return s.len > 0 && memchr(s.data, '&', s.len) ? copy_value(a, s.data, s.len) : s;
}

static bool read_attrs(struct xfed_xml_reader *r, struct xfed_xml_elem *e, int count, const xmlChar **attrs)
{
	/* for each attribute libxml2 passes name, prefix, namespace, begin and end of the value */
	for (int i = 0; i < count; i++, attrs += 5) {
		struct xfed_xml_attr *at = xml_attr_append(&r->arena, e);
		if (!at) {
			return false;
		}
		at->name = span_of(attrs[0]);
		at->ns = namespace_of(&r->arena, attrs[2]);
		at->value = copy_value(&r->arena, (const char *)attrs[3], (size_t)(attrs[4] - attrs[3]));
		if (!at->ns.data || !at->value.data) {
			return false;
		}
	}
	return true;
}

static bool keep_content_ns(struct xfed_xml_reader *r, int count, const xmlChar **namespaces)
{
	const xmlChar *ns = NULL;
	for (int i = 0; i < count; i++) {
		if (!namespaces[2 * i]) {
			ns = namespaces[2 * i + 1];
		}
	}
	struct xfed_span s = namespace_of(&r->arena, ns);
	r->content_ns = s.data ? xfed_strndup(s) : NULL;
	return r->content_ns != NULL;
}

static void on_start(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *ns, int ns_count, const xmlChar **namespaces,
	int attr_count, int defaulted, const xmlChar **attrs)
{
	struct xfed_xml_reader *r = user;
	if (r->is_dead || r->is_replaying) {
		return;
	}
	if (r->is_complete) {
		/* the parser saw an end that the scanner did not: they must not disagree */
		xml_reader_die(r, XFED_REASON_STREAM_XML_MALFORMED, NULL);
		return;
	}
	r->text = NULL;
	if (r->is_trimming && r->open) {
		r->ignored++;
		return;
	}
	bool is_root = !r->content_ns;
	struct xfed_span uri = namespace_of(&r->arena, ns);
	struct xfed_xml_elem *e = !uri.data ? NULL
				  : r->open ? xfed_xml_add_elem(&r->arena, r->open, uri, span_of(name))
					    : xfed_xml_elem_new(&r->arena, uri, span_of(name));
	if (!e || !read_attrs(r, e, attr_count, attrs) || (is_root && !keep_content_ns(r, ns_count, namespaces))) {
		xml_reader_nomem(r);
		return;
	}
	e->has_prefix = prefix != NULL;
	if (!r->open) {
		r->elem = e;
	}
	if (is_root) {
		r->is_complete = true;
	} else {
		r->open = e;
	}
}

static void on_end(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *ns)
{
	struct xfed_xml_reader *r = user;
	if (r->is_dead) {
		return;
	}
	r->text = NULL;
	if (r->ignored > 0) {
		r->ignored--;
		return;
	}
	if (!r->open) {
		r->is_closed = true;
		return;
	}
	r->open = r->open->parent;
	r->is_complete = !r->open;
}

/* Text comes in pieces of up to 300 bytes; the room doubles, so that joining them takes linear time. */
static void on_text(void *user, const xmlChar *text, int len)
{
	struct xfed_xml_reader *r = user;
	if (r->is_dead || r->is_replaying || len <= 0) {
		return;
	}
	if (!r->open) {
		xml_reader_die(r, XFED_REASON_STREAM_XML_MALFORMED, NULL);
		return;
	}
	if (r->is_trimming) {
		return;
	}
	size_t add = (size_t)len, have = r->text ? r->text->text.len : 0;
	if (!r->text || r->text_room - have < add) {
		size_t room = r->text ? 2 * (have + add) : add;
		char *p = xfed_arena_alloc(&r->arena, room);
		struct xfed_xml_node *n = r->text ? r->text : xml_node_append(&r->arena, r->open);
		if (!p || !n) {
			xml_reader_nomem(r);
			return;
		}
		if (have > 0) {
			memcpy(p, n->text.data, have);
		}
		r->text = n;
		r->text_room = room;
		n->text.data = p;
	}
	memcpy((char *)r->text->text.data + have, text, add);
	r->text->text.len = have + add;
}

/* ---- forbidden constructs (RFC 6120 11.1): the scanner refuses them first, these callbacks are the second check ---- */

static void restricted(void *user)
{
	xml_reader_die(user, XFED_REASON_STREAM_XML_RESTRICTED, NULL);
}

static void on_doctype(void *user, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
{
	restricted(user);
}

static void on_comment(void *user, const xmlChar *text)
{
	struct xfed_xml_reader *r = user;
	if (!r->scan.is_document) {
		restricted(user);
	}
}

static void on_pi(void *user, const xmlChar *target, const xmlChar *text)
{
	restricted(user);
}

static void on_reference(void *user, const xmlChar *name)
{
	restricted(user);
}

static xmlEntityPtr on_entity(void *user, const xmlChar *name)
{
	restricted(user);
	return NULL;
}

static xmlParserInputPtr on_external(void *user, const xmlChar *public_id, const xmlChar *system_id)
{
	restricted(user);
	return NULL;
}

/*
 * For libxml2 an unbound prefix is an error that does not end parsing: here it does (RFC 6120 11.3). Warnings are accepted, and so is a
 * namespace that is no URI: it is compared and written as a string.
 */
static void on_error(void *user, xmlErrorPtr error)
{
	struct xfed_xml_reader *r = user;
	if (error->code == XML_ERR_NO_MEMORY) {
		xml_reader_nomem(r);
	} else if (error->level >= XML_ERR_ERROR && error->code != XML_WAR_NS_URI) {
		xml_reader_die(r, XFED_REASON_STREAM_XML_MALFORMED, NULL);
	}
}

/* ---- the parser ---- */

static xmlSAXHandler handler = {
	.internalSubset = on_doctype,
	.externalSubset = on_doctype,
	.resolveEntity = on_external,
	.getEntity = on_entity,
	.getParameterEntity = on_entity,
	.reference = on_reference,
	.characters = on_text,
	.ignorableWhitespace = on_text,
	.cdataBlock = on_text,
	.comment = on_comment,
	.processingInstruction = on_pi,
	.startElementNs = on_start,
	.endElementNs = on_end,
	.serror = on_error,
	.initialized = XML_SAX2_MAGIC,
};

void xml_parser_drop(struct xfed_xml_reader *r)
{
	if (r->parser) {
		xmlFreeParserCtxt(r->parser);
		r->parser = NULL;
	}
	r->stanzas = 0;
	r->wants_renewal = false;
}

size_t xml_parser_names_bytes(const struct xfed_xml_reader *r)
{
	/* Memory of strings, and about 48 bytes of table for each. */
	return r->parser ? xmlDictGetUsage(r->parser->dict) + 48 * (size_t)xmlDictSize(r->parser->dict) : 0;
}

static void parse(struct xfed_xml_reader *r, struct xfed_span bytes)
{
	while (bytes.len > 0 && !r->is_dead) {
		size_t n = bytes.len < XFED_XML_SLICE_BYTES ? bytes.len : XFED_XML_SLICE_BYTES;
		xmlParseChunk(r->parser, bytes.data, (int)n, 0);
		if (xml_global_take_nomem()) {
			/* memory ran out, whatever error the parser reported */
			r->is_dead = false;
			xml_reader_nomem(r);
		} else if (!r->parser->wellFormed || r->parser->disableSAX) {
			xml_reader_die(r, XFED_REASON_STREAM_XML_MALFORMED, NULL);
		}
		bytes = xfed_span_make(bytes.data + n, bytes.len - n);
	}
}

static void make_parser(struct xfed_xml_reader *r)
{
	/* Each parser has its own dictionary, so that no peer can fill another's. */
	r->parser = xmlCreatePushParserCtxt(&handler, r, NULL, 0, NULL);
	if (xml_global_take_nomem() || !r->parser) {
		xml_reader_nomem(r);
		return;
	}
	xmlCtxtUseOptions(r->parser, XML_PARSE_NONET | XML_PARSE_IGNORE_ENC);
	xmlSwitchEncoding(r->parser, XML_CHAR_ENCODING_UTF8);
	if (r->content_ns) {
		/* the root was read before (or is that of fragments): only its namespaces are needed again */
		r->is_replaying = true;
		parse(r, xfed_span_make(r->header, r->header_len));
		r->is_replaying = false;
	}
}

void xml_parser_feed(struct xfed_xml_reader *r, struct xfed_span bytes)
{
	if (!r->parser && !r->is_dead) {
		make_parser(r);
	}
	parse(r, bytes);
}
