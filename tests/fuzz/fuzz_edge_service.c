/*
 * The edge going in and out of service: every event with every fact in every state, times that come early, late and not at all.
 *
 * Properties: it listens only while it is in service, and a drain never goes back; what is parked is handed back once a way out; streams of
 * partners are closed before the others; the process ends only behind both, and is the last that is asked for; where something is to come
 * by itself there is a deadline, and without a gateway, or once it drains, ticks alone lead to the end within the time given.
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
	bool had_gateway; /* when last judged */
	bool listens, is_handed_back, is_incoming_closed, is_all_closed, drains, is_given_up, is_stopped;
};

static void perform(struct world *w, enum service_action act)
{
	MUST(!w->is_stopped);
	switch (act) {
	case SERVICE_TELL:
		break;
	case SERVICE_LISTEN:
		MUST(service_is_in(&w->m) && !w->drains);
		w->listens = true;
		w->is_handed_back = w->is_incoming_closed = w->is_all_closed = false;
		break;
	case SERVICE_LISTEN_NO_MORE:
		MUST(!service_is_in(&w->m));
		w->listens = false;
		break;
	case SERVICE_HAND_BACK:
		MUST(!w->is_handed_back && !w->had_gateway && service_is_leaving(&w->m));
		w->is_handed_back = true;
		break;
	case SERVICE_GIVE_UP:
		MUST(w->drains && !w->is_given_up);
		w->is_given_up = true;
		break;
	case SERVICE_DRAIN_PARTS:
		MUST(!w->drains);
		w->drains = true;
		w->is_incoming_closed = w->is_all_closed = false;
		break;
	case SERVICE_CLOSE_INCOMING:
		MUST(!w->is_incoming_closed && !service_is_in(&w->m) && !service_takes(&w->m));
		w->is_incoming_closed = true;
		break;
	case SERVICE_CLOSE_ALL:
		MUST(w->is_incoming_closed && !w->is_all_closed);
		w->is_all_closed = true;
		break;
	case SERVICE_STOP:
		MUST(w->drains && w->is_all_closed && !w->listens);
		w->is_stopped = true;
		break;
	}
}

static void step(struct world *w, enum service_event ev)
{
	enum service_action act;
	bool was_draining = service_is_draining(&w->m);
	w->had_gateway = ev == SERVICE_JUDGE ? w->f.has_gateway : w->had_gateway;
	service_step(&w->m, ev, &w->f);
	while (service_next(&w->m, &act)) {
		perform(w, act);
	}
	MUST(service_is_draining(&w->m) || !was_draining);
	MUST(service_is_draining(&w->m) == w->drains);
	MUST(!service_is_in(&w->m) || w->listens);
	MUST(!(service_is_in(&w->m) && service_is_leaving(&w->m)));
	MUST(w->m.deadline_ms > 0 || w->m.state == SERVICE_IN || w->m.state == SERVICE_OUT || w->m.state == SERVICE_STOPPED);
	MUST((w->m.state == SERVICE_STOPPED) == w->is_stopped);
}

static void tick_to_the_end(struct world *w)
{
	uint64_t begun_ms = w->f.now_ms, most_ms = w->f.grace_ms + (uint64_t)w->f.stop_timeout_ms + 2 * SERVICE_RETURN_MS + 2 * SERVICE_CLOSE_MS;
	for (int n = 0; w->m.deadline_ms > 0; n++) {
		MUST(n < 32);
		w->f.now_ms = w->m.deadline_ms > w->f.now_ms ? w->m.deadline_ms : w->f.now_ms;
		step(w, SERVICE_TICK);
	}
	MUST(w->f.now_ms - begun_ms <= most_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .f = { .now_ms = 1000000 } };
	if (size < 2) {
		return 0;
	}
	w.f.grace_ms = 100u * data[0];
	w.f.stop_timeout_ms = 1000 + 250u * data[1];
	for (size_t i = 2; i + 1 < size; i += 2) {
		w.f.has_gateway = data[i] & 4;
		w.f.is_quiet = data[i] & 8;
		w.f.waiting = data[i] & 16 ? 3 : 0;
		w.f.streams_incoming = data[i] & 32 ? 2 : 0;
		w.f.streams = w.f.streams_incoming + (data[i] & 64 ? 1 : 0);
		w.f.now_ms += 50u * data[i + 1];
		step(&w, (enum service_event[]){ SERVICE_JUDGE, SERVICE_LEFT, SERVICE_TICK, SERVICE_DRAIN }[data[i] & 3]);
	}
	w.f.has_gateway = false;
	step(&w, SERVICE_JUDGE);
	tick_to_the_end(&w);
	MUST(w.m.state == (w.drains ? SERVICE_STOPPED : SERVICE_OUT));
	step(&w, SERVICE_DRAIN);
	tick_to_the_end(&w);
	MUST(w.is_stopped);
	return 0;
}
