#include "sip/layer.h"

#include "sip/legs.h"
#include "sip/scan.h"
#include "xfed/limits.h"

/* What one timer can add at most. */
#define ACTIONS_PER_TIMER 2
#define SPARE_BYTES	  16384 /* of the memory of a message that is kept for the next one */

const char *sip_transport_name(enum sip_transport t)
{
	static const char *const names[SIP_TRANSPORT_COUNT] = { "UDP", "TCP", "TLS" };
	return names[t];
}

int sip_layer_new(const struct sip_layer_config *config, const struct xfed_env *env, struct sip_layer **out)
{
	*out = NULL;
	struct sip_layer *l = xfed_calloc(1, sizeof(*l));
	if (!l) {
		return XFED_ERR_NOMEM;
	}
	l->env = env;
	l->time_divisor = config->time_divisor > 0 ? config->time_divisor : 1;
	l->transactions_max = config->transactions_max > 0 ? config->transactions_max : XFED_SIP_TRANSACTIONS_MAX;
	l->server_bytes_max = config->server_bytes_max > 0 ? config->server_bytes_max : XFED_SIP_SERVER_BYTES;
	for (int i = 0; i <= SIP_TRANSPORT_COUNT; i++) {
		bool is_outside = i == SIP_TRANSPORT_COUNT;
		l->sent_by[i].port = is_outside ? config->outside.port : config->sent_by[i].port;
		l->sent_by[i].host = xfed_strndup(is_outside ? config->outside.host : config->sent_by[i].host);
		if (!l->sent_by[i].host) {
			sip_layer_free(l);
			return XFED_ERR_NOMEM;
		}
	}
	sip_users_init(&l->users);
	l->scratch = xfed_malloc(XFED_SIP_MESSAGE_BYTES);
	if (!l->scratch) {
		sip_layer_free(l);
		return XFED_ERR_NOMEM;
	}
	env->random(env->user, l->secret.bytes, sizeof(l->secret.bytes));
	*out = l;
	return XFED_OK;
}

/* Where a sanitizer looks for what is used too long, memory is not used again. */
static void put_by(struct sip_layer *l, struct sip_message *m)
{
	if (XFED_REUSES_MEMORY && !l->spare && m->block_size <= SPARE_BYTES) {
		l->spare = m;
	} else {
		sip_message_free(m);
	}
}

static void reap(struct sip_layer *l)
{
	while (l->dead) {
		struct sip_trans *t = l->dead;
		l->dead = t->dead_next;
		sip_trans_free(t);
	}
	if (l->message) {
		put_by(l, l->message);
		l->message = NULL;
	}
	while (l->kept_count > 0) {
		xfed_free(l->kept[--l->kept_count]);
	}
}

void sip_layer_free(struct sip_layer *l)
{
	if (!l) {
		return;
	}
	struct sip_trans *t, *next;
	struct sip_leg *leg, *next_leg;
	HASH_ITER(hh, l->legs, leg, next_leg) {
		sip_leg_free(l, leg);
	}
	HASH_ITER(hh, l->by_id, t, next) {
		sip_trans_end(l, t);
	}
	reap(l);
	sip_message_free(l->spare);
	xfed_heap_deinit(&l->timers);
	for (int i = 0; i <= SIP_TRANSPORT_COUNT; i++) {
		xfed_free(l->sent_by[i].host);
	}
	xfed_free(l->scratch);
	xfed_wipe(&l->secret, sizeof(l->secret));
	xfed_free(l);
}

void sip_layer_begin(struct sip_layer *l)
{
	XFED_REQUIRE(l->action_next == l->action_count);
	l->action_next = l->action_count = 0;
	reap(l);
}

char *sip_layer_copy(const struct sip_layer *l, size_t size)
{
	char *bytes = xfed_malloc(size);
	if (bytes) {
		memcpy(bytes, l->scratch, size);
	}
	return bytes;
}

int sip_layer_send(struct sip_layer *l, const struct sip_target *target, size_t size)
{
	char *bytes = sip_layer_copy(l, size);
	if (!bytes) {
		return XFED_ERR_NOMEM;
	}
	XFED_REQUIRE(l->kept_count < SIP_KEPT_MAX);
	l->kept[l->kept_count++] = bytes; /* valid as long as the actions */
	sip_layer_push(l, &(struct sip_layer_action){ .kind = SIP_ACT_SEND, .target = *target, .bytes = xfed_span_make(bytes, size) });
	return XFED_OK;
}

