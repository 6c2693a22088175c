/* The contact watches the user: we are the subscriber (RFC 6665 section 4.1, RFC 8048 section 5.2). */
#include "presence/rights.h"

#include <stdio.h>

#include "interwork/address.h"
#include "interwork/pidf.h"
#include "xfed/rt/log.h"

#define ARENA_BYTES (64 * 1024)

static bool is_watched(const struct pair *pair)
{
	return iw_relation_is_from(contact_relation(pair->contact).state);
}

/* ---- what the contact is told ---- */

static void say_gone(struct pair *pair, const struct iw_device *d)
{
	struct iw_device gone = { .name = d->name };
	pair_say(pair, XFED_TYPE_UNAVAILABLE, &gone);
}

/* Everything that was told is over ([A11-03], [B5-12]). */
static void say_all_gone(struct follow *f)
{
	struct pair *pair = f->party.pair;
	for (size_t i = 0; i < f->told.count; i++) {
		say_gone(pair, f->told.list[i]);
	}
	known_remove(&f->told, xfed_span_make(NULL, 0));
}

void follow_tell_all(struct follow *f)
{
	struct pair *pair = f->party.pair;
	for (size_t i = 0; i < f->told.count; i++) {
		pair_say(pair, XFED_TYPE_NONE, f->told.list[i]);
	}
	if (f->told.count == 0) {
		pair_say(pair, XFED_TYPE_UNAVAILABLE, NULL); /* [A11-06] */
	}
}

void follow_tell_again(struct follow *f)
{
	if (f->told.count > 0 && is_watched(f->party.pair)) {
		follow_tell_all(f);
	}
}

static bool is_listed(const struct iw_presence *p, struct xfed_span name)
{
	for (size_t i = 0; i < p->count; i++) {
		if (p->devices[i].is_open && xfed_span_eq(p->devices[i].name, name)) {
			return true;
		}
	}
	return false;
}

/* A full state: what it does not list any more is gone. */
static void tell_changes(struct follow *f, const struct iw_presence *now)
{
	struct pair *pair = f->party.pair;
	for (size_t i = f->told.count; i-- > 0;) {
		struct iw_device *d = f->told.list[i];
		if (!is_listed(now, d->name)) {
			say_gone(pair, d);
			known_remove(&f->told, d->name);
		}
	}
	for (size_t i = 0; i < now->count; i++) {
		bool is_new;
		if (now->devices[i].is_open && known_set(&f->told, &now->devices[i], &is_new) == XFED_OK && is_new) {
			pair_say(pair, XFED_TYPE_NONE, &now->devices[i]);
			pair_used(pair, false);
		}
	}
}

/* ---- the machine ---- */

/* The user, or the user's server, has let the contact see. */
static void approved(struct follow *f)
{
	struct pair *pair = f->party.pair;
	if (iw_relation_is_pending_in(contact_relation(pair->contact).state)) {
		pair_relate(pair, IW_RELATION_OUT_SUBSCRIBED);
		pair_say(pair, XFED_TYPE_SUBSCRIBED, NULL);
	}
}

static bool is_refusal(const struct sip_subscriber_action *act)
{
	return act->reason == SIP_END_REJECTED || act->reason == SIP_END_NORESOURCE || act->status == 403 || act->status == 404 ||
	       act->status == 489 || act->status == 603 || act->status == 604;
}

static void ended(struct follow *f, const struct sip_subscriber_action *act)
{
	struct pair *pair = f->party.pair;
	if (!is_refusal(act)) {
		return; /* it is made anew; what was told stays until more is known */
	}
	say_all_gone(f);
	if (pair_relate(pair, IW_RELATION_OUT_UNSUBSCRIBED).is_changed) {
		pair_say(pair, XFED_TYPE_UNSUBSCRIBED, NULL);
	}
}

