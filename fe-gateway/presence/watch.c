/* A device of the user's watches the contact: we are the notifier (RFC 6665 section 4.2, RFC 3856 section 6). */
#include "presence/format.h"
#include "presence/keep.h"
#include "presence/rights.h"
#include "presence/stale.h"

#include <stdio.h>
#include <utlist.h>

#include "interwork/address.h"
#include "xfed/limits.h"
#include "xfed/rt/log.h"

#define EXPIRES_DEFAULT_S 3600
#define EXPIRES_MIN_S	  60
#define TOO_LARGE_S	  3600
#define PROBE_EVERY_MS	  5000
#define FETCH_MS	  5000 /* a fetch waits so long for the answer to its probe ([B5-06]) */
#define FETCH_MORE_MS	  300  /* ... and so long after the first answer for those of other resources */
#define APPROVED_MS	  5000 /* within which the first presence comes behind an approval */
#define FAILING_S	  60

static void run(struct watch *w)
{
	struct sip_notifier_action act;
	while (sip_notifier_next(&w->machine, &act)) {
		switch (act.kind) {
		case SIP_NOTIFIER_RESPOND:
			break; /* respond() has taken it already */
		case SIP_NOTIFIER_NOTIFY:
			w->has_notify = true;
			w->value = act.value;
			party_queue(&w->party);
			break;
		case SIP_NOTIFIER_GONE:
			w->is_gone = true;
			party_queue(&w->party);
			break;
		}
	}
	party_count(&w->party, w->machine.state);
	party_rearm(&w->party);
}

static void step(struct watch *w, const struct sip_notifier_event *ev)
{
	sip_notifier_step(&w->machine, ev, presence_now(w->party.pair->presence));
	run(w);
}

/* NOTIFYs have no body until the contact is heard (RFC 6665 section 4.2.2, [B5.2]): `closed` would be a guess. By then it is offline. */
static void await_state(struct watch *w, uint64_t ms)
{
	w->is_untold = true;
	w->wait_ms = presence_now(w->party.pair->presence) + ms;
	party_rearm(&w->party);
}

/* A NOTIFY that is queued for the end of this turn has the state anyway. */
static void tell_state(struct watch *w, bool is_urgent)
{
	w->is_untold = false;
	w->wait_ms = w->is_fetch ? w->wait_ms : 0;
	if (!w->has_notify || w->value.state != SIP_SUB_ACTIVE) {
		step(w, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_STATE, .is_urgent = is_urgent });
	}
}

void watch_due(struct watch *w)
{
	if (w->wait_ms != 0 && presence_now(w->party.pair->presence) >= w->wait_ms) {
		w->wait_ms = 0;
		if (w->is_fetch) {
			party_queue(&w->party);
		} else if (w->is_untold) {
			tell_state(w, true);
		}
	}
	step(w, &(struct sip_notifier_event){ .kind = party_is_turn(&w->party) ? SIP_NOTIFIER_DOUBT : SIP_NOTIFIER_TICK });
}

static void count_notify(const struct presence *p, const char *result)
{
	rt_metric_add(p->core->d.metrics, RT_M_PRESENCE_NOTIFICATIONS, 1, RT_LABELS(XFED_SPAN("out"), xfed_span_str(result)));
}

void watch_doubt(struct watch *w)
{
	step(w, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_DOUBT });
}

void watches_changed(struct pair *pair, bool is_urgent)
{
	struct watch *w;
	DL_FOREACH(pair->watches, w) {
		tell_state(w, is_urgent);
	}
}

/* The probe after a start was answered, or timed out: resumed watches are notified. */
void watches_tell_untold(struct pair *pair)
{
	struct watch *w;
	DL_FOREACH(pair->watches, w) {
		if (w->is_untold && w->wait_ms == 0) {
			w->is_untold = false;
			watch_doubt(w);
		}
	}
}

