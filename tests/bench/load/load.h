/*
 * The load of the benches: one process that is the partners' XMPP servers, the SIP servers behind the gateway and, where
 * asked to, a gateway. It is told what to do by lines on its standard input and answers each with one line of JSON:
 *
 *   main.c     commands, the loop           conn.c   sockets and TLS
 *   flow.c     what is sent, what came back xmpp.c   streams, either role
 *   sip.c      next hops and a client       gateway.c  the channel, spoken by a gateway that settles everything at once
 *
 * Nothing here is checked that the daemons' own suites check: it has to cost less than what it measures.
 */
#ifndef TESTS_BENCH_LOAD_LOAD_H
#define TESTS_BENCH_LOAD_LOAD_H

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "xfed/buf.h"

#define LOAD_DIGITS  10 /* of a sequence number */
#define LOAD_HOST    "127.0.0.1"
#define LOAD_PENDING (1024 * 1024) /* a flood without a window stops above this many unsent bytes */

/* ---- main.c ---- */

/* What epoll tells about; first in everything that has a socket. */
struct load_source {
	void (*ready)(struct load_source *s, uint32_t events);
};

extern int load_epoll;
extern const char *load_certs; /* directory of tests/certs/make */
uint64_t load_now_us(void);
__attribute__((noreturn, format(printf, 1, 2))) void load_die(const char *fmt, ...);
/* A pattern of `len` bytes in `s`, or NULL. */
const char *load_find(struct xfed_span s, const char *pattern);

/* ---- conn.c ---- */

struct load_conn;
typedef void load_conn_fn(struct load_conn *c);

struct load_conn {
	struct load_source source; /* first */
	int fd;
	gnutls_session_t tls; /* NULL: in the clear */
	bool is_connecting, is_handshaking, is_deaf, is_closed, is_dirty, wants_write, is_server;
	size_t in_gnutls; /* plaintext that GnuTLS has taken and not written yet */
	uint32_t interest;
	struct xfed_buf in, out;
	load_conn_fn *on_open, *on_secure, *on_bytes, *on_close; /* on_open and on_secure may be NULL */
	void *user;
	struct load_conn *next_dirty;
};

struct load_conn *load_conn_new(int fd, void *user);
struct load_conn *load_conn_dial(uint16_t port, void *user);
void load_conn_start_tls(struct load_conn *c, const char *leaf, bool is_server, const char *name);
/* Appends; what was appended in a turn of the loop goes out at its end, in as few writes as possible. */
void load_conn_send(struct load_conn *c, const void *bytes, size_t len);
size_t load_conn_pending(const struct load_conn *c);
void load_conn_set_deaf(struct load_conn *c, bool is_deaf);
void load_conn_close(struct load_conn *c); /* freed at the end of the turn */
void load_conns_flush(void);
/* A listening socket whose connections are handed to `accepted`. */
void load_listen(uint16_t port, void (*accepted)(int fd, void *user), void *user);

/* ---- flow.c ---- */

enum load_kind { LOAD_TO_SIP, LOAD_TO_XMPP, LOAD_PING };

struct load_flow;
/* One line of a `run` command: "dir=to-sip,local=...,remote=...,..."; NULL: it does not make sense. */
struct load_flow *load_flow_new(const char *spec);
void load_flows_start(void);
void load_flows_pump(void);   /* sends what is due */
int load_flows_wait_ms(void); /* until something is due; -1: nothing */
bool load_flows_done(void);
void load_flows_print(FILE *out);
void load_flows_free(void);

void load_arrived(uint64_t seq);	      /* at the other side */
void load_answered(uint64_t seq, int status); /* a final response, an error stanza (status 0), an IQ result (200) */

/* ---- xmpp.c ---- */

void load_partner_listen(const char *domain, const char *leaf, uint16_t port, bool has_sm);
/* `count` streams from "d<first>.DOMAIN" and so on; 0: one from DOMAIN. */
void load_partner_open(uint16_t edge_port, const char *domain, const char *local, const char *leaf, unsigned first, unsigned count);
bool load_partner_opened(void);
unsigned load_partner_open_count(void);
/*
 * Stream management (XEP-0198), where the partner was told to listen with it and the other side has it: what was written to a
 * stream in a turn is followed by one <r/>; an <r/> of the other side is always answered.
 */
void load_partner_ask_acks(void);
uint64_t load_partner_acks(void); /* <a/> that have come */
void load_partner_set_deaf(const char *domain, bool is_deaf);
struct load_conn *load_partner_conn(const char *domain, const char *local); /* that we opened; NULL: none */

/* ---- sip.c ---- */

enum load_transport { LOAD_UDP, LOAD_TCP, LOAD_TLS };
extern const char *const load_transport_names[3];
void load_hop(enum load_transport t, uint16_t port, bool is_silent);
void load_dial_sip(enum load_transport t, uint16_t port);
bool load_sip_dialled(void);
void load_sip_send(enum load_transport t, const char *bytes, size_t len);
uint16_t load_sip_port(enum load_transport t);
size_t load_sip_pending(enum load_transport t);
/* While dead, requests to users whose name begins with "dead", and to silent hops, get no answer; then all get theirs. */
void load_set_dead(bool is_dead);

/* ---- gateway.c ---- */

void load_gateway(uint16_t port, const char *name, const char *leaf, bool gives_credit, const char *const *locals, size_t local_count,
	const char *partner, uint16_t connect_port);
bool load_gateway_is_up(void);
int load_gateway_wait_ms(void); /* until its timer */
void load_gateway_turn(void);	/* at the end of each turn */

#endif
