#include "xfed/stanza.h"

/* RFC 6120 8.3.3, [A10-07]. If the RFC allows several types, the first one it names. */
static const struct {
	const char *condition, *type;
} conditions[] = {
	{ "bad-request", "modify" },
	{ "conflict", "cancel" },
	{ "feature-not-implemented", "cancel" },
	{ "forbidden", "auth" },
	{ "gone", "cancel" },
	{ "internal-server-error", "cancel" },
	{ "item-not-found", "cancel" },
	{ "jid-malformed", "modify" },
	{ "not-acceptable", "modify" },
	{ "not-allowed", "cancel" },
	{ "not-authorized", "auth" },
	{ "policy-violation", "modify" },
	{ "recipient-unavailable", "wait" },
	{ "redirect", "modify" },
	{ "registration-required", "auth" },
	{ "remote-server-not-found", "cancel" },
	{ "remote-server-timeout", "wait" },
	{ "resource-constraint", "wait" },
	{ "service-unavailable", "cancel" },
	{ "subscription-required", "auth" },
	{ "undefined-condition", "cancel" },
	{ "unexpected-request", "wait" },
};

/* NULL: unknown condition. */
static const char *type_of(struct xfed_span condition)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(conditions); i++) {
		if (xfed_span_is(condition, conditions[i].condition)) {
			return conditions[i].type;
		}
	}
	return NULL;
}

const char *xfed_stanza_error_type(const char *condition)
{
	const char *type = type_of(xfed_span_str(condition));
	return type ? type : "cancel";
}

static int set(struct xfed_arena *a, struct xfed_xml_elem *e, struct xfed_span name, struct xfed_span value)
{
	return value.data ? xfed_xml_set_attr(a, e, XFED_SPAN(""), name, value) : XFED_OK;
}

/* An element like the stanza, with its addresses as received and swapped (RFC 6120 8.3.1); but never from an invalid address of ours. */
static struct xfed_xml_elem *answer_new(struct xfed_arena *a, const struct xfed_stanza *s)
{
	struct xfed_xml_elem *e = xfed_xml_elem_new(a, s->elem->ns, s->elem->name);
	struct xfed_span from = s->is_to_malformed ? s->to.domain : xfed_xml_attr_get(s->elem, "to");
	if (!e || set(a, e, XFED_SPAN("from"), from) != XFED_OK || set(a, e, XFED_SPAN("to"), xfed_xml_attr_get(s->elem, "from")) != XFED_OK ||
		set(a, e, XFED_SPAN("id"), s->id) != XFED_OK || set(a, e, XFED_SPAN("type"), XFED_SPAN("error")) != XFED_OK) {
		return NULL;
	}
	return e;
}

static int add_text(struct xfed_arena *a, struct xfed_xml_elem *error, struct xfed_span text)
{
	struct xfed_xml_elem *e = xfed_xml_add_elem(a, error, XFED_SPAN(XFED_NS_STANZA_ERR), XFED_SPAN("text"));
	if (!e || xfed_xml_set_attr(a, e, XFED_SPAN(XFED_NS_XML), XFED_SPAN("lang"), XFED_SPAN("en")) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	return xfed_xml_add_text(a, e, text);
}

static int add_error(struct xfed_arena *a, struct xfed_xml_elem *answer, const struct xfed_stanza_error *err)
{
	struct xfed_xml_elem *error = xfed_xml_add_elem(a, answer, answer->ns, XFED_SPAN("error"));
	const char *type = err->type ? err->type : xfed_stanza_error_type(err->condition);
	if (!error || set(a, error, XFED_SPAN("type"), xfed_span_str(type)) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	struct xfed_xml_elem *condition = xfed_xml_add_elem(a, error, XFED_SPAN(XFED_NS_STANZA_ERR), xfed_span_str(err->condition));
	if (!condition || xfed_xml_add_text(a, condition, err->content) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	if (err->text.data && add_text(a, error, err->text) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	if (err->is_too_big && !xfed_xml_add_elem(a, error, XFED_SPAN(XFED_NS_XMPP_ERRORS), XFED_SPAN("stanza-too-big"))) {
		return XFED_ERR_NOMEM;
	}
	return XFED_OK;
}

struct xfed_xml_elem *xfed_stanza_error_new(struct xfed_arena *a, const struct xfed_stanza *s, const struct xfed_stanza_error *err, bool *nomem)
{
	*nomem = false;
	if (!xfed_stanza_may_error(s)) {
		return NULL;
	}
	struct xfed_xml_elem *e = answer_new(a, s);
	if (!e || add_error(a, e, err) != XFED_OK) {
		*nomem = true;
		return NULL;
	}
	return e;
}

static struct xfed_xml_elem *of_words(struct xfed_arena *a, const struct xfed_stanza_words *w)
{
	const struct xfed_span names[] = { XFED_SPAN("from"), XFED_SPAN("to"), XFED_SPAN("id"), XFED_SPAN("type") };
	const struct xfed_span values[] = { w->from, w->to, w->id, w->type };
	struct xfed_xml_elem *e = xfed_xml_elem_new(a, XFED_SPAN(XFED_NS_SERVER), w->is_message ? XFED_SPAN("message") : XFED_SPAN("presence"));
	for (size_t i = 0; e && i < XFED_ARRAY_LEN(names); i++) {
		if (values[i].len > 0 && set(a, e, names[i], values[i]) != XFED_OK) {
			return NULL;
		}
	}
	return e;
}

struct xfed_xml_elem *xfed_stanza_error_of_words(
	struct xfed_arena *a, const struct xfed_stanza_words *w, const struct xfed_stanza_error *err, bool *nomem)
{
	struct xfed_xml_elem *e = of_words(a, w);
	struct xfed_stanza s;
	enum xfed_stanza_result r = e ? xfed_stanza_view(a, e, &s) : XFED_STANZA_NO_MEMORY;
	*nomem = r == XFED_STANZA_NO_MEMORY;
	return r == XFED_STANZA_OK ? xfed_stanza_error_new(a, &s, err, nomem) : NULL;
}

struct xfed_span xfed_stanza_error_condition(const struct xfed_xml_elem *e, struct xfed_arena *a, struct xfed_span *text)
{
	struct xfed_span condition = XFED_SPAN("undefined-condition");
	*text = (struct xfed_span){ NULL, 0 };
	const struct xfed_xml_elem *error = xfed_xml_child(e, XFED_NS_SERVER, "error");
	if (!error) {
		return condition;
	}
	const struct xfed_xml_elem *c = xfed_xml_child(error, XFED_NS_STANZA_ERR, NULL);
	for (; c; c = xfed_xml_next(c, XFED_NS_STANZA_ERR, NULL)) {
		if (xfed_xml_is(c, NULL, "text")) {
			*text = text->data ? *text : xfed_xml_text(a, c);
		} else if (type_of(c->name)) {
			condition = c->name;
		}
	}
	return condition;
}

struct xfed_span xfed_stanza_error_address(const struct xfed_xml_elem *e, struct xfed_arena *a)
{
	const struct xfed_xml_elem *error = xfed_xml_child(e, XFED_NS_SERVER, "error");
	const struct xfed_xml_elem *c = error ? xfed_xml_child(error, XFED_NS_STANZA_ERR, "gone") : NULL;
	if (error && !c) {
		c = xfed_xml_child(error, XFED_NS_STANZA_ERR, "redirect");
	}
	struct xfed_span none = { NULL, 0 }, said = c ? xfed_xml_text(a, c) : none;
	return said.len > 0 ? said : none;
}
