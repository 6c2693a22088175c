/*
 * Questions against a name server of the test's own: hygiene of each query, forged replies, silence, TCP, the cache.
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

#define SHORT_MS 30

static const struct ns_row zone[] = {
	{ "host.example", "A", "192.0.2.1" },
	{ "host.example", "A", "192.0.2.2" },
	{ "alias.example", "CNAME", "host.example" },
	{ "spoofed.example", "A", "192.0.2.3" },
	{ "cut.example", "A", "192.0.2.4" },
	{ "cut.example", "A", "192.0.2.5" },
	{ "tcpsilent.example", "A", "192.0.2.6" },
	{ "six.example", "AAAA", "2001:db8::6" },
	{ NULL, NULL, NULL },
};

struct world {
	struct rt_loop *loop;
	struct ns ns, second;
	struct rt_resolver *r;
};

struct got {
	unsigned count;
	bool has_answer, ad, nxdomain;
	enum xfed_dns_status status;
	size_t records;
	uint8_t first[4];
	enum xfed_reason reason;
	struct rt_resolve *request;
	bool cancels_itself;
	struct got *cancels; /* in its callback */
};

static void on_answer(void *user, const struct xfed_dns_answer *a, enum xfed_reason reason)
{
	struct got *g = user;
	g->count++;
	g->reason = reason;
	g->has_answer = a != NULL;
	if (a) {
		g->status = a->status;
		g->records = a->count;
		g->ad = a->ad;
		g->nxdomain = a->nxdomain;
		memcpy(g->first, a->count > 0 ? a->records[0].a : (const uint8_t[4]){ 0 }, 4);
	}
	if (g->cancels) {
		rt_resolve_cancel(g->cancels->request);
	}
	if (g->cancels_itself) {
		rt_resolve_cancel(g->request);
	}
}

static void open_resolver(struct world *w, const struct rt_resolver_options *o)
{
	char error[128];
	if (rt_resolver_new(w->loop, o, &w->r, error, sizeof(error)) != XFED_OK) {
		fail_msg("%s", error);
	}
}

static void open_world(struct world *w, uint32_t timeout_ms)
{
	memset(w, 0, sizeof(*w));
	w->loop = new_loop();
	ns_start(&w->ns, w->loop, "127.0.0.1:0", zone);
	const char *servers[] = { w->ns.text };
	open_resolver(w, &(struct rt_resolver_options){ .servers = servers, .server_count = 1, .timeout_ms = timeout_ms });
}

static void close_world(struct world *w)
{
	struct rt_resolver_stats stats;
	rt_resolver_stats(w->r, &stats);
	assert_int_equal(stats.pending, 0);
	rt_resolver_free(w->r);
	rt_loop_free(w->loop);
}

static void ask(struct world *w, const char *name, struct got *g)
{
	assert_int_equal(rt_resolve(w->r, xfed_span_str(name), XFED_DNS_A, on_answer, g, &g->request), XFED_OK);
	assert_int_equal(g->count, 0); /* never inside the call */
}

static void resolve(struct world *w, const char *name, struct got *g)
{
	memset(g, 0, sizeof(*g));
	ask(w, name, g);
	UNTIL(w->loop, g->count == 1);
}

/* ---- answers ---- */

static void answers(void **state)
{
	struct world w;
	struct got g;
	(void)state;
	open_world(&w, 5000);
	resolve(&w, "Host.EXAMPLE.", &g);
	assert_int_equal(g.status, XFED_DNS_OK);
	assert_int_equal(g.records, 2);
	assert_memory_equal(g.first, "\xc0\0\2\1", 4);
	resolve(&w, "alias.example", &g);
	assert_int_equal(g.records, 2);
	resolve(&w, "six.example", &g);
	assert_int_equal(g.status, XFED_DNS_NO_DATA);
	assert_false(g.nxdomain);
	resolve(&w, "absent.example", &g);
	assert_int_equal(g.status, XFED_DNS_NO_DATA);
	assert_true(g.nxdomain);
	resolve(&w, "servfail.example", &g);
	assert_int_equal(g.status, XFED_DNS_SERVFAIL);
	assert_int_equal(w.ns.tcp_queries, 0);

	assert_int_equal(rt_resolve(w.r, XFED_SPAN("not a name"), XFED_DNS_A, on_answer, &g, NULL), XFED_ERR_INVALID);
	assert_int_equal(rt_resolve(w.r, XFED_SPAN(""), XFED_DNS_A, on_answer, &g, NULL), XFED_ERR_INVALID);
	close_world(&w);
}