static void run(struct follow *f)
{
	struct sip_subscriber_action act;
	while (sip_subscriber_next(&f->machine, &act)) {
		if (act.kind == SIP_SUBSCRIBER_SEND) {
			f->has_subscribe = true;
			f->is_new = act.is_new;
			f->expires_s = act.expires_s;
			f->number = act.number;
			party_queue(&f->party);
		} else if (act.state == SIP_SUB_ACTIVE) {
			approved(f);
		} else if (act.state == SIP_SUB_TERMINATED) {
			ended(f, &act);
			party_queue(&f->party); /* where it is not wanted any more it is let go */
		}
	}
	party_arm(&f->party, sip_subscriber_deadline(&f->machine));
}

static void step(struct follow *f, const struct sip_subscriber_event *ev)
{
	sip_subscriber_step(&f->machine, ev, presence_now(f->party.pair->presence));
	run(f);
}

void follow_due(struct follow *f)
{
	step(f, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_TICK });
}

static const struct config_domain *domain_of(const struct pair *pair)
{
	struct xfed_span local = contact_local(pair->contact);
	const char *at = memchr(local.data, '@', local.len);
	size_t skip = at ? (size_t)(at - local.data) + 1 : 0;
	return config_domain(policy_config(pair->presence->policy), xfed_span_make(local.data + skip, local.len - skip));
}

static int follow_new(struct pair *pair, struct follow **out)
{
	struct presence *p = pair->presence;
	const struct config_domain *d = domain_of(pair);
	uint64_t share = policy_partner_share(p->policy, pair_remote_domain(pair));
	int rc = p->follow_count < PRESENCE_FOLLOWS_MAX ? tally_take(&p->shares, share, PRESENCE_FOLLOWS_SHARE_MAX) : XFED_ERR_LIMIT;
	if (rc != XFED_OK) {
		return rc;
	}
	struct follow *f = d ? xfed_calloc(1, sizeof(*f)) : NULL;
	if (!f || !(f->party.send.hop = trunk_hop_of(p->trunk, d)) || party_init(&f->party, PARTY_FOLLOW, pair) != XFED_OK) {
		xfed_free(f);
		tally_give(&p->shares, share);
		return XFED_ERR_NOMEM;
	}
	f->share = share;
	sip_subscriber_init(&f->machine, &p->core->d.env);
	*out = f;
	return XFED_OK;
}

int follow_begin(struct pair *pair)
{
	int rc = pair->follow ? XFED_OK : follow_new(pair, &pair->follow);
	if (rc != XFED_OK) {
		return rc;
	}
	struct follow *f = pair->follow;
	if (f->machine.state == SIP_SUB_IDLE || f->machine.state == SIP_SUB_TERMINATED) {
		step(f, &(struct sip_subscriber_event){
				.kind = SIP_SUBSCRIBER_SUBSCRIBE, .expires_s = policy_config(pair->presence->policy)->presence.refresh_ms / 1000 });
	}
	return XFED_OK;
}

void follow_end(struct pair *pair)
{
	if (pair->follow) {
		say_all_gone(pair->follow);
		step(pair->follow, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_UNSUBSCRIBE });
		party_queue(&pair->follow->party);
	}
}

void follow_free(struct follow *f)
{
	if (f) {
		f->party.pair->follow = NULL;
		tally_give(&f->party.pair->presence->shares, f->share);
		party_deinit(&f->party);
		known_deinit(&f->told);
		xfed_free(f);
	}
}

/* ---- SUBSCRIBE ---- */

struct addresses {
	struct xfed_span uri, from_uri;
};

static int map_addresses(const struct pair *pair, const struct config_domain *d, struct xfed_arena *a, struct addresses *out)
{
	struct xfed_jid user, contact;
	int rc = xfed_jid_parse(a, contact_local(pair->contact), &user);
	rc = rc == XFED_OK ? xfed_jid_parse(a, contact_remote(pair->contact), &contact) : rc;
	if (rc != XFED_OK) {
		return rc;
	}
	user.domain = xfed_span_str(d->sip_domain ? d->sip_domain : d->domain);
	rc = iw_jid_to_sip(a, &user, NULL, &out->uri);
	return rc == XFED_OK ? iw_jid_to_sip(a, &contact, NULL, &out->from_uri) : rc;
}

