/*
 * What the files of journal share: ring.c keeps the newest failures, strangers.c those of strangers, ring_batch.c carries rows and
 * questions to the store and back, json.c reads questions and writes answers. Only journal.c knows the daemon.
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
#define JOURNAL_MESSAGES(of)	      (((of) + 3) / 4) /* how many of the rows, or bytes, messages have, in addition to those of streams */
#define JOURNAL_FOLD_MS		      60000	       /* a repetition within this time is counted */
#define JOURNAL_DETAIL_BYTES	      (64 * 1024)      /* for steps, facts and chain of one failure; what is larger is shortened */
#define JOURNAL_STRANGER_DETAIL_BYTES (8 * 1024)
#define JOURNAL_STRANGER_ID	      ((uint64_t)1000000000000) /* ids of strangers' failures begin above this */
#define JOURNAL_LIST_DEFAULT	      50
#define JOURNAL_LIST_MAX	      500
#define JOURNAL_FLUSH_MS	      1000    /* a failure waits for so long for others to be written together with it */
#define JOURNAL_FLUSH_ROWS	      100     /* or until so many wait */
#define JOURNAL_RETRY_MS	      10000   /* after a write that failed */
#define JOURNAL_TRIM_MS		      3600000 /* old rows are deleted at least this often */

/* 0: the default from above. */
struct ring_limits {
	size_t rows;
	int64_t keep_s;
	size_t ring_rows, ring_bytes;
};

/* Two failures are the same if so many of their first texts are. */
#define JOURNAL_KEY_TEXTS 6

/* A failure in the ring, or a stranger's last one, in one block with the strings its spans point to. */
struct ring_row {
	struct store_failure r;
	uint64_t begun_ms;
	bool is_dirty;	 /* has changed since it was written */
	bool is_folding; /* in `folding`: repetitions are counted in it */
	UT_hash_handle hh;
	size_t key_len, bytes; /* `bytes`: of the whole block */
	char key[];	       /* direction, texts, packed detail */
};

/* Failures of strangers from one network, under one listed name or none; strangers.c. */
struct ring_stranger {
	struct ring_stranger *prev, *next; /* the one not heard of for longest first */
	struct ring_row *last;
	uint64_t id;  /* the id, whichever failure is the last */
	bool is_past; /* the partner it claimed to be has authenticated since */
	char *claims[XFED_JOURNAL_CLAIMS];
	size_t claim_next;
	UT_hash_handle hh;	/* key: id */
	UT_hash_handle of_name; /* key: network, within its group */
	size_t network_len;
	char network[];
};

/* Strangers that claim one listed name; with an empty name, those that claim no listed one. */
struct ring_group {
	struct ring_group *prev, *next; /* among groups with a listed name: the one not heard of for longest first */
	UT_hash_handle hh;
	struct ring_stranger *table, *order;
	size_t count, name_len;
	char name[];
};

/* What is kept of one edge. */
struct ring_edge {
	UT_hash_handle hh;
	uint64_t spent_ms; /* how much of its share is used, as a time: it may be ahead of the clock */
	struct ring_group *groups, *listed;
	size_t listed_count, name_len;
	char name[];
};

/* Rows of edges, or of our own refused messages: neither displaces the other. */
struct ring_lane {
	struct ring_row **rows; /* a circular array of `max`; the oldest row is at `first`; ids ascend */
	size_t max, first, count;
	size_t bytes, max_bytes;
};
enum { RING_STREAMS, RING_MESSAGES, RING_LANES };

struct ring {
	struct ring_limits limits;
	struct ring_lane lanes[RING_LANES];
	uint64_t next_id;
	uint64_t gone_id;   /* the highest id that has left the ring: all rows above it are in the ring */
	uint64_t fold_from; /* the oldest row that may still be in `folding` */
	struct ring_row *folding;
	struct ring_edge *edges;
	struct ring_stranger *strangers; /* key: id */
	uint64_t last_stranger;
	size_t rows, bytes, dirty, batches;
	uint64_t dirty_since_ms, retry_at_ms, trimmed_ms;
	/* About rows that have left the ring, and may be in the store. */
	bool has_older;
	int64_t older_last_s;
	uint64_t lost; /* rows that left the ring unwritten */
};

/* ---- ring.c; `now_s` is wall-clock time, `now_ms` monotonic ---- */

int ring_new(const struct ring_limits *limits, struct ring **out); /* NULL: defaults. OK, NOMEM */
void ring_free(struct ring *j);					   /* NULL is fine; batches that are running are ended or freed separately */

/* Adds a failure of a listed partner; beyond the edge's share it is counted like a stranger's under that name. OK, NOMEM. */
int ring_add(struct ring *j, struct xfed_span edge, struct xfed_span name, const Xfed__FailureEvent *m, int64_t now_s, uint64_t now_ms);
/* OK: `*out` is a new reference. AGAIN: the store has to be asked with a batch. NOT_FOUND (of show). NOMEM. */
int ring_ask(const struct ring *j, const struct journal_question *q, int64_t now_s, json_t **out);

