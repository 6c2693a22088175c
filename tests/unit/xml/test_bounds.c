/* What hostile input may cost: memory, parser calls and time stay bounded (traps: fresh namespaces, floods, 1 MB start tag). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

#include "transcript.h"
#include "xfed/mem.h"

#define H "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"

/* ---- an allocator that knows how much is held ---- */

struct block {
	size_t size;
	max_align_t mem[];
};

static size_t held, held_peak, calls;

static void *counting_malloc(size_t size)
{
	struct block *b = malloc(sizeof(*b) + size);
	if (!b) {
		return NULL;
	}
	b->size = size;
	held += size;
	held_peak = held > held_peak ? held : held_peak;
	calls++;
	return b->mem;
}

static void counting_free(void *p)
{
	struct block *b = (struct block *)((char *)p - offsetof(struct block, mem));
	held -= b->size;
	free(b);
}

static void *counting_realloc(void *p, size_t size)
{
	void *q = counting_malloc(size);
	if (q && p) {
		struct block *b = (struct block *)((char *)p - offsetof(struct block, mem));
		memcpy(q, p, b->size < size ? b->size : size);
		counting_free(p);
	}
	return q;
}

static struct xfed_xml_reader *stream_new(void)
{
	struct xfed_xml_reader *r;
	size_t used;
	assert_int_equal(xfed_xml_reader_new(&transcript_limits, &r), XFED_OK);
	assert_int_equal(xfed_xml_reader_feed(r, XFED_SPAN(H), &used), XFED_XML_HEADER);
	return r;
}

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Feeds the same bytes again and again, in pieces, until the reader refuses or `most` bytes went in. */
static enum xfed_xml_result flood(struct xfed_xml_reader *r, struct xfed_span piece, size_t most, size_t *taken)
{
	*taken = 0;
	enum xfed_xml_result result = XFED_XML_MORE;
	while (result == XFED_XML_MORE && *taken < most) {
		size_t used;
		result = xfed_xml_reader_feed(r, piece, &used);
		*taken += used;
	}
	return result;
}

static const struct flood {
	const char *name, *begin, *piece;
	size_t most; /* bytes after which it must have been refused */
	enum xfed_reason reason;
} floods[] = {
	{ "start tag", "<a b='", "xxxxxxxx", XFED_XML_SILENT_BYTES, XFED_REASON_STREAM_XML_TOO_BIG },
	{ "start tag of greater-than signs", "<a b='", ">>>>>>>>", XFED_XML_SILENT_BYTES, XFED_REASON_STREAM_XML_TOO_BIG },
	{ "attributes", "<a ", "b='' ", 6 * (XFED_XML_ATTRS_MAX + 1), XFED_REASON_STREAM_XML_TOO_DEEP },
	{ "CDATA", "<a><![CDATA[", "]]]]]]]]", XFED_XML_SILENT_CDATA_BYTES + 8, XFED_REASON_STREAM_XML_TOO_BIG },
	{ "text", "<a>", "text text ", XFED_STANZA_BYTES_MAX, XFED_REASON_STREAM_XML_TOO_BIG },
	{ "text of brackets", "<a>", "]", XFED_STANZA_BYTES_MAX, XFED_REASON_STREAM_XML_TOO_BIG },
	{ "text of greater-than signs", "<a>", ">", XFED_STANZA_BYTES_MAX, XFED_REASON_STREAM_XML_TOO_BIG },
	{ "text of references", "<a>", "&lt;", XFED_STANZA_BYTES_MAX, XFED_REASON_STREAM_XML_TOO_BIG },
	{ "text of carriage returns", "<a>", "\r", XFED_STANZA_BYTES_MAX, XFED_REASON_STREAM_XML_TOO_BIG },
	{ "text byte by byte", "<a>", "x", XFED_STANZA_BYTES_MAX, XFED_REASON_STREAM_XML_TOO_BIG },
	{ "emoji byte by byte", "<a>", "\xf0\x9f\x98\x80", XFED_STANZA_BYTES_MAX, XFED_REASON_STREAM_XML_TOO_BIG },
	{ "sections", "<a>", "<![CDATA[]]>", XFED_STANZA_BYTES_MAX, XFED_REASON_STREAM_XML_TOO_BIG },
	{ "elements", "<a>", "<b/>", 4 * XFED_XML_NODES_MAX, XFED_REASON_STREAM_XML_TOO_DEEP },
	{ "elements with attributes", "<a>", "<b a='' b='' c='' d='' e='' f='' g='' h=''/>", XFED_STANZA_BYTES_MAX, XFED_REASON_STREAM_XML_TOO_DEEP },
	{ "depth", "<a>", "<b>", 3 * XFED_XML_DEPTH_MAX, XFED_REASON_STREAM_XML_TOO_DEEP },
	{ "name", "<", "a", XFED_XML_SILENT_BYTES, XFED_REASON_STREAM_XML_TOO_BIG },
	{ "end tag", "<a></a", " ", XFED_XML_SILENT_BYTES, XFED_REASON_STREAM_XML_TOO_BIG },
	{ "reference", "<a>&#x", "0", XFED_XML_SILENT_BYTES + 8, XFED_REASON_STREAM_XML_TOO_BIG },
};

