#include "sip/timers.h"

#include "xfed/mem.h"

#define FIRST_ROOM 64

void sip_timers_deinit(struct sip_timers *t)
{
	xfed_free(t->heap);
	*t = (struct sip_timers){ 0 };
}

int sip_timers_reserve(struct sip_timers *t, size_t count)
{
	if (count <= t->room) {
		return XFED_OK;
	}
	size_t room = t->room > 0 ? t->room : FIRST_ROOM;
	while (room < count) {
		room *= 2;
	}
	struct sip_timer **heap = xfed_realloc(t->heap, room * sizeof(*heap));
	if (!heap) {
		return XFED_ERR_NOMEM;
	}
	t->heap = heap;
	t->room = room;
	return XFED_OK;
}

static void put(struct sip_timers *t, size_t i, struct sip_timer *timer)
{
	t->heap[i] = timer;
	timer->place = i + 1;
}

static void sift_up(struct sip_timers *t, size_t i, struct sip_timer *timer)
{
	while (i > 0 && t->heap[(i - 1) / 2]->at_ms > timer->at_ms) {
		put(t, i, t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(t, i, timer);
}

static void sift_down(struct sip_timers *t, size_t i, struct sip_timer *timer)
{
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= t->count) {
			break;
		}
		if (child + 1 < t->count && t->heap[child + 1]->at_ms < t->heap[child]->at_ms) {
			child++;
		}
		if (t->heap[child]->at_ms >= timer->at_ms) {
			break;
		}
		put(t, i, t->heap[child]);
		i = child;
	}
	put(t, i, timer);
}

static void settle(struct sip_timers *t, size_t i, struct sip_timer *timer)
{
	if (i > 0 && t->heap[(i - 1) / 2]->at_ms > timer->at_ms) {
		sift_up(t, i, timer);
	} else {
		sift_down(t, i, timer);
	}
}

static void stop(struct sip_timers *t, struct sip_timer *timer)
{
	if (timer->place == 0) {
		return;
	}
	size_t i = timer->place - 1;
	struct sip_timer *last = t->heap[--t->count];
	timer->place = 0;
	if (last != timer) {
		settle(t, i, last);
	}
}

void sip_timers_set(struct sip_timers *t, struct sip_timer *timer, uint64_t at_ms)
{
	if (at_ms == UINT64_MAX) {
		stop(t, timer);
		return;
	}
	timer->at_ms = at_ms;
	if (timer->place == 0) {
		XFED_REQUIRE(t->count < t->room);
		t->count++;
		sift_up(t, t->count - 1, timer);
	} else {
		settle(t, timer->place - 1, timer);
	}
}

struct sip_timer *sip_timers_first(const struct sip_timers *t)
{
	return t->count > 0 ? t->heap[0] : NULL;
}
