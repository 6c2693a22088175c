/*
 * Between the files of the journal: ring.c keeps the newest failures, strangers.c those of strangers, ring_batch.c carries rows
 * and questions to the store and back, json.c reads questions and writes answers. None of them knows the daemon: journal.c does.
 */
#ifndef GATEWAY_JOURNAL_JOURNAL_IMPL_H
#define GATEWAY_JOURNAL_JOURNAL_IMPL_H

#include "journal/journal.h"
#include "proto/check.h"
#include "util/table.h"
#include "xfed/limits.h"

#define JOURNAL_ROWS		      10000
#define JOURNAL_KEEP_S		      (30 * 86400)
#define JOURNAL_RING_ROWS	      1000
#define JOURNAL_RING_BYTES	      (8 * 1024 * 1024)
#define JOURNAL_MESSAGES(of)	      (((of) + 3) / 4) /* what messages have of rows and bytes, beside those of streams */
#define JOURNAL_FOLD_MS		      60000	       /* the same failure again within this is counted, not kept */
#define JOURNAL_DETAIL_BYTES	      (64 * 1024)      /* steps, facts and chain of one failure; beyond, some are left out */
#define JOURNAL_STRANGER_DETAIL_BYTES (8 * 1024)
#define JOURNAL_STRANGER_ID	      ((uint64_t)1000000000000) /* their numbers begin behind it */
#define JOURNAL_LIST_DEFAULT	      50
#define JOURNAL_LIST_MAX	      500
#define JOURNAL_FLUSH_MS	      1000    /* a failure waits this long for others to be written with */
#define JOURNAL_FLUSH_ROWS	      100     /* ... unless so many wait */
#define JOURNAL_RETRY_MS	      10000   /* after a write that failed */
#define JOURNAL_TRIM_MS		      3600000 /* old rows go at least this often */

/* 0: the default above. */
struct ring_limits {
	size_t rows;
	int64_t keep_s;
	size_t ring_rows, ring_bytes;
};

/* The first texts of a failure say whether two are the same. */
#define JOURNAL_KEY_TEXTS 6

/* A failure, with what its spans point to; in the ring, or what a stranger did last. */
struct ring_row {
	struct store_failure r;
	uint64_t begun_ms;
	bool is_dirty;	 /* not written as it is now */
	bool is_folding; /* in the table of those that repetitions are counted in */
	UT_hash_handle hh;
	size_t key_len, bytes; /* bytes: of the whole block */
	char key[];	       /* direction, texts, detail */
};

/* Strangers of one network, under one listed name or none; strangers.c. */
struct ring_stranger {
	struct ring_stranger *prev, *next; /* silent for longest first */
	struct ring_row *last;
	uint64_t id; /* of all its rows */
	char *claims[XFED_JOURNAL_CLAIMS];
	size_t claim_next;
	UT_hash_handle hh;	/* by id */
	UT_hash_handle of_name; /* by network, under its name */
	size_t network_len;
	char network[];
};

/* Those that claim one listed name; or, with an empty one, no listed name. */
struct ring_group {
	struct ring_group *prev, *next; /* of listed names, silent for longest first */
	UT_hash_handle hh;
	struct ring_stranger *table, *order;
	size_t count, name_len;
	char name[];
};

/* What one edge tells. */
struct ring_edge {
	UT_hash_handle hh;
	uint64_t spent_ms; /* of its share; runs after the clock */
	struct ring_group *groups, *listed;
	size_t listed_count, name_len;
	char name[];
};

/* What edges tell, or our own refused messages: neither pushes out the other. */
struct ring_lane {
	struct ring_row **rows; /* `max` places, the oldest row at `first`; ids rise */
	size_t max, first, count;
	size_t bytes, max_bytes;
};
enum { RING_STREAMS, RING_MESSAGES, RING_LANES };

struct ring {
	struct ring_limits limits;
	struct ring_lane lanes[RING_LANES];
	uint64_t next_id;
	uint64_t gone_id;   /* the highest that has left the ring: what is above it the ring has all of */
	uint64_t fold_from; /* the oldest that may still be folding */
	struct ring_row *folding;
	struct ring_edge *edges;
	struct ring_stranger *strangers; /* by id */
	uint64_t last_stranger;
	size_t rows, bytes, dirty, batches;
	uint64_t dirty_since_ms, retry_at_ms, trimmed_ms;
	/* Of what left the ring and may be in the store. */
	bool has_older;
	int64_t older_last_s;
	uint64_t lost; /* rows that left the ring before they could be written */
};

/* ---- ring.c; `now_s` is wall clock, `now_ms` monotonic ---- */

int ring_new(const struct ring_limits *limits, struct ring **out); /* NULL: defaults. OK, NOMEM */
void ring_free(struct ring *j);					   /* NULL is fine; batches under way are ended or freed apart */

