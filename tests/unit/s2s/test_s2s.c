/*
 * Transcripts of the s2s conductor: RFC 6120 sections 4 to 8 and 13. Each row is an event and what has to come of it; a row
 * that fails prints itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "transcript.h"
#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/sasl.h"

/* ---- inbound ---- */

static void in_external_works(void **state)
{
	RUN_IN(IN_READY, { RX, MESSAGE("m1") " " MESSAGE("m2"), .actions = "stanza(m1) stanza(m2)", .output = NULL },
		{ RX, "</stream:stream>", .actions = "closed(stream.closed.peer)", .output = "</stream:stream>" });
}

static void in_many_stanzas_in_one_chunk(void **state)
{
	RUN_IN(IN_READY, { RX, MESSAGE("1") MESSAGE("2") MESSAGE("3") MESSAGE("4") MESSAGE("5") MESSAGE("6"),
				 .actions = "stanza(1) stanza(2) stanza(3) stanza(4) stanza(5) stanza(6)", .output = NULL });
}

/* [A10-10]: the language of the stream goes with a stanza that names none. */
static void in_language_of_the_stream(void **state)
{
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = IGNORE_OUTPUT },
		{ RX, AUTH, .actions = "", .output = "<success " },
		{ RX,
			"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='partner.example' "
			"to='corp.example' "
			"version='1.0' xml:lang='de'>",
			.actions = "established", .output = "<stream:features><sm xmlns='urn:xmpp:sm:3'/><limits |</stream:features>" },
		{ RX, MESSAGE("m1") "<message from='a@partner.example' to='b@corp.example' id='m2' xml:lang='fr'/>",
			.actions = "stanza(m1 de) stanza(m2 fr)", .output = NULL });
}

/* [A2-10]: the stream is opened, then refused. */
static void in_unknown_to(void **state)
{
	RUN_IN({ DECIDE_REFUSE, .reason = XFED_REASON_STREAM_TO_UNKNOWN, .actions = "", .output = NULL },
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,clear) closed(stream.to.unknown)",
			.output = "<stream:stream |<stream:error><host-unknown |</stream:stream>" });
}

static void in_no_to(void **state)
{
	RUN_IN({ RX, "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='a.example' version='1.0'>",
		.actions = "closed(stream.to.unknown)", .output = "<stream:stream |<host-unknown " });
}

static void in_unlisted_partner(void **state)
{
	RUN_IN({ DECIDE_REFUSE, .reason = XFED_REASON_POLICY_PARTNER_UNLISTED, .actions = "", .output = NULL },
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,clear) closed(policy.partner.unlisted)",
			.output = "<stream:stream |<policy-violation |policy.partner.unlisted|</stream:stream>" });
}

/* [A2-08]: without a version there is neither TLS nor SASL. */
static void in_version_missing(void **state)
{
	RUN_IN({ RX, "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='partner.example' to='corp.example'>",
		.actions = "header(partner.example,corp.example,clear) closed(stream.version.old)",
		.output = "<stream:stream |<unsupported-version " });
}

/* [A2-01]: 4.9.3.10. */
static void in_client_namespace(void **state)
{
	RUN_IN({ RX,
		"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='a.example' to='corp.example' "
		"version='1.0'>",
		.actions = "closed(stream.xml.namespace)", .output = "<stream:stream |<invalid-namespace " });
}

static void in_foreign_stream_namespace(void **state)
{
	RUN_IN({ RX, "<stream:stream xmlns='jabber:server' xmlns:stream='urn:other' from='a.example' to='corp.example' version='1.0'>",
		.actions = "closed(stream.xml.namespace)", .output = "<stream:stream |<invalid-namespace " });
}

/* [A2-12]: a stanza before authentication is refused and not processed. */
static void in_stanza_before_tls(void **state)
{
	RUN_IN(IN_CLEAR, { RX, MESSAGE("m1"), .actions = "closed(stream.unauthenticated)", .output = "<not-authorized |</stream:stream>" });
}

static void in_stanza_before_sasl(void **state)
{
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = IGNORE_OUTPUT },
		{ RX, MESSAGE("m1"), .actions = "closed(stream.unauthenticated)", .output = "<not-authorized " });
}

/* [A2-13]: bytes behind <starttls/>. Only when both arrive together: one byte at a time they become TLS. */
static void in_starttls_injection(void **state)
{
	RUN_IN_WHOLE(IN_CLEAR,
		{ RX, STARTTLS MESSAGE("evil"), .actions = "closed(starttls.injection)", .output = "<policy-violation |starttls.injection" });
}

static void in_starttls_twice(void **state)
{
	RUN_IN(IN_READY, { RX, STARTTLS, .actions = "closed(stream.stanza.unsupported)", .output = "<unsupported-stanza-type " });
}

static void in_handshake_fails(void **state)
{
	RUN_IN_WHOLE(IN_CLEAR, { RX, STARTTLS, .actions = "", .output = "<proceed " },
		{ HANDSHAKE_FAILS, .reason = XFED_REASON_TLS_VERSION_OLD, .actions = "", .output = NULL },
		/* [A4-02]: nothing is said, TCP is closed. */
		{ RX, STUB_CLIENT_HELLO, .actions = "closed(tls.version.old)", .output = NULL });
}

/* Refused inside TLS, each for its certificate: EXTERNAL is not offered where it cannot succeed [A5-01]. */
static void in_bad_certificates(void **state)
{
	static const struct {
		const char *proves;
		enum xfed_reason chain;
		bool purpose;
		const char *code;
	} cases[] = {
		{ NULL, XFED_REASON_NONE, true, "tls.cert.missing" },
		{ "partner.example", XFED_REASON_TLS_CERT_EXPIRED, true, "tls.cert.expired" },
		{ "partner.example", XFED_REASON_TLS_CERT_NOT_YET_VALID, true, "tls.cert.not-yet-valid" },
		{ "partner.example", XFED_REASON_TLS_CERT_UNTRUSTED, true, "tls.cert.untrusted" },
		{ "partner.example", XFED_REASON_TLS_CERT_REVOKED, true, "tls.cert.revoked" },
		{ "partner.example", XFED_REASON_NONE, false, "tls.cert.purpose" },
		{ "other.example", XFED_REASON_NONE, true, "tls.cert.name-mismatch" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(cases); i++) {
		struct rig r = { 0 };
		char actions[1024], wanted[256];
		assert_true(rig_up(&r, XFED_S2S_IN));
		stub_peer = (struct stub_certificate){ cases[i].proves != NULL, cases[i].purpose, cases[i].proves, cases[i].chain };
		stub_handshake_fails = XFED_REASON_NONE;
		rig_receive(&r, XFED_SPAN(HEADER_FROM_PARTNER));
		rig_receive(&r, XFED_SPAN(STARTTLS));
		rig_receive(&r, XFED_SPAN(STUB_CLIENT_HELLO));
		rig_take_actions(&r, actions, sizeof(actions));
		rig_receive(&r, XFED_SPAN(HEADER_FROM_PARTNER));
		snprintf(wanted, sizeof(wanted), "header(partner.example,corp.example,secure) closed(%s)", cases[i].code);
		assert_string_equal(rig_take_actions(&r, actions, sizeof(actions)), wanted);
		rig_down(&r);
	}
}

static void in_no_from_inside_tls(void **state)
{
	RUN_IN(IN_CLEAR, IN_TLS,
		{ RX, "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' to='corp.example' version='1.0'>",
			.actions = "header(,corp.example,secure) closed(tls.cert.name-mismatch)", .output = "<not-authorized " });
}

/* [A5-03], [A5-04], [A5-06], [A5-08]. */
static void in_sasl_refusals(void **state)
{
	RUN_IN(IN_CLEAR, { RX, AUTH, .actions = "", .output = "<failure |<encryption-required/>" }, IN_TLS,
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = IGNORE_OUTPUT },
		{ RX, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>", .actions = "",
			.output = "<invalid-mechanism/>" },
		{ RX, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>b3RoZXIuZXhhbXBsZQ==</auth>",
			.actions = "closed(sasl.tries.exceeded)", .output = "<invalid-authzid/>|<policy-violation " });
}

