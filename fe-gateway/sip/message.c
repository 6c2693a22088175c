#include "sip/message.h"

#include "sip/lex.h"
#include "sip/method.h"
#include "sip/scan.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

struct parse {
	struct sip_message *m;
	struct sip_error *err;
	bool is_refused;
	size_t head_len;
	struct xfed_span start_line;
	enum sip_method method; /* of the request, or of the one answered */
};

/* The first error counts; parsing goes on, so that a request can still be answered. */
static void refuse_header(struct parse *p, int status, const char *phrase, enum sip_header_id id)
{
	if (!p->is_refused) {
		p->is_refused = true;
		*p->err = (struct sip_error){ .status = status, .phrase = phrase };
		p->err->header = id == SIP_HEADER_OTHER ? NULL : sip_header_name(id);
	}
}

static void refuse(struct parse *p, int status, const char *phrase, bool is_framing)
{
	refuse_header(p, status, phrase, SIP_HEADER_OTHER);
	p->err->is_framing |= is_framing;
}

/* RFC 3261 section 12, RFC 6665: requests, and their responses, that make or change a dialog or a registration. */
static bool has_dialog_fields(enum sip_method method)
{
	return method == SIP_METHOD_INVITE || method == SIP_METHOD_SUBSCRIBE || method == SIP_METHOD_NOTIFY || method == SIP_METHOD_UPDATE ||
	       method == SIP_METHOD_REFER || method == SIP_METHOD_REGISTER;
}

static bool is_needed(const struct parse *p, enum sip_header_id id)
{
	switch (id) {
	case SIP_HEADER_VIA:
	case SIP_HEADER_FROM:
	case SIP_HEADER_TO:
	case SIP_HEADER_CALL_ID:
	case SIP_HEADER_CSEQ:
	case SIP_HEADER_CONTENT_LENGTH:
		return true;
	case SIP_HEADER_MAX_FORWARDS:
	case SIP_HEADER_REQUIRE:
	case SIP_HEADER_CONTENT_TYPE:
	case SIP_HEADER_CONTENT_ENCODING:
	case SIP_HEADER_CONTENT_LANGUAGE:
	case SIP_HEADER_CONTENT_DISPOSITION:
	case SIP_HEADER_CONTENT_TRANSFER_ENCODING:
	case SIP_HEADER_TRANSFER_ENCODING:
		return p->m->is_request;
	case SIP_HEADER_CONTACT:
	case SIP_HEADER_RECORD_ROUTE:
	case SIP_HEADER_EVENT:
	case SIP_HEADER_EXPIRES:
	case SIP_HEADER_SUBSCRIPTION_STATE:
		return has_dialog_fields(p->method);
	default:
		return false;
	}
}

/* A field does not parse: the message is refused, or if nobody needs the field it counts as absent. */
static void reject(struct parse *p, enum sip_header_id id, const char *phrase)
{
	if (is_needed(p, id)) {
		refuse_header(p, 400, phrase, id);
		return;
	}
	for (size_t i = 0; i < p->m->header_count; i++) {
		if (p->m->headers[i].id == id) {
			p->m->headers[i].id = SIP_HEADER_OTHER;
		}
	}
}

/* Checks the limits before anything is allocated, and finds the length of the header block. */
static int measure(struct xfed_span bytes, size_t *head_len, size_t *lines, struct sip_error *err)
{
	*err = (struct sip_error){ .status = 400, .phrase = "No End of Header", .is_framing = true };
	if (bytes.len > XFED_SIP_MESSAGE_BYTES) {
		*err = (struct sip_error){ .status = 413, .phrase = "Message Too Large", .is_framing = true };
		return XFED_ERR_INVALID;
	}
	*head_len = sip_scan_head_length(bytes, 0);
	if (*head_len > XFED_SIP_HEADER_BYTES || (*head_len == 0 && bytes.len > XFED_SIP_HEADER_BYTES)) {
		*err = (struct sip_error){ .status = 513, .phrase = "Header Too Large", .is_framing = true };
		return XFED_ERR_INVALID;
	}
	if (*head_len == 0) {
		return XFED_ERR_INVALID;
	}
	*lines = 0;
	for (size_t i = 0; i < *head_len; ++*lines) {
		/* the header block ends with a line end, so one is found */
		i = (size_t)((const char *)memchr(bytes.data + i, '\n', *head_len - i) - bytes.data) + 1;
	}
	return XFED_OK;
}

