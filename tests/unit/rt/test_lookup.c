/*
 * Where to connect: RFC 6120 section 3.2 and RFC 2782 ([A1-01], [A1-02], [A1-03], [A1-05], [A1-12]).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nameserver.h"
#include "support.h"
#include "xfed/mem.h"
#include "xfed/rt/resolver.h"

#define XMPP "_xmpp-server._tcp."

static const struct ns_row zone[] = {
	{ XMPP "partner.example", "SRV", "20 0 5271 second.example" },
	{ XMPP "partner.example", "SRV", "10 0 5270 first.example" },
	{ "first.example", "A", "192.0.2.1" },
	{ "first.example", "A", "192.0.2.2" },
	{ "first.example", "AAAA", "2001:db8::1" },
	{ "second.example", "A", "192.0.2.3" },
	{ "partner.example", "A", "192.0.2.99" },
	{ XMPP "refused.example", "SRV", "0 0 0 ." },
	{ "refused.example", "A", "192.0.2.99" },
	{ XMPP "dotbeside.example", "SRV", "0 0 0 ." },
	{ XMPP "dotbeside.example", "SRV", "1 0 5269 second.example" },
	{ "nosrv.example", "A", "192.0.2.4" },
	{ "nosrv.example", "AAAA", "2001:db8::4" },
	{ "sub.partner.example", "A", "192.0.2.5" },
	{ XMPP "deadtarget.example", "SRV", "0 0 5269 gone.example" },
	{ "deadtarget.example", "A", "192.0.2.99" },
	{ XMPP "halfdead.example", "SRV", "1 0 5269 gone.example" },
	{ XMPP "halfdead.example", "SRV", "2 0 5269 first.example" },
	{ XMPP "badtarget.example", "SRV", "0 0 5269 servfail.example" },
	{ XMPP "mutetarget.example", "SRV", "0 0 5269 silent.example" },
	{ XMPP "mixed.example", "SRV", "1 0 5269 servfail.example" },
	{ XMPP "mixed.example", "SRV", "2 0 5269 silent.example" },
	{ XMPP "mixed.example", "SRV", "3 0 5269 gone.example" },
	{ XMPP "alias.example", "CNAME", XMPP "partner.example" },
	{ XMPP "local.example", "SRV", "0 0 5269 localhost" },
	{ "empty.example", "AAAA", "2001:db8::7" },
	{ XMPP "cut.example", "SRV", "0 0 5269 second.example" },
	{ NULL, NULL, NULL },
};

struct world {
	struct rt_loop *loop;
	struct ns ns;
	struct rt_resolver *r;
};

struct got {
	unsigned count;
	enum xfed_reason reason;
	size_t endpoints;
	char text[1024]; /* "ADDRESS:PORT=TARGET ..." */
	bool is_from_srv, is_ad;
	struct rt_lookup *lookup;
};

static void on_result(void *user, const struct rt_endpoints *r)
{
	struct got *g = user;
	char text[RT_ADDR_TEXT];
	size_t at = 0;
	g->count++;
	g->reason = r->reason;
	g->endpoints = r->count;
	g->is_from_srv = r->is_from_srv;
	for (size_t i = 0; i < r->count; i++) {
		const struct rt_endpoint *e = &r->list[i];
		at += (size_t)snprintf(g->text + at, sizeof(g->text) - at, "%s%s=%.*s", i > 0 ? " " : "", rt_addr_text(&e->addr, text),
			(int)e->target.len, e->target.data);
		assert_true(at < sizeof(g->text));
		g->is_ad = e->is_ad;
	}
	rt_lookup_cancel(g->lookup); /* allowed here, and does nothing */
}

static void open_world(struct world *w, uint32_t timeout_ms, bool trust_ad)
{
	char error[128];
	memset(w, 0, sizeof(*w));
	w->loop = new_loop();
	ns_start(&w->ns, w->loop, "127.0.0.1:0", zone);
	const char *servers[] = { w->ns.text };
	struct rt_resolver_options o = { .servers = servers, .server_count = 1, .timeout_ms = timeout_ms, .trust_ad = trust_ad };
	assert_int_equal(rt_resolver_new(w->loop, &o, &w->r, error, sizeof(error)), XFED_OK);
}

