#include "gateway.h"

#include <signal.h>
#include <stdio.h>

#define TICK_MS	    1000
#define COUNTERS_MS 10000

int64_t gateway_wall_s(const struct gateway *g)
{
	return g->env.wall_s(g->env.user);
}

/* ---- the turn's end, and time ---- */

/*
 * The order matters: responses and requests first, as they settle or ask; then what goes over the links; then the links
 * themselves, which encrypt once.
 */
static void flush(void *arg)
{
	struct gateway *g = arg;
	gateway_answer_pump(g);
	gateway_out_pump(g);
	gateway_route_pump(g);
	gateway_links_flush(g);
	gateway_service_check(g);
	uint64_t when = proto_outbox_deadline(g->outbox), now = gateway_now(g);
	uint64_t tick = g->tick_at_ms > now ? g->tick_at_ms : now + 1;
	rt_timer_set(&g->tick, when < tick ? when : tick);
}

void gateway_flush_soon(struct gateway *g)
{
	rt_post_at_turn_end(&g->flush);
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
	if (!g->http || now < g->counters_due_ms) {
		return;
	}
	g->counters_due_ms = now + COUNTERS_MS;
	for (size_t i = 0; i < g->link_count; i++) {
		gateway_ask(&g->links[i], "counters", NULL, NULL, no_reply, NULL);
	}
}

static void on_tick(void *user)
{
	struct gateway *g = user;
	uint64_t now = gateway_now(g);
	g->tick_at_ms = now + TICK_MS;
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
	gateway_failures_tick(g);
	gateway_certs_tick(g);
	rt_sources_tick(&g->sip_strangers, now);
	gateway_report_gauges(g);
	ask_counters(g);
	rt_log_flush(false);
	gateway_flush_soon(g);
}

static void on_hold(void *user)
{
	gateway_in_holds(user);
}

static void on_tell(void *user)
{
	gateway_flush_soon(user);
}

static void on_lag(void *user, uint64_t lag_us)
{
	struct gateway *g = user;
	rt_metric_set(g->metrics, RT_M_LOOP_LAG, (double)lag_us / 1e6, RT_NO_LABELS);
}

/* ---- pages ---- */

static int page_metrics(void *user, struct xfed_buf *out)
{
	struct gateway *g = user;
	gateway_report_gauges(g);
	return rt_metrics_print(g->metrics, out);
}

static bool page_health(void *user, struct xfed_buf *out)
{
	(void)user;
	return xfed_buf_append_str(out, "ok\n") == XFED_OK;
}

static bool page_ready(void *user, struct xfed_buf *out)
{
	struct gateway *g = user;
	return xfed_buf_printf(out, "%s\n", gateway_service_name(g->service)) == XFED_OK && g->service == GATEWAY_IN_SERVICE;
}

/* ---- signals ---- */

static void on_hup(void *user, int signum)
{
	(void)signum;
	gateway_reload(user, NULL);
}

static void on_term(void *user, int signum)
{
	(void)signum;
	gateway_service_drain(user);
}

/* ---- making ---- */

static int make_resolver(struct gateway *g, char error[256])
{
	const struct gateway_config *c = g->files.config;
	char texts[RT_RESOLVER_SERVERS_MAX][320];
	const char *servers[RT_RESOLVER_SERVERS_MAX];
	size_t n = 0;
	for (; n < c->dns.servers.count && n < RT_RESOLVER_SERVERS_MAX; n++) {
		servers[n] = rt_conf_address_text(&c->dns.servers.items[n], texts[n]);
	}
	struct rt_resolver_options o = { .servers = servers, .server_count = n, .trust_ad = c->dns.dnssec == GATEWAY_DNSSEC_TRUST_AD };
	return rt_resolver_new(g->loop, &o, &g->resolver, error, 256);
}

/* Whose lines in the log are limited apart: those of partners that are listed. */
static const char *listed_partner(void *user, struct xfed_span domain)
{
	const struct gateway *g = user;
	const struct xfed_partner *p = g->files.policy ? gateway_partner(g, domain) : NULL;
	return p ? p->domain : NULL;
}

static int make_tables(struct gateway *g)
{
	const struct gateway_config *c = g->files.config;
	struct recipients_limits limits = { c->limits.queue_messages, c->limits.queue_bytes };
	int rc = rt_metrics_new(&g->metrics);
	rc = rc == XFED_OK ? proto_outbox_new(&(struct proto_outbox_config){ 0 }, &g->outbox) : rc;
	rc = rc == XFED_OK ? proto_inbox_new(0, &g->inbox) : rc;
	rc = rc == XFED_OK ? routes_new(&g->routes) : rc;
	rc = rc == XFED_OK ? recipients_new(&limits, &g->recipients) : rc;
	rc = rc == XFED_OK ? contacts_new(0, &g->contacts) : rc;
	return rc == XFED_OK ? holds_new(0, &g->holds) : rc;
}

