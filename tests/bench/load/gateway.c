/* A gateway that takes what its credit allows and settles all of it at the end of the turn, as delivered. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "proto/session.h"
#include "proto/transfer.h"
#include "xfed/policy.h"

#define SETTLE_MAX 256
#define FILE_MAX   (256 * 1024)

static struct {
	struct load_source source;
	int fd;
	struct proto_session *session;
	struct proto_transfer_out transfer;
	struct xfed_buf policy;
	bool is_up, is_sent, is_in_force, gives_credit, wants_write;
	Xfed__Outcome outcomes[SETTLE_MAX];
	size_t count;
} gw;

static void fill_random(void *user, void *out, size_t len)
{
	if (getrandom(out, len, 0) != (ssize_t)len) {
		load_die("no random bytes");
	}
}

static int64_t wall_s(void *user)
{
	return time(NULL);
}

static const struct xfed_env env = { NULL, fill_random, wall_s, NULL };

static uint64_t now_ms(void)
{
	return load_now_us() / 1000;
}

/* ---- what it says of itself ---- */

static struct xfed_span read_file(const char *leaf, const char *suffix)
{
	char path[512];
	char *text = malloc(FILE_MAX);
	snprintf(path, sizeof(path), "%s/%s%s", load_certs, leaf, suffix);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 && text ? read(fd, text, FILE_MAX) : -1;
	if (n <= 0) {
		load_die("%s: %s", path, strerror(errno));
	}
	close(fd);
	return xfed_span_make(text, (size_t)n);
}

static struct xfed_tls_creds *make_creds(const char *leaf)
{
	struct xfed_tls_keypair pair = { read_file(leaf, ".chain.pem"), read_file(leaf, ".key") };
	struct xfed_tls_creds_config config = { .pairs = &pair, .pair_count = 1, .ca_pem = read_file("ca", ".pem") };
	struct xfed_tls_creds *creds;
	char error[256];
	if (xfed_tls_creds_new(&config, &creds, error, sizeof(error)) != XFED_OK) {
		load_die("%s: %s", leaf, error);
	}
	return creds;
}

static void make_policy(const char *const *locals, size_t local_count, const char *domain, uint16_t port)
{
	struct xfed_partner partner = {
		.domain = domain,
		.type = XFED_PARTNER_FEDERATED,
		.connect_host = LOAD_HOST,
		.connect_port = port,
		.max_connections = XFED_CONNECTIONS_MAX,
		.stanzas_per_second = 1000000,
		.stanza_bytes = XFED_STANZA_BYTES_DEFAULT,
		.kinds = XFED_KIND_MESSAGE | XFED_KIND_PRESENCE | XFED_KIND_IQ,
	};
	struct xfed_policy *p;
	struct proto_revision revision = { .epoch = 1, .counter = 1 };
	xfed_buf_init(&gw.policy, XFED_POLICY_BYTES_MAX);
	bool ok = xfed_policy_new(&p) == XFED_OK && xfed_policy_add_partner(p, &partner, NULL) == XFED_OK;
	for (size_t i = 0; ok && i < local_count; i++) {
		ok = xfed_policy_add_local(p, xfed_span_str(locals[i]), NULL) == XFED_OK;
	}
	if (!ok || xfed_policy_encode(p, &gw.policy) != XFED_OK || proto_transfer_hash(xfed_buf_span(&gw.policy), revision.hash) != XFED_OK ||
		proto_transfer_start(&gw.transfer, &revision, xfed_buf_span(&gw.policy)) != XFED_OK) {
		load_die("no policy");
	}
	xfed_policy_free(p);
}

/* ---- deliveries ---- */

static void settle(void)
{
	const Xfed__Outcome *list[SETTLE_MAX];
	for (size_t i = 0; i < gw.count; i++) {
		list[i] = &gw.outcomes[i];
	}
	if (gw.count > 0 && proto_session_settled(gw.session, list, gw.count) != XFED_OK) {
		load_die("could not settle");
	}
	gw.count = 0;
}

static void take_deliver(const Xfed__Deliver *d, size_t frame_bytes)
{
	struct xfed_span stanza = xfed_span_make(d->stanza.data, d->stanza.len);
	const char *body = load_find(stanza, "<body>#");
	if (body) {
		load_arrived(strtoull(body + 7, NULL, 10));
	}
	gw.outcomes[gw.count] = (Xfed__Outcome)XFED__OUTCOME__INIT;
	gw.outcomes[gw.count].seq = d->seq;
	gw.outcomes[gw.count++].fate = XFED__FATE__FATE_DELIVERED;
	proto_session_grant(gw.session, 1, frame_bytes);
	if (gw.count == SETTLE_MAX) {
		settle();
	}
}

