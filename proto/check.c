#include "proto/check.h"

#include <unistr.h>

#include "xfed/jid.h"
#include "xfed/limits.h"

/* A sender leaves an absent text NULL. The reader checks UTF-8 too (proto/scan.c); here it catches mistakes of our own sender. */
static bool fits(const char *s, size_t max)
{
	if (!s) {
		return true;
	}
	size_t len = strnlen(s, max + 1);
	return len <= max && xfed_utf8_is_valid(xfed_span_make(s, len));
}

static bool is_name(const char *s)
{
	return s && *s && fits(s, PROTO_NAME_BYTES);
}

static const char *check_fields(size_t count, Xfed__Field *const *fields)
{
	if (count > PROTO_FIELDS_MAX) {
		return "too many names and values";
	}
	for (size_t i = 0; i < count; i++) {
		if (!is_name(fields[i]->name) || !fits(fields[i]->value, PROTO_VALUE_BYTES)) {
			return "a name or value is missing or too long";
		}
	}
	return NULL;
}

/* A revision with a hash; if `may_be_empty`, also none. */
static const char *check_revision(const Xfed__Revision *r, bool may_be_empty)
{
	if (!r) {
		return may_be_empty ? NULL : "a revision is missing";
	}
	if (r->hash.len == 0 && may_be_empty) {
		return NULL;
	}
	return r->hash.len == PROTO_HASH_BYTES ? NULL : "a hash is not 32 bytes";
}

static const char *check_hello(const Xfed__Hello *h)
{
	if (h->version_min == 0 || h->version_max < h->version_min) {
		return "hello: no range of versions";
	}
	if (h->role != XFED__ROLE__ROLE_EDGE && h->role != XFED__ROLE__ROLE_GATEWAY) {
		return "hello: unknown role";
	}
	if (!is_name(h->name) || !fits(h->software, PROTO_NAME_BYTES)) {
		return "hello: the name is missing, or a text too long";
	}
	if (h->boot_nonce == 0) {
		return "hello: no boot nonce";
	}
	if (h->n_capabilities > PROTO_CAPABILITIES_MAX) {
		return "hello: too many capabilities";
	}
	for (size_t i = 0; i < h->n_capabilities; i++) {
		if (!fits(h->capabilities[i], PROTO_WORD_BYTES)) {
			return "hello: a capability is too long";
		}
	}
	return check_revision(h->policy, true);
}

static const char *check_sip_key(const Xfed__SipKey *k)
{
	if (!k) {
		return NULL;
	}
	if (!k->call_id || !*k->call_id || !fits(k->call_id, PROTO_ID_BYTES) || !fits(k->from_tag, PROTO_ID_BYTES) ||
		!fits(k->request_uri, PROTO_URI_BYTES)) {
		return "deliver: the SIP identity is missing or too long";
	}
	return NULL;
}

static const char *check_deliver(const Xfed__Deliver *d)
{
	if (d->seq == 0) {
		return "deliver: no number";
	}
	if (d->kind < XFED__KIND__KIND_MESSAGE || d->kind > XFED__KIND__KIND_ERROR) {
		return "deliver: unknown kind";
	}
	if (d->stanza.len == 0 || d->stanza.len > XFED_STANZA_BYTES_MAX) {
		return "deliver: no stanza, or one above the maximum";
	}
	if (!fits(d->type, PROTO_WORD_BYTES) || !fits(d->id, PROTO_ID_BYTES) || !fits(d->from, PROTO_ADDRESS_BYTES) ||
		!fits(d->to, PROTO_ADDRESS_BYTES) || !fits(d->lang, PROTO_WORD_BYTES) || !fits(d->owner, PROTO_NAME_BYTES) ||
		!fits(d->correlation, PROTO_WORD_BYTES)) {
		return "deliver: a text is too long";
	}
	if (d->lowest_unsettled > d->seq) {
		return "deliver: its number is below the lowest unsettled one";
	}
	return check_sip_key(d->sip);
}

static const char *check_seqs(size_t count)
{
	return count <= PROTO_SEQS_MAX ? NULL : "too many numbers in a list";
}

static const char *check_attempted_ack(const Xfed__AttemptedAck *a)
{
	const char *problem = check_seqs(a->n_seqs);
	return problem ? problem : check_seqs(a->n_refused);
}