/* Message, fields and bytes are one block: that of `spare`, where it is large enough. */
static struct sip_message *allocate(struct sip_message *spare, struct xfed_span bytes, size_t fields, char **copy)
{
	size_t size = sizeof(struct sip_message) + fields * sizeof(struct sip_header) + bytes.len + 1;
	struct sip_message *m = spare;
	if (!spare || spare->block_size < size) {
		xfed_free(spare);
		m = xfed_malloc(size);
	} else {
		size = spare->block_size;
	}
	if (!m) {
		return NULL;
	}
	*m = (struct sip_message){ .expires = -1, .retry_after_s = -1, .block_size = size };
	m->headers = (struct sip_header *)(m + 1);
	*copy = (char *)(m->headers + fields);
	memcpy(*copy, bytes.data, bytes.len);
	(*copy)[bytes.len] = '\0';
	return m;
}

static void unfold(struct xfed_span line)
{
	char *p = (char *)(uintptr_t)line.data;
	bool is_folded = memchr(line.data, '\n', line.len) != NULL; /* most are not */
	for (size_t i = 0; is_folded && i < line.len; i++) {
		if (p[i] == '\r' || p[i] == '\n') {
			p[i] = ' ';
		}
	}
}

static void take_lines(struct parse *p, struct xfed_span head, size_t room)
{
	struct sip_message *m = p->m;
	struct xfed_span line;
	int rc = sip_scan_line(&head, &p->start_line);
	if (rc != XFED_OK || memchr(p->start_line.data, '\n', p->start_line.len) || memchr(p->start_line.data, 0, p->start_line.len)) {
		refuse(p, 400, "Bad Start Line", rc != XFED_OK);
	}
	m->is_request = p->start_line.len < 4 || !xfed_span_eq_nocase(xfed_span_make(p->start_line.data, 4), XFED_SPAN("SIP/"));
	while (rc == XFED_OK && (rc = sip_scan_line(&head, &line)) == XFED_OK) {
		struct sip_header h = { 0 };
		if (m->header_count == room) {
			refuse(p, 513, "Too Many Header Fields", false);
			return;
		}
		h.has_controls = !sip_scan_controls_fine(line);
		if (h.has_controls && memchr(line.data, 0, line.len)) {
			refuse(p, 400, "NUL in Header", false);
		}
		unfold(line);
		if (sip_scan_header(line, &h.name, &h.value)) {
			h.id = sip_scan_header_id(h.name);
			m->headers[m->header_count++] = h;
		} else if (m->is_request) {
			refuse(p, 400, "Bad Header Line", false);
		}
	}
	if (rc == XFED_ERR_INVALID) {
		refuse(p, 400, "Bad Line End", true);
	}
}

static bool is_once_only(enum sip_header_id id)
{
	static const bool once[SIP_HEADER_COUNT] = {
#define X(id, name, compact, single) [SIP_HEADER_##id] = single,
		SIP_HEADERS(X)
#undef X
	};
	return once[id];
}

/* Checks control characters, and fields that may occur only once ([C9] multi01, mcl01). */
static void check_all(struct parse *p)
{
	bool seen[SIP_HEADER_COUNT] = { false };
	for (size_t i = 0; i < p->m->header_count; i++) {
		enum sip_header_id id = p->m->headers[i].id;
		if (p->m->headers[i].has_controls) {
			reject(p, id, "Control Character in Header");
		} else if (seen[id] && is_once_only(id)) {
			reject(p, id, "Repeated Header Field");
			p->err->is_framing |= id == SIP_HEADER_CONTENT_LENGTH;
		}
		seen[id] = true;
	}
}

static struct xfed_span value_of(const struct sip_message *m, enum sip_header_id id)
{
	const struct sip_header *h = sip_message_header(m, id, NULL);
	return h ? h->value : (struct xfed_span){ NULL, 0 };
}