static int hook_loop(struct gateway *g)
{
	int rc = rt_timer_init(&g->tick, g->loop, on_tick, g);
	rc = rc == XFED_OK ? rt_timer_init(&g->hold, g->loop, on_hold, g) : rc;
	rc = rc == XFED_OK ? rt_timer_init(&g->tell, g->loop, on_tell, g) : rc;
	rc = rc == XFED_OK ? rt_timer_init(&g->leave, g->loop, gateway_service_leave, g) : rc;
	rc = rc == XFED_OK ? rt_loop_on_signal(g->loop, SIGHUP, on_hup, g) : rc;
	rc = rc == XFED_OK ? rt_loop_on_signal(g->loop, SIGTERM, on_term, g) : rc;
	rc = rc == XFED_OK ? rt_loop_on_signal(g->loop, SIGINT, on_term, g) : rc;
	rc = rc == XFED_OK ? rt_loop_on_lag(g->loop, on_lag, g) : rc;
	return rc == XFED_OK ? rt_notify_new(rt_loop_uv(g->loop), &g->notify) : rc;
}

static int make_doors(struct gateway *g, char error[256])
{
	uv_loop_t *uv = rt_loop_uv(g->loop);
	const struct gateway_config *c = g->files.config;
	int rc = rt_control_new(uv, c->control_socket, gateway_commands, g, &g->control, error);
	if (rc == XFED_OK && c->http.listen.host) {
		struct rt_http_pages pages = { .user = g, .metrics = page_metrics, .is_healthy = page_health, .is_ready = page_ready };
		rc = rt_http_new(uv, &c->http.listen, &pages, &g->http, error);
	}
	return rc;
}

static int make_all(struct gateway *g, char error[256])
{
	int rc = g->config_path ? rt_loop_new(&g->loop) : XFED_ERR_NOMEM;
	if (rc != XFED_OK) {
		return rc;
	}
	g->started_ms = gateway_now(g);
	rt_post_init(&g->flush, g->loop, flush, g);
	rt_log_set_partner_names(listed_partner, g);
	rc = make_tables(g);
	rc = rc == XFED_OK ? hook_loop(g) : rc;
	rc = rc == XFED_OK ? gateway_policy_start(g, error) : rc;
	rc = rc == XFED_OK ? gateway_failures_start(g, error) : rc;
	rc = rc == XFED_OK ? make_resolver(g, error) : rc;
	rc = rc == XFED_OK ? gateway_sip_start(g, error) : rc;
	rc = rc == XFED_OK ? make_doors(g, error) : rc;
	return rc == XFED_OK ? gateway_links_start(g) : rc;
}

int gateway_new(const char *config_path, struct gateway_files *files, struct gateway **out, char error[256])
{
	struct gateway *g = xfed_calloc(1, sizeof(*g));
	*out = g;
	snprintf(error, 256, "out of memory");
	if (!g) {
		gateway_files_deinit(files);
		return XFED_ERR_NOMEM;
	}
	g->files = *files;
	*files = (struct gateway_files){ 0 };
	g->config_path = xfed_strdup(config_path);
	xfed_buf_init(&g->scratch, XFED_STANZA_BYTES_MAX);
	rt_env(&g->env);
	g->env.random(g->env.user, &g->boot_nonce, sizeof(g->boot_nonce));
	g->boot_nonce |= 1; /* 0 is no nonce */
	g->service_since_s = gateway_wall_s(g);
	g->certs_due_s = INT64_MAX;
	int rc = make_all(g, error);
	if (rc == XFED_OK) {
		if (!rt_resolver_ad_is_usable(g->resolver)) {
			rt_log(RT_LOG_WARNING, "dns.ad-not-usable",
				RT_KV_STR("text", "dnssec: trust-ad needs a resolver on loopback; answers count as insecure"), RT_END);
		}
		rt_metric_set(g->metrics, RT_M_BUILD_INFO, 1, RT_LABELS(XFED_SPAN(XFED_VERSION), XFED_SPAN("gateway")));
		rt_metric_set(g->metrics, RT_M_DELIVERIES_UNACCOUNTED, 0, RT_NO_LABELS);
		g->tick_at_ms = gateway_now(g) + TICK_MS;
		rt_timer_set(&g->tick, g->tick_at_ms);
	}
	return rc;
}

void gateway_free(struct gateway *g)
{
	if (!g) {
		return;
	}
	g->is_closing = true;
	rt_log_set_partner_names(NULL, NULL);
	gateway_requests_free(g);
	gateway_links_free(g);
	gateway_sip_free(g);
	rt_timer_close(&g->tick);
	rt_timer_close(&g->hold);
	rt_timer_close(&g->tell);
	rt_timer_close(&g->leave);
	gateway_hops_free(g);
	rt_http_free(g->http);
	if (g->loop) {
		rt_post_cancel(&g->flush);
	}
	rt_notify_free(g->notify);
	rt_resolver_free(g->resolver);
	rt_control_free(g->control);
	rt_loop_free(g->loop); /* the last jobs come back in here: a reload answers its call */
	rt_sources_deinit(&g->sip_strangers);
	gateway_failures_stop(g);
	store_close(g->store);
	gateway_out_free_all(g);
	gateway_in_free_all(g);
	gateway_route_free(g);
	recipients_free(g->recipients);
	contacts_free(g->contacts);
	holds_free(g->holds);
	xfed_xml_reader_free(g->fragments);
	xfed_buf_deinit(&g->scratch);
	rt_metrics_free(g->metrics);
	gateway_files_deinit(&g->files);
	xfed_free(g->config_path);
	xfed_wipe(g->id_key, sizeof(g->id_key));
	xfed_free(g);
}
