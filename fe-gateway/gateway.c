#include "parts.h"

#include <errno.h>
#include <stdio.h>

#include "xfed/mem.h"
#include "xfed/rt/log.h"

/* ---- the parts ---- */

/* Functions of parts that only call their room. */
#define PART(name, call)                                                                                                                             \
	static void name(struct gateway *g)                                                                                                          \
	{                                                                                                                                            \
		call;                                                                                                                                \
	}
/* Whether a part has nothing under way. */
#define QUIET(name, expression)                                                                                                                      \
	static bool name(const struct gateway *g)                                                                                                    \
	{                                                                                                                                            \
		return expression;                                                                                                                   \
	}
QUIET(policy_is_quiet, !policy_is_reloading(g->policy))
QUIET(channel_is_quiet, channel_waiting(g->channel) == 0)
QUIET(im_has_nothing, im_is_quiet(g->im))
PART(tick_store, store_tick(g->store, core_now(&g->core)))
PART(stop_store, store_stop(g->store))
PART(free_store, store_close(g->store))
PART(stop_policy, policy_stop(g->policy))
PART(free_policy, policy_free(g->policy))
PART(tick_journal, journal_tick(g->journal))
PART(stop_journal, journal_stop(g->journal))
PART(free_journal, journal_free(g->journal))
PART(tick_channel, channel_tick(g->channel, core_now(&g->core)))
PART(flush_channel, channel_flush(g->channel))
PART(drain_channel, channel_drain(g->channel, policy_config(g->policy)->base.stop_timeout_ms))
PART(give_up_channel, channel_give_up(g->channel))
PART(close_channel, channel_close(g->channel))
PART(gauges_store, rt_metric_set(g->core.d.metrics, RT_M_STORE_WRITABLE, !store_state(g->store)->is_failing, RT_NO_LABELS))
PART(gauges_channel, channel_gauges(g->channel))
PART(stop_channel, channel_free(g->channel))
PART(free_channel, channel_done(g->channel))
PART(tick_trunk, trunk_tick(g->trunk, core_now(&g->core)))
PART(flush_trunk, trunk_flush(g->trunk))
PART(drain_trunk, trunk_drain(g->trunk))
PART(stop_trunk, trunk_stop(g->trunk))
PART(free_trunk, trunk_free(g->trunk))
PART(flush_contacts, contacts_flush(g->contacts))
PART(stop_contacts, contacts_stop(g->contacts))
PART(free_contacts, contacts_free(g->contacts))
PART(free_deliver, deliver_free(g->deliver))
PART(gauges_presence, presence_gauges(g->presence))
PART(tick_presence, presence_tick(g->presence))
PART(flush_presence, presence_flush(g->presence))
PART(drain_presence, presence_drain(g->presence))
PART(stop_presence, presence_stop(g->presence))
PART(free_presence, presence_free(g->presence))
PART(flush_sessions, sessions_flush(g->sessions))
PART(gauges_sessions, sessions_gauges(g->sessions))
PART(drain_sessions, sessions_drain(g->sessions))
PART(close_sessions, sessions_close(g->sessions))
PART(stop_sessions, sessions_stop(g->sessions))
PART(free_sessions, sessions_free(g->sessions))
PART(tick_im, im_tick(g->im, core_now(&g->core)))
PART(flush_im, im_flush(g->im))
PART(drain_im, im_drain(g->im))
PART(give_up_im, im_give_up(g->im))
PART(close_im, im_close(g->im))
PART(free_im, im_free(g->im))

PART(tick_panel, panel_tick(g->panel))
PART(gauges_panel, panel_gauges(g->panel))
PART(stop_panel, panel_stop(g->panel))
PART(free_panel, panel_free(g->panel))
PART(tick_admin, admin_tick(&g->admin))
PART(flush_admin, admin_flush(&g->admin))
PART(drain_admin, admin_drain(&g->admin))
PART(stop_admin, admin_stop(&g->admin))

