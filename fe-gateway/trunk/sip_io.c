/* SIP sockets: listeners, datagrams, and the choice of the connection for a message ([C3-08]). */
#include "trunk/sip_conn.h"

#include <stdio.h>

static enum sip_transport transport_of(enum rt_conf_transport t)
{
	return t == RT_TRANSPORT_TLS ? SIP_TLS : t == RT_TRANSPORT_TCP ? SIP_TCP : SIP_UDP;
}

/* ---- datagrams ---- */

/* Keep-alives: white space, and STUN, whose first octet is 0 or 1 ([C3-09]). */
static bool is_noise(struct xfed_span in)
{
	size_t i = 0;
	while (i < in.len && (in.data[i] == '\r' || in.data[i] == '\n')) {
		i++;
	}
	return i == in.len || (uint8_t)in.data[0] < 2;
}

static struct sip_flow_info flow_with(const struct sip_socket *s, const struct rt_addr *peer)
{
	char text[RT_ADDR_TEXT];
	struct sip_flow_info info = s->info;
	snprintf(info.peer_ip, sizeof(info.peer_ip), "%s", rt_addr_host_text(peer, text));
	info.peer_port = rt_addr_port(peer);
	return info;
}

static void on_datagram(void *user, struct xfed_span in, const struct rt_addr *from)
{
	struct sip_socket *s = user;
	if (is_noise(in)) {
		return;
	}
	struct sip_flow_info info = flow_with(s, from);
	info.is_known = trust_may_send(&s->io->trunk->files.config->senders, &(struct trust_peer){ .transport = SIP_UDP, .address = *from });
	trunk_receive(s->io->trunk, &info, in);
}

static void on_returned(void *user, struct xfed_span quoted, const struct rt_addr *to, int uv_error)
{
	struct sip_socket *s = user;
	struct trunk *t = s->io->trunk;
	char why[TRUNK_WHY_BYTES];
	struct sip_flow_info info = flow_with(s, to);
	snprintf(why, sizeof(why), "%s (ICMP)", uv_strerror(uv_error));
	t->failing = XFED_REASON_SIP_SERVER_UNREACHABLE;
	t->failing_why = why;
	trunk_event(t, &(struct sip_layer_event){ .kind = SIP_LAYER_RETURNED, .flow = &info, .bytes = quoted });
	t->failing = XFED_REASON_NONE;
}

static void on_receive_failed(void *user, int uv_error)
{
	const struct sip_socket *s = user;
	rt_log(RT_LOG_WARNING, "sip.receive-failed", RT_KV_STR("address", s->info.local_ip), RT_KV_U64("port", s->info.local_port),
		RT_KV_STR("text", uv_strerror(uv_error)), RT_END);
}

static const struct rt_udp_handlers udp_handlers = { .on_datagram = on_datagram, .on_error = on_receive_failed, .on_returned = on_returned };

static struct sip_socket *socket_for(struct sip_io *io, const struct sip_target *t, const struct rt_addr *to)
{
	for (size_t i = 0; i < io->socket_count; i++) {
		struct sip_socket *s = &io->sockets[i];
		bool fits = t->flow != 0 ? s->id == t->flow : rt_udp_addr(s->udp)->sa.sa_family == to->sa.sa_family;
		if (fits) {
			return s;
		}
	}
	return NULL;
}

static enum sip_io_sent send_datagram(struct sip_io *io, const struct sip_target *t, struct xfed_span bytes, uint64_t *flow)
{
	struct rt_addr to;
	if (rt_addr_parse_host(&to, xfed_span_str(t->ip), t->port) != XFED_OK) {
		return SIP_IO_FAILED;
	}
	struct sip_socket *s = socket_for(io, t, &to);
	if (!s) {
		return SIP_IO_FAILED;
	}
	*flow = s->id;
	int rc = rt_udp_send(s->udp, &to, &bytes, 1);
	/* AGAIN: our own host has dropped it; the transaction retransmits, as for any lost datagram. */
	return rc == XFED_OK || rc == XFED_ERR_AGAIN ? SIP_IO_SENT : SIP_IO_FAILED;
}

