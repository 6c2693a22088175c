/* The panel's server without a network: what a browser sends, who may use it, and who is signed in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "fe-gateway/panel/request.h"
#include "fe-gateway/panel/session.h"
#include "xfed/rt/password.h"

#define SPAN(s) xfed_span_str(s)

/* ---- forms ---- */

static int fields_of(const char *text, struct panel_field *f, size_t *count)
{
	static char memory[8192];
	*count = 0;
	return request_fields(SPAN(text), memory, f, count);
}

static void forms(void **state)
{
	struct panel_field f[PANEL_FIELDS_MAX];
	struct panel_request r = { .fields = f };
	assert_int_equal(fields_of("a=1&b=two+words&&c=%C3%A4%26%3D&d&=e&a=again", f, &r.field_count), XFED_OK);
	assert_int_equal(r.field_count, 6);
	assert_true(xfed_span_is(request_field(&r, "a"), "1"));
	assert_true(xfed_span_is(request_field(&r, "b"), "two words"));
	assert_true(xfed_span_is(request_field(&r, "c"), "\xc3\xa4&="));
	assert_true(xfed_span_is(request_field(&r, "d"), ""));
	assert_null(request_field(&r, "z").data);
	static const char *const bad[] = { "a=%", "a=%1", "a=%zz", "a=%00", "%00=a", "a=%ff", "a=%C3", "a=\xff" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad); i++) {
		if (fields_of(bad[i], f, &r.field_count) != XFED_ERR_INVALID) {
			fail_msg("%s is taken", bad[i]);
		}
	}
	char many[PANEL_FIELDS_MAX * 4 + 8] = "";
	for (size_t i = 0; i < PANEL_FIELDS_MAX; i++) {
		strcat(many, "a=1&");
	}
	assert_int_equal(fields_of(many, f, &r.field_count), XFED_OK);
	strcat(many, "b=2");
	assert_int_equal(fields_of(many, f, &r.field_count), XFED_ERR_LIMIT);
}

/* ---- headers ---- */

#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void cookies(void **state)
{
	char out[PANEL_TOKEN_HEX + 1];
	assert_true(request_cookie(SPAN("a=b; xfed=" TOKEN "; c=d"), "xfed", out));
	assert_string_equal(out, TOKEN);
	assert_false(request_cookie(SPAN("__Host-xfed=" TOKEN), "xfed", out));
	assert_false(request_cookie(SPAN("xfed=" TOKEN "0"), "xfed", out));
	assert_false(request_cookie(SPAN("xfed="), "xfed", out));
	assert_false(request_cookie(SPAN("xfed=x123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"), "xfed", out));
	assert_false(request_cookie(SPAN(NULL), "xfed", out));
}

static void languages(void **state)
{
	static const struct {
		const char *accept;
		enum panel_language language;
	} rows[] = {
		{ NULL, PANEL_EN },
		{ "", PANEL_EN },
		{ "de", PANEL_DE },
		{ "de-AT,de;q=0.9,en;q=0.8", PANEL_DE },
		{ "en-GB,en;q=0.9,de;q=0.8", PANEL_EN },
		{ "en;q=0.5, DE;q=0.75", PANEL_DE },
		{ "fr,de;q=0.1", PANEL_DE },
		{ "de;q=0", PANEL_EN },
		{ "*", PANEL_EN },
		{ "den, deutsch", PANEL_EN },
		{ ";q=;,de;q=x", PANEL_EN },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (request_language(SPAN(rows[i].accept)) != rows[i].language) {
			fail_msg("%s", rows[i].accept);
		}
	}
}

static void hosts(void **state)
{
	const char *more[] = { "panel.corp.example" };
	const struct rt_conf_strings names = { more, 1 };
	const struct request_hosts local = { "127.0.0.1", "gw1", &names }, any = { "0.0.0.0", NULL, &names };
	static const struct {
		const char *host;
		bool is_local, is_any;
	} rows[] = {
		{ "127.0.0.1", true, true },
		{ "127.0.0.1:9570", true, true },
		{ "192.0.2.1:9570", false, true },
		{ "[::1]:9570", false, true },
		{ "localhost", true, true },
		{ "LocalHost:1", true, true },
		{ "gw1", true, false },
		{ "panel.corp.example:9570", true, true },
		{ "panel.corp.example.", true, true },
		{ "evil.panel.corp.example", false, false },
		{ "panel.corp.example.evil.example", false, false },
		{ "127.0.0.1.evil.example", false, false },
		{ "2130706433", false, false },
		{ "", false, false },
		{ ":9570", false, false },
		{ "[", false, false },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (request_host_is_ours(SPAN(rows[i].host), &local) != rows[i].is_local ||
			request_host_is_ours(SPAN(rows[i].host), &any) != rows[i].is_any) {
			fail_msg("\"%s\"", rows[i].host);
		}
	}
}