void watches_approved(struct pair *pair)
{
	struct watch *w;
	DL_FOREACH(pair->watches, w) {
		w->shows = w->shows || !w->is_fetch;
		if (w->machine.state == SIP_SUB_PENDING) { /* its server sends who is there right behind it (RFC 6121 section 3.1.5) */
			await_state(w, APPROVED_MS);
		}
		step(w, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_ACTIVATE });
	}
}

/* A client of Lync keeps what it was told last, whatever ends the subscription: it is told that the contact is offline first. */
static void end(struct watch *w, enum sip_end_reason reason, int64_t retry_after_s)
{
	const struct pair *pair = w->party.pair;
	const struct config_domain *d = config_domain(policy_config(pair->presence->policy), pair_local_domain(pair));
	bool is_shown = w->machine.state == SIP_SUB_ACTIVE && w->shows;
	if (w->is_leaving) {
		return;
	}
	if (d && d->dialect == CONFIG_DIALECT_LYNC && is_shown) {
		w->is_leaving = true;
		w->last_reason = reason;
		w->last_retry_s = retry_after_s < INT32_MAX ? (int32_t)retry_after_s : INT32_MAX;
		step(w, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_STATE, .is_urgent = true });
		return;
	}
	step(w, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_END, .reason = reason, .retry_after_s = retry_after_s });
}

/* The NOTIFY before the last has its answer, or none. */
static void end_left(struct watch *w)
{
	if (w->is_leave_sent) {
		w->is_leave_sent = false;
		step(w, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_END, .reason = w->last_reason, .retry_after_s = w->last_retry_s });
	}
}

void watch_answered(struct watch *w, const struct sip_message *m)
{
	int status = m ? m->status : 408;
	if (m && trunk_send_challenged(&w->party.send, m)) {
		w->has_notify = true;
		party_queue(&w->party);
		return;
	}
	count_notify(w->party.pair->presence, status < 300 ? "taken" : m ? "refused" : "unanswered");
	if (!m && watch_falls_back(w)) {
		return;
	}
	w->told = status < 300 ? w->sent : w->told;
	step(w, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_ANSWER, .status = status, .retry_after_s = m ? m->retry_after_s : -1 });
	end_left(w);
}

void watch_unsent(struct watch *w)
{
	count_notify(w->party.pair->presence, "unsent");
	if (!watch_falls_back(w)) {
		step(w, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_UNSENT });
		end_left(w);
	}
}

void watch_end(struct watch *w, enum sip_end_reason reason)
{
	end(w, reason, -1);
}

void watches_end(struct pair *pair, enum sip_end_reason reason, int64_t retry_after_s)
{
	struct watch *w;
	DL_FOREACH(pair->watches, w) {
		end(w, reason, retry_after_s);
	}
}

void watches_heard(struct pair *pair)
{
	uint64_t soon = presence_now(pair->presence) + FETCH_MORE_MS;
	struct watch *w;
	DL_FOREACH(pair->watches, w) {
		if (w->is_fetch && w->wait_ms > soon) {
			w->wait_ms = soon;
			w->shows = true;
			party_rearm(&w->party);
		} else if (w->is_untold) {
			tell_state(w, false);
		}
	}
}

static uint64_t user_key(const struct pair *pair)
{
	struct xfed_span local = contact_local(pair->contact);
	return xfed_hash_bytes(local.data, local.len);
}

void watch_free(struct watch *w)
{
	tally_give(&w->party.pair->presence->watched, user_key(w->party.pair));
	DL_DELETE(w->party.pair->watches, w);
	party_deinit(&w->party);
	keep_drop(w);
	xfed_free(w);
}

/* ---- the contact is asked ---- */

/* Each new SUBSCRIBE asks for the contact's current presence ([B5-07]), at most every 5 s. */
static void probe(struct pair *pair)
{
	uint64_t now = presence_now(pair->presence);
	if (pair->probed_ms == 0 || now - pair->probed_ms >= PROBE_EVERY_MS) {
		pair->probed_ms = now;
		pair_say(pair, XFED_TYPE_PROBE, NULL);
	}
}

