/* Drives attempts.c: its actions are carried out with the channel, the next hop and the SIP layer, and their results are fed back to it. */
#include "im/im_impl.h"

#include <stdio.h>
#include <utlist.h>

#include "interwork/address.h"
#include "interwork/diagnostics.h"
#include "interwork/im.h"
#include "proto/check.h"
#include "xfed/text.h"

#define FROM_TAG_LEN 16

static void perform(struct im *im, const struct sip_message *m);

static struct outgoing *of_attempt(struct attempt *t)
{
	return (struct outgoing *)t;
}

static struct outgoing *find(struct im *im, uint64_t id)
{
	return of_attempt(attempts_find(im->attempts, id));
}

/* When a message of the contact is delivered, its kind and thread are remembered for the user's answer. */
static void remember(const struct outgoing *o, bool is_delivered)
{
	if (o->contact) {
		contact_tried(o->contact, o->attempt.id, is_delivered, im_now(o->im));
	}
}

void im_out_origin(void *user, uint64_t run, uint64_t now_ms, struct attempt_origin *out)
{
	const struct im *im = user;
	struct proto_run r;
	bool is_known = proto_exchange_run(channel_exchange(im->channel), run, now_ms, &r);
	*out = (struct attempt_origin){
		.has_ended = !is_known || r.has_ended, .is_leaving = is_known && r.is_leaving, .gone_ms = is_known ? r.gone_ms : 0
	};
}

int im_out_add(struct outgoing *o)
{
	struct im *im = o->im;
	o->attempt.item.run = o->origin.from.run;
	if (!trunk_hop_load(o->send.hop, o->attempt.item.bytes)) {
		return XFED_ERR_LIMIT;
	}
	/* One outside a dialog is outstanding for each recipient; in sessions, for each session. */
	struct xfed_span queue = o->attempt.is_in_session ? xfed_span_make(o->uri.data, o->uri.len + 1 + o->from_uri.len) : o->uri;
	int rc = attempts_add(im->attempts, &o->attempt, queue);
	if (rc != XFED_OK) {
		trunk_hop_unload(o->send.hop, o->attempt.item.bytes);
		return rc;
	}
	core_flush_soon(im->core);
	return XFED_OK;
}

/* ---- answers of the edge ---- */

void im_acked(struct im *im, uint64_t cookie)
{
	attempts_acked(im->attempts, cookie);
	perform(im, NULL);
}

void im_refused(struct im *im, uint64_t cookie)
{
	attempts_not_ours(im->attempts, cookie);
	perform(im, NULL);
}

void im_run_ended(struct im *im, uint64_t run, bool may_take_over)
{
	attempts_run_ended(im->attempts, run, may_take_over);
	perform(im, NULL);
}

/* ---- sending ---- */

/*
 * Branch (with the number of the target), From tag, Call-ID and CSeq are derived from the delivery's id, so that a repetition is the same
 * request. In a session all but the branch are those of its dialog, and the number in it is that of the call, as a second try is another request.
 */
static uint32_t make_ids(const struct outgoing *o, struct request_ids *ids)
{
	const struct im *im = o->im;
	struct proto_run run = { .name = "", .nonce = im->core->d.boot_nonce };
	struct core_id id;
	proto_exchange_run(channel_exchange(im->channel), o->origin.from.run, im_now(im), &run); /* not for a message made here, which has no run */
	core_id(im->core, CORE_ID_REQUEST, xfed_span_str(run.name), run.nonce, o->origin.from.seq, &id);
	struct xfed_span host = config_our_name(im_config(im), o->is_outside);
	host.len = host.len < SIP_NAME_SIZE ? host.len : SIP_NAME_SIZE - 1;
	memcpy(ids->call_id, id.text, CORE_ID_LEN);
	ids->call_id[CORE_ID_LEN] = '@';
	memcpy(ids->call_id + CORE_ID_LEN + 1, host.data, host.len);
	ids->call_id[CORE_ID_LEN + 1 + host.len] = '\0';
	memcpy(ids->branch, id.text, CORE_ID_LEN);
	unsigned long long number = o->attempt.places ? sip_failover_number(o->attempt.places) : o->call;
	ids->branch[CORE_ID_LEN] = '.';
	xfed_text_number(ids->branch + CORE_ID_LEN + 1, number);
	return 1 + (uint32_t)(id.number % 0x3fffffff);
}

