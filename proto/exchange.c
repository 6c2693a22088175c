#include "proto/exchange.h"

#include <utlist.h>

#include "proto/exchange_impl.h"
#include "xfed/mem.h"

int proto_exchange_new(const struct proto_exchange_config *cfg, const struct proto_exchange_user *user, void *user_data, struct proto_exchange **out)
{
	struct proto_exchange *x = xfed_calloc(1, sizeof(*x));
	*out = x;
	if (!x) {
		return XFED_ERR_NOMEM;
	}
	x->user = user;
	x->user_data = user_data;
	x->tell_good_ms = cfg->tell_good_ms;
	xfed_buf_init(&x->scratch, XFED_STANZA_BYTES_MAX);
	int rc = proto_outbox_new(&cfg->outbox, &x->out);
	rc = rc == XFED_OK ? proto_inbox_new(cfg->inbox_max, &x->in) : rc;
	if (rc != XFED_OK) {
		proto_exchange_free(x);
		*out = NULL;
	}
	return rc;
}

void proto_exchange_free(struct proto_exchange *x)
{
	if (!x) {
		return;
	}
	while (x->links) {
		struct proto_exchange_link *l = x->links;
		LL_DELETE(x->links, l);
		xfed_free(l);
	}
	proto_outbox_free(x->out);
	proto_inbox_free(x->in);
	xfed_buf_deinit(&x->scratch);
	xfed_free(x);
}

/* ---- for all files of the engine ---- */

void exchange_close(struct proto_exchange_link *l, enum xfed_reason reason, const char *text, uint64_t now_ms)
{
	struct proto_event ev = { .type = PROTO_EV_CLOSE, .reason = reason, .text = text };
	proto_session_step(l->session, &ev, now_ms);
}

/* Called after a send that is not repeated on this link: without memory for it the link is closed, and the next link sends it. */
void exchange_said(struct proto_exchange_link *l, int rc, uint64_t now_ms)
{
	if (rc == XFED_ERR_NOMEM) {
		exchange_close(l, XFED_REASON_STREAM_INTERNAL, "out of memory", now_ms);
	}
}

void exchange_wake(struct proto_exchange *x)
{
	x->user->wake(x->user_data);
}

struct proto_exchange_link *exchange_link_of_peer(const struct proto_exchange *x, int peer)
{
	for (struct proto_exchange_link *l = x->links; l; l = l->next) {
		if (l->peer == peer) {
			return l;
		}
	}
	return NULL;
}

/* ---- look-up ---- */

static struct proto_exchange_link **newest_of(struct proto_exchange *x, const struct proto_inbox_run *run)
{
	return &x->of_run[proto_inbox_run_number(run) % PROTO_INBOX_RUNS_MAX];
}

/* ---- links ---- */

int proto_exchange_up(struct proto_exchange *x, struct proto_session *s, uint64_t now_ms, struct proto_exchange_link **out)
{
	const struct proto_peer *peer = proto_session_peer(s);
	struct xfed_span name = xfed_span_str(peer->name);
	size_t ring = x->user->taken ? EXCHANGE_LINK_SENT * sizeof(struct exchange_sent) : 0;
	struct proto_exchange_link *l = xfed_calloc(1, sizeof(*l) + ring);
	*out = l;
	if (!l) {
		return XFED_ERR_NOMEM;
	}
	l->session = s;
	l->peer = proto_outbox_peer(x->out, name);
	l->run = l->peer != PROTO_OUTBOX_NO_PEER ? proto_inbox_link_up(x->in, name, peer->boot_nonce, peer->hello->lowest_unsettled, now_ms) : NULL;
	if (!l->run) {
		xfed_free(l);
		*out = NULL;
		return XFED_ERR_LIMIT;
	}
	l->is_open = true;
	l->owed = (struct proto_owed){ XFED_CHANNEL_CREDIT_MSGS, XFED_CHANNEL_CREDIT_BYTES };
	LL_APPEND(x->links, l);
	*newest_of(x, l->run) = l;
	exchange_pay(x, l);
	proto_outbox_peer_up(x->out, l->peer, peer->boot_nonce, now_ms);
	exchange_end_gone_runs(x, name, 0, now_ms);
	proto_inbox_say_again(l->run);
	x->tell_by_ms = 0;
	exchange_finish_ended(x);
	exchange_wake(x);
	return XFED_OK;
}