static void close_world(struct world *w)
{
	rt_resolver_free(w->r);
	rt_loop_free(w->loop);
}

static int ask_service(struct world *w, const char *domain, struct got *g)
{
	memset(g, 0, sizeof(*g));
	int rc = rt_resolve_service(w->r, xfed_span_str(domain), "_xmpp-server._tcp", 5269, on_result, g, &g->lookup);
	assert_int_equal(g->count, 0); /* never inside the call */
	return rc;
}

#define FIRST(port)  "192.0.2.1:" port "=first.example 192.0.2.2:" port "=first.example [2001:db8::1]:" port "=first.example"
#define SECOND(port) "192.0.2.3:" port "=second.example"

static void services(void **state)
{
	static const struct {
		const char *row, *domain;
		enum xfed_reason reason;
		const char *text;
		bool is_from_srv;
	} rows[] = {
		{ "SRV order, all addresses of a target before the next [A1-01]", "partner.example", XFED_REASON_NONE,
			FIRST("5270") " " SECOND("5271"), true },
		{ "upper case and a last dot", "Partner.EXAMPLE.", XFED_REASON_NONE, FIRST("5270") " " SECOND("5271"), true },
		{ "target '.' [A1-02]", "refused.example", XFED_REASON_DNS_SRV_REFUSED, "", true },
		{ "target '.' beside a real one", "dotbeside.example", XFED_REASON_NONE, SECOND("5269"), true },
		{ "no SRV: the domain itself [A1-03]", "nosrv.example", XFED_REASON_NONE,
			"192.0.2.4:5269=nosrv.example [2001:db8::4]:5269=nosrv.example", false },
		{ "a subdomain is on its own [A1-05]", "sub.partner.example", XFED_REASON_NONE, "192.0.2.5:5269=sub.partner.example", false },
		{ "SRV whose target has no address: no fallback [A1-03]", "deadtarget.example", XFED_REASON_DNS_NAME_MISSING, "", true },
		{ "one of two targets has no address", "halfdead.example", XFED_REASON_NONE, FIRST("5269"), true },
		{ "target SERVFAIL", "badtarget.example", XFED_REASON_DNS_BOGUS, "", true },
		{ "target silent", "mutetarget.example", XFED_REASON_DNS_TIMEOUT, "", true },
		{ "every way a target can fail", "mixed.example", XFED_REASON_DNS_TIMEOUT, "", true },
		{ "SRV by CNAME", "alias.example", XFED_REASON_NONE, FIRST("5270") " " SECOND("5271"), true },
		{ "SRV over TCP", "cut.example", XFED_REASON_NONE, SECOND("5269"), true },
		{ "SRV to localhost", "local.example", XFED_REASON_NONE, "127.0.0.1:5269=localhost [::1]:5269=localhost", true },
		{ "IPv6 only", "empty.example", XFED_REASON_NONE, "[2001:db8::7]:5269=empty.example", false },
		{ "no such domain", "absent.example", XFED_REASON_DNS_NAME_MISSING, "", false },
		{ "SRV SERVFAIL: no fallback", "servfail.example", XFED_REASON_DNS_BOGUS, "", false },
		{ "SRV silent: no fallback", "silent.example", XFED_REASON_DNS_TIMEOUT, "", false },
		{ "an address", "192.0.2.77", XFED_REASON_NONE, "192.0.2.77:5269=192.0.2.77", false },
		{ "an IPv6 address", "[2001:db8::77]", XFED_REASON_NONE, "[2001:db8::77]:5269=[2001:db8::77]", false },
		{ "localhost is not asked for", "localhost", XFED_REASON_NONE, "127.0.0.1:5269=localhost [::1]:5269=localhost", false },
		{ "nor what is below it", "a.localhost", XFED_REASON_NONE, "127.0.0.1:5269=a.localhost [::1]:5269=a.localhost", false },
	};
	struct world w;
	(void)state;
	open_world(&w, 30, false);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct got g;
		assert_int_equal(ask_service(&w, rows[i].domain, &g), XFED_OK);
		UNTIL(w.loop, g.count == 1);
		if (g.reason != rows[i].reason || strcmp(g.text, rows[i].text) != 0 || g.is_from_srv != rows[i].is_from_srv) {
			fail_msg("row \"%s\": %s, \"%s\"", rows[i].row, xfed_reason_info(g.reason)->code, g.text);
		}
	}
	close_world(&w);
}