int sip_layer_use(struct sip_layer *l, const struct sip_user *user)
{
	return sip_users_add(&l->users, user);
}

const char *sip_layer_allow(const struct sip_layer *l)
{
	return l->users.allow;
}

bool sip_layer_tell(const struct sip_layer_action *act)
{
	const struct sip_user *u = act->user;
	if (act->kind < SIP_ACT_REQUEST || act->kind > SIP_ACT_DOUBTED) {
		return false;
	}
	if (!u) {
		return true;
	}
	switch (act->kind) {
	case SIP_ACT_REQUEST:
		u->request(u->data, &(struct sip_incoming){ act->txn, act->message, act->flow, act->dialog, act->id });
		break;
	case SIP_ACT_RESPONSE:
		u->response(u->data, act->id, act->message, act->dialog);
		break;
	case SIP_ACT_TIMEOUT:
		u->timeout(u->data, act->id, act->was_written);
		break;
	case SIP_ACT_TRANSPORT_ERROR:
		u->broken(u->data, act->id, act->was_written);
		break;
	case SIP_ACT_CANCELLED:
		u->cancelled(u->data, act->txn);
		break;
	case SIP_ACT_DOUBTED:
		if (u->doubted) {
			u->doubted(u->data, act->id);
		}
		break;
	default:
		u->ended(u->data, act->id);
		break;
	}
	return true;
}

void sip_layer_push(struct sip_layer *l, const struct sip_layer_action *act)
{
	XFED_REQUIRE(l->action_count < SIP_ACTIONS_MAX);
	l->actions[l->action_count++] = *act;
}

bool sip_layer_next(struct sip_layer *l, struct sip_layer_action *act)
{
	if (l->action_next == l->action_count) {
		return false;
	}
	*act = l->actions[l->action_next++];
	return true;
}

uint64_t sip_layer_deadline(const struct sip_layer *l)
{
	const struct xfed_heap_item *first = xfed_heap_first(&l->timers);
	uint64_t timer = l->doubted ? 0 : first ? first->at : UINT64_MAX, pace = sip_pace_deadline(l);
	return timer < pace ? timer : pace;
}

static int receive_bad(struct sip_layer *l)
{
	const struct sip_error *err = &l->error;
	int rc = XFED_OK;
	/* A client of Lync reads 413 as that the recipient is offline, and 415 as that such a message is not taken. */
	bool is_large = err->status == 413 && l->flow.is_lync;
	if (l->message && is_large) {
		rc = sip_server_answer(l, l->message, 415, err->phrase, xfed_span_str(l->users.accept));
	} else if (l->message) {
		rc = sip_server_answer(l, l->message, err->status, err->phrase, XFED_SPAN(""));
	}
	struct sip_layer_action bad = { .kind = SIP_ACT_BAD_MESSAGE, .flow = &l->flow, .error = err };
	sip_layer_push(l, &bad);
	if (err->is_framing && l->flow.transport != SIP_UDP) {
		struct sip_layer_action act = { .kind = SIP_ACT_CLOSE_FLOW, .flow_id = l->flow.id };
		sip_layer_push(l, &act);
	}
	return rc;
}

/* [C3-05]: the top sent-by must be one of ours; a port not written is the transport's own. */
static bool is_ours(const struct sip_layer *l, const struct sip_via *via)
{
	for (int i = 0; i <= SIP_TRANSPORT_COUNT; i++) {
		enum sip_transport transport = i == SIP_TRANSPORT_COUNT ? SIP_TLS : (enum sip_transport)i;
		uint16_t standard = transport == SIP_TLS ? 5061 : 5060;
		uint16_t ours = l->sent_by[i].port != 0 ? l->sent_by[i].port : standard;
		uint16_t theirs = via->port != 0 ? via->port : standard;
		if (l->sent_by[i].host[0] && ours == theirs && sip_host_eq(via->host, xfed_span_str(l->sent_by[i].host)) &&
			xfed_span_eq_nocase(via->transport, xfed_span_str(sip_transport_name(transport)))) {
			return true;
		}
	}
	return false;
}

