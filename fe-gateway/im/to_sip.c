/* From a stanza that policy lets pass to a request. */
#include "im/im_impl.h"

#include <stdio.h>

#include "interwork/address.h"
#include "interwork/im.h"
#include "interwork/typing.h"
#include "interwork/when.h"
#include "xfed/hash.h"
#include "xfed/text.h"

#define SCRATCH_BYTES (1024 * 1024)

/* ---- parts of the request ---- */

struct parts {
	struct iw_ends ends;
	struct iw_sip_im im;
	struct xfed_span local, remote; /* bare JIDs, for messages in a session */
	bool says_typing;
};

/* Messages with the same key keep their order: those of one contact, from any of its devices. 0: a message made here. */
static uint64_t sender_key(struct xfed_span from)
{
	const char *slash = from.len > 0 ? memchr(from.data, '/', from.len) : NULL;
	size_t bare = slash ? (size_t)(slash - from.data) : from.len;
	return bare > 0 ? xfed_hash_bytes(from.data, bare) : 0;
}

static struct outgoing *outgoing_new(struct im *im, const struct deliver_origin *origin, const struct parts *p)
{
	size_t texts = deliver_origin_bytes(origin) + p->ends.user.len + p->ends.contact.len + p->im.body.len + p->im.subject.len +
		       p->im.language.len + p->im.thread.len + p->local.len + p->remote.len + 8;
	struct outgoing *o = xfed_malloc(sizeof(*o) + texts);
	if (!o) {
		return NULL;
	}
	memset(o, 0, sizeof(*o));
	char *at = (char *)(o + 1);
	o->im = im;
	o->attempt.id = ++im->core->last_id;
	o->attempt.item.bytes = sizeof(*o) + texts;
	o->attempt.item.share = policy_partner_share(im->policy, origin->partner);
	o->attempt.item.sender = sender_key(origin->words.from);
	deliver_origin_copy(&o->origin, origin, &at);
	o->uri = xfed_span_put(&at, p->ends.user);
	o->from_uri = xfed_span_put(&at, p->ends.contact); /* right behind it: im_out_add() */
	o->body = xfed_span_put(&at, p->im.body);
	o->subject = xfed_span_put(&at, p->im.subject);
	o->language = xfed_span_put(&at, p->im.language);
	o->thread = xfed_span_put(&at, p->im.thread);
	o->local = xfed_span_put(&at, p->local);
	o->remote = xfed_span_put(&at, p->remote);
	o->says_typing = p->says_typing;
	if (iw_when_is_late(p->im.sent_s, core_wall_s(im->core)) && sip_date_print(p->im.sent_s, o->date) != XFED_OK) {
		o->date[0] = '\0';
	}
	return o;
}

/* An upper bound of the request's size: the template and what is inserted, the advertised name twice. */
static size_t size_bound(const struct outgoing *o)
{
	const size_t template_bytes = 560;
	return template_bytes + 2 * config_our_name(im_config(o->im), o->is_outside).len + 2 * o->uri.len + o->from_uri.len + o->subject.len +
	       o->language.len + o->body.len;
}

/* Checked before the message is queued, so that it does not wait only to be refused ([B4-04]). Measured exactly only where it may be too large. */
static enum xfed_reason check_size(struct outgoing *o, char why[IM_SIZE_WORDS])
{
	enum sip_transport usable[SIP_TRANSPORT_COUNT];
	size_t n = trunk_hop_transports(o->send.hop, false, usable);
	if (n == 0) {
		return XFED_REASON_SIP_SERVER_UNREACHABLE;
	}
	size_t proof = trunk_hop_proof_bytes(o->send.hop, o->uri), bound = size_bound(o) + proof;
	if (bound <= XFED_SIP_UDP_REQUEST_BYTES && bound <= o->max_request) {
		return XFED_REASON_NONE;
	}
	struct request_ids ids;
	struct sip_layer_request rq;
	struct sip_target t = { .transport = usable[n - 1] }; /* UDP, where it is among those that may be used */
	size_t size;
	im_out_prepare(o, &t, &ids, &rq);
	if (trunk_request_size(o->im->trunk, &rq, &size) != XFED_OK) {
		return XFED_REASON_SIP_ADDRESS_UNMAPPABLE;
	}
	size += proof;
	o->send.is_large = t.transport == SIP_UDP && size > XFED_SIP_UDP_REQUEST_BYTES;
	bool may_go = size <= o->max_request && (!o->send.is_large || trunk_hop_transports(o->send.hop, true, usable) > 0);
	if (may_go) {
		return XFED_REASON_NONE;
	}
	im_out_size_words(o, why);
	return XFED_REASON_SIP_REQUEST_TOO_LARGE;
}

