/* change check: a change is tried, and what it would do to what is live is told with it. */
#include <stdio.h>

#include "admin/admin.h"
#include "admin/effects.h"
#include "sessions/sessions.h"
#include "xfed/mem.h"

#define WALK_MAX 100000 /* contacts that are looked at */

struct looking {
	struct admin *admin;
	struct rt_reply reply;
	struct xfed_policy *is; /* the partners as the change would leave them; NULL: it was refused */
	json_t *answer, *effects;
	struct effects_streams streams;
	size_t pending;
};

/* ---- what the gateway itself has ---- */

/* Contacts of one domain follow each other, so that each domain is judged once. */
static void tell_contacts(struct looking *l, const struct xfed_policy *was)
{
	static const struct contacts_filter all;
	struct admin *ad = l->admin;
	struct effects_pair pair = { 0 };
	struct xfed_span domain = { 0 };
	size_t contacts = 0, subscriptions = 0, seen = 0;
	for (struct contact *k = contacts_next(ad->contacts, &all, NULL); k && seen < WALK_MAX; k = contacts_next(ad->contacts, &all, k), seen++) {
		struct xfed_span remote = contact_remote(k);
		const char *at = remote.len > 0 ? memchr(remote.data, '@', remote.len) : NULL;
		struct xfed_span own = at ? xfed_span_make(at + 1, remote.len - (size_t)(at + 1 - remote.data)) : remote;
		if (!domain.data || !xfed_span_eq(domain, own)) {
			domain = own;
			pair = effects_pair(was, l->is, own);
		}
		contacts += pair.is_gone || pair.loses_presence;
		subscriptions += pair.is_gone || pair.loses_presence ? presence_subscriptions(ad->presence, k, NULL, 0) : 0;
	}
	const char *contacts_words = seen == WALK_MAX ? "pairs of a user and a contact, at least, are shown each other no more"
						      : "pairs of a user and a contact are shown each other no more";
	effects_tell_count(l->effects, "contacts", contacts, contacts_words);
	effects_tell_count(l->effects, "subscriptions", subscriptions, "subscriptions of presence end");
}

static void tell_sessions(struct looking *l, const struct xfed_policy *was)
{
	size_t count = 0;
	struct sessions_call c = { 0 };
	for (uint64_t after = 0; l->admin->sessions && sessions_next(l->admin->sessions, after, &c); after = c.id) {
		const char *at = memchr(c.remote.data, '@', c.remote.len);
		struct xfed_span domain = at ? xfed_span_make(at + 1, c.remote.len - (size_t)(at + 1 - c.remote.data)) : c.remote;
		count += effects_pair(was, l->is, domain).is_gone;
	}
	effects_tell_count(l->effects, "sessions", count, "conversations that are open carry nothing more");
}

/* ---- what the edges have ---- */

static void finish(struct looking *l)
{
	if (--l->pending > 0) {
		return;
	}
	effects_tell_streams(&l->streams, l->effects);
	json_object_set_new(l->answer, "effects", l->effects);
	rt_reply_ok(l->reply, l->answer);
	xfed_policy_free(l->is);
	xfed_free(l);
}

static void on_streams(void *user, const struct channel_edge *e, bool ok, json_t *answer)
{
	struct looking *l = user;
	char text[256];
	if (ok) {
		effects_add_streams(&l->streams, l->is, json_object_get(answer, "streams"));
	} else {
		snprintf(text, sizeof(text), "the edge %.100s has not answered: its streams are not counted", e->name);
		json_array_append_new(l->effects, json_pack("{s:s, s:s}", "what", "unknown", "text", text));
	}
	finish(l);
}

static void look(struct looking *l)
{
	struct admin *ad = l->admin;
	const struct xfed_policy *was = policy_partners(ad->policy);
	l->effects = json_array();
	l->pending = 1;
	effects_partners(was, l->is, l->effects);
	tell_contacts(l, was);
	tell_sessions(l, was);
	for (size_t i = 0; i < channel_edge_count(ad->channel); i++) {
		l->pending += channel_ask(ad->channel, i, "stream.list", NULL, 0, CHANNEL_ANSWER_MS, on_streams, l);
	}
	finish(l);
}

/* ---- the trial ---- */

static void on_fresh(void *user, struct xfed_policy *fresh)
{
	struct looking *l = user;
	l->is = fresh;
}

static void on_tried(void *user, json_t *result, const char *code, const char *text)
{
	struct looking *l = user;
	if (result && l->is) {
		l->answer = result;
		look(l);
		return;
	}
	if (result) {
		rt_reply_ok(l->reply, result);
	} else {
		rt_reply_fail(l->reply, code, "%s", text);
	}
	xfed_policy_free(l->is);
	xfed_free(l);
}

void command_change_check(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	struct looking *l = xfed_calloc(1, sizeof(*l));
	if (!l) {
		rt_reply_fail(reply, "failed", "out of memory");
		return;
	}
	*l = (struct looking){ .admin = ad, .reply = reply };
	struct policy_look look = { on_fresh, l };
	admin_try(ad, (struct rt_reply){ on_tried, l, NULL }, args, &look);
}
