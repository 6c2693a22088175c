/* P-Asserted-Identity and Privacy: RFC 3325 section 9, RFC 3323 section 4.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/asserted.h"
#include "xfed/arena.h"

static const struct {
	const char *lines;
	const char *who; /* NULL: nobody */
} rows[] = {
	{ "", NULL },
	{ "P-Asserted-Identity: \"Dave\" <sip:dave@corp.example>, <tel:+4915112345678>\r\n", "dave@corp.example" },
	{ "P-Asserted-Identity: <tel:+4915112345678>, <sip:dave@corp.example>\r\n", "dave@corp.example" },
	{ "P-Asserted-Identity: tel:+4915112345678\r\nP-Asserted-Identity: sip:dave@corp.example\r\n", "dave@corp.example" },
	{ "p-asserted-identity: \"a, <sip:mallory@corp.example>\" <sip:dave@corp.example;user=phone>\r\n", "dave@corp.example" },
	{ "P-Asserted-Identity: <sip:corp.example>\r\n", "corp.example" },
	{ "P-Asserted-Identity: <tel:+4915112345678>\r\n", NULL },
	{ "P-Asserted-Identity: <sips:dave@corp.example>\r\n", NULL },
	{ "P-Asserted-Identity: <mailto:dave@corp.example>, <sip:dave@>\r\n", NULL },
	{ "P-Asserted-Identity: \"open <sip:dave@corp.example>\r\n", NULL },
	{ "P-Preferred-Identity: <sip:dave@corp.example>\r\n", NULL },
	{ "P-Asserted-Identity: <sip:dave@corp.example>\r\nPrivacy: none\r\n", "dave@corp.example" },
	{ "P-Asserted-Identity: <sip:dave@corp.example>\r\nPrivacy: idle;user\r\n", "dave@corp.example" },
	{ "P-Asserted-Identity: <sip:dave@corp.example>\r\nPrivacy: id\r\n", NULL },
	{ "Privacy: header ; ID ; critical\r\nP-Asserted-Identity: <sip:dave@corp.example>\r\n", NULL },
	{ "P-Asserted-Identity: <sip:dave@corp.example>\r\nPrivacy: user\r\nPrivacy: id\r\n", NULL },
};

static void identities(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		char text[1024];
		struct sip_message *m = NULL;
		struct sip_error err;
		struct xfed_arena a;
		struct xfed_jid who = { 0 };
		xfed_arena_init(&a, 65536);
		snprintf(text, sizeof(text),
			"MESSAGE sip:alice@partner.example SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bKa\r\nFrom: "
			"<tel:+4915112345678>;tag=1\r\n"
			"To: <sip:alice@partner.example>\r\nCall-ID: a\r\nCSeq: 1 MESSAGE\r\n%sContent-Length: 0\r\n\r\n",
			rows[i].lines);
		assert_int_equal(sip_message_parse(xfed_span_str(text), SIP_PARSE_STREAM, &m, &err), XFED_OK);
		int rc = asserted_identity(&a, m, &who);
		struct xfed_span bare = rc == XFED_OK ? xfed_jid_bare(&a, &who) : XFED_SPAN("");
		if (rc != (rows[i].who ? XFED_OK : XFED_ERR_NOT_FOUND) || (rows[i].who && !xfed_span_is(bare, rows[i].who))) {
			print_error("%s: %d '%.*s'\n", rows[i].lines, rc, (int)bare.len, bare.data);
			failed++;
		}
		sip_message_free(m);
		xfed_arena_deinit(&a);
	}
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(identities) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
