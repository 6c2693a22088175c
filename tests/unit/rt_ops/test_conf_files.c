/*
 * Warnings about the modes of the files a configuration names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "xfed/rt/conf.h"

struct inner {
	const char *key;
};
struct options {
	struct {
		const char *key, *ca;
	} tls;
	struct rt_conf_strings lists;
	struct {
		struct inner *items;
		size_t count;
	} items;
	const char *trust, *dir;
};

static const struct rt_conf_row tls_rows[] = {
	{ .name = "key", .type = RT_CONF_PATH, .offset = 0, .flags = RT_CONF_KEPT, .help = "Kept." },
	{ .name = "ca", .type = RT_CONF_PATH, .offset = sizeof(char *), .help = "Public." },
};
static const struct rt_conf_table tls_table = { .name = "tls", .help = "TLS.", .rows = tls_rows, .row_count = 2, .struct_size = 2 * sizeof(char *) };
static const struct rt_conf_row item_rows[] = { { .name = "key", .type = RT_CONF_PATH, .flags = RT_CONF_KEPT, .help = "Kept." } };
static const struct rt_conf_table item_table = {
	.name = "items", .help = "Items.", .rows = item_rows, .row_count = 1, .struct_size = sizeof(struct inner)
};
static const struct rt_conf_row rows[] = {
	{ .name = "tls", .type = RT_CONF_OBJECT, .offset = offsetof(struct options, tls), .table = &tls_table, .help = "TLS." },
	{ .name = "lists", .type = RT_CONF_PATHS, .offset = offsetof(struct options, lists), .max = 8, .help = "Lists." },
	{ .name = "items", .type = RT_CONF_OBJECTS, .offset = offsetof(struct options, items), .max = 8, .table = &item_table, .help = "Items." },
	{ .name = "trust",
		.type = RT_CONF_STRING,
		.offset = offsetof(struct options, trust),
		.flags = RT_CONF_FILE,
		.fallback = "system",
		.help = "Trust." },
	{ .name = "dir", .type = RT_CONF_PATH, .offset = offsetof(struct options, dir), .help = "A directory." },
};
static const struct rt_conf_table table = {
	.name = "x.yaml", .help = "Test.", .rows = rows, .row_count = XFED_ARRAY_LEN(rows), .struct_size = sizeof(struct options)
};

static char top[64], sub[80];

static void file(const char *name, mode_t mode)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", sub, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int set_up(void **state)
{
	snprintf(top, sizeof(top), "/tmp/xfed-files-XXXXXX");
	snprintf(sub, sizeof(sub), "%s/sub", mkdtemp(top) ? top : "");
	return mkdir(sub, 0700);
}

static int tear_down(void **state)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", top);
	return top[0] ? system(command) : 0;
}

/* Every directory is private again, every file as it should be. */
static int calm(void **state)
{
	chmod(top, 0700);
	chmod(sub, 0700);
	file("key", 0600);
	file("ca", 0644);
	return 0;
}

/* $: the directory of the files, ^: the one above it. */
static void fill(char *out, size_t size, const char *text)
{
	size_t len = 0;
	for (const char *p = text; *p && len < size; p++) {
		const char one[2] = { *p, '\0' };
		len += (size_t)snprintf(out + len, size - len, "%s", *p == '$' ? sub : *p == '^' ? top : one);
	}
	assert_true(len < size);
	out[len] = '\0';
}

static void expect(const char *text, const char *wanted)
{
	char yaml[1024], path[256], said[4096] = "", wants[4096];
	fill(yaml, sizeof(yaml), text);
	fill(wants, sizeof(wants), wanted);
	snprintf(path, sizeof(path), "%s/x.yaml", sub);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(yaml, f) >= 0);
	assert_int_equal(fclose(f), 0);
	struct rt_conf_doc doc;
	struct rt_conf_errors errors;
	rt_conf_errors_init(&errors);
	assert_int_equal(rt_conf_load_file(&doc, &table, path, &errors), XFED_OK);
	rt_conf_check_files(&doc);
	assert_int_equal(errors.error_count, 0);
	for (size_t i = 0; i < errors.count; i++) {
		assert_int_equal(errors.items[i].reason, XFED_REASON_CONFIG_FILE_EXPOSED);
		assert_true(errors.items[i].is_warning);
		size_t len = strlen(said);
		snprintf(said + len, sizeof(said) - len, "%s%s%s\n", errors.items[i].key, errors.items[i].key[0] ? ": " : "", errors.items[i].text);
	}
	assert_string_equal(said, wants);
	rt_conf_doc_deinit(&doc);
	rt_conf_errors_deinit(&errors);
}

