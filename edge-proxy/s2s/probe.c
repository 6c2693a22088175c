/* A stream that is opened only to see how far it gets. It belongs to no pair, and changes no metric, waiting time or journal. */
#include "s2s/s2s_impl.h"

#include <utlist.h>

#include "xfed/mem.h"

/* `fn` is NULL after s2s_probe_cancel(): the probe then only closes its stream, or waits for its job. */
struct s2s_probe {
	struct driver d;	       /* has to be the first member */
	struct s2s_probe *prev, *next; /* links of s2s->probes */
	bool is_connected;
	void (*fn)(void *user, const struct s2s_probe_result *r);
	void *user;
};

static struct s2s_probe *probe_of(struct driver *d)
{
	return (struct s2s_probe *)d;
}

static void on_gone(struct driver *d)
{
	struct s2s_probe *p = probe_of(d);
	DL_DELETE(d->s2s->probes, p);
	xfed_free(p);
}

static void report(struct s2s_probe *p, struct s2s_probe_result *r)
{
	void (*fn)(void *user, const struct s2s_probe_result *r) = p->fn;
	struct xfed_s2s_info info;
	p->fn = NULL;
	if (!fn) {
		return;
	}
	if (p->is_connected) {
		xfed_s2s_info(p->d.machine, &info);
		r->info = &info;
	}
	fn(p->user, r);
}

/* Actions that concern pairs and stanzas do not occur on a probe, and are ignored. */
static void perform(struct driver *d, struct xfed_s2s_action *act)
{
	struct s2s_probe_result r = { .side = act->side, .text = "", .method = act->method };
	if (act->type == XFED_S2S_ESTABLISHED) {
		report(probe_of(d), &r);
		driver_close(d, XFED_REASON_STREAM_CLOSED_IDLE, "");
	}
}

/* A close without an error before authentication is a failure. */
static void on_closed(struct driver *d, const struct xfed_s2s_action *act)
{
	struct s2s_probe_result r = { .side = act->side, .text = act->text ? act->text : "" };
	r.reason = xfed_reason_info(act->reason)->condition ? act->reason : XFED_REASON_NET_STREAM_LOST;
	report(probe_of(d), &r);
}

static void on_connect(struct driver *d, enum xfed_reason reason)
{
	struct s2s_probe *p = probe_of(d);
	if (reason == XFED_REASON_NONE) {
		p->is_connected = true;
		driver_start(d);
		return;
	}
	struct s2s_probe_result r = { .reason = reason, .side = xfed_reason_info(reason)->side, .text = rt_stream_error_text(d->stream) };
	report(p, &r);
	driver_abandon(d);
}

static const struct driver_user probe_user = { .connected = on_connect, .perform = perform, .closed = on_closed, .gone = on_gone };

/* ---- start and end ---- */

/* The machine is made before TCP is connected: the policy that the decision borrows from may be replaced by then. */
int s2s_probe_new(struct s2s *s, const struct s2s_probe_config *cfg, struct s2s_probe **out)
{
	struct s2s_probe *p = xfed_calloc(1, sizeof(*p));
	*out = NULL;
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	p->fn = cfg->fn;
	p->user = cfg->user;
	struct xfed_s2s_config machine = { .direction = XFED_S2S_OUT,
		.local = xfed_span_str(cfg->local),
		.remote = xfed_span_str(cfg->remote),
		.decision = cfg->decision,
		.establish_ms = cfg->timeout_ms };
	DL_APPEND(s->probes, p);
	int rc = driver_init(&p->d, s, &probe_user);
	rc = rc == XFED_OK ? driver_connect(&p->d, cfg->to) : rc;
	rc = rc == XFED_OK ? driver_make(&p->d, &machine) : rc;
	if (rc != XFED_OK) {
		driver_abandon(&p->d);
		return rc;
	}
	*out = p;
	return XFED_OK;
}

void s2s_probe_cancel(struct s2s_probe *p)
{
	if (!p) {
		return;
	}
	p->fn = NULL;
	if (p->is_connected) {
		driver_close(&p->d, XFED_REASON_STREAM_CLOSED_IDLE, "");
	} else {
		driver_abandon(&p->d);
	}
}

void s2s_probes_stop(struct s2s *s)
{
	struct s2s_probe *p, *next;
	DL_FOREACH_SAFE(s->probes, p, next) {
		p->fn = NULL;
		driver_stop(&p->d);
	}
}
