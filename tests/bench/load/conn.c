#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES   (64 * 1024)
#define BUFFER_MAX   (64 * 1024 * 1024)
#define LEAVES_MAX   64
#define DEAF_BYTES   (64 * 1024)
#define RECORD_MAX   16384
#define READS_A_TURN 4 /* then others are served, so that a flood does not hold up what is measured beside it */

static struct load_conn *dirty, *closed;

/* ---- credentials, one set a certificate ---- */

static gnutls_certificate_credentials_t creds_of(const char *leaf)
{
	static struct {
		char name[64];
		gnutls_certificate_credentials_t creds;
	} known[LEAVES_MAX];
	static size_t count;
	char chain[512], key[512], ca[512];
	for (size_t i = 0; i < count; i++) {
		if (strcmp(known[i].name, leaf) == 0) {
			return known[i].creds;
		}
	}
	snprintf(chain, sizeof(chain), "%s/%s.chain.pem", load_certs, leaf);
	snprintf(key, sizeof(key), "%s/%s.key", load_certs, leaf);
	snprintf(ca, sizeof(ca), "%s/ca.pem", load_certs);
	gnutls_certificate_credentials_t creds;
	if (count == LEAVES_MAX || gnutls_certificate_allocate_credentials(&creds) < 0 ||
		gnutls_certificate_set_x509_key_file(creds, chain, key, GNUTLS_X509_FMT_PEM) < 0 ||
		gnutls_certificate_set_x509_trust_file(creds, ca, GNUTLS_X509_FMT_PEM) < 0) {
		load_die("no credentials for %s", leaf);
	}
	snprintf(known[count].name, sizeof(known[count].name), "%s", leaf);
	return known[count++].creds = creds;
}

/* ---- life ---- */

static void conn_ready(struct load_source *s, uint32_t events);

static void set_interest(struct load_conn *c)
{
	uint32_t wanted = (c->is_deaf || c->is_connecting ? 0 : EPOLLIN) | (c->wants_write || c->is_connecting ? EPOLLOUT : 0);
	if (wanted != c->interest && !c->is_closed) {
		struct epoll_event ev = { .events = wanted, .data.ptr = c };
		epoll_ctl(load_epoll, EPOLL_CTL_MOD, c->fd, &ev);
		c->interest = wanted;
	}
}

struct load_conn *load_conn_new(int fd, void *user)
{
	struct load_conn *c = calloc(1, sizeof(*c));
	int on = 1;
	if (!c) {
		load_die("out of memory");
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->source.ready = conn_ready;
	c->fd = fd;
	c->user = user;
	c->interest = EPOLLIN;
	xfed_buf_init(&c->in, BUFFER_MAX);
	xfed_buf_init(&c->out, BUFFER_MAX);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	if (epoll_ctl(load_epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		load_die("epoll: %s", strerror(errno));
	}
	return c;
}

struct load_conn *load_conn_dial(uint16_t port, void *user)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	inet_pton(AF_INET, LOAD_HOST, &to.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)) {
		load_die("port %u: %s", port, strerror(errno));
	}
	struct load_conn *c = load_conn_new(fd, user);
	c->is_connecting = true;
	set_interest(c);
	return c;
}

void load_conn_close(struct load_conn *c)
{
	if (c->is_closed) {
		return;
	}
	c->is_closed = true;
	close(c->fd);
	if (!c->is_dirty) {
		c->is_dirty = true;
		c->next_dirty = dirty;
		dirty = c;
	}
	c->on_close(c);
}

static void conn_free(struct load_conn *c)
{
	if (c->tls) {
		gnutls_deinit(c->tls);
	}
	xfed_buf_deinit(&c->in);
	xfed_buf_deinit(&c->out);
	free(c);
}

/* ---- TLS ---- */

static void shake_hands(struct load_conn *c)
{
	int rc = gnutls_handshake(c->tls);
	if (rc == 0) {
		c->is_handshaking = false;
		c->wants_write = false;
		set_interest(c);
		if (c->on_secure) {
			c->on_secure(c);
		}
	} else if (gnutls_error_is_fatal(rc)) {
		fprintf(stderr, "load: TLS: %s\n", gnutls_strerror(rc));
		load_conn_close(c);
	} else {
		c->wants_write = gnutls_record_get_direction(c->tls) == 1;
		set_interest(c);
	}
}

void load_conn_start_tls(struct load_conn *c, const char *leaf, bool is_server, const char *name)
{
	unsigned flags = (is_server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS;
	if (gnutls_init(&c->tls, flags) < 0 || gnutls_priority_set_direct(c->tls, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL) < 0 ||
		gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, creds_of(leaf)) < 0) {
		load_die("no TLS session");
	}
	if (is_server) {
		gnutls_certificate_server_set_request(c->tls, GNUTLS_CERT_REQUEST);
	} else if (name) {
		gnutls_server_name_set(c->tls, GNUTLS_NAME_DNS, name, strlen(name));
	}
	gnutls_transport_set_int(c->tls, c->fd);
	c->is_server = is_server;
	c->is_handshaking = true;
	shake_hands(c);
}

/* ---- writing ---- */

