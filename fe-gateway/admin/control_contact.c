/* `contact` and `subscription`: who is whose contact, in which state, and which subscriptions there are now. */
#include <stdio.h>

#include "admin/address.h"
#include "admin/admin.h"
#include "xfed/mem.h"

#define PAGE_MAX      500 /* entries in one answer; xfedctl asks for the next page by itself */
#define PAGE_DEFAULT  100
#define LOOKS	      5000 /* at contacts for one answer: so that no question stops the loop for long */
#define PER_CONTACT   64   /* subscriptions of one contact that are shown */
#define SCRATCH_BYTES 65536

/* ---- one contact ---- */

static const char *sees(enum iw_relation_state s)
{
	return iw_relation_is_to(s) ? "yes" : iw_relation_is_pending_out(s) ? "asked" : "no";
}

static const char *is_seen(enum iw_relation_state s)
{
	return iw_relation_is_from(s) ? "yes" : iw_relation_is_pending_in(s) ? "asked" : "no";
}

static void set_time(json_t *j, const char *key, int64_t at_s)
{
	if (j && at_s > 0) {
		json_object_set_new(j, key, json_integer(at_s));
	}
}

static json_t *contact_json(const struct admin *ad, const struct contact *k)
{
	struct iw_relation r = contact_relation(k);
	size_t subscriptions = presence_subscriptions(ad->presence, k, NULL, 0);
	json_t *j = json_pack("{s:o, s:o, s:s, s:s, s:s, s:b, s:I}", "user", rt_control_text(contact_local(k)), "contact",
		rt_control_text(contact_remote(k)), "state", iw_relation_word(r.state), "user_sees", sees(r.state), "contact_sees", is_seen(r.state),
		"approved", contact_is_approved(k), "subscriptions", (json_int_t)subscriptions);
	set_time(j, "asked", contact_asked_s(k));
	set_time(j, "used", contact_used_s(k));
	return j;
}

static json_t *subscription_json(const struct admin *ad, const struct presence_subscription *s)
{
	uint64_t now = core_now(ad->core);
	json_t *j = json_pack("{s:I, s:s, s:o, s:o, s:s, s:I, s:b}", "id", (json_int_t)s->id, "watcher", s->is_of_user ? "user" : "contact", "user",
		rt_control_text(contact_local(s->contact)), "contact", rt_control_text(contact_remote(s->contact)), "state",
		s->state[0] ? s->state : "asked", "devices", (json_int_t)s->devices, "stale", s->is_stale);
	if (j && s->expires_ms != UINT64_MAX) {
		json_object_set_new(j, "expires_s", json_integer(s->expires_ms > now ? (json_int_t)((s->expires_ms - now) / 1000) : 0));
	}
	return j;
}

/* ---- lists ---- */

struct listing {
	struct admin *admin;
	struct xfed_arena a;
	struct contacts_filter filter;
	bool is_waiting, has_state; /* only contacts with a request that waits; only those in `state` */
	enum iw_relation_state state;
	size_t limit;
	json_t *items;
};

/* False: it has been refused. */
static bool read_filter(struct listing *l, struct rt_reply reply, const json_t *args)
{
	const char *user = json_string_value(json_object_get(args, "user")), *partner = json_string_value(json_object_get(args, "partner"));
	const char *state = json_string_value(json_object_get(args, "state"));
	struct xfed_jid j;
	if (user) {
		if (!address_of_user(l->admin, reply, &l->a, user, &j)) {
			return false;
		}
		l->filter.local = xfed_jid_bare(&l->a, &j);
	}
	if (partner && xfed_jid_domain(&l->a, xfed_span_str(partner), &l->filter.remote_domain) != XFED_OK) {
		rt_reply_fail(reply, "bad-request", "%.200s is no domain", partner);
		return false;
	}
	l->is_waiting = state && (strcmp(state, "waiting") == 0 || strcmp(state, "asked") == 0); /* as STATE, and as the columns, say it */
	l->has_state = state && !l->is_waiting && iw_relation_of_word(xfed_span_str(state), &l->state);
	return true;
}

/* Where the last page ended: "USER CONTACT". False: it has been refused. */
static bool read_after(const struct listing *l, struct rt_reply reply, const json_t *args, const struct contact **out)
{
	const char *after = json_string_value(json_object_get(args, "after")), *space = after ? strchr(after, ' ') : NULL;
	*out = NULL;
	if (!after) {
		return true;
	}
	if (!space) {
		rt_reply_fail(reply, "bad-request", "after is what the page before had as next: a user and a contact");
		return false;
	}
	*out = contacts_find(l->admin->contacts, xfed_span_make(after, (size_t)(space - after)), xfed_span_str(space + 1));
	if (!*out || !contact_is_related(*out)) {
		rt_reply_fail(reply, "not-found", "the contact that the page before ended with is gone: begin anew");
		return false;
	}
	return true;
}

static bool fits(const struct listing *l, const struct contact *k)
{
	enum iw_relation_state s = contact_relation(k).state;
	bool is_waiting = iw_relation_is_pending_in(s) || iw_relation_is_pending_out(s);
	return l->is_waiting ? is_waiting : !l->has_state || s == l->state;
}

