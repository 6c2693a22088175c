#include "im/attempts.h"

#include <utlist.h>

#include "xfed/limits.h"

#define LATE_MS 2000

struct attempts {
	struct recipients *recipients;
	struct attempt *by_id;
	struct attempt *actions; /* messages with an action that attempts_next() has not returned yet; at most one each */
	struct attempt *to_send;
	attempt_origin_fn *origin;
	void *user;
};

int attempts_new(const struct recipients_limits *limits, attempt_origin_fn *origin, void *user, struct attempts **out)
{
	struct attempts *a = *out = xfed_calloc(1, sizeof(*a));
	if (!a) {
		return XFED_ERR_NOMEM;
	}
	a->origin = origin;
	a->user = user;
	int rc = recipients_new(limits, &a->recipients);
	if (rc != XFED_OK) {
		xfed_free(a);
		*out = NULL;
	}
	return rc;
}

void attempts_free(struct attempts *a)
{
	if (a) {
		recipients_free(a->recipients);
		xfed_free(a);
	}
}

void attempts_set_limits(struct attempts *a, const struct recipients_limits *limits)
{
	recipients_set_limits(a->recipients, limits);
}

/* ---- lists ---- */

static void unlist(struct attempt *t)
{
	if (t->list) {
		DL_DELETE(*t->list, t);
		t->list = NULL;
	}
}

static void enlist(struct attempt *t, struct attempt **list)
{
	unlist(t);
	DL_APPEND(*list, t);
	t->list = list;
}

static void act(struct attempts *a, struct attempt *t, enum attempt_action_kind kind)
{
	t->pending = kind;
	enlist(t, &a->actions);
}

bool attempts_next(struct attempts *a, struct attempt_action *out)
{
	struct attempt *t = a->actions;
	if (!t) {
		return false;
	}
	unlist(t);
	*out = (struct attempt_action){ .kind = t->pending, .attempt = t, .end = t->end };
	if (t->pending == ATTEMPT_NEXT_PLACE) {
		enlist(t, &a->to_send);
	}
	return true;
}

struct attempt *attempts_find(struct attempts *a, uint64_t id)
{
	struct attempt *t = NULL;
	HASH_FIND(hh, a->by_id, &id, sizeof(id), t);
	return t;
}

static struct attempt *find_in(struct attempts *a, uint64_t id, enum attempt_state state)
{
	struct attempt *t = attempts_find(a, id);
	return t && t->state == state ? t : NULL;
}

int attempts_add(struct attempts *a, struct attempt *t, struct xfed_span address)
{
	t->state = ATTEMPT_QUEUED;
	HASH_ADD(hh, a->by_id, id, sizeof(t->id), t);
	if (!XFED_TABLE_ADDED(t)) {
		return XFED_ERR_NOMEM;
	}
	int rc = recipients_add(a->recipients, address, &t->item);
	if (rc != XFED_OK) {
		HASH_DELETE(hh, a->by_id, t);
	}
	return rc;
}

/* ---- endings ---- */

static void take_out(struct attempts *a, struct attempt *t)
{
	unlist(t);
	HASH_DELETE(hh, a->by_id, t);
	recipients_remove(a->recipients, &t->item);
	t->places = NULL;
	t->state = ATTEMPT_ENDED;
}

struct attempt *attempts_drop(struct attempts *a)
{
	struct attempt *t = a->actions ? a->actions : a->by_id;
	if (t && t->state == ATTEMPT_ENDED) {
		unlist(t);
	} else if (t) {
		take_out(a, t);
	}
	return t;
}

static void end(struct attempts *a, struct attempt *t, struct attempt_end how)
{
	take_out(a, t);
	t->end = how;
	act(a, t, ATTEMPT_END);
}

static void refuse(struct attempts *a, struct attempt *t, enum xfed_reason reason, const char *text)
{
	end(a, t, (struct attempt_end){ .fate = ATTEMPT_REFUSED, .reason = reason, .text = text });
}

static void be_uncertain(struct attempts *a, struct attempt *t, enum xfed_reason reason)
{
	end(a, t, (struct attempt_end){ .fate = ATTEMPT_UNCERTAIN, .reason = reason });
}

