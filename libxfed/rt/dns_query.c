#include "rt/dns_query.h"

#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/rt/stream.h"
#include "xfed/rt/timer.h"
#include "xfed/rt/udp.h"

#define WIRE_BYTES    512 /* header, a name of 255, question, OPT */
#define NAME_BYTES    253
#define TCP_BYTES     (2 + 65535)
#define ANSWER_BYTES  (256 * 1024)
#define TCP_OUT_BYTES 1024

struct dns_query {
	const struct dns_base *base;
	struct dns_servers servers;
	char name[NAME_BYTES + 1];
	size_t name_len;
	enum xfed_dns_type type;
	uint8_t wire[WIRE_BYTES]; /* of the present attempt: each has a new id and case */
	size_t wire_len;
	unsigned attempt;
	struct rt_udp *udp;
	struct rt_stream *tcp;
	struct xfed_buf tcp_in;
	struct rt_timer timer; /* time-out of the present attempt; or now, to start the next */
	struct xfed_arena arena;
	bool had_servfail, is_done, had_fault;
	rt_resolve_fn done;
	void *user;
};

static const struct rt_addr *server_of(const struct dns_query *q)
{
	return &q->servers.addr[q->attempt % q->servers.count];
}

static unsigned attempts_max(const struct dns_query *q)
{
	return q->servers.count > XFED_DNS_TRIES ? (unsigned)q->servers.count : XFED_DNS_TRIES;
}

static void close_sockets(struct dns_query *q)
{
	rt_udp_close(q->udp);
	rt_stream_close(q->tcp);
	q->udp = NULL;
	q->tcp = NULL;
	xfed_buf_deinit(&q->tcp_in);
}

void dns_query_free(struct dns_query *q)
{
	if (q) {
		close_sockets(q);
		rt_timer_close(&q->timer);
		xfed_arena_deinit(&q->arena);
		xfed_free(q);
	}
}

static void arm(struct dns_query *q, uint64_t in_ms)
{
	rt_timer_set(&q->timer, rt_loop_now_ms(q->base->loop) + in_ms);
}

/* The callback comes last, because it may free the query. */
static void finish(struct dns_query *q, const struct xfed_dns_answer *answer, enum xfed_reason reason)
{
	close_sockets(q);
	rt_timer_set(&q->timer, 0);
	q->is_done = true;
	q->done(q->user, answer, reason);
}

/* Ends this attempt without an answer; the next one starts in a later turn, so that failures do not recurse. */
static void give_up_attempt(struct dns_query *q)
{
	close_sockets(q);
	q->attempt++;
	q->wire_len = 0;
	arm(q, 0);
}

static void finish_without_answer(struct dns_query *q)
{
	if (q->had_servfail) {
		struct xfed_dns_answer failed = { .status = XFED_DNS_SERVFAIL, .ttl_s = XFED_DNS_TTL_MIN_S };
		finish(q, &failed, XFED_REASON_NONE);
	} else if (q->had_fault) {
		finish(q, NULL, XFED_REASON_STREAM_INTERNAL);
	} else {
		q->base->stats->timeouts++;
		finish(q, NULL, XFED_REASON_DNS_TIMEOUT);
	}
}

/* Makes a new id and case for the next attempt. */
static int make_wire(struct dns_query *q)
{
	const struct xfed_env *env = &q->base->env;
	uint16_t id;
	env->random(env->user, &id, sizeof(id));
	return xfed_dns_query(env, xfed_span_make(q->name, q->name_len), q->type, id, q->wire, sizeof(q->wire), &q->wire_len);
}

static void start_tcp(struct dns_query *q);

/* False: it was no reply to our question, and the query goes on waiting. */
static bool take_reply(struct dns_query *q, struct xfed_span reply)
{
	struct xfed_dns_answer answer;
	xfed_arena_reset(&q->arena);
	int rc = xfed_dns_parse(&q->arena, xfed_span_make(q->wire, q->wire_len), reply, &answer);
	if (rc != XFED_OK) {
		q->had_fault = true;
		give_up_attempt(q);
		return true;
	}
	switch (answer.status) {
	case XFED_DNS_OK:
	case XFED_DNS_NO_DATA:
		answer.ad = answer.ad && q->servers.trust_ad && rt_addr_is_loopback(server_of(q));
		finish(q, &answer, XFED_REASON_NONE);
		return true;
	case XFED_DNS_TRUNCATED:
		if (q->tcp) {
			give_up_attempt(q); /* truncated even over TCP */
		} else {
			start_tcp(q);
		}
		return true;
	case XFED_DNS_SERVFAIL:
		q->had_servfail = true;
		if (q->attempt + 1 < q->servers.count) {
			give_up_attempt(q); /* another server may be able to answer */
		} else {
			finish_without_answer(q);
		}
		return true;
	case XFED_DNS_BOGUS_REPLY:
		q->base->stats->bogus_replies++;
		return false;
	}
	return false;
}

/* ---- TCP, RFC 7766: a length of two bytes before each message ---- */

