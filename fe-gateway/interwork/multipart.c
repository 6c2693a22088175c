#include "interwork/multipart.h"

#include "interwork/content.h"
#include "interwork/text.h"

/* Whether it is "--BOUNDARY", with blanks behind it; `*is_last`: or "--BOUNDARY--". */
static bool is_delimiter(struct xfed_span line, struct xfed_span boundary, bool *is_last)
{
	if (line.len < boundary.len + 2 || memcmp(line.data, "--", 2) != 0 || memcmp(line.data + 2, boundary.data, boundary.len) != 0) {
		return false;
	}
	struct xfed_span behind = xfed_span_trim(xfed_span_make(line.data + 2 + boundary.len, line.len - 2 - boundary.len));
	*is_last = xfed_span_is(behind, "--");
	return *is_last || behind.len == 0;
}

/*
 * What is in front of the next delimiter; `rest` moves behind that. The line end in front of it belongs to it, and so do further ones, which
 * are no part of what somebody wrote. A body that ends without a delimiter ends its last part.
 */
static struct xfed_span next_part(struct xfed_span *rest, struct xfed_span boundary, bool *is_last)
{
	const char *start = rest->data, *end = start;
	bool is_found = false;
	while (rest->len > 0 && !is_found) {
		end = rest->data;
		is_found = is_delimiter(iw_text_next_line(rest), boundary, is_last);
	}
	if (!is_found) {
		end = rest->data;
		*is_last = true;
	}
	while (end > start && (end[-1] == '\n' || end[-1] == '\r')) {
		end--;
	}
	return xfed_span_make(start, (size_t)(end - start));
}

/* False: its header fields are too long. */
static bool read_part(struct xfed_span part, struct iw_sip_message *out)
{
	const char *start = part.data;
	while (part.len > 0) {
		struct xfed_span value = iw_text_next_line(&part);
		if (part.data - start > IW_PART_HEADERS_BYTES) {
			return false;
		}
		if (value.len == 0) {
			break;
		}
		struct xfed_span name = xfed_span_trim(xfed_span_cut(&value, ':'));
		value = xfed_span_trim(value);
		if (xfed_span_eq_nocase(name, XFED_SPAN("Content-Type"))) {
			out->content_type = value;
		} else if (xfed_span_eq_nocase(name, XFED_SPAN("Content-Transfer-Encoding"))) {
			out->transfer_encoding = value;
		}
	}
	out->body = part;
	return true;
}

/* 2: plain text, 1: HTML, 0: neither. A part without Content-Type is plain text (RFC 2046 section 5.1). */
static int worth_of(struct xfed_span content_type)
{
	struct iw_content_type t;
	if (!content_type.data) {
		return 2;
	}
	if (!iw_content_type_parse(content_type, &t) || !xfed_span_eq_nocase(t.type, XFED_SPAN("text"))) {
		return 0;
	}
	return xfed_span_eq_nocase(t.subtype, XFED_SPAN("plain")) ? 2 : xfed_span_eq_nocase(t.subtype, XFED_SPAN("html")) ? 1 : 0;
}

bool iw_multipart_choose(struct xfed_span params, struct xfed_span body, struct iw_sip_message *part)
{
	struct xfed_span boundary = iw_content_param(params, "boundary");
	bool is_last = false;
	int best = 0;
	if (boundary.len == 0 || boundary.len > IW_PART_BOUNDARY_BYTES) {
		return false;
	}
	next_part(&body, boundary, &is_last); /* the preamble */
	for (size_t count = 0; !is_last && body.len > 0; count++) {
		struct iw_sip_message one = *part;
		one.content_type = one.transfer_encoding = xfed_span_make(NULL, 0);
		if (count == IW_PARTS_MAX || !read_part(next_part(&body, boundary, &is_last), &one)) {
			return false;
		}
		int worth = worth_of(one.content_type);
		if (worth > best) {
			one.content_type = one.content_type.data ? one.content_type : XFED_SPAN("text/plain");
			*part = one;
			best = worth;
		}
	}
	return best > 0;
}
