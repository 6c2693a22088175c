/*
 * The places of a hop: runs the RFC 3263 machine (sip/locate.h) with the resolver. The result is used until its TTL ends by every request
 * that begins in that time; each request has its own copy of the list ([C4-05]).
 */
#include "trunk/trunk_impl.h"

#include <utlist.h>

#define FRESH_MIN_MS 5000
#define FRESH_MAX_MS 60000 /* the resolver has a cache too; this only saves a look-up per message */

static struct trunk_send *pop_waiting(struct trunk_places *p)
{
	struct trunk_send *s = p->waiting;
	if (s) {
		DL_DELETE(p->waiting, s);
		s->list = NULL;
	}
	return s;
}

static void stop_asking(struct trunk_places *p)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(p->questions); i++) {
		rt_resolve_cancel(p->questions[i].request);
		p->questions[i] = (struct trunk_question){ 0 };
	}
	p->is_asking = false;
}

static void failed(struct trunk_places *p, enum xfed_reason reason, const char *text)
{
	struct trunk_send *s;
	p->fresh_until_ms = 0;
	trunk_hop_down(p->hop, reason, text);
	trunk_hop_lost(p->hop); /* what waits for it is tried at once when it is found again */
	while ((s = pop_waiting(p))) {
		s->user->hop_failed(s->user->sip.data, s, reason);
	}
}

static void tell_ready(struct trunk_places *p, struct trunk_send *s, const struct sip_locations *where)
{
	if (sip_failover_new(where, &p->hop->failed, trunk_now(p->hop->trunk), &s->places) == XFED_OK) {
		s->user->hop_ready(s->user->sip.data, s);
	} else {
		s->user->hop_failed(s->user->sip.data, s, XFED_REASON_STREAM_INTERNAL);
	}
}

static void found(struct trunk_places *p, const struct sip_locations *where)
{
	struct trunk_send *s;
	uint64_t fresh_ms = (uint64_t)where->ttl_s * 1000;
	fresh_ms = fresh_ms < FRESH_MIN_MS ? FRESH_MIN_MS : fresh_ms > FRESH_MAX_MS ? FRESH_MAX_MS : fresh_ms;
	p->fresh_until_ms = trunk_now(p->hop->trunk) + fresh_ms;
	while ((s = pop_waiting(p))) {
		tell_ready(p, s, where);
	}
}

static void finish(struct trunk_places *p)
{
	const struct sip_locations *where = sip_locate_result(p->locate);
	stop_asking(p);
	if (where->reason != XFED_REASON_NONE) {
		failed(p, where->reason, where->text);
	} else {
		found(p, where);
	}
}

/* ---- asking ---- */

static void drive(struct trunk_places *p);

static void on_answer(void *user, const struct xfed_dns_answer *answer, enum xfed_reason reason)
{
	struct trunk_question *q = user;
	struct trunk_places *p = q->places;
	q->request = NULL;
	XFED_REQUIRE(sip_locate_answer(p->locate, q->number, answer, reason) == XFED_OK);
	drive(p);
}

static void ask(struct trunk_places *p, const struct sip_locate_action *act)
{
	XFED_REQUIRE(act->question >= 1 && act->question <= XFED_ARRAY_LEN(p->questions));
	struct trunk_question *q = &p->questions[act->question - 1];
	*q = (struct trunk_question){ .places = p, .number = act->question };
	q->is_lost = rt_resolve(p->hop->trunk->core->d.resolver, act->name, act->type, on_answer, q, &q->request) != XFED_OK;
	if (q->is_lost) {
		q->request = NULL;
	}
}

static struct trunk_question *find_lost(struct trunk_places *p)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(p->questions); i++) {
		if (p->questions[i].is_lost) {
			return &p->questions[i];
		}
	}
	return NULL;
}

/* The machine wants its actions taken out before an answer is fed, so questions that could not be asked are answered in between. */
static void drive(struct trunk_places *p)
{
	struct sip_locate_action act;
	for (;;) {
		while (sip_locate_next(p->locate, &act)) {
			if (act.kind == SIP_LOCATE_DONE) {
				finish(p);
				return;
			}
			ask(p, &act);
		}
		struct trunk_question *q = find_lost(p);
		if (!q) {
			return;
		}
		q->is_lost = false;
		XFED_REQUIRE(sip_locate_answer(p->locate, q->number, NULL, XFED_REASON_STREAM_INTERNAL) == XFED_OK);
	}
}

static void start(struct trunk_places *p)
{
	const struct trunk_hop *h = p->hop;
	struct sip_locate_query q = {
		.host = xfed_span_str(h->host),
		.port = h->port,
		.has_transport = h->has_transport,
		.transport = p->is_large && h->transport == SIP_UDP ? SIP_TCP : h->transport,
		.families = SIP_IPV4_FIRST,
		.is_federated = h->is_found,
		.tls_name = h->tls_name[0] ? xfed_span_str(h->tls_name) : xfed_span_make(NULL, 0),
	};
	q.transport_count = trunk_hop_transports(h, p->is_large, q.transports);
	sip_locate_free(p->locate);
	int rc = sip_locate_new(&q, &h->trunk->core->d.env, &p->locate);
	if (rc != XFED_OK) {
		failed(p, rc == XFED_ERR_NOMEM ? XFED_REASON_STREAM_INTERNAL : XFED_REASON_SIP_SERVER_UNREACHABLE, "no transport or no name");
		return;
	}
	p->is_asking = true;
	drive(p);
}

void trunk_places_want(struct trunk_places *p, struct trunk_send *s)
{
	if (!p->is_asking && trunk_now(p->hop->trunk) < p->fresh_until_ms) {
		tell_ready(p, s, sip_locate_result(p->locate));
		return;
	}
	DL_APPEND(p->waiting, s);
	s->list = &p->waiting;
	if (!p->is_asking) {
		start(p);
	}
}

void trunk_places_free(struct trunk_places *p)
{
	stop_asking(p);
	while (pop_waiting(p)) {
	} /* each request frees its own copy of the places */
	sip_locate_free(p->locate);
	p->locate = NULL;
}