static void tcp_on_connect(void *user, enum xfed_reason reason)
{
	struct dns_query *q = user;
	uint8_t len[2] = { (uint8_t)(q->wire_len >> 8), (uint8_t)q->wire_len };
	struct xfed_buf *out = rt_stream_out(q->tcp);
	if (reason != XFED_REASON_NONE) {
		give_up_attempt(q);
		return;
	}
	if (xfed_buf_append(out, xfed_span_make(len, sizeof(len))) != XFED_OK ||
		xfed_buf_append(out, xfed_span_make(q->wire, q->wire_len)) != XFED_OK) {
		q->had_fault = true;
		give_up_attempt(q);
		return;
	}
	rt_stream_kick(q->tcp);
}

static size_t tcp_on_bytes(void *user, struct xfed_span in)
{
	struct dns_query *q = user;
	int rc = xfed_buf_append(&q->tcp_in, in);
	if (rc != XFED_OK) {
		q->had_fault = q->had_fault || rc == XFED_ERR_NOMEM;
		give_up_attempt(q);
		return in.len;
	}
	struct xfed_span got = xfed_buf_span(&q->tcp_in);
	if (got.len < 2) {
		return in.len;
	}
	size_t len = (size_t)(uint8_t)got.data[0] << 8 | (uint8_t)got.data[1];
	if (got.len >= 2 + len && !take_reply(q, xfed_span_make(got.data + 2, len))) {
		give_up_attempt(q);
	}
	return in.len;
}

static void tcp_on_eof(void *user)
{
	give_up_attempt(user);
}

static void tcp_on_error(void *user, enum xfed_reason reason)
{
	(void)reason;
	give_up_attempt(user);
}

static const struct rt_stream_handlers tcp_handlers = {
	.on_connect = tcp_on_connect,
	.on_bytes = tcp_on_bytes,
	.on_eof = tcp_on_eof,
	.on_error = tcp_on_error,
};

static void start_tcp(struct dns_query *q)
{
	close_sockets(q);
	q->base->stats->tcp_queries++;
	xfed_buf_init(&q->tcp_in, TCP_BYTES);
	if (make_wire(q) != XFED_OK ||
		rt_stream_connect(q->base->loop, server_of(q), NULL, q->servers.timeout_ms, &tcp_handlers, q, TCP_OUT_BYTES, &q->tcp) != XFED_OK) {
		q->had_fault = true;
		give_up_attempt(q);
		return;
	}
	arm(q, q->servers.timeout_ms);
}

/* ---- UDP ---- */

static void udp_on_datagram(void *user, struct xfed_span in, const struct rt_addr *from)
{
	(void)from; /* the kernel has checked it, because the socket is connected */
	take_reply(user, in);
}

static void udp_on_error(void *user, int uv_error)
{
	(void)uv_error; /* refused by the server's host: no need to wait for the time-out */
	give_up_attempt(user);
}

static const struct rt_udp_handlers udp_handlers = { .on_datagram = udp_on_datagram, .on_error = udp_on_error };

static void start_udp(struct dns_query *q)
{
	if (make_wire(q) != XFED_OK) {
		q->had_fault = true;
		give_up_attempt(q);
		return;
	}
	q->base->stats->queries++;
	struct xfed_span part = xfed_span_make(q->wire, q->wire_len);
	if (rt_udp_connect(q->base->loop, server_of(q), &udp_handlers, q, &q->udp) != XFED_OK || rt_udp_send(q->udp, NULL, &part, 1) != XFED_OK) {
		give_up_attempt(q); /* no route, or no socket */
		return;
	}
	arm(q, q->servers.timeout_ms);
}

static void on_timer(void *user)
{
	struct dns_query *q = user;
	if (q->udp || q->tcp) {
		close_sockets(q);
		q->attempt++;
	}
	if (q->attempt >= attempts_max(q)) {
		finish_without_answer(q);
	} else {
		start_udp(q);
	}
}

int dns_query_start(
	const struct dns_base *base, struct xfed_span name, enum xfed_dns_type type, rt_resolve_fn done, void *user, struct dns_query **out)
{
	*out = NULL;
	if (name.len > 0 && name.data[name.len - 1] == '.') {
		name.len--;
	}
	if (name.len == 0 || name.len > NAME_BYTES) {
		return XFED_ERR_INVALID;
	}
	struct dns_query *q = xfed_calloc(1, sizeof(*q));
	if (!q) {
		return XFED_ERR_NOMEM;
	}
	q->base = base;
	q->servers = base->servers;
	q->type = type;
	q->done = done;
	q->user = user;
	memcpy(q->name, name.data, name.len);
	q->name_len = name.len;
	xfed_arena_init(&q->arena, ANSWER_BYTES);
	int rc = make_wire(q); /* fails if it is no valid name */
	if (rc == XFED_OK) {
		rc = rt_timer_init(&q->timer, base->loop, on_timer, q);
	}
	if (rc != XFED_OK) {
		dns_query_free(q);
		return rc;
	}
	start_udp(q);
	*out = q;
	return XFED_OK;
}
