/*
 * Presence between PIDF and XMPP. First byte: bit 0 what the rest is, a document or a presence stanza; the others a cap for what is
 * written. Whatever comes in:
 * - a document gives a presence within every limit, or a result that has a reason, and takes no more memory than is said;
 * - what was read, written and read again is the same, and written once more the same bytes; where no device is open one is left;
 * - with any cap what is written is a document, of the devices worth most, or nothing;
 * - what is made for XMPP can be read there, and says no show, priority or idle of a device that is closed.
 */
#include <stdlib.h>

#include "interwork/pidf.h"
#include "interwork/presence_map.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                                                   \
	do {                                                                                                                                         \
		if (!(cond)) {                                                                                                                       \
			abort();                                                                                                                     \
		}                                                                                                                                    \
	} while (0)

#define ROOM	    (4 * 1024 * 1024) /* for a document: every note escaped */
#define READ_ARENA  (256 * 1024)      /* a document of 64 KiB and its devices */
#define LAST_TIME_S 253402300799      /* 9999-12-31T23:59:59Z */
#define NOW_S	    1000000000

static const struct xfed_xml_limits limits = { XFED_STANZA_BYTES_MAX, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
static const struct xfed_span none = { NULL, 0 };
static const struct iw_pidf_addresses to = { { "pres:a@x", 8 }, { "sip:a@x", 7 } };

static void notes_are_sound(const struct iw_notes *n)
{
	MUST(n->count <= IW_NOTES_MAX);
	for (size_t i = 0; i < n->count; i++) {
		const struct iw_note *note = &n->list[i];
		MUST(note->text.len > 0 && note->text.len <= IW_NOTE_BYTES && xfed_utf8_is_valid(note->text));
		for (size_t j = 0; j < i; j++) {
			MUST(!xfed_span_eq_nocase(note->language, n->list[j].language));
		}
	}
}

static void device_is_sound(const struct iw_device *d)
{
	notes_are_sound(&d->notes);
	MUST(d->name.len <= IW_NAME_BYTES && (unsigned)d->show < IW_SHOWS_COUNT);
	MUST(d->priority == IW_PRIORITY_NONE || (d->priority >= -128 && d->priority <= 127));
	MUST(d->activities < 1u << IW_ACTIVITIES_COUNT && d->idle_since_s >= 0 && d->idle_since_s <= LAST_TIME_S);
	bool is_said = d->show != IW_SHOW_NONE || d->priority != IW_PRIORITY_NONE || d->activities != 0 || d->idle_since_s != 0;
	MUST(d->is_open || !is_said);
}

static const struct iw_device *find(const struct iw_presence *p, struct xfed_span name)
{
	const struct iw_device *found = NULL;
	for (size_t i = 0; i < p->count; i++) {
		if (xfed_span_eq(p->devices[i].name, name)) {
			MUST(!found);
			found = &p->devices[i];
		}
	}
	return found;
}

/* `out` has what came of `in`, which may have priorities PIDF has no word for. */
static void is_same(const struct iw_presence *in, const struct iw_presence *out)
{
	size_t open = 0;
	for (size_t i = 0; i < in->count; i++) {
		open += in->devices[i].is_open;
	}
	MUST(out->count == (open > 0 ? in->count : 1));
	for (size_t i = 0; i < out->count && in->count > 0; i++) {
		const struct iw_device *was = find(in, out->devices[i].name);
		MUST(was && find(out, was->name));
		struct iw_device want = *was;
		want.priority = want.priority < 0 ? IW_PRIORITY_NONE : want.priority;
		MUST(iw_device_equal(&want, &out->devices[i]) && want.changed_s == out->devices[i].changed_s);
	}
	struct iw_device x = { .activities = in->person.activities, .idle_since_s = in->person.idle_since_s, .notes = in->person.notes };
	struct iw_device y = { .activities = out->person.activities, .idle_since_s = out->person.idle_since_s, .notes = out->person.notes };
	MUST(iw_device_equal(&x, &y));
}

static void presence_is_sound(const struct iw_presence *p)
{
	MUST(p->count <= IW_DEVICES_MAX);
	notes_are_sound(&p->person.notes);
	for (size_t i = 0; i < p->count; i++) {
		device_is_sound(&p->devices[i]);
		MUST(find(p, p->devices[i].name));
	}
}

static void goes_round(const struct iw_presence *p, size_t cap)
{
	struct xfed_buf first, second, bounded;
	struct xfed_arena a;
	struct iw_presence again;
	xfed_buf_init(&first, ROOM);
	xfed_buf_init(&second, ROOM);
	xfed_buf_init(&bounded, cap);
	xfed_arena_init(&a, ROOM);
	MUST(iw_pidf_write(&first, p, &to) == XFED_OK);
	/* What is longer than what we read has been written in more words than it came in, or was read from a stanza. */
	enum iw_pidf_result r = iw_pidf_read(&a, xfed_buf_span(&first), none, &again);
	MUST(r == IW_PIDF_OK || (r == IW_PIDF_TOO_LARGE && xfed_buf_len(&first) > IW_PIDF_BYTES));
	if (r == IW_PIDF_OK) {
		presence_is_sound(&again);
		is_same(p, &again);
		MUST(iw_pidf_write(&second, &again, &to) == XFED_OK);
		MUST(xfed_span_eq(xfed_buf_span(&first), xfed_buf_span(&second)));
	}
	int rc = iw_pidf_write(&bounded, p, &to);
	MUST(rc == XFED_OK || (rc == XFED_ERR_LIMIT && xfed_buf_len(&bounded) == 0));
	if (rc == XFED_OK) {
		MUST(iw_pidf_read(&a, xfed_buf_span(&bounded), none, &again) == IW_PIDF_OK && again.count >= 1);
		presence_is_sound(&again);
	}
	xfed_arena_deinit(&a);
	xfed_buf_deinit(&first);
	xfed_buf_deinit(&second);
	xfed_buf_deinit(&bounded);
}

/* As a presence stanza, and back. */
static void is_told(struct xfed_arena *a, struct xfed_xml_reader *r, const struct iw_device *d)
{
	static const struct xfed_jid from = { { "a", 1 }, { "x", 1 }, { NULL, 0 } }, dest = { { "b", 1 }, { "y", 1 }, { NULL, 0 } };
	const struct iw_xmpp_envelope env = { .from = &from, .to = &dest, .id = XFED_SPAN("i") };
	struct xfed_xml_elem *e;
	struct xfed_stanza s;
	struct iw_device back;
	struct xfed_buf b;
	xfed_buf_init(&b, ROOM);
	MUST(iw_presence_write(a, d, &env, &e) == XFED_OK);
	MUST(xfed_xml_write(&b, e, XFED_SPAN(XFED_NS_SERVER)) == XFED_OK);
	MUST(xfed_xml_reader_fragment(r, xfed_buf_span(&b)) == XFED_XML_ELEMENT);
	MUST(xfed_stanza_view(a, xfed_xml_reader_elem(r), &s) == XFED_STANZA_OK);
	MUST(iw_presence_read(a, &s, NOW_S, &back) == XFED_OK);
	device_is_sound(&back);
	MUST((back.name.data != NULL) == (d->name.data != NULL));
	/* A name may be written another way, and activities are no matter of XMPP. */
	struct iw_device want = *d;
	want.name = back.name;
	want.activities = 0;
	MUST(iw_device_equal(&want, &back));
	if (!d->is_open) {
		MUST(!xfed_xml_child(s.elem, NULL, "show") && !xfed_xml_child(s.elem, NULL, "priority") && !xfed_xml_child(s.elem, NULL, "idle"));
	}
	xfed_buf_deinit(&b);
}

static void document(struct xfed_xml_reader *r, struct xfed_span in, size_t cap)
{
	struct xfed_arena a;
	struct iw_presence p;
	struct iw_presence_map m;
	xfed_arena_init(&a, READ_ARENA);
	enum iw_pidf_result result = iw_pidf_read(&a, in, none, &p);
	MUST(result != IW_PIDF_NO_MEMORY);
	MUST((result == IW_PIDF_OK) == (iw_pidf_reason(result) == XFED_REASON_NONE));
	if (result == IW_PIDF_OK) {
		MUST(in.len <= IW_PIDF_BYTES);
		presence_is_sound(&p);
		goes_round(&p, cap);
		iw_presence_map_init(&m);
		iw_presence_map_to_xmpp(&m, &p);
		struct xfed_arena more;
		xfed_arena_init(&more, ROOM);
		for (size_t i = 0; i < p.count; i++) {
			device_is_sound(&p.devices[i]);
			is_told(&more, r, &p.devices[i]);
		}
		xfed_arena_deinit(&more);
		iw_presence_map_to_sip(&m, &p);
		goes_round(&p, cap);
	}
	xfed_arena_deinit(&a);
}

static void stanza(struct xfed_xml_reader *r, struct xfed_span in, size_t cap)
{
	struct xfed_arena a;
	struct xfed_stanza s;
	struct iw_device d;
	struct iw_presence p = { .devices = &d, .count = 1 };
	xfed_arena_init(&a, ROOM);
	if (xfed_xml_reader_fragment(r, in) == XFED_XML_ELEMENT && xfed_stanza_view(&a, xfed_xml_reader_elem(r), &s) == XFED_STANZA_OK &&
		iw_presence_read(&a, &s, NOW_S, &d) == XFED_OK) {
		device_is_sound(&d);
		struct iw_device *copy = iw_device_copy(&d);
		MUST(copy && iw_device_equal(copy, &d));
		iw_device_assign(&d, copy);
		goes_round(&p, cap);
		is_told(&a, r, &d);
		xfed_free(copy);
	}
	xfed_arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct xfed_xml_reader *reader;
	if (size == 0) {
		return 0;
	}
	if (!reader) {
		MUST(xfed_xml_global_init() == XFED_OK && xfed_xml_reader_new_fragment(&limits, &reader) == XFED_OK);
	}
	size_t cap = 16u * (data[0] >> 1) * (data[0] >> 1);
	struct xfed_span in = xfed_span_make(data + 1, size - 1);
	if (data[0] & 1) {
		stanza(reader, in, cap);
	} else {
		document(reader, in, cap);
	}
	return 0;
}
