/* What every backend has to do: keep, refuse, upgrade, and lose nothing that was acknowledged. */
#include "contract.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sweep.h"
#include "xfed/rt/loop.h"

static const struct contract_backend *tested;
static int64_t wall_s = 1700000000;

const struct store_facts contract_old_facts = {
	.revision = { .epoch = 1234567, .counter = 41, .hash = { 0xab, 0, 0xcd } },
	.key = "sixteen bytes ..",
};
const struct store_failure contract_old_failure = {
	.id = 17,
	.first_s = 1600000000,
	.last_s = 1600000060,
	.count = 3,
	.direction = XFED__DIRECTION__DIRECTION_IN,
	.edge = { "edge1", 5 },
	.local = { "example.com", 11 },
	.remote = { "fabrikam.example", 16 },
	.reason = { "tls.cert.expired", 16 },
	.side = { "partner", 7 },
	.text = { "it has expired", 14 },
	.correlation = { "edge1-9", 7 },
	.detail = { "\x42\x00\x01\xff", 4 },
};

/* ---- the store, behind a door ---- */

/* What the backend is asked is counted, and a group can be kept waiting before it is written. */
static struct {
	struct store_backend backend;
	uv_mutex_t lock;
	uv_cond_t changed;
	bool is_shut;
	int waiting, commits;
	uint64_t refused; /* a failure of this id cannot be written */
} door;

static int begin(void *db, char error[256])
{
	uv_mutex_lock(&door.lock);
	door.waiting++;
	uv_cond_broadcast(&door.changed);
	while (door.is_shut) {
		uv_cond_wait(&door.changed, &door.lock);
	}
	door.waiting--;
	uv_mutex_unlock(&door.lock);
	return tested->backend->begin(db, error);
}

static int commit(void *db, char error[256])
{
	int rc = tested->backend->commit(db, error);
	door.commits += rc == XFED_OK;
	return rc;
}

static int write_one(void *db, const struct store_write *w, char error[256])
{
	if (w->kind == STORE_WRITE_FAILURE && w->failure.id == door.refused) {
		snprintf(error, 256, "%s: refused", tested->where);
		return XFED_ERR_LIBRARY;
	}
	return tested->backend->write(db, w, error);
}

static void set_door(bool is_shut)
{
	uv_mutex_lock(&door.lock);
	door.is_shut = is_shut;
	uv_cond_broadcast(&door.changed);
	uv_mutex_unlock(&door.lock);
}

static void wait_at_door(void)
{
	uv_mutex_lock(&door.lock);
	while (door.waiting == 0) {
		uv_cond_wait(&door.changed, &door.lock);
	}
	uv_mutex_unlock(&door.lock);
}

static void fill_random(void *user, void *out, size_t len)
{
	static uint8_t next;
	(void)user;
	for (size_t i = 0; i < len; i++) {
		((uint8_t *)out)[i] = next++;
	}
}

static int64_t read_wall(void *user)
{
	(void)user;
	return wall_s;
}

static const struct xfed_env env = { .random = fill_random, .wall_s = read_wall };

static int try_open(struct store **out, char error[256])
{
	return store_open_with(&door.backend, tested->where, &env, out, error);
}

static struct store *open_store(void)
{
	struct store *s;
	char error[256];
	if (try_open(&s, error) != XFED_OK) {
		fail_msg("%s", error);
	}
	return s;
}

static void refuses(const char *where, const char *words)
{
	struct store *s;
	char error[256];
	assert_int_equal(store_open_with(&door.backend, where, &env, &s, error), XFED_ERR_INVALID);
	assert_null(s);
	if (!strstr(error, words) || !strstr(error, where)) {
		fail_msg("'%s' does not name the place and '%s'", error, words);
	}
}

static int setup(void **state)
{
	(void)state;
	tested->fresh();
	door.backend = *tested->backend;
	door.backend.begin = begin;
	door.backend.commit = commit;
	door.backend.write = write_one;
	door.refused = 0;
	door.is_shut = false;
	door.commits = door.waiting = 0;
	return 0;
}

/* ---- rows ---- */

static struct store_failure row(uint64_t id)
{
	struct store_failure f = contract_old_failure;
	f.id = id;
	f.last_s = (int64_t)(1000 + id);
	f.remote = id % 2 ? XFED_SPAN("odd.example") : XFED_SPAN("even.example");
	return f;
}

static void assert_span(struct xfed_span got, struct xfed_span want)
{
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.len > 0 ? got.data : "", want.len > 0 ? want.data : "", want.len);
}