static ssize_t write_some(struct load_conn *c, struct xfed_span s)
{
	if (!c->tls) {
		ssize_t n = send(c->fd, s.data, s.len, MSG_NOSIGNAL);
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
	}
	size_t len = s.len < RECORD_MAX ? s.len : RECORD_MAX;
	ssize_t n = c->in_gnutls ? gnutls_record_send(c->tls, NULL, 0) : gnutls_record_send(c->tls, s.data, len);
	if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) {
		c->in_gnutls = c->in_gnutls ? c->in_gnutls : len;
		return 0;
	}
	if (n >= 0 && c->in_gnutls) {
		n = (ssize_t)c->in_gnutls;
		c->in_gnutls = 0;
	}
	return n;
}

static void flush(struct load_conn *c)
{
	if (c->is_connecting || c->is_handshaking) {
		return;
	}
	while (xfed_buf_len(&c->out) > 0) {
		ssize_t n = write_some(c, xfed_buf_span(&c->out));
		if (n < 0) {
			load_conn_close(c);
			return;
		}
		if (n == 0) {
			break;
		}
		xfed_buf_consume(&c->out, (size_t)n);
	}
	c->wants_write = xfed_buf_len(&c->out) > 0;
	set_interest(c);
}

void load_conn_send(struct load_conn *c, const void *bytes, size_t len)
{
	if (c->is_closed) {
		return;
	}
	if (xfed_buf_append(&c->out, xfed_span_make(bytes, len)) != XFED_OK) {
		load_die("an output buffer is full");
	}
	if (!c->is_dirty) {
		c->is_dirty = true;
		c->next_dirty = dirty;
		dirty = c;
	}
}

size_t load_conn_pending(const struct load_conn *c)
{
	return xfed_buf_len(&c->out);
}

void load_conns_flush(void)
{
	while (dirty) {
		struct load_conn *c = dirty;
		dirty = c->next_dirty;
		c->is_dirty = false;
		if (!c->is_closed) {
			flush(c);
		}
		if (c->is_closed && !c->is_dirty) {
			c->next_dirty = closed;
			closed = c;
			c->is_dirty = true;
		}
	}
	while (closed) {
		struct load_conn *c = closed;
		closed = c->next_dirty;
		conn_free(c);
	}
}

/* ---- reading ---- */

void load_conn_set_deaf(struct load_conn *c, bool is_deaf)
{
	int bytes = DEAF_BYTES;
	c->is_deaf = is_deaf;
	setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)); /* so that the kernel does not take what we do not */
	set_interest(c);
}

/* Bytes read, 0 at the end, -1: nothing now. */
static ssize_t read_some(struct load_conn *c, char *to, size_t size)
{
	if (!c->tls) {
		ssize_t n = recv(c->fd, to, size, 0);
		return n < 0 && errno != EAGAIN && errno != EINTR ? 0 : n;
	}
	ssize_t n = gnutls_record_recv(c->tls, to, size);
	return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED ? -1 : n < 0 ? 0 : n;
}

static void receive(struct load_conn *c)
{
	for (int i = 0; i < READS_A_TURN && !c->is_closed && !c->is_deaf; i++) {
		char *to = xfed_buf_reserve(&c->in, READ_BYTES);
		ssize_t n = to ? read_some(c, to, READ_BYTES) : 0;
		if (n == 0) {
			load_conn_close(c);
			return;
		}
		if (n < 0) {
			return;
		}
		xfed_buf_commit(&c->in, (size_t)n);
		gnutls_session_t before = c->tls;
		c->on_bytes(c);
		if (c->tls != before) {
			return; /* a handshake has begun */
		}
	}
}

static void connected(struct load_conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);
	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		load_conn_close(c);
		return;
	}
	c->is_connecting = false;
	set_interest(c);
	if (c->on_open) {
		c->on_open(c);
	}
	flush(c);
}

static void conn_ready(struct load_source *s, uint32_t events)
{
	struct load_conn *c = (struct load_conn *)s;
	if (c->is_closed) {
		return;
	}
	if (c->is_connecting) {
		connected(c);
	} else if (c->is_handshaking) {
		shake_hands(c);
	} else {
		if (events & EPOLLOUT) {
			flush(c);
		}
		if (!c->is_closed && !c->is_deaf && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
			receive(c);
		}
	}
}

/* ---- listening ---- */

struct listener {
	struct load_source source; /* first */
	int fd;
	void (*accepted)(int fd, void *user);
	void *user;
};

static void listener_ready(struct load_source *s, uint32_t events)
{
	struct listener *l = (struct listener *)s;
	int fd;
	while ((fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		l->accepted(fd, l->user);
	}
}

void load_listen(uint16_t port, void (*accepted)(int fd, void *user), void *user)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct listener *l = calloc(1, sizeof(*l));
	int on = 1;
	inet_pton(AF_INET, LOAD_HOST, &at.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!l || fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 512) < 0) {
		load_die("port %u: %s", port, strerror(errno));
	}
	*l = (struct listener){ { listener_ready }, fd, accepted, user };
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = l };
	epoll_ctl(load_epoll, EPOLL_CTL_ADD, fd, &ev);
}
