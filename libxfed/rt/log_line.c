#include "log_internal.h"

#include <stdio.h>
#include <time.h>
#include <unistr.h>

#define MARK_CUT "..."

/* reserved for the end of a line that is cut */
#define RESERVE 20

enum style { TEXT, JSON, BARE };

static void put(struct log_line *l, const char *s, size_t len)
{
	if (l->is_cut || len > sizeof(l->text) - RESERVE - l->len) {
		l->is_cut = true;
		return;
	}
	memcpy(l->text + l->len, s, len);
	l->len += len;
}

static void put_str(struct log_line *l, const char *s)
{
	put(l, s, strlen(s));
}

/* `when_cut` says that fields are missing. */
static void finish(struct log_line *l, const char *when_cut, const char *end)
{
	int n = snprintf(l->text + l->len, sizeof(l->text) - l->len, "%s%s", l->is_cut ? when_cut : "", end);
	l->len += n > 0 ? (size_t)n : 0;
}

static size_t timestamp(int64_t wall_ms, char out[40])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;
	if (!gmtime_r(&seconds, &tm)) {
		memset(&tm, 0, sizeof(tm));
	}
	size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	return n + (size_t)snprintf(out + n, 40 - n, ".%03dZ", (int)(wall_ms % 1000));
}

/*
 * Length of the bytes that may be written as they are: valid UTF-8 above U+009F and plain characters; all others are written \xNN. The C1
 * controls (U+0080 to U+009F) and U+2028, U+2029 end lines in some viewers.
 */
static size_t visible_length(struct xfed_span s, size_t i)
{
	unsigned char c = (unsigned char)s.data[i];
	if (c < 0x80) {
		return c >= 0x20 && c != 0x7f ? 1 : 0;
	}
	ucs4_t u;
	int n = u8_mbtoucr(&u, (const uint8_t *)s.data + i, s.len - i);
	return n < 1 || u < 0xa0 || u == 0x2028 || u == 0x2029 || (u >= 0x202a && u <= 0x202e) || (u >= 0x2066 && u <= 0x2069) ? 0 : (size_t)n;
}

static bool is_plain(struct xfed_span s)
{
	for (size_t i = 0; i < s.len;) {
		size_t n = visible_length(s, i);
		if (n == 0 || s.data[i] == ' ' || s.data[i] == '"' || s.data[i] == '\\' || s.data[i] == '=') {
			return false;
		}
		i += n;
	}
	return s.len > 0;
}

static void put_escaped(struct log_line *l, struct xfed_span s, enum style style)
{
	for (size_t i = 0; i < s.len;) {
		size_t n = visible_length(s, i);
		char escape[8];
		if (n == 0) {
			/* JSON has no \xNN: the byte is shown as the text \xNN with an escaped backslash */
			snprintf(escape, sizeof(escape), style == JSON ? "\\\\x%02x" : "\\x%02x", (unsigned char)s.data[i]);
			put_str(l, escape);
			n = 1;
		} else {
			put_str(l, style != BARE && (s.data[i] == '"' || s.data[i] == '\\') ? "\\" : "");
			put(l, s.data + i, n);
		}
		i += n;
	}
}

static struct xfed_span cut_value(struct xfed_span s)
{
	return s.len > RT_LOG_VALUE_BYTES ? xfed_span_make(s.data, RT_LOG_VALUE_BYTES) : s;
}

struct xfed_span log_line_masked(struct xfed_span s, size_t *after)
{
	const char *at = memchr(s.data, '@', s.len);
	size_t start = 0;
	if (!at) {
		*after = 0;
		return xfed_span_make(s.data, 0);
	}
	if (s.len > 4 && xfed_span_eq_nocase(xfed_span_make(s.data, 4), XFED_SPAN("sip:"))) {
		start = 4;
	} else if (s.len > 5 && xfed_span_eq_nocase(xfed_span_make(s.data, 5), XFED_SPAN("sips:"))) {
		start = 5;
	}
	*after = (size_t)(at - s.data);
	return xfed_span_make(s.data, start);
}

