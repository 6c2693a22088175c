#include "s2s/s2s_impl.h"

#include <utlist.h>

#include "xfed/mem.h"

#define LINGER_MS 2000

/* With `fn` NULL nobody waits any more: it only says goodbye, or waits for its job. */
struct s2s_probe {
	struct s2s_probe *prev, *next; /* s2s->probes */
	struct s2s *s2s;
	struct rt_stream *stream;
	struct xfed_s2s *machine; /* NULL while connecting */
	struct rt_job job;
	struct xfed_tls *job_tls;
	enum xfed_tls_result job_result;
	struct rt_timer timer;
	struct xfed_s2s_decision decision;
	struct xfed_tls_creds *creds; /* of the decision, held */
	char hash[XFED_DIALBACK_HEX + 1];
	uint32_t timeout_ms;
	void (*fn)(void *user, const struct s2s_probe_result *r);
	void *user;
	bool is_closed, wants_close;
	char local[XFED_JID_PART_BYTES + 1], remote[XFED_JID_PART_BYTES + 1];
};

static void drive(struct s2s_probe *p, struct xfed_s2s_event *ev);

static void release(struct s2s_probe *p)
{
	if (p->machine && xfed_s2s_has_job(p->machine)) {
		return; /* when it comes back */
	}
	DL_DELETE(p->s2s->probes, p);
	xfed_s2s_free(p->machine);
	xfed_tls_creds_unref(p->creds);
	xfed_wipe(p->hash, sizeof(p->hash));
	rt_timer_close(&p->timer);
	rt_stream_close(p->stream);
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
	if (p->machine) {
		xfed_s2s_info(p->machine, &info);
		r->info = &info;
	}
	fn(p->user, r);
}

/* ---- the conductor's driver ---- */

static void run_job(void *arg)
{
	struct s2s_probe *p = arg;
	p->job_result = xfed_tls_handshake_step(p->job_tls);
}

static void job_done(void *arg)
{
	struct s2s_probe *p = arg;
	struct xfed_s2s_event ev = { .type = XFED_S2S_JOB_DONE, .tls_result = p->job_result };
	if (p->is_closed) {
		xfed_s2s_step(p->machine, &ev, core_now(p->s2s->core));
		release(p);
		return;
	}
	rt_stream_resume(p->stream);
	drive(p, &ev);
}

static void start_job(struct s2s_probe *p, struct xfed_tls *tls)
{
	p->job_tls = tls;
	rt_job_start(&p->job, p->s2s->core->d.loop, run_job, job_done, p);
}

/* A close without a reason of its own, before the login, is no clean close. */
static enum xfed_reason reason_of(const struct xfed_s2s_action *act)
{
	return xfed_reason_info(act->reason)->condition ? act->reason : XFED_REASON_NET_STREAM_LOST;
}

static void perform(struct s2s_probe *p, const struct xfed_s2s_action *act)
{
	struct s2s_probe_result r = { .side = act->side, .text = act->text ? act->text : "" };
	switch (act->type) {
	case XFED_S2S_JOB:
		start_job(p, act->tls);
		break;
	case XFED_S2S_ESTABLISHED:
		r.method = act->method;
		report(p, &r);
		p->wants_close = true;
		break;
	case XFED_S2S_CLOSED:
		p->is_closed = true;
		r.reason = reason_of(act);
		report(p, &r);
		if (!act->is_abrupt) {
			rt_stream_kick(p->stream);
			rt_stream_linger(p->stream, LINGER_MS);
			p->stream = NULL;
		}
		break;
	case XFED_S2S_HEADER:
	case XFED_S2S_PAIR:
	case XFED_S2S_PAIR_REFUSED:
	case XFED_S2S_ASK_VERIFY:
	case XFED_S2S_AUTHORITY:
	case XFED_S2S_VERIFY_OPEN:
	case XFED_S2S_VERIFIED:
	case XFED_S2S_ACKED:
	case XFED_S2S_STANZA:
	case XFED_S2S_STANZA_REFUSED:
		break; /* of other kinds of streams */
	}
}

static void one_step(struct s2s_probe *p, struct xfed_s2s_event *ev)
{
	struct xfed_s2s_action act;
	xfed_s2s_step(p->machine, ev, core_now(p->s2s->core));
	while (xfed_s2s_next(p->machine, &act)) {
		perform(p, &act);
	}
	if (p->wants_close && !p->is_closed) {
		struct xfed_s2s_event end = { .type = XFED_S2S_CLOSE, .reason = XFED_REASON_STREAM_CLOSED_IDLE, .text = "" };
		p->wants_close = false;
		one_step(p, &end);
	}
}

static void pump(struct s2s_probe *p)
{
	struct xfed_s2s_event ev = { .type = XFED_S2S_PUMP };
	while (!p->is_closed && xfed_s2s_has_pending(p->machine)) {
		one_step(p, &ev);
	}
}