void im_out_prepare(const struct outgoing *o, const struct sip_target *t, struct request_ids *ids, struct sip_layer_request *out)
{
	uint32_t cseq = make_ids(o, ids);
	*out = (struct sip_layer_request){
		.target = *t,
		.branch = xfed_span_str(ids->branch),
		.max_request = o->max_request,
		.user = &o->im->trunk_user.sip,
		.id = o->attempt.id,
		.request = {
			.method = XFED_SPAN("MESSAGE"),
			.uri = o->uri,
			.from_uri = o->from_uri,
			.from_tag = xfed_span_make(ids->branch, FROM_TAG_LEN),
			.to_uri = o->uri,
			.call_id = xfed_span_str(ids->call_id),
			.cseq = cseq,
			.user_agent = XFED_SPAN(SIP_USER_AGENT),
			.date = xfed_span_str(o->date[0] ? o->date : NULL),
			.subject = o->subject,
			.content_type = o->attempt.is_in_session ? XFED_SPAN(IW_LYNC_TEXT_TYPE) : XFED_SPAN("text/plain;charset=UTF-8"),
			.content_language = o->language,
			.body = o->body,
		},
	};
}

void im_out_size_words(const struct outgoing *o, char out[IM_SIZE_WORDS])
{
	struct request_ids ids;
	struct sip_layer_request rq;
	struct sip_target t = { .transport = o->send.is_large ? SIP_UDP : SIP_TCP };
	size_t size = 0;
	im_out_prepare(o, &t, &ids, &rq);
	if (trunk_request_size(o->im->trunk, &rq, &size) != XFED_OK) {
		size = 0; /* does not happen: it has been printed before */
	}
	size += trunk_hop_proof_bytes(o->send.hop, o->uri);
	if (size > o->max_request) {
		snprintf(out, IM_SIZE_WORDS, "its SIP request has %zu bytes, and %zu are allowed (domains[].max_request)", size, o->max_request);
	} else {
		snprintf(out, IM_SIZE_WORDS, "its SIP request has %zu bytes, UDP takes %d, and the SIP server takes no TCP (domains[].next_hop)",
			size, XFED_SIP_UDP_REQUEST_BYTES);
	}
}

static uint64_t id_of(const struct trunk_send *s)
{
	return ((const struct outgoing *)(const void *)((const char *)s - offsetof(struct outgoing, send)))->attempt.id;
}

void im_out_hop_ready(void *data, struct trunk_send *s)
{
	struct im *im = data;
	attempts_located(im->attempts, id_of(s), s->places, im_now(im));
	core_flush_soon(im->core);
	perform(im, NULL);
}

void im_out_hop_failed(void *data, struct trunk_send *s, enum xfed_reason reason)
{
	struct im *im = data;
	struct trunk_unsent why = trunk_unlocated(reason);
	attempts_not_located(im->attempts, id_of(s), why.reason, why.text);
	perform(im, NULL);
}

/* No transaction was started, so the message is still there. */
static void unsent(struct outgoing *o, int rc)
{
	struct im *im = o->im;
	struct trunk_unsent why = trunk_unsent(rc);
	if (rc == XFED_ERR_LIMIT && !o->attempt.is_in_session && trunk_send_enlarge(&o->send)) {
		attempts_too_large(im->attempts, o->attempt.id);
	} else {
		attempts_unsent(im->attempts, o->attempt.id, why.reason, why.text);
	}
	perform(im, NULL);
}

