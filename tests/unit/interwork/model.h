/* A presence as words, for tables: "[NAME] open show=dnd prio=5 idle=100 at=200 busy+away 'note'@en; person ...". */
#ifndef TESTS_UNIT_INTERWORK_MODEL_H
#define TESTS_UNIT_INTERWORK_MODEL_H

#include <inttypes.h>

#include "interwork/presence.h"
#include "xfed/buf.h"

static inline void model_rpid(struct xfed_buf *out, iw_activity_set activities, int64_t idle_since_s)
{
	for (unsigned i = 0; i < IW_ACTIVITIES_COUNT; i++) {
		if (activities & 1u << i) {
			XFED_REQUIRE(xfed_buf_printf(out, " %s", iw_activity_word((enum iw_activity)i)) == XFED_OK);
		}
	}
	if (idle_since_s) {
		XFED_REQUIRE(xfed_buf_printf(out, " idle=%" PRId64, idle_since_s) == XFED_OK);
	}
}

static inline void model_notes(struct xfed_buf *out, const struct iw_notes *n)
{
	for (size_t i = 0; i < n->count; i++) {
		const struct iw_note *note = &n->list[i];
		XFED_REQUIRE(xfed_buf_printf(out, " '%.*s'", (int)note->text.len, note->text.data) == XFED_OK);
		if (note->language.data) {
			XFED_REQUIRE(xfed_buf_printf(out, "@%.*s", (int)note->language.len, note->language.data) == XFED_OK);
		}
	}
}

static inline void model_device(struct xfed_buf *out, const struct iw_device *d)
{
	XFED_REQUIRE(
		xfed_buf_printf(out, "[%.*s] %s", (int)d->name.len, d->name.data ? d->name.data : "", d->is_open ? "open" : "closed") == XFED_OK);
	if (d->show != IW_SHOW_NONE) {
		XFED_REQUIRE(xfed_buf_printf(out, " show=%s", iw_show_word(d->show)) == XFED_OK);
	}
	if (d->priority != IW_PRIORITY_NONE) {
		XFED_REQUIRE(xfed_buf_printf(out, " prio=%d", d->priority) == XFED_OK);
	}
	model_rpid(out, d->activities, d->idle_since_s);
	if (d->changed_s) {
		XFED_REQUIRE(xfed_buf_printf(out, " at=%" PRId64, d->changed_s) == XFED_OK);
	}
	model_notes(out, &d->notes);
}

static inline void model_presence(struct xfed_buf *out, const struct iw_presence *p)
{
	for (size_t i = 0; i < p->count; i++) {
		XFED_REQUIRE(xfed_buf_append_str(out, i > 0 ? "; " : "") == XFED_OK);
		model_device(out, &p->devices[i]);
	}
	if (p->person.activities || p->person.idle_since_s || p->person.notes.count > 0) {
		XFED_REQUIRE(xfed_buf_append_str(out, p->count > 0 ? "; person" : "person") == XFED_OK);
		model_rpid(out, p->person.activities, p->person.idle_since_s);
		model_notes(out, &p->person.notes);
	}
}

#endif