static enum xfed_reason queue(struct outgoing *o, const struct config_domain *d, uint64_t deadline_ms, char why[IM_SIZE_WORDS])
{
	o->send.user = &o->im->trunk_user;
	o->send.hop = trunk_hop_of(o->im->trunk, d);
	o->send.recipient = xfed_hash_bytes(o->uri.data, o->uri.len);
	o->max_request = d->max_request_bytes;
	o->is_outside = d->federated;
	o->attempt.is_in_session = d->im == CONFIG_IM_SESSION;
	o->attempt.item.deadline_ms = deadline_ms;
	if (!o->send.hop) {
		return XFED_REASON_STREAM_INTERNAL;
	}
	enum xfed_reason reason = check_size(o, why);
	if (reason != XFED_REASON_NONE) {
		return reason;
	}
	switch (im_out_add(o)) {
	case XFED_OK:
		return XFED_REASON_NONE;
	case XFED_ERR_LIMIT:
		return XFED_REASON_DELIVERY_QUEUE_FULL;
	default:
		return XFED_REASON_STREAM_INTERNAL;
	}
}

/* Takes over the contact where the message is queued. */
static enum xfed_reason send_on(struct im *im, const struct delivery *d, struct parts *p, struct contact **contact, char why[IM_SIZE_WORDS])
{
	struct outgoing *o = outgoing_new(im, &d->origin, p);
	if (!o) {
		return XFED_REASON_STREAM_INTERNAL;
	}
	o->attempt.is_repeat = o->send.is_repeat = d->is_replay;
	uint64_t most = im_config(im)->delivery.deadline_ms;
	uint64_t left = d->remaining_ms && d->remaining_ms < most ? d->remaining_ms : most;
	enum xfed_reason reason = queue(o, d->domain, im_now(im) + left, why);
	if (reason != XFED_REASON_NONE) {
		xfed_free(o);
		return reason;
	}
	o->contact = *contact;
	*contact = NULL;
	proto_exchange_mark(channel_exchange(im->channel), d->origin.from, o->attempt.id);
	return XFED_REASON_NONE;
}

/* ---- kinds of stanzas ---- */

static void count_translation(struct im *im, const char *kind, enum iw_fate fate)
{
	static const char *const words[] = { [IW_DELIVER] = "translated", [IW_DROP] = "dropped", [IW_REFUSE] = "refused", [IW_NO_MEMORY] = "failed" };
	rt_metric_add(im->core->d.metrics, RT_M_TRANSLATE, 1, RT_LABELS(xfed_span_str(kind), xfed_span_str(words[fate])));
}

/* Notes that the contact has written. NULL: no memory; the contact then counts as unknown, and an error of its server is waited for. */
static struct contact *heard_of(struct im *im, const struct delivery *d)
{
	struct contact *k = contacts_hold(im->contacts, d->known, d->local, d->remote);
	if (k) {
		contact_heard(k, im_now(im));
	}
	return k;
}

static enum xfed_reason translate_on(struct im *im, const struct delivery *d, struct parts *p, struct contact **contact, char why[IM_SIZE_WORDS])
{
	if (d->domain->im == CONFIG_IM_SESSION) {
		enum iw_chat_state state;
		p->local = d->local;
		p->remote = d->remote;
		p->says_typing = iw_chat_state_of(d->stanza, &state);
	}
	int rc = iw_ends_to_sip(d->arena, &d->stanza->to, config_domain_inside(d->domain), &d->stanza->from, &p->ends);
	return rc == XFED_OK	      ? send_on(im, d, p, contact, why)
	       : rc == XFED_ERR_NOMEM ? XFED_REASON_STREAM_INTERNAL
				      : XFED_REASON_SIP_ADDRESS_UNMAPPABLE;
}

