#include "s2s/s2s_impl.h"

#include <utlist.h>

#include "xfed/mem.h"

#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 60000

/* ---- items ---- */

static char *put(char **at, struct xfed_span s)
{
	char *p = *at;
	if (s.len > 0) {
		memcpy(p, s.data, s.len);
	}
	p[s.len] = '\0';
	*at += s.len + 1;
	return p;
}

#define OWNER_ALIGN _Alignof(max_align_t)
#define OWNER_AT    ((sizeof(struct s2s_item) + OWNER_ALIGN - 1) / OWNER_ALIGN * OWNER_ALIGN)

struct s2s_item *s2s_item_new(const struct s2s_item_new *n)
{
	size_t size = OWNER_AT + n->owner_bytes + n->stanza.len + n->remote.len + 2;
	struct s2s_item *it = xfed_malloc(size);
	if (!it) {
		return NULL;
	}
	char *at = (char *)it + OWNER_AT + n->owner_bytes;
	*it = (struct s2s_item){ .deadline_ms = n->deadline_ms,
		.rule = n->rule,
		.has_owner = n->owner_bytes > 0,
		.is_answer = n->is_answer,
		.bytes = size,
		.remote = put(&at, n->remote) };
	it->stanza = xfed_span_make(put(&at, n->stanza), n->stanza.len);
	return it;
}

void *s2s_item_owner(struct s2s_item *it)
{
	return (char *)it + OWNER_AT;
}

/* One without owner: nobody waits for its fate. */
static void settle_own(struct s2s *s, const struct s2s_item *it, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side)
{
	if (fate != XFED__FATE__FATE_DELIVERED) {
		core_count_dropped(s->core, it->rule);
		rt_log(RT_LOG_INFO, "stanza.dropped", RT_KV_STR("partner", it->remote), RT_KV_STR("rule", it->rule), RT_KV_REASON_SIDE(reason, side),
			RT_END);
	}
}

static void settle_item(struct s2s *s, struct s2s_item *it, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side)
{
	if (it->is_settled) {
		return;
	}
	it->is_settled = true;
	if (it->has_owner) {
		s->user->fate(s->user_data, s2s_item_owner(it), fate, reason, side);
	} else {
		settle_own(s, it, fate, reason, side);
	}
}

/* ---- pairs ---- */

static struct s2s_pair *pair_find(struct s2s *s, struct xfed_span local, struct xfed_span remote, bool is_verify)
{
	char key[2 * XFED_JID_PART_BYTES + 3];
	size_t len = local.len + remote.len + 3;
	if (len > sizeof(key)) {
		return NULL;
	}
	char *at = key;
	put(&at, local);
	put(&at, remote);
	*at = is_verify ? 'v' : 's';
	struct s2s_pair *p = NULL;
	HASH_FIND(hh, s->pairs, key, len, p);
	return p;
}

static void ask_all(void *arg);

static struct s2s_pair *pair_new(struct s2s *s, struct xfed_span local, struct xfed_span remote, bool is_verify)
{
	size_t len = local.len + remote.len + 3;
	struct s2s_pair *p = xfed_calloc(1, sizeof(*p) + len);
	if (!p) {
		return NULL;
	}
	p->s2s = s;
	char *at = (char *)(p + 1);
	p->local = put(&at, local);
	p->remote = put(&at, remote);
	*at = is_verify ? 'v' : 's';
	rt_post_init(&p->ask, s->core->d.loop, ask_all, p);
	p->key_len = len;
	p->is_verify = is_verify;
	HASH_ADD_KEYPTR(hh, s->pairs, p->local, len, p);
	if (!p->hh.tbl) {
		xfed_free(p);
		return NULL;
	}
	return p;
}

static void pair_free(struct s2s_pair *p)
{
	HASH_DELETE(hh, p->s2s->pairs, p);
	rt_lookup_cancel(p->lookup);
	rt_post_cancel(&p->ask);
	rt_sources_give_back(&p->asker);
	s2s_dial_over(p);
	s2s_steps_free(&p->steps);
	xfed_free(p->endpoints);
	xfed_free(p);
}

static struct s2s_item *unpark(struct s2s_pair *p, struct s2s_item *it)
{
	DL_DELETE(p->queue, it);
	p->queue_bytes -= it->bytes;
	p->queue_count--;
	it->pair = NULL;
	return it;
}

