/*
 * Copies of the SQLite store: made while it is written to, sealed with a hash over all their rows, judged, and put in its place at a start.
 *
 * What is restored gets a new epoch: edges take a policy with a higher revision only, and have seen those of after the copy.
 */
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store_sqlite.h"
#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/rt/conf.h"
#include "xfed/rt/log.h"

#define PAGES_A_STEP	   256
#define HASH_BYTES	   32
#define PATIENCE_STEPS	   1000
#define PATIENCE_OF_SCHEMA 100		     /* a schema of ours takes some hundred steps */
#define PATIENCE_BYTES	   200		     /* of the file, that are worth PATIENCE_STEPS more: three times what the shortest rows take */
#define VALUE_BYTES	   (4 * 1024 * 1024) /* of one value, or row */
#define READY		   0x78666564	     /* the application_id of a copy that only has to be put in the store's place; a store has 0 */

static int system_fail(const char *path, const char *what, char error[256])
{
	char words[96];
	snprintf(error, 256, "%.120s: %s: %s", path, what, rt_errno_words(errno, words));
	return XFED_ERR_INVALID;
}

static int refuse(const struct file *f, char error[256], const char *why)
{
	snprintf(error, 256, "%.120s: %s", f->path, why);
	return XFED_ERR_INVALID;
}

static int is_impatient(void *user)
{
	struct file *f = user;
	f->patience -= f->patience > 0;
	return f->patience == 0; /* which ends the statement */
}

