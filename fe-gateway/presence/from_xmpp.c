/* Presence stanzas of contacts (RFC 6121 sections 3 and 4). */
#include "presence/rights.h"
#include "presence/stale.h"

#include <utlist.h>

#include "xfed/rt/log.h"

/* ---- subscription stanzas are settled when their effect is in the store ---- */

struct promise {
	struct contacts_wait wait; /* first */
	struct presence *presence; /* NULL: the room has stopped; nothing is settled any more */
	struct promise *prev, *next;
	struct pair *pair; /* whose contact is told that it may see the user; NULL: a delivery of a contact's, from: */
	struct deliver_origin origin;
};

/* The contact may see the user, and hears so when this outlives the process, with what has come meanwhile. */
static void tell_approved(struct pair *pair)
{
	pair->is_saving = false;
	if (iw_relation_is_from(contact_relation(pair->contact).state)) {
		pair_say(pair, XFED_TYPE_SUBSCRIBED, NULL);
		if (pair->follow && pair->follow->told.count > 0) {
			follow_tell_all(pair->follow);
		}
	}
	pair_release(pair);
}

static void keep_promise(struct contacts_wait *w, int rc)
{
	struct promise *pr = (struct promise *)w;
	struct presence *p = pr->presence;
	if (p) {
		DL_DELETE(p->promises, pr);
	}
	if (p && pr->pair) { /* a store that cannot be written holds up nobody: it is in force */
		tell_approved(pr->pair);
	} else if (p && rc == XFED_OK) {
		deliver_done(p->deliver, &pr->origin);
	} else if (p) {
		deliver_refuse(p->deliver, &pr->origin, XFED_REASON_STORE_WRITE_FAILED, NULL);
	}
	xfed_free(pr);
}

void presence_break_promises(struct presence *p)
{
	struct promise *pr, *next;
	DL_FOREACH_SAFE(p->promises, pr, next) {
		DL_DELETE(p->promises, pr);
		pr->presence = NULL;
	}
}

/* A subscription stanza counts as delivered when its effect is in the store (proto/delivery.md, Per kind). */
static void done_when_saved(struct presence *p, struct contact *k, const struct delivery *d)
{
	struct promise *pr = xfed_malloc(sizeof(*pr) + deliver_origin_bytes(&d->origin));
	if (!pr) {
		deliver_refuse(p->deliver, &d->origin, XFED_REASON_STREAM_INTERNAL, NULL);
		return;
	}
	char *at = (char *)(pr + 1);
	*pr = (struct promise){ .wait = { .done = keep_promise }, .presence = p };
	deliver_origin_copy(&pr->origin, &d->origin, &at);
	DL_APPEND(p->promises, pr);
	contacts_when_saved(p->contacts, k, &pr->wait);
	core_flush_soon(p->core);
}

void pair_approved(struct pair *pair)
{
	struct presence *p = pair->presence;
	struct promise *pr = xfed_calloc(1, sizeof(*pr));
	pair->is_saving = true;
	if (!pr) {
		tell_approved(pair);
		return;
	}
	*pr = (struct promise){ .wait = { .done = keep_promise }, .presence = p, .pair = pair };
	DL_APPEND(p->promises, pr);
	contacts_when_saved(p->contacts, pair->contact, &pr->wait);
	core_flush_soon(p->core);
}

/* ---- the user watches the contact ---- */

static void take_device(struct presence *p, struct pair *pair, const struct delivery *d)
{
	struct iw_device dev;
	bool is_new = false;
	int rc = iw_presence_read(d->arena, d->stanza, core_wall_s(p->core), &dev);
	if (rc != XFED_OK) {
		deliver_refuse(p->deliver, &d->origin, rc == XFED_ERR_NOMEM ? XFED_REASON_STREAM_INTERNAL : XFED_REASON_XMPP_STANZA_INVALID, NULL);
		return;
	}
	pair_was_heard(pair);
	watches_heard(pair);
	pair_used(pair, false);
	if (!dev.is_open && !dev.name.data) { /* unavailable from a bare address: all of them ([A11-09]) */
		is_new = pair->known.count > 0;
		known_remove(&pair->known, dev.name);
		rc = XFED_OK;
	} else {
		rc = known_set(&pair->known, &dev, &is_new);
	}
	if (rc != XFED_OK) {
		deliver_drop(p->deliver, &d->origin, rc == XFED_ERR_LIMIT ? "presence-devices" : "no-memory");
		return;
	}
	if (is_new) {
		watches_changed(pair, pair->known.count == 0);
	}
	deliver_done(p->deliver, &d->origin);
}

