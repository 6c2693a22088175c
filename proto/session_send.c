#include "proto/fill.h"
#include "proto/session_impl.h"

/* keeps Settled frames well below XFED_FRAME_BYTES_MAX */
#define SETTLED_BYTES (192 * 1024)
/*
 * Peers of older versions count `side` and `whose` as unknown fields, of which a frame may have 64 (proto/channel.md section 2). Good
 * outcomes have neither.
 */
#define UNKNOWN_MAX 64
#define LATE_FIELDS 2
/* An emptied buffer larger than this is freed. */
#define KEEP_BYTES (64 * 1024)

static Xfed__Role own_role(const struct proto_session *s)
{
	return s->role == PROTO_EDGE ? XFED__ROLE__ROLE_EDGE : XFED__ROLE__ROLE_GATEWAY;
}

static bool is_bulk(Xfed__Frame__BodyCase body)
{
	return body == XFED__FRAME__BODY_DELIVER || body == XFED__FRAME__BODY_POLICY_PART || body == XFED__FRAME__BODY_COUNTERS ||
	       body == XFED__FRAME__BODY_STREAM_EVENT || body == XFED__FRAME__BODY_FAILURE_EVENT || body == XFED__FRAME__BODY_REPLY;
}

/* Bodies that only the session sends. */
static bool is_internal(Xfed__Frame__BodyCase body)
{
	return body == XFED__FRAME__BODY_HELLO || body == XFED__FRAME__BODY_PING || body == XFED__FRAME__BODY_PONG ||
	       body == XFED__FRAME__BODY_CREDIT || body == XFED__FRAME__BODY_CLOSE;
}

int proto_session_put(struct proto_session *s, const Xfed__Frame *f)
{
	return proto_frame_write(&s->plain, f);
}

void proto_session_encrypt(struct proto_session *s)
{
	if (s->is_plaintext || s->job_running || s->state == PROTO_HANDSHAKE) {
		return;
	}
	while (xfed_buf_len(&s->plain) > 0) {
		struct xfed_span chunk = xfed_buf_span(&s->plain);
		chunk.len = chunk.len < 16384 ? chunk.len : 16384;
		int rc = xfed_tls_write(s->tls, chunk);
		if (rc == XFED_ERR_LIMIT) {
			return;
		}
		if (rc != XFED_OK) {
			xfed_buf_clear(&s->plain);
			proto_session_go_down(s, XFED_REASON_CHANNEL_DOWN, "TLS cannot encrypt");
			return;
		}
		xfed_buf_consume(&s->plain, chunk.len);
	}
	if (s->plain.size > KEEP_BYTES) {
		xfed_buf_trim(&s->plain);
	}
}

uint64_t proto_session_wall_ms(const struct proto_session *s)
{
	uint64_t ms = s->wall_ms ? s->wall_ms() : 0;
	return ms <= PROTO_WALL_MS_MAX ? ms : 0;
}

void proto_session_send_number(struct proto_session *s, Xfed__Frame__BodyCase body, uint64_t id)
{
	Xfed__Ping ping = XFED__PING__INIT;
	Xfed__Pong pong = XFED__PONG__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	f.body_case = body;
	if (body == XFED__FRAME__BODY_PING) {
		ping.id = id;
		ping.lowest_unsettled = s->hello->lowest_unsettled;
		ping.outcomes_heard = s->outcomes_in;
		ping.wall_ms = proto_session_wall_ms(s);
		f.ping = &ping;
	} else {
		pong.id = id;
		pong.wall_ms = proto_session_wall_ms(s);
		f.pong = &pong;
	}
	int rc = proto_session_put(s, &f);
	if (rc == XFED_ERR_LIMIT) {
		proto_session_go_down(s, XFED_REASON_CHANNEL_TIMEOUT, "the peer does not read");
	} else if (rc != XFED_OK) {
		proto_session_go_nomem(s);
	}
}

void proto_session_flush(struct proto_session *s, uint64_t now_ms)
{
	struct proto_credit_side *p = &s->credit.pending;
	s->now_ms = now_ms;
	if (s->state == PROTO_READY && (p->messages > 0 || p->bytes > 0 || s->took != s->took_told)) {
		Xfed__Credit credit = XFED__CREDIT__INIT;
		Xfed__Frame f = XFED__FRAME__INIT;
		credit.messages = p->messages;
		credit.bytes = p->bytes;
		credit.taken = s->took;
		f.body_case = XFED__FRAME__BODY_CREDIT;
		f.credit = &credit;
		/* Without room it is sent with a later flush. */
		if (proto_session_put(s, &f) == XFED_OK) {
			s->credit.in.messages += p->messages;
			s->credit.in.bytes += p->bytes;
			*p = (struct proto_credit_side){ 0 };
			s->took_told = s->took;
		}
	}
	proto_pace_mark(&s->pace, now_ms);
	proto_session_encrypt(s);
}

