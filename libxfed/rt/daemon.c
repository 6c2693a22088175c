#include "rt/daemon_internal.h"

#include <signal.h>
#include <stdio.h>

#include "xfed/rt/log.h"
#include "xfed/rt/process.h"

#define TICK_MS 1000

/* ---- the turn's end, and time ---- */

static void set_tick(struct rt_daemon *d)
{
	uint64_t when = d->user->deadline_ms(d->user_data), now = rt_daemon_now_ms(d);
	uint64_t tick = d->tick_at_ms > now ? d->tick_at_ms : now + 1;
	rt_timer_set(&d->tick, when < tick ? when : tick);
}

static void flush(void *arg)
{
	struct rt_daemon *d = arg;
	d->user->turn_end(d->user_data);
	set_tick(d);
}

void rt_daemon_flush_soon(struct rt_daemon *d)
{
	rt_post_at_turn_end(&d->flush);
}

static void on_tick(void *arg)
{
	struct rt_daemon *d = arg;
	uint64_t now = rt_daemon_now_ms(d);
	d->tick_at_ms = now + TICK_MS;
	d->user->tick(d->user_data, now);
	d->user->gauges(d->user_data);
	daemon_sandbox_tick(d);
	rt_log_flush(false);
	rt_daemon_flush_soon(d);
}

static void on_lag(void *arg, uint64_t lag_us)
{
	struct rt_daemon *d = arg;
	rt_metric_set(d->metrics, RT_M_LOOP_LAG, (double)lag_us / 1e6, RT_NO_LABELS);
}

/* ---- pages ---- */

static int page_metrics(void *arg, struct xfed_buf *out)
{
	struct rt_daemon *d = arg;
	d->user->gauges(d->user_data);
	return rt_metrics_print(d->metrics, out);
}

static bool page_health(void *arg, struct xfed_buf *out)
{
	(void)arg;
	return xfed_buf_append_str(out, "ok\n") == XFED_OK;
}

static bool page_ready(void *arg, struct xfed_buf *out)
{
	struct rt_daemon *d = arg;
	return xfed_buf_printf(out, "%s\n", d->user->service(d->user_data)) == XFED_OK && d->user->is_in_service(d->user_data);
}

/* ---- signals ---- */

static void on_hup(void *arg, int signum)
{
	struct rt_daemon *d = arg;
	(void)signum;
	d->user->reload(d->user_data);
}

static void on_term(void *arg, int signum)
{
	struct rt_daemon *d = arg;
	(void)signum;
	d->user->drain(d->user_data);
}

/* ---- making ---- */

int rt_daemon_init(struct rt_daemon *d, const struct rt_daemon_user *user, void *user_data)
{
	*d = (struct rt_daemon){ .user = user, .user_data = user_data };
	rt_env(&d->env);
	d->env.random(d->env.user, &d->boot_nonce, sizeof(d->boot_nonce));
	d->boot_nonce |= 1; /* never 0 */
	int rc = rt_loop_new(&d->loop);
	if (rc != XFED_OK) {
		return rc;
	}
	d->started_ms = rt_daemon_now_ms(d);
	rt_post_init(&d->flush, d->loop, flush, d);
	rt_log_set_partner_names(user->listed_partner, user_data);
	rc = rt_metrics_new(&d->metrics);
	rc = rc == XFED_OK ? rt_certs_new(&d->certs) : rc;
	rc = rc == XFED_OK ? rt_timer_init(&d->tick, d->loop, on_tick, d) : rc;
	rc = rc == XFED_OK ? rt_loop_on_signal(d->loop, SIGHUP, on_hup, d) : rc;
	rc = rc == XFED_OK ? rt_loop_on_signal(d->loop, SIGTERM, on_term, d) : rc;
	rc = rc == XFED_OK ? rt_loop_on_signal(d->loop, SIGINT, on_term, d) : rc;
	rc = rc == XFED_OK ? rt_loop_on_lag(d->loop, on_lag, d) : rc;
	return rc == XFED_OK ? rt_notify_new(rt_loop_uv(d->loop), &d->notify) : rc;
}

