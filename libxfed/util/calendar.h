/* Dates of the Gregorian calendar in UTC, and seconds since 1970 without leap seconds. No clock, no time zone files. */
#ifndef XFED_UTIL_CALENDAR_H
#define XFED_UTIL_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

struct xfed_calendar {
	int year;		  /* 1970 to 9999 */
	int month, day;		  /* from 1 */
	int weekday;		  /* 0: Monday; set by xfed_calendar_of() only */
	int hour, minute, second; /* second 60: a leap second, which counts like the next second */
};

/* False: no such date or time. */
bool xfed_calendar_seconds(const struct xfed_calendar *c, int64_t *seconds);
/* False: before 1970 or after 9999. */
bool xfed_calendar_of(int64_t seconds, struct xfed_calendar *out);

#endif
