/* The tables themselves: fields that fit and do not overlap, defaults that parse, a manual page from each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "edge-proxy/config.h"
#include "fe-gateway/policy/access_file.h"
#include "fe-gateway/policy/partner_file.h"

static const struct rt_conf_table *const tables[] = { &edge_config_table, &config_table, &partner_file_table, &access_file_table };

static void tables_are_sound(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(tables); i++) {
		const char *problem = rt_conf_table_check(tables[i]);
		if (problem) {
			fail_msg("%s: %s", tables[i]->name, problem);
		}
	}
}

struct bad {
	uint32_t number;
	bool flag;
	const char *text;
};

static void unsound_tables_are_found(void **state)
{
	static const struct {
		const char *expected;
		struct rt_conf_row rows[2];
	} bad[] = {
		{ "a default does not parse",
			{ { .name = "a", .type = RT_CONF_INT, .offset = offsetof(struct bad, number), .help = "x", .fallback = "ten" },
				{ .name = "b", .type = RT_CONF_BOOL, .offset = offsetof(struct bad, flag), .help = "x" } } },
		{ "a default does not parse",
			{ { .name = "a", .type = RT_CONF_INT, .offset = offsetof(struct bad, number), .help = "x", .max = 9, .standard = 10 },
				{ .name = "b", .type = RT_CONF_BOOL, .offset = offsetof(struct bad, flag), .help = "x" } } },
		{ "a limit is the default of what is no number, or has another one",
			{ { .name = "a", .type = RT_CONF_INT, .offset = offsetof(struct bad, number), .help = "x", .fallback = "9", .standard = 9 },
				{ .name = "b", .type = RT_CONF_BOOL, .offset = offsetof(struct bad, flag), .help = "x" } } },
		{ "a limit is the default of what is no number, or has another one",
			{ { .name = "a", .type = RT_CONF_INT, .offset = offsetof(struct bad, number), .help = "x" },
				{ .name = "b", .type = RT_CONF_BOOL, .offset = offsetof(struct bad, flag), .help = "x", .standard = 1 } } },
		{ "a name stands twice", { { .name = "a", .type = RT_CONF_INT, .offset = offsetof(struct bad, number), .help = "x" },
						 { .name = "a", .type = RT_CONF_BOOL, .offset = offsetof(struct bad, flag), .help = "x" } } },
		{ "two fields overlap", { { .name = "a", .type = RT_CONF_STRING, .offset = offsetof(struct bad, number), .help = "x" },
						{ .name = "b", .type = RT_CONF_BOOL, .offset = offsetof(struct bad, flag), .help = "x" } } },
		{ "a field reaches beyond its struct",
			{ { .name = "a", .type = RT_CONF_STRINGS, .offset = offsetof(struct bad, text), .help = "x" },
				{ .name = "b", .type = RT_CONF_BOOL, .offset = offsetof(struct bad, flag), .help = "x" } } },
		{ "a row lacks its name, help, table or words, or has some it cannot use",
			{ { .name = "a", .type = RT_CONF_ENUM, .offset = offsetof(struct bad, number), .help = "x" },
				{ .name = "b", .type = RT_CONF_BOOL, .offset = offsetof(struct bad, flag), .help = "x" } } },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad); i++) {
		struct rt_conf_table t = { .name = "bad", .help = "x", .rows = bad[i].rows, .row_count = 2, .struct_size = sizeof(struct bad) };
		const char *problem = rt_conf_table_check(&t);
		assert_non_null(problem);
		assert_string_equal(problem, bad[i].expected);
	}
}

static void a_manual_page_names_every_key(void **state)
{
	struct xfed_buf out;
	for (size_t i = 0; i < XFED_ARRAY_LEN(tables); i++) {
		xfed_buf_init(&out, 256 * 1024);
		assert_int_equal(rt_conf_man(tables[i], &out), XFED_OK);
		assert_int_equal(xfed_buf_append(&out, xfed_span_make("", 1)), XFED_OK);
		const char *text = xfed_buf_span(&out).data;
		for (size_t r = 0; r < tables[i]->row_count; r++) {
			char line[64];
			bool is_list = tables[i]->rows[r].type == RT_CONF_OBJECTS;
			snprintf(line, sizeof(line), "\n.TP\n.B %s%s\n", tables[i]->rows[r].name, is_list ? "[]" : "");
			if (!strstr(text, line)) {
				fail_msg("%s: %s is missing", tables[i]->name, tables[i]->rows[r].name);
			}
		}
		xfed_buf_deinit(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_sound),
		cmocka_unit_test(unsound_tables_are_found),
		cmocka_unit_test(a_manual_page_names_every_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
