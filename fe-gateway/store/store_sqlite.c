/* The backend for an SQLite file. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store_sqlite.h"
#include "xfed/mem.h"
#include "xfed/rt/conf.h"

/* Step n changes schema version n into n + 1. A step that has been released is never changed. */
const char *const file_steps[] = {
	/* each of the first two tables has exactly one row */
	"CREATE TABLE policy (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, counter INTEGER NOT NULL,"
	" hash BLOB NOT NULL);"
	"CREATE TABLE secret (one INTEGER PRIMARY KEY CHECK (one = 1), key BLOB NOT NULL);",
	"CREATE TABLE failure (id INTEGER PRIMARY KEY, first_s INTEGER NOT NULL, last_s INTEGER NOT NULL, repeats INTEGER NOT NULL,"
	" direction INTEGER NOT NULL, edge TEXT NOT NULL, local TEXT NOT NULL, remote TEXT NOT NULL, reason TEXT NOT NULL,"
	" side TEXT NOT NULL, words TEXT NOT NULL, correlation TEXT NOT NULL, detail BLOB NOT NULL);"
	"CREATE INDEX failure_remote ON failure (remote, id);"
	"CREATE INDEX failure_last ON failure (last_s);",
	"CREATE TABLE contact (local TEXT NOT NULL, remote TEXT NOT NULL, wrote_s INTEGER NOT NULL, alive_s INTEGER NOT NULL,"
	" PRIMARY KEY (local, remote)) WITHOUT ROWID;"
	"CREATE INDEX contact_wrote ON contact (wrote_s);",
	"CREATE INDEX failure_of_edges ON failure (id) WHERE edge <> '';"
	"CREATE INDEX failure_our_own ON failure (id) WHERE edge = '';",
	/* presence subscriptions */
	"ALTER TABLE contact ADD COLUMN relation TEXT NOT NULL DEFAULT 'none';"
	"ALTER TABLE contact ADD COLUMN preapproved INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE contact ADD COLUMN asked_s INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE contact ADD COLUMN used_s INTEGER NOT NULL DEFAULT 0;",
	/* who wants them, and since when nobody has */
	"ALTER TABLE contact ADD COLUMN wanted_s INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE contact ADD COLUMN approved INTEGER NOT NULL DEFAULT 0;"
	"UPDATE contact SET wanted_s = used_s WHERE relation IN ('to', 'to+pending-in', 'both') OR relation LIKE '%+pending-out%';"
	/* their devices' subscriptions */
	"CREATE TABLE watch (name TEXT PRIMARY KEY, local TEXT NOT NULL, remote TEXT NOT NULL, dialog TEXT NOT NULL, until_s INTEGER NOT NULL)"
	" WITHOUT ROWID;",
};
#define SCHEMA ((int)XFED_ARRAY_LEN(file_steps))
const int file_schema = SCHEMA;

/* Opens the file itself: SQLite only keeps the error of its second attempt, to open a missing file for reading. */
int store_access(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	if (access(path, R_OK | W_OK) != 0 && errno != ENOENT) {
		return errno;
	}
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	return access(dir, W_OK | X_OK) == 0 ? 0 : errno;
}

/* The errno behind an SQLite error; SQLite keeps none for a full disk. */
static int system_error(const struct file *f, int code)
{
	int denied = code == SQLITE_CANTOPEN ? store_access(f->path) : 0;
	return code == SQLITE_FULL				 ? ENOSPC
	       : denied != 0					 ? denied
	       : code == SQLITE_IOERR || code == SQLITE_CANTOPEN ? sqlite3_system_errno(f->db)
								 : 0;
}

int file_fail(const struct file *f, char error[256])
{
	int code = sqlite3_errcode(f->db), number = system_error(f, code);
	char words[96];
	if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
		snprintf(error, 256, "%s: in use by another gateway", f->path);
	} else {
		snprintf(error, 256, "%s: %s%s%s%s", f->path, sqlite3_errmsg(f->db), number ? " (" : "", number ? rt_errno_words(number, words) : "",
			number ? ")" : "");
	}
	return code == SQLITE_NOMEM ? XFED_ERR_NOMEM : XFED_ERR_LIBRARY;
}

