/*
 * A hop that is down is probed with OPTIONS (RFC 3261 section 11) until it answers, so that nobody has to send a message to find out; one
 * that is up and has dialogs over UDP, to see whether it still is; and any of which an operator asks. Any response counts as an answer but 5xx; of these 501 does, from a
 * server that does not know OPTIONS. Where a message would go to the next place, so does the probe.
 */
#include "trunk/trunk_impl.h"

#include <stdio.h>
#include <utlist.h>

#include "util/hex.h"

#define PAUSE_FIRST_MS (5 * 1000) /* doubled each time */
#define PAUSE_MOST_MS  (60 * 1000)
#define KNOWN_S	       60	   /* what is known of one that was sent something so recently is known */
#define LOOK_MS	       (30 * 1000) /* at one that is up, over UDP, while dialogs rest on it */

static bool is_wanted(const struct trunk_hop *h)
{
	return h->is_used && h->state.is_known && !h->state.is_up;
}

static struct trunk_hop *hop_of(uint64_t id)
{
	return (struct trunk_hop *)(uintptr_t)id; /* hops are kept until the process ends */
}

static void wait(struct trunk_probe *p, uint64_t pause_ms, uint64_t now_ms)
{
	p->pause_ms = pause_ms < PAUSE_MOST_MS ? pause_ms : PAUSE_MOST_MS;
	p->due_ms = now_ms + p->pause_ms;
}

/* Nothing but a turn's end and the tick looks at probes, and somebody waits for one. */
static void wake(const struct trunk *t)
{
	if (t->askings) {
		rt_daemon_flush_soon(&t->core->d);
	}
}

static void end(struct trunk_hop *h)
{
	trunk_send_end(&h->probe.send);
	h->probe.state = TRUNK_PROBE_IDLE;
	wait(&h->probe, 2 * h->probe.pause_ms, trunk_now(h->trunk));
	wake(h->trunk);
}

/* "sip:host"; an IPv6 address without brackets gets them. */
static void write_uri(const struct trunk_hop *h, char *out, size_t size)
{
	bool is_v6 = strchr(h->host, ':') != NULL;
	snprintf(out, size, "sip:%s%s%s", is_v6 ? "[" : "", h->host, is_v6 ? "]" : "");
}

static void ask(struct trunk_hop *h)
{
	struct trunk *t = h->trunk;
	const struct config *c = t->files.config;
	const char *advertise = config_our_name(c, h->is_outside).data;
	uint8_t random[16];
	char tag[33], uri[SIP_NAME_SIZE + 8], from[SIP_NAME_SIZE + 8], call_id[SIP_NAME_SIZE + 40];
	uint64_t txn;
	t->core->d.env.random(t->core->d.env.user, random, sizeof(random));
	xfed_hex(tag, random, sizeof(random));
	write_uri(h, uri, sizeof(uri));
	snprintf(from, sizeof(from), "sip:%.*s", SIP_NAME_SIZE, advertise);
	snprintf(call_id, sizeof(call_id), "%s@%.*s", tag, SIP_NAME_SIZE, advertise);
	struct sip_layer_request rq = {
		.user = &t->probe_user.sip,
		.id = (uint64_t)(uintptr_t)h,
		.request = {
			.method = XFED_SPAN("OPTIONS"),
			.uri = xfed_span_str(uri),
			.from_uri = xfed_span_str(from),
			.from_tag = xfed_span_make(tag, 16),
			.to_uri = xfed_span_str(uri),
			.call_id = xfed_span_str(call_id),
			.cseq = 1,
			.user_agent = XFED_SPAN(SIP_USER_AGENT),
		},
	};
	sip_location_target(sip_failover_place(h->probe.send.places), &rq.target);
	rq.target.is_outside = h->is_outside;
	h->probe.state = TRUNK_PROBE_SENT;	      /* set first: the request may fail during the call */
	if (trunk_request(t, &rq, &txn) != XFED_OK) { /* no transaction is free, or no memory: tried again later */
		end(h);
	}
}

static void on_ready(void *data, struct trunk_send *s)
{
	(void)data;
	s->hop->probe.state = TRUNK_PROBE_READY; /* sent later, because the layer may be active during this call */
	wake(s->hop->trunk);
}

static void on_failed(void *data, struct trunk_send *s, enum xfed_reason reason)
{
	(void)data;
	(void)reason; /* it is already in the hop's state */
	end(s->hop);
}

static bool try_next(struct trunk_hop *h, enum sip_attempt_end how, int status, bool was_written)
{
	if (!sip_failover_next(h->probe.send.places, how, status, was_written)) {
		return false;
	}
	h->probe.state = TRUNK_PROBE_READY;
	wake(h->trunk);
	return true;
}

static void on_response(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog)
{
	struct trunk_hop *h = hop_of(id);
	(void)data;
	(void)dialog;
	if (m->status < 200) {
		return;
	}
	if (m->status < 500 || m->status >= 600 || m->status == 501) {
		sip_failed_remove(&h->failed, sip_failover_place(h->probe.send.places));
		trunk_hop_answers(h);
	} else if (try_next(h, SIP_ATTEMPT_RESPONSE, m->status, true)) {
		return;
	} else {
		char text[64];
		snprintf(text, sizeof(text), "it answers OPTIONS with %d", m->status);
		trunk_hop_down(h, XFED_REASON_SIP_SERVER_ERROR, text);
		trunk_hop_lost(h);
	}
	end(h);
}

