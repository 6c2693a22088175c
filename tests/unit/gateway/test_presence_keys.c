/* What show and activities mean as a key: of gateway.yaml, of its domains and of partner files, each beating the one before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy/policy_impl.h"
#include "xfed/mem.h"

#define BASE                                                                                                                                         \
	"name: gw1\n"                                                                                                                                \
	"edges: [{name: edge1, address: \"edge1.example.com:23456\"}]\n"                                                                             \
	"channel: {certificate: /c.pem, key: /k.pem, ca: /ca.pem}\n"                                                                                 \
	"sip: {listen: [\"udp:127.0.0.1:5060\"], advertise: gw1.example.com}\n"
#define DOMAIN(name, more) "  - {domain: " name ", next_hop: \"sip:192.0.2.1;transport=udp\", peer_addresses: [192.0.2.1]" more "}\n"

static struct config *load(const char *text, char problem[256])
{
	struct rt_conf_errors errors;
	struct config *c = NULL;
	struct xfed_buf b;
	rt_conf_errors_init(&errors);
	xfed_buf_init(&b, 65536);
	config_parse("gateway.yaml", xfed_span_str(text), &errors, &c);
	assert_int_equal(rt_conf_errors_print(&errors, &b), XFED_OK);
	snprintf(problem, 256, "%.*s", (int)xfed_buf_len(&b), xfed_buf_span(&b).data);
	xfed_buf_deinit(&b);
	rt_conf_errors_deinit(&errors);
	return c;
}

static const char *value(const struct policy *p, const struct config_domain *d, const char *remote, const char *key)
{
	struct iw_presence_map m;
	policy_presence_map(p, d, xfed_span_str(remote), &m);
	size_t i = 0;
	while (strcmp(iw_presence_map_key(i), key) != 0) {
		i++;
	}
	return iw_presence_map_value(&m, i);
}

static void a_partner_beats_a_domain_beats_all(void **state)
{
	(void)state;
	char problem[256];
	struct config *c = load(BASE "presence: {refresh: 1h, meeting: away, xmpp-dnd: meeting, busy: xa}\ndomains:\n" DOMAIN("plain.example", "")
					DOMAIN("own.example", ", presence: {meeting: none, tv: dnd}"),
		problem);
	assert_string_equal(problem, "");
	assert_int_equal(c->presence.refresh_ms, 3600000);
	struct policy_files files = { .config = c };
	struct policy p = { .files = &files };
	struct xfed_policy_error error;
	struct partner_file f = { 0 };
	struct rt_conf_errors errors;
	rt_conf_errors_init(&errors);
	const char *text = "domain: partner.example\nadditional_domains: [other.example]\npresence: {tv: chat, xmpp-dnd: none}\n";
	assert_int_equal(partner_file_parse("partner.example.yaml", xfed_span_str(text), &errors, &f), XFED_OK);
	assert_int_equal(xfed_policy_new(&files.partners), XFED_OK);
	assert_int_equal(xfed_policy_add_partner(files.partners, &f.partner, &error), XFED_OK);
	assert_int_equal(partner_presence_add(&files.presence, f.partner.domain, &f.presence), XFED_OK);
	const struct config_domain *plain = config_domain(c, XFED_SPAN("plain.example")), *own = config_domain(c, XFED_SPAN("own.example"));
	static const struct {
		const char *key, *plain, *own, *plain_partner, *own_partner;
	} rows[] = {
		{ "meeting", "away", "none", "away", "none" }, { "busy", "xa", "xa", "xa", "xa" }, { "tv", "none", "dnd", "chat", "chat" },
		{ "xmpp-dnd", "meeting", "meeting", "none", "none" }, { "sleeping", "xa", "xa", "xa", "xa" }, /* nobody says anything of it */
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		assert_string_equal(value(&p, plain, "nobody.example", rows[i].key), rows[i].plain);
		assert_string_equal(value(&p, own, "nobody.example", rows[i].key), rows[i].own);
		assert_string_equal(value(&p, plain, "partner.example", rows[i].key), rows[i].plain_partner);
		assert_string_equal(value(&p, own, "other.example", rows[i].key), rows[i].own_partner);
	}
	partner_presence_free(&files.presence);
	partner_file_deinit(&f);
	rt_conf_errors_deinit(&errors);
	xfed_policy_free(files.partners);
	config_free(c);
}

