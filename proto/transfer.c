#include "proto/transfer.h"

#include <gnutls/crypto.h>

#include "xfed/mem.h"

int proto_transfer_hash(struct xfed_span bytes, uint8_t out[32])
{
	return gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.data, bytes.len, out) == 0 ? XFED_OK : XFED_ERR_LIBRARY;
}

int proto_revision_compare(const struct proto_revision *a, const struct proto_revision *b)
{
	if (a->epoch != b->epoch) {
		return a->epoch < b->epoch ? -1 : 1;
	}
	return a->counter == b->counter ? 0 : a->counter < b->counter ? -1 : 1;
}

/* ---- gateway ---- */

int proto_transfer_start(struct proto_transfer_out *t, const struct proto_revision *revision, struct xfed_span bytes)
{
	if (bytes.len > XFED_POLICY_BYTES_MAX) {
		return XFED_ERR_LIMIT;
	}
	*t = (struct proto_transfer_out){ .bytes = bytes, .revision = *revision, .state = PROTO_TRANSFER_BEGIN };
	return XFED_OK;
}

static int send_begin(struct proto_transfer_out *t, struct proto_session *s)
{
	Xfed__Revision revision = XFED__REVISION__INIT;
	Xfed__PolicyBegin begin = XFED__POLICY_BEGIN__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	revision.epoch = t->revision.epoch;
	revision.counter = t->revision.counter;
	revision.hash.data = t->revision.hash;
	revision.hash.len = sizeof(t->revision.hash);
	begin.revision = &revision;
	begin.total_bytes = (uint32_t)t->bytes.len;
	f.body_case = XFED__FRAME__BODY_POLICY_BEGIN;
	f.policy_begin = &begin;
	return proto_session_send(s, &f);
}

static int send_part(struct proto_transfer_out *t, struct proto_session *s, size_t len)
{
	Xfed__PolicyPart part = XFED__POLICY_PART__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	part.offset = (uint32_t)t->offset;
	part.data.data = (uint8_t *)(uintptr_t)(t->bytes.data + t->offset);
	part.data.len = len;
	f.body_case = XFED__FRAME__BODY_POLICY_PART;
	f.policy_part = &part;
	return proto_session_send(s, &f);
}

static int send_commit(struct proto_transfer_out *t, struct proto_session *s)
{
	Xfed__PolicyCommit commit = XFED__POLICY_COMMIT__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	commit.hash.data = t->revision.hash;
	commit.hash.len = sizeof(t->revision.hash);
	f.body_case = XFED__FRAME__BODY_POLICY_COMMIT;
	f.policy_commit = &commit;
	return proto_session_send(s, &f);
}

int proto_transfer_pump(struct proto_transfer_out *t, struct proto_session *s, bool *done)
{
	int rc = XFED_OK;
	size_t len = t->bytes.len - t->offset;
	switch (t->state) {
	case PROTO_TRANSFER_IDLE:
		break;
	case PROTO_TRANSFER_BEGIN:
		rc = send_begin(t, s);
		if (rc == XFED_OK) {
			t->state = t->bytes.len > 0 ? PROTO_TRANSFER_PARTS : PROTO_TRANSFER_COMMIT;
		}
		break;
	case PROTO_TRANSFER_PARTS:
		len = len < XFED_POLICY_PART_BYTES ? len : XFED_POLICY_PART_BYTES;
		rc = send_part(t, s, len);
		if (rc == XFED_OK) {
			t->offset += len;
			t->state = t->offset < t->bytes.len ? PROTO_TRANSFER_PARTS : PROTO_TRANSFER_COMMIT;
		}
		break;
	case PROTO_TRANSFER_COMMIT:
		rc = send_commit(t, s);
		if (rc == XFED_OK) {
			t->state = PROTO_TRANSFER_IDLE;
		}
		break;
	}
	*done = t->state == PROTO_TRANSFER_IDLE;
	return rc;
}

/* ---- edge ---- */

void proto_transfer_in_deinit(struct proto_transfer_in *t)
{
	xfed_wipe(t->bytes, t->size);
	xfed_free(t->bytes);
	memset(t, 0, sizeof(*t));
}

/* A Begin before a Commit starts again: the gateway has a newer revision. */
static enum proto_transfer_result take_begin(struct proto_transfer_in *t, const Xfed__PolicyBegin *b)
{
	proto_transfer_in_deinit(t);
	t->is_open = true;
	t->revision.epoch = b->revision->epoch;
	t->revision.counter = b->revision->counter;
	memcpy(t->revision.hash, b->revision->hash.data, sizeof(t->revision.hash));
	t->total = b->total_bytes;
	return PROTO_TRANSFER_MORE;
}

static bool grow(struct proto_transfer_in *t, size_t need)
{
	if (need <= t->size) {
		return true;
	}
	size_t size = 2 * t->size > need ? 2 * t->size : need;
	size = size < t->total ? size : t->total;
	uint8_t *bytes = xfed_malloc(size);
	if (!bytes) {
		return false;
	}
	if (t->have > 0) {
		memcpy(bytes, t->bytes, t->have);
	}
	xfed_wipe(t->bytes, t->size);
	xfed_free(t->bytes);
	t->bytes = bytes;
	t->size = size;
	return true;
}

static enum proto_transfer_result take_part(struct proto_transfer_in *t, const Xfed__PolicyPart *p)
{
	if (!t->is_open || p->offset != t->have || p->data.len > t->total - t->have) {
		return PROTO_TRANSFER_BAD;
	}
	if (!grow(t, t->have + p->data.len)) {
		return PROTO_TRANSFER_NOMEM;
	}
	memcpy(t->bytes + t->have, p->data.data, p->data.len);
	t->have += p->data.len;
	return PROTO_TRANSFER_MORE;
}

static enum proto_transfer_result take_commit(struct proto_transfer_in *t, const Xfed__PolicyCommit *c)
{
	uint8_t hash[32];
	if (!t->is_open || t->have != t->total || c->hash.len != sizeof(hash) || memcmp(c->hash.data, t->revision.hash, sizeof(hash)) != 0 ||
		proto_transfer_hash(xfed_span_make(t->bytes, t->total), hash) != XFED_OK || memcmp(hash, t->revision.hash, sizeof(hash)) != 0) {
		return PROTO_TRANSFER_BAD;
	}
	t->is_open = false;
	return PROTO_TRANSFER_COMPLETE;
}

enum proto_transfer_result proto_transfer_take(struct proto_transfer_in *t, const Xfed__Frame *f)
{
	switch (f->body_case) {
	case XFED__FRAME__BODY_POLICY_BEGIN:
		return take_begin(t, f->policy_begin);
	case XFED__FRAME__BODY_POLICY_PART:
		return take_part(t, f->policy_part);
	case XFED__FRAME__BODY_POLICY_COMMIT:
		return take_commit(t, f->policy_commit);
	default: /* the caller passes no other message on */
		return PROTO_TRANSFER_BAD;
	}
}
