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

static enum sip_digest_verdict take(struct sip_digest *d, int status, const char *lines, bool was_answered)
{
	struct sip_message *m = refusal(status, lines);
	enum sip_digest_verdict v = sip_digest_take(d, m, was_answered);
	sip_message_free(m);
	return v;
}

static struct sip_digest *mufasa(void)
{
	struct sip_digest *d;
	assert_int_equal(sip_digest_new(&env, XFED_SPAN("Mufasa"), XFED_SPAN("Circle of Life"), &d), XFED_OK);
	return d;
}

static const char *print(struct sip_digest *d, const char *method, const char *uri)
{
	static char out[SIP_DIGEST_LINES_SIZE];
	size_t len;
	assert_int_equal(sip_digest_print(d, xfed_span_str(method), xfed_span_str(uri), out, &len), XFED_OK);
	assert_int_equal(len, strlen(out));
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
		assert_int_equal(take(d, 401, rows[i].lines, false), SIP_DIGEST_OK);
		const char *out = print(d, "GET", "/dir/index.html");
		bool fine = strstr(out, "Authorization: Digest username=\"Mufasa\", realm=\"http-auth@example.org\"") == out;
		if (!fine || !strstr(out, rows[i].want) || strstr(out, rows[i].not_there)) {
			fail_msg("row %zu: %s", i, out);
		}
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
		if (take(d, 401, rows[i], false) != SIP_DIGEST_UNKNOWN || sip_digest_is_ready(d) || *print(d, "GET", "/")) {
			fail_msg("row %zu", i);
		}
		sip_digest_free(d);
	}
}

/* The nonce goes on without being asked; a stale one is replaced; the same question again means that the password is wrong. */
static void again(void **state)
{
	struct sip_digest *d = mufasa();
	assert_false(sip_digest_is_ready(d));
	assert_int_equal(take(d, 401, ASKED("MD5", "auth"), false), SIP_DIGEST_OK);
	assert_non_null(strstr(print(d, "GET", "/"), "nc=00000001"));
	assert_non_null(strstr(print(d, "GET", "/"), "nc=00000002"));
	assert_int_equal(take(d, 401, "WWW-Authenticate: Digest realm=\"http-auth@example.org\", qop=\"auth\", nonce=\"new\", stale=TRUE\r\n", true),
		SIP_DIGEST_OK);
	assert_non_null(strstr(print(d, "GET", "/"), "nonce=\"new\""));
	/* A request that was under way when another had brought the new nonce: it was not answered with that one. */
	assert_int_equal(take(d, 401, ASKED("MD5", "auth"), false), SIP_DIGEST_OK);
	assert_non_null(strstr(print(d, "GET", "/"), "nc=00000001"));
	assert_int_equal(take(d, 401, ASKED("MD5", "auth"), true), SIP_DIGEST_REFUSED);
	assert_false(sip_digest_is_ready(d));
	sip_digest_free(d);
}

/* A server behind a proxy: each has its own line (RFC 3261 section 22.3). */
static void proxy_and_server(void **state)
{
	struct sip_digest *d = mufasa();
	assert_int_equal(take(d, 407, "Proxy-Authenticate: Digest realm=\"p\", nonce=\"n1\"\r\n", false), SIP_DIGEST_OK);
	assert_int_equal(take(d, 401, "WWW-Authenticate: Digest realm=\"s\", nonce=\"n2\"\r\n", true), SIP_DIGEST_OK);
	const char *out = print(d, "MESSAGE", "sip:a@b");
	const char *server = strstr(out, "Authorization: Digest username=\"Mufasa\", realm=\"s\", nonce=\"n2\"");
	const char *proxy = strstr(out, "\r\nProxy-Authorization: Digest username=\"Mufasa\", realm=\"p\", nonce=\"n1\"");
	assert_true(server == out && proxy && proxy > server);
	sip_digest_free(d);
}

/* Nothing of a peer or of us breaks out of its quotes. */
static void no_injection(void **state)
{
	struct sip_digest *d = mufasa();
	char out[SIP_DIGEST_LINES_SIZE];
	size_t len;
	assert_int_equal(take(d, 401, "WWW-Authenticate: Digest realm=\"a\\\"b\", nonce=\"n\"\r\n", false), SIP_DIGEST_OK);
	assert_non_null(strstr(print(d, "MESSAGE", "sip:a@b"), "realm=\"a\\\"b\""));
	assert_int_equal(sip_digest_print(d, XFED_SPAN("MESSAGE"), XFED_SPAN("sip:a\"@b"), out, &len), XFED_ERR_INVALID);
	assert_int_equal(sip_digest_print(d, XFED_SPAN("MES SAGE"), XFED_SPAN("sip:a@b"), out, &len), XFED_ERR_INVALID);
	sip_digest_free(d);
	assert_int_equal(sip_digest_new(&env, XFED_SPAN("a\"b"), XFED_SPAN("x"), &d), XFED_OK);
	assert_int_equal(take(d, 401, ASKED("MD5", "auth"), false), SIP_DIGEST_OK);
	assert_int_equal(sip_digest_print(d, XFED_SPAN("MESSAGE"), XFED_SPAN("sip:a@b"), out, &len), XFED_ERR_INVALID);
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
}

int main(void)
{
	xfed_mem_set_hooks(&failing_hooks);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(not_answered),
		cmocka_unit_test(again),
		cmocka_unit_test(proxy_and_server),
		cmocka_unit_test(no_injection),
		cmocka_unit_test(failing_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
