/* Which edge a pair of domains uses: proto/delivery.md "Order", a pair stays on its edge while anything is in flight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "channel/routes.h"
#include "sweep.h"

#define CORP XFED_SPAN("corp.example")

static struct routes_edge edges[] = { { 0, "edge1", true }, { 1, "edge2", true }, { 2, "edge3", true } };

static void all_usable(bool a, bool b, bool c)
{
	edges[0].is_usable = a;
	edges[1].is_usable = b;
	edges[2].is_usable = c;
}

static int take(struct routes *r, const char *remote)
{
	int edge, rc = routes_take(r, CORP, xfed_span_str(remote), edges, 3, &edge);
	return rc == XFED_OK ? edge : ROUTES_NO_EDGE;
}

static void a_pair_stays_while_anything_is_in_flight(void **state)
{
	(void)state;
	struct routes *r;
	all_usable(true, true, true);
	assert_int_equal(routes_new(&r), XFED_OK);
	int first = take(r, "partner.example");
	assert_int_equal(take(r, "partner.example"), first);
	edges[first].is_usable = false;
	assert_int_equal(take(r, "partner.example"), ROUTES_NO_EDGE); /* it may not overtake what is on its way */
	routes_give_back(r, CORP, XFED_SPAN("partner.example"));
	assert_int_equal(take(r, "partner.example"), ROUTES_NO_EDGE);
	routes_give_back(r, CORP, XFED_SPAN("partner.example"));
	int second = take(r, "partner.example");
	assert_true(second != first && second != ROUTES_NO_EDGE);
	edges[first].is_usable = true;
	assert_int_equal(take(r, "partner.example"), second); /* back is no reason to move either */
	assert_int_equal(routes_count(r), 1);
	routes_free(r);
}

static void nobody_is_usable(void **state)
{
	(void)state;
	struct routes *r;
	all_usable(false, false, false);
	assert_int_equal(routes_new(&r), XFED_OK);
	assert_int_equal(take(r, "partner.example"), ROUTES_NO_EDGE);
	assert_int_equal(routes_count(r), 0);
	routes_give_back(r, CORP, XFED_SPAN("partner.example"));
	routes_free(r);
}

static int choice(const char *remote)
{
	struct routes *r;
	assert_int_equal(routes_new(&r), XFED_OK);
	int edge = take(r, remote);
	routes_free(r);
	return edge;
}

/* Rendezvous: when an edge goes, only its own pairs move; over many pairs each has its share. */
static void only_the_pairs_of_a_lost_edge_move(void **state)
{
	(void)state;
	int share[3] = { 0, 0, 0 };
	for (int i = 0; i < 300; i++) {
		char remote[32];
		snprintf(remote, sizeof(remote), "p%d.example", i);
		all_usable(true, true, true);
		int before = choice(remote);
		assert_int_equal(choice(remote), before);
		share[before]++;
		all_usable(true, false, true);
		int after = choice(remote);
		assert_int_not_equal(after, 1);
		assert_true(before == 1 || after == before);
	}
	for (int i = 0; i < 3; i++) {
		if (share[i] < 60) {
			fail_msg("edge %d has %d of 300 pairs", i, share[i]);
		}
	}
}

static void scenario(void)
{
	struct routes *r;
	all_usable(true, true, true);
	if (routes_new(&r) != XFED_OK) {
		return;
	}
	int edge;
	bool ok = routes_take(r, CORP, XFED_SPAN("a.example"), edges, 3, &edge) == XFED_OK;
	assert_int_equal(routes_count(r), ok);
	if (ok) {
		routes_give_back(r, CORP, XFED_SPAN("a.example"));
	}
	assert_int_equal(routes_count(r), 0);
	routes_free(r);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	assert_true(sweep(scenario) > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_stays_while_anything_is_in_flight),
		cmocka_unit_test(nobody_is_usable),
		cmocka_unit_test(only_the_pairs_of_a_lost_edge_move),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