/* A failure of a listed partner; what an edge tells beyond its share is counted beside what strangers do in its name. OK, NOMEM. */
int ring_add(struct ring *j, struct xfed_span edge, struct xfed_span name, const Xfed__FailureEvent *m, int64_t now_s, uint64_t now_ms);
/* OK: `*out` is a new reference. AGAIN: the store has to be asked, with a batch. NOT_FOUND (show). NOMEM. */
int ring_ask(const struct ring *j, const struct journal_question *q, int64_t now_s, json_t **out);

/* Texts of a failure, ours and made fit; `out` borrows from `t`. */
struct ring_texts {
	char edge[256], local[PROTO_ADDRESS_BYTES + 1], remote[PROTO_ADDRESS_BYTES + 1], reason[PROTO_WORD_BYTES + 1], side[PROTO_WORD_BYTES + 1],
		text[PROTO_TEXT_BYTES + 1], correlation[PROTO_WORD_BYTES + 1];
};
void ring_describe(struct xfed_span edge, const Xfed__FailureEvent *m, int64_t now_s, struct ring_texts *t, struct store_failure *out);
/* The packed detail, at most `max` bytes; `*out` is to be freed. OK, NOMEM. */
int ring_pack_detail(const Xfed__FailureEvent *m, size_t max, struct xfed_span *out);
bool ring_wants(const struct journal_question *q, const struct store_failure *r, int64_t oldest_s);

struct ring_row *ring_row_new(const struct store_failure *r);	 /* a copy; NULL: NOMEM */
struct ring_row *ring_row_of(const struct ring *j, uint64_t id); /* NULL: not in the ring */
struct ring_lane *ring_lane_of(struct ring *j, const struct store_failure *r);
struct ring_row *ring_row_at(const struct ring_lane *l, size_t i); /* 0: the oldest */
/* Takes it, as the newest of its lane, or as the oldest; there is room. */
void ring_insert(struct ring *j, struct ring_row *row, bool is_newest);
void ring_mark_dirty(struct ring *j, struct ring_row *e, uint64_t now_ms);

/* ---- ring_batch.c: to the store and back ---- */

/* Rows that are not written yet, as copies, and perhaps a question. */
struct ring_batch {
	struct store_batch store; /* first */
	struct journal_question question;
	int64_t oldest_s; /* rows last seen before this go, and are not shown */
	struct journal *journal;
	journal_answer_fn *fn; /* NULL: it only writes */
	void *user;
	size_t write_count;
	uint64_t ids[]; /* written */
};

/* Whether a batch without question is due: something has waited long enough, or old rows should go. */
bool ring_flush_is_due(const struct ring *j, uint64_t now_ms);
/* To be submitted, then ended. `q` NULL: no question. OK, NOMEM. */
int ring_batch_new(struct ring *j, const struct journal_question *q, int64_t now_s, void (*done)(struct store_batch *b), struct ring_batch **out);
/*
 * Takes note of what has been written (what has not stays to be written) and frees the batch. The result is that of the question:
 * OK with a new reference in `*answer` (NULL without question), NOT_FOUND, NOMEM, LIBRARY. `error` holds one sentence where the
 * store could not be read or written, and is empty otherwise.
 */
int ring_batch_end(struct ring *j, struct ring_batch *b, uint64_t now_ms, json_t **answer, char error[256]);
void ring_batch_free(struct ring_batch *b); /* instead of ending it, where the ring is gone; NULL is fine */
/* The newest rows into an empty ring. OK, NOMEM, LIBRARY with one sentence in `error`. */
int ring_load(struct ring *j, struct store *s, char error[256]);

/* ---- strangers.c ---- */

/* Of the edge; those for which there is no place of their own share one. NULL: NOMEM. */
struct ring_edge *ring_edge_of(struct ring *j, struct xfed_span name);
void ring_strangers_free(struct ring *j);
/* Whether the edge may have another row of its own: `burst` at once. */
bool ring_edge_may(struct ring_edge *e, size_t burst, uint64_t now_ms);
/*
 * A failure of a peer that has proved nothing. `network` is where it came from, in our words; `name` the listed partner whose name
 * it claims, empty where it is none. OK, NOMEM.
 */
int ring_add_stranger(
	struct ring *j, struct xfed_span edge, struct xfed_span network, struct xfed_span name, const Xfed__FailureEvent *m, int64_t now_s);
/* NOT_FOUND, NOMEM. */
int ring_stranger_show(const struct ring *j, uint64_t id, json_t **out);
/* Puts those that are wanted between the failures of a page, by time. */
void ring_strangers_list(const struct ring *j, const struct journal_question *q, int64_t oldest_s, json_t *answer);

struct core *journal_core(struct journal *j);	       /* journal.c */
bool message_is_kept(const struct journal_message *m); /* message.c: worth an operator's eyes */

/* ---- json.c; NULL: NOMEM ---- */
json_t *failure_json(const struct store_failure *r, bool with_detail);
/* Steals the array. */
json_t *failures_json(json_t *failures, const struct journal_question *q, uint64_t last_id);

#endif
