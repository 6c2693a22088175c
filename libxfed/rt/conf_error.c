#include "xfed/rt/conf.h"

#include <stdarg.h>
#include <stdio.h>

#define ERROR_ARENA_BYTES (512 * 1024)
#define TEXT_BYTES	  2048

void rt_conf_errors_init(struct rt_conf_errors *e)
{
	memset(e, 0, sizeof(*e));
	xfed_arena_init(&e->arena, ERROR_ARENA_BYTES);
}

void rt_conf_errors_deinit(struct rt_conf_errors *e)
{
	xfed_arena_deinit(&e->arena);
	memset(e, 0, sizeof(*e));
}

static size_t kept_of_kind(const struct rt_conf_errors *e, bool is_warning)
{
	size_t n = 0;
	for (size_t i = 0; i < e->count; i++) {
		n += e->items[i].is_warning == is_warning;
	}
	return n;
}

void rt_conf_errors_add(struct rt_conf_errors *e, bool is_warning, enum xfed_reason reason, const char *file, unsigned line, unsigned column,
	const char *key, const char *fmt, ...)
{
	*(is_warning ? &e->warning_count : &e->error_count) += 1;
	if (kept_of_kind(e, is_warning) >= RT_CONF_ERRORS) {
		return;
	}
	if (e->arena.cap_bytes == 0) {
		xfed_arena_init(&e->arena, ERROR_ARENA_BYTES);
	}
	char text[TEXT_BYTES];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	struct xfed_span file_copy = xfed_arena_copy(&e->arena, xfed_span_str(file ? file : ""));
	struct xfed_span key_copy = xfed_arena_copy(&e->arena, xfed_span_str(key ? key : ""));
	struct xfed_span text_copy = xfed_arena_copy(&e->arena, xfed_span_str(text));
	if (!file_copy.data || !key_copy.data || !text_copy.data) {
		return;
	}
	e->items[e->count++] = (struct rt_conf_problem){
		.file = file_copy.data,
		.key = key_copy.data,
		.line = line,
		.column = column,
		.is_warning = is_warning,
		.reason = reason,
		.text = text_copy.data,
	};
}

int rt_conf_problem_print(const struct rt_conf_problem *p, struct xfed_buf *out)
{
	int rc = xfed_buf_append_str(out, p->file);
	if (rc == XFED_OK && p->line > 0) {
		rc = xfed_buf_printf(out, ":%u:%u", p->line, p->column);
	}
	if (rc == XFED_OK && p->key[0]) {
		rc = xfed_buf_printf(out, ":%s", p->key);
	}
	if (rc == XFED_OK) {
		rc = xfed_buf_printf(out, ": %s%s", p->is_warning ? "warning: " : "", p->text);
	}
	return rc;
}

int rt_conf_errors_print(const struct rt_conf_errors *e, struct xfed_buf *out)
{
	int rc = XFED_OK;
	for (size_t i = 0; i < e->count && rc == XFED_OK; i++) {
		rc = rt_conf_problem_print(&e->items[i], out);
		if (rc == XFED_OK) {
			rc = xfed_buf_append(out, XFED_SPAN("\n"));
		}
	}
	size_t more = e->error_count + e->warning_count - e->count;
	if (rc == XFED_OK && more > 0) {
		rc = xfed_buf_printf(out, "%zu more\n", more);
	}
	return rc;
}
