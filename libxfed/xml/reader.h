/* The reader's inside: reader.c moves bytes, parser.c owns the libxml2 parser and builds the trees, skim.c reads what is not kept. */
#ifndef XFED_XML_READER_H
#define XFED_XML_READER_H

#include <libxml/parser.h>

#include "xfed/buf.h"
#include "xml/scan.h"

struct xfed_xml_reader {
	struct xml_scan scan;
	struct xfed_buf unfed; /* seen by the scanner, not yet by the parser */
	uint64_t fed_at;       /* offset of the first such byte */

	xmlParserCtxtPtr parser; /* NULL: hibernating, dead or nothing fed yet */
	char *header;		 /* start tag of the root as it came, terminated, to replay */
	size_t header_len;
	char *content_ns; /* NULL before the header */
	size_t stanzas;	  /* fed to this parser */
	bool is_replaying;
	bool wants_renewal;

	struct xfed_arena arena;
	struct xfed_xml_elem *elem; /* the result, or the first-level element being read */
	struct xfed_xml_elem *open; /* innermost open element */
	struct xfed_xml_node *text; /* the run of text being joined */
	size_t text_room;
	bool is_complete; /* the parser ended the header or a first-level element */
	bool is_closed;	  /* ... or the root */
	bool has_result;

	bool is_trimming; /* over a limit: nothing below the first-level element is kept any more */
	bool is_skimming; /* ... nor given to the parser */
	size_t ignored;	  /* trimming: elements the parser has open that are not in the tree */
	uint32_t *names;  /* skimming: hashes of the names of open elements the parser has not seen */
	size_t names_count, names_room;

	bool is_dead, is_nomem;
	enum xfed_reason reason;
	const char *stream_error;
};

/* First failure wins; the reader is dead from then on. */
void xml_reader_die(struct xfed_xml_reader *r, enum xfed_reason reason, const char *stream_error);
void xml_reader_nomem(struct xfed_xml_reader *r);

/* Gives bytes to the parser in slices, making it first where there is none. Failures kill the reader. */
void xml_parser_feed(struct xfed_xml_reader *r, struct xfed_span bytes);
void xml_parser_drop(struct xfed_xml_reader *r);
/* skim.c: from here on, until the element ends; then each window the scanner has read. */
void xml_skim_begin(struct xfed_xml_reader *r);
void xml_skim(struct xfed_xml_reader *r, struct xfed_span window);
void xml_skim_forget(struct xfed_xml_reader *r);
/* Bytes its dictionary holds, which it never gives back. */
size_t xml_parser_names_bytes(const struct xfed_xml_reader *r);

/* True where an allocation of libxml2 failed since the last call. */
bool xml_global_take_nomem(void);

#endif
