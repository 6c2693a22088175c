#include "util/calendar.h"

#define DAY_S 86400

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 0001-01-01 to the beginning of the year. */
static int64_t days_before(int year)
{
	int64_t y = year - 1;
	return 365 * y + y / 4 - y / 100 + y / 400;
}

bool xfed_calendar_seconds(const struct xfed_calendar *c, int64_t *seconds)
{
	bool is_date = c->year >= 1970 && c->year <= 9999 && c->month >= 1 && c->month <= 12 && c->day >= 1 && c->day <= days_of(c->year, c->month);
	bool is_time = c->hour >= 0 && c->hour <= 23 && c->minute >= 0 && c->minute <= 59 && c->second >= 0 && c->second <= 60;
	if (!is_date || !is_time) {
		return false;
	}
	int64_t n = days_before(c->year) - days_before(1970) + c->day - 1;
	for (int m = 1; m < c->month; m++) {
		n += days_of(c->year, m);
	}
	*seconds = n * DAY_S + c->hour * 3600 + c->minute * 60 + c->second;
	return true;
}

bool xfed_calendar_of(int64_t seconds, struct xfed_calendar *out)
{
	const int64_t end = (days_before(10000) - days_before(1970)) * DAY_S;
	if (seconds < 0 || seconds >= end) {
		return false;
	}
	int64_t days = seconds / DAY_S;
	int rest = (int)(seconds % DAY_S), year = 1970 + (int)(days / 366), month = 1; /* close to the year sought, and not after it */
	int weekday = (int)((days + 3) % 7);					       /* 1970-01-01 was a Thursday */
	while (days_before(year + 1) - days_before(1970) <= days) {
		year++;
	}
	days -= days_before(year) - days_before(1970);
	while (days >= days_of(year, month)) {
		days -= days_of(year, month++);
	}
	*out = (struct xfed_calendar){ year, month, (int)days + 1, weekday, rest / 3600, rest / 60 % 60, rest % 60 };
	return true;
}