/* Judges SIP-Version: 0 for SIP/2.0, 505 for another version, 400 for none. */
static int judge_version(struct xfed_span v)
{
	if (xfed_span_eq_nocase(v, XFED_SPAN("SIP/2.0"))) {
		return 0;
	}
	const char *dot = v.len > 4 ? memchr(v.data, '.', v.len) : NULL;
	uint64_t n;
	bool versioned = dot && dot > v.data + 4 && xfed_span_eq_nocase(xfed_span_make(v.data, 4), XFED_SPAN("SIP/")) &&
			 sip_number(xfed_span_make(v.data + 4, (size_t)(dot - v.data) - 4), UINT64_MAX, &n) &&
			 sip_number(xfed_span_make(dot + 1, v.len - (size_t)(dot - v.data) - 1), UINT64_MAX, &n);
	return versioned ? 505 : 400;
}

static void read_request_line(struct parse *p)
{
	struct sip_message *m = p->m;
	struct xfed_span line = p->start_line;
	const char *one = memchr(line.data, ' ', line.len);
	const char *two = memrchr(line.data, ' ', line.len);
	size_t method_len = one ? (size_t)(one - line.data) : 0;
	/* Set even where the rest is broken, because an ACK is never answered. */
	m->method = xfed_span_make(line.data, method_len);
	if (!one || two == one) {
		refuse(p, 400, "Bad Request Line", false);
		return;
	}
	size_t uri_len = (size_t)(two - one) - 1;
	m->request_uri = xfed_span_make(one + 1, uri_len);
	int version = judge_version(xfed_span_make(two + 1, line.len - method_len - uri_len - 2));
	if (version != 0) {
		refuse(p, version, version == 505 ? "Version Not Supported" : "Bad Request Line", false);
	}
	if (!sip_is_token(m->method)) {
		refuse(p, 400, "Bad Method", false);
	}
	p->method = sip_method_parse(m->method);
	if (sip_uri_parse(m->request_uri, &m->uri) != XFED_OK) {
		refuse(p, 400, "Bad Request-URI", false);
	}
	/* RFC 3261 section 19.1.1: no headers in a Request-URI. */
	if (m->uri.headers.len > 0) {
		refuse(p, 400, "Headers in Request-URI", false);
	}
}

static void read_status_line(struct parse *p)
{
	struct xfed_span line = p->start_line;
	const size_t prefix = strlen("SIP/2.0 ");
	uint64_t status = 0;
	bool fine = line.len >= prefix + 3 && judge_version(xfed_span_make(line.data, prefix - 1)) == 0 && line.data[prefix - 1] == ' ' &&
		    sip_number(xfed_span_make(line.data + prefix, 3), 699, &status) && status >= 100 &&
		    (line.len == prefix + 3 || line.data[prefix + 3] == ' ');
	if (!fine) {
		refuse(p, 400, "Bad Status Line", false);
		return;
	}
	p->m->status = (int)status;
	size_t used = line.len > prefix + 3 ? prefix + 4 : prefix + 3;
	p->m->reason = xfed_span_make(line.data + used, sip_is_printable(xfed_span_make(line.data + used, line.len - used)) ? line.len - used : 0);
}

static void read_vias(struct parse *p)
{
	struct sip_message *m = p->m;
	const struct sip_header *h = NULL;
	while ((h = sip_message_header(m, SIP_HEADER_VIA, h))) {
		struct xfed_span rest = h->value, element;
		struct sip_via via;
		bool bad = false;
		while (sip_list_next(&rest, &element, &bad)) {
			bad |= sip_via_parse(element, &via) != XFED_OK;
			if (m->via_count++ == 0) {
				m->via = bad ? (struct sip_via){ .value = element } : via;
			}
		}
		if (bad || m->via_count == 0) {
			reject(p, SIP_HEADER_VIA, "Bad Via");
		}
	}
	if (m->via_count == 0) {
		reject(p, SIP_HEADER_VIA, "No Via");
	}
}

static void read_address(struct parse *p, enum sip_header_id id, struct sip_addr *out, const char *missing, const char *bad)
{
	struct xfed_span value = value_of(p->m, id);
	struct sip_uri uri;
	if (!value.data) {
		reject(p, id, missing);
	} else if (sip_addr_parse(value, out) != XFED_OK || sip_uri_parse(out->uri, &uri) != XFED_OK) {
		*out = (struct sip_addr){ .value = value };
		reject(p, id, bad);
	}
}

