/*
 * SIP connections over TCP and TLS: reading and framing, the handshake as jobs, what waits for it, reuse. Only sip_io.c,
 * sip_admit.c, sip_conn.c and sip_conn_tls.c include this.
 */
#ifndef GATEWAY_TRUNK_SIP_CONN_H
#define GATEWAY_TRUNK_SIP_CONN_H

#include "sip/framer.h"
#include "sip/keepalive.h"
#include "trunk/trunk_impl.h"
#include "xfed/rt/job.h"
#include "xfed/rt/listener.h"
#include "xfed/rt/stream.h"
#include "xfed/rt/udp.h"

#define SIP_CONN_OUT_BYTES     (1024 * 1024)
#define SIP_CONN_WAITING_BYTES (1024 * 1024) /* of one connection, until it is open */
#define SIP_CONN_IDLE_MS       (15 * 60 * 1000)
#define SIP_CONN_SLOW_MS       30000 /* for the rest of a message that has begun */

struct sip_conn_waiting {
	struct sip_conn_waiting *prev, *next;
	uint64_t txn;
	size_t len;
	char bytes[];
};

struct sip_conn {
	struct trunk *trunk;
	struct sip_io *io;
	uint64_t id; /* the flow's number */
	enum sip_transport transport;
	bool is_client, is_open, is_dying, is_closed;
	bool has_heard; /* something of SIP has come over it */
	struct rt_stream *stream;
	struct xfed_tls *tls; /* NULL over TCP */
	struct rt_job job;    /* a step of the handshake */
	enum xfed_tls_result job_result;
	struct xfed_tls_facts facts; /* once it is open */
	struct sip_framer framer;
	struct sip_keepalive keepalive; /* client, once it is open */
	struct sip_flow_info info;
	struct sip_target target; /* client: what it was opened for */
	struct sip_conn_waiting *waiting;
	size_t waiting_bytes;
	struct rt_timer timer;
	uint64_t stranger_ms;	      /* since when it may not send as one of our domains, where it may not */
	uint64_t heard_ms;	      /* anything came over it */
	uint64_t used_ms, partial_ms; /* last message either way; since when one is incomplete, 0: none */
	struct rt_post closing;	      /* a close asked for while the layer is being driven */
	enum xfed_reason close_reason;
	const char *close_text;
	UT_hash_handle hh, hh_target; /* by id; clients by target */
	char key[SIP_IP_SIZE + SIP_NAME_SIZE + 24];
};

struct sip_socket {
	uint64_t id;
	struct sip_io *io;
	struct rt_udp *udp;
	struct sip_flow_info info; /* transport and local address */
};

struct sip_io {
	struct trunk *trunk;
	uint64_t last_flow;
	struct sip_conn *conns, *targets;
	size_t conn_count, incoming;
	struct rt_listener *listeners[16];
	size_t listener_count;
	struct sip_socket sockets[16];
	size_t socket_count;
	uint16_t ports[SIP_TRANSPORT_COUNT];
};

/* sip_admit.c: a refusal leaves nothing behind. That of a peer is logged and counted in here; that of a connection of ours is told with what was to be sent. */
bool sip_admit_peer(struct sip_io *io, struct rt_stream *s);	 /* a stranger's stream has its place until its socket is closed */
bool sip_admit_stranger(struct sip_io *io, struct rt_stream *s); /* the same for one that was none; true where it has a place already */
bool sip_admit_dial(const struct sip_io *io);

void sip_conn_accept(struct sip_io *io, struct rt_stream *s, enum sip_transport t);
struct sip_conn *sip_conn_open(struct sip_io *io, const struct sip_target *t); /* NULL: it cannot even be tried */
struct sip_conn *sip_conn_find(const struct sip_io *io, uint64_t id);
struct trust_peer sip_conn_peer(const struct sip_conn *c); /* once it is connected */
struct sip_conn *sip_conn_to(const struct sip_io *io, const struct sip_target *t);
enum sip_io_sent sip_conn_send(struct sip_conn *c, struct xfed_span bytes, uint64_t txn);
void sip_conn_unanswered(struct sip_conn *c);
enum xfed_side sip_conn_side(enum xfed_reason reason); /* who is at fault where this happens to a connection with a SIP server */
void sip_conn_close_later(struct sip_conn *c, const char *text);
void sip_conn_close_because(struct sip_conn *c, enum xfed_reason reason, const char *text); /* later too; `text` lives on */
void sip_conn_free_all(struct sip_io *io);

/* sip_conn.c for sip_conn_tls.c */
void sip_conn_close(struct sip_conn *c, enum xfed_reason reason, const char *text);
void sip_conn_opened(struct sip_conn *c);
void sip_conn_take(struct sip_conn *c, struct xfed_span plain);
void sip_conn_rearm(struct sip_conn *c);
void sip_conn_free(struct sip_conn *c);

/* sip_conn_tls.c */
int sip_conn_tls_new(struct sip_conn *c);   /* OK, NOMEM; STATE: without credentials */
void sip_conn_tls_step(struct sip_conn *c); /* the handshake goes on */
void sip_conn_tls_read(struct sip_conn *c);
bool sip_conn_tls_flush(struct sip_conn *c); /* false: no room, or no memory */
/* By what is trusted now, which may be more or less than at the handshake. Why it is no longer good; NONE where it is, or never was. */
enum xfed_reason sip_conn_judge_chain(struct sip_conn *c);

#endif
