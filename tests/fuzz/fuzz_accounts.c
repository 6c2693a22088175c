/*
 * The small accounts of a link (credit, pace, told outcomes) beside models of them; the first byte chooses which, the others are
 * its events in any order.
 *
 * Properties: credit never goes above what was granted nor below nothing, and a refusal changes nothing; the pace never lets more wait
 * than its window, and lets something go whenever nothing is on the way; outcomes are heard in the order they were told,
 * each once, and never more than were told.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/credit.h"
#include "proto/pace.h"
#include "proto/told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())

struct input {
	const uint8_t *at, *end;
};

static uint8_t byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* Small, large, and at the edges. */
static uint64_t number(struct input *in)
{
	uint8_t b = byte(in);
	return b < 128 ? b : b < 192 ? (uint64_t)byte(in) << (b & 31) : UINT64_MAX >> (b & 63);
}

static void credit(struct input *in)
{
	struct proto_credit_side side = { 0, 0 };
	while (in->at < in->end) {
		struct proto_credit_side before = side;
		bool is_add = byte(in) & 1, ok;
		uint32_t messages = (uint32_t)number(in);
		uint64_t bytes = number(in);
		if (is_add) {
			ok = proto_credit_add(&side, messages, bytes);
			MUST(!ok || (side.messages == before.messages + (uint64_t)messages && side.bytes - before.bytes == bytes));
		} else {
			ok = proto_credit_take(&side, (size_t)bytes);
			MUST(ok == (before.messages > 0 && before.bytes >= bytes));
			MUST(!ok || (side.messages == before.messages - 1 && side.bytes == before.bytes - bytes));
		}
		MUST(ok || (side.messages == before.messages && side.bytes == before.bytes));
		MUST(side.messages <= PROTO_CREDIT_MESSAGES_MAX && side.bytes <= PROTO_CREDIT_BYTES_MAX);
	}
}

static void pace(struct input *in)
{
	struct proto_pace p;
	uint64_t now = 1000, on_the_way = 0, bytes_on_the_way = 0;
	proto_pace_init(&p);
	proto_pace_credit(&p, 1024, 4 * 1024 * 1024, now); /* the first, which nothing was sent for */
	while (in->at < in->end) {
		uint8_t what = byte(in);
		switch (what % 4) {
		case 0:
		case 1:
			for (unsigned i = what / 4; i > 0 && proto_pace_covers(&p); i--) {
				size_t bytes = 1 + (what & 128 ? 300 * (size_t)what : 100);
				MUST(on_the_way < p.window);
				proto_pace_sent(&p, bytes);
				on_the_way++;
				bytes_on_the_way += bytes;
			}
			if (!proto_pace_covers(&p)) {
				MUST(on_the_way > 0);
				proto_pace_waits(&p);
			}
			proto_pace_mark(&p, now);
			break;
		case 2: {
			uint64_t n = on_the_way * (what / 4) / 63, bytes = n == on_the_way ? bytes_on_the_way : bytes_on_the_way * (what / 4) / 64;
			on_the_way -= n;
			bytes_on_the_way -= bytes;
			proto_pace_credit(&p, (uint32_t)n, bytes, now);
			break;
		}
		case 3:
			now += what / 4;
			break;
		}
		MUST(p.window >= XFED_PACE_WINDOW_MIN);
		MUST(on_the_way > 0 || proto_pace_covers(&p));
	}
}

static void told(struct input *in)
{
	struct proto_told t = { 0 };
	uint64_t count = 0, heard = 0, next = 0, seq;
	while (in->at < in->end) {
		uint8_t what = byte(in);
		switch (what % 3) {
		case 0:
			for (unsigned i = 0; i < 1U + what / 3; i++) {
				proto_told_add(&t, 7 * ++count);
			}
			break;
		case 1: {
			uint64_t n = what & 128 ? number(in) : heard + what / 3;
			bool ok = proto_told_hear(&t, n);
			MUST(ok == (n >= heard && n <= count));
			heard = ok ? n : heard;
			break;
		}
		case 2:
			for (unsigned i = 0; i < 1U + what / 3 && proto_told_next(&t, &seq); i++) {
				MUST(seq == 7 * ++next && next <= heard);
			}
			break;
		}
	}
	while (proto_told_next(&t, &seq)) {
		MUST(seq == 7 * ++next);
	}
	MUST(next == heard);
	proto_told_deinit(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const accounts[])(struct input * in) = { credit, pace, told };
	struct input in = { data, data + size };
	accounts[byte(&in) % XFED_ARRAY_LEN(accounts)](&in);
	return 0;
}