static void origins(void **state)
{
	struct xfed_span host = XFED_SPAN("gw1:9570");
	assert_true(request_origin_is_ours(SPAN(NULL), host));
	assert_true(request_origin_is_ours(SPAN("http://gw1:9570"), host));
	assert_true(request_origin_is_ours(SPAN("https://GW1:9570"), host));
	assert_false(request_origin_is_ours(SPAN("http://gw1:9571"), host));
	assert_false(request_origin_is_ours(SPAN("http://evil.example"), host));
	assert_false(request_origin_is_ours(SPAN("null"), host));
	assert_false(request_origin_is_ours(SPAN("ftp://gw1:9570"), host));
	assert_false(request_origin_is_ours(SPAN(""), host));
}

static void where_one_is_led(void **state)
{
	static const char *const fine[] = { "/", "/partners?a=1#b", "/a//b" };
	static const char *const bad[] = { "", "a", "//evil.example", "/\\evil.example", "/a\\b", "http://evil.example", "/a b", "/a\nb",
		"/\xc3\xa4" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(fine); i++) {
		assert_true(request_next_is_fine(SPAN(fine[i])));
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad); i++) {
		if (request_next_is_fine(SPAN(bad[i]))) {
			fail_msg("%s", bad[i]);
		}
	}
}

/* ---- passwords and users ---- */

#define HASH "$y$j9T$abcdefghijklmnopqrstu/$0123456789012345678901234567890123456789012"

static void passwords(void **state)
{
	char hash[RT_PASSWORD_HASH], setting[RT_PASSWORD_HASH], nobody[RT_PASSWORD_HASH];
	assert_int_equal(rt_password_hash(XFED_SPAN("secret"), hash), XFED_OK);
	assert_true(rt_password_is_hash(SPAN(hash)));
	assert_true(rt_password_is(hash, NULL, XFED_SPAN("secret")));
	assert_false(rt_password_is(hash, NULL, XFED_SPAN("Secret")));
	assert_false(rt_password_is(hash, NULL, XFED_SPAN("")));
	assert_int_equal(rt_password_hash(XFED_SPAN(""), hash), XFED_ERR_INVALID);
	assert_int_equal(rt_password_hash(xfed_span_make("a\0b", 3), hash), XFED_ERR_INVALID);
	/* a name that is not there: the same work, once, with the same setting */
	assert_int_equal(rt_password_hash(XFED_SPAN("secret"), hash), XFED_OK);
	unsigned before = rt_password_count(setting);
	rt_password_is(hash, NULL, XFED_SPAN("wrong"));
	unsigned known = rt_password_count(setting) - before;
	assert_false(rt_password_is(NULL, hash, XFED_SPAN("secret")));
	assert_int_equal(rt_password_count(nobody) - before - known, known);
	assert_string_equal(nobody, setting);
	assert_false(rt_password_is(NULL, NULL, XFED_SPAN("secret")));
	rt_password_count(nobody);
	assert_memory_equal(nobody, hash, strlen("$y$j9T$"));
}

static void hashes(void **state)
{
	assert_true(rt_password_is_hash(XFED_SPAN(HASH)));
	static const char *const bad[] = { "", "x", "$y$", "secret", "$6$abcdefghijklmnop$0123456789012345678901234567890123456789012", HASH "$",
		HASH " ", "$y$j9T$abcdefghijklmnopqrstu/" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad); i++) {
		assert_false(rt_password_is_hash(SPAN(bad[i])));
	}
}

static int users_of(struct xfed_arena *a, const char *text, struct panel_users *out, char said[256])
{
	static struct rt_conf_errors e;
	rt_conf_errors_init(&e);
	int rc = panel_users_parse(a, "panel.users", SPAN(text), &e, out);
	snprintf(said, 256, "%.200s", e.count > 0 ? e.items[0].text : "");
	rt_conf_errors_deinit(&e);
	return rc;
}

static void users(void **state)
{
	struct xfed_arena a;
	struct panel_users u;
	char said[256];
	xfed_arena_init(&a, 1024 * 1024);
	assert_int_equal(users_of(&a, "# who\n\nzoe:reader:" HASH "\r\n  anna:admin:" HASH "\ncert:anna:reader\n", &u, said), XFED_OK);
	assert_int_equal(u.count, 3);
	const struct panel_user *anna = panel_users_find(&u, false, XFED_SPAN("anna")), *other = panel_users_find(&u, true, XFED_SPAN("anna"));
	assert_true(anna && anna->is_admin && other && !other->is_admin && !other->hash);
	assert_string_equal(anna->hash, HASH);
	assert_true(panel_users_find(&u, false, XFED_SPAN("zoe")) && !panel_users_find(&u, true, XFED_SPAN("zoe")));
	assert_null(panel_users_find(&u, false, XFED_SPAN("ann")));
	assert_int_equal(users_of(&a, "", &u, said), XFED_OK);
	assert_int_equal(u.count, 0);
	static const char *const bad[] = { "anna", "anna:admin", "anna:admin:secret", "anna:root:" HASH, ":admin:" HASH, "cert::admin", "cert:anna",
		"cert:anna:admin:x", "anna:admin:" HASH ":x", "a\tb:admin:" HASH, "a:admin:" HASH "\na:reader:" HASH, "\xff:admin:" HASH };
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad); i++) {
		if (users_of(&a, bad[i], &u, said) != XFED_ERR_INVALID || !said[0] || strstr(said, "secret")) {
			fail_msg("%s: %s", bad[i], said);
		}
	}
	xfed_arena_deinit(&a);
}

