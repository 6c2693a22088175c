#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistr.h>

#include "ctl.h"

void ctl_table_init(struct ctl_table *t, size_t columns)
{
	XFED_REQUIRE(columns > 0 && columns <= CTL_COLUMNS_MAX);
	*t = (struct ctl_table){ .columns = columns };
}

static bool is_control(ucs4_t u)
{
	/* C0 and C1 controls, line and paragraph separators, and characters that change the direction of text. */
	return u < 0x20 || (u >= 0x7f && u < 0xa0) || u == 0x2028 || u == 0x2029 || (u >= 0x202a && u <= 0x202e) || (u >= 0x2066 && u <= 0x2069);
}

static char *clean(const char *s, const char *kept)
{
	size_t len = strlen(s), n = 0;
	char *out = malloc(len + 1);
	for (size_t i = 0; out && i < len;) {
		ucs4_t u;
		int width = u8_mbtoucr(&u, (const uint8_t *)s + i, len - i);
		if (width < 1 || (is_control(u) && (u >= 0x80 || !strchr(kept, (int)u)))) {
			out[n++] = '?';
			i += width < 1 ? 1 : (size_t)width;
		} else {
			memcpy(out + n, s + i, (size_t)width);
			n += (size_t)width;
			i += (size_t)width;
		}
	}
	if (out) {
		out[n] = '\0';
	}
	return out;
}

void ctl_table_add(struct ctl_table *t, const char *cell)
{
	char **cells = realloc(t->cells, (t->count + 1) * sizeof(cells[0]));
	char *copy = clean(cell && cell[0] ? cell : "-", "");
	if (cells) {
		t->cells = cells;
	}
	if (!cells || !copy) {
		free(copy);
		t->is_broken = true;
		return;
	}
	t->cells[t->count++] = copy;
}

void ctl_table_header(struct ctl_table *t, const char *const *names)
{
	for (size_t i = 0; i < t->columns; i++) {
		ctl_table_add(t, names[i]);
	}
}

void ctl_table_addf(struct ctl_table *t, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ctl_table_add(t, text);
}

static size_t width_of(const char *s)
{
	return u8_mbsnlen((const uint8_t *)s, strlen(s));
}

void ctl_table_print(struct ctl_table *t, const char *indent, FILE *out)
{
	size_t widths[CTL_COLUMNS_MAX] = { 0 };
	for (size_t i = 0; i < t->count; i++) {
		size_t w = width_of(t->cells[i]);
		widths[i % t->columns] = w > widths[i % t->columns] ? w : widths[i % t->columns];
	}
	for (size_t i = 0; i < t->count && !t->is_broken; i++) {
		bool is_last = i % t->columns == t->columns - 1;
		size_t pad = is_last ? 0 : widths[i % t->columns] - width_of(t->cells[i]) + 2;
		fprintf(out, "%s%s%*s%s", i % t->columns == 0 ? indent : "", t->cells[i], (int)pad, "", is_last ? "\n" : "");
	}
	if (t->is_broken) {
		fprintf(stderr, "xfedctl: out of memory\n");
	}
	for (size_t i = 0; i < t->count; i++) {
		free(t->cells[i]);
	}
	free(t->cells);
	*t = (struct ctl_table){ 0 };
}

void ctl_text(FILE *out, const char *s)
{
	char *copy = clean(s, "");
	fputs(copy ? copy : "", out);
	free(copy);
}

static json_t *harmless(json_t *value, const char *kept)
{
	if (!json_is_string(value)) {
		ctl_harmless(value, kept);
		return json_incref(value);
	}
	char *copy = clean(json_string_value(value), kept);
	json_t *text = json_string(copy ? copy : "");
	free(copy);
	return text;
}

void ctl_harmless(json_t *j, const char *kept)
{
	const char *key;
	size_t i;
	json_t *value;
	json_object_foreach(j, key, value) {
		json_object_set_new(j, key, harmless(value, kept));
	}
	json_array_foreach(j, i, value) {
		json_array_set_new(j, i, harmless(value, kept));
	}
}

void ctl_print_texts(const char *before, const json_t *texts)
{
	size_t i;
	json_t *text;
	json_array_foreach(texts, i, text) {
		printf("%s", before);
		ctl_text(stdout, json_string_value(text));
		printf("\n");
	}
}

const char *ctl_duration(json_int_t s, char out[32])
{
	if (s >= 86400) {
		snprintf(out, 32, "%lldd %lldh", (long long)(s / 86400), (long long)(s % 86400 / 3600));
	} else if (s >= 3600) {
		snprintf(out, 32, "%lldh %lldm", (long long)(s / 3600), (long long)(s % 3600 / 60));
	} else if (s >= 60) {
		snprintf(out, 32, "%lldm %llds", (long long)(s / 60), (long long)(s % 60));
	} else {
		snprintf(out, 32, "%llds", (long long)s);
	}
	return out;
}

const char *ctl_time(json_int_t seconds, char out[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;
	if (!gmtime_r(&t, &tm) || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		snprintf(out, 32, "-");
	}
	return out;
}

const char *ctl_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

json_int_t ctl_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

enum ctl_exit ctl_refuse(const struct ctl_options *options, const char *text)
{
	return ctl_refuse_as(options, "failed", text);
}

enum ctl_exit ctl_refuse_as(const struct ctl_options *options, const char *code, const char *text)
{
	if (options->errand) {
		json_decref(options->errand->answer);
		options->errand->answer = json_pack("{s:{s:s, s:s}}", "error", "code", code, "text", text);
		return CTL_PROBLEM;
	}
	fprintf(stderr, "xfedctl: ");
	ctl_text(stderr, text);
	fprintf(stderr, "\n");
	if (options->is_json) {
		json_t *j = json_pack("{s:{s:s, s:s}}", "error", "code", code, "text", text);
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		printf("\n");
		json_decref(j);
	}
	return CTL_PROBLEM;
}

void ctl_print_next(const json_t *result, const char *noun, FILE *out)
{
	const char *key;
	json_t *value;
	if (ctl_str(result, "next")[0]) {
		fprintf(out, "\nthere are more: %s list --after \"", noun);
		ctl_text(out, ctl_str(result, "next"));
		fprintf(out, "\"");
		json_object_foreach((json_t *)(uintptr_t)json_object_get(result, "filter"), key, value) {
			fprintf(out, " %s=", key);
			ctl_text(out, json_string_value(value));
		}
		fprintf(out, ", or a higher limit=\n");
	}
}
