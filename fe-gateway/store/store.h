/*
 * store: what outlives the process: the policy revision in force, the key that ids are derived with, the journal of failed
 * attempts, to whom users have written. Rows and questions have types; what lies behind them, and its schema, only the backend knows (store_sqlite.c).
 *
 *   batch   rows to write, and perhaps a question that is answered after them; of its rows all are kept, or none
 *   group   the batches that wait together: written with one commit, on the store's own thread
 *
 * One gateway at a time: a second one is refused when it opens. Everything but the thread's work is called in the loop.
 * May call: core.
 */
#ifndef GATEWAY_STORE_STORE_H
#define GATEWAY_STORE_STORE_H

#include "core/core.h"
#include "proto/channel.pb-c.h"
#include "proto/transfer.h"
#include "xfed/arena.h"

/* ---- rows ---- */

struct store_facts {
	struct proto_revision revision; /* counter 0: no policy has been in force yet; the epoch is set at creation */
	uint8_t key[CORE_KEY_BYTES];	/* random, made with the store */
};

#define STORE_FAILURE_TEXTS 7

/* Spans are terminated and belong to whoever holds the row. */
struct store_failure {
	uint64_t id;
	int64_t first_s, last_s;
	uint64_t count;
	Xfed__Direction direction;
	union {
		struct {
			struct xfed_span edge, local, remote, reason, side, text, correlation;
		};
		struct xfed_span texts[STORE_FAILURE_TEXTS]; /* the same, in the order they are kept in */
	};
	struct xfed_span detail; /* the journal's own packed bytes; empty: not read */
};

/* What outlives a restart of a pair of a local user and an XMPP contact: the user has written, or one has asked to see the other. */
struct store_contact {
	struct xfed_span local, remote; /* normalised bare JIDs; belong to whoever holds the row */
	int64_t wrote_s;		/* the user last wrote; 0: not at all */
	int64_t alive_s;		/* the contact last took that without an error, or wrote; 0: neither */
	struct xfed_span relation;	/* a word of interwork/relation.h; "none": the row is kept for the user's writing alone */
	bool is_preapproved;
	int64_t asked_s;  /* when the request that is not answered yet came; 0: there is none */
	int64_t used_s;	  /* the relation was last of use; 0: there is none */
	int64_t wanted_s; /* the user last did anything for it; 0: nothing */
	bool is_approved; /* the user lets the contact ask */
};

/* Those of edges, and those without one: of this gateway. */
enum store_failures { STORE_ALL, STORE_OF_EDGES, STORE_OUR_OWN };

/* Which failures, newest first. */
struct store_question {
	enum store_failures which;
	uint64_t id;	    /* not 0: this one, if it is wanted by the rest */
	const char *remote; /* NULL: of all */
	int64_t since_s;    /* seen last at or after this */
	uint64_t before;    /* ids below this; 0: from the newest */
	size_t limit;
	bool has_detail; /* wanted */
};

/* ---- opening and loading: these block ---- */

struct store;

/*
 * Opens or creates it and brings its schema up to date. INVALID with one sentence in `error`: in use by another gateway, of a
 * newer version, no database, no access. NOMEM.
 */
int store_access(const char *path); /* why it could not be opened, or made in its directory, as errno; 0: it could */
int store_open(const char *path, const struct xfed_env *env, struct store **out, char error[256]);
void store_close(struct store *s); /* after store_stop() and the loop's end; NULL is fine */

/* Before store_start(). OK; NOMEM; INVALID (damaged) or LIBRARY with one sentence in `error`. */
int store_load_facts(struct store *s, struct store_facts *out, char error[256]);
/* Until `fn` gives something else than OK, which is then the result. Rows live until it returns. */
typedef int store_row_fn(void *user, const struct store_failure *f);
int store_load_failures(struct store *s, const struct store_question *q, store_row_fn *fn, void *user, char error[256]);
/* The latest time among failures of lower ids; `*exists` false: there are none. */
int store_load_older(struct store *s, uint64_t id, bool *exists, int64_t *last_s, char error[256]);

/* All of them, the longest silent first; as store_load_failures(). */
typedef int store_contact_fn(void *user, const struct store_contact *c);
int store_load_contacts(struct store *s, store_contact_fn *fn, void *user, char error[256]);

/* ---- batches ---- */

#define STORE_BATCH_BYTES (32 * 1024 * 1024)

struct store_write;
struct store_row {
	struct store_failure f;
	struct store_row *next;
};

/* Part of its owner, who keeps it until `done`. The members below the line are the result. */
struct store_batch {
	struct xfed_arena memory;
	struct store_write *writes, **last_write;
	struct store_question question;
	bool has_question;
	void (*done)(struct store_batch *b); /* runs once, in the loop; may free the batch */
	struct store_batch *next;
	/* ---- */
	int written;  /* OK; NOMEM, LIBRARY: nothing of it was kept */
	int answered; /* OK, NOMEM, LIBRARY */
	struct store_row *rows;
	char error[256]; /* one sentence where something is not OK */
};
void store_batch_init(struct store_batch *b, void (*done)(struct store_batch *b));
void store_batch_deinit(struct store_batch *b); /* zeroed is fine */

/* Copied. OK, NOMEM. */
int store_put_revision(struct store_batch *b, const struct proto_revision *r);
int store_put_failure(struct store_batch *b, const struct store_failure *f); /* one of that id has been seen again: last_s and count */
/* The oldest go: by age, then by id, all but `keep` of edges and `keep_own` of our own. */
int store_trim_failures(struct store_batch *b, size_t keep, size_t keep_own, int64_t oldest_s);
int store_put_contact(struct store_batch *b, const struct store_contact *c);   /* in place of what is kept of the pair */
int store_trim_contacts(struct store_batch *b, size_t keep, int64_t oldest_s); /* without a relation: whoever was last written to longest ago goes */
int store_ask(struct store_batch *b, const struct store_question *q);

/* Batches are written in the order they are submitted in. Where no thread runs this one is, at once. Cannot fail. */
void store_submit(struct store *s, struct store_batch *b);

/* How the last batch with rows went. */
struct store_state {
	bool is_failing;
	int64_t since_s;
	char error[256]; /* one sentence: the file and what the system said */
};
const struct store_state *store_state(const struct store *s);
/* In the loop, each second or so: where it could not be written that is tried again, whether anybody has rows or not. */
void store_tick(struct store *s, uint64_t now_ms);

/* The thread. OK, LIBRARY, NOMEM; stop: all that was submitted is written and `done`; NULL is fine. */
int store_start(struct store *s, struct rt_loop *loop);
void store_stop(struct store *s);

#endif
