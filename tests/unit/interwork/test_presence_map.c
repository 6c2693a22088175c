/* What show and activities mean to each other: [B5-16]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "interwork/presence_map.h"
#include "model.h"

static const struct {
	const char *key, *value;
} defaults[] = {
	{ "appointment", "dnd" },
	{ "away", "away" },
	{ "breakfast", "none" },
	{ "busy", "dnd" },
	{ "dinner", "none" },
	{ "holiday", "xa" },
	{ "in-transit", "none" },
	{ "looking-for-work", "none" },
	{ "lunch", "none" },
	{ "meal", "none" },
	{ "meeting", "dnd" },
	{ "on-the-phone", "dnd" },
	{ "performance", "none" },
	{ "permanent-absence", "xa" },
	{ "playing", "none" },
	{ "presentation", "dnd" },
	{ "shopping", "none" },
	{ "sleeping", "xa" },
	{ "spectator", "none" },
	{ "steering", "none" },
	{ "travel", "xa" },
	{ "tv", "none" },
	{ "vacation", "xa" },
	{ "working", "none" },
	{ "worship", "none" },
	{ "xmpp-chat", "none" },
	{ "xmpp-away", "away" },
	{ "xmpp-xa", "away" },
	{ "xmpp-dnd", "busy" },
};

static void listed(void **state)
{
	(void)state;
	struct iw_presence_map m;
	iw_presence_map_init(&m);
	assert_int_equal(XFED_ARRAY_LEN(defaults), IW_PRESENCE_MAP_ROWS);
	for (size_t i = 0; i < IW_PRESENCE_MAP_ROWS; i++) {
		assert_string_equal(iw_presence_map_key(i), defaults[i].key);
		assert_string_equal(iw_presence_map_value(&m, i), defaults[i].value);
		assert_int_equal(iw_presence_map_is_activity(i), strncmp(defaults[i].key, "xmpp-", 5) != 0);
	}
}

/* Every row takes each of its values, which the list then shows, and no other row changes; 0 chooses nothing. */
static void chosen_and_shown(void **state)
{
	(void)state;
	assert_false(iw_presence_choice_is_made(&(struct iw_presence_choice){ 0 }));
	for (size_t row = 0; row < IW_PRESENCE_MAP_ROWS; row++) {
		int values = iw_presence_map_is_activity(row) ? IW_SHOWS_COUNT : IW_ACTIVITIES_COUNT + 1;
		for (int v = 0; v <= values; v++) {
			struct iw_presence_map m;
			struct iw_presence_choice c = { 0 };
			const char *want = defaults[row].value;
			iw_presence_map_init(&m);
			c.rows[row] = v;
			iw_presence_map_choose(&m, &c);
			if (v > 0 && iw_presence_map_is_activity(row)) {
				want = v - 1 == IW_SHOW_NONE ? "none" : iw_show_word((enum iw_show)(v - 1));
			} else if (v > 0) {
				want = v - 1 == IW_ACTIVITIES_COUNT ? "none" : iw_activity_word((enum iw_activity)(v - 1));
			}
			for (size_t i = 0; i < IW_PRESENCE_MAP_ROWS; i++) {
				assert_string_equal(iw_presence_map_value(&m, i), i == row ? want : defaults[i].value);
			}
			assert_int_equal(iw_presence_choice_is_made(&c), v > 0);
		}
	}
}

#define BIT(name) (1u << IW_ACTIVITY_##name)

static void expect(const struct iw_presence *p, const char *want)
{
	struct xfed_buf got;
	xfed_buf_init(&got, 4096);
	model_presence(&got, p);
	if (!xfed_span_is(xfed_buf_span(&got), want)) {
		fail_msg("%.*s", (int)xfed_buf_len(&got), xfed_buf_span(&got).data);
	}
	xfed_buf_deinit(&got);
}