static void end_item(struct s2s *s, struct s2s_item *it, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side)
{
	settle_item(s, it, fate, reason, side);
	xfed_free(it);
}

static void bounce_all(struct s2s_pair *p, enum xfed_reason reason, enum xfed_side side)
{
	while (p->queue) {
		end_item(p->s2s, unpark(p, p->queue), XFED__FATE__FATE_REFUSED, reason, side);
	}
}

/*
 * An attempt failed: senders on our side are told at once, answers wait for the next attempt, until their deadline. Who waits for an
 * answer has no other word, and nobody here can be told that it was not sent.
 */
static void bounce_but_answers(struct s2s_pair *p, enum xfed_reason reason, enum xfed_side side)
{
	struct s2s_item *it, *next;
	DL_FOREACH_SAFE(p->queue, it, next) {
		if (p->s2s->is_leaving || !it->is_answer) {
			end_item(p->s2s, unpark(p, it), XFED__FATE__FATE_REFUSED, reason, side);
		}
	}
}

static void park_first(struct s2s_pair *p, struct s2s_item *it);

static void drop_unacked(struct s2s_pair *p, struct s2s_item *it)
{
	DL_DELETE(p->unacked, it);
	p->unacked_count--;
}

/*
 * The stream they were written to has ended: whether they arrived nobody knows, and no message is written twice. Answers are: an
 * error that comes twice harms nobody, one that does not come leaves its sender without a word.
 */
static void lose_unacked(struct s2s_pair *p)
{
	struct s2s_item *it, *next;
	DL_FOREACH_SAFE(p->unacked, it, next) {
		if (it->is_answer && !it->is_settled) {
			continue;
		}
		drop_unacked(p, it);
		if (it->owes_error) {
			p->s2s->user->lost(p->s2s->user_data, s2s_item_owner(it));
		}
		end_item(p->s2s, it, XFED__FATE__FATE_UNCERTAIN, XFED_REASON_DELIVERY_UNCERTAIN, XFED_SIDE_NETWORK);
	}
	while (p->unacked) {
		it = p->unacked->prev; /* the last one, so that they keep their order */
		drop_unacked(p, it);
		it->is_written = false;
		park_first(p, it);
	}
}

static void fail_questions(struct s2s_pair *p, bool was_open)
{
	struct s2s_question *q;
	while ((q = p->questions)) {
		DL_DELETE(p->questions, q);
		p->asked--;
		s2s_verify_settle(p->s2s, q, XFED_DIALBACK_VERDICT_LOST);
	}
	while ((q = s2s_turns_take(&p->waiting))) {
		s2s_verify_settle(p->s2s, q, xfed_dialback_verdict_of(was_open, false));
	}
}

/* Up to a quarter less, so that what failed together is not tried again together [A1-06]. */
static uint64_t jittered(const struct s2s *s, uint64_t ms)
{
	uint32_t r = 0;
	s->core->d.env.random(s->core->d.env.user, &r, sizeof(r));
	return ms - ms / 4 * (r % 1024) / 1024;
}

static void become_idle(struct s2s_pair *p)
{
	p->state = S2S_PAIR_IDLE;
	p->conn = NULL;
	p->unanswered = 0;
	rt_sources_give_back(&p->asker);
	s2s_dial_over(p);
}

/* The attempt is over: everybody who waited is told, and the next one waits a little longer [A1-06]. */
static void attempt_failed(struct s2s_pair *p, enum xfed_reason reason, enum xfed_side side)
{
	uint64_t now = core_now(p->s2s->core);
	become_idle(p);
	p->last_reason = reason;
	p->backoff_ms = p->backoff_ms == 0 ? BACKOFF_MIN_MS : p->backoff_ms * 2;
	p->backoff_ms = p->backoff_ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : p->backoff_ms;
	uint64_t wait_ms = jittered(p->s2s, p->backoff_ms);
	p->retry_at_ms = now + wait_ms;
	struct xfed_s2s_info info = { 0 };
	if (p->ending) {
		xfed_s2s_info(p->ending->machine, &info);
	}
	struct proto_failure f = { .direction = XFED__DIRECTION__DIRECTION_OUT,
		.local = p->local,
		.remote = p->remote,
		.reason = reason,
		.side = side,
		.text = p->text,
		.cert = info.is_secure && info.tls.peer ? xfed_cert_facts(info.tls.peer) : NULL,
		.address = p->stranger[0] ? p->stranger : NULL };
	s2s_failure_send(p->s2s, &f, p->steps);
	s2s_steps_free(&p->steps);
	fail_questions(p, false);
	rt_log(RT_LOG_WARNING, p->is_verify ? "s2s.verify-failed" : "s2s.out-failed", RT_KV_STR("partner", p->remote), RT_KV_STR("local", p->local),
		RT_KV_REASON_SIDE(reason, side), RT_KV_STR("text", p->text[0] ? p->text : NULL), RT_KV_U64("waiting", p->queue_count),
		RT_KV_U64("next_try_ms", wait_ms), RT_END);
	if (reason == XFED_REASON_POLICY_PARTNER_UNLISTED) {
		bounce_all(p, reason, side);
	} else {
		bounce_but_answers(p, reason, side);
	}
}

