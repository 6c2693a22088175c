/*
 * Deliveries whose edge's run has ended: another run answers under its name, or none has for longer than any delivery lives.
 * What was not attempted is taken over, as that run cannot give it to anybody else any more; errors that were meant for its
 * senders travel as whole error stanzas by way of any edge (the delivery contract; proto/channel.md section 6).
 */
#include "gateway.h"

#define SCRATCH_BYTES (64 * 1024)
#define ENDED_MS      90000 /* no link for so long: an edge that lives has ended its deliveries by their deadline */
#define TOLD_MS	      10000 /* at least so long an error is tried to be told */

static uint64_t tell_until(const struct gateway *g, const struct proto_inbox_run *run)
{
	uint64_t until = proto_inbox_run_lost_ms(run) + XFED_DELIVERY_OUTCOME_MS, least = gateway_now(g) + TOLD_MS;
	return until > least ? until : least;
}

static int write_error(struct gateway *g, const struct proto_inbox_words *w, const struct xfed_stanza_error *err)
{
	struct xfed_arena a;
	xfed_arena_init(&a, SCRATCH_BYTES);
	struct xfed_stanza_words words = {
		.is_message = w->kind == XFED__KIND__KIND_MESSAGE, .type = w->type, .id = w->id, .from = w->from, .to = w->to
	};
	bool nomem;
	struct xfed_xml_elem *elem = xfed_stanza_error_of_words(&a, &words, err, &nomem);
	xfed_buf_clear(&g->scratch);
	int rc = elem ? xfed_xml_write(&g->scratch, elem, XFED_SPAN("")) : nomem ? XFED_ERR_NOMEM : XFED_ERR_INVALID;
	xfed_arena_deinit(&a);
	return rc;
}

static int send_error(struct gateway *g, const struct proto_inbox_run *run, const struct proto_inbox_words *w, const struct xfed_stanza_error *err)
{
	uint64_t seq;
	int rc = write_error(g, w, err);
	if (rc != XFED_OK) {
		return rc;
	}
	struct proto_delivery_new n = {
		.kind = XFED__KIND__KIND_ERROR,
		.replay = PROTO_REPLAY_ANY, /* an error told twice does no harm, one that is lost does */
		.type = XFED_SPAN("error"),
		.id = w->id,
		.from = w->to,
		.to = w->from,
		.stanza = xfed_buf_span(&g->scratch),
		.deadline_ms = tell_until(g, run),
		.peer = PROTO_OUTBOX_NO_PEER,
	};
	return proto_outbox_add(g->outbox, &n, gateway_now(g), &seq);
}

void gateway_orphan_tell(struct gateway *g, const struct proto_inbox_run *run, const struct proto_inbox_entry *entry)
{
	struct xfed_stanza_error err;
	Xfed__Outcome oc = *entry->outcome;
	if (!proto_outcome_is_bad(&oc)) {
		return;
	}
	if (entry->settled_ms > proto_inbox_run_lost_ms(run) + ATTEMPT_LINK_GONE_MS) {
		oc.fate = XFED__FATE__FATE_UNCERTAIN; /* by then the edge may have given it to another gateway */
	}
	enum xfed_reason reason = xfed_reason_by_code(xfed_span_str(oc.reason));
	proto_outcome_error(&oc, reason, &err);
	int rc = entry->words ? send_error(g, run, entry->words, &err) : XFED_ERR_NOMEM;
	rt_log(RT_LOG_INFO, rc == XFED_OK ? "delivery.error-orphaned" : "stanza.dropped", RT_KV_STR("peer", proto_inbox_run_name(run)),
		RT_KV_REASON(reason), RT_KV_U64("delivery", entry->seq), RT_KV_STR("rule", rc == XFED_OK ? NULL : "error-unsendable"), RT_END);
	if (rc != XFED_OK) {
		core_count_dropped(&g->core, "error-unsendable");
	}
	gateway_flush_soon(g);
}

static void end_run(struct gateway *g, struct proto_inbox_run *run)
{
	bool may_take_over = proto_inbox_link_gone_ms(run, gateway_now(g)) <= ATTEMPT_LINK_GONE_MS;
	proto_inbox_end_run(run);
	for (struct proto_inbox_entry *e = NULL; (e = proto_inbox_iterate(run, e));) {
		if (e->state == PROTO_INBOX_SETTLED) {
			gateway_orphan_tell(g, run, e);
		}
	}
	rt_log(RT_LOG_INFO, "channel.run-ended", RT_KV_STR("peer", proto_inbox_run_name(run)), RT_KV_HEX("boot", proto_inbox_run_nonce(run)),
		RT_KV_BOOL("taken_over", may_take_over), RT_END);
	gateway_out_run_ended(g, run, may_take_over);
}

void gateway_orphans_of(struct gateway *g, const char *edge)
{
	struct proto_inbox_run *run;
	while ((run = proto_inbox_next_gone(g->inbox, xfed_span_str(edge), 0, gateway_now(g)))) {
		end_run(g, run);
	}
}

void gateway_orphans_tick(struct gateway *g)
{
	struct proto_inbox_run *run;
	while ((run = proto_inbox_next_gone(g->inbox, XFED_SPAN(""), ENDED_MS, gateway_now(g)))) {
		end_run(g, run);
	}
}