static void read_cseq(struct parse *p)
{
	struct sip_message *m = p->m;
	struct xfed_span v = value_of(m, SIP_HEADER_CSEQ);
	size_t n = 0;
	uint64_t number = 0;
	if (!v.data) {
		reject(p, SIP_HEADER_CSEQ, "No CSeq");
		return;
	}
	while (n < v.len && v.data[n] >= '0' && v.data[n] <= '9') {
		n++;
	}
	m->cseq_method = sip_trim(xfed_span_make(v.data + n, v.len - n));
	bool spaced = n < v.len && (v.data[n] == ' ' || v.data[n] == '\t');
	if (!spaced || !sip_number(xfed_span_make(v.data, n), UINT32_MAX, &number) || !sip_is_token(m->cseq_method)) {
		reject(p, SIP_HEADER_CSEQ, "Bad CSeq");
	} else if (m->is_request && m->method.len > 0 && !xfed_span_eq(m->method, m->cseq_method)) {
		/* RFC 4475 section 3.1.2.18: an unknown method is reported before the mismatch. */
		bool known = p->method != SIP_METHOD_UNKNOWN;
		refuse_header(p, known ? 400 : 501, known ? "CSeq Method Mismatch" : "Not Implemented", SIP_HEADER_CSEQ);
	}
	m->cseq = (uint32_t)number;
	if (!m->is_request) {
		p->method = sip_method_parse(m->cseq_method);
	}
}

/* Wider than word ["@" word]: the value is only compared and copied, and "=" in it is common. */
static bool is_received_call_id(struct xfed_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.data[i] <= ' ' || (unsigned char)s.data[i] > '~') {
			return false;
		}
	}
	return s.len > 0;
}

static void read_call_id(struct parse *p)
{
	p->m->call_id = value_of(p->m, SIP_HEADER_CALL_ID);
	if (!p->m->call_id.data) {
		reject(p, SIP_HEADER_CALL_ID, "No Call-ID");
	} else if (!is_received_call_id(p->m->call_id)) {
		reject(p, SIP_HEADER_CALL_ID, "Bad Call-ID");
	}
}

/* It may be absent: a proxy forwards such requests (section 16.3), and a user agent need not check. */
#define MAX_FORWARDS_ABSENT 70

static void read_max_forwards(struct parse *p)
{
	struct xfed_span v = value_of(p->m, SIP_HEADER_MAX_FORWARDS);
	uint64_t n = MAX_FORWARDS_ABSENT;
	if (v.data && !sip_number(v, 255, &n)) {
		reject(p, SIP_HEADER_MAX_FORWARDS, "Bad Max-Forwards");
	}
	p->m->max_forwards = (int)n;
}

/* Contact and Record-Route: lists of addresses. */
static void check_addresses(struct parse *p, enum sip_header_id id, const char *phrase)
{
	const struct sip_header *h = NULL;
	bool bad = false;
	while (!bad && (h = sip_message_header(p->m, id, h))) {
		struct xfed_span rest = h->value, element;
		struct sip_addr addr;
		struct sip_uri uri;
		bool is_star = id == SIP_HEADER_CONTACT && xfed_span_is(h->value, "*");
		while (!bad && !is_star && sip_list_next(&rest, &element, &bad)) {
			bad = sip_addr_parse(element, &addr) != XFED_OK || sip_uri_parse(addr.uri, &uri) != XFED_OK;
		}
	}
	if (bad) {
		reject(p, id, phrase);
	}
}

/* type "/" subtype, perhaps with blanks around the slash. */
static bool is_media_type(struct xfed_span s)
{
	const char *slash = s.len > 0 ? memchr(s.data, '/', s.len) : NULL;
	size_t n = slash ? (size_t)(slash - s.data) : 0;
	return slash && sip_is_token(sip_trim(xfed_span_make(s.data, n))) && sip_is_token(sip_trim(xfed_span_make(slash + 1, s.len - n - 1)));
}

/* Skips a ";" with nothing behind it, which some phones leave at the end. */
static struct xfed_span skip_empty_params(struct xfed_span s)
{
	for (s = sip_trim(s); s.len > 0 && s.data[0] == ';';) {
		struct xfed_span next = sip_trim(xfed_span_make(s.data + 1, s.len - 1));
		if (next.len > 0 && next.data[0] != ';') {
			break;
		}
		s = next;
	}
	return s;
}