static void settle_down(struct s2s_probe *p)
{
	if (p->is_closed) {
		release(p);
		return;
	}
	rt_stream_kick(p->stream);
	rt_timer_set(&p->timer, xfed_s2s_deadline(p->machine));
}

/* `p` may be gone afterwards. */
static void drive(struct s2s_probe *p, struct xfed_s2s_event *ev)
{
	one_step(p, ev);
	pump(p);
	settle_down(p);
}

static size_t on_bytes(void *user, struct xfed_span in)
{
	struct s2s_probe *p = user;
	size_t taken = 0;
	while (taken < in.len && !p->is_closed && !xfed_s2s_has_job(p->machine)) {
		struct xfed_s2s_event ev = { .type = XFED_S2S_BYTES, .bytes = xfed_span_make(in.data + taken, in.len - taken) };
		one_step(p, &ev);
		pump(p);
		taken += ev.consumed;
		if (ev.consumed == 0) {
			break;
		}
	}
	settle_down(p);
	return taken;
}

static void on_error(void *user, enum xfed_reason reason)
{
	struct xfed_s2s_event ev = { .type = XFED_S2S_END, .reason = reason };
	drive(user, &ev);
}

static void on_eof(void *user)
{
	on_error(user, XFED_REASON_NONE);
}

static void on_timer(void *user)
{
	struct s2s_probe *p = user;
	struct xfed_s2s_event ev = { .type = XFED_S2S_TICK };
	if (p->machine && !p->is_closed) {
		drive(p, &ev);
	}
}

static int make_conductor(struct s2s_probe *p)
{
	struct xfed_s2s_config cfg = {
		.env = &p->s2s->core->d.env,
		.direction = XFED_S2S_OUT,
		.out = rt_stream_out(p->stream),
		.local = xfed_span_str(p->local),
		.remote = xfed_span_str(p->remote),
		.decision = p->decision,
		.establish_ms = p->timeout_ms,
	};
	return xfed_s2s_new(&cfg, &p->machine);
}

static void on_connect(void *user, enum xfed_reason reason)
{
	struct s2s_probe *p = user;
	if (reason == XFED_REASON_NONE && make_conductor(p) == XFED_OK) {
		struct xfed_s2s_event ev = { .type = XFED_S2S_START };
		drive(p, &ev);
		return;
	}
	reason = reason != XFED_REASON_NONE ? reason : XFED_REASON_STREAM_INTERNAL;
	struct s2s_probe_result r = { .reason = reason, .side = xfed_reason_info(reason)->side, .text = rt_stream_error_text(p->stream) };
	report(p, &r);
	release(p);
}

static const struct rt_stream_handlers handlers = { .on_connect = on_connect, .on_bytes = on_bytes, .on_eof = on_eof, .on_error = on_error };

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
	struct rt_addr source;
	struct s2s_probe *p = xfed_calloc(1, sizeof(*p));
	*out = NULL;
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	p->s2s = s;
	p->timeout_ms = cfg->timeout_ms;
	p->fn = cfg->fn;
	p->user = cfg->user;
	snprintf(p->local, sizeof(p->local), "%s", cfg->local);
	snprintf(p->remote, sizeof(p->remote), "%s", cfg->remote);
	keep_decision(p, &cfg->decision);
	DL_APPEND(s->probes, p);
	int rc = rt_timer_init(&p->timer, s->core->d.loop, on_timer, p);
	if (rc == XFED_OK) {
		rc = rt_stream_connect(s->core->d.loop, cfg->to, s2s_source_for(s, cfg->to, &source), s->config->limits.connect_timeout_ms, &handlers,
			p, XFED_S2S_OUTPUT_BYTES, &p->stream);
	}
	if (rc != XFED_OK) {
		release(p);
		return rc;
	}
	*out = p;
	return XFED_OK;
}

/* It says goodbye where a stream is open. */
void s2s_probe_cancel(struct s2s_probe *p)
{
	struct xfed_s2s_event end = { .type = XFED_S2S_CLOSE, .reason = XFED_REASON_STREAM_CLOSED_IDLE, .text = "" };
	if (!p) {
		return;
	}
	p->fn = NULL;
	if (!p->machine) {
		release(p);
	} else if (!p->is_closed) {
		drive(p, &end);
	}
}

void s2s_probes_close(struct s2s *s)
{
	struct s2s_probe *p, *next;
	DL_FOREACH_SAFE(s->probes, p, next) {
		s2s_probe_cancel(p);
	}
	DL_FOREACH_SAFE(s->probes, p, next) { /* these wait for the peer's goodbye, or for their job */
		p->is_closed = true;
		rt_stream_close(p->stream);
		p->stream = NULL;
		rt_timer_close(&p->timer);
		release(p);
	}
}
