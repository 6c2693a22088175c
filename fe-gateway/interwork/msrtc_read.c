#include "interwork/msrtc.h"

#include "interwork/document.h"
#include "interwork/text.h"
#include "interwork/when.h"
#include "sip/lex.h"

#define NUMBER_MAX 1000000 /* of availability and activity: beyond any that is known */

enum root { CATEGORIES, PRESENTITY };

struct reading {
	struct xfed_arena *arena, *scratch;
	enum root root;
	struct iw_presence *out;
	struct iw_notes notes;
	int64_t changed_s;
	const struct iw_msrtc_token *token;
	struct xfed_span custom; /* words of the user's own for what he does; data NULL: none */
	enum iw_msrtc_state state;
	bool has_state, is_aggregate;
	/* presentity */
	bool has_availability, is_online, is_out_of_office;
	size_t nodes;
};

static bool number_of(struct xfed_span s, uint64_t *out)
{
	return sip_number(iw_text_trim(s), NUMBER_MAX, out);
}

/* The text of a child of any namespace, trimmed; data NULL with OK: there is no such child. */
static enum iw_pidf_result text_of(struct reading *x, const struct xfed_xml_elem *e, struct xfed_span *out)
{
	*out = xfed_span_make(NULL, 0);
	if (!e) {
		return IW_PIDF_OK;
	}
	struct xfed_span text = xfed_xml_text(x->scratch, e);
	*out = text.data ? iw_text_trim(text) : text;
	return text.data ? IW_PIDF_OK : IW_PIDF_NO_MEMORY;
}

static enum iw_pidf_result take_note(struct reading *x, const struct xfed_xml_elem *e)
{
	struct xfed_span text;
	enum iw_pidf_result r = text_of(x, e, &text);
	size_t before = x->notes.count;
	if (r == IW_PIDF_OK && text.data) {
		iw_notes_add(&x->notes, text, xfed_span_make(NULL, 0));
	}
	if (r == IW_PIDF_OK && x->notes.count > before) {
		struct xfed_span *kept = &x->notes.list[before].text;
		*kept = xfed_arena_copy(x->arena, *kept);
		r = kept->data ? IW_PIDF_OK : IW_PIDF_NO_MEMORY;
	}
	return r;
}

static void take_state(struct reading *x, enum iw_msrtc_state state)
{
	/* Of several the worse counts, as for a client. */
	x->state = x->has_state && x->state > state ? x->state : state;
	x->has_state = true;
}

/* ---- categories ---- */

static enum iw_pidf_result read_activity(struct reading *x, const struct xfed_xml_elem *e)
{
	if (!e) {
		return IW_PIDF_OK;
	}
	struct xfed_span text;
	x->token = iw_msrtc_token_of_word(xfed_xml_attr_get(e, "token"));
	enum iw_pidf_result r = text_of(x, xfed_xml_child(e, NULL, "custom"), &text);
	text = iw_text_cut(text, IW_NOTE_BYTES);
	x->custom = text.len > 0 ? xfed_arena_copy(x->arena, text) : xfed_span_make(NULL, 0);
	return r == IW_PIDF_OK && text.len > 0 && !x->custom.data ? IW_PIDF_NO_MEMORY : r;
}

/*
 * A server tells others one state, the aggregate; where it does not call it so, the worst of all. Its activity is that of the state.
 */
static enum iw_pidf_result read_state(struct reading *x, const struct xfed_xml_elem *e, struct xfed_span published)
{
	struct xfed_span text;
	uint64_t number;
	bool is_aggregate = xfed_span_is(xfed_xml_attr_get_ns(e, "http://www.w3.org/2001/XMLSchema-instance", "type"), "aggregateState");
	enum iw_pidf_result r = text_of(x, xfed_xml_child(e, NULL, "availability"), &text);
	if (r != IW_PIDF_OK || !text.data || !number_of(text, &number) || (x->is_aggregate && !is_aggregate)) {
		return r;
	}
	enum iw_msrtc_state state = iw_msrtc_state_of(number);
	bool is_it = !x->has_state || (is_aggregate && !x->is_aggregate) || state > x->state;
	x->has_state &= is_aggregate == x->is_aggregate;
	x->is_aggregate |= is_aggregate;
	take_state(x, state);
	if (!is_it) {
		return IW_PIDF_OK;
	}
	x->changed_s = iw_when_of(published);
	return read_activity(x, xfed_xml_child(e, NULL, "activity"));
}

/* A note with a type, as "personal"; a user's own comes before what the calendar says. */
static enum iw_pidf_result read_note(struct reading *x, const struct xfed_xml_elem *e)
{
	return take_note(x, xfed_xml_child(e, NULL, "body"));
}

static enum iw_pidf_result read_category(struct reading *x, const struct xfed_xml_elem *e)
{
	struct xfed_span name = xfed_xml_attr_get(e, "name");
	const struct xfed_xml_elem *content = xfed_xml_child(e, NULL, NULL);
	if (!xfed_span_is(e->name, "category") || !content) {
		return IW_PIDF_OK;
	}
	if (xfed_span_is(name, "state")) {
		return read_state(x, content, xfed_xml_attr_get(e, "publishTime"));
	}
	return xfed_span_is(name, "note") ? read_note(x, content) : IW_PIDF_OK;
}

/* ---- presentity ---- */

