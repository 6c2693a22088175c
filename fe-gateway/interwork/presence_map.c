#include "interwork/presence_map.h"

#define NO_ACTIVITY IW_ACTIVITIES_COUNT

static const struct {
	const char *key, *value;
} defaults[IW_PRESENCE_MAP_ROWS] = {
#define SHOW_WORD_NONE	    "none"
#define SHOW_WORD_AWAY	    "away"
#define SHOW_WORD_XA	    "xa"
#define SHOW_WORD_DND	    "dnd"
#define ROW(id, word, show) { word, SHOW_WORD_##show },
	IW_ACTIVITIES(ROW)
#undef ROW
#define ROW(id, key, activity) { key, activity },
		IW_SHOW_ROWS(ROW)
#undef ROW
};

/* Of a show that is one. */
static size_t row_of_show(enum iw_show s)
{
	return IW_PRESENCE_ROW_OF_SHOW((size_t)s);
}

void iw_presence_map_init(struct iw_presence_map *m)
{
	for (size_t i = 0; i < IW_PRESENCE_MAP_ROWS; i++) {
		enum iw_show show = IW_SHOW_NONE;
		enum iw_activity activity = NO_ACTIVITY;
		struct xfed_span value = xfed_span_str(defaults[i].value);
		bool is_known = iw_presence_map_is_activity(i) ? iw_show_of_word(value, &show) : iw_activity_of_word(value, &activity);
		XFED_REQUIRE(is_known || xfed_span_is(value, "none"));
		m->rows[i] = iw_presence_map_is_activity(i) ? (uint8_t)show : (uint8_t)activity;
	}
}

void iw_presence_map_choose(struct iw_presence_map *m, const struct iw_presence_choice *c)
{
	for (size_t i = 0; i < IW_PRESENCE_MAP_ROWS; i++) {
		if (c->rows[i] != 0) {
			m->rows[i] = (uint8_t)(c->rows[i] - 1);
		}
	}
}

bool iw_presence_choice_is_made(const struct iw_presence_choice *c)
{
	size_t i = 0;
	while (i < IW_PRESENCE_MAP_ROWS && c->rows[i] == 0) {
		i++;
	}
	return i < IW_PRESENCE_MAP_ROWS;
}

bool iw_presence_map_is_activity(size_t row)
{
	return row < IW_ACTIVITIES_COUNT;
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
