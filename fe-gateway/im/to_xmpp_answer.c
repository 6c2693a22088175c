/* How a message to XMPP ends: the edge's report, an error of the contact's server, or the end of the waiting time becomes the SIP response. */
#include "im/im_impl.h"

#include <stdio.h>
#include <utlist.h>

#include "interwork/address.h"

/* ---- responses, sent at the end of the turn ---- */

static void queue(struct im *im, struct answer *a)
{
	DL_APPEND(im->answers, a);
	core_flush_soon(im->core);
}

/* Takes it out of the gateway's tables and frees it. */
static void incoming_free(struct incoming *in)
{
	HASH_DELETE(hh, in->im->incoming_by_id, in);
	DL_DELETE(in->im->incoming, in);
	contacts_give_back(in->im->contacts, in->contact, im_now(in->im));
	if (in->call != 0) {
		sessions_settled(in->im->sessions, in->call);
	}
	xfed_free(in);
}

static void answer_free(struct answer *a)
{
	if (a->owner) {
		incoming_free(a->owner);
	} else {
		xfed_free(a);
	}
}

static void fill_extra(struct answer *a, const struct iw_sip_error *e)
{
	if (e->needs_allow) {
		snprintf(a->extra, sizeof(a->extra), "%s", trunk_allow(a->owner->im->trunk));
	} else if (e->needs_accept) {
		const struct incoming *in = a->owner;
		snprintf(a->extra, sizeof(a->extra), "Accept: %s%s\r\nAccept-Encoding: identity\r\n", in->is_lync ? IW_IM_ACCEPT_RICH : IW_IM_ACCEPT,
			in->call != 0 ? ", " IW_TYPING_ACCEPT ", " IW_IMDN_TYPE : "");
	} else if (e->retry_after_s > 0) {
		snprintf(a->extra, sizeof(a->extra), "Retry-After: %u\r\n", e->retry_after_s);
	}
}

static int respond(struct im *im, const struct answer *a)
{
	XFED_UNSET char lines[sizeof(a->extra) + IW_WARNING_BYTES];
	size_t len = strlen(a->extra);
	memcpy(lines, a->extra, len + 1);
	if (iw_warning_is_told(a->reason, a->is_for_stranger)) {
		iw_warning_as(lines + len, sizeof(lines) - len, a->warning != 0 ? a->warning : IW_WARNING_CODE,
			config_our_name(im_config(im), a->owner && a->owner->is_outside), a->reason, xfed_span_str(a->detail));
	}
	return trunk_respond(im->trunk, a->txn, a->status, a->phrase[0] ? a->phrase : NULL, xfed_span_str(lines));
}

/* In the place of a response. */
static int tell_trial(const struct answer *a)
{
	struct incoming *in = a->owner;
	struct im_trial *t = in->trial;
	bool is_good = a->status < 300;
	if (t) {
		in->trial = NULL;
		t->incoming = NULL;
		t->ended(t, is_good ? XFED_REASON_NONE : a->reason, a->detail[0] ? a->detail : a->phrase);
	}
	return XFED_OK;
}

void im_in_flush(struct im *im)
{
	struct answer *a, *next;
	DL_FOREACH_SAFE(im->answers, a, next) {
		int rc = a->owner && a->owner->is_trial ? tell_trial(a) : respond(im, a);
		if (rc == XFED_ERR_NOMEM) {
			continue; /* the tick tries again; a smaller answer behind it may still be sent */
		}
		DL_DELETE(im->answers, a);
		answer_free(a);
	}
}

/* ---- outcomes ---- */

static void count(struct incoming *in, const char *fate)
{
	core_count_stanza(in->im->core, policy_partner_label(in->im->policy, in->remote_domain), "to_xmpp", "message", fate);
}

/* Empty where the request was refused before this was looked at. */
static struct xfed_span known(struct xfed_span s)
{
	return s.len > 0 ? s : xfed_span_make(NULL, 0);
}

