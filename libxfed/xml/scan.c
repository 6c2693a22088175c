#include "xfed/limits.h"
#include "xml/scan_impl.h"

/* ASCII bytes at which a run stops, as bit maps; each includes the control characters XML forbids. */
#define CONTROLS    (0xffffffffULL & ~(1ULL << '\t' | 1ULL << '\n' | 1ULL << '\r'))
#define LOW_BIT(c)  (1ULL << (c))
#define HIGH_BIT(c) (1ULL << ((c)-64))

static const uint64_t text_stops[2] = { CONTROLS | LOW_BIT('<') | LOW_BIT('&'), HIGH_BIT(']') };
static const uint64_t value_stops[2] = { CONTROLS | LOW_BIT('<') | LOW_BIT('&') | LOW_BIT('"') | LOW_BIT('\''), 0 };
static const uint64_t cdata_stops[2] = { CONTROLS, HIGH_BIT(']') };

static bool is_stop(const uint64_t stops[2], unsigned char c)
{
	return c >= 0x80 || (stops[c >> 6] >> (c & 63) & 1);
}

static cursor skip_run(const uint64_t stops[2], cursor p, cursor stop)
{
	while (p < stop && !is_stop(stops, *p)) {
		p++;
	}
	return p;
}

cursor xml_scan_refuse(struct xml_scan *s, cursor p, enum xfed_reason reason)
{
	s->event = XML_SCAN_BAD;
	s->reason = reason;
	s->stream_error = xfed_reason_info(reason)->stream_error;
	return p;
}

/* For what is XML and no XML stream: the general condition of RFC 6120 4.9.3.1. */
static cursor refuse_format(struct xml_scan *s, cursor p)
{
	p = xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
	s->stream_error = "bad-format";
	return p;
}

/* One character above U+007F, or the part of it that is there. */
static cursor character(struct xml_scan *s, cursor p, cursor stop)
{
	if (s->utf8.left == 0) {
		if (!xml_utf8_begin(&s->utf8, *p)) {
			return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_ENCODING);
		}
		p++;
	}
	while (s->utf8.left > 0) {
		if (p == stop) {
			return p;
		}
		if (!xml_utf8_next(&s->utf8, *p)) {
			return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_ENCODING);
		}
		p++;
	}
	if (!xml_is_char(s->utf8.code)) {
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
	}
	return p;
}

/* A byte without a case of its own in this state: part of a character, or a control character. */
static cursor other_byte(struct xml_scan *s, cursor p, cursor stop)
{
	if (*p >= 0x80) {
		return character(s, p, stop);
	}
	return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
}

/*
 * A limit is exceeded. If that is not fatal for a first-level element, this byte is not used yet, and the element goes on without that
 * limit. The limit on bytes does not concern the parser; the others bound its work.
 */
static cursor exceed(struct xml_scan *s, cursor p, enum xfed_xml_excess what)
{
	bool is_size = what == XFED_XML_EXCESS_BYTES || what == XFED_XML_EXCESS_SECTION;
	if (s->limits.most_bytes == 0 || s->depth == 0) {
		return xml_scan_refuse(s, p, is_size ? XFED_REASON_STREAM_XML_TOO_BIG : XFED_REASON_STREAM_XML_TOO_DEEP);
	}
	s->excess = s->excess != XFED_XML_EXCESS_NONE ? s->excess : what;
	s->is_skimming = s->is_skimming || what != XFED_XML_EXCESS_BYTES;
	s->event = XML_SCAN_EXCESS;
	return p;
}

static bool count_node(struct xml_scan *s)
{
	return ++s->nodes <= s->limits.nodes || s->is_skimming;
}

static bool count_text(struct xml_scan *s)
{
	if (s->in_text) {
		return true;
	}
	s->in_text = true;
	return count_node(s);
}

static void end_token(struct xml_scan *s, uint64_t end)
{
	s->cut_at = s->safe_at = end;
	if (s->stop_at_token) {
		s->event = XML_SCAN_TOKEN;
	}
}