/* It may fail during this call, and end the message. */
static int send_in_session(struct outgoing *o)
{
	struct im *im = o->im;
	struct request_ids ids;
	struct sip_layer_request rq;
	uint64_t txn, call = o->call;
	const struct config_domain *d = config_domain(im_config(im), o->origin.local);
	im_out_prepare(o, &(struct sip_target){ .transport = SIP_TCP }, &ids, &rq); /* where to is up to the dialog */
	rq.target = (struct sip_target){ .flow = 0 };
	rq.dialog = sessions_dialog(im->sessions, call);
	if (!o->is_in_call) { /* else it is sent once more, with credentials */
		sessions_sent(im->sessions, call);
		o->is_in_call = true;
	}
	int rc = d && rq.dialog != 0 ? trunk_send_inside(&o->send, d, &rq, &txn) : XFED_ERR_NOT_FOUND;
	if (rc == XFED_OK || rc == XFED_ERR_NOT_FOUND) {
		return rc;
	}
	o->is_in_call = false;
	sessions_answered(im->sessions, call, 500); /* the call itself is fine */
	return rc;
}

static void send_request(struct outgoing *o)
{
	struct request_ids ids;
	struct sip_layer_request rq;
	struct sip_target target;
	uint64_t txn, id = o->attempt.id;
	struct im *im = o->im;
	int rc;
	if (o->contact) { /* NULL (no memory): the user's answer will not have its type and thread */
		contact_trying(o->contact, o->attempt.id, o->origin.words.type, o->thread);
	}
	if (o->attempt.is_in_session) {
		rc = send_in_session(o);
	} else {
		sip_location_target(sip_failover_place(o->attempt.places), &target);
		im_out_prepare(o, &target, &ids, &rq);
		rc = trunk_send_request(&o->send, &rq, &txn); /* it may fail during this call, and end the message */
	}
	if (rc == XFED_ERR_NOT_FOUND && o->attempt.is_in_session) {
		im_out_broken(im, id, false); /* no way leads to the other end of the dialog any more */
	} else if (rc != XFED_OK) {
		unsent(o, rc);
	}
}

void im_out_flush(struct im *im)
{
	struct attempt *t;
	attempts_turn(im->attempts, im_now(im));
	perform(im, NULL);
	while ((t = attempts_next_send(im->attempts, im_now(im)))) {
		send_request(of_attempt(t));
	}
	perform(im, NULL);
}

/* ---- outcomes ---- */

/*
 * The address a 3xx redirects to, if the partner may know it: a user in one of our domains. Addresses of phones and other servers are not
 * passed on.
 */
static struct xfed_span new_address(struct outgoing *o, struct xfed_arena *a, const struct sip_message *m)
{
	struct xfed_span none = { NULL, 0 }, uri;
	struct xfed_jid j;
	enum xfed_reason why;
	if (!m->contact.data || iw_sip_to_jid(a, m->contact, &j, &why) != XFED_OK) {
		return none;
	}
	const struct config_domain *d = config_inside(im_config(o->im), j.domain);
	if (!d) {
		return none;
	}
	j.domain = xfed_span_str(d->domain);
	return iw_jid_to_xmpp_uri(a, &j, &uri) == XFED_OK && uri.len <= PROTO_URI_BYTES ? uri : none;
}

/* `m` NULL: the response is not available any more, and only its status is used. */
static void refused_by_sip(struct outgoing *o, int status, const struct sip_message *m)
{
	struct xfed_arena a;
	struct deliver_end e = { .fate = XFED__FATE__FATE_REFUSED, .sip_status = status };
	xfed_arena_init(&a, 16384);
	if (iw_sip_status_to_error(status, o->origin.is_public, &e.error) != XFED_OK) {
		e.error = (struct iw_xmpp_error){ .condition = "internal-server-error", .type = "cancel", .reason = XFED_REASON_SIP_SERVER_ERROR };
	}
	if (o->send.unproved != XFED_REASON_NONE) {
		e.error.reason = o->send.unproved;
	}
	if (m && e.error.needs_address) {
		e.address = new_address(o, &a, m);
		e.pointed = m->contact;
	}
	if (!e.address.data) {
		iw_error_without_address(&e.error);
	}
	if (m && iw_text_from_phrase(&a, m->reason, &e.text) != XFED_OK) {
		e.text = xfed_span_make(NULL, 0); /* no memory for the text: the code remains */
	}
	if (m && iw_diagnostics_words(&a, m, &e.said) != XFED_OK) {
		e.said = xfed_span_make(NULL, 0); /* likewise */
	}
	deliver_end(o->im->deliver, &o->origin, &e);
	xfed_arena_deinit(&a);
}

