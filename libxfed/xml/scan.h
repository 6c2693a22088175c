/*
 * The scanner in front of the parser. It knows where XML markup begins and ends, nothing of names or namespaces: it
 * finds the '>' that ends the header, a first-level element or the stream, counts what limits.h bounds, and refuses
 * what may not reach the parser (RFC 6120 11.1, 11.6) or what libxml2 judges differently depending on where its input
 * was cut. It works byte by byte, so its verdict does not depend on how the input arrives. Names, attributes,
 * duplicates, namespaces and matching end tags are the parser's business.
 *
 * Positions are offsets in the whole input since xml_scan_init().
 */
#ifndef XFED_XML_SCAN_H
#define XFED_XML_SCAN_H

#include "xml/chars.h"
#include "xfed/xml.h"

enum xml_scan_event {
	XML_SCAN_MORE,	 /* input used up */
	XML_SCAN_TOKEN,	 /* a tag or CDATA section ended (only where asked for) */
	XML_SCAN_EXCESS, /* a limit that is not fatal is broken: look at `excess` and `is_skimming`, then go on */
	XML_SCAN_DECLARATION,
	XML_SCAN_HEADER,
	XML_SCAN_ELEMENT,
	XML_SCAN_CLOSE,
	XML_SCAN_BAD,
};

enum xml_scan_state {
	XML_SCAN_START,	  /* nothing seen yet: a declaration may come */
	XML_SCAN_PROLOG,  /* before the stream header */
	XML_SCAN_BETWEEN, /* between first-level elements */
	XML_SCAN_TEXT,
	XML_SCAN_LESS,	     /* behind '<' */
	XML_SCAN_BANG,	     /* behind '<!' */
	XML_SCAN_CDATA_OPEN, /* within '<![CDATA[' */
	XML_SCAN_CDATA,
	XML_SCAN_COMMENT, /* behind '<!-', of a document */
	XML_SCAN_DECL,	  /* within '<?xml ... ?>' */
	XML_SCAN_TAG,	  /* start tag, outside values */
	XML_SCAN_VALUE,
	XML_SCAN_END_TAG,
	XML_SCAN_REF, /* behind '&' */
	XML_SCAN_REF_DEC,
	XML_SCAN_REF_HEX,
	XML_SCAN_DONE,
};

#define XML_SCAN_NOWHERE UINT64_MAX

struct xml_scan {
	struct xfed_xml_limits limits;
	enum xml_scan_state state;
	enum xml_scan_state behind_ref; /* TEXT or VALUE */
	struct xml_utf8 utf8;
	uint64_t at;	      /* next byte to come */
	uint64_t cut_at;      /* behind the last tag or section: the parser may have what lies before */
	uint64_t safe_at;     /* the same, whole characters and references of text included */
	uint64_t token_at;    /* '<' or '&' of the token being read */
	uint64_t element_at;  /* '<' of the header or first-level element; XML_SCAN_NOWHERE between them */
	size_t element_bytes; /* of the last one that ended */
	size_t depth;	      /* open elements, the root included */
	size_t nodes, attrs;
	uint32_t ref_value;
	char ref_name[4];
	uint8_t ref_len;
	uint8_t matched;	   /* bytes of '<![CDATA[', '<?xml' or '<!--' */
	uint8_t brackets;	   /* ']', or '-' of a comment, just seen, at most 2 */
	unsigned char quote, last; /* `last`: byte before, in a tag the last that is no space */
	bool is_fragment;	   /* no stream end is possible */
	bool is_document;	   /* comments pass, and the root may close itself */
	bool in_text;		   /* the run of text is counted */
	bool stop_at_token;
	bool is_skimming;	     /* until the end of the element: what bounds the parser's work is broken, so it gets none */
	enum xfed_xml_excess excess; /* the first limit this element has broken */
	enum xml_scan_event event;
	enum xfed_reason reason;
	const char *stream_error;
};

/* `is_fragment`: as if a stream header had been read. */
void xml_scan_init(struct xml_scan *s, const struct xfed_xml_limits *limits, bool is_fragment);

/* Returns how many bytes it used; `s->event` says why it stopped. At BAD, the refused byte is not used. */
size_t xml_scan(struct xml_scan *s, const char *data, size_t len);

/* The encoding of a whole '<?xml ... ?>' is UTF-8 or not named. The rest of it is the parser's business. */
bool xml_scan_declares_utf8(struct xfed_span declaration);

#endif