static void towards_xmpp(void **state)
{
	(void)state;
	struct iw_presence_map m;
	struct iw_device d[] = {
		{ .name = XFED_SPAN("plain"), .is_open = true, .priority = IW_PRIORITY_NONE },
		{ .name = XFED_SPAN("own"), .is_open = true, .priority = IW_PRIORITY_NONE, .show = IW_SHOW_CHAT, .idle_since_s = 7 },
		{ .name = XFED_SPAN("phone"), .is_open = true, .priority = IW_PRIORITY_NONE, .activities = BIT(ON_THE_PHONE) | BIT(VACATION) },
		{ .name = XFED_SPAN("off"), .priority = IW_PRIORITY_NONE },
	};
	struct iw_presence p = { .devices = d, .count = 4, .person = { .activities = BIT(AWAY) | BIT(LUNCH), .idle_since_s = 9 } };
	iw_notes_add(&d[1].notes, XFED_SPAN("mine"), XFED_SPAN("en"));
	iw_notes_add(&p.person.notes, XFED_SPAN("ours"), xfed_span_make(NULL, 0));
	iw_presence_map_init(&m);
	iw_presence_map_to_xmpp(&m, &p);
	expect(&p, "[plain] open show=away idle=9 'ours'; [own] open show=chat idle=7 'mine'@en; "
		   "[phone] open show=dnd on-the-phone vacation idle=9 'ours'; [off] closed 'ours'; person away lunch idle=9 'ours'");
	/* Set otherwise. */
	d[0].show = d[2].show = IW_SHOW_NONE;
	iw_presence_map_choose(
		&m, &(struct iw_presence_choice){ .rows = { [IW_ACTIVITY_AWAY] = IW_SHOW_NONE + 1, [IW_ACTIVITY_ON_THE_PHONE] = IW_SHOW_CHAT + 1 } });
	iw_presence_map_to_xmpp(&m, &p);
	assert_int_equal(d[0].show, IW_SHOW_NONE);
	assert_int_equal(d[2].show, IW_SHOW_XA);
}

static void towards_sip(void **state)
{
	(void)state;
	static const struct {
		enum iw_show high, low;
		bool is_high_open;
		iw_activity_set activities;
	} cases[] = {
		{ IW_SHOW_NONE, IW_SHOW_DND, true, 0 },
		{ IW_SHOW_CHAT, IW_SHOW_DND, true, 0 },
		{ IW_SHOW_AWAY, IW_SHOW_NONE, true, BIT(AWAY) },
		{ IW_SHOW_XA, IW_SHOW_NONE, true, BIT(AWAY) },
		{ IW_SHOW_DND, IW_SHOW_NONE, true, BIT(BUSY) },
		{ IW_SHOW_NONE, IW_SHOW_DND, false, BIT(BUSY) },
	};
	struct iw_presence_map m;
	iw_presence_map_init(&m);
	for (size_t i = 0; i < XFED_ARRAY_LEN(cases); i++) {
		struct iw_device d[] = { { .is_open = true, .priority = 1, .show = cases[i].low },
			{ .is_open = cases[i].is_high_open, .priority = 2, .show = cases[i].high } };
		struct iw_presence p = { .devices = d, .count = 2 };
		iw_presence_map_to_sip(&m, &p);
		assert_int_equal(p.person.activities, cases[i].activities);
	}
	struct iw_device closed = { .is_open = false };
	struct iw_presence gone = { .devices = &closed, .count = 1 }, none = { NULL, 0 };
	iw_presence_map_to_sip(&m, &gone);
	iw_presence_map_to_sip(&m, &none);
	assert_int_equal(gone.person.activities | none.person.activities, 0);
	struct iw_device one = { .is_open = true, .show = IW_SHOW_DND };
	struct iw_presence p = { .devices = &one, .count = 1 };
	iw_presence_map_choose(&m, &(struct iw_presence_choice){ .rows = { [IW_PRESENCE_ROW_OF_SHOW(IW_SHOW_DND)] = IW_ACTIVITY_MEETING + 1 } });
	iw_presence_map_to_sip(&m, &p);
	assert_int_equal(p.person.activities, BIT(MEETING));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listed),
		cmocka_unit_test(chosen_and_shown),
		cmocka_unit_test(towards_xmpp),
		cmocka_unit_test(towards_sip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