static void in_sasl_slow_path(void **state)
{
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = IGNORE_OUTPUT },
		{ RX, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'/>", .actions = "", .output = "<challenge " },
		{ RX, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>cGFydG5lci5leGFtcGxl</response>", .actions = "", .output = "<success " },
		{ RX, HEADER_FROM_PARTNER, .actions = "established",
			.output = "<stream:features><sm xmlns='urn:xmpp:sm:3'/><limits |</stream:features>" });
}

/* [A5-09]: another pair in the header behind SASL. */
static void in_other_from_after_sasl(void **state)
{
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = IGNORE_OUTPUT },
		{ RX, AUTH, .actions = "", .output = "<success " },
		{ RX,
			"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='evil.example' to='corp.example' "
			"version='1.0'>",
			.actions = "closed(stream.from.unproved)", .output = "<stream:stream |<invalid-from " });
}

/* [A10-01], [A10-02], [A10-03], [A2-03], [A2-17]. */
static void in_bad_addresses(void **state)
{
	static const struct {
		const char *bytes, *code, *condition;
	} cases[] = {
		{ "<message from='a@evil.example' to='dave@corp.example'/>", "stream.from.unproved", "<invalid-from " },
		{ "<message from='a@sub.partner.example' to='dave@corp.example'/>", "stream.from.unproved", "<invalid-from " },
		{ "<message from='a@partner.example' to='dave@other.example'/>", "stream.relay.attempt", "<host-unknown " },
		{ "<message to='dave@corp.example'/>", "stream.address.improper", "<improper-addressing " },
		{ "<message from='a@partner.example'/>", "stream.address.improper", "<improper-addressing " },
		{ "<message from='a@partner.example' to='dave@'/>", "stream.address.improper", "<improper-addressing " },
		{ "<message xmlns='jabber:client' from='a@partner.example' to='dave@corp.example'/>", "stream.xml.namespace", "<invalid-namespace " },
		{ "<s:message xmlns:s='jabber:server' from='a@partner.example' to='dave@corp.example'/>", "stream.xml.prefix",
			"<bad-namespace-prefix " },
		{ "<hello xmlns='urn:x'/>", "stream.stanza.unsupported", "<unsupported-stanza-type " },
		{ "<message from='a@partner.example' to='dave@corp.example'><body>x</message>", "stream.xml.malformed", "<not-well-formed " },
		{ "<!DOCTYPE x>", "stream.xml.restricted", "<restricted-xml " },
		{ "<!-- x -->", "stream.xml.restricted", "<restricted-xml " },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(cases); i++) {
		char actions[128];
		snprintf(actions, sizeof(actions), "closed(%s)", cases[i].code);
		RUN_IN(IN_READY, { RX, cases[i].bytes, .actions = actions, .output = cases[i].condition });
	}
}

#define DB_RESULT	  "<db:result from='partner.example' to='corp.example'>key</db:result>"
#define FEATURES_DIALBACK "<stream:features><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>"

static void allow(unsigned methods, bool tls_optional)
{
	as = (struct rig){ .methods = methods, .tls_optional = tls_optional };
}

static int allow_external(void **state)
{
	allow(XFED_METHOD_EXTERNAL, false);
	return 0;
}

/* [A8-11], [A8-12], [A8-14]: a key where policy wants TLS first, or a certificate; answers nobody asked for are dropped. */
static void in_dialback_not_allowed(void **state)
{
	RUN_IN(IN_CLEAR,
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) pair-refused(tls.required.missing,policy-violation)",
			.output = "<db:result |type='error'|<policy-violation " },
		{ RX, "<db:result from='partner.example' to='corp.example' type='valid'/>", .actions = "", .output = NULL }, IN_TLS,
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "EXTERNAL" },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) pair-refused(dialback.not-allowed,not-authorized)",
			.output = "<db:result |type='error'|<not-authorized " });
}

/* Dialback inside TLS: row 13 of the matrix. The certificate does not matter. */
static void in_dialback_over_tls(void **state)
{
	allow(XFED_METHOD_DIALBACK_TLS, false);
	RUN_IN(IN_CLEAR, IN_TLS, { PEER_CERT, NULL, .reason = XFED_REASON_TLS_CERT_MISSING, .actions = "", .output = NULL },
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)",
			.output = "<stream:features><dialback |<errors/>" },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) ask(partner.example,key)", .output = NULL },
		{ RX, MESSAGE("early"), .actions = "closed(stream.unauthenticated)", .output = "<not-authorized " });
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "<dialback " },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) ask(partner.example,key)", .output = NULL },
		{ VERDICT, .verdict = XFED_DIALBACK_VERDICT_VALID, .actions = "dialback-tls(partner.example,corp.example)",
			.output = "<db:result |type='valid'" },
		{ RX, MESSAGE("m1"), .actions = "stanza(m1)", .output = NULL });
}

/* Verdicts other than valid: [A8-11], [A8-14]. */
static void in_dialback_refused(void **state)
{
	static const struct {
		enum xfed_dialback_verdict verdict;
		const char *actions, *output;
	} rows[] = {
		{ XFED_DIALBACK_VERDICT_INVALID, "", "type='invalid'|</stream:stream>" },
		{ XFED_DIALBACK_VERDICT_UNREACHABLE, "pair-refused(dialback.authority.unreachable,remote-connection-failed)",
			"type='error'|<remote-connection-failed " },
		{ XFED_DIALBACK_VERDICT_UNKNOWN_DOMAIN, "pair-refused(dialback.authority.unknown,remote-server-not-found)",
			"type='error'|<remote-server-not-found " },
		{ XFED_DIALBACK_VERDICT_BUSY, "pair-refused(policy.unproved.exceeded,resource-constraint)", "type='error'|<resource-constraint " },
		{ XFED_DIALBACK_VERDICT_LOST, "pair-refused(dialback.timeout,remote-server-timeout)", "type='error'|<remote-server-timeout " },
		{ XFED_DIALBACK_VERDICT_TIMEOUT, "pair-refused(dialback.timeout,remote-server-timeout)", "type='error'|<remote-server-timeout " },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		allow(XFED_METHOD_DIALBACK_TLS, false);
		RUN_IN(IN_CLEAR, IN_TLS,
			{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "<dialback " },
			{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) ask(partner.example,key)", .output = NULL },
			{ VERDICT, .verdict = rows[i].verdict, .actions = rows[i].actions, .output = rows[i].output });
	}
}

