/* Keys of XEP-0185 and the authoritative role: [A8-05] to [A8-07], [A8-10], [A8-12], [A8-16],
 * [A8-19]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support.h"

static const struct {
	const char *requirement, *secret, *receiving, *originating, *id, *key;
} vectors[] = {
	{ "A8-05 XEP-0185 section 3", "s3cr3tf0rd14lb4ck", "xmpp.example.com", "example.org", "D60000229F",
		"37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643" },
	{ "A8-05 XEP-0220 2.1.1", "s3cr3tf0rd14lb4ck", "montague.example", "capulet.example", CAPULET_ID, CAPULET_KEY },
	{ "A8-05 XEP-0220 2.2.2", "d14lb4ck43v3r", "capulet.example", "montague.example", MONTAGUE_ID, MONTAGUE_KEY },
};

static void vectors_of_the_standards(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(vectors); i++) {
		char key[XFED_DIALBACK_HEX + 1], hash[XFED_DIALBACK_HEX + 1];
		struct xfed_span r = xfed_span_str(vectors[i].receiving);
		struct xfed_span o = xfed_span_str(vectors[i].originating);
		struct xfed_span id = xfed_span_str(vectors[i].id);
		struct xfed_span secret = xfed_span_str(vectors[i].secret);
		assert_int_equal(xfed_dialback_hash(secret, hash), XFED_OK);
		assert_int_equal(xfed_dialback_key_hashed(xfed_span_str(hash), r, o, id, key), XFED_OK);
		if (strcmp(key, vectors[i].key) != 0) {
			fail_msg("%s: %s", vectors[i].requirement, key);
		}
	}
}

/* The hash is printed in XEP-0185 section 3 too; [A8-06]: its text is the HMAC key, so nothing else
 * is taken for one. */
static void hash_is_lower_case_hex(void **state)
{
	char out[XFED_DIALBACK_HEX + 1];
	assert_int_equal(xfed_dialback_hash(XFED_SPAN("s3cr3tf0rd14lb4ck"), out), XFED_OK);
	assert_string_equal(out, CAPULET_HASH);
	static const char *const bad[] = { "", "a7136eb1", "A7136EB1F46C9EF18C5E78C36CA257067C69B3D518285F0B18A96C33BEAE9ACC",
		"g7136eb1f46c9ef18c5e78c36ca257067c69b3d518285f0b18a96c33beae9acc", CAPULET_HASH "0" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad); i++) {
		assert_int_equal(
			xfed_dialback_key_hashed(xfed_span_str(bad[i]), XFED_SPAN("a"), XFED_SPAN("b"), XFED_SPAN("c"), out), XFED_ERR_INVALID);
	}
}

/* ---- the answer to db:verify ---- */

static bool is_local(struct xfed_span domain)
{
	return xfed_span_is(domain, "montague.example") || xfed_span_is(domain, "b\xc3\xbc"
										"cher.example");
}

#define MONTAGUE_HASH	   "2f1e2e9b6bd5f9e7d1a4a5b6d3cfae3f0a0f6b4b0e0a1b2c3d4e5f60718293a4"
#define VERIFY(attrs, key) "<db:verify " attrs ">" key "</db:verify>"
#define EXAMPLE		   "from='capulet.example' id='417GAF25' to='montague.example'"
#define ANSWER		   "<db:verify from='montague.example' to='capulet.example' id='417GAF25' type="
#define ERROR(type, word)  "'error'><error type='" type "'><" word " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>"

enum secrets { CURRENT, PREVIOUS, BOTH, OTHER, NONE };

