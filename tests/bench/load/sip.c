#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_BYTES	 (4 * 1024 * 1024)
#define DATAGRAM	 65536
#define RESPONSE_MAX	 2048
#define HELD_MAX	 8192 /* answers kept back from the dead */
#define DATAGRAMS_A_TURN 64

const char *const load_transport_names[3] = { "UDP", "TCP", "TLS" };

struct udp {
	struct load_source source; /* first */
	int fd;
	bool is_client, is_silent;
	uint16_t port;
};

/* A connection of the gateway's to a next hop, or ours to the gateway. */
struct flow {
	struct load_conn *conn;
	bool is_client, is_silent, is_tls;
};

/* An answer held back. */
struct held {
	int fd; /* UDP; -1: on conn */
	struct sockaddr_in to;
	struct load_conn *conn;
	size_t len;
	char text[RESPONSE_MAX];
};

static struct udp *client_udp;
static struct sockaddr_in gateway_udp;
static struct flow *clients[3];
static bool dialled[3], is_dead;
static struct held *held[HELD_MAX];
static size_t held_count;

/* ---- messages ---- */

static uint64_t digits(const char *at)
{
	uint64_t n = 0;
	for (int i = 0; i < LOAD_DIGITS && at[i] >= '0' && at[i] <= '9'; i++) {
		n = n * 10 + (uint64_t)(at[i] - '0');
	}
	return n;
}

static bool is_copied(const char *line)
{
	return strncmp(line, "Via:", 4) == 0 || strncmp(line, "From:", 5) == 0 || strncmp(line, "To:", 3) == 0 || strncmp(line, "Call-ID:", 8) == 0 ||
	       strncmp(line, "CSeq:", 5) == 0;
}

/* 200 with the lines of the request that a response repeats. */
static size_t write_response(struct xfed_span m, char out[RESPONSE_MAX])
{
	static const char first[] = "SIP/2.0 200 OK\r\n", last[] = "Content-Length: 0\r\n\r\n";
	size_t len = sizeof(first) - 1;
	memcpy(out, first, len);
	const char *at = m.data, *end = m.data + m.len, *lf;
	while ((lf = memchr(at, '\n', (size_t)(end - at))) && lf - at > 1) {
		size_t n = (size_t)(lf + 1 - at);
		if (is_copied(at) && len + n + sizeof(last) < RESPONSE_MAX) {
			memcpy(out + len, at, n);
			len += n;
		}
		at = lf + 1;
	}
	memcpy(out + len, last, sizeof(last) - 1);
	return len + sizeof(last) - 1;
}

static void hold(int fd, const struct sockaddr_in *to, struct load_conn *conn, const char *text, size_t len)
{
	struct held *h = held_count < HELD_MAX ? malloc(sizeof(*h)) : NULL;
	if (h) {
		h->fd = fd;
		h->to = to ? *to : (struct sockaddr_in){ 0 };
		h->conn = conn;
		h->len = len;
		memcpy(h->text, text, len);
		held[held_count++] = h;
	}
}

static void answer(int fd, const struct sockaddr_in *to, struct load_conn *conn, const char *text, size_t len)
{
	if (fd >= 0) {
		sendto(fd, text, len, MSG_NOSIGNAL, (const struct sockaddr *)to, sizeof(*to));
	} else {
		load_conn_send(conn, text, len);
	}
}

static void take_request(struct xfed_span m, int fd, const struct sockaddr_in *from, struct load_conn *conn, bool is_silent)
{
	char text[RESPONSE_MAX];
	const char *body = load_find(m, "\r\n\r\n#");
	size_t len = write_response(m, text);
	if (is_dead && (is_silent || strncmp(m.data, "MESSAGE sip:dead", 16) == 0)) {
		hold(fd, from, conn, text, len);
		return;
	}
	if (body) {
		load_arrived(digits(body + 5));
	}
	answer(fd, from, conn, text, len);
}

static void take_message(struct xfed_span m, int fd, const struct sockaddr_in *from, struct load_conn *conn, bool is_silent)
{
	if (strncmp(m.data, "SIP/2.0 ", 8) != 0) {
		take_request(m, fd, from, conn, is_silent);
		return;
	}
	int status = atoi(m.data + 8);
	const char *branch = load_find(m, "branch=z9hG4bKb");
	if (status >= 200 && branch) {
		load_answered(digits(branch + 15), status);
	}
}

void load_set_dead(bool dead)
{
	is_dead = dead;
	for (size_t i = 0; !dead && i < held_count; i++) {
		answer(held[i]->fd, &held[i]->to, held[i]->conn, held[i]->text, held[i]->len);
		free(held[i]);
	}
	held_count = dead ? held_count : 0;
}

/* ---- UDP ---- */

static void udp_ready(struct load_source *s, uint32_t events)
{
	static char buf[DATAGRAM + 1];
	struct udp *u = (struct udp *)s;
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(u->fd, buf, DATAGRAM, 0, (struct sockaddr *)&from, &size);
		if (n < 0) {
			return;
		}
		buf[n] = '\0';
		take_message(xfed_span_make(buf, (size_t)n), u->fd, &from, NULL, u->is_silent);
	}
}