/* Told in a session. A text says by itself that nobody types any more. */
static bool take_typing(struct im *im, const struct delivery *d)
{
	enum iw_chat_state state;
	return d->domain->im == CONFIG_IM_SESSION && iw_chat_state_of(d->stanza, &state) && sessions_typing(im->sessions, d->local, d->remote, state);
}

void im_take_message(void *user, const struct delivery *d)
{
	struct im *im = user;
	struct parts p = { 0 };
	char why[IM_SIZE_WORDS] = "";
	enum iw_fate fate = iw_im_to_sip(d->arena, d->stanza, &p.im);
	count_translation(im, "message", fate);
	enum xfed_reason reason = XFED_REASON_NONE;
	struct contact *k = fate != IW_NO_MEMORY ? heard_of(im, d) : NULL; /* a refused message shows too that the contact exists */
	switch (fate) {
	case IW_DELIVER:
		im_trials_hear(im, d->local, d->remote);
		reason = translate_on(im, d, &p, &k, why);
		break;
	case IW_DROP:
		if (take_typing(im, d)) {
			deliver_done(im->deliver, &d->origin);
		} else {
			deliver_drop(im->deliver, &d->origin, p.im.rule);
		}
		break;
	case IW_REFUSE:
		deliver_end(im->deliver, &d->origin,
			&(struct deliver_end){ .fate = XFED__FATE__FATE_REFUSED, .error = p.im.refusal, .text = xfed_span_str(p.im.untold) });
		break;
	case IW_NO_MEMORY:
		reason = XFED_REASON_STREAM_INTERNAL;
		break;
	}
	contacts_give_back(im->contacts, k, im_now(im)); /* where the message has not taken it over */
	if (reason != XFED_REASON_NONE) {
		deliver_refuse(im->deliver, &d->origin, reason, why[0] ? why : NULL);
	}
}

/* ---- messages made here ---- */

static enum xfed_reason tell(struct im *im, struct xfed_arena *a, struct xfed_span local, struct xfed_span remote, struct xfed_span text)
{
	struct xfed_jid to = xfed_jid_of_normalised(local), from = xfed_jid_of_normalised(remote);
	struct parts p = { .im = { .body = text }, .local = local, .remote = remote };
	char why[IM_SIZE_WORDS];
	const struct config_domain *d = config_domain(im_config(im), to.domain);
	if (!d || iw_ends_to_sip(a, &to, config_domain_inside(d), &from, &p.ends) != XFED_OK) {
		return XFED_REASON_SIP_ADDRESS_UNMAPPABLE;
	}
	struct deliver_origin origin = { .from = { .seq = im->core->last_id + 1 },
		.added_ms = im_now(im),
		.partner = from.domain,
		.local = to.domain,
		.words = { .kind = XFED__KIND__KIND_MESSAGE } };
	struct outgoing *o = outgoing_new(im, &origin, &p);
	enum xfed_reason reason = o ? queue(o, d, im_now(im) + im_config(im)->delivery.deadline_ms, why) : XFED_REASON_STREAM_INTERNAL;
	if (reason != XFED_REASON_NONE) {
		xfed_free(o);
	}
	return reason;
}

void im_tell_user(struct im *im, struct xfed_span local_bare, struct xfed_span remote_bare, struct xfed_span text)
{
	struct xfed_arena a;
	xfed_arena_init(&a, SCRATCH_BYTES);
	enum xfed_reason reason = tell(im, &a, local_bare, remote_bare, text);
	if (reason != XFED_REASON_NONE) {
		rt_log(RT_LOG_WARNING, "delivery.note-lost", RT_KV_ADDRESS("partner", remote_bare), RT_KV_ADDRESS("local", local_bare),
			RT_KV_REASON(reason), RT_END);
	}
	xfed_arena_deinit(&a);
}
