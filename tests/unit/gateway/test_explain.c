/* The gates between two addresses: each closed by itself, in its order, with its reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "admin/explain.h"
#include "panel/said.h"

/* SIP to XMPP, everything open. */
static struct explain_facts open_out(void)
{
	return (struct explain_facts){
		.from = "alice@example.com",
		.to = "bob@fabrikam.example",
		.from_has_user = true,
		.to_has_user = true,
		.ours = "example.com",
		.policy.from_is_good = true,
		.policy.to_is_good = true,
		.policy.from_is_ours = true,
		.local_domain = "example.com",
		.remote_domain = "fabrikam.example",
		.policy.is_listed = true,
		.partner = "fabrikam.example",
		.partner_file = "/p/fabrikam.example.yaml",
		.policy.type = XFED_PARTNER_PUBLIC_UNVERIFIED,
		.policy.kinds = XFED_KIND_MESSAGE,
		.policy.access_allows = true,
		.access_rule = "FedPic",
		.policy.from_maps = true,
		.policy.to_maps = true,
		.edges = { { .name = "edge1",
			.is_up = true,
			.has_answered = true,
			.service = "in-service",
			.has_revision = true,
			.is_ready = true,
			.pair_state = "ready" } },
		.edge_count = 1,
		.service = "in-service",
	};
}

/* XMPP to SIP, everything open. */
static struct explain_facts open_in(void)
{
	struct explain_facts f = open_out();
	f.from = "bob@fabrikam.example";
	f.to = "alice@example.com";
	f.policy.from_is_ours = false;
	f.policy.to_is_ours = true;
	f.policy.is_written_to = true;
	f.next_hop = "tls:fe.example.com:5061";
	f.hop.is_known = f.hop.is_up = true;
	f.max_request = 15360;
	f.edges[0].has_inbound = true;
	return f;
}

/* What a row changes, and what becomes of it. */
static void from_bad(struct explain_facts *f)
{
	f->policy.from_is_good = f->policy.from_is_ours = false;
}
static void to_bad(struct explain_facts *f)
{
	f->policy.to_is_good = false;
}
static void both_ours(struct explain_facts *f)
{
	f->policy.to_is_ours = true;
}
static void none_ours(struct explain_facts *f)
{
	f->policy.from_is_ours = f->policy.to_is_ours = false;
}
static void unlisted(struct explain_facts *f)
{
	f->why_not_partner = "no file in /p covers fabrikam.example; stray.yaml lies there and is not loaded: reload";
	f->policy.is_listed = false;
}
static void refused(struct explain_facts *f)
{
	f->policy.is_listed = false;
	f->why_not_partner = "a file in /p that cannot be loaded names fabrikam.example";
	f->policy.is_refused = true;
}
static void no_messages(struct explain_facts *f)
{
	f->policy.kinds = XFED_KIND_PRESENCE | XFED_KIND_IQ;
}
static void refused_by_rule(struct explain_facts *f)
{
	f->policy.access_allows = false;
	f->access_off = "xmpp is off";
}
static void refused_by_broken(struct explain_facts *f)
{
	f->policy.access_allows = false;
	f->policy.access_is_broken = true;
}
static void no_rule(struct explain_facts *f)
{
	f->policy.access_allows = false;
	f->access_rule = NULL;
}
static void no_rules(struct explain_facts *f)
{
	f->access_rule = NULL;
}
static void domain_alone(struct explain_facts *f)
{
	no_rule(f);
	f->to = "example.com";
}
static void stranger(struct explain_facts *f)
{
	f->policy.is_written_to = false;
}
static void federated_stranger(struct explain_facts *f)
{
	f->policy.is_written_to = false;
	f->policy.type = XFED_PARTNER_FEDERATED;
}
static void verified_stranger(struct explain_facts *f)
{
	stranger(f);
	f->policy.type = XFED_PARTNER_PUBLIC_VERIFIED;
}
static void unmapped(struct explain_facts *f)
{
	f->policy.to_maps = false;
}
static void untrusted(struct explain_facts *f)
{
	f->untrusted = "a SIP peer (192.0.2.1:5060 over TCP) may not send as example.com (2 messages refused): list it";
}
static void one_is_untrusted(struct explain_facts *f)
{
	untrusted(f);
	f->has_trusted = true;
}
static void hop_down(struct explain_facts *f)
{
	f->hop.is_up = false;
	f->hop.reason = XFED_REASON_DNS_NAME_MISSING;
	snprintf(f->hop.text, sizeof(f->hop.text), "SRV fe.example.com");
}
static void hop_refuses(struct explain_facts *f)
{
	f->hop.reason = XFED_REASON_SIP_AUTH_REFUSED;
	f->hop.status = 407;
	snprintf(f->hop.text, sizeof(f->hop.text), "the username or password is wrong");
}
static void hop_refused_one(struct explain_facts *f)
{
	f->hop.row.count = 1;
	f->hop.refusals.status = 405;
}
static void hop_unknown(struct explain_facts *f)
{
	f->hop.is_known = f->hop.is_up = false;
}
static void draining(struct explain_facts *f)
{
	f->service = "draining";
}
static void out_of_service(struct explain_facts *f)
{
	f->service = "out-of-service";
}
static void no_link(struct explain_facts *f)
{
	out_of_service(f);
	f->edges[0] = (struct explain_edge){ .name = "edge1", .link_reason = XFED_REASON_CHANNEL_PEER_UNTRUSTED, .link_text = "look at ca" };
}
static void never_linked(struct explain_facts *f)
{
	f->edges[0] = (struct explain_edge){ .name = "edge1", .link_text = "" };
}
static void edge_leaving(struct explain_facts *f)
{
	f->edges[0].is_draining = true;
}
static void policy_refused(struct explain_facts *f)
{
	f->edges[0].policy_problem = XFED_REASON_CHANNEL_FRAME_BAD;
}
static void policy_pending(struct explain_facts *f)
{
	f->edges[0].is_policy_pending = true;
}
static void policy_other(struct explain_facts *f)
{
	f->edges[0].has_revision = false;
}
static void edge_silent(struct explain_facts *f)
{
	f->edges[0] = (struct explain_edge){ .name = "edge1", .is_up = true };
}
static void edge_out(struct explain_facts *f)
{
	f->edges[0].service = "out-of-service";
}

