#include "gateway.h"

#include <stdio.h>

#define TICK_MS 1000

/* ---- the turn's end, and time ---- */

/*
 * The order matters: responses and requests first, as they settle or ask; then the links, which encrypt
 * once.
 */
static void turn_end(void *user)
{
	struct gateway *g = user;
	gateway_answer_pump(g);
	gateway_out_pump(g);
	channel_flush(g->channel);
	gateway_service_check(g);
}

static uint64_t deadline_ms(void *user)
{
	struct gateway *g = user;
	return channel_deadline(g->channel);
}

static void tick(void *user, uint64_t now)
{
	struct gateway *g = user;
	channel_tick(g->channel, now);
	if (now >= g->sweep_due_ms) {
		g->sweep_due_ms = now + TICK_MS; /* it looks at all that wait; the tick may come often */
		gateway_out_tick(g);
	}
	contacts_tick(g->contacts, now);
	holds_tick(g->holds, now);
	journal_tick(g->journal);
	trunk_tick(g->trunk, now);
}

static void on_hold(void *user)
{
	gateway_in_holds(user);
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

/* ---- what comes up from the channel ---- */

static void on_deliver(void *user, struct proto_from from, const Xfed__Deliver *d)
{
	gateway_take_stanza(user, from, d);
}

static void on_acked(void *user, struct proto_from from, uint64_t cookie)
{
	(void)from;
	gateway_out_acked(user, cookie);
}

static void on_refused(void *user, struct proto_from from, uint64_t cookie)
{
	(void)from;
	gateway_out_not_ours(user, cookie);
}

static void on_run_ended(void *user, uint64_t run, bool may_take_over)
{
	gateway_out_run_ended(user, run, may_take_over);
}

static void on_outcome(void *user, struct xfed_span stanza_id, Xfed__Fate fate, uint32_t sip_status, enum xfed_reason reason)
{
	gateway_in_came_of(user, stanza_id, fate, sip_status, reason);
}

static void on_link_changed(void *user)
{
	gateway_service_judge(user);
}

static const struct channel_user channel_user = {
	.deliver = on_deliver,
	.acked = on_acked,
	.refused = on_refused,
	.run_ended = on_run_ended,
	.outcome = on_outcome,
	.link_changed = on_link_changed,
};

static void swapped(void *user, bool is_new)
{
	struct gateway *g = user;
	const struct gateway_config *c = policy_config(g->policy);
	attempts_set_limits(g->attempts, &(struct recipients_limits){ c->limits.queue_messages, c->limits.queue_bytes });
	rt_resolver_flush(g->core.d.resolver);
	trunk_reloaded(g->trunk, &(struct trunk_files){ c, policy_sip_creds(g->policy) });
	channel_policy_swapped(g->channel, is_new);
}

static const struct policy_user policy_user = { .swapped = swapped };

/* ---- making ---- */

static int make_tables(struct gateway *g)
{
	const struct gateway_config *c = policy_config(g->policy);
	struct recipients_limits limits = { c->limits.queue_messages, c->limits.queue_bytes };
	int rc = attempts_new(&limits, gateway_out_origin, g, &g->attempts);
	rc = rc == XFED_OK ? contacts_new(0, &g->contacts) : rc;
	return rc == XFED_OK ? holds_new(0, &g->holds) : rc;
}

static int make_timers(struct gateway *g)
{
	int rc = rt_timer_init(&g->hold, g->core.d.loop, on_hold, g);
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
	return rc == XFED_OK ? channel_new(&g->core, g->policy, g->journal, &channel_user, g, &g->channel) : rc;
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
	channel_free(g->channel);
	trunk_stop(g->trunk);
	journal_stop(g->journal);
	store_stop(g->store);
	rt_timer_close(&g->hold);
	rt_timer_close(&g->leave);
	rt_daemon_close(&g->core.d); /* a reload answers its call in here */
	trunk_free(g->trunk);
	journal_free(g->journal);
	store_close(g->store);
	gateway_out_free_all(g);
	gateway_in_free_all(g);
	channel_done(g->channel);
	contacts_free(g->contacts);
	holds_free(g->holds);
	xfed_xml_reader_free(g->fragments);
	xfed_buf_deinit(&g->scratch);
	policy_free(g->policy);
	core_deinit(&g->core);
	xfed_free(g);
}
