/*
 * What both daemons have in common: the loop with its signals and its lag, the tick, the end of a turn, metrics, resolver, control socket,
 * HTTP pages for monitoring, systemd; and main().
 *
 *   tick      once a second, or earlier as deadline() says
 *   turn end  once in every turn in which rt_daemon_flush_soon() was called: writes what was collected
 *   close     stops everything and waits for jobs; tables that jobs and callbacks use have to live until afterwards
 */
#ifndef XFED_RT_DAEMON_H
#define XFED_RT_DAEMON_H

#include "xfed/reason.h"
#include "xfed/rt/certs.h"
#include "xfed/rt/conf_base.h"
#include "xfed/rt/control.h"
#include "xfed/rt/http.h"
#include "xfed/rt/loop.h"
#include "xfed/rt/metrics.h"
#include "xfed/rt/notify.h"
#include "xfed/rt/resolver.h"
#include "xfed/rt/timer.h"

/* Functions of the daemon, called from the loop; every member is set. */
struct rt_daemon_user {
	void (*turn_end)(void *user);
	void (*tick)(void *user, uint64_t now_ms);
	uint64_t (*deadline_ms)(void *user); /* when the next tick has to come at the latest, asked at the end of a turn; UINT64_MAX: as usual */
	void (*gauges)(void *user);	     /* updates the metrics that are computed only when somebody reads them */
	const char *(*service)(void *user);  /* its state in a word */
	bool (*is_in_service)(void *user);
	void (*reload)(void *user); /* SIGHUP */
	void (*drain)(void *user);  /* SIGTERM, SIGINT */
	/* The partner this domain belongs to, whose log lines have a limit of their own; NULL: not listed. */
	const char *(*listed_partner)(void *user, struct xfed_span domain);
};

/* Members up to the line are public; none changes after rt_daemon_open(). */
struct rt_daemon {
	struct rt_loop *loop;
	struct xfed_env env;
	struct rt_metrics *metrics;
	struct rt_certs *certs; /* when certificates end */
	struct rt_resolver *resolver;
	struct rt_control *control;
	struct rt_http *http; /* NULL: no HTTP pages */
	struct rt_notify *notify;
	uint64_t boot_nonce; /* of this run, random, never 0 */
	uint64_t started_ms;
	struct rt_daemon_reload {
		int64_t ended_s; /* when the last reload ended; 0: there was none */
		char error[512]; /* the first error in its files; empty: it succeeded */
	} reload;
	/* private: */
	struct {
		uint64_t count;
		int64_t last_s;
		char call[64]; /* the last one */
	} denied;	       /* calls that the sandbox did not let through */
	uint64_t closed_ms;    /* the loop's time when it was closed */
	const struct rt_daemon_user *user;
	void *user_data;
	struct rt_post flush;
	struct rt_timer tick;
	uint64_t tick_at_ms; /* the next tick comes then, however busy the loop is */
};

/* OK, NOMEM, LIBRARY. `user` outlives it. rt_daemon_close() and rt_daemon_deinit() have to follow in any case. */
int rt_daemon_init(struct rt_daemon *d, const struct rt_daemon_user *user, void *user_data);

struct rt_daemon_options {
	const char *name; /* "edge", "gateway", for the build's metric */
	const struct rt_conf_base *config;
	const struct rt_command_table *commands;
	void *commands_user; /* NULL: the user of the daemon */
};
/* Starts resolver, control socket, HTTP pages and the tick. XFED_OK, or an error with one sentence in `error`. */
int rt_daemon_open(struct rt_daemon *d, const struct rt_daemon_options *o, char error[256]);

void rt_daemon_run(struct rt_daemon *d, const char *name); /* reports that it is ready, and runs until rt_loop_stop() */
void rt_daemon_close(struct rt_daemon *d);		   /* jobs that are still running return during this call */
void rt_daemon_deinit(struct rt_daemon *d);		   /* metrics; zeroed is fine */

void rt_daemon_flush_soon(struct rt_daemon *d);
static inline uint64_t rt_daemon_now_ms(const struct rt_daemon *d)
{
	return d->loop ? rt_loop_now_ms(d->loop) : d->closed_ms;
}
static inline int64_t rt_daemon_wall_s(const struct rt_daemon *d)
{
	return d->env.wall_s(d->env.user);
}
static inline int64_t rt_daemon_began_s(const struct rt_daemon *d)
{
	return rt_daemon_wall_s(d) - (int64_t)((rt_daemon_now_ms(d) - d->started_ms) / 1000);
}

/* ---- metrics counted by every part; `partner` is a listed partner's name or "other", the rest are words of metrics.def ---- */

void rt_daemon_count_refusal(struct rt_daemon *d, enum xfed_reason reason, enum xfed_side side);
void rt_daemon_count_stanza(struct rt_daemon *d, const char *partner, const char *direction, const char *kind, const char *fate);
void rt_daemon_count_dropped(struct rt_daemon *d, const char *rule);
/* Watches our certificates, and sets the metric of all that are watched; a set may be NULL. Comes once a second, with the gauges. */
void rt_daemon_certificates(struct rt_daemon *d, const struct xfed_tls_creds *const *sets, size_t count);
/* To the problems, or notes, of `status`: those of that owner that end within RT_CERT_SOON_S. Not for ours: rt_control_add_certificates(). */
void rt_daemon_add_ends(const struct rt_daemon *d, enum rt_cert_owner owner, json_t *list);
json_t *rt_daemon_watched(const struct rt_daemon *d); /* "certificates" of watched certificates */
/* Of such a list those that end first, in that order; `max` at most. NULL: no memory. */
json_t *rt_certs_soonest(const json_t *list, size_t max);

/* ---- configuration ---- */

void rt_daemon_start_log(const struct rt_conf_base *c); /* before anything else */
/* For a reload: logs what changes and which keys need a restart, then applies what belongs to the daemon. `after` is the result of rt_conf_keep(). */
void rt_daemon_configure(struct rt_daemon *d, const struct rt_conf_base *before, const struct rt_conf_base *after);
/* The end of a reload. Not ok: what is in force stays, and `status` reports it until a reload succeeds. */
void rt_daemon_reloaded(struct rt_daemon *d, bool ok, const struct rt_conf_errors *errors);
/* The problems of `status` that both services have: a failed reload, keys that need a restart. */
void rt_daemon_problems(const struct rt_daemon *d, const struct rt_conf_doc *in_force, json_t *problems);

/* ---- the sandbox (sandbox.h) ---- */

/*
 * Names what the configuration makes the service use (its files, its listening ports) and enters the sandbox. Once per process, before any
 * thread and rt_daemon_init(); what else will be read has been named before. XFED_OK, or an error with one sentence in `error`: the process
 * has to end.
 */
int rt_daemon_confine(const struct rt_conf_base *c, char error[256]);

/* ---- main() ---- */

struct rt_program {
	const char *name, *default_config;
	int (*init)(void); /* initialises further libraries, or NULL; OK */
	void (*deinit)(void);
	/* Loads the configuration, prints its errors, and serves unless `check_only`. Returns the exit status. */
	int (*run)(const char *config_path, bool check_only);
};
int rt_program_main(const struct rt_program *p, int argc, char **argv);

#endif
