#include "edge.h"

#include "xfed/mem.h"
#include "xfed/rt/process.h"

/* ---- credentials ---- */

/* The credentials just loaded; each part takes over its own and leaves NULL. */
struct edge_creds {
	struct xfed_tls_creds *partners, *channel;
};

static struct xfed_tls_creds *take(struct xfed_tls_creds **creds)
{
	struct xfed_tls_creds *taken = *creds;
	*creds = NULL;
	return taken;
}

/* ---- functions of parts that only call their room ---- */

#define PART(name, fn, part)                                                                                                                         \
	static void name(struct edge *e)                                                                                                             \
	{                                                                                                                                            \
		fn(e->part);                                                                                                                         \
	}
PART(gauges_of_streams, s2s_gauges, s2s)
PART(stop_streams, s2s_stop, s2s)
PART(free_streams, s2s_free, s2s)
PART(flush_channel, channel_flush, channel)
PART(stop_channel, channel_stop, channel)
PART(free_channel, channel_free, channel)
PART(stop_relay, relay_stop, relay)
PART(free_relay, relay_free, relay)

/* ---- streams ---- */

static bool on_stanza(void *user, const struct s2s_incoming *in)
{
	struct edge *e = user;
	if (!service_takes(&e->service)) {
		s2s_refuse(in, service_is_draining(&e->service)
				       ? XFED_REASON_SERVICE_LEAVING
				       /* the grace time is over: what waited for a gateway was returned to its senders, and so is this */
				       : XFED_REASON_CHANNEL_DOWN);
		return false;
	}
	return relay_stanza(e->relay, in);
}

static void on_fate(void *user, void *owner, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side)
{
	relay_fate(((struct edge *)user)->relay, owner, fate, reason, side);
}

static void on_written(void *user, void *owner)
{
	relay_written(((struct edge *)user)->relay, owner);
}

static void on_lost(void *user, void *owner)
{
	relay_lost(((struct edge *)user)->relay, owner);
}

static void on_opened(void *user, const struct s2s_stream *st)
{
	relay_opened(((struct edge *)user)->relay, st);
}

static void on_closed(void *user, const struct s2s_stream *st, enum xfed_reason reason, enum xfed_side side, const char *text)
{
	relay_closed(((struct edge *)user)->relay, st, reason, side, text);
}

static void on_failed(void *user, const struct proto_failure *f, bool is_stranger)
{
	relay_failed(((struct edge *)user)->relay, f, is_stranger);
}

static void on_ended(void *user)
{
	edge_service_left(user);
}

static const struct s2s_user s2s_user = {
	.stanza = on_stanza,
	.fate = on_fate,
	.written = on_written,
	.lost = on_lost,
	.opened = on_opened,
	.closed = on_closed,
	.failed = on_failed,
	.ended = on_ended,
};

static int start_streams(struct edge *e, struct edge_creds *fresh, char error[256])
{
	int rc = s2s_new(&e->core, &s2s_user, e, e->config, &e->s2s);
	if (rc == XFED_OK) {
		s2s_configure(e->s2s, e->config, take(&fresh->partners));
	}
	return rc;
}

static void tick_streams(struct edge *e, uint64_t now_ms)
{
	s2s_tick(e->s2s, now_ms);
}

static bool are_streams_quiet(const struct edge *e)
{
	return s2s_waiting(e->s2s) == 0;
}

static void reloaded_streams(struct edge *e, struct edge_creds *fresh)
{
	s2s_configure(e->s2s, e->config, take(&fresh->partners));
}

/* ---- channel ---- */

static void on_deliver(void *user, struct proto_from from, int peer, const Xfed__Deliver *d)
{
	relay_deliver(((struct edge *)user)->relay, from, peer, d);
}

static void on_withdrawn(void *user, struct proto_from from, uint64_t cookie)
{
	relay_withdrawn(((struct edge *)user)->relay, from, cookie);
}

static void on_sent(void *user, const struct proto_delivery *d)
{
	relay_sent(((struct edge *)user)->relay, d);
}