int file_run(struct file *f, const char *sql, char error[256])
{
	return sqlite3_exec(f->db, sql, NULL, NULL, NULL) == SQLITE_OK ? XFED_OK : file_fail(f, error);
}

sqlite3_stmt *file_prepare(struct file *f, const char *sql)
{
	sqlite3_stmt *st = NULL;
	return sqlite3_prepare_v2(f->db, sql, -1, &st, NULL) == SQLITE_OK ? st : NULL;
}

/* Runs and frees the statement; NULL, where preparing it failed, is fine. */
int file_finish(struct file *f, sqlite3_stmt *st, bool is_bound, char error[256])
{
	int rc = st && is_bound && sqlite3_step(st) == SQLITE_DONE ? XFED_OK : file_fail(f, error);
	sqlite3_finalize(st);
	return rc;
}

/* ---- opening ---- */

int file_version(struct file *f, int *version, char error[256])
{
	sqlite3_stmt *st = file_prepare(f, "PRAGMA user_version");
	bool ok = st && sqlite3_step(st) == SQLITE_ROW;
	*version = ok ? sqlite3_column_int(st, 0) : 0;
	sqlite3_finalize(st);
	return ok ? XFED_OK : file_fail(f, error);
}

/*
 * Higher for a store that was made later, because an edge accepts only a higher revision; random in the low bits, so that two stores made
 * within one second differ.
 */
uint64_t file_new_epoch(const struct xfed_env *env)
{
	uint32_t random;
	env->random(env->user, &random, sizeof(random));
	return ((uint64_t)env->wall_s(env->user) << 20) | (random & 0xfffff);
}

/* Writes the rows of a new store. */
static int fill(struct file *f, const struct xfed_env *env, char error[256])
{
	uint8_t key[CORE_KEY_BYTES];
	static const uint8_t no_hash[32];
	env->random(env->user, key, sizeof(key));
	sqlite3_stmt *st = file_prepare(f, "INSERT INTO policy (one, epoch, counter, hash) VALUES (1, ?1, 0, ?2)");
	bool ok = st && sqlite3_bind_int64(st, 1, (sqlite3_int64)file_new_epoch(env)) == SQLITE_OK &&
		  sqlite3_bind_blob(st, 2, no_hash, sizeof(no_hash), SQLITE_STATIC) == SQLITE_OK;
	int rc = file_finish(f, st, ok, error);
	if (rc == XFED_OK) {
		st = file_prepare(f, "INSERT INTO secret (one, key) VALUES (1, ?1)");
		rc = file_finish(f, st, st && sqlite3_bind_blob(st, 1, key, sizeof(key), SQLITE_STATIC) == SQLITE_OK, error);
	}
	xfed_wipe(key, sizeof(key));
	return rc;
}

int file_migrate(struct file *f, const struct xfed_env *env, char error[256])
{
	int version;
	int rc = file_version(f, &version, error);
	if (rc != XFED_OK) {
		return rc;
	}
	if (version > SCHEMA) {
		snprintf(error, 256,
			"%.100s: made by a newer version (schema %d, this one knows %d): install that again, or restore a backup of before the "
			"upgrade",
			f->path, version, SCHEMA);
		return XFED_ERR_INVALID;
	}
	bool is_new = version == 0;
	for (; version < SCHEMA && rc == XFED_OK; version++) {
		rc = file_run(f, file_steps[version], error);
	}
	rc = rc == XFED_OK && is_new ? fill(f, env, error) : rc;
	if (rc == XFED_OK) {
		char sql[64];
		snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", SCHEMA);
		rc = file_run(f, sql, error);
	}
	return rc;
}

/* A write transaction takes the lock, which exclusive mode keeps until the file is closed. No temporary files: the sandbox has no place for them. */
static int set_up(struct file *f, const struct xfed_env *env, char error[256])
{
	int rc = file_run(f,
		"PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; BEGIN "
		"EXCLUSIVE",
		error);
	rc = rc == XFED_OK ? file_migrate(f, env, error) : rc;
	/* A restored copy had another application_id until it was here: see READY. */
	return rc == XFED_OK ? file_run(f, "PRAGMA application_id = 0; COMMIT", error) : rc;
}