/* Best first, but the peer decides: row 7 with a peer that has a certificate and uses dialback all the same ([A8-18]). */
static void in_dialback_with_certificate(void **state)
{
	allow(XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS, false);
	RUN_IN(IN_CLEAR, IN_TLS,
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "EXTERNAL|<dialback " },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) dialback-tls(partner.example,corp.example)",
			.output = "type='valid'" },
		{ RX, MESSAGE("m1"), .actions = "stanza(m1)", .output = NULL });
}

/* Both at once: the key was quicker, the certificate counts too. Only for the domain it proves, whoever dialback proved. */
static void in_dialback_then_external(void **state)
{
	allow(XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS, false);
	RUN_IN(IN_CLEAR, IN_TLS,
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "EXTERNAL|<dialback " },
		{ RX, DB_RESULT AUTH, .actions = "pair(partner.example,corp.example) dialback-tls(partner.example,corp.example)",
			.output = "type='valid'|<success " },
		{ RX, HEADER_FROM_PARTNER, .actions = "established", .output = "<dialback " },
		{ RX, MESSAGE("m1"), .actions = "stanza(m1)", .output = NULL });
	allow(XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS, false);
	RUN_IN(IN_CLEAR, IN_TLS,
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "EXTERNAL|<dialback " },
		{ RX, "<db:result from='other.example' to='corp.example'>k2</db:result>",
			.actions = "pair(other.example,corp.example) ask(other.example,k2)", .output = NULL },
		{ VERDICT, .verdict = XFED_DIALBACK_VERDICT_VALID, .actions = "dialback-tls(other.example,corp.example)", .output = "type='valid'" },
		{ RX, AUTH, .actions = "", .output = "<failure |<not-authorized/>" },
		{ RX, MESSAGE("m1"), .actions = "closed(stream.from.unproved)", .output = "<invalid-from " });
}

#define REVOKED XFED_REASON_TLS_CERT_REVOKED
#define STANDS	"judged(none,due)"
#define FALLS	"judged(tls.cert.revoked,due)"

/* What a certificate has proved falls with it, before and behind READY; what dialback alone has proved stays. */
static void judged_again(void **state)
{
	RUN_IN({ JUDGE, .actions = "judged(none,never)", .output = NULL }, IN_CLEAR,
		{ JUDGE, .reason = REVOKED, .actions = "judged(none,never)", .output = NULL });
	RUN_IN(IN_READY, { JUDGE, .actions = STANDS, .output = NULL }, { JUDGE, .reason = REVOKED, .actions = FALLS, .output = NULL },
		{ CLOSE_WITH, .reason = REVOKED, .actions = "closed(tls.cert.revoked)", .output = "<not-authorized |</stream:stream>" },
		{ JUDGE, .reason = REVOKED, .actions = "judged(none,never)", .output = NULL });
	RUN_OUT(OUT_READY, { JUDGE, .actions = STANDS, .output = NULL }, { JUDGE, .reason = REVOKED, .actions = FALLS, .output = NULL });
	/* Between <success/> and the header, and while <success/> is awaited. */
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "EXTERNAL" },
		{ RX, AUTH, .actions = "", .output = "<success " }, { JUDGE, .reason = REVOKED, .actions = FALLS, .output = NULL });
	RUN_OUT(OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, FEATURES_EXTERNAL, .actions = "", .output = "<auth " }, { JUDGE, .reason = REVOKED, .actions = FALLS, .output = NULL });
	/* Offered, and judged again before it is used: it does not count. */
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "EXTERNAL" },
		{ JUDGE, .reason = REVOKED, .actions = STANDS, .output = NULL },
		{ RX, AUTH, .actions = "", .output = "<failure |<not-authorized/>" });
	RUN_OUT(OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ JUDGE, .reason = REVOKED, .actions = STANDS, .output = NULL },
		{ RX, FEATURES_EXTERNAL, .actions = "closed(tls.cert.revoked)", .output = "<not-authorized " });
}

static void judged_again_by_dialback(void **state)
{
	allow(XFED_METHOD_DIALBACK_TLS, false);
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "<dialback " },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) ask(partner.example,key)", .output = NULL },
		{ VERDICT, .verdict = XFED_DIALBACK_VERDICT_VALID, .actions = "dialback-tls(partner.example,corp.example)",
			.output = "type='valid'" },
		{ JUDGE, .reason = REVOKED, .actions = STANDS, .output = NULL });
	/* The key was never asked about: the certificate stood for it [A8-18]. A later one is asked about. */
	allow(XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS, false);
	RUN_IN(IN_CLEAR, IN_TLS,
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "EXTERNAL|<dialback " },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) dialback-tls(partner.example,corp.example)",
			.output = "type='valid'" },
		{ JUDGE, .reason = REVOKED, .actions = FALLS, .output = NULL });
	allow(XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS, false);
	RUN_IN(IN_CLEAR, IN_TLS,
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "EXTERNAL|<dialback " },
		{ JUDGE, .reason = REVOKED, .actions = STANDS, .output = NULL },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) ask(partner.example,key)", .output = NULL });
	/* EXTERNAL was refused, dialback has taken its place. */
	allow(XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS, false);
	RUN_OUT(OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, FEATURES_EXTERNAL, .actions = "", .output = "<auth " },
		{ RX, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>", .actions = "", .output = "<db:result " },
		{ JUDGE, .reason = REVOKED, .actions = STANDS, .output = NULL });
}

/* [A8-17]: another sender on the same stream; its stanzas pass only when it is proved. */
static void in_dialback_second_sender(void **state)
{
	allow(XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS, false);
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "EXTERNAL" },
		{ RX, AUTH, .actions = "", .output = "<success " }, { RX, HEADER_FROM_PARTNER, .actions = "established", .output = "<dialback " },
		{ RX, "<db:result from='chat.partner.example' to='corp.example'>k2</db:result>",
			.actions = "pair(chat.partner.example,corp.example) ask(chat.partner.example,k2)", .output = NULL },
		{ VERDICT, .verdict = XFED_DIALBACK_VERDICT_VALID, .actions = "dialback-tls(chat.partner.example,corp.example)",
			.output = "type='valid'" },
		{ RX, "<message from='r@chat.partner.example' to='d@corp.example' id='c'/>" MESSAGE("p"), .actions = "stanza(c) stanza(p)",
			.output = NULL },
		{ RX, "<message from='r@other.partner.example' to='d@corp.example'/>", .actions = "closed(stream.from.unproved)",
			.output = "<invalid-from " });
}

