/*
 * The journal in the daemon: what edges report goes in, questions come out, and jobs carry it to the store and back, one at a
 * time and in their order.
 */
#include "gateway.h"

#include <utlist.h>

#include "journal/journal.h"

struct failures_job {
	struct failures_job *prev, *next;
	struct gateway *gw;
	struct rt_job work;
	struct journal_job *job;
	gateway_failures_fn *fn; /* NULL: it only writes */
	void *user;
};

struct failures {
	struct journal *journal;
	struct failures_job *jobs; /* in their order */
	bool is_running;	   /* the first one */
};

static void run_job(void *arg)
{
	struct failures_job *j = arg;
	journal_job_run(j->job, store_begin(j->gw->store));
	store_end(j->gw->store);
}

static void end_job(struct failures_job *j)
{
	struct gateway *g = j->gw;
	char error[256];
	json_t *answer = NULL;
	int rc = journal_job_end(g->failures->journal, j->job, gateway_now(g), &answer, error);
	if (error[0]) {
		rt_log(RT_LOG_ERROR, "journal.store-failed", RT_KV_STR("text", error), RT_END);
	}
	DL_DELETE(g->failures->jobs, j);
	g->failures->is_running = false;
	if (j->fn) {
		j->fn(j->user, rc, answer);
	}
	json_decref(answer);
	xfed_free(j);
}

static void job_done(void *arg);

static void start_first(struct gateway *g)
{
	struct failures *f = g->failures;
	while (f->jobs && !f->is_running) {
		struct failures_job *j = f->jobs;
		f->is_running = true;
		if (!g->is_closing) {
			rt_job_start(&j->work, g->core.d.loop, run_job, job_done, j);
			return;
		}
		/* Where the loop ends, nothing more is handed to workers. */
		run_job(j);
		end_job(j);
	}
}

static void job_done(void *arg)
{
	struct failures_job *j = arg;
	struct gateway *g = j->gw;
	end_job(j);
	start_first(g);
}

static int add_job(struct gateway *g, const struct journal_question *q, gateway_failures_fn *fn, void *user)
{
	struct failures_job *j = xfed_calloc(1, sizeof(*j));
	if (!j || journal_job_new(g->failures->journal, q, gateway_wall_s(g), &j->job) != XFED_OK) {
		xfed_free(j);
		return XFED_ERR_NOMEM;
	}
	j->gw = g;
	j->fn = fn;
	j->user = user;
	DL_APPEND(g->failures->jobs, j);
	start_first(g);
	return XFED_OK;
}

static int add_stranger(struct gateway *g, struct xfed_span edge, const Xfed__FailureEvent *m, struct xfed_span name)
{
	char network[RT_SOURCE_TEXT] = "";
	struct rt_addr a;
	if (rt_addr_parse(&a, xfed_span_str(m->address), 0) == XFED_OK) {
		rt_source_text(&a, RT_SOURCE_NETWORK, network);
	}
	return journal_add_stranger(g->failures->journal, edge, xfed_span_str(network), name, m, gateway_wall_s(g));
}

void gateway_failures_add(struct gateway *g, struct xfed_span edge, const Xfed__FailureEvent *m, struct xfed_span name, bool is_stranger)
{
	int rc = is_stranger ? add_stranger(g, edge, m, name) : journal_add(g->failures->journal, edge, name, m, gateway_wall_s(g), gateway_now(g));
	if (rc != XFED_OK) {
		rt_log(RT_LOG_ERROR, "journal.lost", RT_KV_STR("partner", m->remote), RT_KV_STR("text", "out of memory"), RT_END);
	}
}

void gateway_failures_ask(struct gateway *g, const struct journal_question *q, gateway_failures_fn *fn, void *user)
{
	json_t *answer = NULL;
	int rc = journal_ask(g->failures->journal, q, gateway_wall_s(g), &answer);
	if (rc == XFED_ERR_AGAIN) {
		rc = add_job(g, q, fn, user);
		if (rc == XFED_OK) {
			return;
		}
	}
	fn(user, rc, answer);
	json_decref(answer);
}

static bool is_of(const json_t *f, struct xfed_span local, const char *direction)
{
	const char *l = json_string_value(json_object_get(f, "local")), *d = json_string_value(json_object_get(f, "direction"));
	return l && d && xfed_span_is(local, l) && strcmp(d, direction) == 0;
}

json_t *gateway_failures_last(struct gateway *g, struct xfed_span local, struct xfed_span remote, const char *direction)
{
	struct journal_question q = { .limit = JOURNAL_LIST_MAX };
	json_t *page = NULL, *f, *found = NULL;
	size_t i;
	if (remote.len >= sizeof(q.partner)) {
		return NULL;
	}
	memcpy(q.partner, remote.data, remote.len);
	if (journal_ask(g->failures->journal, &q, gateway_wall_s(g), &page) != XFED_OK) {
		return NULL; /* what is in memory is enough for "the last one" */
	}
	json_array_foreach(json_object_get(page, "failures"), i, f) {
		if (is_of(f, local, direction)) {
			found = json_incref(f);
			break;
		}
	}
	json_decref(page);
	return found;
}

void gateway_failures_tick(struct gateway *g)
{
	if (journal_flush_is_due(g->failures->journal, gateway_now(g)) && add_job(g, NULL, NULL, NULL) != XFED_OK) {
		rt_log(RT_LOG_ERROR, "journal.store-failed", RT_KV_STR("text", "out of memory"), RT_END);
	}
}

int gateway_failures_start(struct gateway *g, char error[256])
{
	struct failures *f = xfed_calloc(1, sizeof(*f));
	int rc = f ? journal_new(NULL, &f->journal) : XFED_ERR_NOMEM;
	if (rc == XFED_OK) {
		rc = journal_load(f->journal, store_begin(g->store), error);
		store_end(g->store);
	}
	if (rc != XFED_OK) {
		journal_free(f ? f->journal : NULL);
		xfed_free(f);
		return rc;
	}
	g->failures = f;
	return XFED_OK;
}

/* The loop is gone, and so are its jobs: what is left is written here. */
void gateway_failures_stop(struct gateway *g)
{
	if (!g->failures) {
		return;
	}
	if (add_job(g, NULL, NULL, NULL) != XFED_OK) {
		rt_log(RT_LOG_ERROR, "journal.store-failed", RT_KV_STR("text", "out of memory"), RT_END);
	}
	journal_free(g->failures->journal);
	xfed_free(g->failures);
	g->failures = NULL;
}
