#include <sqlite3.h>
#include <stdio.h>

#include "journal/journal_impl.h"
#include "proto/check.h"

#define COLUMNS                                                                                                                                      \
	"id, first_s, last_s, repeats, direction, edge, local, remote, reason, side, words, "                                                        \
	"correlation"

static int fail(sqlite3 *db, char error[256])
{
	int code = sqlite3_errcode(db);
	snprintf(error, 256, "journal: %s", sqlite3_errmsg(db));
	return code == SQLITE_NOMEM ? XFED_ERR_NOMEM : XFED_ERR_LIBRARY;
}

static int run(sqlite3 *db, const char *sql, char error[256])
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? XFED_OK : fail(db, error);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	return sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK ? st : NULL;
}

/* ---- writing ---- */

static bool bind_text(sqlite3_stmt *st, int n, struct xfed_span s)
{
	return sqlite3_bind_text(st, n, s.len > 0 ? s.data : "", (int)s.len, SQLITE_STATIC) == SQLITE_OK;
}

static bool write_row(sqlite3_stmt *st, const struct journal_record *r)
{
	const struct xfed_span texts[JOURNAL_TEXT_COUNT] = {
#define SPAN(name) r->name,
		JOURNAL_TEXTS(SPAN)
#undef SPAN
	};
	bool ok = sqlite3_reset(st) == SQLITE_OK && sqlite3_bind_int64(st, 1, (sqlite3_int64)r->id) == SQLITE_OK &&
		  sqlite3_bind_int64(st, 2, r->first_s) == SQLITE_OK && sqlite3_bind_int64(st, 3, r->last_s) == SQLITE_OK &&
		  sqlite3_bind_int64(st, 4, (sqlite3_int64)r->count) == SQLITE_OK && sqlite3_bind_int(st, 5, (int)r->direction) == SQLITE_OK;
	for (int i = 0; i < JOURNAL_TEXT_COUNT && ok; i++) {
		ok = bind_text(st, 6 + i, texts[i]);
	}
	const char *detail = r->detail.len > 0 ? r->detail.data : "";
	return ok && sqlite3_bind_blob(st, 6 + JOURNAL_TEXT_COUNT, detail, (int)r->detail.len, SQLITE_STATIC) == SQLITE_OK &&
	       sqlite3_step(st) == SQLITE_DONE;
}

/* A row that was written before has been seen again since. */
static int write_rows(struct journal_job *job, sqlite3 *db)
{
	if (job->write_count == 0) {
		return XFED_OK;
	}
	sqlite3_stmt *st = prepare(db, "INSERT INTO failure (" COLUMNS ", detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
				       " ON CONFLICT (id) DO UPDATE SET last_s = excluded.last_s, repeats = "
				       "excluded.repeats");
	bool ok = st != NULL;
	for (size_t i = 0; i < job->write_count && ok; i++) {
		ok = write_row(st, &job->writes[i]->r);
	}
	int rc = ok ? XFED_OK : fail(db, job->error);
	sqlite3_finalize(st);
	return rc;
}

static int delete_with(struct journal_job *job, sqlite3 *db, const char *sql, int64_t value)
{
	sqlite3_stmt *st = prepare(db, sql);
	bool ok = st && sqlite3_bind_int64(st, 1, value) == SQLITE_OK && sqlite3_step(st) == SQLITE_DONE;
	int rc = ok ? XFED_OK : fail(db, job->error);
	sqlite3_finalize(st);
	return rc;
}

/* The oldest go first: by age, then by number. */
static int trim(struct journal_job *job, sqlite3 *db)
{
	int rc = delete_with(job, db, "DELETE FROM failure WHERE last_s < ?1", job->oldest_s);
	if (rc == XFED_OK) {
		rc = delete_with(job, db,
			"DELETE FROM failure WHERE id <= (SELECT id FROM failure ORDER BY id DESC "
			"LIMIT 1 OFFSET ?1)",
			(int64_t)job->rows);
	}
	return rc;
}

static int write_all(struct journal_job *job, sqlite3 *db)
{
	char ignored[256];
	int rc = run(db, "BEGIN IMMEDIATE", job->error);
	if (rc != XFED_OK) {
		return rc;
	}
	rc = write_rows(job, db);
	if (rc == XFED_OK) {
		rc = trim(job, db);
	}
	if (rc == XFED_OK) {
		rc = run(db, "COMMIT", job->error);
	}
	/* A full disk may have rolled back already; what the error was is known. */
	if (rc != XFED_OK && !sqlite3_get_autocommit(db)) {
		(void)run(db, "ROLLBACK", ignored);
	}
	return rc;
}

/* ---- reading ---- */

static struct xfed_span column_text(sqlite3_stmt *st, int n)
{
	const unsigned char *s = sqlite3_column_text(st, n);
	return s ? xfed_span_make(s, strlen((const char *)s)) : XFED_SPAN("");
}

