/*
 * The stream reader. First byte: bit 0 a fragment reader, bit 1 a stream header goes before, bit 2 low limits that are not
 * fatal, bit 3 a document reader; second byte: seed of the pieces. Whatever comes in:
 * - each result ends exactly at its '>' and an element begins at its '<': nothing behind it was taken;
 * - every way of cutting the input gives the same results;
 * - a tree that was read, written and read again is the same tree, or breaks a limit, and never anything else;
 * - what breaks a limit that is not fatal ends where a reader without that limit says it does, is the same element but for its
 *   children, and takes no more memory than the limit allows.
 */
#include <stddef.h>

#include "../unit/xml/transcript.h"
#include "xfed/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define H "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"

static size_t one_byte(void *user, size_t at, size_t left)
{
	(void)user;
	(void)at;
	(void)left;
	return 1;
}

static size_t pieces(void *user, size_t at, size_t left)
{
	(void)at;
	uint32_t *state = user;
	*state = *state * 1664525u + 1013904223u;
	size_t n = 1 + (*state >> 16) % 29;
	return n < left ? n : left;
}

static void same_when_read_again(struct xfed_xml_reader *r)
{
	struct xfed_buf first, second;
	xfed_buf_init(&first, 64 << 20);
	xfed_buf_init(&second, 64 << 20);
	struct xfed_xml_reader *again;
	transcript_require(xfed_xml_write(&first, xfed_xml_reader_elem(r), XFED_SPAN(XFED_NS_SERVER)) == XFED_OK, "not written");
	transcript_require(xfed_xml_reader_new_fragment(&transcript_limits, &again) == XFED_OK, "no reader");
	if (xfed_xml_reader_fragment(again, xfed_buf_span(&first)) == XFED_XML_ELEMENT) {
		transcript_require(xfed_xml_write(&second, xfed_xml_reader_elem(again), XFED_SPAN(XFED_NS_SERVER)) == XFED_OK, "not written twice");
		transcript_require(xfed_span_eq(xfed_buf_span(&first), xfed_buf_span(&second)), "another tree when read again");
	} else {
		enum xfed_reason reason = xfed_xml_reader_reason(again);
		transcript_require(reason == XFED_REASON_STREAM_XML_TOO_BIG || reason == XFED_REASON_STREAM_XML_TOO_DEEP, "not read again");
	}
	xfed_xml_reader_free(again);
	xfed_buf_deinit(&first);
	xfed_buf_deinit(&second);
}

static void check_results(bool is_fragment, struct xfed_span in)
{
	struct xfed_xml_reader *r = transcript_reader(is_fragment);
	enum xfed_xml_result result = XFED_XML_MORE;
	for (size_t at = 0; at < in.len && result != XFED_XML_BAD && result != XFED_XML_CLOSE;) {
		size_t used;
		result = xfed_xml_reader_feed(r, xfed_span_make(in.data + at, in.len - at), &used);
		at += used;
		transcript_require(result != XFED_XML_NOMEM, "a peer made us run out of memory");
		if (result == XFED_XML_ELEMENT || result == XFED_XML_HEADER || result == XFED_XML_CLOSE) {
			transcript_require(in.data[at - 1] == '>', "the end is no end");
			size_t bytes = xfed_xml_reader_stanza_bytes(r);
			transcript_require(bytes <= at && in.data[at - bytes] == '<', "the begin is no begin");
		}
		if (result == XFED_XML_ELEMENT) {
			same_when_read_again(r);
		}
	}
	xfed_xml_reader_free(r);
}

static void compare(bool is_fragment, struct xfed_span in, const struct xfed_buf *whole, transcript_cut_fn *cut, void *user)
{
	struct xfed_buf out;
	xfed_buf_init(&out, 256 << 20);
	transcript_of(&out, is_fragment, in, cut, user);
	if (!xfed_span_eq(xfed_buf_span(whole), xfed_buf_span(&out))) {
		fprintf(stderr, "whole:\n%.*s\npieces:\n%.*s\n", (int)xfed_buf_len(whole), xfed_buf_span(whole).data, (int)xfed_buf_len(&out),
			xfed_buf_span(&out).data);
		abort();
	}
	xfed_buf_deinit(&out);
}

/* ---- limits that are not fatal ---- */

#define LET_GO_MEMORY (1024 * 1024) /* the arena of 2,000 bytes and 50 nodes, what the parser takes for itself, the depth of the rest */

struct block {
	size_t size;
	max_align_t mem[];
};

static size_t held, held_peak;

static void *counting_malloc(size_t size)
{
	struct block *b = malloc(sizeof(*b) + size);
	if (!b) {
		return NULL;
	}
	b->size = size;
	held += size;
	held_peak = held > held_peak ? held : held_peak;
	return b->mem;
}

