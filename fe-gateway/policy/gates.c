#include "policy/gates.h"

#define OPEN	       ((struct policy_verdict){ POLICY_OPEN, XFED_REASON_NONE })
#define SKIPPED	       ((struct policy_verdict){ POLICY_SKIPPED, XFED_REASON_NONE })
#define CLOSED(reason) ((struct policy_verdict){ POLICY_CLOSED, reason })

static bool has_pair(const struct policy_facts *f)
{
	return f->from_is_good && f->to_is_good && f->from_is_ours != f->to_is_ours;
}

static struct policy_verdict addresses(const struct policy_facts *f, enum policy_kind kind)
{
	return f->from_is_good && f->to_is_good ? OPEN : CLOSED(XFED_REASON_SIP_ADDRESS_UNMAPPABLE);
}

static struct policy_verdict direction(const struct policy_facts *f, enum policy_kind kind)
{
	if (!f->from_is_good || !f->to_is_good) {
		return SKIPPED;
	}
	if (f->from_is_ours == f->to_is_ours) {
		return CLOSED(f->to_is_ours ? XFED_REASON_SIP_LOOP_DETECTED : XFED_REASON_STREAM_RELAY_ATTEMPT);
	}
	return OPEN;
}

static struct policy_verdict partner(const struct policy_facts *f, enum policy_kind kind)
{
	if (!has_pair(f)) {
		return SKIPPED;
	}
	if (f->is_listed) {
		return OPEN;
	}
	if (f->is_disabled) {
		return CLOSED(XFED_REASON_POLICY_PARTNER_DISABLED);
	}
	return CLOSED(f->is_refused ? XFED_REASON_POLICY_PARTNER_BROKEN : XFED_REASON_POLICY_PARTNER_UNLISTED);
}

static struct policy_verdict kinds(const struct policy_facts *f, enum policy_kind kind)
{
	if (!has_pair(f) || !f->is_listed || kind == POLICY_ENDING) {
		return SKIPPED;
	}
	unsigned bit = kind == POLICY_MESSAGE ? XFED_KIND_MESSAGE : XFED_KIND_PRESENCE;
	return f->kinds & bit ? OPEN : CLOSED(XFED_REASON_POLICY_KIND_FORBIDDEN);
}

static struct policy_verdict access_policy(const struct policy_facts *f, enum policy_kind kind)
{
	if (!has_pair(f) || kind == POLICY_ENDING) {
		return SKIPPED;
	}
	if (f->access_allows) {
		return OPEN;
	}
	return CLOSED(f->access_is_broken ? XFED_REASON_POLICY_ACCESS_BROKEN : XFED_REASON_POLICY_ACCESS_USER);
}

/*
 * Users of an unverified public partner may be anybody: they may see our users' presence only if our user has added them, and write only to
 * users who have added them or written to them first. In the other direction the gate is open, since it is our user's act that authorises.
 */
static struct policy_verdict contact(const struct policy_facts *f, enum policy_kind kind)
{
	if (!has_pair(f) || !f->is_listed || kind == POLICY_ENDING) {
		return SKIPPED;
	}
	bool is_authorised = f->is_added || (kind == POLICY_MESSAGE && f->is_written_to);
	bool may = f->from_is_ours || f->type != XFED_PARTNER_PUBLIC_UNVERIFIED || is_authorised;
	return may ? OPEN : CLOSED(XFED_REASON_POLICY_CONTACT_UNAUTHORISED);
}

static struct policy_verdict mapping(const struct policy_facts *f, enum policy_kind kind)
{
	if (!has_pair(f) || kind == POLICY_ENDING) {
		return SKIPPED;
	}
	return f->from_maps && f->to_maps ? OPEN : CLOSED(XFED_REASON_SIP_ADDRESS_UNMAPPABLE);
}

enum policy_gate policy_gates(const struct policy_facts *f, enum policy_kind kind, bool stop_at_first, struct policy_verdict out[POLICY_GATE_COUNT])
{
	static struct policy_verdict (*const judges[POLICY_GATE_COUNT])(const struct policy_facts *f, enum policy_kind kind) = {
		[POLICY_GATE_ADDRESSES] = addresses,
		[POLICY_GATE_DIRECTION] = direction,
		[POLICY_GATE_PARTNER] = partner,
		[POLICY_GATE_KINDS] = kinds,
		[POLICY_GATE_ACCESS] = access_policy,
		[POLICY_GATE_CONTACT] = contact,
		[POLICY_GATE_MAPPING] = mapping,
	};
	enum policy_gate first = POLICY_GATE_COUNT;
	for (int i = 0; i < POLICY_GATE_COUNT && !(stop_at_first && first != POLICY_GATE_COUNT); i++) {
		out[i] = judges[i](f, kind);
		if (out[i].state == POLICY_CLOSED && first == POLICY_GATE_COUNT) {
			first = (enum policy_gate)i;
		}
	}
	return first;
}
