/* The pairs: a table of the machines for our streams to partners (pair.h), and the actions of these machines. */
#include "s2s/s2s_impl.h"

#include "xfed/mem.h"

#define LOOK_EVERY 256 /* so many more stanzas not known to be received: the kernel is asked again */

/* ---- the table ---- */

#define KEY_BYTES (2 * XFED_JID_PART_BYTES + 3)

/* "local\0remote\0v" or "...s" */
static size_t make_key(char key[KEY_BYTES], struct xfed_span local, struct xfed_span remote, bool is_verify)
{
	size_t len = local.len + remote.len + 3;
	if (len > KEY_BYTES) {
		return 0;
	}
	memcpy(key, local.data, local.len);
	key[local.len] = '\0';
	memcpy(key + local.len + 1, remote.data, remote.len);
	key[len - 2] = '\0';
	key[len - 1] = is_verify ? 'v' : 's';
	return len;
}

struct s2s_pair *s2s_pair_find(struct s2s *s, struct xfed_span local, struct xfed_span remote, bool is_verify)
{
	XFED_UNSET char key[KEY_BYTES];
	size_t len = make_key(key, local, remote, is_verify);
	struct s2s_pair *p = NULL;
	HASH_FIND(hh, s->pairs, key, len, p);
	return p;
}

struct s2s_pair *s2s_pair_new(struct s2s *s, struct xfed_span local, struct xfed_span remote, bool is_verify)
{
	XFED_UNSET char key[KEY_BYTES];
	size_t len = make_key(key, local, remote, is_verify);
	struct s2s_pair *p = len > 0 ? xfed_calloc(1, sizeof(*p) + len) : NULL;
	if (!p) {
		return NULL;
	}
	p->s2s = s;
	p->way.env = &s->core->d.env;
	p->way.is_for_questions = is_verify;
	p->local = (char *)(p + 1);
	p->remote = p->local + local.len + 1;
	p->key_len = len;
	memcpy(p->local, key, len);
	p->look_at = LOOK_EVERY;
	rt_post_init(&p->ask, s->core->d.loop, s2s_questions_go_on, p);
	HASH_ADD_KEYPTR(hh, s->pairs, p->local, len, p);
	if (!p->hh.tbl) {
		xfed_free(p);
		return NULL;
	}
	return p;
}

static void let_stream_go(struct s2s_pair *p)
{
	p->conn = NULL;
	p->unanswered = 0;
	rt_sources_give_back(&p->asker);
	s2s_dial_over(p);
}

static void pair_free(struct s2s_pair *p)
{
	HASH_DELETE(hh, p->s2s->pairs, p);
	rt_lookup_cancel(p->lookup);
	rt_post_cancel(&p->ask);
	let_stream_go(p);
	s2s_steps_free(&p->steps);
	xfed_free(p->addresses);
	xfed_free(p);
}

/* ---- actions of the machine ---- */

static void found(struct s2s_pair *p, size_t count, enum xfed_reason reason, enum xfed_side side)
{
	struct pair_event ev = { .type = PAIR_FOUND, .count = count, .reason = reason, .side = side };
	s2s_pair_event(p, &ev);
}

static void on_lookup(void *user, const struct rt_endpoints *r)
{
	struct s2s_pair *p = user;
	size_t count;
	p->lookup = NULL;
	enum xfed_reason reason = s2s_reach_take(p, r, &count);
	if (r->reason != XFED_REASON_NONE) {
		snprintf(p->text, sizeof(p->text), "%s", s2s_lookup_words(r));
	}
	s2s_steps_add(&p->steps, core_now(p->s2s->core), "dns", reason == XFED_REASON_NONE, "%s%s%zu address%s%s",
		reason == XFED_REASON_NONE ? "" : xfed_reason_code(reason), reason == XFED_REASON_NONE ? "" : ": ", count, count == 1 ? "" : "es",
		r->is_from_srv ? " by SRV" : "");
	bool is_their_record = reason == XFED_REASON_DNS_ADDRESS_OURS && !p->is_connect_to;
	found(p, count, reason, is_their_record ? XFED_SIDE_PARTNER : xfed_reason_info(reason)->side);
}

static int start_lookup(struct s2s_pair *p, const struct xfed_partner *partner)
{
	struct rt_resolver *resolver = p->s2s->core->d.resolver;
	p->is_connect_to = partner->connect_host != NULL;
	if (partner->connect_host) {
		return rt_resolve_host(resolver, xfed_span_str(partner->connect_host), partner->connect_port, on_lookup, p, &p->lookup);
	}
	struct xfed_arena a;
	xfed_arena_init(&a, 16384);
	struct xfed_span name;
	int rc = xfed_jid_domain_ascii(&a, xfed_span_str(p->remote), &name);
	if (rc == XFED_OK) {
		rc = rt_resolve_service(resolver, name, "_xmpp-server._tcp", 5269, on_lookup, p, &p->lookup);
	}
	xfed_arena_deinit(&a);
	return rc;
}

