/*
 * Behind a reload that takes a partner away its pairs are gone through in turns: until that has come to one, whose device is due to be told
 * just then, it is told nothing of the contact.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/policy_impl.h"
#include "presence/format.h"
#include "presence/rights.h"
#include "presence/stale.h"
#include "trunk/sip_conn.h"

#define CONFIG                                                                                                                                       \
	"name: gw1\nedges: [{name: edge1, address: \"edge1.example.com:23456\"}]\n"                                                                  \
	"channel: {certificate: /c.pem, key: /k.pem, ca: /ca.pem}\nsip: {listen: [\"udp:127.0.0.1:5060\"], advertise: gw1.example.com}\n"            \
	"domains: [{domain: corp.example, next_hop: \"sip:192.0.2.1;transport=udp\", peer_addresses: [192.0.2.1]}]\n"

static struct core core;
static const struct rt_daemon_user no_daemon;
static struct policy_files files;
static struct policy policy;
static struct sip_io io;
static struct trunk trunk;
static struct presence *room;
static struct pair *pair;
static struct watch watch;
static size_t sent; /* bytes of the body */

/* In the place of the network. */
int trunk_send_inside(struct trunk_send *s, const struct config_domain *d, const struct sip_layer_request *rq, uint64_t *txn)
{
	assert_true(xfed_span_is(rq->request.method, "NOTIFY"));
	sent = rq->request.body.len;
	return XFED_OK;
}

static size_t told(void)
{
	struct xfed_arena a;
	xfed_arena_init(&a, 256 * 1024);
	sent = SIZE_MAX;
	assert_int_equal(notify_send(&watch, &a), XFED_OK);
	xfed_arena_deinit(&a);
	return sent;
}

static void list_partner(bool is_listed)
{
	struct partner_file f = { 0 };
	struct rt_conf_errors errors;
	struct xfed_policy_error error;
	xfed_policy_free(files.partners);
	assert_int_equal(xfed_policy_new(&files.partners), XFED_OK);
	if (is_listed) {
		const struct xfed_span text = XFED_SPAN("domain: partner.example\npartner_type: federated\n");
		rt_conf_errors_init(&errors);
		assert_int_equal(partner_file_parse("partner.example.yaml", text, &errors, &f), XFED_OK);
		assert_int_equal(xfed_policy_add_partner(files.partners, &f.partner, &error), XFED_OK);
		partner_file_deinit(&f);
		rt_conf_errors_deinit(&errors);
	}
}

static int begin(void **state)
{
	struct rt_conf_errors errors;
	rt_conf_errors_init(&errors);
	assert_int_equal(config_parse("gateway.yaml", XFED_SPAN(CONFIG), &errors, &files.config), XFED_OK);
	rt_conf_errors_deinit(&errors);
	assert_int_equal(access_set_new(&files.access), XFED_OK);
	list_partner(true);
	policy = (struct policy){ .files = &files };
	trunk = (struct trunk){ .core = &core, .files.config = files.config, .io = &io };
	assert_non_null(room = calloc(1, sizeof(*room)));
	assert_int_equal(rt_daemon_init(&core.d, &no_daemon, NULL), XFED_OK);
	assert_int_equal(contacts_new(0, &room->contacts), XFED_OK);
	room->core = &core;
	room->policy = &policy;
	room->trunk = &trunk;
	struct contact *k = contacts_hold(room->contacts, NULL, XFED_SPAN("user@corp.example"), XFED_SPAN("contact@partner.example"));
	assert_non_null(pair = pair_of(room, k));
	contacts_give_back(room->contacts, k, 0);
	watch = (struct watch){ .party = { .pair = pair, .dialog = 1, .transport = SIP_TCP }, .value.state = SIP_SUB_ACTIVE, .shows = true };
	return 0;
}

static int end(void **state)
{
	presence_walk_stop(room);
	pair_release(pair);
	xfed_heap_deinit(&room->asked);
	contacts_free(room->contacts);
	free(room);
	rt_daemon_close(&core.d);
	rt_daemon_deinit(&core.d);
	access_set_free(files.access);
	xfed_policy_free(files.partners);
	files.partners = NULL;
	config_free(files.config);
	return 0;
}

static void a_device_is_told_nothing_until_the_walk_has_come_to_it(void **state)
{
	assert_true(told() > 0);
	list_partner(false);
	presence_walk(room, WALK_POLICY);
	assert_true(pair_is_forbidden(pair, false) && pair_is_forbidden(pair, true));
	assert_int_equal(told(), 0);
	list_partner(true); /* whom policy lets see is told all the time */
	assert_true(told() > 0);
}

/* Offline is told before a subscription ends: a client of Lync keeps what it was told last. */
static void that_it_is_over_is_told_all_the_same(void **state)
{
	list_partner(false);
	presence_walk(room, WALK_POLICY);
	watch.is_leaving = true;
	assert_true(told() > 0);
}

/* Another walk, behind a lost link, forbids nothing: everything has been judged. */
static void only_a_walk_behind_a_reload_forbids(void **state)
{
	list_partner(false);
	presence_walk(room, WALK_LINK);
	assert_false(pair_is_forbidden(pair, false));
	assert_true(told() > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(a_device_is_told_nothing_until_the_walk_has_come_to_it), TEST(that_it_is_over_is_told_all_the_same),
		TEST(only_a_walk_behind_a_reload_forbids) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