static int open_at(struct file *f, const char *path, int flags, char error[256])
{
	*f = (struct file){ .path = (char *)(uintptr_t)path };
	if (sqlite3_open_v2(path, &f->db, flags | SQLITE_OPEN_FULLMUTEX, NULL) != SQLITE_OK) {
		return f->db ? file_fail(f, error) : XFED_ERR_NOMEM;
	}
	/* Nothing of a file's own may run, and no temporary file is made, for which there may be no place. */
	return file_run(f, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY", error);
}

/*
 * A file that anybody may have made. Its pages can be woven so that reading a few of them takes for ever, its schema can have views and the
 * like in the place of tables, and a value can be as large as the file: each is bounded before it is read.
 */
static int open_foreign(struct file *f, const char *path, int flags, char error[256])
{
	struct stat st;
	*f = (struct file){ .path = (char *)(uintptr_t)path };
	if (stat(path, &st) == 0 && (uint64_t)st.st_size > XFED_STORE_COPY_BYTES) {
		return refuse(f, error, "it is larger than a store can be");
	}
	int rc = open_at(f, path, flags, error);
	if (rc == XFED_OK) {
		f->patience = PATIENCE_OF_SCHEMA;
		sqlite3_progress_handler(f->db, PATIENCE_STEPS, is_impatient, f);
		sqlite3_limit(f->db, SQLITE_LIMIT_LENGTH, VALUE_BYTES);
		sqlite3_limit(f->db, SQLITE_LIMIT_ATTACHED, 0);
		bool is_set = sqlite3_db_config(f->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL) == SQLITE_OK &&
			      sqlite3_db_config(f->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL) == SQLITE_OK &&
			      sqlite3_db_config(f->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) == SQLITE_OK;
		rc = is_set ? XFED_OK : file_fail(f, error);
	}
	return rc;
}

/* ---- copying ---- */

struct copy {
	struct file to;
	sqlite3_backup *backup;
};

/* A new file that nobody else can read, also before anything is in it. */
static int make_empty(const char *path, char error[256])
{
	if (unlink(path) != 0 && errno != ENOENT) {
		return system_fail(path, "cannot be replaced", error);
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		return system_fail(path, "cannot be made", error);
	}
	close(fd);
	return XFED_OK;
}

int file_copy_begin(void *db, const char *path, void **out, char error[256])
{
	struct file *from = db;
	struct copy *c = xfed_calloc(1, sizeof(*c));
	char *own = xfed_strdup(path);
	snprintf(error, 256, "out of memory");
	int rc = c && own ? make_empty(path, error) : XFED_ERR_NOMEM;
	if (rc != XFED_OK) {
		xfed_free(own);
		xfed_free(c);
		return rc;
	}
	rc = open_at(&c->to, own, SQLITE_OPEN_READWRITE, error);
	if (rc == XFED_OK) {
		c->backup = sqlite3_backup_init(c->to.db, "main", from->db, "main");
		rc = c->backup ? XFED_OK : file_fail(&c->to, error);
	}
	if (rc != XFED_OK) {
		file_copy_end(c, false);
		return rc;
	}
	*out = c;
	return XFED_OK;
}

int file_copy_step(void *copy, bool *is_done, char error[256])
{
	struct copy *c = copy;
	int code = sqlite3_backup_step(c->backup, PAGES_A_STEP);
	*is_done = code == SQLITE_DONE;
	if (code == SQLITE_OK || code == SQLITE_DONE) {
		return XFED_OK;
	}
	char words[96];
	snprintf(error, 256, "%.120s: %s", c->to.path, code == SQLITE_FULL ? rt_errno_words(ENOSPC, words) : sqlite3_errstr(code));
	return XFED_ERR_LIBRARY;
}

void file_copy_end(void *copy, bool is_kept)
{
	struct copy *c = copy;
	if (c->backup) {
		sqlite3_backup_finish(c->backup);
	}
	sqlite3_close(c->to.db);
	if (!is_kept) {
		unlink(c->to.path);
	}
	xfed_free(c->to.path);
	xfed_free(c);
}

/* ---- the hash: the schema, and each row of each table, in their order ---- */

static bool add_value(gnutls_hash_hd_t hash, sqlite3_stmt *st, int column)
{
	uint8_t head[9] = { (uint8_t)sqlite3_column_type(st, column) };
	const void *bytes = sqlite3_column_blob(st, column); /* numbers as text */
	uint64_t len = (uint64_t)sqlite3_column_bytes(st, column);
	for (size_t i = 0; i < 8; i++) {
		head[1 + i] = (uint8_t)(len >> (8 * i));
	}
	return gnutls_hash(hash, head, sizeof(head)) == 0 && (len == 0 || gnutls_hash(hash, bytes, len) == 0);
}

static int add_rows(struct file *f, gnutls_hash_hd_t hash, const char *sql, char error[256])
{
	sqlite3_stmt *st = file_prepare(f, sql);
	int step = st ? SQLITE_ROW : SQLITE_ERROR;
	bool ok = true;
	while (step == SQLITE_ROW && ok && (step = sqlite3_step(st)) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(st) && ok; i++) {
			ok = add_value(hash, st, i);
		}
	}
	int rc = step == SQLITE_DONE ? XFED_OK : ok ? file_fail(f, error) : XFED_ERR_LIBRARY;
	sqlite3_finalize(st);
	return rc;
}

#define TABLES "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name <> 'backup' AND name NOT LIKE 'sqlite_%' ORDER BY name"

static int add_tables(struct file *f, gnutls_hash_hd_t hash, char error[256])
{
	sqlite3_stmt *st = file_prepare(f, TABLES);
	int rc = st ? XFED_OK : file_fail(f, error);
	while (rc == XFED_OK && sqlite3_step(st) == SQLITE_ROW) {
		char *sql = sqlite3_mprintf("SELECT * FROM \"%w\" ORDER BY 1, 2", sqlite3_column_text(st, 0));
		rc = !sql ? XFED_ERR_NOMEM : add_value(hash, st, 0) && add_value(hash, st, 1) ? add_rows(f, hash, sql, error) : XFED_ERR_LIBRARY;
		sqlite3_free(sql);
	}
	sqlite3_finalize(st);
	return rc;
}

static int hash_all(struct file *f, uint8_t out[HASH_BYTES], char error[256])
{
	gnutls_hash_hd_t hash;
	snprintf(error, 256, "%.120s: the hash cannot be made", f->path);
	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) != 0) {
		return XFED_ERR_LIBRARY;
	}
	int rc = add_tables(f, hash, error);
	gnutls_hash_deinit(hash, out);
	return rc;
}