static void backing_off(struct explain_facts *f)
{
	f->edges[0].is_ready = false;
	f->edges[0].pair_state = "idle";
	f->edges[0].last_reason = XFED_REASON_TLS_CERT_EXPIRED;
	f->edges[0].retry_in_ms = 4000;
}

static void failed_before(struct explain_facts *f)
{
	backing_off(f);
	f->edges[0].retry_in_ms = 0;
}

static void never_tried(struct explain_facts *f)
{
	f->edges[0].is_ready = false;
	f->edges[0].pair_state = NULL;
}

static void failed_long_ago(struct explain_facts *f)
{
	never_tried(f);
	f->edges[0].worked_ago_s = -1;
	f->last_out = (struct explain_failure){ .id = 7, .reason = XFED_REASON_DNS_TIMEOUT, .age_s = 10 };
}

static void worked_since(struct explain_facts *f)
{
	failed_long_ago(f);
	f->edges[0].worked_ago_s = 9;
}

/* What it said, and that there was a time when it worked. */
static void failed_since(struct explain_facts *f)
{
	failed_before(f);
	f->edges[0].last_text = "it names dns:other.example";
	f->edges[0].failed_ago_s = 180;
	f->edges[0].worked_ago_s = 7200;
}

static void second_edge_has_it(struct explain_facts *f)
{
	backing_off(f);
	f->edges[1] = (struct explain_edge){
		.name = "edge2", .is_up = true, .has_answered = true, .service = "in-service", .has_revision = true, .is_ready = true
	};
	f->edge_count = 2;
}

static void they_failed(struct explain_facts *f)
{
	f->edges[0].has_inbound = false;
	f->last_in = (struct explain_failure){ .id = 7, .reason = XFED_REASON_TLS_CERT_UNTRUSTED, .age_s = 300 };
}

