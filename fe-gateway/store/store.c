/* Batches, the thread that writes them in groups, and the result for each batch of a group. */
#include "store/store_impl.h"

#include <stdio.h>
#include <unistd.h>

#include "xfed/mem.h"
#include "xfed/rt/log.h"
#include "xfed/rt/loop.h"

#define TRY_AGAIN_MS 15000 /* a batch with rows tries at once anyway */

struct queue {
	struct store_batch *first, **last;
};

struct store {
	const struct store_backend *backend;
	const struct xfed_env *env;
	void *db;
	struct store_state state;
	struct store_batch trial; /* a batch that writes nothing, to see whether the store can be written */
	bool is_trying;
	uint64_t try_at_ms; /* when it is submitted; 0: not set yet */
	bool is_running;
	struct rt_loop *loop;
	uv_thread_t thread;
	uv_async_t wake; /* wakes the loop: a batch is finished */
	uv_mutex_t lock; /* protects what follows */
	uv_cond_t work;
	struct queue waiting, finished;
	struct store_copy *copy, *copied; /* under way; the thread has ended with it */
	bool is_stopping;
};

static void queue_clear(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void queue_append(struct queue *q, struct store_batch *list)
{
	*q->last = list;
	while (*q->last) {
		q->last = &(*q->last)->next;
	}
}

static struct store_batch *queue_take(struct queue *q)
{
	struct store_batch *list = q->first;
	queue_clear(q);
	return list;
}

/* ---- opening and loading ---- */

int store_open_with(const struct store_backend *backend, const char *where, const struct xfed_env *env, struct store **out, char error[256])
{
	struct store *s = xfed_calloc(1, sizeof(*s));
	*out = NULL;
	snprintf(error, 256, "out of memory");
	if (!s) {
		return XFED_ERR_NOMEM;
	}
	s->backend = backend;
	s->env = env;
	queue_clear(&s->waiting);
	queue_clear(&s->finished);
	int rc = s->backend->open(where, env, &s->db, error);
	if (rc != XFED_OK) {
		xfed_free(s);
		return rc;
	}
	*out = s;
	return XFED_OK;
}

int store_open(const char *path, const struct xfed_env *env, struct store **out, char error[256])
{
	return store_open_with(&store_sqlite, path, env, out, error);
}

void store_close(struct store *s)
{
	if (s) {
		s->backend->close(s->db);
		xfed_free(s);
	}
}

int store_load_facts(struct store *s, struct store_facts *out, char error[256])
{
	return s->backend->facts(s->db, out, error);
}

int store_load_failures(struct store *s, const struct store_question *q, store_row_fn *fn, void *user, char error[256])
{
	return s->backend->find(s->db, q, fn, user, error);
}

int store_load_older(struct store *s, uint64_t id, bool *exists, int64_t *last_s, char error[256])
{
	return s->backend->older(s->db, id, exists, last_s, error);
}

int store_load_watches(struct store *s, int64_t now_s, store_watch_fn *fn, void *user, char error[256])
{
	return s->backend->watches(s->db, now_s, fn, user, error);
}

int store_load_contacts(struct store *s, store_contact_fn *fn, void *user, char error[256])
{
	return s->backend->contacts(s->db, fn, user, error);
}

/* ---- batches ---- */

void store_batch_init(struct store_batch *b, void (*done)(struct store_batch *b))
{
	*b = (struct store_batch){ .done = done };
	b->last_write = &b->writes;
	xfed_arena_init(&b->memory, STORE_BATCH_BYTES);
}

void store_batch_deinit(struct store_batch *b)
{
	xfed_arena_deinit(&b->memory);
}

static struct store_write *add(struct store_batch *b, enum store_write_kind kind)
{
	struct store_write *w = xfed_arena_alloc(&b->memory, sizeof(*w));
	if (w) {
		w->kind = kind;
		*b->last_write = w;
		b->last_write = &w->next;
	}
	return w;
}

int store_put_revision(struct store_batch *b, const struct proto_revision *r)
{
	struct store_write *w = add(b, STORE_WRITE_REVISION);
	if (!w) {
		return XFED_ERR_NOMEM;
	}
	w->revision = *r;
	return XFED_OK;
}

/* Copies the spans into the arena. */
static int own(struct xfed_arena *a, struct store_failure *f)
{
	f->detail = xfed_arena_copy(a, f->detail);
	bool is_whole = f->detail.data;
	for (size_t i = 0; i < STORE_FAILURE_TEXTS; i++) {
		f->texts[i] = xfed_arena_copy(a, f->texts[i]);
		is_whole = is_whole && f->texts[i].data;
	}
	return is_whole ? XFED_OK : XFED_ERR_NOMEM;
}

int store_put_failure(struct store_batch *b, const struct store_failure *f)
{
	struct store_failure copy = *f;
	struct store_write *w = own(&b->memory, &copy) == XFED_OK ? add(b, STORE_WRITE_FAILURE) : NULL;
	if (!w) {
		return XFED_ERR_NOMEM;
	}
	w->failure = copy;
	return XFED_OK;
}

static int add_trim(struct store_batch *b, enum store_write_kind kind, size_t keep, size_t keep_own, int64_t oldest_s)
{
	struct store_write *w = add(b, kind);
	if (!w) {
		return XFED_ERR_NOMEM;
	}
	w->trim.keep = keep;
	w->trim.keep_own = keep_own;
	w->trim.oldest_s = oldest_s;
	return XFED_OK;
}

int store_trim_failures(struct store_batch *b, size_t keep, size_t keep_own, int64_t oldest_s)
{
	return add_trim(b, STORE_WRITE_TRIM, keep, keep_own, oldest_s);
}

int store_put_contact(struct store_batch *b, const struct store_contact *c)
{
	struct xfed_span local = xfed_arena_copy(&b->memory, c->local), remote = xfed_arena_copy(&b->memory, c->remote);
	struct xfed_span relation = xfed_arena_copy(&b->memory, c->relation.len > 0 ? c->relation : XFED_SPAN("none"));
	struct store_write *w = local.data && remote.data && relation.data ? add(b, STORE_WRITE_CONTACT) : NULL;
	if (!w) {
		return XFED_ERR_NOMEM;
	}
	w->contact = *c;
	w->contact.local = local;
	w->contact.remote = remote;
	w->contact.relation = relation;
	return XFED_OK;
}

int store_trim_contacts(struct store_batch *b, size_t keep, int64_t oldest_s)
{
	return add_trim(b, STORE_WRITE_TRIM_CONTACTS, keep, 0, oldest_s);
}

int store_put_watch(struct store_batch *b, const struct store_watch *r)
{
	struct store_watch copy = *r;
	struct xfed_span *const texts[] = { &copy.name, &copy.local, &copy.remote, &copy.dialog };
	for (size_t i = 0; i < XFED_ARRAY_LEN(texts); i++) {
		*texts[i] = xfed_arena_copy(&b->memory, texts[i]->data ? *texts[i] : XFED_SPAN(""));
		if (!texts[i]->data) {
			return XFED_ERR_NOMEM;
		}
	}
	struct store_write *w = add(b, STORE_WRITE_WATCH);
	if (w) {
		w->watch = copy;
	}
	return w ? XFED_OK : XFED_ERR_NOMEM;
}

int store_trim_watches(struct store_batch *b, int64_t oldest_s)
{
	return add_trim(b, STORE_WRITE_TRIM_WATCHES, 0, 0, oldest_s);
}

int store_ask(struct store_batch *b, const struct store_question *q)
{
	struct xfed_span remote = q->remote ? xfed_arena_copy(&b->memory, xfed_span_str(q->remote)) : (struct xfed_span){ NULL, 0 };
	if (q->remote && !remote.data) {
		return XFED_ERR_NOMEM;
	}
	b->question = *q;
	b->question.remote = remote.data;
	b->has_question = true;
	return XFED_OK;
}

/* ---- a group ---- */

/* Writes the batches from `first` up to `end` with one commit. */
static int write_run(struct store *s, const struct store_batch *first, const struct store_batch *end, char error[256])
{
	int rc = s->backend->begin(s->db, error);
	for (const struct store_batch *b = first; b != end && rc == XFED_OK; b = b->next) {
		for (const struct store_write *w = b->writes; w && rc == XFED_OK; w = w->next) {
			rc = s->backend->write(s->db, w, error);
		}
	}
	rc = rc == XFED_OK ? s->backend->commit(s->db, error) : rc;
	if (rc != XFED_OK) {
		s->backend->rollback(s->db);
	}
	return rc;
}

static bool has_writes(const struct store_batch *group)
{
	for (const struct store_batch *b = group; b; b = b->next) {
		if (b->writes) {
			return true;
		}
	}
	return false;
}

/* A group that fails is written again, each batch by itself: one bad batch must not cost the others. */
static void write_group(struct store *s, struct store_batch *group)
{
	char error[256];
	int rc = has_writes(group) ? write_run(s, group, NULL, error) : XFED_OK;
	for (struct store_batch *b = group; b; b = b->next) {
		if (rc != XFED_OK && b->writes && group->next) {
			b->written = write_run(s, b, b->next, b->error);
		} else if (rc != XFED_OK && b->writes) {
			b->written = rc;
			snprintf(b->error, sizeof(b->error), "%s", error);
		}
	}
}

struct gathering {
	struct store_batch *batch;
	struct store_row **last;
};

static int take_row(void *user, const struct store_failure *f)
{
	struct gathering *g = user;
	struct store_row *row = xfed_arena_alloc(&g->batch->memory, sizeof(*row));
	if (!row) {
		return XFED_ERR_NOMEM;
	}
	row->f = *f;
	if (own(&g->batch->memory, &row->f) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	*g->last = row;
	g->last = &row->next;
	return XFED_OK;
}

static void run_group(struct store *s, struct store_batch *group)
{
	write_group(s, group);
	for (struct store_batch *b = group; b; b = b->next) {
		struct gathering g = { b, &b->rows };
		if (b->has_question) {
			b->answered = s->backend->find(s->db, &b->question, take_row, &g, b->error);
		}
	}
}

/* ---- the state of the store ---- */

static void note(struct store *s, const struct store_batch *b)
{
	bool is_failing = b->written != XFED_OK;
	if (!b->writes) {
		return;
	}
	snprintf(s->state.error, sizeof(s->state.error), "%s", is_failing ? b->error : "");
	s->try_at_ms = 0;
	if (is_failing == s->state.is_failing) {
		return;
	}
	s->state.is_failing = is_failing;
	s->state.since_s = s->env->wall_s(s->env->user);
	rt_log(is_failing ? RT_LOG_ERROR : RT_LOG_INFO, is_failing ? "store.failed" : "store.works",
		RT_KV_REASON(is_failing ? XFED_REASON_STORE_WRITE_FAILED : XFED_REASON_NONE), RT_KV_STR("text", is_failing ? b->error : NULL),
		RT_END);
}

static void end(struct store *s, struct store_batch *b)
{
	note(s, b);
	b->done(b);
}

const struct store_state *store_state(const struct store *s)
{
	return &s->state;
}

static void trial_done(struct store_batch *b)
{
	struct store *s = (struct store *)((char *)b - offsetof(struct store, trial));
	store_batch_deinit(b);
	s->is_trying = false;
}

void store_tick(struct store *s, uint64_t now_ms)
{
	if (!s->state.is_failing || s->is_trying) {
		return;
	}
	if (s->try_at_ms == 0) {
		s->try_at_ms = now_ms + TRY_AGAIN_MS;
	} else if (now_ms >= s->try_at_ms) {
		store_batch_init(&s->trial, trial_done);
		s->is_trying = true;
		(void)add(&s->trial, STORE_WRITE_NOTHING); /* without memory it is tried again with a later tick */
		store_submit(s, &s->trial);
	}
}

/* ---- the thread ---- */

/* One step of the copy; true: it is finished, or has failed. */
static bool step_copy(struct store *s, struct store_copy *c)
{
	bool is_done = false;
	if (!c->copy) {
		c->rc = s->backend->copy_begin(s->db, c->path, &c->copy, c->error);
	}
	c->rc = c->rc == XFED_OK ? s->backend->copy_step(c->copy, &is_done, c->error) : c->rc;
	if (c->copy && (is_done || c->rc != XFED_OK)) {
		s->backend->copy_end(c->copy, c->rc == XFED_OK);
		c->copy = NULL;
	}
	return is_done || c->rc != XFED_OK;
}

static void run_thread(void *arg)
{
	struct store *s = arg;
	uv_mutex_lock(&s->lock);
	for (;;) {
		struct store_batch *group = queue_take(&s->waiting);
		struct store_copy *copy = s->copy;
		if (!group && s->is_stopping) {
			break;
		}
		if (!group && !copy) {
			uv_cond_wait(&s->work, &s->lock);
			continue;
		}
		uv_mutex_unlock(&s->lock);
		run_group(s, group);
		bool is_copied = copy && step_copy(s, copy);
		uv_mutex_lock(&s->lock);
		if (is_copied) {
			s->copied = copy;
			s->copy = NULL;
		}
		if (group) {
			queue_append(&s->finished, group);
		}
		uv_async_send(&s->wake);
	}
	uv_mutex_unlock(&s->lock);
}

/* ---- copies ---- */

static void seal(void *arg)
{
	struct store_copy *c = arg;
	c->rc = store_copy_seal(c->path, c->store->env->wall_s(c->store->env->user), c->error);
}

static void sealed(void *arg)
{
	struct store_copy *c = arg;
	if (c->rc != XFED_OK) {
		unlink(c->path);
	}
	c->done(c);
}

bool store_copy_start(struct store *s, struct store_copy *c)
{
	if (!s->is_running) {
		return false;
	}
	uv_mutex_lock(&s->lock);
	bool may_start = !s->copy && !s->copied;
	if (may_start) {
		c->store = s;
		c->rc = XFED_OK;
		s->copy = c;
		uv_cond_signal(&s->work);
	}
	uv_mutex_unlock(&s->lock);
	return may_start;
}

/* The thread has ended: what it had not finished is given up. */
static void drop_copy(struct store *s)
{
	struct store_copy *c = s->copy;
	s->copy = NULL;
	if (c && c->copy) {
		s->backend->copy_end(c->copy, false);
		c->copy = NULL;
	}
	if (c) {
		c->rc = XFED_ERR_STATE;
		snprintf(c->error, sizeof(c->error), "the gateway is stopping");
		c->done(c);
	}
}

static void tell_copied(struct store *s)
{
	uv_mutex_lock(&s->lock);
	struct store_copy *c = s->copied;
	s->copied = NULL;
	uv_mutex_unlock(&s->lock);
	if (c && c->rc == XFED_OK) {
		rt_job_start(&c->job, s->loop, seal, sealed, c);
	} else if (c) {
		c->done(c);
	}
}

static void tell_finished(struct store *s)
{
	tell_copied(s);
	uv_mutex_lock(&s->lock);
	struct store_batch *b = queue_take(&s->finished);
	uv_mutex_unlock(&s->lock);
	while (b) {
		struct store_batch *next = b->next; /* done() may free the batch */
		end(s, b);
		b = next;
	}
}

static void on_wake(uv_async_t *wake)
{
	tell_finished(wake->data);
}

void store_submit(struct store *s, struct store_batch *b)
{
	b->next = NULL;
	if (!s->is_running) {
		run_group(s, b);
		end(s, b);
		return;
	}
	uv_mutex_lock(&s->lock);
	queue_append(&s->waiting, b);
	uv_cond_signal(&s->work);
	uv_mutex_unlock(&s->lock);
}

int store_start(struct store *s, struct rt_loop *loop)
{
	if (uv_mutex_init(&s->lock) != 0) {
		return XFED_ERR_LIBRARY;
	}
	if (uv_cond_init(&s->work) != 0) {
		goto free_lock;
	}
	if (uv_async_init(rt_loop_uv(loop), &s->wake, on_wake) != 0) {
		goto free_work;
	}
	s->wake.data = s;
	s->loop = loop;
	s->is_running = uv_thread_create(&s->thread, run_thread, s) == 0;
	if (s->is_running) {
		return XFED_OK;
	}
	uv_close((uv_handle_t *)&s->wake, NULL);
free_work:
	uv_cond_destroy(&s->work);
free_lock:
	uv_mutex_destroy(&s->lock);
	return XFED_ERR_LIBRARY;
}

void store_stop(struct store *s)
{
	if (!s || !s->is_running) {
		return;
	}
	uv_mutex_lock(&s->lock);
	s->is_stopping = true;
	uv_cond_signal(&s->work);
	uv_mutex_unlock(&s->lock);
	uv_thread_join(&s->thread);
	s->is_running = false; /* from here on store_submit() runs a batch at once */
	drop_copy(s);
	tell_finished(s);
	uv_close((uv_handle_t *)&s->wake, NULL);
	uv_cond_destroy(&s->work);
	uv_mutex_destroy(&s->lock);
}