static void assert_row(const struct store_failure *got, const struct store_failure *want)
{
	assert_int_equal(got->id, want->id);
	assert_int_equal(got->first_s, want->first_s);
	assert_int_equal(got->last_s, want->last_s);
	assert_int_equal(got->count, want->count);
	assert_int_equal(got->direction, want->direction);
	for (size_t i = 0; i < STORE_FAILURE_TEXTS; i++) {
		assert_span(got->texts[i], want->texts[i]);
	}
	assert_span(got->detail, want->detail);
}

static int note_id(void *user, const struct store_failure *f)
{
	char *out = user;
	size_t len = strlen(out);
	snprintf(out + len, 256 - len, "%s%d", len > 0 ? " " : "", (int)f->id);
	return XFED_OK;
}

static const char *ids(struct store *s, const struct store_question *q)
{
	static char out[256];
	char error[256];
	out[0] = '\0';
	if (store_load_failures(s, q, note_id, out, error) != XFED_OK) {
		fail_msg("%s", error);
	}
	return out;
}

static const struct store_question all = { .since_s = INT64_MIN, .limit = SIZE_MAX, .has_detail = true };

static int count_row(void *user, const struct store_failure *f)
{
	(void)f;
	(*(size_t *)user)++;
	return XFED_OK;
}

static size_t count_rows(struct store *s)
{
	size_t n = 0;
	char error[256];
	assert_int_equal(store_load_failures(s, &all, count_row, &n, error), XFED_OK);
	return n;
}

/* ---- batches ---- */

struct mine {
	struct store_batch batch;
	int number;
	bool is_done;
};
static int last_done, pending;
static struct rt_loop *loop;

static void on_done(struct store_batch *b)
{
	struct mine *m = (struct mine *)b;
	assert_false(m->is_done);
	assert_true(m->number > last_done); /* in the order they were submitted in */
	last_done = m->number;
	m->is_done = true;
	pending--;
}

static struct mine *batch(struct mine *m, int number)
{
	*m = (struct mine){ .number = number };
	store_batch_init(&m->batch, on_done);
	last_done = number == 1 ? 0 : last_done;
	return m;
}

static void submit(struct store *s, struct mine *m)
{
	pending++;
	store_submit(s, &m->batch);
}

static void put(struct store *s, uint64_t from, uint64_t to)
{
	struct mine m;
	batch(&m, 1);
	for (uint64_t id = from; id < to; id++) {
		struct store_failure f = row(id);
		assert_int_equal(store_put_failure(&m.batch, &f), XFED_OK);
	}
	submit(s, &m);
	assert_int_equal(m.batch.written, XFED_OK);
	store_batch_deinit(&m.batch);
}

static void start(struct store *s)
{
	assert_int_equal(rt_loop_new(&loop), XFED_OK);
	assert_int_equal(store_start(s, loop), XFED_OK);
}

static void settle(void)
{
	while (pending > 0) {
		rt_loop_turn(loop, true);
	}
}

static void stop(struct store *s)
{
	store_stop(s);
	rt_loop_free(loop);
	store_close(s);
}

/* ---- opening ---- */

static void a_revision_and_the_key_survive(void **state)
{
	(void)state;
	struct store_facts a, b;
	struct mine m;
	char error[256];
	struct store *s = open_store();
	assert_int_equal(store_load_facts(s, &a, error), XFED_OK);
	assert_int_equal(a.revision.counter, 0);
	assert_true(a.revision.epoch > 0 && a.revision.epoch <= INT64_MAX);
	a.revision.counter = 41;
	memset(a.revision.hash, 0xab, sizeof(a.revision.hash));
	batch(&m, 1);
	assert_int_equal(store_put_revision(&m.batch, &a.revision), XFED_OK);
	submit(s, &m);
	assert_true(m.is_done);
	assert_int_equal(m.batch.written, XFED_OK);
	store_batch_deinit(&m.batch);
	store_close(s);
	s = open_store();
	assert_int_equal(store_load_facts(s, &b, error), XFED_OK);
	assert_memory_equal(&a, &b, sizeof(a));
	store_close(s);
}

/* The highest revision wins at an edge, so a store that had to be made anew must not be older than the lost one. */
static void a_store_made_later_has_a_higher_epoch(void **state)
{
	(void)state;
	struct store_facts a, b;
	char error[256];
	struct store *s = open_store();
	assert_int_equal(store_load_facts(s, &a, error), XFED_OK);
	store_close(s);
	tested->fresh();
	wall_s++;
	s = open_store();
	assert_int_equal(store_load_facts(s, &b, error), XFED_OK);
	store_close(s);
	assert_true(b.revision.epoch > a.revision.epoch);
	assert_memory_not_equal(a.key, b.key, sizeof(a.key));
}

