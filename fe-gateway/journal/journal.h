/*
 * journal: the failed attempts to set up something with a partner, of edges, and messages refused for good, of this gateway, each with
 * its steps, reason, side at fault, the partner's certificates and how often it was seen. Remedies come from the table of reasons and are not kept.
 *
 *   ring       the newest failures, in memory; it answers most questions at once
 *   fold       the same failure again within a minute is counted in the row that is there
 *   stranger   a peer that has proved nothing: it can fail as often as it likes and under any name
 *
 * Behind the ring lie the rows of the store, written in batches. Rows and age there, rows and bytes in memory are bounded: the
 * oldest go first. Messages have a quarter as many besides, so that none pushes out what edges tell. What strangers leave is kept apart, in memory only, folded by the listed name they claim and the network they
 * come from: it pushes out nothing else, and nothing under another listed name. It stands on the first page of a list, at most a
 * quarter as many as the others, half of them those that claim a listed name. An edge has its share too: what it tells beyond
 * XFED_JOURNAL_EDGE_ROWS at once and one in XFED_JOURNAL_EDGE_MS goes among the strangers.
 *
 * May call: core, store.
 */
#ifndef GATEWAY_JOURNAL_JOURNAL_H
#define GATEWAY_JOURNAL_JOURNAL_H

#include <jansson.h>

#include "core/core.h"
#include "proto/channel.pb-c.h"
#include "store/store.h"

struct journal;

/* Loads the newest from the store. OK, or an error with one sentence in `error`. */
int journal_new(struct core *core, struct store *store, struct journal **out, char error[256]);
void journal_stop(struct journal *j); /* before store_stop(): what is not written yet is; NULL is fine */
void journal_free(struct journal *j); /* after it; NULL is fine */
void journal_tick(struct journal *j);

/*
 * One failed attempt that `edge` tells of (empty: the gateway's own). `name`: the listed partner, by its primary domain; for a
 * stranger the one whose name it claims, or empty. Texts are made fit for people (UTF-8, no control characters); reason and side
 * become words of our tables, and an unknown reason's word stands in front of the text.
 */
void journal_add(struct journal *j, struct xfed_span edge, struct xfed_span name, const Xfed__FailureEvent *m, bool is_stranger);

/*
 * A message that was refused, on either way: kept where trying again does not cure it, as a row of the gateway's own (`edge` is empty).
 * Repetitions between two domains for one reason are counted, the addresses are those of the first, masked as those of the log are.
 */
struct journal_message {
	bool is_to_sip;
	bool is_temporary;		/* it may go through later */
	struct xfed_span local, remote; /* domains */
	struct xfed_span from, to;	/* addresses; empty: none */
	enum xfed_reason reason;
	enum xfed_side side;
	int sip_status;	       /* 0: none */
	struct xfed_span said; /* by the other side; data NULL: nothing */
};
void journal_add_message(struct journal *j, const struct journal_message *message);

/* ---- questions: what xfedctl asks, as xfed/rt/control.h describes ---- */

struct journal_question {
	uint64_t id;	   /* not 0: show that one; else list */
	char partner[256]; /* "": all */
	int64_t since_s;
	uint64_t before; /* 0: from the newest */
	size_t limit;
	bool is_memory_enough; /* of a list: the store is not asked for what has left the ring */
};

/* The arguments of `failures list`, as rt_command_run() hands them on. OK; INVALID with one sentence in `error`. */
int journal_list_args(const json_t *args, struct journal_question *out, char error[160]);

/* At once, or later; `answer` (borrowed) is NULL where `rc` is not OK: NOT_FOUND, NOMEM, LIBRARY. */
typedef void journal_answer_fn(void *user, int rc, json_t *answer);
void journal_ask(struct journal *j, const struct journal_question *q, journal_answer_fn *fn, void *user);

/* The last attempt at a stream of a pair in that direction ("in", "out") that failed, as `failures list` shows it; NULL: none in memory. */
json_t *journal_last(const struct journal *j, struct xfed_span local, struct xfed_span remote, const char *direction);

#endif