static void let_go(struct outgoing *o)
{
	rt_log(RT_LOG_DEBUG, "delivery.let-go", RT_KV("partner", o->origin.partner), RT_KV_U64("delivery", o->origin.from.seq),
		RT_KV("correlation", o->origin.correlation), RT_END);
	proto_exchange_forget(channel_exchange(o->im->channel), o->origin.from);
}

/* The client may say later that it was lost after all. Without memory its sender will not hear of that. */
static void remember_accepted(const struct outgoing *o, const struct sip_message *m)
{
	const struct sip_header *id = o->attempt.is_in_session && m ? sip_message_header_named(m, "Message-Id", NULL) : NULL;
	if (id && id->value.len > 0 && id->value.len <= IW_IMDN_ID_BYTES) {
		struct accepted_name name = { o->local, o->remote, id->value };
		accepted_add(o->im->accepted, &name, &o->origin, im_now(o->im));
	}
}

void im_out_told(void *data, struct xfed_span local, struct xfed_span remote, const struct iw_imdn *what)
{
	struct im *im = data;
	struct accepted_name name = { local, remote, what->id };
	struct deliver_end e = { .fate = XFED__FATE__FATE_REFUSED, .sip_status = what->status, .said = what->diagnostics };
	const struct deliver_origin *origin = accepted_take(im->accepted, &name);
	if (!origin) {
		core_count_dropped(im->core, "imdn-unknown");
	} else if (iw_sip_status_to_error(what->status, origin->is_public, &e.error) == XFED_OK) { /* else it has been delivered */
		iw_error_without_address(&e.error);
		deliver_late(im->deliver, origin, &e);
	}
}

static void tell_end(struct outgoing *o, const struct attempt_end *e, const struct sip_message *m)
{
	char words[IM_SIZE_WORDS];
	switch (e->fate) {
	case ATTEMPT_DELIVERED:
		remember_accepted(o, m);
		deliver_end(o->im->deliver, &o->origin, &(struct deliver_end){ .fate = XFED__FATE__FATE_DELIVERED, .sip_status = e->status });
		break;
	case ATTEMPT_REFUSED:
		if (e->reason == XFED_REASON_SIP_REQUEST_TOO_LARGE && !e->text) {
			im_out_size_words(o, words);
			deliver_refuse(o->im->deliver, &o->origin, e->reason, words);
		} else if (e->reason != XFED_REASON_NONE) {
			deliver_refuse(o->im->deliver, &o->origin, e->reason, e->text);
		} else {
			refused_by_sip(o, e->status, m);
		}
		break;
	case ATTEMPT_UNCERTAIN:
		deliver_end(o->im->deliver, &o->origin, &(struct deliver_end){ .fate = XFED__FATE__FATE_UNCERTAIN, .reason = e->reason });
		break;
	case ATTEMPT_LET_GO:
		let_go(o);
		break;
	}
}

/* Before the message itself ends, so that the next one, or this one once more, gets a call that is good. */
static void answered_in_call(struct outgoing *o, int status)
{
	uint64_t call = o->call;
	o->call = 0;
	if (call != 0 && o->is_in_call) {
		o->is_in_call = false;
		sessions_answered(o->im->sessions, call, status);
	}
}

static void finish(struct outgoing *o, const struct attempt_end *e, const struct sip_message *m)
{
	struct im *im = o->im;
	remember(o, e->fate == ATTEMPT_DELIVERED);
	tell_end(o, e, m);
	answered_in_call(o, 0); /* unless it has been answered */
	trunk_hop_unload(o->send.hop, o->attempt.item.bytes);
	trunk_send_end(&o->send);
	contacts_give_back(im->contacts, o->contact, im_now(im));
	xfed_free(o);
	core_flush_soon(im->core); /* the recipient's next message may begin; and the gateway may be waiting to leave service */
}

static void note_next_place(const struct outgoing *o)
{
	remember(o, false);
	rt_log(RT_LOG_INFO, "delivery.next-place", RT_KV_STR("next_hop", trunk_hop_facts(o->send.hop).label),
		RT_KV_U64("delivery", o->origin.from.seq), RT_KV_U64("number", sip_failover_number(o->attempt.places)),
		RT_KV("correlation", o->origin.correlation), RT_END);
	core_flush_soon(o->im->core);
}

