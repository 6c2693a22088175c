/*
 * Stanzas (RFC 6120 section 8) as views on an element tree, and the errors built from them.
 */
#ifndef XFED_STANZA_H
#define XFED_STANZA_H

#include "xfed/jid.h"
#include "xfed/reason.h"
#include "xfed/xml.h"

enum xfed_stanza_kind { XFED_STANZA_MESSAGE, XFED_STANZA_PRESENCE, XFED_STANZA_IQ };

enum xfed_stanza_type {
	XFED_TYPE_NONE, /* absent (presence: available), or an unknown type of a message, which counts as normal ([A11-11]) */
	XFED_TYPE_ERROR,
	XFED_TYPE_NORMAL,
	XFED_TYPE_CHAT,
	XFED_TYPE_GROUPCHAT,
	XFED_TYPE_HEADLINE,
	XFED_TYPE_GET,
	XFED_TYPE_SET,
	XFED_TYPE_RESULT,
	XFED_TYPE_UNAVAILABLE,
	XFED_TYPE_SUBSCRIBE,
	XFED_TYPE_SUBSCRIBED,
	XFED_TYPE_UNSUBSCRIBE,
	XFED_TYPE_UNSUBSCRIBED,
	XFED_TYPE_PROBE,
	XFED_TYPE_INVALID, /* iq or presence with a type that does not exist */
};

struct xfed_stanza {
	enum xfed_stanza_kind kind;
	enum xfed_stanza_type type;
	struct xfed_jid from, to; /* normalised; of a malformed one only the domain */
	bool is_from_malformed, is_to_malformed;
	struct xfed_span id;		  /* data NULL: absent */
	struct xfed_span lang;		  /* xml:lang; data NULL: absent */
	const struct xfed_xml_elem *elem; /* borrowed */
};

enum xfed_stanza_result {
	XFED_STANZA_OK,
	XFED_STANZA_NOT,       /* it is no message, presence or iq in jabber:server */
	XFED_STANZA_IMPROPER,  /* from or to is absent, or has no domain: improper-addressing, [A10-01]; servers do not send that */
	XFED_STANZA_MALFORMED, /* from or to has a domain and is no valid JID: jid-malformed; a user can cause that, [A10-23] */
	XFED_STANZA_NO_MEMORY,
};

/*
 * Reads the attributes. Addresses are normalised into the arena; the element keeps its attributes as received. After MALFORMED all members
 * are filled in too.
 */
enum xfed_stanza_result xfed_stanza_view(struct xfed_arena *a, const struct xfed_xml_elem *e, struct xfed_stanza *out);

/* [A10-05]: iq with id, legal type and the right number of children. */
bool xfed_stanza_iq_is_sound(const struct xfed_stanza *s);
/* Whether an error may be sent in answer: not to type error, an iq result, or presence that expects none ([A10-06]). */
bool xfed_stanza_may_error(const struct xfed_stanza *s);
/* Whether it shows and begins nothing, so that policy has no reason to hold it back: an error, or the end of what may be seen. */
bool xfed_stanza_is_ending(const struct xfed_stanza *s);

/* Default error type of a stanza condition (RFC 6120 8.3.3): "cancel", "wait", ...; unknown: "cancel". */
const char *xfed_stanza_error_type(const char *condition);

struct xfed_stanza_error {
	const char *condition;	  /* a condition of RFC 6120 8.3.3 */
	const char *type;	  /* NULL: the default of the condition */
	struct xfed_span text;	  /* <text/>, data NULL: none */
	struct xfed_span content; /* URI inside gone or redirect, data NULL: none */
	bool is_too_big;	  /* adds <stanza-too-big xmlns='urn:xmpp:errors'/> ([A10-11]) */
};

/*
 * The error stanza for `s`: same kind, received addresses swapped, same id, type error, without the payload. If `to` is malformed, it is
 * sent from the domain of `to`. NULL: no error may be sent, or no memory (then `*nomem` is true).
 */
struct xfed_xml_elem *xfed_stanza_error_new(struct xfed_arena *a, const struct xfed_stanza *s, const struct xfed_stanza_error *err, bool *nomem);

/* The attributes of a stanza whose tree does not exist any more, as received; absent ones have length 0. */
struct xfed_stanza_words {
	bool is_message; /* else presence */
	struct xfed_span type, id, from, to;
};
/* The same error for a stanza of which only these attributes are left. NULL also if they belong to no stanza. */
struct xfed_xml_elem *xfed_stanza_error_of_words(
	struct xfed_arena *a, const struct xfed_stanza_words *w, const struct xfed_stanza_error *err, bool *nomem);

/* The condition (unknown: "undefined-condition") and text of a received error stanza. */
struct xfed_span xfed_stanza_error_condition(const struct xfed_xml_elem *e, struct xfed_arena *a, struct xfed_span *text);
/* The URI inside its gone or redirect; data NULL: none. */
struct xfed_span xfed_stanza_error_address(const struct xfed_xml_elem *e, struct xfed_arena *a);

#endif