static void on_taken(void *user, uint64_t cookie, uint64_t number)
{
	relay_taken(((struct edge *)user)->relay, cookie, number);
}

static void on_outcome(void *user, const struct proto_delivery *d, const struct proto_result *r)
{
	relay_outcome(((struct edge *)user)->relay, d, r);
}

static void on_link_up(void *user, struct channel_link *l)
{
	relay_snapshot(((struct edge *)user)->relay, l);
}

static void on_link_down(void *user, struct channel_link *l)
{
	admin_link_down(&((struct edge *)user)->admin, l);
}

static void on_request(void *user, struct channel_link *l, const Xfed__Request *r)
{
	admin_request(&((struct edge *)user)->admin, l, r);
}

static void on_changed(void *user)
{
	edge_service_judge(user);
}

static const struct channel_user channel_user = {
	.deliver = on_deliver,
	.withdrawn = on_withdrawn,
	.sent = on_sent,
	.taken = on_taken,
	.outcome = on_outcome,
	.link_up = on_link_up,
	.link_down = on_link_down,
	.request = on_request,
	.changed = on_changed,
};

static int start_channel(struct edge *e, struct edge_creds *fresh, char error[256])
{
	return channel_new(&e->core, e->config, take(&fresh->channel), e->s2s, &channel_user, e, &e->channel);
}

static void tick_channel(struct edge *e, uint64_t now_ms)
{
	channel_tick(e->channel, now_ms);
}

static bool is_channel_quiet(const struct edge *e)
{
	return proto_outbox_count(proto_exchange_outbox(channel_exchange(e->channel))) == 0;
}

static void drain_channel(struct edge *e)
{
	channel_drain(e->channel, e->config->base.stop_timeout_ms);
}

static void give_up_channel(struct edge *e)
{
	proto_exchange_give_up(channel_exchange(e->channel)); /* their senders are told */
}

static void reloaded_channel(struct edge *e, struct edge_creds *fresh)
{
	channel_configure(e->channel, e->config, take(&fresh->channel));
}

static void gauges_of_channel(struct edge *e)
{
	const struct proto_outbox *o = proto_exchange_outbox(channel_exchange(e->channel));
	struct rt_metrics *m = e->core.d.metrics;
	rt_metric_set(m, RT_M_DELIVERIES_IN_FLIGHT, (double)(proto_outbox_count(o) + s2s_waiting(e->s2s)), RT_NO_LABELS);
	rt_metric_set(m, RT_M_DELIVERIES_UNACCOUNTED, (double)proto_outbox_unaccounted(o, core_now(&e->core)), RT_NO_LABELS);
	channel_gauges(e->channel);
	const struct xfed_tls_creds *const ours[] = { s2s_creds(e->s2s), channel_creds(e->channel) };
	rt_daemon_certificates(&e->core.d, ours, XFED_ARRAY_LEN(ours));
}

/* ---- relay ---- */

static int start_relay(struct edge *e, struct edge_creds *fresh, char error[256])
{
	return relay_new(&e->core, e->config, e->s2s, e->channel, &e->relay);
}

static void tick_relay(struct edge *e, uint64_t now_ms)
{
	relay_tick(e->relay, now_ms);
}

static void reloaded_relay(struct edge *e, struct edge_creds *fresh)
{
	relay_configure(e->relay, e->config);
}

/* ---- admin, service ---- */

static void gauges(void *user);
static const char *service(void *user);
static json_t *read_files(void *user, bool is_check);

static int start_admin(struct edge *e, struct edge_creds *fresh, char error[256])
{
	e->admin = (struct admin){ .core = &e->core,
		.config = e->config,
		.s2s = e->s2s,
		.channel = e->channel,
		.service_word = service,
		.gauges = gauges,
		.read_files = read_files,
		.user = e };
	return XFED_OK;
}

static void reloaded_admin(struct edge *e, struct edge_creds *fresh)
{
	e->admin.config = e->config;
}

static void stop_admin(struct edge *e)
{
	admin_link_down(&e->admin, NULL);
}

