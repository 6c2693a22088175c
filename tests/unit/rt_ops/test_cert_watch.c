/* When certificates end, as the log tells it: a row is a time before the end, and what is told then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <gnutls/x509.h>

#include "xfed/cert.h"
#include "xfed/rt/certs.h"
#include "xfed/rt/daemon.h"
#include "xfed/rt/log.h"

#define DAY 86400
#define END (INT64_C(2000000000))

static char lines[4096];

static void sink(void *user, enum rt_log_level level, struct xfed_span line)
{
	size_t len = strlen(lines);
	snprintf(lines + len, sizeof(lines) - len, "%d %.*s\n", (int)level, (int)line.len, line.data);
}

/* Signs itself; `serial` makes it another one. */
static struct xfed_cert *make(int64_t not_after_s, unsigned char serial)
{
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
	gnutls_datum_t der;
	struct xfed_cert *cert;
	assert_int_equal(gnutls_x509_privkey_init(&key), 0);
	assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
	assert_int_equal(gnutls_x509_crt_init(&crt), 0);
	gnutls_x509_crt_set_version(crt, 3);
	gnutls_x509_crt_set_serial(crt, &serial, 1);
	gnutls_x509_crt_set_activation_time(crt, 1000000000);
	gnutls_x509_crt_set_expiration_time(crt, (time_t)not_after_s);
	gnutls_x509_crt_set_key(crt, key);
	assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der), 0);
	assert_int_equal(xfed_cert_new_der(xfed_span_make(der.data, der.size), &cert), XFED_OK);
	gnutls_free(der.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	return cert;
}

static struct rt_certs *watch;

static int setup(void **state)
{
	rt_log_set_sink(sink, NULL);
	lines[0] = '\0';
	return rt_certs_new(&watch);
}

static int teardown(void **state)
{
	rt_certs_free(watch);
	rt_log_set_sink(NULL, NULL);
	return 0;
}

static void tick(int64_t before_s, const char *expected)
{
	lines[0] = '\0';
	rt_certs_tick(watch, END - before_s);
	if (expected ? !strstr(lines, expected) : lines[0] != '\0') {
		fail_msg("%lld s before: expected %s, told %s", (long long)before_s, expected ? expected : "nothing", lines);
	}
}

static void each_step_is_told_once(void **state)
{
	struct xfed_cert *cert = make(END, 1);
	rt_certs_seen(watch, RT_CERT_US, XFED_SPAN("CN=a.example"), cert, END - 60 * DAY);
	assert_string_equal(lines, "");
	tick(30 * DAY + 1, NULL);
	tick(30 * DAY, "days=30");
	tick(30 * DAY - 1, NULL);
	tick(14 * DAY + 1, NULL);
	tick(14 * DAY, "reason=tls.own.expired");
	tick(7 * DAY, "days=7");
	tick(6 * DAY, NULL);
	tick(3 * DAY - 5, "days=2");
	tick(DAY, "days=1");
	tick(1, NULL);
	tick(-1, "event=certificate.ended");
	tick(-DAY, NULL);
	xfed_cert_free(cert);
}

/* What another one has reached is no occasion. */
static void one_of_two(void **state)
{
	struct xfed_cert *first = make(END, 1), *second = make(END + 5 * DAY, 2);
	rt_certs_seen(watch, RT_CERT_US, XFED_SPAN("CN=first.example"), first, END - 60 * DAY);
	rt_certs_seen(watch, RT_CERT_US, XFED_SPAN("CN=second.example"), second, END - 60 * DAY);
	tick(30 * DAY, "first.example");
	assert_null(strstr(lines, "second.example"));
	tick(25 * DAY, "second.example");
	assert_null(strstr(lines, "first.example"));
	xfed_cert_free(first);
	xfed_cert_free(second);
}