static void close_file(void *db)
{
	struct file *f = db;
	sqlite3_close(f->db);
	xfed_free(f->path);
	xfed_free(f);
}

static int open_file(const char *where, const struct xfed_env *env, void **out, char error[256])
{
	struct file *f = xfed_calloc(1, sizeof(*f));
	if (!f || !(f->path = xfed_strdup(where))) {
		xfed_free(f);
		return XFED_ERR_NOMEM;
	}
	int rc = file_apply_restore(where, env, error);
	if (rc != XFED_OK) {
		xfed_free(f->path);
		xfed_free(f);
		return rc;
	}
	mode_t before = umask(0077); /* the file holds a key; no other thread runs at the start */
	if (sqlite3_open_v2(where, &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL) != SQLITE_OK) {
		rc = f->db ? file_fail(f, error) : XFED_ERR_NOMEM;
	}
	rc = rc == XFED_OK ? set_up(f, env, error) : rc;
	umask(before);
	if (rc != XFED_OK) {
		close_file(f);
		return rc == XFED_ERR_NOMEM ? rc : XFED_ERR_INVALID;
	}
	*out = f;
	return XFED_OK;
}

static bool copy_blob(sqlite3_stmt *st, int column, void *out, int size)
{
	const void *blob = sqlite3_column_blob(st, column);
	if (!blob || sqlite3_column_bytes(st, column) != size) {
		return false;
	}
	memcpy(out, blob, (size_t)size);
	return true;
}

static int read_facts(void *db, struct store_facts *out, char error[256])
{
	struct file *f = db;
	sqlite3_stmt *st = file_prepare(f, "SELECT epoch, counter, hash, key FROM policy, secret");
	if (!st) {
		return file_fail(f, error);
	}
	int rc = XFED_OK;
	if (sqlite3_step(st) != SQLITE_ROW || !copy_blob(st, 2, out->revision.hash, sizeof(out->revision.hash)) ||
		!copy_blob(st, 3, out->key, sizeof(out->key))) {
		snprintf(error, 256, "%s: a row is missing or damaged; move the file away to begin anew", f->path);
		rc = XFED_ERR_INVALID;
	} else {
		out->revision.epoch = (uint64_t)sqlite3_column_int64(st, 0);
		out->revision.counter = (uint64_t)sqlite3_column_int64(st, 1);
	}
	sqlite3_finalize(st);
	return rc;
}

/* ---- writing ---- */

static int begin(void *db, char error[256])
{
	return file_run(db, "BEGIN IMMEDIATE", error);
}

static int commit(void *db, char error[256])
{
	return file_run(db, "COMMIT", error);
}

/* After a full disk SQLite may have rolled back by itself; the error is already known. */
static void rollback(void *db)
{
	struct file *f = db;
	char ignored[256];
	if (!sqlite3_get_autocommit(f->db)) {
		(void)file_run(f, "ROLLBACK", ignored);
	}
}

static int write_revision(struct file *f, const struct proto_revision *r, char error[256])
{
	sqlite3_stmt *st = file_prepare(f, "UPDATE policy SET epoch = ?1, counter = ?2, hash = ?3 WHERE one = 1");
	bool ok = st && sqlite3_bind_int64(st, 1, (sqlite3_int64)r->epoch) == SQLITE_OK &&
		  sqlite3_bind_int64(st, 2, (sqlite3_int64)r->counter) == SQLITE_OK &&
		  sqlite3_bind_blob(st, 3, r->hash, sizeof(r->hash), SQLITE_STATIC) == SQLITE_OK;
	return file_finish(f, st, ok, error);
}

#define COLUMNS "id, first_s, last_s, repeats, direction, edge, local, remote, reason, side, words, correlation"

static bool bind_text(sqlite3_stmt *st, int n, struct xfed_span s)
{
	return sqlite3_bind_text(st, n, s.len > 0 ? s.data : "", (int)s.len, SQLITE_STATIC) == SQLITE_OK;
}

