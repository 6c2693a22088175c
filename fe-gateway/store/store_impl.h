/* The interface between store.c, which knows batches and threads, and a backend, which knows a database. */
#ifndef GATEWAY_STORE_STORE_IMPL_H
#define GATEWAY_STORE_STORE_IMPL_H

#include "store/store.h"

/* NOTHING: changes nothing, and fails where a write would. */
enum store_write_kind {
	STORE_WRITE_NOTHING,
	STORE_WRITE_REVISION,
	STORE_WRITE_FAILURE,
	STORE_WRITE_TRIM,
	STORE_WRITE_CONTACT,
	STORE_WRITE_TRIM_CONTACTS,
	STORE_WRITE_WATCH,
	STORE_WRITE_TRIM_WATCHES
};
struct store_write {
	enum store_write_kind kind;
	struct store_write *next;
	union {
		struct proto_revision revision;
		struct store_failure failure;
		struct store_contact contact;
		struct store_watch watch;
		struct {
			size_t keep, keep_own;
			int64_t oldest_s;
		} trim;
	};
};

/*
 * A connection to one database; calls come from one thread at a time. Each returns XFED_OK, or an error with one sentence in `error`. After
 * a failure between begin() and the end of commit() store.c calls rollback(), which restores the state before begin().
 */
struct store_backend {
	int (*open)(const char *where, const struct xfed_env *env, void **out, char error[256]); /* also brings the schema up to date */
	void (*close)(void *db);
	int (*facts)(void *db, struct store_facts *out, char error[256]);
	int (*find)(void *db, const struct store_question *q, store_row_fn *fn, void *user, char error[256]);
	int (*older)(void *db, uint64_t id, bool *exists, int64_t *last_s, char error[256]);
	int (*contacts)(void *db, store_contact_fn *fn, void *user, char error[256]);
	int (*watches)(void *db, int64_t now_s, store_watch_fn *fn, void *user, char error[256]);
	int (*begin)(void *db, char error[256]);
	int (*write)(void *db, const struct store_write *w, char error[256]);
	int (*commit)(void *db, char error[256]);
	void (*rollback)(void *db);
	/* A copy of all into a new file, while others may write between two steps; it has what was there at the last one. */
	int (*copy_begin)(void *db, const char *path, void **copy, char error[256]);
	int (*copy_step)(void *copy, bool *is_done, char error[256]);
	void (*copy_end)(void *copy, bool is_kept); /* not kept: the file goes */
};
extern const struct store_backend store_sqlite;

/* store_sqlite_copy.c: makes the hash of a finished copy. Blocks; on any thread. */
int store_copy_seal(const char *path, int64_t now_s, char error[256]);

int store_open_with(const struct store_backend *backend, const char *where, const struct xfed_env *env, struct store **out, char error[256]);

#endif