#define SEAL "CREATE TABLE backup (one INTEGER PRIMARY KEY CHECK (one = 1), made_s INTEGER NOT NULL, version TEXT NOT NULL, sha256 BLOB NOT NULL)"

static int write_seal(struct file *f, const uint8_t hash[HASH_BYTES], int64_t now_s, char error[256])
{
	int rc = file_run(f, SEAL, error);
	sqlite3_stmt *st = rc == XFED_OK ? file_prepare(f, "INSERT INTO backup VALUES (1, ?1, ?2, ?3)") : NULL;
	bool is_bound = st && sqlite3_bind_int64(st, 1, now_s) == SQLITE_OK &&
			sqlite3_bind_text(st, 2, XFED_VERSION, -1, SQLITE_STATIC) == SQLITE_OK &&
			sqlite3_bind_blob(st, 3, hash, HASH_BYTES, SQLITE_STATIC) == SQLITE_OK;
	return rc == XFED_OK ? file_finish(f, st, is_bound, error) : rc;
}

int store_copy_seal(const char *path, int64_t now_s, char error[256])
{
	struct file f;
	uint8_t hash[HASH_BYTES];
	int rc = open_at(&f, path, SQLITE_OPEN_READWRITE, error);
	rc = rc == XFED_OK ? hash_all(&f, hash, error) : rc;
	rc = rc == XFED_OK ? file_run(&f, "BEGIN IMMEDIATE", error) : rc;
	rc = rc == XFED_OK ? write_seal(&f, hash, now_s, error) : rc;
	rc = rc == XFED_OK ? file_run(&f, "COMMIT", error) : rc;
	sqlite3_close(f.db);
	return rc;
}

/* ---- judging one ---- */

static int64_t number_of(struct file *f, const char *sql)
{
	sqlite3_stmt *st = file_prepare(f, sql);
	int64_t n = st && sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;
	sqlite3_finalize(st);
	return n;
}

static bool is_sound(struct file *f)
{
	sqlite3_stmt *st = file_prepare(f, "PRAGMA quick_check(1)");
	bool ok = st && sqlite3_step(st) == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(st, 0), "ok") == 0;
	sqlite3_finalize(st);
	return ok;
}

#define SCHEMA "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE NOT (type = 'table' AND name = 'backup' AND sql = '" SEAL "') ORDER BY 1, 2"

static bool is_same_row(sqlite3_stmt *a, sqlite3_stmt *b)
{
	for (int i = 0; i < sqlite3_column_count(a); i++) {
		const char *x = (const char *)sqlite3_column_text(a, i), *y = (const char *)sqlite3_column_text(b, i);
		if (!x != !y || (x && strcmp(x, y) != 0)) {
			return false;
		}
	}
	return true;
}

static bool is_same_schema(struct file *f, struct file *ours)
{
	sqlite3_stmt *a = file_prepare(f, SCHEMA), *b = file_prepare(ours, SCHEMA);
	int step = a && b ? SQLITE_ROW : SQLITE_ERROR;
	while (step == SQLITE_ROW) {
		step = sqlite3_step(a);
		step = sqlite3_step(b) != step || (step == SQLITE_ROW && !is_same_row(a, b)) ? SQLITE_ERROR : step;
	}
	sqlite3_finalize(a);
	sqlite3_finalize(b);
	return step == SQLITE_DONE;
}

/* Every table, column and index, word by word, as that version of a store has them, and nothing else. */
static int check_schema(struct file *f, int version, char error[256])
{
	struct file ours;
	int rc = version < 1 ? refuse(f, error, "it is no store of a gateway") : open_at(&ours, ":memory:", SQLITE_OPEN_READWRITE, error);
	if (version < 1) {
		return rc;
	}
	for (int i = 0; i < version && rc == XFED_OK; i++) {
		rc = file_run(&ours, file_steps[i], error);
	}
	if (rc == XFED_OK && !is_same_schema(f, &ours)) {
		rc = refuse(f, error, "it is no store of a gateway");
	}
	sqlite3_close(ours.db);
	return rc;
}