static const char *check_settled(const Xfed__Settled *s)
{
	if (s->n_outcomes > PROTO_OUTCOMES_MAX) {
		return "settled: too many outcomes";
	}
	for (size_t i = 0; i < s->n_outcomes; i++) {
		const Xfed__Outcome *o = s->outcomes[i];
		if (o->seq == 0 || o->fate < XFED__FATE__FATE_DELIVERED || o->fate > XFED__FATE__FATE_WITHDRAWN) {
			return "settled: no number, or an unknown fate";
		}
		if (!fits(o->condition, PROTO_WORD_BYTES) || !fits(o->error_type, PROTO_WORD_BYTES) || !fits(o->text, PROTO_TEXT_BYTES) ||
			!fits(o->reason, PROTO_WORD_BYTES) || !fits(o->rule, PROTO_WORD_BYTES) || !fits(o->address, PROTO_URI_BYTES) ||
			!fits(o->side, PROTO_WORD_BYTES) || !fits(o->whose, PROTO_WORD_BYTES)) {
			return "settled: a text is too long";
		}
		if (o->sip_status != 0 && (o->sip_status < 100 || o->sip_status > 699)) {
			return "settled: a SIP status that is none";
		}
	}
	return NULL;
}

static const char *check_wall(uint64_t wall_ms)
{
	return wall_ms <= PROTO_WALL_MS_MAX ? NULL : "a time beyond the year 9999";
}

static const char *check_request(const Xfed__Request *r)
{
	if (!is_name(r->verb) || !fits(r->verb, PROTO_WORD_BYTES)) {
		return "request: the verb is missing or too long";
	}
	return check_fields(r->n_args, r->args);
}

static const char *check_reply(const Xfed__Reply *r)
{
	if (r->status < XFED__STATUS__STATUS_OK || r->status > XFED__STATUS__STATUS_UNKNOWN_VERB) {
		return "reply: unknown status";
	}
	if (!fits(r->reason, PROTO_WORD_BYTES) || !fits(r->text, PROTO_TEXT_BYTES) || r->json.len > PROTO_JSON_BYTES) {
		return "reply: a text is too long";
	}
	return check_fields(r->n_fields, r->fields);
}

static const char *check_counters(const Xfed__Counters *c)
{
	if (c->n_metrics > PROTO_METRICS_MAX) {
		return "counters: too many in one frame";
	}
	for (size_t i = 0; i < c->n_metrics; i++) {
		const char *problem = check_fields(c->metrics[i]->n_labels, c->metrics[i]->labels);
		if (problem || !is_name(c->metrics[i]->name)) {
			return problem ? problem : "counters: a name is missing or too long";
		}
	}
	return NULL;
}

static const char *check_policy_begin(const Xfed__PolicyBegin *b)
{
	if (b->total_bytes > XFED_POLICY_BYTES_MAX) {
		return "policy: larger than the maximum";
	}
	return check_revision(b->revision, false);
}

static const char *check_policy_part(const Xfed__PolicyPart *p)
{
	if (p->data.len == 0 || p->data.len > XFED_POLICY_PART_BYTES) {
		return "policy: an empty part, or one above the maximum";
	}
	return NULL;
}

static const char *check_policy_result(const Xfed__PolicyResult *r)
{
	if (!fits(r->reason, PROTO_WORD_BYTES) || !fits(r->text, PROTO_TEXT_BYTES)) {
		return "policy: a text is too long";
	}
	return check_revision(r->revision, false);
}

static const char *check_certificate(const Xfed__Certificate *c)
{
	if (!c) {
		return NULL;
	}
	if (c->n_names > PROTO_CERT_NAMES_MAX || !fits(c->subject, PROTO_TEXT_BYTES) || !fits(c->issuer, PROTO_TEXT_BYTES) ||
		!fits(c->serial_hex, PROTO_NAME_BYTES) || !fits(c->sha256_hex, PROTO_WORD_BYTES)) {
		return "certificate: too many names, or a text is too long";
	}
	for (size_t i = 0; i < c->n_names; i++) {
		if (!fits(c->names[i], PROTO_TEXT_BYTES)) {
			return "certificate: a name is too long";
		}
	}
	return NULL;
}

static const char *check_pairs(const Xfed__StreamEvent *e)
{
	if (e->n_pairs > PROTO_PAIRS_MAX) {
		return "stream: too many pairs";
	}
	for (size_t i = 0; i < e->n_pairs; i++) {
		const Xfed__Pair *p = e->pairs[i];
		if (!fits(p->local, PROTO_ADDRESS_BYTES) || !fits(p->remote, PROTO_ADDRESS_BYTES) || !fits(p->method, PROTO_WORD_BYTES)) {
			return "stream: a pair is too long";
		}
	}
	return NULL;
}