/* Plain dialback only where policy says so: rows 11, 15, 17; also for a peer that sends no version [A2-08]. */
static void in_dialback_plain(void **state)
{
	allow(XFED_METHOD_DIALBACK_TLS | XFED_METHOD_DIALBACK_PLAIN, true);
	RUN_IN({ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,clear)", .output = "<starttls |/>|<dialback " },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) ask(partner.example,key)", .output = NULL },
		{ VERDICT, .verdict = XFED_DIALBACK_VERDICT_VALID, .actions = "dialback-plain(partner.example,corp.example)",
			.output = "type='valid'" },
		{ RX, MESSAGE("m1"), .actions = "stanza(m1)", .output = NULL });
	allow(XFED_METHOD_DIALBACK_PLAIN, true);
	RUN_IN({ RX,
		       "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' "
		       "from='partner.example' to='corp.example'>",
		       .actions = "header(partner.example,corp.example,clear)", .output = "<stream:stream |id='" },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) ask(partner.example,key)", .output = NULL },
		{ VERDICT, .verdict = XFED_DIALBACK_VERDICT_VALID, .actions = "dialback-plain(partner.example,corp.example)",
			.output = "type='valid'" });
}

/* RFC 6120 5.4.3.3: what was asked in the clear is void inside TLS; the verdict finds nobody, also the second time. */
static void in_verdict_during_starttls(void **state)
{
	allow(XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS | XFED_METHOD_DIALBACK_PLAIN, true);
	RUN_IN({ PEER_CERT, NULL, .reason = XFED_REASON_TLS_CERT_MISSING, .actions = "", .output = NULL },
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,clear)", .output = "<starttls |/>|<dialback " },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) ask(partner.example,key)", .output = NULL },
		{ RX, STARTTLS, .actions = "", .output = "<proceed " },
		{ VERDICT, .verdict = XFED_DIALBACK_VERDICT_VALID, .actions = "", .output = NULL },
		{ RX, STUB_CLIENT_HELLO, .actions = "", .output = STUB_SERVER_HELLO },
		{ VERDICT, .verdict = XFED_DIALBACK_VERDICT_VALID, .actions = "", .output = NULL },
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "<stream:features><dialback " },
		{ RX, MESSAGE("m1"), .actions = "closed(stream.unauthenticated)", .output = "<not-authorized " });
	/* The time for the verdict that nobody waits for any more does not write into the handshake either. */
	allow(XFED_METHOD_DIALBACK_TLS | XFED_METHOD_DIALBACK_PLAIN, true);
	RUN_IN({ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,clear)", .output = "<starttls |/>|<dialback " },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) ask(partner.example,key)", .output = NULL },
		{ RX, STARTTLS, .actions = "", .output = "<proceed " }, { AT, .at_ms = XFED_DIALBACK_MS, .actions = "", .output = NULL });
}

/* A stream we have closed proves nothing any more, and what was not READY when it was closed has no last stanzas. */
static void in_verdict_behind_our_closing_tag(void **state)
{
	allow(XFED_METHOD_DIALBACK_TLS, false);
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "<dialback " },
		{ RX, DB_RESULT, .actions = "pair(partner.example,corp.example) ask(partner.example,key)", .output = NULL },
		{ CLOSE_WITH, .reason = XFED_REASON_STREAM_CLOSED_OPERATOR, .actions = "", .output = "</stream:stream>" },
		{ VERDICT, .verdict = XFED_DIALBACK_VERDICT_VALID, .actions = "", .output = NULL },
		{ RX, MESSAGE("m1"), .actions = "", .output = NULL },
		{ RX, "</stream:stream>", .actions = "closed(stream.closed.operator)", .output = NULL });
	allow(XFED_METHOD_EXTERNAL, false);
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "EXTERNAL" },
		{ RX, AUTH, .actions = "", .output = "<success " },
		{ CLOSE_WITH, .reason = XFED_REASON_STREAM_CLOSED_IDLE, .actions = "", .output = "</stream:stream>" },
		{ RX, HEADER_FROM_PARTNER MESSAGE("m1"), .actions = "", .output = NULL },
		{ RX, "</stream:stream>", .actions = "closed(stream.closed.idle)", .output = NULL });
}

/* [A8-10], [A8-19]: the authoritative role, before anything is proved. The key is the second vector of [A8-05], other names. */
static void in_authoritative(void **state)
{
	char hash[XFED_DIALBACK_HEX + 1], key[XFED_DIALBACK_HEX + 1], verify[512];
	assert_int_equal(xfed_dialback_hash(XFED_SPAN("s3cr3tf0rd14lb4ck"), hash), XFED_OK);
	int rc = xfed_dialback_key_hashed(xfed_span_str(hash), XFED_SPAN("partner.example"), XFED_SPAN("corp.example"), XFED_SPAN("D6"), key);
	assert_int_equal(rc, XFED_OK);
	snprintf(verify, sizeof(verify), "<db:verify from='partner.example' to='corp.example' id='D6'>%s</db:verify>", key);
	RUN_IN(IN_CLEAR, { RX, verify, .actions = "authority(partner.example,D6)", .output = "<db:verify |id='D6'|type='valid'" },
		{ RX, "<db:verify from='partner.example' to='corp.example' id='D7'>wrong</db:verify>", .actions = "authority(partner.example,D7)",
			.output = "type='invalid'" },
		{ RX, "<db:verify from='partner.example' to='else.example' id='D8'>x</db:verify>", .actions = "authority(partner.example,D8)",
			.output = "type='error'|<item-not-found " },
		{ RX, "<db:verify from='partner.example' to='corp.example' id='D9' type='valid'/>", .actions = "", .output = NULL });
}

/* ---- what a peer may have us do beside its stanzas ---- */

static void repeat(struct rig *r, const char *what, unsigned times)
{
	for (unsigned i = 0; i < times && !r->is_over; i++) {
		rig_receive(r, xfed_span_str(what));
		xfed_buf_clear(&r->out);
		r->actions[0] = '\0';
	}
}

static void receive_all(struct rig *r, const char *const *what)
{
	for (; *what; what++) {
		rig_receive(r, xfed_span_str(*what));
	}
}

/* How many of them pass before the stream closes, and that it is closed for just this. */
static unsigned passes(const char *const *before, const char *what)
{
	struct rig r = { .methods = XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS };
	unsigned n = 0;
	stub_peer = (struct stub_certificate){ true, true, "partner.example", XFED_REASON_NONE };
	stub_handshake_fails = XFED_REASON_NONE;
	assert_true(rig_up(&r, XFED_S2S_IN));
	receive_all(&r, before);
	for (; !r.is_over; n++) {
		assert_true(n < 100000);
		xfed_buf_clear(&r.out);
		r.actions[0] = '\0';
		rig_receive(&r, xfed_span_str(what));
	}
	assert_int_equal(r.closed, XFED_REASON_POLICY_WORK_EXCEEDED);
	assert_true(contains_in_order(xfed_buf_span(&r.out).data, "<policy-violation |policy.work.exceeded"));
	rig_down(&r);
	return n;
}

#define ASKING			"<db:verify from='partner.example' to='corp.example' id='x'>k</db:verify>"
#define ANSWER_NOBODY_ASKED_FOR "<db:result from='partner.example' to='corp.example' type='valid'/>"
#define UE7			"\xC3\xBC.\xC3\xBC.\xC3\xBC.\xC3\xBC.\xC3\xBC.\xC3\xBC.\xC3\xBC"
#define ASKING_IDN		"<db:verify from='" UE7 "' to='" UE7 "' id='x'>k</db:verify>"

