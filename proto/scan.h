/*
 * A look at the bytes of a message before anything is allocated for it: bounds on nesting, fields, list elements and
 * unknown fields along the message descriptor, wire types, UTF-8. Inside proto only.
 */
#ifndef PROTO_SCAN_H
#define PROTO_SCAN_H

#include <protobuf-c/protobuf-c.h>

#include "xfed/base.h"

struct proto_scan {
	size_t fields;	     /* in: bound; out: fields and list elements met */
	size_t unknown;	     /* likewise */
	unsigned depth;	     /* in: levels allowed */
	size_t known_at_top; /* out: fields of the outermost message that the descriptor knows */
	const char *problem; /* out, where it returns false */
};

bool proto_scan(struct proto_scan *scan, const ProtobufCMessageDescriptor *desc, struct xfed_span bytes);

#endif
