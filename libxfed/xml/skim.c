/*
 * Reads the rest of an element that has exceeded a limit on the parser's work. Only the scanner reads it: characters, references and markup
 * are checked as usual, end tags have to match their start tags, and nothing is kept. Not checked is what only the parser knows: attributes
 * given twice, and unbound prefixes. The parser gets the end tags of those elements whose start tags it has seen, so that it is between two
 * elements again when this one ends.
 */
#include "xml/reader.h"

#include "xfed/hash.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

#define NAMES_FIRST 64

static size_t name_len(struct xfed_span s)
{
	size_t n = 0;
	while (n < s.len && !xml_is_space((unsigned char)s.data[n]) && s.data[n] != '/' && s.data[n] != '>' && s.data[n] != '=') {
		n++;
	}
	return n;
}

/* Hash of the name of a tag, all that is kept of an open element; a collision only means that a wrong end tag is accepted here. */
static uint32_t name_hash(struct xfed_span s)
{
	return (uint32_t)xfed_hash_bytes(s.data, name_len(s));
}

static void push_name(struct xfed_xml_reader *r, uint32_t hash)
{
	if (r->names_count == r->names_room) {
		size_t room = r->names_room > 0 ? 2 * r->names_room : NAMES_FIRST;
		uint32_t *names = xfed_realloc(r->names, room * sizeof(*names));
		if (!names) {
			xml_reader_nomem(r);
			return;
		}
		r->names = names;
		r->names_room = room;
	}
	r->names[r->names_count++] = hash;
}

void xml_skim_forget(struct xfed_xml_reader *r)
{
	xfed_free(r->names);
	r->names = NULL;
	r->names_count = r->names_room = 0;
	r->is_skimming = false;
}

/* ---- a first-level start tag with too many attributes ---- */

/* Attributes needed for an answer, and the declaration of the element's namespace. */
static bool is_wanted(struct xfed_span attr, struct xfed_span prefix)
{
	static const char declares[] = "xmlns:";
	static const char *const names[] = { "from", "to", "id", "type", "xml:lang", "xmlns" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		if (xfed_span_is(attr, names[i])) {
			return true;
		}
	}
	size_t len = sizeof(declares) - 1;
	return prefix.len > 0 && attr.len > len && memcmp(attr.data, declares, len) == 0 && xfed_span_eq(xml_behind(attr, len), prefix);
}

/* Takes one attribute off `rest`. The scanner has checked that values are quoted and follow a '='. */
static bool take_attr(struct xfed_span *rest, struct xfed_span *name, struct xfed_span *whole)
{
	struct xfed_span s = xml_behind(*rest, xml_space_len(*rest));
	*name = xfed_span_make(s.data, name_len(s));
	size_t at = name->len + xml_space_len(xml_behind(s, name->len));
	if (name->len == 0 || at == s.len || s.data[at] != '=') {
		return false;
	}
	at += 1 + xml_space_len(xml_behind(s, at + 1));
	const char *end = at + 1 < s.len ? memchr(s.data + at + 1, s.data[at], s.len - at - 1) : NULL;
	if (!end) {
		return false;
	}
	*whole = xfed_span_make(s.data, (size_t)(end + 1 - s.data));
	*rest = xml_behind(s, whole->len);
	return true;
}

static int write_root(struct xfed_buf *b, struct xfed_span rest, bool is_empty)
{
	struct xfed_span tag = xfed_span_make(rest.data, name_len(xml_behind(rest, 1)) + 1), attr, whole;
	const char *colon = memchr(tag.data, ':', tag.len);
	struct xfed_span prefix = xfed_span_make(tag.data + 1, colon ? (size_t)(colon - tag.data - 1) : 0);
	int rc = xfed_buf_append(b, tag);
	rest = xml_behind(rest, tag.len);
	while (rc == XFED_OK && take_attr(&rest, &attr, &whole)) {
		if (is_wanted(attr, prefix)) {
			rc = xfed_buf_append_str(b, " ");
			rc = rc == XFED_OK ? xfed_buf_append(b, whole) : rc;
		}
	}
	rest = xml_behind(rest, xml_space_len(rest));
	bool is_whole = xfed_span_is(rest, is_empty ? "/>" : ">");
	rc = rc == XFED_OK && !is_whole ? XFED_ERR_INVALID : rc;
	return rc == XFED_OK ? xfed_buf_append(b, rest) : rc;
}

