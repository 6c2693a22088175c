/* The room: pairs, the parties of their dialogs, and what is to be done at the end of a turn or in time. */
#include "presence/keep.h"
#include "presence/rights.h"
#include "presence/stale.h"

#include <stdio.h>
#include <utlist.h>

#include "interwork/warning.h"
#include "xfed/rt/log.h"

/* ---- pairs ---- */

struct pair **pairs_of(struct presence *p, struct xfed_span remote_domain)
{
	return &p->by_partner[xfed_hash_bytes(remote_domain.data, remote_domain.len) % PRESENCE_BUCKETS];
}

struct pair *pair_of(struct presence *p, struct contact *k)
{
	struct pair *pair = contact_live(k);
	if (pair) {
		return pair;
	}
	pair = xfed_calloc(1, sizeof(*pair));
	if (!pair) {
		return NULL;
	}
	pair->presence = p;
	pair->contact = contacts_hold(p->contacts, k, contact_local(k), contact_remote(k));
	contact_set_live(k, pair);
	DL_APPEND(p->pairs, pair);
	p->pair_count++;
	pair->bucket = pairs_of(p, pair_remote_domain(pair));
	DL_APPEND2(*pair->bucket, pair, bucket_prev, bucket_next);
	return pair;
}

struct xfed_span pair_remote_domain(const struct pair *pair)
{
	return xfed_jid_domain_part(contact_remote(pair->contact));
}

struct xfed_span pair_local_domain(const struct pair *pair)
{
	return xfed_jid_domain_part(contact_local(pair->contact));
}

static uint64_t pending_key(const struct pair *pair)
{
	struct xfed_span local = contact_local(pair->contact);
	uint64_t parts[2] = { xfed_hash_bytes(local.data, local.len), policy_partner_share(pair->presence->policy, pair_remote_domain(pair)) };
	return xfed_hash_bytes(parts, sizeof(parts));
}

/* The key is kept: a reload may change the partner's share while the request is counted. */
static void tally_pending(struct pair *pair, enum iw_relation_state state)
{
	struct presence *p = pair->presence;
	bool is_pending = iw_relation_is_pending_in(state);
	if (is_pending && !pair->is_tallied) {
		pair->pending_key = pending_key(pair);
		pair->is_tallied = tally_take(&p->pending, pair->pending_key, SIZE_MAX) == XFED_OK;
	} else if (!is_pending && pair->is_tallied) {
		tally_give(&p->pending, pair->pending_key);
		pair->is_tallied = false;
	}
}

bool pair_may_ask(const struct pair *pair)
{
	struct presence *p = pair->presence;
	uint64_t key = pending_key(pair);
	int rc = pair->is_tallied ? XFED_ERR_STATE : tally_take(&p->pending, key, policy_config(p->policy)->limits.pending_requests);
	if (rc == XFED_OK) {
		tally_give(&p->pending, key);
	}
	return rc == XFED_OK || rc == XFED_ERR_STATE;
}

static void pair_free(struct pair *pair)
{
	struct presence *p = pair->presence;
	pair_all_said(pair);
	contact_set_live(pair->contact, NULL);
	pair_is_fresh(pair);
	presence_walk_past(pair);
	p->pair_count--;
	tally_pending(pair, IW_RELATION_NONE);
	contacts_give_back(p->contacts, pair->contact, presence_now(p));
	known_deinit(&pair->known);
	DL_DELETE(p->pairs, pair);
	DL_DELETE2(*pair->bucket, pair, bucket_prev, bucket_next);
	xfed_free(pair);
}

/* A pair with an undelivered subscription stanza is kept, and one that an operator wants quiet. */
void pair_release(struct pair *pair)
{
	bool is_used = pair->watches || pair->follow || pair->known.count > 0 || pair->trials > 0 || pair->is_ended;
	if (!is_used && pair->under_way == 0 && !pair->is_saving && !pair_has_unsaid(pair)) {
		pair_free(pair);
	}
}

