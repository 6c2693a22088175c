#include "sip_conn.h"

#include <stdio.h>
#include <utlist.h>

#define LINGER_MS 2000

static const struct rt_stream_handlers handlers;

static void conn_close(struct sip_conn *c, enum xfed_reason reason, const char *text);

/* ---- tables ---- */

static void write_key(const struct sip_target *t, char *out, size_t size)
{
	snprintf(out, size, "%d|%s|%u|%s", (int)t->transport, t->ip, t->port, t->tls_name);
}

struct sip_conn *sip_conn_find(const struct sip_io *io, uint64_t id)
{
	struct sip_conn *c = NULL;
	HASH_FIND(hh, io->conns, &id, sizeof(id), c);
	return c && !c->is_dying ? c : NULL;
}

struct sip_conn *sip_conn_to(const struct sip_io *io, const struct sip_target *t)
{
	char key[sizeof(((struct sip_conn *)0)->key)];
	struct sip_conn *c = NULL;
	write_key(t, key, sizeof(key));
	HASH_FIND(hh_target, io->targets, key, strlen(key), c);
	return c;
}

/* No more is sent on it. */
static void leave_targets(struct sip_conn *c)
{
	if (c->key[0]) {
		HASH_DELETE(hh_target, c->io->targets, c);
		c->key[0] = '\0';
	}
}

static void conn_free(struct sip_conn *c)
{
	while (c->waiting) {
		struct sip_conn_waiting *w = c->waiting;
		DL_DELETE(c->waiting, w);
		xfed_free(w);
	}
	xfed_tls_free(c->tls);
	sip_framer_deinit(&c->framer);
	rt_timer_close(&c->timer);
	xfed_free(c);
}

static void leave_tables(struct sip_conn *c)
{
	leave_targets(c);
	HASH_DELETE(hh, c->io->conns, c);
	c->io->conn_count--;
	c->io->incoming -= !c->is_client;
	rt_post_cancel(&c->closing);
}

/* ---- closing ---- */

static void log_closed(const struct sip_conn *c, enum xfed_reason reason, const char *text)
{
	char error[128];
	snprintf(error, sizeof(error), "%s", c->stream ? rt_stream_error_text(c->stream) : "");
	rt_log(reason == XFED_REASON_NONE ? RT_LOG_INFO : RT_LOG_WARNING, "sip.closed", RT_KV_STR("transport", sip_transport_name(c->transport)),
		RT_KV_STR("direction", c->is_client ? "out" : "in"), RT_KV_STR("address", c->info.peer_ip), RT_KV_U64("port", c->info.peer_port),
		RT_KV_U64("flow", c->id), RT_KV_REASON(reason), RT_KV_STR("text", text && *text ? text : error[0] ? error : NULL), RT_END);
}

/* What waited was never written. */
static void fail_waiting(struct gateway *g, struct sip_conn_waiting *list)
{
	while (list) {
		struct sip_conn_waiting *w = list;
		DL_DELETE(list, w);
		if (w->txn != 0) {
			gateway_sip_event(g, &(struct sip_layer_event){ .kind = SIP_LAYER_SEND_FAILED, .txn = w->txn });
		}
		xfed_free(w);
	}
}

/* Only from the loop's callbacks, never while the layer is driven: its events drive it. */
static void conn_close(struct sip_conn *c, enum xfed_reason reason, const char *text)
{
	struct gateway *g = c->gw;
	uint64_t id = c->id;
	if (c->is_closed) {
		return;
	}
	c->is_closed = c->is_dying = true;
	log_closed(c, reason, text);
	leave_tables(c);
	if (c->is_open) {
		rt_stream_linger(c->stream, LINGER_MS);
	} else {
		rt_stream_close(c->stream);
	}
	c->stream = NULL;
	rt_timer_set(&c->timer, 0);
	struct sip_conn_waiting *waiting = c->waiting;
	c->waiting = NULL;
	if (!c->job_running) { /* else when the job comes back */
		conn_free(c);
	}
	fail_waiting(g, waiting);
	gateway_sip_event(g, &(struct sip_layer_event){ .kind = SIP_LAYER_FLOW_CLOSED, .flow_id = id });
}

static void on_closing(void *arg)
{
	struct sip_conn *c = arg;
	conn_close(c, c->close_reason, c->close_text);
}

static void close_later(struct sip_conn *c, enum xfed_reason reason, const char *text)
{
	if (!c->is_dying) {
		c->is_dying = true;
		c->close_reason = reason;
		c->close_text = text;
		leave_targets(c);
		rt_post_schedule(&c->closing);
	}
}