/* Locks of one process do not keep it from itself: the second gateway is another process. */
static void one_gateway_at_a_time(void **state)
{
	(void)state;
	static struct store *s; /* the child has it too, and a memory checker looks whether it knows where */
	s = open_store();
	int status;
	pid_t child = fork();
	if (child == 0) {
		struct store *other;
		char error[256];
		int rc = try_open(&other, error);
		_exit(rc == XFED_ERR_INVALID && strstr(error, "in use by another gateway") ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	put(s, 1, 2); /* and the first one goes on */
	store_close(s);
	s = open_store();
	assert_string_equal(ids(s, &all), "1");
	store_close(s);
}

static void a_newer_version_is_left_alone(void **state)
{
	(void)state;
	store_close(open_store());
	tested->newer();
	refuses(tested->where, "newer version");
	refuses(tested->where, "newer version"); /* refusing has changed nothing */
}

static int take_row(void *user, const struct store_failure *f)
{
	(void)user;
	assert_row(f, &contract_old_failure);
	return XFED_OK;
}

static void an_older_version_keeps_what_it_held(void **state)
{
	(void)state;
	for (int version = 1; version <= tested->versions; version++) {
		tested->old(version);
		for (int opened = 0; opened < 2; opened++) { /* the second time it is of today */
			struct store_facts facts;
			char error[256];
			struct store *s = open_store();
			assert_int_equal(store_load_facts(s, &facts, error), XFED_OK);
			assert_memory_equal(&facts, &contract_old_facts, sizeof(facts));
			assert_int_equal(count_rows(s), version >= CONTRACT_FAILURES_SINCE ? 1 : 0);
			assert_int_equal(store_load_failures(s, &all, take_row, NULL, error), XFED_OK);
			store_close(s);
		}
		struct store *s = open_store();
		put(s, 100, 101);
		assert_string_equal(ids(s, &all), version >= CONTRACT_FAILURES_SINCE ? "100 17" : "100");
		store_close(s);
	}
}

static void damage_is_told(void **state)
{
	(void)state;
	struct store_facts facts;
	char error[256];
	tested->not_a_store();
	refuses(tested->where, tested->not_a_store_words);
	tested->fresh();
	store_close(open_store());
	tested->lose_key();
	struct store *s = open_store();
	assert_int_equal(store_load_facts(s, &facts, error), XFED_ERR_INVALID);
	assert_non_null(strstr(error, "missing or damaged"));
	store_close(s);
	refuses(tested->nowhere, tested->nowhere_words);
}

/* ---- rows and questions ---- */

static void rows_come_back_as_they_were(void **state)
{
	(void)state;
	struct store_failure rows[] = { contract_old_failure, { .id = 16, .first_s = -1, .last_s = 1, .count = UINT32_MAX } };
	struct store_failure again = { .id = 17, .last_s = 1600000999, .count = 9, .text = XFED_SPAN("other words") };
	struct mine m;
	struct store *s = open_store();
	batch(&m, 1);
	assert_int_equal(store_put_failure(&m.batch, &rows[0]), XFED_OK);
	assert_int_equal(store_put_failure(&m.batch, &rows[1]), XFED_OK);
	assert_int_equal(store_put_failure(&m.batch, &again), XFED_OK);
	assert_int_equal(store_ask(&m.batch, &all), XFED_OK);
	submit(s, &m);
	assert_int_equal(m.batch.written, XFED_OK);
	assert_int_equal(m.batch.answered, XFED_OK);
	/* Seen again: when and how often, nothing else. */
	rows[0].last_s = again.last_s;
	rows[0].count = again.count;
	rows[1].direction = m.batch.rows->next->f.direction; /* one or the other */
	assert_row(&m.batch.rows->f, &rows[0]);
	assert_row(&m.batch.rows->next->f, &rows[1]);
	assert_null(m.batch.rows->next->next);
	store_batch_deinit(&m.batch);
	store_close(s);
}

static void questions(void **state)
{
	(void)state;
	static const struct {
		struct store_question q;
		const char *want;
	} rows[] = {
		{ { .limit = 3 }, "9 8 7" },
		{ { .limit = 3, .before = 7 }, "6 5 4" },
		{ { .limit = 100, .before = 3 }, "2 1" },
		{ { .limit = 100, .before = 1 }, "" },
		{ { .limit = 0 }, "" },
		{ { .limit = SIZE_MAX, .before = UINT64_MAX }, "9 8 7 6 5 4 3 2 1" },
		{ { .limit = 2, .remote = "odd.example" }, "9 7" },
		{ { .limit = 100, .remote = "odd.example", .before = 5 }, "3 1" },
		{ { .limit = 100, .remote = "other.example" }, "" },
		{ { .limit = 100, .remote = "' OR '1'='1" }, "" },
		{ { .limit = 100, .since_s = 1007 }, "9 8 7" },
		{ { .limit = 100, .since_s = 1006, .remote = "even.example" }, "8 6" },
		{ { .limit = 1, .id = 4 }, "4" },
		{ { .limit = 1, .id = 4, .since_s = 1005 }, "" },
		{ { .limit = 1, .id = 44 }, "" },
		{ { .limit = 1, .id = UINT64_MAX }, "" },
	};
	bool exists;
	int64_t last_s;
	char error[256];
	struct store *s = open_store();
	put(s, 1, 10);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		const char *got = ids(s, &rows[i].q);
		if (strcmp(got, rows[i].want) != 0) {
			fail_msg("row %zu: \"%s\" instead of \"%s\"", i, got, rows[i].want);
		}
	}
	assert_int_equal(store_load_older(s, 5, &exists, &last_s, error), XFED_OK);
	assert_true(exists && last_s == 1004);
	assert_int_equal(store_load_older(s, 1, &exists, &last_s, error), XFED_OK);
	assert_false(exists);
	store_close(s);
}

static int stop_at_second(void *user, const struct store_failure *f)
{
	(void)f;
	return ++*(int *)user == 2 ? XFED_ERR_LIMIT : XFED_OK;
}

static void a_load_ends_where_its_reader_ends_it(void **state)
{
	(void)state;
	int seen = 0;
	char error[256];
	struct store *s = open_store();
	put(s, 1, 10);
	assert_int_equal(store_load_failures(s, &all, stop_at_second, &seen, error), XFED_ERR_LIMIT);
	assert_int_equal(seen, 2);
	put(s, 10, 11);
	store_close(s);
}

static void trim(struct store *s, size_t keep, int64_t oldest_s, const char *want)
{
	struct mine m;
	batch(&m, 1);
	assert_int_equal(store_trim_failures(&m.batch, keep, keep, oldest_s), XFED_OK);
	submit(s, &m);
	assert_int_equal(m.batch.written, XFED_OK);
	store_batch_deinit(&m.batch);
	assert_string_equal(ids(s, &all), want);
}

static void the_oldest_go(void **state)
{
	(void)state;
	struct store *s = open_store();
	put(s, 1, 10);
	trim(s, 100, INT64_MIN, "9 8 7 6 5 4 3 2 1");
	trim(s, 100, 1003, "9 8 7 6 5 4 3");
	trim(s, 4, INT64_MIN, "9 8 7 6");
	trim(s, 4, 1009, "9");
	trim(s, 0, INT64_MIN, "");
	store_close(s);
}

/* Failures of edges and our own are asked for apart, and neither takes the other's place. */
static void our_own_are_counted_apart(void **state)
{
	static const struct store_question of_edges = { .which = STORE_OF_EDGES, .since_s = INT64_MIN, .limit = 100 };
	static const struct store_question our_own = { .which = STORE_OUR_OWN, .since_s = INT64_MIN, .limit = 100 };
	struct mine m;
	(void)state;
	struct store *s = open_store();
	put(s, 1, 4);
	batch(&m, 1);
	for (uint64_t id = 4; id < 10; id++) {
		struct store_failure f = row(id);
		f.edge = XFED_SPAN("");
		assert_int_equal(store_put_failure(&m.batch, &f), XFED_OK);
	}
	assert_int_equal(store_trim_failures(&m.batch, 2, 3, INT64_MIN), XFED_OK);
	submit(s, &m);
	assert_int_equal(m.batch.written, XFED_OK);
	store_batch_deinit(&m.batch);
	assert_string_equal(ids(s, &all), "9 8 7 3 2");
	assert_string_equal(ids(s, &of_edges), "3 2");
	assert_string_equal(ids(s, &our_own), "9 8 7");
	store_close(s);
}

/* ---- the thread ---- */

#define BATCHES 50

static void what_waits_together_is_written_at_once(void **state)
{
	(void)state;
	static struct mine list[BATCHES];
	struct store *s = open_store();
	start(s);
	set_door(true);
	for (int i = 0; i < BATCHES; i++) {
		struct store_failure f = row((uint64_t)i + 1);
		assert_int_equal(store_put_failure(&batch(&list[i], i + 1)->batch, &f), XFED_OK);
		/* Only its own rows and those before it. */
		assert_int_equal(store_ask(&list[i].batch, &(struct store_question){ .id = f.id, .limit = 1 }), XFED_OK);
		submit(s, &list[i]);
		if (i == 0) {
			wait_at_door(); /* the first is a group of its own; the rest find the thread busy */
		}
	}
	set_door(false);
	settle();
	assert_int_equal(door.commits, 2);
	for (int i = 0; i < BATCHES; i++) {
		assert_true(list[i].is_done);
		assert_int_equal(list[i].batch.written, XFED_OK);
		assert_int_equal(list[i].batch.answered, XFED_OK);
		assert_non_null(list[i].batch.rows);
		store_batch_deinit(&list[i].batch);
	}
	stop(s);
}

static void stopping_writes_what_waits(void **state)
{
	(void)state;
	struct mine a, b;
	struct store_failure f = row(1);
	struct store *s = open_store();
	start(s);
	assert_int_equal(store_put_failure(&batch(&a, 1)->batch, &f), XFED_OK);
	submit(s, &a);
	store_stop(s);
	assert_true(a.is_done);
	f = row(2);
	assert_int_equal(store_put_failure(&batch(&b, 2)->batch, &f), XFED_OK);
	submit(s, &b); /* where it stands, from now on */
	assert_true(b.is_done);
	store_batch_deinit(&a.batch);
	store_batch_deinit(&b.batch);
	stop(s);
	s = open_store();
	assert_string_equal(ids(s, &all), "2 1");
	store_close(s);
}

/* ---- no room ---- */

#define ROOM  (256 * 1024)
#define LARGE (4 * 1024 * 1024)

static void put_large(struct mine *m, uint64_t id)
{
	static char bytes[LARGE];
	struct store_failure f = row(id);
	f.detail = xfed_span_make(bytes, sizeof(bytes));
	assert_int_equal(store_put_failure(&m->batch, &f), XFED_OK);
}

static void a_full_disk_takes_a_batch_whole_or_not_at_all(void **state)
{
	(void)state;
	struct store_facts before, after;
	struct mine m;
	struct store_failure f = row(2);
	char error[256];
	struct store *s = open_store();
	put(s, 1, 2);
	assert_int_equal(store_load_facts(s, &before, error), XFED_OK);
	tested->room(ROOM);
	batch(&m, 1);
	struct proto_revision next = before.revision;
	next.counter++;
	assert_int_equal(store_put_revision(&m.batch, &next), XFED_OK);
	assert_int_equal(store_put_failure(&m.batch, &f), XFED_OK);
	put_large(&m, 3);
	assert_int_equal(store_ask(&m.batch, &all), XFED_OK);
	submit(s, &m);
	assert_int_equal(m.batch.written, XFED_ERR_LIBRARY);
	assert_true(strlen(m.batch.error) > strlen(tested->where));
	/* The question is answered all the same, from what is there. */
	assert_int_equal(m.batch.answered, XFED_OK);
	assert_true(m.batch.rows && m.batch.rows->f.id == 1 && !m.batch.rows->next);
	store_batch_deinit(&m.batch);
	assert_int_equal(store_load_facts(s, &after, error), XFED_OK);
	assert_memory_equal(&before, &after, sizeof(before));
	put(s, 4, 5); /* what fits goes on being kept */
	tested->room(SIZE_MAX);
	batch(&m, 1);
	put_large(&m, 3);
	submit(s, &m);
	assert_int_equal(m.batch.written, XFED_OK);
	store_batch_deinit(&m.batch);
	store_close(s);
	s = open_store();
	assert_string_equal(ids(s, &all), "4 3 1");
	store_close(s);
}

/* Rolled back by us, not by a database that has given up by itself. */
static void a_refused_row_takes_its_batch_back(void **state)
{
	(void)state;
	struct mine m;
	struct store *s = open_store();
	put(s, 1, 2);
	door.refused = 3;
	batch(&m, 1);
	for (uint64_t id = 2; id < 5; id++) {
		struct store_failure f = row(id);
		assert_int_equal(store_put_failure(&m.batch, &f), XFED_OK);
	}
	submit(s, &m);
	assert_int_equal(m.batch.written, XFED_ERR_LIBRARY);
	store_batch_deinit(&m.batch);
	assert_string_equal(ids(s, &all), "1");
	door.refused = 0;
	put(s, 2, 5);
	store_close(s);
	s = open_store();
	assert_string_equal(ids(s, &all), "4 3 2 1");
	store_close(s);
}

/* Until something is written again; where nobody has anything to write that is tried, a while after the last failure. */
static void what_cannot_be_written_is_known(void **state)
{
	(void)state;
	struct mine m;
	struct store *s = open_store();
	struct store_failure f = row(1);
	assert_false(store_state(s)->is_failing);
	door.refused = 1;
	batch(&m, 1);
	assert_int_equal(store_put_failure(&m.batch, &f), XFED_OK);
	submit(s, &m);
	store_batch_deinit(&m.batch);
	assert_true(store_state(s)->is_failing);
	assert_true(store_state(s)->since_s == wall_s && strstr(store_state(s)->error, tested->where) != NULL);
	batch(&m, 1);
	assert_int_equal(store_ask(&m.batch, &all), XFED_OK); /* reading says nothing of writing */
	submit(s, &m);
	store_batch_deinit(&m.batch);
	assert_true(store_state(s)->is_failing);
	int commits = door.commits;
	store_tick(s, 1000);
	store_tick(s, 10000);
	assert_true(store_state(s)->is_failing && door.commits == commits);
	store_tick(s, 60000);
	assert_true(!store_state(s)->is_failing && store_state(s)->error[0] == '\0' && door.commits == commits + 1);
	store_tick(s, 120000);
	assert_int_equal(door.commits, commits + 1); /* all is well */
	store_close(s);
}

static void one_that_does_not_fit_costs_its_group_nothing(void **state)
{
	(void)state;
	static struct mine list[4];
	struct store *s = open_store();
	put(s, 100, 101);
	start(s);
	tested->room(ROOM);
	set_door(true);
	for (int i = 0; i < 4; i++) {
		struct store_failure f = row((uint64_t)i + 1);
		batch(&list[i], i + 1);
		if (i == 2) {
			put_large(&list[i], f.id);
		} else {
			assert_int_equal(store_put_failure(&list[i].batch, &f), XFED_OK);
		}
		submit(s, &list[i]);
		if (i == 0) {
			wait_at_door();
		}
	}
	set_door(false);
	settle();
	for (int i = 0; i < 4; i++) {
		assert_int_equal(list[i].batch.written, i == 2 ? XFED_ERR_LIBRARY : XFED_OK);
		assert_true((list[i].batch.error[0] != '\0') == (i == 2));
		store_batch_deinit(&list[i].batch);
	}
	tested->room(SIZE_MAX);
	assert_string_equal(ids(s, &all), "100 4 2 1");
	stop(s);
}

/* ---- killed ---- */

#define ROWS_EACH 3

struct killed {
	struct mine mine;
	int out;
	uint64_t number;
	struct store *store;
};

static void acknowledged(struct store_batch *b);

static void submit_next(struct killed *k)
{
	store_batch_init(&k->mine.batch, acknowledged);
	for (uint64_t i = 0; i < ROWS_EACH; i++) {
		struct store_failure f = row(k->number * ROWS_EACH + i + 1);
		if (store_put_failure(&k->mine.batch, &f) != XFED_OK) {
			_exit(2);
		}
	}
	store_submit(k->store, &k->mine.batch);
}

static void acknowledged(struct store_batch *b)
{
	struct killed *k = (struct killed *)b;
	if (b->written != XFED_OK || write(k->out, &k->number, sizeof(k->number)) != sizeof(k->number)) {
		_exit(3);
	}
	store_batch_deinit(b);
	k->number += 2; /* two are under way at any time */
	submit_next(k);
}

static void write_until_killed(int out)
{
	static struct killed two[2];
	struct store *s;
	char error[256];
	if (try_open(&s, error) != XFED_OK || rt_loop_new(&loop) != XFED_OK || store_start(s, loop) != XFED_OK) {
		_exit(4);
	}
	for (uint64_t i = 0; i < 2; i++) {
		two[i].out = out;
		two[i].number = i;
		two[i].store = s;
		submit_next(&two[i]);
	}
	rt_loop_run(loop);
}

static void what_was_acknowledged_survives_a_kill(void **state)
{
	(void)state;
	static const int rounds[] = { 1, 2, 7, 20 }; /* acknowledged before it is killed */
	for (size_t r = 0; r < XFED_ARRAY_LEN(rounds); r++) {
		int fds[2], status;
		uint64_t number, most = 0;
		tested->fresh();
		assert_int_equal(pipe(fds), 0);
		pid_t child = fork();
		if (child == 0) {
			close(fds[0]);
			write_until_killed(fds[1]);
			_exit(5);
		}
		close(fds[1]);
		for (int i = 0; i < rounds[r]; i++) {
			assert_int_equal(read(fds[0], &number, sizeof(number)), sizeof(number));
		}
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		do { /* what it still said */
			most = number > most ? number : most;
		} while (read(fds[0], &number, sizeof(number)) == sizeof(number));
		close(fds[0]);
		struct store *s = open_store();
		size_t rows = count_rows(s);
		assert_int_equal(rows % ROWS_EACH, 0);		     /* of each batch all or none */
		assert_true(rows >= (size_t)(most + 1) * ROWS_EACH); /* and of each that was acknowledged, all: they are in order */
		put(s, 1000000, 1000001);
		store_close(s);
	}
}

/* ---- contacts ---- */

static struct store_contact contact(const char *local, const char *remote, int64_t wrote_s, int64_t alive_s)
{
	return (struct store_contact){ .local = xfed_span_str(local), .remote = xfed_span_str(remote), .wrote_s = wrote_s, .alive_s = alive_s };
}

static int note_contact(void *user, const struct store_contact *c)
{
	char *text = user;
	size_t len = strlen(text);
	snprintf(text + len, 1024 - len, "%.*s %.*s %lld %lld\n", (int)c->local.len, c->local.data, (int)c->remote.len, c->remote.data,
		(long long)c->wrote_s, (long long)c->alive_s);
	return XFED_OK;
}

static void expect_contacts(struct store *s, const char *want)
{
	char text[1024] = "", error[256];
	assert_int_equal(store_load_contacts(s, note_contact, text, error), XFED_OK);
	assert_string_equal(text, want);
}

static int stop_at_once(void *user, const struct store_contact *c)
{
	(void)c;
	++*(int *)user;
	return XFED_ERR_NOMEM;
}

static void contacts_are_kept_and_the_longest_silent_go(void **state)
{
	(void)state;
	const struct store_contact rows[] = { contact("dave@corp.example", "alice@partner.example", 1000, 0),
		contact("dave@corp.example", "bob@partner.example", 900, 950), contact("erin@corp.example", "alice@partner.example", 1100, 1100),
		contact("dave@corp.example", "alice@partner.example", 1200, 1201) };
	struct store *s = open_store();
	struct mine m;
	char error[256];
	int seen = 0;
	expect_contacts(s, "");
	batch(&m, 1);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		assert_int_equal(store_put_contact(&m.batch, &rows[i]), XFED_OK);
	}
	submit(s, &m);
	assert_int_equal(m.batch.written, XFED_OK);
	store_batch_deinit(&m.batch);
	store_close(s);
	s = open_store();
	expect_contacts(s, "dave@corp.example bob@partner.example 900 950\nerin@corp.example alice@partner.example 1100 1100\n"
			   "dave@corp.example alice@partner.example 1200 1201\n");
	assert_int_equal(store_load_contacts(s, stop_at_once, &seen, error), XFED_ERR_NOMEM);
	assert_int_equal(seen, 1);
	batch(&m, 2);
	assert_int_equal(store_trim_contacts(&m.batch, 100, 901), XFED_OK);
	submit(s, &m);
	store_batch_deinit(&m.batch);
	expect_contacts(s, "erin@corp.example alice@partner.example 1100 1100\ndave@corp.example alice@partner.example 1200 1201\n");
	batch(&m, 3);
	assert_int_equal(store_trim_contacts(&m.batch, 1, INT64_MIN), XFED_OK);
	submit(s, &m);
	store_batch_deinit(&m.batch);
	expect_contacts(s, "dave@corp.example alice@partner.example 1200 1201\n");
	store_close(s);
}

