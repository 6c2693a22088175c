/*
 * The SIP parser. Properties: spans lie inside the message's own copy; what parses, and what is
 * refused but answerable, prints a response that parses again, matches the request (Call-ID, CSeq,
 * From tag, top branch) and holds no header but ours; an answer's head carries as many Vias as the
 * request; the judge of the grammar agrees to every message that is not shown to it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "sip/print.h"
#include "xfed/limits.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sip_message *whole;
static size_t copied;

static void inside(struct xfed_span s)
{
	const char *begin = (const char *)(whole + 1);
	MUST(!s.data || s.len == 0 || (s.data >= begin && s.data + s.len <= begin + copied));
}

static void check_spans(const struct sip_message *m, size_t size)
{
	const struct xfed_span spans[] = { m->method, m->request_uri, m->reason, m->via.value, m->via.host, m->via.branch, m->via.params,
		m->from.value, m->from.uri, m->from.tag, m->from.display, m->to.value, m->to.uri, m->to.tag, m->call_id, m->cseq_method,
		m->content_type, m->media_type, m->content_type_params, m->subject, m->body, m->uri.user, m->uri.host, m->uri.params };
	whole = m;
	copied = sizeof(struct sip_header) * 128 + size + 1;
	for (size_t i = 0; i < XFED_ARRAY_LEN(spans); i++) {
		inside(spans[i]);
	}
	for (size_t i = 0; i < m->header_count; i++) {
		inside(m->headers[i].name);
		inside(m->headers[i].value);
	}
}

static void check_answer(const struct sip_message *m, bool is_valid)
{
	static char head[200000], out[200000];
	struct sip_source source = { XFED_SPAN("192.0.2.1"), 5060 };
	struct sip_message *again;
	struct sip_error err;
	size_t head_len, len;
	MUST(sip_print_response_head(m, &source, XFED_SPAN("tag"), head, sizeof(head), &head_len) == XFED_OK);
	MUST(sip_print_response(&(struct sip_response){ .status = 400 }, xfed_span_make(head, head_len), out, sizeof(out), &len) == XFED_OK);
	int rc = sip_message_parse(xfed_span_make(out, len), SIP_PARSE_STREAM, &again, &err);
	if (!is_valid) {
		sip_message_free(again);
		return;
	}
	/* received, rport and the tag may carry it over the limit of a header block that the request stood right below. */
	if (rc == XFED_ERR_INVALID && err.status == 513) {
		return;
	}
	MUST(rc == XFED_OK && !again->is_request && again->status == 400 && again->body.len == 0);
	MUST(again->via_count == m->via_count && xfed_span_eq(again->call_id, m->call_id) && again->cseq == m->cseq);
	MUST(xfed_span_eq(again->cseq_method, m->cseq_method) && xfed_span_eq(again->from.tag, m->from.tag));
	MUST(xfed_span_eq(again->via.branch, m->via.branch) && again->to.tag.data);
	for (size_t i = 0; i < again->header_count; i++) {
		enum sip_header_id id = again->headers[i].id;
		MUST(id == SIP_HEADER_VIA || id == SIP_HEADER_FROM || id == SIP_HEADER_TO || id == SIP_HEADER_CALL_ID || id == SIP_HEADER_CSEQ ||
			id == SIP_HEADER_CONTENT_LENGTH);
	}
	sip_message_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int flags = SIP_PARSE_DATAGRAM; flags <= SIP_PARSE_STREAM; flags++) {
		struct sip_message *m;
		struct sip_error err;
		int rc = sip_message_parse(xfed_span_make(data, size), (enum sip_parse_flags)flags, &m, &err);
		MUST(rc == XFED_OK ? m != NULL : rc == XFED_ERR_INVALID && err.status >= 400 && err.phrase);
		if (!m) {
			continue;
		}
		check_spans(m, size);
		if (m->is_request) {
			check_answer(m, rc == XFED_OK);
		}
		sip_message_free(m);
	}
	return 0;
}
