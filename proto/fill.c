#include "proto/fill.h"

#include "proto/outcome.h"
#include "xfed/jid.h"

static char *clean(char *out, size_t size, const char *in)
{
	return (char *)(uintptr_t)proto_text_clean(out, size, in);
}

#define CLEAN(array, in) clean(array, sizeof(array), in)

void proto_fill_certificate(struct proto_fill_certificate *out, const struct xfed_cert_facts *f)
{
	xfed__certificate__init(&out->m);
	out->m.subject = CLEAN(out->subject, f->subject);
	out->m.issuer = CLEAN(out->issuer, f->issuer);
	out->m.serial_hex = CLEAN(out->serial, f->serial_hex); /* a CA may choose one of any length */
	out->m.sha256_hex = CLEAN(out->sha256, f->sha256_hex);
	out->m.not_before_s = f->not_before_s;
	out->m.not_after_s = f->not_after_s;
	out->m.eku = f->eku;
	out->m.names = out->names;
	for (size_t i = 0; i < f->name_count && out->m.n_names < PROTO_CERT_NAMES_MAX; i++) {
		struct xfed_span name = xfed_span_str(f->names[i]);
		if (name.len <= PROTO_FILL_NAME_BYTES && xfed_utf8_is_valid(name)) {
			out->names[out->m.n_names++] = (char *)(uintptr_t)f->names[i];
		}
	}
}

static void fill_steps(struct proto_fill_failure *out, const struct proto_failure *f)
{
	for (size_t i = 0; i < f->step_count && i < PROTO_FILL_STEPS; i++) {
		Xfed__Step *s = &out->steps[i].m;
		xfed__step__init(s);
		s->at_ms = f->steps[i].at_ms;
		s->step = CLEAN(out->steps[i].step, f->steps[i].step);
		s->ok = f->steps[i].ok;
		s->detail = CLEAN(out->steps[i].detail, f->steps[i].detail);
		out->step_list[out->m.n_steps++] = s;
	}
	out->m.steps = out->step_list;
}

void proto_fill_failure(struct proto_fill_failure *out, const struct proto_failure *f)
{
	xfed__frame__init(&out->frame);
	xfed__failure_event__init(&out->m);
	out->frame.body_case = XFED__FRAME__BODY_FAILURE_EVENT;
	out->frame.failure_event = &out->m;
	out->m.at_s = f->at_s;
	out->m.direction = f->direction;
	out->m.local = CLEAN(out->local, f->local);
	out->m.remote = CLEAN(out->remote, f->remote);
	out->m.reason = (char *)(uintptr_t)xfed_reason_code(f->reason);
	out->m.side = (char *)(uintptr_t)xfed_side_name(f->side);
	out->m.text = CLEAN(out->text, f->text);
	out->m.address = CLEAN(out->address, f->address);
	fill_steps(out, f);
	if (f->cert) {
		proto_fill_certificate(&out->cert, f->cert);
		out->chain[0] = &out->cert.m;
		out->m.chain = out->chain;
		out->m.n_chain = 1;
	}
}

/* ---- shortened forms of messages that break the limits ---- */

static void bare_failure(Xfed__FailureEvent *m, const Xfed__FailureEvent *f)
{
	xfed__failure_event__init(m);
	m->at_s = f->at_s;
	m->direction = f->direction <= XFED__DIRECTION__DIRECTION_OUT ? f->direction : XFED__DIRECTION__DIRECTION_NONE;
	m->reason = f->reason;
	m->side = f->side;
	m->local = f->local;
	m->remote = f->remote;
	m->repeated_count = f->repeated_count;
}

static void bare_stream(Xfed__StreamEvent *m, const Xfed__StreamEvent *f)
{
	xfed__stream_event__init(m);
	m->change = f->change;
	m->stream = f->stream;
	m->direction = f->direction;
	m->pairs = f->pairs;
	m->n_pairs = f->n_pairs;
	m->opened_s = f->opened_s;
	m->stanzas_in = f->stanzas_in;
	m->stanzas_out = f->stanzas_out;
	m->snapshot = f->snapshot;
	m->reason = f->reason;
}

static void bare_reply(Xfed__Reply *m, const Xfed__Reply *f)
{
	xfed__reply__init(m);
	m->id = f->id;
	m->status = XFED__STATUS__STATUS_FAILED;
}

static void bare_result(Xfed__PolicyResult *m, const Xfed__PolicyResult *f)
{
	xfed__policy_result__init(m);
	m->revision = f->revision;
	m->ok = f->ok;
}

/* Keeps fate and reason; the texts were for people. */
static void bare_settled(struct proto_bare *out, const Xfed__Settled *f)
{
	xfed__settled__init(&out->settled.m);
	for (size_t i = 0; i < f->n_outcomes && i < PROTO_OUTCOMES_MAX; i++) {
		const Xfed__Outcome *from = f->outcomes[i];
		Xfed__Outcome *to = &out->settled.outcomes[i];
		xfed__outcome__init(to);
		to->seq = from->seq;
		struct proto_result r = proto_result_told(from);
		bool is_good = to->fate == XFED__FATE__FATE_DELIVERED || to->fate == XFED__FATE__FATE_DROPPED;
		r.reason = is_good ? XFED_REASON_NONE : r.reason;
		proto_result_fill(&r, to);
		to->sip_status = from->sip_status >= 100 && from->sip_status <= 699 ? from->sip_status : 0;
		out->settled.list[i] = to;
	}
	out->settled.m.n_outcomes = f->n_outcomes;
	out->settled.m.outcomes = out->settled.list;
}

const Xfed__Frame *proto_bare(struct proto_bare *out, const Xfed__Frame *f)
{
	xfed__frame__init(&out->frame);
	out->frame.body_case = f->body_case;
	switch (f->body_case) {
	case XFED__FRAME__BODY_FAILURE_EVENT:
		bare_failure(&out->failure, f->failure_event);
		out->frame.failure_event = &out->failure;
		break;
	case XFED__FRAME__BODY_STREAM_EVENT:
		bare_stream(&out->stream, f->stream_event);
		out->frame.stream_event = &out->stream;
		break;
	case XFED__FRAME__BODY_REPLY:
		bare_reply(&out->reply, f->reply);
		out->frame.reply = &out->reply;
		break;
	case XFED__FRAME__BODY_POLICY_RESULT:
		bare_result(&out->result, f->policy_result);
		out->frame.policy_result = &out->result;
		break;
	case XFED__FRAME__BODY_SETTLED:
		bare_settled(out, f->settled);
		out->frame.settled = &out->settled.m;
		break;
	default:
		return NULL; /* the other messages have nothing that could be left out */
	}
	return proto_check(&out->frame) ? NULL : &out->frame;
}
