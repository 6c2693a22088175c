#include "sip/date.h"

#include <stdio.h>

#include "util/calendar.h"

#define LENGTH 29

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec", weekdays[] = "MonTueWedThuFriSatSun";

static int index_of(struct xfed_span s, size_t at, const char *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (xfed_span_eq_nocase(xfed_span_make(s.data + at, 3), xfed_span_make(names + 3 * i, 3))) {
			return (int)i;
		}
	}
	return -1;
}

/* -1: not all of them are digits. */
static int number(struct xfed_span s, size_t at, size_t digits)
{
	int n = 0;
	for (size_t i = at; i < at + digits; i++) {
		if (s.data[i] < '0' || s.data[i] > '9') {
			return -1;
		}
		n = 10 * n + (s.data[i] - '0');
	}
	return n;
}

int sip_date_parse(struct xfed_span text, int64_t *seconds)
{
	static const char pattern[] = "???, ?? ??? ???? ??:??:?? GMT";
	if (text.len != LENGTH) {
		return XFED_ERR_INVALID;
	}
	for (size_t i = 0; i < LENGTH; i++) {
		char c = text.data[i];
		bool is_letter = pattern[i] >= 'A' && (c | 0x20) == (pattern[i] | 0x20);
		if (pattern[i] != '?' && c != pattern[i] && !is_letter) {
			return XFED_ERR_INVALID;
		}
	}
	const struct xfed_calendar c = { .year = number(text, 12, 4),
		.month = 1 + index_of(text, 8, months, 12),
		.day = number(text, 5, 2),
		.hour = number(text, 17, 2),
		.minute = number(text, 20, 2),
		.second = number(text, 23, 2) };
	bool is_date = index_of(text, 0, weekdays, 7) >= 0 && xfed_calendar_seconds(&c, seconds);
	return is_date ? XFED_OK : XFED_ERR_INVALID;
}

int sip_date_print(int64_t seconds, char out[SIP_DATE_SIZE])
{
	struct xfed_calendar c;
	if (!xfed_calendar_of(seconds, &c)) {
		return XFED_ERR_INVALID;
	}
	snprintf(out, SIP_DATE_SIZE, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", weekdays + 3 * c.weekday, c.day, months + 3 * (c.month - 1), c.year,
		c.hour, c.minute, c.second);
	return XFED_OK;
}