static void end_element(struct xml_scan *s, uint64_t end, enum xml_scan_event event)
{
	end_token(s, end);
	s->element_bytes = (size_t)(end - s->element_at);
	s->element_at = XML_SCAN_NOWHERE;
	s->state = s->depth == 0 ? XML_SCAN_DONE : XML_SCAN_BETWEEN;
	s->event = event;
}

/* Text goes on, or begins. */
static void enter_text(struct xml_scan *s, uint64_t end)
{
	s->state = XML_SCAN_TEXT;
	s->brackets = 0;
	end_token(s, end);
}

static cursor begin_reference(struct xml_scan *s, cursor p, enum xml_scan_state behind)
{
	s->behind_ref = behind;
	s->state = XML_SCAN_REF;
	s->ref_len = 0;
	return p + 1;
}

/* ---- outside elements: the reader has skipped white space ---- */

static cursor step_outside(struct xml_scan *s, cursor p, cursor stop)
{
	unsigned char c = *p;
	if (c == '<') {
		s->element_at = s->token_at = s->safe_at = s->cut_at = s->at;
		s->nodes = 0;
		s->in_text = false;
		s->excess = XFED_XML_EXCESS_NONE;
		s->is_skimming = false;
		s->state = XML_SCAN_LESS;
		return p + 1;
	}
	/* The first bytes of a byte order mark, of UTF-16 or UTF-32 (RFC 6120 11.6). */
	if (s->state == XML_SCAN_START && (c >= 0x80 || c == 0)) {
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_ENCODING);
	}
	struct xml_utf8 u;
	if (c >= 0x80 && !xml_utf8_begin(&u, c)) {
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_ENCODING);
	}
	if (s->state == XML_SCAN_BETWEEN && xml_is_char(c)) {
		return refuse_format(s, p);
	}
	return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
}

static bool at_stream_start(const struct xml_scan *s)
{
	return s->token_at == 0 && s->depth == 0;
}

/* The declaration is legal only at the very beginning (XML 1.0 section 2.8); all else are PIs. */
static cursor begin_declaration(struct xml_scan *s, cursor p)
{
	if (!at_stream_start(s)) {
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_RESTRICTED);
	}
	s->element_at = XML_SCAN_NOWHERE;
	s->state = XML_SCAN_DECL;
	s->matched = 0;
	s->last = 0;
	return p + 1;
}

static cursor step_declaration(struct xml_scan *s, cursor p, cursor stop)
{
	static const char target[] = "xml";
	unsigned char c = *p;
	if (s->matched < sizeof(target)) {
		bool is_match = s->matched < 3 ? c == (unsigned char)target[s->matched] : xml_is_space(c);
		s->matched++;
		return is_match ? p + 1 : xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_RESTRICTED);
	}
	if (c >= 0x80 || !xml_is_char(c)) {
		return other_byte(s, p, stop);
	}
	if (c == '>' && s->last == '?') {
		s->state = XML_SCAN_PROLOG;
		s->event = XML_SCAN_DECLARATION;
		s->cut_at = s->safe_at = s->at + 1;
	}
	s->last = c;
	return p + 1;
}

/* ---- markup ---- */

static cursor begin_tag(struct xml_scan *s, cursor p)
{
	if (!xml_may_start_name(*p)) {
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
	}
	if (s->depth > s->limits.depth && !s->is_skimming) {
		return exceed(s, p, XFED_XML_EXCESS_DEPTH);
	}
	if (s->depth > 0 && !count_node(s)) {
		return exceed(s, p, XFED_XML_EXCESS_NODES);
	}
	s->attrs = 0;
	s->last = 0;
	s->in_text = false;
	s->state = XML_SCAN_TAG;
	return p;
}

static cursor begin_end_tag(struct xml_scan *s, cursor p)
{
	if (s->depth == 0 || (s->depth == 1 && s->is_fragment)) {
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
	}
	s->in_text = false;
	s->state = XML_SCAN_END_TAG;
	return p + 1;
}

