#include "gateway.h"

#include <stdio.h>

#define TICK_MS	    1000
#define COUNTERS_MS 10000

/* ---- the turn's end, and time ---- */

/*
 * The order matters: responses and requests first, as they settle or ask; then what goes over the links; then the links
 * themselves, which encrypt once.
 */
static void turn_end(void *user)
{
	struct gateway *g = user;
	gateway_answer_pump(g);
	gateway_out_pump(g);
	gateway_route_pump(g);
	gateway_links_flush(g);
	gateway_service_check(g);
}

static uint64_t deadline_ms(void *user)
{
	struct gateway *g = user;
	return proto_outbox_deadline(g->outbox);
}

static void no_reply(void *user, struct gateway_link *l, bool ok, json_t *json)
{
	(void)user;
	(void)l;
	(void)ok;
	(void)json; /* the counters themselves come in frames of their own */
}

static void ask_counters(struct gateway *g)
{
	uint64_t now = gateway_now(g);
	if (!g->core.d.http || now < g->counters_due_ms) {
		return;
	}
	g->counters_due_ms = now + COUNTERS_MS;
	for (size_t i = 0; i < g->link_count; i++) {
		gateway_ask(&g->links[i], "counters", NULL, NULL, no_reply, NULL);
	}
}

static void tick(void *user, uint64_t now)
{
	struct gateway *g = user;
	proto_outbox_tick(g->outbox, now);
	gateway_route_ended(g);
	if (now >= g->sweep_due_ms) {
		g->sweep_due_ms = now + TICK_MS; /* it looks at all that wait; the tick may come often */
		gateway_out_tick(g);
	}
	gateway_orphans_tick(g);
	proto_inbox_tick(g->inbox, now);
	contacts_tick(g->contacts, now);
	holds_tick(g->holds, now);
	gateway_requests_tick(g);
	journal_tick(g->journal);
	gateway_certs_tick(g);
	trunk_tick(g->trunk, now);
	ask_counters(g);
}

static void on_hold(void *user)
{
	gateway_in_holds(user);
}

static void on_tell(void *user)
{
	gateway_flush_soon(user);
}

/* ---- what the daemon asks ---- */

static void gauges(void *user)
{
	gateway_report_gauges(user);
}

static const char *service(void *user)
{
	struct gateway *g = user;
	return gateway_service_name(g->service);
}

static bool is_in_service(void *user)
{
	struct gateway *g = user;
	return g->service == GATEWAY_IN_SERVICE;
}

static void reload(void *user)
{
	struct gateway *g = user;
	policy_reload(g->policy, (struct rt_reply){ 0 });
}

static void drain(void *user)
{
	gateway_service_drain(user);
}

/* Whose lines in the log are limited apart: those of partners that are listed. */
static const char *listed_partner(void *user, struct xfed_span domain)
{
	const struct gateway *g = user;
	const struct xfed_partner *p = g->policy ? policy_partner(g->policy, domain) : NULL;
	return p ? p->domain : NULL;
}

static const struct rt_daemon_user daemon_user = {
	.turn_end = turn_end,
	.tick = tick,
	.deadline_ms = deadline_ms,
	.gauges = gauges,
	.service = service,
	.is_in_service = is_in_service,
	.reload = reload,
	.drain = drain,
	.listed_partner = listed_partner,
};

static void swapped(void *user, bool is_new)
{
	struct gateway *g = user;
	const struct gateway_config *c = policy_config(g->policy);
	attempts_set_limits(g->attempts, &(struct recipients_limits){ c->limits.queue_messages, c->limits.queue_bytes });
	rt_resolver_flush(g->core.d.resolver);
	trunk_reloaded(g->trunk, &(struct trunk_files){ c, policy_sip_creds(g->policy) });
	gateway_certs_judge(g);
	gateway_policy_swapped(g, is_new);
}

static const struct policy_user policy_user = { .swapped = swapped };

/* ---- making ---- */

static int make_tables(struct gateway *g)
{
	const struct gateway_config *c = policy_config(g->policy);
	struct recipients_limits limits = { c->limits.queue_messages, c->limits.queue_bytes };
	int rc = proto_outbox_new(&(struct proto_outbox_config){ 0 }, &g->outbox);
	rc = rc == XFED_OK ? proto_inbox_new(0, &g->inbox) : rc;
	rc = rc == XFED_OK ? routes_new(&g->routes) : rc;
	rc = rc == XFED_OK ? attempts_new(&limits, gateway_out_origin, g, &g->attempts) : rc;
	rc = rc == XFED_OK ? contacts_new(0, &g->contacts) : rc;
	return rc == XFED_OK ? holds_new(0, &g->holds) : rc;
}

