/* The contact watches the user: we are the subscriber (RFC 6665 section 4.1, RFC 8048 section 5.2). */
#include "presence/follow.h"
#include "presence/format.h"
#include "presence/rights.h"

#include "interwork/errors.h"
#include "xfed/rt/log.h"

static bool is_watched(const struct pair *pair)
{
	return iw_relation_is_from(contact_relation(pair->contact).state);
}

/* ---- what the contact is told ---- */

/* Not while it is being ended: a NOTIFY that crosses our last SUBSCRIBE shows nothing to whom policy, or an operator, lets see no more. */
static bool may_see(const struct follow *f)
{
	return !f->machine.is_unwanted && is_watched(f->party.pair) && !pair_is_forbidden(f->party.pair, true);
}

/* What comes before the contact has heard that it may see the user is told behind that (pair_approved()). */
static bool may_tell(const struct follow *f)
{
	return may_see(f) && !f->party.pair->is_saving;
}

/* A public partner's users never see notes. */
static void hide_notes(const struct pair *pair, struct iw_device *d)
{
	const struct xfed_partner *partner = policy_partner(pair->presence->policy, pair_remote_domain(pair));
	if (!partner || partner->type != XFED_PARTNER_FEDERATED) {
		d->notes.count = 0;
	}
}

/* Every device that is shown to a contact is shown here; also one that was told before a reload made its partner public. */
static void say_device(struct follow *f, struct iw_device *d)
{
	hide_notes(f->party.pair, d);
	if (may_tell(f)) {
		pair_say(f->party.pair, XFED_TYPE_NONE, d);
	}
}

void follow_rejudge(struct follow *f)
{
	bool is_all = known_digest(&f->told) == f->heard;
	for (size_t i = 0; i < f->told.count; i++) {
		struct iw_device *d = f->told.list[i];
		uint64_t before = device_digest(d);
		hide_notes(f->party.pair, d);
		if (device_digest(d) != before) {
			say_device(f, d);
		}
	}
	f->heard = is_all ? known_digest(&f->told) : f->heard; /* else what is missing is still found (drift.c) */
}

static void say_gone(struct pair *pair, const struct iw_device *d)
{
	struct iw_device gone = { .name = d->name };
	pair_say(pair, XFED_TYPE_UNAVAILABLE, &gone);
}

/* Devices that the contact was sent before this process began: unavailable from the bare JID ends all of them ([A11-09]). */
static void forget_remembered(struct follow *f)
{
	if (f->is_remembered) {
		f->is_remembered = false;
		pair_say(f->party.pair, XFED_TYPE_UNAVAILABLE, NULL);
	}
}

/* Sends unavailable for every device the contact was sent ([A11-03], [B5-12]). */
static void say_all_gone(struct follow *f)
{
	struct pair *pair = f->party.pair;
	for (size_t i = 0; i < f->told.count; i++) {
		say_gone(pair, f->told.list[i]);
	}
	forget_remembered(f);
	known_remove(&f->told, xfed_span_make(NULL, 0));
	f->heard = 0;
}

void follow_tell_all(struct follow *f)
{
	struct pair *pair = f->party.pair;
	for (size_t i = 0; i < f->told.count; i++) {
		say_device(f, f->told.list[i]);
	}
	if (f->told.count == 0) {
		pair_say(pair, XFED_TYPE_UNAVAILABLE, NULL); /* [A11-06] */
	}
}