static void try_next_endpoint(struct s2s_pair *p, enum xfed_reason reason, enum xfed_side side)
{
	const struct xfed_partner *partner = s2s_partner(p->s2s, xfed_span_str(p->remote));
	while (partner && p->endpoint_next < p->endpoint_count) {
		p->state = S2S_PAIR_CONNECTING;
		if (s2s_conn_dial(p, &p->endpoints[p->endpoint_next++]) == XFED_OK) {
			return;
		}
		reason = XFED_REASON_STREAM_INTERNAL;
		side = XFED_SIDE_US;
	}
	attempt_failed(p, partner ? reason : XFED_REASON_POLICY_PARTNER_UNLISTED, partner ? side : XFED_SIDE_OPERATOR);
}

static void on_lookup(void *user, const struct rt_endpoints *r)
{
	struct s2s_pair *p = user;
	p->lookup = NULL;
	enum xfed_reason reason = s2s_reach_take(p, r);
	s2s_steps_add(&p->steps, core_now(p->s2s->core), "dns", reason == XFED_REASON_NONE, "%s%s%zu address%s%s",
		reason == XFED_REASON_NONE ? "" : xfed_reason_code(reason), reason == XFED_REASON_NONE ? "" : ": ", p->endpoint_count,
		p->endpoint_count == 1 ? "" : "es", r->is_from_srv ? " by SRV" : "");
	if (reason != XFED_REASON_NONE) {
		attempt_failed(p, reason, xfed_reason_info(reason)->side);
		return;
	}
	try_next_endpoint(p, XFED_REASON_DNS_NAME_MISSING, XFED_SIDE_PARTNER);
}

static int start_lookup(struct s2s_pair *p, const struct xfed_partner *partner)
{
	p->is_connect_to = partner->connect_host != NULL;
	if (partner->connect_host) {
		return rt_resolve_host(
			p->s2s->core->d.resolver, xfed_span_str(partner->connect_host), partner->connect_port, on_lookup, p, &p->lookup);
	}
	struct xfed_arena a;
	xfed_arena_init(&a, 16384);
	struct xfed_span name;
	int rc = xfed_jid_domain_ascii(&a, xfed_span_str(p->remote), &name);
	if (rc == XFED_OK) {
		rc = rt_resolve_service(p->s2s->core->d.resolver, name, "_xmpp-server._tcp", 5269, on_lookup, p, &p->lookup);
	}
	xfed_arena_deinit(&a);
	return rc;
}

static void start_attempt(struct s2s_pair *p, const struct xfed_partner *partner)
{
	p->state = S2S_PAIR_RESOLVING;
	p->started_ms = core_now(p->s2s->core);
	p->avoid_external = p->avoid_tls = false;
	p->text[0] = '\0';
	s2s_steps_free(&p->steps);
	enum xfed_side side;
	if (!p->is_verify && !s2s_admit_dial(p, partner, &side)) {
		attempt_failed(p, XFED_REASON_POLICY_CONNECTIONS_EXCEEDED, side);
		return;
	}
	int rc = start_lookup(p, partner);
	if (rc != XFED_OK) {
		enum xfed_reason reason = rc == XFED_ERR_INVALID ? XFED_REASON_DNS_NAME_MISSING : XFED_REASON_STREAM_INTERNAL;
		attempt_failed(p, reason, xfed_reason_info(reason)->side);
	}
}

/* With stream management it is delivered when the partner says so. */
static void await_ack(struct s2s_pair *p, struct s2s_item *it)
{
	it->pair = p;
	it->is_written = true;
	DL_APPEND(p->unacked, it);
	p->unacked_count++;
}

