/*
 * What outlives the process, in one SQLite file: the policy revision in force, the key that ids are derived with, and the
 * journal of failed attempts. One gateway at a time: the file is locked from opening to closing. Calls block; after the start
 * they run in jobs, and wait for each other.
 */
#ifndef GATEWAY_STORE_H
#define GATEWAY_STORE_H

#include "core/core.h"
#include "proto/transfer.h"

#define STORE_SCHEMA 2

struct store;

/*
 * Opens or creates the file, brings its schema up to date by numbered steps. INVALID with one sentence in `error`: in use by
 * another gateway, of a newer version, no database, no access. NOMEM.
 */
int store_open(const char *path, const struct xfed_env *env, struct store **out, char error[256]);
void store_close(struct store *s); /* NULL is fine */

struct store_facts {
	struct proto_revision revision; /* counter 0: no policy has been in force yet; the epoch is set at creation */
	uint8_t key[CORE_KEY_BYTES];	/* random, made with the store */
};
int store_read(struct store *s, struct store_facts *out, char error[256]);
int store_write_revision(struct store *s, const struct proto_revision *r, char error[256]);

/* The connection for oneself, until store_end(): for the journal. */
struct sqlite3;
struct sqlite3 *store_begin(struct store *s);
void store_end(struct store *s);

#endif