static void hosts(void **state)
{
	static const struct {
		const char *row, *host;
		enum xfed_reason reason;
		const char *text;
	} rows[] = {
		{ "a name: no SRV is looked at", "partner.example", XFED_REASON_NONE, "192.0.2.99:23456=partner.example" },
		{ "missing", "absent.example", XFED_REASON_DNS_NAME_MISSING, "" },
		{ "failing", "servfail.example", XFED_REASON_DNS_BOGUS, "" },
		{ "silent", "silent.example", XFED_REASON_DNS_TIMEOUT, "" },
		{ "numeric", "127.0.0.1", XFED_REASON_NONE, "127.0.0.1:23456=127.0.0.1" },
		{ "numeric, IPv6", "::1", XFED_REASON_NONE, "[::1]:23456=::1" },
		{ "localhost", "LocalHost", XFED_REASON_NONE, "127.0.0.1:23456=LocalHost [::1]:23456=LocalHost" },
	};
	struct world w;
	(void)state;
	open_world(&w, 30, false);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct got g = { 0 };
		assert_int_equal(rt_resolve_host(w.r, xfed_span_str(rows[i].host), 23456, on_result, &g, &g.lookup), XFED_OK);
		assert_int_equal(g.count, 0);
		UNTIL(w.loop, g.count == 1);
		if (g.reason != rows[i].reason || strcmp(g.text, rows[i].text) != 0) {
			fail_msg("row \"%s\": %s, \"%s\"", rows[i].row, xfed_reason_info(g.reason)->code, g.text);
		}
	}
	static const char *const bad[] = { "", ".", "a b", "a..b", "[127.0.0.1]", "localhost:80" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad); i++) {
		struct got g = { 0 };
		if (rt_resolve_host(w.r, xfed_span_str(bad[i]), 1, on_result, &g, &g.lookup) != XFED_ERR_INVALID ||
			ask_service(&w, bad[i], &g) != XFED_ERR_INVALID) {
			fail_msg("\"%s\" was accepted", bad[i]);
		}
	}
	close_world(&w);
}

static void a_long_domain_cannot_have_srv(void **state)
{
	struct world w;
	struct got g;
	char domain[251];
	(void)state;
	memset(domain, 'a', 250);
	domain[62] = domain[125] = domain[188] = '.';
	domain[250] = '\0';
	open_world(&w, 5000, false);
	assert_int_equal(ask_service(&w, domain, &g), XFED_OK);
	UNTIL(w.loop, g.count == 1);
	assert_int_equal(g.reason, XFED_REASON_DNS_NAME_MISSING);
	assert_int_equal(w.ns.udp_queries, 2); /* A and AAAA */
	close_world(&w);
}

