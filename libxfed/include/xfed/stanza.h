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
	XFED_TYPE_NONE, /* absent (presence: available) or, for a message, unknown: read as normal ([A11-11]) */
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
	struct xfed_jid from, to; /* normalised; of a malformed one the domain alone */
	bool is_from_malformed, is_to_malformed;
	struct xfed_span id;		  /* data NULL: absent */
	struct xfed_span lang;		  /* xml:lang; data NULL: absent */
	const struct xfed_xml_elem *elem; /* borrowed */
};

enum xfed_stanza_result {
	XFED_STANZA_OK,
	XFED_STANZA_NOT,       /* no message, presence or iq in jabber:server */
	XFED_STANZA_IMPROPER,  /* from or to absent, or without a domain: improper-addressing, [A10-01]; no server sends that */
	XFED_STANZA_MALFORMED, /* from or to has a domain and is no JID: jid-malformed; a user can bring that about, [A10-23] */
	XFED_STANZA_NO_MEMORY,
};

/* Reads the attributes. Addresses are normalised into the arena. The element keeps its attributes as they came. MALFORMED fills all. */
enum xfed_stanza_result xfed_stanza_view(struct xfed_arena *a, const struct xfed_xml_elem *e, struct xfed_stanza *out);

/* [A10-05]: iq with id, legal type and the right number of children. */
bool xfed_stanza_iq_is_sound(const struct xfed_stanza *s);
/* An error may be sent in answer: not to type error, iq result, or an error-less kind ([A10-06]). */
bool xfed_stanza_may_error(const struct xfed_stanza *s);

/* Default error type of a stanza condition (RFC 6120 8.3.3): "cancel", "wait", ...; unknown: "cancel". */
const char *xfed_stanza_error_type(const char *condition);

struct xfed_stanza_error {
	const char *condition;	  /* RFC 6120 8.3.3 word */
	const char *type;	  /* NULL: the default of the condition */
	struct xfed_span text;	  /* <text/>, data NULL: none */
	struct xfed_span content; /* URI inside gone or redirect, data NULL: none */
	bool is_too_big;	  /* adds <stanza-too-big xmlns='urn:xmpp:errors'/> ([A10-11]) */
};

/*
 * The error stanza for `s`: same kind, addresses swapped as they came, same id, type error, no payload echoed. Where `to` is
 * malformed it comes from the domain of it.
 * NULL where none may be sent or on NOMEM (then `*nomem` is true).
 */
struct xfed_xml_elem *xfed_stanza_error_new(struct xfed_arena *a, const struct xfed_stanza *s, const struct xfed_stanza_error *err, bool *nomem);

/* The attributes of a stanza whose tree is gone, as they came; absent ones have length 0. */
struct xfed_stanza_words {
	bool is_message; /* else presence */
	struct xfed_span type, id, from, to;
};
/* The same error for a stanza of which only the words are left. NULL also where they are no stanza's. */
struct xfed_xml_elem *xfed_stanza_error_of_words(
	struct xfed_arena *a, const struct xfed_stanza_words *w, const struct xfed_stanza_error *err, bool *nomem);

/* What a received error stanza says: its condition (unknown: "undefined-condition") and text. */
struct xfed_span xfed_stanza_error_condition(const struct xfed_xml_elem *e, struct xfed_arena *a, struct xfed_span *text);
/* The URI inside its gone or redirect; data NULL: none. */
struct xfed_span xfed_stanza_error_address(const struct xfed_xml_elem *e, struct xfed_arena *a);

#endif