void follow_tell_again(struct follow *f)
{
	bool is_remembered = f->is_remembered;
	if (!may_tell(f)) {
		return;
	}
	forget_remembered(f);
	if (f->told.count > 0) {
		follow_tell_all(f);
	} else if (!is_remembered && f->machine.state == SIP_SUB_ACTIVE) {
		pair_say(f->party.pair, XFED_TYPE_UNAVAILABLE, NULL);
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

/* A NOTIFY has the full state: devices it does not list are unavailable. */
static void tell_changes(struct follow *f, struct iw_presence *now)
{
	struct pair *pair = f->party.pair;
	forget_remembered(f);
	for (size_t i = f->told.count; i-- > 0;) {
		struct iw_device *d = f->told.list[i];
		if (!is_listed(now, d->name)) {
			say_gone(pair, d);
			known_remove(&f->told, d->name);
		}
	}
	f->heard = 0;
	for (size_t i = 0; i < now->count; i++) {
		bool is_new;
		hide_notes(pair, &now->devices[i]);
		int rc = now->devices[i].is_open ? known_set(&f->told, &now->devices[i], &is_new) : XFED_ERR_LIMIT;
		f->heard += rc == XFED_ERR_LIMIT ? 0 : device_digest(&now->devices[i]); /* devices beyond the limit are not told */
		if (rc == XFED_OK && is_new) {
			say_device(f, &now->devices[i]);
			pair_used(pair, false);
		}
	}
}

/* ---- the machine ---- */

/* The first NOTIFY with state active: the user, or the user's SIP server, has approved. */
static void approved(struct follow *f)
{
	struct pair *pair = f->party.pair;
	if (iw_relation_is_pending_in(contact_relation(pair->contact).state)) {
		pair_relate(pair, IW_RELATION_OUT_SUBSCRIBED);
		pair_approved(pair);
	}
}

static bool is_refusal(const struct sip_subscriber_action *act)
{
	return act->reason == SIP_END_REJECTED || act->reason == SIP_END_NORESOURCE || sip_status_refuses_subscription(act->status);
}

static void note_refused(const struct pair *pair, const struct sip_subscriber_action *act)
{
	struct iw_xmpp_error e = { .reason = XFED_REASON_SIP_REQUEST_REFUSED };
	if (act->status != 0) {
		iw_sip_status_to_error(act->status, false, &e);
	}
	core_count_refusal(pair->presence->core, e.reason, xfed_reason_info(e.reason)->side);
	rt_log(RT_LOG_INFO, "presence.rejected", RT_KV_ADDRESS("local", contact_local(pair->contact)),
		RT_KV_ADDRESS("partner", contact_remote(pair->contact)), RT_KV_REASON(e.reason), RT_KV_I64("sip_status", act->status),
		RT_KV_STR("text", sip_end_reason_word(act->reason)), RT_END);
}

static void ended(struct follow *f, const struct sip_subscriber_action *act)
{
	struct pair *pair = f->party.pair;
	if (act->reason == SIP_END_INVARIANT) {
		return; /* the last state holds for good (RFC 6665 section 4.1.3) */
	}
	if (!is_refusal(act)) { /* it is subscribed to anew; what was told stays for a minute */
		follow_mark(f, PRESENCE_DOUBT_ENDED);
		follow_await(f);
		return;
	}
	follow_is_fresh(f);
	note_refused(pair, act);
	say_all_gone(f);
	if (pair_relate(pair, IW_RELATION_OUT_UNSUBSCRIBED).is_changed) {
		pair_say(pair, XFED_TYPE_UNSUBSCRIBED, NULL);
	}
}

/* True also after terminated;reason=invariant: the last state holds (RFC 6665 section 4.1.3). */
bool follow_is_known(const struct follow *f)
{
	bool is_final = f->machine.state == SIP_SUB_TERMINATED && sip_subscriber_deadline(&f->machine) == UINT64_MAX;
	bool is_going = f->machine.is_unwanted || f->machine.is_ending || f->machine.is_missed; /* what was told has been taken back */
	return !is_going && (f->machine.state == SIP_SUB_ACTIVE || (is_final && f->told.count > 0));
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
			party_dialog(&f->party, 0);
			ended(f, &act);
			party_queue(&f->party); /* follow_flush() frees an unwanted one */
		}
	}
	party_count(&f->party, f->machine.state);
	party_rearm(&f->party);
}

void follow_step(struct follow *f, const struct sip_subscriber_event *ev)
{
	sip_subscriber_step(&f->machine, ev, presence_now(f->party.pair->presence));
	run(f);
}

void follow_due(struct follow *f)
{
	struct sip_subscriber_event ev = { .kind = party_is_turn(&f->party) ? SIP_SUBSCRIBER_DOUBT : SIP_SUBSCRIBER_TICK };
	if (follow_is_given_up(f)) {
		rt_log(RT_LOG_INFO, "presence.unanswered-refresh", RT_KV_ADDRESS("local", contact_local(f->party.pair->contact)),
			RT_KV_ADDRESS("partner", contact_remote(f->party.pair->contact)), RT_KV_STR("why", presence_doubt_word(f->why)), RT_END);
		say_all_gone(f);
	}
	follow_step(f, &ev);
}

static int follow_new(struct pair *pair, struct follow **out)
{
	struct presence *p = pair->presence;
	const struct config_domain *d = follow_domain(pair);
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
	f->gone_ms = STALE_NEVER;
	sip_subscriber_init(&f->machine, &p->core->d.env);
	f->is_remembered = is_watched(pair); /* the relation is older than this follow */
	*out = f;
	return XFED_OK;
}

int follow_begin(struct pair *pair, enum presence_doubt why)
{
	int rc = pair->follow ? XFED_OK : follow_new(pair, &pair->follow);
	if (rc != XFED_OK) {
		return rc;
	}
	struct follow *f = pair->follow;
	pair->is_ended = false;
	bool is_there = f->machine.state != SIP_SUB_IDLE && f->machine.state != SIP_SUB_TERMINATED;
	if (!is_there || f->machine.is_unwanted) { /* one that is unsubscribing subscribes again afterwards */
		follow_step(f, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_SUBSCRIBE,
				       .expires_s = policy_config(pair->presence->policy)->presence.refresh_ms / 1000 });
		if (is_watched(pair)) {
			follow_mark(f, why);
		}
	}
	return XFED_OK;
}

void follow_end(struct pair *pair)
{
	if (pair->follow) {
		follow_is_fresh(pair->follow);
		say_all_gone(pair->follow);
		follow_step(pair->follow, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_UNSUBSCRIBE });
		party_queue(&pair->follow->party);
	}
}

