/*
 * The SIP framer. The first byte chooses how the rest is cut. Properties: any cutting gives the
 * same frames as the whole at once; frames are non-empty, in order, and never larger than a message
 * may be; nothing follows an error.
 */
#include <stdint.h>
#include <stdlib.h>

#include "sip/framer.h"
#include "xfed/hash.h"
#include "xfed/limits.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	uint64_t messages; /* a sum over kind and bytes of all frames */
	size_t frames;
	bool is_lost;
};

static void note(struct outcome *o, const struct sip_frame *frame)
{
	uint64_t parts[3] = { o->messages, (uint64_t)frame->kind, xfed_hash_bytes(frame->bytes.data, frame->bytes.len) };
	o->messages = xfed_hash_bytes(parts, sizeof(parts));
	o->frames++;
	MUST(frame->kind != SIP_FRAME_MESSAGE || (frame->bytes.len > 4 && frame->bytes.len <= XFED_SIP_MESSAGE_BYTES));
}

static bool drain(struct sip_framer *f, struct outcome *o)
{
	for (;;) {
		struct sip_frame frame = sip_framer_next(f);
		if (frame.kind == SIP_FRAME_MORE) {
			return true;
		}
		if (frame.kind == SIP_FRAME_ERROR) {
			MUST(frame.note != NULL);
			MUST(sip_framer_next(f).kind == SIP_FRAME_ERROR);
			o->is_lost = true;
			return false;
		}
		note(o, &frame);
	}
}

static struct outcome run(const uint8_t *data, size_t size, size_t chunk)
{
	struct outcome o = { 0 };
	struct sip_framer f;
	sip_framer_init(&f);
	for (size_t i = 0; i < size;) {
		size_t taken, n = chunk < size - i ? chunk : size - i;
		MUST(sip_framer_feed(&f, xfed_span_make(data + i, n), &taken) == XFED_OK);
		i += taken;
		if (!drain(&f, &o)) {
			break;
		}
		MUST(taken > 0);
	}
	sip_framer_deinit(&f);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1) {
		return 0;
	}
	size_t chunk = (size_t)data[0] % 37 + 1;
	struct outcome whole = run(data + 1, size - 1, SIZE_MAX), cut = run(data + 1, size - 1, chunk);
	MUST(whole.messages == cut.messages && whole.frames == cut.frames && whole.is_lost == cut.is_lost);
	return 0;
}