/* A SUBSCRIBE of the user's adds the contact. */
static void ask_contact(struct pair *pair)
{
	pair_relate(pair, IW_RELATION_OUT_SUBSCRIBE);
	pair_used(pair, true);
	pair_ask_again(pair); /* users of some partners may only see whoever has added them */
	if (iw_relation_is_to(contact_relation(pair->contact).state)) {
		probe(pair);
	} else {
		pair_say(pair, XFED_TYPE_SUBSCRIBE, NULL); /* repeated while it is pending ([A11-04]) */
	}
}

/* Whether the known state needs no probe: an active watch keeps it current. */
static bool is_current(const struct pair *pair)
{
	const struct watch *w;
	DL_FOREACH(pair->watches, w) {
		if (!w->is_fetch && !w->is_untold && w->machine.state == SIP_SUB_ACTIVE && pair->why == PRESENCE_SURE) {
			return true;
		}
	}
	return false;
}

/* A fetch adds nobody. A contact the user is subscribed to is probed, unless its state is known; of others the NOTIFY is empty ([B5.2]). */
static void fetch(struct watch *w)
{
	struct pair *pair = w->party.pair;
	w->is_fetch = true;
	w->shows = w->shows && is_current(pair);
	if (!w->shows && iw_relation_is_to(contact_relation(pair->contact).state)) {
		w->wait_ms = presence_now(pair->presence) + FETCH_MS;
		pair_say(pair, XFED_TYPE_PROBE, NULL);
	}
}

/* ---- SUBSCRIBE ---- */

/* The answer waits for the end of the turn; a refusal has no dialog, and asks nobody for anything. */
static void respond(struct watch *w, const struct sip_incoming *rq)
{
	bool is_taken = false;
	struct sip_notifier_action act;
	if (sip_notifier_next(&w->machine, &act) && act.kind == SIP_NOTIFIER_RESPOND) {
		is_taken = act.status < 300;
		enum xfed_reason reason = act.status == 423   ? XFED_REASON_SIP_EXPIRES_BRIEF
					  : act.status == 481 ? XFED_REASON_SIP_DIALOG_UNKNOWN
							      : XFED_REASON_NONE;
		presence_reply(w->party.pair->presence, &(struct reply){ .txn = rq->txn,
								.party = act.status < 300 ? w->party.id : 0,
								.status = act.status,
								.transport = w->party.transport,
								.expires_s = act.expires_s,
								.min_expires_s = act.min_expires_s,
								.reason = reason });
		if (reason != XFED_REASON_NONE) {
			core_count_refusal(w->party.pair->presence->core, reason, xfed_reason_info(reason)->side);
		}
	}
	run(w);
	if (is_taken && rq->message->expires != 0) {
		ask_contact(w->party.pair);
	}
}

static struct watch *watch_new(struct pair *pair, const struct config_domain *d)
{
	int64_t most_s = policy_config(pair->presence->policy)->presence.refresh_ms / 1000;
	struct watch *w = xfed_calloc(1, sizeof(*w));
	if (!w) {
		return NULL;
	}
	w->party.send.hop = trunk_hop_of(pair->presence->trunk, d);
	if (!w->party.send.hop || tally_take(&pair->presence->watched, user_key(pair), SIZE_MAX) != XFED_OK) {
		xfed_free(w);
		return NULL;
	}
	if (party_init(&w->party, PARTY_WATCH, pair) != XFED_OK) {
		tally_give(&pair->presence->watched, user_key(pair));
		xfed_free(w);
		return NULL;
	}
	DL_APPEND(pair->watches, w);
	w->shows = iw_relation_is_to(contact_relation(pair->contact).state);
	w->format = (uint8_t)format_of_resumed(d);
	sip_notifier_init(&w->machine, &(struct sip_notifier_config){ .expires_default_s = most_s < EXPIRES_DEFAULT_S ? most_s : EXPIRES_DEFAULT_S,
					       .expires_min_s = EXPIRES_MIN_S,
					       .expires_max_s = most_s,
					       .is_pending = !w->shows });
	return w;
}

