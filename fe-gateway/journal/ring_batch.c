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
	for (const struct ring_lane *l = j->lanes; l < j->lanes + RING_LANES; l++) {
		for (size_t i = 0; i < l->count; i++) {
			const struct ring_row *e = ring_row_at(l, i);
			if (!e->is_dirty) {
				continue;
			}
			if (store_put_failure(&b->store, &e->r) != XFED_OK) {
				return XFED_ERR_NOMEM;
			}
			b->ids[b->write_count++] = e->r.id;
		}
	}
	return store_trim_failures(&b->store, j->limits.rows, JOURNAL_MESSAGES(j->limits.rows), b->oldest_s);
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

/* Rows that could not be written are marked again, as far as the ring still has them. */
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

/* ---- loading ---- */

/* Rows come newest first, one lane after the other. */
static int load_row(void *user, const struct store_failure *r)
{
	struct ring *j = user;
	j->next_id = r->id >= j->next_id ? r->id + 1 : j->next_id;
	j->fold_from = j->next_id;
	struct ring_row *row = ring_row_new(r);
	if (!row) {
		return XFED_ERR_NOMEM;
	}
	/* keeps room for new rows */
	const struct ring_lane *l = ring_lane_of(j, r);
	if (l->count == l->max || l->bytes + row->bytes > l->max_bytes / 2) {
		j->gone_id = r->id > j->gone_id ? r->id : j->gone_id;
		xfed_free(row);
		return XFED_ERR_LIMIT;
	}
	ring_insert(j, row, false);
	return XFED_OK;
}

int ring_load(struct ring *j, struct store *s, char error[256])
{
	XFED_REQUIRE(j->rows == 0 && j->next_id == 1);
	static const enum store_failures which[] = { STORE_OF_EDGES, STORE_OUR_OWN };
	int rc = XFED_OK;
	error[0] = '\0';
	for (size_t i = 0; i < XFED_ARRAY_LEN(which) && rc == XFED_OK; i++) {
		const struct store_question newest = { .which = which[i], .since_s = INT64_MIN, .limit = SIZE_MAX, .has_detail = true };
		rc = store_load_failures(s, &newest, load_row, j, error);
		rc = rc == XFED_ERR_LIMIT ? XFED_OK : rc;
	}
	return rc == XFED_OK ? store_load_older(s, j->gone_id + 1, &j->has_older, &j->older_last_s, error) : rc;
}