static void look_up(struct s2s_pair *p)
{
	const struct xfed_partner *partner = s2s_partner(p->s2s, xfed_span_str(p->remote));
	enum xfed_side side = XFED_SIDE_OPERATOR;
	p->text[0] = '\0';
	s2s_steps_free(&p->steps);
	if (!partner) {
		found(p, 0, s2s_why_not(p->s2s, xfed_span_str(p->remote)), side);
		return;
	}
	if (!p->way.is_for_questions && !s2s_admit_dial(p, partner, &side)) {
		found(p, 0, XFED_REASON_POLICY_CONNECTIONS_EXCEEDED, side);
		return;
	}
	int rc = start_lookup(p, partner);
	if (rc != XFED_OK) {
		enum xfed_reason reason = rc == XFED_ERR_INVALID ? XFED_REASON_DNS_NAME_MISSING : XFED_REASON_STREAM_INTERNAL;
		found(p, 0, reason, xfed_reason_info(reason)->side);
	}
}

static void dial(struct s2s_pair *p, size_t index)
{
	if (s2s_conn_dial(p, &p->addresses[index]) != XFED_OK) {
		struct pair_event ev = { .type = PAIR_CONNECT_FAILED, .reason = XFED_REASON_STREAM_INTERNAL, .side = XFED_SIDE_US };
		s2s_pair_event(p, &ev);
	}
}

/* Tells the machine how much of what was written without stream management the partner's kernel has acknowledged. */
static void look_at_received(struct s2s_pair *p)
{
	if (p->way.sent.count > 0 && p->conn) {
		struct pair_event ev = { .type = PAIR_RECEIVED, .bytes = driver_bytes_received(&p->conn->d) };
		s2s_pair_event(p, &ev);
	}
}

/* An empty stanza is not written; its purpose was to open the stream. */
static void write_item(struct s2s_pair *p, const struct s2s_item *it)
{
	bool is_empty = it->stanza.len == 0;
	struct pair_event ev = { .type = PAIR_WROTE, .is_counted = !is_empty && p->conn && xfed_s2s_is_counting(p->conn->d.machine) };
	ev.rc = is_empty ? XFED_OK : p->conn ? s2s_conn_write(p->conn, it->stanza) : XFED_ERR_STATE;
	ev.bytes = p->conn ? driver_bytes_out(&p->conn->d) : 0;
	s2s_pair_event(p, &ev);
	if (p->way.sent.count >= p->look_at) { /* they hold memory, and at a high rate the tick alone would release them too late */
		look_at_received(p);
		p->look_at = p->way.sent.count + LOOK_EVERY;
	}
}

static void settle(struct s2s *s, struct s2s_item *it)
{
	if (it->in_pair.is_followed && it->in_pair.owes_error && it->in_pair.fate == XFED__FATE__FATE_UNCERTAIN) {
		s->user->lost(s->user_data, s2s_item_owner(it));
	}
	if (!it->in_pair.is_settled) {
		s2s_item_settle(s, it);
	}
	xfed_free(it);
}

static void tell_failure(struct s2s_pair *p, const struct pair_action *act)
{
	struct xfed_s2s_info info = { 0 };
	if (p->ending) {
		xfed_s2s_info(p->ending->d.machine, &info);
	}
	struct proto_failure f = { .direction = XFED__DIRECTION__DIRECTION_OUT,
		.local = p->local,
		.remote = p->remote,
		.reason = act->reason,
		.side = act->side,
		.text = p->text,
		.cert = info.is_secure && info.tls.peer ? xfed_cert_facts(info.tls.peer) : NULL,
		.address = p->stranger[0] ? p->stranger : NULL };
	if (!p->way.is_for_questions) {
		s2s_standing_failed(p, act->reason);
	}
	s2s_failure_send(p->s2s, &f, p->steps);
	s2s_steps_free(&p->steps);
	rt_log(RT_LOG_WARNING, p->way.is_for_questions ? "s2s.verify-failed" : "s2s.out-failed", RT_KV_STR("partner", p->remote),
		RT_KV_STR("local", p->local), RT_KV_REASON_SIDE(act->reason, act->side), RT_KV_STR("text", p->text[0] ? p->text : NULL),
		RT_KV_U64("waiting", act->count), RT_KV_U64("next_try_ms", act->wait_ms), RT_END);
}

