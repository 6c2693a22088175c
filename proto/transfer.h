/*
 * A policy snapshot in parts (proto/channel.md section 7): the bytes of xfed_policy_encode(), from the gateway to an edge. Each side is a
 * small machine; the hash is SHA-256 over all bytes.
 */
#ifndef PROTO_TRANSFER_H
#define PROTO_TRANSFER_H

#include "xfed/base.h"
#include "xfed/limits.h"
#include "xfed/reason.h"

#include "proto/session.h"

struct proto_revision {
	uint64_t epoch, counter;
	uint8_t hash[32];
};

/* SHA-256 of `bytes`. OK, LIBRARY. */
int proto_transfer_hash(struct xfed_span bytes, uint8_t out[32]);
/* <0, 0, >0: by epoch, then counter; the hash is ignored. */
int proto_revision_compare(const struct proto_revision *a, const struct proto_revision *b);

/* ---- gateway ---- */
/* Zeroed: nothing to send. `bytes` is borrowed and has to outlive the transfer. */
struct proto_transfer_out {
	struct xfed_span bytes;
	struct proto_revision revision;
	size_t offset;
	enum { PROTO_TRANSFER_IDLE, PROTO_TRANSFER_BEGIN, PROTO_TRANSFER_PARTS, PROTO_TRANSFER_COMMIT } state;
};
/* Starts, also again. LIMIT: above XFED_POLICY_BYTES_MAX. */
int proto_transfer_start(struct proto_transfer_out *t, const struct proto_revision *revision, struct xfed_span bytes);
/*
 * Sends one frame (Begin, a Part, Commit); call it once or twice per turn while *done is false, so that other messages go in between.
 * Returns what proto_session_send() does; LIMIT: try later.
 */
int proto_transfer_pump(struct proto_transfer_out *t, struct proto_session *s, bool *done);

/* ---- edge ---- */
/* Zeroed: none is running. One per link. */
struct proto_transfer_in {
	bool is_open;
	struct proto_revision revision;
	uint8_t *bytes;
	size_t total, have, size;
};
void proto_transfer_in_deinit(struct proto_transfer_in *t); /* wipes the memory, because a snapshot contains the dialback secret */

enum proto_transfer_result {
	PROTO_TRANSFER_MORE,
	PROTO_TRANSFER_COMPLETE, /* t->bytes[0, t->total) is complete with the right hash; call _deinit() afterwards */
	PROTO_TRANSFER_BAD,	 /* out of order, wrong length or hash: channel.frame.bad */
	PROTO_TRANSFER_NOMEM,
};
/* Takes policy_begin, policy_part and policy_commit. Memory grows with what has come, not with the size that Begin announces. */
enum proto_transfer_result proto_transfer_take(struct proto_transfer_in *t, const Xfed__Frame *f);

#endif
