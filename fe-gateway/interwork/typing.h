/*
 * That somebody is typing: KeyboardActivity of Lync and its predecessors (in an INFO), isComposing (RFC 3994, in a MESSAGE), and chat states
 * (XEP-0085).
 */
#ifndef GATEWAY_INTERWORK_TYPING_H
#define GATEWAY_INTERWORK_TYPING_H

#include "interwork/im.h"
#include "xfed/buf.h"

#define IW_NS_CHAT_STATES "http://jabber.org/protocol/chatstates"

#define IW_TYPING_BYTES 4096 /* of one document */

/* How long COMPOSING holds unless it is said again. A client of this dialect says it again within 5 s, and takes it back after 6. */
#define IW_TYPING_KEYBOARD_S	6
#define IW_TYPING_COMPOSING_S	120 /* RFC 3994 section 3.3, where the document says nothing */
#define IW_TYPING_COMPOSING_MAX 300 /* a document may not ask for more */

/* X(id, element of XEP-0085). */
#define IW_CHAT_STATES(X) X(ACTIVE, "active") X(COMPOSING, "composing") X(PAUSED, "paused") X(INACTIVE, "inactive") X(GONE, "gone")

enum iw_chat_state {
#define IW_CHAT_STATE_ID(id, word) IW_CHAT_##id,
	IW_CHAT_STATES(IW_CHAT_STATE_ID)
#undef IW_CHAT_STATE_ID
		IW_CHAT_STATES_COUNT
};

enum iw_typing_form {
	IW_TYPING_KEYBOARD,  /* application/xml */
	IW_TYPING_COMPOSING, /* application/im-iscomposing+xml */
};

struct iw_typing {
	enum iw_typing_form form;
	enum iw_chat_state state; /* COMPOSING or PAUSED */
	uint32_t lapse_s;	  /* of COMPOSING: after so many seconds it counts as PAUSED */
};

/* Whether a body of this Content-Type may be one of ours. */
#define IW_TYPING_ACCEPT "application/im-iscomposing+xml, application/xml, text/xml"
bool iw_typing_is_type(struct xfed_span content_type);

/*
 * Reads a document, with or without a namespace; its root says which it is. XFED_OK; XFED_ERR_NOMEM; XFED_ERR_LIMIT: too large;
 * XFED_ERR_INVALID: no XML, restricted XML, or a state that is none; XFED_ERR_NOT_FOUND: XML of another kind, as with application/xml
 * (the actions of a conference).
 */
int iw_typing_read(struct xfed_span body, struct iw_typing *out);

/* Appends a document: COMPOSING is "type" or "active", all else "idle". XFED_OK; XFED_ERR_LIMIT, XFED_ERR_NOMEM: the buffer is unchanged. */
int iw_typing_write(struct xfed_buf *out, enum iw_typing_form form, enum iw_chat_state state);
const char *iw_typing_type(enum iw_typing_form form); /* its Content-Type */

/* The chat state in a message stanza; false: it has none, or is an error, a headline or of a group chat. The first one counts. */
bool iw_chat_state_of(const struct xfed_stanza *s, enum iw_chat_state *out);
const char *iw_chat_state_word(enum iw_chat_state state);

/*
 * Makes a message with this chat state alone, of type chat (XEP-0085 section 4.1), with the thread of `e`; its other type and sent_s are
 * not used. Borrows the spans of `e`: write it out before they end. XFED_OK or XFED_ERR_NOMEM.
 */
int iw_chat_state_write(struct xfed_arena *a, enum iw_chat_state state, const struct iw_xmpp_envelope *e, struct xfed_xml_elem **out);

#endif