/* In the clear, inside TLS, behind the login: elements, keys, names for IDNA, acknowledgements. */
static void in_work_is_bounded(void **state)
{
	static const char *const clear[] = { HEADER_FROM_PARTNER, NULL };
	static const char *const ready[] = { HEADER_FROM_PARTNER, STARTTLS, STUB_CLIENT_HELLO, HEADER_FROM_PARTNER, AUTH, HEADER_FROM_PARTNER,
		"<enable xmlns='urn:xmpp:sm:3'/>", NULL };
	unsigned plain = passes(clear, ANSWER_NOBODY_ASKED_FOR);
	assert_in_range(plain, 900, XFED_S2S_WORK_UNITS);
	assert_in_range(passes(clear, ASKING), 300, XFED_S2S_WORK_UNITS / (1 + XFED_S2S_WORK_KEY));
	assert_in_range(passes(clear, ASKING_IDN), 50, XFED_S2S_WORK_UNITS / 17);
	assert_in_range(passes(ready, "<r xmlns='urn:xmpp:sm:3'/>"), 900, XFED_S2S_WORK_UNITS + 1);
	assert_in_range(passes(ready, ASKING), 300, XFED_S2S_WORK_UNITS / (1 + XFED_S2S_WORK_KEY));
	/* Bytes without an element count too, as long as nothing is proved. */
	static char blanks[16 * XFED_S2S_WORK_BYTES + 1];
	memset(blanks, ' ', sizeof(blanks) - 1);
	assert_in_range(passes(clear, blanks), 60, XFED_S2S_WORK_UNITS / 16);
}

/* Time makes room again, and so does each stanza: a partner that asks behind every one of them is no flood. */
static void in_work_is_forgiven(void **state)
{
	static const char *const ready[] = { HEADER_FROM_PARTNER, STARTTLS, STUB_CLIENT_HELLO, HEADER_FROM_PARTNER, AUTH, HEADER_FROM_PARTNER,
		"<enable xmlns='urn:xmpp:sm:3'/>", NULL };
	struct rig r = { .methods = XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS };
	stub_peer = (struct stub_certificate){ true, true, "partner.example", XFED_REASON_NONE };
	assert_true(rig_up(&r, XFED_S2S_IN));
	receive_all(&r, ready);
	repeat(&r, MESSAGE("m") "<r xmlns='urn:xmpp:sm:3'/>", 3 * XFED_S2S_WORK_UNITS);
	assert_false(r.is_over);
	for (int second = 0; second < 30; second++) {
		repeat(&r, "<r xmlns='urn:xmpp:sm:3'/>", XFED_S2S_WORK_PER_S);
		r.now_ms += 1000;
	}
	assert_false(r.is_over);
	repeat(&r, "<r xmlns='urn:xmpp:sm:3'/>", 2 * XFED_S2S_WORK_UNITS);
	assert_true(r.is_over && r.closed == XFED_REASON_POLICY_WORK_EXCEEDED);
	rig_down(&r);
}

/* A partner that proves as many pairs as a stream has room for, both names for IDNA, at once. */
static void in_work_of_a_large_partner(void **state)
{
	struct rig r = { .methods = XFED_METHOD_DIALBACK_TLS };
	static const char *const secure[] = { HEADER_FROM_PARTNER, STARTTLS, STUB_CLIENT_HELLO, HEADER_FROM_PARTNER, NULL };
	stub_peer = (struct stub_certificate){ true, true, "partner.example", XFED_REASON_NONE };
	assert_true(rig_up(&r, XFED_S2S_IN));
	receive_all(&r, secure);
	for (unsigned i = 0; i < XFED_DIALBACK_PAIRS_MAX; i++) {
		char key[200];
		snprintf(key, sizeof(key), "<db:result from='d%u.b\xC3\xBC.example' to='corp.example'>key</db:result>", i);
		repeat(&r, key, 1);
		struct xfed_s2s_event ev = rig_verdict(&r, XFED_DIALBACK_VERDICT_VALID);
		rig_event(&r, &ev);
	}
	repeat(&r, ASKING, 64);
	assert_false(r.is_over);
	rig_down(&r);
}

/* No chunk keeps the driver: each step ends at an element, whatever it is. */
static void a_step_is_one_element(void **state)
{
	struct rig r = { .methods = XFED_METHOD_EXTERNAL };
	struct xfed_span chunk = XFED_SPAN(ANSWER_NOBODY_ASKED_FOR ANSWER_NOBODY_ASKED_FOR ANSWER_NOBODY_ASKED_FOR);
	assert_true(rig_up(&r, XFED_S2S_IN));
	rig_receive(&r, XFED_SPAN(HEADER_FROM_PARTNER));
	for (int i = 0; i < 3; i++) {
		struct xfed_s2s_event ev = { .type = XFED_S2S_BYTES, .bytes = chunk };
		rig_event(&r, &ev);
		assert_int_equal(ev.consumed, strlen(ANSWER_NOBODY_ASKED_FOR));
		assert_true(ev.took_element);
		chunk = xfed_span_make(chunk.data + ev.consumed, chunk.len - ev.consumed);
	}
	rig_down(&r);
}

static void in_times(void **state)
{
	RUN_IN(IN_CLEAR, { AT, .at_ms = XFED_S2S_ESTABLISH_MS - 1, .actions = "", .output = NULL },
		{ AT, .at_ms = XFED_S2S_ESTABLISH_MS, .actions = "closed(stream.establish.timeout)", .output = "<connection-timeout " });
	RUN_IN(IN_READY, { AT, .at_ms = XFED_S2S_INACTIVITY_MS - 1, .actions = "", .output = NULL },
		{ AT, .at_ms = XFED_S2S_INACTIVITY_MS, .actions = "", .output = "</stream:stream>" },
		{ AT, .at_ms = XFED_S2S_INACTIVITY_MS + XFED_S2S_CLOSE_WAIT_MS, .actions = "closed(stream.closed.idle)", .output = NULL });
}

static void in_closed_by_us(void **state)
{
	/* Where we tidy up or go away the peer's closing tag is waited for, and what it has sent before counts (RFC 6120 4.4). */
	RUN_IN(IN_READY, { CLOSE_WITH, .reason = XFED_REASON_STREAM_CLOSED_IDLE, .actions = "", .output = "</stream:stream>" },
		{ RX, MESSAGE("late"), .actions = "stanza(late)", .output = NULL },
		{ RX, "</stream:stream>", .actions = "closed(stream.closed.idle)", .output = NULL });
	RUN_IN(IN_READY, { CLOSE_WITH, .reason = XFED_REASON_STREAM_CLOSED_DRAIN, .actions = "", .output = "<system-shutdown |</stream:stream>" },
		{ RX, MESSAGE("late"), .actions = "stanza(late)", .output = NULL },
		{ RX, "<message from='eve@other.example' to='dave@corp.example'/>", .actions = "", .output = NULL },
		{ RX, MESSAGE("later") "</stream:stream>", .actions = "stanza(later) closed(stream.closed.drain)", .output = NULL });
	/* Where it has lost our trust nothing does; and nothing before anything was proved. */
	RUN_IN(IN_READY, { CLOSE_WITH, .reason = XFED_REASON_POLICY_PARTNER_UNLISTED, .actions = "closed(policy.partner.unlisted)",
				 .output = "<policy-violation |</stream:stream>" });
	RUN_IN(IN_CLEAR, { CLOSE_WITH, .reason = XFED_REASON_STREAM_CLOSED_DRAIN, .actions = "closed(stream.closed.drain)",
				 .output = "<system-shutdown |</stream:stream>" });
}