/* A user of ours wrote what is too large in this direction. */
static struct proto_result result_of(enum xfed_reason reason)
{
	bool is_users = reason == XFED_REASON_DELIVERY_SIZE_EXCEEDED;
	return (struct proto_result){ .reason = reason,
		.side = is_users ? XFED_SIDE_LOCAL_USER : xfed_reason_info(reason)->side,
		.whose = proto_whose_of(reason, PROTO_WHOSE_SIP) };
}

static void log_end(const struct incoming *in, const char *event, const struct proto_result *r, int status, struct xfed_span text)
{
	rt_log(r->reason == XFED_REASON_NONE ? RT_LOG_DEBUG : RT_LOG_INFO, event, RT_KV("partner", known(in->remote_domain)),
		RT_KV("local", known(in->local_domain)), PROTO_KV_RESULT(r), RT_KV("id", in->stanza_id), RT_KV("call_id", in->call_id),
		RT_KV("correlation", in->correlation), RT_KV_I64("sip_status", status), RT_KV("text", text), RT_END);
}

static void log_refused(const struct incoming *in, const struct proto_result *r, int status, struct xfed_span text)
{
	log_end(in, "delivery.refused", r, status, text);
	journal_add_message(in->im->journal, &(struct journal_message){ .is_temporary = status == 480 || status >= 500,
						     .local = in->local_domain,
						     .remote = in->remote_domain,
						     .from = in->local,
						     .to = in->remote,
						     .reason = r->reason,
						     .side = r->side,
						     .sip_status = status,
						     .said = text });
}

static void be_delivered(struct incoming *in)
{
	in->answer.status = in->is_unacked || in->is_lync ? 202 : 200;
	if (in->is_lync) {
		char *at = mempcpy(in->answer.extra, "Message-Id: ", 12); /* the id is one of ours, and has CORE_ID_LEN digits */
		at = mempcpy(at, in->stanza_id.data, in->stanza_id.len);
		memcpy(at, "\r\n", 3);
	}
	count(in, "delivered");
	log_end(in, "delivery.delivered", &(struct proto_result){ .fate = XFED__FATE__FATE_DELIVERED }, in->answer.status, xfed_span_make(NULL, 0));
	queue(in->im, &in->answer);
}

/* Of a client that shows its user one of a few texts, by the status. One that concerns the whole gateway (503) stays. */
static void choose_status(struct incoming *in, struct iw_sip_error *e)
{
	struct xfed_span detail = e->detail;
	if (in->is_lync && e->status != 503) {
		unsigned where = (in->call != 0 ? IW_LYNC_IN_SESSION : 0) | (in->is_outside ? IW_LYNC_OF_NEIGHBOUR : 0);
		enum iw_lync_text text = iw_lync_status(e->reason, detail, where, e);
		in->answer.warning = text == IW_LYNC_BLOCKED ? IW_LYNC_WARNING_BLOCKED : 0;
		e->detail = detail;
	}
}

static void fill_error(struct incoming *in, const struct iw_sip_error *e, struct xfed_span phrase)
{
	in->answer.status = e->status;
	in->answer.reason = e->reason;
	snprintf(in->answer.detail, sizeof(in->answer.detail), "%.*s", (int)e->detail.len, e->detail.data ? e->detail.data : "");
	snprintf(in->answer.phrase, sizeof(in->answer.phrase), "%.*s", (int)phrase.len, phrase.data ? phrase.data : "");
	fill_extra(&in->answer, e);
}

static void respond_error(struct incoming *in, const struct iw_sip_error *e, const struct proto_result *r, struct xfed_span phrase)
{
	fill_error(in, e, phrase);
	core_count_refusal(in->im->core, r->reason, r->side);
	queue(in->im, &in->answer);
}

static void refuse(struct incoming *in, const struct iw_sip_error *e, const struct proto_result *r, const char *text)
{
	count(in, "refused");
	log_refused(in, r, e->status, e->detail.data ? e->detail : xfed_span_str(*text ? text : NULL));
	respond_error(in, e, r, xfed_span_str(e->phrase));
}