/* The texts of a failure, mapped to our tables or cleaned; `out` borrows from `t`. */
struct ring_texts {
	char edge[256], local[PROTO_ADDRESS_BYTES + 1], remote[PROTO_ADDRESS_BYTES + 1], reason[PROTO_WORD_BYTES + 1], side[PROTO_WORD_BYTES + 1],
		text[PROTO_TEXT_BYTES + 1], correlation[PROTO_WORD_BYTES + 1];
};
void ring_describe(struct xfed_span edge, const Xfed__FailureEvent *m, int64_t now_s, struct ring_texts *t, struct store_failure *out);
/* Packs the detail, at most `max` bytes; the caller frees `*out`. OK, NOMEM. */
int ring_pack_detail(const Xfed__FailureEvent *m, size_t max, struct xfed_span *out);
bool ring_wants(const struct journal_question *q, const struct store_failure *r, int64_t oldest_s);

struct ring_row *ring_row_new(const struct store_failure *r);	 /* NULL: no memory */
struct ring_row *ring_row_of(const struct ring *j, uint64_t id); /* NULL: not in the ring */
struct ring_lane *ring_lane_of(struct ring *j, const struct store_failure *r);
struct ring_row *ring_row_at(const struct ring_lane *l, size_t i); /* 0: the oldest */
/* Takes the row over, as the newest or the oldest of its lane, where there is room. */
void ring_insert(struct ring *j, struct ring_row *row, bool is_newest);
void ring_mark_dirty(struct ring *j, struct ring_row *e, uint64_t now_ms);

/* ---- ring_batch.c: to the store and back ---- */

/* Copies of rows that are not written yet, and perhaps a question. */
struct ring_batch {
	struct store_batch store; /* has to be the first member */
	struct journal_question question;
	int64_t oldest_s; /* rows last seen before this are deleted, and not shown */
	struct journal *journal;
	journal_answer_fn *fn; /* NULL: no question */
	void *user;
	size_t write_count;
	uint64_t ids[]; /* of the rows in it */
};

/* Whether a batch without question is due: rows have waited long enough, or old rows are to be deleted. */
bool ring_flush_is_due(const struct ring *j, uint64_t now_ms);
/* Makes a batch, which the caller submits and then ends. `q` NULL: no question. OK, NOMEM. */
int ring_batch_new(struct ring *j, const struct journal_question *q, int64_t now_s, void (*done)(struct store_batch *b), struct ring_batch **out);
/*
 * Marks what has been written (the rest is written later) and frees the batch. The result is that of the question: OK with a new reference
 * in `*answer` (NULL without question), NOT_FOUND, NOMEM, LIBRARY. `error` holds one sentence where the store could not be read or written,
 * and is empty otherwise.
 */
int ring_batch_end(struct ring *j, struct ring_batch *b, uint64_t now_ms, json_t **answer, char error[256]);
void ring_batch_free(struct ring_batch *b); /* instead of ring_batch_end(), where the ring does not exist any more; NULL is fine */
/* Loads the newest rows into an empty ring. OK, NOMEM, LIBRARY with one sentence in `error`. */
int ring_load(struct ring *j, struct store *s, char error[256]);

/* ---- strangers.c ---- */

/* The record of an edge; edges beyond the limit share one. NULL: no memory. */
struct ring_edge *ring_edge_of(struct ring *j, struct xfed_span name);
void ring_strangers_free(struct ring *j);
/* Whether the edge may add another row of its own; `burst`: so many at once. */
bool ring_edge_may(struct ring_edge *e, size_t burst, uint64_t now_ms);
/*
 * Adds a failure of a peer that has not authenticated. `network` is where it came from; `name` the listed partner it claims to be, or
 * empty. OK, NOMEM.
 */
int ring_add_stranger(
	struct ring *j, struct xfed_span edge, struct xfed_span network, struct xfed_span name, const Xfed__FailureEvent *m, int64_t now_s);
/* A listed partner (`name`: its primary domain) has authenticated as `remote` for `local`. */
void ring_strangers_past(struct ring *j, struct xfed_span name, struct xfed_span local, struct xfed_span remote);
/* NOT_FOUND, NOMEM. */
int ring_stranger_show(const struct ring *j, uint64_t id, json_t **out);
/* Merges strangers' failures that are asked for into a page, by time. */
void ring_strangers_list(const struct ring *j, const struct journal_question *q, int64_t oldest_s, json_t *answer);

struct core *journal_core(struct journal *j);	       /* journal.c */
bool message_is_kept(const struct journal_message *m); /* message.c: whether it is worth an operator's attention */

/* ---- json.c; NULL: no memory ---- */
json_t *failure_json(const struct store_failure *r, bool with_detail);
/* Takes over the array. */
json_t *failures_json(json_t *failures, const struct journal_question *q, uint64_t last_id);

#endif
