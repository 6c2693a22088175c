/*
 * Restricted XML (RFC 6120 section 11.1): element trees in an arena, the stream reader, the canonical writer.
 *
 * The reader takes bytes and returns first-level elements. It uses the libxml2 push parser under these rules: at most XFED_XML_SLICE_BYTES
 * at once; bytes since the last parser event, and the bytes of a stanza from '<' to '>', are checked against their limits before the parser
 * sees them; UTF-8 only (our own scan refuses a BOM, the beginning of UTF-16 or UTF-32 and any other declared encoding before the parser
 * sees a byte); DOCTYPE, comment, PI, entity references other than the five predefined, a second declaration and unbound prefixes are
 * fatal. It stops exactly after the '>' that ends the stream header, a first-level element or the stream.
 *
 * An element that is too large may be the doing of one user of an honest server, and need not end the stream. With `most_bytes` a
 * first-level element that exceeds a limit is read to its end, up to that many bytes, in as much memory as one that exceeds none. Its own
 * name and attributes are kept; the rest is checked by the scanner and dropped (xml/skim.c). Still fatal are a tag that is too long, and
 * whatever is not restricted, well-formed XML.
 *
 * What is refused, and how (reason, stream error): bytes that are not UTF-8, a byte order mark or another declared encoding
 * (STREAM_XML_ENCODING, unsupported-encoding, RFC 6120 4.9.3.22); comment, PI, DOCTYPE, entity (STREAM_XML_RESTRICTED, restricted-xml); a
 * limit (STREAM_XML_TOO_BIG or _TOO_DEEP, policy-violation); text between first-level elements, or a stream header that closes itself
 * (STREAM_XML_MALFORMED, bad-format); all else, also an unbound prefix (STREAM_XML_MALFORMED, not-well-formed, RFC 6120 11.3). The
 * conductor judges the namespaces and version of the header, and prefixed stanzas.
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

/* Either an element or a text node (adjacent texts are joined). */
struct xfed_xml_node {
	struct xfed_xml_node *next;
	struct xfed_xml_elem *elem; /* NULL: text */
	struct xfed_span text;	    /* never empty in what was read */
};

struct xfed_xml_elem {
	struct xfed_span ns, name;
	struct xfed_xml_attr *attrs, *last_attr;
	struct xfed_xml_node *children, *last_child;
	struct xfed_xml_elem *parent;
	bool has_prefix; /* was written with a prefix ([A2-03]) */
};

bool xfed_xml_is(const struct xfed_xml_elem *e, const char *ns, const char *name);
/* Value of an attribute without namespace; data NULL: absent. */
struct xfed_span xfed_xml_attr_get(const struct xfed_xml_elem *e, const char *name);
struct xfed_span xfed_xml_attr_get_ns(const struct xfed_xml_elem *e, const char *ns, const char *name);
/* First child element with this name; ns or name NULL match any. */
struct xfed_xml_elem *xfed_xml_child(const struct xfed_xml_elem *e, const char *ns, const char *name);
/* Next sibling element after `e` that matches. */
struct xfed_xml_elem *xfed_xml_next(const struct xfed_xml_elem *e, const char *ns, const char *name);
/* All direct text of an element joined; empty (data non-NULL) if there is none; data NULL: no memory. */
struct xfed_span xfed_xml_text(struct xfed_arena *a, const struct xfed_xml_elem *e);

/* Building. Strings are borrowed, not copied, and have to live as long as the arena. NULL: no memory. */
struct xfed_xml_elem *xfed_xml_elem_new(struct xfed_arena *a, struct xfed_span ns, struct xfed_span name);
struct xfed_xml_elem *xfed_xml_add_elem(struct xfed_arena *a, struct xfed_xml_elem *parent, struct xfed_span ns, struct xfed_span name);
int xfed_xml_add_text(struct xfed_arena *a, struct xfed_xml_elem *parent, struct xfed_span text);
int xfed_xml_set_attr(struct xfed_arena *a, struct xfed_xml_elem *e, struct xfed_span ns, struct xfed_span name, struct xfed_span value);

/*
 * Canonical form: UTF-8, no declaration, double quotes, xmlns= on every element whose namespace differs from its parent's, generated
 * prefixes for namespaced attributes (xml: stays); in text & < > and CR (&#xD;), in attributes & < " and tab, LF, CR are escaped.
 * `context_ns` is the default namespace where the bytes will be inserted; empty: the element is self-contained. Characters XML cannot
 * represent (control characters, invalid UTF-8) are written as U+FFFD, so the output is always well-formed; names are trusted. OK; after
 * LIMIT and NOMEM the buffer is unchanged.
 */
int xfed_xml_write(struct xfed_buf *out, const struct xfed_xml_elem *e, struct xfed_span context_ns);
/* Escaped text or attribute value, for output by template. */
int xfed_xml_escape(struct xfed_buf *out, struct xfed_span text);

/* ---- reader ---- */

struct xfed_xml_reader;

struct xfed_xml_limits {
	size_t stanza_bytes; /* one first-level element, '<' to '>' */
	size_t depth;
	size_t nodes;	   /* elements and text nodes of one first-level element */
	size_t most_bytes; /* not 0: an element above one of these limits is an EXCESS, and BAD only above so many bytes; >= stanza_bytes */
};