void follow_free(struct follow *f)
{
	if (f) {
		follow_is_fresh(f);
		f->party.pair->follow = NULL;
		tally_give(&f->party.pair->presence->shares, f->share);
		party_deinit(&f->party);
		known_deinit(&f->told);
		xfed_free(f);
	}
}

/* ---- NOTIFY ---- */

/* A note that changed is told alone: the devices stay as they were told. */
static enum iw_pidf_result keep_devices(const struct follow *f, struct xfed_arena *a, struct iw_presence *p)
{
	struct iw_device *list = xfed_arena_alloc(a, f->told.count * sizeof(*list));
	if (!list) {
		return IW_PIDF_NO_MEMORY;
	}
	for (size_t i = 0; i < f->told.count; i++) {
		iw_device_assign(&list[i], f->told.list[i]);
		list[i].notes = p->person.notes;
	}
	p->devices = list;
	p->count = f->told.count;
	return IW_PIDF_OK;
}

static enum xfed_reason read_state(struct follow *f, const struct sip_message *m, struct xfed_arena *a, struct iw_presence *out)
{
	const struct pair *pair = f->party.pair;
	const struct config_domain *d = follow_domain(pair);
	bool has_state;
	enum iw_pidf_result rc = format_read(a, m, out, &has_state);
	rc = rc == IW_PIDF_OK && !has_state ? keep_devices(f, a, out) : rc;
	if (rc == IW_PIDF_OK && d) {
		struct iw_presence_map map;
		policy_presence_map(pair->presence->policy, d, pair_remote_domain(pair), &map);
		iw_presence_map_to_xmpp(&map, out);
	}
	return iw_pidf_reason(rc);
}

static void reply(struct follow *f, const struct sip_incoming *rq, int status, enum xfed_reason reason)
{
	struct presence *p = f->party.pair->presence;
	struct reply r = { .txn = rq->txn,
		.status = status,
		.expires_s = -1,
		.reason = reason,
		.retry_after_s = reason == XFED_REASON_SIP_PRESENCE_TOO_OFTEN ? 5 : 0 };
	rt_metric_add(p->core->d.metrics, RT_M_PRESENCE_NOTIFICATIONS, 1,
		RT_LABELS(XFED_SPAN("in"), status < 300 ? XFED_SPAN("taken") : XFED_SPAN("refused")));
	if (reason != XFED_REASON_NONE) {
		core_count_refusal(p->core, reason, xfed_reason_info(reason)->side);
		rt_log(RT_LOG_INFO, "presence.notify-refused", RT_KV_ADDRESS("local", contact_local(f->party.pair->contact)),
			RT_KV_ADDRESS("partner", contact_remote(f->party.pair->contact)), RT_KV_REASON(reason),
			RT_KV("call_id", rq->message->call_id), RT_KV_I64("sip_status", status), RT_END);
	}
	presence_reply(p, &r);
}

/* False: it has been answered. */
static bool is_readable(struct follow *f, const struct sip_incoming *rq, struct xfed_arena *a, struct sip_sub_value *value, struct iw_presence *now)
{
	const struct sip_message *m = rq->message;
	const struct sip_header *h = sip_message_header(m, SIP_HEADER_SUBSCRIPTION_STATE, NULL);
	struct iw_sip_error e = { .status = 400 };
	if (f->machine.state == SIP_SUB_IDLE || f->machine.state == SIP_SUB_TERMINATED) {
		reply(f, rq, 481, XFED_REASON_SIP_DIALOG_UNKNOWN);
		return false;
	}
	if (!follow_may_notify(f)) {
		reply(f, rq, 500, XFED_REASON_SIP_PRESENCE_TOO_OFTEN);
		return false;
	}
	enum xfed_reason reason = XFED_REASON_SIP_REQUEST_MALFORMED;
	if (h && sip_sub_value_parse(h->value, value) == XFED_OK) {
		bool is_over = value->state == SIP_SUB_TERMINATED; /* that holds whatever its body is, which says nothing any more */
		reason = m->body.len > 0 && !is_over ? read_state(f, m, a, now) : XFED_REASON_NONE;
	}
	if (reason != XFED_REASON_NONE) {
		iw_reason_to_sip(reason, &e);
		reply(f, rq, e.status, reason);
	}
	return reason == XFED_REASON_NONE;
}

void follow_notify(struct follow *f, const struct sip_incoming *rq, struct xfed_arena *a)
{
	struct sip_subscriber_event ev = { .kind = SIP_SUBSCRIBER_NOTIFY };
	struct iw_presence now = { 0 };
	if (!is_readable(f, rq, a, &ev.value, &now)) {
		return;
	}
	reply(f, rq, 200, XFED_REASON_NONE);
	follow_step(f, &ev);
	if (f->machine.state == SIP_SUB_ACTIVE || f->machine.state == SIP_SUB_PENDING) {
		follow_is_fresh(f);
	}
	if (f->machine.state == SIP_SUB_ACTIVE && may_see(f)) {
		tell_changes(f, &now); /* no body: the user is offline as far as we know ([B5.1]) */
	}
}
