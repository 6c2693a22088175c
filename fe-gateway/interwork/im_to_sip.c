#include "interwork/im.h"
#include "interwork/payload.h"
#include "interwork/text.h"
#include "interwork/when.h"

static struct xfed_span absent(void)
{
	return xfed_span_make(NULL, 0);
}

static struct xfed_span lang_of(const struct xfed_xml_elem *e)
{
	return xfed_xml_attr_get_ns(e, XFED_NS_XML, "lang");
}

/*
 * Ranks children of this name: the one in language `wanted` if that is given, else the one without a language of its own, else the one in
 * the stanza's language, else the first. An empty one is taken only if there is no other.
 */
static int rank(const struct xfed_xml_elem *e, const struct xfed_stanza *s, struct xfed_span wanted)
{
	struct xfed_span lang = lang_of(e);
	if (wanted.data && xfed_span_eq_nocase(lang.data ? lang : s->lang, wanted)) {
		return 3;
	}
	if (!lang.data) {
		return 2;
	}
	return s->lang.data && xfed_span_eq_nocase(lang, s->lang) ? 1 : 0;
}

/* `*text` has data NULL if no child has text. OK or NOMEM. */
static int choose(struct xfed_arena *a, const struct xfed_stanza *s, const char *name, struct xfed_span wanted, const struct xfed_xml_elem **chosen,
	struct xfed_span *text)
{
	int best = -1;
	*text = absent();
	for (const struct xfed_xml_elem *e = xfed_xml_child(s->elem, XFED_NS_SERVER, name); e; e = xfed_xml_next(e, XFED_NS_SERVER, name)) {
		int r = rank(e, s, wanted);
		if (r <= best) {
			continue;
		}
		struct xfed_span t = xfed_xml_text(a, e);
		if (!t.data) {
			return XFED_ERR_NOMEM;
		}
		if (t.len > 0) {
			best = r;
			*text = t;
			*chosen = e;
		}
	}
	return XFED_OK;
}

static enum iw_fate refuse(struct iw_sip_im *out, enum xfed_reason reason)
{
	XFED_REQUIRE(iw_reason_to_xmpp(reason, false, &out->refusal) == XFED_OK);
	return IW_REFUSE;
}

static enum iw_fate refuse_unread(struct iw_sip_im *out, const char *untold)
{
	out->untold = untold;
	return refuse(out, XFED_REASON_XMPP_CONTENT_UNREADABLE);
}

static enum iw_fate drop(struct iw_sip_im *out, const char *rule)
{
	out->rule = rule;
	return IW_DROP;
}

/* OK or NOMEM. The subject is taken in the language of the chosen body. */
static int add_rest(struct xfed_arena *a, const struct xfed_stanza *s, const struct xfed_xml_elem *body, struct iw_sip_im *out)
{
	const struct xfed_xml_elem *chosen = NULL;
	struct xfed_span lang = lang_of(body).data ? lang_of(body) : s->lang;
	if (iw_text_is_language(lang)) {
		out->language = lang;
	}
	struct xfed_span text;
	int rc = choose(a, s, "subject", lang, &chosen, &text);
	if (rc == XFED_OK && text.data) {
		rc = iw_text_line(a, text, IW_SUBJECT_BYTES, &out->subject);
	}
	if (rc == XFED_OK) {
		rc = choose(a, s, "thread", absent(), &chosen, &text);
	}
	if (rc == XFED_OK && text.len <= IW_THREAD_BYTES) {
		out->thread = text;
	}
	return rc;
}

enum iw_fate iw_im_to_sip(struct xfed_arena *a, const struct xfed_stanza *s, struct iw_sip_im *out)
{
	const struct xfed_xml_elem *chosen = NULL;
	XFED_REQUIRE(s->kind == XFED_STANZA_MESSAGE);
	*out = (struct iw_sip_im){ 0 };
	if (s->type == XFED_TYPE_ERROR) {
		return drop(out, "type-error");
	}
	if (s->type == XFED_TYPE_GROUPCHAT) {
		return refuse(out, XFED_REASON_XMPP_FEATURE_MISSING);
	}
	if (s->type == XFED_TYPE_HEADLINE) {
		return drop(out, "headline");
	}
	int rc = choose(a, s, "body", absent(), &chosen, &out->body);
	if (rc == XFED_OK && !out->body.data) {
		const char *untold = iw_payload_untold(s);
		return untold ? refuse_unread(out, untold) : drop(out, "no-body");
	}
	if (rc == XFED_OK && iw_payload_is_otr(out->body)) {
		return refuse_unread(out, IW_PAYLOAD_ENCRYPTED);
	}
	if (rc == XFED_OK) {
		rc = add_rest(a, s, chosen, out);
		out->sent_s = iw_when_sent(s);
	}
	return rc == XFED_OK ? IW_DELIVER : IW_NO_MEMORY;
}