/* Makes the resolver of the configuration, or gives the existing one its servers. */
static int configure_resolver(struct rt_daemon *d, const struct rt_conf_base *c, char error[256])
{
	char texts[RT_RESOLVER_SERVERS_MAX][320];
	const char *servers[RT_RESOLVER_SERVERS_MAX];
	size_t n = 0;
	for (; n < c->dns.servers.count && n < RT_RESOLVER_SERVERS_MAX; n++) {
		servers[n] = rt_conf_address_text(&c->dns.servers.items[n], texts[n]);
	}
	struct rt_resolver_options o = { .servers = servers, .server_count = n, .trust_ad = c->dns.dnssec == RT_DNSSEC_TRUST_AD };
	int rc = d->resolver ? rt_resolver_configure(d->resolver, &o, error, 256) : rt_resolver_new(d->loop, &o, &d->resolver, error, 256);
	if (rc == XFED_OK && !rt_resolver_ad_is_usable(d->resolver)) {
		rt_log(RT_LOG_WARNING, "dns.ad-not-usable",
			RT_KV_STR("text", "dnssec: trust-ad needs a resolver on loopback; answers count as insecure"), RT_END);
	}
	return rc;
}

static int make_doors(struct rt_daemon *d, const struct rt_daemon_options *o, char error[256])
{
	uv_loop_t *uv = rt_loop_uv(d->loop);
	void *user = o->commands_user ? o->commands_user : d->user_data;
	int rc = rt_control_new(uv, o->config->control_socket, o->commands, user, &d->control, error);
	if (rc == XFED_OK && o->config->http.listen.host) {
		struct rt_http_pages pages = { .user = d, .metrics = page_metrics, .is_healthy = page_health, .is_ready = page_ready };
		rc = rt_http_new(uv, &o->config->http.listen, &pages, &d->http, error);
	}
	return rc;
}

int rt_daemon_open(struct rt_daemon *d, const struct rt_daemon_options *o, char error[256])
{
	int rc = configure_resolver(d, o->config, error);
	rc = rc == XFED_OK ? make_doors(d, o, error) : rc;
	if (rc == XFED_OK) {
		rt_metric_set(d->metrics, RT_M_BUILD_INFO, 1, RT_LABELS(XFED_SPAN(XFED_VERSION), xfed_span_str(o->name)));
		rt_metric_set(d->metrics, RT_M_DELIVERIES_UNACCOUNTED, 0, RT_NO_LABELS);
		daemon_sandbox_open(d);
		d->tick_at_ms = rt_daemon_now_ms(d) + TICK_MS;
		rt_timer_set(&d->tick, d->tick_at_ms);
	}
	return rc;
}

void rt_daemon_run(struct rt_daemon *d, const char *name)
{
	rt_log(RT_LOG_INFO, "service.start", RT_KV_STR("name", name), RT_KV_STR("version", XFED_VERSION), RT_KV_HEX("boot", d->boot_nonce), RT_END);
	rt_notify_ready(d->notify, d->user->service(d->user_data));
	rt_loop_run(d->loop);
	rt_log(RT_LOG_INFO, "service.stop", RT_END);
	rt_log_flush(true);
}

void rt_daemon_close(struct rt_daemon *d)
{
	rt_log_set_partner_names(NULL, NULL);
	rt_timer_close(&d->tick);
	rt_http_free(d->http);
	if (d->loop) {
		rt_post_cancel(&d->flush);
		d->closed_ms = rt_daemon_now_ms(d);
	}
	rt_notify_free(d->notify);
	rt_resolver_free(d->resolver);
	rt_control_free(d->control);
	rt_loop_free(d->loop);
	d->loop = NULL;
}

void rt_daemon_deinit(struct rt_daemon *d)
{
	rt_metrics_free(d->metrics);
	rt_certs_free(d->certs);
	d->metrics = NULL;
	d->certs = NULL;
}

/* ---- metrics ---- */

void rt_daemon_count_refusal(struct rt_daemon *d, enum xfed_reason reason, enum xfed_side side)
{
	rt_metric_add(d->metrics, RT_M_REFUSALS, 1, RT_LABELS(xfed_span_str(xfed_reason_code(reason)), xfed_span_str(xfed_side_name(side))));
}

void rt_daemon_count_stanza(struct rt_daemon *d, const char *partner, const char *direction, const char *kind, const char *fate)
{
	rt_metric_add(
		d->metrics, RT_M_STANZAS, 1, RT_LABELS(xfed_span_str(partner), xfed_span_str(direction), xfed_span_str(kind), xfed_span_str(fate)));
}

void rt_daemon_count_dropped(struct rt_daemon *d, const char *rule)
{
	rt_metric_add(d->metrics, RT_M_DROPPED, 1, RT_LABELS(xfed_span_str(rule)));
}

/* ---- configuration ---- */

static void log_change(void *user, const char *key, bool is_reloadable)
{
	(void)user;
	(void)is_reloadable; /* values that need a restart are not changed */
	rt_log(RT_LOG_INFO, "config.changed", RT_KV_STR("key", key), RT_END);
}

