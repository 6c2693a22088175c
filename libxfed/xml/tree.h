/* Appending to trees, for the reader and the builders. Both return NULL on NOMEM. */
#ifndef XFED_XML_TREE_H
#define XFED_XML_TREE_H

#include "xfed/xml.h"

struct xfed_xml_node *xml_node_append(struct xfed_arena *a, struct xfed_xml_elem *parent);
struct xfed_xml_attr *xml_attr_append(struct xfed_arena *a, struct xfed_xml_elem *e);

#endif
