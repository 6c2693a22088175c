#include "interwork/presence.h"

#include <stdio.h>

#include "interwork/envelope.h"
#include "interwork/pidf.h"
#include "interwork/text.h"
#include "interwork/when.h"
#include "xfed/mem.h"
#include "xfed/text.h"

/* ---- words ---- */

static const char *const shows[IW_SHOWS_COUNT] = {
#define WORD(id, word) word,
	IW_SHOWS(WORD)
#undef WORD
};

static const char *const activities[IW_ACTIVITIES_COUNT] = {
#define WORD(id, word, show) word,
	IW_ACTIVITIES(WORD)
#undef WORD
};

const char *iw_show_word(enum iw_show s)
{
	XFED_REQUIRE((unsigned)s < IW_SHOWS_COUNT);
	return shows[s];
}

const char *iw_activity_word(enum iw_activity a)
{
	XFED_REQUIRE((unsigned)a < IW_ACTIVITIES_COUNT);
	return activities[a];
}

bool iw_show_of_word(struct xfed_span word, enum iw_show *out)
{
	for (unsigned i = IW_SHOW_NONE + 1; i < IW_SHOWS_COUNT; i++) {
		if (xfed_span_is(word, shows[i])) {
			*out = (enum iw_show)i;
			return true;
		}
	}
	return false;
}

bool iw_activity_of_word(struct xfed_span word, enum iw_activity *out)
{
	for (unsigned i = 0; i < IW_ACTIVITIES_COUNT; i++) {
		if (xfed_span_is(word, activities[i])) {
			*out = (enum iw_activity)i;
			return true;
		}
	}
	return false;
}

/* ---- the model ---- */

static bool has_language(const struct iw_notes *n, struct xfed_span language)
{
	for (size_t i = 0; i < n->count; i++) {
		if (xfed_span_eq_nocase(n->list[i].language, language)) {
			return true;
		}
	}
	return false;
}

void iw_notes_add(struct iw_notes *n, struct xfed_span text, struct xfed_span language)
{
	text = iw_text_trim(iw_text_cut(iw_text_trim(text), IW_NOTE_BYTES));
	language = iw_text_is_language(language) ? language : xfed_span_make(NULL, 0);
	if (text.len > 0 && n->count < IW_NOTES_MAX && !has_language(n, language)) {
		n->list[n->count++] = (struct iw_note){ text, language };
	}
}

void iw_device_settle(struct iw_device *d)
{
	if (!d->is_open) {
		d->show = IW_SHOW_NONE;
		d->priority = IW_PRIORITY_NONE;
		d->activities = 0;
		d->idle_since_s = 0;
	}
}

static bool is_same(struct xfed_span x, struct xfed_span y)
{
	return (x.data == NULL) == (y.data == NULL) && xfed_span_eq(x, y);
}

static bool notes_equal(const struct iw_notes *x, const struct iw_notes *y)
{
	bool is_equal = x->count == y->count;
	for (size_t i = 0; i < x->count && is_equal; i++) {
		is_equal = xfed_span_eq(x->list[i].text, y->list[i].text) && is_same(x->list[i].language, y->list[i].language);
	}
	return is_equal;
}

bool iw_device_equal(const struct iw_device *x, const struct iw_device *y)
{
	return is_same(x->name, y->name) && x->is_open == y->is_open && x->show == y->show && x->priority == y->priority &&
	       x->activities == y->activities && x->idle_since_s == y->idle_since_s && notes_equal(&x->notes, &y->notes);
}

static int priority_of(const struct iw_device *d)
{
	return d->priority == IW_PRIORITY_NONE ? 0 : d->priority;
}

bool iw_device_is_before(const struct iw_device *x, const struct iw_device *y)
{
	if (x->is_open != y->is_open) {
		return x->is_open;
	}
	if (priority_of(x) != priority_of(y)) {
		return priority_of(x) > priority_of(y);
	}
	/* "chat" ranks before no show; then the order of the shows. */
	int show = x->show == IW_SHOW_CHAT ? -1 : (int)x->show, other = y->show == IW_SHOW_CHAT ? -1 : (int)y->show;
	if (show != other) {
		return show < other;
	}
	if ((x->idle_since_s == 0) != (y->idle_since_s == 0)) {
		return x->idle_since_s == 0;
	}
	return x->changed_s > y->changed_s;
}