static int check_seal(struct file *f, int64_t *made_s, char error[256])
{
	uint8_t hash[HASH_BYTES];
	int rc = hash_all(f, hash, error);
	sqlite3_stmt *st = rc == XFED_OK ? file_prepare(f, "SELECT made_s, sha256 FROM backup") : NULL;
	bool is_there = st && sqlite3_step(st) == SQLITE_ROW;
	const void *sealed = is_there ? sqlite3_column_blob(st, 1) : NULL;
	if (rc == XFED_OK && !is_there) {
		rc = refuse(f, error,
			"it was not made by xfedctl store backup; another database can be put in the store's place while the gateway is stopped");
	} else if (rc == XFED_OK && (!sealed || sqlite3_column_bytes(st, 1) != HASH_BYTES || memcmp(sealed, hash, HASH_BYTES) != 0)) {
		rc = refuse(f, error, "it has been changed since it was made: its hash does not fit");
	}
	*made_s = is_there ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_finalize(st);
	return rc;
}

/* The schema before anything that is read by it. */
static int judge_schema(struct file *f, struct store_summary *out, char error[256])
{
	int rc = file_version(f, &out->schema, error);
	if (rc != XFED_OK) {
		return rc;
	}
	if (out->schema > file_schema) {
		snprintf(error, 256, "%.120s: made by a newer version (schema %d, this one knows %d)", f->path, out->schema, file_schema);
		return XFED_ERR_INVALID;
	}
	return check_schema(f, out->schema, error);
}

/* All but the seal. */
static int judge_store(struct file *f, struct store_summary *out, char error[256])
{
	struct stat st;
	int rc = judge_schema(f, out, error);
	if (rc == XFED_OK) {
		f->patience = PATIENCE_OF_SCHEMA + (stat(f->path, &st) == 0 ? (uint64_t)st.st_size / PATIENCE_BYTES : 0);
		rc = is_sound(f) ? XFED_OK : refuse(f, error, "it is damaged");
	}
	if (rc == XFED_OK && number_of(f, "SELECT count(*) FROM policy, secret") != 1) {
		rc = refuse(f, error, "it is no store of a gateway");
	}
	return rc;
}

static int told(const struct file *f, int rc, char error[256])
{
	return rc != XFED_OK && f->patience == 0 ? refuse(f, error, "it is damaged: reading it takes longer than any store does") : rc;
}

static int judge(struct file *f, struct store_summary *out, char error[256])
{
	int rc = judge_store(f, out, error);
	rc = rc == XFED_OK ? check_seal(f, &out->made_s, error) : rc;
	int64_t contacts = number_of(f, "SELECT count(*) FROM contact"), failures = number_of(f, "SELECT count(*) FROM failure");
	out->contacts = contacts > 0 ? (uint64_t)contacts : 0; /* older schemas have none */
	out->failures = failures > 0 ? (uint64_t)failures : 0;
	return told(f, rc, error);
}

int store_copy_check(const char *path, struct store_summary *out, char error[256])
{
	struct file f;
	*out = (struct store_summary){ 0 };
	int rc = open_foreign(&f, path, SQLITE_OPEN_READONLY, error);
	rc = rc == XFED_OK ? judge(&f, out, error) : rc;
	sqlite3_close(f.db);
	return rc == XFED_OK || rc == XFED_ERR_NOMEM ? rc : XFED_ERR_INVALID;
}

/* ---- in the store's place ---- */

int store_schema(void)
{
	return file_schema;
}

void store_restore_path(const char *path, char out[STORE_PATH_BYTES])
{
	snprintf(out, STORE_PATH_BYTES, "%s.restore", path);
}

static int make_ready(struct file *f, const struct xfed_env *env, char error[256])
{
	f->patience = UINT64_MAX; /* it is one of ours, unchanged */
	int rc = file_run(f, "BEGIN EXCLUSIVE", error);
	rc = rc == XFED_OK ? file_migrate(f, env, error) : rc;
	sqlite3_stmt *st = rc == XFED_OK ? file_prepare(f, "UPDATE policy SET epoch = max(epoch + 1, ?1) WHERE one = 1") : NULL;
	rc = rc == XFED_OK ? file_finish(f, st, st && sqlite3_bind_int64(st, 1, (sqlite3_int64)file_new_epoch(env)) == SQLITE_OK, error) : rc;
	char sql[96];
	snprintf(sql, sizeof(sql), "DROP TABLE backup; PRAGMA application_id = %d; COMMIT", READY);
	return rc == XFED_OK ? file_run(f, sql, error) : rc;
}

