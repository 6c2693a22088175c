/* What daemons do before their loop runs: the environment, the command line, credentials from files. */
#include "xfed/rt/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <getopt.h>

/* ---- the environment ---- */

static void what_libraries_obey_is_unset(void **state)
{
	static const char *const gone[] = { "SSLKEYLOGFILE", "GNUTLS_DEBUG_LEVEL", "GNUTLS_SYSTEM_PRIORITY_FILE", "SASL_PATH", "XML_CATALOG_FILES" };
	static const char *const kept[] = { "HOME_OF_TEST", "NOTIFY_SOCKET", "XMLNESS", "MY_GNUTLS_THING" };
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(gone); i++) {
		assert_int_equal(setenv(gone[i], "x", 1), 0);
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(kept); i++) {
		assert_int_equal(setenv(kept[i], "x", 1), 0);
	}
	rt_clean_environment();
	for (size_t i = 0; i < XFED_ARRAY_LEN(gone); i++) {
		assert_null(getenv(gone[i]));
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(kept); i++) {
		assert_string_equal(getenv(kept[i]), "x");
		unsetenv(kept[i]);
	}
}

/* ---- the command line ---- */

static const struct {
	const char *words[4];
	int status;
	const char *config;
	bool check_only;
	const char *user;
} lines[] = {
	{ { NULL }, -1, "/default.yaml", false },
	{ { "-c", "/a.yaml" }, -1, "/a.yaml", false },
	{ { "--config", "/a.yaml" }, -1, "/a.yaml", false },
	{ { "--config=/a.yaml", "--check-config" }, -1, "/a.yaml", true },
	{ { "--check-config" }, -1, "/default.yaml", true },
	{ { "--user", "a" }, -1, "/default.yaml", false, "a" },
	{ { "--user" }, 2, NULL, false },
	{ { "--version" }, 0, NULL, false },
	{ { "--help" }, 0, NULL, false },
	{ { "-h" }, 0, NULL, false },
	{ { "-c" }, 2, NULL, false },
	{ { "--unheard-of" }, 2, NULL, false },
	{ { "/a.yaml" }, 2, NULL, false },
	{ { "--check-config", "more" }, 2, NULL, false },
};

static void command_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(lines); i++) {
		char *argv[6] = { (char *)"daemon" };
		int argc = 1;
		for (; argc <= 4 && lines[i].words[argc - 1]; argc++) {
			argv[argc] = (char *)lines[i].words[argc - 1];
		}
		struct rt_arguments args = { .config = "/default.yaml" };
		optind = 0; /* getopt begins anew */
		int status = rt_arguments_read(argc, argv, "daemon", &args);
		if (status != lines[i].status) {
			fail_msg("row %zu: status %d", i, status);
		}
		if (status == -1) {
			assert_string_equal(args.config, lines[i].config);
			assert_int_equal(args.check_only, lines[i].check_only);
			assert_true(lines[i].user ? args.user && strcmp(args.user, lines[i].user) == 0 : !args.user);
		}
	}
}

/* ---- credentials ---- */

static char directory[] = "/tmp/xfed-process-XXXXXX";

static const char *file(const char *name, const char *text)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

static int make_directory(void **state)
{
	(void)state;
	return rt_global_init() == XFED_OK && mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = { "cert.pem", "key.pem", "ca.pem" };
	char path[128];
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	rt_global_deinit();
	return rmdir(directory);
}

/* Refused with one sentence, and nothing to free. */
static void assert_refused(const struct rt_pem_files *files, const char *words)
{
	struct xfed_tls_creds *creds = (struct xfed_tls_creds *)files; /* is overwritten */
	char error[256] = "";
	assert_int_not_equal(rt_creds_load(files, &creds, error), XFED_OK);
	assert_null(creds);
	if (!strstr(error, words)) {
		fail_msg("'%s' is not in '%s'", words, error);
	}
}

static void files_that_do_not_do(void **state)
{
	(void)state;
	const char *certificate = file("cert.pem", "no certificate"), *key = file("key.pem", "no key"), *ca = file("ca.pem", "no authority");
	const char *crls[] = { "/nowhere/crl.pem" };
	struct rt_pem_pair there = { certificate, key }, no_certificate = { "/nowhere/cert.pem", key }, no_key = { certificate, "/nowhere/key.pem" };
	struct rt_pem_pair many[RT_PEM_PAIRS_MAX + 1];
	for (size_t i = 0; i < XFED_ARRAY_LEN(many); i++) {
		many[i] = there;
	}
	assert_refused(&(struct rt_pem_files){ .pairs = &no_certificate, .pair_count = 1 }, "/nowhere/cert.pem");
	assert_refused(&(struct rt_pem_files){ .pairs = &no_key, .pair_count = 1 }, "/nowhere/key.pem");
	assert_refused(&(struct rt_pem_files){ .pairs = &there, .pair_count = 1 }, "ertificate");
	assert_refused(&(struct rt_pem_files){ .ca = "/nowhere/ca.pem" }, "/nowhere/ca.pem");
	assert_refused(&(struct rt_pem_files){ .ca = ca }, "trusted certificates");
	assert_refused(&(struct rt_pem_files){ .crls = crls, .crl_count = 1 }, "/nowhere/crl.pem");
	assert_refused(&(struct rt_pem_files){ .pairs = many, .pair_count = XFED_ARRAY_LEN(many) }, "more than 64");
}

static void the_authorities_of_the_system(void **state)
{
	(void)state;
	struct xfed_tls_creds *creds = NULL;
	char error[256] = "";
	assert_int_equal(rt_creds_load(&(struct rt_pem_files){ .ca = "system" }, &creds, error), XFED_OK);
	assert_non_null(creds);
	xfed_tls_creds_unref(creds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_libraries_obey_is_unset),
		cmocka_unit_test(command_lines),
		cmocka_unit_test(files_that_do_not_do),
		cmocka_unit_test(the_authorities_of_the_system),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