static void they_failed_but_are_here(struct explain_facts *f)
{
	they_failed(f);
	f->edges[0].has_inbound = true;
}
static void they_never_came(struct explain_facts *f)
{
	f->edges[0].has_inbound = false;
}
static void only_messages(struct explain_facts *f)
{
	f->policy.kinds = XFED_KIND_MESSAGE | XFED_KIND_IQ;
}
static void waits(struct explain_facts *f)
{
	f->asked_ago_s = 3 * 3600;
}
static void waits_behind_a_dead_server(struct explain_facts *f)
{
	waits(f);
	hop_down(f);
}
static void unwatched(struct explain_facts *f)
{
	f->user_watches = f->contact_watches = (struct explain_shown){ 0 };
}
static void ending(struct explain_facts *f)
{
	f->user_watches = f->contact_watches = (struct explain_shown){ .others = 1, .state = "terminated" };
}
static void stale(struct explain_facts *f)
{
	f->user_watches.is_stale = f->contact_watches.is_stale = true;
}
static void nothing(struct explain_facts *f)
{
	(void)f;
}

#define NONE EXPLAIN_GATE_COUNT

/* clang-format off */
static const struct {
	const char *name;
	bool is_in;
	void (*change)(struct explain_facts *f);
	enum explain_gate_id closed;
	enum xfed_reason reason;
	const char *words; /* in the text of the closed gate, of the stream's where none is; NULL: not looked at */
} rows[] = {
	{ "open, out", false, nothing, NONE, XFED_REASON_NONE, NULL },
	{ "open, in", true, nothing, NONE, XFED_REASON_NONE, NULL },
	{ "from is no address", false, from_bad, EXPLAIN_ADDRESSES, XFED_REASON_SIP_ADDRESS_UNMAPPABLE, "alice@example.com is no address" },
	{ "to is no address", false, to_bad, EXPLAIN_ADDRESSES, XFED_REASON_SIP_ADDRESS_UNMAPPABLE, "bob@fabrikam.example is no address" },
	{ "both ours", false, both_ours, EXPLAIN_DIRECTION, XFED_REASON_SIP_LOOP_DETECTED, NULL },
	{ "neither ours", false, none_ours, EXPLAIN_DIRECTION, XFED_REASON_STREAM_RELAY_ATTEMPT, "neither domain is one of domains[], which has example.com" },
	{ "named in a broken file", false, refused, EXPLAIN_PARTNER, XFED_REASON_POLICY_PARTNER_BROKEN, "a file in /p that cannot be loaded names fabrikam.example" },
	{ "a broken access file", false, refused_by_broken, EXPLAIN_ACCESS, XFED_REASON_POLICY_ACCESS_BROKEN, "the rule FedPic cannot be loaded" },
	{ "unlisted", false, unlisted, EXPLAIN_PARTNER, XFED_REASON_POLICY_PARTNER_UNLISTED, "no file in /p covers fabrikam.example; stray.yaml lies there and is not loaded: reload" },
	{ "kinds", true, no_messages, EXPLAIN_KINDS, XFED_REASON_POLICY_KIND_FORBIDDEN, "/p/fabrikam.example.yaml" },
	{ "a rule refuses", false, refused_by_rule, EXPLAIN_ACCESS, XFED_REASON_POLICY_ACCESS_USER, "the rule FedPic refuses alice@example.com: xmpp is off" },
	{ "no rule covers", true, no_rule, EXPLAIN_ACCESS, XFED_REASON_POLICY_ACCESS_USER, "no rule" },
	{ "no rules at all", true, no_rules, NONE, XFED_REASON_NONE, NULL },
	{ "a domain alone", true, domain_alone, EXPLAIN_ACCESS, XFED_REASON_POLICY_ACCESS_USER, "covers example.com, and there are rules" },
	{ "a stranger of a public partner", true, stranger, EXPLAIN_CONTACT, XFED_REASON_POLICY_CONTACT_UNAUTHORISED, "alice@example.com has not written to bob" },
	{ "ours may write to strangers", false, stranger, NONE, XFED_REASON_NONE, NULL },
	{ "a stranger of a federated partner", true, federated_stranger, NONE, XFED_REASON_NONE, NULL },
	{ "a stranger of a verified partner", true, verified_stranger, NONE, XFED_REASON_NONE, NULL },
	{ "unmappable", false, unmapped, EXPLAIN_MAPPING, XFED_REASON_SIP_ADDRESS_UNMAPPABLE, "bob@fabrikam.example" },
	{ "the SIP peer may not send", false, untrusted, EXPLAIN_SENDER, XFED_REASON_SIP_SENDER_UNTRUSTED, "may not send as example.com" },
	{ "a SIP peer may not send, others may", false, one_is_untrusted, NONE, XFED_REASON_NONE, NULL },
	{ "who sends by SIP is not on the way in", true, untrusted, NONE, XFED_REASON_NONE, NULL },
	{ "next hop down", true, hop_down, EXPLAIN_NEXT_HOP, XFED_REASON_SIP_SERVER_UNREACHABLE, "tls:fe.example.com:5061" },
	{ "next hop down, what was tried", true, hop_down, EXPLAIN_NEXT_HOP, XFED_REASON_SIP_SERVER_UNREACHABLE, "(SRV fe.example.com)" },
	{ "next hop refuses us", true, hop_refuses, EXPLAIN_NEXT_HOP, XFED_REASON_SIP_AUTH_REFUSED, "password is wrong" },
	{ "next hop refuses one", true, hop_refused_one, NONE, XFED_REASON_NONE, NULL },
	{ "next hop not used yet", true, hop_unknown, NONE, XFED_REASON_NONE, NULL },
	{ "the next hop is not on the way out", false, hop_down, NONE, XFED_REASON_NONE, NULL },
	{ "draining", true, draining, EXPLAIN_GATEWAY, XFED_REASON_SERVICE_LEAVING, "draining" },
	{ "out of service", false, out_of_service, EXPLAIN_GATEWAY, XFED_REASON_CHANNEL_DOWN, "OUT OF SERVICE" },
	{ "link down", false, no_link, EXPLAIN_LINK, XFED_REASON_CHANNEL_PEER_UNTRUSTED, "edge1: look at ca" },
	{ "never linked", false, never_linked, EXPLAIN_LINK, XFED_REASON_CHANNEL_DOWN, "edge1" },
	{ "edge leaving", false, edge_leaving, EXPLAIN_LINK, XFED_REASON_SERVICE_LEAVING, NULL },
	{ "policy refused", false, policy_refused, EXPLAIN_POLICY, XFED_REASON_CHANNEL_FRAME_BAD, "edge1 refused" },
	{ "policy on its way", false, policy_pending, EXPLAIN_POLICY, XFED_REASON_CHANNEL_POLICY_DRIFT, "on its way" },
	{ "another policy", true, policy_other, EXPLAIN_POLICY, XFED_REASON_CHANNEL_POLICY_DRIFT, "edge1" },
	{ "edge does not answer", false, edge_silent, EXPLAIN_EDGE, XFED_REASON_CHANNEL_TIMEOUT, NULL },
	{ "edge out of service", false, edge_out, EXPLAIN_EDGE, XFED_REASON_CHANNEL_DOWN, "edge1: OUT OF SERVICE" },
	{ "waiting after a failure", false, backing_off, EXPLAIN_STREAM, XFED_REASON_TLS_CERT_EXPIRED, "for 4000 ms" },
	{ "failed, may try again", false, failed_before, EXPLAIN_STREAM, XFED_REASON_TLS_CERT_EXPIRED, "makes another" },
	{ "failed, with words", false, failed_since, EXPLAIN_STREAM, XFED_REASON_TLS_CERT_EXPIRED,
		"failed 3 min ago: it names dns:other.example, the next message, or failures retry, makes another; one worked 2 h ago" },
	{ "never tried", false, never_tried, NONE, XFED_REASON_NONE, NULL },
	{ "the edge has forgotten it", false, failed_long_ago, NONE, XFED_REASON_NONE, "failures show 7" },
	{ "worked since", false, worked_since, NONE, XFED_REASON_NONE, "none is open, the next message opens one" },
	{ "another edge has a stream", false, second_edge_has_it, NONE, XFED_REASON_NONE, NULL },
	{ "somebody failed in their name", true, they_failed, NONE, XFED_REASON_NONE, "who claimed to be fabrikam.example 5 min ago failed without having authenticated" },
	{ "they failed, but are here now", true, they_failed_but_are_here, NONE, XFED_REASON_NONE, NULL },
	{ "they never came", true, they_never_came, NONE, XFED_REASON_NONE, NULL },
	{ "our failure does not count for theirs", true, backing_off, NONE, XFED_REASON_NONE, NULL },
};
/* clang-format on */