/*
 * Written to an authenticated stream: delivered, as the contract has it without stream management. False: the stream takes no
 * more until some is acknowledged; the item is still the caller's.
 */
static bool write_item(struct s2s_pair *p, struct s2s_item *it)
{
	struct s2s *s = p->s2s;
	bool is_counted = p->conn && xfed_s2s_is_counting(p->conn->machine);
	int rc = it->stanza.len == 0 ? XFED_OK : p->conn ? s2s_conn_write(p->conn, it->stanza) : XFED_ERR_STATE;
	if (rc == XFED_ERR_AGAIN) {
		return false;
	}
	if (rc == XFED_OK && is_counted && it->stanza.len > 0) {
		await_ack(p, it);
	} else if (rc == XFED_OK) {
		end_item(s, it, XFED__FATE__FATE_DELIVERED, XFED_REASON_NONE, XFED_SIDE_US);
	} else if (rc == XFED_ERR_TOO_LARGE) {
		end_item(s, it, XFED__FATE__FATE_REFUSED, XFED_REASON_XMPP_SIZE_EXCEEDED, XFED_SIDE_LOCAL_USER);
	} else if (rc == XFED_ERR_LIMIT) {
		end_item(s, it, XFED__FATE__FATE_REFUSED, XFED_REASON_STREAM_OUTPUT_FULL, XFED_SIDE_PARTNER);
	} else {
		end_item(s, it, XFED__FATE__FATE_REFUSED, XFED_REASON_NET_STREAM_LOST, XFED_SIDE_NETWORK);
	}
	return true;
}

static void park_first(struct s2s_pair *p, struct s2s_item *it)
{
	it->pair = p;
	DL_PREPEND(p->queue, it);
	p->queue_bytes += it->bytes;
	p->queue_count++;
}

static void write_queue(struct s2s_pair *p)
{
	while (p->queue && p->state == S2S_PAIR_READY) {
		struct s2s_item *it = unpark(p, p->queue);
		if (!write_item(p, it)) {
			park_first(p, it);
			return;
		}
	}
}

void s2s_pair_acked(struct s2s_pair *p, size_t count)
{
	for (; count > 0 && p->unacked; count--) {
		struct s2s_item *it = p->unacked;
		DL_DELETE(p->unacked, it);
		p->unacked_count--;
		end_item(p->s2s, it, XFED__FATE__FATE_DELIVERED, XFED_REASON_NONE, XFED_SIDE_US);
	}
	write_queue(p);
}

/* It was opened for questions alone. One that comes while it closes, or still waits for a place, needs another stream. */
static void hang_up_verify(struct s2s_pair *p)
{
	const struct xfed_partner *partner = s2s_partner(p->s2s, xfed_span_str(p->remote));
	struct s2s_conn *c = p->conn;
	become_idle(p);
	c->pair = NULL;
	s2s_conn_close(c, XFED_REASON_STREAM_CLOSED_IDLE, "");
	if (p->waiting.count > 0 && partner) {
		start_attempt(p, partner);
	} else {
		fail_questions(p, true);
	}
}

/* Questions go out one by one as events of their own: this runs inside the actions of the stream that has become ready. */
static void ask_all(void *arg)
{
	struct s2s_pair *p = arg;
	while (p->state == S2S_PAIR_READY && p->conn && p->waiting.count > 0 && p->asked + p->unanswered < XFED_DIALBACK_PAIRS_MAX) {
		struct s2s_question *q = s2s_turns_take(&p->waiting);
		if (!s2s_conn_find(p->s2s, q->q.origin)) {
			s2s_question_free(q); /* who asked has gone */
			continue;
		}
		DL_APPEND(p->questions, q);
		p->asked++;
		struct xfed_s2s_event ev = { .type = XFED_S2S_ASK, .question = q->q };
		s2s_conn_event(p->conn, &ev);
	}
	if (p->state == S2S_PAIR_READY && p->conn && p->asked == 0) {
		hang_up_verify(p);
	}
}

/* Of those asked on one stream, at most XFED_DIALBACK_PAIRS_MAX; NULL: told already. */
static struct s2s_question *find_asked(const struct s2s_pair *p, const struct xfed_s2s_question *asked)
{
	struct s2s_question *q;
	DL_FOREACH(p->questions, q) {
		if (q->q.origin == asked->origin && q->q.token == asked->token && xfed_span_eq(q->q.stream_id, asked->stream_id)) {
			return q;
		}
	}
	return NULL;
}

