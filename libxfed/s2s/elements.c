/* First-level elements: headers, stanzas with the check of their pair, negotiation by the table of each direction. */
#include "internal.h"

#include <stdio.h>

bool s2s_read_number(struct xfed_span s, size_t digits, uint64_t *out)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9' || i >= digits) {
			return false;
		}
		n = n * 10 + (uint64_t)(s.data[i] - '0');
	}
	*out = n;
	return s.len > 0;
}

/* 0: absent or unreadable; else the major version. */
static uint64_t read_version(struct xfed_span version)
{
	uint64_t major = 0;
	const char *dot = version.len > 0 ? memchr(version.data, '.', version.len) : NULL;
	return dot && s2s_read_number(xfed_span_make(version.data, (size_t)(dot - version.data)), 4, &major) ? major : 0;
}

/*
 * If the peer ends a stream it has opened before it has proved anything, it could or would not do what we demanded: that is the reason,
 * whatever the peer says.
 */
static enum xfed_reason demanded(const struct xfed_s2s *s, enum xfed_reason otherwise)
{
	if (s->direction == XFED_S2S_OUT || s->state != XFED_S2S_WAIT_NEGOTIATION) {
		return otherwise;
	}
	if (!s->is_secure) {
		return s->needs_tls || !(s->methods & XFED_METHOD_DIALBACK_PLAIN) ? XFED_REASON_TLS_REQUIRED_MISSING : otherwise;
	}
	return s->methods & XFED_METHOD_DIALBACK_TLS ? otherwise : XFED_REASON_SASL_REQUIRED_MISSING;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

/* The peer says why it closes. Its text is only logged. */
void s2s_received_error(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	struct xfed_arena *a = xfed_xml_reader_arena(s->reader);
	const char *condition = "undefined-condition";
	size_t len = strlen(condition);
	for (const struct xfed_xml_node *n = e->children; n; n = n->next) {
		if (n->elem && xfed_span_is(n->elem->ns, XFED_NS_STREAM_ERR) && !xfed_span_is(n->elem->name, "text")) {
			condition = n->elem->name.data;
			len = n->elem->name.len;
			break;
		}
	}
	s->is_host_unknown = is_word(condition, len, "host-unknown");
	const struct xfed_xml_elem *t = xfed_xml_child(e, XFED_NS_STREAM_ERR, "text");
	struct xfed_span said = t ? xfed_xml_text(a, t) : (struct xfed_span){ NULL, 0 };
	char text[sizeof(s->text)];
	snprintf(text, sizeof(text), "%.*s%s%.*s", (int)len, condition, said.len ? ": " : "", (int)(said.len > 100 ? 100 : said.len),
		said.data ? said.data : "");
	s->peer_closed = true; /* the peer closes next, so its closing tag is not awaited */
	if (s2s_is_in_use(s) && (is_word(condition, len, "system-shutdown") || is_word(condition, len, "connection-timeout"))) {
		s2s_close(s, XFED_REASON_STREAM_CLOSED_PEER, text); /* a server that shuts down, or closes idle streams, is no failure */
		return;
	}
	if (s->is_host_unknown && s->direction == XFED_S2S_OUT && !s2s_is_in_use(s)) {
		s2s_close(s, XFED_REASON_STREAM_HOST_UNKNOWN, text);
		return;
	}
	/* Inside TLS the peer's own text says more: the cause may be our certificate. */
	s2s_close(s, s->is_secure ? XFED_REASON_STREAM_ERROR_RECEIVED : demanded(s, XFED_REASON_STREAM_ERROR_RECEIVED), text);
}

/* ---- elements ---- */

static bool is_stanza(const struct xfed_xml_elem *e)
{
	return (xfed_span_is(e->ns, XFED_NS_SERVER) || xfed_span_is(e->ns, XFED_NS_CLIENT)) &&
	       (xfed_span_is(e->name, "message") || xfed_span_is(e->name, "presence") || xfed_span_is(e->name, "iq"));
}

/* [A10-10]: a stanza without xml:lang has the language of its stream; it is added here, because the stream ends here. */
static int add_language(struct xfed_s2s *s, struct xfed_arena *a, struct xfed_xml_elem *e, struct xfed_stanza *stanza)
{
	if (stanza->lang.data || s->lang[0] == '\0') {
		return XFED_OK;
	}
	stanza->lang = xfed_span_str(s->lang);
	return xfed_xml_set_attr(a, e, XFED_SPAN(XFED_NS_XML), XFED_SPAN("lang"), stanza->lang);
}

/* [A10-02]: a pair proved by SASL, or one of those proved by dialback. */
static enum xfed_reason check_pair(const struct xfed_s2s *s, const struct xfed_stanza *stanza)
{
	bool is_from = xfed_span_is(stanza->from.domain, s->remote), is_to = xfed_span_is(stanza->to.domain, s->local);
	if ((is_from && is_to) || s2s_dialback_is_proved(s, stanza->from.domain, stanza->to.domain)) {
		return XFED_REASON_NONE;
	}
	return is_from ? XFED_REASON_STREAM_RELAY_ATTEMPT : XFED_REASON_STREAM_FROM_UNPROVED;
}

/* The method of the stream for its own pair; all others are proved by dialback. */
static enum xfed_method method_of(const struct xfed_s2s *s, const struct xfed_stanza *stanza)
{
	bool is_own = xfed_span_is(stanza->from.domain, s->remote) && xfed_span_is(stanza->to.domain, s->local);
	return is_own ? s->method : s->is_secure ? XFED_METHOD_DIALBACK_TLS : XFED_METHOD_DIALBACK_PLAIN;
}

/*
 * After our closing tag a peer that has not seen it yet may still send stanzas, and cannot know that nobody reads them (RFC 6120 4.4). If
 * we close an idle stream, or go out of service, they are taken until its closing tag. With stream management it would know.
 */
bool s2s_takes_last(const struct xfed_s2s *s)
{
	bool is_friendly =
		s->reason == XFED_REASON_STREAM_CLOSED_IDLE || s->reason == XFED_REASON_STREAM_CLOSED_DRAIN || s->reason == XFED_REASON_CHANNEL_DOWN;
	return s->direction == XFED_S2S_IN && s->is_established && is_friendly && !s->sm.is_on;
}

/* The limit that a stanza exceeds, in words for its sender. */
static const char *excess_text(struct xfed_s2s *s, enum xfed_xml_excess what)
{
	static const struct {
		const char *of, *unit;
		size_t most; /* 0: the partner's own limit */
	} limits[] = {
		[XFED_XML_EXCESS_NONE] = { "a stanza", "bytes", 0 },
		[XFED_XML_EXCESS_BYTES] = { "a stanza", "bytes", 0 },
		[XFED_XML_EXCESS_DEPTH] = { "a stanza", "levels of elements", XFED_XML_DEPTH_MAX },
		[XFED_XML_EXCESS_NODES] = { "a stanza", "elements and texts", XFED_XML_NODES_MAX },
		[XFED_XML_EXCESS_ATTRS] = { "an element", "attributes", XFED_XML_ATTRS_MAX },
		[XFED_XML_EXCESS_SECTION] = { "a CDATA section", "bytes", XFED_XML_SILENT_CDATA_BYTES },
	};
	snprintf(s->refusal, sizeof(s->refusal), "%s may have at most %zu %s", limits[what].of,
		limits[what].most ? limits[what].most : s->stanza_bytes, limits[what].unit);
	return s->refusal;
}

/* A stanza that one user of an honest server can cause is refused, and the stream goes on. */
static struct xfed_s2s_action *push_stanza(struct xfed_s2s *s, const struct xfed_stanza *stanza)
{
	enum xfed_xml_excess excess = xfed_xml_reader_excess(s->reader);
	bool is_malformed = stanza->is_from_malformed || stanza->is_to_malformed;
	if (!is_malformed && excess == XFED_XML_EXCESS_NONE) {
		return s2s_push(s, XFED_S2S_STANZA);
	}
	struct xfed_s2s_action *act = s2s_push(s, XFED_S2S_STANZA_REFUSED);
	if (is_malformed) {
		act->reason = XFED_REASON_XMPP_ADDRESS_MALFORMED;
		act->text = stanza->is_to_malformed ? "'to' is no address" : "'from' is no address";
	} else {
		bool is_size = excess == XFED_XML_EXCESS_BYTES || excess == XFED_XML_EXCESS_SECTION;
		act->reason = is_size ? XFED_REASON_POLICY_SIZE_EXCEEDED : XFED_REASON_POLICY_SHAPE_EXCEEDED;
		act->text = excess_text(s, excess);
	}
	act->side = xfed_reason_info(act->reason)->side;
	return act;
}

/* [A10-01], [A10-02]: checks the addresses of a stanza against the pairs this stream has proved, even if it is refused afterwards. */
static void take_stanza(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	bool is_last = s->state == XFED_S2S_CLOSING && s2s_takes_last(s);
	if ((s->state != XFED_S2S_READY && !is_last) || s->direction != XFED_S2S_IN) {
		s2s_close(s, XFED_REASON_STREAM_UNAUTHENTICATED, "a stanza where none is allowed");
		return;
	}
	if (!xfed_span_is(e->ns, XFED_NS_SERVER)) {
		s2s_close(s, XFED_REASON_STREAM_XML_NAMESPACE, "a stanza in a foreign content namespace");
		return;
	}
	if (e->has_prefix) {
		s2s_close(s, XFED_REASON_STREAM_XML_PREFIX, "a stanza written with a prefix");
		return;
	}
	struct xfed_arena *a = xfed_xml_reader_arena(s->reader);
	struct xfed_stanza stanza;
	switch (xfed_stanza_view(a, e, &stanza)) {
	case XFED_STANZA_OK:
	case XFED_STANZA_MALFORMED:
		break;
	case XFED_STANZA_NOT:
	case XFED_STANZA_IMPROPER:
		s2s_close(s, XFED_REASON_STREAM_ADDRESS_IMPROPER, "from or to");
		return;
	case XFED_STANZA_NO_MEMORY:
		s2s_fault(s, "stanza");
		return;
	}
	enum xfed_reason wrong = check_pair(s, &stanza);
	if (wrong != XFED_REASON_NONE) {
		s2s_close(s, wrong, "");
		return;
	}
	if (add_language(s, a, e, &stanza) != XFED_OK) {
		s2s_fault(s, "stanza");
		return;
	}
	uint64_t number;
	if (!s2s_sm_number(s, &number)) {
		return;
	}
	s->stanza_ms = s->now_ms;
	s2s_meter_stanza(s);
	struct xfed_s2s_action *act = push_stanza(s, &stanza);
	act->sm_number = number;
	act->stanza = stanza;
	act->method = method_of(s, &stanza);
	act->arena = a;
	act->stanza_bytes = xfed_xml_reader_stanza_bytes(s->reader);
}

static void take_element(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	if (!is_stanza(e) && !s2s_meter_element(s, e)) {
		return;
	}
	if (s->state == XFED_S2S_CLOSING) {
		if (is_stanza(e) && s2s_takes_last(s)) {
			take_stanza(s, e);
		} else {
			s2s_sm_take_last(s, e); /* no other element is processed after our closing tag */
		}
		return;
	}
	if (is_stanza(e)) {
		take_stanza(s, e);
		return;
	}
	const struct s2s_row *row = s->direction == XFED_S2S_IN ? s2s_in_rows : s2s_out_rows;
	for (; row->ns; row++) {
		if (xfed_span_is(e->ns, row->ns) && (!row->name || xfed_span_is(e->name, row->name))) {
			if ((row->states && !(row->states >> s->state & 1)) || (row->is_legal && !row->is_legal(s))) {
				break;
			}
			row->proceed(s, e);
			return;
		}
	}
	/* RFC 6120 section 4.8.4 demands that it be ignored, but then nobody would ever notice it. */
	s2s_close(s, XFED_REASON_STREAM_STANZA_UNSUPPORTED, "an element that is not expected here");
}

/*
 * Above a limit: a stanza is due to a user, any other element to the server itself. An address that is invalid by RFC 7622 is due to a user
 * too (some servers prepare addresses by stringprep): its domain is what follows the last "@". One that is not proved, or no domain, ends
 * the stream, because no honest server sends it.
 */
static void take_excess(struct xfed_s2s *s, struct xfed_xml_elem *e)
{
	enum xfed_xml_excess what = xfed_xml_reader_excess(s->reader);
	if (is_stanza(e) || s->state == XFED_S2S_CLOSING) {
		take_element(s, e);
	} else if (what == XFED_XML_EXCESS_BYTES || what == XFED_XML_EXCESS_SECTION) {
		s2s_close(s, XFED_REASON_STREAM_XML_TOO_BIG, excess_text(s, what));
	} else {
		s2s_close(s, XFED_REASON_STREAM_XML_TOO_DEEP, excess_text(s, what));
	}
}

static void take_header(struct xfed_s2s *s, struct xfed_xml_elem *root)
{
	if (s->state != XFED_S2S_WAIT_HEADER) {
		s2s_close(s, XFED_REASON_STREAM_XML_MALFORMED, "a stream header where none is due");
		return;
	}
	if (!s2s_meter_element(s, root)) {
		return;
	}
	/* [A2-01]; without a content namespace the stanzas are prefix-free and nothing has to be checked [A2-02]. */
	struct xfed_span content = xfed_xml_reader_content_ns(s->reader);
	bool content_ok = !content.data || xfed_span_is(content, XFED_NS_SERVER) || xfed_span_is(content, XFED_NS_STREAM);
	if (!xfed_span_is(root->ns, XFED_NS_STREAM) || !content_ok || !xfed_span_is(root->name, "stream")) {
		s2s_close(s, XFED_REASON_STREAM_XML_NAMESPACE, "not a jabber:server stream");
		return;
	}
	struct xfed_span lang = xfed_xml_attr_get_ns(root, XFED_NS_XML, "lang");
	snprintf(s->lang, sizeof(s->lang), "%.*s", lang.len < sizeof(s->lang) ? (int)lang.len : 0, lang.data ? lang.data : "");
	s->peer_has_version = read_version(xfed_xml_attr_get(root, "version")) >= 1;
	if (s->direction == XFED_S2S_IN) {
		s2s_in_header(s, root);
	} else {
		s2s_out_header(s, root);
	}
}

static void take_close(struct xfed_s2s *s)
{
	s->peer_closed = true;
	if (s->state == XFED_S2S_CLOSING) {
		s2s_bye(s);
		return;
	}
	s2s_close(s, demanded(s, XFED_REASON_STREAM_CLOSED_PEER), "");
}

static void take_bad_xml(struct xfed_s2s *s)
{
	enum xfed_reason reason = xfed_xml_reader_reason(s->reader);
	if (s->state == XFED_S2S_CLOSING) {
		s2s_finish(s, false);
		return;
	}
	s->condition = xfed_xml_reader_stream_error(s->reader); /* more precise than the reason: bad-format counts as malformed too */
	s2s_close(s, reason, "");
}

/* Feeds the reader up to its next stop. Returns the bytes it took. */
size_t s2s_read_xml(struct xfed_s2s *s, struct xfed_span in)
{
	size_t consumed = 0;
	enum xfed_xml_result r = xfed_xml_reader_feed(s->reader, in, &consumed);
	s->leftover = consumed < in.len;
	s->took_element = r == XFED_XML_ELEMENT || r == XFED_XML_EXCESS || r == XFED_XML_HEADER;
	if (!s2s_meter_bytes(s, consumed)) {
		return consumed;
	}
	switch (r) {
	case XFED_XML_MORE:
		break;
	case XFED_XML_HEADER:
		take_header(s, xfed_xml_reader_elem(s->reader));
		break;
	case XFED_XML_ELEMENT:
		take_element(s, xfed_xml_reader_elem(s->reader));
		break;
	case XFED_XML_EXCESS:
		take_excess(s, xfed_xml_reader_elem(s->reader));
		break;
	case XFED_XML_CLOSE:
		take_close(s);
		break;
	case XFED_XML_BAD:
		take_bad_xml(s);
		break;
	case XFED_XML_NOMEM:
		s2s_fault(s, "XML reader");
		break;
	}
	return consumed;
}