/* Puts the machine into the state after the first NOTIFY was answered, which the previous process had sent. */
struct watch *watch_resume(struct pair *pair, int64_t expires_s)
{
	const struct config_domain *d = config_domain(policy_config(pair->presence->policy), pair_local_domain(pair));
	struct watch *w = d ? watch_new(pair, d) : NULL;
	struct sip_notifier_action act;
	if (!w) {
		return NULL;
	}
	w->machine.config.expires_min_s = 0;
	sip_notifier_step(
		&w->machine, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_SUBSCRIBE, .expires_s = expires_s }, presence_now(pair->presence));
	while (sip_notifier_next(&w->machine, &act)) {
	}
	w->machine.config.expires_min_s = EXPIRES_MIN_S;
	w->is_untold = w->machine.state == SIP_SUB_ACTIVE;
	step(w, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_ANSWER, .status = 200, .retry_after_s = -1 });
	return w;
}

static void refuse(struct presence *p, const struct sip_incoming *rq, const struct deliver_request *who, enum xfed_reason reason)
{
	struct iw_sip_error e;
	if (iw_reason_to_sip(reason, &e) != XFED_OK) {
		e = (struct iw_sip_error){ .status = 500 };
	}
	core_count_refusal(p->core, reason, xfed_reason_info(reason)->side);
	rt_log(RT_LOG_INFO, "presence.refused", RT_KV("local", who->from.domain), RT_KV("partner", who->to.domain), RT_KV_REASON(reason),
		RT_KV("call_id", rq->message->call_id), RT_KV_I64("sip_status", e.status), RT_END);
	bool is_passing = reason == XFED_REASON_STORE_WRITE_FAILED || reason == XFED_REASON_DELIVERY_QUEUE_FULL;
	presence_reply(p, &(struct reply){ .txn = rq->txn,
				  .status = e.status,
				  .reason = reason,
				  .is_outside = rq->flow->is_outside,
				  .expires_s = -1,
				  .retry_after_s = is_passing ? FAILING_S : 0,
				  .lines = !is_passing && e.status == 406 ? format_accept(who->domain) : NULL });
}

/* One more of the user, and of the two: what there is stays, also from before a restart. */
static bool may_watch(const struct pair *pair)
{
	struct presence *p = pair->presence;
	size_t count = 0;
	for (const struct watch *w = pair->watches; w && count < PRESENCE_WATCHES_PAIR_MAX; w = w->next) {
		count++;
	}
	int rc = count < PRESENCE_WATCHES_PAIR_MAX ? tally_take(&p->watched, user_key(pair), PRESENCE_WATCHES_USER_MAX) : XFED_ERR_LIMIT;
	if (rc == XFED_OK) {
		tally_give(&p->watched, user_key(pair));
	}
	return rc == XFED_OK;
}

/*
 * A relation outlasts its watch. Who can use this up, and whom does that hurt? The user, or who sends in the user's name, as what contacts
 * ask for does not count; and the user alone, for whom what there is stays. There is room again when a contact refuses, is removed, or lapses.
 */
static bool may_add(const struct pair *pair)
{
	enum iw_relation_state s = contact_relation(pair->contact).state;
	return iw_relation_is_to(s) || iw_relation_is_pending_out(s) || contact_users_wanted(pair->contact) < CONTACTS_WANTED_MAX;
}