static void on_swapped(void *user, bool is_new);
static const struct policy_user policy_user = { .swapped = on_swapped };

static int start_store(struct gateway *g, char error[256])
{
	char said[256];
	int rc = store_open(policy_files_config(g->files)->store.sqlite, &g->core.d.env, &g->store, said);
	snprintf(error, 256, "store.sqlite: %.240s", said);
	return rc;
}

static int start_policy(struct gateway *g, char error[256])
{
	struct policy_files *files = g->files;
	g->files = NULL;
	return policy_new(&g->core, g->store, g->config_path, files, &policy_user, g, &g->policy, error);
}

static int start_journal(struct gateway *g, char error[256])
{
	return journal_new(&g->core, g->store, &g->journal, error);
}

static int start_channel(struct gateway *g, char error[256])
{
	return channel_new(&g->core, g->policy, g->journal, &gateway_links, g, &g->channel);
}

/* The number of deliveries that have no outcome yet, and of those that are past their deadline. */
struct load {
	size_t in_flight, late;
};

static void load_channel(const struct gateway *g, struct load *l)
{
	l->in_flight += channel_waiting(g->channel);
	l->late += channel_late(g->channel, core_now(&g->core));
}

static void reloaded_channel(struct gateway *g, bool is_new)
{
	channel_policy_swapped(g->channel, is_new);
}

static struct trunk_files trunk_files(const struct gateway *g)
{
	return (struct trunk_files){ policy_config(g->policy), policy_sip_creds(g->policy), policy_outside_creds(g->policy) };
}

static int start_trunk(struct gateway *g, char error[256])
{
	struct trunk_files files = trunk_files(g);
	return trunk_new(&g->core, &files, &g->trunk, error);
}

static void reloaded_trunk(struct gateway *g, bool is_new)
{
	struct trunk_files files = trunk_files(g);
	trunk_reloaded(g->trunk, &files);
}

/* This part is the last that loads from the store, so the store's thread is started here. */
static int start_contacts(struct gateway *g, char error[256])
{
	int rc = contacts_new(0, &g->contacts);
	rc = rc == XFED_OK ? contacts_load(g->contacts, &g->core, g->store, error) : rc;
	return rc == XFED_OK ? store_start(g->store, g->core.d.loop) : rc;
}

static void tick_contacts(struct gateway *g)
{
	contacts_tick(g->contacts, core_now(&g->core));
	contacts_save(g->contacts);
}

static int start_deliver(struct gateway *g, char error[256])
{
	struct deliver_rooms rooms = { &g->core, g->policy, g->journal, g->channel, g->trunk, g->contacts };
	return deliver_new(&rooms, &g->deliver);
}

static int start_sessions(struct gateway *g, char error[256])
{
	struct sessions_rooms rooms = { &g->core, g->policy, g->journal, g->trunk, g->deliver };
	return sessions_new(&rooms, &g->sessions);
}

static int start_im(struct gateway *g, char error[256])
{
	struct im_rooms rooms = { &g->core, g->policy, g->journal, g->channel, g->trunk, g->contacts, g->deliver, g->sessions };
	return im_new(&rooms, &g->im);
}

static void load_im(const struct gateway *g, struct load *l)
{
	struct im_load im = im_load(g->im);
	l->in_flight += im.to_sip + im.held;
	l->late += im.late;
}

static int start_presence(struct gateway *g, char error[256])
{
	struct presence_rooms rooms = { &g->core, g->policy, g->channel, g->trunk, g->contacts, g->deliver, g->store };
	return presence_new(&rooms, &g->presence, error);
}

#define RELOADED(name, call)                                                                                                                         \
	static void name(struct gateway *g, bool is_new)                                                                                             \
	{                                                                                                                                            \
		call;                                                                                                                                \
	}
RELOADED(reloaded_presence, presence_reloaded(g->presence))
RELOADED(reloaded_im, im_reloaded(g->im))
RELOADED(reloaded_panel, panel_reloaded(g->panel))