/* Inside the actions of its stream: what follows from it is posted. */
void s2s_pair_answered(struct s2s_pair *p, const struct xfed_s2s_question *asked, enum xfed_dialback_verdict verdict)
{
	struct s2s_question *q = p ? find_asked(p, asked) : NULL;
	if (q) {
		DL_DELETE(p->questions, q);
		p->asked--;
		p->unanswered += verdict == XFED_DIALBACK_VERDICT_TIMEOUT;
		s2s_verify_settle(p->s2s, q, verdict);
		rt_post_schedule(&p->ask);
	}
}

void s2s_pair_ready(struct s2s_pair *p)
{
	p->state = S2S_PAIR_READY;
	s2s_steps_free(&p->steps);
	p->backoff_ms = p->retry_at_ms = 0;
	p->last_reason = XFED_REASON_NONE;
	if (p->is_verify) {
		rt_post_schedule(&p->ask);
	}
	write_queue(p);
}

void s2s_pair_connect_failed(struct s2s_pair *p, enum xfed_reason reason)
{
	try_next_endpoint(p, reason, xfed_reason_info(reason)->side);
}

/* A server that goes out of service, or does not work, has others beside it (RFC 6120 3.2.1); a refusal is final. */
static bool next_may_help(enum xfed_reason reason)
{
	return reason == XFED_REASON_NET_STREAM_LOST || reason == XFED_REASON_STREAM_ERROR_RECEIVED || reason == XFED_REASON_STREAM_CLOSED_PEER ||
	       reason == XFED_REASON_STREAM_ESTABLISH_TIMEOUT;
}

static bool is_tls_trouble(enum xfed_reason r)
{
	return r == XFED_REASON_TLS_HANDSHAKE_FAILED || r == XFED_REASON_TLS_VERSION_OLD || r == XFED_REASON_TLS_CERT_MISSING;
}

/*
 * Best method first; where it failed in a way that ended the stream, the next best on a new one, as far as policy allows:
 * without EXTERNAL, then, where TLS is optional, without TLS. The same address is called again.
 */
static bool try_next_method(struct s2s_pair *p, enum xfed_reason reason)
{
	const struct xfed_partner *partner = s2s_partner(p->s2s, xfed_span_str(p->remote));
	unsigned methods = partner ? xfed_partner_methods(partner) : 0;
	if (p->endpoint_next == 0) {
		return false;
	}
	bool external_failed = reason == XFED_REASON_SASL_EXTERNAL_REFUSED || (p->tried_external && next_may_help(reason));
	if (external_failed && !p->avoid_external && (methods & XFED_METHOD_DIALBACK_TLS)) {
		p->avoid_external = true;
	} else if (is_tls_trouble(reason) && !p->avoid_tls && (methods & XFED_METHOD_DIALBACK_PLAIN)) {
		p->avoid_tls = true;
	} else {
		return false;
	}
	p->endpoint_next--;
	return true;
}

void s2s_pair_lost(struct s2s_pair *p, enum xfed_reason reason, enum xfed_side side)
{
	bool was_ready = p->state == S2S_PAIR_READY;
	p->conn = NULL;
	lose_unacked(p);
	if (was_ready) {
		become_idle(p);
		bounce_but_answers(p, reason, side);
		fail_questions(p, true);
		return;
	}
	if (try_next_method(p, reason)) {
		try_next_endpoint(p, reason, side);
		return;
	}
	if (next_may_help(reason) && p->endpoint_next < p->endpoint_count) {
		try_next_endpoint(p, reason, side);
		return;
	}
	if (xfed_reason_info(reason)->condition == NULL) {
		reason = XFED_REASON_NET_STREAM_LOST; /* a clean close before the end of the negotiation is no clean close */
	}
	attempt_failed(p, reason, side);
}

/* A question of strangers has a place of theirs, whether it begins a stream of ours or joins one; who has proved something may ask more. */
static bool admit(const struct s2s_conn *asker, struct rt_source_hold *hold)
{
	return asker->is_established || s2s_admit_question(asker->s2s, asker, hold);
}

