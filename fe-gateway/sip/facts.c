#include "sip/facts.h"

#include "sip/trans.h"

static const char *const states[SIP_STATE_COUNT] = {
	[SIP_STATE_TRYING] = "trying",
	[SIP_STATE_PROCEEDING] = "proceeding",
	[SIP_STATE_COMPLETED] = "completed",
	[SIP_STATE_CALLING] = "calling",
	[SIP_STATE_INVITE_PROCEEDING] = "proceeding",
	[SIP_STATE_INVITE_COMPLETED] = "completed",
	[SIP_STATE_ACCEPTED] = "accepted",
	[SIP_STATE_S_TRYING] = "trying",
	[SIP_STATE_S_PROCEEDING] = "proceeding",
	[SIP_STATE_S_COMPLETED] = "completed",
	[SIP_STATE_S_INVITE_TRYING] = "trying",
	[SIP_STATE_S_INVITE_PROCEEDING] = "proceeding",
	[SIP_STATE_S_ACCEPTED] = "accepted",
	[SIP_STATE_S_ACKNOWLEDGED] = "accepted", /* RFC 6026 has no state of its own for it */
	[SIP_STATE_S_REFUSED] = "completed",
	[SIP_STATE_S_CONFIRMED] = "confirmed",
};

/* The value of a header field in a text that we have printed; data NULL: there is none. */
static struct xfed_span field(struct xfed_span text, struct xfed_span name)
{
	while (text.len > 0) {
		const char *end = memchr(text.data, '\n', text.len);
		struct xfed_span line = xfed_span_make(text.data, end ? (size_t)(end - text.data) : text.len);
		if (line.len > name.len && memcmp(line.data, name.data, name.len) == 0) {
			line.len -= line.data[line.len - 1] == '\r';
			return xfed_span_make(line.data + name.len, line.len - name.len);
		}
		size_t used = end ? line.len + 1 : line.len;
		text = xfed_span_make(text.data + used, text.len - used);
	}
	return xfed_span_make(NULL, 0);
}

static void fill(const struct sip_trans *t, struct sip_trans_facts *out)
{
	struct xfed_span text = t->head ? xfed_span_make(t->head, t->head_len) : xfed_span_make(t->last, t->last ? t->last_len : 0);
	struct xfed_span cseq = field(text, XFED_SPAN("CSeq: "));
	const char *space = cseq.data ? memchr(cseq.data, ' ', cseq.len) : NULL;
	*out = (struct sip_trans_facts){
		.id = t->id,
		.is_ours = sip_trans_is_client(t),
		.state = states[t->state],
		.call_id = field(text, XFED_SPAN("Call-ID: ")),
		.target = &t->target,
	};
	if (space) {
		out->method = xfed_span_make(space + 1, cseq.len - (size_t)(space + 1 - cseq.data));
	}
}

bool sip_trans_next(const struct sip_layer *l, uint64_t after, struct sip_trans_facts *out)
{
	struct sip_trans *t = after != 0 ? sip_trans_by_id(l, after) : NULL; /* the table keeps the order in which they came */
	t = t ? t->hh.next : l->by_id;
	while (t && t->id <= after) { /* the one that was last is gone */
		t = t->hh.next;
	}
	if (t) {
		fill(t, out);
	}
	return t != NULL;
}
