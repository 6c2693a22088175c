#include "sip/print.h"

#include <stdio.h>

#include "sip/lex.h"
#include "sip/scan.h"
#include "xfed/text.h"

#define CSEQ_LIMIT (1U << 31) /* RFC 3261 section 8.1.1.5 */

/* Writes what fits and counts the rest, so that one pass measures and prints. */
struct writer {
	char *out;
	size_t size, len;
	bool is_bad;
};

static void put(struct writer *w, struct xfed_span s)
{
	if (w->out && s.len > 0 && w->len <= w->size && s.len <= w->size - w->len) {
		memcpy(w->out + w->len, s.data, s.len);
	}
	w->len += s.len;
}

static void put_str(struct writer *w, const char *s)
{
	put(w, xfed_span_str(s));
}

static void put_number(struct writer *w, uint64_t n)
{
	char digits[XFED_NUMBER_BYTES];
	size_t len = xfed_text_number(digits, n);
	put(w, xfed_span_make(digits, len));
}

static void require(struct writer *w, bool fine)
{
	w->is_bad |= !fine;
}

static int finish(const struct writer *w, size_t *len)
{
	*len = w->len;
	if (w->is_bad) {
		return XFED_ERR_INVALID;
	}
	return w->out && w->len > w->size ? XFED_ERR_LIMIT : XFED_OK;
}

static struct writer writer_start(char *out, size_t size)
{
	return (struct writer){ .out = out, .size = size };
}

/* "Name: value"; nothing if it is absent. `is_checked`: the value has been found printable before. */
static void put_checked(struct writer *w, const char *name, struct xfed_span value, bool is_checked)
{
	if (!value.data) {
		return;
	}
	require(w, is_checked || (sip_is_printable(value) && sip_is_utf8(value)));
	put_str(w, name);
	put_str(w, ": ");
	put(w, value);
	put_str(w, "\r\n");
}

static void put_field(struct writer *w, const char *name, struct xfed_span value)
{
	put_checked(w, name, value, false);
}

/* A field as received: unfolded, so free of line ends, but perhaps with quoted control characters. */
static void put_copy(struct writer *w, const char *name, struct xfed_span value)
{
	require(w, !memchr(value.data, '\r', value.len) && !memchr(value.data, '\n', value.len));
	put_str(w, name);
	put_str(w, ": ");
	put(w, value);
	put_str(w, "\r\n");
}

static void put_quoted(struct writer *w, struct xfed_span display)
{
	require(w, sip_is_printable(display) && sip_is_utf8(display));
	put_str(w, "\"");
	for (size_t i = 0; i < display.len; i++) {
		if (display.data[i] == '"' || display.data[i] == '\\') {
			put_str(w, "\\");
		}
		put(w, xfed_span_make(display.data + i, 1));
	}
	put_str(w, "\" ");
}

/* `is_checked`: URI and tag. */
static void put_address(struct writer *w, const char *name, struct xfed_span display, struct xfed_span uri, struct xfed_span tag, bool is_checked)
{
	struct sip_uri parsed;
	require(w, is_checked || sip_uri_parse(uri, &parsed) == XFED_OK);
	put_str(w, name);
	put_str(w, ": ");
	if (display.data) {
		put_quoted(w, display);
	}
	put_str(w, "<");
	put(w, uri);
	put_str(w, ">");
	if (tag.data) {
		require(w, is_checked || sip_is_token(tag));
		put_str(w, ";tag=");
		put(w, tag);
	}
	put_str(w, "\r\n");
}

static void put_via(struct writer *w, const struct sip_via_out *via)
{
	bool is_ipv6 = via->host.len > 0 && memchr(via->host.data, ':', via->host.len);
	require(w, sip_host_is_valid(via->host) && sip_is_token(via->branch));
	put_str(w, "Via: SIP/2.0/");
	put_str(w, via->transport);
	put_str(w, is_ipv6 ? " [" : " ");
	put(w, via->host);
	put_str(w, is_ipv6 ? "]" : "");
	if (via->port != 0) {
		put_str(w, ":");
		put_number(w, via->port);
	}
	put_str(w, ";branch=z9hG4bK");
	put(w, via->branch);
	put_str(w, via->has_rport ? ";rport\r\n" : "\r\n");
}

/* Further header fields: one per line, not folded, none that the template writes itself. */
static void put_extra(struct writer *w, struct xfed_span extra)
{
	struct xfed_span rest = extra;
	while (rest.len > 0) {
		const char *end = memchr(rest.data, '\r', rest.len);
		struct xfed_span line = xfed_span_make(rest.data, end ? (size_t)(end - rest.data) : rest.len), name, value;
		bool is_whole = rest.len - line.len >= 2 && end[1] == '\n';
		bool fine = is_whole && sip_is_printable(line) && sip_scan_header(line, &name, &value) && sip_is_utf8(value);
		enum sip_header_id id = fine ? sip_scan_header_id(name) : SIP_HEADER_OTHER;
		require(w, fine && id != SIP_HEADER_VIA && id != SIP_HEADER_FROM && id != SIP_HEADER_TO && id != SIP_HEADER_CALL_ID &&
				   id != SIP_HEADER_CSEQ && id != SIP_HEADER_CONTENT_LENGTH);
		if (!fine) {
			return;
		}
		rest = xfed_span_make(end + 2, rest.len - line.len - 2);
	}
	put(w, extra);
}

