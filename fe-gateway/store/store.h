/*
 * store: what has to survive a restart: the policy revision in force, the key that ids are derived with, the journal of failed attempts,
 * and contacts (relations of local users and XMPP addresses) and the presence subscriptions of devices. Rows and questions are typed; only the backend (store_sqlite.c) knows the
 * schema.
 *
 *   batch   rows to write, and perhaps a question that is answered after they are written; either all of its rows are kept or none
 *   group   the batches that wait together: written with one commit, on the store's own thread
 *
 * One gateway at a time: a second one that opens the store is refused. All functions are called in the loop's thread. May call core.
 */
#ifndef GATEWAY_STORE_STORE_H
#define GATEWAY_STORE_STORE_H

#include "core/core.h"
#include "proto/channel.pb-c.h"
#include "proto/transfer.h"
#include "xfed/arena.h"
#include "xfed/rt/job.h"

/* ---- rows ---- */

struct store_facts {
	struct proto_revision revision; /* counter 0: no policy has been in force yet; the epoch is set when the store is made */
	uint8_t key[CORE_KEY_BYTES];	/* random, made with the store */
};

#define STORE_FAILURE_TEXTS 7

/* Spans are NUL-terminated and belong to whoever holds the row. */
struct store_failure {
	uint64_t id;
	int64_t first_s, last_s;
	uint64_t count;
	Xfed__Direction direction;
	union {
		struct {
			struct xfed_span edge, local, remote, reason, side, text, correlation;
		};
		struct xfed_span texts[STORE_FAILURE_TEXTS]; /* the same, in the order of the columns */
	};
	struct xfed_span detail; /* packed by the journal; empty: not read */
};

/* A pair of a local user and an XMPP contact: the user has written to the contact, or one has asked for the other's presence. */
struct store_contact {
	struct xfed_span local, remote; /* normalised bare JIDs; they belong to whoever holds the row */
	int64_t wrote_s;		/* when the user last wrote; 0: never */
	int64_t alive_s;		/* when the contact last accepted a message without an error, or wrote; 0: never */
	struct xfed_span relation;	/* a word of interwork/relation.h; "none": there is only the user's writing */
	bool is_preapproved;
	int64_t asked_s;  /* when the request came that is not answered yet; 0: there is none */
	int64_t used_s;	  /* when the relation was last used; 0: there is none */
	int64_t wanted_s; /* the user last did anything for it; 0: nothing */
	bool is_approved; /* the user lets the contact ask */
};

/* A presence subscription of a device of a local user. */
struct store_watch {
	struct xfed_span name;		/* of its dialog */
	struct xfed_span local, remote; /* normalised bare JIDs of the user and of the contact */
	struct xfed_span dialog;	/* sip_dialog_write() */
	int64_t until_s;		/* when it expires; to be written: 0, it has ended */
};

/* Failures of edges (rows with an edge), and those of this gateway (rows without). */
enum store_failures { STORE_ALL, STORE_OF_EDGES, STORE_OUR_OWN };

/* Selects failures, newest first. */
struct store_question {
	enum store_failures which;
	uint64_t id;	    /* not 0: this one, if it also meets the other conditions */
	const char *remote; /* NULL: any partner */
	int64_t since_s;    /* only those last seen at or after this */
	uint64_t before;    /* only ids below this; 0: from the newest */
	size_t limit;
	bool has_detail; /* also read the detail */
};

/* ---- opening and loading: these functions block ---- */

struct store;

/*
 * Opens the store, or creates it, and brings its schema up to date. INVALID with one sentence in `error`: another gateway uses it, a newer
 * version made it, it is no database, or access is denied. NOMEM.
 */
int store_access(const char *path); /* 0: it can be opened, or made in its directory; else why not, as errno */
int store_open(const char *path, const struct xfed_env *env, struct store **out, char error[256]);
void store_close(struct store *s); /* to be called after store_stop() and the end of the loop; NULL is fine */

/* To be called before store_start(). OK; NOMEM; INVALID (damaged) or LIBRARY with one sentence in `error`. */
int store_load_facts(struct store *s, struct store_facts *out, char error[256]);
/* Stops at the first `fn` that does not return OK, and returns that. A row is valid during its call. */
typedef int store_row_fn(void *user, const struct store_failure *f);
int store_load_failures(struct store *s, const struct store_question *q, store_row_fn *fn, void *user, char error[256]);
/* The latest `last_s` of failures with lower ids; `*exists` false: there are none. */
int store_load_older(struct store *s, uint64_t id, bool *exists, int64_t *last_s, char error[256]);