/* ---- watches ---- */

static int note_watch(void *user, const struct store_watch *w)
{
	char *text = user;
	size_t len = strlen(text);
	snprintf(text + len, 1000 - len, "%.*s %.*s %.*s %.*s %lld|", (int)w->name.len, w->name.data, (int)w->local.len, w->local.data,
		(int)w->remote.len, w->remote.data, (int)w->dialog.len, w->dialog.data, (long long)w->until_s);
	return XFED_OK;
}

static void expect_watches(struct store *s, int64_t now_s, const char *want)
{
	char text[1000] = "", error[256];
	assert_int_equal(store_load_watches(s, now_s, note_watch, text, error), XFED_OK);
	assert_string_equal(text, want);
}

static struct store_watch watch(const char *name, const char *dialog, int64_t until_s)
{
	return (struct store_watch){ xfed_span_str(name), XFED_SPAN("dave@corp.example"), XFED_SPAN("alice@partner.example"), xfed_span_str(dialog),
		until_s };
}

static void watches_are_kept_until_they_end(void **state)
{
	const struct store_watch rows[] = { watch("a", "one", 100), watch("b", "two\nlines", 200), watch("a", "three", 300), watch("c", "four", 400),
		watch("c", "", 0), watch("none", "", 0) };
	struct store *s = open_store();
	struct mine m;
	expect_watches(s, 0, "");
	batch(&m, 1);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		assert_int_equal(store_put_watch(&m.batch, &rows[i]), XFED_OK);
	}
	submit(s, &m);
	assert_int_equal(m.batch.written, XFED_OK);
	store_batch_deinit(&m.batch);
	store_close(s);
	s = open_store();
	expect_watches(s, 199, "a dave@corp.example alice@partner.example three 300|b dave@corp.example alice@partner.example two\nlines 200|");
	expect_watches(s, 200, "a dave@corp.example alice@partner.example three 300|");
	batch(&m, 2);
	assert_int_equal(store_trim_watches(&m.batch, 250), XFED_OK);
	submit(s, &m);
	store_batch_deinit(&m.batch);
	expect_watches(s, 0, "a dave@corp.example alice@partner.example three 300|");
	store_close(s);
}