static cursor step_less(struct xml_scan *s, cursor p, cursor stop)
{
	switch (*p) {
	case '/':
		return begin_end_tag(s, p);
	case '?':
		return begin_declaration(s, p);
	case '!':
		s->state = XML_SCAN_BANG;
		return p + 1;
	case '\0':
		/* '<' in UTF-16 or UTF-32, little-endian */
		return xml_scan_refuse(s, p, at_stream_start(s) ? XFED_REASON_STREAM_XML_ENCODING : XFED_REASON_STREAM_XML_MALFORMED);
	default:
		return begin_tag(s, p);
	}
}

static cursor step_bang(struct xml_scan *s, cursor p, cursor stop)
{
	switch (*p) {
	case '-':
	case 'D':
		if (*p == '-' && s->is_document) {
			s->state = XML_SCAN_COMMENT;
			s->matched = s->brackets = 0;
			return p + 1;
		}
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_RESTRICTED);
	case '[':
		if (s->depth == 1) {
			return refuse_format(s, p);
		}
		if (s->depth == 0) {
			return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
		}
		s->state = XML_SCAN_CDATA_OPEN;
		s->matched = 0;
		return p + 1;
	default:
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
	}
}

static cursor step_cdata_open(struct xml_scan *s, cursor p, cursor stop)
{
	static const char rest[] = "CDATA[";
	if (*p != (unsigned char)rest[s->matched]) {
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
	}
	if (s->matched + 1u < sizeof(rest) - 1) {
		s->matched++;
		return p + 1;
	}
	if (!count_text(s)) {
		return exceed(s, p, XFED_XML_EXCESS_NODES);
	}
	s->state = XML_SCAN_CDATA;
	s->brackets = 0;
	return p + 1;
}

static cursor step_cdata(struct xml_scan *s, cursor p, cursor stop)
{
	cursor start = p;
	while (p < stop) {
		unsigned char c = *p;
		if (c == ']') {
			s->brackets = s->brackets < 2 ? (uint8_t)(s->brackets + 1) : 2;
			p++;
		} else if (c == '>' && s->brackets == 2) {
			enter_text(s, s->at + (uint64_t)(p + 1 - start));
			return p + 1;
		} else {
			s->brackets = 0;
			if (is_stop(cdata_stops, c)) {
				return other_byte(s, p, stop);
			}
			p = skip_run(cdata_stops, p, stop);
		}
	}
	return p;
}

/* XML 1.0 section 2.5: "--" ends it. It has the limit of a tag, and is no node. */
static cursor step_comment(struct xml_scan *s, cursor p, cursor stop)
{
	unsigned char c = *p;
	if ((s->matched == 0 && c != '-') || (s->brackets == 2 && c != '>')) {
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
	}
	if (s->brackets == 2 && s->depth > 1) {
		enter_text(s, s->at + 1);
		return p + 1;
	}
	if (s->brackets == 2) {
		end_element(s, s->at + 1, XML_SCAN_TOKEN); /* the reader skips white space after it */
		s->state = s->depth == 0 ? XML_SCAN_PROLOG : s->state;
		return p + 1;
	}
	s->brackets = s->matched > 0 && c == '-' ? (uint8_t)(s->brackets + 1) : 0;
	s->matched = 1;
	return c >= 0x80 || !xml_is_char(c) ? other_byte(s, p, stop) : p + 1;
}

static void end_start_tag(struct xml_scan *s, uint64_t end)
{
	bool is_empty = s->last == '/';
	if (s->depth == 0) {
		if (is_empty && !s->is_document) {
			refuse_format(s, NULL);
			return;
		}
		s->depth = is_empty ? 0 : 1;
		end_element(s, end, XML_SCAN_HEADER);
	} else if (is_empty && s->depth == 1) {
		end_element(s, end, XML_SCAN_ELEMENT);
	} else {
		s->depth += is_empty ? 0 : 1;
		enter_text(s, end);
	}
}