/* A start, or a reload, in the middle: one line says where it stands, and not one for each step that has passed. */
static void where_it_stands(void **state)
{
	struct xfed_cert *cert = make(END, 1);
	rt_certs_seen(watch, RT_CERT_US, XFED_SPAN("CN=a.example"), cert, END - 5 * DAY);
	assert_non_null(strstr(lines, "name=\"CN=a.example\" owner=us not_after=2033-05-18T03:33:20Z days=5"));
	assert_ptr_equal(strchr(lines, '\n'), strrchr(lines, '\n'));
	lines[0] = '\0';
	rt_certs_seen(watch, RT_CERT_US, XFED_SPAN("CN=a.example"), cert, END - 4 * DAY); /* the same again, as each second */
	assert_string_equal(lines, "");
	tick(3 * DAY, "days=3");
	xfed_cert_free(cert);
}

static void a_new_one_begins_anew(void **state)
{
	struct xfed_cert *old = make(END - 58 * DAY, 1), *fresh = make(END, 2);
	rt_certs_seen(watch, RT_CERT_PARTNER, XFED_SPAN("p.example"), old, END - 60 * DAY);
	assert_non_null(strstr(lines, "owner=partner"));
	assert_null(strstr(lines, "reason="));
	rt_certs_seen(watch, RT_CERT_PARTNER, XFED_SPAN("p.example"), fresh, END - 59 * DAY);
	tick(57 * DAY, NULL);
	tick(30 * DAY, "days=30");
	xfed_cert_free(old);
	xfed_cert_free(fresh);
}

static void levels(void **state)
{
	static const struct {
		enum rt_cert_owner owner;
		int64_t left_s;
		enum rt_log_level level;
	} rows[] = {
		{ RT_CERT_US, 20 * DAY, RT_LOG_INFO },
		{ RT_CERT_US, 10 * DAY, RT_LOG_WARNING },
		{ RT_CERT_US, 2 * DAY, RT_LOG_ERROR },
		{ RT_CERT_CHANNEL, 2 * DAY, RT_LOG_ERROR },
		{ RT_CERT_PARTNER, 2 * DAY, RT_LOG_WARNING },
		{ RT_CERT_PARTNER, -DAY, RT_LOG_WARNING },
	};
	struct xfed_cert *cert = make(END, 1);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		lines[0] = '\0';
		rt_certs_seen(watch, rows[i].owner, XFED_SPAN("x"), cert, END - rows[i].left_s);
		if (lines[0] != (char)('0' + (int)rows[i].level)) {
			fail_msg("row %zu: %s", i, lines);
		}
		rt_certs_forget(watch, rows[i].owner, XFED_SPAN("x"));
	}
	xfed_cert_free(cert);
}

static bool is_b(void *user, const char *name)
{
	return strcmp(name, "b") == 0;
}

static void count(void *user, const struct rt_cert_end *end)
{
	size_t *n = user;
	(*n)++;
	assert_string_equal(end->name, "b");
}

static void who_is_gone_is_forgotten(void **state)
{
	struct xfed_cert *cert = make(END, 1);
	size_t n = 0;
	rt_certs_seen(watch, RT_CERT_PARTNER, XFED_SPAN("a"), cert, 1);
	rt_certs_seen(watch, RT_CERT_PARTNER, XFED_SPAN("b"), cert, 1);
	rt_certs_seen(watch, RT_CERT_US, XFED_SPAN("b"), cert, 1);
	rt_certs_keep(watch, RT_CERT_PARTNER, is_b, NULL);
	rt_certs_each(watch, count, &n);
	assert_int_equal(n, 2); /* of another owner stays */
	xfed_cert_free(cert);
}

static void the_soonest_first(void **state)
{
	json_t *list = json_loads("[{\"not_after\": 30}, {\"not_after\": 10}, {}, {\"not_after\": 20}]", 0, NULL), *none = json_array();
	json_t *two = rt_certs_soonest(list, 3), *empty = rt_certs_soonest(none, 3), *absent = rt_certs_soonest(NULL, 3);
	assert_int_equal(json_array_size(two), 3);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(two, 0), "not_after")), 0);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(two, 1), "not_after")), 10);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(two, 2), "not_after")), 20);
	assert_int_equal(json_array_size(empty) + json_array_size(absent), 0);
	json_decref(list);
	json_decref(none);
	json_decref(two);
	json_decref(empty);
	json_decref(absent);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_soonest_first),
		TEST(each_step_is_told_once),
		TEST(one_of_two),
		TEST(where_it_stands),
		TEST(a_new_one_begins_anew),
		TEST(levels),
		TEST(who_is_gone_is_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