void im_in_refuse(struct incoming *in, const struct iw_sip_error *e, const char *text)
{
	struct proto_result r = result_of(e->reason);
	struct iw_sip_error told = *e;
	choose_status(in, &told);
	refuse(in, &told, &r, text);
}

/* `told`: the edge's report, which may say who was to blame; NULL: none. */
static void be_uncertain(struct incoming *in, const struct proto_result *told)
{
	struct iw_sip_error e;
	struct proto_result r = result_of(XFED_REASON_DELIVERY_UNCERTAIN);
	if (told && told->reason != XFED_REASON_NONE) {
		r.side = told->side;
		r.whose = told->whose;
	}
	XFED_REQUIRE(iw_reason_to_sip(XFED_REASON_DELIVERY_UNCERTAIN, &e) == XFED_OK);
	choose_status(in, &e);
	count(in, "uncertain");
	rt_metric_add(in->im->core->d.metrics, RT_M_DELIVERIES_UNCERTAIN, 1, RT_NO_LABELS);
	log_end(in, "delivery.uncertain", &r, e.status, xfed_span_make(NULL, 0));
	respond_error(in, &e, &r, XFED_SPAN("May Have Been Delivered"));
}

/* The message was written or acknowledged. If the contact is not known to exist, its server has a moment to answer with an error. */
static void hold_or_deliver(struct incoming *in)
{
	struct im *im = in->im;
	struct contact_facts facts;
	uint64_t now = im_now(im), hold_ms = in->trial ? in->trial->hold_ms : im_config(im)->sip.error_hold_ms;
	contact_facts(in->contact, now, &facts);
	bool is_enough = !in->trial && (in->is_unacked || facts.is_alive);
	struct hold h = {
		.id = in->stanza_id,
		.local = in->local,
		.remote = in->remote,
		.is_answered = is_enough || hold_ms == 0 || im->is_leaving,
	};
	int rc = holds_add(im->holds, &h, now + hold_ms, now);
	if (rc != XFED_OK || h.is_answered) {
		be_delivered(in);
		return;
	}
	rt_timer_set(&im->hold, holds_deadline(im->holds));
}

/* The error of the contact's server came before the edge reported the stanza as accepted. */
static void answer_early_error(struct incoming *in)
{
	in->has_early_error = false;
	count(in, "refused");
	log_refused(in, &in->early, in->answer.status, xfed_span_make(NULL, 0));
	core_count_refusal(in->im->core, in->early.reason, in->early.side);
	queue(in->im, &in->answer);
}

static struct incoming *find(struct im *im, struct xfed_span id)
{
	struct incoming *in = NULL;
	if (id.len > 0) {
		HASH_FIND(hh, im->incoming_by_id, id.data, id.len, in);
	}
	return in;
}

void im_outcome(struct im *im, struct xfed_span stanza_id, const struct proto_result *r)
{
	struct incoming *in = find(im, stanza_id);
	if (in && !im->is_over) {
		im_in_outcome(in, r);
	}
}

void im_in_outcome(struct incoming *in, const struct proto_result *r)
{
	struct iw_sip_error e;
	if (in->has_early_error) {
		answer_early_error(in);
		return;
	}
	switch (r->fate) {
	case XFED__FATE__FATE_DELIVERED:
		if (in->trial) {
			in->trial->taken(in->trial);
		}
		in->is_unacked = r->sip_status == 202; /* answered now; if the stanza is lost after all, its error is reported like any late one */
		hold_or_deliver(in);
		return;
	case XFED__FATE__FATE_UNCERTAIN:
		be_uncertain(in, r);
		return;
	default:
		break;
	}
	struct proto_result ended = r->reason == XFED_REASON_NONE ? result_of(XFED_REASON_DELIVERY_DEADLINE) : *r;
	if (iw_reason_to_sip(ended.reason, &e) != XFED_OK) {
		e = (struct iw_sip_error){ .status = 480, .phrase = NULL, .reason = ended.reason };
	}
	choose_status(in, &e);
	refuse(in, &e, &ended, "");
}

/* ---- held responses ---- */

