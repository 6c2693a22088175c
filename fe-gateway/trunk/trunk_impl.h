/* What the files of trunk/ share. sip_conn.h is about connections alone. */
#ifndef GATEWAY_TRUNK_TRUNK_IMPL_H
#define GATEWAY_TRUNK_TRUNK_IMPL_H

#include "sip/digest.h"
#include "sip/locate.h"
#include "trunk/hop_load.h"
#include "trunk/hop_state.h"
#include "trunk/trunk.h"
#include "trunk/trust.h"
#include "util/table.h"
#include "xfed/rt/source.h"

struct sip_io; /* sockets */

/* One drain of the layer gives at most 64 actions, each at most one event. */
#define TRUNK_EVENTS_MAX 128

#define TRUNK_WHY_BYTES 256

/* The last connection of ours that was closed before anything written on it was read. */
struct trunk_unread {
	struct sip_target to;
	enum xfed_reason reason;
	uint64_t at_ms;
	char why[TRUNK_WHY_BYTES];
};

struct trunk {
	struct core *core;
	struct trunk_files files;
	struct sip_io *io;
	struct sip_layer *layer;
	struct rt_timer timer;
	bool is_driving;
	struct sip_layer_event events[TRUNK_EVENTS_MAX]; /* what sending has led to, fed back afterwards */
	size_t event_first, event_count;
	struct trunk_hop *hops;
	struct hop_load load; /* of all hops */
	int64_t certs_due_s;  /* the first certificate of a connection is to be judged again */
	struct rt_sources strangers;
	enum xfed_reason failing; /* while those that waited for a connection are told: why there is none */
	const char *failing_why;
	struct trunk_unread unread;
	struct trunk_untrusted untrusted[TRUNK_UNTRUSTED_MAX];
	uint64_t untrusted_count;
	struct trunk_user probe_user;
	uint64_t doubts; /* of all hops */
};

static inline uint64_t trunk_now(const struct trunk *t)
{
	return core_now(t->core);
}

/* ---- hops.c, hop_places.c ---- */

struct trunk_question { /* to the DNS */
	struct trunk_places *places;
	unsigned number; /* the machine's, from 1 */
	struct rt_resolve *request;
	bool is_lost; /* could not be asked */
};

/* Where a hop is, for requests of any size or for those that are too large for UDP. */
struct trunk_places {
	struct trunk_hop *hop;
	bool is_large, is_asking;
	struct sip_locate *locate; /* asking; or what it found is good until fresh_until_ms */
	struct trunk_question questions[1 + XFED_SIP_LOCATE_NAPTRS + 2 * XFED_SIP_LOCATE_TARGETS];
	uint64_t fresh_until_ms;
	struct trunk_send *waiting; /* for it, in order */
};

/* Whether one that is down answers again: IDLE, until it is due; LOOKING for its places; READY to be sent to one; SENT. */
struct trunk_probe {
	enum { TRUNK_PROBE_IDLE, TRUNK_PROBE_LOOKING, TRUNK_PROBE_READY, TRUNK_PROBE_SENT } state;
	struct trunk_send send;
	uint64_t pause_ms, due_ms; /* 0: it was up */
	uint64_t look_ms;	   /* UDP with dialogs: when it is asked though it is up; 0: it has none */
};

struct trunk_hop {
	struct trunk *trunk;
	bool has_transport, is_ip;
	enum sip_transport transport;  /* has_transport */
	char *host, *tls_name;	       /* tls_name "" where there is none */
	uint16_t port;		       /* 0: none is written */
	char *label, *key;	       /* as it is shown; as it is found: one with credentials is of one domain alone */
	struct sip_digest *digest;     /* NULL: no credentials */
	struct trunk_places places[2]; /* of any size, too large for UDP */
	struct sip_failed_places failed;
	struct hop_no_tcp no_tcp;
	struct hop_load load; /* waiting for it or in flight */
	struct hop_state state;
	bool is_used; /* some domain has it, as of the last reload */
	struct trunk_probe probe;
	size_t udp_dialogs; /* trunk_hop_carries() */
	bool is_lost;	    /* OPTIONS failed, or no place could be connected to, and it has not answered since */
	uint64_t doubts;    /* trunk_hop_doubts() */
	UT_hash_handle hh;
};

