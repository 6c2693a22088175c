/* A stream that is opened to see how far it gets. It belongs to no pair and leaves no trace in metrics, back-off or the journal. */
#include "s2s/s2s_impl.h"

#include <utlist.h>

#include "xfed/mem.h"

/* With `fn` NULL nobody waits any more: it only says goodbye, or waits for its job. */
struct s2s_probe {
	struct driver d;	       /* first */
	struct s2s_probe *prev, *next; /* s2s->probes */
	struct xfed_s2s_decision decision;
	struct xfed_tls_creds *creds; /* of the decision, held */
	char hash[XFED_DIALBACK_HEX + 1];
	uint32_t timeout_ms;
	void (*fn)(void *user, const struct s2s_probe_result *r);
	void *user;
	char local[XFED_JID_PART_BYTES + 1], remote[XFED_JID_PART_BYTES + 1];
};

static struct s2s_probe *probe_of(struct driver *d)
{
	return (struct s2s_probe *)d;
}

static void on_gone(struct driver *d)
{
	struct s2s_probe *p = probe_of(d);
	DL_DELETE(d->s2s->probes, p);
	xfed_tls_creds_unref(p->creds);
	xfed_wipe(p->hash, sizeof(p->hash));
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
	if (p->d.machine) {
		xfed_s2s_info(p->d.machine, &info);
		r->info = &info;
	}
	fn(p->user, r);
}

/* What belongs to streams of other kinds is left alone. */
static void perform(struct driver *d, struct xfed_s2s_action *act)
{
	struct s2s_probe_result r = { .side = act->side, .text = "", .method = act->method };
	if (act->type == XFED_S2S_ESTABLISHED) {
		report(probe_of(d), &r);
		driver_close(d, XFED_REASON_STREAM_CLOSED_IDLE, "");
	}
}

/* A close without a reason of its own, before the login, is no clean close. */
static void on_closed(struct driver *d, const struct xfed_s2s_action *act)
{
	struct s2s_probe_result r = { .side = act->side, .text = act->text ? act->text : "" };
	r.reason = xfed_reason_info(act->reason)->condition ? act->reason : XFED_REASON_NET_STREAM_LOST;
	report(probe_of(d), &r);
}

static void on_connect(struct driver *d, enum xfed_reason reason)
{
	struct s2s_probe *p = probe_of(d);
	struct xfed_s2s_config cfg = { .direction = XFED_S2S_OUT,
		.local = xfed_span_str(p->local),
		.remote = xfed_span_str(p->remote),
		.decision = p->decision,
		.establish_ms = p->timeout_ms };
	if (reason == XFED_REASON_NONE && driver_make(d, &cfg) == XFED_OK) {
		driver_start(d);
		return;
	}
	reason = reason != XFED_REASON_NONE ? reason : XFED_REASON_STREAM_INTERNAL;
	struct s2s_probe_result r = { .reason = reason, .side = xfed_reason_info(reason)->side, .text = rt_stream_error_text(d->stream) };
	report(p, &r);
	driver_abandon(d);
}

static const struct driver_user probe_user = { .connected = on_connect, .perform = perform, .closed = on_closed, .gone = on_gone };

/* ---- beginning and end ---- */

/* The policy the decision comes from may be swapped before TCP is there: what it borrows is kept. */
static void keep_decision(struct s2s_probe *p, const struct xfed_s2s_decision *d)
{
	p->decision = *d;
	p->creds = d->creds ? xfed_tls_creds_ref(d->creds) : NULL;
	p->decision.creds = p->creds;
	if (d->dialback_hash.len == XFED_DIALBACK_HEX) {
		memcpy(p->hash, d->dialback_hash.data, XFED_DIALBACK_HEX);
	}
	p->decision.dialback_hash = xfed_span_str(p->hash);
}

int s2s_probe_new(struct s2s *s, const struct s2s_probe_config *cfg, struct s2s_probe **out)
{
	struct s2s_probe *p = xfed_calloc(1, sizeof(*p));
	*out = NULL;
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	p->timeout_ms = cfg->timeout_ms;
	p->fn = cfg->fn;
	p->user = cfg->user;
	snprintf(p->local, sizeof(p->local), "%s", cfg->local);
	snprintf(p->remote, sizeof(p->remote), "%s", cfg->remote);
	keep_decision(p, &cfg->decision);
	DL_APPEND(s->probes, p);
	int rc = driver_init(&p->d, s, &probe_user);
	rc = rc == XFED_OK ? driver_connect(&p->d, cfg->to) : rc;
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
	if (p->d.machine) {
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