static void stream_over(struct s2s_pair *p, const struct pair_action *act)
{
	let_stream_go(p);
	if (!act->was_open) {
		tell_failure(p, act);
	}
	s2s_questions_fail(p, act->was_open);
}

static void hang_up(struct s2s_pair *p)
{
	struct s2s_conn *c = p->conn;
	let_stream_go(p);
	if (c) {
		c->pair = NULL;
		s2s_conn_close(c, XFED_REASON_STREAM_CLOSED_IDLE,
			p->way.is_for_questions ? ""
			: p->renews		? "the login by certificate is tried again"
						: "only answers were sent");
	}
}

static void perform(struct s2s_pair *p, const struct pair_action *act)
{
	struct s2s_item *it = (struct s2s_item *)act->item;
	switch (act->type) {
	case PAIR_LOOK_UP:
		look_up(p);
		break;
	case PAIR_DIAL:
		dial(p, act->count);
		break;
	case PAIR_WRITE:
		write_item(p, it);
		break;
	case PAIR_SETTLE:
		settle(p->s2s, it);
		break;
	case PAIR_TELL:
		s2s_item_settle(p->s2s, it);
		break;
	case PAIR_OVER:
		stream_over(p, act);
		break;
	case PAIR_HANG_UP:
		hang_up(p);
		break;
	}
}

static void step(struct s2s_pair *p, const struct pair_event *ev, const struct xfed_partner *partner)
{
	const struct s2s *s = p->s2s;
	struct pair_facts f = { .now_ms = core_now(s->core),
		.is_listed = partner != NULL,
		.why_not = partner ? XFED_REASON_NONE : s2s_why_not(s, xfed_span_str(p->remote)),
		.methods = partner ? xfed_partner_methods(partner) : 0,
		.is_leaving = s->is_leaving,
		.park_bytes = s->config->limits.park_bytes };
	struct pair_action act;
	pair_step(&p->way, ev, &f);
	if (p->is_running) {
		return; /* the loop that is already running performs the actions */
	}
	p->is_running = true;
	while (pair_next(&p->way, &act)) {
		perform(p, &act);
	}
	p->is_running = false;
}

/* Events for which the machine needs the partner's policy; the others save the look-up. */
static bool asks_policy(enum pair_event_type type)
{
	return type == PAIR_FOUND || type == PAIR_CONNECT_FAILED || type == PAIR_LOST || type == PAIR_DONE || type == PAIR_TICK;
}

void s2s_pair_event(struct s2s_pair *p, const struct pair_event *ev)
{
	step(p, ev, asks_policy(ev->type) ? s2s_partner(p->s2s, xfed_span_str(p->remote)) : NULL);
}

void s2s_pair_simple(struct s2s_pair *p, enum pair_event_type type)
{
	struct pair_event ev = { .type = type };
	s2s_pair_event(p, &ev);
}

/* ---- stanzas ---- */

static enum xfed_reason refuse_send(const struct s2s *s, struct xfed_span local, struct xfed_span remote)
{
	if (!s->policy) {
		return XFED_REASON_CHANNEL_DOWN;
	}
	if (!s2s_partner(s, remote)) {
		return s2s_why_not(s, remote);
	}
	return s2s_is_local(s, local) ? XFED_REASON_NONE : XFED_REASON_POLICY_PARTNER_UNLISTED;
}

void s2s_send(struct s2s *s, struct xfed_span local, struct xfed_span remote, struct s2s_item *it)
{
	enum xfed_reason refuse = refuse_send(s, local, remote);
	struct s2s_pair *p = NULL;
	if (it->in_pair.deadline_ms == 0) {
		it->in_pair.deadline_ms = core_now(s->core) + XFED_DELIVERY_DEADLINE_MS;
	}
	if (refuse == XFED_REASON_NONE) {
		p = s2s_pair_find(s, local, remote, false);
		p = p ? p : s2s_pair_new(s, local, remote, false);
		refuse = p ? XFED_REASON_NONE : XFED_REASON_STREAM_INTERNAL;
	}
	if (refuse != XFED_REASON_NONE) {
		it->in_pair.fate = XFED__FATE__FATE_REFUSED;
		it->in_pair.reason = refuse;
		it->in_pair.side = xfed_reason_info(refuse)->side;
		settle(s, it);
		return;
	}
	struct pair_event ev = { .type = PAIR_SEND, .item = &it->in_pair };
	it->pair = p;
	s2s_pair_event(p, &ev);
	s2s_dial_use(p);
}

