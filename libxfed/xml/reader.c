#include "xml/reader.h"

#include "xfed/limits.h"
#include "xfed/mem.h"

/* Takes the place of the stream header for single stanzas. */
static const char fragment_header[] = "<stream:stream xmlns='" XFED_NS_SERVER "' xmlns:stream='" XFED_NS_STREAM "'>";

/*
 * The tree of a stanza needs at most 64 bytes for an attribute of 6, and four times its text while texts are joined; the number of nodes
 * has its own limit. The caller may add half as much.
 */
static size_t arena_cap(const struct xfed_xml_limits *limits)
{
	return 24 * limits->stanza_bytes + 256 * limits->nodes + 64 * 1024;
}

static int reader_new(const struct xfed_xml_limits *limits, bool is_fragment, struct xfed_xml_reader **out)
{
	*out = NULL;
	struct xfed_xml_reader *r = xfed_calloc(1, sizeof(*r));
	if (!r) {
		return XFED_ERR_NOMEM;
	}
	xml_scan_init(&r->scan, limits, is_fragment);
	xfed_buf_init(&r->unfed, XFED_XML_SILENT_CDATA_BYTES + 2 * XFED_XML_SLICE_BYTES);
	xfed_arena_init(&r->arena, arena_cap(limits));
	if (is_fragment) {
		r->header = xfed_strdup(fragment_header);
		r->content_ns = xfed_strdup(XFED_NS_SERVER);
		r->header_len = sizeof(fragment_header) - 1;
		if (!r->header || !r->content_ns) {
			xfed_xml_reader_free(r);
			return XFED_ERR_NOMEM;
		}
	}
	*out = r;
	return XFED_OK;
}

int xfed_xml_reader_new(const struct xfed_xml_limits *limits, struct xfed_xml_reader **out)
{
	return reader_new(limits, false, out);
}

int xfed_xml_reader_new_fragment(const struct xfed_xml_limits *limits, struct xfed_xml_reader **out)
{
	return reader_new(limits, true, out);
}

int xfed_xml_reader_new_document(const struct xfed_xml_limits *limits, struct xfed_xml_reader **out)
{
	int rc = reader_new(limits, false, out);
	if (rc == XFED_OK) {
		(*out)->scan.is_document = true;
	}
	return rc;
}

void xfed_xml_reader_free(struct xfed_xml_reader *r)
{
	if (!r) {
		return;
	}
	xml_parser_drop(r);
	xfed_buf_deinit(&r->unfed);
	xfed_arena_deinit(&r->arena);
	xml_skim_forget(r);
	xfed_free(r->header);
	xfed_free(r->content_ns);
	xfed_free(r);
}

static void forget_tree(struct xfed_xml_reader *r)
{
	xfed_arena_reset(&r->arena);
	r->elem = r->open = NULL;
	r->text = NULL;
	r->is_complete = r->has_result = r->is_trimming = false;
	r->ignored = 0;
}

void xfed_xml_reader_restart(struct xfed_xml_reader *r)
{
	bool is_fragment = r->scan.is_fragment, is_document = r->scan.is_document;
	struct xfed_xml_limits limits = r->scan.limits;
	xml_parser_drop(r);
	forget_tree(r);
	xml_skim_forget(r);
	xfed_buf_clear(&r->unfed);
	xml_scan_init(&r->scan, &limits, is_fragment);
	r->scan.is_document = is_document;
	r->fed_at = 0;
	if (!is_fragment) {
		xfed_free(r->header);
		xfed_free(r->content_ns);
		r->header = r->content_ns = NULL;
	}
	r->is_dead = r->is_nomem = r->is_closed = false;
	r->reason = XFED_REASON_NONE;
	r->stream_error = NULL;
}

/* ---- feeding ---- */

/* White space outside elements is not given to scanner and parser, so that it does not wake a hibernating reader. */
static size_t skip_space(struct xfed_xml_reader *r, struct xfed_span in)
{
	size_t n = xml_space_len(in);
	if (n > 0 && r->scan.state == XML_SCAN_START) {
		r->scan.state = XML_SCAN_PROLOG;
	}
	r->scan.at += n;
	r->fed_at = r->scan.at;
	return n;
}

static bool is_outside(const struct xfed_xml_reader *r)
{
	return r->scan.state == XML_SCAN_START || r->scan.state == XML_SCAN_PROLOG || r->scan.state == XML_SCAN_BETWEEN;
}

/*
 * Takes window[0, used). Bytes up to offset `until` go to the parser, the rest waits. Bytes that waited are given together with the first
 * ones of the window, so that the parser never gets a tag in two pieces, unless it is longer than a slice.
 */
static void hand_over(struct xfed_xml_reader *r, struct xfed_span window, uint64_t until)
{
	if (xfed_buf_len(&r->unfed) == 0) {
		size_t n = (size_t)(until - r->fed_at);
		if (n > 0) {
			xml_parser_feed(r, xfed_span_make(window.data, n));
		}
		window = xfed_span_make(window.data + n, window.len - n);
		r->fed_at = until;
	}
	if (xfed_buf_append(&r->unfed, window) != XFED_OK) {
		xml_reader_nomem(r);
		return;
	}
	if (until > r->fed_at) {
		size_t n = (size_t)(until - r->fed_at);
		xml_parser_feed(r, xfed_span_make(xfed_buf_span(&r->unfed).data, n));
		xfed_buf_consume(&r->unfed, n);
		r->fed_at = until;
	}
}