/* The last start ended after it had made it ready. What cannot be read is not. */
static bool is_ready(struct file *f)
{
	return number_of(f, "PRAGMA application_id") == READY && number_of(f, "SELECT count(*) FROM sqlite_schema WHERE name = 'backup'") == 0;
}

static int prepare_restore(const char *restore, const struct xfed_env *env, char error[256])
{
	struct file f;
	struct store_summary summary;
	int rc = open_foreign(&f, restore, SQLITE_OPEN_READWRITE, error);
	if (rc == XFED_OK && is_ready(&f)) {
		rc = told(&f, judge_store(&f, &summary, error), error);
	} else if (rc == XFED_OK) {
		rc = judge(&f, &summary, error);
		rc = rc == XFED_OK ? make_ready(&f, env, error) : rc;
	}
	sqlite3_close(f.db);
	return rc;
}

/* Another gateway that has the store open keeps it. A store that cannot be opened at all is replaced: that is what copies are for. */
static int check_free(const char *path, char error[256])
{
	struct file f;
	int rc = XFED_OK;
	if (access(path, F_OK) == 0 && open_at(&f, path, SQLITE_OPEN_READWRITE, error) == XFED_OK) {
		int code = sqlite3_exec(f.db, "BEGIN EXCLUSIVE; ROLLBACK", NULL, NULL, NULL);
		rc = code == SQLITE_BUSY || code == SQLITE_LOCKED ? file_fail(&f, error) : XFED_OK;
		sqlite3_close(f.db);
	}
	return rc;
}

static int sync_dir(const char *path, char error[256])
{
	char copy[STORE_PATH_BYTES];
	snprintf(copy, sizeof(copy), "%s", path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd >= 0 && fsync(fd) == 0 ? XFED_OK : system_fail(path, "its directory cannot be synchronised", error);
	if (fd >= 0) {
		close(fd);
	}
	return rc;
}

/* The store of before stays beside it, with the journal that it may need. */
static int swap(const char *path, const char *restore, char error[256])
{
	static const char *const tails[] = { "", "-journal" };
	char from[STORE_PATH_BYTES + 16], to[STORE_PATH_BYTES + 32];
	/* A journal of an earlier time belongs to no store that is put aside now. Without a store, this goes on with what an earlier start began. */
	snprintf(to, sizeof(to), "%s.before-restore-journal", path);
	if (access(path, F_OK) == 0 && unlink(to) != 0 && errno != ENOENT) {
		return system_fail(to, "cannot be removed", error);
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(tails); i++) {
		snprintf(from, sizeof(from), "%s%s", path, tails[i]);
		snprintf(to, sizeof(to), "%s.before-restore%s", path, tails[i]);
		if (rename(from, to) != 0 && errno != ENOENT) {
			return system_fail(from, "cannot be put aside", error);
		}
	}
	return rename(restore, path) == 0 ? sync_dir(path, error) : system_fail(restore, "cannot be put in its place", error);
}

int file_apply_restore(const char *path, const struct xfed_env *env, char error[256])
{
	char restore[STORE_PATH_BYTES];
	store_restore_path(path, restore);
	if (access(restore, F_OK) != 0) {
		return XFED_OK;
	}
	int rc = check_free(path, error);
	rc = rc == XFED_OK ? prepare_restore(restore, env, error) : rc;
	rc = rc == XFED_OK ? swap(path, restore, error) : rc;
	if (rc == XFED_OK) {
		rt_log(RT_LOG_INFO, "store.restored", RT_KV_STR("file", path), RT_END);
	}
	return rc == XFED_OK || rc == XFED_ERR_NOMEM ? rc : XFED_ERR_INVALID;
}