static void configure_log(const struct rt_conf_base *c)
{
	rt_log_configure(c->log.level, c->log.format, c->log.mask_addresses);
}

void rt_daemon_start_log(const struct rt_conf_base *c)
{
	rt_log_init(c->name);
	configure_log(c);
}

void rt_daemon_configure(struct rt_daemon *d, const struct rt_conf_base *before, const struct rt_conf_base *after)
{
	const struct rt_conf_strings *keys = &after->doc.needs_restart;
	char error[256];
	rt_conf_diff(after->doc.table, before, after, log_change, NULL);
	for (size_t i = 0; i < keys->count; i++) {
		rt_log(RT_LOG_WARNING, "config.needs-restart", RT_KV_STR("key", keys->items[i]), RT_KV_REASON(XFED_REASON_CONFIG_RESTART_NEEDED),
			RT_END);
	}
	configure_log(after);
	if (configure_resolver(d, after, error) != XFED_OK) {
		rt_log(RT_LOG_ERROR, "dns.unchanged", RT_KV_STR("text", error), RT_END);
	}
}

static void first_error(const struct rt_conf_errors *errors, char out[512])
{
	struct xfed_buf b;
	xfed_buf_init(&b, 16384);
	snprintf(out, 512, "out of memory");
	for (size_t i = 0; i < errors->count; i++) {
		if (!errors->items[i].is_warning && rt_conf_problem_print(&errors->items[i], &b) == XFED_OK) {
			struct xfed_span s = xfed_buf_span(&b);
			snprintf(out, 512, "%.*s", (int)s.len, s.data);
			break;
		}
	}
	xfed_buf_deinit(&b);
}

void rt_daemon_reloaded(struct rt_daemon *d, bool ok, const struct rt_conf_errors *errors)
{
	d->reload = (struct rt_daemon_reload){ .ended_s = rt_daemon_wall_s(d) };
	if (!ok) {
		first_error(errors, d->reload.error);
	}
	rt_log(ok ? RT_LOG_INFO : RT_LOG_ERROR, "config.reload", RT_KV_BOOL("ok", ok),
		RT_KV_STR("text", ok ? NULL : "the configuration in force stays"), RT_END);
}

#define SILENT_QUESTIONS 2 /* a single one may be due to the server of that name */

static void add_silent_resolver(const struct rt_daemon *d, json_t *problems)
{
	struct rt_resolver_stats st;
	rt_resolver_stats(d->resolver, &st);
	if (st.unanswered >= SILENT_QUESTIONS) {
		int64_t ago_s = (int64_t)((rt_loop_now_ms(d->loop) - st.unanswered_ms) / 1000);
		rt_control_add_problem(problems, XFED_REASON_DNS_TIMEOUT, rt_daemon_wall_s(d) - ago_s,
			"The last %zu questions were answered by no DNS server. %s", st.unanswered,
			xfed_reason_info(XFED_REASON_DNS_TIMEOUT)->remedy);
	}
}

void rt_daemon_problems(const struct rt_daemon *d, const struct rt_conf_doc *in_force, json_t *problems)
{
	char keys[512] = "";
	if (d->reload.error[0]) {
		rt_control_add_problem(problems, XFED_REASON_CONFIG_RELOAD_FAILED, d->reload.ended_s,
			"The last reload failed, what was in force stays: %s", d->reload.error);
	}
	for (size_t i = 0, len = 0; i < in_force->needs_restart.count && len < sizeof(keys); i++) {
		len += (size_t)snprintf(keys + len, sizeof(keys) - len, "%s%s", i > 0 ? ", " : "", in_force->needs_restart.items[i]);
	}
	add_silent_resolver(d, problems);
	daemon_sandbox_problems(d, problems);
	if (keys[0]) {
		rt_control_add_problem(problems, XFED_REASON_CONFIG_RESTART_NEEDED, d->reload.ended_s,
			"The file has other values, which take effect with a restart of this service, for %s.", keys);
	}
}

/* ---- main() ---- */

int rt_program_main(const struct rt_program *p, int argc, char **argv)
{
	struct rt_arguments args = { .config = p->default_config };
	rt_clean_environment();
	int code = rt_arguments_read(argc, argv, p->name, &args);
	code = code < 0 ? rt_become(&args, p->name) : code;
	if (code >= 0) {
		return code;
	}
	if (rt_global_init() != XFED_OK || (p->init && p->init() != XFED_OK)) {
		fprintf(stderr, "%s: a library did not initialise\n", p->name);
		return 1;
	}
	code = p->run(args.config, args.check_only);
	if (p->deinit) {
		p->deinit();
	}
	rt_global_deinit();
	return code;
}