/* One flood until it is refused, within `most` bytes and `peak` of memory. */
static void try_flood(const struct flood *f, size_t most, enum xfed_reason reason, size_t peak)
{
	size_t before = held, used, taken;
	struct xfed_xml_reader *r = stream_new();
	double start = cpu_seconds();
	held_peak = held;
	assert_int_equal(xfed_xml_reader_feed(r, xfed_span_str(f->begin), &used), XFED_XML_MORE);
	enum xfed_xml_result result = flood(r, xfed_span_str(f->piece), 4 << 20, &taken);
	double spent = cpu_seconds() - start;
	if (result != XFED_XML_BAD || xfed_xml_reader_reason(r) != reason || taken > most) {
		fail_msg("%s: result %d %s after %zu bytes", f->name, result, xfed_reason_code(xfed_xml_reader_reason(r)), taken);
	}
	/* A generous bound even under the sanitizers; what it guards against is quadratic cost: seconds. */
	if (spent > 1.0) {
		fail_msg("%s: %.3f s for %zu bytes", f->name, spent, taken);
	}
	if (held_peak - before > peak || held - before > 8192) {
		fail_msg("%s: peak %zu, then %zu", f->name, held_peak - before, held - before);
	}
	xfed_xml_reader_free(r);
	assert_int_equal(held, before);
}

static void floods_are_bounded(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(floods); i++) {
		/* An attribute of 6 bytes takes 64 in the tree, nothing takes more; once refused, the tree is gone. */
		try_flood(&floods[i], floods[i].most, floods[i].reason, 12 * XFED_STANZA_BYTES_MAX);
	}
}

/* Where a limit is not the end: the tree is that of the limit, and no more is kept of what follows than the depth it has. */
static void letting_go_is_bounded(void **state)
{
	(void)state;
	const struct xfed_xml_limits hard = transcript_limits;
	transcript_limits = (struct xfed_xml_limits){ XFED_STANZA_BYTES_DEFAULT, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX, XFED_STANZA_BYTES_MAX };
	size_t depth_bytes = 1024 * 1024; /* four for each level of three bytes, in a table that doubles */
	for (size_t i = 0; i < XFED_ARRAY_LEN(floods); i++) {
		bool is_tag = floods[i].most < XFED_XML_SILENT_BYTES + 16 && floods[i].reason == XFED_REASON_STREAM_XML_TOO_BIG;
		bool is_attrs = strcmp(floods[i].name, "attributes") == 0;
		size_t most = is_tag || is_attrs ? XFED_XML_SILENT_BYTES + 8 : XFED_STANZA_BYTES_MAX;
		try_flood(&floods[i], most, XFED_REASON_STREAM_XML_TOO_BIG, 12 * XFED_STANZA_BYTES_DEFAULT + depth_bytes + 256 * 1024);
	}
	transcript_limits = hard;
}

