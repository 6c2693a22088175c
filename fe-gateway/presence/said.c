/* Stanzas to contacts that have no fate yet; an undelivered one puts its pair in doubt. */
#include "presence/rights.h"
#include "presence/stale.h"

#include "proto/outcome.h"
#include "xfed/rt/log.h"

struct said {
	char id[CORE_ID_LEN];
	struct contact *contact; /* held */
	enum xfed_stanza_type type;
	UT_hash_handle hh;
};

void pair_said(struct pair *pair, struct xfed_span id, enum xfed_stanza_type type)
{
	struct presence *p = pair->presence;
	struct said *s = id.len == CORE_ID_LEN ? xfed_calloc(1, sizeof(*s)) : NULL;
	if (!s) {
		pair_doubt(pair, PRESENCE_DOUBT_UNSENT); /* its fate could not be looked up */
		return;
	}
	memcpy(s->id, id.data, sizeof(s->id));
	s->type = type;
	HASH_ADD(hh, p->said, id, sizeof(s->id), s);
	if (!XFED_TABLE_ADDED(s)) {
		xfed_free(s);
		pair_doubt(pair, PRESENCE_DOUBT_UNSENT);
		return;
	}
	s->contact = contacts_hold(p->contacts, pair->contact, contact_local(pair->contact), contact_remote(pair->contact));
	pair->under_way++;
}

bool pair_has_unsaid(const struct pair *pair)
{
	return pair->unsaid[0] != XFED_TYPE_NONE || pair->unsaid[1] != XFED_TYPE_NONE;
}

void pair_all_said(struct pair *pair)
{
	pair->presence->unsaid_count -= pair_has_unsaid(pair);
	pair->unsaid[0] = pair->unsaid[1] = XFED_TYPE_NONE;
}

/* A later word takes the place of an earlier one of its direction only: what the user may see, and who may see the user. */
void pair_unsaid(struct pair *pair, enum xfed_stanza_type type)
{
	struct presence *p = pair->presence;
	bool is_first = !pair_has_unsaid(pair);
	if (is_first && p->unsaid_count == PRESENCE_UNSAID_MAX) {
		enum xfed_reason reason = XFED_REASON_DELIVERY_QUEUE_FULL;
		contacts_told(p->contacts, pair->contact);
		core_count_refusal(p->core, reason, xfed_reason_info(reason)->side);
		rt_log(RT_LOG_WARNING, "presence.not-repeated", RT_KV_ADDRESS("local", contact_local(pair->contact)),
			RT_KV_ADDRESS("partner", contact_remote(pair->contact)), RT_KV_REASON(reason), RT_END);
		return;
	}
	p->unsaid_count += is_first;
	pair->unsaid[type == XFED_TYPE_SUBSCRIBED || type == XFED_TYPE_UNSUBSCRIBED] = (uint8_t)type;
}

static void forget(struct presence *p, struct said *s)
{
	struct pair *pair = contact_live(s->contact);
	if (pair) {
		pair->under_way--;
	}
	HASH_DELETE(hh, p->said, s);
	contacts_give_back(p->contacts, s->contact, presence_now(p));
	xfed_free(s);
}

/* Not delivered, or uncertain: the contact's view is unknown. */
static void not_there(struct pair *pair, const struct said *s, const struct proto_result *r)
{
	bool is_presence = s->type == XFED_TYPE_NONE || s->type == XFED_TYPE_UNAVAILABLE;
	rt_log(RT_LOG_INFO, "presence.undelivered", RT_KV_ADDRESS("local", contact_local(pair->contact)),
		RT_KV_ADDRESS("partner", contact_remote(pair->contact)), RT_KV_REASON(r->reason),
		RT_KV_STR("kind", is_presence		       ? "presence"
				  : s->type == XFED_TYPE_PROBE ? "probe"
							       : "subscription"),
		RT_END);
	if (pair->follow && s->type == XFED_TYPE_UNAVAILABLE) {
		pair->follow->is_remembered = true;
	}
	if (!is_presence && s->type != XFED_TYPE_PROBE) {
		pair_unsaid(pair, s->type);
	}
	pair_doubt(pair, PRESENCE_DOUBT_UNSENT);
}

void presence_outcome(struct presence *p, struct xfed_span stanza_id, const struct proto_result *r)
{
	struct said *s = NULL;
	presence_trials_outcome(p, stanza_id, r);
	if (stanza_id.len == CORE_ID_LEN) {
		HASH_FIND(hh, p->said, stanza_id.data, CORE_ID_LEN, s);
	}
	if (!s) {
		return;
	}
	struct pair *pair = contact_live(s->contact);
	bool is_there = r->fate == XFED__FATE__FATE_DELIVERED || r->fate == XFED__FATE__FATE_DROPPED; /* a newer one has replaced it */
	if (pair && !is_there) {
		not_there(pair, s, r);
	} else if (pair && s->type != XFED_TYPE_SUBSCRIBE && s->type != XFED_TYPE_PROBE) { /* that a question is there is no answer yet */
		pair->pause_ms = 0;
	}
	if (is_there && s->type == XFED_TYPE_UNSUBSCRIBED) {
		contacts_told(p->contacts, s->contact);
	}
	forget(p, s);
	if (pair) {
		pair_release(pair);
	}
}

void presence_forget_said(struct presence *p)
{
	struct said *s, *next;
	HASH_ITER(hh, p->said, s, next) {
		forget(p, s);
	}
}