/* Messages that wait behind one that timed out would most likely time out too, so they are refused at once. */
static void refuse_behind(struct attempts *a, struct attempt *t)
{
	struct recipient_item *it;
	while ((it = recipients_behind(&t->item))) {
		refuse(a, (struct attempt *)it, XFED_REASON_SIP_SERVER_TIMEOUT, "the message before this one got no answer");
	}
}

/* ---- may it begin? ---- */

enum verdict { MAY, TOO_LATE, LINK_GONE, EDGE_LEAVES };

static struct attempt_origin origin_of(const struct attempts *a, const struct attempt *t, uint64_t now_ms)
{
	struct attempt_origin o = { .has_ended = true };
	if (t->item.run) {
		a->origin(a->user, t->item.run, now_ms, &o);
	}
	return o;
}

static enum verdict may_begin(const struct attempt *t, const struct attempt_origin *o, uint64_t now_ms)
{
	if (t->item.deadline_ms < now_ms + XFED_DELIVERY_SIP_LEFT_MS) {
		return TOO_LATE;
	}
	if (o->has_ended) {
		return MAY;
	}
	return o->gone_ms > ATTEMPT_LINK_GONE_MS ? LINK_GONE : o->is_leaving ? EDGE_LEAVES : MAY;
}

static bool is_before_answer(const struct attempt *t)
{
	return t->state == ATTEMPT_QUEUED || t->state == ATTEMPT_OPENING || t->state == ATTEMPT_ASKED;
}

/* False: it cannot be sent any more, and has been ended. */
static bool keep_or_end(struct attempts *a, struct attempt *t, const struct attempt_origin *o, uint64_t now_ms)
{
	switch (may_begin(t, o, now_ms)) {
	case MAY:
		return true;
	case TOO_LATE:
		refuse(a, t, XFED_REASON_DELIVERY_DEADLINE, NULL);
		break;
	case LINK_GONE:
		if (is_before_answer(t)) {
			return true; /* its edge may ask for it again when a link resumes, a new run of the edge may decide, or its deadline passes */
		}
		refuse(a, t, XFED_REASON_CHANNEL_DOWN, NULL); /* acknowledged by the edge, which now waits for our answer */
		break;
	case EDGE_LEAVES:
		refuse(a, t, XFED_REASON_SERVICE_LEAVING, "the edge goes out of service");
		break;
	}
	return false;
}

static void locate(struct attempts *a, struct attempt *t)
{
	t->state = ATTEMPT_LOCATING;
	act(a, t, ATTEMPT_LOCATE);
}

static void begin(struct attempts *a, struct attempt *t, uint64_t now_ms)
{
	struct attempt_origin o = origin_of(a, t, now_ms);
	if (!keep_or_end(a, t, &o, now_ms)) {
		return;
	}
	if (t->state == ATTEMPT_QUEUED && t->is_in_session) {
		t->state = ATTEMPT_OPENING;
		act(a, t, ATTEMPT_LOCATE);
	} else if (o.has_ended || t->state == ATTEMPT_ALLOWED) {
		locate(a, t);
	} else {
		t->state = ATTEMPT_ASKED;
		recipients_ask(a->recipients, &t->item);
		act(a, t, ATTEMPT_ASK);
	}
}

void attempts_turn(struct attempts *a, uint64_t now_ms)
{
	struct recipient_item *it;
	while ((it = recipients_next(a->recipients))) {
		begin(a, (struct attempt *)it, now_ms);
	}
}

/* ---- answers of the edge ---- */

static void allow(struct attempts *a, struct attempt *t)
{
	if (recipients_answered(a->recipients, &t->item)) {
		locate(a, t);
	} else {
		unlist(t); /* its question to the edge is not needed any more */
		t->state = ATTEMPT_ALLOWED;
	}
}

void attempts_acked(struct attempts *a, uint64_t id)
{
	struct attempt *t = find_in(a, id, ATTEMPT_ASKED);
	if (t) {
		allow(a, t);
	}
}

void attempts_not_ours(struct attempts *a, uint64_t id)
{
	struct attempt *t = find_in(a, id, ATTEMPT_ASKED);
	if (t) {
		end(a, t, (struct attempt_end){ .fate = ATTEMPT_LET_GO });
	}
}

