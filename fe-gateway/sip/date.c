#include "sip/date.h"

#define LENGTH 29

static int index_of(struct xfed_span s, size_t at, const char *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (xfed_span_eq_nocase(xfed_span_make(s.data + at, 3), xfed_span_make(names + 3 * i, 3))) {
			return (int)i;
		}
	}
	return -1;
}

/* -1: not only digits. */
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

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_before(int year)
{
	int64_t y = year - 1;
	return 365 * y + y / 4 - y / 100 + y / 400;
}

int sip_date_parse(struct xfed_span text, int64_t *seconds)
{
	static const char pattern[] = "???, ?? ??? ???? ??:??:?? GMT";
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
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
	int month = index_of(text, 8, "JanFebMarAprMayJunJulAugSepOctNovDec", 12);
	int day = number(text, 5, 2), year = number(text, 12, 4);
	int hour = number(text, 17, 2), minute = number(text, 20, 2), second = number(text, 23, 2);
	if (index_of(text, 0, "MonTueWedThuFriSatSun", 7) < 0 || month < 0 || year < 1970 || day < 1 ||
		day > days[month] + (month == 1 && is_leap(year)) || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
		second > 60) {
		return XFED_ERR_INVALID;
	}
	int64_t n = days_before(year) - days_before(1970) + day - 1;
	for (int m = 0; m < month; m++) {
		n += days[m] + (m == 1 && is_leap(year));
	}
	*seconds = n * 86400 + hour * 3600 + minute * 60 + second;
	return XFED_OK;
}
