/*
 * What a reader made of an input, as text: one line for each result, with the offset behind it, the canonical tree or
 * the reason. Two ways of cutting an input are compared by comparing these. For tests and fuzz targets.
 */
#ifndef TESTS_UNIT_XML_TRANSCRIPT_H
#define TESTS_UNIT_XML_TRANSCRIPT_H

#include <stdio.h>
#include <stdlib.h>

#include "xfed/limits.h"
#include "xfed/xml.h"

/* Length of the next piece at most `left`; never 0. */
typedef size_t transcript_cut_fn(void *user, size_t at, size_t left);

static void transcript_require(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "transcript: %s\n", what);
		abort();
	}
}

static void transcript_tree(struct xfed_buf *out, struct xfed_xml_reader *r, const char *word, size_t at)
{
	struct xfed_span ns = xfed_xml_reader_content_ns(r);
	int rc = xfed_buf_printf(out, "%s @%zu bytes=%zu ns=%.*s ", word, at, xfed_xml_reader_stanza_bytes(r), (int)ns.len, ns.data);
	transcript_require(rc == XFED_OK, "no memory");
	transcript_require(xfed_xml_write(out, xfed_xml_reader_elem(r), XFED_SPAN("")) == XFED_OK, "not written");
	transcript_require(xfed_buf_append_str(out, "\n") == XFED_OK, "no memory");
}

/* True where the reader goes on. */
static bool transcript_result(struct xfed_buf *out, struct xfed_xml_reader *r, enum xfed_xml_result result, size_t at)
{
	int rc = XFED_OK;
	switch (result) {
	case XFED_XML_MORE:
		break;
	case XFED_XML_HEADER:
		transcript_tree(out, r, "HEADER", at);
		break;
	case XFED_XML_ELEMENT:
		transcript_tree(out, r, "ELEMENT", at);
		break;
	case XFED_XML_EXCESS:
		transcript_require(xfed_xml_reader_excess(r) != XFED_XML_EXCESS_NONE, "an excess of nothing");
		rc = xfed_buf_printf(out, "EXCESS %d ", (int)xfed_xml_reader_excess(r));
		transcript_tree(out, r, "of", at);
		break;
	case XFED_XML_CLOSE:
		rc = xfed_buf_printf(out, "CLOSE @%zu\n", at);
		break;
	case XFED_XML_BAD:
		rc = xfed_buf_printf(out, "BAD %s %s\n", xfed_reason_code(xfed_xml_reader_reason(r)), xfed_xml_reader_stream_error(r));
		break;
	case XFED_XML_NOMEM:
		rc = xfed_buf_append_str(out, "NOMEM\n");
		break;
	}
	transcript_require(rc == XFED_OK, "no memory");
	return result != XFED_XML_BAD && result != XFED_XML_NOMEM;
}

/* Feeds all of `in`; pieces are copied so that a sanitizer sees a read behind one. Appends to `out`. */
static void transcript_feed(struct xfed_buf *out, struct xfed_xml_reader *r, struct xfed_span in, transcript_cut_fn *cut, void *user)
{
	bool goes_on = true;
	for (size_t at = 0; at < in.len && goes_on;) {
		size_t len = cut ? cut(user, at, in.len - at) : in.len - at, done = 0;
		char *piece = malloc(len);
		transcript_require(piece != NULL, "no memory");
		memcpy(piece, in.data + at, len);
		while (done < len && goes_on) {
			size_t used;
			enum xfed_xml_result result = xfed_xml_reader_feed(r, xfed_span_make(piece + done, len - done), &used);
			transcript_require(used <= len - done, "consumed more than there is");
			transcript_require(result != XFED_XML_MORE || used == len - done, "MORE with bytes left");
			done += used;
			goes_on = transcript_result(out, r, result, at + done);
		}
		free(piece);
		at += len;
	}
	if (goes_on) {
		int rc = xfed_buf_append_str(out, xfed_xml_reader_mid_element(r) ? "INSIDE\n" : "OUTSIDE\n");
		transcript_require(rc == XFED_OK, "no memory");
	}
}

/* A test may change them. */
static struct xfed_xml_limits transcript_limits = { XFED_STANZA_BYTES_MAX, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
static bool transcript_is_document; /* where it is no fragment */

static inline struct xfed_xml_reader *transcript_reader(bool is_fragment)
{
	struct xfed_xml_reader *r;
	int rc = is_fragment		  ? xfed_xml_reader_new_fragment(&transcript_limits, &r)
		 : transcript_is_document ? xfed_xml_reader_new_document(&transcript_limits, &r)
					  : xfed_xml_reader_new(&transcript_limits, &r);
	transcript_require(rc == XFED_OK, "no reader");
	return r;
}

/* The same with a reader of its own. */
static inline void transcript_of(struct xfed_buf *out, bool is_fragment, struct xfed_span in, transcript_cut_fn *cut, void *user)
{
	struct xfed_xml_reader *r = transcript_reader(is_fragment);
	transcript_feed(out, r, in, cut, user);
	xfed_xml_reader_free(r);
}

#endif