/* Stanza after stanza of those: nothing is left of any. */
static void what_was_let_go_is_gone(void **state)
{
	(void)state;
	static const struct {
		const char *begin, *piece, *end;
		size_t count;
	} rows[] = { { "<m>", "<b/>", "</m>", 5000 }, { "<m>", "<b>", "</m>", 0 }, { "<m>", "0123456789", "</m>", 7000 },
		{ "<m", " a=''", "/>", 70 } };
	const struct xfed_xml_limits hard = transcript_limits;
	transcript_limits = (struct xfed_xml_limits){ XFED_STANZA_BYTES_DEFAULT, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX, XFED_STANZA_BYTES_MAX };
	struct xfed_xml_reader *r = stream_new();
	size_t used, before = 0;
	assert_int_equal(xfed_xml_reader_feed(r, XFED_SPAN("<a/>"), &used), XFED_XML_ELEMENT);
	before = held;
	for (size_t i = 0; i < 40; i++) {
		struct xfed_buf in;
		xfed_buf_init(&in, 1 << 20);
		size_t row = i % XFED_ARRAY_LEN(rows), depth = rows[row].count == 0 ? 30000 : 0;
		int rc = xfed_buf_append_str(&in, rows[row].begin);
		for (size_t n = 0; n < rows[row].count + depth; n++) {
			rc |= xfed_buf_append_str(&in, rows[row].piece);
		}
		for (size_t n = 0; n < depth; n++) {
			rc |= xfed_buf_append_str(&in, "</b>");
		}
		assert_int_equal(rc | xfed_buf_append_str(&in, rows[row].end), XFED_OK);
		assert_int_equal(xfed_xml_reader_feed(r, xfed_buf_span(&in), &used), XFED_XML_EXCESS);
		assert_int_equal(used, xfed_buf_len(&in));
		assert_null(xfed_xml_reader_elem(r)->children);
		xfed_buf_deinit(&in);
		assert_int_equal(xfed_xml_reader_feed(r, XFED_SPAN("<a/>"), &used), XFED_XML_ELEMENT);
		if (held > before + 2048) {
			fail_msg("%zu bytes more than before, row %zu", held - before, row);
		}
	}
	xfed_xml_reader_free(r);
	transcript_limits = hard;
}

/* Behind a limit of the parser's work the scanner reads alone: what is no XML for a stream ends it there too. */
static void what_is_let_go_is_still_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum xfed_reason reason;
	} rows[] = { { "&foo;", XFED_REASON_STREAM_XML_RESTRICTED }, { "<!-- x -->", XFED_REASON_STREAM_XML_RESTRICTED },
		{ "&#x1;", XFED_REASON_STREAM_XML_MALFORMED }, { "&amp;</m>", XFED_REASON_NONE } };
	const struct xfed_xml_limits hard = transcript_limits;
	transcript_limits = (struct xfed_xml_limits){ XFED_STANZA_BYTES_DEFAULT, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX, XFED_STANZA_BYTES_MAX };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_xml_reader *r = stream_new();
		struct xfed_buf in;
		size_t used;
		xfed_buf_init(&in, 1 << 20);
		int rc = xfed_buf_append_str(&in, "<m>");
		for (size_t n = 0; n < 5000; n++) {
			rc |= xfed_buf_append_str(&in, "<b/>");
		}
		assert_int_equal(rc | xfed_buf_append_str(&in, rows[i].text), XFED_OK);
		bool is_bad = rows[i].reason != XFED_REASON_NONE;
		assert_int_equal(xfed_xml_reader_feed(r, xfed_buf_span(&in), &used), is_bad ? XFED_XML_BAD : XFED_XML_EXCESS);
		if (is_bad) {
			assert_int_equal(xfed_xml_reader_reason(r), rows[i].reason);
		}
		xfed_buf_deinit(&in);
		xfed_xml_reader_free(r);
	}
	transcript_limits = hard;
}

