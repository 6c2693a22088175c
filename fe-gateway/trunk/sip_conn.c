#include "trunk/sip_conn.h"

#include <stdio.h>
#include <utlist.h>

#define LINGER_MS 2000

static const struct rt_stream_handlers handlers;

/* ---- tables ---- */

static void write_key(const struct sip_target *t, char *out, size_t size)
{
	snprintf(out, size, "%d%s|%s|%u|%s", (int)t->transport, t->is_outside ? "o" : "", t->ip, t->port, t->tls_name);
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

/* No further request is sent on it. */
static void leave_targets(struct sip_conn *c)
{
	if (c->key[0]) {
		HASH_DELETE(hh_target, c->io->targets, c);
		c->key[0] = '\0';
	}
}

void sip_conn_free(struct sip_conn *c)
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

enum xfed_side sip_conn_side(enum xfed_reason reason)
{
	enum xfed_side side = xfed_reason_info(reason)->side;
	return side == XFED_SIDE_PARTNER ? XFED_SIDE_SIP : side; /* the other end is a SIP server, not a partner */
}

static void log_closed(const struct sip_conn *c, enum xfed_reason reason, const char *text)
{
	char error[128];
	snprintf(error, sizeof(error), "%s", c->stream ? rt_stream_error_text(c->stream) : "");
	rt_log(reason == XFED_REASON_NONE ? RT_LOG_INFO : RT_LOG_WARNING, "sip.closed", RT_KV_STR("transport", sip_transport_name(c->transport)),
		RT_KV_STR("direction", c->is_client ? "out" : "in"), RT_KV_STR("address", c->info.peer_ip), RT_KV_U64("port", c->info.peer_port),
		RT_KV_U64("flow", c->id), RT_KV_REASON_SIDE(reason, sip_conn_side(reason)),
		RT_KV_STR("text", text && *text ? text
				  : error[0]	? error
						: NULL),
		RT_END);
}

/* What was waiting for the connection was not written. */
static void fail_waiting(struct trunk *t, struct sip_conn_waiting *list)
{
	while (list) {
		struct sip_conn_waiting *w = list;
		DL_DELETE(list, w);
		if (w->txn != 0) {
			trunk_event(t, &(struct sip_layer_event){ .kind = SIP_LAYER_SEND_FAILED, .txn = w->txn });
		}
		xfed_free(w);
	}
}

/* To be called from callbacks of the loop only, not while the layer's actions are performed: its events would run the layer again. */
void sip_conn_close(struct sip_conn *c, enum xfed_reason reason, const char *text)
{
	struct trunk *t = c->trunk;
	uint64_t id = c->id;
	if (c->is_closed) {
		return;
	}
	char why[TRUNK_WHY_BYTES];
	snprintf(why, sizeof(why), "%s", text && *text ? text : c->stream ? rt_stream_error_text(c->stream) : "");
	/* With TLS 1.3 a server can refuse our certificate after the handshake is complete for us; it has read nothing of what we wrote then. */
	bool was_unread = c->is_client && reason == XFED_REASON_TLS_CERT_REFUSED && !c->has_heard;
	if (was_unread) {
		trunk_note_unread(t, &c->target, reason, why);
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
	if (!rt_job_is_running(&c->job)) { /* else when the job has ended */
		sip_conn_free(c);
	}
	t->failing = reason;
	t->failing_why = why;
	fail_waiting(t, waiting);
	t->failing = XFED_REASON_NONE;
	trunk_event(t, &(struct sip_layer_event){ .kind = SIP_LAYER_FLOW_CLOSED, .flow_id = id, .was_unread = was_unread });
}

static void on_closing(void *arg)
{
	struct sip_conn *c = arg;
	sip_conn_close(c, c->close_reason, c->close_text);
}

void sip_conn_close_because(struct sip_conn *c, enum xfed_reason reason, const char *text)
{
	if (!c->is_dying) {
		c->is_dying = true;
		c->close_reason = reason;
		c->close_text = text;
		leave_targets(c);
		rt_post_schedule(&c->closing);
	}
}

/*
 * A request got no response within Timer F. If nothing has come over the connection in that time, later requests use another one: a
 * firewall may have forgotten it (RFC 5626 4.4.1). Requests that are running on it may still be answered.
 */
void sip_conn_unanswered(struct sip_conn *c)
{
	if (c->key[0] && trunk_now(c->trunk) - c->heard_ms >= XFED_SIP_TIMER_F_MS - 1000) {
		leave_targets(c);
		rt_log(RT_LOG_WARNING, "sip.silent", RT_KV_STR("transport", sip_transport_name(c->transport)), RT_KV_STR("address", c->info.peer_ip),
			RT_KV_U64("port", c->info.peer_port), RT_KV_U64("flow", c->id), RT_KV_REASON(XFED_REASON_SIP_SERVER_TIMEOUT),
			RT_KV_STR("text", "nothing came over this connection since the request: the next one goes over another"), RT_END);
	}
}

void sip_conn_close_later(struct sip_conn *c, const char *text)
{
	sip_conn_close_because(c, XFED_REASON_NONE, text);
}

/* ---- writing ---- */

/* Keep-alives do not count as use of the connection. */
static bool write_bytes(struct sip_conn *c, struct xfed_span bytes)
{
	if (c->tls) {
		return xfed_tls_write(c->tls, bytes) == XFED_OK && sip_conn_tls_flush(c);
	}
	if (xfed_buf_append(rt_stream_out(c->stream), bytes) != XFED_OK) {
		return false;
	}
	rt_stream_kick(c->stream);
	return true;
}

static bool write_out(struct sip_conn *c, struct xfed_span bytes)
{
	c->used_ms = trunk_now(c->trunk);
	return write_bytes(c, bytes);
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

/* In order: while this runs new messages are still appended to what waits. */
static void become_open(struct sip_conn *c)
{
	while (c->waiting && !c->is_dying) {
		struct sip_conn_waiting *w = c->waiting;
		if (!write_out(c, xfed_span_make(w->bytes, w->len))) {
			sip_conn_close_later(c, "out of memory");
			return; /* closing reports what still waits as failed */
		}
		DL_DELETE(c->waiting, w);
		c->waiting_bytes -= w->len;
		if (w->txn != 0) {
			trunk_event(c->trunk, &(struct sip_layer_event){ .kind = SIP_LAYER_SENT, .txn = w->txn, .flow_id = c->id });
		}
		xfed_free(w);
	}
	c->is_open = true;
}

/* ---- reading ---- */

/* A stranger's connection is closed after a fixed time, whatever comes over it. */
static uint64_t end_of_stranger(const struct sip_conn *c)
{
	return c->info.is_known ? UINT64_MAX : c->stranger_ms + XFED_SIP_UNPROVED_MS;
}

void sip_conn_rearm(struct sip_conn *c)
{
	uint64_t now = trunk_now(c->trunk);
	bool is_partial = sip_framer_is_partial(&c->framer);
	c->partial_ms = !is_partial ? 0 : c->partial_ms ? c->partial_ms : now;
	uint64_t at = is_partial ? c->partial_ms + SIP_CONN_SLOW_MS : c->used_ms + SIP_CONN_IDLE_MS, end = end_of_stranger(c);
	at = at < end ? at : end;
	if (c->is_client && sip_keepalive_deadline(&c->keepalive) < at) {
		at = sip_keepalive_deadline(&c->keepalive);
	}
	rt_timer_set(&c->timer, at);
}

/* True: the connection has been closed. */
static bool keep_alive(struct sip_conn *c, uint64_t now)
{
	switch (c->is_client ? sip_keepalive_tick(&c->keepalive, now) : SIP_KEEPALIVE_NOTHING) {
	case SIP_KEEPALIVE_NOTHING:
		return false;
	case SIP_KEEPALIVE_PING:
		sip_framer_await_pong(&c->framer);
		if (write_bytes(c, XFED_SPAN("\r\n\r\n"))) {
			return false;
		}
		sip_conn_close(c, XFED_REASON_NONE, "the peer does not read");
		return true;
	case SIP_KEEPALIVE_LOST:
		sip_conn_close(c, XFED_REASON_SIP_SERVER_UNREACHABLE, "no answer to a keep-alive");
		return true;
	}
	return false;
}

static void on_timer(void *user)
{
	struct sip_conn *c = user;
	uint64_t now = trunk_now(c->trunk);
	if (!c->is_open) {
		sip_conn_close(c, XFED_REASON_TLS_HANDSHAKE_FAILED, "no handshake in time");
	} else if (now >= end_of_stranger(c)) {
		sip_conn_close(c, XFED_REASON_SIP_SENDER_UNTRUSTED, "has not shown that it may send");
	} else if (c->partial_ms && now - c->partial_ms >= SIP_CONN_SLOW_MS) {
		sip_conn_close(c, XFED_REASON_SIP_REQUEST_MALFORMED, "the rest of a message did not come");
	} else if (!c->partial_ms && now - c->used_ms >= SIP_CONN_IDLE_MS && !sip_layer_flow_is_used(c->trunk->layer, c->id)) {
		sip_conn_close(c, XFED_REASON_NONE, "idle");
	} else if (!keep_alive(c, now)) {
		c->used_ms = now - c->used_ms >= SIP_CONN_IDLE_MS ? now : c->used_ms; /* kept because a dialog uses it: checked again later */
		sip_conn_rearm(c);
	}
}

static void take_frames(struct sip_conn *c)
{
	for (;;) {
		struct sip_frame f = sip_framer_next(&c->framer);
		if (c->is_client) {
			sip_keepalive_heard(&c->keepalive, f.kind == SIP_FRAME_PONG, trunk_now(c->trunk));
		}
		switch (f.kind) {
		case SIP_FRAME_MORE:
			return;
		case SIP_FRAME_PONG:
			break;
		case SIP_FRAME_MESSAGE:
			c->used_ms = trunk_now(c->trunk);
			c->partial_ms = 0;
			trunk_receive(c->trunk, &c->info, f.bytes);
			break;
		case SIP_FRAME_PING:
			c->used_ms = trunk_now(c->trunk);
			write_out(c, XFED_SPAN("\r\n"));
			break;
		case SIP_FRAME_ERROR:
			if (f.bytes.len > 0) {
				trunk_receive(c->trunk, &c->info, f.bytes);
			}
			sip_conn_close_later(c, f.note);
			return;
		}
		if (c->is_dying) {
			return;
		}
	}
}

void sip_conn_take(struct sip_conn *c, struct xfed_span in)
{
	c->has_heard = true;
	c->heard_ms = trunk_now(c->trunk);
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

/* ---- who the peer is ---- */

static void log_open(const struct sip_conn *c)
{
	const struct xfed_cert_facts *f = c->tls && c->facts.peer ? xfed_cert_facts(c->facts.peer) : NULL;
	rt_log(RT_LOG_INFO, "sip.open", RT_KV_STR("transport", sip_transport_name(c->transport)), RT_KV_STR("direction", c->is_client ? "out" : "in"),
		RT_KV_STR("address", c->info.peer_ip), RT_KV_U64("port", c->info.peer_port), RT_KV_STR("tls", c->tls ? c->facts.version : NULL),
		RT_KV_STR("certificate", f ? f->sha256_hex : NULL), RT_KV_STR("certificate_name", f && f->name_count > 0 ? f->names[0] : NULL),
		RT_KV_STR("certificate_problem", c->tls ? rt_log_reason_word(c->facts.chain_reason) : NULL), RT_KV_U64("flow", c->id), RT_END);
}

struct trust_peer sip_conn_peer(const struct sip_conn *c)
{
	return (struct trust_peer){ .transport = c->transport,
		.is_outside = c->is_outside,
		.address = *rt_stream_peer(c->stream),
		.cert = c->facts.peer,
		.chain_reason = c->facts.chain_reason };
}

/* Decides whether the peer is a stranger, to whom nothing is sent but on this connection; called when the peer is known, and after a reload. */
static void judge_peer(struct sip_conn *c)
{
	struct trust_peer peer = sip_conn_peer(c);
	const struct config *config = c->trunk->files.config;
	bool was_known = c->info.is_known;
	c->info.is_lync = trust_may_send_lync(config, &peer);
	c->info.is_known = c->is_client || trust_may_send(c->is_outside ? &config->neighbours : &config->senders, &peer);
	if (c->info.is_known) {
		rt_sources_give_back(rt_stream_place(c->stream));
		return;
	}
	c->stranger_ms = was_known ? trunk_now(c->trunk) : c->stranger_ms;
	if (!sip_admit_stranger(c->io, c->stream)) {
		sip_conn_close_because(c, XFED_REASON_POLICY_UNPROVED_EXCEEDED,
			"its address or certificate is trusted no more, and too many untrusted connections are open");
	}
}

void sip_io_judge_certs(struct sip_io *io)
{
	struct sip_conn *c, *next;
	HASH_ITER(hh, io->conns, c, next) {
		if (!c->is_open || c->is_dying) {
			continue;
		}
		enum xfed_reason reason = c->tls ? sip_conn_judge_chain(c) : XFED_REASON_NONE;
		if (reason != XFED_REASON_NONE) {
			core_count_refusal(c->trunk->core, reason, sip_conn_side(reason));
			sip_conn_close_because(c, reason, "the certificate was judged again");
			continue;
		}
		if (c->tls && sip_conn_is_old(c)) {
			core_count_refusal(c->trunk->core, XFED_REASON_TLS_VERSION_OLD, sip_conn_side(XFED_REASON_TLS_VERSION_OLD));
			sip_conn_close_because(c, XFED_REASON_TLS_VERSION_OLD, "tls_min is above its version now");
			continue;
		}
		judge_peer(c);
		sip_conn_rearm(c);
	}
}

/* The peer has been identified; whether it may send is judged per request. */
void sip_conn_opened(struct sip_conn *c)
{
	judge_peer(c);
	sip_keepalive_init(&c->keepalive, &c->trunk->core->d.env, c->trunk->files.config->sip.keepalive_ms, trunk_now(c->trunk));
	log_open(c);
	become_open(c);
}

/* ---- the stream ---- */

static size_t on_bytes(void *user, struct xfed_span in)
{
	struct sip_conn *c = user;
	if (c->is_dying) {
		return in.len;
	}
	if (!c->tls) {
		sip_conn_take(c, in);
		sip_conn_rearm(c);
		return in.len;
	}
	if (rt_job_is_running(&c->job)) {
		return 0; /* the TLS session belongs to the job; job_done() goes on reading */
	}
	size_t room = xfed_tls_input_room(c->tls), len = in.len < room ? in.len : room;
	if (xfed_tls_input(c->tls, xfed_span_make(in.data, len)) != XFED_OK) {
		sip_conn_close_later(c, "out of memory");
		return in.len;
	}
	if (!c->is_open) {
		sip_conn_tls_step(c);
		return len;
	}
	sip_conn_tls_read(c);
	sip_conn_rearm(c);
	if (len < in.len && !c->is_dying) {
		rt_stream_resume(c->stream);
	}
	return len;
}

static void on_eof(void *user)
{
	sip_conn_close(user, XFED_REASON_NONE, "closed by the peer");
}

static void on_error(void *user, enum xfed_reason reason)
{
	sip_conn_close(user, reason, NULL);
}

static void fill_info(struct sip_conn *c)
{
	char text[RT_ADDR_TEXT];
	const struct rt_addr *peer = rt_stream_peer(c->stream), *local = rt_stream_local(c->stream);
	c->info = (struct sip_flow_info){ .id = c->id,
		.transport = c->transport,
		.is_outside = c->is_outside,
		.peer_port = rt_addr_port(peer),
		.local_port = rt_addr_port(local) };
	snprintf(c->info.peer_ip, sizeof(c->info.peer_ip), "%s", rt_addr_host_text(peer, text));
	snprintf(c->info.local_ip, sizeof(c->info.local_ip), "%s", local->sa.sa_family == AF_UNSPEC ? "" : rt_addr_host_text(local, text));
}

/* TCP is connected, in either direction: starts TLS, or the connection is open. */
static void connected(struct sip_conn *c)
{
	fill_info(c);
	rt_stream_keepalive(c->stream, 120);
	c->stranger_ms = c->used_ms = c->heard_ms = trunk_now(c->trunk);
	if (c->transport != SIP_TLS) {
		sip_conn_opened(c);
		sip_conn_rearm(c);
		return;
	}
	if (sip_conn_tls_new(c) != XFED_OK) {
		sip_conn_close(c, XFED_REASON_STREAM_INTERNAL, "no TLS session");
		return;
	}
	rt_timer_set(&c->timer, c->used_ms + XFED_TLS_HANDSHAKE_MS);
	if (c->is_client) {
		sip_conn_tls_step(c);
	}
}

static const char *connect_words(const struct sip_conn *c, enum xfed_reason reason, char out[TRUNK_WHY_BYTES])
{
	const char *means = reason == XFED_REASON_NET_CONNECT_REFUSED	    ? "nobody listens there"
			    : reason == XFED_REASON_NET_CONNECT_UNREACHABLE ? "this host has no way there"
									    : "its host is down, or a firewall lies between";
	snprintf(out, TRUNK_WHY_BYTES, "%s port %u: %s (%s)", c->info.peer_ip, c->info.peer_port, rt_stream_error_text(c->stream), means);
	return out;
}

static void on_connect(void *user, enum xfed_reason reason)
{
	struct sip_conn *c = user;
	if (reason != XFED_REASON_NONE) {
		char text[TRUNK_WHY_BYTES];
		sip_conn_close(c, XFED_REASON_SIP_SERVER_UNREACHABLE, connect_words(c, reason, text));
	} else {
		connected(c);
	}
}

static const struct rt_stream_handlers handlers = { .on_connect = on_connect, .on_bytes = on_bytes, .on_eof = on_eof, .on_error = on_error };

/* ---- construction ---- */

static struct sip_conn *conn_new(struct sip_io *io, enum sip_transport transport, bool is_client)
{
	struct rt_loop *loop = io->trunk->core->d.loop;
	struct sip_conn *c = xfed_calloc(1, sizeof(*c));
	if (!c) {
		return NULL;
	}
	c->trunk = io->trunk;
	c->io = io;
	c->id = ++io->last_flow;
	c->transport = transport;
	c->is_client = is_client;
	sip_framer_init(&c->framer);
	rt_post_init(&c->closing, loop, on_closing, c);
	if (rt_timer_init(&c->timer, loop, on_timer, c) != XFED_OK) {
		sip_conn_free(c);
		return NULL;
	}
	HASH_ADD(hh, io->conns, id, sizeof(c->id), c);
	if (!XFED_TABLE_ADDED(c)) {
		sip_conn_free(c);
		return NULL;
	}
	io->conn_count++;
	io->incoming += !is_client;
	return c;
}

void sip_conn_accept(struct sip_io *io, struct rt_stream *s, enum sip_transport t, bool is_outside)
{
	struct sip_conn *c = (!is_outside || sip_admit_neighbour(io, s)) && sip_admit_peer(io, s) ? conn_new(io, t, false) : NULL;
	if (!c) {
		rt_stream_close(s);
		return;
	}
	c->is_outside = is_outside;
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
	c->is_outside = t->is_outside;
	snprintf(c->info.peer_ip, sizeof(c->info.peer_ip), "%s", t->ip);
	c->info.peer_port = t->port;
	write_key(t, c->key, sizeof(c->key));
	HASH_ADD_KEYPTR(hh_target, io->targets, c->key, strlen(c->key), c);
	if (!c->hh_target.tbl) {
		c->key[0] = '\0';
	}
	if (!c->key[0] || rt_stream_connect(io->trunk->core->d.loop, &to, NULL, XFED_CONNECT_TIMEOUT_MS, &handlers, c, SIP_CONN_OUT_BYTES,
				  &c->stream) != XFED_OK) {
		leave_tables(c);
		sip_conn_free(c);
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
		if (!rt_job_is_running(&c->job)) {
			sip_conn_free(c);
		}
	}
}