static void each_query_has_its_own_port_and_id(void **state)
{
	enum { QUERIES = 40 };
	struct world w;
	struct got g[QUERIES] = { 0 };
	unsigned same_port = 0, same_id = 0, rising = 0;
	(void)state;
	open_world(&w, 5000);
	for (int i = 0; i < QUERIES; i++) {
		char name[32];
		snprintf(name, sizeof(name), "h%d.example", i);
		ask(&w, name, &g[i]);
	}
	UNTIL(w.loop, w.ns.udp_queries == QUERIES);
	for (unsigned i = 0; i < QUERIES; i++) {
		for (unsigned k = 0; k < i; k++) {
			same_port += w.ns.log[i].port == w.ns.log[k].port;
			same_id += w.ns.log[i].id == w.ns.log[k].id;
		}
		rising += i > 0 && w.ns.log[i].port > w.ns.log[i - 1].port;
	}
	assert_int_equal(same_port, 0);
	assert_in_range(same_id, 0, 3);
	assert_in_range(rising, 8, 32); /* at random, not counted upwards */
	UNTIL(w.loop, g[QUERIES - 1].count == 1);
	close_world(&w);
}

static void forged_replies_are_ignored(void **state)
{
	struct world w;
	struct got g;
	struct rt_resolver_stats stats;
	(void)state;
	open_world(&w, 5000);
	resolve(&w, "spoofed.example", &g);
	assert_int_equal(g.status, XFED_DNS_OK);
	assert_int_equal(g.records, 1);
	assert_memory_equal(g.first, "\xc0\0\2\3", 4);
	rt_resolver_stats(w.r, &stats);
	assert_int_equal(stats.bogus_replies, 3);
	assert_int_equal(stats.queries, 1);
	close_world(&w);
}

/* ---- silence and failure ---- */

static void silence_is_a_timeout_after_three_tries(void **state)
{
	struct world w;
	struct got g;
	(void)state;
	open_world(&w, SHORT_MS);
	uint64_t start_ms = rt_loop_now_ms(w.loop);
	resolve(&w, "silent.example", &g);
	assert_false(g.has_answer);
	assert_int_equal(g.reason, XFED_REASON_DNS_TIMEOUT);
	assert_int_equal(w.ns.udp_queries, 3);
	assert_true(rt_loop_now_ms(w.loop) - start_ms >= 3 * SHORT_MS);
	for (int i = 1; i < 3; i++) { /* a try is a new query, not the same again */
		assert_int_not_equal(w.ns.log[i].port, w.ns.log[i - 1].port);
	}
	resolve(&w, "silent.example", &g); /* not kept in the cache */
	assert_int_equal(w.ns.udp_queries, 6);
	close_world(&w);
}

static void a_closed_port_needs_no_timeout(void **state)
{
	struct world w = { 0 };
	struct got g;
	(void)state;
	w.loop = new_loop();
	ns_start(&w.ns, w.loop, "127.0.0.1:0", zone);
	char text[RT_ADDR_TEXT];
	const char *servers[] = { rt_addr_text(rt_udp_addr(w.ns.udp), text) };
	rt_udp_close(w.ns.udp);
	open_resolver(&w, &(struct rt_resolver_options){ .servers = servers, .server_count = 1, .timeout_ms = 1000000 });
	resolve(&w, "host.example", &g);
	assert_int_equal(g.reason, XFED_REASON_DNS_TIMEOUT);
	close_world(&w);
}

static void open_two_servers(struct world *w, uint32_t timeout_ms)
{
	memset(w, 0, sizeof(*w));
	w->loop = new_loop();
	ns_start(&w->ns, w->loop, "127.0.0.1:0", zone);
	ns_start(&w->second, w->loop, "127.0.0.2:0", zone);
	const char *servers[] = { w->ns.text, w->second.text };
	open_resolver(w, &(struct rt_resolver_options){ .servers = servers, .server_count = 2, .timeout_ms = timeout_ms });
}