static int start_service(struct edge *e, struct edge_creds *fresh, char error[256])
{
	return edge_service_start(e, error);
}

static void tick_service(struct edge *e, uint64_t now_ms)
{
	edge_service_left(e);
}

/* ---- the parts ---- */

/* In the order in which they start and tick; flush, drain and stop go through them backwards. NULL: the part has nothing to do there. */
static const struct part {
	const char *name;
	int (*start)(struct edge *e, struct edge_creds *fresh, char error[256]); /* takes over its credentials from `fresh` */
	void (*tick)(struct edge *e, uint64_t now_ms);
	void (*flush)(struct edge *e);		/* at the end of a turn of the loop */
	void (*drain)(struct edge *e);		/* begin nothing new */
	bool (*is_quiet)(const struct edge *e); /* every delivery of this part is settled */
	void (*give_up)(struct edge *e);	/* settles what is left, as refused or uncertain */
	void (*reloaded)(struct edge *e, struct edge_creds *fresh);
	void (*gauges)(struct edge *e);
	void (*stop)(struct edge *e); /* while the loop still runs */
	void (*free)(struct edge *e); /* after the loop has ended, when no job is running any more */
} parts[] = {
	{ .name = "streams",
		.start = start_streams,
		.tick = tick_streams,
		.is_quiet = are_streams_quiet,
		.reloaded = reloaded_streams,
		.gauges = gauges_of_streams,
		.stop = stop_streams,
		.free = free_streams },
	{ .name = "channel",
		.start = start_channel,
		.tick = tick_channel,
		.flush = flush_channel,
		.is_quiet = is_channel_quiet,
		.give_up = give_up_channel,
		.drain = drain_channel,
		.reloaded = reloaded_channel,
		.gauges = gauges_of_channel,
		.stop = stop_channel,
		.free = free_channel },
	{ .name = "relay", .reloaded = reloaded_relay, .start = start_relay, .tick = tick_relay, .stop = stop_relay, .free = free_relay },
	{ .name = "admin", .start = start_admin, .reloaded = reloaded_admin, .stop = stop_admin },
	{ .name = "service", .start = start_service, .tick = tick_service, .stop = edge_service_stop },
};

#define EACH(p)                                                                                                                                      \
	const struct part *p = parts;                                                                                                                \
	p < parts + XFED_ARRAY_LEN(parts);                                                                                                           \
	p++
#define EACH_BACK(p)                                                                                                                                 \
	const struct part *p = parts + XFED_ARRAY_LEN(parts);                                                                                        \
	p > parts &&p--;

void edge_drain(struct edge *e)
{
	for (EACH(p)) {
		if (p->drain) {
			p->drain(e);
		}
	}
}

bool edge_is_quiet(const struct edge *e)
{
	bool is_quiet = true;
	for (EACH(p)) {
		is_quiet = is_quiet && (!p->is_quiet || p->is_quiet(e));
	}
	return is_quiet;
}

void edge_give_up(struct edge *e)
{
	for (EACH(p)) {
		if (p->give_up) {
			p->give_up(e);
		}
	}
}

/* ---- reload ---- */

/*
 * Loads the file, where keys that need a restart keep their old values, and the certificates it names. False: `errors` say why, and both
 * results are NULL.
 */
static bool load(struct edge *e, struct rt_conf_errors *errors, struct edge_config **fresh, struct edge_creds *creds)
{
	char why[256];
	*creds = (struct edge_creds){ NULL, NULL };
	*fresh = NULL;
	if (edge_config_load(e->config_path, errors, fresh) != XFED_OK) {
		return false;
	}
	int rc = rt_conf_keep(&(*fresh)->base.doc, e->config);
	snprintf(why, sizeof(why), "out of memory");
	if (rc != XFED_OK || edge_load_creds(*fresh, &creds->partners, &creds->channel, why) != XFED_OK) {
		rt_conf_fail_file(&(*fresh)->base.doc, "certificates", why);
		edge_config_free(*fresh);
		*fresh = NULL;
		return false;
	}
	edge_check_certificates(*fresh, creds->partners, creds->channel);
	return true;
}