/* ---- sending ---- */

static enum sip_io_sent send_on_stream(struct sip_io *io, const struct sip_target *t, struct xfed_span bytes, uint64_t txn, uint64_t *flow)
{
	struct sip_conn *c = t->flow != 0 ? sip_conn_find(io, t->flow) : NULL;
	if (!c && t->flow != 0 && txn != 0) {
		return SIP_IO_FAILED;
	}
	c = c ? c : sip_conn_to(io, t);
	c = c ? c : sip_conn_open(io, t);
	if (!c) {
		return SIP_IO_FAILED;
	}
	*flow = c->id;
	return sip_conn_send(c, bytes, txn);
}

enum sip_io_sent sip_io_send(struct sip_io *io, const struct sip_target *t, struct xfed_span bytes, uint64_t txn, uint64_t *flow)
{
	return t->transport == SIP_UDP ? send_datagram(io, t, bytes, flow) : send_on_stream(io, t, bytes, txn, flow);
}

void sip_io_unanswered(struct sip_io *io, uint64_t flow)
{
	struct sip_conn *c = sip_conn_find(io, flow);
	if (c) {
		sip_conn_unanswered(c);
	}
}

void sip_io_close_flow(struct sip_io *io, uint64_t flow)
{
	struct sip_conn *c = sip_conn_find(io, flow);
	if (c) {
		sip_conn_close_later(c, "a message that cannot be framed");
	}
}

bool sip_io_behind(const struct sip_io *io, uint64_t flow, struct trust_peer *out, bool *is_dialled)
{
	const struct sip_conn *c = sip_conn_find(io, flow);
	if (!c || !c->is_open) {
		return false;
	}
	*out = sip_conn_peer(c);
	*is_dialled = c->is_client;
	return true;
}

bool sip_io_peer(const struct sip_io *io, const struct sip_flow_info *flow, struct trust_peer *out)
{
	bool is_dialled;
	if (flow->transport == SIP_TLS) {
		return sip_io_behind(io, flow->id, out, &is_dialled);
	}
	*out = (struct trust_peer){ .transport = flow->transport, .chain_reason = XFED_REASON_TLS_CERT_MISSING };
	return rt_addr_parse_host(&out->address, xfed_span_str(flow->peer_ip), flow->peer_port) == XFED_OK;
}

/* ---- listening ---- */

static void on_tcp(void *user, struct rt_listener *l, struct rt_stream *s)
{
	(void)l;
	sip_conn_accept(user, s, SIP_TCP, false);
}

static void on_tls(void *user, struct rt_listener *l, struct rt_stream *s)
{
	(void)l;
	sip_conn_accept(user, s, SIP_TLS, false);
}

static void on_neighbour(void *user, struct rt_listener *l, struct rt_stream *s)
{
	(void)l;
	sip_conn_accept(user, s, SIP_TLS, true);
}

static int open_socket(struct sip_io *io, const struct rt_addr *a, char error[256])
{
	char text[RT_ADDR_TEXT];
	struct sip_socket *s = &io->sockets[io->socket_count];
	int rc = rt_udp_bind(io->trunk->core->d.loop, a, &udp_handlers, s, &s->udp, error, 256);
	if (rc != XFED_OK) {
		return rc;
	}
	io->socket_count++;
	s->io = io;
	s->id = ++io->last_flow;
	s->info = (struct sip_flow_info){ .id = s->id, .transport = SIP_UDP, .local_port = rt_addr_port(rt_udp_addr(s->udp)) };
	snprintf(s->info.local_ip, sizeof(s->info.local_ip), "%s", rt_addr_host_text(rt_udp_addr(s->udp), text));
	return XFED_OK;
}

