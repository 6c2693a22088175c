/* From a frame to a delivery: parsed, judged, and handed to the room for its kind. */
#include "deliver/deliver_impl.h"

#include "proto/deliver.h"
#include "xfed/mem.h"
#include "xfed/text.h"

/* ---- origins ---- */

size_t deliver_origin_bytes(const struct deliver_origin *o)
{
	return o->partner.len + o->local.len + o->correlation.len + o->words.type.len + o->words.id.len + o->words.from.len + o->words.to.len + 7;
}

void deliver_origin_copy(struct deliver_origin *out, const struct deliver_origin *from, char **at)
{
	*out = *from;
	out->partner = xfed_span_put(at, from->partner);
	out->local = xfed_span_put(at, from->local);
	out->correlation = xfed_span_put(at, from->correlation);
	out->words.type = xfed_span_put(at, from->words.type);
	out->words.id = xfed_span_put(at, from->words.id);
	out->words.from = xfed_span_put(at, from->words.from);
	out->words.to = xfed_span_put(at, from->words.to);
}

/* ---- policy ---- */

static enum policy_kind policy_kind_of(const struct xfed_stanza *s)
{
	if (xfed_stanza_is_ending(s)) {
		return POLICY_ENDING;
	}
	return s->kind == XFED_STANZA_MESSAGE ? POLICY_MESSAGE : POLICY_PRESENCE;
}

/* The reason of the first gate that is closed. Whether the addresses can be expressed in SIP turns out when the request is made. */
static enum xfed_reason judge(const struct deliver *d, struct delivery *out)
{
	const struct deliver_rooms *r = &d->below;
	const struct xfed_stanza *s = out->stanza;
	struct policy_ends ends = policy_ends(r->policy, false, s->from.domain, s->to.domain);
	struct policy_facts f = {
		.from_is_good = true, .to_is_good = true, .from_is_ours = ends.from, .to_is_ours = ends.to, .from_maps = true, .to_maps = true
	};
	struct policy_verdict verdicts[POLICY_GATE_COUNT];
	struct contact_facts contact;
	const struct access_rule *rule;
	const struct xfed_partner *partner = policy_pair_facts(r->policy, &s->to, s->from.domain, &f, &rule);
	out->origin.is_public = !partner || partner->type != XFED_PARTNER_FEDERATED;
	out->domain = ends.to;
	out->local = xfed_jid_bare(out->arena, &s->to);
	out->remote = xfed_jid_bare(out->arena, &s->from);
	if (!out->local.data || !out->remote.data) {
		return XFED_REASON_STREAM_INTERNAL;
	}
	out->known = contacts_find(r->contacts, out->local, out->remote);
	contact_facts(out->known, core_now(r->core), &contact);
	enum policy_kind kind = policy_kind_of(s);
	f.is_added = contact.is_added;
	f.is_written_to = contact.is_written_to;
	enum policy_gate closed = policy_gates(&f, kind, true, verdicts);
	if (closed == POLICY_GATE_DIRECTION) {
		return XFED_REASON_XMPP_STANZA_INVALID; /* an edge never relays between partners: this stanza is from no partner, or not to us */
	}
	return closed == POLICY_GATE_COUNT ? XFED_REASON_NONE : verdicts[closed].reason;
}

/* ---- incoming ---- */

static struct deliver_origin origin_of(const struct deliver *d, struct proto_from from, const Xfed__Deliver *frame)
{
	return (struct deliver_origin){
		.from = from,
		.added_ms = core_now(d->below.core),
		.is_public = true,
		.correlation = xfed_span_str(frame->correlation),
		.words = { .kind = frame->kind,
			.type = xfed_span_str(frame->type),
			.id = xfed_span_str(frame->id),
			.from = xfed_span_str(frame->from),
			.to = xfed_span_str(frame->to) },
	};
}

static enum xfed_reason read_and_judge(struct deliver *d, const Xfed__Deliver *frame, struct xfed_stanza *s, struct delivery *out)
{
	enum xfed_reason reason = proto_deliver_read(&d->reader, frame, s);
	if (reason != XFED_REASON_NONE) {
		return reason;
	}
	out->arena = xfed_xml_reader_arena(d->reader);
	out->origin.partner = s->from.domain;
	out->origin.local = s->to.domain;
	return judge(d, out);
}

void deliver_take(struct deliver *d, struct proto_from from, const Xfed__Deliver *frame)
{
	struct xfed_stanza s = { 0 };
	struct delivery del = { .origin = origin_of(d, from, frame), .stanza = &s, .is_replay = frame->replay, .remaining_ms = frame->remaining_ms };
	enum xfed_reason reason = read_and_judge(d, frame, &s, &del);
	bool is_error = s.type == XFED_TYPE_ERROR;
	if (reason != XFED_REASON_NONE && is_error) {
		deliver_drop(d, &del.origin, "type-error"); /* an error is never answered with an error */
		return;
	}
	if (reason != XFED_REASON_NONE) {
		deliver_refuse(d, &del.origin, reason, NULL);
		return;
	}
	const struct deliver_user *u = &d->users[s.kind == XFED_STANZA_PRESENCE ? DELIVER_PRESENCE : is_error ? DELIVER_ERROR : DELIVER_MESSAGE];
	u->fn(u->data, &del);
}

/* ---- the room ---- */

int deliver_new(const struct deliver_rooms *below, struct deliver **out)
{
	struct deliver *d = *out = xfed_calloc(1, sizeof(*d));
	if (!d) {
		return XFED_ERR_NOMEM;
	}
	d->below = *below;
	return XFED_OK;
}

void deliver_free(struct deliver *d)
{
	if (d) {
		xfed_xml_reader_free(d->reader);
		xfed_free(d);
	}
}

void deliver_use(struct deliver *d, enum deliver_kind kind, deliver_fn *fn, void *user)
{
	d->users[kind] = (struct deliver_user){ fn, user };
}