/* `with_detail`: the column behind the others. The record lives until the next step. */
static void read_row(sqlite3_stmt *st, bool with_detail, struct journal_record *r)
{
	int direction = sqlite3_column_int(st, 4);
	*r = (struct journal_record){ .id = (uint64_t)sqlite3_column_int64(st, 0),
		.first_s = sqlite3_column_int64(st, 1),
		.last_s = sqlite3_column_int64(st, 2),
		.count = (uint64_t)sqlite3_column_int64(st, 3),
		.direction = direction == XFED__DIRECTION__DIRECTION_IN ? XFED__DIRECTION__DIRECTION_IN : XFED__DIRECTION__DIRECTION_OUT };
	struct xfed_span *texts[JOURNAL_TEXT_COUNT] = {
#define SPAN(name) &r->name,
		JOURNAL_TEXTS(SPAN)
#undef SPAN
	};
	for (int i = 0; i < JOURNAL_TEXT_COUNT; i++) {
		*texts[i] = column_text(st, 5 + i);
	}
	if (with_detail) {
		const void *blob = sqlite3_column_blob(st, 5 + JOURNAL_TEXT_COUNT);
		r->detail = xfed_span_make(blob, blob ? (size_t)sqlite3_column_bytes(st, 5 + JOURNAL_TEXT_COUNT) : 0);
	}
}

/* Takes the statement, which may be NULL. */
static int each(sqlite3 *db, sqlite3_stmt *st, bool with_detail, journal_row_fn *fn, void *user, char error[256])
{
	int rc = XFED_OK, step = st ? SQLITE_ROW : SQLITE_ERROR;
	while (rc == XFED_OK && step == SQLITE_ROW && (step = sqlite3_step(st)) == SQLITE_ROW) {
		struct journal_record r;
		read_row(st, with_detail, &r);
		rc = fn(user, &r);
	}
	if (rc == XFED_OK && step != SQLITE_DONE) {
		rc = fail(db, error);
	}
	sqlite3_finalize(st);
	return rc;
}

int journal_db_newest(struct sqlite3 *db, size_t limit, journal_row_fn *fn, void *user, char error[256])
{
	sqlite3_stmt *st = prepare(db, "SELECT " COLUMNS ", detail FROM failure WHERE id > 0 ORDER BY id DESC LIMIT ?1");
	if (st) {
		sqlite3_bind_int64(st, 1, (sqlite3_int64)limit);
	}
	return each(db, st, true, fn, user, error);
}

int journal_db_older(struct sqlite3 *db, uint64_t id, bool *exists, int64_t *last_s, char error[256])
{
	sqlite3_stmt *st = prepare(db, "SELECT max(last_s) FROM failure WHERE id < ?1");
	bool ok = st && sqlite3_bind_int64(st, 1, (sqlite3_int64)id) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW;
	int rc = ok ? XFED_OK : fail(db, error);
	*exists = ok && sqlite3_column_type(st, 0) != SQLITE_NULL;
	*last_s = *exists ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_finalize(st);
	return rc;
}

static int take_one(void *user, const struct journal_record *r)
{
	json_t **out = user;
	*out = journal_record_json(r, true);
	return *out ? XFED_OK : XFED_ERR_NOMEM;
}

static int show(struct journal_job *job, sqlite3 *db)
{
	sqlite3_stmt *st = prepare(db, "SELECT " COLUMNS ", detail FROM failure WHERE id = ?1 AND last_s >= ?2");
	if (st) {
		sqlite3_bind_int64(st, 1, (sqlite3_int64)job->question.id);
		sqlite3_bind_int64(st, 2, job->oldest_s);
	}
	int rc = each(db, st, true, take_one, &job->answer, job->error);
	return rc == XFED_OK && !job->answer ? XFED_ERR_NOT_FOUND : rc;
}

struct page {
	json_t *failures;
	uint64_t last_id;
};

static int take_row(void *user, const struct journal_record *r)
{
	struct page *p = user;
	p->last_id = r->id;
	return json_array_append_new(p->failures, journal_record_json(r, false)) == 0 ? XFED_OK : XFED_ERR_NOMEM;
}

static int list(struct journal_job *job, sqlite3 *db)
{
	static const char all[] = "SELECT " COLUMNS " FROM failure WHERE last_s >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
	static const char one[] = "SELECT " COLUMNS " FROM failure WHERE last_s >= ?1 AND id < ?2 "
				  "AND remote = ?4 ORDER BY id DESC LIMIT ?3";
	const struct journal_question *q = &job->question;
	bool is_one = q->partner[0] != '\0';
	struct page p = { .failures = json_array() };
	sqlite3_stmt *st = p.failures ? prepare(db, is_one ? one : all) : NULL;
	if (!p.failures) {
		return XFED_ERR_NOMEM;
	}
	if (st) {
		sqlite3_bind_int64(st, 1, q->since_s > job->oldest_s ? q->since_s : job->oldest_s);
		sqlite3_bind_int64(st, 2, q->before > 0 && q->before < INT64_MAX ? (sqlite3_int64)q->before : INT64_MAX);
		sqlite3_bind_int64(st, 3, (sqlite3_int64)q->limit);
		if (is_one) {
			bind_text(st, 4, xfed_span_str(q->partner));
		}
	}
	int rc = each(db, st, false, take_row, &p, job->error);
	if (rc != XFED_OK) {
		json_decref(p.failures);
		return rc;
	}
	job->answer = journal_list_json(p.failures, q, p.last_id);
	return job->answer ? XFED_OK : XFED_ERR_NOMEM;
}

void journal_job_run(struct journal_job *job, struct sqlite3 *db)
{
	job->is_written = write_all(job, db) == XFED_OK;
	if (job->has_question) {
		job->rc = job->question.id ? show(job, db) : list(job, db);
	}
}
