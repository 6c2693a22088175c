/* Digest authentication: the examples of RFC 7616 section 3.9.1, which challenge is answered, and when a nonce is used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing.h"
#include "sip/digest.h"

/* The client nonce of the tests, as octets. */
static void fill_random(void *user, void *out, size_t len)
{
	memset(out, 0xab, len);
}

static const struct xfed_env env = { .random = fill_random };

static struct sip_message *refusal(int status, const char *lines)
{
	struct sip_message *m;
	struct sip_error err;
	char text[4096];
	snprintf(text, sizeof(text),
		"SIP/2.0 %d x\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: 1\r\n"
		"CSeq: 1 MESSAGE\r\n%s\r\n",
		status, lines);
	assert_int_equal(sip_message_parse(xfed_span_str(text), SIP_PARSE_DATAGRAM, &m, &err), XFED_OK);
	return m;
}

static enum sip_digest_verdict take(struct sip_digest *d, struct sip_digest_asked **asked, int status, const char *lines)
{
	struct sip_message *m = refusal(status, lines);
	enum sip_digest_verdict v = sip_digest_take(d, asked, m);
	sip_message_free(m);
	return v;
}

static struct sip_digest *mufasa(void)
{
	struct sip_digest *d;
	assert_int_equal(sip_digest_new(&env, XFED_SPAN("Mufasa"), XFED_SPAN("Circle of Life"), &d), XFED_OK);
	return d;
}

/* What goes into a request that has been asked so much. */
static const char *print(struct sip_digest *d, struct sip_digest_asked *asked, const char *method, const char *uri)
{
	static char out[SIP_DIGEST_LINES_SIZE];
	size_t len;
	assert_int_equal(sip_digest_print(d, asked, xfed_span_str(method), xfed_span_str(uri), out, &len), XFED_OK);
	assert_int_equal(len, strlen(out));
	assert_int_equal(sip_digest_bytes(d, asked, xfed_span_str(uri)), len);
	return out;
}

#define NONCE "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
#define ASKED(algorithm, qop)                                                                                                                        \
	"WWW-Authenticate: Digest realm=\"http-auth@example.org\", qop=\"" qop "\", algorithm=" algorithm ", nonce=\"" NONCE                         \
	"\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"\r\n"

/*
 * Computed as in RFC 7616 section 3.9.1 (the same script gives the responses printed there for its client nonce), without qop and
 * with the client nonce of these tests.
 */
#define MD5_NO_QOP "7b2cc3b30e75b4777ea31027084363fd"
#define MD5_QOP	   "6e114d2208396d988eb63b7ff96192be"
#define SHA256_QOP "0254cfcd849e1987ff9088abf953f0cf783a0b14b8bdb002b15c0657ee6cc88d"

