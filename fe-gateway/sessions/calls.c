/* Calls: their tables, and how one comes and goes. */
#include "sessions/sessions_impl.h"

#include <utlist.h>

#include "interwork/diagnostics.h"

struct call *call_find(const struct sessions *ss, uint64_t id)
{
	struct call *c = NULL;
	HASH_FIND(hh, ss->calls, &id, sizeof(id), c);
	return c;
}

struct call *call_new(struct session *s, unsigned number, bool is_ours)
{
	struct sessions *ss = s->room;
	const struct config_domain *d = session_domain(s);
	struct trunk_hop *hop = d ? trunk_hop_of(ss->below.trunk, d) : NULL;
	struct call *c = hop ? xfed_calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		return NULL;
	}
	c->id = ++ss->below.core->last_id;
	c->room = ss;
	c->session = s;
	c->number = number;
	c->is_ours = is_ours;
	c->send.user = &ss->trunk_user;
	c->send.hop = hop;
	c->send.recipient = s->user;
	c->domain = xfed_strdup(d->domain);
	if (!c->domain) {
		xfed_free(c);
		return NULL;
	}
	HASH_ADD(hh, ss->calls, id, sizeof(c->id), c);
	if (!XFED_TABLE_ADDED(c)) {
		xfed_free(c->domain);
		xfed_free(c);
		return NULL;
	}
	s->calls[number] = c;
	return c;
}

void call_wait(struct call *c, uint64_t txn)
{
	c->txn = txn;
	HASH_ADD(hh_txn, c->room->by_txn, txn, sizeof(c->txn), c);
	c->is_in_txns = c->hh_txn.tbl != NULL; /* else a CANCEL is not heard of, and the call ends as one without ACK */
}

void call_waits_no_more(struct call *c)
{
	if (c->is_in_txns) {
		HASH_DELETE(hh_txn, c->room->by_txn, c);
		c->is_in_txns = false;
	}
}

struct call *call_of_invite(const struct sessions *ss, uint64_t txn)
{
	struct call *c = NULL;
	HASH_FIND(hh_txn, ss->by_txn, &txn, sizeof(txn), c);
	return c;
}

/* The peer has given up its INVITE, which has its response: held, or to be accepted at the end of this turn. */
void call_withdrawn(struct call *c)
{
	call_waits_no_more(c);
	if (c->todo == CALL_ACCEPT) {
		c->is_withdrawn = true;
		call_step(c, SIP_SESSION_ENDED, 0);
	} else if (c->session) {
		call_step(c, SIP_SESSION_WITHDRAWN, 0);
	} else {
		call_free(c);
	}
}

void call_queue(struct call *c, enum call_todo todo)
{
	struct sessions *ss = c->room;
	if (c->todo == CALL_REST && todo != CALL_REST) {
		DL_APPEND(ss->queue, c);
	} else if (c->todo != CALL_REST && todo == CALL_REST) {
		DL_DELETE(ss->queue, c);
	}
	c->todo = todo;
	core_flush_soon(ss->below.core);
}

void call_free(struct call *c)
{
	call_queue(c, CALL_REST);
	call_waits_no_more(c);
	if (c->session) {
		c->session->calls[c->number] = NULL;
	}
	if (c->dialog != 0) {
		trunk_dialog_end(c->room->below.trunk, c->dialog);
	}
	trunk_send_end(&c->send);
	HASH_DELETE(hh, c->room->calls, c);
	xfed_free(c->answer);
	xfed_free(c->domain);
	xfed_free(c);
}

void call_step(struct call *c, enum sip_session_event_kind kind, int status)
{
	if (c && c->session) {
		session_step(c->session, &(struct sip_session_event){ .kind = kind, .call = c->number, .status = status });
	}
}

void call_log(const struct call *c, const char *event)
{
	const struct session *s = c->session;
	const struct sip_dialog *d = c->dialog != 0 ? trunk_dialog(c->room->below.trunk, c->dialog) : NULL;
	struct xfed_arena a;
	struct xfed_span said = { NULL, 0 };
	xfed_arena_init(&a, 16384);
	if (s->why.response && iw_diagnostics_words(&a, s->why.response, &said) != XFED_OK) {
		said = xfed_span_make(NULL, 0); /* no memory for the words: the line remains */
	}
	rt_log(RT_LOG_INFO, event, RT_KV_ADDRESS("local", s->local), RT_KV_ADDRESS("partner", s->remote), RT_KV_U64("call", c->id),
		RT_KV_STR("opened_by", c->is_ours ? "partner" : "local"),
		RT_KV("call_id", d ? sip_dialog_text(d, SIP_DIALOG_CALL_ID) : xfed_span_make(NULL, 0)), RT_KV("diagnostics", said), RT_END);
	xfed_arena_deinit(&a);
}