/* Keeps the header as received and checks the declaration, which is completely in `unfed`. */
static void before_parser(struct xfed_xml_reader *r)
{
	struct xfed_span bytes = xfed_buf_span(&r->unfed);
	if (r->scan.event == XML_SCAN_HEADER) {
		r->header = xfed_strndup(bytes);
		r->header_len = bytes.len;
		if (!r->header) {
			xml_reader_nomem(r);
		}
	} else if (!xml_scan_declares_utf8(bytes)) {
		xml_reader_die(r, XFED_REASON_STREAM_XML_ENCODING, NULL);
	}
}

/* How far the parser may read now. Text waits for the next tag or a full slice, because each call is costly. */
static uint64_t feed_limit(const struct xfed_xml_reader *r)
{
	uint64_t until = r->scan.at;
	if (r->scan.event == XML_SCAN_MORE || r->scan.event == XML_SCAN_EXCESS) {
		bool is_full = r->scan.at - r->fed_at >= XFED_XML_SLICE_BYTES;
		until = is_full ? r->scan.safe_at : r->scan.cut_at;
	} else if (r->scan.event == XML_SCAN_BAD) {
		until = r->scan.cut_at;
	}
	return until > r->fed_at ? until : r->fed_at;
}

/* Whether parser and scanner agree. */
static bool is_agreed(const struct xfed_xml_reader *r)
{
	switch (r->scan.event) {
	case XML_SCAN_HEADER:
	case XML_SCAN_ELEMENT:
		return r->is_complete && !r->open;
	case XML_SCAN_CLOSE:
		return r->is_closed;
	case XML_SCAN_MORE:
	case XML_SCAN_TOKEN:
	case XML_SCAN_EXCESS:
	case XML_SCAN_DECLARATION:
	case XML_SCAN_BAD:
		return !r->is_complete && !r->is_closed;
	}
	return false;
}

static enum xfed_xml_result fail(struct xfed_xml_reader *r)
{
	xml_parser_drop(r);
	xmlResetLastError(); /* libxml2 keeps a copy of the error text per thread */
	forget_tree(r);
	xml_skim_forget(r);
	xfed_buf_deinit(&r->unfed);
	return r->is_nomem ? XFED_XML_NOMEM : XFED_XML_BAD;
}

/* Gives a window of the element to the parser, or where a limit on its work is exceeded only to the skimmer. */
static void take_window(struct xfed_xml_reader *r, struct xfed_span window)
{
	if (r->is_skimming) {
		xml_skim(r, window);
	} else if (r->scan.event == XML_SCAN_EXCESS && r->scan.is_skimming) {
		hand_over(r, window, r->scan.safe_at > r->fed_at ? r->scan.safe_at : r->fed_at);
		xml_skim_begin(r);
	} else {
		r->is_trimming = r->is_trimming || r->scan.event == XML_SCAN_EXCESS;
		hand_over(r, window, feed_limit(r));
	}
}

static enum xfed_xml_result element_done(struct xfed_xml_reader *r)
{
	if (r->is_trimming) {
		r->elem->children = r->elem->last_child = NULL;
		xml_skim_forget(r);
	}
	r->stanzas++;
	r->wants_renewal = r->scan.element_bytes > XFED_XML_RENEW_STANZA_BYTES || r->stanzas >= XFED_XML_RENEW_STANZAS ||
			   xml_parser_names_bytes(r) > XFED_XML_NAMES_BYTES;
	r->has_result = true;
	return r->is_trimming ? XFED_XML_EXCESS : XFED_XML_ELEMENT;
}

/* The result of the scanner's event and the parser's verdict on the window. */
static enum xfed_xml_result settle(struct xfed_xml_reader *r, struct xfed_span window)
{
	if (r->scan.event == XML_SCAN_HEADER || r->scan.event == XML_SCAN_DECLARATION) {
		if (xfed_buf_append(&r->unfed, window) != XFED_OK) {
			xml_reader_nomem(r);
			return fail(r);
		}
		window.len = 0;
		before_parser(r);
	}
	if (!r->is_dead) {
		take_window(r, window);
	}
	if (!r->is_dead && !is_agreed(r)) {
		xml_reader_die(r, XFED_REASON_STREAM_XML_MALFORMED, NULL);
	}
	if (!r->is_dead && r->scan.event == XML_SCAN_BAD) {
		xml_reader_die(r, r->scan.reason, r->scan.stream_error);
	}
	if (r->is_dead) {
		return fail(r);
	}
	if (r->scan.event == XML_SCAN_HEADER) {
		r->has_result = true;
		return XFED_XML_HEADER;
	}
	if (r->scan.event == XML_SCAN_CLOSE) {
		xml_parser_drop(r);
		return XFED_XML_CLOSE;
	}
	return r->scan.event == XML_SCAN_ELEMENT ? element_done(r) : XFED_XML_MORE;
}