static const char *service(void *user);
static bool is_leaving(void *user);
static size_t in_flight(void *user);
static void add_problems(void *user, json_t *list);

/* Started late: commands may come as soon as the control socket exists. */
static int start_admin(struct gateway *g, char error[256])
{
	g->admin = (struct admin){
		.core = &g->core,
		.store = g->store,
		.policy = g->policy,
		.journal = g->journal,
		.channel = g->channel,
		.trunk = g->trunk,
		.contacts = g->contacts,
		.im = g->im,
		.sessions = g->sessions,
		.presence = g->presence,
		.service = service,
		.is_leaving = is_leaving,
		.in_flight = in_flight,
		.problems = add_problems,
		.service_user = g,
	};
	struct rt_daemon_options o = {
		.name = "gateway", .config = &policy_config(g->policy)->base, .commands = &admin_commands, .commands_user = &g->admin
	};
	return rt_daemon_open(&g->core.d, &o, error);
}

static int start_panel(struct gateway *g, char error[256])
{
	struct panel_rooms rooms = { &g->core, g->policy, &admin_commands, &g->admin };
	return panel_new(&rooms, &g->panel, error);
}

/*
 * From the lowest room up. Parts start and tick in this order; flush, drain and stop go through them backwards. So at the end of a turn SIP
 * responses and requests are sent first, which may settle or ask for deliveries, and the links last, which then encrypt everything at once.
 * NULL: the part has nothing to do there.
 */
struct part {
	const char *name;
	int (*start)(struct gateway *g, char error[256]);
	void (*tick)(struct gateway *g);
	void (*flush)(struct gateway *g);
	void (*load)(const struct gateway *g, struct load *l); /* adds the part's own */
	void (*gauges)(struct gateway *g);		       /* updates the metrics that are computed only when somebody reads them */
	void (*drain)(struct gateway *g);		       /* begin nothing new */
	bool (*is_quiet)(const struct gateway *g);	       /* nothing of this part is in flight */
	void (*give_up)(struct gateway *g);		       /* settles what is left, as refused or uncertain */
	void (*reloaded)(struct gateway *g, bool is_new);      /* other files are in force; `is_new`: the snapshot differs too */
	void (*close)(struct gateway *g);		       /* answers and messages of the last turn; may be called again */
	void (*stop)(struct gateway *g);		       /* while the loop still runs */
	void (*free)(struct gateway *g);
};

static const struct part parts[] = {
	{ .name = "store", .start = start_store, .tick = tick_store, .gauges = gauges_store, .stop = stop_store, .free = free_store },
	{ .name = "policy", .start = start_policy, .is_quiet = policy_is_quiet, .close = stop_policy, .stop = stop_policy, .free = free_policy },
	{ .name = "journal", .start = start_journal, .tick = tick_journal, .stop = stop_journal, .free = free_journal },
	{ .name = "channel",
		.start = start_channel,
		.tick = tick_channel,
		.flush = flush_channel,
		.load = load_channel,
		.gauges = gauges_channel,
		.drain = drain_channel,
		.is_quiet = channel_is_quiet,
		.give_up = give_up_channel,
		.reloaded = reloaded_channel,
		.close = close_channel,
		.stop = stop_channel,
		.free = free_channel },
	{ .name = "trunk",
		.start = start_trunk,
		.tick = tick_trunk,
		.flush = flush_trunk,
		.drain = drain_trunk,
		.reloaded = reloaded_trunk,
		.stop = stop_trunk,
		.free = free_trunk },
	{ .name = "contacts", .start = start_contacts, .tick = tick_contacts, .flush = flush_contacts, .stop = stop_contacts, .free = free_contacts },
	{ .name = "deliver", .start = start_deliver, .free = free_deliver },
	{ .name = "sessions",
		.start = start_sessions,
		.flush = flush_sessions,
		.gauges = gauges_sessions,
		.drain = drain_sessions,
		.close = close_sessions,
		.stop = stop_sessions,
		.free = free_sessions },
	{ .name = "im",
		.start = start_im,
		.tick = tick_im,
		.flush = flush_im,
		.load = load_im,
		.drain = drain_im,
		.is_quiet = im_has_nothing,
		.give_up = give_up_im,
		.reloaded = reloaded_im,
		.close = close_im,
		.free = free_im },
	{ .name = "presence",
		.start = start_presence,
		.tick = tick_presence,
		.flush = flush_presence,
		.gauges = gauges_presence,
		.drain = drain_presence,
		.reloaded = reloaded_presence,
		.stop = stop_presence,
		.free = free_presence },
	{ .name = "admin", .start = start_admin, .tick = tick_admin, .flush = flush_admin, .drain = drain_admin, .stop = stop_admin },
	{ .name = "panel",
		.start = start_panel,
		.tick = tick_panel,
		.gauges = gauges_panel,
		.reloaded = reloaded_panel,
		.stop = stop_panel,
		.free = free_panel },
};

