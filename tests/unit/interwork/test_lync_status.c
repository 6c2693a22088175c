/* What the user of a Lync client reads for each of our reasons; the statuses are those that such a client was seen to tell apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "interwork/lync_status.h"
#include "interwork/warning.h"

static const struct xfed_span none = { NULL, 0 };

/* The text a client shows, to INVITE and to MESSAGE in a session, and whether the session ends: as seen. */
static const struct shown {
	int status;
	const char *text;
	bool ends_session;
} shown[] = {
	{ 408, "offline", true },
	{ 480, "offline", true },
	{ 481, "offline", true },
	{ 486, "busy", false },
	{ 415, "type", false },
	{ 500, "service", false },
	{ 503, "service", false },
	{ 504, "service", false },
	{ 603, "service", false },
	{ 606, "blocked", false }, /* with Warning 309 */
	{ 400, "offline", false },
	{ 403, "offline", false },
	{ 404, "offline", false },
	{ 405, "offline", false },
	{ 413, "offline", false },
	{ 488, "offline", false },
};

static const struct shown *shown_for(int status)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(shown); i++) {
		if (shown[i].status == status) {
			return &shown[i];
		}
	}
	fail_msg("no client was seen to get a %d", status);
	return NULL;
}

static const struct row {
	const char *code, *text; /* "peer": no user reads it */
} rows[] = {
	{ "sip.user.offline", "offline" },
	{ "sip.user.unknown", "offline" },
	{ "sip.user.declined", "busy" },
	{ "sip.request.redirected", "offline" },
	{ "sip.address.unmappable", "offline" },
	{ "xmpp.user.unknown", "offline" },
	{ "xmpp.address.malformed", "offline" },
	{ "policy.contact.unauthorised", "offline" },
	{ "policy.kind.forbidden", "blocked" },
	{ "policy.size.exceeded", "type" },
	{ "policy.shape.exceeded", "type" },
	{ "sip.request.too-large", "type" },
	{ "xmpp.size.exceeded", "type" },
	{ "delivery.size.exceeded", "type" },
	{ "sip.method.unsupported", "type" },
	{ "sip.content.unsupported", "type" },
	{ "sip.content.empty", "type" },
	{ "sip.charset.unsupported", "type" },
	{ "sip.coding.unsupported", "type" },
	{ "sip.content.garbled", "type" },
	{ "sip.scheme.unsupported", "type" },
	{ "xmpp.content.unreadable", "type" },
	{ "xmpp.feature.missing", "type" },
	{ "xmpp.error.received", "service" },
	{ "xmpp.stanza.invalid", "service" },
	{ "sip.server.timeout", "service" },
	{ "sip.server.error", "service" },
	{ "sip.server.unreachable", "service" },
	{ "sip.request.refused", "service" },
	{ "sip.auth.needed", "service" },
	{ "sip.auth.unsupported", "service" },
	{ "sip.auth.refused", "service" },
	{ "sip.request.malformed", "peer" },
	{ "sip.sender.untrusted", "peer" },
	{ "sip.sender.nameless", "peer" },
	{ "sip.sips.refused", "peer" },
	{ "sip.peer.unlisted", "peer" },
	{ "sip.loop.detected", "peer" },
	{ "sip.hops.exceeded", "peer" },
	{ "sip.dialog.unknown", "peer" },
	{ "sip.session.description", "peer" },
	{ "sip.session.media", "type" },
	{ "sip.session.content", "type" },
	{ "sip.session.replaced", "peer" },
	{ "sip.session.limit", "service" },
	{ "sip.session.unanswered", "service" },
	{ "sip.event.unsupported", "peer" },
	{ "sip.accept.unsupported", "peer" },
	{ "sip.expires.brief", "peer" },
	{ "sip.presence.malformed", "peer" },
	{ "sip.presence.too-large", "peer" },
	{ "sip.presence.too-often", "peer" },
};

/* A new reason of another beginning has to be given a row. */
static const char *const service[] = { "dns.", "net.", "tls.", "sasl.", "dialback.", "stream.", "starttls.", "channel.", "service.", "store.",
	"config.", "sandbox.", "presence.", "delivery.", "policy.", "panel." };

static const char *expected(const char *code)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].code, code) == 0) {
			return rows[i].text;
		}
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(service); i++) {
		if (strncmp(code, service[i], strlen(service[i])) == 0) {
			return "service";
		}
	}
	fail_msg("%s: what is its user to read?", code);
	return NULL;
}