static void what_is_private_is_fine(void **state)
{
	expect("{tls: {key: $/key, ca: $/ca}, lists: [$/ca, /nowhere/at/all], items: [{key: $/key}], trust: $/ca, dir: $}\n", "");
}

static void a_key_everybody_reads(void **state)
{
	file("key", 0644);
	expect("tls: {key: $/key}\n", "tls.key: $/key is readable by everybody (mode 0644): chmod o-r $/key\n");
	file("key", 0602);
	expect("tls: {key: $/key}\n", "tls.key: $/key is writable by everybody (mode 0602): chmod o-w $/key\n");
	file("key", 0666);
	expect("items: [{key: $/ca}, {key: $/key}]\n", "items[0].key: $/ca is readable by everybody (mode 0644): chmod o-r $/ca\n"
						       "items[1].key: $/key is readable and writable by everybody (mode 0666): chmod o-rw $/key\n");
	file("key", 0660); /* a group's members are the operator's choice */
	expect("tls: {key: $/key}\n", "");
}

static void trust_everybody_writes(void **state)
{
	file("ca", 0646);
	expect("tls: {ca: $/ca}\n", "tls.ca: $/ca is writable by everybody (mode 0646): chmod o-w $/ca\n");
	expect("trust: $/ca\n", "trust: $/ca is writable by everybody (mode 0646): chmod o-w $/ca\n");
	expect("lists: [$/ca]\n", "lists: $/ca is writable by everybody (mode 0646): chmod o-w $/ca\n");
	/* Said once, whoever names it. */
	expect("{tls: {ca: $/ca}, lists: [$/ca], trust: $/ca}\n", "tls.ca: $/ca is writable by everybody (mode 0646): chmod o-w $/ca\n");
}

static void a_directory_everybody_writes(void **state)
{
	chmod(sub, 0707);
	expect("{}\n", "directory $ is writable by everybody (mode 0707): chmod o-w $\n"); /* the configuration itself lies there */
	chmod(sub, 01777);
	expect("{tls: {key: $/key}, dir: $}\n", ""); /* nobody replaces what is another's */
	chmod(sub, 0700);
	chmod(top, 0777);
	expect("tls: {key: $/key}\n", "directory ^ is writable by everybody (mode 0777): chmod o-w ^\n");
}

static void the_configuration_itself(void **state)
{
	char path[256];
	struct rt_conf_errors errors;
	snprintf(path, sizeof(path), "%s/ca", sub);
	chmod(path, 0666);
	rt_conf_errors_init(&errors);
	rt_conf_check_file(&errors, path);
	assert_int_equal(errors.warning_count, 1);
	assert_string_equal(errors.items[0].file, path);
	rt_conf_errors_deinit(&errors);
}

/* What counts is where a link leads, and the directories on either way. */
static void links_are_followed(void **state)
{
	char from[256], to[256], other[96];
	snprintf(other, sizeof(other), "%s/other", top);
	snprintf(from, sizeof(from), "%s/link", sub);
	snprintf(to, sizeof(to), "%s/key", other);
	assert_int_equal(mkdir(other, 0700), 0);
	FILE *f = fopen(to, "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(to, 0604), 0);
	assert_int_equal(symlink(to, from), 0);
	expect("tls: {key: $/link}\n", "tls.key: $/link is readable by everybody (mode 0604): chmod o-r $/link\n");
	assert_int_equal(chmod(to, 0600), 0);
	assert_int_equal(chmod(other, 0703), 0);
	expect("tls: {key: $/link}\n", "tls.key: directory ^/other is writable by everybody (mode 0703): chmod o-w ^/other\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_private_is_fine, calm),
		cmocka_unit_test_setup(a_key_everybody_reads, calm),
		cmocka_unit_test_setup(trust_everybody_writes, calm),
		cmocka_unit_test_setup(a_directory_everybody_writes, calm),
		cmocka_unit_test_setup(the_configuration_itself, calm),
		cmocka_unit_test_setup(links_are_followed, calm),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