struct xfed_buf *proto_session_output(struct proto_session *s)
{
	if (s->is_plaintext) {
		return &s->plain;
	}
	return s->job_running || !s->tls ? &s->none : xfed_tls_output(s->tls);
}

size_t proto_session_output_bytes(const struct proto_session *s)
{
	size_t bytes = xfed_buf_len(&s->plain);
	if (!s->is_plaintext && !s->job_running && s->tls) {
		bytes += xfed_buf_len(xfed_tls_output(s->tls));
	}
	return bytes;
}

static void count_sent(struct proto_session *s, const Xfed__Frame *f, size_t bytes)
{
	if (f->body_case == XFED__FRAME__BODY_DELIVER) {
		proto_credit_take(&s->credit.out, bytes);
		s->delivered++;
		proto_pace_sent(&s->pace, bytes);
	} else if (f->body_case == XFED__FRAME__BODY_SETTLED) {
		for (size_t i = 0; i < f->settled->n_outcomes; i++) {
			proto_told_add(&s->told, f->settled->outcomes[i]->seq);
		}
	}
}

struct proto_refused proto_session_refused(struct proto_session *s)
{
	struct proto_refused r = s->refused;
	s->refused = (struct proto_refused){ 0 };
	return r;
}

static int send_checked(struct proto_session *s, const Xfed__Frame *f)
{
	size_t bytes;
	int rc = proto_frame_measure(f, &bytes);
	if (rc != XFED_OK) {
		return rc;
	}
	bool is_deliver = f->body_case == XFED__FRAME__BODY_DELIVER;
	if (is_deliver && !proto_credit_covers(&s->credit.out, bytes)) {
		return XFED_ERR_AGAIN;
	}
	if (is_deliver && !proto_pace_covers(&s->pace)) {
		proto_pace_waits(&s->pace);
		return XFED_ERR_AGAIN;
	}
	if (is_bulk(f->body_case) && proto_session_output_bytes(s) + bytes > PROTO_OUTPUT_BULK_BYTES) {
		return XFED_ERR_LIMIT;
	}
	rc = proto_frame_write_sized(&s->plain, f, bytes);
	if (rc == XFED_ERR_LIMIT) {
		proto_session_go_down(s, XFED_REASON_CHANNEL_TIMEOUT, "the peer does not read");
		return XFED_ERR_STATE;
	}
	if (rc == XFED_OK) {
		count_sent(s, f, bytes);
	}
	return rc;
}

static int send_bare(struct proto_session *s, const Xfed__Frame *f, const char *problem)
{
	struct proto_bare bare;
	s->refused.count++;
	s->refused.body = f->body_case;
	s->refused.problem = problem;
	const Xfed__Frame *left = proto_bare(&bare, f);
	return left ? send_checked(s, left) : XFED_ERR_INVALID;
}

int proto_session_send(struct proto_session *s, const Xfed__Frame *f)
{
	if (s->state != PROTO_READY) {
		return XFED_ERR_STATE;
	}
	if (is_internal(f->body_case) || !proto_check_sender(own_role(s), f->body_case)) {
		s->refused = (struct proto_refused){ s->refused.count + 1, f->body_case, "not ours to send" };
		return XFED_ERR_INVALID;
	}
	const char *problem = proto_check(f);
	return problem ? send_bare(s, f, problem) : send_checked(s, f);
}

int proto_session_deliver(struct proto_session *s, const Xfed__Deliver *d)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__Deliver copy = *d;
	copy.outcomes_heard = s->outcomes_in;
	f.body_case = XFED__FRAME__BODY_DELIVER;
	f.deliver = &copy;
	return proto_session_send(s, &f);
}

static int send_outcomes(struct proto_session *s, const Xfed__Outcome *const *outcomes, size_t count)
{
	Xfed__Settled settled = XFED__SETTLED__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	settled.n_outcomes = count;
	settled.outcomes = (Xfed__Outcome **)outcomes;
	f.body_case = XFED__FRAME__BODY_SETTLED;
	f.settled = &settled;
	return proto_session_send(s, &f);
}