/* As for other keys: where it stands, what was found, what would be taken. */
static void what_cannot_be_is_told(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ BASE "presence: {meeting: busy}\ndomains:\n" DOMAIN("a.example", ""),
			"gateway.yaml:5:21:presence.meeting: found \"busy\", accepted: none | chat | away | xa | dnd" },
		{ BASE "presence: {meating: dnd}\ndomains:\n" DOMAIN("a.example", ""),
			"gateway.yaml:5:12:presence.meating: found the unknown key \"meating\"; did you mean \"meeting\"?" },
		{ BASE "presence: {xmpp-dnd: away-ish}\ndomains:\n" DOMAIN("a.example", ""),
			"gateway.yaml:5:22:presence.xmpp-dnd: found \"away-ish\", accepted: none | appointment | away" },
		{ BASE "presence: {refresh: 1s}\ndomains:\n" DOMAIN("a.example", ""),
			"gateway.yaml:5:21:presence.refresh: found \"1s\", accepted: a duration from 1m to 24h" },
		{ BASE "domains:\n" DOMAIN("a.example", ", presence: {refresh: 1h}"),
			"domains[0].presence.refresh: found the unknown key \"refresh\"" },
		{ BASE "presence: [meeting]\ndomains:\n" DOMAIN("a.example", ""), "gateway.yaml:5:11:presence: found a list, accepted:" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		char problem[256];
		struct config *c = load(rows[i].text, problem);
		assert_null(c);
		if (!strstr(problem, rows[i].want)) {
			fail_msg("row %zu: %s", i, problem);
		}
	}
}

/* config show has every row of all, and of a domain those it has; what it prints loads again and is the same. */
static void it_is_shown(void **state)
{
	(void)state;
	char problem[256], *text;
	struct config *c =
		load(BASE "presence: {meeting: away}\ndomains:\n" DOMAIN("a.example", ", presence: {tv: dnd}") DOMAIN("b.example", ""), problem);
	struct xfed_buf b;
	xfed_buf_init(&b, 65536);
	assert_int_equal(rt_conf_print(&config_table, c, &b), XFED_OK);
	text = xfed_strndup(xfed_buf_span(&b));
	for (size_t i = 0; i < IW_PRESENCE_MAP_ROWS; i++) {
		char line[64];
		snprintf(line, sizeof(line), "\n  %s: %s\n", iw_presence_map_key(i),
			strcmp(iw_presence_map_key(i), "meeting") == 0 ? "away" : iw_presence_map_value(&c->domains.items[1].map, i));
		assert_non_null(strstr(text, line));
	}
	assert_non_null(strstr(text, "    presence:\n      tv: dnd\n"));
	assert_non_null(strstr(text, "    presence: {}\n"));
	struct config *again = load(text, problem);
	assert_string_equal(problem, "");
	assert_memory_equal(&again->domains.items[0].map, &c->domains.items[0].map, sizeof(c->domains.items[0].map));
	config_free(again);
	config_free(c);
	xfed_free(text);
	xfed_buf_deinit(&b);
}

/* Where nothing is configured each row is as the manual's table says, as both come from one. */
static void the_manual_has_every_row(void **state)
{
	(void)state;
	struct iw_presence_map m;
	struct xfed_buf b;
	iw_presence_map_init(&m);
	xfed_buf_init(&b, 1024 * 1024);
	assert_int_equal(rt_conf_man(&config_table, &b), XFED_OK);
	char *text = xfed_strndup(xfed_buf_span(&b));
	for (size_t i = 0; i < IW_PRESENCE_MAP_ROWS; i++) {
		char head[128], fallback[64], *at = head;
		at += snprintf(head, sizeof(head), "\n.B presence.");
		for (const char *s = iw_presence_map_key(i); *s; s++) {
			at += snprintf(at, 3, "%s%c", *s == '-' ? "\\" : "", *s);
		}
		snprintf(at, 2, "\n");
		const char *found = strstr(text, head);
		snprintf(fallback, sizeof(fallback), "; default %s; changed by a reload", iw_presence_map_value(&m, i));
		const char *end = found ? strstr(found + 1, ".TP") : NULL;
		if (!found || !strstr(found, fallback) || strstr(found, fallback) > end) {
			fail_msg("%s: %s", iw_presence_map_key(i), found ? found : "is not there");
		}
	}
	xfed_free(text);
	xfed_buf_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_partner_beats_a_domain_beats_all),
		cmocka_unit_test(what_cannot_be_is_told),
		cmocka_unit_test(it_is_shown),
		cmocka_unit_test(the_manual_has_every_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
