/* Judges a SIP request: who sends it, to whom, and whether policy lets it pass. */
#include "deliver/asserted.h"
#include "deliver/deliver_impl.h"
#include "interwork/address.h"
#include "xfed/hash.h"

static enum xfed_reason parse_address(struct xfed_arena *a, struct xfed_span uri, struct xfed_jid *out)
{
	enum xfed_reason why = XFED_REASON_SIP_ADDRESS_UNMAPPABLE;
	int rc = iw_sip_to_jid(a, uri, out, &why);
	return rc == XFED_OK ? XFED_REASON_NONE : rc == XFED_ERR_NOMEM ? XFED_REASON_STREAM_INTERNAL : why;
}

/* The From address; where that is no sip: address (a phone number), the asserted identity. Not 416 for such a From: that is about the Request-URI. */
static enum xfed_reason parse_sender(struct xfed_arena *a, const struct sip_message *m, struct xfed_jid *out)
{
	enum xfed_reason reason = parse_address(a, m->from.uri, out);
	if (reason != XFED_REASON_SIP_SCHEME_UNSUPPORTED) {
		return reason;
	}
	int rc = asserted_identity(a, m, out);
	return rc == XFED_OK ? XFED_REASON_NONE : rc == XFED_ERR_NOMEM ? XFED_REASON_STREAM_INTERNAL : XFED_REASON_SIP_SENDER_NAMELESS;
}

/* Until the sender is known to be one of ours nothing else is judged, so that the answer reveals nothing. */
static enum xfed_reason check_sender(const struct deliver_rooms *r, struct xfed_arena *a, const struct sip_message *m,
	const struct sip_flow_info *flow, struct deliver_request *out)
{
	enum xfed_reason reason = parse_sender(a, m, &out->from);
	if (reason != XFED_REASON_NONE) {
		return reason;
	}
	out->domain = config_inside(policy_config(r->policy), out->from.domain);
	bool may_send = out->domain && trunk_may_send(r->trunk, out->domain, flow);
	trunk_note_sender(r->trunk, flow, out->from.domain, out->domain != NULL, may_send);
	if (!may_send) {
		return XFED_REASON_SIP_SENDER_UNTRUSTED;
	}
	out->from.domain = xfed_span_str(out->domain->domain);
	out->from.resource = xfed_span_make(NULL, 0); /* the gr parameter is ignored: GRUUs are not built */
	return XFED_REASON_NONE;
}

static bool is_sips(struct xfed_span uri)
{
	return uri.len >= 5 && xfed_span_eq_nocase(xfed_span_make(uri.data, 5), XFED_SPAN("sips:"));
}

/* Both addresses exist in SIP and in XMPP, so the mapping gate is open. */
enum xfed_reason deliver_judge_pair(const struct deliver *d, const struct deliver_request *rq, enum policy_kind kind)
{
	const struct policy *policy = d->below.policy;
	struct policy_ends ends = policy_ends(policy, true, rq->from.domain, rq->to.domain);
	struct policy_facts f = {
		.from_is_good = true, .to_is_good = true, .from_is_ours = ends.from, .to_is_ours = ends.to, .from_maps = true, .to_maps = true
	};
	struct policy_verdict verdicts[POLICY_GATE_COUNT];
	const struct access_rule *rule;
	policy_pair_facts(policy, &rq->from, rq->to.domain, &f, &rule);
	enum policy_gate closed = policy_gates(&f, kind, true, verdicts);
	return closed == POLICY_GATE_COUNT ? XFED_REASON_NONE : verdicts[closed].reason;
}

enum xfed_reason deliver_judge_request(const struct deliver *d, struct xfed_arena *a, const struct sip_message *m, const struct sip_flow_info *flow,
	enum policy_kind kind, struct deliver_request *out)
{
	enum xfed_reason reason = check_sender(&d->below, a, m, flow, out);
	if (reason == XFED_REASON_NONE) {
		reason = parse_address(a, m->request_uri, &out->to);
	}
	if (reason == XFED_REASON_NONE && m->max_forwards == 0) {
		reason = XFED_REASON_SIP_HOPS_EXCEEDED; /* [B1-06]: forwarding it would be one hop too many */
	}
	if (reason == XFED_REASON_NONE && is_sips(m->to.uri)) {
		reason = XFED_REASON_SIP_SIPS_REFUSED;
	}
	return reason != XFED_REASON_NONE ? reason : deliver_judge_pair(d, out, kind);
}

uint64_t deliver_pair_key(struct xfed_span local, struct xfed_span remote)
{
	uint64_t parts[2] = { xfed_hash_bytes(local.data, local.len), xfed_hash_bytes(remote.data, remote.len) };
	uint64_t key = xfed_hash_bytes(parts, sizeof(parts));
	return key ? key : 1;
}
