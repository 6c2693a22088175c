#include "s2s/s2s_impl.h"

#include <time.h>

#define NS_PING	       "urn:xmpp:ping"
#define NS_VERSION     "jabber:iq:version"
#define NS_TIME	       "urn:xmpp:time"
#define NS_DISCO_INFO  "http://jabber.org/protocol/disco#info"
#define NS_DISCO_ITEMS "http://jabber.org/protocol/disco#items"

static const struct xfed_span no_ns = { NULL, 0 };

/* One row per query we answer. `answer` adds the payload below `result`, and returns OK or NOMEM. */
struct iq_row {
	const char *ns, *name;
	int (*answer)(struct s2s *s, struct xfed_arena *a, const struct xfed_xml_elem *query, struct xfed_xml_elem *result);
};

static int add_text(struct xfed_arena *a, struct xfed_xml_elem *parent, const char *ns, const char *name, const char *text)
{
	struct xfed_xml_elem *child = xfed_xml_add_elem(a, parent, xfed_span_str(ns), xfed_span_str(name));
	return child ? xfed_xml_add_text(a, child, xfed_span_str(text)) : XFED_ERR_NOMEM;
}

static int answer_ping(struct s2s *s, struct xfed_arena *a, const struct xfed_xml_elem *query, struct xfed_xml_elem *result)
{
	return XFED_OK; /* [A12-01]: the result is empty */
}

static int answer_version(struct s2s *s, struct xfed_arena *a, const struct xfed_xml_elem *query, struct xfed_xml_elem *result)
{
	struct xfed_xml_elem *q = xfed_xml_add_elem(a, result, XFED_SPAN(NS_VERSION), XFED_SPAN("query"));
	if (!q) {
		return XFED_ERR_NOMEM;
	}
	return add_text(a, q, NS_VERSION, "name", "xfed") | add_text(a, q, NS_VERSION, "version", XFED_VERSION);
}

