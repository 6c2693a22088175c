#include "interwork/body.h"
#include "interwork/content.h"
#include "interwork/text.h"
#include "interwork/when.h"

static int set(struct xfed_arena *a, struct xfed_xml_elem *e, const char *name, struct xfed_span value)
{
	return value.data ? xfed_xml_set_attr(a, e, xfed_span_make("", 0), xfed_span_str(name), value) : XFED_OK;
}

static int add_text_child(struct xfed_arena *a, struct xfed_xml_elem *parent, const char *name, struct xfed_span text)
{
	if (!text.data) {
		return XFED_OK;
	}
	struct xfed_xml_elem *e = xfed_xml_add_elem(a, parent, XFED_SPAN(XFED_NS_SERVER), xfed_span_str(name));
	return e ? xfed_xml_add_text(a, e, text) : XFED_ERR_NOMEM;
}

static int add_attributes(struct xfed_arena *a, struct xfed_xml_elem *m, const struct iw_xmpp_envelope *env, struct xfed_span lang)
{
	struct xfed_span from = xfed_jid_full(a, env->from), to = xfed_jid_full(a, env->to);
	if (!from.data || !to.data) {
		return XFED_ERR_NOMEM;
	}
	int rc = set(a, m, "from", from);
	rc = rc == XFED_OK ? set(a, m, "to", to) : rc;
	rc = rc == XFED_OK ? set(a, m, "id", env->id) : rc;
	rc = rc == XFED_OK ? set(a, m, "type", env->type) : rc;
	if (rc == XFED_OK && lang.data) {
		rc = xfed_xml_set_attr(a, m, XFED_SPAN(XFED_NS_XML), XFED_SPAN("lang"), lang);
	}
	return rc;
}

/* XEP-0203: by our domain, on whose side it was kept. */
static int add_delay(struct xfed_arena *a, struct xfed_xml_elem *m, const struct iw_xmpp_envelope *env)
{
	char *stamp = xfed_arena_alloc(a, IW_WHEN_SIZE);
	if (!stamp) {
		return XFED_ERR_NOMEM;
	}
	if (iw_when_print(env->sent_s, stamp) != XFED_OK) {
		return XFED_OK;
	}
	struct xfed_xml_elem *e = xfed_xml_add_elem(a, m, XFED_SPAN(IW_NS_DELAY), XFED_SPAN("delay"));
	int rc = e ? set(a, e, "from", env->from->domain) : XFED_ERR_NOMEM;
	return rc == XFED_OK ? set(a, e, "stamp", xfed_span_str(stamp)) : rc;
}

/* RFC 7572 table 2. NULL on NOMEM. */
static struct xfed_xml_elem *build(struct xfed_arena *a, const struct iw_sip_message *in, const struct iw_xmpp_envelope *env, struct xfed_span body)
{
	struct xfed_xml_elem *m = xfed_xml_elem_new(a, XFED_SPAN(XFED_NS_SERVER), XFED_SPAN("message"));
	struct xfed_span subject;
	int rc = m ? add_attributes(a, m, env, iw_content_language(in->content_language)) : XFED_ERR_NOMEM;
	/* One that is broken is left out: no reason to lose the message. */
	rc = rc == XFED_OK ? iw_text_line(a, in->subject, IW_SUBJECT_BYTES, &subject) : rc;
	rc = rc == XFED_OK ? add_text_child(a, m, "subject", subject) : rc;
	rc = rc == XFED_OK ? add_text_child(a, m, "body", body) : rc;
	rc = rc == XFED_OK ? add_text_child(a, m, "thread", env->thread) : rc;
	rc = rc == XFED_OK && env->sent_s > 0 ? add_delay(a, m, env) : rc;
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
		/* Nothing a contact could read is refused with 400: to say 200 for it would be to drop it silently. */
		out->refusal = (struct iw_sip_error){
			.status = 400, .phrase = "Empty Message", .reason = XFED_REASON_SIP_CONTENT_EMPTY, .detail = XFED_SPAN("it is empty")
		};
		return IW_REFUSE;
	}
	out->elem = build(a, m, e, body);
	return out->elem ? IW_DELIVER : IW_NO_MEMORY;
}
