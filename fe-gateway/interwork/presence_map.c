#include "interwork/presence_map.h"

#define NO_ACTIVITY IW_ACTIVITIES_COUNT

static const struct {
	const char *key;
	uint8_t value; /* enum iw_show of the first, enum iw_activity or NO_ACTIVITY of the last */
} defaults[IW_PRESENCE_MAP_ROWS] = {
#define ROW(id, word, show) { word, IW_SHOW_##show },
	IW_ACTIVITIES(ROW)
#undef ROW
		{ "xmpp-chat", NO_ACTIVITY },
	{ "xmpp-away", IW_ACTIVITY_AWAY },
	{ "xmpp-xa", IW_ACTIVITY_AWAY },
	{ "xmpp-dnd", IW_ACTIVITY_BUSY },
};

/* Of a show that is one. */
static size_t row_of_show(enum iw_show s)
{
	return IW_ACTIVITIES_COUNT + (size_t)s - 1;
}

void iw_presence_map_init(struct iw_presence_map *m)
{
	for (size_t i = 0; i < IW_PRESENCE_MAP_ROWS; i++) {
		m->rows[i] = defaults[i].value;
	}
}

bool iw_presence_map_is_activity(size_t row)
{
	return row < IW_ACTIVITIES_COUNT;
}

int iw_presence_map_set(struct iw_presence_map *m, struct xfed_span key, struct xfed_span value)
{
	size_t row = 0;
	while (row < IW_PRESENCE_MAP_ROWS && !xfed_span_is(key, defaults[row].key)) {
		row++;
	}
	if (row == IW_PRESENCE_MAP_ROWS) {
		return XFED_ERR_NOT_FOUND;
	}
	enum iw_show show = IW_SHOW_NONE;
	enum iw_activity activity = NO_ACTIVITY;
	bool is_activity = iw_presence_map_is_activity(row);
	bool is_known = xfed_span_is(value, "none") || (is_activity ? iw_show_of_word(value, &show) : iw_activity_of_word(value, &activity));
	if (!is_known) {
		return XFED_ERR_INVALID;
	}
	m->rows[row] = is_activity ? (uint8_t)show : (uint8_t)activity;
	return XFED_OK;
}

const char *iw_presence_map_key(size_t row)
{
	XFED_REQUIRE(row < IW_PRESENCE_MAP_ROWS);
	return defaults[row].key;
}

const char *iw_presence_map_value(const struct iw_presence_map *m, size_t row)
{
	XFED_REQUIRE(row < IW_PRESENCE_MAP_ROWS);
	if (iw_presence_map_is_activity(row)) {
		return m->rows[row] == IW_SHOW_NONE ? "none" : iw_show_word(m->rows[row]);
	}
	return m->rows[row] == NO_ACTIVITY ? "none" : iw_activity_word(m->rows[row]);
}

static enum iw_show show_of(const struct iw_presence_map *m, iw_activity_set activities)
{
	enum iw_show show = IW_SHOW_NONE;
	for (unsigned i = 0; i < IW_ACTIVITIES_COUNT; i++) {
		if (activities & 1u << i && m->rows[i] > show) {
			show = m->rows[i];
		}
	}
	return show;
}

void iw_presence_map_to_xmpp(const struct iw_presence_map *m, struct iw_presence *p)
{
	for (size_t i = 0; i < p->count; i++) {
		struct iw_device *d = &p->devices[i];
		if (d->notes.count == 0) {
			d->notes = p->person.notes;
		}
		if (d->is_open && d->show == IW_SHOW_NONE) {
			d->show = show_of(m, d->activities | p->person.activities);
		}
		if (d->is_open && d->idle_since_s == 0) {
			d->idle_since_s = p->person.idle_since_s;
		}
	}
}

void iw_presence_map_to_sip(const struct iw_presence_map *m, struct iw_presence *p)
{
	const struct iw_device *first = NULL;
	for (size_t i = 0; i < p->count; i++) {
		first = !first || iw_device_is_before(&p->devices[i], first) ? &p->devices[i] : first;
	}
	if (first && first->is_open && first->show != IW_SHOW_NONE && m->rows[row_of_show(first->show)] != NO_ACTIVITY) {
		p->person.activities |= 1u << m->rows[row_of_show(first->show)];
	}
}