static void put_content_length(struct writer *w, size_t n)
{
	put_str(w, "Content-Length: ");
	put_number(w, n);
	put_str(w, "\r\n\r\n");
}

static void put_cseq(struct writer *w, uint32_t number, struct xfed_span method)
{
	require(w, sip_is_token(method));
	put_str(w, "CSeq: ");
	put_number(w, number);
	put_str(w, " ");
	put(w, method);
	put_str(w, "\r\n");
}

static void put_request_line(struct writer *w, struct xfed_span method, struct xfed_span uri, bool is_checked)
{
	struct sip_uri parsed;
	require(w, sip_is_token(method) && (is_checked || (sip_uri_parse(uri, &parsed) == XFED_OK && parsed.headers.len == 0)));
	put(w, method);
	put_str(w, " ");
	put(w, uri);
	put_str(w, " SIP/2.0\r\n");
}

static bool is_media_type(struct xfed_span s)
{
	const char *slash = s.len > 0 ? memchr(s.data, '/', s.len) : NULL;
	return slash && slash > s.data && sip_is_token(xfed_span_make(s.data, (size_t)(slash - s.data)));
}

/* True: absent, or one or more addresses. */
static bool is_address_list(struct xfed_span rest)
{
	struct xfed_span element;
	struct sip_addr addr;
	bool bad = false, is_absent = !rest.data, has_one = false;
	while (!bad && sip_list_next(&rest, &element, &bad)) {
		has_one = true;
		bad = sip_addr_parse(element, &addr) != XFED_OK;
	}
	return is_absent || (has_one && !bad);
}

int sip_print_request(const struct sip_request *r, const struct sip_via_out *via, char *out, size_t size, size_t *len)
{
	struct writer w = writer_start(out, size);
	require(&w, r->cseq < CSEQ_LIMIT && r->max_forwards >= 0 && r->max_forwards <= 255);
	require(&w, r->is_of_dialog || (sip_is_call_id(r->call_id) && r->from_tag.data && is_address_list(r->route)));
	require(&w, is_address_list(r->contact) && (!r->content_type.data || is_media_type(r->content_type)));
	put_request_line(&w, r->method, r->uri, r->is_of_dialog);
	put_via(&w, via);
	put_str(&w, "Max-Forwards: ");
	put_number(&w, r->max_forwards > 0 ? (uint64_t)r->max_forwards : 70);
	put_str(&w, "\r\n");
	put_checked(&w, "Route", r->route, r->is_of_dialog);
	put_address(&w, "From", r->from_display, r->from_uri, r->from_tag, r->is_of_dialog);
	put_address(&w, "To", (struct xfed_span){ NULL, 0 }, r->to_uri, r->to_tag, r->is_of_dialog);
	put_checked(&w, "Call-ID", r->call_id, r->is_of_dialog);
	put_cseq(&w, r->cseq, r->method);
	put_field(&w, "Contact", r->contact);
	put_field(&w, "User-Agent", r->user_agent);
	put_field(&w, "Date", r->date);
	put_field(&w, "Subject", r->subject);
	put_field(&w, "Content-Type", r->content_type);
	put_field(&w, "Content-Language", r->content_language);
	put_extra(&w, r->extra);
	put_content_length(&w, r->body.len);
	put(&w, r->body);
	return finish(&w, len);
}

/* The topmost Via with our received and rport in place of those it had (RFC 3261 section 18.2.1, RFC 3581 section 4). */
static void put_top_via(struct writer *w, const struct sip_via *via, const struct sip_source *source)
{
	struct xfed_span rest = via->params, name, value;
	bool bad = false;
	put(w, xfed_span_make(via->value.data, (size_t)(via->params.data - via->value.data)));
	while (sip_param_next(&rest, &name, &value, &bad)) {
		if (xfed_span_eq_nocase(name, XFED_SPAN("received")) || xfed_span_eq_nocase(name, XFED_SPAN("rport"))) {
			continue;
		}
		put_str(w, ";");
		put(w, name);
		if (value.data) {
			put_str(w, "=");
			put(w, value);
		}
	}
	require(w, sip_host_is_address(source->ip));
	put_str(w, ";received=");
	put(w, source->ip);
	if (via->has_rport) {
		put_str(w, ";rport=");
		put_number(w, source->port);
	}
}

static void put_vias(struct writer *w, const struct sip_message *m, const struct sip_source *source)
{
	const struct sip_header *h = NULL;
	const struct sip_via *top = &m->via;
	/* A Via that did not parse has no host; it is returned as received. */
	bool rewrite = top->host.len > 0 && source->ip.len > 0 && (top->has_rport || top->received.data || !sip_host_eq(top->host, source->ip));
	while ((h = sip_message_header(m, SIP_HEADER_VIA, h))) {
		if (!rewrite) {
			put_copy(w, "Via", h->value);
			continue;
		}
		if (h->value.len == 0 || top->value.data < h->value.data || top->value.data >= h->value.data + h->value.len) {
			put_copy(w, "Via", h->value);
			continue;
		}
		const char *behind = top->value.data + top->value.len;
		put_str(w, "Via: ");
		put_top_via(w, top, source);
		put(w, xfed_span_make(behind, (size_t)(h->value.data + h->value.len - behind)));
		put_str(w, "\r\n");
	}
}