static size_t late_fields(const Xfed__Outcome *oc)
{
	return (size_t)(oc->side[0] != '\0') + (size_t)(oc->whose[0] != '\0');
}

int proto_session_settled(struct proto_session *s, const Xfed__Outcome *const *outcomes, size_t count)
{
	while (count > 0) {
		size_t n = 0, bytes = 0, late = 0;
		while (n < count && n < PROTO_OUTCOMES_MAX && bytes < SETTLED_BYTES && late <= UNKNOWN_MAX - LATE_FIELDS) {
			late += late_fields(outcomes[n]);
			bytes += xfed__outcome__get_packed_size(outcomes[n++]) + 4;
		}
		int rc = send_outcomes(s, outcomes, n);
		if (rc != XFED_OK) {
			return rc;
		}
		outcomes += n;
		count -= n;
	}
	return XFED_OK;
}

int proto_session_attempted(struct proto_session *s, const uint64_t *seqs, size_t count)
{
	while (count > 0) {
		Xfed__Attempted attempted = XFED__ATTEMPTED__INIT;
		Xfed__Frame f = XFED__FRAME__INIT;
		attempted.n_seqs = count < PROTO_SEQS_MAX ? count : PROTO_SEQS_MAX;
		attempted.seqs = (uint64_t *)seqs;
		f.body_case = XFED__FRAME__BODY_ATTEMPTED;
		f.attempted = &attempted;
		int rc = proto_session_send(s, &f);
		if (rc != XFED_OK) {
			return rc;
		}
		seqs += attempted.n_seqs;
		count -= attempted.n_seqs;
	}
	return XFED_OK;
}

int proto_session_attempted_ack(struct proto_session *s, const uint64_t *seqs, size_t count, const uint64_t *refused, size_t refused_count)
{
	while (count > 0 || refused_count > 0) {
		Xfed__AttemptedAck ack = XFED__ATTEMPTED_ACK__INIT;
		Xfed__Frame f = XFED__FRAME__INIT;
		ack.n_seqs = count < PROTO_SEQS_MAX ? count : PROTO_SEQS_MAX;
		ack.seqs = (uint64_t *)seqs;
		ack.n_refused = refused_count < PROTO_SEQS_MAX ? refused_count : PROTO_SEQS_MAX;
		ack.refused = (uint64_t *)refused;
		f.body_case = XFED__FRAME__BODY_ATTEMPTED_ACK;
		f.attempted_ack = &ack;
		int rc = proto_session_send(s, &f);
		if (rc != XFED_OK) {
			return rc;
		}
		seqs = ack.n_seqs > 0 ? seqs + ack.n_seqs : seqs;
		count -= ack.n_seqs;
		refused = ack.n_refused > 0 ? refused + ack.n_refused : refused;
		refused_count -= ack.n_refused;
	}
	return XFED_OK;
}

int proto_session_withdraw(struct proto_session *s, uint64_t seq)
{
	Xfed__Withdraw withdraw = XFED__WITHDRAW__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	withdraw.seq = seq;
	f.body_case = XFED__FRAME__BODY_WITHDRAW;
	f.withdraw = &withdraw;
	return proto_session_send(s, &f);
}

void proto_session_grant(struct proto_session *s, uint32_t messages, uint64_t bytes)
{
	struct proto_credit_side *in = &s->credit.in, *pending = &s->credit.pending;
	XFED_REQUIRE(messages <= PROTO_CREDIT_MESSAGES_MAX - in->messages - pending->messages);
	XFED_REQUIRE(bytes <= PROTO_CREDIT_BYTES_MAX - in->bytes - pending->bytes);
	pending->messages += messages;
	pending->bytes += bytes;
}

void proto_session_credit(const struct proto_session *s, uint32_t *in_messages, uint64_t *in_bytes, uint32_t *out_messages, uint64_t *out_bytes)
{
	*in_messages = s->credit.in.messages;
	*in_bytes = s->credit.in.bytes;
	*out_messages = s->credit.out.messages;
	*out_bytes = s->credit.out.bytes;
}

void proto_session_took(struct proto_session *s)
{
	s->took++;
}

bool proto_session_next_heard(struct proto_session *s, uint64_t *seq)
{
	return proto_told_next(&s->told, seq);
}

uint64_t proto_session_taken(const struct proto_session *s)
{
	return s->taken;
}