/* More SRV records than are used; each address is asked for at the same time. */
static void targets_are_bounded(void **state)
{
	static char names[40][2][32];
	static struct ns_row rows[42];
	struct world w;
	struct got g;
	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(names[i][0], sizeof(names[i][0]), "%d 0 5269 t%d.example", i, i);
		snprintf(names[i][1], sizeof(names[i][1]), "t%d.example", i);
		rows[2 * i] = (struct ns_row){ XMPP "many.example", "SRV", names[i][0] };
		rows[2 * i + 1] = (struct ns_row){ names[i][1], "A", "192.0.2.1" };
	}
	open_world(&w, 5000, false);
	w.ns.rows = rows;
	assert_int_equal(ask_service(&w, "many.example", &g), XFED_OK);
	UNTIL(w.loop, g.count == 1);
	assert_int_equal(g.endpoints, RT_RESOLVER_TARGETS_MAX);
	assert_non_null(strstr(g.text, "t15.example"));
	assert_null(strstr(g.text, "t16.example"));
	assert_int_equal(w.ns.udp_queries, 1 + 2 * RT_RESOLVER_TARGETS_MAX);
	close_world(&w);
}

static void authenticated_only_end_to_end(void **state)
{
	struct world w;
	struct got g;
	(void)state;
	for (int sets_ad = 0; sets_ad < 2; sets_ad++) {
		open_world(&w, 5000, true);
		w.ns.sets_ad = sets_ad;
		assert_int_equal(ask_service(&w, "partner.example", &g), XFED_OK);
		UNTIL(w.loop, g.count == 1);
		assert_int_equal(g.is_ad, sets_ad);
		close_world(&w);
	}
	/* An authenticated address behind an unauthenticated SRV record proves nothing. */
	open_world(&w, 5000, true);
	assert_int_equal(ask_service(&w, "partner.example", &g), XFED_OK);
	UNTIL(w.loop, w.ns.udp_queries == 1);
	w.ns.sets_ad = true;
	UNTIL(w.loop, g.count == 1);
	assert_false(g.is_ad);
	close_world(&w);
}

static void cancelled_at_any_time(void **state)
{
	struct world w;
	(void)state;
	for (unsigned turns = 0; turns < 12; turns++) {
		struct got g, h;
		open_world(&w, 5000, false);
		assert_int_equal(ask_service(&w, "partner.example", &g), XFED_OK);
		assert_int_equal(ask_service(&w, "partner.example", &h), XFED_OK);
		for (unsigned n = 0; n < turns && g.count == 0; n++) {
			rt_loop_turn(w.loop, true);
		}
		if (g.count == 0) {
			rt_lookup_cancel(g.lookup);
			UNTIL(w.loop, h.count == 1);
			assert_int_equal(g.count, 0);
			assert_int_equal(h.reason, XFED_REASON_NONE);
		}
		rt_lookup_cancel(NULL);
		close_world(&w);
	}
	open_world(&w, 5000, false);
	struct got g;
	assert_int_equal(ask_service(&w, "localhost", &g), XFED_OK);
	rt_lookup_cancel(g.lookup);
	assert_int_equal(ask_service(&w, "partner.example", &g), XFED_OK);
	close_world(&w); /* with a lookup under way */
	assert_int_equal(g.count, 0);
}

static void every_allocation_fails_once(void **state)
{
	bool all_given = false;
	(void)state;
	for (long n = 0; !all_given; n++) {
		struct world w;
		struct got g;
		open_world(&w, 1000, false);
		fail_allocation(n);
		int rc = ask_service(&w, "partner.example", &g);
		if (rc == XFED_OK) {
			UNTIL(w.loop, g.count == 1);
		}
		all_given = allocations <= n;
		xfed_mem_set_hooks(NULL);
		bool is_told = rc == XFED_ERR_NOMEM || g.endpoints > 0 || g.reason == XFED_REASON_STREAM_INTERNAL;
		if (!is_told || (all_given && g.endpoints != 4)) {
			fail_msg("allocation %ld: rc %d, %zu endpoints, reason %d", n, rc, g.endpoints, g.reason);
		}
		rt_loop_free(w.loop);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services),
		cmocka_unit_test(hosts),
		cmocka_unit_test(a_long_domain_cannot_have_srv),
		cmocka_unit_test(targets_are_bounded),
		cmocka_unit_test(authenticated_only_end_to_end),
		cmocka_unit_test(cancelled_at_any_time),
		cmocka_unit_test(every_allocation_fails_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