static enum iw_pidf_result read_info(struct reading *x, const struct xfed_xml_elem *e)
{
	enum iw_pidf_result r = take_note(x, xfed_xml_child(e, NULL, "note"));
	x->is_out_of_office |= xfed_xml_child(e, NULL, "oof") != NULL;
	const struct xfed_xml_elem *states = xfed_xml_child(e, NULL, "states");
	for (const struct xfed_xml_elem *s = states ? xfed_xml_child(states, NULL, "state") : NULL; s; s = xfed_xml_next(s, NULL, "state")) {
		uint64_t number;
		if (number_of(xfed_xml_attr_get(s, "avail"), &number) && iw_msrtc_is_open(iw_msrtc_state_of(number))) {
			take_state(x, iw_msrtc_state_of(number));
			x->changed_s = iw_when_of(xfed_xml_attr_get(s, "since"));
		}
	}
	return r;
}

static enum iw_pidf_result read_part(struct reading *x, const struct xfed_xml_elem *e)
{
	uint64_t number;
	struct xfed_span value = xfed_xml_attr_get(e, "aggregate");
	if (xfed_span_is(e->name, "availability") && number_of(value, &number)) {
		x->has_availability = true;
		x->is_online = number > 0;
	} else if (xfed_span_is(e->name, "activity") && number_of(value, &number)) {
		take_state(x, iw_msrtc_state_of_old(number));
		x->token = iw_msrtc_token_of_old(number);
	}
	return xfed_span_is(e->name, "userInfo") ? read_info(x, e) : IW_PIDF_OK;
}

/* ---- the whole ---- */

/* A client knows "sip:a@x" in the one and "a@x" in the other; here it does not matter. */
static enum iw_pidf_result read_root(void *user, struct xfed_arena *scratch, const struct xfed_xml_elem *e)
{
	struct reading *x = user;
	bool is_presentity = xfed_span_is(e->name, "presentity");
	(void)scratch;
	if (!is_presentity && !xfed_span_is(e->name, "categories")) {
		return IW_PIDF_FOREIGN;
	}
	x->root = is_presentity ? PRESENTITY : CATEGORIES;
	struct xfed_span uri = xfed_xml_attr_get(e, "uri");
	bool has_scheme = uri.len > 4 && xfed_span_eq_nocase(xfed_span_make(uri.data, 4), XFED_SPAN("sip:"));
	if (uri.len > 0) {
		x->out->entity = xfed_arena_printf(x->arena, "%s%.*s", has_scheme ? "" : "sip:", (int)uri.len, uri.data);
	}
	return uri.len == 0 || x->out->entity.data ? IW_PIDF_OK : IW_PIDF_NO_MEMORY;
}

static enum iw_pidf_result read_element(void *user, struct xfed_arena *scratch, const struct xfed_xml_elem *e)
{
	struct reading *x = user;
	x->scratch = scratch;
	if (++x->nodes > IW_PIDF_NODES) {
		return IW_PIDF_TOO_LARGE;
	}
	return x->root == CATEGORIES ? read_category(x, e) : read_part(x, e);
}

/* What no show says, in words: his own for it, those of what he does, those of the state. */
static void add_words(struct reading *x)
{
	const char *words = x->token ? x->token->words : iw_msrtc_words(x->state);
	if (x->notes.count == 0 && x->custom.data) {
		iw_notes_add(&x->notes, x->custom, xfed_span_make(NULL, 0));
	} else if (x->notes.count == 0 && words) {
		iw_notes_add(&x->notes, xfed_span_str(words), XFED_SPAN("en"));
	}
}

static enum iw_pidf_result finish(struct reading *x)
{
	if (x->root == PRESENTITY && x->has_availability && !x->is_online) {
		x->state = IW_MSRTC_OFFLINE;
		x->has_state = true;
	}
	if (!x->has_state) {
		x->out->person.notes = x->notes;
		return IW_PIDF_OK;
	}
	struct iw_device *d = xfed_arena_alloc(x->arena, sizeof(*d));
	if (!d) {
		return IW_PIDF_NO_MEMORY;
	}
	if (x->is_out_of_office && x->state == IW_MSRTC_AWAY) {
		x->token = iw_msrtc_token_of_word(XFED_SPAN("out-of-office"));
	}
	/* The numbers of presentities are about one thing: "in a call" is nothing to say of somebody who is away by the other number. */
	x->token = x->root == PRESENTITY && x->token && x->token->state != x->state ? NULL : x->token;
	bool is_of_state = x->token && (x->token->state == x->state || (x->token->state == IW_MSRTC_BUSY && x->state == IW_MSRTC_BUSY_IDLE));
	*d = (struct iw_device){ .priority = IW_PRIORITY_NONE, .changed_s = x->changed_s };
	iw_msrtc_apply(x->state, d);
	if (is_of_state && x->token->activity < IW_ACTIVITIES_COUNT) {
		d->activities = 1u << x->token->activity;
	}
	add_words(x);
	d->notes = x->notes;
	x->out->devices = d;
	x->out->count = 1;
	return IW_PIDF_OK;
}

enum iw_pidf_result iw_msrtc_read(struct xfed_arena *a, struct xfed_span body, struct iw_presence *out, bool *has_state)
{
	static const struct xfed_xml_limits limits = { IW_PIDF_BYTES, IW_PIDF_DEPTH, IW_PIDF_NODES };
	static const struct iw_document_steps steps = { read_root, read_element };
	struct reading x = { .arena = a, .out = out };
	*out = (struct iw_presence){ 0 };
	enum iw_pidf_result r = iw_document_read(body, &limits, &steps, &x);
	r = r == IW_PIDF_OK ? finish(&x) : r;
	if (r != IW_PIDF_OK) {
		*out = (struct iw_presence){ 0 };
	}
	*has_state = out->count > 0;
	return r;
}
