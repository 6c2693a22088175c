#include "proto/pace.h"

/* After so many samples with the smallest window the path itself has become slower: nothing of ours is queued on it. */
#define FLOOR_SAMPLES 64

static uint64_t on_the_way(const struct proto_pace *p)
{
	return p->sent - p->taken + (p->sent_bytes - p->taken_bytes) / XFED_PACE_UNIT_BYTES;
}

void proto_pace_init(struct proto_pace *p)
{
	*p = (struct proto_pace){ .window = XFED_PACE_WINDOW_MIN };
}

bool proto_pace_covers(const struct proto_pace *p)
{
	return on_the_way(p) < p->window;
}

void proto_pace_waits(struct proto_pace *p)
{
	p->was_full = true;
}

void proto_pace_sent(struct proto_pace *p, size_t bytes)
{
	p->sent++;
	p->sent_bytes += bytes;
}

void proto_pace_mark(struct proto_pace *p, uint64_t now_ms)
{
	if (!p->is_timing && p->sent > p->taken) {
		p->is_timing = true;
		p->timed = p->sent;
		p->timed_ms = now_ms;
	}
}

/* With the smallest window it takes longer than it did: the path itself has become slower, which becomes the new base. */
static void watch_floor(struct proto_pace *p, uint64_t took_ms)
{
	if (p->window > XFED_PACE_WINDOW_MIN) {
		p->floor_count = 0;
		return;
	}
	p->floor_ms = p->floor_count == 0 || took_ms < p->floor_ms ? took_ms : p->floor_ms;
	if (++p->floor_count == FLOOR_SAMPLES) {
		p->base_ms = p->floor_ms;
		p->floor_count = 0;
	}
}

/* The window with which a message would wait as long as intended; before a limit has been met, only an estimate from what was measured. */
static uint64_t goal_of(struct proto_pace *p, uint64_t took_ms)
{
	p->has_met_limit = p->has_met_limit || took_ms > p->base_ms + XFED_PACE_QUEUE_MS / 2;
	uint64_t twice = 2 * (uint64_t)p->window;
	uint64_t goal = p->window * (p->base_ms + XFED_PACE_QUEUE_MS) / (took_ms > 0 ? took_ms : 1);
	goal += took_ms < p->base_ms + XFED_PACE_QUEUE_MS ? 1 : 0;
	return p->has_met_limit && goal < twice ? goal : twice;
}

/* Moves half the way to the goal. */
static void sample(struct proto_pace *p, uint64_t took_ms)
{
	p->base_ms = !p->has_base || took_ms < p->base_ms ? took_ms : p->base_ms;
	p->has_base = true;
	uint64_t goal = goal_of(p, took_ms), next = (p->window + goal + (goal > p->window)) / 2;
	if (next > p->window && !p->was_full) {
		next = p->window; /* the window was not used up, so nothing is known about a larger one */
	}
	p->was_full = false;
	p->window = next < XFED_PACE_WINDOW_MIN ? XFED_PACE_WINDOW_MIN : next > XFED_CHANNEL_CREDIT_MSGS ? XFED_CHANNEL_CREDIT_MSGS : (uint32_t)next;
	watch_floor(p, took_ms);
}

void proto_pace_credit(struct proto_pace *p, uint32_t messages, uint64_t bytes, uint64_t now_ms)
{
	if (!p->has_account) {
		p->has_account = true;
		return;
	}
	p->taken += messages;
	p->taken_bytes += bytes;
	/* More credit came back than was used: the peer has raised its grant, and has not taken so many messages. */
	p->taken = p->taken > p->sent ? p->sent : p->taken;
	p->taken_bytes = p->taken_bytes > p->sent_bytes || p->taken == p->sent ? p->sent_bytes : p->taken_bytes;
	if (p->is_timing && p->taken >= p->timed) {
		p->is_timing = false;
		sample(p, now_ms - p->timed_ms);
	}
}