static size_t used_size(const struct iw_device *d)
{
	return offsetof(struct iw_device, notes.list) + d->notes.count * sizeof(d->notes.list[0]);
}

void iw_device_assign(struct iw_device *to, const struct iw_device *from)
{
	memcpy(to, from, used_size(from));
}

struct iw_device *iw_device_copy(const struct iw_device *d)
{
	size_t size = used_size(d) + d->name.len + 1;
	for (size_t i = 0; i < d->notes.count; i++) {
		size += d->notes.list[i].text.len + d->notes.list[i].language.len + 2;
	}
	struct iw_device *copy = xfed_malloc(size);
	if (!copy) {
		return NULL;
	}
	iw_device_assign(copy, d);
	char *at = (char *)copy + used_size(d);
	copy->name = xfed_span_put(&at, d->name);
	for (size_t i = 0; i < d->notes.count; i++) {
		copy->notes.list[i].text = xfed_span_put(&at, d->notes.list[i].text);
		copy->notes.list[i].language = xfed_span_put(&at, d->notes.list[i].language);
	}
	return copy;
}

/* ---- from a stanza ---- */

/* RFC 6121 section 4.7.2.3; anything else counts as absent. */
static int16_t priority_of_text(struct xfed_span s)
{
	size_t at = s.len > 0 && (*s.data == '-' || *s.data == '+') ? 1 : 0;
	int value = 0;
	if (at == s.len) {
		return IW_PRIORITY_NONE;
	}
	for (size_t i = at; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9' || (value = 10 * value + (s.data[i] - '0')) > 128) {
			return IW_PRIORITY_NONE;
		}
	}
	value = *s.data == '-' ? -value : value;
	return value > 127 ? IW_PRIORITY_NONE : (int16_t)value;
}

/* XEP-0256: so many seconds before the stanza was sent. */
static int64_t idle_by_last(struct xfed_span seconds, int64_t sent_s)
{
	int64_t value = 0;
	for (size_t i = 0; i < seconds.len; i++) {
		if (seconds.data[i] < '0' || seconds.data[i] > '9' || (value = 10 * value + (seconds.data[i] - '0')) > sent_s) {
			return 0;
		}
	}
	return value > 0 ? sent_s - value : 0;
}

static void read_idle(const struct xfed_xml_elem *e, int64_t sent_s, int64_t *idle_since_s)
{
	const struct xfed_xml_elem *idle = xfed_xml_child(e, IW_NS_IDLE, "idle"), *last = xfed_xml_child(e, "jabber:iq:last", "query");
	*idle_since_s = idle ? iw_when_of(xfed_xml_attr_get(idle, "since")) : 0;
	if (*idle_since_s == 0 && last) {
		*idle_since_s = idle_by_last(xfed_xml_attr_get(last, "seconds"), sent_s);
	}
}

int iw_presence_read(struct xfed_arena *a, const struct xfed_stanza *s, int64_t now_s, struct iw_device *out)
{
	if (s->kind != XFED_STANZA_PRESENCE || (s->type != XFED_TYPE_NONE && s->type != XFED_TYPE_UNAVAILABLE)) {
		return XFED_ERR_INVALID;
	}
	int64_t sent_s = iw_when_sent(s);
	*out = (struct iw_device){ .name = s->from.resource, .is_open = s->type == XFED_TYPE_NONE, .priority = IW_PRIORITY_NONE };
	out->changed_s = sent_s > 0 ? sent_s : now_s;
	for (const struct xfed_xml_node *n = s->elem->children; n; n = n->next) {
		bool is_show = xfed_xml_is(n->elem, XFED_NS_SERVER, "show"), is_status = xfed_xml_is(n->elem, XFED_NS_SERVER, "status");
		if (!is_show && !is_status && !xfed_xml_is(n->elem, XFED_NS_SERVER, "priority")) {
			continue;
		}
		struct xfed_span text = xfed_xml_text(a, n->elem);
		if (!text.data) {
			return XFED_ERR_NOMEM;
		}
		if (is_show) {
			iw_show_of_word(iw_text_trim(text), &out->show);
		} else if (is_status) {
			struct xfed_span lang = xfed_xml_attr_get_ns(n->elem, XFED_NS_XML, "lang");
			iw_notes_add(&out->notes, text, lang.data ? lang : s->lang);
		} else {
			out->priority = priority_of_text(iw_text_trim(text));
		}
	}
	read_idle(s->elem, out->changed_s, &out->idle_since_s);
	iw_device_settle(out);
	return XFED_OK;
}

