/*
 * Restricted XML (RFC 6120 section 11.1): element trees in an arena, the stream reader, the canonical writer.
 *
 * Reader: bytes in, first-level elements out. It wraps the libxml2 push parser by these rules: at most
 * XFED_XML_SLICE_BYTES at once; bytes since the last parser event are checked before the parser sees them; stanza
 * bytes are counted from '<' to '>' before the parser sees them; UTF-8 only (our own scan refuses a BOM, UTF-16 or
 * UTF-32 start and another declared encoding before the parser sees a byte); DOCTYPE, comment, PI, entity
 * references other than the five predefined, a second declaration and unbound prefixes are fatal.
 * It stops exactly behind the '>' that ends the stream header, a first-level element or the stream.
 *
 * What a single user of an honest server can make too large need not end the stream: with `most_bytes` a first-level element
 * that breaks a limit is read to its end all the same, within that, in the memory of one that breaks none. Its own name and
 * attributes are kept, the rest is judged by the scanner and let go (xml/skim.c). Fatal stay a tag that is too long
 * and whatever is not restricted, well-formed XML.
 *
 * What is refused, and how (reason, stream error): bytes that are not UTF-8, a byte order mark or another declared
 * encoding (STREAM_XML_ENCODING, unsupported-encoding, RFC 6120 4.9.3.22); comment, PI, DOCTYPE, entity
 * (STREAM_XML_RESTRICTED, restricted-xml); a limit (STREAM_XML_TOO_BIG or _TOO_DEEP, policy-violation); text between
 * first-level elements or a stream header that closes itself (STREAM_XML_MALFORMED, bad-format); all else, an unbound
 * prefix included (STREAM_XML_MALFORMED, not-well-formed, RFC 6120 11.3). Namespaces of the header, its version and
 * prefixed stanzas are judged by the conductor.
 */
#ifndef XFED_XML_H
#define XFED_XML_H

#include "xfed/arena.h"
#include "xfed/base.h"
#include "xfed/buf.h"
#include "xfed/reason.h"

#define XFED_NS_STREAM	    "http://etherx.jabber.org/streams"
#define XFED_NS_SERVER	    "jabber:server"
#define XFED_NS_CLIENT	    "jabber:client"
#define XFED_NS_DIALBACK    "jabber:server:dialback"
#define XFED_NS_TLS	    "urn:ietf:params:xml:ns:xmpp-tls"
#define XFED_NS_SASL	    "urn:ietf:params:xml:ns:xmpp-sasl"
#define XFED_NS_STREAM_ERR  "urn:ietf:params:xml:ns:xmpp-streams"
#define XFED_NS_STANZA_ERR  "urn:ietf:params:xml:ns:xmpp-stanzas"
#define XFED_NS_XMPP_ERRORS "urn:xmpp:errors"
#define XFED_NS_XML	    "http://www.w3.org/XML/1998/namespace"
#define XFED_NS_F_DIALBACK  "urn:xmpp:features:dialback"
#define XFED_NS_SM	    "urn:xmpp:sm:3"
#define XFED_NS_LIMITS	    "urn:xmpp:stream-limits:0"

/* ---- trees ---- all memory belongs to the arena they were made in */

struct xfed_xml_attr {
	struct xfed_xml_attr *next;
	struct xfed_span ns;	/* empty for an attribute without prefix */
	struct xfed_span name;	/* local name */
	struct xfed_span value; /* unescaped */
};

struct xfed_xml_elem;

/* Either an element or a run of text (adjacent runs are joined). */
struct xfed_xml_node {
	struct xfed_xml_node *next;
	struct xfed_xml_elem *elem; /* NULL: text */
	struct xfed_span text;	    /* never empty where it was read */
};

struct xfed_xml_elem {
	struct xfed_span ns, name;
	struct xfed_xml_attr *attrs, *last_attr;
	struct xfed_xml_node *children, *last_child;
	struct xfed_xml_elem *parent;
	bool has_prefix; /* was written with a prefix ([A2-03]) */
};