/* Presence of a contact that no device watches is dropped. */
static void take_availability(struct presence *p, const struct delivery *d)
{
	struct pair *pair = d->known ? contact_live(d->known) : NULL;
	if (pair && pair->watches) {
		take_device(p, pair, d);
	} else {
		deliver_drop(p->deliver, &d->origin, "presence-unwatched");
	}
}

static void take_subscribed(struct presence *p, struct pair *pair, const struct delivery *d)
{
	if (pair_relate(pair, IW_RELATION_IN_SUBSCRIBED).is_changed) {
		watches_approved(pair);
	}
	done_when_saved(p, pair->contact, d);
}

static void take_unsubscribed(struct presence *p, struct pair *pair, const struct delivery *d)
{
	if (pair_relate(pair, IW_RELATION_IN_UNSUBSCRIBED).is_changed) {
		known_remove(&pair->known, xfed_span_make(NULL, 0));
		watches_end(pair, SIP_END_REJECTED, -1);
	}
	if (!pair_has_rights(pair)) {
		pair_end_rights(pair); /* the contact saw the user only because the user had added it */
	}
	done_when_saved(p, pair->contact, d);
}

/* ---- the contact watches the user ---- */

/* False: it has been refused. */
static bool begun(struct presence *p, struct pair *pair, const struct delivery *d)
{
	int rc = follow_begin(pair, PRESENCE_DOUBT_ANEW);
	if (rc != XFED_OK) {
		deliver_refuse(p->deliver, &d->origin, rc == XFED_ERR_LIMIT ? XFED_REASON_DELIVERY_QUEUE_FULL : XFED_REASON_STREAM_INTERNAL,
			rc == XFED_ERR_LIMIT ? "too many presence subscriptions" : NULL);
	}
	return rc == XFED_OK;
}

/* Whether the contact's subscribe begins anything: what is there already goes on, whatever is refused to others. */
static bool is_new_request(const struct pair *pair)
{
	enum iw_relation_state state = contact_relation(pair->contact).state;
	return !iw_relation_is_from(state) && !iw_relation_is_pending_in(state);
}

/* Why nothing new is promised now: NONE, or a reason that passes. */
static enum xfed_reason why_not_now(const struct presence *p, const struct pair *pair)
{
	return !is_new_request(pair)		   ? XFED_REASON_NONE
	       : p->left_ms != 0		   ? XFED_REASON_SERVICE_LEAVING
	       : contacts_are_failing(p->contacts) ? XFED_REASON_STORE_WRITE_FAILED
						   : XFED_REASON_NONE;
}

static void take_subscribe(struct presence *p, struct pair *pair, const struct delivery *d)
{
	enum xfed_reason reason = why_not_now(p, pair);
	if (reason != XFED_REASON_NONE) {
		deliver_refuse(p->deliver, &d->origin, reason, NULL);
		return;
	}
	if (is_new_request(pair) && !pair_may_ask(pair)) {
		deliver_refuse(p->deliver, &d->origin, XFED_REASON_DELIVERY_QUEUE_FULL, "too many requests to see that user wait for an answer");
		return;
	}
	if (!begun(p, pair, d)) {
		return; /* what is refused leaves no relation behind */
	}
	if (pair_relate(pair, IW_RELATION_IN_SUBSCRIBE).reply == IW_RELATION_SUBSCRIBED && !pair->is_saving) {
		pair_say(pair, XFED_TYPE_SUBSCRIBED, NULL);
		if (follow_is_known(pair->follow)) { /* the contact's server may have lost what it was sent before */
			follow_tell_all(pair->follow);
		}
	}
	done_when_saved(p, pair->contact, d);
}

static void take_unsubscribe(struct presence *p, struct pair *pair, const struct delivery *d)
{
	struct iw_relation_step step = pair_relate(pair, IW_RELATION_IN_UNSUBSCRIBE);
	follow_end(pair);
	if (step.reply == IW_RELATION_UNSUBSCRIBED) {
		pair_say(pair, XFED_TYPE_UNSUBSCRIBED, NULL);
	}
	done_when_saved(p, pair->contact, d);
}

/* Answered from the known state; where there is none, by the next NOTIFY. */
static void take_probe(struct presence *p, struct pair *pair, const struct delivery *d)
{
	if (!iw_relation_is_from(contact_relation(pair->contact).state)) {
		pair_say(pair, XFED_TYPE_UNSUBSCRIBED, NULL); /* [A11-06]: the same for every address */
	} else if (pair->follow && follow_is_known(pair->follow)) {
		follow_tell_all(pair->follow);
	} else if (!begun(p, pair, d)) {
		return;
	}
	deliver_done(p->deliver, &d->origin);
}