static int make_timers(struct gateway *g)
{
	int rc = rt_timer_init(&g->hold, g->core.d.loop, on_hold, g);
	rc = rc == XFED_OK ? rt_timer_init(&g->tell, g->core.d.loop, on_tell, g) : rc;
	return rc == XFED_OK ? rt_timer_init(&g->leave, g->core.d.loop, gateway_service_leave, g) : rc;
}

static int open_daemon(struct gateway *g, char error[256])
{
	const struct gateway_config *c = policy_config(g->policy);
	struct rt_daemon_options o = {
		.name = "gateway",
		.dns_servers = &c->dns.servers,
		.trust_ad = c->dns.dnssec == GATEWAY_DNSSEC_TRUST_AD,
		.control_socket = c->control_socket,
		.commands = &gateway_commands,
		.http_listen = &c->http.listen,
	};
	return rt_daemon_open(&g->core.d, &o, error);
}

static int start_trunk(struct gateway *g, char error[256])
{
	struct trunk_files files = { policy_config(g->policy), policy_sip_creds(g->policy) };
	g->trunk_user = (struct trunk_user){
		.sip = {
			.data = g,
			.methods = SIP_METHOD_BIT(MESSAGE),
			.accept = "text/plain",
			.request = gateway_take_request,
			.response = gateway_out_response,
			.timeout = gateway_out_timeout,
			.broken = gateway_out_broken,
		},
		.hop_ready = gateway_out_hop_ready,
		.hop_failed = gateway_out_hop_failed,
	};
	int rc = trunk_new(&g->core, &files, &g->trunk, error);
	return rc == XFED_OK ? trunk_use(g->trunk, &g->trunk_user) : rc;
}

/* Takes `files`. */
static int make_policy(struct gateway *g, const char *path, struct policy_files *files, char error[256])
{
	int rc = rt_daemon_init(&g->core.d, &daemon_user, g);
	rc = rc == XFED_OK ? store_open(policy_files_config(files)->store.sqlite, &g->core.d.env, &g->store, error) : rc;
	if (rc != XFED_OK) {
		policy_files_free(files);
		return rc;
	}
	return policy_new(&g->core, g->store, path, files, &policy_user, g, &g->policy, error);
}

static int make_all(struct gateway *g, char error[256])
{
	g->service_since_s = gateway_wall_s(g);
	int rc = make_tables(g);
	rc = rc == XFED_OK ? make_timers(g) : rc;
	rc = rc == XFED_OK ? journal_new(&g->core, g->store, &g->journal, error) : rc;
	rc = rc == XFED_OK ? store_start(g->store, g->core.d.loop) : rc;
	rc = rc == XFED_OK ? open_daemon(g, error) : rc;
	rc = rc == XFED_OK ? start_trunk(g, error) : rc;
	return rc == XFED_OK ? gateway_links_start(g) : rc;
}

int gateway_new(const char *config_path, struct policy_files *files, struct gateway **out, char error[256])
{
	struct gateway *g = xfed_calloc(1, sizeof(*g));
	*out = g;
	snprintf(error, 256, "out of memory");
	if (!g) {
		policy_files_free(files);
		return XFED_ERR_NOMEM;
	}
	xfed_buf_init(&g->scratch, XFED_STANZA_BYTES_MAX);
	g->certs_due_s = INT64_MAX;
	int rc = make_policy(g, config_path, files, error);
	return rc == XFED_OK ? make_all(g, error) : rc;
}

void gateway_free(struct gateway *g)
{
	if (!g) {
		return;
	}
	g->is_closing = true;
	policy_stop(g->policy);
	gateway_requests_free(g);
	gateway_links_free(g);
	trunk_stop(g->trunk);
	journal_stop(g->journal);
	store_stop(g->store);
	rt_timer_close(&g->hold);
	rt_timer_close(&g->tell);
	rt_timer_close(&g->leave);
	rt_daemon_close(&g->core.d); /* a reload answers its call in here */
	trunk_free(g->trunk);
	journal_free(g->journal);
	store_close(g->store);
	gateway_out_free_all(g);
	gateway_in_free_all(g);
	gateway_route_free(g);
	contacts_free(g->contacts);
	holds_free(g->holds);
	xfed_xml_reader_free(g->fragments);
	xfed_buf_deinit(&g->scratch);
	policy_free(g->policy);
	core_deinit(&g->core);
	xfed_free(g);
}
