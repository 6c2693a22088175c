/* SASL EXTERNAL, both sides: [A5-03] to [A5-07], [A5-10]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/sasl.h"

#define PEER "partner.example"

/* One element: kind, mechanism (NULL: no attribute), text; child adds an element inside. */
struct msg {
	const char *name, *mechanism, *text;
	const char *ns;
	bool child;
};

#define AUTH(text)                                                                                                                                   \
	{                                                                                                                                            \
		"auth", "EXTERNAL", text, XFED_NS_SASL, false                                                                                        \
	}
#define RESPONSE(text)                                                                                                                               \
	{                                                                                                                                            \
		"response", NULL, text, XFED_NS_SASL, false                                                                                          \
	}
#define ABORT                                                                                                                                        \
	{                                                                                                                                            \
		"abort", NULL, "", XFED_NS_SASL, false                                                                                               \
	}

static enum xfed_sasl_step feed(struct xfed_sasl_server *s, const struct msg *m)
{
	struct xfed_arena a;
	xfed_arena_init(&a, 1 << 20);
	struct xfed_xml_elem *e = xfed_xml_elem_new(&a, xfed_span_str(m->ns), xfed_span_str(m->name));
	assert_non_null(e);
	if (m->mechanism) {
		assert_int_equal(xfed_xml_set_attr(&a, e, XFED_SPAN(""), XFED_SPAN("mechanism"), xfed_span_str(m->mechanism)), XFED_OK);
	}
	if (m->text && m->text[0]) {
		assert_int_equal(xfed_xml_add_text(&a, e, xfed_span_str(m->text)), XFED_OK);
	}
	if (m->child) {
		assert_non_null(xfed_xml_add_elem(&a, e, XFED_SPAN(XFED_NS_SASL), XFED_SPAN("x")));
	}
	enum xfed_sasl_step step = xfed_sasl_server_feed(s, e);
	xfed_arena_deinit(&a);
	return step;
}

struct row {
	const char *requirement;
	struct msg msgs[3];
	const char *steps; /* one word each: challenge, success, or the condition of the failure */
};

static const char *word(const struct xfed_sasl_server *s, enum xfed_sasl_step step)
{
	switch (step) {
	case XFED_SASL_CHALLENGE:
		return "challenge";
	case XFED_SASL_SUCCESS:
		return "success";
	case XFED_SASL_FAILURE:
		return xfed_sasl_server_condition(s);
	case XFED_SASL_NO_MEMORY:
		return "memory";
	}
	return "?";
}

static void run(const char *peer, const struct row *r)
{
	struct xfed_sasl_server *s;
	char steps[256] = "";
	assert_int_equal(xfed_sasl_server_new(xfed_span_str(peer), &s), XFED_OK);
	for (size_t i = 0; i < 3 && r->msgs[i].name; i++) {
		enum xfed_sasl_step step = feed(s, &r->msgs[i]);
		size_t used = strlen(steps);
		snprintf(steps + used, sizeof(steps) - used, "%s%s", used ? " " : "", word(s, step));
	}
	if (strcmp(steps, r->steps) != 0) {
		fail_msg("%s: '%s', expected '%s'", r->requirement, steps, r->steps);
	}
	xfed_sasl_server_free(s);
}

