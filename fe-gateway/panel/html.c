#include "panel/html.h"

#include <stdarg.h>
#include <stdio.h>

#include "panel/said.h"
#include "util/calendar.h"

static void put(struct html *h, struct xfed_span s)
{
	if (h->rc == XFED_OK && s.len > 0) {
		h->rc = xfed_buf_append(h->out, s);
	}
}

static void put_str(struct html *h, const char *s)
{
	put(h, xfed_span_str(s));
}

/* ---- text ---- */

#define REPLACEMENT "\xef\xbf\xbd"

/* The length of a character of valid UTF-8 with its value; 0: it is none. */
static size_t decode(const unsigned char *s, size_t len, uint32_t *value)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
	if (n == 0 || n > len) {
		return 0;
	}
	*value = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			return 0;
		}
		*value = *value << 6 | (s[i] & 0x3f);
	}
	return *value < least[n] || (*value >= 0xd800 && *value < 0xe000) || *value > 0x10ffff ? 0 : n;
}

/* Control characters, which HTML does not have, and those that turn the direction of what stands behind them, by which a name can look like another. */
static bool is_unfit(uint32_t c)
{
	return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
	       c == 0x200e || c == 0x200f || c == 0x61c || (c & 0xfffe) == 0xfffe;
}

static const char *entity(uint32_t c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return is_unfit(c) ? REPLACEMENT : NULL;
	}
}

void html_text(struct html *h, struct xfed_span s)
{
	size_t from = 0, i = 0;
	if (s.len == 0) {
		return; /* perhaps without data */
	}
	while (i < s.len) {
		uint32_t c = 0;
		size_t n = decode((const unsigned char *)s.data + i, s.len - i, &c);
		const char *instead = n == 0 ? REPLACEMENT : entity(c);
		if (instead) {
			put(h, xfed_span_make(s.data + from, i - from));
			put_str(h, instead);
			from = i + (n > 0 ? n : 1);
		}
		i += n > 0 ? n : 1;
	}
	put(h, xfed_span_make(s.data + from, s.len - from));
}

static void percent(struct html *h, struct xfed_span s)
{
	static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	for (size_t i = 0; i < s.len; i++) {
		char code[4];
		if (s.data[i] != '\0' && strchr(kept, s.data[i])) {
			put(h, xfed_span_make(s.data + i, 1));
		} else {
			snprintf(code, sizeof(code), "%%%02X", (unsigned char)s.data[i]);
			put_str(h, code);
		}
	}
}

/* ---- formats ---- */

static void put_number(struct html *h, bool is_negative, unsigned long long n)
{
	char text[24];
	snprintf(text, sizeof(text), "%s%llu", is_negative ? "-" : "", n);
	put_str(h, text);
}

static void put_signed(struct html *h, long long n)
{
	put_number(h, n < 0, n < 0 ? 0 - (unsigned long long)n : (unsigned long long)n);
}

/* One conversion, whose '%' is behind us; returns what follows it. */
static const char *convert(struct html *h, const char *f, va_list *args)
{
	if (strncmp(f, "-s", 2) == 0) {
		percent(h, xfed_span_str(va_arg(*args, const char *)));
		return f + 2;
	}
	if (strncmp(f, ".*s", 3) == 0 || strncmp(f, "-.*s", 4) == 0) {
		int len = va_arg(*args, int);
		const char *s = va_arg(*args, const char *);
		(*f == '-' ? percent : html_text)(h, xfed_span_make(s, len > 0 && s ? (size_t)len : 0));
		return f + (*f == '-' ? 4 : 3);
	}
	if (strncmp(f, "lld", 3) == 0) {
		put_signed(h, va_arg(*args, long long));
		return f + 3;
	}
	if (strncmp(f, "llu", 3) == 0) {
		put_number(h, false, va_arg(*args, unsigned long long));
		return f + 3;
	}
	if (strncmp(f, "zu", 2) == 0) {
		put_number(h, false, va_arg(*args, size_t));
		return f + 2;
	}
	switch (*f) {
	case 's':
		html_text(h, xfed_span_str(va_arg(*args, const char *)));
		break;
	case 'i':
		html_text(h, xfed_span_str(panel_word((enum panel_word)va_arg(*args, int), h->language)));
		break;
	case 'd':
		put_signed(h, va_arg(*args, int));
		break;
	default:
		XFED_REQUIRE(*f == '%');
		put_str(h, "%");
	}
	return f + 1;
}

void html_put(struct html *h, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	while (*fmt) {
		size_t plain = strcspn(fmt, "%");
		put(h, xfed_span_make(fmt, plain));
		fmt += plain;
		if (*fmt) {
			fmt = convert(h, fmt + 1, &args);
		}
	}
	va_end(args);
}

/* ---- words ---- */

void html_say(struct html *h, enum panel_word w, const char *first, const char *second)
{
	const char *s = panel_word(w, h->language);
	while (*s) {
		size_t plain = strcspn(s, "{");
		html_text(h, xfed_span_make(s, plain));
		s += plain;
		if (strncmp(s, "{1}", 3) == 0 || strncmp(s, "{2}", 3) == 0) {
			html_text(h, xfed_span_str(s[1] == '1' ? first : second));
			s += 3;
		} else if (*s) {
			put_str(h, "{");
			s++;
		}
	}
}

#define SAID_BYTES 16384

/* False: there are no words for it in the language of the page. */
static bool put_said(struct html *h, const char *english)
{
	struct xfed_buf german;
	if (h->language == PANEL_EN || !english || !*english) {
		html_put(h, "%s", english);
		return true;
	}
	xfed_buf_init(&german, SAID_BYTES);
	bool is_known = said_in_german(xfed_span_str(english), &german) == XFED_OK && !xfed_span_is(xfed_buf_span(&german), english);
	if (is_known) {
		html_text(h, xfed_buf_span(&german));
	}
	xfed_buf_deinit(&german);
	return is_known;
}

void html_said(struct html *h, const char *english)
{
	if (!put_said(h, english)) {
		html_put(h, "<span lang=\"en\">%s</span>", english);
	}
}

void html_said_plain(struct html *h, const char *english)
{
	if (!put_said(h, english)) {
		html_put(h, "%s", english);
	}
}

void html_time(struct html *h, int64_t seconds)
{
	struct xfed_calendar c;
	char text[64];
	if (seconds <= 0 || !xfed_calendar_of(seconds, &c)) {
		html_put(h, "%i", W_NEVER);
		return;
	}
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year, c.month, c.day, c.hour, c.minute, c.second);
	html_put(h, "<time datetime=\"%s\">%.*s %.*s UTC</time>", text, 10, text, 8, text + 11);
}

void html_duration(struct html *h, int64_t seconds)
{
	long long s = seconds > 0 ? seconds : 0;
	if (s < 60) {
		html_put(h, "%lld&nbsp;s", s);
	} else if (s < 3600) {
		html_put(h, "%lld&nbsp;min", s / 60);
	} else if (s < 86400) {
		html_put(h, "%lld&nbsp;h %lld&nbsp;min", s / 3600, s % 3600 / 60);
	} else {
		html_put(h, "%lld&nbsp;%i %lld&nbsp;h", s / 86400, W_DAYS_SHORT, s % 86400 / 3600);
	}
}
