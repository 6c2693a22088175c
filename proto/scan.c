#include "proto/scan.h"

#include "xfed/jid.h"

struct cursor {
	const uint8_t *p, *end;
};

struct counts {
	size_t fields, unknown;
};

struct walk {
	const struct proto_scan *bound;
	struct counts n;
	const char *problem;
};

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LEN = 2, WIRE_32 = 5 };

static bool fail(struct walk *w, const char *problem)
{
	w->problem = problem;
	return false;
}

static bool read_varint(struct cursor *c, uint64_t *out)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		if (c->p == c->end) {
			return false;
		}
		uint8_t b = *c->p++;
		/* The tenth byte has one bit of a 64-bit number. */
		if (shift == 63 && b > 1) {
			return false;
		}
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*out = v;
			return true;
		}
	}
	return false;
}

static bool take(struct cursor *c, uint64_t len, struct xfed_span *out)
{
	if (len > (uint64_t)(c->end - c->p)) {
		return false;
	}
	*out = xfed_span_make(c->p, (size_t)len);
	c->p += len;
	return true;
}

/* The value after a tag; for WIRE_LEN its bytes, else the bytes of the number. */
static bool read_value(struct cursor *c, unsigned wire, struct xfed_span *out)
{
	uint64_t v;
	switch (wire) {
	case WIRE_VARINT: {
		const uint8_t *start = c->p;
		bool ok = read_varint(c, &v);
		*out = xfed_span_make(start, (size_t)(c->p - start));
		return ok;
	}
	case WIRE_64:
		return take(c, 8, out);
	case WIRE_LEN: {
		/* protobuf-c does not read a length in more bytes than 32 bits need, nor do we. */
		const uint8_t *start = c->p;
		return read_varint(c, &v) && c->p - start <= 5 && take(c, v, out);
	}
	case WIRE_32:
		return take(c, 4, out);
	default: /* groups, and types not assigned */
		return false;
	}
}

static unsigned wire_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_32;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_64;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_LEN;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		return WIRE_VARINT;
	}
	return WIRE_LEN;
}

/* Counts the elements of a packed list; an incomplete varint makes it invalid. */
static bool count_packed(unsigned wire, struct xfed_span bytes, size_t *count)
{
	if (wire == WIRE_32 || wire == WIRE_64) {
		size_t each = wire == WIRE_32 ? 4 : 8;
		*count = bytes.len / each;
		return bytes.len % each == 0;
	}
	struct cursor c = { (const uint8_t *)bytes.data, (const uint8_t *)bytes.data + bytes.len };
	uint64_t ignored;
	for (*count = 0; c.p < c.end; (*count)++) {
		if (!read_varint(&c, &ignored)) {
			return false;
		}
	}
	return true;
}

static bool walk_message(struct walk *w, const ProtobufCMessageDescriptor *desc, struct xfed_span bytes, unsigned depth, size_t *known);

static bool walk_known(struct walk *w, const ProtobufCFieldDescriptor *field, unsigned wire, struct xfed_span value, unsigned depth)
{
	unsigned wanted = wire_of(field->type);
	if (field->label == PROTOBUF_C_LABEL_REPEATED && wanted != WIRE_LEN && wire == WIRE_LEN) {
		size_t count;
		if (!count_packed(wanted, value, &count)) {
			return fail(w, "a list of numbers is broken");
		}
		w->n.fields += count;
		return true;
	}
	if (wire != wanted) {
		return fail(w, "a field has the wrong wire type");
	}
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		if (memchr(value.data, '\0', value.len) || !xfed_utf8_is_valid(value)) {
			return fail(w, "a text is not UTF-8, or holds NUL");
		}
	}
	if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		size_t ignored;
		return walk_message(w, field->descriptor, value, depth, &ignored);
	}
	return true;
}

/*
 * Checks one field. Repeating a field that is no list is legal in protobuf (the last one counts, messages are merged), but none of our
 * writers does it, and the merging code need not be trusted.
 */
static bool walk_field(struct walk *w, const ProtobufCMessageDescriptor *desc, struct cursor *c, unsigned depth, uint64_t *seen, size_t *known)
{
	uint64_t tag;
	struct xfed_span value;
	const uint8_t *start = c->p;
	/* protobuf-c does not read a tag in more bytes than 32 bits need. */
	if (!read_varint(c, &tag) || c->p - start > 5 || tag >> 3 == 0 || tag >> 32 != 0 || !read_value(c, (unsigned)tag & 7, &value)) {
		return fail(w, "a field is broken");
	}
	w->n.fields++;
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(desc, (unsigned)(tag >> 3));
	if (!field) {
		w->n.unknown++;
		return true;
	}
	(*known)++;
	if (field->label != PROTOBUF_C_LABEL_REPEATED) {
		uint64_t bit = (uint64_t)1 << (field->id & 63);
		if (*seen & bit) {
			return fail(w, "a field stands twice");
		}
		*seen |= bit;
	}
	return walk_known(w, field, (unsigned)tag & 7, value, depth);
}

static bool walk_message(struct walk *w, const ProtobufCMessageDescriptor *desc, struct xfed_span bytes, unsigned depth, size_t *known)
{
	struct cursor c = { (const uint8_t *)bytes.data, (const uint8_t *)bytes.data + bytes.len };
	uint64_t seen = 0;
	*known = 0;
	if (depth == 0) {
		return fail(w, "messages are nested too deeply");
	}
	while (c.p < c.end) {
		if (!walk_field(w, desc, &c, depth - 1, &seen, known)) {
			return false;
		}
		if (w->n.fields > w->bound->fields) {
			return fail(w, "too many fields");
		}
		if (w->n.unknown > w->bound->unknown) {
			return fail(w, "too many unknown fields");
		}
	}
	return true;
}

bool proto_scan(struct proto_scan *scan, const ProtobufCMessageDescriptor *desc, struct xfed_span bytes)
{
	struct walk w = { .bound = scan };
	size_t known;
	bool ok = walk_message(&w, desc, bytes, scan->depth, &known);
	scan->fields = w.n.fields;
	scan->unknown = w.n.unknown;
	scan->known_at_top = known;
	scan->problem = w.problem;
	return ok;
}