/* What time Timer F does not need for the message itself, its session may take to open. */
static void find_way(struct outgoing *o)
{
	if (o->attempt.is_in_session) {
		sessions_want(o->im->sessions, &(struct session_want){ .id = o->attempt.id,
						       .local = o->local,
						       .remote = o->remote,
						       .until_ms = o->attempt.item.deadline_ms - XFED_DELIVERY_SIP_LEFT_MS,
						       .says_typing = o->says_typing });
	} else {
		trunk_want(&o->send);
	}
}

void im_out_opened(void *data, uint64_t id, uint64_t call)
{
	struct im *im = data;
	struct outgoing *o = find(im, id);
	if (o) {
		o->call = call;
		attempts_located(im->attempts, id, NULL, im_now(im));
		core_flush_soon(im->core);
		perform(im, NULL);
	}
}

void im_out_not_opened(void *data, uint64_t id, const struct session_failure *why)
{
	struct im *im = data;
	attempts_not_opened(im->attempts, id, &(struct attempt_end){ ATTEMPT_REFUSED, why->reason, why->text, why->status });
	perform(im, why->response);
}

/* `m`: the response that has just come in; NULL: none. */
static void perform(struct im *im, const struct sip_message *m)
{
	struct attempt_action act;
	while (attempts_next(im->attempts, &act)) {
		struct outgoing *o = of_attempt(act.attempt);
		switch (act.kind) {
		case ATTEMPT_ASK:
			proto_exchange_ask(channel_exchange(im->channel), o->origin.from);
			break;
		case ATTEMPT_LOCATE:
			find_way(o);
			break;
		case ATTEMPT_NEXT_PLACE:
			note_next_place(o);
			break;
		case ATTEMPT_END:
			finish(o, &act.end, m);
			break;
		}
	}
}

void im_out_response(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog)
{
	struct im *im = data;
	struct outgoing *o = find(im, id);
	(void)dialog;
	if (!o || o->attempt.state != ATTEMPT_SENT || m->status < 200) {
		return;
	}
	trunk_send_answered(&o->send, XFED_SPAN("MESSAGE"), m);
	o->attempt.is_without_proof = !trunk_send_may_have_been_taken(&o->send);
	if (trunk_send_challenged(&o->send, m) && attempts_challenged(im->attempts, id, im_now(im))) {
		core_flush_soon(im->core);
		return;
	}
	answered_in_call(o, m->status);
	attempts_response(im->attempts, id, m->status, im_now(im));
	perform(im, m);
}

void im_out_timeout(void *data, uint64_t id, bool was_written)
{
	struct im *im = data;
	struct outgoing *o = find(im, id);
	if (o && o->attempt.state == ATTEMPT_SENT) {
		trunk_send_timed_out(&o->send);
		answered_in_call(o, 0);
		attempts_timeout(im->attempts, id, was_written);
		perform(im, NULL);
	}
}

void im_out_broken(void *data, uint64_t id, bool was_written)
{
	struct im *im = data;
	struct outgoing *o = find(im, id);
	if (!o || o->attempt.state != ATTEMPT_SENT) {
		return;
	}
	trunk_send_broken(&o->send, was_written);
	answered_in_call(o, 0);
	attempts_broken(im->attempts, id, was_written, im_now(im));
	if (!was_written && o->attempt.state == ATTEMPT_ENDED) {
		o->attempt.end.reason = trunk_send_unreached(&o->send);
	}
	perform(im, NULL);
}

/* ---- time ---- */

void im_out_tick(struct im *im)
{
	attempts_tick(im->attempts, im_now(im));
	perform(im, NULL);
}

void im_give_up(struct im *im)
{
	attempts_give_up(im->attempts);
	perform(im, NULL);
}

void im_out_free_all(struct im *im)
{
	struct attempt *t;
	while (im->attempts && (t = attempts_drop(im->attempts))) {
		trunk_send_end(&of_attempt(t)->send);
		xfed_free(t);
	}
}
