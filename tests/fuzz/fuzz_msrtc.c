/*
 * Presence documents of the Lync family: first byte a cap of what is written, then a document. Whatever comes in:
 * - it gives at most one device, within every limit, or a result that has a reason, and takes no more memory than is said;
 * - what was read and written in each format is read there as open or closed as it was, with the same note, and written once more the same
 *   bytes;
 * - below any cap it is a document or nothing.
 */
#include <stdlib.h>

#include "interwork/msrtc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                                                   \
	do {                                                                                                                                         \
		if (!(cond)) {                                                                                                                       \
			abort();                                                                                                                     \
		}                                                                                                                                    \
	} while (0)

#define ROOM (256 * 1024)

static const struct iw_msrtc_subject of = { { "bob@partner.example", 19 }, { "Bob \"B\" <b>", 11 } };

static void is_sound(const struct iw_presence *p, bool has_state)
{
	MUST(p->count == (has_state ? 1 : 0));
	const struct iw_notes *n = has_state ? &p->devices[0].notes : &p->person.notes;
	MUST(n->count <= IW_NOTES_MAX);
	for (size_t i = 0; i < n->count; i++) {
		MUST(n->list[i].text.len > 0 && n->list[i].text.len <= IW_NOTE_BYTES && xfed_utf8_is_valid(n->list[i].text));
	}
	for (size_t i = 0; i < p->count; i++) {
		const struct iw_device *d = &p->devices[i];
		MUST(!d->name.data && (unsigned)d->show < IW_SHOWS_COUNT && d->activities < 1u << IW_ACTIVITIES_COUNT && d->changed_s >= 0);
		MUST(d->is_open || (d->show == IW_SHOW_NONE && d->activities == 0));
	}
}

static enum iw_pidf_result read(struct xfed_arena *a, enum iw_msrtc_format f, struct xfed_span in, struct iw_presence *out)
{
	bool has_state = true;
	enum iw_pidf_result r = f == IW_MSRTC_PIDF ? iw_pidf_read(a, in, xfed_span_make(NULL, 0), out) : iw_msrtc_read(a, in, out, &has_state);
	MUST(has_state);
	return r;
}

static void goes_round(const struct iw_presence *p, enum iw_msrtc_format f, size_t cap)
{
	struct xfed_buf first, second, bounded;
	struct xfed_arena a;
	struct iw_presence back;
	xfed_buf_init(&first, ROOM);
	xfed_buf_init(&second, ROOM);
	xfed_buf_init(&bounded, cap);
	xfed_arena_init(&a, 2 * ROOM);
	MUST(iw_msrtc_write(&first, f, p, &of) == XFED_OK && iw_msrtc_write(&second, f, p, &of) == XFED_OK);
	MUST(xfed_span_eq(xfed_buf_span(&first), xfed_buf_span(&second)));
	MUST(read(&a, f, xfed_buf_span(&first), &back) == IW_PIDF_OK && back.count == 1);
	bool is_open = p->count > 0 && p->devices[0].is_open;
	MUST(back.devices[0].is_open == is_open && xfed_span_is(back.entity, "sip:bob@partner.example"));
	const struct iw_notes *notes = p->count > 0 ? &p->devices[0].notes : &p->person.notes;
	const struct iw_notes *kept = f == IW_MSRTC_PIDF ? &back.person.notes : &back.devices[0].notes;
	MUST(notes->count == 0 || (kept->count == 1 && xfed_span_eq(kept->list[0].text, notes->list[0].text)));
	int rc = iw_msrtc_write(&bounded, f, p, &of);
	MUST(rc == XFED_OK || (rc == XFED_ERR_LIMIT && xfed_buf_len(&bounded) == 0));
	MUST(rc != XFED_OK || read(&a, f, xfed_buf_span(&bounded), &back) == IW_PIDF_OK);
	xfed_arena_deinit(&a);
	xfed_buf_deinit(&first);
	xfed_buf_deinit(&second);
	xfed_buf_deinit(&bounded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xfed_arena a;
	struct iw_presence p;
	bool has_state;
	if (size == 0) {
		return 0;
	}
	MUST(xfed_xml_global_init() == XFED_OK);
	xfed_arena_init(&a, ROOM);
	enum iw_pidf_result r = iw_msrtc_read(&a, xfed_span_make(data + 1, size - 1), &p, &has_state);
	MUST(r != IW_PIDF_NO_MEMORY && (r == IW_PIDF_OK) == (iw_pidf_reason(r) == XFED_REASON_NONE));
	MUST(r == IW_PIDF_OK || (!has_state && !p.entity.data));
	is_sound(&p, has_state);
	for (unsigned f = 0; f < IW_MSRTC_FORMATS_COUNT && r == IW_PIDF_OK; f++) {
		goes_round(&p, (enum iw_msrtc_format)f, 8u * data[0]);
	}
	xfed_arena_deinit(&a);
	return 0;
}