/* ---- memory ---- */

static void scenario(void)
{
	struct store *s;
	struct mine m;
	char error[256];
	if (try_open(&s, error) != XFED_OK) {
		return;
	}
	struct store_failure f = row(1);
	batch(&m, 1);
	int rc = store_put_failure(&m.batch, &f);
	struct store_contact c = contact("dave@corp.example", "alice@partner.example", 1, 2);
	rc = rc == XFED_OK ? store_trim_failures(&m.batch, 10, 10, INT64_MIN) : rc;
	rc = rc == XFED_OK ? store_put_contact(&m.batch, &c) : rc;
	struct store_watch w = watch("a", "one", 1);
	rc = rc == XFED_OK ? store_put_watch(&m.batch, &w) : rc;
	rc = rc == XFED_OK ? store_ask(&m.batch, &(struct store_question){ .limit = 1, .remote = "odd.example", .has_detail = true }) : rc;
	assert_true(rc == XFED_OK || rc == XFED_ERR_NOMEM);
	if (rc == XFED_OK) {
		submit(s, &m);
		assert_int_equal(m.batch.written, XFED_OK);
		assert_true(m.batch.answered == XFED_OK || m.batch.answered == XFED_ERR_NOMEM);
	}
	store_batch_deinit(&m.batch);
	store_close(s);
}