static const struct {
	const char *requirement, *xml;
	enum secrets secrets;
	enum xfed_reason refuse;
	const char *answer; /* "drop", "improper" */
} verifies[] = {
	{ "A8-04 the example of XEP-0220 2.2.2", VERIFY(EXAMPLE, MONTAGUE_KEY), CURRENT, XFED_REASON_NONE, ANSWER "'valid'/>" },
	{ "A8-07 white space around the key", VERIFY(EXAMPLE, "\r\n\t  " MONTAGUE_KEY " \n "), CURRENT, XFED_REASON_NONE, ANSWER "'valid'/>" },
	{ "A8-07 white space inside", VERIFY(EXAMPLE, "225c c5aa"), CURRENT, XFED_REASON_NONE, ANSWER "'invalid'/>" },
	{ "the previous secret", VERIFY(EXAMPLE, MONTAGUE_KEY), PREVIOUS, XFED_REASON_NONE, ANSWER "'valid'/>" },
	{ "current and previous alike", VERIFY(EXAMPLE, MONTAGUE_KEY), BOTH, XFED_REASON_NONE, ANSWER "'valid'/>" },
	{ "another secret", VERIFY(EXAMPLE, MONTAGUE_KEY), OTHER, XFED_REASON_NONE, ANSWER "'invalid'/>" },
	{ "no secret: no judgement", VERIFY(EXAMPLE, MONTAGUE_KEY), NONE, XFED_REASON_NONE, ANSWER ERROR("cancel", "internal-server-error") },
	{ "another key", VERIFY(EXAMPLE, CAPULET_KEY), CURRENT, XFED_REASON_NONE, ANSWER "'invalid'/>" },
	{ "an empty key", VERIFY(EXAMPLE, ""), CURRENT, XFED_REASON_NONE, ANSWER "'invalid'/>" },
	{ "A8-06 the id counts", VERIFY("from='capulet.example' id='417GAF26' to='montague.example'", MONTAGUE_KEY), CURRENT, XFED_REASON_NONE,
		"<db:verify from='montague.example' to='capulet.example' id='417GAF26' "
		"type='invalid'/>" },
	{ "A8-06 the asker counts", VERIFY("from='verona.example' id='417GAF25' to='montague.example'", MONTAGUE_KEY), CURRENT, XFED_REASON_NONE,
		"<db:verify from='montague.example' to='verona.example' id='417GAF25' "
		"type='invalid'/>" },
	{ "A8-04 answers echo the spelling, keys are of the domain",
		VERIFY("from='Capulet.Example.' id='417GAF25' to='MONTAGUE.example'", MONTAGUE_KEY), CURRENT, XFED_REASON_NONE,
		"<db:verify from='MONTAGUE.example' to='Capulet.Example.' id='417GAF25' "
		"type='valid'/>" },
	{ "ids are escaped", VERIFY("from='a.example' id='&lt;&apos;\"' to='montague.example'", "x"), CURRENT, XFED_REASON_NONE,
		"<db:verify from='montague.example' to='a.example' id='&lt;&apos;&quot;' "
		"type='invalid'/>" },
	{ "A8-10 not our domain", VERIFY("from='capulet.example' id='1' to='verona.example'", MONTAGUE_KEY), CURRENT, XFED_REASON_NONE,
		"<db:verify from='verona.example' to='capulet.example' id='1' type=" ERROR("cancel", "item-not-found") },
	{ "A8-10 not even a domain", VERIFY("from='capulet.example' id='1' to='a b'", "x"), CURRENT, XFED_REASON_NONE,
		"<db:verify from='a b' to='capulet.example' id='1' type=" ERROR("cancel", "item-not-found") },
	{ "A8-10 our domain as A-label", VERIFY("from='capulet.example' id='1' to='xn--bcher-kva.example'", "x"), CURRENT, XFED_REASON_NONE,
		"<db:verify from='xn--bcher-kva.example' to='capulet.example' id='1' "
		"type='invalid'/>" },
	{ "A8-14 the asker is not a domain", VERIFY("from='a b' id='1' to='montague.example'", "x"), CURRENT, XFED_REASON_NONE,
		"<db:verify from='montague.example' to='a b' id='1' type=" ERROR("modify", "not-acceptable") },
	{ "A8-19 policy demands TLS", VERIFY(EXAMPLE, MONTAGUE_KEY), CURRENT, XFED_REASON_TLS_REQUIRED_MISSING,
		ANSWER ERROR("modify", "policy-violation") },
	{ "A8-10 before policy", VERIFY("from='capulet.example' id='1' to='verona.example'", MONTAGUE_KEY), CURRENT, XFED_REASON_TLS_REQUIRED_MISSING,
		"<db:verify from='verona.example' to='capulet.example' id='1' type=" ERROR("cancel", "item-not-found") },
	{ "A8-12 an answer is no request", "<db:verify " EXAMPLE " type='valid'/>", CURRENT, XFED_REASON_NONE, "drop" },
	{ "A8-12 nor is what has an unknown type", VERIFY(EXAMPLE " type='get'", MONTAGUE_KEY), CURRENT, XFED_REASON_NONE, "drop" },
	{ "A8-12 nor an empty type", VERIFY(EXAMPLE " type=''", MONTAGUE_KEY), CURRENT, XFED_REASON_NONE, "drop" },
	{ "a result is no verify", "<db:result from='a' to='montague.example'>x</db:result>", CURRENT, XFED_REASON_NONE, "drop" },
	{ "no from", VERIFY("id='1' to='montague.example'", "x"), CURRENT, XFED_REASON_NONE, "improper" },
	{ "no to", VERIFY("id='1' from='capulet.example'", "x"), CURRENT, XFED_REASON_NONE, "improper" },
	{ "no id", VERIFY("from='capulet.example' to='montague.example'", "x"), CURRENT, XFED_REASON_NONE, "improper" },
};