void im_in_holds(struct im *im)
{
	const struct hold *h;
	while ((h = holds_due(im->holds, im_now(im)))) {
		struct incoming *in = find(im, h->id);
		if (in->contact) {
			contact_took(in->contact, im_now(im));
		}
		be_delivered(in);
	}
	rt_timer_set(&im->hold, holds_deadline(im->holds));
}

void im_drain(struct im *im)
{
	im->is_leaving = true;
	const struct hold *h;
	while ((h = holds_release(im->holds, im_now(im)))) {
		be_delivered(find(im, h->id));
	}
}

/* In the last turn: answers every open request, and ignores outcomes from then on. */
void im_close(struct im *im)
{
	struct incoming *in;
	im->is_over = true;
	DL_FOREACH(im->incoming, in) {
		if (in->has_early_error) {
			answer_early_error(in);
		} else if (in->answer.status == 0) {
			be_uncertain(in, NULL);
		}
	}
	im_in_flush(im);
}

/* ---- errors from contacts and their servers ---- */

/*
 * The Contact of a 301 or 302, from the address in <gone/> or <redirect/>. It has to be in the domain of that partner: a server that
 * answers for its own users must not redirect ours anywhere else.
 */
static bool write_contact(struct incoming *in, struct xfed_arena *a, struct xfed_span said)
{
	struct answer *answer = &in->answer;
	struct xfed_span uri;
	struct xfed_jid j;
	if (iw_xmpp_uri_to_jid(a, said, &j) != XFED_OK || !policy_partner(in->im->policy, j.domain) || iw_jid_to_sip(a, &j, NULL, &uri) != XFED_OK) {
		return false;
	}
	int len = snprintf(answer->extra, sizeof(answer->extra), "Contact: <%.*s>\r\n", (int)uri.len, uri.data);
	if (len < 0 || (size_t)len >= sizeof(answer->extra)) {
		answer->extra[0] = '\0';
		return false;
	}
	return true;
}

static struct xfed_span translate_error(struct incoming *in, struct xfed_arena *a, const struct xfed_stanza *s, struct xfed_span condition,
	struct xfed_span text, struct iw_sip_error *e)
{
	struct xfed_span phrase;
	struct xfed_span said = xfed_stanza_error_address(s->elem, a);
	bool may_move = said.data && !in->is_lync && (xfed_span_is(condition, "gone") || xfed_span_is(condition, "redirect"));
	iw_condition_to_sip(condition, in->is_full, may_move && write_contact(in, a, said), e);
	e->detail = may_move ? xfed_arena_printf(a, "%.*s to %.*s", (int)condition.len, condition.data, (int)said.len, said.data) : condition;
	choose_status(in, e);
	return iw_phrase_from_text(a, text, e->phrase, &phrase) == XFED_OK ? phrase : xfed_span_str(e->phrase);
}

/* The contact may not exist: the response to the next message is held again. */
static void doubt(struct im *im, struct xfed_span local, struct xfed_span remote)
{
	struct contact *k = contacts_find(im->contacts, local, remote);
	if (k) {
		k = contacts_hold(im->contacts, k, local, remote);
		contact_failed(k);
		contacts_give_back(im->contacts, k, im_now(im));
	}
}

static void error_in_time(struct incoming *in, struct xfed_arena *a, const struct xfed_stanza *s, struct xfed_span condition, struct xfed_span text)
{
	struct iw_sip_error e;
	struct xfed_span phrase = translate_error(in, a, s, condition, text, &e);
	struct proto_result r = result_of(e.reason);
	count(in, "refused");
	log_refused(in, &r, e.status, e.detail);
	respond_error(in, &e, &r, phrase);
}

/* In a session of the Lync dialect; its client shows one of its texts, by the status. */
static bool tell_by_imdn(struct im *im, const struct hold *h, enum xfed_reason reason, struct xfed_span condition, struct xfed_span words)
{
	struct iw_sip_error e;
	iw_lync_status(reason, condition, IW_LYNC_IN_SESSION, &e);
	return sessions_tell_lost(im->sessions,
		&(struct session_lost){ .local = h->local, .remote = h->remote, .message_id = h->id, .words = words, .status = e.status });
}

