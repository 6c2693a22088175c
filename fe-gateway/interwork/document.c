#include "interwork/document.h"

static enum iw_pidf_result result_of(enum xfed_reason reason)
{
	switch (reason) {
	case XFED_REASON_STREAM_XML_TOO_BIG:
		return IW_PIDF_TOO_LARGE;
	case XFED_REASON_STREAM_XML_TOO_DEEP:
		return IW_PIDF_TOO_DEEP;
	case XFED_REASON_STREAM_XML_RESTRICTED:
		return IW_PIDF_RESTRICTED;
	case XFED_REASON_STREAM_XML_ENCODING:
		return IW_PIDF_ENCODING;
	default:
		return IW_PIDF_MALFORMED;
	}
}

static enum iw_pidf_result read_all(struct xfed_xml_reader *reader, struct xfed_span body, const struct iw_document_steps *steps, void *user)
{
	struct xfed_arena *scratch = xfed_xml_reader_arena(reader);
	enum iw_pidf_result r = IW_PIDF_OK;
	while (body.len > 0 && r == IW_PIDF_OK) {
		size_t used;
		switch (xfed_xml_reader_feed(reader, body, &used)) {
		case XFED_XML_HEADER:
			r = steps->root(user, scratch, xfed_xml_reader_elem(reader));
			break;
		case XFED_XML_ELEMENT:
			r = steps->element(user, scratch, xfed_xml_reader_elem(reader));
			break;
		case XFED_XML_MORE:
		case XFED_XML_CLOSE:
			break;
		case XFED_XML_BAD:
		case XFED_XML_EXCESS:
			r = result_of(xfed_xml_reader_reason(reader));
			break;
		case XFED_XML_NOMEM:
			r = IW_PIDF_NO_MEMORY;
			break;
		}
		body = xfed_span_make(body.data + used, body.len - used);
	}
	return r == IW_PIDF_OK && !xfed_xml_reader_is_over(reader) ? IW_PIDF_MALFORMED : r;
}

enum iw_pidf_result iw_document_read(struct xfed_span body, const struct xfed_xml_limits *limits, const struct iw_document_steps *steps, void *user)
{
	static const char mark[] = "\xef\xbb\xbf"; /* a UTF-8 byte order mark, which some programs write */
	struct xfed_xml_reader *reader;
	if (body.len > limits->stanza_bytes) {
		return IW_PIDF_TOO_LARGE;
	}
	if (body.len >= sizeof(mark) - 1 && memcmp(body.data, mark, sizeof(mark) - 1) == 0) {
		body = xfed_span_make(body.data + sizeof(mark) - 1, body.len - (sizeof(mark) - 1));
	}
	if (xfed_xml_reader_new_document(limits, &reader) != XFED_OK) {
		return IW_PIDF_NO_MEMORY;
	}
	enum iw_pidf_result r = read_all(reader, body, steps, user);
	xfed_xml_reader_free(reader);
	return r;
}