static void exchanges(void **state)
{
	static const struct row rows[] = {
		{ "A5-04 '=': empty authzid", { AUTH("=") }, "success" },
		{ "A5-04 none: challenge, then nothing", { AUTH(""), RESPONSE("") }, "challenge success" },
		{ "A5-04 none: challenge, then '='", { AUTH(""), RESPONSE("=") }, "challenge success" },
		{ "A5-05 authzid is the stream's domain", { AUTH("cGFydG5lci5leGFtcGxl") }, "success" },
		{ "A5-05 in a response", { AUTH(""), RESPONSE("cGFydG5lci5leGFtcGxl") }, "challenge success" },
		{ "A5-05 in another spelling", { AUTH("UGFydG5lci5FeGFtcGxlLg==") }, "success" }, /* Partner.Example. */
		{ "A5-03 another domain", { AUTH("b3RoZXIuZXhhbXBsZQ==") }, "invalid-authzid" },
		{ "A5-03 in a response", { AUTH(""), RESPONSE("b3RoZXIuZXhhbXBsZQ==") }, "challenge invalid-authzid" },
		{ "A5-03 a user of the domain", { AUTH("YUBwYXJ0bmVyLmV4YW1wbGU=") }, "invalid-authzid" },
		{ "A5-03 a resource of the domain", { AUTH("cGFydG5lci5leGFtcGxlL3g=") }, "invalid-authzid" },
		{ "A5-03 a subdomain", { AUTH("YS5wYXJ0bmVyLmV4YW1wbGU=") }, "invalid-authzid" },
		{ "A5-03 embedded NUL", { AUTH("cGFydG5lci5leGFtcGxlAGE=") }, "invalid-authzid" },
		{ "A5-03 not UTF-8", { AUTH("//8=") }, "invalid-authzid" },
		{ "A5-06 no padding", { AUTH("cGFydG5lci5leGFtcGx") }, "incorrect-encoding" },
		{ "A5-06 too much padding", { AUTH("b3RoZXIuZXhhbXBsZQ====") }, "incorrect-encoding" },
		{ "A5-06 only padding", { AUTH("====") }, "incorrect-encoding" },
		{ "A5-06 two '='", { AUTH("==") }, "incorrect-encoding" },
		{ "A5-06 stray bits", { AUTH("b3RoZXIuZXhhbXBsZR==") }, "incorrect-encoding" },
		{ "A5-06 padding inside", { AUTH("YQ==YQ==") }, "incorrect-encoding" },
		{ "A5-06 a blank", { AUTH("cGFydG5l ci5leGFtcGxl") }, "incorrect-encoding" },
		{ "A5-06 a line end behind", { AUTH("cGFydG5lci5leGFtcGxl\n") }, "incorrect-encoding" },
		{ "A5-06 a line end before", { AUTH("\ncGFydG5lci5leGFtcGxl") }, "incorrect-encoding" },
		{ "A5-06 the URL alphabet", { AUTH("-_-_") }, "incorrect-encoding" },
		{ "A5-06 a domain in the clear", { AUTH(PEER) }, "incorrect-encoding" },
		{ "A5-06 in a response", { AUTH(""), RESPONSE("cGF") }, "challenge incorrect-encoding" },
		{ "A5-06 another mechanism", { { "auth", "PLAIN", "AGEAYg==", XFED_NS_SASL, false } }, "invalid-mechanism" },
		{ "A5-06 lower case", { { "auth", "external", "=", XFED_NS_SASL, false } }, "invalid-mechanism" },
		{ "A5-06 no mechanism", { { "auth", NULL, "=", XFED_NS_SASL, false } }, "invalid-mechanism" },
		{ "A5-06 empty mechanism", { { "auth", "", "=", XFED_NS_SASL, false } }, "invalid-mechanism" },
		{ "A5-06 an element inside", { { "auth", "EXTERNAL", "=", XFED_NS_SASL, true } }, "malformed-request" },
		{ "A5-06 response without auth", { RESPONSE("=") }, "malformed-request" },
		{ "A5-06 response to nothing", { AUTH("b3RoZXIuZXhhbXBsZQ=="), RESPONSE("=") }, "invalid-authzid malformed-request" },
		{ "A5-06 a server's element", { { "success", NULL, "", XFED_NS_SASL, false } }, "malformed-request" },
		{ "A5-06 another namespace", { { "auth", "EXTERNAL", "=", XFED_NS_SERVER, false } }, "malformed-request" },
		{ "A5-10 abort", { AUTH(""), ABORT }, "challenge aborted" },
		{ "A5-10 abort of nothing", { ABORT }, "aborted" },
		{ "A5-10 nothing runs after abort", { AUTH(""), ABORT, RESPONSE("=") }, "challenge aborted malformed-request" },
		{ "A5-10 a new auth discards the old", { AUTH(""), AUTH("=") }, "challenge success" },
		{ "A5-10 also with a bad one", { AUTH(""), AUTH("!"), RESPONSE("=") }, "challenge incorrect-encoding malformed-request" },
		{ "A5-08 another try", { AUTH("b3RoZXIuZXhhbXBsZQ=="), AUTH("cGFydG5lci5leGFtcGxl") }, "invalid-authzid success" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		run(PEER, &rows[i]);
	}
}

static void internationalised_domain(void **state)
{
	static const struct row rows[] = {
		{ "U-labels", { AUTH("YsO8Y2hlci5leGFtcGxl") }, "success" },
		{ "A-labels", { AUTH("eG4tLWJjaGVyLWt2YS5leGFtcGxl") }, "success" },
		{ "neither", { AUTH("YnVjaGVyLmV4YW1wbGU=") }, "invalid-authzid" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		run("b\xc3\xbc"
		    "cher.example",
			&rows[i]);
	}
}

static void long_authzid(void **state)
{
	static const size_t lengths[] = { 4088, 4092, 4096, 8192, 100000 };
	for (size_t i = 0; i < XFED_ARRAY_LEN(lengths); i++) {
		char *text = malloc(lengths[i] + 1);
		memset(text, 'Y', lengths[i]);
		text[lengths[i]] = '\0';
		struct row r = { "longer than any domain", { AUTH(text) }, "invalid-authzid" };
		run(PEER, &r);
		free(text);
	}
}

static void client_sends_its_domain(void **state)
{
	struct xfed_arena a;
	xfed_arena_init(&a, 65536);
	struct xfed_xml_elem *e = xfed_sasl_client_auth(&a, XFED_SPAN("corp.example"));
	assert_non_null(e);
	assert_true(xfed_xml_is(e, XFED_NS_SASL, "auth"));
	assert_true(xfed_span_is(xfed_xml_attr_get(e, "mechanism"), "EXTERNAL"));
	assert_true(xfed_span_is(xfed_xml_text(&a, e), "Y29ycC5leGFtcGxl"));
	/* And our own server takes it. */
	struct xfed_sasl_server *s;
	assert_int_equal(xfed_sasl_server_new(XFED_SPAN("corp.example"), &s), XFED_OK);
	assert_int_equal(xfed_sasl_server_feed(s, e), XFED_SASL_SUCCESS);
	/* Once: nobody gets in through an exchange that is over. */
	assert_int_equal(xfed_sasl_server_feed(s, e), XFED_SASL_FAILURE);
	assert_string_equal(xfed_sasl_server_condition(s), "malformed-request");
	assert_int_equal(xfed_sasl_server_feed(s, e), XFED_SASL_FAILURE);
	xfed_sasl_server_free(s);
	xfed_arena_deinit(&a);
}

static void longest_domain(void **state)
{
	char domain[XFED_JID_PART_BYTES];
	struct xfed_arena a;
	memset(domain, 'a', sizeof(domain));
	xfed_arena_init(&a, 65536);
	assert_non_null(xfed_sasl_client_auth(&a, xfed_span_make(domain, sizeof(domain))));
	xfed_arena_deinit(&a);
	xfed_arena_init(&a, 64);
	assert_null(xfed_sasl_client_auth(&a, XFED_SPAN("corp.example"))); /* no room */
	xfed_arena_deinit(&a);
	xfed_sasl_server_free(NULL);
}

static size_t allocations, fail_at;

static void *failing_malloc(size_t size)
{
	return ++allocations == fail_at ? NULL : malloc(size);
}
static void *failing_realloc(void *p, size_t size)
{
	return ++allocations == fail_at ? NULL : realloc(p, size);
}

/* Of our own allocations; libsasl2 does not survive a failure of its own. */
static enum xfed_sasl_step attempt(struct xfed_xml_elem *e)
{
	struct xfed_sasl_server *s;
	if (xfed_sasl_server_new(XFED_SPAN(PEER), &s) != XFED_OK) {
		return XFED_SASL_NO_MEMORY;
	}
	enum xfed_sasl_step step = xfed_sasl_server_feed(s, e);
	xfed_sasl_server_free(s);
	return step;
}

static void sweep(const char *text, enum xfed_sasl_step expected)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	struct xfed_arena a;
	xfed_arena_init(&a, 65536);
	struct xfed_xml_elem *e = xfed_xml_elem_new(&a, XFED_SPAN(XFED_NS_SASL), XFED_SPAN("auth"));
	assert_int_equal(xfed_xml_set_attr(&a, e, XFED_SPAN(""), XFED_SPAN("mechanism"), XFED_SPAN("EXTERNAL")), XFED_OK);
	assert_int_equal(xfed_xml_add_text(&a, e, xfed_span_str(text)), XFED_OK);
	xfed_mem_set_hooks(&hooks);
	fail_at = allocations = 0;
	enum xfed_sasl_step step = attempt(e);
	size_t total = allocations;
	bool good = step == expected;
	for (fail_at = 1; good && fail_at <= total; fail_at++) {
		allocations = 0;
		good = attempt(e) == XFED_SASL_NO_MEMORY;
	}
	xfed_mem_set_hooks(NULL);
	print_message("%zu allocations\n", total);
	assert_true(good && total >= 2);
	xfed_arena_deinit(&a);
}

static void failing_allocations(void **state)
{
	sweep("cGFydG5lci5leGFtcGxl", XFED_SASL_SUCCESS);
	sweep("=", XFED_SASL_SUCCESS);
	sweep("b3RoZXIuZXhhbXBsZQ==", XFED_SASL_FAILURE);
}

static void without_the_library(void **state)
{
	/* Not initialised: nobody gets in, and the peer may try again. The last test: initialising takes files and sockets. */
	struct row r = { "A5-07 temporary-auth-failure", { AUTH("=") }, "temporary-auth-failure" };
	xfed_sasl_global_deinit();
	run(PEER, &r);
}

int main(void)
{
	if (xfed_sasl_global_init() != XFED_OK) {
		return 1;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exchanges),
		cmocka_unit_test(internationalised_domain),
		cmocka_unit_test(long_authzid),
		cmocka_unit_test(client_sends_its_domain),
		cmocka_unit_test(longest_domain),
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(without_the_library),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	xfed_sasl_global_deinit();
	return rc;
}