static void put_to(struct writer *w, const struct sip_message *m, struct xfed_span to_tag)
{
	put_str(w, "To: ");
	put(w, m->to.value);
	/* A To that did not parse has no URI: a tag appended to it might end up inside a quoted string. */
	if (!m->to.tag.data && m->to.uri.len > 0 && to_tag.data) {
		require(w, sip_is_token(to_tag));
		put_str(w, ";tag=");
		put(w, to_tag);
	}
	put_str(w, "\r\n");
}

int sip_print_response_head(
	const struct sip_message *request, const struct sip_source *source, struct xfed_span to_tag, char *out, size_t size, size_t *len)
{
	static const enum sip_header_id copied[] = { SIP_HEADER_CALL_ID, SIP_HEADER_CSEQ };
	struct writer w = writer_start(out, size);
	put_vias(&w, request, source);
	put_copy(&w, "From", request->from.value);
	put_to(&w, request, to_tag);
	for (size_t i = 0; i < XFED_ARRAY_LEN(copied); i++) {
		const struct sip_header *h = sip_message_header(request, copied[i], NULL);
		if (h) {
			put_copy(&w, sip_header_name(copied[i]), h->value);
		}
	}
	return finish(&w, len);
}

int sip_print_record_route(const struct sip_message *request, char *out, size_t size, size_t *len)
{
	struct writer w = writer_start(out, size);
	const struct sip_header *h = NULL;
	while ((h = sip_message_header(request, SIP_HEADER_RECORD_ROUTE, h))) {
		put_copy(&w, "Record-Route", h->value);
	}
	return finish(&w, len);
}

int sip_print_response(const struct sip_response *r, struct xfed_span head, char *out, size_t size, size_t *len)
{
	struct writer w = writer_start(out, size);
	struct xfed_span phrase = r->phrase.data ? r->phrase : xfed_span_str(sip_status_phrase(r->status));
	require(&w, r->status >= 100 && r->status <= 699 && sip_is_printable(phrase) && sip_is_utf8(phrase));
	require(&w, is_address_list(r->contact) && (!r->content_type.data || is_media_type(r->content_type)));
	put_str(&w, "SIP/2.0 ");
	put_number(&w, (uint64_t)(r->status > 0 ? r->status : 0));
	put_str(&w, " ");
	put(&w, phrase);
	put_str(&w, "\r\n");
	put(&w, head);
	put_field(&w, "Contact", r->contact);
	put_field(&w, "Content-Type", r->content_type);
	put_extra(&w, r->extra);
	put_content_length(&w, r->body.len);
	put(&w, r->body);
	return finish(&w, len);
}

/* ACK and CANCEL, which go where the INVITE went and have its branch (RFC 3261 sections 9.1, 17.1.1.3). */
static int print_follower(const struct sip_message *invite, const char *method, struct xfed_span to, char *out, size_t size, size_t *len)
{
	struct writer w = writer_start(out, size);
	const struct sip_header *h = NULL;
	put_request_line(&w, xfed_span_str(method), invite->request_uri, false);
	put_copy(&w, "Via", invite->via.value);
	put_str(&w, "Max-Forwards: 70\r\n");
	while ((h = sip_message_header(invite, SIP_HEADER_ROUTE, h))) {
		put_copy(&w, "Route", h->value);
	}
	put_copy(&w, "From", invite->from.value);
	put_copy(&w, "To", to);
	put_copy(&w, "Call-ID", invite->call_id);
	put_cseq(&w, invite->cseq, xfed_span_str(method));
	put_content_length(&w, 0);
	return finish(&w, len);
}

int sip_print_ack(const struct sip_message *invite, const struct sip_message *response, char *out, size_t size, size_t *len)
{
	return print_follower(invite, "ACK", response->to.value, out, size, len);
}

int sip_print_cancel(const struct sip_message *invite, char *out, size_t size, size_t *len)
{
	return print_follower(invite, "CANCEL", invite->to.value, out, size, len);
}

struct xfed_span sip_print_credentials(const struct sip_message *invite, char out[SIP_CREDENTIALS_SIZE])
{
	static const char *const names[] = { "Authorization", "Proxy-Authorization" };
	size_t at = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		const struct sip_header *h = NULL;
		while ((h = sip_message_header_named(invite, names[i], h))) {
			int n = snprintf(out + at, SIP_CREDENTIALS_SIZE - at, "%s: %.*s\r\n", names[i], (int)h->value.len, h->value.data);
			at += n > 0 && (size_t)n < SIP_CREDENTIALS_SIZE - at ? (size_t)n : 0;
		}
	}
	return xfed_span_make(out, at);
}