static bool bind_failure(sqlite3_stmt *st, const struct store_failure *r)
{
	bool ok = sqlite3_bind_int64(st, 1, (sqlite3_int64)r->id) == SQLITE_OK && sqlite3_bind_int64(st, 2, r->first_s) == SQLITE_OK &&
		  sqlite3_bind_int64(st, 3, r->last_s) == SQLITE_OK && sqlite3_bind_int64(st, 4, (sqlite3_int64)r->count) == SQLITE_OK &&
		  sqlite3_bind_int(st, 5, (int)r->direction) == SQLITE_OK;
	for (int i = 0; i < STORE_FAILURE_TEXTS && ok; i++) {
		ok = bind_text(st, 6 + i, r->texts[i]);
	}
	const char *detail = r->detail.len > 0 ? r->detail.data : "";
	return ok && sqlite3_bind_blob(st, 6 + STORE_FAILURE_TEXTS, detail, (int)r->detail.len, SQLITE_STATIC) == SQLITE_OK;
}

static int write_failure(struct file *f, const struct store_failure *r, char error[256])
{
	sqlite3_stmt *st = file_prepare(f, "INSERT INTO failure (" COLUMNS ", detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
					   " ON CONFLICT (id) DO UPDATE SET last_s = excluded.last_s, repeats = excluded.repeats");
	return file_finish(f, st, st && bind_failure(st, r), error);
}

static int delete_with(struct file *f, const char *sql, int64_t value, char error[256])
{
	sqlite3_stmt *st = file_prepare(f, sql);
	return file_finish(f, st, st && sqlite3_bind_int64(st, 1, value) == SQLITE_OK, error);
}

#define OF_EDGES       "edge <> ''"
#define OUR_OWN	       "edge = ''"
#define ALL_BUT(which) "DELETE FROM failure WHERE " which " AND id <= (SELECT id FROM failure WHERE " which " ORDER BY id DESC LIMIT 1 OFFSET ?1)"

static int trim(struct file *f, size_t keep, size_t keep_own, int64_t oldest_s, char error[256])
{
	int rc = delete_with(f, "DELETE FROM failure WHERE last_s < ?1", oldest_s, error);
	rc = rc == XFED_OK ? delete_with(f, ALL_BUT(OF_EDGES), (int64_t)keep, error) : rc;
	return rc == XFED_OK ? delete_with(f, ALL_BUT(OUR_OWN), (int64_t)keep_own, error) : rc;
}

#define CONTACT_COLUMNS "local, remote, wrote_s, alive_s, relation, preapproved, asked_s, used_s, wanted_s, approved"
#define NO_RELATION	" relation = 'none' AND preapproved = 0 AND approved = 0"

