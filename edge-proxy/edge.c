#include "edge.h"

#include <signal.h>

#include "xfed/mem.h"

#define TICK_MS 1000

int64_t edge_wall_s(const struct edge *e)
{
	return e->env.wall_s(e->env.user);
}

/* ---- credentials ---- */

static int load_partner_creds(const struct edge_config *c, struct xfed_tls_creds **out, char error[256])
{
	struct rt_pem_pair pairs[RT_PEM_PAIRS_MAX];
	struct rt_pem_files files = {
		.pairs = pairs, .pair_count = c->certificates.count, .ca = c->trust.ca, .crls = c->trust.crl.items, .crl_count = c->trust.crl.count
	};
	for (size_t i = 0; i < c->certificates.count && i < RT_PEM_PAIRS_MAX; i++) {
		pairs[i] = (struct rt_pem_pair){ c->certificates.items[i].certificate, c->certificates.items[i].key };
	}
	return rt_creds_load(&files, out, error);
}

static int load_channel_creds(const struct edge_config *c, struct xfed_tls_creds **out, char error[256])
{
	struct rt_pem_pair pair = { c->channel.certificate, c->channel.key };
	struct rt_pem_files files = { .pairs = &pair, .pair_count = 1, .ca = c->channel.ca };
	return rt_creds_load(&files, out, error);
}

int edge_load_creds(const struct edge_config *c, struct xfed_tls_creds **partners, struct xfed_tls_creds **channel, char error[256])
{
	*partners = *channel = NULL;
	int rc = load_partner_creds(c, partners, error);
	if (rc == XFED_OK) {
		rc = load_channel_creds(c, channel, error);
	}
	if (rc != XFED_OK) {
		xfed_tls_creds_unref(*partners);
		*partners = NULL;
	}
	return rc;
}

/* Public CAs leave clientAuth out since 2026: some peers then refuse our certificate for EXTERNAL. Said once, at start. */
static void warn_about_certificates(const struct edge *e)
{
	for (size_t i = 0; xfed_tls_creds_cert(e->creds, i); i++) {
		const struct xfed_cert_facts *f = xfed_cert_facts(xfed_tls_creds_cert(e->creds, i));
		if (f->eku != 0 && !(f->eku & (XFED_EKU_CLIENT | XFED_EKU_ANY))) {
			rt_log(RT_LOG_WARNING, "certificate.no-client-auth", RT_KV_STR("certificate", f->subject),
				RT_KV_STR("text", "partners that insist on clientAuth (ejabberd) will refuse it for EXTERNAL"), RT_END);
		}
	}
}

/* ---- the turn's end and time ---- */

static void flush(void *arg)
{
	struct edge *e = arg;
	edge_route_pump(e);
	edge_route_ended(e); /* what could not be sent */
	edge_links_flush(e);
	uint64_t when = proto_outbox_deadline(e->outbox), now = rt_loop_now_ms(e->loop);
	uint64_t tick = e->tick_at_ms > now ? e->tick_at_ms : now + 1;
	rt_timer_set(&e->tick, when < tick ? when : tick);
}

void edge_flush_soon(struct edge *e)
{
	rt_post_at_turn_end(&e->flush);
}

static void on_tick(void *user)
{
	struct edge *e = user;
	uint64_t now = rt_loop_now_ms(e->loop);
	e->tick_at_ms = now + TICK_MS;
	proto_outbox_tick(e->outbox, now);
	edge_route_ended(e);
	proto_inbox_tick(e->inbox, now);
	proto_sipmemory_tick(e->sips, now);
	edge_pairs_tick(e, now);
	edge_newest_tick(e, now);
	edge_rates_tick(e, now);
	edge_certs_tick(e);
	edge_failures_tick(e, now);
	edge_admission_tick(e, now);
	edge_work_tick(e, now);
	edge_report_gauges(e);
	rt_log_flush(false);
	rt_tidy(&e->tidy, e->freed, now);
	edge_service_conn_gone(e);
	edge_flush_soon(e);
}

static void on_lag(void *user, uint64_t lag_us)
{
	struct edge *e = user;
	rt_metric_set(e->metrics, RT_M_LOOP_LAG, (double)lag_us / 1e6, RT_NO_LABELS);
}

/* ---- pages ---- */

static int page_metrics(void *user, struct xfed_buf *out)
{
	struct edge *e = user;
	edge_report_gauges(e);
	return rt_metrics_print(e->metrics, out);
}