/* The largest tree a stanza can make fits the arena: a peer cannot make "out of memory" of it. */
static void largest_trees_fit(void **state)
{
	(void)state;
	static const char *const elems[] = {
		"<b a='' c='' d='' e='' f='' g='' h='' i='' j='' k=''/>",
		"<b/>",
		"<b xmlns='u'/>x",
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(elems); i++) {
		struct xfed_buf in;
		xfed_buf_init(&in, XFED_STANZA_BYTES_MAX);
		assert_int_equal(xfed_buf_append_str(&in, "<a>"), XFED_OK);
		for (int n = 0; n < XFED_XML_NODES_MAX / 2 - 1; n++) {
			assert_int_equal(xfed_buf_append_str(&in, elems[i]), XFED_OK);
		}
		while (xfed_buf_len(&in) < XFED_STANZA_BYTES_MAX - 4) {
			assert_int_equal(xfed_buf_append_str(&in, "x"), XFED_OK);
		}
		assert_int_equal(xfed_buf_append_str(&in, "</a>"), XFED_OK);
		struct xfed_xml_reader *r = stream_new();
		size_t used;
		assert_int_equal(xfed_xml_reader_feed(r, xfed_buf_span(&in), &used), XFED_XML_ELEMENT);
		assert_int_equal(used, XFED_STANZA_BYTES_MAX);
		assert_non_null(xfed_arena_alloc(xfed_xml_reader_arena(r), XFED_STANZA_BYTES_MAX));
		xfed_xml_reader_free(r);
		xfed_buf_deinit(&in);
	}
	/* As many attributes as there can be, from the start of the stanza to its end. */
	struct xfed_buf in;
	xfed_buf_init(&in, XFED_STANZA_BYTES_MAX);
	assert_int_equal(xfed_buf_append_str(&in, "<a>"), XFED_OK);
	while (xfed_buf_len(&in) < XFED_STANZA_BYTES_MAX - 400) {
		assert_int_equal(xfed_buf_append_str(&in, "<b"), XFED_OK);
		for (int n = 0; n < XFED_XML_ATTRS_MAX; n++) {
			assert_int_equal(xfed_buf_printf(&in, n < 26 ? " %c=''" : " %c%c=''", 'a' + n % 26, 'a' + n / 26), XFED_OK);
		}
		assert_int_equal(xfed_buf_append_str(&in, "/>"), XFED_OK);
	}
	assert_int_equal(xfed_buf_append_str(&in, "</a>"), XFED_OK);
	struct xfed_xml_reader *r = stream_new();
	size_t used;
	assert_int_equal(xfed_xml_reader_feed(r, xfed_buf_span(&in), &used), XFED_XML_ELEMENT);
	xfed_xml_reader_free(r);
	xfed_buf_deinit(&in);
}

/* Names are never freed by the parser: 164,000 fresh namespaces took 29 MB before it was renewed. */
static void fresh_names_are_bounded(void **state)
{
	(void)state;
	static const char *const forms[][3] = {
		{ "<a xmlns='urn:fresh:", "'/>", "" },
		{ "<a", "/>", "" },
		{ "<a b", "='1'/>", "" },
		{ "<x", ":a xmlns:x", "='u'/>" },
	};
	size_t before = held;
	struct xfed_xml_reader *r = stream_new();
	held_peak = held;
	for (int i = 0; i < 200000; i++) {
		char in[128];
		const char *const *form = forms[i % 4];
		int len = snprintf(in, sizeof(in), "%s%d%s", form[0], i, form[1]);
		if (*form[2]) {
			len += snprintf(in + len, sizeof(in) - (size_t)len, "%d%s", i, form[2]);
		}
		size_t used;
		if (xfed_xml_reader_feed(r, xfed_span_make(in, (size_t)len), &used) != XFED_XML_ELEMENT || used != (size_t)len) {
			fail_msg("stanza %d: %s", i, xfed_reason_code(xfed_xml_reader_reason(r)));
		}
	}
	if (held_peak - before > 3 * 1024 * 1024) {
		fail_msg("peak %zu", held_peak - before);
	}
	xfed_xml_reader_hibernate(r);
	if (held - before > 1024) {
		fail_msg("%zu bytes held in hibernation", held - before);
	}
	xfed_xml_reader_free(r);
	assert_int_equal(held, before);
}

/* Many names in few stanzas: the dictionary's own size renews the parser long before 5,000 stanzas. */
static void wide_stanzas_are_bounded(void **state)
{
	(void)state;
	size_t before = held;
	struct xfed_xml_reader *r = stream_new();
	held_peak = held;
	int name = 0;
	for (int i = 0; i < 300; i++) {
		struct xfed_buf in;
		xfed_buf_init(&in, XFED_XML_RENEW_STANZA_BYTES);
		assert_int_equal(xfed_buf_append_str(&in, "<a>"), XFED_OK);
		while (xfed_buf_len(&in) < XFED_XML_RENEW_STANZA_BYTES - 30) {
			assert_int_equal(xfed_buf_printf(&in, "<b%d/>", name++), XFED_OK);
		}
		assert_int_equal(xfed_buf_append_str(&in, "</a>"), XFED_OK);
		size_t used;
		assert_int_equal(xfed_xml_reader_feed(r, xfed_buf_span(&in), &used), XFED_XML_ELEMENT);
		xfed_buf_deinit(&in);
	}
	if (held_peak - before > 4 * 1024 * 1024) {
		fail_msg("peak %zu for %d names", held_peak - before, name);
	}
	xfed_xml_reader_free(r);
}