static void configure(struct world *w, const char *const *servers, size_t count)
{
	char error[128];
	struct rt_resolver_options o = { .servers = servers, .server_count = count, .timeout_ms = SHORT_MS };
	assert_int_equal(rt_resolver_configure(w->r, &o, error, sizeof(error)), XFED_OK);
}

static void the_second_server_helps_out(void **state)
{
	struct world w;
	struct got g;
	(void)state;
	open_two_servers(&w, SHORT_MS);
	const char *both[] = { w.ns.text, w.second.text };
	w.ns.is_silent = true;
	resolve(&w, "host.example", &g);
	assert_int_equal(g.records, 2);
	assert_int_equal(w.ns.udp_queries, 1);
	assert_int_equal(w.second.udp_queries, 1);

	w.ns.is_silent = false;
	w.ns.fails = true;
	configure(&w, both, 2);
	resolve(&w, "host.example", &g);
	assert_int_equal(g.records, 2);

	w.second.fails = true;
	configure(&w, both, 2);
	resolve(&w, "host.example", &g);
	assert_int_equal(g.status, XFED_DNS_SERVFAIL);

	w.second.is_silent = true; /* a failure is told even where another server is silent */
	configure(&w, both, 2);
	resolve(&w, "host.example", &g);
	assert_true(g.has_answer);
	assert_int_equal(g.status, XFED_DNS_SERVFAIL);
	close_world(&w);
}

static void what_was_asked_before_is_not_kept(void **state)
{
	struct world w;
	struct got early = { 0 }, late;
	(void)state;
	open_two_servers(&w, SHORT_MS);
	const char *other[] = { w.second.text };
	ask(&w, "host.example", &early);
	configure(&w, other, 1);
	UNTIL(w.loop, early.count == 1);
	assert_int_equal(early.records, 2);
	assert_int_equal(w.ns.udp_queries, 1); /* of whom it was asked */
	resolve(&w, "host.example", &late);
	assert_int_equal(late.records, 2);
	assert_int_equal(w.ns.udp_queries, 1);
	assert_int_equal(w.second.udp_queries, 1);
	close_world(&w);
}

/* ---- TCP ---- */

static void truncated_answers_come_over_tcp(void **state)
{
	struct world w;
	struct got g;
	struct rt_resolver_stats stats;
	(void)state;
	open_world(&w, 5000);
	resolve(&w, "cut.example", &g);
	assert_int_equal(g.status, XFED_DNS_OK);
	assert_int_equal(g.records, 2);
	assert_int_equal(w.ns.udp_queries, 1);
	assert_int_equal(w.ns.tcp_queries, 1);
	rt_resolver_stats(w.r, &stats);
	assert_int_equal(stats.tcp_queries, 1);
	close_world(&w);
}

static void what_goes_wrong_over_tcp_is_a_lost_try(void **state)
{
	static const char *const names[] = { "tcpsilent.example", "tcpclose.example", "tcpforged.example" };
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		struct world w;
		struct got g;
		open_world(&w, SHORT_MS);
		resolve(&w, names[i], &g);
		if (g.has_answer || g.reason != XFED_REASON_DNS_TIMEOUT || w.ns.tcp_queries != 3) {
			fail_msg("row \"%s\": answer %d, %u queries over TCP", names[i], g.has_answer, w.ns.tcp_queries);
		}
		close_world(&w);
	}
}

/* ---- cache, coalescing, cancelling ---- */

