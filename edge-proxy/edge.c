#include "edge.h"

#include "xfed/mem.h"
#include "xfed/rt/process.h"

/* ---- credentials ---- */

static int load_channel_creds(const struct edge_config *c, struct xfed_tls_creds **out, char error[256])
{
	struct rt_pem_pair pair = { c->channel.certificate, c->channel.key };
	struct rt_pem_files files = { .pairs = &pair, .pair_count = 1, .ca = c->channel.ca };
	return rt_creds_load(&files, out, error);
}

int edge_load_creds(const struct edge_config *c, struct xfed_tls_creds **partners, struct xfed_tls_creds **channel, char error[256])
{
	*partners = *channel = NULL;
	int rc = s2s_load_creds(c, partners, error);
	if (rc == XFED_OK) {
		rc = load_channel_creds(c, channel, error);
	}
	if (rc != XFED_OK) {
		xfed_tls_creds_unref(*partners);
		*partners = NULL;
	}
	return rc;
}

/* ---- the turn's end and time ---- */

static void turn_end(void *user)
{
	struct edge *e = user;
	edge_route_pump(e);
	edge_route_ended(e); /* what could not be sent */
	edge_links_flush(e);
}

static uint64_t deadline_ms(void *user)
{
	struct edge *e = user;
	return proto_outbox_deadline(e->outbox);
}

static void tick(void *user, uint64_t now)
{
	struct edge *e = user;
	proto_outbox_tick(e->outbox, now);
	edge_route_ended(e);
	proto_inbox_tick(e->inbox, now);
	proto_sipmemory_tick(e->sips, now);
	s2s_tick(e->s2s, now);
	edge_links_tick(e);
	edge_events_tick(e, now);
	rt_sources_tick(&e->linkers, now);
	edge_service_conn_gone(e);
}

/* ---- reload ---- */

bool edge_reload(struct edge *e, struct rt_conf_errors *errors)
{
	struct edge_config *fresh = NULL;
	struct xfed_tls_creds *partners = NULL, *channel = NULL;
	char why[256];
	bool ok = edge_config_load(e->config_path, errors, &fresh) == XFED_OK;
	if (ok && edge_load_creds(fresh, &partners, &channel, why) != XFED_OK) {
		rt_conf_errors_add(errors, false, XFED_REASON_CONFIG_VALUE_INVALID, e->config_path, 0, 0, "", "%s", why);
		ok = false;
	}
	rt_log_problems(errors);
	if (!ok) {
		edge_config_free(fresh);
		rt_daemon_log_reload(false);
		return false;
	}
	rt_daemon_log_changes(&edge_config_table, e->config, fresh);
	xfed_tls_creds_unref(e->channel_creds);
	e->channel_creds = channel;
	rt_resolver_flush(e->core.d.resolver);
	s2s_configure(e->s2s, fresh, partners);
	edge_config_free(e->config);
	e->config = fresh;
	rt_log_configure(fresh->log.level, fresh->log.format, fresh->log.mask_addresses);
	edge_links_judge(e);
	rt_daemon_log_reload(true);
	return true;
}

/* ---- what the daemon asks ---- */

void edge_gauges(struct edge *e)
{
	struct rt_metrics *m = e->core.d.metrics;
	s2s_gauges(e->s2s);
	rt_metric_set(m, RT_M_DELIVERIES_IN_FLIGHT, (double)(proto_outbox_count(e->outbox) + s2s_waiting(e->s2s)), RT_NO_LABELS);
	rt_metric_set(m, RT_M_DELIVERIES_UNACCOUNTED, (double)proto_outbox_unaccounted(e->outbox, core_now(&e->core)), RT_NO_LABELS);
	for (const struct edge_link *l = e->links; l; l = l->next) {
		if (l->is_up) {
			rt_metric_set(m, RT_M_CHANNEL_RTT, (double)proto_session_rtt_us(l->session) / 1e6,
				RT_LABELS(xfed_span_str(proto_session_peer(l->session)->name)));
		}
	}
}

static void gauges(void *user)
{
	edge_gauges(user);
}

static const char *service(void *user)
{
	struct edge *e = user;
	return edge_service_name(e->service);
}

static bool is_in_service(void *user)
{
	struct edge *e = user;
	return e->service == EDGE_IN_SERVICE;
}

static void reload(void *user)
{
	struct edge *e = user;
	struct rt_conf_errors errors;
	rt_conf_errors_init(&errors);
	rt_notify_reloading(e->core.d.notify);
	edge_reload(e, &errors);
	rt_notify_ready(e->core.d.notify, edge_service_name(e->service));
	rt_conf_errors_deinit(&errors);
}

static void drain(void *user)
{
	edge_service_drain(user);
}

