/*
 * The journal of failed attempts: what edges (and this gateway) could not set up with a partner,
 * each with its steps, reason, side at fault, the partner's certificates and how often it was seen.
 * In front a ring in memory, which belongs to the loop and answers most questions at once; behind
 * it a table of the gateway's store, written in batches by jobs. Bounded: rows and age in the
 * store, rows and bytes in memory; the oldest go first. Remedies come from the reason table and are
 * not stored.
 *
 * Strangers, who have proved nothing, can fail as often as they like and under any name: theirs are kept
 * apart, in memory only, folded by the listed name they claim and the network they come from
 * (journal_add_stranger()), so that they push out nothing else, and nothing under another listed name. They
 * stand on the first page of a list, at most a quarter as many as the others, half of them those that claim
 * a listed name, and are shown like these. An edge has its share too: what it tells beyond
 * XFED_JOURNAL_EDGE_ROWS at once and one in XFED_JOURNAL_EDGE_MS goes among the strangers.
 *
 * The loop:    journal_add() for each event; when journal_flush_is_due(), a job without question;
 *              journal_ask() for a question, and where it says AGAIN a job with that question.
 * A job:       journal_job_new() on the loop, journal_job_run() on a worker with the store's
 * connection, then journal_job_end() on the loop. Several may be under way; they run in the order
 * they were made, and nothing else uses the connection meanwhile (a job is a transaction). Start:
 * the store runs JOURNAL_MIGRATION once, then journal_load(). End:         one more job without
 * question, run where it stands.
 *
 * Times: `now_s` is wall clock, `now_ms` monotonic.
 */
#ifndef GATEWAY_JOURNAL_H
#define GATEWAY_JOURNAL_H

#include <jansson.h>

#include "proto/channel.pb-c.h"
#include "xfed/base.h"

struct sqlite3;

/* A numbered step of the store's schema. */
#define JOURNAL_MIGRATION                                                                                                                            \
	"CREATE TABLE failure (id INTEGER PRIMARY KEY, first_s INTEGER NOT NULL, last_s INTEGER "                                                    \
	"NOT NULL, repeats INTEGER NOT NULL,"                                                                                                        \
	" direction INTEGER NOT NULL, edge TEXT NOT NULL, local TEXT NOT NULL, remote TEXT NOT "                                                     \
	"NULL, reason TEXT NOT NULL,"                                                                                                                \
	" side TEXT NOT NULL, words TEXT NOT NULL, correlation TEXT NOT NULL, detail BLOB NOT "                                                      \
	"NULL);"                                                                                                                                     \
	"CREATE INDEX failure_remote ON failure (remote, id);"                                                                                       \
	"CREATE INDEX failure_last ON failure (last_s);"

#define JOURNAL_ROWS		      10000
#define JOURNAL_KEEP_S		      (30 * 86400)
#define JOURNAL_RING_ROWS	      1000
#define JOURNAL_RING_BYTES	      (8 * 1024 * 1024)
#define JOURNAL_FOLD_MS		      60000	  /* the same failure again within this is counted, not kept */
#define JOURNAL_DETAIL_BYTES	      (64 * 1024) /* steps, facts and chain of one failure; beyond, some are left out */
#define JOURNAL_STRANGER_DETAIL_BYTES (8 * 1024)
#define JOURNAL_STRANGER_ID	      ((uint64_t)1000000000000) /* their numbers begin behind it */
#define JOURNAL_LIST_DEFAULT	      50
#define JOURNAL_LIST_MAX	      500
#define JOURNAL_FLUSH_MS	      1000    /* a failure waits this long for others to be written with */
#define JOURNAL_FLUSH_ROWS	      100     /* ... unless so many wait */
#define JOURNAL_RETRY_MS	      10000   /* after a write that failed */
#define JOURNAL_TRIM_MS		      3600000 /* old rows go at least this often */

/* 0: the default above. */
struct journal_limits {
	size_t rows;
	int64_t keep_s;
	size_t ring_rows, ring_bytes;
};

struct journal;

int journal_new(const struct journal_limits *limits, struct journal **out); /* NULL: defaults. OK, NOMEM */
void journal_free(struct journal *j);					    /* NULL is fine; jobs under way are ended or freed apart */

/*
 * One failed attempt with the partner `name`, its primary domain. `edge` is empty for the gateway's own; what an edge tells
 * beyond its share is counted under the partner, beside what strangers do in its name. Texts are made fit for people (UTF-8,
 * no control characters); reason and side become words of our tables, and an unknown reason's word
 * stands in front of the text. OK; NOMEM: it is not kept.
 */
int journal_add(struct journal *j, struct xfed_span edge, struct xfed_span name, const Xfed__FailureEvent *m, int64_t now_s, uint64_t now_ms);

/*
 * The same of a peer that has proved nothing. `network` is where it came from, in our words; `name` the
 * listed partner whose name it claims, empty where it is none.
 */
int journal_add_stranger(
	struct journal *j, struct xfed_span edge, struct xfed_span network, struct xfed_span name, const Xfed__FailureEvent *m, int64_t now_s);

struct journal_stats {
	size_t ring_rows, ring_bytes, unwritten;
	size_t strangers;      /* entries */
	uint64_t folded;       /* occurrences counted in a row that was there */
	uint64_t lost;	       /* rows that left the ring before they could be written */
	uint64_t write_errors; /* jobs */
};
struct journal_stats journal_stats(const struct journal *j);

/* ---- questions: what xfedctl asks, as xfed/rt/control.h describes ---- */

struct journal_question {
	uint64_t id;	   /* not 0: show that one; else list */
	char partner[256]; /* "": all */
	int64_t since_s;
	uint64_t before; /* 0: from the newest */
	size_t limit;
};

/* The arguments of `failures list` and `failures show`. OK; INVALID with one sentence in `error`.
 */
int journal_list_args(const json_t *args, struct journal_question *out, char error[160]);
int journal_show_args(const json_t *args, struct journal_question *out, char error[160]);

/* From memory. OK: `*out` is a new reference. AGAIN: the store has to be asked, in a job. NOT_FOUND
 * (show). NOMEM. */
int journal_ask(const struct journal *j, const struct journal_question *q, int64_t now_s, json_t **out);

/* ---- jobs ---- */

struct journal_job;

/* Whether a job without question is due: something has waited long enough, or old rows should go.
 */
bool journal_flush_is_due(const struct journal *j, uint64_t now_ms);

/* Takes along what is not written yet, as copies. `q` NULL: no question. OK, NOMEM. */
int journal_job_new(struct journal *j, const struct journal_question *q, int64_t now_s, struct journal_job **out);

/* Blocks. Touches only the job and the connection: writes in one transaction, removes what is too
 * old, then reads. */
void journal_job_run(struct journal_job *job, struct sqlite3 *db);

/*
 * Takes note of what has been written (what has not stays to be written) and releases the job. The
 * result is that of the question: OK with a new reference in `*answer` (NULL without question),
 * NOT_FOUND, NOMEM, LIBRARY. `error` holds one sentence where the store could not be read or
 * written, and is empty otherwise.
 */
int journal_job_end(struct journal *j, struct journal_job *job, uint64_t now_ms, json_t **answer, char error[256]);
/* Instead of ending it, where the journal is gone. NULL is fine. */
void journal_job_free(struct journal_job *job);

/* The newest rows into an empty ring. Blocks: before the loop runs. OK, NOMEM, LIBRARY with one
 * sentence in `error`. */
int journal_load(struct journal *j, struct sqlite3 *db, char error[256]);

#endif