static void make_ids(struct follow *f)
{
	const struct presence *p = f->party.pair->presence;
	struct core_id id;
	core_id(p->core, CORE_ID_REQUEST, XFED_SPAN("presence"), p->core->d.boot_nonce, ++f->party.pair->presence->core->last_id, &id);
	memcpy(f->call_id, id.text, sizeof(f->call_id));
	core_id(p->core, CORE_ID_STANZA, XFED_SPAN("presence"), p->core->d.boot_nonce, p->core->last_id, &id);
	memcpy(f->tag, id.text, sizeof(f->tag));
	f->cseq = 1 + (uint32_t)(id.number % 0x3fffffff);
}

static int send_subscribe(struct follow *f, struct xfed_arena *a)
{
	struct pair *pair = f->party.pair;
	struct presence *p = pair->presence;
	const struct config_domain *d = domain_of(pair);
	struct addresses to;
	char lines[160], contact[TRUNK_CONTACT_BYTES];
	uint64_t txn;
	int rc = d ? map_addresses(pair, d, a, &to) : XFED_ERR_NOT_FOUND;
	if (rc != XFED_OK) {
		return rc;
	}
	snprintf(lines, sizeof(lines), "Event: presence\r\nAccept: application/pidf+xml\r\nExpires: %lld\r\n", (long long)f->expires_s);
	struct sip_layer_request rq = {
		.max_request = d->max_request_bytes,
		.user = &p->trunk_user.sip,
		.id = f->party.id,
		.request = { .method = XFED_SPAN("SUBSCRIBE"), .user_agent = XFED_SPAN(SIP_USER_AGENT), .extra = xfed_span_str(lines) },
	};
	if (f->is_new) {
		sip_location_target(sip_failover_place(f->party.send.places), &rq.target);
		f->party.transport = rq.target.transport;
		rq.request.uri = rq.request.to_uri = to.uri;
		rq.request.from_uri = to.from_uri;
		rq.request.from_tag = xfed_span_str(f->tag);
		rq.request.call_id = xfed_span_str(f->call_id);
		rq.request.cseq = f->cseq;
	} else {
		rq.dialog = f->party.dialog;
	}
	rq.request.contact = xfed_span_str(trunk_contact(p->trunk, f->party.transport, contact));
	return f->is_new ? trunk_send_request(&f->party.send, &rq, &txn) : trunk_send_inside(&f->party.send, d, &rq, &txn);
}

static bool is_unwanted(const struct follow *f)
{
	return f->machine.is_unwanted && (f->machine.state == SIP_SUB_TERMINATED || f->machine.state == SIP_SUB_IDLE);
}

/* Refused for good, and nobody sees by it any more. */
static bool is_over(const struct follow *f)
{
	bool is_down = f->machine.state == SIP_SUB_TERMINATED && sip_subscriber_deadline(&f->machine) == UINT64_MAX;
	return !f->has_subscribe && (is_unwanted(f) || (is_down && !is_watched(f->party.pair)));
}

static void send_on(struct follow *f)
{
	struct xfed_arena a;
	f->has_subscribe = false;
	xfed_arena_init(&a, ARENA_BYTES);
	int rc = send_subscribe(f, &a);
	xfed_arena_deinit(&a);
	if (rc != XFED_OK) {
		int status = rc == XFED_ERR_NOT_FOUND && !f->is_new ? 481 : 503;
		step(f, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_ANSWER,
				.number = f->number,
				.status = status,
				.expires_s = -1,
				.min_expires_s = -1,
				.retry_after_s = -1 });
	}
}

void follow_flush(struct follow *f)
{
	struct pair *pair = f->party.pair;
	if (is_over(f)) {
		follow_free(f);
		pair_release(pair);
		return;
	}
	if (!f->has_subscribe || f->is_locating) {
		return;
	}
	if (f->is_new && !f->party.send.places) {
		f->is_locating = true;
		make_ids(f);
		trunk_want(&f->party.send);
		return;
	}
	send_on(f);
}