/* What is other than of a message: alice@example.com is ours; the relation is the one of alice's side with bob. */
#define P EXPLAIN_OF_PRESENCE
#define S EXPLAIN_OF_SUBSCRIPTION
/* clang-format off */
static const struct {
	const char *name;
	enum explain_kind kind;
	bool is_in;
	enum iw_relation_state relation;
	void (*change)(struct explain_facts *f);
	enum explain_gate_id closed, told; /* told: the gate that says `words` */
	const char *words;
} kinds[] = {
	{ "bob may be shown alice", P, false, IW_RELATION_FROM, nothing, NONE, EXPLAIN_APPROVAL, "bob@fabrikam.example may see alice@example.com" },
	{ "both ways", P, false, IW_RELATION_BOTH, nothing, NONE, EXPLAIN_APPROVAL, "may see" },
	{ "nobody asked for alice", P, false, IW_RELATION_TO, nothing, EXPLAIN_APPROVAL, EXPLAIN_APPROVAL, "bob@fabrikam.example has not asked to see alice" },
	{ "bob waits", P, false, IW_RELATION_NONE_IN, waits, EXPLAIN_APPROVAL, EXPLAIN_APPROVAL, "has asked to see alice@example.com, and waits for an answer for 3 h" },
	{ "alice may be shown bob", P, true, IW_RELATION_TO, nothing, NONE, EXPLAIN_APPROVAL, "alice@example.com may see bob@fabrikam.example" },
	{ "alice waits", P, true, IW_RELATION_FROM_OUT, nothing, EXPLAIN_APPROVAL, EXPLAIN_APPROVAL, "alice@example.com has asked to see bob" },
	{ "bob waits, and the SIP server is down", P, false, IW_RELATION_NONE_IN, waits_behind_a_dead_server, EXPLAIN_NEXT_HOP, EXPLAIN_APPROVAL, "and waits" },
	{ "alice waits, and her request cannot leave", P, true, IW_RELATION_NONE_OUT, backing_off, EXPLAIN_STREAM, EXPLAIN_STREAM, "for 4000 ms" },
	{ "bob is shown to alice, over theirs", P, true, IW_RELATION_TO, backing_off, NONE, EXPLAIN_STREAM, "a stream of theirs is open" },
	{ "nothing shows bob alice", P, false, IW_RELATION_FROM, unwatched, EXPLAIN_SHOWN, EXPLAIN_SHOWN, "no subscription of ours at the SIP server" },
	{ "no device of alice's watches", P, true, IW_RELATION_TO, unwatched, EXPLAIN_SHOWN, EXPLAIN_SHOWN, "no subscription of a device of the user's" },
	{ "the subscription ends", P, false, IW_RELATION_FROM, ending, EXPLAIN_SHOWN, EXPLAIN_SHOWN, "is terminated" },
	{ "what alice sees may be old", P, true, IW_RELATION_TO, stale, EXPLAIN_SHOWN, EXPLAIN_SHOWN, "may have been missed of bob@" },
	{ "what bob sees may be old", P, false, IW_RELATION_FROM, stale, EXPLAIN_SHOWN, EXPLAIN_SHOWN, "may have been missed of alice@" },
	{ "bob is shown alice", P, false, IW_RELATION_FROM, nothing, NONE, EXPLAIN_SHOWN, "1 active" },
	{ "the SIP server is asked for alice", P, false, IW_RELATION_FROM, hop_down, EXPLAIN_NEXT_HOP, EXPLAIN_NEXT_HOP, "tls:fe.example.com" },
	{ "it is not what sends unasked", P, false, IW_RELATION_FROM, untrusted, NONE, EXPLAIN_SENDER, "the SIP server that we ask" },
	{ "no presence with this partner", P, false, IW_RELATION_FROM, only_messages, EXPLAIN_KINDS, EXPLAIN_KINDS, "does not name presence" },
	{ "messages do not matter", P, false, IW_RELATION_FROM, no_messages, NONE, EXPLAIN_KINDS, "presence is allowed" },
	{ "an address that has none there", P, false, IW_RELATION_FROM, unmapped, EXPLAIN_MAPPING, EXPLAIN_MAPPING, "bob@fabrikam.example cannot be said" },
	{ "alice asks", S, false, IW_RELATION_NONE, nothing, NONE, EXPLAIN_APPROVAL, "alice@example.com has not asked yet: the contact" },
	{ "alice asks by a peer that may not", S, false, IW_RELATION_NONE, untrusted, EXPLAIN_SENDER, EXPLAIN_SENDER, "may not send as example.com" },
	{ "alice has asked", S, false, IW_RELATION_NONE_OUT, nothing, NONE, EXPLAIN_APPROVAL, "alice@example.com has asked, and waits: the contact" },
	{ "alice need not ask", S, false, IW_RELATION_TO, nothing, NONE, EXPLAIN_APPROVAL, "may see" },
	{ "bob asks, a stranger", S, true, IW_RELATION_NONE, nothing, EXPLAIN_CONTACT, EXPLAIN_CONTACT, "alice@example.com has not added bob@fabrikam.example" },
	{ "bob asks, whom alice has added", S, true, IW_RELATION_NONE_OUT, nothing, NONE, EXPLAIN_CONTACT, "alice@example.com has added bob@fabrikam.example" },
	{ "bob of a federated partner asks", S, true, IW_RELATION_NONE, federated_stranger, NONE, EXPLAIN_CONTACT, "federated: its users may ask first" },
	{ "bob has asked", S, true, IW_RELATION_TO_IN, waits, NONE, EXPLAIN_APPROVAL, "bob@fabrikam.example has asked, and waits for 3 h: the user" },
	{ "the SIP server is asked", S, true, IW_RELATION_TO, hop_down, EXPLAIN_NEXT_HOP, EXPLAIN_NEXT_HOP, "tls:fe.example.com" },
};
/* clang-format on */