/* Keep-alives on UDP that are no SIP: line ends, NUL bytes, STUN, whose first octet is 0 or 1 (RFC 5626 section 8). */
static bool is_keepalive(struct xfed_span bytes)
{
	size_t leading = sip_scan_leading(bytes);
	return leading == bytes.len || bytes.data[leading] == 0 || bytes.data[leading] == 1;
}

static int receive(struct sip_layer *l, const struct sip_layer_event *ev, uint64_t now_ms)
{
	l->flow = *ev->flow;
	if (l->flow.transport == SIP_UDP && is_keepalive(ev->bytes)) {
		return XFED_OK;
	}
	enum sip_parse_flags flags = l->flow.transport == SIP_UDP ? SIP_PARSE_DATAGRAM : SIP_PARSE_STREAM;
	struct sip_message *spare = l->spare;
	l->spare = NULL;
	int rc = sip_message_parse_into(spare, ev->bytes, flags, &l->message, &l->error);
	if (rc == XFED_ERR_INVALID) {
		return receive_bad(l);
	}
	if (rc != XFED_OK) {
		return rc;
	}
	if (l->message->is_request) {
		return sip_server_receive(l, l->message, now_ms);
	}
	/* [C2-07]: a response is not for us if it has more than one Via, or the sent-by of somebody else. */
	if (l->message->via_count != 1 || !is_ours(l, &l->message->via)) {
		l->stats.responses_stray++;
		return XFED_OK;
	}
	return sip_client_receive(l, l->message, now_ms);
}

/*
 * Client transactions on a closed connection become due at once, and its dialogs are in doubt, so that TICKs report a few of them at a
 * time. Server transactions keep the address to connect to.
 */
static void close_flow(struct sip_layer *l, uint64_t flow, bool was_unread)
{
	struct sip_trans *next;
	sip_leg_close_flow(l, flow);
	for (struct sip_trans *t = l->flows[flow % SIP_FLOW_BUCKETS]; t; t = next) {
		next = t->flow_next;
		if (t->target.flow != flow) {
			continue;
		}
		sip_trans_unbind(t);
		t->target.flow = 0;
		if (sip_trans_is_client(t) && sip_trans_is_open(t)) {
			t->is_lost = true;
			t->is_written = t->is_written && !was_unread;
			sip_trans_rearm(l, t);
		}
	}
}

static int tick(struct sip_layer *l, uint64_t now_ms)
{
	int rc = XFED_OK;
	sip_pace_tick(l, now_ms);
	sip_leg_tell_doubted(l);
	while (sip_layer_room(l) >= ACTIONS_PER_TIMER) {
		struct xfed_heap_item *first = xfed_heap_first(&l->timers);
		if (!first || first->at > now_ms) {
			break;
		}
		int fired = sip_trans_fire(l, (struct sip_trans *)first, now_ms);
		rc = rc == XFED_OK ? fired : rc;
	}
	return rc;
}

int sip_layer_step(struct sip_layer *l, const struct sip_layer_event *ev, uint64_t now_ms)
{
	struct sip_trans *t;
	sip_layer_begin(l);
	switch (ev->kind) {
	case SIP_LAYER_RECV:
		return receive(l, ev, now_ms);
	case SIP_LAYER_SENT:
		sip_client_sent(l, ev->txn, ev->flow_id);
		return XFED_OK;
	case SIP_LAYER_SEND_FAILED:
		t = sip_trans_by_id(l, ev->txn);
		if (t && sip_trans_is_client(t)) {
			sip_client_failed(l, t, ev->was_written);
		}
		return XFED_OK;
	case SIP_LAYER_FLOW_CLOSED:
		close_flow(l, ev->flow_id, ev->was_unread);
		return XFED_OK;
	case SIP_LAYER_RETURNED:
		sip_client_returned(l, ev);
		return XFED_OK;
	case SIP_LAYER_TICK:
		return tick(l, now_ms);
	}
	return XFED_OK;
}

struct sip_layer_stats sip_layer_stats(const struct sip_layer *l)
{
	struct sip_layer_stats s = l->stats;
	s.dialogs = HASH_COUNT(l->legs);
	return s;
}
