/*
 * Both ends of a channel, edge and gateway, talking to each other over a wire of the input's: bytes are cut, held, taken twice, flipped,
 * or made up as frames of every kind, whoever may send them; each end is told to send every message, to grant, to close, to run its job
 * or not to, in whatever state it is. With an odd first byte the link has TLS, else none, so that frames can be made up.
 *
 * Properties: the driver gets nothing before UP, nothing behind DOWN, UP and DOWN once; every message it gets is legal, the peer's to
 * send and not one the session keeps to itself; nothing but Hello and Close comes before Hello without ending the link; what is
 * not the peer's to send, illegal, or a Deliver beyond the credit, ends it, everything else comes out once, as it went in; no more is
 * ever delivered than was granted. As long as nobody meddled with the wire no end calls the other's frames bad, what was sent arrives
 * in order and unchanged, and a policy arrives whole. Nothing moves while a job runs, and a deadline that has come moves on.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/session.h"
#include "proto/transfer.h"

#include "channel_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())
#define SENT_MAX   4096
#define POLICY	   70000 /* two parts */

struct end {
	struct world *w;
	struct end *peer;
	struct proto_session *s;
	Xfed__Role role;
	bool is_up, is_down, has_job, has_run;
	struct xfed_buf wire; /* from this end, on its way */
	char last[256];	      /* what came out of it last */
	size_t last_len;
	/* What comes in, as frames: where the next one begins. */
	uint8_t head[4];
	size_t head_len, body_left;
	uint64_t sent[SENT_MAX];					 /* marks of what it sent, in order */
	size_t sent_count, got;						 /* ... of the peer's */
	uint64_t granted_messages, granted_bytes, messages, bytes, took; /* Deliver, received */
	size_t given;							 /* messages the driver got */
	uint64_t given_mark;
	struct proto_transfer_out out;
	struct proto_transfer_in in;
};

struct world {
	const uint8_t *at, *end;
	uint64_t now;
	bool is_tls, is_honest;
	struct end ends[2];
};

static char policy[POLICY], peer_name[] = "peer";
static uint8_t policy_hash[32];
static struct xfed_tls_creds *creds;

static void env_random(void *user, void *out, size_t len)
{
	(void)user;
	memset(out, 7, len);
}
static int64_t env_wall(void *user)
{
	(void)user;
	return 1800000000;
}
static const struct xfed_env env = { NULL, env_random, env_wall, NULL };

