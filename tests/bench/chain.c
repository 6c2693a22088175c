/*
 * The floor under a message from XMPP to SIP: the same sockets and wake-ups, and nothing else. Three processes:
 *
 *   load --TCP--> A --TCP--> B --UDP--> load        message, Deliver, request
 *                 A <-TCP--- B <-UDP--- load        Settled, response
 *
 * and, as proto/delivery.md has it, B tells A what it is about to send (Attempted) and waits for its answer. Each process
 * reads what is there, handles it and writes once a turn and socket.
 *
 *   chain COUNT WINDOW       at most WINDOW in flight: a flood
 *   chain COUNT 0 RATE       paced, RATE a second
 *
 * Prints one line of JSON: CPU time of each process, latency from the load to the load.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Bytes on the wire as the daemons have them for a chat message. */
#define STANZA_BYTES   360 /* a TLS record and its overhead */
#define DELIVER_BYTES  520
#define REQUEST_BYTES  580
#define RESPONSE_BYTES 340
#define LIST_BYTES     32 /* Attempted, AttemptedAck, Settled: a record with a few numbers */
#define BUFFER_BYTES   (1024 * 1024)
#define GIVE_UP_S      60

enum type { STANZA = 1, DELIVER, ATTEMPTED, ACK, SETTLED };

struct head {
	uint32_t bytes, type, count, seq;
};

struct pipe_buf {
	int fd;
	size_t in_len, out_len;
	char in[BUFFER_BYTES], out[BUFFER_BYTES];
};