static void on_timeout(void *data, uint64_t id, bool was_written)
{
	struct trunk_hop *h = hop_of(id);
	(void)data;
	(void)was_written;
	trunk_send_timed_out(&h->probe.send);
	trunk_hop_lost(h);
	end(h);
}

static void on_broken(void *data, uint64_t id, bool was_written)
{
	struct trunk_hop *h = hop_of(id);
	(void)data;
	trunk_send_broken(&h->probe.send, was_written);
	if (try_next(h, SIP_ATTEMPT_ERROR, 0, false)) { /* a second probe does no harm */
		return;
	}
	trunk_send_unreached(&h->probe.send);
	end(h);
}

void trunk_probe_init(struct trunk *t)
{
	t->probe_user = (struct trunk_user){
		.sip = { .data = t, .response = on_response, .timeout = on_timeout, .broken = on_broken },
		.hop_ready = on_ready,
		.hop_failed = on_failed,
	};
}

static void look(struct trunk_hop *h)
{
	h->probe.state = TRUNK_PROBE_LOOKING;
	h->probe.send = (struct trunk_send){ .user = &h->trunk->probe_user, .hop = h };
	trunk_want(&h->probe.send);
}

static void look_at_times(struct trunk_hop *h, uint64_t now_ms)
{
	struct trunk_probe *p = &h->probe;
	if (h->udp_dialogs == 0 || !h->is_used) {
		p->look_ms = 0;
	} else if (p->look_ms == 0) {
		p->look_ms = now_ms + LOOK_MS;
	} else if (now_ms >= p->look_ms) {
		p->look_ms = now_ms + LOOK_MS;
		look(h);
	}
}

/* ---- those who ask ---- */

static bool is_under_way(const struct trunk_asking *a, const struct trunk_hop *h)
{
	return h->probe.state != TRUNK_PROBE_IDLE && (a->hop ? a->hop == h : !h->state.is_known);
}

/* Whoever waits no longer is told, and may ask again at once. */
static void tell(struct trunk *t, bool is_end)
{
	struct trunk_asking *a, *next;
	DL_FOREACH_SAFE(t->askings, a, next) {
		bool waits = !is_end && trunk_now(t) < a->until_ms;
		struct trunk_hop *h = t->hops;
		while (waits && h && !is_under_way(a, h)) {
			h = h->hh.next;
		}
		if (!waits || !h) {
			DL_DELETE(t->askings, a);
			a->done(a->user);
		}
	}
}

/* Returns whether it is being asked. */
static bool ask_one(struct trunk *t, const struct config_domain *d, bool is_meant, struct trunk_hop **out)
{
	struct trunk_hop *h = *out = trunk_hop_of(t, d);
	bool is_fresh = h && h->state.is_known && (!is_meant || core_wall_s(t->core) - h->state.tried_s < KNOWN_S);
	if (!h || is_fresh) {
		return false;
	}
	if (h->probe.state == TRUNK_PROBE_IDLE) {
		look(h);
	}
	return h->probe.state != TRUNK_PROBE_IDLE;
}

bool trunk_ask(struct trunk *t, const struct config_domain *d, uint64_t within_ms, struct trunk_asking *a)
{
	const struct config *c = t->files.config;
	struct trunk_hop *h;
	bool is_asked = d && ask_one(t, d, true, &h);
	for (size_t i = 0; !d && i < c->domains.count; i++) {
		is_asked = ask_one(t, &c->domains.items[i], false, &h) || is_asked;
	}
	if (is_asked) {
		a->hop = d ? h : NULL;
		a->until_ms = trunk_now(t) + within_ms;
		DL_APPEND(t->askings, a);
		wake(t);
	}
	return is_asked;
}

void trunk_flush(struct trunk *t)
{
	for (struct trunk_hop *h = t->askings ? t->hops : NULL; h; h = h->hh.next) {
		if (h->probe.state == TRUNK_PROBE_READY) {
			ask(h);
		}
	}
	tell(t, false);
}

void trunk_probe_stop(struct trunk *t)
{
	tell(t, true);
}

void trunk_probe_tick(struct trunk *t, uint64_t now_ms)
{
	for (struct trunk_hop *h = t->hops; h; h = h->hh.next) {
		struct trunk_probe *p = &h->probe;
		trunk_hop_age(h);
		bool is_idle = p->state == TRUNK_PROBE_IDLE;
		if (p->state == TRUNK_PROBE_READY) {
			ask(h);
		} else if (is_idle && !is_wanted(h)) {
			p->pause_ms = 0;
			look_at_times(h, now_ms);
		} else if (is_idle && p->pause_ms == 0) { /* it has just gone down */
			wait(p, PAUSE_FIRST_MS, now_ms);
		} else if (is_idle && now_ms >= p->due_ms) {
			look(h);
		}
	}
}

void trunk_probe_end(struct trunk_hop *h)
{
	trunk_send_end(&h->probe.send);
}
