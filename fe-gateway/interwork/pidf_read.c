#include "interwork/pidf.h"

#include "interwork/document.h"
#include "interwork/text.h"
#include "interwork/when.h"

struct reading {
	struct xfed_arena *arena; /* memory of the result */
	struct xfed_arena *scratch;
	struct iw_presence *out;
	struct xfed_span lang; /* that of the root, or of the message */
	size_t room;	       /* number of further devices that fit */
	size_t nodes, tuples, notes;
};

static bool is_rpid(struct xfed_span ns)
{
	return xfed_span_is(ns, IW_NS_RPID) || xfed_span_is(ns, "urn:ietf:params:xml:ns:pidf:status:rpid") ||
	       xfed_span_is(ns, "urn:ietf:params:xml:ns:pidf:status:rpid-status");
}

/* Its text, trimmed; data NULL: no memory. */
static struct xfed_span text_of(struct reading *x, const struct xfed_xml_elem *e)
{
	struct xfed_span text = xfed_xml_text(x->scratch, e);
	return text.data ? iw_text_trim(text) : text;
}

static enum iw_pidf_result read_time(struct reading *x, struct xfed_span text, int64_t *out)
{
	*out = text.data ? iw_when_of(text) : 0;
	return text.data ? IW_PIDF_OK : IW_PIDF_NO_MEMORY;
}

/* ---- notes ---- */

static bool keep(struct reading *x, struct xfed_span *s)
{
	if (s->data) {
		*s = xfed_arena_copy(x->arena, *s);
	}
	return s->data != NULL;
}

/* xml:lang is inherited (XML 1.0 section 2.12). */
static struct xfed_span language_of(const struct reading *x, const struct xfed_xml_elem *e)
{
	for (; e; e = e->parent) {
		struct xfed_span lang = xfed_xml_attr_get_ns(e, XFED_NS_XML, "lang");
		if (lang.data) {
			return lang;
		}
	}
	return x->lang;
}

static enum iw_pidf_result read_note(struct reading *x, const struct xfed_xml_elem *e, struct iw_notes *to)
{
	if (++x->notes > IW_PIDF_NOTES) {
		return IW_PIDF_TOO_LARGE;
	}
	struct xfed_span text = text_of(x, e);
	if (!text.data) {
		return IW_PIDF_NO_MEMORY;
	}
	size_t before = to->count;
	iw_notes_add(to, text, language_of(x, e));
	if (to->count == before) {
		return IW_PIDF_OK;
	}
	struct iw_note *note = &to->list[before];
	bool is_kept = keep(x, &note->text) && (!note->language.data || keep(x, &note->language));
	return is_kept ? IW_PIDF_OK : IW_PIDF_NO_MEMORY;
}

/* ---- RPID ---- */

static bool must_be_understood(const struct xfed_xml_elem *e)
{
	struct xfed_span value = xfed_xml_attr_get_ns(e, IW_NS_PIDF, "mustUnderstand");
	return xfed_span_is(value, "true") || xfed_span_is(value, "1");
}

/* <rpid:busy/>, or <ep:activity>busy</ep:activity> of the drafts, which Live Communications Server and its successors send. */
static enum iw_pidf_result read_activities(struct reading *x, const struct xfed_xml_elem *e, bool is_in_status, iw_activity_set *out)
{
	iw_activity_set found = 0;
	for (const struct xfed_xml_node *n = e->children; n; n = n->next) {
		enum iw_activity activity;
		if (!n->elem) {
			continue;
		}
		struct xfed_span word = n->elem->name;
		bool is_ours = is_rpid(n->elem->ns);
		if (is_ours && xfed_span_is(word, "activity")) {
			word = text_of(x, n->elem);
			if (!word.data) {
				return IW_PIDF_NO_MEMORY;
			}
		}
		if (is_ours && iw_activity_of_word(word, &activity)) {
			found |= 1u << activity;
		} else if (is_in_status && must_be_understood(n->elem)) {
			return IW_PIDF_OK;
		}
	}
	*out |= found;
	return IW_PIDF_OK;
}

static enum iw_pidf_result read_input(struct reading *x, const struct xfed_xml_elem *e, int64_t *idle_since_s)
{
	struct xfed_span text = text_of(x, e);
	if (!text.data) {
		return IW_PIDF_NO_MEMORY;
	}
	struct xfed_span last = xfed_xml_attr_get(e, "last-input");
	return xfed_span_is(text, "idle") && last.data ? read_time(x, last, idle_since_s) : IW_PIDF_OK;
}