/* ---- errors ([B5-19]) ---- */

/* Errors that end the user's watches. */
static bool end_reason(struct xfed_span condition, enum sip_end_reason *out)
{
	static const struct {
		const char *condition;
		enum sip_end_reason reason;
	} rows[] = {
		{ "forbidden", SIP_END_REJECTED },
		{ "gone", SIP_END_NORESOURCE },
		{ "item-not-found", SIP_END_NORESOURCE },
		{ "not-allowed", SIP_END_REJECTED },
		{ "not-authorized", SIP_END_REJECTED },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (xfed_span_is(condition, rows[i].condition)) {
			*out = rows[i].reason;
			return true;
		}
	}
	return false;
}

/* Errors that pass: the same question may have another answer later (RFC 6120 section 8.3.2). */
static bool is_passing(const struct xfed_xml_elem *stanza, struct xfed_span condition)
{
	static const char *const rows[] = { "internal-server-error", "remote-server-not-found", "remote-server-timeout", "resource-constraint" };
	const struct xfed_xml_elem *error = xfed_xml_child(stanza, XFED_NS_SERVER, "error");
	bool is = error && xfed_span_is(xfed_xml_attr_get(error, "type"), "wait");
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		is |= xfed_span_is(condition, rows[i]);
	}
	return is;
}

/* The watches stay as they are, and the contact is asked again in growing pauses (resync.c). */
static void put_off(struct pair *pair)
{
	if (iw_relation_is_pending_out(contact_relation(pair->contact).state)) {
		pair_unsaid(pair, XFED_TYPE_SUBSCRIBE);
	}
	pair_doubt(pair, PRESENCE_DOUBT_PUT_OFF);
}

/*
 * Only an answer to what asked for the contact's presence says anything of it: where what the contact is shown of the user is bounced, that
 * is the other direction, and it may be one device of the contact's that does not want it.
 */
static void take_error(struct presence *p, const struct delivery *d)
{
	struct pair *pair = d->known ? contact_live(d->known) : NULL;
	struct xfed_span text;
	enum sip_end_reason reason;
	struct xfed_span condition = xfed_stanza_error_condition(d->stanza->elem, d->arena, &text);
	bool is_answer = pair && pair->watches && pair_has_asked(pair, d->stanza->id), is_end = end_reason(condition, &reason);
	if (!is_answer || (!is_end && !is_passing(d->stanza->elem, condition))) {
		deliver_drop(p->deliver, &d->origin, "type-error");
		return;
	}
	if (is_end) {
		pair_relate(pair, IW_RELATION_IN_UNSUBSCRIBED);
		known_remove(&pair->known, xfed_span_make(NULL, 0));
		watches_end(pair, reason, -1);
	} else {
		put_off(pair);
	}
	deliver_done(p->deliver, &d->origin);
}

/* ---- each type ---- */

typedef void take_fn(struct presence *p, struct pair *pair, const struct delivery *d);

static take_fn *taker_of(enum xfed_stanza_type t)
{
	switch (t) {
	case XFED_TYPE_SUBSCRIBE:
		return take_subscribe;
	case XFED_TYPE_SUBSCRIBED:
		return take_subscribed;
	case XFED_TYPE_UNSUBSCRIBE:
		return take_unsubscribe;
	case XFED_TYPE_UNSUBSCRIBED:
		return take_unsubscribed;
	case XFED_TYPE_PROBE:
		return take_probe;
	default:
		return NULL;
	}
}

void presence_take(void *user, const struct delivery *d)
{
	struct presence *p = user;
	enum xfed_stanza_type type = d->stanza->type;
	take_fn *take = taker_of(type);
	presence_trials_hear(p, d);
	if (type == XFED_TYPE_NONE || type == XFED_TYPE_UNAVAILABLE) {
		take_availability(p, d);
		return;
	}
	if (type == XFED_TYPE_ERROR) {
		take_error(p, d);
		return;
	}
	if (!take) {
		deliver_refuse(p->deliver, &d->origin, XFED_REASON_XMPP_STANZA_INVALID, NULL);
		return;
	}
	struct contact *k = contacts_hold(p->contacts, d->known, d->local, d->remote);
	struct pair *pair = k ? pair_of(p, k) : NULL;
	if (pair) {
		pair_used(pair, false);
		pair->pause_ms = 0; /* its server answers */
		take(p, pair, d);
		pair_release(pair);
	} else {
		deliver_refuse(p->deliver, &d->origin, XFED_REASON_STREAM_INTERNAL, NULL);
	}
	contacts_give_back(p->contacts, k, presence_now(p));
}
