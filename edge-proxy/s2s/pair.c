#include "s2s/pair.h"

#include <utlist.h>

#include "xfed/limits.h"
#include "xfed/policy.h"

/* ---- lists ---- */

static void append(struct pair_list *l, struct pair_item *it)
{
	DL_APPEND(l->first, it);
	l->count++;
	l->bytes += it->bytes;
}

static void prepend(struct pair_list *l, struct pair_item *it)
{
	DL_PREPEND(l->first, it);
	l->count++;
	l->bytes += it->bytes;
}

/* Puts an item back in front of the queue, but behind answers from before it that were put back when the stream ended during its writing. */
static void put_back(struct pair *p, struct pair_item *it)
{
	struct pair_item *next = p->queue.first;
	for (size_t n = p->put_back; n > 0 && next; n--) {
		next = next->next;
	}
	DL_PREPEND_ELEM(p->queue.first, next, it);
	p->queue.count++;
	p->queue.bytes += it->bytes;
}

static struct pair_item *take(struct pair_list *l, struct pair_item *it)
{
	DL_DELETE(l->first, it);
	l->count--;
	l->bytes -= it->bytes;
	return it;
}

static struct pair_item *take_unacked(struct pair *p, struct pair_item *it)
{
	if (p->expiring == it) {
		p->expiring = it->next;
	}
	it->is_written = false;
	return take(&p->unacked, it);
}

/* ---- outcomes ---- */

static void end(struct pair *p, struct pair_item *it, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side)
{
	if (p->told == it) { /* it was about to be reported as written; now the end is reported instead */
		p->told = NULL;
		it->owes_error = false;
	}
	it->fate = fate;
	it->reason = reason;
	it->side = side;
	append(&p->ended, it);
}

static void refuse_waiting(struct pair *p, bool keeps_answers, enum xfed_reason reason, enum xfed_side side)
{
	struct pair_item *it, *next;
	p->put_back = keeps_answers ? p->put_back : 0;
	DL_FOREACH_SAFE(p->queue.first, it, next) {
		if (!keeps_answers || !it->is_answer) {
			end(p, take(&p->queue, it), XFED__FATE__FATE_REFUSED, reason, side);
		}
	}
}

/* The stream has ended: whether the stanzas written to it arrived is unknown. */
static void lose_unacked(struct pair *p)
{
	struct pair_item *it, *next;
	DL_FOREACH_SAFE(p->unacked.first, it, next) {
		if (!it->is_answer || it->is_settled) {
			end(p, take_unacked(p, it), XFED__FATE__FATE_UNCERTAIN, XFED_REASON_DELIVERY_UNCERTAIN, XFED_SIDE_NETWORK);
		}
	}
	while (p->unacked.first) {
		prepend(&p->queue, take_unacked(p, p->unacked.first->prev)); /* from the last one on, so that they keep their order */
		p->put_back++;
	}
}

static struct pair_item *take_sent(struct pair *p, struct pair_item *it)
{
	it->is_written = false;
	return take(&p->sent, it);
}

/* The partner's kernel has acknowledged `bytes` of the stream. */
static void release_sent(struct pair *p, uint64_t bytes)
{
	while (p->sent.first && p->sent.first->end_bytes <= bytes) {
		end(p, take_sent(p, p->sent.first), XFED__FATE__FATE_DELIVERED, XFED_REASON_NONE, XFED_SIDE_US);
	}
}

/* The stream has ended: stanzas that were reported as delivered and not acknowledged by the kernel are lost. Answers go over the next stream. */
static void lose_sent(struct pair *p, uint64_t bytes)
{
	struct pair_item *it, *next;
	release_sent(p, bytes);
	DL_FOREACH_SAFE(p->sent.first, it, next) {
		if (!it->is_answer) {
			it->owes_error = it->is_settled;
			end(p, take_sent(p, it), XFED__FATE__FATE_UNCERTAIN, XFED_REASON_DELIVERY_UNCERTAIN, XFED_SIDE_NETWORK);
		}
	}
	while (p->sent.first) {
		prepend(&p->queue, take_sent(p, p->sent.first->prev)); /* from the last one on, so that they keep their order */
		p->put_back++;
	}
}