void s2s_pair_ask(const struct s2s_conn *asker, struct s2s_question *q)
{
	struct s2s *s = asker->s2s;
	struct xfed_span local = q->q.pair.target, remote = q->q.pair.sender;
	const struct xfed_partner *partner = s2s_partner(s, remote);
	struct s2s_pair *p = partner ? pair_find(s, local, remote, true) : NULL;
	struct rt_source_hold hold = { NULL, NULL, NULL };
	bool begins = !p || p->state == S2S_PAIR_IDLE;
	if (!partner || (p && begins && core_now(s->core) < p->retry_at_ms)) {
		s2s_verify_settle(s, q, XFED_DIALBACK_VERDICT_UNREACHABLE);
		return;
	}
	if (!admit(asker, &hold)) {
		s2s_verify_settle(s, q, XFED_DIALBACK_VERDICT_BUSY);
		return;
	}
	p = p ? p : pair_new(s, local, remote, true);
	q->deadline_ms = core_now(s->core) + XFED_DIALBACK_PLACE_MS;
	if (!p || !s2s_turns_add(&p->waiting, rt_stream_peer(asker->stream), q)) {
		rt_sources_give_back(&hold);
		s2s_verify_settle(s, q, XFED_DIALBACK_VERDICT_UNREACHABLE);
		return;
	}
	*(begins ? &p->asker : &q->place) = hold;
	if (begins) {
		snprintf(p->stranger, sizeof(p->stranger), "%s", asker->is_established ? "" : asker->address);
	}
	if (p->state == S2S_PAIR_READY) {
		rt_post_schedule(&p->ask);
	} else if (p->state == S2S_PAIR_IDLE) {
		start_attempt(p, partner);
	}
}

static enum xfed_reason refuse_send(const struct s2s *s, struct xfed_span local, struct xfed_span remote, const struct xfed_partner **partner)
{
	*partner = s2s_partner(s, remote);
	if (!s->policy) {
		return XFED_REASON_CHANNEL_DOWN;
	}
	if (!*partner || !xfed_policy_is_local(s->policy, local)) {
		return XFED_REASON_POLICY_PARTNER_UNLISTED;
	}
	return XFED_REASON_NONE;
}

static void note_use(struct s2s_pair *p, const struct s2s_item *it)
{
	if (it->is_answer) {
		p->answered_ms = it->added_ms;
	} else {
		s2s_dial_for_users(p);
	}
}

static void park(struct s2s_pair *p, struct s2s_item *it, const struct xfed_partner *partner)
{
	struct s2s *s = p->s2s;
	uint64_t now = core_now(s->core);
	/* One always fits: a bound on what waits must not become a bound on one stanza. */
	if (p->queue && p->queue_bytes + it->bytes > s->config->limits.park_bytes) {
		end_item(s, it, XFED__FATE__FATE_REFUSED, XFED_REASON_DELIVERY_QUEUE_FULL, XFED_SIDE_US);
		return;
	}
	bool is_waiting = p->state == S2S_PAIR_IDLE && now < p->retry_at_ms;
	if (is_waiting && !it->is_answer) {
		end_item(s, it, XFED__FATE__FATE_REFUSED, p->last_reason, xfed_reason_info(p->last_reason)->side);
		return;
	}
	it->pair = p;
	note_use(p, it);
	DL_APPEND(p->queue, it);
	p->queue_bytes += it->bytes;
	p->queue_count++;
	if (p->state == S2S_PAIR_IDLE && !is_waiting) {
		start_attempt(p, partner);
	}
}

void s2s_send(struct s2s *s, struct xfed_span local, struct xfed_span remote, struct s2s_item *it)
{
	const struct xfed_partner *partner;
	enum xfed_reason refuse = refuse_send(s, local, remote, &partner);
	struct s2s_pair *p = NULL;
	it->added_ms = core_now(s->core);
	if (it->deadline_ms == 0) {
		it->deadline_ms = it->added_ms + XFED_DELIVERY_DEADLINE_MS;
	}
	if (refuse == XFED_REASON_NONE) {
		p = pair_find(s, local, remote, false);
		p = p ? p : pair_new(s, local, remote, false);
		refuse = p ? XFED_REASON_NONE : XFED_REASON_STREAM_INTERNAL;
	}
	if (refuse != XFED_REASON_NONE) {
		end_item(s, it, XFED__FATE__FATE_REFUSED, refuse, xfed_reason_info(refuse)->side);
		return;
	}
	if (p->state == S2S_PAIR_READY) {
		note_use(p, it);
	}
	if (p->state != S2S_PAIR_READY || p->queue || !write_item(p, it)) {
		park(p, it, partner);
	}
}