static void every_allocation_of_ours_may_fail(void **state)
{
	(void)state;
	assert_true(sweep(scenario) > 3);
}

int contract_run(const struct contract_backend *b)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_revision_and_the_key_survive, setup),
		cmocka_unit_test_setup(a_store_made_later_has_a_higher_epoch, setup),
		cmocka_unit_test_setup(one_gateway_at_a_time, setup),
		cmocka_unit_test_setup(a_newer_version_is_left_alone, setup),
		cmocka_unit_test_setup(an_older_version_keeps_what_it_held, setup),
		cmocka_unit_test_setup(damage_is_told, setup),
		cmocka_unit_test_setup(rows_come_back_as_they_were, setup),
		cmocka_unit_test_setup(questions, setup),
		cmocka_unit_test_setup(a_load_ends_where_its_reader_ends_it, setup),
		cmocka_unit_test_setup(the_oldest_go, setup),
		cmocka_unit_test_setup(our_own_are_counted_apart, setup),
		cmocka_unit_test_setup(what_waits_together_is_written_at_once, setup),
		cmocka_unit_test_setup(stopping_writes_what_waits, setup),
		cmocka_unit_test_setup(a_full_disk_takes_a_batch_whole_or_not_at_all, setup),
		cmocka_unit_test_setup(a_refused_row_takes_its_batch_back, setup),
		cmocka_unit_test_setup(what_cannot_be_written_is_known, setup),
		cmocka_unit_test_setup(one_that_does_not_fit_costs_its_group_nothing, setup),
		cmocka_unit_test_setup(what_was_acknowledged_survives_a_kill, setup),
		cmocka_unit_test_setup(contacts_are_kept_and_the_longest_silent_go, setup),
		cmocka_unit_test_setup(watches_are_kept_until_they_end, setup),
		cmocka_unit_test_setup(every_allocation_of_ours_may_fail, setup),
	};
	tested = b;
	uv_mutex_init(&door.lock);
	uv_cond_init(&door.changed);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	uv_cond_destroy(&door.changed);
	uv_mutex_destroy(&door.lock);
	return failed;
}
