/*
 * One message (the body of a frame): the scan in front of the unpacking (proto/scan.h) against the unpacking itself.
 *
 * Properties: whatever the scan lets pass costs no more memory than the cap, counted at our allocator; unpacking after
 * the scan fails only for that cap; texts of an accepted message are UTF-8; a policy transfer fed with it never takes
 * more than it was sent.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <unistr.h>

#include "proto/frame.h"
#include "proto/transfer.h"
#include "xfed/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())

static size_t in_use, most;

/* The size in front of each piece. */
static void *count_malloc(size_t size)
{
	size_t *p = malloc(size + 16);
	if (p) {
		*p = size;
		in_use += size;
		most = in_use > most ? in_use : most;
	}
	return p ? (char *)p + 16 : NULL;
}
static void count_free(void *p)
{
	if (p) {
		in_use -= *(size_t *)((char *)p - 16);
		free((char *)p - 16);
	}
}
static void *count_realloc(void *p, size_t size)
{
	void *to = count_malloc(size);
	if (to && p) {
		size_t old = *(size_t *)((char *)p - 16);
		memcpy(to, p, old < size ? old : size);
		count_free(p);
	}
	return to;
}

static const struct xfed_mem_hooks hooks = { count_malloc, count_realloc, count_free };

/* Walks over everything the message points to. */
static void check_texts(const ProtobufCMessage *m, unsigned depth)
{
	MUST(depth <= PROTO_FRAME_DEPTH_MAX);
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const uint8_t *at = (const uint8_t *)m + f->offset;
		bool is_list = f->label == PROTOBUF_C_LABEL_REPEATED;
		size_t n = is_list ? *(const size_t *)((const uint8_t *)m + f->quantifier_offset) : 1;
		if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && *(const uint32_t *)((const uint8_t *)m + f->quantifier_offset) != f->id) {
			continue;
		}
		const void *const *list = is_list ? *(const void *const *const *)at : (const void *const *)at;
		for (size_t k = 0; k < n; k++) {
			if (f->type == PROTOBUF_C_TYPE_STRING) {
				MUST(list[k] && !u8_check(list[k], strlen(list[k])));
			} else if (f->type == PROTOBUF_C_TYPE_MESSAGE && list[k]) {
				check_texts(list[k], depth + 1);
			}
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct proto_transfer_in transfer;
	struct proto_frame_reader r;
	const Xfed__Frame *f;
	bool nomem;
	if (size == 0 || size > XFED_FRAME_BYTES_MAX) {
		return 0;
	}
	uint8_t head[PROTO_FRAME_HEADER] = { 0, (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size };
	xfed_mem_set_hooks(&hooks);
	in_use = most = 0;
	proto_frame_reader_init(&r);
	MUST(proto_frame_feed(&r, xfed_span_make(head, sizeof(head)), &nomem) == sizeof(head));
	MUST(proto_frame_feed(&r, xfed_span_make(data, size), &nomem) == size);
	size_t before = in_use;
	most = in_use;
	enum proto_frame_result result = proto_frame_next(&r, &f);
	MUST(most - before <= XFED_FRAME_ARENA_BYTES);
	MUST(result == PROTO_FRAME_MESSAGE || result == PROTO_FRAME_UNKNOWN || result == PROTO_FRAME_BAD);
	if (result == PROTO_FRAME_BAD) {
		MUST(strcmp(r.problem, "a message does not parse") != 0);
	}
	if (result == PROTO_FRAME_MESSAGE) {
		check_texts(&f->base, 1);
		proto_transfer_take(&transfer, f);
		MUST(transfer.have <= transfer.total && transfer.size <= 2 * transfer.have + XFED_POLICY_PART_BYTES);
		proto_transfer_in_deinit(&transfer);
	}
	proto_frame_reader_deinit(&r);
	MUST(in_use == 0);
	xfed_mem_set_hooks(NULL);
	return 0;
}