static void add_contact(struct listing *l, const struct contact *k)
{
	if (fits(l, k)) {
		json_array_append_new(l->items, contact_json(l->admin, k));
	}
}

static void add_subscriptions(struct listing *l, const struct contact *k)
{
	struct presence_subscription list[PER_CONTACT];
	size_t n = presence_subscriptions(l->admin->presence, k, list, PER_CONTACT);
	for (size_t i = 0; i < n && i < PER_CONTACT; i++) {
		json_array_append_new(l->items, subscription_json(l->admin, &list[i]));
	}
}

/* What narrows the list, for the question that continues it. */
static json_t *filter_json(const json_t *args)
{
	static const char *const keys[] = { "user", "partner", "state" };
	json_t *j = json_object();
	for (size_t i = 0; i < XFED_ARRAY_LEN(keys); i++) {
		const char *value = json_string_value(json_object_get(args, keys[i]));
		if (value) {
			json_object_set_new(j, keys[i], rt_control_text(xfed_span_str(value)));
		}
	}
	return j;
}

/* A page: full, or as far as so many looks lead; "next" is where the one behind it begins. */
static json_t *page(
	struct listing *l, const char *name, void (*add)(struct listing *l, const struct contact *k), const struct contact *after, const json_t *args)
{
	const struct contact *k = contacts_next(l->admin->contacts, &l->filter, after), *last = NULL;
	for (size_t looks = 0; k && looks < LOOKS && json_array_size(l->items) < l->limit; looks++) {
		add(l, k);
		last = k;
		k = contacts_next(l->admin->contacts, &l->filter, k);
	}
	json_t *j = json_pack("{s:O}", name, l->items);
	if (j && k) {
		json_object_set_new(j, "filter", filter_json(args));
		struct xfed_span user = contact_local(last), contact = contact_remote(last);
		json_object_set_new(j, "next", json_sprintf("%.*s %.*s", (int)user.len, user.data, (int)contact.len, contact.data));
	}
	return j;
}

static void list(
	struct admin *ad, struct rt_reply reply, const json_t *args, const char *name, void (*add)(struct listing *l, const struct contact *k))
{
	struct listing l = { .admin = ad, .items = json_array() };
	const struct contact *after;
	json_int_t limit = json_integer_value(json_object_get(args, "limit"));
	l.limit = limit <= 0 ? PAGE_DEFAULT : limit < PAGE_MAX ? (size_t)limit : PAGE_MAX;
	xfed_arena_init(&l.a, SCRATCH_BYTES);
	if (read_filter(&l, reply, args) && read_after(&l, reply, args, &after)) {
		rt_reply_ok(reply, page(&l, name, add, after, args));
	}
	json_decref(l.items);
	xfed_arena_deinit(&l.a);
}

void command_contact_list(struct rt_reply reply, const json_t *args, void *user)
{
	list(user, reply, args, "contacts", add_contact);
}

void command_subscription_list(struct rt_reply reply, const json_t *args, void *user)
{
	list(user, reply, args, "subscriptions", add_subscriptions);
}

/* ---- one pair ---- */

struct ends {
	struct xfed_arena a;
	struct xfed_span user, contact; /* bare; in the arena */
};

/* False: it has been refused. */
static bool read_ends(const struct admin *ad, struct rt_reply reply, const json_t *args, struct ends *e)
{
	struct xfed_jid user, contact;
	const char *text = json_string_value(json_object_get(args, "contact"));
	if (!address_of_user(ad, reply, &e->a, json_string_value(json_object_get(args, "user")), &user)) {
		return false;
	}
	if (address_read(&e->a, text, &contact) != XFED_OK) {
		rt_reply_fail(reply, "bad-request", "%.200s is no address", text);
		return false;
	}
	e->user = xfed_jid_bare(&e->a, &user);
	e->contact = xfed_jid_bare(&e->a, &contact);
	if (!e->user.data || !e->contact.data) {
		rt_reply_fail(reply, "failed", "out of memory");
		return false;
	}
	return true;
}

static void not_found(struct rt_reply reply, const struct ends *e)
{
	rt_reply_fail(reply, "not-found", "%.150s and %.150s are no contacts, and neither has asked", e->user.data, e->contact.data);
}

static json_t *show(const struct admin *ad, const struct contact *k)
{
	struct presence_subscription all[PER_CONTACT];
	struct contact_facts f;
	enum iw_relation_state state = contact_relation(k).state;
	size_t n = presence_subscriptions(ad->presence, k, all, PER_CONTACT);
	json_t *j = contact_json(ad, k), *live = json_array();
	contact_facts(k, core_now(ad->core), &f);
	for (size_t i = 0; i < n && i < PER_CONTACT; i++) {
		json_array_append_new(live, subscription_json(ad, &all[i]));
	}
	json_object_set_new(j, "live", live);
	json_object_set_new(j, "written_to", json_boolean(f.is_written_to));
	json_object_set_new(j, "added", json_boolean(iw_relation_is_to(state) || iw_relation_is_pending_out(state)));
	set_time(j, "wanted", contact_wanted_s(k));
	return j;
}

