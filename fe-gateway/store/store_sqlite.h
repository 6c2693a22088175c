/* What the backend for SQLite files shares between its files: an open database, and copies of whole ones. */
#ifndef GATEWAY_STORE_STORE_SQLITE_H
#define GATEWAY_STORE_STORE_SQLITE_H

#include <sqlite3.h>

#include "store/store_impl.h"

struct file {
	sqlite3 *db;
	char *path;
	uint64_t patience; /* of a file that anybody may have made: how many times PATIENCE_STEPS of SQLite's steps reading it may still take */
};

extern const int file_schema;	       /* the version of the schema that this program knows */
extern const char *const file_steps[]; /* what makes version n + 1 of version n */

/* Each returns XFED_OK, or an error with one sentence in `error`. */
int file_fail(const struct file *f, char error[256]); /* the last error of the database */
int file_run(struct file *f, const char *sql, char error[256]);
int file_version(struct file *f, int *version, char error[256]);
int file_migrate(struct file *f, const struct xfed_env *env, char error[256]); /* brings the schema up to date; inside a transaction */
sqlite3_stmt *file_prepare(struct file *f, const char *sql);		       /* NULL: see file_fail() */
/* Runs and frees the statement; NULL, where preparing it failed, is fine. */
int file_finish(struct file *f, sqlite3_stmt *st, bool is_bound, char error[256]);
uint64_t file_new_epoch(const struct xfed_env *env);

/* store_sqlite_copy.c: as in struct store_backend. */
int file_copy_begin(void *db, const char *path, void **out, char error[256]);
int file_copy_step(void *copy, bool *is_done, char error[256]);
void file_copy_end(void *copy, bool is_kept);
/* Where a checked copy waits beside the store, puts it in the store's place. */
int file_apply_restore(const char *path, const struct xfed_env *env, char error[256]);

#endif
