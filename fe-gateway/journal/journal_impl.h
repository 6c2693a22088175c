/*
 * Between the files of the journal: journal.c keeps the ring, journal_job.c carries rows and
 * questions to the store and back, journal_db.c speaks SQL, journal_json.c reads questions and
 * writes answers.
 */
#ifndef GATEWAY_JOURNAL_IMPL_H
#define GATEWAY_JOURNAL_IMPL_H

#include "journal/journal.h"
#include "proto/check.h"
#include "util/table.h"
#include "xfed/limits.h"

/* Spans are terminated and belong to whoever holds the record. */
struct journal_record {
	uint64_t id;
	int64_t first_s, last_s;
	uint64_t count;
	Xfed__Direction direction;
	struct xfed_span edge, local, remote, reason, side, text, correlation;
	struct xfed_span detail; /* a packed FailureEvent: steps, facts, chain; empty: not read */
};

/* The texts of a record in the order they are kept in; the first JOURNAL_KEY_TEXTS say whether two
 * failures are the same. */
#define JOURNAL_TEXTS(X)   X(edge) X(local) X(remote) X(reason) X(side) X(text) X(correlation)
#define JOURNAL_TEXT_COUNT 7
#define JOURNAL_KEY_TEXTS  6

/* One copy in a block of its own. */
struct journal_copy {
	struct journal_record r;
	size_t key_len, bytes; /* bytes: of the whole block */
	char key[];	       /* direction, texts, detail */
};

struct journal_job {
	struct journal_copy **writes;
	size_t write_count;
	size_t rows;
	int64_t oldest_s; /* rows last seen before this go, and are not shown */
	bool has_question, is_written;
	struct journal_question question;
	/* results */
	int rc;
	json_t *answer;
	char error[256];
};

/* Strangers of one network, under one listed name or none; journal_strangers.c. */
struct journal_stranger {
	struct journal_stranger *prev, *next; /* silent for longest first */
	struct journal_copy *copy;	      /* the last one */
	char *claims[XFED_JOURNAL_CLAIMS];
	size_t claim_next;
	UT_hash_handle hh;	/* by id */
	UT_hash_handle of_name; /* by network, under its name */
	size_t network_len;
	char network[];
};

/* Those that claim one listed name; or, with an empty one, no listed name. */
struct journal_group {
	struct journal_group *prev, *next; /* of listed names, silent for longest first */
	UT_hash_handle hh;
	struct journal_stranger *table, *order;
	size_t count, name_len;
	char name[];
};

/* What one edge tells. */
struct journal_edge {
	UT_hash_handle hh;
	uint64_t spent_ms; /* of its share; runs after the clock */
	struct journal_group *groups, *listed;
	size_t listed_count, name_len;
	char name[];
};

/* A row of the ring. */
struct journal_entry {
	struct journal_copy *copy;
	uint64_t begun_ms;
	bool is_dirty;	 /* not written as it is now */
	bool is_folding; /* in the table of those that repetitions are counted in */
	UT_hash_handle hh;
};

struct journal {
	struct journal_limits limits;
	struct journal_entry **slots; /* id % limits.ring_rows; NULL: not there */
	uint64_t first_id, next_id;
	uint64_t fold_from; /* the oldest that may still be folding */
	struct journal_entry *folding;
	struct journal_edge *edges;
	struct journal_stranger *strangers; /* by id */
	uint64_t last_stranger;
	size_t rows, bytes, dirty, jobs;
	uint64_t dirty_since_ms, retry_at_ms, trimmed_ms;
	/* Of what left the ring and may be in the store. */
	bool has_older;
	int64_t older_last_s;
	struct journal_stats stats;
};

/* ---- journal_strangers.c ---- */

/* Of the edge; those for which there is no place of their own share one. NULL: NOMEM. */
struct journal_edge *journal_edge_of(struct journal *j, struct xfed_span name);
void journal_strangers_free(struct journal *j);
/* Whether the edge may have another row of its own. */
bool journal_edge_may(struct journal_edge *e, uint64_t now_ms);
/* NOT_FOUND, NOMEM. */
int journal_stranger_show(const struct journal *j, uint64_t id, json_t **out);
/* Puts those that are wanted between the failures of a page, by time. */
void journal_strangers_list(const struct journal *j, const struct journal_question *q, int64_t oldest_s, json_t *answer);

/* ---- journal.c ---- */

/* Texts of a failure, ours and made fit; `out` borrows from `t`. */
struct journal_texts {
	char edge[256], local[PROTO_ADDRESS_BYTES + 1], remote[PROTO_ADDRESS_BYTES + 1], reason[PROTO_WORD_BYTES + 1], side[PROTO_WORD_BYTES + 1],
		text[PROTO_TEXT_BYTES + 1], correlation[PROTO_WORD_BYTES + 1];
};
void journal_describe(struct xfed_span edge, const Xfed__FailureEvent *m, int64_t now_s, struct journal_texts *t, struct journal_record *out);
/* The packed detail, at most `max` bytes; `*out` is to be freed. OK, NOMEM. */
int journal_pack_detail(const Xfed__FailureEvent *m, size_t max, struct xfed_span *out);
bool journal_wants(const struct journal_question *q, const struct journal_record *r, int64_t oldest_s);

struct journal_copy *journal_copy_new(const struct journal_record *r); /* NULL: NOMEM */
/* NULL: not in the ring. */
struct journal_entry *journal_entry_of(const struct journal *j, uint64_t id);
/* Takes the copy in any case. OK, NOMEM. */
int journal_insert(struct journal *j, struct journal_copy *c, struct journal_entry **out);
void journal_mark_dirty(struct journal *j, struct journal_entry *e, uint64_t now_ms);

/* ---- journal_json.c; NULL: NOMEM ---- */
json_t *journal_record_json(const struct journal_record *r, bool with_detail);
/* Steals the array. */
json_t *journal_list_json(json_t *failures, const struct journal_question *q, uint64_t last_id);

/* ---- journal_db.c ---- */
/* Newest first, until `fn` gives something else than OK, which is then the result. LIBRARY with
 * `error`. */
typedef int journal_row_fn(void *user, const struct journal_record *r);
int journal_db_newest(struct sqlite3 *db, size_t limit, journal_row_fn *fn, void *user, char error[256]);
/* The latest time among rows older than `id`; `*exists` false: there are none. */
int journal_db_older(struct sqlite3 *db, uint64_t id, bool *exists, int64_t *last_s, char error[256]);

#endif