void follow_located(struct follow *f, bool is_found)
{
	f->is_locating = false;
	if (is_found) {
		party_queue(&f->party);
	} else {
		f->has_subscribe = false;
		step(f, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_NO_ANSWER, .number = f->number });
	}
}

/* ---- answers ---- */

static int64_t min_expires(const struct sip_message *m)
{
	const struct sip_header *h = sip_message_header_named(m, "Min-Expires", NULL);
	int64_t n = h && h->value.len > 0 ? 0 : -1;
	for (size_t i = 0; h && i < h->value.len && n >= 0; i++) {
		bool is_digit = h->value.data[i] >= '0' && h->value.data[i] <= '9' && n < 100000000;
		n = is_digit ? n * 10 + (h->value.data[i] - '0') : -1;
	}
	return n;
}

void follow_answered(struct follow *f, const struct sip_message *m, uint64_t dialog)
{
	if (trunk_send_challenged(&f->party.send, m)) {
		f->has_subscribe = true;
		party_queue(&f->party);
		return;
	}
	if (m->status < 300) {
		f->party.dialog = dialog ? dialog : f->party.dialog;
		trunk_send_end(&f->party.send); /* from now on the dialog says where to */
	}
	step(f, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_ANSWER,
			.number = f->number,
			.status = m->status,
			.expires_s = m->expires,
			.min_expires_s = min_expires(m),
			.retry_after_s = m->retry_after_s });
}

void follow_failed(struct follow *f)
{
	trunk_send_end(&f->party.send); /* its places are looked for again */
	step(f, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_NO_ANSWER, .number = f->number });
}

/* ---- NOTIFY ---- */

/* What a public partner's users never see. */
static void hide_notes(const struct pair *pair, struct iw_presence *now)
{
	const struct xfed_partner *partner = policy_partner(pair->presence->policy, pair_remote_domain(pair));
	for (size_t i = 0; i < now->count && (!partner || partner->type != XFED_PARTNER_FEDERATED); i++) {
		now->devices[i].notes.count = 0;
	}
}

static enum xfed_reason read_state(struct follow *f, const struct sip_message *m, struct xfed_arena *a, struct iw_presence *out)
{
	const struct pair *pair = f->party.pair;
	const struct config_domain *d = domain_of(pair);
	enum iw_pidf_result rc = iw_pidf_read(a, m->body, m->content_language, out);
	if (rc == IW_PIDF_OK && d) {
		struct iw_presence_map map;
		policy_presence_map(pair->presence->policy, d, pair_remote_domain(pair), &map);
		iw_presence_map_to_xmpp(&map, out);
	}
	return iw_pidf_reason(rc);
}

static void reply(struct follow *f, const struct sip_incoming *rq, int status)
{
	presence_reply(f->party.pair->presence, &(struct reply){ .txn = rq->txn, .status = status, .expires_s = -1 });
}

void follow_notify(struct follow *f, const struct sip_incoming *rq, struct xfed_arena *a)
{
	const struct sip_message *m = rq->message;
	const struct sip_header *h = sip_message_header(m, SIP_HEADER_SUBSCRIPTION_STATE, NULL);
	struct sip_subscriber_event ev = { .kind = SIP_SUBSCRIBER_NOTIFY };
	struct iw_presence now = { 0 };
	struct iw_sip_error e = { .status = 200 };
	if (!h || sip_sub_value_parse(h->value, &ev.value) != XFED_OK) {
		reply(f, rq, 400);
		return;
	}
	enum xfed_reason reason = m->body.len > 0 ? read_state(f, m, a, &now) : XFED_REASON_NONE;
	if (reason != XFED_REASON_NONE) {
		iw_reason_to_sip(reason, &e);
		core_count_refusal(f->party.pair->presence->core, reason, xfed_reason_info(reason)->side);
		reply(f, rq, e.status);
		return;
	}
	reply(f, rq, 200);
	step(f, &ev);
	bool is_up = f->machine.state == SIP_SUB_ACTIVE;
	if (is_up && is_watched(f->party.pair) && m->body.len > 0) {
		hide_notes(f->party.pair, &now);
		tell_changes(f, &now);
	}
}
