/* What the files of the scanner share: scan.c has the states, scan_words.c references and the XML declaration. */
#ifndef XFED_XML_SCAN_IMPL_H
#define XFED_XML_SCAN_IMPL_H

#include "xml/scan.h"

typedef const unsigned char *cursor;

static inline bool xml_may_start_name(unsigned char c)
{
	return c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

cursor xml_scan_refuse(struct xml_scan *s, cursor p, enum xfed_reason reason);

/* Each takes one byte of a reference: of a name, or of a number. */
cursor xml_scan_ref(struct xml_scan *s, cursor p);
cursor xml_scan_ref_number(struct xml_scan *s, cursor p);

#endif