void s2s_withdraw(struct s2s *s, struct s2s_item *it)
{
	if (it->pair) {
		struct pair_event ev = { .type = PAIR_WITHDRAW, .item = &it->in_pair };
		s2s_pair_event(it->pair, &ev);
	}
}

/* Queues an empty stanza, which has the stream opened and is not written. */
int s2s_pair_open(struct s2s *s, struct xfed_span local, struct xfed_span remote)
{
	struct s2s_item_new n = { .remote = remote, .rule = "retry" };
	struct s2s_item *it = s2s_item_new(&n);
	if (!it) {
		return XFED_ERR_NOMEM;
	}
	s2s_send(s, local, remote, it);
	return XFED_OK;
}

/* ---- all pairs ---- */

size_t s2s_waiting(const struct s2s *s)
{
	size_t n = 0;
	for (const struct s2s_pair *p = s->pairs; p; p = p->hh.next) {
		n += pair_waiting(&p->way);
	}
	return n;
}

void s2s_pairs_judge(struct s2s *s)
{
	struct s2s_pair *p, *next;
	HASH_ITER(hh, s->pairs, p, next) {
		struct pair_event ev = { .type = PAIR_REFUSE, .reason = refuse_send(s, xfed_span_str(p->local), xfed_span_str(p->remote)) };
		if (ev.reason != XFED_REASON_NONE) {
			s2s_pair_event(p, &ev);
		}
	}
}

void s2s_pairs_forget_backoff(struct s2s *s)
{
	for (struct s2s_pair *p = s->pairs; p; p = p->hh.next) {
		s2s_pair_simple(p, PAIR_FORGET);
	}
}

/* Stanzas that wait have deadlines, and pairs with nothing to do are forgotten. */
void s2s_pairs_tick(struct s2s *s, uint64_t now_ms)
{
	struct s2s_pair *p, *next;
	HASH_ITER(hh, s->pairs, p, next) {
		look_at_received(p);
		s2s_pair_simple(p, PAIR_TICK);
		s2s_questions_tick(p, now_ms);
		if (p->renews) {
			(void)s2s_fallback_renew(p); /* without memory the next message opens the stream */
		}
		if (pair_is_forgettable(&p->way, now_ms) && !p->conn && p->waiting.count == 0) {
			pair_free(p);
		}
	}
}

void s2s_pairs_free(struct s2s *s)
{
	struct s2s_pair *p, *next;
	HASH_ITER(hh, s->pairs, p, next) {
		struct pair_item *it;
		while ((it = pair_take_any(&p->way))) {
			xfed_free(it);
		}
		s2s_questions_free(p);
		pair_free(p);
	}
}

/* ---- for operators ---- */

static bool is_pair(const struct s2s_pair *p, struct xfed_span local, struct xfed_span remote)
{
	return xfed_span_is(remote, p->remote) && (local.len == 0 || xfed_span_is(local, p->local));
}

void s2s_each_pair(struct s2s *s, struct xfed_span local, struct xfed_span remote, void (*fn)(void *user, const struct s2s_pair_facts *p), void *user)
{
	uint64_t now = core_now(s->core);
	for (const struct s2s_pair *p = s->pairs; p; p = p->hh.next) {
		const struct pair *w = &p->way;
		struct s2s_pair_facts f = { p->local, p->remote, pair_state_word(w), w->queue.count, pair_waits(w, now) ? w->retry_at_ms - now : 0,
			w->last_reason };
		if (!p->way.is_for_questions && is_pair(p, local, remote)) {
			fn(user, &f);
		}
	}
}

int s2s_retry(struct s2s *s, struct xfed_span local, struct xfed_span remote)
{
	struct s2s_pair *p, *next;
	size_t known = 0;
	int rc = XFED_OK;
	for (p = s->pairs; p; p = p->hh.next) {
		if (is_pair(p, local, remote)) {
			s2s_pair_simple(p, PAIR_FORGET);
		}
	}
	if (!s2s_partner(s, remote) || (local.len > 0 && !s2s_is_local(s, local))) {
		return XFED_OK;
	}
	HASH_ITER(hh, s->pairs, p, next) {
		if (rc == XFED_OK && !p->way.is_for_questions && is_pair(p, local, remote)) {
			known++;
			rc = p->way.state == PAIR_IDLE ? s2s_pair_open(s, xfed_span_str(p->local), remote) : s2s_fallback_renew(p);
		}
	}
	return rc == XFED_OK && known == 0 && local.len > 0 ? s2s_pair_open(s, local, remote) : rc;
}