void sip_conn_close_later(struct sip_conn *c, const char *text)
{
	close_later(c, XFED_REASON_NONE, text);
}

/* ---- writing ---- */

static bool move_ciphertext(struct sip_conn *c)
{
	struct xfed_buf *from = xfed_tls_output(c->tls);
	if (xfed_buf_len(from) == 0) {
		return true;
	}
	if (xfed_buf_append(rt_stream_out(c->stream), xfed_buf_span(from)) != XFED_OK) {
		return false;
	}
	xfed_buf_consume(from, xfed_buf_len(from));
	rt_stream_kick(c->stream);
	return true;
}

static bool write_out(struct sip_conn *c, struct xfed_span bytes)
{
	c->used_ms = gateway_now(c->gw);
	if (c->tls) {
		return xfed_tls_write(c->tls, bytes) == XFED_OK && move_ciphertext(c);
	}
	if (xfed_buf_append(rt_stream_out(c->stream), bytes) != XFED_OK) {
		return false;
	}
	rt_stream_kick(c->stream);
	return true;
}

static enum xfed_err keep_waiting(struct sip_conn *c, struct xfed_span bytes, uint64_t txn)
{
	struct sip_conn_waiting *w = c->waiting_bytes + bytes.len <= SIP_CONN_WAITING_BYTES ? xfed_malloc(sizeof(*w) + bytes.len) : NULL;
	if (!w) {
		return XFED_ERR_LIMIT;
	}
	w->txn = txn;
	w->len = bytes.len;
	memcpy(w->bytes, bytes.data, bytes.len);
	DL_APPEND(c->waiting, w);
	c->waiting_bytes += bytes.len;
	return XFED_OK;
}

enum sip_io_sent sip_conn_send(struct sip_conn *c, struct xfed_span bytes, uint64_t txn)
{
	if (!c->is_open) {
		return keep_waiting(c, bytes, txn) == XFED_OK ? SIP_IO_WAITS : SIP_IO_FAILED;
	}
	if (!write_out(c, bytes)) {
		sip_conn_close_later(c, "the peer does not read");
		return SIP_IO_FAILED;
	}
	return SIP_IO_SENT;
}

/* In the order it came: while this runs new messages still go to the end of what waits. */
static void become_open(struct sip_conn *c)
{
	while (c->waiting && !c->is_dying) {
		struct sip_conn_waiting *w = c->waiting;
		if (!write_out(c, xfed_span_make(w->bytes, w->len))) {
			sip_conn_close_later(c, "out of memory");
			return; /* closing fails what still waits */
		}
		DL_DELETE(c->waiting, w);
		c->waiting_bytes -= w->len;
		if (w->txn != 0) {
			gateway_sip_event(c->gw, &(struct sip_layer_event){ .kind = SIP_LAYER_SENT, .txn = w->txn, .flow_id = c->id });
		}
		xfed_free(w);
	}
	c->is_open = true;
}

/* ---- reading ---- */

/* Nothing a stranger does keeps its connection. */
static uint64_t end_of_stranger(const struct sip_conn *c)
{
	return c->info.is_known ? UINT64_MAX : c->opened_ms + XFED_SIP_UNPROVED_MS;
}

static void rearm(struct sip_conn *c)
{
	uint64_t now = gateway_now(c->gw);
	bool is_partial = sip_framer_is_partial(&c->framer);
	c->partial_ms = !is_partial ? 0 : c->partial_ms ? c->partial_ms : now;
	uint64_t at = is_partial ? c->partial_ms + SIP_CONN_SLOW_MS : c->used_ms + SIP_CONN_IDLE_MS, end = end_of_stranger(c);
	rt_timer_set(&c->timer, at < end ? at : end);
}

static void on_timer(void *user)
{
	struct sip_conn *c = user;
	uint64_t now = gateway_now(c->gw);
	if (!c->is_open) {
		conn_close(c, XFED_REASON_TLS_HANDSHAKE_FAILED, "no handshake in time");
	} else if (now >= end_of_stranger(c)) {
		conn_close(c, XFED_REASON_SIP_SENDER_UNTRUSTED, "has not shown that it may send");
	} else if (c->partial_ms && now - c->partial_ms >= SIP_CONN_SLOW_MS) {
		conn_close(c, XFED_REASON_SIP_REQUEST_MALFORMED, "the rest of a message did not come");
	} else if (!c->partial_ms && now - c->used_ms >= SIP_CONN_IDLE_MS) {
		conn_close(c, XFED_REASON_NONE, "idle");
	} else {
		rearm(c);
	}
}

