/* The room of sessions on a trunk without a network: what becomes of a call whose 200 cannot be sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/policy_impl.h"
#include "sessions/sessions_impl.h"
#include "trunk/trunk_impl.h"

#define CONFIG                                                                                                                                       \
	"name: gw1\nedges: [{name: edge1, address: \"edge1.example.com:23456\"}]\n"                                                                  \
	"channel: {certificate: /c.pem, key: /k.pem, ca: /ca.pem}\nsip: {listen: [\"tcp:127.0.0.1:5060\"], advertise: gw1.example.com}\n"            \
	"domains: [{domain: corp.example, dialect: lync, next_hop: \"sip:192.0.2.1;transport=tcp\", peer_addresses: [192.0.2.1]}]\n"
#define LOCAL	XFED_SPAN("alice@corp.example")
#define REMOTE	XFED_SPAN("bob@partner.example")
#define NOBODYS 999 /* a transaction that is not there (any more) */
#define WAITER	7

struct sip_io {
	bool is_one;
};

static struct core core;
static const struct rt_daemon_user no_daemon;
static struct policy_files files;
static struct policy policy;
static struct trunk *trunk;
static struct sessions *room;
static struct sip_io only;
static char sent[256];	      /* the methods of the requests that went out */
static uint64_t opened;	      /* the call that what waits was told of */
static unsigned failed_times; /* how often it was told that there is none */

/* ---- in the place of the sockets ---- */

int sip_io_new(struct trunk *t, struct sip_io **out, char error[256])
{
	*out = &only;
	return XFED_OK;
}

void sip_io_free(struct sip_io *io)
{
}

enum sip_io_sent sip_io_send(struct sip_io *io, const struct sip_target *t, struct xfed_span bytes, uint64_t txn, uint64_t *flow)
{
	const char *end = memchr(bytes.data, ' ', bytes.len);
	size_t n = strlen(sent);
	snprintf(sent + n, sizeof(sent) - n, "%s%.*s", n > 0 ? ", " : "", (int)(end - bytes.data), bytes.data);
	*flow = 1;
	return SIP_IO_SENT;
}

void sip_io_close_flow(struct sip_io *io, uint64_t flow)
{
}

void sip_io_unanswered(struct sip_io *io, uint64_t flow)
{
}

void sip_io_stop_listening(struct sip_io *io)
{
}

bool sip_io_peer(const struct sip_io *io, const struct sip_flow_info *flow, struct trust_peer *out)
{
	return false;
}

bool sip_io_behind(const struct sip_io *io, uint64_t flow, struct trust_peer *out, bool *is_dialled)
{
	return false;
}

uint16_t sip_io_port(const struct sip_io *io, enum sip_transport t)
{
	return t == SIP_TCP ? 5060 : 0;
}

uint16_t sip_io_outside_port(const struct sip_io *io)
{
	return 0;
}

void sip_io_judge_certs(struct sip_io *io)
{
}

/* ---- in the place of the room above ---- */

static void on_opened(void *data, uint64_t id, uint64_t call)
{
	assert_int_equal(id, WAITER);
	opened = call;
}

static void on_failed(void *data, uint64_t id, const struct session_failure *why)
{
	failed_times++;
}

static const struct sessions_user user = { .opened = on_opened, .failed = on_failed };

/* ---- */

static int begin(void **state)
{
	struct rt_conf_errors errors;
	char error[256];
	rt_conf_errors_init(&errors);
	assert_int_equal(config_parse("gateway.yaml", XFED_SPAN(CONFIG), &errors, &files.config), XFED_OK);
	rt_conf_errors_deinit(&errors);
	assert_int_equal(xfed_policy_new(&files.partners), XFED_OK);
	policy = (struct policy){ .files = &files };
	assert_int_equal(rt_daemon_init(&core.d, &no_daemon, NULL), XFED_OK);
	assert_int_equal(trunk_new(&core, &(struct trunk_files){ .config = files.config }, &trunk, error), XFED_OK);
	assert_int_equal(sessions_new(&(struct sessions_rooms){ .core = &core, .policy = &policy, .trunk = trunk }, &room), XFED_OK);
	sessions_use(room, &user);
	sent[0] = '\0';
	opened = 0;
	failed_times = 0;
	return 0;
}

static int end(void **state)
{
	sessions_stop(room);
	trunk_stop(trunk);
	rt_daemon_close(&core.d);
	sessions_free(room);
	trunk_free(trunk);
	rt_daemon_deinit(&core.d);
	xfed_policy_free(files.partners);
	files.partners = NULL;
	config_free(files.config);
	return 0;
}

/* An INVITE of the peer, to be accepted at the end of the turn; its transaction is gone by then. */
static uint64_t invited(void)
{
	struct session *s;
	assert_int_equal(session_of(room, LOCAL, REMOTE, &s), XFED_OK);
	unsigned number = sip_session_free_call(&s->machine);
	struct call *c = call_new(s, number, false);
	assert_non_null(c);
	uint64_t id = c->id;
	assert_non_null(c->answer = xfed_calloc(1, 8)); /* no header fields, and an empty description behind them */
	call_wait(c, NOBODYS);
	session_step(s, &(struct sip_session_event){ .kind = SIP_SESSION_INVITED, .call = number });
	assert_int_equal(call_find(room, id)->todo, CALL_ACCEPT);
	return id;
}

static void a_200_that_cannot_be_sent_leaves_nothing(void **state)
{
	uint64_t id = invited();
	sessions_flush(room);
	assert_null(call_find(room, id));
	assert_int_equal(sessions_load(room).sessions, 0);
	assert_int_equal(sessions_load(room).calls, 0);
	assert_string_equal(sent, "");
}

/* What was to go in that call is told of none, and gets one of ours. */
static void what_waits_for_that_call_gets_another(void **state)
{
	uint64_t id = invited();
	sessions_want(room, &(struct session_want){ .id = WAITER, .local = LOCAL, .remote = REMOTE, .until_ms = core_now(&core) + 30000 });
	assert_int_equal(opened, 0); /* it is told when the call is accepted in fact */
	sessions_flush(room);
	assert_null(call_find(room, id));
	assert_int_equal(opened, 0);
	assert_int_equal(failed_times, 0);
	assert_string_equal(sent, "INVITE");
	assert_int_equal(sessions_load(room).calls, 1);
}

/* A refresh has no call of its own: that it gets no answer ends nothing. */
static void a_refresh_that_cannot_be_answered_ends_nothing(void **state)
{
	uint64_t id = invited();
	struct call *c = call_find(room, id);
	call_waits_no_more(c);
	c->is_up = true;
	sessions_flush(room);
	assert_non_null(call_find(room, id));
	assert_int_equal(sessions_load(room).sessions, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(a_200_that_cannot_be_sent_leaves_nothing), TEST(what_waits_for_that_call_gets_another),
		TEST(a_refresh_that_cannot_be_answered_ends_nothing) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