static const char *check_stream_event(const Xfed__StreamEvent *e)
{
	if (e->change < XFED__STREAM_CHANGE__STREAM_OPENED || e->change > XFED__STREAM_CHANGE__STREAM_SNAPSHOT_END) {
		return "stream: unknown change";
	}
	if (e->direction > XFED__DIRECTION__DIRECTION_OUT) {
		return "stream: unknown direction";
	}
	if (!fits(e->address, PROTO_NAME_BYTES) || !fits(e->tls_version, PROTO_WORD_BYTES) || !fits(e->cipher, PROTO_WORD_BYTES) ||
		!fits(e->reason, PROTO_WORD_BYTES) || !fits(e->side, PROTO_WORD_BYTES) || !fits(e->text, PROTO_TEXT_BYTES) ||
		!fits(e->correlation, PROTO_WORD_BYTES)) {
		return "stream: a text is too long";
	}
	const char *problem = check_pairs(e);
	return problem ? problem : check_certificate(e->certificate);
}

static const char *check_steps(const Xfed__FailureEvent *e)
{
	if (e->n_steps > PROTO_STEPS_MAX) {
		return "failure: too many steps";
	}
	for (size_t i = 0; i < e->n_steps; i++) {
		if (!fits(e->steps[i]->step, PROTO_WORD_BYTES) || !fits(e->steps[i]->detail, PROTO_TEXT_BYTES)) {
			return "failure: a step is too long";
		}
	}
	return NULL;
}

static const char *check_failure_event(const Xfed__FailureEvent *e)
{
	if (e->direction > XFED__DIRECTION__DIRECTION_OUT) {
		return "failure: unknown direction";
	}
	if (!fits(e->local, PROTO_ADDRESS_BYTES) || !fits(e->remote, PROTO_ADDRESS_BYTES) || !fits(e->reason, PROTO_WORD_BYTES) ||
		!fits(e->side, PROTO_WORD_BYTES) || !fits(e->text, PROTO_TEXT_BYTES) || !fits(e->correlation, PROTO_WORD_BYTES) ||
		!fits(e->address, PROTO_NAME_BYTES)) {
		return "failure: a text is too long";
	}
	if (e->n_chain > PROTO_CHAIN_MAX) {
		return "failure: too many certificates";
	}
	for (size_t i = 0; i < e->n_chain; i++) {
		const char *problem = check_certificate(e->chain[i]);
		if (problem) {
			return problem;
		}
	}
	const char *problem = check_steps(e);
	return problem ? problem : check_fields(e->n_facts, e->facts);
}

static const char *check_close(const Xfed__Close *c)
{
	return fits(c->reason, PROTO_WORD_BYTES) && fits(c->text, PROTO_TEXT_BYTES) ? NULL : "close: a text is too long";
}

const char *proto_check(const Xfed__Frame *f)
{
	switch (f->body_case) {
	case XFED__FRAME__BODY_HELLO:
		return check_hello(f->hello);
	case XFED__FRAME__BODY_CREDIT:
		return f->credit->messages || f->credit->bytes || f->credit->taken ? NULL : "credit: nothing granted, nothing taken";
	case XFED__FRAME__BODY_DELIVER:
		return check_deliver(f->deliver);
	case XFED__FRAME__BODY_ATTEMPTED:
		return check_seqs(f->attempted->n_seqs);
	case XFED__FRAME__BODY_ATTEMPTED_ACK:
		return check_attempted_ack(f->attempted_ack);
	case XFED__FRAME__BODY_SETTLED:
		return check_settled(f->settled);
	case XFED__FRAME__BODY_WITHDRAW:
		return f->withdraw->seq ? NULL : "withdraw: no number";
	case XFED__FRAME__BODY_REQUEST:
		return check_request(f->request);
	case XFED__FRAME__BODY_REPLY:
		return check_reply(f->reply);
	case XFED__FRAME__BODY_COUNTERS:
		return check_counters(f->counters);
	case XFED__FRAME__BODY_POLICY_BEGIN:
		return check_policy_begin(f->policy_begin);
	case XFED__FRAME__BODY_POLICY_PART:
		return check_policy_part(f->policy_part);
	case XFED__FRAME__BODY_POLICY_COMMIT:
		return f->policy_commit->hash.len == PROTO_HASH_BYTES ? NULL : "a hash is not 32 bytes";
	case XFED__FRAME__BODY_POLICY_RESULT:
		return check_policy_result(f->policy_result);
	case XFED__FRAME__BODY_STREAM_EVENT:
		return check_stream_event(f->stream_event);
	case XFED__FRAME__BODY_FAILURE_EVENT:
		return check_failure_event(f->failure_event);
	case XFED__FRAME__BODY_CLOSE:
		return check_close(f->close);
	case XFED__FRAME__BODY_PING:
		return check_wall(f->ping->wall_ms);
	case XFED__FRAME__BODY_PONG:
		return check_wall(f->pong->wall_ms);
	case XFED__FRAME__BODY_DRAIN:
		return NULL;
	case XFED__FRAME__BODY__NOT_SET:
	case _XFED__FRAME__BODY__CASE_IS_INT_SIZE:
		break;
	}
	return "a frame without a message";
}

