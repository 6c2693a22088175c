/* The journal in the daemon: takes reports of edges, answers commands, and submits batches to the store. */
#include <stdio.h>

#include "journal/journal_impl.h"
#include "xfed/mem.h"
#include "xfed/rt/log.h"
#include "xfed/rt/source.h"

struct journal {
	struct core *core;
	struct store *store;
	struct ring *ring;
};

struct core *journal_core(struct journal *j)
{
	return j->core;
}

static void complain(const struct journal *j, const char *text)
{
	rt_log(RT_LOG_ERROR, "journal.store-failed", RT_KV_REASON(XFED_REASON_STORE_WRITE_FAILED), RT_KV_STR("text", text),
		RT_KV_U64("lost", j->ring->lost), RT_END);
}

static void done(struct store_batch *batch)
{
	struct ring_batch *b = (struct ring_batch *)batch;
	struct journal *j = b->journal;
	journal_answer_fn *fn = b->fn;
	void *user = b->user;
	char error[256];
	json_t *answer;
	int rc = ring_batch_end(j->ring, b, core_now(j->core), &answer, error);
	if (error[0]) {
		complain(j, error);
	}
	if (fn) {
		fn(user, rc, answer);
	}
	json_decref(answer);
}

static int submit(struct journal *j, const struct journal_question *q, journal_answer_fn *fn, void *user)
{
	struct ring_batch *b;
	int rc = ring_batch_new(j->ring, q, core_wall_s(j->core), done, &b);
	if (rc == XFED_OK) {
		b->journal = j;
		b->fn = fn;
		b->user = user;
		store_submit(j->store, &b->store);
	}
	return rc;
}

static void flush(struct journal *j)
{
	if (submit(j, NULL, NULL, NULL) != XFED_OK) {
		complain(j, "out of memory");
	}
}

static int add_stranger(struct journal *j, struct xfed_span edge, const Xfed__FailureEvent *m, struct xfed_span name)
{
	char network[RT_SOURCE_TEXT] = "";
	struct rt_addr a;
	if (rt_addr_parse(&a, xfed_span_str(m->address), 0) == XFED_OK) {
		rt_source_text(&a, RT_SOURCE_NETWORK, network);
	}
	return ring_add_stranger(j->ring, edge, xfed_span_str(network), name, m, core_wall_s(j->core));
}

void journal_add(struct journal *j, struct xfed_span edge, struct xfed_span name, const Xfed__FailureEvent *m, bool is_stranger)
{
	int rc = is_stranger ? add_stranger(j, edge, m, name) : ring_add(j->ring, edge, name, m, core_wall_s(j->core), core_now(j->core));
	if (rc != XFED_OK) {
		rt_log(RT_LOG_ERROR, "journal.lost", RT_KV_STR("partner", m->remote), RT_KV_STR("text", "out of memory"), RT_END);
	}
}

void journal_ask(struct journal *j, const struct journal_question *q, journal_answer_fn *fn, void *user)
{
	json_t *answer = NULL;
	int rc = ring_ask(j->ring, q, core_wall_s(j->core), &answer);
	rc = rc == XFED_ERR_AGAIN ? submit(j, q, fn, user) : rc;
	if (rc == XFED_OK && !answer) {
		return; /* done() answers the question, or has done so */
	}
	fn(user, rc, answer);
	json_decref(answer);
}

void journal_proved(struct journal *j, struct xfed_span name, struct xfed_span local, struct xfed_span remote)
{
	ring_strangers_past(j->ring, name, local, remote);
}

static bool is_of(const json_t *f, struct xfed_span local, const char *direction)
{
	const char *l = json_string_value(json_object_get(f, "local")), *d = json_string_value(json_object_get(f, "direction"));
	const char *edge = json_string_value(json_object_get(f, "edge"));
	bool is_stream = edge && edge[0]; /* a row without an edge is a message */
	/* "proved" false: of a peer that had not authenticated, or caused by its question */
	bool is_ours = !json_is_false(json_object_get(f, "proved"));
	return is_stream && l && d && xfed_span_is(local, l) && strcmp(d, direction) == 0 && is_ours == (strcmp(d, "out") == 0) &&
	       !json_is_true(json_object_get(f, "past"));
}

json_t *journal_last(const struct journal *j, struct xfed_span local, struct xfed_span remote, const char *direction)
{
	struct journal_question q = { .limit = JOURNAL_LIST_MAX, .is_memory_enough = true };
	json_t *page = NULL, *f, *found = NULL;
	size_t i;
	if (remote.len >= sizeof(q.partner)) {
		return NULL;
	}
	memcpy(q.partner, remote.data, remote.len);
	if (ring_ask(j->ring, &q, core_wall_s(j->core), &page) != XFED_OK) {
		return NULL;
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

void journal_tick(struct journal *j)
{
	if (ring_flush_is_due(j->ring, core_now(j->core))) {
		flush(j);
	}
}

int journal_new(struct core *core, struct store *store, struct journal **out, char error[256])
{
	struct journal *j = xfed_calloc(1, sizeof(*j));
	*out = NULL;
	snprintf(error, 256, "out of memory");
	if (!j) {
		return XFED_ERR_NOMEM;
	}
	*j = (struct journal){ .core = core, .store = store };
	int rc = ring_new(NULL, &j->ring);
	rc = rc == XFED_OK ? ring_load(j->ring, store, error) : rc;
	if (rc != XFED_OK) {
		journal_free(j);
		return rc;
	}
	*out = j;
	return XFED_OK;
}

void journal_stop(struct journal *j)
{
	if (j) {
		flush(j);
	}
}

void journal_free(struct journal *j)
{
	if (j) {
		ring_free(j->ring);
		xfed_free(j);
	}
}