static void begin(struct presence *p, const struct sip_incoming *rq, const struct deliver_request *who, struct contact *k)
{
	bool is_fetch = rq->message->expires == 0;
	struct pair *pair = pair_of(p, k);
	if (!pair) {
		return; /* no memory for a response: the SIP client sends the request again */
	}
	if (!may_watch(pair) || (!is_fetch && !may_add(pair))) {
		refuse(p, rq, who, XFED_REASON_DELIVERY_QUEUE_FULL);
		pair_release(pair);
		return;
	}
	enum iw_msrtc_format format;
	struct watch *w = watch_new(pair, who->domain);
	if (w && is_fetch) {
		fetch(w);
	} else if (w && w->shows && pair->known.count == 0 && !is_current(pair)) {
		await_state(w, STALE_ANSWER_MS);
	}
	if (w) {
		w->party.transport = rq->flow->transport;
		format_asked(rq->message, who->domain, &format);
		w->format = (uint8_t)format;
		party_dialog(&w->party, rq->dialog);
		sip_notifier_step(&w->machine, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_SUBSCRIBE, .expires_s = rq->message->expires },
			presence_now(p));
		respond(w, rq);
	} else {
		presence_reply(p, &(struct reply){ .txn = rq->txn, .status = 500, .expires_s = -1 });
	}
	pair_release(pair);
}

static void begin_new(struct presence *p, const struct sip_incoming *rq, struct xfed_arena *a)
{
	struct deliver_request who = { 0 };
	enum xfed_reason reason = deliver_judge_request(p->deliver, a, rq->message, rq->flow, POLICY_PRESENCE, &who);
	if (reason == XFED_REASON_NONE && p->left_ms != 0) { /* as for a MESSAGE */
		struct iw_sip_error leaving = iw_leaving_to_sip();
		core_count_refusal(p->core, XFED_REASON_SERVICE_LEAVING, XFED_SIDE_US);
		presence_reply(p, &(struct reply){ .txn = rq->txn,
					  .status = leaving.status,
					  .reason = leaving.reason,
					  .expires_s = -1,
					  .retry_after_s = (int)leaving.retry_after_s });
		return;
	}
	if (reason != XFED_REASON_NONE) {
		refuse(p, rq, &who, reason);
		return;
	}
	if (p->watch_count >= PRESENCE_WATCHES_MAX) {
		refuse(p, rq, &who, XFED_REASON_DELIVERY_QUEUE_FULL);
		return;
	}
	enum iw_msrtc_format f;
	if (!format_asked(rq->message, who.domain, &f)) {
		refuse(p, rq, &who, XFED_REASON_SIP_ACCEPT_UNSUPPORTED);
		return;
	}
	struct xfed_span local = xfed_jid_bare(a, &who.from), remote = xfed_jid_bare(a, &who.to);
	struct contact *k = local.data && remote.data ? contacts_hold(p->contacts, NULL, local, remote) : NULL;
	if (k && rq->message->expires != 0 && !contact_is_related(k) && contacts_are_failing(p->contacts)) {
		refuse(p, rq, &who, XFED_REASON_STORE_WRITE_FAILED);
		contacts_give_back(p->contacts, k, presence_now(p));
	} else if (k) {
		begin(p, rq, &who, k);
		contacts_give_back(p->contacts, k, presence_now(p));
	}
}

/*
 * A SUBSCRIBE inside a dialog that is not there, as after a restart. Other clients begin a new one after 481 (RFC 6665 section 4.1.2.2); one of
 * Lync would show what it was told last until its user signs on again: for that the subscription begins in the dialog the request describes.
 */
static bool is_lost(const struct presence *p, const struct sip_incoming *rq, struct xfed_arena *a)
{
	struct xfed_jid from;
	enum xfed_reason why;
	if (rq->id != 0 || !rq->message->to.tag.data) {
		return false;
	}
	bool is_user = iw_sip_to_jid(a, rq->message->from.uri, &from, &why) == XFED_OK;
	const struct config_domain *d = is_user ? config_inside(policy_config(p->policy), from.domain) : NULL;
	return !d || d->dialect != CONFIG_DIALECT_LYNC;
}

