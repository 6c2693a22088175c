/*
 * The gateway going in and out of service: every event with every fact in every state, times that come early, late and not at all.
 *
 * Properties: it is in service with an edge and out of it without, as of the last judgement; a drain never goes back and is told to the
 * parts once; what has no fate is given one only while something was in flight, and not behind the close; the process ends once, and is
 * the last that is asked for; once it drains ticks alone lead there, within the time given.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())

struct world {
	struct service m;
	struct service_facts f;
	bool drains, is_given_up, is_closed, is_stopped;
	uint64_t drained_ms;
	uint32_t within_ms;
};

static void perform(struct world *w, enum service_action act)
{
	MUST(act == SERVICE_NOTHING || !w->is_stopped);
	switch (act) {
	case SERVICE_NOTHING:
		break;
	case SERVICE_TELL:
		MUST(!w->drains);
		break;
	case SERVICE_DRAIN_PARTS:
		MUST(!w->drains);
		w->drains = true;
		w->drained_ms = w->f.now_ms;
		w->within_ms = w->f.stop_timeout_ms;
		break;
	case SERVICE_GIVE_UP:
		MUST(w->drains && !w->is_given_up && !w->is_closed);
		w->is_given_up = true;
		break;
	case SERVICE_CLOSE_ALL:
		MUST(w->drains && w->f.is_quiet && !w->is_closed && !w->is_given_up);
		w->is_closed = true;
		break;
	case SERVICE_STOP:
		MUST(w->is_closed || w->is_given_up);
		w->is_stopped = true;
		break;
	}
}

static void step(struct world *w, enum service_event ev)
{
	enum service_state before = w->m.state;
	enum service_action act = service_step(&w->m, ev, &w->f);
	MUST(w->m.state == before || act != SERVICE_NOTHING);
	perform(w, act);
	MUST(service_is_draining(&w->m) == w->drains);
	MUST(ev != SERVICE_JUDGE || w->drains || w->m.state == (w->f.has_edge ? SERVICE_IN : SERVICE_OUT));
	MUST((w->m.deadline_ms > 0) == (w->drains && !w->is_stopped));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .f = { .now_ms = 1000000 } };
	for (size_t i = 0; i + 1 < size; i += 2) {
		w.f.has_edge = data[i] & 4;
		w.f.is_quiet = data[i] & 8;
		w.f.stop_timeout_ms = 1000 + 500u * (data[i] >> 4);
		w.f.now_ms += 20u * data[i + 1];
		step(&w, (enum service_event[]){ SERVICE_JUDGE, SERVICE_LEFT, SERVICE_TICK, SERVICE_DRAIN }[data[i] & 3]);
	}
	bool has_time = !w.drains;
	w.f.stop_timeout_ms = 1000 + 500u * (uint32_t)(size % 16);
	step(&w, SERVICE_DRAIN);
	for (int n = 0; w.m.deadline_ms > 0; n++) {
		MUST(n < 4);
		w.f.now_ms = w.m.deadline_ms > w.f.now_ms ? w.m.deadline_ms : w.f.now_ms;
		step(&w, SERVICE_TICK);
	}
	MUST(w.is_stopped);
	MUST(!has_time || w.f.now_ms <= w.drained_ms + w.within_ms);
	return 0;
}