static void read_content_type(struct parse *p)
{
	struct sip_message *m = p->m;
	struct xfed_span v = value_of(m, SIP_HEADER_CONTENT_TYPE), name, value;
	if (!v.data) {
		return;
	}
	size_t semi = sip_find_outside(v, ';');
	semi = semi == SIZE_MAX ? v.len : semi;
	struct xfed_span type = sip_trim(xfed_span_make(v.data, semi)), params = xfed_span_make(v.data + semi, v.len - semi), rest = params;
	bool bad = !is_media_type(type);
	do {
		rest = skip_empty_params(rest);
	} while (sip_param_next(&rest, &name, &value, &bad));
	if (bad) {
		reject(p, SIP_HEADER_CONTENT_TYPE, "Bad Content-Type");
		return;
	}
	m->content_type = v;
	m->media_type = type;
	m->content_type_params = params;
}

/* delta-seconds, perhaps followed by a comment or parameters; a number that is too large counts as the largest. */
static int64_t read_seconds(struct xfed_span v)
{
	size_t n = 0;
	uint64_t s = 0;
	while (n < v.len && v.data[n] >= '0' && v.data[n] <= '9') {
		n++;
	}
	if (n == 0) {
		return -1;
	}
	return sip_number(xfed_span_make(v.data, n), UINT32_MAX, &s) ? (int64_t)s : (int64_t)UINT32_MAX;
}

static void read_others(struct parse *p)
{
	struct sip_message *m = p->m;
	m->content_encoding = value_of(m, SIP_HEADER_CONTENT_ENCODING);
	m->content_language = value_of(m, SIP_HEADER_CONTENT_LANGUAGE);
	m->content_disposition = value_of(m, SIP_HEADER_CONTENT_DISPOSITION);
	m->content_transfer_encoding = value_of(m, SIP_HEADER_CONTENT_TRANSFER_ENCODING);
	if (!m->content_transfer_encoding.data) {
		m->content_transfer_encoding = value_of(m, SIP_HEADER_TRANSFER_ENCODING);
	}
	m->subject = value_of(m, SIP_HEADER_SUBJECT);
	m->date = value_of(m, SIP_HEADER_DATE);
	m->accept = value_of(m, SIP_HEADER_ACCEPT);
	m->contact = value_of(m, SIP_HEADER_CONTACT);
	struct xfed_span expires = value_of(m, SIP_HEADER_EXPIRES);
	m->expires = read_seconds(expires);
	if (expires.data && m->expires < 0) {
		reject(p, SIP_HEADER_EXPIRES, "Bad Expires");
	}
	m->retry_after_s = read_seconds(value_of(m, SIP_HEADER_RETRY_AFTER));
}

static void refuse_length(struct parse *p, int status, const char *phrase, bool is_framing)
{
	refuse_header(p, status, phrase, SIP_HEADER_CONTENT_LENGTH);
	p->err->is_framing |= is_framing;
}

static void take_body(struct parse *p, struct xfed_span copy, enum sip_parse_flags flags)
{
	struct xfed_span rest = xfed_span_make(copy.data + p->head_len, copy.len - p->head_len);
	struct xfed_span v = value_of(p->m, SIP_HEADER_CONTENT_LENGTH);
	uint64_t n = rest.len;
	bool is_stream = flags & SIP_PARSE_STREAM;
	if (!v.data) {
		if (is_stream) {
			refuse_length(p, 400, "No Content-Length", true);
		}
	} else if (!sip_number(v, UINT32_MAX, &n)) {
		n = rest.len;
		refuse_length(p, 400, "Bad Content-Length", true);
	} else if (n > XFED_SIP_MESSAGE_BYTES - p->head_len) {
		refuse_length(p, 413, "Message Too Large", n > XFED_SIP_SKIP_BYTES); /* the framer has skipped a body up to that size */
	} else if (n > rest.len || (is_stream && n < rest.len)) {
		refuse_length(p, 400, "Content-Length Does Not Fit", true);
	}
	p->m->body = xfed_span_make(rest.data, n < rest.len ? (size_t)n : rest.len);
}

