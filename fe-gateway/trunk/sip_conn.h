/*
 * SIP connections over TCP and TLS: framing, handshake jobs, messages that wait for the handshake, reuse. Included only by sip_io.c,
 * sip_admit.c, sip_conn.c and sip_conn_tls.c.
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
#define SIP_CONN_WAITING_BYTES (1024 * 1024) /* of messages that wait until one connection is open */
#define SIP_CONN_IDLE_MS       (15 * 60 * 1000)
#define SIP_CONN_SLOW_MS       30000 /* for the rest of an incomplete message */

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
	bool is_outside; /* of sip.federation */
	bool is_client, is_open, is_dying, is_closed;
	bool has_heard; /* a SIP message has come over it */
	struct rt_stream *stream;
	struct xfed_tls *tls; /* NULL for TCP */
	struct rt_job job;    /* for a step of the handshake */
	enum xfed_tls_result job_result;
	struct xfed_tls_facts facts; /* valid once it is open */
	struct sip_framer framer;
	struct sip_keepalive keepalive; /* outgoing, once it is open */
	struct sip_flow_info info;
	struct sip_target target; /* outgoing: the target it was opened for */
	struct sip_conn_waiting *waiting;
	size_t waiting_bytes;
	struct rt_timer timer;
	uint64_t stranger_ms;	      /* since when the peer is a stranger, where it is one */
	uint64_t heard_ms;	      /* when anything last came over it */
	uint64_t used_ms, partial_ms; /* the last message in either direction; since when one is incomplete, 0: none */
	struct rt_post closing;	      /* for a close requested while the layer's actions are performed */
	enum xfed_reason close_reason;
	const char *close_text;
	UT_hash_handle hh, hh_target; /* by id; outgoing ones by target too */
	char key[SIP_IP_SIZE + SIP_NAME_SIZE + 24];
};

struct sip_socket {
	uint64_t id;
	struct sip_io *io;
	struct rt_udp *udp;
	struct sip_flow_info info; /* transport and local address are fixed */
};

struct sip_io {
	struct trunk *trunk;
	uint64_t last_flow;
	struct sip_conn *conns, *targets;
	size_t conn_count, incoming;
	struct rt_listener *listeners[20]; /* those of sip.federation too */
	size_t listener_count;
	struct sip_socket sockets[16];
	size_t socket_count;
	uint16_t ports[SIP_TRANSPORT_COUNT], outside_port;
};

/*
 * sip_admit.c: nothing is kept of what is refused. A refused peer is logged and counted there; a refused connection of ours is reported
 * with the message that needed it.
 */
bool sip_admit_peer(struct sip_io *io, struct rt_stream *s);	 /* a stranger's stream keeps its place until its socket is closed */
bool sip_admit_stranger(struct sip_io *io, struct rt_stream *s); /* for a peer that has become a stranger; true also where it has a place already */
bool sip_admit_dial(const struct sip_io *io);
bool sip_admit_neighbour(struct sip_io *io, struct rt_stream *s); /* at a listener of sip.federation */

void sip_conn_accept(struct sip_io *io, struct rt_stream *s, enum sip_transport t, bool is_outside);
struct sip_conn *sip_conn_open(struct sip_io *io, const struct sip_target *t); /* NULL: could not even be tried */
struct sip_conn *sip_conn_find(const struct sip_io *io, uint64_t id);
struct trust_peer sip_conn_peer(const struct sip_conn *c); /* once it is connected */
struct sip_conn *sip_conn_to(const struct sip_io *io, const struct sip_target *t);
enum sip_io_sent sip_conn_send(struct sip_conn *c, struct xfed_span bytes, uint64_t txn);
void sip_conn_unanswered(struct sip_conn *c);
enum xfed_side sip_conn_side(enum xfed_reason reason); /* who is to blame when this happens to a connection with a SIP server */
void sip_conn_close_later(struct sip_conn *c, const char *text);
/* also later in this turn; `text` is not copied and must live on */
void sip_conn_close_because(struct sip_conn *c, enum xfed_reason reason, const char *text);
void sip_conn_free_all(struct sip_io *io);

/* sip_conn.c, for sip_conn_tls.c */
void sip_conn_close(struct sip_conn *c, enum xfed_reason reason, const char *text);
void sip_conn_opened(struct sip_conn *c);
void sip_conn_take(struct sip_conn *c, struct xfed_span plain);
void sip_conn_rearm(struct sip_conn *c);
void sip_conn_free(struct sip_conn *c);

/* sip_conn_tls.c */
int sip_conn_tls_new(struct sip_conn *c);   /* OK, NOMEM; STATE: without credentials */
void sip_conn_tls_step(struct sip_conn *c); /* continues the handshake */
void sip_conn_tls_read(struct sip_conn *c);
bool sip_conn_tls_flush(struct sip_conn *c); /* false: no room, or no memory */
/* Judges the chain by the present trust, which may differ from that at the handshake: why it is no longer valid; NONE: it is, or never was. */
enum xfed_reason sip_conn_judge_chain(struct sip_conn *c);
bool sip_conn_is_old(const struct sip_conn *c); /* its version of TLS is allowed no more */

#endif