#define PARTS XFED_ARRAY_LEN(parts)

/* Calls a function of every part that has it, from the lowest room up, or from the highest down. */
#define UP(what, ...)                                                                                                                                \
	do {                                                                                                                                         \
		for (size_t i = 0; i < PARTS; i++) {                                                                                                 \
			if (parts[i].what) {                                                                                                         \
				parts[i].what(__VA_ARGS__);                                                                                          \
			}                                                                                                                            \
		}                                                                                                                                    \
	} while (false)
#define DOWN(what, g)                                                                                                                                \
	do {                                                                                                                                         \
		for (size_t i = PARTS; i-- > 0;) {                                                                                                   \
			if (parts[i].what) {                                                                                                         \
				parts[i].what(g);                                                                                                    \
			}                                                                                                                            \
		}                                                                                                                                    \
	} while (false)

/* ---- in and out of service ---- */

static void tell(const struct gateway *g)
{
	enum service_state s = g->service.state;
	rt_log(s == SERVICE_IN ? RT_LOG_INFO : RT_LOG_WARNING, "service.state", RT_KV_STR("state", service_word(&g->service)),
		RT_KV_REASON(s == SERVICE_OUT ? XFED_REASON_CHANNEL_DOWN : XFED_REASON_NONE), RT_END);
	rt_notify_status(g->core.d.notify, service_word(&g->service));
}

static void perform(struct gateway *g, enum service_action action)
{
	switch (action) {
	case SERVICE_NOTHING:
		break;
	case SERVICE_TELL:
		tell(g);
		break;
	case SERVICE_DRAIN_PARTS:
		tell(g);
		rt_notify_stopping(g->core.d.notify, "draining");
		UP(drain, g);
		core_flush_soon(&g->core);
		break;
	case SERVICE_GIVE_UP:
		rt_log(RT_LOG_WARNING, "service.give-up", RT_KV_U64("to_xmpp", channel_waiting(g->channel)),
			RT_KV_U64("to_sip", im_load(g->im).to_sip),
			RT_KV_STR("text", "stop_timeout is nearly over: the senders of what is still under way are answered now"), RT_END);
		DOWN(give_up, g);
		core_flush_soon(&g->core);
		break;
	case SERVICE_CLOSE_ALL:
		DOWN(close, g);
		break;
	case SERVICE_STOP:
		DOWN(close, g);
		rt_loop_stop(g->core.d.loop);
		break;
	}
}

static bool is_quiet(const struct gateway *g)
{
	bool quiet = true;
	for (size_t i = 0; quiet && i < PARTS; i++) {
		quiet = !parts[i].is_quiet || parts[i].is_quiet(g);
	}
	return quiet;
}

void gateway_step(struct gateway *g, enum service_event ev)
{
	struct service_facts f = { .now_ms = core_now(&g->core),
		.has_edge = channel_is_usable(g->channel),
		.is_quiet = service_is_draining(&g->service) && is_quiet(g),
		.stop_timeout_ms = policy_config(g->policy)->base.stop_timeout_ms };
	perform(g, service_step(&g->service, ev, &f));
	rt_timer_set(&g->leave, g->service.deadline_ms);
}