static int write_contact(struct file *f, const struct store_contact *c, char error[256])
{
	sqlite3_stmt *st = file_prepare(f, "REPLACE INTO contact (" CONTACT_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
	bool ok = st && bind_text(st, 1, c->local) && bind_text(st, 2, c->remote) && sqlite3_bind_int64(st, 3, c->wrote_s) == SQLITE_OK &&
		  sqlite3_bind_int64(st, 4, c->alive_s) == SQLITE_OK && bind_text(st, 5, c->relation) &&
		  sqlite3_bind_int(st, 6, c->is_preapproved) == SQLITE_OK && sqlite3_bind_int64(st, 7, c->asked_s) == SQLITE_OK &&
		  sqlite3_bind_int64(st, 8, c->used_s) == SQLITE_OK && sqlite3_bind_int64(st, 9, c->wanted_s) == SQLITE_OK &&
		  sqlite3_bind_int(st, 10, c->is_approved) == SQLITE_OK;
	return file_finish(f, st, ok, error);
}

static int trim_contacts(struct file *f, size_t keep, int64_t oldest_s, char error[256])
{
	int rc = delete_with(f, "DELETE FROM contact WHERE wrote_s < ?1 AND" NO_RELATION, oldest_s, error);
	return rc == XFED_OK ? delete_with(f,
				       "DELETE FROM contact WHERE (local, remote) IN"
				       " (SELECT local, remote FROM contact WHERE" NO_RELATION " ORDER BY wrote_s DESC LIMIT -1 OFFSET ?1)",
				       (int64_t)keep, error)
			     : rc;
}

static int write_watch(struct file *f, const struct store_watch *w, char error[256])
{
	bool is_over = w->until_s == 0;
	sqlite3_stmt *st = file_prepare(f, is_over ? "DELETE FROM watch WHERE name = ?1" : "REPLACE INTO watch VALUES (?1, ?2, ?3, ?4, ?5)");
	bool ok = st && bind_text(st, 1, w->name) &&
		  (is_over || (bind_text(st, 2, w->local) && bind_text(st, 3, w->remote) && bind_text(st, 4, w->dialog) &&
				      sqlite3_bind_int64(st, 5, w->until_s) == SQLITE_OK));
	return file_finish(f, st, ok, error);
}

static int write_one(void *db, const struct store_write *w, char error[256])
{
	switch (w->kind) {
	case STORE_WRITE_NOTHING:
		return file_run(db, "UPDATE policy SET counter = counter WHERE one = 1", error);
	case STORE_WRITE_REVISION:
		return write_revision(db, &w->revision, error);
	case STORE_WRITE_FAILURE:
		return write_failure(db, &w->failure, error);
	case STORE_WRITE_TRIM:
		return trim(db, w->trim.keep, w->trim.keep_own, w->trim.oldest_s, error);
	case STORE_WRITE_CONTACT:
		return write_contact(db, &w->contact, error);
	case STORE_WRITE_TRIM_CONTACTS:
		return trim_contacts(db, w->trim.keep, w->trim.oldest_s, error);
	case STORE_WRITE_WATCH:
		return write_watch(db, &w->watch, error);
	case STORE_WRITE_TRIM_WATCHES:
		return delete_with(db, "DELETE FROM watch WHERE until_s < ?1", w->trim.oldest_s, error);
	}
	return XFED_ERR_INVALID;
}

/* ---- reading ---- */

static struct xfed_span column_text(sqlite3_stmt *st, int n)
{
	const unsigned char *s = sqlite3_column_text(st, n);
	return s ? xfed_span_make(s, strlen((const char *)s)) : XFED_SPAN("");
}

static void read_row(sqlite3_stmt *st, bool has_detail, struct store_failure *r)
{
	bool is_in = sqlite3_column_int(st, 4) == XFED__DIRECTION__DIRECTION_IN;
	*r = (struct store_failure){ .id = (uint64_t)sqlite3_column_int64(st, 0),
		.first_s = sqlite3_column_int64(st, 1),
		.last_s = sqlite3_column_int64(st, 2),
		.count = (uint64_t)sqlite3_column_int64(st, 3),
		.direction = is_in ? XFED__DIRECTION__DIRECTION_IN : XFED__DIRECTION__DIRECTION_OUT };
	for (int i = 0; i < STORE_FAILURE_TEXTS; i++) {
		r->texts[i] = column_text(st, 5 + i);
	}
	if (has_detail) {
		const void *blob = sqlite3_column_blob(st, 5 + STORE_FAILURE_TEXTS);
		r->detail = xfed_span_make(blob, blob ? (size_t)sqlite3_column_bytes(st, 5 + STORE_FAILURE_TEXTS) : 0);
	}
}

static int64_t id_or_most(uint64_t id)
{
	return id > 0 && id < INT64_MAX ? (int64_t)id : INT64_MAX;
}

static sqlite3_stmt *prepare_question(struct file *f, const struct store_question *q)
{
	static const char *const of[] = { [STORE_ALL] = "", [STORE_OF_EDGES] = " AND " OF_EDGES, [STORE_OUR_OWN] = " AND " OUR_OWN };
	char sql[512];
	snprintf(sql, sizeof(sql), "SELECT " COLUMNS "%s FROM failure WHERE id > 0 AND last_s >= ?1 AND id %s ?2%s%s ORDER BY id DESC LIMIT ?3",
		q->has_detail ? ", detail" : "", q->id > 0 ? "=" : "<", of[q->which], q->remote ? " AND remote = ?4" : "");
	sqlite3_stmt *st = file_prepare(f, sql);
	bool ok = st && sqlite3_bind_int64(st, 1, q->since_s) == SQLITE_OK &&
		  sqlite3_bind_int64(st, 2, id_or_most(q->id > 0 ? q->id : q->before)) == SQLITE_OK &&
		  sqlite3_bind_int64(st, 3, q->limit < INT64_MAX ? (sqlite3_int64)q->limit : INT64_MAX) == SQLITE_OK &&
		  (!q->remote || bind_text(st, 4, xfed_span_str(q->remote)));
	if (!ok) {
		sqlite3_finalize(st);
	}
	return ok ? st : NULL;
}

static int find(void *db, const struct store_question *q, store_row_fn *fn, void *user, char error[256])
{
	struct file *f = db;
	sqlite3_stmt *st = prepare_question(f, q);
	int rc = XFED_OK, step = st ? SQLITE_ROW : SQLITE_ERROR;
	while (rc == XFED_OK && step == SQLITE_ROW && (step = sqlite3_step(st)) == SQLITE_ROW) {
		struct store_failure r;
		read_row(st, q->has_detail, &r);
		rc = fn(user, &r);
	}
	if (rc == XFED_OK && step != SQLITE_DONE) {
		rc = file_fail(f, error);
	}
	sqlite3_finalize(st);
	return rc;
}

static int older(void *db, uint64_t id, bool *exists, int64_t *last_s, char error[256])
{
	struct file *f = db;
	sqlite3_stmt *st = file_prepare(f, "SELECT max(last_s) FROM failure WHERE id < ?1");
	bool ok = st && sqlite3_bind_int64(st, 1, (sqlite3_int64)id) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW;
	int rc = ok ? XFED_OK : file_fail(f, error);
	*exists = ok && sqlite3_column_type(st, 0) != SQLITE_NULL;
	*last_s = *exists ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_finalize(st);
	return rc;
}

static int contacts(void *db, store_contact_fn *fn, void *user, char error[256])
{
	struct file *f = db;
	sqlite3_stmt *st = file_prepare(f, "SELECT " CONTACT_COLUMNS " FROM contact ORDER BY wrote_s");
	int rc = XFED_OK, step = st ? SQLITE_ROW : SQLITE_ERROR;
	while (rc == XFED_OK && step == SQLITE_ROW && (step = sqlite3_step(st)) == SQLITE_ROW) {
		struct store_contact c = { column_text(st, 0), column_text(st, 1), sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3),
			column_text(st, 4), sqlite3_column_int(st, 5) != 0, sqlite3_column_int64(st, 6), sqlite3_column_int64(st, 7),
			sqlite3_column_int64(st, 8), sqlite3_column_int(st, 9) != 0 };
		rc = fn(user, &c);
	}
	if (rc == XFED_OK && step != SQLITE_DONE) {
		rc = file_fail(f, error);
	}
	sqlite3_finalize(st);
	return rc;
}

