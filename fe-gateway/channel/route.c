/* What goes over which link: our deliveries to edges, theirs to us, and the fates of both. */
#include "gateway.h"

/* An outcome to be told at the end of the turn; the inbox has it. */
struct settled_note {
	struct proto_inbox_run *run;
	uint64_t seq;
};

/* ---- fates of the edges' deliveries ---- */

static bool note_settled(struct gateway *g, struct proto_inbox_run *run, uint64_t seq)
{
	if (g->settled_count == g->settled_size) {
		size_t size = g->settled_size ? g->settled_size * 2 : 64;
		struct settled_note *list = xfed_realloc(g->settled, size * sizeof(*list));
		if (!list) {
			return false;
		}
		g->settled = list;
		g->settled_size = size;
	}
	if (g->settled_count == 0) {
		g->tell_by_ms = gateway_now(g) + XFED_CHANNEL_SETTLED_MS;
	}
	g->settled[g->settled_count++] = (struct settled_note){ run, seq };
	return true;
}

static void tell_one(struct gateway *g, struct proto_inbox_run *run, const Xfed__Outcome *oc)
{
	struct gateway_link *l = gateway_link_of_run(g, run);
	if (l) {
		proto_session_settled(gateway_link_session(l), &oc, 1); /* a link that is down asks again when it resumes */
	}
}

void gateway_settle(struct gateway *g, struct proto_inbox_run *run, const Xfed__Outcome *oc, const struct proto_inbox_words *words)
{
	int rc = proto_inbox_settle(g->inbox, run, oc, proto_outcome_is_bad(oc) ? words : NULL, gateway_now(g));
	if (rc != XFED_OK && rc != XFED_ERR_NOMEM) {
		return; /* it has a fate already */
	}
	if (proto_inbox_run_has_ended(run)) {
		gateway_orphan_tell(g, run, proto_inbox_find(g->inbox, run, oc->seq));
		return;
	}
	if (!note_settled(g, run, oc->seq)) {
		tell_one(g, run, oc);
	}
	if (oc->fate != XFED__FATE__FATE_DELIVERED) {
		g->tell_by_ms = 0; /* somebody waits for it */
	}
	gateway_flush_soon(g);
}

/* Outcomes of the turn, as many as there are links' frames. Runs with a link up only; the others are told on resuming. */
static void tell_settled(struct gateway *g, struct gateway_link *l)
{
	const Xfed__Outcome *list[PROTO_OUTCOMES_MAX];
	size_t n = 0;
	for (size_t i = 0; i < g->settled_count; i++) {
		if (g->settled[i].run != l->inbox_run) {
			continue;
		}
		const struct proto_inbox_entry *e = proto_inbox_find(g->inbox, l->inbox_run, g->settled[i].seq);
		if (e && e->outcome) {
			list[n++] = e->outcome;
		}
		if (n == XFED_ARRAY_LEN(list)) {
			proto_session_settled(gateway_link_session(l), list, n);
			n = 0;
		}
	}
	if (n > 0) {
		proto_session_settled(gateway_link_session(l), list, n);
	}
}

void gateway_route_resumed(struct gateway_link *l)
{
	struct proto_session *s = gateway_link_session(l);
	for (struct proto_inbox_entry *e = NULL; (e = proto_inbox_iterate(l->inbox_run, e));) {
		if (e->state == PROTO_INBOX_SETTLED) {
			proto_session_settled(s, &e->outcome, 1);
		} else if (e->state == PROTO_INBOX_ASKED) {
			proto_session_attempted(s, &e->seq, 1);
		}
	}
}

void gateway_route_acked(struct gateway_link *l, const Xfed__AttemptedAck *m)
{
	for (size_t i = 0; i < m->n_seqs; i++) {
		if (proto_inbox_acked(l->gw->inbox, l->inbox_run, m->seqs[i]) == XFED_OK) {
			gateway_out_acked(l->gw, l->inbox_run, m->seqs[i]);
		}
	}
	for (size_t i = 0; i < m->n_refused; i++) {
		gateway_out_not_ours(l->gw, l->inbox_run, m->refused[i]);
	}
}

/* ---- deliveries from edges ---- */

static void give_credit(struct gateway_link *l, size_t frame_bytes)
{
	l->owed.messages++;
	l->owed.bytes += frame_bytes;
	gateway_link_pay(l);
}

void gateway_route_heard(struct gateway_link *l, uint64_t lowest_unsettled)
{
	uint64_t seq;
	while (proto_session_next_heard(gateway_link_session(l), &seq)) {
		proto_inbox_heard(l->gw->inbox, l->inbox_run, seq);
	}
	proto_inbox_lowest(l->gw->inbox, l->inbox_run, lowest_unsettled);
}

void gateway_route_deliver(struct gateway_link *l, const Xfed__Deliver *d, size_t frame_bytes)
{
	struct gateway *g = l->gw;
	enum proto_inbox_verdict verdict;
	struct proto_inbox_entry *entry = NULL;
	int rc = proto_inbox_receive(g->inbox, l->inbox_run, d->seq, gateway_now(g), &verdict, &entry);
	if (rc != XFED_OK) {
		gateway_link_fail(l, rc == XFED_ERR_NOMEM ? XFED_REASON_STREAM_INTERNAL : XFED_REASON_CHANNEL_FRAME_BAD, "delivery without room");
		return;
	}
	gateway_route_heard(l, d->lowest_unsettled);
	switch (verdict) {
	case PROTO_INBOX_FIRST:
		gateway_take_stanza(l, d);
		break;
	case PROTO_INBOX_DUPLICATE_SETTLED:
		/* Asked by number: the mark above may have let go of the entry. */
		entry = proto_inbox_find(g->inbox, l->inbox_run, d->seq);
		if (entry && entry->outcome) {
			proto_session_settled(gateway_link_session(l), &entry->outcome, 1);
		}
		break;
	case PROTO_INBOX_DUPLICATE_PENDING:
	case PROTO_INBOX_FORGOTTEN:
		break;
	}
	proto_session_took(gateway_link_session(l));
	give_credit(l, frame_bytes);
	gateway_flush_soon(g);
}