/* ---- sessions ---- */

static void counting(void *user, void *out, size_t len)
{
	static uint16_t next;
	next++;
	for (size_t i = 0; i < len; i++) {
		((uint8_t *)out)[i] = (uint8_t)(i % 2 ? next : next >> 8);
	}
}

static const struct xfed_env env = { .random = counting };
static const struct panel_user admin = { "anna", HASH, true }, reader = { "rolf", HASH, false };
static unsigned ended;

static void on_ended(void *user, const struct panel_session *s)
{
	ended++;
}

static struct panel_session *begin(struct panel_sessions *k, const struct panel_user *u, uint64_t now_ms)
{
	struct panel_session *s = panel_session_begin(k, &env, u, "192.0.2.1", (struct panel_session_time){ now_ms, (int64_t)now_ms / 1000 });
	assert_non_null(s);
	assert_string_not_equal(s->token, s->csrf);
	return s;
}

static bool is_there(struct panel_sessions *k, const char *token, bool is_use, uint64_t now_ms)
{
	return panel_session_find(k, token, is_use, (struct panel_session_time){ now_ms, 0 }) != NULL;
}

static void sessions_end_by_themselves(void **state)
{
	struct panel_sessions k = { .idle_ms = 1000, .life_ms = 5000 };
	char token[PANEL_TOKEN_HEX + 1];
	snprintf(token, sizeof(token), "%s", begin(&k, &admin, 0)->token);
	assert_true(is_there(&k, token, true, 999));
	assert_true(is_there(&k, token, false, 1998)); /* looking is no use */
	assert_false(is_there(&k, token, true, 1999));
	snprintf(token, sizeof(token), "%s", begin(&k, &admin, 2000)->token);
	for (uint64_t now = 2900; now < 7000; now += 900) {
		assert_true(is_there(&k, token, true, now));
	}
	assert_false(is_there(&k, token, true, 7000)); /* in any case */
	assert_false(is_there(&k, "", true, 2000));
	ended = 0;
	panel_session_tick(&k, (struct panel_session_time){ 7000, 7 }, on_ended, NULL);
	assert_int_equal(ended, 2);
	assert_int_equal(k.count, 0);
	panel_session_free_all(&k);
}

static void sessions_are_few(void **state)
{
	struct panel_sessions k = { .idle_ms = 1000000, .life_ms = 5000000 };
	char first[PANEL_TOKEN_HEX + 1], other[PANEL_TOKEN_HEX + 1];
	snprintf(other, sizeof(other), "%s", begin(&k, &reader, 0)->token);
	snprintf(first, sizeof(first), "%s", begin(&k, &admin, 1)->token);
	for (size_t i = 1; i < XFED_PANEL_SESSIONS_NAME; i++) {
		begin(&k, &admin, 2);
	}
	assert_true(is_there(&k, first, false, 3));
	begin(&k, &admin, 3);
	assert_false(is_there(&k, first, false, 3));
	assert_true(is_there(&k, other, false, 3)); /* of another name */
	for (size_t i = k.count; i < XFED_PANEL_SESSIONS + 5; i++) {
		char name[16];
		snprintf(name, sizeof(name), "user%zu", i);
		begin(&k, &(struct panel_user){ name, HASH, false }, 4);
	}
	assert_int_equal(k.count, XFED_PANEL_SESSIONS);
	assert_false(is_there(&k, other, false, 4)); /* unused for longest */
	panel_session_free_all(&k);
}

static void sessions_follow_the_file(void **state)
{
	struct panel_sessions k = { .idle_ms = 1000, .life_ms = 5000 };
	struct panel_user now[] = { { "anna", HASH, true }, { "rolf", HASH, true } };
	struct panel_users u = { now, 2 };
	begin(&k, &admin, 0);
	begin(&k, &reader, 0);
	ended = 0;
	panel_session_keep(&k, &u, on_ended, NULL); /* another role */
	assert_int_equal(k.count, 1);
	now[0].hash = "$y$another";
	panel_session_keep(&k, &u, on_ended, NULL); /* another password */
	assert_int_equal(k.count, 0);
	begin(&k, &admin, 0);
	panel_session_keep(&k, &(struct panel_users){ now, 0 }, on_ended, NULL); /* gone */
	assert_int_equal(k.count, 0);
	assert_int_equal(ended, 3);
	panel_session_free_all(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(cookies),
		cmocka_unit_test(languages),
		cmocka_unit_test(hosts),
		cmocka_unit_test(origins),
		cmocka_unit_test(where_one_is_led),
		cmocka_unit_test(passwords),
		cmocka_unit_test(hashes),
		cmocka_unit_test(users),
		cmocka_unit_test(sessions_end_by_themselves),
		cmocka_unit_test(sessions_are_few),
		cmocka_unit_test(sessions_follow_the_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
