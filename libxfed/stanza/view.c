#include "xfed/stanza.h"

struct type_name {
	const char *name;
	enum xfed_stanza_type type;
};

static const struct type_name message_types[] = {
	{ "normal", XFED_TYPE_NORMAL },
	{ "chat", XFED_TYPE_CHAT },
	{ "groupchat", XFED_TYPE_GROUPCHAT },
	{ "headline", XFED_TYPE_HEADLINE },
	{ "error", XFED_TYPE_ERROR },
	{ NULL, XFED_TYPE_NONE },
};
static const struct type_name presence_types[] = {
	{ "unavailable", XFED_TYPE_UNAVAILABLE },
	{ "subscribe", XFED_TYPE_SUBSCRIBE },
	{ "subscribed", XFED_TYPE_SUBSCRIBED },
	{ "unsubscribe", XFED_TYPE_UNSUBSCRIBE },
	{ "unsubscribed", XFED_TYPE_UNSUBSCRIBED },
	{ "probe", XFED_TYPE_PROBE },
	{ "error", XFED_TYPE_ERROR },
	{ NULL, XFED_TYPE_INVALID },
};
static const struct type_name iq_types[] = {
	{ "get", XFED_TYPE_GET },
	{ "set", XFED_TYPE_SET },
	{ "result", XFED_TYPE_RESULT },
	{ "error", XFED_TYPE_ERROR },
	{ NULL, XFED_TYPE_INVALID },
};

static const struct {
	const char *name;
	const struct type_name *types;
	enum xfed_stanza_type without_type;
} kinds[] = {
	[XFED_STANZA_MESSAGE] = { "message", message_types, XFED_TYPE_NONE },
	[XFED_STANZA_PRESENCE] = { "presence", presence_types, XFED_TYPE_NONE },
	[XFED_STANZA_IQ] = { "iq", iq_types, XFED_TYPE_INVALID },
};

static enum xfed_stanza_type read_type(enum xfed_stanza_kind kind, struct xfed_span type)
{
	if (!type.data) {
		return kinds[kind].without_type;
	}
	const struct type_name *t = kinds[kind].types;
	while (t->name && !xfed_span_is(type, t->name)) {
		t++;
	}
	return t->type;
}

static enum xfed_stanza_result read_address(
	struct xfed_arena *a, const struct xfed_xml_elem *e, const char *name, struct xfed_jid *out, bool *is_malformed)
{
	struct xfed_span value = xfed_xml_attr_get(e, name);
	if (!value.data) {
		return XFED_STANZA_IMPROPER;
	}
	int rc = xfed_jid_parse(a, value, out);
	if (rc == XFED_ERR_INVALID) {
		*out = (struct xfed_jid){ 0 };
		rc = xfed_jid_domain_of(a, value, &out->domain);
		*is_malformed = rc == XFED_OK;
	}
	return rc == XFED_OK ? XFED_STANZA_OK : rc == XFED_ERR_NOMEM ? XFED_STANZA_NO_MEMORY : XFED_STANZA_IMPROPER;
}

enum xfed_stanza_result xfed_stanza_view(struct xfed_arena *a, const struct xfed_xml_elem *e, struct xfed_stanza *out)
{
	*out = (struct xfed_stanza){ .elem = e };
	size_t kind = 0;
	while (kind < XFED_ARRAY_LEN(kinds) && !xfed_xml_is(e, XFED_NS_SERVER, kinds[kind].name)) {
		kind++;
	}
	if (kind == XFED_ARRAY_LEN(kinds)) {
		return XFED_STANZA_NOT;
	}
	out->kind = (enum xfed_stanza_kind)kind;
	out->type = read_type(out->kind, xfed_xml_attr_get(e, "type"));
	out->id = xfed_xml_attr_get(e, "id");
	out->lang = xfed_xml_attr_get_ns(e, XFED_NS_XML, "lang");
	enum xfed_stanza_result result = read_address(a, e, "from", &out->from, &out->is_from_malformed);
	if (result == XFED_STANZA_OK) {
		result = read_address(a, e, "to", &out->to, &out->is_to_malformed);
	}
	bool is_malformed = out->is_from_malformed || out->is_to_malformed;
	return result == XFED_STANZA_OK && is_malformed ? XFED_STANZA_MALFORMED : result;
}

static size_t count_elements(const struct xfed_xml_elem *e)
{
	size_t count = 0;
	for (const struct xfed_xml_node *n = e->children; n; n = n->next) {
		count += n->elem != NULL;
	}
	return count;
}

bool xfed_stanza_iq_is_sound(const struct xfed_stanza *s)
{
	if (s->kind != XFED_STANZA_IQ || s->id.len == 0) {
		return false;
	}
	if (s->type == XFED_TYPE_ERROR) {
		return xfed_xml_child(s->elem, XFED_NS_SERVER, "error") != NULL;
	}
	size_t children = count_elements(s->elem);
	bool is_request = s->type == XFED_TYPE_GET || s->type == XFED_TYPE_SET;
	return is_request ? children == 1 : s->type == XFED_TYPE_RESULT && children <= 1;
}

bool xfed_stanza_is_ending(const struct xfed_stanza *s)
{
	return s->type == XFED_TYPE_ERROR || s->type == XFED_TYPE_UNAVAILABLE || s->type == XFED_TYPE_UNSUBSCRIBE ||
	       s->type == XFED_TYPE_UNSUBSCRIBED;
}

bool xfed_stanza_may_error(const struct xfed_stanza *s)
{
	/* RFC 6120 8.2.3 rule 4: nothing follows a result; and nobody waits for an answer to unavailable presence. */
	return s->type != XFED_TYPE_ERROR && !(s->kind == XFED_STANZA_IQ && s->type == XFED_TYPE_RESULT) &&
	       !(s->kind == XFED_STANZA_PRESENCE && s->type == XFED_TYPE_UNAVAILABLE);
}