/* What a waiting stanza is waiting for, as the reason of its end. */
static enum xfed_reason waits_on(const struct pair *p)
{
	switch (p->state) {
	case PAIR_RESOLVING:
		return XFED_REASON_DNS_TIMEOUT;
	case PAIR_CONNECTING:
		return XFED_REASON_NET_CONNECT_TIMEOUT;
	case PAIR_NEGOTIATING:
		return XFED_REASON_STREAM_ESTABLISH_TIMEOUT;
	case PAIR_READY: /* the partner has not acknowledged as much as a stream may have outstanding */
		return XFED_REASON_STREAM_SM_UNANSWERED;
	case PAIR_IDLE:
		break;
	}
	return XFED_REASON_DELIVERY_DEADLINE;
}

/* ---- attempts ---- */

static void become_idle(struct pair *p)
{
	lose_sent(p, UINT64_MAX);
	p->state = PAIR_IDLE;
	p->is_for_users = p->is_full = p->dials = false;
}

static void begin(struct pair *p)
{
	p->state = PAIR_RESOLVING;
	p->avoid_external = p->avoid_tls = false;
	p->avoided = XFED_REASON_NONE;
	p->looks_up = true;
}

static void over(struct pair *p, bool was_open, uint64_t wait_ms, enum xfed_reason reason, enum xfed_side side)
{
	p->is_over = true;
	p->over = (struct pair_action){
		.type = PAIR_OVER, .was_open = was_open, .wait_ms = wait_ms, .count = p->queue.count, .reason = reason, .side = side
	};
}

/* At random up to a quarter less [A1-06]. */
static uint64_t jittered(const struct pair *p, uint64_t ms)
{
	uint32_t r = 0;
	p->env->random(p->env->user, &r, sizeof(r));
	return ms - ms / 4 * (r % 1024) / 1024;
}

/*
 * The attempt has failed: everything that waited is refused, but for answers, which are all their receivers will ever hear. The wait before
 * the next attempt grows [A1-06].
 */
static void fail(struct pair *p, const struct pair_facts *f, enum xfed_reason reason, enum xfed_side side)
{
	become_idle(p);
	p->last_reason = reason;
	p->backoff_ms = p->backoff_ms == 0 ? PAIR_BACKOFF_MIN_MS : p->backoff_ms * 2;
	p->backoff_ms = p->backoff_ms > PAIR_BACKOFF_MAX_MS ? PAIR_BACKOFF_MAX_MS : p->backoff_ms;
	uint64_t wait_ms = jittered(p, p->backoff_ms);
	p->retry_at_ms = f->now_ms + wait_ms;
	over(p, false, wait_ms, reason, side);
	refuse_waiting(p, f->is_listed && !f->is_leaving, reason, side);
}

static void try_next_address(struct pair *p, const struct pair_facts *f, enum xfed_reason reason, enum xfed_side side)
{
	if (!f->is_listed) {
		fail(p, f, f->why_not, XFED_SIDE_OPERATOR);
	} else if (p->address_next < p->address_count) {
		p->state = PAIR_CONNECTING;
		p->address_next++;
		p->dials = true;
	} else {
		fail(p, f, reason, side);
	}
}

static void on_found(struct pair *p, const struct pair_event *ev, const struct pair_facts *f)
{
	p->address_count = ev->count;
	p->address_next = 0;
	if (ev->reason != XFED_REASON_NONE) {
		fail(p, f, ev->reason, ev->side);
	} else {
		try_next_address(p, f, XFED_REASON_DNS_NAME_MISSING, XFED_SIDE_PARTNER);
	}
}

/*
 * Whether to try the next address: another server of the domain may serve when this one is going out of service or does not work (RFC 6120
 * 3.2.1); a refusal is final.
 */
static bool next_may_help(enum xfed_reason reason)
{
	return reason == XFED_REASON_NET_STREAM_LOST || reason == XFED_REASON_NET_STREAM_SILENT || reason == XFED_REASON_STREAM_ERROR_RECEIVED ||
	       reason == XFED_REASON_STREAM_HOST_UNKNOWN || reason == XFED_REASON_STREAM_CLOSED_PEER ||
	       reason == XFED_REASON_STREAM_ESTABLISH_TIMEOUT;
}

