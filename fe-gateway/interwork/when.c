#include "interwork/when.h"

#include <stdio.h>

#include "util/calendar.h"

/* Reads `count` digits at `*at` and moves on; -1: there are no such digits. */
static int number(struct xfed_span s, size_t *at, size_t count)
{
	int n = 0;
	for (size_t end = *at + count; *at < end; ++*at) {
		if (*at >= s.len || s.data[*at] < '0' || s.data[*at] > '9') {
			return -1;
		}
		n = 10 * n + (s.data[*at] - '0');
	}
	return n;
}

static bool take(struct xfed_span s, size_t *at, char c)
{
	bool is_there = *at < s.len && s.data[*at] == c;
	*at += is_there;
	return is_there;
}

/* Reads "Z", "+hh:mm", "-hh:mm", or nothing, which is UTC in XEP-0091; `*minutes` east of UTC. */
static bool read_zone(struct xfed_span s, size_t *at, int *minutes)
{
	*minutes = 0;
	if (*at == s.len || take(s, at, 'Z')) {
		return true;
	}
	bool is_east = take(s, at, '+');
	if (!is_east && !take(s, at, '-')) {
		return false;
	}
	int hour = number(s, at, 2);
	int minute = hour >= 0 && take(s, at, ':') ? number(s, at, 2) : -1;
	*minutes = is_east ? 60 * hour + minute : -(60 * hour + minute);
	return hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59;
}

int iw_when_parse(struct xfed_span s, int64_t *seconds)
{
	size_t at = 0;
	int zone;
	struct xfed_calendar c = { .year = number(s, &at, 4) };
	bool has_dashes = c.year >= 0 && take(s, &at, '-');
	c.month = c.year >= 0 ? number(s, &at, 2) : -1;
	c.day = c.month >= 0 && (!has_dashes || take(s, &at, '-')) ? number(s, &at, 2) : -1;
	c.hour = c.day >= 0 && take(s, &at, 'T') ? number(s, &at, 2) : -1;
	c.minute = c.hour >= 0 && take(s, &at, ':') ? number(s, &at, 2) : -1;
	c.second = c.minute >= 0 && take(s, &at, ':') ? number(s, &at, 2) : -1;
	if (c.second < 0) {
		return XFED_ERR_INVALID;
	}
	if (take(s, &at, '.')) {
		size_t digits = at;
		while (at < s.len && s.data[at] >= '0' && s.data[at] <= '9') {
			at++;
		}
		if (at == digits) {
			return XFED_ERR_INVALID;
		}
	}
	if (!read_zone(s, &at, &zone) || at != s.len || !xfed_calendar_seconds(&c, seconds)) {
		return XFED_ERR_INVALID;
	}
	*seconds -= 60 * zone;
	return XFED_OK;
}

int iw_when_print(int64_t seconds, char out[IW_WHEN_SIZE])
{
	struct xfed_calendar c;
	if (!xfed_calendar_of(seconds, &c)) {
		return XFED_ERR_INVALID;
	}
	snprintf(out, IW_WHEN_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year, c.month, c.day, c.hour, c.minute, c.second);
	return XFED_OK;
}

int64_t iw_when_of(struct xfed_span stamp)
{
	char again[IW_WHEN_SIZE];
	int64_t seconds;
	bool is_time = iw_when_parse(stamp, &seconds) == XFED_OK && seconds > 0 && iw_when_print(seconds, again) == XFED_OK;
	return is_time ? seconds : 0;
}

static int64_t earliest(const struct xfed_stanza *s, const char *ns, const char *name, int64_t found)
{
	for (const struct xfed_xml_elem *e = xfed_xml_child(s->elem, ns, name); e; e = xfed_xml_next(e, ns, name)) {
		int64_t sent_s = iw_when_of(xfed_xml_attr_get(e, "stamp"));
		if (sent_s > 0 && (found == 0 || sent_s < found)) {
			found = sent_s;
		}
	}
	return found;
}

int64_t iw_when_sent(const struct xfed_stanza *s)
{
	return earliest(s, "jabber:x:delay", "x", earliest(s, IW_NS_DELAY, "delay", 0));
}

static bool is_past(int64_t sent_s, int64_t now_s)
{
	return sent_s > 0 && sent_s < now_s && sent_s >= now_s - IW_WHEN_OLDEST_S;
}

bool iw_when_is_late(int64_t sent_s, int64_t now_s)
{
	return is_past(sent_s, now_s) && sent_s < now_s - IW_WHEN_SKEW_S;
}

int64_t iw_when_left_s(int64_t expires_s, int64_t sent_s, int64_t now_s)
{
	return is_past(sent_s, now_s) ? expires_s - (now_s - sent_s) : expires_s;
}