bool xfed_xml_is(const struct xfed_xml_elem *e, const char *ns, const char *name);
/* Value of an attribute without namespace; data NULL where absent. */
struct xfed_span xfed_xml_attr_get(const struct xfed_xml_elem *e, const char *name);
struct xfed_span xfed_xml_attr_get_ns(const struct xfed_xml_elem *e, const char *ns, const char *name);
/* First child element with this name; ns or name NULL match any. */
struct xfed_xml_elem *xfed_xml_child(const struct xfed_xml_elem *e, const char *ns, const char *name);
/* Next sibling element after `e` that matches. */
struct xfed_xml_elem *xfed_xml_next(const struct xfed_xml_elem *e, const char *ns, const char *name);
/* All direct text of an element joined; empty (data non-NULL) where there is none; data NULL on NOMEM. */
struct xfed_span xfed_xml_text(struct xfed_arena *a, const struct xfed_xml_elem *e);

/* Building. Strings are borrowed, not copied: they must live as long as the arena. Return NULL on NOMEM. */
struct xfed_xml_elem *xfed_xml_elem_new(struct xfed_arena *a, struct xfed_span ns, struct xfed_span name);
struct xfed_xml_elem *xfed_xml_add_elem(struct xfed_arena *a, struct xfed_xml_elem *parent, struct xfed_span ns, struct xfed_span name);
int xfed_xml_add_text(struct xfed_arena *a, struct xfed_xml_elem *parent, struct xfed_span text);
int xfed_xml_set_attr(struct xfed_arena *a, struct xfed_xml_elem *e, struct xfed_span ns, struct xfed_span name, struct xfed_span value);

/*
 * Canonical form: UTF-8, no declaration, double quotes, every element whose namespace differs from its parent's
 * carries xmlns=, namespaced attributes get a generated prefix (xml: stays), text escapes & < > and CR (&#xD;),
 * attributes & < " and tab, LF, CR as character references. `context_ns` is the default namespace in force where
 * the bytes will stand: pass an empty span to make the element self-contained. What XML cannot carry (control
 * characters, broken UTF-8) is written as U+FFFD, so the output is well-formed whatever the text; names are trusted.
 * Returns OK, LIMIT (the buffer's cap), NOMEM; on failure the buffer is as before.
 */
int xfed_xml_write(struct xfed_buf *out, const struct xfed_xml_elem *e, struct xfed_span context_ns);
/* Escaped text or attribute value, for the places that print by template. */
int xfed_xml_escape(struct xfed_buf *out, struct xfed_span text);

/* ---- reader ---- */

struct xfed_xml_reader;

struct xfed_xml_limits {
	size_t stanza_bytes; /* one first-level element, '<' to '>' */
	size_t depth;
	size_t nodes;	   /* elements and text runs of one first-level element */
	size_t most_bytes; /* not 0: an element that breaks one of these is an EXCESS, and BAD only above so many bytes; >= stanza_bytes */
};

/* The limit an EXCESS has broken, the first of them. */
enum xfed_xml_excess {
	XFED_XML_EXCESS_NONE,
	XFED_XML_EXCESS_BYTES,
	XFED_XML_EXCESS_DEPTH,
	XFED_XML_EXCESS_NODES,
	XFED_XML_EXCESS_ATTRS,	 /* XFED_XML_ATTRS_MAX of one start tag */
	XFED_XML_EXCESS_SECTION, /* XFED_XML_SILENT_CDATA_BYTES of one CDATA section */
};

enum xfed_xml_result {
	XFED_XML_MORE,	  /* everything consumed, nothing complete */
	XFED_XML_HEADER,  /* the stream header: xfed_xml_reader_elem() is the root without children */
	XFED_XML_ELEMENT, /* a first-level element: xfed_xml_reader_elem() */
	XFED_XML_EXCESS,  /* a first-level element that broke a limit: xfed_xml_reader_elem() is it without children */
	XFED_XML_CLOSE,	  /* </stream:stream> */
	XFED_XML_BAD,	  /* xfed_xml_reader_reason(); the reader takes nothing more */
	XFED_XML_NOMEM,	  /* as BAD, but our fault */
};

/* Creates a reader that waits for a stream header. Returns OK or NOMEM. */
int xfed_xml_reader_new(const struct xfed_xml_limits *limits, struct xfed_xml_reader **out);

/*
 * Creates a reader for stanzas that stand alone (on the channel): it behaves as if the header
 * <stream:stream xmlns='jabber:server' xmlns:stream='...'> had been read.
 */