/* What a parked stanza waits for, as a reason: what a withdrawal answers with. */
static enum xfed_reason waits_on(const struct s2s_pair *p)
{
	switch (p->state) {
	case S2S_PAIR_RESOLVING:
		return XFED_REASON_DNS_TIMEOUT;
	case S2S_PAIR_CONNECTING:
		return XFED_REASON_NET_CONNECT_TIMEOUT;
	case S2S_PAIR_NEGOTIATING:
		return XFED_REASON_STREAM_ESTABLISH_TIMEOUT;
	case S2S_PAIR_READY: /* the stream is full of what the partner has not acknowledged */
		return XFED_REASON_STREAM_SM_UNANSWERED;
	case S2S_PAIR_IDLE:
		break;
	}
	return XFED_REASON_DELIVERY_DEADLINE;
}

void s2s_withdraw(struct s2s *s, struct s2s_item *it)
{
	struct s2s_pair *p = it->pair;
	if (it->is_written && !it->is_settled) {
		it->is_settled = it->owes_error = true;
		s->user->written(s->user_data, s2s_item_owner(it));
	} else if (p && !it->is_written) {
		enum xfed_reason reason = waits_on(p);
		end_item(s, unpark(p, it), XFED__FATE__FATE_WITHDRAWN, reason, xfed_reason_info(reason)->side);
	}
}

size_t s2s_waiting(const struct s2s *s)
{
	size_t n = 0;
	for (const struct s2s_pair *p = s->pairs; p; p = p->hh.next) {
		n += p->queue_count + p->unacked_count;
	}
	return n;
}

void s2s_pairs_refuse(struct s2s *s, bool (*which)(const struct s2s_pair *p), enum xfed_reason reason)
{
	struct s2s_pair *p, *next;
	HASH_ITER(hh, s->pairs, p, next) {
		if (!which || which(p)) {
			bounce_all(p, reason, xfed_reason_info(reason)->side);
		}
	}
}

void s2s_pairs_forget_backoff(struct s2s *s)
{
	for (struct s2s_pair *p = s->pairs; p; p = p->hh.next) {
		p->backoff_ms = p->retry_at_ms = 0;
	}
}

/* A partner that answers but never acknowledges holds up nobody's answer. The item stays in its place: the order counts. */
static void expire_unacked(struct s2s_pair *p, uint64_t now_ms)
{
	for (struct s2s_item *it = p->unacked; it && it->deadline_ms <= now_ms; it = it->next) {
		settle_item(p->s2s, it, XFED__FATE__FATE_UNCERTAIN, XFED_REASON_DELIVERY_UNCERTAIN, XFED_SIDE_PARTNER);
	}
}

/* What found no place on the verify stream is told so before its own time is over: it may come again. */
static void expire_questions(struct s2s_pair *p, uint64_t now_ms)
{
	struct s2s_question *q;
	while (p->state == S2S_PAIR_READY && (q = s2s_turns_overdue(&p->waiting, now_ms))) {
		s2s_verify_settle(p->s2s, q, XFED_DIALBACK_VERDICT_BUSY);
	}
}

/* For the answers that wait. */
static void try_again(struct s2s_pair *p)
{
	const struct xfed_partner *partner = s2s_partner(p->s2s, xfed_span_str(p->remote));
	if (partner) {
		start_attempt(p, partner);
	} else {
		bounce_all(p, XFED_REASON_POLICY_PARTNER_UNLISTED, XFED_SIDE_OPERATOR);
	}
}

/* Who asks and is answered keeps no stream of ours open with that. What comes while it closes needs another one. */
static void hang_up_answered(struct s2s_pair *p, uint64_t now_ms)
{
	struct s2s_conn *c = p->conn;
	bool is_done = p->state == S2S_PAIR_READY && !p->is_verify && !p->is_for_users && !p->queue && !p->unacked;
	if (is_done && c && now_ms >= p->answered_ms + XFED_S2S_ANSWERED_MS) {
		become_idle(p);
		c->pair = NULL;
		s2s_conn_close(c, XFED_REASON_STREAM_CLOSED_IDLE, "only answers were sent");
	}
}