/* All contacts, the one not written to for longest first; else as store_load_failures(). */
typedef int store_contact_fn(void *user, const struct store_contact *c);
int store_load_contacts(struct store *s, store_contact_fn *fn, void *user, char error[256]);

/* Those that have not expired at `now_s`; as store_load_failures(). */
typedef int store_watch_fn(void *user, const struct store_watch *w);
int store_load_watches(struct store *s, int64_t now_s, store_watch_fn *fn, void *user, char error[256]);

/* ---- batches ---- */

#define STORE_BATCH_BYTES (32 * 1024 * 1024)

struct store_write;
struct store_row {
	struct store_failure f;
	struct store_row *next;
};

/* A member of its owner, who keeps it until `done` is called. The members below the line are the result. */
struct store_batch {
	struct xfed_arena memory;
	struct store_write *writes, **last_write;
	struct store_question question;
	bool has_question;
	void (*done)(struct store_batch *b); /* called once, in the loop; may free the batch */
	struct store_batch *next;
	/* ---- */
	int written;  /* of the rows: OK; NOMEM, LIBRARY: none of them was kept */
	int answered; /* of the question: OK, NOMEM, LIBRARY */
	struct store_row *rows;
	char error[256]; /* one sentence where either is not OK */
};
void store_batch_init(struct store_batch *b, void (*done)(struct store_batch *b));
void store_batch_deinit(struct store_batch *b); /* zeroed is fine */

/* These copy their argument. OK, NOMEM. */
int store_put_revision(struct store_batch *b, const struct proto_revision *r);
int store_put_failure(struct store_batch *b, const struct store_failure *f); /* an existing id: updates last_s and count */
/* Deletes the oldest: by age, then by id all but the newest `keep` of edges and `keep_own` of our own. */
int store_trim_failures(struct store_batch *b, size_t keep, size_t keep_own, int64_t oldest_s);
int store_put_contact(struct store_batch *b, const struct store_contact *c); /* replaces the row of the pair */
/* of those without a relation: deletes those not written to for longest */
int store_trim_contacts(struct store_batch *b, size_t keep, int64_t oldest_s);
int store_put_watch(struct store_batch *b, const struct store_watch *w); /* replaces the row of that name */
int store_trim_watches(struct store_batch *b, int64_t oldest_s);	 /* those that had expired before */
int store_ask(struct store_batch *b, const struct store_question *q);

/* Batches are written in the order of these calls. While no thread runs the batch is written at once. Cannot fail. */
void store_submit(struct store *s, struct store_batch *b);

/* ---- copies ---- */

#define STORE_PATH_BYTES 4096

/* A member of its owner, who keeps it until `done` is called. */
struct store_copy {
	char path[STORE_PATH_BYTES];	    /* of the copy, mode 0600; a file that is there is replaced */
	void (*done)(struct store_copy *c); /* called once, in the loop */
	int rc;				    /* OK; else `error` has one sentence, and there is no copy */
	char error[256];
	struct store *store;
	struct rt_job job;
	void *copy; /* of the backend */
};
/*
 * Copies the store as it is, on its thread, between the groups that are written meanwhile; then seals the copy with a hash over all its rows.
 * False: a copy is under way, or the thread does not run.
 */
bool store_copy_start(struct store *s, struct store_copy *c);

struct store_summary {
	int schema;
	int64_t made_s; /* when it was copied */
	uint64_t contacts, failures;
};
/* Whether a file is such a copy, whole, and one that this version can use. Blocks; on any thread. OK, or INVALID with one sentence. */
int store_copy_check(const char *path, struct store_summary *out, char error[256]);
int store_schema(void); /* the version of the schema that this program writes */
/* The file that store_open() puts into the place of the store at `path`, where it exists. */
void store_restore_path(const char *path, char out[STORE_PATH_BYTES]);

/* How the last batch with rows ended. */
struct store_state {
	bool is_failing;
	int64_t since_s;
	char error[256]; /* one sentence: the file, and the system's error */
};
const struct store_state *store_state(const struct store *s);
/* To be called in the loop about once a second: where writing has failed it tries again, whether or not there are rows. */
void store_tick(struct store *s, uint64_t now_ms);

/* Starts the thread. OK, LIBRARY, NOMEM. store_stop() first writes all that was submitted and calls `done` for it; NULL is fine. */
int store_start(struct store *s, struct rt_loop *loop);
void store_stop(struct store *s);

#endif