static struct xfed_span next_window(struct xfed_xml_reader *r, struct xfed_span in)
{
	size_t waiting = xfed_buf_len(&r->unfed);
	size_t room = waiting < XFED_XML_SLICE_BYTES ? XFED_XML_SLICE_BYTES - waiting : XFED_XML_SLICE_BYTES;
	/* a token longer than a slice is given to the parser alone, as soon as it ends */
	r->scan.stop_at_token = waiting >= XFED_XML_SLICE_BYTES || r->is_skimming;
	return xfed_span_make(in.data, in.len < room ? in.len : room);
}

enum xfed_xml_result xfed_xml_reader_feed(struct xfed_xml_reader *r, struct xfed_span in, size_t *consumed)
{
	*consumed = 0;
	if (r->is_dead) {
		return r->is_nomem ? XFED_XML_NOMEM : XFED_XML_BAD;
	}
	if (r->has_result) {
		forget_tree(r);
	}
	if (r->scan.state == XML_SCAN_DONE) {
		if (r->scan.is_document && xml_space_len(in) != in.len) {
			xml_reader_die(r, XFED_REASON_STREAM_XML_MALFORMED, NULL);
			return fail(r);
		}
		*consumed = in.len;
		return XFED_XML_MORE;
	}
	if (r->wants_renewal) {
		xml_parser_drop(r);
		xfed_buf_trim(&r->unfed);
	}
	while (*consumed < in.len) {
		if (is_outside(r)) {
			*consumed += skip_space(r, xfed_span_make(in.data + *consumed, in.len - *consumed));
			if (*consumed == in.len) {
				break;
			}
		}
		struct xfed_span window = next_window(r, xfed_span_make(in.data + *consumed, in.len - *consumed));
		window.len = xml_scan(&r->scan, window.data, window.len);
		*consumed += window.len;
		enum xfed_xml_result result = settle(r, window);
		if (result != XFED_XML_MORE) {
			return result;
		}
	}
	return XFED_XML_MORE;
}

enum xfed_xml_result xfed_xml_reader_fragment(struct xfed_xml_reader *r, struct xfed_span in)
{
	XFED_REQUIRE(r->scan.is_fragment);
	if (r->is_dead || !is_outside(r)) {
		xfed_xml_reader_restart(r);
	}
	size_t used;
	enum xfed_xml_result result = xfed_xml_reader_feed(r, in, &used);
	bool is_whole = result == XFED_XML_ELEMENT && xml_space_len(xfed_span_make(in.data + used, in.len - used)) == in.len - used;
	if (is_whole || r->is_dead) {
		return result;
	}
	xml_reader_die(r, XFED_REASON_STREAM_XML_MALFORMED, NULL);
	return fail(r);
}

/* ---- state ---- */

struct xfed_xml_elem *xfed_xml_reader_elem(struct xfed_xml_reader *r)
{
	return r->has_result ? r->elem : NULL;
}

struct xfed_arena *xfed_xml_reader_arena(struct xfed_xml_reader *r)
{
	return &r->arena;
}

struct xfed_span xfed_xml_reader_content_ns(const struct xfed_xml_reader *r)
{
	return xfed_span_str(r->content_ns);
}

enum xfed_reason xfed_xml_reader_reason(const struct xfed_xml_reader *r)
{
	return r->reason;
}

const char *xfed_xml_reader_stream_error(const struct xfed_xml_reader *r)
{
	return r->stream_error;
}

enum xfed_xml_excess xfed_xml_reader_excess(const struct xfed_xml_reader *r)
{
	return r->scan.excess;
}

size_t xfed_xml_reader_stanza_bytes(const struct xfed_xml_reader *r)
{
	bool is_inside = r->scan.element_at != XML_SCAN_NOWHERE;
	return is_inside ? (size_t)(r->scan.at - r->scan.element_at) : r->scan.element_bytes;
}

bool xfed_xml_reader_is_over(const struct xfed_xml_reader *r)
{
	return !r->is_dead && r->scan.state == XML_SCAN_DONE;
}

bool xfed_xml_reader_mid_element(const struct xfed_xml_reader *r)
{
	return !r->is_dead && !is_outside(r) && r->scan.state != XML_SCAN_DONE;
}

void xfed_xml_reader_set_limits(struct xfed_xml_reader *r, const struct xfed_xml_limits *limits)
{
	r->scan.limits = *limits;
	r->arena.cap_bytes = arena_cap(limits);
}

void xfed_xml_reader_hibernate(struct xfed_xml_reader *r)
{
	if (r->scan.state != XML_SCAN_BETWEEN || r->is_dead) {
		return;
	}
	xml_parser_drop(r);
	forget_tree(r);
	xfed_arena_deinit(&r->arena);
	xfed_buf_deinit(&r->unfed);
}

bool xfed_xml_reader_is_hibernating(const struct xfed_xml_reader *r)
{
	return r->scan.state == XML_SCAN_BETWEEN && !r->is_dead && !r->parser;
}