static void in_socket_gone(void **state)
{
	RUN_IN(IN_READY, { SOCKET_GONE, .reason = XFED_REASON_NET_STREAM_LOST, .actions = "closed(net.stream.lost)", .output = NULL });
	RUN_IN(IN_CLEAR, { SOCKET_GONE, .reason = XFED_REASON_NONE, .actions = "closed(net.stream.lost)", .output = NULL });
}

static void in_stream_error_received(void **state)
{
	RUN_IN(IN_READY, { RX, "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
				 .actions = "closed(stream.error.received)", .output = "</stream:stream>" });
	/* A server that stops, or tidies up what is idle, is no fault. */
	RUN_IN(IN_READY, { RX, "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
				 .actions = "closed(stream.closed.peer)", .output = "</stream:stream>" });
}

/* A peer that gives up where we demanded something: the demand is the reason. */
static void in_gives_up(void **state)
{
	RUN_IN(IN_CLEAR, { RX, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
				 .actions = "closed(tls.required.missing)", .output = "</stream:stream>" });
	RUN_IN(IN_CLEAR, { RX, "</stream:stream>", .actions = "closed(tls.required.missing)", .output = "</stream:stream>" });
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "EXTERNAL" },
		{ RX, "</stream:stream>", .actions = "closed(sasl.required.missing)", .output = "</stream:stream>" });
	allow(XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS, false);
	RUN_IN(IN_CLEAR, IN_TLS, { RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)", .output = "EXTERNAL" },
		{ RX, "</stream:stream>", .actions = "closed(stream.closed.peer)", .output = "</stream:stream>" });
}

/* ---- outbound ---- */

static void out_external_works(void **state)
{
	RUN_OUT(OUT_READY,
		{ SEND, "<message from='dave@corp.example' to='alice@partner.example'/>", .actions = "",
			.output = "<message from='dave@corp.example'" },
		{ RX, "</stream:stream>", .actions = "closed(stream.closed.peer)", .output = "</stream:stream>" });
}

static void out_tls_not_offered(void **state)
{
	RUN_OUT({ RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, "<stream:features/>", .actions = "closed(tls.required.missing)", .output = "<policy-violation " });
}

static void out_tls_refused(void **state)
{
	RUN_OUT(OUT_CLEAR,
		{ RX, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", .actions = "closed(tls.required.missing)", .output = IGNORE_OUTPUT });
}

/* [A2-13]: TCP is closed without a word. */
static void out_proceed_injection(void **state)
{
	RUN_OUT_WHOLE(OUT_CLEAR, { RX, PROCEED "<stream:features/>", .actions = "closed(starttls.injection)", .output = NULL });
}

static void out_bad_certificate(void **state)
{
	RUN_OUT_WHOLE(OUT_CLEAR, { RX, PROCEED, .actions = "", .output = STUB_CLIENT_HELLO },
		{ PEER_CERT, "partner.example", .reason = XFED_REASON_TLS_CERT_EXPIRED, .actions = "", .output = NULL },
		{ RX, STUB_SERVER_HELLO, .actions = "closed(tls.cert.expired)", .output = "<stream:stream |<not-authorized " });
}

static void out_external_not_offered(void **state)
{
	RUN_OUT(OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></stream:features>",
			.actions = "closed(sasl.external.not-offered)", .output = "<not-authorized " });
}

static void out_external_refused(void **state)
{
	RUN_OUT(OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, FEATURES_EXTERNAL, .actions = "", .output = "<auth " },
		{ RX, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text>unsupported certificate purpose</text></failure>",
			.actions = "closed(sasl.external.refused)",
			.output = "sasl.external.refused: not-authorized: unsupported certificate purpose" });
}

static void out_old_version(void **state)
{
	RUN_OUT({ RX, "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' id='1'>",
		.actions = "closed(stream.version.old)", .output = "<unsupported-version " });
}

/* A stanza on a stream that only we may send on. */
static void out_stanza_received(void **state)
{
	RUN_OUT(OUT_READY, { RX, MESSAGE("x"), .actions = "closed(stream.unauthenticated)", .output = "<not-authorized " });
}

static void out_success_out_of_place(void **state)
{
	RUN_OUT(OUT_CLEAR, { RX, SASL_SUCCESS, .actions = "closed(stream.stanza.unsupported)", .output = "<unsupported-stanza-type " });
}

static void out_keepalive_and_idle(void **state)
{
	RUN_OUT(OUT_READY, { AT, .at_ms = XFED_S2S_PING_MS, .actions = "", .output = " " },
		{ AT, .at_ms = XFED_S2S_INACTIVITY_MS, .actions = "", .output = "</stream:stream>" });
}

/* The partner's file says keepalive: false. */
static void out_without_keepalive(void **state)
{
	as.is_quiet = true;
	RUN_OUT(OUT_READY, { AT, .at_ms = XFED_S2S_PING_MS, .actions = "", .output = NULL },
		{ AT, .at_ms = XFED_S2S_INACTIVITY_MS, .actions = "", .output = "</stream:stream>" });
}

/* ---- dialback, initiating ---- */

static void out_dialback_over_tls(void **state)
{
	allow(XFED_METHOD_DIALBACK_TLS, false);
	RUN_OUT(OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, FEATURES_DIALBACK, .actions = "", .output = "<db:result from='corp.example' to='partner.example'>" },
		{ RX, "<db:result from='partner.example' to='corp.example' type='valid'/>", .actions = "dialback-tls(partner.example,corp.example)",
			.output = NULL },
		{ SEND, "<message from='d@corp.example' to='a@partner.example'/>", .actions = "", .output = "<message " });
}

/* [A5-08]: on the same stream, after EXTERNAL was refused; a bad certificate of the server does not matter to dialback. */
static void out_dialback_after_external(void **state)
{
	allow(XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS, false);
	RUN_OUT(OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, FEATURES_EXTERNAL, .actions = "", .output = "<auth " },
		{ RX, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>", .actions = "", .output = "<db:result " },
		{ RX, "<db:result from='partner.example' to='corp.example' type='valid'/>", .actions = "dialback-tls(partner.example,corp.example)",
			.output = NULL });
	RUN_OUT_WHOLE(OUT_CLEAR, { RX, PROCEED, .actions = "", .output = STUB_CLIENT_HELLO },
		{ PEER_CERT, "partner.example", .reason = XFED_REASON_TLS_CERT_UNTRUSTED, .actions = "", .output = NULL },
		{ RX, STUB_SERVER_HELLO, .actions = "", .output = "<stream:stream " }, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, FEATURES_EXTERNAL, .actions = "", .output = "<db:result " });
}