int xfed_xml_reader_new_fragment(const struct xfed_xml_limits *limits, struct xfed_xml_reader **out);

/*
 * Creates a reader for one document: its root is the HEADER, the root's children are first-level elements, its end is CLOSE. Comments
 * are skipped, each bounded as a tag is; the root may close itself, and then no CLOSE comes. All else is refused as in a stream: PIs,
 * DOCTYPE, entities, other encodings, text between the root's children; and, as malformed, whatever but white space follows the root.
 */
int xfed_xml_reader_new_document(const struct xfed_xml_limits *limits, struct xfed_xml_reader **out);
void xfed_xml_reader_free(struct xfed_xml_reader *r);

/*
 * Feeds bytes and stops at the first result other than MORE, with `*consumed` counting the bytes taken, the final
 * '>' included. Trees of the previous result are gone after the call. White space between first-level elements is
 * consumed silently. After BAD and NOMEM nothing more is taken; after CLOSE everything is, unread
 * (of a document: white space is).
 */
enum xfed_xml_result xfed_xml_reader_feed(struct xfed_xml_reader *r, struct xfed_span in, size_t *consumed);

/* Tree of the last HEADER, ELEMENT or EXCESS, valid until the next feed, reset or free. */
struct xfed_xml_elem *xfed_xml_reader_elem(struct xfed_xml_reader *r);
/*
 * The default namespace the stream header declared (the content namespace of RFC 6120 4.8.2); empty where it declared
 * none, data NULL before HEADER. Valid until restart or free.
 */
struct xfed_span xfed_xml_reader_content_ns(const struct xfed_xml_reader *r);
/* The arena of that tree: what is added there lives exactly as long. */
struct xfed_arena *xfed_xml_reader_arena(struct xfed_xml_reader *r);
enum xfed_reason xfed_xml_reader_reason(const struct xfed_xml_reader *r);
/* RFC 6120 4.9 condition for the last BAD ("not-well-formed", "restricted-xml", "policy-violation", ...). */
const char *xfed_xml_reader_stream_error(const struct xfed_xml_reader *r);
/* The limit the first-level element being read or just read has broken. */
enum xfed_xml_excess xfed_xml_reader_excess(const struct xfed_xml_reader *r);
/* Bytes of the first-level element being read or just read. */
size_t xfed_xml_reader_stanza_bytes(const struct xfed_xml_reader *r);
/* The stream or document is at its end: behind CLOSE, or a root that closed itself. */
bool xfed_xml_reader_is_over(const struct xfed_xml_reader *r);
/* True while a first-level element (or the header) is incomplete. */
bool xfed_xml_reader_mid_element(const struct xfed_xml_reader *r);
void xfed_xml_reader_set_limits(struct xfed_xml_reader *r, const struct xfed_xml_limits *limits);

/*
 * Back to waiting for a stream header, with a new parser (stream restart, RFC 6120 4.3.3); a fragment reader is as new.
 * Also after BAD. Memory is taken by the next feed only.
 */
void xfed_xml_reader_restart(struct xfed_xml_reader *r);

/*
 * Hibernation: between first-level elements the parser can be dropped and is made anew from the saved header on the
 * next byte. Call when idle for XFED_XML_IDLE_HIBERNATE_MS; the reader does it by itself after a stanza above
 * XFED_XML_RENEW_STANZA_BYTES, every XFED_XML_RENEW_STANZAS stanzas and XFED_XML_NAMES_BYTES of distinct names.
 * No effect inside an element. Gives back all memory but the header: trees of the previous result are gone.
 */
void xfed_xml_reader_hibernate(struct xfed_xml_reader *r);
bool xfed_xml_reader_is_hibernating(const struct xfed_xml_reader *r);

/*
 * For a fragment reader: reads `in` as one whole element with nothing but white space around it. Returns ELEMENT, BAD
 * (also for less or more than one element) or NOMEM, and may be called again after each of them.
 */
enum xfed_xml_result xfed_xml_reader_fragment(struct xfed_xml_reader *r, struct xfed_span in);

/* Once per process, before the first reader: installs our allocator and a silent error handler in libxml2. */
int xfed_xml_global_init(void);
void xfed_xml_global_deinit(void);

#endif