static bool is_tls_trouble(enum xfed_reason r)
{
	return r == XFED_REASON_TLS_HANDSHAKE_FAILED || r == XFED_REASON_TLS_CERT_REFUSED || r == XFED_REASON_TLS_VERSION_OLD ||
	       r == XFED_REASON_TLS_CERT_MISSING;
}

/*
 * Chooses the next best method after a failure that ended the stream, as far as policy allows: first without EXTERNAL, then, where TLS is
 * optional, without TLS. The same address is used again.
 */
static bool has_next_method(struct pair *p, const struct pair_event *ev, const struct pair_facts *f)
{
	unsigned methods = f->is_listed ? f->methods : 0;
	if (p->address_next == 0) {
		return false;
	}
	bool external_failed = ev->reason == XFED_REASON_SASL_EXTERNAL_REFUSED || (ev->tried_external && next_may_help(ev->reason));
	if (external_failed && !p->avoid_external && (methods & XFED_METHOD_DIALBACK_TLS)) {
		p->avoid_external = true;
	} else if (is_tls_trouble(ev->reason) && !p->avoid_tls && (methods & XFED_METHOD_DIALBACK_PLAIN)) {
		p->avoid_tls = true;
	} else {
		return false;
	}
	p->avoided = ev->reason;
	p->address_next--;
	return true;
}

static void on_lost(struct pair *p, const struct pair_event *ev, const struct pair_facts *f)
{
	if (p->state == PAIR_READY) {
		lose_unacked(p);
		lose_sent(p, ev->bytes);
		become_idle(p);
		over(p, true, 0, ev->reason, ev->side);
		refuse_waiting(p, !f->is_leaving, ev->reason, ev->side);
	} else if (has_next_method(p, ev, f) || (next_may_help(ev->reason) && p->address_next < p->address_count)) {
		try_next_address(p, f, ev->reason, ev->side);
	} else {
		/* A close without an error before the end of the negotiation is a failure. */
		bool is_clean = xfed_reason_info(ev->reason)->condition == NULL;
		fail(p, f, is_clean ? XFED_REASON_NET_STREAM_LOST : ev->reason, ev->side);
	}
}

static void on_open(struct pair *p)
{
	p->state = PAIR_READY;
	p->backoff_ms = p->retry_at_ms = 0;
	p->last_reason = XFED_REASON_NONE;
}

/* What is sent while the stream closes needs another one. */
static void hang_up(struct pair *p)
{
	become_idle(p);
	p->hangs_up = true;
}

/* ---- stanzas ---- */

static void on_send(struct pair *p, struct pair_item *it, const struct pair_facts *f)
{
	/* A single stanza always fits: the limit on the queue is not one on the size of a stanza. */
	if (p->queue.first && p->queue.bytes + it->bytes > f->park_bytes) {
		end(p, it, XFED__FATE__FATE_REFUSED, XFED_REASON_DELIVERY_QUEUE_FULL, XFED_SIDE_US);
		return;
	}
	if (pair_waits(p, f->now_ms) && !it->is_answer) {
		end(p, it, XFED__FATE__FATE_REFUSED, p->last_reason, xfed_reason_info(p->last_reason)->side);
		return;
	}
	append(&p->queue, it);
	if (it->is_answer) {
		p->answered_ms = f->now_ms;
	} else {
		p->is_for_users = true;
	}
	if (p->state == PAIR_IDLE && !pair_waits(p, f->now_ms)) {
		begin(p);
	}
}

/* Written without stream management, a stanza counts as delivered (proto/delivery.md). One without an owner is forgotten: nobody would hear more. */
static void on_sent(struct pair *p, struct pair_item *it, uint64_t bytes)
{
	if (p->state != PAIR_READY && it->is_answer) { /* writing it has ended the stream */
		put_back(p, it);
	} else if (p->state != PAIR_READY) {
		end(p, it, XFED__FATE__FATE_UNCERTAIN, XFED_REASON_DELIVERY_UNCERTAIN, XFED_SIDE_NETWORK);
	} else if (!it->is_followed && !it->is_answer) {
		end(p, it, XFED__FATE__FATE_DELIVERED, XFED_REASON_NONE, XFED_SIDE_US);
	} else {
		it->fate = XFED__FATE__FATE_DELIVERED;
		it->reason = XFED_REASON_NONE;
		it->side = XFED_SIDE_US;
		it->end_bytes = bytes;
		it->is_written = true;
		append(&p->sent, it);
		p->told = it->is_answer ? p->told : it;
	}
}