static void out_dialback_refused(void **state)
{
	allow(XFED_METHOD_DIALBACK_TLS, false);
	RUN_OUT(OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, FEATURES_DIALBACK, .actions = "", .output = "<db:result " },
		{ RX, "<db:result from='other.example' to='corp.example' type='valid'/>", .actions = "", .output = NULL },
		{ RX, "<db:result from='partner.example' to='corp.example' type='invalid'/>", .actions = "", .output = "</stream:stream>" },
		{ RX, "</stream:stream>", .actions = "closed(dialback.invalid)", .output = NULL });
	allow(XFED_METHOD_DIALBACK_TLS, false);
	RUN_OUT(OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, FEATURES_DIALBACK, .actions = "", .output = "<db:result " },
		{ AT, .at_ms = XFED_DIALBACK_MS, .actions = "", .output = "</stream:stream>" },
		{ RX, "</stream:stream>", .actions = "closed(dialback.timeout)", .output = NULL });
}

/* In the clear only where policy says so, also to a server of before RFC 3920. */
static void out_dialback_plain(void **state)
{
	allow(XFED_METHOD_DIALBACK_PLAIN, true);
	RUN_OUT({ RX, HEADER_ANSWER, .actions = "", .output = NULL }, { RX, FEATURES_DIALBACK, .actions = "", .output = "<db:result " },
		{ RX, "<db:result from='partner.example' to='corp.example' type='valid'/>", .actions = "dialback-plain(partner.example,corp.example)",
			.output = NULL });
	allow(XFED_METHOD_DIALBACK_PLAIN, true);
	RUN_OUT({ RX, "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' id='1'>", .actions = "",
		.output = "<db:result " });
	/* Offered TLS is taken even where it is optional. */
	allow(XFED_METHOD_DIALBACK_TLS | XFED_METHOD_DIALBACK_PLAIN, true);
	RUN_OUT(OUT_CLEAR);
}

static void out_verify_stream(void **state)
{
	as = (struct rig){ .methods = XFED_METHOD_DIALBACK_TLS, .is_verify = true };
	RUN_OUT(OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, FEATURES_EXTERNAL, .actions = "verify-open", .output = NULL },
		{ ASK, "thekey", .actions = "", .output = "<db:verify |from='corp.example' to='partner.example'|id='D60000229F'|>thekey<" },
		{ RX, "<db:verify from='partner.example' to='corp.example' id='other' type='valid'/>", .actions = "", .output = NULL },
		{ RX, "<db:verify from='partner.example' to='corp.example' id='D60000229F' type='valid'/>",
			.actions = "verified(partner.example,valid)", .output = NULL });
	as = (struct rig){ .methods = XFED_METHOD_DIALBACK_TLS, .is_verify = true };
	RUN_OUT(OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, FEATURES_EXTERNAL, .actions = "verify-open", .output = NULL }, { ASK, "thekey", .actions = "", .output = "<db:verify " },
		{ SOCKET_GONE, .reason = XFED_REASON_NET_STREAM_LOST, .actions = "verified(partner.example,lost) closed(net.stream.lost)",
			.output = NULL });
}

static void ask(struct rig *r, unsigned number)
{
	char id[20];
	snprintf(id, sizeof(id), "id%u", number);
	struct xfed_s2s_event ev = { .type = XFED_S2S_ASK,
		.question = { .token = number,
			.stream_id = xfed_span_str(id),
			.key = XFED_SPAN("key"),
			.origin = 99,
			.pair = { .sender = XFED_SPAN("partner.example"),
				.target = XFED_SPAN("corp.example"),
				.sender_raw = XFED_SPAN("partner.example"),
				.target_raw = XFED_SPAN("corp.example") } } };
	rig_event(r, &ev);
	xfed_buf_clear(&r->out);
}

/* What has no place is told that it may come again; and answers, which we asked for, are no flood however many they are. */
static void out_many_questions(void **state)
{
	static const char *const open[] = { HEADER_ANSWER, FEATURES_TLS, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", STUB_SERVER_HELLO,
		HEADER_ANSWER, FEATURES_DIALBACK, NULL };
	struct rig r = { .methods = XFED_METHOD_DIALBACK_TLS, .is_verify = true };
	char actions[200];
	stub_peer = (struct stub_certificate){ true, true, "partner.example", XFED_REASON_NONE };
	assert_true(rig_up(&r, XFED_S2S_OUT));
	receive_all(&r, open);
	rig_take_actions(&r, actions, sizeof(actions));
	for (unsigned i = 0; i < XFED_DIALBACK_PAIRS_MAX; i++) {
		ask(&r, i);
	}
	assert_string_equal(rig_take_actions(&r, actions, sizeof(actions)), "");
	ask(&r, XFED_DIALBACK_PAIRS_MAX);
	assert_string_equal(rig_take_actions(&r, actions, sizeof(actions)), "verified(partner.example,busy)");
	for (unsigned i = 0; i < 4 * XFED_S2S_WORK_UNITS; i++) {
		char answer[200];
		snprintf(answer, sizeof(answer), "<db:verify from='partner.example' to='corp.example' id='id%u' type='invalid'/>", i);
		repeat(&r, answer, 1);
		ask(&r, XFED_DIALBACK_PAIRS_MAX + i);
	}
	assert_false(r.is_over);
	rig_down(&r);
}

/* ---- sweeps ---- */

static unsigned fail_at, allocations;

static void *failing_malloc(size_t size)
{
	return ++allocations == fail_at ? NULL : malloc(size);
}
static void *failing_realloc(void *p, size_t size)
{
	return ++allocations == fail_at ? NULL : realloc(p, size);
}

/* Failing each allocation of ours in turn never crashes, leaks or lets a stanza through that should not pass. */
static void sweep(enum xfed_s2s_direction direction, const char *const *inputs, size_t count)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	bool reached_end = false;
	stub_peer = (struct stub_certificate){ true, true, "partner.example", XFED_REASON_NONE };
	stub_handshake_fails = XFED_REASON_NONE;
	for (fail_at = 1; !reached_end; fail_at++) {
		assert_true(fail_at < 5000);
		struct rig r = { 0 };
		allocations = 0;
		xfed_mem_set_hooks(&hooks);
		if (rig_up(&r, direction)) {
			for (size_t i = 0; i < count && !r.is_over; i++) {
				rig_receive(&r, xfed_span_str(inputs[i]));
			}
			reached_end = r.was_established && allocations < fail_at;
		}
		rig_down(&r);
		xfed_mem_set_hooks(NULL);
	}
	assert_true(fail_at > 10);
}

static void allocations_fail_inbound(void **state)
{
	static const char *const inputs[] = { HEADER_FROM_PARTNER, STARTTLS, STUB_CLIENT_HELLO, HEADER_FROM_PARTNER, AUTH, HEADER_FROM_PARTNER,
		MESSAGE("m1") "<message from='a b@partner.example' to='d@@corp.example'/>" MESSAGE("m2"), "</stream:stream>" };
	sweep(XFED_S2S_IN, inputs, XFED_ARRAY_LEN(inputs));
}

static void allocations_fail_outbound(void **state)
{
	static const char *const inputs[] = { HEADER_ANSWER, FEATURES_TLS, PROCEED, STUB_SERVER_HELLO, HEADER_ANSWER, FEATURES_EXTERNAL, SASL_SUCCESS,
		HEADER_ANSWER, "<stream:features/>", "</stream:stream>" };
	sweep(XFED_S2S_OUT, inputs, XFED_ARRAY_LEN(inputs));
}