static void take_frames(struct sip_conn *c)
{
	for (;;) {
		struct sip_frame f = sip_framer_next(&c->framer);
		switch (f.kind) {
		case SIP_FRAME_MORE:
			return;
		case SIP_FRAME_MESSAGE:
			c->used_ms = gateway_now(c->gw);
			c->partial_ms = 0;
			gateway_sip_receive(c->gw, &c->info, f.bytes);
			break;
		case SIP_FRAME_PING:
			c->used_ms = gateway_now(c->gw);
			write_out(c, XFED_SPAN("\r\n"));
			break;
		case SIP_FRAME_ERROR:
			if (f.bytes.len > 0) {
				gateway_sip_receive(c->gw, &c->info, f.bytes);
			}
			sip_conn_close_later(c, f.note);
			return;
		}
		if (c->is_dying) {
			return;
		}
	}
}

static void take_plaintext(struct sip_conn *c, struct xfed_span in)
{
	while (in.len > 0 && !c->is_dying) {
		size_t taken = 0;
		if (sip_framer_feed(&c->framer, in, &taken) != XFED_OK) {
			sip_conn_close_later(c, "out of memory");
			return;
		}
		in = xfed_span_make(in.data + taken, in.len - taken);
		take_frames(c);
	}
}

static void read_tls(struct sip_conn *c)
{
	char plain[16384];
	size_t len;
	while (!c->is_dying) {
		switch (xfed_tls_read(c->tls, plain, sizeof(plain), &len)) {
		case XFED_TLS_DONE:
			take_plaintext(c, xfed_span_make(plain, len));
			break;
		case XFED_TLS_WANT_INPUT:
			move_ciphertext(c);
			return;
		case XFED_TLS_CLOSED:
			sip_conn_close_later(c, "");
			return;
		case XFED_TLS_FAILED:
			sip_conn_close_later(c, xfed_tls_error_text(c->tls));
			return;
		}
	}
}

/* ---- the TLS handshake ---- */

static void log_open(const struct sip_conn *c)
{
	const struct xfed_cert_facts *f = c->tls && c->facts.peer ? xfed_cert_facts(c->facts.peer) : NULL;
	rt_log(RT_LOG_INFO, "sip.open", RT_KV_STR("transport", sip_transport_name(c->transport)), RT_KV_STR("direction", c->is_client ? "out" : "in"),
		RT_KV_STR("address", c->info.peer_ip), RT_KV_U64("port", c->info.peer_port), RT_KV_STR("tls", c->tls ? c->facts.version : NULL),
		RT_KV_STR("certificate", f ? f->sha256_hex : NULL), RT_KV_STR("certificate_name", f && f->name_count > 0 ? f->names[0] : NULL),
		RT_KV_STR("certificate_problem", c->tls ? rt_log_reason_word(c->facts.chain_reason) : NULL), RT_KV_U64("flow", c->id), RT_END);
}

/* Whether anything may be sent to its address but on this connection: asked when all of the peer is known. */
static void judge_peer(struct sip_conn *c)
{
	struct trust_peer peer = {
		.transport = c->transport, .address = *rt_stream_peer(c->stream), .cert = c->facts.peer, .chain_reason = c->facts.chain_reason
	};
	c->info.is_known = c->is_client || trust_may_send(&c->gw->files.config->senders, &peer);
	if (c->info.is_known) {
		rt_sources_give_back(rt_stream_place(c->stream));
	}
}

/* Why a SIP server we called is not the one that was meant; of a connection that came in each request is judged by itself. */
static enum xfed_reason server_problem(const struct sip_conn *c)
{
	struct trust_peer server = { .transport = SIP_TLS, .cert = c->facts.peer, .chain_reason = c->facts.chain_reason };
	return c->is_client ? trust_server(&server, xfed_span_str(c->target.tls_name)) : XFED_REASON_NONE;
}

/* By what is trusted now, which may be more or less than at the handshake. */
static void judge_chain(struct sip_conn *c)
{
	c->facts.chain_reason = xfed_tls_judge_again(c->tls, c->gw->files.sip_creds, gateway_wall_s(c->gw));
	gateway_certs_due(c->gw, xfed_tls_judge_due_s(c->tls));
}