static struct xfed_dialback_authority authority(const struct parsed *p, enum secrets s, const char *hash)
{
	struct xfed_span ours = xfed_span_str(hash), other = XFED_SPAN(MONTAGUE_HASH);
	struct xfed_span none = { NULL, 0 };
	return (struct xfed_dialback_authority){
		.is_local = is_local(p->elem.to),
		.current = s == CURRENT || s == BOTH ? ours
			   : s == NONE		     ? none
						     : other,
		.previous = s == PREVIOUS || s == BOTH ? ours
			    : s == NONE		       ? none
						       : other,
	};
}

static void answers_of_the_authority(void **state)
{
	char hash[XFED_DIALBACK_HEX + 1];
	assert_int_equal(xfed_dialback_hash(XFED_SPAN("d14lb4ck43v3r"), hash), XFED_OK);
	for (size_t i = 0; i < XFED_ARRAY_LEN(verifies); i++) {
		struct parsed p;
		struct xfed_dialback_elem answer;
		struct xfed_buf b;
		const char *got = NULL;
		xfed_buf_init(&b, 1 << 16);
		assert_true(parse(&p, verifies[i].xml));
		struct xfed_dialback_authority a = authority(&p, verifies[i].secrets, hash);
		a.refuse = verifies[i].refuse;
		switch (xfed_dialback_authoritative(&p.elem, &a, &answer)) {
		case XFED_DIALBACK_ANSWER:
			assert_int_equal(xfed_dialback_print(&b, &answer), XFED_OK);
			assert_int_equal(xfed_buf_append(&b, xfed_span_make("", 1)), XFED_OK);
			got = xfed_buf_span(&b).data;
			break;
		case XFED_DIALBACK_DROP:
			got = "drop";
			break;
		case XFED_DIALBACK_IMPROPER:
			got = "improper";
			break;
		}
		if (strcmp(got, verifies[i].answer) != 0) {
			fail_msg("%s:\n%s, expected\n%s", verifies[i].requirement, got, verifies[i].answer);
		}
		xfed_buf_deinit(&b);
		parsed_free(&p);
	}
}

static int libraries_up(void **state)
{
	return xfed_xml_global_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_the_standards),
		cmocka_unit_test(hash_is_lower_case_hex),
		cmocka_unit_test(answers_of_the_authority),
	};
	return cmocka_run_group_tests(tests, libraries_up, NULL);
}