void im_in_untold(void *data, struct xfed_span local, struct xfed_span remote, struct xfed_span words)
{
	im_tell_user(data, local, remote, words);
}

/*
 * The response has been sent: the user is told by a message in the contact's name. A time-out means that nobody knows whether the message
 * arrived, be it the edge's, whose stream broke before the acknowledgement, or another server's. The text of the other side does not change
 * that.
 */
static void error_too_late(struct im *im, const struct hold *h, struct xfed_arena *a, struct xfed_span condition, struct xfed_span text)
{
	struct iw_sip_error e;
	struct xfed_span line;
	iw_condition_to_sip(condition, false, false, &e);
	core_count_refusal(im->core, e.reason, xfed_reason_info(e.reason)->side);
	rt_log(RT_LOG_INFO, "delivery.error-late", RT_KV_REASON(e.reason), RT_KV_ADDRESS("partner", h->remote), RT_KV_ADDRESS("local", h->local),
		RT_KV("id", h->id), RT_KV("text", condition), RT_END);
	if (iw_phrase_from_text(a, text, e.phrase, &line) != XFED_OK) {
		line = xfed_span_str(e.phrase);
	}
	bool is_uncertain = xfed_span_is(condition, "remote-server-timeout");
	struct xfed_span words = is_uncertain ? xfed_arena_printf(a, "It is not certain that your last message was delivered (%s)",
							xfed_reason_code(XFED_REASON_DELIVERY_UNCERTAIN))
					      : xfed_arena_printf(a, "Your last message was not delivered: %.*s (%s)", (int)line.len, line.data,
							xfed_reason_code(e.reason));
	if (words.data && (is_uncertain || !tell_by_imdn(im, h, e.reason, condition, words))) {
		im_tell_user(im, h->local, h->remote, words);
	}
}

/* The message is still in flight: with stream management an error may come before the acknowledgement. NULL: the error is for none of ours. */
static struct incoming *under_way(struct im *im, struct xfed_span id, struct xfed_span from, struct xfed_span to)
{
	struct incoming *in = find(im, id);
	bool is_theirs = in && xfed_span_eq(in->local, to) && (xfed_span_eq(in->remote, from) || xfed_span_eq(in->remote_domain, from));
	return is_theirs && in->answer.status == 0 ? in : NULL;
}

static void error_too_early(struct incoming *in, struct xfed_arena *a, const struct xfed_stanza *s)
{
	struct iw_sip_error e;
	struct xfed_span text, condition = xfed_stanza_error_condition(s->elem, a, &text);
	struct xfed_span phrase = translate_error(in, a, s, condition, text, &e);
	fill_error(in, &e, phrase);
	in->has_early_error = true;
	in->early = result_of(e.reason);
}

void im_in_error(void *user, const struct delivery *d)
{
	struct im *im = user;
	const struct xfed_stanza *s = d->stanza;
	struct xfed_span text;
	const struct hold *h = holds_match(im->holds, s->id, d->remote, s->from.domain, d->local);
	struct incoming *early = h ? NULL : under_way(im, s->id, d->remote, d->local);
	if (!h && !early) {
		deliver_drop(im->deliver, &d->origin, "type-error");
		return;
	}
	if (early) {
		doubt(im, early->local, early->remote);
		error_too_early(early, d->arena, s);
	} else {
		struct xfed_span condition = xfed_stanza_error_condition(s->elem, d->arena, &text);
		doubt(im, h->local, h->remote);
		if (h->is_answered) {
			error_too_late(im, h, d->arena, condition, text);
		} else {
			error_in_time(find(im, h->id), d->arena, s, condition, text);
		}
	}
	deliver_done(im->deliver, &d->origin);
}

void im_in_free_all(struct im *im)
{
	struct answer *a, *next;
	DL_FOREACH_SAFE(im->answers, a, next) {
		DL_DELETE(im->answers, a);
		answer_free(a);
	}
	while (im->incoming) {
		incoming_free(im->incoming);
	}
}