static void die(const char *what)
{
	fprintf(stderr, "chain: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- sockets ---- */

static void tcp_pair(int fds[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int on = 1, l = socket(AF_INET, SOCK_STREAM, 0);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(l, (struct sockaddr *)&at, len) || listen(l, 1) || getsockname(l, (struct sockaddr *)&at, &len) ||
		connect(fds[0], (struct sockaddr *)&at, len) || (fds[1] = accept(l, NULL, NULL)) < 0) {
		die("tcp");
	}
	setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	close(l);
}

static void udp_pair(int fds[2])
{
	struct sockaddr_in at[2];
	int bytes = 4 * 1024 * 1024;
	for (int i = 0; i < 2; i++) {
		socklen_t len = sizeof(at[i]);
		at[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
		setsockopt(fds[i], SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
		if (bind(fds[i], (struct sockaddr *)&at[i], len) || getsockname(fds[i], (struct sockaddr *)&at[i], &len)) {
			die("udp");
		}
	}
	if (connect(fds[0], (struct sockaddr *)&at[1], sizeof(at[1])) || connect(fds[1], (struct sockaddr *)&at[0], sizeof(at[0]))) {
		die("udp");
	}
}

/* ---- frames ---- */

static void put(struct pipe_buf *p, enum type type, uint32_t bytes, uint32_t count, uint32_t seq)
{
	struct head h = { bytes, type, count, seq };
	if (p->out_len + bytes > BUFFER_BYTES) {
		die("a buffer is full");
	}
	memset(p->out + p->out_len, 'x', bytes);
	memcpy(p->out + p->out_len, &h, sizeof(h));
	p->out_len += bytes;
}

static void flush(struct pipe_buf *p)
{
	ssize_t n = p->out_len > 0 ? send(p->fd, p->out, p->out_len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	if (n > 0) {
		memmove(p->out, p->out + n, p->out_len - (size_t)n);
		p->out_len -= (size_t)n;
	}
}

/* False: the other end is gone. */
static bool fill(struct pipe_buf *p)
{
	ssize_t n = recv(p->fd, p->in + p->in_len, BUFFER_BYTES - p->in_len, MSG_DONTWAIT);
	p->in_len += n > 0 ? (size_t)n : 0;
	return n != 0;
}

typedef void take_fn(void *user, const struct head *h);

static void take_all(struct pipe_buf *p, take_fn *take, void *user)
{
	size_t at = 0;
	struct head h;
	while (p->in_len - at >= sizeof(h)) {
		memcpy(&h, p->in + at, sizeof(h));
		if (p->in_len - at < h.bytes) {
			break;
		}
		take(user, &h);
		at += h.bytes;
	}
	memmove(p->in, p->in + at, p->in_len - at);
	p->in_len -= at;
}

static int make_epoll(const int *fds, int count)
{
	int ep = epoll_create1(0);
	for (int i = 0; i < count; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.fd = fds[i] };
		epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &ev);
	}
	return ep;
}

/* ---- A, the edge ---- */

static struct pipe_buf up, down;

static void a_take(void *user, const struct head *h)
{
	if (h->type == STANZA) {
		put(&down, DELIVER, DELIVER_BYTES, 1, h->seq);
	} else if (h->type == ATTEMPTED) {
		put(&down, ACK, LIST_BYTES, h->count, 0);
	}
}

static void run_a(int load, int b)
{
	int fds[2] = { load, b }, ep = make_epoll(fds, 2);
	up.fd = load;
	down.fd = b;
	for (;;) {
		struct epoll_event ev[2];
		int n = epoll_wait(ep, ev, 2, down.out_len > 0 ? 1 : -1);
		for (int i = 0; i < n; i++) {
			struct pipe_buf *p = ev[i].data.fd == load ? &up : &down;
			if (!fill(p)) {
				_exit(0);
			}
			take_all(p, a_take, NULL);
		}
		flush(&down);
	}
}

/* ---- B, the gateway ---- */

static uint32_t waiting[65536]; /* a ring */
static uint32_t first, last;
static uint32_t to_ask;
static int b_udp;

static void send_request(uint32_t seq)
{
	char text[REQUEST_BYTES] = { 0 };
	memcpy(text, &seq, sizeof(seq));
	if (send(b_udp, text, sizeof(text), 0) < 0) {
		die("udp send");
	}
}

static void b_take(void *user, const struct head *h)
{
	if (h->type == DELIVER) {
		waiting[last++ % 65536] = h->seq;
		to_ask++;
	} else if (h->type == ACK) {
		for (uint32_t i = 0; i < h->count; i++) {
			send_request(waiting[first++ % 65536]);
		}
	}
}

static uint32_t take_responses(void)
{
	char text[2048];
	uint32_t count = 0;
	while (recv(b_udp, text, sizeof(text), MSG_DONTWAIT) > 0) {
		count++;
	}
	return count;
}

static void run_b(int a, int udp)
{
	int fds[2] = { a, udp }, ep = make_epoll(fds, 2);
	up.fd = a;
	b_udp = udp;
	for (;;) {
		struct epoll_event ev[2];
		uint32_t settled = 0;
		int n = epoll_wait(ep, ev, 2, up.out_len > 0 ? 1 : -1);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == udp) {
				settled += take_responses();
			} else if (!fill(&up)) {
				_exit(0);
			} else {
				take_all(&up, b_take, NULL);
			}
		}
		if (to_ask > 0) {
			put(&up, ATTEMPTED, LIST_BYTES, to_ask, 0);
			to_ask = 0;
		}
		if (settled > 0) {
			put(&up, SETTLED, LIST_BYTES, settled, 0);
		}
		flush(&up);
	}
}

/* ---- the load ---- */

static uint64_t *sent_us;
static uint32_t *latency;
static uint32_t sent, arrived;

static void answer_requests(int udp)
{
	char text[2048];
	while (recv(udp, text, sizeof(text), MSG_DONTWAIT) > 0) {
		uint32_t seq;
		memcpy(&seq, text, sizeof(seq));
		latency[arrived++] = (uint32_t)(now_us() - sent_us[seq]);
		if (send(udp, text, RESPONSE_BYTES, 0) < 0) {
			die("udp send");
		}
	}
}

static uint32_t due(uint32_t count, uint32_t window, double rate, uint64_t started)
{
	uint32_t until = rate > 0 ? (uint32_t)((double)(now_us() - started) * rate / 1e6) : arrived + window;
	until = until < count ? until : count;
	return until > sent ? until - sent : 0;
}

static void run_load(int a, int udp, uint32_t count, uint32_t window, double rate)
{
	uint64_t started = now_us();
	down.fd = a;
	while (arrived < count && now_us() - started < GIVE_UP_S * 1000000ull) {
		for (uint32_t n = due(count, window, rate, started); n > 0; n--) {
			sent_us[sent] = now_us();
			put(&down, STANZA, STANZA_BYTES, 1, sent++);
		}
		flush(&down);
		struct pollfd p = { udp, POLLIN, 0 };
		if (poll(&p, 1, rate > 0 ? 2 : 50) > 0) {
			answer_requests(udp);
		}
	}
}

static int by_value(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	return a < b ? -1 : a > b;
}

static double cpu_of(const struct rusage *r)
{
	return (double)(r->ru_utime.tv_sec + r->ru_stime.tv_sec) * 1e6 + (double)(r->ru_utime.tv_usec + r->ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 2 ? (uint32_t)atol(argv[1]) : 0, window = argc > 2 ? (uint32_t)atol(argv[2]) : 0;
	double rate = argc > 3 ? atof(argv[3]) : 0;
	int la[2], ab[2], bl[2];
	if (count == 0 || window > 65536 || (window == 0 && rate <= 0)) {
		fprintf(stderr, "usage: chain COUNT WINDOW | chain COUNT 0 RATE\n");
		return 2;
	}
	tcp_pair(la);
	tcp_pair(ab);
	udp_pair(bl);
	pid_t a = fork();
	if (a == 0) {
		close(la[0]);
		close(ab[1]);
		run_a(la[1], ab[0]);
	}
	pid_t b = fork();
	if (b == 0) {
		close(la[0]);
		close(la[1]);
		close(ab[0]);
		run_b(ab[1], bl[0]);
	}
	close(la[1]);
	close(ab[0]);
	close(ab[1]);
	sent_us = calloc(count, sizeof(*sent_us));
	latency = calloc(count, sizeof(*latency));
	if (!sent_us || !latency) {
		die("memory");
	}
	run_load(la[0], bl[1], count, window, rate);
	close(la[0]); /* A ends, then B */
	struct rusage ra, rb, rl;
	wait4(a, NULL, 0, &ra);
	wait4(b, NULL, 0, &rb);
	getrusage(RUSAGE_SELF, &rl);
	qsort(latency, arrived, sizeof(*latency), by_value);
	printf("{\"sent\":%u,\"arrived\":%u,\"a_us\":%.0f,\"b_us\":%.0f,\"load_us\":%.0f,\"p50\":%u,\"p99\":%u}\n", sent, arrived, cpu_of(&ra),
		cpu_of(&rb), cpu_of(&rl), arrived ? latency[arrived / 2] : 0, arrived ? latency[arrived - 1 - arrived / 100] : 0);
	return arrived == count ? 0 : 1;
}
