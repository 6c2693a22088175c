#include <stdio.h>

#include "journal/journal_impl.h"

bool journal_flush_is_due(const struct journal *j, uint64_t now_ms)
{
	if (j->jobs > 0 || now_ms < j->retry_at_ms) {
		return false;
	}
	if (j->dirty == 0) {
		return (j->rows > 0 || j->has_older) && now_ms - j->trimmed_ms >= JOURNAL_TRIM_MS;
	}
	return j->dirty >= JOURNAL_FLUSH_ROWS || now_ms - j->dirty_since_ms >= JOURNAL_FLUSH_MS;
}

static int copy_dirty(struct journal *j, struct journal_job *job)
{
	job->writes = xfed_calloc(j->dirty > 0 ? j->dirty : 1, sizeof(struct journal_copy *));
	if (!job->writes) {
		return XFED_ERR_NOMEM;
	}
	for (uint64_t id = j->first_id; id < j->next_id; id++) {
		const struct journal_entry *e = journal_entry_of(j, id);
		if (e && e->is_dirty) {
			struct journal_copy *c = journal_copy_new(&e->copy->r);
			if (!c) {
				return XFED_ERR_NOMEM;
			}
			job->writes[job->write_count++] = c;
		}
	}
	return XFED_OK;
}

int journal_job_new(struct journal *j, const struct journal_question *q, int64_t now_s, struct journal_job **out)
{
	struct journal_job *job = xfed_calloc(1, sizeof(*job));
	*out = NULL;
	if (!job || copy_dirty(j, job) != XFED_OK) {
		journal_job_free(job);
		return XFED_ERR_NOMEM;
	}
	job->rows = j->limits.rows;
	job->oldest_s = now_s - j->limits.keep_s;
	job->has_question = q != NULL;
	if (q) {
		job->question = *q;
	}
	for (size_t i = 0; i < job->write_count; i++) {
		journal_entry_of(j, job->writes[i]->r.id)->is_dirty = false;
	}
	j->dirty = 0;
	j->jobs++;
	*out = job;
	return XFED_OK;
}

void journal_job_free(struct journal_job *job)
{
	if (!job) {
		return;
	}
	for (size_t i = 0; i < job->write_count; i++) {
		xfed_free(job->writes[i]);
	}
	xfed_free(job->writes);
	json_decref(job->answer);
	xfed_free(job);
}

/* What could not be written is to be written again, where the ring still has it. */
static void take_back(struct journal *j, const struct journal_job *job, uint64_t now_ms)
{
	j->stats.write_errors++;
	j->retry_at_ms = now_ms + JOURNAL_RETRY_MS;
	for (size_t i = 0; i < job->write_count; i++) {
		struct journal_entry *e = journal_entry_of(j, job->writes[i]->r.id);
		if (e) {
			journal_mark_dirty(j, e, now_ms);
		} else {
			j->stats.lost++;
		}
	}
}

int journal_job_end(struct journal *j, struct journal_job *job, uint64_t now_ms, json_t **answer, char error[256])
{
	j->jobs--;
	if (job->is_written) {
		j->trimmed_ms = now_ms;
		j->retry_at_ms = 0;
	} else {
		take_back(j, job, now_ms);
	}
	int rc = job->has_question ? job->rc : XFED_OK;
	*answer = job->answer;
	job->answer = NULL;
	if (*answer && job->question.id == 0) {
		journal_strangers_list(j, &job->question, job->oldest_s, *answer);
	}
	snprintf(error, 256, "%s", job->error);
	journal_job_free(job);
	return rc;
}

/* ---- the start ---- */

/* Newest first: the ring's ids are set by the first row. */
static int load_row(void *user, const struct journal_record *r)
{
	struct journal *j = user;
	struct journal_entry *e;
	if (j->rows == 0) {
		j->next_id = r->id + 1;
		j->first_id = j->next_id;
		j->fold_from = j->next_id;
	}
	struct journal_copy *c = journal_copy_new(r);
	if (!c) {
		return XFED_ERR_NOMEM;
	}
	/* Room for what comes is kept free. */
	if (j->next_id - r->id > j->limits.ring_rows || j->bytes + c->bytes > j->limits.ring_bytes / 2) {
		xfed_free(c);
		return XFED_ERR_LIMIT;
	}
	int rc = journal_insert(j, c, &e);
	if (rc == XFED_OK) {
		j->first_id = r->id;
	}
	return rc;
}

int journal_load(struct journal *j, struct sqlite3 *db, char error[256])
{
	XFED_REQUIRE(j->rows == 0 && j->next_id == 1);
	error[0] = '\0';
	int rc = journal_db_newest(db, j->limits.ring_rows, load_row, j, error);
	if (rc == XFED_OK || rc == XFED_ERR_LIMIT) {
		rc = journal_db_older(db, j->first_id, &j->has_older, &j->older_last_s, error);
	}
	return rc;
}