/* ---- to a stanza ---- */

/* The JID of the device. A tuple id may be anything; one that is no valid resource is replaced by its iw_pidf_id(), which is ASCII. */
static int sender_of(struct xfed_arena *a, const struct iw_device *d, const struct xfed_jid *user, struct xfed_jid *out)
{
	*out = (struct xfed_jid){ user->local, user->domain, { NULL, 0 } };
	if (!d->name.data) {
		return XFED_OK;
	}
	struct xfed_jid named = *out;
	named.resource = d->name;
	struct xfed_span full = xfed_jid_full(a, &named);
	int rc = full.data ? xfed_jid_parse(a, full, out) : XFED_ERR_NOMEM;
	if (rc == XFED_ERR_INVALID) {
		rc = iw_pidf_id(a, d->name, &named.resource);
		named.resource = iw_text_cut(named.resource, IW_NAME_BYTES);
		*out = named;
	}
	return rc;
}

static int add_idle(struct xfed_arena *a, struct xfed_xml_elem *m, int64_t since_s)
{
	char *stamp = xfed_arena_alloc(a, IW_WHEN_SIZE);
	if (!stamp) {
		return XFED_ERR_NOMEM;
	}
	if (since_s <= 0 || iw_when_print(since_s, stamp) != XFED_OK) {
		return XFED_OK;
	}
	struct xfed_xml_elem *e = xfed_xml_add_elem(a, m, XFED_SPAN(IW_NS_IDLE), XFED_SPAN("idle"));
	return e ? xfed_xml_set_attr(a, e, XFED_SPAN(""), XFED_SPAN("since"), xfed_span_str(stamp)) : XFED_ERR_NOMEM;
}

static int add_children(struct xfed_arena *a, struct xfed_xml_elem *m, const struct iw_device *d)
{
	const struct xfed_span none = { NULL, 0 };
	int rc = XFED_OK;
	if (d->is_open && d->show != IW_SHOW_NONE) {
		rc = iw_envelope_text(a, m, "show", xfed_span_str(iw_show_word(d->show)), none);
	}
	for (size_t i = 0; i < d->notes.count && rc == XFED_OK; i++) {
		rc = iw_envelope_text(a, m, "status", d->notes.list[i].text, d->notes.list[i].language);
	}
	if (rc == XFED_OK && d->is_open && d->priority != IW_PRIORITY_NONE) {
		struct xfed_span number = xfed_arena_printf(a, "%d", d->priority);
		rc = number.data ? iw_envelope_text(a, m, "priority", number, none) : XFED_ERR_NOMEM;
	}
	return rc == XFED_OK && d->is_open ? add_idle(a, m, d->idle_since_s) : rc;
}

int iw_presence_write(struct xfed_arena *a, const struct iw_device *d, const struct iw_xmpp_envelope *e, struct xfed_xml_elem **out)
{
	const struct xfed_span none = { NULL, 0 };
	struct xfed_jid from;
	struct xfed_xml_elem *m = xfed_xml_elem_new(a, XFED_SPAN(XFED_NS_SERVER), XFED_SPAN("presence"));
	int rc = m ? sender_of(a, d, e->from, &from) : XFED_ERR_NOMEM;
	rc = rc == XFED_OK ? iw_envelope_attrs(a, m, e, &from, d->is_open ? none : XFED_SPAN("unavailable"), none) : rc;
	rc = rc == XFED_OK ? add_children(a, m, d) : rc;
	rc = rc == XFED_OK ? iw_envelope_delay(a, m, e) : rc;
	*out = m;
	return rc;
}
