#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "journal/journal.h"
#include "xfed/mem.h"

struct store {
	sqlite3 *db;
	pthread_mutex_t lock; /* one transaction at a time */
	char *path;
};

/*
 * Step n brings a store of version n to n + 1. A step that has been released is never changed. `policy` and `secret` have
 * one row each.
 */
static const char *const steps[STORE_SCHEMA] = {
	"CREATE TABLE policy (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, counter INTEGER NOT NULL,"
	" hash BLOB NOT NULL);"
	"CREATE TABLE secret (one INTEGER PRIMARY KEY CHECK (one = 1), key BLOB NOT NULL);",
	JOURNAL_MIGRATION,
};

static int fail(const struct store *s, char error[256])
{
	int code = sqlite3_errcode(s->db);
	if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
		snprintf(error, 256, "%s: in use by another gateway (several need store.postgresql)", s->path);
	} else {
		snprintf(error, 256, "%s: %s", s->path, sqlite3_errmsg(s->db));
	}
	return code == SQLITE_NOMEM ? XFED_ERR_NOMEM : XFED_ERR_INVALID;
}

static int run(struct store *s, const char *sql, char error[256])
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? XFED_OK : fail(s, error);
}

static sqlite3_stmt *prepare(struct store *s, const char *sql)
{
	sqlite3_stmt *st = NULL;
	return sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK ? st : NULL;
}

static int read_version(struct store *s, int *version, char error[256])
{
	sqlite3_stmt *st = prepare(s, "PRAGMA user_version");
	bool ok = st && sqlite3_step(st) == SQLITE_ROW;
	*version = ok ? sqlite3_column_int(st, 0) : 0;
	sqlite3_finalize(st);
	return ok ? XFED_OK : fail(s, error);
}

/*
 * The epoch is larger for a store made later, as the highest revision wins at an edge; its low bits are random, so that two
 * stores made in one second differ.
 */
static uint64_t new_epoch(const struct xfed_env *env)
{
	uint32_t random;
	env->random(env->user, &random, sizeof(random));
	return ((uint64_t)env->wall_s(env->user) << 20) | (random & 0xfffff);
}

/* The rows a new store begins with. */
static int fill(struct store *s, const struct xfed_env *env, char error[256])
{
	uint8_t key[CORE_KEY_BYTES];
	static const uint8_t no_hash[32];
	env->random(env->user, key, sizeof(key));
	sqlite3_stmt *st = prepare(s, "INSERT INTO policy (one, epoch, counter, hash) VALUES (1, ?1, 0, ?2)");
	bool ok = st && sqlite3_bind_int64(st, 1, (sqlite3_int64)new_epoch(env)) == SQLITE_OK &&
		  sqlite3_bind_blob(st, 2, no_hash, sizeof(no_hash), SQLITE_STATIC) == SQLITE_OK && sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	st = ok ? prepare(s, "INSERT INTO secret (one, key) VALUES (1, ?1)") : NULL;
	ok = st && sqlite3_bind_blob(st, 1, key, sizeof(key), SQLITE_STATIC) == SQLITE_OK && sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	xfed_wipe(key, sizeof(key));
	return ok ? XFED_OK : fail(s, error);
}

static int migrate(struct store *s, const struct xfed_env *env, char error[256])
{
	int version;
	int rc = read_version(s, &version, error);
	if (rc != XFED_OK) {
		return rc;
	}
	if (version > STORE_SCHEMA) {
		snprintf(error, 256, "%s: made by a newer version (schema %d, this one knows %d)", s->path, version, STORE_SCHEMA);
		return XFED_ERR_INVALID;
	}
	bool is_new = version == 0;
	for (; version < STORE_SCHEMA && rc == XFED_OK; version++) {
		rc = run(s, steps[version], error);
	}
	if (rc == XFED_OK && is_new) {
		rc = fill(s, env, error);
	}
	if (rc == XFED_OK) {
		char sql[64];
		snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", STORE_SCHEMA);
		rc = run(s, sql, error);
	}
	return rc;
}

/* The write transaction takes the lock, and exclusive mode keeps it until the file is closed. */
static int set_up(struct store *s, const struct xfed_env *env, char error[256])
{
	int rc = run(s, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; BEGIN EXCLUSIVE", error);
	if (rc == XFED_OK) {
		rc = migrate(s, env, error);
	}
	return rc == XFED_OK ? run(s, "COMMIT", error) : rc;
}

int store_open(const char *path, const struct xfed_env *env, struct store **out, char error[256])
{
	*out = NULL;
	struct store *s = xfed_calloc(1, sizeof(*s));
	snprintf(error, 256, "out of memory");
	if (!s) {
		return XFED_ERR_NOMEM;
	}
	if (pthread_mutex_init(&s->lock, NULL) != 0) {
		xfed_free(s);
		return XFED_ERR_NOMEM;
	}
	s->path = xfed_strdup(path);
	int rc = s->path ? XFED_OK : XFED_ERR_NOMEM;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
	mode_t before = umask(0077); /* it holds a key; at the start there is no other thread */
	if (rc == XFED_OK && sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK) {
		rc = s->db ? fail(s, error) : XFED_ERR_NOMEM;
	}
	if (rc == XFED_OK) {
		rc = set_up(s, env, error);
	}
	umask(before);
	if (rc != XFED_OK) {
		store_close(s);
		return rc;
	}
	*out = s;
	return XFED_OK;
}

void store_close(struct store *s)
{
	if (s) {
		sqlite3_close(s->db);
		pthread_mutex_destroy(&s->lock);
		xfed_free(s->path);
		xfed_free(s);
	}
}

static int bad_row(const struct store *s, char error[256])
{
	snprintf(error, 256, "%s: a row is missing or damaged; move the file away to begin anew", s->path);
	return XFED_ERR_INVALID;
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

int store_read(struct store *s, struct store_facts *out, char error[256])
{
	sqlite3_stmt *st = prepare(s, "SELECT epoch, counter, hash, key FROM policy, secret");
	if (!st) {
		return fail(s, error);
	}
	int rc = XFED_OK;
	if (sqlite3_step(st) != SQLITE_ROW || !copy_blob(st, 2, out->revision.hash, sizeof(out->revision.hash)) ||
		!copy_blob(st, 3, out->key, sizeof(out->key))) {
		rc = bad_row(s, error);
	} else {
		out->revision.epoch = (uint64_t)sqlite3_column_int64(st, 0);
		out->revision.counter = (uint64_t)sqlite3_column_int64(st, 1);
	}
	sqlite3_finalize(st);
	return rc;
}

struct sqlite3 *store_begin(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	return s->db;
}

void store_end(struct store *s)
{
	pthread_mutex_unlock(&s->lock);
}

int store_write_revision(struct store *s, const struct proto_revision *r, char error[256])
{
	store_begin(s);
	sqlite3_stmt *st = prepare(s, "UPDATE policy SET epoch = ?1, counter = ?2, hash = ?3 WHERE one = 1");
	bool ok = st && sqlite3_bind_int64(st, 1, (sqlite3_int64)r->epoch) == SQLITE_OK &&
		  sqlite3_bind_int64(st, 2, (sqlite3_int64)r->counter) == SQLITE_OK &&
		  sqlite3_bind_blob(st, 3, r->hash, sizeof(r->hash), SQLITE_STATIC) == SQLITE_OK && sqlite3_step(st) == SQLITE_DONE;
	int rc = ok ? XFED_OK : fail(s, error);
	sqlite3_finalize(st);
	store_end(s);
	return rc;
}