static void on_wrote(struct pair *p, const struct pair_event *ev)
{
	struct pair_item *it = p->writing;
	p->writing = NULL;
	switch (ev->rc) {
	case XFED_ERR_AGAIN:
		put_back(p, it);
		p->is_full = p->state == PAIR_READY;
		break;
	case XFED_OK:
		if (!ev->is_counted) {
			on_sent(p, it, ev->bytes);
			break;
		}
		if (p->state == PAIR_READY) {
			it->is_written = true;
			append(&p->unacked, it);
		} else if (it->is_answer) { /* writing it has ended the stream */
			put_back(p, it);
		} else {
			end(p, it, XFED__FATE__FATE_UNCERTAIN, XFED_REASON_DELIVERY_UNCERTAIN, XFED_SIDE_NETWORK);
		}
		break;
	case XFED_ERR_TOO_LARGE:
		end(p, it, XFED__FATE__FATE_REFUSED, XFED_REASON_XMPP_SIZE_EXCEEDED, XFED_SIDE_LOCAL_USER);
		break;
	case XFED_ERR_LIMIT:
		end(p, it, XFED__FATE__FATE_REFUSED, XFED_REASON_STREAM_OUTPUT_FULL, XFED_SIDE_PARTNER);
		break;
	default:
		end(p, it, XFED__FATE__FATE_REFUSED, XFED_REASON_NET_STREAM_LOST, XFED_SIDE_NETWORK);
		break;
	}
}

static void on_acked(struct pair *p, size_t count)
{
	for (; count > 0 && p->unacked.first; count--) {
		end(p, take_unacked(p, p->unacked.first), XFED__FATE__FATE_DELIVERED, XFED_REASON_NONE, XFED_SIDE_US);
	}
	p->is_full = false;
}

/* A waiting stanza ends as withdrawn, with the reason of what it waited for; one that is written is reported as written. */
static void on_withdraw(struct pair *p, struct pair_item *it)
{
	enum xfed_reason reason = waits_on(p);
	if (it->is_written && !it->is_settled) {
		it->owes_error = true;
		it->fate = XFED__FATE__FATE_DELIVERED;
		it->reason = XFED_REASON_NONE;
		p->told = it;
	} else if (!it->is_written) {
		end(p, take(&p->queue, it), XFED__FATE__FATE_WITHDRAWN, reason, xfed_reason_info(reason)->side);
	}
}

static void on_tick(struct pair *p, const struct pair_facts *f)
{
	uint64_t now = f->now_ms;
	enum xfed_reason reason = waits_on(p);
	while (p->queue.first && p->queue.first->deadline_ms <= now) {
		end(p, take(&p->queue, p->queue.first), XFED__FATE__FATE_REFUSED, reason, xfed_reason_info(reason)->side);
	}
	p->expiring = p->unacked.first;
	p->expire_ms = now;
	bool is_answered = p->state == PAIR_READY && !p->is_for_questions && !p->is_for_users && pair_waiting(p) == 0 && !p->sent.first;
	if (is_answered && now >= p->answered_ms + XFED_S2S_ANSWERED_MS) {
		hang_up(p); /* a partner whose queries are all answered does not keep our stream open with them */
	}
	if (p->queue.first && p->state == PAIR_IDLE && now >= p->retry_at_ms) {
		if (f->is_listed) {
			begin(p);
		} else {
			refuse_waiting(p, false, f->why_not, XFED_SIDE_OPERATOR);
		}
	}
}

/* ---- the machine ---- */

