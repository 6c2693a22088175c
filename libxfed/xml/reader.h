/* What the files of the reader share: reader.c moves bytes, parser.c has the libxml2 parser and builds the trees, skim.c reads what is not kept. */
#ifndef XFED_XML_READER_H
#define XFED_XML_READER_H

#include <libxml/parser.h>

#include "xfed/buf.h"
#include "xml/scan.h"

struct xfed_xml_reader {
	struct xml_scan scan;
	struct xfed_buf unfed; /* bytes seen by the scanner and not by the parser */
	uint64_t fed_at;       /* offset of the first such byte */

	xmlParserCtxtPtr parser; /* NULL: hibernating, failed, or nothing was fed yet */
	char *header;		 /* start tag of the root as received, with a NUL, for a new parser */
	size_t header_len;
	char *content_ns; /* NULL: no header yet */
	size_t stanzas;	  /* given to this parser */
	bool is_replaying;
	bool wants_renewal;

	struct xfed_arena arena;
	struct xfed_xml_elem *elem; /* the result, or the first-level element being read */
	struct xfed_xml_elem *open; /* innermost open element */
	struct xfed_xml_node *text; /* the text node being joined */
	size_t text_room;
	bool is_complete; /* the parser has ended the header or a first-level element */
	bool is_closed;	  /* or the root */
	bool has_result;

	bool is_trimming; /* above a limit: nothing below the first-level element is kept any more */
	bool is_skimming; /* nor given to the parser */
	size_t ignored;	  /* while trimming: elements open in the parser that are not in the tree */
	uint32_t *names;  /* while skimming: hashes of the names of open elements the parser has not seen */
	size_t names_count, names_room;

	bool is_dead, is_nomem;
	enum xfed_reason reason;
	const char *stream_error;
};

/* Notes the first failure; the reader accepts nothing more. */
void xml_reader_die(struct xfed_xml_reader *r, enum xfed_reason reason, const char *stream_error);
void xml_reader_nomem(struct xfed_xml_reader *r);

/* Gives bytes to the parser in slices, and makes it if there is none. After a failure the reader accepts nothing more. */
void xml_parser_feed(struct xfed_xml_reader *r, struct xfed_span bytes);
void xml_parser_drop(struct xfed_xml_reader *r);
/* skim.c: begin is called once; then take for each window the scanner has read, until the element ends. */
void xml_skim_begin(struct xfed_xml_reader *r);
void xml_skim(struct xfed_xml_reader *r, struct xfed_span window);
void xml_skim_forget(struct xfed_xml_reader *r);
/* Memory of its dictionary, which is only freed with the parser. */
size_t xml_parser_names_bytes(const struct xfed_xml_reader *r);

/* True: an allocation of libxml2 failed since the last call. */
bool xml_global_take_nomem(void);

#endif
