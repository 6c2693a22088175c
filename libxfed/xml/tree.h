/* Appending to trees, for the reader and the builders. All return NULL on NOMEM. */
#ifndef XFED_XML_TREE_H
#define XFED_XML_TREE_H

#include "xfed/xml.h"

struct xfed_xml_node *xml_node_append(struct xfed_arena *a, struct xfed_xml_elem *parent);
struct xfed_xml_attr *xml_attr_append(struct xfed_arena *a, struct xfed_xml_elem *e);
/* `parent` may be NULL. */
struct xfed_xml_elem *xml_elem_append(struct xfed_arena *a, struct xfed_xml_elem *parent, struct xfed_span ns, struct xfed_span name);

#endif
