/*
 * The scanner in front of the parser. It knows where XML markup begins and ends, and nothing of names or namespaces: it finds the '>' that
 * ends the header, a first-level element or the stream, counts what limits.h limits, and refuses what must not reach the parser (RFC 6120
 * 11.1, 11.6), or what libxml2 judges differently depending on how its input is split. It works byte by byte, so that its verdict does not
 * depend on that. Names, attributes, duplicates, namespaces and matching end tags are left to the parser.
 *
 * Positions are offsets in the whole input since xml_scan_init().
 */
#ifndef XFED_XML_SCAN_H
#define XFED_XML_SCAN_H

#include "xml/chars.h"
#include "xfed/xml.h"

enum xml_scan_event {
	XML_SCAN_MORE,	 /* the input is used up */
	XML_SCAN_TOKEN,	 /* a tag or CDATA section has ended (only if asked for) */
	XML_SCAN_EXCESS, /* a limit that is not fatal is exceeded: see `excess` and `is_skimming`, then continue */
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
	XML_SCAN_LESS,	     /* after '<' */
	XML_SCAN_BANG,	     /* after '<!' */
	XML_SCAN_CDATA_OPEN, /* within '<![CDATA[' */
	XML_SCAN_CDATA,
	XML_SCAN_COMMENT, /* after '<!-', in a document */
	XML_SCAN_DECL,	  /* within '<?xml ... ?>' */
	XML_SCAN_TAG,	  /* start tag, outside values */
	XML_SCAN_VALUE,
	XML_SCAN_END_TAG,
	XML_SCAN_REF, /* after '&' */
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
	uint64_t at;	      /* position of the next byte */
	uint64_t cut_at;      /* end of the last tag or section: the parser may have what is before */
	uint64_t safe_at;     /* the same, or later after whole characters and references of text */
	uint64_t token_at;    /* '<' or '&' of the token being read */
	uint64_t element_at;  /* '<' of the header or first-level element; XML_SCAN_NOWHERE between them */
	size_t element_bytes; /* of the last element that ended */
	size_t depth;	      /* open elements, the root included */
	size_t nodes, attrs;
	uint32_t ref_value;
	char ref_name[4];
	uint8_t ref_len;
	uint8_t matched;	   /* so many bytes of '<![CDATA[', '<?xml' or '<!--' */
	uint8_t brackets;	   /* so many ']', or '-' of a comment, just seen, at most 2 */
	unsigned char quote, last; /* `last`: the byte before, in a tag the last one that is no space */
	bool is_fragment;	   /* without an end of the stream */
	bool is_document;	   /* comments are allowed, and the root may close itself */
	bool in_text;		   /* the text node is counted already */
	bool stop_at_token;
	/* until the end of the element: a limit that bounds the parser's work is exceeded, so the parser gets none of it */
	bool is_skimming;
	enum xfed_xml_excess excess; /* the first limit this element has exceeded */
	enum xml_scan_event event;
	enum xfed_reason reason;
	const char *stream_error;
};

/* `is_fragment`: as if a stream header had been read. */
void xml_scan_init(struct xml_scan *s, const struct xfed_xml_limits *limits, bool is_fragment);

/* Returns how many bytes it used; `s->event` says why it stopped. After BAD the refused byte is not counted. */
size_t xml_scan(struct xml_scan *s, const char *data, size_t len);

/* True: the encoding in a whole '<?xml ... ?>' is UTF-8, or not named. The parser checks the rest. */
bool xml_scan_declares_utf8(struct xfed_span declaration);

#endif