/* A driver that pauses behind every stanza gets the rest by PUMP alone, with no new network input. */
static void pause_at_every_stanza(void **state)
{
	static const char *const inputs[] = { HEADER_FROM_PARTNER, STARTTLS, STUB_CLIENT_HELLO, HEADER_FROM_PARTNER, AUTH, HEADER_FROM_PARTNER };
	struct rig r = { 0 };
	stub_peer = (struct stub_certificate){ true, true, "partner.example", XFED_REASON_NONE };
	stub_handshake_fails = XFED_REASON_NONE;
	assert_true(rig_up(&r, XFED_S2S_IN));
	for (size_t i = 0; i < XFED_ARRAY_LEN(inputs); i++) {
		rig_receive(&r, xfed_span_str(inputs[i]));
	}
	char chunk[16384] = "";
	for (int i = 0; i < 50; i++) {
		snprintf(chunk + strlen(chunk), sizeof(chunk) - strlen(chunk), "<message from='a@partner.example' to='b@corp.example' id='%d'/>", i);
	}
	struct xfed_s2s_event ev = { .type = XFED_S2S_BYTES, .bytes = xfed_span_str(chunk) };
	xfed_s2s_step(r.s2s, &ev, r.now_ms);
	assert_int_equal(ev.consumed, strlen(chunk)); /* TLS has it; what is not read waits there */
	for (int i = 0; i < 50; i++) {
		struct xfed_s2s_action act;
		char id[16];
		assert_true(xfed_s2s_next(r.s2s, &act));
		assert_int_equal(act.type, XFED_S2S_STANZA);
		snprintf(id, sizeof(id), "%d", i);
		assert_true(xfed_span_is(act.stanza.id, id));
		assert_false(xfed_s2s_next(r.s2s, &act));
		if (i < 49) {
			assert_true(xfed_s2s_has_pending(r.s2s));
			struct xfed_s2s_event pump = { .type = XFED_S2S_PUMP };
			xfed_s2s_step(r.s2s, &pump, r.now_ms);
		}
	}
	struct xfed_s2s_event pump = { .type = XFED_S2S_PUMP };
	xfed_s2s_step(r.s2s, &pump, r.now_ms);
	assert_false(xfed_s2s_has_pending(r.s2s));
	rig_down(&r);
}

static int set_up(void **state)
{
	return xfed_xml_global_init() | xfed_sasl_global_init();
}

static int tear_down(void **state)
{
	xfed_sasl_global_deinit();
	xfed_xml_global_deinit();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(in_external_works, allow_external),
		cmocka_unit_test_setup(in_many_stanzas_in_one_chunk, allow_external),
		cmocka_unit_test_setup(in_language_of_the_stream, allow_external),
		cmocka_unit_test_setup(in_unknown_to, allow_external),
		cmocka_unit_test_setup(in_no_to, allow_external),
		cmocka_unit_test_setup(in_unlisted_partner, allow_external),
		cmocka_unit_test_setup(in_version_missing, allow_external),
		cmocka_unit_test_setup(in_client_namespace, allow_external),
		cmocka_unit_test_setup(in_foreign_stream_namespace, allow_external),
		cmocka_unit_test_setup(in_stanza_before_tls, allow_external),
		cmocka_unit_test_setup(in_stanza_before_sasl, allow_external),
		cmocka_unit_test_setup(in_starttls_injection, allow_external),
		cmocka_unit_test_setup(in_starttls_twice, allow_external),
		cmocka_unit_test_setup(in_handshake_fails, allow_external),
		cmocka_unit_test_setup(in_bad_certificates, allow_external),
		cmocka_unit_test_setup(in_no_from_inside_tls, allow_external),
		cmocka_unit_test_setup(in_sasl_refusals, allow_external),
		cmocka_unit_test_setup(in_sasl_slow_path, allow_external),
		cmocka_unit_test_setup(in_other_from_after_sasl, allow_external),
		cmocka_unit_test_setup(in_bad_addresses, allow_external),
		cmocka_unit_test_setup(in_dialback_not_allowed, allow_external),
		cmocka_unit_test_setup(in_dialback_over_tls, allow_external),
		cmocka_unit_test_setup(in_dialback_refused, allow_external),
		cmocka_unit_test_setup(in_dialback_with_certificate, allow_external),
		cmocka_unit_test_setup(in_dialback_then_external, allow_external),
		cmocka_unit_test_setup(judged_again, allow_external),
		cmocka_unit_test_setup(judged_again_by_dialback, allow_external),
		cmocka_unit_test_setup(in_dialback_second_sender, allow_external),
		cmocka_unit_test_setup(in_dialback_plain, allow_external),
		cmocka_unit_test_setup(in_verdict_during_starttls, allow_external),
		cmocka_unit_test_setup(in_verdict_behind_our_closing_tag, allow_external),
		cmocka_unit_test_setup(in_authoritative, allow_external),
		cmocka_unit_test(in_work_is_bounded),
		cmocka_unit_test(in_work_is_forgiven),
		cmocka_unit_test(in_work_of_a_large_partner),
		cmocka_unit_test(a_step_is_one_element),
		cmocka_unit_test_setup(in_times, allow_external),
		cmocka_unit_test_setup(in_closed_by_us, allow_external),
		cmocka_unit_test_setup(in_socket_gone, allow_external),
		cmocka_unit_test_setup(in_stream_error_received, allow_external),
		cmocka_unit_test_setup(in_gives_up, allow_external),
		cmocka_unit_test_setup(out_external_works, allow_external),
		cmocka_unit_test_setup(out_tls_not_offered, allow_external),
		cmocka_unit_test_setup(out_tls_refused, allow_external),
		cmocka_unit_test_setup(out_proceed_injection, allow_external),
		cmocka_unit_test_setup(out_bad_certificate, allow_external),
		cmocka_unit_test_setup(out_external_not_offered, allow_external),
		cmocka_unit_test_setup(out_external_refused, allow_external),
		cmocka_unit_test_setup(out_old_version, allow_external),
		cmocka_unit_test_setup(out_stanza_received, allow_external),
		cmocka_unit_test_setup(out_success_out_of_place, allow_external),
		cmocka_unit_test_setup(out_keepalive_and_idle, allow_external),
		cmocka_unit_test_setup(out_without_keepalive, allow_external),
		cmocka_unit_test_setup(out_dialback_over_tls, allow_external),
		cmocka_unit_test_setup(out_dialback_after_external, allow_external),
		cmocka_unit_test_setup(out_dialback_refused, allow_external),
		cmocka_unit_test_setup(out_dialback_plain, allow_external),
		cmocka_unit_test_setup(out_verify_stream, allow_external),
		cmocka_unit_test(out_many_questions),
		cmocka_unit_test_setup(allocations_fail_inbound, allow_external),
		cmocka_unit_test_setup(allocations_fail_outbound, allow_external),
		cmocka_unit_test_setup(pause_at_every_stanza, allow_external),
	};
	return cmocka_run_group_tests_name("s2s", tests, set_up, tear_down);
}