static struct udp *udp_new(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t size = sizeof(at);
	int bytes = SOCKET_BYTES, fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct udp *u = calloc(1, sizeof(*u));
	inet_pton(AF_INET, LOAD_HOST, &at.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	if (!u || fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || getsockname(fd, (struct sockaddr *)&at, &size) < 0) {
		load_die("udp port %u: %s", port, strerror(errno));
	}
	*u = (struct udp){ .source = { udp_ready }, .fd = fd, .port = ntohs(at.sin_port) };
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = u };
	epoll_ctl(load_epoll, EPOLL_CTL_ADD, fd, &ev);
	return u;
}

/* ---- TCP and TLS ---- */

static size_t message_len(struct xfed_span in)
{
	const char *end = load_find(in, "\r\n\r\n");
	if (!end) {
		return 0;
	}
	size_t head = (size_t)(end + 4 - in.data);
	const char *length = load_find(xfed_span_make(in.data, head), "Content-Length:");
	size_t body = length ? (size_t)atol(length + 15) : 0;
	return in.len >= head + body ? head + body : 0;
}

static void flow_bytes(struct load_conn *c)
{
	struct flow *f = c->user;
	struct xfed_buf *in = &c->in;
	size_t len;
	while (xfed_buf_len(in) > 0 && !c->is_closed) {
		struct xfed_span all = xfed_buf_span(in);
		if (all.data[0] == '\r' || all.data[0] == '\n') {
			xfed_buf_consume(in, 1);
			continue;
		}
		if ((len = message_len(all)) == 0) {
			return;
		}
		take_message(xfed_span_make(all.data, len), -1, NULL, c, f->is_silent);
		xfed_buf_consume(in, len);
	}
}

static void flow_open(struct load_conn *c)
{
	struct flow *f = c->user;
	if (f->is_tls) {
		load_conn_start_tls(c, "sip", false, "fe.corp.example");
	} else {
		dialled[LOAD_TCP] = true;
	}
}

static void flow_secure(struct load_conn *c)
{
	struct flow *f = c->user;
	if (f->is_client) {
		dialled[LOAD_TLS] = true;
	}
}

static void flow_close(struct load_conn *c)
{
	struct flow *f = c->user;
	for (size_t i = 0; i < held_count; i++) {
		if (held[i]->conn == c) {
			free(held[i]);
			held[i--] = held[--held_count];
		}
	}
	if (f->is_client) {
		load_die("the gateway closed a SIP connection");
	}
	free(f);
}

static struct flow *flow_new(struct load_conn *c, bool is_client, bool is_tls, bool is_silent)
{
	struct flow *f = calloc(1, sizeof(*f));
	if (!f) {
		load_die("out of memory");
	}
	*f = (struct flow){ c, is_client, is_silent, is_tls };
	c->user = f;
	c->on_open = flow_open;
	c->on_secure = flow_secure;
	c->on_bytes = flow_bytes;
	c->on_close = flow_close;
	return f;
}

struct hop {
	enum load_transport transport;
	bool is_silent;
};

static void accepted(int fd, void *user)
{
	struct hop *h = user;
	struct load_conn *c = load_conn_new(fd, NULL);
	flow_new(c, false, h->transport == LOAD_TLS, h->is_silent);
	if (h->transport == LOAD_TLS) {
		load_conn_start_tls(c, "sip", true, NULL);
	}
}

void load_hop(enum load_transport t, uint16_t port, bool is_silent)
{
	if (t == LOAD_UDP) {
		udp_new(port)->is_silent = is_silent;
		return;
	}
	struct hop *h = malloc(sizeof(*h));
	if (!h) {
		load_die("out of memory");
	}
	*h = (struct hop){ t, is_silent };
	load_listen(port, accepted, h);
}

/* ---- the client ---- */

void load_dial_sip(enum load_transport t, uint16_t port)
{
	if (t == LOAD_UDP) {
		client_udp = client_udp ? client_udp : udp_new(0);
		gateway_udp = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		inet_pton(AF_INET, LOAD_HOST, &gateway_udp.sin_addr);
		dialled[t] = true;
		return;
	}
	struct load_conn *c = load_conn_dial(port, NULL);
	clients[t] = flow_new(c, true, t == LOAD_TLS, false);
}

bool load_sip_dialled(void)
{
	return (!client_udp || dialled[LOAD_UDP]) && (!clients[LOAD_TCP] || dialled[LOAD_TCP]) && (!clients[LOAD_TLS] || dialled[LOAD_TLS]);
}

uint16_t load_sip_port(enum load_transport t)
{
	return t == LOAD_UDP && client_udp ? client_udp->port : 5060;
}

void load_sip_send(enum load_transport t, const char *bytes, size_t len)
{
	if (t != LOAD_UDP) {
		load_conn_send(clients[t]->conn, bytes, len);
	} else if (sendto(client_udp->fd, bytes, len, MSG_NOSIGNAL, (struct sockaddr *)&gateway_udp, sizeof(gateway_udp)) < 0) {
		load_die("udp: %s", strerror(errno));
	}
}

size_t load_sip_pending(enum load_transport t)
{
	return t == LOAD_UDP ? 0 : load_conn_pending(clients[t]->conn);
}