static int open_one(struct sip_io *io, const struct rt_conf_address *listen, char error[256])
{
	struct rt_addr a;
	enum sip_transport t = transport_of(listen->transport);
	if (io->listener_count + io->socket_count >= XFED_ARRAY_LEN(io->sockets) ||
		rt_addr_parse_host(&a, xfed_span_str(listen->host), listen->port) != XFED_OK) {
		snprintf(error, 256, "cannot listen on %s", listen->host);
		return XFED_ERR_INVALID;
	}
	int rc = t == SIP_UDP ? open_socket(io, &a, error)
			      : rt_listener_new(io->trunk->core->d.loop, &a, true, t == SIP_TLS ? on_tls : on_tcp, io,
					&io->listeners[io->listener_count], error, 256);
	if (rc == XFED_OK && t != SIP_UDP) {
		io->listener_count++;
	}
	if (rc == XFED_OK && io->ports[t] == 0) {
		io->ports[t] = t == SIP_UDP ? io->sockets[io->socket_count - 1].info.local_port
					    : rt_addr_port(rt_listener_addr(io->listeners[io->listener_count - 1]));
	}
	return rc;
}

static int open_outside(struct sip_io *io, const struct rt_conf_address *listen, char error[256])
{
	struct rt_addr a;
	if (io->listener_count >= XFED_ARRAY_LEN(io->listeners) || rt_addr_parse_host(&a, xfed_span_str(listen->host), listen->port) != XFED_OK) {
		snprintf(error, 256, "cannot listen on %s", listen->host);
		return XFED_ERR_INVALID;
	}
	int rc = rt_listener_new(io->trunk->core->d.loop, &a, true, on_neighbour, io, &io->listeners[io->listener_count], error, 256);
	if (rc == XFED_OK) {
		io->listener_count++;
		io->outside_port = io->outside_port ? io->outside_port : rt_addr_port(rt_listener_addr(io->listeners[io->listener_count - 1]));
	}
	return rc;
}

static int open_all(struct sip_io *io, const struct rt_conf_addresses *listen, const char *key,
	int (*open)(struct sip_io *io, const struct rt_conf_address *listen, char error[256]), char error[256])
{
	int rc = XFED_OK;
	for (size_t i = 0; rc == XFED_OK && i < listen->count; i++) {
		char text[320], said[256];
		rc = open(io, &listen->items[i], said);
		if (rc == XFED_OK) {
			rt_log(RT_LOG_INFO, "listen.open", RT_KV_STR("address", rt_conf_address_text(&listen->items[i], text)), RT_END);
		} else {
			snprintf(error, 256, RT_LISTEN_FAILED, key, said);
		}
	}
	return rc;
}

int sip_io_new(struct trunk *t, struct sip_io **out, char error[256])
{
	const struct config *c = t->files.config;
	struct sip_io *io = xfed_calloc(1, sizeof(*io));
	*out = io;
	snprintf(error, 256, "out of memory");
	if (!io) {
		return XFED_ERR_NOMEM;
	}
	io->trunk = t;
	int rc = open_all(io, &c->sip.listen, "sip.listen", open_one, error);
	return rc == XFED_OK ? open_all(io, &c->sip.federation.listen, "sip.federation.listen", open_outside, error) : rc;
}

void sip_io_stop_listening(struct sip_io *io)
{
	for (size_t i = 0; i < io->listener_count; i++) {
		rt_listener_close(io->listeners[i]);
	}
	io->listener_count = 0;
}

void sip_io_free(struct sip_io *io)
{
	if (!io) {
		return;
	}
	sip_io_stop_listening(io);
	for (size_t i = 0; i < io->socket_count; i++) {
		rt_udp_close(io->sockets[i].udp);
	}
	sip_conn_free_all(io);
	xfed_free(io);
}

uint16_t sip_io_outside_port(const struct sip_io *io)
{
	return io->outside_port;
}

uint16_t sip_io_port(const struct sip_io *io, enum sip_transport t)
{
	return io->ports[t];
}