void attempts_run_ended(struct attempts *a, uint64_t run, bool may_take_over)
{
	struct recipient_item *next;
	for (struct recipient_item *it = recipients_iterate(a->recipients, NULL); it; it = next) {
		struct attempt *t = (struct attempt *)it;
		next = recipients_iterate(a->recipients, it);
		if (t->item.run != run || !is_before_answer(t)) {
			continue;
		}
		if (!may_take_over) {
			be_uncertain(a, t, XFED_REASON_DELIVERY_UNCERTAIN);
		} else if (t->state == ATTEMPT_ASKED) {
			allow(a, t); /* those that wait in the queue are allowed without a question when their turn comes */
		}
	}
}

/* ---- SIP ---- */

void attempts_located(struct attempts *a, uint64_t id, struct sip_failover *places, uint64_t now_ms)
{
	struct attempt *t = attempts_find(a, id);
	if (t && t->state == ATTEMPT_OPENING) {
		begin(a, t, now_ms); /* the edge is asked now */
	} else if (t && t->state == ATTEMPT_LOCATING) {
		t->places = places;
		t->state = ATTEMPT_READY;
		enlist(t, &a->to_send);
	}
}

void attempts_not_opened(struct attempts *a, uint64_t id, const struct attempt_end *how)
{
	struct attempt *t = attempts_find(a, id);
	if (t && (t->state == ATTEMPT_OPENING || t->state == ATTEMPT_LOCATING)) {
		for (struct recipient_item *it = &t->item, *next; it; it = next) {
			next = recipients_behind(it);
			end(a, (struct attempt *)it, *how);
		}
	}
}

void attempts_not_located(struct attempts *a, uint64_t id, enum xfed_reason reason, const char *text)
{
	struct attempt *t = find_in(a, id, ATTEMPT_LOCATING);
	if (t) {
		refuse(a, t, reason, text);
	}
}

struct attempt *attempts_next_send(struct attempts *a, uint64_t now_ms)
{
	struct attempt *t;
	while ((t = a->to_send)) {
		struct attempt_origin o = origin_of(a, t, now_ms);
		unlist(t);
		if (keep_or_end(a, t, &o, now_ms)) {
			t->state = ATTEMPT_SENT;
			return t;
		}
	}
	return NULL;
}

void attempts_unsent(struct attempts *a, uint64_t id, enum xfed_reason reason, const char *text)
{
	struct attempt *t = find_in(a, id, ATTEMPT_SENT);
	if (t) {
		refuse(a, t, reason, text);
	}
}

void attempts_too_large(struct attempts *a, uint64_t id)
{
	struct attempt *t = find_in(a, id, ATTEMPT_SENT);
	if (t) {
		t->places = NULL;
		locate(a, t);
	}
}

/* ---- in a session ---- */

/* Its dialog was gone before anybody processed it: once more in a new session, if there is time. */
static bool try_again(struct attempts *a, struct attempt *t, uint64_t now_ms)
{
	struct attempt_origin o = origin_of(a, t, now_ms);
	if (t->is_second_try || may_begin(t, &o, now_ms) != MAY) {
		return false;
	}
	t->is_second_try = true;
	locate(a, t);
	return true;
}

/* What is behind it goes on in a new session, where this one is over. */
static void answered_in_session(struct attempts *a, struct attempt *t, int status, uint64_t now_ms)
{
	if (status < 300) {
		end(a, t, (struct attempt_end){ .fate = ATTEMPT_DELIVERED, .status = status });
	} else if (status == 408) { /* of a proxy: the device may have it */
		end(a, t, (struct attempt_end){ .fate = ATTEMPT_UNCERTAIN, .reason = XFED_REASON_SIP_SERVER_TIMEOUT, .status = status });
	} else if (status != 481 || !try_again(a, t, now_ms)) {
		end(a, t, (struct attempt_end){ .fate = ATTEMPT_REFUSED, .status = status });
	}
}

/* ---- the next place ---- */

/* Sends it to the next place, with a new branch; only where it is certain that no server has accepted the request. */
static bool try_next(struct attempts *a, struct attempt *t, enum sip_attempt_end how, int status, bool was_written, uint64_t now_ms)
{
	struct attempt_origin o = origin_of(a, t, now_ms);
	if (may_begin(t, &o, now_ms) != MAY || !sip_failover_next(t->places, how, status, was_written)) {
		return false;
	}
	t->state = ATTEMPT_READY;
	act(a, t, ATTEMPT_NEXT_PLACE);
	return true;
}