void watch_request(struct presence *p, const struct sip_incoming *rq, struct xfed_arena *a)
{
	struct party *t = NULL;
	if (is_lost(p, rq, a)) {
		presence_reply(p, &(struct reply){ .txn = rq->txn,
					  .status = 481,
					  .expires_s = -1,
					  .reason = XFED_REASON_SIP_DIALOG_UNKNOWN,
					  .is_outside = rq->flow->is_outside });
		core_count_refusal(p->core, XFED_REASON_SIP_DIALOG_UNKNOWN, XFED_SIDE_SIP);
		return;
	}
	if (rq->id == 0) {
		begin_new(p, rq, a);
		return;
	}
	HASH_FIND(hh, p->by_id, &rq->id, sizeof(rq->id), t);
	if (!t || t->kind != PARTY_WATCH) {
		presence_reply(p, &(struct reply){ .txn = rq->txn, .status = 481, .expires_s = -1 });
		return;
	}
	struct watch *w = (struct watch *)t;
	const struct config_domain *d = config_domain(policy_config(p->policy), pair_local_domain(w->party.pair));
	if (d && sip_message_header(rq->message, SIP_HEADER_ACCEPT, NULL)) {
		enum iw_msrtc_format format;
		format_asked(rq->message, d, &format);
		w->format = (uint8_t)format;
	}
	sip_notifier_step(
		&w->machine, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_SUBSCRIBE, .expires_s = rq->message->expires }, presence_now(p));
	respond(w, rq);
}

/* ---- NOTIFY ---- */

/* Where not one device fits, as addresses and proxies on the way are that long: the watcher is told that it may ask again later. */
static int send_too_large(struct watch *w, struct xfed_arena *a)
{
	const struct pair *pair = w->party.pair;
	core_count_refusal(pair->presence->core, XFED_REASON_SIP_REQUEST_TOO_LARGE, xfed_reason_info(XFED_REASON_SIP_REQUEST_TOO_LARGE)->side);
	rt_log(RT_LOG_WARNING, "presence.notify-too-large", RT_KV_ADDRESS("local", contact_local(pair->contact)),
		RT_KV_ADDRESS("partner", contact_remote(pair->contact)), RT_KV_REASON(XFED_REASON_SIP_REQUEST_TOO_LARGE), RT_END);
	w->shows = false;
	if (w->value.state != SIP_SUB_TERMINATED) {
		watch_unsent(w);
		step(w, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_END, .reason = SIP_END_GIVEUP, .retry_after_s = TOO_LARGE_S });
		return XFED_OK;
	}
	return notify_send(w, a);
}

static void not_sent(struct watch *w, int rc)
{
	if (rc == XFED_ERR_NOMEM || rc == XFED_ERR_AGAIN || rc == XFED_ERR_STATE) { /* for now */
		watch_unsent(w);
	} else if (rc != XFED_OK) { /* the dialog or the domain is gone */
		step(w, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_ANSWER, .status = 481, .retry_after_s = -1 });
	}
}

/* The user's last device unsubscribed or expired ([B5.2]). A contact with a follow is told by the user's SIP server instead. */
static void say_off(struct pair *pair, bool is_by_user)
{
	if (is_by_user && iw_relation_is_to(contact_relation(pair->contact).state) && !pair->follow) {
		pair_say(pair, XFED_TYPE_UNAVAILABLE, NULL);
	}
}

void watch_flush(struct watch *w)
{
	struct pair *pair = w->party.pair;
	if (w->kept || (w->has_notify && w->is_fetch && w->wait_ms != 0)) { /* the way of its dialog is not known yet; it waits for an answer */
		return;
	}
	if (w->has_notify) {
		struct xfed_arena a;
		w->has_notify = false;
		xfed_arena_init(&a, 256 * 1024);
		int rc = notify_send(w, &a);
		not_sent(w, rc == XFED_ERR_LIMIT && w->shows ? send_too_large(w, &a) : rc);
		xfed_arena_deinit(&a);
	}
	if (w->is_gone && !w->party.is_queued) {
		bool is_by_user = !w->is_fetch && w->machine.reason == SIP_END_TIMEOUT;
		keep_watch(w);
		watch_free(w);
		if (!pair->watches) {
			known_remove(&pair->known, xfed_span_make(NULL, 0));
			say_off(pair, is_by_user);
		}
		pair_release(pair);
	}
}