void pair_step(struct pair *p, const struct pair_event *ev, const struct pair_facts *f)
{
	switch (ev->type) {
	case PAIR_SEND:
		on_send(p, ev->item, f);
		break;
	case PAIR_WITHDRAW:
		on_withdraw(p, ev->item);
		break;
	case PAIR_NEED:
		if (p->state == PAIR_IDLE) {
			begin(p);
		}
		break;
	case PAIR_FOUND:
		on_found(p, ev, f);
		break;
	case PAIR_CONNECTED:
		p->state = PAIR_NEGOTIATING;
		break;
	case PAIR_CONNECT_FAILED:
		try_next_address(p, f, ev->reason, ev->side);
		break;
	case PAIR_OPEN:
		on_open(p);
		break;
	case PAIR_WROTE:
		on_wrote(p, ev);
		break;
	case PAIR_ACKED:
		on_acked(p, ev->count);
		break;
	case PAIR_RECEIVED:
		release_sent(p, ev->bytes);
		break;
	case PAIR_LOST:
		on_lost(p, ev, f);
		break;
	case PAIR_DONE:
		hang_up(p);
		if (ev->needs_more && f->is_listed) {
			begin(p);
		}
		break;
	case PAIR_REFUSE:
		refuse_waiting(p, false, ev->reason, xfed_reason_info(ev->reason)->side);
		break;
	case PAIR_FORGET:
		p->backoff_ms = p->retry_at_ms = 0;
		break;
	case PAIR_TICK:
		on_tick(p, f);
		break;
	}
}

/* Deadlines of written stanzas, so that a partner that never acknowledges delays nobody's outcome. The item stays in the list: its place counts. */
static struct pair_item *next_expired(struct pair *p)
{
	for (; p->expiring && p->expiring->deadline_ms <= p->expire_ms; p->expiring = p->expiring->next) {
		struct pair_item *it = p->expiring;
		if (!it->is_settled) {
			it->fate = XFED__FATE__FATE_UNCERTAIN;
			it->reason = XFED_REASON_DELIVERY_UNCERTAIN;
			it->side = XFED_SIDE_PARTNER;
			return it;
		}
	}
	p->expiring = NULL;
	return NULL;
}

static bool take_flag(bool *flag)
{
	bool was = *flag;
	*flag = false;
	return was;
}

bool pair_next(struct pair *p, struct pair_action *act)
{
	*act = (struct pair_action){ 0 };
	if (take_flag(&p->is_over)) {
		*act = p->over;
	} else if (p->ended.first) {
		act->type = PAIR_SETTLE;
		act->item = take(&p->ended, p->ended.first);
	} else if (p->told || (act->item = next_expired(p))) {
		act->type = PAIR_TELL;
		act->item = p->told ? p->told : act->item;
		act->item->is_settled = true;
		p->told = NULL;
	} else if (take_flag(&p->hangs_up)) {
		act->type = PAIR_HANG_UP;
	} else if (take_flag(&p->looks_up)) {
		act->type = PAIR_LOOK_UP;
	} else if (take_flag(&p->dials)) {
		act->type = PAIR_DIAL;
		act->count = p->address_next - 1;
	} else if (p->state == PAIR_READY && p->queue.first && !p->is_full && !p->writing) {
		act->type = PAIR_WRITE;
		act->item = p->writing = take(&p->queue, p->queue.first);
		p->put_back = 0;
	} else {
		return false;
	}
	return true;
}

/* ---- state ---- */

size_t pair_waiting(const struct pair *p)
{
	return p->queue.count + p->unacked.count + (p->writing != NULL);
}

bool pair_waits(const struct pair *p, uint64_t now_ms)
{
	return p->state == PAIR_IDLE && now_ms < p->retry_at_ms;
}

bool pair_is_forgettable(const struct pair *p, uint64_t now_ms)
{
	return p->state == PAIR_IDLE && pair_waiting(p) == 0 && now_ms >= p->retry_at_ms + PAIR_BACKOFF_MAX_MS;
}

const char *pair_state_word(const struct pair *p)
{
	static const char *const words[] = { "idle", "resolving", "connecting", "negotiating", "ready" };
	return words[p->state];
}

struct pair_item *pair_take_any(struct pair *p)
{
	struct pair_list *lists[] = { &p->queue, &p->unacked, &p->sent, &p->ended };
	for (size_t i = 0; i < XFED_ARRAY_LEN(lists); i++) {
		if (lists[i]->first) {
			return take(lists[i], lists[i]->first);
		}
	}
	return NULL;
}