static cursor begin_value(struct xml_scan *s, cursor p)
{
	if (s->last != '=') {
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
	}
	if (++s->attrs > XFED_XML_ATTRS_MAX && !s->is_skimming) {
		return exceed(s, p, XFED_XML_EXCESS_ATTRS);
	}
	s->quote = *p;
	s->state = XML_SCAN_VALUE;
	return p + 1;
}

static cursor step_value(struct xml_scan *s, cursor p, cursor stop)
{
	for (;;) {
		p = skip_run(value_stops, p, stop);
		if (p == stop) {
			return p;
		}
		if (*p == s->quote) {
			s->state = XML_SCAN_TAG;
			s->last = s->quote;
			return p + 1;
		}
		if (*p == '&') {
			return begin_reference(s, p, XML_SCAN_VALUE);
		}
		if (*p != '"' && *p != '\'') {
			return other_byte(s, p, stop);
		}
		p++;
	}
}

static cursor step_tag(struct xml_scan *s, cursor p, cursor stop)
{
	cursor start = p;
	for (; p < stop; p++) {
		unsigned char c = *p;
		if (c == '>') {
			end_start_tag(s, s->at + (uint64_t)(p + 1 - start));
			return p + 1;
		}
		if (c == '"' || c == '\'') {
			return begin_value(s, p);
		}
		if (xml_is_space(c)) {
			continue;
		}
		s->last = c;
		if (c < 0x20 || c >= 0x80 || c == '<' || c == '&') {
			return other_byte(s, p, stop);
		}
	}
	return p;
}

static cursor step_end_tag(struct xml_scan *s, cursor p, cursor stop)
{
	cursor start = p;
	for (; p < stop; p++) {
		unsigned char c = *p;
		if (c == '>') {
			uint64_t end = s->at + (uint64_t)(p + 1 - start);
			s->depth--;
			if (s->depth <= 1) {
				end_element(s, end, s->depth == 0 ? XML_SCAN_CLOSE : XML_SCAN_ELEMENT);
			} else {
				enter_text(s, end);
			}
			return p + 1;
		}
		bool is_wrong = c == '<' || c == '&' || c == '"' || c == '\'' || !xml_is_char(c);
		if (is_wrong || c >= 0x80) {
			return other_byte(s, p, stop);
		}
	}
	return p;
}

/* ---- text ---- */

static cursor begin_text_markup(struct xml_scan *s, cursor p, uint64_t at)
{
	s->token_at = s->safe_at = at;
	if (*p == '<') {
		s->state = XML_SCAN_LESS;
		return p + 1;
	}
	if (!count_text(s)) {
		return exceed(s, p, XFED_XML_EXCESS_NODES);
	}
	return begin_reference(s, p, XML_SCAN_TEXT);
}

static cursor step_text(struct xml_scan *s, cursor p, cursor stop)
{
	cursor start = p;
	while (p < stop) {
		unsigned char c = *p;
		if (c == '<' || c == '&') {
			s->brackets = 0;
			return begin_text_markup(s, p, s->at + (uint64_t)(p - start));
		}
		if (!count_text(s)) {
			return exceed(s, p, XFED_XML_EXCESS_NODES);
		}
		if (c == ']') {
			s->brackets = s->brackets < 2 ? (uint8_t)(s->brackets + 1) : 2;
			p++;
			continue;
		}
		if (c == '>' && s->brackets == 2) {
			/* XML 1.0 section 2.4; the parser does not notice it if its input is split there */
			return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
		}
		s->brackets = 0;
		if (is_stop(text_stops, c)) {
			return other_byte(s, p, stop);
		}
		p = skip_run(text_stops, p, stop);
	}
	return p;
}

/* ---- the whole ---- */