static void counting_free(void *p)
{
	if (p) {
		struct block *b = (struct block *)((char *)p - offsetof(struct block, mem));
		held -= b->size;
		free(b);
	}
}

static void *counting_realloc(void *p, size_t size)
{
	void *q = counting_malloc(size);
	if (q && p) {
		const struct block *b = (const struct block *)((char *)p - offsetof(struct block, mem));
		memcpy(q, p, b->size < size ? b->size : size);
		counting_free(p);
	}
	return q;
}

static struct xfed_xml_reader *reader_with(bool is_fragment, const struct xfed_xml_limits *limits)
{
	struct xfed_xml_reader *r;
	int rc = is_fragment ? xfed_xml_reader_new_fragment(limits, &r) : xfed_xml_reader_new(limits, &r);
	transcript_require(rc == XFED_OK, "no reader");
	return r;
}

static void same_root(struct xfed_xml_reader *strict, struct xfed_xml_reader *mild)
{
	const struct xfed_xml_elem *x = xfed_xml_reader_elem(strict), *y = xfed_xml_reader_elem(mild);
	static const char *const names[] = { "from", "to", "id", "type" };
	transcript_require(xfed_span_eq(x->ns, y->ns) && xfed_span_eq(x->name, y->name) && x->has_prefix == y->has_prefix, "another element");
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		transcript_require(xfed_span_eq(xfed_xml_attr_get(x, names[i]), xfed_xml_attr_get(y, names[i])), "another attribute");
	}
}

/* Step by step beside a reader that has none of those limits but that of attributes, until that one refuses. */
static void compare_with_strict(bool is_fragment, struct xfed_span in)
{
	const struct xfed_xml_limits none = { XFED_STANZA_BYTES_MAX, 1000000, 1000000, 0 };
	struct xfed_xml_reader *strict = reader_with(is_fragment, &none);
	size_t before = held;
	struct xfed_xml_reader *mild = reader_with(is_fragment, &transcript_limits);
	enum xfed_xml_result x = XFED_XML_MORE;
	for (size_t at = 0, used_x, used_y; at < in.len && x != XFED_XML_CLOSE; at += used_x) {
		struct xfed_span rest = xfed_span_make(in.data + at, in.len - at);
		size_t held_strict = held;
		x = xfed_xml_reader_feed(strict, rest, &used_x);
		before += held - held_strict;
		held_peak = held;
		enum xfed_xml_result y = xfed_xml_reader_feed(mild, rest, &used_y);
		transcript_require(held_peak < before + LET_GO_MEMORY, "more memory than the limit allows");
		if (x == XFED_XML_BAD) {
			break;
		}
		bool is_same = x == y || (x == XFED_XML_ELEMENT && y == XFED_XML_EXCESS);
		transcript_require(is_same && used_x == used_y, "the element ends elsewhere");
		if (x == XFED_XML_ELEMENT) {
			same_root(strict, mild);
		}
	}
	xfed_xml_reader_free(strict);
	xfed_xml_reader_free(mild);
}

static void set_limits(bool is_mild)
{
	static const struct xfed_xml_limits strict = { XFED_STANZA_BYTES_MAX, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX, 0 };
	static const struct xfed_xml_limits mild = { 2000, 8, 50, XFED_STANZA_BYTES_MAX };
	transcript_limits = is_mild ? mild : strict;
}

static void init(void)
{
	static const struct xfed_mem_hooks hooks = { counting_malloc, counting_realloc, counting_free };
	static bool is_ready;
	if (!is_ready) {
		xfed_mem_set_hooks(&hooks);
		transcript_require(xfed_xml_global_init() == XFED_OK, "libxml2");
		is_ready = true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	init();
	if (size < 2) {
		return 0;
	}
	bool is_fragment = data[0] & 1, is_mild = data[0] & 4;
	transcript_is_document = (data[0] & 0xc) == 8;
	struct xfed_buf in, whole;
	xfed_buf_init(&in, size + sizeof(H));
	xfed_buf_init(&whole, 256 << 20);
	int rc = data[0] & 2 ? xfed_buf_append_str(&in, H) : XFED_OK;
	transcript_require(rc == XFED_OK && xfed_buf_append(&in, xfed_span_make(data + 2, size - 2)) == XFED_OK, "no memory");
	struct xfed_span bytes = xfed_buf_span(&in);
	set_limits(is_mild);
	if (is_mild) {
		compare_with_strict(is_fragment, bytes);
	} else {
		check_results(is_fragment, bytes);
	}
	transcript_of(&whole, is_fragment, bytes, NULL, NULL);
	uint32_t seed = data[1];
	compare(is_fragment, bytes, &whole, pieces, &seed);
	compare(is_fragment, bytes, &whole, one_byte, NULL);
	xfed_buf_deinit(&in);
	xfed_buf_deinit(&whole);
	return 0;
}