/* What a gate says can be said in German, and its name too. A path alone is no sentence. */
static bool is_said_in_german(enum explain_gate_id id, const char *text)
{
	struct xfed_buf out;
	xfed_buf_init(&out, 4096);
	bool ok = said_in_german(xfed_span_str(explain_gate_name(id)), &out) == XFED_OK &&
		  (!strchr(text, ' ') || said_in_german(xfed_span_str(text), &out) == XFED_OK);
	xfed_buf_deinit(&out);
	if (!ok) {
		print_error("gate %s has no German: \"%s\"\n", explain_gate_name(id), text);
	}
	return ok;
}

static void other_than_of_a_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(kinds); i++) {
		struct explain_facts f = kinds[i].is_in ? open_in() : open_out();
		struct explain_gate gates[EXPLAIN_GATE_COUNT];
		f.policy.kinds |= XFED_KIND_PRESENCE;
		f.relation.state = kinds[i].relation;
		f.policy.is_added = iw_relation_is_to(kinds[i].relation) || iw_relation_is_pending_out(kinds[i].relation);
		f.asked_ago_s = -1;
		f.next_hop = "tls:fe.example.com:5061";
		f.hop.is_known = f.hop.is_up = true;
		f.user_watches.active = f.contact_watches.active = 1;
		kinds[i].change(&f);
		enum explain_gate_id closed = explain_gates(&f, kinds[i].kind, gates);
		for (int g = 0; g < EXPLAIN_GATE_COUNT; g++) {
			assert_true(is_said_in_german((enum explain_gate_id)g, gates[g].text));
		}
		if (closed != kinds[i].closed || !strstr(gates[kinds[i].told].text, kinds[i].words)) {
			fail_msg("%s: closed %s: \"%s\"", kinds[i].name, explain_gate_name(closed), gates[kinds[i].told].text);
		}
	}
	/* What has been written to is shown nothing by that, and what is added may write. */
	struct explain_facts f = open_in();
	struct explain_gate gates[EXPLAIN_GATE_COUNT];
	f.policy.is_written_to = false;
	f.policy.is_added = true;
	assert_int_equal(explain_gates(&f, EXPLAIN_OF_MESSAGE, gates), EXPLAIN_GATE_COUNT);
	assert_int_equal(gates[EXPLAIN_APPROVAL].state, POLICY_SKIPPED);
}