/* ---- our deliveries ---- */

static struct gateway_incoming *owner_of(const struct proto_delivery *d)
{
	return (struct gateway_incoming *)(uintptr_t)d->cookie;
}

/* An error stanza of ours for somebody whose edge has gone: nobody waits for what becomes of it. */
static void finish_error(struct gateway *g, struct proto_delivery *d, Xfed__Fate fate, enum xfed_reason reason)
{
	if (fate != XFED__FATE__FATE_DELIVERED) {
		core_count_dropped(&g->core, "error-unsendable");
		rt_log(RT_LOG_INFO, "stanza.dropped", RT_KV_ADDRESS("partner", xfed_span_str(d->to)), RT_KV_STR("rule", "error-unsendable"),
			RT_KV_REASON(reason), RT_KV_STR("id", d->id), RT_END);
	}
	proto_outbox_done(g->outbox, d);
}

static void finish(struct gateway *g, struct proto_delivery *d, Xfed__Fate fate, uint32_t sip_status, enum xfed_reason reason)
{
	struct gateway_incoming *in = owner_of(d);
	if (!in) {
		finish_error(g, d, fate, reason);
		return;
	}
	rt_metric_observe(g->core.d.metrics, RT_M_DELIVERY, (double)(gateway_now(g) - d->added_ms) / 1000.0, RT_NO_LABELS);
	routes_give_back(g->routes, in->local_domain, in->remote_domain);
	proto_outbox_done(g->outbox, d);
	gateway_in_outcome(in, fate, sip_status, reason);
}

void gateway_route_settled(struct gateway_link *l, const Xfed__Settled *m)
{
	struct gateway *g = l->gw;
	for (size_t i = 0; i < m->n_outcomes; i++) {
		const Xfed__Outcome *oc = m->outcomes[i];
		struct proto_delivery *d = proto_outbox_settled(g->outbox, l->peer, oc);
		if (d && !g->is_over) {
			finish(g, d, oc->fate, oc->sip_status, xfed_reason_of_peer(xfed_span_str(oc->reason)));
		}
	}
	gateway_flush_soon(g);
}

void gateway_route_ended(struct gateway *g)
{
	struct proto_delivery *d;
	while (!g->is_over && (d = proto_outbox_ended(g->outbox))) {
		bool has_no_link = d->fate == XFED__FATE__FATE_WITHDRAWN && d->sends == 0 && !gateway_link_of_peer(g, d->prefers);
		finish(g, d, d->fate, 0, has_no_link ? XFED_REASON_CHANNEL_DOWN : d->reason);
	}
}

/* Leaving: what was not sent comes back at once, for the rest the edges are asked. */
void gateway_route_give_up(struct gateway *g)
{
	const struct proto_delivery *next;
	for (const struct proto_delivery *d = proto_outbox_iterate(g->outbox, NULL); d; d = next) {
		next = proto_outbox_iterate(g->outbox, d);
		proto_outbox_withdraw(g->outbox, d->seq);
	}
	gateway_route_ended(g);
}

static void pump_link(struct gateway *g, struct gateway_link *l)
{
	struct proto_session *s = gateway_link_session(l);
	uint64_t seq;
	size_t n = 0;
	/* Without credit or room it ends here, and when there is some the link comes back. */
	while (l->edge_has_policy && proto_pump_deliver(g->outbox, l->peer, s, gateway_now(g))) {
		if (++n == XFED_CHANNEL_PUMP_MSGS) {
			gateway_flush_soon(g); /* the rest in the next turn */
			break;
		}
	}
	while (proto_outbox_next_withdraw(g->outbox, l->peer, &seq)) {
		if (proto_session_withdraw(s, seq) != XFED_OK) {
			break;
		}
	}
}

/*
 * Nobody waits for the news that a message was delivered: where nothing else goes over the links in this turn it may wait a
 * little for company, which spares both sides a wake-up.
 */
static bool may_tell_later(struct gateway *g)
{
	bool is_due = gateway_now(g) >= g->tell_by_ms || g->settled_count >= XFED_CHANNEL_SETTLED_MAX || g->service == GATEWAY_DRAINING;
	for (size_t i = 0; i < g->link_count && !is_due; i++) {
		is_due = g->links[i].is_up && proto_session_output_bytes(gateway_link_session(&g->links[i])) > 0;
	}
	return !is_due;
}

void gateway_route_pump(struct gateway *g)
{
	for (size_t i = 0; i < g->link_count; i++) {
		if (g->links[i].is_up) {
			pump_link(g, &g->links[i]);
		}
	}
	gateway_route_ended(g); /* what could not be sent */
	if (g->settled_count > 0 && may_tell_later(g)) {
		rt_timer_set(&g->tell, g->tell_by_ms);
		return;
	}
	for (size_t i = 0; g->settled_count > 0 && i < g->link_count; i++) {
		if (g->links[i].is_up) {
			tell_settled(g, &g->links[i]);
		}
	}
	g->settled_count = 0;
	rt_timer_set(&g->tell, 0);
}

void gateway_route_free(struct gateway *g)
{
	xfed_free(g->settled);
	proto_outbox_free(g->outbox);
	proto_inbox_free(g->inbox);
	routes_free(g->routes);
}
