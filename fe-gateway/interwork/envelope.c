#include "interwork/envelope.h"

#include "interwork/when.h"

static int set(struct xfed_arena *a, struct xfed_xml_elem *e, const char *name, struct xfed_span value)
{
	return value.data ? xfed_xml_set_attr(a, e, xfed_span_make("", 0), xfed_span_str(name), value) : XFED_OK;
}

static int set_lang(struct xfed_arena *a, struct xfed_xml_elem *e, struct xfed_span lang)
{
	return lang.data ? xfed_xml_set_attr(a, e, XFED_SPAN(XFED_NS_XML), XFED_SPAN("lang"), lang) : XFED_OK;
}

int iw_envelope_attrs(struct xfed_arena *a, struct xfed_xml_elem *m, const struct iw_xmpp_envelope *env, const struct xfed_jid *from,
	struct xfed_span type, struct xfed_span lang)
{
	struct xfed_span sender = xfed_jid_full(a, from), to = xfed_jid_full(a, env->to);
	if (!sender.data || !to.data) {
		return XFED_ERR_NOMEM;
	}
	int rc = set(a, m, "from", sender);
	rc = rc == XFED_OK ? set(a, m, "to", to) : rc;
	rc = rc == XFED_OK ? set(a, m, "id", env->id) : rc;
	rc = rc == XFED_OK ? set(a, m, "type", type) : rc;
	return rc == XFED_OK ? set_lang(a, m, lang) : rc;
}

int iw_envelope_text(struct xfed_arena *a, struct xfed_xml_elem *m, const char *name, struct xfed_span text, struct xfed_span lang)
{
	if (!text.data) {
		return XFED_OK;
	}
	struct xfed_xml_elem *e = xfed_xml_add_elem(a, m, XFED_SPAN(XFED_NS_SERVER), xfed_span_str(name));
	int rc = e ? set_lang(a, e, lang) : XFED_ERR_NOMEM;
	return rc == XFED_OK ? xfed_xml_add_text(a, e, text) : rc;
}

int iw_envelope_delay(struct xfed_arena *a, struct xfed_xml_elem *m, const struct iw_xmpp_envelope *env)
{
	char *stamp = xfed_arena_alloc(a, IW_WHEN_SIZE);
	if (!stamp) {
		return XFED_ERR_NOMEM;
	}
	if (env->sent_s <= 0 || iw_when_print(env->sent_s, stamp) != XFED_OK) {
		return XFED_OK;
	}
	struct xfed_xml_elem *e = xfed_xml_add_elem(a, m, XFED_SPAN(IW_NS_DELAY), XFED_SPAN("delay"));
	int rc = e ? set(a, e, "from", env->from->domain) : XFED_ERR_NOMEM;
	return rc == XFED_OK ? set(a, e, "stamp", xfed_span_str(stamp)) : rc;
}