static bool page_health(void *user, struct xfed_buf *out)
{
	return xfed_buf_append_str(out, "ok\n") == XFED_OK;
}

static bool page_ready(void *user, struct xfed_buf *out)
{
	struct edge *e = user;
	return xfed_buf_printf(out, "%s\n", edge_service_name(e->service)) == XFED_OK && e->service == EDGE_IN_SERVICE;
}

/* ---- signals ---- */

static void on_hup(void *user, int signum)
{
	struct edge *e = user;
	struct rt_conf_errors errors;
	rt_conf_errors_init(&errors);
	rt_notify_reloading(e->notify);
	edge_reload(e, &errors);
	rt_notify_ready(e->notify, edge_service_name(e->service));
	rt_conf_errors_deinit(&errors);
}

static void on_term(void *user, int signum)
{
	edge_service_drain(user);
}

/* ---- reload ---- */

static void log_change(void *user, const char *key, bool is_reloadable)
{
	rt_log(is_reloadable ? RT_LOG_INFO : RT_LOG_WARNING, is_reloadable ? "config.changed" : "config.needs-restart", RT_KV_STR("key", key),
		RT_END);
}

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
		rt_log(RT_LOG_ERROR, "config.reload", RT_KV_BOOL("ok", false), RT_KV_STR("text", "the last good configuration stays"), RT_END);
		return false;
	}
	rt_conf_diff(&edge_config_table, e->config, fresh, log_change, NULL);
	xfed_tls_creds_unref(e->creds);
	xfed_tls_creds_unref(e->channel_creds);
	e->creds = partners;
	e->channel_creds = channel;
	edge_config_free(e->config);
	e->config = fresh;
	edge_admission_configure(e);
	edge_work_configure(e);
	rt_log_configure(fresh->log.level, fresh->log.format, fresh->log.mask_addresses);
	edge_certs_judge(e);
	rt_resolver_flush(e->resolver);
	edge_reach_forget(e);
	edge_pairs_forget_backoff(e);
	warn_about_certificates(e);
	rt_log(RT_LOG_INFO, "config.reload", RT_KV_BOOL("ok", true), RT_END);
	return true;
}

/* ---- making ---- */

static int make_resolver(struct edge *e, char error[256])
{
	const struct edge_config *c = e->config;
	char texts[RT_RESOLVER_SERVERS_MAX][320];
	const char *servers[RT_RESOLVER_SERVERS_MAX];
	size_t n = 0;
	for (; n < c->dns.servers.count && n < RT_RESOLVER_SERVERS_MAX; n++) {
		servers[n] = rt_conf_address_text(&c->dns.servers.items[n], texts[n]);
	}
	struct rt_resolver_options o = { .servers = servers, .server_count = n, .trust_ad = c->dns.dnssec == EDGE_DNSSEC_TRUST_AD };
	int rc = rt_resolver_new(e->loop, &o, &e->resolver, error, 256);
	if (rc == XFED_OK && !rt_resolver_ad_is_usable(e->resolver)) {
		rt_log(RT_LOG_WARNING, "dns.ad-not-usable",
			RT_KV_STR("text", "dnssec: trust-ad needs a resolver on loopback; answers count as insecure"), RT_END);
	}
	return rc;
}

static int make_tables(struct edge *e)
{
	int rc = rt_metrics_new(&e->metrics);
	if (rc == XFED_OK) {
		rc = proto_outbox_new(&(struct proto_outbox_config){ 0 }, &e->outbox);
	}
	if (rc == XFED_OK) {
		rc = proto_fold_new(&e->strangers);
	}
	if (rc == XFED_OK) {
		rc = proto_inbox_new(0, &e->inbox);
	}
	return rc == XFED_OK ? proto_sipmemory_new(0, &e->sips) : rc;
}

static int make_doors(struct edge *e, char error[256])
{
	uv_loop_t *uv = rt_loop_uv(e->loop);
	int rc = rt_control_new(uv, e->config->control_socket, edge_commands, e, &e->control, error);
	if (rc == XFED_OK && e->config->http.listen.host) {
		struct rt_http_pages pages = { .user = e, .metrics = page_metrics, .is_healthy = page_health, .is_ready = page_ready };
		rc = rt_http_new(uv, &e->config->http.listen, &pages, &e->http, error);
	}
	return rc == XFED_OK ? edge_service_start(e, error) : rc;
}