/* The first limit that an EXCESS has exceeded. */
enum xfed_xml_excess {
	XFED_XML_EXCESS_NONE,
	XFED_XML_EXCESS_BYTES,
	XFED_XML_EXCESS_DEPTH,
	XFED_XML_EXCESS_NODES,
	XFED_XML_EXCESS_ATTRS,	 /* XFED_XML_ATTRS_MAX of one start tag */
	XFED_XML_EXCESS_SECTION, /* XFED_XML_SILENT_CDATA_BYTES of one CDATA section */
};

enum xfed_xml_result {
	XFED_XML_MORE,	  /* everything was consumed, and nothing is complete */
	XFED_XML_HEADER,  /* the stream header: xfed_xml_reader_elem() is the root without children */
	XFED_XML_ELEMENT, /* a first-level element: xfed_xml_reader_elem() */
	XFED_XML_EXCESS,  /* a first-level element that exceeded a limit: xfed_xml_reader_elem() is it without children */
	XFED_XML_CLOSE,	  /* </stream:stream> */
	XFED_XML_BAD,	  /* see xfed_xml_reader_reason(); the reader accepts nothing more */
	XFED_XML_NOMEM,	  /* like BAD, but out of memory */
};

/* Creates a reader that waits for a stream header. Returns OK or NOMEM. */
int xfed_xml_reader_new(const struct xfed_xml_limits *limits, struct xfed_xml_reader **out);

/* Creates a reader for single stanzas (on the channel): as if the header <stream:stream xmlns='jabber:server' xmlns:stream='...'> had been read. */
int xfed_xml_reader_new_fragment(const struct xfed_xml_limits *limits, struct xfed_xml_reader **out);

/*
 * Creates a reader for a document: its root is the HEADER, the root's children are first-level elements, its end is CLOSE. Comments are
 * skipped, each with the limit of a tag; the root may close itself, and then there is no CLOSE. All else is refused as in a stream: PIs,
 * DOCTYPE, entities, other encodings, text between the root's children; and, as malformed, anything but white space after the root.
 */
int xfed_xml_reader_new_document(const struct xfed_xml_limits *limits, struct xfed_xml_reader **out);
void xfed_xml_reader_free(struct xfed_xml_reader *r);

/*
 * Feeds bytes and stops at the first result other than MORE; `*consumed` counts the bytes taken, with the final '>'. Trees of the previous
 * result are invalid after the call. White space between first-level elements is consumed silently. After BAD and NOMEM nothing more is
 * taken; after CLOSE everything is taken and ignored (of a document: white space).
 */
enum xfed_xml_result xfed_xml_reader_feed(struct xfed_xml_reader *r, struct xfed_span in, size_t *consumed);

/* Tree of the last HEADER, ELEMENT or EXCESS, valid until the next feed, reset or free. */
struct xfed_xml_elem *xfed_xml_reader_elem(struct xfed_xml_reader *r);
/*
 * The default namespace declared by the stream header (the content namespace of RFC 6120 4.8.2); empty: none was declared; data NULL:
 * before HEADER. Valid until restart or free.
 */
struct xfed_span xfed_xml_reader_content_ns(const struct xfed_xml_reader *r);
/* The arena of that tree: what is allocated there is valid as long. */
struct xfed_arena *xfed_xml_reader_arena(struct xfed_xml_reader *r);
enum xfed_reason xfed_xml_reader_reason(const struct xfed_xml_reader *r);
/* RFC 6120 4.9 condition for the last BAD ("not-well-formed", "restricted-xml", "policy-violation", ...). */
const char *xfed_xml_reader_stream_error(const struct xfed_xml_reader *r);
/* The limit that the first-level element being read, or read last, has exceeded. */
enum xfed_xml_excess xfed_xml_reader_excess(const struct xfed_xml_reader *r);
/* The bytes of the first-level element being read, or read last. */
size_t xfed_xml_reader_stanza_bytes(const struct xfed_xml_reader *r);
/* The stream or document has ended: by CLOSE, or a root that closed itself. */
bool xfed_xml_reader_is_over(const struct xfed_xml_reader *r);
/* True while a first-level element (or the header) is incomplete. */
bool xfed_xml_reader_mid_element(const struct xfed_xml_reader *r);
void xfed_xml_reader_set_limits(struct xfed_xml_reader *r, const struct xfed_xml_limits *limits);

/*
 * Waits for a stream header again, with a new parser (stream restart, RFC 6120 4.3.3); a fragment reader becomes as new. Also after BAD.
 * Memory is allocated by the next feed only.
 */
void xfed_xml_reader_restart(struct xfed_xml_reader *r);

/*
 * Hibernation: between first-level elements the parser can be freed, and is made again from the saved header with the next byte. To be
 * called when idle for XFED_XML_IDLE_HIBERNATE_MS; the reader does it by itself after a stanza above XFED_XML_RENEW_STANZA_BYTES, every
 * XFED_XML_RENEW_STANZAS stanzas and XFED_XML_NAMES_BYTES of distinct names. No effect inside an element. Frees all memory but the header:
 * trees of the previous result are invalid.
 */
void xfed_xml_reader_hibernate(struct xfed_xml_reader *r);
bool xfed_xml_reader_is_hibernating(const struct xfed_xml_reader *r);

/*
 * For a fragment reader: reads `in` as one whole element with only white space around it. ELEMENT, BAD (also for less or more than one
 * element) or NOMEM; may be called again after each.
 */
enum xfed_xml_result xfed_xml_reader_fragment(struct xfed_xml_reader *r, struct xfed_span in);

/* Once per process, before the first reader: installs our allocator and a silent error handler in libxml2. */
int xfed_xml_global_init(void);
void xfed_xml_global_deinit(void);

#endif