static enum iw_pidf_result read_rpid(
	struct reading *x, const struct xfed_xml_elem *e, bool is_in_status, iw_activity_set *activities, int64_t *idle_since_s)
{
	if (!is_rpid(e->ns)) {
		return IW_PIDF_OK;
	}
	if (xfed_span_is(e->name, "activities")) {
		return read_activities(x, e, is_in_status, activities);
	}
	return xfed_span_is(e->name, "user-input") ? read_input(x, e, idle_since_s) : IW_PIDF_OK;
}

/* ---- tuples ---- */

/* `*is_known`: there is a basic with a known value. */
static enum iw_pidf_result read_status(struct reading *x, const struct xfed_xml_elem *status, struct iw_device *d, bool *is_known)
{
	enum iw_pidf_result r = IW_PIDF_OK;
	for (const struct xfed_xml_node *n = status->children; n && r == IW_PIDF_OK; n = n->next) {
		if (!n->elem) {
			continue;
		}
		bool is_basic = xfed_xml_is(n->elem, IW_NS_PIDF, "basic");
		if (!is_basic && !xfed_xml_is(n->elem, XFED_NS_CLIENT, "show")) {
			r = read_rpid(x, n->elem, true, &d->activities, &d->idle_since_s);
			continue;
		}
		struct xfed_span text = text_of(x, n->elem);
		r = text.data ? IW_PIDF_OK : IW_PIDF_NO_MEMORY;
		if (!is_basic) {
			iw_show_of_word(text, &d->show);
		} else if (!*is_known) {
			d->is_open = xfed_span_eq_nocase(text, XFED_SPAN("open"));
			*is_known = d->is_open || xfed_span_eq_nocase(text, XFED_SPAN("closed"));
		}
	}
	return r;
}

static enum iw_pidf_result read_child(struct reading *x, const struct xfed_xml_elem *e, struct iw_device *d, bool *is_known)
{
	if (!xfed_span_is(e->ns, IW_NS_PIDF)) {
		return read_rpid(x, e, false, &d->activities, &d->idle_since_s);
	}
	if (xfed_span_is(e->name, "status")) {
		return read_status(x, e, d, is_known);
	}
	if (xfed_span_is(e->name, "note")) {
		return read_note(x, e, &d->notes);
	}
	if (xfed_span_is(e->name, "timestamp")) {
		return read_time(x, text_of(x, e), &d->changed_s);
	}
	if (xfed_span_is(e->name, "contact")) {
		d->priority = iw_pidf_priority_of(xfed_xml_attr_get(e, "priority"));
	}
	return IW_PIDF_OK;
}

static enum iw_pidf_result read_name(struct reading *x, struct xfed_span id, struct iw_device *d)
{
	if (id.len == 0) {
		return IW_PIDF_OK;
	}
	if (iw_pidf_name(x->scratch, id, &d->name) != XFED_OK) {
		return IW_PIDF_NO_MEMORY;
	}
	if (d->name.len > IW_NAME_BYTES) {
		return IW_PIDF_TOO_LARGE;
	}
	return !d->name.data || keep(x, &d->name) ? IW_PIDF_OK : IW_PIDF_NO_MEMORY;
}

/* Phones may publish under the same id (baresip's is always the same): the open tuple counts. */
static enum iw_pidf_result add_device(struct reading *x, const struct iw_device *d)
{
	struct iw_presence *p = x->out;
	for (size_t i = 0; i < p->count; i++) {
		if (xfed_span_eq(p->devices[i].name, d->name)) {
			p->devices[i] = d->is_open && !p->devices[i].is_open ? *d : p->devices[i];
			return IW_PIDF_OK;
		}
	}
	if (p->count == x->room) {
		x->room = x->room > 0 ? 2 * x->room : 2;
		struct iw_device *more = xfed_arena_alloc(x->arena, x->room * sizeof(*more));
		if (!more) {
			return IW_PIDF_NO_MEMORY;
		}
		if (p->count > 0) {
			memcpy(more, p->devices, p->count * sizeof(*more));
		}
		p->devices = more;
	}
	p->devices[p->count++] = *d;
	return IW_PIDF_OK;
}

