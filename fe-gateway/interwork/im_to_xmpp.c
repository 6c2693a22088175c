#include "interwork/body.h"
#include "interwork/content.h"
#include "interwork/envelope.h"
#include "interwork/text.h"

/* Makes the stanza (RFC 7572 table 2). NULL: no memory. */
static struct xfed_xml_elem *build(struct xfed_arena *a, const struct iw_sip_message *in, const struct iw_xmpp_envelope *env, struct xfed_span body)
{
	struct xfed_xml_elem *m = xfed_xml_elem_new(a, XFED_SPAN(XFED_NS_SERVER), XFED_SPAN("message"));
	const struct xfed_span none = { NULL, 0 };
	struct xfed_span subject;
	int rc = m ? iw_envelope_attrs(a, m, env, env->from, env->type, iw_content_language(in->content_language)) : XFED_ERR_NOMEM;
	/* An unreadable subject is left out; the message is delivered without. */
	rc = rc == XFED_OK ? iw_text_line(a, in->subject, IW_SUBJECT_BYTES, &subject) : rc;
	rc = rc == XFED_OK ? iw_envelope_text(a, m, "subject", subject, none) : rc;
	rc = rc == XFED_OK ? iw_envelope_text(a, m, "body", body, none) : rc;
	rc = rc == XFED_OK ? iw_envelope_text(a, m, "thread", env->thread, none) : rc;
	rc = rc == XFED_OK ? iw_envelope_delay(a, m, env) : rc;
	return rc == XFED_OK ? m : NULL;
}

enum iw_fate iw_im_to_xmpp(struct xfed_arena *a, const struct iw_sip_message *m, const struct iw_xmpp_envelope *e, struct iw_xmpp_im *out)
{
	struct xfed_span body;
	struct iw_body_fault fault;
	*out = (struct iw_xmpp_im){ 0 };
	int rc = iw_body_read(a, m, &body, &fault);
	if (rc == XFED_ERR_NOMEM) {
		return IW_NO_MEMORY;
	}
	if (rc != XFED_OK) {
		XFED_REQUIRE(iw_reason_to_sip(fault.reason, &out->refusal) == XFED_OK);
		out->refusal.detail = fault.detail;
		return IW_REFUSE;
	}
	if (body.len == 0) {
		/* An empty message is refused with 400: a 200 would mean dropping it silently. */
		out->refusal = (struct iw_sip_error){
			.status = 400, .phrase = "Empty Message", .reason = XFED_REASON_SIP_CONTENT_EMPTY, .detail = XFED_SPAN("it is empty")
		};
		return IW_REFUSE;
	}
	out->elem = build(a, m, e, body);
	return out->elem ? IW_DELIVER : IW_NO_MEMORY;
}
