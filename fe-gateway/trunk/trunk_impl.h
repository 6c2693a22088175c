/* What the files of trunk share; included by this room only. Connections are in sip_conn.h. */
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

/* The layer returns at most 64 actions at once, each of which causes at most one event. */
#define TRUNK_EVENTS_MAX 128

#define TRUNK_WHY_BYTES 256

/* The last outgoing connection that was closed before its peer read anything. */
struct trunk_unread {
	struct sip_target to;
	enum xfed_reason reason;
	uint64_t at_ms;
	char why[TRUNK_WHY_BYTES];
};

#define TRUNK_RECENT_HOPS 64

struct hop_of_domain {
	const struct config_domain *domain;
	struct trunk_hop *hop;
};

struct trunk {
	struct core *core;
	struct trunk_files files;
	struct sip_io *io;
	struct sip_layer *layer;
	struct rt_timer timer;
	bool is_driving;
	struct sip_layer_event events[TRUNK_EVENTS_MAX]; /* caused by sending, and fed to the layer afterwards */
	size_t event_first, event_count;
	struct trunk_hop *hops;
	struct hop_of_domain recent[TRUNK_RECENT_HOPS]; /* by the address of the domain; emptied when other files are in use */
	struct hop_load load;				/* for all hops together */
	int64_t certs_due_s;				/* when the first certificate of a connection has to be judged again */
	uint32_t judgement;				/* counts up when peers and certificates are judged anew; never 0 */
	struct rt_sources strangers;
	enum xfed_reason failing; /* set while messages that waited for a connection are reported as failed: why it failed */
	const char *failing_why;
	struct trunk_unread unread;
	struct trunk_untrusted untrusted[TRUNK_UNTRUSTED_MAX];
	uint64_t untrusted_count;
	struct trunk_user probe_user;
	struct trunk_asking *askings;
	uint64_t doubts; /* of all hops */
};

static inline uint64_t trunk_now(const struct trunk *t)
{
	return core_now(t->core);
}

/* ---- hops.c, hop_places.c ---- */

struct trunk_question { /* a question to the DNS */
	struct trunk_places *places;
	unsigned number; /* the machine's number of it, from 1 */
	struct rt_resolve *request;
	bool is_lost; /* it could not be asked */
};

/* The places of a hop, for requests of any size or for those too large for UDP. */
struct trunk_places {
	struct trunk_hop *hop;
	bool is_large, is_asking;
	struct sip_locate *locate; /* look-up that is running; or its result, valid until fresh_until_ms */
	struct trunk_question questions[1 + XFED_SIP_LOCATE_NAPTRS + 2 * XFED_SIP_LOCATE_TARGETS];
	uint64_t fresh_until_ms;
	struct trunk_send *waiting; /* requests that wait for the result, in order */
};

/* Whether a hop that is down answers again. IDLE until the next probe is due; LOOKING up its places; READY to be sent to one; SENT. */
struct trunk_probe {
	enum { TRUNK_PROBE_IDLE, TRUNK_PROBE_LOOKING, TRUNK_PROBE_READY, TRUNK_PROBE_SENT } state;
	struct trunk_send send;
	uint64_t pause_ms, due_ms; /* 0: the hop was up */
	uint64_t look_ms;	   /* UDP with dialogs: when it is probed though it is up; 0: it has none */
};

struct trunk_hop {
	struct trunk *trunk;
	bool has_transport, is_ip;
	bool is_outside, is_found;     /* a neighbour; one that _sipfederationtls._tcp leads to */
	enum sip_transport transport;  /* valid with has_transport */
	char *host, *tls_name;	       /* tls_name is "" where there is none */
	uint16_t port;		       /* 0: not written */
	char *label, *key;	       /* its name for people; its key: a hop with credentials belongs to one domain */
	struct sip_digest *digest;     /* NULL: no credentials */
	struct trunk_places places[2]; /* for any size; for requests too large for UDP */
	struct sip_failed_places failed;
	struct hop_no_tcp no_tcp;
	struct hop_load load; /* requests that wait for it or are in flight */
	struct hop_state state;
	bool is_used; /* some domain uses it, as of the last reload */
	struct trunk_probe probe;
	size_t udp_dialogs; /* trunk_hop_carries() */
	bool is_lost;	    /* OPTIONS failed, or no place could be connected to, and it has not answered since */
	uint64_t doubts;    /* trunk_hop_doubts() */
	UT_hash_handle hh;
};