static void perform(const struct proto_action *act)
{
	switch (act->type) {
	case PROTO_ACT_JOB: {
		struct proto_event ev = { .type = PROTO_EV_JOB_DONE };
		proto_session_job_run(gw.session);
		proto_session_step(gw.session, &ev, now_ms());
		break;
	}
	case PROTO_ACT_UP:
		gw.is_up = true;
		if (gw.gives_credit) {
			proto_session_grant(gw.session, XFED_CHANNEL_CREDIT_MSGS, XFED_CHANNEL_CREDIT_BYTES);
		}
		break;
	case PROTO_ACT_MESSAGE:
		if (act->frame->body_case == XFED__FRAME__BODY_DELIVER) {
			take_deliver(act->frame->deliver, act->frame_bytes);
		} else if (act->frame->body_case == XFED__FRAME__BODY_POLICY_RESULT) {
			gw.is_in_force = true;
		}
		break;
	case PROTO_ACT_CREDIT:
		break;
	case PROTO_ACT_DOWN:
		load_die("the link to the edge is down: %s: %s", xfed_reason_code(act->reason), act->text);
	}
}

static void drain(void)
{
	struct proto_action act;
	while (proto_session_next(gw.session, &act)) {
		perform(&act);
	}
}

static void feed(struct xfed_span bytes)
{
	while (bytes.len > 0) {
		struct proto_event ev = { .type = PROTO_EV_BYTES, .bytes = bytes };
		proto_session_step(gw.session, &ev, now_ms());
		drain();
		bytes = xfed_span_make(bytes.data + ev.consumed, bytes.len - ev.consumed);
	}
}

static void gateway_ready(struct load_source *s, uint32_t events)
{
	static char buf[256 * 1024];
	ssize_t n = recv(gw.fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n == 0) {
		load_die("the edge closed the link");
	}
	if (n > 0) {
		feed(xfed_span_make(buf, (size_t)n));
	}
}

static void write_out(void)
{
	struct xfed_buf *out = proto_session_output(gw.session);
	while (xfed_buf_len(out) > 0) {
		struct xfed_span s = xfed_buf_span(out);
		ssize_t n = send(gw.fd, s.data, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n <= 0) {
			break;
		}
		xfed_buf_consume(out, (size_t)n);
		proto_session_flush(gw.session, now_ms());
	}
	bool wants = xfed_buf_len(out) > 0;
	if (wants != gw.wants_write) {
		struct epoll_event ev = { .events = EPOLLIN | (wants ? EPOLLOUT : 0), .data.ptr = &gw };
		epoll_ctl(load_epoll, EPOLL_CTL_MOD, gw.fd, &ev);
		gw.wants_write = wants;
	}
}

void load_gateway_turn(void)
{
	if (!gw.session) {
		return;
	}
	if (now_ms() >= proto_session_deadline(gw.session)) {
		struct proto_event ev = { .type = PROTO_EV_TICK };
		proto_session_step(gw.session, &ev, now_ms());
		drain();
	}
	while (gw.is_up && !gw.is_sent && proto_transfer_pump(&gw.transfer, gw.session, &gw.is_sent) == XFED_OK) {
	}
	settle();
	proto_session_flush(gw.session, now_ms());
	write_out();
}

int load_gateway_wait_ms(void)
{
	uint64_t now = now_ms(), at = gw.session ? proto_session_deadline(gw.session) : UINT64_MAX;
	return at == UINT64_MAX ? -1 : at <= now ? 0 : at - now > 1000 ? 1000 : (int)(at - now);
}

static void connect_to(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int on = 1;
	inet_pton(AF_INET, LOAD_HOST, &to.sin_addr);
	gw.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (gw.fd < 0 || connect(gw.fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		load_die("port %u: %s", port, strerror(errno));
	}
	setsockopt(gw.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

bool load_gateway_is_up(void)
{
	return gw.is_in_force;
}

void load_gateway(uint16_t port, const char *name, const char *leaf, bool gives_credit, const char *const *locals, size_t local_count,
	const char *partner, uint16_t connect_port)
{
	struct proto_session_config config = {
		.env = &env,
		.role = PROTO_GATEWAY,
		.creds = NULL,
		.host = xfed_span_str("edge-int.corp.example"),
		.hello = { .name = xfed_span_str(name), .lowest_unsettled = 1, .software = xfed_span_str("bench") },
	};
	fill_random(NULL, &config.hello.boot_nonce, sizeof(config.hello.boot_nonce));
	config.hello.boot_nonce |= 1;
	if (xfed_tls_global_init(&env) != XFED_OK) {
		load_die("GnuTLS");
	}
	config.creds = make_creds(leaf);
	make_policy(locals, local_count, partner, connect_port);
	connect_to(port);
	gw.source.ready = gateway_ready;
	gw.gives_credit = gives_credit;
	if (proto_session_new(&config, now_ms(), &gw.session) != XFED_OK) {
		load_die("no session");
	}
	drain();
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &gw };
	epoll_ctl(load_epoll, EPOLL_CTL_ADD, gw.fd, &ev);
}