static void swap(struct edge *e, struct edge_config *fresh, struct edge_creds *creds)
{
	struct edge_config *old = e->config;
	rt_daemon_configure(&e->core.d, &old->base, &fresh->base);
	e->config = fresh;
	for (EACH(p)) {
		if (p->reloaded) {
			p->reloaded(e, creds);
		}
	}
	edge_config_free(old);
}

static json_t *read_files(void *user, bool is_check)
{
	struct edge *e = user;
	struct edge_config *fresh;
	struct edge_creds creds;
	struct rt_conf_errors errors;
	rt_conf_errors_init(&errors);
	bool ok = load(e, &errors, &fresh, &creds);
	json_t *answer = rt_control_problems(&errors, ok ? &fresh->base.doc : NULL);
	if (is_check) {
		edge_config_free(fresh);
	} else {
		rt_log_problems(&errors);
		if (ok) {
			swap(e, fresh, &creds);
		}
		rt_daemon_reloaded(&e->core.d, ok, &errors);
	}
	xfed_tls_creds_unref(creds.partners);
	xfed_tls_creds_unref(creds.channel);
	rt_conf_errors_deinit(&errors);
	return answer;
}

/* ---- what the daemon (rt/daemon.h) calls ---- */

static void turn_end(void *user)
{
	for (EACH_BACK(p)) {
		if (p->flush) {
			p->flush(user);
		}
	}
}

static uint64_t deadline_ms(void *user)
{
	struct edge *e = user;
	return channel_deadline(e->channel);
}

static void tick(void *user, uint64_t now_ms)
{
	for (EACH(p)) {
		if (p->tick) {
			p->tick(user, now_ms);
		}
	}
}

static void gauges(void *user)
{
	for (EACH(p)) {
		if (p->gauges) {
			p->gauges(user);
		}
	}
}

static const char *service(void *user)
{
	const struct edge *e = user;
	return service_word(&e->service);
}

static bool is_in_service(void *user)
{
	struct edge *e = user;
	return service_is_in(&e->service);
}

static void reload(void *user)
{
	struct edge *e = user;
	rt_notify_reloading(e->core.d.notify);
	json_decref(read_files(e, false));
	rt_notify_ready(e->core.d.notify, service_word(&e->service));
}

static void drain(void *user)
{
	edge_service_drain(user);
}

/* Log lines about a partner that policy lists are limited per partner; those about everybody else share one limit. */
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

/* ---- construction ---- */

static int open_daemon(struct edge *e, char error[256])
{
	struct rt_daemon_options o = {
		.name = "edge",
		.config = &e->config->base,
		.commands = &admin_commands,
		.commands_user = &e->admin,
	};
	return rt_daemon_open(&e->core.d, &o, error);
}

static int start_parts(struct edge *e, char error[256])
{
	struct edge_creds fresh = { NULL, NULL };
	int rc = edge_load_creds(e->config, &fresh.partners, &fresh.channel, error);
	rc = rc == XFED_OK ? open_daemon(e, error) : rc;
	for (EACH(p)) {
		if (rc == XFED_OK && p->start) {
			rc = p->start(e, &fresh, error);
		}
	}
	xfed_tls_creds_unref(fresh.partners);
	xfed_tls_creds_unref(fresh.channel);
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
	int rc = e->config_path ? rt_daemon_init(&e->core.d, &daemon_user, e) : XFED_ERR_NOMEM;
	return rc == XFED_OK ? start_parts(e, error) : rc;
}

void edge_free(struct edge *e)
{
	if (!e) {
		return;
	}
	for (EACH_BACK(p)) {
		if (p->stop) {
			p->stop(e);
		}
	}
	rt_daemon_close(&e->core.d);
	for (EACH_BACK(p)) {
		if (p->free) {
			p->free(e);
		}
	}
	rt_daemon_deinit(&e->core.d);
	edge_config_free(e->config);
	xfed_free(e->config_path);
	xfed_free(e);
}