/* Adds credentials where the hop asks for them. `uri`: the Request-URI the request will have. */
int trunk_send_proved(struct trunk_send *s, const struct sip_layer_request *params, struct xfed_span uri, uint64_t *txn);
bool trunk_hop_tcp_stands_in(const struct trunk_hop *h);
/* after a reload: forgets places, credentials, refusals of TCP, and the state of hops that no domain uses any more */
void trunk_hops_forget(struct trunk *t);
void trunk_hops_free(struct trunk *t);
void trunk_places_want(struct trunk_places *p, struct trunk_send *s);
void trunk_places_free(struct trunk_places *p);

/* ---- hop_ends.c: changes a hop's state, the log and the metric ---- */

void trunk_hop_down(struct trunk_hop *h, enum xfed_reason reason, const char *text);
void trunk_hop_answers(struct trunk_hop *h); /* it is up; whether it accepts messages is not known */
void trunk_hop_refuses(struct trunk_hop *h, const struct hop_refusal *r);
void trunk_hop_age(struct trunk_hop *h);
void trunk_hop_lost(struct trunk_hop *h); /* nobody is there: what is known there may be gone with it */
/* An outgoing connection was closed for `reason`, and the peer had not read what was written on it. */
void trunk_note_unread(struct trunk *t, const struct sip_target *to, enum xfed_reason reason, const char *text);

/* ---- probe.c ---- */

void trunk_probe_init(struct trunk *t);
void trunk_probe_tick(struct trunk *t, uint64_t now_ms);
void trunk_probe_end(struct trunk_hop *h); /* to be called when its hop is freed */
void trunk_probe_stop(struct trunk *t);	   /* tells all who have asked */

/* ---- trunk.c ---- */

/* "dns:a.example,dns:b.example", as much as fits; returns the length of the whole. `f` NULL: no certificate. */
size_t trunk_cert_names(const struct xfed_cert_facts *f, char *out, size_t size);
int trunk_request(struct trunk *t, const struct sip_layer_request *rq, uint64_t *txn);
void trunk_event(struct trunk *t, const struct sip_layer_event *ev);
void trunk_receive(struct trunk *t, const struct sip_flow_info *flow, struct xfed_span bytes);

/* ---- sip_io.c ---- */

enum sip_io_sent {
	SIP_IO_WAITS,  /* waits for a connection: an event follows */
	SIP_IO_SENT,   /* `*flow` is set */
	SIP_IO_FAILED, /* nothing was written */
};

int sip_io_new(struct trunk *t, struct sip_io **out, char error[256]);
void sip_io_free(struct sip_io *io);
enum sip_io_sent sip_io_send(struct sip_io *io, const struct sip_target *t, struct xfed_span bytes, uint64_t txn, uint64_t *flow);
void sip_io_unanswered(struct sip_io *io, uint64_t flow); /* to be called when a request on that flow has timed out; 0 and closed flows are ignored */
void sip_io_close_flow(struct sip_io *io, uint64_t flow); /* later in this turn, after what has been sent on it */
void sip_io_stop_listening(struct sip_io *io);
/* Who is at the other end; false: the flow is closed. Borrowed until the next turn. */
bool sip_io_peer(const struct sip_io *io, const struct sip_flow_info *flow, struct trust_peer *out);
/* The same for a connection by its number, and whether we opened it. */
bool sip_io_behind(const struct sip_io *io, uint64_t flow, struct trust_peer *out, bool *is_dialled);
uint16_t sip_io_port(const struct sip_io *io, enum sip_transport t); /* port of the first listener; 0: there is none */
uint16_t sip_io_outside_port(const struct sip_io *io);		     /* of sip.federation; 0: there is none */
void sip_io_judge_certs(struct sip_io *io);			     /* sip_conn.c: judges the certificates of connections again */

#endif
