#include "interwork/payload.h"

/* A payload with this name; name NULL: with any. */
struct row {
	const char *ns, *name;
	const char *untold; /* text for the sender; NULL: a signal between clients */
};

static const struct row rows[] = {
	/* Signals between clients: [B4-11]. */
	{ "http://jabber.org/protocol/chatstates", NULL, NULL },   /* XEP-0085 */
	{ "urn:xmpp:receipts", NULL, NULL },			   /* XEP-0184 */
	{ "urn:xmpp:chat-markers:0", NULL, NULL },		   /* XEP-0333 */
	{ "jabber:x:event", NULL, NULL },			   /* XEP-0022, before the three above */
	{ "http://jabber.org/protocol/pubsub#event", NULL, NULL }, /* XEP-0163: a server's notification */
	{ "urn:xmpp:carbons:2", NULL, NULL },			   /* XEP-0280: a copy of what was said to others */
	{ "urn:xmpp:mam:2", NULL, NULL },
	/* Elements that accompany a message. */
	{ "urn:xmpp:hints", NULL, NULL },
	{ "urn:xmpp:eme:0", NULL, NULL },
	{ "urn:xmpp:sid:0", NULL, NULL },
	{ "urn:xmpp:delay", NULL, NULL },
	{ "jabber:x:delay", NULL, NULL },
	{ "urn:xmpp:idle:1", NULL, NULL },
	{ "http://jabber.org/protocol/nick", NULL, NULL },
	{ "http://jabber.org/protocol/address", NULL, NULL },
	{ "http://jabber.org/protocol/amp", NULL, NULL },
	{ "http://jabber.org/protocol/caps", NULL, NULL },
	{ "vcard-temp:x:update", NULL, NULL },
	{ "jabber:x:signed", NULL, NULL },
	{ "urn:xmpp:fallback:0", NULL, NULL },
	{ XFED_NS_SERVER, "thread", NULL },
	/* Content that somebody wrote, or an action that somebody waits for. */
	{ "urn:xmpp:openpgp:0", NULL, IW_PAYLOAD_ENCRYPTED },
	{ "jabber:x:encrypted", NULL, IW_PAYLOAD_ENCRYPTED },
	{ "urn:ietf:params:xml:ns:xmpp-e2e", NULL, IW_PAYLOAD_ENCRYPTED },
	{ "jabber:x:conference", NULL, "it is an invitation to a group chat" },
	{ "http://jabber.org/protocol/xhtml-im", NULL, "it is formatted text without a plain one" },
	{ "jabber:x:oob", NULL, "it is a link or file without a text; send the link as text" },
	{ "urn:xmpp:reference:0", NULL, "it is a file without a text; send its link as text" },
	{ "urn:xmpp:sfs:0", NULL, "it is a file without a text; send its link as text" },
	{ "urn:xmpp:reactions:0", NULL, "it is a reaction to another message" },
	{ "urn:xmpp:message-retract:1", NULL, "a message that was delivered cannot be taken back" },
	{ "urn:xmpp:jingle-message:0", NULL, "it is a call" },
	{ "urn:xmpp:attention:0", NULL, "it is a nudge" },
	{ XFED_NS_SERVER, "subject", "it has a subject and no text" },
	{ NULL, "body", "its text is in a namespace that is not the stanza's" },
};

/* Keys are sent ahead of messages without payload (XEP-0384 section 4.6): nobody waits for an answer. */
static const char *omemo(const struct xfed_xml_elem *e)
{
	return xfed_xml_child(e, NULL, "payload") ? IW_PAYLOAD_ENCRYPTED : NULL;
}

static bool has_text(const struct xfed_xml_elem *e)
{
	for (const struct xfed_xml_node *n = e->children; n; n = n->next) {
		if (n->elem || n->text.len > 0) {
			return true;
		}
	}
	return false;
}

static const char *untold(const struct xfed_xml_elem *e)
{
	if (xfed_xml_is(e, "eu.siacs.conversations.axolotl", "encrypted") || xfed_xml_is(e, "urn:xmpp:omemo:2", "encrypted") ||
		xfed_xml_is(e, "urn:xmpp:omemo:1", "encrypted")) {
		return omemo(e);
	}
	/* muc#user also comes with ordinary messages of a room: only <invite/> in it makes an invitation. */
	if (xfed_xml_is(e, "http://jabber.org/protocol/muc#user", "x")) {
		return xfed_xml_child(e, NULL, "invite") ? "it is an invitation to a group chat" : NULL;
	}
	if (xfed_span_is(e->ns, XFED_NS_SERVER) && !has_text(e)) {
		return NULL; /* an empty body or subject */
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (xfed_xml_is(e, rows[i].ns, rows[i].name)) {
			return rows[i].untold;
		}
	}
	return "only plain text can be delivered";
}

const char *iw_payload_untold(const struct xfed_stanza *s)
{
	const char *found = NULL;
	for (const struct xfed_xml_elem *e = xfed_xml_child(s->elem, NULL, NULL); e && !found; e = xfed_xml_next(e, NULL, NULL)) {
		found = untold(e);
	}
	return found;
}

bool iw_payload_is_otr(struct xfed_span body)
{
	static const char start[] = "?OTR";
	const size_t len = sizeof(start) - 1;
	/* ":" begins a message, "," and "|" a fragment of one; a query ("?OTRv3?") is followed by text for people. */
	return body.len > len && body.data[0] == '?' && memcmp(body.data, start, len) == 0 && strchr(":,|", body.data[len]) && body.data[len] != '\0';
}