/* With credentials where they are asked for. `uri`: the Request-URI that it will have. */
int trunk_send_proved(struct trunk_send *s, const struct sip_layer_request *params, struct xfed_span uri, uint64_t *txn);
bool trunk_hop_tcp_stands_in(const struct trunk_hop *h);
void trunk_hops_forget(struct trunk *t); /* their places and credentials, and whether they take TCP; of those no domain has any more, their state */
void trunk_hops_free(struct trunk *t);
void trunk_places_want(struct trunk_places *p, struct trunk_send *s);
void trunk_places_free(struct trunk_places *p);

/* ---- hop_ends.c: what is said of a hop goes to its state, the log and the metric ---- */

void trunk_hop_down(struct trunk_hop *h, enum xfed_reason reason, const char *text);
void trunk_hop_answers(struct trunk_hop *h); /* it is up; what it thinks of messages nobody knows */
void trunk_hop_refuses(struct trunk_hop *h, const struct hop_refusal *r);
void trunk_hop_age(struct trunk_hop *h);
void trunk_hop_lost(struct trunk_hop *h); /* nobody is there: what is known there may be gone with it */
/* A connection of ours was closed for that, and what was written on it was not read. */
void trunk_note_unread(struct trunk *t, const struct sip_target *to, enum xfed_reason reason, const char *text);

/* ---- probe.c ---- */

void trunk_probe_init(struct trunk *t);
void trunk_probe_tick(struct trunk *t, uint64_t now_ms);
void trunk_probe_end(struct trunk_hop *h); /* when its hop goes */

/* ---- trunk.c ---- */

/* "dns:a.example,dns:b.example" as far as it fits; its whole length. NULL: none. */
size_t trunk_cert_names(const struct xfed_cert_facts *f, char *out, size_t size);
int trunk_request(struct trunk *t, const struct sip_layer_request *rq, uint64_t *txn);
void trunk_event(struct trunk *t, const struct sip_layer_event *ev);
void trunk_receive(struct trunk *t, const struct sip_flow_info *flow, struct xfed_span bytes);

/* ---- sip_io.c ---- */

enum sip_io_sent {
	SIP_IO_WAITS,  /* for a connection: an event follows */
	SIP_IO_SENT,   /* `*flow` */
	SIP_IO_FAILED, /* nothing was written */
};

int sip_io_new(struct trunk *t, struct sip_io **out, char error[256]);
void sip_io_free(struct sip_io *io);
enum sip_io_sent sip_io_send(struct sip_io *io, const struct sip_target *t, struct xfed_span bytes, uint64_t txn, uint64_t *flow);
void sip_io_unanswered(struct sip_io *io, uint64_t flow); /* a request that went over it has timed out; 0, or one that is gone: nothing */
void sip_io_close_flow(struct sip_io *io, uint64_t flow); /* after what has been sent, later in this turn */
void sip_io_stop_listening(struct sip_io *io);
/* Who is at the other end; false: the flow is gone. Borrowed until the next turn. */
bool sip_io_peer(const struct sip_io *io, const struct sip_flow_info *flow, struct trust_peer *out);
/* The same of a connection by its number, and whether it was opened by us. */
bool sip_io_behind(const struct sip_io *io, uint64_t flow, struct trust_peer *out, bool *is_dialled);
uint16_t sip_io_port(const struct sip_io *io, enum sip_transport t); /* of the first listener; 0: none */
void sip_io_judge_certs(struct sip_io *io);			     /* sip_conn.c: of the connections */

#endif