void sip_io_judge_certs(struct sip_io *io)
{
	struct sip_conn *c, *next;
	HASH_ITER(hh, io->conns, c, next) {
		if (!c->is_open || c->is_dying) {
			continue;
		}
		bool was_good = c->tls && c->facts.chain_reason == XFED_REASON_NONE;
		if (c->tls) {
			judge_chain(c);
		}
		judge_peer(c);
		if (was_good && c->facts.chain_reason != XFED_REASON_NONE) {
			gateway_report_refusal(c->gw, c->facts.chain_reason, XFED_SIDE_SIP);
			close_later(c, c->facts.chain_reason, "the certificate was judged again");
		}
	}
}

static void handshake_done(struct sip_conn *c)
{
	xfed_tls_facts(c->tls, &c->facts);
	judge_chain(c);
	judge_peer(c);
	enum xfed_reason reason = server_problem(c);
	if (reason != XFED_REASON_NONE) {
		gateway_report_refusal(c->gw, reason, XFED_SIDE_SIP);
		conn_close(c, reason, "the certificate of the SIP server");
		return;
	}
	log_open(c);
	rt_metric_add(c->gw->metrics, RT_M_TLS, 1, RT_LABELS(xfed_span_str(c->facts.version), xfed_span_str(c->facts.cipher)));
	move_ciphertext(c);
	become_open(c);
	read_tls(c);
	rearm(c);
	rt_stream_resume(c->stream);
}

static void run_job(void *arg)
{
	struct sip_conn *c = arg;
	c->job_result = xfed_tls_handshake_step(c->tls);
}

static void job_done(void *arg)
{
	struct sip_conn *c = arg;
	c->job_running = false;
	if (c->is_closed) {
		conn_free(c);
		return;
	}
	switch (c->job_result) {
	case XFED_TLS_DONE:
		handshake_done(c);
		break;
	case XFED_TLS_WANT_INPUT:
		move_ciphertext(c);
		rt_stream_resume(c->stream);
		break;
	case XFED_TLS_CLOSED:
	case XFED_TLS_FAILED:
		move_ciphertext(c); /* an alert says why */
		c->is_open = true;  /* so that it is written before the connection goes */
		gateway_report_refusal(c->gw, xfed_tls_reason(c->tls), XFED_SIDE_SIP);
		conn_close(c, xfed_tls_reason(c->tls), xfed_tls_error_text(c->tls));
		break;
	}
}

static void start_job(struct sip_conn *c)
{
	c->job_running = true;
	if (rt_job_submit(c->gw->loop, run_job, job_done, c) != XFED_OK) {
		run_job(c);
		XFED_REQUIRE(rt_loop_post(c->gw->loop, job_done, c) == XFED_OK);
	}
}

static int make_tls(struct sip_conn *c)
{
	struct xfed_span name = xfed_span_str(c->target.tls_name);
	bool is_name = c->is_client && name.len > 0 && !sip_host_is_address(name);
	struct xfed_tls_params params = {
		.role = c->is_client ? XFED_TLS_CLIENT : XFED_TLS_SERVER,
		.name = is_name ? name : XFED_SPAN(""),
		.local_name = XFED_SPAN(""),
		.alpn = XFED_SPAN(""),
	};
	struct xfed_tls_creds *creds = c->gw->files.sip_creds;
	return creds ? xfed_tls_new(&c->gw->env, creds, &params, &c->tls) : XFED_ERR_STATE;
}

/* ---- the stream ---- */

static size_t on_bytes(void *user, struct xfed_span in)
{
	struct sip_conn *c = user;
	if (c->is_dying) {
		return in.len;
	}
	if (!c->tls) {
		take_plaintext(c, in);
		rearm(c);
		return in.len;
	}
	if (c->job_running) {
		return 0; /* the session is the job's: job_done() resumes */
	}
	size_t room = xfed_tls_input_room(c->tls), len = in.len < room ? in.len : room;
	if (xfed_tls_input(c->tls, xfed_span_make(in.data, len)) != XFED_OK) {
		sip_conn_close_later(c, "out of memory");
		return in.len;
	}
	if (!c->is_open) {
		start_job(c);
		return len;
	}
	read_tls(c);
	rearm(c);
	if (len < in.len && !c->is_dying) {
		rt_stream_resume(c->stream);
	}
	return len;
}

static void on_eof(void *user)
{
	conn_close(user, XFED_REASON_NONE, "closed by the peer");
}

static void on_error(void *user, enum xfed_reason reason)
{
	conn_close(user, reason, NULL);
}