static enum iw_pidf_result read_tuple(struct reading *x, const struct xfed_xml_elem *e)
{
	struct iw_device d = { .priority = IW_PRIORITY_NONE };
	bool is_known = false;
	if (++x->tuples > IW_DEVICES_MAX) {
		return IW_PIDF_TOO_LARGE;
	}
	enum iw_pidf_result r = read_name(x, xfed_xml_attr_get(e, "id"), &d);
	for (const struct xfed_xml_node *n = e->children; n && r == IW_PIDF_OK; n = n->next) {
		r = n->elem ? read_child(x, n->elem, &d, &is_known) : IW_PIDF_OK;
	}
	iw_device_settle(&d);
	return r == IW_PIDF_OK && is_known ? add_device(x, &d) : r;
}

/* ---- the whole ---- */

static enum iw_pidf_result read_person(struct reading *x, const struct xfed_xml_elem *e)
{
	struct iw_person *person = &x->out->person;
	enum iw_pidf_result r = IW_PIDF_OK;
	for (const struct xfed_xml_node *n = e->children; n && r == IW_PIDF_OK; n = n->next) {
		if (xfed_xml_is(n->elem, IW_NS_PERSON, "note")) {
			r = read_note(x, n->elem, &person->notes);
		} else if (n->elem) {
			r = read_rpid(x, n->elem, false, &person->activities, &person->idle_since_s);
		}
	}
	return r;
}

static enum iw_pidf_result read_root(void *user, struct xfed_arena *scratch, const struct xfed_xml_elem *e)
{
	struct reading *x = user;
	x->scratch = scratch;
	if (!xfed_xml_is(e, IW_NS_PIDF, "presence")) {
		return IW_PIDF_FOREIGN;
	}
	x->out->entity = xfed_xml_attr_get(e, "entity");
	if (x->out->entity.data && !keep(x, &x->out->entity)) {
		return IW_PIDF_NO_MEMORY;
	}
	struct xfed_span lang = xfed_xml_attr_get_ns(e, XFED_NS_XML, "lang");
	if (!lang.data) {
		return IW_PIDF_OK;
	}
	x->lang = lang;
	return keep(x, &x->lang) ? IW_PIDF_OK : IW_PIDF_NO_MEMORY;
}

/* No deeper than the reader allows. */
static size_t count_nodes(const struct xfed_xml_elem *e)
{
	size_t count = 1;
	for (const struct xfed_xml_node *n = e->children; n; n = n->next) {
		count += n->elem ? count_nodes(n->elem) : 1;
	}
	return count;
}

static enum iw_pidf_result read_element(void *user, struct xfed_arena *scratch, const struct xfed_xml_elem *e)
{
	struct reading *x = user;
	x->scratch = scratch;
	x->nodes += count_nodes(e);
	if (x->nodes > IW_PIDF_NODES_ALL) {
		return IW_PIDF_TOO_LARGE;
	}
	if (xfed_xml_is(e, IW_NS_PIDF, "tuple")) {
		return read_tuple(x, e);
	}
	if (xfed_xml_is(e, IW_NS_PIDF, "note")) {
		return read_note(x, e, &x->out->person.notes);
	}
	return xfed_xml_is(e, IW_NS_PERSON, "person") ? read_person(x, e) : IW_PIDF_OK;
}

enum iw_pidf_result iw_pidf_read(struct xfed_arena *a, struct xfed_span body, struct xfed_span language, struct iw_presence *out)
{
	static const struct xfed_xml_limits limits = { IW_PIDF_BYTES, IW_PIDF_DEPTH, IW_PIDF_NODES };
	static const struct iw_document_steps steps = { read_root, read_element };
	struct reading x = { .lang = language, .arena = a, .out = out };
	*out = (struct iw_presence){ 0 };
	enum iw_pidf_result r = iw_document_read(body, &limits, &steps, &x);
	if (r != IW_PIDF_OK) {
		*out = (struct iw_presence){ 0 };
	}
	return r;
}

enum xfed_reason iw_pidf_reason(enum iw_pidf_result r)
{
	switch (r) {
	case IW_PIDF_OK:
		break;
	case IW_PIDF_TOO_LARGE:
	case IW_PIDF_TOO_DEEP:
		return XFED_REASON_SIP_PRESENCE_TOO_LARGE;
	case IW_PIDF_RESTRICTED:
	case IW_PIDF_ENCODING:
	case IW_PIDF_MALFORMED:
	case IW_PIDF_FOREIGN:
		return XFED_REASON_SIP_PRESENCE_MALFORMED;
	case IW_PIDF_NO_MEMORY:
		return XFED_REASON_STREAM_INTERNAL;
	}
	return XFED_REASON_NONE;
}