static void reasons(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (xfed_reason_by_code(xfed_span_str(rows[i].code)) == XFED_REASON_NONE) {
			fail_msg("%s is no reason", rows[i].code);
		}
	}
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		const char *code = xfed_reason_code((enum xfed_reason)r), *text = expected(code);
		for (int is_in_session = 0; is_in_session < 2; is_in_session++) {
			struct iw_sip_error e, plain;
			enum iw_lync_text got = iw_lync_status((enum xfed_reason)r, none, is_in_session ? IW_LYNC_IN_SESSION : 0, &e);
			assert_int_equal(e.reason, r);
			assert_non_null(e.phrase);
			assert_int_equal(e.needs_accept, e.status == 406 || e.status == 415);
			if (strcmp(text, "peer") == 0) {
				assert_int_equal(got, IW_LYNC_PEER);
				assert_int_equal(iw_reason_to_sip((enum xfed_reason)r, &plain), XFED_OK);
				assert_int_equal(e.status, plain.status);
				continue;
			}
			const struct shown *s = shown_for(e.status);
			if (strcmp(s->text, text) != 0) {
				fail_msg("%s: %d reads as \"%s\", expected \"%s\"", code, e.status, s->text, text);
			}
			assert_false(is_in_session && s->ends_session);
			assert_true(e.status != 503);
		}
	}
}

static void conditions(void **state)
{
	(void)state;
	static const struct {
		const char *condition, *text;
	} cases[] = {
		{ "service-unavailable", "offline" },
		{ "recipient-unavailable", "offline" },
		{ "item-not-found", "offline" },
		{ "gone", "offline" },
		{ "redirect", "offline" },
		{ "jid-malformed", "offline" },
		{ "not-acceptable", "type" },
		{ "feature-not-implemented", "type" },
		{ "policy-violation", "blocked" },
		{ "forbidden", "service" },
		{ "not-allowed", "service" },
		{ "not-authorized", "service" },
		{ "registration-required", "service" },
		{ "subscription-required", "service" },
		{ "remote-server-not-found", "service" },
		{ "remote-server-timeout", "service" },
		{ "resource-constraint", "service" },
		{ "internal-server-error", "service" },
		{ "bad-request", "service" },
		{ "conflict", "service" },
		{ "unexpected-request", "service" },
		{ "undefined-condition", "service" },
		{ "nobody-knows-this", "service" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(cases); i++) {
		struct iw_sip_error e;
		iw_lync_status(XFED_REASON_XMPP_ERROR_RECEIVED, xfed_span_str(cases[i].condition), 0, &e);
		if (strcmp(shown_for(e.status)->text, cases[i].text) != 0) {
			fail_msg("%s: %d", cases[i].condition, e.status);
		}
		/* A condition counts with no other reason. */
		iw_lync_status(XFED_REASON_DNS_TIMEOUT, xfed_span_str(cases[i].condition), 0, &e);
		assert_int_equal(e.status, 504);
	}
}

static void blocked_needs_its_warning(void **state)
{
	(void)state;
	char line[IW_WARNING_BYTES];
	struct iw_sip_error e;
	assert_int_equal(iw_lync_status(XFED_REASON_POLICY_KIND_FORBIDDEN, none, IW_LYNC_IN_SESSION, &e), IW_LYNC_BLOCKED);
	assert_int_equal(e.status, 606);
	iw_warning_as(line, sizeof(line), IW_LYNC_WARNING_BLOCKED, XFED_SPAN("gw.example"), e.reason, none);
	assert_int_equal(strncmp(line, "Warning: 309 gw.example \"policy.kind.forbidden: ", 48), 0);
}

/* A neighbour that sends us what is not ours is told so; its users, and those inside, read all else as before. */
static void of_a_neighbour(void **state)
{
	(void)state;
	struct iw_sip_error e;
	assert_int_equal(iw_lync_status(XFED_REASON_POLICY_PARTNER_UNLISTED, none, 0, &e), IW_LYNC_SERVICE);
	assert_int_equal(e.status, 504);
	for (unsigned where = IW_LYNC_OF_NEIGHBOUR; where <= (IW_LYNC_OF_NEIGHBOUR | IW_LYNC_IN_SESSION); where++) {
		assert_int_equal(iw_lync_status(XFED_REASON_POLICY_PARTNER_UNLISTED, none, where, &e), IW_LYNC_PEER);
		assert_int_equal(e.status, 403);
		assert_int_equal(iw_lync_status(XFED_REASON_POLICY_ACCESS_USER, none, where, &e), IW_LYNC_SERVICE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons),
		cmocka_unit_test(conditions),
		cmocka_unit_test(of_a_neighbour),
		cmocka_unit_test(blocked_needs_its_warning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