static bool row_holds(size_t i)
{
	struct explain_facts f = rows[i].is_in ? open_in() : open_out();
	struct explain_gate gates[EXPLAIN_GATE_COUNT];
	rows[i].change(&f);
	enum explain_gate_id closed = explain_gates(&f, EXPLAIN_OF_MESSAGE, gates);
	if (closed != rows[i].closed) {
		print_error("%s: %s instead of %s\n", rows[i].name, explain_gate_name(closed), explain_gate_name(rows[i].closed));
		return false;
	}
	for (int g = 0; g < EXPLAIN_GATE_COUNT; g++) {
		if (!is_said_in_german((enum explain_gate_id)g, gates[g].text)) {
			return false;
		}
		if ((gates[g].state == POLICY_CLOSED) != (gates[g].reason != XFED_REASON_NONE) || gates[g].text[0] == '\0') {
			print_error("%s: gate %s has no reason or text: \"%s\"\n", rows[i].name, explain_gate_name((enum explain_gate_id)g),
				gates[g].text);
			return false;
		}
	}
	const struct explain_gate *g = &gates[closed == NONE ? EXPLAIN_STREAM : closed];
	bool ok = g->reason == rows[i].reason && (!rows[i].words || strstr(g->text, rows[i].words));
	if (!ok) {
		print_error("%s: %s \"%s\"\n", rows[i].name, xfed_reason_code(g->reason), g->text);
	}
	return ok;
}