static void read_fields(struct parse *p)
{
	struct sip_message *m = p->m;
	if (m->is_request) {
		read_request_line(p);
	} else {
		read_status_line(p);
	}
	read_cseq(p); /* first, because the fields a response needs depend on the method in CSeq */
	check_all(p);
	read_vias(p);
	read_address(p, SIP_HEADER_FROM, &m->from, "No From", "Bad From");
	read_address(p, SIP_HEADER_TO, &m->to, "No To", "Bad To");
	read_call_id(p);
	read_max_forwards(p);
	check_addresses(p, SIP_HEADER_CONTACT, "Bad Contact");
	check_addresses(p, SIP_HEADER_RECORD_ROUTE, "Bad Record-Route");
	read_content_type(p);
	read_others(p);
}

/* Has what sip_print_response_head() needs. ACKs are never answered, even if their start line is broken. */
static bool is_answerable(const struct sip_message *m)
{
	return m->is_request && m->via_count > 0 && m->from.value.data && m->to.value.data && m->call_id.data && m->cseq_method.len > 0 &&
	       !xfed_span_is(m->method, "ACK") && !xfed_span_is(m->cseq_method, "ACK");
}

/* Says whose message it was, for the log. */
static void describe(struct parse *p)
{
	struct xfed_span id = value_of(p->m, SIP_HEADER_CALL_ID);
	size_t n = id.len < SIP_ERROR_CALL_ID ? id.len : SIP_ERROR_CALL_ID - 1;
	memcpy(p->err->call_id, n > 0 ? id.data : "", n);
	p->err->call_id[n] = '\0';
	p->err->is_response = !p->m->is_request;
}

int sip_message_parse(struct xfed_span bytes, enum sip_parse_flags flags, struct sip_message **out, struct sip_error *err)
{
	return sip_message_parse_into(NULL, bytes, flags, out, err);
}

int sip_message_parse_into(
	struct sip_message *spare, struct xfed_span bytes, enum sip_parse_flags flags, struct sip_message **out, struct sip_error *err)
{
	*out = NULL;
	*err = (struct sip_error){ 0 };
	size_t leading = sip_scan_leading(bytes), lines, fields;
	bytes = xfed_span_make(bytes.data + leading, bytes.len - leading);
	struct parse p = { .err = err, .start_line = { "", 0 } };
	if (measure(bytes, &p.head_len, &lines, err) != XFED_OK) {
		sip_message_free(spare);
		return XFED_ERR_INVALID;
	}
	fields = lines < XFED_SIP_HEADERS_MAX ? lines : XFED_SIP_HEADERS_MAX;
	char *copy;
	p.m = allocate(spare, bytes, fields, &copy);
	if (!p.m) {
		return XFED_ERR_NOMEM;
	}
	*err = (struct sip_error){ 0 };
	take_lines(&p, xfed_span_make(copy, p.head_len), fields);
	read_fields(&p);
	take_body(&p, xfed_span_make(copy, bytes.len), flags);
	if (p.is_refused) {
		describe(&p);
	}
	if (!p.is_refused || is_answerable(p.m)) {
		*out = p.m;
	} else {
		sip_message_free(p.m);
	}
	return p.is_refused ? XFED_ERR_INVALID : XFED_OK;
}

void sip_message_free(struct sip_message *m)
{
	xfed_free(m);
}

const struct sip_header *sip_message_header(const struct sip_message *m, enum sip_header_id id, const struct sip_header *after)
{
	for (size_t i = after ? (size_t)(after - m->headers) + 1 : 0; i < m->header_count; i++) {
		if (m->headers[i].id == id) {
			return &m->headers[i];
		}
	}
	return NULL;
}

const struct sip_header *sip_message_header_named(const struct sip_message *m, const char *name, const struct sip_header *after)
{
	enum sip_header_id id = sip_scan_header_id(xfed_span_str(name));
	if (id != SIP_HEADER_OTHER) {
		return sip_message_header(m, id, after);
	}
	for (size_t i = after ? (size_t)(after - m->headers) + 1 : 0; i < m->header_count; i++) {
		if (xfed_span_eq_nocase(m->headers[i].name, xfed_span_str(name))) {
			return &m->headers[i];
		}
	}
	return NULL;
}