static int hook_loop(struct edge *e)
{
	int rc = rt_timer_init(&e->tick, e->loop, on_tick, e);
	rc |= rt_loop_on_signal(e->loop, SIGHUP, on_hup, e);
	rc |= rt_loop_on_signal(e->loop, SIGTERM, on_term, e);
	rc |= rt_loop_on_signal(e->loop, SIGINT, on_term, e);
	rc |= rt_loop_on_lag(e->loop, on_lag, e);
	rc |= rt_notify_new(rt_loop_uv(e->loop), &e->notify);
	return rc == 0 ? XFED_OK : XFED_ERR_NOMEM;
}

/* Whose lines in the log are limited apart: those of partners that policy lists. */
static const char *listed_partner(void *user, struct xfed_span domain)
{
	const struct edge *e = user;
	const struct xfed_partner *p = e->policy ? xfed_policy_partner(e->policy, domain) : NULL;
	return p ? p->domain : NULL;
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
	rt_env(&e->env);
	e->env.random(e->env.user, &e->boot_nonce, sizeof(e->boot_nonce));
	e->link_since_s = edge_wall_s(e);
	e->link_reason = XFED_REASON_CHANNEL_DOWN;
	e->certs_due_s = INT64_MAX;
	int rc = e->config_path ? rt_loop_new(&e->loop) : XFED_ERR_NOMEM;
	if (rc != XFED_OK) {
		return rc;
	}
	e->started_ms = rt_loop_now_ms(e->loop);
	edge_admission_configure(e);
	edge_work_configure(e);
	rt_post_init(&e->flush, e->loop, flush, e);
	rt_post_init(&e->tell_verdicts, e->loop, edge_verify_tell, e);
	rt_log_set_partner_names(listed_partner, e);
	rc = make_tables(e);
	if (rc == XFED_OK) {
		rc = hook_loop(e);
	}
	if (rc == XFED_OK) {
		rc = edge_load_creds(config, &e->creds, &e->channel_creds, error);
	}
	if (rc == XFED_OK) {
		rc = make_resolver(e, error);
	}
	if (rc == XFED_OK) {
		rc = make_doors(e, error);
	}
	if (rc == XFED_OK) {
		warn_about_certificates(e);
		rt_metric_set(e->metrics, RT_M_BUILD_INFO, 1, RT_LABELS(XFED_SPAN(XFED_VERSION), XFED_SPAN("edge")));
		rt_metric_set(e->metrics, RT_M_DELIVERIES_UNACCOUNTED, 0, RT_NO_LABELS);
		e->tick_at_ms = rt_loop_now_ms(e->loop) + TICK_MS;
		rt_timer_set(&e->tick, e->tick_at_ms);
	}
	return rc;
}

void edge_free(struct edge *e)
{
	if (!e) {
		return;
	}
	e->service = EDGE_OUT_OF_SERVICE;
	rt_log_set_partner_names(NULL, NULL);
	for (size_t i = 0; i < e->channel_listener_count; i++) {
		rt_listener_close(e->channel_listeners[i]);
	}
	xfed_free(e->channel_listeners);
	edge_service_stop_listening(e);
	edge_checks_drop(e, NULL);
	edge_probes_free(e);
	edge_conns_free(e);
	edge_rates_free(e);
	edge_work_free(e);
	edge_pairs_free(e);
	edge_verify_free(e);
	edge_links_free(e);
	rt_timer_close(&e->tick);
	rt_timer_close(&e->grace);
	rt_timer_close(&e->leave);
	if (e->loop) {
		rt_post_cancel(&e->flush);
		rt_post_cancel(&e->tell_verdicts);
	}
	rt_http_free(e->http);
	rt_control_free(e->control);
	rt_notify_free(e->notify);
	rt_resolver_free(e->resolver);
	rt_reach_deinit(&e->reach);
	rt_loop_free(e->loop); /* the last jobs come back in here */
	proto_outbox_free(e->outbox);
	proto_fold_free(e->strangers);
	proto_inbox_free(e->inbox);
	proto_sipmemory_free(e->sips);
	xfed_xml_reader_free(e->fragments);
	xfed_buf_deinit(&e->scratch);
	xfed_policy_free(e->policy);
	xfed_tls_creds_unref(e->creds);
	xfed_tls_creds_unref(e->channel_creds);
	rt_metrics_free(e->metrics);
	edge_admission_free(e);
	edge_config_free(e->config);
	xfed_free(e->config_path);
	xfed_free(e);
}