static int answer_time(struct s2s *s, struct xfed_arena *a, const struct xfed_xml_elem *query, struct xfed_xml_elem *result)
{
	time_t now = (time_t)core_wall_s(s->core);
	struct tm tm;
	char text[32];
	if (!gmtime_r(&now, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		return XFED_ERR_INVALID;
	}
	struct xfed_span utc = xfed_arena_copy(a, xfed_span_str(text));
	struct xfed_xml_elem *t = xfed_xml_add_elem(a, result, XFED_SPAN(NS_TIME), XFED_SPAN("time"));
	if (!t || !utc.data) {
		return XFED_ERR_NOMEM;
	}
	return add_text(a, t, NS_TIME, "tzo", "+00:00") | add_text(a, t, NS_TIME, "utc", utc.data);
}

static int add_identity(struct xfed_arena *a, struct xfed_xml_elem *q, const char *category, const char *type)
{
	struct xfed_xml_elem *id = xfed_xml_add_elem(a, q, XFED_SPAN(NS_DISCO_INFO), XFED_SPAN("identity"));
	if (!id) {
		return XFED_ERR_NOMEM;
	}
	return xfed_xml_set_attr(a, id, no_ns, XFED_SPAN("category"), xfed_span_str(category)) |
	       xfed_xml_set_attr(a, id, no_ns, XFED_SPAN("type"), xfed_span_str(type)) |
	       xfed_xml_set_attr(a, id, no_ns, XFED_SPAN("name"), XFED_SPAN("xfed"));
}

static int add_feature(struct xfed_arena *a, struct xfed_xml_elem *q, const char *var)
{
	struct xfed_xml_elem *f = xfed_xml_add_elem(a, q, XFED_SPAN(NS_DISCO_INFO), XFED_SPAN("feature"));
	return f ? xfed_xml_set_attr(a, f, no_ns, XFED_SPAN("var"), xfed_span_str(var)) : XFED_ERR_NOMEM;
}

/* [A12-02]: the identity and features of our domains */
static int answer_disco_info(struct s2s *s, struct xfed_arena *a, const struct xfed_xml_elem *query, struct xfed_xml_elem *result)
{
	static const char *const features[] = { NS_DISCO_INFO, NS_DISCO_ITEMS, NS_PING, NS_VERSION, NS_TIME };
	struct xfed_xml_elem *q = xfed_xml_add_elem(a, result, XFED_SPAN(NS_DISCO_INFO), XFED_SPAN("query"));
	if (!q) {
		return XFED_ERR_NOMEM;
	}
	int rc = add_identity(a, q, "server", "im") | add_identity(a, q, "gateway", "simple");
	for (size_t i = 0; i < XFED_ARRAY_LEN(features) && rc == XFED_OK; i++) {
		rc = add_feature(a, q, features[i]);
	}
	return rc;
}

static int answer_disco_items(struct s2s *s, struct xfed_arena *a, const struct xfed_xml_elem *query, struct xfed_xml_elem *result)
{
	return xfed_xml_add_elem(a, result, XFED_SPAN(NS_DISCO_ITEMS), XFED_SPAN("query")) ? XFED_OK : XFED_ERR_NOMEM;
}

static const struct iq_row rows[] = {
	{ NS_PING, "ping", answer_ping },
	{ NS_VERSION, "query", answer_version },
	{ NS_TIME, "time", answer_time },
	{ NS_DISCO_INFO, "query", answer_disco_info },
	{ NS_DISCO_ITEMS, "query", answer_disco_items },
};

static void refuse(struct s2s_conn *c, const struct xfed_s2s_action *act, const char *condition)
{
	struct xfed_stanza_error err = { .condition = condition };
	core_count_stanza(c->s2s->core, s2s_partner_label(c->s2s, act->stanza.from.domain), "to_sip", "iq", "refused");
	s2s_bounce(c->s2s, act->arena, &act->stanza, &err);
}

static struct xfed_xml_elem *result_for(struct xfed_arena *a, const struct xfed_stanza *st)
{
	struct xfed_xml_elem *r = xfed_xml_elem_new(a, XFED_SPAN(XFED_NS_SERVER), XFED_SPAN("iq"));
	int rc = r ? xfed_xml_set_attr(a, r, no_ns, XFED_SPAN("from"), xfed_xml_attr_get(st->elem, "to")) |
				 xfed_xml_set_attr(a, r, no_ns, XFED_SPAN("to"), xfed_xml_attr_get(st->elem, "from")) |
				 xfed_xml_set_attr(a, r, no_ns, XFED_SPAN("id"), st->id) |
				 xfed_xml_set_attr(a, r, no_ns, XFED_SPAN("type"), XFED_SPAN("result"))
		   : XFED_ERR_NOMEM;
	return rc == XFED_OK ? r : NULL;
}

static const struct iq_row *find_row(const struct xfed_stanza *st, const struct xfed_xml_elem **query)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		*query = xfed_xml_child(st->elem, rows[i].ns, rows[i].name);
		if (*query) {
			return &rows[i];
		}
	}
	return NULL;
}

/*
 * Queries never cross the channel. Those to one of our domains are answered from the table above. Those to a user get service-unavailable,
 * the same for every address, so that nobody learns which users exist.
 */
void s2s_iq(struct s2s_conn *c, const struct xfed_s2s_action *act)
{
	const struct xfed_stanza *st = &act->stanza;
	struct s2s *s = c->s2s;
	if (st->type == XFED_TYPE_RESULT || st->type == XFED_TYPE_ERROR) {
		core_count_dropped(s->core, "iq-answer");
		core_count_stanza(s->core, s2s_partner_label(s, st->from.domain), "to_sip", "iq", "dropped");
		return;
	}
	if (!xfed_stanza_iq_is_sound(st)) {
		refuse(c, act, "bad-request");
		return;
	}
	const struct xfed_xml_elem *query = NULL;
	const struct iq_row *row = st->type == XFED_TYPE_GET && !st->to.local.data ? find_row(st, &query) : NULL;
	if (!row) {
		refuse(c, act, "service-unavailable");
		return;
	}
	if (xfed_xml_attr_get(query, "node").data) {
		refuse(c, act, "item-not-found");
		return;
	}
	struct xfed_xml_elem *result = result_for(act->arena, st);
	if (!result || row->answer(s, act->arena, query, result) != XFED_OK) {
		core_count_dropped(s->core, "no-memory");
		return;
	}
	core_count_stanza(s->core, s2s_partner_label(s, st->from.domain), "to_sip", "iq", "delivered");
	s2s_answer(s, st->to.domain, st->from.domain, result, "iq-result-unsendable");
}