static int watches(void *db, int64_t now_s, store_watch_fn *fn, void *user, char error[256])
{
	struct file *f = db;
	sqlite3_stmt *st = file_prepare(f, "SELECT name, local, remote, dialog, until_s FROM watch WHERE until_s > ?1");
	int rc = XFED_OK, step = st && sqlite3_bind_int64(st, 1, now_s) == SQLITE_OK ? SQLITE_ROW : SQLITE_ERROR;
	while (rc == XFED_OK && step == SQLITE_ROW && (step = sqlite3_step(st)) == SQLITE_ROW) {
		struct store_watch w = { column_text(st, 0), column_text(st, 1), column_text(st, 2), column_text(st, 3),
			sqlite3_column_int64(st, 4) };
		rc = fn(user, &w);
	}
	if (rc == XFED_OK && step != SQLITE_DONE) {
		rc = file_fail(f, error);
	}
	sqlite3_finalize(st);
	return rc;
}

const struct store_backend store_sqlite = {
	.open = open_file,
	.close = close_file,
	.facts = read_facts,
	.find = find,
	.older = older,
	.contacts = contacts,
	.watches = watches,
	.begin = begin,
	.write = write_one,
	.commit = commit,
	.rollback = rollback,
	.copy_begin = file_copy_begin,
	.copy_step = file_copy_step,
	.copy_end = file_copy_end,
};