static void the_cache_answers_later_questions(void **state)
{
	struct world w;
	struct got g;
	struct rt_resolver_stats stats;
	(void)state;
	open_world(&w, 5000);
	resolve(&w, "host.example", &g);
	resolve(&w, "HOST.example", &g);
	assert_int_equal(g.records, 2);
	assert_int_equal(w.ns.udp_queries, 1);
	resolve(&w, "absent.example", &g);
	resolve(&w, "absent.example", &g);
	assert_true(g.nxdomain);
	resolve(&w, "servfail.example", &g);
	resolve(&w, "servfail.example", &g);
	assert_int_equal(w.ns.udp_queries, 3);
	rt_resolver_stats(w.r, &stats);
	assert_int_equal(stats.cache_hits, 3);
	assert_int_equal(stats.cache_entries, 3);
	configure(&w, (const char *[]){ w.ns.text }, 1);
	resolve(&w, "host.example", &g);
	assert_int_equal(w.ns.udp_queries, 4);

	struct got cancelled = { 0 }; /* from the cache, before it was told */
	ask(&w, "host.example", &cancelled);
	rt_resolve_cancel(cancelled.request);
	rt_loop_turn(w.loop, false);
	assert_int_equal(cancelled.count, 0);
	close_world(&w);
}

static void equal_questions_are_asked_once(void **state)
{
	struct world w;
	struct got a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };
	(void)state;
	open_world(&w, 5000);
	ask(&w, "host.example", &a);
	ask(&w, "HOST.example.", &b);
	ask(&w, "host.example", &c);
	ask(&w, "host.example", &d);
	rt_resolve_cancel(c.request);
	a.cancels_itself = true;
	a.cancels = &d; /* a callback takes another waiter away */
	UNTIL(w.loop, a.count == 1 && b.count == 1);
	assert_int_equal(w.ns.udp_queries, 1);
	assert_int_equal(b.records, 2);
	assert_int_equal(c.count + d.count, 0);
	close_world(&w);
}

static void nobody_waits_for_a_cancelled_question(void **state)
{
	struct world w;
	struct got a = { 0 }, b = { 0 };
	(void)state;
	open_world(&w, SHORT_MS);
	ask(&w, "silent.example", &a);
	ask(&w, "silent.example", &b);
	rt_resolve_cancel(a.request);
	rt_resolve_cancel(b.request);
	rt_resolve_cancel(NULL);
	struct got c;
	resolve(&w, "silent2.silent.example", &c);
	assert_int_equal(a.count + b.count, 0);
	assert_int_equal(w.ns.udp_queries, 1 + 3); /* the first was on its way already */
	close_world(&w);
}

static void questions_are_bounded_and_end_with_the_resolver(void **state)
{
	struct world w;
	struct got g = { 0 };
	struct rt_resolver_stats stats;
	(void)state;
	open_world(&w, 5000);
	w.ns.is_silent = true;
	for (unsigned i = 0; i < RT_RESOLVER_PENDING_MAX; i++) {
		assert_int_equal(rt_resolve(w.r, XFED_SPAN("host.example"), XFED_DNS_A, on_answer, &g, NULL), XFED_OK);
	}
	assert_int_equal(rt_resolve(w.r, XFED_SPAN("host.example"), XFED_DNS_A, on_answer, &g, NULL), XFED_ERR_LIMIT);
	rt_resolver_stats(w.r, &stats);
	assert_int_equal(stats.pending, RT_RESOLVER_PENDING_MAX);
	assert_int_equal(stats.coalesced, RT_RESOLVER_PENDING_MAX - 1);
	rt_loop_free(w.loop); /* frees the resolver */
	assert_int_equal(g.count, 0);
}

/* ---- configuration ---- */

static void ad_counts_only_where_it_is_trusted(void **state)
{
	static const struct {
		const char *row;
		bool trust, sets_ad, ad;
	} rows[] = {
		{ "trusted and set", true, true, true },
		{ "trusted and not set", true, false, false },
		{ "not trusted and set", false, true, false },
	};
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct world w = { 0 };
		struct got g;
		w.loop = new_loop();
		ns_start(&w.ns, w.loop, "127.0.0.1:0", zone);
		w.ns.sets_ad = rows[i].sets_ad;
		const char *servers[] = { w.ns.text };
		open_resolver(&w, &(struct rt_resolver_options){ .servers = servers, .server_count = 1, .trust_ad = rows[i].trust });
		for (int round = 0; round < 2; round++) { /* from the server, from the cache */
			resolve(&w, "host.example", &g);
			if (g.ad != rows[i].ad) {
				fail_msg("row \"%s\", round %d: ad %d", rows[i].row, round, g.ad);
			}
		}
		assert_true(rt_resolver_ad_is_usable(w.r));
		close_world(&w);
	}
}