enum sender { EDGE = 1, GATEWAY = 2, BOTH = 3 };

static const struct {
	const char *name;
	enum sender sender;
} bodies[] = {
	[XFED__FRAME__BODY__NOT_SET] = { "none", 0 },
	[XFED__FRAME__BODY_HELLO] = { "hello", BOTH },
	[XFED__FRAME__BODY_PING] = { "ping", BOTH },
	[XFED__FRAME__BODY_PONG] = { "pong", BOTH },
	[XFED__FRAME__BODY_CREDIT] = { "credit", BOTH },
	[XFED__FRAME__BODY_DELIVER] = { "deliver", BOTH },
	[XFED__FRAME__BODY_ATTEMPTED] = { "attempted", GATEWAY },
	[XFED__FRAME__BODY_ATTEMPTED_ACK] = { "attempted-ack", EDGE },
	[XFED__FRAME__BODY_SETTLED] = { "settled", BOTH },
	[XFED__FRAME__BODY_WITHDRAW] = { "withdraw", GATEWAY },
	[XFED__FRAME__BODY_REQUEST] = { "request", GATEWAY },
	[XFED__FRAME__BODY_REPLY] = { "reply", EDGE },
	[XFED__FRAME__BODY_COUNTERS] = { "counters", EDGE },
	[XFED__FRAME__BODY_POLICY_BEGIN] = { "policy-begin", GATEWAY },
	[XFED__FRAME__BODY_POLICY_PART] = { "policy-part", GATEWAY },
	[XFED__FRAME__BODY_POLICY_COMMIT] = { "policy-commit", GATEWAY },
	[XFED__FRAME__BODY_POLICY_RESULT] = { "policy-result", EDGE },
	[XFED__FRAME__BODY_STREAM_EVENT] = { "stream-event", EDGE },
	[XFED__FRAME__BODY_FAILURE_EVENT] = { "failure-event", EDGE },
	[XFED__FRAME__BODY_DRAIN] = { "drain", BOTH },
	[XFED__FRAME__BODY_CLOSE] = { "close", BOTH },
};

bool proto_check_sender(Xfed__Role role, Xfed__Frame__BodyCase body)
{
	if ((unsigned)body >= XFED_ARRAY_LEN(bodies)) {
		return false;
	}
	unsigned who = role == XFED__ROLE__ROLE_EDGE ? EDGE : role == XFED__ROLE__ROLE_GATEWAY ? GATEWAY : 0;
	return (bodies[body].sender & who) != 0;
}

const char *proto_body_name(Xfed__Frame__BodyCase body)
{
	return (unsigned)body < XFED_ARRAY_LEN(bodies) ? bodies[body].name : bodies[0].name;
}

const char *proto_text_clean(char *out, size_t size, const char *in)
{
	XFED_REQUIRE(size > 0);
	size_t used = 0;
	for (size_t left = in ? strlen(in) : 0; left > 0;) {
		ucs4_t c;
		int n = u8_mbtouc(&c, (const uint8_t *)in, left);
		bool is_good = n > 0 && c >= 0x20 && c != 0x7f && (c != 0xfffd || (n == 3 && (uint8_t)in[0] == 0xef));
		size_t step = n > 0 ? (size_t)n : 1;
		size_t need = is_good ? step : 1;
		if (used + need >= size) {
			break;
		}
		memcpy(out + used, is_good ? in : "?", need);
		used += need;
		in += step;
		left -= step;
	}
	out[used] = '\0';
	return out;
}