static uint8_t byte(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

/* ---- messages ---- */

/* One of everything there is, and room for what it points to. */
struct made {
	Xfed__Frame frame;
	union {
		Xfed__Hello hello;
		Xfed__Ping ping;
		Xfed__Pong pong;
		Xfed__Credit credit;
		Xfed__Deliver deliver;
		Xfed__Attempted attempted;
		Xfed__AttemptedAck ack;
		Xfed__Settled settled;
		Xfed__Withdraw withdraw;
		Xfed__Request request;
		Xfed__Reply reply;
		Xfed__Counters counters;
		Xfed__PolicyBegin begin;
		Xfed__PolicyPart part;
		Xfed__PolicyCommit commit;
		Xfed__PolicyResult result;
		Xfed__StreamEvent stream;
		Xfed__FailureEvent failure;
		Xfed__Drain drain;
		Xfed__Close close;
	} m;
	Xfed__Revision revision;
	Xfed__Outcome outcome, *outcomes[2];
	uint64_t seqs[2];
	char text[80];
	uint8_t bytes[200];
};

/* An outcome, a number and a text: legal where `how` is small. */
static void make_lists(struct made *f, uint64_t number, uint8_t how)
{
	size_t len = how < 192 ? how % 32 : sizeof(f->text) - 1; /* longer than a word may be */
	memset(f->text, 'x', len);
	f->text[len] = '\0';
	memset(f->bytes, how, sizeof(f->bytes));
	f->seqs[0] = f->seqs[1] = number;
	xfed__outcome__init(&f->outcome);
	f->outcome.seq = number;
	f->outcome.fate = (Xfed__Fate)(how % 7);
	f->outcome.reason = f->text;
	f->outcomes[0] = f->outcomes[1] = &f->outcome;
	xfed__revision__init(&f->revision);
	f->revision.epoch = number;
	f->revision.hash.data = f->bytes;
	f->revision.hash.len = how & 1 ? 32 : how / 8;
}

#define BODY(NAME, member, field)                                                                                                                    \
	case XFED__FRAME__BODY_##NAME:                                                                                                               \
		xfed__##member##__init(&f->m.field);                                                                                                 \
		f->frame.hello = (Xfed__Hello *)&f->m

static void make_delivery(struct made *f, uint64_t number, uint8_t how)
{
	switch (f->frame.body_case) {
		BODY(HELLO, hello, hello);
		f->m.hello.version_min = 1 + (how & 64) / 64;
		f->m.hello.version_max = 2;
		f->m.hello.role = (Xfed__Role)(how % 3);
		f->m.hello.name = how & 4 ? f->text : peer_name;
		f->m.hello.boot_nonce = number;
		break;
		BODY(PING, ping, ping);
		f->m.ping.id = number;
		f->m.ping.outcomes_heard = how / 32;
		break;
		BODY(PONG, pong, pong);
		f->m.pong.id = number;
		break;
		BODY(CREDIT, credit, credit);
		f->m.credit.messages = how & 1 ? UINT32_MAX >> (how / 8) : how / 16;
		f->m.credit.bytes = how & 2 ? UINT64_MAX >> (how / 4) : 64 * (uint64_t)how;
		f->m.credit.taken = how & 4 ? number : 0;
		break;
		BODY(DELIVER, deliver, deliver);
		f->m.deliver.seq = number;
		f->m.deliver.kind = (Xfed__Kind)(how % 6);
		f->m.deliver.lowest_unsettled = how & 32 ? number + how / 64 : 0;
		f->m.deliver.outcomes_heard = how & 64 ? how & 3 : 0;
		f->m.deliver.stanza.data = f->bytes;
		f->m.deliver.stanza.len = how & 16 ? how : 10;
		f->m.deliver.stanza.len = f->m.deliver.stanza.len < sizeof(f->bytes) ? f->m.deliver.stanza.len : 0;
		break;
		BODY(ATTEMPTED, attempted, attempted);
		f->m.attempted.seqs = f->seqs;
		f->m.attempted.n_seqs = how % 3;
		break;
		BODY(ATTEMPTED_ACK, attempted_ack, ack);
		f->m.ack.seqs = f->m.ack.refused = f->seqs;
		f->m.ack.n_seqs = how % 3;
		f->m.ack.n_refused = how / 3 % 3;
		break;
		BODY(SETTLED, settled, settled);
		f->m.settled.outcomes = f->outcomes;
		f->m.settled.n_outcomes = how / 7 % 3;
		break;
		BODY(WITHDRAW, withdraw, withdraw);
		f->m.withdraw.seq = number;
		break;
	default:
		break;
	}
}

static void make_other(struct made *f, uint64_t number, uint8_t how)
{
	switch (f->frame.body_case) {
		BODY(REQUEST, request, request);
		f->m.request.id = number;
		f->m.request.verb = f->text;
		break;
		BODY(REPLY, reply, reply);
		f->m.reply.id = number;
		f->m.reply.status = (Xfed__Status)(how % 6);
		f->m.reply.reason = f->text;
		break;
		BODY(COUNTERS, counters, counters);
		f->m.counters.more = how & 1;
		break;
		BODY(POLICY_BEGIN, policy_begin, begin);
		f->m.begin.revision = how & 2 ? &f->revision : NULL;
		f->m.begin.total_bytes = how & 4 ? UINT32_MAX >> how / 8 : number;
		break;
		BODY(POLICY_PART, policy_part, part);
		f->m.part.offset = (uint32_t)number;
		f->m.part.data.data = f->bytes;
		f->m.part.data.len = how % sizeof(f->bytes);
		break;
		BODY(POLICY_COMMIT, policy_commit, commit);
		f->m.commit.hash = f->revision.hash;
		break;
		BODY(POLICY_RESULT, policy_result, result);
		f->m.result.revision = how & 2 ? &f->revision : NULL;
		f->m.result.text = f->text;
		break;
		BODY(STREAM_EVENT, stream_event, stream);
		f->m.stream.change = (Xfed__StreamChange)(how % 6);
		f->m.stream.stream = number;
		f->m.stream.cipher = f->text;
		break;
		BODY(FAILURE_EVENT, failure_event, failure);
		f->m.failure.direction = (Xfed__Direction)(how % 4);
		f->m.failure.reason = f->text;
		break;
		BODY(DRAIN, drain, drain);
		f->m.drain.grace_ms = (uint32_t)number;
		break;
		BODY(CLOSE, close, close);
		f->m.close.reason = f->text;
		break;
	default:
		break;
	}
}

static const Xfed__Frame *make(struct world *w, struct made *f)
{
	uint8_t what = byte(w), number = byte(w), how = byte(w);
	xfed__frame__init(&f->frame);
	f->frame.body_case = (Xfed__Frame__BodyCase)(1 + what % 20);
	make_lists(f, number, how);
	make_delivery(f, number, how);
	make_other(f, number, how);
	return &f->frame;
}

/* Kind and number: what the driver of the other end has to get. What a session fills in, or leaves out, is not part of it. */
static uint64_t mark_of(const Xfed__Frame *f)
{
	uint64_t n = 0;
	switch (f->body_case) {
	case XFED__FRAME__BODY_DELIVER:
		n = f->deliver->seq << 16 | f->deliver->stanza.len;
		break;
	case XFED__FRAME__BODY_ATTEMPTED:
		n = f->attempted->n_seqs > 0 ? f->attempted->seqs[0] << 16 | f->attempted->n_seqs : 0;
		break;
	case XFED__FRAME__BODY_ATTEMPTED_ACK:
		n = f->attempted_ack->n_seqs << 16 | f->attempted_ack->n_refused;
		break;
	case XFED__FRAME__BODY_SETTLED:
		n = f->settled->n_outcomes > 0 ? f->settled->outcomes[0]->seq << 16 | f->settled->n_outcomes : 0;
		break;
	case XFED__FRAME__BODY_WITHDRAW:
		n = f->withdraw->seq;
		break;
	case XFED__FRAME__BODY_REQUEST:
		n = f->request->id;
		break;
	case XFED__FRAME__BODY_REPLY:
		n = f->reply->id;
		break;
	case XFED__FRAME__BODY_POLICY_PART:
		n = (uint64_t)f->policy_part->offset << 20 | f->policy_part->data.len;
		break;
	case XFED__FRAME__BODY_STREAM_EVENT:
		n = f->stream_event->stream << 8 | f->stream_event->change;
		break;
	case XFED__FRAME__BODY_DRAIN:
		n = f->drain->grace_ms;
		break;
	default:
		break;
	}
	return n << 8 | (unsigned)f->body_case;
}

static bool is_kept(Xfed__Frame__BodyCase body)
{
	return body == XFED__FRAME__BODY_HELLO || body == XFED__FRAME__BODY_PONG || body == XFED__FRAME__BODY_CREDIT ||
	       body == XFED__FRAME__BODY_CLOSE;
}

/* ---- the driver of an end ---- */

static void take_policy(struct end *e, const Xfed__Frame *f)
{
	enum proto_transfer_result r = proto_transfer_take(&e->in, f);
	MUST(e->in.size <= POLICY || !e->w->is_honest);
	if (r == PROTO_TRANSFER_COMPLETE) {
		MUST(e->in.total == e->in.have && (!e->w->is_honest || (e->in.total == POLICY && memcmp(e->in.bytes, policy, POLICY) == 0)));
	}
	if (r != PROTO_TRANSFER_MORE) {
		proto_transfer_in_deinit(&e->in);
	}
}

static void on_message(struct end *e, const Xfed__Frame *f, size_t bytes)
{
	MUST(e->is_up && !proto_check(f) && !is_kept(f->body_case) && proto_check_sender(e->peer->role, f->body_case));
	if (f->body_case == XFED__FRAME__BODY_PING) {
		return;
	}
	e->given++;
	e->given_mark = mark_of(f);
	if (e->w->is_honest) {
		MUST(e->got < e->peer->sent_count && e->peer->sent[e->got++] == e->given_mark);
	}
	if (f->body_case == XFED__FRAME__BODY_DELIVER) {
		e->messages++;
		e->bytes += bytes;
		MUST(e->messages <= e->granted_messages && e->bytes <= e->granted_bytes);
	} else if (f->body_case == XFED__FRAME__BODY_POLICY_BEGIN || f->body_case == XFED__FRAME__BODY_POLICY_PART ||
		   f->body_case == XFED__FRAME__BODY_POLICY_COMMIT) {
		take_policy(e, f);
	}
}

static void on_down(struct end *e, const struct proto_action *act)
{
	e->is_down = true;
	MUST(act->reason != XFED_REASON_NONE && act->text);
	MUST(!e->w->is_honest || act->reason != XFED_REASON_CHANNEL_FRAME_BAD);
}

static void drain(struct end *e)
{
	struct proto_action act;
	uint64_t seq;
	while (proto_session_next(e->s, &act)) {
		MUST(!e->is_down && !e->has_job);
		switch (act.type) {
		case PROTO_ACT_JOB:
			MUST(e->w->is_tls && !e->is_up);
			e->has_job = true;
			e->has_run = false;
			break;
		case PROTO_ACT_UP:
			MUST(!e->is_up && proto_session_is_up(e->s) && proto_session_peer(e->s)->boot_nonce != 0);
			e->is_up = true;
			break;
		case PROTO_ACT_MESSAGE:
			on_message(e, act.frame, act.frame_bytes);
			break;
		case PROTO_ACT_CREDIT:
			MUST(e->is_up && proto_session_taken(e->s) <= e->sent_count);
			break;
		case PROTO_ACT_DOWN:
			on_down(e, &act);
			break;
		}
	}
	while (proto_session_next_heard(e->s, &seq)) {
		MUST(seq != 0);
	}
	MUST(e->is_up || !proto_session_peer(e->s));
	MUST(proto_session_is_up(e->s) == (e->is_up && !e->is_down));
	MUST(proto_session_job_running(e->s) == e->has_job);
	MUST(proto_session_output_bytes(e->s) <= 2 * PROTO_OUTPUT_BYTES);
	MUST(!e->has_job || xfed_buf_len(proto_session_output(e->s)) == 0);
}

/* What it has to say goes on the wire. */
static void flush(struct end *e)
{
	struct xfed_buf *out;
	do {
		proto_session_flush(e->s, e->w->now);
		out = proto_session_output(e->s);
		MUST(xfed_buf_append(&e->wire, xfed_buf_span(out)) == XFED_OK);
		xfed_buf_consume(out, xfed_buf_len(out));
	} while (proto_session_output_bytes(e->s) > 0 && xfed_buf_len(proto_session_output(e->s)) > 0);
}

static void step(struct end *e, struct proto_event *ev)
{
	MUST(proto_session_step(e->s, ev, e->w->now) == XFED_OK);
	drain(e);
}

/* ---- the wire ---- */

/* Follows the frames that come in, so that one that is made up can be put between two. */
static void count_in(struct end *e, struct xfed_span in)
{
	for (size_t i = 0; i < in.len;) {
		if (e->body_left > 0) {
			size_t n = in.len - i < e->body_left ? in.len - i : e->body_left;
			e->body_left -= n;
			i += n;
			continue;
		}
		e->head[e->head_len++] = (uint8_t)in.data[i++];
		if (e->head_len == 4) {
			e->body_left = (size_t)e->head[0] << 24 | (size_t)e->head[1] << 16 | (size_t)e->head[2] << 8 | e->head[3];
			e->head_len = 0;
		}
	}
}

/* The bytes that are taken; what is not waits with whoever offers it. */
static size_t offer(struct end *e, struct xfed_span in)
{
	struct proto_event ev = { .type = PROTO_EV_BYTES, .bytes = in };
	size_t taken = 0;
	do {
		step(e, &ev);
		MUST(ev.consumed <= ev.bytes.len);
		taken += ev.consumed;
		ev.bytes = xfed_span_make(in.data + taken, in.len - taken);
	} while (ev.consumed > 0 && ev.bytes.len > 0);
	MUST(taken == in.len || e->has_job || e->w->is_tls);
	count_in(e, xfed_span_make(in.data, taken));
	return taken;
}

static void move(struct end *from, uint8_t how)
{
	struct xfed_span in = xfed_buf_span(&from->wire);
	size_t most = how & 128 ? in.len : how;
	in.len = in.len < most ? in.len : most;
	size_t keep = in.len < sizeof(from->last) ? in.len : sizeof(from->last);
	if (keep > 0) {
		memcpy(from->last, in.data, keep);
		from->last_len = keep;
	}
	xfed_buf_consume(&from->wire, offer(from->peer, in));
}

/* Once again, or with one bit another. */
static void meddle(struct end *from, uint8_t how)
{
	from->w->is_honest = false;
	if (how & 1 && from->last_len > 0) {
		from->last[how / 2 % from->last_len] ^= (char)(1 << how % 8);
	}
	(void)offer(from->peer, xfed_span_make(from->last, from->last_len));
}

/* What has to become of a frame that comes whole, where `e` has read everything before it. */
static void expect(struct end *e, const Xfed__Frame *f, size_t bytes, bool was_up)
{
	uint32_t in_messages, out_messages;
	uint64_t in_bytes, out_bytes;
	bool is_legal = !proto_check(f), is_close = f->body_case == XFED__FRAME__BODY_CLOSE;
	proto_session_credit(e->s, &in_messages, &in_bytes, &out_messages, &out_bytes);
	bool is_covered = f->body_case != XFED__FRAME__BODY_DELIVER || (in_messages > 0 && in_bytes >= bytes);
	bool may_come =
		was_up && is_legal && f->body_case != XFED__FRAME__BODY_HELLO && proto_check_sender(e->peer->role, f->body_case) && is_covered;
	size_t given = e->given;
	struct xfed_buf packed;
	xfed_buf_init(&packed, 1 << 20);
	MUST(proto_frame_write(&packed, f) == XFED_OK);
	(void)offer(e, xfed_buf_span(&packed));
	xfed_buf_deinit(&packed);
	if (is_close || (!was_up && f->body_case != XFED__FRAME__BODY_HELLO) || (was_up && !may_come)) {
		MUST(e->is_down && e->given == given);
	} else if (!was_up) {
		MUST(e->is_up || e->is_down);
	} else if (!is_kept(f->body_case) && f->body_case != XFED__FRAME__BODY_PING) {
		MUST(e->is_down || (e->given == given + 1 && e->given_mark == mark_of(f)));
	}
}

static void inject(struct world *w, struct end *e)
{
	struct made made;
	size_t bytes;
	const Xfed__Frame *f = make(w, &made);
	if (w->is_tls || e->is_down || proto_frame_measure(f, &bytes) != XFED_OK) {
		return;
	}
	if (e->head_len > 0 || e->body_left > 0) {
		move(e->peer, 255); /* up to where a frame ends, as far as there is one */
	}
	if (!e->is_down && e->head_len == 0 && e->body_left == 0) {
		w->is_honest = false;
		expect(e, f, bytes, e->is_up);
	}
}

/* ---- what an end does ---- */

static void note_sent(struct end *e, int rc, const Xfed__Frame *f)
{
	MUST(rc == XFED_OK || rc == XFED_ERR_AGAIN || rc == XFED_ERR_LIMIT || rc == XFED_ERR_STATE || rc == XFED_ERR_INVALID);
	MUST((rc == XFED_ERR_STATE) == !(e->is_up && !e->is_down));
	if (rc == XFED_OK) {
		MUST(proto_check_sender(e->role, f->body_case) && !is_kept(f->body_case) && f->body_case != XFED__FRAME__BODY_PING);
		MUST(e->sent_count < SENT_MAX);
		e->sent[e->sent_count++] = mark_of(f);
	}
}

static int send_as(struct end *e, const Xfed__Frame *f, bool is_named)
{
	switch (is_named ? f->body_case : XFED__FRAME__BODY__NOT_SET) {
	case XFED__FRAME__BODY_DELIVER:
		return proto_session_deliver(e->s, f->deliver);
	case XFED__FRAME__BODY_WITHDRAW:
		return proto_session_withdraw(e->s, f->withdraw->seq);
	default:
		return proto_session_send(e->s, f);
	}
}

static void say(struct world *w, struct end *e)
{
	struct made made;
	const Xfed__Frame *f = make(w, &made);
	uint32_t in_messages, before, after;
	uint64_t in_bytes, bytes_before, bytes_after;
	/* A count of outcomes is the session's to fill in. */
	if (f->body_case == XFED__FRAME__BODY_DELIVER) {
		made.m.deliver.outcomes_heard = 0;
	}
	proto_session_credit(e->s, &in_messages, &in_bytes, &before, &bytes_before);
	int rc = send_as(e, f, made.seqs[0] & 1);
	proto_session_credit(e->s, &in_messages, &in_bytes, &after, &bytes_after);
	note_sent(e, rc, f);
	bool is_delivered = rc == XFED_OK && f->body_case == XFED__FRAME__BODY_DELIVER;
	MUST(is_delivered ? after == before - 1 && bytes_after < bytes_before : after == before && bytes_after == bytes_before);
	drain(e);
}

static void pump_policy(struct end *e, uint8_t how)
{
	struct proto_revision revision = { .epoch = 1, .counter = how };
	size_t offset = e->out.offset;
	bool done = false;
	if (e->out.state == PROTO_TRANSFER_IDLE) {
		memcpy(revision.hash, policy_hash, sizeof(revision.hash));
		MUST(proto_transfer_start(&e->out, &revision, xfed_span_make(policy, POLICY)) == XFED_OK);
		return;
	}
	static const Xfed__Frame__BodyCase bodies[] = { [PROTO_TRANSFER_BEGIN] = XFED__FRAME__BODY_POLICY_BEGIN,
		[PROTO_TRANSFER_PARTS] = XFED__FRAME__BODY_POLICY_PART,
		[PROTO_TRANSFER_COMMIT] = XFED__FRAME__BODY_POLICY_COMMIT };
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__PolicyPart part = XFED__POLICY_PART__INIT;
	f.body_case = bodies[e->out.state];
	f.policy_part = &part;
	int rc = proto_transfer_pump(&e->out, e->s, &done);
	part.offset = (uint32_t)offset;
	part.data.len = e->out.offset - offset;
	note_sent(e, rc, &f);
	MUST(rc != XFED_ERR_INVALID || e->role != XFED__ROLE__ROLE_GATEWAY);
}

static void grant(struct end *e, uint8_t how)
{
	uint64_t bytes = 100 * (uint64_t)(how / 16);
	if (e->granted_messages < 100000) {
		e->granted_messages += how % 16;
		e->granted_bytes += bytes;
		proto_session_grant(e->s, how % 16, bytes);
	}
	if (e->took < e->messages) {
		e->took++;
		proto_session_took(e->s);
	}
	proto_session_set_lowest(e->s, how);
}

static void run_job(struct end *e)
{
	struct proto_event ev = { .type = PROTO_EV_JOB_DONE };
	if (e->has_job && !e->has_run) {
		proto_session_job_run(e->s);
		e->has_run = true;
	} else if (e->has_job) {
		e->has_job = false;
		step(e, &ev);
	}
}

static void tick(struct end *e)
{
	struct proto_event ev = { .type = PROTO_EV_TICK };
	bool was_due = proto_session_deadline(e->s) <= e->w->now;
	step(e, &ev);
	MUST(!was_due || proto_session_deadline(e->s) > e->w->now);
}

static void pass(struct world *w, uint8_t how)
{
	w->now += how < 128 ? how : 200 * (uint64_t)(how - 127);
	for (int i = 0; i < 2; i++) {
		if (how & 1 || proto_session_deadline(w->ends[i].s) <= w->now) {
			tick(&w->ends[i]);
		}
	}
}

static void of_socket(struct end *e, uint8_t how)
{
	struct proto_event ev = {
		.type = how & 1 ? PROTO_EV_EOF : PROTO_EV_CLOSE, .reason = XFED_REASON_CHANNEL_REPLACED, .text = how & 2 ? "a newer link" : NULL
	};
	if (how % 16 == 15) { /* the judgement of a certificate, in any state */
		int64_t due_s;
		static const char *const allow[] = { "gw.example" };
		const char *problem = proto_session_judge_again(e->s, creds, allow, 1, 1800000000 + how, &due_s);
		MUST(!problem || e->w->is_tls);
		return;
	}
	step(e, &ev);
	if (how & 1) {
		xfed_buf_clear(&e->peer->wire);
	}
}

static void run_one(struct world *w)
{
	uint8_t what = byte(w), how;
	struct end *e = &w->ends[what & 1];
	switch (what / 2 % 16) {
	case 0:
	case 1:
	case 2:
		move(e, byte(w));
		break;
	case 3:
	case 4:
	case 5:
		say(w, e);
		break;
	case 6:
	case 7:
		inject(w, e);
		break;
	case 8:
		meddle(e, byte(w));
		break;
	case 9:
	case 10:
		grant(e, byte(w));
		break;
	case 11:
		pass(w, byte(w));
		break;
	case 12:
		how = byte(w);
		of_socket(e, how);
		break;
	case 13:
	case 14:
		run_job(e);
		break;
	case 15:
		pump_policy(e, byte(w));
		break;
	}
	if (!(what & 64)) {
		flush(e);
	}
}

/* ---- the whole ---- */

static void begin(struct world *w, int i)
{
	static const char *const allow[] = { "link.example" };
	struct end *e = &w->ends[i];
	struct proto_session_config cfg = { .env = &env,
		.role = i ? PROTO_GATEWAY : PROTO_EDGE,
		.creds = w->is_tls ? creds : NULL,
		.host = XFED_SPAN("link.example"),
		.allow = allow,
		.allow_count = 1,
		.plaintext_for_tests = !w->is_tls,
		.hello = { .name = XFED_SPAN("name"), .boot_nonce = 1 + (unsigned)i } };
	e->w = w;
	e->peer = &w->ends[!i];
	e->role = i ? XFED__ROLE__ROLE_GATEWAY : XFED__ROLE__ROLE_EDGE;
	xfed_buf_init(&e->wire, 64 << 20);
	MUST(proto_session_new(&cfg, w->now, &e->s) == XFED_OK);
	drain(e);
	flush(e);
}

static void finish(struct end *e)
{
	struct proto_action act;
	struct proto_event ev = { .type = PROTO_EV_CLOSE, .reason = XFED_REASON_CHANNEL_DOWN };
	(void)proto_session_step(e->s, &ev, e->w->now);
	while (e->has_job) {
		run_job(e);
	}
	drain(e);
	MUST(e->is_down && !proto_session_next(e->s, &act) && proto_session_deadline(e->s) == UINT64_MAX);
	proto_session_free(e->s);
	proto_transfer_in_deinit(&e->in);
	xfed_buf_deinit(&e->wire);
}

static void start(void)
{
	struct xfed_tls_keypair pair = { XFED_SPAN(FUZZ_CHANNEL_CERTIFICATE), XFED_SPAN(FUZZ_CHANNEL_KEY) };
	struct xfed_tls_creds_config cfg = { &pair, 1, XFED_SPAN(FUZZ_CHANNEL_CA), { NULL, 0 } };
	char error[200];
	MUST(xfed_tls_global_init(&env) == XFED_OK && xfed_tls_creds_new(&cfg, &creds, error, sizeof(error)) == XFED_OK);
	for (size_t i = 0; i < POLICY; i++) {
		policy[i] = (char)(i * 7 + i / 256);
	}
	MUST(proto_transfer_hash(xfed_span_make(policy, POLICY), policy_hash) == XFED_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	if (!creds) {
		start();
	}
	memset(&w, 0, sizeof(w));
	w.at = data;
	w.end = data + (size < 2000 ? size : 2000);
	w.now = 1000;
	w.is_honest = true;
	w.is_tls = byte(&w) & 1;
	begin(&w, 0);
	begin(&w, 1);
	while (w.at < w.end) {
		run_one(&w);
	}
	finish(&w.ends[0]);
	finish(&w.ends[1]);
	return 0;
}