static void options(void **state)
{
	static const char *const bad[] = { "127.0.0.1", "dns.example:53" };
	static const char *const zero[] = { "127.0.0.1:0" };
	static const char *const remote[] = { "127.0.0.1", "192.0.2.53" };
	struct rt_loop *l = new_loop();
	struct rt_resolver *r;
	char error[128];
	(void)state;
	struct rt_resolver_options o = { .servers = bad, .server_count = 2 };
	assert_int_equal(rt_resolver_new(l, &o, &r, error, sizeof(error)), XFED_ERR_INVALID);
	assert_string_equal(error, "dns.servers: \"dns.example:53\" is not an address such as 127.0.0.1, 127.0.0.1:53 or [::1]:53");
	o = (struct rt_resolver_options){ .servers = zero, .server_count = 1 };
	assert_int_equal(rt_resolver_new(l, &o, &r, error, sizeof(error)), XFED_ERR_INVALID);
	o = (struct rt_resolver_options){ .servers = remote, .server_count = RT_RESOLVER_SERVERS_MAX + 1 };
	assert_int_equal(rt_resolver_new(l, &o, &r, error, sizeof(error)), XFED_ERR_INVALID);
	o = (struct rt_resolver_options){ .servers = remote, .server_count = 2, .trust_ad = true };
	assert_int_equal(rt_resolver_new(l, &o, &r, error, sizeof(error)), XFED_OK);
	assert_false(rt_resolver_ad_is_usable(r)); /* the caller warns */
	rt_resolver_free(r);
	o = (struct rt_resolver_options){ .resolv_conf = "/nonexistent/resolv.conf" };
	assert_int_equal(rt_resolver_new(l, &o, &r, error, sizeof(error)), XFED_OK);
	rt_resolver_free(r);
	rt_resolver_free(NULL);
	rt_loop_free(l);
}

/* The name server of the test shares the allocator: where it loses a connection, the resolver tries again. */
static void every_allocation_fails_once(void **state)
{
	static const char *const names[] = { "host.example", "cut.example" };
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		bool all_given = false;
		for (long n = 0; !all_given; n++) {
			struct world w;
			struct got g = { 0 };
			open_world(&w, 1000);
			fail_allocation(n);
			int rc = rt_resolve(w.r, xfed_span_str(names[i]), XFED_DNS_A, on_answer, &g, NULL);
			if (rc == XFED_OK) {
				UNTIL(w.loop, g.count == 1);
			}
			all_given = allocations <= n;
			xfed_mem_set_hooks(NULL);
			bool is_told = rc == XFED_ERR_NOMEM || g.has_answer || g.reason == XFED_REASON_STREAM_INTERNAL;
			if (!is_told || (all_given && g.records != 2)) {
				fail_msg("row \"%s\", allocation %ld: rc %d, answer %d", names[i], n, rc, g.has_answer);
			}
			rt_loop_free(w.loop);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(each_query_has_its_own_port_and_id),
		cmocka_unit_test(forged_replies_are_ignored),
		cmocka_unit_test(silence_is_a_timeout_after_three_tries),
		cmocka_unit_test(a_closed_port_needs_no_timeout),
		cmocka_unit_test(what_was_asked_before_is_not_kept),
		cmocka_unit_test(the_second_server_helps_out),
		cmocka_unit_test(truncated_answers_come_over_tcp),
		cmocka_unit_test(what_goes_wrong_over_tcp_is_a_lost_try),
		cmocka_unit_test(the_cache_answers_later_questions),
		cmocka_unit_test(equal_questions_are_asked_once),
		cmocka_unit_test(nobody_waits_for_a_cancelled_question),
		cmocka_unit_test(questions_are_bounded_and_end_with_the_resolver),
		cmocka_unit_test(ad_counts_only_where_it_is_trusted),
		cmocka_unit_test(options),
		cmocka_unit_test(every_allocation_fails_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