void proto_exchange_down(struct proto_exchange *x, struct proto_exchange_link *l, uint64_t now_ms)
{
	struct proto_exchange_link **newest = newest_of(x, l->run), *other;
	LL_DELETE(x->links, l);
	if (*newest == l) {
		*newest = NULL;
		LL_FOREACH(x->links, other) {
			*newest = other->run == l->run ? other : *newest;
		}
	}
	proto_inbox_link_lost(x->in, l->run, now_ms);
	if (!exchange_link_of_peer(x, l->peer)) {
		proto_outbox_peer_lost(x->out, l->peer, now_ms);
	}
	xfed_free(l);
	exchange_finish_ended(x);
	exchange_wake(x);
}

void proto_exchange_open(struct proto_exchange_link *l, bool is_open)
{
	l->is_open = is_open;
}

void proto_exchange_no_more_after(struct proto_exchange_link *l, uint64_t when_ms)
{
	l->no_more_ms = when_ms;
}

/* ---- messages ---- */

bool proto_exchange_take(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__Frame *f, size_t frame_bytes, uint64_t now_ms)
{
	switch (f->body_case) {
	case XFED__FRAME__BODY_DELIVER:
		exchange_take_deliver(x, l, f->deliver, frame_bytes, now_ms);
		break;
	case XFED__FRAME__BODY_SETTLED:
		exchange_take_settled(x, l, f->settled);
		break;
	case XFED__FRAME__BODY_ATTEMPTED:
		exchange_take_attempted(x, l, f->attempted, now_ms);
		break;
	case XFED__FRAME__BODY_ATTEMPTED_ACK:
		exchange_take_ack(x, l, f->attempted_ack);
		break;
	case XFED__FRAME__BODY_WITHDRAW:
		exchange_take_withdraw(x, l, f->withdraw->seq, now_ms);
		break;
	case XFED__FRAME__BODY_PING: /* the session has answered it; its mark lets the inbox forget entries */
		exchange_hear(x, l, f->ping->lowest_unsettled);
		break;
	default:
		return false;
	}
	exchange_wake(x);
	return true;
}

/* ---- sending ---- */

/*
 * Reports of "delivered" are not urgent, since nobody waits for them: if nothing else is sent over the links in this turn they wait a
 * little, so that several are sent together and both services wake up less often.
 */
static bool may_tell_later(const struct proto_exchange *x, uint64_t now_ms)
{
	bool is_due = now_ms >= x->tell_by_ms || x->untold >= XFED_CHANNEL_SETTLED_MAX;
	for (const struct proto_exchange_link *l = x->links; l && !is_due; l = l->next) {
		is_due = proto_session_output_bytes(l->session) > 0;
	}
	return !is_due;
}

uint64_t proto_exchange_pump(struct proto_exchange *x, uint64_t now_ms)
{
	struct proto_exchange_link *l;
	uint64_t again = UINT64_MAX;
	LL_FOREACH(x->links, l) {
		exchange_pay(x, l); /* credit that could not be sent for lack of memory; else the link would stop for good */
		if (*newest_of(x, l->run) == l) {
			exchange_ask(l, now_ms);
		}
		again = exchange_pump_link(x, l, now_ms) ? now_ms : again;
	}
	exchange_finish_ended(x); /* deliveries that could not be sent */
	if (x->untold > 0 && may_tell_later(x, now_ms)) {
		return x->tell_by_ms < again ? x->tell_by_ms : again;
	}
	LL_FOREACH(x->links, l) {
		if (*newest_of(x, l->run) == l) {
			exchange_tell(l, now_ms);
		}
	}
	x->untold = 0;
	return again;
}

void proto_exchange_hurry(struct proto_exchange *x)
{
	x->tell_good_ms = 0;
	x->tell_by_ms = 0;
}

void proto_exchange_tick(struct proto_exchange *x, uint64_t now_ms)
{
	proto_outbox_tick(x->out, now_ms);
	exchange_finish_ended(x);
	exchange_end_gone_runs(x, XFED_SPAN(""), PROTO_RUN_ENDED_MS, now_ms);
	exchange_end_unanswering(x, now_ms);
	proto_inbox_tick(x->in, now_ms);
}

uint64_t proto_exchange_deadline(const struct proto_exchange *x)
{
	return proto_outbox_deadline(x->out);
}