/* The parser compares each attribute with all others, so it gets only the few that are needed. */
static void feed_root(struct xfed_xml_reader *r, struct xfed_span tag)
{
	struct xfed_buf b;
	xfed_buf_init(&b, 2 * XFED_XML_SILENT_BYTES);
	switch (write_root(&b, tag, r->scan.last == '/')) {
	case XFED_OK:
		xml_parser_feed(r, xfed_buf_span(&b));
		break;
	case XFED_ERR_INVALID:
		xml_reader_die(r, XFED_REASON_STREAM_XML_MALFORMED, NULL);
		break;
	default:
		xml_reader_nomem(r);
		break;
	}
	xfed_buf_deinit(&b);
}

/* ---- tags ---- */

static void take_end_tag(struct xfed_xml_reader *r, struct xfed_span tag)
{
	if (r->names_count == 0) {
		xml_parser_feed(r, tag);
	} else if (r->names[--r->names_count] != name_hash(xml_behind(tag, 2))) {
		xml_reader_die(r, XFED_REASON_STREAM_XML_MALFORMED, NULL);
	}
}

static void take_tag(struct xfed_xml_reader *r, struct xfed_span tag)
{
	if (tag.len < 2 || tag.data[1] == '!') {
		return; /* a CDATA section */
	}
	if (tag.data[1] == '/') {
		take_end_tag(r, tag);
	} else if (!r->elem) {
		feed_root(r, tag);
	} else if (r->scan.last != '/') {
		push_name(r, name_hash(xml_behind(tag, 1)));
	}
}

static bool is_in_tag(const struct xml_scan *s)
{
	switch (s->state) {
	case XML_SCAN_LESS:
	case XML_SCAN_TAG:
	case XML_SCAN_VALUE:
	case XML_SCAN_END_TAG:
		return true;
	case XML_SCAN_REF:
	case XML_SCAN_REF_DEC:
	case XML_SCAN_REF_HEX:
		return s->behind_ref == XML_SCAN_VALUE;
	case XML_SCAN_START:
	case XML_SCAN_PROLOG:
	case XML_SCAN_BETWEEN:
	case XML_SCAN_TEXT:
	case XML_SCAN_BANG:
	case XML_SCAN_CDATA_OPEN:
	case XML_SCAN_CDATA:
	case XML_SCAN_COMMENT:
	case XML_SCAN_DECL:
	case XML_SCAN_DONE:
		break;
	}
	return false;
}

/* While skimming, `unfed` has only the tag being read. */
void xml_skim_begin(struct xfed_xml_reader *r)
{
	r->is_skimming = r->is_trimming = true;
	if (!is_in_tag(&r->scan)) {
		xfed_buf_clear(&r->unfed);
	}
}

void xml_skim(struct xfed_xml_reader *r, struct xfed_span window)
{
	const struct xml_scan *s = &r->scan;
	bool is_end = s->event == XML_SCAN_TOKEN || s->event == XML_SCAN_ELEMENT;
	uint64_t begin = s->at - window.len;
	if (!is_end && !is_in_tag(s)) {
		xfed_buf_clear(&r->unfed);
		return;
	}
	if (xfed_buf_len(&r->unfed) == 0) {
		/* Before the token there is text. A CDATA section that began in an earlier window was not kept. */
		window = xml_behind(window, s->token_at >= begin ? (size_t)(s->token_at - begin) : window.len);
	}
	if (xfed_buf_append(&r->unfed, window) != XFED_OK) {
		xml_reader_nomem(r);
		return;
	}
	if (is_end) {
		take_tag(r, xfed_buf_span(&r->unfed));
		xfed_buf_clear(&r->unfed);
	}
}