static void on_leave(void *user)
{
	gateway_step(user, SERVICE_TICK);
}

/* ---- what the rooms call ---- */

static void on_swapped(void *user, bool is_new)
{
	struct gateway *g = user;
	UP(reloaded, g, is_new);
}

/* ---- what the daemon (rt/daemon.h) calls ---- */

static void turn_end(void *user)
{
	struct gateway *g = user;
	DOWN(flush, g);
	if (service_is_draining(&g->service)) {
		gateway_step(g, SERVICE_LEFT);
	}
}

static void tick(void *user, uint64_t now_ms)
{
	UP(tick, user);
}

static uint64_t deadline_ms(void *user)
{
	return channel_deadline(((struct gateway *)user)->channel);
}

static struct load load(const struct gateway *g)
{
	struct load l = { 0 };
	UP(load, g, &l);
	return l;
}

static size_t in_flight(void *user)
{
	return load(user).in_flight;
}

static void gauges(void *user)
{
	struct gateway *g = user;
	struct load l = load(g);
	rt_metric_set(g->core.d.metrics, RT_M_DELIVERIES_IN_FLIGHT, (double)l.in_flight, RT_NO_LABELS);
	rt_metric_set(g->core.d.metrics, RT_M_DELIVERIES_UNACCOUNTED, (double)l.late, RT_NO_LABELS);
	UP(gauges, g);
	const struct xfed_tls_creds *const ours[] = { policy_channel_creds(g->policy), policy_sip_creds(g->policy), policy_outside_creds(g->policy),
		policy_panel_creds(g->policy) };
	rt_daemon_certificates(&g->core.d, ours, XFED_ARRAY_LEN(ours));
}

static const char *service(void *user)
{
	return service_word(&((struct gateway *)user)->service);
}

static bool is_leaving(void *user)
{
	return service_is_draining(&((struct gateway *)user)->service);
}

static void add_problems(void *user, json_t *list)
{
	panel_problems(((struct gateway *)user)->panel, list);
}

static bool is_in_service(void *user)
{
	return ((struct gateway *)user)->service.state == SERVICE_IN;
}

static void reload(void *user)
{
	policy_reload(((struct gateway *)user)->policy, (struct rt_reply){ 0 });
}

static void drain(void *user)
{
	gateway_step(user, SERVICE_DRAIN);
}

/* Log lines about a listed partner are limited per partner; those about everybody else share one limit. */
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

/* ---- construction ---- */

int gateway_new(const char *config_path, struct policy_files *files, struct gateway **out, char error[256])
{
	struct gateway *g = *out = xfed_calloc(1, sizeof(*g));
	snprintf(error, 256, "out of memory");
	if (!g) {
		policy_files_free(files);
		return XFED_ERR_NOMEM;
	}
	g->config_path = config_path;
	g->files = files;
	int rc = rt_daemon_init(&g->core.d, &daemon_user, g);
	rc = rc == XFED_OK ? rt_timer_init(&g->leave, g->core.d.loop, on_leave, g) : rc;
	for (size_t i = 0; rc == XFED_OK && i < PARTS; i++) {
		rc = parts[i].start(g, error);
	}
	return rc;
}

void gateway_run(struct gateway *g)
{
	rt_daemon_run(&g->core.d, policy_config(g->policy)->base.name);
}

void gateway_free(struct gateway *g)
{
	if (!g) {
		return;
	}
	DOWN(stop, g);
	rt_daemon_close(&g->core.d); /* jobs return during this call, and a reload answers the command that asked for it */
	DOWN(free, g);
	policy_files_free(g->files);
	rt_daemon_deinit(&g->core.d);
	xfed_wipe(g->core.id_key, sizeof(g->core.id_key));
	xfed_free(g);
}