static void answers(void **state)
{
	static const struct {
		const char *lines, *want, *not_there;
	} rows[] = {
		{ "WWW-Authenticate: Digest realm=\"http-auth@example.org\", nonce=\"" NONCE "\"\r\n",
			"response=\"" MD5_NO_QOP "\", algorithm=MD5\r\n", "qop" },
		{ ASKED("MD5", "auth, auth-int"),
			"response=\"" MD5_QOP "\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"abababababababababababababababab\", opaque=\"FQhe/",
			"SHA" },
		{ ASKED("SHA-256", "auth"), "response=\"" SHA256_QOP "\", algorithm=SHA-256, qop=auth, nc=00000001", "MD5" },
		{ ASKED("MD5", "auth") ASKED("SHA-256", "auth"), "algorithm=SHA-256", "MD5" },
		{ ASKED("SHA-512-256", "auth") ASKED("md5", "auth"), "algorithm=MD5", "SHA" },
		{ "WWW-Authenticate: Basic realm=\"x\"\r\n" ASKED("MD5", "auth"), "algorithm=MD5", "Basic" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct sip_digest *d = mufasa();
		struct sip_digest_asked *asked = NULL;
		assert_int_equal(take(d, &asked, 401, rows[i].lines), SIP_DIGEST_OK);
		const char *out = print(d, asked, "GET", "/dir/index.html");
		bool fine = strstr(out, "Authorization: Digest username=\"Mufasa\", realm=\"http-auth@example.org\"") == out;
		if (!fine || !strstr(out, rows[i].want) || strstr(out, rows[i].not_there)) {
			fail_msg("row %zu: %s", i, out);
		}
		sip_digest_asked_free(asked);
		sip_digest_free(d);
	}
}

/* What is not answered: nothing leaves, and nothing of it stays. */
static void not_answered(void **state)
{
	static const char *const rows[] = {
		"", "WWW-Authenticate: Basic realm=\"x\"\r\n", "WWW-Authenticate: Digest realm=\"x\"\r\n", "WWW-Authenticate: Digest\r\n",
		"WWW-Authenticate: Digestrealm=\"x\", nonce=\"y\"\r\n", "WWW-Authenticate: Digest realm=\"x, nonce=\"y\"\r\n",
		"WWW-Authenticate: Digest realm=x, nonce=\"y\"\r\n", ASKED("MD5-sess", "auth"), ASKED("MD5", "auth-int"),
		"Proxy-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n", /* of a 407 */
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct sip_digest *d = mufasa();
		struct sip_digest_asked *asked = NULL;
		if (take(d, &asked, 401, rows[i]) != SIP_DIGEST_UNKNOWN || asked || *print(d, NULL, "GET", "/")) {
			fail_msg("row %zu", i);
		}
		sip_digest_free(d);
	}
}

#define NEW_NONCE(nonce, more) "WWW-Authenticate: Digest realm=\"http-auth@example.org\", qop=\"auth\", nonce=\"" nonce "\"" more "\r\n"

/* The nonce goes on without being asked; a stale one is replaced; the same question again means that the password is wrong. */
static void again(void **state)
{
	struct sip_digest *d = mufasa();
	struct sip_digest_asked *first = NULL, *late = NULL;
	assert_string_equal(print(d, NULL, "GET", "/"), "");
	assert_int_equal(take(d, &first, 401, ASKED("MD5", "auth")), SIP_DIGEST_OK);
	assert_non_null(strstr(print(d, first, "GET", "/"), "nc=00000001"));
	assert_non_null(strstr(print(d, NULL, "GET", "/"), "nc=00000002"));
	assert_int_equal(take(d, &first, 401, NEW_NONCE("new", ", stale=TRUE")), SIP_DIGEST_OK);
	assert_non_null(strstr(print(d, first, "GET", "/"), "nonce=\"new\""));
	/* One that was known, and not asked for by this request: it had grown old. */
	assert_non_null(strstr(print(d, late, "GET", "/"), "nc=00000002"));
	assert_int_equal(take(d, &late, 401, ASKED("MD5", "auth")), SIP_DIGEST_OK);
	assert_non_null(strstr(print(d, late, "GET", "/"), "nc=00000001"));
	assert_int_equal(take(d, &late, 401, ASKED("MD5", "auth")), SIP_DIGEST_OK); /* once: it might be known from another run */
	assert_non_null(strstr(print(d, late, "GET", "/"), "nc=00010001"));
	assert_int_equal(take(d, &late, 401, ASKED("MD5", "auth")), SIP_DIGEST_REFUSED);
	assert_string_equal(print(d, NULL, "GET", "/"), ""); /* and nothing of it is used again */
	sip_digest_asked_free(first);
	sip_digest_asked_free(late);
	sip_digest_free(d);
}

/* A server that counts a nonce from the run before us, and does not say stale: with a new nonce, or the same one again. */
static void a_run_before_us(void **state)
{
	static const char *const second[] = { "old", "new" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(second); i++) {
		struct sip_digest *d = mufasa();
		struct sip_digest_asked *asked = NULL, *next = NULL;
		assert_int_equal(take(d, &asked, 401, NEW_NONCE("old", "")), SIP_DIGEST_OK);
		assert_non_null(strstr(print(d, asked, "GET", "/"), "nc=00000001"));
		assert_int_equal(take(d, &asked, 401, i == 0 ? NEW_NONCE("old", "") : NEW_NONCE("new", "")), SIP_DIGEST_OK);
		const char *out = print(d, asked, "GET", "/");
		assert_non_null(strstr(out, second[i]));
		assert_non_null(strstr(out, i == 0 ? "nc=00010001" : "nc=00000001"));
		assert_non_null(strstr(print(d, next, "GET", "/"), i == 0 ? "nc=00010002" : "nc=00000002"));
		sip_digest_asked_free(asked);
		sip_digest_free(d);
	}
}

/* Several at once: each answers what it was asked, with a number that nobody else has, whatever the others were asked meanwhile. */
static void at_once(void **state)
{
	struct sip_digest *d = mufasa();
	struct sip_digest_asked *a = NULL, *b = NULL, *c = NULL;
	assert_int_equal(take(d, &a, 401, NEW_NONCE("n1", "")), SIP_DIGEST_OK);
	assert_int_equal(take(d, &b, 401, NEW_NONCE("n1", "")), SIP_DIGEST_OK);
	assert_int_equal(take(d, &c, 401, NEW_NONCE("n2", "")), SIP_DIGEST_OK);
	assert_non_null(strstr(print(d, b, "GET", "/"), "nonce=\"n1\""));
	assert_non_null(strstr(print(d, b, "GET", "/"), "nc=00000003")); /* to another place: 2 went to the first */
	assert_non_null(strstr(print(d, a, "GET", "/"), "nc=00000001"));
	assert_non_null(strstr(print(d, c, "GET", "/"), "nonce=\"n2\""));
	/* Their nonce was somebody else's too, who may have spent it, before or behind them: no fault of the password. */
	assert_int_equal(take(d, &b, 401, NEW_NONCE("n3", "")), SIP_DIGEST_OK);
	assert_int_equal(take(d, &a, 401, NEW_NONCE("n4", "")), SIP_DIGEST_OK);
	assert_non_null(strstr(print(d, a, "GET", "/"), "nonce=\"n4\""));
	assert_int_equal(take(d, &a, 401, NEW_NONCE("n5", "")), SIP_DIGEST_OK);
	assert_non_null(strstr(print(d, a, "GET", "/"), "nonce=\"n5\""));
	assert_int_equal(take(d, &a, 401, NEW_NONCE("n6", "")), SIP_DIGEST_REFUSED); /* nobody but a had n4 and n5 */
	assert_non_null(strstr(print(d, b, "GET", "/"), "nonce=\"n3\""));
	sip_digest_asked_free(a);
	sip_digest_asked_free(b);
	sip_digest_asked_free(c);
	sip_digest_free(d);
}

/* A server behind a proxy: each has its own line (RFC 3261 section 22.3). */
static void proxy_and_server(void **state)
{
	struct sip_digest *d = mufasa();
	struct sip_digest_asked *asked = NULL;
	assert_int_equal(take(d, &asked, 407, "Proxy-Authenticate: Digest realm=\"p\", nonce=\"n1\"\r\n"), SIP_DIGEST_OK);
	print(d, asked, "MESSAGE", "sip:a@b");
	assert_int_equal(take(d, &asked, 401, "WWW-Authenticate: Digest realm=\"s\", nonce=\"n2\"\r\n"), SIP_DIGEST_OK);
	const char *out = print(d, asked, "MESSAGE", "sip:a@b");
	const char *server = strstr(out, "Authorization: Digest username=\"Mufasa\", realm=\"s\", nonce=\"n2\"");
	const char *proxy = strstr(out, "\r\nProxy-Authorization: Digest username=\"Mufasa\", realm=\"p\", nonce=\"n1\"");
	assert_true(server == out && proxy && proxy > server);
	sip_digest_asked_free(asked);
	sip_digest_free(d);
}

/* Nothing of a peer or of us breaks out of its quotes. */
static void no_injection(void **state)
{
	struct sip_digest *d = mufasa();
	struct sip_digest_asked *asked = NULL;
	char out[SIP_DIGEST_LINES_SIZE];
	size_t len;
	assert_int_equal(take(d, &asked, 401, "WWW-Authenticate: Digest realm=\"a\\\"b\", nonce=\"n\"\r\n"), SIP_DIGEST_OK);
	assert_non_null(strstr(print(d, asked, "MESSAGE", "sip:a@b"), "realm=\"a\\\"b\""));
	assert_int_equal(sip_digest_print(d, asked, XFED_SPAN("MESSAGE"), XFED_SPAN("sip:a\"@b"), out, &len), XFED_ERR_INVALID);
	assert_int_equal(sip_digest_print(d, asked, XFED_SPAN("MES SAGE"), XFED_SPAN("sip:a@b"), out, &len), XFED_ERR_INVALID);
	sip_digest_free(d);
	assert_int_equal(sip_digest_new(&env, XFED_SPAN("a\"b"), XFED_SPAN("x"), &d), XFED_OK);
	assert_int_equal(sip_digest_print(d, asked, XFED_SPAN("MESSAGE"), XFED_SPAN("sip:a@b"), out, &len), XFED_ERR_INVALID);
	sip_digest_asked_free(asked);
	sip_digest_free(d);
}

static void failing_allocations(void **state)
{
	for (long n = 0; n < 3; n++) {
		struct sip_digest *d;
		long held = failing_held;
		failing_arm(n);
		assert_int_equal(sip_digest_new(&env, XFED_SPAN("u"), XFED_SPAN("p"), &d), XFED_ERR_NOMEM);
		assert_true(failing_hit && !d);
		failing_arm(-1);
		assert_int_equal(failing_held, held);
	}
	struct sip_digest *d = mufasa();
	struct sip_digest_asked *asked = NULL;
	struct sip_message *m = refusal(401, NEW_NONCE("n", ""));
	failing_arm(0);
	assert_int_equal(sip_digest_take(d, &asked, m), SIP_DIGEST_NO_MEMORY);
	failing_arm(-1);
	sip_message_free(m);
	sip_digest_free(d);
}

int main(void)
{
	xfed_mem_set_hooks(&failing_hooks);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(not_answered),
		cmocka_unit_test(again),
		cmocka_unit_test(a_run_before_us),
		cmocka_unit_test(at_once),
		cmocka_unit_test(proxy_and_server),
		cmocka_unit_test(no_injection),
		cmocka_unit_test(failing_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