static size_t number_text(const struct rt_log_field *f, char out[32])
{
	int n = 0;
	switch (f->kind) {
	case RT_LOG_KIND_U64:
		n = snprintf(out, 32, "%llu", (unsigned long long)f->u64);
		break;
	case RT_LOG_KIND_I64:
		n = snprintf(out, 32, "%lld", (long long)f->i64);
		break;
	case RT_LOG_KIND_BOOL:
		n = snprintf(out, 32, "%s", f->u64 ? "true" : "false");
		break;
	case RT_LOG_KIND_HEX:
		n = snprintf(out, 32, "%016llx", (unsigned long long)f->u64);
		break;
	case RT_LOG_KIND_SPAN:
	case RT_LOG_KIND_ADDRESS:
	case RT_LOG_KIND_END:
		break;
	}
	return n > 0 ? (size_t)n : 0;
}

static bool is_number(const struct rt_log_field *f)
{
	return f->kind != RT_LOG_KIND_SPAN && f->kind != RT_LOG_KIND_ADDRESS;
}

static void put_span(struct log_line *l, const struct rt_log_field *f, bool mask, enum style style)
{
	struct xfed_span s = cut_value(f->span), head = { "", 0 };
	size_t after = 0;
	if (mask && f->kind == RT_LOG_KIND_ADDRESS) {
		head = log_line_masked(s, &after);
		s = xfed_span_make(s.data + after, s.len - after);
	}
	bool is_cut = f->span.len > RT_LOG_VALUE_BYTES;
	bool quote = style == JSON || (style == TEXT && (is_cut || !is_plain(s)));
	put_str(l, quote ? "\"" : "");
	put(l, head.data, head.len);
	put_str(l, after > 0 ? "***" : "");
	put_escaped(l, s, style);
	put_str(l, is_cut ? MARK_CUT : "");
	put_str(l, quote ? "\"" : "");
}

static bool is_absent(const struct rt_log_field *f)
{
	return !is_number(f) && !f->span.data;
}

/* A field is written completely or not at all, so that a line that is cut can still be parsed. */
static void put_field(struct log_line *l, const struct rt_log_field *f, bool mask, enum style style)
{
	char text[32];
	size_t before = l->len;
	if (l->is_cut || is_absent(f)) {
		return;
	}
	put_str(l, style == JSON ? ",\"" : " ");
	put_str(l, f->key);
	put_str(l, style == JSON ? "\":" : "=");
	if (!is_number(f)) {
		put_span(l, f, mask, style);
	} else {
		size_t n = number_text(f, text);
		bool quote = style == JSON && f->kind == RT_LOG_KIND_HEX;
		put_str(l, quote ? "\"" : "");
		put(l, text, n);
		put_str(l, quote ? "\"" : "");
	}
	if (l->is_cut) {
		l->len = before;
	}
}

static void put_fields(struct log_line *l, const struct log_view *v, enum style style)
{
	size_t n = 0;
	for (const struct rt_log_field *f = v->fields; f->kind != RT_LOG_KIND_END && n < RT_LOG_FIELDS_MAX; f++, n++) {
		put_field(l, f, v->mask_addresses, style);
	}
}

void log_line_text(struct log_line *l, const struct log_view *v)
{
	char stamp[40];
	l->len = 0;
	l->is_cut = false;
	put(l, stamp, timestamp(v->wall_ms, stamp));
	put_str(l, " ");
	put_str(l, rt_log_level_name(v->level));
	put_str(l, " ");
	l->body = l->len;
	put_str(l, "event=");
	put_str(l, v->event);
	put_fields(l, v, TEXT);
	finish(l, " cut=true", "");
}

void log_line_json(struct log_line *l, const struct log_view *v)
{
	char stamp[40];
	l->len = 0;
	l->is_cut = false;
	l->body = 0;
	put_str(l, "{\"time\":\"");
	put(l, stamp, timestamp(v->wall_ms, stamp));
	put_str(l, "\",\"level\":\"");
	put_str(l, rt_log_level_name(v->level));
	put_str(l, "\",\"event\":\"");
	put_str(l, v->event);
	put_str(l, "\"");
	put_fields(l, v, JSON);
	finish(l, ",\"cut\":true", "}");
}

void log_line_value(struct log_line *l, const struct rt_log_field *f, bool mask_addresses)
{
	char text[32];
	l->len = 0;
	l->is_cut = false;
	if (is_number(f)) {
		size_t n = number_text(f, text);
		put(l, text, n);
	} else if (f->span.data) {
		put_span(l, f, mask_addresses, BARE);
	}
}
