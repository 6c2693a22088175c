/* Every allocation of a scenario fails in turn, ours and libxml2's: the answer is NOMEM, never a crash, a leak or a wrong tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "transcript.h"
#include "xfed/mem.h"

#define H "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xml:lang='en'>"

static size_t countdown, live;
static bool failed;

static bool fails(void)
{
	if (countdown > 0 && --countdown == 0) {
		failed = true;
		return true;
	}
	return false;
}

static void *sweep_malloc(size_t size)
{
	void *p = fails() ? NULL : malloc(size);
	live += p != NULL;
	return p;
}

static void *sweep_realloc(void *p, size_t size)
{
	if (!p) {
		return sweep_malloc(size);
	}
	return fails() ? NULL : realloc(p, size);
}

static void sweep_free(void *p)
{
	live--;
	free(p);
}

/* A text beyond every buffer's first size, a long tag, a section, a renewal and a restart. */
static struct xfed_buf input;

static void build(void)
{
	xfed_buf_init(&input, 1 << 20);
	assert_int_equal(xfed_buf_append_str(&input, H "<message to='a&amp;b'><body>x</body><x xmlns:p='n' p:y='1'>"), XFED_OK);
	for (int i = 0; i < 2000; i++) {
		assert_int_equal(xfed_buf_append_str(&input, "text &amp; "), XFED_OK);
	}
	assert_int_equal(xfed_buf_append_str(&input, "<![CDATA[y]]></x><b c='"), XFED_OK);
	for (int i = 0; i < 1200; i++) {
		assert_int_equal(xfed_buf_append_str(&input, "value&#9;"), XFED_OK);
	}
	assert_int_equal(xfed_buf_append_str(&input, "'/></message><a/>"), XFED_OK);
}

/* Elements over each limit that is not fatal: a deep rest, and a first tag with too many attributes. */
static void build_excess(void)
{
	xfed_buf_init(&input, 1 << 20);
	int rc = xfed_buf_append_str(&input, H "<message to='a&amp;b'><body>");
	for (int i = 0; i < 300; i++) {
		rc |= xfed_buf_append_str(&input, "text &amp; ");
	}
	rc |= xfed_buf_append_str(&input, "</body></message><a>");
	for (int i = 0; i < 200; i++) {
		rc |= xfed_buf_append_str(&input, "<b c='d'>");
	}
	for (int i = 0; i < 200; i++) {
		rc |= xfed_buf_append_str(&input, "</b>");
	}
	rc |= xfed_buf_append_str(&input, "</a><message ");
	for (int i = 0; i < 80; i++) {
		rc |= xfed_buf_printf(&input, "a%d='' ", i);
	}
	assert_int_equal(rc | xfed_buf_append_str(&input, "to='x'/><a/>"), XFED_OK);
}

static size_t pieces(void *user, size_t at, size_t left)
{
	(void)user;
	size_t n = at % 3 == 0 ? 1000 : 333;
	return n < left ? n : left;
}

/* The scenario; false where memory ran out on the way. */
static bool scenario(struct xfed_buf *out)
{
	struct xfed_xml_reader *r;
	if (xfed_xml_reader_new(&transcript_limits, &r) != XFED_OK) {
		return false;
	}
	size_t before = xfed_buf_len(out);
	transcript_feed(out, r, xfed_buf_span(&input), pieces, NULL);
	struct xfed_span s = xfed_buf_span(out);
	bool is_whole = !memmem(s.data + before, s.len - before, "NOMEM", 5);
	/* After NOMEM as after anything else, a restart makes it as new. */
	xfed_xml_reader_restart(r);
	xfed_xml_reader_free(r);
	return is_whole;
}

/* The transcript's own buffer must not be swept. */
static void reserve(struct xfed_buf *out)
{
	xfed_buf_init(out, 1 << 20);
	assert_non_null(xfed_buf_reserve(out, 500000));
}

static void sweep(size_t least)
{
	struct xfed_buf whole, out;
	reserve(&whole);
	reserve(&out);
	assert_true(scenario(&whole));
	size_t base = live, survived = 0, n;
	for (n = 1;; n++) {
		countdown = n;
		failed = false;
		xfed_buf_clear(&out);
		bool is_whole = scenario(&out);
		countdown = 0;
		if (live != base) {
			fail_msg("allocation %zu: %zu blocks leaked", n, live - base);
		}
		if (!failed) {
			break;
		}
		survived += is_whole;
		if (is_whole && !xfed_span_eq(xfed_buf_span(&whole), xfed_buf_span(&out))) {
			fail_msg("allocation %zu: survived with another result", n);
		}
	}
	/* What fails is noticed: none of the failures may pass as success. */
	print_message("%zu allocations failed in turn\n", n - 1);
	assert_int_equal(survived, 0);
	assert_true(n > least);
	assert_true(xfed_span_eq(xfed_buf_span(&whole), xfed_buf_span(&out)));
	xfed_buf_deinit(&input);
	xfed_buf_deinit(&whole);
	xfed_buf_deinit(&out);
}

static void every_allocation_fails(void **state)
{
	(void)state;
	build();
	sweep(50);
}

static void every_allocation_fails_over_limits(void **state)
{
	(void)state;
	const struct xfed_xml_limits usual = transcript_limits;
	transcript_limits = (struct xfed_xml_limits){ 2000, 32, 4096, 256 * 1024 };
	build_excess();
	sweep(30);
	transcript_limits = usual;
}

static void fragment_goes_on_after_nomem(void **state)
{
	(void)state;
	struct xfed_xml_reader *r;
	assert_int_equal(xfed_xml_reader_new_fragment(&transcript_limits, &r), XFED_OK);
	countdown = 3;
	assert_int_equal(xfed_xml_reader_fragment(r, XFED_SPAN("<a/>")), XFED_XML_NOMEM);
	countdown = 0;
	assert_int_equal(xfed_xml_reader_fragment(r, XFED_SPAN("<a/>")), XFED_XML_ELEMENT);
	xfed_xml_reader_free(r);
	for (size_t n = 1; n < 4; n++) {
		countdown = n;
		int rc = xfed_xml_reader_new_fragment(&transcript_limits, &r);
		countdown = 0;
		assert_int_equal(rc, XFED_ERR_NOMEM);
		assert_null(r);
	}
}

static int init(void **state)
{
	(void)state;
	static const struct xfed_mem_hooks hooks = { sweep_malloc, sweep_realloc, sweep_free };
	xfed_mem_set_hooks(&hooks);
	return xfed_xml_global_init();
}

static int deinit(void **state)
{
	(void)state;
	xfed_xml_global_deinit();
	return live != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_fails),
		cmocka_unit_test(every_allocation_fails_over_limits),
		cmocka_unit_test(fragment_goes_on_after_nomem),
	};
	return cmocka_run_group_tests(tests, init, deinit);
}
