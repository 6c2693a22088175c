/*
 * s2s: carries bytes, jobs and time between a socket and the machine of its stream (xfed/s2s.h). Streams of partners, streams of ours and
 * probes have a struct driver as their first member; what differs between them comes in through struct driver_user.
 *
 * While an action is performed nothing is fed into the machine: a close requested there, and the events that `answer` returns, follow as
 * events of their own.
 */
#ifndef EDGE_S2S_DRIVER_H
#define EDGE_S2S_DRIVER_H

#include "s2s/s2s.h"
#include "xfed/rt/job.h"
#include "xfed/rt/timer.h"

struct driver;

struct driver_user {
	/*
	 * Result of driver_connect(). NONE: TCP is connected, and the owner calls driver_start() or driver_abandon(). Else why not; the driver
	 * abandons itself when this returns.
	 */
	void (*connected)(struct driver *d, enum xfed_reason reason);
	void (*perform)(struct driver *d, struct xfed_s2s_action *act); /* performs each action but JOB and CLOSED */
	/* the event that an action asked for; false: there is none. May be NULL */
	bool (*answer)(struct driver *d, struct xfed_s2s_event *ev);
	void (*stepped)(struct driver *d);				     /* all actions of an event have been performed. May be NULL */
	bool (*may_shake_hands)(struct driver *d);			     /* false: the stream was closed instead. May be NULL */
	void (*shook_hands)(struct driver *d);				     /* one step of the handshake has been computed. May be NULL */
	void (*woke)(struct driver *d);					     /* reading is paused and `wake_ms` has come. May be NULL */
	void (*closed)(struct driver *d, const struct xfed_s2s_action *act); /* the last action; the socket has been released */
	void (*gone)(struct driver *d);					     /* the driver is not used any more: the owner frees its memory */
};

/* The owner only reads members, but for those that say "set by the owner". */
struct driver {
	struct s2s *s2s;
	const struct driver_user *user;
	struct rt_stream *stream; /* NULL once released */
	struct xfed_s2s *machine; /* NULL until an outgoing connection is established; a probe has one from the start */
	struct rt_timer timer;
	struct rt_job job;
	struct rt_post go_on;
	struct xfed_tls *job_tls;
	enum xfed_tls_result job_result;
	uint64_t job_started_ms, job_cpu_us; /* start of the handshake step that is running; CPU time of all of them */
	unsigned turn_elements;
	bool is_closed;
	bool is_driving;	       /* actions are being performed: a close waits until they are done */
	bool is_paused;		       /* nothing is read until driver_resume(). Set by the owner */
	bool is_yielding;	       /* has used up its part of this turn, and goes on by itself in the next */
	uint64_t bytes_received;       /* acknowledged by the peer's kernel, as of the release of the socket */
	uint64_t wake_ms;	       /* while paused: when `woke` is called; 0: never. Set by the owner */
	enum xfed_reason close_reason; /* close requested while driving; NONE: none */
	const char *close_text;
};

int driver_init(struct driver *d, struct s2s *s, const struct driver_user *user); /* OK, NOMEM; driver_abandon() is allowed after both */
int driver_connect(struct driver *d, const struct rt_addr *to);			  /* OK, NOMEM, LIBRARY */
void driver_adopt(struct driver *d, struct rt_stream *stream);			  /* takes over a connection of a listener */
int driver_make(struct driver *d, struct xfed_s2s_config *cfg);			  /* makes the machine; fills in `env` and `out`. OK, NOMEM */
void driver_start(struct driver *d);

/* `d` may no longer exist after any of these, unless they are called from within its actions. */
void driver_event(struct driver *d, struct xfed_s2s_event *ev);			/* not from within its own actions; ignored where it is closed */
void driver_close(struct driver *d, enum xfed_reason reason, const char *text); /* `text` is not copied and must live on. Only with a machine */
int driver_write(struct driver *d, struct xfed_span stanza);			/* as xfed_s2s_send(); STATE where it is closed */
void driver_cover(struct driver *d, uint64_t number);				/* as xfed_s2s_cover() */
void driver_resume(struct driver *d);

uint64_t driver_bytes_out(const struct driver *d);	/* bytes of the stream so far, with those still in the buffer */
uint64_t driver_bytes_received(const struct driver *d); /* of these, how many the peer's kernel has acknowledged */

void driver_abandon(struct driver *d); /* only before the machine has started */
void driver_stop(struct driver *d);    /* closes at once, without a word to the peer; `gone` follows when no job is running */

#endif
