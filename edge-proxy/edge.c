#include "edge.h"

#include "xfed/mem.h"
#include "xfed/rt/process.h"

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
	edge_pairs_tick(e, now);
	edge_newest_tick(e, now);
	edge_rates_tick(e, now);
	edge_certs_tick(e);
	edge_failures_tick(e, now);
	edge_admission_tick(e, now);
	edge_work_tick(e, now);
	rt_tidy(&e->tidy, e->freed, now);
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
	rt_resolver_flush(e->core.d.resolver);
	edge_reach_forget(e);
	edge_pairs_forget_backoff(e);
	warn_about_certificates(e);
	rt_daemon_log_reload(true);
	return true;
}

/* ---- what the daemon asks ---- */

static void gauges(void *user)
{
	edge_report_gauges(user);
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
	const struct xfed_partner *p = e->policy ? xfed_policy_partner(e->policy, domain) : NULL;
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
	edge_admission_configure(e);
	edge_work_configure(e);
	rt_post_init(&e->tell_verdicts, e->core.d.loop, edge_verify_tell, e);
	rc = make_tables(e);
	rc = rc == XFED_OK ? edge_load_creds(e->config, &e->creds, &e->channel_creds, error) : rc;
	rc = rc == XFED_OK ? open_daemon(e, error) : rc;
	rc = rc == XFED_OK ? edge_service_start(e, error) : rc;
	if (rc == XFED_OK) {
		warn_about_certificates(e);
	}
	return rc;
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
	edge_probes_free(e);
	edge_conns_free(e);
	edge_rates_free(e);
	edge_work_free(e);
	edge_pairs_free(e);
	edge_verify_free(e);
	edge_links_free(e);
	rt_timer_close(&e->grace);
	rt_timer_close(&e->leave);
	if (e->core.d.loop) {
		rt_post_cancel(&e->tell_verdicts);
	}
	rt_daemon_close(&e->core.d);
	rt_reach_deinit(&e->reach);
	proto_outbox_free(e->outbox);
	proto_fold_free(e->strangers);
	proto_inbox_free(e->inbox);
	proto_sipmemory_free(e->sips);
	xfed_xml_reader_free(e->fragments);
	xfed_buf_deinit(&e->scratch);
	xfed_policy_free(e->policy);
	xfed_tls_creds_unref(e->creds);
	xfed_tls_creds_unref(e->channel_creds);
	rt_daemon_deinit(&e->core.d);
	edge_admission_free(e);
	edge_config_free(e->config);
	xfed_free(e->config_path);
	xfed_free(e);
}