void attempts_response(struct attempts *a, uint64_t id, int status, uint64_t now_ms)
{
	struct attempt *t = find_in(a, id, ATTEMPT_SENT);
	if (!t || status < 200) {
		return;
	}
	if (t->is_in_session) {
		answered_in_session(a, t, status, now_ms);
		return;
	}
	/* 482 to a repeated request: the first copy is being processed, or was. */
	bool is_copy = status == 482 && t->is_repeat;
	bool is_delivered = status < 300 || (is_copy && !t->is_without_proof);
	if (is_copy && t->is_without_proof) {
		end(a, t, (struct attempt_end){ .fate = ATTEMPT_UNCERTAIN, .reason = XFED_REASON_DELIVERY_UNCERTAIN, .status = status });
		return;
	}
	if (!is_delivered && try_next(a, t, SIP_ATTEMPT_RESPONSE, status, true, now_ms)) {
		return;
	}
	if (status == 408) {
		refuse_behind(a, t); /* a proxy answers 408 when the user's device did not answer */
	}
	end(a, t, (struct attempt_end){ .fate = is_delivered ? ATTEMPT_DELIVERED : ATTEMPT_REFUSED, .status = status });
}

bool attempts_challenged(struct attempts *a, uint64_t id, uint64_t now_ms)
{
	struct attempt *t = find_in(a, id, ATTEMPT_SENT);
	struct attempt_origin o = t ? origin_of(a, t, now_ms) : (struct attempt_origin){ .gone_ms = 0 };
	if (!t || may_begin(t, &o, now_ms) != MAY) {
		return false;
	}
	t->state = ATTEMPT_READY;
	enlist(t, &a->to_send);
	return true;
}

void attempts_timeout(struct attempts *a, uint64_t id, bool was_written)
{
	struct attempt *t = find_in(a, id, ATTEMPT_SENT);
	if (!t) {
		return;
	}
	if (!t->is_in_session) {
		refuse_behind(a, t);
	}
	if (was_written) {
		be_uncertain(a, t, XFED_REASON_SIP_SERVER_TIMEOUT);
	} else {
		refuse(a, t, XFED_REASON_SIP_SERVER_UNREACHABLE, NULL);
	}
}

void attempts_broken(struct attempts *a, uint64_t id, bool was_written, uint64_t now_ms)
{
	struct attempt *t = find_in(a, id, ATTEMPT_SENT);
	bool goes_on = t && (!t->is_in_session ? try_next(a, t, SIP_ATTEMPT_ERROR, 0, was_written, now_ms) : !was_written && try_again(a, t, now_ms));
	if (!t || goes_on) {
		return;
	}
	if (was_written) {
		be_uncertain(a, t, XFED_REASON_DELIVERY_UNCERTAIN);
	} else {
		refuse(a, t, XFED_REASON_SIP_SERVER_UNREACHABLE, NULL);
	}
}

/* ---- time, and going out of service ---- */

void attempts_tick(struct attempts *a, uint64_t now_ms)
{
	struct recipient_item *next;
	for (struct recipient_item *it = recipients_iterate(a->recipients, NULL); it; it = next) {
		struct attempt *t = (struct attempt *)it;
		next = recipients_iterate(a->recipients, it);
		if (is_before_answer(t) || t->state == ATTEMPT_ALLOWED) {
			struct attempt_origin o = origin_of(a, t, now_ms);
			keep_or_end(a, t, &o, now_ms);
		}
	}
}

void attempts_give_up(struct attempts *a)
{
	struct recipient_item *it;
	while ((it = recipients_iterate(a->recipients, NULL))) {
		struct attempt *t = (struct attempt *)it;
		if (t->state == ATTEMPT_SENT) {
			be_uncertain(a, t, XFED_REASON_DELIVERY_UNCERTAIN);
		} else {
			refuse(a, t, XFED_REASON_SERVICE_LEAVING, "the gateway goes out of service");
		}
	}
}

size_t attempts_count(const struct attempts *a)
{
	return recipients_count(a->recipients);
}

size_t attempts_late(const struct attempts *a, uint64_t now_ms)
{
	size_t n = 0;
	for (struct recipient_item *it = recipients_iterate(a->recipients, NULL); it; it = recipients_iterate(a->recipients, it)) {
		n += it->deadline_ms + LATE_MS < now_ms;
	}
	return n;
}