void command_contact_show(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	struct ends e = { 0 };
	xfed_arena_init(&e.a, SCRATCH_BYTES);
	if (read_ends(ad, reply, args, &e)) {
		const struct contact *k = contacts_find(ad->contacts, e.user, e.contact);
		if (k && contact_is_related(k)) {
			rt_reply_ok(reply, show(ad, k));
		} else {
			not_found(reply, &e);
		}
	}
	xfed_arena_deinit(&e.a);
}

/* ---- changes: answered when they are in the store ---- */

struct saving {
	struct contacts_wait wait; /* first */
	struct rt_reply reply;
	json_t *result;
};

static void on_saved(struct contacts_wait *w, int rc)
{
	struct saving *s = (struct saving *)w;
	if (rc == XFED_OK) {
		rt_reply_ok(s->reply, json_incref(s->result));
	} else {
		rt_reply_fail(s->reply, "failed", "it is so until the service ends, but the store could not be written: xfedctl status says why");
	}
	json_decref(s->result);
	xfed_free(s);
}

/* Steals `result`. */
static void answer_when_saved(struct admin *ad, struct rt_reply reply, const struct ends *e, json_t *result)
{
	struct saving *s = result ? xfed_calloc(1, sizeof(*s)) : NULL;
	if (!s) {
		json_decref(result);
		rt_reply_fail(reply, "failed", "out of memory");
		return;
	}
	*s = (struct saving){ .wait = { .done = on_saved }, .reply = reply, .result = result };
	contacts_when_saved(ad->contacts, contacts_find(ad->contacts, e->user, e->contact), &s->wait);
	core_flush_soon(ad->core);
}

static void approve(struct admin *ad, struct rt_reply reply, const struct ends *e)
{
	int rc = presence_approve(ad->presence, e->user, e->contact);
	if (rc == XFED_OK) {
		answer_when_saved(ad, reply, e, contact_json(ad, contacts_find(ad->contacts, e->user, e->contact)));
	} else if (rc == XFED_ERR_STATE) {
		rt_reply_fail(reply, "failed",
			"nothing is to be approved for %.150s: users of that partner may ask (partner_type in its file); the SIP server decides",
			e->contact.data);
	} else if (rc == XFED_ERR_NOT_FOUND) {
		rt_reply_fail(reply, "not-found", "%.150s is at no partner that is listed", e->contact.data);
	} else {
		rt_reply_fail(reply, "failed", "out of memory");
	}
}

void command_contact_approve(struct rt_reply reply, const json_t *args, void *user)
{
	struct ends e = { 0 };
	xfed_arena_init(&e.a, SCRATCH_BYTES);
	if (read_ends(user, reply, args, &e)) {
		approve(user, reply, &e);
	}
	xfed_arena_deinit(&e.a);
}

static void remove_contact(struct admin *ad, struct rt_reply reply, const struct ends *e)
{
	const struct contact *k = contacts_find(ad->contacts, e->user, e->contact);
	json_t *before = k && contact_is_related(k) ? contact_json(ad, k) : NULL;
	int rc = before ? presence_remove(ad->presence, e->user, e->contact) : XFED_ERR_NOT_FOUND;
	if (rc == XFED_OK) {
		answer_when_saved(ad, reply, e, before);
		return;
	}
	json_decref(before);
	if (rc == XFED_ERR_NOT_FOUND) {
		not_found(reply, e);
	} else {
		rt_reply_fail(reply, "failed", "out of memory");
	}
}

void command_contact_remove(struct rt_reply reply, const json_t *args, void *user)
{
	struct ends e = { 0 };
	xfed_arena_init(&e.a, SCRATCH_BYTES);
	if (read_ends(user, reply, args, &e)) {
		remove_contact(user, reply, &e);
	}
	xfed_arena_deinit(&e.a);
}

/* ---- subscriptions ---- */

/* False: it has been refused. */
static bool find(const struct admin *ad, struct rt_reply reply, const json_t *args, struct presence_subscription *out)
{
	uint64_t id = (uint64_t)json_integer_value(json_object_get(args, "id"));
	bool is_found = presence_subscription(ad->presence, id, out);
	if (!is_found) {
		rt_reply_fail(reply, "not-found", "there is no subscription %llu (any more)", (unsigned long long)id);
	}
	return is_found;
}

void command_subscription_show(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	struct presence_subscription s;
	if (find(ad, reply, args, &s)) {
		json_t *j = subscription_json(ad, &s);
		json_object_set_new(j, "relation", contact_json(ad, s.contact));
		rt_reply_ok(reply, j);
	}
}

void command_subscription_remove(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	struct presence_subscription s;
	if (find(ad, reply, args, &s)) {
		json_t *j = subscription_json(ad, &s);
		presence_subscription_end(ad->presence, s.id);
		core_flush_soon(ad->core);
		rt_reply_ok(reply, j);
	}
}