struct iw_relation_step pair_relate(struct pair *pair, enum iw_relation_event ev)
{
	struct presence *p = pair->presence;
	struct iw_relation r = contact_relation(pair->contact);
	int64_t asked_s = contact_asked_s(pair->contact); /* of a request that waits still: what the user does itself gives it no more time */
	struct iw_relation_step step = iw_relation_step(&r, ev);
	tally_pending(pair, r.state);
	pair->is_ended = pair->is_ended && (iw_relation_is_from(r.state) || iw_relation_is_pending_in(r.state));
	if (step.is_changed) {
		asked_s = asked_s == 0 ? core_wall_s(p->core) : asked_s;
		if (ev == IW_RELATION_OUT_UNSUBSCRIBED) {
			contacts_owe(pair->contact);
		}
		contacts_relate(p->contacts, pair->contact, r, iw_relation_is_pending_in(r.state) ? asked_s : 0);
		rt_log(RT_LOG_INFO, "presence.relation", RT_KV_ADDRESS("local", contact_local(pair->contact)),
			RT_KV_ADDRESS("partner", contact_remote(pair->contact)), RT_KV_STR("state", iw_relation_word(r.state)), RT_END);
	}
	return step;
}

/* ---- parties ---- */

int party_init(struct party *t, enum party_kind kind, struct pair *pair)
{
	struct presence *p = pair->presence;
	t->id = ++p->core->last_id;
	t->kind = kind;
	t->pair = pair;
	t->send.user = &p->trunk_user;
	if (xfed_heap_reserve(&p->due, p->watch_count + p->follow_count + 1) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	HASH_ADD(hh, p->by_id, id, sizeof(t->id), t);
	if (!XFED_TABLE_ADDED(t)) {
		return XFED_ERR_NOMEM;
	}
	*(kind == PARTY_WATCH ? &p->watch_count : &p->follow_count) += 1;
	t->hop_doubts = trunk_hop_doubts(t->send.hop);
	party_count(t, SIP_SUB_IDLE);
	return XFED_OK;
}

static void count_as(struct party *t, enum presence_phase phase)
{
	size_t *counts = t->pair->presence->counts[t->kind];
	counts[t->counted]--; /* the number in PRESENCE_NOT is not used: it may wrap */
	counts[t->counted = phase]++;
}

void party_count(struct party *t, enum sip_sub_state state)
{
	count_as(t, state == SIP_SUB_ACTIVE ? PRESENCE_ACTIVE : state == SIP_SUB_PENDING ? PRESENCE_PENDING : PRESENCE_WAITING);
}

void party_dialog(struct party *t, uint64_t dialog)
{
	struct trunk_hop *carrier = dialog != 0 && t->transport == SIP_UDP ? t->send.hop : NULL;
	if (t->dialog != 0 && t->dialog != dialog) {
		trunk_dialog_end(t->pair->presence->trunk, t->dialog);
	}
	t->dialog = dialog;
	if (t->carrier != carrier && t->carrier) {
		trunk_hop_carries(t->carrier, false);
	}
	if (t->carrier != carrier && carrier) {
		trunk_hop_carries(carrier, true);
	}
	t->carrier = carrier;
}

void party_deinit(struct party *t)
{
	struct presence *p = t->pair->presence;
	HASH_DELETE(hh, p->by_id, t);
	*(t->kind == PARTY_WATCH ? &p->watch_count : &p->follow_count) -= 1;
	if (t->is_queued) {
		DL_DELETE(p->queue, t);
	}
	count_as(t, PRESENCE_NOT);
	xfed_heap_remove(&p->due, &t->due);
	trunk_send_end(&t->send);
	party_dialog(t, 0);
}

void party_queue(struct party *t)
{
	struct presence *p = t->pair->presence;
	if (!t->is_queued) {
		t->is_queued = true;
		DL_APPEND(p->queue, t);
	}
	core_flush_soon(p->core);
}

static void arm(struct presence *p)
{
	const struct xfed_heap_item *first = xfed_heap_first(&p->due);
	rt_timer_set(&p->timer, first ? first->at : UINT64_MAX);
}

void party_arm(struct party *t, uint64_t deadline_ms)
{
	struct presence *p = t->pair->presence;
	if (deadline_ms == UINT64_MAX) {
		xfed_heap_remove(&p->due, &t->due);
	} else {
		xfed_heap_set(&p->due, &t->due, deadline_ms, t->id);
	}
	arm(p);
}

struct party *party_find(const struct presence *p, uint64_t id)
{
	struct party *t = NULL;
	HASH_FIND(hh, p->by_id, &id, sizeof(id), t);
	return t;
}

static void on_timer(void *user)
{
	struct presence *p = user;
	const struct xfed_heap_item *first;
	while ((first = xfed_heap_first(&p->due)) && first->at <= presence_now(p)) {
		struct party *t = (struct party *)((char *)(uintptr_t)first - offsetof(struct party, due));
		xfed_heap_remove(&p->due, &t->due);
		if (t->kind == PARTY_WATCH) {
			watch_due((struct watch *)t);
		} else {
			follow_due((struct follow *)t);
		}
	}
	arm(p);
}

/* ---- what SIP says ---- */

static void on_request(void *data, const struct sip_incoming *rq)
{
	struct presence *p = data;
	struct xfed_arena a;
	struct party *t = rq->id ? party_find(p, rq->id) : NULL;
	xfed_arena_init(&a, 1024 * 1024);
	if (xfed_span_is(rq->message->method, "SUBSCRIBE")) {
		watch_request(p, rq, &a);
	} else if (t && t->kind == PARTY_FOLLOW && (t->dialog == 0 || t->dialog == rq->dialog)) {
		party_dialog(t, rq->dialog); /* a NOTIFY may come before the 2xx */
		follow_notify((struct follow *)t, rq, &a);
	} else {
		presence_reply(
			p, &(struct reply){
				   .txn = rq->txn, .status = 481, .reason = XFED_REASON_SIP_DIALOG_UNKNOWN, .is_outside = rq->flow->is_outside });
		core_count_refusal(p->core, XFED_REASON_SIP_DIALOG_UNKNOWN, XFED_SIDE_SIP);
	}
	xfed_arena_deinit(&a);
}

static void on_response(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog)
{
	struct party *t = party_find(data, id);
	if (!t || m->status < 200) {
		return;
	}
	trunk_send_answered(&t->send, t->kind == PARTY_WATCH ? XFED_SPAN("NOTIFY") : XFED_SPAN("SUBSCRIBE"), m);
	if (t->kind == PARTY_WATCH) {
		watch_answered((struct watch *)t, m);
	} else {
		follow_answered((struct follow *)t, m, dialog);
	}
}

static void on_timeout(void *data, uint64_t id, bool was_written)
{
	struct party *t = party_find(data, id);
	if (t) {
		trunk_send_timed_out(&t->send);
		if (t->kind == PARTY_FOLLOW) {
			follow_failed((struct follow *)t, true);
		} else {
			watch_answered((struct watch *)t, NULL);
		}
	}
}

static void on_broken(void *data, uint64_t id, bool was_written)
{
	struct party *t = party_find(data, id);
	if (t) {
		trunk_send_broken(&t->send, was_written);
		if (t->kind == PARTY_FOLLOW) {
			follow_failed((struct follow *)t, was_written);
		} else {
			watch_unsent((struct watch *)t); /* a connection that broke says nothing of the watcher: a state may be told twice */
		}
	}
}

static void on_doubted(void *data, uint64_t id)
{
	struct party *t = party_find(data, id);
	if (t) {
		party_doubt(t, PRESENCE_DOUBT_CONNECTION);
	}
}

static struct party *of_send(struct trunk_send *s)
{
	return (struct party *)((char *)s - offsetof(struct party, send));
}

static void on_hop_ready(void *data, struct trunk_send *s)
{
	if (of_send(s)->kind == PARTY_FOLLOW) {
		follow_located((struct follow *)of_send(s), true);
	} else {
		keep_located((struct watch *)of_send(s), true);
	}
}

static void on_hop_failed(void *data, struct trunk_send *s, enum xfed_reason reason)
{
	if (of_send(s)->kind == PARTY_FOLLOW) {
		follow_located((struct follow *)of_send(s), false);
	} else {
		keep_located((struct watch *)of_send(s), false);
	}
}

/* ---- answers ---- */

void presence_reply(struct presence *p, const struct reply *r)
{
	struct reply *copy = xfed_malloc(sizeof(*copy));
	if (copy) { /* else the request stays unanswered, and is sent again */
		*copy = *r;
		DL_APPEND(p->replies, copy);
		core_flush_soon(p->core);
	}
}

/* False: no memory; it is tried again at the end of the next turn. */
static bool send_reply(struct presence *p, const struct reply *r)
{
	char lines[512 + IW_WARNING_BYTES], contact[TRUNK_CONTACT_BYTES];
	size_t len = (size_t)snprintf(lines, sizeof(lines), "%s", r->lines ? r->lines : "");
	if (r->retry_after_s > 0) {
		len += (size_t)snprintf(lines + len, sizeof(lines) - len, "Retry-After: %d\r\n", r->retry_after_s);
	}
	if (r->expires_s >= 0 && r->status < 300) {
		len += (size_t)snprintf(lines + len, sizeof(lines) - len, "Expires: %lld\r\n", (long long)r->expires_s);
	}
	if (r->status == 423) {
		snprintf(lines + len, sizeof(lines) - len, "Min-Expires: %lld\r\n", (long long)r->min_expires_s);
	}
	if (iw_warning_is_told(r->reason, true)) { /* who asks is not kept */
		len = strlen(lines);
		iw_warning(lines + len, sizeof(lines) - len, config_our_name(policy_config(p->policy), r->is_outside), r->reason,
			xfed_span_make(NULL, 0));
	}
	struct sip_response out = { .status = r->status, .extra = xfed_span_str(lines) };
	if (r->party != 0) {
		out.contact = xfed_span_str(trunk_contact(p->trunk, r->transport, contact));
	}
	int rc = trunk_answer(p->trunk, r->txn, &out, r->party);
	struct party *t = rc == XFED_OK && r->party != 0 ? party_find(p, r->party) : NULL;
	if (t && t->kind == PARTY_WATCH) {
		keep_watch((struct watch *)t);
	}
	return rc != XFED_ERR_NOMEM;
}

void presence_flush(struct presence *p)
{
	struct reply *r, *next;
	struct party *t;
	DL_FOREACH_SAFE(p->replies, r, next) {
		if (send_reply(p, r)) {
			DL_DELETE(p->replies, r);
			xfed_free(r);
		}
	}
	while ((t = p->queue)) {
		DL_DELETE(p->queue, t);
		t->is_queued = false;
		if (t->kind == PARTY_WATCH) {
			watch_flush((struct watch *)t);
		} else {
			follow_flush((struct follow *)t);
		}
	}
	presence_walk_on(p);
	keep_flush(p);
}

/* ---- the room ---- */

static struct trunk_user trunk_user_of(struct presence *p)
{
	return (struct trunk_user){
		.sip = {
			.data = p,
			.methods = SIP_METHOD_BIT(SUBSCRIBE),
			.inside = SIP_METHOD_BIT(NOTIFY) | SIP_METHOD_BIT(SUBSCRIBE),
			.anew = SIP_METHOD_BIT(SUBSCRIBE),
			.accept = "application/pidf+xml",
			.events = "presence",
			.request = on_request,
			.response = on_response,
			.timeout = on_timeout,
			.broken = on_broken,
			.doubted = on_doubted,
		},
		.hop_ready = on_hop_ready,
		.hop_failed = on_hop_failed,
	};
}

int presence_new(const struct presence_rooms *below, struct presence **out, char error[256])
{
	struct presence *p = *out = xfed_calloc(1, sizeof(*p));
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	p->core = below->core;
	p->policy = below->policy;
	p->channel = below->channel;
	p->trunk = below->trunk;
	p->contacts = below->contacts;
	p->deliver = below->deliver;
	xfed_buf_init(&p->scratch, XFED_STANZA_BYTES_MAX);
	deliver_use(p->deliver, DELIVER_PRESENCE, presence_take, p);
	p->resume.is_start = true;
	presence_resume(p, PRESENCE_DOUBT_START);
	int rc = rt_timer_init(&p->timer, p->core->d.loop, on_timer, p);
	p->trunk_user = trunk_user_of(p);
	rc = rc == XFED_OK ? trunk_use(p->trunk, &p->trunk_user) : rc;
	return rc == XFED_OK ? keep_load(p, below->store, error) : rc;
}

void presence_drain(struct presence *p)
{
	p->left_ms = presence_now(p);
}

void presence_stop(struct presence *p)
{
	struct pair *pair, *next;
	struct reply *r, *after;
	if (!p) {
		return;
	}
	DL_FOREACH_SAFE(p->pairs, pair, next) {
		while (pair->watches) {
			watch_free(pair->watches);
		}
		follow_free(pair->follow);
		known_remove(&pair->known, xfed_span_make(NULL, 0));
		pair_free(pair);
	}
	DL_FOREACH_SAFE(p->replies, r, after) {
		DL_DELETE(p->replies, r);
		xfed_free(r);
	}
	presence_break_promises(p);
	presence_forget_said(p);
	keep_stop(p);
	presence_walk_stop(p);
	tally_clear(&p->pace);
	tally_clear(&p->resume.told);
	tally_clear(&p->watched);
	rt_timer_close(&p->timer);
}

void presence_free(struct presence *p)
{
	if (p) {
		keep_free(p);
		xfed_heap_deinit(&p->due);
		xfed_heap_deinit(&p->asked);
		xfed_buf_deinit(&p->scratch);
		xfed_free(p);
	}
}

struct presence_load presence_load(const struct presence *p)
{
	struct presence_load l = { .contacts = p->pair_count };
	for (int i = PRESENCE_WAITING; i < PRESENCE_PHASES; i++) {
		l.watches[i] = p->counts[PARTY_WATCH][i];
		l.follows[i] = p->counts[PARTY_FOLLOW][i];
	}
	for (int i = PRESENCE_SURE + 1; i < PRESENCE_DOUBT_COUNT; i++) {
		l.stale_by[i] = p->doubts[i];
		l.stale += p->doubts[i];
	}
	return l;
}

void presence_gauges(const struct presence *p)
{
	static const char *const phases[PRESENCE_PHASES] = { "", "waiting", "pending", "active" };
	struct presence_load l = presence_load(p);
	struct rt_metrics *m = p->core->d.metrics;
	for (int i = PRESENCE_WAITING; i < PRESENCE_PHASES; i++) {
		rt_metric_set(m, RT_M_PRESENCE_SUBSCRIPTIONS, (double)l.watches[i], RT_LABELS(XFED_SPAN("watching"), xfed_span_str(phases[i])));
		rt_metric_set(m, RT_M_PRESENCE_SUBSCRIPTIONS, (double)l.follows[i], RT_LABELS(XFED_SPAN("watched"), xfed_span_str(phases[i])));
	}
	for (int i = PRESENCE_SURE + 1; i < PRESENCE_DOUBT_COUNT; i++) {
		rt_metric_set(m, RT_M_PRESENCE_STALE, (double)l.stale_by[i], RT_LABELS(xfed_span_str(presence_doubt_word((enum presence_doubt)i))));
	}
}
