/*
 * journal: failed attempts to set up streams, as edges report them, and messages this gateway refused for good; each with its steps,
 * reason, side to blame, the partner's certificates, and how often it was seen. Remedies come from reasons.def and are not kept.
 *
 *   ring       the newest failures, in memory; answers most questions at once
 *   fold       a failure that repeats one from within the last minute is counted in the row of that one
 *   stranger   a peer that has not authenticated: it can fail as often as it likes and under any name
 *
 * Older failures are rows of the store, written in batches. Rows are bounded by age and number there, by number and bytes in memory; the
 * oldest are dropped first. Refused messages have a quarter as many rows of their own, so that they displace no report of an edge. Failures
 * of strangers are kept apart, in memory only, folded by network and by the listed name they claim: they displace nothing else, nor
 * anything under another listed name. They are shown on the first page of a list, at most a quarter of it, half of these with a listed
 * name. An edge has a share too: more than XFED_JOURNAL_EDGE_ROWS failures at once, and more than one per XFED_JOURNAL_EDGE_MS, count among
 * the strangers'.
 *
 * May call core and store.
 */
#ifndef GATEWAY_JOURNAL_JOURNAL_H
#define GATEWAY_JOURNAL_JOURNAL_H

#include <jansson.h>

#include "core/core.h"
#include "proto/channel.pb-c.h"
#include "store/store.h"

struct journal;

/* Loads the newest failures from the store. XFED_OK, or an error with one sentence in `error`. */
int journal_new(struct core *core, struct store *store, struct journal **out, char error[256]);
void journal_stop(struct journal *j); /* to be called before store_stop(): writes what is not written yet. NULL is fine */
void journal_free(struct journal *j); /* to be called after it. NULL is fine */
void journal_tick(struct journal *j);

/*
 * Adds a failed attempt reported by `edge`; empty: the gateway's own. `name`: the listed partner, by its primary domain; for a stranger the
 * one it claims to be, or empty. Texts are cleaned (UTF-8, no control characters); reason and side are mapped to our tables, and the word
 * of an unknown reason is put in front of the text.
 */
void journal_add(struct journal *j, struct xfed_span edge, struct xfed_span name, const Xfed__FailureEvent *m, bool is_stranger);

/*
 * Adds a message that was refused, in either direction, if trying again would not help; as a row without `edge`. Repetitions between two
 * domains with one reason are counted; the addresses are those of the first, masked like those in the log.
 */
struct journal_message {
	bool is_to_sip;
	bool is_temporary;		/* it may succeed later */
	struct xfed_span local, remote; /* domains */
	struct xfed_span from, to;	/* full addresses; empty: none */
	enum xfed_reason reason;
	enum xfed_side side;
	int sip_status;		      /* 0: there was no response */
	struct xfed_span said;	      /* text of the other side; data NULL: none */
	struct xfed_span diagnostics; /* what it says to administrators, of ms-diagnostics; data NULL: nothing */
};
void journal_add_message(struct journal *j, const struct journal_message *message);

/* ---- questions of xfedctl (xfed/rt/control.h) ---- */

struct journal_question {
	uint64_t id;	   /* not 0: show this one; else list */
	char partner[256]; /* "": every partner */
	int64_t since_s;
	uint64_t before; /* 0: from the newest */
	size_t limit;
	bool is_memory_enough; /* of a list: failures that are in the store alone are not needed */
};

/* Reads the arguments of `failures list` from rt_command_run(). OK; INVALID with one sentence in `error`. */
int journal_list_args(const json_t *args, struct journal_question *out, char error[160]);

/* Called at once or later; `answer` is borrowed, and NULL where `rc` is not XFED_OK: NOT_FOUND, NOMEM, LIBRARY. */
typedef void journal_answer_fn(void *user, int rc, json_t *answer);
void journal_ask(struct journal *j, const struct journal_question *q, journal_answer_fn *fn, void *user);

/* A listed partner (`name`: its primary domain) has authenticated for a pair: earlier failures under its name are marked as past. */
void journal_proved(struct journal *j, struct xfed_span name, struct xfed_span local, struct xfed_span remote);

/*
 * The last failed attempt at a stream for the pair in that direction, as `failures list` shows it; NULL: none in memory. "out": a stream of
 * ours. "in": a stream of somebody who claimed to be the partner, where the partner has not authenticated since.
 */
json_t *journal_last(const struct journal *j, struct xfed_span local, struct xfed_span remote, const char *direction);

#endif
