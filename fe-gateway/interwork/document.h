/* An XML document from SIP, read element by element with the restricted reader (xfed/xml.h). Internal to interwork. */
#ifndef GATEWAY_INTERWORK_DOCUMENT_H
#define GATEWAY_INTERWORK_DOCUMENT_H

#include "interwork/pidf.h"

/*
 * What is done with the root, which has no children here, and then with each of its children in turn; anything but OK ends the reading.
 * The tree, and what is allocated in `scratch`, are valid during the call.
 */
struct iw_document_steps {
	enum iw_pidf_result (*root)(void *user, struct xfed_arena *scratch, const struct xfed_xml_elem *e);
	enum iw_pidf_result (*element)(void *user, struct xfed_arena *scratch, const struct xfed_xml_elem *e);
};

/* `limits->stanza_bytes` is the limit of the whole document too. A byte order mark is skipped. */
enum iw_pidf_result iw_document_read(struct xfed_span body, const struct xfed_xml_limits *limits, const struct iw_document_steps *steps, void *user);

#endif
