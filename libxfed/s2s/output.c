#include "internal.h"

#include "util/hex.h"

#include "util/hex.h"

void s2s_send_bytes(struct xfed_s2s *s, struct xfed_span bytes)
{
	if (s2s_is_over(s)) {
		return;
	}
	int rc;
	if (s->is_secure) {
		rc = xfed_tls_write(s->tls, bytes);
		if (rc == XFED_OK) {
			s2s_tls_flush(s);
		}
	} else {
		rc = xfed_buf_append(s->out, bytes);
	}
	if (rc == XFED_ERR_LIMIT) {
		s2s_drop(s, XFED_REASON_STREAM_OUTPUT_FULL, "output buffer full");
	} else if (rc != XFED_OK) {
		s2s_fault(s, "output");
	} else {
		s->sent_ms = s->now_ms;
	}
}

void s2s_send_str(struct xfed_s2s *s, const char *text)
{
	s2s_send_bytes(s, xfed_span_str(text));
}

static int new_stream_id(struct xfed_s2s *s)
{
	uint8_t raw[16];
	char hex[2 * sizeof(raw) + 1];
	s->env->random(s->env->user, raw, sizeof(raw));
	xfed_hex(hex, raw, sizeof(raw));
	return s2s_set_stream_id(s, xfed_span_str(hex));
}

static int put_address(struct xfed_buf *b, const char *name, const char *domain)
{
	int rc = xfed_buf_printf(b, " %s='", name);
	rc |= xfed_xml_escape(b, xfed_span_str(domain));
	return rc | xfed_buf_append_str(b, "'");
}

/*
 * RFC 6120 4.7: always both addresses; an id only from the receiving side, a new one after every restart [A2-07]. The language is that of
 * the texts on the stream. On a stream of ours all texts are users', whose languages we do not know, and servers would add it to each of
 * them; the receiving side's header has to have one (4.7.4), and only errors of ours follow it.
 */
void s2s_send_header(struct xfed_s2s *s)
{
	struct xfed_buf b;
	xfed_buf_init(&b, 16384);
	int rc = xfed_buf_append_str(&b,
		"<?xml version='1.0'?><stream:stream xmlns='" XFED_NS_SERVER "' xmlns:stream='" XFED_NS_STREAM "' xmlns:db='" XFED_NS_DIALBACK "'");
	if (s->direction == XFED_S2S_IN) {
		rc |= xfed_buf_append_str(&b, " xml:lang='en'");
	}
	rc |= s->local ? put_address(&b, "from", s->local) : XFED_OK;
	rc |= s->remote ? put_address(&b, "to", s->remote) : XFED_OK;
	if (s->direction == XFED_S2S_IN) {
		rc |= new_stream_id(s);
		rc |= xfed_buf_printf(&b, " id='%s'", s->stream_id ? s->stream_id : "");
	}
	/* a peer without version gets none either [A2-08] */
	if (s->direction == XFED_S2S_OUT || s->peer_has_version) {
		rc |= xfed_buf_append_str(&b, " version='1.0'");
	}
	rc |= xfed_buf_append_str(&b, ">");
	if (rc == XFED_OK) {
		s->header_sent = true;
		s2s_send_bytes(s, xfed_buf_span(&b));
	} else {
		s2s_fault(s, "stream header");
	}
	xfed_buf_deinit(&b);
}

void s2s_send_error(struct xfed_s2s *s, const char *condition, enum xfed_reason reason, const char *text)
{
	struct xfed_buf b;
	xfed_buf_init(&b, 4096);
	int rc = xfed_buf_printf(&b, "<stream:error><%s xmlns='" XFED_NS_STREAM_ERR "'/><text xmlns='" XFED_NS_STREAM_ERR "' xml:lang='en'>%s",
		condition, xfed_reason_code(reason));
	if (text && *text) {
		rc |= xfed_buf_append_str(&b, ": ");
		rc |= xfed_xml_escape(&b, xfed_span_str(text));
	}
	rc |= xfed_buf_append_str(&b, "</text>");
	if (reason == XFED_REASON_STREAM_XML_TOO_BIG) {
		rc |= xfed_buf_append_str(&b, "<stanza-too-big xmlns='" XFED_NS_XMPP_ERRORS "'/>"); /* [A3-07] */
	}
	if (reason == XFED_REASON_STREAM_SM_COUNT_WRONG) {
		rc |= xfed_buf_printf(&b, "<handled-count-too-high xmlns='" XFED_NS_SM "' h='%u' send-count='%u'/>", (unsigned)s->sm.wrong_h,
			(unsigned)(uint32_t)s->sm.sent); /* XEP-0198 section 6 */
	}
	rc |= xfed_buf_append_str(&b, "</stream:error></stream:stream>");
	if (rc == XFED_OK) {
		s2s_send_bytes(s, xfed_buf_span(&b));
	}
	xfed_buf_deinit(&b);
}

void s2s_send_elem(struct xfed_s2s *s, const struct xfed_xml_elem *e)
{
	struct xfed_buf b;
	xfed_buf_init(&b, XFED_STANZA_BYTES_MAX);
	if (e && xfed_xml_write(&b, e, XFED_SPAN(XFED_NS_SERVER)) == XFED_OK) {
		s2s_send_bytes(s, xfed_buf_span(&b));
	} else {
		s2s_fault(s, "element");
	}
	xfed_buf_deinit(&b);
}

int xfed_s2s_send(struct xfed_s2s *s, struct xfed_span stanza, uint64_t now_ms)
{
	if (s->state != XFED_S2S_READY || s->direction != XFED_S2S_OUT) {
		return XFED_ERR_STATE;
	}
	if (s->peer_bytes > 0 && stanza.len > s->peer_bytes) {
		return XFED_ERR_TOO_LARGE;
	}
	if (s2s_sm_is_full(s)) {
		return XFED_ERR_AGAIN;
	}
	/* A record adds at most 22 bytes to 16 KiB; room is reserved for the records and the closing tag. */
	size_t need = stanza.len + stanza.len / 256 + 1024;
	size_t used = xfed_buf_len(s->out);
	if (used > s->out->cap_bytes || s->out->cap_bytes - used < need) {
		return XFED_ERR_LIMIT;
	}
	s->now_ms = now_ms;
	s2s_sm_send(s, stanza);
	s2s_meter_stanza(s);
	s->stanza_ms = now_ms;
	return s2s_is_over(s) ? XFED_ERR_STATE : XFED_OK;
}