static cursor step(struct xml_scan *s, cursor p, cursor stop)
{
	if (s->utf8.left > 0) {
		return character(s, p, stop);
	}
	switch (s->state) {
	case XML_SCAN_START:
	case XML_SCAN_PROLOG:
	case XML_SCAN_BETWEEN:
		return step_outside(s, p, stop);
	case XML_SCAN_TEXT:
		return step_text(s, p, stop);
	case XML_SCAN_LESS:
		return step_less(s, p, stop);
	case XML_SCAN_BANG:
		return step_bang(s, p, stop);
	case XML_SCAN_CDATA_OPEN:
		return step_cdata_open(s, p, stop);
	case XML_SCAN_CDATA:
		return step_cdata(s, p, stop);
	case XML_SCAN_COMMENT:
		return step_comment(s, p, stop);
	case XML_SCAN_DECL:
		return step_declaration(s, p, stop);
	case XML_SCAN_TAG:
		return step_tag(s, p, stop);
	case XML_SCAN_VALUE:
		return step_value(s, p, stop);
	case XML_SCAN_END_TAG:
		return step_end_tag(s, p, stop);
	case XML_SCAN_REF:
		return xml_scan_ref(s, p);
	case XML_SCAN_REF_DEC:
	case XML_SCAN_REF_HEX:
		return xml_scan_ref_number(s, p);
	case XML_SCAN_DONE:
		break;
	}
	return stop;
}

static size_t left_of(size_t max, uint64_t used)
{
	return used < max ? max - (size_t)used : 0;
}

static size_t element_max(const struct xml_scan *s)
{
	return s->excess != XFED_XML_EXCESS_NONE ? s->limits.most_bytes : s->limits.stanza_bytes;
}

static size_t token_max(const struct xml_scan *s)
{
	if (s->state != XML_SCAN_CDATA) {
		return XFED_XML_SILENT_BYTES;
	}
	return s->is_skimming ? SIZE_MAX : XFED_XML_SILENT_CDATA_BYTES;
}

/* How many bytes may come before a limit is exceeded. */
static size_t allowance(const struct xml_scan *s)
{
	size_t left = SIZE_MAX;
	if (s->element_at != XML_SCAN_NOWHERE) {
		left = left_of(element_max(s), s->at - s->element_at);
	}
	if (s->state >= XML_SCAN_LESS) {
		size_t token = left_of(token_max(s), s->at - s->token_at);
		left = token < left ? token : left;
	}
	return left;
}

/* The limit is reached: finds out which one. A tag without end is always fatal. */
static cursor out_of_room(struct xml_scan *s, cursor p)
{
	bool is_token = s->state >= XML_SCAN_LESS && left_of(token_max(s), s->at - s->token_at) == 0;
	if (is_token) {
		return s->state == XML_SCAN_CDATA ? exceed(s, p, XFED_XML_EXCESS_SECTION) : xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_TOO_BIG);
	}
	bool may_go_on = s->excess == XFED_XML_EXCESS_NONE && s->limits.stanza_bytes < s->limits.most_bytes;
	return may_go_on ? exceed(s, p, XFED_XML_EXCESS_BYTES) : xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_TOO_BIG);
}

size_t xml_scan(struct xml_scan *s, const char *data, size_t len)
{
	cursor begin = (cursor)data, p = begin, end = begin + len;
	s->event = XML_SCAN_MORE;
	while (p < end && s->event == XML_SCAN_MORE) {
		size_t left = allowance(s);
		if (left == 0) {
			out_of_room(s, p);
			break;
		}
		cursor stop = (size_t)(end - p) > left ? p + left : end;
		cursor next = step(s, p, stop);
		s->at += (uint64_t)(next - p);
		p = next;
		if (s->state == XML_SCAN_TEXT && s->utf8.left == 0) {
			s->safe_at = s->at;
		}
	}
	return (size_t)(p - begin);
}

void xml_scan_init(struct xml_scan *s, const struct xfed_xml_limits *limits, bool is_fragment)
{
	*s = (struct xml_scan){
		.limits = *limits,
		.state = is_fragment ? XML_SCAN_BETWEEN : XML_SCAN_START,
		.depth = is_fragment ? 1 : 0,
		.is_fragment = is_fragment,
		.element_at = XML_SCAN_NOWHERE,
	};
}