/* A large stanza does not leave its buffers on the stream: the parser's own never shrink. */
static void memory_goes_back(void **state)
{
	(void)state;
	struct xfed_xml_reader *r = stream_new();
	size_t used;
	struct xfed_buf in;
	xfed_buf_init(&in, 1 << 20);
	assert_int_equal(xfed_buf_append_str(&in, "<a b='"), XFED_OK);
	for (int i = 0; i < 1600; i++) {
		assert_int_equal(xfed_buf_append_str(&in, "0123456789"), XFED_OK);
	}
	assert_int_equal(xfed_buf_append_str(&in, "'>"), XFED_OK);
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(xfed_buf_append_str(&in, "0123456789"), XFED_OK);
	}
	assert_int_equal(xfed_buf_append_str(&in, "</a>"), XFED_OK);
	assert_int_equal(xfed_xml_reader_feed(r, XFED_SPAN("<a/>"), &used), XFED_XML_ELEMENT);
	size_t before = held;
	/* In two pieces, so that our own buffer grows as well. */
	struct xfed_span all = xfed_buf_span(&in);
	assert_int_equal(xfed_xml_reader_feed(r, xfed_span_make(all.data, 10000), &used), XFED_XML_MORE);
	assert_int_equal(xfed_xml_reader_feed(r, xfed_span_make(all.data + 10000, all.len - 10000), &used), XFED_XML_ELEMENT);
	assert_true(held > before + 100000);
	assert_int_equal(xfed_xml_reader_feed(r, XFED_SPAN("<a/>"), &used), XFED_XML_ELEMENT);
	if (held > before + 1024) {
		fail_msg("%zu bytes more than before", held - before);
	}
	xfed_buf_deinit(&in);
	xfed_xml_reader_free(r);
}

/* Whatever else a parser gathers over the years: it is made anew after XFED_XML_RENEW_STANZAS. */
static void parser_is_renewed(void **state)
{
	(void)state;
	struct xfed_xml_reader *r = stream_new();
	size_t used, renewed = 0;
	for (int i = 0; i < 3 * XFED_XML_RENEW_STANZAS; i++) {
		size_t before = calls;
		assert_int_equal(xfed_xml_reader_feed(r, XFED_SPAN("<a/>"), &used), XFED_XML_ELEMENT);
		renewed += calls - before > 10 && i > 0;
	}
	assert_int_equal(renewed, 2);
	xfed_xml_reader_free(r);
}

/* One stanza after the other costs none of our allocations, and few of the parser's. */
static void steady_state_allocates_little(void **state)
{
	(void)state;
	struct xfed_xml_reader *r = stream_new();
	size_t used;
	struct xfed_span in = XFED_SPAN("<message from='a@b.example/x' to='c@d.example' type='chat' id='1'><body>hello &amp; more</body></message>");
	for (int i = 0; i < 10; i++) {
		assert_int_equal(xfed_xml_reader_feed(r, in, &used), XFED_XML_ELEMENT);
	}
	size_t before = calls;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(xfed_xml_reader_feed(r, in, &used), XFED_XML_ELEMENT);
	}
	if (calls - before > 1000) {
		fail_msg("%zu allocations for 1000 stanzas", calls - before);
	}
	xfed_xml_reader_free(r);
}

static int init(void **state)
{
	(void)state;
	static const struct xfed_mem_hooks hooks = { counting_malloc, counting_realloc, counting_free };
	xfed_mem_set_hooks(&hooks);
	return xfed_xml_global_init();
}

static int deinit(void **state)
{
	(void)state;
	xfed_xml_global_deinit();
	/* Everything counted is given back, libxml2's own included. */
	return held != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(floods_are_bounded),
		cmocka_unit_test(letting_go_is_bounded),
		cmocka_unit_test(what_was_let_go_is_gone),
		cmocka_unit_test(what_is_let_go_is_still_read),
		cmocka_unit_test(largest_trees_fit),
		cmocka_unit_test(fresh_names_are_bounded),
		cmocka_unit_test(wide_stanzas_are_bounded),
		cmocka_unit_test(memory_goes_back),
		cmocka_unit_test(steady_state_allocates_little),
		cmocka_unit_test(parser_is_renewed),
	};
	return cmocka_run_group_tests(tests, init, deinit);
}