static void fill_info(struct sip_conn *c)
{
	char text[RT_ADDR_TEXT];
	const struct rt_addr *peer = rt_stream_peer(c->stream), *local = rt_stream_local(c->stream);
	c->info = (struct sip_flow_info){ .id = c->id, .transport = c->transport, .peer_port = rt_addr_port(peer), .local_port = rt_addr_port(local) };
	snprintf(c->info.peer_ip, sizeof(c->info.peer_ip), "%s", rt_addr_host_text(peer, text));
	snprintf(c->info.local_ip, sizeof(c->info.local_ip), "%s", local->sa.sa_family == AF_UNSPEC ? "" : rt_addr_host_text(local, text));
}

/* Connected, either way: TLS begins, or it is open. */
static void connected(struct sip_conn *c)
{
	fill_info(c);
	rt_stream_keepalive(c->stream, 120);
	c->opened_ms = c->used_ms = gateway_now(c->gw);
	if (c->transport != SIP_TLS) {
		judge_peer(c);
		log_open(c);
		become_open(c);
		rearm(c);
		return;
	}
	if (make_tls(c) != XFED_OK) {
		conn_close(c, XFED_REASON_STREAM_INTERNAL, "no TLS session");
		return;
	}
	rt_timer_set(&c->timer, c->used_ms + XFED_TLS_HANDSHAKE_MS);
	if (c->is_client) {
		start_job(c);
	}
}

static void on_connect(void *user, enum xfed_reason reason)
{
	struct sip_conn *c = user;
	if (reason != XFED_REASON_NONE) {
		conn_close(c, XFED_REASON_SIP_SERVER_UNREACHABLE, rt_stream_error_text(c->stream));
	} else {
		connected(c);
	}
}

static const struct rt_stream_handlers handlers = {
	.on_connect = on_connect, .on_bytes = on_bytes, .on_eof = on_eof, .on_error = on_error
};

/* ---- making ---- */

static struct sip_conn *conn_new(struct sip_io *io, enum sip_transport t, bool is_client)
{
	struct gateway *g = io->gw;
	struct sip_conn *c = xfed_calloc(1, sizeof(*c));
	if (!c) {
		return NULL;
	}
	c->gw = g;
	c->io = io;
	c->id = ++io->last_flow;
	c->transport = t;
	c->is_client = is_client;
	sip_framer_init(&c->framer);
	rt_post_init(&c->closing, g->loop, on_closing, c);
	if (rt_timer_init(&c->timer, g->loop, on_timer, c) != XFED_OK) {
		conn_free(c);
		return NULL;
	}
	HASH_ADD(hh, io->conns, id, sizeof(c->id), c);
	if (!XFED_TABLE_ADDED(c)) {
		conn_free(c);
		return NULL;
	}
	io->conn_count++;
	io->incoming += !is_client;
	return c;
}

void sip_conn_accept(struct sip_io *io, struct rt_stream *s, enum sip_transport t)
{
	struct sip_conn *c = sip_admit_peer(io, s) ? conn_new(io, t, false) : NULL;
	if (!c) {
		rt_stream_close(s);
		return;
	}
	c->stream = s;
	rt_stream_start(s, &handlers, c, SIP_CONN_OUT_BYTES);
	connected(c);
}

struct sip_conn *sip_conn_open(struct sip_io *io, const struct sip_target *t)
{
	struct rt_addr to;
	if (t->port == 0 || rt_addr_parse_host(&to, xfed_span_str(t->ip), t->port) != XFED_OK) {
		return NULL;
	}
	struct sip_conn *c = sip_admit_dial(io) ? conn_new(io, t->transport, true) : NULL;
	if (!c) {
		return NULL;
	}
	c->target = *t;
	c->target.flow = 0;
	snprintf(c->info.peer_ip, sizeof(c->info.peer_ip), "%s", t->ip);
	c->info.peer_port = t->port;
	write_key(t, c->key, sizeof(c->key));
	HASH_ADD_KEYPTR(hh_target, io->targets, c->key, strlen(c->key), c);
	if (!c->hh_target.tbl) {
		c->key[0] = '\0';
	}
	if (!c->key[0] || rt_stream_connect(io->gw->loop, &to, NULL, XFED_CONNECT_TIMEOUT_MS, &handlers, c, SIP_CONN_OUT_BYTES, &c->stream) != XFED_OK) {
		leave_tables(c);
		conn_free(c);
		return NULL;
	}
	return c;
}

void sip_conn_free_all(struct sip_io *io)
{
	struct sip_conn *c, *next;
	HASH_ITER(hh, io->conns, c, next) {
		leave_tables(c);
		rt_stream_close(c->stream);
		c->stream = NULL;
		c->is_closed = c->is_dying = true;
		rt_timer_close(&c->timer);
		if (!c->job_running) {
			conn_free(c);
		}
	}
}
