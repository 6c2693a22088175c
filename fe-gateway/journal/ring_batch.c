#include <stdio.h>

#include "journal/journal_impl.h"

bool ring_flush_is_due(const struct ring *j, uint64_t now_ms)
{
	if (j->batches > 0 || now_ms < j->retry_at_ms) {
		return false;
	}
	if (j->dirty == 0) {
		return (j->rows > 0 || j->has_older) && now_ms - j->trimmed_ms >= JOURNAL_TRIM_MS;
	}
	return j->dirty >= JOURNAL_FLUSH_ROWS || now_ms - j->dirty_since_ms >= JOURNAL_FLUSH_MS;
}

static int put_dirty(struct ring *j, struct ring_batch *b)
{
	for (uint64_t id = j->first_id; id < j->next_id; id++) {
		const struct ring_row *e = ring_row_of(j, id);
		if (e && e->is_dirty) {
			if (store_put_failure(&b->store, &e->r) != XFED_OK) {
				return XFED_ERR_NOMEM;
			}
			b->ids[b->write_count++] = id;
		}
	}
	return store_trim_failures(&b->store, j->limits.rows, b->oldest_s);
}

static int put_question(struct ring_batch *b, const struct journal_question *q)
{
	b->question = *q;
	return store_ask(&b->store, &(struct store_question){ .id = q->id,
					    .remote = q->partner[0] ? q->partner : NULL,
					    .since_s = q->since_s > b->oldest_s ? q->since_s : b->oldest_s,
					    .before = q->before,
					    .limit = q->id ? 1 : q->limit,
					    .has_detail = q->id != 0 });
}

int ring_batch_new(struct ring *j, const struct journal_question *q, int64_t now_s, void (*done)(struct store_batch *b), struct ring_batch **out)
{
	struct ring_batch *b = xfed_calloc(1, sizeof(*b) + j->dirty * sizeof(b->ids[0]));
	*out = NULL;
	if (!b) {
		return XFED_ERR_NOMEM;
	}
	store_batch_init(&b->store, done);
	b->oldest_s = now_s - j->limits.keep_s;
	int rc = put_dirty(j, b);
	rc = rc == XFED_OK && q ? put_question(b, q) : rc;
	if (rc != XFED_OK) {
		ring_batch_free(b);
		return rc;
	}
	for (size_t i = 0; i < b->write_count; i++) {
		ring_row_of(j, b->ids[i])->is_dirty = false;
	}
	j->dirty = 0;
	j->batches++;
	*out = b;
	return XFED_OK;
}

void ring_batch_free(struct ring_batch *b)
{
	if (b) {
		store_batch_deinit(&b->store);
		xfed_free(b);
	}
}

/* What could not be written is to be written again, where the ring still has it. */
static void take_back(struct ring *j, const struct ring_batch *b, uint64_t now_ms)
{
	j->retry_at_ms = now_ms + JOURNAL_RETRY_MS;
	for (size_t i = 0; i < b->write_count; i++) {
		struct ring_row *e = ring_row_of(j, b->ids[i]);
		if (e) {
			ring_mark_dirty(j, e, now_ms);
		} else {
			j->lost++;
		}
	}
}

static json_t *page(const struct ring_batch *b)
{
	json_t *failures = json_array();
	uint64_t last_id = 0;
	for (const struct store_row *row = b->store.rows; failures && row; row = row->next) {
		last_id = row->f.id;
		if (json_array_append_new(failures, failure_json(&row->f, false)) != 0) {
			json_decref(failures);
			failures = NULL;
		}
	}
	return failures_json(failures, &b->question, last_id);
}

static int answer_of(struct ring *j, const struct ring_batch *b, json_t **answer)
{
	if (b->store.answered != XFED_OK) {
		return b->store.answered;
	}
	if (b->question.id && !b->store.rows) {
		return XFED_ERR_NOT_FOUND;
	}
	*answer = b->question.id ? failure_json(&b->store.rows->f, true) : page(b);
	if (*answer && !b->question.id) {
		ring_strangers_list(j, &b->question, b->oldest_s, *answer);
	}
	return *answer ? XFED_OK : XFED_ERR_NOMEM;
}

int ring_batch_end(struct ring *j, struct ring_batch *b, uint64_t now_ms, json_t **answer, char error[256])
{
	*answer = NULL;
	j->batches--;
	if (b->store.written == XFED_OK) {
		j->trimmed_ms = now_ms;
		j->retry_at_ms = 0;
	} else {
		take_back(j, b, now_ms);
	}
	int rc = b->store.has_question ? answer_of(j, b, answer) : XFED_OK;
	snprintf(error, 256, "%s", b->store.error);
	ring_batch_free(b);
	return rc;
}

/* ---- the start ---- */

/* Newest first: the ring's ids are set by the first row. */
static int load_row(void *user, const struct store_failure *r)
{
	struct ring *j = user;
	if (j->rows == 0) {
		j->next_id = r->id + 1;
		j->first_id = j->next_id;
		j->fold_from = j->next_id;
	}
	struct ring_row *row = ring_row_new(r);
	if (!row) {
		return XFED_ERR_NOMEM;
	}
	/* Space for what comes is kept free. */
	if (j->next_id - r->id > j->limits.ring_rows || j->bytes + row->bytes > j->limits.ring_bytes / 2) {
		xfed_free(row);
		return XFED_ERR_LIMIT;
	}
	ring_insert(j, row);
	j->first_id = r->id;
	return XFED_OK;
}

int ring_load(struct ring *j, struct store *s, char error[256])
{
	XFED_REQUIRE(j->rows == 0 && j->next_id == 1);
	const struct store_question newest = { .since_s = INT64_MIN, .limit = j->limits.ring_rows, .has_detail = true };
	error[0] = '\0';
	int rc = store_load_failures(s, &newest, load_row, j, error);
	if (rc == XFED_OK || rc == XFED_ERR_LIMIT) {
		rc = store_load_older(s, j->first_id, &j->has_older, &j->older_last_s, error);
	}
	return rc;
}
