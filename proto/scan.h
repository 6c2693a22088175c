/*
 * Checks the bytes of a message before anything is allocated for it: limits on nesting, fields, list elements and unknown fields along the
 * message descriptor, wire types, UTF-8. Internal to proto.
 */
#ifndef PROTO_SCAN_H
#define PROTO_SCAN_H

#include <protobuf-c/protobuf-c.h>

#include "xfed/base.h"

struct proto_scan {
	size_t fields;	     /* in: limit; out: fields and list elements found */
	size_t unknown;	     /* the same for unknown fields */
	unsigned depth;	     /* in: levels allowed */
	size_t known_at_top; /* out: known fields of the outermost message */
	const char *problem; /* out, if the result is false */
};

bool proto_scan(struct proto_scan *scan, const ProtobufCMessageDescriptor *desc, struct xfed_span bytes);

#endif