static void each_gate_by_itself(void **state)
{
	int failed = 0;
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		failed += !row_holds(i);
	}
	assert_int_equal(failed, 0);
}

/* Of several closed gates the first is named, and the later ones that do not hang on it are still judged. */
static void the_first_one_is_named(void **state)
{
	struct explain_facts f = open_in();
	struct explain_gate gates[EXPLAIN_GATE_COUNT];
	(void)state;
	hop_down(&f);
	no_messages(&f);
	assert_int_equal(explain_gates(&f, EXPLAIN_OF_MESSAGE, gates), EXPLAIN_KINDS);
	assert_int_equal(gates[EXPLAIN_NEXT_HOP].state, POLICY_CLOSED);
	assert_int_equal(gates[EXPLAIN_LINK].state, POLICY_OPEN);
	unlisted(&f);
	assert_int_equal(explain_gates(&f, EXPLAIN_OF_MESSAGE, gates), EXPLAIN_PARTNER);
	assert_int_equal(gates[EXPLAIN_KINDS].state, POLICY_SKIPPED);
	assert_int_equal(gates[EXPLAIN_STREAM].state, POLICY_SKIPPED);
	no_link(&f);
	assert_int_equal(explain_gates(&f, EXPLAIN_OF_MESSAGE, gates), EXPLAIN_PARTNER);
	assert_int_equal(gates[EXPLAIN_POLICY].state, POLICY_SKIPPED);
	none_ours(&f);
	assert_int_equal(explain_gates(&f, EXPLAIN_OF_MESSAGE, gates), EXPLAIN_DIRECTION);
	assert_string_equal(gates[EXPLAIN_KINDS].text, "there is no pair of a partner and us");
	assert_string_equal(gates[EXPLAIN_CONTACT].text, "there is no pair of a partner and us");
}

/* Every gate that can be closed is closed by a row. */
static void every_gate_has_a_row(void **state)
{
	(void)state;
	for (int g = 0; g < EXPLAIN_GATE_COUNT; g++) {
		bool found = false;
		for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
			found = found || rows[i].closed == (enum explain_gate_id)g;
		}
		for (size_t i = 0; i < XFED_ARRAY_LEN(kinds); i++) {
			found = found || kinds[i].closed == (enum explain_gate_id)g;
		}
		if (!found) {
			fail_msg("no row closes %s", explain_gate_name((enum explain_gate_id)g));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_gate_by_itself),
		cmocka_unit_test(other_than_of_a_message),
		cmocka_unit_test(the_first_one_is_named),
		cmocka_unit_test(every_gate_has_a_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