/* Parked stanzas have a deadline; pairs with nothing to do are forgotten. */
void s2s_pairs_tick(struct s2s *s, uint64_t now_ms)
{
	struct s2s_pair *p, *next;
	HASH_ITER(hh, s->pairs, p, next) {
		while (p->queue && p->queue->deadline_ms <= now_ms) {
			end_item(s, unpark(p, p->queue), XFED__FATE__FATE_REFUSED, waits_on(p), xfed_reason_info(waits_on(p))->side);
		}
		expire_unacked(p, now_ms);
		expire_questions(p, now_ms);
		hang_up_answered(p, now_ms);
		if (p->queue && p->state == S2S_PAIR_IDLE && now_ms >= p->retry_at_ms) {
			try_again(p);
		}
		bool is_quiet = p->state == S2S_PAIR_IDLE && !p->queue && !p->conn && p->waiting.count == 0;
		if (is_quiet && now_ms >= p->retry_at_ms + BACKOFF_MAX_MS) {
			pair_free(p);
		}
	}
}

void s2s_pairs_free(struct s2s *s)
{
	struct s2s_pair *p, *next;
	HASH_ITER(hh, s->pairs, p, next) {
		while (p->queue) {
			xfed_free(unpark(p, p->queue));
		}
		while (p->unacked) {
			struct s2s_item *it = p->unacked;
			DL_DELETE(p->unacked, it);
			xfed_free(it);
		}
		struct s2s_question *q;
		while ((q = s2s_turns_take(&p->waiting))) {
			s2s_question_free(q);
		}
		while (p->questions) {
			q = p->questions;
			DL_DELETE(p->questions, q);
			s2s_question_free(q);
		}
		pair_free(p);
	}
}

/* ---- for an operator ---- */

static const char *state_word(enum s2s_pair_state state)
{
	switch (state) {
	case S2S_PAIR_IDLE:
		return "idle";
	case S2S_PAIR_RESOLVING:
		return "resolving";
	case S2S_PAIR_CONNECTING:
		return "connecting";
	case S2S_PAIR_NEGOTIATING:
		return "negotiating";
	case S2S_PAIR_READY:
		return "ready";
	}
	return "";
}

static bool is_pair(const struct s2s_pair *p, struct xfed_span local, struct xfed_span remote)
{
	return xfed_span_is(remote, p->remote) && (local.len == 0 || xfed_span_is(local, p->local));
}

void s2s_each_pair(struct s2s *s, struct xfed_span local, struct xfed_span remote, void (*fn)(void *user, const struct s2s_pair_facts *p), void *user)
{
	uint64_t now = core_now(s->core);
	for (const struct s2s_pair *p = s->pairs; p; p = p->hh.next) {
		bool waits = p->state == S2S_PAIR_IDLE && now < p->retry_at_ms;
		struct s2s_pair_facts f = { p->local, p->remote, state_word(p->state), p->queue_count, waits ? p->retry_at_ms - now : 0,
			p->last_reason };
		if (!p->is_verify && is_pair(p, local, remote)) {
			fn(user, &f);
		}
	}
}

/* Something to send, so that the stream is opened, of which nothing is written. */
static int dial(struct s2s *s, struct xfed_span local, struct xfed_span remote)
{
	struct s2s_item_new n = { .remote = remote, .rule = "retry" };
	struct s2s_item *it = s2s_item_new(&n);
	if (!it) {
		return XFED_ERR_NOMEM;
	}
	s2s_send(s, local, remote, it);
	return XFED_OK;
}

int s2s_retry(struct s2s *s, struct xfed_span local, struct xfed_span remote)
{
	struct s2s_pair *p, *next;
	size_t known = 0;
	int rc = XFED_OK;
	for (p = s->pairs; p; p = p->hh.next) {
		if (is_pair(p, local, remote)) {
			p->backoff_ms = p->retry_at_ms = 0;
		}
	}
	if (!s2s_partner(s, remote) || (local.len > 0 && !s2s_is_local(s, local))) {
		return XFED_OK;
	}
	HASH_ITER(hh, s->pairs, p, next) {
		if (rc == XFED_OK && !p->is_verify && is_pair(p, local, remote)) {
			known++;
			rc = p->state == S2S_PAIR_IDLE ? dial(s, xfed_span_str(p->local), remote) : XFED_OK;
		}
	}
	return rc == XFED_OK && known == 0 && local.len > 0 ? dial(s, local, remote) : rc;
}