/* Whose lines in the log are limited apart: those of partners that policy lists. */
static const char *listed_partner(void *user, struct xfed_span domain)
{
	const struct edge *e = user;
	const struct xfed_policy *policy = e->s2s ? s2s_policy(e->s2s) : NULL;
	const struct xfed_partner *p = policy ? xfed_policy_partner(policy, domain) : NULL;
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

/* ---- what comes up from streams ---- */

static bool on_stanza(void *user, const struct s2s_incoming *in)
{
	return edge_route_to_gateway(user, in);
}

static void on_ended(void *user)
{
	edge_service_conn_gone(user);
}

static const struct s2s_user s2s_user = {
	.stanza = on_stanza,
	.fate = edge_item_settle,
	.written = edge_item_written,
	.lost = edge_item_lost,
	.opened = edge_event_opened,
	.closed = edge_event_closed,
	.failed = edge_event_failed,
	.ended = on_ended,
};

/* ---- making ---- */

static int make_tables(struct edge *e)
{
	int rc = proto_outbox_new(&(struct proto_outbox_config){ 0 }, &e->outbox);
	rc = rc == XFED_OK ? proto_fold_new(&e->strangers) : rc;
	rc = rc == XFED_OK ? proto_inbox_new(0, &e->inbox) : rc;
	return rc == XFED_OK ? proto_sipmemory_new(0, &e->sips) : rc;
}

static int open_daemon(struct edge *e, char error[256])
{
	const struct edge_config *c = e->config;
	struct rt_daemon_options o = {
		.name = "edge",
		.dns_servers = &c->dns.servers,
		.trust_ad = c->dns.dnssec == EDGE_DNSSEC_TRUST_AD,
		.control_socket = c->control_socket,
		.commands = &edge_commands,
		.http_listen = &c->http.listen,
	};
	return rt_daemon_open(&e->core.d, &o, error);
}

static int make_all(struct edge *e, char error[256])
{
	int rc = rt_daemon_init(&e->core.d, &daemon_user, e);
	if (rc != XFED_OK) {
		return rc;
	}
	e->link_since_s = edge_wall_s(e);
	/* The inside is often one network, gateways and all. */
	struct rt_source_limits links = rt_source_slots(XFED_CHANNEL_UNAUTH_MAX, XFED_SHARE_ADDRESS_PERCENT, 100);
	rt_sources_limit(&e->linkers, &links);
	rc = make_tables(e);
	rc = rc == XFED_OK ? s2s_new(&e->core, &s2s_user, e, e->config, &e->s2s) : rc;
	struct xfed_tls_creds *partners = NULL;
	rc = rc == XFED_OK ? edge_load_creds(e->config, &partners, &e->channel_creds, error) : rc;
	if (rc == XFED_OK) {
		s2s_configure(e->s2s, e->config, partners);
	}
	rc = rc == XFED_OK ? open_daemon(e, error) : rc;
	return rc == XFED_OK ? edge_service_start(e, error) : rc;
}

int edge_new(const char *config_path, struct edge_config *config, struct edge **out, char error[256])
{
	struct edge *e = xfed_calloc(1, sizeof(*e));
	*out = e;
	snprintf(error, 256, "out of memory");
	if (!e) {
		edge_config_free(config);
		return XFED_ERR_NOMEM;
	}
	e->config = config;
	e->config_path = xfed_strdup(config_path);
	xfed_buf_init(&e->scratch, XFED_FRAME_BYTES_MAX);
	e->link_reason = XFED_REASON_CHANNEL_DOWN;
	e->certs_due_s = INT64_MAX;
	return e->config_path ? make_all(e, error) : XFED_ERR_NOMEM;
}

void edge_free(struct edge *e)
{
	if (!e) {
		return;
	}
	e->service = EDGE_OUT_OF_SERVICE;
	for (size_t i = 0; i < e->channel_listener_count; i++) {
		rt_listener_close(e->channel_listeners[i]);
	}
	xfed_free(e->channel_listeners);
	edge_service_stop_listening(e);
	edge_checks_drop(e, NULL);
	s2s_stop(e->s2s);
	edge_links_free(e);
	rt_timer_close(&e->grace);
	rt_timer_close(&e->leave);
	rt_daemon_close(&e->core.d);
	s2s_free(e->s2s);
	proto_outbox_free(e->outbox);
	proto_fold_free(e->strangers);
	proto_inbox_free(e->inbox);
	proto_sipmemory_free(e->sips);
	xfed_xml_reader_free(e->fragments);
	xfed_buf_deinit(&e->scratch);
	xfed_tls_creds_unref(e->channel_creds);
	rt_daemon_deinit(&e->core.d);
	rt_sources_deinit(&e->linkers);
	edge_config_free(e->config);
	xfed_free(e->config_path);
	xfed_free(e);
}
